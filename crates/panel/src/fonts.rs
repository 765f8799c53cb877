//! Letters made of dots.
//!
//! The fonts are the public-domain "misc-fixed" fonts of the X Window System, as shipped with
//! embedded-graphics: no further dependency, no licence to carry, twenty sizes of one design, and a table for
//! every part of ISO 8859, which together cover Latin, Cyrillic and Greek. Two things are added:
//! whole multiples of a font with smoothed corners, because the largest one is 10x20, and a dot in the
//! zero, because these fonts tell `0` from `O` only by its width; and a square full stop.

use embedded_graphics::{
    geometry::{OriginDimensions, Point},
    image::GetPixel,
    mono_font::{
        MonoFont, iso_8859_1, iso_8859_2, iso_8859_3, iso_8859_4, iso_8859_5, iso_8859_7, iso_8859_9, iso_8859_10,
        iso_8859_13, iso_8859_14, iso_8859_15, iso_8859_16,
    },
    pixelcolor::BinaryColor,
};

use crate::frame::{Area, Bitmap, Grid, UNSHOWABLE};

/// A font at one size. All characters are equally wide.
#[derive(Clone, Copy)]
pub(crate) struct Font {
    /// The same font for different scripts; the first that has a character draws it.
    tables: &'static [&'static MonoFont<'static>],
    /// Every dot becomes a square of this many dots, with smoothed corners.
    scale: Scale,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    One,
    Two,
    Three,
}

macro_rules! font {
    ($name:ident) => {
        Font {
            tables: &[
                &iso_8859_1::$name,
                &iso_8859_5::$name,
                &iso_8859_7::$name,
                &iso_8859_2::$name,
                &iso_8859_15::$name,
                &iso_8859_9::$name,
                &iso_8859_13::$name,
                &iso_8859_16::$name,
                &iso_8859_3::$name,
                &iso_8859_4::$name,
                &iso_8859_10::$name,
                &iso_8859_14::$name,
            ],
            scale: Scale::One,
        }
    };
}

pub(crate) const SIZE_5X8: Font = font!(FONT_5X8);
pub(crate) const SIZE_6X10: Font = font!(FONT_6X10);
pub(crate) const SIZE_7X13_BOLD: Font = font!(FONT_7X13_BOLD);
pub(crate) const SIZE_10X20: Font = font!(FONT_10X20);
// Only for codes, and those are ASCII (for Google by its own word): the other scripts would cost 90 KB.
pub(crate) const SIZE_6X13: Font = Font { tables: &[&iso_8859_1::FONT_6X13], scale: Scale::One };
pub(crate) const SIZE_7X13: Font = Font { tables: &[&iso_8859_1::FONT_7X13], scale: Scale::One };
pub(crate) const SIZE_8X13: Font = Font { tables: &[&iso_8859_1::FONT_8X13], scale: Scale::One };
pub(crate) const SIZE_8X13_BOLD: Font = Font { tables: &[&iso_8859_1::FONT_8X13_BOLD], scale: Scale::One };

/// For a code: largest first. The smallest is the smallest that is read without effort at arm's length.
pub(crate) const FOR_CODES: [Font; 11] = [
    SIZE_10X20.times(Scale::Three),
    SIZE_8X13.times(Scale::Three),
    SIZE_10X20.times(Scale::Two),
    SIZE_8X13.times(Scale::Two),
    SIZE_7X13.times(Scale::Two),
    SIZE_6X13.times(Scale::Two),
    SIZE_10X20,
    SIZE_8X13,
    SIZE_7X13,
    SIZE_6X13,
    SIZE_6X10,
];

/// For text: largest first.
pub(crate) const FOR_TEXT: [Font; 4] = [SIZE_10X20, SIZE_7X13_BOLD, SIZE_6X10, SIZE_5X8];

impl Font {
    const fn times(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }

    fn scale(self) -> i32 {
        match self.scale {
            Scale::One => 1,
            Scale::Two => 2,
            Scale::Three => 3,
        }
    }

    /// From one character to the next.
    pub(crate) fn advance(self) -> i32 {
        self.tables[0].character_size.width as i32 * self.scale()
    }

    /// From one line to the next.
    pub(crate) fn height(self) -> i32 {
        self.tables[0].character_size.height as i32 * self.scale()
    }

