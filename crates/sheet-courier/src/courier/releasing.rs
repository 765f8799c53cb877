//! Leaving an identity that another copy of this state may have too (protocol section 8): claim the register that retires
//! it, let pass what the other copy may still send, see which rows are in the sheet, go on under a new one.
//!
//! Everything but the wait may be done again: a crash begins it anew from what the disk says was claimed.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Asked, Courier, LOOK_AGAIN, Next, PROBE_EVERY};
use crate::LET_PASS;
use crate::a1;
use crate::anchors::OPEN;
use crate::durable::{Hold, Identity, Marker, Release, Transition};
use crate::ids::{MarkerId, marker_key};
use crate::layout::ID_COLUMN;
use crate::mutation::Mutation;
use crate::registers::{self, NEXT_KEY};
use crate::shown;
use crate::wire::{self, Call, Metadata, SheetProperties};

/// What the person of a copy can do about a spreadsheet that does not answer.
pub(super) const IF_GONE: &str = "if it is gone for good say `rowkeeper sheet new`";

/// Row ids that one look asks for: a few megabytes of answer.
const IDS_A_LOOK: u32 = 20_000;

/// How far it is. Spreadsheets are numbered as in the chain.
#[derive(Debug)]
pub(super) struct Releasing {
    stage: Stage,
    /// The current spreadsheet and those after it: a newer state may have gone on there.
    chain: Vec<String>,
    /// All registers were known to be ours then; or the lock was taken then.
    from: Duration,
    /// Refused looks: each takes another id, for the last one may be somebody's.
    refused: u64,
    /// Markers with our tag, as last seen.
    seen: Vec<Metadata>,
}

#[derive(Clone, Debug)]
enum Stage {
    /// What do our markers say, and what time is it at Google's?
    Check,
    Claim(usize),
    /// The claim was refused: whose is it?
    Read(usize),
    /// Is there a spreadsheet after it?
    Follow(usize),
    Wait,
    Tabs(usize),
    Headers(usize, Vec<SheetProperties>),
    Ids(usize, Looks),
    /// Did rows go on to another one meanwhile?
    After(usize),
    Done,
}

/// What is to be looked at, one call after the other.
#[derive(Clone, Debug)]
struct Looks {
    calls: Vec<Vec<Part>>,
    at: usize,
    /// A person who sorts between two calls may hide a row from both: then all is looked at twice.
    again: bool,
}

/// Some rows of a column of row ids, counted from 1.
#[derive(Clone, Debug)]
struct Part {
    title: String,
    sheet_id: i32,
    column: u32,
    first: u32,
    last: u32,
    /// The last rows that there were.
    is_end: bool,
}

/// The questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Claim,
    Register,
    Successor,
    Tabs,
    Headers,
    Ids,
}

impl Ask {
    pub(super) fn is_write(self) -> bool {
        !matches!(self, Self::Register | Self::Successor)
    }
}

impl Releasing {
    pub(super) fn from(now: Duration) -> Self {
        Self { stage: Stage::Check, chain: Vec::new(), from: now, refused: 0, seen: Vec::new() }
    }

    fn at(&self) -> usize {
        match self.stage {
            Stage::Claim(at) | Stage::Read(at) | Stage::Follow(at) | Stage::Tabs(at) | Stage::After(at) => at,
            Stage::Headers(at, _) | Stage::Ids(at, _) => at,
            Stage::Check | Stage::Wait | Stage::Done => 0,
        }
    }

    fn place(&self) -> &str {
        self.chain.get(self.at()).map_or("", String::as_str)
    }
}

