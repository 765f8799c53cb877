//! What a person meets in the browser.

mod common;

use common::{OWNER, World, append, row};
use google_emulator::{Client, Options, Reply, Request};
use serde_json::json;

/// A browser without scripts: keeps the cookie, fills forms.
struct Person {
    cookie: String,
    csrf: String,
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let from = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    let rest = &text[from..];
    &rest[..rest.find(after).unwrap_or(rest.len())]
}

impl Person {
    fn arrive(world: &mut World) -> Self {
        let page = world.send(&Request::new("GET", "/device"));
        let cookie = page.header("set-cookie").expect("a cookie").split(';').next().unwrap_or_default().to_owned();
        Self { cookie, csrf: between(&page.text(), "name=\"csrf\" value=\"", "\"").to_owned() }
    }

    fn submit(&self, world: &mut World, fields: &[(&str, &str)]) -> Reply {
        let mut fields = fields.to_vec();
        fields.push(("csrf", &self.csrf));
        world.send(&Request::form("/device", &fields).with_header("Cookie", &self.cookie))
    }
}

#[test]
fn a_person_walks_through_to_the_end() {
    let mut world = World::new();
    let code = world.ask_for_code();
    let person = Person::arrive(&mut world);
    let typed = code.user_code.to_lowercase();
    let accounts = person.submit(&mut world, &[("step", "code"), ("user_code", &typed)]).text();
    assert!(accounts.contains("<h1>Choose an account</h1>"), "{accounts}");
    let account = [("step", "account"), ("user_code", code.user_code.as_str()), ("other_account", OWNER)];
    let consent = person.submit(&mut world, &account).text();
    for shown in ["Emulated device wants access", OWNER, &code.user_code, "drive.file", "value=\"deny\""] {
        assert!(consent.contains(shown), "{shown} is not in {consent}");
    }
    assert_eq!(world.poll(&code).status, 428, "looking approves nothing");
    let decide = [
        ("step", "decide"),
        ("user_code", code.user_code.as_str()),
        ("account", OWNER),
        ("scope", common::DRIVE_FILE),
        ("decision", "allow"),
    ];
    assert!(person.submit(&mut world, &decide).text().contains("Device connected"));
    assert_eq!(world.wait(5).poll(&code).status, 200);
    // The next one finds the account to choose.
    let code = world.ask_for_code();
    let accounts = person.submit(&mut world, &[("step", "code"), ("user_code", &code.user_code)]).text();
    assert!(accounts.contains(&format!("type=\"radio\" name=\"account\" value=\"{OWNER}\"")));
}

#[test]
fn a_person_can_refuse() {
    let mut world = World::new();
    let code = world.ask_for_code();
    let person = Person::arrive(&mut world);
    let decide = [("step", "decide"), ("user_code", code.user_code.as_str()), ("account", OWNER), ("decision", "deny")];
    assert!(person.submit(&mut world, &decide).text().contains("Access denied"));
    assert_eq!(world.poll(&code).status, 403);
}

#[test]
fn only_our_own_forms_count() {
    let mut world = World::new();
    let code = world.ask_for_code();
    let decide = [
        ("step", "decide"),
        ("user_code", code.user_code.as_str()),
        ("account", OWNER),
        ("decision", "allow"),
        ("csrf", "00000000000000000000000000000000"),
    ];
    let person = Person::arrive(&mut world);
    let forged = Request::form("/device", &decide).with_header("Cookie", &person.cookie);
    assert_eq!(world.send(&forged).status, 403);
    assert_eq!(world.send(&Request::form("/device", &decide)).status, 403);
    let foreign = Request::form("/device", &[("step", "code"), ("csrf", &person.csrf)])
        .with_header("Cookie", &person.cookie)
        .with_header("Host", "127.0.0.1:8085")
        .with_header("Origin", "https://evil.example");
    assert_eq!(world.send(&foreign).status, 403);
    assert_eq!(world.send(&Request::new("GET", &format!("/device?user_code={}", code.user_code))).status, 200);
    assert_eq!(world.poll(&code).status, 428);
}

