//! Amending rows that are in the sheet (protocol section 9): find the row by its id, put an anchor on it, see that the
//! anchor stands on that row, write through the anchor, see what is there, close the anchor.
//!
//! Never by index alone: a person may sort between any two steps. A step that comes late finds the anchor closed.

mod closing;
mod finding;
mod writing;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::Value;

use super::tidy::NO_ROOM;
use super::{Asked, Courier, FRESH_HEADER, LOOK_AGAIN, Next};
use crate::a1;
use crate::anchors::{self, Needs, OPEN, Spot};
use crate::cell::Cell;
use crate::durable::{Amend, Anchor, Transition};
use crate::glance::{self, Glance};
use crate::ids::MarkerId;
use crate::layout::{self, Register, Tab, Versions};
use crate::life;
use crate::mutation::Mutation;
use crate::pace::Backoff;
#[cfg(feature = "mutations")]
use crate::registers;
use crate::shown;
use crate::tabs::number_format;
use crate::wire::{self, Call, SheetProperties};

pub(super) use closing::{Closing, Parked};

/// An anchor or a write was refused so often: a person has to look.
const REFUSALS_TO_STOP: u32 = 3;
/// Looks at a header that were too old before one is good enough.
const MOST_OLD_LOOKS: u32 = 3;
/// What was written and is not seen yet is looked for again so soon.
const SEE_AGAIN: Duration = Duration::from_secs(5);

/// How far the amendment at hand is. All of it may be lost: an anchor that is found is closed, and all begins again.
#[derive(Debug, Default)]
pub(super) struct Amending {
    stage: Stage,
    /// Spreadsheets in which the row was looked for in vain.
    searched: Vec<String>,
    /// Of these it is certain that the row was not there.
    certain: BTreeSet<String>,
    /// Google's no to the last steps, and how many there were in a row.
    refusals: u32,
    reason: String,
    /// Whether an attempt that mentions the anchor may be alive.
    doubt: bool,
    /// When the look at the header began that it goes on, and how often that was too old to add columns on its strength.
    looked: Duration,
    old_looks: u32,
    /// Since when something is not seen that should be there.
    unseen_since: Option<Duration>,
    /// Since when its anchor was neither there nor to be made.
    absent_since: Option<Duration>,
    /// Since when a row that landed is looked for.
    row_unseen_since: Option<Duration>,
    /// The answer to the write of this marker showed the row ids of these tabs, and the row's was not among them.
    shown: Option<(MarkerId, Vec<i32>)>,
    not_before: Duration,
    backoff: Backoff,
}

#[derive(Clone, Debug, Default)]
enum Stage {
    /// Which spreadsheet next?
    #[default]
    Search,
    /// Its tabs are to be read.
    Tabs(String),
    Headers(String, Vec<SheetProperties>, Versions),
    Ids(String, Vec<SeenTab>),
    /// Not found by reading: the answer to a write shows what is there. The anchor is the write's.
    Show(String, Vec<SeenTab>),
    /// Found: the anchor is to be put there. False until it is on disk.
    Create(String, Spot, bool),
    /// Does it stand on the right row? The number is the tab's.
    Check(i32),
    Write(i32, Before),
    /// Is it there, and where it should be?
    Verify(i32, Before),
    Close(Closing, bool),
}

/// When an attempt was made. What it shows may be as old as its beginning, however late it comes: a board may sleep
/// meanwhile. So what is not to be seen for long enough was looked for by an attempt that began long enough after the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) began: Duration,
    pub(super) ended: Duration,
}

/// A tab with a column of row ids.
#[derive(Clone, Debug)]
pub(super) struct SeenTab {
    tab: Tab,
    register: Register,
    column: u32,
}

/// A row under its header, in one look, and what was written on the strength of it.
#[derive(Clone, Debug)]
pub(super) struct Before {
    header: Vec<String>,
    row: Vec<Value>,
    written: Vec<Value>,
}

/// The questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Tabs,
    Headers,
    Ids,
    Show,
    Create,
    Check,
    Write,
    Verify,
    Close(Closing),
}

