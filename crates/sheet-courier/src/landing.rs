//! Under which columns a batch landed. People may move them while it is on its way; then what is under a wrong name is
//! put right, row by row, by the row's id (protocol section 9).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::durable::{Batch, Displaced, FrozenTab};
use crate::glance::Glimpse;
use crate::layout::{ID_COLUMN, Tab};

impl FrozenTab {
    /// The header that the batch's rows were frozen for. What a batch adds to it, older versions did not keep.
    fn meant(&self) -> &[String] {
        if self.written.is_empty() { self.header.as_deref().unwrap_or_default() } else { &self.written }
    }

    /// Whether the batch may still be sent, or already is in the sheet: its rows would be under the right names.
    pub(crate) fn fits(&self, now: Option<&Tab>) -> bool {
        match now {
            None => self.header.is_none(),
            Some(tab) => {
                let is_named = self.title.is_empty() || tab.title == self.title;
                let is_before = self.header.as_ref() == Some(&tab.header);
                tab.sheet_id == self.sheet_id && is_named && (is_before || is_under(&tab.header, self.meant()))
            }
        }
    }
}

/// Whether what was written for the columns `meant` is under those names. People may have more columns on the right.
fn is_under(found: &[String], meant: &[String]) -> bool {
    found.len() >= meant.len() && found.iter().zip(meant).all(|(found, meant)| found == meant)
}

/// When header rows were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// With the batch.
    Landing,
    /// Some time later: rows may be right although the header is another one now.
    Later,
}

/// The rows of a batch that are, or may be, under other names than they were frozen for, given the header rows.
pub(crate) fn displaced(batch: &Batch, found: &[Glimpse], when: Seen) -> Vec<Displaced> {
    let header_of = |tab: &FrozenTab| found.iter().find(|seen| seen.sheet_id == tab.sheet_id).map(|seen| &seen.header);
    let moved = |tab: &&FrozenTab| header_of(tab).is_some_and(|found| !is_under(found, tab.meant()));
    let moved: Vec<&FrozenTab> = batch.tabs.iter().filter(moved).collect();
    if moved.is_empty() {
        return Vec::new();
    }
    let body: Value = serde_json::from_slice(&batch.body).unwrap_or_default();
    let requests = body.get("requests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut rows = Vec::new();
    for append in requests.iter().filter_map(|request| request.get("appendCells")) {
        let sheet_id = append.get("sheetId").and_then(Value::as_i64);
        let Some(tab) = moved.iter().find(|tab| sheet_id == Some(i64::from(tab.sheet_id))) else { continue };
        let (meant, found) = (tab.meant(), header_of(tab).map(Vec::as_slice).unwrap_or_default());
        let Some(id) = meant.iter().position(|name| name == ID_COLUMN) else { continue };
        for row in append.get("rows").and_then(Value::as_array).into_iter().flatten() {
            let cells = row.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
            let Some(row) = cells.get(id).map(value_of) else { continue };
            let moved = |at: usize| when == Seen::Later || found.get(at) != meant.get(at);
            let is_wrong = |(at, cell): (usize, &Value)| is_value(&value_of(cell)) && moved(at);
            if cells.iter().enumerate().any(is_wrong) {
                rows.push(Displaced {
                    row: row.as_str().unwrap_or_default().to_owned(),
                    spreadsheet: batch.spreadsheet.clone(),
                    sheet_id: tab.sheet_id,
                    meant: meant.to_vec(),
                    found: if when == Seen::Landing { found.to_vec() } else { Vec::new() },
                    cells,
                });
            }
        }
    }
    rows
}

/// What a `CellData` of ours holds, as reading shows it; an empty text for nothing.
fn value_of(cell: &Value) -> Value {
    let value = cell.get("userEnteredValue").and_then(Value::as_object).and_then(|value| value.values().next());
    value.cloned().unwrap_or_else(|| Value::from(""))
}

fn is_value(value: &Value) -> bool {
    !is_same(None, value)
}

fn is_empty(found: Option<&Value>) -> bool {
    is_same(found, &Value::from(""))
}

/// Of two columns with one name the first is ours.
fn position(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|known| known == name)
}

