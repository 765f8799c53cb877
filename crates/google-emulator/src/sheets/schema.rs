//! Requests are checked against Google's own description, and refused as Google refuses them.
//!
//! Unknown keys are rejected, not ignored (docs/google.md 6.4).

use std::{collections::HashMap, fmt::Write, sync::OnceLock};

use serde_json::{Map, Value, json};

use super::errors::Refusal;

#[derive(Debug)]
enum Type {
    Any,
    Text,
    Bool,
    Int,
    Number,
    Enum(Vec<&'static str>),
    List(Box<Type>),
    Message(&'static str),
}

type Message = HashMap<&'static str, Type>;

fn messages() -> &'static HashMap<&'static str, Message> {
    static MESSAGES: OnceLock<HashMap<&'static str, Message>> = OnceLock::new();
    MESSAGES.get_or_init(|| {
        let mut messages: HashMap<&'static str, Message> = HashMap::new();
        let mut current = "";
        // No message of one has the name of a message of the other.
        let lines = include_str!("schema.v4.txt").lines().chain(include_str!("schema.drive.v3.txt").lines());
        for line in lines.filter(|line| !line.starts_with('#')) {
            match line.strip_prefix(' ').and_then(|member| member.split_once(' ')) {
                Some((name, kind)) => drop(messages.entry(current).or_default().insert(name, Type::parse(kind))),
                None => {
                    current = line;
                    messages.entry(current).or_default();
                }
            }
        }
        messages
    })
}

impl Type {
    fn parse(text: &'static str) -> Self {
        if let Some(element) = text.strip_prefix('[') {
            return Self::List(Box::new(Self::parse(element)));
        }
        if let Some(names) = text.strip_prefix("enum:") {
            return Self::Enum(names.split('|').collect());
        }
        match text {
            "any" => Self::Any,
            "string" => Self::Text,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "number" => Self::Number,
            message => Self::Message(message),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Any => "type.googleapis.com/google.protobuf.Value".into(),
            Self::Text | Self::List(_) => "TYPE_STRING".into(),
            Self::Bool => "TYPE_BOOL".into(),
            Self::Int => "TYPE_INT32".into(),
            Self::Number => "TYPE_DOUBLE".into(),
            Self::Enum(_) => "TYPE_ENUM".into(),
            Self::Message(name) => format!("type.googleapis.com/google.apps.sheets.v4.{name}"),
        }
    }
}

/// Members of which at most one may be set.
const ONE_OF: [(&str, &str); 3] = [("ExtendedValue", "value"), ("DataFilter", "filter"), ("Request", "kind")];

/// Parses a body as that message. An empty body is an empty message; members that are `null` are left out.
pub(crate) fn parse(message: &'static str, body: &[u8]) -> Result<Value, Refusal> {
    let value = match body.trim_ascii() {
        b"" => Value::Object(Map::new()),
        body => serde_json::from_slice(body).map_err(|error| {
            Refusal::unsourced(format!("Invalid JSON payload received. {}", capital(&error.to_string())))
        })?,
    };
    let mut path = String::new();
    let mut violations = Vec::new();
    let value = check(&Type::Message(message), value, &mut path, &mut violations);
    if violations.is_empty() {
        return Ok(value);
    }
    let message: Vec<&str> = violations.iter().map(|(_, text)| text.as_str()).collect();
    let fields: Vec<Value> = violations
        .iter()
        .map(|(field, text)| match field.as_str() {
            "" => json!({ "description": text }),
            field => json!({ "field": field, "description": text }),
        })
        .collect();
    Err(Refusal {
        details: Some(json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields }])),
        ..Refusal::invalid(message.join("\n"))
    })
}

/// Whether the message has this member; for field masks. The type of a message member comes back.
pub(crate) fn member(message: &str, name: &str) -> Option<Option<&'static str>> {
    fn inner(kind: &Type) -> Option<&'static str> {
        match kind {
            Type::Message(name) => Some(name),
            Type::List(element) => inner(element),
            _ => None,
        }
    }
    messages().get(message)?.get(name).map(inner)
}

/// More than these of one kind are noise.
const MOST_VIOLATIONS: usize = 10;

