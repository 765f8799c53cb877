//! `rowkeeper record`: one record from the command line, or many from stdin.
//!
//! Lines from stdin are answered in order, each once it is durable. While lines come faster than the disk syncs, those
//! that arrived meanwhile share the next sync.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rowkeeper::outbox::Kept;
use rowkeeper::record::{RECORD_LIMIT_BYTES, Record, Refused};
use rowkeeper::{RecordError, Recorder};
use serde::Serialize;

use super::{Context, print, print_json};
use crate::args;
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, arguments: &args::Record) -> Result<Exit, Failure> {
    let not_recorded = |failure: Failure| Failure::new(failure.exit, format!("not recorded: {failure}"));
    let recorder = context.device().map_err(not_recorded)?.recorder();
    if let Some(name) = &arguments.table
        && recorder.table(Some(name)).is_none()
    {
        return Err(Failure::new(Exit::Usage, Refused::NoTable(name.clone())));
    }
    match arguments.stdin {
        Some(format) => many(&recorder, arguments.table.as_deref(), format),
        None => one(&recorder, arguments),
    }
}

fn one(recorder: &Recorder, arguments: &args::Record) -> Result<Exit, Failure> {
    let refused = |error: Refused| Failure::new(Exit::Failed, error);
    let table = recorder.table(arguments.table.as_deref());
    let words = arguments.fields.iter().map(String::as_str);
    let mut record = Record::from_words(words, table).map_err(|error| match error {
        Refused::NoKey(_) => Failure::new(Exit::Usage, error),
        _ => refused(error),
    })?;
    if let Some(id) = &arguments.id {
        record.set_id(id).map_err(refused)?;
    }
    if let Some(at) = &arguments.at {
        record.set_at(at).map_err(|error| Failure::new(Exit::Usage, error))?;
    }
    record.table = arguments.table.clone().or(record.table);
    let accepted = recorder.record(record).map_err(failure)?;
    // Whoever cannot hear the answer must not take it for a refusal.
    print(&accepted.id).map_err(|error| Failure::new(error.exit, format!("kept as {}, but: {error}", accepted.id)))?;
    Ok(Exit::Done)
}

/// What a line of input came to before the disk was asked.
struct Line {
    number: u64,
    record: Result<Record, Refused>,
}

/// Lines that may wait for the disk; when they do, reading stops, and so does the program that writes to us.
const BACK_PRESSURE: usize = 512;

fn many(recorder: &Recorder, table: Option<&str>, format: args::Format) -> Result<Exit, Failure> {
    let (send, lines) = sync_channel(BACK_PRESSURE);
    let reader = recorder.clone();
    let default = table.map(str::to_owned);
    thread::spawn(move || {
        let read = Reading { recorder: &reader, table: default.as_deref() };
        // A receiver that is gone has met the disk's trouble and is ending the program.
        let ended = match format {
            args::Format::Jsonl => read.jsonl(|line| send.send(Ok(line)).is_ok()).map_err(|error| error.to_string()),
            args::Format::Csv => read.csv(|line| send.send(Ok(line)).is_ok()).map_err(|error| error.to_string()),
        };
        _ = ended.map_err(|why| send.send(Err(why)));
    });
    keep(recorder, &lines)
}

/// What a line of input is answered with.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Kept { line: u64, id: &'a str, result: &'static str },
    Refused { line: u64, result: &'static str, error: String },
}

impl Answer<'_> {
    fn refused(line: u64, why: &Refused) -> Self {
        Self::Refused { line, result: "refused", error: why.to_string() }
    }
}

fn keep(recorder: &Recorder, lines: &Receiver<Result<Line, String>>) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    while let Ok(first) = lines.recv() {
        let mut broken = None;
        let arrived = [first].into_iter().chain(lines.try_iter().take(BACK_PRESSURE));
        let group: Vec<Line> = arrived.filter_map(|line| line.map_err(|why| broken = Some(why)).ok()).collect();
        let records: Vec<Record> = group.iter().filter_map(|line| line.record.as_ref().ok().cloned()).collect();
        // When the whole group does not fit, as much of it as fits is kept, in order.
        let (kept, trouble) = match recorder.record_all(&records) {
            Ok(kept) => (kept, None),
            Err(_) => one_by_one(recorder, &records),
        };
        let mut kept = kept.into_iter();
        for line in &group {
            let number = line.number;
            match &line.record {
                Err(refused) => {
                    exit = Exit::Failed;
                    print_json(&Answer::refused(number, refused))?;
                }
                Ok(_) => match (kept.next(), &trouble) {
                    (Some(accepted), _) => {
                        let result = if accepted.kept == Kept::Known { "known" } else { "kept" };
                        print_json(&Answer::Kept { line: number, id: &accepted.id, result })?;
                    }
                    (None, Some(RecordError::Refused(refused))) => {
                        print_json(&Answer::refused(number, refused))?;
                        return Ok(Exit::Failed);
                    }
                    (None, _) => {
                        let why = trouble.map(|error| failure(error).to_string()).unwrap_or_default();
                        return Err(Failure::new(Exit::Later, format!("from line {number} on: {why}")));
                    }
                },
            }
        }
        if let Some(why) = broken {
            return Err(Failure::new(Exit::Failed, format!("the input cannot be read any further: {why}")));
        }
    }
    Ok(exit)
}

