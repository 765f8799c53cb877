//! The socket below ureq: like its own, with the two options that delivery rests on.
//!
//! *Giving up aborts the socket*: every close is a reset (`SO_LINGER` 0), so bytes still in the kernel's buffer die with
//! the attempt instead of landing minutes later, also when the process is killed. *A user time-out* does the same for
//! bytes that a dead network never acknowledged. Both bound how late a request can land.
//!
//! The connector also marks every error made before the request's first byte left, so that "not sent" is known and not
//! guessed.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt;
use rustls::CertificateError;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as Wait;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, RustlsConnector,
    Transport,
};

use super::NotSent;
use crate::clock::{Clock, Mono, SystemClock};
use crate::status::When;

/// Data that the peer did not acknowledge for this long is given up by the kernel. Longer than Google's 180 s bound on
/// processing, which is about answers, not acknowledgements.
const USER_TIMEOUT: Duration = Duration::from_secs(200);

/// An answer of the resolver is good for as long as connections are kept: ureq asks it before every request, also before
/// one that goes out on a kept connection, and a device's resolver is a round trip away.
const NAME_LIMIT: Duration = super::client::IDLE_LIMIT;

/// Resolves names; a failure is marked as not sent.
#[derive(Debug, Default)]
pub(super) struct Names {
    resolver: DefaultResolver,
    /// The host and port that was asked for last.
    known: Known,
}

/// Shared with the connector, which knows when an address is no good.
pub(super) type Known = Arc<Mutex<Option<(String, ResolvedSocketAddrs, Mono)>>>;

impl Names {
    pub(super) fn known(&self) -> Known {
        Arc::clone(&self.known)
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let asked =
            format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |a| a.as_str()));
        let now = SystemClock.mono();
        let known = locked(&self.known).clone();
        if let Some((host, addresses, at)) = known
            && host == asked
            && now.since(at) < NAME_LIMIT
        {
            return Ok(addresses);
        }
        let found = self.resolver.resolve(uri, config, timeout);
        let found = found.map_err(|error| not_sent(NotSent::Dns(error.to_string())))?;
        *locked(&self.known) = Some((asked, found.clone(), now));
        Ok(found)
    }
}

fn locked(known: &Known) -> MutexGuard<'_, Option<(String, ResolvedSocketAddrs, Mono)>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// TCP, a proxy's `CONNECT` where one is set, and TLS; a failure of any is marked as not sent. No connection is waited on
/// longer than `silence` for the next byte.
pub(super) fn connector(silence: Duration, names: Known) -> impl Connector {
    let tcp = Tcp { silence, names };
    BeforeSending(().chain(ConnectProxyConnector::default()).chain(tcp).chain(RustlsConnector::default()))
}

/// The mark that [`super::client`] looks for.
#[derive(Debug)]
pub(super) struct Marked(pub(super) NotSent);

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Marked {}

fn not_sent(cause: NotSent) -> Error {
    Error::Other(Box::new(Marked(cause)))
}

/// ureq connects (and shakes hands) wholly before it sends, so an error from here means that nothing was sent.
#[derive(Debug)]
struct BeforeSending<C>(C);

impl<C: Connector> Connector for BeforeSending<C> {
    type Out = C::Out;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<C::Out>, Error> {
        self.0.connect(details, chained).map_err(|error| not_sent(classify(&error)))
    }
}

fn classify(error: &Error) -> NotSent {
    let tls = match error {
        Error::Rustls(tls) => Some(tls),
        Error::Io(io) => io.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()),
        _ => None,
    };
    match (tls, error) {
        (Some(rustls::Error::InvalidCertificate(cause)), _) => certificate(cause),
        (Some(tls), _) => NotSent::Tls(tls.to_string()),
        (None, Error::Tls(cause)) => NotSent::Tls((*cause).into()),
        (None, Error::BadUri(cause)) => NotSent::Refused(cause.clone()),
        _ => NotSent::Connect(error.to_string()),
    }
}

/// Dates apart from the rest: the other clock that may be wrong is ours.
fn certificate(cause: &CertificateError) -> NotSent {
    let date = |time: &rustls::pki_types::UnixTime| {
        When(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1000))
    };
    match cause {
        CertificateError::NotValidYet => NotSent::NotYetValid("not valid yet".into()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            NotSent::NotYetValid(format!("not valid before {}", date(not_before)))
        }
        CertificateError::Expired => NotSent::Expired("expired".into()),
        CertificateError::ExpiredContext { not_after, .. } => {
            NotSent::Expired(format!("not valid after {}", date(not_after)))
        }
        CertificateError::UnknownIssuer => NotSent::Certificate("nobody who is trusted here vouches for it".into()),
        other => NotSent::Certificate(other.to_string()),
    }
}

