//! `spreadsheets.values.*` (docs/google.md 4.1, 4.2, 8).

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    cell::{Cell, CellValue, Formats},
    entry::{Input, enter, year_of},
    errors::Refusal,
    formula::Calc,
    ranges::{Area, Dimension},
    render::{self, Render},
    spreadsheet::Spreadsheet,
    tables,
};
use crate::wire::Params;

/// How values are wanted back, and the moment that formulas are worked out for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) render: Render,
    pub(crate) by_columns: bool,
    pub(crate) now: Duration,
}

impl Reading {
    /// From three options by whatever names they have in the query or body at hand.
    pub(crate) fn new(
        render: Option<&str>,
        dates: Option<&str>,
        major: Option<&str>,
        now: Duration,
    ) -> Result<Self, Refusal> {
        let bad =
            |name: &str, value: &str| Refusal::invalid(format!("Invalid value at '{name}' (TYPE_ENUM), \"{value}\""));
        let dates_as_text = match dates {
            None | Some("SERIAL_NUMBER") => false,
            Some("FORMATTED_STRING") => true,
            Some(other) => return Err(bad("date_time_render_option", other)),
        };
        let render = match render {
            None | Some("FORMATTED_VALUE") => Render::Formatted,
            Some("UNFORMATTED_VALUE") => Render::Unformatted { dates_as_text },
            Some("FORMULA") => Render::Formula { dates_as_text },
            Some(other) => return Err(bad("value_render_option", other)),
        };
        Ok(Self { render, by_columns: by_columns(major).map_err(|other| bad("major_dimension", other))?, now })
    }
}

fn by_columns(major: Option<&str>) -> Result<bool, &str> {
    match major {
        None | Some("ROWS" | "DIMENSION_UNSPECIFIED") => Ok(false),
        Some("COLUMNS") => Ok(true),
        Some(other) => Err(other),
    }
}

/// The `valueInputOption`, which is required.
pub(crate) fn input(option: Option<&str>, now: Duration) -> Result<Input, Refusal> {
    match option {
        Some("RAW") => Ok(Input::Raw),
        Some("USER_ENTERED") => Ok(Input::UserEntered { year: year_of(now) }),
        None | Some("INPUT_VALUE_OPTION_UNSPECIFIED") => {
            Err(Refusal::unsourced("'valueInputOption' is required but not specified"))
        }
        Some(other) => Err(Refusal::invalid(format!("Invalid value at 'value_input_option' (TYPE_ENUM), \"{other}\""))),
    }
}

impl Spreadsheet {
    /// A ValueRange: trailing blanks and rows are left out, and `values` if there are none.
    pub(crate) fn read(&self, area: &Area, reading: Reading) -> Value {
        let sheet = &self.sheets[area.sheet];
        let calc = Calc::new(self, reading.now);
        let shown = |row: usize, column: usize, cell: &Cell| match reading.render {
            Render::Formula { .. } => render::value(cell, reading.render),
            render => render::value(&render::shown(cell, &calc, (area.sheet, row, column)).0, render),
        };
        let value = |row: usize, column: usize| match sheet.grid.cell(row, column) {
            Some(cell) => shown(row, column, cell),
            None => "".into(),
        };
        let is_blank = |value: &Value| value.as_str() == Some("");
        let line = |values: Vec<Value>| {
            let used = values.iter().rposition(|value| !is_blank(value)).map_or(0, |at| at + 1);
            values.into_iter().take(used).collect::<Vec<_>>()
        };
        let last_row = area.rows.end.min(sheet.grid.end_of_data());
        let mut lines: Vec<Vec<Value>> = match reading.by_columns {
            false => {
                let count = last_row.saturating_sub(area.rows.start);
                let width = |cells: usize| area.columns.start.min(cells)..area.columns.end.min(cells);
                let rows = sheet.grid.rows_from(area.rows.start).take(count);
                rows.zip(area.rows.start..)
                    .map(|(row, at)| {
                        let columns = width(row.cells.len());
                        line(columns.map(|column| shown(at, column, &row.cells[column])).collect())
                    })
                    .collect()
            }
            true => area
                .columns
                .clone()
                .map(|column| line((area.rows.start..last_row).map(|row| value(row, column)).collect()))
                .collect(),
        };
        while lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        let major = if reading.by_columns { "COLUMNS" } else { "ROWS" };
        let mut json = json!({ "range": self.a1_of(area), "majorDimension": major });
        if !lines.is_empty() {
            json["values"] = lines.into();
        }
        json
    }

    /// The first tab as text, a line a row; fields are quoted where they have to be (RFC 4180).
    pub(crate) fn lines(&self, separator: char, now: Duration) -> String {
        let reading = Reading { now, ..Reading::default() };
        let read = self.read(&self.whole(0), reading);
        let field = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            match text.contains([separator, '"', '\n', '\r']) {
                true => format!("\"{}\"", text.replace('"', "\"\"")),
                false => text.to_owned(),
            }
        };
        let rows: Vec<&[Value]> =
            read["values"].as_array().into_iter().flatten().filter_map(Value::as_array).map(Vec::as_slice).collect();
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let blank = Value::Null;
        let line = |row: &&[Value]| {
            let fields: Vec<String> = (0..width).map(|at| field(row.get(at).unwrap_or(&blank))).collect();
            fields.join(&separator.to_string())
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\r\n")
    }

