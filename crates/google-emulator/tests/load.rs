//! Many devices at once over real sockets: everybody is served, and memory stays what it was.
//!
//! `LOAD_DEVICES=5000 cargo test --release -p google-emulator --test load -- --nocapture` for thousands.

mod common;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::{DEVICE_GRANT, DRIVE_FILE};
use google_emulator::{
    CLIENT_ID, CLIENT_SECRET, Client, EarlyPoll, Options, Request, Server, ServerOptions, client::Control,
};
use serde_json::{Value, json};

/// A kept connection of one device.
struct Line {
    reader: BufReader<TcpStream>,
    slowest: Duration,
    requests: usize,
}

impl Line {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        stream.set_nodelay(true).expect("no waiting");
        Self { reader: BufReader::new(stream), slowest: Duration::ZERO, requests: 0 }
    }

    #[expect(clippy::disallowed_methods, reason = "this test is about real time")]
    fn send(&mut self, request: &Request) -> (u16, Value) {
        let start = Instant::now();
        let mut out = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", request.method, request.target);
        request.headers.iter().for_each(|(name, value)| out.push_str(&format!("{name}: {value}\r\n")));
        out.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
        let mut bytes = out.into_bytes();
        bytes.extend_from_slice(&request.body);
        self.reader.get_mut().write_all(&bytes).expect("sent");
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).expect("an answer") > 0, "the emulator hung up");
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().expect("a status");
            }
            if let Some(rest) = line.strip_prefix("Content-Length: ") {
                length = rest.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).expect("the body");
        self.slowest = self.slowest.max(start.elapsed());
        self.requests += 1;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

/// The life of a device: a code, polls, rows, a refresh, and its spreadsheet is deleted again.
fn live(line: &mut Line, control: &Control, number: usize) {
    let text =
        |value: &Value, name: &str| value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned();
    let (_, code) = line.send(&Request::form("/device/code", &[("client_id", CLIENT_ID), ("scope", DRIVE_FILE)]));
    let device_code = text(&code, "device_code");
    let form = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("device_code", device_code.as_str()),
        ("grant_type", DEVICE_GRANT),
    ];
    let poll = Request::form("/token", &form);
    for _ in 0..10 {
        assert_eq!(line.send(&poll).0, 428);
    }
    control.approve(&text(&code, "user_code"), &format!("maker{number}@example.com")).expect("it waits");
    let (status, tokens) = line.send(&poll);
    assert_eq!(status, 200, "{tokens}");
    let token = text(&tokens, "access_token");
    let (_, made) = line.send(&Request::json("POST", "/v4/spreadsheets", &json!({})).with_bearer(&token));
    let id = text(&made, "spreadsheetId");
    let row = json!({"values": [{"userEnteredValue": {"stringValue": "a row of a device"}}, {"userEnteredValue": {"numberValue": 21.5}}]});
    let batch =
        json!({"requests": [{"appendCells": {"sheetId": 0, "rows": [row, row], "fields": "userEnteredValue"}}]});
    for _ in 0..10 {
        let request = Request::json("POST", &format!("/v4/spreadsheets/{id}:batchUpdate"), &batch);
        assert_eq!(line.send(&request.with_bearer(&token)).0, 200);
    }
    let read = Request::new("GET", &format!("/v4/spreadsheets/{id}/values/A:B")).with_bearer(&token);
    assert_eq!(line.send(&read).1["values"].as_array().map(Vec::len), Some(20), "every row, once");
    let refresh = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("refresh_token", &text(&tokens, "refresh_token")),
        ("grant_type", "refresh_token"),
    ];
    assert_eq!(line.send(&Request::form("/token", &refresh)).0, 200);
    control.delete_spreadsheet(&id).expect("it is there");
}

/// Pages of this process in memory, in KiB. None where there is no /proc.
fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "this test is about real time")]
fn many_devices_are_served_and_memory_stays_flat() {
    let devices: usize = env::var("LOAD_DEVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let at_once = devices.min(500);
    let model = Options { writes_per_minute: u32::MAX / 8, reads_per_minute: u32::MAX / 8, ..Options::default() };
    let server =
        Server::start("127.0.0.1:0", ServerOptions { model, ..ServerOptions::default() }).expect("a free port");
    let control = Control::new(&server.url());
    control.set_client(&Client { early_poll: EarlyPoll::Tolerate, ..Client::default() }).expect("set");
    let mut sizes = Vec::new();
    for round in 0..4 {
        let (next, requests) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Instant::now();
        let slowest = thread::scope(|scope| {
            let device = || {
                let mut line = Line::open(server.address());
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= devices {
                        requests.fetch_add(line.requests, Ordering::Relaxed);
                        return line.slowest;
                    }
                    live(&mut line, &control, number);
                }
            };
            let all: Vec<_> = (0..at_once).map(|_| scope.spawn(device)).collect();
            all.into_iter().map(|device| device.join().expect("served")).max()
        });
        control.revoke(None).expect("revoked");
        // Codes are remembered for an hour after their end.
        control.advance(6_000.0).expect("stepped");
        let took = start.elapsed().as_secs_f64();
        let requests = requests.load(Ordering::Relaxed);
        println!(
            "round {round}: {devices} devices, {at_once} at once, {requests} requests in {took:.1} s ({:.0}/s), slowest {:?}, {:?} KiB",
            requests as f64 / took,
            slowest.unwrap_or_default(),
            resident(),
        );
        sizes.extend(resident());
    }
    if let [_, second, .., last] = sizes.as_slice() {
        assert!(last.saturating_sub(*second) < 4_096 + second / 5, "it grows: {sizes:?} KiB");
    }
}
