//! A device: a home directory, a state directory (maybe on a disk of ours) and the real command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Ran, Running, sibling};
use crate::{Outcome, ensure};

/// No command of these campaigns may take longer; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Device {
    home: TempDir,
    binary: PathBuf,
    state: PathBuf,
    google: String,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Device {
    /// A device whose provider and Sheets are at `google`, with its state in its home.
    pub(crate) fn new(google: &str) -> Outcome<Self> {
        let home = tempfile::tempdir()?;
        let state = home.path().join("state");
        Ok(Self { home, binary: sibling("rowkeeper")?, state, google: google.to_owned(), environment: Vec::new() })
    }

    /// The same with its state elsewhere.
    pub(crate) fn with_state(self, state: &Path) -> Self {
        Self { state: state.to_owned(), ..self }
    }

    /// All its commands see this variable.
    pub(crate) fn with(mut self, variable: &'static str, value: &Path) -> Self {
        self.environment.push((variable, value.to_owned()));
        self
    }

    /// A command that sees nothing of the machine that the campaign runs on.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.home.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home.path()).env("TZ", "UTC").env("ROWKEEPER_EMULATOR", &self.google);
        command
            .env("ROWKEEPER_STATE_DIR", &self.state)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Outcome<Running> {
        Running::start(self.command(arguments))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome<Ran> {
        self.start(arguments)?.end(PATIENCE)
    }

    /// Runs a command that must end with 0.
    pub(crate) fn must(&self, arguments: &[&str]) -> Outcome<Ran> {
        let ran = self.run(arguments)?;
        ensure!(ran.code == Some(0), "`rowkeeper {}` ended with {ran:?}", arguments.join(" "));
        Ok(ran)
    }

    pub(crate) fn status(&self) -> Outcome<Value> {
        let ran = self.must(&["status", "--json"])?;
        Ok(serde_json::from_str(&ran.out)?)
    }

    /// Sends everything that waits, however long that takes within reason.
    pub(crate) fn drain(&self) -> Outcome {
        let ran = self.start(&["deliver", "--for", "300s"])?.end(Duration::from_secs(360))?;
        ensure!(ran.code == Some(0), "`deliver` did not empty the queue: {ran:?}");
        let status = self.status()?;
        let queue = &status["queue"];
        ensure!(queue["waiting"] == 0 && queue["set_aside"] == 0, "the queue is not empty: {queue}");
        Ok(())
    }

    /// The rows of the sheet below its header, as text.
    pub(crate) fn rows(&self) -> Outcome<Vec<Vec<String>>> {
        let status = self.status()?;
        let Some(sheet) = status["sheet"]["spreadsheet_id"].as_str() else { return Ok(Vec::new()) };
        let url = format!("{}/v4/spreadsheets/{sheet}/values/records!A1:Z", self.google);
        let answer: Value = serde_json::from_str(&self.must(&["call", "GET", &url])?.out)?;
        let text = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
        let rows = answer["values"].as_array().into_iter().flatten();
        Ok(rows.map(|row| row.as_array().into_iter().flatten().map(text).collect()).collect())
    }
}
