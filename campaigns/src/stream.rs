//! Programs that record: a stream of lines, or one row a call. They die at any moment, and what nobody acknowledged is
//! offered again under its id, or forgotten.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;
use crate::device::Device;
use crate::ledger::Ledger;
use crate::process::{Ran, Running, clock, feed};
use crate::random::Random;

/// How a recording process ends.
pub(crate) enum End<'f> {
    /// kill -9 after this.
    Killed(Duration),
    /// Its input ends after this.
    Closed(Duration),
    /// It is fed until it ends by itself or this is set; then it is killed.
    Until(&'f AtomicBool),
}

/// Sets its flag when it goes, however its owner ends: whoever is fed until then would be fed for ever.
pub(crate) struct Ending<'f>(pub(crate) &'f AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A program that records under keys of its own.
pub(crate) struct Source<'c> {
    device: &'c Device,
    ledger: &'c Ledger,
    name: String,
    next: u64,
    /// Offered, not acknowledged, and to be offered again.
    again: VecDeque<String>,
    /// So many of a hundred rows are long.
    long: u64,
    random: Random,
}

/// How many acknowledgements were seen by all of them.
pub(crate) static ACKNOWLEDGED: AtomicU64 = AtomicU64::new(0);

impl<'c> Source<'c> {
    pub(crate) fn new(device: &'c Device, ledger: &'c Ledger, name: String, random: Random) -> Self {
        Self { device, ledger, name, next: 0, again: VecDeque::new(), long: 2, random }
    }

    /// The same with long rows only.
    pub(crate) fn of_long_rows(self) -> Self {
        Self { long: 100, ..self }
    }

    fn key(&mut self) -> String {
        if let Some(key) = self.again.pop_front() {
            return key;
        }
        self.next += 1;
        let key = format!("{}x{}", self.name, self.next);
        self.ledger.offer(&key);
        key
    }

    /// One life of `record --stdin`; how it ended, `None` for a signal.
    pub(crate) fn stream(&mut self, end: &End<'_>) -> Outcome<Option<i32>> {
        let mut command = self.device.command(&["record", "--stdin"]);
        command.stdin(Stdio::piped());
        let mut running = Running::start(command)?;
        let input = running.stdin().ok_or("no stdin")?;
        let (clock, mut keys) = (clock(), Vec::new());
        let over = |so_far: Duration| match end {
            End::Killed(after) | End::Closed(after) => so_far >= *after,
            End::Until(flag) => flag.load(Ordering::Relaxed),
        };
        while !over(clock()) {
            let mut lines = String::new();
            // Alone, or in a flood.
            for _ in 0..if self.random.chance(20) { 1 + self.random.below(60) } else { 1 } {
                let key = self.key();
                lines += &self.line(&key);
                keys.push(key);
            }
            if !feed(&input, &lines)? {
                break; // it has ended
            }
            thread::sleep(self.random.millis(0, 30));
        }
        let ran = if matches!(end, End::Closed(_)) {
            drop(input);
            running.end(Duration::from_secs(60))?
        } else {
            running.kill()?
        };
        self.settle(&keys, &ran.out)?;
        Ok(ran.code)
    }

    fn line(&mut self, key: &str) -> String {
        let len = if self.random.chance(self.long) { 5_000 } else { self.random.below(200) as usize };
        let text: String = "so it goes ".chars().cycle().take(len).collect();
        format!("{}\n", json!({ "_id": key, "key": key, "number": self.random.below(1_000), "text": text }))
    }

    /// Reads the acknowledgements, and decides which of the rest to offer again.
    fn settle(&mut self, keys: &[String], answers: &str) -> Outcome {
        let mut acknowledged = vec![false; keys.len()];
        // A line that was cut in the middle acknowledges nothing.
        let whole = answers.rfind('\n').map_or("", |end| &answers[..end]);
        for line in whole.lines() {
            let answer: Value = serde_json::from_str(line).map_err(|error| format!("{error} in answer {line:?}"))?;
            let number = answer["line"].as_u64().ok_or("an answer without a line number")? as usize - 1;
            let (Some(key), Some("kept" | "known")) = (keys.get(number), answer["result"].as_str()) else {
                return Err(format!("a good row was refused: {line}").into());
            };
            acknowledged[number] = true;
            self.ledger.acknowledge(key);
            ACKNOWLEDGED.fetch_add(1, Ordering::Relaxed);
        }
        for (key, acknowledged) in keys.iter().zip(acknowledged) {
            // A row that was acknowledged may be offered again too: it is known, and kept once.
            if self.random.chance(if acknowledged { 1 } else { 60 }) {
                self.again.push_back(key.clone());
            }
        }
        Ok(())
    }

    /// `record` with one row; its key, how it ended and what it said.
    pub(crate) fn one(&mut self, killed_after: Option<Duration>) -> Outcome<(String, Ran)> {
        let key = self.key();
        let field = format!("key={key}");
        let running = self.device.start(&["record", "--id", &key, &field, "number=1"])?;
        let ran = match killed_after {
            Some(after) => {
                thread::sleep(after);
                running.kill()?
            }
            None => running.end(Duration::from_secs(60))?,
        };
        if ran.out.ends_with('\n') {
            self.ledger.acknowledge(&key);
            ACKNOWLEDGED.fetch_add(1, Ordering::Relaxed);
        } else {
            self.again.push_back(key.clone());
        }
        Ok((key, ran))
    }
}
