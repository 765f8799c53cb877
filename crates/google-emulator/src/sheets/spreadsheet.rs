//! A spreadsheet: tabs, their grids and dimensions, and how ranges find them.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    a1,
    cell::{Cell, Formats},
    errors::Refusal,
    grid::{Grid, Row},
    mask::Mask,
    metadata::Metadata,
};
use crate::random::Random;

/// docs/google.md 5.2; empty cells count.
pub(crate) const MOST_CELLS: usize = 10_000_000;
const DEFAULT_ROWS: usize = 1_000;
const DEFAULT_COLUMNS: usize = 26;

/// Cloned for every batch, which then works on the copy; what is large in it is shared until touched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spreadsheet {
    pub(crate) id: String,
    /// SpreadsheetProperties.
    pub(crate) properties: Map<String, Value>,
    /// In the order of their `index`.
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) metadata: Metadata,
    pub(crate) named_ranges: Arc<Vec<Value>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sheet {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) row_count: usize,
    pub(crate) column_count: usize,
    /// SheetProperties, without the four above and the index.
    pub(crate) properties: Map<String, Value>,
    pub(crate) grid: Grid,
    /// DimensionProperties of rows and columns that have any.
    pub(crate) rows: BTreeMap<usize, Map<String, Value>>,
    pub(crate) columns: BTreeMap<usize, Map<String, Value>>,
    /// Lists that are only kept and returned: `protectedRanges`, `conditionalFormats`, …
    pub(crate) kept: Arc<BTreeMap<String, Vec<Value>>>,
}

/// A range that met its grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    /// Place in [`Spreadsheet::sheets`].
    pub(crate) sheet: usize,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dimension {
    Rows,
    Columns,
}

impl Dimension {
    pub(crate) fn of(range: &Value) -> Result<Self, Refusal> {
        match range["dimension"].as_str() {
            Some("ROWS") => Ok(Self::Rows),
            Some("COLUMNS") => Ok(Self::Columns),
            _ => Err(Refusal::invalid("No dimension specified.")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows => "ROWS",
            Self::Columns => "COLUMNS",
        }
    }
}

/// proto3 leaves zeros out, so an absent number is 0.
pub(crate) fn int(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or(0)
}

pub(crate) fn index(value: &Value, name: &str) -> Result<Option<usize>, Refusal> {
    match value.get(name).and_then(Value::as_i64) {
        None => Ok(None),
        Some(number) => {
            usize::try_from(number).map(Some).map_err(|_| Refusal::invalid(format!("{name} must not be negative.")))
        }
    }
}

impl Sheet {
    fn new(id: i64, title: &str) -> Self {
        Self {
            id,
            title: title.to_owned(),
            row_count: DEFAULT_ROWS,
            column_count: DEFAULT_COLUMNS,
            properties: Map::new(),
            grid: Grid::default(),
            rows: BTreeMap::new(),
            columns: BTreeMap::new(),
            kept: Arc::default(),
        }
    }

    pub(crate) fn cells(&self) -> usize {
        self.row_count.saturating_mul(self.column_count)
    }

    pub(crate) fn count(&self, dimension: Dimension) -> usize {
        match dimension {
            Dimension::Rows => self.row_count,
            Dimension::Columns => self.column_count,
        }
    }

    pub(crate) fn dimension(&self, dimension: Dimension) -> &BTreeMap<usize, Map<String, Value>> {
        match dimension {
            Dimension::Rows => &self.rows,
            Dimension::Columns => &self.columns,
        }
    }

    pub(crate) fn dimension_mut(&mut self, dimension: Dimension) -> &mut BTreeMap<usize, Map<String, Value>> {
        match dimension {
            Dimension::Rows => &mut self.rows,
            Dimension::Columns => &mut self.columns,
        }
    }

    pub(crate) fn is_hidden(&self, dimension: Dimension, at: usize) -> bool {
        self.dimension(dimension).get(&at).is_some_and(|p| p.get("hiddenByUser") == Some(&Value::Bool(true)))
    }

