//! What a failing seed prints: told only when it is asked for, for a world without words is faster.

use std::fmt::Write as _;

use google_emulator::CellValue;
use rowkeeper::delivery::Stepped;
use rowkeeper::http::Request;
use serde_json::Value;

use super::net::Landed;
use super::world::World;

/// A line of the story.
macro_rules! tell {
    ($world:expr, $($text:tt)*) => {
        if $world.telling {
            let line = format!($($text)*);
            $world.told(&line);
        }
    };
}
pub(super) use tell;

impl World {
    /// How the watched row stands, and under which header, if that is news.
    pub(super) fn watch(&mut self) {
        let Some((row, before)) = self.watched.take() else { return };
        let is_it = |cell: &CellValue| matches!(cell, CellValue::Text(text) if text.ends_with(&row));
        let mut now = String::new();
        for sheet in self.net.google.spreadsheet_ids() {
            for tab in self.net.google.tabs(&sheet) {
                let rows = self.net.google.rows(&sheet, &tab).unwrap_or_default();
                for row in rows.iter().filter(|row| row.iter().any(is_it)) {
                    let _ = write!(now, " {tab}: {:?} under {:?}", row, rows[0]);
                }
            }
        }
        if now != before {
            tell!(self, "{row} is{now}");
        }
        self.watched = Some((row, now));
    }
}

/// A request in a few words, and how it ended.
pub(super) fn of_attempt(request: &Request, landed: &Landed) -> String {
    let mut text = format!("{} {}", request.method, cut(request.url.rsplit('/').next().unwrap_or_default(), 60));
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    for request in body["requests"].as_array().into_iter().flatten() {
        let Some((kind, what)) = request.as_object().and_then(|request| request.iter().next()) else { continue };
        let _ = match kind.as_str() {
            "createDeveloperMetadata" => write!(text, ", creates {}", metadata(&what["developerMetadata"])),
            "deleteDeveloperMetadata" => {
                write!(text, ", deletes {}", metadata(&what["dataFilter"]["developerMetadataLookup"]))
            }
            "appendCells" => write!(text, ", appends {} rows", what["rows"].as_array().map_or(0, Vec::len)),
            other => write!(text, ", {other}"),
        };
    }
    let _ = match landed {
        Landed::Died => write!(text, ": the process dies meanwhile"),
        Landed::Answer(Err(error)) => write!(text, ": {error:?}"),
        Landed::Answer(Ok(answer)) if answer.status == 200 => write!(text, ": 200"),
        Landed::Answer(Ok(answer)) => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            write!(text, ": {} {}", answer.status, cut(body["error"]["message"].as_str().unwrap_or("not JSON"), 160))
        }
    };
    text
}

pub(super) fn of_step(stepped: &Stepped) -> String {
    match stepped {
        Stepped::Changed(change) => format!("on disk: {change:?}"),
        Stepped::Hold(hold, _) => format!("holds: {hold:?}"),
        other => format!("{other:?}"),
    }
}

fn metadata(what: &Value) -> String {
    format!("{} {}", what["metadataId"], what["metadataValue"].as_str().unwrap_or_default())
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
