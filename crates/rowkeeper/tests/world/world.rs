//! Devices, one Google, people, and the rule that every acknowledged row is in the sheet exactly once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use google_emulator::CellValue;
use jiff::tz::TimeZone;
use rowkeeper::clock::Clock as _;
use rowkeeper::delivery::{AttemptError, Change, Delivery, DeliveryLock, Look, Settings, Stepped};
use rowkeeper::http::Lost;
use rowkeeper::outbox::{self, Filter, Happened, NewRow, Outbox, Record, RowState, Value, Which};
use serde_json::json;
use sheet_courier::{Hold, ID_COLUMN, Mutation, Table, Tag, Wish, sheet_id_of_table};

use super::chance::Chance;
use super::clock::WorldClock;
use super::net::{Landed, Net, Weather};

/// What happens in a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) weather: Weather,
    pub(crate) devices: usize,
    pub(crate) rows: u64,
    /// Rows that come at once, at most.
    pub(crate) burst: u64,
    /// Seconds between rows, at most.
    pub(crate) pause: u64,
    /// So many rows have a new column.
    pub(crate) new_columns: f64,
    /// So many rows are such that Google refuses them.
    pub(crate) poison: f64,
    /// So often between two steps a process dies, and so often its board reboots too.
    pub(crate) death: f64,
    /// So often a stranger takes the id of a batch that is in flight, and lets go of it later.
    pub(crate) squatters: f64,
    /// So often a person sorts, inserts or renames.
    pub(crate) people: f64,
    /// So often a person drops a row, or sends one again that was set aside.
    pub(crate) words: f64,
    /// So often a grant ends until a person signs in again, or a provider has no token to give for a while.
    pub(crate) revoked: f64,
    /// So often siblings use up the quota for some minutes.
    pub(crate) storms: f64,
    /// So often a wall clock steps, or is not to be believed.
    pub(crate) clocks: f64,
    /// So often a spreadsheet becomes full, or has room again.
    pub(crate) full: f64,
    /// So often a spreadsheet is closed to us, and so often a person does something about it.
    pub(crate) closed: f64,
    /// So often an old copy of the state directory is put in place of the newer one, once.
    pub(crate) restore: f64,
    pub(crate) mutation: Option<Mutation>,
    /// Rows are acknowledged a little before they are committed.
    pub(crate) acknowledge_early: bool,
}

pub(crate) struct World {
    plan: Plan,
    seed: u64,
    chance: Chance,
    clock: WorldClock,
    net: Net,
    devices: Vec<Device>,
    /// Every row that was acknowledged: its number by its id.
    acknowledged: BTreeMap<String, Row>,
    recorded: u64,
    next_record: Duration,
    /// Said to be kept, and gone with a process.
    broken_promises: usize,
    squatting: Vec<(Duration, String, u32)>,
    scratch: Option<tempfile::TempDir>,
    backup: Option<(Duration, PathBuf)>,
    restored: bool,
    plan_had_closed: bool,
    story: String,
}

struct Row {
    number: u64,
    is_poison: bool,
    /// Recorded after the backup that was restored later: gone with the newer state.
    may_be_lost: bool,
    dropped: Option<Said>,
    /// A person said to send it again although it may have been there.
    may_double: bool,
    /// A person deleted it in the sheet: it never comes again.
    deleted: bool,
}

/// What a person was told who dropped a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Gone,
    /// It is being sent: dropped unless it is in the sheet.
    InFlight,
}

struct Device {
    name: String,
    clock: WorldClock,
    outbox: Arc<Outbox>,
    /// The process that holds the delivery lock, while it lives.
    process: Option<Delivery>,
    /// When it has something to do, in the time of the world.
    awake_at: Duration,
    hold: Option<Hold>,
    /// No token until then; without a word of when, if a person must sign in.
    no_token: Option<(Duration, bool)>,
    /// It found nothing more to do.
    rests: bool,
    /// Said to be kept, and not yet on disk.
    promised: Vec<NewRow>,
}

