use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sheet_courier::{
    Batch, Cause, Digest, Fate, Hold, Identity, Marker, MarkerId, Phase, SheetRef, Tag, Tally, Transition, Verdict,
    Wish,
};

use super::*;
use crate::clock::{Mono, Wall};

const ROOMY: Options = Options { max_bytes: 1 << 30 };

fn new_row(id: Option<&str>, n: f64) -> NewRow {
    let happened = Happened {
        wall: Wall { unix_ms: 1_800_000_000_000, trusted: true },
        mono: Mono::new(Duration::from_secs(60)),
        boot: "boot".into(),
        at_unix_ms: None,
    };
    let fields = vec![("n".into(), Value::Number(n)), ("text".into(), Value::Text("x".repeat(100)))];
    NewRow { table: "t".into(), id: id.map(Into::into), record: Record { fields }, happened }
}

fn kept(outbox: &Outbox, row: NewRow) -> Kept {
    outbox.accept(&[row]).unwrap()[0].kept
}

#[test]
fn the_file_and_its_side_files_are_private_from_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("outbox.sqlite");
    let outbox = Outbox::open(&path, ROOMY).unwrap();
    outbox.accept(&[new_row(None, 1.0)]).unwrap();
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() >= 3, "the main file, the log and its index: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn an_id_is_kept_once_while_queued_and_in_one_call() {
    let outbox = Outbox::open_in_memory(ROOMY).unwrap();
    let accepted = outbox.accept(&[new_row(Some("a"), 1.0), new_row(Some("a"), 2.0), new_row(None, 3.0)]).unwrap();
    assert_eq!(accepted.iter().map(|one| one.kept).collect::<Vec<_>>(), [Kept::Kept, Kept::Known, Kept::Kept]);
    assert_eq!(accepted[0].id, accepted[1].id);
    assert_eq!(kept(&outbox, new_row(Some("a"), 4.0)), Kept::Known);
    assert_eq!(outbox.counts().unwrap().waiting, 2);
}

#[test]
fn a_full_queue_refuses_and_drops_nothing() {
    let outbox = Outbox::open_in_memory(Options { max_bytes: 200_000 }).unwrap();
    let mut accepted = 0;
    let refused = loop {
        match outbox.accept(&[new_row(None, 0.0), new_row(None, 1.0)]) {
            Ok(_) => accepted += 2,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AcceptError::Full { max_bytes: 200_000 }), "{refused}");
    assert_eq!(outbox.counts().unwrap().waiting, accepted);
    assert!(accepted > 100);
}

#[test]
fn several_writers_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("outbox.sqlite");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            // Each with a connection of its own, as another process would have; all of them create the file.
            scope.spawn(move || {
                let outbox = Outbox::open(path, ROOMY).unwrap();
                for n in 0..25 {
                    assert_eq!(kept(&outbox, new_row(Some(&format!("{writer}-{n}")), n.into())), Kept::Kept);
                }
            });
        }
    });
    let outbox = Outbox::open(&path, ROOMY).unwrap();
    assert_eq!(outbox.counts().unwrap().waiting, 100);
    assert_eq!(outbox.integrity_check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_newer_or_damaged_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().join("newer.sqlite");
    drop(Outbox::open(&newer, ROOMY).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Outbox::open(&newer, ROOMY), Err(OpenError::Newer { found: 99, .. })));

    let damaged = dir.path().join("damaged.sqlite");
    std::fs::write(&damaged, "this was an outbox once, before the card died".repeat(100)).unwrap();
    let before = std::fs::read(&damaged).unwrap();
    assert!(matches!(Outbox::open(&damaged, ROOMY), Err(OpenError::Damaged(_))));
    assert_eq!(std::fs::read(&damaged).unwrap(), before);
}

