//! Tabs as requests: a spreadsheet with its tabs, and what the rows of a batch need of each.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::cell::{Cell, Format, Row};
use crate::ids::sheet_id_of_table;
use crate::layout::{ID_COLUMN, Layout, Tab};
use crate::row_json::{row_json, text_cell};

/// The body of `spreadsheets.create`: tabs and headers, never rows, for creating cannot be repeated safely.
pub(crate) fn create_body<'a>(
    title: &str,
    timezone: &str,
    tables: impl Iterator<Item = (&'a str, Vec<&'a str>)>,
) -> Arc<[u8]> {
    let sheets: Vec<Value> = tables
        .map(|(table, header)| {
            let cells: Vec<Value> = header.iter().map(|name| text_cell(name)).collect();
            json!({
                // Two rows: the header, frozen, and one that is not, for not all rows can be. Appending grows the grid.
                "properties": tab_properties(sheet_id_of_table(table), table, header.len()),
                "data": [{"startRow": 0, "startColumn": 0, "rowData": [{"values": cells}]}],
            })
        })
        .collect();
    json!({"properties": {"title": title, "timeZone": timezone}, "sheets": sheets}).to_string().into_bytes().into()
}

/// For the mutation that creates a spreadsheet with rows in it.
#[cfg(feature = "mutations")]
pub(crate) fn create_body_with_rows(
    title: &str,
    timezone: &str,
    tables: Vec<(&str, Vec<&str>)>,
    rows: &[Row],
) -> Arc<[u8]> {
    let body = create_body(title, timezone, tables.clone().into_iter());
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut layout = Layout::default();
    for (table, header) in &tables {
        let header: Vec<String> = header.iter().map(ToString::to_string).collect();
        let title = table.to_string();
        let tab = Tab { title, sheet_id: sheet_id_of_table(table), grid_columns: header.len() as u32, header };
        layout.tabs.insert(table.to_string(), Some(tab));
    }
    let mut placed = Tables { layout: &layout, parts: Vec::new() };
    for row in rows {
        let json = placed.place(row).1;
        let at = tables.iter().position(|(table, _)| *table == row.table).unwrap_or_default();
        if let Some(data) = body["sheets"][at]["data"][0]["rowData"].as_array_mut() {
            data.push(serde_json::from_str(&json).unwrap_or_default());
            let rows = data.len() + 1;
            body["sheets"][at]["properties"]["gridProperties"]["rowCount"] = Value::from(rows);
        }
    }
    body.to_string().into_bytes().into()
}

/// The rows of one table in one batch.
pub(crate) struct Part {
    pub(crate) table: String,
    pub(crate) tab: Option<Tab>,
    /// The tab's, with new columns behind.
    pub(crate) header: Vec<String>,
    columns: BTreeMap<String, usize>,
    /// Of the columns that have one.
    pub(crate) formats: BTreeMap<usize, Format>,
    pub(crate) cells_bring_formats: bool,
    /// `RowData` objects, comma-separated.
    pub(crate) rows: String,
    pub(crate) count: u32,
}

pub(crate) struct Tables<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) parts: Vec<Part>,
}

impl Tables<'_> {
    /// The row's table and its JSON, with columns added for what is new. A header that grew for a row that is then
    /// not taken is a column too early, and harmless.
    pub(crate) fn place(&mut self, row: &Row) -> (usize, String) {
        let at = self.parts.iter().position(|part| part.table == row.table).unwrap_or_else(|| {
            let tab = self.layout.tabs.get(&row.table).cloned().flatten();
            self.parts.push(Part::new(row.table.clone(), tab));
            self.parts.len() - 1
        });
        let part = &mut self.parts[at];
        let id = Cell::Text(row.id.clone());
        let mut cells: BTreeMap<usize, &Cell> = BTreeMap::from([(part.column(ID_COLUMN), &id)]);
        for (name, cell) in &row.cells {
            let column = part.column(name);
            if let Some(format) = cell.format() {
                part.formats.entry(column).or_insert(format);
            }
            part.cells_bring_formats |= matches!(cell, Cell::Serial(..));
            if !matches!(cell, Cell::Blank | Cell::Empty(_)) {
                cells.insert(column, cell);
            }
        }
        (at, row_json(&cells))
    }

    pub(crate) fn add(&mut self, at: usize, json: &str) {
        let Part { rows, count, .. } = &mut self.parts[at];
        *count += 1;
        if !rows.is_empty() {
            rows.push(',');
        }
        rows.push_str(json);
    }
}

