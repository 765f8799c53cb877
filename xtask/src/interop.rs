//! Servers that nobody here wrote, and the examples of `device-grant`: installs what they need and runs `interop`, the
//! crate that holds the cases (`interop/README.md`).
//!
//! What cannot be had (no network, no npm, no apt) is skipped with its reason. What was had and misbehaves is a failure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::Value;

use crate::{Outcome, Step, cargo, run};

/// Why a part cannot run here; `None` if it can.
type Missing = Result<Option<String>, String>;

/// The examples of `device-grant`, with the emulator as their provider.
pub(crate) fn drivers() -> Step {
    const MANIFEST: &str = "crates/device-grant/examples/async/Cargo.toml";
    build()?;
    let target = target_folder()?.join("async");
    let mut interop = interop("drivers")?;
    // Its 80 crates are in nobody else's lock file, so they may have to be downloaded.
    let missing = match said(Command::new(cargo_path()).args(["fetch", "--locked", "--manifest-path", MANIFEST])) {
        Said::Failed(why) if why.contains("--locked") => {
            return Err(format!("{MANIFEST}: update its lock file: {why}"));
        }
        Said::Failed(why) => Some(format!("the async example: its crates cannot be had: {}", last_line(&why))),
        Said::Words(_) | Said::Nothing => None,
    };
    if missing.is_none() {
        cargo(&["fmt", "--check", "--manifest-path", MANIFEST], &[])?;
        let folder = target.to_string_lossy().into_owned();
        cargo(
            &["build", "--quiet", "--offline", "--locked", "--manifest-path", MANIFEST, "--target-dir", &folder],
            &[],
        )?;
        interop.env("INTEROP_ASYNC_EXAMPLE", target.join("debug/async-reqwest"));
    }
    run(&mut interop)?;
    Ok(missing.map_or(Outcome::Done, |why| Outcome::Skipped(vec![why])))
}

/// A server, and what installs it.
type Server = (&'static str, fn() -> Missing);

const SERVERS: &[Server] = &[("oidc-provider", oidc_provider), ("glewlwyd", glewlwyd)];

/// Sign-ins with each server that can be had.
pub(crate) fn servers() -> Step {
    build()?;
    let (mut skipped, mut failed) = (Vec::new(), Vec::new());
    for (name, install) in SERVERS {
        println!("{name}:");
        match install() {
            Ok(None) => failed.extend(run(&mut interop(name)?).err()),
            Ok(Some(why)) => {
                println!("not here: {why}");
                skipped.push(format!("{name}: {why}"));
            }
            Err(why) => failed.push(format!("{name}: {why}")),
        }
    }
    match (failed.is_empty(), skipped.is_empty()) {
        (false, _) => Err(failed.join("\n")),
        (true, true) => Ok(Outcome::Done),
        (true, false) => Ok(Outcome::Skipped(skipped)),
    }
}

/// The cases, the command they drive and the examples.
fn build() -> Step {
    let packages = ["--package", "interop", "--package", "rowkeeper-cli", "--package", "device-grant"];
    let kinds = ["--bins", "--examples"];
    cargo(&[&["build", "--quiet", "--locked"][..], &packages, &kinds].concat(), &[])
}

/// Run as it was built: `cargo run` would build once more, and with other features.
fn interop(part: &str) -> Result<Command, String> {
    let mut command = Command::new(target_folder()?.join("debug/interop"));
    command.arg(part);
    Ok(command)
}

/// The cargo that runs us.
fn cargo_path() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--locked"];
    let output =
        Command::new(cargo_path()).args(arguments).output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    metadata["target_directory"].as_str().map(PathBuf::from).ok_or_else(|| "cargo metadata names no target".into())
}

/// From `package-lock.json`, without scripts of packages.
fn oidc_provider() -> Missing {
    let folder = Path::new("interop/oidc-provider");
    let Some(node) = said(Command::new("node").arg("--version")).heard() else {
        return Ok(Some("node is not installed".into()));
    };
    let major = node.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < 20 {
        return Ok(Some(format!("it needs node 20, this is {node}")));
    }
    // npm writes this file last.
    let age = |file: &str| fs::metadata(folder.join(file)).and_then(|about| about.modified());
    if let (Ok(locked), Ok(installed)) = (age("package-lock.json"), age("node_modules/.package-lock.json"))
        && installed >= locked
    {
        return Ok(None);
    }
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.args(["--fetch-timeout=20000", "--fetch-retries=1"]);
    match said(&mut npm) {
        Said::Nothing => Ok(Some("npm is not installed".into())),
        Said::Words(_) => Ok(None),
        Said::Failed(why) => match why.lines().find(|line| UNREACHABLE.iter().any(|sign| line.contains(sign))) {
            Some(line) => Ok(Some(format!("the npm registry cannot be reached: {line}"))),
            None => Err(format!("npm ci failed: {why}")),
        },
    }
}

