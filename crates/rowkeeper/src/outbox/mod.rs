//! The outbox: rows that were recorded and are not yet known to be in the sheet, in one SQLite file.
//!
//! Several processes may record at once. Only the holder of the delivery lock uses [`Outbox::durable`],
//! [`Outbox::queued`] and [`Outbox::commit`].
//!
//! Not here: what a batch is and when it is sent (`sheet-courier`), and sending it ([`crate::delivery`]).

mod amends;
mod batches;
mod cached;
mod counts;
mod creates;
mod errors;
mod export;
mod identity;
mod notes;
mod queue;
mod record;
mod room;
mod schema;
mod sheets;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, ffi, params};
use sheet_courier::{Tag, caller_id_hash, random_row_id};

use crate::durable::{self, Held};
use cached::{Cached as _, STATEMENTS};
use counts::Touched;
use errors::OfDisk;
use room::{Place, empty_log};

pub use amends::{Amended, DueAmend, ListedAmend};
pub use batches::QueuedRow;
pub use counts::{Counts, Recount};
pub use creates::Unheard;
pub use errors::{AcceptError, CommitError, DiskError, OpenError};
pub use export::Format;
pub use identity::GoesOn;
pub use notes::Status;
pub use queue::{Dropped, Filter, Listed, Retried, RowState, Which};
pub(crate) use record::rfc3339;
pub use record::{Happened, Record, Value};

/// So long one process waits for another that writes.
const BUSY: Duration = Duration::from_secs(10);

/// How much the outbox may hold.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Beyond this many bytes in the file new records are refused, never old ones dropped.
    pub max_bytes: u64,
}

/// A record to be kept.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// The table (tab) it belongs to.
    pub table: String,
    /// The caller's own id: the same id is kept once, for as long as it is remembered.
    pub id: Option<String>,
    /// What it says.
    pub record: Record,
    /// When it happened.
    pub happened: Happened,
}

/// The answer to one [`NewRow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The row's id, as in column A.
    pub id: String,
    /// What happened to it.
    pub kept: Kept,
}

/// Whether a row is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It survives a power cut from now on.
    Kept,
    /// The same id was recorded before: nothing was written.
    Known,
}

/// The rows and all that is known about their delivery.
pub struct Outbox {
    connection: Mutex<Connection>,
    options: Options,
    /// How long delivered rows are remembered at least.
    keep_delivered: Option<Duration>,
    /// A sync failed: what the file holds is not known until it is opened again.
    failed: AtomicBool,
    /// How often queued rows had been changed when they were read for a batch.
    read_at: AtomicI64,
    touched: Touched,
    place: Place,
    /// Behind the connection, as fields are dropped in their order. Carries "a power cut leaves the outbox whole": whoever
    /// closes the outbox last has SQLite copy the log to the main file and remove the log, without a sync. Where freed blocks
    /// are given away before that is on the disk (ext4 with `data=writeback`, file systems without a journal), a power
    /// cut could bring the old log back with a stranger's block in its middle, and what is before that block, older
    /// pages, would be laid over newer ones.
    _log: Held,
}

