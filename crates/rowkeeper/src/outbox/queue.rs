//! What people see and do: counting, listing, retrying, dropping.

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params_from_iter};
use serde::Serialize;

use super::amends::{IS_WANTED, drop_amends, forget_orphans};
use super::batches::{BOUND, lift_refusal};
use super::{DiskError, Happened, Outbox, Record};
use crate::clock::{Mono, Wall};

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
    /// In the sheet; this is a copy.
    Delivered,
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
    /// The copies of delivered rows too, in front.
    pub delivered: bool,
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
    /// In the batch in flight, and to be dropped if that batch turns out not to be in the sheet.
    pub unwanted: bool,
    /// In a batch that may or may not be in an earlier spreadsheet, which does not answer.
    pub bound: bool,
}

/// Which rows a person means.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// These row ids.
    Ids(&'a [String]),
    /// All that were set aside.
    SetAside,
    /// All.
    All,
}

/// What [`Outbox::retry`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// Rows that were set aside and wait again.
    pub returned: usize,
    /// Rows that were waiting anyway.
    pub waiting: Vec<String>,
    /// Ids of no row on this device: delivered, dropped, or never recorded here.
    pub unknown: Vec<String>,
}

/// What [`Outbox::drop_rows`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Rows that are gone.
    pub dropped: usize,
    /// Rows in the batch in flight: dropped if that batch turns out not to be in the sheet.
    pub in_flight: usize,
    /// Ids of no row on this device: delivered, dropped, or never recorded here.
    pub unknown: Vec<String>,
}

impl RowState {
    fn code(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::InBatch => 1,
            Self::Aside => 2,
            Self::Delivered => 3,
        }
    }

    fn from_code(code: i64) -> Self {
        match code {
            1 => Self::InBatch,
            2 => Self::Aside,
            3 => Self::Delivered,
            _ => Self::Queued,
        }
    }
}

impl Outbox {
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

    fn each(
        &self,
        filter: &Filter,
        on: &mut dyn FnMut(Listed) -> Result<(), rusqlite::Error>,
    ) -> Result<(), rusqlite::Error> {
        each_in(&self.connection(), filter, on)
    }

    /// Puts rows that were set aside back into the queue, and lifts a stop that they caused. A row that was to be
    /// dropped with its batch stays after all. Safe: a row is set aside only after no earlier attempt can land any more.
    ///
    /// Rows that are bound to an earlier spreadsheet go back to the queue too, if they are named or all are meant. They
    /// may be there already: whether they may come twice is the person's choice.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn retry(&self, which: Which<'_>) -> Result<Retried, DiskError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut retried = Retried::default();
        let unbind = format!("UPDATE row SET state = 0, batch = NULL, unwanted = 0 WHERE {IS_BOUND}");
        let set = "UPDATE row SET state = 0, refusals = 0, at_most = NULL, reason = NULL, run = 0 WHERE state = 2";
        let amend = format!("UPDATE amend SET reason = NULL WHERE reason IS NOT NULL AND {IS_WANTED}");
        match which {
            Which::SetAside => retried.returned = tx.execute(set, ())? + tx.execute(&amend, ())?,
            Which::All => {
                retried.returned = tx.execute(set, ())? + tx.execute(&unbind, ())? + tx.execute(&amend, ())?;
                tx.execute("UPDATE row SET unwanted = 0 WHERE unwanted = 1", ())?;
            }
            Which::Ids(ids) => {
                let one = format!("{set} AND id = ?1");
                for id in ids {
                    let returned = tx.execute(&one, (id,))?
                        + tx.execute(&format!("{unbind} AND id = ?1"), (id,))?
                        + tx.execute(&format!("{amend} AND id = ?1"), (id,))?;
                    retried.returned += returned;
                    if returned == 0 {
                        let same = format!("UPDATE amend SET due = due WHERE id = ?1 AND {IS_WANTED}");
                        let kept = tx.execute("UPDATE row SET unwanted = 0 WHERE id = ?1", (id,))?
                            + tx.execute(&same, (id,))?;
                        if kept > 0 { &mut retried.waiting } else { &mut retried.unknown }.push(id.clone());
                    }
                }
            }
        }
        lift_refusal(&tx)?;
        forget_empty(&tx)?;
        self.touched.settle(&tx)?;
        tx.commit()?;
        Ok(retried)
    }

    /// Forgets rows for good, on a person's word. A row in the batch in flight may already be in the sheet: it is
    /// dropped only if that batch turns out not to be. One that is bound to an earlier spreadsheet is forgotten: that it
    /// may be lost is the person's choice. An amendment that is being written is not begun again.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn drop_rows(&self, which: Which<'_>) -> Result<Dropped, DiskError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut dropped = Dropped::default();
        match which {
            Which::SetAside => {
                let (gone, _) = drop_amends(&tx, "reason IS NOT NULL", None)?;
                dropped.dropped = tx.execute("DELETE FROM row WHERE state = 2", ())? + gone;
            }
            Which::All => {
                let (gone, on_its_way) = drop_amends(&tx, "1", None)?;
                dropped.dropped = tx.execute(&format!("DELETE FROM row WHERE (state <> 1 OR {IS_BOUND})"), ())? + gone;
                dropped.in_flight = tx.execute("UPDATE row SET unwanted = 1 WHERE state = 1", ())? + on_its_way;
            }
            Which::Ids(ids) => {
                for id in ids {
                    let (gone, on_its_way) = drop_amends(&tx, "1", Some(id))?;
                    let row = format!("DELETE FROM row WHERE id = ?1 AND (state <> 1 OR {IS_BOUND})");
                    let gone = gone + tx.execute(&row, (id,))?;
                    let bound =
                        on_its_way + tx.execute("UPDATE row SET unwanted = 1 WHERE id = ?1 AND state = 1", (id,))?;
                    dropped.dropped += gone;
                    dropped.in_flight += bound;
                    if gone + bound == 0 {
                        dropped.unknown.push(id.clone());
                    }
                }
            }
        }
        forget_empty(&tx)?;
        self.touched.settle(&tx)?;
        tx.commit()?;
        Ok(dropped)
    }
}

