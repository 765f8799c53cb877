//! The SSD1306 and the SH1106, with the usual module around them.

use crate::frame::Bitmap;

/// Which chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// 128 columns, three ways of addressing.
    Ssd1306,
    /// 132 columns of which the glass shows the middle 128; page by page only.
    Sh1106,
}

/// A module of 128 columns.
#[derive(Clone, Debug)]
pub struct Oled {
    controller: Controller,
    height: u8,
    /// Pages of columns.
    memory: Vec<u8>,
    state: State,
    /// A command whose arguments are still to come.
    pending: Vec<u8>,
    complaints: Vec<String>,
}

/// What the commands set; the values after a reset.
#[derive(Clone, Debug)]
struct State {
    on: bool,
    supply: bool,
    inverse: bool,
    all_lit: bool,
    contrast: u8,
    /// Columns from the right, rows from the bottom: what a module wants that lies the usual way up.
    segments_turned: bool,
    commons_turned: bool,
    commons_alternate: bool,
    first_line: u8,
    offset: u8,
    rows: u8,
    addressing: Addressing,
    columns: (u8, u8),
    pages: (u8, u8),
    column: u8,
    page: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addressing {
    Horizontal,
    Vertical,
    Page,
}

impl State {
    fn reset(controller: Controller) -> Self {
        Self {
            on: false,
            // The SH1106 has it on after a reset, the SSD1306 off.
            supply: controller == Controller::Sh1106,
            inverse: false,
            all_lit: false,
            contrast: 0x7f,
            segments_turned: false,
            commons_turned: false,
            commons_alternate: true,
            first_line: 0,
            offset: 0,
            rows: 64,
            addressing: Addressing::Page,
            columns: (0, 127),
            pages: (0, 7),
            column: 0,
            page: 0,
        }
    }
}

impl Oled {
    /// A module that was just switched on. `height` is 32 or 64.
    pub fn new(controller: Controller, height: u8) -> Self {
        let mut oled = Self {
            controller,
            height,
            memory: vec![],
            state: State::reset(controller),
            pending: vec![],
            complaints: vec![],
        };
        oled.power_cut();
        oled
    }

    /// Its memory holds noise and its registers their first values.
    pub(super) fn power_cut(&mut self) {
        let mut noise = 0x2545_f491_u32;
        let random = || {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            noise as u8
        };
        self.memory = std::iter::repeat_with(random).take(8 * self.columns()).collect();
        self.state = State::reset(self.controller);
        self.pending.clear();
    }

    fn columns(&self) -> usize {
        match self.controller {
            Controller::Ssd1306 => 128,
            Controller::Sh1106 => 132,
        }
    }

    /// How brightly it shines; `None` when it is off.
    pub fn contrast(&self) -> Option<u8> {
        (self.state.on && self.state.supply).then_some(self.state.contrast)
    }

