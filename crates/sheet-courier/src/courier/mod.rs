//! The machine: what to do next, and why.
//!
//! [`Courier::next`] says what the edge must do; the edge does it and reports with [`Courier::committed`],
//! [`Courier::stale`], [`Courier::gathered`] or [`Courier::answered`]. The machine never waits, sends or stores.
//! It may be thrown away at any moment: a new one is made from the disk, as after a crash.

mod mirror;
mod replies;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::C;
use crate::cell::Row;
use crate::durable::{Batch, Cause, Durable, Hold, Marker, Phase, Transition, Verdict};
use crate::freeze::{self, MAX_BODY_BYTES, MAX_ROWS, Plan, PruneBy};
use crate::ids::{Fate, MarkerId, marker_key};
use crate::layout::{ID_COLUMN, LAYOUT_KEY, Layout, Versions, tab_of};
use crate::life::{self, Ages};
use crate::mutation::Mutation;
use crate::pace::{Backoff, Pace};
use crate::wire::{self, Call, SheetProperties};

/// A read of a marker must begin this soon after the 400 that asked for it: a twin may have pruned it meanwhile.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// A closed spreadsheet is asked for once an hour.
const PROBE_EVERY: Duration = Duration::from_secs(3600);
/// A person who enables the API waits in front of the device, and Google takes "a few minutes" (docs/google.md).
const PROBE_API_EVERY: Duration = Duration::from_secs(120);
/// So many attempts without an answer, over so long, while other requests are answered: the batch is too big.
const TOO_MANY_UNKNOWNS: u32 = 4;
const TOO_LONG_UNKNOWN: Duration = Duration::from_secs(15 * 60);
/// The same for a single row, which cannot be made smaller.
const NO_ANSWER_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Rows set aside with none accepted between: then it is the sheet.
const ASIDES_TO_STOP: u32 = 3;
/// New ids in a row that were not to be had either: then there is no room for metadata.
const REKEYS_TO_STOP: u32 = 3;
/// Markers that go in one call. A call costs as much as a batch of rows, so a few are worth waiting for.
const PRUNE_AT_LEAST: usize = 8;
const PRUNE_AT_MOST: usize = 100;
/// A header that stays narrower than its register for so long is not an old read: a person deleted columns.
const OLD_HEADER: Duration = Duration::from_secs(60);
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
    /// Hand over the oldest queued rows with [`Courier::gathered`]: at most so many, of about so many bytes, at least one.
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
    checked_at: Option<Duration>,
    suspicion: Option<Duration>,
    /// Markers pruned by this process: a read that is older than the prune may still show them.
    forgotten: Vec<Marker>,
    settled_at: Vec<(MarkerId, Duration)>,
    known: Known,
    gathered: Option<Vec<Row>>,
    pace: Pace,
    /// Of reads, and of what carries a batch: an answered read says nothing about the batch.
    backoffs: [Backoff; 2],
    not_before: Duration,
    prune_after: Duration,
    prune_singly: bool,
    /// Its prune was refused: is it there at all?
    prune_look_up: Option<MarkerId>,
    probe_at: Duration,
    google: Option<i64>,
    trouble: Option<String>,
    mutation: Option<Mutation>,
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
    Tabs,
    /// The header rows of the tabs of these tables.
    Headers(Vec<(String, SheetProperties)>),
    Batch,
    Void,
    /// The marker of the open batch.
    Marker,
    Prune(Vec<MarkerId>),
    /// One marker, after its prune was refused.
    Pruned(MarkerId),
}

/// The attempts of the open batch in this process.
#[derive(Debug)]
struct Trail {
    /// Whether an attempt may be alive that is not known to have been answered. True for every batch that was found,
    /// not frozen, by this holder of the lock.
    doubt: bool,
    /// When the last attempt of the rows ended; attempts of a dead process ended when the lock was taken.
    ended: Duration,
    /// When the batch's oldest row was recorded.
    oldest: Duration,
    /// Whether its first write was already counted.
    paid: bool,
    unknowns: u32,
    first_unknown: Duration,
    /// Another request was answered since.
    others_answered: bool,
    /// The layout once it is applied, if it was frozen here.
    after: Option<(Layout, Versions)>,
}