    pub(crate) fn frozen_rows(&self) -> usize {
        self.properties
            .get("gridProperties")
            .and_then(|grid| grid.get("frozenRowCount"))
            .and_then(Value::as_u64)
            .unwrap_or(0) as usize
    }

    pub(crate) fn exceeds(&self) -> Refusal {
        let (rows, columns) = (self.row_count, self.column_count);
        Refusal::invalid(format!("Range exceeds grid limits. Max rows: {rows}, max columns: {columns}"))
    }

    pub(crate) fn properties_json(&self, at: usize) -> Value {
        let mut properties = self.properties.clone();
        properties.insert("sheetId".into(), self.id.into());
        properties.insert("title".into(), self.title.as_str().into());
        properties.insert("index".into(), at.into());
        properties.insert("sheetType".into(), "GRID".into());
        let grid = properties.entry("gridProperties").or_insert_with(|| json!({}));
        grid["rowCount"] = self.row_count.into();
        grid["columnCount"] = self.column_count.into();
        Value::Object(properties)
    }

    /// Takes over SheetProperties; sizes are set without moving cells.
    fn adopt(&mut self, properties: &Value) -> Result<(), Refusal> {
        let mut rest = properties.as_object().cloned().unwrap_or_default();
        for name in ["sheetId", "index", "sheetType"] {
            rest.remove(name);
        }
        if let Some(Value::String(title)) = rest.remove("title") {
            if title.is_empty() {
                return Err(Refusal::invalid("A sheet must have a name."));
            }
            self.title = title;
        }
        if let Some(grid) = rest.get_mut("gridProperties").and_then(Value::as_object_mut) {
            let mut size = |name: &str, old: usize| match grid.remove(name).and_then(|value| value.as_i64()) {
                None => Ok(old),
                Some(count @ 1..) => Ok(count as usize),
                Some(_) => Err(Refusal::invalid(format!("gridProperties.{name} must be greater than zero."))),
            };
            self.row_count = size("rowCount", self.row_count)?;
            self.column_count = size("columnCount", self.column_count)?;
            let frozen = |name: &str| grid.get(name).and_then(Value::as_i64).unwrap_or(0);
            if frozen("frozenRowCount") >= self.row_count as i64 && frozen("frozenRowCount") > 0 {
                return Err(Refusal::invalid("You can't freeze all visible rows on the sheet."));
            }
            if frozen("frozenColumnCount") >= self.column_count as i64 && frozen("frozenColumnCount") > 0 {
                return Err(Refusal::invalid("You can't freeze all visible columns on the sheet."));
            }
        }
        self.properties = rest;
        Ok(())
    }

