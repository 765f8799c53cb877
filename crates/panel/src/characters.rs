//! The screens on character displays.

use crate::frame::Grid;
use crate::moment::{CHARACTER, Moment, PAGE, reading, scroll_round};
use crate::screen::{Face, Queue, Screen, SignIn};
use crate::text::{self, exact, wrap, wrap_address_within};

pub(crate) fn draw(screen: &Screen, columns: u16, rows: u16, moment: Moment<'_>) -> Grid {
    let mut lcd = Lcd { grid: Grid::new(columns, rows), columns: columns.into(), rows: rows.into(), moment };
    match screen {
        Screen::SignIn(sign_in) => lcd.sign_in(sign_in),
        Screen::Connecting { to } => lcd.headed("Connecting", &plain(to)),
        Screen::Ready { title, lines, queue } => lcd.ready(&plain(title), lines, *queue),
        Screen::Attention { title, advice } => lcd.headed(&format!("! {}", plain(title)), &plain(advice)),
        Screen::Menu { items, selected, running, .. } => lcd.menu(items, *selected, *running),
        Screen::Clock { title, face, lines, queue } => lcd.clock(&plain(title), *face, lines, *queue),
        Screen::Message(message) => lcd.paragraph(0, &plain(message)),
        Screen::Blank => {}
    }
    lcd.grid
}

struct Lcd<'a> {
    grid: Grid,
    columns: usize,
    rows: usize,
    moment: Moment<'a>,
}

impl<'a> Lcd<'a> {
    fn sign_in(&mut self, sign_in: &SignIn) {
        let Some(minutes) = self.moment.minutes_until(sign_in.time_left) else {
            return self.headed("Code expired", "waiting for a new one");
        };
        let (code, address) = (exact(&sign_in.code), exact(&sign_in.address));
        let reason = sign_in.reason.as_deref().map(plain);
        let last = self.rows.saturating_sub(1);
        if self.rows < 3 {
            let short = text::minutes_short(minutes);
            let has_room = code.chars().count() + 1 + short.len() <= self.columns;
            let left = (!has_room).then(|| format!("{} left", text::minutes(minutes)));
            self.address_in_turn(&address, &[Some("Open on phone:"), left.as_deref(), reason.as_deref()]);
            return self.code(last, &code, has_room.then_some(&*short));
        }
        let bare = text::without_scheme(&address);
        let whole = [address.as_str(), bare].into_iter().find(|address| address.chars().count() <= self.columns);
        let lines = wrap_address_within(bare, self.columns, self.rows - 2);
        match (whole, lines) {
            (Some(address), _) => {
                self.line(0, "Open on your phone:");
                self.line(1, address);
            }
            (None, Some(lines)) => {
                for (row, line) in lines.iter().enumerate() {
                    self.line(row, line);
                }
            }
            (None, None) => self.line(0, bare),
        }
        self.code(last - 1, &code, None);
        let left = format!("{} left", text::minutes(minutes));
        let then = ["then type the code", "type the code"].into_iter().find(|then| then.len() <= self.columns);
        self.in_turn(last, &[Some(&left), then, reason.as_deref()]);
    }

    /// The code in its row: still, else page by page, else scrolling.
    fn code(&mut self, row: usize, code: &str, beside: Option<&str>) {
        let length = code.chars().count();
        if let Some(text) = beside {
            self.grid.write(row, 0, code);
            self.grid.write(row, self.columns - text.len(), text);
        } else if length <= self.columns {
            self.centred(row, code);
        } else if let Some(pages) = text::pages(code, self.columns) {
            let page = self.moment.page(pages.len());
            self.centred(row, &pages[page]);
        } else {
            self.line(row, code);
        }
    }

    fn address_in_turn(&mut self, address: &str, others: &[Option<&str>]) {
        let address = if address.chars().count() <= self.columns { address } else { text::without_scheme(address) };
        let others: Vec<&str> = others.iter().flatten().copied().collect();
        let mut slots = vec![scroll_round(self.overflow(address), CHARACTER) * 2];
        slots.extend(others.iter().map(|other| self.reading_time(other)));
        let (slot, moment) = self.moment.slot(&slots);
        self.at(moment, |lcd| lcd.line(0, slot.checked_sub(1).map_or(address, |other| others[other])));
    }

    fn in_turn(&mut self, row: usize, texts: &[Option<&str>]) {
        let texts: Vec<&str> = texts.iter().flatten().copied().collect();
        self.words_in_turn(row, &texts);
    }

    fn words_in_turn(&mut self, row: usize, texts: &[&str]) {
        let slots: Vec<_> = texts.iter().map(|text| self.reading_time(text)).collect();
        let (slot, moment) = self.moment.slot(&slots);
        self.at(moment, |lcd| lcd.line(row, texts.get(slot).copied().unwrap_or_default()));
    }

