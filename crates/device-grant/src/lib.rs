//! The OAuth 2.0 device authorization grant (RFC 8628), refresh, revocation and discovery, as pure state machines.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod account;
mod answer;
mod backoff;
pub mod bearer;
mod body;
mod client;
mod device_answer;
mod dialect;
mod discovery;
mod error;
mod exchange;
mod grant;
mod http_date;
mod pace;
mod pending;
mod pkce;
mod presets;
mod prompt;
mod refresh;
mod revoke;
mod scope;
mod secret;
mod sign_in;
mod text;
mod time;
mod tokens;
mod url;
mod wire;

pub use account::Account;
pub use backoff::Backoff;
pub use client::{BadClientId, BadEndpoint, Client, ClientAuth, Endpoints, PresetError, Provider};
pub use dialect::{ClientParam, DeviceAuth, Dialect, Encoding, IssuerCheck, RepeatScope, RevokeStyle, Word};
pub use discovery::{Discovery, DiscoveryError, DiscoveryStep, Metadata};
pub use error::{BadAnswer, OAuthError, SignInError, Trouble, WhatNext};
pub use exchange::{Answer, Lost, MAX_BODY_LEN_BYTES, Reply, Request};
pub use pending::{DamagedPending, Pending, ResumeError};
pub use pkce::Pkce;
pub use presets::{Base, PRESETS, Preset};
pub use prompt::{BadUserCode, Prompt, UserCode};
pub use refresh::{DeadReason, History, Refresh, Refreshed};
pub use revoke::{Revoke, Revoked};
pub use scope::{BadScope, Scopes};
pub use secret::{AccessToken, BadSecret, ClientSecret, DeviceCode, IdToken, RefreshToken};
pub use sign_in::{Ask, SignIn, Step};
pub use text::Text;
pub use time::{Mono, Stamp};
pub use tokens::{Tokens, refresh_after};
pub use url::{BadUrl, Url};
