//! What goes into the model and what comes out: one HTTP exchange, without sockets.

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request as the shell (or a simulated network) hands it to [`Model::handle`](crate::Model::handle).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …; upper case.
    pub method: String,
    /// Path and query, as on the request line.
    pub target: String,
    /// Names in any case, in the order received.
    pub headers: Vec<(String, String)>,
    /// Already freed from any transfer coding.
    #[serde(with = "text_or_bytes")]
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A form `POST`, percent-encoded here.
    pub fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        let body: Vec<String> = fields.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect();
        let mut request = Self::new("POST", target).with_header("Content-Type", "application/x-www-form-urlencoded");
        request.body = body.join("&").into_bytes();
        request
    }

    /// A request with a JSON body.
    pub fn json(method: &str, target: &str, body: &Value) -> Self {
        let mut request = Self::new(method, target).with_header("Content-Type", "application/json");
        request.body = body.to_string().into_bytes();
        request
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with `Authorization: Bearer …`.
    #[must_use]
    pub fn with_bearer(self, access_token: &str) -> Self {
        self.with_header("Authorization", &format!("Bearer {access_token}"))
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Params {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        Params::parse(query.split('#').next().unwrap_or_default())
    }

    /// The parameters of a form body, or of a JSON body, which Google's sign-in endpoints take too
    /// (docs/google.md 1.2). None if the body is neither.
    pub(crate) fn form_or_json(&self) -> Option<Params> {
        let kind = self.header("content-type").unwrap_or("application/x-www-form-urlencoded").to_ascii_lowercase();
        if kind.starts_with("application/json") {
            let Ok(Value::Object(members)) = serde_json::from_slice(&self.body) else { return None };
            let text = |value: Value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            return Some(Params(members.into_iter().map(|(key, value)| (key, text(value))).collect()));
        }
        Some(Params::parse(std::str::from_utf8(&self.body).ok()?))
    }
}

/// What the model answers, and how the shell must treat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Everything but `Content-Length` and `Connection`, which belong to the shell.
    pub headers: Vec<(String, String)>,
    /// Not yet in any transfer coding.
    pub body: Vec<u8>,
    /// How much of it may reach the client, and how the connection ends.
    pub delivery: Delivery,
    /// How long the shell holds the reply back. The request was applied before this time.
    pub delay: Duration,
}

/// How a reply travels. Anything but [`Delivery::Whole`] comes from a fault rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As HTTP means it.
    Whole,
    /// The head promises the whole body, this many bytes of it are sent, then the connection is closed.
    Truncated {
        /// Bytes of the body that arrive.
        bytes: usize,
    },
    /// The whole reply, dripping at this pace.
    Slow {
        /// Never zero.
        bytes_per_second: u32,
    },
    /// The connection is closed in an orderly way without a byte.
    Dropped,
    /// The connection is reset (RST) without a byte.
    Reset,
}

impl Reply {
    /// A reply with a body of that type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), content_type.into())],
            body: body.into(),
            delivery: Delivery::Whole,
            delay: Duration::ZERO,
        }
    }

    /// Pretty-printed, as Google does unless asked otherwise (docs/google.md 6).
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let mut text = serde_json::to_vec_pretty(body).unwrap_or_default();
        text.push(b'\n');
        Self::new(status, "application/json; charset=UTF-8", text)
    }

    pub(crate) fn html(status: u16, page: String) -> Self {
        Self::new(status, "text/html; charset=UTF-8", page)
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, `Null` if it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text, for assertions.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Reply {
    /// The words after the status code.
    pub(crate) fn reason(&self) -> &'static str {
        match self.status {
            200 => "OK",
            204 => "No Content",
            302 => "Found",
            303 => "See Other",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            409 => "Conflict",
            415 => "Unsupported Media Type",
            413 => "Content Too Large",
            421 => "Misdirected Request",
            428 => "Precondition Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "Unknown",
        }
    }
}

/// Decoded parameters of a query or a form, in order, duplicates kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(text: &str) -> Self {
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(key, Plus::Space), decode(value, Plus::Space))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A parameter that is there and not empty.
    pub(crate) fn filled(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| truth(value) == Some(true))
    }

    /// Answers are pretty-printed unless `prettyPrint` says no.
    pub(crate) fn is_compact(&self) -> bool {
        self.get("prettyPrint").and_then(truth) == Some(false)
    }

    pub(crate) fn has_duplicates(&self) -> bool {
        // A body has room for millions of them.
        let mut keys = HashSet::with_capacity(self.0.len());
        !self.0.iter().all(|(key, _)| keys.insert(key.as_str()))
    }
}

/// unknown to us: which writings of a boolean Google takes besides `true` and `false`; Python's and numbers are taken here.
pub(crate) fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// In queries and forms.
    Space,
    /// In paths.
    Literal,
}

/// Percent-decoding that never fails: a stray `%` stays, bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decode(text: &str, plus: Plus) -> String {
    let bytes = text.as_bytes();
    let hex = |byte: Option<&u8>| byte.and_then(|&b| char::from(b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) if plus == Plus::Space => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Bodies are nearly always text; a journal of text can be read by people.
mod text_or_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(body) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => body.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into_bytes(),
            Either::Bytes(bytes) => bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_a_million_fields_is_looked_through_soon() {
        let fields: Vec<String> = (0..1_000_000).map(|n| format!("f{n}=")).collect();
        assert!(!Params::parse(&fields.join("&")).has_duplicates());
        assert!(Params::parse(&format!("{}&f7=", fields.join("&"))).has_duplicates());
    }

    #[test]
    fn decoding_takes_anything() {
        for (text, plus, expected) in [
            ("a%20b+c", Plus::Space, "a b c"),
            ("a%20b+c", Plus::Literal, "a b+c"),
            ("%", Plus::Space, "%"),
            ("%4", Plus::Space, "%4"),
            ("%zz", Plus::Space, "%zz"),
            ("%C3%A4", Plus::Space, "ä"),
            ("%ff", Plus::Space, "\u{fffd}"),
            ("100%+%2B", Plus::Space, "100% +"),
        ] {
            assert_eq!(decode(text, plus), expected, "{text}");
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        let text = "Zeit & Maß/50% 'x'+\n";
        assert_eq!(decode(&encode(text), Plus::Space), text);
    }

    #[test]
    fn a_body_of_any_bytes_survives_the_journal() {
        for body in [b"text".to_vec(), vec![0xff, 0, 1], Vec::new()] {
            let request = Request { body, ..Request::new("POST", "/") };
            let line = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        }
    }
}
