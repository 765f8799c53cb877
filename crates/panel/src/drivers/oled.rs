//! OLEDs with an SSD1306 or an SH1106: eight rows of dots are a page, and a byte is one column of a page.
//!
//! The SSD1306 is driven by the crate of that name. The SH1106 of the field's crates speak embedded-hal 0.2 (`sh1106`) or
//! are asynchronous (`oled_async`), so that one is ours: sixty lines behind the same trait, and the same wires.

use display_interface::{DataFormat, WriteOnlyDataCommand};
use ssd1306::command::AddrMode;
use ssd1306::mode::BasicMode;
use ssd1306::prelude::{Brightness, DisplayRotation};
use ssd1306::size::DisplaySize;

use super::{Driver, Silent};
use crate::care::Glow;
use crate::frame::{Bitmap, Frame, Geometry};

/// How the display is built in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// As its maker meant it.
    #[default]
    Upright,
    /// Upside down (rotation 180).
    UpsideDown,
}

/// An SSD1306, on I2C or SPI.
pub struct Ssd1306<I, S> {
    chip: ssd1306::Ssd1306<I, S, BasicMode>,
    glass: Glass,
}

impl<I: WriteOnlyDataCommand, S: DisplaySize> Ssd1306<I, S> {
    /// A display of this size at the other end of `interface`. Nothing is sent yet.
    pub fn new(interface: I, size: S, turn: Turn) -> Self {
        let rotation = match turn {
            Turn::Upright => DisplayRotation::Rotate0,
            Turn::UpsideDown => DisplayRotation::Rotate180,
        };
        let glass = Glass::new(S::WIDTH.into(), S::HEIGHT.into());
        Self { chip: ssd1306::Ssd1306::new(interface, size, rotation), glass }
    }
}

impl<I: WriteOnlyDataCommand + Send, S: DisplaySize + Send> Driver for Ssd1306<I, S> {
    fn start(&mut self) -> Result<(), Silent> {
        self.renew()?;
        // Its memory holds noise after power-on.
        self.chip.set_display_on(false)?;
        self.show(&Frame::blank(self.geometry()))?;
        self.glow(Glow::Full)
    }

    fn renew(&mut self) -> Result<(), Silent> {
        self.glass.forget();
        Ok(self.chip.init_with_addr_mode(AddrMode::Horizontal)?)
    }

    fn show(&mut self, frame: &Frame) -> Result<(), Silent> {
        let chip = &mut self.chip;
        self.glass.show(frame, |run, bytes| {
            let row = run.page * 8;
            chip.set_draw_area((run.column, row), (run.column + bytes.len() as u8, row + 8))?;
            Ok(chip.draw(bytes)?)
        })
    }

    fn glow(&mut self, glow: Glow) -> Result<(), Silent> {
        match glow {
            Glow::Full => self.chip.set_brightness(Brightness::BRIGHT)?,
            Glow::Dim => self.chip.set_brightness(Brightness::DIMMEST)?,
            Glow::Dark => {}
        }
        Ok(self.chip.set_display_on(glow != Glow::Dark)?)
    }

    fn geometry(&self) -> Geometry {
        self.glass.geometry()
    }
}

/// An SH1106 with 128x64 dots, on I2C or SPI.
pub struct Sh1106<I> {
    interface: I,
    turn: Turn,
    glass: Glass,
}

impl<I: WriteOnlyDataCommand> Sh1106<I> {
    /// The memory is 132 columns wide, the glass stands in the middle of it.
    const MARGIN: u8 = 2;

    /// A display at the other end of `interface`. Nothing is sent yet.
    pub fn new(interface: I, turn: Turn) -> Self {
        Self { interface, turn, glass: Glass::new(128, 64) }
    }

    fn command(&mut self, bytes: &[u8]) -> Result<(), Silent> {
        Ok(self.interface.send_commands(DataFormat::U8(bytes))?)
    }
}

impl<I: WriteOnlyDataCommand + Send> Driver for Sh1106<I> {
    fn start(&mut self) -> Result<(), Silent> {
        self.command(&[0xae])?; // off
        self.renew()?;
        self.show(&Frame::blank(self.geometry()))?;
        self.glow(Glow::Full)
    }

