//! The table in `docs/emulator.md` of what is and is not emulated is what the emulator answers.
//!
//! `EMULATOR_DOCS=write cargo test -p google-emulator --test documented` writes it again.

mod common;

use std::{fs, path::Path};

use common::World;
use google_emulator::Request;
use serde_json::json;

const BEGIN: &str = "<!-- Made by crates/google-emulator/tests/documented.rs; begin. -->\n";
const END: &str = "<!-- Made by crates/google-emulator/tests/documented.rs; end. -->\n";

/// From the discovery document, revision 20261019.
const SHEETS: [(&str, &str, &str); 17] = [
    ("spreadsheets.batchUpdate", "POST", "ID:batchUpdate"),
    ("spreadsheets.create", "POST", ""),
    ("spreadsheets.get", "GET", "ID"),
    ("spreadsheets.getByDataFilter", "POST", "ID:getByDataFilter"),
    ("spreadsheets.developerMetadata.get", "GET", "ID/developerMetadata/7"),
    ("spreadsheets.developerMetadata.search", "POST", "ID/developerMetadata:search"),
    ("spreadsheets.sheets.copyTo", "POST", "ID/sheets/7:copyTo"),
    ("spreadsheets.values.append", "POST", "ID/values/A1:append?valueInputOption=RAW"),
    ("spreadsheets.values.batchClear", "POST", "ID/values:batchClear"),
    ("spreadsheets.values.batchClearByDataFilter", "POST", "ID/values:batchClearByDataFilter"),
    ("spreadsheets.values.batchGet", "GET", "ID/values:batchGet?ranges=A1"),
    ("spreadsheets.values.batchGetByDataFilter", "POST", "ID/values:batchGetByDataFilter"),
    ("spreadsheets.values.batchUpdate", "POST", "ID/values:batchUpdate"),
    ("spreadsheets.values.batchUpdateByDataFilter", "POST", "ID/values:batchUpdateByDataFilter"),
    ("spreadsheets.values.clear", "POST", "ID/values/A1:clear"),
    ("spreadsheets.values.get", "GET", "ID/values/A1"),
    ("spreadsheets.values.update", "PUT", "ID/values/A1?valueInputOption=RAW"),
];

/// What is answered with something else than 501, and what is not.
#[derive(Default)]
struct Row {
    here: Vec<String>,
    missing: Vec<String>,
}

impl Row {
    fn add(&mut self, name: &str, status: u16) {
        let list = if status == 501 { &mut self.missing } else { &mut self.here };
        list.push(format!("`{name}`"));
    }

    fn markdown(&self, title: &str) -> String {
        let list = |names: &[String]| if names.is_empty() { "—".to_owned() } else { names.join(", ") };
        format!("| {title} | {} | {} |\n", list(&self.here), list(&self.missing))
    }
}

fn sheets() -> Row {
    let mut row = Row::default();
    for (name, verb, path) in SHEETS {
        let mut world = World::new();
        let sheet = world.sheet();
        let slash = if path.is_empty() { "" } else { "/" };
        let path = format!("/v4/spreadsheets{slash}{}", path.replace("ID", &sheet.id));
        let tokens = sheet.tokens;
        let request = match verb {
            "GET" => Request::new(verb, &path),
            _ => Request::json(verb, &path, &json!({})),
        };
        let reply = world.send(&request.with_bearer(&tokens.access));
        assert!(reply.text().starts_with('{'), "{name} is no page: {}", reply.text());
        row.add(name, reply.status);
    }
    row
}

fn requests() -> Row {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let members = include_str!("../src/sheets/schema.v4.txt").lines().skip_while(|line| *line != "Request").skip(1);
    let mut row = Row::default();
    for line in members.take_while(|line| line.starts_with(' ')) {
        let name = line.split_whitespace().next().expect("a member");
        let status = sheet.batch(json!([{ name: {} }])).status;
        assert!([200, 400, 501].contains(&status), "{name}: {status}");
        row.add(name, status);
    }
    row
}

fn drive() -> Row {
    let mut row = Row::default();
    let mut world = World::unlimited();
    let tokens = world.sign_in();
    for line in include_str!("../src/drive/methods.v3.txt").lines().filter(|line| !line.starts_with('#')) {
        let [name, verb, path] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let path = format!("/drive/v3/{}", path.replace(['{', '}'], ""));
        let body = match name {
            "files.create" => json!({"mimeType": "application/vnd.google-apps.spreadsheet"}),
            _ => json!({}),
        };
        let reply = world.call(&tokens, verb, &path, &body);
        assert!(reply.text().starts_with('{'), "{name} is no page: {}", reply.text());
        row.add(name, reply.status);
    }
    row
}

#[test]
fn the_table_is_what_the_emulator_answers() {
    let table = format!(
        "| | emulated | answered with 501 |\n|---|---|---|\n{}{}{}",
        sheets().markdown("Sheets v4"),
        requests().markdown("requests of `spreadsheets.batchUpdate`"),
        drive().markdown("Drive v3, for spreadsheets"),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/emulator.md");
    let text = fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = text.split_once(BEGIN).expect("it has the mark");
    let (written, after) = rest.split_once(END).expect("it has the second mark");
    if std::env::var_os("EMULATOR_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("it can be written");
    } else {
        assert_eq!(written, table, "set EMULATOR_DOCS=write to write the table again");
    }
}

#[test]
fn every_control_call_of_the_page_is_there() {
    let page = include_str!("../../../docs/emulator.md");
    let mut world = World::new();
    let mut seen = 0;
    for line in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let Some((call, _)) = line.split_once('`') else { continue };
        let Some((verb, path)) = call.split_once(' ').filter(|(_, path)| path.starts_with("/_emulator")) else {
            continue;
        };
        let reply = world.send(&Request::json(verb, path, &json!({})));
        // Without a body most say what they want; none is unknown.
        assert!(!reply.text().contains("no such call") && reply.status != 404, "{call}: {}", reply.text());
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} calls are described");
}
