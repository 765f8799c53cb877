//! What the clock must not forget: who works on what since when, and what the outbox has not been told yet.
//!
//! One small file, replaced whole. It is written before the light changes, and it is written ahead: what a click means
//! for the sheet (close one row, open another) stands in it as a list of steps until the outbox has taken each. A power
//! cut in between leaves the list, and the next boot goes on with it; every step may be taken twice, for rows are named
//! here and an outbox keeps a name once. So a click is kept whole or not at all.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::moment::{Moment, Now, minutes};

/// Everything that survives a power cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// In front of the number in the names of rows; random, so that a lost ledger repeats no name.
    name: String,
    next_row: u64,
    /// The one open row of each person. A clock without badges has one person, without a name.
    pub open: BTreeMap<String, Shift>,
    /// What the outbox is yet to be told, in this order.
    pub todo: VecDeque<Op>,
    /// The outbox's ids of rows that may still change.
    rows: BTreeMap<u64, String>,
    /// Rows with a time from a clock that was not set.
    undated: BTreeMap<u64, Undated>,
    /// What each person did last: where the knob starts.
    pub last: BTreeMap<String, String>,
}

/// A row without an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    row: u64,
    /// The project's name.
    pub project: String,
    /// When it was started.
    pub start: Moment,
    /// When the person was last known to be there: from then the length of a shift counts.
    pub seen: Moment,
    /// It has been open for longer than a shift, and the person has not been asked yet.
    pub forgotten: bool,
}

/// At least one of the two is from a clock that was not set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Undated {
    start: Moment,
    finish: Option<Moment>,
}

/// One thing for the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// A new row.
    Open {
        /// Its number.
        row: u64,
        /// Who; empty without badges.
        person: String,
        /// What.
        project: String,
        /// When; without a known time the cell stays empty for now.
        start: Moment,
    },
    /// A row that is there gets other values.
    Change {
        /// Its number.
        row: u64,
        /// Which.
        change: Change,
    },
}

/// New values of a row; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// Unix milliseconds.
    pub start: Option<i64>,
    /// Unix milliseconds.
    pub finish: Option<i64>,
    /// How long it really took.
    pub minutes: Option<f64>,
    /// For the person who reads the sheet; empty: nothing any more.
    pub note: Option<String>,
}

/// What the outbox is handed.
#[derive(Clone, Debug, PartialEq)]
pub enum Handing {
    /// A new row under this name, which is kept once.
    Record {
        /// Its name.
        name: String,
        /// Who; empty without badges.
        person: String,
        /// What.
        project: String,
        /// When.
        start: Moment,
    },
    /// New values for the row of this id.
    Amend {
        /// The outbox's id of it.
        id: String,
        /// Which.
        change: Change,
    },
}

/// How a shift ended.
pub enum End {
    /// The person stopped it, now.
    Now(Moment),
    /// The person was asked later and knew.
    Recalled(Moment, String),
    /// The person was asked later and did not know. Nothing is made up.
    Unknown,
}

