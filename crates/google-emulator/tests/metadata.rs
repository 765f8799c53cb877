//! Developer metadata as a write-once register: docs/google.md 4.4 and 5.5.

mod common;

use common::{Sheet, World, append, row};
use google_emulator::{NoMatch, Options};
use serde_json::{Value, json};

fn entry(id: u64, location: Value) -> Value {
    json!({"metadataId": id, "metadataKey": "rk", "metadataValue": format!("v{id}"), "location": location,
        "visibility": "DOCUMENT"})
}

fn create(id: u64, location: Value) -> Value {
    json!({"createDeveloperMetadata": {"developerMetadata": entry(id, location)}})
}

fn on_spreadsheet() -> Value {
    json!({"spreadsheet": true})
}

fn on_row(row: u64) -> Value {
    json!({"dimensionRange": {"sheetId": 7, "dimension": "ROWS", "startIndex": row, "endIndex": row + 1}})
}

fn lookup(lookup: Value) -> Value {
    json!({"developerMetadataLookup": lookup})
}

fn found(sheet: &mut Sheet<'_>, filter: Value) -> Vec<u64> {
    let body = sheet.post("/developerMetadata:search", &json!({"dataFilters": [filter]})).value();
    let id = |found: &Value| found["developerMetadata"]["metadataId"].as_u64();
    body["matchedDeveloperMetadata"].as_array().into_iter().flatten().filter_map(id).collect()
}

#[test]
fn an_id_is_taken_once_and_takes_the_batch_with_it() {
    let mut world = World::new();
    let mut sheet = world.sheet();
    let batch = json!([create(5, on_spreadsheet()), append(&[row(&[json!("once")])])]);
    let replies = sheet.apply(batch.clone());
    let mut expected = entry(5, on_spreadsheet());
    expected["location"]["locationType"] = "SPREADSHEET".into();
    assert_eq!(replies, json!([{"createDeveloperMetadata": {"developerMetadata": expected}}, {}]));
    assert_eq!(
        sheet.refused(batch),
        "Invalid requests[0].createDeveloperMetadata: Cannot add developer metadata with ID [5] because developer \
         metadata with that ID already exists."
    );
    assert_eq!(sheet.values("Log"), json!([["once"]]));
    assert_eq!(sheet.world.model.metadata(&sheet.id), [(5, "rk".into(), Some("v5".into()))]);
    assert_eq!(sheet.get("/developerMetadata/5").value(), expected);
    let missing = sheet.get("/developerMetadata/6");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.value()["error"]["message"], "No developer metadata with ID 6");
}

#[test]
fn search_by_key_value_place_and_range() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let column = json!({"dimensionRange": {"sheetId": 7, "dimension": "COLUMNS", "startIndex": 1, "endIndex": 2}});
    sheet.apply(json!([
        create(1, on_spreadsheet()),
        create(2, json!({"sheetId": 7})),
        create(3, on_row(0)),
        create(4, on_row(4)),
        create(5, column),
    ]));
    for (filter, expected) in [
        (lookup(json!({"metadataId": 3})), vec![3]),
        (lookup(json!({"metadataId": 3, "metadataValue": "other"})), vec![]),
        (lookup(json!({"metadataKey": "rk"})), vec![1, 2, 3, 4, 5]),
        (lookup(json!({"metadataKey": "rk", "metadataValue": "v4"})), vec![4]),
        (lookup(json!({"metadataKey": "other"})), vec![]),
        (lookup(json!({"locationType": "ROW"})), vec![3, 4]),
        (lookup(json!({"metadataLocation": on_row(4)})), vec![4]),
        (
            lookup(json!({"metadataLocation": on_row(4), "locationMatchingStrategy": "INTERSECTING_LOCATION"})),
            vec![1, 2, 4, 5],
        ),
        (json!({"a1Range": "Log!A5:B6"}), vec![4, 5]),
        (json!({"gridRange": {"sheetId": 7, "startRowIndex": 0, "endRowIndex": 1, "endColumnIndex": 1}}), vec![3]),
    ] {
        assert_eq!(found(&mut sheet, filter.clone()), expected, "{filter}");
    }
    assert_eq!(
        sheet.post("/developerMetadata:search", &json!({"dataFilters": [lookup(json!({"metadataId": 9}))]})).value(),
        json!({})
    );
    // proto3 leaves zeros out.
    assert_eq!(
        sheet.get("/developerMetadata/3").value()["location"],
        json!({"locationType": "ROW", "dimensionRange": {"sheetId": 7, "dimension": "ROWS", "endIndex": 1}})
    );
}

