//! What a tab keeps beside its cells and gives back as it got it: protected ranges, banding, filters, conditional
//! formats, charts, slicers, tables, merges. Their ranges follow rows and columns that come and go.

mod conditional;
mod follow;
mod merges;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    errors::Refusal,
    filter,
    mask::Mask,
    ranges::{Area, Dimension, grid_range, int, overlap},
    sheet::Sheet,
    spreadsheet::Spreadsheet,
};
use crate::random::Random;

/// One kind of kept object.
struct Kind {
    /// As in `addBanding`, `updateBanding`, `deleteBanding`.
    name: &'static str,
    /// Member of Sheet.
    list: &'static str,
    /// Member of the requests and replies.
    object: &'static str,
    id: &'static str,
    /// Member of the delete request.
    delete_id: &'static str,
    message: &'static str,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "ProtectedRange",
        list: "protectedRanges",
        object: "protectedRange",
        id: "protectedRangeId",
        delete_id: "protectedRangeId",
        message: "ProtectedRange",
    },
    Kind {
        name: "Banding",
        list: "bandedRanges",
        object: "bandedRange",
        id: "bandedRangeId",
        delete_id: "bandedRangeId",
        message: "BandedRange",
    },
    Kind {
        name: "FilterView",
        list: "filterViews",
        object: "filter",
        id: "filterViewId",
        delete_id: "filterId",
        message: "FilterView",
    },
    Kind { name: "Table", list: "tables", object: "table", id: "tableId", delete_id: "tableId", message: "Table" },
    Kind {
        name: "Chart",
        list: "charts",
        object: "chart",
        id: "chartId",
        delete_id: "objectId",
        message: "EmbeddedChart",
    },
    Kind {
        name: "Slicer",
        list: "slicers",
        object: "slicer",
        id: "slicerId",
        delete_id: "objectId",
        message: "Slicer",
    },
];

/// Charts and slicers: what floats above the cells.
const EMBEDDED: [&str; 2] = ["charts", "slicers"];

impl Sheet {
    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.kept.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn list_mut(&mut self, name: &str) -> &mut Vec<Value> {
        Arc::make_mut(&mut self.kept).entry(name.to_owned()).or_default()
    }

    /// A list that became empty is not returned.
    pub(super) fn tidy(&mut self) {
        Arc::make_mut(&mut self.kept).retain(|_, list| !list.is_empty());
    }
}

/// A request of one of the [`KINDS`] or about what floats. None: it is another request.
pub(super) fn request(
    book: &mut Spreadsheet,
    name: &str,
    body: &Value,
    random: &mut Random,
) -> Option<Result<Value, Refusal>> {
    let plain = match name {
        "deleteEmbeddedObject" => Some(delete_embedded(book, body)),
        "updateEmbeddedObjectPosition" => Some(update_position(book, body)),
        "updateEmbeddedObjectBorder" => Some(update_border(book, body)),
        "updateChartSpec" => Some(update_chart(book, body)),
        "updateSlicerSpec" => Some(update_slicer(book, body)),
        "duplicateFilterView" => Some(duplicate_filter_view(book, body, random)),
        "addConditionalFormatRule" => Some(conditional::add(book, body)),
        "updateConditionalFormatRule" => Some(conditional::update(book, body)),
        "deleteConditionalFormatRule" => Some(conditional::delete(book, body)),
        "mergeCells" => Some(merges::merge(book, body)),
        "unmergeCells" => Some(merges::unmerge(book, body)),
        "setBasicFilter" => Some(set_basic_filter(book, &body["filter"])),
        "clearBasicFilter" => Some(clear_basic_filter(book, body)),
        "addNamedRange" => Some(add_named_range(book, &body["namedRange"], random)),
        "updateNamedRange" => Some(update_named_range(book, body)),
        "deleteNamedRange" => Some(delete_named_range(book, body)),
        _ => None,
    };
    plain.or_else(|| {
        let (verb, kind) = KINDS.iter().find_map(|kind| Some((name.strip_suffix(kind.name)?, kind)))?;
        let is_embedded = EMBEDDED.contains(&kind.list);
        Some(match verb {
            "add" => add(book, kind, &body[kind.object], random),
            "update" if !is_embedded => update(book, kind, body),
            "delete" if !is_embedded => delete(book, kind, body),
            _ => return None,
        })
    })
}

