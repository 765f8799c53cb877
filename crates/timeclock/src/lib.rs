//! A time clock: a knob, a light and a small screen, and a Google Sheet that says who worked on what for how long.
//!
//! A click is on disk before the light changes, and in the sheet when there is a network. What is open stays open
//! through a power cut. What nobody knows (a clock-out that was forgotten) is asked, never made up.
//!
//! # In here
//!
//! The rules ([`rules`], [`ledger`], [`asking`]) are pure: each event and the time go in, what is to be done comes out.
//! The edges ([`run`], `sim`) are one loop each.
//!
//! # Not in here
//!
//! Anything another gadget would want: drivers and lights are in `rowkeeper-gadget`, tabs that people edit in
//! `rowkeeper::lookup`, rows and their delivery in `rowkeeper`.

pub mod args;
pub mod asking;
pub mod body;
pub mod config;
pub mod ledger;
pub mod moment;
pub mod roster;
pub mod rules;
pub mod run;
mod sheet;
#[cfg(feature = "emulator")]
pub mod sim;
#[cfg(feature = "emulator")]
pub mod twin;
pub mod view;
