//! The clock as it ships, with everything that can be wired to it, on a board without hardware: its device files are
//! preloaded stand-ins (`crates/gadget/tests/board.c`). A knob is turned by edges, a badge is typed by keys, the light is
//! read from its PWM channels, and the glass from what passed over the bus.

#![expect(clippy::unwrap_used, reason = "the vocabulary of tests panics as they do")]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use embedded_hal::i2c::I2c;
use google_emulator::{CellValue, Client, Options, Server, ServerOptions};
use rowkeeper::clock::{Clock, SystemClock};
use rowkeeper_panel::chips::{Chip, Controller, Oled, Wires};
use rowkeeper_panel::{Face, Frame, Geometry, Queue, Screen, film};

/// Far more than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

const GLASS: Geometry = Geometry::OLED_128X32;

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = SystemClock.mono() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(SystemClock.mono() < end, "never saw {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A board with a clock on it, and the hands that are at it.
struct Board {
    dir: tempfile::TempDir,
    google: Server,
    clock: Child,
    said: Arc<Mutex<Vec<String>>>,
    edges: Option<File>,
    next_edge: u32,
    keys: Option<File>,
}

impl Board {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these variables for the stand-ins.
    fn start_with(variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../gadget/tests/board.c");
        let flags = ["-shared", "-fPIC", "-o"];
        let built = Command::new("cc").args(flags).arg(at("board.so")).arg(source).arg("-ldl").status();
        assert!(built.is_ok_and(|status| status.success()), "Rust itself needs cc");
        for pipe in ["edges", "keys"] {
            assert!(Command::new("mkfifo").arg(at(pipe)).status().unwrap().success());
        }
        for colour in ["pwm0", "pwm1", "pwm2"] {
            fs::create_dir_all(at("pwmchip0").join(colour)).unwrap();
        }
        fs::write(at("wires.log"), "").unwrap();
        let pwm = at("pwmchip0").display().to_string();
        let config = format!(
            "[sheet]\ntimezone = \"UTC\"\n[panel]\nkind = \"ssd1306\"\nsize = \"128x32\"\n\
             [timeclock]\nprojects = [\"Ant\", \"Bee\"]\n[timeclock.knob]\n\
             [timeclock.light]\nred = \"{pwm}/pwm0\"\ngreen = \"{pwm}/pwm1\"\nblue = \"{pwm}/pwm2\"\n\
             [timeclock.reader]\ndevice = \"{}\"\n",
            at("keys").display()
        );
        fs::write(at("rowkeeper.toml"), config).unwrap();

        let clients = vec![Client { interval: 1, ..Client::default() }];
        let model = Options { approve_as: Some("owner@example.com".into()), seed: 1, clients, ..Options::default() };
        let google = Server::start("127.0.0.1:0", ServerOptions { model, ..ServerOptions::default() }).unwrap();
        let (edges, keys) = (Some(held(&at("edges"))), Some(held(&at("keys"))));
        let mut clock = Command::new(env!("CARGO_BIN_EXE_timeclock"))
            .arg("--config")
            .arg(at("rowkeeper.toml"))
            .arg("--state-dir")
            .arg(at("state"))
            .env("ROWKEEPER_EMULATOR", google.url())
            .env("LD_PRELOAD", at("board.so"))
            .env("BOARD_LOG", at("wires.log"))
            .env("BOARD_I2C", "0x3c")
            .env("BOARD_UNPLUGGED", at("unplugged"))
            .env("BOARD_EDGES", at("edges"))
            .env("BOARD_READER", at("keys"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (lines, heard) = (BufReader::new(clock.stderr.take().unwrap()), Arc::clone(&said));
        thread::spawn(move || lines.lines().map_while(Result::ok).for_each(|line| heard.lock().unwrap().push(line)));
        Self { dir, google, clock, said, edges, next_edge: 1, keys }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits for a line of its log, and takes it and those before it away.
    fn says(&self, part: &str) {
        eventually(part, || {
            let mut said = self.said.lock().unwrap();
            let at = said.iter().position(|line| line.contains(part))?;
            said.drain(..=at).next_back()
        });
    }

    /// One edge of a line of the knob, as the kernel tells it (`struct gpio_v2_line_event`).
    fn edge(&mut self, line: u32, high: bool) {
        let mut event = vec![0; 8];
        for word in [if high { 1 } else { 2 }, line, self.next_edge, 0, 0, 0, 0, 0, 0, 0] {
            event.extend_from_slice(&u32::to_ne_bytes(word));
        }
        self.next_edge += 1;
        self.edges.as_mut().unwrap().write_all(&event).unwrap();
    }

    fn turns_right(&mut self) {
        [(17, false), (27, false), (17, true), (27, true)].into_iter().for_each(|(line, high)| self.edge(line, high));
    }

    fn presses(&mut self) {
        [false, true].into_iter().for_each(|high| self.edge(22, high));
    }

    /// Keys that go down and up, as the kernel tells them (`struct input_event`).
    fn types(&mut self, codes: &[u16]) {
        for (code, down) in codes.iter().flat_map(|code| [(code, 1_i32), (code, 0)]) {
            let mut event = vec![0; size_of::<usize>() * 2];
            event.extend_from_slice(&1_u16.to_ne_bytes());
            event.extend_from_slice(&code.to_ne_bytes());
            event.extend_from_slice(&down.to_ne_bytes());
            self.keys.as_mut().unwrap().write_all(&event).unwrap();
        }
    }

    /// What a person sees: all that passed over the bus, sent to a chip. A line `power` is a plug that was pulled.
    fn glass(&self) -> Frame {
        let wires = Wires::with(0x3c, Chip::Oled(Oled::new(Controller::Ssd1306, 32)));
        for line in fs::read_to_string(self.at("wires.log")).unwrap().lines() {
            let Some(hex) = line.strip_prefix("i 3c ") else {
                assert_eq!(line, "power");
                wires.unplug(true);
                wires.unplug(false);
                continue;
            };
            let bytes = (0..hex.len()).step_by(2).map_while(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
            I2c::write(&mut wires.clone(), 0x3c, &bytes.collect::<Vec<_>>()).unwrap();
        }
        assert_eq!(wires.chip(0x3c).unwrap().complaints(), [""; 0]);
        wires.chip(0x3c).unwrap().picture()
    }

    /// Waits until one of these screens is on the glass, at whatever moment of its own time.
    fn shows(&self, what: &str, screens: impl Fn() -> Vec<Screen>) {
        let mut last = Frame::blank(GLASS);
        let mut is_shown = || {
            last = self.glass();
            let is_on = |screen: &Screen| {
                film(screen, GLASS, Duration::ZERO..Duration::from_secs(60)).iter().any(|(frame, _)| *frame == last)
            };
            screens().iter().any(is_on)
        };
        let end = SystemClock.mono() + PATIENCE;
        while !is_shown() {
            assert!(SystemClock.mono() < end, "never saw {what}, but\n{}", self.glass());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// How much of red, green and blue shines.
    fn light(&self) -> Option<[u64; 3]> {
        let duty =
            |channel: &str| fs::read_to_string(self.at("pwmchip0").join(channel).join("duty_cycle")).ok()?.parse().ok();
        Some([duty("pwm0")?, duty("pwm1")?, duty("pwm2")?])
    }

    fn shines(&self, what: &str, right: impl Fn([u64; 3]) -> bool) {
        eventually(what, || self.light().filter(|light| right(*light)));
    }

    /// Each row's project, and whether it has an end.
    fn rows(&self) -> Vec<(String, bool)> {
        let rows = self.google.with_model(|model| {
            let id = model.spreadsheet_ids().pop()?;
            model.rows(&id, "Timesheet")
        });
        let rows = rows.unwrap_or_default();
        let header = rows.first().cloned().unwrap_or_default();
        let column = |name: &str| header.iter().position(|cell| *cell == CellValue::Text(name.into())).unwrap_or(99);
        let (project, finish) = (column("project"), column("finish"));
        let row = |row: &Vec<CellValue>| match row.get(project) {
            Some(CellValue::Text(text)) => Some((text.clone(), matches!(row.get(finish), Some(CellValue::Number(_))))),
            _ => None,
        };
        rows.iter().skip(1).filter_map(row).collect()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        _ = self.clock.kill();
        _ = self.clock.wait();
        if thread::panicking() {
            eprintln!("the clock said {:#?}", self.said.lock().unwrap());
        }
    }
}

/// The near end of a pipe. Whoever reads at the other end sees it end when this is dropped.
fn held(pipe: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(pipe).unwrap()
}

/// The minute that it is in UTC, and the one before: a test may cross the border.
fn minutes() -> [u64; 2] {
    let minute = SystemClock.wall().unix_ms as u64 / 60_000 % 1440;
    [minute, (minute + 1439) % 1440]
}

fn at_rest() -> Vec<Screen> {
    let face = |minute: u64| Face::TimeOfDay(Duration::from_secs(minute * 60));
    let lines = vec!["turn to choose".to_owned()];
    let screen =
        |minute| Screen::Clock { title: String::new(), face: face(minute), lines: lines.clone(), queue: Queue::EMPTY };
    minutes().map(screen).into()
}

fn at_work_on(project: &str) -> Vec<Screen> {
    let since = |minute: u64| format!("since {:02}:{:02}", minute / 60, minute % 60);
    let screen = |minute, waiting| Screen::Clock {
        title: project.to_owned(),
        face: Face::Elapsed(Duration::ZERO),
        lines: vec![since(minute)],
        queue: Queue { waiting, set_aside: 0 },
    };
    minutes().into_iter().flat_map(|minute| [screen(minute, 0), screen(minute, 1)]).collect()
}

#[test]
fn knob_badge_light_and_glass_work_together_and_each_may_be_unplugged() {
    let mut board = Board::start();
    board.says("the spreadsheet is there");
    board.shows("the time of day", at_rest);
    board.shines("idle, dim and blue", |[red, green, blue]| red == 0 && green == 0 && blue > 0);

    // Turned to the second project, and pressed.
    board.turns_right();
    board.shows("the list", || {
        let items = vec!["Ant".to_owned(), "Bee".to_owned()];
        vec![Screen::Menu { title: "Start".into(), items, selected: 1, running: None }]
    });
    board.presses();
    board.shows("what runs", || at_work_on("Bee"));
    eventually("the row", || (board.rows() == [("Bee".to_owned(), false)]).then_some(()));
    board.shines("the project's green", |[red, green, blue]| red == 0 && green > 0 && blue == 0);

    // The display is unplugged; what is punched meanwhile is recorded, and it comes back with the picture of then.
    fs::write(board.at("unplugged"), "").unwrap();
    board.presses();
    eventually("its end", || (board.rows() == [("Bee".to_owned(), true)]).then_some(()));
    board.says("/dev/i2c-1: no device answers at 0x3c");
    let log = board.at("wires.log");
    fs::write(&log, fs::read_to_string(&log).unwrap() + "power\n").unwrap();
    fs::remove_file(board.at("unplugged")).unwrap();
    board.shows("the time of day again", at_rest);

    // A badge that nobody has a name for: 33, Enter.
    board.types(&[4, 4, 28]);
    let unknown = || {
        let (title, advice) = ("Unknown badge".to_owned(), "33 is not in the tab People".to_owned());
        vec![Screen::Attention { title, advice }]
    };
    board.shows("the unknown badge", unknown);
    board.shines("a flash of orange", |[red, green, _]| red > green && green > 0);

    // Reader and knob are unplugged, and plugged in again.
    board.keys = None;
    board.says("does not answer: unexpected end of file; it is looked for");
    board.edges = None;
    board.says("the knob is lost");
    board.keys = Some(held(&board.at("keys")));
    board.edges = Some(held(&board.at("edges")));
    board.shows("the time of day", at_rest);
    board.types(&[4, 4, 28]);
    board.shows("the unknown badge, by a reader that came back", unknown);
    board.presses();
    board.presses();
    eventually("the next row", || (board.rows().last() == Some(&("Bee".to_owned(), false))).then_some(()));

    // Stopped as a service is, it leaves nothing shining.
    assert!(Command::new("kill").arg(board.clock.id().to_string()).status().unwrap().success());
    assert_eq!(board.clock.wait().unwrap().code(), Some(0));
    assert_eq!(board.glass(), Frame::blank(GLASS));
    assert_eq!(board.light(), Some([0, 0, 0]));
}

/// At boot udev may not have given the lines to their group yet: the service manager tries again.
#[test]
fn lines_that_cannot_be_had_end_it_for_now_with_what_to_do() {
    for (errno, says) in [("13", "add this user to the group that may"), ("16", "another program has it")] {
        let mut board = Board::start_with(&[("BOARD_REFUSES", errno)]);
        assert_eq!(board.clock.wait().unwrap().code(), Some(75));
        board.says(&format!("cannot listen to lines 17, 27 and 22 of /dev/gpiochip0; {says}"));
    }
}
