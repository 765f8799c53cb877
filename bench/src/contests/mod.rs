//! The contests. Each has a quick form, for those who work on it, and the full one, whose figures are published.

pub mod accept;
pub mod boot;
pub mod flood;

use anyhow::Result;

use crate::contestant::Tools;
use crate::report::Section;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Quick,
    Full,
}

impl Form {
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

pub type Contest = fn(&Tools, Form) -> Result<Section>;

/// In the order of the page.
pub const ALL: [(&str, Contest); 3] = [("boot", boot::run), ("accept", accept::run), ("flood", flood::run)];
