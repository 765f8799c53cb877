//! What must not break it: bad files, bad disks, bad values, bad networks. Each a clear message, the right exit code,
//! and no record lost.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use google_emulator::{CellValue, Rule};
use serde_json::json;

use crate::device::{Device, NOBODY, eventually};
use crate::google::{Google, html};

#[test]
fn an_unknown_key_is_named_with_its_line_and_its_neighbour() {
    let device = Device::alone().configured("[provider]\nclient_id = \"x\"\n\n[sheet]\ntimezon = \"Europe/Vienna\"\n");
    for command in [&["status"][..], &["record", "a=1"], &["run"], &["deliver"]] {
        let ran = device.run(command).exits(2);
        for word in ["rowkeeper.toml", "line 5", "timezon", "\"timezone\""] {
            assert!(ran.err.contains(word), "no {word}: {ran:?}");
        }
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
    assert!(!device.state("").exists());
}

/// The queue would be another one in each directory that a command is given in.
#[test]
fn a_base_directory_that_is_not_absolute_is_ignored() {
    let device = Device::alone().with("ROWKEEPER_STATE_DIR", "").with("XDG_STATE_HOME", "here");
    device.run(&["record", "a=1"]).exits(0);
    assert!(device.home().join(".local/state/rowkeeper/outbox.sqlite").is_file());
    assert!(!device.home().join("here").exists());
}

#[test]
fn a_configuration_that_is_named_must_be_there() {
    let device = Device::alone();
    device.run(&["--config", "nowhere.toml", "record", "a=1"]).exits(2).says("nowhere.toml");
    device.write("broken.toml", b"[provider\n");
    device.run(&["--config", "broken.toml", "status"]).exits(2).says("line 1");
    device.write("binary.toml", b"\xff\xfe\x00");
    device.run(&["--config", "binary.toml", "status"]).exits(2).says("binary.toml");
    device.write("secret.toml", b"[provider]\nclient_id = \"x\"\nclient_secret_file = \"gone\"\n");
    device.run(&["--config", "secret.toml", "sign-in"]).exits(2).says("gone");
}

#[test]
fn a_truncated_grant_falls_back_to_the_one_before() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    let whole = fs::read(device.state("grant.json")).unwrap();
    // A second generation, so that there is one before it.
    google.model(|model| model.expire_access_tokens());
    device.run(&["deliver"]).exits(0);

    fs::write(device.state("grant.json"), &whole[..whole.len() / 2]).unwrap();
    let status = device.status();
    assert_eq!(status["grant"]["state"], "signed_in");
    assert!(status["grant"]["reason"].as_str().unwrap().contains("grant.json is damaged"), "{status}");
    device.record(&["a=2"]);
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), 2);
}

#[test]
fn a_grant_that_is_damaged_twice_asks_for_a_person_and_loses_no_record() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    let damaged = b"{\"version\":1,";
    fs::write(device.state("grant.json"), damaged).unwrap();
    _ = fs::remove_file(device.state("grant.json.previous"));

    device.run(&["deliver"]).exits(3).says("grant.json is damaged");
    device.run(&["token"]).exits(3).says("sign-in");
    let status = device.status();
    assert_eq!(status["grant"]["state"], "must_sign_in_again");
    assert_eq!(status["queue"]["waiting"], 1);
    assert_eq!(fs::read(device.state("grant.json")).unwrap(), damaged, "looking changed it");

    google.sign_in(&device);
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), 1);
    let beside = fs::read_dir(device.state("")).unwrap().map(|file| file.unwrap().path());
    let kept = beside.filter(|file| fs::read(file).is_ok_and(|bytes| bytes == damaged)).count();
    assert_eq!(kept, 1, "the damaged file was thrown away");
}

#[test]
fn an_outbox_that_is_no_database_is_left_alone() {
    let device = Device::of(NOBODY);
    device.record(&["a=1"]);
    let rubbish = [b"this is no database, but it is long enough to look at".as_slice(), &[7; 4096]].concat();
    for file in ["outbox.sqlite-wal", "outbox.sqlite-shm"] {
        _ = fs::remove_file(device.state(file));
    }
    fs::write(device.state("outbox.sqlite"), &rubbish).unwrap();
    device.run(&["record", "a=2"]).exits(2).says("damaged");
    device.run(&["status"]).exits(2).says("damaged");
    assert_eq!(fs::read(device.state("outbox.sqlite")).unwrap(), rubbish);
}

