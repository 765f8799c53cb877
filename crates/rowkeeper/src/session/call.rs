//! API calls that survive: the token, one refresh on 401, and retries that never double what must not be doubled.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use device_grant::{AccessToken, Backoff};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Session, TokenError, jitter};
use crate::clock::{Mono, Stop, Woke, http_date};
use crate::http::{Begun, Download, Lost, NotSent, Request, Response, Timeouts, Upload};

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
    /// No answer, and the time for trying is over. Sending it again later is safe: nothing was done yet, or doing it twice
    /// is the same as once.
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

/// A large body takes its time. What ends a transfer that stopped is the client's silence limit.
const TRANSFER_TIMEOUTS: Timeouts = Timeouts { connect: API_TIMEOUTS.connect, total: Duration::from_secs(24 * 3600) };

/// So much of an answer is read before it is passed on. What is no longer arrives whole or is asked for again, and every
/// error that decides about retries is in it.
const FIRST_BYTES: u64 = 256 << 10;

/// Answers that are held whole are no larger.
const BODY_LIMIT: u64 = 64 << 20;

impl Session {
    /// Sends `request` with the device's token: a 401 is answered by one refresh and one repetition; what was certainly
    /// not carried out (no connection, 429) is repeated until `give_up`, with waits that grow; the rest as `settle` says.
    ///
    /// # Errors
    /// See [`CallError`]. The server's refusals are answers, not errors.
    pub fn call(&self, request: &Request, settle: Settle, give_up: Mono, stop: &Stop) -> Result<Response, CallError> {
        let (method, url, headers) = (request.method.clone(), request.url.clone(), request.headers.clone());
        let request = Request { method, url, headers, body: Upload::from(request.body.to_vec()) };
        let Response { status, headers, body: rest } = self.begun(&request, API_TIMEOUTS, settle, give_up, stop)?;
        let mut body = Vec::new();
        let read = rest.take(BODY_LIMIT + 1).read_to_end(&mut body).and_then(|read| match read as u64 > BODY_LIMIT {
            // A part of it would pass for the whole.
            true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {BODY_LIMIT} bytes"))),
            false => Ok(()),
        });
        read.map_err(|cause| broke_off(settle, body.len() as u64, &cause))?;
        Ok(Response { status, headers, body })
    }

    /// As [`Session::call`], for bodies of any size either way: the answer's head, and its body to be read as it arrives.
    /// Nothing is repeated after that; [`broke_off`] says what a body that ends too soon means.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn open(
        &self,
        request: &Request<Upload>,
        settle: Settle,
        give_up: Mono,
        stop: &Stop,
    ) -> Result<Response<Download>, CallError> {
        self.begun(request, TRANSFER_TIMEOUTS, settle, give_up, stop)
    }

    fn begun(
        &self,
        request: &Request<Upload>,
        timeouts: Timeouts,
        settle: Settle,
        give_up: Mono,
        stop: &Stop,
    ) -> Result<Response<Download>, CallError> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(64));
        let http = &self.0.http;
        loop {
            let outcome = self.with_token(
                |token| Begun::of(http.open(&bearing(request, token), &timeouts)?, FIRST_BYTES),
                |answer| answer.head.status,
            );
            // When to try again, and what to say if that is too late.
            let (not_before, otherwise) = match outcome {
                Ok(answer) => match (Outcome::of(&answer.head), settle) {
                    (Outcome::Said, _) => return Ok(answer.resume()),
                    (Outcome::Unknown, Settle::Report) => {
                        return Err(CallError::OutcomeUnknown(format!("the server answered {}", answer.head.status)));
                    }
                    (Outcome::NotNow, _) | (Outcome::Unknown, Settle::Repeat) => {
                        (self.0.clock.mono() + retry_after(&answer.head), Ok(answer.resume()))
                    }
                },
                // A bad address does not become a good one.
                Err(AttemptError::Lost(lost @ Lost::NotSent(NotSent::Refused(_)))) => {
                    return Err(CallError::NotSent(lost.to_string()));
                }
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
        self.with_token(|token| self.0.http.send(&bearing(request, token), timeouts), |answer| answer.status)
    }

    fn with_token<A>(
        &self,
        attempt: impl Fn(&AccessToken) -> Result<A, Lost>,
        status: impl Fn(&A) -> u16,
    ) -> Result<A, AttemptError> {
        let bearer = self.bearer().map_err(AttemptError::Token)?;
        let answer = attempt(&bearer.token).map_err(AttemptError::Lost)?;
        if status(&answer) != 401 {
            return Ok(answer);
        }
        let bearer = self.replace(&bearer.token).map_err(AttemptError::Token)?;
        attempt(&bearer.token).map_err(AttemptError::Lost)
    }
}

