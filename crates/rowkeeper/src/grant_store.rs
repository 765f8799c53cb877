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

mod stored;

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::durable;
use crate::seal::StoreKey;

pub use stored::{Moment, ProviderId, Stored, StoredGrant};

/// The only version so far.
const VERSION: u32 = 1;

/// Far above any grant: tokens are at most a few KiB. Guards against a file that is not ours.
const SIZE_LIMIT: u64 = 1 << 20;

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

#[derive(Serialize, Deserialize)]
struct Envelope<B> {
    version: u32,
    sha256: String,
    body: B,
}

/// Holds `grant.lock`; dropped, it lets the next one in.
#[derive(Debug)]
pub struct Locked<'s> {
    store: &'s GrantStore,
    /// The lock lives as long as the open file.
    _file: File,
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
        let file = self.lock_file()?;
        file.lock().map_err(|cause| trouble(&self.lock, cause))?;
        self.held(file)
    }

    /// As [`GrantStore::lock`], but `None` at once when another program or thread holds it.
    ///
    /// # Errors
    /// As [`GrantStore::lock`].
    pub fn try_lock(&self) -> Result<Option<Locked<'_>>, StoreError> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => self.held(file).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(trouble(&self.lock, cause)),
        }
    }

    fn lock_file(&self) -> Result<File, StoreError> {
        if let Some(dir) = self.lock.parent() {
            durable::make_dir(dir).map_err(|cause| trouble(dir, cause))?;
        }
        durable::open_lock(&self.lock).map_err(|cause| trouble(&self.lock, cause))
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
    fn held(&self, file: File) -> Result<Locked<'_>, StoreError> {
        if matches!(read_body(&durable::beside(&self.path)), Ok(Some(_))) {
            match self.standing() {
                Ok(standing) => self.put_in_place(standing)?,
                Err(error @ StoreError::Io(..)) => return Err(error),
                // What is not ours to replace.
                Err(_) => {}
            }
        }
        Ok(Locked { store: self, _file: file })
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

impl GrantStore {
    fn encode(&self, stored: &Stored) -> Result<Zeroizing<String>, StoreError> {
        let io = |cause: serde_json::Error| StoreError::Io(self.path.clone(), cause.into());
        let plain = Zeroizing::new(serde_json::to_string_pretty(stored).map_err(io)?);
        let body = match &self.key {
            Some(key) => {
                let sealed = key.seal(plain.as_bytes()).ok_or(StoreError::NoRandomness)?;
                Zeroizing::new(serde_json::to_string(&SealedBody { sealed }).map_err(io)?)
            }
            None => plain,
        };
        let raw = serde_json::from_str::<&RawValue>(&body).map_err(io)?;
        let envelope = Envelope { version: VERSION, sha256: digest(&body), body: raw };
        let mut text = serde_json::to_string_pretty(&envelope).map_err(io)?;
        text.push('\n');
        Ok(Zeroizing::new(text))
    }

    fn read(&self, path: &Path) -> Result<Option<Box<Stored>>, StoreError> {
        let Some(body) = read_body(path)? else { return Ok(None) };
        let damaged =
            |error: serde_json::Error| StoreError::Damaged(Damage { path: path.to_owned(), line: error.line() });
        let Ok(SealedBody { sealed }) = serde_json::from_str(&body) else {
            return serde_json::from_str(&body).map(Some).map_err(damaged);
        };
        // The digest held, so the file is whole: it is the key that is another.
        let plain = self.key.as_ref().and_then(|key| key.open(&sealed));
        let plain = plain.ok_or_else(|| StoreError::Sealed(path.to_owned()))?;
        serde_json::from_slice(&plain).map(Some).map_err(damaged)
    }
}

/// The body of an encrypted grant.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedBody {
    sealed: String,
}

fn is_in_the_clear(path: &Path) -> bool {
    matches!(read_body(path), Ok(Some(body)) if serde_json::from_str::<SealedBody>(&body).is_err())
}

/// What the system's word means for a file of ours.
fn trouble(path: &Path, cause: io::Error) -> StoreError {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => StoreError::NotPermitted(path.to_owned()),
        // What opening a link says, since no link is followed.
        _ if cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            StoreError::NotAFile(path.to_owned())
        }
        _ => StoreError::Io(path.to_owned(), cause),
    }
}

