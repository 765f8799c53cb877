//! The promise: every acknowledged row is in the sheet exactly once, with what was last said about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use google_emulator::CellValue;
use rowkeeper::outbox::{Filter, RowState};
use sheet_courier::{Hold, ID_COLUMN};

use super::events::Events;
use super::world::{Deleted, Said, World};

/// What a world came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) worlds: usize,
    pub(crate) rows: usize,
    pub(crate) aside: usize,
    /// Devices that stopped because three rows in a row were refused.
    pub(crate) stops: usize,
    pub(crate) spreadsheets: usize,
    /// Devices that found out that they are a copy, and went on as new ones.
    pub(crate) copies: usize,
    /// Devices that wait because another copy goes on.
    pub(crate) retired: usize,
    /// Amendments that wait for a person.
    pub(crate) stuck: usize,
    pub(crate) attempts: u64,
    pub(crate) events: Events,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, rows, aside, stops, spreadsheets, copies, retired, stuck, attempts, events } = self;
        writeln!(f, "{worlds} worlds, {attempts} requests, {spreadsheets} spreadsheets, {rows} rows in them")?;
        writeln!(f, "{aside} rows set aside, {stuck} amendments for a person, {stops} stops")?;
        writeln!(f, "{copies} copies went on as new devices, {retired} were retired by them")?;
        events.fmt(f)
    }
}

/// A row as it is in the sheet: what was said about it by the device that recorded it, and by another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    note: Option<CellValue>,
    remark: Option<CellValue>,
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.events += other.events;
        self.rows += other.rows;
        self.aside += other.aside;
        self.stops += other.stops;
        self.copies += other.copies;
        self.retired += other.retired;
        self.stuck += other.stuck;
        self.spreadsheets += other.spreadsheets;
        self.attempts += other.attempts;
    }
}

impl World {
    /// The promise.
    pub(super) fn check_all(&mut self) -> Result<Report, String> {
        let mut in_sheet: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        let mut open = Vec::new();
        for sheet in self.net.google.spreadsheet_ids() {
            for tab in self.net.google.tabs(&sheet) {
                let rows = self.net.google.rows(&sheet, &tab).unwrap_or_default();
                self.read_tab(&rows, &mut in_sheet)?;
            }
            open.extend(self.net.metadata_with_value(&sheet, "open"));
        }
        let events = std::mem::take(&mut self.net.events);
        let mut report =
            Report { worlds: 1, rows: in_sheet.len(), attempts: self.net.attempts, events, ..Report::default() };
        let mut on_device: BTreeMap<String, RowState> = BTreeMap::new();
        let mut waiting = BTreeSet::new();
        for device in &self.devices {
            match &device.hold {
                // Rows that nobody could deliver, three in a row: a person has to look.
                Some(Hold::SheetRefuses { .. }) if self.plan.poison > 0.0 => report.stops += 1,
                Some(Hold::Retired { .. }) if self.twinned => report.retired += 1,
                // Its successor was closed when it was full.
                Some(Hold::Full { .. }) if self.may_part => report.stops += 1,
                Some(hold) => return Err(self.wrong(&format!("{} stops: {hold:?}", device.name))),
                None => {}
            }
            let durable = device.outbox.durable("", Duration::ZERO).unwrap();
            report.copies += durable.device.former.len();
            for row in device.outbox.list(&Filter::default()).unwrap() {
                on_device.insert(row.id, row.state);
            }
            for amend in device.outbox.amends().unwrap() {
                if amend.reason.is_none() && device.hold.is_none() {
                    return Err(self.wrong(&format!("the amendment of {} was forgotten", amend.id)));
                }
                waiting.insert(amend.id);
                report.stuck += usize::from(amend.reason.is_some());
            }
        }
        for (id, row) in &self.acknowledged {
            let seen = in_sheet.get(id).map(Vec::as_slice).unwrap_or_default();
            let times = seen.len();
            let kept = on_device.get(id);
            let text = format!("row {} ({id}) is {times} times in the sheet and {kept:?} on the device", row.number);
            let is_right = match (times, kept) {
                (0, None) if row.deleted == Deleted::Perhaps || waiting.contains(id) => true,
                _ if row.deleted == Deleted::Yes && !row.may_double => times == 0,
                (0, None) if row.dropped.is_some() => true,
                (1, None) if row.dropped == Some(Said::Gone) => false,
                (1 | 2, None) if row.may_double => true,
                (1, None) => !row.is_poison,
                // A copy that another one retired, or a batch that may have landed, stops with its rows listed; they may
                // be there too.
                (1, Some(_)) => report.stops + report.retired > 0,
                (0, Some(RowState::Aside)) => row.is_poison,
                (0, Some(_)) => report.stops + report.retired > 0,
                (0, None) => row.may_be_lost,
                _ => false,
            };
            if !is_right {
                return Err(self.wrong(&text));
            }
            if let [seen] = seen
                && !waiting.contains(id)
                && !row.may_double
                // What was said about it was dropped with it.
                && row.dropped.is_none()
            {
                let said = |column: &str| row.said.get(column).map(|said| CellValue::Number(*said as f64));
                if seen.note != said("note") {
                    return Err(self.wrong(&format!("{id} says {:?}, not {:?}", seen.note, said("note"))));
                }
                // A row that comes back comes without what another device said.
                if !row.was_deleted && seen.remark != said("remark") {
                    return Err(self.wrong(&format!("{id} remarks {:?}, not {:?}", seen.remark, said("remark"))));
                }
            }
            report.aside += usize::from(kept == Some(&RowState::Aside));
        }
        // A device that stops closes them when it goes on.
        if !open.is_empty() && report.stops == 0 {
            return Err(self.wrong(&format!("anchors are left open: {open:?}")));
        }
        if report.copies > 0 && !self.restored && !self.twinned {
            return Err(self.wrong("a device took itself for a copy"));
        }
        report.spreadsheets = self.net.google.spreadsheet_ids().len();
        self.siblings_stay_together()?;
        if self.broken_promises > 0 {
            return Err(self.wrong(&format!("{} rows were acknowledged and are gone", self.broken_promises)));
        }
        if let Some(id) = in_sheet.keys().find(|id| !self.acknowledged.contains_key(*id)) {
            return Err(self.wrong(&format!("row {id} was never acknowledged")));
        }
        Ok(report)
    }

