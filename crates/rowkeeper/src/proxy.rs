//! A local forward that adds the token, for programs in other languages: they need no secret and no sign-in of their own.
//!
//! A program sends plain HTTP/1.1 to this machine, either as to an origin (`GET /v4/…`, forwarded to the default host) or
//! as to a proxy (`GET http://drive.googleapis.com/…`). What leaves the machine is https with the device's token, and
//! with the retries of [`Session::call`]. Only listed hosts are forwarded to.
//!
//! Who can reach the port can use the token: it listens on loopback or on a socket of the file system (0600), and
//! refuses what a web page could send (an `Origin`, a `Sec-Fetch-Site`, or a `Host` that is not this machine).
//!
//! What a program sends is read to its end first, so that it can be sent again; what is large waits in a file. An answer is
//! passed on as it arrives. One that breaks off ends the program's connection before the end that was announced, so that
//! a part is never taken for the whole. There is no upgrade and no `CONNECT`.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;
use zeroize::Zeroizing;

use crate::clock::{Clock, Mono, Stop};
use crate::http::{Download, Request, Response, Upload};
use crate::session::{CallError, Session, Settle, TokenError};

/// The largest body that a program may send.
pub const BODY_LIMIT: u64 = 1 << 30;

/// A head may have this many bytes and header lines.
const HEAD_LIMIT: u64 = 64 << 10;
const HEADERS_LIMIT: usize = 100;

/// So many programs at once; the next one waits in the listener's queue.
const CONNECTIONS: usize = 32;

/// How long retries go on before the program hears of trouble.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a listener looks whether it should end.
const LOOK: Duration = Duration::from_millis(200);

/// A program that says nothing for so long is gone.
const IDLE: Duration = Duration::from_secs(120);

/// Where requests may go.
#[derive(Clone, Debug)]
pub struct Routes {
    /// Where `GET /v4/…` goes, such as `https://sheets.googleapis.com`. Without a slash at the end.
    pub default: String,
    /// Hosts that may be named in full, without scheme and port.
    pub hosts: Vec<String>,
}

/// What programs connect to.
pub enum Listener {
    /// A loopback address. Checked by whoever makes it.
    Tcp(TcpListener),
    /// A socket in the file system. Its mode says who may use it.
    Unix(UnixListener),
}

/// What is forwarded for programs.
pub struct Proxy {
    session: Session,
    clock: Arc<dyn Clock>,
    routes: Routes,
    stop: Stop,
    open: AtomicUsize,
}

impl Proxy {
    /// A forward that ends when `stop` is pressed.
    pub fn new(session: Session, clock: Arc<dyn Clock>, routes: Routes, stop: Stop) -> Arc<Self> {
        Arc::new(Self { session, clock, routes, stop, open: AtomicUsize::new(0) })
    }

