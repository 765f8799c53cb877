//! A device: its configuration, its outbox and its sign-in, and the loops that drive them.

pub(crate) mod bin;
mod deliver;
mod run;
mod sheets;
mod standing;

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

pub(crate) use deliver::hold_advice;
pub use deliver::{DeliverError, Delivered};
pub use run::Event;
pub use sheets::WentTo;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::durable;
use crate::http::{Client, ClientError, Http};
use crate::outbox::{self, DiskError, Outbox};
use crate::recorder::{Recorder, Turn};
use crate::session::Session;
use crate::status::Status;

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
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    turn: Arc<Turn>,
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
            Self::Disk(error) => !error.is_damage(),
            Self::Client(_) => false,
        }
    }
}

impl OpenError {
    /// Whether the files are another user's.
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::StateDir(_, error) => error.kind() == io::ErrorKind::PermissionDenied,
            Self::Outbox(_, error) => error.is_forbidden(),
            Self::Disk(_) | Self::Client(_) => false,
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

    /// Opens the device for who only records: root certificates that cannot be read are no reason to lose a record.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_recorder(config: Config) -> Result<Recorder, OpenError> {
        let http = Arc::new(Client::new(None).map_err(OpenError::Client)?);
        Ok(Self::open_with(config, Edges { http, clock: Arc::new(SystemClock) })?.recorder())
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
        let session = Session::new(Arc::clone(&config), Arc::clone(&edges.http), Arc::clone(&edges.clock));
        let (outbox, turn) = (Arc::new(outbox), Arc::default());
        Ok(Self { config, outbox, session, http: edges.http, clock: edges.clock, turn })
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
            Some(outbox) => standing::status(&session, &outbox).map_err(OpenError::Disk),
            None => Ok(standing::without_outbox(session.status())),
        }
    }

    /// The outbox of this configuration, if there is one.
    ///
    /// # Errors
    /// It is there and cannot be used.
    pub fn peek_outbox(config: &Config) -> Result<Option<Outbox>, OpenError> {
        match config.state_dir.join(OUTBOX).try_exists() {
            Ok(true) => open_outbox(config).or_else(|error| look_at_outbox(config).map_err(|_| error)).map(Some),
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

    /// Its clocks, shared.
    pub fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Its way to the network.
    pub fn http(&self) -> &dyn Http {
        &*self.http
    }

    /// Where its Sheets API is: Google's, or the emulator's. Without a slash at the end.
    pub fn sheets_origin(&self) -> &str {
        sheets_origin(&self.config)
    }

    /// Its outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// A handle for recording.
    pub fn recorder(&self) -> Recorder {
        Recorder {
            config: Arc::clone(&self.config),
            outbox: Arc::clone(&self.outbox),
            clock: Arc::clone(&self.clock),
            turn: Arc::clone(&self.turn),
        }
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
        standing::status(&self.session, &self.outbox)
    }
}

/// Where Google's Sheets API is: at Google, or at the emulator.
pub(crate) fn sheets_origin(config: &Config) -> &str {
    emulator(config).unwrap_or("https://sheets.googleapis.com")
}

/// The same for Drive's.
pub(crate) fn drive_origin(config: &Config) -> &str {
    emulator(config).unwrap_or("https://www.googleapis.com")
}

fn emulator(config: &Config) -> Option<&str> {
    config.provider.as_ref()?.emulator.as_deref()
}

/// The file in the state directory.
const OUTBOX: &str = "outbox.sqlite";

fn look_at_outbox(config: &Config) -> Result<Outbox, outbox::OpenError> {
    Outbox::open_to_look(&config.state_dir.join(OUTBOX), outbox::Options { max_bytes: config.outbox.max_bytes })
}

fn open_outbox(config: &Config) -> Result<Outbox, OpenError> {
    let path = config.state_dir.join(OUTBOX);
    let options = outbox::Options { max_bytes: config.outbox.max_bytes };
    match Outbox::open(&path, options) {
        Ok(outbox) => Ok(outbox.keeping_delivered(config.outbox.keep_delivered)),
        Err(error) => Err(OpenError::Outbox(path, error)),
    }
}
