//! `spreadsheets.batchUpdate`: requests in order, all or nothing (docs/google.md 4.3).

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    blocks,
    cell::Formats,
    errors::Refusal,
    groups, kept,
    mask::Mask,
    paste,
    ranges::{Area, Dimension, index, int},
    spreadsheet::Spreadsheet,
    tidy,
};
use crate::{options::NoMatch, random::Random};

/// What a batch needs beside the spreadsheet.
pub(crate) struct Batch<'a> {
    pub(crate) project: &'a str,
    pub(crate) random: &'a mut Random,
    pub(crate) no_match: NoMatch,
    now: Duration,
    formats: Formats,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(project: &'a str, random: &'a mut Random, no_match: NoMatch, now: Duration) -> Self {
        Self { project, random, no_match, now, formats: Formats::default() }
    }

    /// Applies to a copy, which the caller keeps or drops. The replies, one for each request.
    pub(crate) fn apply(&mut self, book: &mut Spreadsheet, requests: &[Value]) -> Result<Vec<Value>, Refusal> {
        if requests.is_empty() {
            return Err(Refusal::invalid("Must specify at least one request."));
        }
        let mut replies = Vec::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            let Some((name, body)) = request.as_object().and_then(|members| members.iter().next()) else {
                return Err(Refusal::unsourced(format!("Invalid requests[{at}]: No request set.")));
            };
            let reply = self.one(book, name, body).map_err(|refusal| match refusal.code {
                400 => refusal.within(&format!("requests[{at}].{name}")),
                _ => refusal,
            })?;
            replies.push(if reply.is_null() { json!({}) } else { json!({ name: reply }) });
        }
        Ok(replies)
    }

    fn one(&mut self, book: &mut Spreadsheet, name: &str, body: &Value) -> Result<Value, Refusal> {
        match name {
            "appendCells" => self.append_cells(book, body),
            "updateCells" => self.update_cells(book, body),
            "repeatCell" => self.repeat_cell(book, body),
            "createDeveloperMetadata" => {
                let entry = book.create_metadata(&body["developerMetadata"], self.project, self.random)?;
                Ok(json!({ "developerMetadata": entry }))
            }
            "updateDeveloperMetadata" => self.update_metadata(book, body),
            "deleteDeveloperMetadata" => self.delete_metadata(book, body),
            "addSheet" => {
                let at = book.add_sheet(&body["properties"], self.random)?;
                Ok(json!({ "properties": book.sheets[at].properties_json(at) }))
            }
            "deleteSheet" => book.delete_sheet(int(body, "sheetId")).map(|()| Value::Null),
            "duplicateSheet" => self.duplicate_sheet(book, body),
            "updateSheetProperties" => {
                let mask = Mask::of_write(body, "SheetProperties")?;
                book.update_sheet(&body["properties"], &mask).map(|()| Value::Null)
            }
            "updateSpreadsheetProperties" => {
                let mask = Mask::of_write(body, "SpreadsheetProperties")?;
                let mut merged = Value::Object(book.properties.clone());
                mask.merge(&mut merged, &body["properties"]);
                book.properties = merged.as_object().cloned().unwrap_or_default();
                Ok(Value::Null)
            }
            "appendDimension" => {
                let at = book.sheet_at(int(body, "sheetId"))?;
                let dimension = Dimension::of(body)?;
                let length = index(body, "length")?.unwrap_or(0);
                if length == 0 {
                    return Err(Refusal::unsourced("length must be greater than zero."));
                }
                let size = book.sheets[at].count(dimension).saturating_add(length);
                book.grow(at, dimension, size).map(|()| Value::Null)
            }
            "insertDimension" => {
                let (at, dimension, range) = book.resolve_dimension(&body["range"])?;
                book.insert(at, dimension, range).map(|()| Value::Null)
            }
            "deleteDimension" => {
                let (at, dimension, range) = book.resolve_dimension(&body["range"])?;
                book.delete(at, dimension, range).map(|()| Value::Null)
            }
            "moveDimension" => {
                let (at, dimension, source) = book.resolve_dimension(&body["source"])?;
                let to = index(body, "destinationIndex")?.unwrap_or(0);
                book.relocate(at, dimension, source, to).map(|()| Value::Null)
            }
            "updateDimensionProperties" => update_dimension(book, body),
            "sortRange" => sort_range(book, body, self.now),
            "findReplace" => tidy::find_replace(book, body, self.now),
            "trimWhitespace" => tidy::trim_whitespace(book, body),
            "deleteDuplicates" => tidy::delete_duplicates(book, body, self.now),
            "randomizeRange" => tidy::randomize(book, body, self.random),
            "textToColumns" => tidy::text_to_columns(book, body, self.now),
            "copyPaste" => paste::copy_paste(book, body, self.now),
            "cutPaste" => paste::cut_paste(book, body, self.now),
            "pasteData" => paste::paste_data(book, body, self.now),
            "autoFill" => paste::auto_fill(book, body, self.now),
            "insertRange" => blocks::insert_range(book, body),
            "deleteRange" => blocks::delete_range(book, body),
            "updateBorders" => blocks::update_borders(book, body, &mut self.formats),
            "addDimensionGroup" => groups::change(book, body, true),
            "deleteDimensionGroup" => groups::change(book, body, false),
            "updateDimensionGroup" => groups::update(book, body),
            "setDataValidation" => {
                let area = book.resolve_range(&body["range"])?;
                let cell = match body.get("rule") {
                    Some(rule) => json!({ "dataValidation": rule }),
                    None => json!({}),
                };
                let mask = Mask::parse("dataValidation", "CellData")?;
                self.fill(book, &area, &cell, &mask)
            }
            // Nobody sees how wide a column is here; whether it is there can be asked.
            "autoResizeDimensions" => book.resolve_dimension(&body["dimensions"]).map(|_| Value::Null),
            _ => kept::request(book, name, body, self.random)
                .unwrap_or_else(|| Err(Refusal::not_emulated(&format!("the request {name}")))),
        }
    }

    fn append_cells(&mut self, book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
        let mask = Mask::of_write(body, "CellData")?;
        let rows = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(table) = body["tableId"].as_str() {
            return self.append_to_table(book, table, rows, &mask);
        }
        let at = book.sheet_at(int(body, "sheetId"))?;
        let end = book.sheets[at].grid.end_of_data();
        book.grow(at, Dimension::Rows, end.saturating_add(rows.len()))?;
        let sheet = &mut book.sheets[at];
        for (row, source) in (end..).zip(rows) {
            let cells = source["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            // A row wider than the grid is refused (docs/google.md 4.3).
            if cells.len() > sheet.column_count {
                return Err(sheet.exceeds());
            }
            let target = sheet.grid.row_mut(row);
            target.cells.reserve_exact(cells.len().saturating_sub(target.cells.len()));
            for (column, source) in cells.iter().enumerate() {
                target.cell_mut(column).write(source, &mask, &mut self.formats)?;
            }
        }
        Ok(Value::Null)
    }

    /// The table has precedence over the sheet, and grows by the rows.
    fn append_to_table(
        &mut self,
        book: &mut Spreadsheet,
        table: &str,
        rows: &[Value],
        mask: &Mask,
    ) -> Result<Value, Refusal> {
        let area = book.extend_table(table, rows.len())?;
        for (row, source) in area.rows.clone().zip(rows) {
            let cells = source["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            if cells.len() > area.columns.len() {
                return Err(Refusal::unsourced("A row is wider than the table."));
            }
            for (column, source) in area.columns.clone().zip(cells) {
                let cell = book.sheets[area.sheet].grid.row_mut(row).cell_mut(column);
                cell.write(source, mask, &mut self.formats)?;
            }
        }
        Ok(Value::Null)
    }

    fn update_cells(&mut self, book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
        let mask = Mask::of_write(body, "CellData")?;
        let rows = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let (area, is_range) = match (body.get("range"), body.get("start")) {
            (Some(range), None) => (book.resolve_range(range)?, true),
            (None, Some(start)) => {
                let sheet = book.sheet_at(int(start, "sheetId"))?;
                let row = index(start, "rowIndex")?.unwrap_or(0);
                let column = index(start, "columnIndex")?.unwrap_or(0);
                let width = rows.iter().filter_map(|row| row["values"].as_array()).map(Vec::len).max().unwrap_or(0);
                (Area { sheet, rows: row..row + rows.len(), columns: column..column + width }, false)
            }
            _ => return Err(Refusal::unsourced("Exactly one of start and range must be set.")),
        };
        let sheet = &mut book.sheets[area.sheet];
        if area.rows.end > sheet.row_count || area.columns.end > sheet.column_count {
            return Err(sheet.exceeds());
        }
        blocks::check_extent(&area)?;
        let nothing = json!({});
        let sources = rows.iter().map(Some).chain(std::iter::repeat(None));
        for (target, source) in sheet.grid.rows_mut(area.rows.clone()).zip(sources) {
            let cells = source.and_then(|row| row["values"].as_array()).map(Vec::as_slice).unwrap_or_default();
            // In a range every cell is written, in a row from a start only those given.
            let width = if is_range { area.columns.len() } else { cells.len() };
            for column in 0..width {
                let source = cells.get(column).unwrap_or(&nothing);
                target.cell_mut(area.columns.start + column).write(source, &mask, &mut self.formats)?;
            }
        }
        Ok(Value::Null)
    }

    fn repeat_cell(&mut self, book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
        let mask = Mask::of_write(body, "CellData")?;
        let area = book.resolve_range(&body["range"])?;
        self.fill(book, &area, &body["cell"], &mask)
    }

    fn fill(&mut self, book: &mut Spreadsheet, area: &Area, cell: &Value, mask: &Mask) -> Result<Value, Refusal> {
        blocks::check_extent(area)?;
        for row in book.sheets[area.sheet].grid.rows_mut(area.rows.clone()) {
            for column in area.columns.clone() {
                row.cell_mut(column).write(cell, mask, &mut self.formats)?;
            }
        }
        Ok(Value::Null)
    }

    fn update_metadata(&mut self, book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
        let mask = Mask::of_write(body, "DeveloperMetadata")?;
        let filters = body["dataFilters"].as_array().cloned().unwrap_or_default();
        let updated = book.update_metadata(&filters, &body["developerMetadata"], &mask, self.project)?;
        self.matched("developerMetadata", updated)
    }

    fn delete_metadata(&mut self, book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
        let deleted = book.delete_metadata(&body["dataFilter"], self.project)?;
        self.matched("deletedDeveloperMetadata", deleted)
    }

    /// What happens without a match is unknown (docs/google.md 4.4), hence a switch.
    fn matched(&self, name: &str, entries: Vec<Value>) -> Result<Value, Refusal> {
        match (entries.is_empty(), self.no_match) {
            (true, NoMatch::Refused) => Err(Refusal::unsourced("No developer metadata matches the data filter.")),
            (true, NoMatch::EmptyReply) => Ok(json!({})),
            (false, _) => Ok(json!({ name: entries })),
        }
    }

    fn duplicate_sheet(&mut self, book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
        let from = book.sheet_at(int(body, "sourceSheetId"))?;
        let mut properties = json!({
            "title": body["newSheetName"].as_str().map_or_else(|| format!("Copy of {}", book.sheets[from].title), String::from),
            "index": index(body, "insertSheetIndex")?.unwrap_or(0),
        });
        if let Some(id) = body.get("newSheetId") {
            properties["sheetId"] = id.clone();
        }
        let source = book.sheets[from].clone();
        let at = book.add_sheet(&properties, self.random)?;
        let sheet = &mut book.sheets[at];
        let (id, title) = (sheet.id, std::mem::take(&mut sheet.title));
        let old = source.id;
        *sheet = super::sheet::Sheet { id, title, ..source };
        book.readdress_kept(at, old);
        book.check_size()?;
        Ok(json!({ "properties": book.sheets[at].properties_json(at) }))
    }
}

fn update_dimension(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let mask = Mask::of_write(body, "DimensionProperties")?;
    let (at, dimension, range) = book.resolve_dimension(&body["range"])?;
    let sheet = &mut book.sheets[at];
    if range.end > sheet.count(dimension) {
        return Err(sheet.exceeds());
    }
    blocks::check_extent(&Area { sheet: at, rows: range.clone(), columns: 0..1 })?;
    for line in range {
        let mut merged = Value::Object(sheet.dimension_mut(dimension).remove(&line).unwrap_or_default());
        mask.merge(&mut merged, &body["properties"]);
        if let Some(properties) = merged.as_object().filter(|properties| !properties.is_empty()) {
            sheet.dimension_mut(dimension).insert(line, Map::clone(properties));
        }
    }
    Ok(Value::Null)
}

fn sort_range(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let mut keys = Vec::new();
    for spec in body["sortSpecs"].as_array().into_iter().flatten() {
        keys.push((index(spec, "dimensionIndex")?.unwrap_or(0), spec["sortOrder"] == "DESCENDING"));
    }
    book.sort(&area, &keys, now);
    Ok(Value::Null)
}
