//! What a provider gives once the person has approved, and what a refresh renews.

use core::time::Duration;

use serde_json::Value;

use crate::account::Account;
use crate::body::{Members, Round};
use crate::dialect::Dialect;
use crate::error::BadAnswer;
use crate::scope::{Scopes, is_scope_byte};
use crate::secret::{AccessToken, IdToken, RefreshToken};
use crate::text::Text;
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
    /// Life of the access token while the provider is down (Entra).
    pub ext_expires_in: Option<Duration>,
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

/// What an answer without `token_type` means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AbsentType {
    /// A bearer token.
    Bearer,
    /// An error: RFC 6749 section 5.1 requires it.
    Fault,
}

impl AbsentType {
    pub(crate) fn at_sign_in(dialect: &Dialect) -> Self {
        if dialect.bearer_by_default { Self::Bearer } else { Self::Fault }
    }
}

/// Reads the tokens out of an answer; `None` if there is no access token in it at all.
pub(crate) fn read(
    members: &mut Members,
    dialect: &Dialect,
    absent: AbsentType,
    asked: &Scopes,
    asked_at: Mono,
) -> Option<Result<Tokens, BadAnswer>> {
    members.text(ACCESS_TOKEN)?;
    Some(read_present(members, dialect, absent, asked, asked_at))
}

fn read_present(
    members: &mut Members,
    dialect: &Dialect,
    absent: AbsentType,
    asked: &Scopes,
    asked_at: Mono,
) -> Result<Tokens, BadAnswer> {
    match members.member(&["token_type", "tokenType"]) {
        None if absent == AbsentType::Bearer => {}
        None => return Err(BadAnswer::Missing("token_type")),
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
        // A type is a short word. What is longer is somebody's text, and not worth repeating.
        Some(Value::String(kind)) => {
            return Err(BadAnswer::TokenType(Text::clean(if kind.len() <= 32 { kind } else { "unknown" })));
        }
        Some(_) => return Err(BadAnswer::Unusable("token_type")),
    }
    let access = members.take(ACCESS_TOKEN).ok_or(BadAnswer::Missing("access_token"))?;
    let access = AccessToken::parse(access).map_err(|_| BadAnswer::Unusable("access_token"))?;
    let refresh = refresh_token(members)?;
    // An id token is for display. One that cannot be read is no reason to lose an approval.
    let id_token = members.take(&["id_token", "idToken"]).and_then(|raw| IdToken::parse(raw).ok());
    let scopes = members.member(&["scope"]).and_then(granted).unwrap_or_else(|| asked.clone());
    let life = |names: &[&str]| members.seconds(names, Round::Down).filter(|life| !life.is_zero());
    Ok(Tokens {
        access,
        asked_at,
        expires_in: life(&["expires_in", "expiresIn"]),
        ext_expires_in: life(&["ext_expires_in"]),
        refresh_expires_in: life(&["refresh_token_expires_in", "refresh_expires_in", "refreshTokenExpiresIn"]),
        refresh_in: life(&["refresh_in"]),
        missing_scopes: missing(dialect, asked, &scopes, refresh.as_ref()),
        scopes,
        account: id_token.as_ref().and_then(Account::of),
        refresh,
        id_token,
    })
}

const ACCESS_TOKEN: &[&str] = &["access_token", "accessToken"];

/// The refresh token of an answer, if there is one.
pub(crate) fn refresh_token(members: &mut Members) -> Result<Option<RefreshToken>, BadAnswer> {
    let raw = members.take(&["refresh_token", "refreshToken"]);
    raw.map(|raw| RefreshToken::parse(raw).map_err(|_| BadAnswer::Unusable("refresh_token"))).transpose()
}

/// A list with blanks (RFC 6749), with commas (GitHub, Facebook), or an array (Twitch). Anything else is as good as none.
fn granted(scope: &Value) -> Option<Scopes> {
    let mut set = Scopes::none();
    let mut add = |text: &str| {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace());
        parts.filter(|part| !part.is_empty() && part.bytes().all(is_scope_byte)).for_each(|part| set.add(part));
    };
    match scope {
        Value::String(text) if !text.trim().is_empty() => add(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).for_each(&mut add),
        _ => return None,
    }
    Some(set)
}

/// What was asked for and is not there, under its own name or the provider's other one for it.
fn missing(dialect: &Dialect, asked: &Scopes, granted: &Scopes, refresh: Option<&RefreshToken>) -> Scopes {
    let alias = |scope: &str| dialect.scope_aliases.iter().find(|(ours, _)| *ours == scope).map(|(_, theirs)| *theirs);
    let mut missing = Scopes::none();
    for scope in asked.iter() {
        // `offline_access` asks for a refresh token and is seldom repeated: the token itself is the answer.
        let given = granted.contains(scope)
            || alias(scope).is_some_and(|alias| granted.contains(alias))
            || (scope == "offline_access" && refresh.is_some());
        if !given {
            missing.add(scope);
        }
    }
    missing
}
