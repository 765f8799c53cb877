//! Field masks: `a,b(c,d),e/f,g.h,*`, for what is written and for partial responses.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{errors::Refusal, schema};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mask {
    All,
    Fields(BTreeMap<String, Mask>),
}

/// Deeper masks than any message is.
const DEEPEST: usize = 32;

impl Mask {
    /// Parses and checks against `message`. None if the text is not a mask of it.
    pub(crate) fn parse(text: &str, message: &str) -> Result<Self, Refusal> {
        let mut parser = Parser { rest: text };
        let mask = parser.list(0).filter(|_| parser.rest.is_empty());
        let mask = mask.ok_or_else(|| Refusal::unsourced(format!("Invalid field selection {text}")))?;
        match mask.stranger(message, "") {
            Some(field) => Err(Refusal::unsourced(format!("Invalid field selection {field}"))),
            None => Ok(mask),
        }
    }

    /// The mask of a write: at least one field, `*` for all.
    pub(crate) fn of_write(request: &Value, message: &str) -> Result<Self, Refusal> {
        match request.get("fields").and_then(Value::as_str).map(str::trim) {
            None | Some("") => Err(Refusal::unsourced(
                "At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)",
            )),
            Some(text) => Self::parse(text, message),
        }
    }

    fn empty() -> Self {
        Self::Fields(BTreeMap::new())
    }

    fn stranger(&self, message: &str, path: &str) -> Option<String> {
        let Self::Fields(fields) = self else { return None };
        fields.iter().find_map(|(name, below)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match (schema::member(message, name), below) {
                (None, _) => Some(path),
                (Some(None), Self::All) => None,
                // Below a scalar or a free-form member there is nothing to check.
                (Some(None), _) => None,
                (Some(Some(inner)), below) => below.stranger(inner, &path),
            }
        })
    }

    /// The mask below a member, if the member is listed at all.
    pub(crate) fn under(&self, name: &str) -> Option<&Mask> {
        match self {
            Self::All => Some(self),
            Self::Fields(fields) => fields.get(name),
        }
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        self.under(name).is_some()
    }

    pub(crate) fn is_only(&self, names: &[&str]) -> bool {
        match self {
            Self::All => false,
            Self::Fields(fields) => fields.keys().all(|name| names.contains(&name.as_str())),
        }
    }

    /// Copies the listed members of `source` into `target`; listed members that `source` lacks are removed.
    pub(crate) fn merge(&self, target: &mut Value, source: &Value) {
        let Self::Fields(fields) = self else {
            *target = source.clone();
            return;
        };
        if !target.is_object() {
            *target = Value::Object(Map::new());
        }
        let Some(target) = target.as_object_mut() else { return };
        for (name, below) in fields {
            match (below, source.get(name)) {
                (Self::All, Some(value)) => drop(target.insert(name.clone(), value.clone())),
                (Self::All, None) => drop(target.remove(name)),
                (below, value) => {
                    let inner = target.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
                    below.merge(inner, value.unwrap_or(&Value::Null));
                    if inner.as_object().is_some_and(Map::is_empty) {
                        target.remove(name);
                    }
                }
            }
        }
    }

    /// A partial response: what the mask does not list is left out.
    pub(crate) fn filter(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Fields(fields), Value::Object(members)) => Value::Object(
                members
                    .into_iter()
                    .filter_map(|(name, value)| fields.get(&name).map(|below| (name, below.filter(value))))
                    .collect(),
            ),
            (Self::Fields(_), Value::Array(values)) => {
                Value::Array(values.into_iter().map(|value| self.filter(value)).collect())
            }
            (_, value) => value,
        }
    }

    fn add(&mut self, path: &[String], below: Mask) {
        let Self::Fields(fields) = self else { return };
        let Some((first, rest)) = path.split_first() else {
            match below {
                Self::All => *self = Self::All,
                Self::Fields(more) => more.into_iter().for_each(|(name, mask)| self.add(&[name], mask)),
            }
            return;
        };
        fields.entry(first.clone()).or_insert_with(Self::empty).add(rest, below);
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn list(&mut self, depth: usize) -> Option<Mask> {
        if depth > DEEPEST {
            return None;
        }
        let mut mask = Mask::empty();
        loop {
            self.item(&mut mask, depth)?;
            if !self.eat(',') {
                return Some(mask);
            }
        }
    }

    fn item(&mut self, mask: &mut Mask, depth: usize) -> Option<()> {
        let mut path = Vec::new();
        loop {
            if path.len() > DEEPEST {
                return None;
            }
            if self.eat('*') {
                mask.add(&path, Mask::All);
                return Some(());
            }
            path.push(self.name()?);
            if self.eat('(') {
                let below = self.list(depth + 1)?;
                mask.add(&path, below);
                return self.eat(')').then_some(());
            }
            if !self.eat('.') && !self.eat('/') {
                mask.add(&path, Mask::All);
                return Some(());
            }
        }
    }

    /// `user_entered_value` is taken for `userEnteredValue`, as proto3 JSON does.
    fn name(&mut self) -> Option<String> {
        let start = self.rest.trim_start();
        let end = start.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(start.len());
        let (name, rest) = start.split_at(end);
        self.rest = rest;
        if name.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(name.len());
        let mut upper = false;
        for c in name.chars() {
            match c {
                '_' => upper = true,
                c if std::mem::take(&mut upper) => out.push(c.to_ascii_uppercase()),
                c => out.push(c),
            }
        }
        Some(out)
    }

    fn eat(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn partial_responses_keep_what_is_listed() {
        let sheet = json!({
            "spreadsheetId": "x", "properties": {"title": "t", "locale": "en_US"},
            "sheets": [{"properties": {"sheetId": 0, "title": "a"}}, {"properties": {"sheetId": 1, "title": "b"}}],
        });
        for (mask, expected) in [
            ("spreadsheetId", json!({"spreadsheetId": "x"})),
            ("properties/title", json!({"properties": {"title": "t"}})),
            ("properties.title,spreadsheetId", json!({"properties": {"title": "t"}, "spreadsheetId": "x"})),
            (
                "sheets(properties(title))",
                json!({"sheets": [{"properties": {"title": "a"}}, {"properties": {"title": "b"}}]}),
            ),
            (
                "sheets.properties.sheet_id",
                json!({"sheets": [{"properties": {"sheetId": 0}}, {"properties": {"sheetId": 1}}]}),
            ),
            ("properties, properties.title", json!({"properties": {"title": "t", "locale": "en_US"}})),
        ] {
            assert_eq!(Mask::parse(mask, "Spreadsheet").unwrap().filter(sheet.clone()), expected, "{mask}");
        }
        assert_eq!(Mask::parse("*", "Spreadsheet").unwrap(), Mask::All);
    }

    #[test]
    fn nonsense_is_no_mask() {
        for text in ["", ",", "a(", "sheets(properties", "sheets)", "sheets..properties", "nope", "sheets.nope", "a b"]
        {
            assert!(Mask::parse(text, "Spreadsheet").is_err(), "{text}");
        }
        assert!(Mask::parse(&"sheets(".repeat(5_000), "Spreadsheet").is_err());
    }

    #[test]
    fn a_write_clears_what_is_listed_and_absent() {
        let mask = Mask::parse("numberFormat,textFormat.bold", "CellFormat").unwrap();
        let mut target = json!({"numberFormat": {"type": "DATE"}, "textFormat": {"bold": true, "italic": true}});
        mask.merge(&mut target, &json!({"textFormat": {"fontSize": 12}}));
        assert_eq!(target, json!({"textFormat": {"italic": true}}));
    }
}
