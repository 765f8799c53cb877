//! The gadget's simulated twin: the same clock, with its glass and light on stdout and its knob and reader on stdin.
//!
//! It is a process of its own, so that a power cut in the simulator is one: the process is killed.

use std::io::{self, BufRead, Write};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use rowkeeper::status::Status;
use rowkeeper_gadget::input::{Badge, Input};
use rowkeeper_gadget::light::{Lamp, Light, Rgb};
use rowkeeper_gadget::{Display, Glass};
use rowkeeper_panel::{Frame, Geometry, Screen, next_change, render};
use serde::{Deserialize, Serialize};

use crate::args::Cli;
use crate::run::{Body, Told};
use crate::sim;

/// A line on stdout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The glass, dot by dot.
    Dots {
        /// Dots in a row.
        width: u16,
        /// Row by row, four dots to a hexadecimal digit; rows are whole digits.
        rows: Vec<String>,
    },
    /// The glass, line by line.
    Letters(Vec<String>),
    /// The colour of the light.
    Light(u8, u8, u8),
    /// How things stand.
    Standing(Standing),
}

/// How things stand, as far as a simulator shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Rows and amendments that are not in the sheet yet.
    pub waiting: u64,
    /// Rows that the sheet refused.
    pub set_aside: u64,
    /// The spreadsheet.
    pub sheet: Option<String>,
    /// The code that waits for a person, and where it is typed.
    pub code: Option<(String, String)>,
    /// Why nothing is sent.
    pub trouble: Option<String>,
}

impl Standing {
    /// The part of it that is shown.
    pub fn of(status: &Status) -> Self {
        Self {
            waiting: status.queue.waiting,
            set_aside: status.queue.set_aside,
            sheet: status.sheet.as_ref().map(|sheet| sheet.url.clone()),
            code: status.grant.code.as_ref().map(|code| (code.user_code.clone(), code.verification_uri.clone())),
            trouble: status.delivery.last_error.clone(),
        }
    }
}

/// Says it. A simulator that went away is noticed on stdin.
fn say(said: &Said) -> io::Result<()> {
    let line = serde_json::to_string(said).map_err(io::Error::from)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The glass.
struct TwinGlass(Geometry);

impl Glass for TwinGlass {
    fn flush(&mut self, screen: &Screen, elapsed: Duration) -> io::Result<()> {
        say(&picture(&render(screen, self.0, elapsed)))
    }

    fn next_change(&self, screen: &Screen, elapsed: Duration) -> Option<Duration> {
        next_change(screen, self.0, elapsed)
    }
}

/// The light.
struct TwinLight;

impl Light for TwinLight {
    fn shine(&mut self, Rgb(red, green, blue): Rgb) -> io::Result<()> {
        say(&Said::Light(red, green, blue))
    }
}

fn picture(frame: &Frame) -> Said {
    let Frame::Pixels(bitmap) = frame else {
        return Said::Letters(frame.to_string().lines().map(str::to_owned).collect());
    };
    let digit = |x: i32, y: i32| (0..4).fold(0, |digit, dot| digit << 1 | u32::from(bitmap.is_lit(x + dot, y)));
    let row = |y: i32| {
        let digits = (0..i32::from(bitmap.width())).step_by(4).map(|x| char::from_digit(digit(x, y), 16));
        digits.map(|digit| digit.unwrap_or('0')).collect()
    };
    Said::Dots { width: bitmap.width(), rows: (0..i32::from(bitmap.height())).map(row).collect() }
}

/// A clock whose glass and light are on stdout and whose hands are on stdin.
///
/// # Errors
/// An unknown glass, or no room for another thread.
pub fn body(cli: &Cli, hands: Sender<Told>) -> Result<Body, Box<dyn std::error::Error>> {
    let geometry = sim::geometry(cli.panel.as_deref())?;
    // A simulator that went away is noticed on stdin, and ends the clock.
    let display = Display::start_on(Box::new(TwinGlass(geometry)), true, |_| ())?;
    let lamp = Lamp::start(Box::new(TwinLight), |_| ())?;
    thread::Builder::new().name("hands".into()).spawn(move || listen(&hands))?;
    let watch = Box::new(|status: &Status| _ = say(&Said::Standing(Standing::of(status))));
    Ok(Body { display, lamp, has_knob: true, has_reader: true, watch })
}

/// Reads what the hands do until the simulator goes away: `turn 1`, `press`, `hold`, `badge 4711`.
fn listen(to: &Sender<Told>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if let Some(input) = understood(&line) {
            _ = to.send(Told::Input(input));
        }
    }
    _ = to.send(Told::Stop);
}

fn understood(line: &str) -> Option<Input> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("turn", by) => by.parse().ok().filter(|by| *by != 0).map(Input::Turn),
        ("press", "") => Some(Input::Press),
        ("hold", "") => Some(Input::LongPress),
        ("badge", number) => Badge::parse(number).map(Input::Badge),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rowkeeper_panel::Bitmap;

    use super::*;

    #[test]
    fn a_picture_crosses_the_pipe_dot_by_dot() {
        let mut bitmap = Bitmap::new(6, 2);
        bitmap.set(0, 0, true);
        bitmap.set(5, 1, true);
        let said = picture(&Frame::Pixels(bitmap));
        assert_eq!(said, Said::Dots { width: 6, rows: vec!["80".into(), "04".into()] });
        assert_eq!(serde_json::from_str::<Said>(&serde_json::to_string(&said).unwrap()).unwrap(), said);
    }

    #[test]
    fn hands_are_understood_and_noise_is_not() {
        assert_eq!(understood("turn -2"), Some(Input::Turn(-2)));
        assert_eq!(understood("badge 04A2"), Badge::parse("04A2").map(Input::Badge));
        for noise in ["turn 0", "turn", "press hard", "badge ", "badge a b", ""] {
            assert_eq!(understood(noise), None, "{noise:?}");
        }
    }
}
