//! Tables: types, formats, tabs for months, and what the grid costs; looked at in the sheet.

use google_emulator::CellValue;
use serde_json::{Value, json};

use crate::device::Device;
use crate::google::Google;

const TYPES: &str = r#"
[sheet]
timezone = "Europe/Vienna"
precision = "millisecond"

[[table]]
name = "typed"
[[table.columns]]
name = "badge"
type = "text"
[[table.columns]]
name = "count"
type = "integer"
[[table.columns]]
name = "day"
type = "date"
[[table.columns]]
name = "begin"
type = "time"
[[table.columns]]
name = "seen"
type = "date-time"
[[table.columns]]
name = "took"
type = "duration"
[[table.columns]]
name = "ok"
type = "boolean"
"#;

/// What a person sees: the formatted texts of a tab, row by row, and the tab's properties.
fn looks(google: &Google, device: &Device, tab: &str) -> (Vec<Vec<String>>, Value) {
    let fields = "sheets(properties,data(rowData(values(formattedValue))))";
    let url = format!("{}/v4/spreadsheets/{}?includeGridData=true&fields={fields}", google.url(), google.spreadsheet());
    let answer = device.run(&["call", "GET", &url]).exits(0).json();
    let sheets = answer["sheets"].as_array().unwrap();
    let sheet = sheets.iter().find(|sheet| sheet["properties"]["title"] == tab).unwrap();
    let text = |cell: &Value| cell["formattedValue"].as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| row["values"].as_array().map_or(Vec::new(), |cells| cells.iter().map(text).collect());
    (sheet["data"][0]["rowData"].as_array().unwrap().iter().map(row).collect(), sheet["properties"].clone())
}

#[test]
fn declared_columns_look_as_what_they_are() {
    let google = Google::start();
    let device = google.device().configured(TYPES);
    google.sign_in(&device);
    let at = ["--at", "2026-03-29T00:59:59.250Z"];
    let words =
        ["badge=007", "count=3", "day=2026-11-22", "begin=08:00", "seen=2026-10-25T00:30:00Z", "took=25:00:01.5"];
    device.record(&[&at[..], &words, &["ok=true", "note=later"]].concat());
    device.run(&["deliver"]).exits(0);
    let json =
        r#"{"_at":"2026-03-29T01:00:00Z","badge":12,"count":4.0,"day":null,"took":90,"seen":"2026-11-22 18:30"}"#;
    device.feed(&["record", "--stdin"], format!("{json}\n")).exits(0);
    device.run(&["deliver"]).exits(0);

    let (rows, properties) = looks(&google, &device, "typed");
    let header = ["_id", "time", "device", "badge", "count", "day", "begin", "seen", "took", "ok", "note"];
    assert_eq!(rows[0], header);
    let summer = "2026-03-29 01:59:59.250";
    let shown = ["007", "3", "2026-11-22", "08:00:00.000", "2026-10-25 02:30:00.000", "25:00:01.500", "TRUE", "later"];
    assert_eq!((rows[1][1].as_str(), &rows[1][3..]), (summer, &shown.map(String::from)[..]));
    let shown = ["12", "4", "", "", "2026-11-22 18:30:00.000", "0:01:30.000"];
    assert_eq!((rows[2][1].as_str(), &rows[2][3..]), ("2026-03-29 03:00:00.000", &shown.map(String::from)[..]));
    assert_eq!(google.rows("typed")[1]["badge"], CellValue::Text("12".into()), "a declared text is text");

    // Two rows, a header, and not one cell more; the header does not scroll away.
    let grid = &properties["gridProperties"];
    assert_eq!((&grid["rowCount"], &grid["columnCount"], &grid["frozenRowCount"]), (&json!(3), &json!(11), &json!(1)));
}

