//! A device: its configuration, its outbox and its sign-in, and the loops that drive them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use sheet_courier::{Closed, Hold};

use crate::clock::{Clock, Mono, Stop, SystemClock, Woke};
use crate::config::Config;
use crate::delivery::{self, AttemptError, Bell, Change, Delivery, DeliveryLock, Ended, Settings, Stepped};
use crate::durable;
use crate::http::{Client, ClientError, Http};
use crate::outbox::{self, DiskError, Outbox};
use crate::record;
use crate::recorder::Recorder;
use crate::session::{self, AccessError, Account, Asked, Session, SignInError, SignInEvent, TokenError};
use crate::status::{self, DeliveryState, GrantState, Status, When};

/// What a device reaches the outside with. Each can be made to fail on purpose.
#[derive(Clone)]
pub struct Edges {
    /// The network.
    pub http: Arc<dyn Http>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

/// A device. Its handles ([`Recorder`], [`Session`]) may be used from any thread, by any number of processes at once.
#[derive(Clone)]
pub struct Device {
    config: Arc<Config>,
    outbox: Arc<Outbox>,
    session: Session,
    clock: Arc<dyn Clock>,
}

/// The device cannot be opened. Nothing was changed.
#[derive(Debug)]
pub enum OpenError {
    /// The state directory cannot be made or used.
    StateDir(PathBuf, io::Error),
    /// The outbox cannot be used.
    Outbox(PathBuf, outbox::OpenError),
    /// The outbox was opened and does not answer.
    Disk(DiskError),
    /// The HTTP client cannot be made as configured.
    Client(ClientError),
}

impl OpenError {
    /// Whether trying again later may help without anybody doing anything: a disk that is full or busy.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::StateDir(_, error) => error.kind() == io::ErrorKind::StorageFull,
            Self::Outbox(_, error) => error.is_temporary(),
            Self::Disk(_) => true,
            Self::Client(_) => false,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateDir(path, _) => {
                write!(f, "cannot use the state directory {}; give another with --state-dir", path.display())
            }
            Self::Outbox(path, _) => write!(f, "cannot use the outbox {}", path.display()),
            Self::Disk(error) => error.fmt(f),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::StateDir(_, cause) => Some(cause),
            Self::Outbox(_, cause) => Some(cause),
            Self::Disk(error) => error.source(),
            Self::Client(error) => error.source(),
        }
    }
}

/// Everything that was waiting is in the sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Rows that the sheet refused for their content; they are kept, and listed by `rowkeeper queue list`.
    pub set_aside: u64,
}

/// Not everything is in the sheet. Nothing was lost.
#[derive(Debug)]
pub enum DeliverError {
    /// A person must sign in first; the reason, where there is one.
    NoGrant(Option<String>),
    /// Time is up, or the stop was pressed.
    TimeUp {
        /// How many rows still wait.
        waiting: u64,
        /// What went wrong last.
        last_error: Option<String>,
    },
    /// A person must do something first; the text says what.
    Hold(String),
    /// The outbox cannot be read or written.
    Disk(DiskError),
    /// The delivery lock cannot be taken.
    Lock(io::Error),
    /// The state or the configuration cannot be used.
    Access(AccessError),
    /// The configured provider is not Google: its tokens are not sent there.
    NotGoogle(String),
}

impl fmt::Display for DeliverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGrant(None) => write!(f, "not signed in; run `rowkeeper sign-in`. The records are kept"),
            Self::NoGrant(Some(why)) => {
                write!(f, "not signed in: {why}; run `rowkeeper sign-in`. The records are kept")
            }
            Self::TimeUp { waiting, last_error } => {
                write!(f, "{waiting} records still wait")?;
                last_error.iter().try_for_each(|error| write!(f, "; last: {error}"))
            }
            Self::Hold(what) => f.write_str(what),
            Self::Disk(error) => write!(f, "the outbox does not answer: {error}"),
            Self::Lock(_) => write!(f, "cannot take the delivery lock"),
            Self::Access(error) => error.fmt(f),
            Self::NotGoogle(preset) => {
                write!(f, "rows go to Google Sheets, and provider \"{preset}\" is not Google; it can only sign in")
            }
        }
    }
}

