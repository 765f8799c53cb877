//! From one spreadsheet to another (protocol section 7), and what may be left behind in the one before.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::{Asked, Courier, Creating, LOOK_AGAIN, Next, PROBE_EVERY};
use crate::durable::{Batch, Cause, Hold, Marker, Phase, SheetRef, Transition, Wish};
use crate::ids::{Fate, MarkerId, marker_key};
use crate::mutation::Mutation;
use crate::pace::Backoff;
use crate::registers::{self, NEXT_KEY};
use crate::shown;
use crate::wire::{self, Call};

/// What is known of the register that names the next spreadsheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Register {
    Unread,
    /// It was not there when it was read.
    Absent,
    /// Our claim was refused at this moment; who has it is to be read from then on.
    Refused {
        at: Duration,
        read_at: Duration,
    },
    /// It names this spreadsheet.
    Names(String),
    /// It is somebody else's, or there is no room for it: siblings will not find our successor.
    NotToBeHad,
}

impl Register {
    pub(super) fn refused(now: Duration) -> Self {
        Self::Refused { at: now, read_at: now }
    }
}

/// Whether a copy, whose person wants another spreadsheet, can still look which rows are in its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Unasked,
    Gone,
}

const IS_A_COPY: &str = "this state directory is a copy, or was restored from a backup, and its spreadsheet answers: it looks \
                         there first which of its records came before";

const LEFT_BEHIND: &str = "rows that a copy held may be in the spreadsheet that it left: only you can say, see \
                           `rowkeeper queue list`";

/// The first of the batches that are bound to an earlier spreadsheet.
#[derive(Clone, Debug, Default)]
pub(super) struct Bound {
    /// Its spreadsheet answers, and its marker is not there.
    void: bool,
    not_before: Duration,
    /// Of its own: that its markers can be read says nothing about writing its void.
    backoff: Backoff,
}

impl Bound {
    pub(super) fn wait(&mut self, until: Duration) {
        (self.void, self.not_before) = (false, until);
    }

    /// The void was refused: somebody was there first.
    pub(super) fn look_again(&mut self, now: Duration) {
        self.wait(now + LOOK_AGAIN);
    }
}

impl Courier {
    /// The next step towards another spreadsheet; none while only the old one's hold can be waited out.
    pub(super) fn moving(&mut self, wish: Wish, now: Duration) -> Option<Next> {
        let asked_for = matches!(wish, Wish::New | Wish::Adopt(_));
        if self.state.hold.is_some() && !asked_for {
            return None;
        }
        let is_own = matches!(&wish, Wish::Adopt(id) if self.is_our_sheet(id));
        if self.is_copy() && (is_own || self.state.sheet.is_none()) {
            return Some(Next::Commit(Transition::WishRefused { wish, message: IS_A_COPY.to_owned(), hold: None }));
        }
        if now < self.not_before {
            return Some(Next::Wait(self.not_before));
        }
        if self.is_copy() && self.reach == Reach::Unasked {
            // Its rows may have been delivered by a newer state: if that can be seen it is looked for, by and by.
            return Some(self.paced(Asked::Reach, now));
        }
        let is_closed = self.is_copy() || matches!(self.state.hold, Some(Hold::Closed { .. }));
        if let (Some(batch), false) = (&self.state.batch, is_closed) {
            // Before rows go elsewhere, no attempt may be able to land them here.
            return Some(match batch.phase.clone() {
                Phase::Send if self.landed.is_some() => self.sending(now),
                Phase::Send => self.to_void(Cause::Move, "another spreadsheet was asked for".to_owned()),
                Phase::Void(cause, reason) => self.voiding(cause, reason, now),
            });
        }
        Some(match (&wish, &self.register) {
            (Wish::New, _) => self.create(now),
            (Wish::Adopt(id), _) => Next::Ask(Asked::Adopt(id.clone())),
            (Wish::Claim(own), Register::Names(id)) if own.id == *id => self.moved(own.clone()),
            (Wish::Claim(own), Register::NotToBeHad) => self.moved(own.clone()),
            (Wish::Next | Wish::Claim(_), Register::Names(id)) => Next::Ask(Asked::Adopt(id.clone())),
            (Wish::Next, Register::Unread) => Next::Ask(Asked::Register),
            (Wish::Next, _) => self.create(now),
            (Wish::Claim(_), Register::Refused { read_at, .. }) if now < *read_at => Next::Wait(*read_at),
            (Wish::Claim(_), Register::Refused { .. }) => Next::Ask(Asked::Register),
            (Wish::Claim(_), _) => self.paced(Asked::Claim, now),
        })
    }

    /// It is on disk first: an attempt without an answer leaves a spreadsheet that nobody knows.
    pub(super) fn create(&self, now: Duration) -> Next {
        match self.creating {
            Creating::Free if self.state.creating => self.paced(Asked::Create, now),
            _ => Next::Commit(Transition::Creating(self.title())),
        }
    }

    fn moved(&self, sheet: SheetRef) -> Next {
        self.moved_to(sheet).map_or(Next::Gather, Next::Commit)
    }

