//! The control calls: as described, over HTTP by the crate's own client, and what each leaves behind.

mod common;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use common::{OWNER, World};
use google_emulator::{
    Action, Client, Faults, Options, Request, Rule, Server, ServerOptions, Switches, When, client::Control,
};
use serde_json::{Value, json};

fn description(world: &mut World) -> Value {
    let reply = world.send(&Request::new("GET", "/_emulator/openapi.json"));
    assert_eq!(reply.status, 200);
    reply.value()
}

/// References in a description.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found.push(reference.clone());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_description_is_whole() {
    let mut world = World::new();
    let description = description(&mut world);
    assert_eq!(description["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&description, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within");
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids = Vec::new();
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            ids.push(operation["operationId"].as_str().expect("an id").to_owned());
            let reply = world.send(&Request::json(&method.to_uppercase(), path, &json!({})));
            assert!(![404, 405].contains(&reply.status), "{method} {path}: {}", reply.text());
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), count), (28, 28), "each has an id of its own");
    assert_eq!(world.send(&Request::new("DELETE", "/_emulator/clock")).status, 405);
    assert_eq!(world.send(&Request::new("GET", "/_emulator/nothing")).status, 404);
}

/// The members a schema lists are those that are taken and given.
#[test]
fn schemas_have_the_members_of_the_types() {
    let description = description(&mut World::new());
    let members = |schema: &str| {
        let properties = description["components"]["schemas"][schema]["properties"].as_object().expect("properties");
        properties.keys().cloned().collect::<Vec<_>>()
    };
    let keys = |value: Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(json!(Client::default())), members("Client"));
    let text = || Some(String::new());
    let rule = Rule {
        method: text(),
        path: text(),
        body: text(),
        account: text(),
        nth: Some(1),
        times: Some(1),
        ..Rule::new(Action::Quota)
    };
    assert_eq!(keys(json!(rule)), members("Rule"));
    let failure = serde_json::from_value(json!({"kind": "alert"})).expect("as described");
    let faults = Faults { rules: vec![], idle_close_seconds: Some(1.0), tls_failure: Some(failure) };
    assert_eq!(keys(json!(faults)), members("Faults"));
    for action in description["components"]["schemas"]["Action"]["oneOf"].as_array().expect("actions") {
        let mut example = json!({"do": action["properties"]["do"]["const"]});
        for name in
            action["required"].as_array().expect("names").iter().filter_map(Value::as_str).filter(|name| *name != "do")
        {
            example[name] = 200.into();
        }
        let parsed: Action =
            serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(json!(parsed)["do"], example["do"]);
    }
}

#[test]
fn a_snapshot_brings_everything_back() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([common::append(&[common::row(&["first".into()])])]));
    let (tokens, id) = (
        common::Tokens { access: sheet.tokens.access.clone(), refresh: sheet.tokens.refresh.clone() },
        sheet.id.clone(),
    );
    let post = |world: &mut World, path: &str, body: Value| world.send(&Request::json("POST", path, &body)).status;
    assert_eq!(post(&mut world, "/_emulator/snapshots", json!({"name": "one row"})), 200);
    assert_eq!(post(&mut world, "/_emulator/clock", json!({"advance": 86_400})), 200);
    assert_eq!(post(&mut world, "/_emulator/delete_spreadsheet", json!({"spreadsheet_id": id})), 200);
    assert_eq!(world.get(&tokens, &format!("/v4/spreadsheets/{id}")).status, 401, "a day later the token is dead");
    assert_eq!(post(&mut world, "/_emulator/restore", json!({"name": "one row"})), 200);
    assert_eq!(
        world.get(&tokens, &format!("/v4/spreadsheets/{id}")).status,
        200,
        "token, spreadsheet and time are back"
    );
    assert_eq!(post(&mut world, "/_emulator/restore", json!({"name": "no such"})), 404);
    // As a document, in another emulator.
    let document = world.send(&Request::new("GET", "/_emulator/snapshot")).value();
    let mut other = World::unlimited();
    assert_eq!(other.send(&Request::json("PUT", "/_emulator/snapshot", &document)).status, 200);
    assert_eq!(other.get(&tokens, &format!("/v4/spreadsheets/{id}/values/A1")).value()["values"], json!([["first"]]));
    for bad in [json!({}), json!({"google-emulator": 2}), json!({"google-emulator": 1, "state": {"files": 5}})] {
        assert_eq!(other.send(&Request::json("PUT", "/_emulator/snapshot", &bad)).status, 400, "{bad}");
    }
    assert_eq!(post(&mut other, "/_emulator/reset", json!({})), 200);
    assert_eq!(other.get(&tokens, &format!("/v4/spreadsheets/{id}")).status, 401);
}

