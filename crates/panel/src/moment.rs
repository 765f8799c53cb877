//! Time as the only thing that moves: pages, scrolling and minutes, all functions of one `Duration`.
//!
//! Whatever asks a [`Moment`] for a position also tells it when that position will change, so the time
//! at which the caller must draw again can never drift from what is drawn.

use std::cell::Cell;
use std::time::Duration;

/// How long one page of a split code stays.
pub(crate) const PAGE: Duration = Duration::from_millis(2500);
/// How long a person takes to read one more character of prose, without hurry.
const CHARACTER_READ: Duration = Duration::from_millis(65);
/// How long a scroll rests at its start and at its end.
pub(crate) const HOLD: Duration = Duration::from_millis(1750);
/// One dot of a scroll: 32 dots a second.
pub(crate) const DOT: Duration = Duration::from_micros(31_250);
/// One character of a scroll, where there are no dots; a faster one smears on an LCD.
pub(crate) const CHARACTER: Duration = Duration::from_millis(300);

const MINUTE: Duration = Duration::from_secs(60);

/// A point in time on a screen, collecting when the picture changes next.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    /// Where `now` is counted from, on the screen's own time.
    start: Duration,
    now: Duration,
    next_change: &'a Cell<Option<Duration>>,
}

impl<'a> Moment<'a> {
    pub(crate) fn new(elapsed: Duration, next_change: &'a Cell<Option<Duration>>) -> Self {
        Self { start: Duration::ZERO, now: elapsed, next_change }
    }

    /// Minutes until `end`, rounded up, so that the last one is 1. `None`: the time is over.
    pub(crate) fn minutes_until(&self, end: Duration) -> Option<u64> {
        let left = end.checked_sub(self.now).filter(|left| !left.is_zero())?;
        let minutes = left.as_nanos().div_ceil(MINUTE.as_nanos()) as u64;
        // The number changes when exactly `minutes - 1` of them are left.
        self.changes_at(end.saturating_sub(MINUTE.saturating_mul(u32::try_from(minutes - 1).unwrap_or(u32::MAX))));
        Some(minutes)
    }

    /// Minutes that are full, counted from `already` at the screen's start.
    pub(crate) fn minutes_since(&self, already: Duration) -> u64 {
        let counted = already.saturating_add(self.now);
        let minutes = counted.as_secs() / 60;
        let next = MINUTE.saturating_mul(u32::try_from(minutes + 1).unwrap_or(u32::MAX));
        self.changes_at(next.saturating_sub(already));
        minutes
    }

    /// Which of `count` pages is up.
    pub(crate) fn page(&self, count: usize) -> usize {
        self.slot(&vec![PAGE; count]).0
    }

    /// Which of several slots is on, in an endless round, and the time within it.
    pub(crate) fn slot(&self, slots: &[Duration]) -> (usize, Self) {
        let round: Duration = slots.iter().sum();
        if slots.len() < 2 || round.is_zero() {
            return (0, *self);
        }
        let mut begin = self.now.saturating_sub(remainder(self.now, round));
        for (index, length) in slots.iter().enumerate() {
            let end = begin.saturating_add(*length);
            if self.now < end {
                self.changes_at(end);
                let within = Self { start: self.start + begin, now: self.now - begin, ..*self };
                return (index, within);
            }
            begin = end;
        }
        (0, *self)
    }

    /// How far to the left a line stands that sticks out by `overflow` steps.
    pub(crate) fn scroll(&self, overflow: u32, step: Duration) -> u32 {
        if overflow == 0 {
            return 0;
        }
        let travel = step.saturating_mul(overflow);
        let within = remainder(self.now, scroll_round(overflow, step));
        let begin = self.now - within;
        if within >= HOLD + travel {
            self.changes_at(begin.saturating_add(HOLD + travel + HOLD));
            return overflow;
        }
        let steps = (within.saturating_sub(HOLD).as_nanos() / step.as_nanos()) as u32;
        self.changes_at(begin.saturating_add(HOLD + step * (steps + 1)));
        steps
    }

