//! HTTP as clients really speak it: gzip, forms of errors, many calls in one, and what nobody should send.

mod common;

use std::io::{Read, Write};

use common::{World, append, row};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use google_emulator::{Options, Request, Server, ServerOptions};
use serde_json::json;

fn start() -> Server {
    let model = Options { approve_as: Some(common::OWNER.into()), ..Options::default() };
    Server::start("127.0.0.1:0", ServerOptions { model, ..ServerOptions::default() }).expect("a free port")
}

/// Head and body of the answer to one request.
fn exchange(server: &Server, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = std::net::TcpStream::connect(server.address()).expect("it listens");
    let host = server.address();
    write!(stream, "{head}\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())
        .expect("sent");
    stream.write_all(body).expect("sent");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("an answer");
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&reply[..end]).into_owned(), reply[end + 4..].to_vec())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

#[test]
fn answers_are_gzipped_for_who_asks() {
    let server = start();
    let get = "GET /.well-known/openid-configuration HTTP/1.1";
    let (head, plain) = exchange(&server, get, b"");
    assert!(!head.contains("Content-Encoding") && plain.starts_with(b"{"), "{head}");
    let (head, body) = exchange(&server, &format!("{get}\r\nAccept-Encoding: deflate, gzip;q=0.5"), b"");
    assert!(
        head.contains("Content-Encoding: gzip") && head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
    let mut text = Vec::new();
    GzDecoder::new(body.as_slice()).read_to_end(&mut text).expect("gzip");
    assert_eq!(text, plain);
    let (head, _) = exchange(&server, &format!("{get}\r\nAccept-Encoding: gzip;q=0, br"), b"");
    assert!(!head.contains("Content-Encoding"), "{head}");
}

#[test]
fn gzipped_requests_are_taken_and_bombs_are_not() {
    let server = start();
    let post =
        "POST /device/code HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip";
    let form = format!("client_id=emulator-client&scope={}", common::DRIVE_FILE);
    let (head, body) = exchange(&server, post, &packed(form.as_bytes()));
    assert!(head.starts_with("HTTP/1.1 200") && body.starts_with(b"{"), "{head}");
    for (head, body, status) in [
        (post.to_owned(), packed(&vec![b'a'; 40 << 20]), "413"),
        (post.to_owned(), b"no gzip".to_vec(), "400"),
        (post.replace("gzip", "br"), b"x".to_vec(), "415"),
    ] {
        let (head, _) = exchange(&server, &head, &body);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    }
}

#[test]
fn errors_come_in_the_form_that_is_asked_for() {
    let mut world = World::unlimited();
    let tokens = world.sign_in();
    let error = |world: &mut World, query: &str| world.get(&tokens, &format!("/v4/spreadsheets/none{query}"));
    assert_eq!(error(&mut world, "").value()["error"].get("errors"), None);
    let old = error(&mut world, "?$.xgafv=1").value();
    assert_eq!(old["error"]["errors"][0]["reason"], "notFound");
    assert_eq!(old["error"]["status"], "NOT_FOUND");
    assert!(!error(&mut world, "?prettyPrint=false").text().contains('\n'));
    for (query, status) in
        [("?alt=json", 404), ("?alt=proto", 501), ("?alt=xml", 400), ("?$.xgafv=3", 400), ("?callback=x", 501)]
    {
        assert_eq!(error(&mut world, query).status, status, "{query}");
    }
    let by_query = Request::new("GET", &format!("/v4/spreadsheets/none?oauth_token={}", tokens.access));
    assert_eq!(world.send(&by_query).status, 404, "the token is known");
}

#[test]
fn many_calls_go_in_one() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[row(&["first".into()])])]));
    let (id, token) = (sheet.id.clone(), sheet.tokens.access.clone());
    let body = format!(
        "--x\r\nContent-Type: application/http\r\nContent-ID: <a + 1>\r\n\r\nGET /v4/spreadsheets/{id}/values/A1 HTTP/1.1\r\n\r\n\r\n\
         --x\r\nContent-Type: application/http\r\nContent-ID: <a + 2>\r\n\r\n\
         PUT https://sheets.googleapis.com/v4/spreadsheets/{id}/values/A1?valueInputOption=RAW HTTP/1.1\r\n\
         Content-Type: application/json\r\n\r\n{{\"values\": [[\"changed\"]]}}\r\n\
         --x\r\nContent-Type: application/http\r\n\r\nGET /v4/spreadsheets/none HTTP/1.1\r\n\r\n\r\n--x--"
    );
    let mut request = Request::new("POST", "/batch")
        .with_bearer(&token)
        .with_header("Content-Type", "multipart/mixed; boundary=\"x\"");
    request.body = body.into_bytes();
    let reply = sheet.world.send(&request);
    let text = reply.text();
    let boundary =
        reply.header("content-type").and_then(|kind| kind.strip_prefix("multipart/mixed; boundary=")).unwrap();
    assert_eq!(text.matches(&format!("--{boundary}\r\n")).count(), 3, "{text}");
    assert!(
        text.contains("Content-ID: <response-a + 1>\r\n\r\nHTTP/1.1 200 OK") && text.contains("\"first\""),
        "{text}"
    );
    assert!(text.contains("HTTP/1.1 404 Not Found"), "one that fails does not stop the others: {text}");
    assert_eq!(sheet.values("A1"), json!([["changed"]]));
    for bad in ["", "--x--", "--x\r\n\r\nGET", "--x\r\nno header\r\n\r\nGET / HTTP/1.1\r\n\r\n--x--", "--y"] {
        request.body = bad.as_bytes().to_vec();
        assert_eq!(sheet.world.send(&request).status, 400, "{bad:?}");
    }
    request.body = b"--x\r\n\r\nPOST /batch HTTP/1.1\r\n\r\n--x--".to_vec();
    assert!(sheet.world.send(&request).text().contains("HTTP/1.1 404"), "no batch in a batch");
}

