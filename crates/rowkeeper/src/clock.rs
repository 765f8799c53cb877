//! Two clocks, two types: [`Mono`] for waiting, [`Wall`] for what is stored.
//!
//! A board without a battery clock boots in the past and then jumps, so no wait may depend on the wall clock and no
//! stored time on the monotonic one; mixing them does not compile.
//!
//! # When the wall clock is believed
//!
//! Never before 2026: this program did not exist. After that
//!
//! - where systemd-timesyncd runs, it knows: at boot it sets a board without a clock to the last time it saw, which looks
//!   good and is hours behind, and writes `/run/systemd/timesync/synchronized` once it has heard a server;
//! - a battery clock (`/sys/class/rtc/rtc0`) that agrees with the wall clock vouches for it;
//! - where the kernel takes its clock for synchronised, somebody has set it: timesyncd, chrony or ntpd;
//! - where chrony or ntpd runs and the kernel says no, it has not been set yet;
//! - where nobody is there to set it (a container, another system) the clock is taken at its word;
//! - else the `Date` of the last HTTPS answer counts, from where the steady clock carries it on. It belongs to this
//!   process: one that has not spoken to a server since it started does not know it.
//!
//! A clock so far off that certificates seem not valid yet cannot learn from HTTPS; that is told as what it is.

use std::ops::{Add, Sub};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{fmt, fs};

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
pub(crate) const EARLIEST_UNIX_MS: i64 = 1_767_225_600_000;

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
        let learned = HEARD_AT_BOOT_MS.load(Ordering::Relaxed);
        let mono = self.mono();
        judge(unix_ms, &Evidence::at_hand(mono), (learned != 0).then_some(learned), mono)
    }

    fn boot_id(&self) -> String {
        // No process outlives its boot. A daemon is asked a dozen times for a row.
        static BOOT: OnceLock<String> = OnceLock::new();
        // Without one (not Linux, no /proc) every process is a boot of its own, which errs to the safe side.
        let read = || fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned());
        BOOT.get_or_init(|| read().unwrap_or_else(|_| format!("process-{}", std::process::id()))).clone()
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

/// What this board knows of its own clock.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    /// Whether systemd-timesyncd runs here, and if so whether it has heard a server.
    timesyncd: Option<bool>,
    /// Whether the kernel says that its clock was set; none if it cannot be asked.
    kernel: Option<bool>,
    /// Whether chrony or ntpd runs here, who tell the kernel. Looked for only where the kernel says no.
    other_keeper: bool,
    /// What the battery clock says, in milliseconds since 1970.
    battery_ms: Option<i64>,
}

/// For so long what was gathered is good for the next question too: a row asks a dozen times in a few milliseconds. A
/// time that is doubted a second too long is put right like any other.
const STILL_GOOD: Duration = Duration::from_secs(1);

impl Evidence {
    /// What is known, not older than [`STILL_GOOD`].
    fn at_hand(now: Mono) -> Self {
        static LAST: Mutex<Option<(Mono, Evidence)>> = Mutex::new(None);
        // Replaced whole or not at all.
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((then, evidence)) if now.since(then) < STILL_GOOD => evidence,
            _ => last.insert((now, Self::gather())).1,
        }
    }

    fn gather() -> Self {
        let timesyncd = Path::new("/run/systemd/timesync");
        let heard = timesyncd.join("synchronized").exists();
        // Only a clock whose word is doubted needs another: this runs for every record.
        let kernel = if heard { None } else { rowkeeper_kernel_clock::is_synchronised() };
        let battery = || fs::read_to_string("/sys/class/rtc/rtc0/since_epoch").ok()?.trim().parse::<i64>().ok();
        Self {
            timesyncd: timesyncd.exists().then_some(heard),
            kernel,
            other_keeper: kernel == Some(false) && OTHER_KEEPERS.iter().any(|trace| Path::new(trace).exists()),
            battery_ms: if heard || kernel == Some(true) {
                None
            } else {
                battery().map(|seconds| seconds.saturating_mul(1000))
            },
        }
    }
}

/// What chrony, and the several ntpd, leave while they run, as Debian packages them.
const OTHER_KEEPERS: [&str; 4] = ["/run/chrony", "/run/chronyd.pid", "/run/ntpd.pid", "/run/ntpd"];

/// A battery clock that is this near the wall clock has set it. The one set from the other drifts seconds in a day.
const NEAR_MS: u64 = 60_000;

fn judge(unix_ms: i64, evidence: &Evidence, heard_at_boot_ms: Option<i64>, mono: Mono) -> Wall {
    let battery = |battery_ms: i64| battery_ms >= EARLIEST_UNIX_MS && battery_ms.abs_diff(unix_ms) <= NEAR_MS;
    let unset = evidence.other_keeper && evidence.kernel == Some(false);
    let vouched = evidence.kernel == Some(true)
        || evidence.timesyncd.unwrap_or(!unset)
        || evidence.battery_ms.is_some_and(battery);
    if unix_ms >= EARLIEST_UNIX_MS && vouched {
        return Wall { unix_ms, trusted: true };
    }
    match heard_at_boot_ms {
        Some(at_boot_ms) => Wall { unix_ms: at_boot_ms.saturating_add(millis(mono)), trusted: true },
        None => Wall { unix_ms, trusted: false },
    }
}