#[test]
fn people_can_list_drop_and_export() {
    let outbox = Outbox::open_in_memory(ROOMY).unwrap();
    let ids: Vec<String> =
        outbox.accept(&[new_row(None, 1.0), new_row(None, 2.0)]).unwrap().into_iter().map(|one| one.id).collect();
    let listed = outbox.list(&Filter { ids: vec![ids[1].clone()], ..Filter::default() }).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].record.fields[0], ("n".into(), Value::Number(2.0)));
    let nobody = "nobody".to_owned();
    let dropped = outbox.drop_rows(Which::Ids(&[ids[0].clone(), nobody.clone()])).unwrap();
    assert_eq!(dropped, Dropped { dropped: 1, in_flight: 0, unknown: vec![nobody.clone()] });
    let retried = outbox.retry(Which::Ids(&[ids[1].clone(), nobody.clone()])).unwrap();
    assert_eq!(retried, Retried { returned: 0, waiting: vec![ids[1].clone()], unknown: vec![nobody] });
    assert_eq!(outbox.drop_rows(Which::SetAside).unwrap().dropped, 0, "nothing was set aside");
    assert_eq!(outbox.drop_rows(Which::All).unwrap().dropped, 1);
    assert_eq!(outbox.counts().unwrap(), Counts::default());
}

#[test]
fn an_export_reads_back_as_records() {
    let outbox = Outbox::open_in_memory(ROOMY).unwrap();
    let row = |id: &str, fields: &[(&str, Value)]| NewRow {
        record: Record { fields: fields.iter().map(|(key, value)| ((*key).into(), value.clone())).collect() },
        ..new_row(Some(id), 0.0)
    };
    let time = Value::Time { unix_ms: 1_800_000_000_250, offset_s: 3600 };
    let rows = [
        row("a", &[("n", Value::Number(2.0)), ("text", Value::Text("a \"b\",\nc".into()))]),
        row("b", &[("when", time), ("n", Value::Number(0.5)), ("ok", Value::Bool(true)), ("none", Value::Null)]),
    ];
    let ids: Vec<String> = outbox.accept(&rows).unwrap().into_iter().map(|one| one.id).collect();
    let exported = |format| {
        let mut out = Vec::new();
        outbox.export(&Filter::default(), format, &mut out).unwrap().unwrap();
        String::from_utf8(out).unwrap()
    };
    let (a, b) = (&ids[0], &ids[1]);
    let at = "2027-01-15T08:00:00Z";
    assert_eq!(
        exported(Format::Jsonl),
        format!(
            r#"{{"_id":"{a}","_table":"t","_at":"{at}","n":2,"text":"a \"b\",\nc"}}
{{"_id":"{b}","_table":"t","_at":"{at}","when":"2027-01-15T09:00:00.25+01:00","n":0.5,"ok":true,"none":null}}
"#
        )
    );
    assert_eq!(
        exported(Format::Csv),
        format!(
            "_id,_table,_at,n,text,when,ok,none\n{a},t,{at},2,\"a \"\"b\"\",\nc\",,,\n\
             {b},t,{at},0.5,,2027-01-15T09:00:00.25+01:00,true,\n"
        )
    );
    for line in exported(Format::Jsonl).lines() {
        let back = crate::record::Record::from_json(line, |_| None).unwrap();
        assert!(ids.contains(back.id.as_ref().unwrap()) && back.at.is_some(), "{line}");
    }
}

/// A disk that was remounted read-only: what waits can still be listed, and recording says no.
#[test]
fn an_outbox_that_cannot_be_written_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out box?.sqlite");
    let outbox = Outbox::open(&path, ROOMY).unwrap();
    let row = new_row(None, 1.0);
    outbox.accept(std::slice::from_ref(&row)).unwrap();
    // While the writer lives, its log is read too.
    assert_eq!(Outbox::open_to_look(&path, ROOMY).unwrap().counts().unwrap().waiting, 1);
    drop(outbox);
    let looked = Outbox::open_to_look(&path, ROOMY).unwrap();
    assert_eq!(looked.counts().unwrap().waiting, 1);
    assert!(looked.accept(&[row]).is_err());
}