    /// GridData of a part of the tab.
    fn grid_data(&self, area: &Area, metadata: &Metadata, project: &str) -> Value {
        let mut data = json!({});
        if area.rows.start > 0 {
            data["startRow"] = area.rows.start.into();
        }
        if area.columns.start > 0 {
            data["startColumn"] = area.columns.start.into();
        }
        let end = self.grid.len().min(area.rows.end);
        let row_json = |row: &Row| {
            let cells = row.cells.get(area.columns.start.min(row.cells.len())..area.columns.end.min(row.cells.len()));
            let cells = cells.unwrap_or_default();
            let used = cells.iter().rposition(|cell| !cell.is_blank()).map_or(0, |at| at + 1);
            match used {
                0 => json!({}),
                used => json!({ "values": cells[..used].iter().map(Cell::to_json).collect::<Vec<_>>() }),
            }
        };
        let count = end.saturating_sub(area.rows.start);
        let rows: Vec<Value> = self.grid.rows().skip(area.rows.start).take(count).map(row_json).collect();
        if !rows.is_empty() {
            data["rowData"] = rows.into();
        }
        let mut dimension = |dimension: Dimension, range: Range<usize>, pixels: i64, name: &str| {
            let describe = |at: usize| {
                let mut properties = self.dimension(dimension).get(&at).cloned().unwrap_or_default();
                properties.entry("pixelSize").or_insert_with(|| pixels.into());
                let entries = metadata.on_dimension(self.id, dimension, at, project);
                if !entries.is_empty() {
                    properties.insert("developerMetadata".into(), entries.into());
                }
                Value::Object(properties)
            };
            data[name] = range.map(describe).collect::<Vec<_>>().into();
        };
        dimension(Dimension::Rows, area.rows.clone(), 21, "rowMetadata");
        dimension(Dimension::Columns, area.columns.clone(), 100, "columnMetadata");
        data
    }
}

impl Spreadsheet {
    /// From the body of `spreadsheets.create`.
    pub(crate) fn create(id: String, body: &Value, project: &str, random: &mut Random) -> Result<Self, Refusal> {
        let mut properties = body["properties"].as_object().cloned().unwrap_or_default();
        for (name, default) in [
            ("title", "Untitled spreadsheet"),
            ("locale", "en_US"),
            ("autoRecalc", "ON_CHANGE"),
            ("timeZone", "Etc/GMT"),
        ] {
            properties.entry(name).or_insert_with(|| default.into());
        }
        let mut book =
            Self { id, properties, sheets: Vec::new(), metadata: Metadata::default(), named_ranges: Arc::default() };
        let wanted = body["sheets"].as_array().cloned().unwrap_or_default();
        if wanted.is_empty() {
            book.sheets.push(Sheet::new(0, "Sheet1"));
        }
        for sheet in &wanted {
            let at = book.add_sheet(&sheet["properties"], random)?;
            for data in sheet["data"].as_array().into_iter().flatten() {
                book.fill(at, data)?;
            }
            for entry in sheet["developerMetadata"].as_array().into_iter().flatten() {
                book.create_metadata(entry, project, random)?;
            }
            let mut kept: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for name in ["protectedRanges", "conditionalFormats", "bandedRanges", "filterViews", "merges"] {
                if let Some(list) = sheet[name].as_array().filter(|list| !list.is_empty()) {
                    kept.insert(name.into(), list.clone());
                }
            }
            book.sheets[at].kept = Arc::new(kept);
        }
        for entry in body["developerMetadata"].as_array().into_iter().flatten() {
            book.create_metadata(entry, project, random)?;
        }
        book.named_ranges = Arc::new(body["namedRanges"].as_array().cloned().unwrap_or_default());
        book.check_size()?;
        Ok(book)
    }

    fn fill(&mut self, at: usize, data: &Value) -> Result<(), Refusal> {
        let (first_row, first_column) =
            (index(data, "startRow")?.unwrap_or(0), index(data, "startColumn")?.unwrap_or(0));
        let mut formats = Formats::default();
        let sheet = &mut self.sheets[at];
        for (row, source) in (first_row..).zip(data["rowData"].as_array().into_iter().flatten()) {
            for (column, source) in (first_column..).zip(source["values"].as_array().into_iter().flatten()) {
                sheet.row_count = sheet.row_count.max(row + 1);
                sheet.column_count = sheet.column_count.max(column + 1);
                sheet.grid.row_mut(row).cell_mut(column).write(source, &Mask::All, &mut formats)?;
            }
        }
        for (dimension, first, name) in
            [(Dimension::Rows, first_row, "rowMetadata"), (Dimension::Columns, first_column, "columnMetadata")]
        {
            for (at, properties) in (first..).zip(data[name].as_array().into_iter().flatten()) {
                if let Some(properties) = properties.as_object().filter(|properties| !properties.is_empty()) {
                    sheet.dimension_mut(dimension).insert(at, properties.clone());
                }
            }
        }
        Ok(())
    }

    pub(crate) fn title(&self) -> &str {
        self.properties.get("title").and_then(Value::as_str).unwrap_or_default()
    }

