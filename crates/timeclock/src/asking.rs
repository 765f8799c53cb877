//! The question after a forgotten clock-out, and the answers that a knob can give.
//!
//! The clock never makes an end up: it offers half hours, and the first answer, the one a hurried click gives, is "I do
//! not know".

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::moment::{Moment, Now, clock_time};

/// What a person may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The end stays open in the sheet, for the person to fill in.
    Unknown,
    /// It was never stopped.
    GoesOn,
    /// Then.
    At(Moment),
}

/// A day back is as far as a knob should be turned.
const FARTHEST: Duration = Duration::from_secs(24 * 3600);

const HALF_HOUR_MS: i64 = 30 * 60 * 1000;

/// The answers for something that was started then, and what they are called. Without a known start or a clock that is
/// set there are no times to offer.
pub fn answers(start: &Moment, now: &Now, zone: &TimeZone) -> Vec<(String, Answer)> {
    let mut answers = vec![("Don't know".into(), Answer::Unknown), ("Still working".into(), Answer::GoesOn)];
    if let (Some(start_ms), true) = (start.unix_ms(), now.wall.trusted) {
        let last = now.wall.unix_ms.min(start_ms + FARTHEST.as_millis() as i64);
        let mut at = next_half_hour(start_ms, zone);
        while at <= last {
            let moment = Moment::given(at);
            answers.push((format!("until {}", clock_time(&moment, now, zone)), Answer::At(moment)));
            at = next_half_hour(at, zone);
        }
    }
    answers
}

/// The next time that a clock on that wall shows a full or half hour.
fn next_half_hour(unix_ms: i64, zone: &TimeZone) -> i64 {
    let offset = Timestamp::from_millisecond(unix_ms).map_or(0, |at| zone.to_offset(at).seconds());
    let local = unix_ms + i64::from(offset) * 1000;
    unix_ms + HALF_HOUR_MS - local.rem_euclid(HALF_HOUR_MS)
}

#[cfg(test)]
mod tests {
    use rowkeeper::clock::{Mono, Wall};

    use super::*;

    #[test]
    fn half_hours_of_the_owners_wall_are_offered_and_nothing_after_now() {
        let kathmandu = TimeZone::get("Asia/Kathmandu").unwrap(); // 5 hours 45 minutes ahead
        let start = Moment::given(1_795_368_600_000); // 2026-11-22 17:30 UTC, 23:15 there
        let now = |unix_ms, trusted| Now { wall: Wall { unix_ms, trusted }, mono: Mono::default(), boot: "a".into() };
        let labels = |now| answers(&start, &now, &kathmandu).into_iter().map(|(label, _)| label).collect::<Vec<_>>();
        let two_hours_on = 1_795_368_600_000 + 2 * 3_600_000;
        assert_eq!(
            labels(now(two_hours_on, true)),
            ["Don't know", "Still working", "until Sun 23:30", "until 00:00", "until 00:30", "until 01:00"]
        );
        assert_eq!(labels(now(two_hours_on, false)), ["Don't know", "Still working"]);
        assert_eq!(labels(now(two_hours_on * 2, true)).len(), 2 + 48, "a day at most");
    }
}
