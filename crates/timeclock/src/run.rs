//! The clock's edge: one loop that carries out what the rules say, and the threads that tell it what happens.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rowkeeper::clock::{Clock as _, Mono, Stop, SystemClock};
use rowkeeper::delivery::Change;
use rowkeeper::lookup::{LookupError, Lookups};
use rowkeeper::outbox::DiskError;
use rowkeeper::status::{GrantState, Status};
use rowkeeper::{DeliverError, Device, Wish};
use rowkeeper_gadget::input::Input;
use rowkeeper_gadget::light::Lamp;
use rowkeeper_gadget::{Display, Limiter, log_line, service};

use crate::config::Timeclock;
use crate::ledger::Ledger;
use crate::moment::Now;
use crate::roster::{self, Roster};
use crate::rules::{Clock, Effect, Event, Settings};
use crate::sheet;

/// What the loop is told.
#[derive(Debug)]
pub enum Told {
    /// A person did something.
    Input(Input),
    /// Something about sign-in or delivery may have changed; a line for the log.
    Standing(Option<String>),
    /// The sheet's tabs were read.
    Roster(Roster),
    /// The device cannot go on.
    Ended(DeliverError),
    /// It is to end.
    Stop,
}

impl From<Input> for Told {
    fn from(input: Input) -> Self {
        Self::Input(input)
    }
}

/// What a clock is made of, besides its rules.
pub struct Body {
    /// The glass.
    pub display: Display,
    /// The light.
    pub lamp: Lamp,
    /// There is a knob to choose with.
    pub has_knob: bool,
    /// There is a reader of badges.
    pub has_reader: bool,
    /// Hears each new state of sign-in and delivery.
    pub watch: Box<dyn FnMut(&Status)>,
}

/// The clock did not run.
#[derive(Debug)]
pub enum RunError {
    /// Another one uses the state directory.
    Twice(PathBuf),
    /// The ledger, or the lock beside it, cannot be used.
    State(PathBuf, io::Error),
    /// The system has no room for another thread.
    Thread(io::Error),
    /// The outbox cannot be read.
    Disk(DiskError),
    /// The device cannot go on.
    Device(DeliverError),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Twice(dir) => write!(f, "another timeclock uses {}; stop it first", dir.display()),
            Self::State(path, _) => write!(f, "cannot use {}", path.display()),
            Self::Thread(_) => f.write_str("the system has no room for another thread"),
            Self::Disk(error) => error.fmt(f),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::State(_, cause) | Self::Thread(cause) => Some(cause),
            Self::Disk(error) => error.source(),
            Self::Device(error) => error.source(),
            Self::Twice(_) => None,
        }
    }
}

/// Runs the clock until `stop` is pressed. Whoever holds `sender` is its hands.
///
/// # Errors
/// See [`RunError`]. Nothing that was punched is lost.
pub fn run(
    device: &Device,
    settings: &Timeclock,
    body: Body,
    (sender, told): (Sender<Told>, Receiver<Told>),
    stop: &Stop,
) -> Result<(), RunError> {
    let dir = &device.config().state_dir;
    let _lock = lock(dir)?;
    let ledger_file = dir.join("timeclock.json");
    let ledger = open_ledger(&ledger_file)?;
    first_sheet(device, settings).map_err(RunError::Disk)?;
    let lookups = Lookups::new(device, roster::tabs(&settings.projects));
    let roster = Roster::read(&lookups.remembered()).unwrap_or_else(|| Roster::first(&settings.projects));
    let rules = Settings {
        shift: settings.shift,
        has_knob: body.has_knob,
        has_reader: body.has_reader,
        zone: device.config().timezone(),
    };
    let look = Stop::new();
    let mut hours = Running {
        device,
        ledger_file,
        clock: Clock::new(rules, ledger, roster),
        boot: device.clock().boot_id(),
        body,
        limiter: Limiter::default(),
        look: look.clone(),
        signed_in_to: None,
    };
    hours.stands();
    hours.does(Event::Tick);

    let work = Stop::new();
    let outcome = thread::scope(|scope| {
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.into()).spawn_scoped(scope, work).map(drop).map_err(RunError::Thread)
        };
        let threads = || {
            let (to, work) = (sender.clone(), work.clone());
            spawn("delivery", Box::new(move || deliver(device, &to, &work)))?;
            let (to, refresh) = (sender.clone(), settings.refresh);
            let (lookups, look) = (&lookups, look.clone());
            spawn("lookups", Box::new(move || keep_looking(device, lookups, refresh, &to, &look)))?;
            let to = sender.clone();
            spawn(
                "stop",
                Box::new(move || {
                    // The stop of a person or of the service manager becomes a word like any other.
                    while SystemClock.wait(Mono::new(Duration::MAX), stop) != rowkeeper::clock::Woke::Stopped {}
                    _ = to.send(Told::Stop);
                }),
            )
        };
        let outcome = threads().and_then(|()| {
            service::ready();
            hours.run(&told)
        });
        service::stopping();
        work.stop();
        look.stop();
        stop.stop();
        outcome
    });
    drop(sender);
    outcome
}