#[test]
fn a_restored_world_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = || ServerOptions { data: Some(folder.path().join("data")), ..ServerOptions::default() };
    let server = Server::start("127.0.0.1:0", options()).expect("it starts");
    let control = Control::new(&server.url());
    control.keep_snapshot("empty").expect("kept");
    control.set_client(&Client { client_id: "later".into(), ..Client::default() }).expect("set");
    control.restore_snapshot("empty").expect("restored");
    server.stop();
    let server = Server::start("127.0.0.1:0", options()).expect("it starts again");
    server.with_model(|model| assert!(model.client("later").is_none(), "the journal knows of the restoration"));
}

#[test]
fn the_client_has_every_call() {
    let options = Options { approve_as: None, ..Options::default() };
    let server =
        Server::start("127.0.0.1:0", ServerOptions { model: options, ..ServerOptions::default() }).expect("up");
    let control = Control::new(&server.url());
    assert_eq!(control.summary().expect("a summary")["name"], "google-emulator");
    let code = || {
        let reply = server.with_model(|model| {
            let now = model.clock();
            let fields = [("client_id", google_emulator::CLIENT_ID), ("scope", common::DRIVE_FILE)];
            model.handle(now, &Request::form("/device/code", &fields))
        });
        reply.value()["user_code"].as_str().expect("a code").to_owned()
    };
    let (first, second, third, fourth) = (code(), code(), code(), code());
    assert_eq!(control.codes().expect("codes").len(), 4);
    control.approve(&first, OWNER).expect("approved");
    control.approve_some(&second, OWNER, &[]).expect("approved");
    control.deny(&third).expect("denied");
    control.expire_code(&fourth).expect("expired");
    assert!(control.approve(&first, OWNER).is_err(), "once only");
    control.revoke(Some(OWNER)).expect("revoked");
    control.revoke(None).expect("revoked");
    control.expire_access_tokens().expect("expired");
    assert!(control.delete_spreadsheet("none").is_err());
    let rule = Rule { account: Some(OWNER.into()), ..Rule::new(Action::Drop { when: When::After }) };
    control.add_fault(&rule).expect("added");
    assert_eq!(control.faults().expect("faults").rules, [rule]);
    control.set_faults(&Faults { idle_close_seconds: Some(9.0), ..Faults::default() }).expect("set");
    assert_eq!(control.faults().expect("faults").idle_close_seconds, Some(9.0));
    control.clear_faults().expect("cleared");
    let failure = Faults { tls_failure: serde_json::from_value(json!({"kind": "alert"})).ok(), ..Faults::default() };
    assert!(control.set_faults(&failure).expect_err("there is no TLS").to_string().contains("plain http"));
    assert_eq!(control.log(0).expect("a log").len(), 4);
    control.clear_log().expect("cleared");
    let before = control.clock().expect("a clock");
    control.advance(100.0).expect("advanced");
    assert!(control.clock().expect("a clock") >= before + 100.0);
    control.keep_snapshot("x").expect("kept");
    assert_eq!(control.snapshots().expect("names"), ["x"]);
    control.restore_snapshot("x").expect("restored");
    let clients = control.clients().expect("clients");
    assert_eq!((clients.len(), clients[0].client_secret.as_str()), (1, "***"));
    assert!(control.set_trashed("none", true).is_err());
    assert!(control.set_read_only("none", true).is_err());
    let quiet = Switches { writes_per_minute: Some(7), ..Switches::default() };
    control.set_options(&quiet).expect("set");
    let options = control.options().expect("options");
    assert_eq!((options.writes_per_minute, options.reads_per_minute), (Some(7), Some(60)), "what is left out stays");
    let world = control.snapshot().expect("a document");
    control.set_client(&Client { client_id: "later".into(), ..Client::default() }).expect("set");
    control.load_snapshot(&world).expect("taken back");
    assert_eq!(control.clients().expect("clients").len(), 1);
    assert!(control.load_snapshot(&json!({})).is_err());
    assert_eq!(control.description().expect("described")["openapi"], "3.1.0");
    control.reset().expect("reset");
    let missing = Control::new("http://127.0.0.1:1").summary().expect_err("nobody is there");
    assert_eq!(missing.to_string(), "the emulator does not answer");
}

