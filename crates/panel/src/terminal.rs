//! The screens in a terminal: words a person reads once, and the code large enough to be read from the
//! other side of the room.
//!
//! Pure, like the rest: the caller knows how wide the terminal is, and whether it is one at all.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::fonts::{Font, SIZE_5X8, SIZE_6X10, SIZE_8X13_BOLD};
use crate::frame::{Area, Bitmap};
use crate::moment::Moment;
use crate::qr::Qr;
use crate::screen::{Queue, Screen, SignIn};
use crate::text::{self, exact, prose};

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Characters in a line. Fewer than 20 are taken as 20.
    pub columns: u16,
    /// Lines, if known: a QR code that would push the words off the screen is left out.
    pub rows: Option<u16>,
    /// What letters and blocks may be made of.
    pub charset: Charset,
    /// Whether escape sequences for colour are understood and wanted.
    pub colour: Colour,
}

/// What a terminal can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// ASCII only: no QR code, and large letters made of `#`.
    Ascii,
    /// Half blocks and all scripts.
    Unicode,
}

/// Whether colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// No escape sequence is ever written: not a terminal, `NO_COLOR`, or `TERM=dumb`. A QR code is then
    /// drawn for light letters on a dark ground; most phones read the opposite, too.
    Never,
    /// ANSI colours. A QR code is dark on light whatever the colours of the terminal.
    Ansi,
}

/// The lines that show `screen`, `elapsed` after it was first shown. Every line ends with a newline and is no
/// wider than the terminal, and the cursor is never moved.
pub fn paint(screen: &Screen, style: &Style, elapsed: Duration) -> String {
    let block = draw(screen, style, Moment::new(elapsed, &Cell::new(None)));
    let mut painted = String::new();
    for row in block {
        for span in row.0 {
            span.paint(style, &mut painted);
        }
        painted.truncate(painted.trim_end_matches(' ').len());
        painted.push('\n');
    }
    painted
}

/// When [`paint`] answers differently, on the same time line as `elapsed`; `None` when it never does.
pub fn next_change(screen: &Screen, style: &Style, elapsed: Duration) -> Option<Duration> {
    let next_change = Cell::new(None);
    draw(screen, style, Moment::new(elapsed, &next_change));
    next_change.get()
}

/// The screen in one line of ASCII without colour, for logs and pipes.
pub fn line(screen: &Screen, elapsed: Duration) -> String {
    let line = match screen {
        Screen::SignIn(sign_in) => match Moment::new(elapsed, &Cell::new(None)).minutes_until(sign_in.time_left) {
            Some(minutes) => {
                let reason = sign_in.reason.as_deref().map(|reason| format!("{}; ", prose(reason))).unwrap_or_default();
                let (address, code) = (spelled(&sign_in.address), spelled(&sign_in.code));
                format!("{reason}open {address} and type the code {code} ({} left)", text::minutes(minutes))
            }
            None => "the code has expired".to_owned(),
        },
        Screen::Connecting { to } => format!("connecting to {}", prose(to)),
        Screen::Ready { title, lines, queue } => {
            let lines = lines.iter().map(|line| prose(line)).chain(text::queue(*queue));
            [prose(title)].into_iter().chain(lines).collect::<Vec<_>>().join("; ")
        }
        Screen::Attention { title, advice } => format!("{}: {}", prose(title), prose(advice)),
        Screen::Clock { title, face, lines, queue } => {
            let figures = text::figures(*face, &Moment::new(elapsed, &Cell::new(None)));
            let lines = lines.iter().map(|line| prose(line)).chain(text::queue(*queue));
            let title = Some(prose(title)).filter(|title| !title.is_empty());
            title.into_iter().chain([figures]).chain(lines).collect::<Vec<_>>().join("; ")
        }
        Screen::Menu { title, items, selected, .. } => {
            let chosen = items.get(*selected).or(items.last()).map_or("nothing", String::as_str);
            format!("{}: {}", prose(title), prose(chosen))
        }
        Screen::Message(message) => prose(message),
        Screen::Blank => String::new(),
    };
    text::ascii(&line).replace(text::UNKNOWN_IN_ASCII, "?")
}

