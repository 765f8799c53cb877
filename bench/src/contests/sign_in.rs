//! How far behind the owner's approval each client is, and how often it asked.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::Form;
use crate::contestant::{self, ANCESTOR, Contestant, GOOGLE_API, GOOGLEAPIS, GSPREAD, Stage, Token, Tools};
use crate::emulator::{OWNER, Setup};
use crate::meter;
use crate::plot::{Kind, Plot};
use crate::report::{Section, Table};
use crate::stats::{Sample, number};

const HOW: &str = "A device asks for a code; its owner approves it some seconds later, at the same moments for everybody. \
*Behind* is the time from the approval until the emulator gave out the token. RFC 8628 lets a client ask once an \
interval, so half an interval is what can be had on average; the moments are spread evenly over one. Round trip 50 ms, \
plain; all contestants at the same time, each with its own emulator.";

/// When the owner approves, after the code was shown and in intervals: somewhere in the second one, evenly, so that no
/// client is lucky with all of them.
fn moments(turns: u32) -> Vec<f64> {
    (0..turns).map(|turn| 1.0 + (f64::from(turn) + 0.5) / f64::from(turns)).collect()
}

pub fn run(tools: &Tools, form: Form) -> Result<Section> {
    let mut section = Section::new("Sign-in", HOW);
    let (contestants, notes) = contestant::present(tools, &contestant::ALL);
    section.notes = notes;
    for absent in [GOOGLE_API, GSPREAD, GOOGLEAPIS] {
        section.notes.push(format!("{}: not run: its library has no device flow", absent.name));
    }
    let able: Vec<Contestant> = contestants.into_iter().filter(|contestant| contestant.device_flow).collect();
    let mut bars = Vec::new();
    for interval in form.pick(&[1_u64][..], &[1, 5]) {
        let columns = ["", "behind approval, s", "in intervals", "polls", "told to slow down"];
        let mut table = Table::new(format!("interval {interval} s"), &columns);
        let moments = &moments(form.pick(2, 8));
        let results: Vec<Result<Vec<SignIn>>> = thread::scope(|scope| {
            let running: Vec<_> = able
                .iter()
                .map(|contestant| scope.spawn(move || turns(tools, *contestant, *interval, moments)))
                .collect();
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("the contest panicked"))).collect()
        });
        for (contestant, result) in able.iter().zip(results) {
            match result {
                Ok(all) => {
                    let behind: Sample = all.iter().map(|one| one.behind).collect();
                    table.row([
                        contestant.name.to_owned(),
                        behind.spread(),
                        number(behind.median() / *interval as f64),
                        all.iter().map(|one| one.polls as f64).collect::<Sample>().spread(),
                        all.iter().map(|one| one.slow_downs as f64).collect::<Sample>().spread(),
                    ]);
                    bars.push((format!("{}, {interval} s", contestant.name), behind.median()));
                }
                Err(error) => section.notes.push(format!("{}, interval {interval} s: {error:#}", contestant.name)),
            }
        }
        section.tables.push(table);
    }
    section.plots.push(Plot {
        file: "sign-in".into(),
        title: "Behind the approval, at intervals of 1 and 5 s".into(),
        unit: "s".into(),
        kind: Kind::Bars(bars),
    });
    Ok(section)
}

struct SignIn {
    behind: f64,
    polls: usize,
    slow_downs: usize,
}

fn turns(tools: &Tools, contestant: Contestant, interval: u64, moments: &[f64]) -> Result<Vec<SignIn>> {
    moments.iter().map(|moment| one(tools, contestant, interval, *moment)).collect()
}

fn one(tools: &Tools, contestant: Contestant, interval: u64, moment: f64) -> Result<SignIn> {
    let setup = Setup { approves: false, ..Setup::NO_QUOTA };
    let stage = Stage::set(tools, contestant, setup, Duration::from_millis(50), Token::None)?;
    stage.emulator.set_client(3599, interval)?;
    let seen = stage.emulator.seen()?;
    let mut command = stage.command(&["sign-in"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let outcome = (|| {
        let started = Instant::now();
        let code = loop {
            let codes = stage.emulator.get("/_emulator/codes", "")?;
            if let Some(code) = codes["codes"][0]["user_code"].as_str() {
                break code.to_owned();
            }
            if started.elapsed() > Duration::from_secs(20) {
                bail!("asked for no code");
            }
            thread::sleep(Duration::from_millis(10));
        };
        thread::sleep(Duration::from_secs_f64(moment * interval as f64));
        let approved = meter::unix_now();
        stage.emulator.post("/_emulator/approve", &json!({ "user_code": code, "account": OWNER }))?;
        let patience = Duration::from_secs(15 * interval.max(2));
        let started = Instant::now();
        while child.try_wait()?.is_none() && started.elapsed() < patience {
            thread::sleep(Duration::from_millis(20));
        }
        let log = stage.emulator.log(seen)?;
        let polls: Vec<_> = log.iter().filter(|entry| entry.path == "/token").collect();
        let behind = polls.iter().find(|entry| entry.status == 200).map(|entry| entry.at - approved);
        let slow_downs = polls.iter().filter(|entry| entry.status == 403).count();
        let behind = behind.with_context(|| {
            let why = if contestant == ANCESTOR { "; it asks again at once, whatever the answer" } else { "" };
            let (asked, seconds) = (stage.emulator.seen().unwrap_or(0), patience.as_secs());
            format!("no token within {seconds} s of the approval, after some {asked} requests{why}")
        })?;
        Ok(SignIn { behind, polls: polls.len(), slow_downs })
    })();
    _ = child.kill();
    child.wait()?;
    outcome
}
