//! The parts of Sheets v4 that delivery reads and writes (discovery document, revision 20261019).
//!
//! Reading is total: whatever is not what it should be is `None`, and unknown members are ignored. proto3 JSON leaves
//! out zeros and empty lists, so those have defaults.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::a1::a1_first_row;
use crate::ids::MarkerId;

/// A request to the Sheets API, relative to its origin. Authorisation is the edge's to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Begins with `/v4/`; already percent-encoded.
    pub path: String,
    /// JSON; empty for none.
    pub body: alloc::sync::Arc<[u8]>,
    /// Whether it changes something. Google may work for 180 s on it, so a write is given up later than that.
    pub writes: bool,
}

impl Call {
    pub(crate) fn get(path: String) -> Self {
        Self { method: "GET", path, body: alloc::sync::Arc::from([]), writes: false }
    }

    pub(crate) fn read(path: String, body: &Value) -> Self {
        Self { method: "POST", path, body: body.to_string().into_bytes().into(), writes: false }
    }

    pub(crate) fn write(path: String, body: alloc::sync::Arc<[u8]>) -> Self {
        Self { method: "POST", path, body, writes: true }
    }
}

/// `/v4/spreadsheets/{id}` and what follows it. Ids of Google's need no encoding; one from a person might.
pub(crate) fn path(spreadsheet: &str, rest: &str) -> String {
    let mut path = String::from("/v4/spreadsheets/");
    percent_encode(spreadsheet, &mut path);
    path.push_str(rest);
    path
}

/// RFC 3986: everything but unreserved characters.
fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
}

/// `developerMetadata.get` of one marker.
pub(crate) fn get_marker(spreadsheet: &str, id: MarkerId) -> Call {
    let mut rest = String::from("/developerMetadata/");
    rest.push_str(&id.as_u32().to_string());
    Call::get(path(spreadsheet, &rest))
}

/// `developerMetadata.search` for any of some keys.
pub(crate) fn search(spreadsheet: &str, keys: &[&str]) -> Call {
    let filters: Vec<Value> = keys.iter().map(|key| json!({"developerMetadataLookup": {"metadataKey": key}})).collect();
    Call::read(path(spreadsheet, "/developerMetadata:search"), &json!({ "dataFilters": filters }))
}

/// `developerMetadata.search` for all there is.
pub(crate) fn search_all(spreadsheet: &str) -> Call {
    let filter = json!({"developerMetadataLookup": {"visibility": "DOCUMENT"}});
    Call::read(path(spreadsheet, "/developerMetadata:search"), &json!({ "dataFilters": [filter] }))
}

/// `spreadsheets.get` of the tabs' names and sizes.
pub(crate) fn get_tabs(spreadsheet: &str) -> Call {
    let fields = "?fields=spreadsheetId,sheets.properties(sheetId,title,gridProperties(rowCount,columnCount))";
    Call::get(path(spreadsheet, fields))
}

/// `spreadsheets.get` of its name and address.
pub(crate) fn get_name(spreadsheet: &str) -> Call {
    Call::get(path(spreadsheet, "?fields=spreadsheetId,spreadsheetUrl,properties.title"))
}

/// `spreadsheets.get` of all tabs and of the layout registers, in one answer.
pub(crate) fn get_places(spreadsheet: &str) -> Call {
    let fields = "?fields=spreadsheetId,developerMetadata(metadataId,metadataKey,metadataValue),\
                  sheets.properties(sheetId,title,gridProperties(rowCount,columnCount))";
    Call::get(path(spreadsheet, fields))
}

/// All tabs of a spreadsheet and the metadata that belongs to the whole of it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Places {
    pub(crate) spreadsheet_id: String,
    #[serde(default)]
    pub(crate) developer_metadata: Vec<Metadata>,
    #[serde(default)]
    pub(crate) sheets: Vec<Sheet>,
}

pub(crate) fn parse_places(body: &[u8]) -> Option<Places> {
    parse(body)
}

/// A data filter: the first row of a tab.
pub(crate) fn first_row(sheet_id: i32) -> Value {
    json!({"gridRange": {"sheetId": sheet_id, "startRowIndex": 0, "endRowIndex": 1}})
}

