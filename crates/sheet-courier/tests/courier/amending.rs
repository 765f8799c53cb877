//! Amendments, step by step.

use std::time::Duration;

use serde_json::{Value, json};
use sheet_courier::{Amend, Anchor, C, Durable, MarkerId, Step, Transition, sheet_id_of_table};

use crate::desk::{
    BASE, Desk, HEADER, HOUR, SHEET, amend, durable, ids, key, look, look_at, marker, metadata, of, places, register,
    search,
};

#[test]
fn an_amendment_that_waits_for_a_spreadsheet_that_is_gone_says_so() {
    let anchor = Anchor { id: MarkerId::of(BASE, 1), seq: 1, spreadsheet: "gone".into() };
    let mut desk = Desk::new(Durable { anchors: vec![anchor.id], ..durable() });
    desk.amend = Some(amend(Some(anchor), "gone"));
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&json!({}));
    assert!(desk.call().path.contains("/gone"));
    desk.not_found();
    assert!(matches!(desk.step(), Step::Idle));
    assert!(desk.courier.trouble().is_some_and(|why| why.contains("earlier spreadsheet")));
    let [Transition::Stuck { amend: 1, reason }] = &desk.commits[..] else { panic!("{:?}", desk.commits) };
    assert!(reason.contains("earlier spreadsheet"), "{reason}");
}

/// A courier with two amendments: what stands on the row of the first, in a spreadsheet that is gone, cannot be taken away.
fn one_of_two_is_parked() -> Desk {
    let desk = Desk::with_an_anchor_in("gone");
    assert_eq!((desk.courier.parked(desk.now), desk.amend.is_none()), (vec![1], true));
    desk
}

#[test]
fn an_amendment_whose_spreadsheet_is_gone_waits_for_a_person_and_for_no_other() {
    let mut desk = one_of_two_is_parked();
    desk.amend = Some(Amend { handle: 2, row: "r2".into(), ..amend(None, SHEET) });
    assert!(desk.call().path.contains("/current?"), "the next one is looked for");
    // In an hour the first one's spreadsheet is asked again.
    let hour = desk.now + HOUR;
    assert_eq!((desk.courier.parked(hour - 2 * C), desk.courier.parked(hour)), (vec![1], vec![]));
}

/// What stands on rows is bounded: one for each spreadsheet.
#[test]
fn behind_an_anchor_that_may_be_open_none_is_put_into_the_same_spreadsheet() {
    let mut desk = one_of_two_is_parked();
    desk.amend = Some(Amend { handle: 2, row: "r2".into(), ..amend(None, "gone") });
    // It answers again, for the moment.
    assert!(desk.call().path.contains("gone?fields=spreadsheetId,developerMetadata"));
    desk.ok(&of("gone", places(&[])));
    assert!(desk.call().path.contains(":getByDataFilter"));
    desk.ok(&of("gone", look(&HEADER, &[])));
    assert!(desk.call().path.contains(":batchGetByDataFilter"), "the row ids");
    desk.ok(&of("gone", ids(&["_id", "r2"])));
    for _ in 0..3 {
        desk.amend = desk.amend.filter(|amend| !desk.courier.parked(desk.now).contains(&amend.handle));
        let Step::Gather { .. } = desk.courier.next(desk.now) else { break };
        desk.courier.gathered(Vec::new());
        desk.courier.amendment(desk.amend.clone());
    }
    assert_eq!(desk.courier.parked(desk.now), [1, 2]);
    assert!(!desk.commits.iter().any(|change| matches!(change, Transition::Anchored { .. })), "{:?}", desk.commits);

    // The first one's turn again, and it can be closed: the second waits no longer.
    desk.now += HOUR;
    desk.amend = Some(amend(Some(Anchor { id: MarkerId::of(BASE, 1), seq: 1, spreadsheet: "gone".into() }), "gone"));
    while !desk.commits.iter().any(|change| matches!(change, Transition::AnchorClosed { .. })) {
        match desk.call_within(HOUR).path {
            path if path.ends_with(":search") => desk.ok(&json!({})),
            path => {
                assert!(path.contains("/gone:batchUpdate"), "{path}");
                let updated = json!({"developerMetadata": [metadata(MarkerId::of(BASE, 1), &key(), "closed")]});
                desk.ok(&json!({"spreadsheetId": "gone", "replies": [{ "updateDeveloperMetadata": updated }]}));
                _ = desk.step();
            }
        }
    }
    assert!(desk.courier.parked(Duration::ZERO).is_empty());
}

