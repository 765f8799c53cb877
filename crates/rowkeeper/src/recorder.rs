//! Recording: what came in, on disk before anybody is told that it was kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery;
use crate::outbox::{self, AcceptError, Accepted, Happened, NewRow, Outbox};
use crate::record::{Record, Refused};
use crate::table::Table;

/// A handle for recording. Cheap to clone; every method may be called from any thread.
#[derive(Clone)]
pub struct Recorder {
    pub(crate) config: Arc<Config>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) turn: Arc<Turn>,
}

/// Rows that threads of this process bring at the same time share one sync: while one of them writes, the others gather,
/// and the first of them writes for all.
#[derive(Default)]
pub(crate) struct Turn {
    gathered: Mutex<Vec<(Vec<NewRow>, Slot)>>,
    writing: Mutex<()>,
}

/// Where who wrote leaves the answer for who waits.
type Slot = Arc<Mutex<Option<Result<Vec<Accepted>, AcceptError>>>>;

impl Turn {
    fn accept(&self, outbox: &Outbox, rows: Vec<NewRow>) -> Result<Vec<Accepted>, AcceptError> {
        let slot = Slot::default();
        unpoisoned(&self.gathered).push((rows, Arc::clone(&slot)));
        let writing = unpoisoned(&self.writing);
        if let Some(answer) = unpoisoned(&slot).take() {
            return answer;
        }
        let group = mem::take(&mut *unpoisoned(&self.gathered));
        let all: Vec<NewRow> = match group.as_slice() {
            [(rows, _)] => return outbox.accept(rows),
            group => group.iter().flat_map(|(rows, _)| rows).cloned().collect(),
        };
        let mut together = outbox.accept(&all).ok().map(Vec::into_iter);
        let mut own = None;
        for (rows, theirs) in group {
            let answer = match &mut together {
                Some(accepted) => Ok(accepted.by_ref().take(rows.len()).collect()),
                // One that is too much must not keep the others out.
                None => outbox.accept(&rows),
            };
            if Arc::ptr_eq(&theirs, &slot) { own = Some(answer) } else { *unpoisoned(&theirs) = Some(answer) }
        }
        drop(writing);
        // Who found its slot empty is in the group.
        own.unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// What these hold is whole at every moment, whatever a panicking thread left.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The record was not kept.
#[derive(Debug)]
pub enum RecordError {
    /// It cannot be kept as it is; the text says why. Offered again it is refused again.
    Refused(Refused),
    /// The outbox or its disk is full: deliver some, make room, or raise `max_bytes`. Nothing was recorded, and nothing
    /// dropped.
    Full(AcceptError),
    /// The disk is full or failing. Offer it again under the same id and it is kept once.
    Disk(AcceptError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Full(error) | Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Full(error) | Self::Disk(error) => error.source(),
        }
    }
}

impl Recorder {
    /// A recorder without a device: for what tests how records come in.
    #[doc(hidden)]
    pub fn of(config: Arc<Config>, outbox: Arc<Outbox>, clock: Arc<dyn Clock>) -> Self {
        Self { config, outbox, clock, turn: Arc::default() }
    }

    /// The table of that name; the first one for `None`.
    pub fn table(&self, name: Option<&str>) -> Option<&Table> {
        match name {
            Some(name) => self.config.table(name),
            None => self.config.tables.first(),
        }
    }

    /// Keeps one record. When this returns `Ok`, it survives a power cut.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn record(&self, record: Record) -> Result<Accepted, RecordError> {
        let mut accepted = self.record_all(std::slice::from_ref(&record))?;
        // One in, one out: `accept` answers each row.
        accepted.pop().ok_or(RecordError::Refused(Refused::Empty))
    }

    /// Keeps all of `records` or none, with one sync, which records of other threads may share.
    ///
    /// # Errors
    /// See [`RecordError`]; nothing was kept.
    pub fn record_all(&self, records: &[Record]) -> Result<Vec<Accepted>, RecordError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let now = Happened::now(&*self.clock);
        let rows: Vec<_> = records.iter().map(|record| self.row(record, &now)).collect::<Result<_, _>>()?;
        let accepted = self.turn.accept(&self.outbox, rows).map_err(|error| match error {
            AcceptError::Full { .. } | AcceptError::LittleRoom { .. } => RecordError::Full(error),
            _ => RecordError::Disk(error),
        });
        // A daemon is told of a failure too: some end only when it starts again.
        delivery::ring(&self.config.state_dir);
        accepted
    }

    fn row(&self, record: &Record, now: &Happened) -> Result<NewRow, RecordError> {
        let table = self
            .table(record.table.as_deref())
            .ok_or_else(|| RecordError::Refused(Refused::NoTable(record.table.clone().unwrap_or_default())))?;
        Ok(NewRow {
            table: table.name.clone(),
            id: record.id.clone(),
            record: outbox::Record { fields: record.fields.clone() },
            happened: Happened { at_unix_ms: record.at.map(|at| at.unix_ms), ..now.clone() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Mono, Wall};
    use crate::outbox::{Options, Value};

    fn row(n: f64) -> NewRow {
        let happened = Happened {
            wall: Wall { unix_ms: 0, trusted: true },
            mono: Mono::default(),
            boot: "b".into(),
            at_unix_ms: None,
        };
        let record = outbox::Record { fields: vec![("n".into(), Value::Number(n))] };
        NewRow { table: "t".into(), id: Some(n.to_string()), record, happened }
    }

    #[test]
    fn threads_that_record_at_once_each_get_their_own_answer() {
        let outbox = Outbox::open_in_memory(Options { max_bytes: 1 << 30 }).unwrap();
        let turn = Turn::default();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (turn, outbox) = (&turn, &outbox);
                scope.spawn(move || {
                    for n in 0..50 {
                        let numbers = [f64::from(writer * 1000 + n), f64::from(writer * 1000 + n) + 0.5];
                        let answers = turn.accept(outbox, numbers.map(row).to_vec()).unwrap();
                        for (answer, number) in answers.iter().zip(numbers) {
                            assert!(answer.id.ends_with(&format!("-{number}")), "{} for {number}", answer.id);
                        }
                        assert_eq!(answers.len(), 2);
                    }
                });
            }
        });
        assert_eq!(outbox.counts().unwrap().waiting, 800);
    }

    #[test]
    fn one_that_does_not_fit_keeps_nobody_else_out() {
        let outbox = Outbox::open_in_memory(Options { max_bytes: 400_000 }).unwrap();
        let turn = Turn::default();
        let huge = NewRow {
            record: outbox::Record { fields: vec![("x".into(), Value::Text("x".repeat(500_000)))] },
            ..row(0.0)
        };
        // Two that gathered while a third was writing.
        let slots = [Slot::default(), Slot::default()];
        *unpoisoned(&turn.gathered) =
            vec![(vec![huge], Arc::clone(&slots[0])), (vec![row(1.0)], Arc::clone(&slots[1]))];
        assert_eq!(turn.accept(&outbox, vec![row(2.0)]).unwrap().len(), 1);
        let taken = |slot: &Slot| unpoisoned(slot).take().unwrap();
        assert!(matches!(taken(&slots[0]), Err(AcceptError::Full { .. })));
        assert_eq!(taken(&slots[1]).unwrap().len(), 1);
        assert_eq!(outbox.counts().unwrap().waiting, 2);
    }
}
