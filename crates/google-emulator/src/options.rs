//! What a test can choose about the world before it starts.

use serde::{Deserialize, Serialize};

/// The client that is always there.
pub const CLIENT_ID: &str = "emulator-client";
/// Its secret.
pub const CLIENT_SECRET: &str = "emulator-secret";
/// Its Cloud project.
pub const PROJECT_NUMBER: &str = "123456789012";

/// How the emulated world is set up. `Options::default()` is Google with its quotas and one TV client.
#[derive(Clone, Debug)]
pub struct Options {
    /// Approve every code for this account after exactly one pending answer.
    pub approve_as: Option<String>,
    /// Google: 60 per minute, user and project (docs/google.md 5.1). Five times that for a project.
    pub writes_per_minute: u32,
    /// The same for reads.
    pub reads_per_minute: u32,
    /// Decides every identifier, token and fault that is left to chance.
    pub seed: u64,
    /// More clients than [`Client::default`], which is always there unless one of these has its id.
    pub clients: Vec<Client>,
    /// Accept the scope `drive.appdata` in the device flow, as Google's page says. Off: refused, as two projects saw
    /// (docs/google.md 1.3).
    pub drive_appdata: bool,
    /// What a delete or update of developer metadata does when nothing matches; Google's answer is unknown
    /// (docs/google.md 4.4).
    pub no_match: NoMatch,
    /// Drive's `files.create` takes a generated id for a spreadsheet; whether Google does is unknown (docs/google.md
    /// 3.2). Off: 400.
    pub generated_ids: bool,
    /// Under `drive.file` an app sees what it made for another account once it is shared; whether it does with Google is
    /// unknown (docs/google.md 3.2). Off: 404.
    pub shared_files_are_seen: bool,
    /// A spreadsheet in the bin takes writes, as readers saw it serve; whether it does is unknown (docs/google.md 3.3).
    /// Off: 403.
    pub trashed_writes: bool,
    /// An app that was removed and allowed again sees what it made before; whether it does is unknown (docs/google.md
    /// 3.2). Off: 404.
    pub files_return: bool,
    /// Issue `https` addresses in discovery and in the verification address.
    pub https: bool,
    /// Other machines can reach the emulator: its pages warn of it. A [`Server`](crate::Server) sets it by its address.
    pub is_exposed: bool,
    /// Entries kept in the request log; 0 for none, which is a little faster.
    pub log_entries: usize,
    /// Codes that may wait for approval at once, before `rate_limit_exceeded`.
    pub pending_codes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            approve_as: None,
            writes_per_minute: 60,
            reads_per_minute: 60,
            seed: 0,
            clients: Vec::new(),
            drive_appdata: false,
            no_match: NoMatch::EmptyReply,
            generated_ids: false,
            shared_files_are_seen: true,
            trashed_writes: true,
            files_return: true,
            https: false,
            is_exposed: false,
            log_entries: 1_000,
            pending_codes: 10_000,
        }
    }
}

/// The part of [`Options`] that a running emulator can be told, and that its data file remembers. In JSON (`POST
/// /_emulator/options`); what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// [`Options::approve_as`]; the empty text for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve_as: Option<String>,
    /// [`Options::writes_per_minute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes_per_minute: Option<u32>,
    /// [`Options::reads_per_minute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reads_per_minute: Option<u32>,
    /// [`Options::drive_appdata`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drive_appdata: Option<bool>,
    /// [`Options::no_match`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_match: Option<NoMatch>,
    /// [`Options::generated_ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated_ids: Option<bool>,
    /// [`Options::shared_files_are_seen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_files_are_seen: Option<bool>,
    /// [`Options::trashed_writes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trashed_writes: Option<bool>,
    /// [`Options::files_return`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_return: Option<bool>,
}

impl Switches {
    /// What was told last holds.
    pub(crate) fn add(&mut self, newer: Self) {
        self.approve_as = newer.approve_as.or(self.approve_as.take());
        self.writes_per_minute = newer.writes_per_minute.or(self.writes_per_minute);
        self.reads_per_minute = newer.reads_per_minute.or(self.reads_per_minute);
        self.drive_appdata = newer.drive_appdata.or(self.drive_appdata);
        self.no_match = newer.no_match.or(self.no_match);
        self.generated_ids = newer.generated_ids.or(self.generated_ids);
        self.shared_files_are_seen = newer.shared_files_are_seen.or(self.shared_files_are_seen);
        self.trashed_writes = newer.trashed_writes.or(self.trashed_writes);
        self.files_return = newer.files_return.or(self.files_return);
    }
}

