//! Columns that a person moves while rows are on their way.

use google_emulator::{Action, CellValue};
use serde_json::json;

use crate::device::{Device, eventually};
use crate::google::{Google, fault};

/// A person moves a column of the first tab, by its name, to the front.
fn move_to_the_front(google: &Google, device: &Device, name: &str) {
    let sheet = google.spreadsheet();
    let of = |fields: &str| {
        let url = format!("{}/v4/spreadsheets/{sheet}?fields={fields}", google.url());
        device.run(&["call", "GET", &url]).exits(0).json()
    };
    let tab = of("sheets.properties.sheetId")["sheets"][0]["properties"]["sheetId"].clone();
    let header = google.model(|model| model.rows(&sheet, "records")).unwrap().remove(0);
    let at = header.iter().position(|cell| *cell == CellValue::Text(name.into())).unwrap();
    let range = json!({"sheetId": tab, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1});
    let moves = json!({"requests": [{"moveDimension": {"source": range, "destinationIndex": 0}}]});
    let url = format!("{}/v4/spreadsheets/{sheet}:batchUpdate", google.url());
    device.run(&["call", "POST", &url, "--data", &moves.to_string()]).exits(0);
}

/// Each row under its names: what was recorded, its id, and who recorded it.
fn assert_whole(google: &Google, ids: &[String]) {
    let rows = google.rows("records");
    assert_eq!(rows.len(), ids.len());
    for (n, (row, id)) in rows.iter().zip(ids).enumerate() {
        assert_eq!(row["_id"], CellValue::Text(id.clone()));
        assert_eq!(row["n"], CellValue::Number(n as f64 + 1.0), "{row:?}");
        assert_eq!(row["who"], CellValue::Text("ann".into()), "{row:?}");
        assert!(matches!(row["device"], CellValue::Text(_)) && matches!(row["time"], CellValue::Number(_)), "{row:?}");
        assert_eq!(row.len(), 5, "{row:?}");
    }
}

fn record(device: &Device, n: u32) -> String {
    device.record(&[&format!("n={n}"), "who=ann"])
}

#[test]
fn a_row_that_lands_under_moved_columns_is_put_right() {
    let google = Google::start();
    let device = google.signed_in();
    let daemon = device.start(&["run"]);
    let mut ids = vec![record(&device, 1)];
    eventually("the first row", || (device.status()["queue"]["waiting"] == 0).then_some(()));
    move_to_the_front(&google, &device, "n");
    let seen = google.log().len();
    // The daemon does not look again before it sends.
    ids.push(record(&device, 2));
    eventually("the second row, whole", || {
        let put_right = google.log()[seen..].iter().any(|entry| entry.target.contains("batchUpdateByDataFilter"));
        (put_right && device.status()["queue"]["waiting"] == 0).then_some(())
    });
    assert!(google.log()[seen].target.contains(":batchUpdate?fields="), "{}", google.log()[seen].target);
    assert_whole(&google, &ids);
    // Nor does it have to: the answer showed the columns.
    let seen = google.log().len();
    ids.push(record(&device, 3));
    eventually("the third row", || (device.status()["queue"]["waiting"] == 0).then_some(()));
    assert_eq!(google.log().len(), seen + 1);
    assert_whole(&google, &ids);
    drop(daemon);
}

/// The request lands long after it was given up and after the columns were moved, and the device restarts in between.
#[test]
fn so_is_one_whose_answer_never_came() {
    let google = Google::start();
    let device = google.signed_in();
    let mut ids = vec![record(&device, 1)];
    device.run(&["deliver"]).exits(0);
    google.set_faults([fault(":batchUpdate", Action::Late { seconds: 100.0 })]);
    ids.push(record(&device, 2));
    let seen = google.log().len();
    let deliver = device.start(&["deliver"]);
    let sent = |target: &str| target.contains(":batchUpdate");
    eventually("the batch", || google.log()[seen..].iter().any(|entry| sent(&entry.target)).then_some(()));
    deliver.kill();
    google.set_faults([]);
    move_to_the_front(&google, &device, "who");
    google.model(|model| model.advance(std::time::Duration::from_secs(400)));
    assert_eq!(google.rows("records").len(), 2, "it landed");
    device.run(&["deliver"]).exits(0);
    assert_whole(&google, &ids);
    assert_eq!(device.status()["queue"]["waiting"], 0);
}
