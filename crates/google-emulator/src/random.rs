//! A small seeded generator, so that the model needs no outside randomness.

use serde::{Deserialize, Serialize};

/// SplitMix64 (Steele, Lea, Flood 2014). It makes test identifiers, not keys: a real server seeds it from the OS
/// again for every request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; the bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        // 53 bits make every double in [0, 1) reachable.
        ((self.next() >> 11) as f64) / ((1u64 << 53) as f64) < p
    }

    /// `count` characters of `alphabet`, which must be ASCII.
    pub(crate) fn text(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize])).collect()
    }

    /// `count` characters of the URL-safe base64 alphabet: six bits each.
    pub(crate) fn opaque(&mut self, count: usize) -> String {
        self.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", count)
    }
}
