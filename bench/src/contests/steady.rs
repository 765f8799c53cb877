//! A record a second, for minutes.

use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Form;
use super::flood::Watch;
use crate::contestant::{self, Contestant, Stage, Token, Tools};
use crate::emulator::Setup;
use crate::meter::Living;
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{mib, number, ratio};

const HOW: &str = "A row each second, in real time, at 50 ms round trip and with Google's quota of 60 writes a minute. Peers \
are one program that gets its rows on stdin; Rowkeeper is `rowkeeper run` and a `rowkeeper record --stdin`, and both count. \
*Wake-ups* are voluntary context switches. *Behind* are rows that were given and are not in the sheet at the end. All \
contestants at the same time, each with its own emulator.";

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Steady", HOW);
    let (contestants, notes) = contestant::present(tools, &contestant::ALL);
    section.notes = notes;
    let seconds = form.pick(15, 600);
    let results: Vec<Result<Steady>> = thread::scope(|scope| {
        let running: Vec<_> =
            contestants.iter().map(|contestant| scope.spawn(move || steady(tools, *contestant, seconds))).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("the contest panicked"))).collect()
    });
    let columns = [
        "",
        "processor, ms a row",
        "ratio",
        "wake-ups a row",
        "resident, MiB",
        "peak, MiB",
        "writes a minute",
        "refused (429)",
        "behind",
    ];
    let mut table = Table::new(format!("{seconds} seconds, {seconds} rows"), &columns);
    let per_row = |used: f64| used / f64::from(seconds);
    let ours = results.first().and_then(|first| first.as_ref().ok());
    let ours = ours.map_or(f64::NAN, |steady| steady.used.processor.as_secs_f64());
    let mut bars = Vec::new();
    for (contestant, result) in contestants.iter().zip(results) {
        match result {
            Ok(Steady { used, writes, refused, behind }) => {
                let processor = used.processor.as_secs_f64();
                table.row([
                    contestant.name.to_owned(),
                    number(per_row(processor * 1000.0)),
                    ratio(processor, ours),
                    number(per_row(used.wake_ups as f64)),
                    number(mib(used.resident_bytes)),
                    number(mib(used.peak_bytes)),
                    number(per_row(writes as f64 * 60.0)),
                    refused.to_string(),
                    behind.to_string(),
                ]);
                bars.push((contestant.name.to_owned(), mib(used.resident_bytes)));
            }
            Err(error) => section.notes.push(format!("{}: failed: {error:#}", contestant.name)),
        }
    }
    section.tables.push(table);
    section.plots.push(Plot {
        file: "steady".into(),
        title: "Resident memory at a row a second".into(),
        unit: "MiB".into(),
        kind: Kind::Bars(bars),
    });
    Ok(section)
}

struct Steady {
    used: Living,
    writes: u64,
    refused: u64,
    behind: u64,
}

fn steady(tools: &Tools, contestant: Contestant, seconds: u32) -> Result<Steady> {
    let stage = Stage::set(tools, contestant, Setup::GOOGLE, Duration::from_millis(50), Token::Valid)?;
    stage.next_minute()?;
    let quiet = |words: &[&str]| {
        let mut command = stage.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    let mut children: Vec<Child> = if contestant.is_ours() {
        vec![quiet(&["record", "--stdin"])?, quiet(&["run"])?]
    } else {
        vec![quiet(&["rows"])?]
    };
    let measured = feed(&stage, &mut children, seconds);
    for child in &mut children {
        _ = child.kill();
        child.wait()?;
    }
    measured
}

fn feed(stage: &Stage<'_>, children: &mut [Child], seconds: u32) -> Result<Steady> {
    let ids: Vec<u32> = children.iter().map(Child::id).collect();
    let watch = Watch::over(&ids);
    let mut input = children[0].stdin.take().context("no pipe")?;
    let (mut seen, mut writes, mut refused) = (stage.emulator.seen()?, 0, 0);
    let mut count = |seen: &mut u64| -> Result<()> {
        for entry in stage.emulator.log(*seen)? {
            *seen = entry.number;
            writes += u64::from(entry.is_write());
            refused += u64::from(entry.status == 429);
        }
        Ok(())
    };
    let started = Instant::now();
    for n in 1..=seconds {
        thread::sleep((started + Duration::from_secs(u64::from(n))).saturating_duration_since(Instant::now()));
        let row = if stage.contestant.is_ours() {
            format!(r#"{{"n":{n},"value":21.5,"note":"steady"}}"#)
        } else {
            format!(r#"["2026-11-22T08:00:00Z","bench",{n},21.5,"steady"]"#)
        };
        writeln!(input, "{row}").context("the program has ended")?;
        if n % 60 == 0 {
            count(&mut seen)?;
        }
    }
    thread::sleep(Duration::from_secs(1));
    count(&mut seen)?;
    let used = watch.end();
    let arrived = stage.emulator.numbers()?.len() as u64;
    Ok(Steady { used, writes, refused, behind: u64::from(seconds).saturating_sub(arrived) })
}
