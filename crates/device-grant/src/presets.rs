//! Known providers, as data.
//!
//! Where a provider's documentation says nothing, the entry rests on what its clients were seen to send. A preset only
//! saves typing: `Provider` with your own endpoints and dialect does the same.

use alloc::format;
use alloc::string::String;

use crate::client::{Endpoints, PresetError, Provider};
use crate::dialect::{ClientParam, DeviceAuth, Dialect, Encoding, IssuerCheck, RepeatScope, RevokeStyle, Word};
use crate::text::Text;
use crate::url::Url;

/// A known provider: where it listens and how it talks.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// As in the configuration.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What the endpoints hang below.
    pub base: Base,
    /// The issuer, where that is another address than the base: it is understood as the default base.
    pub issuer: Option<&'static str>,
    /// What an issuer has at its end and the base has not.
    pub issuer_suffix: &'static str,
    /// Below the base.
    pub device_authorization: &'static str,
    /// Below the base.
    pub token: &'static str,
    /// Below the base.
    pub revocation: Option<&'static str>,
    /// Where this is written, and what to know.
    pub source: &'static str,
    /// How it talks.
    pub dialect: Dialect,
}

/// Where a provider's endpoints hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The same for everybody, unless the configuration names another (a server of one's own).
    Default(&'static str),
    /// Every customer has their own.
    Own {
        /// What it looks like.
        example: &'static str,
    },
}

pub(crate) fn provider(name: &str, base: Option<&str>) -> Result<Provider, PresetError> {
    let preset = PRESETS.iter().find(|preset| preset.name == name || preset.aliases.contains(&name));
    let preset = preset.ok_or_else(|| PresetError::Unknown { name: Text::clean(name) })?;
    let base = preset.base(base)?;
    let below = |path: &str| -> String { format!("{base}{path}") };
    let revocation = preset.revocation.map(below);
    let endpoints = Endpoints::new(&below(preset.device_authorization), &below(preset.token), revocation.as_deref());
    let endpoints = endpoints.map_err(|bad| PresetError::BadBase { preset: preset.name, why: bad.why })?;
    Ok(Provider { endpoints, dialect: preset.dialect })
}

impl Preset {
    /// The base without a slash at its end: `given`, which may be an issuer, or the provider's own.
    fn base<'a>(&self, given: Option<&'a str>) -> Result<&'a str, PresetError> {
        let trim = |base: &'a str| base.trim_end_matches('/');
        let given = given.map(trim).filter(|given| Some(*given) != self.issuer);
        match (given, self.base) {
            (Some(given), _) => {
                let base = trim(given.strip_suffix(self.issuer_suffix).unwrap_or(given));
                Url::parse(base).and_then(Url::plain).map_err(|why| PresetError::BadBase { preset: self.name, why })?;
                Ok(base)
            }
            (None, Base::Default(base)) => Ok(base),
            (None, Base::Own { example }) => Err(PresetError::NeedsBase { preset: self.name, example }),
        }
    }
}

const RESPONSE_TYPE: &[(&str, &str)] = &[("response_type", "device_code")];

/// Google answers with the long names; asked for are the short ones.
const GOOGLE_ALIASES: &[(&str, &str)] = &[
    ("email", "https://www.googleapis.com/auth/userinfo.email"),
    ("profile", "https://www.googleapis.com/auth/userinfo.profile"),
];

const FACEBOOK_WORDS: &[(&str, Word)] =
    &[("1349174", Word::Pending), ("1349172", Word::SlowDown), ("1349152", Word::Expired), ("1349173", Word::Denied)];

const TRAKT_STATUSES: &[(u16, Word)] = &[
    (400, Word::Pending),
    (404, Word::Unknown),
    (409, Word::Unknown),
    (410, Word::Expired),
    (418, Word::Denied),
    (429, Word::SlowDown),
];

