//! How much waits, without reading all of it.
//!
//! Rows are added up in blocks of 1,024, by their place in the file. SQLite says which rows a transaction touches, whatever
//! statement did it, and before the commit the sums of their blocks are made anew from the rows ([`Touched::settle`]). The
//! block of the newest rows has no sums yet and is read when somebody asks: so a lone record writes no page more, and
//! `status` reads a thousand rows at most.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::amends::IS_WANTED;
use super::cached::Cached as _;
use super::{DiskError, Outbox};

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

/// What [`Outbox::recount`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recount {
    /// The sums are those of the rows.
    Right,
    /// They were not, and are now.
    Mended,
}

/// Of the rows of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sums {
    waiting: i64,
    aside: i64,
    bytes: i64,
    oldest: i64,
}

/// The block of row `n` is `n >> BITS`.
const BITS: u32 = 10;

/// Blocks whose sums may not be right any more. One too many costs a little time and nothing else, so whatever an abandoned
/// transaction leaves here may stay until the next.
#[derive(Clone, Default)]
pub(super) struct Touched(Arc<Mutex<BTreeSet<i64>>>);

impl Touched {
    /// From now on by what this connection does.
    pub(super) fn by(connection: &mut Connection) -> Result<Self, rusqlite::Error> {
        let touched = Self::default();
        let set = touched.clone();
        connection.update_hook(Some(move |_, _: &str, table: &str, n: i64| {
            if table == "row" {
                set.change(|blocks| _ = blocks.insert(n >> BITS));
            }
        }))?;
        Ok(touched)
    }

    fn change<T>(&self, how: impl FnOnce(&mut BTreeSet<i64>) -> T) -> T {
        how(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// To be the last before the commit of every transaction that may have changed rows.
    pub(super) fn settle(&self, tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
        let touched = self.change(mem::take);
        if touched.is_empty() {
            return Ok(());
        }
        let ends = "SELECT coalesce((SELECT max(n) FROM row), 0), coalesce(max(b), -1) FROM block";
        let (newest, last): (i64, i64) =
            tx.prepare_cached(ends)?.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let newest = newest >> BITS;
        if last >= newest {
            // The newest rows were dropped.
            tx.execute_cached("DELETE FROM block WHERE b >= ?1", (newest,))?;
        }
        for b in touched.range(..newest) {
            sum_up(tx, *b)?;
        }
        // Those that are full since.
        let mut next = last + 1;
        while next < newest
            && let Some(n) = first_row(tx, first_of(next), first_of(newest))?
        {
            sum_up(tx, n >> BITS)?;
            next = (n >> BITS) + 1;
        }
        Ok(())
    }
}

impl Outbox {
    /// How many rows there are.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn counts(&self) -> Result<Counts, DiskError> {
        let mut connection = self.connection();
        // One snapshot, so that no row is in a block and behind the blocks too.
        let tx = connection.transaction()?;
        let all = format!(
            "SELECT coalesce(sum(waiting), 0) + (SELECT count(*) FROM amend WHERE reason IS NULL AND {IS_WANTED}),
                    coalesce(sum(aside), 0) + (SELECT count(*) FROM amend WHERE reason IS NOT NULL AND {IS_WANTED}),
                    coalesce(sum(bytes), 0), min(oldest), coalesce(max(b), -1) FROM block"
        );
        let (waiting, aside, bytes, oldest, last): (i64, i64, i64, Option<i64>, i64) =
            tx.query_row_cached(&all, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
        let newest = rows_of(&tx, first_of(last + 1), i64::MAX)?;
        let sums = newest.unwrap_or(Sums { waiting: 0, aside: 0, bytes: 0, oldest: 0 });
        // Only damage makes them negative; `recount` finds it.
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Counts {
            waiting: count(waiting.saturating_add(sums.waiting)),
            set_aside: count(aside.saturating_add(sums.aside)),
            bytes: count(bytes.saturating_add(sums.bytes)),
            oldest: oldest.into_iter().chain(newest.map(|sums| sums.oldest)).min(),
        })
    }

    /// Whether a row or an amendment waits to be delivered. From the rows themselves: nothing that is delivered rests on
    /// sums.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn is_anything_waiting(&self) -> Result<bool, DiskError> {
        let amend = format!("SELECT 1 FROM amend WHERE reason IS NULL AND {IS_WANTED}");
        let sql = format!("SELECT EXISTS (SELECT 1 FROM row WHERE state < 2) OR EXISTS ({amend})");
        Ok(self.connection().query_row_cached(&sql, (), |row| row.get(0))?)
    }

