//! What the holder of the delivery lock reads and writes: one transaction per arrow of the protocol.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use sheet_courier::{Batch, Cause, Digest, Durable, Hold, Marker, MarkerId, Phase, Tally, Transition, Verdict, Wish};

use super::cached::Cached as _;
use super::notes::{note, put_note};
use super::room::Size;
use super::sheets::{REFUSED, WISH, current_sheet, earlier_sheets, end_wish, insert_sheet};
use super::{CommitError, DiskError, Happened, Outbox, Record, amends, creates, identity};

/// How long the ids of delivered rows are remembered.
const SEEN_SECONDS: i64 = 90 * 24 * 3600;
/// Which batches are bound to an earlier spreadsheet. What a copy left behind is, also where that is the current one again.
pub(super) const BOUND: &str =
    "(spreadsheet <> (SELECT id FROM sheet ORDER BY n DESC LIMIT 1) OR coalesce(cause = 'copy', 0))";
/// How many ids of delivered rows are remembered, where there is room.
const SEEN_ROWS: u64 = 1_000_000;
/// One takes some 80 bytes, and all of them a third of the room at most: they go by age alone, and would be what keeps
/// records out of an outbox in which nothing waits.
const ROOM_FOR_SEEN: u64 = 256;

/// A row that may be frozen.
#[derive(Clone, Debug)]
pub struct QueuedRow {
    /// The row in the file.
    pub handle: i64,
    /// Row id.
    pub id: String,
    /// Its table.
    pub table: String,
    /// Its contents.
    pub record: Record,
    /// When it happened.
    pub happened: Happened,
    /// The largest batch it may be sent in.
    pub at_most: Option<u32>,
    /// How often it was refused alone.
    pub refusals: u32,
}

impl Outbox {
    /// Everything the courier starts from. `boot` is this boot's id and `now` the time since it.
    ///
    /// # Errors
    /// The disk could not be read, or holds what this program did not write.
    pub fn durable(&self, boot: &str, now: Duration) -> Result<Durable, DiskError> {
        let mut connection = self.connection();
        // One snapshot, so that its parts belong together.
        let tx = connection.transaction()?;
        let sheet = current_sheet(&tx)?;
        let markers = match &sheet {
            Some(sheet) => markers(&tx, &sheet.id)?,
            None => Vec::new(),
        };
        Ok(Durable {
            device: identity::device(&tx)?,
            sheet,
            batch: open_batch(&tx)?,
            markers,
            tally: tally(&tx, boot, now)?,
            hold: note(&tx, "hold")?,
            wish: note(&tx, WISH)?,
            bound: bound_batches(&tx)?,
            sheets: tx.query_row_cached("SELECT count(*) FROM sheet", (), |row| row.get(0))?,
            earlier: earlier_sheets(&tx)?,
            anchors: amends::anchors(&tx)?,
            creating: creates::is_open(&tx)?,
            release: identity::release(&tx)?,
            spare: identity::random_identity().ok_or(DiskError::NoRandomness)?,
        })
    }

    /// The oldest queued rows, up to `max_rows` and about `max_bytes` of their stored text (one row at least).
    ///
    /// # Errors
    /// The disk could not be read, or a row is not what this program wrote.
    pub fn queued(&self, max_rows: u32, max_bytes: usize) -> Result<Vec<QueuedRow>, DiskError> {
        let mut connection = self.connection();
        // One snapshot, so that a row that is amended from now on is noticed.
        let connection = connection.transaction()?;
        let amended = connection.query_row_cached("SELECT amended FROM device", (), |row| row.get(0))?;
        self.read_at.store(amended, Ordering::Relaxed);
        let mut statement = connection.prepare_cached(
            "SELECT n, id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms, at_most, refusals FROM row
             WHERE state = 0 ORDER BY n LIMIT ?1",
        )?;
        let mut found = statement.query((max_rows,))?;
        let mut rows = Vec::new();
        let mut bytes = 0;
        while let Some(row) = found.next()? {
            let body: String = row.get(3)?;
            bytes += body.len();
            if bytes > max_bytes && !rows.is_empty() {
                break;
            }
            rows.push(QueuedRow {
                handle: row.get(0)?,
                id: row.get(1)?,
                table: row.get(2)?,
                record: serde_json::from_str(&body).map_err(|_| DiskError::NotOurs("row"))?,
                happened: super::queue::happened(row, 4)?,
                at_most: row.get(9)?,
                refusals: row.get(10)?,
            });
        }
        Ok(rows)
    }

