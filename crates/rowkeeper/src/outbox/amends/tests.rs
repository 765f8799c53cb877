//! Amendments through all that can happen to their rows.

use sheet_courier::{Batch, Digest, Fate, Phase, SheetRef, Tally, Transition, Verdict};

use super::super::{Filter, Happened, NewRow, Options, RowState};
use super::*;
use crate::clock::{Mono, Wall};

fn outbox() -> Outbox {
    Outbox::open_in_memory(Options { max_bytes: 1 << 30 }).unwrap()
}

fn record(outbox: &Outbox, id: Option<&str>) -> String {
    let happened = Happened {
        wall: Wall { unix_ms: 0, trusted: true },
        mono: Mono::new(Duration::ZERO),
        boot: "b".into(),
        at_unix_ms: None,
    };
    let record = Record { fields: fields(&[("a", 1.0), ("b", 2.0)]) };
    let row = NewRow { table: "t".into(), id: id.map(Into::into), record, happened };
    outbox.accept(&[row]).unwrap().remove(0).id
}

fn fields(pairs: &[(&str, f64)]) -> Vec<(String, Value)> {
    pairs.iter().map(|(name, number)| ((*name).into(), Value::Number(*number))).collect()
}

fn commit(outbox: &Outbox, change: &Transition) -> Result<(), CommitError> {
    outbox.commit(change, "b", 0)
}

/// Everything that is queued goes into a batch.
fn freeze(outbox: &Outbox) -> Result<MarkerId, CommitError> {
    let rows = outbox.queued(100, 1 << 20).unwrap();
    let durable = outbox.durable("b", Duration::ZERO).unwrap();
    freeze_these(outbox, durable.device.next_seq, rows.into_iter().map(|row| (row.handle, row.id)).collect())
}

fn freeze_these(outbox: &Outbox, seq: u64, rows: Vec<(i64, String)>) -> Result<MarkerId, CommitError> {
    let id = MarkerId::of(0, seq);
    let batch = Batch {
        id,
        seq,
        spreadsheet: "s".into(),
        body: std::sync::Arc::from(*b"{}"),
        digest: Digest::from_u64(0),
        phase: Phase::Send,
        tabs: Vec::new(),
        rows: rows.len() as u32,
        refusals: 0,
    };
    commit(outbox, &Transition::Frozen { batch, rows, tally: Tally::default() }).map(|()| id)
}

fn with_sheet() -> Outbox {
    let outbox = outbox();
    let sheet = SheetRef { id: "s".into(), url: String::new(), title: String::new() };
    commit(&outbox, &Transition::SheetCreated(sheet)).unwrap();
    outbox
}

fn marker(outbox: &Outbox, id: MarkerId, fate: Fate) -> Marker {
    let seq = outbox.durable("b", Duration::ZERO).unwrap().device.next_seq - 1;
    let value = fate.value(Digest::from_u64(0));
    Marker { id, seq, key: "k".into(), value, applied: fate == Fate::Applied, doubt: false, ended_at: None }
}

fn applied(outbox: &Outbox, batch: MarkerId) {
    let marker = marker(outbox, batch, Fate::Applied);
    commit(outbox, &Transition::Applied { marker, tally: Tally::default(), displaced: Vec::new() }).unwrap();
}

fn voided(outbox: &Outbox, batch: MarkerId, verdict: Verdict) {
    let marker = marker(outbox, batch, Fate::Void);
    let change = Transition::Voided { marker, verdict, tally: Tally::default(), hold: None, wish: None };
    commit(outbox, &change).unwrap();
}

/// Where new values of its row may be in the sheet: the amendment, whose anchor is on disk.
fn being_written() -> (Outbox, i64) {
    let outbox = with_sheet();
    let id = record(&outbox, None);
    applied(&outbox, freeze(&outbox).unwrap());
    outbox.amend(&id, &fields(&[("b", 3.0)])).unwrap();
    let amend = outbox.due_amend(&[]).unwrap().unwrap().handle;
    let anchor = Anchor { id: MarkerId::of(0, 2), seq: 2, spreadsheet: "s".into() };
    commit(&outbox, &Transition::Anchored { amend, anchor }).unwrap();
    (outbox, amend)
}

