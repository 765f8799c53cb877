//! The time clock without hardware: glass, knob, light and reader in a terminal, Google in this process, and the gadget
//! itself as a process of its own that can be killed.

mod glass;
mod google;
mod keys;
mod page;
mod terminal;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rowkeeper::clock::{Clock, Mono, Stop, SystemClock};
use rowkeeper_panel::Geometry;

use crate::args::Cli;
use crate::run::RunError;
use crate::twin::{Said, Standing};
use google::Google;
use keys::{Key, keys};
use page::Page;
use terminal::Terminal;

/// Something the simulator hears.
enum Heard {
    Keys(Vec<Key>),
    /// From the gadget that was started so many times.
    Twin(u32, Said),
    Log(u32, String),
    TwinEnded(u32),
    KeyboardGone,
    Stop,
}

/// The glass of that name; the first of these clocks had 128x32.
///
/// # Errors
/// What may be written instead.
pub fn geometry(panel: Option<&str>) -> Result<Geometry, String> {
    Ok(match panel {
        None | Some("128x32") => Geometry::OLED_128X32,
        Some("128x64") => Geometry::OLED_128X64,
        Some("16x2") => Geometry::LCD_16X2,
        Some("20x4") => Geometry::LCD_20X4,
        Some(other) => {
            let other: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("--panel {other}: the simulator has 128x32, 128x64, 16x2 and 20x4"));
        }
    })
}

/// Runs until the person has seen enough, or `stop` is pressed.
///
/// # Errors
/// No terminal, no room in the temporary directory, or no port.
pub fn run(cli: &Cli, stop: &Stop) -> Result<(), Box<dyn std::error::Error>> {
    geometry(cli.panel.as_deref())?;
    let mut terminal = Terminal::open()?;
    let home = Home::new(cli)?;
    let google = Google::start(&home.dir)?;
    let (to, heard) = mpsc::channel();
    listen_to_keys(&to)?;
    listen_to_stop(&to, stop)?;
    let mut bench = Bench::new(cli, &home, google, to);
    bench.switch_on();
    let outcome = bench.run(&mut terminal, &heard);
    // The terminal is the person's again before anything is said.
    drop(terminal);
    drop(bench);
    if home.is_named {
        println!("timeclock: everything is kept in {}", home.dir.display());
    }
    outcome.map_err(Into::into)
}

/// Where the emulated Google and the gadget keep their things.
struct Home {
    dir: PathBuf,
    is_named: bool,
}

/// What the gadget of the simulator is told, as a person would write it.
const CONFIG: &str = "\
[sheet]
title = \"Time clock\"

[device]
name = \"simulated clock\"

[timeclock]
projects = [\"Website\", \"Workshop\", \"Tax return\", \"Garden\"]
refresh = \"10s\"
";

impl Home {
    fn new(cli: &Cli) -> Result<Self, Box<dyn std::error::Error>> {
        let unique = rowkeeper::random_u64().ok_or("the system gives no random numbers")?;
        let (dir, is_named) = match &cli.state_dir {
            Some(dir) => (dir.clone(), true),
            None => (std::env::temp_dir().join(format!("timeclock-sim-{unique:016x}")), false),
        };
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let config = dir.join("rowkeeper.toml");
        if cli.config.is_none() && !config.exists() {
            fs::write(&config, CONFIG).map_err(|error| format!("{}: {error}", config.display()))?;
        }
        Ok(Self { dir, is_named })
    }

    fn config(&self, cli: &Cli) -> PathBuf {
        cli.config.clone().unwrap_or_else(|| self.dir.join("rowkeeper.toml"))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.is_named {
            // Left behind, it is a few hundred KiB in the temporary directory.
            _ = fs::remove_dir_all::<&Path>(&self.dir);
        }
    }
}

/// The gadget, under power.
struct Twin {
    process: Child,
    hands: ChildStdin,
}

struct Bench<'c> {
    cli: &'c Cli,
    home: &'c Home,
    google: Google,
    to: Sender<Heard>,
    twin: Option<Twin>,
    /// What comes from a gadget that has lost its power is old.
    switched_on: u32,
    page: Page,
    /// When the owner types the code.
    approves_at: Option<Mono>,
    /// When the button comes up again on the picture.
    releases_at: Option<Mono>,
    last_badge: String,
}