    /// Adds up all rows, one by one, and puts the sums right if they are not.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn recount(&self) -> Result<Recount, DiskError> {
        let mut connection = self.writable()?;
        let tx = connection.transaction()?;
        let is_right = blocks(&tx)? == add_up(&tx)?;
        drop(tx);
        if is_right {
            return Ok(Recount::Right);
        }
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        make_blocks(&tx)?;
        tx.commit()?;
        Ok(Recount::Mended)
    }
}

/// Makes all blocks anew, from the rows.
pub(super) fn make_blocks(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    tx.execute("DELETE FROM block", ())?;
    for (b, sums) in add_up(tx)? {
        put(tx, b, &sums)?;
    }
    Ok(())
}

/// What all blocks should be: one pass over the rows, in the order in which they lie.
fn add_up(connection: &Connection) -> Result<BTreeMap<i64, Sums>, rusqlite::Error> {
    let last: i64 = connection.query_row("SELECT coalesce(max(n), 0) FROM row", (), |row| row.get(0))?;
    let (mut blocks, mut from, end) = (BTreeMap::new(), i64::MIN, first_of(last >> BITS));
    while let Some(n) = first_row(connection, from, end)? {
        let b = n >> BITS;
        from = first_of(b + 1);
        blocks.extend(rows_of(connection, first_of(b), from - 1)?.map(|sums| (b, sums)));
    }
    Ok(blocks)
}

/// Writes only what is another than before.
fn sum_up(tx: &Transaction<'_>, b: i64) -> Result<(), rusqlite::Error> {
    let kept = tx
        .prepare_cached("SELECT waiting, aside, bytes, oldest FROM block WHERE b = ?1")?
        .query_row((b,), |row| sums(row, 0))
        .optional()?;
    match rows_of(tx, first_of(b), first_of(b + 1) - 1)? {
        same if same == kept => Ok(()),
        Some(sums) => put(tx, b, &sums),
        None => tx.execute_cached("DELETE FROM block WHERE b = ?1", (b,)).map(drop),
    }
}

fn put(tx: &Transaction<'_>, b: i64, sums: &Sums) -> Result<(), rusqlite::Error> {
    tx.prepare_cached("INSERT OR REPLACE INTO block(b, waiting, aside, bytes, oldest) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![b, sums.waiting, sums.aside, sums.bytes, sums.oldest])
        .map(drop)
}

fn first_of(b: i64) -> i64 {
    b << BITS
}

fn first_row(connection: &Connection, from: i64, end: i64) -> Result<Option<i64>, rusqlite::Error> {
    let sql = "SELECT min(n) FROM row WHERE n >= ?1 AND n < ?2";
    connection.prepare_cached(sql)?.query_row((from, end), |row| row.get(0))
}

fn blocks(connection: &Connection) -> Result<BTreeMap<i64, Sums>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT b, waiting, aside, bytes, oldest FROM block")?;
    statement.query_map((), |row| Ok((row.get(0)?, sums(row, 1)?)))?.collect()
}

/// None if there are no such rows.
fn rows_of(connection: &Connection, first: i64, last: i64) -> Result<Option<Sums>, rusqlite::Error> {
    let sql = "SELECT sum(state < 2), sum(state = 2), sum(length(CAST(body AS BLOB))), min(coalesce(at_ms, wall_ms)),
               count(*) FROM row WHERE n BETWEEN ?1 AND ?2";
    connection.prepare_cached(sql)?.query_row((first, last), |row| match row.get(4)? {
        0 => Ok(None),
        _ => sums(row, 0).map(Some),
    })
}