fn check(kind: &Type, value: Value, path: &mut String, violations: &mut Vec<(String, String)>) -> Value {
    if violations.len() >= MOST_VIOLATIONS {
        return value;
    }
    match (kind, value) {
        (Type::Message(name), Value::Object(members)) => Value::Object(check_members(name, members, path, violations)),
        (Type::List(element), Value::Array(values)) => {
            let length = path.len();
            let checked = values.into_iter().enumerate().map(|(index, value)| {
                let _ = write!(path, "[{index}]");
                let value = check(element, value, path, violations);
                path.truncate(length);
                value
            });
            Value::Array(checked.collect())
        }
        (Type::Any, value) => value,
        (Type::Text, value @ Value::String(_))
        | (Type::Bool, value @ Value::Bool(_))
        | (Type::Number, value @ Value::Number(_)) => value,
        (Type::Int, Value::Number(number)) => match whole(number.as_f64()) {
            Some(number) => number.into(),
            None => refuse(kind, Value::Number(number), path, violations),
        },
        // proto3 JSON takes numbers as text too.
        (Type::Int, Value::String(text)) => match whole(text.parse().ok()) {
            Some(number) => number.into(),
            None => refuse(kind, Value::String(text), path, violations),
        },
        (Type::Number, Value::String(text)) => match text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => number.into(),
            None => refuse(kind, Value::String(text), path, violations),
        },
        (Type::Enum(names), Value::String(text)) if names.contains(&text.as_str()) => Value::String(text),
        (Type::Enum(names), Value::Number(number)) => {
            match number.as_u64().and_then(|index| names.get(index as usize)) {
                Some(&name) => name.into(),
                None => refuse(kind, Value::Number(number), path, violations),
            }
        }
        (kind, value) => refuse(kind, value, path, violations),
    }
}

fn check_members(
    name: &str,
    members: Map<String, Value>,
    path: &mut String,
    violations: &mut Vec<(String, String)>,
) -> Map<String, Value> {
    let mut checked = Map::new();
    let Some(message) = messages().get(name) else { return members };
    let one_of = ONE_OF.iter().find(|(message, _)| *message == name);
    for (key, value) in members {
        let Some(kind) = message.get(key.as_str()) else {
            let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
            let text = format!("Invalid JSON payload received. Unknown name \"{key}\"{place}: Cannot find field.");
            violations.push((path.clone(), text));
            continue;
        };
        if value.is_null() {
            continue;
        }
        if let Some((_, one_of)) = one_of.filter(|_| !checked.is_empty()) {
            // unknown to us: these words.
            let text =
                format!("Invalid value at '{path}' (oneof), oneof field '{one_of}' is already set. Cannot set '{key}'");
            violations.push((path.clone(), text));
            continue;
        }
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(&snake_case(&key));
        let value = check(kind, value, path, violations);
        path.truncate(length);
        checked.insert(key, value);
    }
    checked
}

fn refuse(kind: &Type, value: Value, path: &str, violations: &mut Vec<(String, String)>) -> Value {
    let mut shown = match &value {
        Value::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    };
    if let Some((end, _)) = shown.char_indices().nth(200) {
        shown.truncate(end);
    }
    violations.push((path.to_owned(), format!("Invalid value at '{path}' ({}), {shown}", kind.name())));
    value
}

fn whole(number: Option<f64>) -> Option<i64> {
    number.filter(|n| n.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(n)).map(|n| n as i64)
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &'static str, body: &Value) -> String {
        parse(message, body.to_string().as_bytes()).unwrap_err().message
    }

    #[test]
    fn the_table_is_whole() {
        for (name, message) in messages() {
            for kind in message.values() {
                let mut kind = kind;
                while let Type::List(element) = kind {
                    kind = element;
                }
                if let Type::Message(other) = kind {
                    assert!(messages().contains_key(other), "{name} mentions {other}");
                }
            }
        }
        assert!(messages()["Request"].len() > 60);
    }

    #[test]
    fn what_google_does_not_know_is_refused_in_its_words() {
        let batch = "BatchUpdateSpreadsheetRequest";
        for (body, expected) in [
            (json!({"x": 1}), r#"Invalid JSON payload received. Unknown name "x": Cannot find field."#),
            (
                json!({"requests": [{"appendCells": {"sheetId": 0, "row": []}}]}),
                r#"Invalid JSON payload received. Unknown name "row" at 'requests[0].append_cells': Cannot find field."#,
            ),
            (
                json!({"requests": [{"appendCells": {"sheetId": "a"}}]}),
                r#"Invalid value at 'requests[0].append_cells.sheet_id' (TYPE_INT32), "a""#,
            ),
            (
                json!({"requests": [{"appendDimension": {"dimension": "SIDEWAYS"}}]}),
                r#"Invalid value at 'requests[0].append_dimension.dimension' (TYPE_ENUM), "SIDEWAYS""#,
            ),
            (
                json!({"requests": [5]}),
                "Invalid value at 'requests[0]' (type.googleapis.com/google.apps.sheets.v4.Request), 5",
            ),
        ] {
            assert_eq!(refusal(batch, &body), expected);
        }
    }

    #[test]
    fn nulls_are_absent_and_numbers_may_be_text() {
        let body = json!({"requests": [{"appendCells": {"sheetId": "7", "rows": null}}]});
        let parsed = parse("BatchUpdateSpreadsheetRequest", body.to_string().as_bytes()).unwrap();
        assert_eq!(parsed, json!({"requests": [{"appendCells": {"sheetId": 7}}]}));
        assert_eq!(parse("ValueRange", b" ").unwrap(), json!({}));
    }
}
