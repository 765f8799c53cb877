//! Text from outside, made harmless and broken into lines.

use crate::frame::UNSHOWABLE;
use crate::moment::Moment;
use crate::screen::{Face, Queue};

/// Longer texts are cut, with a mark. No screen can show this much, and no person reads it.
const LONGEST: usize = 400;

/// A code or an address as it may be drawn: nothing is changed but what is not text at all. Control and
/// direction characters become visible marks, so that none can hide, move or recolour anything.
pub(crate) fn exact(text: &str) -> String {
    cut(text, |c| if is_harmless(c) { c } else { UNSHOWABLE })
}

/// Prose as it may be drawn: line breaks and odd spaces are spaces, and typographic characters that small
/// fonts lack are written with plain ones.
pub(crate) fn prose(text: &str) -> String {
    let text = cut(text, |c| match c {
        '\t' | '\n' | '\r' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' => ' ',
        '‘' | '’' | '‚' | '‛' => '\'',
        '“' | '”' | '„' | '‟' => '"',
        '‐' | '‑' | '‒' | '–' | '—' | '−' => '-',
        '•' | '‣' => '·',
        c if is_harmless(c) => c,
        _ => UNSHOWABLE,
    });
    text.replace('…', "...")
}

fn cut(text: &str, map: impl Fn(char) -> char) -> String {
    let mut chars = text.chars();
    let mut cut: String = chars.by_ref().take(LONGEST).map(map).collect();
    if chars.next().is_some() {
        cut.push(UNSHOWABLE);
    }
    cut
}

/// Not a control character, and nothing that changes the direction of text or is invisible.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Breaks prose at its spaces. A word that is wider than a line is broken, too.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    wrap_by(text, columns, |_| 1)
}

/// [`wrap`], where characters differ in width.
pub(crate) fn wrap_by(text: &str, columns: usize, width_of: fn(char) -> usize) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let width: usize = word.chars().map(width_of).sum();
        if used > 0 && used + 1 + width > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used > 0 && used + width_of(c) > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += width_of(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Whether [`wrap`] gets by without breaking a word.
pub(crate) fn words_fit(text: &str, columns: usize) -> bool {
    text.split_whitespace().all(|word| word.chars().count() <= columns)
}

/// Breaks an address into lines, after one of its own separators where one is near.
pub(crate) fn wrap_address(address: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut rest: Vec<char> = address.chars().collect();
    let mut lines = vec![];
    while rest.len() > columns {
        let separator = rest[..columns].iter().rposition(|c| matches!(c, '/' | '.' | '?' | '&' | '=' | '-' | '_'));
        // A separator in the first half would waste more of the line than it helps the eye.
        let end = separator.map(|at| at + 1).filter(|end| *end > columns / 2).unwrap_or(columns);
        let tail = rest.split_off(end);
        lines.push(rest.into_iter().collect());
        rest = tail;
    }
    if !rest.is_empty() {
        lines.push(rest.into_iter().collect());
    }
    lines
}

/// [`wrap_address`] in at most so many lines: at its separators if that leaves room for the rest, else anywhere. `None`
/// when it is longer than that.
pub(crate) fn wrap_address_within(address: &str, columns: usize, most: usize) -> Option<Vec<String>> {
    let anywhere = || {
        let characters: Vec<char> = address.chars().collect();
        characters.chunks(columns.max(1)).map(String::from_iter).collect()
    };
    [wrap_address(address, columns), anywhere()].into_iter().find(|lines| lines.len() <= most)
}

/// The address without `https://`, which every browser adds by itself. `http://` stays: it is only used
/// on loopback, where a browser that tries `https` first finds nobody.
pub(crate) fn without_scheme(address: &str) -> &str {
    address.strip_prefix("https://").unwrap_or(address)
}

/// A code in pieces of at most `columns`, each but the last ending with a dash of the code's own; as few
/// as possible. `None` when a piece is wider than that, or when there is nothing to split.
pub(crate) fn pages(code: &str, columns: usize) -> Option<Vec<String>> {
    let mut pages: Vec<String> = vec![];
    for piece in code.split_inclusive('-') {
        let length = piece.chars().count();
        if length > columns {
            return None;
        }
        match pages.last_mut().filter(|page| page.chars().count() + length <= columns) {
            Some(page) => page.push_str(piece),
            None => pages.push(piece.to_owned()),
        }
    }
    (pages.len() > 1).then_some(pages)
}

/// `29 min`, or hours when there are many.
pub(crate) fn minutes(minutes: u64) -> String {
    match minutes {
        0..=99 => format!("{minutes} min"),
        _ => format!("{} h", minutes.div_ceil(60)),
    }
}

/// `29m` where every dot counts.
pub(crate) fn minutes_short(minutes: u64) -> String {
    match minutes {
        0..=99 => format!("{minutes}m"),
        _ => format!("{}h", minutes.div_ceil(60)),
    }
}

/// The figures of a clock.
pub(crate) fn figures(face: Face, moment: &Moment<'_>) -> String {
    match face {
        Face::Elapsed(already) => {
            let minutes = moment.minutes_since(already);
            format!("{}:{:02}", minutes / 60, minutes % 60)
        }
        Face::TimeOfDay(midnight) => {
            let minutes = moment.minutes_since(midnight);
            format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
        }
    }
}

/// The outbox in a few words; `None` when there is nothing to say.
pub(crate) fn queue(queue: Queue) -> Option<String> {
    match queue {
        Queue { waiting: 0, set_aside: 0 } => None,
        Queue { waiting, set_aside: 0 } => Some(format!("{waiting} waiting")),
        Queue { waiting: 0, set_aside } => Some(format!("{set_aside} set aside")),
        Queue { waiting, set_aside } => Some(format!("{waiting} waiting, {set_aside} aside")),
    }
}

/// What [`ascii`] leaves for a character that it cannot spell.
pub(crate) const UNKNOWN_IN_ASCII: char = UNSHOWABLE;

/// Prose in ASCII: accents are dropped, Greek and Cyrillic are spelled in Latin letters. Everything else
/// becomes a mark. Never used on a code or an address.
pub(crate) fn ascii(text: &str) -> String {
    spell(text).replace('°', "deg")
}

/// Prose for a character display: ASCII, and the degree sign, which every controller's ROM has somewhere.
pub(crate) fn lcd(text: &str) -> String {
    spell(text)
}

fn spell(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' | '°' => spelled.push(c),
            '\u{300}'..='\u{36f}' => {} // A combining accent, dropped like the others.
            _ => match SPELLED.iter().find_map(|(letters, plain)| letters.contains(c).then_some(*plain)) {
                Some(plain) => spelled.push_str(plain),
                None => spelled.push(UNKNOWN_IN_ASCII),
            },
        }
    }
    spelled
}

