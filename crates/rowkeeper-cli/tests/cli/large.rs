//! Replies and bodies of a hundred megabytes, through `call` and `proxy`: no more memory than for small ones, and a part is
//! never taken for the whole.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use crate::device::Device;
use crate::google::Google;

/// More than a small board has to spare.
const LARGE: u64 = 100 << 20;

/// What a process of ours may have in memory at most, with its code, TLS and SQLite.
const LITTLE_KIB: u64 = 40 << 10;

/// One API for large things. `/whole` and `/chunks` answer with `LARGE` bytes, `/part` and `/partchunks` break off half a
/// megabyte after the start, `/crumb` breaks off at once and is whole the next time, `/take` says how much it was sent.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut asked = 0;
        for stream in listener.incoming() {
            asked += 1;
            let first = asked == 1;
            thread::spawn(move || serve(stream.unwrap(), first));
        }
    });
    url
}

fn serve(mut stream: TcpStream, first: bool) -> Option<()> {
    let mut read = BufReader::new(stream.try_clone().ok()?);
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        read.read_line(&mut line).ok().filter(|got| *got > 0)?;
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if target.is_empty() {
            target = line.split(' ').nth(1)?.to_owned();
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
    }
    let got = std::io::copy(&mut read.take(length), &mut std::io::sink()).ok()?;
    let head =
        |stream: &mut TcpStream, more: &str| stream.write_all(format!("HTTP/1.1 200 OK\r\n{more}\r\n").as_bytes());
    let block = vec![b'x'; 1 << 16];
    match target.as_str() {
        "/whole" => {
            head(&mut stream, &format!("Content-Length: {LARGE}\r\n")).ok()?;
            (0..LARGE >> 16).try_for_each(|_| stream.write_all(&block)).ok()
        }
        "/chunks" => {
            head(&mut stream, "Transfer-Encoding: chunked\r\n").ok()?;
            for _ in 0..LARGE >> 16 {
                stream.write_all(b"10000\r\n").and_then(|()| stream.write_all(&block)).ok()?;
                stream.write_all(b"\r\n").ok()?;
            }
            stream.write_all(b"0\r\n\r\n").ok()
        }
        "/part" => {
            head(&mut stream, "Content-Length: 10000000\r\n").ok()?;
            (0..8).try_for_each(|_| stream.write_all(&block)).ok()
        }
        "/partchunks" => {
            head(&mut stream, "Transfer-Encoding: chunked\r\n").ok()?;
            for _ in 0..8 {
                stream.write_all(b"10000\r\n").and_then(|()| stream.write_all(&block)).ok()?;
                stream.write_all(b"\r\n").ok()?;
            }
            Some(())
        }
        "/crumb" => {
            head(&mut stream, "Content-Length: 5\r\nConnection: close\r\n").ok()?;
            stream.write_all(if first { b"wh" } else { b"whole" }).ok()
        }
        _ => {
            let body = got.to_string();
            let more = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
            head(&mut stream, &more).and_then(|()| stream.write_all(body.as_bytes())).ok()
        }
    }
}

/// The most memory that the process has had, in KiB; `None` when it has ended.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim_end_matches("kB").trim().parse().ok()
}

/// Reads to the end; how many bytes came, and the most memory that the process had meanwhile.
fn drain(mut read: impl Read, process: u32) -> (u64, u64) {
    let (mut bytes, mut most, mut part) = (0, 0, vec![0; 1 << 20]);
    loop {
        match read.read(&mut part) {
            Ok(0) | Err(_) => return (bytes, most),
            Ok(got) => bytes += got as u64,
        }
        most = most.max(peak(process).unwrap_or(0));
    }
}

/// Runs a command whose output is large: its exit code, how much it said, and its peak of memory.
fn run(device: &Device, arguments: &[&str], stdin: Stdio) -> (Option<i32>, u64, u64) {
    let mut child = device.command(arguments).stdin(stdin).stderr(Stdio::null()).spawn().unwrap();
    let (bytes, most) = drain(child.stdout.take().unwrap(), child.id());
    (child.wait().unwrap().code(), bytes, most)
}

