//! The rules, driven without hardware: tables of what a person does and sees, and random days with power cuts.

#![expect(clippy::unwrap_used, reason = "the vocabulary of tests panics as they do")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::tz::TimeZone;
use rowkeeper::clock::{Mono, Wall};
use rowkeeper_gadget::input::{Badge, Input};
use rowkeeper_gadget::light::{Rgb, State as Light};
use rowkeeper_panel::Screen;
use timeclock::ledger::{Change, Handing, Ledger};
use timeclock::moment::Now;
use timeclock::roster::{Person, Project, Roster};
use timeclock::rules::{Clock, Effect, Event, Settings};

use stand_in::signed_in;

mod stand_in;

const HOUR: u64 = 3600;
/// Monday 2026-11-23 08:00 in Vienna.
const MONDAY: i64 = 1_795_417_200_000;

/// A row as the sheet will have it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    person: String,
    project: String,
    start: Option<i64>,
    finish: Option<i64>,
    minutes: Option<f64>,
    note: String,
}

/// What a crash leaves, and what it does not.
struct Board {
    clock: Clock,
    settings: Settings,
    now: Now,
    boots: u32,
    /// The ledger's file.
    disk: String,
    disk_is_full: bool,
    outbox_is_full: bool,
    /// By the names that rows were given; a name is kept once.
    outbox: BTreeMap<String, Row>,
    order: Vec<String>,
    refreshes: usize,
    /// The power goes before this deed, or (odd) right after it.
    power_cut: Option<u32>,
    deeds: u32,
}

impl Board {
    fn new(has_knob: bool, has_reader: bool) -> Self {
        let zone = TimeZone::get("Europe/Vienna").unwrap();
        let settings = Settings { shift: Duration::from_secs(10 * HOUR), has_knob, has_reader, zone };
        let wall = Wall { unix_ms: MONDAY, trusted: true };
        let now = Now { wall, mono: Mono::new(Duration::from_secs(60)), boot: "boot 0".into() };
        let disk = serde_json::to_string(&Ledger::named("n".into())).unwrap();
        let ledger = serde_json::from_str(&disk).unwrap();
        let mut board = Self {
            clock: Clock::new(settings.clone(), ledger, roster(has_reader)),
            settings,
            now,
            boots: 0,
            disk,
            disk_is_full: false,
            outbox_is_full: false,
            outbox: BTreeMap::new(),
            order: Vec::new(),
            refreshes: 0,
            power_cut: None,
            deeds: 0,
        };
        board.does(Event::Standing(Box::new(signed_in())));
        board
    }

    fn does(&mut self, event: Event) {
        let mut effects = VecDeque::from(self.clock.step(&self.now, event));
        while let Some(effect) = effects.pop_front() {
            self.believes_only_what_is_on_disk();
            if self.cut() {
                return self.boot();
            }
            let answer = match effect {
                Effect::Keep(_) if self.disk_is_full => Event::NotKept("No space left on device".into()),
                Effect::Keep(ledger) => {
                    self.disk = serde_json::to_string(&ledger).unwrap();
                    Event::Kept
                }
                Effect::Hand(_) if self.outbox_is_full => {
                    Event::NotHanded { why: "the queue is full".into(), for_good: false }
                }
                Effect::Hand(handing) => Event::Handed(self.takes(handing)),
                Effect::Refresh => {
                    self.refreshes += 1;
                    continue;
                }
                Effect::Log(_) => continue,
            };
            if self.cut() {
                return self.boot();
            }
            effects.extend(self.clock.step(&self.now, answer));
        }
        self.believes_only_what_is_on_disk();
    }

    /// So the light, which follows what the clock believes, cannot change before the disk has.
    fn believes_only_what_is_on_disk(&self) {
        let kept: Ledger = serde_json::from_str(&self.disk).unwrap();
        assert_eq!(self.clock.ledger().open, kept.open);
    }

    fn takes(&mut self, handing: Handing) -> String {
        match handing {
            Handing::Record { name, person, project, start } => {
                let id = format!("tag-{name}");
                if !self.outbox.contains_key(&id) {
                    let row = Row { person, project, start: start.unix_ms(), ..Row::default() };
                    self.outbox.insert(id.clone(), row);
                    self.order.push(id.clone());
                }
                id
            }
            Handing::Amend { id, change } => {
                let row = self.outbox.get_mut(&id).unwrap();
                let Change { start, finish, minutes, note } = change;
                row.start = start.or(row.start);
                row.finish = finish.or(row.finish);
                row.minutes = minutes.or(row.minutes);
                row.note = note.unwrap_or(std::mem::take(&mut row.note));
                id
            }
        }
    }