    /// Serves programs until the stop is pressed.
    ///
    /// # Errors
    /// The listener broke.
    pub fn serve(self: &Arc<Self>, listener: &Listener) -> io::Result<()> {
        listener.set_nonblocking()?;
        while !self.stop.is_stopped() {
            if self.open.load(Ordering::Relaxed) >= CONNECTIONS {
                self.pause();
                continue;
            }
            match listener.accept() {
                Ok(stream) => self.start(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.pause(),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Talks to one program, on a thread of its own.
    fn start(self: &Arc<Self>, stream: Stream) {
        let proxy = Arc::clone(self);
        self.open.fetch_add(1, Ordering::Relaxed);
        let talk = move || {
            // A program that goes away in the middle is its own business; one that is told a part must not take it for all.
            if stream.prepare().and_then(|()| proxy.talk(&stream)).is_err() {
                stream.abort();
            }
            proxy.open.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().name("proxy".into()).stack_size(256 << 10).spawn(talk).is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn pause(&self) {
        self.clock.wait(self.clock.mono() + LOOK, &self.stop);
    }

    fn talk(&self, stream: &Stream) -> io::Result<()> {
        let (mut read, mut write) = (BufReader::new(stream), stream);
        while self.is_asked(stream, &mut read)? {
            let Some(head) = read_head(&mut read)? else { break };
            let (answer, how) = match Asked::parse(&head) {
                Ok(asked) => {
                    if asked.expects_continue {
                        write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                    }
                    match asked.read_body(&mut read) {
                        Ok(body) => (self.answer(&asked, body), asked.how()),
                        Err(why) => (said(400, &why), How::LAST),
                    }
                }
                Err(why) => (said(400, why), How::LAST),
            };
            if !respond(&mut write, answer, how)? {
                break;
            }
        }
        Ok(())
    }

    /// Waits for the next request; false when the program hung up, or said nothing for long. While all places are taken, one
    /// that is only kept open is given up for a program that has something to ask.
    fn is_asked(&self, stream: &Stream, read: &mut impl BufRead) -> io::Result<bool> {
        let end = self.clock.mono() + IDLE;
        stream.set_read_timeout(LOOK)?;
        loop {
            match read.fill_buf() {
                Ok([]) => return Ok(false),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    let is_full = self.open.load(Ordering::Relaxed) >= CONNECTIONS;
                    if is_full || self.stop.is_stopped() || self.clock.mono() >= end {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        stream.set_read_timeout(IDLE)?;
        Ok(true)
    }

    fn answer(&self, asked: &Asked, body: Upload) -> Response<Download> {
        let url = match self.routes.url(asked) {
            Ok(url) => url,
            Err(why) => return said(403, &why),
        };
        let headers =
            asked.forwarded.iter().map(|(name, value)| (name.clone(), Zeroizing::new(value.clone()))).collect();
        let settle = Settle::by_method(&asked.method);
        let request = Request { method: asked.method.clone(), url, headers, body };
        let give_up: Mono = self.clock.mono() + PATIENCE;
        match self.session.open(&request, settle, give_up, &self.stop) {
            Ok(answer) => answer,
            Err(CallError::Token(error @ (TokenError::SignIn(_) | TokenError::Misconfigured(_)))) => {
                said(401, &error.to_string())
            }
            Err(error @ CallError::OutcomeUnknown(_)) => said(504, &error.to_string()),
            Err(error) => said(503, &error.to_string()),
        }
    }
}

impl Listener {
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Ok(Stream::Tcp(listener.accept()?.0)),
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

/// A program's connection.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// What an accepted connection has of its listener differs between systems.
    fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(IDLE))
            }
            Self::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_write_timeout(Some(IDLE))
            }
        }
    }

    fn set_read_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(limit)),
            Self::Unix(stream) => stream.set_read_timeout(Some(limit)),
        }
    }

    /// The coming close is a reset, where the system has such a thing: it cannot be taken for the end of an answer.
    fn abort(&self) {
        if let Self::Tcp(stream) = self {
            _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).read(into),
            Stream::Unix(stream) => (&mut &*stream).read(into),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Routes {
    fn url(&self, asked: &Asked) -> Result<String, String> {
        if asked.from_a_page {
            return Err("requests of web pages are not forwarded".into());
        }
        let Some(rest) = asked.target.strip_prefix("http://").or_else(|| asked.target.strip_prefix("https://")) else {
            return match asked.target.starts_with('/') {
                true => Ok(format!("{}{}", self.default, asked.target)),
                false => Err("only paths and http addresses are forwarded".into()),
            };
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let name = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host);
        if self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(format!("https://{name}{path}"));
        }
        Err(format!("{name} is not among the hosts that are forwarded to"))
    }
}

/// A request as a program sent it.
struct Asked {
    method: String,
    target: String,
    /// Headers that go along; ours and those between two neighbours (RFC 9110 section 7.6.1) do not.
    forwarded: Vec<(String, String)>,
    length: Body,
    /// HTTP/1.1, and not 1.0.
    knows_chunks: bool,
    keep_alive: bool,
    expects_continue: bool,
    from_a_page: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
}

impl Asked {
    fn parse(head: &[u8]) -> Result<Self, &'static str> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            _ => return Err("that is not an HTTP/1.1 request"),
        }
        let mut asked = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            forwarded: Vec::new(),
            length: Body::Length(0),
            knows_chunks: parsed.version == Some(1),
            keep_alive: parsed.version == Some(1),
            expects_continue: false,
            from_a_page: false,
        };
        for header in parsed.headers.iter() {
            let value = std::str::from_utf8(header.value).map_err(|_| "a header is not text")?.trim();
            match header.name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    asked.length = Body::Length(value.parse().map_err(|_| "the content length is not a number")?);
                }
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => asked.length = Body::Chunked,
                "transfer-encoding" => return Err("only chunked bodies are understood"),
                "connection" => asked.keep_alive = !value.eq_ignore_ascii_case("close") && asked.keep_alive,
                "expect" => asked.expects_continue = value.eq_ignore_ascii_case("100-continue"),
                "origin" => asked.from_a_page = true,
                // What a page loads without an `Origin`, such as a picture. "none" is an address that a person typed.
                "sec-fetch-site" if value != "none" => asked.from_a_page = true,
                // A page of another name that resolves to this machine would name itself here.
                "host" if asked.target.starts_with('/') && !is_here(value) => asked.from_a_page = true,
                "host"
                | "authorization"
                | "proxy-authorization"
                | "proxy-connection"
                | "keep-alive"
                | "te"
                | "trailer"
                | "upgrade"
                | "accept-encoding" => {}
                name => asked.forwarded.push((name.to_owned(), value.to_owned())),
            }
        }
        Ok(asked)
    }

    fn read_body(&self, read: &mut impl BufRead) -> Result<Upload, String> {
        let body = match self.length {
            Body::Length(length) if length > BODY_LIMIT => {
                return Err(format!("the body is larger than {BODY_LIMIT} bytes"));
            }
            Body::Length(length) => match Upload::read(&mut read.take(length), length) {
                Ok(body) if body.len() != length => return Err("the body ends too soon".into()),
                read => read,
            },
            Body::Chunked => Upload::read(&mut Chunks { read, left: 0, state: Chunk::First }, BODY_LIMIT),
        };
        body.map_err(|error| format!("the body cannot be taken: {error}"))
    }

    fn how(&self) -> How {
        How { bodyless: self.method == "HEAD", chunks: self.knows_chunks, keep: self.keep_alive }
    }
}

