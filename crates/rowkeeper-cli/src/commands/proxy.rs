//! `rowkeeper proxy`: the device's sign-in for programs in other languages.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rowkeeper::proxy::{Listener, Proxy, Routes};
use rowkeeper::session::{AccessError, ProviderError};

use super::{Context, print, signals};
use crate::args;
use crate::exit::{Exit, Failure};

/// Hosts of Google's that accept the scope of a device.
const GOOGLE: [&str; 2] = ["sheets.googleapis.com", "www.googleapis.com"];

pub(crate) fn run(context: &Context, arguments: &args::Proxy) -> Result<Exit, Failure> {
    let device = context.device()?;
    if device.config().provider.is_none() {
        // It would answer every program with nothing but this.
        return Err(Failure::new(Exit::Usage, AccessError::Provider(ProviderError::missing(device.config()))));
    }
    let emulated = device.config().provider.as_ref().is_some_and(|provider| provider.emulator.is_some());
    // With an emulator nothing goes to Google itself.
    let google = GOOGLE.into_iter().filter(|_| !emulated).map(str::to_owned);
    let routes = Routes {
        default: device.sheets_origin().to_owned(),
        hosts: google.chain(arguments.host.iter().cloned()).collect(),
    };
    let stop = signals()?;
    let proxy = Proxy::new(device.session(), device.shared_clock(), routes, stop);
    let place = arguments.socket.as_ref().map_or(arguments.listen.clone(), |path| path.display().to_string());
    let unusable = |error: io::Error| {
        let why = format!("cannot listen on {place} ({error}); give another place with --listen or --socket");
        Failure::new(Exit::Usage, why)
    };
    let outcome = match &arguments.socket {
        Some(path) => {
            let listener = Listener::Unix(socket(path).map_err(unusable)?);
            let ours = inode(path);
            print(&format!("listening on {}", path.display()))?;
            let outcome = proxy.serve(&listener);
            // Another one may have been started in its place.
            if ours.is_some() && inode(path) == ours {
                _ = fs::remove_file(path);
            }
            outcome
        }
        None => {
            let listener = TcpListener::bind(&arguments.listen).map_err(unusable)?;
            let address = listener.local_addr().map_err(unusable)?;
            if !address.ip().is_loopback() {
                let why = format!("{address} can be reached from other machines; whoever does so uses your token");
                return Err(Failure::new(Exit::Usage, why));
            }
            print(&format!("listening on http://{address}"))?;
            proxy.serve(&Listener::Tcp(listener))
        }
    };
    outcome.map(|()| Exit::Done).map_err(|error| Failure::new(Exit::Failed, error))
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|meta| meta.ino())
}

/// A socket that only this user may use. One that a killed proxy left behind is replaced; anything else is not.
fn socket(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        if UnixStream::connect(path).is_ok() {
            let why = format!("another program listens on {}", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