struct Running<'d> {
    device: &'d Device,
    ledger_file: PathBuf,
    clock: Clock,
    boot: String,
    body: Body,
    limiter: Limiter,
    look: Stop,
    /// Signed in to this spreadsheet.
    signed_in_to: Option<String>,
}

impl Running<'_> {
    fn run(&mut self, told: &Receiver<Told>) -> Result<(), RunError> {
        loop {
            let now = self.now();
            // The channel's clock stops while the board is suspended; a minute bounds how late a wait can end.
            let wait = self.clock.wakes_at(&now).map_or(LONGEST_WAIT, |at| at.since(now.mono).min(LONGEST_WAIT));
            match told.recv_timeout(wait) {
                Ok(Told::Input(input)) => {
                    self.body.display.touch();
                    self.does(Event::Input(input));
                }
                Ok(Told::Standing(line)) => {
                    line.iter().for_each(|line| self.log(line));
                    self.stands();
                }
                Ok(Told::Roster(roster)) => self.does(Event::Roster(roster)),
                Ok(Told::Ended(error)) => return Err(RunError::Device(error)),
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => self.does(Event::Tick),
            }
        }
    }

    fn now(&self) -> Now {
        let clock = self.device.clock();
        Now { wall: clock.wall(), mono: clock.mono(), boot: self.boot.clone() }
    }

    /// Lets the rules decide and does what they say, until nothing is left to do.
    fn does(&mut self, event: Event) {
        let mut effects = VecDeque::from(self.clock.step(&self.now(), event));
        let mut handed = false;
        loop {
            let Some(effect) = effects.pop_front() else {
                // What the outbox took changes what waits.
                match std::mem::take(&mut handed).then(|| self.standing()).flatten() {
                    Some(standing) => effects.extend(self.clock.step(&self.now(), standing)),
                    None => break,
                }
                continue;
            };
            let answer = match effect {
                Effect::Keep(ledger) => self.keep(&ledger),
                Effect::Hand(handing) => {
                    handed = true;
                    sheet::hand(&self.device.recorder(), handing, &self.clock.zone())
                }
                Effect::Refresh => {
                    self.look.nudge();
                    continue;
                }
                Effect::Log(line) => {
                    self.log(&line);
                    continue;
                }
            };
            // The light changes with what is on disk, and waits for nothing else.
            let kept = matches!(answer, Event::Kept);
            effects.extend(self.clock.step(&self.now(), answer));
            if kept {
                self.show();
            }
        }
        self.show();
    }

    fn keep(&self, ledger: &Ledger) -> Event {
        let written = serde_json::to_vec(ledger).map_err(io::Error::from);
        match written.and_then(|written| rowkeeper::replace_file(&self.ledger_file, &written)) {
            Ok(()) => Event::Kept,
            Err(error) => Event::NotKept(error.to_string()),
        }
    }

    /// How sign-in and delivery stand, from the disk. One that does not answer leaves it as it was.
    fn standing(&mut self) -> Option<Event> {
        let status = self.device.status().ok()?;
        (self.body.watch)(&status);
        // As soon as there is a sheet to read it is read: its owner stands there and waits for the projects.
        let sheet = status.sheet.as_ref().filter(|_| status.grant.state == GrantState::SignedIn);
        let signed_in_to = sheet.map(|sheet| sheet.spreadsheet_id.clone());
        if signed_in_to.is_some() && signed_in_to != self.signed_in_to {
            self.look.nudge();
        }
        self.signed_in_to = signed_in_to;
        Some(Event::Standing(Box::new(status)))
    }

    fn stands(&mut self) {
        if let Some(standing) = self.standing() {
            self.does(standing);
        }
    }

    fn show(&self) {
        let view = self.clock.view(&self.now());
        self.body.lamp.tell(view.light);
        self.body.display.show(view.screen);
    }

    fn log(&mut self, line: &str) {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        service::status(&line);
        if let Some(line) = self.limiter.pass(&line, self.device.clock().mono()) {
            say(&line);
        }
    }
}

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A line on stderr. Whether anybody listens is not our trouble.
pub fn say(line: &str) {
    _ = io::stderr().lock().write_all(format!("timeclock: {line}\n").as_bytes());
}

