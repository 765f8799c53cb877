//! From the clock's own words to the library's: rows and amendments.
//!
//! `minutes` is a value, not a formula. Cells carry no zone, so `(finish-start)*1440` is an hour wrong in the two nights
//! of a year in which clocks are changed, and it cannot know of a clock that was set meanwhile. Nor does the recorder
//! ever write a formula. The price: who corrects an end by hand corrects the minutes too.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rowkeeper::outbox::Value;
use rowkeeper::record::{Record, Refused, Time};
use rowkeeper::{AmendError, Fields, RecordError, Recorder, RowId};

use crate::config::TIMESHEET;
use crate::ledger::{Change, Handing};
use crate::rules::Event;

/// Hands something to the outbox and says how that went.
pub(crate) fn hand(recorder: &Recorder, handing: Handing, zone: &TimeZone) -> Event {
    match handing {
        Handing::Record { name, person, project, start } => {
            let at = start.unix_ms().map(|unix_ms| time(unix_ms, zone));
            let fields = vec![
                ("project".to_owned(), Value::Text(project)),
                ("start".to_owned(), at.map_or(Value::Null, Value::from)),
                ("person".to_owned(), if person.is_empty() { Value::Null } else { Value::Text(person) }),
            ];
            let record = Record { table: Some(TIMESHEET.into()), id: Some(name), at, fields };
            match recorder.record(record) {
                Ok(accepted) => Event::Handed(accepted.id),
                Err(error) => {
                    let for_good = matches!(error, RecordError::Refused(_));
                    Event::NotHanded { why: whole(&error), for_good }
                }
            }
        }
        Handing::Amend { id, change } => {
            let amended = row(&id, change, zone)
                .map(|(id, fields)| recorder.amend(&id, fields))
                .map_err(|refused| Event::NotHanded { why: refused.to_string(), for_good: true });
            match amended {
                Ok(Ok(_)) => Event::Handed(id),
                Ok(Err(error)) => {
                    let for_good = matches!(error, AmendError::Unknown(_));
                    Event::NotHanded { why: whole(&error), for_good }
                }
                Err(event) => event,
            }
        }
    }
}

fn row(id: &str, change: Change, zone: &TimeZone) -> Result<(RowId, Fields), Refused> {
    let when = |unix_ms| Value::from(time(unix_ms, zone));
    let text = |text: String| if text.is_empty() { Value::Null } else { Value::Text(text) };
    let fields = [
        ("start", change.start.map(when)),
        ("finish", change.finish.map(when)),
        ("minutes", change.minutes.map(Value::Number)),
        ("note", change.note.map(text)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    Ok((RowId::parse(id)?, Fields::of(Record { fields, ..Record::default() })?))
}

fn time(unix_ms: i64, zone: &TimeZone) -> Time {
    let offset_s = Timestamp::from_millisecond(unix_ms).map_or(0, |at| zone.to_offset(at).seconds());
    Time { unix_ms, offset_s }
}

/// The error and its causes, on one line.
fn whole(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}
