//! How a cell looks: `FORMATTED_VALUE`, `UNFORMATTED_VALUE`, `FORMULA`, and number formats (docs/google.md 8).

use std::{borrow::Cow, sync::Arc};

use serde_json::{Value, json};

use super::{
    cell::{Cell, CellValue},
    formula::{Calc, Worked},
};
use crate::calendar::{Date, SERIAL_OF_UNIX_EPOCH};

/// ValueRenderOption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Render {
    #[default]
    Formatted,
    /// Typed; dates as serial numbers unless asked for as text.
    Unformatted {
        dates_as_text: bool,
    },
    Formula {
        dates_as_text: bool,
    },
}

/// The JSON of a value in a ValueRange; a blank is the empty text.
pub(crate) fn value(cell: &Cell, render: Render) -> Value {
    let dates_as_text = match render {
        Render::Formatted => return formatted(cell).into(),
        Render::Unformatted { dates_as_text } | Render::Formula { dates_as_text } => dates_as_text,
    };
    match &cell.value {
        CellValue::Empty => "".into(),
        CellValue::Number(_) if dates_as_text && is_date(cell) => formatted(cell).into(),
        CellValue::Number(number) => number_json(*number),
        CellValue::Text(text) | CellValue::Formula(text) => text.as_str().into(),
        CellValue::Bool(value) => (*value).into(),
    }
}

fn is_date(cell: &Cell) -> bool {
    matches!(cell.number_format(), Some(("DATE" | "TIME" | "DATE_TIME", _)))
}

/// Google writes whole numbers without `.0`.
pub(crate) fn number_json(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT { Value::from(number as i64) } else { Value::from(number) }
}

/// A cell as it is shown: a formula gives way to what it gives. Borrowed unless there is one.
pub(crate) fn shown<'c>(
    cell: &'c Cell,
    calc: &Calc<'_>,
    (tab, row, column): (usize, usize, usize),
) -> (Cow<'c, Cell>, Option<Worked>) {
    if !matches!(cell.value, CellValue::Formula(_)) {
        return (Cow::Borrowed(cell), None);
    }
    let Some(worked) = calc.formula(tab, row, column) else { return (Cow::Borrowed(cell), None) };
    let mut cell = cell.clone();
    cell.value = match &worked {
        Worked::Blank => CellValue::Empty,
        Worked::Number(number) => CellValue::Number(*number),
        Worked::Text(text) => CellValue::Text(text.clone()),
        Worked::Bool(value) => CellValue::Bool(*value),
        Worked::Error(fault) => CellValue::Text(fault.shown().to_owned()),
    };
    if cell.number_format().is_none()
        && let Some((kind, pattern)) = calc.implied_format(tab, row, column)
    {
        let mut format = cell.format.as_deref().cloned().unwrap_or_else(|| json!({}));
        format["numberFormat"] = json!({ "type": kind });
        if let Some(pattern) = pattern {
            format["numberFormat"]["pattern"] = pattern.into();
        }
        cell.format = Some(Arc::new(format));
    }
    (Cow::Owned(cell), Some(worked))
}

/// As the function `TEXT` writes a number.
pub(crate) fn with_pattern(number: f64, pattern: &str) -> String {
    let is_date = pieces(pattern).iter().filter_map(Piece::code).any(|c| "ymdhsYMDHS".contains(c));
    if is_date { date_text(number, pattern) } else { decimal_text(number, pattern) }
}

/// The text in the grid.
pub(crate) fn formatted(cell: &Cell) -> String {
    match &cell.value {
        CellValue::Empty => String::new(),
        CellValue::Text(text) | CellValue::Formula(text) => text.clone(),
        CellValue::Bool(true) => "TRUE".into(),
        CellValue::Bool(false) => "FALSE".into(),
        CellValue::Number(number) => match cell.number_format() {
            None | Some(("TEXT", _)) => general(*number),
            Some((kind, pattern)) => number_text(*number, kind, pattern),
        },
    }
}