/// Left of all text.
const INDENT: &str = "  ";
/// Light modules around a QR code. The standard asks for four; two are enough on a screen, where nothing
/// else is printed near it.
const QUIET: i32 = 2;
/// Between a QR code and the words beside it.
const GUTTER: usize = 3;
/// Words in fewer columns than this are not put beside a QR code.
const NARROWEST_WORDS: usize = 36;

fn draw(screen: &Screen, style: &Style, moment: Moment<'_>) -> Vec<Row> {
    let page = Page { columns: usize::from(style.columns).max(20) - INDENT.len(), style };
    let rows = match screen {
        Screen::SignIn(sign_in) => page.sign_in(sign_in, moment),
        Screen::Connecting { to } => page.text(&format!("Connecting to {} ...", prose(to)), Ink::Plain),
        Screen::Ready { title, lines, queue } => page.ready(title, lines, *queue),
        Screen::Attention { title, advice } => {
            let mut rows = page.text(&format!("! {}", prose(title)), Ink::Warning);
            rows.extend(page.text(&prose(advice), Ink::Plain));
            rows
        }
        Screen::Menu { title, items, selected, running } => page.menu(title, items, *selected, *running),
        Screen::Clock { title, face, lines, queue } => {
            let mut rows = page.text(&prose(title), Ink::Strong);
            let figures = text::figures(*face, &moment);
            let large = page.large(&figures);
            let fits = style.rows.is_none_or(|limit| large.len() + lines.len() + 4 < usize::from(limit));
            rows.extend(if large.is_empty() || !fits { page.text(&figures, Ink::Strong) } else { large });
            rows.push(Row::default());
            rows.extend(lines.iter().flat_map(|line| page.text(&prose(line), Ink::Plain)));
            rows.extend(text::queue(*queue).into_iter().flat_map(|line| page.text(&line, Ink::Faint)));
            rows
        }
        Screen::Message(message) => page.text(&prose(message), Ink::Plain),
        Screen::Blank => vec![],
    };
    rows.into_iter().map(|row| row.after(INDENT)).collect()
}

/// The width that is left, and the means to fill it.
struct Page<'a> {
    columns: usize,
    style: &'a Style,
}