/// A data filter: one column of a tab.
pub(crate) fn one_column(sheet_id: i32, column: u32) -> Value {
    json!({"gridRange": {"sheetId": sheet_id, "startColumnIndex": column, "endColumnIndex": column + 1}})
}

/// A data filter: the row that this metadata stands on, while it says so.
pub(crate) fn anchored(id: MarkerId, key: &str, value: &str) -> Value {
    let lookup = json!({"metadataId": id.as_u32(), "metadataKey": key, "metadataValue": value});
    json!({ "developerMetadataLookup": lookup })
}

/// `values.batchGetByDataFilter`, unformatted.
pub(crate) fn get_matching(spreadsheet: &str, filters: &[Value], dimension: &str) -> Call {
    let body = json!({
        "dataFilters": filters, "majorDimension": dimension, "valueRenderOption": "UNFORMATTED_VALUE",
        "dateTimeRenderOption": "SERIAL_NUMBER",
    });
    Call::read(path(spreadsheet, "/values:batchGetByDataFilter"), &body)
}

/// What a data filter found.
#[derive(Debug, PartialEq)]
pub(crate) struct Matching {
    /// The tab, if the filter was a range; none for metadata.
    pub(crate) tab: Option<i32>,
    /// The first row or column of it.
    pub(crate) line: Vec<Value>,
}

/// The spreadsheet's id and what the filters found, each a row or a column.
pub(crate) fn parse_matching(body: &[u8]) -> Option<(String, Vec<Matching>)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        spreadsheet_id: String,
        #[serde(default)]
        value_ranges: Vec<Found>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        value_range: Range,
        #[serde(default)]
        data_filters: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Range {
        #[serde(default)]
        values: Vec<Vec<Value>>,
    }
    let reply = parse::<Reply>(body)?;
    let mut matching = Vec::new();
    for found in reply.value_ranges {
        let filter = found.data_filters.first()?;
        let tab = match (filter.get("gridRange"), filter.get("developerMetadataLookup")) {
            // proto3 leaves out a zero.
            (Some(range), _) => Some(range.get("sheetId").map_or(Some(0), Value::as_i64)?),
            (None, Some(_)) => None,
            (None, None) => return None,
        };
        let tab = match tab {
            Some(tab) => Some(i32::try_from(tab).ok()?),
            None => None,
        };
        matching.push(Matching { tab, line: found.value_range.values.into_iter().next().unwrap_or_default() });
    }
    Some((reply.spreadsheet_id, matching))
}

/// `values.batchUpdateByDataFilter` of one row, stored as it is.
pub(crate) fn write_matching(spreadsheet: &str, filter: &Value, row: &[Value]) -> Call {
    let data = json!([{"dataFilter": filter, "majorDimension": "ROWS", "values": [row]}]);
    let body = json!({"valueInputOption": "RAW", "data": data}).to_string().into_bytes();
    Call::write(path(spreadsheet, "/values:batchUpdateByDataFilter"), body.into())
}

/// The spreadsheet's id, and how many ranges were written.
pub(crate) fn parse_written(body: &[u8]) -> Option<(String, usize)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        spreadsheet_id: String,
        #[serde(default)]
        responses: Vec<Value>,
    }
    parse::<Reply>(body).map(|reply| (reply.spreadsheet_id, reply.responses.len()))
}

/// What a `batchUpdate` answers with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchAnswer {
    spreadsheet_id: String,
    #[serde(default)]
    replies: Vec<Value>,
}

impl BatchAnswer {
    /// A part of the reply to the first request.
    fn first(&self, pointer: &str) -> Option<&Value> {
        self.replies.first()?.pointer(pointer)
    }
}

/// How many entries the first request of a `batchUpdate` updated.
pub(crate) fn parse_updated(body: &[u8]) -> Option<(String, usize)> {
    let reply = parse::<BatchAnswer>(body)?;
    let updated = reply.first("/updateDeveloperMetadata/developerMetadata");
    let updated = updated.and_then(Value::as_array).map_or(0, Vec::len);
    Some((reply.spreadsheet_id, updated))
}

