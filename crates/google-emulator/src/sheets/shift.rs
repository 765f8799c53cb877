//! What inserting, deleting or moving rows or columns does to a place and to a range, wherever they are written down:
//! properties, metadata, kept objects, formulas.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    /// So many new lines before `at`.
    Insert {
        at: usize,
        count: usize,
    },
    Delete(Range<usize>),
    /// The lines of `source` come to stand before what was line `to`, which is outside of them.
    Move {
        source: Range<usize>,
        to: usize,
    },
}

impl Shift {
    /// Where a line goes. None: it is gone.
    pub(crate) fn line(&self, old: usize) -> Option<usize> {
        Some(match self {
            Self::Insert { at, count } if old >= *at => old + count,
            Self::Insert { .. } => old,
            Self::Delete(gone) if old < gone.start => old,
            Self::Delete(gone) if old >= gone.end => old - gone.len(),
            Self::Delete(_) => return None,
            Self::Move { source, to } => match old {
                old if source.contains(&old) => old - source.start + self.landing(source, *to),
                old if old < source.start && old >= *to => old + source.len(),
                old if old >= source.end && old < *to => old - source.len(),
                old => old,
            },
        })
    }

    /// What becomes of a range. Lines that come between its ends belong to it. None: nothing is left.
    pub(crate) fn range(&self, old: Range<usize>) -> Option<Range<usize>> {
        match self {
            Self::Insert { at, count } if *at <= old.start => Some(old.start + count..old.end.saturating_add(*count)),
            Self::Insert { at, count } if *at < old.end => Some(old.start..old.end.saturating_add(*count)),
            Self::Insert { .. } => Some(old),
            Self::Delete(gone) => {
                let cut = |place: usize| {
                    if place <= gone.start { place } else { place - (place.min(gone.end) - gone.start) }
                };
                let new = cut(old.start)..cut(old.end);
                (!new.is_empty()).then_some(new)
            }
            Self::Move { source, to } => {
                let landing = self.landing(source, *to);
                if source.start <= old.start && old.end <= source.end {
                    return Some(old.start - source.start + landing..old.end - source.start + landing);
                }
                let rest = Self::Delete(source.clone()).range(old)?;
                Self::Insert { at: landing, count: source.len() }.range(rest)
            }
        }
    }

    fn landing(&self, source: &Range<usize>, to: usize) -> usize {
        if to > source.start { to - source.len() } else { to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_their_lines() {
        let insert = |at, count| Shift::Insert { at, count };
        for (shift, old, expected) in [
            (insert(0, 2), 3..5, Some(5..7)),
            (insert(3, 2), 3..5, Some(5..7)),
            (insert(4, 2), 3..5, Some(3..7)),
            (insert(5, 2), 3..5, Some(3..5)),
            (Shift::Delete(0..2), 3..5, Some(1..3)),
            (Shift::Delete(2..4), 3..5, Some(2..3)),
            (Shift::Delete(4..9), 3..5, Some(3..4)),
            (Shift::Delete(3..5), 3..5, None),
            (Shift::Delete(0..9), 3..5, None),
            (Shift::Move { source: 3..5, to: 0 }, 3..5, Some(0..2)),
            (Shift::Move { source: 0..1, to: 9 }, 3..5, Some(2..4)),
            (Shift::Move { source: 0..1, to: 4 }, 3..5, Some(2..5)),
        ] {
            assert_eq!(shift.range(old.clone()), expected, "{shift:?} of {old:?}");
        }
    }

    #[test]
    fn a_line_goes_where_a_range_of_one_goes() {
        for shift in [
            Shift::Insert { at: 2, count: 3 },
            Shift::Delete(2..4),
            Shift::Move { source: 1..3, to: 6 },
            Shift::Move { source: 4..6, to: 1 },
        ] {
            for line in 0..10 {
                let range = shift.range(line..line + 1);
                assert_eq!(shift.line(line), range.map(|range| range.start), "{shift:?} of {line}");
            }
        }
    }
}
