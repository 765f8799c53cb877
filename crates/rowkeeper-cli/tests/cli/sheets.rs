//! Where the rows go: `sheet show|new|adopt`, the next spreadsheet, and devices that share one.

use google_emulator::{Action, CellValue, Client, Rule, When};
use serde_json::{Value, json};

use crate::device::Device;
use crate::google::{Google, client, fault, html};

fn sheet_of(device: &Device) -> String {
    device.run(&["sheet", "show", "--json"]).exits(0).json()["spreadsheet_id"].as_str().unwrap().to_owned()
}

fn numbers(google: &Google, spreadsheet: &str) -> Vec<String> {
    let rows = google.model(|model| model.rows(spreadsheet, "records")).unwrap_or_default();
    let Some(at) = rows.first().and_then(|header| header.iter().position(|cell| *cell == CellValue::Text("n".into())))
    else {
        return Vec::new();
    };
    rows[1..].iter().map(|row| format!("{:?}", row[at])).collect()
}

fn titles(google: &Google, device: &Device) -> Vec<String> {
    let title = |id: &String| {
        let url = format!("{}/v4/spreadsheets/{id}?fields=properties.title", google.url());
        device.run(&["call", "GET", &url]).exits(0).json()["properties"]["title"].as_str().unwrap().to_owned()
    };
    let mut titles: Vec<String> = google.model(|model| model.spreadsheet_ids()).iter().map(title).collect();
    titles.sort();
    titles
}

fn record(device: &Device, n: u32) {
    device.record(&[&format!("n={n}")]);
    device.run(&["deliver"]).exits(0);
}

/// Two devices that share a spreadsheet, which has a row of the first one; and its id.
fn two_on_one_spreadsheet(google: &Google) -> (Device, Device, String) {
    let device = google.signed_in();
    record(&device, 1);
    let sheet = sheet_of(&device);
    let sibling = google.signed_in();
    sibling.run(&["sheet", "adopt", &sheet]).exits(0);
    (device, sibling, sheet)
}

fn n(numbers: &[f64]) -> Vec<String> {
    numbers.iter().map(|number| format!("{:?}", CellValue::Number(*number))).collect()
}

#[test]
fn rows_go_to_a_new_spreadsheet_and_back_to_the_old_one() {
    let google = Google::start();
    let device = google.signed_in();
    device.run(&["sheet", "new"]).exits(0);
    let first = sheet_of(&device);
    record(&device, 1);
    let went = device.run(&["sheet", "new", "--json"]).exits(0).json();
    assert_eq!((&went["title"], &went["in_doubt"]), (&json!("Rowkeeper log (2)"), &json!([])));
    let second = sheet_of(&device);
    assert_eq!(went["spreadsheet_id"], json!(second));
    record(&device, 2);
    // By the address that the browser shows.
    let address = format!("https://docs.google.com/spreadsheets/d/{first}/edit#gid=0");
    let back = device.run(&["sheet", "adopt", &address]).exits(0);
    assert!(back.out.contains(&first), "{back:?}");
    record(&device, 3);
    assert_eq!((numbers(&google, &first), numbers(&google, &second)), (n(&[1.0, 3.0]), n(&[2.0])));
    device.run(&["sheet", "adopt", "of-somebody-else"]).exits(1).says("only one that Rowkeeper made");
    record(&device, 4);
    assert_eq!(numbers(&google, &first).len(), 3, "all is as it was");
    let shown = device.run(&["sheet", "show"]).exits(0).out;
    assert!(shown.starts_with("Rowkeeper log\n") && shown.contains(&first), "{shown}");
}

#[test]
fn a_full_spreadsheet_is_left_for_the_next_one_by_itself_and_siblings_follow() {
    let google = Google::start();
    let (device, sibling, first) = two_on_one_spreadsheet(&google);
    record(&sibling, 2);
    assert_eq!(numbers(&google, &first), n(&[1.0, 2.0]), "two devices share it");

    // Somebody fills it until no row fits any more: a tab of almost ten million cells.
    let url = format!("{}/v4/spreadsheets/{first}:batchUpdate", google.url());
    let grown = |rows: u32| json!({"requests": [{"addSheet": {"properties": {"title": "big", "gridProperties": {"rowCount": rows, "columnCount": 5}}}}]});
    device.run(&["call", "POST", &url, "--data", &grown(1_999_997).to_string()]).exits(0);
    for n in 10..20 {
        device.record(&[&format!("n={n}")]);
    }
    device.run(&["deliver"]).exits(0);
    record(&sibling, 20);
    let second = sheet_of(&device);
    assert_eq!((second != first, sheet_of(&sibling)), (true, second.clone()), "they go on together");
    let mut all = [numbers(&google, &first), numbers(&google, &second)].concat();
    all.sort();
    let mut wanted = n(&[1.0, 2.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0]);
    wanted.sort();
    assert_eq!(all, wanted, "every row once");
    assert_eq!(titles(&google, &device), ["Rowkeeper log", "Rowkeeper log (2)"]);
}