/// `values.batchGet` of the first row of each of these tabs, in order.
pub(crate) fn get_headers(spreadsheet: &str, titles: &[&str]) -> Call {
    let mut rest = String::from("/values:batchGet?majorDimension=ROWS");
    for title in titles {
        rest.push_str("&ranges=");
        percent_encode(&a1_first_row(title), &mut rest);
    }
    Call::get(path(spreadsheet, &rest))
}

/// A piece of developer metadata.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) metadata_id: i64,
    #[serde(default)]
    pub(crate) metadata_key: String,
    #[serde(default)]
    pub(crate) metadata_value: String,
}

/// `developerMetadata.get`.
pub(crate) fn parse_metadata(body: &[u8]) -> Option<Metadata> {
    // An object of anything else also "parses": an entry always has an id.
    parse::<Metadata>(body).filter(|found| found.metadata_id != 0)
}

/// `developerMetadata.search`; no match is `{}`.
pub(crate) fn parse_search(body: &[u8]) -> Option<Vec<Metadata>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        #[serde(default)]
        matched_developer_metadata: Vec<Matched>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Matched {
        developer_metadata: Metadata,
    }
    let object = parse::<Value>(body)?;
    // Anything that is not an answer to a search must not read as "nothing found".
    let members = object.as_object()?;
    if !members.is_empty() && !members.contains_key("matchedDeveloperMetadata") {
        return None;
    }
    let found = serde_json::from_value::<Found>(object).ok()?;
    Some(found.matched_developer_metadata.into_iter().map(|matched| matched.developer_metadata).collect())
}

/// `spreadsheets.batchUpdate`, as far as it proves that our marker was created.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BatchReply {
    pub(crate) spreadsheet_id: String,
    /// `metadataId` in the first reply; 0 if there is none.
    pub(crate) first_id: i64,
}

pub(crate) fn parse_batch_reply(body: &[u8]) -> Option<BatchReply> {
    let reply = parse::<BatchAnswer>(body)?;
    let id = reply.first("/createDeveloperMetadata/developerMetadata/metadataId");
    let first_id = id.and_then(Value::as_i64).unwrap_or(0);
    Some(BatchReply { spreadsheet_id: reply.spreadsheet_id, first_id })
}

/// A spreadsheet's id, address and tabs.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spreadsheet {
    pub(crate) spreadsheet_id: String,
    #[serde(default)]
    pub(crate) spreadsheet_url: String,
    #[serde(default)]
    pub(crate) properties: Option<Titled>,
    #[serde(default)]
    pub(crate) sheets: Vec<Sheet>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Titled {
    #[serde(default)]
    pub(crate) title: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Sheet {
    pub(crate) properties: SheetProperties,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SheetProperties {
    #[serde(default)]
    pub(crate) sheet_id: i32,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) grid_properties: GridProperties,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GridProperties {
    pub(crate) row_count: u32,
    pub(crate) column_count: u32,
}

pub(crate) fn parse_spreadsheet(body: &[u8]) -> Option<Spreadsheet> {
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic());
    parse::<Spreadsheet>(body).filter(|sheet| is_id(&sheet.spreadsheet_id))
}

/// `values.batchGet` of header rows: the texts of each, in the order asked for.
pub(crate) fn parse_headers(body: &[u8], asked: usize) -> Option<Vec<Vec<String>>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        value_ranges: Vec<Range>,
    }
    #[derive(Deserialize)]
    struct Range {
        // An empty row has no `values` at all.
        #[serde(default)]
        values: Vec<Vec<Value>>,
    }
    let ranges = parse::<Reply>(body)?.value_ranges;
    (ranges.len() == asked).then(|| {
        let header = |range: Range| range.values.into_iter().next().unwrap_or_default().into_iter().map(text).collect();
        ranges.into_iter().map(header).collect()
    })
}

/// A person may have typed a number or a date over a header.
pub(crate) fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Google's error envelope (docs/google.md).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: String,
    pub(crate) message: String,
    /// Of `details[]` and of the older `errors[]`.
    pub(crate) reasons: Vec<String>,
    /// `google.rpc.RetryInfo.retryDelay` in seconds; never seen so far.
    pub(crate) retry_delay_s: Option<u32>,
}

