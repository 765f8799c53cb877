//! The model has to be quick enough for a hundred thousand simulated worlds.

mod common;

use std::time::{Duration, Instant};

use common::{World, append, row};
use serde_json::{Value, json};

fn marker(id: u64) -> Value {
    json!({"createDeveloperMetadata": {"developerMetadata": {"metadataId": id, "metadataKey": "rk123456",
        "metadataValue": "A0123456789a", "location": {"spreadsheet": true}, "visibility": "DOCUMENT"}}})
}

/// Generous: a debug build on a busy machine is a tenth of what the simulation runs on.
#[test]
#[expect(clippy::disallowed_methods, reason = "this test is about real time")]
fn a_world_and_thirty_batches_take_milliseconds() {
    let start = Instant::now();
    for _ in 0..20 {
        let mut world = World::unlimited();
        let mut sheet = world.sheet();
        for id in 1..=30 {
            sheet.apply(json!([marker(id), append(&[row(&[json!("x"), 1.into(), true.into()])])]));
        }
    }
    let each = start.elapsed() / 20;
    println!("{each:?} for each world");
    assert!(each < Duration::from_millis(250), "{each:?}");
}

/// A batch on a large sheet copies what it touches, not the sheet.
#[test]
#[expect(clippy::disallowed_methods, reason = "this test is about real time")]
fn a_large_sheet_is_not_copied_for_a_row() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let rows: Vec<Value> = (0..2_000).map(|n| row(&[n.into(), json!("text")])).collect();
    for _ in 0..25 {
        sheet.apply(json!([append(&rows)]));
    }
    let start = Instant::now();
    for id in 1..=100 {
        sheet.apply(json!([marker(id), append(&[row(&[1.into()])])]));
    }
    let each = start.elapsed() / 100;
    println!("{each:?} for each row behind 50,000");
    assert!(each < Duration::from_millis(50), "{each:?}");
}

/// `values.append` looks for the end of a table; not through all of it each time.
#[test]
#[expect(clippy::disallowed_methods, reason = "this test is about real time")]
fn a_tall_tab_is_not_looked_through_for_each_append() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    let rows: Vec<Value> = (0..10_000).map(|n| json!([n, "text", n])).collect();
    let values = |range: &str| format!("/values/{range}:append?valueInputOption=RAW");
    for _ in 0..5 {
        assert_eq!(sheet.post(&values("A1"), &json!({ "values": rows })).status, 200);
    }
    // The whole tab, as gspread asks for; and one cell of the table, as Google's guides have it.
    for range in ["Log", "Log!A1"] {
        let start = Instant::now();
        for _ in 0..100 {
            let reply = sheet.post(&values(range), &json!({"values": [[1, "text", 2]]}));
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let each = start.elapsed() / 100;
        println!("{each:?} for each row behind 50,000 in {range}");
        assert!(each < Duration::from_millis(20), "{each:?}");
    }
    assert_eq!(sheet.values("Log!A50199:C50201").as_array().map(Vec::len), Some(2), "they lie below one another");
}