impl Page<'_> {
    /// The richest form that the terminal has room for: QR code beside the words, above them, or none.
    fn sign_in(&self, sign_in: &SignIn, moment: Moment<'_>) -> Vec<Row> {
        let Some(minutes) = moment.minutes_until(sign_in.time_left) else {
            return self.text("The code has expired.", Ink::Plain);
        };
        let qr = Some(self.style.charset).filter(|charset| *charset == Charset::Unicode).and_then(|_| Qr::of(sign_in));
        let fits = |rows: &Vec<Row>| self.style.rows.is_none_or(|limit| rows.len() < usize::from(limit));
        let with_qr = qr.map(|qr| qr_rows(&qr)).and_then(|qr| {
            let width = qr[0].width() + GUTTER;
            if self.columns >= width + NARROWEST_WORDS {
                let beside = Page { columns: self.columns - width, ..*self };
                let (words, letters) = (beside.instructions(sign_in, minutes), beside.large(&sign_in.code));
                let below = if letters.is_empty() { self.large(&sign_in.code) } else { vec![] };
                let mut rows = side_by_side(qr, words, letters);
                rows.extend(below);
                Some(rows)
            } else if self.columns >= width {
                let words = self.instructions(sign_in, minutes);
                Some([qr, vec![Row::default()], words, self.large(&sign_in.code)].concat())
            } else {
                None
            }
        });
        with_qr.filter(fits).unwrap_or_else(|| {
            let words = self.instructions(sign_in, minutes);
            let large = [words.clone(), self.large(&sign_in.code)].concat();
            if fits(&large) { large } else { words }
        })
    }

    /// RFC 8628 section 3.3: both texts, and words that say what to do with them.
    fn instructions(&self, sign_in: &SignIn, minutes: u64) -> Vec<Row> {
        let mut rows = vec![];
        if let Some(reason) = &sign_in.reason {
            rows.extend(self.text(&prose(reason), Ink::Warning));
            rows.push(Row::default());
        }
        rows.extend(self.text("On your phone or computer, open", Ink::Plain));
        rows.extend(self.exact(&sign_in.address));
        rows.extend(self.text("and type this code:", Ink::Plain));
        rows.extend(self.exact(&sign_in.code));
        rows.extend(self.text(&format!("Waiting for you; {} left.", text::minutes(minutes)), Ink::Faint));
        rows
    }

    /// The code in letters of several lines; none when not even the smallest fit.
    fn large(&self, code: &str) -> Vec<Row> {
        let code = exact(code);
        let fonts: &[Font] = match self.style.charset {
            Charset::Unicode => &[SIZE_8X13_BOLD, SIZE_6X10, SIZE_5X8],
            Charset::Ascii => &[SIZE_6X10, SIZE_5X8],
        };
        let columns = i32::try_from(self.columns).unwrap_or(i32::MAX);
        let fitting = fonts.iter().find(|font| font.covers(&code) && font.width_of(&code) <= columns);
        let Some(font) = fitting.filter(|_| !code.trim().is_empty()) else { return vec![] };
        let (first, height) = font.ink_rows(&code);
        let mut dots = Bitmap::new(font.width_of(&code) as u16, height as u16);
        let all = Area { x: 0, y: 0, width: font.width_of(&code), height };
        font.draw(&mut dots, &code, 0, -first, all);
        let art = match self.style.charset {
            Charset::Unicode => dots.to_string(),
            Charset::Ascii => hashes(&dots),
        };
        let blank = [Row::default()];
        blank.into_iter().chain(art.lines().map(|line| Row::of(line, Ink::Strong))).collect()
    }

    fn ready(&self, title: &str, lines: &[String], queue: Queue) -> Vec<Row> {
        let mut rows = self.text(&prose(title), Ink::Strong);
        rows.extend(lines.iter().flat_map(|line| self.text(&prose(line), Ink::Plain)));
        rows.extend(text::queue(queue).into_iter().flat_map(|line| self.text(&line, Ink::Faint)));
        rows
    }

    /// As much of the list as the terminal has lines for, around the chosen one.
    fn menu(&self, title: &str, items: &[String], selected: usize, running: Option<usize>) -> Vec<Row> {
        let selected = selected.min(items.len().saturating_sub(1));
        let mut rows = self.text(&prose(title), Ink::Strong);
        let room =
            self.style.rows.map_or(items.len(), |limit| usize::from(limit).saturating_sub(rows.len() + 1).max(1));
        let first = selected.saturating_sub(room / 2).min(items.len().saturating_sub(room));
        let inner = Page { columns: self.columns.saturating_sub(4), ..*self };
        for (index, item) in items.iter().enumerate().skip(first).take(room) {
            let (chosen, ink) = if index == selected { (">", Ink::Strong) } else { (" ", Ink::Plain) };
            let runs = if running == Some(index) { "*" } else { " " };
            let item = inner.text(&prose(item), ink).into_iter().next().unwrap_or_default();
            rows.push(item.after(&format!("{chosen} {runs} ")));
        }
        rows
    }

    /// Prose, broken at spaces.
    fn text(&self, text: &str, ink: Ink) -> Vec<Row> {
        let text = match self.style.charset {
            Charset::Unicode => text.to_owned(),
            Charset::Ascii => text::ascii(text).replace(text::UNKNOWN_IN_ASCII, "?"),
        };
        text::wrap_by(&text, self.columns, columns_of).iter().map(|line| Row::of(line, ink)).collect()
    }

    /// A code or an address, set off by space.
    fn exact(&self, text: &str) -> Vec<Row> {
        let text = match self.style.charset {
            Charset::Unicode => exact(text),
            Charset::Ascii => spelled(text),
        };
        let columns = self.columns.saturating_sub(INDENT.len());
        let fits = text.width() <= columns;
        // Half the columns, should every character be a wide one.
        let lines =
            if fits { vec![text] } else { text::wrap_address(&text, columns / if text.is_ascii() { 1 } else { 2 }) };
        let lines = lines.iter().map(|line| Row::of(line, Ink::Strong).after(INDENT));
        [Row::default()].into_iter().chain(lines).chain([Row::default()]).collect()
    }
}

