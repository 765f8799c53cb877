//! Renewing an access token (RFC 6749 section 6).

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::answer::{Reader, Said};
use crate::client::Client;
use crate::dialect::{RepeatScope, Word};
use crate::error::{BadAnswer, OAuthError, Trouble};
use crate::exchange::{Answer, Lost, Reply, Request};
use crate::http_date;
use crate::scope::Scopes;
use crate::secret::RefreshToken;
use crate::text::Text;
use crate::time::Mono;
use crate::tokens::{self, AbsentType, Tokens};
use crate::wire::{self, Auth, Params};

/// One attempt to renew: one request, one reply, one outcome. Whether and when to try again is the caller's loop;
/// [`Backoff`](crate::Backoff) helps.
///
/// Only one may run at a time over all threads *and processes* that share the token: a provider that rotates takes the
/// second use of a token for theft and ends the whole grant (RFC 9700 section 4.14.2). Hold a lock around reading the
/// store, this, and writing the store.
#[derive(Debug)]
pub struct Refresh<'a> {
    client: &'a Client,
    token: &'a RefreshToken,
    scopes: &'a Scopes,
    /// Whether the scopes are sent along, whatever the dialect says.
    narrowed: bool,
    history: History,
}

/// What is known about earlier uses of the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Every earlier use was answered.
    Clear,
    /// An earlier answer was lost (or the process died before it was stored), so the token may have been replaced by
    /// one that nobody received. Many providers forgive that for a while.
    AnswerLost,
}

/// What came of it.
#[derive(Debug)]
pub enum Refreshed {
    /// New tokens. If `refresh` is there, store it durably before the access token is used, and forget the old one.
    Renewed(Box<Tokens>),
    /// Nothing is lost: keep the token and try again later, for as long as it takes.
    Later {
        /// Why.
        trouble: Trouble,
        /// How long the provider wants to be left alone, if it said so.
        retry_after: Option<Duration>,
        /// Whether the provider may have acted on the request: then the next attempt is [`History::AnswerLost`].
        answer_lost: bool,
    },
    /// The grant is over. First read the store again: if it holds another refresh token by now, use that one.
    Dead {
        /// Why, for the person.
        reason: DeadReason,
        /// The provider's words.
        error: OAuthError,
    },
    /// The client is not set up right. Keep the token: once somebody has fixed it, it works again.
    Misconfigured(OAuthError),
    /// The answer holds an access token that cannot be used.
    Unusable {
        /// What is wrong with it.
        fault: BadAnswer,
        /// The next refresh token, if there was one: store it all the same, the old one may be dead.
        rotated: Option<RefreshToken>,
    },
}

/// Why a grant is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// Revoked, expired, unused for too long, or replaced by a newer one.
    Revoked,
    /// The organisation wants people to sign in again from time to time (Google: `invalid_rapt`).
    ReauthenticationRequired,
    /// An administrator's rule forbids the application.
    AdminPolicy,
    /// An earlier answer was lost and the replacement with it, or another copy of the token exists.
    LostRotation,
}

impl<'a> Refresh<'a> {
    /// Prepares one. `scopes` are those of the grant: most providers are not sent them, but they tell what is missing.
    pub fn new(client: &'a Client, token: &'a RefreshToken, scopes: &'a Scopes, history: History) -> Self {
        Self { client, token, scopes, narrowed: false, history }
    }

    /// Asks for an access token with `scopes` only, fewer than were granted (RFC 6749 section 6).
    ///
    /// The grant need not be any narrower afterwards, but with some providers it is: keep the scopes of the grant as
    /// they were, and look at [`Tokens::missing_scopes`] of the next refresh.
    #[must_use]
    pub fn narrowed_to(self, scopes: &'a Scopes) -> Self {
        Self { scopes, narrowed: true, ..self }
    }

    /// What to send, once. No scope, unless fewer are asked for or the dialect wants it: "the same as before" is what a
    /// missing one means.
    pub fn request(&self) -> Request {
        let provider = self.client.provider();
        let mut params = Params::new();
        params.add("grant_type", "refresh_token");
        params.add("refresh_token", self.token.expose());
        if self.narrowed || provider.dialect.repeat_scope == RepeatScope::Refresh {
            params.add(provider.dialect.scope_param, self.scopes.join(provider.dialect.scope_separator));
        }
        wire::post(self.client, provider.endpoints.token(), Auth::Full, params, &[])
    }

    /// What the reply means. `asked_at` is the moment the request left.
    pub fn outcome(&self, reply: Reply<'_>, asked_at: Mono) -> Refreshed {
        match reply {
            Reply::Lost(lost) => {
                later(Trouble::Lost(lost), None, if lost == Lost::Unknown { Acted::Perhaps } else { Acted::No })
            }
            Reply::Answer(answer) => self.answered(&answer, asked_at),
        }
    }

    fn answered(&self, answer: &Answer<'_>, asked_at: Mono) -> Refreshed {
        let dialect = &self.client.provider().dialect;
        let retry_after = http_date::retry_after(answer.retry_after, answer.date);
        // A status of 400 to 499 without words is a refusal of some kind; after any other the token may be replaced.
        let acted = if (400..500).contains(&answer.status) { Acted::No } else { Acted::Perhaps };
        let noise = Trouble::Unreadable { status: answer.status };
        let reader = Reader { client: self.client, statuses: dialect.refresh_statuses, sent: self.token.expose() };
        match reader.read(answer) {
            // The sign-in proved that this provider gives bearer tokens: the type need not be repeated here.
            Said::Object(mut members) => {
                match tokens::read(&mut members, dialect, AbsentType::Bearer, self.scopes, asked_at) {
                    None => later(noise, retry_after, acted),
                    Some(Ok(tokens)) => Refreshed::Renewed(Box::new(tokens)),
                    Some(Err(fault)) => {
                        let rotated = tokens::refresh_token(&mut members).ok().flatten();
                        Refreshed::Unusable { fault: reader.shown_fault(fault), rotated }
                    }
                }
            }
            Said::Noise => later(noise, retry_after, acted),
            Said::Error { word, error, .. } => match word {
                Some(Word::Unknown | Word::Expired) => Refreshed::Dead { reason: self.reason(&error), error },
                Some(Word::Blocked) => Refreshed::Dead { reason: DeadReason::AdminPolicy, error },
                Some(Word::Misconfigured) => Refreshed::Misconfigured(error),
                // Words we do not know must not end a grant that worked for months.
                _ => later(Trouble::Provider(error), retry_after, acted),
            },
        }
    }

    fn reason(&self, error: &OAuthError) -> DeadReason {
        match error.subtype.as_ref().map(Text::as_str) {
            Some("invalid_rapt" | "rapt_required") => DeadReason::ReauthenticationRequired,
            _ if self.history == History::AnswerLost => DeadReason::LostRotation,
            _ => DeadReason::Revoked,
        }
    }
}

/// Whether the provider acted on a request that brought no tokens.
enum Acted {
    No,
    Perhaps,
}

fn later(trouble: Trouble, retry_after: Option<Duration>, acted: Acted) -> Refreshed {
    Refreshed::Later { trouble, retry_after, answer_lost: matches!(acted, Acted::Perhaps) }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "access was withdrawn or has expired; sign in again",
            Self::ReauthenticationRequired => "the organisation wants people to sign in again; sign in again",
            Self::AdminPolicy => "an administrator's rule forbids this application; ask them to allow it",
            Self::LostRotation => {
                "an answer with the next token was lost, or another copy of this device's token is in use; sign in again"
            }
        })
    }
}
