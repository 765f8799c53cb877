//! The panel's own thread: shows a screen, keeps it moving, spares the glass, and never stands in anybody's way.
//!
//! A dead or full panel is reported once and tried again every few seconds and at every change; nothing else waits for it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rowkeeper::clock::{Clock, Mono, Stop, SystemClock, Woke};
use rowkeeper_panel::{Face, Glow, Screen};

use crate::glass::{Glass, Nothing, Picture, Terminal};
use crate::kind::Kind;
use crate::wired::Wired;

/// What to show, and since when.
struct Wanted {
    screen: Screen,
    since: Mono,
    /// When a person last did something.
    touched: Mono,
}

/// A panel that shows what it was last told to. Dropped, it goes dark.
pub struct Display {
    wanted: Arc<Mutex<Wanted>>,
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
            Kind::Png(path, geometry) => Some(Box::new(Picture::still(path.clone(), *geometry))),
            Kind::Animation(path, geometry) => Some(Box::new(Picture::moving(path.clone(), *geometry))),
            Kind::Wired(wiring) => Some(Box::new(Wired::new(wiring.clone()))),
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
        let now = SystemClock.mono();
        let wanted = Arc::new(Mutex::new(Wanted { screen: Screen::Blank, since: now, touched: now }));
        let wake = Stop::new();
        let thread = {
            let (wanted, wake) = (Arc::clone(&wanted), wake.clone());
            let show = move || keep_showing(glass, &wanted, &wake, &report);
            thread::Builder::new().name("panel".into()).stack_size(256 << 10).spawn(show)?
        };
        Ok(Self { wanted, wake, thread: Some(thread), visible })
    }

    /// Shows `screen` from now on. One that says the same as the one on the glass keeps its place in paging and
    /// scrolling, and its time.
    pub fn show(&self, screen: Screen) {
        let now = SystemClock.mono();
        let mut wanted = locked(&self.wanted);
        if !says_the_same(&wanted.screen, &screen, now.since(wanted.since)) {
            *wanted = Wanted { screen, since: now, touched: wanted.touched };
            self.wake.nudge();
        }
    }

    /// Somebody is there: the glass shines as brightly as it may. A new screen does that by itself.
    pub fn touch(&self) {
        locked(&self.wanted).touched = SystemClock.mono();
        self.wake.nudge();
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

fn keep_showing(mut glass: Box<dyn Glass>, wanted: &Mutex<Wanted>, wake: &Stop, report: &dyn Fn(&io::Error)) {
    let clock = SystemClock;
    let mut trouble = None;
    loop {
        let (screen, since, touched) = {
            let wanted = locked(wanted);
            (wanted.screen.clone(), wanted.since, wanted.touched)
        };
        let elapsed = clock.mono().since(since);
        let outcome = show(&mut *glass, &screen, elapsed, touched.since(since));
        let (next, outcome) = match outcome {
            Ok(next) => (next, None),
            // A panel in trouble is tried again soon even if nothing moves: it may have been plugged in again.
            Err(error) => (Some(elapsed + RETRY), Some(error)),
        };
        let kind = outcome.as_ref().map(io::Error::kind);
        if let Some(error) = outcome.filter(|_| kind != trouble) {
            report(&error);
        }
        trouble = kind;
        let until = next.map_or(Mono::new(Duration::MAX), |at| since + at);
        if clock.wait(until, wake) == Woke::Stopped {
            break;
        }
    }
    _ = glass.flush(&Screen::Blank, Duration::ZERO);
    _ = glass.glow(Glow::Dark);
}

/// A panel that failed is tried again after so long.
const RETRY: Duration = Duration::from_secs(5);

/// Shows the screen as it looks now, as brightly as it should; says when to come again. `touched` and `elapsed` count
/// from when the screen was first shown.
fn show(glass: &mut dyn Glass, screen: &Screen, elapsed: Duration, touched: Duration) -> io::Result<Option<Duration>> {
    let Some(care) = glass.care() else {
        glass.flush(screen, elapsed)?;
        return Ok(glass.next_change(screen, elapsed));
    };
    let untouched = elapsed.saturating_sub(touched);
    let glow = care.glow(screen, untouched);
    glass.glow(glow)?;
    let spare = care.next_change(untouched).map(|at| touched.saturating_add(at));
    if glow == Glow::Dark && *screen != Screen::Blank {
        return Ok(spare); // Nobody sees what would move there.
    }
    glass.flush(screen, elapsed)?;
    Ok(glass.next_change(screen, elapsed).into_iter().chain(spare).min())
}

/// A time that merely went on is not another screen; `elapsed` is how long `one` has been shown.
fn says_the_same(one: &Screen, other: &Screen, elapsed: Duration) -> bool {
    match (one, other) {
        (Screen::SignIn(one), Screen::SignIn(other)) => {
            one.code == other.code && one.address == other.address && one.reason == other.reason
        }
        (Screen::Clock { face, .. }, Screen::Clock { title, face: now, lines, queue }) => {
            let (was, is) = match (*face, *now) {
                (Face::Elapsed(was), Face::Elapsed(is)) | (Face::TimeOfDay(was), Face::TimeOfDay(is)) => (was, is),
                _ => return false,
            };
            // A day later the time of day is the same; and a clock that was set is another time.
            let day = Duration::from_secs(24 * 60 * 60).as_millis();
            let went_on = (was + elapsed).as_millis() % day;
            let apart = went_on.abs_diff(is.as_millis() % day);
            let same = Screen::Clock { title: title.clone(), face: *face, lines: lines.clone(), queue: *queue };
            apart.min(day - apart) < 1_000 && *one == same
        }
        _ => one == other,
    }
}

fn locked(wanted: &Mutex<Wanted>) -> MutexGuard<'_, Wanted> {
    // What is wanted is replaced whole, so a panic elsewhere leaves no half of it.
    wanted.lock().unwrap_or_else(PoisonError::into_inner)
}
