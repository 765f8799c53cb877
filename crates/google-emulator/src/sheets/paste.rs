//! Copying, cutting, pasting and filling.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    cell::{Cell, CellValue, Formats},
    entry::{self, Input, enter},
    errors::Refusal,
    formula::{self, Calc},
    ranges::{Area, Dimension, grid_range, index, int, overlap},
    render,
    spreadsheet::Spreadsheet,
};

/// PasteType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paste {
    Normal,
    Values,
    Format,
    NoBorders,
    Formula,
    Validation,
    Conditional,
}

impl Paste {
    fn of(kind: &Value) -> Self {
        match kind.as_str() {
            Some("PASTE_VALUES") => Self::Values,
            Some("PASTE_FORMAT") => Self::Format,
            Some("PASTE_NO_BORDERS") => Self::NoBorders,
            Some("PASTE_FORMULA") => Self::Formula,
            Some("PASTE_DATA_VALIDATION") => Self::Validation,
            Some("PASTE_CONDITIONAL_FORMATTING") => Self::Conditional,
            _ => Self::Normal,
        }
    }

    fn takes_merges(self) -> bool {
        matches!(self, Self::Normal | Self::NoBorders)
    }

    /// What `target` becomes when `source` is pasted over it, so many rows and columns away. `shown`: the source, its
    /// formula worked out.
    fn apply(self, source: &Cell, shown: &Cell, target: &Cell, rows: i64, columns: i64) -> Cell {
        let value = match &source.value {
            CellValue::Formula(text) => CellValue::Formula(formula::copied(text, rows, columns)),
            value => value.clone(),
        };
        match self {
            Self::Normal => Cell { value, ..source.clone() },
            Self::NoBorders => Cell { value, format: without_borders(source, target), more: source.more.clone() },
            Self::Values => Cell { value: shown.value.clone(), ..target.clone() },
            Self::Formula => Cell { value, ..target.clone() },
            Self::Format => Cell { format: source.format.clone(), ..target.clone() },
            Self::Validation => {
                let mut more = target.more.as_deref().cloned().unwrap_or_default();
                match source.more.as_ref().and_then(|more| more.get("dataValidation")) {
                    Some(rule) => drop(more.insert("dataValidation".into(), rule.clone())),
                    None => drop(more.remove("dataValidation")),
                }
                Cell { more: (!more.is_empty()).then(|| Arc::new(more)), ..target.clone() }
            }
            Self::Conditional => target.clone(),
        }
    }
}

/// The source's format with the target's borders.
fn without_borders(source: &Cell, target: &Cell) -> Option<Arc<Value>> {
    let mut format = source.format.as_deref().cloned().unwrap_or_else(|| json!({}));
    let members = format.as_object_mut()?;
    members.remove("borders");
    if let Some(borders) = target.format.as_ref().and_then(|format| format.get("borders")) {
        members.insert("borders".into(), borders.clone());
    }
    (!members.is_empty()).then(|| Arc::new(format))
}

/// The cells of an area and how they look, row by row.
fn lifted(book: &Spreadsheet, area: &Area, now: Duration) -> Vec<Vec<(Cell, Cell)>> {
    let calc = Calc::new(book, now);
    let grid = &book.sheets[area.sheet].grid;
    let cell = |row: usize, column: usize| {
        let cell = grid.cell(row, column).cloned().unwrap_or_default();
        let shown = render::shown(&cell, &calc, (area.sheet, row, column)).0.into_owned();
        (cell, shown)
    };
    area.rows.clone().map(|row| area.columns.clone().map(|column| cell(row, column)).collect()).collect()
}

/// More cells in one paste are a mistake, or meant to hurt.
const MOST_CELLS: usize = 2_000_000;

fn check_size(area: &Area) -> Result<(), Refusal> {
    match area.rows.len().saturating_mul(area.columns.len()) > MOST_CELLS {
        true => Err(Refusal::not_emulated("pastes of millions of cells")),
        false => Ok(()),
    }
}

