//! Amendments: new values for rows that were recorded before.
//!
//! A queued row is changed where it is. One that is in a batch, or in the sheet, keeps its new values here until they are
//! seen in the sheet; then they belong to the memory of delivered rows, for as long as that lasts.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use sheet_courier::{Anchor, Displaced, Marker, MarkerId, caller_id_hash};

use super::batches::SEEN_ROW;
use super::cached::Cached as _;
use super::{AcceptError, CommitError, DiskError, Outbox, Record, Value, batches, identity};

/// Of an amendment. One that a person dropped is kept while something may stand on its row, to take that away: its `due`
/// is 2.
pub(super) const IS_WANTED: &str = "due <> 2";

/// So many delivered rows are remembered, at least.
const DELIVERED_ROWS: i64 = 2_000;

/// What became of an amendment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Amended {
    /// The row still waits in the queue, and waits with the new values.
    Merged,
    /// The row is being sent, or is in the sheet: the new values are kept, and follow it there.
    Kept,
    /// This device never recorded such a row, as far as it can tell. Nothing was changed.
    Unknown,
}

/// An amendment that is due.
#[derive(Clone, Debug)]
pub struct DueAmend {
    /// The amendment in the file.
    pub handle: i64,
    /// Id of the row.
    pub id: String,
    /// The new values.
    pub record: Record,
    /// What stands on the row, if it is being written.
    pub anchor: Option<Anchor>,
    /// The spreadsheet that the row was delivered to, if the row is remembered.
    pub remembered: Option<String>,
    /// Not new values: those of a row that landed under wrong columns.
    pub displaced: Option<Displaced>,
}

/// An amendment that waits.
#[derive(Clone, Debug)]
pub struct ListedAmend {
    /// Id of the row.
    pub id: String,
    /// The new values.
    pub record: Record,
    /// Why it waits for a person.
    pub reason: Option<String>,
}

impl Outbox {
    /// Gives a row new values for these fields; the others keep theirs. When this returns `Ok`, the new values survive a
    /// power cut. Several amendments of one row come true in the order in which they were made.
    ///
    /// # Errors
    /// Nothing was changed. `Full`, `LittleRoom`: deliver some, or make room.
    pub fn amend(&self, id: &str, fields: &[(String, Value)]) -> Result<Amended, AcceptError> {
        let mut connection = self.writable()?;
        self.written(&mut connection, |connection| self.amend_in(connection, id, fields))
    }

    fn amend_in(
        &self,
        connection: &mut Connection,
        id: &str,
        fields: &[(String, Value)],
    ) -> Result<Amended, AcceptError> {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT n, state, body FROM row WHERE id = ?1";
        let found: Option<(i64, i64, String)> =
            tx.query_row_cached(sql, (id,), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let in_batch = matches!(found, Some((_, 1, _)));
        let mut longest = 0;
        let amended = match found {
            Some((n, state, body)) if state != 1 => {
                let body = merged(&with_waiting(&tx, id, body)?, fields)?;
                longest = body.len();
                // A row that was set aside is sent again as it is now: that is what it was amended for.
                tx.execute_cached(
                    "UPDATE row SET body = ?2, state = 0, refusals = 0, reason = NULL, run = 0 WHERE n = ?1",
                    (n, body),
                )?;
                tx.execute_cached("UPDATE device SET amended = amended + 1", ())?;
                if state == 2 {
                    batches::lift_refusal(&tx)?;
                }
                Amended::Merged
            }
            _ if in_batch || may_be_delivered(&tx, id)? => {
                keep(&tx, id, fields, !in_batch)?;
                Amended::Kept
            }
            _ => return Ok(Amended::Unknown),
        };
        self.make_room(&tx, longest)?;
        self.touched.settle(&tx)?;
        tx.commit()?;
        Ok(amended)
    }

    /// The table of a row that is on this device or was delivered by it not long ago.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn table_of(&self, id: &str) -> Result<Option<String>, DiskError> {
        let sql = "SELECT tab FROM row WHERE id = ?1 UNION ALL SELECT tab FROM delivered WHERE id = ?1";
        Ok(self.connection().query_row_cached(sql, (id,), |row| row.get(0)).optional()?)
    }

