//! The outbox in a person's hands: `queue list|show|retry|drop|export`.

use google_emulator::{Action, CellValue, Rule, When};
use serde_json::{Value, json};

use crate::device::Device;
use crate::google::Google;

/// Google refuses every call that carries this text.
fn poisoned(text: &str) -> Rule {
    let action = Action::Status { status: 400, when: When::Before, body: None, content_type: None, retry_after: None };
    Rule { path: Some(":batchUpdate".into()), body: Some(text.into()), ..Rule::new(action) }
}

/// A device with a sheet, three rows that wait and one, between them, that the sheet refuses for its content.
fn with_poison(google: &Google) -> (Device, Vec<String>) {
    let device = google.signed_in();
    device.record(&["n=0", "text=first"]);
    device.run(&["deliver"]).exits(0);
    let record = |n: u32, text: &str| device.record(&["--id", &format!("r{n}"), &format!("n={n}"), text]);
    let ids = vec![record(1, "text=fine"), record(2, "text=poison"), record(3, "text=fine"), record(4, "text=fine")];
    google.set_faults([poisoned("poison")]);
    device.run(&["deliver"]).exits(0);
    (device, ids)
}

fn json_of(device: &Device, arguments: &[&str]) -> Value {
    device.run(&[&["queue"], arguments, &["--json"]].concat()).exits(0).json()
}

