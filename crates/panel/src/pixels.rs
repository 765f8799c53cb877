//! The screens on glass made of dots.

use crate::fonts::{FOR_CODES, FOR_TEXT, Font, SIZE_5X8, SIZE_6X10, SIZE_7X13_BOLD};
use crate::frame::{Area, Bitmap};
use crate::moment::{DOT, Moment, PAGE, scroll_round};
use crate::qr::Qr;
use crate::screen::{Queue, Screen, SignIn};
use crate::text::{self, exact, prose, wrap, wrap_address};

/// The side of the QR code with its quiet zone: 29 modules of two dots and three dots around.
const QR_SIDE: i32 = 64;
/// Lower glass shows the minutes beside the code instead of below it.
const TALL: i32 = 48;
/// Between the lines of a code, and between blocks.
const GAP: i32 = 2;

pub(crate) fn draw(screen: &Screen, width: u16, height: u16, moment: Moment<'_>) -> Bitmap {
    let mut glass = Glass { dots: Bitmap::new(width, height), moment };
    let all = Area { x: 0, y: 0, width: width.into(), height: height.into() };
    match screen {
        Screen::SignIn(sign_in) => glass.sign_in(all, sign_in),
        Screen::Connecting { to } => glass.headed("Connecting", &prose(to), all),
        Screen::Ready { title, lines, queue } => glass.ready(all, title, lines, *queue),
        Screen::Attention { title, advice } => glass.attention(all, &prose(title), &prose(advice)),
        Screen::Menu { title, items, selected } => glass.menu(all, &prose(title), items, *selected),
        Screen::Message(message) => glass.paragraph(&prose(message), all),
        Screen::Blank => {}
    }
    glass.dots
}

struct Glass<'a> {
    dots: Bitmap,
    moment: Moment<'a>,
}

/// Text that has found its font and its line breaks.
struct Lines {
    font: Font,
    lines: Vec<String>,
}

impl Lines {
    fn one(font: Font, text: &str) -> Self {
        Self { font, lines: vec![text.to_owned()] }
    }

    fn height(&self) -> i32 {
        self.font.height() * self.lines.len() as i32
    }
}

/// A code that has found its place.
enum Code {
    Still { font: Font, lines: Vec<String> },
    Pages { font: Font, pages: Vec<String> },
    Scroll { font: Font },
}

