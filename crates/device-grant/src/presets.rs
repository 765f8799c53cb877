//! Known providers.

use alloc::format;

use crate::client::{Endpoints, PresetError, Provider};
use crate::dialect::{DeviceAuth, Dialect};
use crate::text::Text;

/// A known provider: where it listens and how it talks.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// As in the configuration.
    pub name: &'static str,
    /// What the endpoints hang below; `None` where every customer has their own.
    pub base: Option<&'static str>,
    /// Below the base.
    pub device_authorization: &'static str,
    /// Below the base.
    pub token: &'static str,
    /// Below the base.
    pub revocation: Option<&'static str>,
    /// How it talks.
    pub dialect: Dialect,
}

/// All of them.
pub const PRESETS: &[Preset] = &[Preset {
    name: "google",
    base: Some("https://oauth2.googleapis.com"),
    device_authorization: "/device/code",
    token: "/token",
    revocation: Some("/revoke"),
    dialect: Dialect {
        name: "google",
        device_auth: DeviceAuth::IdOnly,
        revoke_auth: false,
        default_scopes: &["https://www.googleapis.com/auth/drive.file"],
        ..Dialect::RFC
    },
}];

pub(crate) fn provider(name: &str, base: Option<&str>) -> Result<Provider, PresetError> {
    let preset = PRESETS.iter().find(|preset| preset.name == name);
    let preset = preset.ok_or_else(|| PresetError::Unknown { name: Text::clean(name) })?;
    let base = base.or(preset.base).ok_or(PresetError::NeedsBase { preset: preset.name, example: "" })?;
    let base = base.trim_end_matches('/');
    let below = |path: &str| format!("{base}{path}");
    let revocation = preset.revocation.map(below);
    let endpoints = Endpoints::new(&below(preset.device_authorization), &below(preset.token), revocation.as_deref());
    let endpoints = endpoints.map_err(|bad| PresetError::BadBase { preset: preset.name, why: bad.why })?;
    Ok(Provider { endpoints, dialect: preset.dialect })
}
