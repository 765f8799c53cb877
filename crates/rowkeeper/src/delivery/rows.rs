//! From what was recorded to what is written: tabs, columns, and times as serial numbers of the sheet's zone.

use jiff::Timestamp;
use jiff::civil::{Date, Time as ClockTime, date};
use jiff::tz::TimeZone;
use sheet_courier::{Amend, Cell, Format, ID_COLUMN, Precision, Row};

use crate::clock::{Mono, Wall};
use crate::outbox::{DueAmend, Happened, QueuedRow, Value};
use crate::table::{ColumnType, OURS, Table};

/// The recorder's own columns, in front of all others.
pub(super) const TIME_COLUMN: &str = OURS[0];
pub(super) const DEVICE_COLUMN: &str = OURS[1];

/// What time it is, and where.
pub(super) struct Now<'a> {
    pub(super) mono: Mono,
    pub(super) wall: Wall,
    pub(super) boot: &'a str,
    pub(super) zone: &'a TimeZone,
}

/// How rows are written, as the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The tables with their declared columns.
    pub tables: Vec<Table>,
    /// How much of a second is shown.
    pub precision: Precision,
    /// Cells leave their look to their column.
    pub columns_have_formats: bool,
}

impl Look {
    /// A row as the courier takes it.
    pub(super) fn row(&self, queued: QueuedRow, device: &str, now: &Now<'_>) -> Row {
        let table = self.tables.iter().find(|table| table.name == queued.table);
        let moment = moment(&queued.happened, now);
        let mut cells = vec![
            (TIME_COLUMN.to_owned(), self.time_cell(moment, &queued.happened, now)),
            (DEVICE_COLUMN.to_owned(), Cell::Text(device.to_owned())),
        ];
        let mut fields = queued.record.fields;
        // Declared columns first, in their order, also those without a value: a new tab begins with them.
        for column in table.iter().flat_map(|table| &table.columns) {
            let cell = match fields.iter().position(|(name, _)| *name == column.name) {
                Some(at) => self.cell(fields.remove(at).1, now.zone),
                None => Cell::Blank,
            };
            let cell = match (cell, self.format_of(column.kind)) {
                (Cell::Blank, Some(format)) => Cell::Empty(format),
                (cell, _) => cell,
            };
            cells.push((column.name.clone(), cell));
        }
        cells.extend(fields.into_iter().map(|(name, value)| (column(name), self.cell(value, now.zone))));
        let here = queued.happened.boot == now.boot;
        Row {
            handle: queued.handle,
            id: queued.id,
            // A table that was taken out of the configuration does not rotate any more.
            table: table.map_or(queued.table, |table| table.tab(moment, now.zone)),
            cells,
            recorded: here.then(|| queued.happened.mono.since_boot()),
            at_most: queued.at_most,
            refusals: queued.refusals,
        }
    }

    /// An amendment as the courier takes it.
    pub(super) fn amend(&self, due: DueAmend, zone: &TimeZone) -> Amend {
        let fields = due.record.fields.into_iter();
        let cells = fields.map(|(name, value)| (column(name), self.cell(value, zone))).collect();
        Amend {
            handle: due.handle,
            row: due.id,
            cells,
            anchor: due.anchor,
            remembered: due.remembered,
            displaced: due.displaced,
        }
    }

    /// Whether other tabs are wanted as time goes by.
    pub(super) fn rotates(&self) -> bool {
        self.tables.iter().any(|table| table.rotate.is_some())
    }

    /// The tabs that a new spreadsheet begins with: those that records of this moment go to.
    pub(crate) fn tabs(&self, wall: Wall, zone: &TimeZone) -> Vec<sheet_courier::Table> {
        let moment = wall.trusted.then_some(wall.unix_ms);
        let declared = |table: &Table| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let tab = |table: &Table| sheet_courier::Table {
            name: table.tab(moment, zone),
            // Ours first: a person reads a log from its time.
            columns: OURS.into_iter().map(str::to_owned).chain(declared(table)).collect(),
        };
        self.tables.iter().map(tab).collect()
    }

    fn format_of(&self, kind: ColumnType) -> Option<Format> {
        Some(match kind {
            ColumnType::Date => Format::Date,
            ColumnType::Time => Format::TimeOfDay(self.precision),
            ColumnType::DateTime => Format::DateTime(self.precision),
            ColumnType::Duration => Format::Duration(self.precision),
            _ => return None,
        })
    }

    fn serial(&self, days: f64, format: Format) -> Cell {
        if self.columns_have_formats { Cell::Bare(days, format) } else { Cell::Serial(days, format) }
    }

