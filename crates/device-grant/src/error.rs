//! What goes wrong, and what to do about it.

use core::fmt;

use crate::exchange::Lost;
use crate::text::Text;
use crate::url::BadUrl;

/// A provider's refusal in its own words (RFC 6749 section 5.2), safe to show. Decisions rest on `code` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The HTTP status it came with.
    pub status: u16,
    /// `error`.
    pub code: Text,
    /// `error_description`: for developers, in no fixed form.
    pub description: Option<Text>,
    /// `error_subtype` (Google: `invalid_rapt`).
    pub subtype: Option<Text>,
}

/// An answer that cannot be used although it came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// A required member is not there, or is empty.
    Missing(&'static str),
    /// A member is there but cannot be used.
    Unusable(&'static str),
    /// `verification_uri` is not safe to show.
    BadVerificationUri(BadUrl),
    /// The token is of a type that we cannot use (RFC 6749 section 7.1).
    TokenType(Text),
    /// Not the answer of such an endpoint: is the address right?
    Status(u16),
}

/// Why the last request brought nothing, though nothing is lost yet. For a line on the panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No whole answer.
    Lost(Lost),
    /// An answer that nobody can read: a bad gateway, a captive portal, an empty body.
    Unreadable {
        /// Its HTTP status.
        status: u16,
    },
    /// The provider says that it has a bad moment.
    Provider(OAuthError),
}

/// Why a sign-in ended without tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInError {
    /// The person said no.
    Denied,
    /// Nobody approved in time. If `approval_may_be_lost`, an answer got lost near the end.
    Expired {
        /// An answer was lost after the last clear one.
        approval_may_be_lost: bool,
    },
    /// An answer was lost, and now the code is refused: probably the approval was in the lost answer.
    ApprovalLost(OAuthError),
    /// The provider no longer knows the code: used or expired.
    CodeUnknown(OAuthError),
    /// An administrator's rule forbids it.
    Blocked(OAuthError),
    /// The client's registration or configuration is wrong.
    Misconfigured(OAuthError),
    /// A refusal in words we do not know.
    Refused(OAuthError),
    /// The provider's answer cannot be used.
    BadAnswer(BadAnswer),
    /// The provider's certificate was refused before there was a code; nothing was sent.
    Certificate,
    /// [`crate::SignIn::cancel`] was called.
    Cancelled {
        /// A poll was under way and its answer never came.
        approval_may_be_lost: bool,
    },
    /// It was over before: its tokens were handed out already.
    Finished,
}

/// What a caller should do about a [`SignInError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatNext {
    /// A person may start again; nothing is wrong with the configuration.
    AskAgain,
    /// Somebody must change the configuration or the registration first. Showing another code is no use.
    FixConfiguration,
    /// An administrator must allow it first.
    AskAdministrator,
}

impl SignInError {
    /// What to do about it.
    pub fn what_next(&self) -> WhatNext {
        match self {
            Self::Misconfigured(_) | Self::BadAnswer(_) | Self::Certificate => WhatNext::FixConfiguration,
            Self::Blocked(_) => WhatNext::AskAdministrator,
            _ => WhatNext::AskAgain,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(subtype) = &self.subtype {
            write!(f, "/{subtype}")?;
        }
        write!(f, " (HTTP {})", self.status)?;
        self.description.iter().try_for_each(|text| write!(f, ": {text}"))
    }
}

impl OAuthError {
    /// What a person can do about a configuration error, by its code.
    pub fn hint(&self) -> &'static str {
        match self.code.as_str() {
            "invalid_client" => "check client id, client secret and the client's type at the provider",
            "deleted_client" | "disabled_client" => "restore the client at the provider or use another one",
            "unauthorized_client" | "unsupported_grant_type" | "device_flow_disabled" => {
                "allow the device flow for this client at the provider"
            }
            "invalid_scope" => "ask for scopes that the provider allows in the device flow",
            "incorrect_client_credentials" => "check client id and client secret",
            "invalid_request" => "check client secret, client authentication and extra parameters",
            _ => "check the provider's settings for this client",
        }
    }
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(member) => write!(f, "the provider's answer has no `{member}`"),
            Self::Unusable(member) => write!(f, "the provider's answer has a `{member}` that cannot be used"),
            Self::BadVerificationUri(why) => write!(f, "the provider's `verification_uri` is refused: {why}"),
            Self::TokenType(kind) => write!(f, "the provider gave a token of type `{kind}`, only bearer is supported"),
            Self::Status(status) => write!(f, "the provider answered HTTP {status}; check the endpoint's address"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lost) => lost.fmt(f),
            Self::Unreadable { status } => write!(f, "the answer (HTTP {status}) is not a provider's"),
            Self::Provider(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the request was denied; start again if that was a mistake"),
            Self::Expired { approval_may_be_lost: false } => f.write_str("nobody approved in time; start again"),
            Self::Expired { approval_may_be_lost: true } => {
                f.write_str("the code expired while the provider could not be reached; start again")
            }
            Self::ApprovalLost(error) => {
                write!(f, "an answer was lost and with it perhaps the approval; start again ({error})")
            }
            Self::CodeUnknown(error) => write!(f, "the code has expired or was used already; start again ({error})"),
            Self::Blocked(error) => write!(f, "an administrator's rule forbids it; ask them to allow it ({error})"),
            Self::Misconfigured(error) => write!(f, "the client is not set up right; {} ({error})", error.hint()),
            Self::Refused(error) => write!(f, "the provider refused: {error}; start again"),
            Self::BadAnswer(fault) => fault.fmt(f),
            Self::Certificate => {
                f.write_str("the provider's certificate was refused; check the address, the CA file and the network")
            }
            Self::Finished => f.write_str("the sign-in is over"),
            Self::Cancelled { approval_may_be_lost: false } => f.write_str("cancelled"),
            Self::Cancelled { approval_may_be_lost: true } => {
                f.write_str("cancelled; if it was approved meanwhile, withdraw that at the provider")
            }
        }
    }
}

impl core::error::Error for OAuthError {}
impl core::error::Error for BadAnswer {}
impl core::error::Error for SignInError {}