impl Courier {
    /// The oldest amendment that is due, or none. Goes with [`Courier::gathered`].
    pub fn amendment(&mut self, due: Option<Amend>) {
        if self.amend.as_ref().map(|amend| amend.handle) == due.as_ref().map(|amend| amend.handle) {
            return;
        }
        let found = due.as_ref().is_some_and(|amend| amend.anchor.is_some());
        // Somebody may have sent anything under an anchor that is found.
        let stage = if found { Stage::Close(Closing::Move, false) } else { Stage::Search };
        self.amending = Amending { stage, doubt: found, ..Amending::default() };
        self.amend = due;
    }

    /// The next step of the amendment at hand; none if there is nothing to do for it now.
    pub(super) fn amends(&mut self, now: Duration) -> Option<Next> {
        let amend = self.amend.as_ref()?;
        if now < self.amending.not_before {
            return None;
        }
        if self.check_needed(Duration::ZERO, now) {
            return Some(Next::Ask(Asked::Check));
        }
        let anchor = amend.anchor.clone();
        let is_new = anchor.is_none() && matches!(self.amending.stage, Stage::Show(..) | Stage::Create(..));
        if is_new && !life::has_room(self.state.markers.len()) {
            // Anchors are markers too.
            let prune = self.prune_now(1, now);
            if prune.is_none() {
                self.trouble = Some(NO_ROOM.to_owned());
                self.amending.not_before = now + LOOK_AGAIN / 4;
            }
            return prune;
        }
        if let Some(again) = self.look_too_old(now) {
            self.amending.stage = again;
        }
        let ask = match &self.amending.stage {
            Stage::Search => return Some(self.search()),
            Stage::Tabs(_) => Ask::Tabs,
            Stage::Headers(..) => Ask::Headers,
            Stage::Ids(..) => Ask::Ids,
            Stage::Show(place, _) if anchor.is_none() => return Some(self.new_anchor(place.clone(), now)),
            Stage::Create(place, _, false) => return Some(self.new_anchor(place.clone(), now)),
            Stage::Show(..) => Ask::Show,
            Stage::Create(..) => Ask::Create,
            Stage::Check(_) => Ask::Check,
            Stage::Write(..) => Ask::Write,
            Stage::Verify(..) => Ask::Verify,
            #[cfg(feature = "mutations")]
            Stage::Close(_, true) if self.left_out(Mutation::AnchorLeftOpen) => {
                self.anchor_is_closed(true, None);
                return self.due.take().map(Next::Commit);
            }
            Stage::Close(how, _) => Ask::Close(*how),
        };
        if anchor.is_none() && matches!(ask, Ask::Check | Ask::Write | Ask::Verify | Ask::Close(_)) {
            // It was closed in vain: begin again.
            self.amending.stage = Stage::Search;
            return Some(self.search());
        }
        let is_write = matches!(
            ask,
            Ask::Show | Ask::Create | Ask::Write | Ask::Close(Closing::Move | Closing::Change | Closing::Create)
        );
        let ready = self.pace.ready_at(now);
        if is_write && now < ready {
            return Some(Next::Wait(ready));
        }
        Some(Next::Ask(Asked::Amend(ask)))
    }

    /// A column goes where the header was free. It cannot be taken back where a person was quicker, so a look that waited for
    /// something is made anew; but not for ever where looks take long.
    fn look_too_old(&mut self, now: Duration) -> Option<Stage> {
        let (Some(amend), Stage::Create(place, spot, false)) = (&self.amend, &self.amending.stage) else { return None };
        let is_new = |(name, _): &(&str, Option<Value>)| !spot.tab.header.iter().any(|known| known == name);
        let is_old = now.saturating_sub(self.amending.looked) >= FRESH_HEADER;
        if !is_old || self.amending.old_looks >= MOST_OLD_LOOKS || !needs(amend, spot).columns.iter().any(is_new) {
            return None;
        }
        let place = place.clone();
        self.amending.old_looks += 1;
        Some(Stage::Tabs(place))
    }

