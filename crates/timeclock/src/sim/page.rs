//! What the simulator's terminal shows, as lines: pure, so that a test can look at it.

use super::glass::{self, Dots};
use crate::twin::{Said, Standing};

/// Everything there is to see.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) glass: Said,
    pub(super) light: (u8, u8, u8),
    pub(super) standing: Standing,
    /// Where the knob points, in detents.
    pub(super) knob: i32,
    pub(super) pressed: bool,
    pub(super) is_on: bool,
    /// `None`: an emulator that is not ours to switch.
    pub(super) google: Option<bool>,
    pub(super) address: String,
    pub(super) badge: String,
    /// What happened last.
    pub(super) line: String,
    pub(super) by_hand: bool,
    pub(super) colour: bool,
}

/// Beside the glass: the light and the knob.
const SIDE: usize = 12;
/// Besides the glass, from top to bottom: the title, the frame's two lines, and six of words.
const WORDS: usize = 9;

/// The page's lines, none wider than the terminal.
pub(super) fn lines(page: &Page, columns: usize, rows: usize) -> Vec<String> {
    let (width, height) = match &page.glass {
        Said::Dots { width, rows } => (usize::from(*width), rows.len()),
        _ => (0, 0),
    };
    let room = (columns.saturating_sub(SIDE + 2), rows.saturating_sub(WORDS));
    let dots = Dots::that_fit(width, height, room.0, room.1);
    let glass = glass::lines(&page.glass, dots);
    let inside = glass.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut lines = vec![title(page)];
    let rule = "─".repeat(inside);
    lines.push(format!("╭{rule}╮"));
    lines.extend(glass.iter().map(|line| format!("│{}│", page.lit(line))));
    lines.push(format!("╰{rule}╯"));
    for (line, beside) in lines[1..].iter_mut().zip(side(page)) {
        line.push_str("  ");
        line.push_str(&beside);
    }
    // A glass that is lower than the knob beside it.
    let shown = lines.len() - 1;
    lines.extend(side(page).into_iter().skip(shown).map(|beside| format!("{:1$}{beside}", "", inside + 4)));
    lines.extend(words(page, columns).into_iter().map(|line| cut(&line, columns)));
    lines
}

fn title(page: &Page) -> String {
    let switch =
        |name: &str, on: bool| format!("{name} {}", if on { page.ink("32", "on") } else { page.ink("31", "OFF") });
    let google = match page.google {
        Some(up) => switch("Google", up),
        None => "Google is yours to switch".into(),
    };
    format!("{}   {}   {google}", page.ink("1", "timeclock --sim"), switch("power", page.is_on))
}

/// The light above the knob.
fn side(page: &Page) -> Vec<String> {
    let light = |text: &str| match page.colour {
        true => format!("\x1b[38;2;{};{};{}m{text}\x1b[0m", page.light.0, page.light.1, page.light.2),
        false => text.to_owned(),
    };
    let (red, green, blue) = page.light;
    // One of eight directions, eight detents to a turn.
    let pointer = ['↑', '↗', '→', '↘', '↓', '↙', '←', '↖'][page.knob.rem_euclid(8) as usize];
    let cap = if page.pressed { page.ink("7", &format!(" {pointer} ")) } else { format!(" {pointer} ") };
    vec![
        format!("  {}", light("▄██▄")),
        format!("  {}", light("▀██▀")),
        format!("  #{red:02x}{green:02x}{blue:02x}"),
        String::new(),
        " ╭─────╮".into(),
        format!(" │ {cap} │"),
        " ╰─────╯".into(),
    ]
}

fn words(page: &Page, columns: usize) -> Vec<String> {
    let standing = &page.standing;
    let rows = |number: u64| if number == 1 { "1 row waits".to_owned() } else { format!("{number} rows wait") };
    let queue = match (standing.waiting, standing.set_aside) {
        (0, 0) if standing.sheet.is_some() => "all rows are in the sheet".to_owned(),
        (0, 0) => "nothing recorded yet".to_owned(),
        (waiting, 0) => format!("{}, safe on the device", rows(waiting)),
        (waiting, aside) => format!("{}, {aside} set aside", rows(waiting)),
    };
    let sheet = match (&standing.code, &standing.sheet) {
        (Some((code, address)), _) if page.by_hand => format!("sign in: open {address} and type {code}  (or key a)"),
        (Some((code, _)), _) => format!("its owner types {code} on a phone and allows it …"),
        // It was made when the emulator had another port, perhaps.
        (None, Some(url)) => match url.split_once("/spreadsheets/") {
            Some((_, rest)) => {
                let whole = format!("sheet {}/spreadsheets/{rest}", page.address.trim_end_matches('/'));
                // A part of an address leads nowhere: then that of the page that lists the sheets.
                if whole.chars().count() <= columns { whole } else { format!("sheet, listed at {}", page.address) }
            }
            None => format!("sheet {url}"),
        },
        (None, None) => format!("Google is {}", page.address),
    };
    let badge = if page.badge.is_empty() { String::new() } else { format!("badge {}_  Enter holds it up", page.badge) };
    vec![
        sheet,
        queue,
        page.line.clone(),
        badge,
        page.ink("2", "← → turn   Enter press   digits Enter badge   + name that badge   Esc hold"),
        page.ink("2", "g Google off/on   p pull the plug   s sort the sheet   q quit"),
    ]
}

