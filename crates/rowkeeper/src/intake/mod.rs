//! Many records from a program: a line in, an answer out, over a pipe or a socket.
//!
//! Answers come in the order of the lines, each once its record is durable. Lines that have arrived together share one
//! sync; while the disk is busy nothing more is read, so a program that is too fast waits.

mod csv;
mod door;
mod lines;
mod through;

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::outbox::Kept;
use crate::record::{Record, Refused};
use crate::recorder::{RecordError, Recorder};
pub use door::{Door, DoorError};
pub use lines::LINE_LIMIT;
pub use through::{Through, Way, way};

/// What a stream of records is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// A header line, then one record a line (RFC 4180).
    Csv,
}

/// The answer to one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The line's number, from 1; 0 for an answer to none.
    pub line: u64,
    /// The record's id, if it is on this device or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What became of it.
    pub result: Outcome,
    /// Why it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It survives a power cut from now on.
    Kept,
    /// Its id was recorded before; nothing was written.
    Known,
    /// It cannot be kept as it is; offered again it is refused again.
    Refused,
    /// The disk is full or failing, or the queue is full. Offered again under the same id it is kept once.
    NotRecorded,
}

impl Answer {
    pub(crate) fn refused(line: u64, why: &Refused) -> Self {
        Self { line, id: None, result: Outcome::Refused, error: Some(why.to_string()) }
    }

    fn not_recorded(line: u64, why: String) -> Self {
        Self { line, id: None, result: Outcome::NotRecorded, error: Some(why) }
    }
}

/// A line of input before anything was made of it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) raw: Result<Raw, Refused>,
}

/// What a line says.
#[derive(Debug)]
pub(crate) enum Raw {
    /// A line of JSON.
    Json(String),
    /// Keys and values without a type of their own.
    Texts(Vec<(String, String)>),
}

/// Where lines come from.
pub(crate) trait Source {
    /// The next line; waits for it if `wait`. `None`: there is none, or none yet.
    fn next(&mut self, wait: bool) -> io::Result<Option<Entry>>;
}

pub(crate) fn source<'r>(format: Format, input: impl Read + 'r) -> Box<dyn Source + 'r> {
    match format {
        Format::Jsonl => Box::new(lines::Lines::new(input)),
        Format::Csv => Box::new(csv::Rows::new(input)),
    }
}

/// Lines that share a sync, at most.
const GROUP: usize = 512;

/// Records from a program, one a line.
#[derive(Clone)]
pub struct Stream {
    recorder: Recorder,
    table: Option<String>,
}

impl Recorder {
    /// For programs that record a lot: see [`Stream::serve`].
    pub fn stream(&self) -> Stream {
        Stream { recorder: self.clone(), table: None }
    }
}

impl Stream {
    /// Records that name no table go to this one.
    #[must_use]
    pub fn into_table(self, table: Option<String>) -> Self {
        Self { table, ..self }
    }