    /// Makes one change, wholly and durably, or not at all. `boot` is this boot's id; `unix_s` only ages the memory of ids.
    ///
    /// # Errors
    /// `Stale`: gather again. `Disk`: the courier must not go on from here.
    pub fn commit(&self, change: &Transition, boot: &str, unix_s: i64) -> Result<(), CommitError> {
        let mut connection = self.writable()?;
        let done = self.written(&mut connection, |connection| commit_in(self, connection, change, boot, unix_s));
        if done.is_ok() {
            self.secure_room(&connection);
        }
        done
    }

    /// How many batches are bound to an earlier spreadsheet.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn bound(&self) -> Result<usize, DiskError> {
        Ok(self
            .connection()
            .query_row_cached(&format!("SELECT count(*) FROM batch WHERE {BOUND}"), (), |row| row.get(0))?)
    }
}

fn commit_in(
    outbox: &Outbox,
    connection: &mut Connection,
    change: &Transition,
    boot: &str,
    unix_s: i64,
) -> Result<(), CommitError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match change {
        Transition::Creating(title) => creates::begins(&tx, title, unix_s)?,
        Transition::NotCreated => creates::ends(&tx)?,
        Transition::SheetCreated(sheet) => {
            creates::ends(&tx)?;
            insert_sheet(&tx, sheet)?;
        }
        Transition::Frozen { batch, rows, tally } => {
            let size = Size { rows: batch.rows.into(), bytes: batch.body.len() as u64, longest: longest(&tx, rows)? };
            if !outbox.has_room_for(&tx, size)? {
                return Err(DiskError::NoRoom.into());
            }
            take_seq(&tx, batch.seq)?;
            let amended: i64 = tx.query_row_cached("SELECT amended FROM device", (), |row| row.get(0))?;
            if amended != outbox.read_at.load(Ordering::Relaxed) {
                return Err(CommitError::Stale);
            }
            insert_batch(&tx, batch)?;
            for (handle, id) in rows {
                let sql = "UPDATE row SET state = 1, batch = ?1 WHERE n = ?2 AND id = ?3 AND state = 0";
                // A person may have dropped the row since it was read.
                if tx.prepare_cached(sql)?.execute(params![batch.id.as_u32(), handle, id])? != 1 {
                    return Err(CommitError::Stale);
                }
            }
            put_tally(&tx, tally, boot)?;
        }
        Transition::ToVoid { id, cause, reason } => {
            let sql = "UPDATE batch SET cause = ?2, reason = ?3 WHERE id = ?1";
            tx.execute_cached(sql, params![id.as_u32(), cause_text(*cause), reason])?;
        }
        Transition::Applied { marker, tally, displaced } => {
            are_done(outbox, &tx, marker, unix_s)?;
            amends::are_displaced(&tx, displaced)?;
            tx.execute_cached("UPDATE row SET run = 0 WHERE state = 2 AND run = 1", ())?;
            close_batch(&tx, marker)?;
            put_tally(&tx, tally, boot)?;
        }
        Transition::Voided { marker, verdict, tally, hold, wish } => {
            give_back(&tx, marker.id, verdict)?;
            close_batch(&tx, marker)?;
            // A person's wish is the later word.
            if wish.is_some() && note::<Wish>(&tx, WISH)?.is_none() {
                put_note(&tx, WISH, wish.as_ref())?;
            }
            if let Some(hold) = hold {
                tx.execute_cached("UPDATE row SET state = 0, refusals = 0, run = 0 WHERE state = 2 AND run = 1", ())?;
                put_note(&tx, "hold", Some(hold))?;
            }
            put_tally(&tx, tally, boot)?;
        }
        Transition::Rekeyed { old, left, batch, tally } => {
            take_seq(&tx, batch.seq)?;
            if let Some(marker) = left {
                insert_marker(&tx, &batch.spreadsheet, marker)?;
            }
            tx.execute_cached("DELETE FROM batch WHERE id = ?1", (old.as_u32(),))?;
            insert_batch(&tx, batch)?;
            tx.execute_cached("UPDATE row SET batch = ?2 WHERE batch = ?1", (old.as_u32(), batch.id.as_u32()))?;
            put_tally(&tx, tally, boot)?;
        }
        Transition::Stamped(ids, at) => {
            for id in ids {
                tx.execute_cached("UPDATE marker SET ended_at = ?2 WHERE id = ?1", (id.as_u32(), at))?;
            }
        }
        Transition::Pruned(ids) => {
            for id in ids {
                tx.execute_cached("DELETE FROM marker WHERE id = ?1", (id.as_u32(),))?;
            }
        }
        Transition::Held(hold) => {
            identity::finds_out(&tx, hold)?;
            put_note(&tx, "hold", Some(hold))?;
            if let Hold::Retired { .. } = hold {
                identity::put_release(&tx, None)?;
            }
        }
        Transition::Releasing(release) => identity::put_release(&tx, Some(release))?,
        Transition::Present { spreadsheet, ids } => identity::are_present(&tx, spreadsheet, ids, unix_s)?,
        Transition::Renamed { identity, markers } => self::identity::rename(&tx, identity, markers)?,
        Transition::Released => put_note(&tx, "hold", None::<&Hold>)?,
        Transition::Wished(wish) => {
            if let Wish::Claim(_) = wish {
                creates::ends(&tx)?;
            }
            // A person's wish is the later word.
            if !matches!(note(&tx, WISH)?, Some(Wish::New | Wish::Adopt(_))) {
                put_note(&tx, WISH, Some(wish))?;
            }
        }
        Transition::WishRefused { wish, message, hold } => {
            end_wish(&tx, wish)?;
            put_note(&tx, REFUSED, Some(message))?;
            if let Some(hold) = hold {
                put_note(&tx, "hold", Some(hold))?;
            }
        }
        Transition::Moved { sheet, wish, give_back, leaves, tally } => {
            if let Some(batch) = give_back {
                self::give_back(&tx, *batch, &Verdict::Return)?;
                tx.execute_cached("DELETE FROM batch WHERE id = ?1", (batch.as_u32(),))?;
            }
            if let Some(identity) = leaves {
                identity::leave_behind(&tx, identity)?;
            }
            if let Some(old) = current_sheet(&tx)? {
                tx.execute_cached("UPDATE sheet SET successor = ?2 WHERE id = ?1", (old.id, &sheet.id))?;
            }
            if let Wish::New = wish {
                creates::ends(&tx)?;
            }
            insert_sheet(&tx, sheet)?;
            end_wish(&tx, wish)?;
            put_note(&tx, "hold", None::<&Hold>)?;
            put_tally(&tx, tally, boot)?;
        }
        Transition::BoundSettled(marker) => {
            // A person may have taken its rows out of it meanwhile.
            let found: u32 =
                tx.query_row_cached("SELECT count(*) FROM batch WHERE id = ?1", (marker.id.as_u32(),), |row| {
                    row.get(0)
                })?;
            if found == 0 {
                return Err(CommitError::Stale);
            }
            if marker.applied {
                are_done(outbox, &tx, marker, unix_s)?;
            } else {
                self::give_back(&tx, marker.id, &Verdict::Return)?;
            }
            close_batch(&tx, marker)?;
        }
        Transition::Anchored { amend, anchor } => {
            take_seq(&tx, anchor.seq)?;
            amends::anchored(&tx, *amend, anchor)?;
        }
        Transition::AnchorClosed { amend, marker, is_written } => amends::closed(&tx, *amend, marker, *is_written)?,
        Transition::Returns { amend } => amends::returns(&tx, *amend)?,
        Transition::Gone { amend } => amends::is_gone(&tx, *amend)?,
        Transition::Stuck { amend, reason } => amends::is_stuck(&tx, *amend, reason)?,
    }
    outbox.touched.settle(&tx)?;
    Ok(tx.commit()?)
}