    /// Draws as if it were another moment: within a turn, time starts anew.
    fn at(&mut self, moment: Moment<'a>, draw: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.moment, moment);
        draw(self);
        self.moment = outer;
    }

    fn reading_time(&self, text: &str) -> std::time::Duration {
        PAGE.max(scroll_round(self.overflow(text), CHARACTER))
    }

    fn ready(&mut self, title: &str, lines: &[String], queue: Queue) {
        self.line(0, title);
        let texts: Vec<String> = lines.iter().map(|line| plain(line)).chain(text::queue(queue)).collect();
        let room = self.rows.saturating_sub(1).max(1);
        let longest = texts.iter().map(|text| self.reading_time(text)).max().unwrap_or(PAGE);
        let (page, moment) = self.moment.slot(&vec![longest; texts.len().div_ceil(room)]);
        self.at(moment, |lcd| {
            for (row, text) in texts.iter().skip(page * room).take(room).enumerate() {
                lcd.line(row + 1, text);
            }
        });
    }

    fn headed(&mut self, title: &str, text: &str) {
        self.line(0, title);
        self.paragraph(1, text);
    }

    fn clock(&mut self, title: &str, face: Face, lines: &[String], queue: Queue) {
        let figures = text::figures(face, &self.moment);
        let title = Some(title).filter(|title| !title.trim().is_empty());
        let lines: Vec<String> = lines.iter().map(|line| plain(line)).chain(text::queue(queue)).collect();
        let words: Vec<&str> = title.into_iter().chain(lines.iter().map(String::as_str)).collect();
        if self.rows < 3 {
            self.centred(self.rows.saturating_sub(1), &figures);
            if self.rows > 1 {
                self.words_in_turn(0, &words);
            }
            return;
        }
        self.line(0, title.unwrap_or_default());
        self.centred(1, &figures);
        for (row, chunk) in (2..self.rows).zip(split_evenly(&words[usize::from(title.is_some())..], self.rows - 2)) {
            self.words_in_turn(row, chunk);
        }
    }

    fn menu(&mut self, items: &[String], selected: usize, running: Option<usize>) {
        if items.is_empty() {
            return self.line(0, "nothing to choose");
        }
        let selected = selected.min(items.len() - 1);
        let first = selected.saturating_sub(self.rows / 2).min(items.len().saturating_sub(self.rows));
        for (row, item) in items.iter().enumerate().skip(first).take(self.rows) {
            if row == selected {
                self.grid.write(row - first, 0, ">");
            }
            let item = plain(item);
            // Where something runs, every line stands behind the place of its mark.
            let left = 1 + usize::from(running.is_some());
            if running == Some(row) {
                self.grid.write(row - first, 1, "*");
            }
            let overflow = item.chars().count().saturating_sub(self.columns.saturating_sub(left)) as u32;
            let gone = if row == selected { self.moment.scroll(overflow, CHARACTER) } else { 0 };
            self.grid.write(row - first, left, &item.chars().skip(gone as usize).collect::<String>());
        }
    }

    /// Text from `row` to the last one, page by page when it is longer.
    fn paragraph(&mut self, row: usize, text: &str) {
        let lines = wrap(text, self.columns);
        let rows = self.rows.saturating_sub(row).max(1);
        let slots: Vec<_> = lines.chunks(rows).map(reading).collect();
        let (page, _) = self.moment.slot(&slots);
        for (at, line) in lines.iter().skip(page * rows).take(rows).enumerate() {
            self.centred(row + at, line);
        }
    }

    /// A line that fits is centred, a longer one scrolls.
    fn line(&mut self, row: usize, text: &str) {
        let gone = self.moment.scroll(self.overflow(text), CHARACTER);
        if self.overflow(text) == 0 {
            self.centred(row, text);
        } else {
            self.grid.write(row, 0, &text.chars().skip(gone as usize).collect::<String>());
        }
    }

    fn centred(&mut self, row: usize, text: &str) {
        self.grid.write(row, self.columns.saturating_sub(text.chars().count()) / 2, text);
    }

    /// By how many characters a line is too long.
    fn overflow(&self, text: &str) -> u32 {
        text.chars().count().saturating_sub(self.columns) as u32 // Texts are cut at a few hundred.
    }
}

/// Texts over so many places, as many in each as in the next, nearly.
fn split_evenly<'t, 's>(texts: &'t [&'s str], places: usize) -> impl Iterator<Item = &'t [&'s str]> {
    texts.chunks(texts.len().div_ceil(places.max(1)).max(1))
}

/// Prose in the few characters there are.
fn plain(text: &str) -> String {
    text::lcd(&text::prose(text))
}
