//! The two binaries for a Raspberry Pi, built on a PC (docs/cross-building.md), and run under qemu-user: a sign-in, a
//! record and its delivery, against the emulator of this machine.
//!
//! A toolchain that has the target's standard library is used as it is. Else the library is built from its source, by
//! ours if that has `rust-src`, or by Debian's current Rust, as in `bare`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use serde_json::Value;

use crate::bare::{self, Rust};
use crate::google::Google;
use crate::{Outcome, Step, interop, run};

/// A kind of Pi.
struct Target {
    /// What it is called by.
    name: &'static str,
    triple: &'static str,
    boards: &'static str,
    /// GNU's name of the same, which its compiler begins with; `None`: zig compiles and links, with musl.
    gnu: Option<&'static str>,
    /// Debian's packages for it.
    packages: &'static [&'static str],
    /// And to run it.
    qemu: &'static [&'static str],
    /// Where the cross compiler's C library is, and its loader; `None` where a binary needs neither.
    libc: Option<(&'static str, &'static str)>,
}

/// The command as asked for.
pub(crate) fn command(names: &[String]) -> Step {
    let unknown = names.iter().find(|name| !TARGETS.iter().any(|target| target.name == *name));
    if let Some(name) = unknown {
        let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return Err(format!("no target \"{name}\"; there are {}", known.join(", ")));
    }
    let mut skipped = Vec::new();
    for target in TARGETS.iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name)) {
        println!("{} ({}): {}", target.name, target.boards, target.triple);
        match target.build(Purpose::Device)? {
            Ok(binaries) => {
                for binary in &binaries {
                    println!("{:>9} bytes  {}", size(binary)?, binary.display());
                }
                no_larger(&binaries[0], DEVICE_LIMIT)?;
                skipped.extend(target.try_out(&binaries)?);
            }
            Err(why) => skipped.push(format!("{}: {why}", target.name)),
        }
    }
    if skipped.is_empty() { Ok(Outcome::Done) } else { Ok(Outcome::Skipped(skipped)) }
}

/// The gate's share: `rowkeeper` for the 64-bit Pi, built as cheaply as can be, and tried out.
pub(crate) fn check() -> Step {
    let target = &TARGETS[0];
    let why = match target.build(Purpose::Trial)? {
        Ok(binaries) => {
            no_larger(&binaries[0], TRIAL_LIMIT)?;
            target.try_out(&binaries)?
        }
        Err(why) => Some(format!("nothing was built for {}: {why}", target.triple)),
    };
    Ok(why.map_or(Outcome::Done, |why| Outcome::Skipped(vec![why])))
}

const TARGETS: [Target; 3] = [
    Target {
        name: "aarch64",
        triple: "aarch64-unknown-linux-gnu",
        boards: "Pi 3, 4, 5, Zero 2 with a 64-bit system",
        gnu: Some("aarch64-linux-gnu"),
        packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        qemu: &["qemu-aarch64-static"],
        libc: Some(("/usr/aarch64-linux-gnu/lib", "ld-linux-aarch64.so.1")),
    },
    Target {
        name: "armv7",
        triple: "armv7-unknown-linux-gnueabihf",
        boards: "Pi 2, 3, 4 with a 32-bit system",
        gnu: Some("arm-linux-gnueabihf"),
        packages: &["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"],
        qemu: &["qemu-arm-static", "-cpu", "cortex-a7"],
        libc: Some(("/usr/arm-linux-gnueabihf/lib", "ld-linux-armhf.so.3")),
    },
    Target {
        // Debian's own compiler for 32-bit ARM makes ARMv7 code, which an ARMv6 processor does not know.
        name: "armv6",
        triple: "arm-unknown-linux-musleabihf",
        boards: "Pi 1, Zero, Zero W",
        gnu: None,
        packages: &[],
        qemu: &["qemu-arm-static", "-cpu", "arm1176"],
        libc: None,
    },
];

/// zig as a compiler and linker for other machines, and what makes cargo use it; from PyPI.
const ZIG: [&str; 2] = ["ziglang==0.17.1", "cargo-zigbuild==0.24.0"];

/// What `rowkeeper` for a device may have, in bytes: the design's promise.
const DEVICE_LIMIT: u64 = 5 << 20;
/// The same for the gate's quick build, which is not optimised, has no debugging symbols, and holds the C library: no
/// measure of the device's, but what makes one grow shows in the other. A tenth above what it was.
const TRIAL_LIMIT: u64 = 28_500_000;

