//! Draws the assembled clock in its states, and its glass through a morning as an animation:
//! `cargo run -p rowkeeper-timeclock --example states -- FOLDER`.
//!
//! What is on each glass, and the colour of each light, come from the clock's own rules and renderer.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use std::{env, fs, io};

use jiff::tz::TimeZone;
use rowkeeper::clock::{Mono, Wall};
use rowkeeper::status::{Code, GrantState, Status, When};
use rowkeeper_gadget::input::{Badge, Input};
use rowkeeper_gadget::light::{Rgb, State as Light, colour_at};
use rowkeeper_panel::{Frame, Geometry, Look, animated_png, film, render};
use timeclock::ledger::{Handing, Ledger};
use timeclock::moment::Now;
use timeclock::roster::{Person, Project, Roster};
use timeclock::rules::{Clock, Effect, Event, Settings};

use stand_in::signed_in;

#[path = "../tests/stand_in/mod.rs"]
mod stand_in;

fn main() -> io::Result<()> {
    let Some(folder) = env::args().nth(1) else { return Err(io::Error::other("say into which folder")) };
    fs::create_dir_all(&folder)?;
    fs::write(Path::new(&folder).join("timeclock.svg"), sheet(&states()))?;
    fs::write(Path::new(&folder).join("timeclock.png"), animated_png(&morning(), 4, Look::Glass))
}

/// What the glass shows, from the first start to the end of the first shift.
fn morning() -> Vec<(Frame, Duration)> {
    let chosen = || Desk::new(false).does(Input::Turn(1)).does(Input::Turn(1)).does(Input::Turn(1));
    let started = || chosen().does(Input::Press);
    let scenes = [
        (Desk::new(false).unapproved(), 10_000),
        (Desk::new(false), 2_000),
        (Desk::new(false).does(Input::Turn(1)), 900),
        (Desk::new(false).does(Input::Turn(1)).does(Input::Turn(1)), 700),
        // Long enough for its name to scroll there, and to rest.
        (chosen(), 6_500),
        (started(), 6_000),
        (started().after(5400), 6_000),
        (started().after(5400).does(Input::Press), 3_000),
        (Desk::new(false).after(5404), 2_000),
    ];
    let seen = |(desk, ms): (Desk, u64)| {
        let screen = desk.clock.view(&desk.now).screen;
        film(&screen, Geometry::OLED_128X32, Duration::ZERO..Duration::from_millis(ms))
    };
    scenes.into_iter().flat_map(seen).collect()
}

/// A state to draw: its name, how long ago its screen and light were entered, and the clock.
struct State {
    name: &'static str,
    ago: Duration,
    clock: Desk,
}

fn states() -> Vec<State> {
    let state = |name, ago_ms, clock| State { name, ago: Duration::from_millis(ago_ms), clock };
    let mut offline = Desk::new(false).does(Input::Press).does(Input::Press);
    offline.status.queue.waiting = 3;
    let forgotten = Desk::new(false).does(Input::Press).does(Input::Press).after(23 * 3600);
    vec![
        state("First start: a code for your phone", 0, Desk::new(false).unapproved()),
        state("Nobody works", 0, Desk::new(false)),
        state("Turn to choose …", 0, Desk::new(false).does(Input::Turn(1))),
        state("… press to start", 700, Desk::new(false).does(Input::Turn(1)).does(Input::Press)),
        state("An hour and a half later", 2000, Desk::new(false).does(Input::Turn(1)).does(Input::Press).after(5400)),
        state("No network: kept on the clock", 8000, offline.after(2460)),
        state("Forgotten last night", 0, forgotten.does(Input::Press)),
        state("Several people", 0, Desk::new(true).does(badge("22")).does(Input::Press).after(60).does(badge("22"))),
        state("A badge that is not in the sheet", 0, Desk::new(true).does(badge("0008427311"))),
    ]
}

fn badge(number: &str) -> Input {
    Badge::parse(number).map_or(Input::Press, Input::Badge)
}

/// A clock on a desk where everything works.
struct Desk {
    clock: Clock,
    now: Now,
    status: Status,
}

