//! The request log: what came, what went, and nothing that could be used to sign in.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};

use crate::{
    calendar::rfc3339,
    wire::{Reply, Request},
};

/// Bytes of a body that are kept; enough to see what a batch was about.
const KEPT: usize = 2_048;

/// One exchange, secrets masked.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Counts from 1 since the model was made; gaps never occur.
    pub number: u64,
    /// Unix time by the model's clock.
    pub time: Duration,
    /// As received.
    pub method: String,
    /// Path and query, secrets masked.
    pub target: String,
    /// Of the reply, also if it never arrived.
    pub status: u16,
    /// The form field, if there was one.
    pub grant_type: Option<String>,
    /// The first member called `error` of the answer, or Google's canonical status.
    pub error: Option<String>,
    /// The fault that struck, as in the rule.
    pub fault: Option<Value>,
    /// The first 2 KiB, secrets masked.
    pub request_body: String,
    /// The first 2 KiB, secrets masked.
    pub reply_body: String,
}

impl LogEntry {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "number": self.number, "time": rfc3339(self.time), "unix": self.time.as_secs_f64(),
            "method": self.method, "target": self.target, "path": self.target.split('?').next(),
            "status": self.status, "grant_type": self.grant_type, "error": self.error, "fault": self.fault,
            "request_body": self.request_body, "reply_body": self.reply_body,
        })
    }
}

#[derive(Clone, Debug)]
struct Raw {
    time: Duration,
    method: String,
    target: String,
    status: u16,
    fault: Option<Value>,
    request_body: Vec<u8>,
    reply_body: Vec<u8>,
}

/// Masks when read, not when written: nearly every entry is never read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Raw>,
    capacity: usize,
    seen: u64,
}

impl Log {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, seen: 0 }
    }

    pub(crate) fn push(&mut self, time: Duration, request: &Request, reply: &Reply, fault: Option<Value>) {
        self.seen += 1;
        if self.capacity == 0 {
            return;
        }
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(Raw {
            time,
            method: request.method.clone(),
            target: request.target.chars().take(KEPT).collect(),
            status: reply.status,
            fault,
            request_body: request.body[..request.body.len().min(KEPT)].to_vec(),
            reply_body: reply.body[..reply.body.len().min(KEPT)].to_vec(),
        });
    }

    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = LogEntry> {
        let first = self.seen - self.entries.len() as u64 + 1;
        (first..).zip(&self.entries).map(|(number, raw)| raw.masked(number)).collect::<Vec<_>>().into_iter()
    }

    /// The last `count`, newest first.
    pub(crate) fn latest(&self, count: usize) -> Vec<LogEntry> {
        let numbers = (1..=self.seen).rev();
        numbers.zip(self.entries.iter().rev().take(count)).map(|(number, raw)| raw.masked(number)).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

impl Raw {
    fn masked(&self, number: u64) -> LogEntry {
        let body = String::from_utf8_lossy(&self.request_body);
        let request = Request { body: self.request_body.clone(), ..Request::new(&self.method, &self.target) };
        let params = request.form_or_json().unwrap_or_default();
        let reply: Value = serde_json::from_slice(&self.reply_body).unwrap_or(Value::Null);
        let error = match &reply["error"] {
            Value::String(code) => Some(code.clone()),
            Value::Object(error) => error.get("status").and_then(Value::as_str).map(String::from),
            _ => None,
        };
        LogEntry {
            number,
            time: self.time,
            method: self.method.clone(),
            target: mask(&self.target),
            status: self.status,
            grant_type: params.get("grant_type").map(String::from),
            error,
            fault: self.fault.clone(),
            request_body: mask(&body),
            reply_body: mask(&String::from_utf8_lossy(&self.reply_body)),
        }
    }
}

const SECRETS: [&str; 9] = [
    "client_secret",
    "refresh_token",
    "access_token",
    "oauth_token",
    "device_code",
    "id_token",
    "token",
    "code",
    "csrf",
];

/// Replaces the values of secret members in JSON and in forms, also where the text was cut.
///
/// A form can carry JSON's quotes and JSON a form's signs, so both spellings are masked in any text.
fn mask(text: &str) -> String {
    let mut text = text.to_owned();
    for name in SECRETS {
        text = mask_json(&text, name);
        text = mask_form(&text, name);
    }
    text
}

fn mask_json(text: &str, name: &str) -> String {
    let key = format!("\"{name}\"");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&key) {
        out.push_str(before);
        out.push_str(&key);
        let space = after.len() - after.trim_start_matches([' ', ':', '\t', '\n', '\r']).len();
        let (gap, value) = after.split_at(space);
        out.push_str(gap);
        rest = value;
        if gap.contains(':') && value.starts_with('"') {
            out.push_str("\"***\"");
            rest = value[1..].split_once('"').map_or("", |(_, rest)| rest);
        }
    }
    out + rest
}

fn mask_form(text: &str, name: &str) -> String {
    let key = format!("{name}=");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&key) {
        let is_whole_name = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        out.push_str(before);
        out.push_str(&key);
        rest = after;
        if is_whole_name {
            out.push_str("***");
            rest = after.find(['&', '"', ' ', '#']).map_or("", |end| &after[end..]);
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_every_spelling() {
        for (text, expected) in [
            ("client_id=a&client_secret=b&refresh_token=c", "client_id=a&client_secret=***&refresh_token=***"),
            ("grant_type=refresh_token&code=x", "grant_type=refresh_token&code=***"),
            ("user_code=ABC&device_code=x", "user_code=ABC&device_code=***"),
            (r#"{"access_token": "ya29.x", "n": 1}"#, r#"{"access_token": "***", "n": 1}"#),
            (r#"{"access_token" : "cut off"#, r#"{"access_token" : "***""#),
            (r#"{"error":{"code":404}}"#, r#"{"error":{"code":404}}"#),
            ("/tokeninfo?access_token=ya29.x", "/tokeninfo?access_token=***"),
            ("/v4/x?oauth_token=ya29.x&a=b", "/v4/x?oauth_token=***&a=b"),
        ] {
            assert_eq!(mask(text), expected);
        }
    }
}
