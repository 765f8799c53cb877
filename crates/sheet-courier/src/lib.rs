//! Exactly-once delivery of rows to a Google Sheet, as a pure state machine.
//!
//! Rows are frozen into a batch: the exact bytes of one `spreadsheets.batchUpdate`, whose first request creates a
//! piece of developer metadata under an id that is taken once. Google applies a batch wholly or not at all and refuses
//! an id that exists, so the batch can be sent any number of times and is applied at most once; and it is sent until
//! its fate is known. Before rows leave a batch unsent, its id is claimed by a *void*, so that no late attempt can land.
//!
//! The [`Courier`] says what to do next; the edge does it, one deed at a time, and may crash between any two:
//!
//! ```text
//!            Gather ──► gathered(rows)
//!   next() ─ Commit ──► committed()        one transaction, acknowledged by the disk
//!            Send   ──► answered(outcome)  one attempt, without any retry below
//!            WaitUntil, Hold, Idle
//! ```
//!
//! In scope: which bytes are sent and when, what an answer means, what must be durable before going on, how long
//! markers live, how fast to go, where the columns are.
//!
//! Out of scope: sockets, files, clocks, randomness (all arguments), tokens, time zones (times come as serial numbers
//! of the sheet's zone), and what a record is.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod a1;
mod anchors;
mod answer;
mod cell;
mod census;
mod courier;
mod durable;
mod freeze;
mod glance;
mod ids;
mod landing;
mod layout;
mod life;
#[cfg_attr(not(feature = "mutations"), expect(dead_code, unreachable_pub, reason = "rules are left out only in tests"))]
mod mutation;
mod pace;
mod registers;
mod room;
mod row_json;
mod shown;
mod tabs;
mod wire;

use core::time::Duration;

pub use answer::{Answer, Outcome};
pub use cell::{Cell, Format, Precision, Row};
pub use census::{Markers, census, parse_census};
pub use courier::{Courier, Options, Step, Table};
pub use durable::{
    Amend, Anchor, Batch, Cause, Closed, Device, Displaced, Durable, FrozenTab, Hold, Identity, Marker, Phase, Release,
    SheetRef, Tally, Transition, Verdict, Wish,
};
pub use freeze::MAX_BODY_BYTES;
pub use ids::{
    Digest, Fate, MARKER_CHARS, MarkerId, Tag, caller_id_hash, marker_key, random_row_id, sheet_id_of_table,
};
pub use layout::ID_COLUMN;
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use wire::Call;

/// A request cannot land later than this after its attempt ended. Google's own bound is 180 s (docs/google.md); the
/// kernel may still push buffered bytes.
pub const D: Duration = Duration::from_secs(10 * 60);
/// A contact check is good for this long.
pub const C: Duration = Duration::from_secs(5 * 60);
/// No marker is pruned younger: a check is good for [`C`], what is sent on its strength lands within [`D`] after its
/// attempt ended, and an attempt of 200 s and a read a minute old are within another [`C`].
pub const R: Duration = Duration::from_secs(20 * 60);
/// A copy that goes on waits so long first, for the same reasons: its twin's last check must be over.
pub const LET_PASS: Duration = R;
/// The age wished for before a marker in doubt is pruned.
pub const R_DOUBT: Duration = Duration::from_secs(24 * 3600);
