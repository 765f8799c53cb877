//! A1 notation: `Tab!A1:B2`, `'My tab'!A:C`, `2:5`, `A5:A`, `Tab`.

use std::ops::Range;

/// A range before it meets a grid: each end may be open. Zero-based, ends exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) first_row: usize,
    pub(crate) end_row: Option<usize>,
    pub(crate) first_column: usize,
    pub(crate) end_column: Option<usize>,
}

/// The tab's title, if one is named, and the cells, if any are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) tab: Option<String>,
    pub(crate) cells: Option<Open>,
}

/// None for what Google answers with `Unable to parse range`. A bare word may still be a tab's title: ask first.
pub(crate) fn parse(text: &str) -> Option<Parsed> {
    let (tab, cells) = split_tab(text)?;
    match (tab, cells) {
        (Some(tab), "") if !text.ends_with('!') => Some(Parsed { tab: Some(tab), cells: None }),
        (tab, cells) => Some(Parsed { tab, cells: Some(parse_cells(cells)?) }),
    }
}

/// Splits at the `!`, and frees a quoted title from its quotes.
fn split_tab(text: &str) -> Option<(Option<String>, &str)> {
    let Some(quoted) = text.strip_prefix('\'') else {
        return Some(match text.rsplit_once('!') {
            Some((tab, cells)) => (Some(tab.to_owned()), cells),
            None => (None, text),
        });
    };
    let mut title = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        title.push_str(part);
        match after.strip_prefix('\'') {
            // A doubled quote is one quote of the title.
            Some(more) => {
                title.push('\'');
                rest = more;
            }
            None if after.is_empty() => return Some((Some(title), "")),
            None => return Some((Some(title), after.strip_prefix('!')?)),
        }
    }
}

fn parse_cells(text: &str) -> Option<Open> {
    let text = text.trim();
    let (first, second) = match text.split_once(':') {
        Some((first, second)) => (corner(first)?, Some(corner(second)?)),
        None => (corner(text)?, None),
    };
    let Some(second) = second else {
        // A single corner is one cell; `A` or `5` alone is nothing.
        let (Some(column), Some(row)) = first else { return None };
        return Some(Open {
            first_row: row,
            end_row: Some(row + 1),
            first_column: column,
            end_column: Some(column + 1),
        });
    };
    let (first_column, end_column) = span(first.0, second.0)?;
    let (first_row, end_row) = span(first.1, second.1)?;
    let is_nothing = first == (None, None) || second == (None, None);
    (!is_nothing).then_some(Open { first_row, end_row, first_column, end_column })
}

/// `A:A` is a whole column, `A5:A` is open below, `B2:A1` is turned round.
fn span(first: Option<usize>, second: Option<usize>) -> Option<(usize, Option<usize>)> {
    Some(match (first, second) {
        (Some(a), Some(b)) => (a.min(b), Some(a.max(b) + 1)),
        (Some(a), None) => (a, None),
        (None, Some(b)) => (b, None),
        (None, None) => (0, None),
    })
}

/// Column and row of `B7`, `B` or `7`; `$` is allowed as in formulas.
fn corner(text: &str) -> Option<(Option<usize>, Option<usize>)> {
    let text = text.trim().replace('$', "");
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (column, row) = text.split_at(letters);
    if text.is_empty() || column.len() > 3 {
        return None;
    }
    let column = (!column.is_empty()).then(|| column_index(column));
    let row = match row {
        "" => None,
        digits if digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse::<usize>().ok()?.checked_sub(1)?)
        }
        _ => return None,
    };
    Some((column, row))
}

pub(crate) fn column_index(letters: &str) -> usize {
    letters.bytes().fold(0, |index, byte| index * 26 + usize::from(byte.to_ascii_uppercase() - b'A') + 1) - 1
}

/// `0` is `A`, `26` is `AA`.
pub(crate) fn column_name(mut index: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'A' + (index % 26) as u8);
        if index < 26 {
            break;
        }
        index = index / 26 - 1;
    }
    name.reverse();
    name.into_iter().map(char::from).collect()
}

/// The title as it must stand before a `!`.
pub(crate) fn quote(title: &str) -> String {
    let is_plain = !title.is_empty()
        && title.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !title.starts_with(|c: char| c.is_ascii_digit())
        && !matches!(corner(title), Some((Some(_), Some(_))));
    if is_plain { title.to_owned() } else { format!("'{}'", title.replace('\'', "''")) }
}

/// `Tab!A1:B2`; one cell without the colon.
pub(crate) fn write(title: &str, rows: &Range<usize>, columns: &Range<usize>) -> String {
    let first = format!("{}{}", column_name(columns.start), rows.start + 1);
    let last = format!("{}{}", column_name(columns.end.max(1) - 1), rows.end);
    let tab = quote(title);
    if first == last { format!("{tab}!{first}") } else { format!("{tab}!{first}:{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(first_row: usize, end_row: Option<usize>, first_column: usize, end_column: Option<usize>) -> Option<Open> {
        Some(Open { first_row, end_row, first_column, end_column })
    }

    #[test]
    fn every_form_of_a_range() {
        for (text, tab, cells) in [
            ("Tab!A1:B2", Some("Tab"), open(0, Some(2), 0, Some(2))),
            ("A1", None, open(0, Some(1), 0, Some(1))),
            ("b2:a1", None, open(0, Some(2), 0, Some(2))),
            ("A:C", None, open(0, None, 0, Some(3))),
            ("2:5", None, open(1, Some(5), 0, None)),
            ("A5:A", None, open(4, None, 0, Some(1))),
            ("A2:C", None, open(1, None, 0, Some(3))),
            ("C3:5", None, open(2, Some(5), 2, None)),
            ("$A$1:$B$2", None, open(0, Some(2), 0, Some(2))),
            ("'My ''tab''!'!AA10", Some("My 'tab'!"), open(9, Some(10), 26, Some(27))),
            ("'quoted'", Some("quoted"), None),
            ("Zürich!A1", Some("Zürich"), open(0, Some(1), 0, Some(1))),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!((parsed.tab.as_deref(), parsed.cells), (tab, cells), "{text}");
        }
    }

    #[test]
    fn what_is_no_range() {
        for text in
            ["", "Tab!", "'open", "'a'b!A1", "A0", "A1:", ":", "1", "A", "AAAA1", "A1:B2:C3", "A-1", "!", "A999999999"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn columns_go_there_and_back() {
        for index in 0..20_000 {
            assert_eq!(column_index(&column_name(index)), index);
        }
        assert_eq!((column_name(25), column_name(26), column_name(702)), ("Z".into(), "AA".into(), "AAA".into()));
    }

    #[test]
    fn titles_that_look_like_cells_are_quoted() {
        for (title, quoted) in
            [("Data", "Data"), ("Log", "Log"), ("A1", "'A1'"), ("a b", "'a b'"), ("it's", "'it''s'"), ("1st", "'1st'")]
        {
            assert_eq!(quote(title), quoted);
        }
    }
}
