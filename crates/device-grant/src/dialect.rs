//! How a provider's talk differs from the standards, as data.
//!
//! A dialect changes parameter names, encodings and the meaning of words; it never adds a code path of its own.
//! What only *reads* more tolerantly (numbers in strings, `verification_url`, form-encoded answers) is on for everybody.

/// The differences of one provider. All fields are plain data, so your own provider is a `const` away:
///
/// ```
/// use device_grant::{Dialect, Word};
/// const OURS: Dialect = Dialect { words: &[("not_yet", Word::Pending)], ..Dialect::RFC };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Short name, as in the configuration.
    pub name: &'static str,
    /// How requests are encoded.
    pub encoding: Encoding,
    /// Further parameters of the device authorization request.
    pub device_extra: &'static [(&'static str, &'static str)],
    /// Whether the client's secret goes along with the device authorization request.
    pub device_auth: DeviceAuth,
    /// The parameter that carries the client's id (and secret).
    pub client_param: ClientParam,
    /// The parameter that carries the scopes.
    pub scope_param: &'static str,
    /// What separates scopes in a request.
    pub scope_separator: &'static str,
    /// Requests that repeat the scopes of the grant.
    pub repeat_scope: RepeatScope,
    /// `grant_type` of a poll; empty: not sent.
    pub poll_grant_type: &'static str,
    /// The parameter that carries the device code in a poll.
    pub poll_code_param: &'static str,
    /// Whether a poll carries the user code too.
    pub poll_user_code: bool,
    /// Words (of `error` and the members named in `error_members`) that mean something else or more than in the RFCs.
    pub words: &'static [(&'static str, Word)],
    /// Further members that may hold the word, if there is no `error`.
    pub error_members: &'static [&'static str],
    /// What a bare status of the token endpoint means in a poll, if the body holds no word.
    pub poll_statuses: &'static [(u16, Word)],
    /// The same for a refresh.
    pub refresh_statuses: &'static [(u16, Word)],
    /// An answer without `token_type` is taken for `Bearer`.
    pub bearer_by_default: bool,
    /// Life of a code in seconds when the answer does not say; zero: then the answer is refused.
    pub default_expires_in_s: u32,
    /// Scopes to ask for when the configuration does not say.
    pub default_scopes: &'static [&'static str],
    /// Scopes that come back under another name: (asked, answered).
    pub scope_aliases: &'static [(&'static str, &'static str)],
    /// What goes along with a token to be revoked.
    pub revoke: RevokeStyle,
    /// How the issuer in a discovery document is compared.
    pub issuer_check: IssuerCheck,
}

/// How request bodies are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`, as all RFCs want.
    Form,
    /// JSON with the names of the RFCs.
    Json,
    /// JSON with `camelCase` names.
    CamelJson,
}

/// What the device authorization request says about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceAuth {
    /// The same as at the token endpoint (RFC 8628 section 3.1).
    Same,
    /// The id only, even if there is a secret.
    IdOnly,
}

/// Where the client's id goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientParam {
    /// `client_id` and `client_secret`.
    Separate,
    /// One parameter of this name: id and secret with `|` between.
    Joined(&'static str),
}

/// Which later requests repeat the scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatScope {
    /// None: the grant is what was approved.
    Never,
    /// Each poll.
    Poll,
    /// Each refresh.
    Refresh,
}

/// What a revocation request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeStyle {
    /// The token, a hint at its kind, and the client as at the token endpoint (RFC 7009 section 2.1).
    Rfc,
    /// The token alone.
    TokenOnly,
}

/// How the `issuer` of a discovery document is compared with the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerCheck {
    /// Byte for byte (RFC 8414 section 3.3).
    Exact,
    /// A path segment in braces stands for any one: Entra's `common` answers `https://…/{tenantid}/v2.0`.
    Template,
}

/// What a provider's word means, whatever the status it comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nobody has decided yet.
    Pending,
    /// Poll less often.
    SlowDown,
    /// The person said no.
    Denied,
    /// The code is too old.
    Expired,
    /// The code or refresh token is unknown, used up or revoked.
    Unknown,
    /// An administrator's rule forbids it.
    Blocked,
    /// The client's registration or configuration is wrong: somebody must fix it, another approval does not help.
    Misconfigured,
    /// The provider has a bad moment.
    Transient,
}

impl Dialect {
    /// RFC 8628, RFC 6749 and RFC 7009 as they are.
    pub const RFC: Self = Self {
        name: "none",
        encoding: Encoding::Form,
        device_extra: &[],
        device_auth: DeviceAuth::Same,
        client_param: ClientParam::Separate,
        scope_param: "scope",
        scope_separator: " ",
        repeat_scope: RepeatScope::Never,
        poll_grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        poll_code_param: "device_code",
        poll_user_code: false,
        words: &[],
        error_members: &[],
        poll_statuses: &[],
        refresh_statuses: &[],
        bearer_by_default: false,
        default_expires_in_s: 0,
        default_scopes: &[],
        scope_aliases: &[],
        revoke: RevokeStyle::Rfc,
        issuer_check: IssuerCheck::Exact,
    };

    /// What `word` means here; `None` for a word nobody told us about.
    pub fn meaning(&self, word: &str) -> Option<Word> {
        let find = |table: &[(&str, Word)]| table.iter().find(|(text, _)| *text == word).map(|(_, meaning)| *meaning);
        find(self.words).or_else(|| find(WORDS))
    }
}

/// Words that mean the same wherever they are used. RFC 8628 section 3.5, RFC 6749 section 5.2, and spellings seen
/// with single providers which nobody else uses for something different.
const WORDS: &[(&str, Word)] = &[
    ("authorization_pending", Word::Pending),
    ("slow_down", Word::SlowDown),
    ("access_denied", Word::Denied),
    ("authorization_declined", Word::Denied), // Microsoft Entra
    ("expired_token", Word::Expired),
    ("token_expired", Word::Expired), // GitHub's documentation
    ("code_expired", Word::Expired),
    ("invalid_grant", Word::Unknown),
    ("bad_verification_code", Word::Unknown), // Microsoft Entra
    ("incorrect_device_code", Word::Unknown), // GitHub
    ("device_not_found", Word::Unknown),      // django-oauth-toolkit
    ("admin_policy_enforced", Word::Blocked), // Google
    ("org_internal", Word::Blocked),          // Google
    ("invalid_client", Word::Misconfigured),
    ("invalid_request", Word::Misconfigured),
    ("invalid_scope", Word::Misconfigured),
    ("unauthorized_client", Word::Misconfigured),
    ("unsupported_grant_type", Word::Misconfigured),
    ("deleted_client", Word::Misconfigured),               // Google
    ("disabled_client", Word::Misconfigured),              // Google
    ("incorrect_client_credentials", Word::Misconfigured), // GitHub
    ("device_flow_disabled", Word::Misconfigured),         // GitHub
    ("server_error", Word::Transient),
    ("temporarily_unavailable", Word::Transient),
    ("internal_failure", Word::Transient),    // Google
    ("rate_limit_exceeded", Word::Transient), // Google
];