impl Outbox {
    /// Opens the outbox at `path`, or creates it, readable by this user alone.
    ///
    /// What is in it then is on the disk. A process that died between writing to the log and syncing it left rows and
    /// batches there that SQLite reads like any other; to answer "known", or to send such a batch, and then to lose power
    /// would be to break a promise.
    ///
    /// # Errors
    /// `File`: the directory must exist and be writable. `Newer`: use the newer program. `Damaged`: nothing was changed;
    /// keep the file, recover what can be recovered with SQLite's own tools, and start with a new one.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        create_private(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let log = durable::with_suffix(path, "-wal");
        // What a crash left: should this open fail, it is closed again, and what is closed last is removed.
        let _left = Held::of(&log);
        let place = Place::File(path.to_owned());
        let outbox = Self::prepare(Connection::open_with_flags(path, flags)?, place, options)?;
        durable::sync_if_there(&log).map_err(OpenError::Unsynced)?;
        Ok(Self { _log: Held::of(&log), ..outbox })
    }

    /// Opens the outbox at `path` to look at it where nothing can be written: a disk that is full or was remounted read-only
    /// is the very time to ask what waits. Recording into it fails.
    ///
    /// # Errors
    /// As [`Outbox::open`]; also when a crash left a log beside the file on a disk that was remounted read-only.
    pub fn open_to_look(path: &Path, options: Options) -> Result<Self, OpenError> {
        // The log's index is a file, and on a full disk there is no room for it.
        Self::look(path, options).or_else(|error| Self::look_alone(path, options).map_err(|_| error))
    }

    fn look(path: &Path, options: Options) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let log = durable::with_suffix(path, "-wal");
        // Without a log nothing is missing from the main file, and "immutable" spares SQLite its side files.
        let unchanging = !log.metadata().is_ok_and(|log| log.len() > 0);
        let mut uri = String::from("file:");
        for byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    uri.push(char::from(*byte))
                }
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        if unchanging {
            uri.push_str("?immutable=1");
        }
        Self::looking(Connection::open_with_flags(uri, flags)?, options)
    }

    /// With the log's index in memory, which SQLite does for who has the file alone. Where others use it, their index is
    /// there, and [`Outbox::look`] has read it.
    fn look_alone(path: &Path, options: Options) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Self::looking(connection, options)
    }

    fn looking(connection: Connection, options: Options) -> Result<Self, OpenError> {
        match schema::version(&connection)? {
            schema::VERSION => {}
            found @ ..schema::VERSION => return Err(OpenError::Older { found }),
            found => return Err(OpenError::Newer { found, known: schema::VERSION }),
        }
        Ok(Self::of(connection, Place::Memory, options, Touched::default()))
    }

    /// An outbox that ends with the process: for tests and simulations.
    ///
    /// # Errors
    /// Out of memory, or no randomness from the OS.
    pub fn open_in_memory(options: Options) -> Result<Self, OpenError> {
        Self::prepare(Connection::open_in_memory()?, Place::Memory, options)
    }

    fn of(connection: Connection, place: Place, options: Options, touched: Touched) -> Self {
        let (failed, read_at) = (AtomicBool::new(false), AtomicI64::new(0));
        let (connection, _log) = (Mutex::new(connection), Held::default());
        Self { connection, options, keep_delivered: None, failed, read_at, touched, place, _log }
    }

    /// Remembers delivered rows for so long at least, for exports. They make room when the outbox is full.
    #[must_use]
    pub fn keeping_delivered(self, keep_delivered: Option<Duration>) -> Self {
        Self { keep_delivered, ..self }
    }

    fn prepare(mut connection: Connection, place: Place, options: Options) -> Result<Self, OpenError> {
        // Another process may be recording: wait for it rather than fail.
        connection.busy_timeout(BUSY)?;
        // Carries "little wear": a lone record writes one page to the log, and small ones fill fewer blocks of the card. Only
        // a new file takes it.
        connection.pragma_update(None, "page_size", 1024)?;
        // Carries "several processes record while one delivers": readers and the writer do not block each other.
        patiently(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
        // Carries "when `accept` returns, the row survives a power cut": every commit syncs the log.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Carries nothing but a small resident size; in KiB.
        connection.pragma_update(None, "cache_size", -512)?;
        // Carries "the log does not stay large for ever after one busy hour".
        connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
        // As many bytes as by custom, in smaller pages.
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        // Both carry nothing but less work for a small processor: statements are kept, and not planned again for each other
        // value that is bound to them.
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // Somebody may hand us a file with views or triggers in it: they may not do more than plain SQL.
        connection.pragma_update(None, "trusted_schema", false)?;

        // Random at the first open; the file's own afterwards.
        let identity = identity::random_identity().ok_or(OpenError::NoRandomness)?;
        schema::migrate(&mut connection, &identity)?;
        let touched = Touched::by(&mut connection)?;
        Ok(Self::of(connection, place, options, touched))
    }

    /// Keeps `rows`, all or none, in one transaction: many rows cost one sync.
    ///
    /// When this returns `Ok`, the rows survive a power cut.
    ///
    /// # Errors
    /// `Full`, `LittleRoom`: nothing was recorded; deliver some, or make room. `Disk`: not recorded as far as we know;
    /// offered again under the same ids, rows are kept once.
    pub fn accept(&self, rows: &[NewRow]) -> Result<Vec<Accepted>, AcceptError> {
        let mut connection = self.writable()?;
        self.written(&mut connection, |connection| self.accept_in(connection, rows))
    }

    fn accept_in(&self, connection: &mut Connection, rows: &[NewRow]) -> Result<Vec<Accepted>, AcceptError> {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tags = identity::tags(&tx)?;
        let mut accepted = Vec::with_capacity(rows.len());
        let mut longest = None;
        for row in rows {
            let (one, bytes) = accept_one(&tx, &tags, row)?;
            accepted.push(one);
            longest = longest.max(bytes);
        }
        if let Some(longest) = longest {
            self.make_room(&tx, longest)?;
        }
        if let Some(row) = rows.iter().rfind(|row| row.happened.wall.trusted) {
            correct_times(&tx, &row.happened)?;
        }
        self.touched.settle(&tx)?;
        tx.commit()?;
        Ok(accepted)
    }

    /// The clock has come right: rows that this boot recorded before that get the time it would have shown then.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn correct_times(&self, now: &Happened) -> Result<(), DiskError> {
        if !now.wall.trusted {
            return Ok(());
        }
        let mut connection = self.writable()?;
        // Most of the time there are none, and no lock is taken.
        let any = "SELECT EXISTS (SELECT 1 FROM row WHERE trusted = 0 AND boot = ?1)";
        if connection.prepare_cached(any)?.query_row((&now.boot,), |row| row.get(0))? {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            correct_times(&tx, now)?;
            self.touched.settle(&tx)?;
            tx.commit()?;
        }
        Ok(())
    }

    /// What SQLite finds wrong with the file; empty if nothing.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn integrity_check(&self) -> Result<Vec<String>, DiskError> {
        let connection = self.connection();
        let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
        let found = statement.query_map((), |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(if found == ["ok"] { Vec::new() } else { found })
    }

    /// A number that changes when another process has changed the file. Cheap: no page is read if nothing changed.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn data_version(&self) -> Result<i64, DiskError> {
        Ok(self.connection().query_row_cached("PRAGMA data_version", (), |row| row.get(0))?)
    }

    /// Another identity, before the first row: for simulations, where chance comes from a seed.
    ///
    /// # Errors
    /// The disk could not be written.
    #[doc(hidden)]
    pub fn become_device(&self, tag: &Tag, base: u32) -> Result<(), DiskError> {
        self.connection().execute("UPDATE device SET tag = ?1, base = ?2", (tag.as_str(), base))?;
        Ok(())
    }

    /// A whole copy in a new file: what a careless backup makes. For simulations; a copy that delivers is a twin.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    #[doc(hidden)]
    pub fn copy_to(&self, path: &Path) -> Result<(), DiskError> {
        self.connection().execute("VACUUM INTO ?1", (path.to_string_lossy(),))?;
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic in another thread left at most an open transaction, which SQLite has rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writable(&self) -> Result<MutexGuard<'_, Connection>, DiskError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(DiskError::Failed);
        }
        Ok(self.connection())
    }

    /// Does `deed`, one transaction; once more where the disk has too little room and the log can give back what it takes.
    fn written<T, E: OfDisk>(
        &self,
        connection: &mut Connection,
        mut deed: impl FnMut(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut done = deed(connection);
        let failed = done.as_ref().err();
        let is_full = failed.and_then(E::disk).is_some_and(DiskError::is_full);
        if is_full || failed.is_some_and(E::is_for_others) && self.place.has_log() {
            // Where it does not work, the second attempt ends as the first did.
            _ = empty_log(connection);
            done = deed(connection);
        }
        if let Some(error) = done.as_ref().err().and_then(E::disk) {
            self.note_failure(error);
        }
        done
    }

    /// After a failed sync the kernel may have dropped the pages it could not write and report success next time.
    fn note_failure(&self, error: &DiskError) {
        if let DiskError::Sqlite(rusqlite::Error::SqliteFailure(error, _)) = error {
            let sync = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
            if sync.contains(&error.extended_code) {
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// And how long the row is, if it is new. `tags` are the device's, the present one first: an id that is known has the tag it
/// was recorded under.
fn accept_one(
    tx: &Transaction<'_>,
    tags: &[(i64, String)],
    row: &NewRow,
) -> Result<(Accepted, Option<usize>), AcceptError> {
    let tag_of = |number: i64| tags.iter().find(|(identity, _)| *identity == number).or(tags.first());
    let given = row.id.as_deref().map(|id| without_own_tag(id, tags));
    let (id, caller) = match given {
        Some(id) => (format!("{}-{id}", tags.first().map_or("", |(_, tag)| tag)), Some(caller_id_hash(id))),
        None => {
            let mut random = [0; 12];
            getrandom::fill(&mut random).map_err(|_| AcceptError::NoRandomness)?;
            (random_row_id(random), None)
        }
    };
    if let (Some(hash), Some(caller)) = (&caller, given) {
        let known: Option<(Option<String>, i64)> = tx
            .prepare_cached(
                "SELECT id, 0 FROM row WHERE caller = ?1 UNION ALL SELECT NULL, identity FROM seen WHERE hash = ?1",
            )?
            .query_row((hash.as_slice(),), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((waiting, identity)) = known {
            let of_then = || format!("{}-{caller}", tag_of(identity).map_or("", |(_, tag)| tag));
            return Ok((Accepted { id: waiting.unwrap_or_else(of_then), kept: Kept::Known }, None));
        }
    }
    let body = serde_json::to_string(&row.record).map_err(|_| AcceptError::NotJson)?;
    let happened = &row.happened;
    tx.prepare_cached(
        "INSERT INTO row(id, tab, body, caller, wall_ms, trusted, mono_ms, boot, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        id,
        row.table,
        body,
        caller.as_ref().map(<[u8; 16]>::as_slice),
        happened.wall.unix_ms,
        happened.wall.trusted,
        happened.mono.since_boot().as_millis() as i64,
        happened.boot,
        happened.at_unix_ms,
    ])?;
    Ok((Accepted { id, kept: Kept::Kept }, Some(body.len())))
}

/// What a caller said, of an id as this device shows and exports it: so a record that comes back is the one it was.
fn without_own_tag<'a>(id: &'a str, tags: &[(i64, String)]) -> &'a str {
    match id.split_once('-') {
        Some((tag, rest)) if !rest.is_empty() && tags.iter().any(|(_, ours)| ours == tag) => rest,
        _ => id,
    }
}

/// By the steady clock, which counts suspend: `mono_ms` says how long before `now` a row of this boot was recorded.
fn correct_times(connection: &Connection, now: &Happened) -> Result<(), rusqlite::Error> {
    let zero_ms = now.wall.unix_ms.saturating_sub(now.mono.since_boot().as_millis() as i64);
    let sql = "UPDATE row SET wall_ms = ?1 + mono_ms, trusted = 1 WHERE trusted = 0 AND boot = ?2";
    connection.prepare_cached(sql)?.execute((zero_ms, &now.boot))?;
    Ok(())
}

/// Turning the log on needs the file alone, and SQLite answers "busy" at once, without its time-out, when two processes
/// that meet a new file would wait for each other. One of them is done in a moment.
fn patiently(mut attempt: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    for _ in 0..200 {
        match attempt() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                std::thread::sleep(Duration::from_millis(25));
            }
            other => return other,
        }
    }
    attempt()
}

/// SQLite gives its side files the mode of the main file, so the main file must be private before SQLite sees it.
fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            // The new name survives a power cut only when its directory was synced too.
            path.parent().map_or(Ok(()), |dir| {
                File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all()
            })
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
