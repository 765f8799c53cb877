//! The courier with the emulated Google behind it, in virtual time.

#![expect(clippy::unwrap_used, reason = "a bench that is surprised stops")]

mod bench;
mod full;
mod odd_replies;
mod steady;
