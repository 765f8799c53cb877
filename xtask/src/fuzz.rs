//! The fuzz targets of `fuzz/`: a few seconds each in the gate, as long as wanted by command.
//!
//! libFuzzer on a stable compiler: the counters it is guided by are LLVM's, and `-Cpasses` turns them on. Only what
//! AddressSanitizer would add needs nightly, and there is no unsafe code to find anything in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{Outcome, Step, run};

const MANIFEST: &str = "fuzz/Cargo.toml";
const CORPUS: &str = "fuzz/corpus";
const ARTIFACTS: &str = "fuzz/artifacts";
/// So many inputs for each target in the gate. Not seconds: a faster machine would try others than the one before.
const GATE: &str = "-runs=10000";
/// Each input of these opens databases.
const GATE_SLOW: (&[&str], &str) = (&["lines"], "-runs=500");
/// So long for each target by command, if nothing else is said.
const LONG_S: &str = "60";
/// What cargo-fuzz turns on, without a sanitizer.
const COUNTERS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The gate: always the same mutations, so that red means that the change is to blame.
pub(crate) fn check() -> Step {
    crate::cargo(&["fmt", "--manifest-path", MANIFEST, "--check"], &[])?;
    match build() {
        Ok(engine) => {
            all(&engine, &|name| if GATE_SLOW.0.contains(&name) { GATE_SLOW.1 } else { GATE }, Some("-seed=1"))
        }
        Err(why) => {
            println!("running the corpus alone: {why}");
            let target = target_dir();
            let target = target.to_string_lossy();
            crate::cargo(&["test", "--manifest-path", MANIFEST, "--locked", "--target-dir", &target], &[])?;
            Ok(Outcome::Skipped(vec![format!("nothing was mutated, only the corpus was run: {why}")]))
        }
    }
}

/// By command: `fuzz [SECONDS]` for all targets, `fuzz FILE` for one input again.
pub(crate) fn command(argument: Option<&str>) -> Step {
    let engine = build()?;
    match argument {
        Some(file) if Path::new(file).is_file() => {
            let folder = Path::new(file).parent().and_then(Path::file_name);
            let name = folder.ok_or_else(|| format!("{file} is in no target's folder"))?;
            run(Command::new(engine).env("FUZZ_TARGET", name).arg(file))
        }
        Some(seconds) if seconds.parse::<u32>().is_err() => Err(format!("{seconds} is neither seconds nor a file")),
        seconds => {
            let limit = format!("-max_total_time={}", seconds.unwrap_or(LONG_S));
            all(&engine, &|_| &limit, None)
        }
    }
}

/// The engine with all targets in it.
fn build() -> Result<PathBuf, String> {
    let version = Command::new("rustc").arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let target = target_dir();
    // `--target` keeps the counters out of build scripts.
    let what = ["build", "--quiet", "--release", "--locked", "--manifest-path", MANIFEST, "--features", "libfuzzer"];
    let to = ["--target", host, "--target-dir", &target.to_string_lossy()];
    crate::cargo(&[&what[..], &to].concat(), &[("RUSTFLAGS", COUNTERS)])
        .map_err(|_| "libFuzzer could not be built; it needs g++".to_owned())?;
    Ok(target.join(host).join("release/fuzz"))
}

fn all<'a>(engine: &Path, limit: &dyn Fn(&str) -> &'a str, seed: Option<&str>) -> Step {
    let mut failed = Vec::new();
    for name in targets()? {
        if let Err(what) = one(engine, &name, limit(&name), seed) {
            eprintln!("{what}");
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(Outcome::Done) } else { Err(format!("a promise is broken: {}", failed.join(", "))) }
}

/// The folders of the corpus; the engine sees to it that there is one for each target.
fn targets() -> Result<Vec<String>, String> {
    let folders = fs::read_dir(CORPUS).map_err(|error| format!("{CORPUS}: {error}"))?;
    let mut names: Vec<String> = folders.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn one(engine: &Path, name: &str, limit: &str, seed: Option<&str>) -> Result<(), String> {
    // What is found goes beside the build; only what a person wrote is in the tree.
    let found = target_dir().join("found").join(name);
    let artifacts = Path::new(ARTIFACTS).join(name);
    if seed.is_some() {
        let _ = fs::remove_dir_all(&found); // may not be there yet
    }
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let output = Command::new(engine)
        .env("FUZZ_TARGET", name)
        .args([limit, "-max_len=4096", "-timeout=10", "-rss_limit_mb=1024"])
        .args(["-dict=fuzz/words.dict", &format!("-artifact_prefix={}/", artifacts.display())])
        .args(seed)
        .args([&found, &Path::new(CORPUS).join(name)])
        .output()
        .map_err(|error| format!("{}: {error}", engine.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        let done = said.lines().rev().find(|line| line.starts_with("Done "));
        println!("{name:18}{}", done.unwrap_or("done"));
        return Ok(());
    }
    // The promise that broke and where the input is; the dictionary and the bytes are of no use here.
    let telling =
        |line: &&str| line.contains("panicked at") || line.contains("Test unit written") || line.contains("ERROR");
    let mut lines: Vec<&str> = Vec::new();
    let mut rest = said.lines().peekable();
    while let Some(line) = rest.next() {
        if telling(&line) {
            lines.push(line);
            lines.extend(rest.next_if(|next| !telling(next)));
        }
    }
    Err(format!("{name}:\n{}\nagain: cargo xtask fuzz {ARTIFACTS}/{name}/…", lines.join("\n")))
}

fn target_dir() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("fuzz")
}
