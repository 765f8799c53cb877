//! Many rows as fast as the quota allows.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Form;
use crate::contestant::{self, Contestant, Stage, Token, Tools};
use crate::emulator::Setup;
use crate::meter::{self, Living};
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{Sample, mib, number, ratio};

const HOW: &str = "Rows from a file into the sheet, with Google's quota of 60 writes a minute. Peers read the file as their \
stdin and append what they have read, up to 10,000 rows a call; the ancestor's way is one call for each row, and it is \
stopped when its time is up. Rowkeeper is `rowkeeper run`, and `rowkeeper record --stdin` that reads the file: every row \
is durable first, which no peer does. Both processes count. *Calls* are all requests to the emulator after the sign-in.";

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Flood", HOW);
    let (contestants, notes) = contestant::present(tools, &contestant::ALL);
    section.notes = notes;
    let rows = form.pick(5_000, 100_000);
    let input = tools.scratch.join("rows");
    write_rows(&input, rows)?;
    let round_trips: &[u64] = form.pick(&[50], &[0, 50, 200]);
    let mut bars = Vec::new();
    for round_trip in round_trips {
        let columns = [
            "",
            "seconds",
            "rows a second",
            "ratio",
            "calls",
            "calls per 1,000 rows",
            "MB on the wire",
            "processor, s",
            "memory, MiB",
            "lost",
            "doubled",
        ];
        let mut table = Table::new(format!("{} rows, {round_trip} ms round trip", number(rows as f64)), &columns);
        let turns = form.pick(1, if *round_trip == 50 { 3 } else { 1 });
        let mut results: Vec<Vec<Flood>> = contestants.iter().map(|_| Vec::new()).collect();
        for turn in 0..turns {
            for (contestant, floods) in contestants.iter().zip(&mut results) {
                if turn > 0 && *contestant == contestant::ANCESTOR {
                    continue; // once is long enough
                }
                match flood(tools, *contestant, form, &input, rows, Duration::from_millis(*round_trip)) {
                    Ok(result) => floods.push(result),
                    Err(error) => section.notes.push(format!("{}: failed: {error:#}", contestant.name)),
                }
            }
        }
        let ours = Flood::median(&results[0], Flood::per_second);
        for (contestant, floods) in contestants.iter().zip(&results) {
            let of = |pick: fn(&Flood) -> f64| floods.iter().map(pick).collect::<Sample>();
            let per_second = of(Flood::per_second);
            let calls = of(|flood| flood.calls as f64).median();
            let arrived = of(|flood| flood.arrived as f64).median();
            table.row([
                contestant.name.to_owned(),
                of(|flood| flood.seconds).spread(),
                number(per_second.median()),
                ratio(ours, per_second.median()),
                number(calls),
                number(calls * 1000.0 / arrived),
                number(of(|flood| flood.megabytes).median()),
                number(of(|flood| flood.processor).median()),
                number(of(|flood| flood.memory_mib).median()),
                floods.iter().map(|flood| flood.lost).max().map_or("—".into(), |lost| lost.to_string()),
                floods.iter().map(|flood| flood.doubled).max().map_or("—".into(), |doubled| doubled.to_string()),
            ]);
            if *round_trip == 50 {
                bars.push((contestant.name.to_owned(), per_second.median()));
            }
            for flood in floods.iter().filter(|flood| flood.unfinished > 0) {
                section.notes.push(format!(
                    "{}: stopped after {} s at {round_trip} ms with {} rows still unsent; at its pace all would take {} minutes",
                    contestant.name,
                    number(flood.seconds),
                    number(flood.unfinished as f64),
                    number(rows as f64 / flood.per_second() / 60.0),
                ));
            }
        }
        section.tables.push(table);
    }
    section.plots.push(Plot {
        file: "flood".into(),
        title: format!("{} rows at 50 ms round trip; more is better", number(rows as f64)),
        unit: "rows a second".into(),
        kind: Kind::Bars(bars),
    });
    Ok(section)
}

#[derive(Clone, Copy, Debug, Default)]
struct Flood {
    seconds: f64,
    arrived: u64,
    calls: u64,
    megabytes: f64,
    processor: f64,
    memory_mib: f64,
    lost: u64,
    doubled: u64,
    unfinished: u64,
}

impl Flood {
    fn per_second(&self) -> f64 {
        self.arrived as f64 / self.seconds
    }

    fn median(floods: &[Self], pick: fn(&Self) -> f64) -> f64 {
        floods.iter().map(pick).collect::<Sample>().median()
    }
}