/// An area without a grid to bound it: `copyPaste` looks beyond its destination.
fn corner(book: &Spreadsheet, range: &Value) -> Result<(usize, usize, usize), Refusal> {
    let sheet = book.sheet_at(int(range, "sheetId"))?;
    Ok((sheet, index(range, "startRowIndex")?.unwrap_or(0), index(range, "startColumnIndex")?.unwrap_or(0)))
}

pub(super) fn copy_paste(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    let source = book.resolve_range(&body["source"])?;
    let turned = body["pasteOrientation"] == "TRANSPOSE";
    let (height, width) = match turned {
        true => (source.columns.len(), source.rows.len()),
        false => (source.rows.len(), source.columns.len()),
    };
    let (sheet, row, column) = corner(book, &body["destination"])?;
    let destination = book.resolve_range(&body["destination"])?;
    // A multiple of the source is filled with repetitions; anything else takes the source once.
    let fit = |room: usize, size: usize| if room >= size && room.is_multiple_of(size) { room } else { size };
    let (rows, columns) = (fit(destination.rows.len(), height), fit(destination.columns.len(), width));
    let target = Area { sheet, rows: row..row + rows, columns: column..column + columns };
    check_size(&source)?;
    check_size(&target)?;
    book.check_inside(&target)?;
    let paste = Paste::of(&body["pasteType"]);
    let cells = lifted(book, &source, now);
    let mut at = row;
    while at < target.rows.end {
        let mut across = column;
        while across < target.columns.end {
            put(book, paste, &cells, &source, (sheet, at, across), turned);
            across += width;
        }
        at += height;
    }
    Ok(Value::Null)
}

/// One copy of the source at that corner.
fn put(
    book: &mut Spreadsheet,
    paste: Paste,
    cells: &[Vec<(Cell, Cell)>],
    source: &Area,
    (sheet, row, column): (usize, usize, usize),
    turned: bool,
) {
    if paste != Paste::Conditional {
        let grid = &mut book.sheets[sheet].grid;
        for (down, line) in cells.iter().enumerate() {
            for (across, (cell, shown)) in line.iter().enumerate() {
                let (to_row, to_column) =
                    if turned { (row + across, column + down) } else { (row + down, column + across) };
                if cell.is_blank() && grid.cell(to_row, to_column).is_none() {
                    continue;
                }
                let target = grid.row_mut(to_row).cell_mut(to_column);
                let rows = to_row as i64 - (source.rows.start + down) as i64;
                let columns = to_column as i64 - (source.columns.start + across) as i64;
                *target = paste.apply(cell, shown, target, rows, columns);
            }
        }
    }
    if turned {
        return;
    }
    let target = Area { sheet, rows: row..row + source.rows.len(), columns: column..column + source.columns.len() };
    if paste.takes_merges() {
        paste_merges(book, source, &target);
    }
    if matches!(paste, Paste::Normal | Paste::Format | Paste::NoBorders | Paste::Conditional) {
        paste_conditional(book, source, &target);
    }
}

fn paste_merges(book: &mut Spreadsheet, source: &Area, target: &Area) {
    let inside = |merge: &Value| book.resolve_range(merge).ok().filter(|area| overlap(area, source));
    let moved: Vec<Area> = book.sheets[source.sheet]
        .list("merges")
        .iter()
        .filter_map(inside)
        .filter(|merge| merge.rows.end <= source.rows.end && merge.columns.end <= source.columns.end)
        .filter(|merge| merge.rows.start >= source.rows.start && merge.columns.start >= source.columns.start)
        .map(|merge| Area {
            sheet: target.sheet,
            rows: merge.rows.start - source.rows.start + target.rows.start
                ..merge.rows.end - source.rows.start + target.rows.start,
            columns: merge.columns.start - source.columns.start + target.columns.start
                ..merge.columns.end - source.columns.start + target.columns.start,
        })
        .collect();
    if moved.is_empty() {
        return;
    }
    let id = book.sheets[target.sheet].id;
    let merges = book.sheets[target.sheet].list_mut("merges");
    for merge in moved {
        let range = grid_range(id, &merge);
        if !merges.contains(&range) {
            merges.push(range);
        }
    }
}