/// A page that is overwritten is found when it is read, and no waiting mends it.
#[test]
fn an_outbox_with_a_broken_page_is_said_to_be_damaged() {
    let device = Device::of(NOBODY);
    device.record(&["a=1"]);
    for file in ["outbox.sqlite-wal", "outbox.sqlite-shm"] {
        _ = fs::remove_file(device.state(file));
    }
    let mut bytes = fs::read(device.state("outbox.sqlite")).unwrap();
    bytes[4096..].fill(7);
    fs::write(device.state("outbox.sqlite"), bytes).unwrap();
    for command in
        [&["record", "a=2"][..], &["status"], &["queue", "list"], &["queue", "export"], &["amend", "x", "a=1"]]
    {
        device.run(command).exits(2).says("damaged");
    }
}

#[test]
fn a_state_directory_that_cannot_be_used_is_wrong_usage() {
    let google = Google::start();
    let device = google.device();
    device.write("a-file", b"");
    for command in [&["record", "a=1"][..], &["sign-in"], &["run"]] {
        let in_file = [&["--state-dir", "a-file"], command].concat();
        device.run(&in_file).exits(2).says("state directory");
    }
    let mount = Mount::tmpfs(&device, "ro", "size=1m");
    match &mount {
        Some(mount) => mount.make_read_only(),
        // Root may write where the mode says no; everybody else may not.
        None => fs::set_permissions(device.home().join("ro"), Permissions::from_mode(0o500)).unwrap(),
    }
    for command in [&["record", "a=1"][..], &["sign-in"], &["run"], &["deliver"]] {
        device.run(&[&["--state-dir", "ro"], command].concat()).exits(2).says("state directory");
    }
    assert_eq!(google.codes_given(), 0, "a code was shown that could not have been kept");
}

#[test]
fn a_state_directory_that_becomes_read_only_is_wrong_usage_too() {
    let google = Google::start();
    let device = google.device();
    let Some(mount) = Mount::tmpfs(&device, "state", "size=4m") else { return };
    google.sign_in(&device);
    device.record(&["a=1"]);
    mount.make_read_only();
    device.run(&["record", "a=2"]).exits(2).says("not recorded: cannot use the state directory");
    mount.make_writable();
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), 1);
}

#[test]
fn a_full_disk_keeps_what_it_acknowledged() {
    let google = Google::start();
    let device = google.device();
    let Some(mount) = Mount::tmpfs(&device, "state", "size=512k") else { return };
    google.sign_in(&device);
    let text = "x".repeat(2_000);
    let lines: String = (0..1_000).map(|number| format!("{{\"number\":{number},\"text\":\"{text}\"}}\n")).collect();
    let filled = device.feed(&["record", "--stdin"], lines).exits(75).says("not recorded");
    let kept = filled.lines();
    assert!(kept.len() > 10 && kept.iter().all(|line| line["result"] == "kept"), "{filled:?}");
    // Who ends gives back what its log took: some more fit.
    let lone = || device.run(&["record", &format!("text={text}{text}{text}")]);
    let more = (0..200).take_while(|_| lone().code == Some(0)).count();
    let one = lone().exits(75).says("not recorded: the disk is nearly full");
    assert_eq!(one.out, "");
    let kept = kept.len() + more;
    assert_eq!(device.status()["queue"]["waiting"], kept, "acknowledged is not kept, or the reverse");

    mount.grow();
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), kept);
    device.record(&["number=1000"]);
}

#[test]
fn a_queue_at_its_limit_refuses_and_drops_nothing() {
    let device = Device::alone().configured("[outbox]\nmax_bytes = 150000\n");
    let text = "x".repeat(2_000);
    let lines: String = (0..200).map(|number| format!("{{\"number\":{number},\"text\":\"{text}\"}}\n")).collect();
    let filled = device.feed(&["record", "--stdin"], lines).exits(75).says("not recorded").says("full");
    assert!(filled.lines().iter().all(|line| line["result"] == "kept"), "{filled:?}");
    let refused = device.run(&["record", &format!("text={text}")]).exits(75).says("not recorded").says("full");
    assert_eq!(refused.out, "");
    assert_eq!(device.status()["queue"]["waiting"], filled.lines().len());
}

