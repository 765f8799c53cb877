//! Which panel it is, as the configuration and the command line say it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rowkeeper::config;
use rowkeeper_panel::drivers::Turn;
use rowkeeper_panel::{Care, Geometry};

/// What the configuration calls a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text on stderr, where that is a terminal.
    Terminal,
    /// A picture of an OLED in a file, replaced at each change.
    Png(PathBuf, Geometry),
    /// The same with everything that moves on the screen, as an animated PNG.
    Animation(PathBuf, Geometry),
    /// A display on a bus.
    Wired(Wiring),
    /// No screen.
    None,
}

/// A display on a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// What it is.
    pub model: Model,
    /// Where it hangs.
    pub bus: Bus,
    /// How it is built in.
    pub turn: Turn,
    /// When to spare it.
    pub care: Care,
}

/// What hangs on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// An OLED of 128x32.
    Ssd1306Low,
    /// An OLED of 128x64.
    Ssd1306,
    /// An OLED of 128x64 with the other chip, usually the 1.3 inch one.
    Sh1106,
    /// Characters, behind a PCF8574.
    Hd44780 {
        /// Characters in a row.
        columns: u16,
        /// Rows.
        rows: u16,
    },
}

/// Wires that are a device file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bus {
    /// Two wires and an address.
    I2c {
        /// `/dev/i2c-1`.
        path: PathBuf,
        /// Seven bits.
        address: u8,
    },
    /// Four wires and lines of their own.
    Spi {
        /// `/dev/spidev0.0`.
        path: PathBuf,
        /// The chip of the lines, `/dev/gpiochip0`.
        gpio: PathBuf,
        /// The line that tells data from commands.
        data_command: u32,
        /// The line that resets the display, where it is wired.
        reset: Option<u32>,
    },
}

/// A kind of panel that is not known, or options of it that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(String);

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[panel] {}", self.0)
    }
}

impl std::error::Error for UnknownKind {}

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    /// A kind with nothing else said.
    fn from_str(kind: &str) -> Result<Self, UnknownKind> {
        Self::of(&config::Panel { kind: kind.into(), ..config::Panel::default() })
    }
}

impl Kind {
    /// The panel that `[panel]` describes.
    ///
    /// # Errors
    /// A kind that this version does not know, or an option that does not fit it; says which and what would.
    pub fn of(panel: &config::Panel) -> Result<Self, UnknownKind> {
        let (kind, file) = panel.kind.split_once('=').map_or((&*panel.kind, None), |(kind, file)| (kind, Some(file)));
        let picture = || match panel.size.as_deref() {
            None => Ok(Geometry::OLED_128X64),
            Some(size) => geometry(size).ok_or_else(|| unfit("size", size, "a size such as 128x64, or 20x4")),
        };
        match (kind, file) {
            ("terminal", None) => Ok(Self::Terminal),
            ("none", None) => Ok(Self::None),
            ("png", Some(file)) if !file.is_empty() => Ok(Self::Png(file.into(), picture()?)),
            ("apng", Some(file)) if !file.is_empty() => Ok(Self::Animation(file.into(), picture()?)),
            ("ssd1306" | "sh1106" | "hd44780", None) => Wiring::of(kind, panel).map(Self::Wired),
            _ => Err(unfit(
                "kind",
                &panel.kind,
                "terminal, ssd1306, sh1106, hd44780, png=FILE, apng=FILE (animated) or none",
            )),
        }
    }

    /// The panel that `[panel]` describes, but of another kind: what the command line says.
    ///
    /// # Errors
    /// As [`Kind::of`].
    pub fn instead(kind: &str, panel: &config::Panel) -> Result<Self, UnknownKind> {
        Self::of(&config::Panel { kind: kind.into(), ..panel.clone() })
    }
}

