//! How the ranges in kept objects follow rows, columns and tabs that come, go and move.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::{
    filter,
    ranges::{Dimension, int},
    shift::Shift,
    spreadsheet::Spreadsheet,
};

impl Spreadsheet {
    /// Ranges of kept objects follow rows or columns of the tab `id`.
    pub(in super::super) fn shift_kept(&mut self, id: i64, dimension: Dimension, shift: &Shift) {
        let follow = |value: &mut Value| follow(value, id, dimension, shift);
        for sheet in self.sheets.iter_mut().filter(|sheet| !sheet.kept.is_empty()) {
            for list in Arc::make_mut(&mut sheet.kept).values_mut() {
                list.retain_mut(follow);
            }
            if sheet.id == id {
                filter::follow(sheet, dimension, shift);
            }
            sheet.tidy();
        }
        if !self.named_ranges.is_empty() {
            Arc::make_mut(&mut self.named_ranges).retain_mut(follow);
        }
    }

    /// Ranges of a tab that gets another id, or a copy of it in another spreadsheet.
    pub(in super::super) fn readdress_kept(&mut self, sheet: usize, old: i64) {
        let new = self.sheets[sheet].id;
        for list in Arc::make_mut(&mut self.sheets[sheet].kept).values_mut() {
            list.iter_mut().for_each(|value| readdress(value, old, new));
        }
    }
}

fn is_range(members: &Map<String, Value>) -> bool {
    ["startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex"]
        .iter()
        .any(|name| members.contains_key(*name))
}

/// False: nothing is left of it.
fn follow(value: &mut Value, id: i64, dimension: Dimension, shift: &Shift) -> bool {
    let is_here = int(value, "sheetId") == id;
    match value {
        Value::Array(list) => {
            let had = !list.is_empty();
            list.retain_mut(|value| follow(value, id, dimension, shift));
            !(had && list.is_empty())
        }
        Value::Object(members) if is_range(members) => {
            let names = match dimension {
                Dimension::Rows => ("startRowIndex", "endRowIndex"),
                Dimension::Columns => ("startColumnIndex", "endColumnIndex"),
            };
            !is_here || follow_ends(members, names, shift)
        }
        Value::Object(members) if members.contains_key("dimension") && members.contains_key("endIndex") => {
            let is_mine = is_here && members["dimension"] == dimension.name();
            !is_mine || follow_ends(members, ("startIndex", "endIndex"), shift)
        }
        Value::Object(members) if members.contains_key("rowIndex") || members.contains_key("columnIndex") => {
            let name = if dimension == Dimension::Rows { "rowIndex" } else { "columnIndex" };
            let is_coordinate =
                members.keys().all(|key| ["rowIndex", "columnIndex", "sheetId"].contains(&key.as_str()));
            if is_coordinate && is_here {
                let old = members.get(name).and_then(Value::as_u64).unwrap_or(0) as usize;
                // What floated above a deleted row floats above the next.
                let new = shift.line(old).or_else(|| shift.range(old..usize::MAX).map(|rest| rest.start));
                members.insert(name.into(), new.unwrap_or(0).into());
            }
            true
        }
        Value::Object(members) => {
            let gone: Vec<String> = members
                .iter_mut()
                .filter_map(|(name, value)| (!follow(value, id, dimension, shift)).then(|| name.clone()))
                .collect();
            gone.iter().for_each(|name| drop(members.remove(name)));
            !gone.iter().any(|name| matches!(name.as_str(), "range" | "ranges"))
        }
        _ => true,
    }
}

/// An end that is not there is open and stays so.
fn follow_ends(members: &mut Map<String, Value>, (start, end): (&str, &str), shift: &Shift) -> bool {
    let number = |name: &str| members.get(name).and_then(Value::as_u64).map(|number| number as usize);
    let (old_start, old_end) = (number(start), number(end));
    let Some(new) = shift.range(old_start.unwrap_or(0)..old_end.unwrap_or(usize::MAX / 2)) else { return false };
    if old_start.is_some() || old_end.is_some() {
        members.insert(start.into(), new.start.into());
    }
    if old_end.is_some() {
        members.insert(end.into(), new.end.into());
    }
    true
}

fn readdress(value: &mut Value, old: i64, new: i64) {
    let is_place = matches!(value, Value::Object(members) if is_range(members)
        || members.contains_key("dimension") || members.contains_key("rowIndex") || members.contains_key("sheetId"));
    if is_place && int(value, "sheetId") == old {
        value["sheetId"] = new.into();
    }
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| readdress(value, old, new)),
        Value::Object(members) => members.values_mut().for_each(|value| readdress(value, old, new)),
        _ => {}
    }
}
