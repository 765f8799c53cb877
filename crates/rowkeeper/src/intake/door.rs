//! The socket of the daemon: other programs, also of other users, may record through it and do nothing else.
//!
//! Every connection speaks the line protocol of [`super::Stream`]. Who may connect is the file system's decision: the
//! socket is the daemon's user's own (0600), or a group's (0660). Nothing that a client sends, or fails to send, holds up
//! another one: each has a thread, a bounded buffer and a share of the places.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, iter};

use super::{Answer, Format, Stream, write_answer};

/// Programs that may be connected at once, and those of one user.
const PLACES: usize = 64;
const PLACES_OF_ONE: usize = 16;
/// Who begins a line and does not go on with it, or does not take an answer, for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a reader looks up from an idle connection.
const LOOK: Duration = Duration::from_secs(5);

/// Serves the socket until it is dropped.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    inode: u64,
    guests: Guests,
    listener: Option<JoinHandle<()>>,
}

/// The socket cannot be served. Records by other ways are kept all the same.
#[derive(Debug)]
pub enum DoorError {
    /// Another process serves it.
    Taken(PathBuf),
    /// Something else than a socket lies there. It is left alone.
    NotASocket(PathBuf),
    /// There is no such group on this machine.
    NoGroup(String),
    /// The socket cannot be given to the group: its owner must be a member of it.
    NotAMember(String, io::Error),
    /// It cannot be made there.
    Unusable(PathBuf, io::Error),
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(path) => write!(f, "another process serves the socket {}", path.display()),
            Self::NotASocket(path) => {
                write!(f, "[socket] path: {} is there and is no socket; it is left alone", path.display())
            }
            Self::NoGroup(name) => write!(f, "[socket] group: there is no group \"{name}\" on this device"),
            Self::NotAMember(name, cause) => {
                write!(f, "[socket] group: the daemon's user must be a member of \"{name}\" ({cause})")
            }
            Self::Unusable(path, cause) => write!(f, "the socket {} cannot be made: {cause}", path.display()),
        }
    }
}

impl std::error::Error for DoorError {}

