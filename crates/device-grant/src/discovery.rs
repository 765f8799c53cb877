//! Finding a provider's endpoints from its issuer (RFC 8414, OpenID Connect Discovery 1.0).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde_json::{Value, json};

use crate::answer;
use crate::body::Members;
use crate::client::{self, BadEndpoint, ClientAuth, Endpoints};
use crate::dialect::IssuerCheck;
use crate::error::Trouble;
use crate::exchange::{Answer, Reply, Request};
use crate::http_date;
use crate::secret::ClientSecret;
use crate::text::Text;
use crate::url::{BadUrl, Url};
use crate::wire;

/// Asks an issuer where its endpoints are: first the OpenID Connect document, then the RFC 8414 one.
#[derive(Debug)]
pub struct Discovery {
    issuer: Url,
    check: IssuerCheck,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The second document, after what the first one brought.
    Asking(Document, Option<DiscoveryError>),
    Over(Result<Box<Metadata>, DiscoveryError>),
}

/// The two places where the document may be (RFC 8414 section 3 and 5).
#[derive(Clone, Copy, Debug)]
enum Document {
    OpenId,
    OAuth,
}

/// What the caller must do next.
#[derive(Debug)]
pub enum DiscoveryStep {
    /// Send this once, give the outcome to [`Discovery::reply`], then ask again.
    Send(Request),
    /// Found. Worth keeping on disk: a device must go on when discovery is down.
    Done(Box<Metadata>),
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
    /// The issuer is no `https` (or loopback) address without query and fragment.
    pub fn start(issuer: &str, check: IssuerCheck) -> Result<Self, BadUrl> {
        let issuer = Url::parse(issuer).and_then(Url::plain)?;
        Ok(Self { issuer, check, state: State::Asking(Document::OpenId, None) })
    }

    /// What to do now.
    pub fn next(&self) -> DiscoveryStep {
        match &self.state {
            State::Asking(document, _) => match document.url(&self.issuer) {
                Ok(url) => DiscoveryStep::Send(wire::get(&url)),
                Err(why) => DiscoveryStep::Failed(DiscoveryError::BadEndpoint(BadEndpoint { which: "issuer", why })),
            },
            State::Over(Ok(metadata)) => DiscoveryStep::Done(metadata.clone()),
            State::Over(Err(error)) => DiscoveryStep::Failed(error.clone()),
        }
    }

    /// What became of the last [`DiscoveryStep::Send`].
    pub fn reply(&mut self, reply: Reply<'_>) {
        let State::Asking(document, earlier) = &mut self.state else { return };
        let (document, earlier) = (*document, earlier.take());
        let answer = match reply {
            Reply::Answer(answer) => answer,
            Reply::Lost(lost) => {
                self.state =
                    State::Over(Err(DiscoveryError::Later { trouble: Trouble::Lost(lost), retry_after: None }));
                return;
            }
        };
        self.state = match (self.answered(&answer), document, earlier) {
            // Some providers have the one document, some the other; some mention the device flow only in the second.
            // What is not there may also be answered with a page or a failure.
            (Err(error), Document::OpenId, _) if error.asks_elsewhere() => State::Asking(Document::OAuth, Some(error)),
            (Err(DiscoveryError::NotFound { .. }), Document::OAuth, Some(earlier)) => State::Over(Err(earlier)),
            (found, _, _) => State::Over(found.map(Box::new)),
        };
    }

    fn answered(&self, answer: &Answer<'_>) -> Result<Metadata, DiscoveryError> {
        match answer.status {
            200..300 if Members::json(answer.body).is_some() => {
                Metadata::read(self.issuer.as_str(), self.check, answer.body)
            }
            status if answer::may_pass(status) => Err(DiscoveryError::Later {
                trouble: Trouble::Unreadable { status },
                retry_after: http_date::retry_after(answer.retry_after, answer.date),
            }),
            status => Err(DiscoveryError::NotFound { status }),
        }
    }
}

impl DiscoveryError {
    fn asks_elsewhere(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NoDeviceFlow | Self::Later { .. })
    }
}

impl Document {
    /// OpenID Connect appends to the issuer; RFC 8414 section 3.1 inserts between host and path.
    fn url(self, issuer: &Url) -> Result<Url, BadUrl> {
        let path = issuer.path_and_rest();
        let (origin, path) = (issuer.as_str().strip_suffix(path).unwrap_or_default(), path.trim_end_matches('/'));
        Url::parse(&match self {
            Self::OpenId => format!("{origin}{path}/.well-known/openid-configuration"),
            Self::OAuth => format!("{origin}/.well-known/oauth-authorization-server{path}"),
        })
    }
}

