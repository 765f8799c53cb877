//! TLS with a certificate of the emulator's own making, by a client that trusts nothing else.
#![cfg(feature = "tls")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use google_emulator::{Action, Faults, Rule, Server, ServerOptions, StartError, Tls, TlsFailure, TlsFailureKind, When};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

fn start(tls: Tls) -> Server {
    Server::start("127.0.0.1:0", ServerOptions { tls: Some(tls), ..ServerOptions::default() }).expect("a free port")
}

/// The whole answer to one request; the name is what the certificate is checked against.
fn get(server: &Server, pem: &str, name: &str, path: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("ring has them");
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let socket = TcpStream::connect(server.address())?;
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).expect("a configuration"), socket);
    let host = server.address();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn addresses_are_https_and_the_certificate_is_for_this_machine() {
    let server = start(Tls::default());
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let pem = server.certificate().unwrap();
    for name in ["127.0.0.1", "localhost", "::1"] {
        let reply = get(&server, pem, name, "/.well-known/openid-configuration").unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
        assert!(reply.contains(&format!("\"issuer\": \"{}\"", server.url())), "{reply}");
    }
    assert!(get(&server, pem, "sheets.googleapis.com", "/").is_err());
    let other = start(Tls { names: vec!["sheets.googleapis.com".into()], ..Tls::default() });
    assert!(get(&other, pem, "127.0.0.1", "/").is_err(), "each emulator is trusted for itself alone");
    assert!(get(&other, other.certificate().unwrap(), "sheets.googleapis.com", "/").is_ok());
}

#[test]
fn a_certificate_outlives_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let tls = Tls { certificate: Some(path.clone()), names: Vec::new() };
    start(tls.clone()).stop();
    let pem = fs::read_to_string(&path).unwrap();
    assert!(!pem.contains("PRIVATE"));
    let key = fs::metadata(folder.path().join("ca.pem.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let server = start(tls.clone());
    assert_eq!(server.certificate(), Some(pem.as_str()));
    assert!(get(&server, &pem, "localhost", "/").is_ok());
    // Other names need another one, in the same place.
    let renamed = start(Tls { names: vec!["emulator.test".into()], ..tls });
    assert_ne!(fs::read_to_string(&path).unwrap(), pem);
    assert!(get(&renamed, renamed.certificate().unwrap(), "emulator.test", "/").is_ok());
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    fs::write(&path, "precious").unwrap();
    let tls = Tls { certificate: Some(path.clone()), names: Vec::new() };
    let options = ServerOptions { tls: Some(tls), ..ServerOptions::default() };
    assert!(matches!(Server::start("127.0.0.1:0", options), Err(StartError::Tls { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn only_a_fault_ends_a_connection_without_a_word() {
    let server = start(Tls::default());
    let pem = server.certificate().unwrap();
    // `get` reads to the end, which rustls only takes for one with a close_notify.
    assert!(get(&server, pem, "localhost", "/device").is_ok());
    for action in [Action::Drop { when: When::Before }, Action::Truncate { bytes: 100 }] {
        let rules = vec![Rule { path: Some("/device".into()), ..Rule::new(action) }];
        server.with_model(|model| model.set_faults(Faults { rules, ..Faults::default() }));
        assert!(get(&server, pem, "localhost", "/device").is_err());
    }
}

#[test]
fn handshakes_fail_in_every_way_and_so_often() {
    let server = start(Tls::default());
    let pem = server.certificate().unwrap();
    for (kind, sign) in [
        (TlsFailureKind::Alert, "HandshakeFailure"),
        (TlsFailureKind::Reset, "reset"),
        (TlsFailureKind::Garbage, "corrupt"),
        (TlsFailureKind::Untrusted, "invalid peer certificate"),
    ] {
        let tls_failure = Some(TlsFailure { kind, times: Some(2) });
        server.with_model(|model| model.set_faults(Faults { tls_failure, ..Faults::default() }));
        for _ in 0..2 {
            let error = get(&server, pem, "localhost", "/device").unwrap_err();
            assert!(error.to_string().contains(sign), "{kind:?}: {error}");
        }
        assert!(get(&server, pem, "localhost", "/device").is_ok(), "{kind:?} twice, then no more");
    }
}
