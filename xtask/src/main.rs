//! The one command for developers: `cargo xtask test` is the gate, `cargo xtask help` lists the rest.
//!
//! A step that cannot run here (no network, no browser, no root) is skipped with a loud line, never in silence, and the
//! end of the run names every one.

mod deny;

use std::env;
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask COMMAND
  test       everything that must pass: format, lints, tests, documentation, licences
  fmt        check the format
  clippy     lints, warnings denied
  unit       unit, property, simulation and end-to-end tests
  doc        documentation, warnings denied
  deny       licences, banned crates and sources, from `cargo metadata`
  pictures   make the pictures of the README again
  world [N]  the simulated world over N seeds (default 100000), release build";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let result = match command.as_str() {
        "test" => test(),
        "fmt" => fmt(),
        "clippy" => clippy(),
        "unit" => unit(),
        "doc" => doc(),
        "deny" => deny::check(),
        "pictures" => pictures(),
        "world" => world(arguments.next().as_deref().unwrap_or("100000")),
        "help" | "" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(format!("no command \"{other}\"\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

/// The gate. Cheap steps first; all of them run, so that one run names everything that is wrong.
fn test() -> Result<(), String> {
    type Step = (&'static str, fn() -> Result<(), String>);
    let steps: [Step; 5] = [("fmt", fmt), ("deny", deny::check), ("clippy", clippy), ("unit", unit), ("doc", doc)];
    let mut failed = Vec::new();
    for (name, step) in steps {
        println!("\n==> {name}");
        if let Err(what) = step() {
            eprintln!("xtask: {name}: {what}");
            failed.push(name);
        }
    }
    println!("\n{} passed, {} failed", steps.len() - failed.len(), failed.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn fmt() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"], &[])
}

fn clippy() -> Result<(), String> {
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"], &[])
}

fn unit() -> Result<(), String> {
    cargo(&["test", "--workspace", "--locked"], &[])
}

fn doc() -> Result<(), String> {
    cargo(&["doc", "--workspace", "--no-deps", "--locked"], &[("RUSTDOCFLAGS", "--deny warnings")])
}

fn world(seeds: &str) -> Result<(), String> {
    cargo(
        &["test", "--release", "--locked", "--package", "rowkeeper", "--test", "world", "--", "--nocapture"],
        &[("WORLD_SEEDS", seeds)],
    )
}

fn pictures() -> Result<(), String> {
    cargo(&["run", "--release", "--locked", "--package", "rowkeeper-panel", "--example", "pictures", "--", "docs"], &[])
}

/// Runs cargo, with the toolchain that runs us.
fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(arguments)
        .envs(variables.iter().copied())
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed", arguments.join(" "))) }
}
