//! Sharing with other accounts, folders and exports.

mod common;

use common::{OWNER, Tokens, World};
use google_emulator::Options;
use serde_json::{Value, json};

const SPREADSHEET: &str = "application/vnd.google-apps.spreadsheet";
const FOLDER: &str = "application/vnd.google-apps.folder";
const HELPER: &str = "helper@example.com";

fn make(world: &mut World, tokens: &Tokens, body: &Value) -> String {
    let reply = world.call(tokens, "POST", "/drive/v3/files", body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.value()["id"].as_str().expect("an id").to_owned()
}

fn share(world: &mut World, tokens: &Tokens, id: &str, who: &str, role: &str) -> Value {
    let body = json!({"type": "user", "role": role, "emailAddress": who});
    let path = format!("/drive/v3/files/{id}/permissions?sendNotificationEmail=false");
    let reply = world.call(tokens, "POST", &path, &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.value()
}

fn list(world: &mut World, tokens: &Tokens, query: &str) -> Vec<String> {
    let reply = world.get(tokens, &format!("/drive/v3/files?fields=files(id)&q={query}")).value();
    reply["files"].as_array().into_iter().flatten().map(|file| file["id"].as_str().unwrap_or_default().into()).collect()
}

#[test]
fn sheets_go_by_the_permissions_of_drive() {
    let mut world = World::unlimited();
    let (owner, helper) = (world.sign_in(), world.sign_in_as(HELPER));
    let id = make(&mut world, &owner, &json!({"name": "Log", "mimeType": SPREADSHEET}));
    let sheet = format!("/v4/spreadsheets/{id}");
    let rows = json!({"values": [["open"]]});
    let append = format!("{sheet}/values/A1:append?valueInputOption=RAW");
    let try_it =
        |world: &mut World| (world.get(&helper, &sheet).status, world.call(&helper, "POST", &append, &rows).status);
    assert_eq!(try_it(&mut world), (404, 404), "not shared yet");
    let permission = share(&mut world, &owner, &id, HELPER, "reader");
    assert_eq!(permission["role"], "reader");
    assert_eq!(permission["kind"], "drive#permission");
    assert_eq!(try_it(&mut world), (200, 403), "a reader reads");
    let path = format!("/drive/v3/files/{id}/permissions/{}", permission["id"].as_str().unwrap());
    assert_eq!(world.call(&helper, "PATCH", &path, &json!({"role": "writer"})).status, 403, "not by oneself");
    assert_eq!(world.call(&owner, "PATCH", &path, &json!({"role": "writer"})).value()["role"], "writer");
    assert_eq!(try_it(&mut world), (200, 200), "a writer writes");
    assert_eq!(list(&mut world, &helper, "sharedWithMe"), [id.as_str()]);
    assert_eq!(list(&mut world, &owner, "%27helper%40example.com%27%20in%20writers"), [id.as_str()]);
    let all =
        world.get(&owner, &format!("/drive/v3/files/{id}/permissions?fields=permissions(emailAddress,role)")).value();
    assert_eq!(
        all,
        json!({"permissions": [{"emailAddress": OWNER, "role": "owner"}, {"emailAddress": HELPER, "role": "writer"}]})
    );
    assert_eq!(world.call(&helper, "DELETE", &format!("/drive/v3/files/{id}"), &json!({})).status, 403, "the owner's");
    assert_eq!(world.call(&owner, "DELETE", &path, &json!({})).status, 204);
    assert_eq!(try_it(&mut world), (404, 404), "taken away");
    assert_eq!(world.get(&owner, &path).status, 404);
}

#[test]
fn a_link_is_for_everybody_and_in_no_list() {
    let mut world = World::unlimited();
    let (owner, helper) = (world.sign_in(), world.sign_in_as(HELPER));
    let id = make(&mut world, &owner, &json!({"name": "Log", "mimeType": SPREADSHEET}));
    let path = format!("/drive/v3/files/{id}/permissions");
    let link = world.call(&owner, "POST", &path, &json!({"type": "anyone", "role": "reader"})).value();
    assert_eq!(link["id"], "anyoneWithLink");
    assert_eq!(world.get(&helper, &format!("/v4/spreadsheets/{id}")).status, 200);
    assert!(list(&mut world, &helper, "").is_empty());
    for bad in [
        json!({}),
        json!({"type": "user", "role": "writer"}),
        json!({"type": "anyone", "role": "king"}),
        json!({"type": "user", "role": "owner", "emailAddress": HELPER}),
    ] {
        assert_eq!(world.call(&owner, "POST", &path, &bad).status, 400, "{bad}");
    }
    let body = json!({"type": "user", "role": "owner", "emailAddress": HELPER});
    assert_eq!(world.call(&owner, "POST", &format!("{path}?transferOwnership=true"), &body).status, 200);
    assert_eq!(list(&mut world, &helper, "%27me%27%20in%20owners"), [id.as_str()]);
    assert_eq!(
        world.call(&owner, "DELETE", &format!("/drive/v3/files/{id}"), &json!({})).status,
        403,
        "no longer theirs"
    );
}

#[test]
fn whether_an_app_sees_what_was_shared_is_a_switch() {
    let mut world = World::with(Options { shared_files_are_seen: false, ..Options::default() });
    let (owner, helper) = (world.sign_in(), world.sign_in_as(HELPER));
    let id = make(&mut world, &owner, &json!({"name": "Log", "mimeType": SPREADSHEET}));
    share(&mut world, &owner, &id, HELPER, "writer");
    assert_eq!(world.get(&helper, &format!("/v4/spreadsheets/{id}")).status, 404);
    assert_eq!(world.get(&owner, &format!("/v4/spreadsheets/{id}")).status, 200);
}

#[test]
fn folders_hold_spreadsheets() {
    let mut world = World::unlimited();
    let tokens = world.sign_in();
    let folder = make(&mut world, &tokens, &json!({"name": "Logs", "mimeType": FOLDER}));
    let id = make(&mut world, &tokens, &json!({"name": "Log", "mimeType": SPREADSHEET, "parents": [folder]}));
    assert_eq!(list(&mut world, &tokens, &format!("%27{folder}%27%20in%20parents")), [id.as_str()]);
    assert_eq!(list(&mut world, &tokens, "%27root%27%20in%20parents"), [folder.as_str()]);
    assert_eq!(list(&mut world, &tokens, "mimeType%3D%27application%2Fvnd.google-apps.folder%27"), [folder.as_str()]);
    assert_eq!(world.get(&tokens, &format!("/v4/spreadsheets/{folder}")).status, 404, "a folder is no spreadsheet");
    assert_eq!(world.model.spreadsheet_ids(), [id.as_str()]);
    let file =
        |world: &mut World, fields: &str| world.get(&tokens, &format!("/drive/v3/files/{id}?fields={fields}")).value();
    let patch = |world: &mut World, path: &str, body: Value| {
        world.call(&tokens, "PATCH", &format!("/drive/v3/files/{path}"), &body).status
    };
    // What is in a binned folder is binned too, though not itself.
    assert_eq!(patch(&mut world, &folder, json!({"trashed": true})), 200);
    assert_eq!(file(&mut world, "trashed,explicitlyTrashed"), json!({"trashed": true, "explicitlyTrashed": false}));
    assert_eq!(patch(&mut world, &folder, json!({"trashed": false})), 200);
    assert_eq!(patch(&mut world, &format!("{id}?removeParents={folder}&addParents=root"), json!({})), 200);
    assert_eq!(file(&mut world, "parents"), json!({"parents": ["root"]}));
    assert_eq!(patch(&mut world, &id, json!({"parents": [folder]})), 400, "only by the parameters");
    assert_eq!(patch(&mut world, &format!("{folder}?addParents={folder}"), json!({})), 400, "not in itself");
    assert_eq!(patch(&mut world, &format!("{id}?addParents=nowhere"), json!({})), 404);
    assert_eq!(patch(&mut world, &format!("{id}?addParents={folder}"), json!({})), 200);
    assert_eq!(world.call(&tokens, "DELETE", &format!("/drive/v3/files/{folder}"), &json!({})).status, 204);
    assert_eq!(world.get(&tokens, &format!("/v4/spreadsheets/{id}")).status, 404, "it went with its folder");
}

#[test]
fn the_first_tab_is_exported_as_it_is_shown() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let rows = json!([["who", "what, when"], ["Ada \"the\" first", "=1+1"], ["two\nlines", true]]);
    sheet.put("/values/A1?valueInputOption=USER_ENTERED", &json!({ "values": rows }));
    let path = format!("/drive/v3/files/{}/export", sheet.id);
    let reply = sheet.world.get(&sheet.tokens, &format!("{path}?mimeType=text/csv"));
    assert_eq!(reply.header("content-type"), Some("text/csv"));
    assert_eq!(reply.text(), "who,\"what, when\"\r\n\"Ada \"\"the\"\" first\",2\r\n\"two\nlines\",TRUE");
    assert_eq!(sheet.world.get(&sheet.tokens, &format!("{path}?mimeType=application/pdf")).status, 501);
    assert_eq!(sheet.world.get(&sheet.tokens, &path).status, 400);
    let download = format!("/drive/v3/files/{}?alt=media", sheet.id);
    let reply = sheet.world.get(&sheet.tokens, &download);
    assert_eq!((reply.status, &reply.value()["error"]["errors"][0]["reason"]), (403, &json!("fileNotDownloadable")));
}
