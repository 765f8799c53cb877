//! Recording: what came in, on disk before anybody is told that it was kept.

use std::fmt;
use std::sync::Arc;

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
}

/// The record was not kept.
#[derive(Debug)]
pub enum RecordError {
    /// It cannot be kept as it is; the text says why. Offered again it is refused again.
    Refused(Refused),
    /// The outbox is full: deliver some, or raise `max_bytes`. Nothing was recorded, and nothing dropped.
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

    /// Keeps all of `records` or none, with one sync.
    ///
    /// # Errors
    /// See [`RecordError`]; nothing was kept.
    pub fn record_all(&self, records: &[Record]) -> Result<Vec<Accepted>, RecordError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let now = Happened::now(&*self.clock);
        let rows: Vec<_> = records.iter().map(|record| self.row(record, &now)).collect::<Result<_, _>>()?;
        let accepted = self.outbox.accept(&rows).map_err(|error| match error {
            AcceptError::Full { .. } => RecordError::Full(error),
            _ => RecordError::Disk(error),
        })?;
        delivery::ring(&self.config.state_dir);
        Ok(accepted)
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
