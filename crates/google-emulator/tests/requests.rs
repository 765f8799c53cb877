//! Requests of `spreadsheets.batchUpdate` beyond appending: what tidies, copies, groups, marks and protects.

mod common;

use common::{Sheet, World, append, row};
use google_emulator::Request;
use serde_json::{Value, json};

fn put(sheet: &mut Sheet<'_>, range: &str, rows: &Value) {
    let reply = sheet.put(&format!("/values/{range}?valueInputOption=USER_ENTERED"), &json!({ "values": rows }));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Rows and columns of the tab `Log`, ends excluded.
fn range(rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Value {
    json!({"sheetId": 7, "startRowIndex": rows.start, "endRowIndex": rows.end,
        "startColumnIndex": columns.start, "endColumnIndex": columns.end})
}

fn tab(sheet: &mut Sheet<'_>) -> Value {
    sheet.get("?includeGridData=false").value()["sheets"][0].clone()
}

fn lines(dimension: &str, at: std::ops::Range<usize>) -> Value {
    json!({"sheetId": 7, "dimension": dimension, "startIndex": at.start, "endIndex": at.end})
}

#[test]
fn copying_fills_multiples_and_keeps_formulas_relative() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([[1, "=A1+1"], [2, "x"]]));
    sheet.apply(json!([{"copyPaste": {"source": range(0..2, 0..2), "destination": range(2..6, 0..2)}}]));
    assert_eq!(sheet.values("A3:B6"), json!([[1, 2], [2, "x"], [1, 2], [2, "x"]]));
    let formula = sheet.get("/values/B5?valueRenderOption=FORMULA").value();
    assert_eq!(formula["values"], json!([["=A5+1"]]));
    // Smaller than the source: all of it is copied. Values only: the formula stays behind.
    sheet.apply(json!([{"copyPaste": {"source": range(0..2, 0..2), "destination": range(7..8, 2..3), "pasteType": "PASTE_VALUES"}}]));
    let formula = sheet.get("/values/C8:D9?valueRenderOption=FORMULA").value();
    assert_eq!(formula["values"], json!([[1, 2], [2, "x"]]));
    sheet.apply(json!([{"copyPaste": {"source": range(7..9, 2..4), "destination": range(0..1, 0..1), "pasteOrientation": "TRANSPOSE"}}]));
    assert_eq!(sheet.values("A1:B2"), json!([[1, 2], [2, "x"]]));
    let refusal =
        sheet.refused(json!([{"copyPaste": {"source": range(0..2, 0..2), "destination": range(9..10, 0..1)}}]));
    assert!(refusal.contains("exceeds grid limits"), "{refusal}");
}

#[test]
fn formats_and_validation_are_pasted_apart() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let rule = json!({"condition": {"type": "BOOLEAN"}, "strict": true});
    sheet.apply(json!([
        {"repeatCell": {"range": range(0..1, 0..1), "cell": {"userEnteredValue": {"numberValue": 5},
            "userEnteredFormat": {"textFormat": {"bold": true}}}, "fields": "*"}},
        {"setDataValidation": {"range": range(0..1, 0..1), "rule": rule}},
        {"copyPaste": {"source": range(0..1, 0..1), "destination": range(1..2, 0..1), "pasteType": "PASTE_FORMAT"}},
        {"copyPaste": {"source": range(0..1, 0..1), "destination": range(2..3, 0..1), "pasteType": "PASTE_DATA_VALIDATION"}},
    ]));
    let data = sheet.get("?ranges=A1:A3&includeGridData=true").value()["sheets"][0]["data"][0]["rowData"].clone();
    assert_eq!(data[1]["values"][0]["userEnteredFormat"], json!({"textFormat": {"bold": true}}));
    assert!(
        data[1]["values"][0].get("dataValidation").is_none() && data[1]["values"][0].get("userEnteredValue").is_none()
    );
    assert_eq!(data[2]["values"][0], json!({"dataValidation": rule}));
    sheet.apply(json!([{"setDataValidation": {"range": range(2..3, 0..1)}}]));
    let data = sheet.get("?ranges=A3&includeGridData=true").value()["sheets"][0]["data"][0].clone();
    assert!(data.get("rowData").is_none_or(|rows| rows[0] == json!({})), "no rule takes the rule away: {data}");
}

