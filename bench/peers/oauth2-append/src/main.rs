//! The `oauth2` crate for the device flow and the refresh, reqwest for a hand-written `values.append` with retries.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, ClientSecret, DeviceAuthorizationUrl, RefreshToken, Scope, StandardDeviceAuthorizationResponse,
    TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, channel};

type Failure = Box<dyn Error + Send + Sync>;

const FILE: &str = "token.json";
const MOST_ROWS: usize = 10_000;

#[derive(Serialize, Deserialize)]
struct Tokens {
    token: String,
    refresh_token: String,
    expires_at: u64,
}

impl Tokens {
    fn new<T: TokenResponse>(answer: &T, refresh: Option<&str>) -> Result<Self, Failure> {
        let refresh_token = answer.refresh_token().map(|token| token.secret().as_str()).or(refresh);
        Ok(Self {
            token: answer.access_token().secret().clone(),
            refresh_token: refresh_token.ok_or("no refresh token")?.to_owned(),
            expires_at: now() + answer.expires_in().map_or(0, |time| time.as_secs()),
        })
    }

    fn save(&self) -> Result<(), Failure> {
        Ok(std::fs::write(FILE, serde_json::to_vec(self)?)?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let url = std::env::var("URL")?;
    let client = BasicClient::new(ClientId::new("emulator-client".into()))
        .set_client_secret(ClientSecret::new("emulator-secret".into()))
        .set_auth_type(AuthType::RequestBody)
        .set_token_uri(TokenUrl::new(format!("{url}/token"))?)
        .set_device_authorization_url(DeviceAuthorizationUrl::new(format!("{url}/device/code"))?);
    // No redirects, as the crate's documentation asks for.
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    if std::env::args().nth(1).as_deref() == Some("sign-in") {
        let scope = Scope::new("https://www.googleapis.com/auth/drive.file".into());
        let details: StandardDeviceAuthorizationResponse =
            client.exchange_device_code().add_scope(scope).request_async(&http).await?;
        say(&format!("code {}", details.user_code().secret()));
        let poll = client.exchange_device_access_token(&details);
        Tokens::new(&poll.request_async(&http, tokio::time::sleep, None).await?, None)?.save()?;
        say("signed in");
        return Ok(());
    }
    let mut tokens: Tokens = serde_json::from_slice(&std::fs::read(FILE)?)?;
    let mut sheet = Sheet { url, id: std::env::var("SHEET")?, http };
    if std::env::args().nth(1).as_deref() == Some("boot") {
        let row = json!(["2026-11-22T08:00:00Z", "bench", 0, 21.5, "boot"]);
        return sheet
            .append(&[row], &mut tokens, async |http, refresh| {
                let answer = client.exchange_refresh_token(&refresh).request_async(http).await?;
                Tokens::new(&answer, Some(refresh.secret()))
            })
            .await;
    }
    let mut lines = lines();
    let (mut rows, mut done) = (Vec::new(), 0);
    while lines.recv_many(&mut rows, MOST_ROWS).await > 0 {
        done += rows.len();
        sheet
            .append(&rows, &mut tokens, async |http, refresh| {
                let answer = client.exchange_refresh_token(&refresh).request_async(http).await?;
                Tokens::new(&answer, Some(refresh.secret()))
            })
            .await?;
        rows.clear();
        say(&done.to_string());
    }
    Ok(())
}

struct Sheet {
    url: String,
    id: String,
    http: reqwest::Client,
}

impl Sheet {
    /// Tried again, ever more slowly, when nothing came back, on 429 and on 5xx; after a 401 with a new token.
    async fn append<F>(&mut self, rows: &[Value], tokens: &mut Tokens, refresh: F) -> Result<(), Failure>
    where
        F: AsyncFn(&reqwest::Client, RefreshToken) -> Result<Tokens, Failure>,
    {
        let range = "values/Log:append?valueInputOption=RAW";
        let url = format!("{}/v4/spreadsheets/{}/{range}", self.url, self.id);
        let mut refreshed = false;
        for attempt in 1..=8 {
            if tokens.expires_at < now() + 60 {
                *tokens = refresh(&self.http, RefreshToken::new(tokens.refresh_token.clone())).await?;
                tokens.save()?;
            }
            let body = json!({ "values": rows });
            match self.http.post(&url).bearer_auth(&tokens.token).json(&body).send().await {
                Ok(answer) => match answer.status().as_u16() {
                    200 if answer.bytes().await.is_ok() => return Ok(()),
                    401 if !refreshed => {
                        tokens.expires_at = 0;
                        refreshed = true;
                        continue;
                    }
                    200 | 429 | 500..=599 => {}
                    status => return Err(format!("refused: {status}").into()),
                },
                Err(_) if attempt < 8 => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(Duration::from_secs(1 << attempt.min(5))).await;
        }
        Err("no answer after eight attempts".into())
    }
}

/// Rows from stdin, read ahead by as many as go into one call.
fn lines() -> Receiver<Value> {
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

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn say(line: &str) {
    println!("{line}");
    _ = std::io::stdout().flush();
}
