//! Who this device is, was, and will be (the protocol, section 8).

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sheet_courier::{Device, Hold, Identity, Marker, MarkerId, Release, Tag, Verdict, caller_id_hash};

use super::batches::{give_back, insert_marker, open_batch, take_seq};
use super::cached::Cached as _;
use super::notes::{note, put_note};
use super::sheets::current_sheet;
use super::{CommitError, DiskError, Outbox, amends};

/// The note about another identity that is being taken.
const RELEASE: &str = "release";
/// That about the newest row there was when this state directory found out that it is a copy.
const FOUND_OUT: &str = "copy since";

/// What became of a person's word that this copy is the one that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// It goes on, once nothing of another copy can be on its way any more.
    Soon,
    /// Nothing kept it from going on.
    Anyway,
}

impl Outbox {
    /// A person says that no other copy of this state directory goes on. Whoever holds the delivery lock makes it come true.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn goes_on(&self) -> Result<GoesOn, DiskError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !matches!(note(&tx, "hold")?, Some(Hold::Copy { .. } | Hold::Retired { .. })) {
            return Ok(GoesOn::Anyway);
        }
        let release = match release(&tx)? {
            Some(release) => release,
            None => Release::to(random_identity().ok_or(DiskError::NoRandomness)?),
        };
        put_note(&tx, RELEASE, Some(&Release { told: true, claimed: Vec::new(), since: None, ..release }))?;
        put_note(&tx, "hold", Some(&Hold::Copy { marker: 0 }))?;
        tx.commit()?;
        Ok(GoesOn::Soon)
    }

    /// How far a copy is on its way to an identity of its own.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn release(&self) -> Result<Option<Release>, DiskError> {
        Ok(release(&self.connection())?)
    }

    /// All tags that this device has or had, the present one first.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn tags(&self) -> Result<Vec<String>, DiskError> {
        Ok(tags(&self.connection())?.into_iter().map(|(_, tag)| tag).collect())
    }

    /// Since when (Unix seconds) each of these has looked as it looks now; what is not given is forgotten.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn unchanged_since(&self, prints: &[(String, u64)], now: i64) -> Result<Vec<i64>, DiskError> {
        const SEEN: &str = "markers seen";
        let connection = self.writable()?;
        let before: BTreeMap<String, (u64, i64)> = note(&connection, SEEN)?.unwrap_or_default();
        let since = |(tag, print): &(String, u64)| match before.get(tag) {
            Some((same, since)) if same == print => *since,
            _ => now,
        };
        let seen: BTreeMap<&str, (u64, i64)> =
            prints.iter().map(|print| (print.0.as_str(), (print.1, since(print)))).collect();
        put_note(&connection, SEEN, Some(&seen))?;
        Ok(prints.iter().map(since).collect())
    }

    /// The tag that this device has in its markers.
    ///
    /// # Errors
    /// The disk could not be read, or holds what this program did not write.
    pub fn tag(&self) -> Result<Tag, DiskError> {
        Ok(device(&self.connection())?.tag)
    }
}

pub(super) fn random_identity() -> Option<Identity> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).ok()?;
    let [a, b, c, d, base @ ..] = random;
    Some(Identity { tag: Tag::from_random([a, b, c, d]), base: u32::from_be_bytes(base) })
}