/// Rows as peers send them: a list of five cells.
pub fn write_rows(path: &Path, rows: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for n in 1..=rows {
        writeln!(file, r#"["2026-11-22T08:00:00Z","bench",{n},21.5,"a reading of the scale in the workshop"]"#)?;
    }
    let mut file = BufWriter::new(File::create(path.with_extension("ours"))?);
    for n in 1..=rows {
        writeln!(file, r#"{{"n":{n},"value":21.5,"note":"a reading of the scale in the workshop"}}"#)?;
    }
    Ok(())
}

fn flood(tools: &Tools, who: Contestant, form: Form, input: &Path, rows: u64, round_trip: Duration) -> Result<Flood> {
    let stage = Stage::set(tools, who, Setup::GOOGLE, round_trip, Token::Valid)?;
    let patience = match who {
        contestant::ANCESTOR => Duration::from_secs(form.pick(10, 20)),
        _ => Duration::from_secs(600),
    };
    stage.next_minute()?;
    let (seen, traffic) = (stage.emulator.seen()?, stage.relay.traffic());
    let started = Instant::now();
    let (used, done) = if who.is_ours() { ours(&stage, input, patience)? } else { peer(&stage, input, patience)? };
    let seconds = started.elapsed().as_secs_f64();
    let (calls, traffic) = (stage.emulator.seen()? - seen, stage.relay.traffic() - traffic);
    let mut numbers = stage.emulator.numbers()?;
    let arrived = numbers.len() as u64;
    numbers.sort_unstable();
    numbers.dedup();
    let acknowledged = if done == 0 { rows } else { done };
    Ok(Flood {
        seconds,
        arrived,
        calls,
        megabytes: (traffic.sent + traffic.received) as f64 / 1e6,
        processor: used.processor.as_secs_f64(),
        memory_mib: mib(used.peak_bytes),
        lost: acknowledged.saturating_sub(numbers.len() as u64),
        doubled: arrived - numbers.len() as u64,
        unfinished: rows - acknowledged.min(rows),
    })
}

fn ours(stage: &Stage<'_>, input: &Path, patience: Duration) -> Result<(Living, u64)> {
    let mut daemon =
        stage.command(&["run"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let lines = File::open(input.with_extension("ours"))?;
    let mut record = stage.command(&["record", "--stdin"]);
    let mut record = record.stdin(lines).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let watch = Watch::over(&[daemon.id(), record.id()]);
    let started = Instant::now();
    let recorded = record.wait()?;
    while recorded.success() && stage.waiting()? > 0 && started.elapsed() < patience {
        thread::sleep(Duration::from_millis(20));
    }
    let used = watch.end();
    meter::terminate(&daemon);
    daemon.wait()?;
    if !recorded.success() {
        bail!("record ended with {recorded}");
    }
    Ok((used, 0))
}

fn peer(stage: &Stage<'_>, input: &Path, patience: Duration) -> Result<(Living, u64)> {
    let said = stage.folder.join("said");
    let mut command = stage.command(&["rows"]);
    let mut child = command.stdin(File::open(input)?).stdout(Stdio::piped()).stderr(File::create(&said)?).spawn()?;
    let done = acknowledged(&mut child)?;
    let watch = Watch::over(&[child.id()]);
    let started = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok((watch.end(), 0)),
            Some(status) => {
                let said = std::fs::read_to_string(&said)?;
                bail!("{status}: {}", said.trim().lines().last().unwrap_or_default());
            }
            None if started.elapsed() > patience => {
                let used = watch.end();
                child.kill()?;
                child.wait()?;
                return Ok((used, done.load(Relaxed).max(1)));
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// How many rows a peer says are in the sheet; counts on as it says so.
pub fn acknowledged(child: &mut Child) -> Result<Arc<AtomicU64>> {
    let count = Arc::new(AtomicU64::new(0));
    let (shared, out) = (Arc::clone(&count), child.stdout.take().context("no pipe")?);
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Ok(done) = line.trim().parse() {
                shared.store(done, Relaxed);
            }
        }
    });
    Ok(count)
}

/// Looks at processes while they live: what they used is the sum over them.
pub struct Watch {
    stop: Arc<AtomicU64>,
    thread: thread::JoinHandle<Vec<Living>>,
}

impl Watch {
    pub fn over(ids: &[u32]) -> Self {
        let ids = ids.to_vec();
        let stop = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut last = vec![Living::default(); ids.len()];
            loop {
                let stopped = shared.load(Relaxed) > 0;
                for (id, last) in ids.iter().zip(&mut last) {
                    // One that has ended says nothing more: its last words count. A zombie has no memory any more.
                    if let Ok(living) = meter::living(*id) {
                        let peak_bytes = last.peak_bytes.max(living.peak_bytes);
                        *last = Living { peak_bytes, processor: last.processor.max(living.processor), ..living };
                    }
                }
                if stopped {
                    return last;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self { stop, thread }
    }

    pub fn end(self) -> Living {
        self.stop.store(1, Relaxed);
        let each = self.thread.join().unwrap_or_default();
        each.into_iter().fold(Living::default(), |sum, one| Living {
            resident_bytes: sum.resident_bytes + one.resident_bytes,
            private_bytes: sum.private_bytes + one.private_bytes,
            peak_bytes: sum.peak_bytes + one.peak_bytes,
            wake_ups: sum.wake_ups + one.wake_ups,
            processor: sum.processor + one.processor,
        })
    }
}
