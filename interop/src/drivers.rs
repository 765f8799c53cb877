//! The examples of `device-grant`, each as a program with the emulator as its provider.

use std::process::Command;

use tempfile::TempDir;

use crate::process::{Running, sibling};
use crate::{Case, Outcome, PATIENCE, all, ensure};

const CASES: &[Case<Emulator>] = &[
    ("blocking, with ureq", |emulator| emulator.signs_in("examples/blocking", &emulator.url)),
    ("a microcontroller's loop", |emulator| {
        emulator.signs_in("examples/microcontroller", emulator.url.trim_start_matches("http://"))
    }),
    ("async, with reqwest", |emulator| match std::env::var_os(ASYNC) {
        Some(path) => emulator.signs_in(&path.to_string_lossy(), &emulator.url),
        None => {
            println!("        not built: {ASYNC} is not set");
            Ok(())
        }
    }),
];

/// Where the async example is: it has a workspace of its own.
const ASYNC: &str = "INTEROP_ASYNC_EXAMPLE";

struct Emulator {
    url: String,
    folder: TempDir,
}

pub(crate) fn run() -> Outcome {
    let folder = TempDir::new()?;
    let mut command = Command::new(sibling("rowkeeper")?);
    command.args(["emulator", "--listen", "127.0.0.1:0", "--approve-as", "owner@example.com"]);
    let mut running = Running::start(&mut command, folder.path())?;
    let listening = |out: &str| out.lines().find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
    let url = running.wait_for_output(PATIENCE, listening)?;
    let emulator = Emulator { url, folder };
    all(CASES, |case| case(&emulator))
}

impl Emulator {
    fn signs_in(&self, program: &str, provider: &str) -> Outcome {
        let folder = self.folder.path().join(program.rsplit('/').next().unwrap_or(program));
        std::fs::create_dir(&folder)?;
        let mut command = Command::new(sibling(program)?);
        command.args([provider, "emulator-client", "emulator-secret"]);
        let mut running = Running::start(&mut command, &folder)?;
        let status = running.end(PATIENCE)?;
        ensure!(status.success(), "{status}: {}", running.complaints());
        let said = running.output();
        let lines: Vec<&str> = said.lines().collect();
        let [shown, signed_in] = lines[..] else { return Err(format!("it said {said:?}").into()) };
        let (address, code) = shown.split_once(" and type ").unwrap_or_default();
        ensure!(address == format!("open {}/device", self.url) && code.len() == 9, "it showed {shown:?}");
        let wanted = "signed in, scopes: https://www.googleapis.com/auth/drive.file, refresh token: true";
        ensure!(signed_in == wanted, "it ended with {signed_in:?}");
        Ok(())
    }
}
