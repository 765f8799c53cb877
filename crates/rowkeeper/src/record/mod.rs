//! A record: what a person or program hands over, checked once, here.
//!
//! A record is a flat list of keys and values. Nothing is ever changed to make it fit: what cannot be kept as it is, is
//! refused with a reason. In particular text is never cut, a number never rounded, and text stays text whatever it
//! looks like to a spreadsheet.

mod values;

use std::collections::HashSet;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::outbox::Value;
use crate::table::{ColumnType, Table, check_key};

/// One record, ready to be accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Which table; `None`: the first.
    pub table: Option<String>,
    /// The caller's own id: a record with an id that was seen before is not kept twice.
    pub id: Option<String>,
    /// When it happened, if not now.
    pub at: Option<Time>,
    /// Keys (unique, checked) and values, in the caller's order.
    pub fields: Vec<(String, Value)>,
}

/// A moment, with the offset it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: i64,
    /// Seconds east of Greenwich.
    pub offset_s: i32,
}

impl From<Time> for Value {
    fn from(Time { unix_ms, offset_s }: Time) -> Self {
        Self::Time { unix_ms, offset_s }
    }
}

/// Google refuses longer cells (docs/google.md, size limits). Counted in UTF-16 units, the strictest reading.
pub const TEXT_LIMIT: usize = 50_000;

/// Far above a sensible row and below what one call may carry, so that every accepted row can be sent.
pub const RECORD_LIMIT_BYTES: usize = 1 << 20;

/// A record that is not kept, and why. Nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not `KEY=VALUE`.
    NoKey(String),
    /// The key cannot be a column.
    Key(String, &'static str),
    /// The same key twice.
    TwiceTheKey(String),
    /// The text is too long for a cell.
    TooLong {
        /// The key.
        key: String,
        /// Its length in characters.
        characters: usize,
    },
    /// The value is not of the column's type.
    Type {
        /// The key.
        key: String,
        /// What the column was declared as.
        wanted: &'static str,
    },
    /// A list or an object inside the record.
    Nested(String),
    /// Not JSON, or not a JSON object.
    NotJson(String),
    /// Not CSV: the quotes do not match, or it is not UTF-8.
    NotCsv(String),
    /// `_at` or `--at` is not an RFC 3339 time with an offset.
    NotATime(String),
    /// An id that is empty, too long or not printable.
    BadId,
    /// No key at all.
    Empty,
    /// More than [`RECORD_LIMIT_BYTES`].
    TooLarge(usize),
    /// A CSV line with more fields than the header has.
    TooManyFields(usize),
    /// There is no such table.
    NoTable(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey(text) => write!(f, "\"{}\" is not KEY=VALUE", shown(text)),
            Self::Key(key, why) => write!(f, "\"{}\" cannot be a key: {why}", shown(key)),
            Self::TwiceTheKey(key) => write!(f, "the key \"{}\" comes twice", shown(key)),
            Self::TooLong { key, characters } => {
                write!(f, "\"{}\" has {characters} characters; a cell holds at most {TEXT_LIMIT}", shown(key))
            }
            Self::Type { key, wanted } => write!(f, "\"{}\" must be {wanted}", shown(key)),
            Self::Nested(key) => write!(f, "\"{}\" is a list or an object; a cell holds one value", shown(key)),
            Self::NotJson(why) => write!(f, "not a JSON object: {}", shown(why)),
            Self::NotCsv(why) => write!(f, "not CSV: {}", shown(why)),
            Self::NotATime(text) => {
                let end = if text.starts_with("9999-") { ", before the end of 9999" } else { "" };
                write!(f, "\"{}\" is not a time with an offset, such as 2026-11-22T18:30:00+01:00{end}", shown(text))
            }
            Self::BadId => write!(f, "an id has 1 to 100 printable characters"),
            Self::Empty => write!(f, "the record has no values"),
            Self::TooLarge(bytes) => write!(f, "the record has {bytes} bytes; at most {RECORD_LIMIT_BYTES} fit"),
            Self::TooManyFields(header) => write!(f, "more fields than the {header} of the header line"),
            Self::NoTable(name) => write!(f, "there is no table \"{}\"; the configuration names them", shown(name)),
        }
    }
}

impl std::error::Error for Refused {}