/// How a program wants its answer.
#[derive(Clone, Copy)]
struct How {
    /// It asked for the head alone.
    bodyless: bool,
    /// It understands chunks.
    chunks: bool,
    /// It has more to ask.
    keep: bool,
}

impl How {
    /// What was asked was not understood, so neither is what comes after it.
    const LAST: Self = Self { bodyless: false, chunks: false, keep: false };
}

fn is_here(host: &str) -> bool {
    crate::is_loopback(&format!("http://{host}"))
}

fn read_head(read: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut limited = read.take(HEAD_LIMIT);
    loop {
        let start = head.len();
        if limited.read_until(b'\n', &mut head)? == 0 {
            // Nothing at all is a program that has finished.
            return if head.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        if matches!(&head[start..], b"\r\n" | b"\n") {
            if start > 0 {
                return Ok(Some(head));
            }
            head.clear(); // an empty line before a request is allowed (RFC 9112 section 2.2)
        }
    }
}

/// A chunked body (RFC 9112 section 7.1), read until its last chunk. Trailers are read and dropped.
struct Chunks<'r, R> {
    read: &'r mut R,
    /// Of the chunk that is being read.
    left: u64,
    state: Chunk,
}

enum Chunk {
    /// Nothing was read yet.
    First,
    /// A chunk's data has begun, and an empty line comes after it.
    Data,
    /// The last chunk was read.
    Over,
}

