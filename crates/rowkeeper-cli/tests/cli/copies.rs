//! A state directory that was copied, or restored from a backup: every row once all the same, and a person where one is
//! needed (the protocol, section 8).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use google_emulator::{Action, When};
use serde_json::json;

use crate::device::Device;
use crate::google::{Google, fault, text};

/// Nobody waits twenty minutes in a test: Google's clock tells the device how much time has passed.
const LONG_ENOUGH: Duration = Duration::from_secs(21 * 60);

fn copy(from: &Path, to: &Path) {
    _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// How often each value of `n` is in the sheet.
fn counted(google: &Google) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for row in google.rows("records") {
        *counted.entry(text(&row["n"])).or_default() += 1;
    }
    counted
}

fn once(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<String, usize> {
    numbers.into_iter().map(|n| (format!("Number({n}.0)"), 1)).collect()
}

fn record(device: &Device, n: u32) -> String {
    device.record(&["--id", &format!("r{n}"), &format!("n={n}")])
}

#[test]
fn a_restored_backup_finds_out_what_was_delivered_since_and_goes_on() {
    let google = Google::start();
    let device = google.signed_in();
    record(&device, 1);
    device.run(&["deliver"]).exits(0);
    let (waiting, backup) = (record(&device, 2), device.home().join("backup"));
    device.record(&["n=3"]);
    copy(&device.state(""), &backup);
    device.run(&["deliver"]).exits(0);
    let newer = record(&device, 4);
    device.run(&["deliver"]).exits(0);
    copy(&backup, &device.state(""));

    // The rows of the backup are in the sheet, and it does not know.
    record(&device, 5);
    device.run(&["deliver", "--for", "3s"]).exits(75).says("copy");
    let status = device.status();
    assert_eq!((&status["queue"]["waiting"], &status["delivery"]["state"]), (&3.into(), &"waiting".into()), "{status}");
    let why = status["delivery"]["last_error"].as_str().unwrap();
    assert!(why.contains("restored from a backup") && why.contains("20 minutes"), "{why}");
    assert!(device.run(&["doctor"]).out.contains("restored from a backup"));
    device.run(&["sheet", "new"]).exits(1).says("copy");
    assert_eq!(counted(&google), once(1..5));

    google.model(|model| model.advance(LONG_ENOUGH));
    device.run(&["deliver", "--for", "20s"]).exits(0);
    assert_eq!(counted(&google), once(1..6), "every row once");
    // What was recorded after the backup is known again, under the id that it has in the sheet.
    let answer =
        device.feed(&["record", "--stdin"], "{\"_id\":\"r4\",\"n\":4}\n{\"_id\":\"r2\",\"n\":2}\n").exits(0).lines();
    assert_eq!((&answer[0]["result"], &answer[0]["id"]), (&"known".into(), &newer.clone().into()));
    assert_eq!((&answer[1]["result"], &answer[1]["id"]), (&"known".into(), &waiting.clone().into()));
    // Rows of the time before can be amended; new ones carry another tag.
    for id in [&newer, &waiting] {
        device.run(&["amend", id, "note=late"]).exits(0);
    }
    let new = record(&device, 6);
    assert_ne!(new.split('-').next(), newer.split('-').next());
    device.run(&["deliver"]).exits(0);
    assert_eq!(counted(&google), once(1..7));
    let noted = google.rows("records").iter().filter(|row| row.contains_key("note")).count();
    assert_eq!(noted, 2);
}

#[test]
fn of_two_copies_one_goes_on_and_the_other_waits_for_its_person() {
    let google = Google::start();
    let (first, second) = (google.signed_in(), google.device());
    record(&first, 1);
    first.run(&["deliver"]).exits(0);
    (2..5).for_each(|n| _ = record(&first, n));
    copy(&first.state(""), &second.state(""));
    first.run(&["deliver"]).exits(0);
    record(&second, 5);
    second.run(&["deliver", "--for", "3s"]).exits(75).says("copy");
    record(&first, 6);
    first.run(&["deliver", "--for", "3s"]).exits(1).says("rowkeeper sheet release");
    let status = first.status();
    assert_eq!(status["delivery"]["state"], "blocked");
    assert!(status["delivery"]["last_error"].as_str().unwrap().contains("another copy"), "{status}");
    assert!(first.run(&["doctor"]).exits(1).out.contains("rowkeeper sheet release"));
    first.run(&["sheet", "new"]).exits(1).says("copy");
    assert_eq!(counted(&google), once(1..5), "neither sends");

    google.model(|model| model.advance(LONG_ENOUGH));
    second.run(&["deliver", "--for", "20s"]).exits(0);
    first.run(&["deliver", "--for", "3s"]).exits(1).says("another copy");
    assert_eq!(counted(&google), once(1..6));

    // A person says that the other one has sent all it shares.
    first.run(&["sheet", "release"]).exits(0);
    first.run(&["deliver", "--for", "3s"]).exits(75);
    google.model(|model| model.advance(LONG_ENOUGH));
    first.run(&["deliver", "--for", "20s"]).exits(0);
    record(&first, 7);
    record(&second, 8);
    first.run(&["deliver"]).exits(0);
    second.run(&["deliver"]).exits(0);
    assert_eq!(counted(&google), once(1..9), "every row once");
    let said = first.run(&["sheet", "release", "--json"]).exits(0).json();
    assert_eq!(said["released"], false);
}

/// A device whose card was put back to an older image, of which some rows were delivered since; the ids of the rows that
/// it holds, the one that was recorded after it had noticed last.
fn restored_copy(google: &Google) -> (Device, Vec<String>) {
    let device = google.signed_in();
    record(&device, 1);
    device.run(&["deliver"]).exits(0);
    let (delivered_since, image) = (record(&device, 2), device.home().join("image"));
    copy(&device.state(""), &image);
    device.run(&["deliver"]).exits(0);
    copy(&image, &device.state(""));
    let before_it_noticed = record(&device, 3);
    device.run(&["deliver", "--for", "3s"]).exits(75).says("copy");
    let after = record(&device, 4);
    (device, vec![delivered_since, before_it_noticed, after])
}

fn in_sheet(google: &Google, spreadsheet: &str) -> Vec<String> {
    let mut rows = google.model(|model| model.rows(spreadsheet, "records")).unwrap_or_default().into_iter();
    let at = rows.next().unwrap_or_default().iter().position(|name| text(name) == "n");
    rows.filter_map(|row| Some(text(row.get(at?)?))).collect()
}

fn numbers(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|n| format!("Number({n}.0)")).collect()
}

