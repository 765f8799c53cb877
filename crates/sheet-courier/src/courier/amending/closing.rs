//! How an anchor is closed, and what waits while it cannot be.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Ask, Stage};
use crate::anchors::{CLOSED, OPEN};
use crate::courier::{Courier, LOOK_AGAIN, PROBE_EVERY};
use crate::durable::{Hold, Marker, Transition};
use crate::mutation::Mutation;
use crate::wire;

/// An amendment that waits until its spreadsheet answers again. Those of rows in other spreadsheets go on.
#[derive(Clone, Debug)]
pub(in crate::courier) struct Parked {
    pub(super) amend: i64,
    /// Where its anchor is; or where it would be, behind another's.
    pub(super) spreadsheet: String,
    pub(super) is_anchored: bool,
    pub(super) until: Duration,
}

/// How an anchor is closed: if it is there it is changed; if not it is created where it does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::courier) enum Closing {
    /// Changed and taken off its row: who deletes the row would free the id, for an attempt to create it that is still alive.
    Move,
    /// Changed where it stands, if Google does not let it be moved.
    Change,
    Create,
    Look,
}

impl Courier {
    /// Amendments that are not to be handed over at `now`: their spreadsheets do not answer. One that a person has sent
    /// again is.
    pub fn parked(&self, now: Duration) -> Vec<i64> {
        self.parked.iter().filter(|parked| now < parked.until).map(|parked| parked.amend).collect()
    }

    /// When an amendment can go on. One that waits for a person is none.
    ///
    /// Never a moment that has passed: one that could go on by now is at hand, or was and waits; or it is behind the one at
    /// hand, or a person dropped it.
    pub(in crate::courier) fn amend_due_at(&self, now: Duration) -> Option<Duration> {
        let behind = self.parked.iter().filter(|parked| !parked.is_anchored).map(|parked| parked.until);
        let at_hand = self.amend.as_ref().map(|_| self.amending.not_before);
        at_hand.into_iter().chain(behind).filter(|at| *at > now).min()
    }

    pub(super) fn park(&mut self, parked: Parked) {
        self.parked.retain(|other| other.amend != parked.amend);
        self.parked.push(parked);
    }

    pub(super) fn closed_answer(
        &mut self,
        how: Closing,
        is_written: bool,
        target: Option<&str>,
        body: &[u8],
        date: Option<i64>,
    ) -> Option<Stage> {
        let again = |how| Some(Stage::Close(how, is_written));
        match how {
            Closing::Move if self.left_out(Mutation::AnchorDeleted) => {
                wire::parse_batch_reply(body)?;
                self.anchor_is_closed(is_written, date);
                again(how)
            }
            Closing::Move | Closing::Change => {
                let (id, updated) = wire::parse_updated(body)?;
                if Some(id.as_str()) != target {
                    return None;
                }
                if updated == 0 {
                    return again(Closing::Create);
                }
                self.anchor_is_closed(is_written, date);
                again(how)
            }
            Closing::Create => {
                if !self.is_anchor_reply(body) {
                    return None;
                }
                self.anchor_is_closed(is_written, date);
                again(how)
            }
            Closing::Look => {
                let found = wire::parse_metadata(body)?;
                let is_ours = found.metadata_key == self.anchor_key();
                if is_ours && found.metadata_value == OPEN {
                    return again(Closing::Change);
                }
                if is_ours && found.metadata_value != CLOSED {
                    // Our id, and a batch: one of us two is a copy.
                    let marker = u32::try_from(found.metadata_id).unwrap_or(0);
                    self.due = Some(Transition::Held(Hold::Copy { marker }));
                    return again(Closing::Look);
                }
                self.anchor_is_closed(is_written, date);
                again(how)
            }
        }
    }

    pub(super) fn anchor_is_closed(&mut self, is_written: bool, date: Option<i64>) {
        let Some(amend) = &self.amend else { return };
        let Some(anchor) = &amend.anchor else { return };
        let marker = Marker {
            id: anchor.id,
            seq: anchor.seq,
            key: self.anchor_key(),
            value: CLOSED.to_owned(),
            applied: false,
            doubt: self.amending.doubt,
            ended_at: date,
        };
        self.due = Some(Transition::AnchorClosed { amend: amend.handle, marker, is_written });
    }

