//! Values as they come in `values.*`: stored as they are (`RAW`) or read as if typed (`USER_ENTERED`).

use std::sync::Arc;

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
    UserEntered,
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
            Input::UserEntered => {
                let (value, format) = read(text);
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
pub(crate) fn type_in(cell: &mut Cell, text: &str) -> Result<(), Refusal> {
    enter(cell, &Value::from(text), Input::UserEntered, &mut Formats::default())?;
    cell.more = cell.more.take().filter(|more: &Arc<_>| !more.is_empty());
    Ok(())
}

fn excerpt(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

type Format = (&'static str, &'static str);

/// What typing this text gives, in the locale en_US.
fn read(text: &str) -> (CellValue, Option<Format>) {
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
    if let Some((serial, format)) = date_and_time(trimmed) {
        return (CellValue::Number(serial), Some(format));
    }
    (CellValue::Text(text.to_owned()), None)
}

fn number(text: &str) -> Option<(f64, Option<Format>)> {
    if let Some(percent) = text.strip_suffix('%') {
        let (number, _) = number(percent.trim_end())?;
        return Some((number / 100.0, Some(("PERCENT", if percent.contains('.') { "0.00%" } else { "0%" }))));
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(amount) = rest.strip_prefix('$') {
        return plain_number(amount).map(|number| (sign * number, Some(("CURRENCY", "$#,##0.00"))));
    }
    plain_number(rest).map(|number| (sign * number, None))
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

/// `2026-11-22`, `11/22/2026`, `1-2` (a day of no particular year is not read), each with `12:30[:45[.5]] [am|pm]`.
fn date_and_time(text: &str) -> Option<(f64, Format)> {
    let (first, rest) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    match (date(first), rest.trim()) {
        (Some(date), "") => Some((date.serial(), ("DATE", date_pattern(first)))),
        (Some(date), rest) => {
            let time = time(rest)?;
            let pattern = if first.contains('/') { "m/d/yyyy h:mm:ss" } else { "yyyy-mm-dd hh:mm:ss" };
            Some((date.serial() + time, ("DATE_TIME", pattern)))
        }
        (None, _) => time(text).map(|time| (time, ("TIME", "h:mm:ss"))),
    }
}

fn date_pattern(text: &str) -> &'static str {
    if text.contains('/') { "m/d/yyyy" } else { "yyyy-mm-dd" }
}

fn date(text: &str) -> Option<Date> {
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let all_digits = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !all_digits {
        return None;
    }
    match (a.len(), c.len()) {
        (4, 1 | 2) => Date::new(a.parse().ok()?, b.parse().ok()?, c.parse().ok()?),
        (1 | 2, 4) => Date::new(c.parse().ok()?, a.parse().ok()?, b.parse().ok()?),
        _ => None,
    }
}

fn time(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let (clock, half) = match lower.strip_suffix("pm") {
        Some(clock) => (clock.trim_end(), Some(12.0)),
        None => match lower.strip_suffix("am") {
            Some(clock) => (clock.trim_end(), Some(0.0)),
            None => (lower.as_str(), None),
        },
    };
    let parts: Vec<f64> = clock.split(':').map(plain_number).collect::<Option<_>>()?;
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (*hour, *minute, 0.0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let hour = match half {
        Some(half) if (1.0..=12.0).contains(&hour) => hour % 12.0 + half,
        Some(_) => return None,
        None => hour,
    };
    let valid = hour < 24.0 && minute < 60.0 && second < 60.0 && hour.fract() == 0.0 && minute.fract() == 0.0;
    valid.then_some((hour * 3_600.0 + minute * 60.0 + second) / 86_400.0)
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
        ] {
            assert_eq!(read(typed).0, expected, "{typed}");
        }
    }
}
