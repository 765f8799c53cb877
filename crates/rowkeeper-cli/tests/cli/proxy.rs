//! `rowkeeper proxy`: a program in another language, which knows nothing of tokens.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use google_emulator::{Action, When};

use crate::device::{Device, Running};
use crate::google::{Google, fault};

/// One request on a connection of its own; the whole answer.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn started(device: &Device) -> (Running, String) {
    let proxy = device.start(&["proxy", "--listen", "127.0.0.1:0"]);
    let line = proxy.line(|line| line.starts_with("listening on http://"));
    (proxy, line.trim_start_matches("listening on http://").to_owned())
}

/// Somebody who finds the usual place taken is told which it is, and how to name another.
#[test]
fn a_place_that_is_taken_is_named() {
    let google = Google::start();
    let device = google.device();
    let (_proxy, address) = started(&device);
    device.run(&["proxy", "--listen", &address]).exits(2).says(&address).says("with --listen or --socket");
}

fn get(address: &str, path: &str, header: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\r\n");
    ask(TcpStream::connect(address).unwrap(), &request)
}

#[test]
fn a_program_needs_no_secret_and_a_page_gets_nothing() {
    let google = Google::start();
    let device = google.signed_in();
    let (proxy, address) = started(&device);

    let body = r#"{"properties":{"title":"by a program"}}"#;
    let made = ask(
        TcpStream::connect(&address).unwrap(),
        &format!(
            "POST /v4/spreadsheets HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer nonsense\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(made.starts_with("HTTP/1.1 200"), "{made}");
    let path = format!("/v4/spreadsheets/{}?fields=properties.title", google.spreadsheet());

    // The token is refreshed and the call repeated behind the program's back.
    google.model(google_emulator::Model::expire_access_tokens);
    assert!(get(&address, &path, "").contains("by a program"));
    let flaky = Action::Status { status: 503, when: When::Before, body: None, content_type: None, retry_after: None };
    google.set_faults(
        [fault("/v4/", Action::Reset { when: When::Before })]
            .map(|rule| google_emulator::Rule { times: Some(1), ..rule }),
    );
    assert!(get(&address, &path, "").contains("by a program"));

    // A write whose answer was lost is not repeated, and said so.
    google.set_faults([fault("/v4/", flaky)]);
    let lost = ask(
        TcpStream::connect(&address).unwrap(),
        &format!(
            "POST /v4/spreadsheets HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
    );
    assert!(lost.starts_with("HTTP/1.1 504") && lost.contains("outcome unknown"), "{lost}");
    google.set_faults([]);

    for header in ["Origin: https://evil.example\r\n", "Origin: null\r\n"] {
        assert!(get(&address, &path, header).starts_with("HTTP/1.1 403"));
    }
    assert!(get(&address, "http://evil.example/", "").starts_with("HTTP/1.1 403"));
    assert!(ask(TcpStream::connect(&address).unwrap(), "rubbish\r\n\r\n").starts_with("HTTP/1.1 400"));

    proxy.signal(rustix::process::Signal::TERM);
    assert_eq!(proxy.end().code, Some(0));
}

#[test]
fn a_socket_is_for_this_user_and_survives_a_kill() {
    let google = Google::start();
    let device = google.signed_in();
    let path = device.home().join("proxy.sock");
    let name = path.to_str().unwrap();
    let first = device.start(&["proxy", "--socket", name]);
    first.line(|line| line.starts_with("listening on "));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    first.kill();

    let second = device.start(&["proxy", "--socket", name]);
    second.line(|line| line.starts_with("listening on "));
    // One that lives is not robbed of its place.
    device.run(&["proxy", "--socket", name]).exits(2).says("another program listens");
    let answer = ask(
        UnixStream::connect(&path).unwrap(),
        "GET /v4/spreadsheets/none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    second.signal(rustix::process::Signal::TERM);
    second.end().exits(0);
    assert!(!path.exists());
}

/// Programs keep connections open that they may never use again. They are no reason to wait.
#[test]
fn connections_that_are_only_kept_make_room_for_a_program_that_asks() {
    let google = Google::start();
    let device = google.signed_in();
    let (proxy, address) = started(&device);
    let kept: Vec<_> = (0..40).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let asked = get(&address, "/v4/spreadsheets/none", "");
    assert!(asked.starts_with("HTTP/1.1 404"), "{asked}");
    drop(kept);
    proxy.kill();
}

#[test]
fn who_is_not_signed_in_is_told_what_to_do_and_other_machines_stay_out() {
    let google = Google::start();
    let device = google.device();
    device.run(&["proxy", "--listen", "0.0.0.0:0"]).exits(2).says("other machines");
    let (proxy, address) = started(&device);
    let answer = get(&address, "/v4/spreadsheets/none", "");
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("rowkeeper sign-in"), "{answer}");
    proxy.kill();
}

#[test]
fn an_encrypted_grant_needs_its_key() {
    let google = Google::start();
    let device = google.device().configured("[state]\nkey_file = \"key\"\n");
    device.write("key", &[7; 32]);
    google.sign_in(&device);
    device.run(&["token"]).exits(0);
    assert!(!fs::read_to_string(device.state("grant.json")).unwrap().contains("refresh_token"));
    device.write("key", &[8; 32]);
    device.run(&["token"]).exits(2).says("another key");
    device.write("key", b"short");
    device.run(&["token"]).exits(2).says("32 random bytes");
}