#[test]
fn what_a_declared_column_cannot_hold_is_refused_by_its_name() {
    let device = Device::alone().configured(TYPES);
    for (word, says) in [
        ("count=1.5", "\"count\" must be a whole number"),
        ("count=12345678901234567", "\"count\" must be a whole number of at most 15 digits"),
        ("day=22.11.2026", "\"day\" must be a day such as 2026-11-22"),
        ("begin=24:00", "\"begin\" must be a time of day such as 18:30"),
        ("seen=yesterday", "\"seen\" must be a time such as 2026-11-22T18:30:00+01:00"),
        ("took=soon", "\"took\" must be a duration such as 1:30:00"),
        ("ok=1", "\"ok\" must be true or false"),
    ] {
        device.run(&["record", word]).exits(1).says(says);
        let (key, text) = word.split_once('=').unwrap();
        let csv = device.feed(&["record", "--stdin", "csv"], format!("{key}\n{text}\n")).exits(1);
        assert!(csv.lines()[0]["error"].as_str().unwrap().contains(says), "{csv:?}");
    }
    let jsonl = device.feed(&["record", "--stdin"], "{\"count\":\"three\"}\n{\"ok\":\"true\",\"count\":3}\n").exits(1);
    assert_eq!((&jsonl.lines()[0]["result"], &jsonl.lines()[1]["result"]), (&json!("refused"), &json!("kept")));
    assert_eq!(device.status()["queue"]["waiting"], 1);
}

#[test]
fn a_column_that_comes_later_gets_its_format_in_the_same_call() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    device.record(&["a=2", "when=2026-11-22T17:30:00Z"]);
    device.run(&["deliver"]).exits(0);
    let (rows, properties) = looks(&google, &device, "records");
    assert_eq!(rows[0][4], "when");
    assert_eq!((rows[1][4].as_str(), rows[2][4].as_str()), ("", "2026-11-22 17:30:00"));
    assert_eq!(properties["gridProperties"]["columnCount"], 5);
    // The row before has no such value; its cell is formatted for one all the same.
    let url = format!(
        "{}/v4/spreadsheets/{}?ranges=records!E2&fields=sheets.data.rowData.values.userEnteredFormat.numberFormat",
        google.url(),
        google.spreadsheet()
    );
    let format = device.run(&["call", "GET", &url]).exits(0).json();
    let format = &format["sheets"][0]["data"][0]["rowData"][0]["values"][0]["userEnteredFormat"]["numberFormat"];
    assert_eq!(format["pattern"], "yyyy-mm-dd hh:mm:ss");
}

#[test]
fn a_row_goes_to_the_tab_of_its_own_month_also_when_it_is_late() {
    let google = Google::start();
    let device = google.device().configured(
        "[sheet]\ntimezone = \"Europe/Vienna\"\n[[table]]\nname = \"log\"\nrotate = \"month\"\n\
         columns = [{ name = \"n\", type = \"integer\" }]\n[[table]]\nname = \"doors\"\n",
    );
    google.sign_in(&device);
    let record = |at: &str, n: u32| device.record(&["--at", at, &format!("n={n}")]);
    record("2026-10-31T12:00:00Z", 1);
    record("2026-11-30T22:59:59Z", 2);
    record("2026-11-30T23:00:00Z", 3); // December in Vienna
    device.record(&["--table", "doors", "door=1"]);
    device.run(&["deliver"]).exits(0);
    record("2026-10-01T00:00:00+02:00", 4);
    record("2027-01-15T00:00:00Z", 5);
    device.run(&["deliver"]).exits(0);
    let numbers = |tab: &str| google.rows(tab).iter().map(|row| row["n"].clone()).collect::<Vec<_>>();
    let n = |number: f64| CellValue::Number(number);
    assert_eq!(numbers("log 2026-10"), [n(1.0), n(4.0)]);
    assert_eq!(numbers("log 2026-11"), [n(2.0)]);
    assert_eq!(numbers("log 2026-12"), [n(3.0)]);
    assert_eq!(numbers("log 2027-01"), [n(5.0)]);
    assert_eq!(google.rows("doors").len(), 1);
    assert_eq!(device.run(&["queue", "list", "--delivered", "--json"]).exits(0).json()[0]["table"], "log");
    let (rows, properties) = looks(&google, &device, "log 2027-01");
    assert_eq!(rows[0], ["_id", "time", "device", "n"]);
    assert_eq!(properties["gridProperties"]["rowCount"], 2);
}