impl Courier {
    /// The next step while the hold says that this is a copy.
    pub(super) fn releasing(&mut self, now: Duration) -> Next {
        let Some(release) = self.state.release.clone() else {
            // On disk before anybody can see it: after a crash our own claim must be known for ours.
            return Next::Commit(Transition::Releasing(Release::to(self.state.spare.clone())));
        };
        if now < self.not_before {
            return Next::Wait(self.not_before);
        }
        if self.releasing.chain.is_empty() {
            let current = self.state.sheet.iter().map(|sheet| sheet.id.clone());
            self.releasing.chain = if release.claimed.is_empty() { current.collect() } else { release.claimed.clone() };
        }
        loop {
            let ask = match &self.releasing.stage {
                Stage::Check => return Next::Ask(Asked::Check),
                Stage::Claim(at) => {
                    let is_claimed = release.claimed.contains(&self.releasing.chain[*at]);
                    if release.told || is_claimed || self.left_out(Mutation::ReleaseUnclaimed) {
                        self.releasing.stage = Stage::Follow(*at);
                        continue;
                    }
                    Ask::Claim
                }
                Stage::Read(_) => Ask::Register,
                Stage::Follow(_) | Stage::After(_) => Ask::Successor,
                Stage::Wait if release.claimed != self.releasing.chain => {
                    let claimed = self.releasing.chain.clone();
                    let since = self.google.map(|(date, _)| date);
                    return Next::Commit(Transition::Releasing(Release { claimed, since, ..release }));
                }
                Stage::Wait => match self.not_passed(&release, now) {
                    Some(until) => return Next::Wait(until),
                    None => {
                        let unread = self.left_out(Mutation::ReleaseUnread);
                        self.releasing.stage = if unread { Stage::Done } else { Stage::Tabs(0) };
                        continue;
                    }
                },
                Stage::Tabs(_) => Ask::Tabs,
                Stage::Headers(..) => Ask::Headers,
                Stage::Ids(..) => Ask::Ids,
                Stage::Done => {
                    let markers = self.left_behind();
                    return Next::Commit(Transition::Renamed { identity: release.identity, markers });
                }
            };
            return self.paced(Asked::Release(ask), now);
        }
    }

    /// Until when something may land that the other copy sends on the strength of its last check; by the clock of this
    /// process or, for boards that sleep most of the day, by Google's.
    fn not_passed(&mut self, release: &Release, now: Duration) -> Option<Duration> {
        let here = self.releasing.from + LET_PASS;
        let at_google = match (release.since, self.google) {
            (Some(since), Some((date, came))) => {
                let passed = Duration::from_secs(u64::try_from(date.saturating_sub(since)).unwrap_or(0));
                came + LET_PASS.saturating_sub(passed)
            }
            _ => here,
        };
        let until = here.min(at_google);
        if now >= until || self.left_out(Mutation::ReleaseAtOnce) {
            return None;
        }
        self.trouble = Some("another copy of this state directory may still be sending; waiting it out".to_owned());
        Some(until)
    }

    /// Markers of the identity that is left, as they were when it was claimed: a batch of the other copy that they stand
    /// for cannot be sent without a check, which finds the register.
    fn left_behind(&self) -> Vec<Marker> {
        let base = self.state.device.base;
        let mut markers = Vec::new();
        for found in &self.releasing.seen {
            let Some(id) = MarkerId::parse(found.metadata_id) else { continue };
            let is_known = self.state.markers.iter().any(|marker| marker.id == id);
            // An open anchor may be about to be written through.
            if is_known || id == MarkerId::of_retired(base) || found.metadata_value == OPEN {
                continue;
            }
            markers.push(Marker {
                id,
                seq: id.seq(base),
                key: found.metadata_key.clone(),
                value: found.metadata_value.clone(),
                applied: found.metadata_value.starts_with('A'),
                doubt: false,
                ended_at: self.google.map(|(date, _)| date),
            });
        }
        markers
    }

    pub(super) fn identity_to_take(&self) -> &Identity {
        self.state.release.as_ref().map_or(&self.state.spare, |release| &release.identity)
    }

