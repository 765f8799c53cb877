//! One HTTP exchange: the seam between the rules and the network.

mod client;
mod proxy;
mod stream;
mod wire;

use std::fmt;
use std::io::{self, Read as _};
use std::time::Duration;

use zeroize::Zeroizing;

pub use client::{Client, ClientError};
pub(crate) use stream::Begun;
pub use stream::{Download, Upload};

/// What is sent. The body and the headers may hold secrets, so `Debug` shows neither.
pub struct Request<B = Zeroizing<Vec<u8>>> {
    /// `GET`, `POST`, …
    pub method: String,
    /// Absolute: `https://…`, or `http://` on a loopback host.
    pub url: String,
    /// In order, as sent. `Host` and `Content-Length` are added by the client.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// Empty for none. Wiped when dropped: it may hold a token request.
    pub body: B,
}

/// What came back: whole, the body capped while it was read; or with a [`Download`], its head.
#[derive(Clone)]
pub struct Response<B = Vec<u8>> {
    /// The HTTP status.
    pub status: u16,
    /// In order, names in lower case. Values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: B,
}

impl<B> Response<B> {
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
    /// For the whole exchange. Giving up aborts the connection (a reset, not a close), so that unsent bytes die. A server
    /// that says and takes nothing is given up sooner: see [`Client::hanging_up_after`].
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
    /// The server's certificate is not good.
    Certificate(String),
    /// The server's certificate is not good *yet*: our own clock is behind, more often than not.
    NotYetValid(String),
    /// The server's certificate has expired, or our own clock is ahead.
    Expired(String),
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
            Self::NotYetValid(cause) | Self::Expired(cause) => write!(f, "the certificate is {cause}"),
            Self::Tls(cause) => write!(f, "TLS failed: {cause}"),
            Self::Refused(cause) => write!(f, "not sent: {cause}"),
        }
    }
}

impl std::error::Error for Lost {}

impl<B> fmt::Debug for Request<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, self.url)
    }
}

impl<B> fmt::Debug for Response<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({})", self.status)
    }
}

/// Makes one attempt: no retry of its own, no redirect followed, no TLS early data.
pub trait Http: Send + Sync {
    /// Sends `request` once and reads the whole answer.
    ///
    /// # Errors
    /// `NotSent`: safe to send again at any time. `Unknown`: send again only what may be applied twice, or settle first.
    fn send(&self, request: &Request, timeouts: &Timeouts) -> Result<Response, Lost>;

    /// The same for bodies that are too large to hold: sends `request` once and returns with the answer's head. Reading
    /// the body fails where [`Http::send`] would have lost the answer.
    ///
    /// # Errors
    /// As [`Http::send`].
    fn open(&self, request: &Request<Upload>, timeouts: &Timeouts) -> Result<Response<Download>, Lost> {
        let mut body = Zeroizing::new(Vec::new());
        let unreadable =
            |cause: io::Error| Lost::NotSent(NotSent::Refused(format!("the body cannot be read: {cause}")));
        request.body.reader().read_to_end(&mut body).map_err(unreadable)?;
        let (method, url, headers) = (request.method.clone(), request.url.clone(), request.headers.clone());
        let answer = self.send(&Request { method, url, headers, body }, timeouts)?;
        let body: Download = Box::new(io::Cursor::new(answer.body));
        Ok(Response { status: answer.status, headers: answer.headers, body })
    }
}
