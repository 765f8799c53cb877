//! Giving the sign-in back.

use std::fmt;

use device_grant::{AccessToken, Client, RefreshToken, Revoke, Revoked};
use zeroize::Zeroizing;

use super::{AccessError, Session};
use crate::grant_store::StoreError;

/// The device has forgotten the sign-in; queued records stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedOut {
    /// There was none.
    WasNot,
    /// The provider has withdrawn it too.
    Revoked,
    /// The provider has no way to withdraw it, or will not; the text says what to do.
    OnlyHere(String),
}

/// The provider could not be told.
#[derive(Debug)]
pub enum SignOutError {
    /// The state cannot be used.
    Access(AccessError),
    /// The device has forgotten the sign-in, and the provider could not be told yet. Sign out again to tell it, or
    /// withdraw access at the provider.
    NotTold(String),
}

impl fmt::Display for SignOutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(error) => error.fmt(f),
            Self::NotTold(why) => write!(
                f,
                "forgotten here, but the provider could not be told: {why}; run `rowkeeper sign-out` again, or remove the \
                 app's access at the provider"
            ),
        }
    }
}

impl std::error::Error for SignOutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Access(error) => error.source(),
            Self::NotTold(_) => None,
        }
    }
}

impl<E: Into<AccessError>> From<E> for SignOutError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}

impl Session {
    /// Forgets the sign-in on this device, at once and through a power cut, then asks the provider to withdraw it. Where
    /// the provider cannot be told now, the token to be withdrawn is kept for the next call or the next sign-in, whichever
    /// is first, and for nothing else.
    ///
    /// # Errors
    /// See [`SignOutError`].
    pub fn sign_out(&self) -> Result<SignedOut, SignOutError> {
        let inner = &self.0;
        let client = &*inner.client()?;
        let locked = inner.store.lock()?;
        let damaged = matches!(locked.load(), Err(StoreError::Damaged(_)));
        let mut stored = inner.stored(&locked, client)?;
        if let Some(grant) = stored.grant.take() {
            // Revoking the refresh token ends its access tokens too (RFC 7009 section 2.1).
            stored.to_revoke.push(grant.refresh_token.unwrap_or(grant.access_token));
        } else if stored.to_revoke.is_empty() {
            locked.clear()?;
            return Ok(match damaged {
                true => SignedOut::OnlyHere("the file was damaged; remove the app's access at the provider".into()),
                false => SignedOut::WasNot,
            });
        }
        (stored.pending, stored.ended, stored.failed, stored.misconfigured) = (None, None, None, None);
        locked.save_alone(&stored)?;
        let told = self.give_back(client, &mut stored.to_revoke);
        match told {
            Told::All => locked.clear().map(|()| SignedOut::Revoked).map_err(Into::into),
            Told::Refused(why) => locked.clear().map(|()| SignedOut::OnlyHere(why)).map_err(Into::into),
            Told::NotYet(why) => {
                locked.save_alone(&stored)?;
                Err(SignOutError::NotTold(why))
            }
        }
    }

    /// Tells the provider of tokens that were given up here. Those that it could not be told of stay for the next time.
    pub(super) fn give_back(&self, client: &Client, tokens: &mut Vec<Zeroizing<String>>) -> Told {
        let mut told = Told::All;
        while let Some(token) = tokens.first() {
            match self.revoke(client, token) {
                Revoked::Done => {}
                Revoked::Later { trouble, .. } => return Told::NotYet(trouble.to_string()),
                Revoked::Refused(error) => told = Told::Refused(refusal(error.as_ref())),
                Revoked::OtherKind(error) => told = Told::Refused(refusal(Some(&error))),
            }
            tokens.remove(0);
        }
        told
    }

    fn revoke(&self, client: &Client, token: &Zeroizing<String>) -> Revoked {
        let (refresh, access) = (RefreshToken::parse(token.to_string()), AccessToken::parse(token.to_string()));
        let revoke = refresh.as_ref().ok().and_then(|token| Revoke::refresh_token(client, token));
        let revoke = revoke.or_else(|| access.as_ref().ok().and_then(|token| Revoke::access_token(client, token)));
        match revoke {
            Some(revoke) => self.0.exchange(revoke.request(), |reply, _| revoke.outcome(reply)),
            None => Revoked::Refused(None),
        }
    }
}

/// What came of [`Session::give_back`].
pub(super) enum Told {
    /// The provider knows.
    All,
    /// It knows, and does not withdraw every one; the text says what to do.
    Refused(String),
    /// It could not be reached.
    NotYet(String),
}

fn refusal(error: Option<&device_grant::OAuthError>) -> String {
    match error {
        Some(error) => format!("the provider would not withdraw it ({error}); remove the app's access there"),
        None => "this provider cannot be told, or would not withdraw it; remove the app's access there".into(),
    }
}
