//! What other programs use: `token`, `call`, `queue`, `sheet`; and `init` and `demo`, which need nobody.

use std::fs;

use google_emulator::{Action, CellValue, Client, Dialect, Rule, Verification, When};
use serde_json::json;

use crate::device::{Device, NOBODY, timed};
use crate::google::{Google, client, fault, text};

fn refreshes(google: &Google) -> usize {
    google.log().iter().filter(|entry| entry.grant_type.as_deref() == Some("refresh_token")).count()
}

#[test]
fn token_prints_a_token_and_nothing_else() {
    let google = Google::start();
    let device = google.device();
    device.run(&["token"]).exits(3).says("sign-in");
    google.sign_in(&device);

    let first = device.run(&["token"]).exits(0);
    assert_eq!((first.out.lines().count(), first.err.as_str()), (1, ""));
    assert!(first.out.starts_with("ya29.") && first.out.ends_with('\n'));
    assert_eq!((device.run(&["token"]).exits(0).out, refreshes(&google)), (first.out.clone(), 0));

    // Google's tokens live an hour: two cannot be had, one that is fresh is the next best thing.
    let asked = device.run(&["token", "--min-validity", "2h"]).exits(0).says("shorter");
    assert_eq!((asked.out.lines().count(), refreshes(&google)), (1, 1));
    assert_ne!(asked.out, first.out);
    assert_eq!((device.run(&["token", "--min-validity", "50m"]).exits(0).out, refreshes(&google)), (asked.out, 1));
}

#[test]
fn token_tells_weather_from_an_end() {
    let google = Google::with(Client { access_token_lifetime: 30, ..client() });
    let device = google.signed_in();
    google.set_faults([fault(
        "/token",
        Action::Status { status: 503, when: When::Before, body: None, content_type: None, retry_after: None },
    )]);
    let later = device.run(&["token"]).exits(75);
    assert_eq!(later.out, "");
    google.set_faults([]);
    device.run(&["token", "--min-validity", "10s"]).exits(0);
    google.model(|model| model.revoke_everything());
    device.run(&["token", "--min-validity", "1m"]).exits(3).says("sign-in");
    assert_eq!(device.status()["grant"]["state"], "must_sign_in_again");
}

#[test]
fn many_programs_refresh_once() {
    let google = Google::with(Client { access_token_lifetime: 30, ..client() });
    let device = google.signed_in();
    google.model(|model| model.set_client(Client { interval: 1, ..client() }));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| device.run(&["token", "--min-validity", "5m"]).exits(0));
        }
    });
    assert_eq!(refreshes(&google), 1);
}

#[test]
fn call_answers_with_the_body_and_a_code_that_tells() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    let sheet = format!("{}/v4/spreadsheets/{}", google.url(), google.spreadsheet());

    let got = device.run(&["call", "get", &format!("{sheet}?fields=properties.title")]).exits(0);
    assert_eq!(got.json(), json!({ "properties": { "title": "Rowkeeper log" } }));
    let missing = device.run(&["call", "GET", &format!("{}/v4/spreadsheets/none", google.url())]).exits(1);
    assert_eq!(missing.json()["error"]["code"], 404);
    let headed = device.run(&["call", "GET", &sheet, "--include"]).exits(0).out.replace("\r\n", "\n");
    let (head, body) = headed.split_once("\n\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.to_lowercase().contains("content-type: application/json"));
    assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
}

#[test]
fn call_sends_a_body_from_anywhere() {
    let google = Google::start();
    let device = google.signed_in();
    let url = format!("{}/v4/spreadsheets", google.url());
    let body = |title: &str| json!({ "properties": { "title": title } }).to_string();
    device.write("body.json", body("from a file").as_bytes());
    let titles = [
        device.run(&["call", "POST", &url, "--data", &body("from a word")]).exits(0).json(),
        device.run(&["call", "POST", &url, "--data", "@body.json"]).exits(0).json(),
        device.feed(&["call", "POST", &url, "--data", "@-"], body("from stdin")).exits(0).json(),
    ];
    assert_eq!(
        titles.map(|answer| answer["properties"]["title"].clone()),
        ["from a word", "from a file", "from stdin"].map(serde_json::Value::from)
    );
    device.run(&["call", "POST", &url, "--data", "@nowhere"]).exits(2).says("nowhere");
}