    /// The amendments that wait, oldest first.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn amends(&self) -> Result<Vec<ListedAmend>, DiskError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached(&format!("SELECT id, body, reason FROM amend WHERE {IS_WANTED} ORDER BY n"))?;
        let listed = statement.query_map((), |row| {
            let record = record_of(&row.get::<_, String>(1)?).unwrap_or_default();
            Ok(ListedAmend { id: row.get(0)?, record, reason: row.get(2)? })
        })?;
        Ok(listed.collect::<Result<_, _>>()?)
    }

    /// The amendment whose turn it is: one that is being written, else the oldest. None of a row whose values, and
    /// whose id, are under wrong columns until a person has looked: it would not be found. Nor of one that is being written
    /// in a spreadsheet that does not answer: it comes after that.
    ///
    /// `parked`: not these, unless a person has sent them again.
    ///
    /// # Errors
    /// The disk could not be read, or holds what this program did not write.
    pub fn due_amend(&self, parked: &[i64]) -> Result<Option<DueAmend>, DiskError> {
        let connection = self.connection();
        let parked: Vec<String> = parked.iter().map(ToString::to_string).collect();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT n, id, body, anchor, seq, target,
                    (SELECT spreadsheet FROM delivered WHERE delivered.id = amend.id ORDER BY n DESC LIMIT 1), displaced
             FROM amend
             WHERE (anchor NOT NULL OR (due = 1 AND reason IS NULL AND (displaced NOT NULL OR id NOT IN
                    (SELECT id FROM amend WHERE due = 1 AND reason NOT NULL
                        AND (displaced NOT NULL OR anchor NOT NULL)))))
               AND (n NOT IN ({}) OR (anchor NOT NULL AND due = 1 AND reason IS NULL))
             ORDER BY anchor IS NULL, displaced IS NULL, n LIMIT 1",
            parked.join(",")
        ))?;
        let mut found = statement.query(())?;
        let Some(row) = found.next()? else { return Ok(None) };
        let anchor = match row.get::<_, Option<i64>>(3)? {
            Some(id) => Some(Anchor {
                id: MarkerId::parse(id).ok_or(DiskError::NotOurs("anchor"))?,
                seq: row.get(4)?,
                spreadsheet: row.get(5)?,
            }),
            None => None,
        };
        Ok(Some(DueAmend {
            handle: row.get(0)?,
            id: row.get(1)?,
            record: record_of(&row.get::<_, String>(2)?)?,
            anchor,
            remembered: row.get(6)?,
            displaced: match row.get::<_, Option<String>>(7)? {
                Some(text) => Some(serde_json::from_str(&text).map_err(|_| DiskError::NotOurs("displaced row"))?),
                None => None,
            },
        }))
    }
}

