//! Rules of conditional formats: a list of each tab, in the order in which they count.

use serde_json::{Value, json};

use super::super::{
    errors::Refusal,
    ranges::{index, int},
    spreadsheet::Spreadsheet,
};

const RULES: &str = "conditionalFormats";

fn rule_home(book: &Spreadsheet, rule: &Value) -> Result<usize, Refusal> {
    let ranges = rule["ranges"].as_array().filter(|ranges| !ranges.is_empty());
    let ranges = ranges.ok_or_else(|| Refusal::unsourced("A conditional format rule must have a range."))?;
    let mut homes = Vec::new();
    for range in ranges {
        homes.push(book.resolve_range(range)?.sheet);
    }
    if homes.iter().any(|home| *home != homes[0]) {
        return Err(Refusal::unsourced("All ranges of a conditional format rule must be on one sheet."));
    }
    if rule.get("booleanRule").is_some() == rule.get("gradientRule").is_some() {
        return Err(Refusal::unsourced("A conditional format rule must be either boolean or a gradient."));
    }
    Ok(homes[0])
}

fn no_rule(at: usize) -> Refusal {
    Refusal::unsourced(format!("No conditional format on sheet at index: {at}"))
}

pub(super) fn add(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let sheet = rule_home(book, &body["rule"])?;
    let place = index(body, "index")?.unwrap_or(0);
    let rules = book.sheets[sheet].list_mut(RULES);
    rules.insert(place.min(rules.len()), body["rule"].clone());
    Ok(Value::Null)
}

pub(super) fn update(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let at = index(body, "index")?.unwrap_or(0);
    if let Some(rule) = body.get("rule") {
        let sheet = rule_home(book, rule)?;
        let old = book.sheets[sheet].list(RULES).get(at).cloned().ok_or_else(|| no_rule(at))?;
        book.sheets[sheet].list_mut(RULES)[at] = rule.clone();
        return Ok(json!({ "newRule": rule, "newIndex": at, "oldRule": old }));
    }
    let sheet = book.sheet_at(int(body, "sheetId"))?;
    let to = index(body, "newIndex")?.ok_or_else(|| Refusal::unsourced("Either rule or newIndex must be set."))?;
    if at >= book.sheets[sheet].list(RULES).len() {
        return Err(no_rule(at));
    }
    let rules = book.sheets[sheet].list_mut(RULES);
    let rule = rules.remove(at);
    let to = to.min(rules.len());
    rules.insert(to, rule.clone());
    Ok(json!({ "newRule": rule, "newIndex": to, "oldIndex": at }))
}

pub(super) fn delete(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let home = book.sheet_at(int(body, "sheetId"))?;
    let sheet = &mut book.sheets[home];
    let at = index(body, "index")?.unwrap_or(0);
    if at >= sheet.list(RULES).len() {
        return Err(no_rule(at));
    }
    let rule = sheet.list_mut(RULES).remove(at);
    sheet.tidy();
    Ok(json!({ "rule": rule }))
}
