//! A reader of badges, or a keypad: a keyboard to the kernel, that types a number and Enter.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use evdev::raw_stream::RawDevice;
use evdev::{EventType, KeyCode, SynchronizationCode};
use rowkeeper::clock::{Clock, Mono, Stop, SystemClock};

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
    let mut device = RawDevice::open(path).map_err(|error| advised(error, path))?;
    device.grab().map_err(|error| advised(error, path))?;
    *told = false;
    let mut typed = Typed::default();
    loop {
        let mut events = device.fetch_events()?.peekable();
        if events.peek().is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let now = SystemClock.mono();
        for event in events {
            let (kind, value) = (event.event_type(), event.value());
            // 1 is down, 0 up, 2 the repetition of a key that is held.
            if kind == EventType::KEY && value == 1 {
                typed.key(KeyCode(event.code()), now).into_iter().for_each(|badge| hand.badge(badge.as_str()));
            } else if kind == EventType::SYNCHRONIZATION && event.code() == SynchronizationCode::SYN_DROPPED.0 {
                typed.void(now);
            }
        }
    }
}

/// The error with what a person can do about it.
fn advised(error: io::Error, path: &Path) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound if path.starts_with("/dev/input") => {
            "is it plugged in? `ls -l /dev/input/by-id` lists them"
        }
        io::ErrorKind::NotFound => "is it plugged in, and is the rule for its name in /etc/udev/rules.d?",
        io::ErrorKind::PermissionDenied => "add this user to the group that may: `sudo usermod -aG input USER`",
        io::ErrorKind::ResourceBusy => "another program has taken it for itself",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}; {advice}"))
}

/// A reader types a badge in a blink, and a person on a keypad does not think between two digits for so long: what was
/// typed before belongs to a badge that was never finished.
const PAUSE: Duration = Duration::from_secs(10);

/// What was typed since the last Enter.
#[derive(Debug, Default)]
struct Typed {
    line: String,
    last: Mono,
}

impl Typed {
    /// A badge, at Enter. Keys that no reader sends make the whole line void: somebody plugged a keyboard in.
    fn key(&mut self, key: KeyCode, now: Mono) -> Option<Badge> {
        if now.since(self.last) >= PAUSE {
            self.line.clear();
        }
        self.last = now;
        if matches!(key, KeyCode::KEY_ENTER | KeyCode::KEY_KPENTER) {
            return Badge::parse(&std::mem::take(&mut self.line));
        }
        match character(key) {
            Some(character) if self.line.len() <= Badge::LONGEST => self.line.push(character),
            Some(_) => {}
            None if is_silent(key) => {}
            None => self.void(now),
        }
        None
    }

    /// What was typed, and the rest of it up to Enter, counts for nothing. The kernel says so, too, when it had no room
    /// for all keys: half a number may be another's badge.
    fn void(&mut self, now: Mono) {
        (self.line, self.last) = ("?".into(), now);
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
        codes.iter().filter_map(|code| typed.key(KeyCode(*code), at(5))).map(|badge| badge.to_string()).collect()
    }

    fn at(seconds: u64) -> Mono {
        Mono::new(Duration::from_secs(seconds))
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
    fn half_a_badge_is_nobodys() {
        let mut typed = Typed::default();
        // 4 7, and the card was drawn away; the next comes later.
        for code in [5, 8] {
            assert_eq!(typed.key(KeyCode(code), at(60)), None);
        }
        assert_eq!(typed.key(KeyCode(2), at(70)), None);
        assert_eq!(typed.key(KeyCode(28), at(71)), Badge::parse("1"));
        // 4 7, and the kernel had to drop keys: the line is void up to its Enter, and the next one counts.
        typed.key(KeyCode(5), at(80));
        typed.void(at(80));
        assert_eq!([2, 28, 2, 28].map(|code| typed.key(KeyCode(code), at(80))), [None, None, None, Badge::parse("1")]);
    }

    #[test]
    fn what_a_person_can_do_about_a_reader_is_said() {
        for (errno, path, says) in [
            (2, "/dev/input/by-id/usb-reader", "ls -l /dev/input/by-id"),
            (2, "/dev/badge-reader", "rule for its name"),
            (13, "/dev/badge-reader", "sudo usermod -aG input USER"),
            (16, "/dev/badge-reader", "another program has taken it"),
        ] {
            let error = advised(io::Error::from_raw_os_error(errno), Path::new(path)).to_string();
            assert!(error.contains(says), "{error}");
        }
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
