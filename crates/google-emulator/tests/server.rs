//! The shell: real sockets, real files, no sleeping.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Barrier,
    thread,
};

use google_emulator::{
    Action, CLIENT_ID, CLIENT_SECRET, Faults, Options, Rule, Server, ServerOptions, StartError, When,
};
use serde_json::{Value, json};

const OWNER: &str = "maker@example.com";

fn start(data: Option<&Path>) -> Server {
    let model = Options { writes_per_minute: u32::MAX, reads_per_minute: u32::MAX, ..Options::default() };
    Server::start("127.0.0.1:0", ServerOptions { model, data: data.map(Into::into), ..ServerOptions::default() })
        .expect("a free port")
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a time");
    stream
}

/// Status, head and body of one reply.
fn read_reply(stream: &mut TcpStream) -> std::io::Result<(u16, String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("ASCII");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body)?;
    Ok((head[9..12].parse().expect("a status"), head, body))
}

fn exchange(stream: &mut TcpStream, text: &str) -> std::io::Result<(u16, String, Vec<u8>)> {
    stream.write_all(text.as_bytes())?;
    read_reply(stream)
}

fn post(server: &Server, path: &str, token: &str, body: &Value) -> std::io::Result<(u16, Value)> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.address(),
        body.len()
    );
    let (status, _, body) = exchange(&mut connect(server), &request)?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// An access token, by the whole flow over HTTP.
fn sign_in(server: &Server) -> String {
    let scope = "https://www.googleapis.com/auth/drive.file";
    let (_, code) = post(server, "/device/code", "", &json!({"client_id": CLIENT_ID, "scope": scope})).expect("a code");
    let approve = json!({"user_code": code["user_code"], "account": OWNER});
    assert_eq!(post(server, "/_emulator/approve", "", &approve).expect("a reply").0, 200);
    let poll = json!({
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "device_code": code["device_code"],
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    });
    let (status, tokens) = post(server, "/token", "", &poll).expect("tokens");
    assert_eq!(status, 200, "{tokens}");
    tokens["access_token"].as_str().expect("a token").to_owned()
}

fn create(server: &Server, token: &str) -> String {
    let (status, body) = post(server, "/v4/spreadsheets", token, &json!({})).expect("a reply");
    assert_eq!(status, 200, "{body}");
    body["spreadsheetId"].as_str().expect("an id").to_owned()
}

fn append(text: &str) -> Value {
    let row = json!({"values": [{"userEnteredValue": {"stringValue": text}}]});
    json!({"requests": [{"appendCells": {"sheetId": 0, "rows": [row], "fields": "userEnteredValue"}}]})
}

fn rows(server: &Server, id: &str) -> usize {
    server.with_model(|model| model.rows(id, "Sheet1").map_or(0, |rows| rows.len()))
}

#[test]
fn requests_in_every_transfer_form() {
    let server = start(None);
    let mut stream = connect(&server);
    let get = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: h:1\r\n\r\n";
    // Kept alive, twice on one connection, also when both come at once.
    let (status, head, body) = exchange(&mut stream, &format!("{get}{get}")).unwrap();
    assert_eq!(status, 200);
    assert!(head.contains("Connection: keep-alive") && head.contains("Date: "));
    assert!(String::from_utf8(body).unwrap().contains("http://h:1/device/code"));
    assert_eq!(read_reply(&mut stream).unwrap().0, 200);
    let chunked = "POST /token HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5;x=y\r\ngrant\r\nA\r\n_type=nope\r\n0\r\nTrailer: x\r\n\r\n";
    let (status, _, body) = exchange(&mut stream, chunked).unwrap();
    assert_eq!(status, 400);
    assert!(String::from_utf8(body).unwrap().contains("Invalid grant_type: nope"));
    stream.write_all(b"POST /token HTTP/1.1\r\nHost: h\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(exchange(&mut stream, "grant_type=nope").unwrap().0, 400);
    stream.write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 OK") && rest.ends_with("\r\n\r\n"), "{rest}");
}

#[test]
fn hostile_heads_are_refused() {
    let server = start(None);
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(80_000));
    let many: String = (0..150).map(|n| format!("H{n}: x\r\n")).collect();
    for (text, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into(), 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(), 400),
        ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".into(), 400),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n".into(), 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".into(), 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".into(), 501),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
        (long, 431),
    ] {
        let (got, ..) = exchange(&mut connect(&server), &text).unwrap();
        assert_eq!(got, status, "{}", text.chars().take(80).collect::<String>());
    }
}

