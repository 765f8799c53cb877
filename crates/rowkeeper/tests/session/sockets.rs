//! The real HTTP client against small servers on this machine.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rowkeeper::http::{Client, Http, Lost, NotSent, Request, Response, Timeouts, Upload};

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_secs(20) };
const SHORT: Timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_millis(300) };

fn post(url: &str) -> Request {
    Request { method: "POST".into(), url: url.into(), headers: Vec::new(), body: b"body".to_vec().into() }
}

fn send(url: &str, timeouts: &Timeouts) -> Result<Response, Lost> {
    Client::new(None).unwrap().send(&post(url), timeouts)
}

/// One connection after the other, each served by the next of these; what they return is told.
fn serve<T: Send + 'static>(each: Vec<fn(TcpStream) -> T>) -> (String, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/path", listener.local_addr().unwrap());
    let (tell, told) = channel();
    thread::spawn(move || {
        for serve in each {
            let (stream, _) = listener.accept().unwrap();
            _ = tell.send(serve(stream));
        }
    });
    (url, told)
}

/// Reads one request; false when the client hung up instead.
fn take(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\nbody") {
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn answer(stream: &mut TcpStream, text: &str) {
    _ = stream.write_all(text.as_bytes());
}

/// A port that takes no more connections, as long as the rest lives.
fn full_house() -> (String, (rustix::fd::OwnedFd, Vec<TcpStream>)) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let door = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&door, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&door, 0).unwrap();
    let address = std::net::SocketAddr::try_from(getsockname(&door).unwrap()).unwrap();
    let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let inside = std::iter::from_fn(|| knock().ok()).take(8).collect();
    (format!("http://{address}/"), (door, inside))
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn what_was_not_sent_is_known_not_to_be() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(send(&format!("http://{gone}/"), &TIMEOUTS), Err(Lost::NotSent(NotSent::Connect(_)))));
    for url in ["http://10.0.0.1/", "http://example.org/", "ftp://127.0.0.1/", "nonsense", "http://localhost@10.0.0.1/"]
    {
        assert!(matches!(send(url, &TIMEOUTS), Err(Lost::NotSent(NotSent::Refused(_)))), "{url}");
    }
    // A black hole: the only place in the queue is taken, so nobody answers the next knock.
    let (full, _held) = full_house();
    let limits = Timeouts { connect: Duration::from_millis(200), ..TIMEOUTS };
    let hole = send(&full, &limits);
    assert!(matches!(hole, Err(Lost::NotSent(NotSent::Connect(_)))), "{hole:?}");
    let unknown = send("https://no-such-host.invalid/", &TIMEOUTS);
    assert!(matches!(unknown, Err(Lost::NotSent(_))), "{unknown:?}");
    // A server that speaks no TLS.
    let (url, _told) = serve(vec![|mut stream: TcpStream| answer(&mut stream, OK)]);
    let no_tls = send(&url.replace("http:", "https:"), &TIMEOUTS);
    assert!(matches!(no_tls, Err(Lost::NotSent(_))), "{no_tls:?}");
}

