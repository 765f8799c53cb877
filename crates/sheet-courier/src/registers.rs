//! Developer metadata as requests: markers and voids, registers, and what removes them.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::anchors::CLOSED;
use crate::ids::{Digest, Fate, MarkerId};

/// The body as far as the end of the marker's request. The location is the spreadsheet: a marker on a tab, row or
/// column would go with it, and its id would be free again.
pub(crate) fn head(id: MarkerId, key: &str, value: &str) -> String {
    let mut head = String::from(r#"{"requests":["#);
    head.push_str(&create_metadata(id, key, value).to_string());
    head
}

pub(crate) fn create_metadata(id: MarkerId, key: &str, value: &str) -> Value {
    create_metadata_at(&json!({"spreadsheet": true}), id, key, value)
}

pub(crate) fn create_metadata_at(location: &Value, id: MarkerId, key: &str, value: &str) -> Value {
    json!({"createDeveloperMetadata": {"developerMetadata": {
        "metadataId": id.as_u32(),
        "metadataKey": key,
        "metadataValue": value,
        "location": location,
        "visibility": "DOCUMENT",
    }}})
}

/// The body that makes the batch's own bytes inapplicable for ever.
pub(crate) fn void_body(id: MarkerId, key: &str, digest: Digest) -> Arc<[u8]> {
    [head(id, key, &Fate::Void.value(digest)).as_bytes(), b"]}"].concat().into()
}

/// The key of the register that names the next spreadsheet.
pub(crate) const NEXT_KEY: &str = "rknext";

/// The body that makes `successor` the spreadsheet after `spreadsheet`, for all devices that share it.
pub(crate) fn next_body(spreadsheet: &str, successor: &str) -> Arc<[u8]> {
    [head(MarkerId::of_next(spreadsheet), NEXT_KEY, successor).as_bytes(), b"]}"].concat().into()
}

/// The body that retires an identity in favour of `tag`: of two copies one is refused.
pub(crate) fn retire_body(base: u32, key: &str, tag: &str) -> Arc<[u8]> {
    [head(MarkerId::of_retired(base), key, tag).as_bytes(), b"]}"].concat().into()
}

/// The body of a write that leaves nothing behind: its answer shows these ranges as they are then, or only the tabs.
pub(crate) fn look_body(id: MarkerId, key: &str, ranges: &[String]) -> Arc<[u8]> {
    let lookup = json!({"metadataId": id.as_u32(), "metadataKey": key, "metadataValue": CLOSED});
    let delete = json!({"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}});
    json!({
        "requests": [create_metadata(id, key, CLOSED), delete],
        "includeSpreadsheetInResponse": true,
        "responseRanges": ranges,
        "responseIncludeGridData": !ranges.is_empty(),
    })
    .to_string()
    .into_bytes()
    .into()
}

/// The body that prunes markers: by id and key and value together, for by id alone a repeated prune could remove
/// another device's marker, and by key alone it removes younger ones.
pub(crate) fn prune_body<'a>(markers: impl Iterator<Item = (MarkerId, &'a str, &'a str)>, how: PruneBy) -> Arc<[u8]> {
    json!({ "requests": prunes(markers, how) }).to_string().into_bytes().into()
}

/// The same, and the answer shows the spreadsheet.
pub(crate) fn prune_and_look_body<'a>(
    markers: impl Iterator<Item = (MarkerId, &'a str, &'a str)>,
    how: PruneBy,
) -> Arc<[u8]> {
    let body = json!({"requests": prunes(markers, how), "includeSpreadsheetInResponse": true});
    body.to_string().into_bytes().into()
}

fn prunes<'a>(markers: impl Iterator<Item = (MarkerId, &'a str, &'a str)>, how: PruneBy) -> Vec<Value> {
    markers
        .map(|(id, key, value)| {
            let lookup = match how {
                PruneBy::All => json!({"metadataId": id.as_u32(), "metadataKey": key, "metadataValue": value}),
                PruneBy::Key => json!({ "metadataKey": key }),
                PruneBy::Id => json!({"metadataId": id.as_u32()}),
            };
            json!({"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}})
        })
        .collect()
}

/// What a prune names. Only [`PruneBy::All`] is right.
#[derive(Clone, Copy)]
pub(crate) enum PruneBy {
    All,
    #[cfg_attr(not(feature = "mutations"), expect(dead_code, reason = "a mutation"))]
    Key,
    #[cfg_attr(not(feature = "mutations"), expect(dead_code, reason = "a mutation"))]
    Id,
}