#[test]
fn values_are_kept_as_they_are_or_refused() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=NaN", "b=Infinity", "c==1+1", "d='quoted", "e=007", "f=-5", "g=1e3", "h=+43 1", "i="]);
    let refused = device.feed(&["record", "--stdin"], "{\"a\":NaN}\n{\"a\":-Infinity}\n").exits(1);
    assert!(refused.lines().iter().all(|line| line["result"] == "refused"), "{refused:?}");

    let long = "ü".repeat(60_000);
    device.run(&["record", &format!("text={long}")]).exits(1).says("60000 characters");
    let longest = "x".repeat(50_000);
    device.record(&["a=longest", &format!("text={longest}")]);

    let wide: Vec<_> = (0..70).map(|column| format!("column {column}={column}")).collect();
    device.record(&wide.iter().map(String::as_str).collect::<Vec<_>>());

    device.run(&["deliver"]).exits(0);
    let rows = google.rows("records");
    assert_eq!(rows.len(), 3);
    let text = |text: &str| CellValue::Text(text.into());
    for (key, wanted) in [
        ("a", text("NaN")),
        ("b", text("Infinity")),
        ("c", text("=1+1")),
        ("d", text("'quoted")),
        ("e", text("007")),
        ("f", CellValue::Number(-5.0)),
        ("g", CellValue::Number(1000.0)),
        ("h", text("+43 1")),
    ] {
        assert_eq!(rows[0][key], wanted, "{key}");
    }
    assert!(!rows[0].contains_key("i"));
    assert_eq!(rows[1]["text"], text(&longest));
    assert_eq!(rows[2]["column 69"], CellValue::Number(69.0));
}

#[test]
fn a_table_that_does_not_exist_is_wrong_usage() {
    let device = Device::alone().configured("[[table]]\nname = \"readings\"\n[[table]]\nname = \"doors\"\n");
    device.run(&["record", "--table", "door", "a=1"]).exits(2).says("\"door\"");
    device.run(&["record", "a=1", "--table", "door"]).exits(2).says("\"door\"");
    let lines = "{\"_table\":\"doors\",\"a\":1}\n{\"_table\":\"door\",\"a\":1}\n";
    let mixed = device.feed(&["record", "--stdin"], lines).exits(1);
    assert_eq!((&mixed.lines()[0]["result"], &mixed.lines()[1]["result"]), (&json!("kept"), &json!("refused")));
    assert_eq!(device.run(&["queue", "list", "--json"]).exits(0).json()[0]["table"], "doors");
}

/// The words `_id=`, `_at=` and `_table=` say what the options say.
#[test]
fn what_is_said_twice_is_refused_and_a_table_decides_its_types() {
    let device = Device::alone().configured(
        "[[table]]\nname = \"a\"\ncolumns = [{ name = \"n\", type = \"integer\" }]\n[[table]]\nname = \"b\"\n",
    );
    for option in ["id", "at", "table"] {
        let value = if option == "at" { "2026-11-22T18:30:00Z" } else { "b" };
        let word = format!("_{option}={value}");
        device
            .run(&["record", &format!("--{option}"), value, &word, "n=1"])
            .exits(1)
            .says(&format!("\"_{option}\" comes"));
    }
    device.run(&["record", "n=x"]).exits(1);
    device.run(&["record", "_table=b", "n=x"]).exits(0);
    device.run(&["record", "_table=c", "n=1"]).exits(2);
    assert_eq!(device.run(&["queue", "list", "--json"]).exits(0).json()[0]["table"], "b");
}

#[test]
fn wrong_usage_is_two() {
    let device = Device::alone();
    for command in [
        &["record"][..],
        &["record", "novalue"],
        &["record", "--stdin", "xml"],
        &["record", "--at", "yesterday", "a=1"],
        &["deliver", "--for", "soon"],
        &["run", "--panel", "hologram"],
        &["sign-in", "--panel", "hologram"],
        &["reckord"],
        &["call", "GET"],
        &["demo", "--rows", "0"],
    ] {
        let ran = device.run(command).exits(2);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{ran:?}");
    }
    let google = Google::start();
    let taken = google.url().replace("http://", "");
    device.run(&["emulator", "--listen", &taken]).exits(2).says("take another port");
    // Nobody to sign in with is a matter of the configuration, not of a person with a phone.
    device.record(&["a=1"]);
    for command in [&["sign-in"][..], &["run"], &["deliver"], &["token"], &["proxy"]] {
        device.run(command).exits(2).says("no provider is configured");
    }
}

#[test]
fn state_of_one_provider_is_not_used_with_another() {
    let google = Google::start();
    let device = google.signed_in();
    device.record(&["a=1"]);
    let device = device.with("ROWKEEPER_EMULATOR", "").configured("[provider]\nclient_id = \"other\"\n");
    for command in [&["sign-in"][..], &["token"], &["deliver"], &["run"], &["sign-out"]] {
        device.run(command).exits(2).says("this state belongs to client emulator-client of the emulator");
    }
    assert_eq!(device.status()["grant"]["state"], "misconfigured");
    let device = device.with("ROWKEEPER_EMULATOR", &google.url());
    device.run(&["deliver"]).exits(0);
}

