//! The real clock as a service manager and a power cut meet it: notified, stopped, started twice, and killed at any moment
//! of a punch. Its hands and its glass are pipes; everything else is what ships.

#![expect(clippy::unwrap_used, reason = "the vocabulary of tests panics as they do")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use google_emulator::{CellValue, Client, Faults, Options, Rule, Server, ServerOptions};
use rowkeeper::clock::{Clock, SystemClock};
use serde_json::json;
use timeclock::twin::Said;

/// Far more than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(150);

struct Gadget {
    process: Child,
    hands: ChildStdin,
    said: Receiver<Said>,
    /// The glass as it was last.
    glass: String,
}

impl Gadget {
    fn start(dir: &Path, google: &str) -> Self {
        let mut process = command(dir, google).spawn().unwrap();
        let (hands, out) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (to, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                _ = serde_json::from_str(&line).map(|said| to.send(said));
            }
        });
        Self { process, hands, said, glass: String::new() }
    }

    fn does(&mut self, what: &str) {
        // A gadget that was killed meanwhile feels nothing.
        _ = writeln!(self.hands, "{what}");
    }

    fn shows(&mut self, parts: &[&str]) {
        let end = SystemClock.mono() + PATIENCE;
        while !parts.iter().all(|part| self.glass.contains(part)) {
            let left = end.since(SystemClock.mono());
            match self.said.recv_timeout(left) {
                Ok(Said::Letters(lines)) => self.glass = lines.join("\n"),
                Ok(_) => {}
                Err(error) => panic!("{error}; never saw {parts:?}:\n{}", self.glass),
            }
        }
    }

    fn dies(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn command(dir: &Path, google: &str) -> Command {
    let config = dir.join("rowkeeper.toml");
    if !config.exists() {
        let text = "[timeclock]\nprojects = [\"Ant\", \"Bee\", \"Cat\", \"Dog\"]\nrefresh = \"10s\"\n";
        std::fs::write(&config, text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_timeclock"));
    command
        .args(["--twin", "--panel", "20x4", "--config"])
        .arg(config)
        .arg("--state-dir")
        .arg(dir.join("state"))
        .env("ROWKEEPER_EMULATOR", google)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn google(listen: &str) -> Server {
    // Google's own five seconds between two polls, five times over, are most of what a sign-in takes.
    let clients = vec![Client { interval: 1, ..Client::default() }];
    let model = Options { approve_as: Some("owner@example.com".into()), seed: 1, clients, ..Options::default() };
    Server::start(listen, ServerOptions { model, ..ServerOptions::default() }).unwrap()
}

/// A project and whether the row has an end.
fn timesheet(google: &Server) -> Vec<(String, bool)> {
    let rows = google.with_model(|model| {
        let id = model.spreadsheet_ids().pop()?;
        model.rows(&id, "Timesheet")
    });
    let rows = rows.unwrap_or_default();
    let header = rows.first().cloned().unwrap_or_default();
    let at = |name: &str| header.iter().position(|cell| *cell == CellValue::Text(name.into())).unwrap_or(99);
    let mut ids: Vec<_> = rows.iter().skip(1).map(|row| format!("{:?}", row.get(at("_id")))).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "a row came twice");
    let row = |row: &Vec<CellValue>| match row.get(at("project")) {
        Some(CellValue::Text(project)) => {
            Some((project.clone(), matches!(row.get(at("finish")), Some(CellValue::Number(_)))))
        }
        _ => None,
    };
    rows.iter().skip(1).filter_map(row).collect()
}

#[test]
fn killed_at_any_moment_of_a_punch_it_loses_none_and_doubles_none() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody answers at that address until the end of the story.
    let server = google("127.0.0.1:0");
    let (url, listen) = (server.url(), server.address().to_string());
    server.stop();
    // What the glass said was started, in this order. The next project is chosen by its place behind the last.
    let mut acknowledged: Vec<&str> = Vec::new();
    let projects = ["Ant", "Bee", "Cat", "Dog"];
    let mut dice: u64 = 0x2545_f491_4f6c_dd1d;
    let lives = 24;
    for life in 0..lives {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let mut gadget = Gadget::start(dir.path(), &url);
        // Up, with whatever runs.
        let end = SystemClock.mono() + PATIENCE;
        while gadget.glass.trim().is_empty() && SystemClock.mono() < end {
            match gadget.said.recv_timeout(PATIENCE) {
                Ok(Said::Letters(lines)) => gadget.glass = lines.join("\n"),
                Ok(_) => {}
                Err(error) => panic!("life {life}: {error}"),
            }
        }
        // All the way to one end, then to the wanted project: what runs stands somewhere in the list.
        let wanted = projects[(dice % 4) as usize];
        let place = projects.iter().position(|name| *name == wanted).unwrap();
        let is_running = gadget.glass.contains("since") && gadget.glass.contains(wanted);
        gadget.does("turn -9");
        if place > 0 {
            gadget.does(&format!("turn {place}"));
        }
        gadget.does("press");
        let patient = dice & 0x100 != 0;
        if patient && !is_running {
            gadget.shows(&[wanted, "since"]);
            acknowledged.push(wanted);
        } else {
            thread::sleep(Duration::from_micros(dice >> 13 & 0x3fff));
        }
        gadget.dies();
    }
    assert!(acknowledged.len() > 4, "{acknowledged:?}");

    // Google answers: the code is approved, everything is sent.
    let server = google(&listen);
    let mut gadget = Gadget::start(dir.path(), &url);
    let end = SystemClock.mono() + PATIENCE;
    let is_settled =
        |rows: &[(String, bool)]| rows.len() >= acknowledged.len() && rows.iter().rev().skip(1).all(|row| row.1);
    let mut rows = timesheet(&server);
    while !is_settled(&rows) && SystemClock.mono() < end {
        thread::sleep(Duration::from_millis(100));
        rows = timesheet(&server);
    }
    gadget.does("hold");
    // Each row but the last has an end: nobody ever worked on two things at once.
    assert!(is_settled(&rows), "{rows:#?}");
    assert!(rows.len() <= lives, "{} rows of {lives} punches: {rows:#?}", rows.len());
    let mut left = rows.iter().map(|(project, _)| project.as_str());
    for project in &acknowledged {
        assert!(left.any(|row| row == *project), "{project} of {acknowledged:?} is lost: {rows:#?}");
    }
    gadget.dies();
}

/// Two clocks, one sheet: the second is told to join, signs in by itself, and lists the projects of the first. Both open
/// their first row at once, and so both make its tab: one is refused, and its row is in the sheet a moment later all the
/// same, not after the minute for which old reads are waited out.
#[test]
fn a_second_clock_joins_the_sheet_of_the_first() {
    let server = google("127.0.0.1:0");
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let write = |home: &tempfile::TempDir, text: String| {
        std::fs::write(home.path().join("rowkeeper.toml"), text).unwrap();
    };
    write(&homes[0], "[device]\nname = \"door\"\n[timeclock]\nprojects = [\"Ant\", \"Bee\"]\n".into());
    let mut door = Gadget::start(homes[0].path(), &server.url());
    door.shows(&["turn to choose"]);
    let sheets = || server.with_model(|model| model.spreadsheet_ids());
    waits_for(|| !sheets().is_empty() && server.with_model(|model| model.tabs(&sheets_of(model))).len() == 3);

    let join = format!("https://docs.google.com/spreadsheets/d/{}/edit#gid=0", sheets()[0]);
    write(&homes[1], format!("[device]\nname = \"gate\"\n[timeclock]\njoin = \"{join}\"\n"));
    let mut gate = Gadget::start(homes[1].path(), &server.url());
    gate.shows(&["turn to choose"]);
    waits_for(|| {
        std::fs::read_to_string(homes[1].path().join("state/lookups.json")).is_ok_and(|kept| kept.contains("Bee"))
    });
    // Each has its request ready, with the tab in it, before either gets it through.
    let busy = |device: &str| -> Rule {
        let rule =
            json!({"path": ":batchUpdate", "body": device, "times": 3, "action": {"do": "status", "status": 503}});
        serde_json::from_value(rule).unwrap()
    };
    let faults = Faults { rules: vec![busy("\"door\""), busy("\"gate\"")], ..Faults::default() };
    server.with_model(|model| model.set_faults(faults));
    let begun = SystemClock.mono();
    for (clock, turn) in [(&mut door, "turn -1"), (&mut gate, "turn 1")] {
        clock.does(turn);
        clock.does("press");
        clock.shows(&["since"]);
    }
    waits_for(|| timesheet(&server).len() == 2);
    let took = SystemClock.mono().since(begun);
    assert!(took < Duration::from_secs(55), "{took:?}");
    let refused = server.with_model(|model| model.faults().rules.iter().map(|rule| rule.struck).collect::<Vec<_>>());
    assert_eq!(refused, [3, 3], "both had a request of their own on its way");
    let mut projects: Vec<_> = timesheet(&server).into_iter().map(|(project, _)| project).collect();
    projects.sort();
    assert_eq!(projects, ["Ant", "Bee"]);
    assert_eq!(sheets().len(), 1, "one sheet for both");
    door.dies();
    gate.dies();
}

fn sheets_of(model: &google_emulator::Model) -> String {
    model.spreadsheet_ids().pop().unwrap_or_default()
}

fn waits_for(mut what: impl FnMut() -> bool) {
    let end = SystemClock.mono() + PATIENCE;
    while !what() {
        assert!(SystemClock.mono() < end, "it never came");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_service_manager_is_told_and_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = |what: &str| {
        let mut bytes = [0; 512];
        loop {
            let read = socket.recv(&mut bytes).unwrap();
            if bytes[..read] == *what.as_bytes() {
                return;
            }
        }
    };
    let mut process =
        command(dir.path(), "http://127.0.0.1:9").env("NOTIFY_SOCKET", dir.path().join("notify")).spawn().unwrap();
    heard("READY=1");
    // A second clock on the same state would believe its own ledger.
    let second = command(dir.path(), "http://127.0.0.1:9").stderr(Stdio::piped()).output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another timeclock uses"), "{said}");

    let terminate = Command::new("kill").arg(process.id().to_string()).status().unwrap();
    assert!(terminate.success());
    heard("STOPPING=1");
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
