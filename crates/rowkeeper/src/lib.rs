//! Sign a device in once; it keeps rows in your Google Sheet for years. Every row once, none lost.
//!
//! ```no_run
//! use rowkeeper::config::{Config, Places};
//! use rowkeeper::record::Record;
//! use rowkeeper::Device;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::open(Config::load(&Places::default())?)?;
//! let record = Record::from_words(["temperature=21.5", "door=open"], None)?;
//! let accepted = device.recorder().record(record)?; // survives a power cut from here on
//! println!("kept as {}", accepted.id);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Device`] is a configuration, an outbox and a sign-in. Its handles may be used from any thread, and any number of
//! processes may share one state directory: the outbox is SQLite, the grant is replaced whole, one process at a time
//! refreshes and one at a time delivers. [`Device::run`] is the daemon's loop, [`Device::deliver`] sends what waits.
//!
//! # In here
//!
//! Configuration, HTTP, clocks, the grant store, the session, the outbox, delivery. Blocking, on plain threads, without
//! an async runtime; waits end at a [`clock::Stop`].
//!
//! # Not in here
//!
//! Argument parsing, printing and screens; the rules of the grant (`device-grant`) and of delivery (`sheet-courier`),
//! which are pure.

mod amend;
pub mod clock;
pub mod config;
pub mod delivery;
mod device;
pub mod doctor;
mod durable;
mod file_lock;
pub mod grant_store;
pub mod http;
pub mod intake;
pub mod lookup;
pub mod outbox;
pub mod proxy;
pub mod record;
mod recorder;
mod seal;
pub mod session;
pub mod status;
pub mod table;
pub mod tidy;
mod url;

pub use amend::{AmendError, Fields, RowId};
pub use device::{DeliverError, Delivered, Device, Edges, Event, OpenError, WentTo};
pub use durable::replace as replace_file;
pub use jiff::SignedDuration;
pub use outbox::{Amended, GoesOn};
pub use recorder::{RecordError, Recorder};
pub use seal::{ShortKey, StoreKey};
pub use sheet_courier::Wish;
pub use url::is_loopback;

/// The machine's time zone, where it has a name such as `Europe/Vienna`.
pub fn system_timezone() -> Option<String> {
    jiff::tz::TimeZone::system().iana_name().map(str::to_owned)
}

/// 64 random bits from the system; `None` where it has none to give.
pub fn random_u64() -> Option<u64> {
    getrandom::u64().ok()
}
