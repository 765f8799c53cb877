//! From the start of the process, with a saved sign-in, to the first row in the sheet.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Form;
use crate::contestant::{self, Contestant, Stage, Token, Tools};
use crate::emulator::Setup;
use crate::meter;
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{Sample, mib, number, ratio};

const HOW: &str = "A device that was signed in before starts, puts one row into its sheet and ends. *Row* is the time from \
the start of the process until the emulator has the row, *processor* is user and system time until the end, *memory* the \
peak resident size. Peers keep nothing: they start and append. Rowkeeper is two processes, one after the other: \
`rowkeeper record`, which puts the row on disk, and `rowkeeper deliver`; both count. Round trips are made by a relay that \
holds bytes back, also one round trip for the TCP handshake; bytes are those inside TCP, both ways. Contestants take \
turns; the first turn is a warm-up and is not counted.";

#[derive(Default)]
struct Boots {
    row_ms: Sample,
    processor_ms: Sample,
    memory_mib: Sample,
    requests: Sample,
    kilobytes: Sample,
}

/// What the line and the saved token are like.
#[derive(Clone, Copy)]
struct Case {
    tls: bool,
    token: Token,
    round_trip_ms: u64,
}

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Boot", HOW);
    let (contestants, notes) = contestant::present(tools, &contestant::ALL);
    section.notes = notes;
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for tls in [false, true] {
        for token in [Token::Valid, Token::Expired] {
            let round_trips: &[u64] = match token {
                Token::Expired => &[50],
                _ => form.pick(&[0, 50], &[0, 50, 200]),
            };
            for round_trip_ms in round_trips {
                let case = Case { tls, token, round_trip_ms: *round_trip_ms };
                let boots = measure(tools, form, &contestants, case)?;
                section.tables.push(table(&contestants, &boots, case));
                if tls && token == Token::Valid {
                    for (contestant, boots) in contestants.iter().zip(&boots) {
                        let point = (*round_trip_ms as f64, boots.row_ms.median());
                        match lines.iter_mut().find(|(name, _)| name == contestant.name) {
                            Some((_, points)) => points.push(point),
                            None => lines.push((contestant.name.to_owned(), vec![point])),
                        }
                    }
                }
            }
        }
    }
    let last = lines.iter().map(|(name, points)| (name.clone(), points.last().map_or(f64::NAN, |point| point.1)));
    let longest = form.pick(50, 200);
    section.plots.push(Plot {
        file: "boot".into(),
        title: format!("Start to first row: TLS, saved token, {longest} ms round trip"),
        unit: "ms".into(),
        kind: Kind::Bars(last.collect()),
    });
    Ok(section)
}

fn measure(tools: &Tools, form: Form, contestants: &[Contestant], case: Case) -> Result<Vec<Boots>> {
    let setup = Setup { tls: case.tls, ..Setup::NO_QUOTA };
    let round_trip = Duration::from_millis(case.round_trip_ms);
    let stages: Vec<Stage<'_>> = contestants
        .iter()
        .map(|contestant| Stage::set(tools, *contestant, setup, round_trip, case.token))
        .collect::<Result<_>>()?;
    let mut all: Vec<Boots> = stages.iter().map(|_| Boots::default()).collect();
    let turns = form.pick(2, if case.round_trip_ms == 0 { 5 } else { 3 });
    for turn in 0..=turns {
        for (stage, boots) in stages.iter().zip(&mut all) {
            stage.restore_tokens()?;
            stage.next_minute()?;
            let (seen, traffic) = (stage.emulator.seen()?, stage.relay.traffic());
            let started = meter::unix_now();
            let used = if stage.contestant.is_ours() {
                let record = stage.finish(&["record", "n=0", "value=21.5", "note=boot"])?;
                record.then(stage.finish(&["deliver"])?)
            } else {
                stage.finish(&["boot"])?
            };
            let log = stage.emulator.log(seen)?;
            let row = log.iter().rev().find(|entry| entry.is_write() && entry.status == 200);
            let row = row.with_context(|| format!("{}: no row came", stage.contestant.name))?;
            let traffic = stage.relay.traffic() - traffic;
            if turn == 0 {
                continue;
            }
            boots.row_ms.push((row.at - started) * 1000.0);
            boots.processor_ms.push_ms(used.processor);
            boots.memory_mib.push(mib(used.peak_bytes));
            boots.requests.push(log.len() as f64);
            boots.kilobytes.push((traffic.sent + traffic.received) as f64 / 1000.0);
        }
    }
    Ok(all)
}

fn table(contestants: &[Contestant], all: &[Boots], case: Case) -> Table {
    let caption = format!(
        "{}, {} access token, {} ms round trip",
        if case.tls { "TLS" } else { "plain" },
        if case.token == Token::Expired { "expired" } else { "valid" },
        case.round_trip_ms
    );
    let mut table =
        Table::new(caption, &["", "row, ms", "ratio", "processor, ms", "memory, MiB", "requests", "kB on the wire"]);
    let ours = all.first().map_or(f64::NAN, |boots| boots.row_ms.median());
    for (contestant, boots) in contestants.iter().zip(all) {
        table.row([
            contestant.name.to_owned(),
            boots.row_ms.spread(),
            ratio(boots.row_ms.median(), ours),
            number(boots.processor_ms.median()),
            number(boots.memory_mib.median()),
            number(boots.requests.median()),
            number(boots.kilobytes.median()),
        ]);
    }
    table
}