/// Every cut and every flipped byte of what clients send gets an answer, or none, and the next client its own.
#[test]
fn hostile_heads_and_bodies_hurt_nobody() {
    let server = start();
    let long = "a".repeat(70_000);
    for head in [
        "GET / HTTP/9.9".to_owned(),
        "\0\x01\x02".to_owned(),
        format!("GET /{long} HTTP/1.1"),
        format!("GET / HTTP/1.1\r\nX: {long}"),
        format!("GET / HTTP/1.1{}", "\r\nX: y".repeat(200)),
        "POST /token HTTP/1.1\r\nTransfer-Encoding: chunked".to_owned(),
        "POST /token HTTP/1.1\r\nTransfer-Encoding: gzip, chunked, identity".to_owned(),
        "GET //../../etc/passwd HTTP/1.1".to_owned(),
        "GET /v4/spreadsheets/%00%ff%zz/values/%27%27%27! HTTP/1.1".to_owned(),
        "OPTIONS * HTTP/1.1".to_owned(),
        "CONNECT evil.example:443 HTTP/1.1".to_owned(),
        "TRACE / HTTP/1.1".to_owned(),
        "HEAD /v4/spreadsheets HTTP/1.1".to_owned(),
        "GET http://169.254.169.254/latest HTTP/1.1".to_owned(),
    ] {
        let mut stream = std::net::TcpStream::connect(server.address()).expect("it listens");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a limit");
        let _ = write!(stream, "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let text = String::from_utf8_lossy(&reply);
        let status = text.get(9..12).unwrap_or("none").to_owned();
        assert!(!["200", "500"].contains(&status.as_str()) || head.starts_with("GET / "), "{head:.60}: {text:.200}");
    }
    let (head, _) = exchange(&server, "GET / HTTP/1.1", b"");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}