/// Finding out what a 400 meant.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Settle {
    No,
    /// Read the marker, if that can begin soon after this moment. The text is what Google said.
    Read(Duration, String),
    /// The id is not to be had: when no attempt of the rows can be alive any more, read it again.
    ReadAgain(Duration, String),
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
            checked_at: None,
            suspicion: None,
            forgotten: Vec::new(),
            settled_at: Vec::new(),
            known: Known::default(),
            gathered: None,
            backoffs: [Backoff::default(); 2],
            not_before: Duration::ZERO,
            prune_after: Duration::ZERO,
            prune_singly: false,
            prune_look_up: None,
            google: None,
            trouble: None,
            mutation: None,
        }
    }

    /// Leaves out one rule of the protocol.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn mutated(mut self, mutation: Mutation) -> Self {
        self.mutation = Some(mutation);
        if mutation == Mutation::FoundBatchNotInDoubt {
            self.trail.doubt = false;
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

    /// A person lifted the hold, in another process.
    pub fn hold_lifted(&mut self) {
        self.state.hold = None;
    }

    /// What to do at `now` (time since boot, never going back).
    pub fn next(&mut self, now: Duration) -> Step {
        if let Doing::Sending(Asked::Batch, _) = self.doing {
            // The edge lost track of an attempt: it may be alive.
            self.trail.doubt = true;
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
                let call = self.call(&asked);
                if call.writes && !self.is_paid(&asked) {
                    self.pace.take(now);
                }
                self.doing = Doing::Sending(asked, now);
                Step::Send(call)
            }
            Next::Gather => {
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
    }

    fn decide(&mut self, now: Duration) -> Next {
        if let Some(change) = self.due.take() {
            return Next::Commit(change);
        }
        if let Some(hold) = self.state.hold.clone() {
            return self.held(hold, now);
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
        if now < self.probe_at {
            return Next::Hold(hold, self.probe_at);
        }
        match self.state.sheet {
            Some(_) => Next::Ask(Asked::Check),
            None => Next::Commit(Transition::Released),
        }
    }

    fn without_sheet(&mut self, now: Duration) -> Next {
        match self.gathered.take() {
            None => Next::Gather,
            Some(rows) if rows.is_empty() => Next::Idle,
            Some(rows) => {
                let ready = self.pace.ready_at(now);
                if now < ready {
                    return Next::Wait(ready);
                }
                self.gathered = Some(rows);
                Next::Ask(Asked::Create)
            }
        }
    }

    fn without_batch(&mut self, now: Duration) -> Next {
        let Some(rows) = &self.gathered else { return Next::Gather };
        if rows.is_empty() {
            self.gathered = None;
            return self.tidy(now);
        }
        // Rows of an earlier boot count as recorded at its start.
        let oldest = rows.iter().map(|row| row.recorded.unwrap_or(Duration::ZERO)).min().unwrap_or(now);
        if self.check_needed(oldest, now) {
            return Next::Ask(Asked::Check);
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

    /// The contact check (protocol section 8): is there a marker of ours that we do not know, or do not know enough of?
    fn check_needed(&self, oldest: Duration, now: Duration) -> bool {
        if self.left_out(Mutation::NoContactCheck) {
            return self.known.versions.is_none();
        }
        match self.checked_at {
            None => true,
            Some(checked) => now.saturating_sub(checked) >= C && now.saturating_sub(oldest) >= C,
        }
    }

    /// People move, rename and insert columns: a layout is believed for as long as a check is.
    fn layout_needed(&mut self, now: Duration) -> Option<Next> {
        if self.known.layout.is_some() && now.saturating_sub(self.known.at) >= C {
            self.known.layout = None;
            self.known.tabs = None;
        }
        let tables = self.tables_wanted();
        if self.known.layout.as_ref().is_some_and(|layout| layout.covers(tables.iter().map(String::as_str))) {
            return None;
        }
        if self.known.versions.is_none() {
            return Some(Next::Ask(Asked::Check));
        }
        let Some(tabs) = &self.known.tabs else { return Some(Next::Ask(Asked::Tabs)) };
        let found: Vec<(String, SheetProperties)> =
            tables.iter().filter_map(|table| tab_of(table, tabs).map(|tab| (table.clone(), tab.clone()))).collect();
        if found.is_empty() {
            self.known.layout = Some(Layout { tabs: tables.into_iter().map(|table| (table, None)).collect() });
            self.known.tabs = None;
            self.known.at = now;
            return None;
        }
        Some(Next::Ask(Asked::Headers(found)))
    }

    /// Of the rows at hand and of the open batch.
    fn tables_wanted(&self) -> Vec<String> {
        let rows = self.gathered.iter().flatten().map(|row| &row.table);
        let batch = self.state.batch.iter().flat_map(|batch| &batch.tabs).map(|tab| &tab.table);
        let mut tables: Vec<String> = rows.chain(batch).cloned().collect();
        tables.sort();
        tables.dedup();
        tables
    }

    fn freeze(&mut self, oldest: Duration, now: Duration) -> Next {
        let rows = self.gathered.take().unwrap_or_default();
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
        let id = MarkerId::of(device.base, device.next_seq);
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

    fn sending(&mut self, now: Duration) -> Next {
        if self.left_out(Mutation::FoundBatchIsUnfrozen) && self.trail.after.is_none() {
            return self.unfreeze();
        }
        if let Some(read) = self.settling(now) {
            return read;
        }
        if self.check_needed(self.trail.oldest, now) {
            return Next::Ask(Asked::Check);
        }
        if let Some((cause, reason)) = self.gives_up(now) {
            return self.to_void(cause, reason);
        }
        self.paced(Asked::Batch, now)
    }

    /// Why this batch's bytes will not be sent any more, though nobody refused them.
    fn gives_up(&self, now: Duration) -> Option<(Cause, String)> {
        let (batch, trail) = (self.state.batch.as_ref()?, &self.trail);
        let silent_for = now.saturating_sub(trail.first_unknown);
        if trail.unknowns < TOO_MANY_UNKNOWNS || silent_for < TOO_LONG_UNKNOWN || !trail.others_answered {
            return None;
        }
        if batch.rows > 1 {
            return Some((Cause::TooBig, format!("no answer to {} attempts", trail.unknowns)));
        }
        let day = silent_for >= NO_ANSWER_AFTER;
        day.then(|| (Cause::NoAnswer, format!("no answer to {} attempts in a day", trail.unknowns)))
    }

    fn voiding(&mut self, cause: Cause, reason: String, now: Duration) -> Next {
        if let Some(date) = self.voided {
            return self.after_void(cause, reason, date, now);
        }
        if let Settle::ReadAgain(..) = self.settle
            && let Some(prune) = self.prune_now(1, now)
        {
            return prune;
        }
        if let Some(read) = self.settling(now) {
            return read;
        }
        if self.check_needed(self.trail.oldest, now) {
            return Next::Ask(Asked::Check);
        }
        self.paced(Asked::Void, now)
    }

    /// No attempt can apply the batch any more: what becomes of its rows?
    fn after_void(&mut self, cause: Cause, reason: String, date: Option<i64>, now: Duration) -> Next {
        if cause == Cause::Content
            && let Some(read) = self.layout_needed(now)
        {
            // A layout that was read after the refusal tells whether it was the content.
            return read;
        }
        self.voided_now(cause, reason, date)
    }

    fn voided_now(&self, cause: Cause, reason: String, date: Option<i64>) -> Next {
        let Some(batch) = &self.state.batch else { return Next::Gather };
        let mut tally = self.state.tally;
        tally.rekeys = 0;
        self.pace.store(&mut tally);
        let one_row = batch.rows <= 1;
        let full = reason.clone();
        let verdict = match cause {
            Cause::Content if !self.layout_unchanged(batch) && !self.left_out(Mutation::LayoutNotRead) => {
                Verdict::Return
            }
            Cause::Content | Cause::TooBig if one_row => {
                let only_one_id = batch.refusals == 0 && !self.left_out(Mutation::LayoutNotRead);
                if only_one_id { Verdict::RefusedOnce(reason) } else { Verdict::Aside(reason) }
            }
            Cause::Content => Verdict::Halve(batch.rows.div_ceil(2)),
            Cause::TooBig => {
                tally.size_limit_bytes = (batch.body.len() / 2).min(tally.size_limit_bytes / 2).max(1);
                Verdict::Halve(batch.rows.div_ceil(2))
            }
            Cause::NoAnswer => Verdict::Aside(reason),
            Cause::Full => Verdict::Return,
        };
        let mut hold = None;
        if let Verdict::Aside(message) = &verdict {
            tally.asides += 1;
            if tally.asides >= ASIDES_TO_STOP {
                tally.asides = 0;
                hold = Some(Hold::SheetRefuses { message: message.clone() });
            }
        } else if cause == Cause::Full {
            hold = Some(Hold::Full { message: full });
        }
        let marker = self.marker(batch, Fate::Void, true, date);
        Next::Commit(Transition::Voided { marker, verdict, tally, hold })
    }

    fn layout_unchanged(&self, batch: &Batch) -> bool {
        match (&self.known.layout, &self.known.versions) {
            (Some(layout), Some(versions)) => layout.matches(&batch.tabs, versions),
            _ => false,
        }
    }

    /// Reads the open batch's marker, if a 400 made that necessary.
    fn settling(&mut self, now: Duration) -> Option<Next> {
        match &self.settle {
            Settle::No => None,
            Settle::Read(refused, _) if now.saturating_sub(*refused) <= SETTLE_WITHIN => Some(Next::Ask(Asked::Marker)),
            Settle::Read(..) => {
                self.settle = Settle::No;
                None
            }
            Settle::ReadAgain(at, _) if now < *at => Some(Next::Wait(*at)),
            Settle::ReadAgain(..) => Some(Next::Ask(Asked::Marker)),
        }
    }

    fn to_void(&self, cause: Cause, reason: String) -> Next {
        match &self.state.batch {
            Some(batch) => Next::Commit(Transition::ToVoid { id: batch.id, cause, reason }),
            None => Next::Gather,
        }
    }

    /// The same rows under a new id: only when no attempt under the old one can be alive.
    fn rekey(&self, reason: &str) -> Transition {
        let Some(batch) = &self.state.batch else { return Transition::Released };
        let mut tally = self.state.tally;
        tally.rekeys += 1;
        self.pace.store(&mut tally);
        if tally.rekeys > REKEYS_TO_STOP {
            return Transition::Held(Hold::Full { message: format!("no room for markers: {reason}") });
        }
        let device = &self.state.device;
        let id = MarkerId::of(device.base, device.next_seq);
        let sealed = freeze::reseal(&batch.spreadsheet, &batch.body, (batch.id, batch.digest), id, &self.key());
        let new = Batch {
            id,
            seq: device.next_seq,
            body: sealed.body,
            digest: sealed.digest,
            phase: Phase::Send,
            ..batch.clone()
        };
        // A void that was sent may still land; it must be known when it does.
        let left = matches!(batch.phase, Phase::Void(..)).then(|| self.marker(batch, Fate::Void, true, None));
        Transition::Rekeyed { old: batch.id, left, batch: new, tally }
    }

    /// Between calls, never before a waiting row.
    fn tidy(&mut self, now: Duration) -> Next {
        if let Some(google) = self.google {
            let unstamped = self.state.markers.iter().filter(|marker| marker.ended_at.is_none());
            let ids: Vec<MarkerId> = unstamped.map(|marker| marker.id).collect();
            if !ids.is_empty() {
                return Next::Commit(Transition::Stamped(ids, google));
            }
        }
        self.prune_now(PRUNE_AT_LEAST, now).unwrap_or(Next::Idle)
    }

    fn prune_now(&mut self, at_least: usize, now: Duration) -> Option<Next> {
        if let Some(id) = self.prune_look_up.take() {
            return Some(Next::Ask(Asked::Pruned(id)));
        }
        let mut old = self.prunable(now);
        if old.len() < at_least || now < self.prune_after || now < self.pace.ready_at(now) {
            return None;
        }
        old.truncate(if self.prune_singly { 1 } else { PRUNE_AT_MOST });
        Some(Next::Ask(Asked::Prune(old)))
    }

    fn prunable(&self, now: Duration) -> Vec<MarkerId> {
        #[cfg(feature = "mutations")]
        match self.mutation {
            Some(Mutation::PruneYoung) => {
                let newest = self.state.markers.iter().map(|marker| marker.seq).max();
                return self.state.markers.iter().filter(|m| Some(m.seq) != newest).map(|m| m.id).collect();
            }
            Some(Mutation::PruneNewest) => {
                // Another one counts as the newest.
                let Some(first) = self.state.markers.first() else { return Vec::new() };
                let other = Marker { seq: u64::MAX, id: MarkerId::of(0, 0), applied: true, ..first.clone() };
                let markers: Vec<Marker> = self.state.markers.iter().cloned().chain([other]).collect();
                return self.prunable_of(&markers, now);
            }
            _ => {}
        }
        self.prunable_of(&self.state.markers, now)
    }

    fn prunable_of(&self, markers: &[Marker], now: Duration) -> Vec<MarkerId> {
        let ages = Ages { now, lock_taken: self.lock_taken, google: self.google };
        life::prunable(markers, ages, |id| {
            self.settled_at.iter().find(|(settled, _)| *settled == id).map(|(_, at)| *at)
        })
    }

    /// Over budget: the next batch waits, and gathers rows.
    fn make_room(&mut self, now: Duration) -> Next {
        if let Some(prune) = self.prune_now(1, now) {
            return prune;
        }
        Next::Wait(self.prune_after.max(self.pace.ready_at(now)).max(now + LOOK_AGAIN / 4))
    }

    fn paced(&self, asked: Asked, now: Duration) -> Next {
        let ready = self.pace.ready_at(now);
        if now < ready && !self.is_paid(&asked) { Next::Wait(ready) } else { Next::Ask(asked) }
    }

    fn is_paid(&self, asked: &Asked) -> bool {
        *asked == Asked::Batch && self.trail.paid
    }

    fn call(&self, asked: &Asked) -> Call {
        let sheet = self.state.sheet.as_ref().map_or("", |sheet| sheet.id.as_str());
        let (key, batch) = (self.key(), self.state.batch.as_ref());
        let update = || wire::path(sheet, ":batchUpdate");
        match (asked, batch) {
            (Asked::Create, _) => Call::write(String::from("/v4/spreadsheets"), self.create_body()),
            (Asked::Batch, Some(batch)) => Call::write(update(), batch.body.clone()),
            (Asked::Void, Some(batch)) => Call::write(update(), freeze::void_body(batch.id, &key, batch.digest)),
            (Asked::Marker, Some(batch)) => wire::get_marker(sheet, batch.id),
            (Asked::Pruned(id), _) => wire::get_marker(sheet, *id),
            (Asked::Headers(tabs), _) => {
                let titles: Vec<&str> = tabs.iter().map(|(_, tab)| tab.title.as_str()).collect();
                wire::get_headers(sheet, &titles)
            }
            (Asked::Prune(ids), _) => {
                let markers = self.state.markers.iter().filter(|marker| ids.contains(&marker.id));
                let named = markers.map(|marker| (marker.id, marker.key.as_str(), marker.value.as_str()));
                Call::write(update(), freeze::prune_body(named, self.prune_by()))
            }
            (Asked::Tabs, _) => wire::get_tabs(sheet),
            // Without a batch there is nothing to send: look instead.
            (Asked::Check | Asked::Batch | Asked::Void | Asked::Marker, _) => wire::search(sheet, &[&key, LAYOUT_KEY]),
        }
    }

    fn create_body(&self) -> alloc::sync::Arc<[u8]> {
        let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
        for table in &self.options.tables {
            let columns = table.columns.iter().map(String::as_str);
            tables.push((&table.name, core::iter::once(ID_COLUMN).chain(columns).collect()));
        }
        // Columns that are known already need no second change.
        for row in self.gathered.iter().flatten() {
            let at = tables.iter().position(|(name, _)| *name == row.table).unwrap_or_else(|| {
                tables.push((&row.table, alloc::vec![ID_COLUMN]));
                tables.len() - 1
            });
            for (name, _) in &row.cells {
                if !tables[at].1.contains(&name.as_str()) {
                    tables[at].1.push(name);
                }
            }
        }
        freeze::create_body(&self.options.title, &self.options.timezone, tables.into_iter())
    }

    fn key(&self) -> String {
        marker_key(&self.state.device.tag)
    }

    fn marker(&self, batch: &Batch, fate: Fate, doubt: bool, ended_at: Option<i64>) -> Marker {
        Marker {
            id: batch.id,
            seq: batch.seq,
            key: self.key(),
            value: fate.value(batch.digest),
            applied: fate == Fate::Applied,
            doubt,
            ended_at,
        }
    }

    fn prune_by(&self) -> PruneBy {
        #[cfg(feature = "mutations")]
        match self.mutation {
            Some(Mutation::PruneByKey) => return PruneBy::Key,
            Some(Mutation::PruneById) => return PruneBy::Id,
            _ => {}
        }
        PruneBy::All
    }

    fn left_out(&self, mutation: Mutation) -> bool {
        cfg!(feature = "mutations") && self.mutation == Some(mutation)
    }

    /// Rows leave the batch without a word from Google. Only mutations do this.
    fn unfreeze(&self) -> Next {
        let Some(batch) = &self.state.batch else { return Next::Gather };
        let marker = self.marker(batch, Fate::Void, true, None);
        Next::Commit(Transition::Voided { marker, verdict: Verdict::Return, tally: self.state.tally, hold: None })
    }
}

impl Trail {
    fn of_found(now: Duration) -> Self {
        Self {
            doubt: true,
            ended: now,
            oldest: Duration::ZERO,
            paid: false,
            unknowns: 0,
            first_unknown: Duration::ZERO,
            others_answered: false,
            after: None,
        }
    }

    fn of_frozen(oldest: Duration, now: Duration, after: Option<(Layout, Versions)>) -> Self {
        Self { doubt: false, oldest, paid: true, after, ..Self::of_found(now) }
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
