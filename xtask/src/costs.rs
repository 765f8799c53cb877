//! What the program may cost: instructions, allocations and packages, with a margin. Counted under valgrind, in the debug
//! build that the tests have made anyway, so no figure depends on how fast or how busy the machine is. Requests, bytes on
//! the wire and syncs have their limits in the tests of `rowkeeper-cli` (`budget`); sizes of binaries in `cross`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::google::{self, Google};
use crate::{Outcome, Step, bare, interop};

const VALGRIND: &[&str] = &["valgrind=1:3.19.*"];

/// Rows of the cases with many.
const ROWS: u64 = 1_000;

/// What one run of the program may take, all told.
struct Limit {
    what: &'static str,
    arguments: &'static [&'static str],
    /// It is given the rows on stdin; or finds them in the queue.
    rows: Rows,
    instructions: u64,
    /// Blocks of the heap, over the whole run.
    allocations: u64,
    /// The heap when it is largest.
    peak_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    None,
    Given,
    Queued,
}

/// A tenth to a seventh above what was counted when this was written. Who makes something dearer on purpose raises the
/// limit in the same commit and says why; who makes it cheaper lowers it.
const LIMITS: [Limit; 4] = [
    Limit {
        what: "record",
        arguments: &["record", "n=1", "value=21.5", "note=a reading"],
        rows: Rows::None,
        instructions: 3_900_000,
        allocations: 1_650,
        peak_bytes: 240_000,
    },
    Limit {
        what: "record --stdin, 1,000 rows",
        arguments: &["record", "--stdin"],
        rows: Rows::Given,
        instructions: 142_000_000,
        allocations: 36_000,
        peak_bytes: 1_400_000,
    },
    Limit {
        what: "deliver, 1,000 rows",
        arguments: &["deliver"],
        rows: Rows::Queued,
        instructions: 205_000_000,
        allocations: 62_000,
        peak_bytes: 3_400_000,
    },
    Limit {
        what: "status",
        arguments: &["status"],
        rows: Rows::None,
        instructions: 4_250_000,
        // SQLite's own small blocks (its lookaside) are used up by statements that are kept.
        allocations: 2_050,
        peak_bytes: 235_000,
    },
];

/// Packages that `rowkeeper` for a device is built of, its own and those of the build included.
const PACKAGES: usize = 139;

pub(crate) fn check() -> Step {
    packages()?;
    if !bare::is_there("valgrind")
        && let Err(why) = bare::install(VALGRIND)
    {
        return Ok(Outcome::Skipped(vec![format!("no instructions were counted: no valgrind, {why}")]));
    }
    let folder = interop::target_folder()?.join("costs");
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let google = Google::start(&folder)?;
    let device = Device { program: google::rowkeeper()?, url: google.url.clone(), folder };
    device.write_rows()?;
    for arguments in [&["sign-in", "--panel", "none"][..], &["record", "n=0", "value=21.5", "note=first"], &["deliver"]]
    {
        bare::output(&mut device.plain(arguments))?;
    }
    println!("{:28} {:>14} {:>14} {:>14}", "", "instructions", "allocations", "heap, bytes");
    let mut over = Vec::new();
    for limit in &LIMITS {
        let (instructions, heap) = (device.instructions(limit)?, device.heap(limit)?);
        let counted = [instructions, heap.blocks, heap.peak_bytes];
        let allowed = [limit.instructions, limit.allocations, limit.peak_bytes];
        println!("{:28} {:>14} {:>14} {:>14}", limit.what, counted[0], counted[1], counted[2]);
        println!("{:28} {:>14} {:>14} {:>14}", "  at most", allowed[0], allowed[1], allowed[2]);
        for (what, (counted, allowed)) in
            ["instructions", "allocations", "bytes of heap"].iter().zip(counted.iter().zip(allowed))
        {
            if *counted > allowed {
                over.push(format!("{}: {counted} {what}, {allowed} is the limit", limit.what));
            }
        }
    }
    if over.is_empty() { Ok(Outcome::Done) } else { Err(over.join("; ")) }
}

/// A new dependency is seen, however it came in.
fn packages() -> Result<(), String> {
    let words = ["tree", "--locked", "--quiet", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let found = bare::output(tree.args(words).args(["--package", "rowkeeper-cli", "--no-default-features"]))?;
    let names: std::collections::BTreeSet<&str> = found.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    println!("{} packages, {PACKAGES} is the limit", names.len());
    if names.len() > PACKAGES {
        Err(format!("the device's binary is built of {} packages", names.len()))
    } else {
        Ok(())
    }
}

struct Device {
    program: PathBuf,
    url: String,
    folder: PathBuf,
}

struct Heap {
    blocks: u64,
    peak_bytes: u64,
}

impl Device {
    fn rows(&self) -> PathBuf {
        self.folder.join("rows")
    }

    fn write_rows(&self) -> Result<(), String> {
        let row = |n| format!("{{\"n\":{n},\"value\":21.5,\"note\":\"a reading of the scale in the workshop\"}}\n");
        fs::write(self.rows(), (0..ROWS).map(row).collect::<String>()).map_err(|error| error.to_string())
    }

    fn instructions(&self, limit: &Limit) -> Result<u64, String> {
        let said = self.under("callgrind", limit)?;
        number_after(&said, "Collected :").ok_or_else(|| format!("callgrind counted nothing: {said}"))
    }

    fn heap(&self, limit: &Limit) -> Result<Heap, String> {
        let said = self.under("dhat", limit)?;
        let line = |start: &str| said.lines().find_map(|line| line.split_once(start).map(|(_, rest)| rest));
        let total = line("Total:").and_then(|line| number_after(line, "bytes in"));
        let peak = line("At t-gmax:").and_then(|line| number_after(line, ""));
        match (total, peak) {
            (Some(blocks), Some(peak_bytes)) => Ok(Heap { blocks, peak_bytes }),
            _ => Err(format!("dhat counted nothing: {said}")),
        }
    }

    /// What a tool of valgrind's says of one run.
    fn under(&self, tool: &str, limit: &Limit) -> Result<String, String> {
        if limit.rows == Rows::Queued {
            bare::output(&mut self.plain(&["deliver"]))?;
            bare::output(self.plain(&["record", "--stdin"]).stdin(open(&self.rows())?))?;
        }
        let plain = self.plain(limit.arguments);
        let mut valgrind = Command::new("valgrind");
        valgrind.arg(format!("--tool={tool}")).arg(format!("--{tool}-out-file=/dev/null"));
        valgrind.arg(plain.get_program()).args(plain.get_args()).current_dir(&self.folder).stdin(Stdio::null());
        valgrind.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if limit.rows == Rows::Given {
            valgrind.stdin(open(&self.rows())?);
        }
        let output = valgrind.output().map_err(|error| format!("valgrind: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(said) } else { Err(format!("{} under {tool} failed: {said}", limit.what)) }
    }

    fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).env("HOME", &self.folder);
        command.env("ROWKEEPER_EMULATOR", &self.url).env("ROWKEEPER_STATE_DIR", self.folder.join("state"));
        command
    }
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Such as 179069 in `179,069 bytes`.
fn number_after(text: &str, start: &str) -> Option<u64> {
    let (_, rest) = text.split_once(start)?;
    let word = rest.split_whitespace().next()?;
    word.replace(',', "").parse().ok()
}
