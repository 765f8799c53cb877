//! A valid access token, refreshed by one process at a time.

use std::fmt;
use std::time::Duration;

use device_grant::{AccessToken, Client, DeadReason, History, Refresh, RefreshToken, Refreshed, Scopes, Tokens};
use zeroize::Zeroizing;

use super::{AccessError, Inner, Session, access_token, jitter, machine_time};
use crate::clock::Mono;
use crate::grant_store::{Loaded, Locked, Moment, Stored, StoredGrant};

/// An access token that should work now.
#[derive(Debug)]
pub struct Bearer {
    /// The token.
    pub token: AccessToken,
    /// How long it lives, as far as that is known.
    pub left: Option<Duration>,
}

/// There is no access token to be had now.
#[derive(Debug)]
pub enum TokenError {
    /// The state cannot be used; an operator must look.
    Access(AccessError),
    /// Nobody signed in, or the grant is dead. The text says why, if that is known.
    SignIn(Option<String>),
    /// Client or configuration are wrong; the grant is kept.
    Misconfigured(String),
    /// The provider cannot be reached or has a bad moment. Nothing is lost; try again.
    Later {
        /// Why.
        why: String,
        /// Not before this.
        until: Mono,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(error) => error.fmt(f),
            Self::SignIn(None) => write!(f, "not signed in; run `rowkeeper sign-in`"),
            Self::SignIn(Some(why)) => write!(f, "not signed in any more: {why}; run `rowkeeper sign-in`"),
            Self::Misconfigured(why) => f.write_str(why),
            Self::Later { why, .. } => write!(f, "no new access token now: {why}; it will be tried again"),
        }
    }
}

impl std::error::Error for TokenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Access(error) => error.source(),
            _ => None,
        }
    }
}

impl<E: Into<AccessError>> From<E> for TokenError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}

/// Refresh this long before the end where the grant does not say when: a request under way must not see the end.
const ADVISORY: Duration = Duration::from_secs(300);

/// A token that lives this long is still good for one request, if a better one is not to be had.
const MANDATORY: Duration = Duration::from_secs(15);

/// How soon to look again when another program is at it.
const BUSY: Duration = Duration::from_secs(1);

/// What a caller needs of a token. Where no clock can tell how long it lives, it is taken to live: an API's 401 decides.
#[derive(Clone, Copy)]
enum Need<'a> {
    /// It lives longer than this.
    Lives(Duration),
    /// It is not time yet to ask for a new one.
    NotDue,
    /// It is not this one, and good for a request.
    Other(&'a AccessToken),
}

/// What to do while another program or thread holds the lock: it may be talking to the provider for half a minute.
#[derive(Clone, Copy)]
enum WhileLocked {
    Wait,
    GiveUp,
}

impl Session {
    /// An access token that lives at least `min_validity` longer. One that lives shorter is refreshed first; if the fresh
    /// one lives shorter too, that is the answer, and [`Bearer::left`] tells.
    ///
    /// # Errors
    /// See [`TokenError`]. A failed refresh never ends the sign-in, only the provider's word does.
    pub fn token(&self, min_validity: Duration) -> Result<Bearer, TokenError> {
        match self.0.kept(Need::Lives(min_validity))? {
            Some(bearer) => Ok(bearer),
            None => self.0.refreshed(Need::Lives(min_validity), WhileLocked::Wait),
        }
    }

    /// An access token for one request: refreshed ahead of its end. While that fails, for whatever reason but the end of
    /// the sign-in, or another program is at it, the old one serves as long as it lives.
    ///
    /// # Errors
    /// As [`Session::token`].
    pub fn bearer(&self) -> Result<Bearer, TokenError> {
        let inner = &self.0;
        if let Some(bearer) = inner.kept(Need::NotDue)? {
            return Ok(bearer);
        }
        let good_still = inner.kept(Need::Lives(MANDATORY))?.is_some();
        match inner.refreshed(Need::NotDue, if good_still { WhileLocked::GiveUp } else { WhileLocked::Wait }) {
            Err(error @ TokenError::SignIn(_)) => Err(error),
            // Looked at again: the attempt may have taken longer than the token had.
            Err(error) => inner.kept(Need::Lives(MANDATORY))?.ok_or(error),
            renewed => renewed,
        }
    }

    /// A token other than `refused`, which an API answered with 401. If another process was quicker, its token is the
    /// answer and no request is made.
    ///
    /// # Errors
    /// As [`Session::token`].
    pub fn replace(&self, refused: &AccessToken) -> Result<Bearer, TokenError> {
        match self.0.kept(Need::Other(refused))? {
            Some(bearer) => Ok(bearer),
            None => self.0.refreshed(Need::Other(refused), WhileLocked::Wait),
        }
    }
}

