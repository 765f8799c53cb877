//! Rowkeeper and what people use instead, on the same work: run by `cargo xtask bench`.
//!
//! `bench [--quick | --long] [--page] [CONTEST…]`. Results are kept beside the scratch folder as JSON, one file for each contest, and
//! the page is made of them: a contest can be run again without the others.

mod contestant;
mod contests;
mod emulator;
mod meter;
mod page;
mod plot;
mod relay;
mod report;
mod stats;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};

use contestant::Tools;
use contests::{Contest, Form};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut words = env::args().skip(1).peekable();
    if words.next_if_eq(meter::BETWEEN).is_some() {
        return Ok(ExitCode::from(meter::between(words)? as u8));
    }
    let tools = tools()?;
    if words.next_if_eq("--accept").is_some() {
        contests::accept::alone(&tools, words)?;
        return Ok(ExitCode::SUCCESS);
    }
    let words: Vec<String> = words.collect();
    let asked = |form: &str| words.iter().any(|word| word == form);
    let form = match () {
        () if asked("--quick") => Form::Quick,
        () if asked("--long") => Form::Long,
        () => Form::Full,
    };
    let chosen: Vec<&str> = words.iter().filter(|word| !word.starts_with("--")).map(String::as_str).collect();
    if let Some(unknown) = chosen.iter().find(|name| contests::ALL.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = contests::ALL.iter().map(|(name, _)| *name).collect();
        bail!("no contest \"{unknown}\"; there are: {}", known.join(", "));
    }
    let only_page = asked("--page");
    let wanted = |name: &str| !only_page && (chosen.is_empty() || chosen.contains(&name));
    // Ten minutes in which hardly anything happens: others run meanwhile, if there are others.
    let beside = |name: &str| name == "steady" && chosen.len() != 1 && form != Form::Quick;
    let (waiting, busy): (Vec<_>, Vec<_>) =
        contests::ALL.into_iter().filter(|(name, _)| wanted(name)).partition(|(name, _)| beside(name));
    let tools = &tools;
    let failed = thread::scope(|scope| {
        let start = |(name, contest)| scope.spawn(move || run_one(tools, name, contest, form, BESIDE));
        let beside: Vec<_> = waiting.into_iter().map(start).collect();
        let mut failed = 0;
        for (name, contest) in busy {
            failed += usize::from(run_one(tools, name, contest, form, "").is_err());
        }
        failed + beside.into_iter().filter_map(|one| one.join().ok()).filter(Result::is_err).count()
    });
    // Figures of the quick form are for those who work on this, not for the page.
    if form != Form::Quick || only_page {
        page::write(tools, form)?;
    }
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

const BESIDE: &str = "The other contests of the run went on meanwhile.";

fn run_one(tools: &Tools, name: &str, contest: Contest, form: Form, note: &str) -> Result<(), ()> {
    let begun = page::now();
    eprintln!("==> {name}, {begun}");
    let kept = contest(tools, form).and_then(|mut section| {
        section.run = page::ran(name, form, &begun);
        section.notes.extend((!note.is_empty()).then(|| note.to_owned()));
        println!("{}", section.markdown());
        let path = page::results(tools, form).join(format!("{name}.json"));
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        Ok(fs::write(path, serde_json::to_vec_pretty(&section)?)?)
    });
    kept.map_err(|error| eprintln!("bench: {name}: {error:#}"))
}

fn tools() -> Result<Tools> {
    let path = |name: &str| {
        env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set: run `cargo xtask bench`"))
    };
    let either = |name: &str| match env::var(format!("{name}_ABSENT")) {
        Ok(why) => Ok(Err(why)),
        Err(_) => path(name).map(Ok),
    };
    let scratch = path("BENCH_SCRATCH")?;
    fs::create_dir_all(&scratch)?;
    Ok(Tools {
        rowkeeper: path("BENCH_ROWKEEPER")?,
        peers: path("BENCH_PEERS")?,
        python: either("BENCH_PYTHON")?,
        node: either("BENCH_MODULES")?,
        scratch,
    })
}
