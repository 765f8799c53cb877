//! The device authorization grant: ask for a code, show it, poll until the person has decided.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::answer::{self, Reader, Said};
use crate::client::{Client, Provider};
use crate::device_answer::DeviceAnswer;
use crate::dialect::{DeviceAuth, Word};
use crate::error::{BadAnswer, SignInError, Trouble};
use crate::exchange::{Answer, Lost, Reply, Request};
use crate::grant::{self, Grant, Verdict};
use crate::http_date;
use crate::pending::{self, Pending, ResumeError};
use crate::pkce::Pkce;
use crate::prompt::Prompt;
use crate::scope::Scopes;
use crate::time::{Mono, Stamp};
use crate::tokens::Tokens;
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
    state: State,
    trouble: Option<Trouble>,
    cancelled: bool,
    /// The latest moment seen: time never goes back here, whatever the caller's clock does.
    now: Mono,
}

enum State {
    /// No code yet.
    Asking(Asking),
    /// A code waits for its person.
    Waiting(Box<Grant>),
    /// Approved; the tokens wait to be fetched.
    Done {
        tokens: Box<Tokens>,
        late: bool,
    },
    Over(SignInError),
}

/// The device authorization request. It may be repeated freely: a code that nobody saw just expires.
struct Asking {
    ask: Ask,
    not_before: Mono,
    in_flight: Option<Mono>,
    misses: u32,
    /// Answers in a row that no OAuth server gives: two may come from a proxy, the third means a wrong address.
    strange: u32,
}

const MOST_STRANGE: u32 = 3;
const FIRST_RETRY: Duration = Duration::from_secs(2);
const RETRY_CAP: Duration = Duration::from_secs(30);
/// A person stands here: a `Retry-After` beyond this is a mistake or malice.
const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);

impl<'a> SignIn<'a> {
    /// Begins. The first step asks the provider for a code, so start only when a person wants it.
    pub fn start(client: &'a Client, ask: Ask, now: Mono) -> Self {
        let asking = Asking { ask, not_before: now, in_flight: None, misses: 0, strange: 0 };
        Self { client, state: State::Asking(asking), trouble: None, cancelled: false, now }
    }

    /// Goes on with a grant that was sealed before a restart. `now` is the same moment on all clocks there are.
    ///
    /// If no clock can tell how long the restart took, the next poll waits as long as it would have had to at the
    /// moment of sealing, and the whole rest of the code's life is assumed: the provider knows better.
    ///
    /// # Errors
    /// The grant belongs to another client or provider; start a new one.
    pub fn resume(client: &'a Client, pending: Pending, now: &Stamp) -> Result<Self, ResumeError> {
        let ended = pending.ended(now);
        let grant = pending.into_grant(client, now)?;
        let state = ended.map_or_else(|| State::Waiting(Box::new(grant)), State::Over);
        Ok(Self { client, state, trouble: None, cancelled: false, now: now.mono })
    }

    /// What to do now.
    ///
    /// Asking while a request is under way says that it was given up: its answer counts as lost.
    pub fn next(&mut self, now: Mono) -> Step {
        self.now = self.now.max(now);
        if self.is_in_flight() {
            self.reply(Reply::Lost(Lost::Unknown), now);
        }
        let now = self.now;
        match &mut self.state {
            State::Asking(asking) if now < asking.not_before => Step::WaitUntil(asking.not_before),
            State::Asking(asking) => Step::Send(asking.request(self.client, now)),
            State::Waiting(grant) if grant.is_past(now) => {
                let error = grant.expired();
                self.end(error)
            }
            State::Waiting(grant) if !grant.shown && now < grant.prompt.deadline => {
                grant.shown = true;
                Step::Show(grant.prompt.clone())
            }
            State::Waiting(grant) if now < grant.next_poll => Step::WaitUntil(grant.next_poll),
            State::Waiting(grant) => Step::Send(grant.poll(self.client, now)),
            State::Done { .. } => self.hand_over(),
            State::Over(error) => Step::Failed(error.clone()),
        }
    }

