//! CSV, of which no record can take more memory than one may: parsed by `csv-core` into a place of bounded size.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader};

use super::lines::{Chunks, LINE_LIMIT};
use super::{Entry, Raw, Source};
use crate::record::{Refused, is_reserved};

/// A record's line and fields.
type Numbered = (u64, Result<Vec<String>, Refused>);

/// Reads record by record, under the header that comes first.
pub(super) struct Rows<R> {
    chunks: Chunks<R>,
    parser: Reader,
    header: Option<Vec<String>>,
    /// The fields of the record at hand, one behind the other, and where each ends.
    fields: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
    ended: usize,
    seen: Seen,
    /// Line ends before the record at hand.
    lines: u64,
    last_byte: u8,
}

/// What was read of the record at hand, before quotes were taken off.
#[derive(Default)]
struct Seen {
    bytes: usize,
    quotes: u64,
    /// Line ends before its first character: of empty lines.
    leading: u64,
    begun: bool,
    line_ends: u64,
    too_large: bool,
}

impl Seen {
    /// `last`: the byte before. `\r`, `\n` and `\r\n` each end one line.
    fn see(&mut self, bytes: &[u8], last: &mut u8) {
        self.bytes += bytes.len();
        for byte in bytes {
            let ends_line = *byte == b'\r' || (*byte == b'\n' && *last != b'\r');
            self.begun |= !matches!(byte, b'\r' | b'\n');
            self.quotes += u64::from(*byte == b'"');
            self.line_ends += u64::from(ends_line);
            self.leading += u64::from(ends_line && !self.begun);
            *last = *byte;
        }
    }
}

