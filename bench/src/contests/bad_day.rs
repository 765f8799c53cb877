//! The flood on a bad day: lost replies, errors, a sign-in taken back, kills.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::Form;
use crate::contestant::{self, Contestant, Stage, Token, Tools};
use crate::emulator::{OWNER, Setup};
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::number;

const HOW: &str = "Rows come at 2,000 a second, at 50 ms round trip, with Google's quota. One request in ten is carried out \
and its reply lost, one in twenty is answered 503. When a fifth of the rows is in the sheet the processes are killed \
(`kill -9`), at two fifths the owner revokes the sign-in, at three fifths they are killed again. Whatever ends is started \
again after a second, and is given once more all rows that it had not yet reported as done (Rowkeeper: as recorded, \
each with an id of its own; peers: as appended). A peer that ends for want of a sign-in gets a new one after five \
seconds, as from a watchful person; Rowkeeper asks by itself. *Lost* are rows that were reported and are not in the \
sheet, *doubled* are rows that are there more than once, *unsent* were not reported when the time was up. All \
contestants at the same time, each with its own emulator.";

/// Rows a second.
const PACE: u64 = 2_000;

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Bad day", HOW);
    let (contestants, notes) = contestant::present(tools, &contestant::ALL);
    section.notes = notes;
    let rows = form.pick(10_000, 100_000);
    let patience = Duration::from_secs(form.pick(90, 150));
    let results: Vec<Result<BadDay>> = thread::scope(|scope| {
        let running: Vec<_> = contestants
            .iter()
            .map(|contestant| scope.spawn(move || bad_day(tools, *contestant, rows, patience)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("the contest panicked"))).collect()
    });
    let columns = ["", "lost", "doubled", "unsent", "seconds to drain", "replies lost", "503s", "starts"];
    let caption = format!("{} rows, {} s at most", number(rows as f64), patience.as_secs());
    let mut table = Table::new(caption, &columns);
    let mut doubled = Vec::new();
    for (contestant, result) in contestants.iter().zip(results) {
        match result {
            Ok(day) => {
                let seconds = if day.finished { number(day.seconds) } else { "not done".into() };
                table.row([
                    contestant.name.to_owned(),
                    number(day.lost as f64),
                    number(day.doubled as f64),
                    number(day.unsent as f64),
                    seconds,
                    day.struck[0].to_string(),
                    day.struck[1].to_string(),
                    day.starts.to_string(),
                ]);
                doubled.push((contestant.name.to_owned(), day.doubled as f64));
                section.notes.extend(day.last_words.map(|words| format!("{}: {words}", contestant.name)));
            }
            Err(error) => section.notes.push(format!("{}: failed: {error:#}", contestant.name)),
        }
    }
    section.tables.push(table);
    section.plots.push(Plot {
        file: "bad-day".into(),
        title: format!("Rows doubled on a bad day, of {}", number(rows as f64)),
        unit: "rows".into(),
        kind: Kind::Bars(doubled),
    });
    Ok(section)
}

struct BadDay {
    lost: u64,
    doubled: u64,
    unsent: u64,
    seconds: f64,
    finished: bool,
    /// Replies lost, and 503s.
    struck: [u64; 2],
    starts: u32,
    last_words: Option<String>,
}

/// The processes of a contestant, and what they reported.
struct Running {
    children: Vec<Child>,
    reported: Arc<AtomicU64>,
}

