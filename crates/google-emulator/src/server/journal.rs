//! The data file: a snapshot, then every request that may change something, one JSON document a line.
//!
//! ```text
//! {"google-emulator":1}
//! {"now":{…},"state":{…}}                         the snapshot of the last start
//! {"decision":{"now":…,"seed":…},"request":{…}}   one line for each request, in the order applied
//! ```
//!
//! A snapshot may also come later, after a change that was no request; it replaces all that was before it.
//!
//! A line counts once it ends with a line feed. What a kill leaves behind is at most one line without, which was
//! never answered and is cut off at the next start. Each start folds the requests into a new snapshot, written beside
//! and renamed over.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{StartError, lock};
use crate::{
    Model, Request,
    model::{Decision, State},
};

const FIRST_LINE: &str = "{\"google-emulator\":1}";
/// How a line with a snapshot begins, and no other.
const SNAPSHOT_BEGIN: &[u8] = b"{\"now\":";

#[derive(Serialize)]
struct SnapshotRef<'a> {
    now: Duration,
    state: &'a State,
}

#[derive(Serialize)]
struct EntryRef<'a> {
    decision: &'a Decision,
    request: &'a Request,
}

#[derive(Deserialize)]
struct Snapshot {
    now: Duration,
    state: State,
}

#[derive(Deserialize)]
struct Entry {
    decision: Decision,
    request: Request,
}

#[derive(Debug)]
pub(super) struct Journal {
    file: Arc<File>,
    synced: Arc<Mutex<Synced>>,
    /// Requests written so far in this process.
    written: Arc<AtomicU64>,
    /// A write failed: the file may end in half a line, and nothing may follow it.
    broken: bool,
}

/// How far the disk has it.
#[derive(Debug, Default)]
struct Synced {
    upto: u64,
    /// After a failed sync the kernel may have dropped the pages; no later sync proves anything.
    broken: bool,
}

impl Journal {
    /// Replays the file into the model and folds it into a snapshot.
    pub(super) fn open(path: &Path, model: &mut Model) -> Result<Self, StartError> {
        let failed = |source| StartError::Data { path: path.to_owned(), source };
        let old = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let old = old.map_err(failed)?;
        take_lock(&old, path)?;
        replay(&old, path, model)?;

        let beside = beside(path);
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .or_else(|error| {
                // Left by a start that was killed; we hold the lock, so nobody else is writing it.
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return Err(error);
                }
                std::fs::remove_file(&beside)?;
                OpenOptions::new().append(true).create_new(true).mode(0o600).open(&beside)
            })
            .map_err(failed)?;
        take_lock(&file, path)?;
        let snapshot = SnapshotRef { now: model.now, state: &model.state };
        let snapshot = serde_json::to_string(&snapshot).map_err(|error| failed(error.into()))?;
        file.write_all(format!("{FIRST_LINE}\n{snapshot}\n").as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(Self { file: Arc::new(file), synced: Arc::default(), written: Arc::default(), broken: false })
    }

    /// Writes the request if it may have changed something. The ticket tells when the disk has it.
    pub(super) fn append(&mut self, decision: &Decision, request: &Request) -> Ticket {
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD") && !decision.has_fault();
        if !is_read {
            self.write(&EntryRef { decision, request });
        }
        self.ticket()
    }

    /// Writes the whole world, after a change that was no request.
    pub(super) fn append_snapshot(&mut self, model: &Model) -> Ticket {
        self.write(&SnapshotRef { now: model.now, state: &model.state });
        self.ticket()
    }

    fn write(&mut self, line: &impl Serialize) {
        if self.broken {
            return;
        }
        let line = serde_json::to_string(line).map_err(io::Error::from);
        let written = line.and_then(|line| (&*self.file).write_all((line + "\n").as_bytes()));
        self.broken = written.is_err();
        self.written.fetch_add(1, Ordering::SeqCst);
    }

    fn ticket(&self) -> Ticket {
        Ticket {
            file: Arc::clone(&self.file),
            synced: Arc::clone(&self.synced),
            number: self.written.load(Ordering::SeqCst),
            written: Arc::clone(&self.written),
            broken: self.broken,
        }
    }
}

/// A place in the journal that has to reach the disk.
pub(super) struct Ticket {
    file: Arc<File>,
    synced: Arc<Mutex<Synced>>,
    /// The last request that this one may have seen.
    number: u64,
    written: Arc<AtomicU64>,
    broken: bool,
}

impl Ticket {
    /// One sync serves everybody who wrote before it began.
    pub(super) fn wait(self) -> io::Result<()> {
        let mut synced = lock(&self.synced);
        if self.broken || synced.broken {
            return Err(io::Error::other("the data file could not be written"));
        }
        if synced.upto >= self.number {
            return Ok(());
        }
        let written = self.written.load(Ordering::SeqCst);
        let done = self.file.sync_data();
        synced.broken = done.is_err();
        synced.upto = written;
        done
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn take_lock(file: &File, path: &Path) -> Result<(), StartError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StartError::Data { path: path.to_owned(), source }),
    }
}

fn replay(file: &File, path: &Path, model: &mut Model) -> Result<(), StartError> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(|source| StartError::Data { path: path.to_owned(), source })?;
        if line.last() != Some(&b'\n') {
            // The end, or a line that a kill cut short: nobody was told that it happened.
            return Ok(());
        }
        let damaged = || StartError::Damaged { path: path.to_owned(), line: number };
        match number {
            1 if line.trim_ascii_end() == FIRST_LINE.as_bytes() => {}
            1 => return Err(damaged()),
            _ if line.starts_with(SNAPSHOT_BEGIN) => {
                let Snapshot { now, state } = serde_json::from_slice(&line).map_err(|_| damaged())?;
                model.restore(state);
                model.now = now;
            }
            _ => {
                let Entry { decision, request } = serde_json::from_slice(&line).map_err(|_| damaged())?;
                model.perform(&decision, &request);
            }
        }
    }
    Ok(())
}
