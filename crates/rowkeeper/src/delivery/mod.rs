//! Delivering: the courier's orders carried out, one deed at a time.
//!
//! [`Delivery::step`] does exactly one thing: one transaction, or one attempt, or it says what to wait for. A process
//! may die between any two steps, and inside one; the next holder of the lock goes on from the disk.

mod bell;
mod lock;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use sheet_courier::{Answer, Call, Courier, Hold, Options, Outcome, Step, Transition};
use zeroize::Zeroizing;

pub use bell::{Bell, POLL, ring};
pub use lock::DeliveryLock;
pub use rows::Look;

use crate::clock::{Clock, Mono, Stop, Woke};
use crate::http::{Lost, Request, Response, Timeouts};
use crate::outbox::{CommitError, DiskError, Happened, Outbox, Status};

/// Google works up to 180 s on a request (docs/google.md): who gives up on a write before that doubts for nothing.
const WRITE_TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(20), total: Duration::from_secs(200) };
const READ_TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(20), total: Duration::from_secs(60) };
/// A hold that another process may have lifted is looked at so often.
const HOLD_LOOK: Duration = Duration::from_secs(30);

/// Where and how rows are delivered.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://sheets.googleapis.com`, or an emulator's origin. Without a slash at the end.
    pub origin: String,
    /// What the `device` column says.
    pub device: String,
    /// The spreadsheet's time zone; its name is in `sheet`.
    pub zone: TimeZone,
    /// The spreadsheet to be created.
    pub sheet: Options,
    /// The tables, and how their rows are written.
    pub look: Look,
}

/// Why an attempt has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptError {
    /// The network's fault.
    Lost(Lost),
    /// There is no grant: a person must sign in.
    NeedsSignIn,
    /// There is a grant, but no token to be had before then.
    Unavailable {
        /// When to ask again.
        retry_at: Mono,
        /// Why, in one line.
        why: String,
    },
}

/// One attempt of an authorised request: the session adds the token, and refreshes and repeats once on a 401. No other
/// retry is allowed below this.
pub type Api<'a> = dyn FnMut(&Request, &Timeouts) -> Result<Response, AttemptError> + 'a;

/// What a step did, or what there is to wait for.
#[derive(Clone, Debug, PartialEq)]
pub enum Stepped {
    /// Something became durable. Step again.
    Changed(Change),
    /// An attempt was made. Step again.
    Called,
    /// Nothing to do before then.
    WaitUntil(Mono),
    /// Nothing to do before then, unless a person does what the hold asks for.
    Hold(Hold, Mono),
    /// The queue is empty.
    Idle,
    /// A person must sign in; step again after that.
    NeedsSignIn,
}

/// What became durable, for those who show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The spreadsheet exists.
    SheetCreated,
    /// Rows go to another spreadsheet from now on.
    Moved,
    /// So many rows are on their way.
    Frozen(u32),
    /// The batch is in the sheet.
    Delivered(u32),
    /// Rows were refused: some may have been set aside.
    Refused,
    /// The courier's own business.
    Other,
}

/// How [`Delivery::run`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// The queue is empty.
    Empty,
    /// Time is up, or somebody stopped it.
    Interrupted,
    /// A person must sign in.
    NeedsSignIn,
    /// A person must do what the hold asks for.
    Hold(Hold),
}

/// The sender: one per delivery lock.
pub struct Delivery {
    outbox: Arc<Outbox>,
    settings: Settings,
    /// Made from the disk; thrown away when the disk and it may differ.
    courier: Option<Courier>,
    /// As it stands in the outbox; `None` until it was read, for the process before may have left some.
    last_status: Option<Status>,
    /// Rows of a batch, at most: on a disk that is nearly full a small one may find the room that a large one does not.
    most_rows: u32,
    prepare: Box<dyn Fn(Courier) -> Courier + Send>,
    _lock: DeliveryLock,
}

impl Delivery {
    /// A sender that holds `lock`. Nothing is read or sent yet.
    pub fn new(outbox: Arc<Outbox>, settings: Settings, lock: DeliveryLock) -> Self {
        let prepare = Box::new(|courier| courier);
        Self { outbox, settings, courier: None, last_status: None, most_rows: u32::MAX, prepare, _lock: lock }
    }