fn number_text(number: f64, kind: &str, pattern: Option<&str>) -> String {
    let pattern = pattern.filter(|pattern| !pattern.is_empty());
    match (kind, pattern) {
        // Defaults of the locale en_US.
        ("DATE", pattern) => date_text(number, pattern.unwrap_or("m/d/yyyy")),
        ("TIME", pattern) => date_text(number, pattern.unwrap_or("h:mm:ss am/pm")),
        ("DATE_TIME", pattern) => date_text(number, pattern.unwrap_or("m/d/yyyy h:mm:ss")),
        ("PERCENT", pattern) => decimal_text(number, pattern.unwrap_or("0.00%")),
        ("CURRENCY", pattern) => decimal_text(number, pattern.unwrap_or("$#,##0.00")),
        ("SCIENTIFIC", pattern) => decimal_text(number, pattern.unwrap_or("0.00E+00")),
        (_, Some(pattern)) => decimal_text(number, pattern),
        (_, None) => general(number),
    }
}

/// Automatic format: as many digits as are needed, about ten after the point at most.
pub(crate) fn general(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-9..1e21).contains(&size) {
        let text = format!("{number:.9E}");
        let (digits, exponent) = text.split_once('E').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        return format!("{}E{}{:02}", trim_zeros(digits), if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let text = trim_zeros(&format!("{number:.10}")).to_owned();
    if text == "-0" { "0".into() } else { text }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Patterns of digits: `0`, `#`, `.`, `,`, `%`, `E+`, quoted and escaped text; sections for negative and zero.
fn decimal_text(number: f64, pattern: &str) -> String {
    let sections: Vec<&str> = pattern.split(';').collect();
    let (pattern, number) = match sections.as_slice() {
        [_, negative, ..] if number < 0.0 => (*negative, -number),
        [_, _, zero, ..] if number == 0.0 => (*zero, number),
        [positive, ..] => (*positive, number),
        [] => (pattern, number),
    };
    let pieces = pieces(pattern);
    let is_digit = |c: char| "0#?.,".contains(c);
    let code: String = pieces.iter().filter_map(|piece| piece.code()).collect();
    let scaled = if code.contains('%') { number * 100.0 } else { number };
    let (whole_part, fraction_part) = code.split_once('.').unwrap_or((&code, ""));
    let digits_of = |part: &str, c: char| part.chars().take_while(|&d| d != 'E').filter(|&d| d == c).count();
    let least = digits_of(fraction_part, '0');
    let most = least + digits_of(fraction_part, '#') + digits_of(fraction_part, '?');
    let (mantissa, exponent) = match code.find(['E', 'e']) {
        Some(_) if scaled != 0.0 => {
            let exponent = scaled.abs().log10().floor();
            (scaled / 10f64.powf(exponent), exponent as i32)
        }
        _ => (scaled, 0),
    };
    let rounded = format!("{:.*}", most.min(30), mantissa.abs());
    let (whole, fraction) = rounded.split_once('.').unwrap_or((&rounded, ""));
    let mut fraction = fraction.to_owned();
    while fraction.len() > least && fraction.ends_with('0') {
        fraction.pop();
    }
    let mut whole = whole.trim_start_matches('0').to_owned();
    while whole.len() < digits_of(whole_part, '0').min(30) {
        whole.insert(0, '0');
    }
    if whole_part.contains(',') {
        for at in (1..whole.len()).filter(|at| at % 3 == 0).map(|at| whole.len() - at).collect::<Vec<_>>() {
            whole.insert(at, ',');
        }
    }
    let mut digits = whole;
    if !fraction.is_empty() {
        digits = format!("{digits}.{fraction}");
    }
    let is_negative = mantissa < 0.0 && digits.contains(|c: char| ('1'..='9').contains(&c));
    let mut out = String::from(if is_negative { "-" } else { "" });
    let mut written = false;
    let mut skip_exponent = false;
    for piece in &pieces {
        match piece {
            Piece::Code('E' | 'e') => {
                skip_exponent = true;
                out.push_str(&format!("E{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()));
            }
            Piece::Code('+' | '-') if skip_exponent => {}
            Piece::Code(c) if is_digit(*c) => {
                if !written {
                    out.push_str(&digits);
                }
                written = true;
            }
            Piece::Code(c) => out.push(*c),
            Piece::Literal(text) => out.push_str(text),
        }
    }
    out
}

enum Piece {
    Code(char),
    Literal(String),
}

impl Piece {
    fn code(&self) -> Option<char> {
        match self {
            Self::Code(c) => Some(*c),
            Self::Literal(_) => None,
        }
    }
}

/// Tells quoted (`"at"`) and escaped (`\h`) text from the rest.
fn pieces(pattern: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push(Piece::Literal(chars.by_ref().take_while(|&c| c != '"').collect())),
            '\\' => out.push(Piece::Literal(chars.next().map(String::from).unwrap_or_default())),
            c => out.push(Piece::Code(c)),
        }
    }
    out
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A letter and how often it stands there.
    Run(char, usize),
    /// `[h]`, `[m]`, `[s]`.
    Elapsed(char, usize),
    AmPm,
    Literal(String),
}

/// Date and time patterns. `m` is a minute next to hours or seconds, else a month.
fn date_text(serial: f64, pattern: &str) -> String {
    if !serial.is_finite() || serial.abs() > 3.0e6 {
        return general(serial);
    }
    let mut tokens = date_tokens(pattern);
    tell_minutes_from_months(&mut tokens);
    let fraction_digits = tokens.iter().filter_map(|t| if let Token::Run('0', n) = t { Some(*n) } else { None }).max();
    // A duration has a sign and counts away from zero, where a date of before 1900 counts up towards it.
    let is_duration = tokens.iter().any(|token| matches!(token, Token::Elapsed(..)));
    let is_negative = is_duration && serial < 0.0;
    let serial = if is_negative { -serial } else { serial };
    // Round to what is shown, else 59.9999999 s shows as 59 for a time that was entered as a whole minute.
    let units = 10f64.powi(fraction_digits.unwrap_or(0).min(6) as i32);
    let ticks = (serial * 86_400.0 * units).round();
    let seconds = (ticks / units).floor();
    let fraction = ticks - seconds * units;
    let days = (seconds / 86_400.0).floor();
    let of_day = (seconds - days * 86_400.0) as u64;
    let date = Date::from_unix_days(days as i64 - SERIAL_OF_UNIX_EPOCH);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let twelve = tokens.contains(&Token::AmPm);
    let shown_hour = if twelve { (hour + 11) % 12 + 1 } else { hour };
    let mut out = String::from(if is_negative && ticks > 0.0 { "-" } else { "" });
    for token in &tokens {
        match token {
            Token::Run('y', 1 | 2) => out.push_str(&format!("{:02}", date.year.rem_euclid(100))),
            Token::Run('y', _) => out.push_str(&format!("{:04}", date.year)),
            Token::Run('M', 3) => out.push_str(&date.month_name()[..3]),
            Token::Run('M', 5) => out.push_str(&date.month_name()[..1]),
            Token::Run('M', 4 | 6..) => out.push_str(date.month_name()),
            Token::Run('M', width) => out.push_str(&format!("{:0width$}", date.month)),
            Token::Run('d', 3) => out.push_str(&date.weekday_name()[..3]),
            Token::Run('d', 4..) => out.push_str(date.weekday_name()),
            Token::Run('d', width) => out.push_str(&format!("{:0width$}", date.day)),
            Token::Run('h', width) => out.push_str(&format!("{shown_hour:0width$}", width = (*width).min(2))),
            Token::Run('m', width) => out.push_str(&format!("{minute:0width$}", width = (*width).min(2))),
            Token::Run('s', width) => out.push_str(&format!("{second:0width$}", width = (*width).min(2))),
            Token::Run('0', width) => out.push_str(&format!("{:0width$}", fraction as u64, width = (*width).min(6))),
            Token::Run(other, count) => out.extend(std::iter::repeat_n(*other, *count)),
            Token::Elapsed('h', width) => out.push_str(&format!("{:0width$}", (seconds / 3_600.0) as i64)),
            Token::Elapsed('m', width) => out.push_str(&format!("{:0width$}", (seconds / 60.0) as i64)),
            Token::Elapsed(_, width) => out.push_str(&format!("{:0width$}", seconds as i64)),
            Token::AmPm => out.push_str(if hour < 12 { "AM" } else { "PM" }),
            Token::Literal(text) => out.push_str(text),
        }
    }
    out
}

fn date_tokens(pattern: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let lower = rest.to_ascii_lowercase();
        if let Some(mark) = ["am/pm", "a/p"].iter().find(|mark| lower.starts_with(**mark)) {
            tokens.push(Token::AmPm);
            rest = &rest[mark.len()..];
            continue;
        }
        let low = c.to_ascii_lowercase();
        match low {
            '"' => {
                let (text, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
                tokens.push(Token::Literal(text.to_owned()));
                rest = after;
            }
            '\\' => {
                let mut chars = rest[1..].chars();
                tokens.push(Token::Literal(chars.next().map(String::from).unwrap_or_default()));
                rest = chars.as_str();
            }
            '[' => {
                let (text, after) = rest[1..].split_once(']').unwrap_or((&rest[1..], ""));
                // `[Red]` and the like colour the cell and show nothing.
                let unit = text.chars().next().map(|c| c.to_ascii_lowercase());
                if let Some(unit) =
                    unit.filter(|u| "hms".contains(*u) && text.chars().all(|c| c.eq_ignore_ascii_case(u)))
                {
                    tokens.push(Token::Elapsed(unit, text.len().min(9)));
                }
                rest = after;
            }
            'y' | 'm' | 'd' | 'h' | 's' | '0' => {
                let count = rest.chars().take_while(|other| other.to_ascii_lowercase() == low).count();
                tokens.push(Token::Run(low, count));
                rest = &rest[count..];
            }
            _ => {
                tokens.push(Token::Literal(c.to_string()));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    tokens
}

fn tell_minutes_from_months(tokens: &mut [Token]) {
    let unit = |token: &Token| match token {
        Token::Run(c @ ('y' | 'M' | 'm' | 'd' | 'h' | 's'), _) | Token::Elapsed(c, _) => Some(*c),
        _ => None,
    };
    for at in 0..tokens.len() {
        let Token::Run('m', count) = tokens[at] else { continue };
        let before = tokens[..at].iter().rev().find_map(unit);
        let after = tokens[at + 1..].iter().find_map(unit);
        let is_minute = count <= 2 && (before == Some('h') || after == Some('s'));
        if !is_minute {
            tokens[at] = Token::Run('M', count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_format() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (21.5, "21.5"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.3333333333"),
            (1e15, "1000000000000000"),
            (1e21, "1E+21"),
            (-2.5e-12, "-2.5E-12"),
            (46_348.520_833, "46348.520833"),
        ] {
            assert_eq!(general(number), expected);
        }
    }

    #[test]
    fn numbers_with_a_pattern() {
        for (number, pattern, expected) in [
            (1234.5, "0.00", "1234.50"),
            (1234.5, "#,##0.00", "1,234.50"),
            (1234567.0, "#,##0", "1,234,567"),
            (0.256, "0.0%", "25.6%"),
            (-5.0, "0.0", "-5.0"),
            (-0.001, "0.0", "0.0"),
            (5.0, "00000", "00005"),
            (0.5, "#.##", ".5"),
            (21.5, "0.0\" °C\"", "21.5 °C"),
            (12345.0, "0.00E+00", "1.23E+04"),
            (-3.0, "0;(0);nil", "(3)"),
            (0.0, "0;(0);\"nil\"", "nil"),
        ] {
            assert_eq!(decimal_text(number, pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn dates_with_a_pattern() {
        for (serial, pattern, expected) in [
            (2.5, "yyyy-mm-dd hh:mm:ss", "1900-01-01 12:00:00"),
            (33.625, "yyyy-mm-dd hh:mm", "1900-02-01 15:00"),
            (46_348.520_833_333_33, "yyyy-mm-dd hh:mm:ss", "2026-11-22 12:30:00"),
            (46_348.520_833_333_33, "m/d/yyyy h:mm am/pm", "11/22/2026 12:30 PM"),
            (46_348.0, "dddd, d mmmm yyyy", "Sunday, 22 November 2026"),
            (46_348.0, "ddd mmm d, yy", "Sun Nov 22, 26"),
            (46_348.000_011_585_65, "ss.000", "01.001"),
            (1.25, "[h]:mm", "30:00"),
            (-5.0 / 86_400.0, "[h]:mm:ss", "-0:00:05"),
            (-1.25, "[hh]:mm", "-30:00"),
            (-61.5 / 86_400.0, "[m]:ss.0", "-1:01.5"),
            (-0.2 / 86_400.0, "[s]", "0"),
            (0.5, "\"at\" h\\h", "at 12h"),
            (46_348.25, "mm:ss", "00:00"),
            (-1.5, "yyyy-mm-dd hh:mm", "1899-12-28 12:00"),
            (46_348.999_999_999_9, "hh:mm:ss", "00:00:00"),
        ] {
            assert_eq!(date_text(serial, pattern), expected, "{pattern} of {serial}");
        }
    }
}
