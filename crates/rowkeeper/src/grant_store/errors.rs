//! Why a grant cannot be read or stored, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Where a file stopped making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 when the text is whole but its digest is wrong.
    pub line: usize,
}

/// The grant cannot be read or stored.
#[derive(Debug)]
pub enum StoreError {
    /// The file is there and this user may not read it.
    NotPermitted(PathBuf),
    /// Something else than a file lies in its place: a symbolic link, a directory. Nothing was read or changed.
    NotAFile(PathBuf),
    /// Neither the file nor the generation before it is what we wrote. Nothing was changed.
    Damaged(Damage),
    /// The file was written by a later version of this program.
    Newer(PathBuf, u32),
    /// The file is encrypted, and the key that was given (if one was) does not open it. Nothing was changed.
    Sealed(PathBuf),
    /// The system has no randomness to encrypt with.
    NoRandomness,
    /// The state directory cannot be used.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotPermitted(path) => {
                write!(f, "{} belongs to another user; run as that user, or give another --state-dir", path.display())
            }
            Self::NotAFile(path) => write!(
                f,
                "{} is a link or something else that is not a file, and is not followed; to keep the state elsewhere, \
                 give --state-dir",
                path.display()
            ),
            Self::Damaged(damage) => {
                write!(f, "{damage}; sign in again with `rowkeeper sign-in`, queued records are safe")
            }
            Self::Newer(path, version) => {
                write!(f, "{} has format {version}, from a newer rowkeeper; update this one", path.display())
            }
            Self::Sealed(path) => write!(
                f,
                "{} is encrypted with another key than the configuration gives ([state] key_file); give the right one, or \
                 remove the file and sign in again",
                path.display()
            ),
            Self::NoRandomness => write!(f, "the system gives no random numbers"),
            Self::Io(path, _) => write!(f, "cannot use {}", path.display()),
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{} is damaged (its digest does not match)", self.path.display()),
            line => write!(f, "{} is damaged at line {line}", self.path.display()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, cause) => Some(cause),
            _ => None,
        }
    }
}

/// What the system's word means for a file of ours.
pub(super) fn trouble(path: &Path, cause: io::Error) -> StoreError {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => StoreError::NotPermitted(path.to_owned()),
        // What opening a link says, since no link is followed.
        _ if cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            StoreError::NotAFile(path.to_owned())
        }
        _ => StoreError::Io(path.to_owned(), cause),
    }
}