    pub(crate) fn width_of(self, text: &str) -> i32 {
        i32::try_from(text.chars().count()).unwrap_or(i32::MAX).saturating_mul(self.advance())
    }

    /// How many characters fit side by side.
    pub(crate) fn columns(self, width: i32) -> usize {
        usize::try_from(width / self.advance()).unwrap_or(0)
    }

    pub(crate) fn covers(self, text: &str) -> bool {
        text.chars().all(|c| self.find(c).is_some())
    }

    /// The rows that `text` really uses, as (first, count): a code of capitals needs a third less than
    /// the height of the font.
    pub(crate) fn ink_rows(self, text: &str) -> (i32, i32) {
        let inked = text.chars().fold(0u32, |inked, c| {
            let glyph = self.unscaled(c);
            (0..glyph.height).fold(inked, |inked, y| if glyph.row(y) == 0 { inked } else { inked | 1 << y })
        });
        let first = inked.trailing_zeros().min(31) as i32;
        let end = 32 - inked.leading_zeros() as i32;
        (first * self.scale(), (end - first).max(1) * self.scale())
    }

    /// Draws `text` with its upper left corner at `x`, `y`, only inside of `clip`.
    pub(crate) fn draw(self, on: &mut Bitmap, text: &str, x: i32, y: i32, clip: Area) {
        for (c, left) in text.chars().zip((x..).step_by(self.advance().unsigned_abs() as usize)) {
            if left >= clip.right() {
                return;
            }
            if left + self.advance() <= clip.x {
                continue;
            }
            let glyph = self.glyph(c);
            for dot_y in 0..glyph.height {
                let mut row = glyph.row(dot_y);
                while row != 0 {
                    let dot_x = row.trailing_zeros() as i32;
                    row &= row - 1;
                    let (x, y) = (left + dot_x, y + dot_y);
                    if (clip.x..clip.right()).contains(&x) && (clip.y..clip.bottom()).contains(&y) {
                        on.set(x, y, true);
                    }
                }
            }
        }
    }

    fn glyph(self, c: char) -> Glyph {
        let glyph = self.unscaled(c);
        match self.scale {
            Scale::One => glyph,
            Scale::Two => glyph.doubled(),
            Scale::Three => glyph.tripled(),
        }
    }

    fn unscaled(self, c: char) -> Glyph {
        let Some((table, index)) = self.find(c) else { return Glyph::empty_box(self.tables[0]) };
        let glyph = Glyph::cut_out(table, index);
        match c {
            '0' => glyph.with_dot(),
            'l' => glyph.with_tail(),
            '.' => glyph.replaced_by_stops(&[table.baseline as i32]),
            ':' => {
                let baseline = table.baseline as i32;
                glyph.replaced_by_stops(&[baseline, (baseline / 2 + 1).min(baseline - 3)])
            }
            _ => glyph,
        }
    }

    fn find(self, c: char) -> Option<(&'static MonoFont<'static>, usize)> {
        // All tables begin with ASCII, and answer for what they lack with the question mark of it.
        const UNKNOWN: usize = '?' as usize - ' ' as usize;
        if (' '..='~').contains(&c) {
            return Some((self.tables[0], c as usize - ' ' as usize));
        }
        let known = |table: &&'static MonoFont<'static>| {
            let index = table.glyph_mapping.index(c);
            (index != UNKNOWN).then_some((*table, index))
        };
        self.tables.iter().find_map(known)
    }
}

/// One character as dots, at most 32 wide.
#[derive(Clone, PartialEq, Eq)]
struct Glyph {
    width: i32,
    height: i32,
    /// The least significant bit is the leftmost dot.
    rows: Vec<u32>,
}

impl Glyph {
    fn from_fn(width: i32, height: i32, is_lit: impl Fn(i32, i32) -> bool) -> Self {
        let row = |y| (0..width.min(32)).fold(0, |row, x| row | u32::from(is_lit(x, y)) << x);
        Self { width, height, rows: (0..height).map(row).collect() }
    }

    fn cut_out(font: &MonoFont<'_>, index: usize) -> Self {
        let (width, height) = (font.character_size.width as i32, font.character_size.height as i32);
        let in_a_row = (font.image.size().width as i32 / width).max(1);
        let index = i32::try_from(index).unwrap_or(0);
        let corner = Point::new(index % in_a_row * width, index / in_a_row * height);
        Self::from_fn(width, height, |x, y| font.image.pixel(corner + Point::new(x, y)) == Some(BinaryColor::On))
    }