pub(super) fn device(connection: &Connection) -> Result<Device, DiskError> {
    let (tag, base, next_seq): (String, u32, u64) =
        connection.query_row_cached("SELECT tag, base, next_seq FROM device", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut statement = connection.prepare_cached("SELECT tag, base FROM former ORDER BY identity")?;
    let rows = statement.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut former = Vec::new();
    for row in rows {
        let (tag, base) = row?;
        former.push(Identity { tag: Tag::parse(&tag).ok_or(DiskError::NotOurs("device tag"))?, base });
    }
    Ok(Device { tag: Tag::parse(&tag).ok_or(DiskError::NotOurs("device tag"))?, base, next_seq, former })
}

/// All tags of this device with their numbers, the present one first.
pub(super) fn tags(connection: &Connection) -> Result<Vec<(i64, String)>, rusqlite::Error> {
    let sql = "SELECT identity, tag FROM device UNION ALL SELECT identity, tag FROM former ORDER BY 1 DESC";
    connection.prepare_cached(sql)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

pub(super) fn release(connection: &Connection) -> Result<Option<Release>, rusqlite::Error> {
    note(connection, RELEASE)
}

pub(super) fn put_release(tx: &Transaction<'_>, release: Option<&Release>) -> Result<(), rusqlite::Error> {
    put_note(tx, RELEASE, release)
}

/// These ids stand in a spreadsheet: rows of ours among them are done, wherever they are kept, and an id that a caller
/// made is known from now on, also if it was recorded after the backup that this is.
pub(super) fn are_present(
    tx: &Transaction<'_>,
    spreadsheet: &str,
    ids: &[String],
    unix_s: i64,
) -> Result<(), rusqlite::Error> {
    let tags = tags(tx)?;
    let mut seen = tx.prepare_cached("INSERT OR IGNORE INTO seen(hash, at, identity) VALUES (?1, ?2, ?3)")?;
    for id in ids {
        let Some((tag, caller)) = id.split_once('-') else { continue };
        if let Some((identity, _)) = tags.iter().find(|(_, ours)| ours == tag) {
            seen.execute(params![caller_id_hash(caller).as_slice(), unix_s, identity])?;
        }
    }
    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let mut rows = tx.prepare_cached("SELECT n, id FROM row ORDER BY n")?;
    let rows = rows.query_map((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let found: Vec<(i64, String)> =
        rows.filter(|row| row.as_ref().map_or(true, |(_, id)| ids.contains(id.as_str()))).collect::<Result<_, _>>()?;
    for (n, id) in found {
        amends::is_present(tx, n, &id, spreadsheet, unix_s)?;
    }
    forget_what_left_nothing(tx)
}

/// What a copy left behind, if all of its rows turned out to be in a sheet.
fn forget_what_left_nothing(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let empty = "NOT EXISTS (SELECT 1 FROM row WHERE row.batch = batch.id)";
    tx.execute(&format!("DELETE FROM batch WHERE cause = 'copy' AND {empty}"), ())?;
    Ok(())
}

/// To be said before the hold is on disk: what is recorded from here on, no other copy has.
pub(super) fn finds_out(tx: &Transaction<'_>, hold: &Hold) -> Result<(), rusqlite::Error> {
    let is_copy = |hold: &Hold| matches!(hold, Hold::Copy { .. } | Hold::Retired { .. });
    if is_copy(hold) && !note(tx, "hold")?.as_ref().is_some_and(is_copy) {
        let newest: i64 = tx.query_row("SELECT coalesce(max(n), 0) FROM row", (), |row| row.get(0))?;
        put_note(tx, FOUND_OUT, Some(&newest))?;
    }
    Ok(())
}

/// A copy goes on as another device, and cannot look which of its rows are in the spreadsheet that is the current one so
/// far. Those that another copy may have too stay there, bound, until a person decides.
pub(super) fn leave_behind(tx: &Transaction<'_>, identity: &Identity) -> Result<(), CommitError> {
    let Some(sheet) = current_sheet(tx)? else { return Err(CommitError::Stale) };
    tx.execute("UPDATE batch SET cause = 'copy', reason = NULL", ())?;
    let newest: i64 = note(tx, FOUND_OUT)?.unwrap_or(i64::MAX);
    let device = device(tx)?;
    let id = MarkerId::of(device.base, device.next_seq).as_u32();
    // Rows that were set aside too: another copy's person may have sent them again.
    let bind = "UPDATE row SET state = 1, batch = ?1, run = 0 WHERE state <> 1 AND n <= ?2";
    let rows = tx.execute(bind, (id, newest))?;
    if rows > 0 {
        take_seq(tx, device.next_seq)?;
        tx.execute(
            "INSERT INTO batch(id, seq, spreadsheet, body, digest, cause, tabs, rows, refusals)
             VALUES (?1, ?2, ?3, x'', 0, 'copy', '[]', ?4, 0)",
            params![id, device.next_seq, sheet.id, rows],
        )?;
    }
    forget_what_left_nothing(tx)?;
    // Not ours to prune any more: nothing is known to be claimed there that would stand for the newest of them.
    tx.execute("DELETE FROM marker WHERE spreadsheet = ?1", (&sheet.id,))?;
    Ok(become_another(tx, identity)?)
}

/// The rows that are left are nobody else's now.
pub(super) fn rename(tx: &Transaction<'_>, identity: &Identity, markers: &[Marker]) -> Result<(), DiskError> {
    if let Some(batch) = open_batch(tx)? {
        give_back(tx, batch.id, &Verdict::Return)?;
        tx.execute_cached("DELETE FROM batch WHERE id = ?1", (batch.id.as_u32(),))?;
    }
    if let Some(sheet) = current_sheet(tx)? {
        for marker in markers {
            insert_marker(tx, &sheet.id, marker)?;
        }
    }
    Ok(become_another(tx, identity)?)
}

fn become_another(tx: &Transaction<'_>, identity: &Identity) -> Result<(), rusqlite::Error> {
    tx.execute_cached("INSERT INTO former(identity, tag, base) SELECT identity, tag, base FROM device", ())?;
    // A newer state may have delivered rows that are not remembered here: the sheet is asked for them.
    tx.execute_cached(
        "UPDATE device SET tag = ?1, base = ?2, identity = identity + 1, forgot = 1",
        (identity.tag.as_str(), identity.base),
    )?;
    put_note(tx, "hold", None::<&Hold>)?;
    put_note(tx, FOUND_OUT, None::<&i64>)?;
    put_release(tx, None)
}
