//! The clock's rules: what each event means, as a pure function of what is known and of `now`.
//!
//! Everything that a click changes goes through [`Effect::Keep`] first. Only when the ledger is on disk
//! ([`Event::Kept`]) does the clock believe it itself: the light, the screen and the outbox follow.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::tz::TimeZone;
use rowkeeper::clock::Mono;
use rowkeeper::status::Status;
use rowkeeper_gadget::input::Input;
use rowkeeper_gadget::light::State as Light;

use crate::asking::{Answer, answers};
use crate::ledger::{End, Handing, Ledger, Shift};
use crate::moment::{Moment, Now, clock_time, hours};
use crate::roster::{Person, Roster};

/// What a clock is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// After this long an open row is taken for forgotten.
    pub shift: Duration,
    /// There is a knob to choose with. Without one a badge alone starts and stops.
    pub has_knob: bool,
    /// There is a reader: as soon as the sheet names people, they are asked for their badges.
    pub has_reader: bool,
    /// The owner's zone.
    pub zone: TimeZone,
}

/// What happens to the clock.
#[derive(Clone, Debug)]
pub enum Event {
    /// Time went on.
    Tick,
    /// A person did something.
    Input(Input),
    /// The sheet was read.
    Roster(Roster),
    /// The sign-in or the delivery changed.
    Standing(Box<Status>),
    /// The ledger is on disk.
    Kept,
    /// It is not, and nothing of it is.
    NotKept(String),
    /// The outbox took what it was handed; its id of the row.
    Handed(String),
    /// It did not. Later, if it is not for good.
    NotHanded {
        /// What is wrong.
        why: String,
        /// It never will.
        for_good: bool,
    },
}

/// What is to be done, in this order. Each deed is answered by an event before the next event is handled.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Replace the ledger on disk. Answered by `Kept` or `NotKept`.
    Keep(Box<Ledger>),
    /// Hand this to the outbox. Answered by `Handed` or `NotHanded`.
    Hand(Handing),
    /// Read the sheet's tabs soon: somebody asked for what is not in them.
    Refresh,
    /// A line for the log.
    Log(String),
}

/// What the person in front of the clock is doing. All but rest ends by itself: [`Stage::lasts`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Nothing.
    Rest,
    /// Choosing; on a clock of several people it greets first, and lists once the knob was turned.
    Menu { person: String, selected: usize, turned: bool },
    /// Being asked. A small glass has no room for the question beside its answers, so it comes alone; and what a person
    /// has not read yet is not answered by a hurried click.
    Question { person: String },
    /// Answering.
    Asking { person: String, answers: Vec<(String, Answer)>, selected: usize },
    /// Looking at what a click did.
    Note { title: String, line: String },
    /// Reading what went wrong.
    Warning { title: String, line: String },
}

/// The clock.
#[derive(Clone, Debug)]
pub struct Clock {
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    pub(crate) roster: Roster,
    pub(crate) status: Option<Status>,
    pub(crate) stage: Stage,
    /// When the stage is over by itself; rest never is.
    until: Mono,
    /// What the light tells of the last click, and until when it does on a clock of several people.
    pub(crate) told: Option<(Light, Mono)>,
    keeping: Option<Keeping>,
    /// What happened while the ledger was being written.
    later: VecDeque<Event>,
    handing: bool,
    /// Something of the ledger on disk is done, and need not stand there any more.
    untidy: bool,
    retry_at: Mono,
}

/// A ledger on its way to the disk, and what follows when it is there.
#[derive(Clone, Debug)]
struct Keeping {
    ledger: Ledger,
    light: Option<Light>,
    stage: Option<Stage>,
}