#[test]
fn cutting_leaves_blanks() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([[1, "=A1"]]));
    sheet.apply(json!([{"cutPaste": {"source": range(0..1, 0..2), "destination": {"sheetId": 7, "rowIndex": 4, "columnIndex": 1}, "pasteType": "PASTE_NORMAL"}}]));
    let formulas = sheet.get("/values/A1:C5?valueRenderOption=FORMULA").value();
    assert_eq!(formulas["values"], json!([[], [], [], [], ["", 1, "=A1"]]));
}

#[test]
fn pasted_text_is_read_as_typed() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([{"pasteData": {"coordinate": {"sheetId": 7, "rowIndex": 1}, "data": "a,1\n\"b,c\",TRUE", "delimiter": ",", "type": "PASTE_NORMAL"}}]));
    assert_eq!(sheet.values("A1:B3"), json!([[], ["a", 1], ["b,c", true]]));
    let reply = sheet.batch(json!([{"pasteData": {"coordinate": {"sheetId": 7}, "data": "<table>", "html": true}}]));
    assert_eq!(reply.status, 501);
}

#[test]
fn filling_goes_on_with_the_series() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([[1, "Week 9", "=A1*2", "11/22/2026"], [3, "Week 10", "=A2*2", "11/23/2026"]]));
    let source = json!({"source": range(0..2, 0..4), "dimension": "ROWS", "fillLength": 2});
    sheet.apply(json!([{"autoFill": {"sourceAndDestination": source}}]));
    let shown = sheet.get("/values/A3:D4").value();
    assert_eq!(shown["values"], json!([["5", "Week 9", "10", "11/24/2026"], ["7", "Week 10", "14", "11/25/2026"]]));
    // The range alone: what is filled at its start is the source.
    sheet.apply(json!([
        {"updateCells": {"range": range(0..10, 0..1), "fields": "userEnteredValue"}},
        {"updateCells": {"start": {"sheetId": 7}, "fields": "userEnteredValue",
            "rows": [{"values": [{"userEnteredValue": {"numberValue": 4}}]}]}},
        {"autoFill": {"range": range(0..3, 0..1), "useAlternateSeries": true}},
    ]));
    assert_eq!(sheet.values("A1:A3"), json!([[4], [5], [6]]));
}

#[test]
fn whitespace_duplicates_and_text_in_columns() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([["' a  b ", 1], ["A B", 1], ["c", 2], ["x;y", ""]]));
    let replies = sheet.apply(json!([
        {"trimWhitespace": {"range": range(0..4, 0..2)}},
        {"deleteDuplicates": {"range": range(0..4, 0..2), "comparisonColumns": [lines("COLUMNS", 0..1)]}},
        {"textToColumns": {"source": range(0..4, 0..1), "delimiterType": "SEMICOLON"}},
    ]));
    assert_eq!(replies[0], json!({"trimWhitespace": {"cellsChangedCount": 1}}));
    assert_eq!(replies[1], json!({"deleteDuplicates": {"duplicatesRemovedCount": 1}}));
    assert_eq!(sheet.values("A1:B4"), json!([["a b", 1], ["c", 2], ["x", "y"]]));
    sheet.apply(json!([{"randomizeRange": {"range": range(0..3, 0..2)}}]));
    let mut rows = sheet.values("A1:A3").as_array().unwrap().clone();
    rows.sort_by_key(Value::to_string);
    assert_eq!(json!(rows), json!([["a b"], ["c"], ["x"]]));
}

#[test]
fn blocks_of_cells_make_room_and_close_up() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([[1, 10], [2, 20], [3, 30]]));
    sheet.apply(json!([{"insertRange": {"range": range(1..2, 0..1), "shiftDimension": "ROWS"}}]));
    assert_eq!(sheet.values("A1:B4"), json!([[1, 10], ["", 20], [2, 30], [3]]));
    sheet.apply(json!([{"deleteRange": {"range": range(1..2, 0..1), "shiftDimension": "ROWS"}}]));
    assert_eq!(sheet.values("A1:B4"), json!([[1, 10], [2, 20], [3, 30]]));
    sheet.apply(json!([{"insertRange": {"range": range(0..1, 0..1), "shiftDimension": "COLUMNS"}}]));
    assert_eq!(sheet.values("A1:C1"), json!([["", 1, 10]]));
    sheet.apply(json!([{"deleteRange": {"range": range(0..1, 0..2), "shiftDimension": "COLUMNS"}}]));
    assert_eq!(sheet.values("A1:C2"), json!([[10], [2, 20]]));
}

