//! The batch in flight: sending it, voiding it, and what becomes of its rows.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::{
    ASIDES_TO_STOP, Asked, Courier, Known, NO_ANSWER_AFTER, Next, OLD_HEADER, REKEYS_TO_STOP, SETTLE_WITHIN, Settle,
    TOO_LONG_UNKNOWN, TOO_MANY_UNKNOWNS,
};
use crate::D;
use crate::durable::{Batch, Cause, Hold, Phase, Transition, Verdict, Wish};
use crate::freeze;
use crate::ids::{Fate, MarkerId};
use crate::layout::LAYOUT_KEY;
use crate::mutation::Mutation;

/// Google's sentence about metadata that has no room holds this. A hint only: without it such a row counts as refused.
const STORAGE_LIMIT_HINT: &str = "exceed the allowed storage limit";

impl Courier {
    pub(super) fn sending(&mut self, now: Duration) -> Next {
        if self.left_out(Mutation::FoundBatchIsUnfrozen) && self.trail.after.is_none() {
            return self.unfreeze();
        }
        #[cfg(feature = "mutations")]
        if core::mem::take(&mut self.carried) > 0 {
            self.is_applied(None, now);
            return self.due.take().map_or(Next::Gather, Next::Commit);
        }
        if let Some(read) = self.settling(now) {
            return read;
        }
        if let Some(next) = self.seeing_landed(now) {
            return next;
        }
        if self.check_needed(self.trail.oldest, now) {
            return Next::Ask(Asked::Check);
        }
        if let Some((cause, reason)) = self.gives_up() {
            return self.to_void(cause, reason);
        }
        if let Some(next) = self.outdated(now) {
            return next;
        }
        self.paced(Asked::Batch, now)
    }

    /// Why this batch's bytes will not be sent any more, though nobody refused them.
    pub(super) fn gives_up(&self) -> Option<(Cause, String)> {
        let (batch, trail) = (self.state.batch.as_ref()?, &self.trail);
        if trail.unknowns < TOO_MANY_UNKNOWNS || trail.silent < TOO_LONG_UNKNOWN || !trail.others_answered {
            return None;
        }
        if batch.rows > 1 {
            return Some((Cause::TooBig, format!("no answer to {} attempts", trail.unknowns)));
        }
        let day = trail.silent >= NO_ANSWER_AFTER;
        day.then(|| (Cause::NoAnswer, format!("no answer to {} attempts in a day", trail.unknowns)))
    }

