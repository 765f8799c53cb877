//! The simulator as a person meets it: the real binary in a pseudo-terminal, its screen read back letter by letter, and
//! in the end the sheet.
//!
//! The glass is a display of 20x4 letters, so that a picture can be compared as text. Waits are for what is shown.

#![expect(clippy::unwrap_used, reason = "the vocabulary of tests panics as they do")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use google_emulator::{CellValue, Server, ServerOptions};
use rowkeeper::clock::{Clock, SystemClock};

struct Sim {
    child: Child,
    keyboard: pty_process::blocking::Pty,
    screen: Arc<Mutex<vt100::Parser>>,
    dir: tempfile::TempDir,
}

/// Far more than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

const RIGHT: &str = "\x1b[C";
const ENTER: &str = "\r";

impl Sim {
    fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let child = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_timeclock"))
            .args(["--sim", "--panel", "20x4", "--state-dir"])
            .arg(dir.path())
            .args(arguments)
            .env("NO_COLOR", "1")
            .env("TERM", "xterm")
            .env_remove("ROWKEEPER_EMULATOR")
            .env_remove("ROWKEEPER_CONFIG")
            .spawn(pts)
            .unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0)));
        let reader: std::os::fd::OwnedFd = std::os::fd::AsFd::as_fd(&pty).try_clone_to_owned().unwrap();
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let (mut reader, mut bytes) = (fs::File::from(reader), [0; 4096]);
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..read]);
            }
        });
        Self { child, keyboard: pty, screen, dir }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn waits_for(&self, what: impl Fn(&str) -> bool, name: &str) -> String {
        let end = SystemClock.mono() + PATIENCE;
        loop {
            let screen = self.screen();
            if what(&screen) {
                return screen;
            }
            assert!(SystemClock.mono() < end, "never saw {name}:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn sees(&self, part: &str) -> String {
        self.waits_for(|screen| screen.contains(part), part)
    }

    fn signed_in() -> Self {
        let sim = Self::start(&[]);
        sim.sees("turn to choose");
        // The projects of the configuration are in the sheet by then, too.
        sim.sees("sheet, listed at http://");
        sim
    }

    /// The rows of the timesheet: project, whether it has an end, and its minutes, from the sheet as it is now.
    fn sheet(&self) -> Vec<(String, bool, Option<f64>)> {
        // A copy: the simulator has the file itself.
        let copy = self.dir.path().join("copy.data");
        fs::copy(self.dir.path().join("google.data"), &copy).unwrap();
        let options = ServerOptions { data: Some(copy.clone()), ..ServerOptions::default() };
        let Ok(server) = Server::start("127.0.0.1:0", options) else { return Vec::new() };
        let rows = server.with_model(|model| {
            let id = model.spreadsheet_ids().pop()?;
            model.rows(&id, "Timesheet")
        });
        drop(server);
        let rows = rows.unwrap_or_default();
        let header = rows.first().cloned().unwrap_or_default();
        let at = |name: &str| header.iter().position(|cell| *cell == CellValue::Text(name.into())).unwrap_or(99);
        let row = |row: &Vec<CellValue>| {
            let text = |name| match row.get(at(name)) {
                Some(CellValue::Text(text)) => text.clone(),
                _ => String::new(),
            };
            let number = |name| match row.get(at(name)) {
                Some(CellValue::Number(number)) => Some(*number),
                _ => None,
            };
            (text("project"), number("finish").is_some(), number("minutes"))
        };
        rows.iter().skip(1).map(row).filter(|(project, ..)| !project.is_empty()).collect()
    }

    fn sheet_becomes(&self, right: impl Fn(&[(String, bool, Option<f64>)]) -> bool) {
        let end = SystemClock.mono() + PATIENCE;
        loop {
            let sheet = self.sheet();
            if right(&sheet) {
                return;
            }
            assert!(SystemClock.mono() < end, "the sheet is {sheet:#?}\n{}", self.screen());
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn quits(mut self) -> String {
        self.types("q");
        let end = SystemClock.mono() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return self.screen();
            }
            assert!(SystemClock.mono() < end, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The screen without what differs from run to run: ports, ids, times of day, colours of a fading light.
fn steady(screen: &str) -> String {
    let mut steady = String::new();
    for line in screen.lines() {
        let line = match line.split_once("http://") {
            Some((before, _)) => format!("{before}http://…"),
            None => line.to_owned(),
        };
        let mut letters: Vec<char> = line.chars().collect();
        for at in 0..letters.len().saturating_sub(4) {
            let digits = |range: std::ops::Range<usize>| letters[range].iter().all(char::is_ascii_digit);
            if digits(at..at + 2) && letters[at + 2] == ':' && digits(at + 3..at + 5) {
                letters.splice(at..at + 5, "hh:mm".chars());
            }
            if letters[at] == '#' {
                letters.splice(at + 1..at + 7, "rrggbb".chars());
            }
        }
        steady.push_str(letters.into_iter().collect::<String>().trim_end());
        steady.push('\n');
    }
    steady
}

#[test]
fn a_day_without_google_and_with_a_power_cut() {
    let mut sim = Sim::signed_in();
    // Google goes; the clock goes on: choose the second project. On disk, then the light.
    sim.types("g");
    sim.sees("Google OFF");
    sim.types(RIGHT);
    sim.sees("Workshop");
    sim.types(ENTER);
    let runs = ["since", "1 waiting", "1 row waits", "no connection"];
    let screen = sim.waits_for(|screen| runs.iter().all(|part| screen.contains(part)), "it runs, and says what waits");
    let wanted = "\
timeclock --sim   power on   Google OFF
╭────────────────────╮    ▄██▄
│      Workshop      │    ▀██▀
│        0:00        │    #rrggbb
│    since hh:mm     │
│     1 waiting      │   ╭─────╮
╰────────────────────╯   │  ↗  │
                         ╰─────╯
sheet, listed at http://…
1 row waits, safe on the device
timeclock: no connection: io: Connection refused (os error 111); it will be tri…

← → turn   Enter press   digits Enter badge   + name that badge   Esc hold
g Google off/on   p pull the plug   s sort the sheet   q quit
";
    assert_eq!(steady(&screen), wanted);
    // The plug is pulled while nothing of it is delivered.
    sim.types("p");
    sim.sees("power OFF");
    sim.types("p");
    sim.waits_for(|screen| screen.contains("Workshop") && screen.contains("since"), "it is resumed after the reboot");
    // Switch to the next project, and stop it.
    sim.types(RIGHT);
    sim.sees("Tax return");
    sim.types(ENTER);
    sim.waits_for(|screen| screen.contains("Tax return") && screen.contains("since"), "the next project");
    sim.types(ENTER);
    sim.sees("stopped after 0:00");
    assert_eq!(sim.sheet(), [], "nothing is in the sheet yet");

    // Google comes back, and what waited is sent: every row once, and whole.
    sim.types("g");
    sim.sees("Google on");
    sim.sheet_becomes(|rows| {
        let rows: Vec<_> =
            rows.iter().map(|(project, ended, minutes)| (&**project, *ended, minutes.is_some())).collect();
        rows == [("Workshop", true, true), ("Tax return", true, true)]
    });
    sim.sees("all rows are in the sheet");
    sim.quits();
}

/// The row that was opened is closed where it stands, although it was delivered long ago and its place has changed.
#[test]
fn closing_edits_the_row_it_opened_even_after_a_sort() {
    let mut sim = Sim::signed_in();
    for project in ["Website", "Workshop"] {
        // The first click lists what there is, or the knob does.
        sim.types(if project == "Website" { ENTER } else { RIGHT });
        sim.sees(project);
        sim.types(ENTER);
        sim.waits_for(|screen| screen.contains(project) && screen.contains("since"), project);
        sim.sheet_becomes(|rows| rows.iter().any(|row| row.0 == project));
    }
    sim.types("s");
    sim.sees("the owner sorted the sheet by project");
    sim.types(ENTER);
    sim.sees("stopped after 0:00");
    sim.sheet_becomes(|rows| {
        let rows: Vec<_> =
            rows.iter().map(|(project, ended, minutes)| (&**project, *ended, minutes.is_some())).collect();
        rows == [("Workshop", true, true), ("Website", true, true)]
    });
    sim.quits();
}

#[test]
fn a_badge_is_named_by_the_owner_and_then_known() {
    let mut sim = Sim::signed_in();
    sim.types("4711");
    sim.sees("badge 4711_");
    sim.types(ENTER);
    sim.sees("Unknown badge");
    sim.types("+");
    sim.sees("the owner wrote into People: Anna, badge 4711");
    sim.sees("hold your badge");
    sim.types("4711");
    sim.sees("badge 4711_");
    sim.types(ENTER);
    sim.sees("press: start Website");
    sim.types(ENTER);
    sim.sees("Website: started");
    sim.sheet_becomes(|rows| rows == [("Website".to_owned(), false, None)]);
    sim.quits();
}

#[test]
fn a_person_types_the_code_where_that_is_wanted() {
    let mut sim = Sim::start(&["--by-hand"]);
    sim.sees("sign in: open http://127.0.0.1:");
    sim.types("a");
    sim.sees("turn to choose");
    let dir = sim.dir.path().to_owned();
    let screen = sim.quits();
    assert!(screen.contains(&format!("everything is kept in {}", dir.display()).chars().take(60).collect::<String>()));
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_timeclock")).arg("--sim").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "timeclock: --sim draws in a terminal and reads its keys; here is none\n");
}

#[test]
fn a_clock_without_hands_is_a_mistake_of_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let run = |config: &str| {
        fs::write(dir.path().join("rowkeeper.toml"), config).unwrap();
        let output = clock(dir.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run("");
    assert_eq!(code, Some(2));
    assert!(said.contains("[timeclock.knob] or [timeclock.reader]"), "{said}");
    let (code, said) = run("[timeclock]\nshfit = \"8h\"\n");
    assert_eq!(code, Some(2));
    assert!(said.contains("line 2: unknown key \"shfit\"; did you mean \"shift\"?"), "{said}");
}

fn clock(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_timeclock"));
    command
        .arg("--config")
        .arg(dir.join("rowkeeper.toml"))
        .arg("--state-dir")
        .arg(dir.join("state"))
        .args(["--panel", "none"])
        .env_remove("ROWKEEPER_EMULATOR")
        .env_remove("ROWKEEPER_CONFIG");
    command
}