impl Options {
    /// These options with what was told since.
    pub(crate) fn with(mut self, switches: &Switches) -> Self {
        if let Some(account) = &switches.approve_as {
            self.approve_as = Some(account.clone()).filter(|account| !account.is_empty());
        }
        self.writes_per_minute = switches.writes_per_minute.unwrap_or(self.writes_per_minute);
        self.reads_per_minute = switches.reads_per_minute.unwrap_or(self.reads_per_minute);
        self.drive_appdata = switches.drive_appdata.unwrap_or(self.drive_appdata);
        self.no_match = switches.no_match.unwrap_or(self.no_match);
        self.generated_ids = switches.generated_ids.unwrap_or(self.generated_ids);
        self.shared_files_are_seen = switches.shared_files_are_seen.unwrap_or(self.shared_files_are_seen);
        self.trashed_writes = switches.trashed_writes.unwrap_or(self.trashed_writes);
        self.files_return = switches.files_return.unwrap_or(self.files_return);
        self
    }

    /// As they are now.
    pub(crate) fn switches(&self) -> Switches {
        Switches {
            approve_as: Some(self.approve_as.clone().unwrap_or_default()),
            writes_per_minute: Some(self.writes_per_minute),
            reads_per_minute: Some(self.reads_per_minute),
            drive_appdata: Some(self.drive_appdata),
            no_match: Some(self.no_match),
            generated_ids: Some(self.generated_ids),
            shared_files_are_seen: Some(self.shared_files_are_seen),
            trashed_writes: Some(self.trashed_writes),
            files_return: Some(self.files_return),
        }
    }
}

/// See [`Options::no_match`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoMatch {
    /// The request succeeds and lists nothing.
    #[default]
    EmptyReply,
    /// 400, and with it the whole batch.
    Refused,
}

/// One OAuth client and how Google, or somebody less usual, treats it.
///
/// In JSON (`POST /_emulator/clients`) every member has a default but `client_id`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Unique in the emulator.
    pub client_id: String,
    /// Empty for a client without a secret.
    pub client_secret: String,
    /// Files and revocation belong to the project, not to the client.
    pub project_number: String,
    /// Shown on the consent page.
    pub name: String,
    /// Whether and why the client is refused.
    pub standing: Standing,
    /// Publishing status *Testing*: refresh tokens die after seven days and say so.
    pub testing: bool,
    /// Who may sign in while it is *Testing*; empty for everybody.
    pub test_users: Vec<String>,
    /// The consent page warns that nobody verified the app.
    pub unverified: bool,
    /// Accounts of these domains are refused with `admin_policy_enforced`: their Workspace admin blocks the app.
    pub blocked_domains: Vec<String>,
    /// The domain of the app's organisation: accounts of others are refused with `org_internal`.
    pub organisation: Option<String>,
    /// Time-based access: a grant ends after so many seconds, and says so in `refresh_token_expires_in`.
    pub access_seconds: Option<u64>,
    /// The Sheets API is enabled in the project.
    pub sheets_api_enabled: bool,
    /// The Drive API is enabled in the project.
    pub drive_api_enabled: bool,
    /// A missing secret is refused with `client_secret is missing.`; for TV clients unknown (docs/google.md 1.4).
    pub secret_required: bool,
    /// Seconds until a user code dies; Google: 1800.
    pub code_lifetime: u64,
    /// Seconds between polls; Google: 5.
    pub interval: u64,
    /// How `interval` and `expires_in` are written.
    pub numbers: Numbers,
    /// `verification_url` (Google) or `verification_uri` (RFC 8628).
    pub verification: Verification,
    /// Status codes of the token endpoint.
    pub dialect: Dialect,
    /// What a poll after the code's end is told; Google's answer is unknown (docs/google.md 1.4).
    pub after_expiry: AfterExpiry,
    /// What a poll that comes too early does.
    pub early_poll: EarlyPoll,
    /// A code that was just issued counts as polled.
    pub issuing_is_a_poll: bool,
    /// A poll that is too early is told `slow_down` even when the code is already approved.
    pub slow_down_first: bool,
    /// Whether a refresh brings a new refresh token; Google: never.
    pub rotation: Rotation,
    /// Seconds of an access token; Google: 3599.
    pub access_token_lifetime: u64,
    /// Live refresh tokens per account and client; the oldest dies when one more is issued. Google: 100.
    pub refresh_tokens_per_account: usize,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.into(),
            client_secret: CLIENT_SECRET.into(),
            project_number: PROJECT_NUMBER.into(),
            name: "Emulated device".into(),
            standing: Standing::Good,
            testing: false,
            test_users: Vec::new(),
            unverified: false,
            blocked_domains: Vec::new(),
            organisation: None,
            access_seconds: None,
            sheets_api_enabled: true,
            drive_api_enabled: true,
            secret_required: true,
            code_lifetime: 1_800,
            interval: 5,
            numbers: Numbers::Numbers,
            verification: Verification::Url,
            dialect: Dialect::Google,
            after_expiry: AfterExpiry::ExpiredToken,
            early_poll: EarlyPoll::Grow,
            issuing_is_a_poll: false,
            slow_down_first: false,
            rotation: Rotation::Never,
            access_token_lifetime: 3_599,
            refresh_tokens_per_account: 100,
        }
    }
}

