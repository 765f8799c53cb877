//! Under which columns the open batch landed, and whether an old one still fits (protocol sections 5 and 9).

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Asked, Courier, LOOK_AGAIN, Next, OLD_HEADER, Settle};
use crate::C;
use crate::durable::{Cause, Transition};
use crate::freeze::MAX_BODY_BYTES;
use crate::glance::{self, Glimpse};
use crate::ids::Fate;
use crate::landing::{self, Seen};
use crate::layout::{ID_COLUMN, Tab};
use crate::mutation::Mutation;

/// The open batch is in the sheet; its header rows are still to be seen.
#[derive(Debug)]
pub(super) struct Landed {
    /// Google's `Date` of the answer that said so.
    date: Option<i64>,
    /// Since when they are looked for. A read may be older than the landing, but not for ever.
    since: Duration,
    /// The tabs could not be looked at by their ids.
    is_refused: bool,
}

impl Courier {
    /// The answer to the batch itself: it was applied, and most often the header rows are shown.
    pub(super) fn batch_answered(&mut self, body: &[u8], began: Duration, date: Option<i64>, now: Duration) {
        let (shown, sizes) = glance::parse_shown(body);
        self.room.sees(sizes);
        let Some(batch) = &self.state.batch else { return };
        let mut old = batch.tabs.iter().filter(|tab| tab.header.is_some());
        if old.all(|tab| shown.iter().any(|seen| seen.sheet_id == tab.sheet_id)) {
            self.is_applied_under(&shown, Seen::Landing, began, date);
        } else {
            self.is_applied(date, now);
        }
    }

    /// The register holds the batch. Nobody knows yet under which columns.
    pub(super) fn is_applied(&mut self, date: Option<i64>, now: Duration) {
        if self.left_out(Mutation::LandingNotSeen) || self.left_out(Mutation::CreateCarriesRows) {
            return self.is_applied_under(&[], Seen::Later, now, date);
        }
        // Whatever comes between, its rows must not go anywhere else.
        self.trail.doubt = true;
        self.settle = Settle::No;
        self.landed.get_or_insert(Landed { date, since: now, is_refused: false });
    }

    /// The next step to find out under which columns the batch is; none if it is not known to be in the sheet.
    pub(super) fn seeing_landed(&mut self, now: Duration) -> Option<Next> {
        let landed = self.landed.as_ref()?;
        if !landed.is_refused {
            return Some(Next::Ask(Asked::Landed));
        }
        let date = landed.date;
        if let Some(read) = self.layout_needed(now) {
            return Some(read);
        }
        let tabs = self.known.layout.iter().flat_map(|layout| layout.tabs.values()).flatten();
        let found: Vec<Glimpse> = tabs.cloned().map(Glimpse::from).collect();
        let at = self.known.at;
        self.is_applied_under(&found, Seen::Later, at, date);
        self.due.take().map(Next::Commit)
    }

    /// A look at the header rows and at the markers. False if it is not Google's.
    pub(super) fn landed_seen(&mut self, body: &[u8], began: Duration, now: Duration) -> bool {
        let Some(seen) = glance::parse_glance(body).filter(|seen| self.is_our_sheet(&seen.spreadsheet)) else {
            return false;
        };
        self.room.sees(seen.sizes);
        let (Some(landed), Some(batch)) = (&self.landed, &self.state.batch) else { return true };
        let (id, value) = (i64::from(batch.id.as_u32()), Fate::Applied.value(batch.digest));
        // What shows the marker shows the sheet with the batch in it. Whether markers are shown here at all is unknown
        // (docs/google.md, S29).
        let is_new = seen.markers.iter().any(|marker| marker.metadata_id == id && marker.metadata_value == value);
        if is_new || began.saturating_sub(landed.since) >= OLD_HEADER {
            let date = landed.date;
            self.is_applied_under(&seen.tabs, Seen::Later, began, date);
        } else {
            self.not_before = now + LOOK_AGAIN / 12;
        }
        true
    }

    /// A tab is gone, or has another id: the tabs are looked at in the other way.
    pub(super) fn landed_refused(&mut self) {
        self.known = Default::default();
        self.tab_ids_failed();
        if let Some(landed) = &mut self.landed {
            landed.is_refused = true;
        }
    }

    /// The register holds the batch, and this is how its tabs begin.
    fn is_applied_under(&mut self, found: &[Glimpse], when: Seen, at: Duration, date: Option<i64>) {
        let Some(batch) = &self.state.batch else { return };
        let see = !self.left_out(Mutation::LandingNotSeen);
        let displaced = if see { landing::displaced(batch, found, when) } else { Vec::new() };
        if let Some((layout, _)) = self.trail.after.as_mut().filter(|_| see) {
            // From here on the columns are known as they are shown.
            for tab in &batch.tabs {
                match found.iter().find(|seen| seen.sheet_id == tab.sheet_id) {
                    Some(seen) => layout.tabs.insert(tab.table.clone(), Some(Tab::from(seen.clone()))),
                    None if tab.header.is_some() => layout.tabs.remove(&tab.table),
                    None => None,
                };
            }
            if layout.tabs.keys().all(|table| batch.tabs.iter().any(|tab| tab.table == *table)) {
                self.trail.seen_at = Some(at);
            }
        }
        let mut tally = self.state.tally;
        tally.asides = 0;
        tally.rekeys = 0;
        tally.size_limit_bytes = tally.size_limit_bytes.saturating_mul(2).min(MAX_BODY_BYTES);
        self.pace.store(&mut tally);
        let marker = self.marker(batch, Fate::Applied, self.trail.doubt, date);
        self.due = Some(Transition::Applied { marker, tally, displaced });
    }

    /// Before an old batch is sent again: columns may have been moved since it was frozen, or tabs renamed. Then its rows
    /// go back to the queue, by way of a void, and are frozen anew.
    pub(super) fn outdated(&mut self, now: Duration) -> Option<Next> {
        let is_old = |at: Duration| now.saturating_sub(at) >= C;
        if self.trail.frozen.is_some_and(|frozen| !is_old(frozen)) {
            return None;
        }
        // Not the tabs alone: they are the first half of a look that is under way.
        if self.known.layout.is_some() && is_old(self.known.at) {
            self.known.layout = None;
            self.known.tabs = None;
        }
        if let Some(read) = self.layout_needed(now) {
            return Some(read);
        }
        let (Some(batch), Some(layout)) = (&self.state.batch, &self.known.layout) else { return None };
        let fits = batch.tabs.iter().all(|tab| tab.fits(layout.tabs.get(&tab.table).and_then(Option::as_ref)));
        (!fits).then(|| self.to_void(Cause::Layout, String::from("columns were moved, or a tab was renamed")))
    }

    /// Whether the rows at hand need columns, or tabs, that are not there.
    pub(super) fn rows_add_columns(&self) -> bool {
        let (Some(layout), Some(versions)) = (&self.known.layout, &self.known.versions) else { return false };
        self.gathered.iter().flatten().any(|row| match layout.tabs.get(&row.table) {
            Some(Some(tab)) => {
                let is_set_up = versions.get(&tab.sheet_id).is_some_and(|register| register.version > 0);
                let has = |name: &str| tab.header.iter().any(|known| known == name);
                !is_set_up || !has(ID_COLUMN) || !row.cells.iter().all(|(name, _)| has(name))
            }
            _ => true,
        })
    }
}
