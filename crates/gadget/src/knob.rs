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
use rowkeeper::clock::{Clock, Mono, Stop, SystemClock};

use crate::gpio;
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
    /// How many edges it makes from detent to detent.
    pub edges: Edges,
}

/// How an encoder's detents lie on its contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// Both contacts open in every detent: as many pulses a turn as detents.
    #[default]
    Four,
    /// Both open in one detent and both closed in the next: half as many pulses as detents.
    Two,
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
            Self::Lines(Knob { chip, a, b, button, .. }, error) => {
                let advice = gpio::advice(gpio::kind(error));
                write!(f, "cannot listen to lines {a}, {b} and {button} of {}; {advice}", chip.display())
            }
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
/// How often lines that are gone are looked for: a chip may hang on USB.
const LOOK: Duration = Duration::from_secs(2);

impl Knob {
    /// From now on tells `hand` what is done to the knob, on a thread of its own, until the program ends. `report` hears
    /// why, should the lines be lost; they are looked for then.
    ///
    /// # Errors
    /// See [`KnobError`].
    pub fn feel<E: From<Input> + Send + 'static>(
        self,
        hand: Hand<E>,
        report: impl Fn(&dyn fmt::Display) + Send + 'static,
    ) -> Result<(), KnobError> {
        let mut lines = Some(self.lines().map_err(|error| KnobError::Lines(self.clone(), error))?);
        let work = move || {
            let nobody_stops = Stop::new();
            loop {
                if let Some((request, felt)) = lines.take() {
                    let Err(error) = listen(&request, felt, &hand);
                    report(&format_args!("the knob is lost: {error}; it is looked for"));
                }
                SystemClock.wait(SystemClock.mono() + LOOK, &nobody_stops);
                lines = self.lines().ok();
            }
        };
        thread::Builder::new().name("knob".into()).stack_size(64 << 10).spawn(work).map(drop).map_err(KnobError::Thread)
    }

    /// The lines, and how they stand.
    fn lines(&self) -> Result<(Request, Felt), gpiocdev::Error> {
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
            .request()?;
        let level = |line| request.value(line).map(|value| value == Value::Active);
        let turning = Quadrature::new(self.edges, level(self.a)?, level(self.b)?);
        let felt = Felt { a: self.a, button_line: self.button, turning, button: Button::default(), next: None };
        Ok((request, felt))
    }
}

/// Until the lines are lost.
fn listen<E: From<Input>>(
    request: &Request,
    mut felt: Felt,
    hand: &Hand<E>,
) -> Result<std::convert::Infallible, gpiocdev::Error> {
    // Not `read_edge_event`: that of 0.8 reads up to eight events when the kernel has so many, and returns the first.
    let mut one = vec![0; request.edge_event_u64_size()];
    loop {
        let now = SystemClock.mono();
        if felt.button.is_held(now) {
            hand.long_press();
        }
        let edge = match felt.button.due() {
            Some(due) if !request.wait_edge_event(due.since(now))? => continue,
            _ => {
                let filled = request.read_edge_events_into_slice(&mut one)?;
                request.edge_event_from_slice(&one[..filled])?
            }
        };
        match felt.edge(edge.offset, edge.kind == EdgeKind::Rising, edge.seqno, SystemClock.mono()) {
            Some(Input::Press) => hand.press(),
            Some(Input::Turn(by)) => hand.turn(by),
            _ => {}
        }
    }
}

/// What the edges have told so far.
#[derive(Clone, Copy, Debug)]
struct Felt {
    a: u32,
    button_line: u32,
    turning: Quadrature,
    button: Button,
    /// The number that the next edge should have.
    next: Option<u32>,
}

impl Felt {
    /// What an edge means. The kernel numbers them; where some are missing, because nobody read them in time, what was
    /// half done is forgotten: a turn is not guessed, and a button whose release was missed is not held down for ever.
    fn edge(&mut self, line: u32, high: bool, number: u32, now: Mono) -> Option<Input> {
        if self.next.is_some_and(|next| next != number) {
            (self.turning.quarters, self.button) = (0, Button::default());
        }
        self.next = Some(number.wrapping_add(1));
        if line == self.button_line {
            return self.button.moved(!high, now).then_some(Input::Press);
        }
        let by = self.turning.moved(line == self.a, high);
        (by != 0).then_some(Input::Turn(by))
    }
}