#[derive(Debug)]
struct Tcp {
    silence: Duration,
    names: Known,
}

impl<In: Transport> Connector<In> for Tcp {
    type Out = Either<In, TcpTransport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        // A proxy's tunnel, when there is one, is the transport already.
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let stream = dial(&details.addrs, limit(&details.timeout)).inspect_err(|_| {
            // The host may have moved.
            *locked(&self.names) = None;
        })?;
        stream.set_nodelay(true)?;
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).map_err(io::Error::from)?;
        #[cfg(target_os = "linux")]
        sockopt::set_tcp_user_timeout(&stream, u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX))
            .map_err(io::Error::from)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TcpTransport { stream, buffers, silence: self.silence })))
    }
}

/// Tries the addresses in turn; each gets an equal share of the time, so that one black hole does not eat it all.
fn dial(addresses: &[SocketAddr], limit: Option<Duration>) -> io::Result<TcpStream> {
    let share = limit.map(|all| (all / addresses.len().max(1) as u32).max(Duration::from_millis(10)));
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let attempt = match share {
            Some(share) => TcpStream::connect_timeout(address, share),
            None => TcpStream::connect(address),
        };
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    silence: Duration,
}

impl TcpTransport {
    /// For one call of the system: what is left of all, but no longer than one waits for the next byte.
    fn limit(&self, timeout: &NextTimeout) -> Duration {
        limit(timeout).map_or(self.silence, |left| left.min(self.silence))
    }

    fn timed(&self, error: io::Error, timeout: &NextTimeout) -> Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if self.limit(timeout) == self.silence => {
                Error::Io(io::Error::new(io::ErrorKind::TimedOut, format!("no byte moved for {:?}", self.silence)))
            }
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
            _ => Error::Io(error),
        }
    }
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(Some(self.limit(&timeout)))?;
        self.stream.write_all(&self.buffers.output()[..amount]).map_err(|error| self.timed(error, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        self.stream.set_read_timeout(Some(self.limit(&timeout)))?;
        let amount = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| self.timed(error, &timeout))?,
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// A kept connection is usable when reading would wait: an end or a byte we did not ask for means it is not.
    fn is_open(&mut self) -> bool {
        let Ok(()) = self.stream.set_nonblocking(true) else { return false };
        let waits = matches!(self.stream.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        waits && self.stream.set_nonblocking(false).is_ok()
    }
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TcpTransport({:?})", self.stream.peer_addr().ok())
    }
}

/// The socket's time-out for what is left; never zero, which the system would take for "none".
fn limit(timeout: &NextTimeout) -> Option<Duration> {
    match timeout.after {
        Wait::Exact(left) => Some(left.max(Duration::from_millis(1))),
        Wait::NotHappening => None,
    }
}

#[cfg(test)]
mod tests {
    use ureq::Agent;
    use ureq::unversioned::resolver::ArrayVec;

    use super::*;

    #[test]
    fn a_name_is_asked_for_once_while_connections_are_kept() {
        let names = Names::default();
        let agent = Agent::new_with_defaults();
        let timeout = || NextTimeout { after: Wait::from_secs(5), ..NextTimeout::default() };
        let ask = |uri: &str| names.resolve(&uri.parse().unwrap(), agent.config(), timeout());
        let first = ask("http://127.0.0.1:7/a").unwrap();
        assert_eq!(first[0].to_string(), "127.0.0.1:7");

        // From here on, another address tells a remembered answer from a new one.
        let remember = |at| {
            let mut addresses = ArrayVec::from_fn(|_| "127.0.0.9:9".parse().unwrap());
            addresses.push("127.0.0.9:9".parse().unwrap());
            *locked(&names.known()) = Some(("http://127.0.0.1:7".into(), addresses, at));
        };
        remember(SystemClock.mono());
        assert_eq!(ask("http://127.0.0.1:7/b").unwrap()[0].to_string(), "127.0.0.9:9");
        assert_eq!(ask("http://127.0.0.1:8/b").unwrap()[0].to_string(), "127.0.0.1:8", "another port is another host");
        remember(Mono::new(SystemClock.mono().since_boot().saturating_sub(NAME_LIMIT)));
        assert_eq!(ask("http://127.0.0.1:7/b").unwrap()[0].to_string(), "127.0.0.1:7", "too old");
    }

    #[test]
    fn an_address_that_does_not_answer_is_asked_for_again() {
        let names = Names::default();
        let known = names.known();
        let agent = Agent::with_parts(Agent::config_builder().build(), connector(USER_TIMEOUT, names.known()), names);
        // Nobody listens there, and no test is given that port.
        agent.get("http://127.0.0.1:9/").call().unwrap_err();
        assert!(locked(&known).is_none());
    }
}
