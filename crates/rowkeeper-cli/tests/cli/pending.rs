//! A code that waits belongs to the device, not to the program that asked for it.

use std::time::Duration;

use rustix::process::Signal;

use crate::device::{Running, eventually};
use crate::google::Google;

fn shown_code(running: &Running) -> String {
    let line = running.line(|line| line.contains(r#""event":"code""#));
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    event["user_code"].as_str().unwrap().to_owned()
}

/// Of a poll whose program died before the answer, the device knows only when it was about to be sent; on a busy machine it
/// is some time on its way to here.
#[track_caller]
fn keeps_its_pace_when_killed(google: &Google) {
    assert!(google.gaps().iter().all(|gap| *gap >= Duration::from_millis(700)), "{:?}", google.gaps());
}

#[test]
fn a_code_survives_ctrl_c_and_power_cuts() {
    let google = Google::start();
    let device = google.device();

    let first = device.start(&["sign-in", "--json"]);
    let code = shown_code(&first);
    first.signal(Signal::INT);
    first.end().exits(75).says("stays valid");
    let status = device.status();
    assert_eq!(
        (&status["grant"]["state"], &status["grant"]["code"]["user_code"]),
        (&"waiting_for_approval".into(), &code.as_str().into())
    );

    let second = device.start(&["sign-in", "--json"]);
    assert_eq!(shown_code(&second), code);
    eventually("a poll", || (!google.polls().is_empty()).then_some(()));
    second.kill();

    let third = device.start(&["sign-in", "--json"]);
    assert_eq!(shown_code(&third), code);
    assert_eq!(google.approve(), code);
    third.end().exits(0);
    assert_eq!(google.codes_given(), 1);
    keeps_its_pace_when_killed(&google);
}

#[test]
fn a_crash_loop_polls_no_faster_than_one_patient_program() {
    let google = Google::start();
    let device = google.device();
    shown_code(&device.start(&["sign-in", "--json"]));
    for _ in 0..25 {
        let sign_in = device.start(&["sign-in", "--json"]);
        shown_code(&sign_in);
        std::thread::sleep(Duration::from_millis(100));
        sign_in.kill();
    }
    assert_eq!(google.codes_given(), 1);
    keeps_its_pace_when_killed(&google);
}

#[test]
fn two_programs_share_one_code_and_one_pace() {
    let google = Google::start();
    let device = google.device();
    let daemon = device.start(&["run", "--panel", "none"]);
    let code = google.code();
    let sign_in = device.start(&["sign-in", "--json"]);
    assert_eq!(shown_code(&sign_in), code);
    eventually("five polls", || (google.polls().len() >= 5).then_some(()));
    google.approve();
    sign_in.end().exits(0);
    daemon.line(|line| line.contains("signed in"));
    assert_eq!(google.codes_given(), 1);
    assert!(google.gaps().iter().all(|gap| *gap >= Duration::from_millis(995)), "{:?}", google.gaps());
    assert_eq!(google.polls().iter().filter(|poll| poll.status == 200).count(), 1);
}
