//! Sign-in: clients, codes waiting for a person, grants and tokens.

mod base64;
mod device;
mod id_token;
mod info;
mod token;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    options::{Client, Options, Standing},
    random::Random,
    wire::{Params, Reply, Request},
};

pub(crate) use device::device_code;
pub(crate) use id_token::certs;
pub(crate) use info::{discovery, subject, tokeninfo, userinfo};
pub(crate) use token::{revoke, token};

/// What every endpoint needs to know about the moment it is called in.
pub(crate) struct Moment<'a> {
    pub(crate) now: Duration,
    pub(crate) random: &'a mut Random,
    pub(crate) options: &'a Options,
    /// `http://host:port`, as the client sees it.
    pub(crate) origin: &'a str,
}

/// Everything the sign-in side remembers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SignIn {
    pub(crate) clients: BTreeMap<String, Client>,
    /// By device code.
    codes: BTreeMap<String, Code>,
    /// Normalised user code to device code, while both live.
    user_codes: BTreeMap<String, String>,
    grants: BTreeMap<u64, Grant>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
    next_grant: u64,
    /// Wrong user codes typed lately, for AS-05.
    wrong_codes: Vec<Duration>,
    /// How often an account removed the apps of a project.
    #[serde(default)]
    removals: BTreeMap<String, u64>,
}

fn removal_key(account: &str, project: &str) -> String {
    format!("{project}/{account}")
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Code {
    client_id: String,
    /// As shown, with its dash.
    user_code: String,
    scopes: Vec<String>,
    expires: Duration,
    /// What the client is held to; grows.
    interval: Duration,
    last_poll: Option<Duration>,
    /// Pending answers so far.
    pending: u32,
    state: CodeState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum CodeState {
    Waiting,
    Approved {
        account: String,
        scopes: Vec<String>,
    },
    Denied,
    Claimed,
    /// Its end was told once, see `AfterExpiry::ExpiredTokenOnce`.
    ToldExpired,
}

/// One approval: account and client, and the tokens that hang on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Grant {
    client_id: String,
    project_number: String,
    account: String,
    scopes: Vec<String>,
    /// Testing status: seven days; time-based access: as long as was allowed.
    ends: Option<Duration>,
    /// Of the refresh token, last. A data file of before has none.
    #[serde(default)]
    used: Option<Duration>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Access {
    grant: u64,
    expires: Duration,
    scopes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Refresh {
    grant: u64,
    /// Set when it was rotated away.
    retired: Option<Duration>,
    /// It was used again after that.
    #[serde(default)]
    replayed: bool,
}

/// Who asks, as the APIs see it.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) project_number: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires: Duration,
    pub(crate) sheets_api_enabled: bool,
    pub(crate) drive_api_enabled: bool,
    /// Under `drive.file`, also what its app made for another account that shared it since.
    pub(crate) sees_shared: bool,
    /// How often this account removed this project's apps.
    pub(crate) removals: u64,
    /// What the app made before it was removed comes back with a new approval.
    pub(crate) files_return: bool,
    /// A spreadsheet in the bin takes writes.
    pub(crate) trashed_writes: bool,
}

impl Caller {
    /// With the world's switches about what nobody knows.
    pub(crate) fn under(self, options: &Options) -> Self {
        Self {
            sees_shared: options.shared_files_are_seen,
            files_return: options.files_return,
            trashed_writes: options.trashed_writes,
            ..self
        }
    }
}

/// A code that a person may decide about, for pages and tests.
#[derive(Clone, Debug)]
pub struct PendingCode {
    /// As shown on the device.
    pub user_code: String,
    /// Who asked for it.
    pub client_id: String,
    /// The client's name on the consent page.
    pub client_name: String,
    /// What it asked for.
    pub scopes: Vec<String>,
    /// Unix time of its end.
    pub expires: Duration,
}

/// Why a person's decision could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecideError {
    /// No such code, or it was used already.
    UnknownCode,
    /// It was right once.
    Expired,
    /// Too many wrong codes in the last minute (AS-05).
    TooManyTries,
    /// The app is *Testing*, and this account is not on its list.
    NotATestUser,
}

impl std::fmt::Display for DecideError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownCode => "no code like this is waiting; look at the device again",
            Self::Expired => "this code has expired; the device can show a new one",
            Self::TooManyTries => "too many wrong codes; wait a minute",
            Self::NotATestUser => "the app is being tested, and this account is not among its test users",
        })
    }
}

impl std::error::Error for DecideError {}