/// Before Google refuses anything: a grid that has grown to the limit, of whatever, is seen by every start.
#[test]
fn a_spreadsheet_that_is_seen_to_be_full_is_left_without_a_refusal() {
    let google = Google::start();
    let device = google.signed_in();
    record(&device, 1);
    let first = sheet_of(&device);
    let sibling = google.signed_in();
    sibling.run(&["sheet", "adopt", &first]).exits(0);
    record(&sibling, 2);
    let url = format!("{}/v4/spreadsheets/{first}", google.url());
    let shown = device.run(&["call", "GET", &format!("{url}?fields=sheets.properties")]).exits(0).json();
    let tab = &shown["sheets"][0]["properties"];
    let (rows, columns) = (&tab["gridProperties"]["rowCount"], &tab["gridProperties"]["columnCount"]);
    let length = 10_000_000 / columns.as_u64().unwrap() - rows.as_u64().unwrap();
    let grow = json!({"appendDimension": {"sheetId": tab["sheetId"], "dimension": "ROWS", "length": length}});
    let body = json!({ "requests": [grow] }).to_string();
    device.run(&["call", "POST", &format!("{url}:batchUpdate"), "--data", &body]).exits(0);

    let seen = google.log().len();
    record(&device, 3);
    record(&sibling, 4);
    record(&device, 5);
    let second = sheet_of(&device);
    assert_eq!((second != first, sheet_of(&sibling)), (true, second.clone()), "they go on together");
    assert_eq!((numbers(&google, &first), numbers(&google, &second)), (n(&[1.0, 2.0]), n(&[3.0, 4.0, 5.0])));
    let refused: Vec<_> = google.log().into_iter().skip(seen).filter(|entry| entry.status == 400).collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(titles(&google, &device), ["Rowkeeper log", "Rowkeeper log (2)"]);
}

/// With all tables rotating there is no tab of a table's own name to begin with; Google's default tab has 26,000 cells.
#[test]
fn a_new_spreadsheet_has_no_cell_that_nobody_asked_for() {
    let google = Google::start();
    let device = google.device().configured(
        "[[table]]\nname = \"log\"\nrotate = \"month\"\n[[table]]\nname = \"doors\"\nrotate = \"year\"\ncolumns = [{ name = \"door\" }]\n",
    );
    google.sign_in(&device);
    device.run(&["sheet", "new"]).exits(0);
    let url = format!("{}/v4/spreadsheets/{}?fields=sheets.properties", google.url(), sheet_of(&device));
    let sheets = device.run(&["call", "GET", &url]).exits(0).json()["sheets"].as_array().unwrap().clone();
    let cells = |sheet: &Value| {
        let grid = &sheet["properties"]["gridProperties"];
        grid["rowCount"].as_u64().unwrap() * grid["columnCount"].as_u64().unwrap()
    };
    assert_eq!(sheets.iter().map(cells).collect::<Vec<_>>(), [6, 8], "two rows of three and of four");
}

