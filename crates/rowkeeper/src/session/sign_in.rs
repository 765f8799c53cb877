//! Signing in: one code, shown and polled until its person has decided.
//!
//! The pending grant lives in the store, not in a process. Each poll takes the lock, reads it, sends, and writes what
//! came: so a code survives a restart, and any number of programs wait for it without polling faster than one.

use std::fmt;
use std::time::Duration;

use device_grant::{Ask, Client, Pending, SignIn, Step, WhatNext};
use zeroize::Zeroizing;

use super::{AccessError, Session, machine_time};
use crate::clock::{Mono, Stop, Woke};
use crate::grant_store::{Locked, Stored, StoredGrant};

/// Who wants the device signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A person, by a command or a button: the count of codes without an approval starts anew.
    ByPerson,
    /// The device itself: at most three codes without an approval, then it waits for a person (RFC 8628 section 3.1).
    ByItself,
}

/// Codes that a device asks for by itself without an approval.
const CODES_BY_ITSELF: u32 = 3;

/// What a person or a program may want to hear on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInEvent {
    /// Show this code, with its address.
    Code {
        /// What the person types, exactly as received.
        user_code: String,
        /// Where.
        verification_uri: String,
        /// The address with the code in it, where the provider gives one.
        verification_uri_complete: Option<String>,
        /// How long the code lives from now on.
        expires_in: Duration,
    },
    /// Still nobody has decided. `trouble` says why the last request brought no answer, if it did not.
    Waiting {
        /// For people.
        trouble: Option<String>,
    },
}

/// A device that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Who approved, where the provider says so.
    pub label: Option<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// It was signed in before; nothing was asked.
    pub already: bool,
}

/// The device is not signed in.
#[derive(Debug)]
pub enum SignInError {
    /// The state cannot be used.
    Access(AccessError),
    /// The person said no.
    Denied,
    /// A person approved and left out what the device cannot do without; the text says what to do. The approval is not
    /// kept.
    Unticked(String),
    /// Somebody else approved than the account the device belongs to; the text says who. The approval is not kept.
    Stranger(String),
    /// Nobody decided in time, or the approval may have been lost; the text says what to do.
    Expired(String),
    /// Client or configuration are wrong, the text says what; showing another code is no use.
    Misconfigured(String),
    /// The provider will not have it; the text says why.
    Failed(String),
    /// The stop was pressed. The code stays valid, and the next call goes on with it.
    Stopped,
    /// The device has shown its three codes; a person has to start it.
    WaitsForPerson,
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(error) => error.fmt(f),
            Self::Denied => write!(f, "the request was denied; run `rowkeeper sign-in` again if that was a mistake"),
            Self::Unticked(why)
            | Self::Stranger(why)
            | Self::Expired(why)
            | Self::Misconfigured(why)
            | Self::Failed(why) => f.write_str(why),
            Self::Stopped => {
                write!(f, "stopped; a code that was shown stays valid, `rowkeeper sign-in` goes on with it")
            }
            Self::WaitsForPerson => {
                write!(
                    f,
                    "{CODES_BY_ITSELF} codes were shown and none approved; run `rowkeeper sign-in` for another one"
                )
            }
        }
    }
}

impl std::error::Error for SignInError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Access(error) => error.source(),
            _ => None,
        }
    }
}

impl<E: Into<AccessError>> From<E> for SignInError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}

impl Session {
    /// Signs the device in, if it is not: shows one code through `on` and waits until it is approved, denied or dead.
    ///
    /// A code that was pending is gone on with, also after a restart. Network trouble never ends it.
    ///
    /// # Errors
    /// See [`SignInError`]. After `Stopped` the code stays pending.
    pub fn sign_in(&self, asked: Asked, on: &mut dyn FnMut(&SignInEvent), stop: &Stop) -> Result<Account, SignInError> {
        let client = &*self.0.client()?;
        let mut shown = None;
        // A machine that has no code yet; once it has, the store's copy is the one that counts.
        let mut asking = None;
        let mut said = Vec::new();
        if let Some(account) = self.begin(client, asked)? {
            return Ok(account);
        }
        loop {
            let turn = self.turn(client, &mut asking, &mut shown, &mut said);
            // Told when the lock is free again: whoever hears it may want a look at the store.
            said.drain(..).for_each(|event| on(&event));
            match turn? {
                Turn::SignedIn(account) => {
                    // A daemon that waits for this need not find out by looking.
                    crate::delivery::ring(&self.0.config.state_dir);
                    return Ok(account);
                }
                Turn::WaitUntil(time) => {
                    if self.0.clock.wait(time, stop) == Woke::Stopped {
                        return Err(SignInError::Stopped);
                    }
                }
            }
        }
    }

