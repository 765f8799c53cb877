//! Bad days in the model itself, as a simulated network sees them.

mod common;

use std::time::Duration;

use common::{Sheet, World, append, row};
use google_emulator::{Action, Delivery, Faults, Reply, Request, Rule, When};
use serde_json::{Value, json};

fn on_batches(action: Action) -> Faults {
    let rule = Rule { path: Some(":batchUpdate".into()), times: Some(1), ..Rule::new(action) };
    Faults { rules: vec![rule], ..Faults::default() }
}

fn one_row(sheet: &mut Sheet<'_>) -> Reply {
    sheet.batch(json!([append(&[row(&[json!("x")])])]))
}

#[test]
fn each_fault_does_what_it_says() {
    let status = |when| Action::Status { status: 503, when, body: None, content_type: None, retry_after: None };
    for (action, reply_status, delivery, rows) in [
        (status(When::Before), 503, Delivery::Whole, 0),
        (status(When::After), 503, Delivery::Whole, 1),
        (Action::Html { status: 502, when: When::Before }, 502, Delivery::Whole, 0),
        (Action::Html { status: 200, when: When::After }, 200, Delivery::Whole, 1),
        (Action::Drop { when: When::Before }, 0, Delivery::Dropped, 0),
        (Action::Drop { when: When::After }, 200, Delivery::Dropped, 1),
        (Action::Reset { when: When::Before }, 0, Delivery::Reset, 0),
        (Action::Reset { when: When::After }, 200, Delivery::Reset, 1),
        (Action::Truncate { bytes: 10 }, 200, Delivery::Truncated { bytes: 10 }, 1),
        (Action::Slow { bytes_per_second: 0 }, 200, Delivery::Slow { bytes_per_second: 1 }, 1),
        (Action::Delay { seconds: 200.0 }, 200, Delivery::Whole, 1),
        (Action::Late { seconds: 200.0 }, 0, Delivery::Reset, 0),
        (Action::Quota, 429, Delivery::Whole, 0),
        (Action::ExpireToken, 401, Delivery::Whole, 0),
        (Action::RevokeGrant, 401, Delivery::Whole, 0),
        (Action::DeleteSpreadsheet, 404, Delivery::Whole, 0),
    ] {
        let mut world = World::new();
        let mut sheet = world.sheet();
        let id = sheet.id.clone();
        sheet.world.model.set_faults(on_batches(action.clone()));
        let reply = one_row(&mut sheet);
        let delay = if matches!(action, Action::Delay { .. }) { 200 } else { 0 };
        assert_eq!((reply.status, reply.delivery), (reply_status, delivery), "{action:?}");
        assert_eq!(reply.delay, Duration::from_secs(delay));
        let landed = world.model.rows(&id, "Log").map_or(0, |rows| rows.len());
        assert_eq!(landed, rows, "{action:?}");
    }
}

#[test]
fn a_late_request_lands_when_its_time_has_come() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let id = sheet.id.clone();
    sheet.world.model.set_faults(on_batches(Action::Late { seconds: 100.0 }));
    one_row(&mut sheet);
    // The attempt after it lands first.
    assert_eq!(sheet.batch(json!([append(&[row(&[json!("y")])])])).status, 200);
    world.wait(99).form("/token", &[]);
    assert_eq!((world.model.rows(&id, "Log").unwrap().len(), world.model.late_requests()), (1, 1));
    world.model.advance(Duration::from_secs(1));
    assert_eq!((world.model.rows(&id, "Log").unwrap().len(), world.model.late_requests()), (2, 0));
}

#[test]
fn a_dead_access_token_is_refreshed_and_a_dead_grant_is_not() {
    for (action, refreshed) in [(Action::ExpireToken, 200), (Action::RevokeGrant, 400)] {
        let mut world = World::new();
        let mut sheet = world.sheet();
        sheet.world.model.set_faults(on_batches(action));
        assert_eq!(one_row(&mut sheet).status, 401);
        let refresh = sheet.tokens.refresh.clone();
        assert_eq!(world.refresh(&refresh).status, refreshed);
    }
}

