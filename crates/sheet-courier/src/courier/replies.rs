//! What an answer changes (protocol section 5).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::amending::Made;
use super::moving::{Reach, Register};
use super::releasing::IF_GONE;
use super::{
    Asked, Courier, Creating, Doing, LONGEST_GAP, LOOK_AGAIN, Next, OLD_HEADER, PROBE_API_EVERY, PROBE_EVERY, Settle,
};
use crate::D;
use crate::anchors::{CLOSED, OPEN};
use crate::answer::{self, Outcome, Reading};
use crate::durable::{Cause, Closed, Hold, Marker, Phase, SheetRef, Transition, Verdict, Wish};
use crate::glance::{self, Glimpse};
use crate::ids::{Fate, MarkerId};
use crate::layout::{self, Layout, Tab};
use crate::mutation::Mutation;
use crate::room;
use crate::shown;
use crate::wire::{self, Metadata, SheetProperties};

/// Google's sentence about a full spreadsheet holds this. A hint only: it chooses what people are told, and the rows
/// go back to the queue after the same void as with any other refusal.
const CELL_LIMIT_HINT: &str = "number of cells in the workbook above the limit";

impl Courier {
    /// What came of the attempt that [`super::Step::Send`] asked for; it ended at `now`. `random` spreads the retries.
    pub fn answered(&mut self, outcome: Outcome, now: Duration, random: u32) {
        let Doing::Sending(asked, began) = mem::replace(&mut self.doing, Doing::Nothing) else { return };
        #[cfg(feature = "mutations")]
        {
            self.dice = random;
        }
        if asked == Asked::Batch {
            self.trail.ended = now;
            self.trail.paid = false;
        }
        if asked == Asked::Create {
            self.creating = match &outcome {
                Outcome::NotSent(_) | Outcome::NoToken(..) => Creating::NotMade,
                _ => Creating::Unknown,
            };
        }
        let (reading, date) = match outcome {
            // Nothing was sent: nothing is in doubt that was not before.
            Outcome::NotSent(why) => return self.later(&asked, why, now, random),
            Outcome::NoToken(why, until) => {
                self.trouble = Some(why);
                self.not_before = until;
                return;
            }
            Outcome::Unknown(why) => (Reading::Unknown(why), None),
            Outcome::Answered(answer) => {
                let date = answer.date.as_deref().and_then(answer::http_date);
                (answer::read(answer), date)
            }
        };
        if !matches!(asked, Asked::Batch | Asked::BoundCheck | Asked::BoundVoid)
            && !matches!(reading, Reading::Unknown(_))
        {
            self.trail.others_answered = true;
        }
        self.trail.refused |= asked == Asked::Batch && matches!(reading, Reading::Refused(_) | Reading::TooLarge);
        if asked == Asked::Create && !matches!(reading, Reading::Success(_) | Reading::Unknown(_)) {
            self.creating = Creating::NotMade;
        }
        match reading {
            Reading::Success(body) => {
                // What is said from here on is about this answer.
                let before = self.trouble.take();
                if self.succeeded(&asked, &body, began, date, now) {
                    self.backoffs[usize::from(is_write(&asked))].reset();
                    // Only a reply that is Google's beyond doubt may tell the time: prunes depend on it.
                    self.google = date.map(|date| (date, now)).or(self.google);
                } else {
                    self.trouble = before;
                    self.lost_track(&asked, "an answer that is not Google's".into(), now, random);
                }
            }
            Reading::Refused(message) => self.refused(&asked, message, began, now, random),
            Reading::TooLarge if asked == Asked::Batch => self.wants_void(Cause::TooBig, "too large".into()),
            Reading::TooLarge => self.later(&asked, "too large".into(), now, random),
            Reading::Closed(why, message) => self.closed(&asked, why, message, began, now, random),
            Reading::Wait { why, at_least } => {
                self.pace.empty(now);
                self.later(&asked, why, now, random);
                self.not_before = self.not_before.max(now + at_least.unwrap_or_default());
            }
            Reading::Unknown(why) => self.lost_track(&asked, why, now, random),
        }
    }

