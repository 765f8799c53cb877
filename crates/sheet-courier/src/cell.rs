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
    /// A date and time: days since 1899-12-30 in the sheet's zone.
    DateTime(f64),
}