fn numbers(google: &Google) -> Vec<f64> {
    let number = |cell: &CellValue| if let CellValue::Number(number) = cell { *number } else { f64::NAN };
    let mut numbers: Vec<f64> = google.rows("records").iter().map(|row| number(&row["n"])).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

#[test]
fn a_row_that_the_sheet_refuses_is_set_aside_with_its_reason_and_the_others_go_on() {
    let google = Google::start();
    let (device, ids) = with_poison(&google);
    assert_eq!(numbers(&google), [0.0, 1.0, 3.0, 4.0]);
    let status = device.status();
    assert_eq!((&status["queue"]["waiting"], &status["queue"]["set_aside"]), (&json!(0), &json!(1)));

    let listed = json_of(&device, &["list", "--set-aside"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["state"], &listed[0]["table"]),
        (&json!(ids[1]), &json!("set aside"), &json!("records"))
    );
    assert_eq!(listed[0]["record"], json!({"n": 2, "text": "poison"}));
    assert!(listed[0]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{listed}");
    let shown = device.run(&["queue", "show", &ids[1]]).exits(0).out;
    assert!(shown.contains("set aside") && shown.contains("text=\"poison\"") && shown.contains("reason"), "{shown}");
    assert_eq!(json_of(&device, &["show", &ids[1]])[0]["id"], json!(ids[1]));
    device.run(&["queue", "show", "nobody"]).exits(1).says("nobody is not in the queue");

    let findings = device.run(&["doctor", "--json"]).exits(0).json();
    let outbox = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "outbox").unwrap();
    assert_eq!(outbox["verdict"], "warning");
    assert_eq!(outbox["what"], "set aside, because the sheet refused them: 1; waiting: 0");
    assert!(outbox["advice"].as_str().unwrap().contains("queue list --set-aside"));
}

#[test]
fn what_was_set_aside_is_sent_again_on_a_persons_word() {
    let google = Google::start();
    let (device, ids) = with_poison(&google);
    google.set_faults([]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(numbers(&google).len(), 4, "nobody said so");
    let retried = json_of(&device, &["retry", &ids[1]]);
    assert_eq!(retried, json!({"returned": 1, "waiting": [], "unknown": []}));
    device.run(&["deliver"]).exits(0);
    assert_eq!(numbers(&google), [0.0, 1.0, 2.0, 3.0, 4.0]);
    device.run(&["queue", "retry", &ids[1]]).exits(1).says("is not in the queue");
    device.run(&["queue", "retry"]).exits(2);
    let fresh = device.record(&["n=5", "text=fine"]);
    assert_eq!(json_of(&device, &["retry", &fresh]), json!({"returned": 0, "waiting": [fresh], "unknown": []}));
    device.run(&["queue", "retry", "--set-aside"]).exits(0);
}

#[test]
fn rows_are_forgotten_on_a_persons_word_and_only_those() {
    let google = Google::start();
    let (device, ids) = with_poison(&google);
    let waiting = device.record(&["n=9", "text=fine"]);
    assert_eq!(json_of(&device, &["drop", "--set-aside"]), json!({"dropped": 1, "in_flight": 0, "unknown": []}));
    device.run(&["queue", "drop", &ids[1]]).exits(1).says("is not in the queue");
    let ran = device.run(&["queue", "drop", "nobody", &waiting, "--json"]).exits(1);
    assert_eq!(ran.json(), json!({"dropped": 1, "in_flight": 0, "unknown": ["nobody"]}));
    device.run(&["queue", "drop"]).exits(2);
    device.record(&["n=10"]);
    device.run(&["queue", "drop", "--all"]).exits(0);
    assert_eq!(device.run(&["queue", "list"]).exits(0).out.trim(), "the queue is empty");
    google.set_faults([]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(numbers(&google), [0.0, 1.0, 3.0, 4.0]);
}

#[test]
fn delivered_and_queued_rows_are_exported_for_people() {
    let google = Google::start();
    let device = google.device().configured("[outbox]\nkeep_delivered = \"30d\"\n");
    google.sign_in(&device);
    let at = ["--at", "2026-11-22T17:30:00Z"];
    let first = device.record(&[&at[..], &["n=1", "text=a,\"b\""]].concat());
    device.run(&["deliver"]).exits(0);
    let second = device.record(&[&at[..], &["n=2", "open=true"]].concat());
    assert_eq!(
        device.run(&["queue", "export", "csv", "--delivered"]).exits(0).out,
        format!(
            "_id,_table,_at,n,text,open\n{first},records,2026-11-22T17:30:00Z,1,\"a,\"\"b\"\"\",\n\
             {second},records,2026-11-22T17:30:00Z,2,,true\n"
        )
    );
    assert_eq!(device.run(&["queue", "export", "--delivered"]).exits(0).lines().len(), 2);
    assert_eq!(device.run(&["queue", "export"]).exits(0).lines()[0]["_id"], json!(second));
    let listed = json_of(&device, &["list", "--delivered"]);
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&json!("delivered"), &json!("waiting")));
    assert!(device.run(&["queue", "show", &first]).exits(0).out.contains("delivered"));
    assert_eq!(json_of(&device, &["list"]).as_array().unwrap().len(), 1);
    // A copy is nobody's to send or to drop.
    device.run(&["queue", "retry", &first]).exits(1);
    device.run(&["queue", "drop", &first]).exits(1);
    device.run(&["queue", "drop", "--all"]).exits(0);
    device.run(&["deliver"]).exits(0);
    assert_eq!(numbers(&google), [1.0]);
}

/// What was exported may be recorded again, also where it came from: an id of the caller's stays what it was.
#[test]
fn exported_records_come_back_as_what_they_were() {
    let device = Device::alone();
    let ids = ["door-1", "door-2"].map(|id| device.record(&["--id", id, "n=1"]));
    let again = |device: &Device, text: String| {
        let answers = device.feed(&["record", "--stdin"], text).exits(0).lines();
        answers.iter().map(|answer| (answer["id"].clone(), answer["result"].clone())).collect::<Vec<_>>()
    };
    let all = |result: &str| ids.iter().map(|id| (json!(id), json!(result))).collect::<Vec<_>>();
    let exported = device.run(&["queue", "export"]).exits(0).out;
    assert_eq!(again(&device, exported.clone()), all("known"), "it has them");
    device.run(&["queue", "drop", "--all"]).exits(0);
    assert_eq!(again(&device, exported.clone()), all("kept"), "under their own ids");
    // To another device it is an id like any other.
    let other = Device::alone();
    let there = again(&other, exported.clone());
    assert!(
        there.iter().zip(&ids).all(|((id, _), old)| id.as_str().unwrap().ends_with(&format!("-{old}"))),
        "{there:?}"
    );
    assert_eq!(again(&other, exported)[0], (there[0].0.clone(), json!("known")));
}

/// A file that an earlier version left behind, with its rows, its sheet and its memory of ids.
#[test]
fn an_outbox_of_an_earlier_version_goes_on() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rowkeeper/tests/fixtures");
    for version in [1, 2] {
        let device = Device::alone();
        std::fs::create_dir(device.state("")).unwrap();
        std::fs::copy(format!("{folder}/outbox-v{version}.sqlite"), device.state("outbox.sqlite")).unwrap();
        assert_eq!(device.status()["queue"]["waiting"], 2);
        assert_eq!(device.record(&["--id", "three", "n=1"]), "wuybse-three");
        assert_eq!(device.status()["queue"]["waiting"], 2, "version {version}: it is known");
        device.record(&["n=1"]);
        let listed = json_of(&device, &["list"]);
        assert_eq!(listed[0]["record"], json!({"temperature": 22.5, "when": "2026-11-22T18:30:00+01:00"}));
        assert_eq!(listed[1]["recorded"], "2026-11-01T06:00:00Z");
    }
}
