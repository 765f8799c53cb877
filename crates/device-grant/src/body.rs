//! Tolerant reading of answers. Nothing here panics, whatever the bytes.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::time::Duration;

use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

use crate::exchange::{Answer, MAX_BODY_LEN_BYTES};

/// The members of an answer. What is left in it when it is dropped is wiped.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// The members of `answer`; `None` if the body is no JSON object (nor a form where the header says so).
    ///
    /// JSON is tried whatever the header says: providers send it as `text/html` too. A byte order mark is skipped.
    pub(crate) fn of(answer: &Answer<'_>) -> Option<Self> {
        if answer.body.len() > MAX_BODY_LEN_BYTES {
            return None;
        }
        Self::json(answer.body).or_else(|| Self::form(answer.body).filter(|_| is_form(answer.content_type)))
    }

    pub(crate) fn json(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)) {
            Ok(Value::Object(members)) => Some(Self(members)),
            _ => None,
        }
    }

    /// GitHub answers so unless asked for JSON; the first of two equal names counts.
    fn form(body: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(body).ok()?.trim();
        let mut members = Map::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            members.entry(form_decode(name)?).or_insert(Value::String(form_decode(value)?));
        }
        Some(Self(members)).filter(|members| !members.0.is_empty())
    }

    /// The first of `names` that is there and not null.
    pub(crate) fn member(&self, names: &[&str]) -> Option<&Value> {
        names.iter().filter_map(|name| self.0.get(*name)).find(|value| !value.is_null())
    }

    /// The first of `names` that is a non-empty string.
    pub(crate) fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().filter_map(|name| self.0.get(*name)?.as_str()).find(|text| !text.is_empty())
    }

    /// A text, or a whole number as its digits (a user code or an error code may come as one).
    pub(crate) fn text_or_number(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| as_text(self.0.get(*name)?)).next()
    }

    /// Moves a string out, so that a secret is not copied.
    pub(crate) fn take(&mut self, names: &[&str]) -> Option<String> {
        let name =
            names.iter().find(|name| self.0.get(**name).and_then(Value::as_str).is_some_and(|s| !s.is_empty()))?;
        match self.0.remove(*name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A duration, `None` if it is not there or makes no sense.
    pub(crate) fn seconds(&self, names: &[&str], round: Round) -> Option<Duration> {
        seconds(self.member(names)?, round)
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.to_owned()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// Which way a fraction of a second goes: the way that is on the safe side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// For waits.
    Up,
    /// For lives.
    Down,
}

/// No server means more than ten years.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Whole seconds from a number or a number in a string. `None` for what is negative or no number; the absurdly long is
/// cut to [`LONGEST`].
pub(crate) fn seconds(value: &Value, round: Round) -> Option<Duration> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => Zeroizing::new(text.trim().to_owned()).parse::<f64>().ok()?,
        _ => return None,
    };
    if number.is_nan() || number < 0.0 {
        return None;
    }
    // The cast saturates, so infinity is fine too. Below ten years an f64 is exact to the microsecond.
    let whole = number as u64;
    let up = u64::from(round == Round::Up && whole as f64 != number);
    Some(Duration::from_secs(whole.saturating_add(up)).min(LONGEST))
}

fn is_form(content_type: Option<&str>) -> bool {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

pub(crate) fn form_decode(text: &str) -> Option<String> {
    let mut bytes = alloc::vec::Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
