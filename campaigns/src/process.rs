//! Processes that end, or are ended: each wait has a limit, and whatever was started is gone when its owner is.

use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;
use crate::heard::Heard;

const TICK: Duration = Duration::from_millis(5);

/// Time since this call.
#[expect(clippy::disallowed_methods, reason = "an edge; and this machine does not sleep in the middle of a campaign")]
pub(crate) fn clock() -> impl Fn() -> Duration + Copy + Send + Sync {
    let start = Instant::now();
    move || start.elapsed()
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None`: killed by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process in the background. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    named: String,
    out: Heard,
    err: Heard,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Outcome<Self> {
        let named = format!("{} {:?}", command.get_program().display(), command.get_args().collect::<Vec<_>>());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot start {named}: {error}"))?;
        let out = child.stdout.take().map(Heard::listen).unwrap_or_default();
        let err = child.stderr.take().map(Heard::listen).unwrap_or_default();
        Ok(Self { child, named, out, err })
    }

    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(crate) fn is_running(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for a line on stdout or stderr that `wanted` likes. Of a process that has ended meanwhile nothing is left to be
    /// heard afterwards.
    pub(crate) fn line(&mut self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Outcome<String> {
        let clock = clock();
        loop {
            let said = self.out.text() + &self.err.text();
            if let Some(line) = said.lines().find(|line| wanted(line)) {
                return Ok(line.to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                // Its last words may still be on their way to us.
                let said = std::mem::take(&mut self.out).all() + &std::mem::take(&mut self.err).all();
                let line = said.lines().find(|line| wanted(line)).map(str::to_owned);
                return line.ok_or_else(|| format!("{} ended early ({status}): {said}", self.named).into());
            }
            if clock() > limit {
                return Err(format!("{} kept us waiting for {limit:?}: {said}", self.named).into());
            }
            thread::sleep(TICK);
        }
    }

    /// SIGKILL, and gone when this returns; what it said until then.
    pub(crate) fn kill(mut self) -> Outcome<Ran> {
        self.child.kill()?;
        self.end(Duration::from_secs(60))
    }

    pub(crate) fn terminate(&self) -> Outcome {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// Waits for the end.
    pub(crate) fn end(mut self, limit: Duration) -> Outcome<Ran> {
        let clock = clock();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let (out, err) = (std::mem::take(&mut self.out).all(), std::mem::take(&mut self.err).all());
                return Ok(Ran { code: status.code(), out, err });
            }
            if clock() > limit {
                let said = self.out.text() + &self.err.text();
                return Err(format!("{} did not end within {limit:?}: {said}", self.named).into());
            }
            thread::sleep(TICK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs a command of the system to its end; anything but success is an error with its words.
pub(crate) fn system(program: &str, arguments: &[&str]) -> Outcome {
    let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let ran = ran.map_err(|error| format!("cannot run {program}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&ran.stderr).trim()).into())
}

/// A program that was built along with this one: `cargo build` puts them side by side.
pub(crate) fn sibling(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(format!("{} is not there; build it first", path.display()).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who says its last word and is gone was heard all the same. (It was taken for one that never said it.)
    #[test]
    fn the_last_word_of_a_process_is_heard() {
        for _ in 0..200 {
            let mut command = Command::new("echo");
            command.arg("done");
            let mut running = Running::start(command).unwrap();
            // Gone before anybody listens.
            running.child.wait().unwrap();
            assert_eq!(running.line(Duration::from_secs(60), |line| line == "done").unwrap(), "done");
        }
        let mut running = Running::start(Command::new("true")).unwrap();
        assert!(running.line(Duration::from_secs(60), |_| true).unwrap_err().to_string().contains("ended early"));
    }
}
