//! yup-oauth2 and google-sheets4: the device flow with a token file, and `values.append`, retried by their delegate.

use std::error::Error;
use std::io::{BufRead, Write};
use std::pin::Pin;
use std::time::Duration;

use google_sheets4::api::ValueRange;
use google_sheets4::common::{Delegate, Retry};
use google_sheets4::{Sheets, hyper_util::client::legacy::Client};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, channel};
use yup_oauth2::authenticator::Authenticator;
use yup_oauth2::authenticator_delegate::{DeviceAuthResponse, DeviceFlowDelegate};
use yup_oauth2::{ApplicationSecret, DeviceFlowAuthenticator};

type Connector = HttpsConnector<HttpConnector>;
type Failure = Box<dyn Error + Send + Sync>;

const SCOPE: &str = "https://www.googleapis.com/auth/drive.file";
const MOST_ROWS: usize = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let url = std::env::var("URL")?;
    let secret = ApplicationSecret {
        client_id: "emulator-client".into(),
        client_secret: "emulator-secret".into(),
        token_uri: format!("{url}/token"),
        auth_uri: format!("{url}/auth"),
        ..ApplicationSecret::default()
    };
    let auth = DeviceFlowAuthenticator::builder(secret)
        .device_code_url(format!("{url}/device/code"))
        .flow_delegate(Box::new(Shown))
        .persist_tokens_to_disk("tokencache.json")
        .build()
        .await?;
    match std::env::args().nth(1).as_deref() {
        Some("sign-in") => {
            auth.token(&[SCOPE]).await?;
            say("signed in");
        }
        Some("boot") => {
            let row = vec![Value::from("2026-11-22T08:00:00Z"), "bench".into(), 0.into(), 21.5.into(), "boot".into()];
            Sheet::open(&url, auth)?.append(vec![row]).await?;
        }
        _ => {
            let sheet = Sheet::open(&url, auth)?;
            let mut lines = lines();
            let (mut rows, mut done) = (Vec::new(), 0);
            while lines.recv_many(&mut rows, MOST_ROWS).await > 0 {
                done += rows.len();
                sheet.append(std::mem::take(&mut rows)).await?;
                say(&done.to_string());
            }
        }
    }
    Ok(())
}

struct Sheet {
    hub: Sheets<Connector>,
    id: String,
}

impl Sheet {
    fn open(url: &str, auth: Authenticator<Connector>) -> Result<Self, Failure> {
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        let mut hub = Sheets::new(Client::builder(TokioExecutor::new()).build(connector), auth);
        hub.base_url(format!("{url}/"));
        hub.root_url(format!("{url}/"));
        Ok(Self { hub, id: std::env::var("SHEET")? })
    }

    async fn append(&self, values: Vec<Vec<Value>>) -> Result<(), Failure> {
        let range = ValueRange { values: Some(values), ..ValueRange::default() };
        let mut patience = Patience(0);
        let values = self.hub.spreadsheets().values_append(range, &self.id, "Log");
        values.value_input_option("RAW").add_scope(SCOPE).delegate(&mut patience).doit().await?;
        Ok(())
    }
}

/// Retries, as the crate's documentation shows: what may pass is tried again, ever more slowly.
struct Patience(u32);

impl Patience {
    fn later(&mut self) -> Retry {
        self.0 += 1;
        if self.0 > 8 { Retry::Abort } else { Retry::After(Duration::from_secs(1 << self.0.min(5))) }
    }
}

impl Delegate for Patience {
    fn http_error(&mut self, _: &google_sheets4::hyper_util::client::legacy::Error) -> Retry {
        self.later()
    }

    fn http_failure(&mut self, response: &google_sheets4::common::Response, _: Option<&Value>) -> Retry {
        match response.status().as_u16() {
            429 | 500..=599 => self.later(),
            _ => Retry::Abort,
        }
    }
}

struct Shown;

impl DeviceFlowDelegate for Shown {
    fn present_user_code<'a>(
        &'a self,
        answer: &'a DeviceAuthResponse,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move { say(&format!("code {}", answer.user_code)) })
    }
}

/// Rows from stdin, read ahead by as many as go into one call.
fn lines() -> Receiver<Vec<Value>> {
    let (send, receive) = channel(MOST_ROWS);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(row) = serde_json::from_str(&line) else { break };
            if send.blocking_send(row).is_err() {
                break;
            }
        }
    });
    receive
}

fn say(line: &str) {
    println!("{line}");
    _ = std::io::stdout().flush();
}
