//! Spreadsheets that may have been made without anybody hearing of it: `spreadsheets.create` cannot be repeated safely.

use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

use super::notes::{note, put_note};
use super::{DiskError, Outbox};

const CREATES: &str = "creates";
/// Of more than so many the oldest are forgotten.
const AT_MOST: usize = 20;

/// An attempt to create a spreadsheet whose answer never came. If it was carried out, an empty spreadsheet lies about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    /// The title it was to have.
    pub title: String,
    /// When it was tried, as Unix seconds by our clock.
    pub at: i64,
}

#[derive(Default, Serialize, Deserialize)]
struct Creates {
    /// The one that is under way.
    open: Option<Unheard>,
    unheard: Vec<Unheard>,
}

impl Outbox {
    /// Attempts to create a spreadsheet that were never answered, oldest first.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn unheard_creates(&self) -> Result<Vec<Unheard>, DiskError> {
        Ok(creates(&self.connection())?.unheard)
    }
}

pub(super) fn is_open(connection: &Connection) -> Result<bool, rusqlite::Error> {
    Ok(creates(connection)?.open.is_some())
}

pub(super) fn begins(tx: &Transaction<'_>, title: &str, at: i64) -> Result<(), rusqlite::Error> {
    let mut creates = creates(tx)?;
    creates.unheard.extend(creates.open.take());
    let many = creates.unheard.len().saturating_sub(AT_MOST);
    creates.unheard.drain(..many);
    creates.open = Some(Unheard { title: title.to_owned(), at });
    put_note(tx, CREATES, Some(&creates))
}

/// It was carried out and answered, or certainly not carried out.
pub(super) fn ends(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let creates = Creates { open: None, ..creates(tx)? };
    put_note(tx, CREATES, Some(&creates).filter(|creates| !creates.unheard.is_empty()))
}

fn creates(connection: &Connection) -> Result<Creates, rusqlite::Error> {
    Ok(note(connection, CREATES)?.unwrap_or_default())
}
