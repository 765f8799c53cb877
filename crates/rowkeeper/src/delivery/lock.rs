//! One sender at a time: an operating system lock on a file of its own.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Held by the one process that sends. Ends with the process, however it ends.
#[derive(Debug)]
pub struct DeliveryLock {
    /// None in a simulation, where there is one process at a time anyway.
    _file: Option<File>,
}

impl DeliveryLock {
    /// Takes the lock of the state directory `dir`, or returns `None` if another process has it.
    ///
    /// # Errors
    /// The file could not be created, or the file system has no locks: nothing may be sent from there.
    pub fn take(dir: &Path) -> io::Result<Option<Self>> {
        // The file is never deleted: a lock on a deleted file keeps nobody out.
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join("outbox.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// No lock at all: for an outbox in memory, which no other process can reach.
    pub fn in_memory() -> Self {
        Self { _file: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_is_told_so_and_the_lock_ends_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let first = DeliveryLock::take(dir.path()).unwrap();
        assert!(first.is_some());
        assert!(DeliveryLock::take(dir.path()).unwrap().is_none());
        drop(first);
        assert!(DeliveryLock::take(dir.path()).unwrap().is_some());
    }
}