    /// One at a time in each spreadsheet: an earlier one that may be open there is closed first.
    fn new_anchor(&mut self, spreadsheet: String, now: Duration) -> Next {
        let Some(amend) = &self.amend else { return Next::Gather };
        let is_there = |other: &&Parked| other.is_anchored && other.spreadsheet == spreadsheet;
        if let Some(until) = self.parked.iter().find(is_there).map(|other| other.until) {
            let until = until.max(now + LOOK_AGAIN / 4);
            self.park(Parked { amend: amend.handle, spreadsheet, is_anchored: false, until });
            self.amend_ends();
            return Next::Gather;
        }
        let device = &self.state.device;
        let (seq, id) = (device.next_seq, MarkerId::of(device.base, device.next_seq));
        Next::Commit(Transition::Anchored { amend: amend.handle, anchor: Anchor { id, seq, spreadsheet } })
    }

    /// The anchor is on disk.
    pub(super) fn is_anchored(&mut self, anchor: Anchor) {
        self.state.device.next_seq = anchor.seq + 1;
        self.state.anchors.push(anchor.id);
        if let Some(amend) = &mut self.amend {
            amend.anchor = Some(anchor);
        }
        self.amending.doubt = false;
        if let Stage::Create(_, _, is_stored) = &mut self.amending.stage {
            *is_stored = true;
        }
    }

    /// It is in the sheet, in the queue, or waits for a person.
    pub(super) fn amend_ends(&mut self) {
        self.amend = None;
        self.amending = Amending::default();
        self.gathered = None;
    }

    pub(super) fn amend_call(&self, ask: Ask) -> Option<Call> {
        let amend = self.amend.as_ref()?;
        let key = self.anchor_key();
        let target = amend.anchor.as_ref().map(|anchor| anchor.spreadsheet.as_str());
        let id = || amend.anchor.as_ref().map(|anchor| anchor.id);
        let update = |spreadsheet: &str, body| Call::write(wire::path(spreadsheet, ":batchUpdate"), body);
        Some(match (ask, &self.amending.stage) {
            (Ask::Tabs, Stage::Tabs(spreadsheet)) => wire::get_places(spreadsheet),
            (Ask::Headers, Stage::Headers(spreadsheet, tabs, _)) => {
                glance::glance_with_markers(spreadsheet, tabs.iter().map(|tab| tab.sheet_id))
            }
            (Ask::Ids, Stage::Ids(spreadsheet, tabs)) => {
                let columns: Vec<Value> =
                    tabs.iter().map(|seen| wire::one_column(seen.tab.sheet_id, seen.column)).collect();
                wire::get_matching(spreadsheet, &columns, "COLUMNS")
            }
            (Ask::Show, Stage::Show(spreadsheet, tabs)) => {
                let ranges: Vec<String> = tabs.iter().map(|seen| a1::a1_column(&seen.tab.title, seen.column)).collect();
                let body = anchors::show_body(id()?, &key, &ranges);
                Call::write(wire::path(spreadsheet, shown::SHOWING_COLUMNS), body)
            }
            (Ask::Create, Stage::Create(spreadsheet, spot, _)) => {
                update(spreadsheet, anchors::anchor_body(spreadsheet, id()?, &key, spot, &needs(amend, spot)))
            }
            (Ask::Check, Stage::Check(tab)) | (Ask::Verify, Stage::Verify(tab, _)) => {
                let filters = [wire::first_row(*tab), wire::anchored(id()?, &key, OPEN)];
                wire::get_matching(target?, &filters, "ROWS")
            }
            (Ask::Write, Stage::Write(_, before)) => {
                wire::write_matching(target?, &wire::anchored(id()?, &key, OPEN), &before.written)
            }
            #[cfg(feature = "mutations")]
            (Ask::Close(Closing::Move), _) if self.left_out(Mutation::AnchorDeleted) => {
                let anchor = [(id()?, key.as_str(), OPEN)];
                update(target?, registers::prune_body(anchor.into_iter(), registers::PruneBy::All))
            }
            (Ask::Close(Closing::Move), _) => update(target?, anchors::move_anchor_body(id()?, &key)),
            (Ask::Close(Closing::Change), _) => update(target?, anchors::update_anchor_body(id()?, &key)),
            (Ask::Close(Closing::Create), _) => update(target?, anchors::close_anchor_body(id()?, &key)),
            (Ask::Close(Closing::Look), _) => wire::get_marker(target?, id()?),
            _ => return None,
        })
    }
}

