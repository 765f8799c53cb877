//! The screens as pictures: what is drawn is compared, dot by dot, with what a person has looked at.
//!
//! The pictures are in `tests/pictures`, two dots of height in one half block. After a change that is meant,
//! `PANEL_PICTURES=write cargo test -p rowkeeper-panel --test pictures` draws them anew; look at the diff.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use rowkeeper_panel::terminal::{self, Charset, Colour, Style};
use rowkeeper_panel::{Face, Geometry, Queue, Screen, SignIn, render};

const ALL: [Geometry; 5] =
    [Geometry::LCD_16X2, Geometry::LCD_20X4, Geometry::OLED_128X32, Geometry::OLED_128X64, Geometry::OLED_256X64];
const SMALL: [Geometry; 4] = [Geometry::LCD_16X2, Geometry::LCD_20X4, Geometry::OLED_128X32, Geometry::OLED_128X64];

fn sign_in() -> SignIn {
    SignIn {
        code: "WDJB-MJHT".into(),
        address: "https://www.google.com/device".into(),
        complete_address: Some("https://www.google.com/device?user_code=WDJB-MJHT".into()),
        time_left: Duration::from_secs(1800),
        reason: None,
    }
}

/// Compares the drawn pictures with those kept under `name`.
fn assert_pictures(name: &str, drawn: &str) {
    let drawn: String = drawn.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name).with_extension("txt");
    if env::var_os("PANEL_PICTURES").is_some_and(|word| word == "write") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, drawn).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == drawn, "{} differs. Drawn now:\n{drawn}", path.display());
}

fn pictures(screen: &Screen, geometries: &[Geometry], seconds: &[f32]) -> String {
    let mut pictures = String::new();
    for geometry in geometries {
        for at in seconds {
            let size = match geometry {
                Geometry::Characters { columns, rows } => format!("{columns}x{rows} characters"),
                Geometry::Pixels { width, height } => format!("{width}x{height} dots"),
            };
            writeln!(pictures, "--- {size}, after {at} s").unwrap();
            write!(pictures, "{}", render(screen, *geometry, Duration::from_secs_f32(*at))).unwrap();
        }
    }
    pictures
}

#[test]
fn googles_usual_code() {
    assert_pictures("sign-in", &pictures(&Screen::SignIn(sign_in()), &ALL, &[0.0]));
}

#[test]
fn small_glass_tells_in_turn_what_to_do_and_why() {
    let screen = Screen::SignIn(SignIn { reason: Some("Access was withdrawn".into()), ..sign_in() });
    assert_pictures("sign-in-turns", &pictures(&screen, &SMALL[..3], &[0.0, 10.0, 13.0, 15.0]));
}

#[test]
fn the_longest_code_and_address_that_google_may_send() {
    // Google's display rules: 15 of the widest letter, and 40 characters of address.
    let screen = Screen::SignIn(SignIn {
        code: "W".repeat(15),
        address: "https://accounts.google.com/o/device/abc".into(),
        complete_address: None,
        ..sign_in()
    });
    assert_pictures("sign-in-widest", &pictures(&screen, &ALL, &[0.0]));
}

#[test]
fn characters_that_are_easily_confused() {
    let screen = Screen::SignIn(SignIn { code: "0O1Il-B8S5".into(), complete_address: None, ..sign_in() });
    let low = Geometry::Pixels { width: 256, height: 32 };
    assert_pictures("look-alikes", &pictures(&screen, &[Geometry::OLED_128X32, low], &[0.0]));
}

#[test]
fn a_code_too_long_for_one_line_comes_in_pages_and_one_without_dashes_scrolls() {
    let paged = Screen::SignIn(SignIn { code: "ABCDEFGHIJKL-MNOPQRSTUVWX".into(), ..sign_in() });
    let scrolled = Screen::SignIn(SignIn { code: "ABCDEFGHIJKLMNOPQRSTUVWXYZ".into(), ..sign_in() });
    let sizes = [Geometry::LCD_16X2, Geometry::OLED_128X32];
    assert_pictures("code-pages", &pictures(&paged, &sizes, &[0.0, 2.5]));
    assert_pictures("code-scrolls", &pictures(&scrolled, &sizes, &[0.0, 3.0, 30.0]));
}