impl Record {
    /// Reads `KEY=VALUE` words; a value's type is its looks, unless `table` declares the column.
    ///
    /// # Errors
    /// [`Refused`] says which word cannot be kept.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w str>, table: Option<&Table>) -> Result<Self, Refused> {
        let pairs = words.into_iter().map(|word| word.split_once('=').ok_or_else(|| Refused::NoKey(word.into())));
        Self::from_texts(pairs, table)
    }

    /// Reads one line of JSON: a flat object. Types are JSON's, unless `table` declares the column; an integer that a
    /// double cannot hold is kept as its digits.
    ///
    /// # Errors
    /// [`Refused`] says what cannot be kept.
    pub fn from_json(line: &str, table: impl Fn(Option<&str>) -> Option<Table>) -> Result<Self, Refused> {
        let mut reader = serde_json::Deserializer::from_str(line);
        let pairs = reader
            .deserialize_map(Pairs)
            .and_then(|pairs| reader.end().map(|()| pairs))
            .map_err(|error| not_json(&error))?;
        let mut record = Self::default();
        let mut rest = Vec::new();
        for (key, raw) in pairs {
            if !record.take_reserved(&key, || json_text(&key, &raw))? {
                rest.push((key, raw));
            }
        }
        let table = table(record.table.as_deref());
        for (key, raw) in rest {
            let value = values::of_json(&key, raw.get(), declared(table.as_ref(), &key))?;
            record.push(key, value)?;
        }
        record.checked()
    }

    /// From keys and values that have no types of their own; `_id`, `_at` and `_table` among them.
    pub(crate) fn from_texts<'w>(
        pairs: impl Iterator<Item = Result<(&'w str, &'w str), Refused>>,
        table: Option<&Table>,
    ) -> Result<Self, Refused> {
        let mut record = Self::default();
        for pair in pairs {
            let (key, text) = pair?;
            if !record.take_reserved(key, || Ok(text.to_owned()))? {
                record.push(key.to_owned(), values::of_text(key, text, declared(table, key))?)?;
            }
        }
        record.checked()
    }

    /// Sets the caller's id.
    ///
    /// # Errors
    /// `BadId`.
    pub fn set_id(&mut self, id: &str) -> Result<(), Refused> {
        let fits = (1..=100).contains(&id.chars().count()) && !id.chars().any(char::is_control);
        self.id = Some(fits.then(|| id.to_owned()).ok_or(Refused::BadId)?);
        Ok(())
    }

    /// Sets when it happened, from RFC 3339 text.
    ///
    /// # Errors
    /// `NotATime`.
    pub fn set_at(&mut self, text: &str) -> Result<(), Refused> {
        self.at = Some(Time::parse(text).ok_or_else(|| Refused::NotATime(text.into()))?);
        Ok(())
    }

    /// Whether the key was one of those that [`is_reserved`] names.
    fn take_reserved(&mut self, key: &str, text: impl FnOnce() -> Result<String, Refused>) -> Result<bool, Refused> {
        let twice = match key {
            "_id" => self.id.is_some(),
            "_at" => self.at.is_some(),
            "_table" => self.table.is_some(),
            _ => return Ok(false),
        };
        match key {
            _ if twice => return Err(Refused::TwiceTheKey(key.into())),
            "_id" => self.set_id(&text()?)?,
            "_at" => self.set_at(&text()?)?,
            _ => self.table = Some(text()?),
        }
        Ok(true)
    }

    fn push(&mut self, key: String, value: Value) -> Result<(), Refused> {
        check_key(&key).map_err(|why| Refused::Key(key.clone(), why))?;
        self.fields.push((key, value));
        Ok(())
    }

    fn checked(self) -> Result<Self, Refused> {
        // All at once: a line has room for half a million keys, and each with each would take minutes.
        let mut keys = HashSet::with_capacity(self.fields.len());
        let twice = self.fields.iter().find(|(key, _)| !keys.insert(key.as_str())).map(|(key, _)| key.clone());
        drop(keys);
        if let Some(key) = twice {
            return Err(Refused::TwiceTheKey(key));
        }
        let bytes: usize = self.fields.iter().map(|(key, value)| key.len() + len_bytes(value)).sum();
        match (self.fields.len(), bytes) {
            (0, _) => Err(Refused::Empty),
            (_, RECORD_LIMIT_BYTES..) => Err(Refused::TooLarge(bytes)),
            _ => Ok(self),
        }
    }
}

