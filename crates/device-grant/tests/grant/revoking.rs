//! RFC 7009: giving a grant back.

use crate::support::*;

fn outcome_at(client: &Client, reply: Reply<'_>) -> Revoked {
    let token = RefreshToken::parse("rt-1".into()).unwrap();
    Revoke::refresh_token(client, &token).unwrap().outcome(reply)
}

fn outcome(status: u16, body: &str) -> Revoked {
    outcome_at(&client(), answer(status, body))
}

#[test]
fn a_revocation_is_exactly_this() {
    let auth = ClientAuth::Post(secret("s3cret"));
    let client = Client::new(Provider::rfc(endpoints()), "gadget", auth).unwrap();
    let refresh = RefreshToken::parse("rt-1".into()).unwrap();
    let request = Revoke::refresh_token(&client, &refresh).unwrap().request();
    assert_eq!((request.method, request.url.as_str()), ("POST", "https://as.example/revoke"));
    assert_eq!(body(&request), "client_id=gadget&client_secret=s3cret&token=rt-1&token_type_hint=refresh_token");
    let access = AccessToken::parse("at-1".into()).unwrap();
    let request = Revoke::access_token(&client, &access).unwrap().request();
    assert!(body(&request).ends_with("token=at-1&token_type_hint=access_token"));
}

#[test]
fn google_wants_the_token_alone() {
    let provider = Provider::preset("google", None).unwrap();
    let client = Client::new(provider, "gadget", ClientAuth::Post(secret("s3cret"))).unwrap();
    let refresh = RefreshToken::parse("1//rt".into()).unwrap();
    let request = Revoke::refresh_token(&client, &refresh).unwrap().request();
    assert_eq!((request.url.as_str(), &*body(&request)), ("https://oauth2.googleapis.com/revoke", "token=1%2F%2Frt"));
}

#[test]
fn a_dead_token_is_as_good_as_revoked() {
    assert_eq!(outcome(200, ""), Revoked::Done);
    assert_eq!(outcome(200, "<html>"), Revoked::Done);
    assert_eq!(outcome(204, ""), Revoked::Done);
    assert_eq!(
        outcome(400, r#"{"error":"invalid_token","error_description":"Token expired or revoked"}"#),
        Revoked::Done
    );
    assert_eq!(outcome(400, r#"{"error":"invalid_grant"}"#), Revoked::Done);
}

#[test]
fn a_revocation_that_did_not_get_through_is_kept_for_later() {
    let retry = |name: &str| (name == "retry-after").then_some("30");
    let busy = outcome_at(&client(), Reply::Answer(Answer::new(503, retry, b"")));
    assert_eq!(busy, Revoked::Later { trouble: Trouble::Unreadable { status: 503 }, retry_after: Some(secs(30)) });
    for lost in [Lost::NotSent, Lost::Unknown] {
        assert!(matches!(outcome_at(&client(), Reply::Lost(lost)), Revoked::Later { .. }));
    }
    assert!(matches!(outcome(400, r#"{"error":"server_error"}"#), Revoked::Later { .. }));
}

#[test]
fn a_kind_that_is_not_revoked_here_asks_for_the_other() {
    assert!(matches!(outcome(400, r#"{"error":"unsupported_token_type"}"#), Revoked::OtherKind(_)));
}

#[test]
fn a_refusal_is_told_and_the_tokens_are_forgotten_all_the_same() {
    assert!(matches!(outcome(401, r#"{"error":"invalid_client"}"#), Revoked::Refused(Some(_))));
    assert_eq!(outcome(401, ""), Revoked::Refused(None));
    assert_eq!(outcome(404, "<html>"), Revoked::Refused(None));
}

#[test]
fn without_an_endpoint_there_is_nothing_to_send() {
    let provider = Provider::preset("microsoft", None).unwrap();
    let client = Client::new(provider, "gadget", ClientAuth::None).unwrap();
    let token = RefreshToken::parse("rt".into()).unwrap();
    assert!(Revoke::refresh_token(&client, &token).is_none());
}