impl Door {
    /// Serves `path` for this user alone, or for the members of `group` (a name or a number) too.
    ///
    /// # Errors
    /// See [`DoorError`]; nothing was changed.
    pub fn open(path: &Path, group: Option<&str>, stream: Stream) -> Result<Self, DoorError> {
        let unusable = |cause: io::Error| DoorError::Unusable(path.to_owned(), cause);
        let with_id = |name: &str| match group_id(name) {
            Some(id) => Ok((id, name.to_owned())),
            None => Err(DoorError::NoGroup(name.to_owned())),
        };
        let group = group.map(with_id).transpose()?;
        if UnixStream::connect(path).is_ok() {
            return Err(DoorError::Taken(path.to_owned()));
        }
        // A socket that a killed daemon left behind is replaced. A file of somebody's is not.
        if fs::symlink_metadata(path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(DoorError::NotASocket(path.to_owned()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // `/run` is empty after every boot. Who may record must be able to get to the socket.
        if !folder.exists() {
            fs::DirBuilder::new().mode(0o755).create(folder).map_err(unusable)?;
        }
        // Made in a folder that nobody else may enter, and moved when its mode is right: there is no moment at which it
        // is open to all.
        let hidden = Hidden::beside(folder).map_err(unusable)?;
        let made = hidden.0.join("s");
        let listener = UnixListener::bind(&made).map_err(unusable)?;
        let mut mode = 0o600;
        if let Some((id, name)) = group {
            chown(&made, None, Some(id)).map_err(|cause| DoorError::NotAMember(name, cause))?;
            mode = 0o660;
        }
        fs::set_permissions(&made, Permissions::from_mode(mode)).map_err(unusable)?;
        let inode = fs::metadata(&made).map_err(unusable)?.ino();
        fs::rename(&made, path).map_err(unusable)?;
        let guests = Guests::default();
        let welcome = guests.clone();
        let listener = thread::Builder::new()
            .name("door".into())
            .stack_size(STACK)
            .spawn(move || serve(&listener, &welcome, &stream))
            .map_err(unusable)?;
        Ok(Self { path: path.to_owned(), inode, guests, listener: Some(listener) })
    }
}

/// SQLite and JSON are at home in this.
const STACK: usize = 256 * 1024;

impl Drop for Door {
    fn drop(&mut self) {
        self.guests.closing.store(true, Ordering::Relaxed);
        for guest in self.guests.list().values() {
            _ = guest.stream.shutdown(std::net::Shutdown::Both);
        }
        let is_ours = fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        // Wakes the listener; without it the thread ends with the process.
        if is_ours
            && UnixStream::connect(&self.path).is_ok()
            && let Some(listener) = self.listener.take()
        {
            _ = listener.join();
        }
        if is_ours {
            _ = fs::remove_file(&self.path);
        }
    }
}

/// Who is connected.
#[derive(Clone, Debug, Default)]
struct Guests {
    list: Arc<Mutex<BTreeMap<u64, Guest>>>,
    next: Arc<AtomicU64>,
    closing: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Guest {
    user: u32,
    stream: UnixStream,
}

impl Guests {
    fn list(&self) -> MutexGuard<'_, BTreeMap<u64, Guest>> {
        // A map of finished inserts and removals: a panic elsewhere does not spoil it.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for another one, if there is one.
    fn welcome(&self, stream: &UnixStream) -> Option<u64> {
        let user = rustix::net::sockopt::socket_peercred(stream).ok()?.uid.as_raw();
        let stream = stream.try_clone().ok()?;
        let mut list = self.list();
        if list.len() >= PLACES || list.values().filter(|guest| guest.user == user).count() >= PLACES_OF_ONE {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        list.insert(number, Guest { user, stream });
        Some(number)
    }
}

fn serve(listener: &UnixListener, guests: &Guests, stream: &Stream) {
    for connection in listener.incoming() {
        if guests.closing.load(Ordering::Relaxed) {
            return;
        }
        let Ok(connection) = connection else {
            // Out of file descriptors, most likely: some will be given back.
            thread::sleep(Duration::from_millis(200));
            continue;
        };
        let Some(number) = guests.welcome(&connection) else {
            turn_away(&connection);
            continue;
        };
        let (them, stream) = (guests.clone(), stream.clone());
        let talk = move || {
            _ = talk(&connection, &them, &stream);
            them.list().remove(&number);
        };
        if thread::Builder::new().name("guest".into()).stack_size(STACK).spawn(talk).is_err() {
            guests.list().remove(&number);
        }
    }
}

fn turn_away(mut connection: &UnixStream) {
    let why = "not recorded: too many programs are connected; try again later";
    // The answer fits into the socket's buffer; who does not read it is not waited for.
    _ = connection.set_nonblocking(true);
    _ = write_answer(&mut connection, &Answer::not_recorded(0, why.into()));
}

fn talk(connection: &UnixStream, guests: &Guests, stream: &Stream) -> io::Result<()> {
    connection.set_read_timeout(Some(LOOK))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let mut output = connection;
    let input = Patient { connection, guests, in_line: false, waited: Duration::ZERO };
    stream.serve(Format::Jsonl, input, &mut |answer| write_answer(&mut output, answer).is_ok())
}

/// Reads from a connection: patiently between lines, not for ever inside one.
struct Patient<'c> {
    connection: &'c UnixStream,
    guests: &'c Guests,
    in_line: bool,
    waited: Duration,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.read(buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    self.waited += LOOK;
                    if self.guests.closing.load(Ordering::Relaxed) || (self.in_line && self.waited >= PATIENCE) {
                        // Half a line is no record.
                        return Err(error);
                    }
                }
                Ok(read) => {
                    self.waited = Duration::ZERO;
                    self.in_line = buffer[..read].last().is_some_and(|byte| *byte != b'\n');
                    return Ok(read);
                }
                error => return error,
            }
        }
    }
}

/// A folder of our own, gone when dropped.
struct Hidden(PathBuf);

impl Hidden {
    fn beside(folder: &Path) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for random in iter::repeat_with(|| getrandom::u32().unwrap_or_default()).take(8) {
            let path = folder.join(format!(".{random:08x}"));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        _ = fs::remove_file(self.0.join("s"));
        _ = fs::remove_dir(&self.0);
    }
}

/// Of a name or a number. Groups that are not in `/etc/group` (a directory service's) can be given by number.
fn group_id(name: &str) -> Option<u32> {
    name.parse().ok().or_else(|| find_group(&fs::read_to_string("/etc/group").ok()?, name))
}

/// `name:password:number:members` (group(5)).
fn find_group(groups: &str, name: &str) -> Option<u32> {
    let mut lines = groups.lines().map(|line| line.split(':'));
    lines.find_map(|mut parts| (parts.next()? == name).then(|| parts.nth(1)?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name() {
        let groups = "root:x:0:\nsensors:x:1234:anna,ben\nbroken\n:x:5:\nodd:x:many:\n";
        for (name, id) in [("root", Some(0)), ("sensors", Some(1234)), ("sensor", None), ("odd", None), ("anna", None)]
        {
            assert_eq!(find_group(groups, name), id, "{name}");
        }
        assert_eq!(group_id("4242"), Some(4242));
    }
}