/// The log of somebody who died, and no room for its index: `status` said "try again later" after power cuts that left the
/// disk full.
#[test]
fn a_log_without_its_index_can_be_looked_at_where_no_index_can_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let (path, left) = (dir.path().join("outbox.sqlite"), dir.path().join("left.sqlite"));
    let outbox = Outbox::open(&path, ROOMY).unwrap();
    outbox.accept(&[new_row(None, 1.0)]).unwrap();
    for suffix in ["", "-wal"] {
        std::fs::copy(durable::with_suffix(&path, suffix), durable::with_suffix(&left, suffix)).unwrap();
    }
    // SQLite follows no links.
    std::os::unix::fs::symlink("nowhere", durable::with_suffix(&left, "-shm")).unwrap();
    assert!(Outbox::open(&left, ROOMY).is_err());
    let log = || std::fs::read(durable::with_suffix(&left, "-wal")).unwrap();
    let before = (std::fs::read(&left).unwrap(), log());
    let looked = Outbox::open_to_look(&left, ROOMY).unwrap();
    assert_eq!(looked.counts().unwrap().waiting, 1);
    assert!(looked.accept(&[new_row(None, 2.0)]).is_err());
    drop(looked);
    assert!(before == (std::fs::read(&left).unwrap(), log()), "looking has written");
    std::fs::remove_file(durable::with_suffix(&left, "-shm")).unwrap();
    assert_eq!(Outbox::open(&left, ROOMY).unwrap().counts().unwrap().waiting, 1);
}

/// Seen in a campaign of power cuts: a log that had been removed came back with another file's block in its middle, and the
/// outbox was malformed. Its blocks are nobody else's until it is on the disk that it is gone.
#[test]
fn a_log_that_is_removed_is_held_until_it_stays_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("outbox.sqlite");
    let outbox = Outbox::open(&path, ROOMY).unwrap();
    outbox.accept(&[new_row(None, 1.0)]).unwrap();
    // As they are dropped, one after the other.
    let Outbox { connection, _log: log, .. } = outbox;
    assert!(!log.is_removed());
    drop(connection);
    assert!(!durable::with_suffix(&path, "-wal").exists(), "SQLite keeps it now: then it need not be held");
    assert!(log.is_removed());
}

/// Seen once: the first records of several programs at the same moment, and one was told "database is locked".
#[test]
fn many_may_open_a_new_outbox_at_once() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.sqlite");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Outbox::open(&path, ROOMY).unwrap().accept(&[new_row(None, 1.0)]).unwrap());
            }
        });
        assert_eq!(Outbox::open(&path, ROOMY).unwrap().counts().unwrap().waiting, 8);
    }
}

/// Delivers all that waits, as far as the outbox can tell.
fn deliver(outbox: &Outbox, unix_s: i64) {
    let durable = outbox.durable("boot", Duration::ZERO).unwrap();
    let sheet = durable.sheet.unwrap_or_else(|| {
        let sheet = SheetRef { id: "sheet".into(), url: String::new(), title: String::new() };
        outbox.commit(&Transition::SheetCreated(sheet.clone()), "boot", unix_s).unwrap();
        sheet
    });
    let rows: Vec<_> = outbox.queued(10_000, usize::MAX).unwrap().into_iter().map(|row| (row.handle, row.id)).collect();
    let seq = durable.device.next_seq;
    let (id, digest) = (MarkerId::of(durable.device.base, seq), Digest::of("", &[&seq.to_be_bytes()]));
    let batch = Batch {
        id,
        seq,
        spreadsheet: sheet.id,
        body: b"{}".as_slice().into(),
        digest,
        phase: Phase::Send,
        tabs: Vec::new(),
        rows: rows.len() as u32,
        refusals: 0,
    };
    let tally = Tally::default();
    outbox.commit(&Transition::Frozen { batch, rows, tally }, "boot", unix_s).unwrap();
    let (key, value) = ("rkaaaaaa".into(), Fate::Applied.value(digest));
    let marker = Marker { id, seq, key, value, applied: true, doubt: false, ended_at: None };
    outbox.commit(&Transition::Applied { marker, tally, displaced: Vec::new() }, "boot", unix_s).unwrap();
}

fn delivered(outbox: &Outbox) -> usize {
    let all = outbox.list(&Filter { delivered: true, ..Filter::default() }).unwrap();
    all.iter().filter(|row| row.state == RowState::Delivered).count()
}

const DAY: i64 = 86_400;

