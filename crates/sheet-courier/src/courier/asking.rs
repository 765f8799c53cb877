//! What must be known before rows may go, and how each question is put.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Asked, Courier, FRESH_HEADER, Next};
use crate::C;
use crate::durable::Marker;
use crate::glance;
use crate::ids::{MarkerId, sheet_id_of_table};
use crate::layout::{ID_COLUMN, LAYOUT_KEY, Layout, tab_of};
use crate::mutation::Mutation;
use crate::registers;
use crate::shown;
use crate::tabs;
use crate::wire::{self, Call, SheetProperties};

impl Courier {
    /// The contact check (protocol section 8): is there a marker of ours that we do not know, or do not know enough of?
    pub(super) fn check_needed(&self, oldest: Duration, now: Duration) -> bool {
        if self.left_out(Mutation::NoContactCheck) {
            return self.known.versions.is_none();
        }
        match self.checked_at {
            None => true,
            Some(checked) => now.saturating_sub(checked) >= C && now.saturating_sub(oldest) >= C,
        }
    }

    /// The contact check, and the header rows in the same answer where it can be proved that it holds all that a check needs.
    /// The newest applied marker of ours is always there (protocol section 6): an answer without it has left metadata out.
    pub(super) fn check_and_glance(&self) -> Asked {
        match self.tabs_by_id() {
            Some(tabs) if !self.look_in_vain && self.newest_applied().is_some() => Asked::Look(tabs),
            _ => Asked::Check,
        }
    }

    pub(super) fn newest_applied(&self) -> Option<&Marker> {
        let key = self.key();
        let ours = self.state.markers.iter().filter(|marker| marker.applied && marker.key == key);
        ours.max_by_key(|marker| marker.seq)
    }

    /// The wanted tables' tabs, if each has an id that is known or likely. None without tables.
    fn tabs_by_id(&self) -> Option<Vec<(String, i32)>> {
        let tables = self.tables_wanted();
        // A tab that was not seen yet has most likely the id that we give it.
        let id = |table: &String| {
            let guess = (!self.guess_refused).then(|| sheet_id_of_table(table));
            Some((table.clone(), self.tab_ids.get(table).copied().or(guess)?))
        };
        let mut tabs = tables.iter().map(id).collect::<Option<Vec<_>>>().filter(|tabs| !tabs.is_empty())?;
        // The other tabs too: their next row needs no look then.
        let others = self.tab_ids.iter().filter(|(table, _)| !tables.contains(table));
        tabs.extend(others.map(|(table, id)| (table.clone(), *id)));
        Some(tabs)
    }

    /// Where the columns are. An old look is good enough, for what a batch lands under is looked at; but not for rows
    /// that bring new columns.
    pub(super) fn layout_needed(&mut self, now: Duration) -> Option<Next> {
        let is_old = self.known.at < self.gathered_at && now.saturating_sub(self.known.at) >= FRESH_HEADER;
        if is_old && self.rows_add_columns() {
            self.known.layout = None;
            self.known.tabs = None;
        }
        let tables = self.tables_wanted();
        if self.known.layout.as_ref().is_some_and(|layout| layout.covers(tables.iter().map(String::as_str))) {
            return None;
        }
        if self.known.versions.is_none() {
            return Some(Next::Ask(Asked::Check));
        }
        let Some(tabs) = &self.known.tabs else {
            // One round trip instead of two, whatever a person called the tabs meanwhile.
            return Some(Next::Ask(self.tabs_by_id().map_or(Asked::Tabs, Asked::Glance)));
        };
        let found: Vec<(String, SheetProperties)> =
            tables.iter().filter_map(|table| tab_of(table, tabs).map(|tab| (table.clone(), tab.clone()))).collect();
        if found.is_empty() {
            self.known.layout = Some(Layout { tabs: tables.into_iter().map(|table| (table, None)).collect() });
            self.known.tabs = None;
            self.known.at = now;
            return None;
        }
        Some(Next::Ask(Asked::Headers(found)))
    }

    /// Of the rows at hand and of the open batch.
    pub(super) fn tables_wanted(&self) -> Vec<String> {
        let rows = self.gathered.iter().flatten().map(|row| &row.table);
        let batch = self.state.batch.iter().flat_map(|batch| &batch.tabs).map(|tab| &tab.table);
        let mut tables: Vec<String> = rows.chain(batch).cloned().collect();
        tables.sort();
        tables.dedup();
        tables
    }

    pub(super) fn paced(&self, asked: Asked, now: Duration) -> Next {
        let ready = self.pace.ready_at(now);
        if now < ready && !self.is_paid(&asked) { Next::Wait(ready) } else { Next::Ask(asked) }
    }

