//! The real `rowkeeper`, driven as its users and its enemies drive it, against the emulator.
//!
//! Each test has its own emulator on a free port and its own home directory. Waits are for something, never for a time;
//! where a test needs seconds, they are the seconds between two polls on the wire.

#![expect(clippy::unwrap_used, reason = "the vocabulary of tests panics as they do")]

mod amend;
mod budget;
mod columns;
mod copies;
mod daemons;
mod device;
mod doctor;
mod examples;
mod first_light;
mod glass;
mod google;
#[path = "../../../../campaigns/src/heard.rs"]
mod heard;
mod help;
mod large;
mod pending;
mod polling;
mod power_cuts;
mod programs;
mod proxy;
mod queue;
mod rubbish;
mod secrecy;
mod sheets;
mod socket;
mod streams;
mod tables;