    /// The anchor is a marker like others now.
    pub(in crate::courier) fn anchor_closed(&mut self, marker: Marker, is_written: bool, now: Duration) {
        self.state.anchors.retain(|id| *id != marker.id);
        let target = self.amend.as_mut().and_then(|amend| amend.anchor.take());
        let place = target.as_ref().map(|anchor| &anchor.spreadsheet);
        // What waited behind it goes on.
        self.parked.retain(|parked| Some(&parked.spreadsheet) != place);
        let current = self.state.sheet.as_ref().map(|sheet| &sheet.id);
        if place == current {
            self.settled_at.push((marker.id, now));
            self.state.markers.push(marker);
        }
        if is_written {
            self.amend_ends();
        } else {
            self.amending.stage = Stage::Search;
            self.amending.unseen_since = None;
        }
    }

    /// 403 and 404. True if it was about something else than the spreadsheet that rows go to.
    pub(in crate::courier) fn amend_closed_to_us(
        &mut self,
        ask: Ask,
        message: &str,
        is_absent: bool,
        now: Duration,
        random: u32,
    ) -> bool {
        if ask == Ask::Close(Closing::Look) && is_absent {
            self.anchor_is_absent(now, random);
            return true;
        }
        let current = self.state.sheet.as_ref().map(|sheet| sheet.id.as_str());
        let place = match &self.amending.stage {
            Stage::Tabs(place) | Stage::Headers(place, ..) | Stage::Ids(place, _) => Some(place.clone()),
            _ => None,
        };
        let target =
            self.amend.as_ref().and_then(|amend| amend.anchor.as_ref()).map(|anchor| anchor.spreadsheet.clone());
        if place.as_deref().or(target.as_deref()) == current {
            return false;
        }
        match place {
            Some(place) => {
                self.amending.reason = format!("an earlier spreadsheet cannot be read: {message}");
                self.amending.searched.push(place);
                self.amending.stage = Stage::Search;
            }
            None => {
                self.trouble = Some(format!("an amendment waits for an earlier spreadsheet: {message}"));
                let reason =
                    format!("it was being written in an earlier spreadsheet, which does not answer: {message}");
                self.park_with_anchor(reason, now);
            }
        }
        true
    }

    /// The anchor stays known, and is closed as soon as that is possible.
    fn park_with_anchor(&mut self, reason: String, now: Duration) {
        let Some(amend) = &self.amend else { return };
        let Some(anchor) = &amend.anchor else { return };
        let (amend, spreadsheet, until) = (amend.handle, anchor.spreadsheet.clone(), now + PROBE_EVERY);
        self.park(Parked { amend, spreadsheet, is_anchored: true, until });
        self.due = Some(Transition::Stuck { amend, reason });
    }

    /// Nothing there that could be changed, and its place could not be taken a moment ago: for want of room, if it stays so.
    fn anchor_is_absent(&mut self, now: Duration, random: u32) {
        let Some(amend) = &self.amend else { return };
        let is_earlier = amend.anchor.as_ref().is_some_and(|anchor| !self.is_our_sheet(&anchor.spreadsheet));
        let was_parked = self.parked.iter().any(|parked| parked.is_anchored && parked.amend == amend.handle);
        let since = *self.amending.absent_since.get_or_insert(now);
        // One look may be too old.
        let patience = if was_parked { LOOK_AGAIN } else { PROBE_EVERY };
        if is_earlier && now.saturating_sub(since) >= patience {
            // Rows go elsewhere by now, and so does what is said about them.
            let why = self.trouble.as_deref().unwrap_or("it has no room");
            let reason = format!("what it was being written with cannot be taken out of an earlier spreadsheet: {why}");
            return self.park_with_anchor(reason, now);
        }
        if let Stage::Close(how, _) = &mut self.amending.stage {
            *how = Closing::Create;
        }
        self.wait_to_amend(now, random);
    }
}
