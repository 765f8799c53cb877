//! The device flow as a device meets it: docs/google.md 1 and 2.

mod common;

use common::{Code, DEVICE_GRANT, DRIVE_FILE, OWNER, World};
use google_emulator::{
    AfterExpiry, CLIENT_ID, CLIENT_SECRET, Client, Dialect, EarlyPoll, Numbers, Options, Request, Rotation, Standing,
};
use serde_json::{Value, json};

fn with_client(change: impl FnOnce(&mut Client)) -> World {
    let mut client = Client::default();
    change(&mut client);
    World::with(Options { clients: vec![client], ..Options::default() })
}

/// Status, `error`, `error_description`.
fn told(reply: &google_emulator::Reply) -> (u16, Value, Value) {
    let body = reply.value();
    (reply.status, body["error"].clone(), body["error_description"].clone())
}

#[test]
fn a_code_comes_in_googles_words() {
    let mut world = World::new();
    let request = Request::form("/device/code", &[("client_id", CLIENT_ID), ("scope", DRIVE_FILE)])
        .with_header("Host", "emulator.test:8085");
    let reply = world.send(&request);
    let body = reply.value();
    assert_eq!(reply.status, 200);
    assert_eq!(body["verification_url"], "http://emulator.test:8085/device");
    assert_eq!((&body["expires_in"], &body["interval"]), (&json!(1800), &json!(5)));
    assert!(body.get("verification_uri").is_none());
    let user_code = body["user_code"].as_str().unwrap();
    assert!(user_code.len() == 9 && user_code.as_bytes()[4] == b'-', "{user_code}");
    assert_eq!(body["device_code"].as_str().unwrap().len(), 98);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("date"), Some("Mon, 21 Sep 2026 14:14:00 GMT"));
}

#[test]
fn json_is_taken_like_a_form() {
    let mut world = World::new();
    let request = Request::json("POST", "/device/code", &json!({"client_id": CLIENT_ID, "scope": DRIVE_FILE}));
    assert_eq!(world.send(&request).status, 200);
}

#[test]
fn the_device_endpoint_refuses_as_google_does() {
    let spreadsheets = "https://www.googleapis.com/auth/spreadsheets";
    let appdata = "https://www.googleapis.com/auth/drive.appdata";
    for (fields, expected) in [
        (
            vec![("client_id", CLIENT_ID), ("scope", spreadsheets)],
            (400, "invalid_scope", format!("Invalid device flow scope: {spreadsheets}")),
        ),
        (
            vec![("client_id", CLIENT_ID), ("scope", appdata)],
            (400, "invalid_scope", format!("Invalid device flow scope: {appdata}")),
        ),
        (
            vec![("client_id", "nobody"), ("scope", DRIVE_FILE)],
            (401, "invalid_client", "The OAuth client was not found.".into()),
        ),
        (vec![("client_id", CLIENT_ID)], (400, "invalid_request", "Bad Request".into())),
        (vec![("client_id", CLIENT_ID), ("scope", "")], (400, "invalid_request", "Bad Request".into())),
        (vec![("scope", DRIVE_FILE)], (400, "invalid_request", "Bad Request".into())),
        (
            vec![("client_id", CLIENT_ID), ("client_id", CLIENT_ID), ("scope", DRIVE_FILE)],
            (400, "invalid_request", "Bad Request".into()),
        ),
    ] {
        let reply = World::new().form("/device/code", &fields);
        let (status, error, description) = expected;
        assert_eq!(told(&reply), (status, error.into(), description.into()), "{fields:?}");
    }
}

#[test]
fn a_client_that_may_not_is_told_why() {
    for (standing, status, error, description) in [
        (Standing::Deleted, 401, "deleted_client", "The OAuth client was deleted."),
        (Standing::WrongType, 401, "invalid_client", "Only clients of type 'TVs and Limited Input devices'"),
    ] {
        let mut world = with_client(|client| client.standing = standing);
        let reply = world.form("/device/code", &[("client_id", CLIENT_ID), ("scope", DRIVE_FILE)]);
        let (got_status, got_error, got_description) = told(&reply);
        assert_eq!((got_status, got_error), (status, error.into()));
        assert!(got_description.as_str().unwrap().starts_with(description), "{got_description}");
    }
}

