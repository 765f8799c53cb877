//! What has to be on the device: bytes, dependencies, the time to build it, memory at rest.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Form;
use super::flood::write_rows;
use crate::contestant::{ROWKEEPER, Stage, Token, Tools};
use crate::emulator::Setup;
use crate::meter::{self, Living};
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{mib, number};

const HOW: &str = "*Binary* is stripped, in the size-optimised profile `device` (for Rowkeeper without `demo` and \
`emulator`), and linked to the system's C library; *clean build* starts with an empty target folder and all sources \
downloaded: seconds and processor seconds (of the long form only). *Dependencies* are packages besides its own, those of the build too. For Python \
and Node the packages count that are installed for the library (all three libraries of the Python peers share one \
environment), not the interpreter.";

/// What a stripped device binary may have, in MiB; the design's promise.
const BINARY_LIMIT_MIB: f64 = 5.0;

struct Built {
    name: &'static str,
    manifest: &'static str,
    package: &'static str,
    binary: &'static str,
    words: &'static [&'static str],
}

const BUILT: [Built; 3] = [
    Built {
        name: "Rowkeeper",
        manifest: "Cargo.toml",
        package: "rowkeeper-cli",
        binary: "rowkeeper",
        words: &["--no-default-features"],
    },
    Built {
        name: "yup-oauth2 + google-sheets4",
        manifest: "bench/Cargo.toml",
        package: "peer-yup-sheets4",
        binary: "peer-yup-sheets4",
        words: &[],
    },
    Built {
        name: "oauth2 + own append",
        manifest: "bench/Cargo.toml",
        package: "peer-oauth2-append",
        binary: "peer-oauth2-append",
        words: &[],
    },
];

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Footprint", HOW);
    let columns = ["", "binary, MiB", "dependencies", "clean build, s", "processor, s"];
    let mut table = Table::new("on the device", &columns);
    let mut bars = Vec::new();
    let mut device = None;
    for built in &BUILT {
        let packages = packages(built)?;
        let made = form.pick(false, true).then(|| build(tools, built, form)).transpose()?;
        let cells = match &made {
            Some(made) => {
                let size = mib(fs::metadata(&made.binary)?.len());
                bars.push((built.name.to_owned(), size));
                if built.name == "Rowkeeper" {
                    ensure!(
                        size < BINARY_LIMIT_MIB,
                        "the device's binary has {size:.2} MiB, and {BINARY_LIMIT_MIB} is the limit"
                    );
                    device = Some(made.binary.clone());
                }
                match form {
                    Form::Long => [number(size), number(made.seconds), number(made.processor)],
                    _ => [number(size), "—".into(), "—".into()],
                }
            }
            None => ["not built in the quick form"; 3].map(str::to_owned),
        };
        let [size, seconds, processor] = cells;
        table.row([built.name.to_owned(), size, packages.to_string(), seconds, processor]);
    }
    if let Ok(python) = &tools.python {
        let packages = python.ancestors().nth(2).map(|venv| venv.join("lib")).unwrap_or_default();
        let list = Command::new(python).args(["-m", "pip", "list", "--format=freeze"]).output()?;
        let count = String::from_utf8_lossy(&list.stdout).lines().filter(|line| !line.starts_with("pip=")).count();
        let size = mib(size_of(&packages)?);
        bars.push(("the Python peers' packages".into(), size));
        table.row(["the Python peers' packages".to_owned(), number(size), count.to_string(), "—".into(), "—".into()]);
    }
    if let Ok(modules) = &tools.node {
        let lock: serde_json::Value = serde_json::from_slice(&fs::read(modules.join("package-lock.json"))?)?;
        // `oauth4webapi` and `playwright-core` are there for other tests.
        let others = ["", "node_modules/oauth4webapi", "node_modules/playwright-core"];
        let all = lock["packages"].as_object().context("no packages in the lock file")?;
        let count = all.keys().filter(|name| !others.contains(&name.as_str())).count();
        let installed = modules.join("node_modules");
        let rest = size_of(&installed.join("oauth4webapi"))? + size_of(&installed.join("playwright-core"))?;
        let size = mib(size_of(&installed)? - rest);
        bars.push(("npm googleapis".into(), size));
        table.row(["npm googleapis".to_owned(), number(size), count.to_string(), "—".into(), "—".into()]);
    }
    section.tables.push(table);
    section.tables.push(at_rest(tools, device, form)?);
    match form {
        Form::Quick => section.notes.push("bare metal: not run in the quick form".into()),
        _ => section.notes.extend(bare_metal()),
    }
    if form != Form::Quick {
        section.plots.push(Plot {
            file: "footprint".into(),
            title: "To be installed on the device, without interpreter".into(),
            unit: "MiB".into(),
            kind: Kind::Bars(bars),
        });
    }
    Ok(section)
}

