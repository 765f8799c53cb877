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

    /// A flat JSON object of strings.
    pub(crate) fn json(&self, rename: fn(&str) -> Cow<'_, str>) -> Zeroizing<Vec<u8>> {
        let mut body = Zeroizing::new(Vec::with_capacity(self.worst_len_bytes(6)));
        for (name, value) in &self.0 {
            let first = body.is_empty();
            body.push(if first { b'{' } else { b',' });
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
        2 + self.0.iter().map(|(name, value)| growth * (name.len() + value.len()) + 6).sum::<usize>()
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

/// A POST to `url`, from `client`: who asks, then `params`, then `extra`. The first of two equal names counts, so
/// nothing configured can replace what the grant itself says.
pub(crate) fn post<'a>(
    client: &'a Client,
    url: &Url,
    auth: Auth,
    params: Params<'a>,
    extra: &'a [(String, String)],
) -> Request {
    let mut headers = Vec::with_capacity(3);
    let mut body = Params::new();
    let dialect = &client.provider().dialect;
    let secret = match (auth, client.auth()) {
        (Auth::Full, ClientAuth::Post(secret)) => Some(secret.expose()),
        (Auth::Full, ClientAuth::Basic(secret)) => {
            headers.push(("authorization", basic(client.id(), secret.expose())));
            None
        }
        _ => None,
    };
    let joined = Zeroizing::new(joined(client.id(), secret));
    if auth != Auth::Nothing {
        match dialect.client_param {
            ClientParam::Separate => {
                body.add("client_id", client.id());
                body.add("client_secret", secret.unwrap_or_default());
            }
            ClientParam::Joined(name) => body.add(name, joined.as_str()),
        }
    }
    params.0.into_iter().for_each(|(name, value)| body.add(name, value));
    extra.iter().for_each(|(name, value)| body.add(name.as_str(), value.as_str()));
    let (content_type, body) = match dialect.encoding {
        Encoding::Form => ("application/x-www-form-urlencoded", body.form()),
        Encoding::Json => ("application/json", body.json(|name| Cow::Borrowed(name))),
        Encoding::CamelJson => ("application/json", body.json(camel)),
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

const HEX: &[u8; 16] = b"0123456789ABCDEF";

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
    let mut text = String::with_capacity(id.len() + 1 + secret.map_or(0, str::len));
    text.push_str(id);
    if let Some(secret) = secret {
        text.push('|');
        text.push_str(secret);
    }
    text
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B): everything outside `A-Za-z0-9*-._` as `%XX`, blank as `+`.
pub(crate) fn form_encode(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

/// A JSON string (RFC 8259 section 7), written straight into the body: a library's own buffer would not be wiped.
fn json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..=0x1f => {
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
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