    /// Nobody sent them anywhere: then a spreadsheet has one successor at most.
    pub(super) fn siblings_stay_together(&self) -> Result<(), String> {
        let mut successors: BTreeMap<String, String> = BTreeMap::new();
        for device in self.devices.iter().filter(|_| !self.may_part) {
            for pair in device.outbox.sheets().unwrap().windows(2) {
                let other = successors.insert(pair[0].id.clone(), pair[1].id.clone());
                if other.is_some_and(|other| other != pair[1].id) {
                    return Err(self.wrong(&format!("two spreadsheets come after {}", pair[0].id)));
                }
            }
        }
        Ok(())
    }

    pub(super) fn read_tab(
        &self,
        rows: &[Vec<CellValue>],
        found: &mut BTreeMap<String, Vec<Seen>>,
    ) -> Result<(), String> {
        let Some((header, rows)) = rows.split_first() else { return Ok(()) };
        let column = |name: &str| header.iter().position(|cell| *cell == CellValue::Text(name.into()));
        let (Some(id), Some(n)) = (column(ID_COLUMN), column("n")) else {
            return if rows.is_empty() { Ok(()) } else { Err(self.wrong("rows without a header")) };
        };
        for (at, name) in header.iter().enumerate() {
            if *name != CellValue::Empty && header[..at].contains(name) {
                return Err(self.wrong(&format!("two columns {name:?}")));
            }
        }
        for row in rows {
            let Some(CellValue::Text(text)) = row.get(id) else {
                return Err(self.wrong(&format!("a row without an id: {row:?}")));
            };
            let number = self.acknowledged.get(text).map(|row| CellValue::Number(row.number as f64));
            if number.is_some() && row.get(n) != number.as_ref() {
                return Err(self.wrong(&format!("row {text} holds another row's value")));
            }
            // A text is under the name that it says.
            for (at, cell) in row.iter().enumerate() {
                if let (CellValue::Text(value), Some(CellValue::Text(name))) = (cell, header.get(at))
                    && let Some(said) = value.strip_prefix('=')
                    && said != name
                {
                    return Err(self.wrong(&format!("{said} is under {name}")));
                }
            }
            // Nothing of ours is in a column of somebody else's.
            for (at, cell) in row.iter().enumerate().filter(|(_, cell)| **cell != CellValue::Empty) {
                let name = header.get(at);
                let is_right = match (name, cell) {
                    (Some(CellValue::Text(name)), CellValue::Text(text))
                        if name.starts_with("made by") || name == "device" =>
                    {
                        text.starts_with("device")
                    }
                    (Some(CellValue::Text(name)), _) => {
                        !name.starts_with("mine") && !name.starts_with("made by") && !name.is_empty()
                    }
                    _ => false,
                };
                if !is_right {
                    return Err(self.wrong(&format!("row {text} has {cell:?} under {name:?}")));
                }
            }
            let cell = |name: &str| {
                let cell = column(name).and_then(|at| row.get(at)).cloned();
                cell.filter(|cell| *cell != CellValue::Empty)
            };
            found.entry(text.clone()).or_default().push(Seen { note: cell("note"), remark: cell("remark") });
        }
        Ok(())
    }
}
