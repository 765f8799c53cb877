//! What the person has to see.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::text;
use crate::time::Mono;
use crate::url::Url;

/// What to show until [`Prompt::deadline`], and not a second longer: a dead code must not stay on the glass.
///
/// Show the address and the code, and say that only somebody who stands at this device should approve. A QR code of
/// `verification_uri_complete` may be added, but replaces neither (RFC 8628 section 3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What the person types.
    pub user_code: UserCode,
    /// Where.
    pub verification_uri: Url,
    /// The address with the code in it, if the provider offers one. Never guessed.
    pub verification_uri_complete: Option<Url>,
    /// When the code dies.
    pub deadline: Mono,
    /// Its life, counted from the moment of asking.
    pub expires_in: Duration,
}

/// A code to type, exactly as it was received: its case and its dashes matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode(String);

/// The code is empty, too long, or holds characters that cannot be shown as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUserCode;

impl UserCode {
    /// Longer ones are refused: nobody types that.
    pub const MAX_CHARS: usize = 64;

    /// Takes `raw` if it can be shown unaltered.
    ///
    /// # Errors
    /// It cannot: a code that is shown altered would be typed altered.
    pub fn parse(raw: &str) -> Result<Self, BadUserCode> {
        let fits = !raw.trim().is_empty() && raw.chars().count() <= Self::MAX_CHARS;
        if fits && !raw.chars().any(text::is_unsafe) { Ok(Self(raw.to_owned())) } else { Err(BadUserCode) }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadUserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user code is empty, too long, or holds characters that cannot be shown")
    }
}

impl core::error::Error for BadUserCode {}