fn digest(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body of a whole file, as text.
fn read_body(path: &Path) -> Result<Option<Zeroizing<String>>, StoreError> {
    let file = match durable::open_own(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble(path, error)),
    };
    let meta = file.metadata().map_err(|cause| trouble(path, cause))?;
    if !meta.is_file() {
        return Err(StoreError::NotAFile(path.to_owned()));
    }
    let damaged = |line| StoreError::Damaged(Damage { path: path.to_owned(), line });
    if meta.len() > SIZE_LIMIT {
        return Err(damaged(0));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(meta.len() as usize));
    file.take(SIZE_LIMIT).read_to_end(&mut text).map_err(|cause| trouble(path, cause))?;
    let envelope: Envelope<&RawValue> = serde_json::from_slice(&text).map_err(|error| damaged(error.line()))?;
    if envelope.version > VERSION {
        return Err(StoreError::Newer(path.to_owned(), envelope.version));
    }
    let body = envelope.body.get();
    if digest(body) != envelope.sha256 {
        return Err(damaged(0));
    }
    Ok(Some(Zeroizing::new(body.to_owned())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sample(token: &str) -> Stored {
        let mut stored = Stored::new(ProviderId {
            issuer: None,
            name: "google".into(),
            token_endpoint: "https://t.example/token".into(),
            client_id: "c".into(),
            emulator: false,
        });
        stored.grant = Some(StoredGrant {
            refresh_token: Some(Zeroizing::new(token.into())),
            access_token: Zeroizing::new("at".into()),
            expires: None,
            refresh_at: None,
            refresh_expires: None,
            scopes: vec!["s".into()],
            missing: Vec::new(),
            account: None,
            refreshing: false,
        });
        stored
    }

    fn token(stored: &Stored) -> &str {
        stored.grant.as_ref().unwrap().refresh_token.as_ref().unwrap()
    }

    #[test]
    fn a_file_that_stayed_the_same_is_not_read_again_and_every_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (store, other) = (GrantStore::new(dir.path()), GrantStore::new(dir.path()));
        store.lock().unwrap().save(&sample("one")).unwrap();
        let face = |store: &GrantStore| Face::of(&fs::symlink_metadata(&store.path).unwrap());
        let loaded = |store: &GrantStore| match store.load().unwrap() {
            Loaded::Whole(stored) => token(&stored).to_owned(),
            found => panic!("{found:?}"),
        };
        assert_eq!(loaded(&store), "one");
        assert!(store.last().is_none(), "too young to be told from its next change");
        // As if it had been read long ago.
        *store.last() = Some((face(&store), Box::new(sample("remembered"))));
        assert_eq!(loaded(&store), "remembered");
        other.lock().unwrap().save(&sample("two")).unwrap();
        assert_eq!(loaded(&store), "two", "another process wrote");
        *store.last() = Some((face(&store), Box::new(sample("remembered"))));
        other.lock().unwrap().clear().unwrap();
        assert!(matches!(store.load().unwrap(), Loaded::Nothing));
        assert!(store.last().is_none(), "what was signed out of is not kept");
    }

    #[test]
    fn what_was_saved_is_loaded_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let store = GrantStore::new(&dir.path().join("state"));
        assert!(matches!(store.load().unwrap(), Loaded::Nothing));
        store.lock().unwrap().save(&sample("rt1")).unwrap();
        let Loaded::Whole(stored) = store.load().unwrap() else { panic!() };
        assert_eq!(token(&stored), "rt1");
        for name in ["state", "state/grant.json", "state/grant.lock"] {
            assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o077, 0, "{name}");
        }
        store.lock().unwrap().clear().unwrap();
        assert!(matches!(store.load().unwrap(), Loaded::Nothing));
    }

    /// Damage anywhere in the file is noticed, falls back to the generation before, and is kept aside by the next save.
    #[test]
    fn a_file_cut_or_changed_anywhere_is_damaged_never_a_wrong_or_missing_grant() {
        let dir = tempfile::tempdir().unwrap();
        let store = GrantStore::new(dir.path());
        let locked = store.lock().unwrap();
        locked.save(&sample("rt1")).unwrap();
        locked.save(&sample("rt2")).unwrap();
        let path = dir.path().join("grant.json");
        let whole = fs::read(&path).unwrap();
        let end = whole.trim_ascii_end().len();
        for cut in 0..end {
            fs::write(&path, &whole[..cut]).unwrap();
            let Loaded::Previous(stored, damage) = store.load().unwrap() else { panic!("cut at {cut}") };
            assert_eq!((token(&stored), &damage.path), ("rt1", &path));
        }
        for at in 0..end {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).unwrap();
            match store.load() {
                // White space outside the body may change without changing the meaning.
                Ok(Loaded::Whole(stored)) => assert_eq!(token(&stored), "rt2", "flip at {at}"),
                Ok(Loaded::Previous(stored, _)) => assert_eq!(token(&stored), "rt1", "flip at {at}"),
                Err(StoreError::Newer(..)) => {}
                other => panic!("flip at {at}: {other:?}"),
            }
        }
        fs::write(&path, b"rubbish").unwrap();
        locked.save(&sample("rt3")).unwrap();
        assert_eq!(fs::read(dir.path().join("grant.json.damaged")).unwrap(), b"rubbish");
        fs::write(&path, b"rubbish").unwrap();
        fs::write(dir.path().join("grant.json.previous"), b"").unwrap();
        assert!(matches!(store.load(), Err(StoreError::Damaged(_))));
        locked.clear().unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["grant.lock"]);
    }

    /// The power goes, or the process dies, between writing the new grant and giving it its name.
    #[test]
    fn whoever_comes_next_finishes_what_was_only_written() {
        let dir = tempfile::tempdir().unwrap();
        let (path, beside) = (dir.path().join("grant.json"), dir.path().join("grant.json.new"));
        let store = GrantStore::new(dir.path());
        let now = |store: &GrantStore| match store.load().unwrap() {
            Loaded::Whole(stored) => token(&stored).to_owned(),
            other => panic!("{other:?}"),
        };
        let locked = store.lock().unwrap();
        locked.save(&sample("rotated")).unwrap();
        let rotated = fs::read(&path).unwrap();
        locked.save(&sample("old")).unwrap();
        drop(locked);

        // What was not written whole is nothing, and in nobody's way.
        for cut in [0, 1, rotated.len() / 2, rotated.len() - 3] {
            fs::write(&beside, &rotated[..cut]).unwrap();
            drop(store.lock().unwrap());
            assert_eq!(now(&store), "old", "cut at {cut}");
        }
        // Without the lock nothing is touched: another process may be at it.
        fs::write(&beside, &rotated).unwrap();
        assert_eq!(now(&store), "old");
        drop(store.try_lock().unwrap());
        assert_eq!((now(&store), beside.exists()), ("rotated".into(), false));

        // The very first sign-in; and one that was to replace a damaged file, which is kept.
        fs::remove_file(&path).unwrap();
        fs::write(&beside, &rotated).unwrap();
        drop(store.lock().unwrap());
        assert_eq!(now(&store), "rotated");
        fs::write(&path, "rubbish").unwrap();
        fs::write(&beside, &rotated).unwrap();
        drop(store.lock().unwrap());
        assert_eq!(now(&store), "rotated");
        assert_eq!(fs::read(dir.path().join("grant.json.damaged")).unwrap(), b"rubbish");
    }

    /// EN-05: what lies in the file's place must not be read, followed, waited for or replaced.
    #[test]
    fn what_is_not_a_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grant.json");
        let elsewhere = GrantStore::new(&dir.path().join("elsewhere"));
        elsewhere.lock().unwrap().save(&sample("stolen")).unwrap();
        let store = GrantStore::new(dir.path());
        let refuses = |store: &GrantStore| {
            assert!(matches!(store.load(), Err(StoreError::NotAFile(_))));
            assert!(matches!(store.lock().unwrap().save(&sample("mine")), Err(StoreError::NotAFile(_))));
        };
        std::os::unix::fs::symlink(dir.path().join("elsewhere/grant.json"), &path).unwrap();
        refuses(&store);
        assert!(matches!(elsewhere.load().unwrap(), Loaded::Whole(stored) if token(&stored) == "stolen"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refuses(&store);
        fs::remove_dir(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        refuses(&store);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join("other.lock")).unwrap();
        assert!(durable::open_lock(&dir.path().join("other.lock")).is_err());
    }

    /// A newer version's file would lose what we do not know of.
    #[test]
    fn a_file_of_a_newer_version_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let store = GrantStore::new(dir.path());
        store.lock().unwrap().save(&sample("rt1")).unwrap();
        let path = dir.path().join("grant.json");
        let newer = fs::read_to_string(&path).unwrap().replacen("\"version\": 1", "\"version\": 2", 1);
        fs::write(&path, &newer).unwrap();
        assert!(matches!(store.load(), Err(StoreError::Newer(_, 2))));
        assert!(matches!(store.lock().unwrap().save(&sample("rt2")), Err(StoreError::Newer(_, 2))));
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn the_lock_is_exclusive_between_threads_too() {
        let dir = tempfile::tempdir().unwrap();
        let store = GrantStore::new(dir.path());
        let held = store.try_lock().unwrap().unwrap();
        assert!(store.try_lock().unwrap().is_none());
        drop(held);
        assert!(store.try_lock().unwrap().is_some());
    }

    /// A card in other hands, with a key that was not on it.
    #[test]
    fn with_a_key_no_generation_holds_a_token_in_the_clear() {
        let dir = tempfile::tempdir().unwrap();
        let key = |byte| Arc::new(StoreKey::from_file_content(&[byte; 32]).unwrap());
        let plain = GrantStore::new(dir.path());
        plain.lock().unwrap().save(&sample("token-in-the-clear")).unwrap();
        let sealed = plain.clone().sealed_with(key(1));
        let Loaded::Whole(stored) = sealed.load().unwrap() else { panic!() };
        sealed.lock().unwrap().save(&stored).unwrap();
        for name in ["grant.json", "grant.json.previous"] {
            let text = fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(!text.contains("token-in-the-clear"), "{name}");
        }
        assert!(matches!(sealed.load().unwrap(), Loaded::Whole(_)));
        // Another key, or none, is not damage: nothing is set aside, replaced, or taken for signed out.
        let other = plain.clone().sealed_with(key(2));
        for store in [&plain, &other] {
            assert!(matches!(store.load(), Err(StoreError::Sealed(_))));
            assert!(matches!(store.lock().unwrap().save(&sample("x")), Err(StoreError::Sealed(_))));
        }
        assert!(matches!(sealed.load().unwrap(), Loaded::Whole(_)));
    }
}