impl Inner {
    /// The stored token, if it is what is needed.
    fn kept(&self, need: Need<'_>) -> Result<Option<Bearer>, TokenError> {
        let stored = match self.store.load()? {
            Loaded::Nothing => return Err(TokenError::SignIn(None)),
            Loaded::Whole(stored) | Loaded::Previous(stored, _) => stored,
        };
        // The address is checked where it matters, before a refresh token is sent; an API's token is checked here too,
        // so that one provider's never goes to another's API.
        if self.identity().is_none() {
            // Only a provider that has to be asked for its addresses first is not known; no provider at all is an error.
            self.client()?;
        }
        if let Some(foreign) = self.foreign(&stored) {
            return Err(AccessError::Foreign(Box::new(foreign)).into());
        }
        let Some(grant) = &stored.grant else { return Err(TokenError::SignIn(stored.ended.or(stored.failed))) };
        Ok(self.good(grant, need))
    }

    fn good(&self, grant: &StoredGrant, need: Need<'_>) -> Option<Bearer> {
        let token = access_token(&grant.access_token)?;
        let left = |end: &Option<Moment>| end.as_ref().and_then(|end| end.left(&*self.clock));
        let life = left(&grant.expires);
        let lives = |at_least| life.is_none_or(|life| life > at_least);
        let good = match need {
            Need::Lives(at_least) => lives(at_least),
            Need::NotDue if grant.refresh_at.is_some() => left(&grant.refresh_at).is_none_or(|left| !left.is_zero()),
            Need::NotDue => lives(ADVISORY),
            Need::Other(refused) => refused.expose() != token.expose() && lives(MANDATORY),
        };
        good.then_some(Bearer { token, left: life })
    }

    /// One refresh, unless another process has done it by the time we hold the lock.
    fn refreshed(&self, need: Need<'_>, while_locked: WhileLocked) -> Result<Bearer, TokenError> {
        let client = &*self.client()?;
        let locked = match while_locked {
            WhileLocked::Wait => self.store.lock()?,
            WhileLocked::GiveUp => self.store.try_lock()?.ok_or_else(|| TokenError::Later {
                why: "another program is asking for it".into(),
                until: self.clock.mono() + BUSY,
            })?,
        };
        let stored = self.stored(&locked, client)?;
        let Some(grant) = &stored.grant else { return Err(TokenError::SignIn(stored.ended.or(stored.failed))) };
        if let Some(bearer) = self.good(grant, need) {
            return Ok(bearer);
        }
        let Some(raw) = grant.refresh_token.clone() else {
            // Nothing to refresh with: what there is serves to its end, and the sign-in ends with it.
            let rest = if let Need::Other(_) = need { None } else { self.good(grant, Need::Lives(Duration::ZERO)) };
            let why = "the provider gave no refresh token and the access token has ended";
            return rest.map_or_else(|| self.ended(&locked, stored, why.into()), Ok);
        };
        let until = self.refresh_pause().until;
        if until > self.clock.mono() {
            return Err(match stored.misconfigured {
                Some(why) => TokenError::Misconfigured(why),
                None => TokenError::Later { why: "the last refresh failed a moment ago".into(), until },
            });
        }
        self.refresh(&locked, client, stored, &raw)
    }

    fn refresh(
        &self,
        locked: &Locked<'_>,
        client: &Client,
        mut stored: Stored,
        raw: &Zeroizing<String>,
    ) -> Result<Bearer, TokenError> {
        let Ok(token) = RefreshToken::parse(raw.to_string()) else {
            return self.ended(locked, stored, "the stored refresh token is not usable".into());
        };
        let Some(grant) = &mut stored.grant else { return Err(TokenError::SignIn(None)) };
        let history = if grant.refreshing { History::AnswerLost } else { History::Clear };
        let scopes = Scopes::parse(&grant.scopes).unwrap_or_default();
        // Said before it is done: if we die with the answer on the wire, the next one knows that the token may be spent.
        if !grant.refreshing {
            grant.refreshing = true;
            locked.save(&stored)?;
        }
        let refresh = Refresh::new(client, &token, &scopes, history);
        let asked_at = machine_time(self.clock.mono());
        let outcome = self.exchange(refresh.request(), |reply, _| refresh.outcome(reply, asked_at));
        match outcome {
            Refreshed::Renewed(tokens) => self.renewed(locked, stored, &tokens),
            Refreshed::Later { trouble, retry_after, answer_lost } => {
                // What was in doubt before stays so: no connection today tells nothing of yesterday's lost answer.
                self.not_refreshing(locked, stored, answer_lost || history == History::AnswerLost)?;
                let mut pause = self.refresh_pause();
                pause.until = self.clock.mono() + pause.backoff.next(retry_after, jitter());
                Err(TokenError::Later { why: trouble.to_string(), until: pause.until })
            }
            Refreshed::Dead { reason, error } => {
                // We hold the lock, so only somebody who does not keep to it can have stored another token meanwhile.
                if let Loaded::Whole(now) = locked.load()?
                    && let Some(other) = now.grant.as_ref().and_then(|grant| grant.refresh_token.as_ref())
                    && other != raw
                {
                    let until = self.clock.mono();
                    return Err(TokenError::Later { why: "another program has just signed in".into(), until });
                }
                self.ended(locked, stored, dead(reason, &error))
            }
            Refreshed::Misconfigured(error) => {
                let why = format!("the client is not set up right; {} ({error})", error.hint());
                stored.misconfigured = Some(why.clone());
                self.not_refreshing(locked, stored, history == History::AnswerLost)?;
                self.refresh_pause().until = self.clock.mono() + Duration::from_secs(60);
                Err(TokenError::Misconfigured(why))
            }
            Refreshed::Unusable { fault, rotated } => {
                if let (Some(rotated), Some(grant)) = (&rotated, &mut stored.grant) {
                    grant.refresh_token = Some(Zeroizing::new(rotated.expose().to_owned()));
                }
                self.not_refreshing(locked, stored, rotated.is_none())?;
                let mut pause = self.refresh_pause();
                pause.until = self.clock.mono() + pause.backoff.next(None, jitter());
                Err(TokenError::Later { why: fault.to_string(), until: pause.until })
            }
        }
    }

