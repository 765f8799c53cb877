//! Processes that end: each wait has a limit, and whatever was started is gone when its owner is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

const TICK: Duration = Duration::from_millis(20);

/// Time since this call.
#[expect(clippy::disallowed_methods, reason = "an edge; and this machine does not sleep in the middle of a test")]
pub(crate) fn clock() -> impl Fn() -> Duration + Copy {
    let start = Instant::now();
    move || start.elapsed()
}

/// A port of loopback that nobody listens on just now, and that was not given out before.
pub(crate) fn free_port() -> Outcome<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        // A set of numbers is good whatever happened to the thread that held the lock.
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}

/// A started program with its output in files. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    name: String,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts `command`; its output goes to `folder`.
    pub(crate) fn start(command: &mut Command, folder: &Path) -> Outcome<Self> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A name of its own for every run: a folder may see several.
        let number = fs::read_dir(folder)?.count();
        let (out, err) = (folder.join(format!("{name}.{number}.out")), folder.join(format!("{name}.{number}.err")));
        command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
        // Nothing here leaves the machine.
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { child, name, out, err })
    }

    /// Waits until somebody listens on `port` of loopback.
    pub(crate) fn wait_for_port(&mut self, port: u16) -> Outcome {
        self.wait(Duration::from_secs(30), |_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(()))
    }

    /// Waits until `wanted` finds what it looks for in the standard output.
    pub(crate) fn wait_for_output<T>(&mut self, limit: Duration, wanted: impl Fn(&str) -> Option<T>) -> Outcome<T> {
        self.wait(limit, |running| wanted(&running.output()))
    }

    fn wait<T>(&mut self, limit: Duration, wanted: impl Fn(&Self) -> Option<T>) -> Outcome<T> {
        let clock = clock();
        loop {
            if let Some(found) = wanted(self) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended early ({status}): {}", self.name, self.words()).into());
            }
            if clock() > limit {
                return Err(format!("{} kept us waiting for {limit:?}: {}", self.name, self.words()).into());
            }
            thread::sleep(TICK);
        }
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let clock = clock();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if clock() > limit {
                return Err(format!("{} did not end within {limit:?}: {}", self.name, self.words()).into());
            }
            thread::sleep(TICK);
        }
    }

    /// What it wrote to its standard output so far.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it wrote to its standard error so far.
    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    fn words(&self) -> String {
        format!("{}{}", self.output(), self.complaints())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A program that was built along with this one: `cargo build` puts them side by side.
pub(crate) fn sibling(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(format!("{} is not there; build it first", path.display()).into()) }
}
