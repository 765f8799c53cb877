//! From the configuration to a client that the machines can use.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, fs};

use device_grant::{
    BadSecret, Client, ClientAuth, ClientSecret, Dialect, Discovery, DiscoveryError, DiscoveryStep, Endpoints,
    Metadata, PRESETS, Provider as Machine, Scopes,
};

use super::{Inner, Known, Session};
use crate::config::{ClientAuth as Wanted, Config, Provider};
use crate::durable;

/// How long what an issuer said of its endpoints is believed without asking again (MD-07).
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How often a process looks whether that has aged, and how soon one that did not answer is asked again.
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// There is no usable provider.
#[derive(Debug)]
pub enum ProviderError {
    /// The configuration names none.
    None,
    /// Something in `[provider]` cannot be used; the text says what.
    Unusable(String),
    /// The issuer could not be asked for its endpoints just now.
    Unreachable(String),
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => {
                write!(
                    f,
                    "no provider is configured; run `rowkeeper init`, or set ROWKEEPER_EMULATOR to try things out"
                )
            }
            Self::Unusable(what) => f.write_str(what),
            Self::Unreachable(why) => write!(f, "the provider's addresses cannot be looked up now: {why}"),
        }
    }
}

impl std::error::Error for ProviderError {}

impl ProviderError {
    /// Why `config` has no provider: it names none, or one that cannot be used.
    pub fn missing(config: &Config) -> Self {
        match &config.provider_error {
            None => Self::None,
            Some(error) => {
                let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
                Self::Unusable(format!("{error}{cause}"))
            }
        }
    }
}

impl Session {
    /// Where tokens come from; a provider that is known by its issuer alone is asked.
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub fn token_endpoint(&self) -> Result<String, ProviderError> {
        Ok(self.0.client()?.provider().endpoints.token().to_string())
    }
}

impl Inner {
    /// The client, made at first use: a discovered provider has to be asked, and asked again when what it said has aged. As
    /// long as it does not answer, what it said last holds.
    pub(super) fn client(&self) -> Result<Arc<Client>, ProviderError> {
        if let Some(known) = &*self.made()
            && known.until.is_none_or(|until| self.clock.mono() < until)
        {
            return Ok(Arc::clone(&known.client));
        }
        let provider = self.provider().ok_or_else(|| ProviderError::missing(&self.config))?;
        let (machine, until) = match self.configured_provider() {
            Some(machine) => (machine, None),
            None => (self.discovered_provider(provider)?, Some(self.clock.mono() + LOOK_AGAIN)),
        };
        let unusable = |error: &dyn fmt::Display| ProviderError::Unusable(format!("[provider]: {error}"));
        let auth = client_auth(provider).map_err(|error| unusable(&error))?;
        let client = Client::new(machine, &provider.client_id, auth).map_err(|error| unusable(&error))?;
        let client = Arc::new(client);
        *self.made() = Some(Known { client: Arc::clone(&client), until });
        Ok(client)
    }

    /// What to ask for: the configured scopes, else the preset's.
    pub(super) fn scopes(&self, client: &Client) -> Result<Scopes, ProviderError> {
        match self.provider().and_then(|provider| provider.scopes.as_ref()) {
            Some(scopes) => {
                Scopes::parse(scopes).map_err(|error| ProviderError::Unusable(format!("[provider] scopes: {error}")))
            }
            None => Ok(client.provider().default_scopes()),
        }
    }

    /// The provider as far as it is known without the network: explicit endpoints, a preset, or a kept discovery.
    pub(super) fn known_provider(&self) -> Option<Machine> {
        self.configured_provider().or_else(|| self.kept_provider().map(|(machine, _)| machine))
    }

    /// What the configuration says by itself.
    fn configured_provider(&self) -> Option<Machine> {
        let provider = self.provider()?;
        if let (Some(device), Some(token)) = (&provider.device_authorization_endpoint, &provider.token_endpoint) {
            let endpoints = Endpoints::new(device, token, provider.revocation_endpoint.as_deref()).ok()?;
            return Some(Machine { endpoints, dialect: dialect(&provider.preset)? });
        }
        match provider.preset.as_str() {
            "none" => None,
            preset => Machine::preset(preset, provider.issuer.as_deref()).ok(),
        }
    }

    /// What the issuer said last, and whether that is to be believed without asking again.
    fn kept_provider(&self) -> Option<(Machine, bool)> {
        let provider = self.provider().filter(|provider| provider.preset == "none")?;
        let document = fs::read(&self.discovered).ok()?;
        let dialect = Dialect::RFC;
        let metadata = Metadata::read(provider.issuer.as_deref()?, dialect.issuer_check, &document).ok()?;
        let wall = self.clock.wall();
        let kept = fs::metadata(&self.discovered).and_then(|meta| meta.modified()).ok()?;
        let age_ms = wall.unix_ms.saturating_sub(unix_ms(kept));
        // A clock that is not to be believed tells no age.
        let fresh = !wall.trusted || (0..LIFE.as_millis() as i64).contains(&age_ms);
        Some((Machine { endpoints: metadata.endpoints, dialect }, fresh))
    }

