//! The courier, state by state: with this on the disk and these answers, what does it ask for next?

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod amending;
mod desk;
mod waiting;

use std::time::Duration;

use serde_json::{Value, json};
use sheet_courier::{
    Batch, Cause, Device, Durable, Fate, Hold, Identity, MarkerId, Phase, Release, Step, Tag, Transition, Wish,
    marker_key,
};

use desk::{BASE, Desk, HEADER, HOUR, SHEET, batch, durable, key, look, marker, metadata, register, row, search, tab};

#[test]
fn a_spreadsheet_that_google_refuses_to_make_is_a_hold_that_is_tried_again_after_an_hour() {
    let mut desk = Desk::new(Durable { sheet: None, ..durable() });
    desk.rows = vec![row()];
    assert_eq!(desk.call().path, "/v4/spreadsheets");
    desk.refused();
    let Step::Hold(Hold::CannotCreate { .. }, until) = desk.step() else { panic!("{:?}", desk.commits) };
    assert!(until >= desk.now + HOUR / 2, "{until:?}");
    desk.now = until;
    assert_eq!(desk.call().path, "/v4/spreadsheets");
}

#[test]
fn a_spreadsheet_that_is_gone_keeps_no_other_bound_batch_waiting() {
    let bound = vec![batch(1, "gone", Phase::Send, &HEADER), batch(2, "there", Phase::Send, &HEADER)];
    let mut desk = Desk::new(Durable { bound, ..durable() });
    assert!(desk.call().path.contains("/gone/"));
    desk.not_found();
    assert!(desk.call_within(2 * HOUR).path.contains("/there/"));
}

/// That its markers can be read says nothing about when its void may be written.
#[test]
fn a_bound_batch_waits_longer_and_longer_for_a_quota_that_others_use_up() {
    let bound = vec![batch(1, "earlier", Phase::Send, &HEADER)];
    let mut desk = Desk::new(Durable { bound, ..durable() });
    let mut voids = Vec::new();
    while voids.len() < 12 {
        let call = desk.call_within(HOUR);
        if call.path.ends_with(":search") {
            desk.ok(&json!({}));
        } else {
            assert!(call.path.contains("/earlier:batchUpdate"), "{}", call.path);
            voids.push(desk.now);
            desk.answer(429, &json!({"error": {"message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}));
        }
    }
    let gaps: Vec<u64> = voids.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert!(gaps.iter().skip(6).all(|gap| (60..70).contains(gap)), "{gaps:?}");
}

#[test]
fn a_look_that_shows_the_void_is_not_older_than_what_the_batch_was_refused_for() {
    let void = Phase::Void(Cause::Content, "no".into());
    let open = batch(1, SHEET, void, &HEADER[..3]);
    let mine = metadata(open.id, &key(), &Fate::Void.value(open.digest));
    let mut desk = Desk::new(Durable { batch: Some(open), ..durable() });
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[mine, register(2, 4)]));
    // Whoever delivers for a minute at a time would never come to an end of a longer wait.
    assert!(desk.call().path.contains(":getByDataFilter"));
}

#[test]
fn one_look_that_shows_a_register_and_a_narrower_header_is_not_old() {
    let newest = marker(1, "AAAAAAAAAAAA", true);
    let shown = [metadata(newest.id, &key(), &newest.value), register(1, 5)];
    let mut desk = Desk::new(Durable { markers: vec![newest], ..durable() });
    desk.rows = vec![row()];
    assert!(desk.call().path.contains(":getByDataFilter"));
    desk.ok(&look(&HEADER, &shown));
    assert!(desk.call().path.contains(":batchUpdate"), "a person deleted a column: nothing to wait for");
}

/// Also if looks at tabs leave metadata out (docs/google.md, S29), so that none of them shows how new it is.
#[test]
fn a_batch_that_is_found_applied_is_settled_within_a_delivery_of_a_minute() {
    let open = batch(1, SHEET, Phase::Send, &HEADER);
    let mine = metadata(open.id, &key(), &Fate::Applied.value(open.digest));
    let mut desk = Desk::new(Durable { batch: Some(open), ..durable() });
    let end = desk.now + Duration::from_secs(60);
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[mine, register(1, 4)]));
    while desk.now < end && !desk.commits.iter().any(|change| matches!(change, Transition::Applied { .. })) {
        match desk.step() {
            Step::Send(call) if call.path.contains(":getByDataFilter") => desk.ok(&look(&HEADER, &[])),
            Step::WaitUntil(until) => desk.now = until,
            Step::Idle => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(desk.commits.iter().any(|change| matches!(change, Transition::Applied { .. })), "at {:?}", desk.now);
}

#[test]
fn registers_from_nowhere_are_no_reason_to_fall_over() {
    for absurd in ["4294967295.3", "4294967294.4294967295", "7.4294967295", "99999999999999.1", "-1.3"] {
        let mut desk = Desk::new(durable());
        desk.rows = vec![row()];
        assert!(desk.call().path.ends_with(":search"));
        let value = format!("{}.{absurd}", tab());
        desk.ok(&search(&[metadata(MarkerId::of(7, 7), "rklayout", &value)]));
        assert!(desk.call().path.contains(":getByDataFilter"));
        desk.ok(&look(&HEADER[..3], &[]));
        let call = desk.call_within(2 * HOUR);
        assert!(!call.path.is_empty(), "{absurd}");
    }
}

#[test]
fn a_wish_to_adopt_another_is_not_what_an_earlier_wish_made() {
    let mut desk = Desk::new(Durable { wish: Some(Wish::Next), ..durable() });
    assert!(desk.call().path.contains("/developerMetadata/"));
    desk.not_found();
    assert_eq!(desk.call().path, "/v4/spreadsheets");
    desk.courier.wish(Some(Wish::Adopt("mine".into())));
    desk.ok(&json!({"spreadsheetId": "made", "spreadsheetUrl": "u"}));
    assert!(desk.call().path.contains("/mine?"));
    let moved = desk.commits.iter().any(|change| matches!(change, Transition::Moved { .. }));
    assert!(!moved, "{:?}", desk.commits);
}

#[test]
fn what_an_answer_shows_to_be_wrong_is_told() {
    let mut desk = Desk::new(durable());
    desk.rows = vec![row()];
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[metadata(MarkerId::of(BASE, 5), &key(), "AAAAAAAAAAAA")]));
    assert!(matches!(desk.step(), Step::WaitUntil(_)));
    assert!(desk.courier.trouble().is_some_and(|why| why.contains("unknown marker")));
}

