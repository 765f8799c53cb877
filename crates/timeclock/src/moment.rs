//! When something happened, on a board whose clock may not have been set yet.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rowkeeper::clock::{Clock, Mono, Wall};
use serde::{Deserialize, Serialize};

/// One reading of all clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// For what is written.
    pub wall: Wall,
    /// For waiting, and for how long something took.
    pub mono: Mono,
    /// The boot that `mono` counts from.
    pub boot: String,
}

impl Now {
    /// Reads them.
    pub fn of(clock: &dyn Clock) -> Self {
        Self { wall: clock.wall(), mono: clock.mono(), boot: clock.boot_id() }
    }
}

/// A moment as it is kept: what the clocks said, so that it can be put right once the clock is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    unix_ms: i64,
    trusted: bool,
    boot: String,
    since_boot_ms: u64,
}

impl Moment {
    /// Now.
    pub fn of(now: &Now) -> Self {
        Self {
            unix_ms: now.wall.unix_ms,
            trusted: now.wall.trusted,
            boot: now.boot.clone(),
            since_boot_ms: now.mono.since_boot().as_millis() as u64,
        }
    }

    /// When a person says it was.
    pub fn given(unix_ms: i64) -> Self {
        Self { unix_ms, trusted: true, boot: String::new(), since_boot_ms: 0 }
    }

    /// Milliseconds since 1970; `None` while nobody vouches for the clock it was read from.
    pub fn unix_ms(&self) -> Option<i64> {
        self.trusted.then_some(self.unix_ms)
    }

    /// The same moment by a clock that has come right since, in the same boot.
    pub fn corrected(&self, now: &Now) -> Option<Self> {
        if self.trusted || !now.wall.trusted || !self.is_of(now) {
            return None;
        }
        let ago = now.mono.since_boot().as_millis() as i64 - self.since_boot_ms as i64;
        Some(Self { unix_ms: now.wall.unix_ms - ago, trusted: true, ..self.clone() })
    }

    /// Whether it was in this boot.
    pub fn is_of(&self, now: &Now) -> bool {
        !self.boot.is_empty() && self.boot == now.boot
    }

    /// How much time really passed until `later`, whatever the clocks on the wall did meanwhile: instants know nothing
    /// of summer time, and within a boot the steady clock knows nothing of a wall clock that was set. `None` if nobody
    /// can tell.
    pub fn until(&self, later: &Self) -> Option<Duration> {
        if !self.boot.is_empty() && self.boot == later.boot {
            return Some(Duration::from_millis(later.since_boot_ms.saturating_sub(self.since_boot_ms)));
        }
        let passed = later.unix_ms()?.checked_sub(self.unix_ms()?)?;
        u64::try_from(passed).ok().map(Duration::from_millis)
    }
}

/// Minutes as a number for a cell, to the hundredth: short jobs add up, and a second is 0.02 of one.
pub fn minutes(passed: Duration) -> f64 {
    (passed.as_millis() as f64 / 600.0).round() / 100.0
}

