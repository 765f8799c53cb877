//! Who takes part, and how each is set up and started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::emulator::{Emulator, Setup};
use crate::meter::{self, Usage};
use crate::relay::Relay;

/// What `cargo xtask bench` built and installed; or why it could not.
pub struct Tools {
    /// The release build, which is the emulator too.
    pub rowkeeper: PathBuf,
    /// Where the peers in Rust are.
    pub peers: PathBuf,
    pub python: Result<PathBuf, String>,
    /// The folder of `node_modules`.
    pub node: Result<PathBuf, String>,
    /// For everything that a run leaves behind; on the disk that is measured.
    pub scratch: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contestant {
    pub name: &'static str,
    pub program: Program,
    /// Its library knows the device flow.
    pub device_flow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Rowkeeper,
    Rust(&'static str),
    Python(&'static str),
    Node(&'static str),
}

pub const ROWKEEPER: Contestant = Contestant { name: "Rowkeeper", program: Program::Rowkeeper, device_flow: true };
pub const YUP: Contestant =
    Contestant { name: "yup-oauth2 + google-sheets4", program: Program::Rust("peer-yup-sheets4"), device_flow: true };
pub const OAUTH2: Contestant =
    Contestant { name: "oauth2 + own append", program: Program::Rust("peer-oauth2-append"), device_flow: true };
pub const GOOGLE_API: Contestant =
    Contestant { name: "google-api-python-client", program: Program::Python("google_api.py"), device_flow: false };
pub const GSPREAD: Contestant =
    Contestant { name: "gspread", program: Program::Python("gspread_rows.py"), device_flow: false };
pub const ANCESTOR: Contestant =
    Contestant { name: "the ancestor's way", program: Program::Python("ancestor.py"), device_flow: true };
pub const GOOGLEAPIS: Contestant =
    Contestant { name: "npm googleapis", program: Program::Node("googleapis.mjs"), device_flow: false };

pub const ALL: [Contestant; 7] = [ROWKEEPER, YUP, OAUTH2, GOOGLE_API, GSPREAD, GOOGLEAPIS, ANCESTOR];

impl Contestant {
    pub fn is_ours(&self) -> bool {
        self.program == Program::Rowkeeper
    }

    /// Why it cannot take part on this machine.
    pub fn absent(&self, tools: &Tools) -> Option<String> {
        match self.program {
            Program::Python(_) => tools.python.as_ref().err().cloned(),
            Program::Node(_) => tools.node.as_ref().err().cloned(),
            Program::Rowkeeper | Program::Rust(_) => None,
        }
    }

    /// Where it keeps its tokens.
    fn token_files(&self) -> &'static [&'static str] {
        match self.program {
            Program::Rowkeeper => &["state/grant.json", "state/grant.json.previous"],
            Program::Rust("peer-yup-sheets4") => &["tokencache.json"],
            _ => &["token.json"],
        }
    }
}

/// Those that can run here; for the others a line that says why not.
pub fn present(tools: &Tools, among: &[Contestant]) -> (Vec<Contestant>, Vec<String>) {
    let (mut here, mut notes) = (Vec::new(), Vec::new());
    for contestant in among {
        match contestant.absent(tools) {
            None => here.push(*contestant),
            Some(why) => notes.push(format!("{}: not run: {why}", contestant.name)),
        }
    }
    (here, notes)
}

/// How a device is found when the contest begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Valid,
    Expired,
    /// Nobody has signed in.
    None,
}

/// One contestant with its own emulator, its own line to it and its own folder.
pub struct Stage<'t> {
    pub contestant: Contestant,
    pub emulator: Emulator,
    pub relay: Relay,
    pub folder: PathBuf,
    url: String,
    sheet: String,
    tools: &'t Tools,
}

impl<'t> Stage<'t> {
    pub fn set(
        tools: &'t Tools,
        contestant: Contestant,
        setup: Setup,
        round_trip: Duration,
        token: Token,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("stage-").tempdir_in(&tools.scratch)?.keep();
        let emulator = Emulator::start(&tools.rowkeeper, &folder, setup)?;
        let relay = Relay::start(emulator.address(), round_trip)?;
        let url = format!("{}://{}", emulator.scheme(), relay.address());
        let mut stage = Self { contestant, emulator, relay, folder, url, sheet: String::new(), tools };
        fs::create_dir(stage.folder.join("state"))?;
        if !contestant.is_ours() {
            let tokens = stage.emulator.sign_in()?;
            stage.sheet = stage.emulator.make_sheet(tokens["access_token"].as_str().context("no token")?)?;
        }
        if token != Token::None {
            let lifetime = if token == Token::Expired { 1 } else { 3599 };
            stage.emulator.set_client(lifetime, 1)?;
            stage.sign_in()?;
            // Dead for the emulator too.
            stage.emulator.advance(Duration::from_secs(if token == Token::Expired { 2 } else { 0 }))?;
        }
        stage.emulator.set_client(3599, 5)?;
        for name in contestant.token_files() {
            _ = fs::copy(stage.folder.join(name), stage.kept(name));
        }
        Ok(stage)
    }

