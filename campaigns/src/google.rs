//! Google on this machine: the `emulator` command as a process that can be killed and comes back with what it had
//! answered for.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Outcome;
use crate::process::{Running, sibling};

/// Nothing is asked of it that takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// The person with the phone.
pub(crate) const OWNER: &str = "maker@example.com";

pub(crate) struct Google {
    home: TempDir,
    binary: PathBuf,
    approving: bool,
    running: Option<Running>,
    pub(crate) url: String,
}

impl Google {
    /// On a free port, with every code approved.
    pub(crate) fn start() -> Outcome<Self> {
        Self::with(true)
    }

    /// On a free port, with an owner who waits to be told.
    pub(crate) fn without_owner() -> Outcome<Self> {
        Self::with(false)
    }

    fn with(approving: bool) -> Outcome<Self> {
        let (home, binary) = (tempfile::tempdir()?, sibling("rowkeeper")?);
        let mut google = Self { home, binary, approving, running: None, url: String::new() };
        google.listen("127.0.0.1:0")?;
        Ok(google)
    }

    /// kill -9, and up again at the same address.
    pub(crate) fn crash(&mut self) -> Outcome {
        let address = self.url.trim_start_matches("http://").to_owned();
        if let Some(running) = self.running.take() {
            running.kill()?;
        }
        self.listen(&address)
    }

    fn listen(&mut self, address: &str) -> Outcome {
        let mut command = Command::new(&self.binary);
        // What is on disk before each reply is what makes the counting at the end mean something.
        command.args(["emulator", "--listen", address, "--data", "google.json", "--writes-per-minute", "1000000"]);
        if self.approving {
            command.args(["--approve-as", OWNER]);
        }
        command.current_dir(self.home.path()).stdin(Stdio::null());
        let mut running = Running::start(command)?;
        let line = running.line(Duration::from_secs(30), |line| line.starts_with("listening on "))?;
        self.url = line.trim_start_matches("listening on ").to_owned();
        self.running = Some(running);
        Ok(())
    }

    /// Bad days from now on, until the next crash or `no_faults`.
    pub(crate) fn faults(&self, rules: &serde_json::Value) -> Outcome {
        self.control("faults", rules)
    }

    pub(crate) fn no_faults(&self) -> Outcome {
        let request = ureq::delete(format!("{}/_emulator/faults", self.url));
        request.config().timeout_global(Some(PATIENCE)).build().call()?;
        Ok(())
    }

    /// One of the emulator's own calls; see docs/emulator.md.
    pub(crate) fn control(&self, call: &str, body: &serde_json::Value) -> Outcome {
        let url = format!("{}/_emulator/{call}", self.url);
        let request = ureq::post(url).header("content-type", "application/json");
        request.config().timeout_global(Some(PATIENCE)).build().send(body.to_string().as_str())?;
        Ok(())
    }
}