    pub(super) fn release_call(&self, ask: Ask) -> Call {
        let (place, base) = (self.releasing.place(), self.state.device.base);
        let look = |path: &str, ranges: &[String]| {
            let spare = self.identity_to_take();
            let id = MarkerId::of(spare.base, self.releasing.refused);
            Call::write(wire::path(place, path), registers::look_body(id, &marker_key(&spare.tag), ranges))
        };
        match (ask, &self.releasing.stage) {
            (Ask::Claim, _) => {
                let tag = self.state.release.as_ref().map_or("", |release| release.identity.tag.as_str());
                Call::write(wire::path(place, ":batchUpdate"), registers::retire_body(base, &self.key(), tag))
            }
            (Ask::Register, _) => wire::get_marker(place, MarkerId::of_retired(base)),
            // Not by its id: 404 would say that it is not there, or that the spreadsheet is not.
            (Ask::Successor, _) => wire::search(place, &[NEXT_KEY]),
            (Ask::Headers, Stage::Headers(_, tabs)) => {
                let ranges: Vec<String> = tabs.iter().map(|tab| a1::a1_first_row(&tab.title)).collect();
                look(shown::SHOWING_COLUMNS, &ranges)
            }
            (Ask::Ids, Stage::Ids(_, looks)) => {
                let mut ranges = Vec::new();
                for part in looks.calls.get(looks.at).into_iter().flatten() {
                    if part.first > 1 {
                        ranges.push(a1::a1_rows(&part.title, part.column, 1, Some(1)));
                    }
                    // A person may insert rows meanwhile.
                    let last = Some(part.last).filter(|_| !part.is_end);
                    ranges.push(a1::a1_rows(&part.title, part.column, part.first, last));
                }
                look(shown::SHOWING_COLUMNS, &ranges)
            }
            _ => look(shown::SHOWING_TABS, &[]),
        }
    }
}

/// What answers change.
impl Courier {
    /// A contact check, as far as it is about identities. True if nothing else is to be made of it.
    pub(super) fn release_checked(&mut self, found: &[Metadata]) -> bool {
        let (key, base) = (self.key(), self.state.device.base);
        let ours = || found.iter().filter(|found| found.metadata_key == key);
        let id = i64::from(MarkerId::of_retired(base).as_u32());
        if let Some(register) = ours().find(|found| found.metadata_id == id)
            && !self.is_claim_of_ours(&register.metadata_value)
        {
            self.lost_to(&register.metadata_value);
            return true;
        }
        if !matches!(self.state.hold, Some(Hold::Copy { .. })) {
            return false;
        }
        self.releasing.seen = ours().cloned().collect();
        if let Stage::Check = self.releasing.stage {
            self.releasing.stage = Stage::Claim(0);
        }
        true
    }

    fn is_claim_of_ours(&self, value: &str) -> bool {
        self.state.release.as_ref().is_some_and(|release| release.told || release.identity.tag.as_str() == value)
    }

    /// Another copy was first.
    fn lost_to(&mut self, tag: &str) {
        self.due = Some(Transition::Held(Hold::Retired { by: wire::printable(tag) }));
    }

    /// A 200. False if its body is not what it should be.
    pub(super) fn release_answered(&mut self, ask: Ask, body: &[u8], now: Duration) -> bool {
        let retired = i64::from(MarkerId::of_retired(self.state.device.base).as_u32());
        let is_of_place = |id: &str| id == self.releasing.place();
        match (ask, self.releasing.stage.clone()) {
            (Ask::Claim, Stage::Claim(at)) => {
                let reply = wire::parse_batch_reply(body);
                if !reply.is_some_and(|reply| reply.first_id == retired && is_of_place(&reply.spreadsheet_id)) {
                    return false;
                }
                self.releasing.stage = Stage::Follow(at);
            }
            (Ask::Register, Stage::Read(at)) => {
                let Some(found) = wire::parse_metadata(body) else { return false };
                if found.metadata_id != retired || found.metadata_key != self.key() {
                    self.look_again_later(Stage::Claim(at), "a stranger has the register of this device", now);
                } else if self.is_claim_of_ours(&found.metadata_value) {
                    self.releasing.stage = Stage::Follow(at);
                } else {
                    self.lost_to(&found.metadata_value);
                }
            }
            (Ask::Successor, _) => {
                let Some(found) = wire::parse_search(body) else { return false };
                let id = i64::from(MarkerId::of_next(self.releasing.place()).as_u32());
                let next = found.into_iter().find(|found| found.metadata_id == id && found.metadata_key == NEXT_KEY);
                self.followed(next.map(|found| found.metadata_value));
            }
            (_, stage @ (Stage::Tabs(_) | Stage::Headers(..) | Stage::Ids(..))) => {
                let reply = wire::parse_batch_reply(body);
                if !reply.is_some_and(|reply| reply.first_id != 0 && is_of_place(&reply.spreadsheet_id)) {
                    return false;
                }
                return self.looked(stage, body, now);
            }
            _ => {}
        }
        true
    }

