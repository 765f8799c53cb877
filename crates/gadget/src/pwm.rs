//! An RGB light on three PWM channels of the kernel: `/sys/class/pwm/pwmchip0/pwm0` and its like.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rowkeeper::clock::{Clock, Stop, SystemClock};

use crate::light::{Light, Rgb};

/// 200 times a second: no eye sees it flicker, and a kernel that makes the pulses itself (`pwm-gpio`) is woken twice for
/// each, and late by some millionths of a second, which in a shorter period would make a dim light tremble.
const PERIOD_NS: u64 = 5_000_000;

/// How it is wired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wires {
    /// The channels of red, green and blue.
    pub channels: [PathBuf; 3],
    /// The common leg goes to 3.3 V rather than to ground: a channel that is off shines.
    pub common_anode: bool,
}

/// The light.
#[derive(Debug)]
pub struct PwmLight {
    wires: Wires,
    is_open: bool,
}

impl PwmLight {
    /// A light on these wires; they are opened when there is something to shine, and again after trouble.
    pub fn new(wires: Wires) -> Self {
        Self { wires, is_open: false }
    }

    fn write(&self, colour: Rgb) -> io::Result<()> {
        for (channel, duty) in self.wires.channels.iter().zip(colour.duty()) {
            let lit = PERIOD_NS * u64::from(duty) / 65_535;
            let high = if self.wires.common_anode { PERIOD_NS - lit } else { lit };
            put(channel, "duty_cycle", high)?;
        }
        Ok(())
    }
}

impl Light for PwmLight {
    fn shine(&mut self, colour: Rgb) -> io::Result<()> {
        if !self.is_open {
            self.wires.channels.iter().try_for_each(|channel| open(channel))?;
            self.is_open = true;
        }
        let outcome = self.write(colour);
        self.is_open = outcome.is_ok();
        outcome
    }
}

/// Brings a channel from any state to "on".
fn open(channel: &Path) -> io::Result<()> {
    if !channel.exists() {
        let number = channel.file_name().and_then(|name| name.to_str()?.strip_prefix("pwm")?.parse::<u64>().ok());
        let (Some(number), Some(chip)) = (number, channel.parent()) else {
            let what = format!("{} is not a PWM channel such as /sys/class/pwm/pwmchip0/pwm0", channel.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        };
        put(chip, "export", number)?;
        // udev gives it to its group a moment later.
        SystemClock.wait(SystemClock.mono() + Duration::from_millis(300), &Stop::new());
    }
    // A period below the duty cycle is refused, and so is the other way round.
    _ = put(channel, "duty_cycle", 0);
    put(channel, "period", PERIOD_NS)?;
    put(channel, "enable", 1)
}

fn put(folder: &Path, name: &str, value: u64) -> io::Result<()> {
    let path = folder.join(name);
    fs::write(&path, value.to_string()).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "; is its dtoverlay in config.txt? `ls -l /sys/class/pwm` lists the chips",
            io::ErrorKind::PermissionDenied => {
                "; add this user to the group of the udev rule: `sudo usermod -aG gpio USER`"
            }
            io::ErrorKind::ResourceBusy => "; another program has exported it",
            _ => "",
        };
        io::Error::new(error.kind(), format!("{}: {error}{advice}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_three_duty_cycles() {
        let dir = std::env::temp_dir().join(format!("pwm-{}", std::process::id()));
        let channels = [0, 1, 2].map(|at| dir.join(format!("pwm{at}")));
        channels.iter().for_each(|channel| fs::create_dir_all(channel).unwrap());
        let read = |at: usize, name: &str| fs::read_to_string(channels[at].join(name)).unwrap();
        let mut light = PwmLight::new(Wires { channels: channels.clone(), common_anode: false });
        light.shine(Rgb(255, 0, 128)).unwrap();
        assert_eq!([read(0, "duty_cycle"), read(1, "duty_cycle")], ["5000000", "0"]);
        assert_eq!(read(2, "duty_cycle"), "1259784");
        assert_eq!([read(1, "period"), read(1, "enable")], ["5000000", "1"]);
        let mut light = PwmLight::new(Wires { channels: channels.clone(), common_anode: true });
        light.shine(Rgb(255, 0, 0)).unwrap();
        assert_eq!([read(0, "duty_cycle"), read(1, "duty_cycle")], ["0", "5000000"]);
        fs::remove_dir_all(&dir).unwrap();
        assert!(light.shine(Rgb::DARK).is_err(), "and it is opened anew next time");
    }

    #[test]
    fn what_is_not_a_channel_is_named() {
        let mut light =
            PwmLight::new(Wires { channels: ["/nowhere/red", "b", "c"].map(PathBuf::from), common_anode: false });
        let error = light.shine(Rgb::DARK).unwrap_err().to_string();
        assert!(error.contains("/nowhere/red is not a PWM channel"), "{error}");
        let channels = ["pwm0", "pwm1", "pwm2"].map(|name| PathBuf::from("/nowhere/pwmchip0").join(name));
        let mut light = PwmLight::new(Wires { channels, common_anode: false });
        let error = light.shine(Rgb::DARK).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/pwmchip0/export: No such file"), "{error}");
        assert!(error.ends_with("is its dtoverlay in config.txt? `ls -l /sys/class/pwm` lists the chips"), "{error}");
    }
}