    /// Sino Wealth, SH1106 data sheet 2.3, "Power On and Initialization", with the values of the usual 1.3 inch module.
    fn renew(&mut self) -> Result<(), Silent> {
        self.glass.forget();
        let (segments, commons) = match self.turn {
            Turn::Upright => (0xa1, 0xc8),
            Turn::UpsideDown => (0xa0, 0xc0),
        };
        for command in [
            &[0xd5, 0x80][..],   // clock: divide by 1, oscillator at its default
            &[0xa8, 63],         // 64 rows
            &[0xd3, 0x00, 0x40], // no offset, first line
            &[0xad, 0x8b, 0x32], // its own supply on, at 8 V
            &[segments, commons, 0xda, 0x12],
            &[0xd9, 0x22], // pre-charge
            &[0xdb, 0x35], // deselect level
            &[0xa4, 0xa6], // what is in memory, lit for one
        ] {
            self.command(command)?;
        }
        Ok(())
    }

    fn show(&mut self, frame: &Frame) -> Result<(), Silent> {
        let interface = &mut self.interface;
        self.glass.show(frame, |run, bytes| {
            let column = run.column + Self::MARGIN;
            let address = [0xb0 | run.page, column & 0x0f, 0x10 | column >> 4];
            interface.send_commands(DataFormat::U8(&address))?;
            Ok(interface.send_data(DataFormat::U8(bytes))?)
        })
    }

    fn glow(&mut self, glow: Glow) -> Result<(), Silent> {
        match glow {
            Glow::Full => self.command(&[0x81, 0x9f, 0xaf]),
            Glow::Dim => self.command(&[0x81, 0x00, 0xaf]),
            Glow::Dark => self.command(&[0xae]),
        }
    }

    fn geometry(&self) -> Geometry {
        self.glass.geometry()
    }
}

/// What the memory of the chip holds, as far as we know.
struct Glass {
    width: u16,
    height: u16,
    /// Page by page; the least significant bit is the upper row. `None`: anything may be in there.
    bytes: Option<Vec<u8>>,
}

/// Columns side by side in one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    page: u8,
    column: u8,
}

/// Columns that did not change but travel all the same: setting a new address costs more than so many.
const SMALLEST_GAP: usize = 8;

impl Glass {
    fn new(width: u16, height: u16) -> Self {
        Self { width, height, bytes: None }
    }

    fn geometry(&self) -> Geometry {
        Geometry::Pixels { width: self.width, height: self.height }
    }

    fn forget(&mut self) {
        self.bytes = None;
    }

    /// Sends what changed. What the chip holds counts as known only when all of it was sent.
    fn show(&mut self, frame: &Frame, mut send: impl FnMut(Run, &[u8]) -> Result<(), Silent>) -> Result<(), Silent> {
        let wanted = match frame {
            Frame::Pixels(dots) => self.pages(dots),
            Frame::Characters(_) => self.pages(&Bitmap::new(0, 0)),
        };
        let held = self.bytes.take();
        let width = usize::from(self.width);
        for (page, row) in wanted.chunks(width).enumerate() {
            let old = held.as_ref().map(|held| &held[page * width..][..width]);
            for (start, end) in changed(row, old) {
                send(Run { page: page as u8, column: start as u8 }, &row[start..end])?;
            }
        }
        self.bytes = Some(wanted);
        Ok(())
    }

    fn pages(&self, dots: &Bitmap) -> Vec<u8> {
        let mut pages = Vec::with_capacity(usize::from(self.width) * usize::from(self.height / 8));
        for top in (0..i32::from(self.height)).step_by(8) {
            for x in 0..i32::from(self.width) {
                pages.push((0..8).fold(0, |byte, bit| byte | u8::from(dots.is_lit(x, top + bit)) << bit));
            }
        }
        pages
    }
}

/// Where two rows of bytes differ, as ranges; all of it when there is nothing to compare with.
fn changed(new: &[u8], old: Option<&[u8]>) -> Vec<(usize, usize)> {
    let Some(old) = old else { return vec![(0, new.len())] };
    let mut runs: Vec<(usize, usize)> = vec![];
    for at in (0..new.len()).filter(|at| new[*at] != old[*at]) {
        match runs.last_mut().filter(|(_, end)| at - *end <= SMALLEST_GAP) {
            Some((_, end)) => *end = at + 1,
            None => runs.push((at, at + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_columns_travel() {
        let old = [0; 40];
        let mut new = old;
        assert_eq!(changed(&new, Some(&old)), []);
        assert_eq!(changed(&new, None), [(0, 40)]);
        new[3] = 1;
        assert_eq!(changed(&new, Some(&old)), [(3, 4)]);
        new[12] = 1;
        assert_eq!(changed(&new, Some(&old)), [(3, 13)], "a small gap is cheaper than a new address");
        new[39] = 1;
        assert_eq!(changed(&new, Some(&old)), [(3, 13), (39, 40)]);
    }
}
