//! Drive v3, as far as a program with a spreadsheet needs it.

mod common;

use common::{Tokens, World};
use google_emulator::{CLIENT_ID, Client, Model, Options, Request};
use serde_json::{Value, json};

const SPREADSHEET: &str = "application/vnd.google-apps.spreadsheet";

fn create(world: &mut World, tokens: &Tokens, name: &str) -> String {
    let body = json!({"name": name, "mimeType": SPREADSHEET, "appProperties": {"device": name}});
    let reply = world.call(tokens, "POST", "/drive/v3/files", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.value()["id"].as_str().expect("an id").to_owned()
}

fn names(world: &mut World, tokens: &Tokens, query: &str) -> Value {
    let reply = world.get(tokens, &format!("/drive/v3/files?{query}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.value()["files"].as_array().into_iter().flatten().map(|file| file["name"].clone()).collect()
}

#[test]
fn a_spreadsheet_is_made_found_named_and_marked() {
    let mut world = World::new();
    let tokens = world.sign_in();
    let id = create(&mut world, &tokens, "Workshop log");
    let reply = world.get(&tokens, &format!("/drive/v3/files/{id}"));
    assert_eq!(reply.value(), json!({"kind": "drive#file", "id": id, "name": "Workshop log", "mimeType": SPREADSHEET}));
    assert_eq!(world.get(&tokens, &format!("/v4/spreadsheets/{id}")).value()["properties"]["title"], "Workshop log");
    create(world.wait(1), &tokens, "Another");

    let has = "q=appProperties%20has%20%7B%20key%3D%27device%27%20and%20value%3D%27Workshop%20log%27%20%7D";
    assert_eq!(names(&mut world, &tokens, &format!("{has}%20and%20trashed%3Dfalse")), json!(["Workshop log"]));
    assert_eq!(names(&mut world, &tokens, ""), json!(["Another", "Workshop log"]));
    assert_eq!(names(&mut world, &tokens, "orderBy=name%20desc"), json!(["Workshop log", "Another"]));
    let page = world.get(&tokens, "/drive/v3/files?pageSize=1&fields=nextPageToken,files(name)").value();
    assert_eq!(page["files"], json!([{"name": "Another"}]));
    let token = page["nextPageToken"].as_str().expect("there is more").to_owned();
    assert_eq!(names(&mut world, &tokens, &format!("pageSize=1&pageToken={token}")), json!(["Workshop log"]));

    let patch = json!({"name": "Barn log", "appProperties": {"device": null, "row": "1"}, "unheardOf": 1});
    let path = format!("/drive/v3/files/{id}?fields=name,appProperties,version");
    let reply = world.call(&tokens, "PATCH", &path, &patch).value();
    assert_eq!(reply, json!({"name": "Barn log", "appProperties": {"row": "1"}, "version": "3"}));
    assert_eq!(world.model.tabs(&id), ["Sheet1"]);
}

#[test]
fn a_binned_spreadsheet_still_takes_rows() {
    let mut world = World::new();
    let tokens = world.sign_in();
    let id = create(&mut world, &tokens, "Log");
    let path = format!("/drive/v3/files/{id}?fields=trashed");
    assert_eq!(world.call(&tokens, "PATCH", &path, &json!({"trashed": true})).value(), json!({"trashed": true}));
    assert_eq!(names(&mut world, &tokens, "q=trashed%3Dfalse"), json!([]));
    let rows = json!({"values": [["08:01", "in"]]});
    let append = format!("/v4/spreadsheets/{id}/values/Sheet1:append?valueInputOption=RAW");
    assert_eq!(world.call(&tokens, "POST", &append, &rows).status, 200);
    let reply = world.send(&Request::new("DELETE", &format!("/drive/v3/files/{id}")).with_bearer(&tokens.access));
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(world.call(&tokens, "POST", &append, &rows).status, 404);
}

#[test]
fn what_is_not_ours_is_not_there() {
    let other = Client {
        client_id: "other".into(),
        client_secret: "s".into(),
        project_number: "7".into(),
        ..Client::default()
    };
    let mut world = World::with(Options { clients: vec![other], ..Options::default() });
    let tokens = world.sign_in();
    let id = create(&mut world, &tokens, "Log");
    let stranger = world.sign_in_as("stranger@example.com");
    let reply = world.get(&stranger, &format!("/drive/v3/files/{id}"));
    let message = format!("File not found: {id}.");
    assert_eq!(
        reply.value(),
        json!({"error": {"code": 404, "message": message, "errors": [{
            "message": message, "domain": "global", "reason": "notFound", "location": "fileId",
            "locationType": "parameter",
        }]}})
    );
    assert_eq!(names(&mut world, &stranger, ""), json!([]));
    let about = world.get(&tokens, "/drive/v3/about?fields=user(emailAddress,me)").value();
    assert_eq!(about, json!({"user": {"emailAddress": common::OWNER, "me": true}}));
}

#[test]
fn refusals_have_drives_shape() {
    let mut world = World::new();
    let tokens = world.sign_in();
    assert_eq!(world.send(&Request::new("GET", "/drive/v3/files")).status, 401);
    assert_eq!(world.get(&tokens, "/drive/v3/nothing").status, 404);
    for (method, path, body, status) in [
        ("GET", "/drive/v3/files?q=name%20like%20x", json!({}), 400),
        ("GET", "/drive/v3/files?fields=files(nope)", json!({}), 400),
        ("GET", "/drive/v3/files?orderBy=luck", json!({}), 400),
        ("GET", "/drive/v3/about", json!({}), 400),
        ("GET", "/drive/v3/files/generateIds?count=5000", json!({}), 400),
        ("POST", "/drive/v3/files", json!({"mimeType": SPREADSHEET, "name": 5}), 400),
        ("POST", "/drive/v3/files", json!({"mimeType": SPREADSHEET, "parents": ["elsewhere"]}), 404),
        ("POST", "/drive/v3/files", json!({"mimeType": SPREADSHEET, "id": "1x"}), 400),
        ("POST", "/drive/v3/files", json!({"mimeType": "text/plain"}), 501),
        ("POST", "/upload/drive/v3/files", json!({}), 501),
    ] {
        let reply = world.call(&tokens, method, path, &body);
        assert_eq!(reply.status, status, "{path} {}", reply.text());
        assert!(reply.value()["error"]["errors"][0]["reason"].is_string(), "{path}");
    }
    assert_eq!(world.model.spreadsheet_ids().len(), 0, "nothing was left behind");
    let ids = world.get(&tokens, "/drive/v3/files/generateIds?count=3").value();
    assert_eq!(ids["ids"].as_array().map(Vec::len), Some(3));

    let closed = Client { drive_api_enabled: false, ..world.model.client(CLIENT_ID).expect("built in") };
    world.model.set_client(closed);
    let reply = world.get(&tokens, "/drive/v3/files");
    assert_eq!((reply.status, &reply.value()["error"]["errors"][0]["reason"]), (403, &json!("accessNotConfigured")));
}

#[test]
fn a_copy_stands_alone() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    sheet.apply(json!([common::append(&[common::row(&[json!("a")])])]));
    let (id, tokens) = (sheet.id.clone(), sheet.tokens);
    let reply = world.call(&tokens, "POST", &format!("/drive/v3/files/{id}/copy"), &json!({}));
    assert_eq!(reply.value()["name"], "Copy of Workshop log");
    let copy = reply.value()["id"].as_str().expect("an id").to_owned();
    assert!(Model::delete_spreadsheet(&mut world.model, &id));
    assert_eq!(world.model.rows(&copy, "Log").map(|rows| rows.len()), Some(1));
}

/// gspread asks for the comments of a file before it copies it. There are none; and what is not emulated says so, whatever
/// members of it were asked for.
#[test]
fn nobody_has_commented() {
    let mut world = World::new();
    let tokens = world.sign_in();
    let id = create(&mut world, &tokens, "Workshop log");
    let comments = format!("/drive/v3/files/{id}/comments");
    let masked = format!("{comments}?fields=comments/content,comments/anchor,nextPageToken&includeDeleted=False");
    let reply = world.get(&tokens, &masked);
    assert_eq!((reply.status, reply.value()), (200, json!({"comments": []})));
    assert_eq!(world.get(&tokens, &comments).status, 400, "fields are required");
    assert_eq!(world.get(&tokens, "/drive/v3/files/none/comments?fields=*").status, 404);
    assert_eq!(world.get(&tokens, &format!("/drive/v3/files/{id}/revisions?fields=revisions/id")).status, 501);
}
