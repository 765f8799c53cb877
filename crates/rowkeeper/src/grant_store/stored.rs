//! What is kept of a sign-in.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::Clock;

/// All that is known of the sign-in.
#[derive(Clone, Serialize, Deserialize)]
pub struct Stored {
    /// Whose grant this is; state made with one provider and client is never used with another.
    pub provider: ProviderId,
    /// A code that waits for its person, as the grant machine sealed it. Holds the device code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Zeroizing<String>>,
    /// Whose device this is, where the provider said so: only this account may approve it again. Forgotten by signing out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The tokens, when a person approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<StoredGrant>,
    /// Why the last grant died, for people; `None` when there never was one, or one is alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Why the last code brought nothing, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// What an operator must put right, for people: a wrong client, a deleted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misconfigured: Option<String>,
    /// Codes asked for without an approval since a person last acted.
    #[serde(default)]
    pub codes_without_approval: u32,
    /// Tokens that were given up here while the provider could not be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_revoke: Vec<Zeroizing<String>>,
}

impl Stored {
    /// The state before anybody signed in.
    pub fn new(provider: ProviderId) -> Self {
        Self {
            provider,
            owner: None,
            pending: None,
            grant: None,
            ended: None,
            failed: None,
            misconfigured: None,
            codes_without_approval: 0,
            to_revoke: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("provider", &self.provider)
            .field("pending", &self.pending.is_some())
            .field("signed_in", &self.grant.is_some())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Which provider and client a grant belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderId {
    /// The preset's name.
    pub name: String,
    /// Who answers for the endpoints, where they were discovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Where tokens come from: the only place a refresh token may go. Ignored for emulators, whose port changes.
    pub token_endpoint: String,
    /// The OAuth client.
    pub client_id: String,
    /// Whether this is an emulator.
    #[serde(default)]
    pub emulator: bool,
}

impl ProviderId {
    /// Whether a grant of `self` may be used with `other`: the same; or both the emulator, wherever it listens now; or of
    /// one issuer, which moved its endpoint on the same host.
    pub fn fits(&self, other: &Self) -> bool {
        let moved = self.issuer.is_some()
            && self.issuer == other.issuer
            && crate::url::origin(&self.token_endpoint) == crate::url::origin(&other.token_endpoint);
        self.client_id == other.client_id
            && self.emulator == other.emulator
            && (self.emulator || moved || self.token_endpoint == other.token_endpoint)
    }
}

/// The tokens and what is known of them.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredGrant {
    /// What new access tokens are had with; `None` when the provider gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Zeroizing<String>>,
    /// The newest access token.
    pub access_token: Zeroizing<String>,
    /// When it ends; `None` when the provider did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    /// From when on a new one should be had, if that is possible; before that nobody asks for one without need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_at: Option<Moment>,
    /// When the refresh token ends, where the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires: Option<Moment>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// What was asked for at the sign-in and not granted: a person can untick scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Who approved, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A refresh was begun with this token and its outcome not stored: after a crash the token may be spent.
    #[serde(default)]
    pub refreshing: bool,
}

/// A moment on both clocks: the one since boot counts within the boot it was noted in, the wall clock after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Which boot `mono_ms` is of.
    pub boot_id: String,
    /// Time since that boot.
    pub mono_ms: u64,
    /// Milliseconds since 1970.
    pub wall_ms: i64,
    /// Whether the wall clock was to be believed when this was noted.
    pub wall_trusted: bool,
}

impl Moment {
    /// The moment `after` from now.
    pub fn ahead(clock: &dyn Clock, after: Duration) -> Self {
        let wall = clock.wall();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            boot_id: clock.boot_id(),
            mono_ms: millis(clock.mono().since_boot().saturating_add(after)),
            wall_ms: wall.unix_ms.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)),
            wall_trusted: wall.trusted,
        }
    }

    /// How long until then, zero when it has passed; `None` when no clock can tell (another boot, and a wall clock that
    /// was or is not to be believed).
    pub fn left(&self, clock: &dyn Clock) -> Option<Duration> {
        if self.boot_id == clock.boot_id() {
            return Some(Duration::from_millis(self.mono_ms).saturating_sub(clock.mono().since_boot()));
        }
        let now = clock.wall();
        let left_ms = self.wall_ms.saturating_sub(now.unix_ms);
        (self.wall_trusted && now.trusted).then(|| Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_of_another_provider_does_not_fit() {
        let google = ProviderId {
            issuer: None,
            name: "google".into(),
            token_endpoint: "https://t.example/token".into(),
            client_id: "c".into(),
            emulator: false,
        };
        let other = |change: fn(&mut ProviderId)| {
            let mut id = google.clone();
            change(&mut id);
            id
        };
        assert!(google.fits(&other(|_| {})));
        assert!(!google.fits(&other(|id| id.client_id = "d".into())));
        assert!(!google.fits(&other(|id| id.token_endpoint = "https://evil.example/token".into())));
        // An issuer may move its endpoint; not to another host, and nobody else may.
        let of = |issuer: Option<&str>, endpoint: &str| ProviderId {
            issuer: issuer.map(str::to_owned),
            token_endpoint: endpoint.into(),
            ..google.clone()
        };
        let (id, other_id) = (Some("https://id.example/a"), Some("https://id.example/b"));
        let found = of(id, "https://id.example/token");
        assert!(found.fits(&of(id, "https://id.example/v2/token")));
        assert!(!found.fits(&of(id, "https://id.example.evil/token")));
        assert!(!found.fits(&of(other_id, "https://id.example/v2/token")));
        assert!(!of(None, "https://id.example/token").fits(&of(None, "https://id.example/v2/token")));
        let emulator = other(|id| id.emulator = true);
        assert!(!google.fits(&emulator));
        assert!(emulator.fits(&ProviderId { token_endpoint: "http://127.0.0.1:9/token".into(), ..emulator.clone() }));
    }
}
