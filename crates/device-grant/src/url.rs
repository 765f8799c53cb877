//! The few rules about addresses that safety rests on. No normalisation: what was given is what is sent and shown.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// An absolute `https` address, or an `http` one on this machine (loopback), in ASCII, without user information.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Url {
    text: String,
    /// Where the host begins and ends in `text`.
    host: (usize, usize),
    /// Where the path (or query, or fragment, or nothing) begins.
    path: usize,
    scheme: Scheme,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Scheme {
    Http,
    Https,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// Longer than [`Url::MAX_LEN_BYTES`].
    TooLong,
    /// A blank, a control character, a backslash or something else that no address holds; also anything outside ASCII.
    Character,
    /// Not `https://…`, nor `http://…` on a loopback host.
    Scheme,
    /// `http` to another machine.
    Insecure,
    /// No host, or one that cannot be.
    Host,
    /// Not a number from 1 to 65535.
    Port,
    /// `user@` or `user:password@` before the host.
    UserInfo,
    /// A query or a fragment where none may be (issuer, endpoint).
    QueryOrFragment,
}

impl Url {
    /// Longer addresses are refused.
    pub const MAX_LEN_BYTES: usize = 2048;

    /// Parses `text`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        if text.len() > Self::MAX_LEN_BYTES {
            return Err(BadUrl::TooLong);
        }
        if !text.bytes().all(is_url_byte) {
            return Err(BadUrl::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let scheme = match scheme {
            s if s.eq_ignore_ascii_case("https") => Scheme::Https,
            s if s.eq_ignore_ascii_case("http") => Scheme::Http,
            _ => return Err(BadUrl::Scheme),
        };
        let host_start = text.len() - rest.len();
        let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..authority_len];
        if authority.contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        let url = Self {
            text: text.to_owned(),
            host: (host_start, host_start + host.len()),
            path: host_start + authority_len,
            scheme,
            port: port.unwrap_or(if scheme == Scheme::Https { 443 } else { 80 }),
        };
        if scheme == Scheme::Http && !url.is_loopback() {
            return Err(BadUrl::Insecure);
        }
        Ok(url)
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host as it was given; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        &self.text[self.host.0..self.host.1]
    }

    /// The port, the scheme's own if none was given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything after the host and port; may be empty.
    pub fn path_and_rest(&self) -> &str {
        &self.text[self.path..]
    }

    /// Whether the host is this machine: `localhost`, a name below it, `127.x.y.z` or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let below_localhost =
            host.len() > 10 && host.get(host.len() - 10..).is_some_and(|s| s.eq_ignore_ascii_case(".localhost"));
        host.eq_ignore_ascii_case("localhost") || below_localhost || is_loopback_address(host)
    }

    /// Same scheme, host and port: what a secret given to one may be given to the other.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.port == other.port && self.host().eq_ignore_ascii_case(other.host())
    }

    /// Neither query nor fragment, as an issuer must be (RFC 8414 section 2).
    pub(crate) fn plain(self) -> Result<Self, BadUrl> {
        if self.path_and_rest().contains(['?', '#']) { Err(BadUrl::QueryOrFragment) } else { Ok(self) }
    }

    /// No fragment, as an endpoint must be (RFC 6749 section 3.2).
    pub(crate) fn without_fragment(self) -> Result<Self, BadUrl> {
        if self.path_and_rest().contains('#') { Err(BadUrl::QueryOrFragment) } else { Ok(self) }
    }
}

/// RFC 3986 appendix A: the characters of a URI. The others are where parsers differ from each other.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), BadUrl> {
    let after_host = match authority.strip_prefix('[') {
        Some(rest) => 1 + rest.find(']').ok_or(BadUrl::Host)? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(after_host);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return Err(BadUrl::Host),
        Some("") => None, // RFC 3986 section 3.2.3 allows an empty port
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or(BadUrl::Port)?)
        }
        Some(_) => return Err(BadUrl::Port),
    };
    Ok((host, port))
}

fn check_host(host: &str) -> Result<(), BadUrl> {
    let good = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<core::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.len() <= 255
                && !host.starts_with('.')
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    if good { Ok(()) } else { Err(BadUrl::Host) }
}

fn is_loopback_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(ip) => ip.parse::<core::net::Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => host.parse::<core::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the address is longer than 2048 bytes",
            Self::Character => "the address holds a character that no address may hold",
            Self::Scheme => "the address does not begin with https://",
            Self::Insecure => "the address is plain http to another machine; use https",
            Self::Host => "the address has no proper host",
            Self::Port => "the address has a port that is not a number from 1 to 65535",
            Self::UserInfo => "the address has a user name before the host",
            Self::QueryOrFragment => "the address has a `?` or `#` part where none may be",
        })
    }
}

impl core::error::Error for BadUrl {}
