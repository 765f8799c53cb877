//! The grant, encrypted at rest, for devices that have a better place for a key than the card.
//!
//! It protects a card, or a backup of one, that comes into other hands without the key: a systemd credential that is
//! bound to the board's TPM, or a key file on another medium. It does not protect against whoever is root on the running
//! device, nor against whoever takes key and card together. A key that lies beside the grant protects nothing.
//!
//! ChaCha20-Poly1305 with a random nonce for each write (ring, which TLS brings along anyway).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bound into every seal, so that nothing else that is sealed with the same key can be put in the grant's place.
const PURPOSE: &[u8] = b"rowkeeper grant 1";

/// Fewer bytes cannot hold 128 bits of randomness, however they are written.
const KEY_MIN_BYTES: usize = 32;

/// What a key file holds, made into a key.
pub struct StoreKey(LessSafeKey);

/// A key file that is too short to be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortKey;

impl fmt::Display for ShortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key has at least {KEY_MIN_BYTES} random bytes; make one with `head -c 32 /dev/urandom > FILE`")
    }
}

impl std::error::Error for ShortKey {}

impl StoreKey {
    /// The key made of a file's content: random bytes, or any writing of them. It is not a password: there is no
    /// stretching.
    ///
    /// # Errors
    /// Fewer than 32 bytes.
    pub fn from_file_content(content: &[u8]) -> Result<Self, ShortKey> {
        if content.len() < KEY_MIN_BYTES {
            return Err(ShortKey);
        }
        let mut hash = Sha256::new();
        hash.update(PURPOSE);
        hash.update(content);
        let key = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
        UnboundKey::new(&CHACHA20_POLY1305, &*key).map(|key| Self(LessSafeKey::new(key))).map_err(|_| ShortKey)
    }

    /// `plain`, sealed, as text. `None` when the system has no randomness to give.
    pub(crate) fn seal(&self, plain: &[u8]) -> Option<String> {
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut sealed).ok()?;
        Some(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// What [`StoreKey::seal`] sealed with this key; `None` for another key, or a single changed bit.
    pub(crate) fn open(&self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        let (nonce, sealed) = bytes.split_first_chunk_mut::<12>()?;
        let plain = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(PURPOSE), sealed).ok()?;
        Some(Zeroizing::new(plain.to_vec()))
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_and_no_bit_may_change() {
        let key = StoreKey::from_file_content(&[7; 32]).unwrap();
        let sealed = key.seal(b"secret").unwrap();
        assert_eq!(**key.open(&sealed).unwrap(), *b"secret");
        assert_ne!(sealed, key.seal(b"secret").unwrap(), "each write has a nonce of its own");
        assert!(StoreKey::from_file_content(&[8; 32]).unwrap().open(&sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(key.open(&changed).is_none_or(|plain| **plain == *b"secret" && changed == sealed), "at {at}");
        }
        assert!(key.open("").is_none());
        assert!(matches!(StoreKey::from_file_content(b"short"), Err(ShortKey)));
    }
}
