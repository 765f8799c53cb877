//! The time clock's command. It only wires.

use std::process::ExitCode;
use std::sync::mpsc;

use clap::Parser;
use rowkeeper::clock::Stop;
use rowkeeper::config::{Config, Places};
use rowkeeper::{DeliverError, Device};
use rowkeeper_gadget::exit::{Exit, Failure};
use rowkeeper_gadget::knob::KnobError;
use rowkeeper_gadget::stop_on_signals;
use timeclock::args::Cli;
use timeclock::config::Timeclock;
use timeclock::run::{self, Body, RunError, say};

fn main() -> ExitCode {
    // Usage errors end here, with 2 and clap's own words; `--help` and `--version` with 0.
    match command(&Cli::parse()) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            say(&failure.to_string());
            failure.exit.into()
        }
    }
}

fn command(cli: &Cli) -> Result<(), Failure> {
    let stop = Stop::new();
    stop_on_signals(&stop).map_err(|error| Failure::new(Exit::Failed, error))?;
    #[cfg(feature = "emulator")]
    if cli.sim {
        return timeclock::sim::run(cli, &stop).map_err(|error| Failure::new(Exit::Usage, error));
    }
    let usage = |error| Failure::new(Exit::Usage, error);
    let places = Places { config: cli.config.clone(), state_dir: cli.state_dir.clone() };
    let mut config = Config::load(&places).map_err(usage)?;
    let settings = Timeclock::read(&mut config).map_err(usage)?;
    let device = Device::open(config).map_err(|error| {
        let exit = if error.is_temporary() { Exit::Later } else { Exit::Usage };
        Failure::new(exit, error)
    })?;
    let (sender, told) = mpsc::channel();
    let body = body(cli, &device, &settings, &sender)?;
    run::run(&device, &settings, body, (sender, told), &stop).map_err(|error| Failure::new(exit(&error), error))
}

/// What people see and touch.
fn body(cli: &Cli, device: &Device, settings: &Timeclock, hands: &mpsc::Sender<run::Told>) -> Result<Body, Failure> {
    #[cfg(feature = "emulator")]
    if cli.twin {
        return timeclock::twin::body(cli, hands.clone()).map_err(|error| Failure::new(Exit::Usage, error));
    }
    timeclock::body::open(cli, device, settings, hands).map_err(|error| {
        // Another program may let go of the lines, and udev gives them to their group a moment after boot.
        let exit = if error.is::<KnobError>() { Exit::Later } else { Exit::Usage };
        Failure::new(exit, error)
    })
}

fn exit(error: &RunError) -> Exit {
    match error {
        RunError::Twice(_) | RunError::Disk(_) | RunError::Device(DeliverError::Disk(_)) => Exit::Later,
        RunError::State(_, cause) if cause.kind() == std::io::ErrorKind::StorageFull => Exit::Later,
        RunError::State(..) | RunError::Device(DeliverError::Access(_) | DeliverError::NotGoogle(_)) => Exit::Usage,
        RunError::Thread(_) | RunError::Device(_) => Exit::Failed,
    }
}