/// What answers change.
impl Courier {
    /// A 200. False if its body is not what it should be.
    pub(super) fn amend_answered(&mut self, ask: Ask, body: &[u8], made: Made, date: Option<i64>) -> bool {
        let Some(amend) = self.amend.clone() else { return true };
        let target = amend.anchor.as_ref().map(|anchor| anchor.spreadsheet.clone());
        let next = match (ask, self.amending.stage.clone()) {
            (Ask::Tabs, Stage::Tabs(spreadsheet)) => {
                wire::parse_places(body).filter(|found| found.spreadsheet_id == spreadsheet).map(|found| {
                    if !self.is_newer_than_shown(&found.developer_metadata, made) {
                        self.amending.not_before = made.ended + SEE_AGAIN;
                        return Stage::Tabs(spreadsheet);
                    }
                    let versions = layout::versions(&found.developer_metadata);
                    let tabs = found.sheets.into_iter().map(|sheet| sheet.properties);
                    // A tab that is one large chart has no cells.
                    let tabs = tabs.filter(|tab| tab.grid_properties.column_count > 0).collect();
                    Stage::Headers(spreadsheet, tabs, versions)
                })
            }
            (Ask::Headers, Stage::Headers(spreadsheet, tabs, versions)) => {
                // A tab that is nobody's may be something without rows.
                let is_whole = |seen: &Glance| {
                    let ours = tabs.iter().filter(|tab| versions.contains_key(&tab.sheet_id));
                    seen.spreadsheet == spreadsheet && ours.into_iter().all(|tab| seen.header(tab.sheet_id).is_some())
                };
                let seen = glance::parse_glance(body).filter(is_whole);
                seen.map(|seen| self.headers_seen(&amend, spreadsheet, tabs, &versions, &seen, made))
            }
            (Ask::Ids, Stage::Ids(spreadsheet, tabs)) => wire::parse_matching(body)
                .filter(|(id, _)| *id == spreadsheet)
                .map(|(_, found)| self.ids_seen(&amend, spreadsheet, tabs, found, made)),
            (Ask::Show, Stage::Show(_, tabs)) => {
                let is_ours = self.is_anchor_reply(body);
                shown::parse_shown_columns(body).filter(|_| is_ours).map(|columns| {
                    self.columns_shown(&amend, &tabs, &columns);
                    Stage::Close(Closing::Look, false)
                })
            }
            (Ask::Create, Stage::Create(_, spot, _)) => {
                let tab = spot.tab.sheet_id;
                self.is_anchor_reply(body).then_some(Stage::Check(tab))
            }
            (Ask::Check, Stage::Check(tab)) => {
                self.row_under_header(target.as_deref(), tab, body).map(|seen| match seen {
                    Some((header, row)) => self.checked_row(&amend, tab, header, row),
                    // A read from before the anchor; or the row was deleted with it.
                    None => self.not_seen(Stage::Check(tab), made),
                })
            }
            (Ask::Write, Stage::Write(tab, before)) => wire::parse_written(body)
                .filter(|(id, _)| Some(id) == target.as_ref())
                .map(|(_, ranges)| match ranges {
                    // The row is gone, and the anchor with it.
                    0 => Stage::Close(Closing::Move, false),
                    _ => {
                        self.amending.refusals = 0;
                        Stage::Verify(tab, before)
                    }
                }),
            (Ask::Verify, Stage::Verify(tab, before)) => {
                self.row_under_header(target.as_deref(), tab, body).map(|seen| match seen {
                    Some((header, row)) => self.verified(&amend, tab, before, header, row, made),
                    None => self.not_seen(Stage::Verify(tab, before), made),
                })
            }
            (Ask::Close(how), Stage::Close(_, is_written)) => {
                self.closed_answer(how, is_written, target.as_deref(), body, date)
            }
            (_, stage) => Some(stage),
        };
        let is_understood = next.is_some();
        if let Some(stage) = next {
            self.amending.stage = stage;
            self.amending.backoff.reset();
        }
        is_understood
    }

