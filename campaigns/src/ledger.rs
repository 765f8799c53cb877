//! What was offered, what was acknowledged, and the judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Outcome, ensure};

/// The column that each row carries its key in.
pub(crate) const KEY: &str = "key";

/// Shared by everybody who records.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    offered: BTreeSet<String>,
    acknowledged: BTreeSet<String>,
}

impl Ledger {
    /// `key` is about to be recorded: it may be in the sheet once from now on.
    pub(crate) fn offer(&self, key: &str) {
        self.books().offered.insert(key.to_owned());
    }

    /// `record` said that `key` is kept: it must be in the sheet in the end.
    pub(crate) fn acknowledge(&self, key: &str) {
        self.books().acknowledged.insert(key.to_owned());
    }

    /// Compares the books with the sheet, whose first row is its header.
    pub(crate) fn judge(&self, sheet: &[Vec<String>]) -> Outcome<Verdict> {
        let books = self.books();
        let (header, rows) = sheet.split_first().ok_or("the sheet is empty")?;
        let column = |name: &str| header.iter().position(|title| title == name);
        let key = column(KEY).ok_or_else(|| format!("the sheet has no column {KEY}: {header:?}"))?;
        let id = column("_id").ok_or_else(|| format!("the sheet has no column _id: {header:?}"))?;
        let count = |column: usize| {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for row in rows {
                *counts.entry(row.get(column).map_or("", String::as_str)).or_default() += 1;
            }
            counts
        };
        let keys = count(key);
        let twice = |counts: &BTreeMap<&str, u64>| -> Vec<String> {
            counts.iter().filter(|(_, times)| **times > 1).map(|(key, _)| (*key).to_owned()).collect()
        };
        let mut doubled = twice(&keys);
        doubled.extend(twice(&count(id)));
        let acknowledged = &books.acknowledged;
        Ok(Verdict {
            offered: books.offered.len(),
            acknowledged: acknowledged.len(),
            rows: rows.len(),
            lost: acknowledged.iter().filter(|key| !keys.contains_key(key.as_str())).cloned().collect(),
            doubled,
            strangers: keys.keys().filter(|key| !books.offered.contains(**key)).map(|key| (*key).to_owned()).collect(),
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Sets of keys are whole whatever happened to the thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of the rows.
#[derive(Debug)]
pub(crate) struct Verdict {
    offered: usize,
    acknowledged: usize,
    rows: usize,
    /// Acknowledged, and not in the sheet.
    pub(crate) lost: Vec<String>,
    /// In the sheet more than once, by key or by row id.
    pub(crate) doubled: Vec<String>,
    /// In the sheet, and nobody recorded them.
    strangers: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.strangers.is_empty()
    }

    pub(crate) fn must_be_good(&self) -> Outcome {
        let some = |keys: &[String]| keys.iter().take(10).cloned().collect::<Vec<_>>().join(" ");
        let (lost, doubled, strangers) = (some(&self.lost), some(&self.doubled), some(&self.strangers));
        ensure!(self.is_good(), "{self}\nlost: {lost}\ndoubled: {doubled}\nnobody's: {strangers}");
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offered, acknowledged, rows, lost, doubled, strangers } = self;
        let (lost, doubled, strangers) = (lost.len(), doubled.len(), strangers.len());
        write!(f, "{offered} offered, {acknowledged} acknowledged, {rows} in the sheet; ")?;
        write!(f, "lost {lost}, doubled {doubled}, nobody's {strangers}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(rows: &[[&str; 2]]) -> Vec<Vec<String>> {
        [["_id", KEY]].iter().chain(rows).map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn the_judgement_sees_what_is_lost_doubled_and_foreign() {
        let ledger = Ledger::default();
        ["a", "b", "c"].iter().for_each(|key| ledger.offer(key));
        ["a", "b"].iter().for_each(|key| ledger.acknowledge(key));
        let judge = |rows: &[[&str; 2]]| ledger.judge(&sheet(rows)).unwrap();
        assert!(judge(&[["1", "a"], ["2", "b"]]).is_good(), "an unacknowledged row may be missing");
        assert!(judge(&[["1", "a"], ["2", "b"], ["3", "c"]]).is_good(), "and it may be there");
        assert_eq!(judge(&[["1", "a"]]).lost, ["b"]);
        assert_eq!(judge(&[["1", "a"], ["2", "b"], ["3", "b"]]).doubled, ["b"]);
        assert_eq!(judge(&[["1", "a"], ["2", "b"], ["3", "c"], ["4", "c"]]).doubled, ["c"]);
        assert_eq!(judge(&[["1", "a"], ["1", "b"]]).doubled, ["1"]);
        assert!(!judge(&[["1", "a"], ["2", "b"], ["3", "d"]]).is_good());
    }
}
