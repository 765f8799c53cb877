//! A device under test: a home of its own and the real command.
//!
//! Whatever a command prints is searched for secrets, in every test: see [`Ran`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::{fmt, fs};

use pty_process::blocking::Pty;
use rowkeeper::clock::{Clock, Mono, SystemClock};
use serde_json::Value;
use tempfile::TempDir;

use crate::heard::Heard;

/// No command of these tests may take longer; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where nobody listens: a port of the well-known ones, so that none of these tests is given it.
pub(crate) const NOBODY: &str = "http://127.0.0.1:9";

/// What the emulator's device codes, access tokens and refresh tokens begin with, and its client's secret.
const SECRETS: [&str; 4] = ["AH-1Ng", "ya29.", "1//0", "emulator-secret"];

/// A home directory with a state directory in it, and maybe an emulator to talk to.
pub(crate) struct Device {
    home: Arc<TempDir>,
    environment: BTreeMap<String, String>,
}

impl Device {
    /// A device whose provider and Sheets are at `emulator`.
    pub(crate) fn of(emulator: &str) -> Self {
        Self::alone().with("ROWKEEPER_EMULATOR", emulator)
    }

    /// A device that has nobody to sign in with.
    pub(crate) fn alone() -> Self {
        Self { home: Arc::new(tempfile::tempdir().unwrap()), environment: BTreeMap::new() }
    }

    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.environment.insert(variable.into(), value.into());
        self
    }

    /// Writes `rowkeeper.toml` where the commands find it.
    pub(crate) fn configured(self, toml: &str) -> Self {
        self.write("rowkeeper.toml", toml.as_bytes());
        self
    }

    /// The directory that the commands run in.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn state(&self, file: &str) -> PathBuf {
        self.home().join("state").join(file)
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.home().join(file), bytes).unwrap();
    }

    /// A command that sees nothing of the machine that the tests run on.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowkeeper"));
        command.args(arguments).current_dir(self.home()).env_clear();
        command.env("HOME", self.home()).env("TZ", "UTC").env("ROWKEEPER_STATE_DIR", self.home().join("state"));
        command.envs(&self.environment).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a command in the background; it is killed when dropped.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut running = Running::new(self.command(arguments), arguments);
        running.home = Some(self.home.clone());
        running
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).end()
    }

    /// Runs a command to its end, with this on stdin.
    pub(crate) fn feed(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        let mut running = Running::new(command, arguments);
        let (mut stdin, input) = (running.child.stdin.take().unwrap(), input.into());
        // A command that ends early does not read it all.
        let writing = thread::spawn(move || _ = stdin.write_all(&input));
        let ran = running.end();
        writing.join().unwrap();
        ran
    }

    /// Starts a command at a terminal, for a person who reads and types.
    pub(crate) fn at_terminal(&self, arguments: &[&str]) -> Terminal {
        let (terminal, end) = pty_process::blocking::open().unwrap();
        let child = pty_process::blocking::Command::from(self.command(arguments)).spawn(end).unwrap();
        let screen = File::from(terminal.as_fd().try_clone_to_owned().unwrap());
        let running = Running {
            arguments: arguments.join(" "),
            child,
            out: Heard::listen(screen),
            err: Heard::default(),
            home: None,
        };
        Terminal { running, keyboard: terminal }
    }

    /// `record`, which must work; the record's id.
    pub(crate) fn record(&self, fields: &[&str]) -> String {
        let arguments: Vec<_> = ["record"].iter().chain(fields).copied().collect();
        let ran = self.run(&arguments).exits(0);
        ran.out.trim_end().to_owned()
    }

    /// `status --json`, which must work.
    pub(crate) fn status(&self) -> Value {
        self.run(&["status", "--json"]).exits(0).json()
    }
}

/// How a command ended and what it said.
pub(crate) struct Ran {
    arguments: String,
    /// `None`: killed by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// As one reads it in a terminal, without the middle of what is very long.
impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| match text.char_indices().nth(3_000) {
            Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
            None => text.to_owned(),
        };
        let (arguments, out, err) = (short(&self.arguments), short(&self.out), short(&self.err));
        write!(f, "rowkeeper {arguments}\nended with {:?}\nstdout:\n{out}\nstderr:\n{err}", self.code)
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Stderr has `text` in it.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "not \"{text}\" in {self:?}");
        self
    }

    /// Stdout as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Stdout as JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    /// Only `token` prints a secret, on stdout; that is what it is for.
    fn keeps_secrets(self) -> Self {
        let out = if self.arguments.starts_with("token") { "" } else { &self.out };
        for secret in SECRETS {
            assert!(!out.contains(secret) && !self.err.contains(secret), "{secret}… was printed: {self:?}");
        }
        self
    }
}

/// A command in the background.
pub(crate) struct Running {
    arguments: String,
    child: Child,
    out: Heard,
    err: Heard,
    /// Stays while the command runs: `device.start(…)` may be all that a test says of a device.
    home: Option<Arc<TempDir>>,
}

impl Running {
    pub(crate) fn new(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().map(Heard::listen).unwrap_or_default();
        let err = child.stderr.take().map(Heard::listen).unwrap_or_default();
        Self { arguments: arguments.join(" "), child, out, err, home: None }
    }

    /// What it has said on stdout and stderr up to now.
    pub(crate) fn said(&self) -> String {
        self.out.text() + &self.err.text()
    }

    /// Waits for a line (on stdout or stderr) that `wanted` likes.
    #[track_caller]
    pub(crate) fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let look = || self.said().lines().find(|line| wanted(line)).map(str::to_owned);
        eventually_or(look, || format!("{}, which said:\n{}", self.arguments, self.said()))
    }

    /// Sends it as soon as it is heeded: one that has only just begun would die of it.
    #[track_caller]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        eventually("a handler of signals", || catches(self.child.id(), signal).then_some(()));
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The power cut: SIGKILL, and gone when this returns.
    pub(crate) fn kill(mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ran {
        let arguments = std::mem::take(&mut self.arguments);
        let status = eventually(&arguments, || self.child.try_wait().unwrap());
        let (out, err) = (std::mem::take(&mut self.out).all(), std::mem::take(&mut self.err).all());
        Ran { arguments, code: status.code(), out, err }.keeps_secrets()
    }
}

/// Whether the process has a handler for it, where the system tells.
fn catches(process: u32, signal: rustix::process::Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.is_none_or(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1)
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A command at a terminal. What it says on stdout and stderr, and what is typed, is on one screen.
pub(crate) struct Terminal {
    running: Running,
    keyboard: Pty,
}

impl Terminal {
    /// Waits for a whole line that has `text` in it.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        self.running.line(|line| line.contains(text));
    }

    #[track_caller]
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    #[track_caller]
    pub(crate) fn end(self) -> Ran {
        self.running.end()
    }
}

/// Looks again and again until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_or(look, || what.to_owned())
}

/// Looks again and again until there is an answer; `what` there was to see if there is none.
#[track_caller]
fn eventually_or<T>(mut look: impl FnMut() -> Option<T>, what: impl FnOnce() -> String) -> T {
    let give_up = now() + PATIENCE;
    loop {
        match look() {
            Some(found) => return found,
            None if now() < give_up => {}
            None => panic!("nothing came of waiting: {}", what()),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn now() -> Mono {
    SystemClock.mono()
}

/// How long `deed` took.
pub(crate) fn timed<T>(deed: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let result = deed();
    (result, now().since(start))
}
