//! Lines on stderr.

use std::fmt::Display;
use std::io::{self, Write};

pub(crate) use rowkeeper_gadget::Limiter;

/// Says a line on stderr, whole. Whether anybody listens is not our trouble: a daemon outlives its log.
pub(crate) fn say(line: impl Display) {
    _ = io::stderr().lock().write_all(format!("rowkeeper: {line}\n").as_bytes());
}