#[test]
fn a_dead_code_is_gone() {
    assert_pictures("expired", &pictures(&Screen::SignIn(sign_in()), &SMALL, &[1800.0]));
}

#[test]
fn the_other_screens() {
    let lines = vec!["21.5 °C, door open".into(), "last row 14:03".into()];
    let ready = Screen::Ready { title: "Workshop".into(), lines, queue: Queue { waiting: 3, set_aside: 0 } };
    let items = ["Küche", "Мастерская", "Εργαστήριο", "Website", "倉庫"].map(String::from);
    let menu = Screen::Menu { title: "Project".into(), items: items.into(), selected: 1, running: Some(2) };
    let advice = "Make a new one on a computer: rowkeeper sheet new".into();
    let attention = Screen::Attention { title: "Sheet is gone".into(), advice };
    for (name, screen) in [
        ("ready", ready),
        ("menu", menu),
        ("attention", attention),
        ("connecting", Screen::Connecting { to: "www.google.com".into() }),
        ("message", Screen::Message("Goodbye, Zoë".into())),
    ] {
        assert_pictures(name, &pictures(&screen, &SMALL, &[0.0]));
    }
}

fn clock(title: &str, face: Face, lines: &[&str]) -> Screen {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Screen::Clock { title: title.into(), face, lines, queue: Queue { waiting: 2, set_aside: 0 } }
}

#[test]
fn a_time_that_runs_and_the_time_of_day() {
    let elapsed = Face::Elapsed(Duration::from_secs(3600 + 5 * 60 + 59));
    let running = clock("Küche umbauen", elapsed, &["since 08:59", "3:40 today"]);
    assert_pictures("clock-running", &pictures(&running, &ALL, &[0.0, 3.0]));
    let day = clock("", Face::TimeOfDay(Duration::from_secs(7 * 3600 + 5 * 60)), &["Monday 23 November"]);
    assert_pictures("clock-of-day", &pictures(&day, &ALL, &[0.0]));
}

#[test]
fn a_long_list_stays_on_the_terminal() {
    let items = (1..=40).map(|number| format!("Project {number}")).collect();
    let menu = Screen::Menu { title: "Project".into(), items, selected: 20, running: Some(21) };
    let style = Style { columns: 80, rows: Some(12), charset: Charset::Unicode, colour: Colour::Never };
    let running = clock("Küche", Face::Elapsed(Duration::from_secs(360_000)), &["since Monday"]);
    let drawn = terminal::paint(&menu, &style, Duration::ZERO) + &terminal::paint(&running, &style, Duration::ZERO);
    assert_pictures("terminal-clock", &drawn);
}

#[test]
fn terminals() {
    let screen = Screen::SignIn(SignIn { reason: Some("Access was withdrawn.".into()), ..sign_in() });
    let mut drawn = String::new();
    for (columns, rows, charset) in [
        (80, Some(24), Charset::Unicode),
        (120, Some(40), Charset::Unicode),
        (80, Some(16), Charset::Unicode),
        (80, Some(24), Charset::Ascii),
        (32, None, Charset::Unicode),
    ] {
        let style = Style { columns, rows, charset, colour: Colour::Never };
        writeln!(drawn, "--- {columns} columns, {rows:?} rows, {charset:?}").unwrap();
        drawn += &terminal::paint(&screen, &style, Duration::ZERO);
    }
    writeln!(drawn, "--- one line").unwrap();
    drawn += &terminal::line(&screen, Duration::ZERO);
    assert_pictures("terminal", &drawn);
}
