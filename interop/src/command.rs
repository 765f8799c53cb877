//! The real `rowkeeper`, with a configuration and a state of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Running, sibling};
use crate::{Outcome, PATIENCE, ensure};

/// A device that runs the command.
pub(crate) struct Rowkeeper {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Rowkeeper {
    /// `provider` is the content of `[provider]`; the secret goes to a file beside it.
    pub(crate) fn new(provider: &str, secret: Option<&str>) -> Outcome<Self> {
        let folder = TempDir::new()?;
        let file = secret.map_or("", |_| "client_secret_file = \"secret\"\n");
        fs::write(folder.path().join("rowkeeper.toml"), format!("[provider]\n{provider}\n{file}"))?;
        if let Some(secret) = secret {
            fs::write(folder.path().join("secret"), secret)?;
        }
        fs::create_dir(folder.path().join("output"))?;
        Ok(Self { folder })
    }

    /// The same card in a second device.
    pub(crate) fn cloned(&self) -> Outcome<Self> {
        let folder = TempDir::new()?;
        for part in ["", "state", "output"] {
            let (from, to) = (self.folder.path().join(part), folder.path().join(part));
            fs::create_dir_all(&to)?;
            let files = fs::read_dir(from)?.flatten().map(|file| file.path()).filter(|path| path.is_file());
            for file in files.filter(|_| part != "output") {
                fs::copy(&file, to.join(file.file_name().unwrap_or_default()))?;
            }
        }
        Ok(Self { folder })
    }

    fn start(&self, arguments: &[&str]) -> Outcome<Running> {
        let mut command = Command::new(sibling("rowkeeper")?);
        let at = |name: &str| self.folder.path().join(name);
        command.arg("--config").arg(at("rowkeeper.toml")).arg("--state-dir").arg(at("state")).args(arguments);
        command.current_dir(self.folder.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROWKEEPER_")) {
            command.env_remove(name);
        }
        Running::start(&mut command, &at("output"))
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome<Ended> {
        ended(&mut self.start(arguments)?)
    }

    /// Signs in; `owner` gets the address and the code.
    pub(crate) fn sign_in(&self, owner: impl FnOnce(&str, &str) -> Outcome) -> Outcome<Ended> {
        let (mut running, uri, code) = self.show_code()?;
        owner(&uri, &code)?;
        ended(&mut running)
    }

    /// Begins to sign in and is killed while the code is shown, which is returned.
    pub(crate) fn sign_in_killed(&self) -> Outcome<String> {
        self.show_code().map(|(_, _, code)| code)
    }

    fn show_code(&self) -> Outcome<(Running, String, String)> {
        let mut running = self.start(&["--json", "sign-in"])?;
        let event: Value = running.wait_for_output(PATIENCE, |out| {
            let line = out.lines().next().filter(|_| out.contains('\n'))?;
            serde_json::from_str(line).ok()
        })?;
        ensure!(event["event"] == "code", "the first event is no code: {event}");
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        Ok((running, text("verification_uri"), text("user_code")))
    }

    /// Everything below the state directory, as text, to look for secrets and their absence.
    pub(crate) fn state(&self) -> String {
        let files = fs::read_dir(self.folder.path().join("state")).into_iter().flatten().flatten();
        files.map(|file| read(&file.path())).collect()
    }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn ended(running: &mut Running) -> Outcome<Ended> {
    let status = running.end(PATIENCE)?;
    Ok(Ended { code: status.code().unwrap_or(-1), out: running.output(), err: running.complaints() })
}

impl Ended {
    /// The output of a command that did what it should.
    pub(crate) fn done(self) -> Outcome<String> {
        if self.code == 0 { Ok(self.out) } else { Err(format!("{self:?}").into()) }
    }

    /// Checks that it ended with `code` and said `words` somewhere.
    pub(crate) fn with(self, code: i32, words: &str) -> Outcome {
        let said = self.code == code && (self.out.contains(words) || self.err.contains(words));
        if said { Ok(()) } else { Err(format!("wanted {code} with \"{words}\", got {self:?}").into()) }
    }
}
