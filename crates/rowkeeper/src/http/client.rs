//! The real HTTP client: ureq, told to make exactly one attempt.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use std::{fs, io};

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, http};

use super::wire::{Marked, Names, connector};
use super::{Http, Lost, NotSent, Request, Response, Timeouts};
use crate::clock::{self, Clock, SystemClock};
use crate::url::is_loopback;

/// No answer of Google's is near this; a larger one is somebody else's.
const BODY_LIMIT: u64 = 64 << 20;

/// Google hangs up on idle connections somewhere between 60 and 300 s (docs/google.md, idle connections); we hang up first.
const IDLE_LIMIT: Duration = Duration::from_secs(25);

/// Sends requests over TCP and TLS.
///
/// One attempt a call, no redirect followed, connections kept idle for less than 30 seconds, proxies by the usual
/// variables (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), TLS by rustls with Mozilla's roots built in, or those of
/// `ca_file`, or of `$SSL_CERT_FILE`.
///
/// Roots that nobody named are loaded with the first request: a program that only records needs none.
pub struct Client {
    ca_file: Option<PathBuf>,
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
        let client = Self { ca_file, agent: OnceLock::new() };
        // What the configuration names must be good now; the environment's file is met with the first request.
        if client.ca_file.is_some() {
            client.agent()?;
        }
        Ok(client)
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
            .user_agent(concat!("rowkeeper/", env!("CARGO_PKG_VERSION")))
            .allow_non_standard_methods(true)
            .build();
        Ok(self.agent.get_or_init(|| Agent::with_parts(config, connector(), Names::default())))
    }
}

impl Http for Client {
    fn send(&self, request: &Request, timeouts: &Timeouts) -> Result<Response, Lost> {
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
        let refused = |error: http::Error| Lost::NotSent(NotSent::Refused(error.to_string()));
        // A body-less GET must stay one: ureq would send `Content-Length: 0` for an empty body.
        let answer = if request.body.is_empty() && matches!(request.method.as_str(), "GET" | "HEAD") {
            run(agent, builder.body(()).map_err(refused)?, timeouts)
        } else {
            run(agent, builder.body(request.body.as_slice()).map_err(refused)?, timeouts)
        };
        let answer = answer.and_then(read).map_err(|error| lost(&error))?;
        // A server that proved who it is tells a board without a clock the time.
        if let Some(date) = answer.header("date").filter(|_| request.url.starts_with("https://")) {
            clock::heard(date, SystemClock.mono());
        }
        Ok(answer)
    }
}

fn run(
    agent: &Agent,
    request: http::Request<impl ureq::AsSendBody>,
    timeouts: &Timeouts,
) -> Result<http::Response<ureq::Body>, Error> {
    // What is sent to this machine does not leave it, whatever proxy is set.
    let proxy = agent.config().proxy().filter(|_| request.uri().scheme_str() == Some("https")).cloned();
    let request = agent
        .configure_request(request)
        .proxy(proxy)
        .timeout_connect(Some(timeouts.connect))
        .timeout_resolve(Some(timeouts.connect))
        .timeout_global(Some(timeouts.total))
        .build();
    agent.run(request)
}

fn read(mut answer: http::Response<ureq::Body>) -> Result<Response, Error> {
    let body = answer.body_mut().with_config().limit(BODY_LIMIT).read_to_vec()?;
    let headers = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    Ok(Response { status: answer.status().as_u16(), headers, body })
}

fn lost(error: &Error) -> Lost {
    match error {
        Error::Other(cause) => match cause.downcast_ref::<Marked>() {
            Some(Marked(cause)) => Lost::NotSent(cause.clone()),
            None => Lost::Unknown(error.to_string()),
        },
        Error::BadUri(cause) => Lost::NotSent(NotSent::Refused(cause.clone())),
        Error::InvalidProxyUrl => Lost::NotSent(NotSent::Refused("the proxy's address is not a URL".into())),
        Error::HostNotFound => Lost::NotSent(NotSent::Dns(error.to_string())),
        _ => Lost::Unknown(error.to_string()),
    }
}

/// Credentials travel over TLS, or not at all; loopback is how emulators and tests are reached.
fn may_be_sent(url: &str) -> bool {
    url.starts_with("https://") || is_loopback(url)
}

/// Scheme and host, without a path or query that may hold a secret.
fn origin(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    url[after..].find(['/', '?', '#']).map_or(url, |end| &url[..after + end])
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
