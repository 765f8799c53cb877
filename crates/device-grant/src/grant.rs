//! A code that waits for its person: when to poll, and what each answer means.

use crate::answer::{Reader, Said};
use crate::body::Round;
use crate::client::Client;
use crate::device_answer::DeviceAnswer;
use crate::dialect::{RepeatScope, Word};
use crate::error::{OAuthError, SignInError, Trouble};
use crate::exchange::{Answer, Lost, Reply, Request};
use crate::http_date;
use crate::pace::Pace;
use crate::pkce::Pkce;
use crate::prompt::Prompt;
use crate::scope::Scopes;
use crate::secret::DeviceCode;
use crate::time::Mono;
use crate::tokens::{self, AbsentType, Tokens};
use crate::wire::{self, Auth, Params};

/// A code and everything known about it.
pub(crate) struct Grant {
    pub(crate) code: DeviceCode,
    pub(crate) prompt: Prompt,
    pub(crate) scopes: Scopes,
    pub(crate) pkce: Option<Pkce>,
    pub(crate) pace: Pace,
    /// While a poll is under way: when the next one would be due, should its answer never come.
    pub(crate) next_poll: Mono,
    /// When the poll under way was sent.
    pub(crate) in_flight: Option<Mono>,
    /// An answer was lost that may have been the approval, and no clear one came since.
    pub(crate) unsure: bool,
    pub(crate) shown: bool,
}

/// What an answer means for the grant.
pub(crate) enum Verdict {
    /// Poll again later.
    Wait(Option<Trouble>),
    /// Approved.
    Tokens(Tokens),
    /// It is over.
    Over(SignInError),
}

impl Grant {
    /// `now` is when the answer was complete: the first poll waits a whole interval from there. Nobody types that fast,
    /// and some providers count the giving of the code as a poll.
    pub(crate) fn new(answer: DeviceAnswer, scopes: Scopes, pkce: Option<Pkce>, now: Mono) -> Self {
        let pace = Pace::new(answer.interval);
        let mut grant = Self {
            code: answer.code,
            prompt: answer.prompt,
            scopes,
            pkce,
            pace,
            next_poll: now,
            in_flight: None,
            unsure: false,
            shown: false,
        };
        grant.schedule(now);
        grant
    }

    /// After this moment no poll is sent any more: one interval after the deadline, so that an approval in the last
    /// second is not missed.
    pub(crate) fn is_past(&self, now: Mono) -> bool {
        now > self.prompt.deadline + self.pace.least()
    }

    /// What to say when the time is over.
    pub(crate) fn expired(&self) -> SignInError {
        SignInError::Expired { approval_may_be_lost: self.unsure }
    }

    /// The next poll, which is under way from now on.
    pub(crate) fn poll(&mut self, client: &Client, now: Mono) -> Request {
        self.in_flight = Some(now);
        // Should the answer never come, not even the news that it is lost (a power cut): wait as after a loss.
        self.next_poll = now + self.pace.wait();
        let dialect = &client.provider().dialect;
        let mut params = Params::new();
        params.add("grant_type", dialect.poll_grant_type);
        params.add(dialect.poll_code_param, self.code.expose());
        if dialect.poll_user_code {
            params.add("user_code", self.prompt.user_code.as_str());
        }
        if dialect.repeat_scope == RepeatScope::Poll {
            params.add(dialect.scope_param, self.scopes.join(dialect.scope_separator));
        }
        params.add("code_verifier", self.pkce.as_ref().map(Pkce::verifier).unwrap_or_default());
        wire::post(client, client.provider().endpoints.token(), Auth::Full, params, &[])
    }

    /// What the reply to the poll under way means. The gap to the next poll counts from `now`, the receipt.
    pub(crate) fn reply(&mut self, client: &Client, reply: &Reply<'_>, now: Mono) -> Verdict {
        let Some(sent) = self.in_flight.take() else { return Verdict::Wait(None) };
        let verdict = match reply {
            Reply::Lost(lost) => self.lost(*lost),
            Reply::Answer(answer) => self.answered(client, answer, sent, now),
        };
        self.schedule(now);
        let was_the_last = sent >= self.prompt.deadline || self.is_past(self.next_poll);
        match verdict {
            Verdict::Wait(_) if was_the_last => Verdict::Over(self.expired()),
            verdict => verdict,
        }
    }

