//! The `oauth2` crate: the device flow of RFC 8628, refresh and revocation, each with its errors told apart.

use oauth2::{
    AuthType, ClientId, ClientSecret, DeviceAuthorizationUrl, DeviceCodeErrorResponseType, HttpRequest, HttpResponse,
    RequestTokenError, RevocationUrl, Scope, StandardDeviceAuthorizationResponse, StandardRevocableToken, TokenResponse,
    TokenUrl,
    basic::{BasicClient, BasicErrorResponseType},
};
use peers::{CLIENT_ID, CLIENT_SECRET, DRIVE_FILE, OWNER, Outcome, control, make_client, send, url};
use serde_json::json;

/// What this crate wants of an error.
#[derive(Debug)]
struct Lost(String);

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lost {}

async fn http(request: HttpRequest) -> Result<HttpResponse, Lost> {
    send(request).await.map_err(|error| Lost(error.to_string()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    make_client().await?;
    let base = url();
    let client = BasicClient::new(ClientId::new(CLIENT_ID.into()))
        .set_client_secret(ClientSecret::new(CLIENT_SECRET.into()))
        .set_auth_type(AuthType::RequestBody)
        .set_token_uri(TokenUrl::new(format!("{base}/token"))?)
        .set_device_authorization_url(DeviceAuthorizationUrl::new(format!("{base}/device/code"))?)
        .set_revocation_url(RevocationUrl::new(format!("{base}/revoke"))?);
    let scope = || Scope::new(DRIVE_FILE.into());

    let code: StandardDeviceAuthorizationResponse =
        client.exchange_device_code().add_scope(scope()).request_async(&http).await?;
    assert!(code.verification_uri().ends_with("/device") && code.interval().as_secs() == 1);
    control("approve", &json!({"user_code": code.user_code().secret(), "account": OWNER})).await?;
    let tokens = client.exchange_device_access_token(&code).request_async(&http, tokio::time::sleep, None).await?;
    assert_eq!(tokens.scopes().map(Vec::as_slice), Some([scope()].as_slice()));
    let refresh_token = tokens.refresh_token().ok_or("no refresh token")?;

    let refreshed = client.exchange_refresh_token(refresh_token).request_async(&http).await?;
    assert_ne!(refreshed.access_token().secret(), tokens.access_token().secret());
    assert!(refreshed.refresh_token().is_none(), "Google's refresh brings no new one");

    let code: StandardDeviceAuthorizationResponse =
        client.exchange_device_code().add_scope(scope()).request_async(&http).await?;
    control("deny", &json!({"user_code": code.user_code().secret()})).await?;
    match client.exchange_device_access_token(&code).request_async(&http, tokio::time::sleep, None).await {
        Err(RequestTokenError::ServerResponse(error)) => {
            assert_eq!(*error.error(), DeviceCodeErrorResponseType::AccessDenied);
        }
        other => panic!("denied, and yet {other:?}"),
    }

    // This crate revokes over https alone.
    match base.starts_with("https://") {
        true => {
            let token = StandardRevocableToken::RefreshToken(refresh_token.clone());
            client.revoke_token(token)?.request_async(&http).await?;
        }
        false => control("revoke", &json!({"account": OWNER})).await?,
    }
    match client.exchange_refresh_token(refresh_token).request_async(&http).await {
        Err(RequestTokenError::ServerResponse(error)) => {
            assert_eq!(*error.error(), BasicErrorResponseType::InvalidGrant);
        }
        other => panic!("revoked, and yet {other:?}"),
    }
    Ok(())
}