#[test]
fn wrong_codes_are_told_kindly_and_counted() {
    let mut world = World::new();
    let code = world.ask_for_code();
    let person = Person::arrive(&mut world);
    for _ in 0..30 {
        let page = person.submit(&mut world, &[("step", "code"), ("user_code", "BBBB-BBBB")]);
        assert_eq!(page.status, 400);
        assert!(page.text().contains("role=\"alert\""));
    }
    let right = [("step", "code"), ("user_code", code.user_code.as_str())];
    assert!(person.submit(&mut world, &right).text().contains("Too many wrong codes"));
    assert_eq!(person.submit(world.wait(60), &right).status, 200);
}

#[test]
fn pages_cannot_be_framed_and_say_their_language() {
    let mut world = World::new();
    for path in ["/", "/device", "/device?user_code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"] {
        let page = world.send(&Request::new("GET", path));
        let policy = page.header("content-security-policy").unwrap().to_owned();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        let text = page.text();
        assert!(text.contains("<html lang=\"en\">") && text.contains("name=\"viewport\""));
        assert!(!text.contains("<script>alert"), "{text}");
    }
}

#[test]
fn names_are_never_markup() {
    let client = Client { name: "<img src=x>".into(), ..Client::default() };
    let mut world = World::with(Options { clients: vec![client], ..Options::default() });
    let mut sheet = world.sheet();
    let evil = json!("<script>alert(1)</script>");
    sheet.apply(json!([
        append(&[row(std::slice::from_ref(&evil))]),
        {"updateSheetProperties": {"properties": {"sheetId": 7, "title": evil}, "fields": "title"}},
        {"updateSpreadsheetProperties": {"properties": {"title": evil}, "fields": "title"}},
    ]));
    let id = sheet.id.clone();
    let code = world.ask_for_code();
    let person = Person::arrive(&mut world);
    let account = [("step", "account"), ("user_code", code.user_code.as_str()), ("other_account", "<b>@x.y")];
    let consent = person.submit(&mut world, &account).text();
    assert!(consent.contains("&lt;img src=x&gt; wants access") && consent.contains("&lt;b&gt;@x.y"));
    for path in [format!("/spreadsheets/d/{id}"), format!("/spreadsheets/d/{id}/edit"), "/".into()] {
        let page = world.send(&Request::new("GET", &path));
        assert_eq!(page.status, 200);
        assert!(!page.text().contains("<script>alert"), "{path}");
        assert!(page.text().contains("&lt;script&gt;alert(1)"), "{path}");
    }
}

#[test]
fn the_viewer_shows_what_a_person_would_see() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let number_format = json!({"numberFormat": {"type": "DATE_TIME", "pattern": "yyyy-mm-dd hh:mm"}});
    let date = json!({"userEnteredValue": {"numberValue": 46348.5}, "userEnteredFormat": number_format});
    sheet.apply(json!([
        {"appendCells": {"sheetId": 7, "rows": [
            row(&[json!("row id"), json!("time")]), {"values": [{"userEnteredValue": {"stringValue": "hidden"}}, date]},
        ], "fields": "*"}},
        {"updateDimensionProperties": {
            "range": {"sheetId": 7, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 1},
            "properties": {"hiddenByUser": true}, "fields": "hiddenByUser"}},
        {"updateSheetProperties": {"properties": {"sheetId": 7, "gridProperties": {"frozenRowCount": 1}},
            "fields": "gridProperties.frozenRowCount"}},
        {"addSheet": {"properties": {"title": "Projects", "sheetId": 8}}},
    ]));
    let id = sheet.id.clone();
    let page = world.send(&Request::new("GET", &format!("/spreadsheets/d/{id}/edit"))).text();
    assert!(page.contains("2026-11-22 12:00") && page.contains("class=\"frozen\""), "{page}");
    assert!(!page.contains("row id") && !page.contains("hidden<"), "{page}");
    assert!(page.contains("href=\"?gid=8\">Projects</a>"));
    let part = world.send(&Request::new("GET", &format!("/_emulator/part/spreadsheet/{id}?gid=8"))).text();
    assert!(part.contains("aria-current=\"page\">Projects"), "{part}");
    assert_eq!(world.send(&Request::new("GET", "/spreadsheets/d/nope/edit")).status, 404);
}

