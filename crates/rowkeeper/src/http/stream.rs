//! Bodies that are too large to hold: sent from a file, read while they arrive.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Lost, Response};

/// A body that is still on the wire. An end that comes too soon is an error when it is read, never an end.
pub type Download = Box<dyn Read + Send>;

/// What does not end within this much goes to a file while it waits to be sent.
const HELD_BYTES: u64 = 1 << 20;

/// A body to send, as often as it takes. Clones are the same body.
#[derive(Clone)]
pub struct Upload(Content);

#[derive(Clone)]
enum Content {
    /// Wiped when dropped.
    Held(Arc<Zeroizing<Vec<u8>>>),
    /// Read as it is sent, at offsets of its own: the file's own position is not used.
    File { file: Arc<File>, start: u64, len: u64 },
}

impl From<Vec<u8>> for Upload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Content::Held(Arc::new(bytes.into())))
    }
}

impl Upload {
    /// The rest of `file`: as it lies on the disk if it is a plain file, else read to its end first, since a pipe cannot
    /// be sent twice.
    ///
    /// # Errors
    /// It cannot be read, or there is no room for what comes out of the pipe.
    pub fn of(mut file: File) -> io::Result<Self> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Self::read(&mut file, u64::MAX);
        }
        let start = file.stream_position()?;
        let len = meta.len().saturating_sub(start);
        Ok(Self(Content::File { file: Arc::new(file), start, len }))
    }

    /// All that `reader` gives; what is more than a little goes to a file without a name in the temporary directory.
    ///
    /// # Errors
    /// It cannot be read, it is longer than `limit` (`FileTooLarge`), or there is no room for it.
    pub fn read(reader: &mut dyn Read, limit: u64) -> io::Result<Self> {
        let mut held = Zeroizing::new(Vec::new());
        if reader.take(HELD_BYTES.min(limit).saturating_add(1)).read_to_end(&mut held)? as u64 <= HELD_BYTES.min(limit)
        {
            return Ok(Self(Content::Held(Arc::new(held))));
        }
        let mut file = tempfile::tempfile()?;
        let mut reader = held.as_slice().chain(reader).take(limit.saturating_add(1));
        let len = io::copy(&mut reader, &mut file)?;
        if len > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes")));
        }
        file.flush()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self(Content::File { file: Arc::new(file), start: 0, len }))
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Content::Held(bytes) => bytes.len() as u64,
            Content::File { len, .. } => *len,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From its start.
    pub fn reader(&self) -> impl Read + Send + 'static {
        match &self.0 {
            Content::Held(bytes) => Box::new(Cursor::new(Held(Arc::clone(bytes)))) as Download,
            Content::File { file, start, len } => {
                Box::new(At { file: Arc::clone(file), next: *start, end: start.saturating_add(*len) })
            }
        }
    }
}

struct Held(Arc<Zeroizing<Vec<u8>>>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A part of a file, read without moving the position that others share.
struct At {
    file: Arc<File>,
    next: u64,
    end: u64,
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX).min(into.len());
        let got = self.file.read_at(&mut into[..left], self.next)?;
        self.next += got as u64;
        Ok(got)
    }
}

/// An answer that has begun: its head and the first bytes of its body, and the rest where it has one.
pub(crate) struct Begun {
    pub(crate) head: Response,
    rest: Option<Download>,
}

impl Begun {
    /// Reads the first `limit` bytes: an answer that is no longer is whole then, or lost, and one that breaks off sooner
    /// can still be asked for again.
    pub(crate) fn of(answer: Response<Download>, limit: u64) -> Result<Self, Lost> {
        let (status, headers, mut rest) = (answer.status, answer.headers, answer.body);
        let mut body = Vec::new();
        let got = rest.by_ref().take(limit).read_to_end(&mut body).map_err(|cause| Lost::Unknown(cause.to_string()))?;
        let rest = (got as u64 == limit).then_some(rest);
        Ok(Self { head: Response { status, headers, body }, rest })
    }

    /// The whole answer, to be read from its first byte.
    pub(crate) fn resume(self) -> Response<Download> {
        let Response { status, headers, body } = self.head;
        let start = Cursor::new(body);
        let body: Download = match self.rest {
            Some(rest) => Box::new(start.chain(rest)),
            None => Box::new(start),
        };
        Response { status, headers, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(upload: &Upload) -> Vec<u8> {
        let mut all = Vec::new();
        upload.reader().read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn a_body_is_sent_as_often_as_it_takes_wherever_it_is_kept() {
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&large).unwrap();
        file.seek(SeekFrom::Start(7)).unwrap();
        let table = [
            (Upload::from(b"little".to_vec()), &b"little"[..]),
            (Upload::read(&mut &b""[..], 10).unwrap(), b""),
            (Upload::read(&mut &large[..], 3_000_000).unwrap(), &large),
            (Upload::of(file).unwrap(), &large[7..]),
        ];
        for (upload, wanted) in table {
            let mut half = vec![0; wanted.len() / 2];
            upload.reader().read_exact(&mut half).unwrap();
            for _ in 0..2 {
                assert!(all(&upload) == wanted && upload.len() == wanted.len() as u64);
            }
        }
    }

    #[test]
    fn what_is_longer_than_allowed_is_refused() {
        for (limit, len) in [(10, 11), (10, 2_000_000), (2_000_000, 2_000_001)] {
            let refused = Upload::read(&mut &vec![0; len][..], limit).map(|_| ()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge, "{limit} {len}");
            assert_eq!(Upload::read(&mut &vec![0; len - 1][..], len as u64 - 1).unwrap().len(), len as u64 - 1);
        }
    }

    /// The first bytes decide, and the reader sees them all.
    #[test]
    fn an_answer_that_began_is_read_from_its_first_byte() {
        for (text, whole) in [("", true), ("abc", true), ("abcd", false), ("abcdefgh", false)] {
            let body = Box::new(Cursor::new(text.as_bytes().to_vec()));
            let begun = Begun::of(Response { status: 200, headers: Vec::new(), body }, 4).unwrap();
            assert_eq!(begun.rest.is_none(), whole, "{text}");
            assert_eq!(begun.head.body, &text.as_bytes()[..text.len().min(4)]);
            let mut read = String::new();
            begun.resume().body.read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }
}
