//! The `q` of `files.list`: `name = 'x' and not trashed = true and appProperties has { key='k' and value='v' }`.

use std::collections::BTreeMap;

/// What a query can ask of a file.
pub(super) struct Facts<'a> {
    pub(super) name: &'a str,
    pub(super) mime_type: &'a str,
    pub(super) owner: &'a str,
    pub(super) is_mine: bool,
    /// Who has access, and whether to write.
    pub(super) holders: Vec<(&'a str, bool)>,
    /// Who asks.
    pub(super) me: &'a str,
    /// The folder it is in.
    pub(super) parent: &'a str,
    pub(super) trashed: bool,
    pub(super) starred: bool,
    /// RFC 3339 in UTC, so that text order is time order.
    pub(super) created: String,
    pub(super) modified: String,
    pub(super) properties: &'a BTreeMap<String, String>,
    pub(super) app_properties: &'a BTreeMap<String, String>,
}

/// A parsed query.
#[derive(Debug, PartialEq)]
pub(super) enum Query {
    Both(Box<Query>, Box<Query>),
    Either(Box<Query>, Box<Query>),
    Not(Box<Query>),
    Term(Term),
}

#[derive(Debug, PartialEq)]
pub(super) enum Term {
    Text(Field, Operator, String),
    Flag(Flag, bool),
    /// `appProperties has {…}`, or `properties`.
    Property {
        app: bool,
        key: String,
        value: String,
    },
    /// `'x' in owners`.
    Owner(String),
    /// `'x' in writers`.
    Writer(String),
    /// `'x' in readers`.
    Reader(String),
    Parent(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field {
    Name,
    MimeType,
    Created,
    Modified,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Is,
    IsNot,
    Contains,
    Less,
    LessOrSame,
    More,
    MoreOrSame,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Flag {
    Trashed,
    Starred,
    SharedWithMe,
}

/// The folder that everything is in unless it is in another.
pub(super) const ROOT: &str = "root";

const DEEPEST: usize = 64;

impl Query {
    /// None if it is not understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text.trim(), depth: 0 };
        parser.either().filter(|_| parser.rest.is_empty())
    }

    pub(super) fn matches(&self, file: &Facts<'_>) -> bool {
        match self {
            Self::Both(a, b) => a.matches(file) && b.matches(file),
            Self::Either(a, b) => a.matches(file) || b.matches(file),
            Self::Not(query) => !query.matches(file),
            Self::Term(term) => term.matches(file),
        }
    }
}

impl Facts<'_> {
    fn is(&self, account: &str, who: &str) -> bool {
        account == if who == "me" { self.me } else { who }
    }
}

impl Term {
    fn matches(&self, file: &Facts<'_>) -> bool {
        match self {
            Self::Text(field, operator, wanted) => {
                let value = match field {
                    Field::Name => file.name,
                    Field::MimeType => file.mime_type,
                    Field::Created => &file.created,
                    Field::Modified => &file.modified,
                };
                operator.holds(value, wanted)
            }
            Self::Flag(flag, wanted) => {
                let value = match flag {
                    Flag::Trashed => file.trashed,
                    Flag::Starred => file.starred,
                    Flag::SharedWithMe => !file.is_mine,
                };
                value == *wanted
            }
            Self::Property { app, key, value } => {
                let properties = if *app { file.app_properties } else { file.properties };
                properties.get(key) == Some(value)
            }
            Self::Owner(who) => who == file.owner || (who == "me" && file.is_mine),
            Self::Writer(who) => file.holders.iter().any(|(account, writes)| *writes && file.is(account, who)),
            Self::Reader(who) => file.holders.iter().any(|(account, _)| file.is(account, who)),
            Self::Parent(id) => id == file.parent,
        }
    }
}

impl Operator {
    /// unknown to us: whether `=` looks at case (here it does), and what `contains` takes for a word.
    fn holds(self, value: &str, wanted: &str) -> bool {
        match self {
            Self::Is => value == wanted,
            Self::IsNot => value != wanted,
            Self::Contains => {
                let (value, wanted) = (value.to_lowercase(), wanted.to_lowercase());
                let is_start = |(at, _): (usize, &str)| !value[..at].ends_with(char::is_alphanumeric);
                value.match_indices(&wanted).any(is_start)
            }
            Self::Less => value < wanted,
            Self::LessOrSame => value <= wanted,
            Self::More => value > wanted,
            Self::MoreOrSame => value >= wanted,
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn either(&mut self) -> Option<Query> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut query = self.both()?;
        while self.word("or") {
            query = Query::Either(Box::new(query), Box::new(self.both()?));
        }
        self.depth -= 1;
        Some(query)
    }

    fn both(&mut self) -> Option<Query> {
        let mut query = self.one()?;
        while self.word("and") {
            query = Query::Both(Box::new(query), Box::new(self.one()?));
        }
        Some(query)
    }

    fn one(&mut self) -> Option<Query> {
        let mut is_negated = false;
        while self.word("not") {
            is_negated = !is_negated;
        }
        let query = if self.sign("(") {
            let query = self.either()?;
            self.sign(")").then_some(query)?
        } else {
            Query::Term(self.term()?)
        };
        Some(if is_negated { Query::Not(Box::new(query)) } else { query })
    }

    fn term(&mut self) -> Option<Term> {
        if self.rest.starts_with(['\'', '"']) {
            let text = self.text()?;
            self.word("in").then_some(())?;
            return match self.name()? {
                "parents" => Some(Term::Parent(text)),
                "owners" => Some(Term::Owner(text)),
                "writers" => Some(Term::Writer(text)),
                "readers" => Some(Term::Reader(text)),
                _ => None,
            };
        }
        let flag = |flag| (flag, None);
        let (flag, field) = match self.name()? {
            "trashed" => flag(Some(Flag::Trashed)),
            "starred" => flag(Some(Flag::Starred)),
            "sharedWithMe" => flag(Some(Flag::SharedWithMe)),
            "name" => (None, Some(Field::Name)),
            "mimeType" => (None, Some(Field::MimeType)),
            "createdTime" => (None, Some(Field::Created)),
            "modifiedTime" => (None, Some(Field::Modified)),
            "properties" => return self.property(false),
            "appProperties" => return self.property(true),
            // gspread writes it this way round.
            "parents" => {
                self.word("in").then_some(())?;
                return self.text().map(Term::Parent);
            }
            _ => return None,
        };
        if let Some(flag) = flag {
            let wanted = match self.operator() {
                None => return Some(Term::Flag(flag, true)),
                Some(Operator::Is) => true,
                Some(Operator::IsNot) => false,
                Some(_) => return None,
            };
            return match self.name()? {
                "true" => Some(Term::Flag(flag, wanted)),
                "false" => Some(Term::Flag(flag, !wanted)),
                _ => None,
            };
        }
        let operator = self.operator().or_else(|| self.word("contains").then_some(Operator::Contains))?;
        Some(Term::Text(field?, operator, self.text()?))
    }

    fn property(&mut self, app: bool) -> Option<Term> {
        let mut member = |open: &'static str, name: &str, close: &str| {
            let is_so = self.eat(open) && self.name()? == name && self.sign("=");
            let text = is_so.then(|| self.text())??;
            self.eat(close).then_some(text)
        };
        let key = member("has {", "key", "and")?;
        let value = member("", "value", "}")?;
        Some(Term::Property { app, key, value })
    }