#[test]
fn html_for_everything_is_weather() {
    for status in [200, 502] {
        let google = Google::start();
        let device = google.signed_in();
        device.record(&["a=1"]);
        google.set_faults([html(status)]);
        device.run(&["deliver", "--for", "2s"]).exits(75).says("1 records still wait");
        // The token is used up: the refresh meets the same page, and the sign-in lives on.
        google.model(|model| model.expire_access_tokens());
        device.run(&["deliver", "--for", "2s"]).exits(75);
        let status = device.status();
        assert_eq!((&status["grant"]["state"], &status["queue"]["waiting"]), (&json!("signed_in"), &json!(1)));

        let other = google.device();
        google.set_faults([]);
        let sign_in = other.start(&["sign-in", "--json"]);
        google.code();
        google.set_faults([html(502)]);
        let polled = google.polls().len();
        eventually("a poll", || (google.polls().len() > polled + 1).then_some(()));
        assert_eq!(other.status()["grant"]["state"], "waiting_for_approval");
        google.set_faults([] as [Rule; 0]);
        google.approve();
        sign_in.end().exits(0);

        device.run(&["deliver"]).exits(0);
        assert_eq!(google.rows("records").len(), 1);
    }
}

#[test]
fn a_sign_in_waits_for_a_provider_that_answers_html() {
    let google = Google::start();
    google.set_faults([Rule { times: Some(2), ..html(200) }]);
    let device = google.device();
    let sign_in = device.start(&["sign-in"]);
    sign_in.line(|line| line.contains("still waiting"));
    google.approve();
    sign_in.end().exits(0);
}

#[test]
fn a_network_that_is_not_there_is_weather() {
    let google = Google::start();
    // Nobody waits for an approval: there is no code yet.
    let daemon = Device::of(NOBODY).start(&["run"]);
    daemon.line(|line| line.contains("not signed in yet: no connection"));
    let device = google.signed_in().with("ROWKEEPER_EMULATOR", NOBODY);
    device.record(&["a=1"]);
    device.run(&["deliver", "--for", "1s"]).exits(75);
    let status = device.status();
    assert_eq!(status["grant"]["state"], "signed_in");
    assert!(status["delivery"]["last_error"].is_string(), "{status}");
    let device = device.with("ROWKEEPER_EMULATOR", &google.url());
    device.run(&["deliver"]).exits(0);
    assert_eq!(google.rows("records").len(), 1);
}

/// A small file system of its own under a device's home. Only root may mount.
struct Mount {
    path: PathBuf,
}

impl Mount {
    fn tmpfs(device: &Device, name: &str, options: &str) -> Option<Self> {
        let path = device.home().join(name);
        fs::create_dir(&path).unwrap();
        let mounted = run(&["mount", "-t", "tmpfs", "-o", &format!("mode=0700,{options}"), "tmpfs"], Some(&path));
        if !mounted {
            // Not with eprintln!, which the test harness swallows.
            _ = io::stderr().write_all(b"SKIPPED in rubbish.rs: only root may mount a file system\n");
        }
        mounted.then_some(Self { path })
    }

    fn make_read_only(&self) {
        assert!(run(&["mount", "-o", "remount,ro"], Some(&self.path)));
    }

    fn make_writable(&self) {
        assert!(run(&["mount", "-o", "remount,rw"], Some(&self.path)));
    }

    fn grow(&self) {
        assert!(run(&["mount", "-o", "remount,size=64m"], Some(&self.path)));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(&["umount", "-l"], Some(&self.path));
    }
}

fn run(words: &[&str], path: Option<&Path>) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(path).output().is_ok_and(|output| output.status.success())
}

/// A secret that only the daemon may read, or a client that is not filled in yet, must not keep anybody from recording.
#[test]
fn what_needs_no_provider_works_without_a_usable_one() {
    for provider in ["client_id = \"\"", "client_id = \"a\"\nclient_secret_file = \"not there\""] {
        let device = Device::alone().configured(&format!("[provider]\n{provider}\n"));
        device.run(&["record", "a=1"]).exits(0);
        device.run(&["queue", "list"]).exits(0);
        let status = device.status();
        assert_eq!(status["grant"]["state"], "misconfigured");
        assert_eq!(status["queue"]["waiting"], 1);
        for command in ["sign-in", "token", "deliver"] {
            device.run(&[command]).exits(2);
        }
    }
    // Root certificates are for who goes to the network.
    let device = Device::alone().configured("[provider]\nclient_id = \"a\"\nca_file = \"not there\"\n");
    let id = device.record(&["a=1"]);
    device.run(&["amend", &id, "a=2"]).exits(0);
    assert_eq!(device.status()["queue"]["waiting"], 1);
    for command in ["sign-in", "token", "deliver", "run"] {
        device.run(&[command]).exits(2).says("root certificates in");
    }
}