/// 34.5 bits of code and this many tries a minute keep guessing hopeless (AS-05).
const WRONG_CODES_PER_MINUTE: usize = 30;
/// "Unused for six months" (docs/google.md 2.2).
const SIX_MONTHS: Duration = Duration::from_secs(183 * 86_400);
const SEVEN_DAYS: Duration = Duration::from_secs(7 * 86_400);
/// A code is remembered so long after its end, to be told `expired_token`.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// Upper case, and nothing outside letters and digits (AS-06).
pub(crate) fn normalise(user_code: &str) -> String {
    user_code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

impl SignIn {
    pub(crate) fn client_of(&self, client_id: &str) -> Option<&Client> {
        self.clients.get(client_id)
    }

    /// Codes that can still be decided, oldest first as far as they have the same lifetime.
    pub(crate) fn pending(&self, now: Duration) -> Vec<PendingCode> {
        let mut pending: Vec<_> = self
            .user_codes
            .values()
            .filter_map(|device_code| self.codes.get(device_code))
            .filter(|code| code.state == CodeState::Waiting && code.expires > now)
            .map(|code| self.describe(code))
            .collect();
        pending.sort_by_key(|code| code.expires);
        pending
    }

    fn describe(&self, code: &Code) -> PendingCode {
        PendingCode {
            user_code: code.user_code.clone(),
            client_id: code.client_id.clone(),
            client_name: self.clients.get(&code.client_id).map_or_else(String::new, |client| client.name.clone()),
            scopes: code.scopes.clone(),
            expires: code.expires,
        }
    }

    /// The code a person typed, as typed. Looking does not change anything.
    pub(crate) fn look_up(&self, now: Duration, user_code: &str) -> Result<PendingCode, DecideError> {
        if self.recent_wrong_codes(now) >= WRONG_CODES_PER_MINUTE {
            return Err(DecideError::TooManyTries);
        }
        let code = self
            .user_codes
            .get(&normalise(user_code))
            .and_then(|device_code| self.codes.get(device_code))
            .ok_or(DecideError::UnknownCode)?;
        match code.state {
            CodeState::Waiting if code.expires > now => Ok(self.describe(code)),
            CodeState::Waiting | CodeState::ToldExpired => Err(DecideError::Expired),
            _ => Err(DecideError::UnknownCode),
        }
    }

    fn recent_wrong_codes(&self, now: Duration) -> usize {
        self.wrong_codes.iter().filter(|&&at| at + Duration::from_secs(60) > now).count()
    }

    pub(crate) fn count_wrong_code(&mut self, now: Duration) {
        self.wrong_codes.retain(|&at| at + Duration::from_secs(60) > now);
        if self.wrong_codes.len() < WRONG_CODES_PER_MINUTE {
            self.wrong_codes.push(now);
        }
    }

    /// A person allows. `scopes`: what they left ticked; None for everything asked.
    pub(crate) fn approve(
        &mut self,
        now: Duration,
        user_code: &str,
        account: &str,
        scopes: Option<Vec<String>>,
    ) -> Result<(), DecideError> {
        let client_id = self.look_up(now, user_code)?.client_id;
        if self.client_of(&client_id).is_some_and(|client| !client.admits(account)) {
            return Err(DecideError::NotATestUser);
        }
        let code = self.waiting(now, user_code)?;
        let scopes = match scopes {
            Some(ticked) => code.scopes.iter().filter(|scope| ticked.contains(scope)).cloned().collect(),
            None => code.scopes.clone(),
        };
        code.state = CodeState::Approved { account: account.to_owned(), scopes };
        Ok(())
    }

    pub(crate) fn deny(&mut self, now: Duration, user_code: &str) -> Result<(), DecideError> {
        self.waiting(now, user_code)?.state = CodeState::Denied;
        Ok(())
    }

    fn waiting(&mut self, now: Duration, user_code: &str) -> Result<&mut Code, DecideError> {
        self.look_up(now, user_code)?;
        let device_code = self.user_codes.get(&normalise(user_code)).ok_or(DecideError::UnknownCode)?;
        self.codes.get_mut(device_code).ok_or(DecideError::UnknownCode)
    }

    /// Ends a code now, for tests of expiry.
    pub(crate) fn expire_code(&mut self, now: Duration, user_code: &str) -> bool {
        match self.waiting(now, user_code) {
            Ok(code) => {
                code.expires = now;
                true
            }
            Err(_) => false,
        }
    }

    fn forget_old_codes(&mut self, now: Duration) {
        self.codes.retain(|_, code| code.expires + REMEMBERED > now);
        let codes = &self.codes;
        self.user_codes.retain(|_, device_code| codes.contains_key(device_code));
    }

    /// The client of a request to the token endpoint, from the form or the Basic header (AS-22).
    fn authenticate(&self, request: &Request, params: &Params) -> Result<&Client, Reply> {
        let basic = request.header("authorization").and_then(basic_credentials);
        let (client_id, secret) = match &basic {
            Some((id, secret)) => (Some(id.as_str()), Some(secret.as_str())),
            None => (params.filled("client_id"), params.filled("client_secret")),
        };
        // unknown to us: the words for a client that does not say who it is.
        let Some(client_id) = client_id else {
            return Err(oauth_error(400, "invalid_request", Some("Bad Request")));
        };
        let client = self.standing_client(client_id)?;
        match secret {
            None if !client.client_secret.is_empty() && client.secret_required => {
                Err(oauth_error(400, "invalid_request", Some("client_secret is missing.")))
            }
            Some(secret) if secret != client.client_secret => {
                Err(oauth_error(401, "invalid_client", Some("Unauthorized")))
            }
            _ => Ok(client),
        }
    }

    /// The client, unless it is unknown or gone (docs/google.md 1.2).
    fn standing_client(&self, client_id: &str) -> Result<&Client, Reply> {
        let Some(client) = self.clients.get(client_id) else {
            return Err(oauth_error(401, "invalid_client", Some("The OAuth client was not found.")));
        };
        match client.standing {
            Standing::Deleted => Err(oauth_error(401, "deleted_client", Some("The OAuth client was deleted."))),
            Standing::Disabled => Err(oauth_error(401, "disabled_client", Some("The OAuth client was disabled."))),
            Standing::WrongType => Err(oauth_error(
                401,
                "invalid_client",
                Some(
                    "Only clients of type 'TVs and Limited Input devices' can use the OAuth 2.0 flow for TV and \
                     Limited-Input Device Applications. Please create and use an appropriate client.",
                ),
            )),
            _ => Ok(client),
        }
    }

    /// Makes a grant with its refresh token; the 101st of an account silently ends the first (docs/google.md 2.2).
    fn new_grant(&mut self, now: Duration, client: &Client, account: &str, scopes: &[String]) -> u64 {
        let mut siblings: Vec<u64> = self
            .grants
            .iter()
            .filter(|(_, grant)| grant.client_id == client.client_id && grant.account == account)
            .map(|(&id, _)| id)
            .collect();
        while siblings.len() >= client.refresh_tokens_per_account.max(1) {
            self.end_grant(siblings.remove(0));
        }
        // Name, email and profile alone are exempt from the seven days of Testing.
        let only_identity = scopes.iter().all(|scope| device::is_identity(scope));
        let id = self.next_grant;
        self.next_grant += 1;
        self.grants.insert(
            id,
            Grant {
                client_id: client.client_id.clone(),
                project_number: client.project_number.clone(),
                account: account.to_owned(),
                scopes: scopes.to_vec(),
                ends: [
                    (client.testing && !only_identity).then_some(SEVEN_DAYS),
                    client.access_seconds.map(Duration::from_secs),
                ]
                .into_iter()
                .flatten()
                .min()
                .map(|length| now + length),
                used: Some(now),
            },
        );
        id
    }

    fn new_refresh_token(&mut self, grant: u64, random: &mut Random) -> String {
        let token = format!("1//0{}", random.opaque(99));
        self.refresh.insert(token.clone(), Refresh { grant, retired: None, replayed: false });
        token
    }

    fn new_access_token(
        &mut self,
        now: Duration,
        grant: u64,
        lifetime: Duration,
        scopes: &[String],
        random: &mut Random,
    ) -> String {
        // Now and then, so that a device that refreshes for years leaves nothing behind.
        if self.access.len() % 64 == 63 {
            self.access.retain(|_, access| access.expires > now);
        }
        let token = format!("ya29.a0{}", random.opaque(180));
        self.access.insert(token.clone(), Access { grant, expires: now + lifetime, scopes: scopes.to_vec() });
        token
    }

    fn end_grant(&mut self, grant: u64) {
        self.grants.remove(&grant);
        self.access.retain(|_, access| access.grant != grant);
        self.refresh.retain(|_, refresh| refresh.grant != grant);
    }

    /// The grant a living token of either kind hangs on.
    fn grant_of(&self, now: Duration, token: &str) -> Option<u64> {
        let by_access = self.access.get(token).filter(|access| access.expires > now).map(|access| access.grant);
        let id = by_access.or_else(|| self.refresh.get(token).map(|refresh| refresh.grant))?;
        let is_alive = |grant: &Grant| {
            grant.ends.is_none_or(|ends| ends > now) && grant.used.is_none_or(|used| used + SIX_MONTHS > now)
        };
        self.grants.get(&id).is_some_and(is_alive).then_some(id)
    }

    /// Whose token it is, of either kind.
    pub(crate) fn account_of(&self, now: Duration, token: &str) -> Option<String> {
        let id = self.grant_of(now, token)?;
        self.grants.get(&id).map(|grant| grant.account.clone())
    }

    /// Revocation takes every client of the project with it (docs/google.md 2.2).
    pub(crate) fn revoke(&mut self, now: Duration, token: &str) -> bool {
        let Some(grant) = self.grant_of(now, token).and_then(|id| self.grants.get(&id)).cloned() else {
            return false;
        };
        self.revoke_account(&grant.account, Some(&grant.project_number)) > 0
    }

    /// The owner removes the app in their account's settings. `project`: None for all of them.
    pub(crate) fn revoke_account(&mut self, account: &str, project: Option<&str>) -> usize {
        let ended: Vec<u64> = self
            .grants
            .iter()
            .filter(|(_, grant)| grant.account == account && project.is_none_or(|p| p == grant.project_number))
            .map(|(&id, _)| id)
            .collect();
        self.count_removals(|grant| grant.account == account && project.is_none_or(|p| p == grant.project_number));
        ended.iter().for_each(|&id| self.end_grant(id));
        ended.len()
    }

    /// Once for each account and project, however many devices it had.
    fn count_removals(&mut self, is_removed: impl Fn(&Grant) -> bool) {
        let removed = self.grants.values().filter(|grant| is_removed(grant));
        let keys: std::collections::BTreeSet<String> =
            removed.map(|grant| removal_key(&grant.account, &grant.project_number)).collect();
        keys.into_iter().for_each(|key| *self.removals.entry(key).or_default() += 1);
    }

    pub(crate) fn revoke_everything(&mut self) {
        self.count_removals(|_| true);
        self.grants.clear();
        self.access.clear();
        self.refresh.clear();
    }

    pub(crate) fn expire_access_token(&mut self, token: &str) {
        self.access.remove(token);
    }

    pub(crate) fn expire_access_tokens(&mut self) {
        self.access.clear();
    }

    pub(crate) fn accounts(&self) -> Vec<String> {
        let mut accounts: Vec<String> = self.grants.values().map(|grant| grant.account.clone()).collect();
        accounts.sort();
        accounts.dedup();
        accounts
    }

    /// Who holds this access token.
    pub(crate) fn caller(&self, now: Duration, token: &str) -> Option<Caller> {
        let access = self.access.get(token).filter(|access| access.expires > now)?;
        let grant = self.grants.get(&access.grant).filter(|grant| grant.ends.is_none_or(|ends| ends > now))?;
        let client = self.clients.get(&grant.client_id);
        Some(Caller {
            account: grant.account.clone(),
            project_number: grant.project_number.clone(),
            client_id: grant.client_id.clone(),
            scopes: access.scopes.clone(),
            expires: access.expires,
            sheets_api_enabled: client.is_none_or(|client| client.sheets_api_enabled),
            sees_shared: true,
            removals: self.removals.get(&removal_key(&grant.account, &grant.project_number)).copied().unwrap_or(0),
            files_return: true,
            trashed_writes: true,
            drive_api_enabled: client.is_none_or(|client| client.drive_api_enabled),
        })
    }
}

/// The error body of the sign-in endpoints.
fn oauth_error(status: u16, error: &str, description: Option<&str>) -> Reply {
    let mut body = json!({ "error": error });
    if let Some(description) = description {
        body["error_description"] = description.into();
    }
    oauth_json(status, &body)
}

/// RFC 6749 section 5.1 asks for `no-store` on everything that may carry a token.
fn oauth_json(status: u16, body: &Value) -> Reply {
    let reply = Reply::json(status, body)
        .with_header("Content-Type", "application/json; charset=utf-8")
        .with_header("Cache-Control", "no-store")
        .with_header("Pragma", "no-cache");
    if status == 401 {
        reply.with_header("WWW-Authenticate", "Basic realm=\"https://accounts.google.com/\"")
    } else {
        reply
    }
}

/// RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ").or_else(|| header.strip_prefix("basic "))?;
    let text = String::from_utf8(base64::decode(encoded.trim())?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |part| crate::wire::decode(part, crate::wire::Plus::Space);
    Some((plain(id), plain(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_match_however_a_person_types_them() {
        for typed in ["wdjb mjht", "WDJBMJHT", "wdjb-mjht ", "WDJB–MJHT"] {
            assert_eq!(normalise(typed), "WDJBMJHT");
        }
    }

    #[test]
    fn basic_credentials_are_form_encoded() {
        let header = "Basic aWQlM0FhOnMlMjVlJTJCYw==";
        assert_eq!(basic_credentials(header), Some(("id:a".into(), "s%e+c".into())));
        assert_eq!(basic_credentials("Basic !!"), None);
        assert_eq!(basic_credentials("Bearer x"), None);
    }
}
