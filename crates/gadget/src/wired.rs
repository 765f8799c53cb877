//! A display on a bus as a panel: opened when there is something to show, and again after it was away.
//!
//! A display that does not answer is reported in words that help; the panel's thread offers the next screen again, so a
//! display that was unplugged comes back by itself.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::i2c::{self, I2c};
use embedded_hal::spi::{self, SpiDevice};
use gpiocdev::line::Value;
use linux_embedded_hal::i2cdev::linux::LinuxI2CError;
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{Delay, I2CError, I2cdev, SPIError, SpidevDevice};
use rowkeeper::clock::{Clock, Mono, SystemClock};
use rowkeeper_panel::drivers::{
    DisplaySize128x32, DisplaySize128x64, Driver, Hd44780, I2CDisplayInterface, SPIInterface, Sh1106, Silent, Ssd1306,
};
use rowkeeper_panel::{Care, Geometry, Glow, Screen, next_change, render};

use crate::glass::Glass;
use crate::gpio;
use crate::kind::{Bus, Model, Wiring};

/// A display that was found.
struct Opened {
    driver: Box<dyn Driver>,
    /// Held as long as the display is used: a line that was let go may float, and a display that is reset goes dark.
    _reset: Option<Line>,
}

/// A display on a bus.
pub(crate) struct Wired {
    wiring: Wiring,
    /// `None`: not opened yet, or lost.
    driver: Option<Opened>,
    why: Why,
    glow: Glow,
    /// What the display was told.
    shining: Option<Glow>,
    /// When it is told all of it again.
    renewal: Mono,
}

impl Wired {
    pub(crate) fn new(wiring: Wiring) -> Self {
        Self { wiring, driver: None, why: Why::default(), glow: Glow::Full, shining: None, renewal: Mono::default() }
    }

    fn geometry(&self) -> Geometry {
        match self.wiring.model {
            Model::Ssd1306Low => Geometry::OLED_128X32,
            Model::Ssd1306 | Model::Sh1106 => Geometry::OLED_128X64,
            Model::Hd44780 { columns, rows } => Geometry::Characters { columns, rows },
        }
    }

    /// Uses the display, which is opened and started first if need be. Lost, it is closed: another may be plugged in.
    fn with(&mut self, deed: impl FnOnce(&mut dyn Driver) -> Result<(), Silent>) -> io::Result<()> {
        let outcome = self.try_with(deed);
        if outcome.is_err() {
            (self.driver, self.shining) = (None, None);
        }
        outcome
    }

    fn try_with(&mut self, deed: impl FnOnce(&mut dyn Driver) -> Result<(), Silent>) -> io::Result<()> {
        let Opened { driver, .. } = match &mut self.driver {
            Some(opened) => opened,
            None => {
                let mut opened = open(&self.wiring, &self.why)?;
                opened.driver.start().map_err(|Silent| self.why.silence(&self.wiring))?;
                self.renewal = SystemClock.mono() + RENEWAL;
                self.driver.insert(opened)
            }
        };
        if self.shining != Some(self.glow) {
            driver.glow(self.glow).map_err(|Silent| self.why.silence(&self.wiring))?;
            self.shining = Some(self.glow);
        }
        deed(&mut **driver).map_err(|Silent| self.why.silence(&self.wiring))
    }
}

/// A display whose power was away between two pictures has not been missed: its bus answers, and it knows nothing. Told
/// all of it so often, it comes back by itself.
const RENEWAL: Duration = Duration::from_secs(60);

/// The picture is looked at so often, and moved by a dot, so that no edge burns in.
const SHIFT: Duration = Duration::from_secs(60);

impl Glass for Wired {
    fn flush(&mut self, screen: &Screen, elapsed: Duration) -> io::Result<()> {
        let frame = render(screen, self.geometry(), elapsed).shifted(elapsed);
        let now = SystemClock.mono();
        if now < self.renewal {
            return self.with(|driver| driver.show(&frame));
        }
        self.renewal = now + RENEWAL;
        let glow = self.glow;
        self.with(|driver| driver.renew().and_then(|()| driver.glow(glow)).and_then(|()| driver.show(&frame)))
    }

    fn next_change(&self, screen: &Screen, elapsed: Duration) -> Option<Duration> {
        let motion = next_change(screen, self.geometry(), elapsed);
        let shift = SHIFT * u32::try_from(elapsed.as_secs() / SHIFT.as_secs() + 1).unwrap_or(u32::MAX);
        let shift = Some(shift).filter(|_| *screen != Screen::Blank);
        motion.into_iter().chain(shift).min()
    }

