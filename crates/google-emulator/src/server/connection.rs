//! One connection: requests in, replies out, and the misbehaviour that fault rules ask for.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use super::{
    Shared, coding, now,
    tls::{Identity, Session},
};
use crate::{Delivery, Reply, Request, TlsFailureKind, sheets::errors};

const MOST_HEAD_BYTES: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;
/// Google took 9 MB (docs/google.md 5.1).
const MOST_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Google's own limit lies between 60 s and 300 s (docs/google.md 7).
const IDLE: Duration = Duration::from_secs(240);
/// "Normally one hour", says an engineer of Google's front end, active or not (docs/google.md 7). The last reply says
/// `Connection: close`, which is HTTP/1.1's way of saying so.
const OLDEST: Duration = Duration::from_secs(3_600);
/// A peer that stops in the middle of a request or does not take its reply.
const STALLED: Duration = Duration::from_secs(30);

/// Serves until one side has enough, then hands the stream to `close`, which drops its last handle.
pub(super) fn serve(stream: Arc<TcpStream>, shared: &Shared, close: impl FnOnce(Arc<TcpStream>)) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_write_timeout(Some(STALLED));
    let failure = shared.identity.as_ref().and_then(|_| shared.next_handshake());
    let session = match failure {
        None => shared.identity.as_ref().map(Identity::session).transpose(),
        Some(TlsFailureKind::Untrusted) => Identity::stranger().and_then(|stranger| stranger.session()).map(Some),
        Some(kind) => {
            let _ = fail_handshake(&stream, kind);
            return close(stream);
        }
    };
    let Ok(tls) = session else { return close(stream) };
    let mut connection = Connection { stream, tls, buffer: Vec::new(), born: now(), shared };
    while let Ok(End::Kept) = connection.exchange() {}
    close(connection.stream);
}

/// After the client's first message, as servers do that cannot agree.
fn fail_handshake(mut stream: &TcpStream, kind: TlsFailureKind) -> io::Result<()> {
    stream.set_read_timeout(Some(STALLED))?;
    let mut hello = [0; 4 * 1024];
    let _ = stream.read(&mut hello)?;
    match kind {
        // A fatal alert, `handshake_failure` (RFC 8446 sections 5.1 and 6.2).
        TlsFailureKind::Alert => stream.write_all(&[21, 3, 3, 0, 2, 2, 40]),
        TlsFailureKind::Reset => Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?),
        TlsFailureKind::Garbage | TlsFailureKind::Untrusted => {
            stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\n\r\n")
        }
    }
}

struct Connection<'a> {
    stream: Arc<TcpStream>,
    tls: Option<Session>,
    /// Since when it is open.
    born: Duration,
    /// Bytes received that belong to no request yet.
    buffer: Vec<u8>,
    shared: &'a Shared,
}

#[derive(PartialEq, Eq)]
enum End {
    Kept,
    Closed,
}

/// Why no request could be read.
enum Unread {
    /// The client left, or stayed silent too long.
    Gone,
    /// Answer with this status and close.
    Refused(u16),
}

impl From<io::Error> for Unread {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

struct Head {
    request: Request,
    body: BodyLength,
    keep_alive: bool,
    expects_continue: bool,
}

enum BodyLength {
    Known(usize),
    Chunked,
}

impl Connection<'_> {
    fn exchange(&mut self) -> io::Result<End> {
        let (request, keep_alive) = match self.read_request() {
            Ok(read) => read,
            Err(Unread::Gone) => {
                self.say_goodbye();
                return Ok(End::Closed);
            }
            Err(Unread::Refused(status)) => {
                let reply = errors::html(status);
                self.write(&reply, reply.body.len(), false, true)?;
                self.say_goodbye();
                self.drain();
                return Ok(End::Closed);
            }
        };
        let keep_alive = keep_alive && now().saturating_sub(self.born) < OLDEST;
        let reply = coding::compressed(self.shared.answer(&request), &request);
        if !reply.delay.is_zero() && !self.shared.pause(reply.delay) {
            return Ok(End::Closed);
        }
        let with_body = request.method != "HEAD";
        match reply.delivery {
            Delivery::Whole => self.write(&reply, reply.body.len(), keep_alive, with_body)?,
            Delivery::Truncated { bytes } => {
                self.write(&reply, bytes.min(reply.body.len().saturating_sub(1)), false, with_body)?;
                return Ok(End::Closed);
            }
            Delivery::Slow { bytes_per_second } => {
                self.write(&reply, 0, keep_alive, with_body)?;
                self.drip(&reply.body, bytes_per_second)?;
            }
            Delivery::Dropped => return Ok(End::Closed),
            Delivery::Reset => {
                // Closing with a linger time of zero sends RST instead of FIN.
                rustix::net::sockopt::set_socket_linger(&*self.stream, Some(Duration::ZERO))?;
                return Ok(End::Closed);
            }
        }
        if keep_alive {
            return Ok(End::Kept);
        }
        self.say_goodbye();
        Ok(End::Closed)
    }