/// The anchor under the second id of the device.
fn close(outbox: &Outbox, amend: i64, is_written: bool) {
    let marker = Marker { value: "closed".into(), ..marker(outbox, MarkerId::of(0, 2), Fate::Void) };
    commit(outbox, &Transition::AnchorClosed { amend, marker, is_written }).unwrap();
}

fn only(outbox: &Outbox) -> super::super::Listed {
    let mut rows = outbox.list(&Filter::default()).unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

#[test]
fn a_queued_row_is_changed_where_it_is() {
    let outbox = outbox();
    let id = record(&outbox, None);
    assert_eq!(outbox.amend(&id, &fields(&[("b", 3.0), ("c", 4.0)])).unwrap(), Amended::Merged);
    assert_eq!(only(&outbox).record.fields, fields(&[("a", 1.0), ("b", 3.0), ("c", 4.0)]));
    assert!(outbox.amends().unwrap().is_empty());
}

#[test]
fn a_batch_that_was_planned_before_an_amendment_is_planned_anew() {
    let outbox = with_sheet();
    let id = record(&outbox, None);
    let rows: Vec<_> = outbox.queued(100, 1 << 20).unwrap().into_iter().map(|row| (row.handle, row.id)).collect();
    outbox.amend(&id, &fields(&[("b", 3.0)])).unwrap();
    assert!(matches!(freeze_these(&outbox, 1, rows), Err(CommitError::Stale)));
    freeze(&outbox).unwrap();
}

#[test]
fn an_amendment_of_a_row_in_a_batch_follows_the_row_wherever_it_goes() {
    let new = fields(&[("b", 3.0)]);
    for verdict in [Verdict::Return, Verdict::Halve(1), Verdict::Aside("no".into())] {
        let outbox = with_sheet();
        let id = record(&outbox, None);
        let batch = freeze(&outbox).unwrap();
        assert_eq!(outbox.amend(&id, &new).unwrap(), Amended::Kept);
        assert!(outbox.due_amend(&[]).unwrap().is_none(), "its batch may be anything yet");
        voided(&outbox, batch, verdict);
        assert_eq!(only(&outbox).record.fields, fields(&[("a", 1.0), ("b", 3.0)]));
        assert_eq!(only(&outbox).state, RowState::Queued, "it is another row now");
        assert!(outbox.amends().unwrap().is_empty());
    }
    let outbox = with_sheet();
    let id = record(&outbox, None);
    let batch = freeze(&outbox).unwrap();
    outbox.amend(&id, &fields(&[("b", 9.0), ("c", 1.0)])).unwrap();
    outbox.amend(&id, &new).unwrap();
    applied(&outbox, batch);
    let due = outbox.due_amend(&[]).unwrap().unwrap();
    assert_eq!((due.id, due.record.fields), (id, fields(&[("b", 3.0), ("c", 1.0)])));
    assert_eq!(due.remembered.as_deref(), Some("s"));
    assert_eq!(outbox.counts().unwrap().waiting, 1);
}

#[test]
fn while_one_is_written_the_next_waits_behind_it() {
    let outbox = with_sheet();
    let id = record(&outbox, None);
    applied(&outbox, freeze(&outbox).unwrap());
    outbox.amend(&id, &fields(&[("b", 3.0)])).unwrap();
    let first = outbox.due_amend(&[]).unwrap().unwrap();
    let anchor = |seq| Anchor { id: MarkerId::of(0, seq), seq, spreadsheet: "s".into() };
    // Changed since it was read: what is about to be written is not what was asked for.
    outbox.amend(&id, &fields(&[("b", 4.0)])).unwrap();
    let stale = commit(&outbox, &Transition::Anchored { amend: first.handle, anchor: anchor(2) });
    assert!(matches!(stale, Err(CommitError::Stale)));
    let first = outbox.due_amend(&[]).unwrap().unwrap();
    commit(&outbox, &Transition::Anchored { amend: first.handle, anchor: anchor(2) }).unwrap();
    outbox.amend(&id, &fields(&[("b", 5.0)])).unwrap();
    let still = outbox.due_amend(&[]).unwrap().unwrap();
    assert_eq!((still.handle, still.record.fields), (first.handle, fields(&[("b", 4.0)])));
    let closed = Marker { value: "closed".into(), ..marker(&outbox, MarkerId::of(0, 2), Fate::Void) };
    let change = Transition::AnchorClosed { amend: first.handle, marker: closed, is_written: true };
    commit(&outbox, &change).unwrap();
    let next = outbox.due_amend(&[]).unwrap().unwrap();
    assert_eq!((next.anchor, next.record.fields), (None, fields(&[("b", 5.0)])));
    // The row is gone from the sheet: it comes back with everything that was ever said.
    commit(&outbox, &Transition::Returns { amend: next.handle }).unwrap();
    assert_eq!(only(&outbox).record.fields, fields(&[("a", 1.0), ("b", 5.0)]));
    assert_eq!(only(&outbox).id, id);
    assert!(outbox.due_amend(&[]).unwrap().is_none());
}

#[test]
fn a_row_that_comes_back_brings_all_that_was_said_of_it() {
    let outbox = with_sheet();
    let id = record(&outbox, None);
    applied(&outbox, freeze(&outbox).unwrap());
    outbox.amend(&id, &fields(&[("b", 3.0)])).unwrap();
    let first = outbox.due_amend(&[]).unwrap().unwrap();
    let anchor = Anchor { id: MarkerId::of(0, 2), seq: 2, spreadsheet: "s".into() };
    commit(&outbox, &Transition::Anchored { amend: first.handle, anchor }).unwrap();
    outbox.amend(&id, &fields(&[("b", 4.0)])).unwrap();
    let closed = Marker { value: "closed".into(), ..marker(&outbox, MarkerId::of(0, 2), Fate::Void) };
    let change = Transition::AnchorClosed { amend: first.handle, marker: closed, is_written: false };
    commit(&outbox, &change).unwrap();
    // Nothing of it waits any more, or it would be written over what is said from now on.
    commit(&outbox, &Transition::Returns { amend: first.handle }).unwrap();
    assert_eq!(only(&outbox).record.fields, fields(&[("a", 1.0), ("b", 4.0)]));
    assert_eq!(outbox.amend(&id, &fields(&[("b", 5.0)])).unwrap(), Amended::Merged);
    applied(&outbox, freeze(&outbox).unwrap());
    assert!(outbox.due_amend(&[]).unwrap().is_none());
}

#[test]
fn an_id_that_was_never_recorded_is_refused_and_a_forgotten_one_is_looked_for() {
    let outbox = with_sheet();
    let known = record(&outbox, Some("mine"));
    applied(&outbox, freeze(&outbox).unwrap());
    let tag = known.split_once('-').unwrap().0;
    let random = "a".repeat(20);
    let new = fields(&[("b", 3.0)]);
    for unknown in ["nope", "", &random, &format!("{tag}-other"), "toolongtag-x", "abc1ef-x"] {
        assert_eq!(outbox.amend(unknown, &new).unwrap(), Amended::Unknown, "{unknown}");
    }
    assert_eq!(outbox.amend(&known, &new).unwrap(), Amended::Kept);
    assert_eq!(outbox.amend("abcdef-x", &new).unwrap(), Amended::Kept, "a sibling's");
    outbox.connection().execute("UPDATE device SET forgot = 1", ()).unwrap();
    for maybe in [random.as_str(), &format!("{tag}-other")] {
        assert_eq!(outbox.amend(maybe, &new).unwrap(), Amended::Kept, "{maybe}");
    }
    assert_eq!(outbox.amend("nope", &new).unwrap(), Amended::Unknown);
}

/// Its id is under another column too: who looked for it would take it for deleted, and bring it back.
#[test]
fn an_amendment_waits_behind_a_displaced_row_that_waits_for_a_person() {
    use super::super::Which;
    let outbox = with_sheet();
    let id = record(&outbox, None);
    let batch = freeze(&outbox).unwrap();
    let (spreadsheet, meant) = ("s".to_owned(), vec!["_id".to_owned()]);
    let row = Displaced { row: id.clone(), spreadsheet, sheet_id: 1, meant, found: Vec::new(), cells: Vec::new() };
    let marker = marker(&outbox, batch, Fate::Applied);
    let change = Transition::Applied { marker, tally: Tally::default(), displaced: vec![row] };
    commit(&outbox, &change).unwrap();
    outbox.amend(&id, &fields(&[("b", 3.0)])).unwrap();
    let first = outbox.due_amend(&[]).unwrap().unwrap();
    assert!(first.displaced.is_some());
    commit(&outbox, &Transition::Stuck { amend: first.handle, reason: "protected".into() }).unwrap();
    assert!(outbox.due_amend(&[]).unwrap().is_none());
    outbox.retry(Which::Ids(&[id])).unwrap();
    assert_eq!(outbox.due_amend(&[]).unwrap().unwrap().handle, first.handle);
    commit(&outbox, &Transition::Gone { amend: first.handle }).unwrap();
    assert!(outbox.due_amend(&[]).unwrap().unwrap().displaced.is_none());
}

#[test]
fn a_row_that_was_to_be_dropped_with_its_batch_stays_if_all_are_to_be_sent_again() {
    use super::super::Which;
    let outbox = with_sheet();
    record(&outbox, None);
    let batch = freeze(&outbox).unwrap();
    assert_eq!(outbox.drop_rows(Which::All).unwrap().in_flight, 1);
    outbox.retry(Which::All).unwrap();
    voided(&outbox, batch, Verdict::Return);
    assert_eq!(outbox.counts().unwrap().waiting, 1);
}

#[test]
fn a_person_can_drop_an_amendment_and_retry_one_that_is_stuck() {
    use super::super::Which;
    let outbox = with_sheet();
    let id = record(&outbox, None);
    applied(&outbox, freeze(&outbox).unwrap());
    outbox.amend(&id, &fields(&[("b", 3.0)])).unwrap();
    let due = outbox.due_amend(&[]).unwrap().unwrap();
    commit(&outbox, &Transition::Stuck { amend: due.handle, reason: "no such row".into() }).unwrap();
    assert!(outbox.due_amend(&[]).unwrap().is_none());
    assert_eq!(outbox.counts().unwrap().set_aside, 1);
    let ids = [id];
    assert_eq!(outbox.retry(Which::Ids(&ids)).unwrap().returned, 1);
    assert!(outbox.due_amend(&[]).unwrap().is_some());
    assert_eq!(outbox.drop_rows(Which::Ids(&ids)).unwrap().dropped, 1);
    assert!(outbox.amends().unwrap().is_empty());
    // With its row, while that is in a batch.
    let id = record(&outbox, None);
    let batch = freeze(&outbox).unwrap();
    outbox.amend(&id, &fields(&[("b", 3.0)])).unwrap();
    assert_eq!(outbox.drop_rows(Which::Ids(std::slice::from_ref(&id))).unwrap().in_flight, 1);
    voided(&outbox, batch, Verdict::Return);
    assert!(outbox.amends().unwrap().is_empty() && outbox.counts().unwrap().waiting == 0);
}

/// A spreadsheet that is gone for good keeps no other amendment waiting, and not its own against a person's word.
#[test]
fn an_amendment_whose_anchor_cannot_be_closed_waits_for_a_person() {
    use super::super::Which;
    let outbox = with_sheet();
    let ids = [record(&outbox, None), record(&outbox, None)];
    applied(&outbox, freeze(&outbox).unwrap());
    for (id, value) in [(0, 3.0), (1, 4.0)] {
        outbox.amend(&ids[id], &fields(&[("b", value)])).unwrap();
    }
    let first = outbox.due_amend(&[]).unwrap().unwrap();
    let anchor = Anchor { id: MarkerId::of(0, 2), seq: 2, spreadsheet: "s".into() };
    commit(&outbox, &Transition::Anchored { amend: first.handle, anchor: anchor.clone() }).unwrap();
    outbox.amend(&ids[0], &fields(&[("b", 5.0)])).unwrap();
    let stuck = Transition::Stuck { amend: first.handle, reason: "it does not answer".into() };
    commit(&outbox, &stuck).unwrap();
    let listed = outbox.amends().unwrap();
    assert_eq!((listed.len(), listed[0].reason.as_deref()), (3, Some("it does not answer")));
    assert_eq!((outbox.counts().unwrap().set_aside, outbox.counts().unwrap().waiting), (1, 2));
    // The other row's goes on; what was said later about this one waits behind it.
    let due = |parked: &[i64]| outbox.due_amend(parked).unwrap().map(|due| (due.id, due.anchor.is_some()));
    assert_eq!(due(&[first.handle]), Some((ids[1].clone(), false)));
    assert_eq!(due(&[]), Some((ids[0].clone(), true)), "when it is asked for again");
    let other = outbox.due_amend(&[first.handle]).unwrap().unwrap().handle;
    assert_eq!(due(&[first.handle, other]), None);
    // A person sends it again: at once.
    assert_eq!(outbox.retry(Which::Ids(&ids[..1])).unwrap().returned, 1);
    assert_eq!(due(&[first.handle, other]), Some((ids[0].clone(), true)));
    commit(&outbox, &stuck).unwrap();

    // Dropped, with what waited behind it: nothing of it is shown or counted, but its anchor stays known.
    assert_eq!(outbox.drop_rows(Which::Ids(&ids[..1])).unwrap().dropped, 2);
    assert_eq!((outbox.amends().unwrap().len(), outbox.counts().unwrap().set_aside), (1, 0));
    assert_eq!(outbox.durable("b", Duration::ZERO).unwrap().anchors, [anchor.id]);
    assert_eq!(outbox.retry(Which::Ids(&ids[..1])).unwrap().unknown, ids[..1]);
    assert_eq!(due(&[first.handle]), Some((ids[1].clone(), false)));
    assert_eq!(outbox.drop_rows(Which::SetAside).unwrap().dropped, 0);
    // The spreadsheet is back: the anchor is closed, and nothing is written.
    assert_eq!(due(&[]), Some((ids[0].clone(), true)));
    close(&outbox, first.handle, false);
    assert!(outbox.durable("b", Duration::ZERO).unwrap().anchors.is_empty());
    assert_eq!(due(&[]), Some((ids[1].clone(), false)));
    assert_eq!(outbox.amends().unwrap().len(), 1);
}

#[test]
fn an_amendment_that_waited_for_its_spreadsheet_goes_on_by_itself() {
    let (outbox, amend) = being_written();
    commit(&outbox, &Transition::Stuck { amend, reason: "it does not answer".into() }).unwrap();
    assert!(!outbox.is_anything_waiting().unwrap());
    close(&outbox, amend, false);
    let due = outbox.due_amend(&[]).unwrap().unwrap();
    assert_eq!((due.handle, due.anchor, outbox.counts().unwrap().set_aside), (amend, None, 0));
}

/// Its values may be in the sheet already.
#[test]
fn an_amendment_that_is_dropped_while_it_is_written_is_written_or_gone() {
    use super::super::Which;
    for is_written in [false, true] {
        let (outbox, amend) = being_written();
        let dropped = outbox.drop_rows(Which::All).unwrap();
        assert_eq!((dropped.dropped, dropped.in_flight), (0, 1));
        close(&outbox, amend, is_written);
        assert!(outbox.due_amend(&[]).unwrap().is_none() && outbox.amends().unwrap().is_empty());
        let remembered = outbox.list(&Filter { delivered: true, ..Filter::default() }).unwrap().remove(0);
        assert_eq!(remembered.record.fields, fields(&[("a", 1.0), ("b", if is_written { 3.0 } else { 2.0 })]));
    }
}
