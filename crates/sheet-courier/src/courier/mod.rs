//! The machine: what to do next, and why.
//!
//! [`Courier::next`] says what the edge must do; the edge does it and reports with [`Courier::committed`],
//! [`Courier::stale`], [`Courier::gathered`] or [`Courier::answered`]. The machine never waits, sends or stores.
//! It may be thrown away at any moment: a new one is made from the disk, as after a crash.

mod amending;
mod asking;
mod landed;
mod mirror;
mod moving;
mod open;
mod releasing;
mod replies;
mod tidy;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::cell::Row;
use crate::durable::{Amend, Batch, Durable, Hold, Marker, Phase, Release, Transition, Wish};
#[cfg(feature = "mutations")]
use crate::freeze;
use crate::freeze::{MAX_BODY_BYTES, MAX_ROWS, Plan};
use crate::ids::{Fate, MarkerId, marker_key};
use crate::layout::{Layout, Versions};
use crate::life;
use crate::mutation::Mutation;
use crate::pace::{Backoff, Pace};
use crate::room::{MOST_CELLS, Room};
use crate::wire::{Call, SheetProperties};

use amending::{Amending, Ask, Parked};
use landed::Landed;
use moving::{Bound, Reach, Register};
use releasing::Releasing;

/// A read of a marker must begin this soon after the 400 that asked for it: a twin may have pruned it meanwhile.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// A closed spreadsheet is asked for once an hour.
const PROBE_EVERY: Duration = Duration::from_secs(3600);
/// A person who enables the API waits in front of the device, and Google takes "a few minutes" (docs/google.md).
const PROBE_API_EVERY: Duration = Duration::from_secs(120);
/// So many attempts without an answer, over so long, while other requests are answered: the batch is too big.
const TOO_MANY_UNKNOWNS: u32 = 4;
const TOO_LONG_UNKNOWN: Duration = Duration::from_secs(15 * 60);
/// Between two attempts there is never more: a time-out and a back-off. What is above it is sleep.
const LONGEST_GAP: Duration = Duration::from_secs(300);
/// The same for a single row, which cannot be made smaller.
const NO_ANSWER_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Rows set aside with none accepted between: then it is the sheet.
const ASIDES_TO_STOP: u32 = 3;
/// New ids in a row that were not to be had either: then there is no room for metadata.
const REKEYS_TO_STOP: u32 = 3;
/// Markers that go in one call. A call costs as much as a batch of rows, so a few are worth waiting for.
const PRUNE_AT_LEAST: usize = 8;
const PRUNE_AT_MOST: usize = 100;
/// A header that stays narrower than its register for so long is not an old read: a person deleted columns. Shorter than the
/// minute that `deliver` takes by default: a longer wait would never end for who delivers like that.
const OLD_HEADER: Duration = Duration::from_secs(40);
/// Columns are added only where a look that is not older than this shows room. It cannot be undone where a person was
/// quicker; a row under wrong columns can.
const FRESH_HEADER: Duration = Duration::from_secs(10);
/// A marker of ours that we do not know, but could have pruned: reads may be older than writes. Look again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What the spreadsheet is to be when the device creates it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its title.
    pub title: String,
    /// Its time zone, an IANA name. Times are written in it.
    pub timezone: String,
    /// Its tables, at least those that are to be there before they have rows.
    pub tables: Vec<Table>,
}

/// A table: one tab.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Columns to begin with, behind the row id, in order.
    pub columns: Vec<String>,
}

/// What the edge must do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Hand over the oldest queued rows with [`Courier::gathered`]: at most so many, of about so many bytes, at least one;
    /// and with [`Courier::amendment`] the oldest amendment that is due.
    Gather {
        /// Rows.
        max_rows: u32,
        /// Bytes as stored.
        max_bytes: usize,
    },
    /// Make this change durable in one transaction, then call [`Courier::committed`]. If it cannot be made, throw the
    /// courier away.
    Commit(Transition),
    /// Make one attempt, then call [`Courier::answered`].
    Send(Call),
    /// Nothing to do before then (time since boot).
    WaitUntil(Duration),
    /// Nothing to do before then, and a person should know why.
    Hold(Hold, Duration),
    /// Nothing to do until a row is recorded.
    Idle,
}