impl std::error::Error for DeliverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => error.source(),
            Self::Lock(cause) => Some(cause),
            Self::Access(error) => error.source(),
            _ => None,
        }
    }
}

impl From<DiskError> for DeliverError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// What happens while a device runs, for screens and logs.
#[derive(Debug)]
pub enum Event {
    /// A code is to be shown, or is still waiting.
    SignIn(SignInEvent),
    /// The device was signed in.
    SignedIn(Account),
    /// A sign-in brought nothing; the device asks again by itself while it may.
    SignInFailed(SignInError),
    /// Something about the rows became durable.
    Delivery(Change),
    /// Something is wrong and will be tried again; one line.
    Trouble(String),
    /// Nothing is sent until a person acts; one line that says how.
    Hold(String),
    /// All rows are in the sheet.
    Idle,
}

/// Where Google's Sheets API is.
const SHEETS: &str = "https://sheets.googleapis.com";

/// How often a device that waits for a person looks whether one acted, where nobody rings its bell.
const LOOK: Duration = Duration::from_secs(10);

/// A refresh token that nobody uses dies after six months (docs/google.md, T3): one refresh a day keeps it.
const KEEP_ALIVE: Duration = Duration::from_secs(24 * 3600);

/// What is wrong with client, configuration or disk is not worth asking for more often.
const PATIENCE: Duration = Duration::from_secs(60);