/// The longest of these rows, which follow each other in the file, or of those between them.
fn longest(tx: &Transaction<'_>, rows: &[(i64, String)]) -> Result<u64, rusqlite::Error> {
    let ends = (rows.first().map(|row| row.0), rows.last().map(|row| row.0));
    let sql = "SELECT coalesce(max(octet_length(body)), 0) FROM row WHERE n BETWEEN ?1 AND ?2";
    tx.query_row_cached(sql, ends, |row| row.get(0))
}

/// What `seen` keeps of a row, `?2` being the time: its id begins with the tag of the identity it was made under.
pub(super) const SEEN_ROW: &str = "SELECT caller, ?2, coalesce(
    (SELECT identity FROM former WHERE tag = substr(row.id, 1, 6)), (SELECT identity FROM device)) FROM row";

/// The rows of an applied batch are in the sheet.
fn are_done(outbox: &Outbox, tx: &Transaction<'_>, marker: &Marker, unix_s: i64) -> Result<(), rusqlite::Error> {
    let batch = marker.id.as_u32();
    // The request has done its work. What it took is used for what follows, so that this never needs more of a full disk.
    tx.execute_cached("UPDATE batch SET body = x'' WHERE id = ?1", (batch,))?;
    tx.execute_cached(
        &format!("INSERT OR IGNORE INTO seen(hash, at, identity) {SEEN_ROW} WHERE batch = ?1 AND caller NOT NULL"),
        (batch, unix_s),
    )?;
    amends::are_delivered(tx, marker.id, unix_s, outbox.keep_delivered)?;
    // Rarely: it counts up to a million. Not by the sequence number, of which anchors may take every other one: the first
    // character of the digest is this one in 64.
    if marker.value.starts_with("AA") {
        forget_seen(outbox, tx, unix_s)?;
    }
    tx.execute_cached("DELETE FROM row WHERE batch = ?1", (batch,))?;
    Ok(())
}