impl<R: BufRead> Chunks<'_, R> {
    /// Reads on to the next chunk's data.
    fn begin(&mut self) -> io::Result<()> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        if let Chunk::Data = self.state {
            let mut end = [0; 2];
            self.read.read_exact(&mut end)?;
            if end != *b"\r\n" {
                return Err(invalid("a chunk is longer than it says"));
            }
        }
        let size = self.line()?;
        let size = size.split(';').next().unwrap_or_default().trim();
        // `from_str_radix` would take a sign.
        let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = digits.then(|| u64::from_str_radix(size, 16).ok()).flatten();
        self.left = size.ok_or_else(|| invalid("a chunk has no size"))?;
        self.state = Chunk::Data;
        if self.left == 0 {
            while !self.line()?.is_empty() {}
            self.state = Chunk::Over;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.read.by_ref().take(8192).read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl<R: BufRead> Read for Chunks<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if let Chunk::Over = self.state {
                return Ok(0);
            }
            self.begin()?;
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        match self.read.read(&mut into[..room])? {
            0 if room > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                self.left -= got as u64;
                Ok(got)
            }
        }
    }
}

/// An answer of ours, in the form of Google's errors, so that its client libraries show the text.
fn said(status: u16, why: &str) -> Response<Download> {
    let body = serde_json::json!({ "error": { "code": status, "message": format!("rowkeeper: {why}") } }).to_string();
    let headers =
        [("content-type", "application/json; charset=utf-8".to_owned()), ("content-length", body.len().to_string())];
    Response {
        status,
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body: Box::new(Cursor::new(body.into_bytes())),
    }
}

