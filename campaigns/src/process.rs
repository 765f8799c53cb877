//! Processes that end, or are ended: each wait has a limit, and whatever was started is gone when its owner is.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;
use crate::heard::Heard;

const TICK: Duration = Duration::from_millis(5);

/// POSIX `PIPE_BUF`, on Linux: what is ready for writing takes this much whole.
const PIPE_BUF: usize = 4096;

/// Nothing takes so long that is not asked for by its length.
const LIMIT: Duration = Duration::from_secs(120);

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
        let clock = clock();
        while let Ok(None) = self.child.try_wait() {
            if clock() > LIMIT {
                // In the kernel, then, which waits for a disk of ours.
                let id = self.child.id();
                let at = std::fs::read_to_string(format!("/proc/{id}/wchan")).unwrap_or_default();
                eprintln!("{} (process {id}) does not die of kill -9: it sleeps in {at}", self.named);
                return;
            }
            thread::sleep(TICK);
        }
    }
}

/// Writes to a process that may be slow to read, or has ended: then the rest is not written, and this is false.
pub(crate) fn feed(input: &ChildStdin, text: &str) -> Outcome<bool> {
    let wait = Timespec::try_from(LIMIT)?;
    for part in text.as_bytes().chunks(PIPE_BUF) {
        let mut ready = [PollFd::new(input, PollFlags::OUT)];
        if poll(&mut ready, Some(&wait))? == 0 {
            return Err(format!("what it was told was not read for {LIMIT:?}").into());
        }
        if (&mut &*input).write_all(part).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Runs a command of the system to its end; anything but success is an error with its words.
pub(crate) fn system(program: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let ran = Running::start(command)?.end(LIMIT)?;
    if ran.code == Some(0) {
        return Ok(());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), ran.err.trim()).into())
}

/// A program that was built along with this one: `cargo build` puts them side by side.
pub(crate) fn sibling(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(format!("{} is not there; build it first", path.display()).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_is_told_no_more_and_who_reads_is_told_all() {
        let text = "so it goes\n".repeat(100_000);
        for (program, reads) in [("true", false), ("cat", true)] {
            let mut command = Command::new(program);
            command.stdin(Stdio::piped());
            let mut running = Running::start(command).unwrap();
            let input = running.stdin().unwrap();
            assert_eq!(feed(&input, &text).unwrap(), reads);
            drop(input);
            assert_eq!(running.end(Duration::from_secs(60)).unwrap().out == text, reads);
        }
    }

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
