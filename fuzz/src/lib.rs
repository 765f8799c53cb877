//! Fuzz targets: each takes any bytes and panics when a promise is broken.
//!
//! An input is text that a person can write: see [`answers`]. `corpus/NAME` holds hand-made inputs for each target.

mod answers;
mod courier;
mod emulator;
mod grant;
mod lines;
mod reading;
mod texts;

/// All targets, by the name of their folder in `corpus`.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("device_answer", grant::device_answer),
    ("poll", grant::poll),
    ("refresh", grant::refresh),
    ("revoke", grant::revoke),
    ("pending", grant::pending),
    ("discovery", reading::discovery),
    ("url", reading::url),
    ("www_authenticate", reading::www_authenticate),
    ("http_date", reading::http_date),
    ("texts", texts::texts),
    ("courier", courier::courier),
    ("settle", courier::settle),
    ("layout", courier::layout),
    ("lines", lines::lines),
    ("emulator_a1", emulator::a1),
    ("emulator_mask", emulator::mask),
    ("emulator_typed", emulator::typed),
    ("emulator_batch", emulator::batch),
];
