//! Markers that have lived long enough.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Asked, Courier, LOOK_AGAIN, Next, PRUNE_AT_LEAST, PRUNE_AT_MOST};
use crate::durable::{Marker, Transition};
use crate::ids::MarkerId;
use crate::life::{self, Ages};
#[cfg(feature = "mutations")]
use crate::mutation::Mutation;
use crate::registers::PruneBy;

pub(super) const NO_ROOM: &str = "too many markers are in the spreadsheet; waiting until older ones may be removed";

impl Courier {
    /// Between calls, never before a waiting row.
    pub(super) fn tidy(&mut self, now: Duration) -> Next {
        if let Some((google, came)) = self.google {
            // A date tells only about attempts that had ended when it came.
            let unstamped = self.state.markers.iter().filter(|marker| marker.ended_at.is_none());
            let ended = |id| self.settled(id).unwrap_or(self.lock_taken);
            let ids: Vec<MarkerId> = unstamped.map(|marker| marker.id).filter(|id| ended(*id) < came).collect();
            if !ids.is_empty() {
                return Next::Commit(Transition::Stamped(ids, google));
            }
        }
        self.prune_now(PRUNE_AT_LEAST, now).unwrap_or_else(|| self.idle(now))
    }

    pub(super) fn prune_now(&mut self, at_least: usize, now: Duration) -> Option<Next> {
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

    pub(super) fn prunable(&self, now: Duration) -> Vec<MarkerId> {
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

    pub(super) fn prunable_of(&self, markers: &[Marker], now: Duration) -> Vec<MarkerId> {
        let google = self.google.map(|(date, _)| date);
        let ages = Ages { now, lock_taken: self.lock_taken, google };
        life::prunable(markers, &self.key(), ages, |id| self.settled(id))
    }

    /// When a marker's batch was settled, if that was in this process.
    fn settled(&self, id: MarkerId) -> Option<Duration> {
        self.settled_at.iter().find(|(settled, _)| *settled == id).map(|(_, at)| *at)
    }

    /// Over budget: the next batch waits, and gathers rows.
    pub(super) fn make_room(&mut self, now: Duration) -> Next {
        if let Some(prune) = self.prune_now(1, now) {
            return prune;
        }
        self.trouble = Some(NO_ROOM.to_owned());
        Next::Wait(self.prune_after.max(self.pace.ready_at(now)).max(now + LOOK_AGAIN / 4))
    }

    pub(super) fn prune_by(&self) -> PruneBy {
        #[cfg(feature = "mutations")]
        match self.mutation {
            Some(Mutation::PruneByKey) => return PruneBy::Key,
            Some(Mutation::PruneById) => return PruneBy::Id,
            _ => {}
        }
        PruneBy::All
    }
}