#[test]
fn faults_are_felt_on_the_wire() {
    let server = start(None);
    let token = sign_in(&server);
    let id = create(&server, &token);
    let path = format!("/v4/spreadsheets/{id}:batchUpdate");
    let suffer = |action: Action| {
        server.with_model(|model| model.set_faults(Faults { rules: vec![Rule::new(action)], ..Faults::default() }));
        post(&server, &path, &token, &append("x"))
    };
    let kind = |result: std::io::Result<(u16, Value)>| result.map_err(|error| error.kind()).map(|(status, _)| status);
    assert_eq!(kind(suffer(Action::Reset { when: When::Before })), Err(ErrorKind::ConnectionReset));
    assert_eq!(rows(&server, &id), 0);
    assert_eq!(kind(suffer(Action::Reset { when: When::After })), Err(ErrorKind::ConnectionReset));
    assert_eq!(kind(suffer(Action::Drop { when: When::After })), Err(ErrorKind::UnexpectedEof));
    assert_eq!(kind(suffer(Action::Truncate { bytes: 20 })), Err(ErrorKind::UnexpectedEof));
    assert_eq!(rows(&server, &id), 3);
    assert_eq!(kind(suffer(Action::Slow { bytes_per_second: 100_000 })), Ok(200));
    assert_eq!(kind(suffer(Action::Delay { seconds: 0.001 })), Ok(200));
    assert_eq!(kind(suffer(Action::Html { status: 502, when: When::Before })), Ok(502));
    assert_eq!(rows(&server, &id), 5);
}

#[test]
fn an_idle_connection_is_closed_without_notice() {
    let server = start(None);
    server.with_model(|model| model.set_faults(Faults { idle_close_seconds: Some(0.01), ..Faults::default() }));
    let mut stream = connect(&server);
    assert_eq!(exchange(&mut stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().0, 200);
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0);
}

#[test]
fn stopping_does_not_wait_for_delayed_replies() {
    let server = start(None);
    let delay = Rule::new(Action::Delay { seconds: 3_600.0 });
    server.with_model(|model| model.set_faults(Faults { rules: vec![delay], ..Faults::default() }));
    let mut stream = connect(&server);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    // What arrives after the stop is refused, which is another story.
    while server.with_model(|model| model.log().is_empty()) {
        std::thread::yield_now();
    }
    server.stop();
    let mut rest = Vec::new();
    let outcome = stream.read_to_end(&mut rest);
    assert!(outcome.is_err() || rest.is_empty());
}

#[test]
fn everything_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("world.json");
    let (token, id) = {
        let server = start(Some(&data));
        let token = sign_in(&server);
        let id = create(&server, &token);
        let path = format!("/v4/spreadsheets/{id}:batchUpdate");
        // Several writers, so that syncs are shared.
        let together = Barrier::new(4);
        thread::scope(|scope| {
            for writer in 0..4 {
                let (server, token, path, together) = (&server, &token, &path, &together);
                scope.spawn(move || {
                    together.wait();
                    for n in 0..25 {
                        assert_eq!(post(server, path, token, &append(&format!("{writer}/{n}"))).unwrap().0, 200);
                    }
                });
            }
        });
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o600);
        // A killed process leaves the file as it is now, and perhaps a torn line.
        fs::copy(&data, folder.path().join("killed")).unwrap();
        (token, id)
    };
    let killed = folder.path().join("killed");
    fs::OpenOptions::new().append(true).open(&killed).unwrap().write_all(b"{\"decision\":{\"now\":{\"se").unwrap();
    for path in [&data, &killed] {
        for start_number in 1..=2 {
            let server = start(Some(path));
            assert_eq!(rows(&server, &id), 100, "start {start_number} of {}", path.display());
            let batch = format!("/v4/spreadsheets/{id}:batchUpdate");
            assert_eq!(post(&server, &batch, &token, &json!({"requests": []})).unwrap().0, 400, "still signed in");
        }
    }
}

