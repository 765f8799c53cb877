//! Documents, addresses and headers.

use std::str;
use std::time::{Duration, UNIX_EPOCH};

use device_grant::bearer::{self, Challenge, TokenVerdict};
use device_grant::{
    Client, ClientAuth, Discovery, DiscoveryStep, Endpoints, History, IssuerCheck, Metadata, Mono, Provider, Refresh,
    RefreshToken, Refreshed, Reply, Scopes, Url,
};

use crate::answers::Script;
use crate::texts::{assert_for_people, assert_scopes};

const ISSUER: &str = "https://login.example.org/tenant";

/// Discovery documents: the machine over both addresses, and reading one back from disk.
pub(crate) fn discovery(data: &[u8]) {
    let script = Script::read(data);
    for check in [IssuerCheck::Exact, IssuerCheck::Template] {
        let mut machine = Discovery::start(ISSUER, check).expect("a good address");
        let mut sent = 0;
        loop {
            match machine.next() {
                DiscoveryStep::Send(request) => {
                    sent += 1;
                    assert!(sent <= 2, "there are two documents");
                    assert!(request.method == "GET" && request.body.is_empty());
                    assert!(request.url.starts_with("https://login.example.org/"));
                    let none = Reply::Lost(device_grant::Lost::Unknown);
                    machine.reply(script.answers.get(sent - 1).map_or(none, |said| said.reply()));
                }
                DiscoveryStep::Done(metadata) => break assert_metadata(&metadata),
                DiscoveryStep::Failed(error) => break assert_for_people(&error.to_string()),
            }
        }
        for said in &script.answers {
            if let Err(error) = Metadata::read(ISSUER, check, said.body()) {
                assert_for_people(&error.to_string());
            }
        }
    }
}

fn assert_metadata(metadata: &Metadata) {
    assert_eq!(metadata.issuer.as_str(), ISSUER);
    let Endpoints { .. } = &metadata.endpoints;
    let endpoints = [metadata.endpoints.device_authorization(), metadata.endpoints.token()];
    for url in endpoints.into_iter().chain(metadata.endpoints.revocation()).chain(&metadata.userinfo) {
        assert_url(url);
        assert!(!url.as_str().contains('#'));
    }
    metadata.auth_methods.iter().chain(&metadata.scopes_supported).for_each(|text| assert_for_people(text.as_str()));
    assert!(metadata.foreign_endpoints().count() <= 4);
    // What was accepted survives being kept.
    let kept = Metadata::read(ISSUER, IssuerCheck::Exact, &metadata.to_json());
    assert_eq!(kept.as_ref(), Ok(metadata));
}

/// Addresses: what we accept means the same to the HTTP client that sends to it.
pub(crate) fn url(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Url::parse(text) {
        Ok(url) => {
            assert_eq!(url.as_str(), text, "an address is sent and shown as it came");
            assert_url(&url);
        }
        Err(error) => assert_for_people(&error.to_string()),
    }
}

fn assert_url(url: &Url) {
    let text = url.as_str();
    assert_for_people(text);
    assert!(text.is_ascii() && text.len() <= Url::MAX_LEN_BYTES && !text.contains([' ', '\\', '"', '<', '>']));
    assert!(!url.host().is_empty() && text.ends_with(url.path_and_rest()));
    let is_plain = text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"));
    assert!(!is_plain || url.is_loopback(), "plain http only on this machine: {text}");
    assert!(url.same_origin(url));
    // The second opinion. It may refuse more; what it accepts it must understand as we do.
    let Ok(uri) = text.parse::<http::Uri>() else { return };
    assert_eq!(uri.host(), Some(url.host()), "{text}");
    let default = if is_plain { 80 } else { 443 };
    assert_eq!(uri.port_u16().unwrap_or(default), url.port(), "{text}");
}

/// `WWW-Authenticate`: several headers, one on a line.
pub(crate) fn www_authenticate(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for header in text.lines() {
        let found = bearer::challenges(header);
        let parts = |c: &Challenge| c.scheme.len() + c.parameters.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
        assert!(found.iter().map(parts).sum::<usize>() <= header.len(), "nothing is made up");
        // Written out in the plain form, they are read again as the same.
        let written: Vec<String> = found.iter().map(written).collect();
        assert_eq!(bearer::challenges(&written.join(", ")), found, "{written:?}");
    }
    for status in [200, 400, 401, 403] {
        match bearer::verdict(status, text.lines()) {
            TokenVerdict::InsufficientScope(scopes) => assert_scopes(&scopes),
            verdict => assert!(status != 401 || verdict == TokenVerdict::Stale),
        }
    }
}

fn written(challenge: &Challenge) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let parameters = challenge.parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value)));
    format!("{} {}", challenge.scheme, parameters.collect::<Vec<_>>().join(", "))
}

/// `Retry-After` and `Date`: a line each.
pub(crate) fn http_date(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (retry_after, date) = text.split_once('\n').unwrap_or((text, ""));
    let endpoints =
        Endpoints::new("https://as.example/device", "https://as.example/token", None).expect("good addresses");
    let client = Client::new(Provider::rfc(endpoints), "gadget", ClientAuth::None).expect("printable");
    let (token, scopes) = (RefreshToken::parse("rt".into()).expect("printable"), Scopes::none());
    let headers = |name: &str| match name {
        "retry-after" => Some(retry_after),
        "date" => Some(date),
        _ => None,
    };
    let answer = device_grant::Answer::new(503, headers, b"");
    let refresh = Refresh::new(&client, &token, &scopes, History::Clear);
    let Refreshed::Later { retry_after: wait, .. } = refresh.outcome(Reply::Answer(answer), Mono::default()) else {
        panic!("503 is for later");
    };
    let ten_years = Duration::from_secs(10 * 366 * 86_400);
    assert!(wait.is_none_or(|wait| wait <= ten_years), "{wait:?}");
    // The second opinion, where both are dates.
    let unix = |text: &str| httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok();
    if let (Some(wait), Some(then), Some(now)) = (wait, unix(retry_after.trim()), unix(date.trim())) {
        assert_eq!(wait, then.saturating_sub(now).min(ten_years), "{text:?}");
    }
}