/// What may stand on rows that are being amended.
pub(super) fn anchors(connection: &Connection) -> Result<Vec<MarkerId>, DiskError> {
    let mut statement = connection.prepare_cached("SELECT anchor FROM amend WHERE anchor IS NOT NULL")?;
    let found = statement.query_map((), |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
    found.into_iter().map(|id| MarkerId::parse(id).ok_or(DiskError::NotOurs("anchor"))).collect()
}

/// `fields` over what `body` holds, in the order of both.
fn merged(body: &str, fields: &[(String, Value)]) -> Result<String, AcceptError> {
    let mut record = record_of(body)?;
    record.amend(fields);
    serde_json::to_string(&record).map_err(|_| AcceptError::NotJson)
}

fn record_of(body: &str) -> Result<Record, DiskError> {
    serde_json::from_str(body).map_err(|_| DiskError::NotOurs("record"))
}

/// A row that a person took out of a batch of an earlier spreadsheet may have left an amendment behind: it comes first.
fn with_waiting(tx: &Transaction<'_>, id: &str, body: String) -> Result<String, AcceptError> {
    let waiting: Option<(i64, String)> = tx
        .query_row_cached("SELECT n, body FROM amend WHERE id = ?1 AND due = 0", (id,), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((n, new)) = waiting else { return Ok(body) };
    tx.execute_cached("DELETE FROM amend WHERE n = ?1", (n,))?;
    merged(&body, &record_of(&new)?.fields)
}

/// An id that is remembered; or one that may be of a row that was forgotten: then the sheet is asked.
fn may_be_delivered(tx: &Transaction<'_>, id: &str) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT forgot, EXISTS (SELECT 1 FROM delivered WHERE id = ?1)
               OR EXISTS (SELECT 1 FROM amend WHERE id = ?1) FROM device";
    let (forgot, known): (bool, bool) = tx.query_row_cached(sql, (id,), |row| Ok((row.get(0)?, row.get(1)?)))?;
    if known {
        return Ok(true);
    }
    let is_base32 = |text: &str| text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    Ok(match id.split_once('-') {
        Some((ours, caller)) if identity::tags(tx)?.iter().any(|(_, tag)| tag == ours) => {
            let seen = "SELECT EXISTS (SELECT 1 FROM seen WHERE hash = ?1)";
            forgot || tx.query_row_cached(seen, (caller_id_hash(caller).as_slice(),), |row| row.get(0))?
        }
        // A sibling's row, in a spreadsheet that we share.
        Some((theirs, caller)) => theirs.len() == 6 && is_base32(theirs) && !caller.is_empty() && has_sheet(tx)?,
        None => forgot && id.len() == 20 && is_base32(id),
    })
}

fn has_sheet(tx: &Transaction<'_>) -> Result<bool, rusqlite::Error> {
    tx.query_row_cached("SELECT EXISTS (SELECT 1 FROM sheet)", (), |row| row.get(0))
}

/// Behind what waits for the same row already. While nothing of that is on its way it is one amendment.
fn keep(tx: &Transaction<'_>, id: &str, fields: &[(String, Value)], due: bool) -> Result<(), AcceptError> {
    let sql = "SELECT n, body FROM amend WHERE id = ?1 AND anchor IS NULL AND displaced IS NULL
               ORDER BY n DESC LIMIT 1";
    let waiting: Option<(i64, String)> =
        tx.query_row_cached(sql, (id,), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let body = merged(waiting.as_ref().map_or("{}", |(_, body)| body), fields)?;
    if let Some((n, _)) = waiting {
        // A new number, so that whoever is about to write the old values notices.
        tx.execute_cached("DELETE FROM amend WHERE n = ?1", (n,))?;
    }
    tx.execute_cached("INSERT INTO amend(id, body, due) VALUES (?1, ?2, ?3)", params![id, body, due])?;
    Ok(())
}

/// The batch is applied: its rows are remembered, and their amendments may follow them.
pub(super) fn are_delivered(
    tx: &Transaction<'_>,
    batch: MarkerId,
    unix_s: i64,
    keep: Option<Duration>,
) -> Result<(), rusqlite::Error> {
    let batch = batch.as_u32();
    tx.execute_cached(
        "INSERT INTO delivered(id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms, spreadsheet, at)
         SELECT id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms,
                (SELECT spreadsheet FROM batch WHERE batch.id = ?1), ?2
         FROM row WHERE batch = ?1 ORDER BY n",
        (batch, unix_s),
    )?;
    let of_it = "id IN (SELECT id FROM row WHERE batch = ?1)";
    tx.execute_cached(&format!("UPDATE amend SET due = 1 WHERE due = 0 AND {of_it}"), (batch,))?;
    forget_delivered(tx, keep.map(|keep| unix_s.saturating_sub(i64::try_from(keep.as_secs()).unwrap_or(i64::MAX))))
}

/// The same for one row that was seen in a spreadsheet.
pub(super) fn is_present(
    tx: &Transaction<'_>,
    n: i64,
    id: &str,
    spreadsheet: &str,
    unix_s: i64,
) -> Result<(), rusqlite::Error> {
    let seen = format!("INSERT OR IGNORE INTO seen(hash, at, identity) {SEEN_ROW} WHERE n = ?1 AND caller NOT NULL");
    tx.prepare_cached(&seen)?.execute((n, unix_s))?;
    tx.prepare_cached(
        "INSERT INTO delivered(id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms, spreadsheet, at)
         SELECT id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms, ?3, ?2 FROM row WHERE n = ?1",
    )?
    .execute(params![n, unix_s, spreadsheet])?;
    tx.execute_cached("UPDATE amend SET due = 1 WHERE due = 0 AND id = ?1", (id,))?;
    tx.prepare_cached("DELETE FROM row WHERE n = ?1")?.execute((n,))?;
    Ok(())
}

/// The oldest rows are forgotten, except those that are about to be amended, and those delivered since a moment.
fn forget_delivered(tx: &Transaction<'_>, since: Option<i64>) -> Result<(), rusqlite::Error> {
    let last: i64 = tx.query_row_cached("SELECT coalesce(max(n), 0) FROM delivered", (), |row| row.get(0))?;
    let young = match since {
        // In the order of delivery, so that this looks at those that go and one more.
        Some(since) => tx
            .prepare_cached("SELECT n FROM delivered WHERE at >= ?1 ORDER BY n LIMIT 1")?
            .query_row((since,), |row| row.get(0))
            .optional()?
            .unwrap_or(i64::MAX),
        None => i64::MAX,
    };
    let until = young.min(last - DELIVERED_ROWS);
    // A tenth at a time, so that this is rare.
    let due = "SELECT count(*) > ?2 FROM (SELECT 1 FROM delivered WHERE n < ?1 LIMIT ?2 + 1)";
    if tx.prepare_cached(due)?.query_row((until, DELIVERED_ROWS / 10), |row| row.get(0))? {
        tx.execute_cached("DELETE FROM delivered WHERE n < ?1 AND id NOT IN (SELECT id FROM amend)", (until,))?;
        tx.execute_cached("UPDATE device SET forgot = 1 WHERE forgot = 0", ())?;
    }
    Ok(())
}

/// The batch will never be applied: what waited for it is merged into its rows. They are other rows now: what was said
/// against them counts no more.
pub(super) fn follow_back(tx: &Transaction<'_>, batch: MarkerId) -> Result<Vec<i64>, DiskError> {
    let mut changed = Vec::new();
    let mut statement = tx.prepare_cached(
        "SELECT amend.n, amend.body, row.n, row.body FROM amend JOIN row ON row.id = amend.id
         WHERE amend.due = 0 AND row.batch = ?1 ORDER BY amend.n",
    )?;
    let found = statement.query_map((batch.as_u32(),), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
    })?;
    for amend in found.collect::<Result<Vec<_>, _>>()? {
        let (amend, new, row, old) = amend;
        let mut record = record_of(&old)?;
        record.amend(&record_of(&new)?.fields);
        let body = serde_json::to_string(&record).map_err(|_| DiskError::NotOurs("record"))?;
        tx.execute_cached("UPDATE row SET body = ?2 WHERE n = ?1", (row, body))?;
        tx.execute_cached("DELETE FROM amend WHERE n = ?1", (amend,))?;
        changed.push(row);
    }
    Ok(changed)
}

/// Amendments of rows that a person dropped.
pub(super) fn forget_orphans(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let gone = "NOT EXISTS (SELECT 1 FROM row WHERE row.id = amend.id)";
    tx.execute_cached(&format!("DELETE FROM amend WHERE due = 0 AND {gone}"), ())?;
    Ok(())
}

/// From here on these values, and no later ones, may be written.
pub(super) fn anchored(tx: &Transaction<'_>, amend: i64, anchor: &Anchor) -> Result<(), CommitError> {
    let sql = "UPDATE amend SET anchor = ?2, seq = ?3, target = ?4 WHERE n = ?1 AND anchor IS NULL";
    let changed = tx.execute_cached(sql, params![amend, anchor.id.as_u32(), anchor.seq, anchor.spreadsheet])?;
    if changed == 1 { Ok(()) } else { Err(CommitError::Stale) }
}

/// Its anchor can do nothing any more; it is a marker to be pruned now.
pub(super) fn closed(tx: &Transaction<'_>, amend: i64, anchor: &Marker, is_written: bool) -> Result<(), CommitError> {
    let (id, body, target): (String, String, String) = tx.query_row_cached(
        "SELECT id, body, target FROM amend WHERE n = ?1 AND anchor = ?2",
        (amend, anchor.id.as_u32()),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    batches::insert_marker(tx, &target, anchor)?;
    if !is_written {
        tx.execute_cached(&format!("DELETE FROM amend WHERE n = ?1 AND NOT ({IS_WANTED})"), (amend,))?;
        // If it waited for that, it goes on.
        let free = "UPDATE amend SET anchor = NULL, seq = NULL, target = NULL, reason = NULL WHERE n = ?1";
        tx.execute_cached(free, (amend,))?;
        return Ok(());
    }
    let sql = "SELECT n, body FROM delivered WHERE id = ?1 ORDER BY n DESC LIMIT 1";
    let known: Option<(i64, String)> =
        tx.query_row_cached(sql, (&id,), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((n, old)) = known {
        let mut record = record_of(&old)?;
        record.amend(&record_of(&body)?.fields);
        let body = serde_json::to_string(&record).map_err(|_| DiskError::NotOurs("record"))?;
        tx.execute_cached("UPDATE delivered SET body = ?2 WHERE n = ?1", (n, body))?;
    }
    tx.execute_cached("DELETE FROM amend WHERE n = ?1", (amend,))?;
    Ok(())
}

/// The row is not in the sheet any more: it goes back to the queue, whole, with its new values.
pub(super) fn returns(tx: &Transaction<'_>, amend: i64) -> Result<(), CommitError> {
    let sql = "SELECT id, body FROM amend WHERE n = ?1";
    let found: Option<(String, String)> =
        tx.query_row_cached(sql, (amend,), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((id, body)) = found else { return Err(CommitError::Stale) };
    let sql = "SELECT body FROM delivered WHERE id = ?1 ORDER BY n DESC LIMIT 1";
    let Some(old) = tx.query_row_cached(sql, (&id,), |row| row.get::<_, String>(0)).optional()? else {
        return Err(CommitError::Stale);
    };
    let mut record = record_of(&old)?;
    record.amend(&record_of(&body)?.fields);
    // What waits behind it comes along: written later, it would undo what is amended while the row is queued.
    let mut behind = tx.prepare_cached(
        "SELECT body FROM amend WHERE id = ?1 AND n > ?2 AND displaced IS NULL AND reason IS NULL AND anchor IS NULL
         ORDER BY n",
    )?;
    for body in behind.query_map(params![&id, amend], |row| row.get::<_, String>(0))? {
        record.amend(&record_of(&body?)?.fields);
    }
    let body = serde_json::to_string(&record).map_err(|_| DiskError::NotOurs("record"))?;
    tx.execute_cached(
        "INSERT INTO row(id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms)
         SELECT id, tab, ?2, wall_ms, trusted, mono_ms, boot, at_ms FROM delivered WHERE id = ?1 ORDER BY n DESC LIMIT 1",
        (&id, body),
    )?;
    tx.execute_cached("DELETE FROM delivered WHERE id = ?1", (&id,))?;
    let merged = "DELETE FROM amend WHERE n = ?2 OR (id = ?1 AND n > ?2 AND reason IS NULL AND anchor IS NULL)";
    tx.execute_cached(merged, params![&id, amend])?;
    Ok(())
}

/// Rows that landed under wrong columns are put right before anything else.
pub(super) fn are_displaced(tx: &Transaction<'_>, rows: &[Displaced]) -> Result<(), DiskError> {
    for row in rows {
        let text = serde_json::to_string(row).map_err(|_| DiskError::NotOurs("displaced row"))?;
        tx.prepare_cached("INSERT INTO amend(id, body, due, displaced) VALUES (?1, '{}', 1, ?2)")?
            .execute((&row.row, text))?;
    }
    Ok(())
}

/// A displaced row is not in the sheet any more. New values for it are another matter.
pub(super) fn is_gone(tx: &Transaction<'_>, amend: i64) -> Result<(), rusqlite::Error> {
    tx.execute_cached("DELETE FROM amend WHERE n = ?1 AND displaced NOT NULL AND anchor IS NULL", (amend,))?;
    Ok(())
}

pub(super) fn is_stuck(tx: &Transaction<'_>, amend: i64, reason: &str) -> Result<(), rusqlite::Error> {
    tx.execute_cached("UPDATE amend SET reason = ?2 WHERE n = ?1", (amend, reason))?;
    Ok(())
}

/// A person does not want them any more. What may stand on a row is still to be taken away: without it this device would
/// not know its own anchor when the spreadsheet answers again. Returns how many are gone, and how many of those that are
/// left may be written yet.
pub(super) fn drop_amends(
    tx: &Transaction<'_>,
    which: &str,
    id: Option<&str>,
) -> Result<(usize, usize), rusqlite::Error> {
    let which = format!("due = 1 AND {which} AND (?1 IS NULL OR id = ?1)");
    let change = |sql: &str| tx.execute(sql, (id,));
    let gone = change(&format!("DELETE FROM amend WHERE anchor IS NULL AND {which}"))?;
    let waited = change(&format!("UPDATE amend SET due = 2 WHERE reason NOT NULL AND {which}"))?;
    let on_its_way = change(&format!("UPDATE amend SET due = 2 WHERE {which}"))?;
    Ok((gone + waited, on_its_way))
}

#[cfg(test)]
mod tests;
