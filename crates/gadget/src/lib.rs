//! What every gadget's main needs: from the library's state to a screen, the panel's thread, signals, sd_notify, exit
//! codes, a log that does not flood.
//!
//! Not in here: rules (they are in `rowkeeper`), drawing (`rowkeeper-panel`), argument parsing (each program's own).

mod display;
pub mod exit;
mod glass;
mod gpio;
pub mod input;
mod kind;
pub mod knob;
pub mod light;
mod limiter;
mod log_line;
pub mod pwm;
pub mod reader;
pub mod service;
mod signals;
mod view;
mod wired;

pub use display::Display;
pub use glass::Glass;
pub use kind::{Bus, Kind, Model, UnknownKind, Wiring};
pub use limiter::Limiter;
pub use log_line::log_line;
pub use signals::{UntilSignalled, stop_on_signals};
pub use view::screen;