struct Made {
    binary: PathBuf,
    seconds: f64,
    processor: f64,
}

/// From nothing in the long form; else whatever is there already is used again.
fn build(tools: &Tools, built: &Built, form: Form) -> Result<Made> {
    let target = tools.scratch.with_file_name("footprint").join(built.package);
    if form == Form::Long {
        _ = fs::remove_dir_all(&target);
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--profile", "device", "--manifest-path", built.manifest]);
    cargo.args(["--package", built.package]).args(built.words).arg("--target-dir").arg(&target).current_dir(".");
    let used = meter::run(&mut cargo)?;
    Ok(Made {
        binary: target.join("device").join(built.binary),
        seconds: used.wall.as_secs_f64(),
        processor: used.processor.as_secs_f64(),
    })
}

fn packages(built: &Built) -> Result<usize> {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--quiet", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    cargo.args(["--manifest-path", built.manifest, "--package", built.package]).args(built.words);
    let output = cargo.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().map(|line| line.trim_end_matches(" (*)"));
    // What lies here is not a dependency but the thing itself.
    let foreign = names.filter(|line| !line.is_empty() && !line.contains('/'));
    Ok(foreign.collect::<BTreeSet<_>>().len())
}

fn size_of(path: &Path) -> Result<u64> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    fs::read_dir(path)?.map(|entry| size_of(&entry?.path())).sum()
}

/// The daemon, ten seconds after it has delivered a row; and with a long queue, while Google answers 503 to everything.
fn at_rest(tools: &Tools, device: Option<PathBuf>, form: Form) -> Result<Table> {
    let columns =
        ["`rowkeeper run`", "resident, MiB", "of it heap and stacks", "peak, MiB", "threads", "wake-ups in 10 s"];
    let mut table = Table::new(String::new(), &columns);
    let many = if form == Form::Long { 1_000_000 } else { 100_000 };
    let release = Some(tools.rowkeeper.clone());
    for (profile, binary, queued) in [("release", release, 0), ("device", device.clone(), 0), ("device", device, many)]
    {
        let Some(binary) = binary else { continue };
        for tls in [false, true] {
            let (before, living, threads) = resting(tools, &binary, tls, queued)?;
            let what = match queued {
                0 => "at rest".to_owned(),
                queued => format!("{} rows queued, 503 to everything", number(queued as f64)),
            };
            table.row([
                format!("{profile}, {}, {what}", if tls { "TLS" } else { "plain" }),
                number(mib(living.resident_bytes)),
                number(mib(living.private_bytes)),
                number(mib(living.peak_bytes)),
                threads.to_string(),
                (living.wake_ups - before.wake_ups).to_string(),
            ]);
        }
    }
    Ok(table)
}

fn resting(tools: &Tools, binary: &Path, tls: bool, queued: u64) -> Result<(Living, Living, usize)> {
    let setup = Setup { tls, ..Setup::NO_QUOTA };
    let stage = Stage::set(tools, ROWKEEPER, setup, Duration::ZERO, Token::Valid)?;
    stage.finish(&["record", "n=1", "value=21.5", "note=rest"])?;
    if queued > 0 {
        stage.finish(&["deliver"])?;
        let input = stage.folder.join("rows");
        write_rows(&input, queued)?;
        let mut record = stage.command(&["record", "--stdin"]);
        let rows = File::open(input.with_extension("ours"))?;
        ensure!(record.stdin(rows).stdout(Stdio::null()).status()?.success(), "the queue was not filled");
        let gone = json!({ "path": "/v4/spreadsheets", "action": { "do": "status", "status": 503 } });
        stage.emulator.post("/_emulator/faults", &gone)?;
    }
    let mut daemon = Command::new(binary);
    let template = stage.command(&[]);
    daemon.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    daemon.arg("run").current_dir(&stage.folder);
    let mut daemon = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    thread::sleep(Duration::from_secs(5));
    let before = meter::living(daemon.id())?;
    thread::sleep(Duration::from_secs(10));
    let living = meter::living(daemon.id())?;
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.id()))?.count();
    meter::terminate(&daemon);
    daemon.wait()?;
    ensure!(stage.waiting()? == queued, "the daemon did not do what it should");
    Ok((before, living, threads))
}

/// What `cargo xtask bare` prints about the sign-in on a Cortex-M3; or why it was not run.
fn bare_metal() -> Vec<String> {
    let output = Command::new("cargo").args(["xtask", "bare"]).output();
    let text = match &output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        Err(error) => error.to_string(),
    };
    let telling = |line: &&str| ["SKIPPED", "bytes", "flash", "stack", "heap"].iter().any(|word| line.contains(word));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(telling).collect();
    let said = if lines.is_empty() { "it said nothing of its size".to_owned() } else { lines.join("; ") };
    vec![format!("`device-grant` in a whole sign-in on an emulated Cortex-M3 (`cargo xtask bare`): {said}")]
}