/// proto3 JSON leaves a zero out.
fn same_id(value: &Value, member: &str, id: &Value) -> bool {
    match id {
        Value::String(_) => value[member] == *id,
        id => int(value, member) == id.as_i64().unwrap_or(0),
    }
}

fn holder(book: &Spreadsheet, kind: &Kind, id: &Value) -> Option<(usize, usize)> {
    book.sheets.iter().enumerate().find_map(|(sheet, s)| {
        s.list(kind.list).iter().position(|value| same_id(value, kind.id, id)).map(|at| (sheet, at))
    })
}

fn missing(kind: &Kind, id: &Value) -> Refusal {
    Refusal::unsourced(format!("No {} with id: {id}", kind.object))
}

/// The tab an object belongs to.
fn home(book: &Spreadsheet, kind: &Kind, value: &Value) -> Result<usize, Refusal> {
    if EMBEDDED.contains(&kind.list) {
        let position = &value["position"];
        if position["newSheet"] == true
            || (position.get("sheetId").is_some() && position.get("overlayPosition").is_none())
        {
            return Err(Refusal::not_emulated("charts on a sheet of their own"));
        }
        return book.sheet_at(int(&position["overlayPosition"]["anchorCell"], "sheetId"));
    }
    let by_name = |id: &str| {
        let named = book.named_ranges.iter().find(|range| range["namedRangeId"] == id)?;
        book.sheet_at(int(&named["range"], "sheetId")).ok()
    };
    let by_table = |id: &str| book.sheets.iter().position(|s| s.list("tables").iter().any(|t| t["tableId"] == id));
    match (value.get("range"), value["namedRangeId"].as_str(), value["tableId"].as_str()) {
        (Some(range), ..) => {
            // Checked for its tab and its bounds.
            book.resolve_range(range).map(|area| area.sheet)
        }
        (_, Some(id), _) => by_name(id).ok_or_else(|| Refusal::unsourced(format!("No named range with id: {id}"))),
        (_, _, Some(id)) => by_table(id).ok_or_else(|| Refusal::unsourced(format!("No table with id: {id}"))),
        _ => Err(Refusal::unsourced(format!("{} must have a range.", kind.object))),
    }
}

fn add(book: &mut Spreadsheet, kind: &Kind, object: &Value, random: &mut Random) -> Result<Value, Refusal> {
    let mut value = object.clone();
    if !value.is_object() {
        return Err(Refusal::unsourced(format!("{} must be set.", kind.object)));
    }
    let sheet = home(book, kind, &value)?;
    if value[kind.id].is_null() || value[kind.id] == "" {
        value[kind.id] = match kind.list {
            "tables" => random.below(u64::from(u32::MAX)).to_string().into(),
            _ => (1 + random.below(i32::MAX as u64 - 1)).into(),
        };
    }
    let id = value[kind.id].clone();
    // Using an id again is an error (docs/google.md 4.5).
    if holder(book, kind, &id).is_some() {
        return Err(Refusal::unsourced(format!("A {} with id {id} already exists.", kind.object)));
    }
    match kind.list {
        "bandedRanges" => {
            let area = book.resolve_range(&value["range"])?;
            if meets_another(book, kind, &area, &id)? {
                return Err(Refusal::unsourced(
                    "You cannot add alternating background colors to a range that already has alternating background \
                     colors.",
                ));
            }
        }
        "tables" => {
            let area = book.resolve_range(&value["range"])?;
            if meets_another(book, kind, &area, &id)? {
                return Err(Refusal::unsourced("The range meets another table."));
            }
            name_table(book, &mut value, &area)?;
        }
        "protectedRanges" => value["requestingUserCanEdit"] = true.into(),
        _ => {}
    }
    book.sheets[sheet].list_mut(kind.list).push(value.clone());
    Ok(json!({ kind.object: value }))
}