/// How long a menu waits for the next turn.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a question does.
const THINKING: Duration = Duration::from_secs(60);
/// How long a person looks at what a click did, at least.
const GLANCE: Duration = Duration::from_secs(4);
/// For each letter of it: a line that is too long for a glass of letters moves by three a second, between two rests.
const LETTER: Duration = Duration::from_millis(250);
/// How long a person needs to read what went wrong.
const READING: Duration = Duration::from_secs(10);
/// How long a disk that failed is left alone.
const RETRY: Duration = Duration::from_secs(10);

impl Clock {
    /// A clock that was just switched on, with the ledger it left behind.
    pub fn new(settings: Settings, ledger: Ledger, roster: Roster) -> Self {
        Self {
            settings,
            untidy: !ledger.todo.is_empty(),
            ledger,
            roster,
            status: None,
            stage: Stage::Rest,
            until: Mono::default(),
            told: None,
            keeping: None,
            later: VecDeque::new(),
            handing: false,
            retry_at: Mono::default(),
        }
    }

    /// What `event` means now.
    pub fn step(&mut self, now: &Now, event: Event) -> Vec<Effect> {
        let mut effects = match event {
            Event::Kept => self.kept(now),
            Event::NotKept(why) => self.not_kept(now, &why),
            Event::Handed(id) => {
                self.handing = false;
                self.ledger.handed(&id);
                Vec::new()
            }
            Event::NotHanded { why, for_good } => self.not_handed(now, &why, for_good),
            // Nothing is decided while it is not known what was kept.
            event if self.keeping.is_some() => {
                self.later.push_back(event);
                return Vec::new();
            }
            Event::Roster(roster) => {
                self.roster = roster;
                Vec::new()
            }
            Event::Standing(status) => {
                self.status = Some(*status);
                Vec::new()
            }
            Event::Input(input) => self.input(now, &input),
            Event::Tick => self.tick(now),
        };
        while self.keeping.is_none()
            && let Some(event) = self.later.pop_front()
        {
            effects.extend(self.step(now, event));
        }
        effects.extend(self.hand_over(now));
        effects
    }

    /// When something changes by itself, at the latest.
    pub fn wakes_at(&self, now: &Now) -> Option<Mono> {
        let stage = (self.stage != Stage::Rest).then_some(self.until);
        let told =
            self.told.filter(|_| self.asks_for_badges()).map(|(_, until)| until).filter(|until| *until > now.mono);
        let retry = (!self.ledger.todo.is_empty() || self.untidy).then_some(self.retry_at);
        // The screen shows minutes, and shifts are counted in them.
        let minute = now.mono + Duration::from_millis(60_000 - now.wall.unix_ms.rem_euclid(60_000) as u64);
        [stage, told, retry, Some(minute)].into_iter().flatten().min()
    }

    /// The ledger as it is on disk.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The owner's zone.
    pub fn zone(&self) -> TimeZone {
        self.settings.zone.clone()
    }

    pub(crate) fn asks_for_badges(&self) -> bool {
        self.settings.has_reader && !self.roster.people.is_empty()
    }

    /// The lines of a person's menu, and which of them stops what runs. That one is there even if the sheet has lost it.
    pub(crate) fn menu(&self, person: &str) -> (Vec<String>, Option<usize>) {
        let mut names: Vec<String> = self.roster.projects.iter().map(|project| project.name.clone()).collect();
        let running = self.ledger.open.get(person).map(|shift| {
            names.iter().position(|name| *name == shift.project).unwrap_or_else(|| {
                names.insert(0, shift.project.clone());
                0
            })
        });
        (names, running)
    }