    /// What became of the last [`Step::Send`]. Give `now` as of the moment the answer was complete (or given up).
    ///
    /// An answer that comes after it was given up is looked at for tokens: an approval is never dropped silently.
    pub fn reply(&mut self, reply: Reply<'_>, now: Mono) {
        self.now = self.now.max(now);
        if !self.is_in_flight() {
            return self.late(&reply);
        }
        // Replaced below in every case.
        let state = mem::replace(&mut self.state, State::Over(SignInError::Finished));
        self.state = match state {
            State::Asking(asking) => self.asked(asking, &reply),
            State::Waiting(grant) => self.polled(grant, &reply),
            ended => ended,
        };
    }

    /// Ends it, at any moment. If a poll is under way, give its reply all the same, or ask for the next step to say
    /// that it was given up.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        match &mut self.state {
            State::Waiting(grant) if grant.in_flight.is_some() => {}
            State::Waiting(grant) => {
                let approval_may_be_lost = grant.unsure;
                self.end(SignInError::Cancelled { approval_may_be_lost });
            }
            State::Asking(_) => {
                self.end(SignInError::Cancelled { approval_may_be_lost: false });
            }
            State::Done { late, .. } => *late = true,
            State::Over(_) => {}
        }
    }

    /// The code that waits for the person, while it lives. When it is gone, take it off the display.
    pub fn prompt(&self) -> Option<&Prompt> {
        match &self.state {
            State::Waiting(grant) if self.now < grant.prompt.deadline => Some(&grant.prompt),
            _ => None,
        }
    }

    /// Why the last request brought nothing; `None` after a clear answer.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The pending grant as JSON for a store, while there is one. Holds the device code: keep it as you keep tokens.
    ///
    /// The machine has none any more once an answer brought tokens, so a used code cannot be kept.
    pub fn seal(&self, now: &Stamp) -> Option<Zeroizing<Vec<u8>>> {
        match &self.state {
            State::Waiting(grant) => Some(pending::seal(grant, self.client, now)),
            _ => None,
        }
    }

    fn is_in_flight(&self) -> bool {
        match &self.state {
            State::Asking(asking) => asking.in_flight.is_some(),
            State::Waiting(grant) => grant.in_flight.is_some(),
            _ => false,
        }
    }

    fn end(&mut self, error: SignInError) -> Step {
        self.state = State::Over(error.clone());
        Step::Failed(error)
    }

    fn hand_over(&mut self) -> Step {
        match mem::replace(&mut self.state, State::Over(SignInError::Finished)) {
            State::Done { tokens, late: false } => Step::Done(tokens),
            State::Done { tokens, late: true } => Step::DoneLate(tokens),
            _ => Step::Failed(SignInError::Finished),
        }
    }

    fn asked(&mut self, mut asking: Asking, reply: &Reply<'_>) -> State {
        match asking.reply(self.client, reply, self.now) {
            Asked::Again(trouble) => {
                self.trouble = Some(trouble);
                State::Asking(asking)
            }
            Asked::Answer(answer) => {
                self.trouble = None;
                State::Waiting(Box::new(Grant::new(*answer, asking.ask.scopes, asking.ask.pkce, self.now)))
            }
            Asked::Over(error) => State::Over(error),
        }
    }

    fn polled(&mut self, mut grant: Box<Grant>, reply: &Reply<'_>) -> State {
        match grant.reply(self.client, reply, self.now) {
            Verdict::Tokens(tokens) => State::Done { tokens: Box::new(tokens), late: self.cancelled },
            Verdict::Wait(_) | Verdict::Over(_) if self.cancelled => {
                State::Over(SignInError::Cancelled { approval_may_be_lost: grant.unsure })
            }
            Verdict::Wait(trouble) => {
                self.trouble = trouble;
                State::Waiting(grant)
            }
            Verdict::Over(error) => State::Over(error),
        }
    }

    /// An answer that nobody waits for any more.
    fn late(&mut self, reply: &Reply<'_>) {
        let Reply::Answer(answer) = reply else { return };
        let none = Scopes::none();
        let asked = match &self.state {
            State::Waiting(grant) => &grant.scopes,
            State::Over(_) => &none,
            State::Asking(_) | State::Done { .. } => return,
        };
        if let Some(tokens) = grant::tokens_in(self.client, answer, asked, self.now) {
            let late = matches!(self.state, State::Over(_));
            self.state = State::Done { tokens: Box::new(tokens), late };
        }
    }
}

