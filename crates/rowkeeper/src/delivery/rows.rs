//! From what was recorded to what is written: times become serial numbers of the sheet's zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sheet_courier::{Cell, ID_COLUMN, Row};

use crate::clock::{Mono, Wall};
use crate::outbox::{Happened, QueuedRow, Value};

/// The recorder's own columns, in front of all others.
pub(super) const TIME_COLUMN: &str = "time";
pub(super) const DEVICE_COLUMN: &str = "device";

/// What time it is, and where.
pub(super) struct Now<'a> {
    pub(super) mono: Mono,
    pub(super) wall: Wall,
    pub(super) boot: &'a str,
    pub(super) zone: &'a TimeZone,
}

/// A row as the courier takes it.
pub(super) fn row(queued: QueuedRow, device: &str, now: &Now<'_>) -> Row {
    let mut cells = vec![
        (TIME_COLUMN.to_owned(), time_cell(&queued.happened, now)),
        (DEVICE_COLUMN.to_owned(), Cell::Text(device.to_owned())),
    ];
    cells.extend(queued.record.fields.into_iter().map(|(name, value)| (column(name), cell(value, now.zone))));
    let here = queued.happened.boot == now.boot;
    Row {
        handle: queued.handle,
        id: queued.id,
        table: queued.table,
        cells,
        recorded: here.then(|| queued.happened.mono.since_boot()),
        at_most: queued.at_most,
        refusals: queued.refusals,
    }
}

/// A field cannot take a column of the recorder's, nor one without a name.
fn column(name: String) -> String {
    match name.as_str() {
        ID_COLUMN | TIME_COLUMN | DEVICE_COLUMN | "" => format!("{name}_"),
        _ => name,
    }
}

fn cell(value: Value, zone: &TimeZone) -> Cell {
    match value {
        Value::Text(text) => Cell::Text(text),
        Value::Number(number) => Cell::Number(number),
        Value::Bool(bool) => Cell::Bool(bool),
        Value::Null => Cell::Blank,
        Value::Time { unix_ms, .. } => date_time(unix_ms, zone),
    }
}

/// When a row happened, corrected if the clock has come right since; marked if it has not.
fn time_cell(happened: &Happened, now: &Now<'_>) -> Cell {
    if let Some(given) = happened.at_unix_ms {
        return date_time(given, now.zone);
    }
    if happened.wall.trusted {
        return date_time(happened.wall.unix_ms, now.zone);
    }
    if now.wall.trusted && happened.boot == now.boot {
        let ago = now.mono.since(happened.mono).as_millis();
        return date_time(now.wall.unix_ms.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)), now.zone);
    }
    // Text on purpose: it sorts apart, and no formula takes it for a time.
    match Timestamp::from_millisecond(happened.wall.unix_ms) {
        Ok(time) => {
            Cell::Text(time.to_zoned(now.zone.clone()).strftime("%Y-%m-%d %H:%M:%S ? clock not set").to_string())
        }
        Err(_) => Cell::Text("? clock not set".into()),
    }
}

/// Days since 1899-12-30 in the zone (docs/google.md); the cell itself carries no zone.
fn date_time(unix_ms: i64, zone: &TimeZone) -> Cell {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(time) => {
            let local_ms = unix_ms + i64::from(zone.to_offset(time).seconds()) * 1000;
            Cell::DateTime(local_ms as f64 / 86_400_000.0 + 25_569.0)
        }
        // Beyond the year 9999: nothing a sheet could show as a date either.
        Err(_) => Cell::Text(unix_ms.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_ms: i64, zone: &str) -> Cell {
        date_time(unix_ms, &TimeZone::get(zone).unwrap())
    }

    #[test]
    fn times_are_serial_numbers_of_the_zone() {
        assert_eq!(at(0, "UTC"), Cell::DateTime(25_569.0));
        assert_eq!(at(-25_567 * 86_400_000 + 43_200_000, "UTC"), Cell::DateTime(2.5), "1900-01-01 12:00");
        assert_eq!(at(1_793_000_000_000, "Europe/Vienna"), at(1_793_000_000_000 + 3_600_000, "UTC"));
        assert_eq!(at(1_785_000_000_000, "Europe/Vienna"), at(1_785_000_000_000 + 7_200_000, "UTC"), "summer");
        assert!(matches!(at(i64::MAX, "UTC"), Cell::Text(_)));
    }

    #[test]
    fn a_clock_that_came_right_corrects_earlier_rows_of_its_boot() {
        let zone = TimeZone::UTC;
        let second = std::time::Duration::from_secs;
        let happened = |boot: &str| Happened {
            wall: Wall { unix_ms: 5_000, trusted: false },
            mono: Mono::new(second(5)),
            boot: boot.into(),
            at_unix_ms: None,
        };
        let mono = Mono::new(second(65));
        let now = |trusted| Now { mono, wall: Wall { unix_ms: 86_460_000, trusted }, boot: "b", zone: &zone };
        assert_eq!(time_cell(&happened("b"), &now(true)), Cell::DateTime(25_570.0));
        let marked = Cell::Text("1970-01-01 00:00:05 ? clock not set".into());
        assert_eq!(time_cell(&happened("a"), &now(true)), marked);
        assert_eq!(time_cell(&happened("b"), &now(false)), marked);
    }
}
