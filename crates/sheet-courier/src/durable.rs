//! What must be on disk: the state the courier starts from, and the changes it asks for.
//!
//! Every [`Transition`] is one transaction. The courier goes on only when the disk has acknowledged it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cell::Cell;
use crate::ids::{Digest, MarkerId, Tag};

/// The durable state, as read when the delivery lock is taken.
#[derive(Clone, Debug)]
pub struct Durable {
    /// Who we are.
    pub device: Device,
    /// Where rows go; none before the first delivery.
    pub sheet: Option<SheetRef>,
    /// The batch in flight.
    pub batch: Option<Batch>,
    /// Our markers in the spreadsheet that were not pruned yet.
    pub markers: Vec<Marker>,
    /// Sizes, counters and pacing.
    pub tally: Tally,
    /// Why nothing is sent until something changes.
    pub hold: Option<Hold>,
    /// Where rows are to go from now on, if that is to change.
    pub wish: Option<Wish>,
    /// Batches of earlier spreadsheets that may or may not be there: they wait until it can be seen, or for a person.
    pub bound: Vec<Batch>,
    /// How many spreadsheets there were.
    pub sheets: u32,
    /// The spreadsheets that rows went to before, the newest first.
    pub earlier: Vec<String>,
    /// Anchors that may stand on rows that are being amended.
    pub anchors: Vec<MarkerId>,
    /// A spreadsheet may have been made that nobody told us of.
    pub creating: bool,
    /// Another identity is being taken, because another copy of this state may have the present one too.
    pub release: Option<Release>,
    /// Random, for the case that another identity must be taken.
    pub spare: Identity,
}

impl Durable {
    /// Of a device that has sent nothing yet; its first spreadsheet is made by the first delivery, or is `sheet` already.
    #[must_use]
    pub fn new(device: Device, sheet: Option<SheetRef>, spare: Identity) -> Self {
        Self {
            device,
            batch: None,
            markers: Vec::new(),
            tally: Tally::default(),
            hold: None,
            wish: None,
            bound: Vec::new(),
            sheets: u32::from(sheet.is_some()),
            sheet,
            earlier: Vec::new(),
            anchors: Vec::new(),
            creating: false,
            release: None,
            spare,
        }
    }
}

/// What a device is called in its markers, and what their ids are made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// In the key of every marker.
    pub tag: Tag,
    /// The base of the marker ids.
    pub base: u32,
}

/// How far a copy is on its way to an identity of its own (protocol section 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The identity that is taken in the end.
    pub identity: Identity,
    /// The spreadsheets whose register says that this copy is the one that goes on.
    pub claimed: Vec<String>,
    /// A `Date` (Unix seconds) of Google's from after the last of them said so.
    pub since: Option<i64>,
    /// A person said that no other copy goes on: that stands for the registers, and for what cannot be read.
    pub told: bool,
}

impl Release {
    /// At its beginning.
    pub fn to(identity: Identity) -> Self {
        Self { identity, claimed: Vec::new(), since: None, told: false }
    }
}

/// Another spreadsheet is wanted. Durable, so that it comes true however often the process dies on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// A person wants a new one.
    New,
    /// A person wants this one, which must be ours to write.
    Adopt(String),
    /// The current one is full: the next one, which siblings may have made already.
    Next,
    /// The next one was made; whether it is everybody's is to be seen.
    Claim(SheetRef),
}

/// The identity of this state directory. Never copied on purpose: a copy is a twin.
#[derive(Clone, Debug)]
pub struct Device {
    /// In the key of every marker.
    pub tag: Tag,
    /// The base of the marker ids.
    pub base: u32,
    /// The next sequence number; starts at 1, taken in the freezing transaction, never used twice.
    pub next_seq: u64,
    /// Who we were before, the latest last: batches, anchors and rows of that time keep their names.
    pub former: Vec<Identity>,
}