fn meets_another(book: &Spreadsheet, kind: &Kind, area: &Area, own: &Value) -> Result<bool, Refusal> {
    for value in book.sheets[area.sheet].list(kind.list) {
        if !same_id(value, kind.id, own) && overlap(&book.resolve_range(&value["range"])?, area) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A table has a name of its own, and its columns those of its header.
fn name_table(book: &Spreadsheet, table: &mut Value, area: &Area) -> Result<(), Refusal> {
    let is_taken = |name: &str| book.sheets.iter().flat_map(|s| s.list("tables")).any(|t| t["name"] == name);
    match table["name"].as_str() {
        Some(name) if is_taken(name) => {
            return Err(Refusal::unsourced(format!("A table with the name \"{name}\" already exists.")));
        }
        Some(_) => {}
        None => {
            let free = (1..).map(|number| format!("Table{number}")).find(|name| !is_taken(name));
            table["name"] = free.unwrap_or_default().into();
        }
    }
    let grid = &book.sheets[area.sheet].grid;
    let given = table["columnProperties"].as_array().cloned().unwrap_or_default();
    let columns: Vec<Value> = area
        .columns
        .clone()
        .enumerate()
        .map(|(at, column)| {
            let mut properties = given
                .iter()
                .find(|properties| int(properties, "columnIndex") == at as i64)
                .cloned()
                .unwrap_or(json!({}));
            properties["columnIndex"] = at.into();
            let header = grid.cell(area.rows.start, column).map(super::render::formatted).unwrap_or_default();
            if properties["columnName"].is_null() {
                let name = if header.is_empty() { format!("Column {}", at + 1) } else { header };
                properties["columnName"] = name.into();
            }
            properties
        })
        .collect();
    table["columnProperties"] = columns.into();
    Ok(())
}

fn update(book: &mut Spreadsheet, kind: &Kind, body: &Value) -> Result<Value, Refusal> {
    let mask = Mask::of_write(body, kind.message)?;
    let id = &body[kind.object][kind.id];
    let (sheet, at) = holder(book, kind, id).ok_or_else(|| missing(kind, id))?;
    let mut value = book.sheets[sheet].list(kind.list)[at].clone();
    let old_id = value[kind.id].clone();
    mask.merge(&mut value, &body[kind.object]);
    value[kind.id] = old_id;
    let new_sheet = home(book, kind, &value)?;
    book.sheets[sheet].list_mut(kind.list).remove(at);
    let list = book.sheets[new_sheet].list_mut(kind.list);
    list.insert(at.min(list.len()), value);
    book.sheets[sheet].tidy();
    Ok(Value::Null)
}

fn delete(book: &mut Spreadsheet, kind: &Kind, body: &Value) -> Result<Value, Refusal> {
    let id = &body[kind.delete_id];
    let (sheet, at) = holder(book, kind, id).ok_or_else(|| missing(kind, id))?;
    let gone = book.sheets[sheet].list_mut(kind.list).remove(at);
    book.sheets[sheet].tidy();
    if kind.list == "tables" {
        // With the table its cells go.
        if let Ok(area) = book.resolve_range(&gone["range"]) {
            book.clear(&area);
        }
    }
    Ok(Value::Null)
}

fn duplicate_filter_view(book: &mut Spreadsheet, body: &Value, random: &mut Random) -> Result<Value, Refusal> {
    let kind = &KINDS[2];
    let id = &body["filterId"];
    let (sheet, at) = holder(book, kind, id).ok_or_else(|| missing(kind, id))?;
    let mut copy = book.sheets[sheet].list(kind.list)[at].clone();
    copy[kind.id] = Value::Null;
    copy["title"] = format!("Copy of {}", copy["title"].as_str().unwrap_or_default()).into();
    add(book, kind, &copy, random)
}

fn embedded(book: &mut Spreadsheet, id: i64) -> Result<&mut Value, Refusal> {
    book.sheets
        .iter_mut()
        .flat_map(|sheet| Arc::make_mut(&mut sheet.kept).iter_mut())
        .filter(|(name, _)| EMBEDDED.contains(&name.as_str()))
        .flat_map(|(name, list)| list.iter_mut().map(move |value| (name, value)))
        .find(|(name, value)| int(value, if *name == "charts" { "chartId" } else { "slicerId" }) == id)
        .map(|(_, value)| value)
        .ok_or_else(|| Refusal::unsourced(format!("No embedded object with id: {id}")))
}

fn delete_embedded(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let id = int(body, "objectId");
    embedded(book, id)?;
    for sheet in &mut book.sheets {
        for (list, member) in [("charts", "chartId"), ("slicers", "slicerId")] {
            if !sheet.list(list).is_empty() {
                sheet.list_mut(list).retain(|value| int(value, member) != id);
            }
        }
        sheet.tidy();
    }
    Ok(Value::Null)
}

fn update_position(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let position = &body["newPosition"];
    let Some(overlay) = position.get("overlayPosition") else {
        return Err(match position.get("newSheet").or(position.get("sheetId")) {
            Some(_) => Refusal::not_emulated("charts on a sheet of their own"),
            None => Refusal::unsourced("newPosition must be set."),
        });
    };
    let mask = Mask::of_write(body, "OverlayPosition")?;
    let id = int(body, "objectId");
    let old_home = int(&embedded(book, id)?["position"]["overlayPosition"]["anchorCell"], "sheetId");
    let object = embedded(book, id)?;
    mask.merge(&mut object["position"]["overlayPosition"], overlay);
    let position = object["position"].clone();
    let new_home = int(&position["overlayPosition"]["anchorCell"], "sheetId");
    let to = book.sheet_at(new_home)?;
    if new_home != old_home {
        let from = book.sheet_at(old_home)?;
        for (list, member) in [("charts", "chartId"), ("slicers", "slicerId")] {
            if let Some(at) = book.sheets[from].list(list).iter().position(|value| int(value, member) == id) {
                let value = book.sheets[from].list_mut(list).remove(at);
                book.sheets[to].list_mut(list).push(value);
            }
        }
        book.sheets[from].tidy();
    }
    Ok(json!({ "position": position }))
}

fn update_border(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let mask = Mask::of_write(body, "EmbeddedObjectBorder")?;
    let object = embedded(book, int(body, "objectId"))?;
    mask.merge(&mut object["border"], &body["border"]);
    Ok(Value::Null)
}

fn update_chart(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let object = embedded(book, int(body, "chartId"))?;
    object["spec"] = body["spec"].clone();
    Ok(Value::Null)
}

fn update_slicer(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let mask = Mask::of_write(body, "SlicerSpec")?;
    let object = embedded(book, int(body, "slicerId"))?;
    mask.merge(&mut object["spec"], &body["spec"]);
    Ok(Value::Null)
}

fn set_basic_filter(book: &mut Spreadsheet, filter: &Value) -> Result<Value, Refusal> {
    let sheet = match (filter.get("range"), filter["tableId"].as_str()) {
        (None, Some(_)) => home(book, &KINDS[2], filter)?,
        _ => book.resolve_range(&filter["range"])?.sheet,
    };
    *book.sheets[sheet].list_mut("basicFilter") = vec![filter::kept(filter)];
    Ok(Value::Null)
}

fn clear_basic_filter(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let sheet = book.sheet_at(int(body, "sheetId"))?;
    book.sheets[sheet].list_mut("basicFilter").clear();
    book.sheets[sheet].tidy();
    Ok(Value::Null)
}

fn check_name(book: &Spreadsheet, range: &Value, own: Option<&str>) -> Result<(), Refusal> {
    let name = range["name"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::unsourced("A named range must have a name."))?;
    let is_plain =
        name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_plain || super::a1::parse(name).is_some() {
        return Err(Refusal::unsourced(format!("The name of a named range is not valid: {name}")));
    }
    let lower = name.to_lowercase();
    let is_taken = book.named_ranges.iter().any(|known| {
        known["namedRangeId"].as_str() != own
            && known["name"].as_str().is_some_and(|known| known.to_lowercase() == lower)
    });
    match is_taken {
        true => Err(Refusal::unsourced(format!("A named range with the name \"{name}\" already exists."))),
        false => Ok(()),
    }
}

fn add_named_range(book: &mut Spreadsheet, range: &Value, random: &mut Random) -> Result<Value, Refusal> {
    book.resolve_range(&range["range"])?;
    check_name(book, range, None)?;
    let mut range = range.clone();
    let id = match range["namedRangeId"].as_str().filter(|id| !id.is_empty()) {
        Some(id) => id.to_owned(),
        None => random.below(u64::from(u32::MAX)).to_string(),
    };
    if book.named_ranges.iter().any(|known| known["namedRangeId"] == id.as_str()) {
        return Err(Refusal::unsourced(format!("A named range with id {id} already exists.")));
    }
    range["namedRangeId"] = id.into();
    Arc::make_mut(&mut book.named_ranges).push(range.clone());
    Ok(json!({ "namedRange": range }))
}

fn update_named_range(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let mask = Mask::of_write(body, "NamedRange")?;
    let id = body["namedRange"]["namedRangeId"].as_str().unwrap_or_default();
    let at = book.named_ranges.iter().position(|range| range["namedRangeId"] == id);
    let at = at.ok_or_else(|| Refusal::unsourced(format!("No named range with id: {id}")))?;
    let mut range = book.named_ranges[at].clone();
    mask.merge(&mut range, &body["namedRange"]);
    range["namedRangeId"] = id.into();
    book.resolve_range(&range["range"])?;
    check_name(book, &range, Some(id))?;
    Arc::make_mut(&mut book.named_ranges)[at] = range;
    Ok(Value::Null)
}

fn delete_named_range(book: &mut Spreadsheet, body: &Value) -> Result<Value, Refusal> {
    let id = body["namedRangeId"].as_str().unwrap_or_default();
    let before = book.named_ranges.len();
    Arc::make_mut(&mut book.named_ranges).retain(|range| range["namedRangeId"] != id);
    match book.named_ranges.len() < before {
        true => Ok(Value::Null),
        false => Err(Refusal::unsourced(format!("No named range with id: {id}"))),
    }
}

impl Spreadsheet {
    /// Where a table's next row goes, after making room for `count` of them; the table grows.
    pub(super) fn extend_table(&mut self, id: &str, count: usize) -> Result<Area, Refusal> {
        let kind = &KINDS[3];
        let (sheet, at) = holder(self, kind, &id.into()).ok_or_else(|| missing(kind, &id.into()))?;
        let mut area = self.resolve_range(&self.sheets[sheet].list(kind.list)[at]["range"])?;
        let below = area.rows.end..area.rows.end + count;
        let is_free = below.clone().all(|row| self.sheets[sheet].grid.row(row).is_none_or(|row| !row.has_data()));
        if is_free {
            self.grow(sheet, Dimension::Rows, below.end)?;
        } else {
            self.insert(sheet, Dimension::Rows, below.clone())?;
        }
        area.rows.end = below.end;
        let id = self.sheets[sheet].id;
        self.sheets[sheet].list_mut(kind.list)[at]["range"] = grid_range(id, &area);
        Ok(Area { rows: below, ..area })
    }
}
