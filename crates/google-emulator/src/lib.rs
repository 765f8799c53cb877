//! Google's device sign-in, consent pages, token endpoint and Sheets v4 on one local port.
//!
//! The whole emulated world is a value, [`Model`]: `handle(now, request) -> reply`, deterministic from a seed. A
//! [`Server`] puts it on a port; a simulation calls it directly.

mod calendar;
mod control;
mod faults;
mod log;
mod model;
mod oauth;
mod options;
mod pages;
mod quota;
mod random;
mod server;
mod sheets;
mod wire;

pub use faults::{Action, Faults, Rule, When};
pub use log::LogEntry;
pub use model::Model;
pub use oauth::{DecideError, PendingCode};
pub use options::{
    AfterExpiry, CLIENT_ID, CLIENT_SECRET, Client, Dialect, EarlyPoll, NoMatch, Numbers, Options, PROJECT_NUMBER,
    Rotation, Standing, Verification,
};
pub use server::{Server, ServerOptions, StartError};
pub use sheets::{CellValue, EditError};
pub use wire::{Delivery, Reply, Request};