/// How npm says that the network, and not the lock file, is at fault.
const UNREACHABLE: &[&str] = &[
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
    "code E403",
    "code E5",
];

/// The Debian packages that are not installed, downloaded by apt (which checks their signatures) and unpacked beside
/// their cases: no root, no service that starts by itself, nothing changed on the machine.
fn glewlwyd() -> Missing {
    const VERSION: &str = "2.7.5";
    let folder = Path::new("interop/glewlwyd");
    let (root, packages) = (folder.join("root"), folder.join("packages"));
    let runs = || {
        let libraries = fs::read_dir(root.join("usr/lib")).into_iter().flatten().flatten();
        let libraries: Vec<_> = libraries.map(|entry| entry.path().display().to_string()).collect();
        let mut command = Command::new(root.join("usr/bin/glewlwyd"));
        said(command.env("LD_LIBRARY_PATH", libraries.join(":")).arg("--version"))
    };
    if runs().heard().is_some_and(|version| version == VERSION) {
        return Ok(None);
    }
    let wanted = match wanted(VERSION) {
        Ok(wanted) => wanted,
        // Lists that were never fetched can be, as root.
        Err(_) if said(Command::new("id").arg("-u")).heard().as_deref() == Some("0") => {
            _ = said(Command::new("apt-get").args(PATIENCE).args(["update", "--quiet"]));
            match self::wanted(VERSION) {
                Ok(wanted) => wanted,
                Err(why) => return Ok(Some(why)),
            }
        }
        Err(why) => return Ok(Some(format!("{why}; `apt-get update` may help"))),
    };
    for folder in [&root, &packages] {
        // Leftovers of another version, if any.
        _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut download = Command::new("apt-get");
    download.current_dir(&packages).args(PATIENCE).args(["download", "--quiet"]).args(&wanted);
    if let Said::Failed(why) = said(&mut download) {
        return Ok(Some(format!("apt-get download: {}", last_line(&why))));
    }
    let files = fs::read_dir(&packages).map_err(|error| format!("{}: {error}", packages.display()))?;
    for package in files.flatten() {
        run(Command::new("dpkg-deb").arg("--extract").arg(package.path()).arg(&root))?;
    }
    match runs() {
        Said::Words(version) if version == VERSION => Ok(None),
        other => Err(format!("unpacked, but it does not run: {other:?}")),
    }
}

const PATIENCE: &[&str] =
    &["--option=Acquire::http::Timeout=20", "--option=Acquire::https::Timeout=20", "--option=Acquire::Retries=1"];

/// What apt would install for glewlwyd here, as `name=version`.
fn wanted(version: &str) -> Result<Vec<String>, String> {
    let mut apt = Command::new("apt-get");
    // One of its dependencies asks for a database server, unless this one is there.
    apt.args(["--simulate", "--no-install-recommends", "install", "dbconfig-no-thanks"]);
    let plan = match said(apt.arg(format!("glewlwyd={version}-*"))) {
        Said::Words(plan) => plan,
        Said::Nothing => return Err("apt-get is not installed".into()),
        Said::Failed(why) => return Err(format!("apt offers no glewlwyd {version}: {}", last_line(&why))),
    };
    // `Inst name (version origin)`; `Inst name [version] (…)` would replace what is installed, which is good enough.
    let fresh = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_once(" ("));
    let fresh = fresh.filter(|(name, _)| !name.contains(' '));
    Ok(fresh.map(|(name, rest)| format!("{name}={}", rest.split(' ').next().unwrap_or_default())).collect())
}

/// What a program had to say.
#[derive(Debug)]
enum Said {
    /// It is not there.
    Nothing,
    /// It succeeded.
    Words(String),
    /// It failed.
    Failed(String),
}

impl Said {
    fn heard(self) -> Option<String> {
        match self {
            Self::Words(words) => Some(words),
            Self::Nothing | Self::Failed(_) => None,
        }
    }
}

fn said(command: &mut Command) -> Said {
    // Messages in the language that is looked for here.
    let Ok(output) = command.env("LC_ALL", "C").stdin(Stdio::null()).output() else { return Said::Nothing };
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Said::Words(words(&output.stdout)) } else { Said::Failed(words(&output.stderr)) }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}