fn deliver(device: &Device, to: &Sender<Told>, stop: &Stop) {
    let outcome = device.run(
        &mut |event| {
            let line = match event {
                // The first spreadsheet is one that was asked for, like those of `rowkeeper sheet new`.
                rowkeeper::Event::Delivery(Change::Moved) => Some("the spreadsheet is there".to_owned()),
                event => log_line(&event, false),
            };
            _ = to.send(Told::Standing(line));
        },
        stop,
    );
    if let Err(error) = outcome {
        _ = to.send(Told::Ended(error));
    }
}

/// How long a read may take.
const READ_PATIENCE: Duration = Duration::from_secs(60);
/// How soon a read that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(15);
/// How soon a sign-in, a spreadsheet or a network is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

fn keep_looking(device: &Device, lookups: &Lookups, refresh: Duration, to: &Sender<Told>, stop: &Stop) {
    let clock = device.clock();
    let mut last = None;
    while !stop.is_stopped() {
        let signed_in = device.session().status().state == GrantState::SignedIn;
        let read = signed_in.then(|| lookups.read(clock.mono() + READ_PATIENCE, stop));
        let wait = match read {
            Some(Ok(found)) => {
                if let Some(roster) = Roster::read(&found).filter(|roster| last.as_ref() != Some(roster)) {
                    last = Some(roster.clone());
                    _ = to.send(Told::Roster(roster));
                }
                refresh
            }
            None => LOOK_AGAIN,
            Some(Err(LookupError::NoSheet)) => {
                if let Ok(Some(why)) = device.outbox().wish_refused() {
                    _ = to.send(Told::Standing(Some(format!(
                        "the spreadsheet cannot be used: {why}; check [timeclock] join"
                    ))));
                }
                LOOK_AGAIN
            }
            Some(Err(error)) => {
                // What was read last still holds.
                _ = to.send(Told::Standing(Some(format!("projects and people were not read: {error}"))));
                refresh.min(TRY_AGAIN)
            }
        };
        clock.wait(clock.mono() + wait, stop);
    }
}

/// A clock needs its spreadsheet before the first punch: people write their projects into it.
fn first_sheet(device: &Device, settings: &Timeclock) -> Result<(), DiskError> {
    let outbox = device.outbox();
    if outbox.sheet()?.is_some() || outbox.wish()?.is_some() {
        return Ok(());
    }
    let wish = match &settings.join {
        Some(sheet) => Wish::Adopt(spreadsheet_id(sheet).to_owned()),
        None => Wish::New,
    };
    outbox.set_wish(&wish)
}

/// The id, or the address that a browser shows: `…/spreadsheets/d/ID/edit`.
fn spreadsheet_id(text: &str) -> &str {
    let id = text.split_once("/spreadsheets/d/").map_or(text, |(_, rest)| rest);
    id.split(['/', '?', '#']).next().unwrap_or(id).trim()
}

/// Two clocks on one ledger would each believe their own.
fn lock(dir: &Path) -> Result<File, RunError> {
    let path = dir.join("timeclock.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| RunError::State(path.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Twice(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(RunError::State(path, error)),
    }
}

/// One that is damaged is kept aside: what it held is for a person to look at, and the clock goes on.
fn open_ledger(path: &Path) -> Result<Ledger, RunError> {
    let fresh = || Ledger::named(format!("{:08x}", rowkeeper::random_u64().unwrap_or_default() as u32));
    let state = |error| RunError::State(path.to_owned(), error);
    match fs::read(path) {
        Ok(kept) => match serde_json::from_slice(&kept) {
            Ok(ledger) => Ok(ledger),
            Err(error) => {
                let aside = path.with_extension("json.damaged");
                fs::rename(path, &aside).map_err(state)?;
                say(&format!("{} is damaged ({error}); kept as {}", path.display(), aside.display()));
                Ok(fresh())
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(fresh()),
        Err(error) => Err(state(error)),
    }
}
