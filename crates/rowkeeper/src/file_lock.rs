//! A lock of the operating system's on a file of its own, between processes and between threads.
//!
//! The file's content means nothing, and it is never deleted: a lock on a deleted file keeps nobody out.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::{io, process};

use crate::durable;

/// Held until it is dropped, or its process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    /// The process that took it.
    taker: u32,
}

impl FileLock {
    /// Waits for it.
    pub(crate) fn wait(path: &Path) -> io::Result<Self> {
        let file = durable::open_lock(path)?;
        file.lock()?;
        Ok(Self::held(file))
    }

    /// `None` if another process or thread has it. An error means that there is no lock to be had there at all.
    pub(crate) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = durable::open_lock(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self::held(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn held(file: File) -> Self {
        Self { file, taker: process::id() }
    }
}

/// Closing the file would do, were it not for children: one that another thread has just forked has the file open until it
/// becomes another program, or for good. Such a child must not let go of its parent's lock either.
impl Drop for FileLock {
    fn drop(&mut self) {
        if self.taker == process::id() {
            _ = self.file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = FileLock::try_take(&path).unwrap().unwrap();
        assert!(FileLock::try_take(&path).unwrap().is_none());
        // What a child has that was forked meanwhile.
        let inherited = first.file.try_clone().unwrap();
        drop(first);
        drop(FileLock::wait(&path).unwrap());
        assert!(FileLock::try_take(&path).unwrap().is_some());
        drop(inherited);
    }

    #[test]
    fn a_child_does_not_let_go_of_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let parents = FileLock::try_take(&path).unwrap().unwrap();
        drop(FileLock { file: parents.file.try_clone().unwrap(), taker: parents.taker + 1 });
        assert!(FileLock::try_take(&path).unwrap().is_none());
    }
}
