//! Sending rows to another spreadsheet, on a person's word.

use std::sync::Arc;
use std::time::Duration;

use sheet_courier::{Hold, SheetRef, Wish};

use super::Device;
use super::deliver::{DeliverError, attempt};
use crate::clock::{Mono, Stop, Woke};
use crate::delivery::{self, Delivery, DeliveryLock, Stepped};
use crate::outbox::{self, DiskError, Filter, GoesOn, Listed, RowState};
use crate::session;
use crate::status::GrantState;

/// Where rows go from now on.
#[derive(Clone, Debug)]
pub struct WentTo {
    /// The spreadsheet.
    pub sheet: SheetRef,
    /// Rows that may or may not be in the one before, which does not answer. They wait until it does, or for a person.
    pub in_doubt: Vec<Listed>,
    /// This state directory was a copy of another, and goes on as a new device: only a person can settle what is in doubt.
    pub was_copy: bool,
}

impl Device {
    /// Makes rows go to another spreadsheet. What is on its way to the current one is settled there first, if that
    /// answers. When time is up the wish stays, and comes true with a later delivery.
    ///
    /// # Errors
    /// `Refused`: the spreadsheet cannot be used; all is as it was. Others: see [`DeliverError`].
    pub fn go_to(&self, wish: &Wish, give_up: Mono, stop: &Stop) -> Result<WentTo, DeliverError> {
        let settings = self.settings()?;
        let grant = self.session.status();
        if grant.state != GrantState::SignedIn {
            return Err(DeliverError::NoGrant(grant.reason));
        }
        let was_copy = matches!(self.outbox.hold()?, Some(Hold::Copy { .. } | Hold::Retired { .. }));
        self.outbox.set_wish(wish)?;
        let session = &self.session;
        let mut api = |request: &_, timeouts: &_| attempt(session, &*self.clock, request, timeouts);
        let mut sender: Option<Delivery> = None;
        while self.outbox.wish()?.is_some() {
            if stop.is_stopped() || self.clock.mono() >= give_up {
                return Err(self.not_yet());
            }
            let Some(delivery) = &mut sender else {
                match DeliveryLock::take(&self.config.state_dir).map_err(DeliverError::Lock)? {
                    Some(lock) => sender = Some(Delivery::new(Arc::clone(&self.outbox), settings.clone(), lock)),
                    None => {
                        // Whoever delivers does it.
                        delivery::ring(&self.config.state_dir);
                        self.wait(self.clock.mono() + Duration::from_millis(200), give_up, stop);
                    }
                }
                continue;
            };
            match delivery.step(&mut api, &*self.clock, &mut session::jitter)? {
                Stepped::Changed(_) | Stepped::Called | Stepped::Idle => {}
                Stepped::NeedsSignIn => return Err(DeliverError::NoGrant(self.session.status().reason)),
                Stepped::WaitUntil(until) | Stepped::Hold(_, until) => self.wait(until, give_up, stop),
            }
        }
        if let Some(why) = self.outbox.wish_refused()? {
            return Err(DeliverError::Refused(why));
        }
        // It answered: what went wrong on the way is over. (A daemon that did it speaks for itself.)
        if sender.is_some() {
            self.outbox.set_status(&outbox::Status::default())?;
        }
        let sheet = self.outbox.sheet()?.ok_or_else(|| self.not_yet())?;
        let in_flight = Filter { state: Some(RowState::InBatch), ..Filter::default() };
        let in_doubt = self.outbox.list(&in_flight)?.into_iter().filter(|row| row.bound).collect();
        Ok(WentTo { sheet, in_doubt, was_copy })
    }

    /// A person says that no other copy of this state directory goes on: this one does, as a new device.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn goes_on(&self) -> Result<GoesOn, DiskError> {
        let goes_on = self.outbox.goes_on()?;
        delivery::ring(&self.config.state_dir);
        Ok(goes_on)
    }

    fn not_yet(&self) -> DeliverError {
        DeliverError::NotYet { last_error: self.outbox.status().ok().and_then(|said| said.last_error) }
    }

    fn wait(&self, until: Mono, give_up: Mono, stop: &Stop) {
        // The caller looks at the stop itself.
        let _: Woke = self.clock.wait(until.min(give_up), stop);
    }
}
