//! `rowkeeper doctor`: each thing that can be wrong, made wrong by the emulator's switches or for real.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use google_emulator::{Action, Client, Server, ServerOptions, Standing, Tls, When};

use crate::device::{Device, NOBODY, Ran, eventually};
use crate::google::{Google, OWNER, client, fault, html, text};

/// The verdict and the texts of one check.
fn finding(ran: &Ran, check: &str) -> (String, String) {
    let findings = ran.json();
    let found = findings.as_array().unwrap().iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {ran:?}")).clone();
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), format!("{}; {}", text("what"), text("advice")))
}

/// What the doctor says of `check`, with the exit code that goes with it.
#[track_caller]
fn says(device: &Device, check: &str, verdict: &str, part: &str) {
    let ran = device.run(&["doctor", "--json"]);
    let (found, said) = finding(&ran, check);
    assert!(found == verdict && said.contains(part), "{check}: {found}: {said}");
    let bad = ran.json().as_array().unwrap().iter().any(|finding| finding["verdict"] == "bad");
    assert_eq!(ran.code, Some(i32::from(bad)), "{ran:?}");
}

#[test]
fn a_healthy_device_is_told_so_in_words_too() {
    let google = Google::start();
    let device = google.signed_in();
    let ran = device.run(&["doctor"]).exits(0);
    assert!(ran.out.lines().all(|line| line.starts_with("ok ")), "{}", ran.out);
    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    let ran = device.run(&["doctor"]).exits(0);
    assert!(ran.out.lines().all(|line| line.starts_with("ok ")), "{}", ran.out);
    says(&device, "sheet", "good", "the spreadsheet answers");
    says(&device, "bin", "good", "not in it");
    says(&device, "doubles", "good", "none among 1 rows");
    // A person copies a row, under a tab that was renamed.
    let sheet = google.spreadsheet();
    let id = text(&google.rows("records")[0]["_id"]);
    google.model(|model| model.insert_rows(&sheet, "records", 1, 1)).unwrap();
    google.model(|model| model.type_in(&sheet, "records", 1, 0, &id)).unwrap();
    google.model(|model| model.rename_tab(&sheet, "records", "It's mine")).unwrap();
    says(&device, "doubles", "warning", "1 of 2 rows");
    // A problem is one line of what it is and one of what to do.
    let ran = device.run(&["doctor"]).exits(0);
    let lines: Vec<_> = ran.out.lines().skip_while(|line| !line.starts_with("soon")).collect();
    assert!(lines[0].contains("doubles") && lines[1].starts_with("   "), "{}", ran.out);
}

