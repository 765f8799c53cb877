//! `device-grant` and `sheet-courier` on bare metal: built for two targets, and a whole sign-in run on an emulated
//! Cortex-M3 (`firmware/`), which prints its size and its need of memory.
//!
//! Bare metal needs `core` and `alloc` built from source. A toolchain with the `rust-src` component will do; without
//! one, Debian's current Rust is installed where that is possible.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{Outcome, Step, run};

const FIRMWARE: &str = "firmware/Cargo.toml";
/// A Cortex-M3, as `firmware/` runs on; and the ESP32-C3's, which has no atomic swap: `sheet-courier` needs one, for its
/// `Arc`s.
const CORTEX_M3: &str = "thumbv7m-none-eabi";
const RISCV: &str = "riscv32imc-unknown-none-elf";
/// Debian's packages: a current Rust under these names, with its source. The revision behind the version may move on.
const RUST: &[&str] = &["rustc-web=1.96.*", "cargo-web=1.96.*", "rust-web-src=1.96.*"];
const QEMU: &[&str] = &["qemu-system-arm=1:7.2*"];
/// `rust-version` of the workspace.
const OLDEST_MINOR: u32 = 95;
/// A run takes well below a second.
const PATIENCE: &str = "60";

pub(crate) fn check() -> Step {
    crate::cargo(&["fmt", "--manifest-path", FIRMWARE, "--check"], &[])?;
    let rust = match Rust::with_source() {
        Ok(rust) => rust,
        Err(why) => return Ok(Outcome::Skipped(vec![format!("nothing was built for bare metal: {why}")])),
    };
    println!("{} for {RISCV} and {CORTEX_M3}", rust.version);
    run(rust.cargo(RISCV).args(["--package", "device-grant"]))?;
    let Some(lld) = lld() else {
        return Ok(Outcome::Skipped(vec!["nothing was built for the Cortex-M3: the toolchain has no rust-lld".into()]));
    };
    // In one call: cargo builds dependencies anew when they are wanted for a library now and for fat LTO then.
    run(rust
        .cargo(CORTEX_M3)
        .args(["--release", "--package", "firmware", "--package", "sheet-courier"])
        .env("CARGO_TARGET_THUMBV7M_NONE_EABI_LINKER", lld))?;
    if !is_there("qemu-system-arm")
        && let Err(why) = install(QEMU)
    {
        return Ok(Outcome::Skipped(vec![format!("the firmware was built but not run: no qemu-system-arm, {why}")]));
    }
    let machine = ["qemu-system-arm", "-cpu", "cortex-m3", "-machine", "lm3s6965evb", "-nographic"];
    let console = ["-semihosting-config", "enable=on,target=native", "-kernel"];
    let firmware = target_dir().join(CORTEX_M3).join("release/firmware");
    run(Command::new("timeout").args(["--kill-after=10", PATIENCE]).args(machine).args(console).arg(firmware))
}

/// A toolchain that can build the standard library.
pub(crate) struct Rust {
    version: String,
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
}

impl Rust {
    /// The one that runs us, else Debian's, which is installed if need be.
    pub(crate) fn with_source() -> Result<Self, String> {
        let ours = env::var_os("CARGO").map(|cargo| Self::of(cargo.into(), "rustc".into()));
        if let Some(Ok(rust)) = ours {
            return Ok(rust);
        }
        let debian = || Self::of("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
        debian().or_else(|why| {
            println!("installing a toolchain with the source of the standard library: {why}");
            install(RUST).and_then(|()| debian())
        })
    }

    /// Ours or Debian's, where it has this target's standard library.
    pub(crate) fn with_target(triple: &str) -> Option<Self> {
        let ours = (env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from), "rustc".into());
        let debian = ("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
        [ours, debian].into_iter().find_map(|(cargo, rustc): (PathBuf, PathBuf)| {
            let version = Self::version(&rustc).ok()?;
            let sysroot = output(Command::new(&rustc).args(["--print", "sysroot"])).ok()?;
            let library = Path::new(&sysroot).join("lib/rustlib").join(triple).join("lib");
            library.exists().then_some(Self { version, cargo, rustc })
        })
    }

    fn version(rustc: &Path) -> Result<String, String> {
        let version = output(Command::new(rustc).arg("--version"))?;
        let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        if minor.is_none_or(|minor| minor < OLDEST_MINOR) {
            return Err(format!("{} is {version}, not 1.{OLDEST_MINOR} or newer", rustc.display()));
        }
        Ok(version)
    }

    fn of(cargo: PathBuf, rustc: PathBuf) -> Result<Self, String> {
        let version = Self::version(&rustc)?;
        let source = Path::new(&output(Command::new(&rustc).args(["--print", "sysroot"]))?)
            .join("lib/rustlib/src/rust/library/Cargo.lock");
        if !source.exists() {
            return Err(format!("{} has no rust-src", rustc.display()));
        }
        Ok(Self { version, cargo, rustc })
    }

    /// `cargo build` in the firmware's workspace, which has both crates.
    fn cargo(&self, target: &str) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.args(["build", "--quiet", "--locked", "--manifest-path", FIRMWARE, "-Zbuild-std=core,alloc"]);
        cargo.args(["--target", target, "--target-dir"]).arg(target_dir());
        // `-Z` on a stable compiler: the standard library may be built by the compiler it belongs to.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", &self.rustc);
        cargo
    }
}

fn target_dir() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("bare")
}

/// The linker that comes with rustup's toolchains; Debian's has none for bare metal.
fn lld() -> Option<PathBuf> {
    let targets = Path::new(&output(Command::new("rustc").args(["--print", "sysroot"])).ok()?).join("lib/rustlib");
    let hosts = fs::read_dir(targets).ok()?.filter_map(Result::ok);
    hosts.map(|host| host.path().join("bin/rust-lld")).find(|lld| lld.exists())
}

pub(crate) fn is_there(program: &str) -> bool {
    output(Command::new(program).arg("--version")).is_ok()
}

pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{command:?} failed")) }
}

/// Installs Debian packages as pinned; any version, said aloud, where those are gone from the archive.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let named = packages.join(" ");
    if output(Command::new("id").arg("-u"))? != "0" {
        return Err(format!("`apt-get install {named}` needs root"));
    }
    let apt = |what: &[&str]| {
        let options = ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
        output(Command::new("apt-get").args(options).args(what).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let pinned = [&["install"], packages].concat();
    // An archive that cannot be reached shows in the installation.
    let _ = apt(&["update"]);
    if apt(&pinned).is_err() {
        let any: Vec<&str> = pinned.iter().filter_map(|package| package.split('=').next()).collect();
        println!("not to be had: {named}; trying any version");
        apt(&any).map_err(|_| format!("`apt-get install {named}` failed"))?;
    }
    Ok(())
}
