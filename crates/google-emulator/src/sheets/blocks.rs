//! Cells that come and go with their neighbours moving up, up to the edge of the tab, and borders around blocks.

use serde_json::{Value, json};

use super::{
    cell::{Cell, Formats},
    errors::Refusal,
    ranges::{Area, Dimension},
    spreadsheet::Spreadsheet,
};

fn direction(body: &Value) -> Result<Dimension, Refusal> {
    match body["shiftDimension"].as_str() {
        Some("ROWS") => Ok(Dimension::Rows),
        Some("COLUMNS") => Ok(Dimension::Columns),
        _ => Err(Refusal::unsourced("No shiftDimension specified.")),
    }
}

/// unknown to us: whether Google makes room for what would fall off the edge; here the tab grows.
pub(super) fn insert_range(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let dimension = direction(body)?;
    let grid = &mut book.sheets[area.sheet].grid;
    match dimension {
        Dimension::Rows => {
            let count = area.rows.len();
            let end = grid.len();
            let is_filled = |row: usize| {
                let mut cells = area.columns.clone();
                cells.any(|column| grid.cell(row, column).is_some_and(|cell| !cell.is_blank()))
            };
            let last = (area.rows.start..end).rev().find(|row| is_filled(*row));
            if let Some(last) = last {
                book.grow(area.sheet, Dimension::Rows, last + 1 + count)?;
                for row in (area.rows.start..=last).rev() {
                    carry(book, &area, row, row + count);
                }
            }
            clear(book, &area);
        }
        Dimension::Columns => {
            let count = area.columns.len();
            let mut width = 0;
            for row in area.rows.clone().take(grid.len().saturating_sub(area.rows.start)) {
                let row = grid.row_mut(row);
                if row.cells.len() > area.columns.start {
                    let gap = vec![Cell::default(); count];
                    row.cells.splice(area.columns.start..area.columns.start, gap);
                    width = width.max(row.cells.iter().rposition(|cell| !cell.is_blank()).map_or(0, |at| at + 1));
                }
            }
            book.grow(area.sheet, Dimension::Columns, width)?;
        }
    }
    Ok(Value::Null)
}

pub(super) fn delete_range(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let dimension = direction(body)?;
    let grid = &mut book.sheets[area.sheet].grid;
    let end = grid.len();
    match dimension {
        Dimension::Rows => {
            let count = area.rows.len();
            for row in area.rows.start..end.saturating_sub(count) {
                carry(book, &area, row + count, row);
            }
            let tail = end.saturating_sub(count).max(area.rows.start)..end.max(area.rows.start);
            clear(book, &Area { rows: tail, ..area });
        }
        Dimension::Columns => {
            for row in area.rows.clone().take(end.saturating_sub(area.rows.start)) {
                let row = grid.row_mut(row);
                row.cells.drain(area.columns.start.min(row.cells.len())..area.columns.end.min(row.cells.len()));
            }
        }
    }
    Ok(Value::Null)
}

/// The cells of one row in the area's columns take the place of those in another.
fn carry(book: &mut Spreadsheet, area: &Area, from: usize, to: usize) {
    let grid = &mut book.sheets[area.sheet].grid;
    let cells: Vec<Cell> = area.columns.clone().map(|c| grid.cell(from, c).cloned().unwrap_or_default()).collect();
    if cells.iter().all(Cell::is_blank) && grid.row(to).is_none_or(|row| row.cells.len() <= area.columns.start) {
        return;
    }
    let row = grid.row_mut(to);
    area.columns.clone().zip(cells).for_each(|(column, cell)| *row.cell_mut(column) = cell);
}

fn clear(book: &mut Spreadsheet, area: &Area) {
    let grid = &mut book.sheets[area.sheet].grid;
    for at in area.rows.start..area.rows.end.min(grid.len()) {
        if grid.row(at).is_none_or(|row| row.cells.is_empty()) {
            continue;
        }
        let row = grid.row_mut(at);
        let end = area.columns.end.min(row.cells.len());
        row.cells[area.columns.start.min(end)..end].fill(Cell::default());
    }
}

/// Cells that one request may write. Each that was written takes memory, blank or not; Google's own limit, if it has one,
/// is unknown to us.
const MOST_WRITTEN: usize = 1_000_000;

/// Refused as what the emulator cannot do, never in Google's words.
pub(super) fn check_extent(area: &Area) -> Result<(), Refusal> {
    match area.rows.len().saturating_mul(area.columns.len()) <= MOST_WRITTEN {
        true => Ok(()),
        false => Err(Refusal::not_emulated(&format!("writing more than {MOST_WRITTEN} cells in one request"))),
    }
}

/// Borders are formats of the cells they lie on; `NONE` takes one away.
pub(super) fn update_borders(book: &mut Spreadsheet, body: &Value, formats: &mut Formats) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let (rows, columns) = (area.rows.clone(), area.columns.clone());
    if !["top", "bottom", "left", "right", "innerHorizontal", "innerVertical"].iter().any(|m| body.get(*m).is_some()) {
        return Ok(Value::Null);
    }
    check_extent(&area)?;
    for (row, target) in rows.clone().zip(book.sheets[area.sheet].grid.rows_mut(rows.clone())) {
        let (is_first, is_last) = (row == rows.start, row + 1 == rows.end);
        for column in columns.clone() {
            let edges = [
                ("top", if is_first { "top" } else { "innerHorizontal" }),
                ("bottom", if is_last { "bottom" } else { "innerHorizontal" }),
                ("left", if column == columns.start { "left" } else { "innerVertical" }),
                ("right", if column + 1 == columns.end { "right" } else { "innerVertical" }),
            ];
            let edges: Vec<(&str, &Value)> =
                edges.into_iter().filter_map(|(edge, member)| Some((edge, body.get(member)?))).collect();
            if edges.is_empty() {
                continue;
            }
            let cell = target.cell_mut(column);
            let mut format = cell.format.as_deref().cloned().unwrap_or_else(|| json!({}));
            for (edge, border) in edges {
                match border["style"].as_str() {
                    Some("NONE") => {
                        if let Some(borders) = format["borders"].as_object_mut() {
                            borders.remove(edge);
                        }
                    }
                    _ => format["borders"][edge] = border.clone(),
                }
            }
            let is_bare = format["borders"].as_object().is_none_or(serde_json::Map::is_empty);
            if let Some(members) = format.as_object_mut().filter(|_| is_bare) {
                members.remove("borders");
            }
            let is_plain = format.as_object().is_none_or(serde_json::Map::is_empty);
            cell.format = (!is_plain).then(|| formats.shared(&format));
        }
    }
    Ok(Value::Null)
}
