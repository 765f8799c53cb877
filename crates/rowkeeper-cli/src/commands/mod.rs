//! One module a command. Each opens what it needs, does one thing and says how it ended.

pub(crate) mod amend;
pub(crate) mod call;
pub(crate) mod deliver;
#[cfg(feature = "emulator")]
pub(crate) mod demo;
pub(crate) mod doctor;
#[cfg(feature = "emulator")]
pub(crate) mod emulator;
pub(crate) mod init;
pub(crate) mod proxy;
pub(crate) mod queue;
pub(crate) mod record;
pub(crate) mod run;
pub(crate) mod sheet;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod status;
pub(crate) mod tidy;
pub(crate) mod token;

use std::io::{self, Write};

use rowkeeper::clock::Stop;
use rowkeeper::config::{Config, Places};
use rowkeeper::session::{AccessError, ProviderError};
use rowkeeper::{Device, OpenError};
use rowkeeper_gadget::{Display, Kind, stop_on_signals};
use serde::Serialize;

use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::log::say;

/// What every command is told.
pub(crate) struct Context {
    pub global: Global,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        Self { global }
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let places = Places { config: self.global.config.clone(), state_dir: self.global.state_dir.clone() };
        Config::load(&places).map_err(|error| Failure::new(Exit::Usage, error))
    }

    pub(crate) fn device(&self) -> Result<Device, Failure> {
        Device::open(self.config()?).map_err(open_failure)
    }

    /// What to say where nobody is signed in: with nobody to sign in with, that comes first.
    pub(crate) fn without_grant(&self, device: &Device, otherwise: Failure) -> Failure {
        match device.config().provider {
            Some(_) => otherwise,
            None => Failure::new(Exit::Usage, AccessError::Provider(ProviderError::missing(device.config()))),
        }
    }

    /// The panel: what the command line says, else the configuration.
    pub(crate) fn panel(&self, config: &rowkeeper::config::Panel) -> Result<Kind, Failure> {
        let kind = match &self.global.panel {
            Some(kind) => Kind::instead(kind, config),
            None => Kind::of(config),
        };
        kind.map_err(|error| Failure::new(Exit::Usage, error))
    }
}

/// A switch that SIGINT and SIGTERM press.
pub(crate) fn signals() -> Result<Stop, Failure> {
    let stop = Stop::new();
    stop_on_signals(&stop).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(stop)
}

/// Starts the panel; one that cannot be written to is said once and stops nothing.
pub(crate) fn display(kind: &Kind) -> Result<Display, Failure> {
    let report = |error: &io::Error| say(format_args!("the panel does not answer: {error}"));
    Display::start(kind, report).map_err(|error| Failure::new(Exit::Failed, error))
}

pub(crate) fn open_failure(error: OpenError) -> Failure {
    let exit = if error.is_temporary() { Exit::Later } else { Exit::Usage };
    Failure::new(exit, error)
}

/// Unusable state or configuration is for an operator; an unreachable issuer is weather.
pub(crate) fn access_exit(error: &AccessError) -> Exit {
    match error {
        AccessError::Provider(ProviderError::Unreachable(_)) => Exit::Later,
        AccessError::Store(rowkeeper::grant_store::StoreError::Damaged(_)) => Exit::SignIn,
        _ => Exit::Usage,
    }
}

pub(crate) fn token_exit(error: &rowkeeper::session::TokenError) -> Exit {
    use rowkeeper::session::TokenError;
    match error {
        TokenError::Access(error) => access_exit(error),
        TokenError::SignIn(_) => Exit::SignIn,
        TokenError::Misconfigured(_) => Exit::Usage,
        TokenError::Later { .. } => Exit::Later,
    }
}

/// One line on stdout. A reader that went away has heard what it wanted; the command goes on, and its exit code tells.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Failure::new(Exit::Failed, error)),
    }
}

pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string(value).map_err(|error| Failure::new(Exit::Failed, error))?)
}

/// Text of somebody else (a provider, a sheet) before it reaches a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