    pub(super) fn is_paid(&self, asked: &Asked) -> bool {
        *asked == Asked::Batch && self.trail.paid
    }

    pub(super) fn call(&self, asked: &Asked) -> Call {
        let sheet = self.state.sheet.as_ref().map_or("", |sheet| sheet.id.as_str());
        let (key, batch) = (self.key(), self.state.batch.as_ref());
        let update = || wire::path(sheet, ":batchUpdate");
        match (asked, batch) {
            (Asked::Create, _) => Call::write(String::from("/v4/spreadsheets"), self.create_body()),
            (Asked::Batch, Some(batch)) => Call::write(wire::path(sheet, glance::SHOWING_HEADERS), batch.body.clone()),
            (Asked::Landed, Some(batch)) => {
                glance::glance_with_markers(sheet, batch.tabs.iter().map(|tab| tab.sheet_id))
            }
            (Asked::Void, Some(batch)) => {
                // Its spreadsheet may be one that was left, and adopted again, and the device another by now.
                let key = self.key_of(batch.id, batch.seq);
                Call::write(update(), registers::void_body(batch.id, &key, batch.digest))
            }
            (Asked::Marker, Some(batch)) => wire::get_marker(sheet, batch.id),
            (Asked::Pruned(id), _) => {
                // Not by its id alone: 404 would say that it is not there, or that the spreadsheet is not.
                let marker = self.state.markers.iter().find(|marker| marker.id == *id);
                wire::search(sheet, &[marker.map_or(&key, |marker| &marker.key)])
            }
            (Asked::Glance(tabs), _) => glance::glance(sheet, tabs.iter().map(|(_, id)| *id)),
            (Asked::Look(tabs), _) => glance::glance_with_markers(sheet, tabs.iter().map(|(_, id)| *id)),
            (Asked::Headers(tabs), _) => {
                let titles: Vec<&str> = tabs.iter().map(|(_, tab)| tab.title.as_str()).collect();
                wire::get_headers(sheet, &titles)
            }
            (Asked::Prune(ids), _) => {
                let markers = self.state.markers.iter().filter(|marker| ids.contains(&marker.id));
                let named = markers.map(|marker| (marker.id, marker.key.as_str(), marker.value.as_str()));
                // An answer that is asked for anyway tells how large all tabs are.
                let body = registers::prune_and_look_body(named, self.prune_by());
                Call::write(wire::path(sheet, shown::SHOWING_SIZES), body)
            }
            (Asked::Tabs | Asked::Sizes, _) => wire::get_tabs(sheet),
            (Asked::Adopt(id), _) => wire::get_name(id),
            (Asked::Register, _) => wire::get_marker(sheet, MarkerId::of_next(sheet)),
            (Asked::Claim, _) => {
                let successor = self.candidate().map_or("", |sheet| sheet.id.as_str());
                Call::write(update(), registers::next_body(sheet, successor))
            }
            (Asked::BoundCheck | Asked::BoundVoid, _) => self.bound_call(asked),
            (Asked::Reach, _) => self.reach_call(sheet),
            (Asked::Release(ask), _) => self.release_call(*ask),
            // Without one there is nothing to ask: look instead.
            (Asked::Amend(ask), _) => self.amend_call(*ask).unwrap_or_else(|| wire::search(sheet, &[&key, LAYOUT_KEY])),
            // Without a batch there is nothing to send: look instead.
            (Asked::Check | Asked::Batch | Asked::Void | Asked::Marker | Asked::Landed, _) => {
                wire::search(sheet, &[&key, LAYOUT_KEY])
            }
        }
    }

    pub(super) fn create_body(&self) -> alloc::sync::Arc<[u8]> {
        let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
        for table in &self.options.tables {
            let columns = table.columns.iter().map(String::as_str);
            tables.push((&table.name, core::iter::once(ID_COLUMN).chain(columns).collect()));
        }
        // Columns that are known already need no second change.
        for row in self.gathered.iter().flatten() {
            let at = tables.iter().position(|(name, _)| *name == row.table).unwrap_or_else(|| {
                tables.push((&row.table, alloc::vec![ID_COLUMN]));
                tables.len() - 1
            });
            for (name, _) in &row.cells {
                if !tables[at].1.contains(&name.as_str()) {
                    tables[at].1.push(name);
                }
            }
        }
        #[cfg(feature = "mutations")]
        if self.left_out(Mutation::CreateCarriesRows) {
            let rows = self.gathered.as_deref().unwrap_or_default();
            return tabs::create_body_with_rows(&self.title(), &self.options.timezone, tables, rows);
        }
        tabs::create_body(&self.title(), &self.options.timezone, tables.into_iter())
    }
}
