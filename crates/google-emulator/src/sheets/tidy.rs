//! Requests that clean up what people and programs left in cells.

use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};

use super::{
    cell::{Cell, CellValue},
    entry,
    errors::Refusal,
    formula::Calc,
    grid::Row,
    pattern::Pattern,
    ranges::{Area, int},
    render,
    spreadsheet::Spreadsheet,
};
use crate::random::Random;

/// Rows of an area that were ever written.
fn written(book: &Spreadsheet, area: &Area) -> std::ops::Range<usize> {
    area.rows.start..area.rows.end.min(book.sheets[area.sheet].grid.len()).max(area.rows.start)
}

/// Whitespace goes from both ends, and inside there is one blank at a time. What looks like a formula afterwards stays
/// text.
pub(super) fn trim_whitespace(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let mut changed = 0;
    for at in written(book, &area) {
        let grid = &mut book.sheets[area.sheet].grid;
        let trimmed: Vec<(usize, String)> = area
            .columns
            .clone()
            .filter_map(|column| match &grid.cell(at, column)?.value {
                CellValue::Text(text) => {
                    let trimmed = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    (trimmed != *text).then_some((column, trimmed))
                }
                _ => None,
            })
            .collect();
        changed += trimmed.len();
        for (column, text) in trimmed {
            grid.row_mut(at).cell_mut(column).value = CellValue::Text(text);
        }
    }
    Ok(match changed {
        0 => json!({}),
        changed => json!({ "cellsChangedCount": changed }),
    })
}

/// The first of equal rows stays, rows below move up within the range. Case, formats and formulas make no difference.
pub(super) fn delete_duplicates(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let mut columns = Vec::new();
    for range in body["comparisonColumns"].as_array().into_iter().flatten() {
        let (_, _, range) = book.resolve_dimension(range)?;
        if range.start < area.columns.start || range.end > area.columns.end {
            return Err(Refusal::unsourced("The columns to compare must be in the range."));
        }
        columns.extend(range);
    }
    if columns.is_empty() {
        columns.extend(area.columns.clone());
    }
    let mut seen = HashSet::new();
    let mut kept: Vec<usize> = Vec::new();
    let rows = written(book, &area);
    {
        let calc = Calc::new(book, now);
        let grid = &book.sheets[area.sheet].grid;
        for at in rows.clone() {
            let text = |column: &usize| {
                let cell = grid.cell(at, *column);
                cell.map(|cell| {
                    render::formatted(&render::shown(cell, &calc, (area.sheet, at, *column)).0).to_lowercase()
                })
            };
            let key: Vec<String> = columns.iter().map(|column| text(column).unwrap_or_default()).collect();
            if seen.insert(key) {
                kept.push(at);
            }
        }
    }
    // Rows that were never written are all alike: one blank row counts once.
    let unwritten = area.rows.end - rows.end;
    let blank_seen = seen.contains(&vec![String::new(); columns.len()]);
    let removed = rows.len() - kept.len() + unwritten.saturating_sub(usize::from(!blank_seen));
    let cells: Vec<Vec<Cell>> = kept.iter().map(|at| cells_of(book, &area, *at)).collect();
    for (offset, at) in rows.enumerate() {
        let row = book.sheets[area.sheet].grid.row_mut(at);
        for (place, column) in area.columns.clone().enumerate() {
            *row.cell_mut(column) = cells.get(offset).map(|line| line[place].clone()).unwrap_or_default();
        }
    }
    Ok(match removed {
        0 => json!({}),
        removed => json!({ "duplicatesRemovedCount": removed }),
    })
}

fn cells_of(book: &Spreadsheet, area: &Area, row: usize) -> Vec<Cell> {
    let grid = &book.sheets[area.sheet].grid;
    area.columns.clone().map(|column| grid.cell(row, column).cloned().unwrap_or_default()).collect()
}

pub(super) fn randomize(book: &mut Spreadsheet, body: &Value, random: &mut Random) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["range"])?;
    let rows = written(book, &area);
    let mut lines: Vec<Vec<Cell>> = rows.clone().map(|at| cells_of(book, &area, at)).collect();
    // Fisher and Yates.
    for at in (1..lines.len()).rev() {
        lines.swap(at, random.below(at as u64 + 1) as usize);
    }
    for (at, line) in rows.zip(lines) {
        let row = book.sheets[area.sheet].grid.row_mut(at);
        area.columns.clone().zip(line).for_each(|(column, cell)| *row.cell_mut(column) = cell);
    }
    Ok(Value::Null)
}