    fn read_request(&mut self) -> Result<(Request, bool), Unread> {
        let head = self.read_head()?;
        let mut request = head.request;
        if head.expects_continue && self.buffer.is_empty() {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = match head.body {
            BodyLength::Known(length) if length > MOST_BODY_BYTES => return Err(Unread::Refused(413)),
            BodyLength::Known(length) => self.take(length)?,
            BodyLength::Chunked => self.read_chunks()?,
        };
        let body = std::mem::take(&mut request.body);
        request.body = coding::unpacked(body, &request, MOST_BODY_BYTES).map_err(Unread::Refused)?;
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-encoding"));
        Ok((request, head.keep_alive))
    }

    fn read_head(&mut self) -> Result<Head, Unread> {
        let idle = self.shared.idle_close().unwrap_or(IDLE).max(Duration::from_millis(1));
        if self.buffer.is_empty() {
            self.stream.set_read_timeout(Some(idle))?;
            self.receive()?;
        }
        self.stream.set_read_timeout(Some(STALLED))?;
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            if self.buffer.len() > MOST_HEAD_BYTES {
                return Err(Unread::Refused(431));
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), Unread> {
        let mut chunk = [0; 16 * 1024];
        let received = match &mut self.tls {
            None => (&*self.stream).read(&mut chunk),
            Some(tls) => tls.read(&self.stream, &mut chunk),
        };
        match received? {
            0 => Err(Unread::Gone),
            count => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Unread> {
        while self.buffer.len() < length {
            self.receive()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn line(&mut self) -> Result<Vec<u8>, Unread> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line = self.take(end + 1)?;
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
            if self.buffer.len() > MOST_HEAD_BYTES {
                return Err(Unread::Refused(400));
            }
            self.receive()?;
        }
    }

    /// RFC 9112 section 7.1; trailers are read and forgotten.
    fn read_chunks(&mut self) -> Result<Vec<u8>, Unread> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
            // `from_str_radix` would take a sign.
            let digits = size.iter().all(u8::is_ascii_hexdigit);
            let size = std::str::from_utf8(size).ok().filter(|_| digits);
            let size = size.and_then(|text| usize::from_str_radix(text, 16).ok());
            let size = size.ok_or(Unread::Refused(400))?;
            if size > MOST_BODY_BYTES - body.len() {
                return Err(Unread::Refused(413));
            }
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size)?);
            if !self.line()?.is_empty() {
                return Err(Unread::Refused(400));
            }
        }
    }

    fn write(&mut self, reply: &Reply, body_bytes: usize, keep_alive: bool, with_body: bool) -> io::Result<()> {
        let mut out = format!("HTTP/1.1 {} {}\r\n", reply.status, reply.reason()).into_bytes();
        for (name, value) in &reply.headers {
            // A line break in a value would be a header of somebody else's making.
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let length = reply.body.len();
        out.extend_from_slice(format!("Content-Length: {length}\r\nConnection: {connection}\r\n\r\n").as_bytes());
        if with_body {
            out.extend_from_slice(&reply.body[..body_bytes.min(length)]);
        }
        self.send(&out)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => (&*self.stream).write_all(bytes),
            Some(tls) => tls.write_all(&self.stream, bytes),
        }
    }

    /// An end that is meant; one that a fault rule asks for is not.
    fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&self.stream);
        }
    }

    fn drip(&mut self, body: &[u8], bytes_per_second: u32) -> io::Result<()> {
        let portion = (bytes_per_second / 20).max(1);
        let pause = Duration::from_secs(1) * portion / bytes_per_second;
        for part in body.chunks(portion as usize) {
            self.send(part)?;
            if !self.shared.pause(pause) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(())
    }

    /// Closing with unread bytes would reset the connection and take our refusal with it.
    fn drain(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(500)));
        let mut sink = [0; 16 * 1024];
        let mut left = MOST_BODY_BYTES;
        while let Ok(count @ 1..) = (&*self.stream).read(&mut sink) {
            left = left.saturating_sub(count);
            if left == 0 {
                return;
            }
        }
    }
}

/// The head and its length in bytes, once it is complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unread> {
    let bad = || Unread::Refused(400);
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Unread::Refused(431)),
        Err(_) => return Err(bad()),
    };
    let mut request = Request::new(parsed.method.unwrap_or_default(), &origin_form(parsed.path.unwrap_or_default()));
    for header in parsed.headers.iter() {
        request.headers.push((header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()));
    }
    let is = |name: &str, value: &str| {
        request.header(name).is_some_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(value)))
    };
    let lengths: Vec<&str> = request
        .headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case("content-length"))
        .map(|(_, v)| v.trim())
        .collect();
    let is_chunked = is("transfer-encoding", "chunked");
    let body = match lengths.as_slice() {
        // Both, or two of them, is how requests are smuggled (RFC 9112 section 6.3).
        [_, ..] if is_chunked => return Err(bad()),
        [first, rest @ ..] if rest.iter().any(|other| other != first) => return Err(bad()),
        [] if is_chunked => BodyLength::Chunked,
        [] if request.header("transfer-encoding").is_some() => return Err(Unread::Refused(501)),
        [] => BodyLength::Known(0),
        [first, ..] if first.bytes().all(|b| b.is_ascii_digit()) => {
            BodyLength::Known(first.parse().map_err(|_| bad())?)
        }
        _ => return Err(bad()),
    };
    let keep_alive = match parsed.version {
        Some(1) => !is("connection", "close"),
        _ => is("connection", "keep-alive"),
    };
    let expects_continue = is("expect", "100-continue");
    Ok(Some((Head { request, body, keep_alive, expects_continue }, length)))
}

/// A proxy's `http://host/path` becomes `/path`.
fn origin_form(target: &str) -> String {
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned(),
        _ => target.to_owned(),
    }
}
