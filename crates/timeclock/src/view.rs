//! From the rules' state to what is seen: the screen and the light.

use rowkeeper::status::{DeliveryState, GrantState};
use rowkeeper_gadget::light::State as Light;
use rowkeeper_panel::{Face, Queue, Screen};

use crate::ledger::Shift;
use crate::moment::{Moment, Now, clock_time, time_of_day};
use crate::rules::{Clock, Stage};

/// What a person sees.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// On the glass.
    pub screen: Screen,
    /// Beside it.
    pub light: Light,
}

impl Clock {
    /// What is to be seen now.
    pub fn view(&self, now: &Now) -> View {
        View { screen: self.screen(now), light: self.light(now) }
    }

    fn screen(&self, now: &Now) -> Screen {
        match &self.stage {
            Stage::Menu { person, selected, turned: false, .. } => {
                let (names, running) = self.menu(person);
                let name = names.get(*selected).map_or("", String::as_str);
                let what = if running == Some(*selected) { "stop" } else { "start" };
                Screen::Ready {
                    title: person.clone(),
                    lines: vec![format!("press: {what} {name}")],
                    queue: Queue::EMPTY,
                }
            }
            Stage::Question { person } => {
                let (title, since) = self.ledger.open.get(person).map_or_else(Default::default, |shift| {
                    (shift.project.clone(), clock_time(&shift.start, now, &self.settings.zone))
                });
                let line = format!("{since} until when?");
                Screen::Ready { title, lines: vec![line], queue: Queue::EMPTY }
            }
            Stage::Menu { person, selected, .. } => {
                let (names, running) = self.menu(person);
                let line =
                    |(at, name): (usize, String)| if running == Some(at) { format!("Stop {name}") } else { name };
                Screen::Menu {
                    title: if person.is_empty() { "Start".into() } else { person.clone() },
                    items: names.into_iter().enumerate().map(line).collect(),
                    selected: *selected,
                    running,
                }
            }
            Stage::Asking { person, answers, selected } => {
                let what = self.ledger.open.get(person).map_or_else(String::new, |shift| {
                    format!("{} {}: until?", shift.project, clock_time(&shift.start, now, &self.settings.zone))
                });
                let items = answers.iter().map(|(label, _)| label.clone()).collect();
                Screen::Menu { title: what, items, selected: *selected, running: None }
            }
            Stage::Warning { title, line } => Screen::Attention { title: title.clone(), advice: line.clone() },
            Stage::Note { title, line } => {
                Screen::Ready { title: title.clone(), lines: vec![line.clone()], queue: Queue::EMPTY }
            }
            Stage::Rest => self.rest(now),
        }
    }

    /// Work that runs comes before everything but a code that a person is waiting for.
    fn rest(&self, now: &Now) -> Screen {
        let Some(status) = &self.status else { return Screen::Connecting { to: "the clock".into() } };
        let waits_for_approval = status.grant.state == GrantState::WaitingForApproval && status.grant.code.is_some();
        let trouble = status.grant.state != GrantState::SignedIn || status.delivery.state == DeliveryState::Blocked;
        let queue = Queue { waiting: status.queue.waiting, set_aside: status.queue.set_aside };
        match self.alone().filter(|_| !self.asks_for_badges()) {
            _ if waits_for_approval => rowkeeper_gadget::screen(status, now.wall),
            Some(shift) => {
                let mut lines = vec![self.since(shift, now)];
                if trouble {
                    lines.push(self.in_short(now));
                }
                let title = shift.project.clone();
                match shift.start.until(&Moment::of(now)) {
                    Some(passed) => Screen::Clock { title, face: Face::Elapsed(passed), lines, queue },
                    None => Screen::Ready { title, lines, queue },
                }
            }
            None if trouble => rowkeeper_gadget::screen(status, now.wall),
            None => match time_of_day(now, &self.settings.zone) {
                Some(of_day) => {
                    let face = Face::TimeOfDay(of_day);
                    Screen::Clock { title: String::new(), face, lines: self.invitation(), queue }
                }
                None => Screen::Ready { title: "Clock not set".into(), lines: self.invitation(), queue },
            },
        }
    }

    fn since(&self, shift: &Shift, now: &Now) -> String {
        let since = clock_time(&shift.start, now, &self.settings.zone);
        if shift.forgotten { format!("since {since}, no end: press") } else { format!("since {since}") }
    }

    /// What the library would fill a screen with, in one line.
    fn in_short(&self, now: &Now) -> String {
        match self.status.as_ref().map(|status| rowkeeper_gadget::screen(status, now.wall)) {
            Some(Screen::Attention { title, advice }) => format!("{title}: {advice}"),
            _ => "not signed in".into(),
        }
    }

    fn invitation(&self) -> Vec<String> {
        if !self.asks_for_badges() {
            return vec!["turn to choose".to_owned()];
        }
        let mut lines = vec!["hold your badge here".to_owned()];
        match self.ledger.open.len() {
            0 => {}
            1 => lines.push("1 at work".to_owned()),
            many => lines.push(format!("{many} at work")),
        }
        lines
    }

    fn light(&self, now: &Now) -> Light {
        let Some(status) = &self.status else { return Light::Starting };
        if matches!(self.stage, Stage::Warning { .. }) {
            return Light::Attention;
        }
        let trouble = status.grant.state != GrantState::SignedIn || status.delivery.state == DeliveryState::Blocked;
        if self.asks_for_badges() {
            return match self.told {
                Some((light, until)) if now.mono < until => light,
                _ if trouble => Light::Attention,
                _ => Light::Idle,
            };
        }
        match (self.alone(), self.told) {
            (Some(shift), _) if shift.forgotten => Light::Attention,
            // The light goes on by itself from going active to active.
            (Some(_), Some((light @ Light::GoingActive(_), _))) => light,
            (Some(shift), _) => Light::Active(self.roster.colour(&shift.project)),
            (None, Some((light @ Light::GoingIdle(_), until))) if now.mono < until || !trouble => light,
            (None, _) if trouble => Light::Attention,
            (None, _) => Light::Idle,
        }
    }
}
