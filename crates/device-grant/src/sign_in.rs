//! The device authorization grant: ask for a code, show it, poll until the person has decided.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::answer::{self, Said};
use crate::body::{Members, Round};
use crate::client::Client;
use crate::dialect::{DeviceAuth, RepeatScope, Word};
use crate::error::{BadAnswer, OAuthError, SignInError, Trouble};
use crate::exchange::{Answer, Lost, Reply, Request};
use crate::http_date;
use crate::pace::Pace;
use crate::pending::{Pending, ResumeError};
use crate::pkce::Pkce;
use crate::prompt::{Prompt, UserCode};
use crate::scope::Scopes;
use crate::secret::DeviceCode;
use crate::time::{Mono, Stamp};
use crate::tokens::{self, Tokens};
use crate::url::Url;
use crate::wire::{self, Auth, Params};

/// What the caller must do next. The machine itself never waits, sends or shows.
#[derive(Debug)]
pub enum Step {
    /// Show this, then ask again. Comes once, and once more after a resume.
    Show(Prompt),
    /// Send this once, give the outcome to [`SignIn::reply`], then ask again.
    ///
    /// A caller that keeps pending grants stores [`SignIn::seal`] *before* it sends: a power cut from here on must
    /// neither lose the grant nor let the next boot poll at once.
    Send(Request),
    /// Nothing to do before this moment. Asking earlier is harmless.
    WaitUntil(Mono),
    /// Approved. Store the tokens and forget the sealed grant in one write; its code must never be sent again.
    Done(Box<Tokens>),
    /// Approved, but the answer arrived after [`SignIn::cancel`] or after the end. Keep the tokens or revoke them
    /// ([`crate::Revoke`]); dropping them leaves a grant that nobody knows of.
    DoneLate(Box<Tokens>),
    /// Over, without tokens. No further request will be asked for.
    Failed(SignInError),
}

/// What to ask the person for.
#[derive(Debug, Default)]
pub struct Ask {
    scopes: Scopes,
    extra: Vec<(String, String)>,
    pkce: Option<Pkce>,
}

impl Ask {
    /// Asks for `scopes`; the fewer the better.
    pub fn new(scopes: Scopes) -> Self {
        Self { scopes, ..Self::default() }
    }

    /// Adds a parameter to the device authorization request, such as Auth0's `audience`. Parameters that the grant
    /// itself sends win over one of the same name; an empty value is not sent.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// Adds a proof key.
    #[must_use]
    pub fn with_pkce(mut self, pkce: Pkce) -> Self {
        self.pkce = Some(pkce);
        self
    }
}

/// One sign-in, from the first request to tokens or an error.
pub struct SignIn<'a> {
    client: &'a Client,
    ask: Ask,
    state: State,
    trouble: Option<Trouble>,
    cancelled: bool,
    /// The latest moment seen: time never goes back here, whatever the caller's clock does.
    now: Mono,
}

enum State {
    /// The device authorization request is to be sent, not before `at`.
    ToAsk {
        at: Mono,
        misses: u32,
        strange: u32,
    },
    /// It is under way.
    Asking {
        sent: Mono,
        misses: u32,
        strange: u32,
    },
    /// There is a code.
    Grant(Grant),
    Done {
        tokens: Box<Tokens>,
        late: bool,
    },
    Over(SignInError),
}

pub(crate) struct Grant {
    pub(crate) code: DeviceCode,
    pub(crate) prompt: Prompt,
    pub(crate) pace: Pace,
    pub(crate) next_poll: Mono,
    /// When the poll under way was sent.
    pub(crate) in_flight: Option<Mono>,
    /// An answer was lost that may have been the approval (no clear answer came since).
    pub(crate) unsure: bool,
    shown: bool,
}

impl<'a> SignIn<'a> {
    /// Begins. The first step asks the provider for a code, so start only when a person wants it.
    pub fn start(client: &'a Client, ask: Ask, now: Mono) -> Self {
        let state = State::ToAsk { at: now, misses: 0, strange: 0 };
        Self { client, ask, state, trouble: None, cancelled: false, now }
    }

    /// Goes on with a grant that was sealed before a restart. `now` is the same moment on all clocks there are.
    ///
    /// If no clock can tell how long the restart took, the next poll waits as long as it would have had to at the
    /// moment of sealing, and the whole rest of the code's life is assumed: the provider knows better.
    ///
    /// # Errors
    /// The grant belongs to another client or provider; start a new one.
    pub fn resume(client: &'a Client, pending: Pending, now: &Stamp) -> Result<Self, ResumeError> {
        let _ = (client, pending, now);
        Err(ResumeError::OtherClient)
    }

    /// What to do now.
    pub fn next(&mut self, now: Mono) -> Step {
        self.now = self.now.max(now);
        Step::Failed(SignInError::Denied)
    }

    /// What became of the last [`Step::Send`]. Give `now` as of the moment the answer was complete (or given up).
    pub fn reply(&mut self, reply: Reply<'_>, now: Mono) {
        let _ = (reply, now);
    }

    /// Ends it, at any moment. If a poll is under way, give its reply all the same, or ask for the next step to say
    /// that it was given up.
    pub fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// The code that waits for the person, while there is one.
    pub fn prompt(&self) -> Option<&Prompt> {
        match &self.state {
            State::Grant(grant) => Some(&grant.prompt),
            _ => None,
        }
    }

    /// Why the last request brought nothing; `None` after a clear answer.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The pending grant as JSON for a store, while there is one. Holds the device code: keep it as you keep tokens.
    pub fn seal(&self, now: &Stamp) -> Option<Zeroizing<Vec<u8>>> {
        let _ = now;
        None
    }
}

impl fmt::Debug for SignIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::ToAsk { .. } => "to ask",
            State::Asking { .. } => "asking",
            State::Grant(_) => "waiting for approval",
            State::Done { .. } => "done",
            State::Over(_) => "over",
        };
        write!(f, "SignIn({state})")
    }
}
