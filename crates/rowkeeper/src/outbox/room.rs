//! Room: in the file, by its limit, and on the disk, where recording leaves what delivery needs.
//!
//! Delivering writes before it frees: a queue that took the last block of its disk could never be sent.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::batches::forget_too_many_seen;
use super::cached::Cached as _;
use super::{AcceptError, BUSY, DiskError, Outbox, schema};
use crate::durable::with_suffix;

/// Where the outbox lies.
pub(super) enum Place {
    /// In memory, where there is room.
    Memory,
    /// In this file. Only its name is kept: whoever closes a descriptor of the file drops SQLite's locks on it.
    File(PathBuf),
    /// On a disk of a test.
    #[cfg(test)]
    Pretended {
        /// Its size.
        disk: u64,
        /// What is free of it.
        free: u64,
        /// The length of the outbox's file.
        file: u64,
    },
    /// On a disk of a test, of this size, on which nothing else is.
    #[cfg(test)]
    Alone(PathBuf, u64),
}

/// What there is room for, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// The disk; 0 where nobody knows: SQLite will say when nothing fits any more.
    disk: u64,
    /// Of that, free for this user.
    free: u64,
    /// Of the outbox's pages, those in use,
    used: u64,
    /// and those that are used again before the file grows.
    unused: u64,
    /// By so much the file will grow when all that is in the log is put into it.
    owed: u64,
    /// One page.
    page: u64,
}

/// What a full batch (2 MB) of a thousand rows takes before it frees anything, see [`Room::takes`]. One of more and shorter
/// rows is made smaller where there is no more.
const RESERVE: u64 = 8 << 20;

/// A log of this length.
const WORTH_EMPTYING: u64 = 64 << 10;

/// Delivered rows that may be forgotten, so many at a time.
const OLDEST_REMEMBERED: &str = "SELECT n FROM delivered WHERE id NOT IN (SELECT id FROM amend) ORDER BY n LIMIT 1000";

/// How large a batch is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) rows: u64,
    /// Of its request.
    pub(super) bytes: u64,
    /// Of its longest row.
    pub(super) longest: u64,
}

impl Size {
    /// A row alone; what its request says beside its values is less than this.
    fn of_one(longest: u64) -> Self {
        Self { rows: 1, bytes: longest.saturating_add(8 << 10), longest }
    }

    /// What it puts into the file: its request, and its longest row a second time, as a row that does not fit into a page
    /// is written beside itself when it is marked as being in a batch.
    fn in_file(self) -> u64 {
        framed(self.bytes.saturating_add(self.longest))
    }

    /// What it puts into the log: at its beginning its request and its rows, which are no more; at its end the rows twice,
    /// where they leave and where they are remembered. Callers' ids lie in two indexes in the order of their hashes, so
    /// that each may be in a page of its own.
    fn in_log(self, page: u64) -> u64 {
        framed(self.bytes.saturating_mul(2).saturating_add(self.rows.saturating_mul(2 * page)))
    }
}

/// With what SQLite writes around each page: in the log 24 bytes for 1,024.
fn framed(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 32)
}

impl Room {
    /// So much is kept for delivering what is here. On a small disk a quarter must do, with smaller batches; and rows of a
    /// few short fields, which grow threefold on their way into a request, take no more than eight times their own size.
    fn reserve(&self) -> u64 {
        RESERVE.min(self.disk / 4).min(self.used.saturating_mul(8))
    }

    /// Whether recording a row of this length, and what waits before it, leaves what delivery needs.
    fn is_left(&self, longest: u64) -> bool {
        let lone = Size::of_one(longest);
        let needs = lone.in_file().saturating_add(lone.in_log(self.page)).max(self.reserve());
        self.free.saturating_add(self.unused) >= self.owed.saturating_add(needs)
    }

    /// Whether this batch can be begun and ended: one that is begun cannot be made smaller any more, and once the log has
    /// the room that the file needs, neither can go on.
    fn takes(&self, batch: Size) -> bool {
        let grows = self.owed.saturating_add(batch.in_file().saturating_sub(self.unused));
        self.free >= grows.saturating_add(batch.in_log(self.page))
    }

    /// Whether what the file needs may soon be gone.
    fn is_at_risk(&self) -> bool {
        self.owed > 0 && self.free < self.owed.saturating_add(RESERVE)
    }
}

