//! Under construction.

pub mod clock;
pub mod http;
pub mod outbox;