/// By then markers were pruned that the backup does not know.
const OLD_BACKUP: Duration = Duration::from_secs(1800);
const LIMIT: outbox::Options = outbox::Options { max_bytes: 1 << 30 };

impl World {
    pub(crate) fn seeded(seed: u64, plan: Plan) -> Self {
        let clock = WorldClock::new();
        let scratch = (plan.restore > 0.0).then(scratch_dir);
        let mut world = Self {
            chance: Chance::seeded(seed),
            net: Net::new(plan.weather),
            devices: Vec::new(),
            acknowledged: BTreeMap::new(),
            recorded: 0,
            broken_promises: 0,
            next_record: clock.world(),
            squatting: Vec::new(),
            backup: None,
            restored: false,
            plan_had_closed: plan.closed > 0.0,
            story: String::new(),
            scratch,
            clock,
            seed,
            plan,
        };
        for number in 0..world.plan.devices {
            let outbox = match &world.scratch {
                Some(dir) => Outbox::open(&dir.path().join(format!("{number}.sqlite")), LIMIT),
                None => Outbox::open_in_memory(LIMIT),
            };
            let outbox = outbox.unwrap();
            let identity = world.chance.next();
            outbox.become_device(&Tag::from_random((identity as u32).to_be_bytes()), (identity >> 32) as u32).unwrap();
            world.devices.push(Device {
                name: format!("device {number}"),
                clock: world.clock.another(),
                outbox: Arc::new(outbox),
                process: None,
                awake_at: Duration::ZERO,
                hold: None,
                no_token: None,
                rests: false,
                promised: Vec::new(),
            });
        }
        world
    }

    /// Lives until all rows are recorded and delivered, then looks at the sheet. An error is the story of what went wrong.
    pub(crate) fn live(mut self) -> Result<Report, String> {
        let mut steps = 0;
        while self.recorded < self.plan.rows || !self.is_quiet() {
            steps += 1;
            if self.recorded == self.plan.rows && steps % 50 == 0 {
                // Faults stop at last.
                self.net.weather = Weather::default();
                self.plan.death = 0.0;
                self.plan.squatters = 0.0;
                self.plan.restore = 0.0;
                (self.plan.full, self.plan.closed) = (0.0, 0.0);
                (self.plan.revoked, self.plan.storms, self.plan.clocks) = (0.0, 0.0, 0.0);
                self.net.full.clear();
                self.net.closed.clear();
            }
            if steps > 60_000 {
                return Err(self.wrong("it never becomes quiet"));
            }
            self.turn()?;
        }
        self.net.reach(self.clock.world() + Duration::from_secs(3600));
        self.check_all()
    }

    fn is_quiet(&self) -> bool {
        self.devices.iter().all(|device| device.rests && device.promised.is_empty())
    }

    /// The next thing that happens, wherever it does.
    fn turn(&mut self) -> Result<(), String> {
        let now = self.clock.world();
        self.net.reach(now);
        self.strangers_leave(now)?;
        if now >= self.next_record && self.recorded < self.plan.rows {
            self.record();
            return Ok(());
        }
        let next = (0..self.devices.len()).min_by_key(|at| self.devices[*at].awake_at).unwrap();
        if self.devices[next].awake_at > now {
            let mut until = self.devices[next].awake_at;
            if self.recorded < self.plan.rows {
                until = until.min(self.next_record);
            }
            if let Some(leaves) = self.squatting.iter().map(|(at, ..)| *at).min() {
                until = until.min(leaves);
            }
            self.clock.pass_until(until.max(now + Duration::from_millis(1)));
            return Ok(());
        }
        if self.chance.is(self.plan.death) {
            self.dies(next);
        }
        if self.chance.is(self.plan.restore) {
            self.backs_up_or_restores(next);
        }
        if self.chance.is(self.plan.squatters) {
            self.squat(next);
        }
        if self.chance.is(self.plan.people) {
            self.people_touch_the_sheet();
        }
        if self.chance.is(self.plan.words) {
            self.has_a_word(next)?;
        }
        if self.chance.is(self.plan.revoked) {
            let until = now + Duration::from_secs(self.chance.pick(&[60, 3_600, 100_000]));
            self.devices[next].no_token = Some((until, self.chance.is(0.5)));
            self.tell(&format!("device {next} has no token"));
        }
        if self.chance.is(self.plan.storms) {
            self.net.storm_until = now + Duration::from_secs(self.chance.below(600));
            self.tell("others use up the quota");
        }
        if self.chance.is(self.plan.clocks) {
            let off = self.chance.pick(&[0, 7_200, -86_400, -1_700_000_000, 400_000_000]);
            let trusted = self.chance.is(0.5);
            self.devices[next].clock.step_wall(off, trusted);
            self.tell(&format!("the clock of device {next} is off by {off} s, trusted: {trusted}"));
        }
        if self.chance.is(self.plan.full) {
            self.fills_or_empties();
        }
        if self.chance.is(self.plan.closed) {
            self.closes_or_helps(next);
        }
        self.step(next)
    }

