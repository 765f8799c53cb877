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
pub(crate) const SIZE_6X13: Font = font!(FONT_6X13);
pub(crate) const SIZE_7X13: Font = font!(FONT_7X13);
pub(crate) const SIZE_7X13_BOLD: Font = font!(FONT_7X13_BOLD);
pub(crate) const SIZE_8X13_BOLD: Font = font!(FONT_8X13_BOLD);
pub(crate) const SIZE_10X20: Font = font!(FONT_10X20);

/// For a code: largest first. The smallest is the smallest that is read without effort at arm's length.
pub(crate) const FOR_CODES: [Font; 11] = [
    SIZE_10X20.times(Scale::Three),
    SIZE_8X13_BOLD.times(Scale::Three),
    SIZE_10X20.times(Scale::Two),
    SIZE_8X13_BOLD.times(Scale::Two),
    SIZE_7X13.times(Scale::Two),
    SIZE_6X13.times(Scale::Two),
    SIZE_10X20,
    SIZE_8X13_BOLD,
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
        let glyphs: Vec<_> = text.chars().map(|c| self.glyph(c)).collect();
        let has_ink = |&y: &i32| glyphs.iter().any(|glyph| (0..glyph.width).any(|x| glyph.is_lit(x, y)));
        let first = (0..self.height()).find(has_ink).unwrap_or(0);
        let last = (0..self.height()).rfind(has_ink).unwrap_or(0);
        (first, last - first + 1)
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
            for (dot_x, dot_y) in glyph.lit() {
                let (x, y) = (left + dot_x, y + dot_y);
                if (clip.x..clip.right()).contains(&x) && (clip.y..clip.bottom()).contains(&y) {
                    on.set(x, y, true);
                }
            }
        }
    }

    fn glyph(self, c: char) -> Glyph {
        let plain = match self.find(c) {
            Some((table, index)) => {
                let glyph = Glyph::cut_out(table, index);
                match c {
                    '0' => glyph.with_dot(),
                    '.' => glyph.replaced_by_stops(&[table.baseline as i32]),
                    ':' => glyph.replaced_by_stops(&[table.baseline as i32, table.baseline as i32 / 2 + 1]),
                    _ => glyph,
                }
            }
            None => Glyph::empty_box(self.tables[0]),
        };
        match self.scale {
            Scale::One => plain,
            Scale::Two => plain.doubled(),
            Scale::Three => plain.tripled(),
        }
    }

    fn find(self, c: char) -> Option<(&'static MonoFont<'static>, usize)> {
        self.tables.iter().find_map(|table| {
            // A table answers for what it lacks with its question mark.
            let index = table.glyph_mapping.index(c);
            (c == '?' || index != table.glyph_mapping.index('?')).then_some((*table, index))
        })
    }
}

/// One character as dots.
#[derive(Clone, PartialEq, Eq)]
struct Glyph {
    width: i32,
    height: i32,
    dots: Vec<bool>,
}

impl Glyph {
    fn from_fn(width: i32, height: i32, is_lit: impl Fn(i32, i32) -> bool) -> Self {
        let dots = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| is_lit(x, y)).collect();
        Self { width, height, dots }
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
            (0..=right).contains(&x) && (top..=bottom).contains(&y) && (x == 0 || x == right || y == top || y == bottom)
        })
    }

    fn is_lit(&self, x: i32, y: i32) -> bool {
        (0..self.width).contains(&x) && (0..self.height).contains(&y) && self.dots[(y * self.width + x) as usize]
    }

    fn lit(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        (0..self.height).flat_map(move |y| (0..self.width).map(move |x| (x, y))).filter(|&(x, y)| self.is_lit(x, y))
    }

    /// A zero with a dot in its middle, if there is room for one that touches nothing.
    fn with_dot(mut self) -> Self {
        let Some(rows) = span((0..self.height).filter(|y| (0..self.width).any(|x| self.is_lit(x, *y)))) else {
            return self;
        };
        let (_, middle_rows) = middle(rows);
        let row = middle_rows.0;
        let hollow = (0..self.width).filter(|x| !self.is_lit(*x, row));
        let left = (0..self.width).find(|x| self.is_lit(*x, row));
        let right = (0..self.width).rfind(|x| self.is_lit(*x, row));
        let inside = span(hollow.filter(|x| left.is_some_and(|l| *x > l) && right.is_some_and(|r| *x < r)));
        let Some((length, middle_columns)) = inside.map(middle) else { return self };
        if length >= 3 {
            for y in middle_rows.0..=middle_rows.1 {
                for x in middle_columns.0..=middle_columns.1 {
                    self.dots[(y * self.width + x) as usize] = true;
                }
            }
        }
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

/// The first and the last.
fn span(positions: impl Iterator<Item = i32>) -> Option<(i32, i32)> {
    positions.fold(None, |span, at| Some((span.map_or(at, |(first, _)| first), at)))
}

/// The length of a span, and the one or two positions in its middle.
fn middle((first, last): (i32, i32)) -> (i32, (i32, i32)) {
    (last - first + 1, ((first + last) / 2, (first + last + 1) / 2))
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