    fn moved_to(&self, sheet: SheetRef) -> Option<Transition> {
        let wish = self.state.wish.clone()?;
        let mut tally = self.state.tally;
        tally.asides = 0;
        tally.rekeys = 0;
        self.pace.store(&mut tally);
        // Only a batch in a closed spreadsheet is still open here. Rows that may be there stay with it.
        let in_doubt = (self.trail.doubt || self.trail.refused) && !self.left_out(Mutation::BoundGivenBack);
        let open = self.state.batch.as_ref().filter(|batch| batch.spreadsheet != sheet.id);
        let leaves = self.is_copy().then(|| self.identity_to_take().clone());
        let give_back = open.filter(|_| !in_doubt && leaves.is_none()).map(|batch| batch.id);
        Some(Transition::Moved { sheet, wish, give_back, leaves, tally })
    }

    fn is_copy(&self) -> bool {
        matches!(self.state.hold, Some(Hold::Copy { .. } | Hold::Retired { .. }))
    }

    /// A write that leaves nothing behind: a copy would need its answer.
    pub(super) fn reach_call(&self, sheet: &str) -> Call {
        let spare = self.identity_to_take();
        let body = registers::look_body(MarkerId::of(spare.base, 0), &marker_key(&spare.tag), &[]);
        Call::write(wire::path(sheet, shown::SHOWING_TABS), body)
    }

    /// It answered: the wish does not come true.
    pub(super) fn is_reached(&mut self) {
        if let Some(wish) = self.state.wish.clone() {
            self.due = Some(Transition::WishRefused { wish, message: IS_A_COPY.to_owned(), hold: None });
        }
    }

    /// A spreadsheet was created.
    pub(super) fn created(&mut self, sheet: SheetRef) {
        self.due = match &self.state.wish {
            None => Some(Transition::SheetCreated(sheet)),
            Some(Wish::Next) => Some(Transition::Wished(Wish::Claim(sheet))),
            // A person wished for another while this one was being made, which lies about now, empty.
            Some(Wish::Adopt(_)) => None,
            Some(_) => self.moved_to(sheet),
        };
    }

    pub(super) fn candidate(&self) -> Option<&SheetRef> {
        match &self.state.wish {
            Some(Wish::Claim(sheet)) => Some(sheet),
            _ => None,
        }
    }

    /// What a person is to see which of several spreadsheets by.
    pub(super) fn title(&self) -> String {
        match self.state.sheets {
            0 => self.options.title.clone(),
            earlier => format!("{} ({})", self.options.title, earlier + 1),
        }
    }

    /// A 200 to one of the questions on the way.
    pub(super) fn moved_on(&mut self, asked: &Asked, body: &[u8]) -> bool {
        match asked {
            Asked::Adopt(id) => match wire::parse_spreadsheet(body) {
                Some(found) if found.spreadsheet_id == *id => {
                    let title = found.properties.map(|titled| wire::printable(&titled.title)).unwrap_or_default();
                    let url = wire::printable(&found.spreadsheet_url);
                    self.due = self.moved_to(SheetRef { id: found.spreadsheet_id, url, title });
                    true
                }
                _ => false,
            },
            Asked::Register => match wire::parse_metadata(body) {
                Some(found) if found.metadata_key == NEXT_KEY && !found.metadata_value.is_empty() => {
                    self.register = Register::Names(found.metadata_value);
                    true
                }
                Some(_) => {
                    self.register = Register::NotToBeHad;
                    true
                }
                None => false,
            },
            _ => {
                let sheet = self.state.sheet.as_ref().map_or("", |sheet| sheet.id.as_str());
                let id = i64::from(MarkerId::of_next(sheet).as_u32());
                let ours = wire::parse_batch_reply(body)
                    .is_some_and(|reply| reply.first_id == id && reply.spreadsheet_id == sheet);
                if ours && let Some(own) = self.candidate().cloned() {
                    self.due = self.moved_to(own);
                }
                ours
            }
        }
    }

    /// By a read that began at `began`.
    pub(super) fn register_absent(&mut self, began: Duration, now: Duration) {
        self.register = match self.register {
            // A read may be older than the claim that won.
            Register::Refused { at, .. } if began.saturating_sub(at) < LOOK_AGAIN => {
                Register::Refused { at, read_at: now + LOOK_AGAIN / 4 }
            }
            Register::Refused { .. } => Register::NotToBeHad,
            _ => Register::Absent,
        };
    }

    /// Google's no to a spreadsheet that is wanted. False if it is not about a wish.
    pub(super) fn refuses_wish(&mut self, asked: &Asked, message: &str, began: Duration, now: Duration) -> bool {
        let Some(wish) = self.state.wish.clone() else { return false };
        let hold = match (asked, &wish) {
            // It will be tried again, with the hold that the caller makes of it.
            (Asked::Create, Wish::Next | Wish::Claim(_)) => return false,
            // A sibling made it a moment ago: reads may be older.
            (_, Wish::Next | Wish::Claim(_))
                if began.saturating_sub(*self.hidden_since.get_or_insert(began)) < LOOK_AGAIN =>
            {
                self.not_before = now + LOOK_AGAIN / 4;
                return true;
            }
            (_, Wish::Next | Wish::Claim(_)) => {
                self.hidden_since = None;
                let message = format!("it is full, and the next one cannot be opened: {message}");
                Some(Hold::Full { message })
            }
            _ => None,
        };
        self.due = Some(Transition::WishRefused { wish, message: message.to_owned(), hold });
        true
    }

