//! `rowkeeper demo`: the whole story on this machine, without an account.
//!
//! The emulator runs in this process on a port of its own; the device is the real library over real HTTP, in a state
//! directory that is removed at the end. Nothing is counted that was not read back from the sheet.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use google_emulator::{Action, CellValue, Faults, Options, Server, ServerOptions, When};
use rowkeeper::clock::{Clock, Stop, SystemClock};
use rowkeeper::config::Config;
use rowkeeper::outbox::Value;
use rowkeeper::record::Record;
use rowkeeper::session::{Asked, SignInEvent};
use rowkeeper::{Device, Event};
use rowkeeper_panel::terminal::{self, Charset, Colour, Style};
use rowkeeper_panel::{Screen, SignIn};

use super::{emulator, open_failure, print, signals};
use crate::args::Demo;
use crate::exit::{Exit, Failure};

/// Who owns the sheet.
const OWNER: &str = "maker@example.com";

/// How long one delivery may take; far more than any fault here costs.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(_: &super::Context, demo: &Demo) -> Result<Exit, Failure> {
    let stop = signals()?;
    let state = Temporary::new()?;
    let model = Options { seed: emulator::seed()?, ..Options::default() };
    let server = Server::start("127.0.0.1:0", ServerOptions { model, ..ServerOptions::default() })
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let config = Config::parse(CONFIG, None, state.0.clone(), Some(server.url()))
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let device = Device::open(config).map_err(open_failure)?;
    let story = Story { server, device, stop };
    if demo.by_hand { story.by_hand() } else { story.by_itself(demo.rows) }
}

const CONFIG: &str = "[sheet]\ntitle = \"Workshop log\"\ntimezone = \"Europe/Vienna\"\n[[table]]\nname = \"readings\"\n\
                      columns = [{ name = \"temperature\", type = \"number\" }, { name = \"door\" }]\n[device]\nname = \"demo\"\n";

struct Story {
    server: Server,
    device: Device,
    stop: Stop,
}

/// A part of the story: what goes wrong while its readings are delivered.
struct Chapter {
    title: &'static str,
    fault: Option<Action>,
    revoke: bool,
}

const CHAPTERS: [Chapter; 4] = [
    Chapter { title: "the first rows make the spreadsheet", fault: None, revoke: false },
    Chapter {
        title: "the rows land, and the answer is lost on the way back",
        fault: Some(Action::Reset { when: When::After }),
        revoke: false,
    },
    Chapter {
        title: "the rows land, and Google says 503",
        fault: Some(Action::Status {
            status: 503,
            when: When::After,
            body: None,
            content_type: None,
            retry_after: None,
        }),
        revoke: false,
    },
    Chapter { title: "Google revokes the access token", fault: None, revoke: true },
];

impl Story {
    fn by_itself(&self, rows: u32) -> Result<Exit, Failure> {
        self.say(&format!("an emulator of Google listens on {}", self.server.url()))?;
        self.sign_in()?;
        let mut recorded = HashMap::new();
        let parts = CHAPTERS.len();
        let mut next = 0..rows;
        for (at, chapter) in CHAPTERS.iter().enumerate() {
            self.prepare(chapter);
            let share = rows as usize * (at + 1) / parts - rows as usize * at / parts;
            let readings: Vec<_> = next.by_ref().take(share).map(reading).collect();
            self.chapter(chapter, readings, &mut recorded)?;
            self.server.with_model(|model| model.set_faults(Faults::default()));
        }
        self.verdict(&recorded)
    }

    fn by_hand(&self) -> Result<Exit, Failure> {
        let url = self.server.url();
        self.say(&format!("an emulator of Google listens on {url}; everything stays up until Ctrl-C"))?;
        let viewer = |device: &Device| device.status().ok().and_then(|status| status.sheet).map(|sheet| sheet.url);
        let mut number = 0;
        let device = self.device.clone();
        let stop = self.stop.clone();
        thread::scope(|scope| {
            let recording = scope.spawn(move || {
                // One reading a second, once somebody has signed the device in. The device's own switch is nudged by
                // every record, so the pause has one of its own.
                let pause = Stop::new();
                while !stop.is_stopped() {
                    SystemClock.wait(SystemClock.mono() + Duration::from_secs(1), &pause);
                    if device.session().status().state == rowkeeper::status::GrantState::SignedIn {
                        _ = device.recorder().record(reading(number));
                        number += 1;
                    }
                }
            });
            let mut told = false;
            let outcome = self.device.run(
                &mut |event| {
                    match &event {
                        Event::SignIn(SignInEvent::Code { user_code, verification_uri, .. }) => {
                            _ = print(&self.code_screen(user_code, verification_uri));
                            _ = self.say(&format!("open {verification_uri} in a browser and type {user_code}"));
                        }
                        Event::SignedIn(_) => _ = self.say("signed in; a reading is recorded every second"),
                        _ => {}
                    }
                    if let Some(url) = viewer(&self.device).filter(|_| !std::mem::replace(&mut told, true)) {
                        _ = self.say(&format!("the sheet: {url}"));
                    } else if viewer(&self.device).is_none() {
                        told = false;
                    }
                },
                &self.stop,
            );
            _ = recording.join();
            outcome.map(|()| Exit::Done).map_err(super::deliver::failure)
        })
    }

    /// Plays the owner too: reads the code off the screen and approves it.
    fn sign_in(&self) -> Result<(), Failure> {
        self.say("the device asks for a code and shows it on its screen:")?;
        let mut failure = None;
        let mut on = |event: &SignInEvent| {
            if let SignInEvent::Code { user_code, verification_uri, .. } = event {
                let told = print(&self.code_screen(user_code, verification_uri)).and_then(|()| {
                    self.say(&format!("its owner opens {verification_uri} on a phone, types {user_code} and allows it"))
                });
                let approved = self.server.with_model(|model| model.approve(user_code, OWNER));
                failure = told.err().or(approved.err().map(|error| Failure::new(Exit::Failed, format!("{error:?}"))));
            }
        };
        self.device
            .session()
            .sign_in(Asked::ByPerson, &mut on, &self.stop)
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        failure.map_or(Ok(()), Err)?;
        self.say("signed in; nobody is asked again")
    }