#[test]
fn a_copy_whose_spreadsheet_is_deleted_goes_on_in_another_on_its_persons_word() {
    let google = Google::start();
    let (device, ids) = restored_copy(&google);
    let old = google.spreadsheet();
    // While it is there the copy looks which rows are in it.
    device.run(&["sheet", "new"]).exits(1).says("copy");
    google.model(|model| model.delete_spreadsheet(&old));
    device.run(&["sheet", "release"]).exits(0);
    google.model(|model| model.advance(LONG_ENOUGH));
    device.run(&["deliver", "--for", "3s"]).exits(75).says("rowkeeper sheet new");
    assert!(device.run(&["doctor"]).out.contains("rowkeeper sheet new"));

    let tag = ids[0].split('-').next().unwrap();
    let went = device.run(&["sheet", "new", "--json"]).exits(0).says("queue drop ID").json();
    assert_eq!(went["in_doubt"], json!(ids[..2]), "it had these when it noticed");
    device.run(&["deliver", "--for", "2s"]).exits(75);
    let new = went["spreadsheet_id"].as_str().unwrap().to_owned();
    assert_eq!(in_sheet(&google, &new), numbers(&[4]));
    assert_ne!(record(&device, 5).split('-').next(), Some(tag), "another device");
    device.run(&["deliver", "--for", "2s"]).exits(75).says("only you can say");
    let status = device.status();
    assert_eq!(status["queue"]["in_doubt"], json!(ids[..2]), "{status}");
    assert!(device.run(&["queue", "list"]).exits(0).out.contains("in doubt"));

    // One was in the spreadsheet that is gone, and is wanted again; the other is not wanted.
    device.run(&["queue", "retry", &ids[0]]).exits(0);
    device.run(&["queue", "drop", &ids[1]]).exits(0);
    device.run(&["deliver"]).exits(0);
    assert_eq!(in_sheet(&google, &new), numbers(&[4, 5, 2]));
    assert!(!device.run(&["doctor"]).out.contains("in doubt"));
}

/// It was not deleted for good.
#[test]
fn what_a_copy_left_in_a_spreadsheet_that_comes_back_is_not_sent_twice() {
    let google = Google::start();
    let (device, ids) = restored_copy(&google);
    let old = google.spreadsheet();
    let body = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
    let content_type = Some("application/json".into());
    let gone =
        Action::Status { status: 404, when: When::Before, body: Some(body.into()), content_type, retry_after: None };
    google.set_faults([fault(&old, gone)]);
    let went = device.run(&["sheet", "new", "--json"]).exits(0).json();
    let new = went["spreadsheet_id"].as_str().unwrap().to_owned();
    device.run(&["deliver", "--for", "2s"]).exits(75);
    google.set_faults([]);
    google.model(|model| model.advance(LONG_ENOUGH));
    device.run(&["deliver", "--for", "2s"]).exits(75);
    // Its person goes back to it: new rows go there, those in doubt stay.
    device.run(&["sheet", "adopt", &old]).exits(0);
    record(&device, 6);
    device.run(&["deliver", "--for", "2s"]).exits(75);
    assert_eq!((in_sheet(&google, &old), in_sheet(&google, &new)), (numbers(&[1, 2, 6]), numbers(&[4])));
    assert_eq!(device.status()["queue"]["in_doubt"], json!(ids[..2]));
    // A look at the sheet shows which is there.
    device.run(&["queue", "drop", &ids[0]]).exits(0);
    device.run(&["queue", "retry", &ids[1]]).exits(0);
    device.run(&["deliver"]).exits(0);
    assert_eq!(in_sheet(&google, &old), numbers(&[1, 2, 6, 3]));
}
