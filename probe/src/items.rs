//! Every row of the tables in `docs/google.md`: how it is asked, or why it cannot be.

use crate::probe::{Answer, Probe};
use crate::{sheets, sign_in};

/// A row of the document.
pub struct Item {
    /// Such as `S5`.
    pub id: &'static str,
    /// What is done about it.
    pub how: How,
}

/// What is done about an item.
#[derive(Clone, Copy)]
pub enum How {
    /// It is asked.
    #[expect(private_interfaces, reason = "a probe can only be run by `run`")]
    Probe(fn(&mut Probe<'_>) -> Answer),
    /// It cannot be asked this way; why, and what a person can do.
    Not(&'static str),
}

const fn ask(id: &'static str, probe: fn(&mut Probe<'_>) -> Answer) -> Item {
    Item { id, how: How::Probe(probe) }
}

const fn not(id: &'static str, why: &'static str) -> Item {
    Item { id, how: How::Not(why) }
}

/// All of them; a test compares this with the document.
pub const ITEMS: &[Item] = &[
    ask("D1", sign_in::device_request),
    ask("D2", sign_in::names),
    not("D3", "a person must look: does the longest code fit the screen?"),
    ask("D4", sign_in::spreadsheets_scope),
    ask("D5", sign_in::appdata_scope),
    ask("D6", sign_in::pending_and_slow_down),
    not("D7", "asking for codes until Google refuses would keep the project's devices from signing in"),
    ask("D8", sign_in::without_secret),
    ask("D9", sign_in::after_expiry),
    ask("D10", sign_in::missing_parameters),
    not("D11", "a person must open the verification address with ?user_code=… and look"),
    ask("T1", sign_in::rotation),
    ask("T2", sign_in::lifetime),
    not("T3", "takes months; revoke at myaccount.google.com and run `rowkeeper token` to see one of them"),
    ask("T4", sign_in::refresh_lifetime),
    not("T5", "a person must revoke the access at myaccount.google.com and run `rowkeeper token`"),
    not("T6", "needs two devices: sign one out and watch the other"),
    not("T7", "would end the access of all devices of the project; run `rowkeeper sign-out` twice"),
    ask("T8", sign_in::scope_names),
    ask("S1", sheets::created),
    ask("S2", sheets::foreign),
    ask("S3", sheets::atomic),
    ask("S4", sheets::marker_refused),
    ask("S5", sheets::simultaneous),
    ask("S6", sheets::metadata_room),
    ask("S7", sheets::delete_without_match),
    ask("S8", sheets::delete_and_create),
    ask("S9", sheets::missing_metadata),
    ask("S10", sheets::append),
    ask("S11", sheets::inherited_format),
    ask("S12", sheets::text_stays_text),
    ask("S13", sheets::quota),
    not("S14", "nobody can make Google answer 503 on purpose"),
    ask("S15", sheets::limits),
    ask("S16", sheets::characters),
    not("S17", "this client closes its connections after 25 s; leave `curl` idle for five minutes"),
    not("S18", "an absence; two calls of spreadsheets.create make two files"),
    ask("S19", sheets::binned),
    not("S20", "a person must remove the app's access, approve again and open the old spreadsheet"),
    ask("S21", sheets::restored),
    not("S23", "needs a second account: share the spreadsheet with it and sign in there"),
    not("S22", "nobody can make Google work for 180 s on purpose"),
    ask("S24", sheets::read_after_write),
    ask("S25", sheets::row_anchor),
    ask("S26", sheets::anchor_without_match),
    ask("S27", sheets::refusal_shape),
    not("S28", "nobody can make a request land late at Google; the protocol waits 10 minutes where it matters"),
    ask("S29", sheets::look_by_filter),
    ask("S30", sheets::renamed_range),
    ask("S31", sheets::sizes_beside),
    ask("S32", sheets::moved_metadata),
];
