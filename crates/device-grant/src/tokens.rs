//! What a provider gives once the person has approved, and what a refresh renews.

use alloc::string::String;
use core::time::Duration;

use crate::account::Account;
use crate::scope::Scopes;
use crate::secret::{AccessToken, IdToken, RefreshToken};
use crate::time::Mono;

/// A fresh access token and what came with it. All durations count from `asked_at`.
///
/// Store a new refresh token durably *before* using the access token: the old one may be dead already.
#[derive(Debug)]
pub struct Tokens {
    /// For the `Authorization` header: always a bearer token.
    pub access: AccessToken,
    /// `None` after a sign-in: the grant ends with the access token. `None` after a refresh: keep the old one.
    pub refresh: Option<RefreshToken>,
    /// When the request left: the latest moment from which lives may be counted without being late.
    pub asked_at: Mono,
    /// Life of the access token; `None` if not known (then use it until a 401).
    pub expires_in: Option<Duration>,
    /// Life of the refresh token, if it has an end (Google: 7 days for apps in testing).
    pub refresh_expires_in: Option<Duration>,
    /// The provider's own wish when to refresh (Entra), from `asked_at`.
    pub refresh_in: Option<Duration>,
    /// What was granted: the answer's `scope`, or what was asked for if it has none.
    pub scopes: Scopes,
    /// What was asked for and not granted. People can untick scopes.
    pub missing_scopes: Scopes,
    /// Who approved, as the id token says, if there is one.
    pub account: Option<Account>,
    /// The id token itself.
    pub id_token: Option<IdToken>,
}

impl Tokens {
    /// When to refresh, from `asked_at`: before the end by 10 % of the life, at least 60 s and at most 5 min (half the
    /// life for very short ones), and by up to 10 % of that margin more, chosen by `random`, so that a fleet does not
    /// refresh in step. `None`: no known end, wait for a 401.
    pub fn refresh_after(&self, random: u32) -> Option<Duration> {
        let life = self.expires_in?;
        Some(refresh_after(life, self.refresh_in, random))
    }
}

/// See [`Tokens::refresh_after`].
pub fn refresh_after(life: Duration, refresh_in: Option<Duration>, random: u32) -> Duration {
    let margin = (life / 10).clamp(Duration::from_secs(60), Duration::from_secs(300)).min(life / 2);
    let jitter = (margin / 10).mul_f64(f64::from(random) / f64::from(u32::MAX));
    let ours = life.saturating_sub(margin).saturating_sub(jitter);
    refresh_in.map_or(ours, |wish| wish.min(ours))
}

/// A string of an answer, moved out rather than copied.
pub(crate) type Raw = String;
