//! Tokens, device codes and client secrets appear nowhere but in the grant's own files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use google_emulator::{Action, When};
use rustix::process::Signal;

use crate::device::{Device, Ran, eventually};
use crate::google::{Emulator, Google, OWNER, fault, html};

/// Every string of some length that the grant's files hold, besides those that are no secret.
fn secrets(device: &Device) -> BTreeSet<String> {
    let read = |file: &str| fs::read_to_string(device.state(file)).unwrap_or_default();
    let text = read("grant.json") + &read("grant.json.previous");
    text.split(['"', '\\'])
        .filter(|word| ["AH-1Ng", "ya29.", "1//0"].iter().any(|kind| word.starts_with(kind)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_command_prints_a_secret_however_talkative() {
    let google = Google::start();
    let device = google.device();
    let mut heard: Vec<Ran> = Vec::new();
    let mut known = BTreeSet::new();

    let sign_in = device.start(&["sign-in", "-v"]);
    eventually("a device code", || (!secrets(&device).is_empty()).then_some(()));
    known.extend(secrets(&device));
    heard.push(device.run(&["status", "-v"]).exits(0));
    google.approve();
    heard.push(sign_in.end().exits(0));
    known.extend(secrets(&device));

    let url = format!("{}/v4/spreadsheets/none", google.url());
    for command in [
        &["sign-in", "-v"][..],
        &["sign-in", "--json", "-v"],
        &["record", "-v", "a=1"],
        &["deliver", "-v"],
        &["status", "--json", "-v"],
        &["queue", "list", "-v"],
        &["sheet", "show", "-v"],
        &["call", "-v", "GET", &url, "--include"],
    ] {
        heard.push(device.run(command));
    }
    // On bad days even more is said.
    google.model(|model| model.expire_access_tokens());
    let status =
        |status| Action::Status { status, when: When::Before, body: None, content_type: None, retry_after: None };
    for rule in [
        html(502),
        fault("/token", status(400)),
        fault("/token", Action::Truncate { bytes: 40 }),
        fault("", Action::Reset { when: When::After }),
    ] {
        google.set_faults([rule]);
        heard.push(device.run(&["record", "-v", "a=2"]));
        heard.push(device.run(&["deliver", "-v", "--for", "1s"]));
        heard.push(device.run(&["token", "-v", "--min-validity", "2h"]));
    }
    google.set_faults([]);
    let daemon = device.start(&["run", "-v"]);
    google.model(|model| model.revoke_everything());
    device.record(&["a=3"]);
    google.code();
    known.extend(secrets(&device));
    daemon.signal(Signal::TERM);
    heard.push(daemon.end().exits(0));
    heard.push(device.run(&["sign-out", "-v"]));

    assert!(known.len() >= 3, "nothing to look for: {}", known.len());
    for ran in &heard {
        let said = format!("{}{}", ran.out, ran.err);
        for secret in known.iter().map(String::as_str).chain(["emulator-secret"]) {
            assert!(!ran.err.contains(secret), "{ran:?}");
            assert!(!said.contains(secret) || ran.out.starts_with("ya29."), "{ran:?}");
        }
    }
}

#[test]
fn a_clients_own_secret_is_not_shown_when_it_is_wrong() {
    let google = Google::start();
    let toml = format!(
        "[provider]\npreset = \"none\"\ndevice_authorization_endpoint = \"{0}/device/code\"\ntoken_endpoint = \"{0}/token\"\n\
         client_id = \"emulator-client\"\nclient_secret_file = \"secret\"\nscopes = [\"openid\"]\n",
        google.url()
    );
    let device = Device::alone().configured(&toml);
    device.write("secret", b"not-the-right-one\n");
    let ran = device.run(&["sign-in", "-v"]).exits(2);
    assert!(!ran.err.contains("not-the-right-one") && !ran.out.contains("not-the-right-one"), "{ran:?}");
    let status = device.run(&["status", "-v"]).exits(0);
    assert!(!status.out.contains("not-the-right-one"));
}

#[test]
fn the_state_is_its_owners_alone() {
    let google = Google::start();
    let device = google.signed_in();
    let daemon = device.start(&["run", "--panel", "none"]);
    device.record(&["a=1"]);
    eventually("the row", || (google.rows("records").len() == 1).then_some(()));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&device.state("")), 0o700);
    for file in fs::read_dir(device.state("")).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(daemon);
}

#[test]
fn the_emulator_masks_what_it_logs() {
    let google = Emulator::start(&["--approve-as", OWNER]);
    let device = Device::of(&google.url);
    device.run(&["sign-in"]).exits(0);
    // `Ran` looks for secrets in what is printed.
    let log = device.run(&["call", "GET", &format!("{}/_emulator/log", google.url)]).exits(0);
    assert!(log.json()["entries"].as_array().unwrap().len() >= 3);
}
