//! Displays on a bus. What is drawn cannot fail; only here, where it travels, can it.
//!
//! Generic over the embedded-hal traits, so the same driver runs on Linux, on a microcontroller, and on the simulated
//! [chips](crate::chips). Only what changed since the last frame travels.

mod hd44780;
mod oled;

use std::fmt;

pub use hd44780::Hd44780;
pub use oled::{Sh1106, Ssd1306, Turn};
pub use ssd1306::I2CDisplayInterface;
pub use ssd1306::prelude::SPIInterface;
pub use ssd1306::size::{DisplaySize128x32, DisplaySize128x64};

use crate::care::Glow;
use crate::frame::{Frame, Geometry};

/// A display on a bus.
pub trait Driver: Send {
    /// Brings the display from any state, also from that of another program, to a dark glass that can be written to.
    ///
    /// # Errors
    /// Nobody answers. After an error of any method, begin again here: what the glass shows is not known then.
    fn start(&mut self) -> Result<(), Silent>;

    /// Tells the display all that it must know, without taking the picture away; the next [`Driver::show`] sends the whole
    /// of it, and [`Driver::glow`] is to be told again. A display that was without power between two pictures, which
    /// nobody noticed, comes back by this.
    ///
    /// # Errors
    /// As [`Driver::start`].
    fn renew(&mut self) -> Result<(), Silent>;

    /// Puts `frame` on the glass. What is larger than the glass is cut, a frame of the other kind shows nothing.
    ///
    /// # Errors
    /// As [`Driver::start`].
    fn show(&mut self, frame: &Frame) -> Result<(), Silent>;

    /// How brightly the glass shines.
    ///
    /// # Errors
    /// As [`Driver::start`].
    fn glow(&mut self, glow: Glow) -> Result<(), Silent>;

    /// The size of the glass.
    fn geometry(&self) -> Geometry;
}

/// The display does not answer. Why is for the bus to say: the traits between do not carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent;

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the display does not answer")
    }
}

impl std::error::Error for Silent {}

impl From<display_interface::DisplayError> for Silent {
    fn from(_: display_interface::DisplayError) -> Self {
        Self
    }
}
