//! Where the row is that is to be amended.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::{Ask, Made, REFUSALS_TO_STOP, SEE_AGAIN, SeenTab, Stage};
use crate::anchors::{CLOSED, Spot};
use crate::courier::{Asked, Courier, LOOK_AGAIN, Next, OLD_HEADER};
use crate::durable::{Amend, Transition};
use crate::glance::Glance;
use crate::layout::{self, ID_COLUMN, Tab, Versions};
use crate::mutation::Mutation;
use crate::wire::{self, Matching, Metadata, SheetProperties};

impl Courier {
    /// In the spreadsheet that it was delivered to, then in the current one, then in those before.
    pub(super) fn search(&mut self) -> Next {
        let Some(amend) = self.amend.clone() else { return Next::Gather };
        if self.amending.refusals >= REFUSALS_TO_STOP {
            return Next::Commit(Transition::Stuck { amend: amend.handle, reason: self.amending.reason.clone() });
        }
        if let Some(displaced) = &amend.displaced {
            return self.search_displaced(amend.handle, &displaced.spreadsheet);
        }
        let current = self.state.sheet.as_ref().map(|sheet| &sheet.id);
        let places: Vec<&String> = amend.remembered.iter().chain(current).chain(&self.state.earlier).collect();
        if let Some(next) = places.into_iter().find(|place| !self.amending.searched.contains(place)) {
            self.amending.stage = Stage::Tabs(next.clone());
            return Next::Ask(Asked::Amend(Ask::Tabs));
        }
        let amend_handle = amend.handle;
        Next::Commit(match &amend.remembered {
            Some(home) if self.amending.certain.contains(home) => Transition::Returns { amend: amend_handle },
            Some(_) => Transition::Stuck { amend: amend_handle, reason: self.amending.reason.clone() },
            None => {
                let reason = "no row with this id is in the sheet, and this device does not remember it".to_owned();
                Transition::Stuck { amend: amend_handle, reason }
            }
        })
    }

    /// It is where it landed; or a person deleted it, and it stays deleted.
    fn search_displaced(&mut self, amend: i64, spreadsheet: &str) -> Next {
        if !self.amending.searched.iter().any(|searched| searched == spreadsheet) {
            self.amending.stage = Stage::Tabs(spreadsheet.to_owned());
            return Next::Ask(Asked::Amend(Ask::Tabs));
        }
        let reason = self.amending.reason.clone();
        Next::Commit(if reason.is_empty() { Transition::Gone { amend } } else { Transition::Stuck { amend, reason } })
    }

    /// Tabs with a column of row ids are ours. One that was set up by us and has none cannot be searched.
    pub(super) fn headers_seen(
        &mut self,
        amend: &Amend,
        spreadsheet: String,
        tabs: Vec<SheetProperties>,
        versions: &Versions,
        found: &Glance,
        made: Made,
    ) -> Stage {
        let mut seen = Vec::new();
        let beside = layout::versions(&found.markers);
        let is_it = |tab: &SheetProperties| amend.displaced.as_ref().is_none_or(|row| row.sheet_id == tab.sheet_id);
        for properties in tabs.into_iter().filter(is_it) {
            let shown = beside.get(&properties.sheet_id).copied().unwrap_or_default();
            let register = versions.get(&properties.sheet_id).copied().unwrap_or_default().max(shown);
            let header = found.header(properties.sheet_id).unwrap_or_default().to_vec();
            // A header is not older than a register that the same answer shows.
            if header.len() < register.columns as usize
                && shown != register
                && made.began.saturating_sub(*self.amending.unseen_since.get_or_insert(made.began)) < OLD_HEADER
            {
                // Older than its register, or a person deleted columns: see whether it stays like that.
                self.amending.not_before = made.ended + OLD_HEADER / 6;
                return Stage::Tabs(spreadsheet);
            }
            let grid_columns = properties.grid_properties.column_count;
            let tab = |header: &[String]| Tab {
                sheet_id: properties.sheet_id,
                title: properties.title.clone(),
                grid_columns,
                header: header.to_vec(),
            };
            if let Some(displaced) = &amend.displaced {
                // Not where it should be: columns may have been renamed since, or made anew.
                let is_lost = self.amending.row_unseen_since.is_some();
                let all = || (0..=header.len() as u32).collect();
                let columns = if is_lost { all() } else { displaced.id_columns(&header) };
                let columns = columns.into_iter().filter(|column| *column < grid_columns);
                seen.extend(columns.map(|column| SeenTab { tab: tab(&header), register, column }));
                continue;
            }
            let Some(column) = header.iter().position(|name| name == ID_COLUMN) else {
                if register.version > 0 {
                    self.amending.reason =
                        format!("tab \"{}\" has no column {ID_COLUMN} any more", wire::printable(&properties.title));
                    self.amending.searched.push(spreadsheet);
                    return Stage::Search;
                }
                continue;
            };
            seen.push(SeenTab { tab: tab(&header), register, column: column as u32 });
        }
        self.amending.unseen_since = None;
        if seen.is_empty() && amend.displaced.is_some() {
            // Its tab was deleted, and the row with it.
            self.amending.searched.push(spreadsheet);
            return Stage::Search;
        }
        if seen.is_empty() {
            self.amending.reason = "no tab has a column of row ids any more".to_owned();
            self.amending.searched.push(spreadsheet);
            return Stage::Search;
        }
        self.amending.looked = made.began;
        Stage::Ids(spreadsheet, seen)
    }

