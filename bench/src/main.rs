//! Rowkeeper and what people use instead, on the same work: run by `cargo xtask bench`.
//!
//! `bench [--quick] [--page] [CONTEST…]`. Results are kept beside the scratch folder as JSON, one file for each contest, and
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

use anyhow::{Context, Result, bail};

use contestant::Tools;
use contests::Form;

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
    let form = if words.iter().any(|word| word == "--quick") { Form::Quick } else { Form::Full };
    let chosen: Vec<&str> = words.iter().filter(|word| !word.starts_with("--")).map(String::as_str).collect();
    if let Some(unknown) = chosen.iter().find(|name| contests::ALL.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = contests::ALL.iter().map(|(name, _)| *name).collect();
        bail!("no contest \"{unknown}\"; there are: {}", known.join(", "));
    }
    let only_page = words.iter().any(|word| word == "--page");
    let mut failed = false;
    for (name, contest) in contests::ALL {
        if only_page || !chosen.is_empty() && !chosen.contains(&name) {
            continue;
        }
        eprintln!("==> {name}");
        let begun = page::now();
        match contest(&tools, form) {
            Ok(mut section) => {
                section.run = page::ran(name, form, &begun);
                println!("{}", section.markdown());
                let path = page::results(&tools, form).join(format!("{name}.json"));
                fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                fs::write(path, serde_json::to_vec_pretty(&section)?)?;
            }
            Err(error) => {
                eprintln!("bench: {name}: {error:#}");
                failed = true;
            }
        }
    }
    // Figures of the quick form are for those who work on this, not for the page.
    if form == Form::Full || only_page {
        page::write(&tools, form)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
