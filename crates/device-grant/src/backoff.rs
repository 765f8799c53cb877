//! Waiting longer after each failure.

use core::time::Duration;

/// Doubling waits with a cap and jitter, for whatever may be tried for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// About `first` after the first failure, twice that after the second, never more than `cap`.
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, failures: 0 }
    }

    /// The next wait: between half and all of the doubled time, chosen by `random`, but never less than `retry_after`.
    pub fn next(&mut self, retry_after: Option<Duration>, random: u32) -> Duration {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        let jittered = half.saturating_add(half.mul_f64(f64::from(random) / f64::from(u32::MAX)));
        jittered.max(retry_after.unwrap_or_default())
    }

    /// Something worked: begin anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}
