//! Sheets v4: which method a path is, who may call it, and what it does.
//!
//! The order of checks is Google's where it is known: path and verb, credentials, scope, API enabled, quota, body,
//! existence, meaning (docs/google.md 6).

pub(crate) mod a1;
mod batch;
mod cell;
mod entry;
pub(crate) mod errors;
mod files;
mod grid;
mod mask;
mod metadata;
pub(crate) mod render;
mod schema;
pub(crate) mod spreadsheet;
mod values;

use std::sync::Arc;

use serde_json::{Value, json};

pub use cell::CellValue;
pub use files::EditError;
pub(crate) use files::{Access, Files};

use self::{
    batch::Batch,
    errors::Refusal,
    mask::Mask,
    spreadsheet::{Area, Spreadsheet},
    values::Reading,
};
use crate::{
    Model,
    oauth::Caller,
    random::Random,
    wire::{Params, Plus, Reply, Request, decode},
};

const DRIVE: &str = "https://www.googleapis.com/auth/drive";
const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";
const DRIVE_READONLY: &str = "https://www.googleapis.com/auth/drive.readonly";
const SPREADSHEETS: &str = "https://www.googleapis.com/auth/spreadsheets";
const SPREADSHEETS_READONLY: &str = "https://www.googleapis.com/auth/spreadsheets.readonly";

/// Methods of the discovery document that are emulated; `path` parts that belong to them are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Method {
    Create,
    Get,
    GetByDataFilter,
    BatchUpdate,
    GetMetadata { id: String },
    SearchMetadata,
    CopyTo { sheet: String },
    ValuesGet { range: String },
    ValuesUpdate { range: String },
    ValuesAppend { range: String },
    ValuesClear { range: String },
    ValuesBatchGet,
    ValuesBatchUpdate,
    ValuesBatchClear,
    ValuesBatchGetByDataFilter,
    ValuesBatchUpdateByDataFilter,
    ValuesBatchClearByDataFilter,
}

impl Method {
    /// None: the front end's HTML 404, also for a wrong verb.
    fn of(request: &Request) -> Option<(Self, Option<String>)> {
        let rest = request.path().strip_prefix("/v4/spreadsheets")?;
        let verb = request.method.as_str();
        if rest.is_empty() {
            return (verb == "POST").then_some((Self::Create, None));
        }
        let rest = rest.strip_prefix('/')?;
        let (first, below) = match rest.split_once('/') {
            Some((first, below)) => (first, Some(below)),
            None => (rest, None),
        };
        let plain = |text: &str| decode(text, Plus::Literal);
        let (id, custom) = match first.split_once(':') {
            Some((id, custom)) => (id, Some(custom)),
            None => (first, None),
        };
        if id.is_empty() || (below.is_some() && custom.is_some()) {
            return None;
        }
        let method = match (verb, custom, below) {
            ("GET", None, None) => Self::Get,
            ("POST", Some("batchUpdate"), None) => Self::BatchUpdate,
            ("POST", Some("getByDataFilter"), None) => Self::GetByDataFilter,
            ("GET", None, Some("values:batchGet")) => Self::ValuesBatchGet,
            ("POST", None, Some("values:batchUpdate")) => Self::ValuesBatchUpdate,
            ("POST", None, Some("values:batchClear")) => Self::ValuesBatchClear,
            ("POST", None, Some("values:batchGetByDataFilter")) => Self::ValuesBatchGetByDataFilter,
            ("POST", None, Some("values:batchUpdateByDataFilter")) => Self::ValuesBatchUpdateByDataFilter,
            ("POST", None, Some("values:batchClearByDataFilter")) => Self::ValuesBatchClearByDataFilter,
            ("POST", None, Some("developerMetadata:search")) => Self::SearchMetadata,
            (verb, None, Some(below)) => {
                let (collection, item) = below.split_once('/')?;
                match (verb, collection) {
                    ("GET", "values") => Self::ValuesGet { range: plain(item) },
                    ("PUT", "values") => Self::ValuesUpdate { range: plain(item) },
                    ("POST", "values") => match item.rsplit_once(':')? {
                        (range, "append") => Self::ValuesAppend { range: plain(range) },
                        (range, "clear") => Self::ValuesClear { range: plain(range) },
                        _ => return None,
                    },
                    ("GET", "developerMetadata") => Self::GetMetadata { id: plain(item) },
                    ("POST", "sheets") => Self::CopyTo { sheet: plain(item.strip_suffix(":copyTo")?) },
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some((method, Some(plain(id))))
    }

    /// The name in error details (docs/google.md 6.2).
    fn rpc(&self) -> &'static str {
        match self {
            Self::Create => "CreateSpreadsheet",
            Self::Get => "GetSpreadsheet",
            Self::GetByDataFilter => "GetSpreadsheetByDataFilter",
            Self::BatchUpdate => "BatchUpdateSpreadsheet",
            Self::GetMetadata { .. } => "GetDeveloperMetadata",
            Self::SearchMetadata => "SearchDeveloperMetadata",
            Self::CopyTo { .. } => "CopySheetToAnotherSpreadsheet",
            Self::ValuesGet { .. } => "GetValues",
            Self::ValuesUpdate { .. } => "UpdateValues",
            Self::ValuesAppend { .. } => "AppendValues",
            Self::ValuesClear { .. } => "ClearValues",
            Self::ValuesBatchGet => "BatchGetValues",
            Self::ValuesBatchUpdate => "BatchUpdateValues",
            Self::ValuesBatchClear => "BatchClearValues",
            Self::ValuesBatchGetByDataFilter => "BatchGetValuesByDataFilter",
            Self::ValuesBatchUpdateByDataFilter => "BatchUpdateValuesByDataFilter",
            Self::ValuesBatchClearByDataFilter => "BatchClearValuesByDataFilter",
        }
    }

    fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Get
                | Self::GetByDataFilter
                | Self::GetMetadata { .. }
                | Self::SearchMetadata
                | Self::ValuesGet { .. }
                | Self::ValuesBatchGet
                | Self::ValuesBatchGetByDataFilter
        )
    }

