//! `rowkeeper doctor`: each thing that can be wrong, made wrong by the emulator's switches.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use google_emulator::{Action, Client, Standing, When};

use crate::device::{Device, Ran};
use crate::google::{Google, client, fault, html, text};

/// The verdict and the texts of one check.
fn finding(ran: &Ran, check: &str) -> (String, String) {
    let findings = ran.json();
    let found = findings.as_array().unwrap().iter().find(|finding| finding["check"] == check).unwrap().clone();
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), format!("{}; {}", text("what"), text("advice")))
}

/// What the doctor says of `check`, with the exit code that goes with it.
fn says(device: &Device, check: &str, verdict: &str, part: &str) {
    let ran = device.run(&["doctor", "--json"]).exits(if verdict == "bad" { 1 } else { 0 });
    let (found, said) = finding(&ran, check);
    assert!(found == verdict && said.contains(part), "{check}: {found}: {said}");
}

#[test]
fn a_healthy_device_is_told_so_in_words_too() {
    let google = Google::start();
    let device = google.signed_in();
    let ran = device.run(&["doctor"]).exits(0);
    assert!(ran.out.lines().all(|line| line.starts_with("ok ")), "{}", ran.out);
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    says(&device, "sheet", "good", "the spreadsheet answers");
    says(&device, "doubles", "good", "none among 1 rows");
    // A person copies a row, under a tab that was renamed.
    let sheet = google.spreadsheet();
    let id = text(&google.rows("records")[0]["_id"]);
    google.model(|model| model.insert_rows(&sheet, "records", 1, 1)).unwrap();
    google.model(|model| model.type_in(&sheet, "records", 1, 0, &id)).unwrap();
    google.model(|model| model.rename_tab(&sheet, "records", "It's mine")).unwrap();
    says(&device, "doubles", "warning", "1 of 2 rows");
}

#[test]
fn what_the_owner_has_to_do_is_said() {
    let alone = Device::alone();
    says(&alone, "provider", "bad", "run `rowkeeper init`");

    let google = Google::start();
    let device = google.device();
    says(&device, "sign-in", "bad", "run `rowkeeper sign-in`");
    google.sign_in(&device);
    google.model(|model| model.set_client(Client { sheets_api_enabled: false, ..client() }));
    says(&device, "sheet", "bad", "Google Sheets API, Enable");
    google.model(|model| model.set_client(client()));

    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    let sheet = google.spreadsheet();
    google.model(|model| model.delete_spreadsheet(&sheet));
    says(&device, "sheet", "bad", "restore it from the bin");
    google.model(|model| model.revoke_everything());
    google.model(google_emulator::Model::expire_access_tokens);
    says(&device, "sheet", "bad", "rowkeeper sign-in");
    says(&device, "sign-in", "bad", "rowkeeper sign-in");
}

#[test]
fn what_the_operator_has_to_do_is_said() {
    let google = Google::with(Client { testing: true, ..client() });
    let device = google.signed_in();
    says(&device, "sign-in", "warning", "publishing status to In production");
    google.model(|model| model.set_client(Client { standing: Standing::Deleted, ..client() }));
    google.model(google_emulator::Model::expire_access_tokens);
    device.run(&["token", "--min-validity", "2h"]).exits(2);
    says(&device, "sign-in", "bad", "client");
}

#[test]
fn weather_is_told_from_what_stays() {
    let google = Google::start();
    let device = google.signed_in();
    google.set_faults([html(502)]);
    says(&device, "sheet", "bad", "502");
    let quota = Action::Status { status: 429, when: When::Before, body: None, content_type: None, retry_after: None };
    google.set_faults([fault("/v4/", quota)]);
    says(&device, "sheet", "warning", "quota");
    google.set_faults([]);
    google.model(|model| model.advance(Duration::from_secs(600)));
    says(&device, "clock", "bad", "timedatectl");

    let nowhere = Device::of("http://127.0.0.1:9");
    says(&nowhere, "network", "bad", "check the network");
}

#[test]
fn what_others_may_read_is_noticed() {
    let google = Google::start();
    let device = google.signed_in();
    fs::set_permissions(device.state("grant.json"), fs::Permissions::from_mode(0o644)).unwrap();
    says(&device, "state", "warning", "chmod go-rwx");
}