    /// By the contestant's own device flow, or, where its library has none, as its owner would: a file with tokens.
    pub fn sign_in(&self) -> Result<()> {
        match self.contestant.program {
            Program::Rowkeeper | Program::Rust("peer-yup-sheets4") => {
                // yup-oauth2 believes its file until the token's end; a person who knows better removes it.
                _ = fs::remove_file(self.folder.join("tokencache.json"));
                self.finish(&["sign-in"]).map(drop)?;
            }
            _ => {
                let tokens = self.emulator.sign_in()?;
                let expires_at = meter::unix_now() + tokens["expires_in"].as_f64().unwrap_or(0.0);
                let file = json!({
                    "token": tokens["access_token"], "refresh_token": tokens["refresh_token"],
                    "client_id": "emulator-client", "client_secret": "emulator-secret",
                    "token_uri": format!("{}/token", self.url), "type": "authorized_user",
                    "scopes": ["https://www.googleapis.com/auth/drive.file"],
                    "expires_at": expires_at as u64, "expiry": jiff::Timestamp::from_second(expires_at as i64)?.to_string(),
                });
                fs::write(self.folder.join("token.json"), file.to_string())?;
            }
        }
        Ok(())
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.folder.join(name.replace('/', "-") + ".kept")
    }

    /// The tokens of the beginning, as if none had been refreshed since.
    pub fn restore_tokens(&self) -> Result<()> {
        for name in self.contestant.token_files() {
            if self.kept(name).exists() {
                fs::copy(self.kept(name), self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// The contestant's program with these words; in its folder, against its relay.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = match self.contestant.program {
            Program::Rowkeeper => Command::new(&self.tools.rowkeeper),
            Program::Rust(name) => Command::new(self.tools.peers.join(name)),
            Program::Python(file) => {
                let mut command =
                    Command::new(self.tools.python.as_ref().map_or(Path::new("python3"), PathBuf::as_path));
                command.arg(source("python").join(file));
                command
            }
            Program::Node(file) => {
                let mut command = Command::new("node");
                command.arg(source("node").join(file));
                command
            }
        };
        command.args(words).current_dir(&self.folder);
        command.env("HOME", &self.folder).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command.env("URL", &self.url).env("SHEET", &self.sheet);
        command.env("ROWKEEPER_EMULATOR", &self.url).env("ROWKEEPER_STATE_DIR", self.folder.join("state"));
        command.env("PYTHONDONTWRITEBYTECODE", "0");
        if let Ok(modules) = &self.tools.node {
            command.env("MODULES", modules);
        }
        if let Some(file) = &self.emulator.certificate {
            for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPLIB2_CA_CERTS", "NODE_EXTRA_CA_CERTS"] {
                command.env(name, file);
            }
        }
        command
    }

    /// Runs the contestant's program to its end.
    pub fn finish(&self, words: &[&str]) -> Result<Usage> {
        meter::run(&mut self.command(words)).with_context(|| self.contestant.name)
    }

    /// The same with its output, for short answers.
    pub fn ask(&self, words: &[&str]) -> Result<Value> {
        let output = self.command(words).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| anyhow!("{words:?}: {error}"))
    }

    /// Rows that Rowkeeper still holds.
    pub fn waiting(&self) -> Result<u64> {
        self.ask(&["status", "--json"])?["queue"]["waiting"].as_u64().context("no queue in the status")
    }

    /// The reads and writes of a minute are free again.
    pub fn next_minute(&self) -> Result<()> {
        self.emulator.advance(Duration::from_secs(61))
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}

fn source(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(language)
}