/// Rows of a voided batch leave it.
pub(super) fn give_back(tx: &Transaction<'_>, batch: MarkerId, verdict: &Verdict) -> Result<(), DiskError> {
    let amended = amends::follow_back(tx, batch)?;
    let batch = batch.as_u32();
    tx.execute_cached("DELETE FROM row WHERE batch = ?1 AND unwanted = 1", (batch,))?;
    match verdict {
        Verdict::Return => tx.execute_cached("UPDATE row SET state = 0, batch = NULL WHERE batch = ?1", (batch,)),
        Verdict::Halve(at_most) => {
            tx.execute_cached("UPDATE row SET state = 0, batch = NULL, at_most = ?2 WHERE batch = ?1", (batch, at_most))
        }
        Verdict::RefusedOnce(reason) => tx.execute_cached(
            "UPDATE row SET state = 0, batch = NULL, at_most = 1, refusals = refusals + 1, reason = ?2 WHERE batch = ?1",
            (batch, reason),
        ),
        Verdict::Aside(reason) => tx.execute_cached(
            "UPDATE row SET state = 2, batch = NULL, run = 1,
             reason = CASE WHEN reason IS NULL OR reason = ?2 THEN ?2 ELSE reason || '; then ' || ?2 END WHERE batch = ?1",
            (batch, reason),
        ),
    }?;
    for row in amended {
        tx.execute_cached("UPDATE row SET state = 0, refusals = 0, reason = NULL, run = 0 WHERE n = ?1", (row,))?;
    }
    Ok(())
}