fn control(world: &mut World, method: &str, path: &str, body: &Value) -> Reply {
    world.send(&Request::json(method, path, body))
}

#[test]
fn rules_come_and_go_over_http() {
    let mut world = World::new();
    let rule = json!({"method": "POST", "path": "/token", "nth": 2, "action": {"do": "html", "status": 502}});
    assert_eq!(control(&mut world, "POST", "/_emulator/faults", &rule).status, 200);
    let more =
        json!({"rules": [{"action": {"do": "reset", "when": "after"}, "probability": 0.0}], "idle_close_seconds": 4});
    let shown = control(&mut world, "POST", "/_emulator/faults", &more).value();
    assert_eq!((shown["rules"].as_array().unwrap().len(), &shown["idle_close_seconds"]), (2, &json!(4.0)));
    assert_eq!(world.form("/token", &[]).status, 400);
    assert_eq!(world.form("/token", &[]).status, 502);
    let seen = control(&mut world, "GET", "/_emulator/faults", &Value::Null).value();
    assert_eq!((&seen["rules"][0]["seen"], &seen["rules"][0]["struck"]), (&json!(2), &json!(1)));
    assert_eq!(control(&mut world, "DELETE", "/_emulator/faults", &Value::Null).status, 200);
    assert_eq!(world.model.faults(), &Faults::default());
    let wrong = json!({"action": {"do": "explode"}});
    let reply = control(&mut world, "POST", "/_emulator/faults", &wrong);
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("explode"), "{}", reply.text());
}

#[test]
fn codes_are_decided_over_http() {
    let mut world = World::new();
    let (first, second) = (world.ask_for_code(), world.ask_for_code());
    let listed = control(&mut world, "GET", "/_emulator/codes", &Value::Null).value();
    assert_eq!(listed["codes"].as_array().unwrap().len(), 2);
    let approve = json!({"user_code": first.user_code, "account": common::OWNER});
    assert_eq!(control(&mut world, "POST", "/_emulator/approve", &approve).status, 200);
    assert_eq!(control(&mut world, "POST", "/_emulator/approve", &approve).status, 409);
    assert_eq!(control(&mut world, "POST", "/_emulator/deny", &json!({"user_code": second.user_code})).status, 200);
    assert_eq!((world.poll(&first).status, world.poll(&second).status), (200, 403));
}

#[test]
fn the_clock_can_be_stepped() {
    let mut world = World::new();
    let tokens = world.sign_in();
    assert_eq!(control(&mut world, "POST", "/_emulator/clock", &json!({"advance": 3600})).status, 200);
    assert_eq!(world.get(&tokens, "/v4/spreadsheets/x").status, 401);
    assert_eq!(control(&mut world, "POST", "/_emulator/clock", &json!({"advance": -1})).status, 400);
}

#[test]
fn the_log_tells_all_but_the_secrets() {
    let mut world = World::new();
    let tokens = world.sign_in();
    world.refresh(&tokens.refresh);
    world.model.set_faults(Faults { rules: vec![Rule::new(Action::Drop { when: When::After })], ..Faults::default() });
    world.get(&tokens, &format!("/v4/spreadsheets/x?access_token={}", tokens.access));
    let reply = control(&mut world, "GET", "/_emulator/log", &Value::Null);
    for secret in [tokens.access.as_str(), &tokens.refresh, google_emulator::CLIENT_SECRET] {
        assert!(!reply.text().contains(secret));
    }
    let entries = reply.value()["entries"].clone();
    assert_eq!(entries[1]["grant_type"], common::DEVICE_GRANT);
    assert_eq!(entries[2]["grant_type"], "refresh_token");
    assert_eq!(entries[3]["fault"], json!({"do": "drop", "when": "after"}));
    let numbers: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["number"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4)]);
    let rest = control(&mut world, "GET", "/_emulator/log?since=3", &Value::Null).value();
    assert_eq!(rest["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn other_sites_cannot_drive_the_emulator() {
    let mut world = World::new();
    let request = Request::json("POST", "/_emulator/revoke", &json!({}))
        .with_header("Host", "127.0.0.1:8085")
        .with_header("Origin", "https://evil.example");
    assert_eq!(world.send(&request).status, 403);
}