    fn record(&mut self) {
        let pause = Duration::from_millis(self.chance.below(self.plan.pause * 1000 + 1));
        self.next_record = self.clock.world() + pause;
        let count = (1 + self.chance.below(self.plan.burst.max(1))).min(self.plan.rows - self.recorded);
        let at = self.chance.below(self.devices.len() as u64) as usize;
        let rows: Vec<NewRow> = (0..count).map(|_| self.new_row(at)).collect();
        let awake = self.clock.world();
        let device = &mut self.devices[at];
        device.awake_at = device.awake_at.min(awake);
        device.rests = false;
        if self.plan.acknowledge_early {
            // The ids of these rows are known before they are on disk: that is the mistake.
            device.promised.extend(rows);
            return;
        }
        self.keep(at, &rows);
    }

    fn keep(&mut self, at: usize, rows: &[NewRow]) {
        let accepted = self.devices[at].outbox.accept(rows).unwrap();
        for (row, accepted) in rows.iter().zip(accepted) {
            let (number, is_poison) = number_of(row);
            let row = Row { number, is_poison, may_be_lost: false, dropped: None, may_double: false, deleted: false };
            assert!(self.acknowledged.insert(accepted.id, row).is_none(), "an id was given out twice");
        }
    }

    fn new_row(&mut self, at: usize) -> NewRow {
        let number = self.recorded;
        self.recorded += 1;
        let mut fields = vec![("n".to_owned(), Value::Number(number as f64))];
        if self.chance.is(self.plan.new_columns) {
            let column = format!("key {}", self.chance.below(6));
            fields.push((column.clone(), Value::Text(format!("={column}"))));
        }
        if self.chance.is(self.plan.poison) {
            fields.push(("poison".into(), Value::Text("x".repeat(50_001))));
        }
        let table = self.chance.pick(&["readings", "readings", "doors"]).to_owned();
        let happened = Happened::now(&self.devices[at].clock);
        // Some callers bring their own ids.
        let id = self.chance.is(0.3).then(|| format!("row-{number}"));
        NewRow { table, id, record: Record { fields }, happened }
    }

