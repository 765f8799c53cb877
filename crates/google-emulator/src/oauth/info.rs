//! The discovery document and the two endpoints that tell who signed in (docs/google.md 1.1, 2.4).

use std::time::Duration;

use serde_json::{Value, json};

use super::{SignIn, oauth_error, oauth_json};
use crate::{
    sheets::errors,
    wire::{Reply, Request},
};

/// Names and order as in Google's document; the addresses are this origin's (design: one origin carries all hosts).
pub(crate) fn discovery(origin: &str) -> Reply {
    let at = |path: &str| Value::from(format!("{origin}{path}"));
    Reply::json(
        200,
        &json!({
            "issuer": origin,
            "authorization_endpoint": at("/o/oauth2/v2/auth"),
            "device_authorization_endpoint": at("/device/code"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/v1/userinfo"),
            "revocation_endpoint": at("/revoke"),
            "jwks_uri": at("/oauth2/v3/certs"),
            "response_types_supported": ["code", "token", "id_token", "code token", "code id_token",
                "token id_token", "code token id_token", "none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss",
                "name", "picture", "sub"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "grant_types_supported": ["authorization_code", "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        }),
    )
}

/// A stable number of 21 digits for an account, as Google's `sub` is one.
pub(crate) fn subject(account: &str) -> String {
    let hash = account
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("1{hash:020}")
}

/// Needs `openid`, `email` or `profile`.
pub(crate) fn userinfo(sign_in: &SignIn, now: Duration, request: &Request) -> Reply {
    let Some(token) = errors::bearer(request) else { return errors::no_credentials("userinfo", "openidconnect") };
    let Some(caller) = sign_in.caller(now, &token) else { return errors::bad_credentials() };
    let has = |scope: &str| caller.scopes.iter().any(|known| known.ends_with(scope));
    if !has("openid") {
        return errors::bad_credentials();
    }
    let mut body = json!({});
    describe(&mut body, &caller.account, &caller.scopes);
    Reply::json(200, &body)
}

/// The claims about a person that these scopes pay for (OpenID Connect Core 1.0 section 5.4).
pub(super) fn describe(claims: &mut Value, account: &str, scopes: &[String]) {
    let has = |scope: &str| scopes.iter().any(|known| known.ends_with(scope));
    claims["sub"] = subject(account).into();
    if has("userinfo.email") {
        claims["email"] = account.into();
        claims["email_verified"] = true.into();
    }
    if has("userinfo.profile") {
        claims["name"] = account.split('@').next().into();
    }
}

/// Fields of the v2 method (oauth2.v2 discovery, revision 20200213).
///
/// unknown to us: its error body (docs/google.md 2.4).
pub(crate) fn tokeninfo(sign_in: &SignIn, now: Duration, request: &Request) -> Reply {
    let form = request.form_or_json().unwrap_or_default();
    let query = request.query();
    let token = query.filled("access_token").or_else(|| form.filled("access_token"));
    let Some(caller) = token.and_then(|token| sign_in.caller(now, token)) else {
        return oauth_error(400, "invalid_token", Some("Invalid Value"));
    };
    let mut body = json!({
        "audience": caller.client_id, "issued_to": caller.client_id, "scope": caller.scopes.join(" "),
        "expires_in": caller.expires.saturating_sub(now).as_secs(), "user_id": subject(&caller.account),
        "access_type": "offline",
    });
    if caller.scopes.iter().any(|scope| scope.ends_with("userinfo.email")) {
        body["email"] = caller.account.into();
        body["verified_email"] = true.into();
    }
    oauth_json(200, &body)
}
