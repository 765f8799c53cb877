//! The thin shell: one port, a thread for each connection, the model behind a lock.

mod coding;
mod connection;
mod hosts;
mod journal;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use self::{hosts::Hosts, journal::Journal, tls::Identity};
use crate::{Model, Options, Reply, Request, TlsFailureKind, sheets::errors, wire::Delivery};

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// The emulated world.
    pub model: Options,
    /// Where it survives restarts; None keeps it in memory. A change is on disk before its reply leaves.
    pub data: Option<PathBuf>,
    /// Speak TLS, with a certificate of its own. None: plain HTTP.
    pub tls: Option<Tls>,
    /// Public host names that requests may name, besides addresses, names that nobody on the Internet can own, and the
    /// name it listens on. Others are refused: a web page could have made its own name point here (DNS rebinding).
    pub hosts: Vec<String>,
}

/// How a server gets its certificate: it makes one for `localhost`, `127.0.0.1`, `::1` and the address it listens on.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Where the certificate for a client's list of roots is written (its `ca_file`, `SSL_CERT_FILE`, …). The key lies
    /// beside, as `….key`, for the owner alone; while both fit they are used again. None keeps both in memory, see
    /// [`Server::certificate`].
    pub certificate: Option<PathBuf>,
    /// More names and addresses that the certificate is for.
    pub names: Vec<String>,
}

/// The emulator on a port. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The port is taken, or the address is not of this machine.
    Listen {
        /// As asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The data file cannot be read or written.
    Data {
        /// As asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another emulator has the data file open.
    InUse {
        /// As asked for.
        path: PathBuf,
    },
    /// The data file is not what an emulator wrote. Nothing was changed.
    Damaged {
        /// As asked for.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// The certificate could not be made, read or kept.
    Tls {
        /// As asked for.
        path: Option<PathBuf>,
        /// What is wrong.
        source: io::Error,
    },
    /// This emulator was built without TLS.
    NoTls,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen on {address}; another emulator may run there: stop it, or take another port")
            }
            Self::Listen { address, .. } => write!(f, "cannot listen on {address}"),
            Self::Data { path, .. } => write!(f, "cannot use the data file {}", path.display()),
            Self::InUse { path } => write!(f, "another emulator uses {}; stop it first", path.display()),
            Self::Damaged { path, line } => {
                write!(f, "{} is damaged at line {line}; move it away to start afresh", path.display())
            }
            Self::Tls { path: Some(path), .. } => write!(f, "cannot use the certificate {}", path.display()),
            Self::Tls { path: None, .. } => f.write_str("cannot make a certificate"),
            Self::NoTls => f.write_str("this emulator was built without TLS; build it with the feature `tls`"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Data { source, .. } | Self::Tls { source, .. } => Some(source),
            Self::InUse { .. } | Self::Damaged { .. } | Self::NoTls => None,
        }
    }
}

/// Connections at once; one more is closed at the door.
const MOST_CONNECTIONS: usize = 2_000;
/// A connection parses JSON of limited depth and needs no more.
const STACK_BYTES: usize = 512 * 1024;

/// A connection that is in the middle of a large request.
const LONGEST_GOODBYE: Duration = Duration::from_secs(5);

impl Server {
    /// Binds, reads the data file, and answers from then on. Port 0 finds a free one.
    ///
    /// A port whose last owner was killed can be taken at once: the standard library sets `SO_REUSEADDR`.
    ///
    /// # Errors
    /// See [`StartError`]; nothing listens then.
    pub fn start(listen: &str, options: ServerOptions) -> Result<Self, StartError> {
        let refused = |source| StartError::Listen { address: listen.to_owned(), source };
        let listener = TcpListener::bind(listen).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let host = hosts::without_port(listen).trim_matches(['[', ']']);
        let identity = options.tls.as_ref().map(|tls| Identity::open(tls, host)).transpose()?;
        let expected = options.hosts.into_iter().chain(options.tls.into_iter().flat_map(|tls| tls.names));
        let hosts = Hosts::new(expected.chain([host.to_owned()]));
        let mut model = Model::new(Options {
            https: options.model.https || identity.is_some(),
            is_exposed: options.model.is_exposed || !address.ip().is_loopback(),
            ..options.model
        });
        let journal = options.data.as_deref().map(|path| Journal::open(path, &mut model)).transpose()?;
        model.reseed(seed_from_os());
        model.clear_log();
        let shared = Arc::new(Shared {
            world: Mutex::new(World { model, journal }),
            identity,
            hosts,
            connections: Mutex::default(),
            left: Condvar::new(),
            next_connection: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            quiet: Mutex::new(()),
            wake: Condvar::new(),
        });
        let accepting = thread::Builder::new()
            .name("emulator".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || accept(&listener, &shared)
            })
            .map_err(refused)?;
        Ok(Self { address, shared, accepting: Some(accepting) })
    }

    /// Where it listens, with the port that was found.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether other machines may reach it: it listens on more than the loopback.
    pub fn is_exposed(&self) -> bool {
        !self.address.ip().is_loopback()
    }

    /// `http://` or `https://`, and the address.
    pub fn url(&self) -> String {
        let scheme = if self.shared.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// What clients have to trust, as PEM. None without TLS.
    pub fn certificate(&self) -> Option<&str> {
        self.shared.identity.as_ref().map(Identity::certificate)
    }

    /// The model itself, for tests in the same process. Requests wait meanwhile.
    ///
    /// With a data file the whole world is written to it afterwards, which suits small ones; a disk that fails then is
    /// noticed by the next request.
    pub fn with_model<T>(&self, f: impl FnOnce(&mut Model) -> T) -> T {
        let mut guard = self.shared.world();
        let World { model, journal } = &mut *guard;
        model.tick(now());
        let result = f(model);
        let ticket = journal.as_mut().map(|journal| journal.append_snapshot(model));
        drop(guard);
        if let Some(ticket) = ticket {
            let _ = ticket.wait();
        }
        result
    }

    /// Closes the port and all connections. What was answered is on disk.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            // Under the lock, so that nobody is between looking at the flag and falling asleep.
            let _quiet = lock(&self.shared.quiet);
            self.shared.stopping.store(true, Ordering::SeqCst);
        }
        self.shared.wake.notify_all();
        // The acceptor blocks until somebody comes.
        let knock = match self.address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port())),
            address => address,
        };
        let woken = TcpStream::connect_timeout(&knock, Duration::from_secs(1)).is_ok();
        if let Some(accepting) = self.accepting.take().filter(|_| woken) {
            let _ = accepting.join();
        }
        let connections = lock(&self.shared.connections);
        for stream in connections.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // What is being applied is finished, so that the data file is free for the next server when this returns.
        let some_left = |connections: &mut BTreeMap<u64, Arc<TcpStream>>| !connections.is_empty();
        let left = self.shared.left.wait_timeout_while(connections, LONGEST_GOODBYE, some_left);
        drop(left);
        self.shared.world().journal = None;
    }
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// With it every connection speaks TLS.
    identity: Option<Identity>,
    hosts: Hosts,
    connections: Mutex<BTreeMap<u64, Arc<TcpStream>>>,
    /// A connection ended.
    left: Condvar,
    next_connection: AtomicU64,
    stopping: AtomicBool,
    quiet: Mutex<()>,
    /// Ends the delays of replies when the server stops.
    wake: Condvar,
}

