//! kill -9, again and again.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::device::{Device, Running, eventually};
use crate::google::{Emulator, Google, OWNER};

#[test]
fn two_thousand_rows_through_twenty_power_cuts() {
    const ROWS: usize = 2_000;
    let options = ["--approve-as", OWNER, "--data", "google.json", "--writes-per-minute", "100000"];
    let mut google = Emulator::start(&options);
    let device = Device::of(&google.url);
    device.run(&["sign-in"]).exits(0);

    let mut command = device.command(&["record", "--stdin"]);
    command.stdin(Stdio::piped());
    let mut recording = command.spawn().unwrap();
    let mut input = recording.stdin.take().unwrap();
    let writing = thread::spawn(move || {
        for number in 0..ROWS {
            writeln!(input, r#"{{"_id":"row-{number}","number":{number}}}"#).unwrap();
            // Rows come during all of it.
            thread::sleep(Duration::from_millis(1));
        }
    });
    let answers = thread::spawn(move || recording.wait_with_output().unwrap());

    for cut in 0..20_u64 {
        let daemon = device.start(&["run", "--panel", "none"]);
        // Long enough to get somewhere, and each time somewhere else.
        thread::sleep(Duration::from_millis(20 + 37 * cut % 150));
        daemon.kill();
        if cut == 10 {
            google.crash(&options);
        }
    }
    writing.join().unwrap();
    let answers = answers.join().unwrap();
    assert!(answers.status.success());
    let answers = String::from_utf8(answers.stdout).unwrap();
    assert_eq!(answers.lines().filter(|line| line.contains(r#""result":"kept""#)).count(), ROWS);

    device.run(&["deliver"]).exits(0);
    let sheet = device.status()["sheet"]["spreadsheet_id"].as_str().unwrap().to_owned();
    let url = format!("{}/v4/spreadsheets/{sheet}/values/records!A2:D", google.url);
    let values = device.run(&["call", "GET", &url]).exits(0).json();
    let ids: Vec<_> = values["values"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(ids.len(), ROWS, "a row was lost or doubled");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ROWS, "a row was doubled, another lost");
}

#[test]
fn what_was_acknowledged_survives_the_death_of_the_recorder() {
    let google = Google::start();
    let device = google.signed_in();
    let mut command = device.command(&["record", "--stdin"]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    thread::spawn(move || (0..).try_for_each(|number: u64| writeln!(input, r#"{{"number":{number}}}"#)));
    let out = child.stdout.take().unwrap();
    let mut acknowledged = 0;
    for line in std::io::BufRead::lines(std::io::BufReader::new(out)) {
        acknowledged += u64::from(line.unwrap().contains("kept"));
        if acknowledged == 300 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    let kept = device.status()["queue"]["waiting"].as_u64().unwrap();
    assert!(kept >= acknowledged, "{kept} of {acknowledged}");
}

#[test]
fn a_lost_reply_and_a_killed_sender_make_no_second_row() {
    use google_emulator::{Action, When};
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    // The row lands; whoever sent it dies before it hears so.
    google.set_faults([crate::google::fault(":batchUpdate", Action::Delay { seconds: 30.0 })]);
    device.record(&["a=2"]);
    let sending = device.start(&["deliver"]);
    eventually("the row", || (google.rows("records").len() == 2).then_some(()));
    sending.kill();
    assert_eq!(device.status()["queue"]["waiting"], 1);
    google.set_faults(
        [crate::google::fault(":batchUpdate", Action::Reset { when: When::After })]
            .map(|rule| google_emulator::Rule { times: Some(1), ..rule }),
    );
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), 2);
    assert_eq!(device.status()["queue"]["waiting"], 0);
}

#[test]
fn a_daemon_that_is_killed_leaves_its_lock_to_the_next() {
    let google = Google::start();
    let device = google.signed_in();
    for number in 1..=3 {
        let daemon: Running = device.start(&["run", "--panel", "none"]);
        device.record(&[&format!("number={number}")]);
        eventually("the row", || (google.rows("records").len() == number).then_some(()));
        daemon.kill();
    }
}