    fn input(&mut self, now: &Now, input: &Input) -> Vec<Effect> {
        match (self.stage.clone(), input) {
            (_, Input::Badge(badge)) => return self.badge(now, badge.as_str()),
            (Stage::Menu { person, selected, .. }, Input::Turn(by)) => self.choose(now, &person, selected, *by),
            (Stage::Menu { person, selected, .. }, Input::Press) => return self.click(now, &person, selected),
            (Stage::Asking { person, answers, selected, .. }, Input::Turn(by)) => {
                let selected = moved(selected, *by, answers.len());
                self.enter(now, Stage::Asking { person, answers, selected });
            }
            (Stage::Asking { person, mut answers, selected, .. }, Input::Press) => {
                let answer = answers.swap_remove(selected.min(answers.len() - 1)).1;
                return self.answer(now, &person, answer);
            }
            (Stage::Question { person, .. }, Input::Turn(_) | Input::Press) => self.listen(now, &person),
            (Stage::Menu { .. } | Stage::Question { .. } | Stage::Asking { .. }, Input::LongPress) => {
                self.stage = Stage::Rest;
            }
            (Stage::Rest | Stage::Note { .. } | Stage::Warning { .. }, input) => return self.approach(now, input),
        }
        Vec::new()
    }

    /// Somebody touches a clock at rest.
    fn approach(&mut self, now: &Now, input: &Input) -> Vec<Effect> {
        if self.asks_for_badges() {
            self.enter(now, note("Badge first", "hold it to the reader"));
            return Vec::new();
        }
        match (self.ledger.open.get(ALONE), input) {
            (Some(shift), _) if shift.forgotten => self.ask(now, ALONE),
            (Some(_), Input::Press) => return self.switch(now, ALONE, None),
            (_, Input::Turn(by)) => self.open_menu(now, ALONE, *by),
            (None, Input::Press) => self.open_menu(now, ALONE, 0),
            (_, Input::LongPress | Input::Badge(_)) => self.stage = Stage::Rest,
        }
        Vec::new()
    }

    fn badge(&mut self, now: &Now, badge: &str) -> Vec<Effect> {
        let Some(Person { name, project, .. }) = self.roster.person(badge).cloned() else {
            self.warn(now, "Unknown badge", &format!("{badge} is not in the tab People"));
            return vec![Effect::Refresh];
        };
        let forgotten = self.ledger.open.get(&name).is_some_and(|shift| shift.forgotten);
        match &self.stage {
            // The same badge again is the click of those who have their hands full.
            Stage::Menu { person, selected, .. } if *person == name => {
                let selected = *selected;
                return self.click(now, &name, selected);
            }
            _ if forgotten && self.settings.has_knob => self.ask(now, &name),
            _ if self.settings.has_knob => self.open_menu(now, &name, 0),
            _ if forgotten => return self.badge_after_all(now, &name, project.as_deref()),
            _ if self.ledger.open.contains_key(&name) => return self.switch(now, &name, None),
            _ => return self.start_in(now, self.ledger.clone(), &name, project.as_deref(), ""),
        }
        Vec::new()
    }

    /// A clock without a knob cannot ask. What was forgotten stays open in the sheet, and the badge starts anew.
    fn badge_after_all(&mut self, now: &Now, person: &str, project: Option<&str>) -> Vec<Effect> {
        let mut ledger = self.ledger.clone();
        ledger.end(person, End::Unknown);
        self.start_in(now, ledger, person, project, "last clock-out is missing")
    }

    fn start_in(
        &mut self,
        now: &Now,
        mut ledger: Ledger,
        person: &str,
        project: Option<&str>,
        more: &str,
    ) -> Vec<Effect> {
        let first = self.roster.projects.first().map(|project| project.name.as_str());
        let Some(project) = project.or(first).map(str::to_owned) else {
            self.warn(now, "No projects", "write some into the tab Projects");
            return vec![Effect::Refresh];
        };
        ledger.start(person, &project, Moment::of(now));
        let line = if more.is_empty() { format!("{project}: started") } else { format!("{project}; {more}") };
        let light = Light::GoingActive(self.roster.colour(&project));
        self.keep(ledger, Some(light), Some(note(person, &line)))
    }

