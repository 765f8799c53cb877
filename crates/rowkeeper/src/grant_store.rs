//! `grant.json`: the sign-in, kept through power cuts, shared by every program on the device.
//!
//! Readers need no lock: the file is replaced whole (`durable.rs`). Whoever changes it holds `grant.lock` from
//! reading to writing, over threads and processes, so that one refresh or poll happens at a time and a rotated token is
//! never overwritten by an older one.
//!
//! The file holds a format version and a digest of its body. "There is no grant", "the file is damaged" and "this user
//! may not read it" are different answers. A damaged file is never replaced in silence: it is set aside as
//! `grant.json.damaged`, and the generation before it is used where it is whole. Anything that is not a plain file (a
//! symbolic link, a pipe) is refused.
//!
//! A new grant is whole on the disk, beside the old one, before it takes its place. Who dies between the two leaves the
//! last step to whoever holds the lock next, so a token that a provider rotated is lost only before it was written.
//!
//! One program holds the lock while it talks to the provider (at most 30 s), and whoever must change the grant waits for
//! it. Who only needs a token that still lives does not: [`GrantStore::try_lock`].
//!
//! Tokens lie in the file in the clear, mode 0600: whoever is root on the device, or takes its card, can read them. With
//! a key ([`GrantStore::sealed_with`]) the card alone is not enough; [`StoreKey`] says what that is good for.

mod envelope;
mod errors;
mod stored;
#[cfg(test)]
mod tests;

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::durable;
use crate::file_lock::FileLock;
use crate::seal::StoreKey;

use envelope::{is_in_the_clear, read_body};
use errors::trouble;
pub use errors::{Damage, StoreError};
pub use stored::{Moment, ProviderId, Stored, StoredGrant};

/// The file's place, and the way to it.
#[derive(Clone, Debug)]
pub struct GrantStore {
    path: PathBuf,
    lock: PathBuf,
    key: Option<Arc<StoreKey>>,
    /// What the last read found, for as long as the file is the same: a daemon looks half a dozen times for a row.
    last: Arc<Mutex<Last>>,
}

type Last = Option<(Face, Box<Stored>)>;

/// By what a file is told from the one that was there before. Every change of ours renames another file over it, and any
/// other change moves its `ctime`, which nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Face {
    device: u64,
    inode: u64,
    len: u64,
    changed: (i64, i64),
}

impl Face {
    fn of(meta: &Metadata) -> Self {
        let changed = (meta.ctime(), meta.ctime_nsec());
        Self { device: meta.dev(), inode: meta.ino(), len: meta.len(), changed }
    }

    /// Old enough that the next change will show: the kernel's stamps move every few milliseconds only.
    fn is_settled(self) -> bool {
        const TICKS_MS: i64 = 100;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let (seconds, nanos) = (now.tv_sec.saturating_sub(self.changed.0), now.tv_nsec.saturating_sub(self.changed.1));
        seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000) > TICKS_MS
    }
}

/// What a read found.
#[derive(Debug)]
pub enum Loaded {
    /// No grant was ever stored here.
    Nothing,
    /// The grant as it was stored.
    Whole(Box<Stored>),
    /// The file is damaged; this is the generation before it. A rotated refresh token may be missing from it.
    Previous(Box<Stored>, Damage),
}

/// Holds `grant.lock`; dropped, it lets the next one in.
#[derive(Debug)]
pub struct Locked<'s> {
    store: &'s GrantStore,
    _lock: FileLock,
}