enum Asked {
    Again(Trouble),
    Answer(Box<DeviceAnswer>),
    Over(SignInError),
}

impl Asking {
    fn request(&mut self, client: &Client, now: Mono) -> Request {
        self.in_flight = Some(now);
        let Provider { endpoints, dialect } = client.provider();
        let mut params = Params::new();
        dialect.device_extra.iter().for_each(|(name, value)| params.add(*name, *value));
        params.add(dialect.scope_param, self.ask.scopes.join(dialect.scope_separator));
        if let Some(pkce) = &self.ask.pkce {
            params.add("code_challenge", pkce.challenge());
            params.add("code_challenge_method", "S256");
        }
        let auth = match dialect.device_auth {
            DeviceAuth::Same => Auth::Full,
            DeviceAuth::IdOnly => Auth::IdOnly,
        };
        wire::post(client, endpoints.device_authorization(), auth, params, &self.ask.extra)
    }

    fn reply(&mut self, client: &Client, reply: &Reply<'_>, now: Mono) -> Asked {
        let sent = self.in_flight.take().unwrap_or(now);
        match reply {
            // Nothing was sent, and a person stands here: a wrong certificate is said at once, a wrong clock may come right.
            Reply::Lost(Lost::Certificate { clock_suspect: false }) => Asked::Over(SignInError::Certificate),
            Reply::Lost(lost) => self.again(Trouble::Lost(*lost), None, now),
            Reply::Answer(answer) => self.answered(client, answer, sent, now),
        }
    }

    fn answered(&mut self, client: &Client, answer: &Answer<'_>, sent: Mono, now: Mono) -> Asked {
        let dialect = &client.provider().dialect;
        let retry_after = http_date::retry_after(answer.retry_after, answer.date);
        match (Reader { client, statuses: &[], sent: "" }).read(answer) {
            Said::Object(mut members) => match DeviceAnswer::read(&mut members, dialect, sent) {
                Ok(answer) => Asked::Answer(Box::new(answer)),
                Err(fault) => Asked::Over(SignInError::BadAnswer(fault)),
            },
            Said::Error { word, error, .. } => match word {
                Some(Word::Transient | Word::SlowDown) => self.again(Trouble::Provider(error), retry_after, now),
                Some(Word::Blocked) => Asked::Over(SignInError::Blocked(error)),
                Some(Word::Misconfigured) => Asked::Over(SignInError::Misconfigured(error)),
                _ => Asked::Over(SignInError::Refused(error)),
            },
            Said::Noise => {
                self.strange = if answer::may_pass(answer.status) { 0 } else { self.strange.saturating_add(1) };
                if self.strange >= MOST_STRANGE {
                    return Asked::Over(SignInError::BadAnswer(BadAnswer::Status(answer.status)));
                }
                self.again(Trouble::Unreadable { status: answer.status }, retry_after, now)
            }
        }
    }

    fn again(&mut self, trouble: Trouble, retry_after: Option<Duration>, now: Mono) -> Asked {
        let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(self.misses));
        self.misses = self.misses.saturating_add(1);
        self.not_before = now + doubled.min(RETRY_CAP).max(retry_after.unwrap_or_default().min(LONGEST_RETRY));
        Asked::Again(trouble)
    }
}

impl fmt::Debug for SignIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Asking(_) => "asking for a code",
            State::Waiting(_) => "waiting for approval",
            State::Done { .. } => "approved",
            State::Over(_) => "over",
        };
        write!(f, "SignIn({state})")
    }
}