    /// The place of the new tab.
    pub(crate) fn add_sheet(&mut self, properties: &Value, random: &mut Random) -> Result<usize, Refusal> {
        let id = match properties.get("sheetId").and_then(Value::as_i64) {
            Some(id @ ..=-1) => return Err(Refusal::invalid(format!("sheetId must not be negative: {id}"))),
            Some(id) if self.sheets.iter().any(|sheet| sheet.id == id) => {
                return Err(Refusal::invalid(format!("A sheet with id {id} already exists.")));
            }
            Some(id) => id,
            None if self.sheets.is_empty() => 0,
            None => loop {
                let id = random.below(i32::MAX as u64) as i64;
                if !self.sheets.iter().any(|sheet| sheet.id == id) {
                    break id;
                }
            },
        };
        let free = |number: &usize| !self.sheets.iter().any(|sheet| sheet.title == format!("Sheet{number}"));
        let number = (self.sheets.len() + 1..).find(free).unwrap_or_default();
        let mut sheet = Sheet::new(id, &format!("Sheet{number}"));
        sheet.adopt(properties)?;
        self.check_title(&sheet.title, None)?;
        let at = index(properties, "index")?.unwrap_or(self.sheets.len()).min(self.sheets.len());
        self.sheets.insert(at, sheet);
        self.check_size()?;
        Ok(at)
    }

    /// Titles differ also without regard to case.
    pub(crate) fn check_title(&self, title: &str, own: Option<usize>) -> Result<(), Refusal> {
        let lower = title.to_lowercase();
        let is_taken = |(at, sheet): (usize, &Sheet)| Some(at) != own && sheet.title.to_lowercase() == lower;
        match self.sheets.iter().enumerate().any(is_taken) {
            true => Err(Refusal::invalid(format!(
                "A sheet with the name \"{title}\" already exists. Please enter another name."
            ))),
            false => Ok(()),
        }
    }

    pub(crate) fn check_size(&self) -> Result<(), Refusal> {
        let cells = self.sheets.iter().fold(0usize, |sum, sheet| sum.saturating_add(sheet.cells()));
        if cells > MOST_CELLS {
            return Err(Refusal::invalid(format!(
                "This action would increase the number of cells in the workbook above the limit of {MOST_CELLS} cells."
            )));
        }
        Ok(())
    }

    pub(crate) fn update_sheet(&mut self, properties: &Value, mask: &Mask) -> Result<(), Refusal> {
        let at = self.sheet_at(int(properties, "sheetId"))?;
        let mut merged = self.sheets[at].properties_json(at);
        mask.merge(&mut merged, properties);
        let mut changed = self.sheets[at].clone();
        // A title that was listed but not given is no title.
        if mask.takes("title") && merged.get("title").is_none() {
            merged["title"] = "".into();
        }
        changed.adopt(&merged)?;
        self.check_title(&changed.title, Some(at))?;
        let (rows, columns) = (changed.row_count, changed.column_count);
        let sheet = &mut self.sheets[at];
        (changed.row_count, changed.column_count) = (sheet.row_count, sheet.column_count);
        *sheet = changed;
        for (dimension, count) in [(Dimension::Rows, rows), (Dimension::Columns, columns)] {
            let old = self.sheets[at].count(dimension);
            if count < old {
                self.delete(at, dimension, count..old)?;
            } else {
                self.grow(at, dimension, count)?;
            }
        }
        if mask.takes("index") && properties.get("index").is_some() {
            let to = index(properties, "index")?.unwrap_or(0);
            let sheet = self.sheets.remove(at);
            // Google counts the target before the tab has left its place.
            let to = if to > at { to - 1 } else { to };
            self.sheets.insert(to.min(self.sheets.len()), sheet);
        }
        Ok(())
    }

    pub(crate) fn delete_sheet(&mut self, id: i64) -> Result<(), Refusal> {
        let at = self.sheet_at(id)?;
        if self.sheets.len() == 1 {
            return Err(Refusal::invalid("You can't remove all the sheets in a document."));
        }
        self.sheets.remove(at);
        self.metadata.forget_sheet(id);
        Ok(())
    }

    pub(crate) fn sheet_at(&self, id: i64) -> Result<usize, Refusal> {
        let found = self.sheets.iter().position(|sheet| sheet.id == id);
        found.ok_or_else(|| Refusal::invalid(format!("No grid with id: {id}")))
    }

    /// Makes the grid at least so large.
    pub(crate) fn grow(&mut self, at: usize, dimension: Dimension, count: usize) -> Result<(), Refusal> {
        let sheet = &mut self.sheets[at];
        let size = match dimension {
            Dimension::Rows => &mut sheet.row_count,
            Dimension::Columns => &mut sheet.column_count,
        };
        if *size >= count {
            return Ok(());
        }
        *size = count;
        self.check_size()
    }

