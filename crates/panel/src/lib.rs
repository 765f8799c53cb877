//! Screens for small displays: a sign-in code on anything from two lines of text to 256x64 dots.
//!
//! A gadget says *what* it has to show ([`Screen`]); this crate decides *how* it looks on the glass at
//! hand. Drawing is a pure function of the screen, the [`Geometry`] and the time since the screen was
//! first shown. It cannot fail, and it also says when it must be done again, so that a gadget wakes
//! only when something moves.
//!
//! ```
//! use std::time::Duration;
//! use rowkeeper_panel::{Geometry, Screen, SignIn, next_change, render};
//!
//! let screen = Screen::SignIn(SignIn {
//!     code: "WDJB-MJHT".into(),
//!     address: "https://www.google.com/device".into(),
//!     complete_address: None,
//!     time_left: Duration::from_secs(1800),
//!     reason: None,
//! });
//! let frame = render(&screen, Geometry::LCD_20X4, Duration::ZERO);
//! assert!(frame.to_string().contains("WDJB-MJHT"));
//! assert!(next_change(&screen, Geometry::LCD_20X4, Duration::ZERO).is_some(), "minutes pass");
//! ```
//!
//! # The ladder
//!
//! A code stands still in the largest font in which it fits; else it is shown page by page, split at
//! its own dashes; else it scrolls smoothly, with a rest at both ends. It is always shown exactly as
//! received. An address is treated alike, but wraps instead of paging.
//!
//! # Not in here
//!
//! OAuth, HTTP, files, threads, clocks: pictures are returned as bytes, and time is an argument. Why a
//! screen is shown is the caller's business.

mod care;
mod characters;
pub mod chips;
pub mod drivers;
mod fonts;
mod frame;
mod moment;
mod picture;
mod pixels;
mod qr;
mod screen;
pub mod terminal;
mod text;

use std::cell::Cell;
use std::time::Duration;

pub use care::{Care, Glow};
pub use frame::{Area, Bitmap, Frame, Geometry, Grid, UNSHOWABLE};
pub use picture::{Look, animated_png, film, png};
pub use screen::{Face, Queue, Screen, SignIn};

use moment::Moment;

/// What `screen` looks like on a display of this size, `elapsed` after it was first shown there.
pub fn render(screen: &Screen, geometry: Geometry, elapsed: Duration) -> Frame {
    draw(screen, geometry, Moment::new(elapsed, &Cell::new(None)))
}

/// When the picture changes next, on the same time line as `elapsed`; `None` when it never does.
pub fn next_change(screen: &Screen, geometry: Geometry, elapsed: Duration) -> Option<Duration> {
    let next_change = Cell::new(None);
    draw(screen, geometry, Moment::new(elapsed, &next_change));
    next_change.get()
}

fn draw(screen: &Screen, geometry: Geometry, moment: Moment<'_>) -> Frame {
    match geometry {
        Geometry::Characters { columns, rows } => Frame::Characters(characters::draw(screen, columns, rows, moment)),
        Geometry::Pixels { width, height } => Frame::Pixels(pixels::draw(screen, width, height, moment)),
    }
}
