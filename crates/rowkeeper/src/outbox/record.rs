//! A record: ordered names and values, as a person or a program gave them.

use std::fmt;

use jiff::civil::{Date, DateTime, Time as ClockTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{Mono, Wall};

/// One row to be, without what the recorder adds (row id, `time`, `device`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// In the order given: new columns are added in this order.
    pub fields: Vec<(String, Value)>,
}

/// What a field can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Always stays text in the sheet.
    Text(String),
    /// Finite. One that is not is kept as text.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// An empty cell.
    Null,
    /// An instant, and how far local time was ahead of UTC where it was written.
    Time {
        /// Milliseconds since 1970-01-01T00:00:00Z.
        unix_ms: i64,
        /// Seconds east of UTC.
        offset_s: i32,
    },
    /// A day.
    Date(Date),
    /// A time of day.
    TimeOfDay(ClockTime),
    /// A date and time as a clock in the sheet's zone shows it.
    DateTime(DateTime),
    /// How long something took.
    Duration(SignedDuration),
}

/// When a record happened, as far as the board knew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// What the wall clock said, and whether it was to be believed.
    pub wall: Wall,
    /// Time since boot: corrects `wall` once the clock has come right.
    pub mono: Mono,
    /// The boot `mono` counts from.
    pub boot: String,
    /// The caller knew better (`--at`): Unix milliseconds, never corrected.
    pub at_unix_ms: Option<i64>,
}

impl Record {
    /// New values for these fields; those that are not there yet come behind the others.
    pub(super) fn amend(&mut self, fields: &[(String, Value)]) {
        for (name, value) in fields {
            match self.fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value.clone(),
                None => self.fields.push((name.clone(), value.clone())),
            }
        }
    }
}

impl Value {
    /// For people and programs: whole numbers as they write them, times as RFC 3339 with the offset they came with.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            // Beyond 2^53 a double's digits are not all its own.
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => (*number as i64).into(),
            Self::Number(number) => (*number).into(),
            Self::Bool(bool) => (*bool).into(),
            Self::Null => serde_json::Value::Null,
            Self::Time { unix_ms, offset_s } => rfc3339(*unix_ms, *offset_s).into(),
            Self::Date(date) => date.to_string().into(),
            Self::TimeOfDay(time) => time.to_string().into(),
            Self::DateTime(local) => local.to_string().into(),
            Self::Duration(duration) => hours(*duration).into(),
        }
    }
}

/// `1:30:00`, with as much of a second's fraction as there is.
fn hours(duration: SignedDuration) -> String {
    let (sign, seconds) = (if duration.is_negative() { "-" } else { "" }, duration.as_secs().unsigned_abs());
    let fraction = match duration.subsec_nanos().unsigned_abs() {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    format!("{sign}{}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// 0000-01-02T00:00:00Z: in every offset not before the year 0.
const YEAR_0_MS: i64 = -62_167_132_800_000;

/// The nearest that RFC 3339 can write.
pub(crate) fn rfc3339(unix_ms: i64, offset_s: i32) -> String {
    // Years have four digits. And whole seconds: of the last one jiff takes no fraction in milliseconds.
    let (first, last) = (YEAR_0_MS, Timestamp::MAX.as_second() * 1000);
    let time = Timestamp::from_millisecond(unix_ms.clamp(first, last)).unwrap_or(Timestamp::UNIX_EPOCH);
    match Offset::from_seconds(offset_s) {
        Ok(offset) if offset_s != 0 => time.display_with_offset(offset).to_string(),
        _ => time.to_string(),
    }
}

impl Happened {
    /// When, as far as it was known then, in Unix milliseconds.
    pub fn unix_ms(&self) -> i64 {
        self.at_unix_ms.unwrap_or(self.wall.unix_ms)
    }

    /// Now, by this clock.
    pub fn now(clock: &dyn crate::clock::Clock) -> Self {
        Self { wall: clock.wall(), mono: clock.mono(), boot: clock.boot_id(), at_unix_ms: None }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Record { fields })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// How a time looks on disk; everything else is plain JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTime {
    unix_ms: i64,
    offset_s: i32,
}

/// The same for what JSON has no type for either.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tagged {
    Date(Date),
    Time(ClockTime),
    Local(DateTime),
    Duration(SignedDuration),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) if number.is_finite() => serializer.serialize_f64(*number),
            // JSON has no such number; the person sees what was measured.
            Self::Number(number) => serializer.collect_str(number),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Null => serializer.serialize_unit(),
            Self::Time { unix_ms, offset_s } => {
                StoredTime { unix_ms: *unix_ms, offset_s: *offset_s }.serialize(serializer)
            }
            Self::Date(date) => Tagged::Date(*date).serialize(serializer),
            Self::TimeOfDay(time) => Tagged::Time(*time).serialize(serializer),
            Self::DateTime(local) => Tagged::Local(*local).serialize(serializer),
            Self::Duration(duration) => Tagged::Duration(*duration).serialize(serializer),
        }
    }
}