/// A copy, from its hold to the look at the row ids of a tab with this header.
fn copy_that_looks(header: &[&str]) -> Desk {
    let mut desk = Desk::new(Durable { hold: Some(Hold::Copy { marker: 1 }), ..durable() });
    let identity = durable().spare;
    let retired = MarkerId::of_retired(BASE);
    let reply = |id: MarkerId, sheets: Value| {
        let made = json!({"createDeveloperMetadata": {"developerMetadata": metadata(id, "k", "v")}});
        json!({"spreadsheetId": SHEET, "replies": [made], "updatedSpreadsheet": {"sheets": sheets}})
    };
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[register(1, 4)]));
    assert!(String::from_utf8_lossy(&desk.call().body).contains(identity.tag.as_str()), "the claim");
    desk.ok(&reply(retired, json!([])));
    assert!(desk.call().path.contains("/developerMetadata:search"), "the successor");
    desk.ok(&json!({}));
    let grid = json!({"rowCount": 50, "columnCount": 9});
    assert!(desk.call_within(HOUR).path.contains(":batchUpdate"), "the tabs");
    desk.ok(&reply(retired, json!([{"properties": {"sheetId": tab(), "title": "t", "gridProperties": grid}}])));
    assert!(String::from_utf8_lossy(&desk.call().body).contains("'t'!1:1"), "the header rows");
    let cells: Vec<Value> = header.iter().map(|name| json!({ "formattedValue": name })).collect();
    desk.ok(&reply(retired, json!([{"properties": {"sheetId": tab()}, "data": [{"rowData": [{"values": cells}]}]}])));
    desk
}

/// Rows that a person inserts between the look at the tabs and that at the ids push the last ones down.
#[test]
fn a_copy_looks_at_row_ids_to_the_end_of_the_tab() {
    let mut desk = copy_that_looks(&HEADER);
    let body = String::from_utf8(desk.call().body.to_vec()).unwrap();
    assert!(body.contains("\"'t'!A1:A\""), "{body}");
}

#[test]
fn a_copy_that_cannot_see_row_ids_says_why() {
    let mut desk = copy_that_looks(&HEADER[1..]);
    assert!(matches!(desk.step(), Step::WaitUntil(_)));
    assert!(desk.courier.trouble().is_some_and(|why| why.contains("_id")));
}

