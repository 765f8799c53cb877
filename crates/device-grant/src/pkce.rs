//! Proof key (RFC 7636), as Keycloak and others accept it with the device grant. Off by default.

use alloc::string::String;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A code verifier; its S256 challenge goes with the device authorization request, itself with each poll.
///
/// RFC 8628 does not define this. A provider that does not know it ignores it, so sending it proves nothing.
pub struct Pkce(Zeroizing<String>);

impl Pkce {
    /// A verifier of 43 characters from 32 bytes of a cryptographic random number generator.
    pub fn from_random(random: &Zeroizing<[u8; 32]>) -> Self {
        let mut verifier = Zeroizing::new(String::with_capacity(43));
        URL_SAFE_NO_PAD.encode_string(**random, &mut verifier);
        Self(verifier)
    }

    pub(crate) fn from_verifier(verifier: String) -> Option<Self> {
        let verifier = Zeroizing::new(verifier);
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        ((43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved)).then_some(Self(verifier))
    }

    pub(crate) fn verifier(&self) -> &str {
        &self.0
    }

    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Pkce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkce(hidden)")
    }
}
