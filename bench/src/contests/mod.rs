//! The contests. Each has a quick form, for those who work on it, and the full one, whose figures are published. A few
//! have a long one too, which takes a quarter of an hour or more.

pub mod accept;
pub mod bad_day;
pub mod boot;
pub mod emulator;
pub mod flood;
pub mod footprint;
pub mod growth;
pub mod lone;
pub mod sign_in;
pub mod steady;

use anyhow::Result;

use crate::contestant::Tools;
use crate::report::Section;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Quick,
    Full,
    Long,
}

impl Form {
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full | Self::Long => full,
        }
    }
}

pub type Contest = fn(&Tools, Form) -> Result<Section>;

/// In the order of the page.
pub const ALL: [(&str, Contest); 10] = [
    ("boot", boot::run),
    ("lone", lone::run),
    ("sign-in", sign_in::run),
    ("accept", accept::run),
    ("steady", steady::run),
    ("flood", flood::run),
    ("bad-day", bad_day::run),
    ("footprint", footprint::run),
    ("growth", growth::run),
    ("emulator", emulator::run),
];
