//! A reader of badges, or a keypad: a keyboard to the kernel, that types a number and Enter.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use evdev::{Device, EventType, KeyCode};
use rowkeeper::clock::{Clock, Stop, SystemClock};

use crate::input::{Badge, Hand, Input};

/// How often a reader that is not there is looked for.
const LOOK: Duration = Duration::from_secs(2);

/// From now on tells `hand` what the reader at `path` reads, on a thread of its own, until the program ends. A reader that
/// was unplugged is found again; `report` hears once each time it is gone.
///
/// The reader is taken for this program alone, so that nothing it types lands in a console.
///
/// # Errors
/// When the system has no room for another thread.
pub fn listen<E: From<Input> + Send + 'static>(
    path: PathBuf,
    hand: Hand<E>,
    report: impl Fn(&dyn fmt::Display) + Send + 'static,
) -> io::Result<()> {
    let work = move || {
        let (mut told, nobody_stops) = (false, Stop::new());
        loop {
            let Err(error) = read(&path, &hand, &mut told);
            if !std::mem::replace(&mut told, true) {
                report(&format_args!("the reader {} does not answer: {error}; it is looked for", path.display()));
            }
            SystemClock.wait(SystemClock.mono() + LOOK, &nobody_stops);
        }
    };
    thread::Builder::new().name("reader".into()).stack_size(128 << 10).spawn(work).map(drop)
}

/// Reads until the reader is gone.
fn read<E: From<Input>>(path: &Path, hand: &Hand<E>, told: &mut bool) -> Result<std::convert::Infallible, io::Error> {
    let mut device = Device::open(path)?;
    device.grab()?;
    *told = false;
    let mut typed = Typed::default();
    loop {
        for event in device.fetch_events()? {
            // 1 is down, 0 up, 2 the repetition of a key that is held.
            if event.event_type() == EventType::KEY && event.value() == 1 {
                typed.key(KeyCode(event.code())).into_iter().for_each(|badge| hand.badge(badge.as_str()));
            }
        }
    }
}

/// What was typed since the last Enter.
#[derive(Debug, Default)]
struct Typed(String);

impl Typed {
    /// A badge, at Enter. Keys that no reader sends make the whole line void: somebody plugged a keyboard in.
    fn key(&mut self, key: KeyCode) -> Option<Badge> {
        if matches!(key, KeyCode::KEY_ENTER | KeyCode::KEY_KPENTER) {
            return Badge::parse(&std::mem::take(&mut self.0));
        }
        match character(key) {
            Some(character) if self.0.len() <= Badge::LONGEST => self.0.push(character),
            Some(_) => {}
            // Longer than any badge, so that the line counts for nothing.
            None if is_silent(key) => {}
            None => self.0 = "?".into(),
        }
        None
    }
}

fn is_silent(key: KeyCode) -> bool {
    matches!(key, KeyCode::KEY_LEFTSHIFT | KeyCode::KEY_RIGHTSHIFT | KeyCode::KEY_NUMLOCK | KeyCode::KEY_CAPSLOCK)
}

/// Letters and digits as on a keyboard without a layout (Linux input-event-codes); the case of letters is not told apart.
fn character(key: KeyCode) -> Option<char> {
    const ROWS: [(u16, &str); 8] = [
        (2, "1234567890-"),
        (16, "qwertyuiop"),
        (30, "asdfghjkl"),
        (44, "zxcvbnm"),
        (71, "789"),
        (75, "456"),
        (79, "123"),
        (82, "0"),
    ];
    ROWS.iter().find_map(|(first, row)| row.chars().nth(usize::from(key.0.checked_sub(*first)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(codes: &[u16]) -> Vec<String> {
        let mut typed = Typed::default();
        codes.iter().filter_map(|code| typed.key(KeyCode(*code))).map(|badge| badge.to_string()).collect()
    }

    #[test]
    fn a_number_and_enter_is_a_badge() {
        // 0 0 4 7 1 1 Enter; then 4 A (with shift) 2 on the number pad, and its Enter.
        assert_eq!(typed(&[11, 11, 5, 8, 2, 2, 28, 75, 42, 30, 80, 96]), ["004711", "4a2"]);
        assert_eq!(typed(&[28, 28]), [""; 0], "nothing typed, nothing read");
        assert_eq!(typed(&[2, 57, 3, 28, 2, 28]), ["1"], "a space: somebody writes; the line after it counts again");
        assert_eq!(typed(&[[2; 70].as_slice(), &[28]].concat()), [""; 0], "a cat on the keypad");
    }

    #[test]
    fn a_reader_that_is_not_there_is_told_once() {
        let (to, said) = std::sync::mpsc::channel();
        let (hands, _inputs) = std::sync::mpsc::channel::<Input>();
        listen("/nonexistent/reader".into(), Hand::new(hands), move |what| _ = to.send(what.to_string())).unwrap();
        let line = said.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(line.starts_with("the reader /nonexistent/reader does not answer: "), "{line}");
    }
}
