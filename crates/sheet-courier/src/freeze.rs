//! Turning rows into the exact bytes of one request.

/// Google recommends 2 MB for a request; larger ones were accepted (4.5 and 9 MB, docs/google.md), but take longer.
pub const MAX_BODY_BYTES: usize = 2_000_000;
