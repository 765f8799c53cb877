//! The screens on glass made of dots.

mod sign_in;

use std::time::Duration;

use crate::fonts::{FOR_CODES, FOR_TEXT, Font, SIZE_5X8, SIZE_6X10, SIZE_7X13_BOLD};
use crate::frame::{Area, Bitmap};
use crate::moment::{DOT, Moment, PAGE, reading, scroll_round};
use crate::screen::{Face, Queue, Screen};
use crate::text::{self, prose, wrap};

/// Lower glass has room for less at a time, and for smaller letters.
const TALL: i32 = 48;

pub(crate) fn draw(screen: &Screen, width: u16, height: u16, moment: Moment<'_>) -> Bitmap {
    let mut glass = Glass { dots: Bitmap::new(width, height), moment };
    let all = Area { x: 0, y: 0, width: width.into(), height: height.into() };
    match screen {
        Screen::SignIn(sign_in) => glass.sign_in(all, sign_in),
        Screen::Connecting { to } => glass.headed("Connecting", &prose(to), all),
        Screen::Ready { title, lines, queue } => glass.ready(all, title, lines, *queue),
        Screen::Attention { title, advice } => glass.attention(all, &prose(title), &prose(advice)),
        Screen::Menu { title, items, selected, running } => {
            glass.menu(all, &prose(title), items, *selected, *running);
        }
        Screen::Clock { title, face, lines, queue } => glass.clock(all, title, *face, lines, *queue),
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

impl<'a> Glass<'a> {
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
        let longest = texts.iter().map(|text| reading_time(font, text, area.width)).max().unwrap_or(PAGE);
        let (page, moment) = self.moment.slot(&vec![longest; texts.len().div_ceil(rows)]);
        let shown = texts.iter().skip(page * rows).take(rows);
        self.at(moment, |glass| {
            for (text, y) in shown.zip((area.y..).step_by(font.height() as usize)) {
                glass.line(font, text, Area { y, height: font.height(), ..area });
            }
        });
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

    /// The figures as large as the words around them leave room for.
    fn clock(&mut self, all: Area, title: &str, face: Face, lines: &[String], queue: Queue) {
        let figures = text::figures(face, &self.moment);
        let title = Some(prose(title)).filter(|title| !title.trim().is_empty());
        let words: Vec<String> = lines.iter().map(|line| prose(line)).chain(text::queue(queue)).collect();
        let font = if all.height < TALL { SIZE_6X10 } else { SIZE_7X13_BOLD };
        let line = Area { height: font.height().min(all.height), ..all };
        let mut middle = all;
        if all.height < TALL {
            // Room for one line of words: they take turns with the title.
            let words: Vec<&str> = title.iter().chain(&words).map(String::as_str).collect();
            if !words.is_empty() {
                self.in_turn(font, line, &words);
                middle = Area { y: line.bottom() + 1, height: all.height - line.height - 1, ..all };
            }
        } else {
            if let Some(title) = &title {
                self.line(font, title, line);
                middle = Area { y: line.bottom() + 1, height: all.height - line.height - 1, ..all };
            }
            if !words.is_empty() {
                let small = SIZE_6X10;
                middle.height -= small.height() + 1;
                let below = Area { y: middle.bottom() + 1, height: small.height(), ..all };
                self.in_turn(small, below, &words.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        let fits = |font: &&Font| font.width_of(&figures) <= middle.width && font.ink_rows(&figures).1 <= middle.height;
        let font = *FOR_CODES.iter().find(fits).unwrap_or(&SIZE_5X8);
        let (first, ink) = font.ink_rows(&figures);
        let x = middle.x + (middle.width - font.width_of(&figures)) / 2;
        font.draw(&mut self.dots, &figures, x, middle.y + (middle.height - ink) / 2 - first, middle);
    }

    fn menu(&mut self, all: Area, title: &str, items: &[String], selected: usize, running: Option<usize>) {
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
            // Where something runs, every line stands behind the place of its mark.
            let mark = if running.is_some() { font.advance() } else { 0 };
            let inner = Area { x: row.x + 2 + mark, width: row.width - 4 - mark, ..row };
            if running == Some(index) {
                self.running_mark(row.x + 2, y + 1);
            }
            let item = prose(&items[index]);
            if index == selected {
                self.running_line(font, &item, inner);
                self.dots.invert(row);
            } else {
                font.draw(&mut self.dots, &item, inner.x, y, inner);
            }
        }
    }

    /// The sign for "play", as on every recorder.
    fn running_mark(&mut self, x: i32, y: i32) {
        for (column, inset) in (x..).zip(0..4) {
            self.dots.fill(Area { x: column, y: y + inset, width: 1, height: 7 - 2 * inset }, true);
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
            let slots: Vec<_> = lines.chunks(rows).map(reading).collect();
            let (page, _) = self.moment.slot(&slots);
            Lines { font, lines: lines.into_iter().skip(page * rows).take(rows).collect() }
        });
        let top = area.y + (area.height - font.height() * lines.len() as i32) / 2;
        for (line, y) in lines.iter().zip((top..).step_by(font.height() as usize)) {
            let x = area.x + (area.width - font.width_of(line)) / 2;
            font.draw(&mut self.dots, line, x, y, area);
        }
    }

    /// Texts in one place, one after the other.
    fn in_turn(&mut self, font: Font, area: Area, texts: &[&str]) {
        let slots: Vec<_> = texts.iter().map(|text| reading_time(font, text, area.width)).collect();
        let (slot, moment) = self.moment.slot(&slots);
        self.at(moment, |glass| glass.line(font, texts.get(slot).unwrap_or(&""), area));
    }

    /// Draws as if it were another moment: within a turn, time starts anew.
    fn at(&mut self, moment: Moment<'a>, draw: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.moment, moment);
        draw(self);
        self.moment = outer;
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

/// How long a line must stay to be read: a page, or one whole scroll.
fn reading_time(font: Font, text: &str, width: i32) -> Duration {
    PAGE.max(scroll_round(overflow(font, text, width), DOT))
}
