//! The real HTTP client: ureq, told to make exactly one attempt.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use std::{fs, io};

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, SendBody, http};

use super::wire::{Marked, Names, connector};
use super::{Download, Http, Lost, NotSent, Request, Response, Timeouts, Upload, proxy};
use crate::clock::{self, Clock, SystemClock};
use crate::url::{is_loopback, origin};

/// No answer of Google's is near this; a larger one is somebody else's.
const BODY_LIMIT: u64 = 64 << 20;

/// Google hangs up on idle connections somewhere between 60 and 300 s (docs/google.md, idle connections); we hang up first.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(25);

/// Google may take 180 s for a write before it says a word (docs/google.md, S13). Who is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(190);

/// Sends requests over TCP and TLS.
///
/// One attempt a call, no redirect followed, connections kept idle for less than 30 seconds, proxies by the usual
/// variables (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`; http and https, no SOCKS), TLS by rustls with Mozilla's roots built
/// in, or those of `ca_file`, or of `$SSL_CERT_FILE`.
///
/// Roots that nobody named are loaded with the first request: a program that only records needs none.
pub struct Client {
    ca_file: Option<PathBuf>,
    silence: Duration,
    agent: OnceLock<Agent>,
}

/// The client could not be made.
#[derive(Debug)]
pub enum ClientError {
    /// The file with root certificates cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The file holds no certificate.
    NoCertificate(PathBuf),
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(path, _) => write!(f, "cannot read the root certificates in {}", path.display()),
            Self::NoCertificate(path) => {
                write!(f, "{} holds no certificate; it must be a PEM file of root certificates", path.display())
            }
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, cause) => Some(cause),
            Self::NoCertificate(_) => None,
        }
    }
}

impl Client {
    /// A client that trusts the roots in `ca_file`, else those in `$SSL_CERT_FILE`, else the built-in ones.
    ///
    /// # Errors
    /// When the file that was named cannot be used.
    pub fn new(ca_file: Option<PathBuf>) -> Result<Self, ClientError> {
        let client = Self { ca_file, silence: SILENCE, agent: OnceLock::new() };
        // What the configuration names must be good now; the environment's file is met with the first request.
        if client.ca_file.is_some() {
            client.agent()?;
        }
        Ok(client)
    }

    /// The same client, which gives a server up that neither sends nor takes a byte for so long (otherwise 190 s). It is
    /// what ends a large body that stopped in the middle, whose whole may take hours.
    #[must_use]
    pub fn hanging_up_after(self, silence: Duration) -> Self {
        Self { silence, agent: OnceLock::new(), ..self }
    }

    fn agent(&self) -> Result<&Agent, ClientError> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        let file = self.ca_file.clone().or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
        let roots = match file {
            Some(path) => RootCerts::new_with_certs(&certificates(path)?),
            None => RootCerts::WebPki,
        };
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_age(IDLE_LIMIT)
            // Chosen for each request: see `proxy`.
            .proxy(None)
            .user_agent(concat!("rowkeeper/", env!("CARGO_PKG_VERSION")))
            .allow_non_standard_methods(true)
            .build();
        let names = Names::default();
        let connector = connector(self.silence, names.known());
        Ok(self.agent.get_or_init(|| Agent::with_parts(config, connector, names)))
    }
}