// The sign-in screen.
impl Glass<'_> {
    fn sign_in(&mut self, all: Area, sign_in: &SignIn) {
        let Some(minutes) = self.moment.minutes_until(sign_in.time_left) else {
            return self.headed("Code expired", "waiting for a new one", all);
        };
        let (code, address) = (exact(&sign_in.code), exact(&sign_in.address));
        if all.width >= 2 * QR_SIDE && all.height >= QR_SIDE {
            let beside = Area { x: QR_SIDE + 3, width: all.width - QR_SIDE - 3, ..all };
            // A QR code is a convenience; the code and the address in full beside it are the duty
            // (RFC 8628 section 3.3.1), so it stays away where they would have to move.
            if let (Some(qr), Some(plan)) = (Qr::of(sign_in), Plan::still(&code, &address, beside)) {
                qr.draw(&mut self.dots, Area { width: QR_SIDE, ..all });
                return self.draw_plan(&plan, beside, &code, minutes, sign_in, "scan or type");
            }
        }
        let plan = Plan::still(&code, &address, all).unwrap_or_else(|| Plan::moving(&code, &address, all));
        self.draw_plan(&plan, all, &code, minutes, sign_in, "Open on your phone:");
    }

    fn draw_plan(&mut self, plan: &Plan, area: Area, code: &str, minutes: u64, sign_in: &SignIn, words: &str) {
        let reason = sign_in.reason.as_deref().map(prose);
        let left = format!("{} left", text::minutes(minutes));
        let below = Area { height: plan.footer(), y: area.bottom() - plan.footer(), ..area };
        let above = Area { height: plan.address.height(), ..area };
        if area.height >= TALL {
            self.in_turn(SIZE_5X8, below, &[Some(&left), Some(words), reason.as_deref()]);
            self.address(&plan.address, above);
        } else {
            self.address_in_turn(&plan.address, above, &[Some(words), reason.as_deref()]);
        }
        let mut middle = Area { y: above.bottom(), height: below.y - above.bottom(), ..area };
        if area.height < TALL {
            let beside = MinutesBeside::of(minutes);
            middle.width -= beside.width() + GAP;
            beside.draw(&mut self.dots, Area { x: middle.right() + GAP, width: beside.width(), ..middle });
        }
        self.code(&plan.code, code, middle);
    }

    fn code(&mut self, shape: &Code, code: &str, area: Area) {
        match shape {
            Code::Still { font, lines } => self.code_lines(*font, lines, area),
            Code::Pages { font, pages } => {
                let page = self.moment.page(pages.len());
                self.code_lines(*font, &pages[page..=page], area);
            }
            Code::Scroll { font } => {
                let (first, ink) = font.ink_rows(code);
                let y = area.y + (area.height - ink) / 2 - first;
                self.running_line(*font, code, Area { y, height: font.height(), ..area });
            }
        }
    }

    fn code_lines(&mut self, font: Font, lines: &[String], area: Area) {
        let (first, tallest) = font.ink_rows(&lines.concat());
        let count = lines.len() as i32;
        let gap = ((area.height - tallest * count) / (count + 1)).max(0);
        let mut y = area.y + gap;
        for line in lines {
            let x = area.x + (area.width - font.width_of(line)) / 2;
            font.draw(&mut self.dots, line, x, y - first, area);
            y += tallest + gap;
        }
    }

    fn address(&mut self, address: &Lines, area: Area) {
        for (line, y) in address.lines.iter().zip((area.y..).step_by(address.font.height() as usize)) {
            self.line(address.font, line, Area { y, height: address.font.height(), ..area });
        }
    }

    /// Where there is no row for words, they take turns with the address, which has most of the time.
    fn address_in_turn(&mut self, address: &Lines, area: Area, others: &[Option<&str>]) {
        let others: Vec<&str> = others.iter().flatten().copied().collect();
        let overflow = address.lines.iter().map(|line| overflow(address.font, line, area.width)).max().unwrap_or(0);
        let mut slots = vec![scroll_round(overflow, DOT) * 2];
        slots.extend(others.iter().map(|other| self.reading_time(SIZE_6X10, other, area.width)));
        let (slot, moment) = self.moment.slot(&slots);
        let outer = std::mem::replace(&mut self.moment, moment);
        match slot.checked_sub(1) {
            None => self.address(address, area),
            Some(other) => self.line(SIZE_6X10, others[other], area),
        }
        self.moment = outer;
    }

    fn in_turn(&mut self, font: Font, area: Area, texts: &[Option<&str>]) {
        let texts: Vec<&str> = texts.iter().flatten().copied().collect();
        let slots: Vec<_> = texts.iter().map(|text| self.reading_time(font, text, area.width)).collect();
        let (slot, moment) = self.moment.slot(&slots);
        let outer = std::mem::replace(&mut self.moment, moment);
        self.line(font, texts.get(slot).copied().unwrap_or_default(), area);
        self.moment = outer;
    }

    fn reading_time(&self, font: Font, text: &str, width: i32) -> std::time::Duration {
        PAGE.max(scroll_round(overflow(font, text, width), DOT))
    }
}

/// How the parts of a sign-in share an area.
struct Plan {
    address: Lines,
    code: Code,
    area_height: i32,
}

impl Plan {
    /// Everything in full and nothing moves; among those the one with the largest code.
    fn still(code: &str, address: &str, area: Area) -> Option<Self> {
        let bare = text::without_scheme(address);
        let one_line = [(SIZE_6X10, address), (SIZE_6X10, bare), (SIZE_5X8, bare)]
            .map(|(font, text)| Lines::one(font, text))
            .into_iter()
            .filter(|lines| lines.font.width_of(&lines.lines[0]) <= area.width);
        let wrapped = [SIZE_6X10, SIZE_5X8]
            .map(|font| Lines { font, lines: wrap_address(bare, font.columns(area.width)) })
            .into_iter()
            .filter(|lines| lines.lines.len() <= 3);
        one_line
            .chain(wrapped)
            .filter_map(|address| {
                let (width, height) = Self::room_for_code(&address, area);
                let (font, lines) = standing_code(code, width, height)?;
                Some(Self { address, code: Code::Still { font, lines }, area_height: area.height })
            })
            // The first of equals: `max_by_key` would take the last.
            .reduce(|best, next| if next.code_size() > best.code_size() { next } else { best })
    }

    /// The address on one line, scrolling if it must; the code still, in pages, or scrolling.
    fn moving(code: &str, address: &str, area: Area) -> Self {
        let bare = text::without_scheme(address);
        let address_font = if area.height < 24 { SIZE_5X8 } else { SIZE_6X10 };
        let address = Lines::one(address_font, bare);
        let (width, height) = Self::room_for_code(&address, area);
        let code = match standing_code(code, width, height) {
            Some((font, lines)) => Code::Still { font, lines },
            None => moving_code(code, width, height),
        };
        Self { address, code, area_height: area.height }
    }

    fn room_for_code(address: &Lines, area: Area) -> (i32, i32) {
        let height = area.height - address.height() - GAP;
        if area.height < TALL {
            (area.width - MinutesBeside::WIDEST - GAP, height)
        } else {
            (area.width, height - SIZE_5X8.height() - GAP)
        }
    }

