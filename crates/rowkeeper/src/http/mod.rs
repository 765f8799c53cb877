//! One HTTP exchange: the seam between the rules and the network.

mod client;
mod wire;

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

pub use client::{Client, ClientError};

/// What is sent. The body and the headers may hold secrets, so `Debug` shows neither.
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Absolute: `https://…`, or `http://` on a loopback host.
    pub url: String,
    /// In order, as sent. `Host` and `Content-Length` are added by the client.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// Empty for none. Wiped when dropped: it may hold a token request.
    pub body: Zeroizing<Vec<u8>>,
}

/// What came back, whole. The body was capped while it was read.
#[derive(Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// In order, names in lower case. Values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// How long one attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To resolve, connect and finish the TLS handshake.
    pub connect: Duration,
    /// For the whole exchange. Giving up aborts the connection (a reset, not a close), so that unsent bytes die.
    pub total: Duration,
}

/// No answer came, or not a whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing of the request's body left this machine: the server cannot have acted on it.
    NotSent(NotSent),
    /// Some of the request may have arrived; whether the server acted on it is unknown.
    Unknown(String),
}

/// Why a request could not be sent at all. The text is the cause, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The host's name could not be resolved.
    Dns(String),
    /// No connection: refused, unreachable, timed out.
    Connect(String),
    /// The server's certificate is not good, or not good *yet* (then suspect our own clock).
    Certificate(String),
    /// The TLS handshake failed otherwise.
    Tls(String),
    /// The request itself cannot be sent: a bad URL, or plain http to a host that is not this machine.
    Refused(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(cause) => cause.fmt(f),
            Self::Unknown(cause) => write!(f, "the answer was lost: {cause}"),
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(cause) => write!(f, "name not found: {cause}"),
            Self::Connect(cause) => write!(f, "no connection: {cause}"),
            Self::Certificate(cause) => write!(f, "certificate refused: {cause}"),
            Self::Tls(cause) => write!(f, "TLS failed: {cause}"),
            Self::Refused(cause) => write!(f, "not sent: {cause}"),
        }
    }
}

impl std::error::Error for Lost {}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {} body bytes)", self.method, self.url, self.body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} body bytes)", self.status, self.body.len())
    }
}

/// Makes one attempt: no retry of its own, no redirect followed, no TLS early data.
pub trait Http: Send + Sync {
    /// Sends `request` once and reads the whole answer.
    ///
    /// # Errors
    /// `NotSent`: safe to send again at any time. `Unknown`: send again only what may be applied twice, or settle first.
    fn send(&self, request: &Request, timeouts: &Timeouts) -> Result<Response, Lost>;
}