    /// Reads lines from `input` to its end, keeps them, and hands out an answer to each as soon as it is durable, until
    /// `answer` says false.
    ///
    /// # Errors
    /// `input` cannot be read any further; all that was read is answered.
    pub fn serve(&self, format: Format, input: impl Read, answer: &mut dyn FnMut(&Answer) -> bool) -> io::Result<()> {
        let mut source = source(format, input);
        while let Some(first) = source.next(true)? {
            let mut group = vec![first];
            let mut broken = None;
            while group.len() < GROUP {
                match source.next(false) {
                    Ok(Some(entry)) => group.push(entry),
                    Ok(None) => break,
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
            }
            if !self.keep(group).iter().all(&mut *answer) {
                return Ok(());
            }
            if let Some(error) = broken {
                return Err(error);
            }
        }
        Ok(())
    }

    /// All of a group with one sync; where that does not work, as much of it as does, in order.
    fn keep(&self, group: Vec<Entry>) -> Vec<Answer> {
        let lines: Vec<(u64, Result<Record, Refused>)> =
            group.into_iter().map(|entry| (entry.number, entry.raw.and_then(|raw| self.record(&raw)))).collect();
        let records: Vec<Record> = lines.iter().filter_map(|(_, record)| record.as_ref().ok().cloned()).collect();
        let mut kept = match self.recorder.record_all(&records) {
            Ok(kept) => kept.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(_) => self.one_by_one(records),
        }
        .into_iter();
        let mut answers = Vec::with_capacity(lines.len());
        for (number, record) in lines {
            answers.push(match record.map(|_| kept.next()) {
                Err(refused) => Answer::refused(number, &refused),
                Ok(Some(Ok(accepted))) => {
                    let result = if accepted.kept == Kept::Known { Outcome::Known } else { Outcome::Kept };
                    Answer { line: number, id: Some(accepted.id), result, error: None }
                }
                Ok(Some(Err(RecordError::Refused(refused)))) => Answer::refused(number, &refused),
                Ok(Some(Err(error))) => Answer::not_recorded(number, with_cause(&error)),
                // After the disk's first no the rest is not tried.
                Ok(None) => Answer::not_recorded(number, "not recorded: the line before was not either".into()),
            });
        }
        answers
    }

    fn one_by_one(&self, records: Vec<Record>) -> Vec<Result<crate::outbox::Accepted, RecordError>> {
        let mut done = Vec::new();
        for record in records {
            let kept = self.recorder.record(record);
            let is_over = matches!(kept, Err(RecordError::Full(_) | RecordError::Disk(_)));
            done.push(kept);
            if is_over {
                break;
            }
        }
        done
    }

    fn record(&self, raw: &Raw) -> Result<Record, Refused> {
        let table = |named: Option<&str>| self.recorder.table(named.or(self.table.as_deref())).cloned();
        let mut record = match raw {
            Raw::Json(line) => match through::texts(line)? {
                Some(pairs) => self.texts(&pairs)?,
                None => Record::from_json(line, table)?,
            },
            Raw::Texts(pairs) => self.texts(pairs)?,
        };
        record.table = record.table.or_else(|| self.table.clone());
        match self.recorder.table(record.table.as_deref()) {
            Some(_) => Ok(record),
            None => Err(Refused::NoTable(record.table.unwrap_or_default())),
        }
    }

    fn texts(&self, pairs: &[(String, String)]) -> Result<Record, Refused> {
        let named = pairs.iter().rfind(|(key, _)| key == "_table").map(|(_, table)| table.as_str());
        let table = self.recorder.table(named.or(self.table.as_deref()));
        Record::from_texts(pairs.iter().map(|(key, text)| Ok((key.as_str(), text.as_str()))), table)
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// One answer as one line.
pub(crate) fn write_answer(output: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    output.write_all(&line)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::Config;
    use crate::outbox::{Options, Outbox};

    const TABLES: &str = "[[table]]\nname = \"a\"\ncolumns = [{ name = \"n\", type = \"integer\" }, { name = \"d\", type = \"duration\" },
                          { name = \"t\", type = \"date-time\" }]\n[[table]]\nname = \"b\"\n";

    fn stream() -> Stream {
        let config = Config::parse(TABLES, None, "/nowhere".into(), None).unwrap();
        let outbox = Arc::new(Outbox::open_in_memory(Options { max_bytes: 1 << 30 }).unwrap());
        Recorder::of(Arc::new(config), outbox, Arc::new(SystemClock)).stream()
    }

    fn answers(stream: &Stream, format: Format, input: &[u8]) -> Vec<Answer> {
        let mut answers = Vec::new();
        _ = stream.serve(format, input, &mut |answer| {
            answers.push(answer.clone());
            true
        });
        answers
    }

    const JSONL: &str = "{\"n\":1,\"d\":\"1:30:00\",\"_id\":\"x\",\"t\":\"2026-11-22T18:30:00+01:00\"}\n\
                         { \"_texts\":[[\"n\",\"2\"],[\"_table\",\"b\"],[\"d\",\"90\"]]}\r\n\n\
                         {\"_table\":\"b\",\"_at\":\"2026-11-22T17:30:00Z\",\"text\":\"\u{fc} \\u00e4\"}";
    const CSV: &str = "\u{feff}n,_id,d,t\r\n1,x,1:30:00,2026-11-22 18:30\n\n\"2\",\"y\"\"\",\"PT1H\",\"\"\n3,z,,\u{fc}";

    #[test]
    fn the_inputs_below_are_what_they_should_be() {
        let kept = |format, input: &str| {
            let all = answers(&stream(), format, input.as_bytes());
            all.iter().map(|a| format!("{} {:?}", a.line, a.result)).collect::<Vec<_>>()
        };
        assert_eq!(kept(Format::Jsonl, JSONL), ["1 Kept", "2 Kept", "4 Kept"]);
        assert_eq!(kept(Format::Csv, CSV), ["2 Kept", "4 Kept", "5 Refused"]);
    }

    /// Cut at each byte, and with each bit turned round: every line that comes out is answered, and nothing breaks.
    #[test]
    fn no_byte_from_outside_breaks_it() {
        let stream = stream();
        for (format, text) in [(Format::Jsonl, JSONL), (Format::Csv, CSV)] {
            let all = text.as_bytes();
            let check = |input: &[u8]| {
                let answers = answers(&stream, format, input);
                assert!(answers.windows(2).all(|pair| pair[0].line < pair[1].line), "{answers:?}");
                assert!(
                    answers.iter().all(|a| a.id.is_some() != a.error.is_some() && a.result != Outcome::NotRecorded)
                );
            };
            for at in 0..all.len() {
                check(&all[..at]);
                for bit in 0..8 {
                    let mut bytes = all.to_vec();
                    bytes[at] ^= 1 << bit;
                    check(&bytes);
                }
            }
        }
    }
}