impl Wiring {
    fn of(kind: &str, panel: &config::Panel) -> Result<Self, UnknownKind> {
        let model = match (kind, panel.size.as_deref()) {
            ("ssd1306", None | Some("128x64")) => Model::Ssd1306,
            ("ssd1306", Some("128x32")) => Model::Ssd1306Low,
            ("ssd1306", Some(size)) => return Err(unfit("size", size, "128x64 or 128x32 with ssd1306")),
            ("sh1106", None | Some("128x64")) => Model::Sh1106,
            ("sh1106", Some(size)) => return Err(unfit("size", size, "128x64 with sh1106")),
            (_, size) => match geometry(size.unwrap_or("16x2")) {
                Some(Geometry::Characters { columns, rows }) => Model::Hd44780 { columns, rows },
                _ => return Err(unfit("size", size.unwrap_or_default(), "16x2, 20x4, 20x2, 16x4 or 8x2 with hd44780")),
            },
        };
        let turn = match (panel.rotation, model) {
            (0, _) => Turn::Upright,
            (180, Model::Ssd1306 | Model::Ssd1306Low | Model::Sh1106) => Turn::UpsideDown,
            (other, _) => return Err(unfit("rotation", &other.to_string(), "0, or 180 with an OLED")),
        };
        let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
        let never = Duration::MAX;
        let care = Care {
            dim_after: Some(minutes(panel.dim_after_minutes)).filter(|after| !after.is_zero()).unwrap_or(never),
            dark_after: Some(minutes(panel.dark_after_minutes)).filter(|after| !after.is_zero()),
        };
        Ok(Self { model, bus: Bus::of(model, panel)?, turn, care })
    }
}

impl Bus {
    fn of(model: Model, panel: &config::Panel) -> Result<Self, UnknownKind> {
        let path = panel.bus.clone().unwrap_or_else(|| "/dev/i2c-1".into());
        if is_spi(&path) {
            if matches!(model, Model::Hd44780 { .. }) {
                return Err(UnknownKind("bus: hd44780 hangs on I2C, such as /dev/i2c-1".into()));
            }
            let Some(data_command) = panel.data_command_line else {
                return Err(UnknownKind(
                    "data_command_line: SPI needs the GPIO line that is wired to D/C, such as 24".into(),
                ));
            };
            let gpio = panel.gpio.clone().unwrap_or_else(|| "/dev/gpiochip0".into());
            return Ok(Self::Spi { path, gpio, data_command, reset: panel.reset_line });
        }
        let address = panel.address.unwrap_or(model.addresses()[0]);
        // UM10204: the first eight addresses and the last eight are reserved.
        if !(0x08..0x78).contains(&address) {
            return Err(unfit("address", &format!("{address:#04x}"), "an address from 0x08 to 0x77"));
        }
        Ok(Self::I2c { path, address })
    }
}

impl Model {
    /// Where its makers put it, the usual one first.
    pub(crate) fn addresses(self) -> &'static [u8] {
        match self {
            Self::Ssd1306 | Self::Ssd1306Low | Self::Sh1106 => &[0x3c, 0x3d],
            // PCF8574 and PCF8574A, with three bridges each.
            Self::Hd44780 { .. } => {
                &[0x27, 0x3f, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 0x20, 0x3e, 0x3d, 0x3c, 0x3b, 0x3a, 0x39, 0x38]
            }
        }
    }
}

fn is_spi(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("spidev"))
}

/// `128x64`. Up to 40 columns and 4 rows are characters.
fn geometry(size: &str) -> Option<Geometry> {
    let (width, height) = size.split_once('x')?;
    let (width, height): (u16, u16) = (width.parse().ok()?, height.parse().ok()?);
    match (width, height) {
        (8..=40, 1..=4) if width * height <= 80 => Some(Geometry::Characters { columns: width, rows: height }),
        (32..=1024, 16..=1024) => Some(Geometry::Pixels { width, height }),
        _ => None,
    }
}

