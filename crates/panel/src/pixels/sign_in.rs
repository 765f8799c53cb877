//! The sign-in screen: the ladder that a code and its address climb down until they fit.

use super::{Glass, Lines, TALL, overflow, reading_time};
use crate::fonts::{FOR_CODES, Font, SIZE_5X8, SIZE_6X10};
use crate::frame::{Area, Bitmap};
use crate::moment::{DOT, scroll_round};
use crate::qr::Qr;
use crate::screen::SignIn;
use crate::text::{self, exact, prose, wrap_address_within};

/// The least side of a QR code with its quiet zone: 29 modules of two dots and three dots around.
const QR_SIDE: i32 = 64;
/// Between the lines of a code, and between blocks.
const GAP: i32 = 2;

impl Glass<'_> {
    pub(super) fn sign_in(&mut self, all: Area, sign_in: &SignIn) {
        let Some(minutes) = self.moment.minutes_until(sign_in.time_left) else {
            return self.headed("Code expired", "waiting for a new one", all);
        };
        let (code, address) = (exact(&sign_in.code), exact(&sign_in.address));
        let side = all.height.min(all.width / 2);
        if side >= QR_SIDE {
            let beside = Area { x: side + 3, width: all.width - side - 3, ..all };
            // A QR code is a convenience; the code and the address in full beside it are the duty
            // (RFC 8628 section 3.3.1), so it stays away where they would have to move.
            if let (Some(qr), Some(plan)) = (Qr::of(sign_in), Plan::still(&code, &address, beside)) {
                let y = all.y + (all.height - side) / 2;
                qr.draw(&mut self.dots, Area { y, width: side, height: side, ..all });
                return self.draw_plan(&plan, beside, &code, minutes, sign_in, "scan or type");
            }
        }
        let plan = Plan::still(&code, &address, all).unwrap_or_else(|| Plan::moving(&code, &address, all));
        self.draw_plan(&plan, all, &code, minutes, sign_in, "Open on your phone:");
    }

    fn draw_plan(&mut self, plan: &Plan, area: Area, code: &str, minutes: u64, sign_in: &SignIn, words: &str) {
        let reason = sign_in.reason.as_deref().map(prose);
        let words: Vec<&str> = [Some(words), reason.as_deref()].into_iter().flatten().collect();
        let below = Area { height: plan.footer(), y: area.bottom() - plan.footer(), ..area };
        let above = Area { height: plan.address.height(), ..area };
        if area.height >= TALL {
            let left = format!("{} left", text::minutes(minutes));
            self.in_turn(SIZE_5X8, below, &[&[left.as_str()], &*words].concat());
            self.address(&plan.address, above);
        } else {
            self.address_in_turn(&plan.address, above, &words);
        }
        let mut middle = Area { y: above.bottom(), height: below.y - above.bottom(), ..area };
        if area.height < TALL {
            let beside = MinutesBeside::of(minutes);
            middle.width -= MinutesBeside::WIDEST + GAP;
            beside.draw(&mut self.dots, Area { x: middle.right() + GAP, width: MinutesBeside::WIDEST, ..middle });
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
    fn address_in_turn(&mut self, address: &Lines, area: Area, words: &[&str]) {
        let overflow = address.lines.iter().map(|line| overflow(address.font, line, area.width)).max().unwrap_or(0);
        let mut slots = vec![scroll_round(overflow, DOT) * 2];
        slots.extend(words.iter().map(|words| reading_time(SIZE_6X10, words, area.width)));
        let (slot, moment) = self.moment.slot(&slots);
        self.at(moment, |glass| match slot.checked_sub(1) {
            None => glass.address(address, area),
            Some(at) => glass.line(SIZE_6X10, words[at], area),
        });
    }
}

/// A code that has found its place.
enum Code {
    Still { font: Font, lines: Vec<String> },
    Pages { font: Font, pages: Vec<String> },
    Scroll { font: Font },
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
        let wrapped =
            [(SIZE_6X10, 2), (SIZE_5X8, 2), (SIZE_6X10, 3), (SIZE_5X8, 3)].into_iter().filter_map(|(font, most)| {
                let lines = wrap_address_within(bare, font.columns(area.width), most)?;
                Some(Lines { font, lines })
            });
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
    // The cheap question first: a scrolling screen asks 32 times a second.
    let fits = |font: Font, lines: &[String]| {
        let count = lines.len() as i32;
        lines.iter().all(|line| font.width_of(line) <= width)
            && font.ink_rows(code).1 * count + GAP * (count - 1) <= height
    };
    let fonts = fonts_for(code);
    let whole = fonts.iter().map(|font| (*font, vec![code.to_owned()])).find(|(font, lines)| fits(*font, lines));
    if whole.as_ref().is_some_and(|(font, _)| font.advance() >= 10) {
        return whole;
    }
    let split = fonts
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
    let fonts = fonts_for(code);
    let low_enough = |font: &Font| font.ink_rows(code).1 <= height;
    let pages = fonts.iter().find_map(|font| {
        let pages = text::pages(code, font.columns(width))?;
        low_enough(font).then_some(Code::Pages { font: *font, pages })
    });
    // What scrolls is read best when much of it is in view: no larger than the largest font as it is.
    let calm = |font: &&Font| font.advance() <= 10 && low_enough(font);
    pages.unwrap_or_else(|| Code::Scroll { font: *fonts.iter().find(calm).unwrap_or(&SIZE_5X8) })
}

/// The fonts that have every character of the code. Where none has, all of them: a box in a large font is
/// no worse than one in a small font.
fn fonts_for(code: &str) -> Vec<Font> {
    let covering: Vec<Font> = FOR_CODES.into_iter().filter(|font| font.covers(code)).collect();
    if covering.is_empty() { FOR_CODES.to_vec() } else { covering }
}

/// The minutes in two short lines at the right of the code.
struct MinutesBeside {
    number: String,
    unit: &'static str,
}

impl MinutesBeside {
    /// Three letters of the small font.
    const WIDEST: i32 = 15;

    fn of(minutes: u64) -> Self {
        match minutes {
            0..=99 => Self { number: minutes.to_string(), unit: "min" },
            _ => Self { number: minutes.div_ceil(60).min(999).to_string(), unit: "h" },
        }
    }

    fn draw(&self, on: &mut Bitmap, area: Area) {
        let font = SIZE_5X8;
        // A low row has room for one line only: `29` without its unit would be a riddle.
        let lines = if area.height >= 2 * font.height() {
            vec![self.number.clone(), self.unit.to_owned()]
        } else {
            vec![format!("{}{}", self.number, &self.unit[..1])]
        };
        let top = area.y + (area.height - lines.len() as i32 * font.height()) / 2;
        for (line, y) in lines.iter().zip((top..).step_by(font.height() as usize)) {
            font.draw(on, line, area.right() - font.width_of(line), y, area);
        }
    }
}