    fn cut(&mut self) -> bool {
        self.deeds += 1;
        if self.power_cut == Some(self.deeds) {
            self.power_cut = None;
            return true;
        }
        false
    }

    /// Off and on again: only the disk and the outbox are left.
    fn boot(&mut self) {
        self.boots += 1;
        self.now.boot = format!("boot {}", self.boots);
        self.now.mono = Mono::new(Duration::from_secs(5));
        let roster = self.clock_roster();
        self.clock = Clock::new(self.settings.clone(), serde_json::from_str(&self.disk).unwrap(), roster);
        self.does(Event::Standing(Box::new(signed_in())));
        self.does(Event::Tick);
    }

    fn clock_roster(&self) -> Roster {
        roster(self.settings.has_reader)
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now.wall.unix_ms += seconds as i64 * 1000;
        self.now.mono = self.now.mono + Duration::from_secs(seconds);
        self.does(Event::Tick);
        self.sleeps();
        self
    }

    /// With all that was due done, nothing is: a clock that wakes for what it does not do would never sleep.
    fn sleeps(&self) {
        let due = self.clock.wakes_at(&self.now);
        assert!(due.is_none_or(|due| due > self.now.mono), "{} at {:?}, due {due:?}", self.says(), self.now.mono);
    }

    fn turn(&mut self, by: i32) -> &mut Self {
        self.does(Event::Input(Input::Turn(by)));
        self
    }

    fn press(&mut self) -> &mut Self {
        self.does(Event::Input(Input::Press));
        self
    }

    fn badge(&mut self, badge: &str) -> &mut Self {
        self.does(Event::Input(Input::Badge(Badge::parse(badge).unwrap())));
        self
    }

    fn light(&self) -> Light {
        self.clock.view(&self.now).light
    }

    /// The screen in a line.
    fn says(&self) -> String {
        match self.clock.view(&self.now).screen {
            Screen::Menu { title, items, selected, .. } => format!("{title} > {}", items[selected]),
            Screen::Clock { title, lines, .. } => format!("{title}; {}", lines.join("; ")),
            Screen::Ready { title, lines, .. } => format!("{title}: {}", lines.join("; ")),
            Screen::Attention { title, advice } => format!("{title}! {advice}"),
            other => format!("{other:?}"),
        }
    }

    /// The sheet, in the order in which rows came.
    fn rows(&self) -> Vec<Row> {
        self.order.iter().map(|id| self.outbox[id].clone()).collect()
    }

    fn sheet(&self) -> Vec<String> {
        let line = |row: Row| {
            let hours = |at: Option<i64>| at.map_or("?".into(), |at| ((at - MONDAY) as f64 / 3_600_000.0).to_string());
            let minutes = row.minutes.map_or("?".into(), |minutes| minutes.to_string());
            let who = if row.person.is_empty() { String::new() } else { format!("{} ", row.person) };
            let note = if row.note.is_empty() { String::new() } else { format!(" ({})", row.note) };
            format!("{who}{} {} to {}, {minutes} min{note}", row.project, hours(row.start), hours(row.finish))
        };
        self.rows().into_iter().map(line).collect()
    }
}

fn roster(with_people: bool) -> Roster {
    let project = |name: &str, colour| Project { name: name.into(), colour };
    let person = |name: &str, badge: &str, project: Option<&str>| Person {
        name: name.into(),
        badge: badge.into(),
        project: project.map(str::to_owned),
    };
    let people = [person("Anna", "11", Some("Tax")), person("Борис", "22", None)];
    Roster {
        projects: vec![project("Website", RED), project("Tax", GREEN), project("Garden", Rgb::BLUE)],
        people: if with_people { people.into() } else { Vec::new() },
    }
}

const RED: Rgb = Rgb(255, 0, 0);
const GREEN: Rgb = Rgb(0, 255, 0);

