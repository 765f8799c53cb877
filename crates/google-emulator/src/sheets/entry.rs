//! Values as they come in `values.*`: stored as they are (`RAW`) or read as if typed (`USER_ENTERED`).

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    cell::{Cell, CellValue, Formats},
    errors::Refusal,
};
use crate::calendar::Date;

/// ValueInputOption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Raw,
    /// As if typed in that year: `1-2` is a day of it.
    UserEntered {
        year: i64,
    },
}

/// The year of a moment.
pub(crate) fn year_of(now: Duration) -> i64 {
    Date::from_unix_days((now.as_secs() / 86_400) as i64).year
}

/// Writes one value of a ValueRange. `null` leaves the cell alone, `""` empties it.
pub(crate) fn enter(cell: &mut Cell, value: &Value, input: Input, formats: &mut Formats) -> Result<(), Refusal> {
    let typed = match value {
        Value::Null => return Ok(()),
        Value::Bool(value) => CellValue::Bool(*value),
        Value::Number(number) => CellValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) if text.is_empty() => CellValue::Empty,
        Value::String(text) => match input {
            Input::Raw => CellValue::Text(text.clone()),
            // A cell that was made text by its format keeps what is typed.
            Input::UserEntered { .. } if matches!(cell.number_format(), Some(("TEXT", _))) => {
                CellValue::Text(text.clone())
            }
            Input::UserEntered { year } => {
                let (value, format) = read(text, year);
                if let Some((kind, pattern)) = format.filter(|_| cell.number_format().is_none()) {
                    let mut whole = cell.format.as_deref().cloned().unwrap_or_else(|| json!({}));
                    whole["numberFormat"] = json!({ "type": kind, "pattern": pattern });
                    cell.format = Some(formats.shared(&whole));
                }
                value
            }
        },
        Value::Array(_) | Value::Object(_) => {
            return Err(Refusal::unsourced(format!("Invalid values: {}", excerpt(value))));
        }
    };
    cell.value = typed.checked()?;
    Ok(())
}

/// A person types in a cell, for tests and the viewer.
pub(crate) fn type_in(cell: &mut Cell, text: &str, now: Duration) -> Result<(), Refusal> {
    enter(cell, &Value::from(text), Input::UserEntered { year: year_of(now) }, &mut Formats::default())?;
    cell.more = cell.more.take().filter(|more: &Arc<_>| !more.is_empty());
    Ok(())
}

fn excerpt(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

type Format = (&'static str, &'static str);

/// The number that typing this text gives, if it gives one.
pub(super) fn number_of(text: &str) -> Option<f64> {
    let trimmed = text.trim();
    number(trimmed).map(|(number, _)| number).or_else(|| date_and_time(trimmed, None).map(|(serial, _)| serial))
}

/// What typing this text gives, in the locale en_US.
///
/// unknown to us: how far Google's reading of dates goes; these forms are the plain ones.
fn read(text: &str, year: i64) -> (CellValue, Option<Format>) {
    let trimmed = text.trim();
    if let Some(literal) = trimmed.strip_prefix('\'') {
        return (CellValue::Text(literal.to_owned()), None);
    }
    if trimmed.len() > 1 && trimmed.starts_with('=') {
        return (CellValue::Formula(trimmed.to_owned()), None);
    }
    if trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false") {
        return (CellValue::Bool(trimmed.eq_ignore_ascii_case("true")), None);
    }
    if let Some((number, format)) = number(trimmed) {
        return (CellValue::Number(number), format);
    }
    if let Some((serial, format)) = date_and_time(trimmed, Some(year)) {
        return (CellValue::Number(serial), Some(format));
    }
    // `+…` and `-…` become formulas too (docs/google.md 8).
    if trimmed.len() > 1 && trimmed.starts_with(['+', '-']) {
        return (CellValue::Formula(format!("={trimmed}")), None);
    }
    (CellValue::Text(text.to_owned()), None)
}