    fn footer(&self) -> i32 {
        if self.area_height < TALL { 0 } else { SIZE_5X8.height() }
    }

    fn code_size(&self) -> i32 {
        match &self.code {
            Code::Still { font, .. } | Code::Pages { font, .. } | Code::Scroll { font } => font.advance(),
        }
    }
}

/// The first step of the ladder: the largest font in which the code stands still. It is broken into two
/// lines, at a dash of its own, only if that makes small letters larger.
fn standing_code(code: &str, width: i32, height: i32) -> Option<(Font, Vec<String>)> {
    // The cheap questions first: a scrolling screen asks 32 times a second.
    let fits = |font: Font, lines: &[String]| {
        let count = lines.len() as i32;
        lines.iter().all(|line| font.width_of(line) <= width)
            && font.covers(code)
            && font.ink_rows(code).1 * count + GAP * (count - 1) <= height
    };
    let whole = FOR_CODES.iter().map(|font| (*font, vec![code.to_owned()])).find(|(font, lines)| fits(*font, lines));
    if whole.as_ref().is_some_and(|(font, _)| font.advance() >= 10) {
        return whole;
    }
    let split = FOR_CODES
        .iter()
        .filter_map(|font| Some((*font, text::pages(code, font.columns(width))?)))
        .find(|(font, lines)| fits(*font, lines));
    match (whole, split) {
        (Some(whole), Some(split)) if split.0.advance() > whole.0.advance() => Some(split),
        (Some(whole), _) => Some(whole),
        (None, split) => split,
    }
}

/// The other steps: page by page at the code's own dashes, else a smooth scroll.
fn moving_code(code: &str, width: i32, height: i32) -> Code {
    let low_enough = |font: &Font| font.ink_rows(code).1 <= height;
    let pages = FOR_CODES.iter().find_map(|font| {
        let pages = text::pages(code, font.columns(width))?;
        low_enough(font).then_some(Code::Pages { font: *font, pages })
    });
    // What scrolls is read best when much of it is in view: no larger than the largest font as it is.
    let calm = |font: &&Font| font.advance() <= 10 && low_enough(font);
    pages.unwrap_or_else(|| Code::Scroll { font: *FOR_CODES.iter().find(calm).unwrap_or(&SIZE_5X8) })
}

/// The minutes in two short lines at the right of the code.
struct MinutesBeside {
    number: String,
    unit: &'static str,
}

impl MinutesBeside {
    const WIDEST: i32 = 15;

    fn of(minutes: u64) -> Self {
        match minutes {
            0..=99 => Self { number: minutes.to_string(), unit: "min" },
            _ => Self { number: minutes.div_ceil(60).min(999).to_string(), unit: "h" },
        }
    }

    fn width(&self) -> i32 {
        Self::WIDEST
    }

    fn draw(&self, on: &mut Bitmap, area: Area) {
        let font = SIZE_5X8;
        // A low row has room for one line only: `29` without its unit would be a riddle.
        let lines = match area.height >= 2 * font.height() {
            true => vec![self.number.clone(), self.unit.to_owned()],
            false => vec![format!("{}{}", self.number, &self.unit[..1])],
        };
        let top = area.y + (area.height - lines.len() as i32 * font.height()) / 2;
        for (line, y) in lines.iter().zip((top..).step_by(font.height() as usize)) {
            font.draw(on, line, area.right() - font.width_of(line), y, area);
        }
    }
}

