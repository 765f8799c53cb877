//! The coloured light: what it tells, as data, and the thread that keeps it telling.
//!
//! What shines is a pure function of the state and the time since it was entered ([`colour_at`]). A steady light costs
//! nothing: the thread sleeps until the colour really changes.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rowkeeper::clock::{Clock, Mono, Stop, SystemClock, Woke};

/// A colour as the eye takes it: equal steps look equal. Hardware turns it into a duty cycle ([`Rgb::duty`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// No light.
    pub const DARK: Self = Self(0, 0, 0);
    /// For a project without a colour: the blue that the first of these clocks had.
    pub const BLUE: Self = Self(0, 0, 255);

    /// `#rrggbb`, `#rgb`, with or without the `#`, or one of a dozen plain names; as people write into a sheet.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if let Some((_, colour)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Some(*colour);
        }
        let digits = text.strip_prefix('#').unwrap_or(&text);
        let digit =
            |at: usize| digits.as_bytes().get(at).and_then(|byte| char::from(*byte).to_digit(16)).map(|d| d as u8);
        match digits.len() {
            3 => Some(Self(digit(0)? * 17, digit(1)? * 17, digit(2)? * 17)),
            6 => Some(Self(digit(0)? * 16 + digit(1)?, digit(2)? * 16 + digit(3)?, digit(4)? * 16 + digit(5)?)),
            _ => None,
        }
    }

    /// The part of the time each of the three must be lit, of 65,535: the eye's curve, near enough a square.
    pub fn duty(self) -> [u16; 3] {
        [self.0, self.1, self.2].map(|level| (u32::from(level) * u32::from(level) * 65_535 / (255 * 255)) as u16)
    }

    fn dimmed(self, percent: u8) -> Self {
        let dim = |level: u8| (u16::from(level) * u16::from(percent.min(100)) / 100) as u8;
        Self(dim(self.0), dim(self.1), dim(self.2))
    }

    fn towards(self, other: Self, part: Duration, whole: Duration) -> Self {
        let (part, whole) = (part.as_millis() as i64, (whole.as_millis() as i64).max(1));
        let blend = |a: u8, b: u8| (i64::from(a) + (i64::from(b) - i64::from(a)) * part / whole) as u8;
        Self(blend(self.0, other.0), blend(self.1, other.1), blend(self.2, other.2))
    }
}

const NAMES: &[(&str, Rgb)] = &[
    ("red", Rgb(255, 0, 0)),
    ("orange", Rgb(255, 128, 0)),
    ("amber", Rgb(255, 170, 0)),
    ("yellow", Rgb(255, 255, 0)),
    ("green", Rgb(0, 255, 0)),
    ("cyan", Rgb(0, 255, 255)),
    ("blue", Rgb(0, 0, 255)),
    ("purple", Rgb(128, 0, 255)),
    ("magenta", Rgb(255, 0, 255)),
    ("pink", Rgb(255, 96, 160)),
    ("white", Rgb(255, 255, 255)),
    ("black", Rgb(0, 0, 0)),
];

/// What the light tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not yet ready for a person.
    Starting,
    /// Ready; nothing runs.
    Idle,
    /// Something was just started, and is safe on disk. Goes on as `Active` by itself.
    GoingActive(Rgb),
    /// Something runs, in its colour.
    Active(Rgb),
    /// What ran in that colour has just been stopped, and that is safe on disk. Goes on as `Idle` by itself.
    GoingIdle(Rgb),
    /// A person should look at the screen.
    Attention,
    /// Switched off.
    Off,
}

/// One step of a sequence: get to a colour within a time (zero: at once) and stay there for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where to.
    pub to: Tone,
    /// How long the way takes.
    pub fade: Duration,
    /// How long it stays there.
    pub hold: Duration,
}

/// A colour of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// This one.
    Plain(Rgb),
    /// The colour of what runs, at this percentage.
    Project(u8),
}

