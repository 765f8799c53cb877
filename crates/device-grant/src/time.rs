//! Time as the machines see it: arguments only, never a clock.

use alloc::string::String;
use core::ops::Add;
use core::time::Duration;

/// A moment on the caller's steady clock: the time since an origin of the caller's choice.
///
/// Use a clock that counts while the board sleeps (on Linux `CLOCK_BOOTTIME`) and never goes back. The machines only
/// compare and add, and every sum saturates, so no duration a server sends can overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(Duration);

impl Mono {
    /// The moment `since_origin` after the origin.
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// Time since the origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    /// Saturates.
    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

/// One moment on every clock the caller has, so that it can be compared with another one after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The steady clock.
    pub mono: Mono,
    /// An id of this boot, if there is one: steady clocks compare only within a boot.
    pub boot_id: Option<String>,
    /// Milliseconds since 1970-01-01T00:00:00Z, and only if the wall clock can be trusted (battery clock, NTP).
    pub unix_ms: Option<i64>,
}

impl Stamp {
    /// How much time passed since `earlier`, or `None` when no clock can tell.
    ///
    /// The steady clock decides within one boot; over a reboot two trusted wall clocks do, unless they went back.
    pub fn since(&self, earlier: &Self) -> Option<Duration> {
        let same_boot = self.boot_id.is_some() && self.boot_id == earlier.boot_id;
        if same_boot && self.mono >= earlier.mono {
            return Some(self.mono.since(earlier.mono));
        }
        let passed_ms = self.unix_ms?.checked_sub(earlier.unix_ms?)?;
        u64::try_from(passed_ms).ok().map(Duration::from_millis)
    }
}