/// A rule that holds for the whole source holds for the target too.
fn paste_conditional(book: &mut Spreadsheet, source: &Area, target: &Area) {
    if source.sheet != target.sheet || book.sheets[source.sheet].list("conditionalFormats").is_empty() {
        return;
    }
    let covers = |range: &Value| {
        book.resolve_range(range).is_ok_and(|area| {
            area.rows.start <= source.rows.start
                && area.rows.end >= source.rows.end
                && area.columns.start <= source.columns.start
                && area.columns.end >= source.columns.end
        })
    };
    let hits: Vec<usize> = book.sheets[source.sheet]
        .list("conditionalFormats")
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule["ranges"].as_array().is_some_and(|ranges| ranges.iter().any(covers)))
        .map(|(at, _)| at)
        .collect();
    let range = grid_range(book.sheets[target.sheet].id, target);
    let rules = book.sheets[source.sheet].list_mut("conditionalFormats");
    for at in hits {
        if let Some(ranges) = rules[at]["ranges"].as_array_mut().filter(|ranges| !ranges.contains(&range)) {
            ranges.push(range.clone());
        }
    }
}

/// Formulas that are moved keep pointing where they pointed.
pub(super) fn cut_paste(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    let source = book.resolve_range(&body["source"])?;
    let to = &body["destination"];
    let sheet = book.sheet_at(int(to, "sheetId"))?;
    let (row, column) = (index(to, "rowIndex")?.unwrap_or(0), index(to, "columnIndex")?.unwrap_or(0));
    let target = Area { sheet, rows: row..row + source.rows.len(), columns: column..column + source.columns.len() };
    check_size(&source)?;
    book.check_inside(&target)?;
    let paste = Paste::of(&body["pasteType"]);
    let cells = lifted(book, &source, now);
    let moved_merges: Vec<Value> = book.sheets[source.sheet].list("merges").to_vec();
    if paste.takes_merges() {
        paste_merges(book, &source, &target);
        let keep = |merge: &Value| {
            !moved_merges.contains(merge) || book.resolve_range(merge).is_ok_and(|area| !overlap(&area, &source))
        };
        let left: Vec<Value> =
            book.sheets[source.sheet].list("merges").iter().filter(|merge| keep(merge)).cloned().collect();
        *book.sheets[source.sheet].list_mut("merges") = left;
        book.sheets[source.sheet].tidy();
    }
    for at in source.rows.clone().take(book.sheets[source.sheet].grid.len().saturating_sub(source.rows.start)) {
        let row = book.sheets[source.sheet].grid.row_mut(at);
        let end = source.columns.end.min(row.cells.len());
        row.cells[source.columns.start.min(end)..end].fill(Cell::default());
    }
    let grid = &mut book.sheets[sheet].grid;
    for (down, line) in cells.iter().enumerate() {
        for (across, (cell, shown)) in line.iter().enumerate() {
            let target = grid.row_mut(row + down).cell_mut(column + across);
            *target = paste.apply(cell, shown, target, 0, 0);
        }
    }
    Ok(Value::Null)
}

pub(super) fn paste_data(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    if body["html"] == true {
        return Err(Refusal::not_emulated("pasteData with HTML"));
    }
    let to = &body["coordinate"];
    let sheet = book.sheet_at(int(to, "sheetId"))?;
    let (row, column) = (index(to, "rowIndex")?.unwrap_or(0), index(to, "columnIndex")?.unwrap_or(0));
    let delimiter = body["delimiter"].as_str().filter(|delimiter| !delimiter.is_empty());
    let delimiter = delimiter.ok_or_else(|| Refusal::unsourced("Either html or delimiter must be set."))?;
    let lines = split_lines(body["data"].as_str().unwrap_or_default(), delimiter);
    let width = lines.iter().map(Vec::len).max().unwrap_or(0);
    // unknown to us: whether Google grows the grid here; pasting in the browser does.
    book.grow(sheet, Dimension::Rows, row + lines.len())?;
    book.grow(sheet, Dimension::Columns, column + width)?;
    let keeps_format = matches!(Paste::of(&body["type"]), Paste::Values | Paste::Formula);
    let mut formats = Formats::default();
    for (down, line) in lines.iter().enumerate() {
        for (across, text) in line.iter().enumerate() {
            let cell = book.sheets[sheet].grid.row_mut(row + down).cell_mut(column + across);
            let old = cell.format.clone();
            let input = Input::UserEntered { year: entry::year_of(now) };
            enter(cell, &Value::from(text.as_str()), input, &mut formats)?;
            if keeps_format && old.is_some() {
                cell.format = old;
            }
        }
    }
    Ok(Value::Null)
}

