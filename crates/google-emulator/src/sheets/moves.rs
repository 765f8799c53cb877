//! Rows and columns come, go and change places, and what hangs on them follows.

use std::{cmp::Ordering, ops::Range, time::Duration};

use super::{
    cell::{Cell, CellValue},
    errors::Refusal,
    formula::{self, Calc},
    grid::Row,
    ranges::{Area, Dimension},
    render,
    shift::Shift,
    spreadsheet::Spreadsheet,
};

impl Spreadsheet {
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
        self.follow(at, dimension, &Shift::Insert { at: range.start, count: range.len() });
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
            return Err(Refusal::unsourced(format!("You can't delete all the {name} on the sheet.")));
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
        self.follow(at, dimension, &Shift::Delete(range));
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
        self.follow(at, dimension, &Shift::Move { source, to });
        Ok(())
    }

    /// Everything that is written down about rows or columns follows them.
    fn follow(&mut self, at: usize, dimension: Dimension, shift: &Shift) {
        self.renumber(at, dimension, |old| shift.line(old));
        self.shift_kept(self.sheets[at].id, dimension, shift);
        let edited = self.sheets[at].title.clone();
        let is_rows = dimension == Dimension::Rows;
        for sheet in &mut self.sheets {
            let own = sheet.title.clone();
            sheet.grid.change_formulas(|text| formula::shifted(text, &own, &edited, shift, is_rows));
        }
    }

    /// What hangs on a row or column follows it, or goes with it.
    fn renumber(&mut self, at: usize, dimension: Dimension, new: impl Fn(usize) -> Option<usize>) {
        let sheet = &mut self.sheets[at];
        let properties = std::mem::take(sheet.dimension_mut(dimension));
        *sheet.dimension_mut(dimension) =
            properties.into_iter().filter_map(|(old, properties)| new(old).map(|at| (at, properties))).collect();
        let id = sheet.id;
        self.metadata.renumber(id, dimension, new);
    }

    /// Rows keep their metadata and properties when all that is in them moves along.
    pub(crate) fn sort(&mut self, area: &Area, keys: &[(usize, bool)], now: Duration) {
        let end = area.rows.end.min(self.sheets[area.sheet].grid.len());
        if area.rows.start >= end {
            return;
        }
        let shown = self.sort_values(area, end, keys, now);
        let sheet = &mut self.sheets[area.sheet];
        let rows = sheet.grid.remove_rows(area.rows.start..end);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| compare_rows(&shown[a], &shown[b], keys));
        let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let is_whole = area.columns.start == 0 && area.columns.end >= width;
        let mut sorted: Vec<Row> = order.iter().map(|&from| rows[from].clone()).collect();
        // A formula goes on looking at its own row.
        for (to, &from) in order.iter().enumerate().filter(|(to, from)| to != *from) {
            for cell in &mut sorted[to].cells {
                if let CellValue::Formula(text) = &mut cell.value {
                    *text = formula::copied(text, to as i64 - from as i64, 0);
                }
            }
        }
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
}

impl Spreadsheet {
    /// What the rows are compared by, in the order of the keys; formulas worked out.
    fn sort_values(&self, area: &Area, end: usize, keys: &[(usize, bool)], now: Duration) -> Vec<Vec<CellValue>> {
        let calc = Calc::new(self, now);
        let grid = &self.sheets[area.sheet].grid;
        let rows = grid.rows().enumerate().skip(area.rows.start).take(end - area.rows.start);
        rows.map(|(at, row)| {
            let value = |column: usize| {
                let cell = row.cell(column)?;
                Some(render::shown(cell, &calc, (area.sheet, at, column)).0.value.clone())
            };
            keys.iter().map(|(column, _)| value(*column).unwrap_or_default()).collect()
        })
        .collect()
    }
}

/// Numbers before text before booleans, blanks last in either direction.
///
/// unknown to us: this order, and how text is compared; no source says.
fn compare_rows(a: &[CellValue], b: &[CellValue], keys: &[(usize, bool)]) -> Ordering {
    fn rank(value: &CellValue) -> u8 {
        match value {
            CellValue::Number(_) => 0,
            CellValue::Text(text) if !text.is_empty() => 1,
            CellValue::Formula(_) => 1,
            CellValue::Bool(_) => 2,
            _ => 3,
        }
    }
    for ((a, b), &(_, descending)) in a.iter().zip(b).zip(keys) {
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
