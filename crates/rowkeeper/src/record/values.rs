//! One value: from what a person or a program wrote to what the cell will hold. Never rounded, never cut.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time as ClockTime};

use super::{Refused, TEXT_LIMIT, Time};
use crate::outbox::Value;
use crate::table::ColumnType;

/// A value that came as text, without a type of its own.
pub(super) fn of_text(key: &str, text: &str, kind: ColumnType) -> Result<Value, Refused> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let value = match kind {
        ColumnType::Text => return as_text(key, text),
        ColumnType::Auto => {
            let typed = boolean(text).or_else(|| number(text).map(Value::Number)).or_else(|| moment(text));
            return typed.map_or_else(|| as_text(key, text), Ok);
        }
        ColumnType::Number => number(text).map(Value::Number),
        ColumnType::Integer => number(text).filter(|number| number.fract() == 0.0).map(whole),
        ColumnType::Boolean => boolean(text),
        ColumnType::Date => date(text).map(Value::Date),
        ColumnType::Time => clock_time(text).map(Value::TimeOfDay),
        ColumnType::DateTime => moment(text).or_else(|| date_time(text).map(Value::DateTime)),
        ColumnType::Duration => duration(text).map(Value::Duration),
    };
    value.ok_or_else(|| Refused::Type { key: key.into(), wanted: wanted(kind) })
}

/// A value that JSON gave a type; only a declared column makes another of it.
pub(super) fn of_json(key: &str, raw: &str, kind: ColumnType) -> Result<Value, Refused> {
    match raw.as_bytes().first() {
        Some(b'n') => Ok(Value::Null),
        Some(b'{' | b'[') => Err(Refused::Nested(key.into())),
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|error| Refused::NotJson(error.to_string()))?;
            match kind {
                ColumnType::Auto => as_text(key, &text),
                _ => of_text(key, &text, kind),
            }
        }
        Some(b't' | b'f') => of_text(key, raw, kind),
        _ => match kind {
            ColumnType::Auto => Ok(double(key, raw)?.map_or_else(|| Value::Text(raw.into()), Value::Number)),
            ColumnType::Number => {
                let exact = double(key, raw)?.map(Value::Number);
                exact.ok_or_else(|| Refused::Type { key: key.into(), wanted: "a number that a double holds" })
            }
            _ => of_text(key, raw, kind),
        },
    }
}

fn wanted(kind: ColumnType) -> &'static str {
    match kind {
        // These take everything.
        ColumnType::Auto | ColumnType::Text => "a text",
        ColumnType::Number => "a number of at most 15 digits",
        ColumnType::Integer => "a whole number of at most 15 digits",
        ColumnType::Boolean => "true or false",
        ColumnType::Date => "a day such as 2026-11-22",
        ColumnType::Time => "a time of day such as 18:30 or 18:30:05.250",
        ColumnType::DateTime => "a time such as 2026-11-22T18:30:00+01:00, before the end of 9999",
        ColumnType::Duration => "a duration such as 1:30:00, 90 (seconds), 1h 30m or PT1H30M",
    }
}

/// A number as a program wrote it: fractions are doubles in the program too, and its digits are those of a double. None
/// for a whole number that a double cannot hold (a long id): that is its digits.
fn double(key: &str, raw: &str) -> Result<Option<f64>, Refused> {
    // What is too large for a double, serde_json does not read.
    let number: f64 = serde_json::from_str(raw).unwrap_or(f64::INFINITY);
    let is_whole = raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match number.is_finite() {
        true => Ok(Some(number).filter(|_| !is_whole || format!("{number:.0}") == raw || raw == "-0")),
        false => Err(Refused::Type { key: key.into(), wanted: "a finite number" }),
    }
}