/// Of a device that is gone only the markers stay that protect others; a living one is left alone, and goes on.
#[test]
fn a_person_tidies_up_after_another_device() {
    let google = Google::start();
    let (device, sibling, first) = two_on_one_spreadsheet(&google);
    (2..6).for_each(|n| record(&sibling, n));

    let listed = || device.run(&["sheet", "tidy", "--json"]).exits(0).json().as_array().unwrap().clone();
    let found = listed();
    let (own, other): (Vec<&Value>, Vec<&Value>) = found.iter().partition(|found| found["this_device"] == true);
    assert_eq!((own.len(), other.len()), (1, 1), "{found:?}");
    assert_eq!((&own[0]["removable"], &other[0]["markers"], &other[0]["removable"]), (&json!(0), &json!(4), &json!(3)));
    let since = other[0]["unchanged_since"].as_str().unwrap().to_owned();
    let (ours, theirs) = (own[0]["device"].as_str().unwrap(), other[0]["device"].as_str().unwrap());
    let told = device.run(&["sheet", "tidy"]).exits(0).out;
    assert!(told.contains(&format!("{theirs}: 4 markers, 3 may be removed, unchanged since {since}")), "{told}");
    assert!(told.contains(&format!("{ours}, this device: 1 markers, 0")), "{told}");

    device.run(&["sheet", "tidy", "--device", theirs]).exits(2).says("--yes");
    device.run(&["sheet", "tidy", "--device", ours, "--yes"]).exits(1).says("by itself");
    device.run(&["sheet", "tidy", "--device", "nobody", "--yes"]).exits(1).says("no device nobody");
    device.run(&["sheet", "tidy", "--yes"]).exits(2).says("--device");
    assert_eq!(listed(), found, "nothing was removed yet");
    let removed = device.run(&["sheet", "tidy", "--device", theirs, "--yes", "--json"]).exits(0).json();
    assert_eq!(removed, json!([{"device": theirs, "removed": 3}]));
    let again = device.run(&["sheet", "tidy", "--device", theirs, "--yes"]).exits(0);
    assert!(again.out.contains("nothing to remove"), "{again:?}");
    let left = listed();
    let left = left.iter().find(|found| found["device"] == theirs).unwrap();
    assert_eq!((&left["markers"], &left["removable"]), (&json!(1), &json!(0)));

    // It was not gone at all.
    record(&sibling, 6);
    record(&device, 7);
    let mut all = numbers(&google, &first);
    all.sort();
    assert_eq!(all, n(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]));
}

/// On a terminal a person is asked about each device; without one nobody is, and without a yes nothing goes.
#[test]
fn a_person_is_asked_before_anything_is_tidied() {
    let google = Google::start();
    let (device, sibling, _) = two_on_one_spreadsheet(&google);
    (2..5).for_each(|n| record(&sibling, n));
    let markers = || {
        let found = device.run(&["sheet", "tidy", "--json"]).exits(0).json();
        let other = found.as_array().unwrap().iter().find(|found| found["this_device"] == false).unwrap().clone();
        (other["device"].as_str().unwrap().to_owned(), other["markers"].as_u64().unwrap())
    };
    let (tag, before) = markers();
    assert_eq!(before, 3);
    let asked = |arguments: &[&str], answer: &str| {
        let mut terminal = device.at_terminal(&[&["sheet", "tidy"], arguments].concat());
        terminal.shows(&format!("Remove 2 old markers of device {tag}? Only if it is switched off for good"));
        terminal.types(answer);
        terminal.end().exits(0).out
    };
    // Enter is a no, and so is what nobody understands.
    for answer in ["\n", "n\n", "yes please\n", "\u{4}"] {
        assert!(!asked(&[], answer).contains("markers removed"), "{answer:?}");
    }
    assert!(asked(&["--device", &tag], "no\n").contains("nothing to remove"));
    assert_eq!(markers(), (tag.clone(), before), "nothing was removed yet");
    // A list that goes to a pipe is only a list, and an answer that comes from one is none.
    let piped = device.feed(&["sheet", "tidy"], "y\n").exits(0);
    assert!(piped.out.contains(&tag) && !piped.out.contains("markers removed") && piped.err.is_empty(), "{piped:?}");
    device.feed(&["sheet", "tidy", "--device", &tag], "y\n").exits(2).says("say --yes");
    assert_eq!(markers(), (tag.clone(), before), "nothing was removed yet");
    assert!(asked(&[], "Y\n").contains(&format!("{tag}: 2 markers removed")));
    assert_eq!(markers(), (tag, 1), "the newest one stays");
}

/// What went wrong is told until it is over, whichever process ends it. (It was told for ever where another process did.)
#[test]
fn trouble_that_is_over_is_not_told_any_more() {
    let google = Google::start();
    let device = google.signed_in();
    let idle = json!({ "state": "idle", "next_try_at": null, "last_error": null });
    let in_trouble = |arguments: &[&str], says: &str| {
        google.set_faults([html(502)]);
        device.run(arguments).exits(75).says(says);
        google.set_faults([]);
        let delivery = &device.status()["delivery"];
        assert!(delivery["last_error"].is_string(), "{delivery}");
    };
    device.record(&["n=1"]);
    in_trouble(&["deliver", "--for", "1s"], "1 records still wait");
    device.run(&["deliver"]).exits(0);
    assert_eq!(device.status()["delivery"], idle);
    in_trouble(&["sheet", "new", "--for", "1s"], "not done yet; the next delivery goes on with it");
    device.run(&["sheet", "new"]).exits(0);
    assert_eq!(device.status()["delivery"], idle);
    // No id of a spreadsheet, and no address of one: nothing is asked, and no wish is left behind.
    for sheet in ["", "of somebody", "https://docs.google.com/document/d/1aB"] {
        device.run(&["sheet", "adopt", sheet]).exits(2).says("neither the id of a spreadsheet nor its address");
    }
    assert_eq!(device.status()["delivery"], idle);
}

