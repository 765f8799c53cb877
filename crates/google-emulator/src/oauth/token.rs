//! `POST /token` and `POST /revoke` (docs/google.md 1.4, 2.1, 2.3, 2.4).

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Code, CodeState, Moment, SignIn,
    id_token::{self, Subject},
    oauth_error, oauth_json,
};
use crate::{
    options::{AfterExpiry, Client, Dialect, EarlyPoll, Rotation, Standing},
    wire::{Params, Reply, Request},
};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Before RFC 8628; comes with `code` instead of `device_code` (docs/google.md 1.1).
const LEGACY_DEVICE_GRANT: &str = "http://oauth.net/grant_type/device/1.0";

pub(crate) fn token(sign_in: &mut SignIn, at: &mut Moment<'_>, request: &Request) -> Reply {
    let Some(params) = request.form_or_json().filter(|params| !params.has_duplicates()) else {
        return oauth_error(400, "invalid_request", Some("Bad Request"));
    };
    // The grant type is looked at before anything else (docs/google.md 2.4, last lines).
    let outcome = match params.get("grant_type").unwrap_or_default() {
        DEVICE_GRANT => poll(sign_in, at, request, &params, "device_code"),
        LEGACY_DEVICE_GRANT => poll(sign_in, at, request, &params, "code"),
        "refresh_token" => refresh(sign_in, at, request, &params),
        other => Err(oauth_error(400, "unsupported_grant_type", Some(&format!("Invalid grant_type: {other}")))),
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

/// What a poll that brings no token is told.
enum Poll {
    Pending,
    SlowDown,
    Denied,
    Expired,
    Invalid,
    OrgInternal,
    AdminPolicy,
}

impl Poll {
    /// Google's statuses, unlike RFC 8628's 400 for all: the pair of 403s differs by `error` alone.
    fn reply(self, dialect: Dialect) -> Reply {
        let (status, error, description) = match self {
            Self::Pending => (428, "authorization_pending", Some("Precondition Required")),
            Self::SlowDown => (403, "slow_down", Some("Forbidden")),
            Self::Denied => (403, "access_denied", Some("Forbidden")),
            Self::Expired => (400, "expired_token", Some("Bad Request")),
            Self::Invalid => (400, "invalid_grant", Some("Bad Request")),
            Self::OrgInternal => (403, "org_internal", None),
            Self::AdminPolicy => (400, "admin_policy_enforced", None),
        };
        let status = match dialect {
            Dialect::Google => status,
            Dialect::Rfc => 400,
            Dialect::Github => 200,
        };
        oauth_error(status, error, description)
    }
}

fn poll(
    sign_in: &mut SignIn,
    at: &mut Moment<'_>,
    request: &Request,
    params: &Params,
    code_parameter: &str,
) -> Result<Reply, Reply> {
    let device_code =
        params.filled(code_parameter).ok_or_else(|| oauth_error(400, "invalid_request", Some("Bad Request")))?;
    let client = sign_in.authenticate(request, params)?.clone();
    let refuse = |poll: Poll| poll.reply(client.dialect);
    // A code is bound to its client (AS-18).
    let code = sign_in
        .codes
        .get_mut(device_code)
        .filter(|code| code.client_id == client.client_id)
        .ok_or_else(|| refuse(Poll::Invalid))?;
    let (account, scopes) = code.decision(at.now, &client, at.options.approve_as.as_deref()).map_err(refuse)?;
    if client.blocks(&account) {
        return Err(refuse(Poll::AdminPolicy));
    }
    if client.is_foreign(&account) {
        return Err(refuse(Poll::OrgInternal));
    }
    code.state = CodeState::Claimed;
    let code = normalised(code);
    sign_in.user_codes.remove(&code);

    let grant = sign_in.new_grant(at.now, &client, &account, &scopes);
    let refresh_token = sign_in.new_refresh_token(grant, at.random);
    let lifetime = Duration::from_secs(client.access_token_lifetime);
    let access_token = sign_in.new_access_token(at.now, grant, lifetime, &scopes, at.random);
    let mut body = json!({
        "access_token": access_token, "expires_in": client.access_token_lifetime, "refresh_token": refresh_token,
        "scope": scopes.join(" "), "token_type": "Bearer",
    });
    add_id_token(&mut body, at, &client, &account, &scopes);
    if let Some(ends) = sign_in.grants.get(&grant).and_then(|grant| grant.ends) {
        // 604799 in every capture: the second it took.
        body["refresh_token_expires_in"] = (ends - at.now).as_secs().saturating_sub(1).into();
    }
    Ok(oauth_json(200, &body))
}

fn add_id_token(body: &mut Value, at: &Moment<'_>, client: &Client, account: &str, scopes: &[String]) {
    let token = id_token::issue(&Subject {
        issuer: at.origin,
        client_id: &client.client_id,
        account,
        scopes,
        access_token: body["access_token"].as_str().unwrap_or_default(),
        now: at.now,
        lifetime: Duration::from_secs(client.access_token_lifetime),
    });
    if let Some(token) = token {
        body["id_token"] = token.into();
    }
}

fn normalised(code: &Code) -> String {
    super::normalise(&code.user_code)
}

impl Code {
    /// Account and scopes if this poll brings tokens.
    fn decision(
        &mut self,
        now: Duration,
        client: &Client,
        approve_as: Option<&str>,
    ) -> Result<(String, Vec<String>), Poll> {
        if self.state == CodeState::Claimed {
            return Err(Poll::Invalid);
        }
        if now >= self.expires {
            let told = std::mem::replace(&mut self.state, CodeState::ToldExpired) == CodeState::ToldExpired;
            return Err(match client.after_expiry {
                AfterExpiry::InvalidGrant => Poll::Invalid,
                AfterExpiry::ExpiredTokenOnce if told => Poll::Invalid,
                AfterExpiry::ExpiredToken | AfterExpiry::ExpiredTokenOnce => Poll::Expired,
            });
        }
        match client.standing {
            Standing::OrgInternal => return Err(Poll::OrgInternal),
            Standing::AdminPolicy => return Err(Poll::AdminPolicy),
            _ => {}
        }
        let is_early = self.count_poll(now, client.early_poll);
        if is_early && (client.slow_down_first || self.state == CodeState::Waiting) {
            return Err(Poll::SlowDown);
        }
        match (&self.state, approve_as) {
            (CodeState::Approved { account, scopes }, _) => Ok((account.clone(), scopes.clone())),
            (CodeState::Denied, _) => Err(Poll::Denied),
            (_, Some(account)) if self.pending > 0 && client.admits(account) => {
                Ok((account.to_owned(), self.scopes.clone()))
            }
            _ => {
                self.pending += 1;
                Err(Poll::Pending)
            }
        }
    }

    /// Whether this poll came sooner than the interval the client is held to.
    fn count_poll(&mut self, now: Duration, policy: EarlyPoll) -> bool {
        let is_early = self.last_poll.is_some_and(|last| now < last + self.interval);
        match policy {
            EarlyPoll::Tolerate => return false,
            // The trap of AS-16: a client that stays at its old pace never gets out.
            EarlyPoll::Grow if is_early => self.interval += Duration::from_secs(5),
            EarlyPoll::Hold if is_early => return true,
            EarlyPoll::Grow | EarlyPoll::Hold => {}
        }
        self.last_poll = Some(now);
        is_early
    }
}

fn refresh(sign_in: &mut SignIn, at: &mut Moment<'_>, request: &Request, params: &Params) -> Result<Reply, Reply> {
    let old_token =
        params.filled("refresh_token").ok_or_else(|| oauth_error(400, "invalid_request", Some("Bad Request")))?;
    let client = sign_in.authenticate(request, params)?.clone();
    match client.standing {
        Standing::AdminPolicy => return Err(oauth_error(400, "admin_policy_enforced", None)),
        Standing::InvalidRapt => {
            let body = json!({
                "error": "invalid_grant", "error_subtype": "invalid_rapt",
                "error_description": "reauth related error (invalid_rapt)",
            });
            return Err(oauth_json(400, &body));
        }
        _ => {}
    }
    let dead = || oauth_error(400, "invalid_grant", Some("Token has been expired or revoked."));
    let id = sign_in.grant_of(at.now, old_token).ok_or_else(dead)?;
    let super::Refresh { retired, replayed, .. } = *sign_in.refresh.get(old_token).ok_or_else(dead)?;
    let grant = sign_in.grants.get(&id).ok_or_else(dead)?.clone();
    if client.blocks(&grant.account) {
        return Err(oauth_error(400, "admin_policy_enforced", None));
    }
    // unknown to us: the status for another client's token; the code is known (docs/google.md 2.3).
    if grant.client_id != client.client_id {
        return Err(oauth_error(401, "unauthorized_client", Some("Unauthorized")));
    }
    let grace = match client.rotation {
        Rotation::Never => Duration::MAX,
        Rotation::OneReplay { .. } if replayed => Duration::ZERO,
        Rotation::Always { grace } | Rotation::OneReplay { grace } => Duration::from_secs(grace),
    };
    if retired.is_some_and(|since| at.now.saturating_sub(since) >= grace) {
        // Somebody has a copy: the whole family dies (RFC 9700 section 4.14.2).
        sign_in.end_grant(id);
        return Err(dead());
    }
    let scopes = match params.filled("scope") {
        None => grant.scopes,
        Some(wanted) => {
            let wanted: Vec<String> = wanted.split_ascii_whitespace().map(String::from).collect();
            // unknown to us: what Google answers to a wider scope; RFC 6749 section 6 forbids it.
            if !wanted.iter().all(|scope| grant.scopes.contains(scope)) {
                return Err(oauth_error(400, "invalid_scope", Some("Bad Request")));
            }
            wanted
        }
    };
    if let Some(grant) = sign_in.grants.get_mut(&id) {
        grant.used = Some(at.now);
    }
    let lifetime = Duration::from_secs(client.access_token_lifetime);
    let access_token = sign_in.new_access_token(at.now, id, lifetime, &scopes, at.random);
    let mut body = json!({
        "access_token": access_token, "expires_in": client.access_token_lifetime, "scope": scopes.join(" "),
        "token_type": "Bearer",
    });
    // unknown to us: whether Google's refresh brings one; OpenID Connect Core 1.0 section 12.2 allows it.
    add_id_token(&mut body, at, &client, &grant.account, &scopes);
    if client.rotation != Rotation::Never {
        if let Some(old) = sign_in.refresh.get_mut(old_token) {
            old.replayed = old.retired.is_some();
            old.retired.get_or_insert(at.now);
        }
        body["refresh_token"] = sign_in.new_refresh_token(id, at.random).into();
    }
    if let Some(ends) = grant.ends {
        body["refresh_token_expires_in"] = (ends - at.now).as_secs().into();
    }
    Ok(oauth_json(200, &body))
}

/// Google takes the token from the form or from the query, and asks for no client.
pub(crate) fn revoke(sign_in: &mut SignIn, at: &Moment<'_>, request: &Request) -> Reply {
    let form = request.form_or_json().unwrap_or_default();
    let query = request.query();
    match form.filled("token").or_else(|| query.filled("token")) {
        None => oauth_error(400, "invalid_request", Some("Bad Request")),
        Some(token) if sign_in.revoke(at.now, token) => oauth_json(200, &json!({})),
        Some(_) => oauth_error(400, "invalid_token", Some("Token expired or revoked")),
    }
}
