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
