//! One sender at a time.

use std::io;
use std::path::Path;

use crate::file_lock::FileLock;

/// Held by the one process that sends. Ends with the process, however it ends.
#[derive(Debug)]
pub struct DeliveryLock {
    /// None in a simulation, where there is one process at a time anyway.
    _lock: Option<FileLock>,
}

impl DeliveryLock {
    /// Takes the lock of the state directory `dir`, or returns `None` if another process has it.
    ///
    /// # Errors
    /// The file could not be created, or the file system has no locks: nothing may be sent from there.
    pub fn take(dir: &Path) -> io::Result<Option<Self>> {
        let lock = FileLock::try_take(&dir.join("outbox.lock"))?;
        Ok(lock.map(|lock| Self { _lock: Some(lock) }))
    }

    /// No lock at all: for an outbox in memory, which no other process can reach.
    pub fn in_memory() -> Self {
        Self { _lock: None }
    }
}
