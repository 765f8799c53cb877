//! Device sign-ins with authorization servers that nobody here wrote, and the drivers of `device-grant` with the
//! emulator. `cargo xtask interop` and `cargo xtask drivers` install what is needed and run this; see README.md.

mod browser;
mod command;
mod device;
mod drivers;
mod glewlwyd;
mod oidc_provider;
mod process;

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// What went wrong, in words.
type Failure = Box<dyn Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

/// One thing that must hold, by name.
type Case<S> = (&'static str, fn(&S) -> Outcome);

/// Ends a case with a failure that says what was expected and what came.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+).into());
        }
    };
}

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let outcome = match wanted.as_str() {
        "oidc-provider" => oidc_provider::run(),
        "glewlwyd" => glewlwyd::run(),
        "drivers" => drivers::run(),
        _ => Err("usage: interop oidc-provider | glewlwyd | drivers".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("interop {wanted}: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all cases at the same time: they mostly wait for the next poll. All of them run, whatever becomes of one.
fn all<S>(cases: &[Case<S>], run: impl Fn(fn(&S) -> Outcome) -> Outcome + Sync) -> Outcome {
    let run = &run;
    let mut failed = Vec::new();
    thread::scope(|scope| {
        let start = |&(name, case): &Case<S>| {
            let timed = move || {
                let clock = process::clock();
                (run(case), clock())
            };
            (name, scope.spawn(timed))
        };
        let running: Vec<_> = cases.iter().map(start).collect();
        for (name, thread) in running {
            match thread.join() {
                Ok((Ok(()), took)) => println!("ok      {:>5.1} s  {name}", took.as_secs_f64()),
                Ok((Err(why), took)) => {
                    println!("FAILED  {:>5.1} s  {name}: {why}", took.as_secs_f64());
                    failed.push(name);
                }
                Err(_) => failed.push(name),
            }
        }
    });
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
