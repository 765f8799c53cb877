//! The daemon's loop.

use std::sync::Arc;
use std::time::Duration;

use super::Device;
use super::bin::BinLooks;
use super::deliver::{DeliverError, PATIENCE, attempt, hold_advice};
use crate::clock::{Stop, Woke};
use crate::delivery::{self, Bell, Change, Delivery, DeliveryLock, Stepped};
use crate::intake::Door;
use crate::outbox::DiskError;
use crate::session::{self, AccessError, Account, Asked, SignInError, SignInEvent};
use crate::status::{self, GrantState};

/// What happens while a device runs, for screens and logs.
#[derive(Debug)]
pub enum Event {
    /// A code is to be shown, or is still waiting.
    SignIn(SignInEvent),
    /// The device was signed in.
    SignedIn(Account),
    /// A sign-in brought nothing; the device asks again by itself while it may.
    SignInFailed(SignInError),
    /// Something about the rows became durable.
    Delivery(Change),
    /// Nothing is wrong yet: the sign-in will end by itself, or lacks a permission that rows do not need, or the
    /// spreadsheet lies in the bin; one line.
    Notice(String),
    /// Something is wrong and will be tried again; one line.
    Trouble(String),
    /// Nothing is sent until a person acts; one line that says how.
    Hold(String),
    /// All rows are in the sheet.
    Idle,
}

/// How often a device that waits for a person looks whether one acted, where nobody rings its bell.
const LOOK: Duration = Duration::from_secs(10);

/// A refresh token that nobody uses dies after six months (docs/google.md, T3): one refresh a day keeps it.
const KEEP_ALIVE: Duration = Duration::from_secs(24 * 3600);

impl Device {
    /// Runs the device until the stop is pressed: keeps the sign-in, sends rows as they come, asks for a new approval
    /// when the old one died (three codes at most without one).
    ///
    /// # Errors
    /// Only what nobody can wait out: an unusable configuration or state directory, or an outbox that must be opened again
    /// after a sync failed.
    pub fn run(&self, on: &mut dyn FnMut(Event), stop: &Stop) -> Result<(), DeliverError> {
        let settings = self.settings()?;
        let Some(lock) = self.wait_for_lock(on, stop)? else { return Ok(()) };
        // It has the lock, and is dropped last: until then nobody else's bell is in the place of ours.
        let mut delivery = Delivery::new(Arc::clone(&self.outbox), settings, lock);
        // Without a bell (a state directory with a very long path) the outbox is looked at now and then.
        let bell = Bell::listen(&self.config.state_dir, stop.clone()).ok();
        let idle = if bell.is_some() { KEEP_ALIVE } else { delivery::POLL };
        let _door = self.open_door(on);
        let session = &self.session;
        let mut api = |request: &_, timeouts: &_| attempt(session, &*self.clock, request, timeouts);
        let mut kept_alive = self.clock.mono();
        let mut noticed = None;
        let mut bin = BinLooks::new(self.clock.mono());
        while !stop.is_stopped() {
            let grant = session.status();
            if grant.state != GrantState::SignedIn {
                self.sign_in_by_itself(&grant, on, stop)?;
                continue;
            }
            if grant.reason != noticed {
                grant.reason.iter().for_each(|why| on(Event::Notice(why.clone())));
                noticed = grant.reason;
            }
            if self.clock.mono().since(kept_alive) >= KEEP_ALIVE {
                kept_alive = self.clock.mono();
                // What is wrong with it shows in the state; what is only weather is tried again with the next request.
                _ = session.bearer();
                continue;
            }
            bin.look(self, &*self.clock).into_iter().for_each(|why| on(Event::Notice(why)));
            let until = match delivery.step(&mut api, &*self.clock, &mut session::jitter) {
                Ok(Stepped::Changed(change)) => {
                    on(Event::Delivery(change));
                    continue;
                }
                Ok(Stepped::Called) => continue,
                Ok(Stepped::NeedsSignIn) => {
                    // The loop's head sees why. A state that says otherwise by then is another process's approval.
                    self.clock.mono() + Duration::from_secs(1)
                }
                Ok(Stepped::WaitUntil(until)) => {
                    delivery.trouble().into_iter().for_each(|why| on(Event::Trouble(why.to_owned())));
                    until
                }
                Ok(Stepped::Hold(hold, until)) => {
                    on(Event::Hold(hold_advice(&hold)));
                    until
                }
                Ok(Stepped::Idle) => {
                    on(Event::Idle);
                    self.clock.mono() + idle
                }
                // Nobody else would start it again.
                Err(error @ DiskError::Failed) => return Err(error.into()),
                Err(error) => {
                    on(Event::Trouble(format!("the outbox does not answer: {error}")));
                    self.clock.mono() + LOOK
                }
            };
            self.clock.wait(until.min(bin.next), stop);
        }
        Ok(())
    }

    /// Other programs record through it. Without it the device does all else.
    fn open_door(&self, on: &mut dyn FnMut(Event)) -> Option<Door> {
        let path = self.config.socket_path()?;
        let door = Door::open(&path, self.config.socket.group.as_deref(), self.recorder().stream());
        door.map_err(|error| on(Event::Notice(error.to_string()))).ok()
    }

    /// One code at most; the caller comes back while the device is not signed in.
    fn sign_in_by_itself(
        &self,
        grant: &status::Grant,
        on: &mut dyn FnMut(Event),
        stop: &Stop,
    ) -> Result<(), DeliverError> {
        if let (GrantState::Misconfigured, Some(reason)) = (grant.state, &grant.reason) {
            // State of another provider does not come right by waiting.
            self.session.usable().map_err(DeliverError::Access)?;
            // Approving again would not help. A refresh or a sign-in that works takes the state away.
            on(Event::Hold(reason.clone()));
            self.clock.wait(self.clock.mono() + PATIENCE, stop);
            if self.session.token(Duration::ZERO).is_ok() {
                return Ok(());
            }
        }
        let outcome = self.session.sign_in(Asked::ByItself, &mut |event| on(Event::SignIn(event.clone())), stop);
        let pause = match outcome {
            Ok(account) => {
                on(Event::SignedIn(account));
                return Ok(());
            }
            Err(SignInError::Stopped) => return Ok(()),
            Err(SignInError::Access(error)) if !is_weather(&error) => return Err(DeliverError::Access(error)),
            Err(error) => {
                let pause = match &error {
                    SignInError::WaitsForPerson | SignInError::Access(_) => LOOK,
                    SignInError::Misconfigured(_) | SignInError::Failed(_) => PATIENCE,
                    _ => Duration::from_secs(1),
                };
                on(Event::SignInFailed(error));
                pause
            }
        };
        self.clock.wait(self.clock.mono() + pause, stop);
        Ok(())
    }

    /// `None` when the stop was pressed first.
    fn wait_for_lock(&self, on: &mut dyn FnMut(Event), stop: &Stop) -> Result<Option<DeliveryLock>, DeliverError> {
        let mut told = false;
        loop {
            if let Some(lock) = DeliveryLock::take(&self.config.state_dir).map_err(DeliverError::Lock)? {
                return Ok(Some(lock));
            }
            if !std::mem::replace(&mut told, true) {
                on(Event::Trouble(
                    "another rowkeeper delivers from this state directory; waiting for it to end".into(),
                ));
            }
            if self.clock.wait(self.clock.mono() + Duration::from_secs(1), stop) == Woke::Stopped {
                return Ok(None);
            }
        }
    }
}

fn is_weather(error: &AccessError) -> bool {
    matches!(error, AccessError::Provider(session::ProviderError::Unreachable(_)))
}