/// Against a listener that writes down what is called: every operation of the description has a method.
#[test]
fn no_call_is_without_a_method() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let control = Control::new(&format!("http://{}", listener.local_addr().expect("an address")));
    let text = "x";
    let calls: Vec<Box<dyn Fn()>> = {
        // What they answer is tested above; here all get an empty object.
        let control = &control;
        vec![
            Box::new(|| drop(control.summary())),
            Box::new(|| drop(control.description())),
            Box::new(|| drop(control.codes())),
            Box::new(|| drop(control.approve(text, text))),
            Box::new(|| drop(control.deny(text))),
            Box::new(|| drop(control.expire_code(text))),
            Box::new(|| drop(control.revoke(None))),
            Box::new(|| drop(control.expire_access_tokens())),
            Box::new(|| drop(control.clients())),
            Box::new(|| drop(control.set_client(&Client::default()))),
            Box::new(|| drop(control.delete_spreadsheet(text))),
            Box::new(|| drop(control.set_trashed(text, true))),
            Box::new(|| drop(control.faults())),
            Box::new(|| drop(control.add_fault(&Rule::new(Action::Quota)))),
            Box::new(|| drop(control.set_faults(&Faults::default()))),
            Box::new(|| drop(control.clear_faults())),
            Box::new(|| drop(control.log(0))),
            Box::new(|| drop(control.clear_log())),
            Box::new(|| drop(control.clock())),
            Box::new(|| drop(control.advance(1.0))),
            Box::new(|| drop(control.snapshots())),
            Box::new(|| drop(control.keep_snapshot(text))),
            Box::new(|| drop(control.restore_snapshot(text))),
            Box::new(|| drop(control.snapshot())),
            Box::new(|| drop(control.load_snapshot(&json!({})))),
            Box::new(|| drop(control.options())),
            Box::new(|| drop(control.set_options(&Switches::default()))),
            Box::new(|| drop(control.reset())),
        ]
    };
    let count = calls.len();
    let called = thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let answer = |mut stream: TcpStream| {
                let mut head = [0; 64];
                let read = stream.read(&mut head).expect("a request");
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}").expect("answered");
                let line = String::from_utf8_lossy(&head[..read]).into_owned();
                let mut words = line.split([' ', '?']).map(str::to_owned);
                (words.next().expect("a method"), words.next().expect("a path"))
            };
            (0..count).map(|_| answer(listener.accept().expect("a call").0)).collect::<BTreeSet<_>>()
        });
        calls.iter().for_each(|call| call());
        answering.join().expect("it answers")
    });
    let description = description(&mut World::new());
    let described: BTreeSet<(String, String)> = description["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, operations)| {
            operations
                .as_object()
                .into_iter()
                .flat_map(|all| all.keys())
                .map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    assert_eq!(called, described);
}

#[test]
fn a_rule_can_be_for_one_account() {
    let mut world = World::unlimited();
    let (one, other) = (world.sign_in_as("one@example.com"), world.sign_in_as("other@example.com"));
    let rule = json!({"account": "one@example.com", "action": {"do": "status", "status": 503}});
    assert_eq!(world.send(&Request::json("POST", "/_emulator/faults", &rule)).status, 200);
    assert_eq!(world.get(&one, "/v4/spreadsheets/x").status, 503);
    assert_eq!(world.get(&other, "/v4/spreadsheets/x").status, 404);
    assert_eq!(world.refresh(&one.refresh).status, 503);
    assert_eq!(world.refresh(&other.refresh).status, 200);
}

#[test]
fn what_nobody_knows_is_a_switch_of_a_running_world() {
    let mut world = World::unlimited();
    let tokens = world.sign_in();
    let made = world.call(&tokens, "POST", "/v4/spreadsheets", &json!({})).value();
    let id = made["spreadsheetId"].as_str().expect("an id").to_owned();
    let set = |world: &mut World, options: Value| {
        let reply = world.send(&Request::json("POST", "/_emulator/options", &options));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.value()
    };
    let clear = |world: &mut World, tokens: &common::Tokens| {
        world.call(tokens, "POST", &format!("/v4/spreadsheets/{id}/values/A1:clear"), &json!({})).status
    };
    world.model.set_trashed(&id, true).expect("it is there");
    assert_eq!(clear(&mut world, &tokens), 200);
    assert_eq!(set(&mut world, json!({"trashed_writes": false}))["files_return"], true);
    assert_eq!(clear(&mut world, &tokens), 403);
    set(&mut world, json!({"trashed_writes": true}));
    world.model.revoke_account(OWNER);
    let again = world.sign_in();
    assert_eq!(clear(&mut world, &again), 200);
    set(&mut world, json!({"files_return": false}));
    assert_eq!(clear(&mut world, &again), 404, "made before the app was removed");
    set(&mut world, json!({"writes_per_minute": 0}));
    assert_eq!(clear(&mut world, &again), 429);
    assert_eq!(world.send(&Request::json("POST", "/_emulator/options", &json!({"unheard": 1}))).status, 400);
}