impl Metadata {
    /// Reads a document, fresh or from [`Metadata::to_json`].
    ///
    /// # Errors
    /// As [`Discovery`]: another issuer, no device flow, an endpoint that is not safe.
    pub fn read(issuer: &str, check: IssuerCheck, document: &[u8]) -> Result<Self, DiscoveryError> {
        let refused = |which, why| DiscoveryError::BadEndpoint(BadEndpoint { which, why });
        let asked = Url::parse(issuer).and_then(Url::plain).map_err(|why| refused("issuer", why))?;
        let members = Members::json(document).ok_or(DiscoveryError::Missing("issuer"))?;
        let named = members.text(&["issuer"]).ok_or(DiscoveryError::Missing("issuer"))?;
        if !same_issuer(check, issuer, named) {
            return Err(DiscoveryError::OtherIssuer(Text::clean(named)));
        }
        // RFC 8628 section 4: the endpoint tells whether there is a device flow; `grant_types_supported` is often not kept.
        let device = members.text(&["device_authorization_endpoint"]).ok_or(DiscoveryError::NoDeviceFlow)?;
        let token = members.text(&["token_endpoint"]).ok_or(DiscoveryError::Missing("token_endpoint"))?;
        let optional = |which| members.text(&[which]).map(|text| client::endpoint(which, text)).transpose();
        Ok(Self {
            issuer: asked,
            endpoints: Endpoints::new(device, token, members.text(&["revocation_endpoint"]))
                .map_err(DiscoveryError::BadEndpoint)?,
            userinfo: optional("userinfo_endpoint").map_err(DiscoveryError::BadEndpoint)?,
            auth_methods: texts(&members, "token_endpoint_auth_methods_supported"),
            scopes_supported: texts(&members, "scopes_supported"),
        })
    }

    /// A document that [`Metadata::read`] reads back: no secret in it, made to be kept for days without a network.
    pub fn to_json(&self) -> Vec<u8> {
        let Self { issuer, endpoints, userinfo, auth_methods, scopes_supported } = self;
        let list = |texts: &[Text]| texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>();
        let mut document = json!({
            "issuer": issuer.as_str(),
            "device_authorization_endpoint": endpoints.device_authorization.as_str(),
            "token_endpoint": endpoints.token.as_str(),
            "token_endpoint_auth_methods_supported": list(auth_methods),
            "scopes_supported": list(scopes_supported),
        });
        let optional = [("revocation_endpoint", &endpoints.revocation), ("userinfo_endpoint", userinfo)];
        for (name, url) in optional.into_iter().filter_map(|(name, url)| Some((name, url.as_ref()?))) {
            document[name] = url.as_str().into();
        }
        document.to_string().into_bytes()
    }

    /// How to authenticate here, if the configuration does not say: none without a secret, in the body if the provider
    /// lists that, else `Basic`, which every provider has to know (RFC 6749 section 2.3.1, RFC 8414 section 2).
    pub fn client_auth(&self, secret: Option<ClientSecret>) -> ClientAuth {
        let in_body = self.auth_methods.iter().any(|method| method.as_str() == "client_secret_post");
        match secret {
            None => ClientAuth::None,
            Some(secret) if in_body => ClientAuth::Post(secret),
            Some(secret) => ClientAuth::Basic(secret),
        }
    }

    /// Endpoints on another site than the issuer (by the last two labels of the name). Google has that, so it is no
    /// error; elsewhere it is worth a look before secrets are sent there.
    pub fn foreign_endpoints(&self) -> impl Iterator<Item = &Url> {
        let Endpoints { device_authorization, token, revocation } = &self.endpoints;
        let all = [Some(device_authorization), Some(token), revocation.as_ref(), self.userinfo.as_ref()];
        all.into_iter().flatten().filter(|url| site(url.host()) != site(self.issuer.host()))
    }
}

/// Byte for byte (RFC 8414 section 3.3). A template has segments in braces, each of which stands for any one of ours.
fn same_issuer(check: IssuerCheck, asked: &str, named: &str) -> bool {
    let is_hole = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
    let fits = |(ours, theirs): (&str, &str)| ours == theirs || (is_hole(theirs) && !ours.is_empty());
    match check {
        IssuerCheck::Exact => asked == named,
        IssuerCheck::Template => {
            asked.split('/').count() == named.split('/').count() && asked.split('/').zip(named.split('/')).all(fits)
        }
    }
}

fn site(host: &str) -> String {
    let labels: Vec<&str> = host.rsplit('.').take(2).collect();
    labels.join(".").to_ascii_lowercase()
}

fn texts(members: &Members, name: &str) -> Vec<Text> {
    let items = members.member(&[name]).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(Text::clean).collect()
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
