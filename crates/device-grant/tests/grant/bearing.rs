//! RFC 6750: using the token, and reading a refusal.

use crate::support::*;
use device_grant::bearer::{TokenVerdict, authorization, challenges, verdict};

#[test]
fn the_token_goes_into_the_header() {
    let token = AccessToken::parse("mF_9.B5f-4.1JqM".into()).unwrap();
    assert_eq!(*authorization(&token), "Bearer mF_9.B5f-4.1JqM");
}

#[test]
fn a_token_that_could_end_a_header_is_refused() {
    for bad in ["a\r\nX: y", "a b", "a\0", "tök", "a\u{7f}"] {
        assert_eq!(AccessToken::parse(bad.into()).err(), Some(BadSecret::NotPrintable), "{bad:?}");
    }
    assert_eq!(AccessToken::parse(String::new()).err(), Some(BadSecret::Empty));
    for good in ["ya29.a0Af_-~+/==", "00D5e000001N20Q!AQEAQI"] {
        assert!(AccessToken::parse(good.into()).is_ok());
    }
}

#[test]
fn a_401_asks_for_one_refresh_whatever_its_header_says() {
    for header in ["Bearer error=\"invalid_token\"", "Bearer realm=\"x\"", "Basic realm=\"y\"", "rubbish,,=\"", ""] {
        assert_eq!(verdict(401, [header]), TokenVerdict::Stale, "{header}");
    }
    assert_eq!(verdict(401, []), TokenVerdict::Stale);
}

#[test]
fn a_missing_scope_is_no_matter_of_refreshing() {
    let header = "Bearer error=\"insufficient_scope\", scope=\"drive.file email\"";
    for status in [401, 403] {
        assert_eq!(verdict(status, [header]), TokenVerdict::InsufficientScope(scopes("drive.file email")));
    }
    assert_eq!(verdict(403, ["Bearer realm=x"]), TokenVerdict::Accepted, "a 403 of the API itself");
}

#[test]
fn a_malformed_request_is_not_repeated() {
    assert_eq!(verdict(400, ["Bearer error=\"invalid_request\""]), TokenVerdict::BadRequest);
    assert_eq!(verdict(400, []), TokenVerdict::Accepted);
    assert_eq!(verdict(200, []), TokenVerdict::Accepted);
}

#[test]
fn challenges_are_told_apart() {
    let read = |header: &str| {
        let shown = challenges(header).into_iter().map(|challenge| {
            let parameters = challenge.parameters.iter().map(|(name, value)| format!(" {name}={value}"));
            challenge.scheme.clone() + &parameters.collect::<String>()
        });
        shown.collect::<Vec<_>>()
    };
    for (header, expected) in [
        (
            r#"Basic realm="a, b", Bearer error="invalid_token", scope="x y""#,
            &["Basic realm=a, b", "Bearer error=invalid_token scope=x y"][..],
        ),
        (r#"Bearer realm="say \"hi\" \\", error=invalid_token"#, &[r#"Bearer realm=say "hi" \ error=invalid_token"#]),
        ("bearer ERROR = \"x\" ,, y=z", &["bearer ERROR=x y=z"]),
        ("Negotiate abc==, Bearer", &["Negotiate", "abc", "Bearer"]),
        ("Bearer, Basic realm=x", &["Bearer", "Basic realm=x"]),
        ("Bearer error=\"cut", &["Bearer error=cut"]),
        ("=\"x\"", &["x"]),
        ("", &[]),
    ] {
        assert_eq!(read(header), expected, "{header}");
    }
}
