//! Record to durable, against a bare append with `fdatasync` on the same disk.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rowkeeper::Device;
use rowkeeper::config::Config;
use rowkeeper::record::Record;

use super::Form;
use crate::contestant::Tools;
use crate::meter;
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{Sample, number, ratio};

const HOW: &str = "A record of about 110 bytes of JSON, until it survives a power cut. The floor is a file to which the \
same JSON is appended, with `fdatasync` after each record. *Library* is `Recorder::record` in a running process; *lines* is \
`rowkeeper record --stdin`, which is given a line when the one before was answered; *stream* is the same with all lines at \
once; *process* is a `rowkeeper record` for each record. SQLite by hand is what a Python script would do: an INSERT \
and a COMMIT for each record, with WAL and `synchronous=FULL`. The peers of the other contests have nothing to measure \
here: they keep no record before Google answered. Contestants take turns.";

struct Way {
    name: &'static str,
    run: fn(&Tools, &Path, u32) -> Result<f64>,
    /// Of the records that the others do: starting a process is slow.
    share: u32,
}

const WAYS: [Way; 6] = [
    Way { name: "bare append + fdatasync", run: bare, share: 1 },
    Way { name: "Rowkeeper, library", run: library, share: 1 },
    Way { name: "Rowkeeper, lines", run: lines, share: 1 },
    Way { name: "Rowkeeper, stream", run: stream, share: 1 },
    Way { name: "Rowkeeper, process", run: process, share: 20 },
    Way { name: "Python, SQLite by hand", run: python, share: 1 },
];

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Accept", HOW);
    let (turns, records) = form.pick((2, 500), (5, 1_000));
    let mut samples: Vec<Sample> = WAYS.iter().map(|_| Sample::default()).collect();
    for turn in 0..=turns {
        for (way, sample) in WAYS.iter().zip(&mut samples) {
            let folder = tempfile::tempdir_in(&tools.scratch)?;
            match (way.run)(tools, folder.path(), records / way.share) {
                Ok(seconds) if turn > 0 => sample.push(seconds * 1e6 / f64::from(records / way.share)),
                Ok(_) => {}
                Err(error) if turn == 0 => section.notes.push(format!("{}: not run: {error:#}", way.name)),
                Err(_) => {}
            }
        }
    }
    let floor = samples[0].median();
    let columns = ["", "µs a record", "against the bare append", "records a second", "fdatasyncs", "written bytes"];
    let mut table = Table::new(format!("{turns} turns of {records} records"), &columns);
    for (way, sample) in WAYS.iter().zip(&samples) {
        let counted = counted(tools, way, records / way.share);
        let (syncs, bytes) = counted.unwrap_or_else(|why| {
            section.notes.push(format!("{}: not counted: {why:#}", way.name));
            (f64::NAN, f64::NAN)
        });
        let per_second = 1e6 / sample.median();
        let median = sample.median();
        table.row([
            way.name.to_owned(),
            sample.spread(),
            ratio(median, floor),
            number(per_second),
            number(syncs),
            number(bytes),
        ]);
    }
    table.caption += "; syncs and bytes written are those of one record";
    section.tables.push(table);
    section.plots.push(Plot {
        file: "accept".into(),
        title: "Record to durable".into(),
        unit: "µs a record".into(),
        kind: Kind::Bars(
            [1, 0, 2, 3, 4, 5].iter().map(|at| (WAYS[*at].name.to_owned(), samples[*at].median())).collect(),
        ),
    });
    Ok(section)
}

