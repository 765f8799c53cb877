//! The spreadsheets that rows went to and go to, and the wish for another.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};
use sheet_courier::{Hold, SheetRef, Wish};

use super::batches::open_batch;
use super::cached::Cached as _;
use super::notes::{note, put_note};
use super::{CommitError, DiskError, Outbox};

/// The notes about another spreadsheet: that it is wanted, and why it could not be had.
pub(super) const WISH: &str = "wish";
pub(super) const REFUSED: &str = "wish refused";

impl Outbox {
    /// The spreadsheet rows go to.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn sheet(&self) -> Result<Option<SheetRef>, DiskError> {
        Ok(current_sheet(&self.connection())?)
    }

    /// From now on rows go to `sheet`. Use it only while holding the delivery lock.
    ///
    /// # Errors
    /// `Stale`: a batch for another spreadsheet is in flight and must be settled first.
    pub fn set_sheet(&self, sheet: &SheetRef) -> Result<(), CommitError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if open_batch(&tx)?.is_some_and(|batch| batch.spreadsheet != sheet.id) {
            return Err(CommitError::Stale);
        }
        insert_sheet(&tx, sheet)?;
        put_note(&tx, "hold", None::<&Hold>)?;
        Ok(tx.commit()?)
    }

    /// All spreadsheets that rows went to, the current one last.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn sheets(&self) -> Result<Vec<SheetRef>, DiskError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT id, url, title FROM sheet ORDER BY n")?;
        let sheets = statement.query_map((), sheet_of)?.collect::<Result<_, _>>()?;
        Ok(sheets)
    }

    /// Another spreadsheet is wanted, by a person. Whoever holds the delivery lock makes it come true; until then and
    /// after a refusal all stays as it is.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn set_wish(&self, wish: &Wish) -> Result<(), DiskError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        put_note(&tx, WISH, Some(wish))?;
        put_note(&tx, REFUSED, None::<&String>)?;
        Ok(tx.commit()?)
    }

    /// Another spreadsheet is wanted.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn wish(&self) -> Result<Option<Wish>, DiskError> {
        Ok(note(&self.connection(), WISH)?)
    }

    /// Why the last wish did not come true.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn wish_refused(&self) -> Result<Option<String>, DiskError> {
        Ok(note(&self.connection(), REFUSED)?)
    }
}

/// A person may have wished for something else meanwhile: that stays.
pub(super) fn end_wish(tx: &Transaction<'_>, wish: &Wish) -> Result<(), rusqlite::Error> {
    if note::<Wish>(tx, WISH)?.as_ref() == Some(wish) {
        put_note(tx, WISH, None::<&Wish>)?;
    }
    Ok(())
}

pub(super) fn insert_sheet(tx: &Transaction<'_>, sheet: &SheetRef) -> Result<(), rusqlite::Error> {
    // The newest row is the current sheet, also when an older one is adopted again.
    tx.execute_cached(
        "INSERT OR REPLACE INTO sheet(id, url, title) VALUES (?1, ?2, ?3)",
        (&sheet.id, &sheet.url, &sheet.title),
    )?;
    Ok(())
}

pub(super) fn current_sheet(connection: &Connection) -> Result<Option<SheetRef>, rusqlite::Error> {
    connection.query_row_cached("SELECT id, url, title FROM sheet ORDER BY n DESC LIMIT 1", (), sheet_of).optional()
}

pub(super) fn earlier_sheets(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT id FROM sheet ORDER BY n DESC LIMIT -1 OFFSET 1")?;
    statement.query_map((), |row| row.get(0))?.collect()
}

fn sheet_of(row: &Row<'_>) -> Result<SheetRef, rusqlite::Error> {
    Ok(SheetRef { id: row.get(0)?, url: row.get(1)?, title: row.get(2)? })
}
