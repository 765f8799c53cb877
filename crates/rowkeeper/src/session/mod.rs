//! The session: a sign-in that lasts for years, shared by every program on the device.
//!
//! States: *never signed in → waiting for approval → signed in → must sign in again*. A network failure never leaves
//! *signed in*; only the provider's word does. All state is in the [grant store](crate::grant_store); a session holds
//! none of it, so that any number of processes agree.

mod call;
mod provider;
mod sign_in;
mod sign_out;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use device_grant::{AccessToken, Backoff, Client, Pending, Stamp};

pub use call::{AttemptError, CallError, Settle, broke_off};
pub use provider::ProviderError;
pub(crate) use sign_in::Tried;
pub use sign_in::{Account, Asked, SignInError, SignInEvent};
pub use sign_out::{SignOutError, SignedOut};
pub use token::{Bearer, TokenError};

use crate::clock::{Clock, Mono};
use crate::config::{Config, Provider};
use crate::grant_store::{GrantStore, Loaded, Locked, ProviderId, StoreError, Stored, StoredGrant};
use crate::http::{Http, Lost, NotSent, Request, Timeouts};
use crate::status::{Code, Grant, GrantState, When};

/// How long one exchange with the provider may take. Polls and refreshes are answered in a second or never.
const PROVIDER_TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(30) };

/// A sign-in that ends within this time is spoken of.
const WORTH_A_WORD: Duration = Duration::from_secs(8 * 24 * 3600);

/// A handle to the device's sign-in. Cheap to clone; every method may be called from any thread.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    config: Arc<Config>,
    store: GrantStore,
    /// Where a discovered provider's document is kept.
    discovered: PathBuf,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    client: Mutex<Option<Known>>,
    /// When refreshing may be tried again, after it failed. Of this process alone: the lock lets one ask at a time anyway,
    /// and a person who has just mended the network should not be told to wait for a daemon's pause.
    refresh: Mutex<RefreshPause>,
}

/// A client that was made, and until when it is taken to be right: an issuer may move its endpoints.
struct Known {
    client: Arc<Client>,
    until: Option<Mono>,
}

struct RefreshPause {
    backoff: Backoff,
    until: Mono,
}