// The other screens.
impl Glass<'_> {
    fn ready(&mut self, all: Area, title: &str, lines: &[String], queue: Queue) {
        let mut texts: Vec<String> = lines.iter().map(|line| prose(line)).collect();
        texts.extend(text::queue(queue));
        let small = if all.height < TALL { SIZE_5X8 } else { SIZE_6X10 };
        let title = prose(title);
        let title_room = (all.height - small.height() * texts.len().min(2) as i32).max(small.height());
        let font = *FOR_TEXT
            .iter()
            .find(|font| font.height() <= title_room && font.width_of(&title) <= all.width)
            .or_else(|| FOR_TEXT.iter().find(|font| font.height() <= title_room && font.height() <= 13))
            .unwrap_or(&SIZE_5X8);
        self.line(font, &title, Area { height: font.height(), ..all });
        let below = Area { y: font.height() + 1, height: all.height - font.height() - 1, ..all };
        self.list(small, &texts, below);
    }

    /// Lines from the top, page by page when there are more than rows.
    fn list(&mut self, font: Font, texts: &[String], area: Area) {
        let rows = usize::try_from(area.height / font.height()).unwrap_or(0).max(1);
        let longest = texts.iter().map(|text| self.reading_time(font, text, area.width)).max().unwrap_or(PAGE);
        let (page, moment) = self.moment.slot(&vec![longest; texts.len().div_ceil(rows)]);
        let outer = std::mem::replace(&mut self.moment, moment);
        let shown = texts.iter().skip(page * rows).take(rows);
        for (text, y) in shown.zip((area.y..).step_by(font.height() as usize)) {
            self.line(font, text, Area { y, height: font.height(), ..area });
        }
        self.moment = outer;
    }

    fn attention(&mut self, all: Area, title: &str, advice: &str) {
        let font = if all.height < TALL { SIZE_6X10 } else { SIZE_7X13_BOLD };
        let bar = Area { height: font.height().min(all.height), ..all };
        let title = format!("! {title}");
        self.line(font, &title, Area { x: 2, width: all.width - 4, ..bar });
        self.dots.invert(bar);
        self.paragraph(advice, Area { y: bar.bottom() + 1, height: all.height - bar.height - 1, ..all });
    }

    fn headed(&mut self, title: &str, text: &str, all: Area) {
        let font = if font_fits(SIZE_7X13_BOLD, title, all) { SIZE_7X13_BOLD } else { SIZE_5X8 };
        let head = Area { height: font.height(), ..all };
        self.line(font, title, head);
        self.paragraph(text, Area { y: head.bottom() + 1, height: all.height - head.height - 1, ..all });
    }

    fn menu(&mut self, all: Area, title: &str, items: &[String], selected: usize) {
        let font = SIZE_6X10;
        let mut area = all;
        if all.height >= TALL {
            self.line(SIZE_7X13_BOLD, title, Area { height: 13, ..all });
            area = Area { y: 14, height: all.height - 14, ..all };
        }
        let rows = usize::try_from(area.height / font.height()).unwrap_or(0).max(1);
        if items.is_empty() {
            return self.line(font, "nothing to choose", Area { height: font.height(), ..area });
        }
        let selected = selected.min(items.len() - 1);
        // The chosen line stands in the middle, except near the ends of the list.
        let first = selected.saturating_sub(rows / 2).min(items.len().saturating_sub(rows));
        for (index, y) in (first..items.len().min(first + rows)).zip((area.y..).step_by(font.height() as usize)) {
            let row = Area { y, height: font.height(), ..area };
            let inner = Area { x: row.x + 2, width: row.width - 4, ..row };
            let item = prose(&items[index]);
            if index == selected {
                self.running_line(font, &item, inner);
                self.dots.invert(row);
            } else {
                font.draw(&mut self.dots, &item, inner.x, y, inner);
            }
        }
    }

    /// Text in the largest font in which it fits without breaking a word, centred; page by page when
    /// the smallest one is too large.
    fn paragraph(&mut self, text: &str, area: Area) {
        let whole = FOR_TEXT.iter().find_map(|font| {
            let columns = font.columns(area.width);
            let lines = wrap(text, columns);
            let fits = text::words_fit(text, columns) && font.height() * lines.len() as i32 <= area.height;
            fits.then_some(Lines { font: *font, lines })
        });
        let Lines { font, lines } = whole.unwrap_or_else(|| {
            let font = SIZE_5X8;
            let rows = usize::try_from(area.height / font.height()).unwrap_or(0).max(1);
            let lines = wrap(text, font.columns(area.width));
            let pages = lines.len().div_ceil(rows).max(1);
            let page = self.moment.page(pages);
            Lines { font, lines: lines.into_iter().skip(page * rows).take(rows).collect() }
        });
        let top = area.y + (area.height - font.height() * lines.len() as i32) / 2;
        for (line, y) in lines.iter().zip((top..).step_by(font.height() as usize)) {
            let x = area.x + (area.width - font.width_of(line)) / 2;
            font.draw(&mut self.dots, line, x, y, area);
        }
    }

    /// One line, centred when it fits and scrolling when it does not.
    fn line(&mut self, font: Font, text: &str, area: Area) {
        if overflow(font, text, area.width) == 0 {
            let x = area.x + (area.width - font.width_of(text)) / 2;
            font.draw(&mut self.dots, text, x, area.y, area);
        } else {
            self.running_line(font, text, area);
        }
    }

    /// One line from the left edge, scrolling when it is too long.
    fn running_line(&mut self, font: Font, text: &str, area: Area) {
        let gone = self.moment.scroll(overflow(font, text, area.width), DOT);
        font.draw(&mut self.dots, text, area.x - gone as i32, area.y, area);
    }
}

fn font_fits(font: Font, text: &str, area: Area) -> bool {
    font.width_of(text) <= area.width && font.height() * 2 <= area.height
}

/// By how many dots a line is too long.
fn overflow(font: Font, text: &str, width: i32) -> u32 {
    u32::try_from(font.width_of(text) - width).unwrap_or(0)
}
