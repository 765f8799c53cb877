//! RFC 8414, OpenID Connect Discovery 1.0, RFC 8628 section 4.

use crate::support::*;

const DOCUMENT: &str = r#"{"issuer":"https://h.example/t1","token_endpoint":"https://h.example/token",
    "device_authorization_endpoint":"https://h.example//device","revocation_endpoint":"https://h.example/revoke",
    "userinfo_endpoint":"https://h.example/me","token_endpoint_auth_methods_supported":["client_secret_basic"],
    "scopes_supported":["openid","x\u001b"],"grant_types_supported":["authorization_code"],"extra":[{}]}"#;

fn next(discovery: &Discovery) -> String {
    match discovery.next() {
        DiscoveryStep::Send(request) => {
            assert_eq!(request.method, "GET");
            request.url
        }
        other => panic!("{other:?}"),
    }
}

/// What comes of asking `issuer` when every request gets the same answer.
fn discover(issuer: &str, said: (u16, &str)) -> Result<Metadata, DiscoveryError> {
    let mut discovery = Discovery::start(issuer, IssuerCheck::Exact).unwrap();
    loop {
        match discovery.next() {
            DiscoveryStep::Send(_) => discovery.reply(answer(said.0, said.1)),
            DiscoveryStep::Done(metadata) => return Ok(*metadata),
            DiscoveryStep::Failed(error) => return Err(error),
        }
    }
}

fn with(from: &str, to: &str) -> Result<Metadata, DiscoveryError> {
    assert!(DOCUMENT.contains(from));
    discover("https://h.example/t1", (200, &DOCUMENT.replace(from, to)))
}

#[test]
fn both_addresses_are_computed_and_tried_in_turn() {
    for (issuer, open_id, oauth) in [
        (
            "https://h.example",
            "https://h.example/.well-known/openid-configuration",
            "https://h.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://h.example:8443/t1/",
            "https://h.example:8443/t1/.well-known/openid-configuration",
            "https://h.example:8443/.well-known/oauth-authorization-server/t1",
        ),
    ] {
        let mut discovery = Discovery::start(issuer, IssuerCheck::Exact).unwrap();
        assert_eq!(next(&discovery), open_id);
        discovery.reply(answer(404, "<html>"));
        assert_eq!(next(&discovery), oauth);
        discovery.reply(answer(404, "<html>"));
        let DiscoveryStep::Failed(error) = discovery.next() else { panic!() };
        assert_eq!(error, DiscoveryError::NotFound { status: 404 });
    }
}

#[test]
fn a_document_without_a_device_endpoint_is_asked_for_in_the_other_place() {
    let mut discovery = Discovery::start("https://h.example/t1", IssuerCheck::Exact).unwrap();
    discovery.reply(answer(200, &DOCUMENT.replace("device_authorization_endpoint", "other")));
    assert!(next(&discovery).ends_with("/.well-known/oauth-authorization-server/t1"));
    discovery.reply(answer(200, DOCUMENT));
    assert!(matches!(discovery.next(), DiscoveryStep::Done(_)));
}

#[test]
fn a_page_or_a_failure_in_the_first_place_does_not_hide_the_second() {
    for said in [(200, "<html>our shop</html>"), (500, ""), (302, ""), (401, "{}")] {
        let mut discovery = Discovery::start("https://h.example/t1", IssuerCheck::Exact).unwrap();
        discovery.reply(answer(said.0, said.1));
        discovery.reply(answer(200, DOCUMENT));
        assert!(matches!(discovery.next(), DiscoveryStep::Done(_)), "{said:?}");
    }
}

#[test]
fn the_more_telling_of_two_failures_is_told() {
    let mut discovery = Discovery::start("https://h.example/t1", IssuerCheck::Exact).unwrap();
    discovery.reply(answer(200, &DOCUMENT.replace("device_authorization_endpoint", "other")));
    discovery.reply(answer(404, ""));
    assert!(matches!(discovery.next(), DiscoveryStep::Failed(DiscoveryError::NoDeviceFlow)));
}

#[test]
fn another_issuer_is_refused_byte_for_byte() {
    for other in ["https://evil.example/t1", "https://h.example/t1/", "https://H.example/t1"] {
        let error = with("https://h.example/t1", other).unwrap_err();
        assert_eq!(error, DiscoveryError::OtherIssuer(Text::clean(other)));
    }
    assert_eq!(with("\"issuer\"", "\"x\"").unwrap_err(), DiscoveryError::Missing("issuer"));
}