    /// New tokens are on disk before anybody uses them: a provider that rotates has forgotten the old one.
    fn renewed(&self, locked: &Locked<'_>, mut stored: Stored, tokens: &Tokens) -> Result<Bearer, TokenError> {
        let before = stored.grant.take();
        stored.grant = Some(self.stored_grant(tokens, before));
        stored.misconfigured = None;
        locked.save(&stored)?;
        {
            let mut pause = self.refresh_pause();
            pause.backoff.reset();
            pause.until = Mono::default();
        }
        let grant = stored.grant.as_ref();
        grant.and_then(|grant| self.good(grant, Need::Lives(Duration::ZERO))).ok_or_else(|| TokenError::Later {
            why: "the provider gave a token that has ended already".into(),
            until: self.clock.mono() + Duration::from_secs(5),
        })
    }

    /// What is kept of an answer; what it does not say stays as it was.
    pub(super) fn stored_grant(&self, tokens: &Tokens, before: Option<StoredGrant>) -> StoredGrant {
        let since_asked = machine_time(self.clock.mono()).since(tokens.asked_at);
        let ahead = |life: Duration| Moment::ahead(&*self.clock, life.saturating_sub(since_asked));
        let refresh_token = tokens.refresh.as_ref().map(|token| Zeroizing::new(token.expose().to_owned()));
        let rotated = refresh_token.is_some();
        let names = |scopes: &Scopes| scopes.iter().map(Into::into).collect::<Vec<String>>();
        let (mut scopes, mut missing) = (names(&tokens.scopes), names(&tokens.missing_scopes));
        let (mut old_token, mut old_end, mut old_account) = (None, None, None);
        if let Some(old) = before {
            (old_token, old_end, old_account) = (old.refresh_token, old.refresh_expires, old.account);
            // The scopes of record are those of the sign-in: some providers name fewer after a refresh.
            if !old.scopes.is_empty() {
                (scopes, missing) = (old.scopes, old.missing);
            }
        }
        let label = tokens.account.as_ref().and_then(|account| account.label.as_ref());
        StoredGrant {
            refresh_token: refresh_token.or(old_token),
            access_token: Zeroizing::new(tokens.access.expose().to_owned()),
            expires: tokens.expires_in.map(ahead),
            refresh_at: tokens.refresh_after(jitter()).map(ahead),
            refresh_expires: tokens.refresh_expires_in.map(ahead).or(if rotated { None } else { old_end }),
            scopes,
            missing,
            account: label.map(ToString::to_string).or(old_account),
            refreshing: false,
        }
    }

    fn not_refreshing(&self, locked: &Locked<'_>, mut stored: Stored, answer_lost: bool) -> Result<(), TokenError> {
        if let Some(grant) = &mut stored.grant {
            grant.refreshing = answer_lost;
        }
        Ok(locked.save(&stored)?)
    }

    fn ended<T>(&self, locked: &Locked<'_>, mut stored: Stored, why: String) -> Result<T, TokenError> {
        stored.grant = None;
        stored.ended = Some(why.clone());
        locked.save(&stored)?;
        Err(TokenError::SignIn(Some(why)))
    }
}

fn dead(reason: DeadReason, error: &device_grant::OAuthError) -> String {
    format!("{reason} ({error})")
}