fn number(text: &str) -> Option<(f64, Option<Format>)> {
    let decimals = |text: &str| text.contains('.');
    if let Some(percent) = text.strip_suffix('%') {
        let (number, _) = number(percent.trim_end())?;
        return Some((number / 100.0, Some(("PERCENT", if decimals(percent) { "0.00%" } else { "0%" }))));
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(amount) = rest.strip_prefix('$') {
        let pattern = if decimals(amount) { "$#,##0.00" } else { "$#,##0" };
        return plain_number(amount.trim_start()).map(|number| (sign * number, Some(("CURRENCY", pattern))));
    }
    let format = match rest {
        rest if rest.contains(',') => Some(("NUMBER", if decimals(rest) { "#,##0.00" } else { "#,##0" })),
        rest if rest.contains(['e', 'E']) => Some(("SCIENTIFIC", "0.00E+00")),
        _ => None,
    };
    plain_number(rest).map(|number| (sign * number, format))
}

/// Digits with an optional point and exponent, thousands in threes. No `inf`, no `nan`.
fn plain_number(text: &str) -> Option<f64> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let (whole, _) = text.split_once('.').unwrap_or((text, ""));
    let groups: Vec<&str> = whole.split(',').collect();
    let in_threes =
        groups[0].len() <= 3 && groups[1..].iter().all(|g| g.len() == 3 && g.bytes().all(|b| b.is_ascii_digit()));
    if groups.len() > 1 && !in_threes {
        return None;
    }
    text.replace(',', "").parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A date, a time, or both.
fn date_and_time(text: &str, this_year: Option<i64>) -> Option<(f64, Format)> {
    if let Some((time, pattern)) = time(text) {
        return Some((time, ("TIME", pattern)));
    }
    if let Some((date, pattern)) = date(text, this_year) {
        return Some((date.serial(), ("DATE", pattern)));
    }
    // The time is what follows the last blank that leaves one; `6:00 pm` has a blank of its own.
    let cuts = text.char_indices().filter(|(_, c)| matches!(c, ' ' | 'T'));
    cuts.rev().find_map(|(at, _)| {
        let (first, rest) = (text[..at].trim_end(), &text[at + 1..]);
        let ((date, pattern), (time, _)) = (date(first.trim_end_matches(','), this_year)?, time(rest.trim())?);
        let pattern = if pattern == "yyyy-mm-dd" { "yyyy-mm-dd hh:mm:ss" } else { "m/d/yyyy h:mm:ss" };
        Some((date.serial() + time, ("DATE_TIME", pattern)))
    })
}

/// `2026-11-22`, `11/22/2026`, `11/22/26`, `Nov 22, 2026`, `22-Nov-2026`, and in this year `11/22` and `1-2`.
fn date(text: &str, this_year: Option<i64>) -> Option<(Date, &'static str)> {
    let parts: Vec<&str> = text.split(['-', '/', ' ', ',']).filter(|part| !part.is_empty()).collect();
    let separators = text.chars().filter(|c| matches!(c, '-' | '/')).count();
    let digits = |part: &str| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = |part: &str| part.parse::<u32>().ok().filter(|_| digits(part));
    let year = |part: &str| match (part.len(), number(part)?) {
        (4, year) => Some(i64::from(year)),
        // As spreadsheets have it: 30 and later are of the last century.
        (2, year) if year < 30 => Some(2000 + i64::from(year)),
        (2, year) => Some(1900 + i64::from(year)),
        _ => None,
    };
    match *parts.as_slice() {
        [a, b, c] if separators == 2 && digits(a) && digits(b) && digits(c) => match a.len() {
            4 => Some((Date::new(year(a)?, number(b)?, number(c)?)?, "yyyy-mm-dd")),
            1 | 2 if text.contains('-') => Some((Date::new(year(c)?, number(a)?, number(b)?)?, "m-d-yyyy")),
            1 | 2 => Some((Date::new(year(c)?, number(a)?, number(b)?)?, "m/d/yyyy")),
            _ => None,
        },
        [a, b] if separators == 1 && a.len() <= 2 && b.len() <= 2 && digits(a) && digits(b) => {
            Some((Date::new(this_year?, number(a)?, number(b)?)?, if text.contains('/') { "m/d" } else { "m-d" }))
        }
        [a, b, c] if digits(b) && month(a).is_some() => {
            Some((Date::new(year(c)?, month(a)?, number(b)?)?, "mmm d, yyyy"))
        }
        [a, b, c] if digits(a) && month(b).is_some() => {
            Some((Date::new(year(c)?, month(b)?, number(a)?)?, "d-mmm-yyyy"))
        }
        _ => None,
    }
}

/// `Nov`, `november`.
fn month(word: &str) -> Option<u32> {
    let word = word.trim_end_matches('.').to_ascii_lowercase();
    (1..=12).find(|&month| {
        let name = Date { year: 2000, month, day: 1 }.month_name().to_ascii_lowercase();
        word == name || word == name[..3]
    })
}

/// `12:30`, `12:30:45.5`, `6 pm`, `6:00 pm`; and how it is shown.
fn time(text: &str) -> Option<(f64, &'static str)> {
    let lower = text.to_ascii_lowercase();
    let (clock, half) = match lower.strip_suffix("pm") {
        Some(clock) => (clock.trim_end(), Some(12.0)),
        None => match lower.strip_suffix("am") {
            Some(clock) => (clock.trim_end(), Some(0.0)),
            None => (lower.as_str(), None),
        },
    };
    let is_clock = clock.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
    let parts: Vec<f64> = clock.split(':').map(plain_number).collect::<Option<_>>().filter(|_| is_clock)?;
    let (hour, minute, second) = match (parts.as_slice(), half) {
        ([hour], Some(_)) => (*hour, 0.0, 0.0),
        ([hour, minute], _) => (*hour, *minute, 0.0),
        ([hour, minute, second], _) => (*hour, *minute, *second),
        _ => return None,
    };
    let shown_hour = hour;
    let hour = match half {
        Some(half) if (1.0..=12.0).contains(&hour) => hour % 12.0 + half,
        Some(_) => return None,
        None => hour,
    };
    let valid = hour < 24.0 && minute < 60.0 && second < 60.0 && shown_hour.fract() == 0.0 && minute.fract() == 0.0;
    let pattern = match (parts.len(), half) {
        (3, None) => "h:mm:ss",
        (3, Some(_)) => "h:mm:ss am/pm",
        (_, None) => "h:mm",
        (_, Some(_)) => "h:mm am/pm",
    };
    valid.then_some(((hour * 3_600.0 + minute * 60.0 + second) / 86_400.0, pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_is_read_as_a_person_means_it() {
        let text = |text: &str| CellValue::Text(text.into());
        for (typed, expected) in [
            ("21.5", CellValue::Number(21.5)),
            ("-3", CellValue::Number(-3.0)),
            ("1,234.5", CellValue::Number(1234.5)),
            ("1,2", text("1,2")),
            ("007", CellValue::Number(7.0)),
            ("25%", CellValue::Number(0.25)),
            ("$5", CellValue::Number(5.0)),
            ("true", CellValue::Bool(true)),
            ("=1+1", CellValue::Formula("=1+1".into())),
            ("=", text("=")),
            ("'007", text("007")),
            ("2026-11-22", CellValue::Number(46_348.0)),
            ("11/22/2026", CellValue::Number(46_348.0)),
            ("2026-11-22 12:00", CellValue::Number(46_348.5)),
            ("2026-11-22T06:00:00", CellValue::Number(46_348.25)),
            ("6:00 pm", CellValue::Number(0.75)),
            ("12:00 am", CellValue::Number(0.0)),
            ("2026-02-30", text("2026-02-30")),
            ("25:00", text("25:00")),
            ("inf", text("inf")),
            ("NaN", text("NaN")),
            ("1e400", text("1e400")),
            ("open door", text("open door")),
            ("1-2", CellValue::Number(46_024.0)),
            ("1/2", CellValue::Number(46_024.0)),
            ("13/2", text("13/2")),
            ("Nov 22, 2026", CellValue::Number(46_348.0)),
            ("22-nov-2026 6:00 pm", CellValue::Number(46_348.75)),
            ("11/22/26", CellValue::Number(46_348.0)),
            ("6 pm", CellValue::Number(0.75)),
            ("1e3", CellValue::Number(1_000.0)),
            ("+A1", CellValue::Formula("=+A1".into())),
            ("+43 664 123", CellValue::Formula("=+43 664 123".into())),
            ("-", text("-")),
            ("T", text("T")),
            ("Test 5", text("Test 5")),
        ] {
            assert_eq!(read(typed, 2026).0, expected, "{typed}");
        }
    }
}