pub(super) fn as_text(key: &str, text: &str) -> Result<Value, Refused> {
    match text.encode_utf16().count() {
        0..=TEXT_LIMIT => Ok(Value::Text(text.into())),
        characters => Err(Refused::TooLong { key: key.into(), characters }),
    }
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// A number as JSON writes it, of at most 15 digits: those a double holds exactly, so what is read back is what was
/// written. Telephone numbers (`+43…`), codes with leading zeros, `NaN` and long ids are not numbers.
fn number(text: &str) -> Option<f64> {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let json: serde_json::Number = (digits <= 15).then(|| serde_json::from_str(text).ok()).flatten()?;
    // serde_json ignores white space around a number; a value with some is text.
    let bare = text.bytes().all(|byte| !byte.is_ascii_whitespace());
    // What a double has no room for near zero would lose its digits.
    let held = |number: &f64| number.is_normal() || mantissa.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
    json.as_f64().filter(|number| bare && number.is_finite() && held(number))
}

/// `-0` is 0 where nobody measures.
fn whole(number: f64) -> Value {
    Value::Number(number + 0.0)
}

fn moment(text: &str) -> Option<Value> {
    Time::parse(text).map(Value::from)
}

// jiff reads more than people mean by these: week dates, missing parts, zones. The looks decide first.

fn date(text: &str) -> Option<Date> {
    is_like(text, "dddd-dd-dd").then(|| text.parse().ok()).flatten()
}

fn clock_time(text: &str) -> Option<ClockTime> {
    let (to_second, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = is_like(to_second, "dd:dd") && !text.contains('.') || is_like(to_second, "dd:dd:dd");
    // jiff takes a leap second for the one before it.
    let fits = whole && is_fraction(fraction) && !to_second.ends_with(":60");
    fits.then(|| text.parse().ok()).flatten()
}

fn date_time(text: &str) -> Option<DateTime> {
    let at = text.find(['T', 't', ' '])?;
    Some(date(&text[..at])?.to_datetime(clock_time(&text[at + 1..])?))
}

/// `H:MM:SS`, with any number of hours; seconds; or what jiff reads: `1h 30m`, `PT1H30M`.
fn duration(text: &str) -> Option<SignedDuration> {
    if let Some(seconds) = number(text) {
        return SignedDuration::try_from_secs_f64(seconds).ok();
    }
    let (is_negative, bare) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    match bare.split_once(':') {
        Some((hours, rest)) => {
            let (minutes_and_seconds, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
            let fits = is_like(minutes_and_seconds, "dd:dd") && is_fraction(fraction) && fraction.len() <= 9;
            let (minutes, seconds) = minutes_and_seconds.split_once(':').filter(|_| fits)?;
            let part = |text: &str| text.parse::<i64>().ok().filter(|part| *part < 60);
            let digits = hours.bytes().all(|byte| byte.is_ascii_digit());
            let hours = hours.parse::<i64>().ok().filter(|hours| digits && *hours < 10_000_000)?;
            let seconds = hours * 3600 + part(minutes)? * 60 + part(seconds)?;
            let duration = SignedDuration::new(seconds, format!("{fraction:0<9}").parse().ok()?);
            Some(if is_negative { -duration } else { duration })
        }
        None => text.parse().ok(),
    }
}

fn is_fraction(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `d` stands for a digit.
fn is_like(text: &str, pattern: &str) -> bool {
    let same = |(byte, like): (u8, u8)| if like == b'd' { byte.is_ascii_digit() } else { byte == like };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value) -> String {
        match value {
            Value::Text(text) => format!("text {text}"),
            Value::DateTime(local) => format!("local {local}"),
            other => other.to_json().to_string(),
        }
    }

    #[test]
    fn a_declared_column_takes_what_can_be_it_and_refuses_the_rest() {
        let type_of = |name: &str| -> ColumnType { serde_json::from_value(name.into()).unwrap() };
        for (kind, fine, wrong) in [
            ("text", vec![("007", "text 007"), ("true", "text true")], vec![]),
            (
                "number",
                vec![("1.5", "1.5"), ("-2e3", "-2000")],
                vec!["1,5", "007", "NaN", "1234567890123456", " 1", "true"],
            ),
            ("integer", vec![("7", "7"), ("-0", "0"), ("1e3", "1000")], vec!["1.5", "12345678901234567", "007", "x"]),
            ("boolean", vec![("true", "true"), ("false", "false")], vec!["1", "TRUE", "yes"]),
            (
                "date",
                vec![("2026-11-22", "\"2026-11-22\""), ("2024-02-29", "\"2024-02-29\"")],
                vec!["2026-02-29", "22.11.2026", "2026-W47-7", "20261122", "2026-11-22T00:00:00Z", "12026-11-22"],
            ),
            (
                "time",
                vec![("18:30", "\"18:30:00\""), ("18:30:05.250", "\"18:30:05.25\""), ("00:00:00", "\"00:00:00\"")],
                vec![
                    "24:00",
                    "8:30",
                    "18:30:60",
                    "18:30.5",
                    "1830",
                    "18:30:05.",
                    "2026-11-22T18:30:00Z",
                    "18:30+01:00",
                ],
            ),
            (
                "date-time",
                vec![
                    ("2026-11-22T18:30:00+01:00", "\"2026-11-22T18:30:00+01:00\""),
                    ("2026-11-22T17:30:00.25Z", "\"2026-11-22T17:30:00.25Z\""),
                    ("2026-11-22 18:30", "local 2026-11-22T18:30:00"),
                    // A time that no clock of Vienna shows: what a zone makes of it is not ours to say.
                    ("2026-03-29T02:30:00", "local 2026-03-29T02:30:00"),
                ],
                vec!["2026-11-22", "18:30", "2026-11-22T25:00:00", "9999-12-31T23:59:59Z", "1795368600"],
            ),
            (
                "duration",
                vec![
                    ("1:30:00", "\"1:30:00\""),
                    ("-0:00:01.5", "\"-0:00:01.5\""),
                    ("90", "\"0:01:30\""),
                    ("0.25", "\"0:00:00.25\""),
                    ("1h 30m", "\"1:30:00\""),
                    ("PT1H30M", "\"1:30:00\""),
                    ("100:00:00", "\"100:00:00\""),
                ],
                vec!["1:30", "1:60:00", "1:00:60", "soon", ":00:00", "1e300", "+1:00:00"],
            ),
        ] {
            let column = type_of(kind);
            for (text, value) in fine {
                assert_eq!(shown(of_text("k", text, column).unwrap()), value, "{text} as {kind}");
                let quoted = serde_json::to_string(text).unwrap();
                assert_eq!(shown(of_json("k", &quoted, column).unwrap()), value, "{quoted} as {kind}");
            }
            for text in wrong {
                let refused = of_text("k", text, column).expect_err(text);
                assert_eq!(refused, Refused::Type { key: "k".into(), wanted: wanted(column) }, "{text}");
            }
            assert_eq!(of_text("k", "", column).unwrap(), Value::Null);
            assert_eq!(of_json("k", "null", column).unwrap(), Value::Null);
        }
        assert_eq!(type_of("datetime"), ColumnType::DateTime);
    }

    #[test]
    fn json_numbers_become_what_the_column_is() {
        let read = |raw: &str, kind| of_json("k", raw, kind);
        assert_eq!(read("12", ColumnType::Text).unwrap(), Value::Text("12".into()));
        assert_eq!(read("90", ColumnType::Duration).unwrap(), Value::Duration(SignedDuration::from_secs(90)));
        assert_eq!(read("12.0", ColumnType::Integer).unwrap(), Value::Number(12.0));
        assert!(read("9007199254740993", ColumnType::Number).is_err(), "it would be another number");
        assert!(read("true", ColumnType::Number).is_err());
        assert!(read("1", ColumnType::Boolean).is_err());
    }
}