/// What the wall clock would have said at the start of this boot, as far as servers told; 0 for nothing. One for the
/// process: there is one wall clock.
static HEARD_AT_BOOT_MS: AtomicI64 = AtomicI64::new(0);

/// Takes the `Date` header of an answer whose server proved who it is.
pub(crate) fn heard(date: &str, now: Mono) {
    if let Some(unix_ms) = http_date(date).filter(|unix_ms| *unix_ms >= EARLIEST_UNIX_MS) {
        HEARD_AT_BOOT_MS.store(unix_ms.saturating_sub(millis(now)), Ordering::Relaxed);
    }
}

fn millis(mono: Mono) -> i64 {
    i64::try_from(mono.since_boot().as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970 of an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<i64> {
    // Only this form: the parser knows more of RFC 2822, such as comments and other zones.
    let text = text.trim().strip_suffix(" GMT")?;
    let zoned = jiff::fmt::rfc2822::parse(&format!("{text} +0000")).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_368_600_000;

    #[test]
    fn a_wall_clock_is_believed_when_somebody_vouches_for_it() {
        let none = Evidence::default();
        let timesyncd = |heard| Evidence { timesyncd: Some(heard), ..none };
        let kernel = |kernel, other_keeper| Evidence { kernel, other_keeper, ..none };
        let battery = |battery_ms| Evidence { battery_ms: Some(battery_ms), ..timesyncd(false) };
        for (what, unix_ms, evidence, trusted) in [
            ("1970", 5_000, none, false),
            ("1970, and a server was heard", 5_000, timesyncd(true), false),
            ("nobody to ask", NOW, none, true),
            ("no server heard yet: the time of the last run", NOW, timesyncd(false), false),
            ("a server was heard", NOW, timesyncd(true), true),
            ("a battery clock agrees", NOW, battery(NOW - 2_000), true),
            ("a battery clock that lost its battery", NOW, battery(1_000), false),
            ("a battery clock that says something else", NOW, battery(NOW + 86_400_000), false),
            ("both in 1970", 5_000, battery(5_000), false),
            ("chrony has set it", NOW, kernel(Some(true), true), true),
            ("chrony has not set it yet", NOW, kernel(Some(false), true), false),
            ("chrony is there, and the kernel may not be asked", NOW, kernel(None, true), true),
            ("not set, and nobody there who would", NOW, kernel(Some(false), false), true),
            (
                "set, and timesyncd keeps another's marker",
                NOW,
                Evidence { kernel: Some(true), ..timesyncd(false) },
                true,
            ),
            ("1970, and the kernel content with it", 5_000, kernel(Some(true), false), false),
        ] {
            assert_eq!(judge(unix_ms, &evidence, None, Mono::default()), Wall { unix_ms, trusted }, "{what}");
        }
    }

    /// A server's word is carried on by the steady clock, whatever the wall clock does, and yields to the real thing.
    #[test]
    fn a_date_of_a_server_stands_in_for_a_clock_nobody_vouches_for() {
        let mono = |seconds| Mono::new(Duration::from_secs(seconds));
        let unsynchronised = Evidence { timesyncd: Some(false), ..Evidence::default() };
        let heard = Some(NOW - 100_000);
        let told = judge(5_000, &unsynchronised, heard, mono(160));
        assert_eq!(told, Wall { unix_ms: NOW + 60_000, trusted: true });
        let stepped = judge(NOW + 7, &Evidence { timesyncd: Some(true), ..Evidence::default() }, heard, mono(160));
        assert_eq!(stepped, Wall { unix_ms: NOW + 7, trusted: true });
    }

    #[test]
    fn http_dates_are_read_and_nothing_else() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        for bad in ["", "soon", "Sun, 06 Nov 1994 08:49:37 +0100", "Sun, 31 Feb 2027 08:49:37 GMT", "1994-11-06 GMT"] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }

    /// The real clocks of this machine, as far as they can be asserted.
    #[test]
    fn the_steady_clock_goes_on_and_a_stop_ends_a_wait() {
        let (clock, stop) = (SystemClock, Stop::new());
        let before = clock.mono();
        assert!(before > Mono::default() && clock.mono() >= before);
        assert_eq!(clock.boot_id(), clock.boot_id());
        let far = before + Duration::from_secs(3600);
        stop.nudge();
        assert_eq!(clock.wait(far, &stop), Woke::Nudged);
        assert_eq!(clock.wait(before, &stop), Woke::Time);
        stop.stop();
        assert_eq!(clock.wait(far, &stop), Woke::Stopped);
    }
}
