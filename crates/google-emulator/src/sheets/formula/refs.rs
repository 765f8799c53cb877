//! References in formulas: `B7`, `$B$7`, `A2:C`, `Log!A:A`, `'My tab'!2:5`, and how they follow what moves.

use super::super::{a1, shift::Shift};

/// A row or column of a reference, zero-based; `fixed` with a `$`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    at: usize,
    fixed: bool,
}

/// Either may be missing: `A` in `A:A` has no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Corner {
    column: Option<Line>,
    row: Option<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) tab: Option<String>,
    first: Corner,
    second: Option<Corner>,
}

/// Google's grid is not nearly as large.
const FARTHEST: usize = 100_000_000;

impl Reference {
    /// The reference at the start of the text, and its length in bytes.
    pub(super) fn at_start(text: &str) -> Option<(Self, usize)> {
        let (tab, cells) = tab_prefix(text);
        let (first, length) = Corner::at_start(cells)?;
        let mut rest = &cells[length..];
        let second = rest.strip_prefix(':').and_then(Corner::at_start);
        let second = match second {
            Some((corner, length)) => {
                rest = &rest[1 + length..];
                Some(corner)
            }
            None => None,
        };
        // `SUM2(` and `A1B` are names, `A` and `7` alone are no references.
        let is_cut = !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | '!'));
        let is_whole = match second {
            None => first.column.is_some() && first.row.is_some(),
            Some(second) => {
                let (columns, rows) = ((first.column, second.column), (first.row, second.row));
                matches!(columns, (Some(_), Some(_))) || matches!(rows, (Some(_), Some(_)))
            }
        };
        (is_cut && is_whole).then(|| (Self { tab, first, second }, text.len() - rest.len()))
    }

    /// Rows and columns, zero-based, open ends as None.
    pub(super) fn open(&self) -> a1::Open {
        let second = self.second.unwrap_or(self.first);
        let (first_row, end_row) = span(self.first.row, second.row);
        let (first_column, end_column) = span(self.first.column, second.column);
        a1::Open { first_row, end_row, first_column, end_column }
    }

    pub(super) fn write(&self) -> String {
        let mut out = String::new();
        if let Some(tab) = &self.tab {
            out.push_str(&a1::quote(tab));
            out.push('!');
        }
        self.first.write(&mut out);
        if let Some(second) = self.second {
            out.push(':');
            second.write(&mut out);
        }
        out
    }

    /// As it stands in a copy of the formula so many rows and columns away. None: it points outside.
    pub(super) fn copied(&self, rows: i64, columns: i64) -> Option<Self> {
        let second = match self.second {
            Some(second) => Some(second.copied(rows, columns)?),
            None => None,
        };
        Some(Self { tab: self.tab.clone(), first: self.first.copied(rows, columns)?, second })
    }

    /// After rows (or columns) of the tab it names came, went or moved. None: nothing of it is left.
    pub(super) fn shifted(&self, shift: &Shift, is_rows: bool) -> Option<Self> {
        let mut new = self.clone();
        let pick = |corner: Corner| if is_rows { corner.row } else { corner.column };
        let (first, second) = (pick(self.first), self.second.map_or(pick(self.first), pick));
        let (low, high) = match (first, second) {
            (Some(first), Some(second)) => {
                let range = shift.range(first.at.min(second.at)..first.at.max(second.at) + 1)?;
                (range.start, range.end - 1)
            }
            (Some(only), None) | (None, Some(only)) => {
                let at = shift.range(only.at..usize::MAX)?.start;
                (at, at)
            }
            (None, None) => return Some(new),
        };
        let is_turned = matches!((first, second), (Some(first), Some(second)) if first.at > second.at);
        let (low, high) = if is_turned { (high, low) } else { (low, high) };
        new.first.set(is_rows, low);
        if let Some(second) = &mut new.second {
            second.set(is_rows, high);
        }
        Some(new)
    }
}

fn span(first: Option<Line>, second: Option<Line>) -> (usize, Option<usize>) {
    match (first, second) {
        (Some(a), Some(b)) => (a.at.min(b.at), Some(a.at.max(b.at) + 1)),
        (Some(a), None) | (None, Some(a)) => (a.at, None),
        (None, None) => (0, None),
    }
}

/// The tab before a `!`, and what follows it; the whole text if there is none.
fn tab_prefix(text: &str) -> (Option<String>, &str) {
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut title = String::new();
        let mut rest = quoted;
        while let Some((part, after)) = rest.split_once('\'') {
            title.push_str(part);
            match after.strip_prefix('\'') {
                Some(more) => {
                    title.push('\'');
                    rest = more;
                }
                None => return after.strip_prefix('!').map_or((None, text), |cells| (Some(title), cells)),
            }
        }
        return (None, text);
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    match text[end..].strip_prefix('!') {
        Some(cells) if end > 0 => (Some(text[..end].to_owned()), cells),
        _ => (None, text),
    }
}

