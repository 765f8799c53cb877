//! One device: its disk, its process while it lives, and one step of it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use rowkeeper::clock::Clock as _;
use rowkeeper::delivery::{AttemptError, Change, Delivery, DeliveryLock, Look, Settings, Stepped};
use rowkeeper::http::Lost;
use rowkeeper::outbox::{NewRow, Outbox};
use sheet_courier::{Hold, Table};

use super::chance::Chance;
use super::clock::WorldClock;
use super::net::Landed;
use super::world::World;

pub(super) struct Device {
    pub(super) name: String,
    pub(super) clock: WorldClock,
    pub(super) outbox: Arc<Outbox>,
    /// The process that holds the delivery lock, while it lives.
    pub(super) process: Option<Delivery>,
    /// When it has something to do, in the time of the world.
    pub(super) awake_at: Duration,
    pub(super) hold: Option<Hold>,
    /// No token until then; without a word of when, if a person must sign in.
    pub(super) no_token: Option<(Duration, bool)>,
    /// It found nothing more to do.
    pub(super) rests: bool,
    /// Said to be kept, and not yet on disk.
    pub(super) promised: Vec<NewRow>,
}

impl World {
    pub(super) fn step(&mut self, at: usize) -> Result<(), String> {
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
        let name = self.devices[at].name.clone();
        self.tell(&format!("{name} dies{}", if reboot { " and reboots" } else { "" }));
    }
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
