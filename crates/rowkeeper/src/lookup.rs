//! Tabs that people edit and the device reads: a list of projects, of people, of set points.
//!
//! The device makes such a tab once, with its header and first rows, and never writes to it again: it is the owner's.
//! It is found again by the id it was made with, so it may be renamed; a tab of that title that somebody made by hand
//! will do as well. Columns are found by their names. What was read last is kept in the state directory, for a boot
//! without a network.
//!
//! Making one is safe to repeat: Google refuses a tab whose id or title is taken (docs/google.md, `addSheet`), and with
//! it the whole call.

use std::path::PathBuf;
use std::{fmt, fs, io};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sheet_courier::sheet_id_of_table;
use zeroize::Zeroizing;

use crate::Device;
use crate::clock::{Mono, Stop};
use crate::durable;
use crate::http::Request;
use crate::outbox::DiskError;
use crate::session::{CallError, Settle};

/// A tab as it is made.
#[derive(Clone, Debug)]
pub struct Tab {
    /// Its first title, and what the program calls it.
    pub title: String,
    /// The header row.
    pub header: Vec<String>,
    /// The first rows: texts, numbers and booleans.
    pub rows: Vec<Vec<Value>>,
    /// Columns that people tick rather than type in, counted from 0.
    pub checkboxes: Vec<usize>,
}

/// What stands in a tab.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What the program calls it.
    pub title: String,
    rows: Vec<Vec<Value>>,
}

impl Found {
    /// The rows below the header, each with the cells of these columns. A column goes by several names (`colour` and
    /// `color`), large or small; one that is not there, and an empty cell, is [`Value::Null`].
    pub fn rows<const N: usize>(&self, columns: [&[&str]; N]) -> impl Iterator<Item = [&Value; N]> {
        let header = self.rows.first().map(Vec::as_slice).unwrap_or_default();
        let place = |names: &[&str]| {
            header.iter().position(|cell| {
                let cell = cell.as_str().unwrap_or_default().trim().to_lowercase();
                names.contains(&cell.as_str())
            })
        };
        let places = columns.map(place);
        self.rows.iter().skip(1).map(move |row| {
            places.map(|place| place.and_then(|at| row.get(at)).filter(|cell| **cell != "").unwrap_or(&Value::Null))
        })
    }
}

/// A cell as the person reads it: a number without a needless `.0`, nothing for an empty one.
pub fn text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Whether a person means yes: a ticked box, or `x`, `yes`, `true`, `1`.
pub fn is_yes(cell: &Value) -> bool {
    match cell {
        Value::Bool(yes) => *yes,
        cell => matches!(text(cell).to_lowercase().as_str(), "x" | "yes" | "y" | "true" | "1"),
    }
}

/// The tabs were not read. What was read before still holds.
#[derive(Debug)]
pub enum LookupError {
    /// There is no spreadsheet yet.
    NoSheet,
    /// No answer: no network, no sign-in; see there.
    Call(CallError),
    /// Google refused, in its words.
    Refused(u16, String),
    /// The answer is not one of Google's.
    NotUnderstood,
    /// The outbox, which knows the spreadsheet, cannot be read.
    Disk(DiskError),
    /// They were read and could not be kept for the next boot.
    Keep(io::Error),
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSheet => f.write_str("there is no spreadsheet yet"),
            Self::Call(error) => error.fmt(f),
            Self::Refused(status, message) => write!(f, "Google answered {status}: {message}"),
            Self::NotUnderstood => f.write_str("the answer is not one of Google's"),
            Self::Disk(error) => error.fmt(f),
            Self::Keep(_) => f.write_str("what was read cannot be kept for the next boot"),
        }
    }
}

impl std::error::Error for LookupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Disk(error) => error.source(),
            Self::Keep(cause) => Some(cause),
            _ => None,
        }
    }
}

/// The tabs of one program.
pub struct Lookups {
    device: Device,
    tabs: Vec<Tab>,
    path: PathBuf,
}

/// The file in the state directory.
const KEPT: &str = "lookups.json";

/// A list for a small screen is short; a tab that somebody pasted a table into is not read whole.
const MOST_ROWS: usize = 1000;