impl GrantStore {
    /// The store in that directory, which is made (0700) when it is first written to.
    pub fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("grant.json"), lock: state_dir.join("grant.lock"), key: None, last: Arc::default() }
    }

    /// The same store, encrypted with `key` from the next write on, and every generation of it. What was written in the
    /// clear before is still read.
    #[must_use]
    pub fn sealed_with(self, key: Arc<StoreKey>) -> Self {
        Self { key: Some(key), last: Arc::default(), ..self }
    }

    /// Reads the grant. Never changes anything.
    ///
    /// # Errors
    /// See [`StoreError`]; a missing file is [`Loaded::Nothing`] and no error.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let face = fs::symlink_metadata(&self.path).ok().map(|meta| Face::of(&meta));
        if let (Some(face), Some((known, stored))) = (face, &*self.last())
            && face == *known
        {
            return Ok(Loaded::Whole(stored.clone()));
        }
        let read = self.read(&self.path);
        // Looked at before it was read: should it have been replaced in between, it is read once more than needed.
        *self.last() = match (face, &read) {
            (Some(face), Ok(Some(stored))) if face.is_settled() => Some((face, stored.clone())),
            _ => None,
        };
        let damage = match read {
            Ok(Some(stored)) => return Ok(Loaded::Whole(stored)),
            // Every change renames over the current file, so it is there whenever a previous one is, except in the
            // moment of a sign-out: then nothing is the right answer.
            Ok(None) => return Ok(Loaded::Nothing),
            Err(StoreError::Damaged(damage)) => damage,
            Err(error) => return Err(error),
        };
        match self.read(&self.previous()) {
            Ok(Some(stored)) => Ok(Loaded::Previous(stored, damage)),
            _ => Err(StoreError::Damaged(damage)),
        }
    }

    /// Waits for the lock. One holder at a time on this device; it is let go by dropping, or by dying.
    ///
    /// # Errors
    /// When the state directory cannot be made or written.
    pub fn lock(&self) -> Result<Locked<'_>, StoreError> {
        FileLock::wait(self.lock_path()?).map_err(|cause| trouble(&self.lock, cause)).and_then(|lock| self.held(lock))
    }

    /// As [`GrantStore::lock`], but `None` at once when another program or thread holds it.
    ///
    /// # Errors
    /// As [`GrantStore::lock`].
    pub fn try_lock(&self) -> Result<Option<Locked<'_>>, StoreError> {
        let lock = FileLock::try_take(self.lock_path()?).map_err(|cause| trouble(&self.lock, cause))?;
        lock.map(|lock| self.held(lock)).transpose()
    }

    /// The lock's file, in a directory that is there.
    fn lock_path(&self) -> Result<&Path, StoreError> {
        if let Some(dir) = self.lock.parent() {
            durable::make_dir(dir).map_err(|cause| trouble(dir, cause))?;
        }
        Ok(&self.lock)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        // Replaced whole or not at all.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn previous(&self) -> PathBuf {
        durable::with_suffix(&self.path, ".previous")
    }

    /// The lock is ours: nobody is writing, so a whole file beside is of one who died before the last step of
    /// [`Locked::save`], and is newer than the one in place. A part of one is nothing.
    fn held(&self, lock: FileLock) -> Result<Locked<'_>, StoreError> {
        if matches!(read_body(&durable::beside(&self.path)), Ok(Some(_))) {
            match self.standing() {
                Ok(standing) => self.put_in_place(standing)?,
                Err(error @ StoreError::Io(..)) => return Err(error),
                // What is not ours to replace.
                Err(_) => {}
            }
        }
        Ok(Locked { store: self, _lock: lock })
    }

    /// What a new grant may do with the one in place. It stays true for as long as the lock is held.
    fn standing(&self) -> Result<Standing, StoreError> {
        match self.read(&self.path) {
            Ok(_) => Ok(Standing::WholeOrNone),
            Err(StoreError::Damaged(_)) => Ok(Standing::Damaged),
            // What a newer version or another user wrote, or cannot be read now, is not ours to replace.
            Err(error) => Err(error),
        }
    }

    /// What lies beside becomes the grant. The one before it is kept; damaged, it is set aside: it must not become the
    /// previous generation, and must not vanish either.
    fn put_in_place(&self, standing: Standing) -> Result<(), StoreError> {
        let placed = match standing {
            Standing::WholeOrNone => durable::finish_keeping(&self.path, ".previous"),
            Standing::Damaged => durable::set_aside(&self.path, ".damaged").and_then(|()| durable::finish(&self.path)),
        };
        placed.map_err(|cause| StoreError::Io(self.path.clone(), cause))
    }
}

/// The grant in place, before it is replaced.
#[derive(Clone, Copy)]
enum Standing {
    WholeOrNone,
    Damaged,
}

impl Locked<'_> {
    /// Reads the grant, as [`GrantStore::load`].
    ///
    /// # Errors
    /// As [`GrantStore::load`].
    pub fn load(&self) -> Result<Loaded, StoreError> {
        self.store.load()
    }

    /// Replaces the grant and keeps the generation before it. When this returns `Ok` it survives a power cut; on an error
    /// or a crash the old grant stands, or the new one, whole.
    ///
    /// # Errors
    /// `Io`: the disk is full or failing.
    pub fn save(&self, stored: &Stored) -> Result<(), StoreError> {
        let text = self.store.encode(stored)?;
        self.write(&text, self.store.standing()?)?;
        // The first write with a key: what lay there in the clear must not live on as the generation before.
        if self.store.key.is_some() && is_in_the_clear(&self.store.previous()) {
            self.write(&text, Standing::WholeOrNone)?;
        }
        Ok(())
    }

    /// The new content first, since a provider may have forgotten the old one already; all that takes its time comes after.
    fn write(&self, text: &str, standing: Standing) -> Result<(), StoreError> {
        let path = &self.store.path;
        durable::lay_beside(path, text.as_bytes()).map_err(|cause| StoreError::Io(path.clone(), cause))?;
        self.store.put_in_place(standing)
    }

    /// As [`Locked::save`], and the generation before is forgotten: its place is taken by the same content. For what must
    /// not be on the disk any more.
    ///
    /// # Errors
    /// As [`Locked::save`].
    pub fn save_alone(&self, stored: &Stored) -> Result<(), StoreError> {
        self.save(stored)?;
        self.save(stored)
    }

    /// Removes every file that holds, or held, a grant. First what could still take the current one's place, then that:
    /// from then on there is none.
    ///
    /// # Errors
    /// `Io`: something is still there.
    pub fn clear(&self) -> Result<(), StoreError> {
        for suffix in [".new", "", ".previous", ".damaged", ".previous.new"] {
            let path = durable::with_suffix(&self.store.path, suffix);
            durable::remove(&path).map_err(|cause| trouble(&path, cause))?;
        }
        Ok(())
    }
}