/// Passes an answer on; whether the connection can be asked again. An error is an answer that was not passed on whole.
fn respond(write: &mut impl Write, mut answer: Response<Download>, how: How) -> io::Result<bool> {
    let length = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
    // RFC 9110 section 6.4.1: these have no body, whatever their headers say of one.
    let bodyless = how.bodyless || matches!(answer.status, 204 | 304);
    let chunked = !bodyless && length.is_none() && how.chunks;
    let keep = how.keep && (bodyless || length.is_some() || chunked);
    let mut head = format!("HTTP/1.1 {} \r\n", answer.status);
    for (name, value) in &answer.headers {
        if !matches!(name.as_str(), "connection" | "transfer-encoding" | "content-length" | "keep-alive") {
            head += &format!("{name}: {value}\r\n");
        }
    }
    match length {
        Some(length) => head += &format!("content-length: {length}\r\n"),
        None if chunked => head += "transfer-encoding: chunked\r\n",
        None => {}
    }
    head += if keep { "\r\n" } else { "connection: close\r\n\r\n" };
    write.write_all(head.as_bytes())?;
    if bodyless {
        return Ok(keep);
    }
    if chunked {
        pass_in_chunks(&mut answer.body, write)?;
    } else {
        let passed = io::copy(&mut answer.body, write)?;
        if length.is_some_and(|length| length != passed) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(keep)
}

fn pass_in_chunks(body: &mut Download, write: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; 16 << 10];
    loop {
        let got = match body.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        // A chunk of no bytes is the last one.
        write.write_all(format!("{got:x}\r\n").as_bytes())?;
        write.write_all(&chunk[..got])?;
        write.write_all(b"\r\n")?;
        if got == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(head: &str) -> Result<String, String> {
        let routes = Routes {
            default: "https://sheets.googleapis.com".into(),
            hosts: vec!["sheets.googleapis.com".into(), "www.googleapis.com".into()],
        };
        routes.url(&Asked::parse(head.as_bytes()).map_err(str::to_owned)?)
    }

    #[test]
    fn only_listed_hosts_and_only_programs_are_forwarded() {
        for (head, wanted) in [
            ("GET /v4/x HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n", Some("https://sheets.googleapis.com/v4/x")),
            ("GET http://www.googleapis.com/drive HTTP/1.1\r\n\r\n", Some("https://www.googleapis.com/drive")),
            ("GET http://WWW.googleapis.com:80/ HTTP/1.1\r\n\r\n", Some("https://WWW.googleapis.com/")),
            ("GET http://evil.example/ HTTP/1.1\r\n\r\n", None),
            ("GET http://www.googleapis.com@evil.example/ HTTP/1.1\r\n\r\n", None),
            ("GET http://www.googleapis.com.evil.example/ HTTP/1.1\r\n\r\n", None),
            ("GET http://www.googleapis.com\\@evil.example/ HTTP/1.1\r\n\r\n", None),
            ("GET ftp://www.googleapis.com/ HTTP/1.1\r\n\r\n", None),
            ("GET /v4/x HTTP/1.1\r\nHost: evil.example\r\n\r\n", None),
            ("GET /v4/x HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://evil.example\r\n\r\n", None),
            ("GET /v4/x HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n\r\n", None),
            ("GET / HTTP/1.1\r\nSec-Fetch-Site: none\r\n\r\n", Some("https://sheets.googleapis.com/")),
            ("rubbish\r\n\r\n", None),
        ] {
            assert_eq!(route(head).ok().as_deref(), wanted, "{head:?}");
        }
    }

    #[test]
    fn a_program_s_own_authorization_does_not_go_along() {
        let head = b"POST / HTTP/1.1\r\nAuthorization: Bearer x\r\nX-Goog-Api-Client: y\r\nTE: trailers\r\n\r\n";
        let asked = Asked::parse(head).unwrap();
        assert_eq!(asked.forwarded, [("x-goog-api-client".to_owned(), "y".to_owned())]);
    }

    #[test]
    fn chunked_bodies_are_read_whole_or_not_at_all() {
        let read = |text: &str| {
            let mut read = text.as_bytes();
            let mut body = Vec::new();
            let outcome = Chunks { read: &mut read, left: 0, state: Chunk::First }.read_to_end(&mut body);
            outcome.map(|_| (body, read.to_vec()))
        };
        let whole = read("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\nGET").unwrap();
        assert_eq!(whole, (b"abcde".to_vec(), b"GET".to_vec()));
        for cut in ["3\r\nab", "3\r\nabcd\r\n", "3\r\nabc\r\n", "x\r\n", "", "+3\r\nabc\r\n0\r\n\r\n", "0\r\n"] {
            assert!(read(cut).is_err(), "{cut:?}");
        }
        assert!(read("ffffffffffffffff\r\nab").is_err());
    }

    /// What a program is told of a body's length, and that it can tell a part from the whole.
    #[test]
    fn an_answer_is_passed_on_in_the_way_the_program_understands() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let pass = |length: Option<&str>, breaks: bool, how: How| {
            let body: Download = match breaks {
                true => Box::new(Cursor::new(b"body".to_vec()).chain(Broken)),
                false => Box::new(Cursor::new(b"body".to_vec())),
            };
            let headers = length.map(|length| ("content-length".to_owned(), length.to_owned())).into_iter().collect();
            let mut written = Vec::new();
            let outcome = respond(&mut written, Response { status: 200, headers, body }, how).ok();
            (String::from_utf8(written).unwrap(), outcome)
        };
        let new = How { bodyless: false, chunks: true, keep: true };
        let old = How { chunks: false, keep: false, ..new };
        let head = |more: &str| format!("HTTP/1.1 200 \r\n{more}\r\n");
        for (length, how, wanted, kept) in [
            (Some("4"), new, head("content-length: 4\r\n") + "body", true),
            (None, new, head("transfer-encoding: chunked\r\n") + "4\r\nbody\r\n0\r\n\r\n", true),
            (None, old, head("connection: close\r\n") + "body", false),
            (Some("4"), How { bodyless: true, ..new }, head("content-length: 4\r\n"), true),
        ] {
            assert_eq!(pass(length, false, how), (wanted, Some(kept)));
        }
        for (length, how) in [(Some("9"), new), (None, new), (None, old)] {
            let (written, outcome) = pass(length, true, how);
            assert!(outcome.is_none() && !written.ends_with("0\r\n\r\n"), "{written}");
        }
        assert_eq!(pass(Some("9"), false, new).1, None, "shorter than announced");
    }
}
