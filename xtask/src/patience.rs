//! A step that never ends must not take the whole gate, and what it was doing, with it.

use std::collections::BTreeMap;
use std::process::{self, Command};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{fs, thread};

use crate::Step;

/// The longest step, all built from nothing, takes a third of this on two busy cores.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// A step whose processes are gone ends by itself, unless somebody outside the tree holds its pipes, or one of them
/// sleeps in the kernel and cannot be killed.
const THEN: Duration = Duration::from_secs(60);

/// Runs a step. When it takes too long, says what its processes were doing and kills them, so that it fails by itself.
pub(crate) fn run(name: &'static str, step: fn() -> Step) -> Step {
    let (done, is_done) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        eprintln!("xtask: {name} did not end within {} min; its processes:", PATIENCE.as_secs() / 60);
        end_descendants();
        if is_done.recv_timeout(THEN) == Err(RecvTimeoutError::Timeout) {
            eprintln!("xtask: {name} goes on though its processes were killed; what is left of them:");
            end_descendants();
            process::exit(1);
        }
    });
    let outcome = step();
    drop(done);
    _ = watch.join();
    outcome
}

/// Prints and kills all processes that descend from this one. Without `/proc` there are none to be found.
fn end_descendants() {
    let parents: BTreeMap<u32, u32> =
        fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(parent).collect();
    let mut found = vec![process::id()];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(child, _)| *child));
        at += 1;
    }
    let pids: Vec<String> = found[1..].iter().map(u32::to_string).collect();
    if pids.is_empty() {
        return;
    }
    _ = Command::new("ps").args(["-o", "pid,ppid,etime,stat,wchan:24,args", "--pid", &pids.join(",")]).status();
    _ = Command::new("kill").arg("-9").args(&pids).status();
}

/// A process and its parent, from `/proc/PID/stat`: `PID (NAME) STATE PARENT …`, where the name may hold anything.
fn parent(entry: fs::DirEntry) -> Option<(u32, u32)> {
    let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
    let (pid, rest) = (stat.split_once(' ')?.0, stat.rsplit_once(')')?.1);
    Some((pid.parse().ok()?, rest.split_whitespace().nth(1)?.parse().ok()?))
}
