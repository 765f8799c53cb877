//! One tab: its grid, its properties and what is kept on it.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    errors::Refusal,
    formula::Calc,
    grid::{Grid, Row},
    metadata::Metadata,
    ranges::{Area, Dimension},
};

const DEFAULT_ROWS: usize = 1_000;
const DEFAULT_COLUMNS: usize = 26;

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

impl Sheet {
    pub(super) fn new(id: i64, title: &str) -> Self {
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
    pub(super) fn adopt(&mut self, properties: &Value) -> Result<(), Refusal> {
        let mut rest = properties.as_object().cloned().unwrap_or_default();
        for name in ["sheetId", "index", "sheetType"] {
            rest.remove(name);
        }
        if let Some(Value::String(title)) = rest.remove("title") {
            if title.is_empty() {
                return Err(Refusal::unsourced("A sheet must have a name."));
            }
            self.title = title;
        }
        if let Some(grid) = rest.get_mut("gridProperties").and_then(Value::as_object_mut) {
            let mut size = |name: &str, old: usize| match grid.remove(name).and_then(|value| value.as_i64()) {
                None => Ok(old),
                Some(count @ 1..) => Ok(count as usize),
                Some(_) => Err(Refusal::unsourced(format!("gridProperties.{name} must be greater than zero."))),
            };
            self.row_count = size("rowCount", self.row_count)?;
            self.column_count = size("columnCount", self.column_count)?;
            let frozen = |name: &str| grid.get(name).and_then(Value::as_i64).unwrap_or(0);
            if frozen("frozenRowCount") >= self.row_count as i64 && frozen("frozenRowCount") > 0 {
                return Err(Refusal::unsourced("You can't freeze all visible rows on the sheet."));
            }
            if frozen("frozenColumnCount") >= self.column_count as i64 && frozen("frozenColumnCount") > 0 {
                return Err(Refusal::unsourced("You can't freeze all visible columns on the sheet."));
            }
        }
        self.properties = rest;
        Ok(())
    }

    /// GridData of a part of the tab.
    pub(super) fn grid_data(&self, area: &Area, metadata: &Metadata, project: &str, calc: &Calc<'_>) -> Value {
        let mut data = json!({});
        if area.rows.start > 0 {
            data["startRow"] = area.rows.start.into();
        }
        if area.columns.start > 0 {
            data["startColumn"] = area.columns.start.into();
        }
        let end = self.grid.len().min(area.rows.end);
        let row_json = |(at, row): (usize, &Row)| {
            let cells = row.cells.get(area.columns.start.min(row.cells.len())..area.columns.end.min(row.cells.len()));
            let cells = cells.unwrap_or_default();
            let used = cells.iter().rposition(|cell| !cell.is_blank()).map_or(0, |at| at + 1);
            match used {
                0 => json!({}),
                used => {
                    let place = |column: usize| (area.sheet, at, area.columns.start + column);
                    let cells = cells[..used].iter().enumerate();
                    let values: Vec<Value> = cells.map(|(column, cell)| cell.to_json(calc, place(column))).collect();
                    json!({ "values": values })
                }
            }
        };
        let count = end.saturating_sub(area.rows.start);
        let rows: Vec<Value> = self.grid.rows().enumerate().skip(area.rows.start).take(count).map(row_json).collect();
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
        // unknown to us: the sizes of a fresh row and column.
        dimension(Dimension::Rows, area.rows.clone(), 21, "rowMetadata");
        dimension(Dimension::Columns, area.columns.clone(), 100, "columnMetadata");
        data
    }
}