#[test]
fn who_waits_for_room_for_markers_says_so() {
    let markers = (1..950).map(|seq| marker(seq, "AAAAAAAAAAAA", true)).collect();
    let mut desk = Desk::new(Durable { markers, ..durable() });
    desk.rows = vec![row()];
    assert!(desk.call().path.contains(":getByDataFilter"));
    let newest = metadata(MarkerId::of(BASE, 949), &key(), "AAAAAAAAAAAA");
    desk.ok(&look(&HEADER, &[newest, register(1, 4)]));
    assert!(matches!(desk.step(), Step::WaitUntil(_)));
    assert!(desk.courier.trouble().is_some());
}

#[test]
fn an_answer_about_another_marker_is_asked_for_again_after_a_while() {
    let mut desk = Desk::new(Durable { batch: Some(batch(1, SHEET, Phase::Send, &HEADER)), ..durable() });
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[register(1, 4)]));
    assert!(desk.call().path.contains(":getByDataFilter"));
    desk.ok(&look(&HEADER, &[]));
    assert!(desk.call().path.contains(":batchUpdate"));
    desk.refused();
    assert!(desk.call().path.contains("/developerMetadata/"));
    desk.ok(&metadata(MarkerId::of(BASE, 77), &key(), "AAAAAAAAAAAA"));
    assert!(matches!(desk.step(), Step::WaitUntil(_)));
}

/// A copy, on its way to `sheet new`; `told`: a person has said that no other copy goes on.
fn copy_that_is_to_go_elsewhere(hold: Hold, told: bool) -> Desk {
    let release = Release { identity: durable().spare, claimed: Vec::new(), since: None, told };
    let batch = Some(batch(1, SHEET, Phase::Send, &HEADER));
    Desk::new(Durable { hold: Some(hold), release: Some(release), batch, wish: Some(Wish::New), ..durable() })
}

/// A copy whose spreadsheet was deleted while it waited: `sheet release` does not help.
#[test]
fn a_copy_whose_spreadsheet_is_gone_can_be_sent_to_another_by_a_person() {
    for (hold, told) in [
        (Hold::Copy { marker: 0 }, true),
        (Hold::Copy { marker: 1 }, false),
        (Hold::Retired { by: "fedcba".into() }, false),
    ] {
        let mut desk = copy_that_is_to_go_elsewhere(hold, told);
        let call = desk.call();
        let body = String::from_utf8_lossy(&call.body);
        assert!(call.path.contains("/current:batchUpdate"), "{}", call.path);
        assert!(body.contains("createDeveloperMetadata") && body.contains("deleteDeveloperMetadata"), "{body}");
        desk.not_found();
        assert_eq!(desk.call().path, "/v4/spreadsheets");
        desk.ok(&json!({"spreadsheetId": "made", "spreadsheetUrl": "u"}));
        _ = desk.courier.next(desk.now);
        let Step::Commit(Transition::Moved { sheet, give_back: None, leaves: Some(identity), .. }) =
            desk.courier.next(desk.now)
        else {
            panic!("{:?}", desk.commits)
        };
        assert_eq!((sheet.id.as_str(), identity), ("made", durable().spare), "its batch stays where it may be");
    }
}

/// Its rows may be there, and can be looked for.
#[test]
fn a_copy_whose_spreadsheet_answers_is_not_sent_to_another() {
    let made = json!({"createDeveloperMetadata": {"developerMetadata": metadata(MarkerId::of(7, 7), "k", "v")}});
    for (status, body) in [
        (200, json!({"spreadsheetId": SHEET, "replies": [made, {}], "updatedSpreadsheet": {"sheets": []}})),
        (400, json!({"error": {"message": "that id is taken", "status": "INVALID_ARGUMENT"}})),
    ] {
        let mut desk = copy_that_is_to_go_elsewhere(Hold::Copy { marker: 1 }, false);
        assert!(desk.call().path.contains("/current:batchUpdate"));
        desk.answer(status, &body);
        let next = desk.step();
        let refused =
            matches!(&desk.commits[..], [Transition::WishRefused { message, .. }] if message.contains("copy"));
        assert!(refused, "{status}: {:?} {next:?}", desk.commits);
        assert!(!matches!(next, Step::Send(call) if call.path == "/v4/spreadsheets"));
    }
    // No answer says nothing.
    let mut desk = copy_that_is_to_go_elsewhere(Hold::Copy { marker: 1 }, false);
    desk.call();
    desk.answer(503, &json!({}));
    assert!(desk.call_within(HOUR).path.contains("/current:batchUpdate"));
    assert!(desk.commits.is_empty(), "{:?}", desk.commits);
}