    /// For simulations that leave out a rule.
    #[doc(hidden)]
    #[must_use]
    pub fn with_courier(mut self, prepare: impl Fn(Courier) -> Courier + Send + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// Whether the batch in flight may or may not be in the sheet.
    pub fn in_doubt(&self) -> bool {
        self.courier.as_ref().is_some_and(Courier::in_doubt)
    }

    /// What went wrong last, in one line.
    pub fn trouble(&self) -> Option<&str> {
        self.courier.as_ref().and_then(Courier::trouble)
    }

    /// Does one thing.
    ///
    /// # Errors
    /// The outbox cannot be read or written. Nothing was lost; the next step starts from the disk again.
    pub fn step(
        &mut self,
        api: &mut Api<'_>,
        clock: &dyn Clock,
        random: &mut dyn FnMut() -> u32,
    ) -> Result<Stepped, DiskError> {
        let stepped = self.try_step(api, clock, random);
        if stepped.is_err() {
            self.courier = None;
        }
        stepped
    }

    fn try_step(
        &mut self,
        api: &mut Api<'_>,
        clock: &dyn Clock,
        random: &mut dyn FnMut() -> u32,
    ) -> Result<Stepped, DiskError> {
        let boot = clock.boot_id();
        loop {
            let now = clock.mono();
            let courier = match &mut self.courier {
                Some(courier) => courier,
                none => {
                    let durable = self.outbox.durable(&boot, now.since_boot())?;
                    let courier = Courier::new(durable, self.settings.sheet.clone(), now.since_boot());
                    none.insert((self.prepare)(courier))
                }
            };
            let here = rows::Now { mono: now, wall: clock.wall(), boot: &boot, zone: &self.settings.zone };
            if self.settings.look.rotates() {
                courier.begins_with(self.settings.look.tabs(here.wall, here.zone));
            }
            // What a person wished for, or settled, in another process.
            courier.wish(self.outbox.wish()?);
            let changed = courier.bound() > 0 && courier.bound() != self.outbox.bound()?;
            if changed || courier.release().is_some() && courier.release() != self.outbox.release()?.as_ref() {
                self.courier = None;
                continue;
            }
            match courier.next(now.since_boot()) {
                // Reading the queue is no deed: nothing depends on it but the next transaction, which checks it.
                Step::Gather { max_rows, max_bytes } => {
                    self.outbox.correct_times(&Happened::now(clock))?;
                    let queued = self.outbox.queued(max_rows.min(self.most_rows), max_bytes)?;
                    let (device, look) = (&self.settings.device, &self.settings.look);
                    courier.gathered(queued.into_iter().map(|queued| look.row(queued, device, &here)).collect());
                    let due = self.outbox.due_amend(&courier.parked(now.since_boot()))?;
                    courier.amendment(due.map(|due| look.amend(due, &self.settings.zone)));
                }
                Step::Commit(transition) => {
                    let change = change_of(&transition, courier);
                    match self.outbox.commit(&transition, &boot, clock.wall().unix_ms / 1000) {
                        // Markers and checks are another spreadsheet's, or another identity's, from here on.
                        Ok(()) if matches!(transition, Transition::Moved { .. } | Transition::Renamed { .. }) => {
                            self.courier = None;
                        }
                        Ok(()) => {
                            if let Transition::Frozen { rows, .. } = &transition {
                                self.most_rows = more_rows(self.most_rows, rows.len());
                            }
                            courier.committed(clock.mono().since_boot());
                        }
                        Err(CommitError::Stale) if matches!(transition, Transition::BoundSettled(_)) => {
                            self.courier = None;
                        }
                        Err(CommitError::Stale) => courier.stale(),
                        Err(CommitError::Disk(error))
                            if error.is_full()
                                && let Some(fewer) = fewer_rows(&transition) =>
                        {
                            self.most_rows = fewer;
                            courier.stale();
                        }
                        Err(CommitError::Disk(error)) => return Err(error),
                    }
                    return Ok(Stepped::Changed(change));
                }
                Step::Send(call) => return self.send(&call, api, clock, random()),
                Step::WaitUntil(until) => {
                    let until = Mono::new(until);
                    self.say(Some(until), clock)?;
                    return Ok(Stepped::WaitUntil(until));
                }
                Step::Hold(hold, until) => {
                    match self.outbox.hold()? {
                        Some(same) if same == hold => {}
                        // A person has another word for it.
                        Some(_) => {
                            self.courier = None;
                            continue;
                        }
                        None => {
                            courier.hold_lifted();
                            continue;
                        }
                    }
                    self.say(None, clock)?;
                    return Ok(Stepped::Hold(hold, Mono::new(until).min(now + HOLD_LOOK)));
                }
                Step::Idle => {
                    self.say(None, clock)?;
                    return Ok(Stepped::Idle);
                }
            }
        }
    }

    fn send(&mut self, call: &Call, api: &mut Api<'_>, clock: &dyn Clock, random: u32) -> Result<Stepped, DiskError> {
        let request = request(&self.settings.origin, call);
        let timeouts = if call.writes { &WRITE_TIMEOUTS } else { &READ_TIMEOUTS };
        let outcome = match api(&request, timeouts) {
            Ok(response) => Outcome::Answered(Answer {
                date: response.header("date").map(str::to_owned),
                retry_after: response.header("retry-after").map(str::to_owned),
                status: response.status,
                body: response.body,
            }),
            Err(AttemptError::Lost(Lost::NotSent(why))) => Outcome::NotSent(why.to_string()),
            Err(AttemptError::Lost(Lost::Unknown(why))) => Outcome::Unknown(why),
            Err(AttemptError::Unavailable { retry_at, why }) => Outcome::NoToken(why, retry_at.since_boot()),
            Err(AttemptError::NeedsSignIn) => {
                self.answered(Outcome::NoToken("a person must sign in".into(), Duration::ZERO), clock, random);
                return Ok(Stepped::NeedsSignIn);
            }
        };
        self.answered(outcome, clock, random);
        Ok(Stepped::Called)
    }

    fn answered(&mut self, outcome: Outcome, clock: &dyn Clock, random: u32) {
        if let Some(courier) = &mut self.courier {
            courier.answered(outcome, clock.mono().since_boot(), random);
        }
    }

    /// Tells `status` in other processes how it goes, if that has changed.
    fn say(&mut self, next: Option<Mono>, clock: &dyn Clock) -> Result<(), DiskError> {
        let last_error = self.trouble().map(str::to_owned);
        // Pacing is not worth a word; only trouble is.
        let next_try = last_error.as_ref().and(next).map(|until| {
            let wait = until.since(clock.mono()).as_millis();
            clock.wall().unix_ms.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX))
        });
        let status = Status { last_error, next_try };
        let said = match self.last_status.take() {
            Some(said) => said,
            None => self.outbox.status()?,
        };
        let moved = match (status.next_try, said.next_try) {
            // The same wait, computed a moment later.
            (Some(new), Some(old)) => new.abs_diff(old) > 500,
            (new, old) => new != old,
        };
        let is_new = moved || status.last_error != said.last_error;
        // As far as the disk allows: what the courier waits for stands only here, and it must go on waiting.
        if !is_new {
            self.last_status = Some(said);
        } else if self.outbox.set_status(&status).is_ok() {
            self.last_status = Some(status);
        }
        Ok(())
    }

    /// Steps until the queue is empty, somebody must do something, or `give_up` has come.
    ///
    /// # Errors
    /// The outbox cannot be read or written.
    pub fn run(
        &mut self,
        api: &mut Api<'_>,
        clock: &dyn Clock,
        random: &mut dyn FnMut() -> u32,
        stop: &Stop,
        give_up: Mono,
    ) -> Result<Ended, DiskError> {
        loop {
            if stop.is_stopped() || clock.mono() >= give_up {
                return Ok(Ended::Interrupted);
            }
            match self.step(api, clock, random)? {
                Stepped::Changed(_) | Stepped::Called => {}
                Stepped::Idle => return Ok(Ended::Empty),
                Stepped::NeedsSignIn => return Ok(Ended::NeedsSignIn),
                Stepped::Hold(hold, _) => return Ok(Ended::Hold(hold)),
                Stepped::WaitUntil(until) => {
                    if clock.wait(until.min(give_up), stop) == Woke::Stopped {
                        return Ok(Ended::Interrupted);
                    }
                }
            }
        }
    }
}