impl Lookups {
    /// The tabs of `device`'s spreadsheet that are to be read, and made where they are missing.
    pub fn new(device: &Device, tabs: Vec<Tab>) -> Self {
        Self { path: device.config().state_dir.join(KEPT), device: device.clone(), tabs }
    }

    /// What was read last, maybe before a reboot; none for a tab that never was.
    pub fn remembered(&self) -> Vec<Found> {
        let kept: Vec<Found> =
            fs::read(&self.path).ok().and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
        kept.into_iter().filter(|found| self.tabs.iter().any(|tab| tab.title == found.title)).collect()
    }

    /// Reads all tabs, in their order, and makes those that are missing. Calls that get no answer are repeated until
    /// `give_up`.
    ///
    /// # Errors
    /// See [`LookupError`].
    pub fn read(&self, give_up: Mono, stop: &Stop) -> Result<Vec<Found>, LookupError> {
        let sheet = self.device.outbox().sheet().map_err(LookupError::Disk)?.ok_or(LookupError::NoSheet)?;
        let base = format!("{}/v4/spreadsheets/{}", self.device.sheets_origin(), sheet.id);
        let ask = |method, path: &str, body| self.ask(method, format!("{base}{path}"), body, give_up, stop);
        let mut there = titles(&ask("GET", TITLES, None)?)?;
        let missing: Vec<_> = self.tabs.iter().filter(|tab| place(tab, &there).is_none()).collect();
        if !missing.is_empty() {
            let requests: Vec<Value> = missing.into_iter().flat_map(make).collect();
            match ask("POST", ":batchUpdate", Some(json!({ "requests": requests }))) {
                // A sibling made them a moment ago, or an answer was lost: they are there.
                Ok(_) | Err(LookupError::Refused(400, _)) => there = titles(&ask("GET", TITLES, None)?)?,
                Err(error) => return Err(error),
            }
        }
        let ranges: Vec<_> = self.tabs.iter().map(|tab| place(tab, &there)).collect::<Option<_>>().ok_or(
            // Their titles are taken by tabs with another id, and yet no such tab is listed.
            LookupError::NotUnderstood,
        )?;
        let query: String = ranges.iter().map(|title| format!("&ranges={}", range(title))).collect();
        let answer = ask("GET", &format!("/values:batchGet?valueRenderOption=UNFORMATTED_VALUE{query}"), None)?;
        let read: Values = serde_json::from_value(answer).map_err(|_| LookupError::NotUnderstood)?;
        if read.value_ranges.len() != self.tabs.len() {
            return Err(LookupError::NotUnderstood);
        }
        let found = self.tabs.iter().zip(read.value_ranges).map(|(tab, mut range)| {
            range.values.truncate(MOST_ROWS);
            Found { title: tab.title.clone(), rows: range.values }
        });
        let found: Vec<_> = found.collect();
        // A card wears out by writing: only what is new is written.
        if found != self.remembered() {
            let kept = serde_json::to_vec(&found).map_err(|_| LookupError::NotUnderstood)?;
            durable::replace(&self.path, &kept).map_err(LookupError::Keep)?;
        }
        Ok(found)
    }

