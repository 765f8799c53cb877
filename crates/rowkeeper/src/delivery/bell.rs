//! How a process that recorded wakes the one that delivers: an empty datagram to a socket in the state directory.
//!
//! A hint and nothing more. Lost, repeated or forged rings do no harm, and a sender that cannot listen looks at the
//! outbox every few seconds instead.

use std::fs::Permissions;
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, io};

use crate::clock::Stop;

const NAME: &str = "wake.sock";

/// Turns rings into nudges of a [`Stop`] until it is dropped. Only the holder of the delivery lock listens.
#[derive(Debug)]
pub struct Bell {
    path: PathBuf,
    inode: u64,
    socket: UnixDatagram,
    ended: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Bell {
    /// Listens in the state directory `dir`.
    ///
    /// # Errors
    /// No socket can be made there (a path of more than about 100 bytes, some network file systems): use [`POLL`].
    pub fn listen(dir: &Path, stop: Stop) -> io::Result<Self> {
        let path = dir.join(NAME);
        // Left by a process that was killed; whoever holds the delivery lock may remove it.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let inode = fs::symlink_metadata(&path)?.ino();
        let (ended, listening) = (Arc::new(AtomicBool::new(false)), socket.try_clone()?);
        let flag = Arc::clone(&ended);
        let listener = thread::Builder::new().name("bell".into()).stack_size(64 * 1024).spawn(move || {
            while listening.recv(&mut [0]).is_ok() && !flag.load(Ordering::Relaxed) {
                stop.nudge();
            }
        })?;
        Ok(Self { path, inode, socket, ended, listener: Some(listener) })
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Not by a ring: another process's bell may be in its place by now, and hear that. If it cannot be woken the thread
        // stays behind until the process ends: better than waiting for it.
        if self.socket.shutdown(Shutdown::Both).is_ok()
            && let Some(listener) = self.listener.take()
        {
            let _ = listener.join();
        }
        if fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How often a sender that hears no bell should look at [`crate::outbox::Outbox::data_version`].
pub const POLL: Duration = Duration::from_secs(2);

/// Wakes the process that delivers from `dir`, if there is one. Never waits.
pub fn ring(dir: &Path) {
    let _ = ring_at(&dir.join(NAME));
}

fn ring_at(path: &Path) -> io::Result<usize> {
    let socket = UnixDatagram::unbound()?;
    // A full queue of rings will wake it too.
    socket.set_nonblocking(true)?;
    socket.send_to(&[0], path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Woke;

    #[test]
    fn a_ring_wakes_whoever_waits() {
        let dir = tempfile::tempdir().unwrap();
        ring(dir.path());
        let stop = Stop::new();
        let bell = Bell::listen(dir.path(), stop.clone()).unwrap();
        ring(dir.path());
        assert_eq!(stop.wait_real(Duration::from_secs(20)), Woke::Nudged);
        drop(bell);
        // A dead holder's socket is in nobody's way.
        fs::write(dir.path().join(NAME), "").unwrap();
        assert!(Bell::listen(dir.path(), stop).is_ok());
    }

    /// It waited for ever for a ring that the other had heard, and took the other's socket away.
    #[test]
    fn a_bell_ends_though_another_took_its_place_which_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Stop::new(), Stop::new());
        let one = Bell::listen(dir.path(), first).unwrap();
        let _two = Bell::listen(dir.path(), second.clone()).unwrap();
        let (ended, has_ended) = std::sync::mpsc::channel();
        thread::spawn(move || {
            drop(one);
            _ = ended.send(());
        });
        has_ended.recv_timeout(Duration::from_secs(20)).expect("it ends");
        ring(dir.path());
        assert_eq!(second.wait_real(Duration::from_secs(20)), Woke::Nudged);
    }
}
