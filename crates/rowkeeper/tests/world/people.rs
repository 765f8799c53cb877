//! People: in the sheet, at the device, and strangers whose tools use the same spreadsheet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use google_emulator::CellValue;
use rowkeeper::outbox::{Amended, Filter, Outbox, RowState, Value, Which};
use serde_json::json;
use sheet_courier::{Batch, Cause, Hold, Phase, Wish, sheet_id_of_table};

use super::device::Device;
use super::net::CLOSED;
use super::story::tell;
use super::world::{Deleted, LIMIT, OLD_BACKUP, Said, World};

/// Somebody whose tool keeps metadata in the same spreadsheet, for a while: under one of our ids, or all that fits.
pub(super) struct Stranger {
    pub(super) leaves: Duration,
    spreadsheet: String,
    id: Option<u32>,
}

/// Google's limit for what sits on the spreadsheet itself (docs/google.md).
const METADATA_ROOM: usize = 30_000;
const CROWD: &str = "crowd";
/// A device prunes when so many markers are old enough.
const PRUNED_AT_ONCE: usize = 8;
/// A look at a header is good enough to add a column on for so long (protocol section 12).
const GOOD_LOOK: Duration = Duration::from_secs(10);

impl World {
    /// A stranger's tool happens to use the same id as a batch in flight, or one whose marker was just pruned. It cannot
    /// know; the world can.
    pub(super) fn squat(&mut self, at: usize) {
        let durable = self.devices[at].outbox.durable("", Duration::ZERO).unwrap();
        let Some(sheet) = durable.sheet.map(|sheet| sheet.id) else { return };
        let pruned = durable.markers.first().map(|marker| marker.id);
        let Some(id) = durable.batch.map(|batch| batch.id).filter(|_| self.chance.is(0.5)).or(pruned) else { return };
        let (now, id) = (self.clock.world(), id.as_u32());
        let metadata = json!({"metadataId": id, "metadataKey": "other", "metadataValue": "tool",
                              "location": {"spreadsheet": true}, "visibility": "DOCUMENT"});
        let create = json!([{"createDeveloperMetadata": {"developerMetadata": metadata}}]);
        if self.net.by_stranger(&sheet, create, now) == 200 {
            let leaves = now + Duration::from_secs(1 + self.chance.below(700));
            self.strangers.push(Stranger { leaves, spreadsheet: sheet, id: Some(id) });
            self.net.events.note("strangers: take a marker's id");
            tell!(self, "a stranger takes {id}");
        }
    }

    /// A stranger's tool fills what Google allows in metadata, all or nearly.
    pub(super) fn crowd(&mut self) {
        let sheets = self.net.google.spreadsheet_ids();
        let Some(sheet) = sheets.get(self.chance.below(sheets.len() as u64) as usize).cloned() else { return };
        let is_crowded = |stranger: &Stranger| stranger.id.is_none() && stranger.spreadsheet == sheet;
        if self.strangers.iter().any(is_crowded) {
            return;
        }
        let taken = self.net.google.metadata(&sheet).iter().fold(0, |sum, (_, key, value)| {
            sum + key.chars().count() + value.as_ref().map_or(0, |value| value.chars().count())
        });
        let mut left = METADATA_ROOM.saturating_sub(taken + self.chance.pick(&[0, 25, 100]));
        let mut requests = Vec::new();
        while left > CROWD.len() {
            let value = "x".repeat((left - CROWD.len()).min(10_000));
            left -= value.len() + CROWD.len();
            let metadata = json!({"metadataKey": CROWD, "metadataValue": value,
                                  "location": {"spreadsheet": true}, "visibility": "DOCUMENT"});
            requests.push(json!({"createDeveloperMetadata": {"developerMetadata": metadata}}));
        }
        let now = self.clock.world();
        if self.net.by_stranger(&sheet, json!(requests), now) == 200 {
            let leaves = now + Duration::from_secs(self.chance.pick(&[60, 1_200, 20_000]));
            self.net.events.note("strangers: fill the metadata");
            tell!(self, "strangers fill the metadata of {sheet}");
            self.strangers.push(Stranger { leaves, spreadsheet: sheet, id: None });
        }
    }

