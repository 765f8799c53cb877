//! The crate from outside, in virtual time.
#![allow(clippy::unwrap_used, reason = "tests may")]

mod support;

mod asking;
mod bearing;
mod conformance;
mod dialects;
mod discovering;
mod hostile;
mod parsing;
mod polling;
mod refreshing;
mod restarting;
mod revoking;
mod secrecy;
mod timing;