impl Time {
    /// Reads RFC 3339 with an offset (`Z`, `+01:00`). Fractions beyond the millisecond are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        // jiff reads more than RFC 3339: bracketed zones, missing offsets, week dates. Its own looks decide first.
        let bytes = text.as_bytes();
        let looks = bytes.len() >= 20
            && bytes[..10]
                .iter()
                .enumerate()
                .all(|(at, b)| if at == 4 || at == 7 { *b == b'-' } else { b.is_ascii_digit() })
            && matches!(bytes[10], b'T' | b't' | b' ')
            // A leap second is taken for the one before it.
            && bytes.get(16..19) != Some(b":60")
            && !text.contains('[');
        let moment: Timestamp = looks.then(|| text.parse().ok()).flatten()?;
        let offset_s = match &text[text.len() - 1..] {
            "Z" | "z" => 0,
            _ => {
                let sign = text.rfind(['+', '-']).filter(|at| *at > 10)?;
                let (hours, minutes) = text[sign + 1..].split_once(':')?;
                // jiff reads up to +25:59; RFC 3339 section 5.6 ends at +23:59.
                let hours = hours.parse::<i32>().ok().filter(|hours| *hours < 24)?;
                let seconds = hours * 3600 + minutes.parse::<i32>().ok()? * 60;
                if text.as_bytes()[sign] == b'-' { -seconds } else { seconds }
            }
        };
        // The last half second that jiff knows is not a number of milliseconds to it.
        let unix_ms = moment.as_millisecond();
        Timestamp::from_millisecond(unix_ms).is_ok().then_some(Self { unix_ms, offset_s })
    }
}

fn len_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        _ => 16,
    }
}

fn declared(table: Option<&Table>, key: &str) -> ColumnType {
    table
        .and_then(|table| table.columns.iter().find(|column| column.name == key))
        .map(|column| column.kind)
        .unwrap_or_default()
}

/// The record's id, time and table, where they come with its values.
pub(crate) fn is_reserved(key: &str) -> bool {
    matches!(key, "_id" | "_at" | "_table")
}

/// The same line of JSON with the table it belongs to, if it names none; `None` if it names one, or is no record.
pub(crate) fn with_table(line: &str, table: &str) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let pairs = reader.deserialize_map(Pairs).and_then(|pairs| reader.end().map(|()| pairs)).ok()?;
    // Not one of these: its text has no place for another.
    if pairs.is_empty() || pairs.iter().any(|(key, _)| key == "_table" || key == "_texts") {
        return None;
    }
    let rest = line.trim_start().strip_prefix('{')?;
    Some(format!("{{\"_table\":{},{rest}", serde_json::to_string(table).ok()?))
}

/// Which line it is, its reader counts; to the parser it is always the first.
pub(crate) fn not_json(error: &serde_json::Error) -> Refused {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    match error.column() {
        0 => Refused::NotJson(what.into()),
        column => Refused::NotJson(format!("column {column}: {what}")),
    }
}

fn json_text(key: &str, raw: &RawValue) -> Result<String, Refused> {
    serde_json::from_str(raw.get()).map_err(|_| Refused::Type { key: key.into(), wanted: "a text" })
}

/// At most forty characters of what somebody sent, without control characters.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    if text.chars().count() > 40 {
        shown.push('…');
    }
    shown
}

