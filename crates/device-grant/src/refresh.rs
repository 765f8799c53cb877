//! Renewing an access token (RFC 6749 section 6).

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::client::Client;
use crate::error::{BadAnswer, OAuthError, Trouble};
use crate::exchange::{Reply, Request};
use crate::scope::Scopes;
use crate::secret::RefreshToken;
use crate::time::Mono;
use crate::tokens::Tokens;

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
    /// The answer holds a token that cannot be used.
    BadAnswer(BadAnswer),
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
        Self { client, token, scopes, history }
    }

    /// What to send, once.
    pub fn request(&self) -> Request {
        let mut params = crate::wire::Params::new();
        params.add("grant_type", "refresh_token");
        params.add("refresh_token", self.token.expose());
        let token = self.client.provider().endpoints.token();
        crate::wire::post(self.client, token, crate::wire::Auth::Full, params)
    }

    /// What the reply means. `asked_at` is the moment the request left.
    pub fn outcome(&self, reply: Reply<'_>, asked_at: Mono) -> Refreshed {
        let _ = (asked_at, self.scopes, self.history);
        let trouble = match reply {
            Reply::Lost(lost) => Trouble::Lost(lost),
            Reply::Answer(answer) => Trouble::Unreadable { status: answer.status },
        };
        Refreshed::Later { trouble, retry_after: None, answer_lost: true }
    }
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
