//! How long it waits, and what for: never for a moment that has passed, and for looks that *began* late enough.

use std::time::Duration;

use serde_json::json;
use sheet_courier::{
    Amend, Anchor, Cell, Displaced, Durable, Fate, Hold, MarkerId, Phase, SheetRef, Step, Tally, Transition, Wish,
};

use crate::desk::{
    BASE, Desk, HEADER, HOUR, SHEET, amend, batch, durable, ids, key, look, metadata, of, places, register, row,
    search, tab,
};

/// A read of this age is told to a board that slept while it waited for it.
const LONG: Duration = Duration::from_secs(4_000);

fn second(anchor: Option<Anchor>) -> Amend {
    Amend { handle: 2, row: "r2".into(), ..amend(anchor, "old") }
}

/// Two amendments of rows in an earlier spreadsheet; an anchor of the first may be open there, and it did not answer. The
/// second waits behind it.
fn one_waits_behind_another() -> Desk {
    let mut desk = Desk::with_an_anchor_in("old");
    desk.amend = Some(second(None));
    for body in [places(&[]), look(&HEADER, &[]), ids(&["_id", "r2"])] {
        assert!(desk.call().path.contains("old"));
        desk.ok(&of("old", body));
    }
    // The next amendment is asked for.
    while let Step::Gather { .. } = desk.courier.next(desk.now)
        && !desk.courier.parked(desk.now).contains(&2)
    {
        desk.courier.gathered(Vec::new());
    }
    assert_eq!(desk.courier.parked(desk.now), [1, 2]);
    desk.amend = None;
    desk
}

/// What waited an hour behind another is not waited for while that one's anchor cannot be closed yet. (Seed 6476 of the
/// world: the device asked itself what to do next, without a pause, until the next attempt was due.)
#[test]
fn while_an_anchor_cannot_be_closed_what_waits_behind_it_wakes_nobody() {
    let mut desk = one_waits_behind_another();
    desk.now += HOUR;
    desk.amend = Some(amend(Some(Anchor { id: MarkerId::of(BASE, 1), seq: 1, spreadsheet: "old".into() }), "old"));
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&json!({}));
    // It is not there to be changed, and there is no room to take its place.
    assert!(String::from_utf8_lossy(&desk.call().body).contains("updateDeveloperMetadata"));
    desk.refused();
    assert!(String::from_utf8_lossy(&desk.call().body).contains("createDeveloperMetadata"));
    desk.refused();
    assert!(desk.call().path.contains("/old/developerMetadata/"));
    desk.not_found();
    let step = desk.step();
    let Step::WaitUntil(until) = step else { panic!("{step:?}") };
    assert!(until <= desk.now + Duration::from_secs(64), "{until:?}");
}

/// A person dropped it meanwhile.
#[test]
fn an_amendment_that_waited_and_is_no_more_is_not_waited_for() {
    let mut desk = one_waits_behind_another();
    assert!(matches!(desk.step(), Step::WaitUntil(until) if until <= desk.now + HOUR));
    desk.now += 2 * HOUR;
    assert!(matches!(desk.step(), Step::Idle));
}

/// Others fill an earlier spreadsheet's room for metadata, for good: that keeps no amendment waiting that is not for it.
#[test]
fn an_anchor_that_finds_no_room_keeps_others_waiting_for_an_hour_at_most() {
    let anchor = Anchor { id: MarkerId::of(BASE, 1), seq: 1, spreadsheet: "old".into() };
    let mut desk = Desk::new(Durable { anchors: vec![anchor.id], earlier: vec!["old".into()], ..durable() });
    // When it gives way to others.
    let parks = |desk: &mut Desk| {
        desk.amend = Some(amend(Some(anchor.clone()), "old"));
        let from = desk.now;
        while desk.amend.is_some() {
            assert!(desk.now < from + 2 * HOUR, "{:?}", desk.commits);
            match desk.step() {
                Step::Send(call) if call.path.ends_with(":search") => desk.ok(&json!({})),
                Step::Send(call) if call.path.contains("/old:batchUpdate") => {
                    let message = "Adding the requested developer metadata would exceed the allowed storage limit";
                    desk.answer(400, &json!({"error": {"message": message, "status": "INVALID_ARGUMENT"}}));
                }
                Step::Send(call) if call.path.contains("/old/developerMetadata/") => desk.not_found(),
                Step::WaitUntil(until) => desk.now = until,
                Step::Idle => break,
                other => panic!("{other:?}"),
            }
        }
        let Some(Transition::Stuck { amend: 1, reason }) = desk.commits.pop() else { panic!("{:?}", desk.commits) };
        assert!(reason.contains("earlier spreadsheet") && reason.contains("storage limit"), "{reason}");
        assert_eq!((desk.courier.parked(desk.now), desk.commits.len()), (vec![1], 0));
        desk.now - from
    };
    let first = parks(&mut desk);
    assert!(first >= HOUR && first < HOUR + Duration::from_secs(120), "{first:?}");
    desk.now += HOUR;
    assert!(desk.courier.parked(desk.now).is_empty());
    let again = parks(&mut desk);
    assert!(again < Duration::from_secs(150), "it was tried a few times more: {again:?}");
    desk.amend = Some(Amend { handle: 2, row: "r2".into(), ..amend(None, SHEET) });
    assert!(desk.call().path.contains("/current?"), "the next one is looked for");
}