    /// For a character that the font lacks: something is there, and it cannot be shown.
    fn empty_box(font: &MonoFont<'_>) -> Self {
        let (width, height) = (font.character_size.width as i32, font.character_size.height as i32);
        let (right, top, bottom) = (width - 2, height / 6, font.baseline as i32);
        Self::from_fn(width, height, |x, y| {
            x <= right && (top..=bottom).contains(&y) && (x == 0 || x == right || y == top || y == bottom)
        })
    }

    /// The dots of a row as bits; none outside.
    fn row(&self, y: i32) -> u32 {
        usize::try_from(y).ok().and_then(|y| self.rows.get(y)).copied().unwrap_or(0)
    }

    fn is_lit(&self, x: i32, y: i32) -> bool {
        (0..32).contains(&x) && self.row(y) >> x & 1 == 1
    }

    /// The first and the last row with a dot.
    fn inked_rows(&self) -> Option<(i32, i32)> {
        let inked = |y: &i32| self.row(*y) != 0;
        Some(((0..self.height).find(inked)?, (0..self.height).rfind(inked)?))
    }

    /// A zero with a dot in its middle, if there is room for one that touches nothing.
    fn with_dot(mut self) -> Self {
        let Some((top, bottom)) = self.inked_rows() else { return self };
        let rows = (top + bottom) / 2..=(top + bottom + 1) / 2;
        let row = self.row(*rows.start());
        let left = row.trailing_zeros() as i32 + (row >> row.trailing_zeros()).trailing_ones() as i32;
        let right = 31 - row.leading_zeros() as i32 - (row << row.leading_zeros()).leading_ones() as i32;
        if right - left >= 2 {
            let dot = 1 << ((left + right) / 2) | 1 << ((left + right + 1) / 2);
            rows.for_each(|y| self.rows[y as usize] |= dot);
        }
        self
    }

    /// An `l` that stands on a tail to the right instead of a foot like that of `I` and `1`.
    fn with_tail(mut self) -> Self {
        let Some((top, bottom)) = self.inked_rows() else { return self };
        let middle = (top + bottom) / 2;
        let left_of_stem = (1 << self.row(middle).trailing_zeros()) - 1;
        (middle..=bottom).for_each(|y| self.rows[y as usize] &= !left_of_stem);
        // One dot longer than the foot was.
        let end = (32 - self.row(bottom).leading_zeros() as i32).min(self.width - 2);
        self.rows[bottom as usize] |= 1 << end;
        self
    }

    /// Small squares with their lower edges on these rows: the stop of the smaller fonts is a diamond, and
    /// in an address that reads as a plus.
    fn replaced_by_stops(self, bottoms: &[i32]) -> Self {
        let left = (self.width - 2) / 2;
        Self::from_fn(self.width, self.height, |x, y| {
            (left..left + 2).contains(&x) && bottoms.iter().any(|bottom| (bottom - 1..=*bottom).contains(&y))
        })
    }

    /// Scale2x (Andrea Mazzoleni): a dot is split in four, and a corner follows its two neighbours when
    /// only they agree. Diagonals come out smooth, straight strokes stay as they are.
    fn doubled(&self) -> Self {
        Self::from_fn(self.width * 2, self.height * 2, |x, y| {
            let (cx, cy) = (x / 2, y / 2);
            let (dx, dy) = (x % 2 * 2 - 1, y % 2 * 2 - 1);
            let side = self.is_lit(cx + dx, cy);
            let end = self.is_lit(cx, cy + dy);
            let far_side = self.is_lit(cx - dx, cy);
            let far_end = self.is_lit(cx, cy - dy);
            if side == end && side != far_end && end != far_side { side } else { self.is_lit(cx, cy) }
        })
    }

    /// The corners of Scale3x; its edges are left out, they make strokes of one dot ragged.
    fn tripled(&self) -> Self {
        Self::from_fn(self.width * 3, self.height * 3, |x, y| {
            let (cx, cy) = (x / 3, y / 3);
            let (dx, dy) = (x % 3 - 1, y % 3 - 1);
            if dx == 0 || dy == 0 {
                return self.is_lit(cx, cy);
            }
            let side = self.is_lit(cx + dx, cy);
            let end = self.is_lit(cx, cy + dy);
            let far_side = self.is_lit(cx - dx, cy);
            let far_end = self.is_lit(cx, cy - dy);
            if side == end && side != far_end && end != far_side { side } else { self.is_lit(cx, cy) }
        })
    }
}