fn size(binary: &Path) -> Result<u64, String> {
    fs::metadata(binary).map(|meta| meta.len()).map_err(|error| format!("{}: {error}", binary.display()))
}

fn no_larger(binary: &Path, limit: u64) -> Result<(), String> {
    let size = size(binary)?;
    match size > limit {
        true => Err(format!("{} has {size} bytes, and {limit} is the limit", binary.display())),
        false => Ok(()),
    }
}

/// What a build is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Small binaries, all of them.
    Device,
    /// `rowkeeper`, quickly.
    Trial,
}

/// Binaries, or why there are none.
type Built = Result<Vec<PathBuf>, String>;

impl Target {
    fn build(&self, purpose: Purpose) -> Result<Built, String> {
        let tools = match self.gnu {
            Some(gnu) if !bare::is_there(&format!("{gnu}-gcc")) => bare::install(self.packages),
            Some(_) => Ok(()),
            None => zig(),
        };
        if let Err(why) = tools {
            return Ok(Err(why));
        }
        let (rust, from_source) = match Rust::with_target(self.triple) {
            Some(rust) => (rust, false),
            None => match Rust::with_source() {
                Ok(rust) => (rust, true),
                Err(why) => return Ok(Err(why)),
            },
        };
        run(&mut self.cargo(&rust, from_source, purpose))?;
        let folder = folder().join(self.triple).join(purpose.profile());
        Ok(Ok(purpose.binaries().iter().map(|name| folder.join(name)).collect()))
    }

    fn cargo(&self, rust: &Rust, from_source: bool, purpose: Purpose) -> Command {
        let mut cargo = match self.gnu {
            Some(_) => Command::new(&rust.cargo),
            None => Command::new(venv().join("bin/cargo-zigbuild")),
        };
        cargo.arg(if self.gnu.is_some() { "build" } else { "zigbuild" });
        cargo.args(["--quiet", "--locked", "--no-default-features", "--profile", purpose.profile()]);
        cargo.args(["--target", self.triple, "--target-dir"]).arg(folder());
        purpose.binaries().iter().for_each(|name| _ = cargo.args(["--bin", name]));
        cargo.args(["--package", "rowkeeper-cli"]);
        if purpose == Purpose::Device {
            cargo.args(["--package", "rowkeeper-timeclock"]);
        }
        if from_source {
            // `-Z` on a stable compiler: the standard library may be built by the compiler it belongs to.
            cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        }
        cargo.env("CARGO", &rust.cargo).env("RUSTC", &rust.rustc);
        match self.gnu {
            Some(gnu) => {
                let (lower, gcc) = (self.triple.replace('-', "_"), format!("{gnu}-gcc"));
                cargo.env(format!("CARGO_TARGET_{}_LINKER", lower.to_uppercase()), &gcc);
                cargo.env(format!("CC_{lower}"), gcc);
                if purpose == Purpose::Trial {
                    // Runs without the other architecture's C library; a device wants the one it has.
                    cargo.env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
                }
            }
            None => {
                let path = env::var_os("PATH").unwrap_or_default();
                let folders = [venv().join("bin")].into_iter().chain(env::split_paths(&path));
                // PATH itself is a list that was joined once.
                cargo.env("PATH", env::join_paths(folders).unwrap_or(path));
                // The start files that come with Rust's own musl, which is not there.
                cargo.env("RUSTFLAGS", "-Clink-self-contained=no");
            }
        }
        cargo
    }