#[derive(Debug)]
struct World {
    model: Model,
    journal: Option<Journal>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Applies the request, makes it durable, and only then gives the reply away.
    fn answer(&self, request: &Request) -> Reply {
        if self.stopping.load(Ordering::SeqCst) {
            return errors::plain(503);
        }
        if !self.hosts.allow(request.header("host")) {
            return unexpected_host();
        }
        let (reply, ticket) = {
            let mut guard = self.world();
            let World { model, journal } = &mut *guard;
            let decision = model.decide(now(), request);
            let reply = model.perform(&decision, request);
            let is_replaced = model.take_replaced();
            let ticket = journal.as_mut().map(|journal| match is_replaced {
                true => journal.append_snapshot(model),
                false => journal.append(&decision, request),
            });
            (reply, ticket)
        };
        // A read waits too: what it saw must not be gone after a crash.
        match ticket.map(journal::Ticket::wait) {
            None | Some(Ok(())) => reply,
            Some(Err(_)) => errors::plain(500).delivered(Delivery::Whole),
        }
    }

    fn next_handshake(&self) -> Option<TlsFailureKind> {
        self.world().model.next_handshake()
    }

    fn idle_close(&self) -> Option<Duration> {
        self.world().model.idle_close()
    }

    /// Waits, unless the server stops before. False if it does.
    fn pause(&self, time: Duration) -> bool {
        let guard = lock(&self.quiet);
        let stopping = |(): &mut ()| !self.stopping.load(Ordering::SeqCst);
        let (_guard, outcome) =
            self.wake.wait_timeout_while(guard, time, stopping).unwrap_or_else(PoisonError::into_inner);
        outcome.timed_out()
    }
}

/// RFC 9110 section 15.5.20: this server does not answer for that name.
fn unexpected_host() -> Reply {
    let text = "google-emulator does not answer for this host name, because a web page could have made it point here.\n\
                Use an address, localhost, or a name that the emulator was told to listen on.\n";
    Reply::new(421, "text/plain; charset=UTF-8", text)
}

/// A panic in one connection must not take the others with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        // Out of descriptors or a client that left again: the next one may do better.
        let Ok(stream) = stream else {
            shared.pause(Duration::from_millis(10));
            continue;
        };
        let stream = Arc::new(stream);
        let number = shared.next_connection.fetch_add(1, Ordering::Relaxed);
        {
            let mut connections = lock(&shared.connections);
            if connections.len() >= MOST_CONNECTIONS {
                continue;
            }
            connections.insert(number, Arc::clone(&stream));
        }
        let serve = {
            let shared = Arc::clone(shared);
            move || {
                connection::serve(stream, &shared, |kept| {
                    // The registry's handle must not keep the socket open: a reset is sent by the last close.
                    drop(lock(&shared.connections).remove(&number));
                    drop(kept);
                    shared.left.notify_all();
                });
            }
        };
        if thread::Builder::new().name("emulator-connection".into()).stack_size(STACK_BYTES).spawn(serve).is_err() {
            lock(&shared.connections).remove(&number);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the shell is where the model's clock comes from")]
fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

fn seed_from_os() -> u64 {
    // Without randomness the time has to do: these are test identifiers.
    getrandom::u64().unwrap_or_else(|_| now().as_nanos() as u64)
}