#[test]
fn merges_keep_the_first_value_and_refuse_halves() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([[1, 2], [3, 4]]));
    sheet.apply(json!([{"mergeCells": {"range": range(0..2, 0..2), "mergeType": "MERGE_ROWS"}}]));
    assert_eq!(tab(&mut sheet)["merges"], json!([range(0..1, 0..2), range(1..2, 0..2)]));
    assert_eq!(sheet.values("A1:B2"), json!([[1], [3]]));
    sheet.refused(json!([{"unmergeCells": {"range": range(0..1, 0..1)}}]));
    sheet.apply(json!([{"mergeCells": {"range": range(0..2, 0..2), "mergeType": "MERGE_ALL"}}]));
    assert_eq!(tab(&mut sheet)["merges"], json!([range(0..2, 0..2)]));
    sheet.apply(json!([{"unmergeCells": {"range": range(0..5, 0..4)}}]));
    assert!(tab(&mut sheet).get("merges").is_none());
}

#[test]
fn borders_lie_on_the_cells_at_the_edge() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let solid = json!({"style": "SOLID"});
    sheet.apply(json!([{"updateBorders": {"range": range(0..2, 0..2), "top": solid, "innerVertical": solid}}]));
    let rows = sheet.get("?ranges=A1:B2&includeGridData=true").value()["sheets"][0]["data"][0]["rowData"].clone();
    assert_eq!(rows[0]["values"][0]["userEnteredFormat"]["borders"], json!({"top": solid, "right": solid}));
    assert_eq!(rows[1]["values"][1]["userEnteredFormat"]["borders"], json!({"left": solid}));
    let none = json!({"style": "NONE"});
    sheet.apply(json!([{"updateBorders": {"range": range(0..2, 0..2), "top": none, "innerVertical": none}}]));
    let data = sheet.get("?ranges=A1:B2&includeGridData=true").value()["sheets"][0]["data"][0].clone();
    assert!(!data.to_string().contains("borders"), "{data}");
}

#[test]
fn groups_nest_as_the_discovery_document_says() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let group = |at: std::ops::Range<usize>, depth: i64| json!({"range": lines("COLUMNS", at), "depth": depth});
    // "a group [C:D, depth 1] + [B:E] results in groups [B:E, depth 1] and [C:D, depth 2]"
    sheet.apply(json!([{"appendDimension": {"sheetId": 7, "dimension": "COLUMNS", "length": 2}}]));
    let replies = sheet.apply(json!([
        {"addDimensionGroup": {"range": lines("COLUMNS", 2..4)}},
        {"addDimensionGroup": {"range": lines("COLUMNS", 1..5)}},
    ]));
    let nested = json!([group(1..5, 1), group(2..4, 2)]);
    assert_eq!(replies[1], json!({"addDimensionGroup": {"dimensionGroups": nested}}));
    assert_eq!(tab(&mut sheet)["columnGroups"], nested);
    sheet.apply(json!([{"updateDimensionGroup": {"dimensionGroup": {"range": lines("COLUMNS", 2..4), "depth": 2, "collapsed": true}, "fields": "collapsed"}}]));
    assert_eq!(tab(&mut sheet)["columnGroups"][1]["collapsed"], true);
    let hidden =
        sheet.get("?ranges=A1:F1&includeGridData=true").value()["sheets"][0]["data"][0]["columnMetadata"].clone();
    assert_eq!((hidden[1].get("hiddenByUser"), &hidden[2]["hiddenByUser"]), (None, &json!(true)));
    // "Deleting a group over D:E leaves the sheet with a depth-1 group over B:D and a depth-2 group over C:C."
    let replies = sheet.apply(json!([{"deleteDimensionGroup": {"range": lines("COLUMNS", 3..5)}}]));
    assert_eq!(replies[0], json!({"deleteDimensionGroup": {"dimensionGroups": [group(1..4, 1), group(2..3, 2)]}}));
    sheet.refused(json!([{"deleteDimensionGroup": {"range": lines("COLUMNS", 5..6)}}]));
}