/// A character display as dots: cells of 6x9, a full block for what cannot be shown.
pub(crate) fn picture_of(grid: &Grid) -> Bitmap {
    let rows = grid.rows().len() as u16;
    let mut bitmap = Bitmap::new(grid.columns().saturating_mul(6).saturating_sub(1), (rows * 9).saturating_sub(1));
    let everywhere = Area { x: 0, y: 0, width: i32::from(bitmap.width()), height: i32::from(bitmap.height()) };
    for (row, y) in grid.rows().zip((0..).step_by(9)) {
        for (c, x) in row.iter().zip((0..).step_by(6)) {
            if *c == UNSHOWABLE {
                bitmap.fill(Area { x, y, width: 5, height: 8 }, true);
            } else {
                SIZE_5X8.draw(&mut bitmap, c.encode_utf8(&mut [0; 4]), x, y, everywhere);
            }
        }
    }
    bitmap
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By how many dots two characters differ, counted at the font's own size.
    fn difference(font: Font, a: char, b: char) -> usize {
        let (a, b) = (font.glyph(a), font.glyph(b));
        let dots: u32 = a.rows.iter().zip(&b.rows).map(|(a, b)| (a ^ b).count_ones()).sum();
        dots as usize / (font.scale() * font.scale()) as usize
    }

    #[test]
    fn look_alikes_differ_in_every_font_for_codes() {
        for font in FOR_CODES {
            for pair in ["0O", "0Q", "0D", "0o", "OD", "1I", "1l", "Il", "1i", "B8", "S5", "Z2", "UV", "VY", "WM"] {
                let (a, b) = (pair.as_bytes()[0].into(), pair.as_bytes()[1].into());
                let dots = difference(font, a, b);
                // Three dots of the ten or so that make a stroke: seen at a glance, not only by comparing.
                assert!(dots >= 3, "{a} and {b} differ by {dots} dots at {}x{}", font.advance(), font.height());
            }
        }
    }

    #[test]
    fn no_two_characters_of_a_code_look_the_same() {
        for font in FOR_CODES.into_iter().chain(FOR_TEXT) {
            let glyphs: Vec<_> = (' '..='~').map(|c| (c, font.glyph(c))).collect();
            for (at, (a, glyph)) in glyphs.iter().enumerate() {
                let twin = glyphs[at + 1..].iter().find(|(_, other)| other == glyph).map(|(b, _)| b);
                assert_eq!(twin, None, "of {a} at {}x{}", font.advance(), font.height());
            }
        }
    }

    #[test]
    fn every_table_begins_with_ascii() {
        for table in FOR_CODES.into_iter().chain(FOR_TEXT).flat_map(|font| font.tables) {
            assert!((' '..='~').all(|c| table.glyph_mapping.index(c) == c as usize - ' ' as usize));
        }
    }

    #[test]
    fn text_in_latin_cyrillic_and_greek_can_be_shown() {
        for text in [
            "Příliš žluťoučký kůň úpěl ďábelské ódy",
            "Zażółć gęślą jaźń; ÆØÅ æøå ß ñ ç œ Œ",
            "Pijamalı hasta yağız şoföre çabucak güvendi",
            "Įlinkdama fechtuotojo špaga; glāžšķūņa rūķīši",
            "Съешь же ещё этих мягких французских булок, да выпей чаю",
            "Чуєш їх, доцю? Љубазни фењерџија чађавог лица",
            "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
            "21.5 °C · 3 µA ± 2 % · €5",
        ] {
            for font in FOR_TEXT {
                let missing: String = text.chars().filter(|c| font.find(*c).is_none()).collect();
                assert_eq!(missing, "", "in {text} at {}x{}", font.advance(), font.height());
            }
        }
    }

    #[test]
    fn what_a_font_lacks_is_a_box_and_never_a_blank_or_a_question_mark() {
        for font in FOR_TEXT {
            let unknown = font.glyph('倉');
            assert!(unknown.rows.iter().map(|row| row.count_ones()).sum::<u32>() > 8);
            assert!(unknown == font.glyph('\u{7}') && unknown == font.glyph(UNSHOWABLE));
            assert!(unknown != font.glyph('?'));
        }
    }
}