impl Place {
    /// Within a transaction, as it would be after it.
    fn room(&self, connection: &Connection) -> rusqlite::Result<Room> {
        let (disk, free, file) = self.disk().unwrap_or((0, u64::MAX, u64::MAX));
        let pragma = |name| connection.query_row_cached::<u64>(name, (), |row| row.get(0));
        let page = pragma("PRAGMA page_size")?;
        let (all, unused) = (pragma("PRAGMA page_count")? * page, pragma("PRAGMA freelist_count")? * page);
        Ok(Room { disk, free, used: all.saturating_sub(unused), unused, owed: all.saturating_sub(file), page })
    }

    /// Whether the log takes so much that it is worth its syncs to put it into the file.
    pub(super) fn has_log(&self) -> bool {
        match self {
            Self::File(path) => len_of_log(path) >= WORTH_EMPTYING,
            #[cfg(test)]
            Self::Alone(path, _) => len_of_log(path) >= WORTH_EMPTYING,
            _ => false,
        }
    }

    /// The disk's bytes, those that are free, and those of the outbox's file.
    fn disk(&self) -> Option<(u64, u64, u64)> {
        match self {
            Self::Memory => None,
            Self::File(path) => {
                let (disk, file) = (rustix::fs::statvfs(path).ok()?, path.metadata().ok()?);
                let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
                // Some file systems count nothing.
                (disk.f_blocks > 0).then(|| (bytes(disk.f_blocks), bytes(disk.f_bavail), file.len()))
            }
            #[cfg(test)]
            Self::Pretended { disk, free, file } => Some((*disk, *free, *file)),
            #[cfg(test)]
            Self::Alone(path, disk) => {
                let file = path.metadata().ok()?.len();
                Some((*disk, disk.saturating_sub(file + len_of_log(path)), file))
            }
        }
    }
}

fn len_of_log(path: &Path) -> u64 {
    with_suffix(path, "-wal").metadata().map_or(0, |log| log.len())
}

impl Outbox {
    /// Whether what is in the file now, in this transaction, is within its limit and leaves what delivery needs. Rows that
    /// wait are worth more than the memory of those that are in the sheet: that goes first, the oldest of it.
    ///
    /// `longest`: of what was put in.
    pub(super) fn make_room(&self, tx: &Transaction<'_>, longest: usize) -> Result<(), AcceptError> {
        loop {
            let max_bytes = self.options.max_bytes;
            let room = self.place.room(tx)?;
            let full = match room.used <= max_bytes {
                true if room.is_left(longest as u64) => return Ok(()),
                true => AcceptError::LittleRoom { free_bytes: room.free },
                false => AcceptError::Full { max_bytes },
            };
            let forget = format!("DELETE FROM delivered WHERE n IN ({OLDEST_REMEMBERED})");
            if tx.execute_cached(&forget, ())? > 0 {
                tx.execute_cached("UPDATE device SET forgot = 1 WHERE forgot = 0", ())?;
            } else if !forget_too_many_seen(self, tx)? {
                return Err(full);
            }
        }
    }

    /// How much there could be in it: its limit, or the whole disk.
    pub(super) fn size(&self) -> u64 {
        self.place.disk().map_or(u64::MAX, |(disk, ..)| disk).min(self.options.max_bytes)
    }

    /// Whether there is room to deliver this batch, from its beginning to its end.
    pub(super) fn has_room_for(&self, tx: &Transaction<'_>, batch: Size) -> rusqlite::Result<bool> {
        Ok(self.place.room(tx)?.takes(batch))
    }

    /// To be called after each step of a delivery: where room is scarce, the file takes what it needs before the log does.
    pub(super) fn secure_room(&self, connection: &Connection) {
        if self.place.room(connection).is_ok_and(|room| room.is_at_risk()) {
            // As far as nobody reads it: this waits for no one.
            _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
        }
    }

    /// Bytes that are free on the disk, if they are too few for new records, and neither the log nor what is remembered could
    /// make room for some.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn little_room(&self) -> Result<Option<u64>, DiskError> {
        let connection = self.connection();
        let room = self.place.room(&connection)?;
        if room.is_left(0) || self.place.has_log() {
            return Ok(None);
        }
        let remembered = format!("SELECT EXISTS ({OLDEST_REMEMBERED})");
        Ok((!connection.query_row::<bool, _, _>(&remembered, (), |row| row.get(0))?).then_some(room.free))
    }
}