impl Client {
    /// Sends the head of `request` and `body`, and returns with the answer's head.
    fn exchange<B>(
        &self,
        request: &Request<B>,
        body: impl ureq::AsSendBody,
        timeouts: &Timeouts,
    ) -> Result<http::Response<ureq::Body>, Lost> {
        if !may_be_sent(&request.url) {
            let why = format!("{} is neither https nor on this machine", origin(&request.url));
            return Err(Lost::NotSent(NotSent::Refused(why)));
        }
        let agent = self.agent().map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Lost::NotSent(NotSent::Refused(format!("{error}{cause}")))
        })?;
        let mut builder = http::Request::builder().method(request.method.as_str()).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value.as_str());
        }
        let request = builder.body(body).map_err(|error| Lost::NotSent(NotSent::Refused(error.to_string())))?;
        // What is sent to this machine does not leave it, whatever proxy is set.
        let proxy = match request.uri().host().filter(|_| request.uri().scheme_str() == Some("https")) {
            Some(host) => proxy::of_environment(host, |name| std::env::var(name).ok()).map_err(Lost::NotSent)?,
            None => None,
        };
        let is_secure = request.uri().scheme_str() == Some("https");
        let request = agent
            .configure_request(request)
            .proxy(proxy)
            .timeout_connect(Some(timeouts.connect))
            .timeout_resolve(Some(timeouts.connect))
            .timeout_global(Some(timeouts.total))
            .build();
        let answer = agent.run(request).map_err(|error| lost(&error))?;
        // A server that proved who it is tells a board without a clock the time.
        if let Some(date) = answer.headers().get("date").filter(|_| is_secure) {
            date.to_str().into_iter().for_each(|date| clock::heard(date, SystemClock.mono()));
        }
        Ok(answer)
    }
}

impl Http for Client {
    fn send(&self, request: &Request, timeouts: &Timeouts) -> Result<Response, Lost> {
        let mut answer = if is_bodyless(&request.method, request.body.len() as u64) {
            self.exchange(request, (), timeouts)?
        } else {
            self.exchange(request, request.body.as_slice(), timeouts)?
        };
        let body = answer.body_mut().with_config().limit(BODY_LIMIT).read_to_vec().map_err(|error| lost(&error))?;
        Ok(Response { status: answer.status().as_u16(), headers: headers(&answer), body })
    }

    fn open(&self, request: &Request<Upload>, timeouts: &Timeouts) -> Result<Response<Download>, Lost> {
        let len = request.body.len();
        let answer = if is_bodyless(&request.method, len) {
            self.exchange(request, (), timeouts)?
        } else {
            // The length is known, so nothing is sent in chunks, which not every server takes.
            let mut headers = request.headers.clone();
            headers.push(("content-length".into(), len.to_string().into()));
            let (method, url) = (request.method.clone(), request.url.clone());
            let body = SendBody::from_owned_reader(request.body.reader());
            self.exchange(&Request { method, url, headers, body: () }, body, timeouts)?
        };
        let (status, headers) = (answer.status().as_u16(), headers(&answer));
        let body: Download = Box::new(answer.into_body().into_with_config().limit(u64::MAX).reader());
        Ok(Response { status, headers, body })
    }
}

/// A body-less GET must stay one: ureq would send `Content-Length: 0` for an empty body.
fn is_bodyless(method: &str, len: u64) -> bool {
    len == 0 && matches!(method, "GET" | "HEAD")
}

/// Names in lower case; values that are not text are left out.
fn headers(answer: &http::Response<ureq::Body>) -> Vec<(String, String)> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    answer.headers().iter().filter_map(text).collect()
}

fn lost(error: &Error) -> Lost {
    match error {
        Error::Other(cause) => match cause.downcast_ref::<Marked>() {
            Some(Marked(cause)) => Lost::NotSent(cause.clone()),
            None => Lost::Unknown(error.to_string()),
        },
        Error::BadUri(cause) => Lost::NotSent(NotSent::Refused(cause.clone())),
        Error::HostNotFound => Lost::NotSent(NotSent::Dns(error.to_string())),
        _ => Lost::Unknown(error.to_string()),
    }
}

/// Credentials travel over TLS, or not at all; loopback is how emulators and tests are reached.
fn may_be_sent(url: &str) -> bool {
    url.starts_with("https://") || is_loopback(url)
}

fn certificates(path: PathBuf) -> Result<Vec<Certificate<'static>>, ClientError> {
    let pem = match fs::read(&path) {
        Ok(pem) => pem,
        Err(cause) => return Err(ClientError::Unreadable(path, cause)),
    };
    let found: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(ClientError::NoCertificate(path)) } else { Ok(found) }
}