    /// Looks before asking: is the device signed in already, may it ask, is an old code dead?
    fn begin(&self, client: &Client, asked: Asked) -> Result<Option<Account>, SignInError> {
        let locked = self.0.store.lock()?;
        let mut stored = self.0.stored(&locked, client)?;
        if let Some(grant) = &stored.grant {
            return Ok(Some(account(grant, true)));
        }
        let before = (stored.pending.is_some(), stored.codes_without_approval);
        if stored.pending.is_none() && !stored.to_revoke.is_empty() {
            // Before the next approval and not after it: some providers end all of a person's grants with one.
            _ = self.give_back(client, &mut stored.to_revoke);
            locked.save_alone(&stored)?;
        }
        stored.pending = stored.pending.filter(|sealed| self.0.code(sealed).is_some());
        match asked {
            Asked::ByPerson => stored.codes_without_approval = 0,
            Asked::ByItself if stored.pending.is_none() && stored.codes_without_approval >= CODES_BY_ITSELF => {
                return Err(SignInError::WaitsForPerson);
            }
            Asked::ByItself => {}
        }
        if before != (stored.pending.is_some(), stored.codes_without_approval) {
            locked.save(&stored)?;
        }
        if let Some(sealed) = &stored.pending
            && let Ok(pending) = Pending::unseal(sealed.as_bytes())
            && let Ok(machine) = SignIn::resume(client, pending, &self.0.stamp())
        {
            // On the clocks of this boot from now on: without a wall clock, nothing else tells that time passes.
            self.keep(&locked, &mut stored, &machine)?;
        }
        Ok(None)
    }

