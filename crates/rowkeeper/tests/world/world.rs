//! Devices, one Google, people, and what happens next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rowkeeper::outbox::{self, Happened, NewRow, Outbox, Record, Value};
use sheet_courier::{MarkerId, Tag};

use super::chance::Chance;
use super::clock::WorldClock;
use super::device::Device;
use super::net::{Net, Weather};
use super::people::Stranger;
use super::plans::Plan;
use super::promise::Report;
use super::rules::LeftOut;
use super::story::tell;

pub(crate) struct World {
    pub(super) plan: Plan,
    pub(super) seed: u64,
    pub(super) chance: Chance,
    pub(super) clock: WorldClock,
    pub(super) net: Net,
    pub(super) devices: Vec<Device>,
    /// Every row that was acknowledged: its number by its id.
    pub(super) acknowledged: BTreeMap<String, Row>,
    pub(super) recorded: u64,
    /// How often something was said about a row.
    pub(super) said: u64,
    pub(super) next_record: Duration,
    /// Said to be kept, and gone with a process.
    pub(super) broken_promises: usize,
    /// Tabs whose columns somebody touched while these batches were on their way.
    pub(super) touched: Vec<(i32, MarkerId)>,
    pub(super) strangers: Vec<Stranger>,
    /// Spreadsheets in the bin.
    pub(super) binned: BTreeSet<String>,
    pub(super) scratch: Option<tempfile::TempDir>,
    pub(super) backup: Option<(Duration, PathBuf)>,
    pub(super) restored: bool,
    pub(super) twinned: bool,
    /// Batches whose last rows a person took out, by spreadsheet and id: whether those are in the sheet is their choice.
    pub(super) decided: BTreeSet<(String, u32)>,
    /// Spreadsheets were closed, or their metadata was full: siblings may go different ways.
    pub(super) may_part: bool,
    /// Steps of devices so far.
    steps: u64,
    pub(super) telling: bool,
    /// A row whose every change is told, by the end of its id, and how it was when it was last told.
    pub(super) watched: Option<(String, String)>,
    pub(super) story: String,
}

pub(super) struct Row {
    pub(super) number: u64,
    pub(super) is_poison: bool,
    /// Recorded after the backup that was restored later: gone with the newer state.
    pub(super) may_be_lost: bool,
    pub(super) dropped: Option<Said>,
    /// A person said to send it again although it may have been there.
    pub(super) may_double: bool,
    /// A person deleted it in the sheet: it never comes again, unless it is amended after that.
    pub(super) deleted: Deleted,
    pub(super) was_deleted: bool,
    pub(super) device: usize,
    /// What was last said about these columns.
    pub(super) said: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deleted {
    No,
    Yes,
    /// While an amendment was on its way.
    Perhaps,
}

/// What a person was told who dropped a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Gone,
    /// It is being sent: dropped unless it is in the sheet.
    InFlight,
}

/// After that nothing is on its way any more, and what settles itself has done so.
const A_GOOD_WHILE: Duration = Duration::from_secs(3 * 3600);
/// By then markers were pruned that the backup does not know.
pub(super) const OLD_BACKUP: Duration = Duration::from_secs(1800);
pub(super) const LIMIT: outbox::Options = outbox::Options { max_bytes: 1 << 30 };

impl World {
    pub(crate) fn seeded(seed: u64, plan: Plan) -> Self {
        let clock = WorldClock::new();
        let scratch = (plan.restore > 0.0 || plan.twins > 0.0).then(scratch_dir);
        let mut chance = Chance::seeded(seed);
        let mut net = Net::new(plan.weather, chance.is(0.5), chance.is(0.5));
        (net.death, net.at_most) = (plan.dies_with, plan.at_most);
        let mut world = Self {
            chance,
            net,
            devices: Vec::new(),
            acknowledged: BTreeMap::new(),
            recorded: 0,
            said: 0,
            broken_promises: 0,
            next_record: clock.world(),
            touched: Vec::new(),
            strangers: Vec::new(),
            binned: BTreeSet::new(),
            backup: None,
            restored: false,
            twinned: false,
            decided: BTreeSet::new(),
            may_part: plan.closed > 0.0 || plan.crowds > 0.0,
            steps: 0,
            telling: false,
            watched: None,
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
            let clock = world.clock.another();
            world.devices.push(Device::new(format!("device {number}"), clock, Arc::new(outbox)));
        }
        world
    }

