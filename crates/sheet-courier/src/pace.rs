//! How fast: a bucket of writes for Google's quota, and back-off after trouble.

use core::time::Duration;

use crate::R;
use crate::durable::Tally;
use crate::life;

/// Writes in a minute that we allow ourselves. Google allows 60 per user and project; siblings need some, and a device that
/// sends all the time needs room for as many markers as it makes until they may go.
const WRITES_PER_MINUTE: u64 = 42;
/// Writes at once after a quiet time: lone rows go out without waiting.
const BURST: u32 = 10;
const _: () = assert!(life::has_room((WRITES_PER_MINUTE * R.as_secs() / 60) as usize + BURST as usize));
/// `docs/google.md`: "32 or 64 s typical".
const LONGEST_BACKOFF: Duration = Duration::from_secs(64);

/// A token bucket. A lone row finds a token; a flood waits for one, and its batches fill meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    milli: u32,
    at: Duration,
}

impl Pace {
    /// Goes on where an earlier process stopped.
    pub(crate) fn resume(tally: &Tally, now: Duration) -> Self {
        // A stamp from the future is another boot's: no credit.
        Self { milli: tally.tokens_milli.min(BURST * 1000), at: tally.tokens_at.min(now) }
    }

    /// When the next write may be made.
    pub(crate) fn ready_at(&self, now: Duration) -> Duration {
        let missing = 1000_u32.saturating_sub(self.refilled(now).milli);
        now + Duration::from_millis(u64::from(missing) * 60_000 / (WRITES_PER_MINUTE * 1000))
    }

    /// One write is made.
    pub(crate) fn take(&mut self, now: Duration) {
        *self = self.refilled(now);
        self.milli = self.milli.saturating_sub(1000);
    }

    /// Google says that the minute's writes are used up, by us or by siblings: start again from nothing.
    pub(crate) fn empty(&mut self, now: Duration) {
        *self = Self { milli: 0, at: now };
    }

    pub(crate) fn store(&self, tally: &mut Tally) {
        tally.tokens_milli = self.milli;
        tally.tokens_at = self.at;
    }

    fn refilled(&self, now: Duration) -> Self {
        let gained = now.saturating_sub(self.at).as_millis() as u64 * WRITES_PER_MINUTE * 1000 / 60_000;
        let milli = u64::from(self.milli).saturating_add(gained).min(u64::from(BURST) * 1000);
        Self { milli: milli as u32, at: now }
    }
}

/// `min(2^n s + random(0..1000 ms), maximum)` (Google's recipe), for ever: a recorder does not give up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self, random: u32) -> Duration {
        let seconds = 1_u64 << self.failures.min(6);
        self.failures += 1;
        (Duration::from_secs(seconds) + Duration::from_millis(u64::from(random) % 1000)).min(LONGEST_BACKOFF)
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_row_goes_at_once_and_a_flood_keeps_the_quota() {
        let mut pace = Pace::resume(&Tally::default(), Duration::from_secs(100));
        let mut now = Duration::from_secs(100);
        let mut in_first_minute = 0;
        assert_eq!(pace.ready_at(now), now);
        while now < Duration::from_secs(160) {
            pace.take(now);
            in_first_minute += 1;
            now = pace.ready_at(now);
        }
        assert!(in_first_minute <= 60, "{in_first_minute}");
        assert!(in_first_minute >= 50, "{in_first_minute}");
    }

    #[test]
    fn pacing_survives_a_restart_and_gives_no_credit_for_another_boot() {
        let now = Duration::from_secs(1000);
        let mut pace = Pace::resume(&Tally::default(), now);
        for _ in 0..BURST {
            pace.take(now);
        }
        let mut tally = Tally::default();
        pace.store(&mut tally);
        assert!(Pace::resume(&tally, now).ready_at(now) > now);
        assert!(Pace::resume(&tally, Duration::ZERO).ready_at(Duration::ZERO) > Duration::ZERO);
    }

    #[test]
    fn back_off_doubles_to_a_limit_and_never_overflows() {
        let mut backoff = Backoff::default();
        let waits: alloc::vec::Vec<u64> = (0..9).map(|_| backoff.next(999).as_millis() as u64).collect();
        assert_eq!(waits, [1999, 2999, 4999, 8999, 16_999, 32_999, 64_000, 64_000, 64_000]);
    }
}