#[test]
fn call_refreshes_a_refused_token_once() {
    let google = Google::start();
    let device = google.signed_in();
    let url = format!("{}/v4/spreadsheets/none", google.url());
    google.model(|model| model.expire_access_tokens());
    device.run(&["call", "GET", &url]).exits(1);
    assert_eq!(refreshes(&google), 1);
    // An API that refuses every token is not asked for ever.
    google.set_faults([fault(
        "/v4/",
        Action::Status { status: 401, when: When::Before, body: None, content_type: None, retry_after: None },
    )]);
    let before = google.log().len();
    device.run(&["call", "GET", &url]).exits(1);
    assert_eq!((refreshes(&google), google.log().len() - before), (2, 3));
}

#[test]
fn call_never_repeats_what_may_have_been_done() {
    let google = Google::start();
    let device = google.signed_in();
    let url = format!("{}/v4/spreadsheets", google.url());
    for action in [
        Action::Reset { when: When::After },
        Action::Drop { when: When::After },
        Action::Status { status: 503, when: When::After, body: None, content_type: None, retry_after: None },
    ] {
        let made = google.model(|model| model.spreadsheet_ids()).len();
        google.set_faults([Rule { nth: Some(1), ..fault("/v4/", action) }]);
        device.run(&["call", "POST", &url, "--data", "{}"]).exits(1).says("outcome unknown");
        assert_eq!(google.model(|model| model.spreadsheet_ids()).len(), made + 1);
    }
    // What may be repeated is.
    google.set_faults([Rule { nth: Some(1), ..fault("/v4/", Action::Reset { when: When::After }) }]);
    device.run(&["call", "GET", &format!("{url}/{}", google.model(|model| model.spreadsheet_ids())[0])]).exits(0);
}