impl Device {
    /// Opens the device with the real network and clocks; makes its state directory (0700) at first use.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let ca_file = config.provider.as_ref().and_then(|provider| provider.ca_file.clone());
        let http = Arc::new(Client::new(ca_file).map_err(OpenError::Client)?);
        Self::open_with(config, Edges { http, clock: Arc::new(SystemClock) })
    }

    /// Opens the device with edges of the caller's choice.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(config: Config, edges: Edges) -> Result<Self, OpenError> {
        let dir = &config.state_dir;
        durable::make_dir(dir).map_err(|cause| OpenError::StateDir(dir.clone(), cause))?;
        let outbox = open_outbox(&config)?;
        let config = Arc::new(config);
        let session = Session::new(Arc::clone(&config), edges.http, Arc::clone(&edges.clock));
        Ok(Self { config, outbox: Arc::new(outbox), session, clock: edges.clock })
    }

    /// How the device of this configuration stands, without making or changing anything.
    ///
    /// # Errors
    /// The outbox is there and cannot be read.
    pub fn peek(config: Config) -> Result<Status, OpenError> {
        let outbox = Self::peek_outbox(&config)?;
        let clock = Arc::new(SystemClock);
        let http = Arc::new(Client::new(None).map_err(OpenError::Client)?);
        let session = Session::new(Arc::new(config), http, clock);
        match outbox {
            Some(outbox) => status(&session, &outbox).map_err(OpenError::Disk),
            None => Ok(without_outbox(session.status())),
        }
    }

    /// The outbox of this configuration, if there is one.
    ///
    /// # Errors
    /// It is there and cannot be used.
    pub fn peek_outbox(config: &Config) -> Result<Option<Outbox>, OpenError> {
        match config.state_dir.join(OUTBOX).try_exists() {
            Ok(true) => open_outbox(config).map(Some),
            Ok(false) => Ok(None),
            Err(cause) => Err(OpenError::StateDir(config.state_dir.clone(), cause)),
        }
    }

    /// What it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its clocks.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Its outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// A handle for recording.
    pub fn recorder(&self) -> Recorder {
        Recorder { config: Arc::clone(&self.config), outbox: Arc::clone(&self.outbox), clock: Arc::clone(&self.clock) }
    }

    /// A handle to the sign-in.
    pub fn session(&self) -> Session {
        self.session.clone()
    }

    /// How things stand, from the disk alone.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub fn status(&self) -> Result<Status, DiskError> {
        status(&self.session, &self.outbox)
    }

    /// Sends what waits until nothing does, `give_up` comes, or a person must act. Where another process delivers, wakes
    /// it and waits for it.
    ///
    /// # Errors
    /// See [`DeliverError`]. Nothing is lost.
    pub fn deliver(&self, give_up: Mono, stop: &Stop) -> Result<Delivered, DeliverError> {
        loop {
            let counts = self.outbox.counts()?;
            if counts.waiting == 0 {
                return Ok(Delivered { set_aside: counts.set_aside });
            }
            let grant = self.session.status();
            match grant.state {
                GrantState::SignedIn => {}
                // Told apart: an operator's mistake is no reason to ask the owner for an approval.
                GrantState::Misconfigured => {
                    self.session.token(Duration::ZERO).map_err(no_token)?;
                }
                _ => return Err(DeliverError::NoGrant(grant.reason)),
            }
            if let Some(lock) = DeliveryLock::take(&self.config.state_dir).map_err(DeliverError::Lock)? {
                return self.deliver_with(lock, give_up, stop);
            }
            delivery::ring(&self.config.state_dir);
            let look = (self.clock.mono() + Duration::from_millis(500)).min(give_up);
            if self.clock.wait(look, stop) == Woke::Stopped || self.clock.mono() >= give_up {
                return Err(self.time_up(None));
            }
        }
    }

    fn deliver_with(&self, lock: DeliveryLock, give_up: Mono, stop: &Stop) -> Result<Delivered, DeliverError> {
        let mut delivery = Delivery::new(Arc::clone(&self.outbox), self.settings()?, lock);
        let session = &self.session;
        let mut api = |request: &_, timeouts: &_| attempt(session, &*self.clock, request, timeouts);
        match delivery.run(&mut api, &*self.clock, &mut session::jitter, stop, give_up)? {
            Ended::Empty => Ok(Delivered { set_aside: self.outbox.counts()?.set_aside }),
            Ended::Interrupted => Err(self.time_up(delivery.trouble().map(str::to_owned))),
            Ended::NeedsSignIn => Err(DeliverError::NoGrant(self.session.status().reason)),
            Ended::Hold(hold) => Err(DeliverError::Hold(hold_advice(&hold))),
        }
    }

    /// Runs the device until the stop is pressed: keeps the sign-in, sends rows as they come, asks for a new approval
    /// when the old one died (three codes at most without one).
    ///
    /// # Errors
    /// Only what nobody can wait out: an unusable configuration or state directory.
    pub fn run(&self, on: &mut dyn FnMut(Event), stop: &Stop) -> Result<(), DeliverError> {
        let settings = self.settings()?;
        let Some(lock) = self.wait_for_lock(on, stop)? else { return Ok(()) };
        // Without a bell (a state directory with a very long path) the outbox is looked at now and then.
        let bell = Bell::listen(&self.config.state_dir, stop.clone()).ok();
        let idle = if bell.is_some() { KEEP_ALIVE } else { delivery::POLL };
        let mut delivery = Delivery::new(Arc::clone(&self.outbox), settings, lock);
        let session = &self.session;
        let mut api = |request: &_, timeouts: &_| attempt(session, &*self.clock, request, timeouts);
        let mut kept_alive = self.clock.mono();
        while !stop.is_stopped() {
            let grant = session.status();
            if grant.state != GrantState::SignedIn {
                self.sign_in_by_itself(&grant, on, stop)?;
                continue;
            }
            if self.clock.mono().since(kept_alive) >= KEEP_ALIVE {
                kept_alive = self.clock.mono();
                // What is wrong with it shows in the state; what is only weather is tried again with the next request.
                _ = session.bearer();
                continue;
            }
            let until = match delivery.step(&mut api, &*self.clock, &mut session::jitter) {
                Ok(Stepped::Changed(change)) => {
                    on(Event::Delivery(change));
                    continue;
                }
                Ok(Stepped::Called) => continue,
                Ok(Stepped::NeedsSignIn) => {
                    // The loop's head sees why. A state that says otherwise by then is another process's approval.
                    self.clock.mono() + Duration::from_secs(1)
                }
                Ok(Stepped::WaitUntil(until)) => {
                    delivery.trouble().into_iter().for_each(|why| on(Event::Trouble(why.to_owned())));
                    until
                }
                Ok(Stepped::Hold(hold, until)) => {
                    on(Event::Hold(hold_advice(&hold)));
                    until
                }
                Ok(Stepped::Idle) => {
                    on(Event::Idle);
                    self.clock.mono() + idle
                }
                Err(error) => {
                    on(Event::Trouble(format!("the outbox does not answer: {error}")));
                    self.clock.mono() + LOOK
                }
            };
            self.clock.wait(until, stop);
        }
        Ok(())
    }

    /// One code at most; the caller comes back while the device is not signed in.
    fn sign_in_by_itself(
        &self,
        grant: &status::Grant,
        on: &mut dyn FnMut(Event),
        stop: &Stop,
    ) -> Result<(), DeliverError> {
        if let (GrantState::Misconfigured, Some(reason)) = (grant.state, &grant.reason) {
            // Approving again would not help. A refresh or a sign-in that works takes the state away.
            on(Event::Hold(reason.clone()));
            self.clock.wait(self.clock.mono() + PATIENCE, stop);
            if self.session.token(Duration::ZERO).is_ok() {
                return Ok(());
            }
        }
        let outcome = self.session.sign_in(Asked::ByItself, &mut |event| on(Event::SignIn(event.clone())), stop);
        let pause = match outcome {
            Ok(account) => {
                on(Event::SignedIn(account));
                return Ok(());
            }
            Err(SignInError::Stopped) => return Ok(()),
            Err(SignInError::Access(error)) if !is_weather(&error) => return Err(DeliverError::Access(error)),
            Err(error) => {
                let pause = match &error {
                    SignInError::WaitsForPerson | SignInError::Access(_) => LOOK,
                    SignInError::Misconfigured(_) | SignInError::Failed(_) => PATIENCE,
                    _ => Duration::from_secs(1),
                };
                on(Event::SignInFailed(error));
                pause
            }
        };
        self.clock.wait(self.clock.mono() + pause, stop);
        Ok(())
    }

    /// `None` when the stop was pressed first.
    fn wait_for_lock(&self, on: &mut dyn FnMut(Event), stop: &Stop) -> Result<Option<DeliveryLock>, DeliverError> {
        let mut told = false;
        loop {
            if let Some(lock) = DeliveryLock::take(&self.config.state_dir).map_err(DeliverError::Lock)? {
                return Ok(Some(lock));
            }
            if !std::mem::replace(&mut told, true) {
                on(Event::Trouble(
                    "another rowkeeper delivers from this state directory; waiting for it to end".into(),
                ));
            }
            if self.clock.wait(self.clock.mono() + Duration::from_secs(1), stop) == Woke::Stopped {
                return Ok(None);
            }
        }
    }

    fn settings(&self) -> Result<Settings, DeliverError> {
        let none = || DeliverError::Access(AccessError::Provider(session::ProviderError::None));
        let provider = self.config.provider.as_ref().ok_or_else(none)?;
        if provider.preset != "google" {
            return Err(DeliverError::NotGoogle(provider.preset.clone()));
        }
        let zone = self.config.timezone();
        let tables = self.config.tables.iter().map(|table| sheet_courier::Table {
            name: table.name.clone(),
            // Ours first: a person reads a log from its time.
            columns: record::OURS
                .into_iter()
                .map(str::to_owned)
                .chain(table.columns.iter().map(|column| column.name.clone()))
                .collect(),
        });
        Ok(Settings {
            origin: provider.emulator.clone().unwrap_or_else(|| SHEETS.into()),
            device: self.config.device.clone(),
            sheet: sheet_courier::Options {
                title: self.config.sheet.title.clone(),
                timezone: zone.iana_name().unwrap_or("Etc/UTC").to_owned(),
                tables: tables.collect(),
            },
            zone,
        })
    }

    fn time_up(&self, last_error: Option<String>) -> DeliverError {
        let waiting = self.outbox.counts().map_or(0, |counts| counts.waiting);
        let last_error = last_error.or_else(|| self.outbox.status().ok()?.last_error);
        DeliverError::TimeUp { waiting, last_error }
    }
}