    /// The answer to a write shows what is there now; a read may be older than what landed last.
    fn looked(&mut self, stage: Stage, body: &[u8], now: Duration) -> bool {
        match stage {
            Stage::Tabs(at) => {
                let Some(tabs) = shown::parse_shown_tabs(body) else { return false };
                // A tab that is one large chart has no cells.
                let tabs: Vec<SheetProperties> =
                    tabs.into_iter().filter(|tab| tab.grid_properties.column_count > 0).collect();
                self.releasing.stage = if tabs.is_empty() { Stage::After(at) } else { Stage::Headers(at, tabs) };
            }
            Stage::Headers(at, tabs) => {
                let Some(shown) = shown::parse_shown_cells(body) else { return false };
                self.headers_shown(at, &tabs, &shown, now);
            }
            Stage::Ids(at, looks) => {
                let Some(shown) = shown::parse_shown_cells(body) else { return false };
                self.ids_shown(at, looks, &shown, now);
            }
            _ => {}
        }
        true
    }

    fn headers_shown(&mut self, at: usize, tabs: &[SheetProperties], shown: &[shown::Shown], now: Duration) {
        let told = self.state.release.as_ref().is_some_and(|release| release.told);
        let mut parts: Vec<Part> = Vec::new();
        for tab in tabs {
            let header = shown.iter().find(|shown| shown.tab == tab.sheet_id && shown.start_row == 0);
            let header = header.and_then(|shown| shown.rows.first()).map(Vec::as_slice).unwrap_or_default();
            let Some(column) = header.iter().position(|name| name == ID_COLUMN) else {
                let versions = self.known.versions.as_ref().and_then(|versions| versions.get(&tab.sheet_id));
                if at == 0 && !told && versions.is_some_and(|register| register.version > 0) {
                    let title = wire::printable(&tab.title);
                    let why = format!("tab \"{title}\" has no column {ID_COLUMN} any more; name it so again");
                    return self.look_again_later(Stage::Tabs(at), &why, now);
                }
                continue;
            };
            let rows = tab.grid_properties.row_count.max(1);
            for first in (1..=rows).step_by(IDS_A_LOOK as usize) {
                let last = rows.min(first.saturating_add(IDS_A_LOOK - 1));
                let (title, sheet_id) = (tab.title.clone(), tab.sheet_id);
                let is_end = last == rows;
                parts.push(Part { title, sheet_id, column: column as u32, first, last, is_end });
            }
        }
        let mut calls: Vec<Vec<Part>> = Vec::new();
        let mut room = 0;
        for part in parts {
            let size = part.last - part.first + 1;
            match calls.last_mut().filter(|_| size <= room) {
                Some(call) => call.push(part),
                None => {
                    calls.push(alloc::vec![part]);
                    room = IDS_A_LOOK;
                }
            }
            room = room.saturating_sub(size);
        }
        let again = calls.len() > 1;
        self.releasing.stage =
            if calls.is_empty() { Stage::After(at) } else { Stage::Ids(at, Looks { calls, at: 0, again }) };
    }