    /// The same world, which tells what happens.
    pub(crate) fn telling(mut self) -> Self {
        self.telling = true;
        self.watched = std::env::var("WORLD_ROW").ok().map(|row| (row, String::new()));
        self
    }

    /// Lives until all rows are recorded and delivered, then looks at the sheet. An error is the story of what went wrong.
    pub(crate) fn live(&mut self) -> Result<Report, String> {
        let mut steps = 0;
        let mut faults_over = None;
        while self.recorded < self.plan.rows || !self.is_quiet() {
            steps += 1;
            if self.recorded == self.plan.rows && steps % 50 == 0 {
                // Faults stop at last.
                self.net.weather = Weather::default();
                self.plan.death = 0.0;
                (self.plan.squatters, self.plan.crowds) = (0.0, 0.0);
                (self.plan.restore, self.plan.twins, self.plan.sleeps) = (0.0, 0.0, 0.0);
                (self.plan.full, self.plan.closed) = (0.0, 0.0);
                (self.plan.revoked, self.plan.storms, self.plan.clocks) = (0.0, 0.0, 0.0);
                (self.plan.amends, self.plan.people, self.plan.words) = (0.0, 0.0, 0.0);
                self.plan.columns = 0.0;
                self.net.full.clear();
                self.net.closed.clear();
                for sheet in std::mem::take(&mut self.binned) {
                    let _ = self.net.google.set_trashed(&sheet, false);
                }
                let over = *faults_over.get_or_insert(self.clock.world());
                if self.clock.world() > over + A_GOOD_WHILE {
                    self.looks_what_a_copy_left();
                }
            }
            if steps > if self.plan.left_out.is_some() { 15_000 } else { 60_000 } {
                return Err(self.wrong("it never becomes quiet"));
            }
            self.turn()?;
        }
        self.net.reach(self.clock.world() + Duration::from_secs(3600));
        self.check_all()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.devices.iter().all(|device| device.rests && device.promised.is_empty())
    }

    /// The next thing that happens, wherever it does.
    pub(super) fn turn(&mut self) -> Result<(), String> {
        let now = self.clock.world();
        self.net.reach(now);
        self.watch();
        self.strangers_leave(now)?;
        if now >= self.next_record && self.recorded < self.plan.rows {
            self.record();
            return Ok(());
        }
        let next = (0..self.devices.len()).min_by_key(|at| self.devices[*at].due()).unwrap();
        if self.devices[next].due() > now {
            let mut until = self.devices[next].due();
            if self.recorded < self.plan.rows {
                until = until.min(self.next_record);
            }
            if let Some(leaves) = self.strangers.iter().map(|stranger| stranger.leaves).min() {
                until = until.min(leaves);
            }
            self.clock.pass_until(until.max(now + Duration::from_millis(1)));
            return Ok(());
        }
        self.steps += 1;
        if self.chance.is(self.plan.death) || self.plan.dies_before == Some(self.steps) {
            self.net.events.note("device: dies between two steps");
            self.dies(next);
        }
        self.things_happen(next, now)?;
        if self.devices[next].due() > self.clock.world() {
            return Ok(());
        }
        self.step(next)
    }

