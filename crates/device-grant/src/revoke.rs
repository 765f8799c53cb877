//! Giving a grant back (RFC 7009).

use core::fmt;
use core::time::Duration;

use crate::answer::{self, Reader, Said};
use crate::client::Client;
use crate::dialect::{RevokeStyle, Word};
use crate::error::{OAuthError, Trouble};
use crate::exchange::{Reply, Request};
use crate::http_date;
use crate::secret::{AccessToken, RefreshToken};
use crate::wire::{self, Auth, Params};

/// One attempt to revoke a token. Revoke the refresh token: the provider then drops its access tokens too.
pub struct Revoke<'a> {
    client: &'a Client,
    url: &'a crate::Url,
    token: &'a str,
    hint: &'static str,
}

/// What came of it. Forget the tokens on the device in every case; only `Later` is worth keeping a copy for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The token is dead, now or already before.
    Done,
    /// The token still lives; try again.
    Later {
        /// Why.
        trouble: Trouble,
        /// How long the provider wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// This provider does not revoke tokens of this kind: try the other one.
    OtherKind(OAuthError),
    /// It will not. Tell the person to withdraw access at the provider.
    Refused(Option<OAuthError>),
}

/// The token is a secret.
impl fmt::Debug for Revoke<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revoke({} at {})", self.hint, self.url)
    }
}

impl<'a> Revoke<'a> {
    /// Revokes a refresh token. `None` if the provider has no revocation endpoint.
    pub fn refresh_token(client: &'a Client, token: &'a RefreshToken) -> Option<Self> {
        Self::new(client, token.expose(), "refresh_token")
    }

    /// Revokes an access token. `None` if the provider has no revocation endpoint.
    pub fn access_token(client: &'a Client, token: &'a AccessToken) -> Option<Self> {
        Self::new(client, token.expose(), "access_token")
    }

    fn new(client: &'a Client, token: &'a str, hint: &'static str) -> Option<Self> {
        let url = client.provider().endpoints.revocation()?;
        Some(Self { client, url, token, hint })
    }

    /// What to send, once.
    pub fn request(&self) -> Request {
        let mut params = Params::new();
        params.add("token", self.token);
        let auth = match self.client.provider().dialect.revoke {
            RevokeStyle::TokenOnly => Auth::Nothing,
            RevokeStyle::Rfc => {
                params.add("token_type_hint", self.hint);
                Auth::Full
            }
        };
        wire::post(self.client, self.url, auth, params, &[])
    }

    /// What the reply means.
    pub fn outcome(&self, reply: Reply<'_>) -> Revoked {
        let answer = match reply {
            Reply::Lost(lost) => return Revoked::Later { trouble: Trouble::Lost(lost), retry_after: None },
            // RFC 7009 section 2.2: 200 also for a token that was dead already; the body does not matter.
            Reply::Answer(answer) if (200..300).contains(&answer.status) => return Revoked::Done,
            Reply::Answer(answer) => answer,
        };
        let retry_after = http_date::retry_after(answer.retry_after, answer.date);
        match (Reader { client: self.client, statuses: &[], sent: self.token }).read(&answer) {
            Said::Error { word: Some(Word::Unknown | Word::Expired), .. } => Revoked::Done,
            // Google's word for a token that was dead already.
            Said::Error { error, .. } if error.code.as_str() == "invalid_token" => Revoked::Done,
            Said::Error { error, .. } if error.code.as_str() == "unsupported_token_type" => Revoked::OtherKind(error),
            Said::Error { word: Some(Word::Transient | Word::SlowDown), error, .. } => {
                Revoked::Later { trouble: Trouble::Provider(error), retry_after }
            }
            Said::Error { error, .. } => Revoked::Refused(Some(error)),
            _ if answer::may_pass(answer.status) => {
                Revoked::Later { trouble: Trouble::Unreadable { status: answer.status }, retry_after }
            }
            _ => Revoked::Refused(None),
        }
    }
}