#[test]
fn a_copy_does_not_adopt_the_spreadsheet_that_it_is_to_leave() {
    let wish = Some(Wish::Adopt(SHEET.into()));
    let mut desk = Desk::new(Durable { hold: Some(Hold::Copy { marker: 1 }), wish, ..durable() });
    _ = desk.step();
    assert!(matches!(desk.commits.first(), Some(Transition::WishRefused { .. })), "{:?}", desk.commits);
}

/// Its marker may have been taken away by another copy; and a void says nothing of the batches that this sent instead.
#[test]
fn what_a_copy_left_behind_is_settled_by_its_own_marker_or_by_a_person() {
    let left = || Phase::Void(Cause::Copy, String::new());
    let (rows, sent) =
        (Batch { body: [].as_slice().into(), ..batch(1, "left", left(), &[]) }, batch(2, "left", left(), &[]));
    let mine = |fate: Fate| metadata(sent.id, &key(), &fate.value(sent.digest));
    for found in [vec![], vec![mine(Fate::Void)]] {
        let mut desk = Desk::new(Durable { bound: vec![rows.clone(), sent.clone()], ..durable() });
        for _ in 0..3 {
            let call = desk.call_within(2 * HOUR);
            assert!(call.path.contains("/left/developerMetadata:search"), "{}", call.path);
            desk.ok(&search(&found));
        }
        assert!(desk.commits.is_empty(), "{:?}", desk.commits);
    }
    let mut desk = Desk::new(Durable { bound: vec![rows.clone(), sent.clone()], ..durable() });
    assert!(desk.call().path.contains("/left/"));
    desk.ok(&search(&[mine(Fate::Applied)]));
    // Of rows that were in no batch nobody can ask; they are said to wait.
    let Step::WaitUntil(until) = desk.step() else { panic!("{:?}", desk.commits) };
    assert!(matches!(&desk.commits[..], [Transition::BoundSettled(marker)] if marker.id == sent.id && marker.applied));
    assert!(until > desk.now && desk.courier.trouble().is_some_and(|why| why.contains("only you can say")));
}

/// A spreadsheet that was left with a batch in doubt, and adopted again after the device had become another.
#[test]
fn an_open_batch_of_a_former_identity_is_settled_under_its_own_key() {
    let former = Identity { tag: Tag::parse("qwerty").unwrap(), base: 77_000 };
    let old = Batch { id: MarkerId::of(former.base, 5), ..batch(5, SHEET, Phase::Send, &HEADER) };
    let theirs = marker_key(&former.tag);
    let device = Device { former: vec![former], ..durable().device };
    let mut desk = Desk::new(Durable { device, batch: Some(old.clone()), ..durable() });
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[register(1, 4)]));
    assert!(desk.call().path.contains(":getByDataFilter"));
    desk.ok(&look(&HEADER, &[register(1, 4)]));
    assert!(desk.call().path.contains(":batchUpdate"));
    desk.refused();
    assert!(desk.call().path.contains("/developerMetadata/"));
    desk.ok(&metadata(old.id, &theirs, &Fate::Applied.value(old.digest)));
    assert!(desk.call_within(HOUR).path.contains(":getByDataFilter"), "not sent again: {:?}", desk.commits);
    desk.ok(&look(&HEADER, &[metadata(old.id, &theirs, &Fate::Applied.value(old.digest))]));
    _ = desk.step();
    let Some(Transition::Applied { marker, .. }) = desk.commits.last() else { panic!("{:?}", desk.commits) };
    assert_eq!(marker.key, theirs);
}

/// The network had sent it twice: the first was applied, the second refused, and before the marker could be read the
/// spreadsheet was closed.
#[test]
fn a_refused_batch_that_nobody_looked_for_is_in_doubt_when_rows_go_elsewhere() {
    for (status, is_given_back) in [(400, false), (413, false), (429, true)] {
        let mut desk = Desk::new(durable());
        desk.rows = vec![row()];
        assert!(desk.call().path.ends_with(":search"));
        desk.ok(&search(&[register(1, 4)]));
        assert!(desk.call().path.contains(":getByDataFilter"));
        desk.ok(&look(&HEADER, &[register(1, 4)]));
        assert!(desk.call().path.contains(":batchUpdate"));
        let body = json!({"error": {"code": status, "message": "no", "status": "INVALID_ARGUMENT"}});
        desk.answer(status, &body);
        desk.call_within(HOUR);
        desk.not_found();
        while !desk.commits.iter().any(|change| matches!(change, Transition::Held(Hold::Closed { .. }))) {
            desk.call_within(HOUR);
            desk.not_found();
        }
        desk.courier.wish(Some(Wish::New));
        assert_eq!(desk.call_within(HOUR).path, "/v4/spreadsheets");
        desk.ok(&json!({"spreadsheetId": "made", "spreadsheetUrl": "u"}));
        _ = desk.courier.next(desk.now);
        let Step::Commit(Transition::Moved { give_back, leaves: None, .. }) = desk.courier.next(desk.now) else {
            panic!("{:?}", desk.commits)
        };
        assert_eq!(give_back.is_some(), is_given_back, "{status}: {:?}", desk.commits);
    }
}