/// Puts the log into the file and gives back what it took: on a full disk that may be all there is. Where that does not
/// work, whoever needs room finds out.
///
/// What is given back may be another file's before it is on the disk that it was (see the outbox's `_log`), so the log is
/// begun anew first, which needs no room: its new header is synced, and after that nothing behind it counts any more.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    // It waits for who reads the log, and whoever records waits for it: not for as long as a record may wait.
    connection.busy_timeout(BUSY / 20)?;
    let checkpoint = |sql| connection.query_row(sql, (), |row| row.get::<_, bool>(0));
    // Where it cannot be begun anew, it stays.
    if let Ok(false) = checkpoint("PRAGMA wal_checkpoint(RESTART)")
        && begin_log(connection).is_ok()
    {
        _ = checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    connection.busy_timeout(BUSY)
}

/// Any write would do; this one changes nothing, also where a newer program has brought the file up to date meanwhile.
fn begin_log(connection: &Connection) -> rusqlite::Result<()> {
    let tx = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    tx.pragma_update(None, "user_version", schema::version(&tx)?)?;
    tx.commit()
}

#[cfg(test)]
mod tests {
    use sheet_courier::{Batch, Digest, Marker, MarkerId, Phase, SheetRef, Tally, Transition};

    use super::*;
    use crate::clock::{Mono, Wall};
    use crate::outbox::{CommitError, Happened, Kept, NewRow, Options, Record, Value};

    const MIB: u64 = 1 << 20;

    #[test]
    fn recording_leaves_what_delivery_needs() {
        for (disk, free, used, unused, owed, is_left) in [
            // A large disk: 8 MiB, of a large queue.
            (4096 * MIB, 9 * MIB, 100 * MIB, 0, 0, true),
            (4096 * MIB, 7 * MIB, 100 * MIB, 0, 0, false),
            // A small queue leaves eight times what it is.
            (4096 * MIB, 7 * MIB, MIB / 2, 0, 0, true),
            (4096 * MIB, 3 * MIB, MIB / 2, 0, 0, false),
            // A quarter of a small disk.
            (12 * MIB, 4 * MIB, 6 * MIB, 0, 0, true),
            (12 * MIB, 2 * MIB, 8 * MIB, 0, 0, false),
            // What the log holds is not in the file yet.
            (4096 * MIB, 9 * MIB, 100 * MIB, 0, 2 * MIB, false),
            // The file has room itself, once its rows are delivered.
            (12 * MIB, MIB, MIB, 6 * MIB, 0, true),
            // Nobody knows.
            (0, u64::MAX, 100 * MIB, 0, MIB, true),
        ] {
            let room = Room { disk, free, used, unused, owed, page: 1024 };
            assert_eq!(room.is_left(0), is_left, "{room:?}");
        }
    }

    #[test]
    fn a_batch_is_begun_where_it_can_be_ended() {
        for (free, unused, owed, rows, bytes, longest, takes) in [
            // Once in the file and twice in the log, with what is around each page, and two pages for each row.
            (3 * MIB + 96 * 1024, 0, 0, 0, MIB, 0, true),
            (3 * MIB + 96 * 1024, 0, 0, 1, MIB, 0, false),
            (3 * MIB + 96 * 1024, 0, 1, 0, MIB, 0, false),
            (5 * MIB, 0, 0, 512, MIB, 0, true),
            // A long row is twice in the file for a moment.
            (4 * MIB, 0, 0, 1, MIB, MIB, false),
            (5 * MIB, 0, 0, 1, MIB, MIB, true),
            // The file need not grow.
            (3 * MIB, 2 * MIB, 0, 0, MIB, 0, true),
            (2 * MIB, 2 * MIB, 0, 0, MIB, 0, false),
            (3 * MIB, MIB, 1 << 30, 0, MIB, 0, false),
            // A disk that keeps so much for deliveries takes a full batch, and each that is not too long for a record.
            (RESERVE, 0, 0, 1_000, 2_000_000, 10_000, true),
            (RESERVE, 0, 0, 1, MIB + MIB / 4, MIB, true),
            (0, MIB, 0, 1, 1, 1, false),
        ] {
            let room = Room { free, unused, owed, page: 1024, ..Room::default() };
            assert_eq!(room.takes(Size { rows, bytes, longest }), takes, "{room:?} {rows} {bytes} {longest}");
        }
    }

    fn row() -> NewRow {
        long_row(200)
    }

    fn long_row(characters: usize) -> NewRow {
        let happened = Happened {
            wall: Wall { unix_ms: 0, trusted: true },
            mono: Mono::default(),
            boot: "boot".into(),
            at_unix_ms: None,
        };
        let fields = vec![("text".into(), Value::Text("x".repeat(characters)))];
        NewRow { table: "t".into(), id: None, record: Record { fields }, happened }
    }

