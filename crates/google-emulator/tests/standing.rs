//! Who may sign in and for how long: the client's standing, the account's domain, and when access ends by itself
//! (docs/google.md 1.2, 1.4, 2.2, 2.3).

mod common;

use common::{Code, DRIVE_FILE, OWNER, Tokens, World};
use google_emulator::{AfterExpiry, CLIENT_ID, Client, DecideError, Options, Reply, Standing};
use serde_json::{Value, json};

const DAY: u64 = 86_400;
const STRANGER: &str = "somebody@elsewhere.example";

fn with_client(change: impl FnOnce(&mut Client)) -> World {
    let mut world = World::new();
    set(&mut world, change);
    world
}

/// The app's project is changed while its devices run.
fn set(world: &mut World, change: impl FnOnce(&mut Client)) {
    let mut client = world.model.client(CLIENT_ID).expect("the client that is always there");
    change(&mut client);
    world.model.set_client(client);
}

/// Status and the whole body.
fn told(reply: &Reply) -> (u16, Value) {
    (reply.status, reply.value())
}

fn dead() -> (u16, Value) {
    (400, json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."}))
}

fn approved(world: &mut World, account: &str) -> Code {
    let code = world.ask_for_code();
    world.model.approve(&code.user_code, account).expect("the code was just issued");
    code
}

/// The body that brings the first tokens.
fn tokens(world: &mut World, account: &str) -> Value {
    let code = approved(world, account);
    let reply = world.poll(&code);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.value()
}

fn refresh_token(body: &Value) -> &str {
    body["refresh_token"].as_str().expect("a refresh token")
}

#[test]
fn time_based_access_says_when_it_ends_and_ends_then() {
    let mut world = with_client(|client| client.access_seconds = Some(2 * DAY));
    let body = tokens(&mut world, OWNER);
    assert_eq!(body["refresh_token_expires_in"], 2 * DAY - 1);
    let later = world.wait(DAY).refresh(refresh_token(&body)).value();
    assert_eq!(later["refresh_token_expires_in"], DAY, "what is left");
    // An access token that would live longer ends with the grant.
    let last = world.wait(DAY - 60).refresh(refresh_token(&body)).value();
    let last = Tokens { access: last["access_token"].as_str().expect("a token").into(), refresh: String::new() };
    assert_eq!(world.get(&last, "/v4/spreadsheets/x").status, 404);
    assert_eq!(world.wait(60).get(&last, "/v4/spreadsheets/x").status, 401);
    assert_eq!(told(&world.refresh(refresh_token(&body))), dead());
    let forever = tokens(&mut World::new(), OWNER);
    assert_eq!(forever.get("refresh_token_expires_in"), None);
}

#[test]
fn the_sooner_of_two_ends_counts() {
    for (seconds, expected) in [(DAY, DAY - 1), (30 * DAY, 7 * DAY - 1)] {
        let mut world = with_client(|client| {
            client.testing = true;
            client.access_seconds = Some(seconds);
        });
        assert_eq!(tokens(&mut world, OWNER)["refresh_token_expires_in"], expected);
    }
}

#[test]
fn six_months_unused_end_a_sign_in_and_use_keeps_it() {
    let mut world = World::new();
    let (idle, busy) = (world.sign_in(), world.sign_in());
    for _ in 0..6 {
        assert_eq!(world.wait(30 * DAY).refresh(&busy.refresh).status, 200);
    }
    assert_eq!(world.wait(3 * DAY).refresh(&busy.refresh).status, 200, "183 days, but in use");
    assert_eq!(told(&world.refresh(&idle.refresh)), dead());
    assert_eq!(world.wait(183 * DAY - 1).refresh(&busy.refresh).status, 200, "a second before");
    assert_eq!(told(&world.wait(183 * DAY).refresh(&busy.refresh)), dead());
}

#[test]
fn a_blocked_domain_is_told_admin_policy_enforced() {
    let mut world = with_client(|client| client.blocked_domains = vec!["Elsewhere.example".into()]);
    let code = approved(&mut world, STRANGER);
    let blocked = (400, json!({"error": "admin_policy_enforced"}));
    assert_eq!(told(&world.poll(&code)), blocked);
    // Not its subdomain, not who has it in the name.
    for account in [OWNER, "a@sub.elsewhere.example", "elsewhere.example@example.com"] {
        tokens(&mut world, account);
    }
    // The administrator decides later: the device that is signed in is told at its next refresh, and may again.
    let signed_in = tokens(&mut world, OWNER);
    set(&mut world, |client| client.blocked_domains = vec!["example.com".into()]);
    assert_eq!(told(&world.refresh(refresh_token(&signed_in))), blocked);
    set(&mut world, |client| client.blocked_domains.clear());
    assert_eq!(world.refresh(refresh_token(&signed_in)).status, 200);
}

#[test]
fn an_app_for_one_organisation_refuses_other_accounts() {
    let mut world = with_client(|client| client.organisation = Some("example.com".into()));
    let code = approved(&mut world, STRANGER);
    assert_eq!(told(&world.poll(&code)), (403, json!({"error": "org_internal"})));
    tokens(&mut world, "Maker@EXAMPLE.com");
}

#[test]
fn a_standing_is_told_on_every_poll_and_refresh_it_concerns() {
    let deleted = json!({"error": "deleted_client", "error_description": "The OAuth client was deleted."});
    let disabled = json!({"error": "disabled_client", "error_description": "The OAuth client was disabled."});
    let rapt = json!({
        "error": "invalid_grant", "error_subtype": "invalid_rapt",
        "error_description": "reauth related error (invalid_rapt)",
    });
    let policy = json!({"error": "admin_policy_enforced"});
    let internal = json!({"error": "org_internal"});
    // None: as if nothing were wrong.
    for (standing, code, poll, refresh) in [
        (Standing::Deleted, Some((401, &deleted)), Some((401, &deleted)), Some((401, &deleted))),
        (Standing::Disabled, Some((401, &disabled)), Some((401, &disabled)), Some((401, &disabled))),
        (Standing::OrgInternal, None, Some((403, &internal)), None),
        (Standing::AdminPolicy, None, Some((400, &policy)), Some((400, &policy))),
        (Standing::InvalidRapt, None, None, Some((400, &rapt))),
    ] {
        let mut world = World::new();
        let signed_in = world.sign_in();
        let waiting = world.ask_for_code();
        let allowed = approved(&mut world, OWNER);
        set(&mut world, |client| client.standing = standing);
        let fits = |reply: &Reply, expected: Option<(u16, &Value)>, otherwise: u16| match expected {
            Some((status, body)) => assert_eq!(told(reply), (status, body.clone()), "{standing:?}"),
            None => assert_eq!(reply.status, otherwise, "{standing:?}: {}", reply.text()),
        };
        let fields = [("client_id", CLIENT_ID), ("scope", DRIVE_FILE)];
        fits(&world.form("/device/code", &fields), code, 200);
        fits(&world.poll(&waiting), poll, 428);
        fits(&world.poll(&allowed), poll, 200);
        fits(&world.refresh(&signed_in.refresh), refresh, 200);
        // Put right by whoever runs the project, the device goes on where it was (docs/google.md 2.3, last lines).
        set(&mut world, |client| client.standing = Standing::Good);
        assert_eq!(world.refresh(&signed_in.refresh).status, 200, "{standing:?}");
    }
}

#[test]
fn while_testing_only_test_users_sign_in() {
    let testing = |client: &mut Client| {
        client.testing = true;
        client.test_users = vec![OWNER.into()];
    };
    let mut world = with_client(testing);
    let code = world.ask_for_code();
    assert_eq!(world.model.approve(&code.user_code, STRANGER), Err(DecideError::NotATestUser));
    assert_eq!(world.poll(&code).status, 428, "it still waits for somebody who may");
    world.model.approve(&code.user_code, "MAKER@example.com").expect("on the list, in capitals");
    assert_eq!(world.wait(5).poll(&code).value()["refresh_token_expires_in"], 7 * DAY - 1);
    // Published: everybody, for good.
    set(&mut world, |client| client.testing = false);
    assert_eq!(tokens(&mut world, STRANGER).get("refresh_token_expires_in"), None);
    // Approved by itself, and not on the list.
    let options = Options { approve_as: Some(STRANGER.into()), ..Options::default() };
    let mut world = World::with(options);
    set(&mut world, testing);
    let code = world.ask_for_code();
    for _ in 0..3 {
        assert_eq!(world.wait(5).poll(&code).status, 428);
    }
}

#[test]
fn seven_days_of_testing_count_from_the_approval_and_spare_names_and_addresses() {
    let mut world = with_client(|client| client.testing = true);
    let first = tokens(&mut world, OWNER);
    assert_eq!(first["refresh_token_expires_in"], 604_799);
    // Use does not prolong it.
    assert_eq!(world.wait(6 * DAY).refresh(refresh_token(&first)).value()["refresh_token_expires_in"], DAY);
    assert_eq!(told(&world.wait(DAY).refresh(refresh_token(&first))), dead());
    // Publishing does not wake it: sign in again.
    set(&mut world, |client| client.testing = false);
    assert_eq!(told(&world.refresh(refresh_token(&first))), dead());
    // "Unless only name/email/profile scopes".
    set(&mut world, |client| client.testing = true);
    let asked = world.form("/device/code", &[("client_id", CLIENT_ID), ("scope", "email profile")]).value();
    let text = |name: &str| asked[name].as_str().expect("in the answer").to_owned();
    let code = Code { device_code: text("device_code"), user_code: text("user_code") };
    world.model.approve(&code.user_code, OWNER).expect("waiting");
    let identity = world.poll(&code).value();
    assert_eq!(identity.get("refresh_token_expires_in"), None);
    assert_eq!(world.wait(8 * DAY).refresh(refresh_token(&identity)).status, 200);
}

#[test]
fn a_code_that_died_is_not_asked_about_standing() {
    let mut world = with_client(|client| {
        client.after_expiry = AfterExpiry::InvalidGrant;
        client.standing = Standing::OrgInternal;
    });
    let code = world.ask_for_code();
    let reply = world.wait(1_800).poll(&code);
    assert_eq!(told(&reply), (400, json!({"error": "invalid_grant", "error_description": "Bad Request"})));
}