impl<R: Read> Rows<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            chunks: Chunks::new(input),
            parser: Reader::new(),
            header: None,
            fields: vec![0; 4096],
            filled: 0,
            ends: vec![0; 64],
            ended: 0,
            seen: Seen::default(),
            lines: 0,
            last_byte: 0,
        }
    }

    /// The next record's number and fields. `None`: there is none, or none yet.
    fn record(&mut self, wait: bool) -> io::Result<Option<Numbered>> {
        loop {
            if self.chunks.rest().is_empty() && !self.chunks.ended() {
                if !wait {
                    return Ok(None);
                }
                self.chunks.fill()?;
            }
            let (result, read, wrote, ends) = self.parser.read_record(
                self.chunks.rest(),
                &mut self.fields[self.filled..],
                &mut self.ends[self.ended..],
            );
            self.seen.see(&self.chunks.rest()[..read], &mut self.last_byte);
            self.chunks.start += read;
            self.filled += wrote;
            self.ended += ends;
            // From here on only the end of it is looked for.
            self.seen.too_large |= self.seen.bytes > LINE_LIMIT;
            match result {
                ReadRecordResult::InputEmpty => {}
                _ if self.seen.too_large && result != ReadRecordResult::Record && result != ReadRecordResult::End => {
                    (self.filled, self.ended) = (0, 0);
                }
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return Ok(Some(self.finished())),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn finished(&mut self) -> Numbered {
        let seen = std::mem::take(&mut self.seen);
        let (filled, ended) = (std::mem::take(&mut self.filled), std::mem::take(&mut self.ended));
        let number = self.lines + seen.leading + 1;
        self.lines += seen.line_ends;
        let fields = &self.fields[..filled];
        let count = |wanted| fields.iter().filter(|byte| **byte == wanted).count();
        // A quote that is never closed takes all lines that follow into its field. They must not pass for one.
        let unclosed = seen.quotes % 2 == 1 && (count(b'\n') > 0 || count(b'"') == 0);
        let read = if seen.too_large {
            Err(Refused::TooLarge(seen.bytes))
        } else if unclosed {
            Err(Refused::NotCsv("a quote is opened and not closed".into()))
        } else {
            let starts = std::iter::once(0).chain(self.ends[..ended].iter().copied());
            let texts = starts.zip(&self.ends[..ended]).map(|(start, end)| std::str::from_utf8(&fields[start..*end]));
            let texts: Result<Vec<String>, _> = texts.map(|text| text.map(str::to_owned)).collect();
            texts.map_err(|error| Refused::NotCsv(error.to_string()))
        };
        (number, read)
    }
}

impl<R: Read> Source for Rows<R> {
    fn next(&mut self, wait: bool) -> io::Result<Option<Entry>> {
        if self.header.is_none() {
            let Some((_, header)) = self.record(wait)? else { return Ok(None) };
            let unusable = |why: Refused| io::Error::new(io::ErrorKind::InvalidData, format!("the header: {why}"));
            self.header = Some(header.map_err(unusable)?);
        }
        let Some((number, fields)) = self.record(wait)? else { return Ok(None) };
        let header = self.header.as_deref().unwrap_or_default();
        let raw = fields.and_then(|fields| match fields.len() > header.len() {
            true => Err(Refused::TooManyFields(header.len())),
            // Fields that are missing at the end are null. A row cannot leave out a column in the middle: an empty id,
            // table or time is one that this row does not have. Nor is there anything in an empty column without a name,
            // which spreadsheets write behind the last one.
            false => {
                let is_there =
                    |(key, text): &(String, String)| !(text.is_empty() && (key.is_empty() || is_reserved(key)));
                Ok(Raw::Texts(header.iter().cloned().zip(fields).filter(is_there).collect()))
            }
        });
        Ok(Some(Entry { number, raw }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: impl Read) -> Vec<String> {
        let mut rows = Rows::new(input);
        let mut all = Vec::new();
        while let Some(Entry { number, raw }) = rows.next(true).unwrap() {
            all.push(match raw {
                Ok(Raw::Texts(pairs)) => format!("{number} {pairs:?}"),
                other => format!("{number} {}", other.unwrap_err()),
            });
        }
        all
    }

    #[test]
    fn records_know_the_line_they_begin_in() {
        let text = "a,b\r\n1,2\r\n\r\n\"x\ny\",3\n\n4\n5,6,7\n8,\"9\"";
        assert_eq!(
            all(text.as_bytes()),
            [
                r#"2 [("a", "1"), ("b", "2")]"#,
                r#"4 [("a", "x\ny"), ("b", "3")]"#,
                r#"7 [("a", "4")]"#,
                "8 more fields than the 2 of the header line",
                r#"9 [("a", "8"), ("b", "9")]"#,
            ]
        );
    }

    /// As in a table of which only some rows have an id, or a time of their own.
    #[test]
    fn an_empty_id_table_or_time_is_none() {
        let text = "a,_id,_at,_table\n1,,,\n,x,,doors\n";
        assert_eq!(all(text.as_bytes()), [r#"2 [("a", "1")]"#, r#"3 [("a", ""), ("_id", "x"), ("_table", "doors")]"#]);
    }

    #[test]
    fn an_empty_column_without_a_name_is_none() {
        let text = "a,,b,\n1,,2,\n3,x,4,\n";
        assert_eq!(all(text.as_bytes()), [r#"2 [("a", "1"), ("b", "2")]"#, r#"3 [("a", "3"), ("", "x"), ("b", "4")]"#]);
    }

    #[test]
    fn old_line_ends_are_line_ends() {
        assert_eq!(all(&b"a\r1\r\r2\r"[..]), [r#"2 [("a", "1")]"#, r#"4 [("a", "2")]"#]);
    }

    /// Gigabytes between two quotes, or without an end of line, are read and not kept.
    #[test]
    fn a_record_without_end_takes_no_more_memory_than_one_may() {
        let huge = |quote: &'static [u8]| {
            let fill = io::repeat(b'x').take(200 << 20);
            let mut rows = Rows::new((&b"a,b\n1,2\n"[..]).chain(quote).chain(fill).chain(quote).chain(&b"\n3,4\n"[..]));
            assert_eq!(rows.next(true).unwrap().unwrap().number, 2);
            let entry = rows.next(true).unwrap().unwrap();
            assert!(entry.number == 3 && matches!(entry.raw, Err(Refused::TooLarge(_))), "{entry:?}");
            assert!(rows.fields.len() <= 2 * LINE_LIMIT, "{}", rows.fields.len());
            let last = rows.next(true).unwrap().unwrap();
            assert!(last.number == 4 && last.raw.is_ok(), "{last:?}");
        };
        huge(b"");
        huge(b"\"");
    }

    #[test]
    fn a_header_that_is_no_text_ends_it() {
        assert!(Rows::new(&b"\xff,b\n1,2\n"[..]).next(true).is_err());
        assert!(all(&b""[..]).is_empty() && all(&b"a,b\n"[..]).is_empty());
    }
}