    fn step(&mut self, at: usize) -> Result<(), String> {
        let promised = std::mem::take(&mut self.devices[at].promised);
        if !promised.is_empty() {
            self.keep(at, &promised);
        }
        let (device, net, chance) = (&mut self.devices[at], &mut self.net, &mut self.chance);
        let mutation = self.plan.mutation;
        let process = device.process.get_or_insert_with(|| {
            let delivery = Delivery::new(device.outbox.clone(), settings(&device.name), DeliveryLock::in_memory());
            delivery.with_courier(move |courier| match mutation {
                Some(mutation) => courier.mutated(mutation),
                None => courier,
            })
        });
        let mut died = false;
        let clock = device.clock.clone();
        let mut dice = Chance::seeded(chance.next());
        let mut story = String::new();
        let no_token = device.no_token.filter(|(until, _)| clock.world() < *until);
        let retry_at = no_token.map_or(clock.mono(), |(until, _)| clock.mono() + (until - clock.world()));
        let mut api = |request: &rowkeeper::http::Request, timeouts: &rowkeeper::http::Timeouts| {
            match no_token {
                Some((_, true)) => return Err(AttemptError::NeedsSignIn),
                Some((_, false)) => return Err(AttemptError::Unavailable { retry_at, why: "no token".into() }),
                None => {}
            }
            let landed = net.attempt(request, timeouts, &clock, chance);
            let what = request.url.rsplit('/').next().unwrap_or_default().to_owned();
            match landed {
                Landed::Answer(answer) => {
                    let end = answer.as_ref().map_or_else(
                        |e| format!("{e:?}"),
                        |r| {
                            format!(
                                "{} {}",
                                r.status,
                                if r.status == 400 {
                                    String::from_utf8_lossy(&r.body).into_owned()
                                        + &String::from_utf8_lossy(&request.body)
                                } else {
                                    String::new()
                                }
                            )
                        },
                    );
                    let _ = write!(story, "{} {what} ({} bytes): {end}", request.method, request.body.len());
                    answer
                }
                Landed::Died => {
                    died = true;
                    let _ = write!(story, "{} {what} ({} bytes): dies", request.method, request.body.len());
                    Err(AttemptError::Lost(Lost::Unknown("dead".into())))
                }
            }
        };
        let stepped = process.step(&mut api, &device.clock, &mut || dice.next() as u32);
        let stepped = stepped.map_err(|error| format!("seed {}: {error}", self.seed))?;
        let now = self.clock.world();
        device.hold = None;
        // A closed spreadsheet is asked for again by itself.
        let probes = matches!(stepped, Stepped::Hold(Hold::Closed { .. } | Hold::CannotCreate { .. }, _));
        device.rests = matches!(stepped, Stepped::Idle | Stepped::Hold(..)) && !probes;
        device.awake_at = match &stepped {
            Stepped::Changed(_) | Stepped::Called => now,
            Stepped::WaitUntil(until) => device.clock.in_world(*until),
            Stepped::Hold(hold, until) => {
                device.hold = Some(hold.clone());
                device.clock.in_world(*until)
            }
            Stepped::Idle => now + Duration::from_secs(600),
            Stepped::NeedsSignIn => match no_token {
                Some((until, true)) => until,
                _ => return Err(self.wrong("nobody asked for a sign-in")),
            },
        };
        let name = device.name.clone();
        if !matches!(stepped, Stepped::Idle | Stepped::WaitUntil(_)) {
            self.tell(&format!(
                "{name}: {story}{}",
                if story.is_empty() { format!("{stepped:?}") } else { String::new() }
            ));
        }
        if died {
            self.dies(at);
        }
        if stepped == Stepped::Changed(Change::SheetCreated) {
            self.share_sheet(at);
        }
        Ok(())
    }

    /// The first device's spreadsheet is everybody's.
    fn share_sheet(&mut self, at: usize) {
        let sheet = self.devices[at].outbox.sheet().unwrap().unwrap();
        for device in &mut self.devices {
            if device.outbox.sheet().unwrap().is_none() {
                device.outbox.set_sheet(&sheet).unwrap();
                device.process = None;
            }
        }
    }

    /// Power or patience ends; the disk stays.
    fn dies(&mut self, at: usize) {
        let reboot = self.chance.is(0.3);
        let device = &mut self.devices[at];
        device.process = None;
        device.rests = false;
        self.broken_promises += std::mem::take(&mut device.promised).len();
        if reboot {
            device.clock = device.clock.rebooted();
        }
        let wait = Duration::from_secs(self.chance.pick(&[0, 0, 2, 30, 600, 3000]));
        self.devices[at].awake_at = self.clock.world() + wait;
        let name = self.devices[at].name.clone();
        self.tell(&format!("{name} dies{}", if reboot { " and reboots" } else { "" }));
    }