#[test]
fn a_day_with_a_knob() {
    let mut board = Board::new(true, false);
    assert_eq!((board.says().as_str(), board.light()), ("; turn to choose", Light::Idle));
    board.turn(1);
    assert_eq!(board.says(), "Start > Tax");
    board.turn(-5).press();
    assert_eq!((board.says().as_str(), board.light()), ("Website; since 08:00", Light::GoingActive(RED)));
    // A click on something else stops what runs and starts the other, at the same moment.
    board.after(HOUR).turn(1);
    assert_eq!(board.says(), "Start > Tax");
    board.press();
    assert_eq!(board.light(), Light::GoingActive(GREEN));
    assert_eq!(board.sheet(), ["Website 0 to 1, 60 min", "Tax 1 to ?, ? min"]);
    // A click on what runs stops it.
    board.after(90).press();
    assert_eq!((board.says().as_str(), board.light()), ("Tax: stopped after 0:01", Light::GoingIdle(GREEN)));
    assert_eq!(board.sheet()[1], "Tax 1 to 1.025, 1.5 min");
    // The knob starts where it was left, and a menu that nobody turns goes away without a punch.
    board.after(5).turn(1);
    assert_eq!(board.says(), "Start > Garden");
    board.after(31);
    assert_eq!(board.says(), "; turn to choose");
    assert_eq!(board.sheet().len(), 2);
}

#[test]
fn a_full_disk_is_said_and_the_light_stays_as_it_is() {
    let mut board = Board::new(true, false);
    board.disk_is_full = true;
    board.press().press();
    assert_eq!(board.says(), "Not recorded! No space left on device");
    assert_eq!(board.light(), Light::Attention);
    board.after(11);
    assert_eq!((board.light(), board.rows().len()), (Light::Idle, 0));
    board.disk_is_full = false;
    board.press().press();
    assert_eq!(board.sheet(), [format!("Website {} to ?, ? min", 11.0 / 3600.0)]);
}

#[test]
fn an_outbox_that_is_full_is_filled_later() {
    let mut board = Board::new(true, false);
    board.outbox_is_full = true;
    board.press().press().after(60).press();
    assert_eq!((board.rows().len(), board.light()), (0, Light::GoingIdle(RED)), "both clicks are on disk");
    board.outbox_is_full = false;
    board.after(20);
    assert_eq!(board.sheet(), [format!("Website 0 to {}, 1 min", 60.0 / 3600.0)]);
}

#[test]
fn what_was_forgotten_is_flagged_asked_about_and_never_made_up() {
    let forget = || {
        let mut board = Board::new(true, false);
        board.press().press().after(10 * HOUR - 1);
        assert_eq!(board.light(), Light::GoingActive(RED), "not a second too early");
        board.after(5 * HOUR);
        assert_eq!((board.says().as_str(), board.light()), ("Website; since 08:00, no end: press", Light::Attention));
        assert_eq!(board.sheet(), ["Website 0 to ?, ? min (no clock-out yet)"]);
        board.after(9 * HOUR).press();
        assert_eq!(board.says(), "Website: Mon 08:00 until when?");
        board.press();
        assert_eq!(board.says(), "Website Mon 08:00: until? > Don't know", "what a hurried click answers");
        board
    };
    let mut board = forget();
    board.press();
    assert_eq!(board.sheet(), ["Website 0 to ?, ? min (clock-out forgotten)"]);
    assert_eq!(board.light(), Light::Idle);

    let mut board = forget();
    board.turn(2 + 16);
    assert_eq!(board.says(), "Website Mon 08:00: until? > until Mon 16:30");
    board.press();
    assert_eq!(board.sheet(), ["Website 0 to 8.5, 510 min (clock-out entered afterwards, at 07:59)"]);

    let mut board = forget();
    board.turn(1).press();
    assert_eq!(board.sheet(), ["Website 0 to ?, ? min"], "it goes on, and is watched for another shift");
    board.after(11 * HOUR);
    assert_eq!(board.sheet(), ["Website 0 to ?, ? min (no clock-out yet)"]);

    // Nobody reads it: the glass shows again what it asked about.
    let mut board = Board::new(true, false);
    board.press().press().after(15 * HOUR).press();
    assert_eq!(board.says(), "Website: 08:00 until when?");
    board.after(61);
    assert_eq!(board.says(), "Website; since 08:00, no end: press");

    // Nobody answers: the question comes back, also after a power cut.
    let mut board = forget();
    board.after(61);
    board.boot();
    assert_eq!((board.says().as_str(), board.light()), ("Website; since Mon 08:00, no end: press", Light::Attention));
    board.turn(1).turn(-1);
    assert_eq!(board.says(), "Website Mon 08:00: until? > Don't know");
}

