//! The clock's real body: the configured panel, knob, light and reader.

use std::fmt;
use std::io;
use std::sync::mpsc::Sender;

use rowkeeper::Device;
use rowkeeper_gadget::{Display, Kind};

use crate::args::Cli;
use crate::config::Timeclock;
use crate::run::{Body, Told, say};

/// The clock cannot be touched.
#[derive(Debug)]
pub struct NoHands;

impl fmt::Display for NoHands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a time clock needs [timeclock.knob] or [timeclock.reader] in its configuration (docs/timeclock.md); \
             `timeclock --sim` needs neither",
        )
    }
}

impl std::error::Error for NoHands {}

/// Opens what is configured.
///
/// # Errors
/// What is missing, or does not answer.
pub fn open(
    cli: &Cli,
    device: &Device,
    _settings: &Timeclock,
    _hands: &Sender<Told>,
) -> Result<Body, Box<dyn std::error::Error>> {
    let kind: Kind = cli.panel.as_deref().unwrap_or(&device.config().panel.kind).parse()?;
    let report = |error: &io::Error| say(&format!("the panel does not answer: {error}"));
    let _display = Display::start(&kind, report)?;
    Err(NoHands.into())
}
