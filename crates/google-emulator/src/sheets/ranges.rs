//! How ranges, in A1 notation or as indices, find their cells.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{a1, errors::Refusal, spreadsheet::Spreadsheet};

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
            _ => Err(Refusal::unsourced("No dimension specified.")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows => "ROWS",
            Self::Columns => "COLUMNS",
        }
    }
}

impl Spreadsheet {
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
            return Err(Refusal::unsourced("The range is empty."));
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
            return Err(Refusal::unsourced("The start of a range must be before its end."));
        }
        Ok((at, dimension, start..end))
    }

    /// An area that was computed must lie on its tab.
    pub(crate) fn check_inside(&self, area: &Area) -> Result<(), Refusal> {
        let sheet = &self.sheets[area.sheet];
        match area.rows.end > sheet.row_count || area.columns.end > sheet.column_count {
            true => Err(sheet.exceeds()),
            false => Ok(()),
        }
    }

    pub(crate) fn a1_of(&self, area: &Area) -> String {
        a1::write(&self.sheets[area.sheet].title, &area.rows, &area.columns)
    }
}

/// Whether two areas have a cell in common.
pub(crate) fn overlap(a: &Area, b: &Area) -> bool {
    let meet = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
    a.sheet == b.sheet && meet(&a.rows, &b.rows) && meet(&a.columns, &b.columns)
}

/// The GridRange of an area on the tab with that id.
pub(crate) fn grid_range(id: i64, area: &Area) -> Value {
    json!({
        "sheetId": id, "startRowIndex": area.rows.start, "endRowIndex": area.rows.end,
        "startColumnIndex": area.columns.start, "endColumnIndex": area.columns.end,
    })
}

/// proto3 leaves zeros out, so an absent number is 0.
pub(crate) fn int(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or(0)
}

pub(crate) fn index(value: &Value, name: &str) -> Result<Option<usize>, Refusal> {
    match value.get(name).and_then(Value::as_i64) {
        None => Ok(None),
        Some(number) => {
            usize::try_from(number).map(Some).map_err(|_| Refusal::unsourced(format!("{name} must not be negative.")))
        }
    }
}
