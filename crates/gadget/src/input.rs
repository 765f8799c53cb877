//! What a person does to the gadget: turns a knob, presses a button, holds a badge to a reader.
//!
//! Everything arrives in one channel, in order, whatever it came from:
//!
//! ```
//! use std::sync::mpsc;
//! use rowkeeper_gadget::input::{Hand, Input};
//!
//! let (sender, inputs) = mpsc::channel::<Input>();
//! let hand = Hand::new(sender); // the twin of the hardware: a test, or a simulator's keyboard
//! hand.turn(2);
//! hand.press();
//! assert_eq!(inputs.recv(), Ok(Input::Turn(2)));
//! assert_eq!(inputs.recv(), Ok(Input::Press));
//! ```

use std::fmt;
use std::sync::mpsc::Sender;

/// One thing a person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The knob was turned by so many detents; to the right is positive. Never zero.
    Turn(i32),
    /// The button was pressed and let go.
    Press,
    /// The button was held down for a while; told while it is still down.
    LongPress,
    /// A badge was read, or a number typed on a keypad and sent off with Enter.
    Badge(Badge),
}

/// What a reader read: 1 to 64 letters and digits of ASCII, as they came. Who it belongs to is the program's business.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Badge(String);

impl Badge {
    /// The longest that is taken; no badge is longer, and a cat on the keypad fills no memory.
    pub const LONGEST: usize = 64;

    /// `None` for anything that no reader sends: empty, too long, or with other characters than letters, digits, `-`
    /// and `_`.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        ((1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The simulated twin of knob, button and reader: whoever holds it is the person.
///
/// `E` is the program's own event, of which an input is one; `Input` itself will do.
#[derive(Debug)]
pub struct Hand<E>(Sender<E>);

impl<E> Clone for Hand<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: From<Input>> Hand<E> {
    /// A hand at the gadget that listens to the other end of this channel.
    pub fn new(to: Sender<E>) -> Self {
        Self(to)
    }

    /// Turns the knob; by zero nothing happens.
    pub fn turn(&self, detents: i32) {
        if detents != 0 {
            self.does(Input::Turn(detents));
        }
    }

    /// Presses the button and lets go.
    pub fn press(&self) {
        self.does(Input::Press);
    }

    /// Holds the button down.
    pub fn long_press(&self) {
        self.does(Input::LongPress);
    }

    /// Holds a badge to the reader. One that no reader could read is not noticed, as with the real one.
    pub fn badge(&self, text: &str) {
        if let Some(badge) = Badge::parse(text) {
            self.does(Input::Badge(badge));
        }
    }

    /// A gadget that has ended feels nothing.
    fn does(&self, input: Input) {
        _ = self.0.send(input.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_reader_sends_is_a_badge() {
        for text in ["0008427311", "04A2-7F", "x", &"9".repeat(64)] {
            assert_eq!(Badge::parse(text).map(|badge| badge.to_string()).as_deref(), Some(text));
        }
        for text in ["", " 1", "1\n", "ä", "=1+1", &"9".repeat(65)] {
            assert_eq!(Badge::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_hand_does_what_hardware_would_send() {
        let (sender, inputs) = std::sync::mpsc::channel::<Input>();
        let hand = Hand::new(sender);
        hand.turn(-1);
        hand.turn(0);
        hand.long_press();
        hand.badge("=cmd");
        hand.badge("4711");
        drop(hand);
        let badge = Badge::parse("4711").unwrap();
        assert_eq!(inputs.iter().collect::<Vec<_>>(), [Input::Turn(-1), Input::LongPress, Input::Badge(badge)]);
    }
}
