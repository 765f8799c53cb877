//! A row that comes alone, while the program is running: from the moment it exists until it is in the sheet.

use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Form;
use crate::contestant::{self, Contestant, Stage, Token, Tools};
use crate::emulator::Setup;
use crate::meter;
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{Sample, number, ratio};

const HOW: &str = "The program runs; every few seconds it is given a row. *Row* is the time until the emulator has it. \
Peers get the row as a line on stdin. Rowkeeper's daemon is told by a `rowkeeper record` of its own each time, whose start \
and sync are part of the figure. The line is plain and open from the row before; *requests* are those for one row. All \
contestants at the same time, each with its own emulator.";

const EVERY: Duration = Duration::from_millis(2_300);

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("A lone row", HOW);
    let (contestants, notes) = contestant::present(tools, &contestant::ALL);
    section.notes = notes;
    let mut lines: Vec<(String, Vec<(f64, f64)>)> =
        contestants.iter().map(|contestant| (contestant.name.to_owned(), Vec::new())).collect();
    for round_trip in form.pick(&[50_u64][..], &[0, 50, 200]) {
        let results: Vec<Result<(Sample, Sample)>> = thread::scope(|scope| {
            let running: Vec<_> = contestants
                .iter()
                .enumerate()
                .map(|(at, contestant)| {
                    scope.spawn(move || {
                        // Not all in the same moment.
                        thread::sleep(Duration::from_millis(310 * at as u64));
                        rows(tools, *contestant, Duration::from_millis(*round_trip), form.pick(3, 7))
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("the contest panicked"))).collect()
        });
        let columns = ["", "row, ms", "ratio", "in round trips", "requests"];
        let mut table = Table::new(format!("{round_trip} ms round trip"), &columns);
        let ours = results.first().and_then(|first| Some(first.as_ref().ok()?.0.median())).unwrap_or(f64::NAN);
        for ((contestant, result), line) in contestants.iter().zip(results).zip(&mut lines) {
            match result {
                Ok((row, requests)) => {
                    let median = row.median();
                    let trips = if *round_trip == 0 { f64::NAN } else { median / *round_trip as f64 };
                    table.row([
                        contestant.name.to_owned(),
                        row.spread(),
                        ratio(median, ours),
                        number(trips),
                        number(requests.median()),
                    ]);
                    line.1.push((*round_trip as f64, median));
                }
                Err(error) => section.notes.push(format!("{}: failed: {error:#}", contestant.name)),
            }
        }
        section.tables.push(table);
    }
    section.notes.push("Half a round trip is the floor: the emulator has the row when the request arrives.".into());
    section.plots.push(Plot {
        file: "lone".into(),
        title: format!("A lone row, {} ms round trip", form.pick(50, 200)),
        unit: "ms".into(),
        kind: Kind::Bars(
            lines.into_iter().map(|(name, points)| (name, points.last().map_or(f64::NAN, |point| point.1))).collect(),
        ),
    });
    Ok(section)
}

fn rows(tools: &Tools, contestant: Contestant, round_trip: Duration, count: u32) -> Result<(Sample, Sample)> {
    let stage = Stage::set(tools, contestant, Setup::NO_QUOTA, round_trip, Token::Valid)?;
    let mut command = stage.command(&[if contestant.is_ours() { "run" } else { "rows" }]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let measured = feed(&stage, &mut child, count);
    _ = child.kill();
    child.wait()?;
    measured
}

fn feed(stage: &Stage<'_>, child: &mut Child, count: u32) -> Result<(Sample, Sample)> {
    let (mut row, mut requests) = (Sample::default(), Sample::default());
    let input = child.stdin.as_mut().context("no pipe")?;
    for n in 0..=count {
        let seen = stage.emulator.seen()?;
        let started = meter::unix_now();
        if stage.contestant.is_ours() {
            stage.finish(&["record", &format!("n={n}"), "value=21.5", "note=lone"])?;
        } else {
            writeln!(input, r#"["2026-11-22T08:00:00Z","bench",{n},21.5,"lone"]"#)?;
            input.flush()?;
        }
        // The first one pays for the start.
        thread::sleep(if n == 0 { EVERY * 3 } else { EVERY });
        let log = stage.emulator.log(seen)?;
        let written = log.iter().find(|entry| entry.is_write() && entry.status == 200).context("no row came")?;
        if n > 0 {
            row.push((written.at - started) * 1000.0);
            requests.push(log.len() as f64);
        }
    }
    Ok((row, requests))
}
