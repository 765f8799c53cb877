//! Several processes, one grant, killed at random, against a provider that takes a second use of a token for theft.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use google_emulator::{CLIENT_ID, EarlyPoll, Options, Rotation, Server, ServerOptions};
use rowkeeper::clock::{Clock, Mono, SystemClock};
use rowkeeper::config::Config;
use rowkeeper::http::Client;
use rowkeeper::session::{Session, TokenError};
use rowkeeper::status::GrantState;
use rowkeeper::{Device, Edges};

use crate::board::Board;
use crate::world::sign_in;

const STATE: &str = "ROWKEEPER_TEST_STATE";
const URL: &str = "ROWKEEPER_TEST_URL";

fn session(dir: &str, url: &str, clock: Arc<dyn Clock>) -> Session {
    let config = Config::parse("", None, dir.into(), Some(url.into())).unwrap();
    Device::open_with(config, Edges { http: Arc::new(Client::new(None).unwrap()), clock }).unwrap().session()
}

/// One of the processes: wants another token, again and again, until it is killed.
#[test]
fn child() {
    let (Ok(dir), Ok(url)) = (std::env::var(STATE), std::env::var(URL)) else { return };
    let session = session(&dir, &url, Arc::new(SystemClock));
    loop {
        let renewed = session.bearer().and_then(|bearer| session.replace(&bearer.token));
        match renewed {
            // Weather: the emulator is busy, or a moment ago another one failed.
            Ok(_) | Err(TokenError::Later { .. }) => {}
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(3);
            }
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn start(dir: &str, url: &str) -> Killed {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--test-threads=1"]).env(STATE, dir).env(URL, url);
    Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// RF-05 to RF-07. `PROCESSES` and `PROCESSES_SECONDS` make it longer. Without the grace it ends after a few kills: a death in
/// the reply window is not survivable then, and not faked here.
#[test]
fn a_grant_survives_processes_that_are_killed_at_random() {
    let server = Server::start(
        "127.0.0.1:0",
        ServerOptions {
            model: Options { approve_as: Some("maker@example.com".into()), log_entries: 1, ..Options::default() },
            ..ServerOptions::default()
        },
    )
    .unwrap();
    server.with_model(|google| {
        let mut client = google.client(CLIENT_ID).unwrap();
        client.early_poll = EarlyPoll::Tolerate;
        client.rotation = Rotation::Always { grace: 30 };
        google.set_client(client);
    });
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    sign_in(&session(dir, &url, Arc::new(Board::new()))).unwrap();

    let count = number("PROCESSES", 4) as usize;
    let clock = SystemClock;
    let end: Mono = clock.mono() + Duration::from_secs(number("PROCESSES_SECONDS", 3));
    let mut children: Vec<_> = (0..count).map(|_| start(dir, &url)).collect();
    let mut kills = 0;
    while clock.mono() < end {
        let chance = rowkeeper::random_u64().unwrap();
        thread::sleep(Duration::from_millis(20 + chance % 150));
        let which = (chance >> 32) as usize % count;
        let ended = children[which].0.try_wait().unwrap();
        assert!(ended.is_none(), "after {kills} kills a process gave up: {ended:?}");
        children[which] = start(dir, &url);
        kills += 1;
    }
    drop(children);
    let refreshes = server.with_model(|google| google.log().last().map_or(0, |entry| entry.number));
    println!("{kills} kills, {refreshes} requests");
    assert!(refreshes > 5, "the processes did next to nothing");
    let session = session(dir, &url, Arc::new(SystemClock));
    let bearer = session.bearer().unwrap();
    session.replace(&bearer.token).unwrap();
    assert_eq!(session.status().state, GrantState::SignedIn);
}