    /// One step under the lock: at most one request.
    fn turn<'c>(
        &self,
        client: &'c Client,
        asking: &mut Option<SignIn<'c>>,
        shown: &mut Option<String>,
        said: &mut Vec<SignInEvent>,
    ) -> Result<Turn, SignInError> {
        let inner = &self.0;
        let locked = inner.store.lock()?;
        let mut stored = inner.stored(&locked, client)?;
        if let Some(grant) = &stored.grant {
            return Ok(Turn::SignedIn(account(grant, false)));
        }
        let is_poll = stored.pending.is_some();
        let mut machine = match (&stored.pending, shown.is_some()) {
            (Some(sealed), _) => match Pending::unseal(sealed.as_bytes())
                .map_err(|error| error.to_string())
                .and_then(|pending| SignIn::resume(client, pending, &inner.stamp()).map_err(|error| error.to_string()))
            {
                Ok(machine) => machine,
                // Not a code of ours, or of another provider: it is of no use to anybody.
                Err(why) => {
                    stored.pending = None;
                    stored.failed = Some(why);
                    locked.save(&stored)?;
                    return Ok(Turn::WaitUntil(inner.clock.mono()));
                }
            },
            // Our code is gone: another program that polled it heard that it is over.
            (None, true) => {
                let why = stored.failed.unwrap_or_else(|| "the sign-in was ended by another program".into());
                return Err(stored.misconfigured.map_or(SignInError::Expired(why), SignInError::Misconfigured));
            }
            (None, false) => match asking.take() {
                Some(machine) => machine,
                None => SignIn::start(client, self.ask(client)?, machine_time(inner.clock.mono())),
            },
        };
        let now = inner.clock.mono();
        // A client that was refused last time has to prove itself first: nobody shall approve for nothing.
        if stored.misconfigured.is_none() && announce(&machine, shown, said, now) {
            // The person sees the code before a request that may take its time.
            return Ok(Turn::WaitUntil(now));
        }
        let step = match next(&mut machine, now) {
            Step::Send(request) => {
                // Written down before it is sent: a power cut from here on neither loses the grant nor lets the next
                // boot poll at once.
                self.keep(&locked, &mut stored, &machine)?;
                let heard = inner.exchange(request, |reply, now| {
                    machine.reply(reply, machine_time(now));
                    now
                });
                let pends = is_poll && machine.prompt().is_some() && machine.trouble().is_none();
                if pends && stored.misconfigured.take().is_some() {
                    stored.codes_without_approval = stored.codes_without_approval.saturating_add(1);
                }
                self.keep(&locked, &mut stored, &machine)?;
                if stored.misconfigured.is_none() {
                    announce(&machine, shown, said, heard);
                }
                said.push(SignInEvent::Waiting { trouble: machine.trouble().map(ToString::to_string) });
                // As of the answer: nothing is due yet then, however long the board slept since.
                next(&mut machine, heard)
            }
            step => step,
        };
        match step {
            Step::WaitUntil(time) => {
                if stored.pending.is_none() {
                    *asking = Some(machine);
                }
                Ok(Turn::WaitUntil(Mono::new(time.since_origin())))
            }
            Step::Done(tokens) | Step::DoneLate(tokens) => {
                let grant = inner.stored_grant(&tokens, None);
                if let Some(why) = unticked(client, &grant) {
                    // The tokens are not given back: Google would end this person's other devices with them.
                    (stored.pending, stored.failed) = (None, Some(why.clone()));
                    locked.save(&stored)?;
                    return Err(SignInError::Unticked(why));
                }
                if let Some(why) = stranger(stored.owner.as_deref(), &grant) {
                    (stored.pending, stored.failed) = (None, Some(why.clone()));
                    locked.save(&stored)?;
                    return Err(SignInError::Stranger(why));
                }
                let account = account(&grant, false);
                stored.owner = stored.owner.or_else(|| grant.account.clone());
                // The tokens and "the code is used" are one write: a used code that is polled again may end the grant.
                (stored.grant, stored.pending) = (Some(grant), None);
                (stored.ended, stored.failed, stored.misconfigured) = (None, None, None);
                stored.codes_without_approval = 0;
                // Giving back an older one now could end this one too.
                stored.to_revoke.clear();
                locked.save(&stored)?;
                Ok(Turn::SignedIn(account))
            }
            Step::Failed(error) => Err(self.failed(&locked, stored, &error)?),
            // `next` passes over `Show`, and a machine never sends twice without a reply between.
            Step::Show(_) | Step::Send(_) => Ok(Turn::WaitUntil(inner.clock.mono())),
        }
    }

    /// Asks for a code that nobody will see: whether client, type and scopes are right. Nothing is kept of it.
    pub(crate) fn try_client(&self) -> Tried {
        let asked = self.0.client().map_err(SignInError::from).and_then(|client| {
            let ask = self.ask(&client)?;
            Ok((client, ask))
        });
        let (client, ask) = match asked {
            Ok(asked) => asked,
            Err(error) => return Tried::Refused(error.to_string()),
        };
        let now = self.0.clock.mono();
        let mut machine = SignIn::start(&client, ask, machine_time(now));
        if let Step::Send(request) = next(&mut machine, now) {
            self.0.exchange(request, |reply, now| machine.reply(reply, machine_time(now)));
        }
        if machine.prompt().is_some() {
            return Tried::Taken;
        }
        match next(&mut machine, self.0.clock.mono()) {
            Step::Failed(error) => Tried::Refused(error.to_string()),
            _ => Tried::Unknown(machine.trouble().map_or_else(|| "no answer".into(), ToString::to_string)),
        }
    }

    fn ask(&self, client: &Client) -> Result<Ask, SignInError> {
        let ask = Ask::new(self.0.scopes(client)?);
        let extra = self.0.provider().into_iter().flat_map(|provider| &provider.extra);
        Ok(extra.fold(ask, |ask, (name, value)| ask.with(name.as_str(), value.as_str())))
    }

    /// Writes the pending grant down as the machine has it now.
    fn keep(&self, locked: &Locked<'_>, stored: &mut Stored, machine: &SignIn<'_>) -> Result<(), SignInError> {
        let Some(sealed) = machine.seal(&self.0.stamp()) else { return Ok(()) };
        let text = std::str::from_utf8(&sealed).map(|text| Zeroizing::new(text.to_owned()));
        if stored.pending.is_none() {
            // Counted when it is shown; see `turn`.
            let shown = u32::from(stored.misconfigured.is_none());
            stored.codes_without_approval = stored.codes_without_approval.saturating_add(shown);
            stored.failed = None;
        }
        stored.pending = text.ok();
        Ok(locked.save(stored)?)
    }

    fn failed(
        &self,
        locked: &Locked<'_>,
        mut stored: Stored,
        error: &device_grant::SignInError,
    ) -> Result<SignInError, SignInError> {
        let why = error.to_string();
        stored.pending = None;
        let told = match (error, error.what_next()) {
            (device_grant::SignInError::Denied, _) => SignInError::Denied,
            (_, WhatNext::FixConfiguration) => {
                stored.misconfigured = Some(why.clone());
                SignInError::Misconfigured(why.clone())
            }
            (_, WhatNext::AskAdministrator) => SignInError::Failed(why.clone()),
            (_, WhatNext::AskAgain) => SignInError::Expired(why.clone()),
        };
        stored.failed = Some(why);
        locked.save(&stored)?;
        Ok(told)
    }
}