/// The file in the state directory.
const OUTBOX: &str = "outbox.sqlite";

fn open_outbox(config: &Config) -> Result<Outbox, OpenError> {
    let path = config.state_dir.join(OUTBOX);
    let options = outbox::Options { max_bytes: config.outbox.max_bytes };
    Outbox::open(&path, options).map_err(|error| OpenError::Outbox(path, error))
}

fn attempt(
    session: &Session,
    clock: &dyn Clock,
    request: &crate::http::Request,
    timeouts: &crate::http::Timeouts,
) -> Result<crate::http::Response, AttemptError> {
    session.authorised(request, timeouts).map_err(|error| match error {
        session::AttemptError::Lost(lost) => AttemptError::Lost(lost),
        session::AttemptError::Token(TokenError::SignIn(_)) => AttemptError::NeedsSignIn,
        session::AttemptError::Token(TokenError::Later { why, until }) => {
            AttemptError::Unavailable { retry_at: until, why }
        }
        session::AttemptError::Token(error @ (TokenError::Access(_) | TokenError::Misconfigured(_))) => {
            AttemptError::Unavailable { retry_at: clock.mono() + PATIENCE, why: error.to_string() }
        }
    })
}

fn no_token(error: TokenError) -> DeliverError {
    match error {
        TokenError::Access(error) => DeliverError::Access(error),
        TokenError::SignIn(why) => DeliverError::NoGrant(why),
        TokenError::Misconfigured(why) | TokenError::Later { why, .. } => DeliverError::Hold(why),
    }
}