/// Lines and fields; a field in double quotes may hold both separators, and a doubled quote is one.
fn split_lines(data: &str, delimiter: &str) -> Vec<Vec<String>> {
    let mut lines = vec![vec![String::new()]];
    let mut rest = data;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        let at_start = lines.last().and_then(|line| line.last()).is_some_and(String::is_empty);
        let mut step = c.len_utf8();
        let line = lines.len() - 1;
        match c {
            '"' if quoted && rest[1..].starts_with('"') => {
                step = 2;
                if let Some(field) = lines[line].last_mut() {
                    field.push('"');
                }
            }
            '"' if quoted || at_start => quoted = !quoted,
            _ if !quoted && rest.starts_with(delimiter) => {
                step = delimiter.len();
                lines[line].push(String::new());
            }
            '\r' if !quoted && rest[1..].starts_with('\n') => {}
            '\n' if !quoted => lines.push(vec![String::new()]),
            c => {
                if let Some(field) = lines[line].last_mut() {
                    field.push(c);
                }
            }
        }
        rest = &rest[step..];
    }
    if lines.last().is_some_and(|line| line.len() == 1 && line[0].is_empty()) && lines.len() > 1 {
        lines.pop();
    }
    lines
}

/// unknown to us: all that Google recognises as a series; here numbers with a constant step, days, text that ends in a
/// number, and formulas. Everything else is repeated.
pub(super) fn auto_fill(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    let alternate = body["useAlternateSeries"] == true;
    let (source, dimension, length) = match body.get("sourceAndDestination") {
        Some(given) => {
            let source = book.resolve_range(&given["source"])?;
            (source, Dimension::of(given)?, int(given, "fillLength"))
        }
        None => detect(book, &body["range"])?,
    };
    let count = length.unsigned_abs() as usize;
    let along = |area: &Area| if dimension == Dimension::Rows { area.rows.clone() } else { area.columns.clone() };
    let lines = along(&source);
    let (first, last) = match length < 0 {
        true => (lines.start.checked_sub(count), lines.start),
        false => (Some(lines.end), lines.end + count),
    };
    let first = first.ok_or_else(|| book.sheets[source.sheet].exceeds())?;
    let mut target = source.clone();
    match dimension {
        Dimension::Rows => target.rows = first..last,
        Dimension::Columns => target.columns = first..last,
    }
    if target.rows.is_empty() || target.columns.is_empty() {
        return Ok(Value::Null);
    }
    check_size(&target)?;
    book.check_inside(&target)?;
    let cells = lifted(book, &source, now);
    let cross = if dimension == Dimension::Rows { source.columns.clone() } else { source.rows.clone() };
    for (offset, cross) in cross.enumerate() {
        let series: Vec<&Cell> = match dimension {
            Dimension::Rows => cells.iter().map(|line| &line[offset].0).collect(),
            Dimension::Columns => cells[offset].iter().map(|(cell, _)| cell).collect(),
        };
        let series = Series::of(&series, alternate);
        for at in first..last {
            let steps = at as i64 - lines.start as i64;
            let cell = series.at(steps, dimension);
            let (row, column) = if dimension == Dimension::Rows { (at, cross) } else { (cross, at) };
            *book.sheets[source.sheet].grid.row_mut(row).cell_mut(column) = cell;
        }
    }
    Ok(Value::Null)
}