/// A text that must not be altered, in ASCII: other characters by their number, so that none is taken for another.
fn spelled(text: &str) -> String {
    exact(text).chars().fold(String::new(), |mut spelled, c| {
        match c {
            ' '..='~' => spelled.push(c),
            c => write!(spelled, "{}", c.escape_unicode()).unwrap_or_default(), // Strings take everything.
        }
        spelled
    })
}

fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

fn hashes(dots: &Bitmap) -> String {
    let row = |y| (0..i32::from(dots.width())).map(|x| if dots.is_lit(x, y) { '#' } else { ' ' }).collect::<String>();
    (0..i32::from(dots.height())).map(|y| row(y) + "\n").collect()
}

/// Two rows of modules in a line of half blocks, dark modules lit.
fn qr_rows(qr: &Qr) -> Vec<Row> {
    let side = -QUIET..qr.modules() + QUIET;
    side.clone()
        .step_by(2)
        .map(|y| {
            // Below the last row of an odd number is ground, which must look like the quiet zone.
            let line: String = side
                .clone()
                .map(|x| match (qr.is_dark(x, y), qr.is_dark(x, y + 1)) {
                    (false, false) => ' ',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (true, true) => '█',
                })
                .collect();
            Row::of(&line, Ink::Qr)
        })
        .collect()
}

/// The QR code left, and right of it words and, below them, large letters.
fn side_by_side(left: Vec<Row>, words: Vec<Row>, letters: Vec<Row>) -> Vec<Row> {
    let width = left.first().map_or(0, Row::width) + GUTTER;
    let mut right = [words, letters].concat();
    let top = left.len().saturating_sub(right.len()) / 2;
    right.splice(0..0, std::iter::repeat_n(Row::default(), top));
    let rows = left.len().max(right.len());
    let left = left.into_iter().map(Some).chain(std::iter::repeat(None));
    let right = right.into_iter().map(Some).chain(std::iter::repeat(None));
    left.zip(right)
        .take(rows)
        .map(|(left, right)| {
            let left = left.unwrap_or_default();
            let gap = Span { text: " ".repeat(width - left.width()), ink: Ink::Plain };
            Row([left.0, vec![gap], right.unwrap_or_default().0].concat())
        })
        .collect()
}

/// A line of the block.
#[derive(Clone, Default)]
struct Row(Vec<Span>);

#[derive(Clone)]
struct Span {
    text: String,
    ink: Ink,
}

#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Strong,
    Faint,
    Warning,
    Qr,
}

impl Row {
    fn of(text: &str, ink: Ink) -> Self {
        Self(vec![Span { text: text.to_owned(), ink }])
    }

    fn after(mut self, lead: &str) -> Self {
        if !self.0.is_empty() {
            self.0.insert(0, Span { text: lead.to_owned(), ink: Ink::Plain });
        }
        self
    }

    fn width(&self) -> usize {
        self.0.iter().map(|span| span.text.width()).sum()
    }
}

impl Span {
    fn paint(&self, style: &Style, on: &mut String) {
        let colour = match (self.ink, style.colour) {
            (Ink::Qr, Colour::Never) => return on.push_str(&exchanged(&self.text)),
            (Ink::Plain, _) | (_, Colour::Never) => return on.push_str(&self.text),
            (Ink::Strong, Colour::Ansi) => "1",
            (Ink::Faint, Colour::Ansi) => "2",
            (Ink::Warning, Colour::Ansi) => "1;33",
            // Black and white of the 256-colour cube: themes redefine the first sixteen.
            (Ink::Qr, Colour::Ansi) => "38;5;16;48;5;231",
        };
        on.push_str("\x1b[");
        on.push_str(colour);
        on.push('m');
        on.push_str(&self.text);
        on.push_str("\x1b[0m");
    }
}

/// Lit for dark and dark for lit.
fn exchanged(blocks: &str) -> String {
    blocks
        .chars()
        .map(|c| match c {
            ' ' => '█',
            '▀' => '▄',
            '▄' => '▀',
            _ => ' ',
        })
        .collect()
}
