//! The vocabulary: a device, its owner, the emulated Google, and a network that does what the test says.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use google_emulator::{CLIENT_ID, Client, Model, Options};
use rowkeeper::clock::{Clock, Mono, Stop, Woke};
use rowkeeper::config::Config;
use rowkeeper::doctor::{Finding, examine_with};
use rowkeeper::http::{Http, Lost, NotSent, Request, Response, Timeouts};
use rowkeeper::session::{Account, Asked, Session, SignInError, SignInEvent};
use rowkeeper::status::GrantState;
use rowkeeper::{Device, Edges};

use crate::board::{Board, ORIGIN};

/// The scope that rows need.
pub(crate) const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";

/// What happens to one request instead of an answer of the emulator's.
pub(crate) enum Weather {
    /// This status and body, from whoever is in between.
    Answer(u16, &'static str),
    /// It never left.
    NotSent(NotSent),
    /// It arrived, and the answer did not.
    AnswerLost,
    /// The process dies before it is sent.
    DiesBefore,
    /// The process dies with the answer on the wire.
    DiesAfter,
    /// Something happens on the disk meanwhile; then as the other says.
    Meanwhile(Box<dyn FnOnce() + Send>, Box<Weather>),
}

pub(crate) fn offline() -> Weather {
    Weather::NotSent(NotSent::Connect("no route".into()))
}

/// What the owner does.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    Allows,
    AllowsOnly(&'static [&'static str]),
    /// Somebody else's account.
    AllowsAs(&'static str),
    Denies,
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Duration,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ask,
    Poll,
    Refresh,
    Revoke,
    Api,
}

pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) board: Arc<Board>,
    net: Arc<Net>,
}

struct Net {
    board: Arc<Board>,
    state: Mutex<State>,
}

struct State {
    google: Model,
    sent: Vec<Sent>,
    weather: VecDeque<(Kind, Weather)>,
    /// How many polls the owner lets pass, and what comes then.
    owner: Option<(usize, Owner)>,
    /// The process dies at this edge (a request, its answer, a wait), counted from now.
    dies_at: Option<usize>,
}

impl World {
    pub(crate) fn new() -> Self {
        let shm = Path::new("/dev/shm");
        let place = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let board = Arc::new(Board::new());
        let state = State {
            google: Model::new(Options::default()),
            sent: Vec::new(),
            weather: VecDeque::new(),
            owner: None,
            dies_at: None,
        };
        let net = Arc::new(Net { board: Arc::clone(&board), state: Mutex::new(state) });
        let dir = tempfile::Builder::new().prefix("rowkeeper-session-").tempdir_in(place).unwrap();
        Self { dir, board, net }
    }

    /// With a client that differs from Google's usual one.
    pub(crate) fn with_client(change: impl FnOnce(&mut Client)) -> Self {
        let world = Self::new();
        world.change_client(change);
        world
    }

    pub(crate) fn change_client(&self, change: impl FnOnce(&mut Client)) {
        self.google(|google| {
            let mut client = google.client(CLIENT_ID).unwrap();
            change(&mut client);
            google.set_client(client);
        });
    }

    pub(crate) fn google<T>(&self, f: impl FnOnce(&mut Model) -> T) -> T {
        f(&mut self.net.state().google)
    }

    /// The next request of that kind meets this.
    pub(crate) fn next(&self, kind: Kind, weather: Weather) -> &Self {
        self.net.state().weather.push_back((kind, weather));
        self
    }

    pub(crate) fn clear_weather(&self) {
        self.net.state().weather.clear();
    }

    /// The owner acts after so many polls of the code that is shown then.
    pub(crate) fn owner(&self, polls: usize, owner: Owner) -> &Self {
        self.net.state().owner = Some((polls, owner));
        self
    }

    pub(crate) fn dies_at(&self, edge: Option<usize>) {
        self.net.state().dies_at = edge;
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.board.pass(Duration::from_secs(seconds));
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn config(&self) -> Config {
        Config::parse("", None, self.state_dir(), Some("http://127.0.0.1:8085".into())).unwrap()
    }

    /// A process that has just started.
    pub(crate) fn session(&self) -> Session {
        self.session_with(self.config())
    }

    pub(crate) fn session_with(&self, config: Config) -> Session {
        self.device_with(config).session()
    }

    pub(crate) fn device(&self) -> Device {
        self.device_with(self.config())
    }

    fn device_with(&self, config: Config) -> Device {
        let edges = Edges { http: Arc::clone(&self.net) as _, clock: Arc::new(Mortal(Arc::clone(&self.net))) };
        Device::open_with(config, edges).unwrap()
    }

    /// What the doctor finds.
    pub(crate) fn examined(&self) -> Vec<Finding> {
        let edges = Edges { http: Arc::clone(&self.net) as _, clock: Arc::clone(&self.board) as _ };
        examine_with(self.config(), edges)
    }

    /// Signs in with an owner who allows everything at once.
    pub(crate) fn signed_in(&self) -> Session {
        let session = self.session();
        self.owner(1, Owner::Allows);
        sign_in(&session).unwrap();
        self.forget();
        session
    }

    /// Forgets what was sent so far.
    pub(crate) fn forget(&self) {
        self.net.state().sent.clear();
    }

    pub(crate) fn sent(&self, kind: Kind) -> Vec<Sent> {
        self.net.state().sent.iter().filter(|sent| sent.kind == kind).cloned().collect()
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.sent(kind).len()
    }

    pub(crate) fn polls_at(&self) -> Vec<Duration> {
        self.sent(Kind::Poll).iter().map(|sent| sent.at).collect()
    }

    /// The seconds between polls.
    pub(crate) fn gaps(&self) -> Vec<u64> {
        self.polls_at().windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }

    /// All that `grant.json` and its companions hold.
    pub(crate) fn grant_files(&self) -> String {
        let entries = std::fs::read_dir(self.state_dir()).unwrap().map(|entry| entry.unwrap().path());
        let ours = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("grant.json"));
        ours.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
    }
}