#[test]
fn the_template_of_entra_fits_where_the_dialect_says_so() {
    let document = DOCUMENT.replace("https://h.example/t1", "https://h.example/{tenantid}/v2.0");
    let read = |issuer: &str, check| Metadata::read(issuer, check, document.as_bytes());
    assert!(read("https://h.example/common/v2.0", IssuerCheck::Template).is_ok());
    assert!(read("https://h.example/common/v2.0", IssuerCheck::Exact).is_err());
    for wrong in ["https://h.example/v2.0", "https://h.example//v2.0", "https://evil.example/common/v2.0"] {
        assert!(read(wrong, IssuerCheck::Template).is_err(), "{wrong}");
    }
}

#[test]
fn an_issuer_is_https_without_query_and_fragment() {
    for (issuer, why) in [
        ("http://h.example", BadUrl::Insecure),
        ("https://h.example?x", BadUrl::QueryOrFragment),
        ("https://h.example/#x", BadUrl::QueryOrFragment),
        ("h.example", BadUrl::Scheme),
        ("https://u:p@h.example", BadUrl::UserInfo),
    ] {
        assert_eq!(Discovery::start(issuer, IssuerCheck::Exact).err(), Some(why), "{issuer}");
    }
    assert!(Discovery::start("http://127.0.0.1:8085", IssuerCheck::Exact).is_ok());
}

#[test]
fn the_endpoint_decides_whether_there_is_a_device_flow() {
    let found = discover("https://h.example/t1", (200, DOCUMENT)).unwrap();
    assert_eq!(found.endpoints.device_authorization().as_str(), "https://h.example//device", "two slashes are kept");
    assert_eq!(with("device_authorization_endpoint", "x").unwrap_err(), DiscoveryError::NoDeviceFlow);
    assert_eq!(with("token_endpoint\"", "x\"").unwrap_err(), DiscoveryError::Missing("token_endpoint"));
}

#[test]
fn what_else_the_document_says_is_read() {
    let found = discover("https://h.example/t1", (200, DOCUMENT)).unwrap();
    assert_eq!(found.endpoints.revocation().unwrap().as_str(), "https://h.example/revoke");
    assert_eq!(found.userinfo.as_ref().unwrap().as_str(), "https://h.example/me");
    assert_eq!(found.scopes_supported, [Text::clean("openid"), Text::clean("x?")]);
}

#[test]
fn the_way_to_authenticate_follows_the_document() {
    let way = |methods: &str, secret: Option<ClientSecret>| {
        let found = with(r#"["client_secret_basic"]"#, methods).unwrap();
        format!("{:?}", found.client_auth(secret))
    };
    let some = || Some(secret("s"));
    assert_eq!(way(r#"["client_secret_basic"]"#, None), "None");
    assert_eq!(way(r#"["client_secret_basic"]"#, some()), "Basic(ClientSecret(hidden))");
    assert_eq!(way(r#"["client_secret_post","client_secret_basic"]"#, some()), "Post(ClientSecret(hidden))");
    assert_eq!(way("null", some()), "Basic(ClientSecret(hidden))", "RFC 8414 section 2");
    assert!(matches!(ClientAuth::default_for(some()), ClientAuth::Post(_)));
    assert!(matches!(ClientAuth::default_for(None), ClientAuth::None));
}

#[test]
fn an_endpoint_without_tls_is_refused() {
    let error = with("https://h.example/token", "http://h.example/token").unwrap_err();
    assert_eq!(error, DiscoveryError::BadEndpoint(BadEndpoint { which: "token_endpoint", why: BadUrl::Insecure }));
    assert!(with("https://h.example/me", "javascript:x").is_err());
}

#[test]
fn endpoints_on_another_site_are_pointed_out() {
    let foreign = |found: &Metadata| found.foreign_endpoints().map(|url| url.host().to_owned()).collect::<Vec<_>>();
    assert!(foreign(&discover("https://h.example/t1", (200, DOCUMENT)).unwrap()).is_empty());
    let found = with("https://h.example/token", "https://tokens.other.net/token").unwrap();
    assert_eq!(foreign(&found), ["tokens.other.net"]);
}

#[test]
fn a_kept_copy_serves_when_discovery_is_down() {
    let found = discover("https://h.example/t1", (200, DOCUMENT)).unwrap();
    for said in [(503, ""), (429, ""), (200, "<html>Sign in to this Wi-Fi</html>")] {
        assert!(matches!(discover("https://h.example/t1", said), Err(DiscoveryError::Later { .. })));
    }
    let mut discovery = Discovery::start("https://h.example/t1", IssuerCheck::Exact).unwrap();
    discovery.reply(Reply::Lost(Lost::NotSent));
    assert!(matches!(discovery.next(), DiscoveryStep::Failed(DiscoveryError::Later { .. })));
    let kept = found.to_json();
    assert_eq!(Metadata::read("https://h.example/t1", IssuerCheck::Exact, &kept).unwrap(), found);
    assert!(Metadata::read("https://other.example", IssuerCheck::Exact, &kept).is_err());
}
