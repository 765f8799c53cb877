//! RFC 6749 sections 5 and 6: tokens, and renewing them.

use crate::support::*;

fn token() -> RefreshToken {
    RefreshToken::parse("rt-1".into()).unwrap()
}

fn refresh_at(client: &Client, history: History, reply: Reply<'_>) -> Refreshed {
    Refresh::new(client, &token(), &scopes("a b"), history).outcome(reply, at(100.0))
}

fn refresh(said: (u16, &str)) -> Refreshed {
    refresh_at(&client(), History::Clear, answer(said.0, said.1))
}

fn renewed(body: &str) -> Tokens {
    match refresh((200, body)) {
        Refreshed::Renewed(tokens) => *tokens,
        other => panic!("{body}: {other:?}"),
    }
}

/// Signs in and gets `body` for an answer.
fn signed_in(body: &str) -> Result<Tokens, SignInError> {
    let client = client();
    let mut device = Device::asking(&client, Ask::new(scopes("a b")));
    device.next().request();
    device.answer((200, DEVICE_ANSWER));
    match device.poll((200, body)).next() {
        Wish::Done(tokens) => Ok(*tokens),
        Wish::Failed(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refresh_is_exactly_this() {
    let auth = ClientAuth::Post(secret("s3cret"));
    let client = Client::new(Provider::rfc(endpoints()), "gadget", auth).unwrap();
    let (token, scopes) = (token(), scopes("a b"));
    let request = Refresh::new(&client, &token, &scopes, History::Clear).request();
    assert_eq!((request.method, request.url.as_str()), ("POST", "https://as.example/token"));
    assert_eq!(body(&request), "client_id=gadget&client_secret=s3cret&grant_type=refresh_token&refresh_token=rt-1");
}

#[test]
fn a_refresh_names_no_scope_unless_the_dialect_wants_it() {
    let entra = client_of(Dialect { repeat_scope: RepeatScope::Refresh, ..Dialect::RFC });
    let (token, scopes) = (token(), scopes("a b"));
    let scope = |client: &Client| parameter(&Refresh::new(client, &token, &scopes, History::Clear).request(), "scope");
    assert_eq!(scope(&client()), None);
    assert_eq!(scope(&entra).as_deref(), Some("a b"));
}

#[test]
fn fewer_scopes_are_named_and_none_of_them_is_missing() {
    let (client, token, granted, fewer) = (client(), token(), scopes("a b"), scopes("b"));
    let refresh = Refresh::new(&client, &token, &granted, History::Clear).narrowed_to(&fewer);
    assert_eq!(parameter(&refresh.request(), "scope").as_deref(), Some("b"));
    let said = r#"{"access_token":"at","token_type":"bearer","scope":"b"}"#;
    let Refreshed::Renewed(tokens) = refresh.outcome(answer(200, said), at(100.0)) else { panic!("not renewed") };
    assert_eq!((tokens.scopes, tokens.missing_scopes), (fewer, Scopes::none()));
}

#[test]
fn a_new_refresh_token_replaces_the_old_and_none_keeps_it() {
    let rotated = renewed(r#"{"access_token":"at","token_type":"bearer","refresh_token":"rt-2"}"#);
    assert_eq!(rotated.refresh.unwrap().expose(), "rt-2");
    assert!(renewed(r#"{"access_token":"at","token_type":"bearer","refresh_token":null}"#).refresh.is_none());
}

#[test]
fn lives_count_from_the_sending() {
    let tokens = renewed(r#"{"access_token":"at","token_type":"bearer","expires_in":3599}"#);
    assert_eq!((tokens.asked_at, tokens.expires_in), (at(100.0), Some(secs(3599))));
    for (text, life_s) in [("\"3600\"", 3600), ("3599.9", 3599), ("\"3.6e3\"", 3600)] {
        let tokens = renewed(&format!(r#"{{"access_token":"at","token_type":"bearer","expires_in":{text}}}"#));
        assert_eq!(tokens.expires_in, Some(secs(life_s)));
    }
}

/// Found by fuzzing: a provider that puts our own secret where the type belongs.
#[test]
fn a_type_that_repeats_a_secret_does_not_reach_the_message() {
    let client = Client::new(Provider::rfc(endpoints()), "gadget", ClientAuth::Post(secret("s3cret"))).unwrap();
    let long = "rt-1".repeat(20);
    for kind in ["BearerS3s3cret", "rt-1", long.as_str()] {
        let body = format!(r#"{{"access_token":"at","token_type":"{kind}"}}"#);
        let Refreshed::Unusable { fault, .. } = refresh_at(&client, History::Clear, answer(200, &body)) else {
            panic!()
        };
        let said = fault.to_string();
        assert!(!said.contains("s3cret") && !said.contains("rt-1"), "{said}");
    }
}

#[test]
fn the_type_of_a_token_may_have_any_case() {
    for kind in ["bearer", "Bearer", "BEARER"] {
        assert!(signed_in(&format!(r#"{{"access_token":"at","token_type":"{kind}"}}"#)).is_ok());
    }
}

#[test]
fn a_token_of_another_type_is_not_used() {
    for kind in ["mac", "DPoP"] {
        let error = signed_in(&format!(r#"{{"access_token":"at","token_type":"{kind}"}}"#)).unwrap_err();
        assert_eq!(error, SignInError::BadAnswer(BadAnswer::TokenType(Text::clean(kind))));
    }
    let error = signed_in(r#"{"access_token":"at"}"#).unwrap_err();
    assert_eq!(error, SignInError::BadAnswer(BadAnswer::Missing("token_type")));
}

#[test]
fn a_type_that_is_not_said_is_bearer_where_the_dialect_or_the_sign_in_says_so() {
    let lenient = client_of(Dialect { bearer_by_default: true, ..Dialect::RFC });
    let mut device = Device::with_code(&lenient);
    device.poll((200, r#"{"access_token":"at"}"#)).next().tokens();
    renewed(r#"{"access_token":"at"}"#);
}

#[test]
fn no_expiry_means_no_plan_to_refresh() {
    for expires_in in ["", r#","expires_in":null"#, r#","expires_in":0"#, r#","expires_in":-1"#, r#","expires_in":"x""#]
    {
        let tokens = renewed(&format!(r#"{{"access_token":"at","token_type":"bearer"{expires_in}}}"#));
        assert_eq!((tokens.expires_in, tokens.refresh_after(0)), (None, None), "{expires_in}");
    }
}

#[test]
fn a_grant_may_come_without_a_refresh_token() {
    assert!(signed_in(r#"{"access_token":"at","token_type":"bearer"}"#).unwrap().refresh.is_none());
}

#[test]
fn scopes_are_compared_as_sets() {
    for (scope, granted, missing) in [
        ("", "a b", ""),
        (r#","scope":"b a""#, "b a", ""),
        (r#","scope":"a""#, "a", "b"),
        (r#","scope":"a,b""#, "a b", ""),
        (r#","scope":["b","c"]"#, "b c", "a"),
        (r#","scope":[]"#, "", "a b"),
        (r#","scope":7"#, "a b", ""),
        (r#","scope":"""#, "a b", ""),
    ] {
        let tokens = signed_in(&format!(r#"{{"access_token":"at","token_type":"bearer"{scope}}}"#)).unwrap();
        assert_eq!((tokens.scopes, tokens.missing_scopes), (scopes(granted), scopes(missing)), "{scope}");
    }
}

#[test]
fn a_refresh_token_is_the_answer_to_offline_access() {
    let missing = |refresh: &str| {
        let client = client();
        let mut device = Device::asking(&client, Ask::new(scopes("a offline_access")));
        device.next().request();
        device.answer((200, DEVICE_ANSWER));
        device.poll((200, &format!(r#"{{"access_token":"at","token_type":"bearer","scope":"a"{refresh}}}"#)));
        device.next().tokens().missing_scopes
    };
    assert_eq!(missing(r#","refresh_token":"rt""#), Scopes::none());
    assert_eq!(missing(""), scopes("offline_access"));
}

#[test]
fn google_answers_with_longer_names_for_the_same_scopes() {
    let google = client_of(Provider::preset("google", None).unwrap().dialect);
    let mut device = Device::asking(&google, Ask::new(scopes("openid email")));
    device.next().request();
    device.answer((200, DEVICE_ANSWER));
    device.poll((
        200,
        r#"{"access_token":"at","token_type":"Bearer",
            "scope":"https://www.googleapis.com/auth/userinfo.email openid"}"#,
    ));
    assert!(device.next().tokens().missing_scopes.is_empty());
}

#[test]
fn what_else_came_is_kept() {
    let tokens = renewed(
        r#"{"access_token":"at","token_type":"bearer","expires_in":3600,"refresh_token_expires_in":604799,
            "ext_expires_in":7200,"refresh_in":1800,"id_token":"h.e30.s","junk":{}}"#,
    );
    assert_eq!(tokens.refresh_expires_in, Some(secs(604_799)));
    assert_eq!(tokens.ext_expires_in, Some(secs(7200)));
    assert_eq!(tokens.refresh_in, Some(secs(1800)));
    assert_eq!(tokens.id_token.as_ref().unwrap().expose(), "h.e30.s");
    assert_eq!(tokens.refresh_after(0), Some(secs(1800)), "the provider's wish is earlier than ours");
    assert_eq!(
        renewed(r#"{"access_token":"a","token_type":"b"}"#.replace("\"b\"", "\"bearer\"").as_str()).account,
        None
    );
}

#[test]
fn who_approved_is_told_by_the_id_token() {
    // {"sub":"108","email":"ada@example.org"} and {"sub":"7","name":"A\u001b[31mda"}
    for (claims, subject, label) in [
        ("eyJzdWIiOiIxMDgiLCJlbWFpbCI6ImFkYUBleGFtcGxlLm9yZyJ9", "108", "ada@example.org"),
        ("eyJzdWIiOiI3IiwibmFtZSI6IkFcdTAwMWJbMzFtZGEifQ==", "7", "A?[31mda"),
    ] {
        let body = format!(r#"{{"access_token":"at","token_type":"bearer","id_token":"e30.{claims}.sig"}}"#);
        let account = signed_in(&body).unwrap().account.unwrap();
        assert_eq!(account, Account { subject: Some(Text::clean(subject)), label: Some(Text::clean(label)) });
    }
    for rubbish in ["", "x", "a.b.c", "a.!!!.c", "a.bnVsbA.c", "..", "\\n"] {
        let body = format!(r#"{{"access_token":"at","token_type":"bearer","id_token":"{rubbish}"}}"#);
        assert_eq!(signed_in(&body).unwrap().account, None, "{rubbish}: no reason to lose an approval");
    }
}

#[test]
fn only_invalid_grant_and_its_kin_kill_a_grant() {
    for (said, reason) in [
        (
            (400, r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#),
            DeadReason::Revoked,
        ),
        ((200, r#"{"error":"invalid_grant"}"#), DeadReason::Revoked),
        ((503, r#"{"error":"invalid_grant"}"#), DeadReason::Revoked),
        ((400, r#"{"error":"admin_policy_enforced"}"#), DeadReason::AdminPolicy),
        ((400, r#"{"error":"invalid_grant","error_subtype":"invalid_rapt"}"#), DeadReason::ReauthenticationRequired),
    ] {
        assert!(matches!(refresh(said), Refreshed::Dead { reason: why, .. } if why == reason), "{said:?}");
    }
}

#[test]
fn trouble_on_the_way_keeps_the_grant() {
    let nothing_done = false;
    for (said, answer_lost) in [
        ((503, ""), true),
        ((500, r#"{"error":"server_error"}"#), true),
        ((502, "<html>"), true),
        ((200, ""), true),
        ((200, "{}"), true),
        ((200, "<html>"), true),
        ((302, ""), true),
        ((429, "slow"), nothing_done),
        ((400, ""), nothing_done),
        ((404, "<html>"), nothing_done),
        ((400, r#"{"error":"temporarily_unavailable"}"#), nothing_done),
        ((400, r#"{"error":"never_heard_of"}"#), nothing_done),
        ((403, r#"{"error":"access_denied"}"#), nothing_done),
    ] {
        match refresh(said) {
            Refreshed::Later { answer_lost: lost, .. } => assert_eq!(lost, answer_lost, "{said:?}"),
            other => panic!("{said:?}: {other:?}"),
        }
    }
    for (lost, answer_lost) in
        [(Lost::NotSent, false), (Lost::Unknown, true), (Lost::Certificate { clock_suspect: true }, false)]
    {
        match refresh_at(&client(), History::Clear, Reply::Lost(lost)) {
            Refreshed::Later { answer_lost: told, trouble, .. } => {
                assert_eq!((told, trouble), (answer_lost, Trouble::Lost(lost)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_wrong_configuration_is_not_the_persons_fault() {
    for code in [
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_request",
        "deleted_client",
        "disabled_client",
    ] {
        for status in [400, 401] {
            let said = (status, &*format!(r#"{{"error":"{code}"}}"#));
            assert!(matches!(refresh(said), Refreshed::Misconfigured(error) if !error.hint().is_empty()), "{code}");
        }
    }
}

#[test]
fn a_refusal_after_a_lost_answer_says_that_the_next_token_was_lost() {
    let refused = answer(400, r#"{"error":"invalid_grant"}"#);
    let outcome = refresh_at(&client(), History::AnswerLost, refused);
    assert!(matches!(&outcome, Refreshed::Dead { reason: DeadReason::LostRotation, .. }), "{outcome:?}");
    // Where the provider forgives (a grace period), the old token simply works.
    let renewed = refresh_at(&client(), History::AnswerLost, answer(TOKENS.0, TOKENS.1));
    assert!(matches!(renewed, Refreshed::Renewed(_)));
}

#[test]
fn the_reason_for_a_second_copy_of_a_token_is_said() {
    assert!(DeadReason::LostRotation.to_string().contains("another copy"));
}

#[test]
fn a_rotated_token_is_not_lost_with_an_unusable_access_token() {
    match refresh((200, r#"{"access_token":"a b","token_type":"bearer","refresh_token":"rt-2"}"#)) {
        Refreshed::Unusable { fault, rotated } => {
            assert_eq!(fault, BadAnswer::Unusable("access_token"));
            assert_eq!(rotated.unwrap().expose(), "rt-2");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_narrowed_answer_is_told_and_not_believed_for_good() {
    let tokens = renewed(r#"{"access_token":"at","token_type":"bearer","scope":"a"}"#);
    assert_eq!(tokens.missing_scopes, scopes("b"));
    let tokens = renewed(r#"{"access_token":"at","token_type":"bearer"}"#);
    assert_eq!(tokens.scopes, scopes("a b"), "the scopes of record are the caller's");
}

#[test]
fn refreshing_comes_before_the_end_and_not_in_step() {
    for (life_s, none, all) in [
        (3600, 3300.0, 3270.0), // capped at five minutes
        (1000, 900.0, 890.0),   // a tenth
        (300, 240.0, 234.0),    // at least a minute
        (60, 30.0, 27.0),       // but half of a very short life
        (1, 0.5, 0.45),
    ] {
        assert_eq!(refresh_after(secs(life_s), None, 0).as_secs_f64(), none);
        assert_eq!(refresh_after(secs(life_s), None, u32::MAX).as_secs_f64(), all);
    }
    assert_eq!(refresh_after(secs(3600), Some(secs(5000)), 0), secs(3300), "a wish past the end is none");
    assert!(refresh_after(std::time::Duration::MAX, None, u32::MAX) > secs(1 << 60));
}

#[test]
fn no_retry_after_is_longer_than_ten_years_in_either_form() {
    let (client, token, scopes) = (client(), RefreshToken::parse("rt".into()).unwrap(), Scopes::none());
    for (retry_after, date) in
        [("99999999999", None), ("Fri, 31 Dec 9999 23:59:59 GMT", Some("Thu, 01 Jan 1970 00:00:00 GMT"))]
    {
        let answer = Answer { retry_after: Some(retry_after), date, ..Answer::bare(503, b"") };
        let refresh = Refresh::new(&client, &token, &scopes, History::Clear);
        match refresh.outcome(Reply::Answer(answer), at(0.0)) {
            Refreshed::Later { retry_after: Some(wait), .. } => assert_eq!(wait, secs(10 * 366 * 86_400)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_retry_waits_longer_each_time_and_never_forgets_retry_after() {
    let mut backoff = Backoff::new(secs(2), secs(60));
    let waits: Vec<_> = (0..7).map(|_| backoff.next(None, u32::MAX).as_secs()).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(backoff.next(None, 0), secs(30), "jitter takes at most half");
    assert_eq!(backoff.next(Some(secs(300)), 0), secs(300));
    backoff.reset();
    assert_eq!(backoff.next(None, 0), secs(1));
    (0..100).for_each(|_| assert!(backoff.next(None, u32::MAX) <= secs(60)));
}