/// `2:13`: hours and minutes, for a small screen.
pub fn hours(passed: Duration) -> String {
    let minutes = passed.as_secs() / 60;
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

/// `08:01` today, `Mon 08:01` within a week, `16.11. 08:01` before that; in the owner's zone. Question marks for a
/// moment that nobody knows.
pub fn clock_time(moment: &Moment, now: &Now, zone: &TimeZone) -> String {
    let at = |unix_ms| Timestamp::from_millisecond(unix_ms).ok().map(|at| at.to_zoned(zone.clone()));
    let Some(then) = moment.unix_ms().and_then(at) else { return "--:--".into() };
    let today = at(now.wall.unix_ms).map_or(then.date(), |now| now.date());
    let days = (today - then.date()).get_days();
    match days {
        0 => then.strftime("%H:%M"),
        1..7 => then.strftime("%a %H:%M"),
        _ => then.strftime("%d.%m. %H:%M"),
    }
    .to_string()
}

/// How far the clock on that wall has come since it showed midnight; `None` while nobody vouches for it.
pub fn time_of_day(now: &Now, zone: &TimeZone) -> Option<Duration> {
    let at = now.wall.trusted.then(|| Timestamp::from_millisecond(now.wall.unix_ms).ok()).flatten()?;
    let time = at.to_zoned(zone.clone()).time();
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    /// Sunday 2026-10-25 00:00 UTC: 02:00 in Vienna, one hour before its clocks go back from 03:00 to 02:00.
    const FALL: i64 = 1_792_886_400_000;

    fn now(unix_ms: i64, since_boot_ms: i64, boot: &str, trusted: bool) -> Now {
        let mono = Mono::new(Duration::from_millis(since_boot_ms as u64));
        Now { wall: Wall { unix_ms, trusted }, mono, boot: boot.into() }
    }

    fn at(unix_ms: i64, since_boot_ms: i64, boot: &str, trusted: bool) -> Moment {
        Moment::of(&now(unix_ms, since_boot_ms, boot, trusted))
    }

    #[test]
    fn minutes_are_those_that_passed() {
        let spring = 1_774_746_000_000; // 2026-03-29 01:00 UTC: Vienna goes from 02:00 to 03:00.
        for (what, start, finish, passed) in [
            ("a plain hour", at(0, 0, "a", true), at(HOUR, HOUR, "a", true), Some(HOUR)),
            (
                "22:00 to 06:00 in autumn: nine hours",
                Moment::given(FALL - 4 * HOUR),
                Moment::given(FALL + 5 * HOUR),
                Some(9 * HOUR),
            ),
            (
                "22:00 to 06:00 in spring: seven hours",
                Moment::given(spring - 4 * HOUR),
                Moment::given(spring + 3 * HOUR),
                Some(7 * HOUR),
            ),
            ("over a reboot", at(0, 50, "a", true), at(HOUR, 2, "b", true), Some(HOUR)),
            ("the clock was set meanwhile", at(5_000, 5_000, "a", false), at(FALL, 65_000, "a", true), Some(60_000)),
            ("not known before the reboot", at(5_000, 5_000, "a", false), at(FALL, 9, "b", true), None),
            ("a clock that went back over a reboot", at(FALL, 0, "a", true), at(FALL - HOUR, 0, "b", true), None),
        ] {
            assert_eq!(start.until(&finish).map(|passed| passed.as_millis() as i64), passed, "{what}");
        }
        assert_eq!(minutes(Duration::from_millis(90_123)), 1.5);
        assert_eq!(minutes(Duration::from_secs(1)), 0.02);
        assert_eq!(hours(Duration::from_secs(2 * 3600 + 13 * 60 + 59)), "2:13");
    }

    #[test]
    fn a_moment_is_put_right_once_the_clock_is() {
        let early = at(5_000, 5_000, "a", false);
        assert_eq!(early.unix_ms(), None);
        assert_eq!(early.corrected(&now(6_000, 6_000, "a", false)), None);
        assert_eq!(early.corrected(&now(FALL, 9_000, "b", true)), None, "another boot knows nothing of it");
        let right = early.corrected(&now(FALL, 65_000, "a", true)).unwrap();
        assert_eq!(right.unix_ms(), Some(FALL - 60_000));
        assert_eq!(right.corrected(&now(FALL, 70_000, "a", true)), None, "once");
    }

    #[test]
    fn times_are_said_in_the_owners_zone_and_only_as_long_as_needed() {
        let vienna = TimeZone::get("Europe/Vienna").unwrap();
        let now = now(FALL + 12 * HOUR, 0, "a", true);
        for (unix_ms, said) in [
            (FALL, "02:00"),
            (FALL + HOUR, "02:00"),
            (FALL - 10 * HOUR, "Sat 16:00"),
            (FALL - 240 * HOUR, "15.10. 02:00"),
        ] {
            assert_eq!(clock_time(&Moment::given(unix_ms), &now, &vienna), said);
        }
        assert_eq!(clock_time(&at(5, 5, "a", false), &now, &vienna), "--:--");
    }
}