    fn open_menu(&mut self, now: &Now, person: &str, turned: i32) {
        let (names, running) = self.menu(person);
        let place = |wanted: Option<&String>| names.iter().position(|name| Some(name) == wanted);
        let own = || self.roster.people.iter().find(|other| other.name == person)?.project.as_ref();
        let last = place(self.ledger.last.get(person));
        let selected = running.or(last).or_else(|| place(own())).unwrap_or(0);
        self.choose(now, person, selected, turned);
        if let Stage::Menu { turned: listed, .. } = &mut self.stage {
            *listed = person.is_empty() || turned != 0;
        }
    }

    fn choose(&mut self, now: &Now, person: &str, selected: usize, turned: i32) {
        let (names, _) = self.menu(person);
        if names.is_empty() {
            self.warn(now, "No projects", "write some into the tab Projects");
            return;
        }
        let selected = moved(selected, turned, names.len());
        self.enter(now, Stage::Menu { person: person.into(), selected, turned: true });
    }

    fn click(&mut self, now: &Now, person: &str, selected: usize) -> Vec<Effect> {
        let (mut names, running) = self.menu(person);
        let selected = selected.min(names.len().saturating_sub(1));
        if running == Some(selected) {
            return self.switch(now, person, None);
        }
        if names.is_empty() {
            self.stage = Stage::Rest;
            return Vec::new();
        }
        let name = names.swap_remove(selected);
        self.switch(now, person, Some(&name))
    }

    /// The heart of it: what runs is stopped, and something else started, at one moment and in one write.
    fn switch(&mut self, now: &Now, person: &str, to: Option<&str>) -> Vec<Effect> {
        let at = Moment::of(now);
        let mut ledger = self.ledger.clone();
        let ended = ledger.end(person, End::Now(at.clone()));
        let (light, stage) = match (to, ended) {
            (Some(project), _) => {
                ledger.start(person, project, at);
                let note = (!person.is_empty()).then(|| note(person, &format!("{project}: started")));
                (Light::GoingActive(self.roster.colour(project)), note.unwrap_or(Stage::Rest))
            }
            (None, Some(shift)) => {
                let took = shift
                    .start
                    .until(&at)
                    .map_or_else(|| "stopped".into(), |passed| format!("stopped after {}", hours(passed)));
                let stage = match person {
                    "" => note(&shift.project, &took),
                    person => note(person, &format!("{}: {took}", shift.project)),
                };
                (Light::GoingIdle(self.roster.colour(&shift.project)), stage)
            }
            (None, None) => return Vec::new(),
        };
        self.keep(ledger, Some(light), Some(stage))
    }

    fn ask(&mut self, now: &Now, person: &str) {
        self.enter(now, Stage::Question { person: person.into() });
    }

    /// The first answer is what a hurried click may give.
    fn listen(&mut self, now: &Now, person: &str) {
        let Some(shift) = self.ledger.open.get(person) else { return };
        let answers = answers(&shift.start, now, &self.settings.zone);
        self.enter(now, Stage::Asking { person: person.into(), answers, selected: 0 });
    }

    fn answer(&mut self, now: &Now, person: &str, answer: Answer) -> Vec<Effect> {
        let mut ledger = self.ledger.clone();
        let line = match answer {
            Answer::GoesOn => {
                ledger.goes_on(person, now);
                "goes on"
            }
            Answer::Unknown => {
                ledger.end(person, End::Unknown);
                "left open in the sheet"
            }
            Answer::At(moment) => {
                let said = clock_time(&Moment::of(now), now, &self.settings.zone);
                let note = format!("clock-out entered afterwards, at {said}");
                ledger.end(person, End::Recalled(moment, note));
                "thank you"
            }
        };
        let title = self.ledger.open.get(person).map_or("", |shift| shift.project.as_str());
        let stage = note(title, line);
        self.keep(ledger, None, Some(stage))
    }