    fn discovered_provider(&self, provider: &Provider) -> Result<Machine, ProviderError> {
        match self.kept_provider() {
            Some((machine, true)) => Ok(machine),
            Some((machine, false)) => Ok(self.discover(provider).unwrap_or_else(|_| {
                // One that is down for a week is not waited for by every command.
                self.date_discovery(LIFE.saturating_sub(LOOK_AGAIN));
                machine
            })),
            None => self.discover(provider),
        }
    }

    /// Notes what was kept as so old.
    fn date_discovery(&self, age: Duration) {
        let now_ms = u64::try_from(self.clock.wall().unix_ms).unwrap_or(0);
        let when = UNIX_EPOCH + Duration::from_millis(now_ms).saturating_sub(age);
        _ = OpenOptions::new().write(true).open(&self.discovered).and_then(|file| file.set_modified(when));
    }

    /// Asks the issuer, and keeps the answer: a device must go on when discovery is down.
    fn discover(&self, provider: &Provider) -> Result<Machine, ProviderError> {
        let Some(issuer) = provider.issuer.as_deref().filter(|_| provider.preset == "none") else {
            return Err(ProviderError::Unusable(format!("[provider]: {}", complaint(provider))));
        };
        let dialect = Dialect::RFC;
        let mut discovery = Discovery::start(issuer, dialect.issuer_check)
            .map_err(|error| ProviderError::Unusable(format!("[provider] issuer: {error}")))?;
        let mut document = Vec::new();
        loop {
            match discovery.next() {
                DiscoveryStep::Send(request) => {
                    self.exchange(request, |reply, _| {
                        if let device_grant::Reply::Answer(answer) = &reply {
                            document = answer.body.to_vec();
                        }
                        discovery.reply(reply);
                    });
                }
                DiscoveryStep::Done(metadata) => {
                    // A cache: without it the next start asks again.
                    _ = self.discovered.parent().map(durable::make_dir);
                    _ = durable::replace(&self.discovered, &document);
                    self.date_discovery(Duration::ZERO);
                    return Ok(Machine { endpoints: metadata.endpoints, dialect });
                }
                DiscoveryStep::Failed(error @ DiscoveryError::Later { .. }) => {
                    return Err(ProviderError::Unreachable(error.to_string()));
                }
                DiscoveryStep::Failed(error) => {
                    return Err(ProviderError::Unusable(format!("[provider] issuer: {error}")));
                }
            }
        }
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn client_auth(provider: &Provider) -> Result<ClientAuth, &'static str> {
    let copy =
        |secret: &ClientSecret| -> Result<ClientSecret, BadSecret> { ClientSecret::parse(secret.expose().into()) };
    let secret =
        provider.client_secret.as_ref().map(copy).transpose().map_err(|_| "the client secret is not usable")?;
    match (provider.client_auth, secret) {
        (None, secret) => Ok(ClientAuth::default_for(secret)),
        (Some(Wanted::None), _) => Ok(ClientAuth::None),
        (Some(Wanted::Post), Some(secret)) => Ok(ClientAuth::Post(secret)),
        (Some(Wanted::Basic), Some(secret)) => Ok(ClientAuth::Basic(secret)),
        (Some(Wanted::Post | Wanted::Basic), None) => Err("client_auth needs a secret; give client_secret_file"),
    }
}

fn dialect(preset: &str) -> Option<Dialect> {
    match preset {
        "none" => Some(Dialect::RFC),
        _ => PRESETS
            .iter()
            .find(|known| known.name == preset || known.aliases.contains(&preset))
            .map(|known| known.dialect),
    }
}

/// Why [`Inner::known_provider`] knows nothing, for people.
fn complaint(provider: &Provider) -> String {
    let endpoints = match (&provider.device_authorization_endpoint, &provider.token_endpoint) {
        (Some(device), Some(token)) => Endpoints::new(device, token, provider.revocation_endpoint.as_deref()).err(),
        _ => None,
    };
    match (endpoints, Machine::preset(&provider.preset, provider.issuer.as_deref())) {
        (Some(bad), _) => bad.to_string(),
        (None, Err(error)) if provider.preset != "none" => error.to_string(),
        _ => "preset \"none\" needs an issuer, or device_authorization_endpoint and token_endpoint".into(),
    }
}