#[test]
fn kept_objects_go_there_and_back() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    for (add, object, list, id, value, update) in [
        (
            "addProtectedRange",
            "protectedRange",
            "protectedRanges",
            "protectedRangeId",
            json!({"range": range(0..1, 0..4), "description": "header", "warningOnly": true}),
            Some(("updateProtectedRange", "description", json!("changed"))),
        ),
        (
            "addBanding",
            "bandedRange",
            "bandedRanges",
            "bandedRangeId",
            json!({"range": range(0..4, 0..4), "rowProperties": {"firstBandColor": {"red": 1}}}),
            Some(("updateBanding", "rowProperties", json!({"firstBandColor": {"green": 1}}))),
        ),
        (
            "addFilterView",
            "filter",
            "filterViews",
            "filterViewId",
            json!({"title": "mine", "range": range(0..4, 0..4)}),
            Some(("updateFilterView", "title", json!("ours"))),
        ),
        (
            "addTable",
            "table",
            "tables",
            "tableId",
            json!({"name": "Times", "range": range(0..4, 0..2)}),
            Some(("updateTable", "name", json!("Hours"))),
        ),
        (
            "addChart",
            "chart",
            "charts",
            "chartId",
            json!({"spec": {"title": "weight"}, "position": {"overlayPosition": {"anchorCell": {"sheetId": 7, "rowIndex": 5}}}}),
            None,
        ),
        (
            "addSlicer",
            "slicer",
            "slicers",
            "slicerId",
            json!({"spec": {"title": "who"}, "position": {"overlayPosition": {"anchorCell": {"sheetId": 7}}}}),
            None,
        ),
    ] {
        let replies = sheet.apply(json!([{add: {object: value}}]));
        let made = replies[0][add][object].clone();
        assert!(!made[id].is_null(), "{add} chooses an id: {made}");
        assert_eq!(tab(&mut sheet)[list], json!([made]), "{add}");
        sheet.refused(json!([{add: {object: made}}]));
        if let Some((update, member, new)) = update {
            let changed = json!({id: made[id], member: new});
            sheet.apply(json!([{update: {object: changed, "fields": member}}]));
            assert_eq!(tab(&mut sheet)[list][0][member], new, "{update}");
            assert_eq!(tab(&mut sheet)[list][0]["range"], made["range"], "{update} leaves the rest alone");
            sheet.refused(json!([{update: {object: {id: if id == "tableId" { json!("no") } else { json!(99) }}, "fields": member}}]));
        }
        let delete = match add {
            "addChart" | "addSlicer" => json!({"deleteEmbeddedObject": {"objectId": made[id]}}),
            "addFilterView" => json!({"deleteFilterView": {"filterId": made[id]}}),
            add => json!({add.replace("add", "delete"): {id: made[id]}}),
        };
        sheet.apply(json!([delete]));
        assert!(tab(&mut sheet).get(list).is_none(), "{delete}");
        sheet.refused(json!([delete]));
    }
}

#[test]
fn what_floats_is_moved_and_framed() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let position = json!({"overlayPosition": {"anchorCell": {"sheetId": 7, "rowIndex": 5}, "widthPixels": 300}});
    let chart = json!({"chartId": 5, "spec": {"title": "weight"}, "position": position});
    sheet.apply(
        json!([{"addChart": {"chart": chart}}, {"addSheet": {"properties": {"sheetId": 8, "title": "Charts"}}}]),
    );
    let replies = sheet.apply(json!([
        {"updateChartSpec": {"chartId": 5, "spec": {"title": "mass"}}},
        {"updateEmbeddedObjectBorder": {"objectId": 5, "border": {"colorStyle": {"themeColor": "ACCENT1"}}, "fields": "colorStyle"}},
        {"updateEmbeddedObjectPosition": {"objectId": 5, "newPosition": {"overlayPosition": {"anchorCell": {"sheetId": 8}}}, "fields": "anchorCell"}},
    ]));
    assert_eq!(replies[2]["updateEmbeddedObjectPosition"]["position"]["overlayPosition"]["widthPixels"], 300);
    let charts = sheet.get("").value()["sheets"][1]["charts"].clone();
    assert_eq!(charts[0]["spec"], json!({"title": "mass"}));
    assert_eq!(charts[0]["border"], json!({"colorStyle": {"themeColor": "ACCENT1"}}));
    assert_eq!(sheet.batch(json!([{"addChart": {"chart": {"position": {"newSheet": true}}}}])).status, 501);
}