/// 404 is also what a spreadsheet says that is gone for the moment. Its batch may have been applied.
#[test]
fn a_marker_in_a_spreadsheet_that_is_not_there_is_not_known_to_be_absent() {
    let not_there_is_it = |spreadsheet_is_there: bool| {
        let open = batch(1, SHEET, Phase::Void(Cause::TooBig, String::new()), &HEADER);
        let mut desk = Desk::new(Durable { batch: Some(open), ..durable() });
        assert!(desk.call().path.ends_with(":search"));
        desk.ok(&json!({}));
        assert!(desk.call().path.contains(":batchUpdate"));
        desk.refused();
        for _ in 0..2 {
            let path = desk.call_within(HOUR).path;
            assert!(path.contains("/developerMetadata/"), "{path}");
            desk.not_found();
        }
        assert!(desk.call_within(HOUR).path.ends_with(":search"));
        if spreadsheet_is_there {
            desk.ok(&json!({}))
        } else {
            desk.not_found()
        }
        _ = desk.step();
        desk.commits
    };
    let there = not_there_is_it(true);
    assert!(matches!(&there[..], [Transition::Rekeyed { .. }]), "{there:?}");
    let gone = not_there_is_it(false);
    assert!(matches!(&gone[..], [Transition::Held(Hold::Closed { .. })]), "{gone:?}");
}

/// Rows may have gone on to its successor.
#[test]
fn a_copy_does_not_take_a_spreadsheet_that_is_not_there_for_the_last_one() {
    let mut desk = Desk::new(Durable { hold: Some(Hold::Copy { marker: 1 }), ..durable() });
    assert!(desk.call().path.ends_with(":search"));
    desk.ok(&search(&[register(1, 4)]));
    let made = metadata(MarkerId::of_retired(BASE), &key(), "fedcba");
    let reply = json!({"createDeveloperMetadata": {"developerMetadata": made}});
    assert!(desk.call().path.contains(":batchUpdate"), "the claim");
    desk.ok(&json!({"spreadsheetId": SHEET, "replies": [reply]}));
    for _ in 0..2 {
        let path = desk.call_within(2 * HOUR).path;
        assert!(path.ends_with(":search"), "{path}");
        desk.not_found();
    }
    let next = metadata(MarkerId::of_next(SHEET), "rknext", "after");
    assert!(desk.call_within(2 * HOUR).path.contains("/current/developerMetadata:search"));
    desk.ok(&search(&[next]));
    assert!(desk.call().path.contains("/after:batchUpdate"), "its register is claimed too");
}

/// Or its own marker would be a stranger to it later, and it would take itself for a copy.
#[test]
fn a_marker_is_not_pruned_because_its_spreadsheet_is_not_there() {
    let looks = |answer: fn(&mut Desk)| {
        let markers = (1..12).map(|seq| marker(seq, "AAAAAAAAAAAA", true)).collect();
        let mut desk = Desk::new(Durable { markers, ..durable() });
        desk.now += HOUR;
        // All together, then each alone: is it there at all?
        for _ in 0..2 {
            assert!(String::from_utf8_lossy(&desk.call_within(HOUR).body).contains("deleteDeveloperMetadata"));
            desk.refused();
        }
        assert!(desk.call_within(HOUR).path.ends_with("/developerMetadata:search"));
        answer(&mut desk);
        _ = desk.step();
        desk.commits
    };
    let absent = looks(|desk| desk.ok(&json!({})));
    assert!(absent.iter().any(|change| matches!(change, Transition::Pruned(ids) if ids.len() == 1)), "{absent:?}");
    let present = looks(|desk| desk.ok(&search(&[metadata(MarkerId::of(BASE, 1), &key(), "AAAAAAAAAAAA")])));
    assert!(!present.iter().any(|change| matches!(change, Transition::Pruned(_))), "{present:?}");
    let gone = looks(Desk::not_found);
    assert!(matches!(gone.last(), Some(Transition::Held(Hold::Closed { .. }))), "{gone:?}");
    assert!(!gone.iter().any(|change| matches!(change, Transition::Pruned(_))), "{gone:?}");
}
