//! Ranges in A1 notation.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One whole column of a tab, in A1 notation.
pub(crate) fn a1_column(title: &str, column: u32) -> String {
    let letters = column_letters(column);
    let mut range = a1_tab(title);
    range.push_str(&letters);
    range.push(':');
    range.push_str(&letters);
    range
}

/// Some rows of a column, counted from 1; without a last one to its end, wherever that is by then.
pub(crate) fn a1_rows(title: &str, column: u32, first: u32, last: Option<u32>) -> String {
    let letters = column_letters(column);
    let last = last.map_or_else(String::new, |last| last.to_string());
    alloc::format!("{}{letters}{first}:{letters}{last}", a1_tab(title))
}

/// A1 notation quotes a tab's name and doubles quotes in it.
fn a1_tab(title: &str) -> String {
    let mut range = String::from("'");
    range.push_str(&title.replace('\'', "''"));
    range.push_str("'!");
    range
}

fn column_letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.into_iter().rev().collect()
}

/// The header row of a tab.
pub(crate) fn a1_first_row(title: &str) -> String {
    let mut range = a1_tab(title);
    range.push_str("1:1");
    range
}
