//! The basic filter of a tab: what it hides, and how it is told (discovery document, BasicFilter).
//!
//! unknown to us: when Google looks at a row again whose cells changed; here the page and `hiddenByFilter` always say how
//! it is now. Conditions by date, by colour and by formula hide nothing. Values are read whether hidden or not.

use serde_json::{Map, Value, json};

use super::{cell::CellValue, formula::Calc, ranges::Dimension, render, sheet::Sheet, shift::Shift};

/// As it is kept: `filterSpecs` alone, which takes precedence where both were given.
pub(super) fn kept(filter: &Value) -> Value {
    let mut filter = filter.clone();
    let Some(members) = filter.as_object_mut() else { return filter };
    let criteria = members.remove("criteria");
    if !members.contains_key("filterSpecs")
        && let Some(Value::Object(criteria)) = criteria
    {
        let spec = |(column, criteria): (String, Value)| {
            Some(json!({ "columnIndex": column.parse::<u32>().ok()?, "filterCriteria": criteria }))
        };
        members.insert("filterSpecs".into(), criteria.into_iter().filter_map(spec).collect());
    }
    filter
}

/// As it is told: "both criteria and filter_specs are populated in responses".
pub(super) fn told(filter: &Value) -> Value {
    let mut filter = filter.clone();
    let criteria: Map<String, Value> =
        specs(&filter).map(|(column, criteria)| (column.to_string(), criteria.clone())).collect();
    if !criteria.is_empty() {
        filter["criteria"] = criteria.into();
    }
    filter
}

/// Columns of its tab come and go: criteria and orders stay with theirs, or go too.
pub(super) fn follow(sheet: &mut Sheet, dimension: Dimension, shift: &Shift) {
    if dimension != Dimension::Columns || sheet.list("basicFilter").is_empty() {
        return;
    }
    for filter in sheet.list_mut("basicFilter") {
        for (list, member) in [("filterSpecs", "columnIndex"), ("sortSpecs", "dimensionIndex")] {
            if let Some(specs) = filter.get_mut(list).and_then(Value::as_array_mut) {
                specs.retain_mut(|spec| {
                    let new = shift.line(spec[member].as_u64().unwrap_or(0) as usize);
                    spec[member] = new.unwrap_or_default().into();
                    new.is_some()
                });
            }
        }
    }
}

fn specs(filter: &Value) -> impl Iterator<Item = (usize, &Value)> {
    let specs = filter["filterSpecs"].as_array().into_iter().flatten();
    // proto3 JSON leaves a zero out (docs/google.md 8).
    specs.map(|spec| (spec["columnIndex"].as_u64().unwrap_or(0) as usize, &spec["filterCriteria"]))
}

/// Whether the basic filter hides a row. Its first row is the header, which stays.
pub(crate) fn hides(sheet: &Sheet, calc: &Calc<'_>, tab: usize, row: usize) -> bool {
    let Some(filter) = sheet.list("basicFilter").first() else { return false };
    let end = |name: &str| filter["range"][name].as_u64().map(|end| end as usize);
    let is_below_header = row > end("startRowIndex").unwrap_or(0) && end("endRowIndex").is_none_or(|end| row < end);
    is_below_header
        && specs(filter).any(|(column, criteria)| {
            let cell = sheet.grid.cell(row, column).cloned().unwrap_or_default();
            let (shown, _) = render::shown(&cell, calc, (tab, row, column));
            let text = render::formatted(&shown);
            let is_listed = |value: &Value| value.as_str() == Some(&text);
            criteria["hiddenValues"].as_array().into_iter().flatten().any(is_listed)
                || holds(&criteria["condition"], &shown.value, &text) == Some(false)
        })
}

/// None: a condition that is not emulated. unknown to us: that case makes no difference to text, and that text is no
/// number.
fn holds(condition: &Value, value: &CellValue, text: &str) -> Option<bool> {
    let given = |at: usize| condition["values"][at]["userEnteredValue"].as_str();
    let number = |at: usize| given(at)?.trim().parse::<f64>().ok();
    let compare = |wanted: fn(f64, f64) -> bool| {
        let wanted_value = number(0)?;
        Some(matches!(value, CellValue::Number(own) if wanted(*own, wanted_value)))
    };
    let between = || {
        let (low, high) = (number(0)?, number(1)?);
        Some(matches!(value, CellValue::Number(own) if (low..=high).contains(own)))
    };
    let own = text.to_lowercase();
    let search = |has: fn(&str, &str) -> bool| Some(has(&own, &given(0)?.to_lowercase()));
    match condition["type"].as_str()? {
        "NUMBER_GREATER" => compare(|own, given| own > given),
        "NUMBER_GREATER_THAN_EQ" => compare(|own, given| own >= given),
        "NUMBER_LESS" => compare(|own, given| own < given),
        "NUMBER_LESS_THAN_EQ" => compare(|own, given| own <= given),
        "NUMBER_EQ" => compare(|own, given| own == given),
        "NUMBER_NOT_EQ" => compare(|own, given| own != given),
        "NUMBER_BETWEEN" => between(),
        "NUMBER_NOT_BETWEEN" => between().map(|is_between| !is_between),
        "TEXT_CONTAINS" => search(|own, given| own.contains(given)),
        "TEXT_NOT_CONTAINS" => search(|own, given| !own.contains(given)),
        "TEXT_STARTS_WITH" => search(|own, given| own.starts_with(given)),
        "TEXT_ENDS_WITH" => search(|own, given| own.ends_with(given)),
        "TEXT_EQ" => search(|own, given| own == given),
        "TEXT_NOT_EQ" => search(|own, given| own != given),
        "BLANK" => Some(text.is_empty()),
        "NOT_BLANK" => Some(!text.is_empty()),
        _ => None,
    }
}