#[test]
fn several_people_hold_their_badges() {
    let mut board = Board::new(true, true);
    assert_eq!(board.says(), "; hold your badge here");
    board.press();
    assert_eq!(board.says(), "Badge first: hold it to the reader");
    board.badge("33");
    assert_eq!((board.says().as_str(), board.refreshes), ("Unknown badge! 33 is not in the tab People", 1));
    board.badge("11");
    // Her project in the tab People; the knob still goes to all of them.
    assert_eq!(board.says(), "Anna: press: start Tax");
    board.turn(-1);
    assert_eq!(board.says(), "Anna > Website");
    board.turn(1);
    assert_eq!(board.says(), "Anna > Tax");
    board.press();
    assert_eq!((board.says().as_str(), board.light()), ("Anna: Tax: started", Light::GoingActive(GREEN)));
    // The next person need not wait, and takes nothing away.
    board.after(60).badge("22").badge("22");
    assert_eq!(board.says(), "Борис: Website: started");
    board.after(60);
    assert_eq!((board.says().as_str(), board.light()), ("; hold your badge here; 2 at work", Light::Idle));
    board.badge("11");
    assert_eq!(board.says(), "Anna: press: stop Tax");
    board.badge("22");
    assert_eq!(board.says(), "Борис: press: stop Website", "another badge, another menu");
    board.press();
    board.after(5);
    assert_eq!(board.says(), "Борис: Website: stopped after 0:01", "a small glass is still moving it");
    board.after(5);
    assert_eq!(board.says(), "; hold your badge here; 1 at work");
    let minute = 60.0 / 3600.0;
    let two = 120.0 / 3600.0;
    assert_eq!(board.sheet(), ["Anna Tax 0 to ?, ? min".to_owned(), format!("Борис Website {minute} to {two}, 1 min")]);
}

#[test]
fn a_badge_alone_starts_and_stops_on_a_clock_without_a_knob() {
    let mut board = Board::new(false, true);
    board.badge("11").after(1800).badge("0011").after(1800).badge("22");
    assert_eq!(board.sheet(), ["Anna Tax 0 to 0.5, 30 min", "Борис Website 1 to ?, ? min"]);
    // It cannot ask, so it says so in the sheet and on the screen, and starts anew.
    board.after(20 * HOUR).badge("22");
    assert_eq!(board.says(), "Борис: Website; last clock-out is missing");
    assert_eq!(
        board.sheet()[1..],
        ["Борис Website 1 to ?, ? min (clock-out forgotten)", "Борис Website 21 to ?, ? min"]
    );
}

#[test]
fn a_clock_that_is_not_set_is_put_right_afterwards() {
    let mut board = Board::new(true, false);
    board.now.wall = Wall { unix_ms: 5_000, trusted: false };
    board.press().press().after(600).turn(1).press().after(600);
    assert_eq!(board.rows()[0], Row { project: "Website".into(), minutes: Some(10.0), ..Row::default() });
    board.now.wall = Wall { unix_ms: MONDAY, trusted: true };
    board.after(0);
    let ago = |seconds: i64| Some(MONDAY - seconds * 1000);
    let website =
        Row { project: "Website".into(), start: ago(1200), finish: ago(600), minutes: Some(10.0), ..Row::default() };
    assert_eq!(board.rows(), [website, Row { project: "Tax".into(), start: ago(600), ..Row::default() }]);
    assert!(board.clock.ledger().todo.is_empty());

    // After a reboot nobody knows any more, and the row says so.
    let mut board = Board::new(true, false);
    board.now.wall = Wall { unix_ms: 5_000, trusted: false };
    board.press().press();
    board.boot();
    board.now.wall = Wall { unix_ms: MONDAY, trusted: true };
    board.after(0).press();
    assert_eq!(board.says(), "Website: --:-- until when?", "how long it ran is not known, so it is asked");
    board.press().press();
    assert_eq!(board.sheet(), ["Website ? to ?, ? min (clock-out forgotten)"]);
}

/// Every place where the power can go during a switch, one by one.
#[test]
fn a_switch_is_kept_whole_or_not_at_all_wherever_the_power_goes() {
    let mut outcomes = BTreeMap::new();
    for cut in 1.. {
        let mut board = Board::new(true, false);
        board.press().press().after(HOUR).turn(1);
        board.deeds = 0;
        board.power_cut = Some(cut);
        board.press();
        if board.power_cut.is_some() {
            break; // It came after the last deed.
        }
        *outcomes.entry(board.sheet()).or_insert(0) += 1;
        assert!(board.clock.ledger().todo.is_empty(), "all is handed over after the reboot");
    }
    let before = vec!["Website 0 to ?, ? min".to_owned()];
    let after = vec!["Website 0 to 1, 60 min".to_owned(), "Tax 1 to ?, ? min".to_owned()];
    assert_eq!(
        outcomes.into_iter().map(|(rows, times)| (rows, times > 0)).collect::<Vec<_>>(),
        [(after, true), (before, true)]
    );
}

