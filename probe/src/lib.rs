//! Asks Google, for somebody with an account who consents, what `docs/google.md` relies on, the unknown items first.
//!
//! One throw-away spreadsheet is made and, in the end, binned. Every row of the tables in that document is either asked
//! about here or listed with the reason why it cannot be; a test keeps the two in step. The report never holds a secret.

mod docs;
mod items;
mod probe;
mod report;
mod sheets;
mod sign_in;
mod watch;

pub use docs::{Fact, facts};
pub use items::{How, ITEMS, Item};
pub use probe::{Options, Person, Trouble, run};
pub use report::{Finding, Report, Verdict};
pub use watch::Watched;
