//! A table: one tab of the spreadsheet, or one for each month or year, and what its columns are.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// `[[table]]`: a tab.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The name records are addressed by, and the tab's first title.
    pub name: String,
    /// Columns created at once, in this order, and their types; others are added as records bring them.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// A tab for each month or year, instead of one.
    pub rotate: Option<Rotate>,
}

/// A declared column.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The key in records and the text in the header row.
    pub name: String,
    /// What its values are.
    #[serde(default, rename = "type")]
    pub kind: ColumnType,
}

/// What the values of a column are. One that cannot be it is refused; null and an empty text always can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// By its looks: a number, `true` or `false`, an RFC 3339 time, else text. In JSON by its JSON type.
    #[default]
    Auto,
    /// Always text: `007` stays `007` and `12` is text too.
    Text,
    /// A number.
    Number,
    /// A number without a fraction, of at most 15 digits.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A day: `2026-11-22`.
    Date,
    /// A time of day: `18:30`, `18:30:05.250`.
    Time,
    /// A moment with its offset (RFC 3339), or a date and time without one, which is taken to be the sheet's zone's.
    #[serde(alias = "datetime")]
    DateTime,
    /// How long something took: `1:30:00`, `90` (seconds), `1h 30m`, `PT1H30M`.
    Duration,
}

/// `rotate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotate {
    /// `readings 2026-11`.
    Month,
    /// `readings 2026`.
    Year,
}

impl Table {
    /// The tab of a row that happened then: in the zone of the sheet, where a month begins for the people who read it. A
    /// row whose time nobody knows has a tab of its own: in any month it would be wrong.
    pub fn tab(&self, happened_ms: Option<i64>, zone: &TimeZone) -> String {
        let Some(rotate) = self.rotate else { return self.name.clone() };
        let time = happened_ms.and_then(|unix_ms| Timestamp::from_millisecond(unix_ms).ok());
        let period = match (time.map(|time| time.to_zoned(zone.clone())), rotate) {
            (None, _) => UNDATED.to_owned(),
            (Some(time), Rotate::Month) => format!("{:04}-{:02}", time.year(), time.month()),
            (Some(time), Rotate::Year) => format!("{:04}", time.year()),
        };
        format!("{} {period}", self.name)
    }

    /// Whether one of its tabs may be called so.
    pub(crate) fn may_be_called(&self, name: &str) -> bool {
        let period = |rest: &str| rest == UNDATED || rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match self.rotate {
            None => name == self.name,
            Some(_) => name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix(' ')).is_some_and(period),
        }
    }
}

const UNDATED: &str = "undated";

/// Column headers that are ours, besides the reserved keys.
pub const OURS: [&str; 2] = ["time", "device"];

/// Whether `key` may be a column, and why not.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    match key {
        "" => Err("it is empty"),
        _ if OURS.contains(&key) => Err("that column is kept by rowkeeper itself"),
        "_id" | "_at" | "_table" => Err("it is reserved"),
        _ if key.trim() != key => Err("it begins or ends with a space"),
        _ if key.chars().any(char::is_control) => Err("it has control characters"),
        _ if key.chars().count() > 200 => Err("it is longer than 200 characters"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_goes_to_the_tab_of_its_own_time_in_the_zone_of_the_sheet() {
        let table = |rotate: Option<Rotate>| Table { name: "readings".into(), columns: Vec::new(), rotate };
        let vienna = TimeZone::get("Europe/Vienna").unwrap();
        // 2026-12-31T23:30:00Z is next year in Vienna.
        let newyear = 1_798_759_800_000;
        for (rotate, ms, tab) in [
            (None, Some(newyear), "readings"),
            (None, None, "readings"),
            (Some(Rotate::Month), Some(newyear), "readings 2027-01"),
            (Some(Rotate::Month), Some(newyear - 1_800_001), "readings 2026-12"),
            (Some(Rotate::Year), Some(newyear), "readings 2027"),
            (Some(Rotate::Year), None, "readings undated"),
            (Some(Rotate::Month), Some(i64::MAX), "readings undated"),
            (Some(Rotate::Month), Some(-1), "readings 1970-01"),
        ] {
            assert_eq!(table(rotate).tab(ms, &vienna), tab);
        }
        assert_eq!(table(Some(Rotate::Month)).tab(Some(newyear), &TimeZone::UTC), "readings 2026-12");
        let rotating = table(Some(Rotate::Year));
        assert!(rotating.may_be_called("readings 2027") && rotating.may_be_called("readings undated"));
        assert!(!rotating.may_be_called("readings") && !rotating.may_be_called("readings of mine"));
    }
}
