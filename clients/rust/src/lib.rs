//! What both programs need: where the emulator is, and a client for its control calls.

use std::{env, error::Error};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// Whatever goes wrong ends the program, and with it the test.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The client that both sign in with; it polls every second so that nobody waits.
pub const CLIENT_ID: &str = "peer";
/// Its secret.
pub const CLIENT_SECRET: &str = "peer-secret";
/// Who approves.
pub const OWNER: &str = "maker@example.com";
/// The one scope that a device can have for Sheets.
pub const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";

/// The emulator's address.
pub fn url() -> String {
    env::var("EMULATOR").expect("EMULATOR is the emulator's address")
}

/// http and https; `SSL_CERT_FILE` names the certificate to trust.
pub fn connector() -> Outcome<HttpsConnector<HttpConnector>> {
    Ok(HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build())
}

/// Sends one request.
pub async fn send(request: Request<Vec<u8>>) -> Outcome<Response<Vec<u8>>> {
    let client = Client::builder(TokioExecutor::new()).build(connector()?);
    let (head, body) = request.into_parts();
    let (head, body) = client.request(Request::from_parts(head, Full::new(Bytes::from(body)))).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes().to_vec()))
}

/// A call of the emulator's own.
pub async fn control(path: &str, body: &Value) -> Outcome<()> {
    let request = Request::post(format!("{}/_emulator/{path}", url())).header("Content-Type", "application/json");
    let reply = send(request.body(body.to_string().into_bytes())?).await?;
    match reply.status().is_success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(reply.body()).into_owned().into()),
    }
}

/// A client of its own, so that nobody else's tokens are in the way.
pub async fn make_client() -> Outcome<()> {
    let client = serde_json::json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "interval": 1});
    control("clients", &client).await
}
