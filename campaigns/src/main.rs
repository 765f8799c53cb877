//! Campaigns: the real `rowkeeper`, real SQLite and real disks; processes are killed at random, disks fill up, fail and
//! forget what was not synced, and at the end the rows in the sheet are counted. See README.md.
//!
//! `cargo xtask kills`, `cargo xtask disk` and `cargo xtask power` build and run this.

mod device;
mod disk;
mod faulty;
mod google;
mod heard;
mod kills;
mod ledger;
mod moments;
mod power;
mod process;
mod random;
mod stream;

use std::error::Error;
use std::process::ExitCode;

/// What went wrong, in words.
type Failure = Box<dyn Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

/// Ends a case with a failure that says what was expected and what came.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+).into());
        }
    };
}

const USAGE: &str = "\
usage: campaigns kills SECONDS [SEED]
       campaigns disk
       campaigns power CUTS [SEED]
       campaigns moments LIVES [SEED]
       campaigns power CUTS SEED --without-sync PART   PART of a path, or \"all\"; ends with 0 when something was lost";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["kills", seconds] => number(seconds).and_then(|seconds| kills::run(seconds, random::seed()?)),
        ["kills", seconds, seed] => number(seconds).and_then(|seconds| kills::run(seconds, number(seed)?)),
        ["disk"] => faulty::run(),
        ["moments", lives] => number(lives).and_then(|lives| moments::run(lives, random::seed()?)),
        ["moments", lives, seed] => number(lives).and_then(|lives| moments::run(lives, number(seed)?)),
        ["power", cuts] => number(cuts).and_then(|cuts| power::run(cuts, random::seed()?)),
        ["power", cuts, seed] => number(cuts).and_then(|cuts| power::run(cuts, number(seed)?)),
        ["power", cuts, seed, "--without-sync", part] => {
            number(cuts).and_then(|cuts| power::without_sync(cuts, number(seed)?, part))
        }
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("campaigns {}: {failure}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> Outcome<u64> {
    text.parse().map_err(|_| format!("\"{text}\" is not a number\n{USAGE}").into())
}