    fn care(&self) -> Option<Care> {
        Some(self.wiring.care)
    }

    fn glow(&mut self, glow: Glow) -> io::Result<()> {
        self.glow = glow;
        self.with(|_| Ok(()))
    }
}

/// Opens the bus. Nothing is sent yet.
fn open(wiring: &Wiring, why: &Why) -> io::Result<Opened> {
    let turn = wiring.turn;
    match &wiring.bus {
        Bus::I2c { path, address } => {
            let bus = Watched { bus: open_i2c(path)?, why: why.clone() };
            let driver: Box<dyn Driver> = match wiring.model {
                Model::Ssd1306Low => Box::new(Ssd1306::new(oled(bus, *address), DisplaySize128x32, turn)),
                Model::Ssd1306 => Box::new(Ssd1306::new(oled(bus, *address), DisplaySize128x64, turn)),
                Model::Sh1106 => Box::new(Sh1106::new(oled(bus, *address), turn)),
                Model::Hd44780 { columns, rows } => Box::new(Hd44780::new(bus, *address, Delay, columns, rows)),
            };
            Ok(Opened { driver, _reset: None })
        }
        Bus::Spi { path, gpio, data_command, reset } => {
            let spi = Watched { bus: open_spi(path)?, why: why.clone() };
            let data_command = Line::new(gpio, *data_command)?;
            let mut reset = reset.map(|line| Line::new(gpio, line)).transpose()?;
            reset.as_mut().map_or(Ok(()), Line::pulse)?;
            let interface = SPIInterface::new(spi, data_command);
            let driver: Box<dyn Driver> = match wiring.model {
                Model::Ssd1306Low => Box::new(Ssd1306::new(interface, DisplaySize128x32, turn)),
                Model::Sh1106 => Box::new(Sh1106::new(interface, turn)),
                Model::Ssd1306 | Model::Hd44780 { .. } => Box::new(Ssd1306::new(interface, DisplaySize128x64, turn)),
            };
            Ok(Opened { driver, _reset: reset })
        }
    }
}

fn oled<B: I2c + Send>(bus: B, address: u8) -> impl display_interface::WriteOnlyDataCommand + Send + use<B> {
    I2CDisplayInterface::new_custom_address(bus, address)
}

fn open_i2c(path: &Path) -> io::Result<I2cdev> {
    I2cdev::new(path).map_err(|error| {
        let error = io::Error::from(error);
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "enable I2C with `sudo raspi-config nonint do_i2c 0` and restart",
            io::ErrorKind::PermissionDenied => "add this user to the group that may: `sudo usermod -aG i2c USER`",
            _ => "is it an I2C bus?",
        };
        explained(error, path, advice)
    })
}

/// What an OLED takes: the SSD1306 10 MHz, the SH1106 4 MHz.
const SPI_HZ: u32 = 4_000_000;

fn open_spi(path: &Path) -> io::Result<SpidevDevice> {
    let spi = SpidevDevice::open(path).and_then(|mut spi| {
        let options = SpidevOptions::new().bits_per_word(8).max_speed_hz(SPI_HZ).mode(SpiModeFlags::SPI_MODE_0).build();
        spi.configure(&options)?;
        Ok(spi)
    });
    spi.map_err(|error| {
        let error = error.inner().raw_os_error().map_or_else(|| io::Error::other(error.to_string()), raw);
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "enable SPI with `sudo raspi-config nonint do_spi 0` and restart",
            io::ErrorKind::PermissionDenied => "add this user to the group that may: `sudo usermod -aG spi USER`",
            _ => "is it an SPI device?",
        };
        explained(error, path, advice)
    })
}

fn explained(error: io::Error, path: &Path, advice: &str) -> io::Error {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "does not exist".into(),
        io::ErrorKind::PermissionDenied => "this user may not open it".into(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("{}: {what}; {advice}", path.display()))
}