    /// What people, strangers and bad luck do before a device's next step.
    fn things_happen(&mut self, next: usize, now: Duration) -> Result<(), String> {
        if self.chance.is(self.plan.restore) {
            self.backs_up_or_restores(next);
        }
        if self.chance.is(self.plan.twins) {
            self.makes_a_twin(next);
        }
        if self.chance.is(self.plan.squatters) {
            self.squat(next);
        }
        if self.chance.is(self.plan.crowds) {
            self.crowd();
        }
        if self.chance.is(self.plan.columns) {
            self.people_touch_columns();
        }
        if self.chance.is(self.plan.sleeps) {
            let time = match self.plan.nap {
                0 => self.chance.pick(&[90, 1_000, 30_000, 100_000]),
                nap => nap,
            };
            let time = Duration::from_secs(time);
            self.devices[next].asleep_until = now + time;
            self.net.events.note("device: sleeps");
            tell!(self, "device {next} is suspended for {time:?}");
        }
        if self.chance.is(self.plan.people) {
            self.people_touch_the_sheet();
        }
        if self.chance.is(self.plan.words) {
            self.has_a_word(next)?;
        }
        if self.chance.is(self.plan.amends) {
            self.amend(next)?;
        }
        if self.chance.is(self.plan.revoked) {
            let until = now + Duration::from_secs(self.chance.pick(&[60, 3_600, 100_000]));
            let is_revoked = self.chance.is(0.5);
            self.devices[next].no_token = Some((until, is_revoked));
            let what = ["sign-in: no token for a while", "sign-in: revoked, a person signs in again"];
            self.net.events.note(what[usize::from(is_revoked)]);
            tell!(self, "device {next} has no token until {}", until.as_secs());
        }
        if self.chance.is(self.plan.storms) {
            self.net.storm_until = now + Duration::from_secs(self.chance.below(600));
            self.net.events.note("quota: used up by others");
            tell!(self, "others use up the quota");
        }
        if self.chance.is(self.plan.clocks) {
            let off = self.chance.pick(&[0, 7_200, -86_400, -1_700_000_000, 400_000_000]);
            let trusted = self.chance.is(0.5);
            self.devices[next].clock.step_wall(off, trusted);
            let what = ["clock: right again", "clock: forward", "clock: back"];
            self.net.events.note(
                what[if off == 0 {
                    0
                } else if off > 0 {
                    1
                } else {
                    2
                }],
            );
            tell!(self, "the clock of device {next} is off by {off} s, trusted: {trusted}");
        }
        if self.chance.is(self.plan.full) {
            self.fills_or_empties();
        }
        if self.chance.is(self.plan.closed) {
            self.closes_or_helps(next);
        }
        Ok(())
    }

    pub(super) fn record(&mut self) {
        let pause = Duration::from_millis(self.chance.below(self.plan.pause * 1000 + 1));
        self.next_record = self.clock.world() + pause;
        let count = (1 + self.chance.below(self.plan.burst.max(1))).min(self.plan.rows - self.recorded);
        let at = self.chance.below(self.devices.len() as u64) as usize;
        let asleep_until = self.devices[at].asleep_until;
        if asleep_until > self.clock.world() {
            // Nobody records on a board that sleeps.
            self.next_record = asleep_until;
            return;
        }
        let rows: Vec<NewRow> = (0..count).map(|_| self.new_row(at)).collect();
        let awake = self.clock.world();
        let device = &mut self.devices[at];
        device.awake_at = device.awake_at.min(awake);
        device.rests = false;
        if self.plan.left_out == Some(LeftOut::AcknowledgedBeforeCommit) {
            // The ids of these rows are known before they are on disk: that is the mistake.
            device.promised.extend(rows);
            return;
        }
        self.keep(at, &rows);
    }

    pub(super) fn keep(&mut self, at: usize, rows: &[NewRow]) {
        let accepted = self.devices[at].outbox.accept(rows).unwrap();
        for (row, accepted) in rows.iter().zip(accepted) {
            let (number, is_poison) = number_of(row);
            let row = Row {
                number,
                is_poison,
                may_be_lost: false,
                dropped: None,
                may_double: false,
                deleted: Deleted::No,
                was_deleted: false,
                device: at,
                said: BTreeMap::new(),
            };
            assert!(self.acknowledged.insert(accepted.id, row).is_none(), "an id was given out twice");
        }
    }

    pub(super) fn new_row(&mut self, at: usize) -> NewRow {
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
        // Of the caller's making, for those that the outbox draws would be others in each run; some sort like drawn ones.
        let id = if self.chance.is(0.3) { format!("row-{number}") } else { format!("{:x}", self.chance.next()) };
        NewRow { table, id: Some(id), record: Record { fields }, happened }
    }

    pub(super) fn wrong(&self, what: &str) -> String {
        format!("seed {}: {what}", self.seed)
    }

    /// What happened, as far as it was told. A device that waits says the same again and again: once is enough.
    pub(crate) fn story(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.story.lines().collect();
        lines.dedup_by_key(|line| line.get(10..));
        lines
    }

    pub(super) fn told(&mut self, what: &str) {
        let _ = writeln!(self.story, "{:>9.1} {what}", self.clock.world().as_secs_f64() - 3600.0);
    }
}

fn number_of(row: &NewRow) -> (u64, bool) {
    let number = match row.record.fields.first() {
        Some((_, Value::Number(number))) => *number as u64,
        _ => 0,
    };
    (number, row.record.fields.iter().any(|(name, _)| name == "poison"))
}

/// In memory where the system has such a place: a sync costs nothing there.
fn scratch_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
