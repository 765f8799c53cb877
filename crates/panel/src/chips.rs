//! Simulated displays and wires: they obey a controller's commands as its data sheet says, and yield what would be on the
//! glass, so that a driver is tested by the picture.
//!
//! Written from the data sheets (Solomon Systech SSD1306 1.1, Sino Wealth SH1106 2.3, Hitachi HD44780U), without looking at
//! the drivers: a misreading must be made twice to stay hidden.

mod lcd;
mod oled;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{self, I2c, NoAcknowledgeSource, Operation};
use embedded_hal::{digital, spi};

pub use lcd::CharacterLcd;
pub use oled::{Controller, Oled};

use crate::frame::Frame;

/// A display with its chip.
#[derive(Clone, Debug)]
pub enum Chip {
    /// Dots.
    Oled(Oled),
    /// Characters.
    Lcd(CharacterLcd),
}

impl Chip {
    /// Takes the bytes of one I2C write.
    pub fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Oled(oled) => oled.write(bytes),
            Self::Lcd(lcd) => bytes.iter().for_each(|byte| lcd.port(*byte)),
        }
    }

    /// What a person sees.
    pub fn picture(&self) -> Frame {
        match self {
            Self::Oled(oled) => Frame::Pixels(oled.picture()),
            Self::Lcd(lcd) => Frame::Characters(lcd.picture()),
        }
    }

    /// What was sent and means nothing to this chip, or came while it was busy. Empty for a good driver.
    pub fn complaints(&self) -> &[String] {
        match self {
            Self::Oled(oled) => oled.complaints(),
            Self::Lcd(lcd) => lcd.complaints(),
        }
    }
}

/// Two wires and what hangs on them. Clones are the same wires.
#[derive(Clone, Debug, Default)]
pub struct Wires(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    chips: BTreeMap<u8, Chip>,
    unplugged: bool,
    /// The level of the data/command line of SPI.
    data: bool,
    traffic: Traffic,
}

/// What has passed over the wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Writes and reads, answered or not.
    pub transfers: u64,
    /// Bytes with the address byte of each transfer.
    pub bytes: u64,
}

impl Wires {
    /// Wires with nothing on them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wires with one chip.
    pub fn with(address: u8, chip: Chip) -> Self {
        let wires = Self::new();
        wires.inner().chips.insert(address, chip);
        wires
    }

    /// The chip at an address, as it is now.
    pub fn chip(&self, address: u8) -> Option<Chip> {
        self.inner().chips.get(&address).cloned()
    }

    /// Pulls the plug, or puts it back: a chip that had no power has forgotten everything.
    pub fn unplug(&self, unplugged: bool) {
        let mut inner = self.inner();
        inner.unplugged = unplugged;
        if unplugged {
            for chip in inner.chips.values_mut() {
                match chip {
                    Chip::Oled(oled) => oled.power_cut(),
                    Chip::Lcd(lcd) => lcd.power_cut(),
                }
            }
        }
    }

    /// What has passed so far.
    pub fn traffic(&self) -> Traffic {
        self.inner().traffic
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, address: u8, bytes: &[u8]) -> Result<(), NoAnswer> {
        let mut inner = self.inner();
        inner.traffic.transfers += 1;
        if inner.unplugged || !inner.chips.contains_key(&address) {
            inner.traffic.bytes += 1;
            return Err(NoAnswer);
        }
        inner.traffic.bytes += 1 + bytes.len() as u64;
        if let Some(chip) = inner.chips.get_mut(&address) {
            chip.write(bytes);
        }
        Ok(())
    }
}

/// Nobody acknowledged the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl i2c::Error for NoAnswer {
    fn kind(&self) -> i2c::ErrorKind {
        i2c::ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)
    }
}

impl i2c::ErrorType for Wires {
    type Error = NoAnswer;
}

impl I2c for Wires {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), NoAnswer> {
        for operation in operations {
            match operation {
                Operation::Write(bytes) => Self::write(self, address, bytes)?,
                Operation::Read(bytes) => {
                    Self::write(self, address, &[])?;
                    bytes.fill(0);
                    self.inner().traffic.bytes += bytes.len() as u64;
                }
            }
        }
        Ok(())
    }
}

/// The address under which a chip hangs on SPI, which has none.
pub const ON_SPI: u8 = 0;

impl spi::Error for NoAnswer {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl spi::ErrorType for Wires {
    type Error = NoAnswer;
}

/// SPI has no acknowledgement: bytes go out whether anybody listens or not.
impl spi::SpiDevice for Wires {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), NoAnswer> {
        let mut inner = self.inner();
        let data = inner.data;
        for operation in operations {
            if let spi::Operation::Write(bytes) = operation {
                inner.traffic.transfers += 1;
                inner.traffic.bytes += bytes.len() as u64;
                if let (false, Some(Chip::Oled(oled))) = (inner.unplugged, inner.chips.get_mut(&ON_SPI)) {
                    if data { oled.data(bytes) } else { oled.commands(bytes) }
                }
            }
        }
        Ok(())
    }
}

/// The data/command line of SPI.
#[derive(Clone, Debug)]
pub struct DataCommand(pub Wires);

impl digital::ErrorType for DataCommand {
    type Error = Infallible;
}

impl digital::OutputPin for DataCommand {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.inner().data = false;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.inner().data = true;
        Ok(())
    }
}

/// Time passes for the chips, and only for them.
impl DelayNs for Wires {
    fn delay_ns(&mut self, ns: u32) {
        for chip in self.inner().chips.values_mut() {
            if let Chip::Lcd(lcd) = chip {
                lcd.time_passes(ns.into());
            }
        }
    }
}