    /// A 200. False if its body does not prove what it should.
    fn succeeded(&mut self, asked: &Asked, body: &[u8], began: Duration, date: Option<i64>, now: Duration) -> bool {
        match asked {
            Asked::Batch if self.is_our_reply(body) => self.batch_answered(body, began, date, now),
            Asked::Void if self.is_our_reply(body) => self.voided = Some(date),
            Asked::Batch | Asked::Void => return false,
            Asked::Marker => match wire::parse_metadata(body) {
                Some(found) => return self.marker_found(&found, date, now),
                None => return false,
            },
            Asked::Landed => return self.landed_seen(body, began, now),
            Asked::Check => match wire::parse_search(body) {
                Some(found) => self.checked(&found, began, date, now),
                None => return false,
            },
            Asked::Tabs => match wire::parse_spreadsheet(body) {
                Some(found) if self.is_our_sheet(&found.spreadsheet_id) => {
                    let tabs: Vec<SheetProperties> = found.sheets.into_iter().map(|sheet| sheet.properties).collect();
                    self.room.sees_all(room::sizes(tabs.iter()), began);
                    self.known.tabs = Some(tabs);
                }
                _ => return false,
            },
            Asked::Sizes => match wire::parse_spreadsheet(body) {
                Some(found) if self.is_our_sheet(&found.spreadsheet_id) => {
                    self.room.sees_all(room::sizes(found.sheets.iter().map(|sheet| &sheet.properties)), began);
                }
                _ => return false,
            },
            Asked::Glance(tabs) => match glance::parse_glance(body) {
                Some(found) if self.is_our_sheet(&found.spreadsheet) => {
                    self.room.sees(found.sizes);
                    self.glanced(tabs, found.tabs, false, began, now);
                }
                _ => return false,
            },
            Asked::Look(tabs) => match glance::parse_glance(body) {
                Some(found) if self.is_our_sheet(&found.spreadsheet) => {
                    self.room.sees(found.sizes);
                    // Unknown (docs/google.md, S29): does the filter of tabs keep metadata out? Or it is an old read.
                    self.look_in_vain = !self.holds_newest(&found.markers) && !self.left_out(Mutation::AnyLookIsWhole);
                    if !self.look_in_vain {
                        self.checked(&found.markers, began, date, now);
                        self.glanced(tabs, found.tabs, true, began, now);
                    }
                }
                _ => {
                    self.look_in_vain = true;
                    return false;
                }
            },
            Asked::Headers(tabs) => {
                let Some(headers) = wire::parse_headers(body, tabs.len()) else { return false };
                let mut layout = Layout::default();
                for table in self.tables_wanted() {
                    layout.tabs.insert(table, None);
                }
                for ((table, tab), header) in tabs.iter().zip(headers) {
                    let grid_columns = tab.grid_properties.column_count;
                    let (sheet_id, title) = (tab.sheet_id, tab.title.clone());
                    layout.tabs.insert(table.clone(), Some(Tab { sheet_id, title, grid_columns, header }));
                }
                self.layout_read(layout, false, began, now);
            }
            Asked::Create => match wire::parse_spreadsheet(body) {
                Some(created) => {
                    let theirs = created.properties.map(|titled| wire::printable(&titled.title));
                    let title = theirs.unwrap_or_else(|| self.options.title.clone());
                    let url = wire::printable(&created.spreadsheet_url);
                    self.created(SheetRef { id: created.spreadsheet_id, url, title });
                    #[cfg(feature = "mutations")]
                    if self.left_out(Mutation::CreateCarriesRows) {
                        self.carried = self.gathered.as_ref().map_or(0, Vec::len);
                    }
                }
                None => return false,
            },
            Asked::Adopt(_) | Asked::Register | Asked::Claim => return self.moved_on(asked, body),
            Asked::Reach => match wire::parse_batch_reply(body) {
                Some(reply) if self.is_our_sheet(&reply.spreadsheet_id) => self.is_reached(),
                _ => return false,
            },
            Asked::Amend(ask) => return self.amend_answered(*ask, body, Made { began, ended: now }, date),
            Asked::Release(ask) => return self.release_answered(*ask, body, now),
            Asked::BoundCheck | Asked::BoundVoid => return self.bound_answered(asked, body, date, now),
            Asked::Prune(ids) => match wire::parse_batch_reply(body) {
                Some(reply) if self.is_our_sheet(&reply.spreadsheet_id) => {
                    self.prune_singly = false;
                    if let Some(tabs) = shown::parse_shown_tabs(body) {
                        self.room.sees_all(room::sizes(tabs.iter()), began);
                    }
                    self.due = Some(Transition::Pruned(ids.clone()));
                }
                _ => return false,
            },
            Asked::Pruned(id) => match wire::parse_search(body) {
                Some(found) => {
                    let shown = found.iter().find(|found| found.metadata_id == i64::from(id.as_u32()));
                    self.prune_looked_up(*id, shown, now);
                }
                None => return false,
            },
        }
        true
    }