#[test]
fn too_many_codes_are_refused_with_the_odd_key() {
    let mut world = World::with(Options { pending_codes: 3, ..Options::default() });
    for _ in 0..3 {
        world.ask_for_code();
    }
    let fields = [("client_id", CLIENT_ID), ("scope", DRIVE_FILE)];
    let reply = world.form("/device/code", &fields);
    assert_eq!((reply.status, reply.value()), (403, json!({"error_code": "rate_limit_exceeded"})));
    world.wait(1_800 + 3_600);
    assert_eq!(world.form("/device/code", &fields).status, 200);
}

#[test]
fn pending_then_tokens_once() {
    let mut world = World::new();
    let code = world.ask_for_code();
    let pending = (428, json!("authorization_pending"), json!("Precondition Required"));
    assert_eq!(told(&world.poll(&code)), pending);
    assert_eq!(told(&world.wait(5).poll(&code)), pending);
    world.model.approve(&code.user_code.to_lowercase().replace('-', " "), OWNER).unwrap();
    let reply = world.wait(5).poll(&code);
    let body = reply.value();
    assert_eq!(reply.status, 200);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3599);
    assert_eq!(body["scope"], DRIVE_FILE);
    assert!(body["access_token"].as_str().unwrap().starts_with("ya29."));
    assert!(body["refresh_token"].as_str().unwrap().starts_with("1//"));
    assert_eq!(told(&world.wait(5).poll(&code)), (400, "invalid_grant".into(), "Bad Request".into()));
}

#[test]
fn approve_as_needs_exactly_one_pending_answer() {
    let mut world = World::with(Options { approve_as: Some(OWNER.into()), ..Options::default() });
    let code = world.ask_for_code();
    assert_eq!(world.wait(5).poll(&code).status, 428);
    assert_eq!(world.wait(5).poll(&code).status, 200);
}

#[test]
fn polling_too_fast_slows_down_for_good() {
    let mut world = World::new();
    let code = world.ask_for_code();
    // (seconds since the last poll, status)
    for (wait, status) in [(0, 428), (4, 403), (9, 403), (14, 403), (20, 428), (19, 403), (25, 428)] {
        let reply = world.wait(wait).poll(&code);
        assert_eq!(reply.status, status, "after {wait} s");
        if status == 403 {
            assert_eq!(told(&reply), (403, "slow_down".into(), "Forbidden".into()));
        }
    }
}

#[test]
fn the_lenient_watcher_lets_the_old_pace_through() {
    let mut world = with_client(|client| client.early_poll = EarlyPoll::Hold);
    let code = world.ask_for_code();
    for (wait, status) in [(0, 428), (4, 403), (1, 428), (1, 403), (5, 428)] {
        assert_eq!(world.wait(wait).poll(&code).status, status, "after {wait} s");
    }
}

#[test]
fn denial_and_expiry() {
    let mut world = World::new();
    let code = world.ask_for_code();
    world.model.deny(&code.user_code).unwrap();
    assert_eq!(told(&world.poll(&code)), (403, "access_denied".into(), "Forbidden".into()));
    assert!(world.model.approve(&code.user_code, OWNER).is_err(), "a denied code cannot be entered again");

    for (policy, answers) in [
        (AfterExpiry::ExpiredToken, ["expired_token", "expired_token"]),
        (AfterExpiry::InvalidGrant, ["invalid_grant", "invalid_grant"]),
        (AfterExpiry::ExpiredTokenOnce, ["expired_token", "invalid_grant"]),
    ] {
        let mut world = with_client(|client| client.after_expiry = policy);
        let code = world.ask_for_code();
        world.wait(1_800);
        for answer in answers {
            assert_eq!(told(&world.wait(5).poll(&code)), (400, answer.into(), "Bad Request".into()));
        }
        assert!(world.model.approve(&code.user_code, OWNER).is_err());
    }
}

#[test]
fn other_dialects_differ_in_status_only() {
    for (dialect, status) in [(Dialect::Rfc, 400), (Dialect::Github, 200)] {
        let mut world = with_client(|client| client.dialect = dialect);
        let code = world.ask_for_code();
        let reply = world.poll(&code);
        assert_eq!((reply.status, &reply.value()["error"]), (status, &json!("authorization_pending")));
    }
    for (standing, status, error) in
        [(Standing::OrgInternal, 403, "org_internal"), (Standing::AdminPolicy, 400, "admin_policy_enforced")]
    {
        let mut world = with_client(|client| client.standing = standing);
        let code = world.ask_for_code();
        assert_eq!(told(&world.poll(&code)), (status, error.into(), Value::Null));
    }
}

