//! The campaigns (`campaigns/`): real processes killed, real disks filled and failing, power cut. Short forms in the gate,
//! long ones by number.
//!
//! Disks of our own need root, FUSE and loop devices; without them those parts are skipped. They are mounted in a
//! namespace of their own, which takes them along when it ends, however it ends.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Outcome, Step, cargo, interop, run};

const SECONDS: &str = "15";
const CUTS: &str = "6";

/// The gate's share of `kills`.
pub(crate) fn short_kills() -> Step {
    kills(SECONDS, None)
}

pub(crate) fn kills(seconds: &str, seed: Option<&str>) -> Step {
    build()?;
    run(campaigns()?.args(["kills", seconds]).args(seed))
}

/// The gate's share of `power`: some cuts, and for each kind of file that it is noticed when nobody syncs it.
pub(crate) fn short_power() -> Step {
    with_disks(|| {
        run(mounting()?.args(["power", CUTS]))?;
        controls()
    })
}

pub(crate) fn power(cuts: &str, seed: Option<&str>) -> Step {
    with_disks(|| {
        run(mounting()?.args(["power", cuts]).args(seed))?;
        controls()
    })
}

/// A campaign that cannot fail proves nothing.
fn controls() -> Step {
    for part in ["grant.json", "state/outbox", "outbox.sqlite-wal"] {
        run(mounting()?.args(["power", CUTS, "1", "--without-sync", part]))?;
    }
    Ok(Outcome::Done)
}

/// Disks that are full, fail, or turn read-only.
pub(crate) fn disk() -> Step {
    with_disks(|| run(mounting()?.arg("disk")))
}

fn with_disks(campaign: impl FnOnce() -> Step) -> Step {
    match missing() {
        Some(why) => Ok(Outcome::Skipped(vec![format!("no disk was harmed: {why}")])),
        None => build().and_then(|_| campaign()),
    }
}

fn missing() -> Option<String> {
    let devices = ["/dev/fuse", "/dev/loop-control"].into_iter().find(|device| !Path::new(device).exists());
    if let Some(device) = devices {
        return Some(format!("this machine has no {device}"));
    }
    let works = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !works("unshare", &["--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]) {
        return Some("only root may mount".into());
    }
    if !works("mkfs.ext4", &["-V"]) {
        return Some("there is no mkfs.ext4 (Debian: e2fsprogs)".into());
    }
    None
}

fn build() -> Step {
    cargo(&["build", "--quiet", "--locked", "--package", "campaigns", "--package", "rowkeeper-cli", "--bins"], &[])
}

fn campaigns() -> Result<Command, String> {
    Ok(Command::new(interop::target_folder()?.join("debug/campaigns")))
}

fn mounting() -> Result<Command, String> {
    let mut command = Command::new("unshare");
    command.arg("--mount").arg(campaigns()?.get_program());
    Ok(command)
}