    fn holds_newest(&self, found: &[Metadata]) -> bool {
        self.newest_applied().is_some_and(|newest| {
            found.iter().any(|found| {
                found.metadata_id == i64::from(newest.id.as_u32())
                    && found.metadata_key == newest.key
                    && found.metadata_value == newest.value
            })
        })
    }

    /// `with_registers`: they were in the same answer.
    fn glanced(
        &mut self,
        asked: &[(String, i32)],
        found: Vec<Glimpse>,
        with_registers: bool,
        began: Duration,
        now: Duration,
    ) {
        let mut layout = Layout::default();
        for (table, sheet_id) in asked {
            let Some(tab) = found.iter().find(|tab| tab.sheet_id == *sheet_id) else {
                // It is gone, or the answer is not what it should be: look at all tabs.
                self.tab_ids_failed();
                return;
            };
            layout.tabs.insert(table.clone(), Some(Tab::from(tab.clone())));
        }
        self.layout_read(layout, with_registers, began, now);
    }

    /// What is known of the tabs' ids is not so: look at all tabs.
    pub(super) fn tab_ids_failed(&mut self) {
        self.tab_ids.clear();
        self.guess_refused = true;
    }

    fn layout_read(&mut self, layout: Layout, with_registers: bool, began: Duration, now: Duration) {
        self.known.tabs = None;
        for (table, tab) in &layout.tabs {
            match tab {
                Some(tab) => self.tab_ids.insert(table.clone(), tab.sheet_id),
                None => self.tab_ids.remove(table),
            };
        }
        // A header is not older than a register that the same answer shows: if it is narrower, somebody deleted columns.
        let is_narrow = || self.known.versions.as_ref().is_some_and(|versions| layout.looks_old(versions));
        let looks_old = !with_registers && is_narrow();
        if looks_old && began.saturating_sub(*self.known.old_since.get_or_insert(began)) < OLD_HEADER {
            self.trouble = Some("a header row is narrower than it was; looking again".to_string());
            self.not_before = now + OLD_HEADER / 6;
        } else {
            self.known.old_since = None;
            self.known.layout = Some(layout);
            self.known.at = began;
        }
    }

    /// The reply to a batch update that created the open batch's marker.
    fn is_our_reply(&self, body: &[u8]) -> bool {
        let Some(reply) = wire::parse_batch_reply(body) else { return false };
        let id = self.state.batch.as_ref().map(|batch| i64::from(batch.id.as_u32()));
        let unmarked = self.left_out(Mutation::NoMarker) && reply.first_id == 0;
        self.is_our_sheet(&reply.spreadsheet_id) && (id == Some(reply.first_id) || unmarked)
    }

    pub(super) fn is_our_sheet(&self, id: &str) -> bool {
        self.state.sheet.as_ref().is_some_and(|sheet| sheet.id == id)
    }

    /// False if it is an answer to something else.
    fn marker_found(&mut self, found: &Metadata, date: Option<i64>, now: Duration) -> bool {
        let Some(batch) = &self.state.batch else { return true };
        let is_value = |fate: Fate| found.metadata_value == fate.value(batch.digest);
        let is_void = matches!(batch.phase, Phase::Void(..));
        if found.metadata_id != i64::from(batch.id.as_u32()) {
            return false;
        }
        if found.metadata_key != self.key_of(batch.id, batch.seq) {
            self.not_to_be_had(true);
        } else if is_value(Fate::Applied) {
            self.is_applied(date, now);
        } else if is_value(Fate::Void) && is_void {
            self.voided = Some(date);
        } else {
            // Our tag, our id, another batch: one of us two is a copy. Or a void from a future of this state.
            let marker = batch.id.as_u32();
            self.due = Some(Transition::Held(Hold::Copy { marker }));
        }
        true
    }