impl Part {
    pub(crate) fn new(table: String, tab: Option<Tab>) -> Self {
        let header = tab.as_ref().map(|tab| tab.header.clone()).unwrap_or_default();
        let mut columns = BTreeMap::new();
        for (at, name) in header.iter().enumerate() {
            // Of two columns with one name the first is ours; the other is a person's copy.
            columns.entry(name.clone()).or_insert(at);
        }
        let (formats, rows) = (BTreeMap::new(), String::new());
        Self { table, tab, header, columns, formats, cells_bring_formats: false, rows, count: 0 }
    }

    pub(crate) fn column(&mut self, name: &str) -> usize {
        if let Some(at) = self.columns.get(name) {
            return *at;
        }
        let at = self.header.len();
        self.header.push(name.into());
        self.columns.insert(name.into(), at);
        at
    }
}

/// A tab that is missing, columns that are missing in the grid or in the header, and once per tab its manner.
pub(crate) fn change_header(part: &Part, sheet_id: i32, version: u32, changes: &mut Vec<Value>) {
    let width = part.header.len();
    let old = part.tab.as_ref().map_or(0, |tab| tab.header.len());
    match &part.tab {
        None => {
            let properties = tab_properties(sheet_id, &part.table, width);
            changes.push(json!({"addSheet": {"properties": properties}}));
        }
        Some(tab) if (tab.grid_columns as usize) < width => {
            let length = width - tab.grid_columns as usize;
            let append = json!({"sheetId": sheet_id, "dimension": "COLUMNS", "length": length});
            changes.push(json!({"appendDimension": append}));
        }
        Some(_) => {}
    }
    if width > old {
        let cells: Vec<Value> = part.header[old..].iter().map(|name| text_cell(name)).collect();
        changes.push(json!({"updateCells": {
            "start": {"sheetId": sheet_id, "rowIndex": 0, "columnIndex": old},
            "rows": [{"values": cells}],
            "fields": "userEnteredValue",
        }}));
    }
    if version == 0 {
        let at = part.columns.get(ID_COLUMN).copied().unwrap_or(0);
        changes.push(json!({"updateDimensionProperties": {
            "range": {"sheetId": sheet_id, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1},
            "properties": {"hiddenByUser": true},
            "fields": "hiddenByUser",
        }}));
        // An adopted tab may have no row to scroll below the header yet; ours always has.
        if part.tab.is_some() {
            changes.push(json!({"updateSheetProperties": {
                "properties": {"sheetId": sheet_id, "gridProperties": {"frozenRowCount": 1}},
                "fields": "gridProperties.frozenRowCount",
            }}));
        }
    }
}

/// How the numbers of a whole column look, from below the header to the end of the grid: set once, with the call that
/// adds the column. What a person makes of it afterwards stays.
pub(crate) fn column_format(sheet_id: i32, column: usize, look: &Value) -> Value {
    json!({"repeatCell": {
        "range": {"sheetId": sheet_id, "startRowIndex": 1, "startColumnIndex": column, "endColumnIndex": column + 1},
        "cell": {"userEnteredFormat": look},
        "fields": "userEnteredFormat.numberFormat",
    }})
}

/// A `userEnteredFormat`.
pub(crate) fn number_format(format: Format) -> Value {
    let (kind, pattern) = format.type_and_pattern();
    json!({"numberFormat": {"type": kind, "pattern": pattern}})
}

fn tab_properties(sheet_id: i32, title: &str, columns: usize) -> Value {
    let grid = json!({"rowCount": 2, "columnCount": columns.max(1), "frozenRowCount": 1});
    json!({"sheetId": sheet_id, "title": title, "gridProperties": grid})
}