    fn cell(&self, value: Value, zone: &TimeZone) -> Cell {
        match value {
            Value::Text(text) => Cell::Text(text),
            Value::Number(number) => Cell::Number(number),
            Value::Bool(bool) => Cell::Bool(bool),
            Value::Null => Cell::Blank,
            Value::Time { unix_ms, .. } => self.date_time(unix_ms, zone),
            Value::Date(date) => self.serial(days(date), Format::Date),
            Value::TimeOfDay(time) => self.serial(of_day(time), Format::TimeOfDay(self.precision)),
            Value::DateTime(local) => {
                self.serial(days(local.date()) + of_day(local.time()), Format::DateTime(self.precision))
            }
            Value::Duration(duration) => {
                self.serial(duration.as_secs_f64() / SECONDS_A_DAY, Format::Duration(self.precision))
            }
        }
    }

    /// When a row happened, marked if nobody knows.
    fn time_cell(&self, moment: Option<i64>, happened: &Happened, now: &Now<'_>) -> Cell {
        if let Some(moment) = moment {
            return self.date_time(moment, now.zone);
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
    fn date_time(&self, unix_ms: i64, zone: &TimeZone) -> Cell {
        match Timestamp::from_millisecond(unix_ms) {
            Ok(time) => {
                let local_ms = unix_ms + i64::from(zone.to_offset(time).seconds()) * 1000;
                self.serial(local_ms as f64 / 86_400_000.0 + EPOCH, Format::DateTime(self.precision))
            }
            // Beyond the year 9999: nothing a sheet could show as a date either.
            Err(_) => Cell::Text(unix_ms.to_string()),
        }
    }
}

/// 1970-01-01.
const EPOCH: f64 = 25_569.0;
const SECONDS_A_DAY: f64 = 86_400.0;

fn days(day: Date) -> f64 {
    // Both are dates of the calendar, so there are days between them.
    f64::from(day.since(date(1970, 1, 1)).map_or(0, |span| span.get_days())) + EPOCH
}

fn of_day(time: ClockTime) -> f64 {
    time.duration_since(ClockTime::midnight()).as_secs_f64() / SECONDS_A_DAY
}

/// A field cannot take a column of the recorder's, nor one without a name.
fn column(name: String) -> String {
    match name.as_str() {
        ID_COLUMN | TIME_COLUMN | DEVICE_COLUMN | "" => format!("{name}_"),
        _ => name,
    }
}

/// When a row happened (Unix milliseconds), corrected if the clock has come right since; none if it has not.
fn moment(happened: &Happened, now: &Now<'_>) -> Option<i64> {
    match happened.at_unix_ms {
        Some(given) => Some(given),
        None if happened.wall.trusted => Some(happened.wall.unix_ms),
        None if now.wall.trusted && happened.boot == now.boot => {
            let ago = now.mono.since(happened.mono).as_millis();
            Some(now.wall.unix_ms.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Format = Format::DateTime(Precision::Second);

    fn at(unix_ms: i64, zone: &str) -> Cell {
        Look::default().date_time(unix_ms, &TimeZone::get(zone).unwrap())
    }

    fn moment_of(text: &str, zone: &str) -> Cell {
        at(text.parse::<Timestamp>().unwrap().as_millisecond(), zone)
    }

    #[test]
    fn times_are_serial_numbers_of_the_zone() {
        let serial = |days| Cell::Serial(days, MOMENT);
        assert_eq!(at(0, "UTC"), serial(25_569.0));
        assert_eq!(at(-25_567 * 86_400_000 + 43_200_000, "UTC"), serial(2.5), "1900-01-01 12:00");
        assert_eq!(at(1_793_000_000_000, "Europe/Vienna"), at(1_793_000_000_000 + 3_600_000, "UTC"));
        assert_eq!(at(1_785_000_000_000, "Europe/Vienna"), at(1_785_000_000_000 + 7_200_000, "UTC"), "summer");
        assert!(matches!(at(i64::MAX, "UTC"), Cell::Text(_)));
        assert!(matches!(at(Timestamp::MAX.as_second() * 1000, "Pacific/Kiritimati"), Cell::Serial(..)));
    }

    /// What a clock on the wall shows on the two nights a year when it is moved, and in zones with odd offsets.
    #[test]
    fn summer_time_begins_and_ends() {
        for (utc, zone, local) in [
            // The gap: from 01:59:59.999 to 03:00.
            ("2026-03-29T00:59:59.999Z", "Europe/Vienna", "2026-03-29T01:59:59.999Z"),
            ("2026-03-29T01:00:00Z", "Europe/Vienna", "2026-03-29T03:00:00Z"),
            // The fold: 02:30 comes twice, an hour apart; the sheet cannot tell them apart, the order of rows can.
            ("2026-10-25T00:30:00Z", "Europe/Vienna", "2026-10-25T02:30:00Z"),
            ("2026-10-25T01:30:00Z", "Europe/Vienna", "2026-10-25T02:30:00Z"),
            ("2026-10-25T02:30:00Z", "Europe/Vienna", "2026-10-25T03:30:00Z"),
            ("2026-04-04T15:00:00Z", "Australia/Lord_Howe", "2026-04-05T01:30:00Z"),
            ("2026-11-22T12:00:00Z", "Asia/Kathmandu", "2026-11-22T17:45:00Z"),
            ("1899-12-30T00:00:00Z", "UTC", "1899-12-30T00:00:00Z"),
        ] {
            assert_eq!(moment_of(utc, zone), moment_of(local, "UTC"), "{utc} in {zone}");
        }
    }

    /// Every millisecond can be read back from a cell: a double at today's dates resolves less than a microsecond.
    #[test]
    fn a_millisecond_survives_the_serial_number() {
        for unix_ms in [0, 1, 999, 1_795_368_600_250, 1_795_368_600_001, 253_370_764_799_999, -1] {
            let Cell::Serial(days, _) = at(unix_ms, "UTC") else { panic!("{unix_ms}") };
            assert_eq!(((days - 25_569.0) * 86_400_000.0).round() as i64, unix_ms);
        }
    }

    #[test]
    fn days_times_and_durations_are_numbers_of_days() {
        let look = Look { precision: Precision::Millisecond, ..Look::default() };
        let cell = |value| look.cell(value, &TimeZone::UTC);
        let fine = Precision::Millisecond;
        assert_eq!(cell(Value::Date(date(1900, 1, 1))), Cell::Serial(2.0, Format::Date));
        assert_eq!(cell(Value::Date(date(2026, 11, 22))), Cell::Serial(46_348.0, Format::Date));
        let noon = jiff::civil::time(12, 0, 0, 0);
        assert_eq!(cell(Value::TimeOfDay(noon)), Cell::Serial(0.5, Format::TimeOfDay(fine)));
        let local = date(1900, 1, 1).to_datetime(noon);
        assert_eq!(cell(Value::DateTime(local)), Cell::Serial(2.5, Format::DateTime(fine)));
        let long = jiff::SignedDuration::from_hours(-36);
        assert_eq!(cell(Value::Duration(long)), Cell::Serial(-1.5, Format::Duration(fine)));
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
        let time_cell =
            |happened: &Happened, now: &Now<'_>| Look::default().time_cell(moment(happened, now), happened, now);
        assert_eq!(time_cell(&happened("b"), &now(true)), Cell::Serial(25_570.0, MOMENT));
        let marked = Cell::Text("1970-01-01 00:00:05 ? clock not set".into());
        assert_eq!(time_cell(&happened("a"), &now(true)), marked);
        assert_eq!(time_cell(&happened("b"), &now(false)), marked);
    }

    #[test]
    fn a_new_tab_begins_with_the_declared_columns_in_their_order() {
        let table: Table = toml::from_str(
            "name = \"t\"\nrotate = \"month\"\n\
             columns = [{ name = \"b\" }, { name = \"day\", type = \"date\" }, { name = \"a\", type = \"number\" }]",
        )
        .unwrap();
        let look = Look { tables: vec![table], ..Look::default() };
        let wall = Wall { unix_ms: 1_795_368_600_000, trusted: true };
        let queued = QueuedRow {
            handle: 1,
            id: "r".into(),
            table: "t".into(),
            record: crate::outbox::Record {
                fields: vec![("new".into(), Value::Bool(true)), ("a".into(), Value::Number(1.0))],
            },
            happened: Happened { wall, mono: Mono::default(), boot: "b".into(), at_unix_ms: None },
            at_most: None,
            refusals: 0,
        };
        let zone = TimeZone::UTC;
        let now = Now { mono: Mono::default(), wall, boot: "b", zone: &zone };
        let row = look.row(queued, "pi", &now);
        let names: Vec<_> = row.cells.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["time", "device", "b", "day", "a", "new"]);
        assert_eq!((&row.cells[2].1, &row.cells[3].1), (&Cell::Blank, &Cell::Empty(Format::Date)));
        assert_eq!(row.table, "t 2026-11");
        assert_eq!(look.tabs(wall, &zone)[0].name, "t 2026-11");
        assert_eq!(look.tabs(wall, &zone)[0].columns, names[..5]);
    }
}