/// All presets. `none` is not among them: that is [`Provider::rfc`] with endpoints from discovery or by hand.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "google",
        aliases: &[],
        base: Base::Default("https://oauth2.googleapis.com"),
        issuer: Some("https://accounts.google.com"),
        issuer_suffix: "",
        device_authorization: "/device/code",
        token: "/token",
        revocation: Some("/revoke"),
        source: "https://developers.google.com/identity/protocols/oauth2/limited-input-device; `openid` scopes come back under their long names",
        dialect: Dialect {
            name: "google",
            device_auth: DeviceAuth::IdOnly,
            revoke: RevokeStyle::TokenOnly,
            default_scopes: &["https://www.googleapis.com/auth/drive.file"],
            scope_aliases: GOOGLE_ALIASES,
            ..Dialect::RFC
        },
    },
    Preset {
        name: "google-legacy",
        aliases: &[],
        base: Base::Default("https://accounts.google.com/o/oauth2"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device/code",
        token: "/token",
        revocation: Some("/revoke"),
        source: "what yup-oauth2 12 and older sends",
        dialect: Dialect {
            name: "google-legacy",
            device_auth: DeviceAuth::IdOnly,
            revoke: RevokeStyle::TokenOnly,
            poll_grant_type: "http://oauth.net/grant_type/device/1.0",
            poll_code_param: "code",
            scope_aliases: GOOGLE_ALIASES,
            ..Dialect::RFC
        },
    },
    Preset {
        name: "github",
        aliases: &[],
        base: Base::Default("https://github.com"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/login/device/code",
        token: "/login/oauth/access_token",
        revocation: None,
        source: "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps; errors come with status 200, `slow_down` with the new interval, scopes with commas",
        dialect: Dialect { name: "github", words: &[("bad_refresh_token", Word::Unknown)], ..Dialect::RFC },
    },
    Preset {
        name: "microsoft",
        aliases: &["entra"],
        base: Base::Default("https://login.microsoftonline.com/common"),
        issuer: None,
        issuer_suffix: "/v2.0",
        device_authorization: "/oauth2/v2.0/devicecode",
        token: "/oauth2/v2.0/token",
        revocation: None,
        source: "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code; the issuer of `common` is a template, a refresh may need the scopes again",
        dialect: Dialect {
            name: "microsoft",
            repeat_scope: RepeatScope::Refresh,
            issuer_check: IssuerCheck::Template,
            words: &[("interaction_required", Word::Unknown)],
            ..Dialect::RFC
        },
    },
    Preset {
        name: "microsoft-live",
        aliases: &[],
        base: Base::Default("https://login.live.com"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/oauth20_connect.srf",
        token: "/oauth20_token.srf",
        revocation: None,
        source: "seen in clients of consumer accounts",
        dialect: Dialect { name: "microsoft-live", device_extra: RESPONSE_TYPE, ..Dialect::RFC },
    },
    Preset {
        name: "auth0",
        aliases: &[],
        base: Base::Own { example: "https://tenant.eu.auth0.com" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/oauth/device/code",
        token: "/oauth/token",
        revocation: Some("/oauth/revoke"),
        source: "https://auth0.com/docs/get-started/authentication-and-authorization-flow/device-authorization-flow; a secret at the device endpoint is refused, an API token needs `audience`",
        dialect: Dialect { name: "auth0", device_auth: DeviceAuth::IdOnly, ..Dialect::RFC },
    },
    Preset {
        name: "okta",
        aliases: &[],
        base: Base::Own { example: "https://org.okta.com/oauth2/default" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/v1/device/authorize",
        token: "/v1/token",
        revocation: Some("/v1/revoke"),
        source: "https://developer.okta.com/docs/guides/device-authorization-grant/main/",
        dialect: Dialect { name: "okta", ..Dialect::RFC },
    },
    Preset {
        name: "keycloak",
        aliases: &[],
        base: Base::Own { example: "https://login.example.org/realms/shop" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/protocol/openid-connect/auth/device",
        token: "/protocol/openid-connect/token",
        revocation: Some("/protocol/openid-connect/revoke"),
        source: "Keycloak's DeviceGrantType.java; checks `slow_down` before the approval",
        dialect: Dialect { name: "keycloak", ..Dialect::RFC },
    },
    Preset {
        name: "gitlab",
        aliases: &[],
        base: Base::Default("https://gitlab.com"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/oauth/authorize_device",
        token: "/oauth/token",
        revocation: Some("/oauth/revoke"),
        source: "https://docs.gitlab.com/api/oauth2/#device-authorization-grant-flow",
        dialect: Dialect { name: "gitlab", ..Dialect::RFC },
    },
    Preset {
        name: "twitch",
        aliases: &[],
        base: Base::Default("https://id.twitch.tv/oauth2"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device",
        token: "/token",
        revocation: Some("/revoke"),
        source: "https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/#device-code-grant-flow; the word is in `message`",
        dialect: Dialect {
            name: "twitch",
            scope_param: "scopes",
            repeat_scope: RepeatScope::Poll,
            error_members: &["message"],
            words: &[("invalid device code", Word::Unknown), ("Invalid refresh token", Word::Unknown)],
            ..Dialect::RFC
        },
    },
    Preset {
        name: "aws-sso",
        aliases: &[],
        base: Base::Own { example: "https://oidc.eu-central-1.amazonaws.com" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device_authorization",
        token: "/token",
        revocation: None,
        source: "https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/; register the client first, add `startUrl` as an extra parameter",
        dialect: Dialect { name: "aws-sso", encoding: Encoding::CamelJson, ..Dialect::RFC },
    },
    Preset {
        name: "amazon",
        aliases: &["lwa"],
        base: Base::Default("https://api.amazon.com/auth/o2"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/create/codepair",
        token: "/token",
        revocation: None,
        source: "https://developer.amazon.com/docs/login-with-amazon/; a poll carries the user code too",
        dialect: Dialect {
            name: "amazon",
            device_extra: RESPONSE_TYPE,
            poll_grant_type: "device_code",
            poll_user_code: true,
            ..Dialect::RFC
        },
    },
    Preset {
        name: "salesforce",
        aliases: &[],
        base: Base::Default("https://login.salesforce.com/services/oauth2"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/token",
        token: "/token",
        revocation: Some("/revoke"),
        source: "https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_device_flow.htm; one address for everything, codes live ten minutes without saying so",
        dialect: Dialect {
            name: "salesforce",
            device_extra: RESPONSE_TYPE,
            poll_grant_type: "device",
            poll_code_param: "code",
            default_expires_in_s: 600,
            words: &[("too_fast", Word::SlowDown)],
            ..Dialect::RFC
        },
    },
    Preset {
        name: "facebook",
        aliases: &[],
        base: Base::Default("https://graph.facebook.com"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device/login",
        token: "/device/login_status",
        revocation: None,
        source: "https://developers.facebook.com/docs/facebook-login/for-devices and the Android SDK; the client's secret is the app's client token, the word a subcode",
        dialect: Dialect {
            name: "facebook",
            client_param: ClientParam::Joined("access_token"),
            scope_separator: ",",
            poll_grant_type: "",
            poll_code_param: "code",
            bearer_by_default: true,
            default_expires_in_s: 420,
            words: FACEBOOK_WORDS,
            ..Dialect::RFC
        },
    },
    Preset {
        name: "baidu",
        aliases: &[],
        base: Base::Default("https://openapi.baidu.com/oauth/2.0"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device/code",
        token: "/token",
        revocation: None,
        source: "seen in clients; commas between scopes",
        dialect: Dialect {
            name: "baidu",
            device_extra: RESPONSE_TYPE,
            scope_separator: ",",
            poll_grant_type: "device_token",
            poll_code_param: "code",
            bearer_by_default: true,
            ..Dialect::RFC
        },
    },
    Preset {
        name: "trakt",
        aliases: &[],
        base: Base::Default("https://api.trakt.tv"),
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/oauth/device/code",
        token: "/oauth/device/token",
        revocation: Some("/oauth/revoke"),
        source: "Trakt's API reference; the status is the word. Sign-in only: it refreshes at another address",
        dialect: Dialect {
            name: "trakt",
            encoding: Encoding::Json,
            poll_grant_type: "",
            poll_code_param: "code",
            poll_statuses: TRAKT_STATUSES,
            ..Dialect::RFC
        },
    },
    Preset {
        name: "zitadel",
        aliases: &[],
        base: Base::Own { example: "https://login.example.org" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/oauth/v2/device_authorization",
        token: "/oauth/v2/token",
        revocation: Some("/oauth/v2/revoke"),
        source: "Zitadel's discovery document",
        dialect: Dialect { name: "zitadel", ..Dialect::RFC },
    },
    Preset {
        name: "hydra",
        aliases: &[],
        base: Base::Own { example: "https://login.example.org" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/oauth2/device/auth",
        token: "/oauth2/token",
        revocation: Some("/oauth2/revoke"),
        source: "https://www.ory.sh/docs/oauth2-oidc/device-authorization",
        dialect: Dialect { name: "hydra", ..Dialect::RFC },
    },
    Preset {
        name: "better-auth",
        aliases: &[],
        base: Base::Own { example: "https://shop.example.org/api/auth" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device/code",
        token: "/device/token",
        revocation: None,
        source: "better-auth's device plugin, run; JSON only",
        dialect: Dialect { name: "better-auth", encoding: Encoding::Json, ..Dialect::RFC },
    },
    Preset {
        name: "django",
        aliases: &[],
        base: Base::Own { example: "https://shop.example.org/o" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device-authorization/",
        token: "/token/",
        revocation: Some("/revoke_token/"),
        source: "django-oauth-toolkit 3.4, run; an unknown code is 404 `device_not_found`",
        dialect: Dialect { name: "django", ..Dialect::RFC },
    },
    Preset {
        name: "oidc-provider",
        aliases: &[],
        base: Base::Own { example: "https://login.example.org" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device/auth",
        token: "/token",
        revocation: Some("/token/revocation"),
        source: "npm oidc-provider 9.13, run; never sends `interval`, a second use of a code kills the tokens",
        dialect: Dialect { name: "oidc-provider", ..Dialect::RFC },
    },
    Preset {
        name: "glewlwyd",
        aliases: &[],
        base: Base::Own { example: "https://login.example.org/api/glwd" },
        issuer: None,
        issuer_suffix: "",
        device_authorization: "/device_authorization",
        token: "/token",
        revocation: Some("/revoke"),
        source: "glewlwyd 2.7, run; a dead refresh token is a 400 with an empty body",
        dialect: Dialect { name: "glewlwyd", refresh_statuses: &[(400, Word::Unknown)], ..Dialect::RFC },
    },
];