/// An object on disk.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredObject {
    Time(StoredTime),
    Tagged(Tagged),
}

/// Told by their JSON types: to try one after the other would write an error message, with the value in it, for each
/// that it is not.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Stored;
        impl<'de> Visitor<'de> for Stored {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of a row")
            }

            fn visit_bool<E: de::Error>(self, bool: bool) -> Result<Value, E> {
                Ok(Value::Bool(bool))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Number(number as f64))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(number as f64))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                Ok(match StoredObject::deserialize(MapAccessDeserializer::new(map))? {
                    StoredObject::Time(StoredTime { unix_ms, offset_s }) => Value::Time { unix_ms, offset_s },
                    StoredObject::Tagged(Tagged::Date(date)) => Value::Date(date),
                    StoredObject::Tagged(Tagged::Time(time)) => Value::TimeOfDay(time),
                    StoredObject::Tagged(Tagged::Local(local)) => Value::DateTime(local),
                    StoredObject::Tagged(Tagged::Duration(duration)) => Value::Duration(duration),
                })
            }
        }
        deserializer.deserialize_any(Stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_stored() {
        let record = Record {
            fields: vec![
                ("z".into(), Value::Text("=1+1".into())),
                ("a".into(), Value::Number(-0.125)),
                ("n".into(), Value::Number(1e15)),
                ("ok".into(), Value::Bool(true)),
                ("gone".into(), Value::Null),
                ("at".into(), Value::Time { unix_ms: -1, offset_s: 36_000 }),
                ("day".into(), Value::Date(jiff::civil::date(2026, 11, 22))),
                ("clock".into(), Value::TimeOfDay(jiff::civil::time(18, 30, 5, 250_000_000))),
                ("local".into(), Value::DateTime(jiff::civil::date(2026, 3, 29).at(2, 30, 0, 0))),
                ("took".into(), Value::Duration(SignedDuration::new(-5_400, -500_000_000))),
            ],
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record, "{json}");
    }

    /// The last moment that can be kept, in whatever offset, and beyond.
    #[test]
    fn the_end_of_time_is_written_as_near_as_it_can_be() {
        let last = Timestamp::MAX.as_second() * 1000;
        assert_eq!(rfc3339(last, 0), "9999-12-30T22:00:00Z");
        assert_eq!(rfc3339(last, 14 * 3600), "9999-12-31T12:00:00+14:00");
        assert_eq!(rfc3339(i64::MAX, 3600), "9999-12-30T23:00:00+01:00");
        assert_eq!(rfc3339(i64::MIN, 0), "0000-01-02T00:00:00Z");
        assert_eq!(rfc3339(-1, 0), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_json_cannot_hold_is_kept_as_text() {
        let record = Record { fields: vec![("t".into(), Value::Number(f64::NAN))] };
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"t":"NaN"}"#);
    }
}
