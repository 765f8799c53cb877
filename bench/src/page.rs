//! The page: its head, and the sections that were run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::contestant::Tools;
use crate::contests::{self, Form};
use crate::report::{self, Section};

pub fn now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Under a section: which command made it, and when.
pub fn ran(name: &str, form: Form, begun: &str) -> String {
    format!("`cargo xtask bench{} {name}`, {begun}", word(form))
}

fn word(form: Form) -> &'static str {
    match form {
        Form::Quick => " --quick",
        Form::Full => "",
        Form::Long => " --long",
    }
}

pub fn results(tools: &Tools, form: Form) -> PathBuf {
    tools.scratch.with_file_name(format!("results{}", word(form).replace(" --", "-")))
}

pub fn write(tools: &Tools, form: Form) -> Result<()> {
    let find = |name: &str, form| -> Option<Section> {
        serde_json::from_slice(&fs::read(results(tools, form).join(format!("{name}.json"))).ok()?).ok()
    };
    // A long form holds all that the full one does. Each section says when it was run and how.
    let read = |(name, _): &(&str, contests::Contest)| match form {
        Form::Quick => find(name, form),
        _ => find(name, Form::Long).or_else(|| find(name, Form::Full)),
    };
    let sections: Vec<Section> = contests::ALL.iter().filter_map(read).collect();
    let missing: Vec<&str> = contests::ALL.iter().filter(|one| read(one).is_none()).map(|(name, _)| *name).collect();
    let mut head = head(tools);
    if !missing.is_empty() {
        head += &format!("Not run yet: {}.\n\n", missing.join(", "));
    }
    // Written by a person who looked at the figures; the rest is made.
    head += &fs::read_to_string("bench/reading.md")?;
    report::write(&(head.trim_end().to_owned() + "\n\n"), &sections, &PathBuf::from("docs"))
}

fn head(tools: &Tools) -> String {
    format!(
        "# Benchmarks: Rowkeeper and what people use instead\n\n\
         Made by `cargo xtask bench`, which builds and installs everything, pinned, and runs every contest against the same \
         emulator (`rowkeeper emulator`, a process of its own). Figures are medians, with the least and the most in \
         brackets where there was more than one turn; *ratio* is to Rowkeeper, and above 1 is in its favour. Trust \
         ratios before milliseconds: they change less from machine to machine. Nothing in Rowkeeper knows of the \
         harness, and its settings are the ones that it has without a file.\n\n\
         {}\n\n",
        machine(tools)
    )
}

/// When the program was built: what is measured may be older than the tree.
fn built(program: &Path) -> String {
    let time = fs::metadata(program).and_then(|file| file.modified()).ok();
    let time = time.and_then(|time| jiff::Timestamp::try_from(time).ok());
    time.map_or("not built".into(), |time| time.strftime("built %Y-%m-%d %H:%M UTC").to_string())
}

fn machine(tools: &Tools) -> String {
    let first = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Some(text.lines().next()?.trim().to_owned())
    };
    let or = |text: Option<String>| text.unwrap_or_else(|| "not there".into());
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: f64 = memory.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
    let disk = first("stat", &["-f", "-c", "%T", &tools.scratch.to_string_lossy()]);
    let python = tools.python.as_ref().ok().and_then(|python| first(&python.to_string_lossy(), &["--version"]));
    format!(
        "| | |\n|---|---|\n\
         | machine | {cores} × {}, {:.0} GiB, disk {} |\n\
         | system | {system}, Linux {} |\n\
         | Rowkeeper | {}, {} |\n\
         | Rust | {} |\n\
         | Python | {}; google-api-python-client 2.202.0, google-auth 2.62.2, gspread 6.2.1 |\n\
         | Node | {}; googleapis 178.0.0 |\n\
         | crates | yup-oauth2 12.1.2 + google-sheets4 7.0.0; oauth2 5.0.0 + reqwest 0.12 |",
        model.unwrap_or("processor"),
        kib / (1 << 20) as f64,
        or(disk),
        kernel.trim(),
        or(first(&tools.rowkeeper.to_string_lossy(), &["--version"])),
        built(&tools.rowkeeper),
        or(first("rustc", &["--version"])),
        or(python),
        or(first("node", &["--version"])),
    )
}