/// The courier of one spreadsheet, for as long as its process holds the delivery lock.
#[derive(Debug)]
pub struct Courier {
    options: Options,
    /// What the disk holds, as far as it was acknowledged.
    state: Durable,
    lock_taken: Duration,
    doing: Doing,
    /// A change that the last answer made necessary.
    due: Option<Transition>,
    trail: Trail,
    settle: Settle,
    /// The void marker of the open batch is there; seen at this `Date` of Google's.
    voided: Option<Option<i64>>,
    /// The last check showed that marker: the layout registers beside it are no older than it.
    void_seen: bool,
    /// The open batch is there.
    landed: Option<Landed>,
    checked_at: Option<Duration>,
    suspicion: Option<Duration>,
    /// Markers pruned by this process: a read that is older than the prune may still show them.
    forgotten: Vec<Marker>,
    settled_at: Vec<(MarkerId, Duration)>,
    known: Known,
    room: Room,
    /// The tabs of tables, as last seen. They may be gone; then Google refuses to show them.
    tab_ids: BTreeMap<String, i32>,
    /// A look at tabs by their ids failed: one is gone, or has another id, as in a spreadsheet that was adopted.
    guess_refused: bool,
    /// An answer about tabs did not hold the spreadsheet's metadata: they are asked for one by one.
    look_in_vain: bool,
    gathered: Option<Vec<Row>>,
    gathered_at: Duration,
    /// The amendment whose turn it is.
    amend: Option<Amend>,
    amending: Amending,
    /// Amendments that wait for a spreadsheet that does not answer.
    parked: Vec<Parked>,
    /// Rows and amendments take turns.
    rows_went_last: bool,
    pace: Pace,
    /// Of reads, and of what carries a batch: an answered read says nothing about the batch.
    backoffs: [Backoff; 2],
    not_before: Duration,
    prune_after: Duration,
    prune_singly: bool,
    /// Its prune was refused: is it there at all?
    prune_look_up: Option<MarkerId>,
    probe_at: Duration,
    /// What is known of the register that names the next spreadsheet.
    register: Register,
    /// Since when the spreadsheet that it names is not shown to us.
    hidden_since: Option<Duration>,
    bound: Bound,
    reach: Reach,
    releasing: Releasing,
    creating: Creating,
    /// The newest `Date` of Google's, and when it came.
    google: Option<(i64, Duration)>,
    trouble: Option<String>,
    mutation: Option<Mutation>,
    /// The last number that the edge drew.
    #[cfg(feature = "mutations")]
    dice: u32,
    /// The rows that went with the creation of the spreadsheet.
    #[cfg(feature = "mutations")]
    carried: usize,
}

/// What the edge is at.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Doing {
    Nothing,
    Committing(Transition),
    Sending(Asked, Duration),
}

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Create,
    /// Our markers and all layout registers.
    Check,
    /// The same, and tabs as [`Asked::Glance`], in one answer.
    Look(Vec<(String, i32)>),
    Tabs,
    /// Tabs whose ids are known, with their header rows, in one answer.
    Glance(Vec<(String, i32)>),
    /// The sizes of all tabs.
    Sizes,
    /// The header rows of the tabs of these tables.
    Headers(Vec<(String, SheetProperties)>),
    Batch,
    Void,
    /// The marker of the open batch.
    Marker,
    /// The header rows that the open batch landed under.
    Landed,
    Prune(Vec<MarkerId>),
    /// One marker, after its prune was refused.
    Pruned(MarkerId),
    /// The name of a spreadsheet that rows are to go to.
    Adopt(String),
    /// The register that names the next spreadsheet.
    Register,
    /// Writes that register.
    Claim,
    /// Whether the spreadsheet can be written, before a copy leaves it for good.
    Reach,
    /// The markers of ours in the spreadsheet of the first bound batch.
    BoundCheck,
    /// The void of that batch.
    BoundVoid,
    /// About the amendment at hand.
    Amend(Ask),
    /// On the way to another identity.
    Release(releasing::Ask),
}

