//! Rows and cells as the JSON of a request.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use serde_json::{Value, json};

use crate::cell::Cell;

/// Interior gaps are empty objects, so that cells keep their place. Written as text, not built as a tree first: half of
/// what a flood costs is here.
pub(crate) fn row_json(cells: &BTreeMap<usize, &Cell>) -> String {
    let mut json = String::from(r#"{"values":["#);
    let mut next = 0;
    for (column, cell) in cells {
        for at in next..=*column {
            let comma = if at > 0 { "," } else { "" };
            json.push_str(comma);
            if at < *column {
                json.push_str("{}");
            }
        }
        push_cell(&mut json, cell);
        next = column + 1;
    }
    json.push_str("]}");
    json
}

pub(crate) fn text_cell(text: &str) -> Value {
    json!({"userEnteredValue": {"stringValue": text}})
}

/// Never `formulaValue`: text that begins with `=` stays text (docs/google.md).
fn push_cell(json: &mut String, cell: &Cell) {
    json.push_str(r#"{"userEnteredValue":{"#);
    match cell {
        Cell::Text(text) => push_text(json, text),
        Cell::Bool(bool) => {
            json.push_str(if *bool { r#""boolValue":true"# } else { r#""boolValue":false"# });
        }
        Cell::Number(number) if number.is_finite() => push_number(json, *number),
        Cell::Number(number) => push_text(json, &number.to_string()),
        Cell::Bare(serial, _) | Cell::Serial(serial, _) => push_number(json, *serial),
        Cell::Blank | Cell::Empty(_) => {}
    }
    json.push('}');
    // The format goes with the cell too: whether rows that the grid grew by inherit their column's is unknown
    // (docs/google.md, S11).
    if let Cell::Serial(_, format) = cell {
        let (kind, pattern) = format.type_and_pattern();
        // Both are ours: nothing in them needs an escape.
        for piece in [r#","userEnteredFormat":{"numberFormat":{"type":""#, kind, r#"","pattern":""#, pattern, r#""}}"#]
        {
            json.push_str(piece);
        }
    }
    json.push('}');
}

fn push_text(json: &mut String, text: &str) {
    json.push_str(r#""stringValue":"#);
    // Text always becomes JSON.
    json.push_str(&serde_json::to_string(text).unwrap_or_else(|_| String::from("\"\"")));
}

fn push_number(json: &mut String, number: f64) {
    json.push_str(r#""numberValue":"#);
    let whole = number as i64;
    // Without `.0`; a double holds all of these, and a zero loses no sign.
    let is_whole = whole.unsigned_abs() < 1 << 53 && (whole as f64).to_bits() == number.to_bits();
    let text = if is_whole { whole.to_string() } else { serde_json::to_string(&number).unwrap_or_default() };
    json.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Format, Precision};

    const MOMENT: Format = Format::DateTime(Precision::Second);

    #[test]
    fn cells_are_json_that_holds_exactly_what_they_do() {
        let text = "\"=a\"\\ \u{0}\n\u{2028}\u{1F642}";
        let written = |cell: &Cell| -> Value {
            let mut json = String::new();
            push_cell(&mut json, cell);
            serde_json::from_str(&json).unwrap()
        };
        for held in [Cell::Text(text.into()), Cell::Number(f64::NAN)] {
            let text = if let Cell::Text(text) = &held { text } else { "NaN" };
            assert_eq!(written(&held), json!({"userEnteredValue": {"stringValue": text}}));
        }
        assert_eq!(written(&Cell::Bool(false)), json!({"userEnteredValue": {"boolValue": false}}));
        let beyond = 9_007_199_254_740_992.0;
        for number in
            [0.0, -0.0, 1.0, -17.0, 0.1 + 0.2, 46_349.059_182_754_63, beyond, -beyond, 1e300, f64::MIN_POSITIVE]
        {
            let read = written(&Cell::Number(number))["userEnteredValue"]["numberValue"].as_f64().unwrap();
            assert_eq!(read.to_bits(), number.to_bits(), "{number}");
        }
        let mut short = String::new();
        push_cell(&mut short, &Cell::Bare(21.0, MOMENT));
        assert_eq!(short, r#"{"userEnteredValue":{"numberValue":21}}"#);
    }
}