#[test]
fn a_large_reply_is_passed_on_as_it_arrives() {
    let google = Google::start();
    let device = google.signed_in();
    let url = server();
    for path in ["whole", "chunks"] {
        let (code, bytes, most) = run(&device, &["call", "GET", &format!("{url}/{path}")], Stdio::null());
        println!("{path}: {bytes} bytes, {most} KiB");
        assert_eq!((code, bytes), (Some(0), LARGE), "{path}");
        assert!(most > 0 && most < LITTLE_KIB, "{path}: {most} KiB");
    }
}

#[test]
fn a_reply_that_breaks_off_is_no_reply() {
    let google = Google::start();
    let device = google.signed_in();
    let url = server();
    // So little is asked for again, and nobody has seen the part.
    let crumb = device.run(&["call", "GET", &format!("{url}/crumb")]).exits(0);
    assert_eq!(crumb.out, "whole");
    for path in ["part", "partchunks"] {
        let part = device.run(&["call", "GET", &format!("{url}/{path}")]).exits(75);
        assert_eq!(part.out.len(), 8 << 16, "{path}");
        part.says("broke off after 524288 bytes").says("try again later");
        device.run(&["call", "POST", &format!("{url}/{path}"), "--data", "{}"]).exits(1).says("outcome unknown");
    }
    // A reader that has seen enough is no failure.
    let mut head = device.command(&["call", "GET", &format!("{url}/whole")]).spawn().unwrap();
    head.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    assert_eq!(head.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_large_body_is_sent_from_where_it_lies() {
    let google = Google::start();
    let device = google.signed_in();
    let take = format!("{}/take", server());
    let path = device.home().join("large.bin");
    File::create(&path).unwrap().set_len(LARGE).unwrap();
    let from_file = ["call", "PUT", &take, "--data", "@large.bin"];
    let from_stdin = ["call", "PUT", &take, "--data", "@-"];
    // A token that is refused in the middle of it makes it go twice.
    google.model(google_emulator::Model::expire_access_tokens);
    for (what, arguments, stdin) in [
        ("a file", from_file, Stdio::null()),
        ("stdin from a file", from_stdin, File::open(&path).unwrap().into()),
        ("stdin from a pipe", from_stdin, Stdio::piped()),
    ] {
        let mut child = device.command(&arguments).stdin(stdin).spawn().unwrap();
        if let Some(pipe) = child.stdin.take() {
            let mut file = File::open(&path).unwrap();
            thread::spawn(move || _ = std::io::copy(&mut file, &mut { pipe }));
        }
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = most.max(peak(child.id()).unwrap_or(0));
            thread::sleep(std::time::Duration::from_millis(2));
        }
        let ended = child.wait_with_output().unwrap();
        println!("{what}: {most} KiB");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), LARGE.to_string(), "{what}: {ended:?}");
        assert!(most > 0 && most < LITTLE_KIB, "{what}: {most} KiB");
    }
}

#[test]
fn the_proxy_holds_nothing_that_is_large() {
    let google = Google::start();
    let device = google.signed_in();
    // An emulator may have moved, so this server can stand in for it: the token is fresh, and only the API is asked.
    let mut command = device.command(&["proxy", "--listen", "127.0.0.1:0"]);
    let mut proxy = command.env("ROWKEEPER_EMULATOR", server()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit('/').next().unwrap().to_owned();
    let ask = |head: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = format!("{head}Host: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    for path in ["whole", "chunks"] {
        let (bytes, most) = drain(ask(&format!("GET /{path} HTTP/1.1\r\n")), proxy.id());
        assert!(bytes >= LARGE && most < LITTLE_KIB, "{path}: {bytes} bytes, {most} KiB");
    }
    let mut sending = ask(&format!("PUT /take HTTP/1.1\r\nContent-Length: {LARGE}\r\n"));
    let block = vec![0; 1 << 20];
    (0..LARGE >> 20).for_each(|_| sending.write_all(&block).unwrap());
    let mut answer = String::new();
    sending.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(&format!("\r\n\r\n{LARGE}")), "{answer}");
    assert!(peak(proxy.id()).unwrap() < LITTLE_KIB);
    // A part is not the whole: the connection is reset, also for a program that knows no chunks.
    for (version, path) in [("1.1", "part"), ("1.1", "partchunks"), ("1.0", "partchunks")] {
        let end = ask(&format!("GET /{path} HTTP/{version}\r\n")).read_to_end(&mut Vec::new());
        assert!(end.is_err(), "{version} {path}: {end:?}");
    }
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}
