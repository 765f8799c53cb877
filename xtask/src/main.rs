//! The one command for developers: `cargo xtask test` is the gate, `cargo xtask help` lists the rest.
//!
//! A step that cannot run here (no network, no browser, no root) is skipped with a loud line, never in silence, and the
//! end of the run names every one.

mod bare;
mod bench;
mod campaigns;
mod clients;
mod costs;
mod cross;
mod deny;
mod fuzz;
mod google;
mod interop;
mod patience;

use std::num::NonZero;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, thread};

const HELP: &str = "\
cargo xtask COMMAND
  test       everything that must pass: format, lints, tests, documentation, licences
  fmt        check the format
  clippy     lints, warnings denied
  unit       unit, property, simulation and end-to-end tests
  doc        documentation, warnings denied
  deny       licences, banned crates and sources, from `cargo metadata`
  drivers    the examples of device-grant, run with the emulator
  interop    sign-ins with oidc-provider and glewlwyd, which it installs below interop/
  costs      instructions, allocations and packages of the program, held to their limits (valgrind)
  clients    clients of Google for Python, Node and Rust, and a browser, held to the emulator
  kills [S]  kill -9 at everybody for S seconds (default 300), then count the rows; `kills S SEED`
  disk       the same count after disks that were full, failing or read-only (root, FUSE, loop devices)
  power [N]  N power cuts on a disk that forgets what was not synced (default 200); `power N SEED`
  bare       the pure crates on bare metal, and a sign-in run on an emulated Cortex-M3
  cross [T…] both binaries for a Raspberry Pi (aarch64, armv7, armv6; all without a name), small, and
             tried out under qemu-user
  pi         `rowkeeper` for a 64-bit Pi, built quickly and tried out under qemu-user
  adapters   Google's generated crates with the device's sign-in (builds an async runtime: not part of `test`)
  fuzz [S]   every parser of outside bytes, S seconds each (default 60); `fuzz FILE` runs one input again
  processes [N]  eight processes, N refreshes each (default 100), killed at random
  gadget-figures  what the time clock takes: processor, wake-ups, memory, bus; beside a loop that polls
  pictures   make the pictures of the README and of docs/timeclock.md again
  bench [--quick | --long] [--page] [CONTEST…]
             Rowkeeper beside what people use instead, about 20 minutes; writes docs/benchmarks.md (--quick: prints
             only; --long: clean builds in `footprint`, a million rows in `growth`)
  probe-google   asks the real Google, with your account and consent, what docs/google.md does not
             know; `probe-google --help`
  world [N]  the simulated world over N seeds (default 100000), release build
  world-rules  leaves each rule of the delivery protocol out until a simulated world notices, and writes the table
             of docs/delivery-protocol.md";

/// How a step ended. An error is a failure.
pub(crate) enum Outcome {
    /// It ran, whole.
    Done,
    /// It, or a part of it, cannot run here; each line says what and why. Named again at the end of the run.
    Skipped(Vec<String>),
}

pub(crate) type Step = Result<Outcome, String>;

