//! From the configuration to a client that the machines can use.

use std::{fmt, fs};

use device_grant::{
    BadSecret, Client, ClientAuth, ClientSecret, Dialect, Discovery, DiscoveryError, DiscoveryStep, Endpoints,
    Metadata, PRESETS, Provider as Machine, Scopes,
};

use super::{Inner, Session};
use crate::config::{ClientAuth as Wanted, Config, Provider};
use crate::durable;

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
    /// The client, made at first use: a discovered provider has to be asked.
    pub(super) fn client(&self) -> Result<&Client, ProviderError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let provider = self.provider().ok_or_else(|| ProviderError::missing(&self.config))?;
        let machine = match self.known_provider() {
            Some(machine) => machine,
            None => self.discover(provider)?,
        };
        let unusable = |error: &dyn fmt::Display| ProviderError::Unusable(format!("[provider]: {error}"));
        let auth = client_auth(provider).map_err(|error| unusable(&error))?;
        let client = Client::new(machine, &provider.client_id, auth).map_err(|error| unusable(&error))?;
        Ok(self.client.get_or_init(|| client))
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
        let provider = self.provider()?;
        if let (Some(device), Some(token)) = (&provider.device_authorization_endpoint, &provider.token_endpoint) {
            let endpoints = Endpoints::new(device, token, provider.revocation_endpoint.as_deref()).ok()?;
            return Some(Machine { endpoints, dialect: dialect(&provider.preset)? });
        }
        if provider.preset != "none" {
            return Machine::preset(&provider.preset, provider.issuer.as_deref()).ok();
        }
        let document = fs::read(&self.discovered).ok()?;
        let dialect = Dialect::RFC;
        let metadata = Metadata::read(provider.issuer.as_deref()?, dialect.issuer_check, &document).ok()?;
        Some(Machine { endpoints: metadata.endpoints, dialect })
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