/// A sequence as data: what comes once, and what comes again and again after it. A last step that is alone in
/// `round` is steady.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// At the start, once.
    pub once: &'static [Step],
    /// From then on.
    pub round: &'static [Step],
}

const fn step(to: Tone, fade_ms: u64, hold_ms: u64) -> Step {
    Step { to, fade: Duration::from_millis(fade_ms), hold: Duration::from_millis(hold_ms) }
}

const IDLE: Tone = Tone::Plain(Rgb(0, 0, 36));

/// One colour, from now on.
macro_rules! steady {
    ($tone:expr) => {
        Sequence { once: &[], round: const { &[step($tone, 0, 0)] } }
    };
}

/// The breath of the first of these clocks: two seconds up to half the power, a rest, two seconds down, a rest.
const BREATH: &[Step] = &[step(Tone::Project(70), 2000, 1000), step(Tone::Project(22), 2000, 600)];

impl State {
    /// How the state is told.
    pub const fn sequence(self) -> Sequence {
        match self {
            Self::Starting => steady!(Tone::Plain(Rgb(36, 0, 36))),
            Self::Idle => steady!(IDLE),
            // From dark to full at once, to be seen from the corner of an eye; then into the breath.
            Self::GoingActive(_) => Sequence {
                once: const { &[step(Tone::Project(100), 150, 500), step(Tone::Project(22), 800, 400)] },
                round: BREATH,
            },
            Self::Active(_) => Sequence { once: const { &[step(Tone::Project(22), 0, 0)] }, round: BREATH },
            Self::GoingIdle(_) => Sequence {
                once: const { &[step(Tone::Project(100), 0, 300), step(IDLE, 900, 0)] },
                round: const { &[step(IDLE, 0, 0)] },
            },
            Self::Attention => Sequence {
                once: &[],
                round: const { &[step(Tone::Plain(Rgb(255, 110, 0)), 0, 200), step(Tone::Plain(Rgb::DARK), 0, 1800)] },
            },
            Self::Off => steady!(Tone::Plain(Rgb::DARK)),
        }
    }

    fn project(self) -> Rgb {
        match self {
            Self::GoingActive(colour) | Self::Active(colour) | Self::GoingIdle(colour) => colour,
            Self::Starting | Self::Idle | Self::Attention | Self::Off => Rgb::DARK,
        }
    }
}

/// A fade moves so often: smooth to the eye, and ten times fewer wake-ups than what flicker-free would take.
const FRAME: Duration = Duration::from_millis(40);

/// The colour of `state`, `elapsed` after it was entered.
pub fn colour_at(state: State, elapsed: Duration) -> Rgb {
    look(state, elapsed).0
}

/// When the colour may change next, on the time line of `elapsed`; `None`: never.
pub fn next_change(state: State, elapsed: Duration) -> Option<Duration> {
    look(state, elapsed).1
}

fn look(state: State, elapsed: Duration) -> (Rgb, Option<Duration>) {
    let Sequence { once, round } = state.sequence();
    let length = |steps: &[Step]| steps.iter().map(|step| step.fade + step.hold).sum::<Duration>();
    let end = |steps: &[Step]| steps.last().map_or(Rgb::DARK, |step| state.paint(step.to));
    let (intro, lap) = (length(once), length(round));
    if elapsed < intro {
        return state.walk(once, Rgb::DARK, Duration::ZERO, elapsed);
    }
    if lap.is_zero() {
        return (end(round), None);
    }
    // Whole rounds are skipped, so that a light of many years costs no more than one of a second.
    let within = (elapsed - intro).as_nanos() % lap.as_nanos();
    let within = Duration::new((within / 1_000_000_000) as u64, (within % 1_000_000_000) as u32);
    let begin = elapsed - within;
    state.walk(round, end(if begin == intro && !once.is_empty() { once } else { round }), begin, elapsed)
}

impl State {
    fn paint(self, tone: Tone) -> Rgb {
        match tone {
            Tone::Plain(colour) => colour,
            Tone::Project(percent) => self.project().dimmed(percent),
        }
    }

