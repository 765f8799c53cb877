//! gzip, for who asks for it and for who sends it.

use std::io::{Read, Write};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use crate::{Reply, Request};

/// Smaller answers gain nothing.
const LEAST: usize = 860;

/// unknown to us: that Google compresses exactly these; its client libraries all ask and all understand.
pub(super) fn compressed(reply: Reply, request: &Request) -> Reply {
    let asks = |text: &str| {
        text.split(',').any(|coding| {
            let mut parts = coding.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let refused = parts.any(|part| matches!(part.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (name.eq_ignore_ascii_case("gzip") || name == "*") && !refused
        })
    };
    if reply.body.len() < LEAST || !request.header("accept-encoding").is_some_and(asks) {
        return reply;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&reply.body).and_then(|()| encoder.finish());
    let Ok(body) = packed else { return reply };
    let vary = match reply.header("vary") {
        Some(vary) => format!("{vary}, Accept-Encoding"),
        None => "Accept-Encoding".to_owned(),
    };
    Reply { body, ..reply }.with_header("Content-Encoding", "gzip").with_header("Vary", &vary)
}

/// The body as it was before the client packed it. The status of the refusal if it cannot be had.
pub(super) fn unpacked(body: Vec<u8>, request: &Request, most: usize) -> Result<Vec<u8>, u16> {
    match request.header("content-encoding").map(str::trim) {
        None | Some("" | "identity") => Ok(body),
        Some(coding) if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
            let mut out = Vec::new();
            // One byte more than is taken tells a bomb from a large body.
            let mut decoder = MultiGzDecoder::new(body.as_slice()).take(most as u64 + 1);
            decoder.read_to_end(&mut out).map_err(|_| 400_u16)?;
            if out.len() > most { Err(413) } else { Ok(out) }
        }
        Some(_) => Err(415),
    }
}
