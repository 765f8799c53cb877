//! Devices, one Google, people, and what happens next.

use std::collections::BTreeMap;
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
use super::plans::Plan;
use super::promise::Report;

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
    pub(super) squatting: Vec<(Duration, String, u32)>,
    pub(super) scratch: Option<tempfile::TempDir>,
    pub(super) backup: Option<(Duration, PathBuf)>,
    pub(super) restored: bool,
    /// A second board goes on with a copy of the first one's state.
    pub(super) twinned: bool,
    pub(super) plan_had_closed: bool,
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

/// By then markers were pruned that the backup does not know.
pub(super) const OLD_BACKUP: Duration = Duration::from_secs(1800);
pub(super) const LIMIT: outbox::Options = outbox::Options { max_bytes: 1 << 30 };

impl World {
    pub(crate) fn seeded(seed: u64, plan: Plan) -> Self {
        let clock = WorldClock::new();
        let scratch = (plan.restore > 0.0 || plan.twins > 0.0).then(scratch_dir);
        let mut world = Self {
            chance: Chance::seeded(seed),
            net: Net::new(plan.weather),
            devices: Vec::new(),
            acknowledged: BTreeMap::new(),
            recorded: 0,
            said: 0,
            broken_promises: 0,
            next_record: clock.world(),
            touched: Vec::new(),
            squatting: Vec::new(),
            backup: None,
            restored: false,
            twinned: false,
            plan_had_closed: plan.closed > 0.0,
            story: String::new(),
            scratch,
            clock,
            seed,
            plan,
        };
        world.net.at_most = world.plan.at_most;
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
                (self.plan.restore, self.plan.twins) = (0.0, 0.0);
                (self.plan.full, self.plan.closed) = (0.0, 0.0);
                (self.plan.revoked, self.plan.storms, self.plan.clocks) = (0.0, 0.0, 0.0);
                (self.plan.amends, self.plan.people, self.plan.words) = (0.0, 0.0, 0.0);
                self.plan.columns = 0.0;
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

    pub(super) fn is_quiet(&self) -> bool {
        self.devices.iter().all(|device| device.rests && device.promised.is_empty())
    }

    /// The next thing that happens, wherever it does.
    pub(super) fn turn(&mut self) -> Result<(), String> {
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
        if self.chance.is(self.plan.twins) {
            self.makes_a_twin(next);
        }
        if self.chance.is(self.plan.squatters) {
            self.squat(next);
        }
        if self.chance.is(self.plan.people) {
            self.people_touch_the_sheet();
        }
        if self.plan.columns > 0.0 && self.chance.is(self.plan.columns) {
            self.people_touch_columns();
        }
        if self.chance.is(self.plan.words) {
            self.has_a_word(next)?;
        }
        if self.chance.is(self.plan.amends) {
            self.amend(next)?;
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

    pub(super) fn record(&mut self) {
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
        // Some callers bring their own ids.
        let id = self.chance.is(0.3).then(|| format!("row-{number}"));
        NewRow { table, id, record: Record { fields }, happened }
    }

    pub(super) fn wrong(&self, what: &str) -> String {
        // A device that waits says the same again and again.
        let mut lines: Vec<&str> = self.story.lines().collect();
        lines.dedup_by_key(|line| line.get(10..line.len().min(60)));
        let end = lines[lines.len().saturating_sub(6000)..].join("\n");
        format!("{end}\nseed {}: {what}", self.seed)
    }

    pub(super) fn tell(&mut self, what: &str) {
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
