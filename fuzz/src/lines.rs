//! Lines that programs of a device, also of other users, send to be recorded.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rowkeeper::Recorder;
use rowkeeper::clock::SystemClock;
use rowkeeper::config::Config;
use rowkeeper::intake::{Answer, Format, Outcome};
use rowkeeper::outbox::{Filter, Format as Written, Listed, Options, Outbox};

/// A column of each type; the second table has none.
const TABLES: &str = r#"
[[table]]
name = "typed"
columns = [
  { name = "x", type = "text" }, { name = "n", type = "number" }, { name = "i", type = "integer" },
  { name = "b", type = "boolean" }, { name = "d", type = "date" }, { name = "t", type = "time" },
  { name = "dt", type = "date-time" }, { name = "h", type = "duration" },
]
[[table]]
name = "plain"
"#;

/// From 0001 to 9998. At the ends of the calendar a time is written as the nearest that every offset has.
const PLAIN_YEARS_MS: Range<i64> = -62_135_596_800_000..253_370_764_800_000;

struct Kept {
    answers: Vec<Answer>,
    rows: Vec<Listed>,
    outbox: Arc<Outbox>,
}

/// Everything that is kept of `input` by a device that knows of nothing.
fn kept(format: Format, input: &[u8]) -> Kept {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| Arc::new(Config::parse(TABLES, None, PathBuf::from("/nowhere"), None).unwrap()));
    let outbox = Arc::new(Outbox::open_in_memory(Options { max_bytes: 1 << 30 }).unwrap());
    let recorder = Recorder::of(Arc::clone(config), Arc::clone(&outbox), Arc::new(SystemClock));
    let mut answers = Vec::new();
    let served = recorder.stream().serve(format, input, &mut |answer| {
        answers.push(answer.clone());
        true
    });
    // Only a header that is no text ends it, and then there is nothing else.
    assert!(served.is_ok() || (format == Format::Csv && answers.is_empty()), "{served:?}");
    let rows = outbox.list(&Filter::default()).unwrap();
    Kept { answers, rows, outbox }
}

/// JSON lines; or CSV below a line that says `csv`. Each line is answered once, in order; what is kept, and nothing else,
/// is in the queue; what is written out of the queue is read again as it was.
pub(crate) fn lines(data: &[u8]) {
    let (format, input) = match data.strip_prefix(b"csv\n") {
        Some(input) => (Format::Csv, input),
        None => (Format::Jsonl, data),
    };
    let first = kept(format, input);
    assert!(first.answers.windows(2).all(|pair| pair[0].line < pair[1].line), "{:?}", first.answers);
    for answer in &first.answers {
        assert!(answer.line > 0 && answer.id.is_some() != answer.error.is_some(), "{answer:?}");
        assert_ne!(answer.result, Outcome::NotRecorded, "{answer:?}");
        // One line of a terminal or a log.
        let said = answer.error.as_deref().unwrap_or_default();
        assert!(said.chars().count() <= 300 && !said.chars().any(char::is_control), "{said:?}");
    }
    let count = first.answers.iter().filter(|answer| answer.result == Outcome::Kept).count();
    assert_eq!(count, first.rows.len());

    for (written, format) in [(Written::Jsonl, Format::Jsonl), (Written::Csv, Format::Csv)] {
        let mut out = Vec::new();
        first.outbox.export(&Filter::default(), written, &mut out).unwrap().unwrap();
        let again = kept(format, &out);
        // An id that is as long as may be has no room for another device's tag.
        let is_long = |row: &&Listed| row.id.chars().count() > 100;
        if first.rows.iter().any(|row| is_long(&row)) {
            continue;
        }
        let refused: Vec<_> = again.answers.iter().filter_map(|answer| answer.error.as_deref()).collect();
        assert!(refused.is_empty(), "{refused:?} to {}", String::from_utf8_lossy(&out));
        assert_eq!(again.rows.len(), first.rows.len(), "{}", String::from_utf8_lossy(&out));
        for (old, new) in first.rows.iter().zip(&again.rows) {
            assert_eq!(new.table, old.table);
            let (before, after) = (old.happened.unix_ms(), new.happened.unix_ms());
            assert!(before == after || !PLAIN_YEARS_MS.contains(&before), "{before} came back as {after}");
            if format == Format::Jsonl {
                assert_eq!(plain(new), plain(old));
            }
        }
    }
}

fn plain(row: &Listed) -> Vec<(String, String)> {
    row.record.fields.iter().map(|(key, value)| (key.clone(), value.to_json().to_string())).collect()
}