    /// A stranger's tool happens to use the same id as a batch in flight, or one whose marker was just pruned. It cannot
    /// know; the world can.
    fn squat(&mut self, at: usize) {
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
            self.squatting.push((leaves, sheet, id));
            self.tell(&format!("a stranger takes {id}"));
        }
    }

    fn strangers_leave(&mut self, now: Duration) -> Result<(), String> {
        let (leaving, staying) = std::mem::take(&mut self.squatting).into_iter().partition(|(at, ..)| *at <= now);
        self.squatting = staying;
        let leaving: Vec<(Duration, String, u32)> = leaving;
        for (_, spreadsheet, id) in leaving {
            let lookup = json!({"metadataId": id, "metadataKey": "other"});
            let delete = json!([{"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}}]);
            let status = self.net.by_stranger(&spreadsheet, delete, now);
            if status == 400 {
                return Err(self.wrong(&format!("somebody deleted the stranger's {id}")));
            }
            if status != 200 {
                // The minute's writes are used up.
                self.squatting.push((now + Duration::from_secs(20), spreadsheet, id));
            }
            self.tell(&format!("the stranger lets go of {id}"));
        }
        Ok(())
    }

    fn fills_or_empties(&mut self) {
        let sheets = self.net.google.spreadsheet_ids();
        let Some(sheet) = sheets.get(self.chance.below(sheets.len() as u64) as usize).cloned() else { return };
        if self.net.full.remove(&sheet) {
            self.tell(&format!("somebody makes room in {sheet}"));
        } else if self.net.full.len() < 3 {
            self.tell(&format!("{sheet} is full"));
            self.net.full.insert(sheet);
        }
    }

    /// The spreadsheet goes into the bin or is not shared any more; it comes back, or the device is told where to go.
    fn closes_or_helps(&mut self, at: usize) {
        let Some(sheet) = self.devices[at].outbox.sheet().unwrap().map(|sheet| sheet.id) else { return };
        if self.net.closed.insert(sheet.clone()) {
            self.tell(&format!("{sheet} is closed"));
            return;
        }
        let sheets = self.net.google.spreadsheet_ids();
        let other = sheets[self.chance.below(sheets.len() as u64) as usize].clone();
        let wish = match self.chance.below(4) {
            0 => {
                self.net.closed.remove(&sheet);
                return self.tell(&format!("{sheet} is open again"));
            }
            1 => Wish::Adopt(other),
            _ => Wish::New,
        };
        let device = &mut self.devices[at];
        device.outbox.set_wish(&wish).unwrap();
        device.awake_at = self.clock.world();
        device.rests = false;
        self.tell(&format!("device {at} is to go to {wish:?}"));
    }

    /// A person drops a row, or sends one again that was set aside.
    fn has_a_word(&mut self, at: usize) -> Result<(), String> {
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
            if self.chance.is(0.5) {
                known.may_double = true;
                assert_eq!(outbox.retry(Which::Ids(&ids)).unwrap().returned, 1);
            } else {
                known.dropped = Some(Said::InFlight);
                assert_eq!(outbox.drop_rows(Which::Ids(&ids)).unwrap().dropped, 1);
            }
            self.devices[at].rests = false;
            self.tell(&format!("somebody decides about {}", row.id));
            return Ok(());
        }
        if row.state == RowState::Aside && self.chance.is(0.7) {
            assert_eq!(outbox.retry(Which::Ids(&ids)).unwrap().returned, 1);
            self.devices[at].rests = false;
            self.tell(&format!("somebody sends {} again", row.id));
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
        self.tell(&format!("somebody drops {}", row.id));
        Ok(())
    }

    /// Nothing here moves a column while a row lands: that repair is not built yet.
    fn people_touch_the_sheet(&mut self) {
        let Some(sheet) = self.net.google.spreadsheet_ids().first().cloned() else { return };
        let tabs = self.net.google.tabs(&sheet);
        let tab = tabs[self.chance.below(tabs.len() as u64) as usize].clone();
        let _ = match self.chance.below(4) {
            2 => return self.sort(&sheet, &tab),
            3 => return self.delete_a_row(&sheet, &tab),
            0 => self.net.google.rename_tab(&sheet, &tab, &format!("it's {}", self.chance.below(9))),
            _ => self.net.google.type_in(&sheet, &tab, 0, 2, "device"),
        };
    }

    fn sort(&mut self, sheet: &str, tab: &str) {
        let Some(sheet_id) = self.sheet_id(sheet, tab) else { return };
        let column = self.chance.below(3);
        let range = json!({"sheetId": sheet_id, "startRowIndex": 1});
        let by = json!([{"dimensionIndex": column, "sortOrder": "DESCENDING"}]);
        let sort = json!([{"sortRange": {"range": range, "sortSpecs": by}}]);
        let status = self.net.by_stranger(sheet, sort, self.clock.world());
        self.tell(&format!("somebody sorts {tab} by column {column}: {status}"));
    }

    fn delete_a_row(&mut self, sheet: &str, tab: &str) {
        let rows = self.net.google.rows(sheet, tab).unwrap_or_default();
        let Some(sheet_id) = self.sheet_id(sheet, tab).filter(|_| rows.len() > 3) else { return };
        let at = 1 + self.chance.below(rows.len() as u64 - 1) as usize;
        let Some(CellValue::Text(id)) = rows[at].first().cloned() else { return };
        let range = json!({"sheetId": sheet_id, "dimension": "ROWS", "startIndex": at, "endIndex": at + 1});
        let status = self.net.by_stranger(sheet, json!([{"deleteDimension": {"range": range}}]), self.clock.world());
        if let (200, Some(row)) = (status, self.acknowledged.get_mut(&id)) {
            row.deleted = true;
            self.tell(&format!("somebody deletes {id}"));
        }
    }

    /// Of one of ours, whatever it is called now.
    fn sheet_id(&self, sheet: &str, tab: &str) -> Option<i32> {
        let at = self.net.google.tabs(sheet).iter().position(|title| title == tab)?;
        ["readings", "doors"].get(at).map(|table| sheet_id_of_table(table))
    }

    /// First a backup is made, much later it is put in place.
    fn backs_up_or_restores(&mut self, at: usize) {
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
                self.tell("somebody makes a backup of device 0");
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
                self.devices[at].outbox = Arc::new(Outbox::open(&from, LIMIT).unwrap());
                self.restored = true;
                self.tell("and puts it in place");
            }
        }
    }

    /// The promise.
    fn check_all(&self) -> Result<Report, String> {
        let mut in_sheet: BTreeMap<String, u64> = BTreeMap::new();
        for sheet in self.net.google.spreadsheet_ids() {
            for tab in self.net.google.tabs(&sheet) {
                let rows = self.net.google.rows(&sheet, &tab).unwrap_or_default();
                self.read_tab(&rows, &mut in_sheet)?;
            }
        }
        let mut report = Report { rows: in_sheet.len(), attempts: self.net.attempts, ..Report::default() };
        let mut on_device: BTreeMap<String, RowState> = BTreeMap::new();
        for device in &self.devices {
            match &device.hold {
                // Rows that nobody could deliver, three in a row: a person has to look.
                Some(Hold::SheetRefuses { .. }) if self.plan.poison > 0.0 => report.stops += 1,
                Some(Hold::Copy { .. }) if self.restored => report.copies += 1,
                // Its successor was closed when it was full.
                Some(Hold::Full { .. }) if self.plan_had_closed => report.stops += 1,
                Some(hold) => return Err(self.wrong(&format!("{} stops: {hold:?}", device.name))),
                None => {}
            }
            for row in device.outbox.list(&Filter::default()).unwrap() {
                on_device.insert(row.id, row.state);
            }
        }
        for (id, row) in &self.acknowledged {
            let times = in_sheet.get(id).copied().unwrap_or(0);
            let kept = on_device.get(id);
            let text = format!("row {} ({id}) is {times} times in the sheet and {kept:?} on the device", row.number);
            let is_right = match (times, kept) {
                _ if row.deleted && !row.may_double => times == 0,
                (0, None) if row.dropped.is_some() => true,
                (1, None) if row.dropped == Some(Said::Gone) => false,
                (1 | 2, None) if row.may_double => true,
                (1, None) => !row.is_poison,
                // A copy, or a batch that may have landed, stops with its rows listed; what it delivered is there too.
                (1, Some(_)) => report.stops + report.copies > 0,
                (0, Some(RowState::Aside)) => row.is_poison,
                (0, Some(_)) => report.stops + report.copies > 0,
                (0, None) => row.may_be_lost,
                _ => false,
            };
            if !is_right {
                return Err(self.wrong(&text));
            }
            report.aside += usize::from(kept == Some(&RowState::Aside));
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
    fn siblings_stay_together(&self) -> Result<(), String> {
        let mut successors: BTreeMap<String, String> = BTreeMap::new();
        for device in self.devices.iter().filter(|_| !self.plan_had_closed) {
            for pair in device.outbox.sheets().unwrap().windows(2) {
                let other = successors.insert(pair[0].id.clone(), pair[1].id.clone());
                if other.is_some_and(|other| other != pair[1].id) {
                    return Err(self.wrong(&format!("two spreadsheets come after {}", pair[0].id)));
                }
            }
        }
        Ok(())
    }

    fn read_tab(&self, rows: &[Vec<CellValue>], found: &mut BTreeMap<String, u64>) -> Result<(), String> {
        let Some((header, rows)) = rows.split_first() else { return Ok(()) };
        let column = |name: &str| header.iter().position(|cell| *cell == CellValue::Text(name.into()));
        let (Some(id), Some(n)) = (column(ID_COLUMN), column("n")) else {
            return if rows.is_empty() { Ok(()) } else { Err(self.wrong("rows without a header")) };
        };
        for (at, name) in header.iter().enumerate() {
            if header[..at].contains(name) {
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
            *found.entry(text.clone()).or_insert(0) += 1;
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> String {
        // A device that waits says the same again and again.
        let mut lines: Vec<&str> = self.story.lines().collect();
        lines.dedup_by_key(|line| line.get(10..line.len().min(60)));
        let end = lines[lines.len().saturating_sub(6000)..].join("\n");
        format!("{end}\nseed {}: {what}", self.seed)
    }

    fn tell(&mut self, what: &str) {
        let _ = writeln!(self.story, "{:>9.1} {what}", self.clock.world().as_secs_f64() - 3600.0);
    }
}

/// What a world came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: usize,
    pub(crate) aside: usize,
    /// Devices that stopped because three rows in a row were refused.
    pub(crate) stops: usize,
    pub(crate) spreadsheets: usize,
    /// Devices that found out that they are a copy.
    pub(crate) copies: usize,
    pub(crate) attempts: u64,
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.aside += other.aside;
        self.stops += other.stops;
        self.copies += other.copies;
        self.spreadsheets += other.spreadsheets;
        self.attempts += other.attempts;
    }
}

fn number_of(row: &NewRow) -> (u64, bool) {
    let number = match row.record.fields.first() {
        Some((_, Value::Number(number))) => *number as u64,
        _ => 0,
    };
    (number, row.record.fields.iter().any(|(name, _)| name == "poison"))
}

fn settings(device: &str) -> Settings {
    let table = |name: &str| Table { name: name.into(), columns: vec!["time".into(), "device".into(), "n".into()] };
    Settings {
        origin: "https://sheets.example".into(),
        device: device.into(),
        zone: TimeZone::UTC,
        sheet: sheet_courier::Options {
            title: "World".into(),
            timezone: "Etc/UTC".into(),
            tables: vec![table("readings"), table("doors")],
        },
        look: Look::default(),
    }
}

/// In memory where the system has such a place: a sync costs nothing there.
fn scratch_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