/// A person renames, moves and hides; rows go on.
#[test]
fn tabs_of_months_are_found_when_they_were_renamed() {
    let google = Google::start();
    let device = google.device().configured("[[table]]\nname = \"log\"\nrotate = \"year\"\n");
    google.sign_in(&device);
    device.record(&["--at", "2026-06-01T00:00:00Z", "n=1"]);
    device.run(&["deliver"]).exits(0);
    let sheet = format!("{}/v4/spreadsheets/{}", google.url(), google.spreadsheet());
    let properties = device.run(&["call", "GET", &format!("{sheet}?fields=sheets.properties")]).exits(0).json();
    let tab = properties["sheets"].as_array().unwrap().iter().find(|tab| tab["properties"]["title"] == "log 2026");
    let id = &tab.unwrap()["properties"]["sheetId"];
    let rename = json!({"requests": [{"updateSheetProperties": {
        "properties": {"sheetId": id, "title": "last year", "hidden": true}, "fields": "title,hidden"}}]});
    device.run(&["call", "POST", &format!("{sheet}:batchUpdate"), "--data", &rename.to_string()]).exits(0);
    device.record(&["--at", "2026-06-02T00:00:00Z", "n=2"]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("last year").len(), 2);
}

#[test]
fn a_row_wider_than_the_grid_widens_it_and_long_texts_fit_to_the_last_character() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    let wide: Vec<String> = (0..300).map(|column| format!("c{column}={column}")).collect();
    device.record(&wide.iter().map(String::as_str).collect::<Vec<_>>());
    device.record(&[&format!("a={}", "x".repeat(50_000))]);
    device.run(&["record", &format!("a={}", "x".repeat(50_001))]).exits(1).says("50001 characters");
    device.run(&["deliver"]).exits(0);
    let rows = google.rows("records");
    assert_eq!((rows.len(), rows[1]["c299"].clone()), (3, CellValue::Number(299.0)));
    assert!(matches!(&rows[2]["a"], CellValue::Text(text) if text.len() == 50_000));
    let (_, properties) = looks(&google, &device, "records");
    assert_eq!(properties["gridProperties"]["columnCount"], 304);
}

/// A person gives a column a format of their own, also where no row is yet.
#[test]
fn a_format_that_a_person_chose_stays_where_columns_have_formats() {
    for (formats, shown) in [("column", ["21.00", "22.11.2026"]), ("cell", ["21", "2026-11-22 17:30:00"])] {
        let google = Google::start();
        let device = google.device().configured(&format!("[sheet]\nformats = \"{formats}\"\n"));
        google.sign_in(&device);
        let record = || {
            device.record(&["--at", "2026-11-22T17:30:00Z", "t=21"]);
            device.run(&["deliver"]).exits(0);
        };
        record();
        assert_eq!(looks(&google, &device, "records").0[1][1], "2026-11-22 17:30:00", "{formats}");
        let sheet = format!("{}/v4/spreadsheets/{}", google.url(), google.spreadsheet());
        let id = looks(&google, &device, "records").1["sheetId"].clone();
        let format = |column: u32, kind: &str, pattern: &str| {
            json!({"repeatCell": {
                "range": {"sheetId": id, "startRowIndex": 1, "startColumnIndex": column, "endColumnIndex": column + 1},
                "cell": {"userEnteredFormat": {"numberFormat": {"type": kind, "pattern": pattern}}},
                "fields": "userEnteredFormat.numberFormat"}})
        };
        let grow = json!({"appendDimension": {"sheetId": id, "dimension": "ROWS", "length": 5}});
        let requests = json!({"requests": [grow, format(3, "NUMBER", "0.00"), format(1, "DATE", "dd.mm.yyyy")]});
        device.run(&["call", "POST", &format!("{sheet}:batchUpdate"), "--data", &requests.to_string()]).exits(0);
        record();
        let rows = looks(&google, &device, "records").0;
        assert_eq!([rows[2][3].as_str(), rows[2][1].as_str()], shown, "{formats}");
    }
}
