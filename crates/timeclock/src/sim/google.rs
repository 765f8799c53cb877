//! The simulator's Google: the emulator in this process, or one that the person runs.

use std::path::{Path, PathBuf};

use google_emulator::{CellValue, EditError, Model, Options, Server, ServerOptions, StartError};

use crate::config::TIMESHEET;
use crate::roster::PEOPLE;

/// Who owns the sheet.
const OWNER: &str = "owner@example.com";

/// People for badges that nobody has a name for.
const NAMES: [&str; 6] = ["Anna", "Борис", "Chloé", "Δανάη", "Emre", "Frida"];

pub(super) enum Google {
    Ours { server: Option<Server>, address: String, listen: String, data: PathBuf },
    Theirs { address: String },
}

impl Google {
    /// The emulator of `$ROWKEEPER_EMULATOR`, or one of our own whose world is kept in `dir`.
    pub(super) fn start(dir: &Path) -> Result<Self, StartError> {
        if let Some(address) = std::env::var("ROWKEEPER_EMULATOR").ok().filter(|address| !address.is_empty()) {
            return Ok(Self::Theirs { address });
        }
        let data = dir.join("google.data");
        // The port of the last time where it is free: a gadget's state knows the address.
        let server = serve("127.0.0.1:0", &data)?;
        let (address, listen) = (server.url(), server.address().to_string());
        Ok(Self::Ours { server: Some(server), address, listen, data })
    }

    pub(super) fn address(&self) -> &str {
        match self {
            Self::Ours { address, .. } | Self::Theirs { address } => address,
        }
    }

    /// `None`: not ours to know.
    pub(super) fn is_up(&self) -> Option<bool> {
        match self {
            Self::Ours { server, .. } => Some(server.is_some()),
            Self::Theirs { .. } => None,
        }
    }

    /// Off, or on again with everything that was in it. What happened, in a line.
    pub(super) fn switch(&mut self) -> String {
        let Self::Ours { server, listen, data, .. } = self else {
            return "this emulator is yours: stop and start it where it runs".into();
        };
        match server.take() {
            Some(running) => {
                running.stop();
                "Google is gone; the clock goes on, and keeps what you punch".into()
            }
            None => match serve(listen, data) {
                Ok(started) => {
                    *server = Some(started);
                    "Google is back; what waits is sent".into()
                }
                Err(error) => format!("Google does not come back: {error}"),
            },
        }
    }

    /// The owner types the code that waits.
    pub(super) fn approve(&self) -> String {
        self.with(|model| match model.pending_codes().first() {
            Some(code) => match model.approve(&code.user_code, OWNER) {
                Ok(()) => format!("the owner typed {} and allowed it", code.user_code),
                Err(error) => format!("{error:?}"),
            },
            None => "no code waits".into(),
        })
    }

    /// The owner sorts the timesheet by project, the last letters first.
    pub(super) fn sort(&self) -> String {
        self.with(|model| {
            let sorted = sheet(model).and_then(|id| {
                let header = model.rows(&id, TIMESHEET).and_then(|rows| rows.into_iter().next()).unwrap_or_default();
                let project = CellValue::Text("project".into());
                let column = header.iter().position(|cell| *cell == project).ok_or(EditError::NoTab)?;
                model.sort(&id, TIMESHEET, 1, column, true)
            });
            match sorted {
                Ok(()) => "the owner sorted the sheet by project".into(),
                Err(error) => format!("nothing to sort: {error}"),
            }
        })
    }

    /// The owner writes a name for this badge into the tab of people.
    pub(super) fn name_badge(&self, badge: &str) -> String {
        if badge.is_empty() {
            return "hold up a badge first: type its number, then Enter".into();
        }
        self.with(|model| {
            let named = sheet(model).and_then(|id| {
                let rows = model.rows(&id, PEOPLE).ok_or(EditError::NoTab)?;
                let is_blank = |row: &&Vec<CellValue>| row.first().is_none_or(|cell| matches!(cell, CellValue::Empty));
                let people = rows.iter().skip(1).take_while(|row| !is_blank(row)).count();
                let name = NAMES[people % NAMES.len()];
                model.type_in(&id, PEOPLE, people + 1, 0, name)?;
                // With an apostrophe, as one types a number that is to stay as it is.
                model.type_in(&id, PEOPLE, people + 1, 1, &format!("'{badge}"))?;
                Ok(name)
            });
            match named {
                Ok(name) => {
                    format!("the owner wrote into People: {name}, badge {badge}; the clock reads it in seconds")
                }
                Err(error) => format!("nothing to write in: {error}"),
            }
        })
    }

    fn with(&self, deed: impl FnOnce(&mut Model) -> String) -> String {
        match self {
            Self::Ours { server: Some(server), .. } => server.with_model(deed),
            Self::Ours { .. } => "Google is off; g switches it on".into(),
            Self::Theirs { address } => format!("do that in a browser: {address}"),
        }
    }
}

fn serve(listen: &str, data: &Path) -> Result<Server, StartError> {
    let model = Options { seed: rowkeeper::random_u64().unwrap_or(1), ..Options::default() };
    Server::start(listen, ServerOptions { model, data: Some(data.to_owned()), ..ServerOptions::default() })
}

/// The spreadsheet of the clock: the last one made.
fn sheet(model: &Model) -> Result<String, EditError> {
    model.spreadsheet_ids().pop().ok_or(EditError::NoSpreadsheet)
}