#[test]
fn the_void_of_a_bound_batch_waits_for_its_turn() {
    let bound = vec![batch(1, "old", Phase::Send, &HEADER)];
    let tally = Tally { tokens_milli: 0, tokens_at: Duration::from_secs(1_000), ..durable().tally };
    let mut desk = Desk::new(Durable { bound, tally, ..durable() });
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&json!({}));
    assert!(matches!(desk.step(), Step::WaitUntil(until) if until < desk.now + Duration::from_secs(3)));
    assert!(desk.call_within(Duration::from_secs(3)).path.contains("/old:batchUpdate"));
}

fn displaced() -> Amend {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let values = [json!({"stringValue": "r1"}), json!({"numberValue": 46_000.5}), json!({"stringValue": "scale"})];
    let displaced = Displaced {
        row: "r1".into(),
        spreadsheet: SHEET.into(),
        sheet_id: tab(),
        meant: names(&HEADER),
        found: names(&["_id", "", "time", "device", "n"]),
        cells: values.into_iter().map(|value| json!({ "userEnteredValue": value })).collect(),
    };
    Amend { displaced: Some(displaced), ..amend(None, SHEET) }
}

/// (Seed 1066 of the world of people who move columns: the row stayed under wrong names.)
#[test]
fn a_row_under_wrong_names_is_not_gone_because_the_board_slept_while_it_looked() {
    let mut desk = Desk::new(durable());
    desk.amend = Some(displaced());
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&json!({}));
    let header = ["_id", "", "time", "device", "n"];
    // Two looks at row ids from before the row landed, a few seconds one after the other.
    for time in [Duration::ZERO, LONG] {
        for body in [places(&[]), look(&header, &[])] {
            desk.call_within(HOUR);
            desk.ok(&body);
        }
        assert!(desk.call().path.contains(":batchGetByDataFilter"));
        desk.ok_and_sleeps(time, &ids(&["_id"]));
    }
    // The one that begins now shows the row.
    for (path, body) in [
        (":search", search(&[])),
        ("?fields=spreadsheetId,developerMetadata", places(&[])),
        (":getByDataFilter", look(&header, &[])),
        (":batchGetByDataFilter", ids(&["_id", "r1"])),
    ] {
        let call = desk.call_within(HOUR);
        assert!(call.path.contains(path), "{} {:?}", call.path, desk.commits);
        desk.ok(&body);
    }
    let call = desk.call_within(HOUR);
    assert!(String::from_utf8_lossy(&call.body).contains(r#""open""#), "{} {:?}", call.path, desk.commits);
}

/// If it is not there by then, a person deleted it.
#[test]
fn a_row_under_wrong_names_that_stays_away_is_gone() {
    let mut desk = Desk::new(durable());
    desk.amend = Some(displaced());
    let began = desk.now;
    loop {
        assert!(desk.now < began + Duration::from_secs(90), "{:?}", desk.commits);
        match desk.step() {
            Step::Idle => break,
            Step::WaitUntil(until) => desk.now = until,
            Step::Send(call) if call.path.contains(":search") => desk.ok(&json!({})),
            Step::Send(call) if call.path.contains("?fields=") && call.body.is_empty() => desk.ok(&places(&[])),
            Step::Send(call) if call.path.contains(":getByDataFilter") => desk.ok(&look(&HEADER, &[])),
            Step::Send(_) => desk.ok(&ids(&["_id"])),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(desk.commits[..], [Transition::Gone { .. }]), "{:?}", desk.commits);
    assert!(desk.now >= began + Duration::from_secs(60));
}

/// A read from before our own prune may show what we do not know any more.
#[test]
fn a_device_is_no_copy_because_it_slept_while_it_looked() {
    let stranger = [metadata(MarkerId::of(BASE, 5), &key(), "AAAAAAAAAAAA")];
    let mut desk = Desk::new(durable());
    desk.rows = vec![row()];
    for time in [Duration::ZERO, LONG] {
        assert!(desk.call_within(HOUR).path.ends_with(":search"));
        desk.ok_and_sleeps(time, &search(&stranger));
    }
    assert!(desk.call_within(HOUR).path.ends_with(":search"));
    assert!(!desk.commits.iter().any(|change| matches!(change, Transition::Held(_))), "{:?}", desk.commits);
    desk.ok(&search(&stranger));
    desk.step();
    assert!(desk.commits.iter().any(|change| matches!(change, Transition::Held(Hold::Copy { .. }))), "it stays there");
}

/// Adding a column under a header that is older than its register would write over another device's.
#[test]
fn a_header_is_not_new_because_the_board_slept_while_it_looked() {
    let mut desk = Desk::new(durable());
    desk.rows = vec![row()];
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[register(1, 5)]));
    // Not for so long that all is looked at anew.
    for time in [Duration::ZERO, Duration::from_secs(100)] {
        assert!(desk.call_within(HOUR).path.contains(":getByDataFilter"));
        desk.ok_and_sleeps(time, &look(&HEADER, &[]));
    }
    while desk.commits.is_empty() {
        let call = desk.call_within(HOUR);
        match call.path.contains(":getByDataFilter") {
            true => desk.ok(&look(&["_id", "time", "device", "n", "new"], &[register(1, 5)])),
            false => desk.ok(&search(&[register(1, 5)])),
        }
        desk.step();
    }
    let [Transition::Frozen { batch, .. }] = &desk.commits[..] else { panic!("{:?}", desk.commits) };
    assert_eq!(batch.tabs[0].header.as_ref().map(Vec::len), Some(5), "frozen on a header from before its register");
}