    fn changes_at(&self, at: Duration) {
        let at = self.start.saturating_add(at);
        if at <= self.start.saturating_add(self.now) {
            return; // Only at the end of time itself.
        }
        let sooner = self.next_change.get().map_or(at, |known| known.min(at));
        self.next_change.set(Some(sooner));
    }
}

/// How long a page of prose stays.
pub(crate) fn reading(lines: &[String]) -> Duration {
    let characters: usize = lines.iter().map(|line| line.chars().count()).sum();
    PAGE.max(CHARACTER_READ.saturating_mul(u32::try_from(characters).unwrap_or(u32::MAX)))
}

/// From rest at the start to the end of the rest at the end.
pub(crate) fn scroll_round(overflow: u32, step: Duration) -> Duration {
    HOLD + step.saturating_mul(overflow) + HOLD
}

fn remainder(time: Duration, round: Duration) -> Duration {
    let nanos = time.as_nanos() % round.as_nanos();
    Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<T>(millis: u64, ask: impl FnOnce(Moment<'_>) -> T) -> (T, Option<u64>) {
        let next_change = Cell::new(None);
        let answer = ask(Moment::new(Duration::from_millis(millis), &next_change));
        (answer, next_change.get().map(|at| at.as_millis() as u64))
    }

    #[test]
    fn a_scroll_rests_moves_rests_and_starts_again() {
        let step = Duration::from_millis(100);
        for (millis, position, next) in [
            (0, 0, 1850),
            (1750, 0, 1850),
            (1849, 0, 1850),
            (1850, 1, 1950),
            (1950, 2, 2050),
            (2049, 2, 2050),
            (2050, 3, 3800),
            (3799, 3, 3800),
            (3800, 0, 5650),
        ] {
            assert_eq!(at(millis, |m| m.scroll(3, step)), (position, Some(next)), "at {millis} ms");
        }
        assert_eq!(at(12_345, |m| m.scroll(0, step)), (0, None), "what fits never moves");
    }

    #[test]
    fn minutes_round_up_and_end() {
        let end = Duration::from_secs(120);
        for (millis, minutes, next) in [
            (0, Some(2), Some(60_000)),
            (59_999, Some(2), Some(60_000)),
            (60_000, Some(1), Some(120_000)),
            (119_999, Some(1), Some(120_000)),
            (120_000, None, None),
            (999_999, None, None),
        ] {
            assert_eq!(at(millis, |m| m.minutes_until(end)), (minutes, next), "at {millis} ms");
        }
    }

    #[test]
    fn minutes_go_on_from_where_they_were() {
        let already = Duration::from_secs(3 * 60 + 59);
        for (millis, minutes, next) in [(0, 3, 1_000), (999, 3, 1_000), (1_000, 4, 61_000), (61_000, 5, 121_000)] {
            assert_eq!(at(millis, |m| m.minutes_since(already)), (minutes, Some(next)), "at {millis} ms");
        }
    }

    #[test]
    fn pages_take_turns() {
        let turns: Vec<_> = [0, 2499, 2500, 5000, 7500].map(|millis| at(millis, |m| m.page(3))).into();
        assert_eq!(turns, [(0, Some(2500)), (0, Some(2500)), (1, Some(5000)), (2, Some(7500)), (0, Some(10_000))]);
        assert_eq!(at(9_000, |m| m.page(1)), (0, None));
    }

    #[test]
    fn the_end_of_time_is_no_trouble() {
        let next_change = Cell::new(None);
        let moment = Moment::new(Duration::MAX, &next_change);
        moment.scroll(u32::MAX, DOT);
        moment.page(7);
        moment.minutes_since(Duration::MAX);
        assert_eq!(moment.minutes_until(Duration::MAX), None);
    }
}
