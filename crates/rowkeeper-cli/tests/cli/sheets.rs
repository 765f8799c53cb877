//! Where the rows go: `sheet show|new|adopt`, the next spreadsheet, and devices that share one.

use google_emulator::CellValue;
use serde_json::{Value, json};

use crate::device::Device;
use crate::google::Google;

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
    let device = google.signed_in();
    record(&device, 1);
    let first = sheet_of(&device);
    let sibling = google.signed_in();
    sibling.run(&["sheet", "adopt", &first]).exits(0);
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