    pub(crate) fn insert(&mut self, at: usize, dimension: Dimension, range: Range<usize>) -> Result<(), Refusal> {
        if range.start > self.sheets[at].count(dimension) {
            return Err(self.sheets[at].exceeds());
        }
        let size = self.sheets[at].count(dimension).saturating_add(range.len());
        self.grow(at, dimension, size)?;
        let sheet = &mut self.sheets[at];
        match dimension {
            Dimension::Rows if range.start < sheet.grid.len() => {
                sheet.grid.insert_rows(range.start, vec![Row::default(); range.len()]);
            }
            Dimension::Rows => {}
            Dimension::Columns => sheet.grid.each_row(|row| {
                if row.cells.len() > range.start {
                    row.cells.splice(range.start..range.start, vec![Cell::default(); range.len()]);
                }
            }),
        }
        self.renumber(at, dimension, |old| Some(if old >= range.start { old + range.len() } else { old }));
        Ok(())
    }

    pub(crate) fn delete(&mut self, at: usize, dimension: Dimension, range: Range<usize>) -> Result<(), Refusal> {
        let sheet = &mut self.sheets[at];
        let count = sheet.count(dimension);
        if range.end > count || range.is_empty() {
            return Err(sheet.exceeds());
        }
        if range.len() == count {
            let name = if dimension == Dimension::Rows { "rows" } else { "columns" };
            return Err(Refusal::invalid(format!("You can't delete all the {name} on the sheet.")));
        }
        match dimension {
            Dimension::Rows => {
                sheet.grid.remove_rows(range.clone());
                sheet.row_count -= range.len();
            }
            Dimension::Columns => {
                sheet.grid.each_row(|row| {
                    row.cells.drain(range.start.min(row.cells.len())..range.end.min(row.cells.len()));
                });
                sheet.column_count -= range.len();
            }
        }
        self.renumber(at, dimension, |old| match old {
            old if old < range.start => Some(old),
            old if old >= range.end => Some(old - range.len()),
            _ => None,
        });
        Ok(())
    }

    /// Moves rows or columns before `to`, counted before the move.
    pub(crate) fn relocate(
        &mut self,
        at: usize,
        dimension: Dimension,
        source: Range<usize>,
        to: usize,
    ) -> Result<(), Refusal> {
        let sheet = &mut self.sheets[at];
        if source.is_empty() || source.end > sheet.count(dimension) || to > sheet.count(dimension) {
            return Err(sheet.exceeds());
        }
        if source.contains(&to) || to == source.end {
            return Ok(());
        }
        let landing = if to > source.start { to - source.len() } else { to };
        match dimension {
            Dimension::Rows => {
                let rows = sheet.grid.remove_rows(source.clone());
                sheet.grid.insert_rows(landing, rows);
            }
            Dimension::Columns => {
                let width = source.end.max(to);
                sheet.grid.each_row(|row| {
                    if row.cells.len() <= source.start && row.cells.len() <= to {
                        return;
                    }
                    row.cells.resize_with(row.cells.len().max(width), Cell::default);
                    let moved: Vec<Cell> = row.cells.drain(source.clone()).collect();
                    row.cells.splice(landing..landing, moved);
                });
            }
        }
        self.renumber(at, dimension, |old| {
            Some(match old {
                old if source.contains(&old) => old - source.start + landing,
                old if old < source.start && old >= to => old + source.len(),
                old if old >= source.end && old < to => old - source.len(),
                old => old,
            })
        });
        Ok(())
    }

    /// Everything that hangs on a row or column follows it, or goes with it.
    fn renumber(&mut self, at: usize, dimension: Dimension, new: impl Fn(usize) -> Option<usize>) {
        let sheet = &mut self.sheets[at];
        let properties = std::mem::take(sheet.dimension_mut(dimension));
        *sheet.dimension_mut(dimension) =
            properties.into_iter().filter_map(|(old, properties)| new(old).map(|at| (at, properties))).collect();
        let id = sheet.id;
        self.metadata.renumber(id, dimension, new);
    }

