//! A state directory that was copied, or restored from a backup: every row once all the same, and a person where one is
//! needed (the protocol, section 8).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::device::Device;
use crate::google::{Google, text};

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
