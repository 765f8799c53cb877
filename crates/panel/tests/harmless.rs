//! Whatever comes from outside, on whatever glass, at whatever time: drawing never fails, stays inside its
//! lines, wakes nobody too late, and never lets a dead code stand.

use std::time::Duration;

use proptest::prelude::*;
use rowkeeper_panel::terminal::{self, Charset, Colour, Style};
use rowkeeper_panel::{Face, Frame, Geometry, Look, Queue, Screen, SignIn, UNSHOWABLE, next_change, png, render};
use unicode_width::UnicodeWidthStr;

/// Ordinary texts, long ones, and what an attacker or a bug would send.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Z0-9-]{0,20}",
        2 => "\\PC{0,30}",
        2 => prop::collection::vec(any::<char>(), 0..30).prop_map(String::from_iter),
        1 => "[a-z /.]{100,600}",
        1 => prop::sample::select(vec![
            "\x1b[2J\x1b]0;title\x07\x1b[31m".to_owned(),
            "\u{202e}gnp.exe\u{202c}\u{2066}\u{200b}\u{feff}".to_owned(),
            "e\u{301}".repeat(40) + &"\u{489}".repeat(200),
            "👩‍👩‍👧‍👦 家族 مرحبا שלום".to_owned(),
            "\0\r\n\t\u{85}\u{9b}31m".to_owned(),
            "-".repeat(300),
            "W".repeat(100_000),
        ]),
    ]
}

fn sign_in() -> impl Strategy<Value = SignIn> {
    (text(), text(), prop::option::of(text()), 0u64..4000, prop::option::of(text())).prop_map(
        |(code, address, complete_address, seconds, reason)| SignIn {
            code,
            address,
            complete_address,
            time_left: Duration::from_secs(seconds),
            reason,
        },
    )
}

fn face() -> impl Strategy<Value = Face> {
    prop_oneof![
        (0u64..400_000_000).prop_map(|ms| Face::Elapsed(Duration::from_millis(ms))),
        (0u64..90_000_000).prop_map(|ms| Face::TimeOfDay(Duration::from_millis(ms))),
        Just(Face::Elapsed(Duration::MAX)),
    ]
}

fn screen() -> impl Strategy<Value = Screen> {
    let queue = (any::<u64>(), any::<u64>()).prop_map(|(waiting, set_aside)| Queue { waiting, set_aside });
    let texts = || prop::collection::vec(text(), 0..8);
    prop_oneof![
        4 => sign_in().prop_map(Screen::SignIn),
        1 => text().prop_map(|to| Screen::Connecting { to }),
        1 => (text(), texts(), queue.clone()).prop_map(|(title, lines, queue)| Screen::Ready { title, lines, queue }),
        1 => (text(), text()).prop_map(|(title, advice)| Screen::Attention { title, advice }),
        1 => (text(), texts(), any::<usize>(), prop::option::of(0usize..9))
            .prop_map(|(title, items, selected, running)| Screen::Menu { title, items, selected, running }),
        1 => (text(), face(), texts(), queue)
            .prop_map(|(title, face, lines, queue)| Screen::Clock { title, face, lines, queue }),
        1 => text().prop_map(Screen::Message),
    ]
}

fn geometry() -> impl Strategy<Value = Geometry> {
    prop_oneof![
        prop::sample::select(vec![
            Geometry::LCD_16X2,
            Geometry::LCD_20X4,
            Geometry::OLED_128X32,
            Geometry::OLED_128X64,
            Geometry::OLED_256X64,
        ]),
        (0u16..50, 0u16..6).prop_map(|(columns, rows)| Geometry::Characters { columns, rows }),
        (0u16..200, 0u16..80).prop_map(|(width, height)| Geometry::Pixels { width, height }),
    ]
}