    fn ids_shown(&mut self, at: usize, mut looks: Looks, shown: &[shown::Shown], now: Duration) {
        let mut ids = Vec::new();
        for part in looks.calls.get(looks.at).into_iter().flatten() {
            let cells = |row: u32| {
                let shown =
                    shown.iter().filter(|shown| shown.tab == part.sheet_id && shown.start_column == part.column);
                shown.into_iter().find(|shown| shown.start_row == row - 1).map(|shown| &shown.rows)
            };
            let is_header = |rows: &Vec<Vec<String>>| {
                rows.first().and_then(|row| row.first()).is_some_and(|name| name == ID_COLUMN)
            };
            let (Some(rows), true) = (cells(part.first), cells(1).is_some_and(is_header)) else {
                // A person moves columns about.
                self.not_before = now + LOOK_AGAIN / 4;
                self.releasing.stage = Stage::Tabs(at);
                return;
            };
            ids.extend(rows.iter().filter_map(|row| row.first()).filter(|id| !id.is_empty()).cloned());
        }
        looks.at += 1;
        if looks.at == looks.calls.len() && core::mem::take(&mut looks.again) {
            looks.at = 0;
        }
        let is_over = looks.at == looks.calls.len();
        let spreadsheet = self.releasing.place().to_owned();
        self.releasing.stage = if is_over { Stage::After(at) } else { Stage::Ids(at, looks) };
        if !ids.is_empty() {
            self.due = Some(Transition::Present { spreadsheet, ids });
        }
    }

    /// The spreadsheet after this one, or none.
    fn followed(&mut self, next: Option<String>) {
        let Releasing { stage, chain, .. } = &mut self.releasing;
        let (at, is_after) = match stage {
            Stage::Follow(at) => (*at, false),
            Stage::After(at) => (*at, true),
            _ => return,
        };
        let is_id = |id: &String| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(next) = next.filter(|next| is_id(next) && !chain.contains(next)) {
            // Its register is to be claimed too, and all to be waited for again.
            chain.truncate(at + 1);
            chain.push(next);
            *stage = Stage::Claim(at + 1);
            return;
        }
        let is_last = at + 1 >= chain.len();
        *stage = match (is_after, is_last) {
            (false, false) => Stage::Claim(at + 1),
            (false, true) => Stage::Wait,
            (true, false) => Stage::Tabs(at + 1),
            (true, true) => Stage::Done,
        };
    }

    fn look_again_later(&mut self, stage: Stage, why: &str, now: Duration) {
        self.releasing.stage = stage;
        self.trouble = Some(why.to_owned());
        self.not_before = now + PROBE_EVERY;
    }

    /// Google's no.
    pub(super) fn release_refused(&mut self, ask: Ask, message: String, now: Duration, random: u32) {
        let at = self.releasing.at();
        match ask {
            // It is there already, by whomever; or there is no room for it.
            Ask::Claim => self.releasing.stage = Stage::Read(at),
            _ => {
                // A tab was renamed, or the id of the look is somebody's.
                self.releasing.refused += u64::from(ask.is_write());
                if ask.is_write() {
                    self.releasing.stage = Stage::Tabs(at);
                }
                self.later(&Asked::Release(ask), message, now, random);
            }
        }
    }

    /// 403 and 404.
    pub(super) fn release_closed(&mut self, ask: Ask, message: String, is_absent: bool, now: Duration, random: u32) {
        let at = self.releasing.at();
        let told = self.state.release.as_ref().is_some_and(|release| release.told);
        match ask {
            // Refused, and not there: an old read, or no room. The claim says which.
            Ask::Register if is_absent => {
                self.releasing.stage = Stage::Claim(at);
                self.later(&Asked::Release(ask), message, now, random);
            }
            Ask::Successor if told && at > 0 => self.followed(None),
            Ask::Tabs | Ask::Headers | Ask::Ids if told && at > 0 => self.releasing.stage = Stage::After(at),
            _ => {
                let why = format!("a spreadsheet that rows may have gone to cannot be read: {message}; {IF_GONE}");
                let stage = self.releasing.stage.clone();
                self.look_again_later(stage, &why, now);
            }
        }
    }

    /// The state on disk changed.
    pub(super) fn release_committed(&mut self, release: Release, now: Duration) {
        if !release.claimed.is_empty() {
            self.releasing.from = now;
        }
        self.state.release = Some(release);
    }
}