    fn tick(&mut self, now: &Now) -> Vec<Effect> {
        if now.mono >= self.until {
            self.stage = Stage::Rest;
        }
        let mut ledger = self.ledger.clone();
        let (dated, flagged) = (ledger.date(now), ledger.flag(now, self.settings.shift));
        if (dated || flagged) && now.mono >= self.retry_at {
            return self.keep(ledger, None, None);
        }
        Vec::new()
    }

    fn keep(&mut self, ledger: Ledger, light: Option<Light>, stage: Option<Stage>) -> Vec<Effect> {
        self.keeping = Some(Keeping { ledger: ledger.clone(), light, stage });
        vec![Effect::Keep(Box::new(ledger))]
    }

    fn kept(&mut self, now: &Now) -> Vec<Effect> {
        if let Some(Keeping { ledger, light, stage }) = self.keeping.take() {
            self.untidy = !ledger.todo.is_empty();
            self.ledger = ledger;
            stage.into_iter().for_each(|stage| self.enter(now, stage));
            self.told = light.map(|light| (light, now.mono + GLANCE)).or(self.told);
        }
        Vec::new()
    }

    fn not_kept(&mut self, now: &Now, why: &str) -> Vec<Effect> {
        let Some(keeping) = self.keeping.take() else { return Vec::new() };
        self.retry_at = now.mono + RETRY;
        // Housekeeping is tried again by itself; a click is the person's.
        if keeping.stage.is_some() {
            self.warn(now, "Not recorded", why);
        }
        vec![Effect::Log(format!("not recorded: {why}"))]
    }

    fn not_handed(&mut self, now: &Now, why: &str, for_good: bool) -> Vec<Effect> {
        self.handing = false;
        if for_good {
            let what = format!("{:?}", self.ledger.todo.front());
            self.ledger.skip();
            return vec![Effect::Log(format!("left out: {why} ({what})"))];
        }
        self.retry_at = now.mono + RETRY;
        vec![Effect::Log(format!("the outbox does not take it yet: {why}"))]
    }

    /// One step at a time to the outbox; when it has all, the list on disk is cleared.
    fn hand_over(&mut self, now: &Now) -> Vec<Effect> {
        if self.keeping.is_some() || self.handing || now.mono < self.retry_at {
            return Vec::new();
        }
        if let Some(handing) = self.ledger.next_handing() {
            self.handing = true;
            return vec![Effect::Hand(handing)];
        }
        if std::mem::take(&mut self.untidy) {
            let mut ledger = self.ledger.clone();
            ledger.tidy();
            return self.keep(ledger, None, None);
        }
        Vec::new()
    }

    fn enter(&mut self, now: &Now, stage: Stage) {
        self.until = now.mono + stage.lasts();
        self.stage = stage;
    }

    fn warn(&mut self, now: &Now, title: &str, line: &str) {
        self.enter(now, Stage::Warning { title: title.into(), line: line.into() });
    }

    /// The open row of the one person of a clock without badges.
    pub(crate) fn alone(&self) -> Option<&Shift> {
        self.ledger.open.get(ALONE)
    }
}

/// The person of a clock without badges.
const ALONE: &str = "";

impl Stage {
    /// How long the clock waits for the person's next deed.
    fn lasts(&self) -> Duration {
        match self {
            Self::Rest => Duration::ZERO,
            Self::Menu { .. } => PATIENCE,
            Self::Question { .. } | Self::Asking { .. } => THINKING,
            Self::Note { line, .. } => (LETTER * line.chars().count() as u32).clamp(GLANCE, READING),
            Self::Warning { .. } => READING,
        }
    }
}

fn note(title: &str, line: &str) -> Stage {
    Stage::Note { title: title.into(), line: line.into() }
}

/// A list has two ends: a knob that wraps around is lost in it.
fn moved(selected: usize, by: i32, length: usize) -> usize {
    let to = i64::try_from(selected).unwrap_or(i64::MAX).saturating_add(i64::from(by));
    usize::try_from(to.max(0)).unwrap_or(0).min(length.saturating_sub(1))
}
