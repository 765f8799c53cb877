//! Groups of rows or columns, as the discovery document describes them: each line has a depth, and a group of depth d is a
//! run of lines that are at least so deep.

use serde_json::{Value, json};

use super::{
    errors::Refusal,
    mask::Mask,
    ranges::{Dimension, int},
    spreadsheet::Spreadsheet,
};

fn list_of(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Rows => "rowGroups",
        Dimension::Columns => "columnGroups",
    }
}

/// `Add` and `Delete`: one line deeper, or less deep. The reply lists all groups of that dimension.
pub(super) fn change(book: &mut Spreadsheet, body: &Value, deeper: bool) -> Result<Value, Refusal> {
    let (sheet, dimension, range) = book.resolve_dimension(&body["range"])?;
    let count = book.sheets[sheet].count(dimension);
    if range.end > count {
        return Err(book.sheets[sheet].exceeds());
    }
    let list = list_of(dimension);
    let old = book.sheets[sheet].list(list).to_vec();
    let mut depths = vec![0_i64; count];
    for group in &old {
        let lines = int(&group["range"], "startIndex") as usize..(int(&group["range"], "endIndex") as usize).min(count);
        for depth in &mut depths[lines] {
            *depth = (*depth).max(int(group, "depth"));
        }
    }
    let touched = &mut depths[range];
    if !deeper && touched.iter().all(|depth| *depth == 0) {
        return Err(Refusal::unsourced("There is no group over this range."));
    }
    touched.iter_mut().for_each(|depth| *depth = (*depth + if deeper { 1 } else { -1 }).max(0));
    // unknown to us: how deep Google lets groups nest; its editor stops at eight.
    if depths.iter().any(|depth| *depth > 8) {
        return Err(Refusal::unsourced("Groups cannot be nested deeper."));
    }
    let id = book.sheets[sheet].id;
    let mut groups = Vec::new();
    for depth in 1..=depths.iter().copied().max().unwrap_or(0) {
        let mut start = None;
        for at in 0..=count {
            let inside = depths.get(at).is_some_and(|line| *line >= depth);
            match (inside, start) {
                (true, None) => start = Some(at),
                (false, Some(first)) => {
                    let range =
                        json!({ "sheetId": id, "dimension": dimension.name(), "startIndex": first, "endIndex": at });
                    let same = old.iter().find(|group| group["range"] == range && int(group, "depth") == depth);
                    groups.push(same.cloned().unwrap_or_else(|| json!({ "range": range, "depth": depth })));
                    start = None;
                }
                _ => {}
            }
        }
    }
    *book.sheets[sheet].list_mut(list) = groups.clone();
    book.sheets[sheet].tidy();
    Ok(match groups.is_empty() {
        true => json!({}),
        false => json!({ "dimensionGroups": groups }),
    })
}

/// "The range and depth of the group should specify a valid group"; a collapsed one hides its lines.
pub(super) fn update(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let mask = Mask::of_write(body, "DimensionGroup")?;
    let group = &body["dimensionGroup"];
    let (sheet, dimension, range) = book.resolve_dimension(&group["range"])?;
    let depth = int(group, "depth");
    let is_same = |known: &Value| {
        int(known, "depth") == depth
            && int(&known["range"], "startIndex") as usize == range.start
            && int(&known["range"], "endIndex") as usize == range.end
    };
    let known = book.sheets[sheet].list_mut(list_of(dimension)).iter_mut().find(|known| is_same(known));
    let known = known.ok_or_else(|| Refusal::unsourced("There is no group with this range and depth."))?;
    if mask.takes("collapsed") {
        let collapsed = group["collapsed"] == true;
        match known.as_object_mut() {
            Some(members) if !collapsed => drop(members.remove("collapsed")),
            _ => known["collapsed"] = true.into(),
        }
        for line in range {
            let lines = book.sheets[sheet].dimension_mut(dimension);
            if collapsed {
                lines.entry(line).or_default().insert("hiddenByUser".into(), true.into());
            } else if let Some(properties) = lines.get_mut(&line) {
                properties.remove("hiddenByUser");
                if properties.is_empty() {
                    lines.remove(&line);
                }
            }
        }
    }
    Ok(Value::Null)
}
