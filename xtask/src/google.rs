//! The emulator, for steps that need a Google.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::interop;

/// The emulator of this machine's own build.
pub(crate) struct Google {
    process: Child,
    pub(crate) url: String,
}

impl Google {
    /// Builds the program, and runs it as the emulator until this is dropped.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        crate::cargo(&["build", "--quiet", "--locked", "--package", "rowkeeper-cli", "--bin", "rowkeeper"], &[])?;
        let mut command = Command::new(rowkeeper()?);
        command.args(["emulator", "--listen", "127.0.0.1:0", "--approve-as", "maker@example.com"]);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("cannot start the emulator: {error}"))?;
        let mut line = String::new();
        let out = process.stdout.take().ok_or("no stdout")?;
        _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line);
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let mut google = Self { process, url: url.unwrap_or_default() };
        if google.url.is_empty() {
            _ = google.process.kill();
            return Err(format!("the emulator said \"{}\"", line.trim()));
        }
        Ok(google)
    }
}

/// The debug build.
pub(crate) fn rowkeeper() -> Result<PathBuf, String> {
    Ok(interop::target_folder()?.join("debug/rowkeeper"))
}

impl Drop for Google {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
