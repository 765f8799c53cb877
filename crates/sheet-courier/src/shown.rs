//! What an answer shows of the spreadsheet: of a look, and of a `batchUpdate` that was asked to.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use crate::wire::{self, SheetProperties};

/// Part of a `batchUpdate` address: the answer shows, besides the replies, the columns that were asked for.
pub(crate) const SHOWING_COLUMNS: &str = ":batchUpdate?fields=spreadsheetId,replies,updatedSpreadsheet(\
    sheets(properties(sheetId),data(startRow,startColumn,rowData(values(formattedValue)))))";

/// The same for the tabs alone.
pub(crate) const SHOWING_TABS: &str = ":batchUpdate?fields=spreadsheetId,replies,updatedSpreadsheet(\
    sheets(properties(sheetId,title,gridProperties(rowCount,columnCount))))";

/// The same for their sizes.
pub(crate) const SHOWING_SIZES: &str = ":batchUpdate?fields=spreadsheetId,replies,updatedSpreadsheet(\
    sheets(properties(sheetId,gridProperties(rowCount,columnCount))))";

/// A tab, and those of its cells that were asked for.
#[derive(Deserialize)]
pub(crate) struct ShownTab {
    pub(crate) properties: SheetProperties,
    #[serde(default)]
    pub(crate) data: Vec<Grid>,
}

/// Cells as `spreadsheets.get` shows them.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Grid {
    pub(crate) start_row: u32,
    pub(crate) start_column: u32,
    pub(crate) row_data: Vec<RowData>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct RowData {
    pub(crate) values: Vec<CellData>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CellData {
    pub(crate) formatted_value: String,
}

impl Grid {
    /// Row by row, as texts.
    pub(crate) fn texts(self) -> impl Iterator<Item = Vec<String>> {
        self.row_data.into_iter().map(|row| row.values.into_iter().map(|cell| cell.formatted_value).collect())
    }
}

/// The tabs in the answer to a `batchUpdate`: as they were right after that update. None if it shows no spreadsheet;
/// one has a tab at least.
pub(crate) fn updated(body: &[u8]) -> Option<Vec<ShownTab>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        updated_spreadsheet: Updated,
    }
    #[derive(Deserialize)]
    struct Updated {
        sheets: Vec<ShownTab>,
    }
    wire::parse::<Reply>(body).map(|reply| reply.updated_spreadsheet.sheets).filter(|tabs| !tabs.is_empty())
}

/// The names and sizes of all tabs.
pub(crate) fn parse_shown_tabs(body: &[u8]) -> Option<Vec<SheetProperties>> {
    Some(updated(body)?.into_iter().map(|tab| tab.properties).collect())
}

/// The columns that were asked for, one a tab, from its first row on.
pub(crate) fn parse_shown_columns(body: &[u8]) -> Option<Vec<(i32, Vec<String>)>> {
    let column = |tab: ShownTab| {
        let grid = tab.data.into_iter().next().filter(|grid| grid.start_row == 0)?;
        let texts = grid.texts().map(|row| row.into_iter().next().unwrap_or_default());
        Some((tab.properties.sheet_id, texts.collect()))
    };
    updated(body)?.into_iter().map(column).collect()
}

/// A range that was asked for, as texts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) tab: i32,
    pub(crate) start_row: u32,
    pub(crate) start_column: u32,
    pub(crate) rows: Vec<Vec<String>>,
}

/// All of them.
pub(crate) fn parse_shown_cells(body: &[u8]) -> Option<Vec<Shown>> {
    let ranges = |found: ShownTab| {
        let tab = found.properties.sheet_id;
        found.data.into_iter().map(move |grid| {
            let (start_row, start_column) = (grid.start_row, grid.start_column);
            Shown { tab, start_row, start_column, rows: grid.texts().collect() }
        })
    };
    Some(updated(body)?.into_iter().flat_map(ranges).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_in_an_answer_is_read_whatever_google_may_send() {
        let whole = br#"{"spreadsheetId":"x","replies":[{}],"updatedSpreadsheet":{"sheets":[
            {"properties":{"title":"a","gridProperties":{"rowCount":2,"columnCount":3}},
             "data":[{"rowData":[{"values":[{"formattedValue":"_id"},{}]},{},{"values":[{"formattedValue":"r1"}]}]}]},
            {"properties":{"sheetId":7},"data":[{"startColumn":4,"rowData":[{"values":[{"formattedValue":"z"}]}]},
             {"startRow":1}]}]}}"#;
        let read = |body: &[u8]| (parse_shown_tabs(body), parse_shown_columns(body), parse_shown_cells(body));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), (None, None, None));
            for bit in 0..8 {
                let mut flipped = whole.to_vec();
                flipped[cut] ^= 1 << bit;
                read(&flipped);
            }
        }
        let (tabs, columns, cells) = read(whole);
        assert_eq!(tabs.unwrap().iter().map(|tab| tab.sheet_id).collect::<Vec<_>>(), [0, 7]);
        let text = |text: &str| String::from(text);
        assert_eq!(
            columns.unwrap(),
            [(0, alloc::vec![text("_id"), text(""), text("r1")]), (7, alloc::vec![text("z")])]
        );
        let cells = cells.unwrap();
        let places: Vec<_> = cells.iter().map(|found| (found.tab, found.start_row, found.start_column)).collect();
        assert_eq!(places, [(0, 0, 0), (7, 0, 4), (7, 1, 0)]);
        assert_eq!(cells[0].rows, [alloc::vec![text("_id"), text("")], alloc::vec![], alloc::vec![text("r1")]]);
    }

    #[test]
    fn an_answer_without_tabs_shows_nothing() {
        for body in [
            &b"{}"[..],
            br#"{"updatedSpreadsheet":{}}"#,
            br#"{"updatedSpreadsheet":{"sheets":[]}}"#,
            b"[]",
            b"<html>",
            b"",
        ] {
            assert!(updated(body).is_none());
        }
        // A column from its middle is none: what is missing above must not read as empty.
        let middle = br#"{"updatedSpreadsheet":{"sheets":[{"properties":{},"data":[{"startRow":1}]}]}}"#;
        assert_eq!(parse_shown_columns(middle), None);
        let without = br#"{"updatedSpreadsheet":{"sheets":[{"properties":{}}]}}"#;
        assert_eq!(parse_shown_columns(without), None);
    }
}
