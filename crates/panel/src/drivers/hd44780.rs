//! Character displays with an HD44780 behind a PCF8574, the little board with a blue potentiometer on their back.
//!
//! Ours, because what the field has for embedded-hal 1.0 (`i2c-character-display`) sends every half byte as a transfer of
//! its own and sleeps after each: 80 characters take 160 transfers. Here a run of changed characters is one transfer, and
//! the slow bus itself is the pause that the chip needs.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::{Driver, Silent};
use crate::care::Glow;
use crate::frame::{Frame, Geometry, Grid, UNSHOWABLE};

/// The usual wiring of the PCF8574: P0 RS, P1 R/W, P2 E, P3 backlight, P4 to P7 the upper data lines.
const RS: u8 = 0x01;
const E: u8 = 0x04;
const BACKLIGHT: u8 = 0x08;

/// Characters that are given to the chip because its ROM lacks them, or has them elsewhere in each version: five dots a
/// row, eight rows. ROM A00 has a yen sign for the backslash and an arrow for the tilde.
const OWN: [(char, [u8; 8]); 4] = [
    (UNSHOWABLE, [0x1f; 8]),
    ('\\', [0x00, 0x10, 0x08, 0x04, 0x02, 0x01, 0x00, 0x00]),
    ('~', [0x00, 0x00, 0x08, 0x15, 0x02, 0x00, 0x00, 0x00]),
    ('°', [0x0c, 0x12, 0x12, 0x0c, 0x00, 0x00, 0x00, 0x00]),
];

/// An HD44780 at an I2C address.
pub struct Hd44780<B, D> {
    bus: B,
    address: u8,
    delay: D,
    columns: u16,
    rows: u16,
    backlight: u8,
    /// What it holds; `None`: anything.
    cells: Option<Vec<char>>,
}

impl<B: I2c, D: DelayNs> Hd44780<B, D> {
    /// A display of up to 4 rows and 80 characters. Nothing is sent yet.
    pub fn new(bus: B, address: u8, delay: D, columns: u16, rows: u16) -> Self {
        Self { bus, address, delay, columns, rows, backlight: BACKLIGHT, cells: None }
    }

    fn send(&mut self, port: &[u8]) -> Result<(), Silent> {
        self.bus.write(self.address, port).map_err(|_| Silent)
    }

    /// Commands that take no longer than a character.
    fn commands(&mut self, commands: &[u8]) -> Result<(), Silent> {
        let mut port = Port::new(self.backlight);
        commands.iter().for_each(|command| port.command(*command));
        self.send(&port.bytes)
    }

    /// Where a row begins in the chip's memory: the third and the fourth are the ends of the first two.
    fn row_address(&self, row: usize) -> u8 {
        let half = if row % 2 == 1 { 0x40 } else { 0 };
        half + if row >= 2 { self.columns as u8 } else { 0 }
    }
}

impl<B: I2c + Send, D: DelayNs + Send> Driver for Hd44780<B, D> {
    fn start(&mut self) -> Result<(), Silent> {
        self.renew()?;
        self.commands(&[0x01])?; // clear
        self.delay.delay_ms(3);
        self.cells = Some(vec![' '; usize::from(self.columns) * usize::from(self.rows)]);
        Ok(())
    }

    /// Hitachi, HD44780U data sheet, figure 24: from any state, also from the middle of a byte, to four bits.
    fn renew(&mut self) -> Result<(), Silent> {
        self.cells = None;
        self.send(&[self.backlight])?;
        self.delay.delay_ms(50);
        for (nibble, pause_us) in [(0x30, 4_500), (0x30, 150), (0x30, 150), (0x20, 150)] {
            let port = self.backlight | nibble;
            self.send(&[port | E, port])?;
            self.delay.delay_us(pause_us);
        }
        let mut port = Port::new(self.backlight);
        port.command(0x28); // four bits, two lines
        port.command(0x06); // write from left to right
        port.command(0x40); // the first character of our own
        OWN.iter().flat_map(|(_, rows)| rows).for_each(|row| port.data(*row));
        port.command(0x0c); // on, no cursor
        self.send(&port.bytes)
    }

    fn show(&mut self, frame: &Frame) -> Result<(), Silent> {
        let blank = Grid::new(0, 0);
        let Frame::Characters(grid) = frame else { return self.show(&Frame::Characters(blank)) };
        let (columns, rows) = (usize::from(self.columns), usize::from(self.rows));
        let mut wanted = vec![' '; columns * rows];
        for (line, row) in wanted.chunks_mut(columns.max(1)).zip(grid.rows()) {
            line.iter_mut().zip(row).for_each(|(cell, c)| *cell = *c);
        }
        let held = self.cells.take();
        for (row, line) in wanted.chunks(columns.max(1)).enumerate() {
            let old = held.as_ref().map(|held| &held[row * columns..][..columns]);
            for (start, end) in changed(line, old) {
                let mut port = Port::new(self.backlight);
                port.command(0x80 | (self.row_address(row) + start as u8));
                line[start..end].iter().for_each(|c| port.data(code(*c)));
                self.send(&port.bytes)?;
            }
        }
        self.cells = Some(wanted);
        Ok(())
    }

    /// An LCD does not burn in; dark it spares the backlight, and the night.
    fn glow(&mut self, glow: Glow) -> Result<(), Silent> {
        self.backlight = if glow == Glow::Dark { 0 } else { BACKLIGHT };
        self.send(&[self.backlight])
    }

    fn geometry(&self) -> Geometry {
        Geometry::Characters { columns: self.columns, rows: self.rows }
    }
}

/// The code of a character; the first eight codes are the chip's own memory.
fn code(c: char) -> u8 {
    match OWN.iter().position(|(own, _)| *own == c) {
        Some(at) => at as u8,
        None if c.is_ascii() && !c.is_control() => c as u8,
        None => 0, // A grid holds no others.
    }
}

/// A new address costs as much as one character.
fn changed(new: &[char], old: Option<&[char]>) -> Vec<(usize, usize)> {
    let Some(old) = old else { return vec![(0, new.len())] };
    let mut runs: Vec<(usize, usize)> = vec![];
    for at in (0..new.len()).filter(|at| new[*at] != old[*at]) {
        match runs.last_mut().filter(|(_, end)| at - *end <= 1) {
            Some((_, end)) => *end = at + 1,
            None => runs.push((at, at + 1)),
        }
    }
    runs
}

/// What the lines of the PCF8574 do, one byte each.
struct Port {
    backlight: u8,
    bytes: Vec<u8>,
}

impl Port {
    fn new(backlight: u8) -> Self {
        Self { backlight, bytes: vec![] }
    }

    fn command(&mut self, byte: u8) {
        self.byte(byte, 0);
    }

    fn data(&mut self, byte: u8) {
        self.byte(byte, RS);
    }

    /// The chip takes what is there when E falls. RS must stand before E rises (60 ns), so it gets a byte of its own
    /// first; and that byte is the second of two that pass before the next character, 45 µs at 400 kHz, while the chip is
    /// busy for 37 to 43 µs.
    fn byte(&mut self, byte: u8, rs: u8) {
        let lines = self.backlight | rs;
        let (high, low) = (lines | (byte & 0xf0), lines | (byte << 4));
        self.bytes.extend([lines, high | E, high, low | E, low]);
    }
}
