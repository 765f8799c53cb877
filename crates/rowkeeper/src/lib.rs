//! Under construction.

pub mod clock;
pub mod config;
mod durable;
pub mod grant_store;
pub mod http;
pub mod outbox;
pub mod record;
pub mod session;
pub mod status;
mod url;

pub use jiff::SignedDuration;
pub mod delivery;
