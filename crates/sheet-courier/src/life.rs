//! How long markers live (protocol section 6).

use alloc::vec::Vec;
use core::time::Duration;

use crate::durable::Marker;
use crate::ids::{MARKER_CHARS, MarkerId};
use crate::{D, R, R_DOUBT};

/// Of Google's 30,000 characters: the rest is for other devices and for people's own tools.
const BUDGET_CHARS: usize = 18_000;
/// From here on markers in doubt are pruned at [`R`] too.
const TIGHT_CHARS: usize = BUDGET_CHARS / 4 * 3;

// No marker is pruned before a check of ours is stale and everything sent on its strength has landed or died.
const _: () = assert!(R.as_secs() >= crate::C.as_secs() + D.as_secs() + 260);

/// What can be said about how long ago a marker's last attempt ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    /// Time since boot, in this process.
    pub(crate) now: Duration,
    /// When this holder took the lock: before that nothing is known on this clock.
    pub(crate) lock_taken: Duration,
    /// The newest `Date` of Google's that came in this process.
    pub(crate) google: Option<i64>,
}

impl Ages {
    /// At least this long ago, on the clock that can prove more. Never by our wall clock: it jumps.
    fn age(self, marker: &Marker, ended: Option<Duration>) -> Duration {
        let here = self.now.saturating_sub(ended.unwrap_or(self.lock_taken).max(self.lock_taken));
        let google = match (marker.ended_at, self.google) {
            (Some(then), Some(now)) => Duration::from_secs(u64::try_from(now.saturating_sub(then)).unwrap_or(0)),
            _ => Duration::ZERO,
        };
        here.max(google)
    }
}

/// Whether one more marker fits.
pub(crate) const fn has_room(markers: usize) -> bool {
    (markers + 1) * MARKER_CHARS <= BUDGET_CHARS
}

/// The markers that may go, oldest first. `ended` tells when a marker was settled in this process.
///
/// The newest applied marker of `key` always stays: it is how an old copy of this state finds out that it is one. For an
/// identity that was left, the register that retired it does that.
pub(crate) fn prunable(
    markers: &[Marker],
    key: &str,
    ages: Ages,
    ended: impl Fn(MarkerId) -> Option<Duration>,
) -> Vec<MarkerId> {
    let ours = markers.iter().filter(|marker| marker.applied && marker.key == key);
    let newest = ours.max_by_key(|marker| marker.seq).map(|marker| marker.id);
    let tight = markers.len() * MARKER_CHARS > TIGHT_CHARS;
    let mut old: Vec<&Marker> = markers
        .iter()
        .filter(|marker| Some(marker.id) != newest)
        .filter(|marker| {
            let life = if marker.doubt && !tight { R_DOUBT } else { R };
            ages.age(marker, ended(marker.id)) >= life
        })
        .collect();
    old.sort_by_key(|marker| marker.seq);
    old.into_iter().map(|marker| marker.id).collect()
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn marker(seq: u64, applied: bool, doubt: bool, ended_at: Option<i64>) -> Marker {
        let id = MarkerId::of(0, seq);
        Marker { id, seq, key: String::from("k"), value: String::from("v"), applied, doubt, ended_at }
    }

    fn seqs(markers: &[Marker], ages: Ages, ended: Option<Duration>) -> Vec<u32> {
        prunable(markers, "k", ages, |_| ended).into_iter().map(|id| id.as_u32() - 1).collect()
    }

    #[test]
    fn the_newest_applied_marker_stays_for_ever() {
        let year = Duration::from_secs(365 * 24 * 3600);
        let ages = Ages { now: year, lock_taken: Duration::ZERO, google: None };
        let markers = [marker(1, true, false, None), marker(2, true, true, None), marker(3, false, true, None)];
        assert_eq!(seqs(&markers, ages, None), [1, 3]);
        assert_eq!(seqs(&markers[..1], ages, None), [0_u32; 0]);
    }

    #[test]
    fn of_an_identity_that_was_left_no_marker_stays() {
        let year = Duration::from_secs(365 * 24 * 3600);
        let ages = Ages { now: year, lock_taken: Duration::ZERO, google: None };
        let old = |seq| Marker { key: String::from("old"), ..marker(seq, true, false, None) };
        // A copy that goes on takes over markers from its own future.
        assert_eq!(seqs(&[old(8), old(9), marker(3, true, false, None)], ages, None), [8, 9]);
    }

    #[test]
    fn a_marker_lives_for_r_on_either_clock() {
        let markers = [marker(1, true, false, Some(1000)), marker(2, true, false, None)];
        let ages = |now, google| Ages { now: Duration::from_secs(now), lock_taken: Duration::from_secs(5000), google };
        assert_eq!(seqs(&markers, ages(6199, None), None), [0_u32; 0], "the lock was taken less than R ago");
        assert_eq!(seqs(&markers, ages(6200, None), None), [1]);
        assert_eq!(seqs(&markers, ages(5001, Some(2199)), None), [0_u32; 0]);
        assert_eq!(seqs(&markers, ages(5001, Some(2200)), None), [1], "a board that sleeps prunes too");
        assert_eq!(seqs(&markers, ages(6300, None), Some(Duration::from_secs(5200))), [0_u32; 0]);
        assert_eq!(seqs(&markers, ages(5001, Some(i64::MIN)), None), [0_u32; 0]);
    }

    #[test]
    fn doubt_lives_longer_while_there_is_room() {
        let hour = Duration::from_secs(3600);
        let ages = Ages { now: hour, lock_taken: Duration::ZERO, google: None };
        let mut markers: Vec<Marker> = (1..10).map(|seq| marker(seq, true, true, None)).collect();
        assert_eq!(seqs(&markers, ages, None), [0_u32; 0]);
        markers.extend((10..700).map(|seq| marker(seq, true, true, None)));
        assert_eq!(seqs(&markers, ages, None).len(), 698);
    }
}