#[test]
fn it_follows_its_row_and_dies_with_it() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[row(&[json!("c")]), row(&[json!("a")]), row(&[json!("b")])]), create(9, on_row(1))]));
    let place = |sheet: &mut Sheet<'_>| {
        let reply = sheet.get("/developerMetadata/9").value();
        reply["location"]["dimensionRange"]["endIndex"].as_u64()
    };
    let rows = |start: u64, end: u64| json!({"sheetId": 7, "dimension": "ROWS", "startIndex": start, "endIndex": end});
    sheet.apply(json!([{"insertDimension": {"range": rows(0, 2)}}]));
    assert_eq!(place(&mut sheet), Some(4));
    sheet.apply(json!([{"deleteDimension": {"range": rows(0, 1)}}]));
    assert_eq!(place(&mut sheet), Some(3));
    let sort = json!({"range": {"sheetId": 7}, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "ASCENDING"}]});
    sheet.apply(json!([{ "sortRange": sort }]));
    assert_eq!(sheet.values("Log"), json!([["a"], ["b"], ["c"]]));
    assert_eq!(place(&mut sheet), Some(1), "row a is first now");
    sheet.apply(json!([{"moveDimension": {"source": rows(0, 1), "destinationIndex": 3}}]));
    assert_eq!(place(&mut sheet), Some(3));
    sheet.apply(json!([{"deleteDimension": {"range": rows(2, 3)}}]));
    assert_eq!(place(&mut sheet), None);
    // The id is free again.
    sheet.apply(json!([create(9, on_row(0)), {"addSheet": {"properties": {"title": "x", "sheetId": 8}}}]));
    sheet.apply(json!([{"deleteSheet": {"sheetId": 7}}]));
    assert_eq!(sheet.get("/developerMetadata/9").status, 404);
}

#[test]
fn values_are_written_where_the_metadata_is() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([append(&[row(&[json!("a"), 1.into()]), row(&[json!("b"), 2.into()])]), create(9, on_row(1))]));
    let by = |value: &str| lookup(json!({"metadataId": 9, "metadataValue": value}));
    let write = |value: &str| json!({"valueInputOption": "RAW", "data": [{"dataFilter": by(value), "majorDimension": "ROWS", "values": [[null, 5]]}]});
    let body = sheet.post("/values:batchUpdateByDataFilter", &write("v9")).value();
    assert_eq!((&body["totalUpdatedCells"], &body["responses"][0]["updatedRange"]), (&json!(1), &json!("Log!A2:B2")));
    assert_eq!(sheet.values("Log"), json!([["a", 1], ["b", 5]]));
    let late = sheet.post("/values:batchUpdateByDataFilter", &write("closed"));
    assert_eq!((late.status, late.value()), (200, json!({"spreadsheetId": sheet.id})));
    let read = json!({"dataFilters": [by("v9")], "valueRenderOption": "UNFORMATTED_VALUE"});
    let body = sheet.post("/values:batchGetByDataFilter", &read).value();
    assert_eq!(body["valueRanges"][0]["valueRange"]["values"], json!([["b", 5]]));
}

#[test]
fn updates_and_deletes_by_filter() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    sheet.apply(json!([create(1, on_spreadsheet()), create(2, on_spreadsheet())]));
    let update = json!({"updateDeveloperMetadata": {
        "dataFilters": [lookup(json!({"metadataId": 1}))],
        "developerMetadata": {"metadataValue": "closed"}, "fields": "metadataValue",
    }});
    let replies = sheet.apply(json!([update]));
    assert_eq!(replies[0]["updateDeveloperMetadata"]["developerMetadata"][0]["metadataValue"], "closed");
    let delete = |lookup_by: Value| json!({"deleteDeveloperMetadata": {"dataFilter": lookup(lookup_by)}});
    let all_three = json!({"metadataId": 1, "metadataKey": "rk", "metadataValue": "v1"});
    assert_eq!(sheet.apply(json!([delete(all_three)])), json!([{"deleteDeveloperMetadata": {}}]), "the value differs");
    let replies = sheet.apply(json!([delete(json!({"metadataKey": "rk"}))]));
    assert_eq!(replies[0]["deleteDeveloperMetadata"]["deletedDeveloperMetadata"].as_array().unwrap().len(), 2);

    let mut world = World::with(Options { no_match: NoMatch::Refused, ..Options::default() });
    let mut sheet = world.sheet();
    assert!(sheet.refused(json!([delete(json!({"metadataKey": "rk"}))])).starts_with("Invalid requests[0].delete"));
}

#[test]
fn storage_is_capped_for_each_place() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let sized = |id: u64, characters: usize, location: Value| {
        json!({"createDeveloperMetadata": {"developerMetadata": {
            "metadataId": id, "metadataKey": "k", "metadataValue": "ä".repeat(characters - 1), "location": location,
            "visibility": "DOCUMENT"}}})
    };
    sheet.apply(json!([sized(1, 20_000, on_spreadsheet()), sized(2, 10_000, on_spreadsheet())]));
    let refusal = sheet.refused(json!([append(&[row(&[json!("x")])]), create(3, on_spreadsheet())]));
    assert_eq!(
        refusal,
        "Invalid requests[1].createDeveloperMetadata: Adding the requested developer metadata would exceed the allowed \
         storage limit"
    );
    assert_eq!(sheet.values("Log"), json!([]));
    // A sheet and its rows share another 30,000.
    sheet.apply(json!([sized(4, 20_000, json!({"sheetId": 7})), sized(5, 10_000, on_row(0))]));
    sheet.refused(json!([create(6, on_row(1))]));
}