/// Half of a batch that found no room; none if there is no smaller one.
fn fewer_rows(transition: &Transition) -> Option<u32> {
    match transition {
        Transition::Frozen { rows, .. } => u32::try_from(rows.len() / 2).ok().filter(|half| *half > 0),
        _ => None,
    }
}

/// A batch of as many rows as there may be found room: the next may have twice as many.
fn more_rows(most: u32, rows: usize) -> u32 {
    if rows < most as usize { most } else { most.saturating_mul(2) }
}

fn change_of(transition: &Transition, courier: &Courier) -> Change {
    let rows = courier.batch().map_or(0, |batch| batch.rows);
    match transition {
        Transition::SheetCreated(_) => Change::SheetCreated,
        Transition::Moved { .. } => Change::Moved,
        Transition::Frozen { batch, .. } => Change::Frozen(batch.rows),
        Transition::Applied { .. } => Change::Delivered(rows),
        Transition::Voided { .. } => Change::Refused,
        _ => Change::Other,
    }
}

fn request(origin: &str, call: &Call) -> Request {
    let mut headers = vec![("Accept".to_owned(), Zeroizing::new("application/json".to_owned()))];
    if !call.body.is_empty() {
        headers.push(("Content-Type".to_owned(), Zeroizing::new("application/json; charset=utf-8".to_owned())));
    }
    Request {
        method: call.method.to_owned(),
        url: format!("{origin}{}", call.path),
        headers,
        body: Zeroizing::new(call.body.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(rows: &[(i64, String)]) -> Transition {
        Transition::Frozen {
            batch: sheet_courier::Batch {
                id: sheet_courier::MarkerId::of(1 << 20, 1),
                seq: 1,
                spreadsheet: "sheet".into(),
                body: b"{}".as_slice().into(),
                digest: sheet_courier::Digest::of("", &[]),
                phase: sheet_courier::Phase::Send,
                tabs: Vec::new(),
                rows: 1,
                refusals: 0,
            },
            rows: rows.to_vec(),
            tally: sheet_courier::Tally::default(),
        }
    }

    /// A batch that found no room is halved until one does; once there is room again, it is soon as large as before.
    #[test]
    fn batches_shrink_and_grow_with_the_room_there_is() {
        for (most, rows, next) in
            [(u32::MAX, 5_000, u32::MAX), (312, 312, 624), (312, 40, 312), (1, 1, 2), (3 << 30, 3 << 30, u32::MAX)]
        {
            assert_eq!(more_rows(most, rows), next, "{most} {rows}");
        }
        for (rows, fewer) in [(5_000, Some(2_500)), (3, Some(1)), (2, Some(1)), (1, None)] {
            let all: Vec<_> = (0..rows).map(|n| (n, n.to_string())).collect();
            assert_eq!(fewer_rows(&frozen(&all)), fewer, "{rows}");
        }
    }

    /// What cannot be written cannot be said; that Google is not to be asked again so soon stays known.
    #[test]
    fn on_a_disk_that_takes_nothing_google_is_not_asked_more_often() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.sqlite");
        let options = crate::outbox::Options { max_bytes: 1 << 30 };
        let outbox = Outbox::open(&path, options).unwrap();
        let sheet = sheet_courier::SheetRef { id: "sheet".into(), url: String::new(), title: String::new() };
        outbox.commit(&Transition::SheetCreated(sheet), "boot", 0).unwrap();
        outbox.commit(&frozen(&[]), "boot", 0).unwrap();
        drop(outbox);
        let outbox = Outbox::open_to_look(&path, options).unwrap();
        assert!(outbox.set_status(&Status { last_error: Some("x".into()), next_try: None }).is_err());

        let settings = Settings {
            origin: "https://sheets.googleapis.com".into(),
            device: "d".into(),
            zone: TimeZone::UTC,
            sheet: Options { title: "t".into(), timezone: "Etc/UTC".into(), tables: Vec::new() },
            look: Look { tables: Vec::new(), precision: sheet_courier::Precision::Second, columns_have_formats: true },
        };
        let lock = DeliveryLock::take(dir.path()).unwrap().unwrap();
        let mut delivery = Delivery::new(Arc::new(outbox), settings, lock);
        let mut asked = 0;
        let mut api = |_: &Request, _: &Timeouts| {
            asked += 1;
            Err(AttemptError::Lost(Lost::Unknown("no answer".into())))
        };
        let clock = crate::clock::SystemClock;
        for step in 0..4 {
            let stepped = delivery.step(&mut api, &clock, &mut || 999);
            assert_eq!(matches!(stepped, Ok(Stepped::WaitUntil(_))), step > 0, "{step}: {stepped:?}");
        }
        assert_eq!(asked, 1);
    }
}
