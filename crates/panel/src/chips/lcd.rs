//! An HD44780 behind a PCF8574.

use crate::frame::{Grid, UNSHOWABLE};

/// A character display with its little board.
#[derive(Clone, Debug)]
pub struct CharacterLcd {
    columns: u16,
    rows: u16,
    /// The lines of the PCF8574 as they are.
    lines: u8,
    four_bits: bool,
    /// The upper half of a byte whose lower half is still to come.
    half: Option<u8>,
    /// How often in a row it was told that the bus has eight bits.
    resets: u8,
    on: bool,
    rightwards: bool,
    /// Where the next data goes: a character's place, or a row of a character of the program's own.
    address: Address,
    places: [u8; 128],
    own: [u8; 64],
    now_ns: u64,
    busy_until_ns: u64,
    complaints: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    Place(u8),
    Own(u8),
}

const RS: u8 = 0x01;
const READ: u8 = 0x02;
const E: u8 = 0x04;
const BACKLIGHT: u8 = 0x08;

/// A byte on the fastest bus that a PCF8574 is driven with, 400 kHz.
const BYTE_NS: u64 = 22_500;

impl CharacterLcd {
    /// A display that was just switched on.
    pub fn new(columns: u16, rows: u16) -> Self {
        Self {
            columns,
            rows,
            lines: 0xff,
            four_bits: false,
            half: None,
            resets: 0,
            on: false,
            rightwards: true,
            address: Address::Place(0),
            places: [b' '; 128],
            own: [0; 64],
            now_ns: 0,
            // It resets itself when the power comes, and that takes 40 ms at low voltage.
            busy_until_ns: 40_000_000,
            complaints: vec![],
        }
    }

    pub(super) fn power_cut(&mut self) {
        let complaints = std::mem::take(&mut self.complaints);
        *self = Self { complaints, ..Self::new(self.columns, self.rows) };
    }

    pub(super) fn time_passes(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    pub(super) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Whether the light behind it shines.
    pub fn backlight(&self) -> bool {
        self.lines & BACKLIGHT != 0
    }

    /// New levels on the lines: what stands on them is taken when E falls.
    pub(super) fn port(&mut self, lines: u8) {
        self.now_ns += BYTE_NS;
        let before = std::mem::replace(&mut self.lines, lines);
        let e_rose = before & E == 0 && lines & E != 0;
        if e_rose && before & RS != lines & RS {
            self.complaints.push("RS changed together with E".into());
        }
        if e_rose && self.now_ns < self.busy_until_ns && self.half.is_none() {
            let early = (self.busy_until_ns - self.now_ns) / 1000;
            self.complaints.push(format!("{lines:#04x} came {early} us too early"));
        }
        if before & E != 0 && lines & E == 0 && lines & READ == 0 {
            self.take(before & 0xf0, before & RS != 0);
        }
    }

    fn take(&mut self, upper: u8, data: bool) {
        let byte = match (self.four_bits, self.half.take()) {
            (false, _) => upper, // The lower lines are not connected, and read as zero.
            (true, None) => return self.half = Some(upper),
            (true, Some(half)) => half | upper >> 4,
        };
        let us = if data { self.data(byte) } else { self.command(byte) };
        self.busy_until_ns = self.now_ns + us * 1000;
    }

    fn data(&mut self, byte: u8) -> u64 {
        match &mut self.address {
            Address::Own(at) => {
                self.own[usize::from(*at)] = byte;
                *at = (*at + 1) % 64;
            }
            Address::Place(at) => {
                self.places[usize::from(*at)] = byte;
                *at = (if self.rightwards { *at + 1 } else { at.wrapping_sub(1) }) & 0x7f;
            }
        }
        43
    }

    /// How long it takes, in microseconds.
    fn command(&mut self, command: u8) -> u64 {
        match command {
            0x80.. => self.address = Address::Place(command & 0x7f),
            0x40.. => self.address = Address::Own(command & 0x3f),
            0x20.. => {
                self.four_bits = command & 0x10 == 0;
                self.half = None;
                // Of the three that bring it into a known state the first takes longest.
                let pause = match (self.four_bits, self.resets) {
                    (true, _) => 37,
                    (false, 0) => 4_100,
                    (false, _) => 100,
                };
                self.resets = if self.four_bits { 0 } else { self.resets.saturating_add(1) };
                return pause;
            }
            0x10.. => self.complaints.push(format!("a shift, {command:#04x}")),
            0x08.. => self.on = command & 0x04 != 0,
            0x04.. => self.rightwards = command & 0x02 != 0,
            0x02.. => {
                self.address = Address::Place(0);
                return 1_520;
            }
            0x01 => {
                self.places = [b' '; 128];
                self.address = Address::Place(0);
                return 1_520;
            }
            0x00 => self.complaints.push("a command of no bits".into()),
        }
        37
    }

    /// What a person reads: ROM A00, and the four characters that a driver may have given it.
    pub fn picture(&self) -> Grid {
        let mut grid = Grid::new(self.columns, self.rows);
        if !self.on || !self.backlight() {
            return grid;
        }
        for row in 0..usize::from(self.rows) {
            let start = row % 2 * 0x40 + row / 2 * usize::from(self.columns);
            let text: String = (start..).take(self.columns.into()).map(|at| self.glyph(self.places[at])).collect();
            grid.write(row, 0, &text);
        }
        grid
    }

    fn glyph(&self, code: u8) -> char {
        match code {
            0x00..=0x0f => {
                let rows: [u8; 8] = std::array::from_fn(|row| self.own[usize::from(code & 7) * 8 + row] & 0x1f);
                // Told apart as an eye would: by where there are dots at all.
                match rows {
                    [0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f] => UNSHOWABLE,
                    [_, 0x10, 0x08, 0x04, 0x02, 0x01, _, _] => '\\',
                    [0, 0, a, b, c, 0, 0, 0] if a & b & c == 0 && b.count_ones() >= 2 => '~',
                    [top, _, _, bottom, 0, 0, 0, 0] if top == bottom && top != 0 => '°',
                    _ => '?',
                }
            }
            b'\\' => '¥',
            b'~' => '→',
            b' '..=b'}' => code.into(),
            _ => '?',
        }
    }
}
