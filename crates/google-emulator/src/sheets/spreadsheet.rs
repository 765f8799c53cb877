//! A spreadsheet: its tabs and what belongs to all of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    cell::Formats,
    errors::Refusal,
    filter,
    formula::{self, Calc},
    mask::Mask,
    metadata::Metadata,
    ranges::{Area, Dimension, index, int},
    sheet::{GridParts, Sheet},
};
use crate::random::Random;

/// docs/google.md 5.2; empty cells count.
pub(crate) const MOST_CELLS: usize = 10_000_000;
/// Members of Sheet that `create` takes over as they are.
const KEPT_LISTS: [&str; 10] = [
    "bandedRanges",
    "charts",
    "columnGroups",
    "conditionalFormats",
    "filterViews",
    "merges",
    "protectedRanges",
    "rowGroups",
    "slicers",
    "tables",
];
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

impl Spreadsheet {
    /// From the body of `spreadsheets.create`.
    pub(crate) fn create(id: String, body: &Value, project: &str, random: &mut Random) -> Result<Self, Refusal> {
        let mut properties = body["properties"].as_object().cloned().unwrap_or_default();
        // unknown to us: the title of a spreadsheet without one, and its locale and zone; that it has them is known
        // (docs/google.md 3.2).
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
            for name in KEPT_LISTS {
                if let Some(list) = sheet[name].as_array().filter(|list| !list.is_empty()) {
                    kept.insert(name.into(), list.clone());
                }
            }
            if let Some(filter) = sheet.get("basicFilter") {
                kept.insert("basicFilter".into(), vec![filter::kept(filter)]);
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
        let rows = data["rowData"].as_array().map(Vec::as_slice).unwrap_or_default();
        let width = rows.iter().filter_map(|row| row["values"].as_array()).map(Vec::len).max().unwrap_or(0);
        if width > 0 {
            let sheet = &mut self.sheets[at];
            sheet.row_count = sheet.row_count.max(first_row.saturating_add(rows.len()));
            sheet.column_count = sheet.column_count.max(first_column.saturating_add(width));
            // Before anything is written there.
            self.check_size()?;
        }
        let mut formats = Formats::default();
        let sheet = &mut self.sheets[at];
        for (row, source) in (first_row..).zip(rows) {
            for (column, source) in (first_column..).zip(source["values"].as_array().into_iter().flatten()) {
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
            Some(id @ ..=-1) => return Err(Refusal::unsourced(format!("sheetId must not be negative: {id}"))),
            Some(id) if self.sheets.iter().any(|sheet| sheet.id == id) => {
                return Err(Refusal::unsourced(format!("A sheet with id {id} already exists.")));
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
        let old_title = self.sheets[at].title.clone();
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
        let new_title = self.sheets[at].title.clone();
        if new_title != old_title {
            for sheet in &mut self.sheets {
                sheet.grid.change_formulas(|text| formula::renamed(text, &old_title, &new_title));
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
            return Err(Refusal::unsourced("You can't remove all the sheets in a document."));
        }
        self.sheets.remove(at);
        self.metadata.forget_sheet(id);
        Arc::make_mut(&mut self.named_ranges).retain(|range| int(&range["range"], "sheetId") != id);
        Ok(())
    }

    pub(crate) fn sheet_at(&self, id: i64) -> Result<usize, Refusal> {
        let found = self.sheets.iter().position(|sheet| sheet.id == id);
        found.ok_or_else(|| Refusal::invalid(format!("No grid with id: {id}")))
    }

    /// The Spreadsheet resource. `ranges`: only these parts; `with_data`: cells too.
    pub(crate) fn to_json(
        &self,
        origin: &str,
        project: &str,
        ranges: &[Area],
        data: Option<GridParts>,
        now: Duration,
    ) -> Value {
        let calc = Calc::new(self, now);
        let sheet_json = |(at, sheet): (usize, &Sheet)| {
            let mut json = json!({ "properties": sheet.properties_json(at) });
            if let Some(wanted) = data {
                let whole = [self.whole(at)];
                let parts: Vec<&Area> = match ranges {
                    [] => whole.iter().collect(),
                    ranges => ranges.iter().filter(|area| area.sheet == at).collect(),
                };
                let data: Vec<Value> =
                    parts.iter().map(|area| sheet.grid_data(area, wanted, &self.metadata, project, &calc)).collect();
                json["data"] = data.into();
            }
            for (name, list) in sheet.kept.iter() {
                json[name.as_str()] = match name.as_str() {
                    "basicFilter" => list.first().map(filter::told).unwrap_or_default(),
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
