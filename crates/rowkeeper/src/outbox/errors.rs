//! What can go wrong with the outbox, and whether waiting helps.

use std::path::PathBuf;
use std::{fmt, io};

use rusqlite::{ErrorCode, ffi};

/// The outbox could not be opened. Nothing that was in it was changed.
#[derive(Debug)]
pub enum OpenError {
    /// The file could not be created.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Written by a newer program.
    Newer {
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Written by an older program, where nothing can be written.
    Older {
        /// Its version.
        found: i64,
    },
    /// Not an SQLite file, or a damaged one.
    Damaged(rusqlite::Error),
    /// SQLite could not open or read it: permissions, a full or failing disk.
    Sqlite(rusqlite::Error),
    /// What an earlier process wrote cannot be put on the disk: it is full or failing.
    Unsynced(io::Error),
    /// The OS gave no random numbers.
    NoRandomness,
}

/// The rows were not recorded.
#[derive(Debug)]
pub enum AcceptError {
    /// The queue is full.
    Full {
        /// The limit.
        max_bytes: u64,
    },
    /// What is left of the disk is kept for delivering what waits.
    LittleRoom {
        /// So much.
        free_bytes: u64,
    },
    /// The disk is full or failing.
    Disk(DiskError),
    /// The OS gave no random numbers.
    NoRandomness,
    /// The record cannot be written as JSON.
    NotJson,
}

/// The outbox could not be read or written.
#[derive(Debug)]
pub enum DiskError {
    /// SQLite's own account.
    Sqlite(rusqlite::Error),
    /// A batch would take the room that delivering it needs.
    NoRoom,
    /// A sync failed earlier: open the outbox again before writing more.
    Failed,
    /// Something in the file is not what we wrote.
    NotOurs(&'static str),
    /// The OS gave no random numbers.
    NoRandomness,
}

/// A change was not made; the file is as it was.
#[derive(Debug)]
pub enum CommitError {
    /// The rows are not what they were when they were read: read again.
    Stale,
    /// The disk.
    Disk(DiskError),
}

impl DiskError {
    /// Whether the file itself is broken: waiting will not mend it.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            }
            Self::NotOurs(_) => true,
            Self::NoRoom | Self::Failed | Self::NoRandomness => false,
        }
    }

    /// Whether it is for want of room on the disk, and for nothing else: nothing was changed.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Sqlite(error) => is_want_of_room(error),
            Self::NoRoom => true,
            Self::Failed | Self::NotOurs(_) | Self::NoRandomness => false,
        }
    }
}

/// Of the disk, for the outbox, its log, or the log's index, which has an error of its own.
fn is_want_of_room(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    error.sqlite_error_code() == Some(ErrorCode::DiskFull) || extended == Some(ffi::SQLITE_IOERR_SHMSIZE)
}

impl OpenError {
    /// Whether it may work later without anybody doing anything: the disk is full, failing, or busy.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                )
            ),
            Self::Unsynced(_) => true,
            Self::Newer { .. } | Self::Older { .. } | Self::Damaged(_) | Self::NoRandomness => false,
        }
    }

    /// Whether the file is another user's.
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::File { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly)
            ),
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error),
            _ => Self::Sqlite(error),
        }
    }
}

impl From<rusqlite::Error> for AcceptError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Disk(error.into())
    }
}

impl From<DiskError> for AcceptError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Disk(error.into())
    }
}

impl From<DiskError> for CommitError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// What else went wrong with a transaction than what its own rules say.
pub(super) trait OfDisk {
    fn disk(&self) -> Option<&DiskError>;

    /// Whether the disk still has some room, kept for what is there already.
    fn is_for_others(&self) -> bool {
        false
    }
}

impl OfDisk for DiskError {
    fn disk(&self) -> Option<&DiskError> {
        Some(self)
    }
}

impl OfDisk for AcceptError {
    fn disk(&self) -> Option<&DiskError> {
        if let Self::Disk(error) = self { Some(error) } else { None }
    }

    fn is_for_others(&self) -> bool {
        matches!(self, Self::LittleRoom { .. })
    }
}

impl OfDisk for CommitError {
    fn disk(&self) -> Option<&DiskError> {
        if let Self::Disk(error) = self { Some(error) } else { None }
    }
}

impl From<rusqlite::Error> for DiskError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot create {}", path.display()),
            Self::Unsynced(_) => write!(f, "what is in it cannot be synced to the disk"),
            Self::Newer { found, known } => {
                write!(f, "the outbox has version {found}, this program knows {known}; use the newer program")
            }
            Self::Older { found } => {
                write!(f, "the outbox has the older version {found}; it is brought up to date once it can be written")
            }
            Self::Damaged(_) => f.write_str("the outbox is damaged; nothing was changed, keep the file"),
            Self::Sqlite(error) if is_want_of_room(error) => f.write_str("cannot open the outbox: the disk is full"),
            Self::Sqlite(_) => f.write_str("cannot open the outbox"),
            Self::NoRandomness => f.write_str("the system gives no random numbers"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Unsynced(source) => Some(source),
            Self::Damaged(error) | Self::Sqlite(error) => Some(error),
            Self::Newer { .. } | Self::Older { .. } | Self::NoRandomness => None,
        }
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { max_bytes } => write!(f, "not recorded: the queue is full ({max_bytes} bytes)"),
            Self::LittleRoom { free_bytes } => write!(
                f,
                "not recorded: the disk is nearly full, and the last {} KiB are kept for delivering what waits; \
                 remove other files, or run `rowkeeper deliver`",
                free_bytes >> 10
            ),
            Self::Disk(_) => f.write_str("not recorded: the outbox cannot be written"),
            Self::NoRandomness => f.write_str("not recorded: the system gives no random numbers"),
            Self::NotJson => f.write_str("not recorded: the record cannot be written as JSON"),
        }
    }
}

impl std::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => Some(error),
            Self::Full { .. } | Self::LittleRoom { .. } | Self::NoRandomness | Self::NotJson => None,
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) if self.is_damage() => {
                write!(f, "the outbox is damaged ({error}); keep the file: `rowkeeper doctor` says what can be done")
            }
            Self::NoRoom => f.write_str("the disk is full; remove other files"),
            Self::Sqlite(error) if is_want_of_room(error) => Self::NoRoom.fmt(f),
            Self::Sqlite(error) => write!(f, "outbox: {error}"),
            Self::Failed => f.write_str("a write to the outbox failed earlier; start again to go on"),
            Self::NoRandomness => f.write_str("the system gives no random numbers"),
            Self::NotOurs(what) => write!(f, "the outbox holds a {what} that this program did not write"),
        }
    }
}

impl std::error::Error for DiskError {}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the outbox has changed meanwhile"),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CommitError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen on a tmpfs that was full to the last block: "disk I/O error", as if it were broken.
    #[test]
    fn a_log_whose_index_finds_no_room_is_a_full_disk() {
        for (code, is_full) in
            [(ffi::SQLITE_FULL, true), (ffi::SQLITE_IOERR_SHMSIZE, true), (ffi::SQLITE_IOERR_WRITE, false)]
        {
            let error = || rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let disk = DiskError::from(error());
            assert_eq!((disk.is_full(), disk.to_string().contains("full; remove")), (is_full, is_full), "{disk}");
            let open = OpenError::from(error());
            assert_eq!((open.to_string().contains("is full"), open.is_temporary()), (is_full, true), "{open}");
        }
    }
}