/// Of a row: its batch is one of an earlier spreadsheet.
const IS_BOUND: &str = "coalesce(batch IN (SELECT id FROM batch WHERE
    spreadsheet <> (SELECT id FROM sheet ORDER BY n DESC LIMIT 1) OR cause = 'copy'), 0)";

/// A bound batch without rows has nothing to wait for.
fn forget_empty(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let empty = "NOT EXISTS (SELECT 1 FROM row WHERE row.batch = batch.id)";
    tx.execute(&format!("DELETE FROM batch WHERE {BOUND} AND {empty}"), ())?;
    forget_orphans(tx)
}

/// In the order in which they came; what was delivered came first.
pub(super) fn each_in(
    connection: &Connection,
    filter: &Filter,
    on: &mut dyn FnMut(Listed) -> Result<(), rusqlite::Error>,
) -> Result<(), rusqlite::Error> {
    let ids: String = vec!["?"; filter.ids.len()].join(",");
    let wanted = format!(
        "{} AND {}",
        filter.state.map_or("1".into(), |state| format!("state = {}", state.code())),
        if filter.ids.is_empty() { "1".into() } else { format!("id IN ({ids})") },
    );
    let limit = filter.limit.map_or(-1, i64::from);
    let mut sources = Vec::new();
    if filter.delivered {
        sources.push("SELECT *, 3 AS state, NULL AS reason, 0 AS unwanted, 0 AS bound FROM delivered".to_owned());
    }
    // Those in a batch are few among many, and have an index.
    let few = if filter.state == Some(RowState::InBatch) { " INDEXED BY row_batch WHERE batch NOT NULL" } else { "" };
    sources.push(format!("SELECT *, {IS_BOUND} AS bound FROM row{few}"));
    for source in sources {
        let sql = format!(
            "SELECT id, tab, body, wall_ms, trusted, mono_ms, boot, at_ms, state, reason, unwanted, bound
             FROM ({source}) WHERE {wanted} ORDER BY n LIMIT {limit}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&filter.ids))?;
        while let Some(row) = rows.next()? {
            on(listed(row)?)?;
        }
    }
    Ok(())
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
        unwanted: row.get(10)?,
        bound: row.get(11)?,
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
