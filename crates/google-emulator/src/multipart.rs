//! Many calls in one request: `multipart/mixed` to the `batchPath` of the discovery documents, each part an HTTP request of its
//! own. They are made one after another; one that fails does not stop the next, and each counts for the quota.

use crate::{
    model::Model,
    random::Random,
    wire::{Reply, Request},
};

/// `batchPath` of Sheets and of Drive.
pub(crate) const PATHS: [&str; 2] = ["/batch", "/batch/drive/v3"];

/// unknown to us: Google's limit, and its words; client libraries stop at a thousand.
const MOST_CALLS: usize = 1_000;

/// `call` answers one request with a seed of its own.
pub(crate) fn handle(
    model: &mut Model,
    request: &Request,
    seed: u64,
    call: fn(&mut Model, &Request, u64) -> Reply,
) -> Reply {
    let Some(calls) = parse(request) else {
        return crate::sheets::errors::Refusal::unsourced("The batch request could not be read.").reply();
    };
    let mut random = Random::seeded(seed);
    let boundary = format!("batch_{}", random.opaque(24));
    let mut body = String::new();
    for (id, inner) in calls {
        let reply = match PATHS.contains(&inner.path()) {
            true => crate::sheets::errors::html(404),
            false => call(model, &inner, random.next()),
        };
        body.push_str(&format!("--{boundary}\r\nContent-Type: application/http\r\n"));
        if let Some(id) = id {
            body.push_str(&format!("Content-ID: <response-{}\r\n", id.trim_start_matches('<')));
        }
        body.push_str(&format!("\r\nHTTP/1.1 {} {}\r\n", reply.status, reply.reason()));
        for (name, value) in &reply.headers {
            body.push_str(&format!("{name}: {value}\r\n"));
        }
        body.push_str(&format!("Content-Length: {}\r\n\r\n{}\r\n", reply.body.len(), reply.text()));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    Reply::new(200, &format!("multipart/mixed; boundary={boundary}"), body)
}

/// The calls with their Content-IDs. None if it is no batch, or too large a one.
fn parse(request: &Request) -> Option<Vec<(Option<String>, Request)>> {
    let kind = request.header("content-type")?;
    let (media, _) = kind.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let boundary = kind.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let body = std::str::from_utf8(&request.body).ok()?;
    let mut calls = Vec::new();
    let mark = format!("--{boundary}");
    let mut parts = body.split(mark.as_str()).skip(1);
    loop {
        let part = parts.next()?;
        if part.starts_with("--") {
            break;
        }
        if calls.len() == MOST_CALLS {
            return None;
        }
        // A part may have no headers of its own: then an empty line follows at once.
        let part = part.trim_start_matches([' ', '\t']);
        let part = part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n'))?;
        let (headers, inner) = headers(part)?;
        let id =
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-id")).map(|(_, value)| value.clone());
        calls.push((id, inner_request(inner, request)?));
    }
    (!calls.is_empty()).then_some(calls)
}

/// Header lines up to an empty one, and what follows.
fn headers(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim_end_matches('\r');
        rest = after;
        if line.is_empty() {
            return Some((found, rest));
        }
        let (name, value) = line.split_once(':')?;
        found.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

/// `POST /v4/… HTTP/1.1`, its headers and its body; credentials and host are the outer request's unless it has its own.
fn inner_request(text: &str, outer: &Request) -> Option<Request> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let path = match target.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => target,
    };
    let (headers, body) = headers(rest)?;
    let mut request = Request::new(&method.to_ascii_uppercase(), path);
    request.headers = headers;
    for name in ["authorization", "host"] {
        if let Some(value) = outer.header(name).filter(|_| request.header(name).is_none()) {
            let value = value.to_owned();
            request.headers.push((name.to_owned(), value));
        }
    }
    // The line break before the next boundary belongs to the boundary (RFC 2046 section 5.1.1).
    request.body = body.trim_end_matches(['\r', '\n']).as_bytes().to_vec();
    path.starts_with('/').then_some(request)
}
