//! Lines of JSON, of which none can take more memory than a record may.

use std::io::{self, Read};

use super::{Entry, Raw, Source};
use crate::record::{RECORD_LIMIT_BYTES, Refused};

/// A line may be this long: a record at its limit with every character escaped.
pub const LINE_LIMIT: usize = 6 * RECORD_LIMIT_BYTES;

/// As much as a pipe holds: what arrived while the disk was busy comes in one read.
const CHUNK: usize = 64 * 1024;

/// Bytes that were read and not yet used.
pub(super) struct Chunks<R> {
    input: R,
    pub(super) bytes: Vec<u8>,
    /// Used up to here.
    pub(super) start: usize,
    ended: bool,
}

impl<R: Read> Chunks<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, bytes: Vec::new(), start: 0, ended: false }
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Waits for more. False at the end of the input.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.bytes.drain(..self.start);
        self.start = 0;
        let filled = self.bytes.len();
        self.bytes.resize(filled + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.bytes[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.bytes.truncate(filled + read.as_ref().map_or(0, |read| *read));
        self.ended = read? == 0;
        Ok(!self.ended)
    }
}

/// Reads line by line.
pub(super) struct Lines<R> {
    chunks: Chunks<R>,
    /// No line ends in the first so many bytes of the rest.
    scanned: usize,
    /// How much of a line that is too long was thrown away.
    skipped: Option<usize>,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { chunks: Chunks::new(input), scanned: 0, skipped: None, number: 0 }
    }

    fn line(&mut self, len: usize) -> Option<Entry> {
        let number = self.number + 1;
        let skipped = self.skipped.take();
        let line = &self.chunks.rest()[..len];
        // Windows programs begin a file with a mark of its encoding.
        let line = line.strip_prefix(BOM).filter(|_| number == 1).unwrap_or(line).trim_ascii();
        let raw = match skipped {
            Some(skipped) => Some(Err(Refused::TooLarge(skipped + len))),
            // An empty line at the end, or between, is nobody's record.
            None if line.is_empty() => None,
            None => Some(match std::str::from_utf8(line) {
                Ok(text) => Ok(Raw::Json(text.to_owned())),
                Err(error) => Err(Refused::NotJson(error.to_string())),
            }),
        };
        self.number = number;
        self.chunks.start += len;
        self.scanned = 0;
        raw.map(|raw| Entry { number, raw })
    }
}

/// U+FEFF in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

impl<R: Read> Source for Lines<R> {
    fn next(&mut self, wait: bool) -> io::Result<Option<Entry>> {
        loop {
            let rest = self.chunks.rest();
            if let Some(end) = rest[self.scanned..].iter().position(|byte| *byte == b'\n') {
                match self.line(self.scanned + end + 1) {
                    Some(entry) => return Ok(Some(entry)),
                    None => continue,
                }
            }
            self.scanned = rest.len();
            if rest.len() >= LINE_LIMIT || self.skipped.is_some() {
                self.skipped = Some(self.skipped.unwrap_or(0) + rest.len());
                self.chunks.start = self.chunks.bytes.len();
                self.scanned = 0;
            }
            if !wait && !self.chunks.ended() {
                return Ok(None);
            }
            if !self.chunks.fill()? {
                let last = self.chunks.rest().len();
                return Ok(if last > 0 || self.skipped.is_some() { self.line(last) } else { None });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out its bytes in pieces of this size.
    struct Drip<'b>(&'b [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    fn all(bytes: &[u8], piece: usize) -> Vec<String> {
        let mut lines = Lines::new(Drip(bytes, piece));
        let mut all = Vec::new();
        while let Some(Entry { number, raw }) = lines.next(true).unwrap() {
            all.push(match raw {
                Ok(Raw::Json(line)) => format!("{number} {line}"),
                other => format!("{number} {}", other.unwrap_err()),
            });
        }
        all
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = "\u{feff}a\r\n\n  \nb\u{e4}\n\nlast".as_bytes();
        for piece in [1, 2, 3, 5, 100] {
            assert_eq!(all(text, piece), ["1 a", "4 b\u{e4}", "6 last"], "{piece}");
        }
        assert_eq!(all(b"", 1), [] as [&str; 0]);
        assert_eq!(all(b"\xff\nx", 1)[1], "2 x");
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_a_record() {
        let mut lines = Lines::new(io::repeat(b'x').take(100 << 20).chain(&b"\nnext\n"[..]));
        let entry = lines.next(true).unwrap().unwrap();
        assert!(matches!(entry.raw, Err(Refused::TooLarge(bytes)) if bytes == (100 << 20) + 1), "{entry:?}");
        assert!(lines.chunks.bytes.capacity() <= 3 * LINE_LIMIT, "{}", lines.chunks.bytes.capacity());
        let next = lines.next(true).unwrap().unwrap();
        assert!(next.number == 2 && matches!(next.raw, Ok(Raw::Json(line)) if line == "next"));
    }
}