    /// Nothing to do, unless rows are bound to a spreadsheet that does not answer.
    pub(super) fn idle(&mut self, now: Duration) -> Next {
        let bound = self.first_bound().map(|_| match self.bound.void {
            true => self.bound.not_before.max(self.pace.ready_at(now)),
            false => self.bound.not_before,
        });
        // Only a person can say what becomes of them; but they do wait.
        let left = self.state.bound.iter().any(|batch| !can_be_asked_for(batch)).then_some(now + PROBE_EVERY);
        if left.is_some() && self.trouble.is_none() {
            self.trouble = Some(LEFT_BEHIND.to_owned());
        }
        match bound.into_iter().chain(left).chain(self.amend_due_at(now)).min() {
            None => Next::Idle,
            Some(at) => Next::Wait(at),
        }
    }

    /// Looks after the first batch that is bound to an earlier spreadsheet: hourly while that is closed.
    pub(super) fn settle_bound(&self, now: Duration) -> Option<Next> {
        self.first_bound()?;
        if now < self.bound.not_before || now < self.not_before {
            return None;
        }
        if self.bound.void && now < self.pace.ready_at(now) {
            return None;
        }
        Some(Next::Ask(if self.bound.void { Asked::BoundVoid } else { Asked::BoundCheck }))
    }

    /// No answer about the first one, or a call to wait.
    pub(super) fn bound_lost(&mut self, now: Duration, random: u32) {
        let wait = self.bound.backoff.next(random);
        self.bound_later(now + wait);
    }

    fn first_bound(&self) -> Option<&Batch> {
        self.state.bound.iter().find(|batch| can_be_asked_for(batch))
    }

    /// Nothing can be learned of the first one now: the next one's turn.
    fn bound_later(&mut self, until: Duration) {
        if let Some(at) = self.state.bound.iter().position(can_be_asked_for) {
            let batch = self.state.bound.remove(at);
            self.state.bound.push(batch);
        }
        self.bound.wait(until);
    }

    pub(super) fn bound_closed(&mut self, why: &str, now: Duration) {
        let asked_for = self.state.bound.iter().filter(|batch| can_be_asked_for(batch)).count();
        let each = u32::try_from(asked_for).unwrap_or(u32::MAX).max(1);
        self.bound_later(now + PROBE_EVERY / each);
        self.trouble = Some(format!("rows may be in an earlier spreadsheet, which does not say so: {why}"));
    }

    pub(super) fn bound_call(&self, asked: &Asked) -> Call {
        let Some(batch) = self.first_bound() else { return wire::get_tabs("") };
        let key = self.key_of(batch.id, batch.seq);
        match asked {
            Asked::BoundVoid => {
                let body = registers::void_body(batch.id, &key, batch.digest);
                Call::write(wire::path(&batch.spreadsheet, ":batchUpdate"), body)
            }
            _ => wire::search(&batch.spreadsheet, &[&key]),
        }
    }

    /// A 200 about a bound batch.
    pub(super) fn bound_answered(&mut self, asked: &Asked, body: &[u8], date: Option<i64>, now: Duration) -> bool {
        let Some(batch) = self.first_bound().cloned() else { return false };
        let is_copys = matches!(batch.phase, Phase::Void(Cause::Copy, _));
        let id = i64::from(batch.id.as_u32());
        let fate = if *asked == Asked::BoundVoid {
            let ours = wire::parse_batch_reply(body)
                .is_some_and(|reply| reply.first_id == id && reply.spreadsheet_id == batch.spreadsheet);
            if !ours {
                return false;
            }
            Fate::Void
        } else {
            let Some(found) = wire::parse_search(body) else { return false };
            match found.iter().find(|found| found.metadata_id == id) {
                Some(found) if found.metadata_value == Fate::Applied.value(batch.digest) => Fate::Applied,
                // Another copy may have sent its rows in another batch, and taken its marker away again.
                found
                    if is_copys && found.is_none_or(|found| found.metadata_value == Fate::Void.value(batch.digest)) =>
                {
                    self.bound_closed("another copy of this device may have sent them", now);
                    return true;
                }
                Some(found) if found.metadata_value == Fate::Void.value(batch.digest) => Fate::Void,
                // A copy's: a person has to tell what became of the rows.
                Some(_) => {
                    self.bound_closed("it knows another batch by that name", now);
                    return true;
                }
                // Absent, but reads may be old and attempts alive: only a void makes sure.
                None => {
                    self.bound.void = true;
                    return true;
                }
            }
        };
        let marker: Marker = self.marker(&batch, fate, true, date);
        self.due = Some(Transition::BoundSettled(marker));
        true
    }
}

/// Rows that were never in a batch have no marker: nothing can be asked about them.
fn can_be_asked_for(batch: &Batch) -> bool {
    !batch.body.is_empty()
}
