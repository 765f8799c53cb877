//! `rowkeeper amend`, wherever the record is by then.

use google_emulator::{Action, CellValue, When};
use serde_json::json;

use crate::device::{Device, eventually};
use crate::google::{Google, fault};

fn number(n: f64) -> CellValue {
    CellValue::Number(n)
}

/// Records and delivers rows with `n` from 1 on; their ids.
fn delivered(device: &Device, rows: u32) -> Vec<String> {
    let ids = (1..=rows).map(|n| device.record(&[&format!("n={n}"), "who=ann"])).collect();
    device.run(&["deliver"]).exits(0);
    ids
}

fn tab(google: &Google) -> (String, Vec<Vec<CellValue>>) {
    let id = google.spreadsheet();
    let rows = google.model(|model| model.rows(&id, "records")).unwrap();
    (id, rows)
}

#[test]
fn a_queued_record_is_changed_in_the_queue() {
    let google = Google::start();
    let device = google.signed_in();
    let id = device.record(&["n=1", "who=ann"]);
    let amended = device.run(&["amend", &id, "who=bob", "late=true", "--json"]).exits(0);
    assert_eq!(amended.json(), json!({"id": id, "result": "merged"}));
    let listed = device.run(&["queue", "list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["record"], json!({"n": 1, "who": "bob", "late": true}));
    device.run(&["deliver"]).exits(0);
    let row = &google.rows("records")[0];
    assert_eq!((&row["who"], &row["late"]), (&CellValue::Text("bob".into()), &CellValue::Bool(true)));
    assert_eq!(google.rows("records").len(), 1);
}

#[test]
fn a_delivered_record_is_changed_where_a_person_put_it() {
    let google = Google::start();
    let device = google.signed_in();
    let ids = delivered(&device, 4);
    let (sheet, _) = tab(&google);
    let tabs = format!("{}/v4/spreadsheets/{sheet}?fields=sheets.properties.sheetId", google.url());
    let tabs = device.run(&["call", "GET", &tabs]).exits(0).json();
    let sort = json!({"requests": [{"sortRange": {
        "range": {"sheetId": tabs["sheets"][0]["properties"]["sheetId"], "startRowIndex": 1},
        "sortSpecs": [{"dimensionIndex": 3, "sortOrder": "DESCENDING"}],
    }}]});
    let url = format!("{}/v4/spreadsheets/{sheet}:batchUpdate", google.url());
    device.run(&["call", "POST", &url, "--data", &sort.to_string()]).exits(0);

    let amended = device.run(&["amend", &ids[1], "who==1+1", "note=new"]).exits(0);
    assert_eq!(amended.out, format!("{} kept; it will be changed in the sheet\n", ids[1]));
    assert_eq!(device.status()["queue"]["waiting"], 1);
    let listed = device.run(&["queue", "list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["state"], "amending");
    device.run(&["deliver"]).exits(0);
    assert_eq!(device.status()["queue"]["waiting"], 0);

    let rows = google.rows("records");
    let text = |text: &str| Some(CellValue::Text(text.into()));
    let order: Vec<_> = rows.iter().map(|row| row["n"].clone()).collect();
    assert_eq!(order, [number(4.0), number(3.0), number(2.0), number(1.0)], "nobody moved a row back");
    assert_eq!(rows[2].get("who").cloned(), text("=1+1"), "text stays text");
    assert_eq!(rows[2].get("note").cloned(), text("new"), "a new key is a new column");
    for other in [0, 1, 3] {
        assert_eq!((rows[other].get("who").cloned(), rows[other].get("note")), (text("ann"), None));
    }
    // Once more, and back to empty.
    device.run(&["amend", &ids[1], "note="]).exits(0);
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records")[2].get("note"), None);
}

#[test]
fn a_record_that_a_person_deleted_comes_back_whole() {
    let google = Google::start();
    let device = google.signed_in();
    let ids = delivered(&device, 3);
    let (sheet, _) = tab(&google);
    google.model(|model| model.delete_rows(&sheet, "records", 1..2)).unwrap();
    assert_eq!(google.rows("records").len(), 2);
    device.run(&["amend", &ids[0], "who=bob"]).exits(0);
    device.run(&["deliver"]).exits(0);
    let rows = google.rows("records");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["_id"], CellValue::Text(ids[0].clone()));
    assert_eq!((&rows[2]["n"], &rows[2]["who"]), (&number(1.0), &CellValue::Text("bob".into())));
    assert!(rows[2].contains_key("time") && rows[2].contains_key("device"));
}

#[test]
fn an_unknown_record_is_refused_clearly() {
    let google = Google::start();
    let device = google.signed_in();
    device.run(&["amend", "nope", "a=1"]).exits(1).says("there is no record nope");
    let id = device.record(&["a=1"]);
    device.run(&["amend", &"a".repeat(20), "a=2"]).exits(1).says("there is no record");
    device.run(&["amend", &id, "a"]).exits(2).says("not KEY=VALUE");
    device.run(&["amend", &id]).exits(2);
    device.run(&["amend", &id, "time=1"]).exits(1).says("kept by rowkeeper itself");
    device.run(&["amend", &id, "_id=x", "a=1"]).exits(1).says("cannot be changed");
    device.run(&["queue", "drop", &id]).exits(0);
    device.run(&["amend", &id, "a=3"]).exits(1).says("there is no record");
}

#[test]
fn an_amendment_survives_being_killed_at_every_step() {
    let google = Google::start();
    let device = google.signed_in();
    let ids = delivered(&device, 2);
    device.run(&["amend", &ids[0], "who=bob", "n=10"]).exits(0);
    // Every write is applied and its answer lost, one after the other.
    let mut kills = 0;
    while device.status()["queue"]["waiting"] != 0 && kills < 8 {
        google.set_faults([fault("atchUpdate", Action::Delay { seconds: 60.0 })]);
        let seen = google.log().len();
        let deliver = device.start(&["deliver"]);
        let is_write = |target: &str| target.contains("atchUpdate");
        eventually("a write", || google.log()[seen..].iter().any(|entry| is_write(&entry.target)).then_some(()));
        deliver.kill();
        google.set_faults([]);
        kills += 1;
    }
    device.run(&["deliver"]).exits(0);
    let rows = google.rows("records");
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["n"], &rows[0]["who"]), (&number(10.0), &CellValue::Text("bob".into())));
    assert_eq!((&rows[1]["n"], &rows[1]["who"]), (&number(2.0), &CellValue::Text("ann".into())));
    assert_eq!(device.status()["queue"]["waiting"], 0);
}

/// It was being written when its spreadsheet was deleted for good.
#[test]
fn an_amendment_in_a_spreadsheet_that_is_gone_keeps_no_other_waiting() {
    let google = Google::start();
    let device = google.signed_in();
    let lost = delivered(&device, 2);
    let (old, _) = tab(&google);
    device.run(&["sheet", "new"]).exits(0);
    let id = device.record(&["n=3", "who=ann"]);
    device.run(&["deliver"]).exits(0);
    // The anchor may be on its row.
    device.run(&["amend", &lost[0], "who=bob"]).exits(0);
    google.set_faults([fault(&format!("{old}:batchUpdate"), Action::Html { status: 502, when: When::After })]);
    device.run(&["deliver", "--for", "2s"]).exits(75);
    google.set_faults([]);
    google.model(|model| model.delete_spreadsheet(&old));
    device.run(&["amend", &lost[0], "who=carl"]).exits(0);
    device.run(&["amend", &id, "who=dora"]).exits(0);
    device.run(&["deliver", "--for", "5s"]);
    assert_eq!(google.rows("records")[0]["who"], CellValue::Text("dora".into()), "of another spreadsheet");

    let states = || {
        let listed = device.run(&["queue", "list", "--json"]).exits(0).json();
        listed.as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["amendment set aside", "amending"]);
    assert_eq!(device.status()["queue"]["set_aside"], 1);
    assert!(device.run(&["queue", "list"]).exits(0).out.contains("earlier spreadsheet, which does not answer"));
    device.run(&["queue", "retry", &lost[0]]).exits(0);
    assert_eq!(states(), ["amending", "amending"]);
    device.run(&["deliver", "--for", "2s"]);
    assert_eq!(states(), ["amendment set aside", "amending"]);
    device.run(&["queue", "drop", &lost[0]]).exits(0);
    assert_eq!(states(), [""; 0]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(device.status()["queue"]["set_aside"], 0);
}