#[test]
fn delivered_rows_are_remembered_for_as_long_as_configured() {
    let month = Some(Duration::from_secs(30 * 86_400));
    let outbox = Outbox::open_in_memory(ROOMY).unwrap().keeping_delivered(month);
    let deliver_many = |day: i64| {
        outbox.accept(&vec![new_row(None, 1.0); 3_000]).unwrap();
        deliver(&outbox, day * DAY);
    };
    outbox.accept(&[new_row(Some("a"), 1.0)]).unwrap();
    deliver(&outbox, 1_000 * DAY);
    deliver_many(1_000);
    deliver_many(1_020);
    let waiting = outbox.accept(&[new_row(None, 4.0)]).unwrap()[0].id.clone();
    assert_eq!((delivered(&outbox), outbox.counts().unwrap().waiting), (6_001, 1));

    let mut out = Vec::new();
    let all = Filter { delivered: true, ..Filter::default() };
    outbox.export(&all, Format::Csv, &mut out).unwrap().unwrap();
    let csv = String::from_utf8(out).unwrap();
    assert_eq!(csv.lines().count(), 6_003, "a header and the rows");
    assert!(csv.lines().nth(1).unwrap().contains("-a,t,") && csv.lines().last().unwrap().contains(&waiting));
    assert_eq!(outbox.list(&Filter::default()).unwrap().len(), 1, "only who asks for them gets them");
    assert_eq!(outbox.drop_rows(Which::All).unwrap().dropped, 1);

    deliver(&outbox, 1_031 * DAY);
    assert_eq!(delivered(&outbox), 3_000, "the first 3,001 are over thirty days old");
    deliver(&outbox, 1_100 * DAY);
    assert_eq!(delivered(&outbox), 2_001, "some are remembered always");
}

#[test]
fn what_is_remembered_makes_room_before_a_record_is_refused() {
    let month = Some(Duration::from_secs(30 * 86_400));
    let outbox = Outbox::open_in_memory(Options { max_bytes: 600_000 }).unwrap().keeping_delivered(month);
    for n in 0..20 {
        outbox.accept(&vec![new_row(None, 1.0); 200]).unwrap_or_else(|error| panic!("{n}: {error}"));
        deliver(&outbox, 1_000 * DAY);
    }
    assert!((200..2_500).contains(&delivered(&outbox)), "{}", delivered(&outbox));
}

#[test]
fn files_of_every_older_version_open_with_all_that_was_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    for version in 1..schema::VERSION {
        let path = dir.path().join(format!("v{version}.sqlite"));
        std::fs::copy(format!("{folder}/outbox-v{version}.sqlite"), &path).unwrap();
        assert!(matches!(Outbox::open_to_look(&path, ROOMY), Err(OpenError::Older { found }) if found == version));
        let outbox = Outbox::open(&path, ROOMY).unwrap();
        let rows = outbox.list(&Filter::default()).unwrap();
        assert_eq!(rows.len(), 2, "version {version}");
        assert_eq!(rows[0].id, "wuybse-three");
        let when = Value::Time { unix_ms: 1_795_368_600_000, offset_s: 3600 };
        assert_eq!(rows[0].record.fields, [("temperature".into(), Value::Number(22.5)), ("when".into(), when)]);
        assert_eq!(rows[1].record.fields[0].1, Value::Text("=1+1".into()));
        assert_eq!(rows[1].happened.at_unix_ms, Some(1_793_512_800_000));
        for known in ["one", "two", "three"] {
            assert_eq!(kept(&outbox, new_row(Some(known), 0.0)), Kept::Known, "{known}, version {version}");
        }
        let durable = outbox.durable("boot", Duration::ZERO).unwrap();
        assert_eq!((durable.device.tag.as_str(), durable.device.next_seq, durable.markers.len()), ("wuybse", 2, 1));
        assert!(durable.sheet.is_some() && durable.batch.is_none() && durable.hold.is_none());
        deliver(&outbox, 1_000 * DAY);
        // Version 1 did not remember what it delivered.
        assert_eq!(delivered(&outbox), if version < 2 { 2 } else { 4 });
        assert_eq!(outbox.integrity_check().unwrap(), Vec::<String>::new());
    }
}