/// Reading shows 1 and 1.0 as one number, and leaves out empty cells at the end of a row.
pub(crate) fn is_same(found: Option<&Value>, wanted: &Value) -> bool {
    match (found, wanted) {
        (None | Some(Value::Null), Value::String(text)) => text.is_empty(),
        (Some(Value::Number(found)), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        (Some(found), wanted) => found == wanted,
        _ => false,
    }
}

impl Displaced {
    /// The columns that the row's id is in most likely, under this header.
    pub(crate) fn id_columns(&self, header: &[String]) -> Vec<u32> {
        let meant = position(&self.meant, ID_COLUMN).unwrap_or(0);
        let mut columns: Vec<usize> = position(header, ID_COLUMN).into_iter().collect();
        columns.push(meant);
        columns.extend(self.found.get(meant).and_then(|name| position(header, name)));
        columns.extend((0..=header.len()).filter(|at| header.get(*at).is_none_or(String::is_empty)));
        columns.sort_unstable();
        columns.dedup();
        columns.into_iter().map(|at| at as u32).collect()
    }

    /// The columns that its values need, with how their numbers look, if that was said.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, Option<Value>)> {
        let named = self.meant.iter().zip(&self.cells).filter(|(_, cell)| is_value(&value_of(cell)));
        named.map(|(name, cell)| (name.as_str(), cell.get("userEnteredFormat").cloned()))
    }

    /// Whether this is the row, wherever its id is.
    pub(crate) fn is_row(&self, row: &[Value]) -> bool {
        row.iter().any(|value| value.as_str() == Some(&self.row))
    }

    /// What is to be written into the row under this header; null leaves a cell as it is. None if a column is missing.
    ///
    /// Columns may have been moved, named and deleted again since the row landed, so a value is known by itself: it is
    /// misplaced if its own column is empty or holds another value of the row. What a person, or another device, has
    /// written since stays, and so does every column that the row did not touch.
    pub(crate) fn to_write(&self, header: &[String], row: &[Value]) -> Option<Vec<Value>> {
        let now = |at: usize| row.get(at);
        let mut values = Vec::new();
        for (at, cell) in self.cells.iter().enumerate().filter(|(_, cell)| is_value(&value_of(cell))) {
            values.push((at, position(header, self.meant.get(at)?)?, value_of(cell)));
        }
        let is_placed = |(_, own, value): &&(usize, usize, Value)| is_same(now(*own), value);
        let placed: Vec<usize> = values.iter().filter(is_placed).map(|(_, own, _)| *own).collect();
        let mut stray: Vec<usize> = Vec::new();
        for (at, own, value) in values.iter().filter(|one| !is_placed(one)) {
            let is_theirs = !is_empty(now(*own)) && !values.iter().any(|(_, _, other)| is_same(now(*own), other));
            let holds =
                |column: &usize| !placed.contains(column) && !stray.contains(column) && is_same(now(*column), value);
            // Where it landed; else, unless a person was at it, wherever it is.
            let named = self.found.get(*at).filter(|name| !name.is_empty()).and_then(|name| position(header, name));
            let anywhere = || (0..row.len()).find(holds).filter(|column| !is_theirs && self.may_hold(header, *column));
            stray.extend(named.filter(holds).or_else(anywhere));
        }
        let mut write = Vec::new();
        let mut put = |at: usize, value: Value| {
            if write.len() <= at {
                write.resize(at + 1, Value::Null);
            }
            write[at] = value;
        };
        for column in &stray {
            put(*column, Value::from(""));
        }
        for (_, own, value) in values.iter().filter(|one| !is_placed(one)) {
            if is_empty(now(*own)) || stray.contains(own) {
                put(*own, value.clone());
            }
        }
        Some(write)
    }

    /// Whether the row may have a value in this column that its name does not tell of.
    fn may_hold(&self, header: &[String], column: usize) -> bool {
        let name = header.get(column).filter(|name| !name.is_empty());
        self.found.is_empty() || name.is_none_or(|name| !self.found.contains(name) || self.meant.contains(name))
    }

    /// The cells of the row whose numbers look as another column's do, under this header, with how they should.
    pub(crate) fn looks(&self, header: &[String]) -> Vec<(usize, Value)> {
        let look = |at: Option<usize>| {
            let format = at.and_then(|at| self.cells.get(at)).and_then(|cell| cell.get("userEnteredFormat"));
            format.cloned().unwrap_or_else(|| json!({}))
        };
        let is_ours = |name: &String| self.found.contains(name) || self.meant.contains(name);
        let named = header.iter().enumerate().filter(|(_, name)| !name.is_empty() && is_ours(name));
        named
            .filter_map(|(at, name)| {
                // Where nobody knows what it looks like, it is made to look right.
                let landed = if self.found.is_empty() { Value::Null } else { look(position(&self.found, name)) };
                let meant = look(position(&self.meant, name));
                (landed != meant).then_some((at, meant))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::durable::Phase;
    use crate::ids::{Digest, MarkerId};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    const MEANT: &[&str] = &["_id", "time", "device", "n"];

    /// One row that landed under `found`.
    fn landed(found: &[&str]) -> Option<Displaced> {
        seen(found, Seen::Landing)
    }

    fn seen(found: &[&str], when: Seen) -> Option<Displaced> {
        let look = json!({"numberFormat": {"type": "DATE_TIME", "pattern": "p"}});
        let values = json!([
            {"userEnteredValue": {"stringValue": "r1"}},
            {"userEnteredValue": {"numberValue": 46_000.5}, "userEnteredFormat": look},
            {},
            {"userEnteredValue": {"numberValue": 7}},
        ]);
        let body = json!({"requests": [{}, {"appendCells": {"sheetId": 5, "rows": [{"values": values}]}}]});
        let tab = FrozenTab {
            table: "t".into(),
            sheet_id: 5,
            version: 1,
            header: Some(names(MEANT)),
            written: names(MEANT),
            title: "t".into(),
        };
        let batch = Batch {
            id: MarkerId::of(0, 1),
            seq: 1,
            spreadsheet: "s".into(),
            body: body.to_string().into_bytes().into(),
            digest: Digest::from_u64(0),
            phase: Phase::Send,
            tabs: alloc::vec![tab],
            rows: 1,
            refusals: 0,
        };
        let seen = Glimpse { sheet_id: 5, title: "t".into(), grid_columns: 9, header: names(found) };
        displaced(&batch, &[seen], when).pop()
    }

    #[test]
    fn a_row_under_its_own_names_is_left_alone() {
        assert_eq!(landed(MEANT), None);
        assert_eq!(landed(&["_id", "time", "device", "n", "notes"]), None, "a person's column on the right");
        assert_eq!(landed(&["_id", "time", "other", "n"]), None, "nothing was written there");
    }

    /// What the row holds is put under its names, whatever happened, and nothing else is touched.
    #[test]
    fn values_go_under_their_names_and_nowhere_else() {
        let (id, time, n, empty) = (json!("r1"), json!(46_000.5), json!(7), json!(""));
        let null = Value::Null;
        for (found, now, row, wanted) in [
            // Moved to the front.
            (
                &["n", "_id", "time", "device"][..],
                &["n", "_id", "time", "device"][..],
                [&id, &time, &empty, &n].as_slice(),
                Some([&n, &id, &time, &empty].as_slice()),
            ),
            // Inserted, with a name and without; the last value is beyond the header.
            (
                &["_id", "", "time", "device", "n"],
                &["_id", "", "time", "device", "n"],
                &[&id, &time, &empty, &n],
                Some(&[&null, &empty, &time, &empty, &n]),
            ),
            (
                &["_id", "x", "time", "device", "n"],
                &["_id", "x", "time", "device", "n"],
                &[&id, &time, &empty, &n],
                Some(&[&null, &empty, &time, &empty, &n]),
            ),
            // And moved on since then: the value is still under the name it landed under.
            (
                &["_id", "x", "time", "n"],
                &["x", "n", "time", "_id"],
                &[&time, &n, &empty, &id],
                Some(&[&empty, &null, &time]),
            ),
            // Deleted: its value went under a person's column, its own is to be made first.
            (&["_id", "device", "n", "notes"], &["_id", "device", "n", "notes"], &[&id, &time, &empty, &n], None),
            (
                &["_id", "device", "n", "notes"],
                &["_id", "device", "n", "notes", "time"],
                &[&id, &time, &empty, &n],
                Some(&[&null, &empty, &n, &empty, &time]),
            ),
            // Renamed since: nothing but its value tells it.
            (
                &["_id", "x", "time", "device", "n"],
                &["_id", "y", "time", "device", "n"],
                &[&id, &time, &empty, &n],
                Some(&[&null, &empty, &time, &empty, &n]),
            ),
            (
                &["_id", "", "time", "device", "n"],
                &["y", "_id", "device", "time", "n"],
                &[&time, &id, &n],
                Some(&[&empty, &null, &empty, &time, &n]),
            ),
            // A person, or a sibling, wrote over it: that stays.
            (&["_id", "x", "time", "n"], &["_id", "x", "time", "n"], &[&id, &json!("mine"), &json!(3), &n], Some(&[])),
        ] {
            let values = |of: &[&Value]| of.iter().map(|value| (*value).clone()).collect::<Vec<_>>();
            let displaced = landed(found).unwrap_or_else(|| panic!("{found:?}"));
            assert!(displaced.is_row(&values(row)));
            let at = row.iter().position(|value| **value == id).unwrap() as u32;
            assert!(displaced.id_columns(&names(now)).contains(&at), "{found:?}");
            assert_eq!(displaced.to_write(&names(now), &values(row)), wanted.map(values), "{found:?} {now:?}");
        }
    }

    /// Where the header was seen only later, the rows may be right; and a person may have been at them.
    #[test]
    fn what_may_be_displaced_is_looked_at_value_by_value() {
        assert_eq!(seen(MEANT, Seen::Later), None);
        let header = names(&["n", "_id", "", "time", "device", "mine"]);
        let displaced = seen(&["n", "_id", "", "time", "device", "mine"], Seen::Later).unwrap();
        for (row, wanted) in [
            (json!([7, "r1", "", 46_000.5, "", ""]), json!([])),
            (json!([7, "r1", "", 46_000.5, "", 7]), json!([])),
            (json!(["", "r1", 7, 46_000.5, "", "x"]), json!([7, null, ""])),
            (json!([46_000.5, "r1", "", 7, "", "x"]), json!([7, null, null, 46_000.5])),
            (json!(["", "", "r1", 46_000.5, "", 7]), json!([7, "r1", "", null, null, ""])),
            // Somebody wrote another number.
            (json!([8, "r1", "", 46_000.5, "", 7]), json!([])),
        ] {
            let values = |of: Value| of.as_array().cloned().unwrap();
            assert_eq!(displaced.to_write(&header, &values(row.clone())), Some(values(wanted)), "{row}");
        }
    }

    #[test]
    fn numbers_look_as_their_column_does() {
        let displaced = landed(&["_id", "n", "time", "device"]).unwrap();
        let looks = displaced.looks(&names(&["_id", "n", "time", "device"]));
        assert_eq!(looks[0], (1, json!({})), "a number that would look like a time");
        assert_eq!((looks[1].0, &looks[1].1["numberFormat"]["type"]), (2, &json!("DATE_TIME")));
        assert_eq!(looks.len(), 2);
    }

    #[test]
    fn an_old_batch_is_sent_only_where_its_rows_would_be_right() {
        let tab = |header: &[&str], title: &str| Tab {
            sheet_id: 5,
            grid_columns: 9,
            title: title.into(),
            header: names(header),
        };
        let frozen = FrozenTab {
            table: "t".into(),
            sheet_id: 5,
            version: 1,
            header: Some(names(&["_id", "n"])),
            written: names(&["_id", "n", "new"]),
            title: "t".into(),
        };
        for (now, fits) in [
            (Some(tab(&["_id", "n"], "t")), true),
            (Some(tab(&["_id", "n", "new"], "t")), true),
            (Some(tab(&["_id", "n", "new", "mine"], "t")), true),
            (Some(tab(&["_id", "n", "mine"], "t")), false),
            (Some(tab(&["n", "_id"], "t")), false),
            (Some(tab(&["_id"], "t")), false),
            (Some(tab(&["_id", "n"], "renamed")), false),
            (None, false),
        ] {
            assert_eq!(frozen.fits(now.as_ref()), fits, "{now:?}");
        }
        let missing = FrozenTab { header: None, ..frozen };
        assert!(missing.fits(None) && missing.fits(Some(&tab(&["_id", "n", "new"], "t"))));
        assert!(!missing.fits(Some(&tab(&["mine"], "t"))));
    }
}
