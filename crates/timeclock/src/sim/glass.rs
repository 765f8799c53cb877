//! Dots as letters of a terminal.

use crate::twin::Said;

/// How many dots a letter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dots {
    /// One by two: square dots, and a wide terminal.
    Half,
    /// Two by two: tall dots that any terminal of 80 columns has room for.
    Quarter,
    /// Two by four, as Braille: square dots, small and thin.
    Braille,
}

/// The field of dots, as the twin said it.
struct Field<'a> {
    width: usize,
    rows: Vec<&'a [u8]>,
}

impl Field<'_> {
    fn is_lit(&self, x: usize, y: usize) -> bool {
        let digit = self.rows.get(y).and_then(|row| row.get(x / 4)).and_then(|digit| char::from(*digit).to_digit(16));
        x < self.width && digit.is_some_and(|digit| digit & (8 >> (x % 4)) != 0)
    }
}

/// The glass in lines of equal width.
pub(super) fn lines(said: &Said, dots: Dots) -> Vec<String> {
    match said {
        Said::Letters(lines) => {
            let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            lines.iter().map(|line| format!("{line:width$}")).collect()
        }
        Said::Dots { width, rows } => {
            let field = Field { width: usize::from(*width), rows: rows.iter().map(String::as_bytes).collect() };
            let (across, down) = dots.cell();
            let letters = |y: usize| (0..field.width).step_by(across).map(move |x| (x, y));
            let letter = |(x, y)| dots.letter(|dx, dy| field.is_lit(x + dx, y + dy));
            (0..field.rows.len()).step_by(down).map(|y| letters(y).map(letter).collect()).collect()
        }
        _ => Vec::new(),
    }
}

impl Dots {
    /// The finest look that a glass of `width` by `height` dots has room for in `columns` by `rows`.
    pub(super) fn that_fit(width: usize, height: usize, columns: usize, rows: usize) -> Self {
        let fits = |dots: &Self| {
            let (across, down) = dots.cell();
            width.div_ceil(across) <= columns && height.div_ceil(down) <= rows
        };
        [Self::Half, Self::Quarter].into_iter().find(fits).unwrap_or(Self::Braille)
    }

    pub(super) fn cell(self) -> (usize, usize) {
        match self {
            Self::Half => (1, 2),
            Self::Quarter => (2, 2),
            Self::Braille => (2, 4),
        }
    }

    fn letter(self, is_lit: impl Fn(usize, usize) -> bool) -> char {
        match self {
            Self::Half => [' ', '▀', '▄', '█'][usize::from(is_lit(0, 0)) | usize::from(is_lit(0, 1)) << 1],
            Self::Quarter => {
                const QUARTERS: [char; 16] =
                    [' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█'];
                let bits = [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().enumerate();
                QUARTERS[bits.map(|(at, (x, y))| usize::from(is_lit(x, y)) << at).sum::<usize>()]
            }
            Self::Braille => {
                // Dots 1 to 8 of a Braille letter, in the order of their bits (Unicode, block 2800).
                const ORDER: [(usize, usize); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
                let bits = ORDER.into_iter().enumerate().map(|(at, (x, y))| u32::from(is_lit(x, y)) << at);
                char::from_u32(0x2800 + bits.sum::<u32>()).unwrap_or(' ')
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_become_letters() {
        // A diagonal of four, and a row of four.
        let said = Said::Dots { width: 4, rows: ["8", "4", "2", "1", "f"].map(String::from).into() };
        assert_eq!(lines(&said, Dots::Half), ["▀▄  ", "  ▀▄", "▀▀▀▀"]);
        assert_eq!(lines(&said, Dots::Quarter), ["▚ ", " ▚", "▀▀"]);
        assert_eq!(lines(&said, Dots::Braille), ["⠑⢄", "⠉⠉"]);
        assert_eq!(lines(&Said::Letters(vec!["a".into(), "bc".into()]), Dots::Half), ["a ", "bc"]);
    }

    #[test]
    fn a_terminal_of_eighty_columns_shows_the_small_glass_in_quarters() {
        assert_eq!(Dots::that_fit(128, 32, 66, 16), Dots::Quarter);
        assert_eq!(Dots::that_fit(128, 64, 66, 16), Dots::Braille);
        assert_eq!(Dots::that_fit(128, 64, 140, 40), Dots::Half);
    }
}