fn one_by_one(recorder: &Recorder, records: &[Record]) -> (Vec<rowkeeper::outbox::Accepted>, Option<RecordError>) {
    let mut kept = Vec::new();
    for record in records {
        match recorder.record(record.clone()) {
            Ok(accepted) => kept.push(accepted),
            Err(error) => return (kept, Some(error)),
        }
    }
    (kept, None)
}

fn failure(error: RecordError) -> Failure {
    let exit = match &error {
        RecordError::Refused(Refused::NoTable(_)) => Exit::Usage,
        RecordError::Refused(_) => Exit::Failed,
        RecordError::Full(_) | RecordError::Disk(_) => Exit::Later,
    };
    Failure::new(exit, error)
}

/// U+FEFF in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

struct Reading<'r> {
    recorder: &'r Recorder,
    table: Option<&'r str>,
}

/// A line may be this long: a record at its limit with every character escaped.
const LINE_LIMIT: u64 = 6 * RECORD_LIMIT_BYTES as u64;

impl Reading<'_> {
    fn jsonl(&self, mut take: impl FnMut(Line) -> bool) -> io::Result<()> {
        let mut input = io::stdin().lock();
        let mut number = 0;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(());
            }
            number += 1;
            let too_long = bytes.len() as u64 == LINE_LIMIT && !bytes.ends_with(b"\n");
            if too_long {
                input.skip_until(b'\n')?;
            }
            if !too_long && bytes.trim_ascii().is_empty() {
                continue; // an empty line at the end, or between, is nobody's record
            }
            // Windows programs begin a file with a mark of its encoding.
            let line = bytes.strip_prefix(BOM).filter(|_| number == 1).unwrap_or(&bytes);
            let record = if too_long { Err(Refused::TooLarge(bytes.len())) } else { self.json(line) };
            if !take(Line { number, record }) {
                return Ok(());
            }
        }
    }

    fn json(&self, line: &[u8]) -> Result<Record, Refused> {
        let text = std::str::from_utf8(line).map_err(|error| Refused::NotJson(error.to_string()))?;
        let table = |named: Option<&str>| self.recorder.table(named.or(self.table)).cloned();
        Record::from_json(text.trim(), table).and_then(|record| self.addressed(record))
    }

    fn csv(&self, mut take: impl FnMut(Line) -> bool) -> csv::Result<()> {
        let ends = LineEnds::default();
        let input = Counted { input: io::stdin().lock(), ends: ends.clone(), read: 0 };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
        let header = reader.headers()?.clone();
        ends.quotes_before(reader.position().byte());
        let table = self.recorder.table(self.table);
        let mut row = csv::ByteRecord::new();
        while reader.read_byte_record(&mut row)? {
            let count = |wanted| row.iter().flatten().filter(|byte| **byte == wanted).count() as u64;
            let (inside, kept_quotes) = (count(b'\n'), count(b'"'));
            let end = reader.position().byte();
            let quotes = ends.quotes_before(end);
            let number = ends.line_that_ends_at(end).saturating_sub(inside);
            // A quote that is never closed takes all lines that follow into its field. They must not pass for one.
            let unclosed = quotes % 2 == 1 && (inside > 0 || kept_quotes == 0);
            let text = csv::StringRecord::from_byte_record(row.clone());
            let record = text
                .map_err(|error| Refused::NotCsv(error.to_string()))
                .and_then(|row| match unclosed {
                    true => Err(Refused::NotCsv("a quote is opened and not closed".into())),
                    false => Ok(row),
                })
                .and_then(|row| Record::from_csv(header.iter(), row.iter(), table))
                .and_then(|record| self.addressed(record));
            if !take(Line { number, record }) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn addressed(&self, mut record: Record) -> Result<Record, Refused> {
        record.table = record.table.or_else(|| self.table.map(str::to_owned));
        match self.recorder.table(record.table.as_deref()) {
            Some(_) => Ok(record),
            None => Err(Refused::NoTable(record.table.unwrap_or_default())),
        }
    }
}

/// Where lines end and quotes stand in the input. The CSV reader's own count is one behind after `\r\n` and at empty lines.
#[derive(Clone, Default)]
struct LineEnds(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    /// Byte offsets of line feeds that are still to come.
    ahead: VecDeque<u64>,
    /// How many are behind.
    behind: u64,
    /// Byte offsets of quotes that are still to come.
    quotes: VecDeque<u64>,
}

impl LineEnds {
    /// The number, from 1, of the line whose last byte (its line feed, if that was read) is before `byte`. To be asked
    /// in rising order.
    fn line_that_ends_at(&self, byte: u64) -> u64 {
        let mut ends = self.0.borrow_mut();
        while ends.ahead.front().is_some_and(|at| at + 1 < byte) {
            ends.ahead.pop_front();
            ends.behind += 1;
        }
        ends.behind + 1
    }

    /// How many quotes stand between the last question and `byte`.
    fn quotes_before(&self, byte: u64) -> usize {
        let quotes = &mut self.0.borrow_mut().quotes;
        let passed = quotes.iter().take_while(|at| **at < byte).count();
        quotes.drain(..passed).count()
    }
}

/// Notes where lines end as they are read.
struct Counted<R> {
    input: R,
    ends: LineEnds,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buffer)?;
        let at = |wanted| (self.read..).zip(&buffer[..len]).filter(move |(_, byte)| **byte == wanted).map(|(at, _)| at);
        let mut ends = self.ends.0.borrow_mut();
        ends.ahead.extend(at(b'\n'));
        ends.quotes.extend(at(b'"'));
        drop(ends);
        self.read += len as u64;
        Ok(len)
    }
}
