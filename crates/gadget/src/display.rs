//! The panel's own thread: shows a screen, keeps it moving, and never stands in anybody's way.
//!
//! A dead or full panel is reported once and tried again at the next change; nothing else waits for it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rowkeeper::clock::{Clock, Mono, Stop, SystemClock, Woke};
use rowkeeper_panel::Screen;

use crate::glass::{Glass, Nothing, Picture, Terminal};

/// What the configuration calls a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text on stderr, where that is a terminal.
    Terminal,
    /// A picture of a 128x64 OLED in a file, replaced at each change.
    Png(PathBuf),
    /// No screen.
    None,
}

/// A kind of panel that is not known, or not built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(String);

impl std::fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[panel] kind: \"{}\" is not a panel of this version; use terminal, png=FILE or none", self.0)
    }
}

impl std::error::Error for UnknownKind {}

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text.split_once('=') {
            None if text == "terminal" => Ok(Self::Terminal),
            None if text == "none" => Ok(Self::None),
            Some(("png", file)) if !file.is_empty() => Ok(Self::Png(file.into())),
            _ => Err(UnknownKind(text.chars().filter(|c| !c.is_control()).take(40).collect())),
        }
    }
}

/// A panel that shows what it was last told to. Dropped, it goes dark.
pub struct Display {
    wanted: Arc<Mutex<Screen>>,
    wake: Stop,
    thread: Option<JoinHandle<()>>,
    visible: bool,
}

impl Display {
    /// Starts the panel of that kind; `report` hears once of each kind of trouble with it.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(kind: &Kind, report: impl Fn(&io::Error) + Send + 'static) -> io::Result<Self> {
        let glass: Option<Box<dyn Glass>> = match kind {
            Kind::Terminal => Terminal::on_stderr().map(|terminal| Box::new(terminal) as _),
            Kind::Png(path) => Some(Box::new(Picture::new(path.clone()))),
            Kind::None => None,
        };
        let visible = glass.is_some();
        Self::start_on(glass.unwrap_or(Box::new(Nothing)), visible, report)
    }

    /// Whether anybody can see it: a terminal panel without a terminal to paint on shows nothing.
    pub fn is_visible(&self) -> bool {
        self.visible
    }

    /// Starts a panel on a glass of the caller's own; `visible`: whether anybody can see it.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start_on(
        glass: Box<dyn Glass>,
        visible: bool,
        report: impl Fn(&io::Error) + Send + 'static,
    ) -> io::Result<Self> {
        let wanted = Arc::new(Mutex::new(Screen::Blank));
        let wake = Stop::new();
        let thread = {
            let (wanted, wake) = (Arc::clone(&wanted), wake.clone());
            let show = move || keep_showing(glass, &wanted, &wake, &report);
            thread::Builder::new().name("panel".into()).stack_size(256 << 10).spawn(show)?
        };
        Ok(Self { wanted, wake, thread: Some(thread), visible })
    }

    /// Shows `screen` from now on. One that says the same as the one on the glass keeps its place in paging and
    /// scrolling, and its countdown.
    pub fn show(&self, screen: Screen) {
        let mut wanted = locked(&self.wanted);
        if !says_the_same(&wanted, &screen) {
            *wanted = screen;
            self.wake.nudge();
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.wake.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the panel's thread was printed by it, and must not become ours.
            _ = thread.join();
        }
    }
}

fn keep_showing(mut glass: Box<dyn Glass>, wanted: &Mutex<Screen>, wake: &Stop, report: &dyn Fn(&io::Error)) {
    let clock = SystemClock;
    let mut shown = Screen::Blank;
    let mut since = clock.mono();
    let mut trouble = None;
    loop {
        let next = locked(wanted).clone();
        if next != shown {
            (shown, since) = (next, clock.mono());
        }
        let elapsed = clock.mono().since(since);
        let outcome = glass.flush(&shown, elapsed).map_err(|error| (error.kind(), error));
        if let Err((kind, error)) = &outcome
            && trouble != Some(*kind)
        {
            report(error);
        }
        trouble = outcome.err().map(|(kind, _)| kind);
        // A panel in trouble is tried again soon even if nothing moves: it may have been plugged in again.
        let next = glass.next_change(&shown, elapsed);
        let retry = trouble.map(|_| elapsed + Duration::from_secs(5));
        let until = next.into_iter().chain(retry).min().map_or(Mono::new(Duration::MAX), |at| since + at);
        if clock.wait(until, wake) == Woke::Stopped {
            break;
        }
    }
    _ = glass.flush(&Screen::Blank, Duration::ZERO);
}

/// A countdown that merely went on is not another screen.
fn says_the_same(one: &Screen, other: &Screen) -> bool {
    match (one, other) {
        (Screen::SignIn(one), Screen::SignIn(other)) => {
            one.code == other.code && one.address == other.address && one.reason == other.reason
        }
        _ => one == other,
    }
}

fn locked(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    // A screen is replaced whole, so a panic elsewhere leaves no half of one.
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}
