//! Who signed in, signed: `id_token` and the keys to check it (OpenID Connect Core 1.0 section 2).

use std::{sync::OnceLock, time::Duration};

use ring::{
    digest, rand,
    rsa::PublicKeyComponents,
    signature::{self, RsaKeyPair},
};
use serde_json::{Value, json};

use super::{base64, info};
use crate::wire::Reply;

/// Making an RSA key takes seconds in a debug build, and ring does not make any.
const PUBLISHED_TEST_KEY: &str = include_str!("published-test-key.pem");
const KEY_ID: &str = "google-emulator-published-test-key";

/// What is known about the person when a token is issued.
pub(super) struct Subject<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) account: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) access_token: &'a str,
    pub(super) now: Duration,
    pub(super) lifetime: Duration,
}

/// None unless `openid` was granted (docs/google.md 1.3).
///
/// unknown to us: whether Google's carries `at_hash` and other claims beyond `claims_supported` of its discovery
/// document, and how long it lives; here as long as the access token.
pub(super) fn issue(subject: &Subject<'_>) -> Option<String> {
    if !subject.scopes.iter().any(|scope| scope == "openid") {
        return None;
    }
    let issued = subject.now.as_secs();
    let mut claims = json!({
        "iss": subject.issuer, "aud": subject.client_id, "iat": issued, "exp": issued + subject.lifetime.as_secs(),
        "at_hash": half_hash(subject.access_token),
    });
    info::describe(&mut claims, subject.account, subject.scopes);
    let header = json!({ "alg": "RS256", "kid": KEY_ID, "typ": "JWT" });
    let part = |value: &Value| base64::encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = sign(signed.as_bytes())?;
    Some(format!("{signed}.{}", base64::encode(&signature)))
}

/// The left half of the access token's hash (OpenID Connect Core 1.0 section 3.1.3.6).
fn half_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    base64::encode(&hash.as_ref()[..16])
}

/// The JSON Web Key Set of `jwks_uri` (RFC 7517).
pub(crate) fn certs() -> Reply {
    let keys = key().map(|key| {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key.public());
        json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, "n": base64::encode(&n), "e": base64::encode(&e),
        })
    });
    Reply::json(200, &json!({ "keys": keys.into_iter().collect::<Vec<_>>() }))
        .with_header("Cache-Control", "public, max-age=3600")
}

fn key() -> Option<&'static RsaKeyPair> {
    static KEY: OnceLock<Option<RsaKeyPair>> = OnceLock::new();
    KEY.get_or_init(|| {
        let pem = PUBLISHED_TEST_KEY.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
        let text: String = pem.take_while(|line| !line.starts_with("-----END")).collect();
        RsaKeyPair::from_pkcs8(&base64::decode(&text)?).ok()
    })
    .as_ref()
}

/// The signature depends on key and text alone (RSASSA-PKCS1-v1_5), so the model stays deterministic; the randomness
/// is blinding.
fn sign(text: &[u8]) -> Option<Vec<u8>> {
    let key = key()?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &rand::SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

#[cfg(test)]
mod tests {
    use ring::signature::UnparsedPublicKey;

    use super::*;

    #[test]
    fn a_token_is_checked_with_the_published_key() {
        let scopes = ["openid".to_owned(), "https://www.googleapis.com/auth/userinfo.email".to_owned()];
        let subject = Subject {
            issuer: "http://127.0.0.1:8085",
            client_id: "c",
            account: "maker@example.com",
            scopes: &scopes,
            access_token: "ya29.x",
            now: Duration::from_secs(1_800_000_000),
            lifetime: Duration::from_secs(3_599),
        };
        let token = issue(&subject).unwrap();
        let (signed, mac) = token.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key().unwrap().public().as_ref());
        public.verify(signed.as_bytes(), &base64::decode(mac).unwrap()).unwrap();
        let claims = base64::decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["email"], "maker@example.com");
        assert_eq!(claims["exp"], 1_800_003_599);
        assert!(issue(&Subject { scopes: &scopes[1..], ..subject }).is_none());
        assert_eq!(certs().value()["keys"][0]["e"], "AQAB");
    }
}