    /// Goes through steps that started with `colour` at `begin` until `now`.
    fn walk(self, steps: &[Step], mut colour: Rgb, mut begin: Duration, now: Duration) -> (Rgb, Option<Duration>) {
        for step in steps {
            let to = self.paint(step.to);
            if now < begin + step.fade {
                let part = now - begin;
                let frames = (part.as_millis() / FRAME.as_millis() + 1) as u32;
                return (colour.towards(to, part, step.fade), Some(begin + (FRAME * frames).min(step.fade)));
            }
            begin += step.fade + step.hold;
            if now < begin {
                return (to, Some(begin));
            }
            colour = to;
        }
        (colour, None)
    }
}

/// Something that can shine.
pub trait Light: Send {
    /// Shines in that colour from now on.
    ///
    /// # Errors
    /// The hardware does not answer; the same colour may be offered again.
    fn shine(&mut self, colour: Rgb) -> io::Result<()>;
}

/// The simulated twin: remembers its colour for whoever looks. Clones are the same light.
#[derive(Clone, Debug, Default)]
pub struct SimulatedLight(Arc<Mutex<Vec<Rgb>>>);

impl SimulatedLight {
    /// A dark light.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it shines now.
    pub fn colour(&self) -> Rgb {
        self.colours().last().copied().unwrap_or_default()
    }

    /// Every colour it was given, the latest last; old ones are forgotten after a thousand.
    pub fn colours(&self) -> Vec<Rgb> {
        locked(&self.0).clone()
    }
}

impl Light for SimulatedLight {
    fn shine(&mut self, colour: Rgb) -> io::Result<()> {
        let mut seen = locked(&self.0);
        if seen.len() == 1000 {
            seen.drain(..500);
        }
        seen.push(colour);
        Ok(())
    }
}

/// A light that tells a state. Dropped, it goes out.
pub struct Lamp {
    told: Arc<Mutex<(State, Mono)>>,
    wake: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Lamp {
    /// Starts telling `State::Starting` by this light; `report` hears once of each kind of trouble with it.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(light: Box<dyn Light>, report: impl Fn(&io::Error) + Send + 'static) -> io::Result<Self> {
        let told = Arc::new(Mutex::new((State::Starting, SystemClock.mono())));
        let wake = Stop::new();
        let thread = {
            let (told, wake) = (Arc::clone(&told), wake.clone());
            let shine = move || keep_shining(light, &told, &wake, &report);
            thread::Builder::new().name("light".into()).stack_size(128 << 10).spawn(shine)?
        };
        Ok(Self { told, wake, thread: Some(thread) })
    }

    /// Tells `state` from now on. The same state again goes on where it is.
    pub fn tell(&self, state: State) {
        let mut told = locked(&self.told);
        if told.0 != state {
            *told = (state, SystemClock.mono());
            self.wake.nudge();
        }
    }
}

impl Drop for Lamp {
    fn drop(&mut self) {
        self.wake.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the light's thread was printed by it, and must not become ours.
            _ = thread.join();
        }
    }
}