    /// A sign-in, a record and its delivery; then, if it was built, the clock's first minute. Why not, if they cannot be
    /// run here.
    fn try_out(&self, binaries: &[PathBuf]) -> Result<Option<String>, String> {
        let ([qemu, cpu @ ..], [binary, clock @ ..]) = (self.qemu, binaries) else {
            return Err("a target without an emulator, or without binaries".into());
        };
        if !bare::is_there(qemu)
            && let Err(why) = bare::install(&["qemu-user-static"])
        {
            return Ok(Some(format!("{} was built but not run: no {qemu}, {why}", self.triple)));
        }
        // A dynamic binary needs its C library. Where the machine has none for this processor, the cross compiler's does, by
        // its own loader: qemu's -L to the same folder makes threads hang.
        let mut loader: Vec<String> = Vec::new();
        let version = |loader: &[String]| {
            let mut command = Command::new("timeout");
            command.args(["--kill-after=10", "60"]).arg(qemu).args(cpu).args(loader).arg(binary).arg("--version");
            match command.output() {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        if let Err(why) = version(&loader) {
            let Some((folder, name)) = self.libc.filter(|_| why.contains("/lib/ld-")) else {
                return Err(format!("{} does not run under {qemu}: {why}", binary.display()));
            };
            loader = [format!("{folder}/{name}"), "--library-path".into(), folder.into()].into();
            if let Err(why) = version(&loader) {
                return Ok(Some(format!("{} was built but not run: its C library is not here ({why})", self.triple)));
            }
        }
        let google = Google::start(&folder())?;
        let state = folder().join("state");
        _ = fs::remove_dir_all(&state);
        let under_qemu = |binary: &Path, arguments: &[&str]| {
            let mut command = Command::new("timeout");
            // What hangs takes the signal to end tidily, and hangs on.
            command
                .args(["--kill-after=10", "120"])
                .arg(qemu)
                .args(cpu)
                .args(&loader)
                .arg(binary)
                .args(arguments)
                .stdin(Stdio::null());
            command.env("ROWKEEPER_EMULATOR", &google.url).env("ROWKEEPER_STATE_DIR", &state).current_dir(folder());
            command
        };
        let rowkeeper = |arguments: &[&str]| bare::output(&mut under_qemu(binary, arguments));
        rowkeeper(&["sign-in", "--panel", "none"])?;
        let id = rowkeeper(&["record", "board=pi", "temperature=21.5"])?;
        rowkeeper(&["deliver", "--for", "60s"])?;
        let status: Value = serde_json::from_str(&rowkeeper(&["status", "--json"])?).map_err(|why| why.to_string())?;
        let sheet = status["sheet"]["spreadsheet_id"].as_str().ok_or("nothing was delivered")?;
        let rows = rowkeeper(&["call", "GET", &format!("{}/v4/spreadsheets/{sheet}/values/records!A2:Z", google.url)])?;
        if status["queue"]["waiting"] != 0 || rows.matches(&id).count() != 1 {
            return Err(format!("the row {id} is not in the sheet once: {rows}"));
        }
        println!("{} under {qemu}: signed in, recorded, delivered", self.triple);
        for clock in clock {
            let help = bare::output(&mut under_qemu(clock, &["--help"]))?;
            if help.contains("--sim") {
                return Err(format!("{} offers a simulator that is not in it", clock.display()));
            }
            first_minute(under_qemu(clock, &[]), &state.with_file_name("clock"))?;
            println!("{} under {qemu}: the clock signed in and made its spreadsheet", self.triple);
        }
        Ok(None)
    }
}

/// A clock whose badge reader is not plugged in yet: signed in, with its spreadsheet made, and stopped as a service is.
fn first_minute(mut clock: Command, home: &Path) -> Result<(), String> {
    _ = fs::remove_dir_all(home);
    fs::create_dir_all(home).map_err(|error| format!("{}: {error}", home.display()))?;
    let config = home.join("rowkeeper.toml");
    let text = "[timeclock.reader]\ndevice = \"/nonexistent/reader\"\n";
    fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
    clock.args(["--panel", "none", "--config"]).arg(config).arg("--state-dir").arg(home.join("state"));
    let mut process =
        clock.stderr(Stdio::piped()).spawn().map_err(|error| format!("cannot start the clock: {error}"))?;
    let said = process.stderr.take().map(BufReader::new).ok_or("no stderr")?;
    let mut heard = String::new();
    for line in said.lines().map_while(Result::ok) {
        heard = heard + &line + "\n";
        if line.contains("the spreadsheet is there") {
            // `timeout` hands the signal on; the rest of what is said has nowhere to go, which is not its trouble.
            run(Command::new("kill").arg(process.id().to_string()))?;
            break;
        }
    }
    let status = process.wait().map_err(|error| error.to_string())?;
    if heard.contains("the spreadsheet is there") && status.success() {
        return Ok(());
    }
    Err(format!("the clock did not get to its spreadsheet, or did not end well ({status}): {heard}"))
}

impl Purpose {
    fn profile(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Trial => "trial",
        }
    }

    /// `rowkeeper` first.
    fn binaries(self) -> &'static [&'static str] {
        match self {
            Self::Device => &["rowkeeper", "timeclock"],
            Self::Trial => &["rowkeeper"],
        }
    }
}

fn folder() -> PathBuf {
    let target = interop::target_folder().unwrap_or_else(|_| "target".into());
    target.join("cross")
}

fn venv() -> PathBuf {
    folder().join("zig")
}

fn zig() -> Result<(), String> {
    if venv().join("bin/cargo-zigbuild").exists() {
        return Ok(());
    }
    bare::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv()))?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"];
    bare::output(Command::new(venv().join("bin/pip")).args(pip).args(ZIG)).map(drop)
}