/// A step of the gate, by the name it is called by.
type Named = (&'static str, fn() -> Step);

/// The gate, cheap steps first.
const GATE: &[Named] = &[
    ("fmt", fmt),
    ("deny", deny::check),
    ("clippy", clippy),
    ("unit", unit),
    ("doc", doc),
    ("bare", bare::check),
    ("pi", cross::check),
    ("costs", costs::check),
    ("fuzz", fuzz::check),
    ("drivers", interop::drivers),
    ("kills", campaigns::short_kills),
    ("disk", campaigns::disk),
    ("power", campaigns::short_power),
    ("interop", interop::servers),
    ("clients", clients::run),
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let outcome = match command.as_str() {
        "test" => test(),
        "fuzz" => fuzz::command(arguments.next().as_deref()),
        "kills" => campaigns::kills(arguments.next().as_deref().unwrap_or("300"), arguments.next().as_deref()),
        "power" => campaigns::power(arguments.next().as_deref().unwrap_or("200"), arguments.next().as_deref()),
        "probe-google" => probe(arguments),
        "pictures" => pictures(),
        "adapters" => adapters(),
        "gadget-figures" => gadget_figures(),
        "bench" => bench::command(&arguments.collect::<Vec<_>>()),
        "cross" => cross::command(&arguments.collect::<Vec<_>>()),
        "processes" => processes(arguments.next().as_deref().unwrap_or("100")),
        "world" => world(arguments.next().as_deref().unwrap_or("100000")),
        "world-rules" => world_rules(),
        "help" | "" => {
            println!("{HELP}");
            Ok(Outcome::Done)
        }
        name => match GATE.iter().find(|(step, _)| *step == name) {
            Some((_, step)) => step(),
            None => Err(format!("no command \"{name}\"\n{HELP}")),
        },
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Skipped(what)) => {
            what.iter().for_each(|line| eprintln!("SKIPPED: {line}"));
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

/// All steps run even when one fails, so that one run names everything that is wrong.
#[expect(clippy::disallowed_methods, reason = "how long a step took is a figure for people")]
fn test() -> Step {
    let (mut failed, mut skipped, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for (name, step) in GATE {
        println!("\n==> {name}");
        let begun = Instant::now();
        let outcome = patience::run(name, *step);
        took.push(format!("{name} {} s", begun.elapsed().as_secs()));
        match outcome {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Skipped(what)) => skipped.extend(what.into_iter().map(|line| format!("{name}: {line}"))),
            Err(what) => {
                eprintln!("xtask: {name}: {what}");
                failed.push(*name);
            }
        }
    }
    println!("\n==> summary");
    skipped.iter().for_each(|line| println!("SKIPPED: {line}"));
    println!("took: {}", took.join(", "));
    println!("{} passed, {} failed", GATE.len() - failed.len(), failed.len());
    if failed.is_empty() { Ok(Outcome::Done) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn fmt() -> Step {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["fmt", "--all", "--check", "--manifest-path", "bench/Cargo.toml"], &[])
}

fn clippy() -> Step {
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"], &[])
}

fn unit() -> Step {
    // The tests of the command wait for processes and disks more than they compute.
    let threads = 4 * thread::available_parallelism().map_or(1, NonZero::get);
    cargo(&["test", "--workspace", "--locked", "--no-fail-fast"], &[("RUST_TEST_THREADS", &threads.to_string())])
}

fn doc() -> Step {
    cargo(&["doc", "--workspace", "--no-deps", "--locked"], &[("RUSTDOCFLAGS", "--deny warnings")])
}

fn world(seeds: &str) -> Step {
    cargo(
        &["test", "--release", "--locked", "--package", "rowkeeper", "--test", "world", "--", "--nocapture"],
        &[("WORLD_SEEDS", seeds), ("WORLD_MUTATION_SEEDS", "2000")],
    )
}

/// Writes the table in docs/delivery-protocol.md.
fn world_rules() -> Step {
    let test = "rules_left_out_are_noticed";
    cargo(
        &["test", "--release", "--locked", "--package", "rowkeeper", "--test", "world", "--", "--nocapture", test],
        &[("WORLD_WRITE", "1"), ("WORLD_MUTATION_SEEDS", "5000")],
    )
}

fn processes(refreshes: &str) -> Step {
    let test = "processes::a_grant_survives_processes_that_are_killed_at_random";
    let test =
        ["test", "--locked", "--package", "rowkeeper", "--test", "session", "--", "--nocapture", "--exact", test];
    cargo(&test, &[("PROCESSES", "8"), ("PROCESSES_REFRESHES", refreshes)])
}

fn adapters() -> Step {
    let manifest =
        ["--manifest-path", "adapters/google-apis/Cargo.toml", "--target-dir", "target/adapters", "--locked"];
    cargo(&[&["test"], &manifest[..]].concat(), &[])?;
    cargo(&[&["run", "--example", "sheets"], &manifest[..]].concat(), &[])
}

fn probe(arguments: impl Iterator<Item = String>) -> Step {
    let arguments: Vec<_> = arguments.collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    cargo(&[&["run", "--quiet", "--locked", "--package", "probe", "--"], &arguments[..]].concat(), &[])
}

fn pictures() -> Step {
    // The code screen, and the time clock in all its states.
    for (package, example) in [("rowkeeper-panel", "pictures"), ("rowkeeper-timeclock", "states")] {
        cargo(&["run", "--release", "--locked", "--package", package, "--example", example, "--", "docs"], &[])?;
    }
    Ok(Outcome::Done)
}

/// Takes about six minutes, most of them spent watching an idle clock.
fn gadget_figures() -> Step {
    let package = ["--locked", "--package", "rowkeeper-timeclock"];
    cargo(&[&["build", "--release", "--bin", "timeclock"], &package[..]].concat(), &[])?;
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    let (clock, scratch) = (format!("{target}/release/timeclock"), format!("{target}/gadget-figures"));
    let words = ["--example", "figures", "--", &clock, &scratch, "crates/timeclock/examples/polling.py"];
    // Only the clock is watched; who watches need not be a release build.
    cargo(&[&["run", "--quiet"], &package[..], &words].concat(), &[])
}

/// Runs cargo, with the toolchain that runs us.
pub(crate) fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Step {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).envs(variables.iter().copied());
    // What cargo told us about ourselves: build scripts that look at it (ring's) would run again, and all that is built
    // on them, each time after a cargo that was called by hand.
    let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    run(&mut command)
}

/// Runs a command to its end; anything but success is an error that names it.
pub(crate) fn run(command: &mut Command) -> Step {
    let named = format!("{command:?}");
    let status = command.status().map_err(|error| format!("cannot run {named}: {error}"))?;
    if status.success() { Ok(Outcome::Done) } else { Err(format!("{named} failed ({status})")) }
}