#[test]
fn a_change_by_hand_survives_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("world.json");
    let server = start(Some(&data));
    let token = sign_in(&server);
    let id = create(&server, &token);
    server.with_model(|model| model.type_in(&id, "Sheet1", 0, 0, "typed").unwrap());
    let path = format!("/v4/spreadsheets/{id}:batchUpdate");
    assert_eq!(post(&server, &path, &token, &append("below")).unwrap().0, 200);
    server.stop();
    let server = start(Some(&data));
    assert_eq!(rows(&server, &id), 2);
}

/// Cut anywhere, the file opens, and holds a prefix of what was answered.
#[test]
fn a_file_cut_anywhere_still_opens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("world.json");
    let server = start(Some(&data));
    let token = sign_in(&server);
    let id = create(&server, &token);
    for n in 0..3 {
        post(&server, &format!("/v4/spreadsheets/{id}:batchUpdate"), &token, &append(&n.to_string())).unwrap();
    }
    let whole = fs::read(&data).unwrap();
    drop(server);
    let snapshot_end = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
    let cut = folder.path().join("cut");
    let mut most = 0;
    for length in (snapshot_end..=whole.len()).step_by(61).chain([whole.len()]) {
        fs::write(&cut, &whole[..length]).unwrap();
        let server = start(Some(&cut));
        let found = rows(&server, &id);
        assert!(found >= most, "{found} rows in {length} bytes");
        most = found;
    }
    assert_eq!(most, 3);
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("notes.txt");
    fs::write(&data, "dear diary\n").unwrap();
    let options = ServerOptions { data: Some(data.clone()), ..ServerOptions::default() };
    let error = Server::start("127.0.0.1:0", options).unwrap_err();
    assert!(matches!(error, StartError::Damaged { line: 1, .. }), "{error}");
    assert_eq!(fs::read_to_string(&data).unwrap(), "dear diary\n");
}

#[test]
fn two_emulators_cannot_share_a_file_or_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("world.json");
    let first = start(Some(&data));
    let options = ServerOptions { data: Some(data), ..ServerOptions::default() };
    let error = Server::start("127.0.0.1:0", options.clone()).unwrap_err();
    assert!(matches!(error, StartError::InUse { .. }), "{error}");
    let error = Server::start(&first.address().to_string(), ServerOptions::default()).unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    let address = first.address().to_string();
    let mut kept = connect(&first);
    exchange(&mut kept, "GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    first.stop();
    // At once, although connections of the old one still linger.
    Server::start(&address, options).unwrap();
}

#[test]
fn pages_warn_when_other_machines_can_reach_them() {
    let page = |listen: &str| {
        let server = Server::start(listen, ServerOptions::default()).expect("a free port");
        let reply = server.with_model(|model| {
            let now = model.clock();
            model.handle(now, &google_emulator::Request::new("GET", "/device"))
        });
        (
            server.is_exposed(),
            reply.text().contains("Other machines can reach it"),
            reply.text().contains("Nothing here leaves"),
        )
    };
    assert_eq!(page("127.0.0.1:0"), (false, false, true));
    assert_eq!(page("0.0.0.0:0"), (true, true, false));
}

/// Written by an earlier build in format 1, before clients had test users, blocked domains and an organisation: everything
/// that came later has a default.
#[test]
fn a_data_file_of_an_earlier_build_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data");
    std::fs::write(&path, include_str!("fixtures/data-1.jsonl")).expect("written");
    let options = ServerOptions { data: Some(path), ..ServerOptions::default() };
    let server = Server::start("127.0.0.1:0", options).expect("it starts");
    server.with_model(|model| {
        let ids = model.spreadsheet_ids();
        assert_eq!(ids.len(), 1);
        let rows = model.rows(&ids[0], "Log").expect("the tab");
        assert_eq!(rows.len(), 3, "two in the snapshot, one in the journal: {rows:?}");
        assert_eq!(model.metadata_count(&ids[0]), 1);
        assert!(model.client("scale").is_some(), "a client that a test had set");
    });
}