/// Latin letters without their accents; Cyrillic and Greek as on road signs and in passports (roughly ISO 9
/// and ISO 843, without their accents).
const SPELLED: &[(&str, &str)] = &[
    ("ÀÁÂÃÅĀĂĄАΑΆ", "A"),
    ("àáâãåāăąаαά", "a"),
    ("ÄÆǼ", "Ae"),
    ("äæǽ", "ae"),
    ("Б", "B"),
    ("б", "b"),
    ("ÇĆĈĊČ", "C"),
    ("çćĉċč", "c"),
    ("ĎĐÐДΔ", "D"),
    ("ďđðдδ", "d"),
    ("ÈÉÊËĒĔĖĘĚЕЭΕΈ", "E"),
    ("èéêëēĕėęěеэεέ", "e"),
    ("ФΦ", "F"),
    ("фφ", "f"),
    ("ĜĞĠĢГҐΓ", "G"),
    ("ĝğġģгґγ", "g"),
    ("ĤĦ", "H"),
    ("ĥħ", "h"),
    ("ÌÍÎÏĨĪĬĮİИІΙΊΪΗΉ", "I"),
    ("ìíîïĩīĭįıиіιίϊΐηή", "i"),
    ("ĴЈЙ", "J"),
    ("ĵјй", "j"),
    ("ĶКΚ", "K"),
    ("ķкκĸ", "k"),
    ("ĹĻĽĿŁЛΛ", "L"),
    ("ĺļľŀłлλ", "l"),
    ("МΜ", "M"),
    ("мμµ", "m"),
    ("ÑŃŅŇŊНΝ", "N"),
    ("ñńņňŋнν", "n"),
    ("ÒÓÔÕØŌŎŐОΟΌΩΏ", "O"),
    ("òóôõøōŏőоοόωώ", "o"),
    ("ÖŒ", "Oe"),
    ("öœ", "oe"),
    ("ПΠ", "P"),
    ("пπ", "p"),
    ("ŔŖŘРΡ", "R"),
    ("ŕŗřрρ", "r"),
    ("ŚŜŞŠȘСΣ", "S"),
    ("śŝşšșсσς", "s"),
    ("ŢŤŦȚТΤ", "T"),
    ("ţťŧțтτ", "t"),
    ("ÙÚÛŨŪŬŮŰŲУЎ", "U"),
    ("ùúûũūŭůűųуў", "u"),
    ("Ü", "Ue"),
    ("ü", "ue"),
    ("ВΒ", "V"),
    ("вβ", "v"),
    ("ŴẀẂẄ", "W"),
    ("ŵẁẃẅ", "w"),
    ("Ξ", "X"),
    ("ξ", "x"),
    ("ÝŶŸỲЫΥΎΫ", "Y"),
    ("ýŷÿỳыυύϋΰ", "y"),
    ("ŹŻŽЗΖ", "Z"),
    ("źżžзζ", "z"),
    ("Ё", "Yo"),
    ("ё", "yo"),
    ("Є", "Ye"),
    ("є", "ye"),
    ("Ї", "Yi"),
    ("ї", "yi"),
    ("Ж", "Zh"),
    ("ж", "zh"),
    ("Х", "Kh"),
    ("х", "kh"),
    ("Ц", "Ts"),
    ("ц", "ts"),
    ("Ч", "Ch"),
    ("ч", "ch"),
    ("Ш", "Sh"),
    ("ш", "sh"),
    ("Щ", "Shch"),
    ("щ", "shch"),
    ("Ю", "Yu"),
    ("ю", "yu"),
    ("Я", "Ya"),
    ("я", "ya"),
    ("Ђ", "Dj"),
    ("ђ", "dj"),
    ("Љ", "Lj"),
    ("љ", "lj"),
    ("Њ", "Nj"),
    ("њ", "nj"),
    ("Ћ", "C"),
    ("ћ", "c"),
    ("Џ", "Dz"),
    ("џ", "dz"),
    ("Ѓ", "Gj"),
    ("ѓ", "gj"),
    ("Ќ", "Kj"),
    ("ќ", "kj"),
    ("Ѕ", "Dz"),
    ("ѕ", "dz"),
    ("ΘÞ", "Th"),
    ("θþ", "th"),
    ("Χ", "Ch"),
    ("χ", "ch"),
    ("Ψ", "Ps"),
    ("ψ", "ps"),
    ("Ĳ", "IJ"),
    ("ĳ", "ij"),
    ("ЪЬъь", ""),
    ("ß", "ss"),
    ("ẞ", "SS"),
    ("·", "-"),
    ("×", "x"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("¡", "!"),
    ("¿", "?"),
    ("«»", "\""),
    ("²", "2"),
    ("³", "3"),
    ("¹", "1"),
    ("½", "1/2"),
    ("¼", "1/4"),
    ("¾", "3/4"),
    ("ªº", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_display() {
        assert_eq!(exact("AB\u{1b}[2JC"), "AB\u{fffd}[2JC");
        assert_eq!(exact("a\u{202e}b\u{200b}c\0"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(exact("‘wdJb-mJHt’"), "‘wdJb-mJHt’", "a code is not prettied");
        assert_eq!(prose("it’s – “fine”…\n"), "it's - \"fine\"... ");
        assert_eq!(exact(&"x".repeat(10_000)).chars().count(), 401);
    }

    #[test]
    fn prose_breaks_at_spaces() {
        assert_eq!(wrap("open the door now", 8), ["open the", "door now"]);
        assert_eq!(wrap("a Donaudampfschiff", 6), ["a", "Donaud", "ampfsc", "hiff"]);
        assert_eq!(wrap("   ", 6), Vec::<String>::new());
        assert_eq!(wrap("abc", 0), ["a", "b", "c"]);
    }

    #[test]
    fn addresses_break_at_their_separators() {
        assert_eq!(wrap_address("www.google.com/device", 12), ["www.google.", "com/device"]);
        assert_eq!(wrap_address("www.google.com/device", 21), ["www.google.com/device"]);
        assert_eq!(wrap_address("a.bcdefghijklm", 6), ["a.bcde", "fghijk", "lm"]);
        let within = |most| wrap_address_within("abcd.fghi.klmno", 8, most);
        assert_eq!(wrap_address("abcd.fghi.klmno", 8), ["abcd.", "fghi.", "klmno"]);
        assert_eq!(within(3), Some(["abcd.", "fghi.", "klmno"].map(String::from).into()));
        assert_eq!(within(2), Some(["abcd.fgh", "i.klmno"].map(String::from).into()));
        assert_eq!(within(1), None);
    }

    #[test]
    fn a_code_is_split_only_at_its_own_dashes() {
        let pages = |code, columns| pages(code, columns).map(|pages| pages.join("|"));
        assert_eq!(pages("WDJB-MJHT", 5).as_deref(), Some("WDJB-|MJHT"));
        assert_eq!(pages("AB-CD-EF-GH", 6).as_deref(), Some("AB-CD-|EF-GH"));
        assert_eq!(pages("WDJB-MJHT", 4), None, "a dash never starts a page");
        assert_eq!(pages("WWWWWWWWWWWWWWW", 8), None);
        assert_eq!(pages("ABC", 8), None, "nothing to split");
        assert_eq!(pages("", 8), None);
    }
}
