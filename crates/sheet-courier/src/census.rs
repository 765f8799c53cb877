//! Whose markers are in a spreadsheet, and which of another device's a person may have removed (protocol section 6).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::anchors::{CLOSED, OPEN};
use crate::ids::{MarkerId, Tag};
use crate::layout::LAYOUT_KEY;
use crate::registers::{self, PruneBy};
use crate::wire::{self, Call, Metadata};

/// Markers that go in one call.
const AT_MOST: usize = 100;

/// The markers of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// Whose.
    pub tag: Tag,
    /// How many there are.
    pub count: usize,
    /// The tag under which a copy of that device went on, if one did.
    pub retired_by: Option<String>,
    /// Those that are not needed any more if the device is not in the middle of sending.
    old: Vec<(MarkerId, String)>,
}

impl Markers {
    /// How many may be removed.
    pub fn removable(&self) -> usize {
        self.old.len()
    }

    /// Changes when a marker comes or goes.
    pub fn fingerprint(&self) -> u64 {
        self.old
            .iter()
            .fold(self.count as u64, |sum, (id, _)| sum.wrapping_mul(31).wrapping_add(u64::from(id.as_u32())))
    }

    /// The calls that remove them, each by id and key and value together. They may be repeated; one of a marker that is
    /// gone meanwhile may be refused.
    pub fn removal(&self, spreadsheet: &str) -> Vec<Call> {
        let key = crate::ids::marker_key(&self.tag);
        let call = |some: &[(MarkerId, String)]| {
            let named = some.iter().map(|(id, value)| (*id, key.as_str(), value.as_str()));
            Call::write(wire::path(spreadsheet, ":batchUpdate"), registers::prune_body(named, PruneBy::All))
        };
        self.old.chunks(AT_MOST).map(call).collect()
    }
}

/// Asks for all metadata of a spreadsheet.
pub fn census(spreadsheet: &str) -> Call {
    wire::search_all(spreadsheet)
}

/// The answer to [`census`], by device; none if it is not one.
pub fn parse_census(body: &[u8]) -> Option<Vec<Markers>> {
    let mut by_tag: BTreeMap<Tag, Vec<Metadata>> = BTreeMap::new();
    for found in wire::parse_search(body)? {
        let tag =
            found.metadata_key.strip_prefix("rk").filter(|_| found.metadata_key != LAYOUT_KEY).and_then(Tag::parse);
        if let Some(tag) = tag {
            by_tag.entry(tag).or_default().push(found);
        }
    }
    Some(by_tag.into_iter().map(|(tag, found)| of_device(tag, found)).collect())
}

fn of_device(tag: Tag, found: Vec<Metadata>) -> Markers {
    let count = found.len();
    // What a register says looks like a tag; so does "closed".
    let is_tag = |value: &&String| Tag::parse(value).is_some() && **value != CLOSED;
    let retired_by = found.iter().map(|found| &found.metadata_value).find(is_tag).cloned();
    let mut markers: Vec<(MarkerId, String)> = Vec::new();
    for found in found {
        // A register is for ever, and an open anchor may be about to be written through.
        let is_marker = is_batch(&found.metadata_value) || found.metadata_value == CLOSED;
        if let Some(id) = MarkerId::parse(found.metadata_id).filter(|_| is_marker && found.metadata_value != OPEN) {
            markers.push((id, found.metadata_value));
        }
    }
    in_order(&mut markers);
    // The newest applied one stays, by which an old copy of that device finds out that it is one; and what came after it,
    // by which the device finds out what became of its last batch.
    let newest = markers.iter().rposition(|(_, value)| value.starts_with('A')).unwrap_or(0);
    markers.truncate(newest);
    Markers { tag, count, retired_by, old: markers }
}

/// The marker of a batch, applied or void.
fn is_batch(value: &str) -> bool {
    value.len() == 12 && (value.starts_with('A') || value.starts_with('V'))
}

/// Ids count up and may wrap around: the largest gap is where they begin and end.
fn in_order(markers: &mut [(MarkerId, String)]) {
    markers.sort_by_key(|(id, _)| *id);
    let gap = |at: usize| {
        let (this, before) =
            (markers[at].0.as_u32(), markers[at.checked_sub(1).unwrap_or(markers.len() - 1)].0.as_u32());
        if at == 0 { (u64::from(this) + (1 << 31)) - u64::from(before) } else { u64::from(this - before) }
    };
    let first = (0..markers.len()).rev().max_by_key(|at| gap(*at)).unwrap_or(0);
    markers.rotate_left(first);
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn found(id: u32, key: &str, value: &str) -> String {
        format!(r#"{{"developerMetadata":{{"metadataId":{id},"metadataKey":"{key}","metadataValue":"{value}"}}}}"#)
    }

    fn parsed(entries: &[String]) -> Vec<Markers> {
        parse_census(format!(r#"{{"matchedDeveloperMetadata":[{}]}}"#, entries.join(",")).as_bytes()).unwrap()
    }

    fn old(markers: &Markers) -> Vec<u32> {
        markers.old.iter().map(|(id, _)| id.as_u32()).collect()
    }

    #[test]
    fn the_newest_applied_marker_and_what_came_after_it_stay() {
        let (a, v) = ("AAAAAAAAAAAA", "VAAAAAAAAAAA");
        let found = [
            found(10, "rkabcdef", a),
            found(12, "rkabcdef", a),
            found(13, "rkabcdef", v),
            found(14, "rkabcdef", "open"),
            found(11, "rkabcdef", "closed"),
            found(5, "rkabcdef", "bcdefg"),
            found(3, "rklayout", "7.1.3"),
            found(4, "rknext", "x"),
            found(9, "theirs", a),
            // Around the end of the ids.
            found(i32::MAX as u32, "rkzzzzzz", a),
            found(1, "rkzzzzzz", a),
            found(2, "rkzzzzzz", a),
        ];
        let devices = parsed(&found);
        assert_eq!(devices.iter().map(|device| device.tag.as_str()).collect::<Vec<_>>(), ["abcdef", "zzzzzz"]);
        assert_eq!((old(&devices[0]), devices[0].count), (alloc::vec![10, 11], 6));
        assert_eq!(devices[0].retired_by.as_deref(), Some("bcdefg"));
        assert_eq!(old(&devices[1]), [i32::MAX as u32, 1]);
        let call = &devices[0].removal("s")[0];
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        for part in [r#""metadataId":10"#, r#""metadataKey":"rkabcdef""#, r#""metadataValue":"AAAAAAAAAAAA""#] {
            assert!(body.contains(part), "{body}");
        }
        assert_eq!(parse_census(b"{\"error\":1}"), None);
        assert!(parsed(&[]).is_empty());
    }
}
