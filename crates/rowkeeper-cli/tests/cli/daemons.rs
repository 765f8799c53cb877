//! `rowkeeper run`: alone, beside others, and when its sign-in dies.

use std::process::Command;
use std::time::Duration;

use google_emulator::{Client, Rule};
use rustix::process::Signal;
use serde_json::json;

use crate::device::{Device, NOBODY, Running, eventually, timed};
use crate::google::{Google, client, fault};

fn daemon(device: &Device) -> Running {
    device.start(&["run", "--panel", "none"])
}

#[test]
fn a_daemon_signs_in_delivers_as_records_come_and_ends_when_told() {
    let google = Google::start();
    let device = google.device();
    let daemon = daemon(&device);
    daemon.line(|line| line.contains("/device") && line.contains(&google.code()));
    google.approve();
    daemon.line(|line| line.contains("signed in"));
    for number in 1..=3 {
        let ((), took) = timed(|| {
            device.record(&[&format!("number={number}")]);
            eventually("the row", || (google.rows("records").len() == number).then_some(()));
        });
        assert!(took < Duration::from_secs(5), "a lone row waited {took:?}");
    }
    daemon.signal(Signal::TERM);
    let (ended, took) = timed(|| daemon.end().exits(0));
    assert!(took < Duration::from_secs(4), "{took:?}: {ended:?}");
}

#[test]
fn a_daemon_ends_quickly_wherever_it_is() {
    let google = Google::start();
    let waiting_for_approval = google.device();
    let signed_in = google.signed_in();
    let offline = google.signed_in();
    offline.record(&["a=1"]);
    let offline = offline.with("ROWKEEPER_EMULATOR", NOBODY);
    for device in [waiting_for_approval, signed_in, offline] {
        for signal in [Signal::TERM, Signal::INT] {
            let daemon = daemon(&device);
            eventually("the daemon's lock", || device.state("wake.sock").exists().then_some(()));
            std::thread::sleep(Duration::from_millis(200));
            daemon.signal(signal);
            let (_, took) = timed(|| daemon.end().exits(0));
            assert!(took < Duration::from_secs(4), "{took:?}");
        }
    }
}

#[test]
fn two_daemons_take_turns() {
    let google = Google::start();
    let device = google.signed_in();
    let first = daemon(&device);
    eventually("the first daemon", || device.state("wake.sock").exists().then_some(()));
    let second = daemon(&device);
    second.line(|line| line.contains("another rowkeeper"));
    device.record(&["number=1"]);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));
    first.kill();
    device.record(&["number=2"]);
    eventually("the second row", || (google.rows("records").len() == 2).then_some(()));
    second.signal(Signal::TERM);
    second.end().exits(0);
}

/// After a failed sync nobody knows what the disk holds, until the outbox is opened again. A daemon said for ever that it
/// must be started again, and nobody did that.
#[test]
fn a_daemon_whose_disk_failed_ends_so_that_it_is_started_again() {
    let google = Google::start();
    let device = google.signed_in();
    let (library, fails) = (device.home().join("failing_sync.so"), device.home().join("fails"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/failing_sync.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(built.is_ok_and(|status| status.success()), "Rust itself needs cc");
    let arguments = ["run", "--panel", "none"];
    let mut command = device.command(&arguments);
    command.env("LD_PRELOAD", &library).env("FAIL_SYNC", &fails);
    let running = Running::new(command, &arguments);
    eventually("the daemon", || device.state("wake.sock").exists().then_some(()));
    std::fs::write(&fails, "").unwrap();
    device.record(&["a=1"]);
    running.end().exits(75).says("start again to go on");
    let running = daemon(&device);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));
    running.signal(Signal::TERM);
    running.end().exits(0);
}

#[test]
fn deliver_wakes_the_daemon_and_waits_for_it() {
    let google = Google::start();
    let device = google.signed_in();
    let daemon = daemon(&device);
    eventually("the daemon", || device.state("wake.sock").exists().then_some(()));
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), 1);

    google.set_faults([fault(
        ":batchUpdate",
        google_emulator::Action::Status {
            status: 503,
            when: google_emulator::When::Before,
            body: None,
            content_type: None,
            retry_after: None,
        },
    )]);
    device.record(&["a=2"]);
    device.run(&["deliver", "--for", "1s"]).exits(75).says("1 records still wait");
    drop(daemon);
}

