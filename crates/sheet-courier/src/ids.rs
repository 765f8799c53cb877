//! Names that are taken once: device tags, marker ids, digests, registers.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Lower-case base 32 (RFC 4648 alphabet): safe in a cell, a file name, a shell, and when read aloud.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// RFC 4648 section 5.
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// `metadataId` is a positive int32 (Sheets v4 discovery, revision 20261019).
const IDS: u64 = (1 << 31) - 1;

/// Six characters that name a device among the devices of one spreadsheet; random, kept for ever.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// From random bytes; the top 30 bits are used.
    pub fn from_random(random: [u8; 4]) -> Self {
        Self(base32(&random, 6))
    }

    /// A tag that was stored.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 6 && text.bytes().all(|b| BASE32.contains(&b))).then(|| Self(text.into()))
    }

    /// As stored and as written into markers.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Tag {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a device tag")
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

/// A row's id for a caller who gave none: 96 random bits, 20 characters.
pub fn random_row_id(random: [u8; 12]) -> String {
    base32(&random, 20)
}

/// `metadataId` of a marker: positive, below 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkerId(u32);

impl MarkerId {
    /// `1 + (base + seq) mod (2^31 - 1)`. Deterministic on purpose: two copies of one device collide and are noticed.
    pub fn of(base: u32, seq: u64) -> Self {
        let base = u64::from(base);
        Self::from_u64(base.wrapping_add(seq % IDS))
    }

    /// The sequence number this id was made from, if it was made from `base`.
    pub(crate) fn seq(self, base: u32) -> u64 {
        let n = u64::from(self.0 - 1);
        (n + IDS - u64::from(base) % IDS) % IDS
    }

    /// The id of the register that a header change from version `version - 1` of a tab creates. All devices that share
    /// the spreadsheet derive the same one: that is what makes one of two simultaneous changes fail.
    pub fn of_layout(spreadsheet: &str, sheet_id: i32, version: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"rowkeeper layout\0");
        hash.update(spreadsheet.as_bytes());
        hash.update([0]);
        hash.update(sheet_id.to_be_bytes());
        hash.update(version.to_be_bytes());
        Self::from_u64(first_u64(&hash.finalize()))
    }

    /// The id of the register that retires an identity: what `seq` 0 would have been, which no batch takes.
    pub fn of_retired(base: u32) -> Self {
        Self::of(base, 0)
    }

    /// The id of the register that names the spreadsheet after this one; the same on all devices that share it.
    pub fn of_next(spreadsheet: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"rowkeeper next\0");
        hash.update(spreadsheet.as_bytes());
        Self::from_u64(first_u64(&hash.finalize()))
    }

    /// An id from the wire or the disk.
    pub fn parse(id: i64) -> Option<Self> {
        u32::try_from(id).ok().filter(|id| (1..=IDS as u32).contains(id)).map(Self)
    }

    /// As on the wire.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    fn from_u64(n: u64) -> Self {
        // Below 2^31, so the cast is exact.
        Self(1 + (n % IDS) as u32)
    }
}

/// The tab of a table has the same `sheetId` on every device, whatever a person renames it to.
pub fn sheet_id_of_table(table: &str) -> i32 {
    let mut hash = Sha256::new();
    hash.update(b"rowkeeper table\0");
    hash.update(table.as_bytes());
    // Below 2^31, so the cast is exact; never 0, which is the id of a default tab.
    1 + (first_u64(&hash.finalize()) % (IDS - 1)) as i32
}

/// 64 bits over everything a batch is, apart from its marker's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

impl Digest {
    /// Of a batch for `spreadsheet` whose body, with an empty marker value, is `parts` in order. The row ids are in it.
    pub fn of(spreadsheet: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update(spreadsheet.as_bytes());
        hash.update([0]);
        for part in parts {
            hash.update(part);
        }
        Self(first_u64(&hash.finalize()))
    }

    /// A digest that was stored.
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// To be stored.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What a marker says about its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The batch was applied.
    Applied,
    /// The batch can never be applied any more.
    Void,
}

impl Fate {
    /// The value of the marker: a letter and eleven characters.
    pub fn value(self, digest: Digest) -> String {
        let mut text = String::with_capacity(12);
        text.push(match self {
            Self::Applied => 'A',
            Self::Void => 'V',
        });
        // 64 bits in groups of six from the top, the last group padded with zeros.
        for group in 0..11_u32 {
            let bits = if group < 10 { digest.0 >> (58 - 6 * group) } else { digest.0 << 2 };
            text.push(char::from(BASE64URL[(bits & 63) as usize]));
        }
        text
    }
}

/// The key of all markers of a device.
pub fn marker_key(tag: &Tag) -> String {
    let mut key = String::from("rk");
    key.push_str(tag.as_str());
    key
}

/// Characters a marker takes of Google's 30,000: key and value count.
pub const MARKER_CHARS: usize = 8 + 12;

/// The first 16 bytes of the hash of a caller's own row id: what `seen id` keeps.
pub fn caller_id_hash(id: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"rowkeeper id\0");
    hash.update(id.as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    first
}

fn first_u64(hash: &[u8]) -> u64 {
    hash.iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn base32(bytes: &[u8], chars: usize) -> String {
    let bit = |i: usize| bytes.get(i / 8).map_or(0, |b| (b >> (7 - i % 8)) & 1);
    (0..chars).map(|c| (0..5).fold(0, |n, i| n << 1 | bit(5 * c + i))).map(|n| char::from(BASE32[n as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_ids_are_positive_int32_and_wrap() {
        let top = (1 << 31) - 2;
        assert_eq!(MarkerId::of(0, 0).as_u32(), 1);
        assert_eq!(MarkerId::of(top, 0).as_u32(), i32::MAX as u32);
        assert_eq!(MarkerId::of(top, 1).as_u32(), 1);
        assert!(MarkerId::of(u32::MAX, u64::MAX).as_u32().leading_zeros() > 0);
        for (base, seq) in [(0, 0), (5, 1), (top, 1), (u32::MAX, 12_345)] {
            assert_eq!(MarkerId::of(base, seq).seq(base), seq, "{base} {seq}");
        }
        assert_eq!(MarkerId::parse(0), None);
        assert_eq!(MarkerId::parse(1 << 31), None);
    }

    #[test]
    fn a_marker_takes_twenty_characters() {
        let tag = Tag::from_random([0xff; 4]);
        for bits in [0, 1, u64::MAX] {
            let value = Fate::Applied.value(Digest::from_u64(bits));
            assert_eq!(marker_key(&tag).len() + value.len(), MARKER_CHARS);
        }
        assert_ne!(Fate::Void.value(Digest::from_u64(0)), Fate::Void.value(Digest::from_u64(1)));
    }

    #[test]
    fn tags_survive_storing() {
        let tag = Tag::from_random([1, 2, 3, 4]);
        assert_eq!(Tag::parse(tag.as_str()), Some(tag));
        for bad in ["", "abcdefg", "ABCDEF", "abcde1", "äbcde"] {
            assert_eq!(Tag::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn row_ids_carry_all_their_bits() {
        let mut seen = alloc::collections::BTreeSet::new();
        for bit in 0..96 {
            let mut random = [0; 12];
            random[bit / 8] = 1 << (bit % 8);
            assert!(seen.insert(random_row_id(random)));
        }
    }
}
