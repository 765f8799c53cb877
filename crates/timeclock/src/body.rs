//! The clock's real body: the configured panel, knob, light and reader.

use std::fmt;
use std::sync::mpsc::Sender;

use rowkeeper::Device;
use rowkeeper_gadget::input::Hand;
use rowkeeper_gadget::knob::{Edges, Knob};
use rowkeeper_gadget::light::{Lamp, Light, SimulatedLight};
use rowkeeper_gadget::pwm::{PwmLight, Wires};
use rowkeeper_gadget::{Display, Kind, reader};

use crate::args::Cli;
use crate::config::{self, Timeclock};
use crate::run::{Body, Told, say};

/// The clock cannot be touched.
#[derive(Debug)]
pub struct NoHands;

impl fmt::Display for NoHands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs =
            "a time clock needs [timeclock.knob] or [timeclock.reader] in its configuration (docs/timeclock.md)";
        f.write_str(needs)?;
        // A device's build has no simulator.
        if cfg!(feature = "emulator") { f.write_str("; `timeclock --sim` needs neither") } else { Ok(()) }
    }
}

impl std::error::Error for NoHands {}

/// Opens what is configured. A panel, a light or a reader that does not answer is reported, and looked for again: nothing
/// waits for it.
///
/// # Errors
/// Neither knob nor reader; a panel that is not known; GPIO lines that cannot be had.
pub fn open(
    cli: &Cli,
    device: &Device,
    settings: &Timeclock,
    hands: &Sender<Told>,
) -> Result<Body, Box<dyn std::error::Error>> {
    if settings.knob.is_none() && settings.reader.is_none() {
        return Err(NoHands.into());
    }
    let panel = &device.config().panel;
    let kind = cli.panel.as_deref().map_or_else(|| Kind::of(panel), |kind| Kind::instead(kind, panel))?;
    let display = Display::start(&kind, |error| say(&format!("the panel does not answer: {error}")))?;
    let light: Box<dyn Light> = match settings.light.clone() {
        Some(config::Light { red, green, blue, common_anode }) => {
            Box::new(PwmLight::new(Wires { channels: [red, green, blue], common_anode }))
        }
        None => Box::new(SimulatedLight::new()),
    };
    let lamp = Lamp::start(light, |error| say(&format!("the light does not answer: {error}")))?;
    if let Some(config::Knob { gpio, a, b, button, edges }) = settings.knob.clone() {
        let lost = |what: &dyn fmt::Display| say(&what.to_string());
        let edges = if edges == 2 { Edges::Two } else { Edges::Four };
        Knob { chip: gpio, a, b, button, edges }.feel(Hand::new(hands.clone()), lost)?;
    }
    if let Some(config::Reader { device }) = settings.reader.clone() {
        let gone = |what: &dyn fmt::Display| say(&what.to_string());
        reader::listen(device, Hand::new(hands.clone()), gone)?;
    }
    let (has_knob, has_reader) = (settings.knob.is_some(), settings.reader.is_some());
    Ok(Body { display, lamp, has_knob, has_reader, watch: Box::new(|_| ()) })
}
