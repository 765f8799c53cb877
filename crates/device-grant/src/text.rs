//! Texts of a server that a person may see.

use alloc::string::String;
use core::fmt;

/// A text from outside, made safe for a terminal, a panel and a log line.
///
/// Control characters (line breaks and escapes with them), marks that change the reading direction, invisible
/// characters and line separators become `?`; longer texts are cut and end with `…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(String);

impl Text {
    /// At most this many characters are kept.
    pub const MAX_CHARS: usize = 200;

    /// Makes `raw` safe to show.
    pub fn clean(raw: &str) -> Self {
        let mut text: String = raw.chars().take(Self::MAX_CHARS).map(|c| if is_unsafe(c) { '?' } else { c }).collect();
        if raw.chars().nth(Self::MAX_CHARS).is_some() {
            text.push('…');
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What could act on a terminal or lie about the text around it.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
