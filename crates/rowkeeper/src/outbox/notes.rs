//! Notes from one process to another: what the sender said of itself last, why nothing is sent. No row depends on one.

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use sheet_courier::Hold;

use super::cached::Cached as _;
use super::{DiskError, Outbox};

/// What the sender last said about itself, for `status` in another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// One line; none when the last request was answered as hoped.
    pub last_error: Option<String>,
    /// When the next request is made, as Unix milliseconds of the wall clock.
    pub next_try: Option<i64>,
}

impl Outbox {
    /// What the sender last said about itself.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn status(&self) -> Result<Status, DiskError> {
        Ok(note(&self.connection(), "status")?.unwrap_or_default())
    }

    /// For `status` in other processes. Not worth a sync: after a power cut the next attempt says it again.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn set_status(&self, status: &Status) -> Result<(), DiskError> {
        let mut connection = self.writable()?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let written = self.written(&mut connection, |connection| Ok(put_note(connection, "status", Some(status))?));
        // Before anything else is written, whatever became of the status: rows rest on FULL.
        connection.pragma_update(None, "synchronous", "FULL")?;
        written
    }

    /// Why nothing is sent, if so.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn hold(&self) -> Result<Option<Hold>, DiskError> {
        Ok(note(&self.connection(), "hold")?)
    }
}

/// Which spreadsheet was seen in the bin.
const BINNED: &str = "binned";

impl Outbox {
    /// The spreadsheet that was in the bin when somebody looked last. Rows may go to another by now.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn binned(&self) -> Result<Option<String>, DiskError> {
        Ok(note(&self.connection(), BINNED)?)
    }

    /// This spreadsheet is in the bin, or none is.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn set_binned(&self, spreadsheet: Option<&str>) -> Result<(), DiskError> {
        let connection = self.writable()?;
        if note::<String>(&connection, BINNED)?.as_deref() != spreadsheet {
            put_note(&connection, BINNED, spreadsheet.as_ref())?;
        }
        Ok(())
    }
}

/// A note that cannot be read counts as none: they hold nothing that rows depend on.
pub(super) fn note<T: for<'de> Deserialize<'de>>(
    connection: &Connection,
    name: &str,
) -> Result<Option<T>, rusqlite::Error> {
    let text: Option<String> =
        connection.query_row_cached("SELECT value FROM note WHERE name = ?1", (name,), |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(super) fn put_note<T: Serialize>(
    connection: &Connection,
    name: &str,
    value: Option<&T>,
) -> Result<(), rusqlite::Error> {
    match value.and_then(|value| serde_json::to_string(value).ok()) {
        Some(text) => {
            connection.execute_cached("INSERT OR REPLACE INTO note(name, value) VALUES (?1, ?2)", (name, text))?
        }
        None => connection.execute_cached("DELETE FROM note WHERE name = ?1", (name,))?,
    };
    Ok(())
}
