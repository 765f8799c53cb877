//! Cells that are shown as one.

use serde_json::Value;

use super::super::{
    errors::Refusal,
    ranges::{Area, grid_range, overlap},
    spreadsheet::Spreadsheet,
};

/// What lies under a merge but in its first cell is gone.
pub(super) fn merge(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let parts: Vec<Area> = match body["mergeType"].as_str() {
        Some("MERGE_COLUMNS") => {
            area.columns.clone().map(|column| Area { columns: column..column + 1, ..area.clone() }).collect()
        }
        Some("MERGE_ROWS") => area.rows.clone().map(|row| Area { rows: row..row + 1, ..area.clone() }).collect(),
        _ => vec![area.clone()],
    };
    remove_merges(book, &area, "You must select all cells in a merged range to merge or unmerge them.")?;
    let id = book.sheets[area.sheet].id;
    for part in parts.iter().filter(|part| part.rows.len() * part.columns.len() > 1) {
        for row in part.rows.clone().take(book.sheets[area.sheet].grid.len().saturating_sub(part.rows.start)) {
            let own = usize::from(row == part.rows.start);
            let rest =
                Area { rows: row..row + 1, columns: part.columns.start + own..part.columns.end, sheet: area.sheet };
            book.clear(&rest);
        }
        book.sheets[area.sheet].list_mut("merges").push(grid_range(id, part));
    }
    book.sheets[area.sheet].tidy();
    Ok(Value::Null)
}

pub(super) fn unmerge(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    remove_merges(book, &area, "You must select all cells in a merged range to merge or unmerge them.")?;
    book.sheets[area.sheet].tidy();
    Ok(Value::Null)
}

/// "The range must not partially span any merge."
fn remove_merges(book: &mut Spreadsheet, area: &Area, partly: &str) -> Result<(), Refusal> {
    let mut rest = Vec::new();
    for merge in book.sheets[area.sheet].list("merges") {
        let other = book.resolve_range(merge)?;
        let is_inside = area.rows.start <= other.rows.start
            && other.rows.end <= area.rows.end
            && area.columns.start <= other.columns.start
            && other.columns.end <= area.columns.end;
        match (overlap(&other, area), is_inside) {
            (false, _) => rest.push(merge.clone()),
            (true, true) => {}
            (true, false) => return Err(Refusal::unsourced(partly)),
        }
    }
    *book.sheets[area.sheet].list_mut("merges") = rest;
    Ok(())
}
