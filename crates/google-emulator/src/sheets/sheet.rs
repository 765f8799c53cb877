//! One tab: its grid, its properties and what is kept on it.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    errors::Refusal,
    filter,
    formula::Calc,
    grid::{Grid, Row},
    metadata::Metadata,
    ranges::{Area, Dimension},
};

const DEFAULT_ROWS: usize = 1_000;
const DEFAULT_COLUMNS: usize = 26;

/// What is wanted of GridData. A tall tab has much of each, and a mask that leaves it out spares making it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GridParts {
    pub(crate) rows: bool,
    pub(crate) row_metadata: bool,
    pub(crate) column_metadata: bool,
}

impl GridParts {
    pub(crate) const ALL: Self = Self { rows: true, row_metadata: true, column_metadata: true };
    /// As `values.get` reads.
    pub(crate) const VALUES: Self = Self { rows: true, row_metadata: false, column_metadata: false };
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
    /// How much there is to read of an area; counted no further than just beyond `limit`.
    pub(super) fn extent(&self, area: &Area, wanted: GridParts, limit: usize) -> usize {
        let metadata = |wanted: bool, lines: &Range<usize>| if wanted { lines.len() } else { 0 };
        let mut extent =
            metadata(wanted.row_metadata, &area.rows).saturating_add(metadata(wanted.column_metadata, &area.columns));
        if wanted.rows {
            let count = self.grid.len().min(area.rows.end).saturating_sub(area.rows.start);
            for row in self.grid.rows_from(area.rows.start).take(count) {
                if extent > limit {
                    break;
                }
                extent += 1 + row.cells.len().min(area.columns.end).saturating_sub(area.columns.start);
            }
        }
        extent
    }

    pub(super) fn grid_data(
        &self,
        area: &Area,
        wanted: GridParts,
        metadata: &Metadata,
        project: &str,
        calc: &Calc<'_>,
    ) -> Value {
        let mut data = json!({});
        if area.rows.start > 0 {
            data["startRow"] = area.rows.start.into();
        }
        if area.columns.start > 0 {
            data["startColumn"] = area.columns.start.into();
        }
        let end = self.grid.len().min(area.rows.end);
        let row_json = |(row, at): (&Row, usize)| {
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
        let count = if wanted.rows { end.saturating_sub(area.rows.start) } else { 0 };
        let rows: Vec<Value> =
            self.grid.rows_from(area.rows.start).take(count).zip(area.rows.start..).map(row_json).collect();
        if !rows.is_empty() {
            data["rowData"] = rows.into();
        }
        let mut dimension = |dimension: Dimension, range: Range<usize>, pixels: i64, name: &str| {
            let mut entries = metadata.on_lines(self.id, dimension, project);
            let describe = |at: usize| {
                let mut properties = self.dimension(dimension).get(&at).cloned().unwrap_or_default();
                properties.entry("pixelSize").or_insert_with(|| pixels.into());
                if dimension == Dimension::Rows && filter::hides(self, calc, area.sheet, at) {
                    properties.insert("hiddenByFilter".into(), true.into());
                }
                if let Some(entries) = entries.remove(&at) {
                    properties.insert("developerMetadata".into(), entries.into());
                }
                Value::Object(properties)
            };
            data[name] = range.map(describe).collect::<Vec<_>>().into();
        };
        // unknown to us: the sizes of a fresh row and column.
        if wanted.row_metadata {
            dimension(Dimension::Rows, area.rows.clone(), 21, "rowMetadata");
        }
        if wanted.column_metadata {
            dimension(Dimension::Columns, area.columns.clone(), 100, "columnMetadata");
        }
        data
    }
}
