//! The grammar of formulas, as far as a time clock's sheet needs it: numbers, text, references, names, calls, arrays,
//! and the operators in their usual order.

use super::refs::Reference;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// An argument that was left out: `IF(A1,,2)`.
    Blank,
    Number(f64),
    Text(String),
    Bool(bool),
    /// `#REF!` and its kin, written down.
    Error(&'static str),
    Cells(Reference),
    /// A named range.
    Name(String),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    Percent(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    /// `{1,2;3,4}`
    Array(Vec<Vec<Expr>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Is,
    IsNot,
    Less,
    LessOrSame,
    More,
    MoreOrSame,
    Join,
    Plus,
    Minus,
    Times,
    Over,
    Power,
}

/// Longest first, with how tightly each binds.
const OPERATORS: [(&str, Operator, u8); 12] = [
    ("<=", Operator::LessOrSame, 1),
    (">=", Operator::MoreOrSame, 1),
    ("<>", Operator::IsNot, 1),
    ("=", Operator::Is, 1),
    ("<", Operator::Less, 1),
    (">", Operator::More, 1),
    ("&", Operator::Join, 2),
    ("+", Operator::Plus, 3),
    ("-", Operator::Minus, 3),
    ("*", Operator::Times, 4),
    ("/", Operator::Over, 4),
    ("^", Operator::Power, 5),
];

pub(super) const ERRORS: [&str; 7] = ["#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#N/A", "#ERROR!"];

/// Nested deeper than people write; a stack is finite.
const DEEPEST: usize = 64;

/// A formula without its `=`. None: it is none.
pub(super) fn parse(text: &str) -> Option<Expr> {
    let mut parser = Parser { text, at: 0, depth: 0, references: None };
    parser.whole()
}

/// The same formula with each reference put through `change`; what that takes away becomes `#REF!`. None if the text is
/// no formula.
pub(super) fn rewrite(text: &str, change: &mut dyn FnMut(&Reference) -> Option<Reference>) -> Option<String> {
    let mut parser = Parser { text, at: 0, depth: 0, references: Some(Vec::new()) };
    parser.whole()?;
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (start, end, reference) in parser.references.unwrap_or_default() {
        let new = change(&reference);
        if new.as_ref() == Some(&reference) {
            continue;
        }
        out.push_str(&text[from..start]);
        out.push_str(&new.map_or_else(|| "#REF!".to_owned(), |reference| reference.write()));
        from = end;
    }
    out.push_str(&text[from..]);
    Some(out)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Where references stand, if somebody wants to know.
    references: Option<Vec<(usize, usize, Reference)>>,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn whole(&mut self) -> Option<Expr> {
        let expr = self.binary(1)?;
        self.skip_space();
        self.rest().is_empty().then_some(expr)
    }

    /// Operators that bind at least so tightly.
    fn binary(&mut self, least: u8) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut left = self.unary()?;
        loop {
            self.skip_space();
            let found = OPERATORS.iter().find(|(sign, ..)| self.rest().starts_with(sign));
            let Some((sign, operator, binds)) = found.filter(|(.., binds)| *binds >= least) else { break };
            self.at += sign.len();
            let right = self.binary(binds + 1)?;
            left = Expr::Binary(*operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Some(left)
    }

    fn unary(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let expr = if self.eat("-") {
            Expr::Negative(Box::new(self.unary()?))
        } else if self.eat("+") {
            Expr::Positive(Box::new(self.unary()?))
        } else {
            let mut expr = self.primary()?;
            while self.eat("%") {
                expr = Expr::Percent(Box::new(expr));
            }
            expr
        };
        self.depth -= 1;
        Some(expr)
    }

    fn primary(&mut self) -> Option<Expr> {
        if self.eat("(") {
            let inner = self.binary(1)?;
            return self.eat(")").then_some(inner);
        }
        if self.eat("{") {
            return self.array();
        }
        if self.eat("\"") {
            return self.quoted();
        }
        self.skip_space();
        if let Some(error) = ERRORS.iter().find(|error| self.rest().starts_with(**error)) {
            self.at += error.len();
            return Some(Expr::Error(error));
        }
        if let Some((reference, length)) = Reference::at_start(self.rest()) {
            let start = self.at;
            self.at += length;
            if let Some(references) = &mut self.references {
                references.push((start, self.at, reference.clone()));
            }
            return Some(Expr::Cells(reference));
        }
        if self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.number();
        }
        let end = self.rest().find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(self.rest().len());
        let word = self.rest()[..end].to_owned();
        if word.is_empty() {
            return None;
        }
        self.at += end;
        if self.eat("(") {
            return Some(Expr::Call(word.to_ascii_uppercase(), self.arguments()?));
        }
        Some(match word.to_ascii_uppercase().as_str() {
            "TRUE" => Expr::Bool(true),
            "FALSE" => Expr::Bool(false),
            _ => Expr::Name(word),
        })
    }

    fn number(&mut self) -> Option<Expr> {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = bytes.get(end + 1 + sign..).map_or(0, |_| digits(end + 1 + sign));
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        let number = self.rest()[..end].parse::<f64>().ok().filter(|number| number.is_finite())?;
        self.at += end;
        Some(Expr::Number(number))
    }

    /// After the opening quote; a doubled one is one.
    fn quoted(&mut self) -> Option<Expr> {
        let mut text = String::new();
        loop {
            let (part, _) = self.rest().split_once('"')?;
            text.push_str(part);
            self.at += part.len() + 1;
            if !self.rest().starts_with('"') {
                return Some(Expr::Text(text));
            }
            text.push('"');
            self.at += 1;
        }
    }

    /// After the opening parenthesis. Sheets takes a semicolon for a comma.
    fn arguments(&mut self) -> Option<Vec<Expr>> {
        let mut list = Vec::new();
        if self.eat(")") {
            return Some(list);
        }
        loop {
            self.skip_space();
            list.push(if self.rest().starts_with([',', ';', ')']) { Expr::Blank } else { self.binary(1)? });
            if self.eat(")") {
                return Some(list);
            }
            if !self.eat(",") && !self.eat(";") {
                return None;
            }
        }
    }

    fn array(&mut self) -> Option<Expr> {
        let mut rows = vec![Vec::new()];
        loop {
            let value = self.binary(1)?;
            rows.last_mut()?.push(value);
            if self.eat("}") {
                return Some(Expr::Array(rows));
            }
            if self.eat(";") {
                rows.push(Vec::new());
            } else if !self.eat(",") {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_bind_as_in_school() {
        let number = |n| Box::new(Expr::Number(n));
        let times = Expr::Binary(Operator::Times, number(2.0), number(3.0));
        let plus = Expr::Binary(Operator::Plus, number(1.0), Box::new(times));
        assert_eq!(parse(" 1 + 2*3 "), Some(plus));
        assert_eq!(parse("-2^2"), parse("(-2)^2"), "a sign belongs to its number, as in every spreadsheet");
        assert_eq!(parse("1-2-3"), parse("(1-2)-3"));
        assert_eq!(parse("A1&B1=\"ab\""), parse("(A1&B1)=\"ab\""));
    }

    #[test]
    fn what_is_no_formula() {
        for text in ["", "1+", "(1", "SUM(1", "\"open", "{1,2", "1 2", "hello world", "*", "A1:", "{}", "1..2"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"(".repeat(10_000)), None);
        assert_eq!(parse(&"-".repeat(10_000)), None);
    }

    #[test]
    fn references_are_found_where_they_stand() {
        let mut seen = Vec::new();
        let text = rewrite("SUM(A1:B2, \"A1\", Log!C3) + A1", &mut |reference| {
            seen.push(reference.write());
            reference.copied(1, 0).filter(|_| reference.tab.is_none())
        });
        assert_eq!(seen, ["A1:B2", "Log!C3", "A1"]);
        assert_eq!(text.as_deref(), Some("SUM(A2:B3, \"A1\", #REF!) + A2"));
    }
}