/// The spreadsheet rows go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetRef {
    /// `spreadsheetId`.
    pub id: String,
    /// For people.
    pub url: String,
    /// For people; may be renamed there.
    pub title: String,
}

/// A frozen batch. Its bytes never change: no upgrade, late row, amend or drop touches them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The marker it carries.
    pub id: MarkerId,
    /// What `id` was made from.
    pub seq: u64,
    /// Where it goes.
    pub spreadsheet: String,
    /// The exact request body.
    pub body: Arc<[u8]>,
    /// Over all of it but the marker's value.
    pub digest: Digest,
    /// How far it is.
    pub phase: Phase,
    /// The tabs as they were when it was frozen.
    pub tabs: Vec<FrozenTab>,
    /// How many rows it carries.
    pub rows: u32,
    /// For a batch of one row: how often that row was already refused alone.
    pub refusals: u32,
}

/// The state of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its bytes are sent until its register is known.
    Send,
    /// Its register is claimed by a void marker; its bytes are not sent any more.
    Void(Cause, String),
}

/// Why a batch is voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Google refused it, and its marker was not there: its content, or the layout it was made for.
    Content,
    /// 413, or no answer to a large request while others are answered.
    TooBig,
    /// No answer to a single row for a day while other requests are answered.
    NoAnswer,
    /// The spreadsheet is full.
    Full,
    /// A person wants rows to go to another spreadsheet.
    Move,
    /// Columns were moved, or tabs renamed, since it was frozen.
    Layout,
    /// It stayed behind when a copy left a spreadsheet that was gone. Another copy may have sent its rows in other
    /// batches: no void says that they are not there. One without a body was never a batch, only rows that waited.
    Copy,
}

/// A tab as a batch relied on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenTab {
    /// The table whose rows go there.
    pub table: String,
    /// `sheetId`.
    pub sheet_id: i32,
    /// The highest layout register that was there; 0 for none.
    pub version: u32,
    /// The header row, before this batch's own change; none if the tab did not exist.
    pub header: Option<Vec<String>>,
    /// The header row with this batch's own change.
    #[serde(default)]
    pub written: Vec<String>,
    /// What the tab was called, if the answer to the batch is to show its header row: it is asked for by that name.
    #[serde(default)]
    pub title: String,
}

/// A row in the sheet under other names than it was frozen for: people moved columns while its batch was on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Displaced {
    /// Id of the row.
    pub row: String,
    /// Where it is.
    pub spreadsheet: String,
    /// The tab it is in.
    pub sheet_id: i32,
    /// The header it was frozen for.
    pub meant: Vec<String>,
    /// The header it landed under; empty where the header was seen only later, and was another one then.
    pub found: Vec<String>,
    /// Its `CellData`, as they were sent.
    pub cells: Vec<Value>,
}

/// A marker of ours that is, or may be, in the spreadsheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// `metadataId`.
    pub id: MarkerId,
    /// What `id` was made from: the order of the batches.
    pub seq: u64,
    /// `metadataKey`.
    pub key: String,
    /// `metadataValue`.
    pub value: String,
    /// Whether it is the marker of an applied batch.
    pub applied: bool,
    /// Whether an attempt without an answer was made under this id.
    pub doubt: bool,
    /// `Date` (Unix seconds) of a reply of Google's that came after the last attempt under this id had ended.
    pub ended_at: Option<i64>,
}

/// New values for a row that was delivered.
#[derive(Clone, Debug)]
pub struct Amend {
    /// The edge's name for it.
    pub handle: i64,
    /// Id of the row.
    pub row: String,
    /// Header and new value; a blank empties the cell.
    pub cells: Vec<(String, Cell)>,
    /// What may stand on the row already.
    pub anchor: Option<Anchor>,
    /// The spreadsheet that the row was delivered to, if all of the row is remembered.
    pub remembered: Option<String>,
    /// Not new values: those it landed with are to go under their own names.
    pub displaced: Option<Displaced>,
}