impl Desk {
    fn new(with_people: bool) -> Self {
        let project = |name: &str, colour| Project { name: name.into(), colour };
        let person = |name: &str, badge: &str| Person { name: name.into(), badge: badge.into(), project: None };
        let roster = Roster {
            projects: vec![
                project("Website", Rgb(0, 90, 255)),
                project("Workshop", Rgb(0, 220, 60)),
                project("Garden", Rgb(255, 140, 0)),
                project("Shelves for the cellar and the attic", Rgb(160, 0, 255)),
            ],
            people: if with_people { vec![person("Anna", "11"), person("Борис", "22")] } else { Vec::new() },
        };
        let settings = Settings {
            shift: Duration::from_secs(10 * 3600),
            has_knob: true,
            has_reader: with_people,
            zone: TimeZone::get("Europe/Vienna").unwrap_or(TimeZone::UTC),
        };
        // Monday 2026-11-23, two minutes to eight in Vienna.
        let wall = Wall { unix_ms: 1_795_417_080_000, trusted: true };
        let now = Now { wall, mono: Mono::new(Duration::from_secs(60)), boot: "boot".into() };
        let clock = Clock::new(settings, Ledger::named("desk".into()), roster);
        Self { clock, now, status: signed_in() }.told()
    }

    fn told(mut self) -> Self {
        self.step(Event::Standing(Box::new(self.status.clone())));
        self
    }

    fn unapproved(mut self) -> Self {
        self.status.grant.state = GrantState::WaitingForApproval;
        self.status.grant.code = Some(Code {
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://www.google.com/device".into(),
            expires_at: When(self.now.wall.unix_ms + 29 * 60_000),
            verification_uri_complete: None,
        });
        self.told()
    }

    fn does(mut self, input: Input) -> Self {
        self.step(Event::Input(input));
        self
    }

    fn after(mut self, seconds: u64) -> Self {
        self.now.wall.unix_ms += seconds as i64 * 1000;
        self.now.mono = self.now.mono + Duration::from_secs(seconds);
        self.step(Event::Tick);
        self.told()
    }

    fn step(&mut self, event: Event) {
        let mut effects = self.clock.step(&self.now, event);
        while !effects.is_empty() {
            let effect = effects.remove(0);
            let answer = match effect {
                Effect::Keep(_) => Event::Kept,
                Effect::Hand(Handing::Record { name, .. }) => Event::Handed(name),
                Effect::Hand(Handing::Amend { id, .. }) => Event::Handed(id),
                Effect::Refresh | Effect::Log(_) => continue,
            };
            effects.extend(self.clock.step(&self.now, answer));
        }
    }
}

const ACROSS: usize = 3;
const CELL: (usize, usize) = (400, 268);

/// All states on one sheet.
fn sheet(states: &[State]) -> String {
    let (width, height) = (CELL.0 * ACROSS, CELL.1 * states.len().div_ceil(ACROSS));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"DejaVu Sans, Helvetica, sans-serif\">\n{DEFS}<rect width=\"100%\" height=\"100%\" fill=\"#e9e6e0\"/>\n"
    );
    for (at, state) in states.iter().enumerate() {
        let (x, y) = (at % ACROSS * CELL.0, at / ACROSS * CELL.1);
        _ = writeln!(svg, "<g transform=\"translate({x} {y})\">{}</g>", gadget(state));
    }
    svg + "</svg>\n"
}

const DEFS: &str = "<defs>\
<linearGradient id=\"wood\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1\"><stop offset=\"0\" stop-color=\"#c79b62\"/>\
<stop offset=\"1\" stop-color=\"#a87a45\"/></linearGradient>\
<linearGradient id=\"glass\" x1=\"0\" y1=\"0\" x2=\"1\" y2=\"1\"><stop offset=\"0\" stop-color=\"#20252c\"/>\
<stop offset=\".45\" stop-color=\"#0a0c10\"/><stop offset=\"1\" stop-color=\"#05060a\"/></linearGradient>\
<radialGradient id=\"cap\" cx=\".38\" cy=\".32\" r=\".8\"><stop offset=\"0\" stop-color=\"#6a6e75\"/>\
<stop offset=\".6\" stop-color=\"#2c2f34\"/><stop offset=\"1\" stop-color=\"#15171a\"/></radialGradient>\
<filter id=\"soft\" x=\"-50%\" y=\"-50%\" width=\"200%\" height=\"200%\"><feGaussianBlur stdDeviation=\"9\"/></filter>\
<filter id=\"shade\" x=\"-20%\" y=\"-20%\" width=\"140%\" height=\"160%\"><feGaussianBlur stdDeviation=\"6\"/></filter>\
</defs>\n";