/// `request` with the token.
fn bearing<B: Clone>(request: &Request<B>, token: &AccessToken) -> Request<B> {
    let mut headers = request.headers.clone();
    headers.push(("authorization".into(), Zeroizing::new(format!("Bearer {}", token.expose()))));
    Request { method: request.method.clone(), url: request.url.clone(), headers, body: request.body.clone() }
}

/// What it means that an answer's body ended too soon, after so many bytes of it.
pub fn broke_off(settle: Settle, bytes: u64, cause: &io::Error) -> CallError {
    let why = format!("the answer broke off after {bytes} bytes: {cause}");
    match settle {
        Settle::Repeat => CallError::NotSent(why),
        Settle::Report => CallError::OutcomeUnknown(why),
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

/// What an answer says about the deed.
enum Outcome {
    /// Done, or refused for good.
    Said,
    /// Refused before anything was done: it may be sent again, whatever it is.
    NotNow,
    /// Nobody knows.
    Unknown,
}

impl Outcome {
    fn of(answer: &Response) -> Self {
        match answer.status {
            425 | 429 => Self::NotNow,
            // Drive says it so (docs/google.md, Drive's quota).
            403 if error(answer)["errors"][0]["reason"]
                .as_str()
                .is_some_and(|reason| matches!(reason, "rateLimitExceeded" | "userRateLimitExceeded")) =>
            {
                Self::NotNow
            }
            // Google's 503 can come after the deed (docs/google.md, S14).
            408 | 500.. => Self::Unknown,
            _ => Self::Said,
        }
    }
}

/// The error object of an API's answer; null where there is none.
fn error(answer: &Response) -> Value {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["error"].clone()
}

/// How long the server wants to be left alone: `Retry-After` in seconds or as a date next to its own `Date`, or Google's
/// `RetryInfo` (`"retryDelay": "3.5s"`).
fn retry_after(answer: &Response) -> Duration {
    let date = |name| answer.header(name).and_then(http_date);
    let header = answer.header("retry-after").and_then(|text| text.trim().parse().ok().map(Duration::from_secs));
    let until = || Some(Duration::from_millis(u64::try_from(date("retry-after")?.checked_sub(date("date")?)?).ok()?));
    let info = || {
        let error = error(answer);
        let delay = error["details"].as_array()?.iter().find_map(|detail| detail["retryDelay"].as_str())?;
        Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
    };
    header.or_else(until).or_else(info).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_server_says_in_three_ways_when_to_come_back() {
        let date = ("date", "Sun, 22 Nov 2026 19:00:00 GMT");
        let info = r#"{"error":{"details":[{"reason":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.5s"}]}}"#;
        for (headers, body, ms) in [
            (&[("retry-after", "7")][..], info, 7_000),
            (&[("retry-after", "Sun, 22 Nov 2026 19:01:30 GMT"), date], "", 90_000),
            (&[("retry-after", "Sun, 22 Nov 2026 18:00:00 GMT"), date], "", 0),
            (&[("retry-after", "soon")], "", 0),
            (&[], info, 3_500),
            (&[], r#"{"error":{"details":[{"retryDelay":"-1s"}]}}"#, 0),
            (&[], r#"{"error":{"details":[{"retryDelay":"1e400s"}]}}"#, 0),
            (&[], r#"["error"]"#, 0),
            (&[], "<html>", 0),
        ] {
            assert_eq!(retry_after(&answer(429, headers, body)).as_millis(), ms, "{headers:?} {body}");
        }
    }

    #[test]
    fn only_what_was_surely_not_done_is_sent_again_freely() {
        let drive = r#"{"error":{"errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded"}],"code":403}}"#;
        for (status, body, not_now, unknown) in [
            (200, "", false, false),
            (403, "{}", false, false),
            (403, drive, true, false),
            (408, "", false, true),
            (425, "", true, false),
            (429, "<html>", true, false),
            (500, "", false, true),
            (503, "{}", false, true),
        ] {
            let outcome = Outcome::of(&answer(status, &[], body));
            assert_eq!(matches!(outcome, Outcome::NotNow), not_now, "{status} {body}");
            assert_eq!(matches!(outcome, Outcome::Unknown), unknown, "{status} {body}");
        }
    }
}