    pub(super) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// One I2C write: control bytes say whether commands or data follow, and whether one or all.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let [control, tail @ ..] = rest {
            let one_only = control & 0x80 != 0;
            let (part, after) = tail.split_at(if one_only { tail.len().min(1) } else { tail.len() });
            match control & 0x7f {
                0x00 => self.commands(part),
                0x40 => self.data(part),
                _ => self.complaints.push(format!("control byte {control:#04x}")),
            }
            rest = after;
        }
    }

    pub(super) fn data(&mut self, bytes: &[u8]) {
        let columns = self.columns();
        for byte in bytes {
            let at = usize::from(self.state.page) * columns + usize::from(self.state.column);
            if let Some(cell) = self.memory.get_mut(at) {
                *cell = *byte;
            }
            self.advance(columns);
        }
    }

    fn advance(&mut self, columns: usize) {
        let state = &mut self.state;
        let next = |at: u8, (first, last): (u8, u8)| if at >= last { (first, true) } else { (at + 1, false) };
        match state.addressing {
            Addressing::Page => state.column = ((usize::from(state.column) + 1) % columns) as u8,
            Addressing::Horizontal => {
                let (column, wrapped) = next(state.column, state.columns);
                state.column = column;
                if wrapped {
                    state.page = next(state.page, state.pages).0;
                }
            }
            Addressing::Vertical => {
                let (page, wrapped) = next(state.page, state.pages);
                state.page = page;
                if wrapped {
                    state.column = next(state.column, state.columns).0;
                }
            }
        }
    }

    pub(super) fn commands(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.pending.push(*byte);
            if self.pending.len() > self.arguments(self.pending[0]) {
                let command = std::mem::take(&mut self.pending);
                self.obey(&command);
            }
        }
    }

    fn arguments(&self, command: u8) -> usize {
        match (self.controller, command) {
            (_, 0x81 | 0xa8 | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb) => 1,
            (Controller::Sh1106, 0xad) | (Controller::Ssd1306, 0x20 | 0x8d) => 1,
            (Controller::Ssd1306, 0x21 | 0x22 | 0xa3) => 2,
            (Controller::Ssd1306, 0x29 | 0x2a) => 5,
            (Controller::Ssd1306, 0x26 | 0x27) => 6,
            _ => 0,
        }
    }

    fn obey(&mut self, command: &[u8]) {
        let ssd1306 = self.controller == Controller::Ssd1306;
        let state = &mut self.state;
        match *command {
            [low @ 0x00..=0x0f] => state.column = state.column & 0xf0 | low,
            [high @ 0x10..=0x1f] => state.column = state.column & 0x0f | (high & 0x0f) << 4,
            [0x20, mode] if ssd1306 => {
                state.addressing = match mode & 3 {
                    0 => Addressing::Horizontal,
                    1 => Addressing::Vertical,
                    _ => Addressing::Page,
                };
            }
            [0x21, first, last] if ssd1306 => (state.columns, state.column) = ((first & 127, last & 127), first & 127),
            [0x22, first, last] if ssd1306 => (state.pages, state.page) = ((first & 7, last & 7), first & 7),
            [0x2e] if ssd1306 => {}
            [0x30..=0x33] if !ssd1306 => {}
            [line @ 0x40..=0x7f] => state.first_line = line & 0x3f,
            [0x81, contrast] => state.contrast = contrast,
            [0x8d, pump] if ssd1306 => state.supply = pump & 0x04 != 0,
            [0xad, supply] if !ssd1306 => state.supply = supply & 1 == 1,
            [turned @ (0xa0 | 0xa1)] => state.segments_turned = turned == 0xa1,
            [lit @ (0xa4 | 0xa5)] => state.all_lit = lit == 0xa5,
            [inverse @ (0xa6 | 0xa7)] => state.inverse = inverse == 0xa7,
            [0xa8, rows] => state.rows = (rows & 0x3f) + 1,
            [on @ (0xae | 0xaf)] => state.on = on == 0xaf,
            [page @ 0xb0..=0xb7] => state.page = page & 7,
            [0xc0..=0xc7] => state.commons_turned = false,
            [0xc8..=0xcf] => state.commons_turned = true,
            [0xd3, offset] => state.offset = offset & 0x3f,
            [0xda, pins] => state.commons_alternate = pins & 0x10 != 0,
            [0xd5 | 0xd9 | 0xdb, _] | [0xe3] => {}
            _ => self.complaints.push(format!("{:?} does not know {command:02x?}", self.controller)),
        }
    }

    /// What is lit, seen by a person for whom the module lies the usual way up.
    pub fn picture(&self) -> Bitmap {
        let mut picture = Bitmap::new(128, self.height.into());
        if self.contrast().is_none() {
            return picture;
        }
        for y in 0..self.height {
            for x in 0..128u8 {
                picture.set(x.into(), y.into(), self.is_lit(x, y));
            }
        }
        picture
    }

    fn is_lit(&self, x: u8, y: u8) -> bool {
        let state = &self.state;
        if y >= state.rows {
            return false;
        }
        if state.all_lit {
            return true;
        }
        let y = if state.commons_turned { y } else { state.rows - 1 - y };
        // Modules of 64 rows have their rows on alternate sides, those of 32 one after the other. Told wrongly, the chip
        // mixes the halves like two decks of cards.
        let wired_alternate = self.height == 64;
        let y = match (wired_alternate, state.commons_alternate) {
            (true, false) | (false, true) => y % 2 * (self.height / 2) + y / 2,
            _ => y,
        };
        let row = (y + state.first_line + state.offset) % 64;
        let margin = match self.controller {
            Controller::Ssd1306 => 0,
            Controller::Sh1106 => 2,
        };
        let column = margin + if state.segments_turned { x } else { 127 - x };
        let byte = self.memory[usize::from(row / 8) * self.columns() + usize::from(column)];
        (byte >> (row % 8) & 1 == 1) != state.inverse
    }
}