    fn prepare(&self, chapter: &Chapter) {
        self.server.with_model(|model| {
            if let Some(action) = &chapter.fault {
                let rule = serde_json::json!({ "path": ":batchUpdate", "times": 1, "action": action });
                // Built from the emulator's own types, so it reads back.
                model.set_faults(serde_json::from_value(serde_json::json!({ "rules": [rule] })).unwrap_or_default());
            }
            if chapter.revoke {
                model.expire_access_tokens();
            }
        });
    }

    fn chapter(
        &self,
        chapter: &Chapter,
        readings: Vec<Record>,
        recorded: &mut HashMap<String, Record>,
    ) -> Result<(), Failure> {
        let count = readings.len();
        let kept = self.device.recorder().record_all(&readings).map_err(|error| Failure::new(Exit::Failed, error))?;
        recorded.extend(kept.into_iter().map(|accepted| accepted.id).zip(readings));
        self.say(&format!("{count} readings are on disk; {}", chapter.title))?;
        let give_up = self.device.clock().mono() + PATIENCE;
        self.device.deliver(give_up, &self.stop).map_err(super::deliver::failure)?;
        self.say("delivered: the queue is empty")
    }

    /// Counts what is in the sheet, from the sheet.
    fn verdict(&self, recorded: &HashMap<String, Record>) -> Result<Exit, Failure> {
        let sheet = self.device.status().map_err(|error| Failure::new(Exit::Failed, error))?.sheet;
        let id = sheet.map(|sheet| sheet.spreadsheet_id).unwrap_or_default();
        let rows = self.server.with_model(|model| model.rows(&id, "readings")).unwrap_or_default();
        let found = Found::count(&rows, recorded);
        let requests = self.server.with_model(|model| model.log());
        let lost = recorded.len() - found.right;
        let sheets = requests.iter().filter(|request| request.target.starts_with("/v4/")).count();
        print(&format!("\nrecorded      {}", recorded.len()))?;
        print(&format!("in the sheet  {}", found.rows))?;
        print(&format!(
            "requests      {} ({sheets} to Sheets, {} to sign in)",
            requests.len(),
            requests.len() - sheets
        ))?;
        print(&format!("lost {lost}\ndoubled {}", found.doubled))?;
        let right = lost == 0 && found.doubled == 0 && found.rows == recorded.len();
        Ok(if right { Exit::Done } else { Exit::Failed })
    }

    fn code_screen(&self, code: &str, address: &str) -> String {
        let screen = Screen::SignIn(SignIn {
            code: code.into(),
            address: address.into(),
            complete_address: None,
            time_left: Duration::from_secs(1800),
            reason: None,
        });
        let style = Style { columns: 80, rows: Some(24), charset: Charset::Ascii, colour: Colour::Never };
        terminal::paint(&screen, &style, Duration::ZERO)
    }

    fn say(&self, line: &str) -> Result<(), Failure> {
        print(&format!("· {line}"))
    }
}

/// What the sheet holds, against what was recorded.
struct Found {
    rows: usize,
    /// Records whose row is there, with the values that were recorded.
    right: usize,
    doubled: usize,
}

impl Found {
    fn count(rows: &[Vec<CellValue>], recorded: &HashMap<String, Record>) -> Self {
        let header = rows.first().map(Vec::as_slice).unwrap_or_default();
        let column = |name: &str| header.iter().position(|cell| *cell == CellValue::Text(name.into()));
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut right = 0;
        for row in rows.iter().skip(1) {
            let cell = |name: &str| column(name).and_then(|at| row.get(at));
            let Some(CellValue::Text(id)) = cell("_id") else { continue };
            let times = seen.entry(id).or_default();
            *times += 1;
            let matches = recorded.get(id).is_some_and(|record| {
                record.fields.iter().all(|(key, value)| cell(key).is_some_and(|cell| same(cell, value)))
            });
            right += usize::from(matches && *times == 1);
        }
        let doubled = seen.values().map(|times| times - 1).sum();
        Self { rows: rows.len().saturating_sub(1), right, doubled }
    }
}

fn same(cell: &CellValue, value: &Value) -> bool {
    match (cell, value) {
        (CellValue::Number(cell), Value::Number(value)) => cell == value,
        (CellValue::Text(cell), Value::Text(value)) => cell == value,
        (CellValue::Bool(cell), Value::Bool(value)) => cell == value,
        _ => false,
    }
}

/// A plausible reading: a slow daily wave, and a door.
fn reading(number: u32) -> Record {
    let wave = (f64::from(number) / 20.0).sin();
    let temperature = ((21.0 + 3.0 * wave) * 10.0).round() / 10.0;
    let door = if number.is_multiple_of(7) { "open" } else { "closed" };
    Record {
        fields: vec![
            ("temperature".into(), Value::Number(temperature)),
            ("door".into(), Value::Text(door.into())),
            ("number".into(), Value::Number(f64::from(number))),
        ],
        ..Record::default()
    }
}

/// A state directory that goes with the demo.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Result<Self, Failure> {
        let unique = format!("rowkeeper-demo-{:016x}", emulator::seed()?);
        let path = std::env::temp_dir().join(unique);
        fs::create_dir(&path).map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Left behind, it is a few hundred KiB in the temporary directory.
        _ = fs::remove_dir_all::<&Path>(&self.0);
    }
}