/// Two contacts that go up and down a quarter of a step apart; four edges from one detent to the next, or two.
#[derive(Clone, Copy, Debug)]
struct Quadrature {
    edges: Edges,
    a: bool,
    b: bool,
    /// Quarters since the last detent.
    quarters: i32,
}

impl Quadrature {
    fn new(edges: Edges, a: bool, b: bool) -> Self {
        Self { edges, a, b, quarters: 0 }
    }

    /// Detents turned, to the right positive. A contact that bounces goes forth and back, and counts nothing; of four
    /// edges one that was missed is forgiven.
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
        let (is_detent, enough) = match self.edges {
            Edges::Four => (self.a && self.b, 3),
            Edges::Two => (self.a == self.b, 2),
        };
        if !is_detent {
            return 0;
        }
        match std::mem::take(&mut self.quarters) {
            quarters if quarters >= enough => 1,
            quarters if quarters <= -enough => -1,
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
        turned_with(Edges::Four, edges)
    }

    fn turned_with(kind: Edges, edges: &str) -> Vec<i32> {
        let mut turning = Quadrature::new(kind, true, true);
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
    fn an_encoder_with_half_the_pulses_makes_a_step_of_two_edges() {
        for (what, edges, steps) in [
            ("to the right", "abAB", [0, 1, 0, 1].as_slice()),
            ("to the left", "baBA", &[0, -1, 0, -1]),
            ("one to the right, and back", "abBA", &[0, 1, 0, -1]),
            ("touched", "aA", &[0, 0]),
            ("A bounces", "aAaAab", &[0, 0, 0, 0, 0, 1]),
        ] {
            assert_eq!(turned_with(Edges::Two, edges), steps, "{what}");
        }
    }

    #[test]
    fn what_was_half_done_when_edges_were_missed_is_forgotten() {
        let at = |ms| Mono::new(Duration::from_millis(ms));
        let felt = || Felt {
            a: 17,
            button_line: 22,
            turning: Quadrature::new(Edges::Four, true, true),
            button: Button::default(),
            next: None,
        };
        // Line, level, number of the edge, and what it means.
        type Edge = (u32, bool, u32, Option<Input>);
        let stories: [(&str, &[Edge]); 4] = [
            (
                "none is missing, also where the numbers begin again",
                &[
                    (17, false, u32::MAX - 1, None),
                    (27, false, u32::MAX, None),
                    (17, true, 0, None),
                    (27, true, 1, Some(Input::Turn(1))),
                ],
            ),
            (
                "three of a turn are missing",
                &[(17, false, 1, None), (27, true, 5, None), (17, true, 6, None), (17, false, 7, None)],
            ),
            ("the release is missing", &[(22, false, 1, None), (22, true, 3, None), (22, false, 4, None)]),
            ("a whole press", &[(22, false, 1, None), (22, true, 2, Some(Input::Press))]),
        ];
        for (what, edges) in stories {
            let mut felt = felt();
            for (line, high, number, meaning) in edges {
                assert_eq!(felt.edge(*line, *high, *number, at(0)), *meaning, "{what}: edge {number}");
            }
        }
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
        let knob = Knob { chip: "/nonexistent/gpiochip0".into(), a: 17, b: 27, button: 22, edges: Edges::Four };
        let (to, _) = std::sync::mpsc::channel::<Input>();
        let error = knob.feel(Hand::new(to), |_| ()).unwrap_err().to_string();
        let wanted = "cannot listen to lines 17, 27 and 22 of /nonexistent/gpiochip0; there is no such chip; \
                      `gpiodetect` lists them";
        assert_eq!(error, wanted);
    }

    #[test]
    fn whoever_may_not_and_whoever_comes_second_is_told_what_to_do() {
        let knob = Knob { chip: "/dev/gpiochip0".into(), a: 17, b: 27, button: 22, edges: Edges::Four };
        for (errno, advice) in [
            (13, "add this user to the group that may: `sudo usermod -aG gpio USER`"),
            (16, "another program has it; `gpioinfo` says which"),
            (22, "look whether the chip has it: `gpioinfo`"),
        ] {
            let error = gpiocdev::Error::Os(gpiocdev_uapi::Errno(errno));
            let said = KnobError::Lines(knob.clone(), error).to_string();
            assert_eq!(said, format!("cannot listen to lines 17, 27 and 22 of /dev/gpiochip0; {advice}"));
        }
    }
}