    /// Rows keep their metadata and properties when all that is in them moves along.
    pub(crate) fn sort(&mut self, area: &Area, keys: &[(usize, bool)]) {
        let sheet = &mut self.sheets[area.sheet];
        let end = area.rows.end.min(sheet.grid.len());
        if area.rows.start >= end {
            return;
        }
        let rows = sheet.grid.remove_rows(area.rows.start..end);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| compare_rows(&rows[a], &rows[b], keys));
        let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let is_whole = area.columns.start == 0 && area.columns.end >= width;
        let mut sorted: Vec<Row> = order.iter().map(|&from| rows[from].clone()).collect();
        if !is_whole {
            for (row, original) in sorted.iter_mut().zip(&rows) {
                let part: Vec<Cell> = area.columns.clone().map(|c| row.cell(c).cloned().unwrap_or_default()).collect();
                *row = original.clone();
                for (column, cell) in area.columns.clone().zip(part) {
                    *row.cell_mut(column) = cell;
                }
            }
        }
        sheet.grid.insert_rows(area.rows.start, sorted);
        if is_whole {
            let start = area.rows.start;
            let mut new_place = vec![0; order.len()];
            order.iter().enumerate().for_each(|(to, &from)| new_place[from] = to);
            self.renumber(area.sheet, Dimension::Rows, |old| {
                Some(old.checked_sub(start).and_then(|old| new_place.get(old)).map_or(old, |new| start + new))
            });
        }
    }

    /// An A1 range as the API takes it; ends beyond the grid are cut off, a start beyond it is refused.
    pub(crate) fn resolve_a1(&self, text: &str) -> Result<Area, Refusal> {
        let unparsable = || Refusal::invalid(format!("Unable to parse range: {text}"));
        let tab = |title: &str| self.sheets.iter().position(|sheet| sheet.title == title);
        if let Some(at) = tab(text) {
            return Ok(self.whole(at));
        }
        // gspread puts the tab before the name of a range.
        let name = text.rsplit_once('!').map_or(text, |(_, name)| name);
        let named = self.named_ranges.iter().find(|range| range["name"].as_str() == Some(name));
        if let Some(range) = named {
            return self.resolve_range(&range["range"]);
        }
        let parsed = a1::parse(text).ok_or_else(unparsable)?;
        let at = match &parsed.tab {
            Some(title) => tab(title).ok_or_else(unparsable)?,
            None => 0,
        };
        let Some(open) = parsed.cells else { return Ok(self.whole(at)) };
        self.bounded(at, open.first_row, open.end_row, open.first_column, open.end_column)
    }

    fn bounded(
        &self,
        at: usize,
        first_row: usize,
        end_row: Option<usize>,
        first_column: usize,
        end_column: Option<usize>,
    ) -> Result<Area, Refusal> {
        let sheet = &self.sheets[at];
        let rows = first_row..end_row.unwrap_or(sheet.row_count).min(sheet.row_count);
        let columns = first_column..end_column.unwrap_or(sheet.column_count).min(sheet.column_count);
        if rows.start >= sheet.row_count || columns.start >= sheet.column_count {
            return Err(sheet.exceeds());
        }
        if rows.is_empty() || columns.is_empty() {
            return Err(Refusal::invalid("The range is empty."));
        }
        Ok(Area { sheet: at, rows, columns })
    }

    pub(crate) fn whole(&self, at: usize) -> Area {
        let sheet = &self.sheets[at];
        Area { sheet: at, rows: 0..sheet.row_count, columns: 0..sheet.column_count }
    }

    /// A GridRange; open ends reach to the end of the grid.
    pub(crate) fn resolve_range(&self, range: &Value) -> Result<Area, Refusal> {
        let at = self.sheet_at(int(range, "sheetId"))?;
        self.bounded(
            at,
            index(range, "startRowIndex")?.unwrap_or(0),
            index(range, "endRowIndex")?,
            index(range, "startColumnIndex")?.unwrap_or(0),
            index(range, "endColumnIndex")?,
        )
    }

