//! Several processes, one grant, killed at random, against a provider that takes a second use of a token for theft.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use google_emulator::{CLIENT_ID, EarlyPoll, LogEntry, Options, Rotation, Server, ServerOptions};
use rowkeeper::clock::{Clock, SystemClock};
use rowkeeper::config::Config;
use rowkeeper::http::Client;
use rowkeeper::session::{Session, TokenError};
use rowkeeper::status::GrantState;
use rowkeeper::{Device, Edges};

use crate::board::Board;
use crate::world::sign_in;

const STATE: &str = "ROWKEEPER_TEST_STATE";
const URL: &str = "ROWKEEPER_TEST_URL";
const TALLY: &str = "ROWKEEPER_TEST_TALLY";
const REFRESHES: &str = "PROCESSES_REFRESHES";

/// Longer than any token lives: whoever wants this refreshes, whatever another process has just done.
const NEVER_ENOUGH: Duration = Duration::from_secs(1_000_000);

fn session(dir: &str, url: &str, clock: Arc<dyn Clock>) -> Session {
    let config = Config::parse("", None, dir.into(), Some(url.into())).unwrap();
    Device::open_with(config, Edges { http: Arc::new(Client::new(None).unwrap()), clock }).unwrap().session()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// How many refreshes a process is to make, its predecessors' included.
fn wanted() -> u64 {
    number(REFRESHES, 40)
}

fn done(tally: &Path) -> u64 {
    fs::metadata(tally).map_or(0, |meta| meta.len())
}

/// One of the processes: refreshes, marks it in its tally, again and again, until it is killed or has done its share.
#[test]
fn child() {
    let variable = |name| std::env::var(name).ok();
    let (Some(dir), Some(url), Some(tally)) = (variable(STATE), variable(URL), variable(TALLY)) else { return };
    let session = session(&dir, &url, Arc::new(SystemClock));
    let mut mark = OpenOptions::new().append(true).create(true).open(&tally).unwrap();
    while done(Path::new(&tally)) < wanted() {
        match session.token(NEVER_ENOUGH) {
            Ok(_) => mark.write_all(b".").unwrap(),
            // Weather: the emulator is busy.
            Err(TokenError::Later { .. }) => thread::sleep(Duration::from_millis(50)),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(3);
            }
        }
    }
}

/// A process, and what is left of it when it is dropped.
struct Mortal {
    child: Child,
    tally: PathBuf,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Mortal {
    fn start(dir: &str, url: &str, tally: PathBuf) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes::child", "--test-threads=1"]);
        command.env(STATE, dir).env(URL, url).env(TALLY, &tally).env(REFRESHES, wanted().to_string());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, tally }
    }

    /// Whether it is through with its share. One that gave up is a failure.
    fn is_through(&mut self) -> bool {
        match self.child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success(), "a process gave up: {status}");
                assert!(done(&self.tally) >= wanted());
                true
            }
            None => false,
        }
    }
}

/// RF-05 to RF-07. Two deaths in one token's reply windows are more than a provider with one replay forgives, so the next
/// kill waits until that token was replaced; otherwise kills come at any moment. `cargo xtask processes` is the long form: eight processes,
/// a hundred refreshes each.
#[test]
fn a_grant_survives_processes_that_are_killed_at_random() {
    let server = Server::start(
        "127.0.0.1:0",
        ServerOptions {
            model: Options { approve_as: Some("maker@example.com".into()), log_entries: 100_000, ..Options::default() },
            ..ServerOptions::default()
        },
    )
    .unwrap();
    server.with_model(|google| {
        let mut client = google.client(CLIENT_ID).unwrap();
        client.early_poll = EarlyPoll::Tolerate;
        client.rotation = Rotation::OneReplay { grace: 60 };
        google.set_client(client);
    });
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    sign_in(&session(dir, &url, Arc::new(Board::new()))).unwrap();
    // The sign-in was on another clock; from this refresh on, this machine's tells how long a token lives.
    let own = session(dir, &url, Arc::new(SystemClock));
    own.replace(&own.bearer().unwrap().token).unwrap();
    let asked = || {
        let is_refresh = |entry: &LogEntry| entry.grant_type.as_deref() == Some("refresh_token");
        server.with_model(|google| google.log().iter().filter(|entry| is_refresh(entry)).count())
    };

    let count = number("PROCESSES", 4) as usize;
    let start = |slot: usize| Mortal::start(dir, &url, folder.path().join(format!("tally-{slot}")));
    let mut processes: Vec<_> = (0..count).map(start).collect();
    let (mut kills, mut next_kill_at) = (0, 0);
    let refreshes = loop {
        let marks: u64 = processes.iter().map(|process| done(&process.tally)).sum();
        let busy: Vec<_> = (0..count).filter(|slot| !processes[*slot].is_through()).collect();
        if busy.is_empty() {
            break marks;
        }
        let chance = rowkeeper::random_u64().unwrap();
        thread::sleep(Duration::from_millis(1 + chance % 40));
        if marks >= next_kill_at {
            let slot = busy[(chance >> 32) as usize % busy.len()];
            processes[slot] = start(slot);
            kills += 1;
            // Each process may mark one more that it made before this kill; the mark after those is of a new token.
            next_kill_at = marks + count as u64 + 1;
        }
    };
    println!("{count} processes, {refreshes} refreshes marked, {} asked for, {kills} kills", asked());
    assert!(refreshes >= count as u64 * wanted() && kills >= wanted() / 10, "{kills} kills");
    assert!(asked() as u64 > refreshes, "each mark is of a refresh");
    own.token(NEVER_ENOUGH).unwrap();
    assert_eq!(own.status().state, GrantState::SignedIn);
}