    fn ask(
        &self,
        method: &str,
        url: String,
        body: Option<Value>,
        give_up: Mono,
        stop: &Stop,
    ) -> Result<Value, LookupError> {
        let json = || ("content-type".to_owned(), Zeroizing::new("application/json".to_owned()));
        let request = Request {
            method: method.into(),
            url,
            headers: body.iter().map(|_| json()).collect(),
            body: Zeroizing::new(body.map(|body| body.to_string().into_bytes()).unwrap_or_default()),
        };
        // The one write is refused where it was done before, so it may be repeated like the reads.
        let answer = self.device.session().call(&request, Settle::Repeat, give_up, stop).map_err(LookupError::Call)?;
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        match (answer.status, said) {
            (200, Some(said)) => Ok(said),
            (200, None) => Err(LookupError::NotUnderstood),
            (status, said) => {
                let message = said.as_ref().and_then(|said| said["error"]["message"].as_str()).unwrap_or("no reason");
                Err(LookupError::Refused(status, message.chars().filter(|c| !c.is_control()).take(200).collect()))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Values {
    value_ranges: Vec<Range>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    values: Vec<Vec<Value>>,
}

const TITLES: &str = "?fields=sheets.properties(sheetId,title)";

fn titles(answer: &Value) -> Result<Vec<(i64, String)>, LookupError> {
    let sheets = answer["sheets"].as_array().ok_or(LookupError::NotUnderstood)?;
    let tab = |sheet: &Value| {
        let properties = &sheet["properties"];
        // A number of zero may be left out of an answer.
        Some((properties["sheetId"].as_i64().unwrap_or(0), properties["title"].as_str()?.to_owned()))
    };
    Ok(sheets.iter().filter_map(tab).collect())
}

/// The title of the tab today.
fn place(tab: &Tab, there: &[(i64, String)]) -> Option<String> {
    let id = i64::from(sheet_id_of_table(&tab.title));
    let found = there.iter().find(|(there, _)| *there == id).or_else(|| there.iter().find(|(_, t)| *t == tab.title))?;
    Some(found.1.clone())
}

/// Room for people to write in; Sheets adds more when they come to its end.
const BLANK_ROWS: usize = 100;

fn make(tab: &Tab) -> Vec<Value> {
    let id = sheet_id_of_table(&tab.title);
    let rows = 1 + tab.rows.len() + BLANK_ROWS;
    let cell = |value: &Value| match value {
        Value::Bool(value) => json!({"userEnteredValue": {"boolValue": value}}),
        Value::Number(value) => json!({"userEnteredValue": {"numberValue": value}}),
        Value::String(value) if !value.is_empty() => json!({"userEnteredValue": {"stringValue": value}}),
        _ => json!({}),
    };
    let bold = |text: &String| json!({"userEnteredValue": {"stringValue": text}, "userEnteredFormat": {"textFormat": {"bold": true}}});
    let header = json!({"values": tab.header.iter().map(bold).collect::<Vec<_>>()});
    let first: Vec<Value> =
        tab.rows.iter().map(|row| json!({"values": row.iter().map(cell).collect::<Vec<_>>()})).collect();
    let grid = json!({"rowCount": rows, "columnCount": tab.header.len().max(1), "frozenRowCount": 1});
    let mut requests = vec![
        json!({"addSheet": {"properties": {"sheetId": id, "title": tab.title, "gridProperties": grid}}}),
        json!({"updateCells": {
            "start": {"sheetId": id, "rowIndex": 0, "columnIndex": 0},
            "rows": ([vec![header], first].concat()),
            "fields": "userEnteredValue,userEnteredFormat.textFormat.bold",
        }}),
    ];
    requests.extend(tab.checkboxes.iter().map(|at| {
        json!({"setDataValidation": {
            "range": {"sheetId": id, "startRowIndex": 1, "endRowIndex": rows, "startColumnIndex": at, "endColumnIndex": at + 1},
            "rule": {"condition": {"type": "BOOLEAN"}},
        }})
    }));
    requests
}

/// A whole tab in A1 notation, as part of a query: quoted, its quotes doubled, everything but letters and digits escaped.
fn range(title: &str) -> String {
    let quoted = format!("'{}'", title.replace('\'', "''"));
    quoted
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_any_of_their_names() {
        let found = Found {
            title: "Projects".into(),
            rows: vec![
                vec![json!("Note"), json!(" Name "), json!("COLOR")],
                vec![json!(""), json!("Website"), json!("red")],
                vec![json!("later"), json!(2027)],
                vec![],
            ],
        };
        let rows: Vec<_> = found.rows([&["name"], &["colour", "color"], &["hide"]]).map(|row| row.map(text)).collect();
        assert_eq!(rows, [["Website", "red", ""], ["2027", "", ""], ["", "", ""]]);
        assert_eq!(Found::default().rows([&["name"]]).count(), 0);
    }

    #[test]
    fn a_tick_is_a_yes_and_so_is_what_people_type() {
        for (cell, yes) in [
            (json!(true), true),
            (json!(" Yes "), true),
            (json!("x"), true),
            (json!(1), true),
            (json!(false), false),
            (json!("no"), false),
            (json!(""), false),
            (Value::Null, false),
        ] {
            assert_eq!(is_yes(&cell), yes, "{cell}");
        }
    }

    #[test]
    fn a_title_with_quotes_and_spaces_is_one_range() {
        assert_eq!(range("Bob's & co"), "%27Bob%27%27s%20%26%20co%27");
    }
}