    /// The open batch's id is somebody else's, or nobody's although it was refused.
    fn not_to_be_had(&mut self, foreign: bool) {
        let Some(batch) = &self.state.batch else { return };
        let (waited, reason) = match mem::replace(&mut self.settle, Settle::No) {
            Settle::ReadAgain(_, reason) => (true, reason),
            Settle::Read(_, reason) => (false, reason),
            Settle::No | Settle::Confirm => (false, String::new()),
        };
        let is_void = matches!(batch.phase, Phase::Void(..));
        if !foreign && !is_void {
            // Absent, but reads may be old and attempts alive: only a void makes sure.
            let full = reason.contains(CELL_LIMIT_HINT);
            return self.wants_void(if full { Cause::Full } else { Cause::Content }, reason);
        }
        // Nobody else can have sent the rows: if all attempts were answered, none is alive.
        let may_be_alive = is_void || self.trail.doubt;
        let rule = if is_void { Mutation::VoidRekeyedAtOnce } else { Mutation::RekeyAtOnce };
        if may_be_alive && !waited && !self.left_out(rule) {
            self.settle = Settle::ReadAgain(self.trail.ended + D, reason);
        } else {
            self.due = Some(self.rekey());
        }
    }

    fn refused(&mut self, asked: &Asked, message: String, began: Duration, now: Duration, random: u32) {
        self.trouble = Some(message.clone());
        match asked {
            Asked::Batch
                if self.left_out(Mutation::RefusedMeansNotApplied)
                    || (self.left_out(Mutation::FirstRefusalIsBelieved) && !self.trail.doubt) =>
            {
                self.due = Some(self.halve_unvoided());
            }
            Asked::Batch => {
                // Also when no attempt was lost: the network below us may have sent it twice.
                self.settle = Settle::Read(now, message);
                // What the batch was frozen for may have changed.
                self.known = Default::default();
            }
            Asked::Void => self.settle = Settle::Read(now, message),
            Asked::Create | Asked::Adopt(_) if self.refuses_wish(asked, &message, began, now) => {}
            Asked::Claim if self.left_out(Mutation::OwnSuccessor) => self.register = Register::NotToBeHad,
            Asked::Claim => self.register = Register::refused(now),
            Asked::BoundVoid => self.bound.look_again(now),
            // By the spreadsheet itself, which is there.
            Asked::Reach => self.is_reached(),
            Asked::Amend(ask) => self.amend_refused(*ask, message, now, random),
            Asked::Release(ask) => self.release_refused(*ask, message, now, random),
            Asked::Create => {
                self.probe_at = now + PROBE_EVERY;
                self.due = Some(Transition::Held(Hold::CannotCreate { message }));
            }
            Asked::Prune(ids) => match ids.as_slice() {
                // Whether a delete without a match is refused is not known (docs/google.md): look.
                [one] => self.prune_look_up = Some(*one),
                _ => self.prune_singly = true,
            },
            // A tab was deleted.
            Asked::Glance(_) => self.tab_ids_failed(),
            Asked::Look(_) => {
                self.look_in_vain = true;
                self.tab_ids_failed();
            }
            Asked::Landed => self.landed_refused(),
            Asked::Headers(_) => {
                // A tab was renamed since its name was read.
                self.known.tabs = None;
                self.later(asked, message, now, random);
            }
            _ => self.later(asked, message, now, random),
        }
    }

    fn wants_void(&mut self, cause: Cause, reason: String) {
        let Some(batch) = &self.state.batch else { return };
        self.due = Some(if self.left_out(Mutation::AbsentMeansNotApplied) {
            self.halve_unvoided()
        } else if cause == Cause::Full && self.left_out(Mutation::RollWithoutVoid) {
            let marker = self.marker(batch, Fate::Void, true, None);
            let (tally, wish) = (self.state.tally, Some(Wish::Next));
            Transition::Voided { marker, verdict: Verdict::Return, tally, hold: None, wish }
        } else {
            Transition::ToVoid { id: batch.id, cause, reason }
        });
    }