fn sums(row: &Row<'_>, at: usize) -> Result<Sums, rusqlite::Error> {
    Ok(Sums { waiting: row.get(at)?, aside: row.get(at + 1)?, bytes: row.get(at + 2)?, oldest: row.get(at + 3)? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sheet_courier::{Batch, Digest, Fate, Marker, MarkerId, Phase, SheetRef, Tally, Transition, Verdict};

    use super::super::{Filter, Happened, NewRow, Options, Record, RowState, Value, Which};
    use super::*;
    use crate::clock::{Mono, Wall};

    const ROOMY: Options = Options { max_bytes: 1 << 30 };

    /// Numbers that look like chance (xorshift) and are the same for the same seed.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % end
        }

        fn of<T: Clone>(&mut self, some: &[T]) -> Option<T> {
            (!some.is_empty()).then(|| some[self.below(some.len() as u64) as usize].clone())
        }

        /// One, some that lie together, or some that do not.
        fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
            let from = self.below(of.len() as u64 + 1) as usize;
            match self.below(3) {
                0 => self.of(of).into_iter().collect(),
                1 => of[from..].iter().take(self.below(2_000) as usize).cloned().collect(),
                _ => of.iter().filter(|_| self.below(5) == 0).cloned().collect(),
            }
        }
    }

    fn at(unix_ms: i64, trusted: bool) -> Happened {
        let (wall, mono) = (Wall { unix_ms, trusted }, Mono::new(Duration::from_millis(unix_ms as u64)));
        Happened { wall, mono, boot: "b".into(), at_unix_ms: None }
    }

    fn row(text: &str, happened: Happened) -> NewRow {
        let record = Record { fields: vec![("a".into(), Value::Text(text.into()))] };
        NewRow { table: "t".into(), id: None, record, happened }
    }

    /// An outbox, and whatever can happen to rows.
    struct Life {
        outbox: Outbox,
        chance: Chance,
        batch: Option<(MarkerId, u64)>,
        delivered: Vec<String>,
    }

    impl Life {
        fn commit(&self, change: &Transition) {
            self.outbox.commit(change, "b", 0).unwrap();
        }

        fn rows(&self) -> Vec<(i64, String)> {
            let queued = self.outbox.queued(1_000_000, usize::MAX).unwrap();
            queued.into_iter().map(|row| (row.handle, row.id)).collect()
        }

        fn ids(&self) -> Vec<String> {
            self.outbox.list(&Filter::default()).unwrap().into_iter().map(|row| row.id).collect()
        }

        fn record(&mut self) {
            let many = self.chance.of(&[1, 2, 300, 1_200, 2_500]).unwrap();
            let rows: Vec<_> = (0..many)
                .map(|_| {
                    let at = at(self.chance.below(1_000_000) as i64, self.chance.below(3) > 0);
                    let at_unix_ms = (self.chance.below(9) == 0).then(|| self.chance.below(1_000_000) as i64);
                    row(&"ä".repeat(self.chance.below(4) as usize), Happened { at_unix_ms, ..at })
                })
                .collect();
            self.outbox.accept(&rows).unwrap();
        }

        fn freeze(&mut self) {
            // First the rows, since a batch is of what was read.
            let queued = self.rows();
            let rows = self.chance.some(&queued);
            let seq = self.outbox.durable("b", Duration::ZERO).unwrap().device.next_seq;
            let (id, tally) = (MarkerId::of(0, seq), Tally::default());
            let batch = Batch {
                id,
                seq,
                spreadsheet: "s".into(),
                body: b"{}".as_slice().into(),
                digest: Digest::from_u64(0),
                phase: Phase::Send,
                tabs: Vec::new(),
                rows: rows.len() as u32,
                refusals: 0,
            };
            self.commit(&Transition::Frozen { batch, rows, tally });
            self.batch = Some((id, seq));
        }

        fn settle(&mut self, (id, seq): (MarkerId, u64)) {
            let is_applied = self.chance.below(2) == 0;
            let value = if is_applied { Fate::Applied } else { Fate::Void }.value(Digest::from_u64(0));
            let marker = Marker { id, seq, key: "k".into(), value, applied: is_applied, doubt: false, ended_at: None };
            let tally = Tally::default();
            let change = if is_applied {
                let in_batch = Filter { state: Some(RowState::InBatch), ..Filter::default() };
                self.delivered.extend(self.outbox.list(&in_batch).unwrap().into_iter().map(|row| row.id));
                Transition::Applied { marker, tally, displaced: Vec::new() }
            } else {
                let why = String::from("no");
                let verdicts =
                    [Verdict::Return, Verdict::Halve(7), Verdict::RefusedOnce(why.clone()), Verdict::Aside(why)];
                let verdict = self.chance.of(&verdicts).unwrap();
                Transition::Voided { marker, verdict, tally, hold: None, wish: None }
            };
            self.commit(&change);
        }

        fn drop_or_retry(&mut self) {
            let all = self.ids();
            let mut ids = self.chance.some(&all);
            // Each is looked for among all rows.
            ids.truncate(50);
            match self.chance.below(9) {
                0 => _ = self.outbox.drop_rows(Which::All).unwrap(),
                1 => _ = self.outbox.drop_rows(Which::SetAside).unwrap(),
                2 => _ = self.outbox.retry(Which::SetAside).unwrap(),
                3 => _ = self.outbox.retry(Which::Ids(&ids)).unwrap(),
                _ => _ = self.outbox.drop_rows(Which::Ids(&ids)).unwrap(),
            }
        }

        fn amend(&mut self) {
            let known = [self.ids(), self.delivered.clone()].concat();
            for _ in 0..3 {
                let fields = [("a".to_owned(), Value::Text("ü".repeat(self.chance.below(9) as usize)))];
                if let Some(id) = self.chance.of(&known) {
                    self.outbox.amend(&id, &fields).unwrap();
                }
            }
            if let Some(due) = self.outbox.due_amend(&[]).unwrap()
                && due.remembered.is_some()
            {
                self.commit(&Transition::Returns { amend: due.handle });
                self.delivered.retain(|id| *id != due.id);
            }
        }

        fn step(&mut self) {
            match (self.chance.below(9), self.batch) {
                (0..3, _) => self.record(),
                (3 | 4, None) => self.freeze(),
                (3 | 4, Some(batch)) => {
                    self.batch = None;
                    self.settle(batch);
                }
                (5, _) => self.drop_or_retry(),
                (6, _) => self.amend(),
                (7, _) => self.outbox.correct_times(&at(2_000_000, true)).unwrap(),
                _ => {
                    let all = self.ids();
                    let ids = self.chance.some(&all);
                    self.commit(&Transition::Present { spreadsheet: "s".into(), ids });
                }
            }
        }

        fn counted_one_by_one(&self) -> Counts {
            let sql =
                "SELECT coalesce(sum(state < 2), 0) + (SELECT count(*) FROM amend WHERE reason IS NULL AND due < 2),
                       coalesce(sum(state = 2), 0) + (SELECT count(*) FROM amend WHERE reason IS NOT NULL AND due < 2),
                       coalesce(sum(length(CAST(body AS BLOB))), 0), min(coalesce(at_ms, wall_ms)) FROM row";
            let counts = self.outbox.connection().query_row(sql, (), |row| {
                Ok(Counts { waiting: row.get(0)?, set_aside: row.get(1)?, bytes: row.get(2)?, oldest: row.get(3)? })
            });
            counts.unwrap()
        }
    }

    #[test]
    fn whatever_happens_to_rows_the_sums_are_theirs() {
        let mut most_blocks = 0;
        for seed in 1..=16 {
            let outbox = Outbox::open_in_memory(ROOMY).unwrap();
            let sheet = SheetRef { id: "s".into(), url: String::new(), title: String::new() };
            outbox.commit(&Transition::SheetCreated(sheet), "b", 0).unwrap();
            let chance = Chance(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
            let mut life = Life { outbox, chance, batch: None, delivered: Vec::new() };
            for step in 0..40 {
                life.step();
                assert_eq!(life.outbox.counts().unwrap(), life.counted_one_by_one(), "seed {seed}, step {step}");
                assert_eq!(life.outbox.recount().unwrap(), Recount::Right, "seed {seed}, step {step}");
                let waits = life.counted_one_by_one().waiting > 0;
                assert_eq!(life.outbox.is_anything_waiting().unwrap(), waits, "seed {seed}, step {step}");
                most_blocks = most_blocks.max(blocks(&life.outbox.connection()).unwrap().len());
            }
        }
        assert!(most_blocks > 4, "{most_blocks} blocks are too few to say anything");
    }

    fn ten_thousand() -> Vec<NewRow> {
        (0..10_000).map(|n| row("x", at(n, true))).collect()
    }

    #[test]
    fn a_file_from_before_the_sums_is_added_up_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.sqlite");
        let outbox = Outbox::open(&path, ROOMY).unwrap();
        outbox.accept(&ten_thousand()).unwrap();
        let counted = outbox.counts().unwrap();
        let before = "DROP TABLE block; PRAGMA user_version = 5";
        outbox.connection().execute_batch(before).unwrap();
        drop(outbox);
        let outbox = Outbox::open(&path, ROOMY).unwrap();
        assert_eq!(blocks(&outbox.connection()).unwrap().len(), 9, "and those behind them");
        assert_eq!(outbox.counts().unwrap(), counted);
        assert_eq!(outbox.recount().unwrap(), Recount::Right);
    }

    /// Only a failing card, or a person with a tool, can make them wrong.
    #[test]
    fn sums_that_are_wrong_are_found_and_mended() {
        let outbox = Outbox::open_in_memory(ROOMY).unwrap();
        outbox.accept(&ten_thousand()).unwrap();
        let right = outbox.counts().unwrap();
        assert_eq!((right.waiting, right.oldest), (10_000, Some(0)));
        for wrong in [
            "UPDATE block SET waiting = waiting - 1 WHERE b = 3",
            "UPDATE block SET aside = -20000",
            "UPDATE block SET bytes = 0",
            "UPDATE block SET oldest = 1 WHERE b = 0",
            "DELETE FROM block WHERE b = 2",
            "DELETE FROM block",
            "INSERT INTO block VALUES (99, 1, 0, 1, 0)",
        ] {
            outbox.connection().execute_batch(wrong).unwrap();
            assert!(outbox.is_anything_waiting().unwrap(), "what is delivered rests on no sum");
            outbox.counts().unwrap();
            assert_eq!(outbox.recount().unwrap(), Recount::Mended, "{wrong}");
            assert_eq!(outbox.recount().unwrap(), Recount::Right, "{wrong}");
            assert_eq!(outbox.counts().unwrap(), right, "{wrong}");
        }
    }
}