impl Page {
    fn ink(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn lit(&self, text: &str) -> String {
        if self.colour { format!("\x1b[48;2;8;10;14m\x1b[38;2;190;225;255m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// At most so many letters, the last of them `…` where more would follow; escape sequences take no room, and one that was
/// begun is ended.
fn cut(line: &str, columns: usize) -> String {
    let (mut shown, mut used, mut in_escape) = (String::new(), 0, false);
    let (mut last, mut goes_on) = (0..0, false);
    for c in line.chars() {
        match (in_escape, c) {
            (true, c) => in_escape = !c.is_ascii_alphabetic(),
            (false, '\x1b') => in_escape = true,
            (false, c) if c.is_control() => continue,
            (false, _) if used == columns => {
                goes_on = true;
                continue;
            }
            (false, c) => {
                used += 1;
                last = shown.len()..shown.len() + c.len_utf8();
            }
        }
        shown.push(c);
    }
    if goes_on && used > 0 {
        shown.replace_range(last, "…");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            glass: Said::Letters(vec!["Website     0:05".into(), "since 08:01     ".into()]),
            light: (255, 128, 0),
            standing: Standing { waiting: 2, ..Standing::default() },
            knob: -1,
            pressed: false,
            is_on: true,
            google: Some(false),
            address: "http://127.0.0.1:8085/".into(),
            badge: "47".into(),
            line: "the emulator was switched off".into(),
            by_hand: false,
            colour: false,
        }
    }

    #[test]
    fn the_page_says_everything_in_few_lines() {
        let wanted = [
            "timeclock --sim   power on   Google OFF",
            "╭────────────────╮    ▄██▄",
            "│Website     0:05│    ▀██▀",
            "│since 08:01     │    #ff8000",
            "╰────────────────╯  ",
            "                     ╭─────╮",
            "                     │  ↖  │",
            "                     ╰─────╯",
            "Google is http://127.0.0.1:8085/",
            "2 rows wait, safe on the device",
            "the emulator was switched off",
            "badge 47_  Enter holds it up",
            "← → turn   Enter press   digits Enter badge   + name that badge   Esc hold",
            "g Google off/on   p pull the plug   s sort the sheet   q quit",
        ];
        assert_eq!(lines(&page(), 80, 24), wanted);
    }

    #[test]
    fn the_address_of_the_sheet_is_whole_or_that_of_the_list() {
        let mut page = page();
        let sheet = "http://127.0.0.1:8085/spreadsheets/d/".to_owned() + &"x".repeat(44);
        page.standing.sheet = Some(sheet.clone());
        assert_eq!(lines(&page, 80, 24)[8], "sheet, listed at http://127.0.0.1:8085/");
        assert_eq!(lines(&page, 100, 24)[8], format!("sheet {sheet}"));
    }

    #[test]
    fn a_line_that_goes_on_says_so() {
        assert_eq!(cut("\x1b[2mabcdef\x1b[0m", 6), "\x1b[2mabcdef\x1b[0m");
        assert_eq!(cut("\x1b[2mabcdäfg\x1b[0m", 5), "\x1b[2mabcd…\x1b[0m");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut page = Page { colour: true, line: "long ".repeat(40), ..page() };
        page.standing.sheet = Some("http://127.0.0.1:40123/spreadsheets/d/".to_owned() + &"x".repeat(44));
        for (columns, rows) in [(80, 24), (60, 20), (200, 60)] {
            for line in &lines(&page, columns, rows)[8..] {
                let bare = cut(line, 1000);
                let escapes: usize = bare
                    .split('\x1b')
                    .skip(1)
                    .map(|part| part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0) + 2)
                    .sum();
                assert!(bare.chars().count() - escapes <= columns, "{bare:?}");
            }
        }
    }
}
