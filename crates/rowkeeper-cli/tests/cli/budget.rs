//! What things may cost: requests, bytes on the wire, syncs. Figures of the real binary that do not depend on how fast the
//! machine is; how they compare with others is in docs/benchmarks.md (`cargo xtask bench`).

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{fs, thread};

use crate::device::{Device, eventually};
use crate::google::Google;

/// What was asked since `seen` entries of the log, without what the person did.
fn asked(google: &Google, seen: usize) -> Vec<String> {
    let last = |target: &str| {
        let path = target.split('?').next().unwrap_or_default();
        path.rsplit(['/', ':']).next().unwrap_or_default().to_owned()
    };
    google.log().iter().skip(seen).map(|entry| last(&entry.target)).collect()
}

#[test]
fn a_start_asks_twice_and_a_lone_row_once() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["n=1"]);
    device.run(&["deliver"]).exits(0);

    // Markers, layout versions and the header; the row.
    let seen = google.log().len();
    device.record(&["n=2"]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(asked(&google, seen), ["getByDataFilter", "batchUpdate"]);

    google.model(|model| model.expire_access_tokens());
    let seen = google.log().len();
    device.record(&["n=3"]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(asked(&google, seen), ["getByDataFilter", "token", "getByDataFilter", "batchUpdate"]);

    let daemon = device.start(&["run"]);
    device.record(&["n=4"]);
    eventually("the first row", || (google.rows("records").len() == 4).then_some(()));
    let seen = google.log().len();
    device.record(&["n=5"]);
    eventually("a lone row", || (google.rows("records").len() == 5).then_some(()));
    assert_eq!(asked(&google, seen), ["batchUpdate"]);
    drop(daemon);
}

#[test]
fn a_thousand_rows_are_one_call_of_known_size() {
    let google = Google::start();
    let line = Line::to(google.url().rsplit('/').next().unwrap().parse().unwrap());
    let device = Device::of(&format!("http://{}", line.address));
    google.sign_in(&device);
    device.record(&["n=0", "value=21.5", "note=first"]);
    device.run(&["deliver"]).exits(0);

    let rows: String = (1..=1_000)
        .map(|n| format!("{{\"n\":{n},\"value\":21.5,\"note\":\"a reading of the scale in the workshop\"}}\n"))
        .collect();
    device.feed(&["record", "--stdin"], rows).exits(0);
    let (seen, sent, received) = (google.log().len(), line.sent.load(Relaxed), line.received.load(Relaxed));
    device.run(&["deliver"]).exits(0);
    assert_eq!(asked(&google, seen), ["getByDataFilter", "batchUpdate"]);
    // 411 bytes a row when this was written; JSON's names are most of it.
    let sent = line.sent.load(Relaxed) - sent;
    assert!((300_000..450_000).contains(&sent), "{sent} bytes were sent for 1,000 rows");
    // Two answers: about 1.9 kB, whatever the number of rows.
    let received = line.received.load(Relaxed) - received;
    assert!(received < 4_000, "{received} bytes were received");
}

#[test]
fn a_record_costs_few_syncs_and_a_stream_shares_them() {
    let device = Device::alone();
    device.record(&["n=1"]);
    let Some(syncs) = syncs(&device, &["record", "n=2"], "") else {
        eprintln!("SKIPPED: no syncs were counted: there is no strace here, or it may not trace");
        return;
    };
    // One is the record's. The others are for whoever is the last to close the file: SQLite's, and one so that the log that
    // it removed stays removed.
    assert!(syncs <= 6, "{syncs} syncs by `record`");
    let lines: String = (0..5_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let syncs = self::syncs(&device, &["record", "--stdin"], &lines).unwrap();
    // Whole groups are 512 lines; how many come together depends on the machine.
    assert!(syncs <= 500, "{syncs} syncs for 5,000 records");
}

/// Syncs of one command, by strace.
fn syncs(device: &Device, arguments: &[&str], input: &str) -> Option<usize> {
    let (list, given) = (device.home().join("strace"), device.home().join("input"));
    fs::write(&given, input).unwrap();
    let plain = device.command(arguments);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o"]).arg(&list);
    strace.arg(plain.get_program()).args(plain.get_args()).current_dir(device.home());
    strace.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = strace.stdin(fs::File::open(given).unwrap()).output().ok()?;
    ran.status
        .success()
        .then(|| fs::read_to_string(list).unwrap().lines().filter(|line| line.contains("sync(")).count())
}

/// A TCP relay that counts.
struct Line {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Line {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Self { address, sent: Arc::default(), received: Arc::default() };
        let (sent, received) = (Arc::clone(&line.sent), Arc::clone(&line.received));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(server).unwrap();
                let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (sent, received) = (Arc::clone(&sent), Arc::clone(&received));
                thread::spawn(move || pump(client_too, server_too, &sent));
                thread::spawn(move || pump(server, client, &received));
            }
        });
        line
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        count.fetch_add(len as u64, Relaxed);
        to.write_all(&buffer[..len])?;
    }
    to.shutdown(Shutdown::Both)
}
