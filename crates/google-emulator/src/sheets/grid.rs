//! The cells of a tab. Rows live in chunks that copies share, so a batch can work on a copy and throw it away.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    cell::{Cell, CellValue},
    tables::Known,
};

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
#[serde(from = "Stored")]
pub(crate) struct Grid {
    chunks: Vec<Arc<Vec<Row>>>,
    /// The row that each chunk starts with.
    #[serde(skip)]
    starts: Vec<usize>,
    /// The block of cells that was last appended to.
    #[serde(skip)]
    pub(super) known: Option<Known>,
}

/// As it comes from a data file.
#[derive(Deserialize)]
struct Stored {
    chunks: Vec<Arc<Vec<Row>>>,
}

impl From<Stored> for Grid {
    fn from(stored: Stored) -> Self {
        let mut grid = Self { chunks: stored.chunks, ..Self::default() };
        let blank = Arc::new(vec![Row::default(); CHUNK]);
        grid.chunks.iter_mut().filter(|chunk| **chunk == blank).for_each(|chunk| *chunk = Arc::clone(&blank));
        grid.recount(0);
        grid
    }
}

/// A touched chunk is copied once per batch: small enough for that, large enough that a million rows are few chunks.
const CHUNK: usize = 64;

impl Grid {
    pub(crate) fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0) + self.chunks.last().map_or(0, |chunk| chunk.len())
    }

    /// Finds out again where the chunks from this one on start.
    fn recount(&mut self, from: usize) {
        self.starts.truncate(from);
        let mut start = match from.checked_sub(1) {
            Some(before) => self.starts[before] + self.chunks[before].len(),
            None => 0,
        };
        for chunk in &self.chunks[from..] {
            self.starts.push(start);
            start += chunk.len();
        }
    }

    /// From this row on cells may be others from now on.
    fn touch(&mut self, row: usize) {
        self.known.take_if(|known| row < known.end());
    }

    /// The chunk of a row and its place in it.
    fn place(&self, row: usize) -> Option<(usize, usize)> {
        let chunk = self.starts.partition_point(|&start| start <= row).checked_sub(1)?;
        let at = row - self.starts[chunk];
        (at < self.chunks[chunk].len()).then_some((chunk, at))
    }

    pub(crate) fn row(&self, row: usize) -> Option<&Row> {
        let (chunk, at) = self.place(row)?;
        self.chunks[chunk].get(at)
    }

    pub(crate) fn cell(&self, row: usize, column: usize) -> Option<&Cell> {
        self.row(row)?.cell(column)
    }

    /// Blank rows up to there. All their chunks are one, so a cell far down a tall tab costs little.
    fn reach(&mut self, end: usize) {
        let mut missing = end.saturating_sub(self.len());
        if let Some(last) = self.chunks.last_mut().filter(|chunk| missing > 0 && chunk.len() < CHUNK) {
            let count = missing.min(CHUNK - last.len());
            let length = last.len() + count;
            Arc::make_mut(last).resize_with(length, Row::default);
            missing -= count;
        }
        let first = self.chunks.len();
        let blank = Arc::new(vec![Row::default(); CHUNK]);
        self.chunks.extend(std::iter::repeat_n(blank, missing / CHUNK));
        if !missing.is_multiple_of(CHUNK) {
            self.chunks.push(Arc::new(vec![Row::default(); missing % CHUNK]));
        }
        self.recount(first);
    }

    /// Rows one after another, made if they were never written.
    pub(crate) fn rows_mut(&mut self, range: Range<usize>) -> impl Iterator<Item = &mut Row> {
        self.touch(range.start);
        self.reach(range.end);
        let (first, skipped) = self.place(range.start).unwrap_or((self.chunks.len(), 0));
        // A chunk is copied when its first row is asked for, so not beyond the range.
        let rows = self.chunks[first..].iter_mut().flat_map(|chunk| Arc::make_mut(chunk).iter_mut());
        rows.skip(skipped).take(range.len())
    }

    /// The row, made if it was never written.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut Row {
        self.touch(row);
        self.reach(row.saturating_add(1));
        // The row exists now, so a place is found; the first chunk is only named to avoid an unreachable panic.
        let (chunk, at) = self.place(row).unwrap_or_default();
        &mut Arc::make_mut(&mut self.chunks[chunk])[at]
    }

    pub(crate) fn push(&mut self, rows: impl Iterator<Item = Row>) {
        for row in rows {
            match self.chunks.last_mut() {
                Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push(row),
                _ => {
                    self.starts.push(self.len());
                    self.chunks.push(Arc::new(vec![row]));
                }
            }
        }
    }

    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The rows from one on, without walking through those before it.
    pub(crate) fn rows_from(&self, row: usize) -> impl Iterator<Item = &Row> {
        let (first, skipped) = self.place(row).unwrap_or((self.chunks.len(), 0));
        self.chunks[first..].iter().flat_map(|chunk| chunk.iter()).skip(skipped)
    }

    /// One past the last row with a value in it.
    pub(crate) fn end_of_data(&self) -> usize {
        // Blank chunks are often one and the same; it is looked into once.
        let mut blank: Option<&Arc<Vec<Row>>> = None;
        for (chunk, start) in self.chunks.iter().zip(&self.starts).rev() {
            if blank.is_some_and(|blank| Arc::ptr_eq(blank, chunk)) {
                continue;
            }
            if let Some(at) = chunk.iter().rposition(Row::has_data) {
                return start + at + 1;
            }
            blank = Some(chunk);
        }
        0
    }

    /// One past the last column with a value in it.
    pub(crate) fn width_of_data(&self) -> usize {
        let width = |row: &Row| row.cells.iter().rposition(|cell| !cell.value.is_empty()).map_or(0, |at| at + 1);
        self.rows().map(width).max().unwrap_or(0)
    }

    pub(crate) fn insert_rows(&mut self, at: usize, rows: Vec<Row>) {
        self.touch(at);
        let length = self.len();
        if at >= length {
            if rows.iter().all(|row| row.cells.is_empty()) {
                return;
            }
            self.reach(at);
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
        self.recount(chunk);
    }

    /// Takes rows out; those never written come back blank.
    pub(crate) fn remove_rows(&mut self, range: Range<usize>) -> Vec<Row> {
        self.touch(range.start);
        let mut taken = Vec::with_capacity(range.len());
        if let Some((first, mut at)) = self.place(range.start) {
            for chunk in &mut self.chunks[first..] {
                let count = (range.len() - taken.len()).min(chunk.len() - at);
                if count == 0 {
                    break;
                }
                taken.extend(Arc::make_mut(chunk).drain(at..at + count));
                at = 0;
            }
            self.chunks.retain(|chunk| !chunk.is_empty());
            self.recount(first);
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

    /// Applies a change to every stored row that has cells, for columns that come and go.
    pub(crate) fn each_row(&mut self, mut change: impl FnMut(&mut Row)) {
        self.touch(0);
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.iter().any(|row| !row.cells.is_empty())) {
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
                match random.below(5) {
                    4 => {
                        let end = at + count;
                        list.resize_with(list.len().max(end), Row::default);
                        for (step, (own, plain)) in grid.rows_mut(at..end).zip(&mut list[at..end]).enumerate() {
                            *own = row(step as u64);
                            *plain = row(step as u64);
                        }
                    }
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
            let from = random.below(list.len() as u64 + 2) as usize;
            assert_eq!(grid.rows_from(from).count(), list.len().saturating_sub(from));
            assert!(grid.rows_from(from).eq(list.iter().skip(from)));
        }
    }

    #[test]
    fn blank_rows_on_the_way_down_are_one_chunk() {
        let mut grid = Grid::default();
        *grid.row_mut(9_999_999) = row(1);
        let different: std::collections::BTreeSet<*const Vec<Row>> = grid.chunks.iter().map(Arc::as_ptr).collect();
        assert_eq!((grid.len(), different.len()), (10_000_000, 2));
        assert_eq!((grid.row(9_999_999), grid.row(9_999_998)), (Some(&row(1)), Some(&Row::default())));
    }

    #[test]
    fn a_grid_comes_back_from_a_file_as_it_was() {
        let mut grid = Grid::default();
        *grid.row_mut(200) = row(1);
        let json = serde_json::to_string(&grid).expect("written");
        let again: Grid = serde_json::from_str(&json).expect("read");
        assert_eq!((again.len(), again.row(200)), (201, Some(&row(1))));
        assert!(Arc::ptr_eq(&again.chunks[0], &again.chunks[1]), "blank rows are one chunk again");
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
