//! One device: its disk, its process while it lives, and one step of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rowkeeper::clock::{Clock as _, Wall};
use rowkeeper::delivery::{AttemptError, Change, Delivery, DeliveryLock, Look, Settings, Stepped};
use rowkeeper::http::{Lost, Request, Response, Timeouts};
use rowkeeper::outbox::{NewRow, Outbox};
use sheet_courier::{Hold, Table};

use super::chance::Chance;
use super::clock::WorldClock;
use super::invariants::Seen;
use super::net::Landed;
use super::rules::LeftOut;
use super::story::{self, tell};
use super::world::World;

pub(super) struct Device {
    pub(super) name: String,
    pub(super) clock: WorldClock,
    pub(super) outbox: Arc<Outbox>,
    /// The process that holds the delivery lock, while it lives.
    pub(super) process: Option<Delivery>,
    /// When it has something to do, in the time of the world.
    pub(super) awake_at: Duration,
    /// The board is suspended until then: nothing happens on it, whatever is due.
    pub(super) asleep_until: Duration,
    pub(super) hold: Option<Hold>,
    /// No token until then; without a word of when, if a person must sign in.
    pub(super) no_token: Option<(Duration, bool)>,
    /// It found nothing more to do.
    pub(super) rests: bool,
    /// Said to be kept, and not yet on disk.
    pub(super) promised: Vec<NewRow>,
    /// Its batches when they were last looked at.
    pub(super) seen: Seen,
}

impl Device {
    pub(super) fn new(name: String, clock: WorldClock, outbox: Arc<Outbox>) -> Self {
        Self {
            name,
            clock,
            outbox,
            process: None,
            awake_at: Duration::ZERO,
            asleep_until: Duration::ZERO,
            hold: None,
            no_token: None,
            rests: false,
            promised: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// When something happens on it next.
    pub(super) fn due(&self) -> Duration {
        self.awake_at.max(self.asleep_until)
    }
}

impl World {
    pub(super) fn step(&mut self, at: usize) -> Result<(), String> {
        let promised = std::mem::take(&mut self.devices[at].promised);
        if !promised.is_empty() {
            self.keep(at, &promised);
        }
        let (device, net, chance) = (&mut self.devices[at], &mut self.net, &mut self.chance);
        let (left_out, telling) = (self.plan.left_out, self.telling);
        let process = device.process.get_or_insert_with(|| {
            let delivery = Delivery::new(device.outbox.clone(), settings(&device.name), DeliveryLock::in_memory());
            delivery.with_courier(move |courier| match left_out {
                Some(LeftOut::Courier(mutation)) => courier.mutated(mutation),
                _ => courier,
            })
        });
        let mut died = false;
        let clock = device.clock.clone();
        let mut dice = Chance::seeded(chance.next());
        let mut story = String::new();
        let no_token = device.no_token.filter(|(until, _)| clock.world() < *until);
        let retry_at = no_token.map_or(clock.mono(), |(until, _)| clock.mono() + (until - clock.world()));
        let mut api = |request: &Request, timeouts: &Timeouts| {
            match no_token {
                Some((_, true)) => return Err(AttemptError::NeedsSignIn),
                Some((_, false)) => return Err(AttemptError::Unavailable { retry_at, why: "no token".into() }),
                None => {}
            }
            let mut landed = net.attempt(request, timeouts, &clock, chance);
            let is_lost = matches!(landed, Landed::Answer(Err(AttemptError::Lost(Lost::Unknown(_)))));
            if left_out == Some(LeftOut::HttpRepeats) && is_lost {
                landed = net.attempt(request, timeouts, &clock, chance);
            }
            if telling {
                story = story::of_attempt(request, &landed);
            }
            match landed {
                Landed::Answer(mut answer) => {
                    if let (Some(LeftOut::AgesByWall), Ok(response)) = (left_out, &mut answer) {
                        tell_the_wall_time(response, clock.wall());
                    }
                    answer
                }
                Landed::Died => {
                    died = true;
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
        // An anchor in a spreadsheet that does not answer is asked for again too.
        let waits = stepped == Stepped::Idle && !device.outbox.durable("", Duration::ZERO).unwrap().anchors.is_empty();
        device.rests = matches!(stepped, Stepped::Idle | Stepped::Hold(..)) && !probes && !waits;
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
        if !matches!(stepped, Stepped::Idle | Stepped::WaitUntil(_)) {
            let what = if story.is_empty() { story::of_step(&stepped) } else { story };
            tell!(self, "{}: {what}", self.devices[at].name);
        }
        if left_out.is_none() {
            self.check_invariants(at, &stepped)?;
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
    pub(super) fn share_sheet(&mut self, at: usize) {
        let sheet = self.devices[at].outbox.sheet().unwrap().unwrap();
        for device in &mut self.devices {
            if device.outbox.sheet().unwrap().is_none() {
                device.outbox.set_sheet(&sheet).unwrap();
                device.process = None;
            }
        }
    }

    /// Power or patience ends; the disk stays.
    pub(super) fn dies(&mut self, at: usize) {
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
        if reboot {
            self.net.events.note("device: reboots");
        }
        tell!(self, "{} dies{}", self.devices[at].name, if reboot { " and reboots" } else { "" });
    }
}

/// Not what Google said: what the board's own clock says.
fn tell_the_wall_time(response: &mut Response, wall: Wall) {
    let Ok(time) = Timestamp::from_millisecond(wall.unix_ms) else { return };
    response.headers.retain(|(name, _)| name != "date");
    response.headers.push(("date".into(), time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
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