    /// An anchor that was found may be of the time before another identity was taken.
    fn anchor_key(&self) -> String {
        let anchor = self.amend.as_ref().and_then(|amend| amend.anchor.as_ref());
        anchor.map_or_else(|| self.key(), |anchor| self.key_of(anchor.id, anchor.seq))
    }

    fn is_anchor_reply(&self, body: &[u8]) -> bool {
        let Some(anchor) = self.amend.as_ref().and_then(|amend| amend.anchor.as_ref()) else { return false };
        wire::parse_batch_reply(body).is_some_and(|reply| {
            reply.first_id == i64::from(anchor.id.as_u32()) && reply.spreadsheet_id == anchor.spreadsheet
        })
    }

    /// Google's no.
    pub(super) fn amend_refused(&mut self, ask: Ask, message: String, now: Duration, random: u32) {
        match (ask, self.amending.stage.clone()) {
            (Ask::Close(Closing::Move), Stage::Close(_, is_written)) if self.left_out(Mutation::AnchorDeleted) => {
                self.anchor_is_closed(is_written, None);
            }
            // It is there; or it is not, and was to be changed.
            (Ask::Close(Closing::Move | Closing::Change), Stage::Close(_, is_written)) => {
                self.amending.stage = Stage::Close(Closing::Create, is_written);
            }
            (Ask::Close(Closing::Create), Stage::Close(_, is_written)) => {
                self.amending.stage = Stage::Close(Closing::Look, is_written);
            }
            (Ask::Show | Ask::Create | Ask::Check | Ask::Write | Ask::Verify, _) => {
                self.amending.stage = Stage::Close(Closing::Move, false);
                self.amending.refusals += 1;
                self.amending.reason = message;
                self.wait_to_amend(now, random);
            }
            (Ask::Close(_), _) => self.wait_to_amend(now, random),
            // A tab was deleted meanwhile: look at the tabs again.
            _ => {
                self.amending.stage = Stage::Search;
                self.amending.reason = message;
                self.wait_to_amend(now, random);
            }
        }
    }

    /// Anything may have happened.
    pub(super) fn amend_lost(&mut self, ask: Ask, why: String, now: Duration, random: u32) {
        if matches!(ask, Ask::Show | Ask::Create | Ask::Write | Ask::Close(_)) {
            self.amending.doubt = true;
        }
        if matches!(ask, Ask::Show | Ask::Create) {
            // Only an anchor whose first attempt was answered is known to be where it was put.
            self.amending.stage = Stage::Close(Closing::Move, false);
            if self.left_out(Mutation::AnchorAbandoned) {
                self.anchor_is_closed(false, None);
            }
        }
        self.trouble = Some(why);
        self.wait_to_amend(now, random);
    }

    /// Amending never delays rows.
    pub(super) fn wait_to_amend(&mut self, now: Duration, random: u32) {
        self.amending.not_before = now + self.amending.backoff.next(random);
    }
}

/// The columns that the values need, and the cells that have to look like them.
fn needs<'a>(amend: &'a Amend, spot: &Spot) -> Needs<'a> {
    if let Some(displaced) = &amend.displaced {
        return Needs { columns: displaced.columns().collect(), looks: displaced.looks(&spot.tab.header) };
    }
    let look = |cell: &Cell| cell.format().map(number_format);
    let columns = amend.cells.iter().map(|(name, cell)| (name.as_str(), look(cell))).collect();
    // In a column that was never formatted a time would be a bare number.
    let at = |name: &String| spot.tab.header.iter().position(|known| known == name);
    let times = amend.cells.iter().filter(|(_, cell)| matches!(cell, Cell::Serial(..)));
    let looks = times.filter_map(|(name, cell)| Some((at(name)?, look(cell)?))).collect();
    Needs { columns, looks }
}
