//! `spreadsheets.batchUpdate`: requests in order, all or nothing (docs/google.md 4.3).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    cell::{CellValue, Formats},
    errors::Refusal,
    grid::Row,
    mask::Mask,
    ranges::{Area, Dimension, index, int},
    render,
    spreadsheet::Spreadsheet,
};
use crate::{options::NoMatch, random::Random};

/// What a batch needs beside the spreadsheet.
pub(crate) struct Batch<'a> {
    pub(crate) project: &'a str,
    pub(crate) random: &'a mut Random,
    pub(crate) no_match: NoMatch,
    formats: Formats,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(project: &'a str, random: &'a mut Random, no_match: NoMatch) -> Self {
        Self { project, random, no_match, formats: Formats::default() }
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
            "sortRange" => sort_range(book, body),
            "findReplace" => find_replace(book, body),
            "setDataValidation" => {
                let area = book.resolve_range(&body["range"])?;
                let cell = match body.get("rule") {
                    Some(rule) => json!({ "dataValidation": rule }),
                    None => json!({}),
                };
                let mask = Mask::parse("dataValidation", "CellData")?;
                self.fill(book, &area, &cell, &mask)
            }
            "mergeCells" => keep(book, &body["range"], "merges", body["range"].clone()),
            "unmergeCells" => forget(book, &body["range"], "merges"),
            "setBasicFilter" => {
                forget(book, &body["filter"]["range"], "basicFilter")?;
                keep(book, &body["filter"]["range"], "basicFilter", body["filter"].clone())
            }
            "clearBasicFilter" => forget(book, body, "basicFilter"),
            "addConditionalFormatRule" => add_conditional_format(book, body),
            "deleteConditionalFormatRule" => delete_conditional_format(book, body),
            // Taken and without effect here: nobody sees column widths or borders.
            "autoResizeDimensions" | "updateBorders" => Ok(Value::Null),
            "addNamedRange" => self.add_named_range(book, &body["namedRange"]),
            "deleteNamedRange" => {
                let id = body["namedRangeId"].as_str().unwrap_or_default();
                let before = book.named_ranges.len();
                Arc::make_mut(&mut book.named_ranges).retain(|range| range["namedRangeId"] != id);
                match book.named_ranges.len() < before {
                    true => Ok(Value::Null),
                    false => Err(Refusal::unsourced(format!("No named range with id: {id}"))),
                }
            }
            _ => self.kept_object(book, name, body),
        }
    }

    fn append_cells(&mut self, book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
        if body.get("tableId").is_some() {
            return Err(Refusal::not_emulated("tables"));
        }
        let at = book.sheet_at(int(body, "sheetId"))?;
        let mask = Mask::of_write(body, "CellData")?;
        let rows = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
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
        let nothing = json!({});
        for (row, source) in area.rows.clone().zip(rows.iter().map(Some).chain(std::iter::repeat(None))) {
            let cells = source.and_then(|row| row["values"].as_array()).map(Vec::as_slice).unwrap_or_default();
            let target = sheet.grid.row_mut(row);
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
        let grid = &mut book.sheets[area.sheet].grid;
        for row in area.rows.clone() {
            let row = grid.row_mut(row);
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
        *sheet = super::sheet::Sheet { id, title, ..source };
        book.check_size()?;
        Ok(json!({ "properties": book.sheets[at].properties_json(at) }))
    }

    fn add_named_range(&mut self, book: &mut Spreadsheet, range: &Value) -> Result<Value, Refusal> {
        book.resolve_range(&range["range"])?;
        let mut range = range.clone();
        let name = range["name"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Refusal::unsourced("A named range must have a name."))?.to_owned();
        let id = match range["namedRangeId"].as_str().filter(|id| !id.is_empty()) {
            Some(id) => id.to_owned(),
            None => self.random.below(u64::from(u32::MAX)).to_string(),
        };
        if book.named_ranges.iter().any(|known| known["namedRangeId"] == id.as_str()) {
            return Err(Refusal::unsourced(format!("A named range with id {id} already exists.")));
        }
        if book.named_ranges.iter().any(|known| known["name"] == name.as_str()) {
            return Err(Refusal::unsourced(format!("A named range with the name \"{name}\" already exists.")));
        }
        range["namedRangeId"] = id.into();
        Arc::make_mut(&mut book.named_ranges).push(range.clone());
        Ok(json!({ "namedRange": range }))
    }

    /// Objects of a tab that are only kept and returned, all by the same three verbs.
    fn kept_object(&mut self, book: &mut Spreadsheet, name: &str, body: &Value) -> Result<Value, Refusal> {
        const KINDS: [(&str, &str, &str, &str, &str); 3] = [
            ("ProtectedRange", "protectedRanges", "protectedRange", "protectedRangeId", "ProtectedRange"),
            ("Banding", "bandedRanges", "bandedRange", "bandedRangeId", "BandedRange"),
            ("FilterView", "filterViews", "filter", "filterViewId", "FilterView"),
        ];
        let found = KINDS.iter().find_map(|kind| name.strip_suffix(kind.0).map(|verb| (verb, kind)));
        let Some((verb, (_, list, object, id_name, message))) = found else {
            return Err(Refusal::not_emulated(&format!("the request {name}")));
        };
        let holder = |book: &Spreadsheet, id: i64| {
            let has = |sheet: &super::sheet::Sheet| {
                sheet.kept.get(*list).is_some_and(|objects| objects.iter().any(|o| int(o, id_name) == id))
            };
            book.sheets.iter().position(has)
        };
        let missing = |id: i64| Refusal::unsourced(format!("No {object} with id: {id}"));
        match verb {
            "add" => {
                let mut value = body[*object].clone();
                if value[*id_name].is_null() {
                    value[*id_name] = (1 + self.random.below(i32::MAX as u64 - 1)).into();
                }
                let id = int(&value, id_name);
                if holder(book, id).is_some() {
                    return Err(Refusal::unsourced(format!("A {object} with id {id} already exists.")));
                }
                keep(book, &value["range"].clone(), list, value.clone())?;
                Ok(json!({ *object: value }))
            }
            "update" => {
                let mask = Mask::of_write(body, message)?;
                let id = int(&body[*object], id_name);
                let at = holder(book, id).ok_or_else(|| missing(id))?;
                let objects = Arc::make_mut(&mut book.sheets[at].kept).entry((*list).to_owned()).or_default();
                for value in objects.iter_mut().filter(|value| int(value, id_name) == id) {
                    mask.merge(value, &body[*object]);
                    value[*id_name] = id.into();
                }
                Ok(Value::Null)
            }
            "delete" => {
                let id_name = if *object == "filter" { "filterId" } else { *id_name };
                let id = int(body, id_name);
                let at = holder(book, id).ok_or_else(|| missing(id))?;
                let kept = Arc::make_mut(&mut book.sheets[at].kept);
                let id_member = KINDS.iter().find(|kind| kind.1 == *list).map_or(id_name, |kind| kind.3);
                kept.entry((*list).to_owned()).or_default().retain(|value| int(value, id_member) != id);
                kept.retain(|_, list| !list.is_empty());
                Ok(Value::Null)
            }
            _ => Err(Refusal::not_emulated(&format!("the request {name}"))),
        }
    }
}

fn keep(book: &mut Spreadsheet, range: &Value, list: &str, value: Value) -> Result<Value, Refusal> {
    let at = book.sheet_at(int(range, "sheetId"))?;
    Arc::make_mut(&mut book.sheets[at].kept).entry(list.to_owned()).or_default().push(value);
    Ok(Value::Null)
}

fn forget(book: &mut Spreadsheet, range: &Value, list: &str) -> Result<Value, Refusal> {
    let at = book.sheet_at(int(range, "sheetId"))?;
    Arc::make_mut(&mut book.sheets[at].kept).remove(list);
    Ok(Value::Null)
}

fn add_conditional_format(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let at = book.sheet_at(int(&body["rule"]["ranges"][0], "sheetId"))?;
    let place = index(body, "index")?.unwrap_or(0);
    let rules = Arc::make_mut(&mut book.sheets[at].kept).entry("conditionalFormats".to_owned()).or_default();
    rules.insert(place.min(rules.len()), body["rule"].clone());
    Ok(Value::Null)
}

fn delete_conditional_format(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let at = book.sheet_at(int(body, "sheetId"))?;
    let place = index(body, "index")?.unwrap_or(0);
    let kept = Arc::make_mut(&mut book.sheets[at].kept);
    let rules = kept.entry("conditionalFormats".to_owned()).or_default();
    if place >= rules.len() {
        return Err(Refusal::unsourced(format!("No conditional format on sheet at index: {place}")));
    }
    let rule = rules.remove(place);
    kept.retain(|_, list| !list.is_empty());
    Ok(json!({ "rule": rule }))
}

fn update_dimension(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let mask = Mask::of_write(body, "DimensionProperties")?;
    let (at, dimension, range) = book.resolve_dimension(&body["range"])?;
    let sheet = &mut book.sheets[at];
    if range.end > sheet.count(dimension) {
        return Err(sheet.exceeds());
    }
    for line in range {
        let mut merged = Value::Object(sheet.dimension_mut(dimension).remove(&line).unwrap_or_default());
        mask.merge(&mut merged, &body["properties"]);
        if let Some(properties) = merged.as_object().filter(|properties| !properties.is_empty()) {
            sheet.dimension_mut(dimension).insert(line, Map::clone(properties));
        }
    }
    Ok(Value::Null)
}

fn sort_range(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let mut keys = Vec::new();
    for spec in body["sortSpecs"].as_array().into_iter().flatten() {
        keys.push((index(spec, "dimensionIndex")?.unwrap_or(0), spec["sortOrder"] == "DESCENDING"));
    }
    book.sort(&area, &keys);
    Ok(Value::Null)
}

fn find_replace(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    if body["searchByRegex"] == true || body["includeFormulas"] == true {
        return Err(Refusal::not_emulated("findReplace with regular expressions or in formulas"));
    }
    let find = body["find"].as_str().filter(|find| !find.is_empty());
    let find = find.ok_or_else(|| Refusal::unsourced("find must not be empty."))?;
    let replacement = body["replacement"].as_str().unwrap_or_default();
    let areas: Vec<Area> = match (body.get("range"), body.get("sheetId")) {
        (Some(range), _) => vec![book.resolve_range(range)?],
        (_, Some(_)) => vec![book.whole(book.sheet_at(int(body, "sheetId"))?)],
        _ => (0..book.sheets.len()).map(|at| book.whole(at)).collect(),
    };
    let (match_case, entire) = (body["matchCase"] == true, body["matchEntireCell"] == true);
    let (mut values, mut rows, mut sheets, mut occurrences) = (0, 0, 0, 0);
    for area in areas {
        let grid = &mut book.sheets[area.sheet].grid;
        let before = rows;
        for at in area.rows.start..area.rows.end.min(grid.len()) {
            let hits: Vec<(usize, String, usize)> = grid
                .row(at)
                .into_iter()
                .flat_map(|row: &Row| area.columns.clone().zip(row.cells.iter().skip(area.columns.start)))
                .filter(|(_, cell)| !matches!(cell.value, CellValue::Empty | CellValue::Formula(_)))
                .filter_map(|(column, cell)| {
                    let (text, count) = replace(&render::formatted(cell), find, replacement, match_case, entire);
                    (count > 0).then_some((column, text, count))
                })
                .collect();
            rows += usize::from(!hits.is_empty());
            for (column, text, count) in hits {
                values += 1;
                occurrences += count;
                super::entry::type_in(grid.row_mut(at).cell_mut(column), &text)?;
            }
        }
        sheets += usize::from(rows > before);
    }
    Ok(json!({
        "valuesChanged": values, "rowsChanged": rows, "sheetsChanged": sheets, "occurrencesChanged": occurrences,
    }))
}

/// The new text and how often `find` was in the old one.
fn replace(text: &str, find: &str, replacement: &str, match_case: bool, entire: bool) -> (String, usize) {
    // Only ASCII is compared without regard to case, so that places in the text stay the same.
    let fold = |text: &str| if match_case { text.to_owned() } else { text.to_ascii_lowercase() };
    let (folded, find) = (fold(text), fold(find));
    if entire {
        return if folded == find { (replacement.to_owned(), 1) } else { (text.to_owned(), 0) };
    }
    let (mut out, mut from, mut count) = (String::new(), 0, 0);
    while let Some(at) = folded[from..].find(&find) {
        out.push_str(&text[from..from + at]);
        out.push_str(replacement);
        from += at + find.len();
        count += 1;
    }
    out.push_str(&text[from..]);
    (out, count)
}
