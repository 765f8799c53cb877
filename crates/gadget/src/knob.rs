//! A rotary encoder with its button, on GPIO lines: edges from the kernel, no polling.
//!
//! The lines are pulled up and switched to ground by the encoder, so a line that is pressed or in a gap reads low. The
//! kernel filters what bounces for less than a millisecond; the rest is a matter of the order of the edges.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};
use rowkeeper::clock::{Clock, Mono, SystemClock};

use crate::input::{Hand, Input};

/// Where it is wired to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// The chip of the lines: `/dev/gpiochip0`.
    pub chip: PathBuf,
    /// The encoder's A (CLK).
    pub a: u32,
    /// The encoder's B (DT).
    pub b: u32,
    /// The button (SW).
    pub button: u32,
}

/// The knob cannot be felt.
#[derive(Debug)]
pub enum KnobError {
    /// The lines cannot be had: no such chip or line, no permission, or another program has them.
    Lines(Knob, gpiocdev::Error),
    /// The system has no room for another thread.
    Thread(io::Error),
}

impl fmt::Display for KnobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(Knob { chip, a, b, button }, _) => write!(
                f,
                "cannot listen to lines {a}, {b} and {button} of {}; look whether it exists (`gpiodetect`), whether this \
                 user is in the group gpio, and whether another program has them (`gpioinfo`)",
                chip.display()
            ),
            Self::Thread(_) => f.write_str("the system has no room for another thread"),
        }
    }
}

impl std::error::Error for KnobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lines(_, cause) => Some(cause),
            Self::Thread(cause) => Some(cause),
        }
    }
}

/// A contact of an encoder settles within a millisecond, and a fast hand makes an edge every four.
const TURN_SETTLES: Duration = Duration::from_millis(1);
/// A button's within five, and nobody presses twice in fifty.
const BUTTON_SETTLES: Duration = Duration::from_millis(5);

impl Knob {
    /// From now on tells `hand` what is done to the knob, on a thread of its own, until the program ends. `report` hears
    /// why, should the lines be lost.
    ///
    /// # Errors
    /// See [`KnobError`].
    pub fn feel<E: From<Input> + Send + 'static>(
        self,
        hand: Hand<E>,
        report: impl Fn(&dyn fmt::Display) + Send + 'static,
    ) -> Result<(), KnobError> {
        let lines = |error| KnobError::Lines(self.clone(), error);
        let request = Request::builder()
            .on_chip(&self.chip)
            .with_consumer("rowkeeper")
            .with_lines(&[self.a, self.b, self.button])
            .as_input()
            .with_bias(Bias::PullUp)
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_debounce_period(TURN_SETTLES)
            .with_line(self.button)
            .with_debounce_period(BUTTON_SETTLES)
            .request()
            .map_err(lines)?;
        let level = |line| request.value(line).map(|value| value == Value::Active);
        let turning = Quadrature::new(level(self.a).map_err(lines)?, level(self.b).map_err(lines)?);
        let work = move || {
            if let Err(error) = self.listen(&request, turning, &hand) {
                report(&format_args!("the knob is lost: {error}"));
            }
        };
        thread::Builder::new().name("knob".into()).stack_size(64 << 10).spawn(work).map(drop).map_err(KnobError::Thread)
    }

    fn listen<E: From<Input>>(
        &self,
        request: &Request,
        mut turning: Quadrature,
        hand: &Hand<E>,
    ) -> Result<(), gpiocdev::Error> {
        let mut button = Button::default();
        loop {
            let now = SystemClock.mono();
            if button.is_held(now) {
                hand.long_press();
            }
            let edge = match button.due() {
                Some(due) if !request.wait_edge_event(due.since(now))? => continue,
                _ => request.read_edge_event()?,
            };
            let high = edge.kind == EdgeKind::Rising;
            if edge.offset == self.button {
                if button.moved(!high, SystemClock.mono()) {
                    hand.press();
                }
            } else {
                hand.turn(turning.moved(edge.offset == self.a, high));
            }
        }
    }
}