#[test]
fn numbers_may_be_written_oddly() {
    for (numbers, expires_in, interval) in [
        (Numbers::Strings, json!("1800"), json!("5")),
        (Numbers::Floats, json!(1800.0), json!(5.0)),
        (Numbers::NoInterval, json!(1800), Value::Null),
    ] {
        let mut world = with_client(|client| client.numbers = numbers);
        let body = world.form("/device/code", &[("client_id", CLIENT_ID), ("scope", DRIVE_FILE)]).value();
        assert_eq!((&body["expires_in"], &body["interval"]), (&expires_in, &interval));
    }
}

#[test]
fn the_token_endpoint_refuses_as_google_does() {
    let code = "AH-1Ngnever";
    let poll = |secret: Option<&'static str>| {
        let mut fields = vec![("client_id", CLIENT_ID), ("device_code", code), ("grant_type", DEVICE_GRANT)];
        fields.extend(secret.map(|secret| ("client_secret", secret)));
        fields
    };
    for (fields, status, error, description) in [
        (vec![("grant_type", "password")], 400, "unsupported_grant_type", "Invalid grant_type: password"),
        (vec![], 400, "unsupported_grant_type", "Invalid grant_type: "),
        (poll(Some(CLIENT_SECRET)), 400, "invalid_grant", "Bad Request"),
        (poll(Some("wrong")), 401, "invalid_client", "Unauthorized"),
        (poll(None), 400, "invalid_request", "client_secret is missing."),
        (vec![("grant_type", DEVICE_GRANT)], 400, "invalid_request", "Bad Request"),
        (vec![("grant_type", "refresh_token")], 400, "invalid_request", "Bad Request"),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", "1//x"), ("client_id", "nobody")],
            401,
            "invalid_client",
            "The OAuth client was not found.",
        ),
    ] {
        let reply = World::new().form("/token", &fields);
        assert_eq!(told(&reply), (status, error.into(), description.into()), "{fields:?}");
    }
}

#[test]
fn the_legacy_poll_still_works() {
    let mut world = World::new();
    let code = world.ask_for_code();
    world.model.approve(&code.user_code, OWNER).unwrap();
    let fields = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("code", &code.device_code),
        ("grant_type", "http://oauth.net/grant_type/device/1.0"),
    ];
    assert_eq!(world.form("/o/oauth2/token", &fields).status, 200);
}

#[test]
fn a_refresh_brings_no_refresh_token() {
    let mut world = World::new();
    let tokens = world.sign_in();
    let body = world.refresh(&tokens.refresh).value();
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"]);
}

#[test]
fn an_access_token_dies_after_its_time_and_the_refresh_token_does_not() {
    let mut world = World::new();
    let tokens = world.sign_in();
    assert_eq!(world.wait(3_598).get(&tokens, "/v4/spreadsheets/x").status, 404);
    assert_eq!(world.wait(1).get(&tokens, "/v4/spreadsheets/x").status, 401);
    assert_eq!(world.refresh(&tokens.refresh).status, 200);
}

#[test]
fn revoking_signs_out_every_sibling() {
    let mut world = World::new();
    let (first, second, other) = (world.sign_in(), world.sign_in(), world.sign_in_as("other@example.com"));
    assert_eq!(world.form("/revoke", &[("token", &first.access)]).status, 200);
    let dead = (400, json!("invalid_grant"), json!("Token has been expired or revoked."));
    assert_eq!(told(&world.refresh(&first.refresh)), dead);
    assert_eq!(told(&world.refresh(&second.refresh)), dead);
    assert_eq!(world.refresh(&other.refresh).status, 200);
    let again = world.send(&Request::new("POST", &format!("/revoke?token={}", second.refresh)));
    assert_eq!(told(&again), (400, "invalid_token".into(), "Token expired or revoked".into()));
}

