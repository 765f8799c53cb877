//! What is on the glass: a grid of characters or a field of dots, and their sizes.

use std::convert::Infallible;
use std::fmt;

use embedded_graphics::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Size},
    pixelcolor::BinaryColor,
};

/// The size of a display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Geometry {
    /// A character display such as an HD44780.
    Characters {
        /// Characters in a row.
        columns: u16,
        /// Rows.
        rows: u16,
    },
    /// A display of dots such as an SSD1306.
    Pixels {
        /// Dots in a row.
        width: u16,
        /// Rows of dots.
        height: u16,
    },
}

impl Geometry {
    /// The common small character display.
    pub const LCD_16X2: Self = Self::Characters { columns: 16, rows: 2 };
    /// The common larger character display.
    pub const LCD_20X4: Self = Self::Characters { columns: 20, rows: 4 };
    /// One line of an 0.91 inch OLED.
    pub const OLED_128X32: Self = Self::Pixels { width: 128, height: 32 };
    /// The 0.96 and 1.3 inch OLED.
    pub const OLED_128X64: Self = Self::Pixels { width: 128, height: 64 };
    /// The wide 2.4 to 3.1 inch OLED.
    pub const OLED_256X64: Self = Self::Pixels { width: 256, height: 64 };
}

/// A finished picture of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// For character displays.
    Characters(Grid),
    /// For displays of dots.
    Pixels(Bitmap),
}

impl Frame {
    /// A frame with nothing on it.
    pub fn blank(geometry: Geometry) -> Self {
        match geometry {
            Geometry::Characters { columns, rows } => Self::Characters(Grid::new(columns, rows)),
            Geometry::Pixels { width, height } => Self::Pixels(Bitmap::new(width, height)),
        }
    }

    /// The frame as dots; characters become cells of 6x9 dots.
    pub fn to_bitmap(&self) -> Bitmap {
        match self {
            Self::Characters(grid) => crate::fonts::picture_of(grid),
            Self::Pixels(bitmap) => bitmap.clone(),
        }
    }
}

/// The frame as text: a character display line by line, dots as half blocks.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Characters(grid) => grid.fmt(f),
            Self::Pixels(bitmap) => bitmap.fmt(f),
        }
    }
}

/// Stands in a [`Grid`] for a character that the display cannot show; drivers map it to a full block.
pub const UNSHOWABLE: char = '\u{fffd}';

/// Rows of characters. Holds only ASCII, `°` and [`UNSHOWABLE`]: what every controller's ROM has somewhere, or
/// can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    columns: u16,
    cells: Vec<char>,
}

impl Grid {
    /// A grid of spaces.
    pub fn new(columns: u16, rows: u16) -> Self {
        Self { columns, cells: vec![' '; usize::from(columns) * usize::from(rows)] }
    }

    /// Characters in a row.
    pub fn columns(&self) -> u16 {
        self.columns
    }

    /// The rows, top to bottom, each exactly as wide as the display.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[char]> {
        self.cells.chunks_exact(usize::from(self.columns).max(1))
    }

    /// Writes `text` from `column` on; what does not fit is cut.
    pub(crate) fn write(&mut self, row: usize, column: usize, text: &str) {
        let columns = usize::from(self.columns);
        let Some(cells) = self.cells.chunks_exact_mut(columns.max(1)).nth(row) else { return };
        for (cell, c) in cells.iter_mut().skip(column).zip(text.chars()) {
            *cell = if matches!(c, ' '..='~' | '°') { c } else { UNSHOWABLE };
        }
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.rows() {
            writeln!(f, "{}", row.iter().collect::<String>())?;
        }
        Ok(())
    }
}

/// A field of dots, lit or dark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    width: u16,
    height: u16,
    /// Row by row, most significant bit first, rows padded to whole bytes: as PNG wants it.
    bits: Vec<u8>,
}

impl Bitmap {
    /// All dark.
    pub fn new(width: u16, height: u16) -> Self {
        Self { width, height, bits: vec![0; usize::from(width.div_ceil(8)) * usize::from(height)] }
    }

    /// Dots in a row.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Rows of dots.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Whether a dot is lit. Outside the glass nothing is.
    pub fn is_lit(&self, x: i32, y: i32) -> bool {
        self.locate(x, y).is_some_and(|(byte, mask)| self.bits[byte] & mask != 0)
    }

    /// Lights or darkens a dot. Outside the glass nothing happens.
    pub fn set(&mut self, x: i32, y: i32, lit: bool) {
        if let Some((byte, mask)) = self.locate(x, y) {
            if lit {
                self.bits[byte] |= mask;
            } else {
                self.bits[byte] &= !mask;
            }
        }
    }

    /// Lights or darkens a rectangle, as far as it lies on the glass.
    pub fn fill(&mut self, area: Area, lit: bool) {
        for y in area.y..area.bottom() {
            for x in area.x..area.right() {
                self.set(x, y, lit);
            }
        }
    }

    /// Exchanges lit and dark in a rectangle.
    pub fn invert(&mut self, area: Area) {
        for y in area.y..area.bottom() {
            for x in area.x..area.right() {
                let lit = self.is_lit(x, y);
                self.set(x, y, !lit);
            }
        }
    }

    /// The smallest rectangle that holds every lit dot; `None` when all is dark.
    pub fn ink(&self) -> Option<Area> {
        let lit = |x: i32, y: i32| self.is_lit(x, y);
        let (width, height) = (i32::from(self.width), i32::from(self.height));
        let top = (0..height).find(|&y| (0..width).any(|x| lit(x, y)))?;
        let bottom = (0..height).rfind(|&y| (0..width).any(|x| lit(x, y)))?;
        let left = (0..width).find(|&x| (0..height).any(|y| lit(x, y)))?;
        let right = (0..width).rfind(|&x| (0..height).any(|y| lit(x, y)))?;
        Some(Area { x: left, y: top, width: right - left + 1, height: bottom - top + 1 })
    }

    /// How many dots are lit.
    pub fn lit(&self) -> usize {
        self.bits.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    fn locate(&self, x: i32, y: i32) -> Option<(usize, u8)> {
        let x = u16::try_from(x).ok().filter(|x| *x < self.width)?;
        let y = u16::try_from(y).ok().filter(|y| *y < self.height)?;
        let row_bytes = usize::from(self.width.div_ceil(8));
        Some((usize::from(y) * row_bytes + usize::from(x / 8), 0x80 >> (x % 8)))
    }
}

/// Two rows of dots in one line of half blocks: the picture in a terminal or in a test.
impl fmt::Display for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for y in (0..i32::from(self.height)).step_by(2) {
            let line: String = (0..i32::from(self.width))
                .map(|x| match (self.is_lit(x, y), self.is_lit(x, y + 1)) {
                    (false, false) => ' ',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (true, true) => '█',
                })
                .collect();
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl OriginDimensions for Bitmap {
    fn size(&self) -> Size {
        Size::new(u32::from(self.width), u32::from(self.height))
    }
}

/// Anything of the embedded-graphics world can be drawn on a frame, too.
impl DrawTarget for Bitmap {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            self.set(point.x, point.y, colour.is_on());
        }
        Ok(())
    }
}

/// A rectangle of dots. May lie outside the glass, and may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Dots from left to right.
    pub width: i32,
    /// Dots from top to bottom.
    pub height: i32,
}

impl Area {
    /// The first column to the right of it.
    pub fn right(self) -> i32 {
        self.x + self.width
    }

    /// The first row below it.
    pub fn bottom(self) -> i32 {
        self.y + self.height
    }
}