/// Two contacts that go up and down a quarter of a step apart; four edges from detent to detent, where both are high.
#[derive(Clone, Copy, Debug)]
struct Quadrature {
    a: bool,
    b: bool,
    /// Quarters since the last detent.
    quarters: i32,
}

impl Quadrature {
    fn new(a: bool, b: bool) -> Self {
        Self { a, b, quarters: 0 }
    }

    /// Detents turned, to the right positive. A contact that bounces goes forth and back, and counts nothing; one edge that
    /// was missed in a detent is forgiven.
    fn moved(&mut self, is_a: bool, high: bool) -> i32 {
        let before = (self.a, self.b);
        if is_a {
            self.a = high
        } else {
            self.b = high
        }
        if (self.a, self.b) == before {
            return 0;
        }
        // To the right, A leads: it moves while it is like B, and B follows while it is unlike A.
        let right = if is_a { before.0 == before.1 } else { before.0 != before.1 };
        self.quarters += if right { 1 } else { -1 };
        if !(self.a && self.b) {
            return 0;
        }
        match std::mem::take(&mut self.quarters) {
            3.. => 1,
            ..=-3 => -1,
            _ => 0,
        }
    }
}

/// A press is told when the button comes up, a long one while it is still down.
#[derive(Clone, Copy, Debug, Default)]
struct Button {
    down: Option<Mono>,
}

const LONG: Duration = Duration::from_millis(800);

impl Button {
    /// True: it was pressed and let go.
    fn moved(&mut self, is_down: bool, now: Mono) -> bool {
        match (is_down, self.down.take()) {
            (true, _) => {
                self.down = Some(now);
                false
            }
            // Without a beginning it was the end of a long one.
            (false, down) => down.is_some(),
        }
    }

    /// True once, when it has been down for long.
    fn is_held(&mut self, now: Mono) -> bool {
        let held = self.down.is_some_and(|since| now.since(since) >= LONG);
        if held {
            self.down = None;
        }
        held
    }

    fn due(&self) -> Option<Mono> {
        self.down.map(|since| since + LONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Edges as `A` or `a`: that line goes up, or down.
    fn turned(edges: &str) -> Vec<i32> {
        let mut turning = Quadrature::new(true, true);
        edges.chars().map(|c| turning.moved(c.eq_ignore_ascii_case(&'a'), c.is_uppercase())).collect()
    }

    #[test]
    fn a_detent_is_one_step_however_its_contacts_bounce() {
        for (what, edges, sum) in [
            ("to the right", "abAB", 1),
            ("to the left", "baBA", -1),
            ("three to the right", "abABabABabAB", 3),
            ("forth and back", "abABbaBA", 0),
            ("half way and back", "abBA", 0),
            ("touched", "aA", 0),
            ("A bounces", "aAaAabAB", 1),
            ("B bounces", "abBbBbAB", 1),
            ("the first edge was missed", "bAB", 0),
            ("an edge is told twice", "aabbAABB", 1),
        ] {
            assert_eq!(turned(edges).iter().sum::<i32>(), sum, "{what}");
        }
        assert_eq!(turned("abAB"), [0, 0, 0, 1], "told at the detent");
    }

    #[test]
    fn a_press_is_short_or_long_and_never_both() {
        let at = |ms| Mono::new(Duration::from_millis(ms));
        let mut button = Button::default();
        assert!(!button.moved(true, at(0)));
        assert_eq!(button.due(), Some(at(800)));
        assert!(!button.is_held(at(799)));
        assert!(button.moved(false, at(799)), "a press");
        assert!(!button.moved(true, at(1000)));
        assert!(button.is_held(at(1800)), "a long press, while it is down");
        assert!(!button.is_held(at(2800)), "once");
        assert!(!button.moved(false, at(3000)), "and no press when it comes up");
        assert_eq!(button.due(), None);
    }

    #[test]
    fn a_chip_that_is_not_there_is_named() {
        let knob = Knob { chip: "/nonexistent/gpiochip0".into(), a: 17, b: 27, button: 22 };
        let (to, _) = std::sync::mpsc::channel::<Input>();
        let error = knob.feel(Hand::new(to), |_| ()).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen to lines 17, 27 and 22 of /nonexistent/gpiochip0; look"), "{error}");
    }
}