#[test]
fn the_hundred_and_first_device_ends_the_first() {
    let mut world = World::new();
    let tokens: Vec<_> = (0..101).map(|_| world.sign_in()).collect();
    assert_eq!(world.refresh(&tokens[0].refresh).status, 400);
    assert_eq!(world.refresh(&tokens[1].refresh).status, 200);
    assert_eq!(world.refresh(&tokens[100].refresh).status, 200);
}

#[test]
fn testing_status_ends_after_seven_days_and_says_so() {
    let mut world = with_client(|client| client.testing = true);
    let code = world.ask_for_code();
    world.model.approve(&code.user_code, OWNER).unwrap();
    let body = world.poll(&code).value();
    assert_eq!(body["refresh_token_expires_in"], 604_799);
    let refresh = body["refresh_token"].as_str().unwrap();
    assert_eq!(world.wait(7 * 86_400 - 1).refresh(refresh).status, 200);
    assert_eq!(world.wait(1).refresh(refresh).status, 400);
}

#[test]
fn rotation_notices_a_copied_token() {
    let mut world = with_client(|client| client.rotation = Rotation::Always { grace: 10 });
    let tokens = world.sign_in();
    let next = world.refresh(&tokens.refresh).value()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(world.wait(9).refresh(&tokens.refresh).status, 200, "within the grace");
    assert_eq!(world.wait(1).refresh(&tokens.refresh).status, 400, "after it");
    assert_eq!(world.refresh(&next).status, 400, "the family is gone");
}

#[test]
fn a_lost_answer_may_be_asked_for_once_more() {
    let mut world = with_client(|client| client.rotation = Rotation::OneReplay { grace: 10 });
    let tokens = world.sign_in();
    for _ in 0..2 {
        assert_eq!(world.refresh(&tokens.refresh).status, 200);
    }
    let next = world.refresh(&tokens.refresh);
    assert_eq!(next.status, 400, "the third use is a copy's");
    let mut world = with_client(|client| client.rotation = Rotation::OneReplay { grace: 10 });
    let tokens = world.sign_in();
    assert_eq!(world.refresh(&tokens.refresh).status, 200);
    assert_eq!(world.wait(10).refresh(&tokens.refresh).status, 400, "after the grace");
}

#[test]
fn an_unticked_scope_is_not_granted() {
    let mut world = World::new();
    let scope = format!("email {DRIVE_FILE}");
    let body = world.form("/device/code", &[("client_id", CLIENT_ID), ("scope", &scope)]).value();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let code = Code { device_code: text("device_code"), user_code: text("user_code") };
    let email = "https://www.googleapis.com/auth/userinfo.email";
    world.model.approve_some(&code.user_code, OWNER, &[email, "openid"]).unwrap();
    let body = world.poll(&code).value();
    assert_eq!(body["scope"], format!("{email} openid"));
    let access = body["access_token"].as_str().unwrap();
    let reply = world.send(&Request::json("POST", "/v4/spreadsheets", &json!({})).with_bearer(access));
    assert_eq!(reply.status, 403);
    assert_eq!(reply.value()["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    let info = world.send(&Request::new("GET", "/v1/userinfo").with_bearer(access));
    assert_eq!(info.value()["email"], OWNER);
}

#[test]
fn discovery_follows_the_host() {
    let request = Request::new("GET", "/.well-known/openid-configuration").with_header("host", "127.0.0.1:9");
    let body = World::new().send(&request).value();
    assert_eq!(body["issuer"], "http://127.0.0.1:9");
    assert_eq!(body["device_authorization_endpoint"], "http://127.0.0.1:9/device/code");
    let strange = Request::new("GET", "/.well-known/openid-configuration").with_header("host", "a\"b");
    assert_eq!(World::new().send(&strange).value()["issuer"], "http://127.0.0.1:8085");
}

#[test]
fn wrong_verbs_get_the_front_ends_page() {
    for (method, path) in [("GET", "/token"), ("GET", "/device/code"), ("PUT", "/revoke"), ("GET", "/nowhere")] {
        let reply = World::new().send(&Request::new(method, path));
        assert_eq!(reply.status, 404, "{method} {path}");
        assert!(reply.text().contains("Error 404 (Not Found)!!1"));
        assert_eq!(reply.header("content-type"), Some("text/html; charset=UTF-8"));
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let story = |seed| {
        let mut world = World::with(Options { seed, ..Options::default() });
        let tokens = world.sign_in();
        (tokens.access, tokens.refresh)
    };
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
}
