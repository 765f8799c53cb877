//! How long to wait between two polls.
//!
//! Three things are kept apart, because mixing them is how clients end up polling faster than allowed: what the server
//! asked for (the floor, which only grows), our own caution when nothing sensible comes back (forgotten at the next
//! clear answer), and the drift of our clock.

use core::time::Duration;

use crate::time::Mono;

/// The wait between polls, as learnt so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// What the server asked for; `slow_down` raises it for good.
    pub(crate) floor: Duration,
    /// How much longer than a true second ours must be, in thousandths: 1000 for a good clock.
    pub(crate) scale_permille: u32,
    /// Answers in a row that were lost or made no sense.
    pub(crate) misses: u32,
    /// `slow_down`s in a row.
    pub(crate) slowed: u32,
    /// `Retry-After` of the last answer.
    retry_after: Duration,
    /// A server date and when it came: two of them measure our clock.
    pub(crate) date: Option<(i64, Mono)>,
}

/// Our own back-off never asks for more than this, unless the floor does.
const BACK_OFF_CAP: Duration = Duration::from_secs(30);
/// No server makes us poll faster than this.
const SHORTEST: Duration = Duration::from_secs(1);
/// RFC 8628 section 3.5: each `slow_down` adds five seconds, for good.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// A clock that seems to run faster than this is not drifting: the dates are wrong.
const MOST_DRIFT_PERMILLE: u32 = 1600;

impl Pace {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            floor: interval.max(SHORTEST),
            scale_permille: 1000,
            misses: 0,
            slowed: 0,
            retry_after: Duration::ZERO,
            date: None,
        }
    }

    /// What was learnt before a restart.
    pub(crate) fn resumed(floor: Duration, scale_permille: u32, misses: u32, slowed: u32) -> Self {
        let scale_permille = scale_permille.clamp(1000, MOST_DRIFT_PERMILLE);
        Self { scale_permille, misses, slowed, ..Self::new(floor) }
    }

    /// The least wait that cannot draw a `slow_down`: the floor, a margin for clocks and networks, the drift.
    pub(crate) fn least(&self) -> Duration {
        let margin = (self.floor / 10).min(Duration::from_secs(1));
        self.floor.saturating_add(margin).saturating_mul(self.scale_permille) / 1000
    }

    /// The wait from the last answer to the next poll.
    pub(crate) fn wait(&self) -> Duration {
        let doubled = self.floor.saturating_mul(2_u32.saturating_pow(self.misses));
        let back_off = if self.misses == 0 { Duration::ZERO } else { doubled.min(BACK_OFF_CAP) };
        self.least().max(back_off).max(self.retry_after)
    }

    /// The server answered and wants us to go on.
    pub(crate) fn pending(&mut self) {
        self.misses = 0;
        self.slowed = 0;
    }

    /// The server wants fewer polls. GitHub says how many (`interval`); the larger of the two counts.
    ///
    /// A client whose clock runs fast would be told so for ever, so the wait is stretched too: by the drift the
    /// server's dates show, or step by step from the third `slow_down` in a row.
    pub(crate) fn slow_down(&mut self, interval: Option<Duration>, date: Option<i64>, now: Mono) {
        self.misses = 0;
        self.slowed = self.slowed.saturating_add(1);
        self.floor = self.floor.saturating_add(SLOW_DOWN).max(interval.unwrap_or_default());
        match date.and_then(|date| self.drift_permille(date, now)) {
            Some(drift) => self.scale_permille = self.scale_permille.max(drift),
            None if self.slowed >= 3 => {
                self.scale_permille = (self.scale_permille * 115 / 100).min(MOST_DRIFT_PERMILLE);
            }
            None => {}
        }
    }

    /// Nothing sensible came back.
    pub(crate) fn miss(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }

    /// Every answer may say when to come again, and what time it is.
    pub(crate) fn heard(&mut self, retry_after: Option<Duration>, date: Option<i64>, now: Mono) {
        self.retry_after = retry_after.unwrap_or_default();
        self.date = self.date.or(date.map(|date| (date, now)));
    }

    /// How fast our clock runs against the server's dates since the first of them; `None` if that is not plausible.
    /// Dates have whole seconds, so the doubt of one second goes in the server's favour.
    fn drift_permille(&self, date: i64, now: Mono) -> Option<u32> {
        let (first, then) = self.date?;
        let theirs_s = u64::try_from(date.checked_sub(first)?).ok()?.checked_add(1)?;
        let ours_ms = now.since(then).as_millis();
        let ratio = u32::try_from(ours_ms / u128::from(theirs_s)).ok()?;
        (1001..=MOST_DRIFT_PERMILLE).contains(&ratio).then_some(ratio)
    }
}