impl Ledger {
    /// An empty ledger; `name` should be random.
    pub fn named(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// A person starts something. There must be no open row of theirs.
    pub fn start(&mut self, person: &str, project: &str, at: Moment) {
        let row = self.next_row;
        self.next_row += 1;
        if at.unix_ms().is_none() {
            self.undated.insert(row, Undated { start: at.clone(), finish: None });
        }
        self.todo.push_back(Op::Open { row, person: person.into(), project: project.into(), start: at.clone() });
        self.last.insert(person.into(), project.into());
        let shift = Shift { row, project: project.into(), start: at.clone(), seen: at, forgotten: false };
        self.open.insert(person.into(), shift);
    }

    /// Ends the open row of a person, if there is one.
    pub fn end(&mut self, person: &str, end: End) -> Option<Shift> {
        let shift = self.open.remove(person)?;
        let known = |finish: &Moment| Change {
            finish: finish.unix_ms(),
            minutes: shift.start.until(finish).map(minutes),
            ..Change::default()
        };
        let mut change = match &end {
            End::Now(at) => known(at),
            End::Recalled(at, note) => Change { note: Some(note.clone()), ..known(at) },
            End::Unknown => Change { note: Some(UNKNOWN.into()), ..Change::default() },
        };
        if let End::Now(at) = end {
            let undated = at.unix_ms().is_none() || self.undated.contains_key(&shift.row);
            if undated {
                let times = Undated { start: shift.start.clone(), finish: Some(at) };
                self.undated.insert(shift.row, times);
            }
            if change == Change::default() {
                change.note = Some(NOT_YET.into());
            }
        }
        self.change(shift.row, change);
        Some(shift)
    }

    /// The person was asked and says that it goes on.
    pub fn goes_on(&mut self, person: &str, now: &Now) {
        let Some(shift) = self.open.get_mut(person) else { return };
        (shift.seen, shift.forgotten) = (Moment::of(now), false);
        let row = shift.row;
        self.change(row, Change { note: Some(String::new()), ..Change::default() });
    }

    /// Marks rows that have been open for longer than a shift. Whether something changed.
    pub fn flag(&mut self, now: &Now, length: Duration) -> bool {
        let today = Moment::of(now);
        let is_over = |shift: &Shift| match shift.seen.until(&today) {
            Some(passed) => passed >= length,
            // From before a restart, by a clock that was not set: once ours is, nobody will ever know more.
            None => now.wall.trusted,
        };
        let over: Vec<u64> = self
            .open
            .values_mut()
            .filter(|shift| !shift.forgotten && is_over(shift))
            .map(|shift| {
                shift.forgotten = true;
                shift.row
            })
            .collect();
        for row in &over {
            self.change(*row, Change { note: Some(FORGOTTEN.into()), ..Change::default() });
        }
        !over.is_empty()
    }

    /// Puts times right once the clock is; says so on rows where that came too late. Whether something changed.
    pub fn date(&mut self, now: &Now) -> bool {
        let mut changes = Vec::new();
        self.undated.retain(|row, times| {
            let mut change = Change::default();
            if let Some(right) = times.start.corrected(now) {
                change.start = right.unix_ms();
                times.start = right;
            }
            if let Some(right) = times.finish.as_ref().and_then(|finish| finish.corrected(now)) {
                // Together with the note that it was not known yet.
                (change.finish, change.note) = (right.unix_ms(), Some(String::new()));
                change.minutes = times.start.until(&right).map(minutes);
                times.finish = Some(right);
            }
            let undated = || {
                [Some(&times.start), times.finish.as_ref()]
                    .into_iter()
                    .flatten()
                    .filter(|time| time.unix_ms().is_none())
            };
            let lost = undated().any(|time| !time.is_of(now));
            if lost {
                change.note = Some(UNDATED.into());
            }
            if change != Change::default() {
                changes.push((*row, change));
            }
            !lost && undated().next().is_some()
        });
        for shift in self.open.values_mut() {
            for time in [&mut shift.start, &mut shift.seen] {
                if let Some(right) = time.corrected(now) {
                    *time = right;
                }
            }
        }
        let changed = !changes.is_empty();
        changes.into_iter().for_each(|(row, change)| self.change(row, change));
        changed
    }

    /// What the outbox is to be handed next. A change of a row that the outbox never took leads nowhere and is left out.
    pub fn next_handing(&mut self) -> Option<Handing> {
        loop {
            match self.todo.front()? {
                Op::Open { row, person, project, start } => {
                    return Some(Handing::Record {
                        name: format!("{}-{row}", self.name),
                        person: person.clone(),
                        project: project.clone(),
                        start: start.clone(),
                    });
                }
                Op::Change { row, change } => match self.rows.get(row) {
                    Some(id) => return Some(Handing::Amend { id: id.clone(), change: change.clone() }),
                    None => _ = self.todo.pop_front(),
                },
            }
        }
    }

    /// The outbox took the first step; a new row goes by this id there.
    pub fn handed(&mut self, id: &str) {
        if let Some(Op::Open { row, .. }) = self.todo.pop_front() {
            self.rows.insert(row, id.into());
        }
    }

    /// The outbox will never take the first step.
    pub fn skip(&mut self) {
        self.todo.pop_front();
    }

    /// Forgets the ids of rows that will not change any more.
    pub fn tidy(&mut self) {
        let (open, undated, todo) = (&self.open, &self.undated, &self.todo);
        self.rows.retain(|row, _| {
            undated.contains_key(row)
                || open.values().any(|shift| shift.row == *row)
                || todo.iter().any(|op| matches!(op, Op::Change { row: other, .. } if other == row))
        });
    }

    fn change(&mut self, row: u64, change: Change) {
        self.todo.push_back(Op::Change { row, change });
    }
}

const FORGOTTEN: &str = "no clock-out yet";
const UNKNOWN: &str = "clock-out forgotten";
const NOT_YET: &str = "stopped; the clock is not set yet";
const UNDATED: &str = "the clock was not set";