fn raw(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// The last error of the bus, which the traits between the bus and the driver do not carry.
#[derive(Clone, Default)]
struct Why(Arc<AtomicI32>);

impl Why {
    fn note_i2c(&self, error: &LinuxI2CError) {
        match error {
            LinuxI2CError::Errno(errno) => self.0.store(*errno, Ordering::Relaxed),
            LinuxI2CError::Io(error) => self.note(error),
        }
    }

    fn note(&self, error: &io::Error) {
        self.0.store(error.raw_os_error().unwrap_or(0), Ordering::Relaxed);
    }

    /// What to tell a person about a display that did not answer.
    fn silence(&self, wiring: &Wiring) -> io::Error {
        let (path, address) = match &wiring.bus {
            Bus::I2c { path, address } => (path, *address),
            Bus::Spi { path, gpio, data_command, .. } => {
                // The bus itself has no way to notice that nobody listens.
                let what = match self.0.swap(0, Ordering::Relaxed) {
                    0 => format!("{} line {data_command}: cannot be set any more", gpio.display()),
                    errno => format!("{}: cannot be written to: {}", path.display(), raw(errno)),
                };
                return io::Error::new(io::ErrorKind::NotConnected, what);
            }
        };
        let error = raw(self.0.swap(0, Ordering::Relaxed));
        let shown = path.display();
        if error.kind() == io::ErrorKind::ResourceBusy {
            let what = format!("{shown}: {address:#04x} is held by a driver of the kernel; remove its overlay");
            return io::Error::new(error.kind(), what);
        }
        let others = wiring.model.addresses().iter().copied().filter(|other| *other != address);
        let found: Vec<u8> = others.clone().filter(|other| answers(path, *other)).collect();
        let advice = match (found.first(), others.clone().next()) {
            (Some(found), _) => format!("one answers at {found:#04x}: set address = {found:#04x} in [panel]"),
            (None, Some(other)) => {
                let bus = shown.to_string();
                let bus = bus.rsplit('-').next().unwrap_or_default();
                format!("try address {other:#04x}, or check its four wires; `i2cdetect -y {bus}` lists what answers")
            }
            (None, None) => "check its wires".into(),
        };
        let what = format!("{shown}: no device answers at {address:#04x}; {advice}");
        io::Error::new(io::ErrorKind::NotConnected, what)
    }
}

/// Asked by reading a byte, which changes nothing in a display.
fn answers(path: &Path, address: u8) -> bool {
    I2cdev::new(path).is_ok_and(|mut bus| I2c::<u8>::read(&mut bus, address, &mut [0]).is_ok())
}

/// A bus that remembers why it failed.
struct Watched<B> {
    bus: B,
    why: Why,
}

impl i2c::ErrorType for Watched<I2cdev> {
    type Error = I2CError;
}

impl I2c for Watched<I2cdev> {
    fn transaction(&mut self, address: u8, operations: &mut [i2c::Operation<'_>]) -> Result<(), I2CError> {
        I2c::<u8>::transaction(&mut self.bus, address, operations).inspect_err(|error| self.why.note_i2c(error.inner()))
    }
}

impl spi::ErrorType for Watched<SpidevDevice> {
    type Error = SPIError;
}

impl SpiDevice for Watched<SpidevDevice> {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), SPIError> {
        SpiDevice::<u8>::transaction(&mut self.bus, operations).inspect_err(|error| self.why.note(error.inner()))
    }
}

/// A GPIO line that we drive.
struct Line {
    request: gpiocdev::Request,
    line: u32,
}

impl Line {
    fn new(chip: &Path, line: u32) -> io::Result<Self> {
        let mut request = gpiocdev::Request::builder();
        request.on_chip(chip).with_consumer("rowkeeper").with_line(line).as_output(Value::Active);
        match request.request() {
            Ok(request) => Ok(Self { request, line }),
            Err(error) => {
                let kind = gpio::kind(&error);
                let what = format!("{} line {line}: {error}; {}", chip.display(), gpio::advice(kind));
                Err(io::Error::new(kind, what))
            }
        }
    }

    /// Low for ten milliseconds: a reset.
    fn pulse(&mut self) -> io::Result<()> {
        let set = |value| self.request.set_value(self.line, value).map_err(io::Error::other);
        set(Value::Inactive)?;
        Delay.delay_ms(10);
        set(Value::Active)?;
        Delay.delay_ms(10);
        Ok(())
    }
}

impl embedded_hal::digital::ErrorType for Line {
    type Error = LineLost;
}

/// The line could not be set.
#[derive(Debug)]
struct LineLost;

impl embedded_hal::digital::Error for LineLost {
    fn kind(&self) -> embedded_hal::digital::ErrorKind {
        embedded_hal::digital::ErrorKind::Other
    }
}

impl OutputPin for Line {
    fn set_low(&mut self) -> Result<(), LineLost> {
        self.request.set_value(self.line, Value::Inactive).map(drop).map_err(|_| LineLost)
    }

    fn set_high(&mut self) -> Result<(), LineLost> {
        self.request.set_value(self.line, Value::Active).map(drop).map_err(|_| LineLost)
    }
}