impl Corner {
    fn at_start(text: &str) -> Option<(Self, usize)> {
        let mut rest = text;
        let mut take = |is_part: fn(char) -> bool, most: usize| {
            let fixed = rest.starts_with('$');
            let body = if fixed { &rest[1..] } else { rest };
            let end = body.find(|c| !is_part(c)).unwrap_or(body.len());
            (1..=most).contains(&end).then(|| {
                rest = &body[end..];
                (&body[..end], fixed)
            })
        };
        let column = take(|c| c.is_ascii_alphabetic(), 3);
        let row = take(|c| c.is_ascii_digit(), 8);
        let column = column.map(|(letters, fixed)| Line { at: a1::column_index(letters), fixed });
        let row = match row {
            Some((digits, fixed)) => Some(Line { at: digits.parse::<usize>().ok()?.checked_sub(1)?, fixed }),
            None => None,
        };
        (column.is_some() || row.is_some()).then(|| (Self { column, row }, text.len() - rest.len()))
    }

    fn write(&self, out: &mut String) {
        let mark = |fixed: bool| if fixed { "$" } else { "" };
        if let Some(column) = self.column {
            out.push_str(mark(column.fixed));
            out.push_str(&a1::column_name(column.at));
        }
        if let Some(row) = self.row {
            out.push_str(mark(row.fixed));
            out.push_str(&(row.at + 1).to_string());
        }
    }

    fn copied(self, rows: i64, columns: i64) -> Option<Self> {
        let go = |line: Option<Line>, by: i64| match line {
            Some(Line { at, fixed: false }) => {
                let at = usize::try_from(at as i64 + by).ok().filter(|at| *at < FARTHEST)?;
                Some(Some(Line { at, fixed: false }))
            }
            other => Some(other),
        };
        Some(Self { column: go(self.column, columns)?, row: go(self.row, rows)? })
    }

    fn set(&mut self, is_rows: bool, at: usize) {
        let line = if is_rows { &mut self.row } else { &mut self.column };
        if let Some(line) = line {
            line.at = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        for text in ["A1", "$B$7", "A2:C", "A:A", "2:5", "Log!A:A", "'My tab'!$A1:B$2", "'it''s'!A1", "B9:B2"] {
            let (reference, length) = Reference::at_start(text).unwrap();
            assert_eq!((reference.write().as_str(), length), (text, text.len()));
        }
        for text in ["A", "7", "SUM(", "LOG10(A1)", "A1B", "ABCD1", "A0", "x!", "TRUE", "'a'1", ":A1", "$"] {
            assert_eq!(Reference::at_start(text), None, "{text}");
        }
    }

    #[test]
    fn a_copy_points_as_far_away() {
        let copied = |text: &str, rows, columns| {
            Reference::at_start(text).unwrap().0.copied(rows, columns).map(|reference| reference.write())
        };
        assert_eq!(copied("A1", 1, 1).as_deref(), Some("B2"));
        assert_eq!(copied("$A1:B$1", 3, 1).as_deref(), Some("$A4:C$1"));
        assert_eq!(copied("A:A", 5, 1).as_deref(), Some("B:B"));
        assert_eq!(copied("A1", -1, 0), None);
    }

    #[test]
    fn a_reference_follows_its_rows() {
        let shifted = |text: &str, shift: Shift| {
            Reference::at_start(text).unwrap().0.shifted(&shift, true).map(|reference| reference.write())
        };
        let insert = |at| Shift::Insert { at, count: 1 };
        assert_eq!(shifted("B2:B4", insert(2)).as_deref(), Some("B2:B5"));
        assert_eq!(shifted("B2:B4", insert(4)).as_deref(), Some("B2:B4"));
        assert_eq!(shifted("B2:B", insert(0)).as_deref(), Some("B3:B"));
        assert_eq!(shifted("$B$2", insert(0)).as_deref(), Some("$B$3"));
        assert_eq!(shifted("B4:B2", insert(2)).as_deref(), Some("B5:B2"));
        assert_eq!(shifted("A:A", insert(0)).as_deref(), Some("A:A"));
        assert_eq!(shifted("B2", Shift::Delete(1..2)), None);
        assert_eq!(shifted("B2:B4", Shift::Delete(1..2)).as_deref(), Some("B2:B3"));
    }
}