/// Values come from a file or a command line, and go to a terminal.
fn unfit(key: &str, value: &str, wanted: &str) -> UnknownKind {
    let value: String = value.chars().filter(|c| !c.is_control()).take(40).collect();
    UnknownKind(format!("{key}: \"{value}\" does not fit; use {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(toml: &str) -> Result<Kind, String> {
        let path = tempfile::tempdir().unwrap();
        let file = path.path().join("rowkeeper.toml");
        std::fs::write(&file, toml).unwrap();
        let places = config::Places { config: Some(file), state_dir: Some(path.path().into()) };
        let config = config::Config::load(&places).map_err(|error| error.to_string())?;
        Kind::of(&config.panel).map_err(|error| error.to_string())
    }

    #[test]
    fn displays_are_configured_in_few_words() {
        let Ok(Kind::Wired(wiring)) = panel("[panel]\nkind = \"ssd1306\"\n") else { panic!() };
        assert_eq!((wiring.model, wiring.turn, wiring.care), (Model::Ssd1306, Turn::Upright, Care::default()));
        assert_eq!(wiring.bus, Bus::I2c { path: "/dev/i2c-1".into(), address: 0x3c });

        let toml = "[panel]\nkind = \"hd44780\"\nsize = \"20x4\"\naddress = 0x3f\nbus = \"/dev/i2c-0\"\n\
                    dark_after_minutes = 0\n";
        let Ok(Kind::Wired(wiring)) = panel(toml) else { panic!() };
        assert_eq!(wiring.model, Model::Hd44780 { columns: 20, rows: 4 });
        assert_eq!(wiring.bus, Bus::I2c { path: "/dev/i2c-0".into(), address: 0x3f });
        assert_eq!(wiring.care.dark_after, None);

        let toml = "[panel]\nkind = \"sh1106\"\nrotation = 180\nbus = \"/dev/spidev0.0\"\ndata_command_line = 24\n\
                    reset_line = 25\n";
        let Ok(Kind::Wired(wiring)) = panel(toml) else { panic!() };
        let gpio = "/dev/gpiochip0".into();
        assert_eq!(wiring.turn, Turn::UpsideDown);
        assert_eq!(wiring.bus, Bus::Spi { path: "/dev/spidev0.0".into(), gpio, data_command: 24, reset: Some(25) });
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        for (toml, says) in [
            ("kind = \"hologram\"", "kind: \"hologram\" does not fit; use terminal, ssd1306"),
            ("kind = \"png=\"", "kind: \"png=\" does not fit"),
            ("kind = \"ssd1306=x\"", "does not fit"),
            ("kind = \"ssd1306\"\nsize = \"16x2\"", "use 128x64 or 128x32"),
            ("kind = \"sh1106\"\nsize = \"128x32\"", "128x64 with sh1106"),
            ("kind = \"hd44780\"\nsize = \"128x64\"", "16x2, 20x4"),
            ("kind = \"hd44780\"\nrotation = 180", "0, or 180 with an OLED"),
            ("kind = \"ssd1306\"\nrotation = 90", "0, or 180"),
            ("kind = \"ssd1306\"\naddress = 0x78", "0x08 to 0x77"),
            ("kind = \"ssd1306\"\nbus = \"/dev/spidev0.0\"", "data_command_line"),
            ("kind = \"hd44780\"\nbus = \"/dev/spidev0.0\"", "hangs on I2C"),
            ("kind = \"png=x\"\nsize = \"huge\"", "a size such as 128x64"),
            ("kind = \"ssd1306\"\nadress = 0x3d", "address"),
        ] {
            let error = panel(&format!("[panel]\n{toml}\n")).unwrap_err();
            assert!(error.contains(says), "{toml}: {error}");
        }
    }

    #[test]
    fn the_command_line_names_another_kind_and_keeps_the_rest() {
        let written = config::Panel { size: Some("128x32".into()), ..config::Panel::default() };
        let low = Geometry::OLED_128X32;
        assert_eq!(Kind::instead("png=a.png", &written), Ok(Kind::Png("a.png".into(), low)));
        assert_eq!(Kind::instead("apng=a.png", &written), Ok(Kind::Animation("a.png".into(), low)));
        assert_eq!("none".parse(), Ok(Kind::None));
    }
}
