//! Functions of text.

use super::{
    super::{
        super::render,
        values::{Kind, Worked},
    },
    Call, Outcome, Stop,
};

/// A result must fit into a cell (docs/google.md 5.2).
const MOST_CHARACTERS: usize = 50_000;

pub(super) fn result(call: &Call<'_, '_>, name: &str) -> Outcome {
    let count = |at: usize, default: f64| -> Result<usize, Stop> {
        match call.number_or(at, default)? {
            number if number >= 0.0 => Ok(number.min(1e9) as usize),
            _ => Err(Call::fault(Kind::Value, "A count must not be negative.")),
        }
    };
    let text = match name {
        "LEN" => return Ok(Worked::Number(call.text(0)?.chars().count() as f64)),
        "VALUE" => return Ok(Worked::Number(call.number(0)?)),
        "EXACT" => return Ok(Worked::Bool(call.text(0)? == call.text(1)?)),
        "CODE" => return Ok(Worked::Number(call.text(0)?.chars().next().map_or(0.0, |c| f64::from(u32::from(c))))),
        "FIND" | "SEARCH" => return find(call, name == "SEARCH"),
        "T" => match call.value(0)? {
            Worked::Text(text) => text,
            _ => String::new(),
        },
        "TRIM" => call.text(0)?.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
        "UPPER" => call.text(0)?.to_uppercase(),
        "LOWER" => call.text(0)?.to_lowercase(),
        "PROPER" => proper(&call.text(0)?),
        "CHAR" => {
            let code = char::from_u32(call.number(0)? as u32).filter(|c| *c != '\0');
            code.ok_or_else(|| Call::fault(Kind::Num, "There is no such character."))?.to_string()
        }
        "LEFT" => call.text(0)?.chars().take(count(1, 1.0)?).collect(),
        "RIGHT" => {
            let (text, count) = (call.text(0)?, count(1, 1.0)?);
            text.chars().skip(text.chars().count().saturating_sub(count)).collect()
        }
        "MID" => call.text(0)?.chars().skip(count(1, 1.0)?.max(1) - 1).take(count(2, 0.0)?).collect(),
        "REPT" => {
            let (text, count) = (call.text(0)?, count(1, 0.0)?);
            if text.chars().count().saturating_mul(count) > MOST_CHARACTERS {
                return Err(Call::fault(Kind::Value, "The result is too long for a cell."));
            }
            text.repeat(count)
        }
        "TEXT" => match call.value(0)? {
            Worked::Text(text) => text,
            value => render::with_pattern(value.number()?, &call.text(1)?),
        },
        "HYPERLINK" => call.text(usize::from(call.has(1)))?,
        "SUBSTITUTE" => substitute(call)?,
        "CONCAT" | "CONCATENATE" => joined(call, 0, "", false)?,
        "JOIN" => joined(call, 1, &call.text(0)?, false)?,
        _ => joined(call, 2, &call.text(0)?, call.truth(1)?)?,
    };
    Ok(Worked::Text(text))
}

fn joined(call: &Call<'_, '_>, from: usize, between: &str, skip_blank: bool) -> Result<String, Stop> {
    let mut parts = Vec::new();
    for at in from..call.len() {
        call.each(&call.many(at)?, &mut |_, _, value| {
            let text = value.text()?;
            if !(skip_blank && text.is_empty()) {
                parts.push(text);
            }
            Ok(())
        })?;
    }
    Ok(parts.join(between))
}

fn find(call: &Call<'_, '_>, any_case: bool) -> Outcome {
    let fold = |text: String| if any_case { text.to_lowercase() } else { text };
    let (wanted, text) = (fold(call.text(0)?), fold(call.text(1)?));
    let from = call.number_or(2, 1.0)?.max(1.0) as usize - 1;
    let start = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
    let found = text[start..].find(&wanted).map(|at| text[..start + at].chars().count() + 1);
    match found {
        Some(at) => Ok(Worked::Number(at as f64)),
        None => Err(Call::fault(Kind::Value, "The text is not there.")),
    }
}

fn substitute(call: &Call<'_, '_>) -> Result<String, Stop> {
    let (text, old, new) = (call.text(0)?, call.text(1)?, call.text(2)?);
    if old.is_empty() {
        return Ok(text);
    }
    if !call.has(3) {
        return Ok(text.replace(&old, &new));
    }
    let nth = call.number(3)?;
    let found = (nth >= 1.0).then(|| text.match_indices(&old).nth(nth as usize - 1)).flatten();
    Ok(match found {
        Some((at, _)) => format!("{}{new}{}", &text[..at], &text[at + old.len()..]),
        None => text.clone(),
    })
}

fn proper(text: &str) -> String {
    let mut in_word = false;
    let change = |c: char| {
        let first = !std::mem::replace(&mut in_word, c.is_alphabetic());
        if first { c.to_uppercase().collect::<String>() } else { c.to_lowercase().collect() }
    };
    text.chars().map(change).collect()
}