    /// Three reads also take read-only scopes (docs/google.md 3.1).
    fn scopes(&self) -> &'static [&'static str] {
        match self {
            Self::Get | Self::ValuesGet { .. } | Self::ValuesBatchGet => {
                &[DRIVE, DRIVE_FILE, DRIVE_READONLY, SPREADSHEETS, SPREADSHEETS_READONLY]
            }
            _ => &[DRIVE, DRIVE_FILE, SPREADSHEETS],
        }
    }

    /// The messages of request and reply in the discovery document.
    fn messages(&self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("Spreadsheet", "Spreadsheet"),
            Self::Get => ("", "Spreadsheet"),
            Self::GetByDataFilter => ("GetSpreadsheetByDataFilterRequest", "Spreadsheet"),
            Self::BatchUpdate => ("BatchUpdateSpreadsheetRequest", "BatchUpdateSpreadsheetResponse"),
            Self::GetMetadata { .. } => ("", "DeveloperMetadata"),
            Self::SearchMetadata => ("SearchDeveloperMetadataRequest", "SearchDeveloperMetadataResponse"),
            Self::CopyTo { .. } => ("CopySheetToAnotherSpreadsheetRequest", "SheetProperties"),
            Self::ValuesGet { .. } => ("", "ValueRange"),
            Self::ValuesUpdate { .. } => ("ValueRange", "UpdateValuesResponse"),
            Self::ValuesAppend { .. } => ("ValueRange", "AppendValuesResponse"),
            Self::ValuesClear { .. } => ("ClearValuesRequest", "ClearValuesResponse"),
            Self::ValuesBatchGet => ("", "BatchGetValuesResponse"),
            Self::ValuesBatchUpdate => ("BatchUpdateValuesRequest", "BatchUpdateValuesResponse"),
            Self::ValuesBatchClear => ("BatchClearValuesRequest", "BatchClearValuesResponse"),
            Self::ValuesBatchGetByDataFilter => {
                ("BatchGetValuesByDataFilterRequest", "BatchGetValuesByDataFilterResponse")
            }
            Self::ValuesBatchUpdateByDataFilter => {
                ("BatchUpdateValuesByDataFilterRequest", "BatchUpdateValuesByDataFilterResponse")
            }
            Self::ValuesBatchClearByDataFilter => {
                ("BatchClearValuesByDataFilterRequest", "BatchClearValuesByDataFilterResponse")
            }
        }
    }

    fn query_names(&self) -> &'static [&'static str] {
        match self {
            Self::Get => &["commentsViewMode", "excludeTablesInBandedRanges", "includeGridData", "ranges"],
            Self::ValuesGet { .. } => &["dateTimeRenderOption", "majorDimension", "valueRenderOption"],
            Self::ValuesBatchGet => &["dateTimeRenderOption", "majorDimension", "ranges", "valueRenderOption"],
            Self::ValuesUpdate { .. } => &[
                "includeValuesInResponse",
                "responseDateTimeRenderOption",
                "responseValueRenderOption",
                "valueInputOption",
            ],
            Self::ValuesAppend { .. } => &[
                "includeValuesInResponse",
                "insertDataOption",
                "responseDateTimeRenderOption",
                "responseValueRenderOption",
                "valueInputOption",
            ],
            _ => &[],
        }
    }
}