/// Who deletes a row deletes the anchor on it, closed or not, and its id is free: an attempt to create it that is still on
/// its way would open it again, on whatever row is at that place then. (Seed 513 of the amending world.)
#[test]
fn an_anchor_is_taken_off_its_row_when_it_is_closed_if_google_lets_it() {
    let anchor = Anchor { id: MarkerId::of(BASE, 1), seq: 1, spreadsheet: SHEET.into() };
    let id = anchor.id.as_u32();
    let begin = || {
        let mut desk = Desk::new(Durable { anchors: vec![anchor.id], ..durable() });
        desk.amend = Some(amend(Some(anchor.clone()), SHEET));
        assert!(desk.call().path.ends_with(":search"));
        desk.ok(&search(&[metadata(anchor.id, &key(), "open")]));
        let call = desk.call();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let update = &body["requests"][0]["updateDeveloperMetadata"];
        let wanted = json!({"metadataValue": "closed", "location": {"spreadsheet": true}});
        assert_eq!((&update["developerMetadata"], &update["fields"]), (&wanted, &json!("metadataValue,location")));
        assert_eq!(update["dataFilters"][0]["developerMetadataLookup"]["metadataId"], id);
        desk
    };
    let closed = |desk: &Desk| desk.commits.iter().any(|change| matches!(change, Transition::AnchorClosed { .. }));
    let updated = || {
        let entries = [metadata(anchor.id, &key(), "closed")];
        json!({"spreadsheetId": SHEET, "replies": [{"updateDeveloperMetadata": {"developerMetadata": entries}}]})
    };
    let mut desk = begin();
    desk.ok(&updated());
    desk.step();
    assert!(closed(&desk));

    // Whether anything can be taken off its row is not known (docs/google.md).
    let mut desk = begin();
    desk.refused();
    let call = desk.call();
    assert!(String::from_utf8_lossy(&call.body).contains("createDeveloperMetadata"));
    desk.refused();
    assert!(desk.call().path.ends_with(&format!("/developerMetadata/{id}")));
    desk.ok(&metadata(anchor.id, &key(), "open"));
    let body: Value = serde_json::from_slice(&desk.call().body).unwrap();
    let update = &body["requests"][0]["updateDeveloperMetadata"];
    let stays = (&json!({"metadataValue": "closed"}), &json!("metadataValue"));
    assert_eq!((&update["developerMetadata"], &update["fields"]), stays);
    assert!(!closed(&desk));
    desk.ok(&updated());
    desk.step();
    assert!(closed(&desk));
}

#[test]
fn amendments_leave_room_for_markers_too() {
    let markers = (1..950).map(|seq| marker(seq, "closed", false)).collect();
    let mut desk = Desk::new(Durable { markers, ..durable() });
    desk.now += HOUR;
    desk.amend = Some(amend(None, SHEET));
    let mut pruned = false;
    for _ in 0..20 {
        let call = desk.call_within(HOUR);
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        pruned |= body.contains("deleteDeveloperMetadata");
        if body.contains(r#""open""#) {
            break;
        }
        let cells = json!([[{"metadataId": 1}]]);
        match &call.path {
            path if path.contains(":search") => desk.ok(&json!({})),
            path if path.contains("current?fields=spreadsheetId,developerMetadata") => desk.ok(&places(&[])),
            path if path.contains(":getByDataFilter") => desk.ok(&look(&HEADER, &[])),
            path if path.contains(":batchGetByDataFilter") => desk.ok(&ids(&["_id", "r1"])),
            _ => desk.ok(&json!({"spreadsheetId": SHEET, "replies": cells})),
        }
    }
    assert!(pruned);
}