impl Session {
    pub(crate) fn new(config: Arc<Config>, http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(300));
        Self(Arc::new(Inner {
            store: match &config.state_key {
                Some(key) => GrantStore::new(&config.state_dir).sealed_with(Arc::clone(key)),
                None => GrantStore::new(&config.state_dir),
            },
            discovered: config.state_dir.join("discovery.json"),
            config,
            http,
            clock,
            client: Mutex::new(None),
            refresh: Mutex::new(RefreshPause { backoff, until: Mono::default() }),
        }))
    }

    /// How the sign-in stands, from the disk alone: one small file, read each time, since any other program may have
    /// changed it.
    pub fn status(&self) -> Grant {
        self.0.status()
    }

    /// Whether waiting could ever make the stored state usable with this configuration.
    pub(crate) fn usable(&self) -> Result<(), AccessError> {
        match self.0.store.load() {
            Ok(Loaded::Whole(stored) | Loaded::Previous(stored, _)) => match self.0.foreign(&stored) {
                Some(foreign) => Err(AccessError::Foreign(Box::new(foreign))),
                None => Ok(()),
            },
            Ok(Loaded::Nothing) | Err(StoreError::Damaged(_) | StoreError::Io(..)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Provider {
    /// Whose grants these are, at this endpoint.
    fn id(&self, token_endpoint: String) -> ProviderId {
        let (name, client_id) = (self.preset.clone(), self.client_id.clone());
        ProviderId { name, issuer: self.issuer.clone(), token_endpoint, client_id, emulator: self.emulator.is_some() }
    }
}

impl Inner {
    fn provider(&self) -> Option<&Provider> {
        self.config.provider.as_ref()
    }

    fn status(&self) -> Grant {
        let mut grant = Grant {
            state: GrantState::NeverSignedIn,
            reason: None,
            provider: self.provider().map(|provider| provider.preset.clone()),
            account: None,
            scopes: Vec::new(),
            expires_at: None,
            code: None,
        };
        if self.config.provider_error.is_some() {
            let reason = ProviderError::missing(&self.config).to_string();
            return Grant { state: GrantState::Misconfigured, reason: Some(reason), ..grant };
        }
        let stored = match self.store.load() {
            Ok(Loaded::Nothing) => return grant,
            Ok(Loaded::Whole(stored)) => stored,
            Ok(Loaded::Previous(stored, damage)) => {
                grant.reason = Some(format!("{damage}; the one before it is used"));
                stored
            }
            Err(error @ StoreError::Damaged(_)) => {
                return Grant { state: GrantState::MustSignInAgain, reason: Some(error.to_string()), ..grant };
            }
            Err(error) => return Grant { state: GrantState::Misconfigured, reason: Some(error.to_string()), ..grant },
        };
        if let Some(foreign) = self.foreign(&stored) {
            return Grant { state: GrantState::Misconfigured, reason: Some(foreign.to_string()), ..grant };
        }
        if let Some(tokens) = &stored.grant {
            grant.account.clone_from(&tokens.account);
            grant.scopes.clone_from(&tokens.scopes);
            if !tokens.missing.is_empty() {
                let missing = tokens.missing.join(" and ");
                grant.reason = Some(format!(
                    "{missing} was not granted; `rowkeeper sign-out`, sign in again and leave its box ticked"
                ));
            }
            // Without a refresh token the sign-in ends with the access token.
            let end = if tokens.refresh_token.is_some() { &tokens.refresh_expires } else { &tokens.expires };
            grant.expires_at = end.as_ref().map(|end| When(end.wall_ms));
        }
        // The code of a client that was refused is not shown before the provider takes a poll of it.
        let pending = stored.pending.as_ref().filter(|_| stored.misconfigured.is_none());
        grant.code = pending.and_then(|sealed| self.code(sealed));
        grant.state = match () {
            () if stored.misconfigured.is_some() => GrantState::Misconfigured,
            () if stored.grant.is_some() => GrantState::SignedIn,
            () if grant.code.is_some() => GrantState::WaitingForApproval,
            () if stored.ended.is_some() => GrantState::MustSignInAgain,
            () => GrantState::NeverSignedIn,
        };
        let ends = stored.grant.as_ref().and_then(|grant| self.ends_soon(grant));
        grant.reason = stored.misconfigured.or(stored.ended).or(stored.failed).or(grant.reason).or(ends);
        grant
    }

    /// A sign-in that will end by itself is worth a word while there is time: Google's Testing status ends it after seven
    /// days (docs/google.md, T3 and T4), and whoever set it rarely knows.
    fn ends_soon(&self, grant: &StoredGrant) -> Option<String> {
        let left = grant.refresh_expires.as_ref()?.left(&*self.clock).filter(|left| *left < WORTH_A_WORD)?;
        let days = left.as_secs() / (24 * 3600);
        Some(format!(
            "this sign-in ends in {days} days; with Google, set the project's publishing status to In production, then sign \
             out and in again"
        ))
    }

    /// The code of a sealed grant, while it lives.
    fn code(&self, sealed: &str) -> Option<Code> {
        let pending = Pending::unseal(sealed.as_bytes()).ok()?;
        let left = pending.expires_in(&self.stamp());
        let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        (!left.is_zero()).then(|| Code {
            user_code: pending.user_code().to_string(),
            verification_uri: pending.verification_uri().to_string(),
            verification_uri_complete: pending.verification_uri_complete().map(ToString::to_string),
            expires_at: When(self.clock.wall().unix_ms.saturating_add(left_ms)),
        })
    }

    /// Whether `stored` belongs to another provider or client, as far as that is known without the network.
    fn foreign(&self, stored: &Stored) -> Option<Foreign> {
        let configured = self.identity().filter(|id| !stored.provider.fits(id))?;
        Some(Foreign { stored: stored.provider.clone(), configured })
    }

    /// The provider and client that the configuration names, where that is known without asking the network.
    fn identity(&self) -> Option<ProviderId> {
        let provider = self.provider()?;
        let token_endpoint = match &*self.made() {
            Some(known) => known.client.provider().endpoints.token().to_string(),
            None => self.known_provider()?.endpoints.token().to_string(),
        };
        Some(provider.id(token_endpoint))
    }

    /// The stored state, under the lock; a fresh one where there is none, or where it is damaged beyond use.
    ///
    /// # Errors
    /// It belongs to another provider or client, or the disk does not answer.
    fn stored(&self, locked: &Locked<'_>, client: &Client) -> Result<Stored, AccessError> {
        let token_endpoint = client.provider().endpoints.token().to_string();
        let configured = self.provider().ok_or(ProviderError::None)?.id(token_endpoint);
        let mut stored = match locked.load() {
            Ok(Loaded::Nothing) => Stored::new(configured.clone()),
            Ok(Loaded::Whole(stored) | Loaded::Previous(stored, _)) => *stored,
            // The damaged file is set aside by the next save.
            Err(error @ StoreError::Damaged(_)) => {
                let mut stored = Stored::new(configured.clone());
                stored.ended = Some(error.to_string());
                stored
            }
            Err(error) => return Err(error.into()),
        };
        if !stored.provider.fits(&configured) {
            return Err(AccessError::Foreign(Box::new(Foreign { stored: stored.provider, configured })));
        }
        // An emulator may have moved to another port.
        stored.provider = configured;
        Ok(stored)
    }

    fn stamp(&self) -> Stamp {
        let wall = self.clock.wall();
        Stamp {
            mono: machine_time(self.clock.mono()),
            boot_id: Some(self.clock.boot_id()),
            unix_ms: wall.trusted.then_some(wall.unix_ms),
        }
    }

    /// Sends a machine's request once and hands it what came of it.
    fn exchange<T>(&self, request: device_grant::Request, take: impl FnOnce(device_grant::Reply<'_>, Mono) -> T) -> T {
        let mut headers: Vec<_> = request.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // Polls are further apart than servers keep idle connections; one that died between two looks like a lost answer.
        headers.push(("connection".into(), "close".to_owned().into()));
        let request = Request { method: request.method.into(), url: request.url, headers, body: request.body };
        let answer = self.http.send(&request, &PROVIDER_TIMEOUTS);
        let now = self.clock.mono();
        match &answer {
            Ok(answer) if answer.body.len() <= device_grant::MAX_BODY_LEN_BYTES => {
                let parts = device_grant::Answer::new(answer.status, |name| answer.header(name), &answer.body);
                take(device_grant::Reply::Answer(parts), now)
            }
            Ok(_) => take(device_grant::Reply::Lost(device_grant::Lost::Unknown), now),
            Err(lost) => take(device_grant::Reply::Lost(self.lost(lost)), now),
        }
    }

    fn lost(&self, lost: &Lost) -> device_grant::Lost {
        match lost {
            // A clock that nobody doubted may still be one that stopped.
            Lost::NotSent(NotSent::NotYetValid(_)) => device_grant::Lost::Certificate { clock_suspect: true },
            Lost::NotSent(NotSent::Certificate(_) | NotSent::Expired(_)) => {
                device_grant::Lost::Certificate { clock_suspect: !self.clock.wall().trusted }
            }
            Lost::NotSent(_) => device_grant::Lost::NotSent,
            Lost::Unknown(_) => device_grant::Lost::Unknown,
        }
    }

    fn made(&self) -> MutexGuard<'_, Option<Known>> {
        // Replaced whole or not at all.
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh_pause(&self) -> MutexGuard<'_, RefreshPause> {
        // Two numbers that are always usable.
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machines' own type for the same clock.
fn machine_time(mono: Mono) -> device_grant::Mono {
    device_grant::Mono::new(mono.since_boot())
}

/// Random bits for jitter. Without the system's randomness the middle is as good as any.
pub(crate) fn jitter() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// The stored state cannot be had, or is not ours to use.
#[derive(Debug)]
pub enum AccessError {
    /// See [`StoreError`].
    Store(StoreError),
    /// State made with one provider and client is never used with another.
    Foreign(Box<Foreign>),
    /// See [`ProviderError`].
    Provider(ProviderError),
}

/// Two providers or clients that are not the same.
#[derive(Debug)]
pub struct Foreign {
    /// Whose state it is.
    pub stored: ProviderId,
    /// Whom the configuration names.
    pub configured: ProviderId,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stored, configured) = (&self.stored, &self.configured);
        write!(f, "this state belongs to {}, and the configuration names {}", Named(stored), Named(configured))?;
        if stored.client_id == configured.client_id && stored.emulator == configured.emulator {
            write!(f, " (tokens of {} are not sent to {})", stored.token_endpoint, configured.token_endpoint)?;
        }
        write!(f, "; give another --state-dir, or sign out with the old configuration")
    }
}

struct Named<'i>(&'i ProviderId);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.0.emulator { "the emulator" } else { self.0.name.as_str() };
        write!(f, "client {} of {kind}", self.0.client_id)
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Foreign(foreign) => foreign.fmt(f),
            Self::Provider(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AccessError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Foreign(_) => None,
            Self::Provider(error) => error.source(),
        }
    }
}

impl From<StoreError> for AccessError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ProviderError> for AccessError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

/// A token of the store, which checked it when it was new.
fn access_token(stored: &str) -> Option<AccessToken> {
    AccessToken::parse(stored.to_owned()).ok()
}