/// Parameters that every method takes (discovery document, `parameters`).
const COMMON_QUERY: [&str; 12] = [
    "$.xgafv",
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "upload_protocol",
    "uploadType",
    "$alt",
];

/// The spreadsheet a path names, for faults.
pub(crate) fn spreadsheet_id(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/v4/spreadsheets/")?;
    rest.split(['/', ':']).next().filter(|id| !id.is_empty()).map(|id| decode(id, Plus::Literal))
}

/// Which quota a request would be counted in.
pub(crate) fn is_write(request: &Request) -> bool {
    Method::of(request).map_or(request.method != "GET", |(method, _)| method.is_write())
}

pub(crate) fn handle(model: &mut Model, request: &Request, origin: &str, random: &mut Random) -> Reply {
    let Some((method, id)) = Method::of(request) else { return errors::html(404) };
    let caller = match admit(model, request, &method) {
        Ok(caller) => caller,
        Err(reply) => return reply,
    };
    let query = request.query();
    match answer(model, request, &query, &method, id.as_deref(), &caller, origin, random) {
        Ok(value) => success(&value, &query),
        Err(refusal) => refusal.reply(),
    }
}

fn success(value: &Value, query: &Params) -> Reply {
    let mut reply = Reply::json(200, value)
        .with_header("Vary", "Origin, X-Origin, Referer")
        .with_header("Cache-Control", "private");
    if query.get("prettyPrint") == Some("false") {
        reply.body = value.to_string().into_bytes();
    }
    reply
}