/// Everything after the first byte left may have been acted on, and nothing is sent twice.
#[test]
fn what_may_have_arrived_is_unknown() {
    type Case = (&'static str, fn(TcpStream));
    let table: Vec<Case> = vec![
        ("closed without an answer", |mut stream| _ = take(&mut stream)),
        ("closed before the request was read", drop),
        ("half a head", |mut stream| {
            take(&mut stream);
            answer(&mut stream, "HTTP/1.1 200 OK\r\nContent-");
        }),
        ("half a body", |mut stream| {
            take(&mut stream);
            answer(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }),
        ("half a chunk", |mut stream| {
            take(&mut stream);
            answer(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha");
        }),
        ("no HTTP", |mut stream| {
            take(&mut stream);
            answer(&mut stream, "SSH-2.0-OpenSSH\r\n\r\n");
        }),
    ];
    for (what, serve_one) in table {
        let (url, told) = serve(vec![serve_one, |_| panic!("sent twice")]);
        let outcome = send(&url, &TIMEOUTS);
        assert!(matches!(outcome, Err(Lost::Unknown(_))), "{what}: {outcome:?}");
        told.recv().unwrap();
        assert!(told.recv_timeout(Duration::from_millis(20)).is_err(), "{what}");
    }
}

/// Giving up resets the connection, so that nothing of the attempt can land later.
#[test]
fn giving_up_is_a_reset_and_bounded_in_time() {
    fn silent(mut stream: TcpStream) -> ErrorKind {
        take(&mut stream);
        stream.read(&mut [0]).map_or_else(|error| error.kind(), |_| ErrorKind::UnexpectedEof)
    }
    fn dripping(mut stream: TcpStream) -> ErrorKind {
        take(&mut stream);
        answer(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        loop {
            if let Err(error) = stream.write_all(b"x") {
                return error.kind();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    for serve_one in [silent as fn(TcpStream) -> ErrorKind, dripping] {
        let (url, told) = serve(vec![serve_one]);
        assert!(matches!(send(&url, &SHORT), Err(Lost::Unknown(_))));
        let end = told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{end:?}");
    }
}

#[test]
fn answers_come_whole_whatever_they_say() {
    let table = [
        (OK, 200, "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nch\r\n4\r\nunks\r\n0\r\n\r\n", 200, "chunks"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>", 502, "<html>"),
        // No credentials follow a redirect.
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, ""),
        ("HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", 307, ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (text, ..) in table {
            let (mut stream, _) = listener.accept().unwrap();
            take(&mut stream);
            answer(&mut stream, text);
        }
    });
    for (text, status, body) in table {
        let response = send(&url, &TIMEOUTS).unwrap();
        assert_eq!((response.status, response.body.as_slice()), (status, body.as_bytes()), "{text}");
    }
}

/// Nobody's answer to us is that large.
#[test]
fn a_body_without_end_is_given_up() {
    let (url, _told) = serve(vec![|mut stream: TcpStream| {
        take(&mut stream);
        answer(&mut stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
        let block = vec![b'x'; 1 << 20];
        while stream.write_all(&block).is_ok() {}
    }]);
    assert!(matches!(send(&url, &TIMEOUTS), Err(Lost::Unknown(_))));
}

/// Hours are granted to a body that arrives, and none to one that stopped, in either direction.
#[test]
fn a_server_that_falls_silent_is_given_up_and_a_slow_one_is_not() {
    use std::io::ErrorKind;
    let patient = Timeouts { total: Duration::from_secs(3600), ..TIMEOUTS };
    let upload = |url: &str, len: usize| {
        let Request { method, url, headers, .. } = post(url);
        let body = if len == 0 { b"body".to_vec() } else { vec![0; len] };
        Request { method, url, headers, body: Upload::from(body) }
    };
    let client = || Client::new(None).unwrap().hanging_up_after(Duration::from_millis(400));
    fn slow(mut stream: TcpStream) {
        take(&mut stream);
        answer(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(80));
            answer(&mut stream, "x");
        }
    }
    let (url, _told) = serve(vec![slow as fn(TcpStream)]);
    let mut body = String::new();
    client().open(&upload(&url, 0), &patient).unwrap().body.read_to_string(&mut body).unwrap();
    assert_eq!(body, "xxxxxxxxxx");

    fn stops(mut stream: TcpStream) {
        take(&mut stream);
        answer(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx");
        _ = stream.read(&mut [0]);
    }
    let (url, _told) = serve(vec![stops as fn(TcpStream)]);
    let error = client().open(&upload(&url, 0), &patient).unwrap().body.read_to_string(&mut body).unwrap_err();
    assert!(error.to_string().contains("no byte moved"), "{error}");
    assert_ne!(error.kind(), ErrorKind::UnexpectedEof);

    // It takes nothing any more: what the system holds for it fills up.
    fn takes_nothing(mut stream: TcpStream) {
        thread::sleep(Duration::from_secs(3));
        _ = stream.read(&mut [0]);
    }
    let (url, _told) = serve(vec![takes_nothing as fn(TcpStream)]);
    let outcome = client().open(&upload(&url, 64 << 20), &patient).map(|answer| answer.status);
    assert!(matches!(&outcome, Err(Lost::Unknown(why)) if why.contains("no byte moved")), "{outcome:?}");
}

/// The ancestor's `BadStatusLine` after a day idle: a connection that died is noticed and replaced, unseen.
#[test]
fn a_kept_connection_that_died_is_replaced_and_one_that_lives_is_used() {
    fn two_answers(mut stream: TcpStream) -> u32 {
        let mut served = 0;
        while served < 2 && take(&mut stream) {
            answer(&mut stream, OK);
            served += 1;
        }
        served
    }
    fn one_answer(mut stream: TcpStream) -> u32 {
        let served = take(&mut stream);
        answer(&mut stream, OK);
        served.into()
    }
    let (url, told) = serve(vec![two_answers, one_answer]);
    let client = Client::new(None).unwrap();
    for _ in 0..2 {
        assert_eq!(client.send(&post(&url), &TIMEOUTS).unwrap().status, 200);
    }
    // The server hung up after the second answer.
    assert_eq!(told.recv().unwrap(), 2);
    assert_eq!(client.send(&post(&url), &TIMEOUTS).unwrap().status, 200);
    assert_eq!(told.recv().unwrap(), 1);
}

/// It dies in the moment it is used again: the outcome is unknown, and nothing is sent by itself a second time.
#[test]
fn a_kept_connection_that_dies_with_the_request_is_no_reason_to_send_twice() {
    fn answers_once(mut stream: TcpStream) {
        take(&mut stream);
        answer(&mut stream, OK);
        take(&mut stream);
    }
    let (url, told) = serve(vec![answers_once as fn(TcpStream), |_| panic!("sent twice")]);
    let client = Client::new(None).unwrap();
    client.send(&post(&url), &TIMEOUTS).unwrap();
    assert!(matches!(client.send(&post(&url), &TIMEOUTS), Err(Lost::Unknown(_))));
    told.recv().unwrap();
    assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
}

/// Polls are further apart than servers keep connections: theirs are not kept at all.
#[test]
fn a_connection_that_is_not_to_be_kept_is_not() {
    fn one(mut stream: TcpStream) -> bool {
        take(&mut stream);
        answer(&mut stream, OK);
        !take(&mut stream)
    }
    let (url, told) = serve(vec![one, one]);
    let client = Client::new(None).unwrap();
    for _ in 0..2 {
        let mut request = post(&url);
        request.headers.push(("connection".into(), "close".to_owned().into()));
        client.send(&request, &TIMEOUTS).unwrap();
        assert!(told.recv().unwrap(), "it was used again");
    }
}

const ASK: &str = "ROWKEEPER_TEST_ASK";

/// The environment belongs to a process, so this test is started again with another one, and exits with what it saw.
#[test]
fn asker() {
    let Ok(url) = std::env::var(ASK) else { return };
    let seen = match send(&url, &TIMEOUTS) {
        Ok(_) => 10,
        Err(Lost::NotSent(NotSent::Refused(_))) => 11,
        Err(Lost::NotSent(_)) => 12,
        Err(Lost::Unknown(_)) => 13,
    };
    std::process::exit(seen);
}

fn ask(url: &str, variables: &[(&str, &str)]) -> Option<i32> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command.args(["--exact", "sockets::asker", "--test-threads=1"]).env(ASK, url);
    output.envs(variables.iter().copied()).output().unwrap().status.code()
}

#[test]
fn proxies_are_asked_by_the_usual_variables() {
    fn refuses(mut stream: TcpStream) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        answer(&mut stream, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned()
    }
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let (proxy, told) = serve(vec![refuses as fn(TcpStream) -> String]);
        let proxy = proxy.trim_end_matches("/path");
        assert_eq!(ask("https://provider.invalid/token", &[(name, proxy)]), Some(12), "{name}");
        assert_eq!(
            told.recv_timeout(Duration::from_secs(5)).unwrap(),
            "CONNECT provider.invalid:443 HTTP/1.1",
            "{name}"
        );
        // What is named in NO_PROXY, and this machine, are reached without.
        let (proxy, told) = serve(vec![refuses as fn(TcpStream) -> String]);
        let proxy = proxy.trim_end_matches("/path");
        let variables = [(name, proxy), ("NO_PROXY", "provider.invalid")];
        assert_eq!(ask("https://provider.invalid/token", &variables), Some(12));
        let (here, _served) = serve(vec![|mut stream: TcpStream| {
            take(&mut stream);
            answer(&mut stream, OK);
        }]);
        assert_eq!(ask(&here, &[(name, proxy)]), Some(10));
        assert!(told.try_recv().is_err(), "{name}: the proxy was asked");
    }
}

/// Through a proxy to a server that proves who it is; and past none that cannot be used.
#[test]
fn a_proxy_carries_what_it_cannot_read_and_is_never_passed_by() {
    use google_emulator::{Server, ServerOptions, Tls};
    let options = ServerOptions { tls: Some(Tls::default()), ..ServerOptions::default() };
    let server = Server::start("127.0.0.1:0", options).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("root.pem");
    std::fs::write(&pem, server.certificate().unwrap()).unwrap();
    let trust = ("SSL_CERT_FILE", pem.to_str().unwrap());
    let tunnel = |mut program: TcpStream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && program.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let Ok(mut there) = TcpStream::connect(target) else { return head };
        answer(&mut program, "HTTP/1.1 200 Connection established\r\n\r\n");
        let (mut back, mut forth) = (there.try_clone().unwrap(), program.try_clone().unwrap());
        let one = thread::spawn(move || {
            _ = std::io::copy(&mut forth, &mut there);
            _ = there.shutdown(std::net::Shutdown::Both);
        });
        _ = std::io::copy(&mut back, &mut program);
        _ = one.join();
        head
    };
    let (proxy, told) = serve(vec![tunnel as fn(TcpStream) -> String]);
    let proxy = proxy.trim_end_matches("/path").replace("http://", "http://maker:pass%21word@");
    assert_eq!(ask(&server.url(), &[trust, ("HTTPS_PROXY", &proxy)]), Some(10));
    let head = told.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(head.starts_with("CONNECT 127.0.0.1:"), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic bwfrzxi6cgfzcyf3b3jk"), "{head}");
    assert!(!head.to_lowercase().contains("host: 127.0.0.1\r\nauthorization"), "{head}");

    // Nobody listens there: refused, not sent directly.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(ask(&server.url(), &[trust, ("ALL_PROXY", &format!("http://{nobody}"))]), Some(12));
    for unusable in ["socks5://127.0.0.1:1080", "socks5h://127.0.0.1:1080", "nonsense://x"] {
        assert_eq!(ask(&server.url(), &[trust, ("ALL_PROXY", unusable)]), Some(11), "{unusable}");
        assert_eq!(ask(&server.url(), &[trust, ("ALL_PROXY", unusable), ("NO_PROXY", "127.0.0.1")]), Some(10));
    }
}

#[test]
fn roots_that_cannot_be_read_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let missing = dir.path().join("missing.pem");
    for file in [&empty, &missing] {
        assert!(Client::new(Some(file.clone())).is_err());
        assert_eq!(ask("https://provider.invalid/", &[("SSL_CERT_FILE", file.to_str().unwrap())]), Some(11));
    }
}

/// A certificate that nobody vouches for, or that another vouches for, is told as that; nothing was sent.
#[test]
fn only_a_server_that_proves_who_it_is_is_spoken_to() {
    use google_emulator::{Server, ServerOptions, Tls};
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let tls = Some(Tls::default());
        Server::start("127.0.0.1:0", ServerOptions { tls, ..ServerOptions::default() }).unwrap()
    };
    let request = |server: &Server| Request { method: "GET".into(), body: Vec::new().into(), ..post(&server.url()) };
    let refused = |outcome| matches!(outcome, Err(Lost::NotSent(NotSent::Certificate(_))));

    let (server, other) = (start(), start());
    let pem = dir.path().join("root.pem");
    std::fs::write(&pem, server.certificate().unwrap()).unwrap();
    let client = Client::new(Some(pem.clone())).unwrap();
    for _ in 0..2 {
        assert_eq!(client.send(&request(&server), &TIMEOUTS).unwrap().status, 200);
    }
    assert!(refused(Client::new(None).unwrap().send(&request(&server), &TIMEOUTS)), "nobody vouches for it");
    assert!(refused(client.send(&request(&other), &TIMEOUTS)), "vouched for by another");
    assert_eq!(ask(&server.url(), &[("SSL_CERT_FILE", pem.to_str().unwrap())]), Some(10));
    assert_eq!(ask(&server.url(), &[]), Some(12));
}
