//! What a process took: from the kernel when it ends, from `/proc` while it lives.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

/// A process, from its start to its end.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    pub wall: Duration,
    /// User and system time.
    pub processor: Duration,
    pub peak_bytes: u64,
}

impl Usage {
    /// One after the other.
    pub fn then(self, next: Self) -> Self {
        Self {
            wall: self.wall + next.wall,
            processor: self.processor + next.processor,
            peak_bytes: self.peak_bytes.max(next.peak_bytes),
        }
    }
}

/// Runs to the end; anything but success is an error with what it said.
///
/// By way of a small process of our own: Linux counts the memory of whoever starts a program as the program's peak.
pub fn run(command: &mut Command) -> Result<Usage> {
    let (said, used) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    let mut between = Command::new(std::env::current_exe()?);
    between.arg(BETWEEN).arg(used.path()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => between.env(name, value),
            None => between.env_remove(name),
        };
    }
    between.current_dir(command.get_current_dir().context("no folder to run in")?);
    let status = between.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.reopen()?).status()?;
    if !status.success() {
        let said = std::fs::read_to_string(said.path())?;
        // The last lines say what it was.
        let lines: Vec<&str> = said.trim().lines().collect();
        let said = lines[lines.len().saturating_sub(5)..].join(" / ");
        bail!("{} {}: {status}: {said}", command.get_program().display(), args(command));
    }
    Ok(serde_json::from_slice(&std::fs::read(used.path())?)?)
}

fn args(command: &Command) -> String {
    command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The first word of the command line of the process between.
pub const BETWEEN: &str = "--measured";

/// What that process does: `FILE PROGRAM ARGUMENTS…`.
pub fn between(mut words: impl Iterator<Item = String>) -> Result<i32> {
    let file = words.next().context("no file")?;
    let started = Instant::now();
    let child = Command::new(words.next().context("no program")?).args(words).spawn()?;
    let used = child.wait4()?;
    let wall = started.elapsed();
    let usage = Usage { wall, processor: used.rusage.utime + used.rusage.stime, peak_bytes: used.rusage.maxrss };
    std::fs::write(file, serde_json::to_vec(&usage)?)?;
    Ok(used.status.code().unwrap_or(1))
}

pub fn terminate(child: &Child) {
    if let Some(id) = rustix::process::Pid::from_raw(child.id() as i32) {
        _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

/// A living process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Living {
    pub resident_bytes: u64,
    pub peak_bytes: u64,
    /// Of the resident bytes those that are nobody else's and no file's: heap and stacks.
    pub private_bytes: u64,
    /// How often it gave up the processor by itself and was woken: what keeps a battery busy.
    pub wake_ups: u64,
    pub processor: Duration,
}

pub fn living(id: u32) -> Result<Living> {
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("the process is gone")?;
    let mut wake_ups = 0;
    for task in std::fs::read_dir(format!("/proc/{id}/task"))?.flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        wake_ups += field(&status, "voluntary_ctxt_switches:");
    }
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let after_name: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| after_name.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let hertz = rustix::param::clock_ticks_per_second().max(1);
    Ok(Living {
        resident_bytes: field(&status, "VmRSS:") * 1024,
        peak_bytes: field(&status, "VmHWM:") * 1024,
        private_bytes: field(&status, "RssAnon:") * 1024,
        wake_ups,
        processor: Duration::from_secs_f64((ticks(11) + ticks(12)) as f64 / hertz as f64),
    })
}

pub fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
