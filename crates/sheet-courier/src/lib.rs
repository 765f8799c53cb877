//! Under construction.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod cell;
mod durable;
mod freeze;
mod ids;

pub use cell::{Cell, Row};
pub use durable::{
    Batch, Cause, Closed, Device, Durable, FrozenTab, Hold, Marker, Phase, SheetRef, Tally, Transition, Verdict,
};
pub use freeze::MAX_BODY_BYTES;
pub use ids::{
    Digest, Fate, MARKER_CHARS, MarkerId, Tag, caller_id_hash, marker_key, random_row_id, sheet_id_of_table,
};