/// The members of a JSON object in their order; a map would lose it, and hide a key that comes twice.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Value {
        Record::from_words([format!("k={text}").as_str()], None).unwrap().fields.remove(0).1
    }

    fn json(line: &str) -> Result<Record, Refused> {
        Record::from_json(line, |_| None)
    }

    #[test]
    fn a_word_is_what_it_looks_like_and_never_loses_anything() {
        let text = |t: &str| Value::Text(t.into());
        for (input, value) in [
            ("21.5", Value::Number(21.5)),
            ("-0", Value::Number(-0.0)),
            ("1e3", Value::Number(1000.0)),
            ("123456789012345", Value::Number(123_456_789_012_345.0)),
            ("1234567890123456", text("1234567890123456")),
            ("1e999", text("1e999")),
            // Nearer to zero than a double gets.
            ("-1e-400", text("-1e-400")),
            ("4.94065645841e-324", text("4.94065645841e-324")),
            ("0e-400", Value::Number(0.0)),
            ("007", text("007")),
            ("+43123", text("+43123")),
            ("NaN", text("NaN")),
            ("Infinity", text("Infinity")),
            (".5", text(".5")),
            (" 5", text(" 5")),
            ("0x10", text("0x10")),
            ("true", Value::Bool(true)),
            ("True", text("True")),
            ("", Value::Null),
            ("=1+1", text("=1+1")),
            ("a=b", text("a=b")),
            ("open", text("open")),
            ("2026-11-22T18:30:00+01:00", Value::Time { unix_ms: 1_795_368_600_000, offset_s: 3600 }),
            ("2026-11-22T17:30:00.250Z", Value::Time { unix_ms: 1_795_368_600_250, offset_s: 0 }),
            ("2026-11-22T18:30:00", text("2026-11-22T18:30:00")),
            ("2026-11-22", text("2026-11-22")),
            ("2026-11-22T18:30:00+01:00[Europe/Vienna]", text("2026-11-22T18:30:00+01:00[Europe/Vienna]")),
        ] {
            assert_eq!(word(input), value, "{input:?}");
        }
    }

    /// Half a million keys in one line are a second's work, not minutes of somebody else's.
    #[test]
    fn a_line_of_many_keys_is_refused_soon() {
        let keys: Vec<String> = (0..500_000).map(|n| format!("\"k{n}\":1")).collect();
        assert!(matches!(json(&format!("{{{}}}", keys.join(","))), Err(Refused::TooLarge(_))));
        assert_eq!(json(&format!("{{{},\"k7\":2}}", keys.join(","))), Err(Refused::TwiceTheKey("k7".into())));
    }

    #[test]
    fn json_keeps_its_types() {
        let record =
            json(r#"{"_id":"a","b":"12","c":12,"d":null,"e":true,"f":12345678901234567890,"_table":"t"}"#).unwrap();
        assert_eq!((record.id.as_deref(), record.table.as_deref()), (Some("a"), Some("t")));
        let text = |t: &str| Value::Text(t.into());
        let values: Vec<_> = record.fields.into_iter().map(|(_, value)| value).collect();
        let wanted = [text("12"), Value::Number(12.0), Value::Null, Value::Bool(true), text("12345678901234567890")];
        assert_eq!(values, wanted);
    }

    /// What `json.dumps(1 / 3)` writes is the number that was measured, not a text.
    #[test]
    fn json_numbers_are_doubles_and_long_whole_ones_keep_their_digits() {
        let value = |raw: &str| json(&format!("{{\"a\":{raw}}}")).map(|mut record| record.fields.remove(0).1);
        for (raw, number) in [
            ("0.30000000000000004", 0.1 + 0.2),
            ("0.3333333333333333", 1.0 / 3.0),
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("-0", -0.0),
            ("1e3", 1000.0),
        ] {
            assert_eq!(value(raw).unwrap(), Value::Number(number), "{raw}");
        }
        for raw in ["9007199254740993", "12345678901234567890123"] {
            assert_eq!(value(raw).unwrap(), Value::Text(raw.into()), "{raw}");
        }
        let finite = Refused::Type { key: "a".into(), wanted: "a finite number" };
        assert_eq!((value("1e400"), value(&"9".repeat(400))), (Err(finite.clone()), Err(finite)));
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_a_reason() {
        let long = format!("k={}", "x".repeat(60_000));
        for (words, part) in [
            (vec!["novalue"], "\"novalue\" is not KEY=VALUE"),
            (vec!["=x"], "it is empty"),
            (vec!["time=1"], "kept by rowkeeper itself"),
            (vec!["a=1", "a=2"], "comes twice"),
            (vec![long.as_str()], "60000 characters; a cell holds at most 50000"),
            (vec![], "no values"),
            (vec!["_at=noon", "a=1"], "\"noon\" is not a time"),
            (vec!["_at=9999-12-31T23:59:59Z", "a=1"], "before the end of 9999"),
            (vec!["_at=9999-12-30T22:00:00.5Z", "a=1"], "before the end of 9999"),
            (vec!["_at=2026-11-22T23:59:60Z", "a=1"], "is not a time"),
            (vec!["_at=2026-11-22T23:59:00+24:00", "a=1"], "is not a time"),
            (vec!["_id=", "a=1"], "an id has 1 to 100"),
            (vec!["_id=x", "_id=y", "a=1"], "\"_id\" comes twice"),
            (vec!["_table=x", "a=1", "_table=x"], "\"_table\" comes twice"),
        ] {
            let error = Record::from_words(words.iter().copied(), None).unwrap_err().to_string();
            assert!(error.contains(part), "{words:.20?} gave {error}");
        }
        for (line, part) in [
            ("[1]", "not a JSON object: invalid type"),
            ("nonsense", "not a JSON object: column 2: expected ident"),
            ("{\"a\":1}{}", "not a JSON object"),
            ("{\"a\":{}}", "a list or an object"),
            ("{\"a\":1,\"a\":2}", "comes twice"),
            ("{\"_id\":5}", "\"_id\" must be a text"),
            ("{\"_id\":\"x\",\"a\":1,\"_id\":\"y\"}", "\"_id\" comes twice"),
            ("{\"a\":NaN}", "not a JSON object"),
            ("", "not a JSON object"),
        ] {
            let error = json(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line} gave {error}");
        }
    }

    #[test]
    fn a_declared_type_wins() {
        let table: Table = toml::from_str(
            "name = \"t\"\ncolumns = [{ name = \"zip\", type = \"text\" }, { name = \"n\", type = \"number\" }]",
        )
        .unwrap();
        let record = Record::from_words(["zip=1040", "n=3"], Some(&table)).unwrap();
        assert_eq!(record.fields[0].1, Value::Text("1040".into()));
        let refused = Record::from_words(["n=three"], Some(&table)).unwrap_err();
        assert_eq!(refused.to_string(), "\"n\" must be a number of at most 15 digits");
    }
}