/// Why `grant` is not the owner's, if both are known to be two: a code that was sent on to somebody else binds the device
/// to the wrong account (RFC 8628 section 5.4), and the rows of years would go on in another sheet.
fn stranger(owner: Option<&str>, grant: &StoredGrant) -> Option<String> {
    let (owner, approved) = (owner?, grant.account.as_deref()?);
    (owner != approved).then(|| {
        format!("{approved} approved, and this device belongs to {owner}; sign in as {owner}, or sign out first to change that")
    })
}

/// What a provider says to a request for a code.
pub(crate) enum Tried {
    /// It gives one.
    Taken,
    /// It will not; the text says why, and what to do.
    Refused(String),
    /// It has a bad moment.
    Unknown(String),
}

enum Turn {
    SignedIn(Account),
    WaitUntil(Mono),
}

fn account(grant: &StoredGrant, already: bool) -> Account {
    Account { label: grant.account.clone(), scopes: grant.scopes.clone(), already }
}

/// What to say when a scope was left out that the provider's preset rests on. Others are only missed by who wanted them.
fn unticked(client: &Client, grant: &StoredGrant) -> Option<String> {
    let needed = client.provider().default_scopes();
    let missing: Vec<_> = grant.missing.iter().filter(|scope| needed.contains(scope)).map(String::as_str).collect();
    (!missing.is_empty())
        .then(|| format!("the approval leaves out {}; sign in again and leave its box ticked", missing.join(" and ")))
}

/// The next step that is not about showing: what is shown is told by [`announce`].
fn next(machine: &mut SignIn<'_>, now: Mono) -> Step {
    loop {
        match machine.next(machine_time(now)) {
            Step::Show(_) => {}
            step => return step,
        }
    }
}

/// Tells of a code that was not told of yet; whether there was one.
fn announce(machine: &SignIn<'_>, shown: &mut Option<String>, said: &mut Vec<SignInEvent>, now: Mono) -> bool {
    let Some(prompt) = machine.prompt() else { return false };
    let user_code = prompt.user_code.as_str();
    if shown.as_deref() == Some(user_code) {
        return false;
    }
    *shown = Some(user_code.to_owned());
    said.push(SignInEvent::Code {
        user_code: user_code.to_owned(),
        verification_uri: prompt.verification_uri.to_string(),
        verification_uri_complete: prompt.verification_uri_complete.as_ref().map(ToString::to_string),
        expires_in: prompt.deadline.since(machine_time(now)),
    });
    true
}
