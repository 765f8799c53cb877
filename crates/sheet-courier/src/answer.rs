//! What an attempt can come back with, and what it means (protocol section 5).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::durable::Closed;
use crate::wire::{self, ApiError};

/// What the edge says about one attempt.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A whole HTTP answer.
    Answered(Answer),
    /// Nothing of the body left this machine: the text says why.
    NotSent(String),
    /// Some of it may have arrived: the text says what went wrong.
    Unknown(String),
    /// No token to send it with until then; the text says why.
    NoToken(String, Duration),
}

/// A whole HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
    /// The `Date` header.
    pub date: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
}

/// The reading of an answer, before it is known what was asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// 200 with a body that still has to be understood.
    Success(Vec<u8>),
    /// 400 in Google's words: refused, or the id is occupied.
    Refused(String),
    /// 413.
    TooLarge,
    /// 403 or 404 in Google's words.
    Closed(Closed, String),
    /// Not executed; wait.
    Wait { why: String, at_least: Option<Duration> },
    /// Anything may have happened.
    Unknown(String),
}

/// The table of section 5. Error texts are for people: nothing is decided on them.
pub(crate) fn read(answer: Answer) -> Reading {
    let error = wire::parse_error(&answer.body);
    let unknown = || {
        let mut why = String::from("unexpected answer: HTTP ");
        why.push_str(&answer.status.to_string());
        why
    };
    match (answer.status, error) {
        (200, None) => Reading::Success(answer.body),
        (400, Some(error)) => Reading::Refused(error.message),
        // A proxy may say it in HTML; the void that follows settles it either way.
        (413, _) => Reading::TooLarge,
        (429, Some(error)) => wait(error, answer.retry_after.as_deref()),
        (403, Some(error)) if is_quota(&error) => wait(error, answer.retry_after.as_deref()),
        (403, Some(error)) => Reading::Closed(kind_of_closed(&error), error.message),
        (404, Some(error)) if error.status == "NOT_FOUND" => Reading::Closed(Closed::NotFound, error.message),
        // The session has refreshed and repeated already.
        (401, Some(error)) => wait(error, None),
        _ => Reading::Unknown(unknown()),
    }
}

fn wait(error: ApiError, retry_after: Option<&str>) -> Reading {
    let header = retry_after.and_then(|text| text.trim().parse::<u32>().ok());
    // A server that asks for a year has made a mistake; ask again within the hour.
    let seconds = header.max(error.retry_delay_s).map(|seconds| u64::from(seconds.min(3600)));
    Reading::Wait { why: error.message, at_least: seconds.map(Duration::from_secs) }
}

fn is_quota(error: &ApiError) -> bool {
    let quota = ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED"];
    error.status == "RESOURCE_EXHAUSTED" || error.reasons.iter().any(|reason| quota.contains(&reason.as_str()))
}

fn kind_of_closed(error: &ApiError) -> Closed {
    let has = |names: &[&str]| error.reasons.iter().any(|reason| names.contains(&reason.as_str()));
    if has(&["SERVICE_DISABLED", "accessNotConfigured"]) {
        Closed::ApiDisabled
    } else if has(&["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"]) {
        Closed::Scope
    } else {
        Closed::Forbidden
    }
}

/// Unix seconds of an HTTP date in the form all servers must send (RFC 9110 section 5.6.7, IMF-fixdate).
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let rest = text.trim().split_once(", ")?.1.strip_suffix(" GMT")?;
    let mut parts = rest.split(' ');
    let day: i64 = number(parts.next()?, 2)?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = parts.next()?;
    let month = months.iter().position(|month| *month == name)? as i64 + 1;
    let year: i64 = number(parts.next()?, 4)?;
    let mut clock = parts.next()?.split(':');
    let mut two = || number(clock.next()?, 2);
    let (hour, minute, second) = (two()?, two()?, two()?);
    if parts.next().is_some() || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days since 1970-01-01 in the Gregorian calendar, years counted from March so that the leap day is last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec(), date: None, retry_after: None }
    }

    #[test]
    fn the_table_of_answers() {
        let error = |status: &str, reason: &str| {
            alloc::format!(r#"{{"error":{{"message":"m","status":"{status}","details":[{{"reason":"{reason}"}}]}}}}"#)
        };
        let html = "<!DOCTYPE html><title>Error</title>";
        let m = || String::from("m");
        let wait = || Reading::Wait { why: m(), at_least: None };
        let unknown = |status: u16| Reading::Unknown(alloc::format!("unexpected answer: HTTP {status}"));
        let table = [
            (200, "{}".to_string(), Reading::Success(b"{}".to_vec())),
            (200, error("X", ""), unknown(200)),
            (400, error("INVALID_ARGUMENT", ""), Reading::Refused(m())),
            (400, html.to_string(), unknown(400)),
            (413, html.to_string(), Reading::TooLarge),
            (401, error("UNAUTHENTICATED", ""), wait()),
            (429, error("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), wait()),
            (429, html.to_string(), unknown(429)),
            (403, error("PERMISSION_DENIED", "userRateLimitExceeded"), wait()),
            (403, error("PERMISSION_DENIED", ""), Reading::Closed(Closed::Forbidden, m())),
            (403, error("PERMISSION_DENIED", "SERVICE_DISABLED"), Reading::Closed(Closed::ApiDisabled, m())),
            (403, error("PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), Reading::Closed(Closed::Scope, m())),
            (403, html.to_string(), unknown(403)),
            (404, error("NOT_FOUND", ""), Reading::Closed(Closed::NotFound, m())),
            (404, error("OTHER", ""), unknown(404)),
            (404, html.to_string(), unknown(404)),
            (408, html.to_string(), unknown(408)),
            (500, error("INTERNAL", ""), unknown(500)),
            (503, error("UNAVAILABLE", ""), unknown(503)),
            (204, String::new(), unknown(204)),
            (302, String::new(), unknown(302)),
        ];
        for (status, body, reading) in table {
            assert_eq!(read(answer(status, &body)), reading, "{status} {body}");
        }
    }

    #[test]
    fn http_dates() {
        for (text, unix) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2028 23:59:60 GMT", Some(1_835_481_600)),
            ("Sun, 22 Nov 2026 19:04:34 GMT", Some(1_795_374_274)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 25:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), unix, "{text}");
        }
    }
}
