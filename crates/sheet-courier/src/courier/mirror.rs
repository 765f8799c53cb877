//! Following the disk: the courier's picture of the durable state changes only when a change was acknowledged.

use core::mem;
use core::time::Duration;

use super::moving::{Bound, Register};
use super::{Courier, Creating, Doing, Known, Settle, Trail};
use crate::durable::{Hold, Marker, Phase, Transition, Wish};
use crate::ids::sheet_id_of_table;

impl Courier {
    /// The change that [`super::Step::Commit`] asked for is on disk; it was acknowledged at `now`.
    pub fn committed(&mut self, now: Duration) {
        let Doing::Committing(change) = mem::replace(&mut self.doing, Doing::Nothing) else { return };
        let state = &mut self.state;
        match change {
            Transition::Creating(_) => {
                state.creating = true;
                self.creating = Creating::Free;
            }
            Transition::NotCreated => state.creating = false,
            Transition::SheetCreated(sheet) => {
                state.creating = false;
                state.sheet = Some(sheet);
                self.known = Known::default();
                // It was created with the tabs of all tables that were known then.
                let tables = self.options.tables.iter().map(|table| &table.name);
                let rows = self.gathered.iter().flatten().map(|row| &row.table);
                self.tab_ids = tables.chain(rows).map(|table| (table.clone(), sheet_id_of_table(table))).collect();
            }
            Transition::Frozen { batch, tally, .. } => {
                state.device.next_seq = batch.seq + 1;
                state.batch = Some(batch);
                state.tally = tally;
                self.forget_batch();
            }
            Transition::ToVoid { cause, reason, .. } => {
                if let Some(batch) = &mut state.batch {
                    batch.phase = Phase::Void(cause, reason);
                }
                self.forget_batch();
            }
            Transition::Applied { marker, tally, .. } => {
                state.tally = tally;
                self.is_settled(marker, now);
                match self.trail.after.take() {
                    Some((layout, versions)) if self.known.layout.is_some() => {
                        self.known.layout = Some(layout);
                        self.known.versions = Some(versions);
                        self.known.at = self.trail.seen_at.unwrap_or(self.known.at);
                    }
                    // Frozen by another process, or the layout was found to be old meanwhile.
                    _ => self.known = Known::default(),
                }
            }
            Transition::Voided { marker, tally, hold, wish, .. } => {
                state.tally = tally;
                if wish.is_some() {
                    state.wish = wish;
                }
                if hold.is_some() {
                    state.hold = hold;
                }
                self.is_settled(marker, now);
            }
            Transition::Rekeyed { left, batch, tally, .. } => {
                state.device.next_seq = batch.seq + 1;
                state.tally = tally;
                let (oldest, after, frozen) = (self.trail.oldest, self.trail.after.take(), self.trail.frozen);
                self.trail = Trail { paid: false, frozen, ..Trail::of_frozen(oldest, now, after) };
                let old = state.batch.replace(batch);
                self.forget_batch();
                if let (Some(marker), Some(_)) = (left, old) {
                    self.settled_at.push((marker.id, now));
                    self.state.markers.push(marker);
                }
            }
            Transition::Stamped(ids, at) => {
                for marker in state.markers.iter_mut().filter(|marker| ids.contains(&marker.id)) {
                    marker.ended_at = Some(at);
                }
            }
            Transition::Pruned(ids) => {
                self.settled_at.retain(|(id, _)| !ids.contains(id));
                let (gone, left) =
                    mem::take(&mut state.markers).into_iter().partition(|m: &Marker| ids.contains(&m.id));
                state.markers = left;
                self.forgotten = gone;
            }
            Transition::Releasing(release) => self.release_committed(release, now),
            Transition::Present { .. } => {}
            Transition::Renamed { .. } => {
                // What is kept in memory was about another identity; the edge makes a new courier from the disk.
                state.hold = None;
                state.release = None;
                state.batch = None;
            }
            Transition::Held(hold) => {
                if let Hold::Retired { .. } = hold {
                    state.release = None;
                }
                state.hold = Some(hold);
            }
            Transition::Released => state.hold = None,
            Transition::Wished(wish) => {
                // The next one was created.
                state.creating &= !matches!(wish, Wish::Claim(_));
                state.wish = Some(wish);
                self.register = Register::Unread;
            }
            Transition::WishRefused { hold, .. } => {
                state.wish = None;
                if hold.is_some() {
                    state.hold = hold;
                }
            }
            Transition::Moved { sheet, tally, .. } => {
                // What is kept in memory was about another spreadsheet; the edge makes a new courier from the disk.
                state.sheet = Some(sheet);
                state.tally = tally;
                state.wish = None;
                state.hold = None;
                state.batch = None;
            }
            Transition::Anchored { anchor, .. } => self.is_anchored(anchor),
            Transition::AnchorClosed { marker, is_written, .. } => self.anchor_closed(marker, is_written, now),
            Transition::Returns { .. } | Transition::Gone { .. } | Transition::Stuck { .. } => self.amend_ends(),
            Transition::BoundSettled(marker) => {
                state.bound.retain(|batch| batch.id != marker.id);
                self.bound = Bound::default();
            }
        }
    }

    fn is_settled(&mut self, marker: Marker, now: Duration) {
        self.settled_at.push((marker.id, now));
        self.state.markers.push(marker);
        self.state.batch = None;
        self.rows_went_last = true;
        self.forget_batch();
    }

    /// What was only about the batch's last state.
    fn forget_batch(&mut self) {
        self.settle = Settle::No;
        self.voided = None;
        self.void_seen = false;
        self.landed = None;
    }
}
