//! Care for glass that is lit for years: an OLED loses brightness where it shines.
//!
//! Pure rules; a driver obeys them by its contrast and display-off commands.

use std::time::Duration;

use crate::frame::{Bitmap, Frame};
use crate::screen::Screen;

/// How brightly the glass may shine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glow {
    /// As configured.
    Full,
    /// As little as is readable in a room.
    Dim,
    /// Off. The next touch or change brings it back.
    Dark,
}

/// When to spare the glass, counted from the last touch or change of screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Care {
    /// From here on dim.
    pub dim_after: Duration,
    /// From here on dark; `None` never. A pending code and a call for attention are never dark:
    /// somebody has to find them.
    pub dark_after: Option<Duration>,
}

impl Default for Care {
    fn default() -> Self {
        Self { dim_after: Duration::from_secs(5 * 60), dark_after: Some(Duration::from_secs(60 * 60)) }
    }
}

impl Care {
    /// How brightly to show `screen` when nobody has touched the device for `untouched`.
    pub fn glow(&self, screen: &Screen, untouched: Duration) -> Glow {
        match screen {
            Screen::Blank => Glow::Dark,
            Screen::SignIn(_) => Glow::Full, // It ends by itself, within the life of the code.
            Screen::Attention { .. } if untouched >= self.dim_after => Glow::Dim,
            _ if self.dark_after.is_some_and(|after| untouched >= after) => Glow::Dark,
            _ if untouched >= self.dim_after => Glow::Dim,
            _ => Glow::Full,
        }
    }

    /// When [`Care::glow`] may answer differently, on the time line of `untouched`.
    pub fn next_change(&self, untouched: Duration) -> Option<Duration> {
        [Some(self.dim_after), self.dark_after].into_iter().flatten().filter(|at| *at > untouched).min()
    }
}

/// How long a picture stays in one place.
const STAY: Duration = Duration::from_secs(60);

/// Where the picture stands, in turn: a small round through the corners of a square.
const ROUND: [(i32, i32); 8] = [(0, 0), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1)];

impl Frame {
    /// The frame moved by a dot, to a different place every minute of `running`, so that no edge burns
    /// in. Only as far as there is room: nothing lit ever leaves the glass.
    pub fn shifted(&self, running: Duration) -> Self {
        let Self::Pixels(bitmap) = self else { return self.clone() };
        let Some(ink) = bitmap.ink() else { return self.clone() };
        let (dx, dy) = ROUND[(running.as_secs() / STAY.as_secs()) as usize % ROUND.len()];
        let room_right = i32::from(bitmap.width()) - ink.right();
        let room_below = i32::from(bitmap.height()) - ink.bottom();
        Self::Pixels(moved(bitmap, dx.clamp(-ink.x, room_right), dy.clamp(-ink.y, room_below)))
    }
}

fn moved(bitmap: &Bitmap, dx: i32, dy: i32) -> Bitmap {
    let mut moved = Bitmap::new(bitmap.width(), bitmap.height());
    for y in 0..i32::from(bitmap.height()) {
        for x in 0..i32::from(bitmap.width()) {
            if bitmap.is_lit(x, y) {
                moved.set(x + dx, y + dy, true);
            }
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Geometry, Queue, SignIn, render};

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    fn sign_in() -> Screen {
        Screen::SignIn(SignIn {
            code: "WDJB-MJHT".into(),
            address: "https://www.google.com/device".into(),
            complete_address: None,
            time_left: minutes(30),
            reason: None,
        })
    }

    #[test]
    fn what_a_person_must_find_never_goes_dark() {
        let care = Care::default();
        let ready = Screen::Ready { title: "Scale".into(), lines: vec![], queue: Queue::EMPTY };
        let attention = Screen::Attention { title: "No network".into(), advice: "Check the router".into() };
        for (screen, at_once, later, much_later) in [
            (ready, Glow::Full, Glow::Dim, Glow::Dark),
            (attention, Glow::Full, Glow::Dim, Glow::Dim),
            (sign_in(), Glow::Full, Glow::Full, Glow::Full),
            (Screen::Blank, Glow::Dark, Glow::Dark, Glow::Dark),
        ] {
            let glow = [0, 5, 600].map(|m| care.glow(&screen, minutes(m)));
            assert_eq!(glow, [at_once, later, much_later], "{screen:?}");
        }
        assert_eq!(care.next_change(minutes(0)), Some(minutes(5)));
        assert_eq!(care.next_change(minutes(5)), Some(minutes(60)));
        assert_eq!(care.next_change(minutes(60)), None);
    }

    #[test]
    fn shifting_moves_the_picture_and_loses_no_dot() {
        let Frame::Pixels(still) = render(&sign_in(), Geometry::OLED_128X64, Duration::ZERO) else { unreachable!() };
        let places: Vec<_> = (0..8)
            .map(|minute| match Frame::Pixels(still.clone()).shifted(minutes(minute)) {
                Frame::Pixels(bitmap) => {
                    assert_eq!(bitmap.lit(), still.lit());
                    bitmap.ink().map(|ink| (ink.x, ink.y))
                }
                Frame::Characters(_) => unreachable!(),
            })
            .collect();
        assert!(places.windows(2).any(|pair| pair[0] != pair[1]), "{places:?}");
    }
}
