//! One HTTP exchange, as the machines ask for it and are told about it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

/// Stop reading an answer's body here, and report [`Lost::Unknown`]: 1 MiB, while real answers stay below 64 KiB.
pub const MAX_BODY_LEN_BYTES: usize = 1 << 20;

/// What to send, once: no redirect followed, no retry by the HTTP library, every time-out set, certificate checked.
///
/// Headers and body may hold secrets, so `Debug` shows neither.
pub struct Request {
    /// `POST`, or `GET` for discovery.
    pub method: &'static str,
    /// Absolute: `https://…`, or `http://…` on a loopback host. Never holds a secret.
    pub url: String,
    /// Names in lower case, in order. `Host` and `Content-Length` are the HTTP client's to add.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// Empty for a `GET`.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {} body bytes)", self.method, self.url, self.body.len())
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'a> {
    /// A whole answer came, whatever it says.
    Answer(Answer<'a>),
    /// No whole answer came.
    Lost(Lost),
}

/// A whole HTTP answer: the parts of it that matter here.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, as it came.
    pub content_type: Option<&'a str>,
    /// `Retry-After`, as it came.
    pub retry_after: Option<&'a str>,
    /// `Date`, as it came. The server's clock shows how far ours drifts.
    pub date: Option<&'a str>,
    /// The body, at most [`MAX_BODY_LEN_BYTES`].
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Picks what is needed: `header` is asked for names in lower case.
    pub fn new(status: u16, header: impl Fn(&str) -> Option<&'a str>, body: &'a [u8]) -> Self {
        Self {
            status,
            content_type: header("content-type"),
            retry_after: header("retry-after"),
            date: header("date"),
            body,
        }
    }

    /// An answer of which only status and body are known.
    pub fn bare(status: u16, body: &'a [u8]) -> Self {
        Self::new(status, |_| None, body)
    }
}

/// The body may hold tokens.
impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} body bytes)", self.status, self.body.len())
    }
}

/// How an answer failed to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing of the body left this machine (no name, no connection, no TLS): the server cannot have acted on it.
    NotSent,
    /// Something may have arrived (time-out, reset, cut answer, answer too long): the server may have acted on it.
    Unknown,
    /// The server's certificate was refused. Nothing was sent.
    Certificate {
        /// It is "not yet valid", or our own clock is not to be trusted.
        clock_suspect: bool,
    },
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "no connection",
            Self::Unknown => "the answer was lost",
            Self::Certificate { clock_suspect: false } => "the server's certificate was refused",
            Self::Certificate { clock_suspect: true } => {
                "the server's certificate was refused because this device's clock is wrong; set the clock"
            }
        })
    }
}
