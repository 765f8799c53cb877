//! API calls that survive: the token, one refresh on 401, and retries that never double what must not be doubled.

use std::fmt;
use std::time::Duration;

use device_grant::Backoff;
use zeroize::Zeroizing;

use super::{Session, TokenError, jitter};
use crate::clock::{Mono, Stop, Woke};
use crate::http::{Lost, Request, Response, Timeouts};

/// What may be done when nobody knows whether a request was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Send it again: carried out twice is the same as once.
    Repeat,
    /// Nothing: the caller is told that the outcome is unknown.
    Report,
}

impl Settle {
    /// What RFC 9110 section 9.2.2 says of a method: all idempotent ones may be repeated.
    pub fn by_method(method: &str) -> Self {
        match method {
            "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" => Self::Repeat,
            _ => Self::Report,
        }
    }
}

/// There is no answer to give. An answer with an error status is an answer.
#[derive(Debug)]
pub enum CallError {
    /// No token; see there.
    Token(TokenError),
    /// The server cannot have acted on the request, and the time for trying is over.
    NotSent(String),
    /// Nobody knows whether the server acted on the request. It was not sent again.
    OutcomeUnknown(String),
    /// The stop was pressed between two attempts.
    Stopped,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::NotSent(why) => write!(f, "{why}; try again later"),
            Self::OutcomeUnknown(why) => {
                write!(f, "outcome unknown: {why}; look whether it was done before sending it again")
            }
            Self::Stopped => write!(f, "stopped"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Token(error) => error.source(),
            _ => None,
        }
    }
}

/// Writes wait longer than the 180 s that Google may take for one (docs/google.md, S13).
pub(crate) const API_TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(200) };

impl Session {
    /// Sends `request` with the device's token: a 401 is answered by one refresh and one repetition; what was certainly
    /// not carried out (no connection, 429) is repeated until `give_up`, with waits that grow; the rest as `settle` says.
    ///
    /// # Errors
    /// See [`CallError`]. The server's refusals are answers, not errors.
    pub fn call(&self, request: &Request, settle: Settle, give_up: Mono, stop: &Stop) -> Result<Response, CallError> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(64));
        loop {
            let outcome = self.authorised(request, &API_TIMEOUTS);
            // When to try again, and what to say if that is too late.
            let (not_before, otherwise) = match outcome {
                Ok(answer) if is_refused_for_now(answer.status) || settle == Settle::Repeat && answer.status >= 500 => {
                    (self.0.clock.mono() + retry_after(&answer), Ok(answer))
                }
                // Google's 503 can come after the deed (docs/google.md, S14).
                Ok(answer) if answer.status >= 500 => {
                    return Err(CallError::OutcomeUnknown(format!("the server answered {}", answer.status)));
                }
                Ok(answer) => return Ok(answer),
                Err(AttemptError::Lost(Lost::Unknown(why))) if settle == Settle::Report => {
                    return Err(CallError::OutcomeUnknown(why));
                }
                Err(AttemptError::Lost(lost)) => (Mono::default(), Err(CallError::NotSent(lost.to_string()))),
                Err(AttemptError::Token(TokenError::Later { why, until })) => {
                    (until, Err(CallError::Token(TokenError::Later { why, until })))
                }
                Err(AttemptError::Token(error)) => return Err(CallError::Token(error)),
            };
            let next = not_before.max(self.0.clock.mono() + backoff.next(None, jitter()));
            if next > give_up {
                return otherwise;
            }
            if self.0.clock.wait(next, stop) == Woke::Stopped {
                return Err(CallError::Stopped);
            }
        }
    }

    /// One attempt with the token, and a second one only after a 401, which precedes any deed.
    ///
    /// # Errors
    /// No token, or no answer.
    pub fn authorised(&self, request: &Request, timeouts: &Timeouts) -> Result<Response, AttemptError> {
        let bearer = self.bearer().map_err(AttemptError::Token)?;
        let answer = self.attempt(request, bearer.token.expose(), timeouts)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let bearer = self.replace(&bearer.token).map_err(AttemptError::Token)?;
        self.attempt(request, bearer.token.expose(), timeouts)
    }

    fn attempt(&self, request: &Request, token: &str, timeouts: &Timeouts) -> Result<Response, AttemptError> {
        let mut headers = request.headers.clone();
        headers.push(("authorization".into(), Zeroizing::new(format!("Bearer {token}"))));
        let (method, url, body) = (request.method.clone(), request.url.clone(), request.body.clone());
        self.0.http.send(&Request { method, url, headers, body }, timeouts).map_err(AttemptError::Lost)
    }
}

/// One attempt brought no answer.
#[derive(Debug)]
pub enum AttemptError {
    /// There is no token to send it with.
    Token(TokenError),
    /// No answer came.
    Lost(Lost),
}

/// Refused before anything was done: it may be sent again, whatever it is.
fn is_refused_for_now(status: u16) -> bool {
    status == 429
}

fn retry_after(answer: &Response) -> Duration {
    let seconds = answer.header("retry-after").and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    Duration::from_secs(seconds)
}
