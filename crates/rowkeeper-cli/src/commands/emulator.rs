//! `rowkeeper emulator`: Google, on this machine, until it is stopped.

use std::time::Duration;

use google_emulator::{Options, Server, ServerOptions};
use rowkeeper::clock::{Clock, Mono, SystemClock, Woke};

use super::{print, signals};
use crate::args::Emulator;
use crate::exit::{Exit, Failure};
use crate::log::say;

pub(crate) fn run(emulator: &Emulator) -> Result<Exit, Failure> {
    let stop = signals()?;
    let options = ServerOptions {
        model: Options {
            approve_as: emulator.approve_as.clone(),
            writes_per_minute: emulator.writes_per_minute,
            seed: seed()?,
            ..Options::default()
        },
        data: emulator.data.clone(),
    };
    let server = Server::start(&emulator.listen, options).map_err(|error| Failure::new(Exit::Usage, error))?;
    if !server.address().ip().is_loopback() {
        say(format_args!(
            "{} can be reached from other machines, and everybody there can read what is in it",
            server.address()
        ));
    }
    print(&format!("listening on {}", server.url()))?;
    while SystemClock.wait(Mono::new(Duration::MAX), &stop) != Woke::Stopped {}
    server.stop();
    Ok(Exit::Done)
}

/// Another run, other tokens.
pub(crate) fn seed() -> Result<u64, Failure> {
    rowkeeper::random_u64().ok_or_else(|| Failure::new(Exit::Failed, "the system gives no random numbers"))
}