/// What stands on a row while it is amended: a piece of metadata that moves with the row, whatever people do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// `metadataId`.
    pub id: MarkerId,
    /// What `id` was made from.
    pub seq: u64,
    /// Where the row is.
    pub spreadsheet: String,
}

/// Numbers that outlive a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Batches are not made longer than this; halved when one is too big, doubled by successes.
    pub size_limit_bytes: usize,
    /// Rows set aside since a row was last accepted.
    pub asides: u32,
    /// New ids taken in a row because the old one was not to be had.
    pub rekeys: u32,
    /// Writes that may still be made at once, in thousandths.
    pub tokens_milli: u32,
    /// When `tokens_milli` was true, since boot; the edge keeps the boot's id beside it.
    pub tokens_at: Duration,
}

impl Default for Tally {
    /// Of a device that has never sent anything.
    fn default() -> Self {
        Self {
            size_limit_bytes: crate::freeze::MAX_BODY_BYTES,
            asides: 0,
            rekeys: 0,
            tokens_milli: u32::MAX, // cut to the bucket's size when used
            tokens_at: Duration::ZERO,
        }
    }
}

/// Nothing is sent until something changes. Says what a person must do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "hold")]
pub enum Hold {
    /// The spreadsheet is gone, or not ours to write (any more).
    Closed {
        /// What kind of no it was.
        why: Closed,
        /// Google's words.
        message: String,
    },
    /// The spreadsheet knows markers of ours that this state does not: it is a copy, or restored from a backup.
    Copy {
        /// The marker that gave it away.
        marker: u32,
    },
    /// Another copy of this state directory goes on: only a person knows what became of the rows that both have.
    Retired {
        /// The tag it goes on under.
        by: String,
    },
    /// Three rows were refused one after the other: it is the sheet, not the rows. They wait in the queue.
    SheetRefuses {
        /// Google's words about the last of them.
        message: String,
    },
    /// The spreadsheet has no room left.
    Full {
        /// Google's words, or ours.
        message: String,
    },
    /// No spreadsheet could be created as configured.
    CannotCreate {
        /// Google's words.
        message: String,
    },
}

/// The kinds of "not for you".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// Deleted for ever, never ours, or the grant for it is lost: Google does not say which.
    NotFound,
    /// Visible, but this account may not write it.
    Forbidden,
    /// The Sheets API is not enabled in the Cloud project.
    ApiDisabled,
    /// The person did not tick the permission.
    Scope,
}

