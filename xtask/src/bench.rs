//! Rowkeeper beside what people use instead: builds and installs all of it, then runs `bench/`, a workspace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::clients::{self, Missing};
use crate::{Step, run};

const MANIFEST: &str = "bench/Cargo.toml";

pub(crate) fn command(words: &[String]) -> Step {
    let target = fs::canonicalize(target_folder()).map_err(|error| error.to_string())?;
    crate::cargo(&["build", "--release", "--locked", "--package", "rowkeeper-cli"], &[])?;
    let own = target.join("bench");
    let folder = own.to_string_lossy();
    // Not `--locked`: its lock file follows what the product's crates need. The peers are pinned in their manifests.
    let build = ["build", "--release", "--workspace", "--manifest-path", MANIFEST, "--target-dir", &folder];
    crate::cargo(&build, &[])?;
    let installed = target.join("clients");
    fs::create_dir_all(&installed).map_err(|error| error.to_string())?;
    let mut bench = Command::new(own.join("release/bench"));
    bench.args(words);
    bench.env("BENCH_ROWKEEPER", target.join("release/rowkeeper")).env("BENCH_PEERS", own.join("release"));
    bench.env("BENCH_SCRATCH", own.join("scratch"));
    found(&mut bench, "BENCH_PYTHON", clients::python(&installed))?;
    let modules = || fs::canonicalize("clients/node").unwrap_or_else(|_| Path::new("clients/node").to_owned());
    found(&mut bench, "BENCH_MODULES", clients::node(&installed).map(|_| modules()))?;
    run(&mut bench)
}

/// What is not there keeps a contestant away, and the page says why; what is there and broken is a failure.
fn found(bench: &mut Command, name: &str, what: Result<PathBuf, Missing>) -> Result<(), String> {
    match what {
        // Not resolved: a virtual environment is known by its link.
        Ok(path) => bench.env(name, std::path::absolute(&path).unwrap_or(path)),
        Err(Missing::Absent(why)) => bench.env(format!("{name}_ABSENT"), why),
        Err(Missing::Broken(why)) => return Err(why),
    };
    Ok(())
}

fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
