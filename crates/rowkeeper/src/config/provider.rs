//! `[provider]`: who signs the device in; and the secrets that the configuration names by their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fmt, fs};

use device_grant::{ClientSecret, PresetError};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::ConfigError;
use crate::seal::StoreKey;

/// The client that the emulator knows without being told.
const EMULATOR_CLIENT: (&str, &str) = ("emulator-client", "emulator-secret");

/// Who signs the device in, and as which client.
#[derive(Debug)]
pub struct Provider {
    /// `google`, `github`, … or `none`.
    pub preset: String,
    /// Where to discover the endpoints.
    pub issuer: Option<String>,
    /// Explicit endpoints; they win over a preset's.
    pub device_authorization_endpoint: Option<String>,
    /// See [`Provider::device_authorization_endpoint`].
    pub token_endpoint: Option<String>,
    /// See [`Provider::device_authorization_endpoint`].
    pub revocation_endpoint: Option<String>,
    /// The client's public name at the provider.
    pub client_id: String,
    /// The client's secret, read from its file.
    pub client_secret: Option<ClientSecret>,
    /// How the client authenticates; `None`: `post` with a secret, else `none`.
    pub client_auth: Option<ClientAuth>,
    /// What to ask for; `None`: what the preset says.
    pub scopes: Option<Vec<String>>,
    /// Root certificates instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// Further request parameters, as the provider wants them.
    pub extra: Vec<(String, String)>,
    /// The origin of an emulator that stands in for provider and Sheets, such as `http://127.0.0.1:8085`.
    pub emulator: Option<String>,
}

/// `client_auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// A public client.
    None,
    /// The secret travels in the body.
    Post,
    /// HTTP Basic.
    Basic,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderTable {
    preset: Option<String>,
    issuer: Option<String>,
    device_authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    client_id: Option<String>,
    client_secret_file: Option<PathBuf>,
    client_auth: Option<ClientAuth>,
    scopes: Option<Vec<String>>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    extra: toml::Table,
}

impl ProviderTable {
    pub(super) fn read(self, folder: &Path) -> Result<Provider, ConfigError> {
        let client_id = self.client_id.filter(|id| !id.trim().is_empty()).ok_or(ConfigError::Value {
            key: "[provider] client_id",
            what: "missing; it is on the page of your OAuth client".into(),
        })?;
        let client_secret = self.client_secret_file.map(|file| client_secret(folder, &file)).transpose()?;
        let extra = self
            .extra
            .into_iter()
            .map(|(key, value)| match value {
                toml::Value::String(text) => Ok((key, text)),
                toml::Value::Integer(number) => Ok((key, number.to_string())),
                toml::Value::Boolean(truth) => Ok((key, truth.to_string())),
                _ => Err(ConfigError::Value {
                    key: "[provider.extra]",
                    what: format!("{key} must be a text, a whole number or a boolean"),
                }),
            })
            .collect::<Result<_, _>>()?;
        // Somebody who names an issuer or endpoints does not mean Google.
        let preset = self.preset.unwrap_or_else(|| {
            let own = self.issuer.is_some() || self.token_endpoint.is_some();
            if own { "none" } else { "google" }.into()
        });
        if preset != "none"
            && let Err(error @ PresetError::Unknown { .. }) = device_grant::Provider::preset(&preset, None)
        {
            return Err(ConfigError::Value { key: "[provider] preset", what: format!("{error}, or none") });
        }
        Ok(Provider {
            preset,
            issuer: self.issuer,
            device_authorization_endpoint: self.device_authorization_endpoint,
            token_endpoint: self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint,
            client_id,
            client_secret,
            client_auth: self.client_auth,
            scopes: self.scopes,
            ca_file: self.ca_file.map(|file| folder.join(file)),
            extra,
            emulator: None,
        })
    }
}

/// `$ROWKEEPER_EMULATOR`: Google's preset with its endpoints on one origin, and the client that it has built in.
pub(super) fn emulated(written: Option<ProviderTable>, folder: &Path, origin: String) -> Result<Provider, ConfigError> {
    if !(origin.starts_with("https://") || crate::url::is_loopback(&origin)) {
        return Err(ConfigError::Value {
            key: "ROWKEEPER_EMULATOR",
            what: format!("{origin} must be https, or http on this machine such as http://127.0.0.1:8085"),
        });
    }
    let written = written.unwrap_or_default();
    let (id, secret) = EMULATOR_CLIENT;
    Ok(Provider {
        preset: "google".into(),
        issuer: None,
        device_authorization_endpoint: Some(format!("{origin}/device/code")),
        token_endpoint: Some(format!("{origin}/token")),
        revocation_endpoint: Some(format!("{origin}/revoke")),
        client_id: id.into(),
        client_secret: ClientSecret::parse(secret.into()).ok(),
        client_auth: Some(ClientAuth::Post),
        scopes: written.scopes,
        ca_file: written.ca_file.map(|file| folder.join(file)),
        extra: Vec::new(),
        emulator: Some(origin),
    })
}

fn client_secret(folder: &Path, file: &Path) -> Result<ClientSecret, ConfigError> {
    let (path, raw) = credential(folder, file)?;
    let unusable = |error: &dyn fmt::Display| ConfigError::Value {
        key: "[provider] client_secret_file",
        what: format!("{} does not hold a client secret: {error}", path.display()),
    };
    let text = std::str::from_utf8(&raw).map_err(|error| unusable(&error))?;
    ClientSecret::parse(text.trim().into()).map_err(|error| unusable(&error))
}

pub(super) fn store_key(folder: &Path, file: &Path) -> Result<Arc<StoreKey>, ConfigError> {
    let (path, raw) = credential(folder, file)?;
    StoreKey::from_file_content(&raw)
        .map(Arc::new)
        .map_err(|error| ConfigError::Value { key: "[state] key_file", what: format!("{}: {error}", path.display()) })
}

/// A secret is in a file beside the configuration, or is the systemd credential of that name.
fn credential(folder: &Path, file: &Path) -> Result<(PathBuf, Zeroizing<Vec<u8>>), ConfigError> {
    let beside = folder.join(file);
    let credential = env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(file));
    let path = credential.filter(|path| path.exists()).unwrap_or(beside);
    match fs::read(&path) {
        Ok(raw) => Ok((path, Zeroizing::new(raw))),
        Err(cause) => Err(ConfigError::Unreadable { path, cause }),
    }
}
