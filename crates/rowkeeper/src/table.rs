//! A table: one tab of the spreadsheet, and what its columns are.

use serde::Deserialize;

/// `[[table]]`: a tab.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The name records are addressed by, and the tab's first title.
    pub name: String,
    /// Columns created at once, in this order, and their types; others are added as records bring them.
    #[serde(default)]
    pub columns: Vec<Column>,
}

/// A declared column.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The key in records and the text in the header row.
    pub name: String,
    /// How a value without a type (`KEY=VALUE`, CSV) is read.
    #[serde(default, rename = "type")]
    pub kind: ColumnType,
}

/// How a `KEY=VALUE` or CSV value is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// By its looks: a number, `true` or `false`, an RFC 3339 time, else text.
    #[default]
    Auto,
    /// Always text: `007` stays `007` and `12` is text too.
    Text,
    /// A number, or the record is refused.
    Number,
    /// `true` or `false`, or the record is refused.
    Boolean,
    /// An RFC 3339 time, or the record is refused.
    Time,
}

/// Column headers that are ours, besides the reserved keys.
pub const OURS: [&str; 2] = ["time", "device"];

/// Whether `key` may be a column, and why not.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    match key {
        "" => Err("it is empty"),
        _ if OURS.contains(&key) => Err("that column is kept by rowkeeper itself"),
        "_id" | "_at" | "_table" => Err("it is reserved"),
        _ if key.trim() != key => Err("it begins or ends with a space"),
        _ if key.chars().any(char::is_control) => Err("it has control characters"),
        _ if key.chars().count() > 200 => Err("it is longer than 200 characters"),
        _ => Ok(()),
    }
}
