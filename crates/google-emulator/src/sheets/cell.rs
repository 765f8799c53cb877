//! One cell: what was entered, how it is formatted, and the JSON of both.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{errors::Refusal, formula::Calc, mask::Mask, render};

/// What a cell holds, as entered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellValue {
    /// Nothing.
    #[default]
    Empty,
    /// Also dates and times: days since 1899-12-30.
    Number(f64),
    /// Text, whatever it looks like.
    Text(String),
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// With its `=`.
    Formula(String),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    #[serde(default, skip_serializing_if = "CellValue::is_empty", rename = "v")]
    pub(crate) value: CellValue,
    /// CellFormat as entered; shared, because a column of cells has one format.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "f")]
    pub(crate) format: Option<Arc<Value>>,
    /// Members that are only kept: `note`, `dataValidation`, …
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "m")]
    pub(crate) more: Option<Arc<Map<String, Value>>>,
}

/// docs/google.md 5.2.
pub(crate) const MOST_CHARACTERS: usize = 50_000;

impl CellValue {
    /// Whether there is nothing in the cell. An empty text is nothing too.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// From an ExtendedValue, already checked against the schema.
    fn from_extended(value: &Value) -> Result<Self, Refusal> {
        let Some((kind, value)) = value.as_object().and_then(|members| members.iter().next()) else {
            return Ok(Self::Empty);
        };
        let value = match (kind.as_str(), value) {
            ("numberValue", value) => Self::Number(value.as_f64().unwrap_or_default()),
            ("stringValue", Value::String(text)) => Self::Text(text.clone()),
            ("boolValue", value) => Self::Bool(value.as_bool().unwrap_or_default()),
            ("formulaValue", Value::String(text)) => Self::Formula(text.clone()),
            _ => return Err(Refusal::unsourced(format!("{kind} cannot be set"))),
        };
        value.checked()
    }

    pub(crate) fn checked(self) -> Result<Self, Refusal> {
        match &self {
            // Bytes bound characters from above, so the count is rarely needed.
            Self::Text(text) | Self::Formula(text)
                if text.len() > MOST_CHARACTERS && text.chars().count() > MOST_CHARACTERS =>
            {
                Err(Refusal::invalid(format!(
                    "Your input contains more than the maximum of {MOST_CHARACTERS} characters in a single cell."
                )))
            }
            _ => Ok(self),
        }
    }

    fn to_extended(&self) -> Option<Value> {
        match self {
            Self::Empty => None,
            Self::Number(number) => Some(json!({ "numberValue": render::number_json(*number) })),
            Self::Text(text) => Some(json!({ "stringValue": text })),
            Self::Bool(value) => Some(json!({ "boolValue": value })),
            Self::Formula(text) => Some(json!({ "formulaValue": text })),
        }
    }
}

impl Cell {
    pub(crate) fn is_blank(&self) -> bool {
        self.value.is_empty() && self.format.is_none() && self.more.is_none()
    }

    /// Writes the members of `source` (CellData) that `mask` lists; a listed member that is absent is cleared.
    pub(crate) fn write(&mut self, source: &Value, mask: &Mask, formats: &mut Formats) -> Result<(), Refusal> {
        if mask.takes("userEnteredValue") {
            self.value = match source.get("userEnteredValue") {
                Some(value) => CellValue::from_extended(value)?,
                None => CellValue::Empty,
            };
        }
        if let Some(mask) = mask.under("userEnteredFormat") {
            self.format = match (mask, source.get("userEnteredFormat")) {
                (Mask::All, format) => format.map(|format| formats.shared(format)),
                (mask, format) => {
                    let mut merged = self.format.as_deref().cloned().unwrap_or_else(|| json!({}));
                    mask.merge(&mut merged, format.unwrap_or(&Value::Null));
                    let is_plain = merged.as_object().is_none_or(Map::is_empty);
                    (!is_plain).then(|| formats.shared(&merged))
                }
            };
        }
        if mask.is_only(&["userEnteredValue", "userEnteredFormat"]) {
            return Ok(());
        }
        let mut more = self.more.as_deref().cloned().unwrap_or_default();
        for name in ["note", "dataValidation", "textFormatRuns", "hyperlink", "pivotTable", "chipRuns"] {
            if mask.takes(name) {
                match source.get(name) {
                    Some(value) => drop(more.insert(name.into(), value.clone())),
                    None => drop(more.remove(name)),
                }
            }
        }
        self.more = (!more.is_empty()).then(|| Arc::new(more));
        Ok(())
    }

    /// CellData of the cell at that tab, row and column.
    pub(crate) fn to_json(&self, calc: &Calc<'_>, at: (usize, usize, usize)) -> Value {
        let mut cell = self.more.as_deref().cloned().unwrap_or_default();
        let (shown, worked) = render::shown(self, calc, at);
        if let Some(value) = self.value.to_extended().filter(|_| !self.value.is_empty()) {
            let effective = worked.map_or_else(|| value.clone(), |worked| worked.to_extended());
            cell.insert("userEnteredValue".into(), value);
            cell.insert("effectiveValue".into(), effective);
            cell.insert("formattedValue".into(), render::formatted(&shown).into());
        }
        if let Some(format) = &self.format {
            cell.insert("userEnteredFormat".into(), (**format).clone());
        }
        if let Some(format) = &shown.format {
            cell.insert("effectiveFormat".into(), (**format).clone());
        }
        Value::Object(cell)
    }

    /// `(type, pattern)` of the number format.
    pub(crate) fn number_format(&self) -> Option<(&str, Option<&str>)> {
        let format = self.format.as_deref()?.get("numberFormat")?;
        Some((format.get("type")?.as_str()?, format.get("pattern").and_then(Value::as_str)))
    }
}

/// Formats met during one call, so that equal ones are one allocation.
#[derive(Debug, Default)]
pub(crate) struct Formats(Vec<Arc<Value>>);

impl Formats {
    pub(crate) fn shared(&mut self, format: &Value) -> Arc<Value> {
        if let Some(known) = self.0.iter().find(|known| ***known == *format) {
            return Arc::clone(known);
        }
        let format = Arc::new(format.clone());
        if self.0.len() < 32 {
            self.0.push(Arc::clone(&format));
        }
        format
    }
}