#[test]
fn call_ends_when_it_is_told_to() {
    let google = Google::start();
    let device = google.signed_in();
    let calling = device.start(&["call", "POST", &format!("{NOBODY}/v4/spreadsheets"), "--data", "{}"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    calling.signal(rustix::process::Signal::TERM);
    calling.end().exits(75);
    device.run(&["call", "GET", "not a url"]).exits(2);
    device.run(&["call", "GET", "http://192.0.2.1/"]).exits(2);
}

/// Somebody who names an emulator does not mean Google.
#[test]
fn an_emulator_that_cannot_be_read_is_not_passed_by() {
    use std::os::unix::ffi::OsStrExt;
    let device = Device::alone().configured("[provider]\nclient_id = \"x\"\n");
    let mut command = device.command(&["token"]);
    command.env("ROWKEEPER_EMULATOR", std::ffi::OsStr::from_bytes(b"http://127.0.0.1\xff:8085"));
    crate::device::Running::new(command, &["token"]).end().exits(2).says("ROWKEEPER_EMULATOR");
}

#[test]
fn googles_token_goes_nowhere_else() {
    let device = Device::alone().configured("[provider]\nclient_id = \"x\"\n");
    device.run(&["call", "GET", "https://example.org/"]).exits(2).says("not sent to example.org");
}

#[test]
fn the_queue_and_the_sheet_can_be_seen() {
    let google = Google::start();
    let device = google.signed_in();
    assert_eq!(device.run(&["queue", "list", "--json"]).exits(0).json(), json!([]));
    assert_eq!(device.run(&["sheet", "show", "--json"]).exits(0).json(), json!(null));
    let id = device.record(&["--at", "2026-11-22T18:30:00+01:00", "n=1", "ok=true", "x=", "text=a b"]);
    let listed = device.run(&["queue", "list", "--json"]).exits(0);
    assert_eq!(
        listed.json(),
        json!([{
            "id": id, "table": "records", "state": "waiting", "reason": null, "recorded": "2026-11-22T17:30:00Z",
            "record": { "n": 1, "ok": true, "x": null, "text": "a b" },
        }])
    );
    let shown = device.run(&["queue", "list"]).exits(0);
    assert_eq!(shown.out, format!("{id}  2026-11-22T17:30:00Z  records  waiting  n=1 ok=true x=null text=\"a b\"\n"));
    device.run(&["deliver"]).exits(0);
    let sheet = device.run(&["sheet", "show", "--json"]).exits(0).json();
    assert_eq!(sheet, device.status()["sheet"]);
    assert_eq!(sheet["spreadsheet_id"], google.spreadsheet());
}

#[test]
fn init_writes_a_file_that_works_and_never_over_another() {
    let device = Device::alone();
    device.write("client_secret", b"shh-a-secret\n");
    let arguments = [
        "init",
        "--client-id",
        "1234.apps.googleusercontent.com",
        "--client-secret-file",
        "client_secret",
        "--title",
        "Bücher \"2026\"",
        "--timezone",
        "Europe/Vienna",
        "--table",
        "readings",
        "--table",
        "doors",
    ];
    device.run(&arguments).exits(0);
    let written = fs::read_to_string(device.home().join("rowkeeper.toml")).unwrap();
    assert!(written.contains("# ") && !written.contains("shh-a-secret"));
    assert_eq!(device.status()["grant"]["provider"], "google");
    device.run(&["record", "--table", "doors", "open=true"]).exits(0);

    device.run(&["init"]).exits(2).says("--force");
    assert_eq!(fs::read_to_string(device.home().join("rowkeeper.toml")).unwrap(), written);
    device.run(&["init", "--output", "other.toml", "--timezone", "Vienna"]).exits(2).says("Vienna");
    assert!(!device.home().join("other.toml").exists());
    for (option, value) in [("--preset", "gogle"), ("--preset", "none"), ("--issuer", "ftp://example.org")] {
        device.run(&["init", "--output", "other.toml", "--client-id", "x", option, value]).exits(2);
        assert!(!device.home().join("other.toml").exists(), "{option} {value}");
    }
    device.run(&["init", "--output", "other.toml", "--client-id", "x"]).exits(0);
    device.run(&["--config", "other.toml", "status"]).exits(0);
    device.run(&["init", "--force", "--client-id", "y"]).exits(0);
    device.run(&["status"]).exits(0);
}

/// A person at a terminal is asked for what was not said; Enter takes what stands in the brackets.
#[test]
fn init_asks_a_person_at_a_terminal() {
    let device = Device::alone();
    let mut terminal = device.at_terminal(&["init", "--title", "Workshop"]);
    terminal.types("1234.apps.googleusercontent.com\n\nEurope/Vienna\nreadings\n");
    let asked = terminal.end().exits(0).out;
    for question in
        ["client's id", "[client_secret]", "[UTC]", "[records]", "put the client's secret into client_secret"]
    {
        assert!(asked.contains(question), "{question}: {asked}");
    }
    assert!(!asked.contains("title"), "{asked}");
    let written = fs::read_to_string(device.home().join("rowkeeper.toml")).unwrap();
    for line in [
        "client_id = \"1234.apps.googleusercontent.com\"",
        "client_secret_file = \"client_secret\"",
        "title = \"Workshop\"",
        "timezone = \"Europe/Vienna\"",
        "name = \"readings\"",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    // Nobody is asked where nobody is.
    device.feed(&["init", "--output", "other.toml"], "x\n").exits(0);
    assert!(fs::read_to_string(device.home().join("other.toml")).unwrap().contains("client_id = \"\""));
}

#[test]
fn the_demo_needs_nobody_and_proves_itself() {
    let device = Device::alone();
    let (demo, took) = timed(|| device.run(&["demo", "--rows", "40"]).exits(0));
    assert!(demo.out.lines().any(|line| line.trim() == "lost 0"), "{demo:?}");
    assert!(demo.out.lines().any(|line| line.trim() == "doubled 0"), "{demo:?}");
    assert!(took.as_secs() < 60, "{took:?}");
    assert!(!device.state("").exists(), "it left something behind");
}

#[test]
fn any_provider_signs_in_by_its_issuer() {
    let google = Google::with(Client { dialect: Dialect::Rfc, verification: Verification::Uri, ..client() });
    let device = Device::alone();
    device.write("client_secret", b"emulator-secret\n");
    let issuer = google.url();
    device
        .run(&["init", "--issuer", &issuer, "--client-id", "emulator-client", "--client-secret-file", "client_secret"])
        .exits(0);
    let toml = fs::read_to_string(device.home().join("rowkeeper.toml")).unwrap();
    device.write("rowkeeper.toml", toml.replace("# scopes = [\"…\"]", "scopes = [\"openid\", \"email\"]").as_bytes());
    google.sign_in(&device);
    let status = device.status();
    assert_eq!((&status["grant"]["state"], &status["grant"]["provider"]), (&json!("signed_in"), &json!("none")));
    device.run(&["token"]).exits(0);
    // Its tokens are not Google's, and are not sent there.
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(2).says("not Google");
    // Once its addresses are known, nothing depends on asking for them.
    google.set_faults([fault(".well-known", Action::Reset { when: When::Before })]);
    device.run(&["token", "--min-validity", "2h"]).exits(0);
    device.run(&["sign-out"]).exits(0);
}

#[test]
fn declared_columns_decide_how_values_are_read() {
    let google = Google::start();
    let toml = "[[table]]\nname = \"visits\"\ncolumns = [{ name = \"badge\", type = \"text\" }, \
                { name = \"hours\", type = \"number\" }, { name = \"left\", type = \"date-time\" }]\n";
    let device = google.device().configured(toml);
    google.sign_in(&device);
    device.record(&["hours=2", "badge=12", "left=2026-11-22T18:30:00Z", "more=x"]);
    for wrong in ["hours=two", "left=yesterday"] {
        device.run(&["record", wrong]).exits(1).says("must be a");
    }
    device.run(&["deliver"]).exits(0);
    let row = &google.rows("visits")[0];
    assert_eq!((&row["badge"], &row["hours"]), (&CellValue::Text("12".into()), &CellValue::Number(2.0)));
    let id = google.spreadsheet();
    let header = google.model(|model| model.rows(&id, "visits")).unwrap()[0].iter().map(text).collect::<Vec<_>>();
    assert_eq!(&header[header.len() - 4..], ["badge", "hours", "left", "more"]);
}

#[test]
fn an_exported_queue_can_be_recorded_again() {
    let device = Device::alone();
    let kept = device.record(&["--at", "2026-11-22T18:30:00+01:00", "n=1.5", "ok=true", "text==1+1", "badge=007"]);
    let gone = device.record(&["n=2"]);
    device.run(&["queue", "drop"]).exits(2);
    device.run(&["queue", "drop", &gone]).exits(0);
    assert_eq!(device.run(&["queue", "list", "--json"]).exits(0).json().as_array().unwrap().len(), 1);
    assert!(device.run(&["queue", "show", &kept]).exits(0).out.contains("=1+1"));
    for format in ["jsonl", "csv"] {
        let exported = device.run(&["queue", "export", format]).exits(0).out;
        let other = Device::alone();
        other.feed(&["record", "--stdin", format], exported).exits(0);
        let fields = |device: &Device| {
            let listed = device.run(&["queue", "list", "--json"]).exits(0).json();
            (listed[0]["record"].clone(), listed[0]["recorded"].clone())
        };
        assert_eq!(fields(&other), fields(&device), "{format}");
    }
}