/// One arrow of the protocol: one transaction.
#[derive(Clone, Debug)]
pub enum Transition {
    /// A spreadsheet is about to be created under this title. If one was about to be before, and its fate was never heard,
    /// it may lie about, empty.
    Creating(String),
    /// That was not carried out, for certain.
    NotCreated,
    /// A spreadsheet was created. Its id is stored before any row is sent to it.
    SheetCreated(SheetRef),
    /// Rows go into a batch; takes `batch.seq`. All of them must still be queued, else nothing is changed.
    Frozen {
        /// The batch.
        batch: Batch,
        /// Its rows: the edge's handle and the row id.
        rows: Vec<(i64, String)>,
        /// With the write it costs.
        tally: Tally,
    },
    /// From now on the batch's own bytes are not sent any more.
    ToVoid {
        /// The batch.
        id: MarkerId,
        /// Why.
        cause: Cause,
        /// For people, and for the row if it ends aside.
        reason: String,
    },
    /// The register holds the batch: its rows are in the sheet.
    Applied {
        /// The batch's marker, as it is in the sheet.
        marker: Marker,
        /// The counters from now on.
        tally: Tally,
        /// Rows that landed under wrong names: they are to be amended before anything else that is said about them.
        displaced: Vec<Displaced>,
    },
    /// The register holds a void: no attempt can ever apply the batch.
    Voided {
        /// The void marker.
        marker: Marker,
        /// What becomes of the rows.
        verdict: Verdict,
        /// The counters from now on.
        tally: Tally,
        /// If it is the sheet and not the rows: the rows of this run that were set aside go back to the queue too.
        hold: Option<Hold>,
        /// If the spreadsheet is full.
        wish: Option<Wish>,
    },
    /// A step towards another spreadsheet.
    Wished(Wish),
    /// The wish cannot come true; the text says why. Everything stays as it was.
    WishRefused {
        /// The wish that ends.
        wish: Wish,
        /// Why.
        message: String,
        /// If nothing can be sent without it.
        hold: Option<Hold>,
    },
    /// Rows go to another spreadsheet from now on; what held them back is over. The courier must be made anew.
    Moved {
        /// Where.
        sheet: SheetRef,
        /// The wish that came true.
        wish: Wish,
        /// An open batch of which no attempt can be alive: its rows go back to the queue. Any other stays, bound.
        give_back: Option<MarkerId>,
        /// A copy goes on as this, and could not look which of its rows are in the spreadsheet that it leaves: those that it
        /// had when it found out, and all batches, stay there, bound, by [`Cause::Copy`].
        leaves: Option<Identity>,
        /// The counters from now on.
        tally: Tally,
    },
    /// A bound batch is bound no more: its marker tells whether its rows are done or go back to the queue.
    BoundSettled(Marker),
    /// The id was not to be had and no attempt can be alive: the same rows under a new id. Takes `batch.seq`.
    Rekeyed {
        /// The id that was given up.
        old: MarkerId,
        /// A void of ours that may still appear under it.
        left: Option<Marker>,
        /// The new batch.
        batch: Batch,
        /// The counters from now on.
        tally: Tally,
    },
    /// A reply of Google's told the time after these markers' last attempts.
    Stamped(Vec<MarkerId>, i64),
    /// These markers are gone from the spreadsheet.
    Pruned(Vec<MarkerId>),
    /// An amendment is about to be written through this anchor; takes `anchor.seq`. From here on its values do not change.
    Anchored {
        /// The edge's name for the amendment.
        amend: i64,
        /// What will stand on the row.
        anchor: Anchor,
    },
    /// The anchor can do nothing any more.
    AnchorClosed {
        /// The amendment.
        amend: i64,
        /// The anchor as it is now, to be pruned like any other marker.
        marker: Marker,
        /// The sheet shows the new values: the amendment is done. Else it begins again.
        is_written: bool,
    },
    /// The amended row is not in the sheet any more: it goes back to the queue, whole, with its new values.
    Returns {
        /// The amendment.
        amend: i64,
    },
    /// The displaced row is not in the sheet any more: nothing is to be put right.
    Gone {
        /// The amendment.
        amend: i64,
    },
    /// The amendment waits for a person; or, if it has an anchor, until that can be closed.
    Stuck {
        /// The amendment.
        amend: i64,
        /// Why.
        reason: String,
    },
    /// A step towards another identity.
    Releasing(Release),
    /// Rows with these ids are in this spreadsheet, whoever put them there: those of ours are done.
    Present {
        /// Where.
        spreadsheet: String,
        /// What its columns of row ids say.
        ids: Vec<String>,
    },
    /// The new identity is taken and the hold is over; rows of the open batch go back to the queue. The courier must be
    /// made anew.
    Renamed {
        /// Who we are from now on.
        identity: Identity,
        /// Markers of the old identity that were strange to us: nobody else prunes them.
        markers: Vec<Marker>,
    },
    /// Stop, and say why.
    Held(Hold),
    /// The reason to stop is gone.
    Released,
}

/// What becomes of the rows of a voided batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Back to the queue as they were: it was not their fault.
    Return,
    /// Back to the queue, to be sent in batches of at most so many rows.
    Halve(u32),
    /// Back to the queue; this one row was refused alone, and a second refusal sets it aside.
    RefusedOnce(String),
    /// Set aside: kept, listed, not sent until a person says so.
    Aside(String),
}
