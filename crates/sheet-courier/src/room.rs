//! How much room a spreadsheet has left, as far as answers showed it.
//!
//! What was seen may be old, and larger or smaller than what is. Too small a number is put right by Google's refusal; too
//! large a one makes rows go on in the next spreadsheet a little early. Neither loses a row.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::wire::SheetProperties;

/// Of a spreadsheet; the empty cells of the grids count (docs/google.md, S15).
pub(crate) const MOST_CELLS: u64 = 10_000_000;

/// The cells of each tab that an answer showed, whoever made it.
pub(crate) type Sizes = BTreeMap<i32, u64>;

/// By how much a batch makes a tab larger, at most: rows that are empty at the end of its grid are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) sheet_id: i32,
    /// Columns of the grid before; 0 for a tab that the batch makes.
    pub(crate) old_columns: u32,
    pub(crate) columns: u32,
    pub(crate) rows: u32,
}

/// What is known of all tabs.
#[derive(Debug, Default)]
pub(crate) struct Room {
    tabs: Sizes,
    /// When all of them were looked at for the last time.
    whole: Option<Duration>,
}

impl Room {
    /// Some of the tabs.
    pub(crate) fn sees(&mut self, tabs: Sizes) {
        self.tabs.extend(tabs);
    }

    /// All there are, by an answer that was asked for at `began`.
    pub(crate) fn sees_all(&mut self, tabs: Sizes, began: Duration) {
        (self.tabs, self.whole) = (tabs, Some(began));
    }

    /// When all tabs were looked at, if they were.
    pub(crate) fn looked_at(&self) -> Option<Duration> {
        self.whole
    }

    /// All cells there are.
    pub(crate) fn cells(&self) -> u64 {
        self.tabs.values().fold(0, |sum, cells| sum.saturating_add(*cells))
    }

    /// Whether it has no room for this. Of a spreadsheet that nothing is known of nobody can say so.
    pub(crate) fn is_full_for(&self, growths: &[Growth]) -> bool {
        let mut after = self.cells();
        for growth in growths {
            let old = self.tabs.get(&growth.sheet_id).copied().unwrap_or_default();
            let old_rows = old.checked_div(u64::from(growth.old_columns)).unwrap_or(1);
            let new = old_rows.saturating_add(growth.rows.into()).saturating_mul(growth.columns.into());
            after = after.saturating_sub(old).saturating_add(new.max(old));
        }
        after > MOST_CELLS
    }
}

/// The sizes of those tabs whose grids an answer shows.
pub(crate) fn sizes<'a>(tabs: impl Iterator<Item = &'a SheetProperties>) -> Sizes {
    let size = |tab: &SheetProperties| {
        let grid = &tab.grid_properties;
        (tab.sheet_id, u64::from(grid.row_count) * u64::from(grid.column_count))
    };
    tabs.map(size).filter(|(_, cells)| *cells > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(sheet_id: i32, old_columns: u32, columns: u32, rows: u32) -> Growth {
        Growth { sheet_id, old_columns, columns, rows }
    }

    #[test]
    fn a_batch_fits_up_to_the_last_cell() {
        let mut room = Room::default();
        assert!(!room.is_full_for(&[growth(1, 5, 5, 1_000_000)]), "nothing was seen");
        room.sees_all(Sizes::from([(1, 50), (2, MOST_CELLS - 100)]), Duration::ZERO);
        assert!(!room.is_full_for(&[growth(1, 5, 5, 10)]));
        assert!(room.is_full_for(&[growth(1, 5, 5, 11)]));
        // A column more, over ten old rows and the new ones.
        assert!(!room.is_full_for(&[growth(1, 5, 6, 6)]) && room.is_full_for(&[growth(1, 5, 6, 16)]));
        // A tab that is not there yet: its header and its rows.
        assert!(!room.is_full_for(&[growth(3, 0, 10, 4)]) && room.is_full_for(&[growth(3, 0, 10, 5)]));
        assert!(room.is_full_for(&[growth(1, 5, 5, 6), growth(3, 0, 5, 4)]), "both together");
        room.sees(Sizes::from([(2, 7)]));
        assert_eq!(room.cells(), 57);
        // Someone emptied it, and what was seen of our tab is older than its columns.
        assert!(!room.is_full_for(&[growth(1, 50, 50, 1), growth(9, u32::MAX, u32::MAX, 0)]));
    }

    #[test]
    fn numbers_that_no_grid_has_do_no_harm() {
        let mut room = Room::default();
        room.sees(Sizes::from([(1, u64::MAX), (2, u64::MAX)]));
        assert!(room.is_full_for(&[growth(1, 1, u32::MAX, u32::MAX), growth(3, 0, u32::MAX, u32::MAX)]));
    }
}
