//! A TCP relay between a client and the emulator: it delays, and counts bytes and connections.
//!
//! Each direction is late by half a round trip. The kernel accepts connections by itself, so the round trip that a TCP
//! handshake takes on a real line is added to the first bytes of the client.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// What went over the wire. Bytes are those inside TCP: TLS counts, packet headers do not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub sent: u64,
    pub received: u64,
    pub connections: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    connections: AtomicU64,
    stopped: AtomicBool,
}

pub struct Relay {
    address: SocketAddr,
    counters: Arc<Counters>,
}

impl Relay {
    pub fn start(to: SocketAddr, round_trip: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Relaxed) {
                    return;
                }
                shared.connections.fetch_add(1, Relaxed);
                if let Ok(server) = TcpStream::connect(to) {
                    _ = join(client, server, round_trip, &shared);
                }
            }
        });
        Ok(Self { address, counters })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn traffic(&self) -> Traffic {
        let Counters { sent, received, connections, .. } = &*self.counters;
        Traffic { sent: sent.load(Relaxed), received: received.load(Relaxed), connections: connections.load(Relaxed) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.counters.stopped.store(true, Relaxed);
        // Wakes the thread that accepts.
        _ = TcpStream::connect(self.address);
    }
}

impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            sent: self.sent - earlier.sent,
            received: self.received - earlier.received,
            connections: self.connections - earlier.connections,
        }
    }
}

fn join(client: TcpStream, server: TcpStream, round_trip: Duration, counters: &Arc<Counters>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let shaken = Instant::now() + round_trip;
    let half = round_trip / 2;
    let (there, back) = (Arc::clone(counters), Arc::clone(counters));
    pump(client.try_clone()?, server.try_clone()?, half, shaken, move |bytes| there.sent.fetch_add(bytes, Relaxed));
    pump(server, client, half, shaken, move |bytes| back.received.fetch_add(bytes, Relaxed));
    Ok(())
}

/// Reads at once and writes when it is time, in order.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    late: Duration,
    not_before: Instant,
    count: impl Fn(u64) -> u64 + Send + 'static,
) {
    let (send, receive) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            count(len as u64);
            if send.send((Instant::now().max(not_before) + late, buffer[..len].to_vec())).is_err() {
                break;
            }
        }
        _ = from.shutdown(Shutdown::Read);
    });
    thread::spawn(move || {
        for (due, bytes) in receive {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        _ = to.shutdown(Shutdown::Both);
    });
}
