//! TLS with a certificate of our own making: an authority that signs one leaf and is then forgotten, so that a client
//! trusts exactly this emulator and nothing else by taking the file.

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, TcpStream},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{StartError, Tls};

/// The names a client on this machine uses.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What the server shows and what clients have to trust.
#[derive(Debug)]
pub(super) struct Identity {
    config: Arc<ServerConfig>,
    authority: String,
}

impl Identity {
    /// Makes one, or takes the one that is kept. `host`: what the server was told to listen on.
    pub(super) fn open(tls: &Tls, host: &str) -> Result<Self, StartError> {
        let mut names: Vec<String> = LOCAL.map(String::from).to_vec();
        for name in tls.names.iter().map(String::as_str).chain([host]) {
            let is_unspecified = name.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
            if !name.is_empty() && !is_unspecified && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        let failed = |source| StartError::Tls { path: tls.certificate.clone(), source };
        let pem = match &tls.certificate {
            None => Pem::make(&names),
            Some(path) => Pem::kept(path, &names),
        };
        pem.and_then(Pem::identity).map_err(failed)
    }

    /// One that nobody trusts.
    pub(super) fn stranger() -> io::Result<Self> {
        Pem::make(&LOCAL.map(String::from)).and_then(Pem::identity)
    }

    /// PEM, for the client's list of trusted roots.
    pub(super) fn certificate(&self) -> &str {
        &self.authority
    }

    pub(super) fn session(&self) -> io::Result<Session> {
        ServerConnection::new(Arc::clone(&self.config)).map(|tls| Session(Box::new(tls))).map_err(io::Error::other)
    }
}

/// The two files, as text.
struct Pem {
    /// The authority's certificate: public.
    authority: String,
    /// The names, the leaf and its key.
    leaf: String,
}

impl Pem {
    fn make(names: &[String]) -> io::Result<Self> {
        let made = || -> Result<Self, rcgen::Error> {
            // rcgen's dates reach from 1975 to 4096: a device whose clock is wrong at boot can still connect.
            let mut authority = CertificateParams::new(Vec::new())?;
            authority.distinguished_name.push(DnType::CommonName, "google-emulator, for tests on this machine");
            authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let authority_key = KeyPair::generate()?;
            let authority_certificate = authority.self_signed(&authority_key)?;
            let issuer = Issuer::new(authority, authority_key);

            let mut leaf = CertificateParams::new(names)?;
            leaf.distinguished_name.push(DnType::CommonName, "google-emulator");
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            // Python 3.13 verifies strictly and wants it (RFC 5280 section 4.2.1.1).
            leaf.use_authority_key_identifier_extension = true;
            let leaf_key = KeyPair::generate()?;
            let leaf_certificate = leaf.signed_by(&leaf_key, &issuer)?;
            Ok(Self {
                authority: authority_certificate.pem(),
                leaf: format!("{}{}{}", first_line(names), leaf_certificate.pem(), leaf_key.serialize_pem()),
            })
        };
        made().map_err(io::Error::other)
    }

    /// Uses the files again while they fit, so that clients need not be told of every start.
    fn kept(path: &Path, names: &[String]) -> io::Result<Self> {
        let key_path = key_path(path);
        let (old, old_leaf) = (read(path)?, read(&key_path)?);
        match (old, old_leaf) {
            (Some(authority), Some(leaf)) if leaf.starts_with(&first_line(names)) => {
                return Ok(Self { authority, leaf });
            }
            // Somebody else's certificates: a wrong path must not cost them.
            (Some(_), None) => {
                let text = format!("it is there, but {} is not; name another file", key_path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            _ => {}
        }
        let made = Self::make(names)?;
        write(&key_path, &made.leaf, 0o600)?;
        write(path, &made.authority, 0o644)?;
        Ok(made)
    }

    fn identity(self) -> io::Result<Identity> {
        let damaged =
            |error: rustls::pki_types::pem::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let leaf = CertificateDer::from_pem_slice(self.leaf.as_bytes()).map_err(damaged)?;
        let key = PrivateKeyDer::from_pem_slice(self.leaf.as_bytes()).map_err(damaged)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![leaf], key))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Identity { config: Arc::new(config), authority: self.authority })
    }
}

/// PEM readers skip what stands between the blocks.
fn first_line(names: &[String]) -> String {
    format!("names: {}\n", names.join(" "))
}

fn key_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".key");
    path.with_file_name(name)
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Beside and renamed over: a client that reads meanwhile sees the old one or the new one.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// One connection's TLS. The handshake happens with the first read.
pub(super) struct Session(Box<ServerConnection>);

impl Session {
    pub(super) fn read(&mut self, mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        rustls::Stream::new(&mut *self.0, &mut socket).read(buffer)
    }

    pub(super) fn write_all(&mut self, mut socket: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        let mut stream = rustls::Stream::new(&mut *self.0, &mut socket);
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Without it the peer must take the end for a cut (RFC 8446 section 6.1).
    pub(super) fn close(&mut self, mut socket: &TcpStream) {
        self.0.send_close_notify();
        let _ = self.0.write_tls(&mut socket);
    }
}
