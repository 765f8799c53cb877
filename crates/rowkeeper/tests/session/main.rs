//! The session over its whole life, against the emulated Google in process and a clock that nobody waits for; the grant
//! store killed at every system call; the HTTP client over real sockets.

#![expect(clippy::unwrap_used, reason = "tests may unwrap, and so may what they are written with")]

mod binned;
mod board;
mod calls;
mod clocks;
mod discovering;
mod doctor;
mod killed;
mod processes;
mod refreshing;
mod signing_in;
mod signing_out;
mod sockets;
mod world;
