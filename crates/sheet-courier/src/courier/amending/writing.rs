//! What is written through an anchor, and whether it is there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::{Before, Closing, Made, SEE_AGAIN, Stage};
use crate::cell::Cell;
use crate::courier::{Courier, LOOK_AGAIN};
use crate::durable::Amend;
use crate::landing::is_same;
use crate::layout::ID_COLUMN;
use crate::mutation::Mutation;
use crate::wire;

impl Courier {
    /// One look at the header of a tab and at the row that the anchor stands on; inner none if it is not seen.
    pub(super) fn row_under_header(
        &self,
        target: Option<&str>,
        tab: i32,
        body: &[u8],
    ) -> Option<Option<(Vec<String>, Vec<Value>)>> {
        let (id, found) = wire::parse_matching(body)?;
        if Some(id.as_str()) != target {
            return None;
        }
        let header = found.iter().find(|range| range.tab == Some(tab))?;
        let row = found.iter().find(|range| range.tab.is_none());
        let header: Vec<String> = header.line.iter().cloned().map(wire::text).collect();
        Some(row.map(|row| (header, row.line.clone())))
    }

    /// Not there: for a while that may be an old read, then it is not.
    pub(super) fn not_seen(&mut self, again: Stage, made: Made) -> Stage {
        if made.began.saturating_sub(*self.amending.unseen_since.get_or_insert(made.began)) < LOOK_AGAIN {
            self.amending.not_before = made.ended + SEE_AGAIN;
            return again;
        }
        self.amending.unseen_since = None;
        Stage::Close(Closing::Move, false)
    }

    pub(super) fn checked_row(&mut self, amend: &Amend, tab: i32, header: Vec<String>, row: Vec<Value>) -> Stage {
        self.amending.unseen_since = None;
        let is_it = is_row(amend, &header, &row) || self.left_out(Mutation::AmendByIndex);
        let Some(written) = to_write(amend, &header, &row).filter(|_| is_it) else {
            // A person sorted, or took the column away.
            return Stage::Close(Closing::Move, false);
        };
        if written.iter().all(Value::is_null) {
            // Of a displaced row nothing is wrong any more.
            return Stage::Close(Closing::Move, true);
        }
        Stage::Write(tab, Before { header, row, written })
    }

    pub(super) fn verified(
        &mut self,
        amend: &Amend,
        tab: i32,
        before: Before,
        header: Vec<String>,
        row: Vec<Value>,
        made: Made,
    ) -> Stage {
        if header != before.header {
            // A person moved columns between our look and our write: put back what we wrote over, and write again.
            let undone = undone(&before, &header, &row);
            return match to_write(amend, &header, &undone) {
                Some(wanted) => {
                    let written = differing(&row, &undone, wanted);
                    Stage::Write(tab, Before { header, row, written })
                }
                None => Stage::Close(Closing::Move, false),
            };
        }
        let shows = |(at, value): (usize, &Value)| value.is_null() || is_same(row.get(at), value);
        if before.written.iter().enumerate().all(shows) {
            return Stage::Close(Closing::Move, true);
        }
        if made.began.saturating_sub(*self.amending.unseen_since.get_or_insert(made.began)) < LOOK_AGAIN {
            // A read from before the write.
            self.amending.not_before = made.ended + SEE_AGAIN;
            return Stage::Verify(tab, before);
        }
        // It was written, and a person wrote over it: that is theirs.
        Stage::Close(Closing::Move, true)
    }
}

fn is_row(amend: &Amend, header: &[String], row: &[Value]) -> bool {
    if let Some(displaced) = &amend.displaced {
        return displaced.is_row(row);
    }
    let at = header.iter().position(|name| name == ID_COLUMN);
    at.and_then(|at| row.get(at)).and_then(Value::as_str) == Some(&amend.row)
}

/// What is to be written into the row under this header; null leaves a cell as it is. None if a column is missing.
fn to_write(amend: &Amend, header: &[String], row: &[Value]) -> Option<Vec<Value>> {
    if let Some(displaced) = &amend.displaced {
        return displaced.to_write(header, row);
    }
    let mut written = Vec::new();
    for (name, cell) in &amend.cells {
        let at = header.iter().position(|known| known == name)?;
        if written.len() <= at {
            written.resize(at + 1, Value::Null);
        }
        written[at] = raw(cell);
    }
    Some(written)
}

/// The row as it would be under this header if nothing had been written.
fn undone(before: &Before, header: &[String], row: &[Value]) -> Vec<Value> {
    let width = row.len().max(before.written.len());
    let cell = |at: usize| {
        let now = row.get(at).cloned().unwrap_or_else(|| Value::from(""));
        let Some(value) = before.written.get(at).filter(|value| !value.is_null() && is_same(row.get(at), value)) else {
            return now;
        };
        // Of columns without a name nobody knows which is which.
        let was = header
            .get(at)
            .filter(|name| !name.is_empty())
            .and_then(|name| before.header.iter().position(|known| known == name));
        let old = was.and_then(|was| before.row.get(was)).cloned().unwrap_or_else(|| Value::from(""));
        if is_same(Some(&old), value) { now } else { old }
    };
    (0..width).map(cell).collect()
}

/// What makes `row` into `undone` with what is wanted.
fn differing(row: &[Value], undone: &[Value], wanted: Vec<Value>) -> Vec<Value> {
    let width = undone.len().max(wanted.len());
    let target = |at: usize| wanted.get(at).filter(|value| !value.is_null()).or_else(|| undone.get(at));
    (0..width)
        .map(|at| match target(at) {
            Some(target) if !is_same(row.get(at), target) => target.clone(),
            _ => Value::Null,
        })
        .collect()
}

/// As `RAW` stores it: text stays text whatever it begins with, and an empty text is an empty cell.
fn raw(cell: &Cell) -> Value {
    match cell {
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Number(number) | Cell::Serial(number, _) | Cell::Bare(number, _) if number.is_finite() => {
            Value::from(*number)
        }
        Cell::Number(number) | Cell::Serial(number, _) | Cell::Bare(number, _) => Value::from(format!("{number}")),
        Cell::Bool(bool) => Value::from(*bool),
        Cell::Blank | Cell::Empty(_) => Value::from(""),
    }
}