    /// On a disk of 4 MiB, of which so much is free.
    fn outbox(free: u64, file: u64) -> Outbox {
        let outbox = Outbox::open_in_memory(Options { max_bytes: 1 << 30 }).unwrap();
        Outbox { place: Place::Pretended { disk: 4 * MIB, free, file }, ..outbox }
    }

    /// Seen in a power campaign: a queue had taken the last block of its disk, and could not be delivered.
    #[test]
    fn records_are_refused_before_the_disk_is_full() {
        let outbox = outbox(MIB / 2, u64::MAX);
        let mut taken = 0;
        let refused = loop {
            match outbox.accept(&[row()]) {
                Ok(_) => taken += 1,
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, AcceptError::LittleRoom { free_bytes } if free_bytes == MIB / 2), "{refused:?}");
        assert!(refused.to_string().contains("the last 512 KiB are kept"), "{refused}");
        // An eighth of what is free.
        assert!((50..300).contains(&taken), "{taken}");
        assert_eq!(outbox.counts().unwrap().waiting, taken);
        assert_eq!(outbox.little_room().unwrap(), None, "one more would have been too much");
        let Place::Pretended { disk, file, .. } = outbox.place else { panic!() };
        let others_came = Outbox { place: Place::Pretended { disk, free: 0, file }, ..outbox };
        assert_eq!(others_came.little_room().unwrap(), Some(0));
        let outbox = Outbox { place: Place::Pretended { disk, free: MIB / 2, file }, ..others_came };

        // Delivered rows that are only remembered go first.
        let remember =
            "INSERT INTO delivered SELECT n, id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms, 's', 0 FROM row";
        let connection = outbox.connection();
        connection.execute_batch(&format!("{remember}; DELETE FROM row")).unwrap();
        drop(connection);
        let remembers = Outbox { place: Place::Pretended { disk, free: 0, file }, ..outbox };
        assert_eq!(remembers.little_room().unwrap(), None);
        let outbox = Outbox { place: Place::Pretended { disk, free: MIB / 2, file }, ..remembers };
        for _ in 0..taken {
            outbox.accept(&[row()]).unwrap();
        }
    }