fn bad_day(tools: &Tools, contestant: Contestant, rows: u64, patience: Duration) -> Result<BadDay> {
    let stage = Stage::set(tools, contestant, Setup::GOOGLE, Duration::from_millis(50), Token::Valid)?;
    stage.next_minute()?;
    let rules = json!({ "rules": [
        { "path": "/v4/spreadsheets", "probability": 0.1, "seed": 8, "action": { "do": "drop", "when": "after" } },
        { "path": "/v4/spreadsheets", "probability": 0.05, "seed": 9, "action": { "do": "status", "status": 503 } },
    ]});
    stage.emulator.post("/_emulator/faults", &rules)?;
    let started = Instant::now();
    let mut running = start(&stage, started, 0, rows)?;
    let (mut starts, mut blows, mut finished, mut last_words) = (1, 0, false, None);
    while started.elapsed() < patience {
        thread::sleep(Duration::from_millis(if contestant.is_ours() { 250 } else { 20 }));
        let reported = running.reported.load(Relaxed);
        let waiting = if contestant.is_ours() { stage.waiting().unwrap_or(0) } else { 0 };
        let done = reported.saturating_sub(waiting);
        if done == rows {
            finished = true;
            break;
        }
        let ended = running.children.iter_mut().any(|child| {
            // `record --stdin` ends by itself when it has read everything.
            child.try_wait().is_ok_and(|status| status.is_some_and(|status| !status.success()))
        });
        let kill = matches!(blows, 0 | 2) && done >= rows * (blows + 1) / 5;
        if blows == 1 && done >= rows * 2 / 5 {
            stage.emulator.post("/_emulator/revoke", &json!({ "account": OWNER }))?;
            blows += 1;
        } else if kill || ended {
            blows += u64::from(kill);
            stop(&mut running);
            if ended && !kill {
                last_words = said(&stage).or(last_words);
                if !contestant.is_ours() {
                    thread::sleep(Duration::from_secs(5));
                    stage.sign_in()?;
                }
            }
            thread::sleep(Duration::from_secs(1));
            let reported = running.reported.load(Relaxed);
            running = start(&stage, started, reported, rows)?;
            starts += 1;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let reported = running.reported.load(Relaxed);
    let waiting = if contestant.is_ours() { stage.waiting().unwrap_or(0) } else { 0 };
    stop(&mut running);
    let faults = stage.emulator.get("/_emulator/faults", "")?;
    let struck = [0, 1].map(|at| faults["rules"][at]["struck"].as_u64().unwrap_or(0));
    stage.emulator.clear_faults()?;
    let mut numbers = stage.emulator.numbers()?;
    let all = numbers.len() as u64;
    numbers.sort_unstable();
    numbers.dedup();
    let there = numbers.iter().filter(|n| **n <= reported).count() as u64;
    Ok(BadDay {
        // What still waits in the outbox is neither lost nor sent.
        lost: reported.saturating_sub(there).saturating_sub(waiting),
        doubled: all - numbers.len() as u64,
        unsent: rows - reported.saturating_sub(waiting),
        seconds,
        finished,
        struck,
        starts,
        last_words,
    })
}

fn said(stage: &Stage<'_>) -> Option<String> {
    let said = std::fs::read_to_string(stage.folder.join("said")).ok()?;
    let line = said.trim().lines().last()?;
    Some(format!("its last words before it was started again: `{}`", line.chars().take(160).collect::<String>()))
}

fn stop(running: &mut Running) {
    for child in &mut running.children {
        _ = child.kill();
        _ = child.wait();
    }
}

/// Starts the contestant's processes; rows behind `reported` are given (again).
fn start(stage: &Stage<'_>, begun: Instant, reported: u64, rows: u64) -> Result<Running> {
    let ours = stage.contestant.is_ours();
    let mut children = Vec::new();
    if ours {
        let mut daemon = stage.command(&["run"]);
        children.push(daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    }
    let words: &[&str] = if ours { &["record", "--stdin"] } else { &["rows"] };
    let said = std::fs::File::create(stage.folder.join("said"))?;
    let mut child = stage.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(said).spawn()?;
    let input = child.stdin.take().context("no pipe")?;
    let output = child.stdout.take().context("no pipe")?;
    children.push(child);
    let count = Arc::new(AtomicU64::new(reported));
    let shared = Arc::clone(&count);
    thread::spawn(move || {
        // Peers say how many are done in this life; Rowkeeper answers each line.
        for (at, line) in BufReader::new(output).lines().map_while(Result::ok).enumerate() {
            let done = if ours { Some(at as u64 + 1) } else { line.trim().parse().ok() };
            done.into_iter().for_each(|done| shared.store(reported + done, Relaxed));
        }
    });
    thread::spawn(move || feed(input, ours, begun, reported, rows));
    Ok(Running { children, reported: count })
}

/// Row by row, as they come; until nobody reads any more.
fn feed(input: ChildStdin, ours: bool, begun: Instant, reported: u64, rows: u64) -> std::io::Result<()> {
    let mut input = BufWriter::new(input);
    for n in reported + 1..=rows {
        let due = begun + Duration::from_micros(n * 1_000_000 / PACE);
        let early = due.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            input.flush()?;
            // A burst each hundredth of a second.
            thread::sleep(early.max(Duration::from_millis(10)));
        }
        if ours {
            writeln!(input, r#"{{"_id":"r{n}","n":{n},"value":21.5,"note":"a bad day"}}"#)?;
        } else {
            writeln!(input, r#"["2026-11-22T08:00:00Z","bench",{n},21.5,"a bad day"]"#)?;
        }
    }
    input.flush()
}