    /// The next poll after an answer at `now`. The last one is at the deadline, unless that is sooner than allowed.
    fn schedule(&mut self, now: Mono) {
        let due = now + self.pace.wait();
        let last = self.prompt.deadline.max(now + self.pace.least());
        self.next_poll = due.min(last);
    }

    fn lost(&mut self, lost: Lost) -> Verdict {
        self.pace.heard(None, None, Mono::default());
        self.pace.miss();
        self.unsure |= lost == Lost::Unknown;
        Verdict::Wait(Some(Trouble::Lost(lost)))
    }

    fn answered(&mut self, client: &Client, answer: &Answer<'_>, sent: Mono, now: Mono) -> Verdict {
        let dialect = &client.provider().dialect;
        let date = answer.date.and_then(http_date::unix_seconds);
        self.pace.heard(http_date::retry_after(answer.retry_after, answer.date), date, now);
        let reader = Reader { client, statuses: dialect.poll_statuses, sent: self.code.expose() };
        match reader.read(answer) {
            Said::Object(mut members) => {
                match tokens::read(&mut members, dialect, AbsentType::at_sign_in(dialect), &self.scopes, sent) {
                    None => self.noise(answer.status),
                    Some(Ok(tokens)) => Verdict::Tokens(tokens),
                    Some(Err(fault)) => Verdict::Over(SignInError::BadAnswer(reader.shown_fault(fault))),
                }
            }
            Said::Noise => self.noise(answer.status),
            Said::Error { word: Some(Word::Pending), .. } => {
                self.pace.pending();
                self.unsure = false;
                Verdict::Wait(None)
            }
            Said::Error { word: Some(Word::SlowDown), members, .. } => {
                let interval = members.and_then(|members| members.seconds(&["interval"], Round::Up));
                // As with the first interval: longer than half the life would mean never to poll again.
                let interval = interval.map(|interval| interval.min(self.prompt.expires_in / 2));
                self.pace.slow_down(interval, date, now);
                self.unsure = false;
                Verdict::Wait(None)
            }
            Said::Error { word: Some(Word::Transient), error, .. } => {
                self.pace.miss();
                self.unsure |= answer.status >= 500;
                Verdict::Wait(Some(Trouble::Provider(error)))
            }
            Said::Error { word, error, .. } => Verdict::Over(self.refused(word, error)),
        }
    }

    /// An answer that is not an OAuth server's. Only the provider's word ends a grant, so a wrong status alone does not.
    fn noise(&mut self, status: u16) -> Verdict {
        self.pace.miss();
        // "Too many" and "too early" are said before anything is looked at; after anything else the code may be used up.
        self.unsure |= !matches!(status, 425 | 429);
        Verdict::Wait(Some(Trouble::Unreadable { status }))
    }

    /// RFC 8628 section 3.5: any other error ends it.
    fn refused(&self, word: Option<Word>, error: OAuthError) -> SignInError {
        match word {
            Some(Word::Denied | Word::Expired | Word::Unknown) if self.unsure => SignInError::ApprovalLost(error),
            Some(Word::Denied) => SignInError::Denied,
            Some(Word::Expired) => SignInError::Expired { approval_may_be_lost: false },
            Some(Word::Unknown) => SignInError::CodeUnknown(error),
            Some(Word::Blocked) => SignInError::Blocked(error),
            Some(Word::Misconfigured) => SignInError::Misconfigured(error),
            _ => SignInError::Refused(error),
        }
    }
}

/// The tokens in an answer that nobody waits for any more, if there are any.
pub(crate) fn tokens_in(client: &Client, answer: &Answer<'_>, asked: &Scopes, now: Mono) -> Option<Tokens> {
    let dialect = &client.provider().dialect;
    let reader = Reader { client, statuses: &[], sent: "" };
    let Said::Object(mut members) = reader.read(answer) else { return None };
    tokens::read(&mut members, dialect, AbsentType::at_sign_in(dialect), asked, now)?.ok()
}