    /// Writes lines of values from the area's corner on. `strict`: they must stay within the area.
    pub(crate) fn write(&mut self, area: &Area, body: &Value, input: Input, strict: bool) -> Result<Written, Refusal> {
        let major = by_columns(body["majorDimension"].as_str()).unwrap_or(false);
        let lines = body["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        let longest = lines.iter().filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0);
        let (height, width) = if major { (longest, lines.len()) } else { (lines.len(), longest) };
        let sheet = &mut self.sheets[area.sheet];
        let (first_row, first_column) = (area.rows.start, area.columns.start);
        if first_row + height > sheet.row_count || first_column + width > sheet.column_count {
            return Err(sheet.exceeds());
        }
        if strict && (height > area.rows.len() || width > area.columns.len()) {
            let what = if height > area.rows.len() {
                format!("row [{}]", area.rows.end + 1)
            } else {
                format!("column [{}]", super::a1::column_name(area.columns.end))
            };
            let range = self.a1_of(area);
            return Err(Refusal::unsourced(format!(
                "Requested writing within range [{range}], but tried writing to {what}"
            )));
        }
        let mut formats = Formats::default();
        let mut cells = 0;
        let mut rows = std::collections::BTreeSet::new();
        let mut columns = std::collections::BTreeSet::new();
        for (major_at, line) in lines.iter().enumerate() {
            for (minor_at, value) in line.as_array().into_iter().flatten().enumerate() {
                let (row, column) = if major { (minor_at, major_at) } else { (major_at, minor_at) };
                if value.is_null() {
                    continue;
                }
                let cell = sheet.grid.row_mut(first_row + row).cell_mut(first_column + column);
                enter(cell, value, input, &mut formats)?;
                cells += 1;
                rows.insert(row);
                columns.insert(column);
            }
        }
        let area = Area {
            sheet: area.sheet,
            rows: first_row..first_row + height.max(1),
            columns: first_column..first_column + width.max(1),
        };
        Ok(Written { area, rows: rows.len(), columns: columns.len(), cells })
    }

    /// UpdateValuesResponse.
    pub(crate) fn written(&self, written: &Written, back: Option<Reading>) -> Value {
        let mut json = json!({
            "spreadsheetId": self.id, "updatedRange": self.a1_of(&written.area), "updatedRows": written.rows,
            "updatedColumns": written.columns, "updatedCells": written.cells,
        });
        if let Some(reading) = back {
            json["updatedData"] = self.read(&written.area, reading);
        }
        json
    }

    /// The cells of an area become blank; formats stay.
    pub(crate) fn clear(&mut self, area: &Area) {
        let grid = &mut self.sheets[area.sheet].grid;
        for row in area.rows.start..area.rows.end.min(grid.len()) {
            if grid.row(row).is_some_and(|row| row.has_data()) {
                for cell in grid.row_mut(row).cells.iter_mut().take(area.columns.end).skip(area.columns.start) {
                    cell.value = CellValue::Empty;
                }
            }
        }
    }

    /// `values.append`: find the table in the range, write below it.
    pub(crate) fn append(
        &mut self,
        area: &Area,
        body: &Value,
        input: Input,
        insert_rows: bool,
    ) -> Result<(Option<Area>, Written), Refusal> {
        let table = tables::find(&mut self.sheets[area.sheet].grid, area);
        let (row, column) = match &table {
            Some(table) => (table.area.rows.end, table.next_column),
            None => (area.rows.start, area.columns.start),
        };
        let major = by_columns(body["majorDimension"].as_str()).unwrap_or(false);
        let lines = body["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        let longest = lines.iter().filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0);
        let (height, width) = if major { (longest, lines.len()) } else { (lines.len(), longest) };
        if insert_rows && height > 0 && row < self.sheets[area.sheet].row_count && table.is_some() {
            self.insert(area.sheet, Dimension::Rows, row..row + height)?;
        }
        self.grow(area.sheet, Dimension::Rows, row + height)?;
        self.grow(area.sheet, Dimension::Columns, column + width)?;
        let target = Area { sheet: area.sheet, rows: row..row + height.max(1), columns: column..column + width.max(1) };
        let written = self.write(&target, body, input, false)?;
        Ok((table.map(|table| table.area), written))
    }
}

/// What a write touched.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) area: Area,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) cells: usize,
}

/// The reading that a write's options ask for, if its values are wanted back.
pub(crate) fn back(query: &Params, now: Duration) -> Result<Option<Reading>, Refusal> {
    if !query.flag("includeValuesInResponse") {
        return Ok(None);
    }
    Reading::new(query.filled("responseValueRenderOption"), query.filled("responseDateTimeRenderOption"), None, now)
        .map(Some)
}

/// The same from the body of a batch.
pub(crate) fn back_of_body(body: &Value, now: Duration) -> Result<Option<Reading>, Refusal> {
    if body["includeValuesInResponse"] != true {
        return Ok(None);
    }
    let text = |name: &str| body[name].as_str();
    Reading::new(text("responseValueRenderOption"), text("responseDateTimeRenderOption"), None, now).map(Some)
}