    fn halve_unvoided(&self) -> Transition {
        match self.unfreeze() {
            Next::Commit(Transition::Voided { marker, tally, hold, wish, .. }) => {
                let rows = self.state.batch.as_ref().map_or(1, |batch| batch.rows);
                Transition::Voided { marker, verdict: Verdict::Halve(rows.div_ceil(2)), tally, hold, wish }
            }
            _ => Transition::Released,
        }
    }

    fn closed(&mut self, asked: &Asked, why: Closed, message: String, began: Duration, now: Duration, random: u32) {
        match (asked, why) {
            (Asked::Marker, Closed::NotFound) if matches!(self.settle, Settle::ReadAgain(..)) => {
                // Of a spreadsheet that is not there nothing is: under a new id the rows would come twice.
                self.settle = Settle::Confirm;
                return;
            }
            (Asked::Marker, Closed::NotFound) => return self.not_to_be_had(false),
            (Asked::Register, Closed::NotFound) => return self.register_absent(began, now),
            (Asked::BoundCheck | Asked::BoundVoid, _) => return self.bound_closed(&message, now),
            (Asked::Reach, Closed::NotFound | Closed::Forbidden) => {
                self.reach = Reach::Gone;
                return;
            }
            (Asked::Release(ask), _) => {
                return self.release_closed(*ask, message, why == Closed::NotFound, now, random);
            }
            (Asked::Amend(ask), _) if self.amend_closed_to_us(*ask, &message, why == Closed::NotFound, now, random) => {
                return;
            }
            (Asked::Create | Asked::Adopt(_), _) if self.refuses_wish(asked, &message, began, now) => return,
            _ => {}
        }
        self.probe_at = now + if why == Closed::ApiDisabled { PROBE_API_EVERY } else { PROBE_EVERY };
        self.trouble = Some(message.clone());
        let hold = Hold::Closed { why, message };
        if self.state.hold.is_none() {
            self.due = Some(Transition::Held(hold));
        } else {
            // The probe of a hold: it stays as it is on disk.
            let is_copy = matches!(self.state.hold, Some(Hold::Copy { .. }));
            let advice = if is_copy { alloc::format!("; {IF_GONE}") } else { String::new() };
            self.later(asked, self.trouble.clone().unwrap_or_default() + &advice, now, random);
        }
    }

    fn lost_track(&mut self, asked: &Asked, why: String, now: Duration, random: u32) {
        if *asked == Asked::Batch {
            self.trail.doubt = true;
            if self.trail.unknowns == 0 {
                self.trail.silent = Duration::ZERO;
                self.trail.others_answered = false;
            } else {
                self.trail.silent += now.saturating_sub(self.trail.last_unknown).min(LONGEST_GAP);
            }
            self.trail.last_unknown = now;
            self.trail.unknowns += 1;
            if self.left_out(Mutation::UnknownIsFailed)
                && let Next::Commit(change) = self.unfreeze()
            {
                self.due = Some(change);
            }
        }
        if let Asked::Amend(ask) = asked {
            return self.amend_lost(*ask, why, now, random);
        }
        self.later(asked, why, now, random);
    }

    /// The same again, after a while.
    pub(super) fn later(&mut self, asked: &Asked, why: String, now: Duration, random: u32) {
        if let Asked::BoundCheck | Asked::BoundVoid = asked {
            return self.bound_lost(now, random);
        }
        let wait = self.backoffs[usize::from(is_write(asked))].next(random);
        match asked {
            // Tidying up never delays rows.
            Asked::Prune(_) | Asked::Pruned(_) => self.prune_after = now + wait,
            Asked::Amend(_) => {
                self.trouble = Some(why);
                self.wait_to_amend(now, random);
            }
            _ => {
                self.trouble = Some(why);
                self.not_before = now + wait;
            }
        }
    }

    fn prune_looked_up(&mut self, id: MarkerId, found: Option<&Metadata>, now: Duration) {
        let marker = self.state.markers.iter().find(|marker| marker.id == id);
        let still_there = found.is_some_and(|found| {
            marker.is_some_and(|marker| found.metadata_key == marker.key && found.metadata_value == marker.value)
        });
        if still_there {
            // It cannot be deleted now; there is no hurry.
            self.prune_after = now + PROBE_EVERY;
        } else {
            self.due = Some(Transition::Pruned(alloc::vec![id]));
        }
    }

