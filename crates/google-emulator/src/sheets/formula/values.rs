//! What formulas give, and how one kind of value is taken for another.

use std::{cmp::Ordering, time::Duration};

use serde_json::{Value, json};

use super::super::{entry, ranges::Area, render};
use crate::calendar::SERIAL_OF_UNIX_EPOCH;

/// The value of a formula, or of a cell that one looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Worked {
    Blank,
    Number(f64),
    Text(String),
    Bool(bool),
    Error(Fault),
}

/// `#DIV/0!` and its kin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

/// ErrorType of the discovery document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    DivideByZero,
    Value,
    Ref,
    Name,
    Num,
    NotAvailable,
}

const KINDS: [(Kind, &str, &str); 7] = [
    (Kind::Error, "#ERROR!", "ERROR"),
    (Kind::DivideByZero, "#DIV/0!", "DIVIDE_BY_ZERO"),
    (Kind::Value, "#VALUE!", "VALUE"),
    (Kind::Ref, "#REF!", "REF"),
    (Kind::Name, "#NAME?", "NAME"),
    (Kind::Num, "#NUM!", "NUM"),
    (Kind::NotAvailable, "#N/A", "N_A"),
];

impl Kind {
    pub(super) fn of(shown: &str) -> Self {
        KINDS.iter().find(|(_, text, _)| *text == shown).map_or(Self::Error, |(kind, ..)| *kind)
    }
}

impl Fault {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn circular() -> Self {
        Self::new(Kind::Ref, "Circular dependency detected.")
    }

    /// As it stands in the grid.
    pub(crate) fn shown(&self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self.kind).map_or("#ERROR!", |(_, text, _)| text)
    }

    fn type_name(&self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self.kind).map_or("ERROR", |(.., name)| name)
    }
}

impl Worked {
    /// A number that JSON can carry.
    pub(super) fn finite(number: f64) -> Result<Self, Fault> {
        match number.is_finite() {
            true => Ok(Self::Number(number)),
            false => Err(Fault::new(Kind::Num, "The result is not a number.")),
        }
    }

    /// Text counts as what typing it would give.
    pub(super) fn number(&self) -> Result<f64, Fault> {
        match self {
            Self::Blank => Ok(0.0),
            Self::Number(number) => Ok(*number),
            Self::Bool(value) => Ok(f64::from(u8::from(*value))),
            Self::Text(text) => entry::number_of(text).ok_or_else(|| {
                Fault::new(Kind::Value, format!("'{text}' is a text and cannot be taken for a number."))
            }),
            Self::Error(fault) => Err(fault.clone()),
        }
    }

    pub(super) fn text(&self) -> Result<String, Fault> {
        match self {
            Self::Blank => Ok(String::new()),
            Self::Number(number) => Ok(render::general(*number)),
            Self::Bool(value) => Ok(if *value { "TRUE" } else { "FALSE" }.to_owned()),
            Self::Text(text) => Ok(text.clone()),
            Self::Error(fault) => Err(fault.clone()),
        }
    }

    pub(super) fn truth(&self) -> Result<bool, Fault> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            other => Ok(other.number()? != 0.0),
        }
    }

    /// ExtendedValue, for `effectiveValue`.
    pub(crate) fn to_extended(&self) -> Value {
        match self {
            Self::Blank => json!({ "numberValue": 0 }),
            Self::Number(number) => json!({ "numberValue": render::number_json(*number) }),
            Self::Text(text) => json!({ "stringValue": text }),
            Self::Bool(value) => json!({ "boolValue": value }),
            Self::Error(fault) => {
                json!({ "errorValue": { "type": fault.type_name(), "message": fault.message } })
            }
        }
    }
}

/// Numbers before text before booleans; text without regard to case. A blank is equal to nothing at all of any kind.
pub(super) fn compare(left: &Worked, right: &Worked) -> Ordering {
    let rank = |value: &Worked| match value {
        Worked::Number(_) | Worked::Blank | Worked::Error(_) => 0,
        Worked::Text(_) => 1,
        Worked::Bool(_) => 2,
    };
    match (left, right) {
        (Worked::Blank, Worked::Text(text)) => "".cmp(text.as_str()),
        (Worked::Text(text), Worked::Blank) => text.as_str().cmp(""),
        (Worked::Blank, Worked::Bool(value)) => false.cmp(value),
        (Worked::Bool(value), Worked::Blank) => value.cmp(&false),
        (Worked::Text(left), Worked::Text(right)) => left.to_lowercase().cmp(&right.to_lowercase()),
        (Worked::Bool(left), Worked::Bool(right)) => left.cmp(right),
        _ => match (rank(left), rank(right)) {
            (0, 0) => {
                let number = |value: &Worked| value.number().unwrap_or_default();
                number(left).partial_cmp(&number(right)).unwrap_or(Ordering::Equal)
            }
            (left, right) => left.cmp(&right),
        },
    }
}

/// What an argument is before it is known whether one value or many are wanted.
pub(super) enum Operand {
    One(Worked),
    Many(Many),
}

pub(super) enum Many {
    Area(Area),
    List(Vec<Vec<Worked>>),
}

impl Many {
    pub(super) fn size(&self) -> (usize, usize) {
        match self {
            Self::Area(area) => (area.rows.len(), area.columns.len()),
            Self::List(rows) => (rows.len(), rows.first().map_or(0, Vec::len)),
        }
    }
}

/// Days since 1899-12-30, UTC.
pub(super) fn serial_of(unix: Duration) -> f64 {
    unix.as_secs_f64() / 86_400.0 + SERIAL_OF_UNIX_EPOCH as f64
}
