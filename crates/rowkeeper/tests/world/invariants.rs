//! The invariants of the protocol (section 10), looked at after every step of a device.
//!
//! 6 and the promise itself are judged at the end of a world. 7, that every hold names what a person must do, is a match
//! without a last resort in `device::deliver::hold_advice`: the compiler keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rowkeeper::clock::Clock as _;
use rowkeeper::delivery::{Change, Stepped};
use rowkeeper::outbox::{Filter, RowState};
use sheet_courier::{Batch, Fate, Phase};

use super::world::World;

/// A device's batches, as its state directory had them when it was last looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    batches: BTreeMap<u32, Known>,
    /// The one in flight; the others are bound to earlier spreadsheets.
    open: Option<u32>,
}

#[derive(Clone, Debug)]
struct Known {
    spreadsheet: String,
    applied: String,
    void: String,
    bytes: std::sync::Arc<[u8]>,
}

impl Known {
    fn of(batch: &Batch) -> Self {
        Self {
            spreadsheet: batch.spreadsheet.clone(),
            applied: Fate::Applied.value(batch.digest),
            void: Fate::Void.value(batch.digest),
            bytes: batch.body.clone(),
        }
    }
}

impl World {
    pub(super) fn check_invariants(&mut self, at: usize, stepped: &Stepped) -> Result<(), String> {
        if let Some(id) = self.net.unguarded.take().filter(|_| !self.has_copies()) {
            return Err(self.wrong(&format!("5: the marker {id} disappeared while an attempt with it was on its way")));
        }
        self.waits_for_something(at, stepped)?;
        if matches!(stepped, Stepped::Changed(_)) {
            self.rows_are_in_one_place(at, stepped)?;
        }
        self.one_live_id_per_row()
    }

    /// A process that waits for a moment that has passed goes round in circles as fast as it can.
    fn waits_for_something(&self, at: usize, stepped: &Stepped) -> Result<(), String> {
        let (Stepped::WaitUntil(until) | Stepped::Hold(_, until)) = stepped else { return Ok(()) };
        let device = &self.devices[at];
        if *until > device.clock.mono() {
            return Ok(());
        }
        Err(self.wrong(&format!("{} waits for a moment that has passed: {stepped:?}", device.name)))
    }

    /// 1, 2 and 3.
    fn rows_are_in_one_place(&mut self, at: usize, stepped: &Stepped) -> Result<(), String> {
        let device = &self.devices[at];
        let durable = device.outbox.durable(&device.clock.boot_id(), Duration::ZERO).unwrap();
        let rows = device.outbox.list(&Filter::default()).unwrap();
        let in_batches = rows.iter().filter(|row| row.state == RowState::InBatch).count();
        let open: u32 = durable.batch.iter().map(|batch| batch.rows).sum();
        let bound: u32 = durable.bound.iter().map(|batch| batch.rows).sum();
        let ids: BTreeSet<&String> = rows.iter().map(|row| &row.id).collect();
        if ids.len() != rows.len() {
            return Err(self.wrong("1: a row is in two places of the outbox"));
        }
        // A person takes rows out of bound batches one by one; a copy those that are in the sheet out of its own.
        if !self.has_copies() && (in_batches > (open + bound) as usize || in_batches < open as usize) {
            return Err(self.wrong(&format!("1: {in_batches} rows are in batches of {open} and {bound}")));
        }
        let batches = durable.batch.iter().chain(&durable.bound);
        let now = Seen {
            batches: batches.clone().map(|batch| (batch.id.as_u32(), Known::of(batch))).collect(),
            open: durable.batch.as_ref().map(|batch| batch.id.as_u32()),
        };
        for batch in batches {
            let old = device.seen.batches.get(&batch.id.as_u32());
            if old.is_some_and(|old| old.bytes != batch.body) {
                return Err(self.wrong("a frozen batch has other bytes"));
            }
            if batch.phase == Phase::Send && *stepped == Stepped::Changed(Change::Delivered(0)) {
                return Err(self.wrong("an empty batch was delivered"));
            }
        }
        let left: Vec<(u32, Known)> = device.seen.batches.clone().into_iter().collect();
        let gone = left.into_iter().filter(|(id, _)| !now.batches.contains_key(id)).collect::<Vec<_>>();
        for (id, batch) in gone {
            let says = self.net.marker(&batch.spreadsheet, id);
            // What is delivered is the batch in flight.
            let is_done = matches!(stepped, Stepped::Changed(Change::Delivered(_))) && device.seen.open == Some(id);
            if is_done && says.as_ref() != Some(&batch.applied) && !self.has_copies() {
                return Err(self.wrong(&format!("2: batch {id} is done, and its register says {says:?}")));
            }
            let is_settled = [&batch.applied, &batch.void].map(Some).contains(&says.as_ref());
            let is_alive = self.net.rows_alive().any(|alive| alive.spreadsheet == batch.spreadsheet && alive.id == id);
            if !is_done && !is_settled && is_alive {
                return Err(self.wrong(&format!("3: rows left batch {id} while an attempt could land")));
            }
        }
        self.devices[at].seen = now;
        Ok(())
    }

    /// 4: an attempt that could still be applied is one of the batch that its rows are in.
    fn one_live_id_per_row(&self) -> Result<(), String> {
        if self.has_copies() {
            return Ok(());
        }
        for alive in self.net.rows_alive() {
            if self.decided.contains(&(alive.spreadsheet.clone(), alive.id)) {
                continue;
            }
            let owner = self.devices.iter().any(|device| {
                device.seen.batches.get(&alive.id).is_some_and(|batch| batch.spreadsheet == alive.spreadsheet)
            });
            // While somebody else has the id it could not be applied, and a batch whose id is taken is left.
            if !owner && alive.rows.iter().any(|row| self.acknowledged.contains_key(row)) {
                return Err(self.wrong(&format!("4: an attempt of batch {} is alive, and the batch is not", alive.id)));
            }
        }
        Ok(())
    }

    /// A person has decided about rows of a batch that is bound to an earlier spreadsheet, which nobody can ask. That
    /// choice is the one way out of a batch without its register (protocol section 7, *Closed*): a batch whose last row
    /// went like that is gone, and may still land.
    pub(super) fn person_decided(&mut self, at: usize) {
        let device = &mut self.devices[at];
        let durable = device.outbox.durable("", Duration::ZERO).unwrap();
        let bound: BTreeSet<u32> = durable.bound.iter().map(|batch| batch.id.as_u32()).collect();
        let open = durable.batch.as_ref().map(|batch| batch.id.as_u32());
        let left = |id: &u32| !bound.contains(id) && open != Some(*id);
        let gone: Vec<u32> = device.seen.batches.keys().copied().filter(left).collect();
        for id in gone {
            if let Some(batch) = device.seen.batches.remove(&id) {
                self.decided.insert((batch.spreadsheet, id));
            }
        }
    }

    fn has_copies(&self) -> bool {
        self.restored || self.twinned
    }
}