/// Creating a spreadsheet cannot be repeated safely: what may lie about is named.
#[test]
fn a_spreadsheet_that_nobody_heard_of_is_named_by_the_doctor() {
    let google = Google::start();
    let device = google.signed_in();
    let lost = Rule { times: Some(1), ..fault("/v4/spreadsheets", Action::Html { status: 502, when: When::After }) };
    google.set_faults([lost]);
    device.record(&["n=1"]);
    device.run(&["deliver"]).exits(0);
    let known = sheet_of(&device);
    let ids = google.model(|model| model.spreadsheet_ids());
    let orphan = ids.iter().find(|id| **id != known).unwrap();
    assert_eq!(ids.len(), 2);
    let finding = |device: &Device| {
        let found = device.run(&["doctor", "--json"]).json();
        found.as_array().unwrap().iter().find(|finding| finding["check"] == "orphans").cloned()
    };
    let found = finding(&device).unwrap();
    let what = found["what"].as_str().unwrap();
    assert!(found["verdict"] == "warning" && what.contains(orphan.as_str()) && !what.contains(&known), "{found}");
    // Where nobody can look into Drive, the person is told what to look for.
    google.model(|model| model.set_client(Client { drive_api_enabled: false, ..client() }));
    let found = finding(&device).unwrap();
    assert!(found["advice"].as_str().unwrap().contains("\"Rowkeeper log\""), "{found}");
    google.model(|model| model.set_client(client()));
    google.model(|model| model.delete_spreadsheet(orphan));
    assert_eq!(finding(&device).unwrap()["verdict"], "good");
    // A device that heard of all its spreadsheets has nothing to say; one that was not sent at all is none either.
    let other = google.signed_in();
    google.set_faults([fault("/v4/spreadsheets", quota())]);
    other.record(&["n=2"]);
    // Long enough to hear the answer on a busy machine.
    other.run(&["deliver", "--for", "6s"]).exits(75);
    google.set_faults([]);
    other.run(&["deliver"]).exits(0);
    assert_eq!(finding(&other), None);
}

fn quota() -> Action {
    let body = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}"#;
    let content_type = Some("application/json".into());
    Action::Status { status: 429, when: When::Before, body: Some(body.into()), content_type, retry_after: None }
}

/// A batch without an answer, and then a spreadsheet that is gone: its rows are named until a person has a word.
#[test]
fn rows_that_may_be_in_a_lost_spreadsheet_are_named_until_a_person_decides() {
    let google = Google::start();
    let device = google.signed_in();
    record(&device, 1);
    let first = sheet_of(&device);
    google.set_faults([fault(":batchUpdate", Action::Html { status: 502, when: When::After })]);
    let ids: Vec<String> = (2..5).map(|n| device.record(&[&format!("n={n}")])).collect();
    device.run(&["deliver", "--for", "1s"]).exits(75);
    google.set_faults([]);
    google.model(|model| model.delete_spreadsheet(&first));
    let went = device.run(&["sheet", "new", "--json"]).exits(0).json();
    assert_eq!(went["in_doubt"], json!(ids));
    // Others go on; the queue is not empty while a row is in doubt.
    device.record(&["n=5"]);
    device.run(&["deliver", "--for", "2s"]).exits(75);

    let status = device.status();
    assert_eq!(status["queue"]["in_doubt"], json!(ids), "{status}");
    let (told, doctor) = (device.run(&["status"]).exits(0).out, device.run(&["doctor"]).out);
    for text in [&told, &doctor] {
        assert!(ids.iter().all(|id| text.contains(id.as_str())), "{text}");
        assert!(text.contains("queue retry ID` (it may come twice)"), "{text}");
        assert!(text.contains("queue drop ID` (it may be lost)"), "{text}");
    }
    device.run(&["queue", "retry", &ids[0]]).exits(0);
    device.run(&["queue", "drop", &ids[1]]).exits(0);
    assert_eq!(device.status()["queue"]["in_doubt"], json!(ids[2..]));
    device.run(&["queue", "drop", &ids[2]]).exits(0);
    device.run(&["deliver"]).exits(0);
    assert_eq!(device.status()["queue"].get("in_doubt"), None);
    assert!(!device.run(&["doctor"]).out.contains("in doubt"));
    assert_eq!(numbers(&google, &sheet_of(&device)), n(&[5.0, 2.0]));
}
