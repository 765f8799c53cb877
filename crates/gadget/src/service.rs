//! What systemd wants to hear from a service (sd_notify), without its library: one datagram.

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service is up.
pub fn ready() {
    notify("READY=1");
}

/// The service is ending.
pub fn stopping() {
    notify("STOPPING=1");
}

/// The service is alive; for `WatchdogSec=`.
pub fn alive() {
    notify("WATCHDOG=1");
}

/// One line for `systemctl status`. Anything but printable text is left out: the line goes to a terminal.
pub fn status(line: &str) {
    let line: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
    notify(&format!("STATUS={line}"));
}

/// Best effort by design: a service manager that does not listen is not our trouble.
fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    // A leading @ means the abstract namespace.
    let address = match path.as_encoded_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}
