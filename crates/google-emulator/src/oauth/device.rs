//! `POST /device/code` (docs/google.md 1.2).

use std::time::Duration;

use serde_json::{Value, json};

use super::{Code, CodeState, Moment, SignIn, normalise, oauth_error, oauth_json};
use crate::{
    options::{Numbers, Verification},
    wire::{Reply, Request, encode},
};

/// Twenty letters without vowels: no words, nothing that is read as something else (RFC 8628 section 6.1).
const USER_CODE_LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
pub(super) const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";
const DRIVE_APPDATA: &str = "https://www.googleapis.com/auth/drive.appdata";
const USERINFO_EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";
const USERINFO_PROFILE: &str = "https://www.googleapis.com/auth/userinfo.profile";

pub(super) fn is_identity(scope: &str) -> bool {
    ["openid", USERINFO_EMAIL, USERINFO_PROFILE].contains(&scope)
}

/// `email` and `profile` come back under their long names, with `openid` (docs/google.md 1.3).
fn expand(scope: &str) -> &str {
    match scope {
        "email" => USERINFO_EMAIL,
        "profile" => USERINFO_PROFILE,
        other => other,
    }
}

fn is_allowed(scope: &str, drive_appdata: bool) -> bool {
    match scope {
        DRIVE_FILE | "https://www.googleapis.com/auth/youtube" | "https://www.googleapis.com/auth/youtube.readonly" => {
            true
        }
        DRIVE_APPDATA => drive_appdata,
        scope => is_identity(scope),
    }
}

pub(crate) fn device_code(sign_in: &mut SignIn, at: &mut Moment<'_>, request: &Request) -> Reply {
    match issue(sign_in, at, request) {
        Ok(reply) | Err(reply) => reply,
    }
}

fn issue(sign_in: &mut SignIn, at: &mut Moment<'_>, request: &Request) -> Result<Reply, Reply> {
    // unknown to us: the texts for missing parameters (docs/google.md 1.2); these are the token endpoint's.
    let bad_request = || oauth_error(400, "invalid_request", Some("Bad Request"));
    let params = request.form_or_json().filter(|params| !params.has_duplicates()).ok_or_else(bad_request)?;
    let client_id = params.filled("client_id").ok_or_else(bad_request)?;
    let client = sign_in.standing_client(client_id)?.clone();
    let mut scopes: Vec<String> = Vec::new();
    for scope in params.filled("scope").ok_or_else(bad_request)?.split_ascii_whitespace() {
        let scope = expand(scope);
        if !is_allowed(scope, at.options.drive_appdata) {
            let text = format!("Invalid device flow scope: {scope}");
            return Err(oauth_error(400, "invalid_scope", Some(&text)));
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    if scopes.is_empty() {
        return Err(bad_request());
    }
    if scopes.iter().any(|scope| is_identity(scope)) && !scopes.iter().any(|scope| scope == "openid") {
        scopes.push("openid".into());
    }

    if sign_in.codes.len() >= at.options.pending_codes {
        sign_in.forget_old_codes(at.now);
    }
    if sign_in.codes.len() >= at.options.pending_codes {
        // The key really is `error_code` here.
        return Err(oauth_json(403, &json!({"error_code": "rate_limit_exceeded"})));
    }
    let user_code = loop {
        let letters = at.random.text(USER_CODE_LETTERS, 8);
        if !sign_in.user_codes.contains_key(&letters) {
            break format!("{}-{}", &letters[..4], &letters[4..]);
        }
    };
    let device_code = format!("AH-1Ng{}", at.random.opaque(92));
    sign_in.user_codes.insert(normalise(&user_code), device_code.clone());
    sign_in.codes.insert(
        device_code.clone(),
        Code {
            client_id: client.client_id.clone(),
            user_code: user_code.clone(),
            scopes,
            expires: at.now + Duration::from_secs(client.code_lifetime),
            interval: Duration::from_secs(client.interval),
            last_poll: client.issuing_is_a_poll.then_some(at.now),
            pending: 0,
            state: CodeState::Waiting,
        },
    );

    let number = |value: u64| match client.numbers {
        Numbers::Strings => Value::from(value.to_string()),
        Numbers::Floats => Value::from(value as f64),
        Numbers::Numbers | Numbers::NoInterval => Value::from(value),
    };
    let page = format!("{}/device", at.origin);
    let mut body = json!({
        "device_code": device_code, "user_code": user_code, "expires_in": number(client.code_lifetime),
    });
    if client.numbers != Numbers::NoInterval {
        body["interval"] = number(client.interval);
    }
    if client.verification != Verification::Uri {
        body["verification_url"] = page.as_str().into();
    }
    if client.verification != Verification::Url {
        body["verification_uri_complete"] = format!("{page}?user_code={}", encode(&user_code)).into();
        body["verification_uri"] = page.into();
    }
    Ok(oauth_json(200, &body))
}