#[test]
fn a_person_edits_by_hand() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[row(&[json!("b"), json!(2)]), row(&[json!("a"), json!(1)])])]));
    let id = sheet.id.clone();
    let person = Person::arrive(&mut world);
    let page =
        world.send(&Request::new("GET", &format!("/spreadsheets/d/{id}/edit")).with_header("Cookie", &person.cookie));
    assert!(page.text().contains(&format!("action=\"/_emulator/form/spreadsheet/{id}?gid=7\"")), "{}", page.text());
    let edit = |world: &mut World, fields: &[(&str, &str)]| {
        let mut fields = fields.to_vec();
        fields.push(("csrf", &person.csrf));
        let request = Request::form(&format!("/_emulator/form/spreadsheet/{id}?gid=7"), &fields);
        world.send(&request.with_header("Cookie", &person.cookie))
    };
    for fields in [
        &[("edit", "sort"), ("column", "b")][..],
        &[("edit", "type"), ("cell", "C1"), ("text", "5%")],
        &[("edit", "add_column"), ("column", "B")],
        &[("edit", "delete_row"), ("row", "2")],
        &[("edit", "rename_tab"), ("title", "By hand")],
    ] {
        let reply = edit(&mut world, fields);
        assert_eq!(reply.status, 303, "{fields:?}: {}", reply.text());
        assert!(reply.header("location").is_some_and(|to| to.ends_with(&format!("/spreadsheets/d/{id}/edit?gid=7"))));
    }
    let rows = world.model.rows(&id, "By hand").expect("the tab has its name");
    assert_eq!(format!("{rows:?}"), "[[Text(\"a\"), Empty, Number(1.0), Number(0.05)]]");
    for fields in [
        &[("edit", "type"), ("cell", "nowhere")][..],
        &[("edit", "type"), ("cell", "ZZ9999")],
        &[("edit", "delete_row"), ("row", "0")],
        &[("edit", "delete_row"), ("row", "99")],
        &[("edit", "rename_tab"), ("title", "")],
        &[("edit", "sort"), ("column", "")],
    ] {
        assert_eq!(edit(&mut world, fields).status, 400, "{fields:?}");
    }
    let forged = Request::form(&format!("/_emulator/form/spreadsheet/{id}"), &[("edit", "delete_row"), ("row", "1")]);
    assert_eq!(world.send(&forged).status, 403);
}

#[test]
fn a_bad_day_is_switched_on_and_off() {
    let mut world = World::new();
    let tokens = world.sign_in();
    let person = Person::arrive(&mut world);
    let switch = |world: &mut World, name: &str| {
        let request = Request::form("/_emulator/form/faults", &[("switch", name), ("csrf", &person.csrf)]);
        assert_eq!(world.send(&request.with_header("Cookie", &person.cookie)).status, 303);
    };
    switch(&mut world, "quota");
    assert_eq!(world.get(&tokens, "/v4/spreadsheets/x").status, 429);
    assert_eq!(world.send(&Request::new("GET", "/")).status, 200, "the pages stay");
    switch(&mut world, "none");
    assert_eq!(world.get(&tokens, "/v4/spreadsheets/x").status, 404);
    assert_eq!(world.send(&Request::form("/_emulator/form/faults", &[("switch", "offline")])).status, 403);
    assert_eq!(world.model.faults().rules.len(), 0);
}
