//! The main job, as the README tells it.

use google_emulator::CellValue;
use serde_json::json;

use crate::device::{Device, eventually, timed};
use crate::google::{Emulator, Google, OWNER};

#[test]
fn from_nothing_to_a_row() {
    let google = Emulator::start(&["--approve-as", OWNER]);
    let device = Device::of(&google.url);

    let before = device.status();
    assert!(!device.state("").exists(), "asking made a state directory");
    let shown = device.run(&["sign-in"]).exits(0);
    assert!(shown.out.contains(&format!("{}/device", google.url)) && shown.out.ends_with("signed in\n"), "{shown:?}");
    let id = device.record(&["temperature=21.5", "door=open", "at=2026-11-22T18:30:00+01:00", "badge=007"]);
    let waiting = device.status();
    device.run(&["deliver"]).exits(0);
    device.run(&["deliver"]).exits(0);
    let done = device.status();

    assert_eq!(
        before,
        json!({
            "version": 1,
            "grant": {
                "state": "never_signed_in", "reason": null, "provider": "google", "account": null, "scopes": [],
                "expires_at": null, "code": null,
            },
            "sheet": null,
            "queue": { "waiting": 0, "set_aside": 0, "bytes": 0, "oldest": null },
            "delivery": { "state": "idle", "next_try_at": null, "last_error": null },
        })
    );
    assert_eq!((&waiting["queue"]["waiting"], &waiting["delivery"]["state"]), (&json!(1), &json!("waiting")));
    assert!(waiting["queue"]["oldest"].as_str().unwrap().ends_with('Z') && waiting["sheet"].is_null(), "{waiting}");

    let sheet = done["sheet"]["spreadsheet_id"].as_str().unwrap();
    let grant = json!({
        "state": "signed_in", "reason": null, "provider": "google", "account": null,
        "scopes": ["https://www.googleapis.com/auth/drive.file"], "expires_at": null, "code": null,
    });
    assert_eq!(
        done,
        json!({
            "version": 1,
            "grant": grant,
            "sheet": {
                "spreadsheet_id": sheet, "url": format!("{}/spreadsheets/d/{sheet}/edit", google.url),
                "title": "Rowkeeper log",
            },
            "queue": { "waiting": 0, "set_aside": 0, "bytes": 0, "oldest": null },
            "delivery": { "state": "idle", "next_try_at": null, "last_error": null },
        })
    );

    let values = format!("{}/v4/spreadsheets/{sheet}/values/records?valueRenderOption=UNFORMATTED_VALUE", google.url);
    let values = device.run(&["call", "GET", &values]).exits(0).json();
    let rows = values["values"].as_array().unwrap();
    assert_eq!(rows[0], json!(["_id", "time", "device", "temperature", "door", "at", "badge"]));
    assert_eq!(rows.len(), 2, "{values}");
    assert_eq!(
        (&rows[1][0], &rows[1][3], &rows[1][4], &rows[1][6]),
        (&json!(id), &json!(21.5), &json!("open"), &json!("007"))
    );
    // 2026-11-22 17:30 UTC as the days since 1899-12-30 that Sheets counts in (the device's zone is UTC).
    assert!((rows[1][5].as_f64().unwrap() - (46_348.0 + 17.5 / 24.0)).abs() < 1e-6, "{values}");
    assert!(rows[1][1].is_f64(), "the time of the record is not a date: {values}");
}

#[test]
fn who_is_signed_in_is_not_asked_again() {
    let google = Google::start();
    let device = google.signed_in();
    let requests = google.log().len();
    let again = device.run(&["sign-in"]).exits(0);
    assert_eq!((again.out.as_str(), again.err.as_str()), ("already signed in\n", ""));
    assert_eq!(google.log().len(), requests, "it asked the network");
}

#[test]
fn signing_out_gives_the_grant_back_and_keeps_the_records() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    device.run(&["sign-out"]).exits(0);
    assert!(google.log().iter().any(|entry| entry.target.starts_with("/revoke") && entry.status == 200));
    assert!(!device.state("grant.json").exists() && !device.state("grant.json.previous").exists());

    device.run(&["deliver"]).exits(3).says("sign-in");
    device.run(&["sign-out"]).exits(0);
    assert_eq!(device.status()["queue"]["waiting"], 1);

    google.sign_in(&device);
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records")[0]["a"], CellValue::Number(1.0));
}

#[test]
fn a_running_daemon_needs_one_round_trip_for_a_lone_row() {
    let google = Google::start();
    let device = google.signed_in();
    let daemon = device.start(&["run", "--panel", "none"]);
    device.record(&["a=1"]);
    eventually("the first row", || (google.rows("records").len() == 1).then_some(()));
    eventually("its answer", || (device.status()["queue"]["waiting"] == 0).then_some(()));
    let before = google.log().len();
    device.record(&["a=2"]);
    let ((), took) = timed(|| eventually("the row", || (google.rows("records").len() == 2).then_some(())));
    assert!(took.as_secs() < 2, "a lone row was made to wait: {took:?}");
    let path = |target: String| target.split('?').next().unwrap_or_default().to_owned();
    let targets: Vec<_> = google.log().into_iter().skip(before).map(|entry| path(entry.target)).collect();
    assert_eq!(targets, [format!("/v4/spreadsheets/{}:batchUpdate", google.spreadsheet())]);
    drop(daemon);
}