/// unknown to us: how Google detects the delimiter; here it is the first of comma, semicolon, tab and blank that occurs.
pub(super) fn text_to_columns(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    let area = book.resolve_range(&body["source"])?;
    if area.columns.len() != 1 {
        return Err(Refusal::unsourced("The source must be exactly one column."));
    }
    let rows = written(book, &area);
    let text = |book: &Spreadsheet, at: usize| match &book.sheets[area.sheet].grid.cell(at, area.columns.start)?.value {
        CellValue::Text(text) => Some(text.clone()),
        _ => None,
    };
    let texts: Vec<(usize, String)> = rows.filter_map(|at| Some((at, text(book, at)?))).collect();
    let delimiter = match body["delimiterType"].as_str() {
        Some("COMMA") => ",".to_owned(),
        Some("SEMICOLON") => ";".to_owned(),
        Some("PERIOD") => ".".to_owned(),
        Some("SPACE") => " ".to_owned(),
        Some("CUSTOM") => match body["delimiter"].as_str() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => return Err(Refusal::unsourced("A custom delimiter must be given.")),
        },
        _ => {
            let occurs = |sign: &&str| texts.iter().any(|(_, text)| text.contains(*sign));
            [",", ";", "\t", " "].into_iter().find(occurs).unwrap_or(",").to_owned()
        }
    };
    for (at, text) in texts {
        let parts: Vec<&str> = text.split(delimiter.as_str()).collect();
        if parts.len() < 2 {
            continue;
        }
        book.grow(area.sheet, super::ranges::Dimension::Columns, area.columns.start + parts.len())?;
        for (offset, part) in parts.iter().enumerate() {
            let cell = book.sheets[area.sheet].grid.row_mut(at).cell_mut(area.columns.start + offset);
            entry::type_in(cell, part.trim(), now)?;
        }
    }
    Ok(Value::Null)
}

pub(super) fn find_replace(book: &mut Spreadsheet, body: &Value, now: Duration) -> Result<Value, Refusal> {
    let find = body["find"].as_str().filter(|find| !find.is_empty());
    let find = find.ok_or_else(|| Refusal::unsourced("find must not be empty."))?;
    let replacement = body["replacement"].as_str().unwrap_or_default();
    let areas: Vec<Area> = match (body.get("range"), body.get("sheetId"), body["allSheets"] == true) {
        (Some(range), _, false) => vec![book.resolve_range(range)?],
        (None, Some(_), false) => vec![book.whole(book.sheet_at(int(body, "sheetId"))?)],
        (None, None, true) => (0..book.sheets.len()).map(|at| book.whole(at)).collect(),
        _ => return Err(Refusal::unsourced("Exactly one of range, sheetId and allSheets must be set.")),
    };
    let with_formulas = body["includeFormulas"] == true;
    let (match_case, entire) = (body["matchCase"] == true, body["matchEntireCell"] == true);
    let sought = match body["searchByRegex"] == true {
        true => Sought::Pattern(Pattern::parse(find, replacement, match_case, entire)?),
        false => Sought::Text { find, replacement, match_case, entire },
    };
    let mut counts = [
        ("valuesChanged", 0),
        ("formulasChanged", 0),
        ("rowsChanged", 0),
        ("sheetsChanged", 0),
        ("occurrencesChanged", 0),
    ];
    let [values, formulas, rows, sheets, occurrences] = &mut counts;
    for area in areas {
        let grid = &mut book.sheets[area.sheet].grid;
        let before = rows.1;
        for at in area.rows.start..area.rows.end.min(grid.len()) {
            let hits: Vec<(usize, String, usize)> = grid
                .row(at)
                .into_iter()
                .flat_map(|row: &Row| area.columns.clone().zip(row.cells.iter().skip(area.columns.start)))
                .filter(|(_, cell)| match cell.value {
                    CellValue::Empty => false,
                    CellValue::Formula(_) => with_formulas,
                    _ => true,
                })
                .filter_map(|(column, cell)| {
                    let (text, count) = sought.replace_in(&render::formatted(cell));
                    (count > 0).then_some((column, text, count))
                })
                .collect();
            rows.1 += usize::from(!hits.is_empty());
            for (column, text, count) in hits {
                let cell = grid.row_mut(at).cell_mut(column);
                let is_formula = matches!(cell.value, CellValue::Formula(_));
                if is_formula {
                    formulas.1 += 1
                } else {
                    values.1 += 1
                }
                occurrences.1 += count;
                entry::type_in(cell, &text, now)?;
            }
        }
        sheets.1 += usize::from(rows.1 > before);
    }
    // proto3 JSON leaves zeros out (docs/google.md 8).
    Ok(counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect())
}

/// What is looked for, and what comes in its place.
enum Sought<'b> {
    Text { find: &'b str, replacement: &'b str, match_case: bool, entire: bool },
    Pattern(Pattern),
}

impl Sought<'_> {
    /// The new text and how often the old one had what was sought.
    fn replace_in(&self, text: &str) -> (String, usize) {
        match self {
            Self::Text { find, replacement, match_case, entire } => {
                replace(text, find, replacement, *match_case, *entire)
            }
            Self::Pattern(pattern) => pattern.replace_in(text),
        }
    }
}

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