/// Lifts a stop that refused rows caused.
pub(super) fn lift_refusal(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    tx.execute_cached("DELETE FROM note WHERE name = 'hold' AND value LIKE '%\"sheet_refuses\"%'", ())?;
    Ok(())
}

/// The batch is settled; its marker is in the spreadsheet.
fn close_batch(tx: &Transaction<'_>, marker: &Marker) -> Result<(), rusqlite::Error> {
    let id = marker.id.as_u32();
    let sql = "SELECT spreadsheet, coalesce(cause = 'copy', 0) FROM batch WHERE id = ?1";
    let (spreadsheet, is_copys): (String, bool) =
        tx.query_row_cached(sql, (id,), |row| Ok((row.get(0)?, row.get(1)?)))?;
    // What a copy left behind is not its own to prune.
    if !is_copys {
        insert_marker(tx, &spreadsheet, marker)?;
    }
    tx.execute_cached("DELETE FROM batch WHERE id = ?1", (id,))?;
    Ok(())
}

/// A sequence number is taken by the transaction that uses it, and never again.
pub(super) fn take_seq(tx: &Transaction<'_>, seq: u64) -> Result<(), CommitError> {
    let taken = tx.execute_cached("UPDATE device SET next_seq = ?1 + 1 WHERE next_seq = ?1", (seq,))?;
    if taken == 1 { Ok(()) } else { Err(CommitError::Stale) }
}

fn insert_batch(tx: &Transaction<'_>, batch: &Batch) -> Result<(), CommitError> {
    let tabs = serde_json::to_string(&batch.tabs).map_err(|_| DiskError::NotOurs("layout"))?;
    tx.execute_cached(
        "INSERT INTO batch(id, seq, spreadsheet, body, digest, tabs, rows, refusals) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
        params![
            batch.id.as_u32(),
            batch.seq,
            batch.spreadsheet,
            &batch.body[..],
            batch.digest.as_u64() as i64, // SQLite's integers are signed; the bits are what counts
            tabs,
            batch.rows,
            batch.refusals,
        ],
    )?;
    Ok(())
}

pub(super) fn insert_marker(tx: &Transaction<'_>, spreadsheet: &str, marker: &Marker) -> Result<(), rusqlite::Error> {
    tx.execute_cached(
        "INSERT OR REPLACE INTO marker(spreadsheet, id, seq, key, value, applied, doubt, ended_at)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
        params![
            spreadsheet,
            marker.id.as_u32(),
            marker.seq,
            marker.key,
            marker.value,
            marker.applied,
            marker.doubt,
            marker.ended_at,
        ],
    )?;
    Ok(())
}

/// A clock in the past forgets too little, one in the future too much: then a repeated id is a new row, as documented.
fn forget_seen(outbox: &Outbox, tx: &Transaction<'_>, unix_s: i64) -> Result<(), rusqlite::Error> {
    // Through the index on `at`: looks at the oldest only.
    tx.execute_cached("DELETE FROM seen WHERE at < ?1", (unix_s - SEEN_SECONDS,))?;
    forget_too_many_seen(outbox, tx).map(drop)
}

/// Forgets the oldest of them, if there are too many.
pub(super) fn forget_too_many_seen(outbox: &Outbox, tx: &Transaction<'_>) -> Result<bool, rusqlite::Error> {
    let most = SEEN_ROWS.min(outbox.size() / ROOM_FOR_SEEN);
    let over = "SELECT count(*) > ?1 FROM (SELECT 1 FROM seen LIMIT ?1 + 1)";
    let are_too_many = tx.query_row_cached(over, (most,), |row| row.get(0))?;
    if are_too_many {
        // A tenth at a time, so that this is rare.
        let oldest = "SELECT hash FROM seen ORDER BY at LIMIT ?1";
        tx.execute_cached(&format!("DELETE FROM seen WHERE hash IN ({oldest})"), (most / 10 + 1,))?;
    }
    Ok(are_too_many)
}