#[test]
fn conditional_formats_have_an_order() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let rule = |text: &str| json!({"ranges": [range(0..4, 0..1)], "booleanRule": {"condition": {"type": "TEXT_CONTAINS", "values": [{"userEnteredValue": text}]}, "format": {"textFormat": {"bold": true}}}});
    sheet.apply(json!([
        {"addConditionalFormatRule": {"rule": rule("a"), "index": 0}},
        {"addConditionalFormatRule": {"rule": rule("b"), "index": 1}},
    ]));
    let replies = sheet.apply(json!([
        {"updateConditionalFormatRule": {"sheetId": 7, "index": 1, "newIndex": 0}},
        {"updateConditionalFormatRule": {"index": 0, "rule": rule("c")}},
        {"deleteConditionalFormatRule": {"sheetId": 7, "index": 1}},
    ]));
    assert_eq!(replies[0]["updateConditionalFormatRule"], json!({"newRule": rule("b"), "newIndex": 0, "oldIndex": 1}));
    assert_eq!(
        replies[1]["updateConditionalFormatRule"],
        json!({"newRule": rule("c"), "newIndex": 0, "oldRule": rule("b")})
    );
    assert_eq!(replies[2]["deleteConditionalFormatRule"]["rule"], rule("a"));
    assert_eq!(tab(&mut sheet)["conditionalFormats"], json!([rule("c")]));
    sheet.refused(json!([{"addConditionalFormatRule": {"rule": {"ranges": []}}}]));
}

#[test]
fn named_ranges_are_renamed_and_moved() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let named = json!({"namedRangeId": "h", "name": "hours", "range": range(0..2, 0..1)});
    sheet.apply(json!([{"addNamedRange": {"namedRange": named}}]));
    sheet
        .apply(json!([{"updateNamedRange": {"namedRange": {"namedRangeId": "h", "name": "times"}, "fields": "name"}}]));
    assert_eq!(sheet.get("").value()["namedRanges"][0]["name"], "times");
    for bad in ["A1", "1st", "two words", ""] {
        sheet.refused(json!([{"addNamedRange": {"namedRange": {"name": bad, "range": range(0..1, 0..1)}}}]));
    }
    sheet.refused(json!([{"addNamedRange": {"namedRange": {"name": "TIMES", "range": range(0..1, 0..1)}}}]));
}

#[test]
fn a_filter_hides_rows_and_values_are_read_all_the_same() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let line = |who: &str, hours: f64| row(&[json!(who), hours.into()]);
    sheet.apply(json!([
        append(&[row(&[json!("who"), json!("hours")]), line("Ada", 8.5), line("Bea", 4.0), line("Cleo", 9.0)]),
        {"setBasicFilter": {"filter": {"range": range(0..10, 0..2), "criteria": {"0": {"hiddenValues": ["Bea", "who"]}}}}},
    ]));
    // Both ways of saying so come back; the header stays.
    let tab = |sheet: &mut Sheet<'_>| sheet.get("").value()["sheets"][0]["basicFilter"].clone();
    let hidden = |sheet: &mut Sheet<'_>| {
        let rows = sheet.get("?fields=sheets.data.rowMetadata.hiddenByFilter").value();
        let rows = rows["sheets"][0]["data"][0]["rowMetadata"].as_array().cloned().unwrap_or_default();
        rows.iter().enumerate().filter(|(_, row)| row["hiddenByFilter"] == true).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let criteria = json!({"hiddenValues": ["Bea", "who"]});
    let filter = tab(&mut sheet);
    assert_eq!(filter["criteria"], json!({"0": criteria}));
    assert_eq!(filter["filterSpecs"], json!([{"columnIndex": 0, "filterCriteria": criteria}]));
    assert_eq!(hidden(&mut sheet), [2]);
    assert_eq!(sheet.values("Log!A1:A9").as_array().map(Vec::len), Some(4));
    let page =
        |sheet: &mut Sheet<'_>| sheet.world.send(&Request::new("GET", &format!("/spreadsheets/d/{}", sheet.id))).text();
    let shown = page(&mut sheet);
    assert!(shown.contains(">Ada<") && !shown.contains(">Bea<"), "{shown}");

    let above = json!({"condition": {"type": "NUMBER_GREATER", "values": [{"userEnteredValue": "8.5"}]}});
    let specs = json!([{"columnIndex": 1, "filterCriteria": above}]);
    sheet.apply(json!([
        {"setBasicFilter": {"filter": {"range": range(0..4, 0..2), "filterSpecs": specs}}},
        {"insertDimension": {"range": lines("COLUMNS", 1..2)}},
    ]));
    assert_eq!(tab(&mut sheet)["filterSpecs"][0]["columnIndex"], 2, "it stays with its column");
    assert_eq!(hidden(&mut sheet), [1, 2]);
    sheet.apply(json!([{"deleteDimension": {"range": lines("COLUMNS", 2..3)}}]));
    assert_eq!(hidden(&mut sheet), [0; 0]);
    sheet.apply(json!([{"clearBasicFilter": {"sheetId": 7}}]));
    assert_eq!(tab(&mut sheet), Value::Null);
    assert!(page(&mut sheet).contains(">Bea<"));
}