#[test]
fn what_the_owner_has_to_do_is_said() {
    let alone = Device::alone();
    says(&alone, "provider", "bad", "run `rowkeeper init`");
    assert!(!alone.state("").exists(), "asking makes nothing");

    let google = Google::start();
    let device = google.device();
    says(&device, "sign-in", "bad", "run `rowkeeper sign-in`");
    says(&device, "client", "good", "codes");
    let asking = device.start(&["sign-in", "--json"]);
    let waits = || device.status()["grant"]["code"]["user_code"].as_str().map(str::to_owned);
    let code = eventually("a code", waits);
    says(&device, "sign-in", "bad", &format!("type {code}"));
    asking.kill();
    google.sign_in(&device);
    google.model(|model| model.set_client(Client { sheets_api_enabled: false, ..client() }));
    says(&device, "sheet", "bad", "Google Sheets API, Enable");
    google.model(|model| model.set_client(client()));

    device.record(&["a=1"]);
    device.run(&["deliver"]).exits(0);
    let sheet = google.spreadsheet();
    let file = format!("{}/drive/v3/files/{sheet}", google.url());
    device.run(&["call", "PATCH", &file, "--data", r#"{"trashed":true}"#]).exits(0);
    says(&device, "sheet", "good", "answers");
    says(&device, "bin", "warning", "Restore");
    google.model(|model| model.set_client(Client { drive_api_enabled: false, ..client() }));
    says(&device, "bin", "skipped", "fine");
    google.model(|model| model.set_client(client()));
    let closed =
        r#"{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}"#;
    let closed = Action::Status {
        status: 403,
        when: When::Before,
        body: Some(closed.into()),
        content_type: Some("application/json".into()),
        retry_after: None,
    };
    google.set_faults([fault("/v4/", closed)]);
    says(&device, "sheet", "bad", "share it with the account");
    google.set_faults([]);
    google.model(|model| model.delete_spreadsheet(&sheet));
    says(&device, "sheet", "bad", "restore it from the bin");
    google.model(|model| model.revoke_everything());
    says(&device, "sign-in", "bad", "rowkeeper sign-in");
    says(&device, "sheet", "skipped", "above");
}

#[test]
fn what_the_operator_has_to_do_is_said() {
    let google = Google::with(Client { testing: true, ..client() });
    let device = google.signed_in();
    says(&device, "sign-in", "warning", "publishing status to In production");
    for standing in [Standing::Deleted, Standing::WrongType] {
        google.model(|model| model.set_client(Client { standing, ..client() }));
        says(&device, "sign-in", "bad", "client");
    }
    let device = google.device();
    says(&device, "client", "bad", "TVs and Limited Input");
    let broken = google.device().configured("[sheet]\ntitel = \"x\"\n");
    let ran = broken.run(&["doctor", "--json"]).exits(2);
    let (verdict, said) = finding(&ran, "configuration");
    assert!(verdict == "bad" && said.contains("line 2") && said.contains("title"), "{said}");
    broken.run(&["doctor"]).exits(2);
}

#[test]
fn a_permission_that_was_not_given_is_said() {
    const EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";
    const FILES: &str = "https://www.googleapis.com/auth/drive.file";
    for (asked, given, check, verdict, part) in [
        (&["email", FILES][..], &[FILES][..], "sign-in", "warning", "was not granted"),
        (&["openid", "email"], &["openid", EMAIL], "sheet", "bad", "tick it"),
    ] {
        let google = Google::start();
        let scopes = format!("[provider]\nclient_id = \"emulator-client\"\nscopes = {asked:?}\n");
        let device = google.device().configured(&scopes);
        let asking = device.start(&["sign-in", "--json"]);
        let code = google.code();
        google.model(|model| model.approve_some(&code, OWNER, given)).unwrap();
        asking.end().exits(0);
        says(&device, check, verdict, part);
    }
}

#[test]
fn weather_is_told_from_what_stays() {
    let google = Google::start();
    let device = google.signed_in();
    google.set_faults([fault("/v4/", html(502).action)]);
    says(&device, "sheet", "bad", "502");
    let quota = Action::Status { status: 429, when: When::Before, body: None, content_type: None, retry_after: None };
    google.set_faults([fault("/v4/", quota)]);
    says(&device, "sheet", "warning", "quota");
    google.set_faults([]);
    google.model(|model| model.advance(Duration::from_secs(600)));
    says(&device, "clock", "bad", "timedatectl");

    let nowhere = Device::of(NOBODY);
    says(&nowhere, "network", "bad", "check the network");
    // A certificate that nobody here vouches for.
    let options = ServerOptions { tls: Some(Tls::default()), ..ServerOptions::default() };
    let stranger = Server::start("127.0.0.1:0", options).unwrap();
    says(&Device::of(&stranger.url()), "network", "bad", "ca_file");
    let socks = Device::of(&stranger.url()).with("HTTPS_PROXY", "socks5://127.0.0.1:1080");
    says(&socks, "network", "bad", "SOCKS");
}

#[test]
fn what_others_may_read_is_noticed() {
    let google = Google::start();
    let device = google.signed_in();
    fs::set_permissions(device.state("grant.json"), fs::Permissions::from_mode(0o644)).unwrap();
    says(&device, "state", "warning", "chmod go-rwx");
    fs::rename(device.state("grant.json"), device.home().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(device.home().join("elsewhere"), device.state("grant.json")).unwrap();
    says(&device, "state", "bad", "symbolic link");
    let file = Device::alone();
    file.write("state", b"");
    says(&file, "state", "bad", "not a directory");
}

/// The same state, as seen by a user that it does not belong to. Needs root, to be somebody else.
#[test]
fn another_users_state_is_said() {
    let device = Device::alone();
    device.record(&["a=1"]);
    let open = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(device.home().to_owned(), 0o755);
    let program = device.home().join("rowkeeper");
    fs::copy(env!("CARGO_BIN_EXE_rowkeeper"), &program).unwrap();
    let stranger = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).args(["doctor", "--json"]);
        command.env("ROWKEEPER_STATE_DIR", device.state("")).current_dir(device.home());
        command.stderr(Stdio::null()).output().ok().filter(|output| output.status.code() == Some(1))
    };
    for (mode, part) in [(0o700, "run as the user that owns it"), (0o777, "belongs to user 0, and this is user 65534")]
    {
        open(device.state(""), mode);
        let Some(output) = stranger() else {
            eprintln!("SKIPPED: cannot be another user here");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(part), "{part} is not in {said}");
        assert!(said.contains("\"outbox\""), "the rest is looked at all the same: {said}");
    }
}

/// A file system that is small for real. Needs root, to mount it.
#[test]
fn a_disk_that_is_nearly_full_is_said() {
    let device = Device::alone();
    let state = device.state("");
    fs::create_dir(&state).unwrap();
    let mount = |command: &str, arguments: &[&str]| {
        let done = Command::new(command).args(arguments).arg(&state).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"]) {
        eprintln!("SKIPPED: nothing may be mounted here");
        return;
    }
    let ran = device.run(&["doctor", "--json"]);
    mount("mount", &["-o", "remount,ro"]);
    let read_only = device.run(&["doctor", "--json"]);
    assert!(mount("umount", &[]));
    let (verdict, said) = finding(&ran, "disk");
    assert!(verdict == "bad" && said.contains("make room"), "{said}");
    let (verdict, said) = finding(&read_only, "state");
    assert!(verdict == "bad" && said.contains("read-only"), "{said}");
}

#[test]
fn an_outbox_that_is_none_does_not_hide_the_rest() {
    let google = Google::start();
    let device = google.signed_in();
    let record = |n: usize| device.record(&[&format!("n={n}"), &format!("text={}", "x".repeat(2_000))]);
    (0..40).for_each(|n| _ = record(n));
    let whole = fs::read(device.state("outbox.sqlite")).unwrap();
    let damaged = |bytes: Vec<u8>| {
        for side in ["outbox.sqlite-wal", "outbox.sqlite-shm"] {
            _ = fs::remove_file(device.state(side));
        }
        fs::write(device.state("outbox.sqlite"), bytes).unwrap();
    };
    let mut torn = whole.clone();
    let middle = torn.len() / 2;
    torn[middle..middle + 3 * 4096].fill(0xa5);
    for bytes in [b"not a database, but long enough to be one, if one were to look at it".to_vec(), torn] {
        damaged(bytes);
        says(&device, "outbox", "bad", "damaged");
        says(&device, "outbox", "bad", ".recover");
        says(&device, "sign-in", "good", "signed in");
        says(&device, "sheet", "good", "Sheets API is on");
    }
    fs::remove_file(device.state("outbox.sqlite")).unwrap();
    fs::create_dir(device.state("outbox.sqlite")).unwrap();
    says(&device, "outbox", "bad", "outbox.sqlite");
    fs::remove_dir(device.state("outbox.sqlite")).unwrap();
    fs::write(device.state("grant.json"), "rubbish").unwrap();
    fs::remove_file(device.state("grant.json.previous")).unwrap();
    says(&device, "sign-in", "bad", "sign in again with `rowkeeper sign-in`");
}

#[test]
fn a_state_of_another_client_is_said() {
    let google = Google::start();
    let other = format!(
        "[provider]\nclient_id = \"another\"\ndevice_authorization_endpoint = \"{NOBODY}/code\"\ntoken_endpoint = \"{NOBODY}/token\"\n"
    );
    let device = google.signed_in().with("ROWKEEPER_EMULATOR", "").configured(&other);
    says(&device, "sign-in", "bad", "this state belongs to client emulator-client");
    says(&device, "sign-in", "bad", "give another --state-dir");
}

/// Nobody sends; somebody does, and gets nowhere; somebody does, with a program that was replaced meanwhile.
#[test]
fn a_daemon_that_is_not_there_or_not_well_is_said() {
    let google = Google::start();
    let device = google.signed_in();
    says(&device, "daemon", "good", "none is running");
    device.record(&["--at", "2026-01-02T00:00:00Z", "a=1"]);
    says(&device, "daemon", "warning", "systemctl start rowkeeper");

    google.set_faults([fault("/v4/", html(503).action)]);
    let program = device.home().join("rowkeeper");
    fs::copy(env!("CARGO_BIN_EXE_rowkeeper"), &program).unwrap();
    let started = device.command(&["run"]);
    let mut command = Command::new(&program);
    command.arg("run").current_dir(device.home()).env_clear();
    command.envs(started.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let daemon = crate::device::Running::new(command, &["run"]);
    eventually("a daemon that sends", || google.log().iter().any(|entry| entry.target.contains("/v4/")).then_some(()));
    says(&device, "daemon", "warning", "waited for over an hour");
    if fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.contains("FLOCK")) {
        fs::remove_file(&program).unwrap();
        says(&device, "daemon", "warning", "restart");
    }
    daemon.kill();
}

/// A card that forgot a block in the middle of the outbox.
#[test]
fn a_damaged_outbox_is_found_and_told() {
    let google = Google::start();
    let device = google.signed_in();
    let lines: String = (0..2_000).map(|n| format!("{{\"_id\":\"r{n}\",\"n\":{n}}}\n")).collect();
    device.feed(&["record", "--stdin"], lines).exits(0);
    device.run(&["queue", "drop", "nobody"]).exits(1);
    let path = device.state("outbox.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 100_000, "the log is in the file: {}", bytes.len());
    let middle = bytes.len() / 2 / 1024 * 1024;
    bytes[middle..middle + 1024].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    says(&device, "outbox", "bad", "damaged");
}
