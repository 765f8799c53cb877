//! The cells of a tab. Rows live in chunks that copies share, so a batch can work on a copy and throw it away.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use super::cell::{Cell, CellValue};

/// Cells from column A on; what lies beyond is blank.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Row {
    pub(crate) cells: Vec<Cell>,
}

impl Row {
    pub(crate) fn cell(&self, column: usize) -> Option<&Cell> {
        self.cells.get(column)
    }

    pub(crate) fn cell_mut(&mut self, column: usize) -> &mut Cell {
        if self.cells.len() <= column {
            self.cells.resize_with(column + 1, Cell::default);
        }
        &mut self.cells[column]
    }

    pub(crate) fn has_data(&self) -> bool {
        self.cells.iter().any(|cell| !cell.value.is_empty())
    }
}

/// Rows that were ever written; the tab may have more, all blank.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Grid {
    chunks: Vec<Arc<Vec<Row>>>,
}

/// A touched chunk is copied once per batch: small enough for that, large enough that a million rows are few chunks.
const CHUNK: usize = 64;

impl Grid {
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    /// The chunk of a row and its place in it.
    fn place(&self, row: usize) -> Option<(usize, usize)> {
        let mut left = row;
        for (index, chunk) in self.chunks.iter().enumerate() {
            if left < chunk.len() {
                return Some((index, left));
            }
            left -= chunk.len();
        }
        None
    }

    pub(crate) fn row(&self, row: usize) -> Option<&Row> {
        let (chunk, at) = self.place(row)?;
        self.chunks[chunk].get(at)
    }

    pub(crate) fn cell(&self, row: usize, column: usize) -> Option<&Cell> {
        self.row(row)?.cell(column)
    }

    /// The row, made if it was never written.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut Row {
        let length = self.len();
        if row >= length {
            self.push((length..=row).map(|_| Row::default()));
        }
        // The row exists now, so a place is found; the first chunk is only named to avoid an unreachable panic.
        let (chunk, at) = self.place(row).unwrap_or_default();
        &mut Arc::make_mut(&mut self.chunks[chunk])[at]
    }

    pub(crate) fn push(&mut self, rows: impl Iterator<Item = Row>) {
        for row in rows {
            match self.chunks.last_mut() {
                Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push(row),
                _ => self.chunks.push(Arc::new(vec![row])),
            }
        }
    }

    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// One past the last row with a value in it.
    pub(crate) fn end_of_data(&self) -> usize {
        let mut end = self.len();
        for row in self.rows().rev() {
            if row.has_data() {
                return end;
            }
            end -= 1;
        }
        0
    }

    /// One past the last column with a value in it.
    pub(crate) fn width_of_data(&self) -> usize {
        let width = |row: &Row| row.cells.iter().rposition(|cell| !cell.value.is_empty()).map_or(0, |at| at + 1);
        self.rows().map(width).max().unwrap_or(0)
    }

    pub(crate) fn insert_rows(&mut self, at: usize, rows: Vec<Row>) {
        let length = self.len();
        if at >= length {
            if rows.iter().all(|row| row.cells.is_empty()) {
                return;
            }
            self.push((length..at).map(|_| Row::default()));
            self.push(rows.into_iter());
            return;
        }
        let (chunk, place) = self.place(at).unwrap_or_default();
        let target = Arc::make_mut(&mut self.chunks[chunk]);
        target.splice(place..place, rows);
        if target.len() > 2 * CHUNK {
            let split: Vec<Arc<Vec<Row>>> = target.chunks(CHUNK).map(|part| Arc::new(part.to_vec())).collect();
            self.chunks.splice(chunk..=chunk, split);
        }
    }

    /// Takes rows out; those never written come back blank.
    pub(crate) fn remove_rows(&mut self, range: Range<usize>) -> Vec<Row> {
        let mut taken = Vec::with_capacity(range.len());
        let mut left = range.len();
        while left > 0 {
            let Some((chunk, at)) = self.place(range.start) else { break };
            let count = left.min(self.chunks[chunk].len() - at);
            taken.extend(Arc::make_mut(&mut self.chunks[chunk]).drain(at..at + count));
            if self.chunks[chunk].is_empty() {
                self.chunks.remove(chunk);
            }
            left -= count;
        }
        taken.resize_with(range.len(), Row::default);
        taken
    }

    /// Rewrites formulas; chunks without any stay shared.
    pub(crate) fn change_formulas(&mut self, change: impl Fn(&str) -> String) {
        let is_formula = |cell: &Cell| matches!(cell.value, CellValue::Formula(_));
        for chunk in &mut self.chunks {
            if !chunk.iter().any(|row| row.cells.iter().any(is_formula)) {
                continue;
            }
            for cell in Arc::make_mut(chunk).iter_mut().flat_map(|row| &mut row.cells) {
                if let CellValue::Formula(text) = &mut cell.value {
                    *text = change(text);
                }
            }
        }
    }

    /// Applies a change to every stored row, for columns that come and go.
    pub(crate) fn each_row(&mut self, mut change: impl FnMut(&mut Row)) {
        for chunk in &mut self.chunks {
            Arc::make_mut(chunk).iter_mut().for_each(&mut change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn row(number: u64) -> Row {
        Row { cells: vec![Cell { value: CellValue::Number(number as f64), ..Cell::default() }] }
    }

    /// The grid against the plainest list of rows.
    #[test]
    fn a_grid_is_a_list_of_rows() {
        for seed in 0..20 {
            let mut random = Random::seeded(seed);
            let (mut grid, mut list) = (Grid::default(), Vec::new());
            for step in 0..300 {
                let at = random.below(list.len() as u64 + 1) as usize;
                let count = random.below(100) as usize;
                match random.below(4) {
                    0 => {
                        let rows: Vec<Row> = (0..count as u64).map(row).collect();
                        grid.insert_rows(at, rows.clone());
                        list.splice(at..at, rows);
                    }
                    1 => {
                        let end = (at + count).min(list.len());
                        let taken: Vec<Row> = list.drain(at..end).collect();
                        assert_eq!(grid.remove_rows(at..end), taken);
                    }
                    2 => {
                        grid.push(std::iter::once(row(step)));
                        list.push(row(step));
                    }
                    _ => {
                        *grid.row_mut(at) = row(step);
                        list.resize_with(list.len().max(at + 1), Row::default);
                        list[at] = row(step);
                    }
                }
                assert_eq!(grid.len(), list.len());
            }
            assert_eq!(grid.rows().cloned().collect::<Vec<_>>(), list);
        }
    }

    #[test]
    fn a_copy_is_not_touched() {
        let mut grid = Grid::default();
        grid.push((0..1_000).map(row));
        let copy = grid.clone();
        grid.row_mut(500).cells.clear();
        grid.remove_rows(0..400);
        assert_eq!(copy.rows().cloned().collect::<Vec<_>>(), (0..1_000).map(row).collect::<Vec<_>>());
    }
}