impl Client {
    /// Whether the account's Workspace admin blocks this app.
    pub(crate) fn blocks(&self, account: &str) -> bool {
        self.blocked_domains.iter().any(|domain| is_of(account, domain))
    }

    /// Whether the account is outside of the organisation that the app is for.
    pub(crate) fn is_foreign(&self, account: &str) -> bool {
        self.organisation.as_ref().is_some_and(|domain| !is_of(account, domain))
    }

    /// Whether the account may sign in while the app is *Testing*.
    pub(crate) fn admits(&self, account: &str) -> bool {
        let is_listed = || self.test_users.iter().any(|user| user.eq_ignore_ascii_case(account));
        !self.testing || self.test_users.is_empty() || is_listed()
    }
}

fn is_of(account: &str, domain: &str) -> bool {
    account.rsplit_once('@').is_some_and(|(_, own)| own.eq_ignore_ascii_case(domain))
}

/// Why a client is refused (docs/google.md 1.2, 1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is not.
    #[default]
    Good,
    /// `deleted_client`.
    Deleted,
    /// `disabled_client`.
    Disabled,
    /// Not of type *TVs and Limited Input devices*.
    WrongType,
    /// `org_internal` on polls: the account is outside the app's organisation.
    OrgInternal,
    /// `admin_policy_enforced` on polls and refreshes.
    AdminPolicy,
    /// `invalid_grant` with subtype `invalid_rapt` on refreshes.
    InvalidRapt,
}

/// How numbers are written in the answer that brings a code (AS-09).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// `5`
    #[default]
    Numbers,
    /// `"5"`
    Strings,
    /// `5.0`
    Floats,
    /// `interval` is left out.
    NoInterval,
}

/// Under which name the address is given (AS-09).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Google's `verification_url`.
    #[default]
    Url,
    /// RFC 8628's `verification_uri` and `verification_uri_complete`.
    Uri,
    /// Both.
    Both,
}

/// Which statuses carry the errors of a poll (AS-21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// 428 while pending, 403 for `slow_down` and `access_denied`.
    #[default]
    Google,
    /// 400 for everything but `invalid_client` (RFC 8628 section 3.5).
    Rfc,
    /// 200 with an `error` member.
    Github,
}

/// See [`Client::after_expiry`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterExpiry {
    /// RFC 8628's `expired_token`.
    #[default]
    ExpiredToken,
    /// `invalid_grant`.
    InvalidGrant,
    /// `expired_token` once, then `invalid_grant` (AS-19).
    ExpiredTokenOnce,
}

/// See [`Client::early_poll`] (AS-16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyPoll {
    /// `slow_down`, and the interval it is held to grows by five seconds for good (RFC 8628 section 3.5).
    #[default]
    Grow,
    /// `slow_down`, measured from the last poll that was not too early; the interval stays.
    Hold,
    /// It is answered like any other.
    Tolerate,
}

/// See [`Client::rotation`] (AS-20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The refresh token stays.
    #[default]
    Never,
    /// Each refresh brings a new one. The old one works for `grace` more seconds; after that its use revokes the
    /// whole family.
    Always {
        /// 0 for none.
        grace: u64,
    },
    /// The same, and within the grace the old one works once more, not oftener: for a client that lost the answer.
    OneReplay {
        /// Seconds.
        grace: u64,
    },
}
