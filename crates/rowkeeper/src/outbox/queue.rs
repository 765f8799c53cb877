//! What people see and do: counting, listing, retrying, dropping, exporting.

use std::io::{self, Write};

use rusqlite::{Row, TransactionBehavior, params_from_iter};
use serde::Serialize;

use super::{DiskError, Happened, Outbox, Record};
use crate::clock::{Mono, Wall};

/// The size of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that will be delivered by themselves.
    pub waiting: u64,
    /// Rows that wait for a person's word.
    pub set_aside: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// When the oldest of all of them happened, as Unix milliseconds, by the clock of that time.
    pub oldest: Option<i64>,
}

/// Where a row is. A row that is nowhere was delivered (or dropped by a person).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// Waits for a batch.
    Queued,
    /// In the batch in flight.
    InBatch,
    /// Kept, not sent until a person says so.
    Aside,
}

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only rows in this state.
    pub state: Option<RowState>,
    /// Only these row ids; empty for all.
    pub ids: Vec<String>,
    /// At most so many; none for all.
    pub limit: Option<u32>,
}

/// A row of the queue, oldest first.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Row id.
    pub id: String,
    /// Its table.
    pub table: String,
    /// Its contents.
    pub record: Record,
    /// When it happened.
    pub happened: Happened,
    /// Where it is.
    pub state: RowState,
    /// Why it was set aside, or was refused once.
    pub reason: Option<String>,
}

/// What [`Outbox::drop_rows`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Rows that are gone.
    pub dropped: usize,
    /// Rows in the batch in flight: dropped if that batch turns out not to be in the sheet.
    pub in_flight: usize,
}

impl RowState {
    fn code(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::InBatch => 1,
            Self::Aside => 2,
        }
    }

    fn from_code(code: i64) -> Self {
        match code {
            1 => Self::InBatch,
            2 => Self::Aside,
            _ => Self::Queued,
        }
    }
}

impl Outbox {
    /// How many rows there are.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn counts(&self) -> Result<Counts, DiskError> {
        let sql = "SELECT coalesce(sum(state < 2), 0), coalesce(sum(state = 2), 0), coalesce(sum(length(body)), 0),
                   min(coalesce(at_ms, wall_ms)) FROM row";
        Ok(self.connection().query_row(sql, (), |row| {
            Ok(Counts { waiting: row.get(0)?, set_aside: row.get(1)?, bytes: row.get(2)?, oldest: row.get(3)? })
        })?)
    }

    /// The rows that match, oldest first.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Listed>, DiskError> {
        let mut rows = Vec::new();
        self.each(filter, &mut |listed| {
            rows.push(listed);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Writes the rows that match as one JSON object a line, with `_id`, `_table` and `_unix_ms` first.
    ///
    /// # Errors
    /// `Ok(Err)`: `out` could not be written. `Err`: the disk could not be read.
    pub fn export(&self, filter: &Filter, out: &mut dyn Write) -> Result<io::Result<()>, DiskError> {
        let mut result = Ok(());
        self.each(filter, &mut |listed| {
            if result.is_ok() {
                result = write_line(out, &listed);
            }
            Ok(())
        })?;
        Ok(result)
    }

    fn each(
        &self,
        filter: &Filter,
        on: &mut dyn FnMut(Listed) -> Result<(), rusqlite::Error>,
    ) -> Result<(), rusqlite::Error> {
        let ids: String = vec!["?"; filter.ids.len()].join(",");
        let sql = format!(
            "SELECT id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms, state, reason FROM row
             WHERE {} AND {} ORDER BY n LIMIT {}",
            filter.state.map_or("1".into(), |state| format!("state = {}", state.code())),
            if filter.ids.is_empty() { "1".into() } else { format!("id IN ({ids})") },
            filter.limit.map_or(-1, i64::from),
        );
        let connection = self.connection();
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.ids))?;
        while let Some(row) = rows.next()? {
            on(listed(row)?)?;
        }
        Ok(())
    }

    /// Puts rows that were set aside back into the queue, all of them if `ids` is empty, and lifts a stop that they
    /// caused. Safe: a row is set aside only after no earlier attempt can land any more. Returns how many.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn retry(&self, ids: &[String]) -> Result<usize, DiskError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changed = 0;
        let set = "UPDATE row SET state = 0, refusals = 0, at_most = NULL, reason = NULL, run = 0 WHERE state = 2";
        if ids.is_empty() {
            changed = tx.execute(set, ())?;
        }
        for id in ids {
            changed += tx.execute(&format!("{set} AND id = ?1"), (id,))?;
        }
        tx.execute("DELETE FROM note WHERE name = 'hold' AND value LIKE '%\"sheet_refuses\"%'", ())?;
        tx.commit()?;
        Ok(changed)
    }

    /// Forgets rows for good, on a person's word. A row in the batch in flight may already be in the sheet: it is
    /// dropped only if that batch turns out not to be.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn drop_rows(&self, ids: &[String]) -> Result<Dropped, DiskError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut dropped = Dropped::default();
        for id in ids {
            dropped.dropped += tx.execute("DELETE FROM row WHERE id = ?1 AND state <> 1", (id,))?;
            dropped.in_flight += tx.execute("UPDATE row SET unwanted = 1 WHERE id = ?1 AND state = 1", (id,))?;
        }
        tx.commit()?;
        Ok(dropped)
    }
}

fn listed(row: &Row<'_>) -> Result<Listed, rusqlite::Error> {
    let body: String = row.get(2)?;
    Ok(Listed {
        id: row.get(0)?,
        table: row.get(1)?,
        // A body that somebody edited by hand is still shown.
        record: serde_json::from_str(&body)
            .unwrap_or_else(|_| Record { fields: vec![("body".into(), super::Value::Text(body))] }),
        happened: happened(row, 3)?,
        state: RowState::from_code(row.get(8)?),
        reason: row.get(9)?,
    })
}

/// Five columns from `at` on: wall_ms, trusted, mono_ms, boot, at_ms.
pub(super) fn happened(row: &Row<'_>, at: usize) -> Result<Happened, rusqlite::Error> {
    let mono_ms: i64 = row.get(at + 2)?;
    Ok(Happened {
        wall: Wall { unix_ms: row.get(at)?, trusted: row.get(at + 1)? },
        mono: Mono::new(std::time::Duration::from_millis(mono_ms.max(0) as u64)),
        boot: row.get(at + 3)?,
        at_unix_ms: row.get(at + 4)?,
    })
}

fn write_line(out: &mut dyn Write, listed: &Listed) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(rename = "_id")]
        id: &'a str,
        #[serde(rename = "_table")]
        table: &'a str,
        #[serde(rename = "_unix_ms")]
        unix_ms: i64,
        #[serde(rename = "_state")]
        state: RowState,
        #[serde(rename = "_reason", skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        #[serde(flatten)]
        record: &'a Record,
    }
    let line = Line {
        id: &listed.id,
        table: &listed.table,
        unix_ms: listed.happened.at_unix_ms.unwrap_or(listed.happened.wall.unix_ms),
        state: listed.state,
        reason: listed.reason.as_deref(),
        record: &listed.record,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