#[test]
fn a_revoked_sign_in_keeps_accepting_and_drains_after_approval() {
    let google = Google::start();
    let device = google.signed_in();
    let daemon = daemon(&device);
    device.record(&["number=1"]);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));

    google.model(|model| model.revoke_everything());
    for number in 2..=6 {
        device.record(&[&format!("number={number}")]);
    }
    let code = google.code();
    daemon.line(|line| line.contains(&code));
    let status = device.status();
    assert_eq!(status["grant"]["state"], "waiting_for_approval");
    assert_eq!(status["grant"]["code"]["user_code"], code);
    assert!(status["grant"]["reason"].is_string(), "nobody is told why: {status}");
    assert_eq!(status["queue"]["waiting"], 5);
    device.run(&["deliver"]).exits(3);

    google.approve();
    eventually("all rows", || (google.rows("records").len() == 6).then_some(()));
    assert_eq!(device.status()["grant"]["reason"], json!(null));
}

#[test]
fn at_most_three_codes_come_without_an_approval() {
    let google = Google::with(Client { code_lifetime: 2, ..client() });
    let device = google.device();
    let first = daemon(&device);
    first.line(|line| line.contains("run `rowkeeper sign-in`"));
    assert_eq!(google.codes_given(), 3);
    first.kill();
    // Not after a restart either.
    let second = daemon(&device);
    second.line(|line| line.contains("run `rowkeeper sign-in`"));
    assert_eq!(google.codes_given(), 3);
    // A person may; and what the person signs in, the daemon uses.
    google.model(|model| model.set_client(Client { interval: 1, ..client() }));
    google.sign_in(&device);
    device.record(&["a=1"]);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));
    drop(second);
}

#[test]
fn the_same_trouble_does_not_fill_the_log() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    let trouble = fault("/v4/", google_emulator::Action::Reset { when: google_emulator::When::Before });
    google.set_faults([Rule { times: Some(4), ..trouble }]);
    let daemon = daemon(&device);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));
    daemon.signal(Signal::TERM);
    let ended = daemon.end().exits(0);
    let mut lines: Vec<_> = ended.err.lines().collect();
    let said = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), said, "{ended:?}");
}

/// Trouble that one process left in the outbox is over when another has delivered.
#[test]
fn trouble_is_not_said_any_more_when_another_process_delivered() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    google.set_faults([fault("/v4/", google_emulator::Action::Reset { when: google_emulator::When::Before })]);
    device.run(&["deliver", "--for", "1s"]).exits(75);
    let status = device.status();
    assert!(status["delivery"]["last_error"].is_string(), "{status}");
    google.set_faults([]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(device.status()["delivery"], json!({ "state": "idle", "next_try_at": null, "last_error": null }));
}

#[test]
fn a_deleted_spreadsheet_is_said_and_costs_no_record() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    let sheet = google.spreadsheet();
    google.model(|model| model.delete_spreadsheet(&sheet));
    device.record(&["a=2"]);
    device.run(&["deliver"]).exits(1).says("the spreadsheet is gone");
    let status = device.status();
    assert_eq!((&status["delivery"]["state"], &status["queue"]["waiting"]), (&json!("blocked"), &json!(1)));
    assert!(status["delivery"]["last_error"].as_str().unwrap().contains("gone"), "{status}");
    let daemon = daemon(&device);
    daemon.line(|line| line.contains("the spreadsheet is gone"));
    daemon.signal(Signal::TERM);
    daemon.end().exits(0);
}

#[test]
fn a_picture_shows_the_code() {
    let google = Google::start();
    let device = google.device();
    let daemon = device.start(&["run", "--panel", "png=screen.png"]);
    google.code();
    let picture = device.home().join("screen.png");
    eventually("a picture", || std::fs::read(&picture).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG")).then_some(()));
    daemon.signal(Signal::TERM);
    daemon.end().exits(0);
    // A panel that cannot be written is said, and nothing else stops.
    let mut daemon = device.start(&["run", "--panel", "png=no/such/place.png"]);
    daemon.line(|line| line.contains("panel"));
    google.approve();
    daemon.line(|line| line.contains("signed in"));
    assert!(daemon.is_running());
}

#[test]
fn a_daemon_outlives_its_log() {
    let google = Google::start();
    let device = google.device();
    let mut command = device.command(&["run", "-v"]);
    let mut daemon = command.spawn().unwrap();
    drop((daemon.stdout.take(), daemon.stderr.take()));
    google.approve();
    device.record(&["a=1"]);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));
    let pid = rustix::process::Pid::from_child(&daemon);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}

#[test]
fn a_sign_in_that_nobody_reads_still_waits_for_its_person() {
    let google = Google::start();
    let device = google.device();
    let mut command = device.command(&["sign-in", "--json"]);
    let mut sign_in = command.spawn().unwrap();
    drop((sign_in.stdout.take(), sign_in.stderr.take()));
    eventually("two polls", || (google.polls().len() == 2).then_some(()));
    google.approve();
    assert_eq!(sign_in.wait().unwrap().code(), Some(0));
    assert_eq!(device.status()["grant"]["state"], "signed_in");
}