    pub(super) fn voiding(&mut self, cause: Cause, reason: String, now: Duration) -> Next {
        if let Some(next) = self.seeing_landed(now) {
            return next;
        }
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
    pub(super) fn after_void(&mut self, cause: Cause, reason: String, date: Option<i64>, now: Duration) -> Next {
        if cause == Cause::Content && reason.contains(STORAGE_LIMIT_HINT) {
            return self.there_was_no_room(date, now);
        }
        if cause == Cause::Content {
            // Perhaps it was the layout register that was taken. A read that shows another layout says so, and the rows go
            // again at once. One that does not may be too old, unless it shows the void, which came after the refusal: a
            // good row must not be set aside for that.
            let old_until = self.trail.ended + OLD_HEADER;
            let seems_unchanged = self.state.batch.as_ref().is_some_and(|batch| self.layout_unchanged(batch));
            if seems_unchanged && !self.void_seen && self.known.at < old_until && self.changes_layout() {
                self.known = Known::default();
                if now < old_until {
                    return Next::Wait(old_until.min(now + OLD_HEADER / 12));
                }
            }
            if let Some(read) = self.layout_needed(now) {
                // A layout that was read after the refusal tells whether it was the content.
                return read;
            }
        }
        self.voided_now(cause, reason, date)
    }

    /// There was no room for the batch's marker, and then there was for the void's, which is as long: it was not the rows'
    /// fault. After some time in which others may have tidied up they go again.
    fn there_was_no_room(&mut self, date: Option<i64>, now: Duration) -> Next {
        if let Some(prune) = self.prune_now(1, now) {
            return prune;
        }
        let until = self.trail.ended + D;
        if now < until {
            return Next::Wait(until);
        }
        let Some(batch) = &self.state.batch else { return Next::Gather };
        let mut tally = self.state.tally;
        tally.rekeys += 1;
        self.pace.store(&mut tally);
        let wish = (tally.rekeys > REKEYS_TO_STOP).then_some(Wish::Next);
        if wish.is_some() {
            tally.rekeys = 0;
        }
        let marker = self.marker(batch, Fate::Void, true, date);
        Next::Commit(Transition::Voided { marker, verdict: Verdict::Return, tally, hold: None, wish })
    }

    pub(super) fn voided_now(&self, cause: Cause, reason: String, date: Option<i64>) -> Next {
        let Some(batch) = &self.state.batch else { return Next::Gather };
        let mut tally = self.state.tally;
        tally.rekeys = 0;
        self.pace.store(&mut tally);
        let one_row = batch.rows <= 1;
        let verdict = match cause {
            Cause::Content if !self.layout_unchanged(batch) && !self.left_out(Mutation::LayoutNotRead) => {
                Verdict::Return
            }
            // It named a tab, and may have been refused for that.
            Cause::Content if one_row && batch.tabs.iter().any(|tab| !tab.title.is_empty()) => Verdict::Halve(1),
            Cause::Content | Cause::TooBig if one_row => {
                let only_one_id = batch.refusals == 0 && !self.left_out(Mutation::LayoutNotRead);
                if only_one_id { Verdict::RefusedOnce(reason) } else { Verdict::Aside(reason) }
            }
            Cause::Content => Verdict::Halve(batch.rows.div_ceil(2)),
            Cause::TooBig => {
                tally.size_limit_bytes = (batch.body.len() / 2).min(tally.size_limit_bytes / 2).max(1);
                Verdict::Halve(batch.rows.div_ceil(2))
            }
            // What a copy left behind is never open. If it were, only a person could say what becomes of it.
            Cause::NoAnswer | Cause::Copy => Verdict::Aside(reason),
            Cause::Full | Cause::Move | Cause::Layout => Verdict::Return,
        };
        let mut hold = None;
        let wish = (cause == Cause::Full).then_some(Wish::Next);
        if let Verdict::Aside(message) = &verdict {
            tally.asides += 1;
            if tally.asides >= ASIDES_TO_STOP {
                tally.asides = 0;
                hold = Some(Hold::SheetRefuses { message: message.clone() });
            }
        }
        let marker = self.marker(batch, Fate::Void, true, date);
        Next::Commit(Transition::Voided { marker, verdict, tally, hold, wish })
    }

    /// Whether the open batch takes a layout register. A text that looks like one costs a refused row a minute.
    fn changes_layout(&self) -> bool {
        let key = LAYOUT_KEY.as_bytes();
        self.state.batch.as_ref().is_some_and(|batch| batch.body.windows(key.len()).any(|text| text == key))
    }

    pub(super) fn layout_unchanged(&self, batch: &Batch) -> bool {
        match (&self.known.layout, &self.known.versions) {
            (Some(layout), Some(versions)) => layout.matches(&batch.tabs, versions),
            _ => false,
        }
    }

    /// Reads the open batch's marker, if a 400 made that necessary.
    pub(super) fn settling(&mut self, now: Duration) -> Option<Next> {
        match &self.settle {
            Settle::No => None,
            Settle::Read(refused, _) if now.saturating_sub(*refused) <= SETTLE_WITHIN => Some(Next::Ask(Asked::Marker)),
            Settle::Read(..) => {
                self.settle = Settle::No;
                None
            }
            Settle::Confirm => Some(Next::Ask(Asked::Check)),
            Settle::ReadAgain(at, _) if now < *at => Some(Next::Wait(*at)),
            Settle::ReadAgain(..) => Some(Next::Ask(Asked::Marker)),
        }
    }

    pub(super) fn to_void(&self, cause: Cause, reason: String) -> Next {
        match &self.state.batch {
            Some(batch) => Next::Commit(Transition::ToVoid { id: batch.id, cause, reason }),
            None => Next::Gather,
        }
    }

    /// The same rows under a new id: only when no attempt under the old one can be alive.
    pub(super) fn rekey(&self) -> Transition {
        let Some(batch) = &self.state.batch else { return Transition::Released };
        let mut tally = self.state.tally;
        tally.rekeys += 1;
        self.pace.store(&mut tally);
        if tally.rekeys > REKEYS_TO_STOP {
            // No room for markers, so not for a void either; but no attempt can be alive, as for every new id.
            tally.rekeys = 0;
            let marker = self.marker(batch, Fate::Void, true, None);
            let (verdict, wish) = (Verdict::Return, Some(Wish::Next));
            return Transition::Voided { marker, verdict, tally, hold: None, wish };
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

    /// Rows leave the batch without a word from Google. Only mutations do this.
    pub(super) fn unfreeze(&self) -> Next {
        let Some(batch) = &self.state.batch else { return Next::Gather };
        let marker = self.marker(batch, Fate::Void, true, None);
        Next::Commit(Transition::Voided {
            marker,
            verdict: Verdict::Return,
            tally: self.state.tally,
            hold: None,
            wish: None,
        })
    }
}