pub(super) fn open_batch(connection: &Connection) -> Result<Option<Batch>, DiskError> {
    Ok(batches(connection, &format!("NOT ({BOUND})"))?.pop())
}

fn bound_batches(connection: &Connection) -> Result<Vec<Batch>, DiskError> {
    batches(connection, BOUND)
}

fn batches(connection: &Connection, which: &str) -> Result<Vec<Batch>, DiskError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, seq, spreadsheet, body, digest, cause, reason, tabs, rows, refusals FROM batch
         WHERE {which} ORDER BY seq"
    ))?;
    let mut found = statement.query(())?;
    let mut batches = Vec::new();
    while let Some(row) = found.next()? {
        batches.push(batch_of(row)?);
    }
    Ok(batches)
}

fn batch_of(row: &Row<'_>) -> Result<Batch, DiskError> {
    let digest: i64 = row.get(4)?;
    let phase = match row.get::<_, Option<String>>(5)? {
        None => Phase::Send,
        Some(cause) => {
            let reason: Option<String> = row.get(6)?;
            Phase::Void(parse_cause(&cause).ok_or(DiskError::NotOurs("batch"))?, reason.unwrap_or_default())
        }
    };
    Ok(Batch {
        id: MarkerId::parse(row.get(0)?).ok_or(DiskError::NotOurs("batch"))?,
        seq: row.get(1)?,
        spreadsheet: row.get(2)?,
        body: Arc::from(row.get::<_, Vec<u8>>(3)?),
        digest: Digest::from_u64(digest as u64),
        phase,
        tabs: serde_json::from_str(&row.get::<_, String>(7)?).map_err(|_| DiskError::NotOurs("batch"))?,
        rows: row.get(8)?,
        refusals: row.get(9)?,
    })
}

fn markers(connection: &Connection, spreadsheet: &str) -> Result<Vec<Marker>, DiskError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, seq, key, value, applied, doubt, ended_at FROM marker WHERE spreadsheet = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query((spreadsheet,))?;
    let mut markers = Vec::new();
    while let Some(row) = rows.next()? {
        markers.push(Marker {
            id: MarkerId::parse(row.get(0)?).ok_or(DiskError::NotOurs("marker"))?,
            seq: row.get(1)?,
            key: row.get(2)?,
            value: row.get(3)?,
            applied: row.get(4)?,
            doubt: row.get(5)?,
            ended_at: row.get(6)?,
        });
    }
    Ok(markers)
}

/// Pacing is counted on a clock that starts with the boot.
#[derive(Serialize, Deserialize)]
struct StoredTally {
    boot: String,
    tally: Tally,
}

fn put_tally(connection: &Connection, tally: &Tally, boot: &str) -> Result<(), rusqlite::Error> {
    put_note(connection, "tally", Some(&StoredTally { boot: boot.into(), tally: *tally }))
}

fn tally(connection: &Connection, boot: &str, now: Duration) -> Result<Tally, rusqlite::Error> {
    Ok(match note::<StoredTally>(connection, "tally")? {
        None => Tally::default(),
        Some(stored) if stored.boot == boot => stored.tally,
        // How long the board was off is not known: no credit for that time.
        Some(stored) => Tally { tokens_at: now, ..stored.tally },
    })
}

fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::Content => "content",
        Cause::TooBig => "too big",
        Cause::NoAnswer => "no answer",
        Cause::Full => "full",
        Cause::Move => "move",
        Cause::Layout => "layout",
        Cause::Copy => "copy",
    }
}

fn parse_cause(text: &str) -> Option<Cause> {
    let all = [Cause::Content, Cause::TooBig, Cause::NoAnswer, Cause::Full, Cause::Move, Cause::Layout, Cause::Copy];
    all.into_iter().find(|cause| cause_text(*cause) == text)
}
