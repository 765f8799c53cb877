//! Who asks (the client) and who is asked (the provider).

use alloc::string::String;
use core::fmt;

use crate::secret::ClientSecret;
use crate::text::Text;
use crate::url::{BadUrl, Url};
use crate::{Dialect, Scopes};

/// An application as its provider knows it. Machines borrow it, so its secret exists once.
#[derive(Debug)]
pub struct Client {
    provider: Provider,
    id: String,
    auth: ClientAuth,
}

/// How the client proves who it is (RFC 6749 section 2.3). One method per request, never two.
#[derive(Debug)]
pub enum ClientAuth {
    /// A public client: `client_id` only.
    None,
    /// `client_secret_post`: the secret in the body. What Google wants.
    Post(ClientSecret),
    /// `client_secret_basic`: id and secret, each form-encoded, in an `Authorization: Basic` header.
    Basic(ClientSecret),
}

impl ClientAuth {
    /// The usual default: in the body with a secret, else none.
    pub fn default_for(secret: Option<ClientSecret>) -> Self {
        secret.map_or(Self::None, Self::Post)
    }
}

/// A client id that is empty or holds control characters or characters outside ASCII (RFC 6749 appendix A.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadClientId;

impl Client {
    /// The application `id` at `provider`.
    ///
    /// # Errors
    /// The id is empty or not printable.
    pub fn new(provider: Provider, id: impl Into<String>, auth: ClientAuth) -> Result<Self, BadClientId> {
        let id = id.into();
        let printable = !id.is_empty() && id.bytes().all(|b| matches!(b, 0x20..=0x7e));
        if printable { Ok(Self { provider, id, auth }) } else { Err(BadClientId) }
    }

    /// Whom it asks.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Its name at the provider; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its secret, whichever way it is sent.
    pub(crate) fn secret(&self) -> Option<&ClientSecret> {
        match &self.auth {
            ClientAuth::None => None,
            ClientAuth::Post(secret) | ClientAuth::Basic(secret) => Some(secret),
        }
    }

    /// How it proves who it is.
    pub fn auth(&self) -> &ClientAuth {
        &self.auth
    }
}

/// Where a provider listens and how it talks.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Where it listens.
    pub endpoints: Endpoints,
    /// How it talks.
    pub dialect: Dialect,
}

impl Provider {
    /// A provider that does what RFC 8628 says.
    pub fn rfc(endpoints: Endpoints) -> Self {
        Self { endpoints, dialect: Dialect::RFC }
    }

    /// A known provider, by name: see [`crate::PRESETS`].
    ///
    /// `base` is the address its endpoints hang below, often the issuer: needed where every customer has their own
    /// (Keycloak: `https://login.example.org/realms/shop`), else `None`.
    ///
    /// # Errors
    /// No such preset, a base is needed, or the base is no good address.
    pub fn preset(name: &str, base: Option<&str>) -> Result<Self, PresetError> {
        crate::presets::provider(name, base)
    }

    /// What to ask for when the configuration does not say.
    pub fn default_scopes(&self) -> Scopes {
        let mut scopes = Scopes::none();
        self.dialect.default_scopes.iter().for_each(|scope| scopes.add(scope));
        scopes
    }
}

/// Addresses of a provider. No fragment, `https` or loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub(crate) device_authorization: Url,
    pub(crate) token: Url,
    pub(crate) revocation: Option<Url>,
}

/// Which address of a provider is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEndpoint {
    /// The member of the discovery document or the configuration key.
    pub which: &'static str,
    /// What is wrong with it.
    pub why: BadUrl,
}

impl Endpoints {
    /// Checks and takes the addresses.
    ///
    /// # Errors
    /// The first one that is no good, and why.
    pub fn new(device_authorization: &str, token: &str, revocation: Option<&str>) -> Result<Self, BadEndpoint> {
        Ok(Self {
            device_authorization: endpoint("device_authorization_endpoint", device_authorization)?,
            token: endpoint("token_endpoint", token)?,
            revocation: revocation.map(|text| endpoint("revocation_endpoint", text)).transpose()?,
        })
    }

    /// Where codes are asked for.
    pub fn device_authorization(&self) -> &Url {
        &self.device_authorization
    }

    /// Where tokens are asked for.
    pub fn token(&self) -> &Url {
        &self.token
    }

    /// Where tokens are given back, if anywhere.
    pub fn revocation(&self) -> Option<&Url> {
        self.revocation.as_ref()
    }
}

pub(crate) fn endpoint(which: &'static str, text: &str) -> Result<Url, BadEndpoint> {
    Url::parse(text).and_then(Url::without_fragment).map_err(|why| BadEndpoint { which, why })
}

/// Why a preset cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresetError {
    /// No preset has that name.
    Unknown {
        /// The name that was given.
        name: Text,
    },
    /// Every customer of this provider has an address of their own.
    NeedsBase {
        /// The preset.
        preset: &'static str,
        /// What such an address looks like.
        example: &'static str,
    },
    /// The base that was given is no good.
    BadBase {
        /// The preset.
        preset: &'static str,
        /// What is wrong with it.
        why: BadUrl,
    },
}

impl fmt::Display for BadClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client id is empty or not printable; copy it again from the provider's console")
    }
}

impl fmt::Display for BadEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused: {}", self.which, self.why)
    }
}

impl fmt::Display for PresetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => {
                write!(f, "there is no provider preset `{name}`; use one of")?;
                crate::PRESETS.iter().try_for_each(|preset| write!(f, " {}", preset.name))
            }
            Self::NeedsBase { preset, example } => {
                write!(f, "preset `{preset}` needs the address of your own server as issuer, such as {example}")
            }
            Self::BadBase { preset, why } => write!(f, "the issuer given for preset `{preset}` is refused: {why}"),
        }
    }
}

impl core::error::Error for BadClientId {}
impl core::error::Error for BadEndpoint {}
impl core::error::Error for PresetError {}