/// The part of a range that has data, and how far the rest reaches.
fn detect(book: &Spreadsheet, range: &Value) -> Result<(Area, Dimension, i64), Refusal> {
    let area = book.resolve_range(range)?;
    let grid = &book.sheets[area.sheet].grid;
    let filled = |row: usize, column: usize| grid.cell(row, column).is_some_and(|cell| !cell.value.is_empty());
    let row_filled = |row: &usize| area.columns.clone().any(|column| filled(*row, column));
    let column_filled = |column: &usize| area.rows.clone().any(|row| filled(row, *column));
    let last_row = area.rows.clone().take(grid.len().saturating_sub(area.rows.start)).rev().find(row_filled);
    let Some(last_row) = last_row else {
        return Ok((area, Dimension::Rows, 0));
    };
    if last_row + 1 < area.rows.end {
        let source = Area { rows: area.rows.start..last_row + 1, ..area.clone() };
        return Ok((source, Dimension::Rows, (area.rows.end - last_row - 1) as i64));
    }
    let last_column = area.columns.clone().rev().find(column_filled).unwrap_or(area.columns.end - 1);
    let source = Area { columns: area.columns.start..last_column + 1, ..area.clone() };
    Ok((source, Dimension::Columns, (area.columns.end - last_column - 1) as i64))
}

/// How a line of cells goes on.
struct Series<'c> {
    cells: &'c [&'c Cell],
    step: Option<f64>,
    count_text: bool,
}

impl<'c> Series<'c> {
    fn of(cells: &'c [&'c Cell], alternate: bool) -> Self {
        let numbers: Option<Vec<f64>> = cells
            .iter()
            .map(|cell| match cell.value {
                CellValue::Number(number) => Some(number),
                _ => None,
            })
            .collect();
        let is_date = cells.first().is_some_and(|cell| matches!(cell.number_format(), Some(("DATE" | "DATE_TIME", _))));
        let step = numbers.and_then(|numbers| match numbers.as_slice() {
            [_] => (is_date != alternate).then_some(1.0),
            [first, second, ..] if !alternate => {
                let step = second - first;
                let is_even =
                    numbers.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 1e-9 * step.abs().max(1.0));
                is_even.then_some(step)
            }
            _ => None,
        });
        Self { cells, step, count_text: cells.len() == 1 && !alternate }
    }

    /// So many lines after the first.
    fn at(&self, steps: i64, dimension: Dimension) -> Cell {
        let length = self.cells.len() as i64;
        let from = steps.rem_euclid(length) as usize;
        let mut cell = self.cells[from].clone();
        let by = steps - from as i64;
        cell.value = match (&cell.value, self.step) {
            (CellValue::Formula(text), _) => CellValue::Formula(match dimension {
                Dimension::Rows => formula::copied(text, by, 0),
                Dimension::Columns => formula::copied(text, 0, by),
            }),
            (CellValue::Number(number), Some(step)) => CellValue::Number(number + step * by as f64),
            (CellValue::Text(text), _) if self.count_text => CellValue::Text(counted(text, by)),
            (value, _) => value.clone(),
        };
        cell
    }
}

/// `Week 9` becomes `Week 10`.
fn counted(text: &str, by: i64) -> String {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &text[head.len()..];
    match digits.parse::<i64>() {
        Ok(number) if digits.len() <= 15 => format!("{head}{:0width$}", (number + by).max(0), width = digits.len()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_text_is_cut_into_fields() {
        for (data, expected) in [
            ("a,b\nc", vec![vec!["a", "b"], vec!["c"]]),
            ("\"x,\"\"y\"\"\",2\r\n", vec![vec!["x,\"y\"", "2"]]),
            ("\"two\nlines\"", vec![vec!["two\nlines"]]),
            ("", vec![vec![""]]),
            ("5\" tube,1", vec![vec!["5\" tube", "1"]]),
        ] {
            assert_eq!(split_lines(data, ","), expected, "{data:?}");
        }
    }

    #[test]
    fn text_that_ends_in_a_number_counts_on() {
        assert_eq!(counted("Week 9", 1), "Week 10");
        assert_eq!(counted("T007", 2), "T009");
        assert_eq!(counted("none", 2), "none");
    }
}