    pub(super) fn strangers_leave(&mut self, now: Duration) -> Result<(), String> {
        let (leaving, staying) = std::mem::take(&mut self.strangers).into_iter().partition(|one| one.leaves <= now);
        self.strangers = staying;
        let leaving: Vec<Stranger> = leaving;
        for one in leaving {
            let lookup = match one.id {
                Some(id) if self.net.marker(&one.spreadsheet, id).as_deref() != Some("tool") => {
                    return Err(self.wrong(&format!("somebody deleted the stranger's {id}")));
                }
                Some(id) => json!({"metadataId": id, "metadataKey": "other"}),
                None => json!({"metadataKey": CROWD}),
            };
            let delete = json!([{"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}}]);
            let status = self.net.by_stranger(&one.spreadsheet, delete, now);
            tell!(self, "a stranger lets go of {:?}: {status}", one.id);
            if status != 200 {
                // The minute's writes are used up.
                self.strangers.push(Stranger { leaves: now + Duration::from_secs(20), ..one });
            }
        }
        Ok(())
    }

    pub(super) fn fills_or_empties(&mut self) {
        let sheets = self.net.google.spreadsheet_ids();
        let Some(sheet) = sheets.get(self.chance.below(sheets.len() as u64) as usize).cloned() else { return };
        if self.net.full.remove(&sheet) {
            tell!(self, "somebody makes room in {sheet}");
        } else if self.net.full.len() < 3 {
            tell!(self, "{sheet} is full");
            self.net.full.insert(sheet);
        }
    }

    /// What a copy held when it left a spreadsheet is settled by nobody else: its person looks whether it is there, when
    /// nothing can be on its way any more.
    pub(super) fn looks_what_a_copy_left(&mut self) {
        for at in 0..self.devices.len() {
            let outbox = self.devices[at].outbox.clone();
            let bound = outbox.durable("", Duration::ZERO).unwrap().bound;
            let is_left = |batch: &Batch| matches!(batch.phase, Phase::Void(Cause::Copy, _));
            if bound.is_empty() || !bound.iter().all(is_left) {
                continue;
            }
            let mut there = BTreeSet::new();
            for sheet in self.net.google.spreadsheet_ids() {
                let rows =
                    self.net.google.tabs(&sheet).into_iter().filter_map(|tab| self.net.google.rows(&sheet, &tab));
                there.extend(rows.flatten().flatten().filter_map(|cell| match cell {
                    CellValue::Text(text) => Some(text),
                    _ => None,
                }));
            }
            for row in outbox.list(&Filter::default()).unwrap().into_iter().filter(|row| row.bound) {
                let ids = [row.id];
                if there.contains(&ids[0]) {
                    assert_eq!(outbox.drop_rows(Which::Ids(&ids)).unwrap().dropped, 1);
                } else {
                    assert_eq!(outbox.retry(Which::Ids(&ids)).unwrap().returned, 1);
                }
                self.net.events.note("people: look what a copy left behind");
                tell!(self, "somebody looks for {}: {}", ids[0], there.contains(&ids[0]));
            }
            self.person_decided(at);
            self.devices[at].rests = false;
            self.devices[at].awake_at = self.clock.world();
        }
    }

    /// The spreadsheet goes into the bin or is not shared any more; it comes back, or the device is told where to go.
    pub(super) fn closes_or_helps(&mut self, at: usize) {
        let Some(sheet) = self.devices[at].outbox.sheet().unwrap().map(|sheet| sheet.id) else { return };
        let is_copy = matches!(self.devices[at].outbox.hold().unwrap(), Some(Hold::Copy { .. } | Hold::Retired { .. }));
        if self.plan.restore > 0.0 && !is_copy && !self.net.closed.contains_key(&sheet) {
            // A copy that never saw its spreadsheet does not know that it is one.
            return;
        }
        if !self.net.closed.contains_key(&sheet) {
            if self.chance.is(0.2) {
                return self.bins(&sheet);
            }
            let how = self.chance.pick(&CLOSED);
            self.net.events.note("people: take access away");
            tell!(self, "{sheet} is closed: {how}");
            self.net.closed.insert(sheet, how);
            return;
        }
        let sheets = self.net.google.spreadsheet_ids();
        let other = sheets[self.chance.below(sheets.len() as u64) as usize].clone();
        let wish = match self.chance.below(4) {
            0 => {
                self.net.closed.remove(&sheet);
                return tell!(self, "{sheet} is open again");
            }
            1 => Wish::Adopt(other),
            _ => Wish::New,
        };
        let device = &mut self.devices[at];
        device.outbox.set_wish(&wish).unwrap();
        self.net.events.note("people: wish for another spreadsheet");
        device.awake_at = self.clock.world();
        device.rests = false;
        tell!(self, "device {at} is to go to {wish:?}");
    }

    /// A person drops a row, or sends one again that was set aside.
    pub(super) fn has_a_word(&mut self, at: usize) -> Result<(), String> {
        let outbox = self.devices[at].outbox.clone();
        let rows = outbox.list(&Filter::default()).unwrap();
        if rows.is_empty() {
            return Ok(());
        }
        let row = &rows[self.chance.below(rows.len() as u64) as usize];
        let ids = [row.id.clone()];
        let known = self.acknowledged.get_mut(&row.id).unwrap();
        if row.bound {
            // Nobody knows whether it is there.
            self.net.events.note("people: decide about a bound row");
            if self.chance.is(0.5) {
                known.may_double = true;
                assert_eq!(outbox.retry(Which::Ids(&ids)).unwrap().returned, 1);
            } else {
                known.dropped = Some(Said::InFlight);
                assert_eq!(outbox.drop_rows(Which::Ids(&ids)).unwrap().dropped, 1);
            }
            self.devices[at].rests = false;
            self.person_decided(at);
            tell!(self, "somebody decides about {}", row.id);
            return Ok(());
        }
        if row.state == RowState::Aside && self.chance.is(0.7) {
            assert_eq!(outbox.retry(Which::Ids(&ids)).unwrap().returned, 1);
            self.devices[at].rests = false;
            self.net.events.note("people: send a row again");
            tell!(self, "somebody sends {} again", row.id);
            return Ok(());
        }
        let dropped = outbox.drop_rows(Which::Ids(&ids)).unwrap();
        let said = match (dropped.dropped, dropped.in_flight) {
            // It was bound once, and may have landed then.
            (1, 0) if self.acknowledged[&row.id].may_double => Said::InFlight,
            (1, 0) => Said::Gone,
            (0, 1) => Said::InFlight,
            other => return Err(self.wrong(&format!("dropping {} did {other:?}", row.id))),
        };
        self.acknowledged.get_mut(&row.id).unwrap().dropped = Some(said);
        self.net.events.note("people: drop a row");
        tell!(self, "somebody drops {}", row.id);
        Ok(())
    }

    pub(super) fn people_touch_the_sheet(&mut self) {
        let Some((sheet, tab)) = self.some_tab() else { return };
        match self.chance.below(4) {
            0 => {
                let title = format!("it's {}", self.chance.below(9));
                let now = self.clock.world();
                let mut renamed = false;
                self.net.by_hand(now, |google| renamed = google.rename_tab(&sheet, &tab, &title).is_ok());
                if renamed {
                    self.net.events.note("people: rename a tab");
                    tell!(self, "somebody renames {tab} to {title}");
                }
            }
            1 | 2 => self.sort(&sheet, &tab),
            _ => self.delete_a_row(&sheet, &tab),
        }
    }

    /// One of ours, in one of the spreadsheets.
    fn some_tab(&mut self) -> Option<(String, String)> {
        let sheets = self.net.google.spreadsheet_ids();
        let sheet = sheets.get(self.chance.below(sheets.len() as u64) as usize)?.clone();
        let tabs = self.net.google.tabs(&sheet);
        let tab = tabs.get(self.chance.below(tabs.len() as u64) as usize)?.clone();
        Some((sheet, tab))
    }

    /// Whatever people do to columns, except deleting what rows just landed with.
    ///
    /// One thing with a tab from the look that a batch for it was frozen on until that is settled: of a batch whose answer was
    /// lost nobody can tell that its columns were moved before it landed, and moved back after that (protocol section 12).
    /// The look may be older than the batch, so a header that is not the one it was frozen for is one such thing.
    ///
    /// And nothing from the look at a header on which a column is going to be added to the end of the batch that adds it,
    /// however short that is: a header cannot be written anywhere but at its place, and one that a person pushes there
    /// in between is written over (protocol section 12, *Not covered*). A batch on its way is not the only sign of that. A tab
    /// from which a person deleted one of our columns gets it back with its next row or amendment, and their look may be
    /// older than both: it is good for ten seconds.
    pub(super) fn people_touch_columns(&mut self) {
        let Some((sheet, tab)) = self.some_tab() else { return };
        let Some(sheet_id) = self.sheet_id(&sheet, &tab) else { return };
        let durable: Vec<_> =
            self.devices.iter().map(|device| device.outbox.durable("", Duration::ZERO).unwrap()).collect();
        // What a dying process wrote through an anchor under columns that were moved just then, it does not remember.
        if durable.iter().any(|durable| !durable.anchors.is_empty()) {
            return;
        }
        let open: Vec<Batch> = durable.into_iter().filter_map(|durable| durable.batch).collect();
        let adds = open.iter().flat_map(|batch| &batch.tabs).any(|tab| tab.header.as_ref() != Some(&tab.written));
        self.touched.retain(|(_, batch)| open.iter().any(|open| open.id == *batch));
        let amending = self.devices.iter().any(|device| !device.outbox.amends().unwrap().is_empty());
        if adds || self.touched.iter().any(|(touched, _)| *touched == sheet_id) {
            return;
        }
        let rows = self.net.google.rows(&sheet, &tab).unwrap_or_default();
        let header = rows.first().cloned().unwrap_or_default();
        // Who deletes what a row just landed with has deleted it.
        let holds_others = |at: u64| {
            rows.iter().skip(1).any(|row| match row.get(at as usize) {
                Some(CellValue::Text(text)) => !text.starts_with("device"),
                Some(CellValue::Number(number)) => *number < 40_000.0,
                _ => false,
            })
        };
        let name = |at: u64| match header.get(at as usize) {
            Some(CellValue::Text(name)) => name.clone(),
            _ => String::new(),
        };
        let names = || (0..header.len() as u64).map(name);
        let is_of_tab = |batch: &&Batch| batch.spreadsheet == sheet;
        let frozen = open.iter().filter(is_of_tab).flat_map(|batch| &batch.tabs).filter(|tab| tab.sheet_id == sheet_id);
        if frozen.into_iter().any(|tab| !names().eq(tab.written.iter().cloned())) {
            return;
        }
        let is_there = |name: &str| header.contains(&CellValue::Text(name.into()));
        let is_waiting = |device: &Device| device.outbox.counts().unwrap().waiting > 0;
        let is_looked_at = self.clock.world() < self.net.last_answer + GOOD_LOOK;
        let may_be_added = amending || is_looked_at || self.devices.iter().any(is_waiting);
        if !["time", "device"].into_iter().all(is_there) && may_be_added {
            return;
        }
        let at = self.chance.below(header.len() as u64);
        let range = json!({"sheetId": sheet_id, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1});
        let (what, request) = match self.chance.below(5) {
            0 => (
                "people: move a column",
                json!({"moveDimension": {"source": range, "destinationIndex": self.chance.below(header.len() as u64 + 1)}}),
            ),
            1 => ("people: insert a column", json!({"insertDimension": {"range": range, "inheritFromBefore": false}})),
            2 if !["_id", "n"].contains(&name(at).as_str()) && !holds_others(at) => {
                ("people: delete a column", json!({"deleteDimension": {"range": range}}))
            }
            3 if ["device", ""].contains(&name(at).as_str()) => {
                self.said += 1;
                let new = format!("{} {}", if name(at).is_empty() { "mine" } else { "made by" }, self.said);
                let now = self.clock.world();
                self.net.by_hand(now, |google| drop(google.type_in(&sheet, &tab, 0, at as usize, &new)));
                self.net.events.note("people: rename a column");
                self.touched.extend(open.iter().map(|batch| (sheet_id, batch.id)));
                tell!(self, "somebody calls column {at} of {tab} {new}");
                return;
            }
            4 => {
                let properties = json!({"hiddenByUser": self.chance.is(0.5)});
                let hide = json!({"range": range, "properties": properties, "fields": "hiddenByUser"});
                ("people: hide a column", json!({ "updateDimensionProperties": hide }))
            }
            _ => return,
        };
        let status = self.net.by_stranger(&sheet, json!([request]), self.clock.world());
        self.touched.extend(open.iter().map(|batch| (sheet_id, batch.id)));
        if status == 200 {
            self.net.events.note(what);
        }
        tell!(self, "{what}: {at} {:?} of {tab}: {status}", name(at));
    }

    /// Readers saw it serve rows from there (docs/google.md); whether it takes them is the world's choice.
    fn bins(&mut self, sheet: &str) {
        let is_in = self.binned.insert(sheet.to_owned());
        if !is_in {
            self.binned.remove(sheet);
        }
        let _ = self.net.google.set_trashed(sheet, is_in);
        let into = "people: throw the spreadsheet into the bin";
        let out = "people: take the spreadsheet out of the bin";
        let what = if is_in { into } else { out };
        self.net.events.note(what);
        tell!(self, "{what}: {sheet}");
    }

    pub(super) fn sort(&mut self, sheet: &str, tab: &str) {
        let Some(sheet_id) = self.sheet_id(sheet, tab) else { return };
        let column = self.chance.below(3);
        let range = json!({"sheetId": sheet_id, "startRowIndex": 1});
        let by = json!([{"dimensionIndex": column, "sortOrder": "DESCENDING"}]);
        let sort = json!([{"sortRange": {"range": range, "sortSpecs": by}}]);
        let status = self.net.by_stranger(sheet, sort, self.clock.world());
        self.net.events.note("people: sort");
        tell!(self, "somebody sorts {tab} by column {column}: {status}");
    }

    pub(super) fn delete_a_row(&mut self, sheet: &str, tab: &str) {
        let rows = self.net.google.rows(sheet, tab).unwrap_or_default();
        let Some(sheet_id) = self.sheet_id(sheet, tab).filter(|_| rows.len() > 3) else { return };
        let at = 1 + self.chance.below(rows.len() as u64 - 1) as usize;
        let id = rows[at].iter().find_map(|cell| match cell {
            CellValue::Text(text) if self.acknowledged.contains_key(text) => Some(text.clone()),
            _ => None,
        });
        let Some(id) = id else { return };
        let range = json!({"sheetId": sheet_id, "dimension": "ROWS", "startIndex": at, "endIndex": at + 1});
        let status = self.net.by_stranger(sheet, json!([{"deleteDimension": {"range": range}}]), self.clock.world());
        let pending =
            self.devices.iter().any(|device| device.outbox.amends().unwrap().iter().any(|amend| amend.id == id));
        if let (200, Some(row)) = (status, self.acknowledged.get_mut(&id)) {
            row.was_deleted = true;
            row.deleted = if pending { Deleted::Perhaps } else { Deleted::Yes };
            self.net.events.note("people: delete a row");
            tell!(self, "somebody deletes {id}");
        }
    }

    /// Of one of ours, whatever it is called now.
    pub(super) fn sheet_id(&self, sheet: &str, tab: &str) -> Option<i32> {
        let at = self.net.google.tabs(sheet).iter().position(|title| title == tab)?;
        ["readings", "doors"].get(at).map(|table| sheet_id_of_table(table))
    }

    /// First a backup is made, much later it is put in place.
    pub(super) fn backs_up_or_restores(&mut self, at: usize) {
        let Some(dir) = self.scratch.as_ref().map(|dir| dir.path().to_owned()) else { return };
        // A copy from before the spreadsheet was created makes another one: that cannot be noticed from there.
        if self.restored || at != 0 || self.devices[at].outbox.sheet().unwrap().is_none() {
            return;
        }
        let now = self.clock.world();
        match self.backup.take() {
            // The interesting moment: with rows that are then delivered by the newer state.
            None if self.devices[at].outbox.counts().unwrap().waiting == 0 => {}
            Some((made, from)) if now < made + OLD_BACKUP => self.backup = Some((made, from)),
            None => {
                let to = dir.join("backup.sqlite");
                self.devices[at].outbox.copy_to(&to).unwrap();
                self.backup = Some((now, to));
                tell!(self, "somebody makes a backup of device 0");
            }
            Some((_, from)) => {
                let kept: Vec<String> = {
                    let old = Outbox::open(&from, LIMIT).unwrap();
                    old.list(&Filter::default()).unwrap().into_iter().map(|row| row.id).collect()
                };
                let now_queued = self.devices[at].outbox.list(&Filter::default()).unwrap();
                for row in now_queued.into_iter().filter(|row| !kept.contains(&row.id)) {
                    if let Some(row) = self.acknowledged.get_mut(&row.id) {
                        row.may_be_lost = true;
                    }
                }
                self.dies(at);
                self.net.events.note("device: an old copy is put in its place");
                self.devices[at].outbox = Arc::new(Outbox::open(&from, LIMIT).unwrap());
                // Its batches did not leave: they are those of another state directory, which is no more.
                self.devices[at].seen = Default::default();
                self.restored = true;
                tell!(self, "and puts it in place");
            }
        }
    }

    /// Somebody puts the card's image into a second board, and both go on. The interesting moment: rows wait, and both
    /// have them.
    pub(super) fn makes_a_twin(&mut self, at: usize) {
        let Some(dir) = self.scratch.as_ref().map(|dir| dir.path().to_owned()) else { return };
        let outbox = self.devices[at].outbox.clone();
        if self.twinned || outbox.sheet().unwrap().is_none() || outbox.counts().unwrap().waiting == 0 {
            return;
        }
        if self.plan.twin_after > 0 {
            // The interesting moment is another one: the marker of a batch on its way will be the last of those that one
            // prune takes, as soon as it is not the newest any more.
            let durable = outbox.durable("", Duration::ZERO).unwrap();
            if durable.batch.is_none() || durable.markers.len() + 1 != PRUNED_AT_ONCE {
                return;
            }
        }
        let file = dir.join("twin.sqlite");
        outbox.copy_to(&file).unwrap();
        let outbox = Arc::new(Outbox::open(&file, LIMIT).unwrap());
        let mut twin = Device::new(format!("device {}", self.devices.len()), self.clock.another(), outbox);
        let after = match self.plan.twin_after {
            0 => self.chance.pick(&[0, 5, 200, 2_000]),
            after => after,
        };
        twin.awake_at = self.clock.world() + Duration::from_secs(after);
        self.devices.push(twin);
        self.twinned = true;
        self.net.events.note("device: a copy lives beside it");
        tell!(self, "somebody starts a second board with a copy of the state of device {at}");
    }

    /// Somebody says something else about a row that was recorded: on the device that recorded it or on another.
    pub(super) fn amend(&mut self, at: usize) -> Result<(), String> {
        if self.acknowledged.is_empty() {
            return Ok(());
        }
        let which = self.chance.below(self.acknowledged.len() as u64) as usize;
        let (id, row) = self.acknowledged.iter().nth(which).unwrap();
        let (id, owner) = (id.clone(), row.device);
        // Two devices never say something about the same cell: whose word was the last nobody could tell. So only one sibling
        // of a row's owner has something to say about it.
        let sibling = (owner + 1) % self.devices.len();
        if at != owner && at != sibling {
            return Ok(());
        }
        let column = if at == owner { "note" } else { "remark" };
        self.said += 1;
        let said = self.said;
        let mut fields = vec![(column.to_owned(), Value::Number(said as f64))];
        if self.chance.is(self.plan.new_columns) {
            let column = format!("key {}", self.chance.below(6));
            fields.push((column.clone(), Value::Text(format!("={column}"))));
        }
        let fixes = at == owner && row.is_poison && self.chance.is(0.5);
        if fixes {
            fields.push(("poison".into(), Value::Text("=poison".into())));
        }
        let amended = self.devices[at].outbox.amend(&id, &fields).unwrap();
        let gone = row.dropped.is_some() || row.may_be_lost || at != owner;
        match amended {
            Amended::Unknown if gone => return Ok(()),
            Amended::Unknown => return Err(self.wrong(&format!("device {at} does not know its own row {id}"))),
            Amended::Merged | Amended::Kept => {}
        }
        let row = self.acknowledged.get_mut(&id).unwrap();
        row.said.insert(column, said);
        row.is_poison &= !fixes;
        if row.deleted != Deleted::No {
            // It comes back, if the device that recorded it is the one that was told; a sibling does not remember it.
            let is_sure = row.deleted == Deleted::Yes && at == owner;
            row.deleted = if is_sure { Deleted::No } else { Deleted::Perhaps };
        }
        self.devices[at].rests = false;
        self.devices[at].awake_at = self.devices[at].awake_at.min(self.clock.world());
        self.net.events.note("people: amend a row");
        tell!(self, "device {at} amends {id}: {column} is {said}, {amended:?}");
        Ok(())
    }
}
