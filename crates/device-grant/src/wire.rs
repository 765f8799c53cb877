//! Requests as bytes: form or JSON, client authentication, no parameter twice, none empty.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::client::{Client, ClientAuth};
use crate::dialect::{ClientParam, Encoding};
use crate::exchange::Request;
use crate::url::Url;

/// Parameters in order. Borrowed, so that a secret is copied once: into the body, which is wiped.
pub(crate) struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a parameter. An empty value counts as omitted and a name counts once, the first time (RFC 8628 section 3.1).
    pub(crate) fn add(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let (name, value) = (name.into(), value.into());
        if !name.is_empty() && !value.is_empty() && !self.0.iter().any(|(n, _)| *n == name) {
            self.0.push((name, value));
        }
    }

    fn form(&self) -> Zeroizing<Vec<u8>> {
        // Room for the worst case, so that the vector never moves and leaves a copy of a secret behind.
        let mut body = Zeroizing::new(Vec::with_capacity(self.worst_len_bytes(3)));
        for (name, value) in &self.0 {
            if !body.is_empty() {
                body.push(b'&');
            }
            form_encode(name, &mut body);
            body.push(b'=');
            form_encode(value, &mut body);
        }
        body
    }

    fn json(&self, rename: fn(&str) -> Cow<'_, str>) -> Zeroizing<Vec<u8>> {
        let mut body = Zeroizing::new(Vec::with_capacity(self.worst_len_bytes(6)));
        for (name, value) in &self.0 {
            body.push(if body.is_empty() { b'{' } else { b',' });
            json_string(&rename(name), &mut body);
            body.push(b':');
            json_string(value, &mut body);
        }
        if body.is_empty() {
            body.push(b'{');
        }
        body.push(b'}');
        body
    }

    fn worst_len_bytes(&self, growth: usize) -> usize {
        2 + self.0.iter().map(|(name, value)| growth * (2 * name.len() + value.len()) + 6).sum::<usize>()
    }
}

/// What a request says about its client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Id, and secret if there is one.
    Full,
    /// Id only.
    IdOnly,
    /// Nothing.
    Nothing,
}

/// A POST of `params` to `url`, from `client`.
pub(crate) fn post<'a>(client: &'a Client, url: &Url, auth: Auth, mut params: Params<'a>) -> Request {
    let mut headers = Vec::with_capacity(3);
    let dialect = &client.provider().dialect;
    let secret = match (auth, client.auth()) {
        (Auth::Full, ClientAuth::Post(secret)) => Some(secret.expose()),
        (Auth::Full, ClientAuth::Basic(secret)) => {
            headers.push(("authorization", basic(client.id(), secret.expose())));
            None
        }
        _ => None,
    };
    if auth != Auth::Nothing {
        match dialect.client_param {
            ClientParam::Separate => {
                params.add("client_id", client.id());
                params.add("client_secret", secret.unwrap_or_default());
            }
            ClientParam::Joined(name) => params.add(name, joined(client.id(), secret)),
        }
    }
    let (content_type, body) = match dialect.encoding {
        Encoding::Form => ("application/x-www-form-urlencoded", params.form()),
        Encoding::Json => ("application/json", params.json(|name| Cow::Borrowed(name))),
        Encoding::CamelJson => ("application/json", params.json(camel)),
    };
    headers.push(("content-type", Zeroizing::new(content_type.to_owned())));
    headers.push(("accept", Zeroizing::new("application/json".to_owned())));
    Request { method: "POST", url: url.as_str().to_owned(), headers, body }
}

/// A GET of a public document.
pub(crate) fn get(url: &Url) -> Request {
    let accept = ("accept", Zeroizing::new("application/json".to_owned()));
    Request { method: "GET", url: url.as_str().to_owned(), headers: [accept].into(), body: Zeroizing::default() }
}

/// RFC 6749 section 2.3.1: both parts form-encoded *before* they are joined. Many clients forget it, and then a
/// secret with `%`, `+` or `:` fails.
fn basic(id: &str, secret: &str) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(Vec::with_capacity(3 * (id.len() + secret.len()) + 1));
    form_encode(id, &mut pair);
    pair.push(b':');
    form_encode(secret, &mut pair);
    let mut header = Zeroizing::new(String::with_capacity(6 + pair.len().div_ceil(3) * 4));
    header.push_str("Basic ");
    STANDARD.encode_string(&*pair, &mut header);
    header
}

fn joined(id: &str, secret: Option<&str>) -> String {
    let mut text = id.to_owned();
    if let Some(secret) = secret {
        text.push('|');
        text.push_str(secret);
    }
    text
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B): everything outside `A-Za-z0-9*-._` as `%XX`, blank as `+`.
pub(crate) fn form_encode(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

fn json_string(text: &str, out: &mut Vec<u8>) {
    // Cannot fail: a string always has a JSON form, and a vector takes everything.
    if let Ok(json) = serde_json::to_string(text).map(Zeroizing::new) {
        out.extend_from_slice(json.as_bytes());
    }
}

/// `device_code` → `deviceCode`.
fn camel(name: &str) -> Cow<'_, str> {
    let mut text = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c => {
                text.push(if upper { c.to_ascii_uppercase() } else { c });
                upper = false;
            }
        }
    }
    Cow::Owned(text)
}