/// A board without a battery clock: what it recorded before NTP gets its time when the clock comes right, also if it is
/// switched off before anything could be sent.
#[test]
fn a_clock_that_comes_right_corrects_what_its_boot_recorded_for_good() {
    let outbox = Outbox::open_in_memory(ROOMY).unwrap();
    let at = |boot: &str, mono_s: u64, unix_s: i64, trusted: bool| Happened {
        wall: Wall { unix_ms: unix_s * 1000, trusted },
        mono: Mono::new(Duration::from_secs(mono_s)),
        boot: boot.into(),
        at_unix_ms: None,
    };
    let record = |happened: Happened| outbox.accept(&[NewRow { happened, ..new_row(None, 0.0) }]).unwrap();
    record(at("first", 10, 7, false));
    record(at("second", 10, 7, false));
    record(at("second", 25, 22, false));
    outbox.correct_times(&at("second", 30, 27, false)).unwrap();
    let walls =
        || outbox.list(&Filter::default()).unwrap().into_iter().map(|row| row.happened.wall).collect::<Vec<_>>();
    let wall = |unix_s: i64, trusted| Wall { unix_ms: unix_s * 1000, trusted };
    assert_eq!(walls(), [wall(7, false), wall(7, false), wall(22, false)], "a clock nobody trusts corrects nothing");
    outbox.correct_times(&at("second", 100, 1_800_000_100, true)).unwrap();
    let right = [wall(7, false), wall(1_800_000_010, true), wall(1_800_000_025, true)];
    assert_eq!(walls(), right, "the boot before ended with its clock wrong: nobody can know");
    record(at("third", 5, 3, false));
    record(at("third", 50, 1_800_000_050, true));
    assert_eq!(walls()[3..], [wall(1_800_000_005, true), wall(1_800_000_050, true)], "recording corrects too");
}

/// A person said something else meanwhile: that is the later word.
#[test]
fn a_wish_of_a_person_is_not_written_over_by_a_step_of_an_earlier_one() {
    let outbox = Outbox::open_in_memory(ROOMY).unwrap();
    let made = Wish::Claim(SheetRef { id: "made".into(), url: String::new(), title: String::new() });
    outbox.commit(&Transition::Wished(made.clone()), "boot", 0).unwrap();
    assert_eq!(outbox.wish().unwrap(), Some(made.clone()));
    outbox.set_wish(&Wish::Adopt("mine".into())).unwrap();
    outbox.commit(&Transition::Wished(made), "boot", 0).unwrap();
    assert_eq!(outbox.wish().unwrap(), Some(Wish::Adopt("mine".into())));
}

/// An id is remembered for ninety days and the last million, whichever is less.
#[test]
fn ids_are_forgotten_after_ninety_days_and_after_a_million() {
    let outbox = Outbox::open_in_memory(ROOMY).unwrap();
    let deliver_one = |id: Option<&str>, unix_s| {
        outbox.accept(&[new_row(id, 0.0)]).unwrap();
        deliver(&outbox, unix_s);
    };
    // Forgetting is rare: it comes with one batch in 64. And whatever numbers batches have: here anchors take all others.
    let turn = |unix_s: i64| {
        for _ in 0..400 {
            let odd = "UPDATE device SET next_seq = next_seq + 1 - next_seq % 2";
            outbox.connection().execute(odd, ()).unwrap();
            deliver_one(None, unix_s);
        }
    };
    deliver_one(Some("early"), 1_000 * DAY);
    deliver_one(Some("late"), 1_002 * DAY);
    turn(1_089 * DAY);
    assert_eq!(kept(&outbox, new_row(Some("early"), 0.0)), Kept::Known, "89 days");
    turn(1_091 * DAY);
    assert_eq!(kept(&outbox, new_row(Some("early"), 0.0)), Kept::Kept, "91 days");
    assert_eq!(kept(&outbox, new_row(Some("late"), 0.0)), Kept::Known, "89 days");
    outbox
        .connection()
        .execute_batch(
            "WITH RECURSIVE n(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM n WHERE n < 1000000)
         INSERT INTO seen(hash, at) SELECT printf('%016d', n), 90000000 + n FROM n",
        )
        .unwrap();
    turn(1_091 * DAY);
    assert_eq!(kept(&outbox, new_row(Some("late"), 0.0)), Kept::Kept, "a million came after it");
}