/// How long the owner looks at the code before typing it; long enough to be seen.
const OWNER_TYPES: Duration = Duration::from_secs(3);

impl<'c> Bench<'c> {
    fn new(cli: &'c Cli, home: &'c Home, google: Google, to: Sender<Heard>) -> Self {
        let page = Page {
            glass: Said::Letters(Vec::new()),
            light: (0, 0, 0),
            standing: Standing::default(),
            knob: 0,
            pressed: false,
            is_on: false,
            google: google.is_up(),
            address: google.address().to_owned(),
            badge: String::new(),
            line: String::new(),
            by_hand: cli.by_hand || google.is_up().is_none(),
            colour: std::env::var_os("NO_COLOR").is_none(),
        };
        Self {
            cli,
            home,
            google,
            to,
            twin: None,
            switched_on: 0,
            page,
            approves_at: None,
            releases_at: None,
            last_badge: String::new(),
        }
    }

    fn run(&mut self, terminal: &mut Terminal, heard: &Receiver<Heard>) -> io::Result<()> {
        loop {
            let (columns, rows) = terminal.size();
            terminal.show(&page::lines(&self.page, columns, rows))?;
            let now = SystemClock.mono();
            let due = self.approves_at.into_iter().chain(self.releases_at).min();
            let wait = due.map_or(LOOK, |at| at.since(now).min(LOOK));
            match heard.recv_timeout(wait) {
                Ok(Heard::Keys(keys)) => {
                    if !keys.into_iter().all(|key| self.key(key)) {
                        return Ok(());
                    }
                }
                Ok(Heard::Twin(of, said)) if of == self.switched_on => self.said(said),
                Ok(Heard::Log(of, line)) if of == self.switched_on => self.tell(&line),
                Ok(Heard::TwinEnded(of)) if of == self.switched_on => self.ended(),
                Ok(Heard::Twin(..) | Heard::Log(..) | Heard::TwinEnded(_)) => {}
                Ok(Heard::KeyboardGone | Heard::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.time_passes();
        }
    }

    /// False: the person has seen enough.
    fn key(&mut self, key: Key) -> bool {
        match key {
            Key::Left => self.turn(-1),
            Key::Right => self.turn(1),
            Key::Enter if self.page.badge.is_empty() => self.press("press"),
            Key::Enter => self.hold_up_badge(),
            Key::Escape if !self.page.badge.is_empty() => self.page.badge.clear(),
            Key::Escape => self.press("hold"),
            Key::Erase => _ = self.page.badge.pop(),
            Key::Letter(digit) if digit.is_ascii_digit() && self.page.badge.len() < 20 => self.page.badge.push(digit),
            Key::Letter('g') => self.switch_google(),
            Key::Letter('p') if self.twin.is_some() => self.pull_the_plug(),
            Key::Letter('p') => self.switch_on(),
            Key::Letter('s') => self.owner(|google| google.sort()),
            Key::Letter('a') => self.owner(|google| google.approve()),
            Key::Letter('+') => {
                let badge = self.last_badge.clone();
                self.owner(|google| google.name_badge(&badge));
            }
            Key::End | Key::Letter('q') => return false,
            Key::Letter(_) => {}
        }
        true
    }

    fn turn(&mut self, by: i32) {
        self.page.knob += by;
        self.does(&format!("turn {by}"));
    }

    fn press(&mut self, how: &str) {
        self.page.pressed = true;
        self.releases_at = Some(SystemClock.mono() + Duration::from_millis(200));
        self.does(how);
    }

    fn hold_up_badge(&mut self) {
        self.last_badge = std::mem::take(&mut self.page.badge);
        self.does(&format!("badge {}", self.last_badge));
    }

    /// A gadget without power feels nothing.
    fn does(&mut self, what: &str) {
        if let Some(twin) = &mut self.twin {
            _ = writeln!(twin.hands, "{what}").and_then(|()| twin.hands.flush());
        }
    }

    fn owner(&mut self, deed: impl FnOnce(&Google) -> String) {
        let line = deed(&self.google);
        self.tell(&line);
    }

    fn switch_google(&mut self) {
        let line = self.google.switch();
        self.page.google = self.google.is_up();
        self.tell(&line);
    }

    fn switch_on(&mut self) {
        self.switched_on += 1;
        match self.start_twin() {
            Ok(twin) => {
                self.twin = Some(twin);
                self.page.is_on = true;
            }
            Err(error) => self.tell(&format!("the gadget does not start: {error}")),
        }
    }

    fn start_twin(&self) -> io::Result<Twin> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--twin")
            .args(self.cli.panel.iter().flat_map(|panel| ["--panel", panel]))
            .arg("--config")
            .arg(self.home.config(self.cli))
            .arg("--state-dir")
            .arg(self.home.dir.join("state"))
            .env("ROWKEEPER_EMULATOR", self.google.address())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("no pipe");
        let (to, of) = (self.to.clone(), self.switched_on);
        let out = BufReader::new(process.stdout.take().ok_or_else(missing)?);
        thread::spawn(move || {
            let said = out.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
            said.for_each(|said| _ = to.send(Heard::Twin(of, said)));
            _ = to.send(Heard::TwinEnded(of));
        });
        let (to, err) = (self.to.clone(), BufReader::new(process.stderr.take().ok_or_else(missing)?));
        thread::spawn(move || err.lines().map_while(Result::ok).for_each(|line| _ = to.send(Heard::Log(of, line))));
        let hands = process.stdin.take().ok_or_else(missing)?;
        Ok(Twin { process, hands })
    }

    /// A power cut: SIGKILL, at whatever the gadget was doing.
    fn pull_the_plug(&mut self) {
        if let Some(mut twin) = self.twin.take() {
            _ = twin.process.kill();
            _ = twin.process.wait();
        }
        self.switched_on += 1;
        self.is_dark();
        self.tell("the plug is out: what the gadget had not written down is gone; p puts it back");
    }

    fn ended(&mut self) {
        if let Some(mut twin) = self.twin.take() {
            _ = twin.process.wait();
        }
        self.is_dark();
    }

    fn is_dark(&mut self) {
        self.page.is_on = false;
        self.page.light = (0, 0, 0);
        self.approves_at = None;
        match &mut self.page.glass {
            Said::Letters(lines) => lines.iter_mut().for_each(|line| *line = " ".repeat(line.chars().count())),
            Said::Dots { rows, .. } => rows.iter_mut().for_each(|row| *row = "0".repeat(row.len())),
            _ => {}
        }
    }

    fn said(&mut self, said: Said) {
        match said {
            Said::Light(red, green, blue) => self.page.light = (red, green, blue),
            Said::Standing(standing) => {
                if standing.code.is_some() && !self.page.by_hand && self.approves_at.is_none() {
                    self.approves_at = Some(SystemClock.mono() + OWNER_TYPES);
                }
                self.page.standing = standing;
            }
            glass => self.page.glass = glass,
        }
    }

    fn time_passes(&mut self) {
        let now = SystemClock.mono();
        if self.approves_at.is_some_and(|at| at <= now) {
            self.approves_at = None;
            self.owner(|google| google.approve());
        }
        if self.releases_at.is_some_and(|at| at <= now) {
            self.releases_at = None;
            self.page.pressed = false;
        }
    }

    fn tell(&mut self, line: &str) {
        self.page.line = line.chars().filter(|c| !c.is_control()).take(300).collect();
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        if let Some(Twin { mut process, hands }) = self.twin.take() {
            // Its hands let go: it ends by itself, cleanly.
            drop(hands);
            _ = process.wait();
        }
    }
}

/// How often the size of the terminal is looked at.
const LOOK: Duration = Duration::from_millis(500);

fn listen_to_keys(to: &Sender<Heard>) -> Result<(), RunError> {
    let to = to.clone();
    let listen = move || {
        let mut bytes = [0; 256];
        while let Ok(read @ 1..) = io::stdin().lock().read(&mut bytes) {
            _ = to.send(Heard::Keys(keys(&bytes[..read])));
        }
        _ = to.send(Heard::KeyboardGone);
    };
    thread::Builder::new().name("keys".into()).spawn(listen).map(drop).map_err(RunError::Thread)
}

fn listen_to_stop(to: &Sender<Heard>, stop: &Stop) -> Result<(), RunError> {
    let (to, stop) = (to.clone(), stop.clone());
    let listen = move || {
        while SystemClock.wait(Mono::new(Duration::MAX), &stop) != rowkeeper::clock::Woke::Stopped {}
        _ = to.send(Heard::Stop);
    };
    thread::Builder::new().name("stop".into()).spawn(listen).map(drop).map_err(RunError::Thread)
}