fn keep_shining(
    mut light: Box<dyn Light>,
    told: &Mutex<(State, Mono)>,
    wake: &Stop,
    report: &(dyn Fn(&io::Error) + Send),
) {
    let clock = SystemClock;
    let (mut shown, mut trouble) = (None, None);
    loop {
        let (state, since) = *locked(told);
        let elapsed = clock.mono().since(since);
        let colour = colour_at(state, elapsed);
        if shown != Some(colour) {
            match light.shine(colour) {
                Ok(()) => (shown, trouble) = (Some(colour), None),
                Err(error) => {
                    if trouble.replace(error.kind()) != Some(error.kind()) {
                        report(&error);
                    }
                    shown = None;
                }
            }
        }
        // A light that failed is tried again soon even if it is steady.
        let retry = trouble.map(|_| elapsed + Duration::from_secs(5));
        let next = if trouble.is_some() { retry } else { next_change(state, elapsed) };
        let until = next.map_or(Mono::new(Duration::MAX), |at| since + at);
        if clock.wait(until, wake) == Woke::Stopped {
            break;
        }
    }
    _ = light.shine(Rgb::DARK);
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is shared is replaced whole, so a panic elsewhere leaves no half of it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const GREEN: Rgb = Rgb(0, 200, 0);

    #[test]
    fn every_state_is_told_by_its_colours() {
        for (state, at, colour, next) in [
            (State::Starting, 0, Rgb(36, 0, 36), None),
            (State::Idle, 1_000_000_000_000, Rgb(0, 0, 36), None),
            (State::Off, 5, Rgb::DARK, None),
            // The breath: from 22 % to 70 % in two seconds, a rest, and back.
            (State::Active(GREEN), 0, Rgb(0, 44, 0), Some(40)),
            (State::Active(GREEN), 1000, Rgb(0, 92, 0), Some(1040)),
            (State::Active(GREEN), 2000, Rgb(0, 140, 0), Some(3000)),
            (State::Active(GREEN), 4000, Rgb(0, 92, 0), Some(4040)),
            (State::Active(GREEN), 5000, Rgb(0, 44, 0), Some(5600)),
            (State::Active(GREEN), 5600, Rgb(0, 44, 0), Some(5640)),
            (State::Active(GREEN), 5600 * 1_000_000 + 2100, Rgb(0, 140, 0), Some(5600 * 1_000_000 + 3000)),
            // Up, and into the breath, without a jump.
            (State::GoingActive(GREEN), 0, Rgb::DARK, Some(40)),
            (State::GoingActive(GREEN), 200, GREEN, Some(650)),
            (State::GoingActive(GREEN), 1849, Rgb(0, 44, 0), Some(1850)),
            (State::GoingActive(GREEN), 1850, Rgb(0, 44, 0), Some(1890)),
            (State::GoingActive(GREEN), 3850, Rgb(0, 140, 0), Some(4850)),
            // Out, and it stays idle.
            (State::GoingIdle(GREEN), 0, GREEN, Some(300)),
            (State::GoingIdle(GREEN), 1200, Rgb(0, 0, 36), None),
            (State::Attention, 100, Rgb(255, 110, 0), Some(200)),
            (State::Attention, 2000 * 77 + 300, Rgb::DARK, Some(2000 * 78)),
        ] {
            let next_seen = next_change(state, ms(at)).map(|next| next.as_millis() as u64);
            assert_eq!((colour_at(state, ms(at)), next_seen), (colour, next), "{state:?} after {at} ms");
        }
    }

    #[test]
    fn time_goes_on_after_every_change() {
        for state in [State::Active(GREEN), State::GoingActive(GREEN), State::GoingIdle(GREEN), State::Attention] {
            let mut at = Duration::ZERO;
            for _ in 0..500 {
                let Some(next) = next_change(state, at) else { break };
                assert!(next > at, "{state:?} at {at:?}");
                at = next;
            }
        }
    }

    #[test]
    fn colours_are_read_as_people_write_them() {
        for (text, colour) in [
            ("#ff8000", Some(Rgb(255, 128, 0))),
            ("00FF00", Some(Rgb(0, 255, 0))),
            ("#f80", Some(Rgb(255, 136, 0))),
            (" Red ", Some(Rgb(255, 0, 0))),
            ("reddish", None),
            ("", None),
            ("#ff80", None),
            ("#ääa", None),
        ] {
            assert_eq!(Rgb::parse(text), colour, "{text:?}");
        }
        assert_eq!(Rgb(255, 128, 0).duty(), [65_535, 16_512, 0]);
    }

    #[test]
    fn a_lamp_tells_its_state_and_goes_out() {
        let light = SimulatedLight::new();
        let lamp = Lamp::start(Box::new(light.clone()), |_| ()).unwrap();
        lamp.tell(State::Idle);
        drop(lamp);
        assert_eq!(light.colours().last(), Some(&Rgb::DARK));
    }
}