/// The attempts of the open batch in this process.
#[derive(Debug)]
struct Trail {
    /// Whether an attempt may be alive that is not known to have been answered. True for every batch that was found,
    /// not frozen, by this holder of the lock.
    doubt: bool,
    /// An attempt was refused. The one that the network sent before it, twice over, may have been applied.
    refused: bool,
    /// When the last attempt of the rows ended; attempts of a dead process ended when the lock was taken.
    ended: Duration,
    /// When the batch's oldest row was recorded.
    oldest: Duration,
    /// Whether its first write was already counted.
    paid: bool,
    unknowns: u32,
    last_unknown: Duration,
    /// How long there was no answer since the first of these. A board that sleeps does not wait for one.
    silent: Duration,
    /// Another request was answered since.
    others_answered: bool,
    /// The layout once it is applied, if it was frozen here.
    after: Option<(Layout, Versions)>,
    /// When it was, if so.
    frozen: Option<Duration>,
    /// When all of `after` was seen to be so.
    seen_at: Option<Duration>,
}

/// Finding out what a 400 meant.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Settle {
    No,
    /// Read the marker, if that can begin soon after this moment. The text is what Google said.
    Read(Duration, String),
    /// The id is not to be had: when no attempt of the rows can be alive any more, read it again.
    ReadAgain(Duration, String),
    /// Then it was not there, or the spreadsheet was not: a look at all markers tells which.
    Confirm,
}

/// The last attempt to create a spreadsheet, if the disk says that there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Creating {
    /// Not made yet, or refused: the next attempt is the same as this one.
    Free,
    /// Refused, or never sent: the disk is to be told.
    NotMade,
    /// It may have been carried out.
    Unknown,
}

/// What is known of the spreadsheet's layout. Versions are read before headers: the other way round, a header that is
/// older than its version would let us write over another device's new column.
#[derive(Debug, Default)]
struct Known {
    versions: Option<Versions>,
    tabs: Option<Vec<SheetProperties>>,
    layout: Option<Layout>,
    at: Duration,
    /// Since when headers are read that are narrower than their registers.
    old_since: Option<Duration>,
}

impl Courier {
    /// Starts from what the disk holds. Call it after the delivery lock was taken, at `now` (time since boot).
    pub fn new(state: Durable, options: Options, now: Duration) -> Self {
        Self {
            pace: Pace::resume(&state.tally, now),
            probe_at: now,
            // A batch that is found is in doubt: somebody may have sent it.
            trail: Trail::of_found(now),
            options,
            state,
            lock_taken: now,
            doing: Doing::Nothing,
            due: None,
            settle: Settle::No,
            voided: None,
            void_seen: false,
            landed: None,
            checked_at: None,
            suspicion: None,
            forgotten: Vec::new(),
            settled_at: Vec::new(),
            known: Known::default(),
            room: Room::default(),
            tab_ids: BTreeMap::new(),
            guess_refused: false,
            look_in_vain: false,
            gathered: None,
            gathered_at: now,
            amend: None,
            amending: Amending::default(),
            parked: Vec::new(),
            rows_went_last: false,
            backoffs: [Backoff::default(); 2],
            not_before: Duration::ZERO,
            prune_after: Duration::ZERO,
            prune_singly: false,
            prune_look_up: None,
            register: Register::Unread,
            hidden_since: None,
            bound: Bound::default(),
            reach: Reach::Unasked,
            releasing: Releasing::from(now),
            // One that is found was about to be made by a process that died.
            creating: Creating::Unknown,
            google: None,
            trouble: None,
            mutation: None,
            #[cfg(feature = "mutations")]
            dice: 0,
            #[cfg(feature = "mutations")]
            carried: 0,
        }
    }