fn elapsed() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0u64..120_000).prop_map(Duration::from_millis),
        1 => (0u64..5000).prop_map(Duration::from_secs),
        1 => Just(Duration::MAX),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    let charset = prop::sample::select(vec![Charset::Ascii, Charset::Unicode]);
    let colour = prop::sample::select(vec![Colour::Never, Colour::Ansi]);
    (0u16..200, prop::option::of(0u16..60), charset, colour).prop_map(|(columns, rows, charset, colour)| Style {
        columns,
        rows,
        charset,
        colour,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_has_the_size_of_its_glass(screen in screen(), geometry in geometry(), elapsed in elapsed()) {
        match (render(&screen, geometry, elapsed), geometry) {
            (Frame::Characters(grid), Geometry::Characters { columns, rows }) => {
                prop_assert_eq!(grid.columns(), columns);
                prop_assert_eq!(grid.rows().len(), if columns == 0 { 0 } else { usize::from(rows) });
                let showable = |c: &char| matches!(*c, ' '..='~' | '°' | UNSHOWABLE);
                prop_assert!(grid.rows().flatten().all(showable));
            }
            (Frame::Pixels(dots), Geometry::Pixels { width, height }) => {
                prop_assert_eq!((dots.width(), dots.height()), (width, height));
            }
            _ => prop_assert!(false, "a frame of another kind"),
        }
    }

    #[test]
    fn nothing_changes_before_it_was_announced(
        screen in screen(), geometry in geometry(), elapsed in elapsed(), part in 0.0f64..1.0,
    ) {
        let now = render(&screen, geometry, elapsed);
        let until = next_change(&screen, geometry, elapsed);
        prop_assert!(until.is_none_or(|until| until > elapsed));
        let wait = until.unwrap_or(Duration::MAX) - elapsed;
        let later = elapsed + (wait.min(Duration::from_secs(100_000)).mul_f64(part));
        prop_assert!(render(&screen, geometry, later) == now, "changed at {:?} before {:?}", later, until);
    }

    #[test]
    fn a_dead_code_leaves_no_trace(alive in sign_in(), geometry in geometry(), late in elapsed(), style in style()) {
        let late = alive.time_left.saturating_add(late);
        let other = SignIn { code: "other".into(), address: "other".into(), ..alive.clone() };
        let (alive, other) = (Screen::SignIn(alive), Screen::SignIn(other));
        prop_assert!(render(&alive, geometry, late) == render(&other, geometry, late));
        prop_assert_eq!(terminal::paint(&alive, &style, late), terminal::paint(&other, &style, late));
        prop_assert_eq!(terminal::line(&alive, late), terminal::line(&other, late));
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_no_orders(screen in screen(), style in style(), elapsed in elapsed()) {
        let painted = terminal::paint(&screen, &style, elapsed);
        prop_assert!(painted.is_empty() || painted.ends_with('\n'));
        for line in painted.lines() {
            let bare = without_colour(line);
            if style.colour == Colour::Never {
                prop_assert_eq!(&bare, line);
            }
            prop_assert!(bare.chars().all(|c| !c.is_control()), "{:?}", bare);
            prop_assert!(bare.width() <= usize::from(style.columns).max(20), "{} columns: {:?}", bare.width(), bare);
            prop_assert!(style.charset == Charset::Unicode || bare.is_ascii(), "{:?}", bare);
        }
        let one = terminal::line(&screen, elapsed);
        prop_assert!(one.bytes().all(|b| (b' '..=b'~').contains(&b)), "{:?}", one);
    }

    #[test]
    fn every_picture_can_be_opened(screen in screen(), geometry in geometry(), scale in any::<u8>()) {
        let frame = render(&screen, geometry, Duration::ZERO);
        for look in [Look::Glass, Look::Bare] {
            let bytes = png(&frame, scale.min(3), look);
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            prop_assert!(reader.next_frame(&mut pixels).is_ok());
        }
    }
}

/// The line without the four colour sequences that we write ourselves.
fn without_colour(line: &str) -> String {
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[1;33m", "\x1b[38;5;16;48;5;231m"]
        .iter()
        .fold(line.to_owned(), |line, sequence| line.replace(sequence, ""))
}

/// Google's rules for devices: 15 of the widest letter and 40 characters of address, always in full.
#[test]
fn a_code_and_an_address_within_googles_limits_never_move() {
    let minute = Duration::from_secs(60);
    for length in 1..=15 {
        for address_length in [20, 29, 32, 36, 40] {
            let screen = Screen::SignIn(SignIn {
                code: "W".repeat(length),
                address: format!("https://{}", "m".repeat(address_length - 8)),
                complete_address: None,
                time_left: Duration::from_secs(1800),
                reason: None,
            });
            for geometry in [Geometry::OLED_128X32, Geometry::OLED_128X64, Geometry::OLED_256X64] {
                let mut changes = 0;
                let mut at = Duration::ZERO;
                while let Some(next) = next_change(&screen, geometry, at).filter(|next| *next <= minute) {
                    (changes, at) = (changes + 1, next);
                }
                // Words that take turns and one minute; a scroll would be hundreds.
                assert!(changes <= 24, "{changes} changes: {length} W, {address_length} on {geometry:?}");
            }
        }
    }
}