    pub(super) fn ids_seen(
        &mut self,
        amend: &Amend,
        spreadsheet: String,
        tabs: Vec<SeenTab>,
        found: Vec<Matching>,
        made: Made,
    ) -> Stage {
        for seen in &tabs {
            let mut columns = found.iter().filter(|range| range.tab == Some(seen.tab.sheet_id));
            let is_it = |id: &Value| id.as_str() == Some(&amend.row);
            let row = columns.find_map(|range| range.line.iter().skip(1).position(is_it));
            if let Some(row) = row {
                let spot = Spot { tab: seen.tab.clone(), register: seen.register, row: row as u32 + 1 };
                return Stage::Create(spreadsheet, spot, false);
            }
        }
        if amend.displaced.is_some() {
            if made.began.saturating_sub(*self.amending.row_unseen_since.get_or_insert(made.began)) < LOOK_AGAIN {
                // A read from before it landed.
                self.amending.not_before = made.ended + SEE_AGAIN;
                return Stage::Tabs(spreadsheet);
            }
            self.amending.searched.push(spreadsheet);
            return Stage::Search;
        }
        let shown = self.amending.shown.iter().flat_map(|(_, shown)| shown);
        let shown: Vec<i32> = shown.copied().collect();
        // A read may be older than the row; the answer to a write is not.
        if amend.remembered.as_ref() == Some(&spreadsheet)
            && (shown.is_empty() || tabs.iter().any(|seen| !shown.contains(&seen.tab.sheet_id)))
            && !self.left_out(Mutation::AbsentMeansDeleted)
        {
            return Stage::Show(spreadsheet, tabs);
        }
        self.amending.certain.insert(spreadsheet.clone());
        self.amending.searched.push(spreadsheet);
        Stage::Search
    }

    /// The tabs are looked at again after they were shown: a look that was too old may have left out the row's.
    pub(super) fn is_newer_than_shown(&mut self, found: &[Metadata], made: Made) -> bool {
        let Some((id, _)) = self.amending.shown else { return true };
        let is_newer =
            found.iter().any(|found| found.metadata_id == i64::from(id.as_u32()) && found.metadata_value == CLOSED);
        let since = *self.amending.unseen_since.get_or_insert(made.began);
        is_newer || made.began.saturating_sub(since) >= LOOK_AGAIN
    }

    /// These are the columns as they were right after our own write.
    pub(super) fn columns_shown(&mut self, amend: &Amend, tabs: &[SeenTab], columns: &[(i32, Vec<String>)]) {
        let is_whole = tabs.iter().all(|seen| {
            columns
                .iter()
                .any(|(tab, column)| *tab == seen.tab.sheet_id && column.first().is_some_and(|name| name == ID_COLUMN))
        });
        let is_there = columns.iter().any(|(_, column)| column.contains(&amend.row));
        if is_whole
            && !is_there
            && let Some(anchor) = &amend.anchor
        {
            self.amending.shown = Some((anchor.id, tabs.iter().map(|seen| seen.tab.sheet_id).collect()));
        }
        // Else a person was at it, or the read was old: look again.
    }
}