/// Syncs and bytes for one record, by strace, in a process of its own.
fn counted(tools: &Tools, way: &Way, records: u32) -> Result<(f64, f64)> {
    let folder = tempfile::tempdir_in(&tools.scratch)?;
    let list = folder.path().join("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-e", "trace=fsync,fdatasync,sync_file_range,write,pwrite64,pwritev,writev", "-o"]);
    strace.arg(&list).arg(std::env::current_exe()?).arg("--accept").arg(way.name).arg(records.to_string());
    strace.arg(folder.path());
    let status = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(status.context("no strace")?.success(), "strace could not trace it");
    let (mut syncs, mut bytes) = (0_u64, 0_u64);
    let inside = folder.path().to_string_lossy().into_owned();
    for line in BufReader::new(File::open(&list)?).lines() {
        let line = line?;
        // Only files of the contest: pipes and the trace itself are no wear.
        if !line.contains(&inside) {
            continue;
        }
        let result = line.rsplit(" = ").next().and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        if line.contains("sync(") || line.contains("sync_file_range(") {
            syncs += 1;
        } else {
            bytes += result.unwrap_or(0);
        }
    }
    _ = tools;
    Ok((syncs as f64 / f64::from(records), bytes as f64 / f64::from(records)))
}

/// One way alone, for strace: `NAME RECORDS FOLDER`.
pub fn alone(tools: &Tools, mut words: impl Iterator<Item = String>) -> Result<()> {
    let name = words.next().context("no name")?;
    let records = words.next().context("no number")?.parse()?;
    let way = WAYS.iter().find(|way| way.name == name).context("no such way")?;
    (way.run)(tools, Path::new(&words.next().context("no folder")?), records).map(drop)
}

fn json(n: u32) -> String {
    format!(
        r#"{{"n":{n},"value":21.5,"unit":"kg","note":"a record of a scale in a workshop, as long as such records are"}}"#
    )
}

fn bare(_: &Tools, folder: &Path, records: u32) -> Result<f64> {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("bare.log"))?;
    let started = Instant::now();
    for n in 0..records {
        file.write_all(format!("{}\n", json(n)).as_bytes())?;
        rustix::fs::fdatasync(&file)?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn library(_: &Tools, folder: &Path, records: u32) -> Result<f64> {
    let device = Device::open(Config::parse("", None, folder.to_owned(), None)?)?;
    let recorder = device.recorder();
    let table = recorder.table(None).cloned();
    let started = Instant::now();
    for n in 0..records {
        recorder.record(Record::from_json(&json(n), |_| table.clone())?)?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn rowkeeper(tools: &Tools, folder: &Path) -> Command {
    let mut command = Command::new(&tools.rowkeeper);
    command.current_dir(folder).env("HOME", folder).env("ROWKEEPER_STATE_DIR", folder);
    command
}

fn lines(tools: &Tools, folder: &Path, records: u32) -> Result<f64> {
    let mut child =
        rowkeeper(tools, folder).args(["record", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("no pipe")?;
    let mut answers = BufReader::new(child.stdout.take().context("no pipe")?);
    let mut answer = String::new();
    let mut started = Instant::now();
    for n in 0..=records {
        input.write_all(format!("{}\n", json(n)).as_bytes())?;
        answer.clear();
        answers.read_line(&mut answer)?;
        ensure!(answer.contains("kept"), "{answer}");
        if n == 0 {
            // The start of the process is another way's matter.
            started = Instant::now();
        }
    }
    let took = started.elapsed().as_secs_f64();
    drop(input);
    child.wait()?;
    Ok(took)
}

fn stream(tools: &Tools, folder: &Path, records: u32) -> Result<f64> {
    let path = folder.join("input");
    let mut file = File::create(&path)?;
    file.write_all((0..records).map(|n| json(n) + "\n").collect::<String>().as_bytes())?;
    let started = Instant::now();
    let status =
        rowkeeper(tools, folder).args(["record", "--stdin"]).stdin(File::open(path)?).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{status}");
    Ok(started.elapsed().as_secs_f64())
}

fn process(tools: &Tools, folder: &Path, records: u32) -> Result<f64> {
    let started = Instant::now();
    for n in 0..records {
        let n = format!("n={n}");
        let note = "note=a record of a scale in a workshop, as long as such records are";
        meter::run(rowkeeper(tools, folder).args(["record", &n, "value=21.5", "unit=kg", note]))?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn python(tools: &Tools, folder: &Path, records: u32) -> Result<f64> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/python/sqlite_by_hand.py");
    let python = tools.python.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
    let output = Command::new(python).arg(program).arg(records.to_string()).current_dir(folder).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