fn admit(model: &mut Model, request: &Request, method: &Method) -> Result<Caller, Reply> {
    let rpc = format!("google.apps.sheets.v4.SpreadsheetsService.{}", method.rpc());
    let token = errors::bearer(request).ok_or_else(|| errors::no_credentials(&rpc, "sheets"))?;
    let caller = model.state.sign_in.caller(model.now, &token).ok_or_else(errors::bad_credentials)?;
    if !caller.scopes.iter().any(|scope| method.scopes().contains(&scope.as_str())) {
        return Err(errors::insufficient_scope(&rpc, "sheets", method.scopes()));
    }
    if !caller.sheets_api_enabled {
        return Err(errors::api_disabled(&caller.project_number));
    }
    match model.state.quota.take(model.now, &caller, method.is_write(), &model.options) {
        Some(reply) => Err(reply),
        None => Ok(caller),
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site; a struct would only name them again")]
fn answer(
    model: &mut Model,
    request: &Request,
    query: &Params,
    method: &Method,
    id: Option<&str>,
    caller: &Caller,
    origin: &str,
    random: &mut Random,
) -> Result<Value, Refusal> {
    let (request_message, reply_message) = method.messages();
    check_query(query, method)?;
    let mask = query.filled("fields").map(|text| Mask::parse(text, reply_message)).transpose()?;
    let body = match request_message {
        "" => json!({}),
        message => schema::parse(message, &request.body)?,
    };
    let call = Call { query, body: &body, caller, origin, mask: mask.as_ref() };
    let value = match (method, id) {
        (Method::Create, _) => {
            let id = format!("1{}", random.opaque(43));
            let book = Spreadsheet::create(id, &body, &caller.project_number, random)?;
            let json = book.to_json(origin, &caller.project_number, &[], call.wants_data(false));
            model.state.files.add(book, caller, model.now);
            json
        }
        (_, None) => return Err(Refusal::not_found()),
        (Method::BatchUpdate, Some(id)) => {
            let no_match = model.options.no_match;
            let now = model.now;
            let file = model.state.files.open(id, caller, Access::Write)?;
            let mut copy = Spreadsheet::clone(&file.book);
            let mut batch = Batch::new(&caller.project_number, random, no_match);
            let requests = body["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
            let replies = batch.apply(&mut copy, requests)?;
            let json = call.batch_reply(&copy, replies)?;
            file.replace(copy, now);
            json
        }
        (Method::CopyTo { sheet }, Some(id)) => copy_to(model, id, sheet, &call, random)?,
        (method, Some(id)) if method.is_write() => {
            let now = model.now;
            let file = model.state.files.open(id, caller, Access::Write)?;
            let mut copy = Spreadsheet::clone(&file.book);
            let json = call.write(&mut copy, method)?;
            file.replace(copy, now);
            json
        }
        (method, Some(id)) => call.read(&model.state.files.open(id, caller, Access::Read)?.book, method)?,
    };
    Ok(match mask {
        Some(mask) => mask.filter(value),
        None => value,
    })
}

fn check_query(query: &Params, method: &Method) -> Result<(), Refusal> {
    let known = |name: &str| COMMON_QUERY.contains(&name) || method.query_names().contains(&name);
    match query.0.iter().find(|(name, _)| !known(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let text = format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' \
                 could not be found in request message."
            );
            let details = json!([{
                "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{ "description": text }],
            }]);
            Err(Refusal { details: Some(details), ..Refusal::invalid(text) })
        }
    }
}

fn copy_to(model: &mut Model, id: &str, sheet: &str, call: &Call<'_>, random: &mut Random) -> Result<Value, Refusal> {
    let source = Arc::clone(&model.state.files.open(id, call.caller, Access::Read)?.book);
    let at = source.sheet_at(sheet.parse().unwrap_or(-1))?;
    let now = model.now;
    let target = call.body["destinationSpreadsheetId"].as_str().unwrap_or_default();
    let file = model.state.files.open(target, call.caller, Access::Write)?;
    let mut copy = Spreadsheet::clone(&file.book);
    let title = format!("Copy of {}", source.sheets[at].title);
    let place = copy.add_sheet(&json!({ "title": title }), random)?;
    let new = &mut copy.sheets[place];
    *new = spreadsheet::Sheet { id: new.id, title, ..source.sheets[at].clone() };
    copy.check_size()?;
    let json = copy.sheets[place].properties_json(place);
    file.replace(copy, now);
    Ok(json)
}

/// One admitted call.
struct Call<'a> {
    query: &'a Params,
    body: &'a Value,
    caller: &'a Caller,
    origin: &'a str,
    mask: Option<&'a Mask>,
}

impl Call<'_> {
    /// With a field mask `includeGridData` is ignored: the mask decides.
    fn wants_data(&self, asked: bool) -> bool {
        match self.mask {
            None => asked,
            Some(mask) => mask.under("sheets").is_some_and(|sheets| sheets.takes("data")),
        }
    }

    fn areas<'t>(&self, book: &Spreadsheet, texts: impl Iterator<Item = &'t str>) -> Result<Vec<Area>, Refusal> {
        texts.map(|text| book.resolve_a1(text)).collect()
    }

    fn filters(&self) -> &[Value] {
        self.body["dataFilters"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    fn spreadsheet(&self, book: &Spreadsheet, ranges: &[Area], with_data: bool) -> Value {
        book.to_json(self.origin, &self.caller.project_number, ranges, with_data)
    }

    fn batch_reply(&self, book: &Spreadsheet, replies: Vec<Value>) -> Result<Value, Refusal> {
        let mut json = json!({
            "spreadsheetId": book.id, "replies": replies, "commentUpdateState": "NO_UPDATES_REQUESTED",
        });
        if self.body["includeSpreadsheetInResponse"] == true {
            let texts = self.body["responseRanges"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let ranges = self.areas(book, texts)?;
            let with_data = self.body["responseIncludeGridData"] == true;
            json["updatedSpreadsheet"] = self.spreadsheet(book, &ranges, with_data);
        }
        Ok(json)
    }

    fn reading(&self) -> Result<Reading, Refusal> {
        Reading::new(
            self.query.filled("valueRenderOption"),
            self.query.filled("dateTimeRenderOption"),
            self.query.filled("majorDimension"),
        )
    }

    fn read(&self, book: &Spreadsheet, method: &Method) -> Result<Value, Refusal> {
        let project = &self.caller.project_number;
        match method {
            Method::Get => {
                let ranges = self.areas(book, self.query.all("ranges").filter(|range| !range.is_empty()))?;
                Ok(self.spreadsheet(book, &ranges, self.wants_data(self.query.flag("includeGridData"))))
            }
            Method::GetByDataFilter => {
                let mut ranges = Vec::new();
                for filter in self.filters() {
                    ranges.extend(book.select_areas(filter, project)?);
                }
                let with_data = self.wants_data(self.body["includeGridData"] == true);
                Ok(self.spreadsheet(book, &ranges, with_data))
            }
            Method::GetMetadata { id } => {
                let id = metadata::parse_id(id)?;
                let entry = book.metadata.visible(id, project);
                let missing = || Refusal::new(404, format!("No developer metadata with ID {id}"));
                entry.map(metadata::Entry::to_json).ok_or_else(missing)
            }
            Method::SearchMetadata => book.search_metadata(self.body, project),
            Method::ValuesGet { range } => Ok(book.read(&book.resolve_a1(range)?, self.reading()?)),
            Method::ValuesBatchGet => {
                let (areas, reading) = (self.areas(book, self.query.all("ranges"))?, self.reading()?);
                let ranges: Vec<Value> = areas.iter().map(|area| book.read(area, reading)).collect();
                let mut json = json!({ "spreadsheetId": book.id });
                if !ranges.is_empty() {
                    json["valueRanges"] = ranges.into();
                }
                Ok(json)
            }
            Method::ValuesBatchGetByDataFilter => {
                let text = |name: &str| self.body[name].as_str();
                let reading =
                    Reading::new(text("valueRenderOption"), text("dateTimeRenderOption"), text("majorDimension"))?;
                let mut matched: Vec<(Area, Vec<Value>)> = Vec::new();
                for filter in self.filters() {
                    for area in book.select_areas(filter, project)? {
                        match matched.iter_mut().find(|(known, _)| *known == area) {
                            Some((_, filters)) => filters.push(filter.clone()),
                            None => matched.push((area, vec![filter.clone()])),
                        }
                    }
                }
                let ranges: Vec<Value> = matched
                    .iter()
                    .map(|(area, filters)| json!({ "valueRange": book.read(area, reading), "dataFilters": filters }))
                    .collect();
                let mut json = json!({ "spreadsheetId": book.id });
                if !ranges.is_empty() {
                    json["valueRanges"] = ranges.into();
                }
                Ok(json)
            }
            _ => Err(Refusal::not_emulated(method.rpc())),
        }
    }

    fn write(&self, book: &mut Spreadsheet, method: &Method) -> Result<Value, Refusal> {
        let query_input = || values::input(self.query.filled("valueInputOption"));
        let body_input = || values::input(self.body["valueInputOption"].as_str());
        let data = self.body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        match method {
            Method::ValuesUpdate { range } => {
                let area = book.resolve_a1(range)?;
                let strict = range.contains(':');
                self.check_range(book, range)?;
                let written = book.write(&area, self.body, query_input()?, strict)?;
                Ok(book.written(&written, values::back(self.query)?))
            }
            Method::ValuesAppend { range } => {
                let area = book.resolve_a1(range)?;
                let insert_rows = match self.query.filled("insertDataOption") {
                    None | Some("OVERWRITE") => false,
                    Some("INSERT_ROWS") => true,
                    Some(other) => {
                        let text = format!("Invalid value at 'insert_data_option' (TYPE_ENUM), \"{other}\"");
                        return Err(Refusal::invalid(text));
                    }
                };
                let (table, written) = book.append(&area, self.body, query_input()?, insert_rows)?;
                let updates = book.written(&written, values::back(self.query)?);
                let mut json = json!({ "spreadsheetId": book.id, "updates": updates });
                if let Some(table) = table {
                    json["tableRange"] = book.a1_of(&table).into();
                }
                Ok(json)
            }
            Method::ValuesClear { range } => {
                let area = book.resolve_a1(range)?;
                book.clear(&area);
                Ok(json!({ "spreadsheetId": book.id, "clearedRange": book.a1_of(&area) }))
            }
            Method::ValuesBatchClear => {
                let texts = self.body["ranges"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let areas = self.areas(book, texts)?;
                areas.iter().for_each(|area| book.clear(area));
                let cleared: Vec<String> = areas.iter().map(|area| book.a1_of(area)).collect();
                Ok(json!({ "spreadsheetId": book.id, "clearedRanges": cleared }))
            }
            Method::ValuesBatchClearByDataFilter => {
                let mut cleared = Vec::new();
                for filter in self.filters() {
                    for area in book.select_areas(filter, &self.caller.project_number)? {
                        book.clear(&area);
                        cleared.push(book.a1_of(&area));
                    }
                }
                Ok(json!({ "spreadsheetId": book.id, "clearedRanges": cleared }))
            }
            Method::ValuesBatchUpdate => {
                let (input, back) = (body_input()?, values::back_of_body(self.body)?);
                let (mut responses, mut totals) = (Vec::new(), Totals::default());
                for one in data {
                    let range = one["range"].as_str().unwrap_or_default();
                    let area = book.resolve_a1(range)?;
                    let written = book.write(&area, one, input, range.contains(':'))?;
                    totals.add(&written);
                    responses.push(book.written(&written, back));
                }
                Ok(totals.json(book, responses))
            }
            Method::ValuesBatchUpdateByDataFilter => {
                let (input, back) = (body_input()?, values::back_of_body(self.body)?);
                let (mut responses, mut totals) = (Vec::new(), Totals::default());
                for one in data {
                    for area in book.select_areas(&one["dataFilter"], &self.caller.project_number)? {
                        let written = book.write(&area, one, input, true)?;
                        totals.add(&written);
                        let mut response = book.written(&written, back);
                        if let Some(members) = response.as_object_mut() {
                            members.remove("spreadsheetId");
                            members.insert("dataFilter".into(), one["dataFilter"].clone());
                        }
                        responses.push(response);
                    }
                }
                Ok(totals.json(book, responses))
            }
            _ => Err(Refusal::not_emulated(method.rpc())),
        }
    }

    /// The body may repeat the range of the path, and then it must be the same one.
    fn check_range(&self, book: &Spreadsheet, range: &str) -> Result<(), Refusal> {
        match self.body["range"].as_str().filter(|text| !text.is_empty()) {
            Some(text) if book.resolve_a1(text)? != book.resolve_a1(range)? => {
                Err(Refusal::invalid(format!("Requested range '{range}' does not match value range in body '{text}'")))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Totals {
    rows: usize,
    columns: usize,
    cells: usize,
    sheets: std::collections::BTreeSet<usize>,
}

impl Totals {
    fn add(&mut self, written: &values::Written) {
        self.rows += written.rows;
        self.columns += written.columns;
        self.cells += written.cells;
        self.sheets.insert(written.area.sheet);
    }

    fn json(&self, book: &Spreadsheet, responses: Vec<Value>) -> Value {
        let mut json = json!({ "spreadsheetId": book.id });
        if !responses.is_empty() {
            json["responses"] = responses.into();
            json["totalUpdatedRows"] = self.rows.into();
            json["totalUpdatedColumns"] = self.columns.into();
            json["totalUpdatedCells"] = self.cells.into();
            json["totalUpdatedSheets"] = self.sheets.len().into();
        }
        json
    }
}