    /// The tab and the rows or columns of a DimensionRange.
    pub(crate) fn resolve_dimension(&self, range: &Value) -> Result<(usize, Dimension, Range<usize>), Refusal> {
        let at = self.sheet_at(int(range, "sheetId"))?;
        let dimension = Dimension::of(range)?;
        let start = index(range, "startIndex")?.unwrap_or(0);
        let end = index(range, "endIndex")?.unwrap_or(self.sheets[at].count(dimension));
        if start >= end {
            return Err(Refusal::invalid("The start of a range must be before its end."));
        }
        Ok((at, dimension, start..end))
    }

    pub(crate) fn a1_of(&self, area: &Area) -> String {
        a1::write(&self.sheets[area.sheet].title, &area.rows, &area.columns)
    }

    /// The Spreadsheet resource. `ranges`: only these parts; `with_data`: cells too.
    pub(crate) fn to_json(&self, origin: &str, project: &str, ranges: &[Area], with_data: bool) -> Value {
        let sheet_json = |(at, sheet): (usize, &Sheet)| {
            let mut json = json!({ "properties": sheet.properties_json(at) });
            if with_data {
                let whole = [self.whole(at)];
                let parts: Vec<&Area> = match ranges {
                    [] => whole.iter().collect(),
                    ranges => ranges.iter().filter(|area| area.sheet == at).collect(),
                };
                let data: Vec<Value> =
                    parts.iter().map(|area| sheet.grid_data(area, &self.metadata, project)).collect();
                json["data"] = data.into();
            }
            for (name, list) in sheet.kept.iter() {
                json[name.as_str()] = match name.as_str() {
                    "basicFilter" => list.first().cloned().unwrap_or_default(),
                    _ => list.clone().into(),
                };
            }
            let entries = self.metadata.on_sheet(sheet.id, project);
            if !entries.is_empty() {
                json["developerMetadata"] = entries.into();
            }
            json
        };
        let is_wanted = |(at, _): &(usize, &Sheet)| ranges.is_empty() || ranges.iter().any(|area| area.sheet == *at);
        let sheets: Vec<Value> = self.sheets.iter().enumerate().filter(is_wanted).map(sheet_json).collect();
        let mut json = json!({
            "spreadsheetId": self.id, "properties": self.properties, "sheets": sheets,
            "spreadsheetUrl": format!("{origin}/spreadsheets/d/{}/edit", self.id),
        });
        let entries = self.metadata.on_spreadsheet(project);
        if !entries.is_empty() {
            json["developerMetadata"] = entries.into();
        }
        if !self.named_ranges.is_empty() {
            json["namedRanges"] = self.named_ranges.as_slice().into();
        }
        json
    }
}

/// Numbers before text before booleans, blanks last in either direction.
fn compare_rows(a: &Row, b: &Row, keys: &[(usize, bool)]) -> std::cmp::Ordering {
    use std::cmp::Ordering;

    use super::cell::CellValue;
    fn rank(value: &CellValue) -> u8 {
        match value {
            CellValue::Number(_) => 0,
            CellValue::Text(text) if !text.is_empty() => 1,
            CellValue::Formula(_) => 1,
            CellValue::Bool(_) => 2,
            _ => 3,
        }
    }
    let empty = CellValue::Empty;
    for &(column, descending) in keys {
        let a = a.cell(column).map_or(&empty, |cell| &cell.value);
        let b = b.cell(column).map_or(&empty, |cell| &cell.value);
        let by_value = match (a, b) {
            (CellValue::Number(a), CellValue::Number(b)) => a.total_cmp(b),
            (CellValue::Bool(a), CellValue::Bool(b)) => a.cmp(b),
            (CellValue::Text(a) | CellValue::Formula(a), CellValue::Text(b) | CellValue::Formula(b)) => {
                a.to_lowercase().cmp(&b.to_lowercase())
            }
            _ => Ordering::Equal,
        };
        let order = match (rank(a), rank(b)) {
            (3, 3) => Ordering::Equal,
            (3, _) => return Ordering::Greater,
            (_, 3) => return Ordering::Less,
            (ra, rb) => ra.cmp(&rb).then(by_value),
        };
        let order = if descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
