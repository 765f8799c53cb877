//! Looks at header rows: by the tabs' ids, beside a marker, or in the answer to a batch.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::layout::Tab;
use crate::room::{self, Sizes};
use crate::shown::{self, ShownTab};
use crate::wire::{self, Call, Metadata, SheetProperties};

/// A tab's name and size, and its first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) sheet_id: i32,
    pub(crate) title: String,
    pub(crate) grid_columns: u32,
    pub(crate) header: Vec<String>,
}

impl From<Glimpse> for Tab {
    fn from(seen: Glimpse) -> Self {
        let Glimpse { sheet_id, title, grid_columns, header } = seen;
        Self { sheet_id, title, grid_columns, header }
    }
}

impl From<Tab> for Glimpse {
    fn from(tab: Tab) -> Self {
        let Tab { sheet_id, title, grid_columns, header } = tab;
        Self { sheet_id, title, grid_columns, header }
    }
}

/// What is asked of each tab.
macro_rules! tab_fields {
    () => {
        "sheets(properties(sheetId,title,gridProperties(rowCount,columnCount)),\
         data(startRow,startColumn,rowData(values(formattedValue))))"
    };
}

/// Part of the address of a batch: the answer shows, besides the replies, the header rows that its body names. With a
/// field mask it is the mask that asks for cells (Sheets v4 discovery document, `responseIncludeGridData`).
pub(crate) const SHOWING_HEADERS: &str =
    concat!(":batchUpdate?fields=spreadsheetId,replies,updatedSpreadsheet(", tab_fields!(), ")");

/// `spreadsheets.getByDataFilter` of the sizes and first rows of tabs, by their ids: names may have changed.
pub(crate) fn glance(spreadsheet: &str, tabs: impl Iterator<Item = i32>) -> Call {
    look(spreadsheet, tabs, concat!(":getByDataFilter?fields=spreadsheetId,", tab_fields!()))
}

/// The same, with the spreadsheet's metadata: one answer that shows a marker is no older than what the marker stands for.
pub(crate) fn glance_with_markers(spreadsheet: &str, tabs: impl Iterator<Item = i32>) -> Call {
    let fields = concat!(
        ":getByDataFilter?fields=spreadsheetId,developerMetadata(metadataId,metadataKey,metadataValue),",
        tab_fields!()
    );
    look(spreadsheet, tabs, fields)
}

fn look(spreadsheet: &str, tabs: impl Iterator<Item = i32>, fields: &str) -> Call {
    let filters: Vec<Value> = tabs.map(wire::first_row).collect();
    Call::read(wire::path(spreadsheet, fields), &json!({ "dataFilters": filters }))
}

/// What a look shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) spreadsheet: String,
    pub(crate) markers: Vec<Metadata>,
    pub(crate) tabs: Vec<Glimpse>,
    pub(crate) sizes: Sizes,
}

impl Glance {
    pub(crate) fn header(&self, sheet_id: i32) -> Option<&[String]> {
        self.tabs.iter().find(|tab| tab.sheet_id == sheet_id).map(|tab| tab.header.as_slice())
    }
}

pub(crate) fn parse_glance(body: &[u8]) -> Option<Glance> {
    let reply = wire::parse::<Looked>(body)?;
    let (tabs, sizes) = glimpses(reply.sheets);
    Some(Glance { spreadsheet: reply.spreadsheet_id?, markers: reply.developer_metadata, tabs, sizes })
}

/// The header rows in the answer to a batch, and the sizes of tabs; none where it shows none.
pub(crate) fn parse_shown(body: &[u8]) -> (Vec<Glimpse>, Sizes) {
    shown::updated(body).map(glimpses).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    spreadsheet_id: Option<String>,
    #[serde(default)]
    developer_metadata: Vec<Metadata>,
    #[serde(default)]
    sheets: Vec<ShownTab>,
}

fn glimpses(sheets: Vec<ShownTab>) -> (Vec<Glimpse>, Sizes) {
    let sizes = room::sizes(sheets.iter().map(|found| &found.properties));
    let mut tabs = Vec::new();
    for found in sheets {
        let mut grids = found.data.into_iter();
        // Exactly what was asked for, or nothing can be said about the columns: then they are read in the other way.
        let (Some(grid), None) = (grids.next(), grids.next()) else { continue };
        if (grid.start_row, grid.start_column) != (0, 0) || grid.row_data.len() > 1 {
            continue;
        }
        let cells = grid.row_data.into_iter().flat_map(|row| row.values);
        let mut header: Vec<String> = cells.map(|cell| cell.formatted_value).collect();
        // Empty cells to the right are none, as in `values.batchGet`.
        while header.last().is_some_and(String::is_empty) {
            header.pop();
        }
        let SheetProperties { sheet_id, title, grid_properties } = found.properties;
        tabs.push(Glimpse { sheet_id, title, grid_columns: grid_properties.column_count, header });
    }
    (tabs, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEETS: &str = r#""sheets":[{"properties":{"sheetId":7,"title":"t","gridProperties":{"rowCount":9,"columnCount":3}},"data":[{"rowData":[{"values":[{"formattedValue":"a"},{},{"formattedValue":"b"},{}]}]}]}]"#;

    #[test]
    fn header_rows_are_read_from_whatever_google_may_send() {
        let metadata = r#""developerMetadata":[{"metadataId":1,"metadataKey":"rk","metadataValue":"A"}]"#;
        let looked = alloc::format!(r#"{{"spreadsheetId":"x",{metadata},{SHEETS}}}"#);
        let replied = alloc::format!(r#"{{"spreadsheetId":"x","replies":[{{}}],"updatedSpreadsheet":{{{SHEETS}}}}}"#);
        for body in [&looked, &replied] {
            for cut in 0..body.len() {
                for bit in 0..8 {
                    let mut flipped = body.clone().into_bytes();
                    flipped[cut] ^= 1 << bit;
                    parse_glance(&flipped);
                    parse_shown(&flipped);
                }
                parse_glance(&body.as_bytes()[..cut]);
                parse_shown(&body.as_bytes()[..cut]);
            }
        }
        let header = ["a", "", "b"].map(String::from).to_vec();
        let tab = Glimpse { sheet_id: 7, title: "t".into(), grid_columns: 3, header };
        let seen = parse_glance(looked.as_bytes()).unwrap();
        assert_eq!((seen.spreadsheet.as_str(), seen.markers.len()), ("x", 1));
        assert_eq!((seen.tabs.as_slice(), &seen.sizes), (core::slice::from_ref(&tab), &Sizes::from([(7, 27)])));
        assert_eq!(parse_shown(replied.as_bytes()), (alloc::vec![tab], seen.sizes));
        assert_eq!(parse_shown(b"{\"spreadsheetId\":\"x\"}"), (Vec::new(), Sizes::new()));
    }

    #[test]
    fn a_mask_names_what_is_read_and_nothing_else() {
        assert!(SHOWING_HEADERS.ends_with("rowData(values(formattedValue)))))"), "{SHOWING_HEADERS}");
        for call in [glance("id", [7].into_iter()), glance_with_markers("id", [7].into_iter())] {
            assert!(call.path.bytes().all(|byte| byte.is_ascii_graphic()), "{}", call.path);
            assert_eq!(call.path.matches('(').count(), call.path.matches(')').count());
        }
    }
}