/// A person may have put a column in its place meanwhile.
#[test]
fn an_amendment_adds_no_column_on_an_old_look() {
    for (column, old_looks) in [("n", 0), ("note", 3)] {
        let mut desk = Desk::new(durable());
        let cells = vec![(column.to_owned(), Cell::Number(2.0))];
        desk.amend = Some(Amend { cells, ..amend(None, SHEET) });
        let mut looks = 0;
        let create = loop {
            let call = desk.call_within(HOUR);
            match &call.path {
                path if path.ends_with(":search") => desk.ok(&json!({})),
                path if path.contains("current?fields=spreadsheetId,developerMetadata") => {
                    looks += 1;
                    desk.ok(&places(&[register(1, 4)]));
                }
                path if path.contains(":getByDataFilter") => desk.ok(&look(&HEADER, &[register(1, 4)])),
                path if path.contains(":batchGetByDataFilter") => {
                    desk.ok_and_sleeps(Duration::from_secs(100), &ids(&["_id", "r1"]));
                }
                _ => break call,
            }
            assert!(looks < 9, "looks that take long are good enough at last");
        };
        let body = String::from_utf8(create.body.to_vec()).unwrap();
        assert!(body.contains(r#""open""#) && body.contains("rklayout") == (column == "note"), "{body}");
        assert_eq!(looks, 1 + old_looks, "{column}");
    }
}

/// The header rows that a batch landed under, where it was settled without an answer.
#[test]
fn a_landing_is_not_seen_because_the_board_slept_while_it_looked() {
    let open = batch(1, SHEET, Phase::Send, &HEADER);
    let mine = metadata(open.id, &key(), &Fate::Applied.value(open.digest));
    let mut desk = Desk::new(Durable { batch: Some(open), ..durable() });
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(std::slice::from_ref(&mine)));
    for time in [Duration::ZERO, LONG] {
        assert!(desk.call_within(HOUR).path.contains(":getByDataFilter"));
        desk.ok_and_sleeps(time, &look(&HEADER, &[]));
        assert!(!matches!(desk.step(), Step::Idle) && desk.commits.is_empty(), "{:?}", desk.commits);
    }
    desk.call_within(HOUR);
    desk.ok(&look(&["n", "_id", "time", "device"], &[mine]));
    desk.step();
    assert!(matches!(desk.commits[..], [Transition::Applied { .. }, ..]), "{:?}", desk.commits);
}

/// Siblings would not find our successor, and go elsewhere.
#[test]
fn the_winner_of_a_register_is_looked_for_again_after_a_sleep() {
    let sibling = SheetRef { id: "ours".into(), url: String::new(), title: String::new() };
    let mut desk = Desk::new(Durable { wish: Some(Wish::Claim(sibling)), ..durable() });
    assert!(desk.call_within(HOUR).path.contains(":batchUpdate"));
    desk.refused();
    for time in [Duration::ZERO, LONG] {
        assert!(desk.call_within(HOUR).path.contains("/developerMetadata/"));
        desk.now += time;
        desk.not_found();
    }
    assert!(desk.call_within(HOUR).path.contains("/developerMetadata/"), "{:?}", desk.commits);
    assert!(desk.commits.is_empty(), "{:?}", desk.commits);
}