/// Of a copy only what it recorded after it had noticed is surely nowhere else.
#[test]
fn what_a_copy_leaves_behind_stays_bound_until_a_person_decides() {
    let outbox = Outbox::open_in_memory(ROOMY).unwrap();
    let sheet = |id: &str| SheetRef { id: id.into(), url: String::new(), title: String::new() };
    let commit = |change: Transition| outbox.commit(&change, "b", 0).unwrap();
    let durable = || outbox.durable("b", Duration::ZERO).unwrap();
    let record = |n: f64| outbox.accept(&[new_row(None, n)]).unwrap().remove(0).id;
    let freeze = || {
        let seq = durable().device.next_seq;
        let rows: Vec<_> = outbox.queued(1, 1 << 20).unwrap().into_iter().map(|row| (row.handle, row.id)).collect();
        let batch = Batch {
            id: MarkerId::of(durable().device.base, seq),
            seq,
            spreadsheet: durable().sheet.unwrap().id,
            body: std::sync::Arc::from(*b"{}"),
            digest: Digest::from_u64(seq),
            phase: Phase::Send,
            tabs: Vec::new(),
            rows: 1,
            refusals: 0,
        };
        commit(Transition::Frozen { batch: batch.clone(), rows, tally: Tally::default() });
        batch
    };
    let moved = |to: &str, leaves: Option<Identity>| {
        let wish = Wish::Adopt(to.into());
        commit(Transition::Moved { sheet: sheet(to), wish, give_back: None, leaves, tally: Tally::default() });
    };
    let states = || -> Vec<(RowState, bool)> {
        outbox.list(&Filter::default()).unwrap().into_iter().map(|row| (row.state, row.bound)).collect()
    };
    commit(Transition::SheetCreated(sheet("old")));
    let mut ids = vec![record(1.0), record(2.0), record(3.0)];
    let refused = freeze();
    let marker = Marker {
        id: refused.id,
        seq: refused.seq,
        key: "k".into(),
        value: Fate::Void.value(refused.digest),
        applied: false,
        doubt: true,
        ended_at: None,
    };
    let verdict = Verdict::Aside("no".into());
    commit(Transition::Voided { marker, verdict, tally: Tally::default(), hold: None, wish: None });
    let open = freeze();
    commit(Transition::Held(Hold::Copy { marker: 7 }));
    ids.push(record(4.0));
    // It lost, and its person said that it goes on all the same: since the first of these it knows.
    commit(Transition::Held(Hold::Retired { by: "other".into() }));
    outbox.goes_on().unwrap();
    ids.push(record(5.0));

    let (former, next_seq) = (durable().device, durable().device.next_seq);
    let identity = Identity { tag: Tag::parse("fedcba").unwrap(), base: 9 };
    moved("new", Some(identity.clone()));
    let (bound, queued) = ((RowState::InBatch, true), (RowState::Queued, false));
    assert_eq!(states(), [bound, bound, bound, queued, queued], "set aside, in a batch, queued, and two later");
    let now = durable();
    assert_eq!((now.device.tag, now.device.base, now.device.next_seq), (identity.tag, 9, next_seq + 1));
    assert_eq!(now.device.former, [Identity { tag: former.tag, base: former.base }]);
    assert_eq!((now.hold, now.release, now.batch.is_none()), (None, None, true));
    let left: Vec<_> = now.bound.iter().map(|batch| (batch.id, batch.rows, batch.body.is_empty())).collect();
    assert_eq!(left, [(open.id, 1, false), (MarkerId::of(former.base, next_seq), 2, true)]);
    assert!(now.bound.iter().all(|batch| matches!(batch.phase, Phase::Void(Cause::Copy, _))));

    // Adopted again, it is no batch to be sent.
    moved("old", None);
    assert!(durable().markers.is_empty(), "not its own to prune any more");
    assert_eq!((durable().batch.is_none(), durable().bound.len(), outbox.bound().unwrap()), (true, 2, 2));
    assert_eq!(states()[..3], [bound; 3]);
    assert_eq!(outbox.retry(Which::Ids(&ids[..1])).unwrap().returned, 1);
    assert_eq!(outbox.drop_rows(Which::Ids(&ids[2..3])).unwrap().dropped, 1);
    assert_eq!(states(), [queued, bound, queued, queued]);
    assert_eq!(durable().bound.len(), 1, "nothing is left of the rows that waited");
    // It turns up in the sheet after all.
    commit(Transition::Present { spreadsheet: "old".into(), ids: ids[1..2].to_vec() });
    assert_eq!((states(), durable().bound.len()), (vec![queued; 3], 0));
}