/// The box from the front: glass on the left, light and knob on the right, and what it is doing below.
fn gadget(state: &State) -> String {
    let view = state.clock.clock.view(&state.clock.now);
    let light = colour_at(view.light, state.ago);
    let frame = render(&view.screen, Geometry::OLED_128X32, state.ago);
    let mut svg = String::from(
        "<rect x=\"32\" y=\"40\" width=\"344\" height=\"170\" rx=\"14\" fill=\"#000\" opacity=\".35\" filter=\"url(#shade)\"/>\
         <rect x=\"28\" y=\"30\" width=\"344\" height=\"170\" rx=\"14\" fill=\"url(#wood)\"/>\
         <path d=\"M36 66q160 -10 328 4M36 104q170 8 328 -6M36 150q150 -8 328 6\" stroke=\"#8a6236\" stroke-opacity=\".35\" \
         fill=\"none\"/><rect x=\"44\" y=\"66\" width=\"226\" height=\"82\" rx=\"5\" fill=\"#1b1e23\"/>\
         <rect x=\"50\" y=\"72\" width=\"214\" height=\"70\" rx=\"2\" fill=\"url(#glass)\"/>",
    );
    _ = write!(
        svg,
        "<g transform=\"translate(56.2 80.4) scale(1.575 1.66)\"><path d=\"{}\" stroke=\"#cfeaff\" stroke-width=\".9\"/></g>",
        dots(&frame)
    );
    svg.push_str(&lamp(light));
    // The knob points where it was turned to.
    let turn = match view.light {
        Light::Idle | Light::Starting => -40,
        _ => 25,
    };
    _ = write!(
        svg,
        "<ellipse cx=\"324\" cy=\"144\" rx=\"31\" ry=\"30\" fill=\"#000\" opacity=\".4\" filter=\"url(#shade)\"/>\
         <circle cx=\"322\" cy=\"138\" r=\"29\" fill=\"url(#cap)\" stroke=\"#101214\"/>\
         <circle cx=\"322\" cy=\"138\" r=\"21\" fill=\"none\" stroke=\"#777b82\" stroke-opacity=\".5\"/>\
         <path d=\"M322 138v-24\" stroke=\"#e8e8e8\" stroke-width=\"3\" stroke-linecap=\"round\" \
         transform=\"rotate({turn} 322 138)\"/>\
         <text x=\"200\" y=\"236\" text-anchor=\"middle\" font-size=\"15\" fill=\"#3a3630\">{}</text>",
        state.name
    );
    svg
}

/// The light in its bezel, and its glow on the wood.
fn lamp(Rgb(red, green, blue): Rgb) -> String {
    let strongest = red.max(green).max(blue);
    let glow = f32::from(strongest) / 255.0;
    // What an eye sees of a light: its hue in full, and how much of it as a glow.
    let full = |level: u8| (u32::from(level) * 255 / u32::from(strongest.max(1))) as u8;
    let hue = format!("rgb({},{},{})", full(red), full(green), full(blue));
    format!(
        "<circle cx=\"322\" cy=\"72\" r=\"24\" fill=\"{hue}\" opacity=\"{:.2}\" filter=\"url(#soft)\"/>\
         <circle cx=\"322\" cy=\"72\" r=\"12\" fill=\"#d9d4c8\" stroke=\"#6d5a3c\" stroke-width=\"1.5\"/>\
         <circle cx=\"322\" cy=\"72\" r=\"10\" fill=\"{hue}\" opacity=\"{:.2}\"/>\
         <circle cx=\"318\" cy=\"68\" r=\"3\" fill=\"#fff\" opacity=\".55\"/>",
        glow * 0.8,
        0.15 + glow * 0.85
    )
}

/// Every run of lit dots as a stroke.
fn dots(frame: &Frame) -> String {
    let bitmap = frame.to_bitmap();
    let mut path = String::new();
    for y in 0..i32::from(bitmap.height()) {
        let mut x = 0;
        while x < i32::from(bitmap.width()) {
            let run = (x..i32::from(bitmap.width())).take_while(|x| bitmap.is_lit(*x, y)).count() as i32;
            if run > 0 {
                _ = write!(path, "M{x} {y}.5h{run}");
            }
            x += run.max(1);
        }
    }
    path
}