/// Somebody deleted a column: who delivers for a minute at a time would never amend anything again.
#[test]
fn an_amendment_does_not_wait_for_a_header_that_is_known_to_be_new() {
    let mut desk = Desk::new(durable());
    desk.amend = Some(amend(None, SHEET));
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[register(1, 5)]));
    assert!(desk.call().path.contains("current?fields=spreadsheetId,developerMetadata"));
    let registers = [register(1, 5)];
    desk.ok(&places(&registers));
    assert!(desk.call().path.contains(":getByDataFilter"));
    desk.ok(&look(&HEADER, &registers));
    assert!(desk.call().path.contains(":batchGetByDataFilter"), "the row ids");
}

/// A read may be from before the row's tab was there.
#[test]
fn a_row_is_not_gone_because_a_look_at_the_tabs_was_old() {
    let mut desk = Desk::new(durable());
    desk.amend = Some(amend(None, SHEET));
    let properties =
        |id: i32| json!({"sheetId": id, "title": "x", "gridProperties": {"rowCount": 9, "columnCount": 9}});
    let other = sheet_id_of_table("other");
    for _ in 0..40 {
        let call = desk.call_within(HOUR);
        match &call.path {
            path if path.contains(":search") => desk.ok(&json!({})),
            path if path.contains("current?fields=spreadsheetId,developerMetadata") => {
                desk.ok(&json!({"spreadsheetId": SHEET, "sheets": [{"properties": properties(other)}]}));
            }
            path if path.contains(":getByDataFilter") => desk.ok(&look_at(other, &HEADER, &[])),
            path if path.contains(":batchGetByDataFilter") => {
                let filter = json!({"gridRange": {"sheetId": other}});
                let range = json!({"valueRange": {"values": [["_id", "r0"]]}, "dataFilters": [filter]});
                desk.ok(&json!({"spreadsheetId": SHEET, "valueRanges": [range]}));
            }
            path if path.contains("/developerMetadata/") => {
                let id = path.rsplit('/').next().unwrap().parse().unwrap();
                desk.ok(&metadata(MarkerId::parse(id).unwrap(), &key(), "closed"));
            }
            path if path.contains(":batchUpdate?") => {
                let id = desk.commits.iter().rev().find_map(|change| match change {
                    Transition::Anchored { anchor, .. } => Some(anchor.id),
                    _ => None,
                });
                let made = metadata(id.unwrap(), &key(), "closed");
                let reply = json!({"createDeveloperMetadata": {"developerMetadata": made}});
                let cells: Vec<Value> =
                    ["_id", "r0"].iter().map(|text| json!({"values": [{"formattedValue": text}]})).collect();
                desk.ok(&json!({
                    "spreadsheetId": SHEET,
                    "replies": [reply],
                    "updatedSpreadsheet": {"sheets": [{"properties": {"sheetId": other}, "data": [{"rowData": cells}]}]},
                }));
                break;
            }
            other => panic!("{other}"),
        }
    }
    // From here on reads are new: the row's tab is there.
    for _ in 0..10 {
        let call = desk.call_within(HOUR);
        match &call.path {
            path if path.contains("/developerMetadata/") => {
                let id = path.rsplit('/').next().unwrap().parse().unwrap();
                desk.ok(&metadata(MarkerId::parse(id).unwrap(), &key(), "closed"));
            }
            path if path.contains("current?fields=spreadsheetId,developerMetadata") => return,
            other => panic!("{other}"),
        }
        assert!(!desk.commits.iter().any(|change| matches!(change, Transition::Returns { .. })), "it would come twice");
    }
    panic!("it never looked again");
}
