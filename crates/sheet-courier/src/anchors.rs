//! Anchors as requests: what stands on a row while it is amended, and moves with it.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::ids::MarkerId;
use crate::layout::{LAYOUT_KEY, Register, Tab, register_value};
use crate::registers::{create_metadata, create_metadata_at, head};
use crate::tabs::{Part, change_header, column_format};
use crate::wire::anchored;

/// What an anchor says while its row may be written, and for ever after.
pub(crate) const OPEN: &str = "open";
pub(crate) const CLOSED: &str = "closed";

/// A row to be amended, as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) tab: Tab,
    /// Of the tab, with its version.
    pub(crate) register: Register,
    pub(crate) row: u32,
}

/// What an amendment needs besides the anchor.
pub(crate) struct Needs<'a> {
    /// The columns of its values, with how their numbers look, if that is known.
    pub(crate) columns: Vec<(&'a str, Option<Value>)>,
    /// How the numbers of single cells are to look. By index, unlike values: a person who sorts in this moment finds a
    /// cell that looks wrong, not one that is.
    pub(crate) looks: Vec<(usize, Value)>,
}

/// The body that puts an anchor on a row, and adds the columns that the amendment brings.
pub(crate) fn anchor_body(spreadsheet: &str, id: MarkerId, key: &str, spot: &Spot, needs: &Needs<'_>) -> Arc<[u8]> {
    let sheet_id = spot.tab.sheet_id;
    let range = json!({"sheetId": sheet_id, "dimension": "ROWS", "startIndex": spot.row, "endIndex": spot.row + 1});
    let mut requests = alloc::vec![create_metadata_at(&json!({ "dimensionRange": range }), id, key, OPEN)];
    let mut part = Part::new(String::new(), Some(spot.tab.clone()));
    let mut formats = Vec::new();
    for (name, look) in &needs.columns {
        let column = part.column(name);
        if let Some(look) = look.as_ref().filter(|_| column >= spot.tab.header.len()) {
            formats.push(column_format(sheet_id, column, look));
        }
    }
    if part.header.len() > spot.tab.header.len() {
        let next = Register { version: spot.register.version + 1, columns: part.header.len() as u32 };
        let register = MarkerId::of_layout(spreadsheet, sheet_id, next.version);
        requests.push(create_metadata(register, LAYOUT_KEY, &register_value(sheet_id, next)));
        change_header(&part, sheet_id, next.version, &mut requests);
        requests.append(&mut formats);
    }
    for (column, look) in &needs.looks {
        requests.push(json!({"updateCells": {
            "start": {"sheetId": sheet_id, "rowIndex": spot.row, "columnIndex": column},
            "rows": [{"values": [{"userEnteredFormat": look}]}],
            "fields": "userEnteredFormat.numberFormat",
        }}));
    }
    json!({ "requests": requests }).to_string().into_bytes().into()
}

/// The body that makes an anchor that may be there unable to do anything, and takes it off its row.
pub(crate) fn move_anchor_body(id: MarkerId, key: &str) -> Arc<[u8]> {
    let closed = json!({"metadataValue": CLOSED, "location": {"spreadsheet": true}});
    change_anchor_body(id, key, &closed, "metadataValue,location")
}

/// The same, and it stays on its row.
pub(crate) fn update_anchor_body(id: MarkerId, key: &str) -> Arc<[u8]> {
    change_anchor_body(id, key, &json!({ "metadataValue": CLOSED }), "metadataValue")
}

fn change_anchor_body(id: MarkerId, key: &str, changed: &Value, fields: &str) -> Arc<[u8]> {
    let update = json!({"dataFilters": [anchored(id, key, OPEN)], "developerMetadata": changed, "fields": fields});
    json!({"requests": [{"updateDeveloperMetadata": update}]}).to_string().into_bytes().into()
}

/// The body that makes sure that an anchor which is not there never comes.
pub(crate) fn close_anchor_body(id: MarkerId, key: &str) -> Arc<[u8]> {
    [head(id, key, CLOSED).as_bytes(), b"]}"].concat().into()
}

/// The same, and the answer shows these ranges as they are then.
pub(crate) fn show_body(id: MarkerId, key: &str, ranges: &[String]) -> Arc<[u8]> {
    json!({
        "requests": [create_metadata(id, key, CLOSED)],
        "includeSpreadsheetInResponse": true,
        "responseRanges": ranges,
        "responseIncludeGridData": true,
    })
    .to_string()
    .into_bytes()
    .into()
}
