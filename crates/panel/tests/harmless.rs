//! Whatever comes from outside, on whatever glass, at whatever time: drawing never fails, stays inside its
//! lines, wakes nobody too late, and never lets a dead code stand.

use std::time::Duration;

use proptest::prelude::*;
use rowkeeper_panel::terminal::{self, Charset, Colour, Style};
use rowkeeper_panel::{Face, Frame, Geometry, Look, Queue, Screen, SignIn, UNSHOWABLE, film, next_change, png, render};
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
    for length in [1, 4, 7, 8, 9, 11, 13, 15] {
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

/// The rows of a character display, without what is left and right of the words.
fn rows(frame: &Frame) -> Vec<String> {
    frame.to_string().lines().map(|row| row.trim().to_owned()).collect()
}

#[test]
fn the_longest_that_google_may_send_is_whole_on_every_character_display_and_terminal() {
    let addresses =
        ["https://accounts.google.com/o/device/abc", "https://a.example.com/bcd.efg/hij.klm.nop", "https://mmmm"]
            .map(|address| format!("{address:m<40}").chars().take(40).collect::<String>());
    let codes = ["W".repeat(15), "WWWWWWW-WWWWWWW".to_owned()];
    for (address, code) in addresses.iter().flat_map(|address| codes.iter().map(move |code| (address, code))) {
        let screen = Screen::SignIn(SignIn {
            code: code.clone(),
            address: address.clone(),
            complete_address: None,
            time_left: Duration::from_secs(1800),
            reason: None,
        });
        let bare = address.trim_start_matches("https://");
        let minute = Duration::ZERO..Duration::from_secs(60);

        for (frame, _) in film(&screen, Geometry::LCD_20X4, minute.clone()) {
            assert!(rows(&frame).contains(code), "{frame}");
            assert!(rows(&frame).concat().contains(bare), "{address} is cut:\n{frame}");
        }

        // 32 letters cannot stand on 16 columns: they scroll, every one comes by, and both ends rest.
        let narrow = film(&screen, Geometry::LCD_16X2, minute);
        assert!(narrow.iter().all(|(frame, _)| rows(frame)[1] == *code), "{code}");
        for part in bare.as_bytes().windows(16).map(|part| std::str::from_utf8(part).unwrap()) {
            let stays = narrow.iter().find(|(frame, _)| rows(frame)[0] == part).map(|(_, stays)| *stays);
            let rests = bare.starts_with(part) || bare.ends_with(part);
            let least = if rests { 1_500 } else { 250 };
            assert!(stays.is_some_and(|stays| stays >= Duration::from_millis(least)), "{part} for {stays:?}");
        }

        for (columns, rows, charset) in [
            (80, Some(24), Charset::Unicode),
            (80, Some(8), Charset::Ascii),
            (40, None, Charset::Unicode),
            (20, Some(24), Charset::Ascii),
        ] {
            let style = Style { columns, rows, charset, colour: Colour::Never };
            let painted = terminal::paint(&screen, &style, Duration::ZERO);
            let letters: String = painted.split_whitespace().collect();
            assert!(letters.contains(bare), "{columns} columns:\n{painted}");
            assert!(painted.lines().any(|line| line.trim() == code || line.trim().ends_with(code)), "\n{painted}");
        }
    }
}

/// Speeds at which text is read without haste: 30 to 40 dots a second, a rest of 1.5 to 2 seconds at both ends, pages
/// of two to three.
#[test]
fn what_moves_moves_as_it_is_read_best() {
    let within = |range: std::ops::RangeInclusive<u128>, stays: &[u128]| {
        assert!(!stays.is_empty() && stays.iter().all(|stay| range.contains(stay)), "{range:?}: {stays:?}");
    };
    let stays = |screen: &Screen, geometry, seconds| {
        let reel = film(screen, geometry, Duration::ZERO..Duration::from_secs(seconds));
        reel.into_iter().map(|(_, stays)| stays.as_millis()).collect::<Vec<_>>()
    };
    let sign_in = |code: &str| {
        Screen::SignIn(SignIn {
            code: code.into(),
            address: "https://www.google.com/device".into(),
            complete_address: None,
            time_left: Duration::from_secs(1800),
            reason: None,
        })
    };
    let items = vec!["A project whose name is longer than the glass is wide".to_owned()];
    let menu = Screen::Menu { title: "Project".into(), items, selected: 0, running: None };
    for geometry in [Geometry::OLED_128X32, Geometry::OLED_128X64] {
        let stays = stays(&menu, geometry, 30);
        // The last is cut off by the end of the film. At the start the first step belongs to the rest.
        let (rests, steps): (Vec<_>, Vec<_>) = stays[..stays.len() - 1].iter().partition(|stay| **stay > 1_000);
        within(1_500..=2_000, &rests);
        within(25..=34, &steps);
    }
    // Only the pages: the words above them take turns in a time of their own.
    let code = sign_in("ABCDEFGHIJKLM-NOPQRSTUVWXYZ");
    let mut last = (String::new(), 0);
    let mut pages = Vec::new();
    for (frame, stays) in film(&code, Geometry::LCD_16X2, Duration::ZERO..Duration::from_secs(30)) {
        let page = rows(&frame)[1].clone();
        if page == last.0 {
            last.1 += stays.as_millis();
        } else {
            pages.push(std::mem::replace(&mut last, (page, stays.as_millis())).1);
        }
    }
    within(2_000..=3_000, &pages[1..]);
}
