//! What a row is made of once its times are in the sheet's zone.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// A queued row, ready to be frozen.
#[derive(Clone, Debug)]
pub struct Row {
    /// The edge's name for it.
    pub handle: i64,
    /// Unique over all devices; column A.
    pub id: String,
    /// The tab it belongs to.
    pub table: String,
    /// Header and value, in the order in which new columns are added. `time` and `device` are the recorder's to put in.
    pub cells: Vec<(String, Cell)>,
    /// When it was recorded, since this boot; none if that was in another boot.
    pub recorded: Option<Duration>,
    /// The largest batch it may be sent in: set when a batch with it was refused.
    pub at_most: Option<u32>,
    /// How often it was refused alone.
    pub refusals: u32,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Stays text, also when it begins with `=`.
    Text(String),
    /// A number; one that is not finite is written as text, for JSON has no such number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Nothing.
    Blank,
    /// Nothing yet, in a column of this format.
    Empty(Format),
    /// Days: since 1899-12-30 in the sheet's zone for what has a date, else since midnight.
    Serial(f64, Format),
    /// The same, for who trusts that new rows look as their column does.
    Bare(f64, Format),
}

impl Cell {
    /// How the numbers of its column look.
    pub fn format(&self) -> Option<Format> {
        match self {
            Self::Serial(_, format) | Self::Bare(_, format) | Self::Empty(format) => Some(*format),
            _ => None,
        }
    }
}

/// How a serial number looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `2026-11-22`.
    Date,
    /// `18:30:05`.
    TimeOfDay(Precision),
    /// `2026-11-22 18:30:05`.
    DateTime(Precision),
    /// `31:30:05`.
    Duration(Precision),
}

/// How much of a second is shown. The number holds all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Whole seconds.
    #[default]
    Second,
    /// Thousandths.
    Millisecond,
}

impl Format {
    /// `type` (it must be given) and `pattern` of a `NumberFormat` (Sheets v4 discovery document, and the guide to
    /// patterns that it names).
    pub(crate) fn type_and_pattern(self) -> (&'static str, &'static str) {
        use Precision::{Millisecond, Second};
        match self {
            Self::Date => ("DATE", "yyyy-mm-dd"),
            Self::TimeOfDay(Second) => ("TIME", "hh:mm:ss"),
            Self::TimeOfDay(Millisecond) => ("TIME", "hh:mm:ss.000"),
            Self::DateTime(Second) => ("DATE_TIME", "yyyy-mm-dd hh:mm:ss"),
            Self::DateTime(Millisecond) => ("DATE_TIME", "yyyy-mm-dd hh:mm:ss.000"),
            Self::Duration(Second) => ("TIME", "[h]:mm:ss"),
            Self::Duration(Millisecond) => ("TIME", "[h]:mm:ss.000"),
        }
    }
}
