//! Two clocks, two types: [`Mono`] for waiting, [`Wall`] for what is stored.
//!
//! A board without a battery clock boots in the past and then jumps, so no wait may depend on the wall clock and no
//! stored time on the monotonic one; mixing them does not compile.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A moment of this boot: the time since the board started, suspend included (`CLOCK_BOOTTIME`).
///
/// Means nothing after a reboot, so it is never stored without the boot's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(Duration);

impl Mono {
    /// `since_boot` after this boot's start.
    pub const fn new(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// Time since this boot's start.
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    /// Saturates: a wait the server asked for may be absurd, and must not panic.
    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;

    fn sub(self, back: Duration) -> Self {
        Self(self.0.saturating_sub(back))
    }
}

/// What the wall clock says, and whether it may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// Milliseconds since 1970-01-01T00:00:00Z; negative before.
    pub unix_ms: i64,
    /// False until something outside this board vouched for the time (NTP, a battery clock, a `Date` header).
    pub trusted: bool,
}

/// Why [`Clock::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woke {
    /// The time has come.
    Time,
    /// Somebody called [`Stop::nudge`]: look again, something changed.
    Nudged,
    /// Somebody called [`Stop::stop`]: end cleanly.
    Stopped,
}

/// The clocks, and the one way to wait.
pub trait Clock: Send + Sync {
    /// Time since boot, suspend included. Never goes back within a boot.
    fn mono(&self) -> Mono;

    /// The wall clock.
    fn wall(&self) -> Wall;

    /// An id of this boot: a [`Mono`] may be compared only within one.
    fn boot_id(&self) -> String;

    /// Sleeps until `until`, a stop or a nudge, whichever is first. A stop that already happened returns at once.
    fn wait(&self, until: Mono, stop: &Stop) -> Woke;
}

/// Ends or wakes everything that waits on it, from any thread. Clones are the same switch.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<Signal>, Condvar)>);

#[derive(Default)]
struct Signal {
    stopped: bool,
    nudged: bool,
}

impl Stop {
    /// A switch that nobody has pressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every wait returns [`Woke::Stopped`].
    pub fn stop(&self) {
        self.signal().stopped = true;
        self.0.1.notify_all();
    }

    /// Ends the current wait, or the next one if nobody waits now.
    pub fn nudge(&self) {
        self.signal().nudged = true;
        self.0.1.notify_all();
    }

    /// Whether [`Stop::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.signal().stopped
    }

    /// Waits up to `limit` of real time. For implementations of [`Clock::wait`].
    pub fn wait_real(&self, limit: Duration) -> Woke {
        let signal = self.signal();
        let (mut signal, _) = self
            .0
            .1
            .wait_timeout_while(signal, limit, |s| !s.stopped && !s.nudged)
            .unwrap_or_else(PoisonError::into_inner);
        signal.take()
    }

    /// What a wait that takes no time would return: a stop, a nudge (consumed), or neither.
    pub fn poll(&self) -> Woke {
        self.signal().take()
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        // The two flags are always consistent, so a panic elsewhere does not spoil them.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signal {
    fn take(&mut self) -> Woke {
        match (self.stopped, std::mem::take(&mut self.nudged)) {
            (true, _) => Woke::Stopped,
            (false, true) => Woke::Nudged,
            (false, false) => Woke::Time,
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stop(stopped: {})", self.is_stopped())
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// 2026-01-01: this program did not exist before, so a clock that says so is wrong.
const EARLIEST_UNIX_MS: i64 = 1_767_225_600_000;

/// The longest single sleep. The system's timed waits stop while the board is suspended; waking this often bounds how
/// late a wait can end after a resume, at the price of one wake-up a minute.
const LONGEST_NAP: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn mono(&self) -> Mono {
        // Linux counts suspend only in its own BOOTTIME clock; elsewhere the monotonic one is what there is.
        #[cfg(target_os = "linux")]
        const SINCE_BOOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const SINCE_BOOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        Mono(Duration::try_from(rustix::time::clock_gettime(SINCE_BOOT)).unwrap_or_default())
    }

    fn wall(&self) -> Wall {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let unix_ms = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
        Wall { unix_ms, trusted: unix_ms >= EARLIEST_UNIX_MS }
    }

    fn boot_id(&self) -> String {
        // Without one (not Linux, no /proc) every process is a boot of its own, which errs to the safe side.
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .unwrap_or_else(|_| format!("process-{}", std::process::id()))
    }

    fn wait(&self, until: Mono, stop: &Stop) -> Woke {
        loop {
            let left = until.since(self.mono());
            match stop.wait_real(left.min(LONGEST_NAP)) {
                Woke::Time if left > LONGEST_NAP => {}
                woke => return woke,
            }
        }
    }
}