/// One sign-in that a person asked for.
pub(crate) fn sign_in(session: &Session) -> Result<Account, SignInError> {
    codes(session, Asked::ByPerson).1
}

/// The codes that were shown, and what came of it.
pub(crate) fn codes(session: &Session, asked: Asked) -> (Vec<String>, Result<Account, SignInError>) {
    let mut shown = Vec::new();
    let outcome = session.sign_in(
        asked,
        &mut |event| {
            if let SignInEvent::Code { user_code, .. } = event {
                shown.push(user_code.clone());
            }
        },
        &Stop::new(),
    );
    (shown, outcome)
}

pub(crate) fn state(session: &Session) -> GrantState {
    session.status().state
}

/// Runs a process that may die; `None` when it did.
pub(crate) fn process<T>(f: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(outcome) => Some(outcome),
        Err(panic) if panic.downcast_ref::<Death>().is_some() => None,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

struct Death;

/// Ends the process without a word on stderr.
fn die() -> ! {
    std::panic::resume_unwind(Box::new(Death))
}

impl Net {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// One edge further; whether the process dies here.
    fn is_fatal(&self) -> bool {
        let mut state = self.state();
        match &mut state.dies_at {
            Some(0) => {
                state.dies_at = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn handle(&self, request: &Request) -> Response {
        let target = request.url.splitn(4, '/').nth(3).unwrap_or_default();
        let mut sent = google_emulator::Request::new(&request.method, &format!("/{target}"));
        for (name, value) in &request.headers {
            sent = sent.with_header(name, value);
        }
        sent.body = request.body.to_vec();
        let reply = self.state().google.handle(ORIGIN + self.board.world(), &sent);
        let headers = reply.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        Response { status: reply.status, headers, body: reply.body }
    }

    fn owner_acts(&self) {
        let mut state = self.state();
        match &mut state.owner {
            Some((0, _)) => {}
            Some((left, _)) => {
                *left -= 1;
                return;
            }
            None => return,
        }
        let Some((_, owner)) = state.owner.take() else { return };
        for code in state.google.pending_codes() {
            match owner {
                Owner::Allows => state.google.approve(&code.user_code, "maker@example.com"),
                Owner::AllowsAs(account) => state.google.approve(&code.user_code, account),
                Owner::AllowsOnly(scopes) => state.google.approve_some(&code.user_code, "maker@example.com", scopes),
                Owner::Denies => state.google.deny(&code.user_code),
            }
            .unwrap();
        }
    }

    fn suffer(&self, weather: Option<Weather>, request: &Request, timeouts: &Timeouts) -> Result<Response, Lost> {
        match weather {
            None => Ok(self.handle(request)),
            Some(Weather::Answer(status, body)) => {
                let headers = vec![("content-type".into(), "application/json".into())];
                Ok(Response { status, headers, body: body.as_bytes().to_vec() })
            }
            Some(Weather::NotSent(cause)) => Err(Lost::NotSent(cause)),
            Some(Weather::AnswerLost) => {
                self.handle(request);
                self.board.pass(timeouts.total);
                Err(Lost::Unknown("time-out".into()))
            }
            Some(Weather::DiesBefore) => die(),
            Some(Weather::DiesAfter) => {
                self.handle(request);
                die()
            }
            Some(Weather::Meanwhile(deed, then)) => {
                deed();
                self.suffer(Some(*then), request, timeouts)
            }
        }
    }
}

impl Http for Net {
    fn send(&self, request: &Request, timeouts: &Timeouts) -> Result<Response, Lost> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let kind = match request.url.rsplit('/').next().unwrap_or_default() {
            "code" => Kind::Ask,
            "token" if body.contains("grant_type=refresh_token") => Kind::Refresh,
            "token" => Kind::Poll,
            "revoke" => Kind::Revoke,
            _ => Kind::Api,
        };
        if self.is_fatal() {
            die();
        }
        let weather = {
            let mut state = self.state();
            state.sent.push(Sent { at: self.board.world(), kind });
            let next = state.weather.iter().position(|(of, _)| *of == kind);
            next.and_then(|next| state.weather.remove(next)).map(|(_, weather)| weather)
        };
        if kind == Kind::Poll {
            self.owner_acts();
        }
        let answer = self.suffer(weather, request, timeouts);
        self.board.pass(Duration::from_millis(120));
        if self.is_fatal() {
            die();
        }
        answer
    }
}

/// The board's clocks, for a process that may die while it waits.
struct Mortal(Arc<Net>);

impl Clock for Mortal {
    fn mono(&self) -> Mono {
        self.0.board.mono()
    }

    fn wall(&self) -> rowkeeper::clock::Wall {
        self.0.board.wall()
    }

    fn boot_id(&self) -> String {
        self.0.board.boot_id()
    }

    fn wait(&self, until: Mono, stop: &Stop) -> Woke {
        if self.0.is_fatal() {
            die();
        }
        self.0.board.wait(until, stop)
    }
}