    /// Leaves out one rule of the protocol.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn mutated(mut self, mutation: Mutation) -> Self {
        self.mutation = Some(mutation);
        match (mutation, &mut self.state.batch) {
            (Mutation::FoundBatchNotInDoubt, _) => self.trail.doubt = false,
            (Mutation::FoundBatchIsRemade, Some(batch)) if batch.phase == Phase::Send => {
                let key = marker_key(&self.state.device.tag);
                let spaced = [&batch.body[..batch.body.len() - 1], b" }"].concat();
                let sealed = freeze::reseal(&batch.spreadsheet, &spaced, (batch.id, batch.digest), batch.id, &key);
                (batch.body, batch.digest) = (sealed.body, sealed.digest);
            }
            _ => {}
        }
        self
    }

    /// What went wrong last, in one line; none once things go well again.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The batch in flight.
    pub fn batch(&self) -> Option<&Batch> {
        self.state.batch.as_ref()
    }

    /// The batch in flight may or may not be in the sheet.
    pub fn in_doubt(&self) -> bool {
        self.state.batch.is_some() && self.trail.doubt
    }

    /// A spreadsheet that is created from now on begins with these tables.
    pub fn begins_with(&mut self, tables: Vec<Table>) {
        self.options.tables = tables;
    }

    /// A person wants another spreadsheet, or no other any more: said in another process.
    pub fn wish(&mut self, wish: Option<Wish>) {
        if self.state.wish != wish {
            self.state.wish = wish;
            self.reach = Reach::Unasked;
            self.register = Register::Unread;
            self.hidden_since = None;
        }
    }

    /// Bound batches may have been settled by a person, in another process: how many there are now.
    pub fn bound(&self) -> usize {
        self.state.bound.len()
    }

    /// What the disk says of the way to another identity, as far as it was acknowledged.
    pub fn release(&self) -> Option<&Release> {
        self.state.release.as_ref()
    }

    /// A person lifted the hold, in another process.
    pub fn hold_lifted(&mut self) {
        self.state.hold = None;
    }

    /// What to do at `now` (time since boot, never going back).
    pub fn next(&mut self, now: Duration) -> Step {
        match self.doing {
            // The edge lost track of an attempt: it may be alive.
            Doing::Sending(Asked::Batch, _) => (self.trail.doubt, self.trail.ended) = (true, now),
            Doing::Sending(Asked::Create, _) => self.creating = Creating::Unknown,
            Doing::Sending(Asked::Amend(ask), _) => self.amend_lost(ask, String::from("no answer"), now, 0),
            _ => {}
        }
        if let Doing::Committing(change) = &self.doing {
            return Step::Commit(change.clone());
        }
        self.doing = Doing::Nothing;
        match self.decide(now) {
            Next::Commit(change) => {
                self.doing = Doing::Committing(change.clone());
                Step::Commit(change)
            }
            Next::Ask(asked) => {
                if let Asked::Amend(_) = asked {
                    // The next batch before the next step, if there are rows.
                    self.rows_went_last = false;
                    self.gathered = None;
                }
                let call = self.call(&asked);
                if call.writes && !self.is_paid(&asked) {
                    self.pace.take(now);
                }
                self.doing = Doing::Sending(asked, now);
                Step::Send(call)
            }
            Next::Gather => {
                self.gathered_at = now;
                Step::Gather { max_rows: MAX_ROWS, max_bytes: self.state.tally.size_limit_bytes.min(MAX_BODY_BYTES) }
            }
            Next::Wait(until) => {
                // Rows that come meanwhile belong into the next batch.
                self.gathered = None;
                Step::WaitUntil(until)
            }
            Next::Hold(hold, until) => Step::Hold(hold, until),
            Next::Idle => Step::Idle,
        }
    }

    /// The rows asked for by [`Step::Gather`]; none if none are queued.
    pub fn gathered(&mut self, rows: Vec<Row>) {
        self.gathered = Some(rows);
    }

    /// The change was refused because rows are not queued any more: gather again.
    pub fn stale(&mut self) {
        self.doing = Doing::Nothing;
        self.gathered = None;
        if self.amend.as_ref().is_some_and(|amend| amend.anchor.is_none()) {
            self.amendment(None);
        }
    }

    fn decide(&mut self, now: Duration) -> Next {
        if let Some(change) = self.due.take() {
            return Next::Commit(change);
        }
        if self.state.creating && self.creating == Creating::NotMade {
            return Next::Commit(Transition::NotCreated);
        }
        if let Some(wish) = self.state.wish.clone()
            && let Some(next) = self.moving(wish, now)
        {
            return next;
        }
        if let Some(settle) = self.settle_bound(now) {
            return settle;
        }
        match self.state.hold.clone() {
            Some(Hold::Copy { .. }) if self.state.sheet.is_some() => return self.releasing(now),
            Some(hold) => return self.held(hold, now),
            None => {}
        }
        if now < self.not_before {
            return Next::Wait(self.not_before);
        }
        if self.state.sheet.is_none() {
            return self.without_sheet(now);
        }
        match self.state.batch.as_ref().map(|batch| batch.phase.clone()) {
            None => self.without_batch(now),
            Some(Phase::Send) => self.sending(now),
            Some(Phase::Void(cause, reason)) => self.voiding(cause, reason, now),
        }
    }

    /// Recording goes on; only what could lift the hold is tried.
    fn held(&self, hold: Hold, now: Duration) -> Next {
        let can_lift_itself = matches!(hold, Hold::Closed { .. } | Hold::Copy { .. } | Hold::CannotCreate { .. });
        if !can_lift_itself {
            return Next::Hold(hold, Duration::MAX);
        }
        // A probe that failed is not repeated at once.
        let probe_at = self.probe_at.max(self.not_before);
        if now < probe_at {
            return Next::Hold(hold, probe_at);
        }
        match self.state.sheet {
            Some(_) => Next::Ask(Asked::Check),
            None => Next::Commit(Transition::Released),
        }
    }

    fn without_sheet(&mut self, now: Duration) -> Next {
        match self.gathered.take() {
            None => Next::Gather,
            Some(rows) if rows.is_empty() => self.idle(now),
            Some(rows) => {
                let ready = self.pace.ready_at(now);
                if now < ready {
                    return Next::Wait(ready);
                }
                self.gathered = Some(rows);
                self.create(now)
            }
        }
    }

    fn without_batch(&mut self, now: Duration) -> Next {
        let Some(rows) = &self.gathered else { return Next::Gather };
        if (rows.is_empty() || self.rows_went_last)
            && let Some(next) = self.amends(now)
        {
            return next;
        }
        let Some(rows) = &self.gathered else { return Next::Gather };
        if rows.is_empty() {
            self.gathered = None;
            return self.tidy(now);
        }
        // Rows of an earlier boot count as recorded at its start.
        let oldest = rows.iter().map(|row| row.recorded.unwrap_or(Duration::ZERO)).min().unwrap_or(now);
        if self.check_needed(oldest, now) {
            return Next::Ask(self.check_and_glance());
        }
        if let Some(read) = self.layout_needed(now) {
            return read;
        }
        if !life::has_room(self.state.markers.len()) {
            return self.make_room(now);
        }
        let ready = self.pace.ready_at(now);
        if now < ready {
            return Next::Wait(ready);
        }
        self.freeze(oldest, now)
    }

    fn freeze(&mut self, oldest: Duration, now: Duration) -> Next {
        #[cfg_attr(not(feature = "mutations"), expect(unused_mut, reason = "a mutation"))]
        let mut rows = self.gathered.take().unwrap_or_default();
        #[cfg(feature = "mutations")]
        if self.carried > 0 {
            rows.truncate(self.carried);
        }
        let (Some(sheet), Some(layout), Some(versions)) = (&self.state.sheet, &self.known.layout, &self.known.versions)
        else {
            return Next::Gather;
        };
        let device = &self.state.device;
        #[cfg_attr(not(feature = "mutations"), expect(unused_mut, reason = "a mutation"))]
        let mut plan = Plan::of(&rows, layout, versions, &sheet.id, self.state.tally.size_limit_bytes);
        #[cfg(feature = "mutations")]
        if self.left_out(Mutation::NoLayoutRegister) {
            plan.without_registers();
        }
        if self.room.is_full_for(&plan.grows) {
            self.gathered = Some(rows);
            return self.moves_ahead(now);
        }
        #[cfg_attr(not(feature = "mutations"), expect(unused_mut, reason = "a mutation"))]
        let mut id = MarkerId::of(device.base, device.next_seq);
        #[cfg(feature = "mutations")]
        if self.left_out(Mutation::RandomIds) {
            id = MarkerId::of(self.dice, 0);
        }
        let sealed = plan.seal(&sheet.id, id, &self.key());
        let taken = &rows[..plan.rows];
        #[cfg(feature = "mutations")]
        let body = if self.left_out(Mutation::NoMarker) { plan.without_marker() } else { sealed.body };
        #[cfg(not(feature = "mutations"))]
        let body = sealed.body;
        let batch = Batch {
            id,
            seq: device.next_seq,
            spreadsheet: sheet.id.clone(),
            body,
            digest: sealed.digest,
            phase: Phase::Send,
            tabs: plan.tabs,
            rows: plan.rows as u32,
            refusals: if plan.rows == 1 { taken[0].refusals } else { 0 },
        };
        self.pace.take(now);
        let mut tally = self.state.tally;
        self.pace.store(&mut tally);
        self.trail = Trail::of_frozen(oldest, now, Some((plan.after, plan.versions_after)));
        let rows = taken.iter().map(|row| (row.handle, row.id.clone())).collect();
        Next::Commit(Transition::Frozen { batch, rows, tally })
    }

    /// The next batch would not fit, as far as is known: before Google refuses it, rows go on in the next spreadsheet, in the
    /// same way as if it had (protocol section 7). Nothing is open here that would have to be voided.
    fn moves_ahead(&mut self, now: Duration) -> Next {
        // Siblings and people fill it too, and make room.
        if self.room.looked_at().is_none_or(|at| now.saturating_sub(at) >= LOOK_AGAIN) {
            return Next::Ask(Asked::Sizes);
        }
        let cells = self.room.cells();
        self.trouble = Some(alloc::format!("the spreadsheet is nearly full: {cells} of {MOST_CELLS} cells"));
        Next::Commit(Transition::Wished(Wish::Next))
    }

    fn key(&self) -> String {
        marker_key(&self.state.device.tag)
    }

    /// The key of what was made under this id: the device may have had another tag then.
    fn key_of(&self, id: MarkerId, seq: u64) -> String {
        let device = &self.state.device;
        let former = device.former.iter().rev().filter(|_| MarkerId::of(device.base, seq) != id);
        let made_by = former.into_iter().find(|identity| MarkerId::of(identity.base, seq) == id);
        marker_key(made_by.map_or(&device.tag, |identity| &identity.tag))
    }

    fn marker(&self, batch: &Batch, fate: Fate, doubt: bool, ended_at: Option<i64>) -> Marker {
        Marker {
            id: batch.id,
            seq: batch.seq,
            key: self.key_of(batch.id, batch.seq),
            value: fate.value(batch.digest),
            applied: fate == Fate::Applied,
            doubt,
            ended_at,
        }
    }

    fn left_out(&self, mutation: Mutation) -> bool {
        cfg!(feature = "mutations") && self.mutation == Some(mutation)
    }
}

impl Trail {
    fn of_found(now: Duration) -> Self {
        Self {
            doubt: true,
            refused: false,
            ended: now,
            oldest: Duration::ZERO,
            paid: false,
            unknowns: 0,
            last_unknown: Duration::ZERO,
            silent: Duration::ZERO,
            others_answered: false,
            after: None,
            frozen: None,
            seen_at: None,
        }
    }

    fn of_frozen(oldest: Duration, now: Duration, after: Option<(Layout, Versions)>) -> Self {
        Self { doubt: false, oldest, paid: true, after, frozen: Some(now), ..Self::of_found(now) }
    }
}

/// [`Step`], before it is known how it is done.
#[expect(clippy::large_enum_variant, reason = "lives for one call")]
enum Next {
    Commit(Transition),
    Ask(Asked),
    Gather,
    Wait(Duration),
    Hold(Hold, Duration),
    Idle,
}
