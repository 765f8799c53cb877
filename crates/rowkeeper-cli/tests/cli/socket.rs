//! The daemon's socket: programs of this user and of others record through it, and do nothing else.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use google_emulator::CellValue;
use serde_json::{Value, json};

use crate::device::{Device, Ran, Running, eventually};
use crate::google::Google;

/// A program that speaks the line protocol.
struct Program {
    out: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Program {
    fn connect(path: &Path) -> Self {
        let out = eventually("the socket", || UnixStream::connect(path).ok());
        out.set_read_timeout(Some(Duration::from_secs(50))).unwrap();
        Self { answers: BufReader::new(out.try_clone().unwrap()), out }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).unwrap();
    }

    fn answer(&mut self) -> Value {
        self.try_answer().unwrap()
    }

    fn try_answer(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in \"{line}\"")))
    }

    fn ask(&mut self, line: &str) -> Value {
        self.send(format!("{line}\n").as_bytes());
        self.answer()
    }
}

fn daemon(device: &Device) -> Running {
    let daemon = device.start(&["run", "--panel", "none"]);
    eventually("the socket", || UnixStream::connect(device.state("record.sock")).ok());
    daemon
}

#[test]
fn a_program_records_through_the_socket_and_the_daemon_delivers() {
    let google = Google::start();
    let device = google.signed_in();
    let _daemon = daemon(&device);
    let socket = device.state("record.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let mut program = Program::connect(&socket);
    let kept = program.ask(r#"{"_id":"a","temperature":21.5,"door":"12"}"#);
    assert_eq!((&kept["line"], &kept["result"]), (&json!(1), &json!("kept")));
    assert_eq!(
        program.ask(r#"{"_id":"a","temperature":21.5}"#),
        json!({"line": 2, "id": kept["id"], "result": "known"})
    );
    let refused = program.ask(r#"{"time":"now"}"#);
    assert_eq!(
        (&refused["line"], &refused["result"], refused["error"].is_string()),
        (&json!(3), &json!("refused"), true)
    );
    // As words are: what they are is decided here.
    let words =
        program.ask(r#"{"_texts":[["temperature","22"],["door","open"],["at","2026-11-22T17:30:00Z"],["_id","b"]]}"#);
    assert_eq!(words["result"], "kept");
    assert_eq!(program.ask(r#"{"_table":"nowhere","a":1}"#)["result"], "refused");
    // Several at once, and the last without an end of line.
    program.send(b"{\"n\":1}\nnonsense\n\n{\"n\":2}");
    program.out.shutdown(std::net::Shutdown::Write).unwrap();
    let results: Vec<_> = (0..3).map(|_| program.answer()).map(|a| format!("{} {}", a["line"], a["result"])).collect();
    assert_eq!(results, ["6 \"kept\"", "7 \"refused\"", "9 \"kept\""]);

    let rows = eventually("the rows", || Some(google.rows("records")).filter(|rows| rows.len() == 4));
    assert_eq!((&rows[0]["temperature"], &rows[0]["door"]), (&CellValue::Number(21.5), &CellValue::Text("12".into())));
    assert!(matches!(rows[1]["at"], CellValue::Number(_)) && rows[1]["temperature"] == CellValue::Number(22.0));
}

#[test]
fn the_socket_goes_with_the_daemon_and_comes_back_after_a_power_cut() {
    let google = Google::start();
    let device = google.signed_in();
    let first = daemon(&device);
    let socket = device.state("record.sock");
    let second = device.start(&["run", "--panel", "none"]);
    second.line(|line| line.contains("another rowkeeper delivers"));
    first.kill();
    assert!(socket.exists(), "nobody was there to remove it");
    let mut program = eventually("the second daemon's socket", || {
        UnixStream::connect(&socket).ok().map(|_| Program::connect(&socket))
    });
    assert_eq!(program.ask("{\"a\":1}")["result"], "kept");
    second.signal(rustix::process::Signal::TERM);
    second.end().exits(0);
    assert!(!socket.exists());
    let mut rest = String::new();
    program.answers.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    let leftovers = fs::read_dir(device.state(""))
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_socket_that_is_taken_or_cannot_be_made_is_said_and_stops_nothing() {
    let google = Google::start();
    let device = google.signed_in();
    let _daemon = daemon(&device);
    let taken = format!("[socket]\npath = \"{}\"\n", device.state("record.sock").display());
    for (toml, says) in [
        (taken.as_str(), "another process serves the socket"),
        ("[socket]\ngroup = \"no such group\"\npath = \"s\"\n", "there is no group \"no such group\""),
        ("[socket]\npath = \"no/such/folder/s\"\n", "cannot be made"),
        ("[socket]\npath = \"rowkeeper.toml\"\n", "is there and is no socket; it is left alone"),
    ] {
        let other = google.device().configured(toml);
        google.sign_in(&other);
        let running = other.start(&["run", "--panel", "none"]);
        running.line(|line| line.contains(says));
        other.record(&["a=1"]);
        eventually("its delivery", || (other.status()["queue"]["waiting"] == 0).then_some(()));
        assert_eq!(fs::read_to_string(other.home().join("rowkeeper.toml")).unwrap(), toml);
    }
    let without = google.device().configured("[socket]\npath = \"\"\n");
    google.sign_in(&without);
    let running = without.start(&["run", "--panel", "none", "-v"]);
    without.record(&["a=1"]);
    running.line(|line| line.contains("in the sheet"));
    assert!(!without.state("record.sock").exists());
}

#[test]
fn hostile_and_slow_programs_hold_nobody_up() {
    let google = Google::start();
    let device = google.signed_in();
    let mut daemon = daemon(&device);
    let socket = device.state("record.sock");
    // Half a line, and silence.
    let mut half = Program::connect(&socket);
    half.send(b"{\"half\":");
    // Never reads an answer.
    let mut deaf = Program::connect(&socket);
    deaf.out.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let flood = "{\"time\":\"refused\"}\n".repeat(1_000);
    while deaf.out.write_all(flood.as_bytes()).is_ok() {}
    // Rubbish of all kinds.
    let mut rubbish = Program::connect(&socket);
    rubbish.send(b"\0\xff\xfe[[[[[[\n");
    rubbish.send(format!("{{\"a\":\"{}\"}}\n", "x".repeat(10 << 20)).as_bytes());
    rubbish.send(format!("{}\n", "[".repeat(100_000)).as_bytes());
    rubbish.send(b"{\"_texts\":5}\n{\"_texts\":[[\"a\"]]}\n{\"_texts\":[[\"a\",\"1\"]],\"b\":2}\n{\"a\":1}\n");
    let results: Vec<_> = (0..7).map(|_| rubbish.answer()["result"].clone()).collect();
    assert_eq!(results[..6], vec![json!("refused"); 6]);
    assert_eq!(results[6], "kept");
    // More connections than one user may have.
    let crowd: Vec<_> = (0..13).map(|_| Program::connect(&socket)).collect();
    let mut one_more = Program::connect(&socket);
    let turned_away = one_more.answer();
    assert_eq!((&turned_away["line"], &turned_away["result"]), (&json!(0), &json!("not_recorded")));
    drop(crowd);
    let mut program = eventually("a place", || {
        let mut program = Program::connect(&socket);
        // Who is turned away may find the door closed before the line is through it.
        let answer = program.out.write_all(b"{\"b\":1}\n").and_then(|()| program.try_answer()).ok()?;
        (answer["result"] == "kept").then_some(program)
    });
    assert_eq!(program.ask("{\"b\":2}")["line"], 2);
    drop(half);
    eventually("its rows", || Some(google.rows("records")).filter(|rows| rows.len() == 3));
    assert!(daemon.is_running());
}

#[test]
fn many_programs_record_at_once_and_every_row_is_there_once() {
    let google = Google::start();
    let device = google.signed_in();
    let _daemon = daemon(&device);
    let socket = device.state("record.sock");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let socket = &socket;
            scope.spawn(move || {
                let mut program = Program::connect(socket);
                let lines: String = (0..100).map(|n| format!("{{\"_id\":\"{writer}-{n}\",\"n\":{n}}}\n")).collect();
                program.send(lines.as_bytes());
                for n in 1..=100 {
                    let answer = program.answer();
                    assert_eq!((&answer["line"], &answer["result"]), (&json!(n), &json!("kept")));
                }
            });
        }
    });
    eventually("all rows", || Some(google.rows("records")).filter(|rows| rows.len() == 800));
}

const OTHER: u32 = 54_321;
const GROUP: u32 = 54_322;

/// The command as another user of the device, who is in this group; `None` where only root can try that.
fn as_other(device: &Device, group: u32, arguments: &[&str], input: &str) -> Option<Ran> {
    if let Err(error) = device.command(&["--version"]).uid(OTHER).gid(group).output() {
        // Not with eprintln!, which the test harness swallows.
        let line = format!("SKIPPED in socket.rs: cannot run as another user: {error}\n");
        _ = io::stderr().write_all(line.as_bytes());
        return None;
    }
    device.write("input", input.as_bytes());
    let mut command = device.command(arguments);
    command.uid(OTHER).gid(group).stdin(fs::File::open(device.home().join("input")).unwrap());
    Some(Running::new(command, arguments).end())
}

#[test]
fn other_users_record_through_the_group_and_can_do_nothing_else() {
    let google = Google::start();
    let device = google.device().configured(&format!(
        "[socket]\npath = \"door/record.sock\"\ngroup = \"{GROUP}\"\n\
         [[table]]\nname = \"readings\"\ncolumns = [{{ name = \"badge\", type = \"text\" }}]\n[[table]]\nname = \"doors\"\n"
    ));
    google.sign_in(&device);
    fs::set_permissions(device.home(), Permissions::from_mode(0o755)).unwrap();
    let running = device.start(&["run", "--panel", "none"]);
    let socket: PathBuf = device.home().join("door/record.sock");
    if !rustix::process::geteuid().is_root() {
        running.line(|line| line.contains("must be a member"));
        return;
    }
    eventually("the socket", || UnixStream::connect(&socket).ok());
    let made = fs::metadata(&socket).unwrap();
    assert_eq!((made.permissions().mode() & 0o777, made.gid()), (0o660, GROUP));

    let Some(ran) = as_other(&device, GROUP, &["record", "badge=007", "n=1.5", "open=true"], "") else { return };
    let id = ran.exits(0).out;
    assert!(id.trim().len() == 20, "{id}");
    let other = |arguments: &[&str], input: &str| as_other(&device, GROUP, arguments, input).unwrap();
    let named = other(&["record", "--table", "doors", "--id", "mine", "--at", "2026-11-22T17:30:00Z", "door=1"], "");
    assert!(named.exits(0).out.trim().ends_with("-mine"));
    other(&["record", "--table", "windows", "door=1"], "").exits(2).says("no table \"windows\"");
    other(&["record", "time=1"], "").exits(1).says("kept by rowkeeper itself");
    other(&["record", "--at", "noon", "a=1"], "").exits(2).says("noon");
    other(&["record", "nothing"], "").exits(2).says("KEY=VALUE");
    let lines = "{\"badge\":8,\"n\":2}\n\nnonsense\n{\"_table\":\"doors\",\"door\":2}\n";
    let many = other(&["record", "--stdin"], lines).exits(1);
    let results: Vec<_> =
        many.lines().iter().map(|a| format!("{} {}", a["line"], a["result"].as_str().unwrap())).collect();
    assert_eq!(results, ["1 kept", "3 refused", "4 kept"]);
    let csv = other(&["record", "--stdin", "csv", "--table", "doors"], "door,_id\n3,x\n4,y,z\n3,x\n").exits(1);
    let results: Vec<_> =
        csv.lines().iter().map(|a| format!("{} {}", a["line"], a["result"].as_str().unwrap())).collect();
    assert_eq!(results, ["2 kept", "3 refused", "4 known"]);

    let rows = eventually("the readings", || Some(google.rows("readings")).filter(|rows| rows.len() == 2));
    assert_eq!((&rows[0]["badge"], &rows[0]["n"]), (&CellValue::Text("007".into()), &CellValue::Number(1.5)));
    assert_eq!((&rows[0]["open"], &rows[1]["badge"]), (&CellValue::Bool(true), &CellValue::Text("8".into())));
    eventually("the doors", || Some(google.rows("doors")).filter(|rows| rows.len() == 3));

    // Nothing else.
    for command in [&["status"][..], &["token"], &["queue", "list"], &["deliver"], &["sign-out"]] {
        other(command, "").exits(2);
    }
    as_other(&device, OTHER, &["record", "a=1"], "").unwrap().exits(2).says("is this user in the group");
    // The daemon is away for a moment: later.
    running.kill();
    other(&["record", "a=1"], "").exits(75).says("is `rowkeeper run` up?");
    fs::remove_file(&socket).unwrap();
    other(&["record", "a=1"], "").exits(75).says("is `rowkeeper run` up?");
    // Nobody else's outbox was begun on the way.
    let own = device.home().join(".local");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, Permissions::from_mode(0o777)).unwrap();
    let device = device.with("ROWKEEPER_STATE_DIR", "");
    as_other(&device, GROUP, &["record", "a=1"], "").unwrap().exits(75).says("is `rowkeeper run` up?");
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0);
}
