//! The table that `values.append` finds (docs/google.md 4.1).

use std::ops::Range;

use super::{grid::Grid, ranges::Area};

/// Where the next rows go.
pub(super) struct Table {
    pub(super) area: Area,
    /// Where the next row starts: not always the table's first column, see below.
    pub(super) next_column: usize,
}

/// Google's table detection as its victims describe it: from a single cell the table around it is found and rows start
/// in its first column; from a wide range the last row decides, and an empty cell at its start pushes the next row to
/// the right.
pub(super) fn find(grid: &mut Grid, area: &Area) -> Option<Table> {
    let end = area.rows.end.min(grid.len());
    let is_cell = area.rows.len() == 1 && area.columns.len() == 1;
    let first_in = |row: usize| area.columns.clone().find(|&column| is_filled(grid, row, column));
    let seed = if is_cell {
        let row = (area.rows.start < end).then(|| row_of_table(grid, area.rows.start, area.columns.start))??;
        (row, area.columns.start)
    } else {
        let row = (area.rows.start..end).rev().find(|&row| first_in(row).is_some())?;
        (row, first_in(row)?)
    };
    let found = Block::around(grid, seed);
    grid.known = Some(Known { seed, block: found.clone() });
    let next_column = if is_cell { found.columns.start } else { seed.1.max(found.columns.start) };
    let columns = next_column..found.columns.end.max(next_column + 1);
    Some(Table { area: Area { sheet: area.sheet, rows: found.rows, columns }, next_column })
}

fn is_filled(grid: &Grid, row: usize, column: usize) -> bool {
    grid.cell(row, column).is_some_and(|cell| !cell.value.is_empty())
}

/// Where the table of a cell is looked for: in its row if the cell or one beside it is filled, else in the row above; an
/// empty corner may still belong to a table. A blank line does not join what is above it with what is below, and what is
/// below alone does not count: gspread's `insert_row` makes a blank line, anywhere, and then appends into it.
fn row_of_table(grid: &Grid, row: usize, column: usize) -> Option<usize> {
    let has_it = |row: &usize| (column.saturating_sub(1)..=column + 1).any(|column| is_filled(grid, *row, column));
    [Some(row), row.checked_sub(1)].into_iter().flatten().find(has_it)
}

/// Cells that are closed off by blank rows and columns.
#[derive(Clone, Debug, PartialEq)]
struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// A block that was found, and from which cell; so that who appends row after row does not have the whole tab looked
/// through each time. It holds while its rows stay as they are: the grid forgets it otherwise.
#[derive(Clone, Debug)]
pub(super) struct Known {
    seed: (usize, usize),
    block: Block,
}

impl Known {
    /// One past its last row.
    pub(super) fn end(&self) -> usize {
        self.block.rows.end
    }
}

impl Block {
    /// It grows until everything next to it is blank. Growing never takes a reason to grow away, so the order does not
    /// matter, and a block that reaches the cell of a known one takes all of that in at once.
    fn around(grid: &Grid, (row, column): (usize, usize)) -> Self {
        let mut block = Self { rows: row..row + 1, columns: column..column + 1 };
        let mut joined: Option<&Block> = None;
        loop {
            let before = block.clone();
            if joined.is_none() {
                joined = block.join(grid.known.as_ref());
            }
            // One column to either side belongs to the neighbourhood, so that diagonals connect.
            let around = block.columns.start.saturating_sub(1)..block.columns.end + 1;
            let is_part = |row: usize| around.clone().any(|column| is_filled(grid, row, column));
            while block.rows.start > 0 && is_part(block.rows.start - 1) {
                block.rows.start -= 1;
                if joined.is_none() {
                    joined = block.join(grid.known.as_ref());
                }
            }
            while is_part(block.rows.end) {
                block.rows.end += 1;
            }
            while block.columns.start > 0 && block.has_in(grid, block.columns.start - 1, joined) {
                block.columns.start -= 1;
            }
            while block.has_in(grid, block.columns.end, joined) {
                block.columns.end += 1;
            }
            if block == before {
                return block;
            }
        }
    }

    fn join<'k>(&mut self, known: Option<&'k Known>) -> Option<&'k Self> {
        let Known { seed: (row, column), block } = known?;
        if !(self.rows.contains(row) && self.columns.contains(column)) {
            return None;
        }
        let union = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        *self = Self { rows: union(&self.rows, &block.rows), columns: union(&self.columns, &block.columns) };
        Some(block)
    }

    /// Whether a column is filled in any of the block's rows. Next to a known block it is blank in the rows of that.
    fn has_in(&self, grid: &Grid, column: usize, joined: Option<&Self>) -> bool {
        let blank = match joined {
            Some(known) if column + 1 == known.columns.start || column == known.columns.end => known.rows.clone(),
            _ => self.rows.end..self.rows.end,
        };
        (self.rows.start..blank.start).chain(blank.end..self.rows.end).any(|row| is_filled(grid, row, column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::sheets::cell::CellValue;

    /// Whatever happens between two appends, what is remembered of the first changes nothing about the second.
    #[test]
    fn a_known_block_changes_no_answer() {
        let mut joined = 0;
        for seed in 0..400 {
            let mut random = Random::seeded(seed);
            let mut below = |end: u64| random.below(end) as usize;
            let mut grid = Grid::default();
            for step in 0..60 {
                let (row, column) = (below(14), below(7));
                match below(8) {
                    0 => grid.row_mut(row).cell_mut(column).value = CellValue::Empty,
                    1 => grid.insert_rows(row, vec![Default::default(); below(3)]),
                    2 => _ = grid.remove_rows(row..row + below(2)),
                    3 => grid.each_row(|row| {
                        if row.cells.len() > column {
                            row.cells.remove(column);
                        }
                    }),
                    4..6 => grid.row_mut(row).cell_mut(column).value = CellValue::Number(1.0),
                    _ => {}
                }
                let area = match below(3) {
                    0 => Area { sheet: 0, rows: 0..100, columns: 0..10 },
                    1 => Area { sheet: 0, rows: row..row + 1, columns: column..column + 1 },
                    _ => Area { sheet: 0, rows: row..100, columns: column..10 },
                };
                joined += u32::from(grid.known.is_some());
                let mut plain = grid.clone();
                plain.known = None;
                let place = |table: Option<Table>| table.map(|table| (table.area.rows, table.area.columns));
                let found = place(find(&mut grid, &area));
                assert_eq!(found, place(find(&mut plain, &area)), "seed {seed}, step {step}");
                // As `append` does: below the table, which forgets nothing.
                if let (Some((rows, columns)), true) = (found, below(2) == 0) {
                    grid.row_mut(rows.end).cell_mut(columns.start).value = CellValue::Number(2.0);
                    assert!(grid.known.is_some());
                }
            }
        }
        assert!(joined > 1_000, "only {joined} answers had anything to go by");
    }
}