    /// A process that lives on keeps a log, and what is in that has its place in the file too: half of what there was room
    /// for was refused.
    #[test]
    fn no_record_is_refused_for_a_log_that_could_be_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.sqlite");
        let outbox = Outbox::open(&path, Options { max_bytes: 1 << 30 }).unwrap();
        let outbox = Outbox { place: Place::Alone(path, 2 * MIB), ..outbox };
        let refused = loop {
            if let Err(refused) = outbox.accept(&[row(), row(), row()]) {
                break refused;
            }
        };
        let AcceptError::LittleRoom { free_bytes } = refused else { panic!("{refused:?}") };
        assert!((MIB / 2..MIB / 2 + 2 * WORTH_EMPTYING).contains(&free_bytes), "{refused}");
    }

    fn sheet() -> SheetRef {
        SheetRef { id: "sheet".into(), url: String::new(), title: String::new() }
    }

    fn applied(seq: u64) -> Transition {
        let marker = Marker {
            id: MarkerId::of(1 << 20, seq),
            seq,
            key: "key".into(),
            value: "AA".into(),
            applied: true,
            doubt: false,
            ended_at: None,
        };
        Transition::Applied { marker, tally: Tally::default(), displaced: Vec::new() }
    }

    fn frozen(seq: u64, rows: &[(i64, String)], bytes: usize) -> Transition {
        Transition::Frozen {
            batch: Batch {
                id: MarkerId::of(1 << 20, seq),
                seq,
                spreadsheet: "sheet".into(),
                body: vec![b'x'; bytes].into(),
                digest: Digest::of("", &[]),
                phase: Phase::Send,
                tabs: Vec::new(),
                rows: rows.len() as u32,
                refusals: 0,
            },
            rows: rows.to_vec(),
            tally: Tally::default(),
        }
    }

    fn queued(outbox: &Outbox) -> Vec<(i64, String)> {
        outbox.queued(5_000, 2_000_000).unwrap().into_iter().map(|row| (row.handle, row.id)).collect()
    }

    #[test]
    fn a_batch_that_leaves_no_room_for_its_end_is_not_begun() {
        let outbox = outbox(MIB, u64::MAX);
        outbox.accept(&[row()]).unwrap();
        outbox.commit(&Transition::SheetCreated(sheet()), "boot", 0).unwrap();
        let rows = queued(&outbox);
        let refused = outbox.commit(&frozen(1, &rows, 400_000), "boot", 0);
        assert!(matches!(&refused, Err(CommitError::Disk(error)) if error.is_full()), "{refused:?}");
        assert_eq!(queued(&outbox).len(), 1);
        outbox.commit(&frozen(1, &rows, 100_000), "boot", 0).unwrap();
        assert!(queued(&outbox).is_empty());
    }

    /// Seen on a tmpfs of 1 MB: a batch of one long row had been begun, and there was no room to end it, for ever.
    #[test]
    fn a_batch_takes_no_more_than_was_counted() {
        for (rows, characters) in [(1, 900_000), (1, 160_000), (1, 40_000), (7, 40_000), (40, 5_000), (1_500, 30)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("outbox.sqlite");
            let outbox = Outbox::open(&path, Options { max_bytes: 1 << 30 }).unwrap();
            outbox.commit(&Transition::SheetCreated(sheet()), "boot", 0).unwrap();
            let new = |n: usize| NewRow { id: Some(format!("row-{n}")), ..long_row(characters) };
            outbox.accept(&(0..rows).map(new).collect::<Vec<_>>()).unwrap();
            let empty_log = || {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                assert!(!outbox.connection().query_row(sql, (), |row| row.get::<_, bool>(0)).unwrap());
            };
            let len = |suffix| std::fs::metadata(with_suffix(&path, suffix)).unwrap().len();
            empty_log();
            let before = len("");
            // Four cells of some 45 bytes, and what they say.
            let bytes = rows * (characters + 180);
            let size = Size { rows: rows as u64, bytes: bytes as u64, longest: characters as u64 };
            outbox.commit(&frozen(1, &queued(&outbox), bytes), "boot", 0).unwrap();
            let begun = len("-wal");
            empty_log();
            outbox.commit(&applied(1), "boot", 0).unwrap();
            let ended = len("-wal");
            empty_log();
            let grown = len("") - before;
            let counted = (size.in_file(), size.in_log(1024));
            let little = 64 * 1024;
            assert!(
                grown <= counted.0 + little && begun.max(ended) <= counted.1 + little,
                "{rows} of {characters}: the file grew by {grown}, the log held {begun} and {ended}, counted {counted:?}"
            );
        }
    }

    /// A device that gives ids was full of those it had delivered, until they were 90 days old.
    #[test]
    fn the_memory_of_ids_keeps_no_record_out() {
        let outbox = Outbox::open_in_memory(Options { max_bytes: 1_000_000 }).unwrap();
        outbox.commit(&Transition::SheetCreated(sheet()), "boot", 0).unwrap();
        for seq in 1..=40 {
            let new = |n: usize| NewRow { id: Some(format!("{seq}-{n}")), ..long_row(10) };
            outbox.accept(&(0..500).map(new).collect::<Vec<_>>()).unwrap();
            outbox.commit(&frozen(seq, &queued(&outbox), 100_000), "boot", 0).unwrap();
            outbox.commit(&applied(seq), "boot", 0).unwrap();
        }
        assert_eq!(outbox.accept(&[NewRow { id: Some("40-0".into()), ..row() }]).unwrap()[0].kept, Kept::Known);
        // Where they were too many already nothing was delivered any more, and so nothing forgotten.
        let many = "WITH RECURSIVE n(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
                    INSERT INTO seen(hash, at) SELECT printf('%016d', n), n - 20000 FROM n";
        outbox.connection().execute_batch(many).unwrap();
        outbox.accept(&[row()]).unwrap();
        assert_eq!(outbox.accept(&[NewRow { id: Some("40-0".into()), ..row() }]).unwrap()[0].kept, Kept::Known);
    }

    /// A daemon goes on while its program is replaced: what the newer one brought up to date stays so.
    #[test]
    fn a_log_that_is_begun_anew_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.sqlite");
        let outbox = Outbox::open(&path, Options { max_bytes: 1 << 30 }).unwrap();
        outbox.accept(&[row()]).unwrap();
        let newer = Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        empty_log(&outbox.connection()).unwrap();
        assert_eq!(schema::version(&newer).unwrap(), 99);
        let log = || std::fs::metadata(with_suffix(&path, "-wal")).unwrap().len();
        assert_eq!(log(), 0);
        // While somebody writes it cannot be begun anew, and stays.
        outbox.accept(&[row()]).unwrap();
        let writes = Transaction::new_unchecked(&newer, TransactionBehavior::Immediate).unwrap();
        empty_log(&outbox.connection()).unwrap();
        assert!(log() > 0);
        drop(writes);
        assert_eq!(outbox.counts().unwrap().waiting, 2);
    }
}
