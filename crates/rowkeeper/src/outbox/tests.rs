use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

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
