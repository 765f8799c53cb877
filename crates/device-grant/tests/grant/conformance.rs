//! `CONFORMANCE.md` is kept honest: every item has a test that exists, or a reason.

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../CONFORMANCE.md");

/// All sources a test may live in.
const SOURCES: [&str; 11] = [
    include_str!("asking.rs"),
    include_str!("bearing.rs"),
    include_str!("dialects.rs"),
    include_str!("discovering.rs"),
    include_str!("hostile.rs"),
    include_str!("parsing.rs"),
    include_str!("polling.rs"),
    include_str!("refreshing.rs"),
    include_str!("restarting.rs"),
    include_str!("revoking.rs"),
    include_str!("secrecy.rs"),
];
const PROPERTIES: &str = include_str!("timing.rs");

/// The checklist: a prefix and how many items it has.
const ITEMS: [(&str, usize); 17] = [
    ("DQ", 8),
    ("DR", 9),
    ("UI", 9),
    ("PL", 18),
    ("TR", 7),
    ("ER", 4),
    ("RF", 13),
    ("CA", 5),
    ("BR", 10),
    ("RV", 7),
    ("MD", 7),
    ("SB", 9),
    ("PK", 2),
    ("XD", 7),
    ("NA", 3),
    ("AS", 24),
    ("EN", 15),
];

/// The rows: id, place, tests and reason.
fn rows() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    TABLE.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let id = *cells.first()?;
        let is_item = id.len() == 5 && id.as_bytes()[2] == b'-' && id[3..].parse::<u8>().is_ok();
        is_item.then(|| (id, cells[1..].to_vec()))
    })
}

#[test]
fn every_item_has_a_row() {
    let expected: BTreeSet<String> =
        ITEMS.iter().flat_map(|(prefix, count)| (1..=*count).map(move |n| format!("{prefix}-{n:02}"))).collect();
    let found: Vec<_> = rows().map(|(id, _)| id.to_owned()).collect();
    let unique: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(found.len(), unique.len(), "an item has two rows");
    assert_eq!(expected.len(), 157);
    assert_eq!(expected.difference(&unique).collect::<Vec<_>>(), Vec::<&String>::new(), "without a row");
    assert_eq!(unique.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the checklist");
}

#[test]
fn every_row_names_a_test_that_exists_or_gives_a_reason() {
    for (id, cells) in rows() {
        let [place, proof] = cells[..] else { panic!("{id}: a row is `| item | where | test or reason |`") };
        let tests: Vec<_> = proof.split('`').skip(1).step_by(2).collect();
        for test in &tests {
            let definition = format!("fn {test}(");
            let exists = SOURCES.iter().chain([&PROPERTIES]).any(|source| source.contains(&definition));
            assert!(exists, "{id}: there is no test `{test}`");
        }
        let reason = proof.strip_prefix("reason: ").is_some_and(|reason| reason.split_whitespace().count() >= 4);
        assert!(!place.is_empty() && (!tests.is_empty() || reason), "{id} has neither test nor reason");
    }
}
