//! `rowkeeper emulator`: Google, on this machine, until it is stopped.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use google_emulator::{Options, Server, ServerOptions, Tls};
use rowkeeper::clock::{Clock, Mono, SystemClock, Woke};

use super::{print, signals};
use crate::args::Emulator;
use crate::exit::{Exit, Failure};
use crate::log::say;

pub(crate) fn run(emulator: &Emulator) -> Result<Exit, Failure> {
    let stop = signals()?;
    let certificate = emulator.tls.as_ref().map(|file| Certificate::new(file.as_deref(), emulator)).transpose()?;
    let options = ServerOptions {
        model: Options {
            approve_as: emulator.approve_as.clone(),
            writes_per_minute: emulator.writes_per_minute,
            seed: seed()?,
            ..Options::default()
        },
        data: emulator.data.clone(),
        tls: certificate.as_ref().map(|file| Tls { certificate: Some(file.path.clone()), names: Vec::new() }),
        ..ServerOptions::default()
    };
    let server = Server::start(&emulator.listen, options).map_err(|error| Failure::new(Exit::Usage, error))?;
    if !server.address().ip().is_loopback() {
        say(format_args!(
            "{} can be reached from other machines, and everybody there can read what is in it",
            server.address()
        ));
    }
    if let Some(certificate) = &certificate {
        eprintln!("rowkeeper: clients trust {} (ca_file, SSL_CERT_FILE)", certificate.path.display());
    }
    print(&format!("listening on {}", server.url()))?;
    while SystemClock.wait(Mono::new(Duration::MAX), &stop) != Woke::Stopped {}
    server.stop();
    Ok(Exit::Done)
}

/// Where the certificate lies, and the folder that goes when we do.
struct Certificate {
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl Certificate {
    fn new(wanted: Option<&Path>, emulator: &Emulator) -> Result<Self, Failure> {
        if let Some(path) = wanted {
            return Ok(Self { path: path.to_owned(), temporary: None });
        }
        if let Some(data) = &emulator.data {
            let mut name = data.file_name().unwrap_or_default().to_owned();
            name.push(".pem");
            return Ok(Self { path: data.with_file_name(name), temporary: None });
        }
        // Nobody else may put a file there first: the name cannot be guessed and the folder is ours alone.
        let folder = std::env::temp_dir().join(format!("rowkeeper-emulator-{:016x}", seed()?));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| Failure::new(Exit::Failed, error))?;
        Ok(Self { path: folder.join("certificate.pem"), temporary: Some(folder) })
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        if let Some(folder) = &self.temporary {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Another run, other tokens.
pub(crate) fn seed() -> Result<u64, Failure> {
    rowkeeper::random_u64().ok_or_else(|| Failure::new(Exit::Failed, "the system gives no random numbers"))
}
