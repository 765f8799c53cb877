//! Regular expressions of `findReplace`, which follow Java's (discovery document, `searchByRegex`).
//!
//! `regex` takes time in proportion to the text, whatever the pattern; for that it does not know what Java does beyond
//! regular languages: look-around and references back. A pattern with those is answered as not emulated.

use regex::{Captures, Regex, RegexBuilder};

use super::errors::Refusal;

/// What is looked for and what comes in its place.
pub(super) struct Pattern {
    sought: Regex,
    replacement: Vec<Part>,
}

/// A piece of what comes in the place of a match.
enum Part {
    Text(String),
    Group(usize),
}

/// Larger programs are refused; a pattern of a few letters can ask for gigabytes.
const SIZE_LIMIT_BYTES: usize = 1 << 20;

impl Pattern {
    /// unknown to us: Google's words for a pattern or a replacement that is none.
    pub(super) fn parse(find: &str, replacement: &str, match_case: bool, entire: bool) -> Result<Self, Refusal> {
        let find = if entire { format!(r"\A(?:{find})\z") } else { find.to_owned() };
        let sought = RegexBuilder::new(&find).case_insensitive(!match_case).size_limit(SIZE_LIMIT_BYTES).build();
        let sought = sought.map_err(|error| match error.to_string() {
            why if why.contains("not supported") => {
                Refusal::not_emulated("regular expressions with look-around or references back")
            }
            _ => Refusal::unsourced("find is not a valid regular expression."),
        })?;
        let replacement = parts(replacement, &sought)
            .ok_or_else(|| Refusal::unsourced("replacement refers to a group that find does not have."))?;
        Ok(Self { sought, replacement })
    }

    /// The new text and how often the old one had what was sought.
    pub(super) fn replace_in(&self, text: &str) -> (String, usize) {
        let mut count = 0;
        let new = self.sought.replace_all(text, |groups: &Captures<'_>| {
            count += 1;
            self.replacement
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.as_str(),
                    Part::Group(number) => groups.get(*number).map_or("", |group| group.as_str()),
                })
                .collect::<String>()
        });
        let new = new.into_owned();
        (new, count)
    }
}

/// Java's `Matcher.appendReplacement`: `$1`, with as many digits as name a group, `${name}`, and a backslash before what
/// is meant as it stands. None for a group that is not there, and for a `$` or backslash before nothing.
fn parts(replacement: &str, sought: &Regex) -> Option<Vec<Part>> {
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut signs = replacement.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => text.push(signs.next()?),
            '$' => {
                let number = if signs.next_if_eq(&'{').is_some() {
                    let name: String = std::iter::from_fn(|| signs.next_if(|sign| *sign != '}')).collect();
                    signs.next()?;
                    sought.capture_names().position(|known| known == Some(&name))?
                } else {
                    let mut number = signs.next()?.to_digit(10)? as usize;
                    while let Some(digit) = signs.peek().and_then(|sign| sign.to_digit(10)) {
                        let longer = number * 10 + digit as usize;
                        if longer >= sought.captures_len() {
                            break;
                        }
                        number = longer;
                        signs.next();
                    }
                    (number < sought.captures_len()).then_some(number)?
                };
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::Group(number));
            }
            sign => text.push(sign),
        }
    }
    parts.push(Part::Text(text));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_replaced_as_java_has_it() {
        for (find, replacement, text, wanted, count) in [
            // The example of Google's discovery document.
            ("o.* (.*)", "$1 Rocks", "Google Sheets", "GSheets Rocks", 1),
            ("o", "0", "Google Sheets", "G00gle Sheets", 2),
            ("(a)(b)?", "[$2$1$0]", "ab a", "[baab] [aa]", 2),
            ("(a)", "$12", "a", "a2", 1),
            ("(?<year>[0-9]{4})-([0-9]+)", "$2/${year}", "2026-11", "11/2026", 1),
            ("e", r"\$1\\", "e", r"$1\", 1),
            ("x*", "-", "ab", "-a-b-", 3),
            ("x", "y", "ab", "ab", 0),
        ] {
            let replaced = Pattern::parse(find, replacement, true, false).ok().map(|p| p.replace_in(text));
            assert_eq!(replaced, Some((wanted.to_owned(), count)), "{find} {replacement}");
        }
        let with = |match_case, entire| Pattern::parse("O+", "0", match_case, entire).ok().map(|p| p.replace_in("ooh"));
        assert_eq!(with(false, false), Some(("0h".into(), 1)));
        assert_eq!(with(true, false), Some(("ooh".into(), 0)));
        assert_eq!(with(false, true), Some(("ooh".into(), 0)));
    }

    #[test]
    fn what_is_no_pattern_is_refused_and_what_we_cannot_is_said() {
        for (find, replacement, status) in [
            ("(", "", 400),
            ("a", "$1", 400),
            ("a", "$", 400),
            ("a", "\\", 400),
            ("a", "${a}", 400),
            ("a", "${a", 400),
            ("((a{900}){900}){900}", "", 400),
            ("a(?=b)", "", 501),
            (r"(a)\1", "", 501),
        ] {
            let refused = Pattern::parse(find, replacement, true, false).err().map(|refusal| refusal.code);
            assert_eq!(refused, Some(status), "{find} {replacement}");
        }
    }
}