#[test]
fn ranges_follow_their_rows() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([
        {"addProtectedRange": {"protectedRange": {"protectedRangeId": 1, "range": range(2..4, 0..4)}}},
        {"addNamedRange": {"namedRange": {"namedRangeId": "n", "name": "hours", "range": range(1..5, 3..4)}}},
        {"setBasicFilter": {"filter": {"range": range(0..5, 0..4)}}},
        {"mergeCells": {"range": range(5..6, 0..2), "mergeType": "MERGE_ALL"}},
        {"addChart": {"chart": {"chartId": 5, "position": {"overlayPosition": {"anchorCell": {"sheetId": 7, "rowIndex": 8}}}}}},
        {"insertDimension": {"range": lines("ROWS", 2..3)}},
        {"deleteDimension": {"range": lines("COLUMNS", 0..1)}},
    ]));
    let book = sheet.get("").value();
    let tab = &book["sheets"][0];
    assert_eq!(tab["protectedRanges"][0]["range"], range(3..5, 0..3));
    assert_eq!(book["namedRanges"][0]["range"], range(1..6, 2..3));
    assert_eq!(tab["basicFilter"]["range"], range(0..6, 0..3));
    assert_eq!(tab["merges"], json!([range(6..7, 0..1)]));
    assert_eq!(tab["charts"][0]["position"]["overlayPosition"]["anchorCell"]["rowIndex"], 9);
    sheet.apply(json!([{"deleteDimension": {"range": lines("ROWS", 3..5)}}]));
    assert!(sheet.get("").value()["sheets"][0].get("protectedRanges").is_none(), "nothing was left to protect");
}

#[test]
fn cells_are_searched_by_patterns_too() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[
        row(&[json!("Google Sheets"), json!("1-2")]),
        row(&[json!("Google Docs"), json!(42)])
    ])]));
    let find = |find: &str, with: &str| json!({"findReplace": {"find": find, "replacement": with, "searchByRegex": true, "sheetId": 7}});
    // The discovery document's own example; and a number that is one again afterwards.
    let replies = sheet.apply(json!([find("o.* (.*)", "$1 Rocks"), find("(4)(2)", "$2$1")]));
    let counts = |values: u64, rows: u64| json!({"valuesChanged": values, "rowsChanged": rows, "sheetsChanged": 1, "occurrencesChanged": values});
    assert_eq!(replies, json!([{"findReplace": counts(2, 2)}, {"findReplace": counts(1, 1)}]));
    assert_eq!(sheet.values("Log"), json!([["GSheets Rocks", "1-2"], ["GDocs Rocks", 24]]));
    assert!(sheet.refused(json!([find("(", "")])).starts_with("Invalid requests[0].findReplace: "));
    assert_eq!(sheet.batch(json!([find("(?<=a)b", "")])).status, 501);
}

#[test]
fn rows_appended_to_a_table_stay_in_it() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "B2", &json!([["who", "hours"], ["Ada", 8], ["", ""], ["a note", "below"]]));
    let replies =
        sheet.apply(json!([{"addTable": {"table": {"tableId": "t", "name": "Times", "range": range(1..3, 1..3)}}}]));
    assert_eq!(replies[0]["addTable"]["table"]["columnProperties"][1]["columnName"], "hours");
    let rows = json!([common::row(&[json!("Bea"), json!(7)]), common::row(&[json!("Cem"), json!(6)])]);
    sheet.apply(json!([{"appendCells": {"tableId": "t", "rows": rows, "fields": "userEnteredValue"}}]));
    assert_eq!(tab(&mut sheet)["tables"][0]["range"], range(1..5, 1..3));
    assert_eq!(
        sheet.values("B2:C7"),
        json!([["who", "hours"], ["Ada", 8], ["Bea", 7], ["Cem", 6], [], ["a note", "below"]])
    );
}

#[test]
fn a_copied_tab_keeps_its_objects_with_its_own_id() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([
        {"addProtectedRange": {"protectedRange": {"protectedRangeId": 1, "range": range(0..1, 0..4)}}},
        {"duplicateSheet": {"sourceSheetId": 7, "newSheetId": 9, "newSheetName": "Copy"}},
    ]));
    let book = sheet.get("").value();
    assert_eq!(book["sheets"][0]["protectedRanges"][0]["range"]["sheetId"], 9);
}