/// Random days: people click, badges are held, disks fail, the clock is set, the power goes at any deed. Whatever
/// happens, every click that changed the light is in the sheet as it was, nobody has two open rows, and what was
/// started and not stopped is still running.
#[test]
fn no_punch_is_lost_and_nobody_has_two_open_rows() {
    let seeds = std::env::var("CLOCK_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(400);
    for seed in 0..seeds {
        random_days(seed);
    }
}

fn random_days(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let has_reader = dice.one_in(2);
    let mut board = Board::new(!has_reader || dice.one_in(2), has_reader);
    let mut acknowledged = Vec::new();
    if dice.one_in(3) {
        board.now.wall = Wall { unix_ms: 5_000, trusted: false };
    }
    for _ in 0..120 {
        let before = board.clock.ledger().open.clone();
        if dice.one_in(6) {
            (board.deeds, board.power_cut) = (0, Some(dice.below(8) as u32 + 1));
        }
        match dice.below(16) {
            0..4 => _ = board.turn(dice.below(7) as i32 - 3),
            4..8 => _ = board.press(),
            8..11 => _ = board.badge(["11", "22", "33"][dice.below(3) as usize]),
            11 => board.disk_is_full = dice.one_in(3),
            12 => board.outbox_is_full = dice.one_in(3),
            13 => board.boot(),
            14 if !board.now.wall.trusted => board.now.wall = Wall { unix_ms: MONDAY, trusted: true },
            _ => _ = board.after(dice.below(5 * HOUR)),
        }
        board.power_cut = None;
        // What the clock believes changed, so the light did: from here on it must never be lost.
        for (person, shift) in &board.clock.ledger().open {
            if before.get(person).map(|shift| (&shift.project, &shift.start)) != Some((&shift.project, &shift.start))
                && !acknowledged.contains(&(person.clone(), shift.project.clone(), shift.start.unix_ms()))
            {
                acknowledged.push((person.clone(), shift.project.clone(), shift.start.unix_ms()));
            }
        }
        one_open_row_each(&board, seed);
    }
    (board.disk_is_full, board.outbox_is_full) = (false, false);
    board.boot();
    board.after(20);
    one_open_row_each(&board, seed);
    assert!(board.clock.ledger().todo.is_empty(), "seed {seed}: something was never handed over");
    for (person, project, start) in acknowledged.iter().filter(|(_, _, start)| start.is_some()) {
        let found =
            board.rows().iter().filter(|r| (&r.person, &r.project, &r.start) == (person, project, start)).count();
        assert!(found >= 1, "seed {seed}: {person} {project} at {start:?} is lost; {:#?}", board.sheet());
    }
    for (person, shift) in &board.clock.ledger().open {
        let running = board.rows().into_iter().rfind(|row| row.person == *person).unwrap();
        assert_eq!((running.project, running.finish), (shift.project.clone(), None), "seed {seed}");
    }
    for row in board.rows() {
        if let (Some(start), Some(finish), Some(minutes)) = (row.start, row.finish, row.minutes) {
            let passed = (finish - start) as f64 / 60_000.0;
            assert!((passed - minutes).abs() < 0.01, "seed {seed}: {row:?}");
        }
    }
}

/// A row is closed by an end, by minutes, or by the word that the end is not known.
fn one_open_row_each(board: &Board, seed: u64) {
    if !board.clock.ledger().todo.is_empty() {
        return; // The sheet is still being told.
    }
    for person in ["", "Anna", "Борис"] {
        let is_open = |row: &&Row| {
            row.person == person
                && row.finish.is_none()
                && row.minutes.is_none()
                && (row.note.is_empty() || row.note == "no clock-out yet")
        };
        let open: Vec<_> = board.rows().iter().filter(is_open).cloned().collect();
        assert!(open.len() <= 1, "seed {seed}: {person} has {open:#?}");
    }
}

struct Dice(u64);

impl Dice {
    /// Marsaglia's xorshift64: enough for a story, and the same everywhere.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