fn is_weather(error: &AccessError) -> bool {
    matches!(error, AccessError::Provider(session::ProviderError::Unreachable(_)))
}

/// What a hold asks a person for. Rows are kept meanwhile.
fn hold_advice(hold: &Hold) -> String {
    match hold {
        Hold::Closed { why: Closed::NotFound, message } => {
            format!(
                "the spreadsheet is gone, or not ours any more ({message}); restore it from the bin, or sign in as its owner"
            )
        }
        Hold::Closed { why: Closed::Forbidden, message } => {
            format!("this account may not write the spreadsheet ({message}); share it with the account again")
        }
        Hold::Closed { why: Closed::ApiDisabled, message } => {
            format!(
                "the Google Sheets API is not enabled in the Cloud project; enable it and wait a few minutes ({message})"
            )
        }
        Hold::Closed { why: Closed::Scope, .. } => {
            "the permission to make spreadsheets was not ticked; sign out, sign in again and tick it".into()
        }
        Hold::Copy { marker } => format!(
            "this state directory is a copy, or was restored from a backup (marker {marker} is not ours): nothing is sent, so \
             that no row comes twice; keep only one copy"
        ),
        Hold::SheetRefuses { message } => {
            format!(
                "the sheet refuses every record ({message}); look whether a tab is protected or a header was changed"
            )
        }
        Hold::Full { message } => format!("the spreadsheet is full ({message})"),
        Hold::CannotCreate { message } => {
            format!(
                "Google does not make the spreadsheet as configured ({message}); check [sheet] in the configuration"
            )
        }
    }
}

fn without_outbox(grant: status::Grant) -> Status {
    let delivery = status::Delivery { state: DeliveryState::Idle, next_try_at: None, last_error: None };
    Status { version: 1, grant, sheet: None, queue: status::Queue::default(), delivery }
}

fn status(session: &Session, outbox: &Outbox) -> Result<Status, DiskError> {
    let grant = session.status();
    let counts = outbox.counts()?;
    let hold = outbox.hold()?.map(|hold| hold_advice(&hold));
    let said = outbox.status()?;
    let in_flight = outbox::Filter { state: Some(outbox::RowState::InBatch), limit: Some(1), ..Default::default() };
    let in_flight = !outbox.list(&in_flight)?.is_empty();
    let state = match grant.state {
        _ if counts.waiting == 0 && hold.is_none() => DeliveryState::Idle,
        _ if hold.is_some() => DeliveryState::Blocked,
        GrantState::SignedIn if said.last_error.is_none() && in_flight => DeliveryState::Sending,
        GrantState::SignedIn => DeliveryState::Waiting,
        _ => DeliveryState::Blocked,
    };
    Ok(Status {
        version: 1,
        grant,
        sheet: outbox.sheet()?.map(|sheet| status::Sheet {
            spreadsheet_id: sheet.id,
            url: sheet.url,
            title: sheet.title,
        }),
        queue: status::Queue {
            waiting: counts.waiting,
            set_aside: counts.set_aside,
            bytes: counts.bytes,
            oldest: counts.oldest.map(When),
        },
        delivery: status::Delivery {
            state,
            next_try_at: said.next_try.map(When),
            last_error: hold.or(said.last_error),
        },
    })
}
