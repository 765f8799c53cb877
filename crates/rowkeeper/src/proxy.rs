//! A local forward that adds the token, for programs in other languages: they need no secret and no sign-in of their own.
//!
//! A program sends plain HTTP/1.1 to this machine, either as to an origin (`GET /v4/…`, forwarded to the default host) or
//! as to a proxy (`GET http://drive.googleapis.com/…`). What leaves the machine is https with the device's token, and
//! with the retries of [`Session::call`]. Only listed hosts are forwarded to.
//!
//! Who can reach the port can use the token: it listens on loopback or on a socket of the file system (0600), and
//! refuses what a web page could send (an `Origin`, or a `Host` that is not this machine).
//!
//! Bodies are held whole, up to [`BODY_LIMIT`]; there is no streaming, no upgrade and no `CONNECT`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::{Clock, Mono, Stop};
use crate::http::{Request, Response};
use crate::session::{CallError, Session, Settle, TokenError};

/// The largest body that is forwarded, either way.
pub const BODY_LIMIT: u64 = 64 << 20;

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
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                self.accept(
                    || listener.accept().map(|(stream, _)| stream),
                    |stream| {
                        stream.set_nonblocking(false)?;
                        stream.set_read_timeout(Some(IDLE))?;
                        Ok((stream.try_clone()?, stream))
                    },
                )
            }
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                self.accept(
                    || listener.accept().map(|(stream, _)| stream),
                    |stream| {
                        stream.set_nonblocking(false)?;
                        stream.set_read_timeout(Some(IDLE))?;
                        Ok((stream.try_clone()?, stream))
                    },
                )
            }
        }
    }

    fn accept<S, R, W>(
        self: &Arc<Self>,
        accept: impl Fn() -> io::Result<S>,
        split: impl Fn(S) -> io::Result<(R, W)>,
    ) -> io::Result<()>
    where
        R: Read + Send + 'static,
        W: Write + Send + 'static,
    {
        while !self.stop.is_stopped() {
            let full = self.open.load(Ordering::Relaxed) >= CONNECTIONS;
            match accept() {
                _ if full => self.pause(),
                Ok(stream) => {
                    let Ok((read, write)) = split(stream) else { continue };
                    let proxy = Arc::clone(self);
                    self.open.fetch_add(1, Ordering::Relaxed);
                    let talk = move || {
                        // A program that goes away in the middle is its own business.
                        _ = proxy.talk(BufReader::new(read), write);
                        proxy.open.fetch_sub(1, Ordering::Relaxed);
                    };
                    if thread::Builder::new().name("proxy".into()).stack_size(256 << 10).spawn(talk).is_err() {
                        self.open.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.pause(),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn pause(&self) {
        self.clock.wait(self.clock.mono() + LOOK, &self.stop);
    }

    fn talk(&self, mut read: impl BufRead, mut write: impl Write) -> io::Result<()> {
        while let Some(head) = read_head(&mut read)? {
            let (answer, keep) = match Asked::parse(&head) {
                Ok(asked) => {
                    if asked.expects_continue {
                        write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                    }
                    match asked.read_body(&mut read) {
                        Ok(body) => (self.answer(&asked, body), asked.keep_alive),
                        Err(why) => (said(400, &why), false),
                    }
                }
                Err(why) => (said(400, why), false),
            };
            respond(&mut write, &answer, keep)?;
            if !keep {
                break;
            }
        }
        Ok(())
    }

    fn answer(&self, asked: &Asked, body: Vec<u8>) -> Response {
        let url = match self.routes.url(asked) {
            Ok(url) => url,
            Err(why) => return said(403, &why),
        };
        let headers =
            asked.forwarded.iter().map(|(name, value)| (name.clone(), Zeroizing::new(value.clone()))).collect();
        let settle = Settle::by_method(&asked.method);
        let request = Request { method: asked.method.clone(), url, headers, body: body.into() };
        let give_up: Mono = self.clock.mono() + PATIENCE;
        match self.session.call(&request, settle, give_up, &self.stop) {
            Ok(answer) => answer,
            Err(CallError::Token(error @ (TokenError::SignIn(_) | TokenError::Misconfigured(_)))) => {
                said(401, &error.to_string())
            }
            Err(error @ CallError::OutcomeUnknown(_)) => said(504, &error.to_string()),
            Err(error) => said(503, &error.to_string()),
        }
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

    fn read_body(&self, read: &mut impl BufRead) -> Result<Vec<u8>, String> {
        match self.length {
            Body::Length(length) if length > BODY_LIMIT => Err(format!("the body is larger than {BODY_LIMIT} bytes")),
            Body::Length(length) => {
                let mut body = Vec::new();
                let got = read.take(length).read_to_end(&mut body).map_err(|error| error.to_string())?;
                if got as u64 == length { Ok(body) } else { Err("the body ends too soon".into()) }
            }
            Body::Chunked => read_chunks(read).map_err(|error| error.to_string()),
        }
    }
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

fn read_chunks(read: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        read.by_ref().take(1024).read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(|_| invalid("a chunk has no size"))?;
        if (body.len() as u64).saturating_add(size) > BODY_LIMIT {
            return Err(invalid("the body is too large"));
        }
        if size == 0 {
            // Trailers are read and dropped.
            loop {
                let mut trailer = String::new();
                let got = read.by_ref().take(8192).read_line(&mut trailer)?;
                if got == 0 || trailer.trim_end().is_empty() {
                    return Ok(body);
                }
            }
        }
        let got = read.by_ref().take(size).read_to_end(&mut body)?;
        let mut end = [0; 2];
        read.read_exact(&mut end)?;
        if got as u64 != size || end != *b"\r\n" {
            return Err(invalid("a chunk ends too soon"));
        }
    }
}

/// An answer of ours, in the form of Google's errors, so that its client libraries show the text.
fn said(status: u16, why: &str) -> Response {
    let body = serde_json::json!({ "error": { "code": status, "message": format!("rowkeeper: {why}") } });
    Response {
        status,
        headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
        body: body.to_string().into_bytes(),
    }
}

fn respond(write: &mut impl Write, answer: &Response, keep: bool) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} \r\n", answer.status);
    for (name, value) in &answer.headers {
        if !matches!(name.as_str(), "connection" | "transfer-encoding" | "content-length" | "keep-alive") {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!("content-length: {}\r\n", answer.body.len());
    head += if keep { "\r\n" } else { "connection: close\r\n\r\n" };
    write.write_all(head.as_bytes())?;
    write.write_all(&answer.body)?;
    write.flush()
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
        let read = |text: &str| read_chunks(&mut text.as_bytes());
        assert_eq!(read("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n").unwrap(), b"abcde");
        for cut in ["3\r\nab", "3\r\nabcd\r\n", "x\r\n", "", "ffffffffffffffff\r\n"] {
            assert!(read(cut).is_err(), "{cut:?}");
        }
    }
}