    /// Words and signs, with any space between.
    fn eat(&mut self, wanted: &str) -> bool {
        wanted.split_whitespace().all(|part| match part.starts_with(char::is_alphabetic) {
            true => self.word(part),
            false => self.sign(part),
        })
    }

    fn operator(&mut self) -> Option<Operator> {
        [
            ("!=", Operator::IsNot),
            ("<=", Operator::LessOrSame),
            (">=", Operator::MoreOrSame),
            ("=", Operator::Is),
            ("<", Operator::Less),
            (">", Operator::More),
        ]
        .into_iter()
        .find_map(|(sign, operator)| self.sign(sign).then_some(operator))
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let rest = self.rest.strip_prefix(wanted).map(str::trim_start);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        let is_it = self.name() == Some(wanted);
        if !is_it {
            self.rest = before;
        }
        is_it
    }

    fn name(&mut self) -> Option<&str> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        (!name.is_empty()).then_some(name)
    }

    /// In either quotes; a backslash takes the next character as it is.
    fn text(&mut self) -> Option<String> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let mut out = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => out.push(chars.next()?.1),
                c if c == quote => {
                    self.rest = self.rest[at + 2..].trim_start();
                    return Some(out);
                }
                c => out.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_find_what_they_say() {
        let app = BTreeMap::from([("device".to_owned(), "scale's".to_owned())]);
        let none = BTreeMap::new();
        let file = Facts {
            name: "Workshop log",
            mime_type: "application/vnd.google-apps.spreadsheet",
            owner: "maker@example.com",
            is_mine: true,
            holders: vec![("helper@example.com", false), ("maker@example.com", true)],
            me: "maker@example.com",
            parent: ROOT,
            trashed: false,
            starred: false,
            created: "2026-11-22T10:00:00.000Z".into(),
            modified: "2026-11-22T12:00:00.000Z".into(),
            properties: &none,
            app_properties: &app,
        };
        for (query, found) in [
            ("name = 'Workshop log'", true),
            ("name='Workshop'", false),
            ("'helper@example.com' in readers", true),
            ("'helper@example.com' in writers", false),
            ("'me' in writers and not 'folder' in parents", true),
            ("name != 'x' and trashed=false", true),
            ("name contains 'log'", true),
            ("name contains 'shop'", false),
            (r#"mimeType="application/vnd.google-apps.spreadsheet" and name = "Workshop log""#, true),
            (r"appProperties has { key='device' and value='scale\'s' } and trashed = false", true),
            ("appProperties has {key='device' and value='x'}", false),
            ("properties has { key='device' and value='x' }", false),
            ("'me' in owners and 'root' in parents", true),
            (r#"parents in "elsewhere""#, false),
            ("trashed = true or not (starred = true or trashed)", true),
            ("not not trashed = true", false),
            ("modifiedTime > '2026-11-22T11:00:00' and createdTime < '2026-11-22T11:00:00'", true),
            ("sharedWithMe", false),
        ] {
            let parsed = Query::parse(query).unwrap_or_else(|| panic!("{query}"));
            assert_eq!(parsed.matches(&file), found, "{query}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "name",
            "name = x",
            "name = 'x",
            "name = 'x' and",
            "(trashed = true",
            "trashed = 'x'",
            "color = 'red'",
            "name ~ 'x'",
            "'x' in",
            "appProperties has { key='k' }",
            "trashed = true garbage",
            "'\\",
        ] {
            assert_eq!(Query::parse(text), None, "{text}");
        }
        assert_eq!(Query::parse(&"(".repeat(100_000)), None);
    }
}
