//! Writing the queue out for people and other programs, in the forms that `record --stdin` reads.

use std::collections::HashMap;
use std::io::{self, Write};

use rusqlite::Connection;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::queue::{Filter, Listed, each_in};
use super::record::rfc3339;
use super::{DiskError, Outbox, Value};

/// How rows are written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// A header line with every column that any of the rows has, then one line a row (RFC 4180).
    Csv,
}

/// In front of the fields of every row.
const OURS: [&str; 3] = ["_id", "_table", "_at"];

impl Outbox {
    /// Writes the rows that match, oldest first, all as they were at one moment.
    ///
    /// # Errors
    /// `Ok(Err)`: `out` could not be written. `Err`: the disk could not be read.
    pub fn export(
        &self,
        filter: &Filter,
        format: Format,
        out: &mut dyn Write,
    ) -> Result<Result<(), io::Error>, DiskError> {
        let mut connection = self.connection();
        // Two looks at one state: a column that came between would have no place.
        let tx = connection.transaction()?;
        let mut writer = match format {
            Format::Jsonl => None,
            Format::Csv => Some(Columns::of(&tx, filter)?),
        };
        let mut written = writer.as_ref().map_or(Ok(()), |columns| columns.header(out));
        each_in(&tx, filter, &mut |row| {
            if written.is_ok() {
                written = match &mut writer {
                    None => json_line(out, &row),
                    Some(columns) => columns.line(out, &row),
                };
            }
            Ok(())
        })?;
        Ok(written.and_then(|()| out.flush()))
    }
}

fn at(row: &Listed) -> String {
    rfc3339(row.happened.unix_ms(), 0)
}

fn json_line(out: &mut dyn Write, row: &Listed) -> io::Result<()> {
    struct Line<'a>(&'a Listed);
    impl Serialize for Line<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let fields = &self.0.record.fields;
            let mut map = serializer.serialize_map(Some(OURS.len() + fields.len()))?;
            for (key, value) in OURS.iter().zip([&self.0.id, &self.0.table, &at(self.0)]) {
                map.serialize_entry(key, value)?;
            }
            for (key, value) in fields {
                map.serialize_entry(key, &value.to_json())?;
            }
            map.end()
        }
    }
    serde_json::to_writer(&mut *out, &Line(row))?;
    out.write_all(b"\n")
}

/// The columns of a CSV export, in the order in which they first come.
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    fn of(connection: &Connection, filter: &Filter) -> Result<Self, rusqlite::Error> {
        let mut columns = Self { names: OURS.map(str::to_owned).to_vec(), places: HashMap::new() };
        each_in(connection, filter, &mut |row| {
            for (key, _) in row.record.fields {
                let Self { names, places } = &mut columns;
                places.entry(key).or_insert_with_key(|key| {
                    names.push(key.clone());
                    names.len() - 1
                });
            }
            Ok(())
        })?;
        Ok(columns)
    }

    fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        csv_line(out, &self.names)
    }

    fn line(&self, out: &mut dyn Write, row: &Listed) -> io::Result<()> {
        let mut cells = vec![String::new(); self.names.len()];
        for (cell, ours) in cells.iter_mut().zip([&row.id, &row.table, &at(row)]) {
            cell.clone_from(ours);
        }
        for (key, value) in &row.record.fields {
            // Every key was seen when the header was made.
            if let Some(place) = self.places.get(key) {
                cells[*place] = text(value);
            }
        }
        csv_line(out, &cells)
    }
}

fn csv_line(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(out);
    line.write_record(cells)?;
    line.flush()
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Null => String::new(),
        other => match other.to_json() {
            serde_json::Value::String(text) => text,
            plain => plain.to_string(),
        },
    }
}