pub(crate) fn parse_error(body: &[u8]) -> Option<ApiError> {
    let whole = parse::<Value>(body)?;
    let error = whole.get("error")?.as_object()?;
    let string = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let entries = ["details", "errors"].iter().filter_map(|list| error.get(*list)?.as_array()).flatten();
    let mut reasons = Vec::new();
    let mut retry_delay_s = None;
    for entry in entries {
        if let Some(reason) = entry.get("reason").and_then(Value::as_str) {
            reasons.push(reason.to_owned());
        }
        if let Some(delay) = entry.get("retryDelay").and_then(Value::as_str) {
            let seconds = delay.trim_end_matches('s').split('.').next().and_then(|whole| whole.parse().ok());
            retry_delay_s = seconds.or(retry_delay_s);
        }
    }
    Some(ApiError { status: string("status"), message: printable(&string("message")), reasons, retry_delay_s })
}

/// A server's words are shown to people: nothing that acts on a terminal, turns the reading direction or cannot be seen,
/// and not a page of them.
pub(crate) fn printable(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).take(500).collect()
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_google_may_send_makes_reading_fail_badly() {
        let real: &[&[u8]] = &[
            br#"{"spreadsheetId":"x","replies":[{"createDeveloperMetadata":{"developerMetadata":{"metadataId":7}}},{}]}"#,
            br#"{"matchedDeveloperMetadata":[{"developerMetadata":{"metadataId":1,"metadataKey":"rk","metadataValue":"A"}}]}"#,
            br#"{"spreadsheetId":"x","sheets":[{"properties":{"title":"t","gridProperties":{"columnCount":3}}}]}"#,
            br#"{"valueRanges":[{"range":"t!1:1","values":[["a",1,true,""]]},{"range":"u!1:1"}]}"#,
            br#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"reason":"RATE_LIMIT_EXCEEDED"},{"retryDelay":"3.5s"}]}}"#,
        ];
        let read = |body: &[u8]| {
            parse_metadata(body);
            parse_search(body);
            parse_batch_reply(body);
            parse_spreadsheet(body);
            parse_headers(body, 2);
            parse_places(body);
            parse_matching(body);
            parse_written(body);
            parse_updated(body);
            parse_error(body);
        };
        for body in real {
            for cut in 0..body.len() {
                read(&body[..cut]);
                for bit in 0..8 {
                    let mut flipped = body.to_vec();
                    flipped[cut] ^= 1 << bit;
                    read(&flipped);
                }
            }
        }
        assert_eq!(parse_batch_reply(real[0]), Some(BatchReply { spreadsheet_id: "x".into(), first_id: 7 }));
        assert_eq!(parse_search(real[1]).unwrap().len(), 1);
        assert_eq!(parse_spreadsheet(real[2]).unwrap().sheets[0].properties.sheet_id, 0);
        assert_eq!(parse_headers(real[3], 2).unwrap()[0], ["a", "1", "true", ""]);
        let error = parse_error(real[4]).unwrap();
        assert_eq!((error.reasons, error.retry_delay_s), (alloc::vec!["RATE_LIMIT_EXCEEDED".to_string()], Some(3)));
    }

    #[test]
    fn what_is_no_search_result_is_not_an_empty_one() {
        assert_eq!(parse_search(b"{}"), Some(Vec::new()));
        for other in [&b"[]"[..], b"null", b"{\"error\":{}}", b"<html>", b"", b"{\"spreadsheetId\":\"x\"}"] {
            assert_eq!(parse_search(other), None);
        }
    }

    #[test]
    fn nothing_acts_on_a_terminal_or_hides() {
        let error = parse_error(r#"{"error":{"message":"no\u001b[2J\u202eyes\u200b"}}"#.as_bytes()).unwrap();
        assert_eq!(error.message, "no [2J yes ");
        assert_eq!(printable(&"x".repeat(501)).len(), 500);
        for id in ["", "a b", "a\\u001b", "\\u00e4"] {
            assert_eq!(parse_spreadsheet(alloc::format!(r#"{{"spreadsheetId":"{id}"}}"#).as_bytes()), None, "{id}");
        }
    }

    #[test]
    fn tab_names_are_quoted_for_a1_and_for_the_address() {
        let call = get_headers("id", &["it's", "a&b"]);
        assert!(call.path.ends_with("&ranges=%27it%27%27s%27%211%3A1&ranges=%27a%26b%27%211%3A1"), "{}", call.path);
    }
}