    /// The contact check: all markers with our tag, and the layout registers.
    fn checked(&mut self, found: &[Metadata], began: Duration, date: Option<i64>, now: Duration) {
        self.known.versions = Some(layout::versions(found));
        let looks_for_copies = !self.left_out(Mutation::NoContactCheck);
        self.known.tabs = None;
        self.known.layout = None;
        if looks_for_copies && self.release_checked(found) {
            return;
        }
        let key = self.key();
        let mut strangest = Sight::Known;
        for marker in found.iter().filter(|found| looks_for_copies && found.metadata_key == key) {
            strangest = strangest.max(self.sight(marker));
        }
        self.void_seen = strangest == Sight::Ours(Settled::Void);
        match strangest {
            Sight::Known => {
                self.suspicion = None;
                self.checked_at = Some(began);
                if self.state.hold.is_some() {
                    self.due = Some(Transition::Released);
                } else if self.settle == Settle::Confirm {
                    self.settle = Settle::No;
                    self.due = Some(self.rekey());
                }
            }
            Sight::Ours(fate) => {
                self.suspicion = None;
                self.checked_at = Some(began);
                match fate {
                    Settled::Applied => self.is_applied(date, now),
                    Settled::Void => self.voided = Some(date),
                }
                if self.state.hold.is_some() {
                    // What it means is read again right after.
                    self.due = Some(Transition::Released);
                }
            }
            // Perhaps a read from before our own prune: look again until no old read can be so old.
            Sight::Unknown(_) if began.saturating_sub(*self.suspicion.get_or_insert(began)) < D => {
                self.trouble =
                    Some("an unknown marker of this device is in the spreadsheet; looking again".to_string());
                self.not_before = now + LOOK_AGAIN;
                self.probe_at = now + LOOK_AGAIN;
            }
            Sight::Unknown(marker) | Sight::Strange(marker) => {
                self.due = Some(Transition::Held(Hold::Copy { marker }));
            }
        }
    }

    fn sight(&self, found: &Metadata) -> Sight {
        let shown = u32::try_from(found.metadata_id).unwrap_or(0);
        let Some(id) = MarkerId::parse(found.metadata_id) else { return Sight::Strange(shown) };
        if let Some(batch) = self.state.batch.as_ref().filter(|batch| batch.id == id) {
            let is_void = matches!(batch.phase, Phase::Void(..));
            if self.left_out(Mutation::FoundMarkerIsIgnored) {
                return Sight::Known;
            }
            return if found.metadata_value == Fate::Applied.value(batch.digest) {
                Sight::Ours(Settled::Applied)
            } else if found.metadata_value == Fate::Void.value(batch.digest) && is_void {
                Sight::Ours(Settled::Void)
            } else {
                Sight::Strange(shown)
            };
        }
        let is_anchor = found.metadata_value == OPEN || found.metadata_value == CLOSED;
        let known = self.state.markers.iter().chain(&self.forgotten);
        // A read may show an anchor from before it was closed.
        let is_it = |marker: &Marker| marker.value == found.metadata_value || (is_anchor && marker.value == CLOSED);
        if known.into_iter().any(|marker| marker.id == id && is_it(marker)) {
            return Sight::Known;
        }
        if is_anchor && self.state.anchors.contains(&id) {
            return Sight::Known;
        }
        let device = &self.state.device;
        if id.seq(device.base) < device.next_seq || self.left_out(Mutation::RandomIds) {
            Sight::Unknown(shown)
        } else {
            Sight::Strange(shown)
        }
    }
}

/// How strange a marker with our tag is; the order is that of what to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    Known,
    /// The open batch's.
    Ours(Settled),
    /// We took this id once, and know nothing of the marker: pruned, or a twin's.
    Unknown(u32),
    /// We never took this id, or took it for something else.
    Strange(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Settled {
    Applied,
    Void,
}

fn is_write(asked: &Asked) -> bool {
    match asked {
        Asked::Release(ask) => ask.is_write(),
        other => matches!(other, Asked::Batch | Asked::Void | Asked::Create | Asked::Claim | Asked::Reach),
    }
}
