//! A whole sign-in in an async program, with reqwest on one thread of tokio. Against the emulator
//! (`rowkeeper emulator --approve-as me@example.com`), in this folder:
//!
//! ```text
//! cargo run -- http://127.0.0.1:8085 emulator-client emulator-secret
//! ```

use std::error::Error;
use std::time::Duration;

use device_grant::{Answer, Ask, Client, ClientAuth, ClientSecret, Endpoints, Lost, MAX_BODY_LEN_BYTES, Mono};
use device_grant::{Provider, Reply, Request, Scopes, SignIn, Step};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use tokio::time::{Instant, sleep};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [base, id, secret] = &args[..] else { return Err("usage: async-reqwest BASE CLIENT_ID CLIENT_SECRET".into()) };
    let endpoints = Endpoints::new(&format!("{base}/device/code"), &format!("{base}/token"), None)?;
    let auth = ClientAuth::Post(ClientSecret::parse(secret.clone())?);
    let client = Client::new(Provider::rfc(endpoints), id.as_str(), auth)?;
    let scopes = Scopes::parse(["https://www.googleapis.com/auth/drive.file"])?;

    // One attempt a call, no redirect, a limit on time: the machine decides on everything else.
    let timeout = Duration::from_secs(30);
    let http = reqwest::Client::builder().redirect(Policy::none()).retry(reqwest::retry::never()).timeout(timeout);
    let http = http.build()?;
    let start = Instant::now();
    let clock = || Mono::new(start.elapsed());

    let mut sign_in = SignIn::start(&client, Ask::new(scopes), clock());
    let tokens = loop {
        match sign_in.next(clock()) {
            Step::Show(prompt) => println!("open {} and type {}", prompt.verification_uri, prompt.user_code),
            Step::WaitUntil(time) => sleep(time.since(clock())).await,
            Step::Send(request) => match send(&http, request).await {
                Ok((status, headers, body)) => {
                    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
                    sign_in.reply(Reply::Answer(Answer::new(status, header, &body)), clock());
                }
                Err(lost) => sign_in.reply(Reply::Lost(lost), clock()),
            },
            Step::Done(tokens) | Step::DoneLate(tokens) => break tokens,
            Step::Failed(error) => return Err(error.into()),
        }
    };
    println!("signed in, scopes: {}, refresh token: {}", tokens.scopes, tokens.refresh.is_some());
    Ok(())
}

async fn send(http: &reqwest::Client, mut request: Request) -> Result<(u16, HeaderMap, Vec<u8>), Lost> {
    // `is_connect`: nothing of the body left this machine. Whatever else fails may have been acted on.
    let lost = |error: reqwest::Error| if error.is_connect() { Lost::NotSent } else { Lost::Unknown };
    let mut builder = if request.method == "GET" { http.get(&request.url) } else { http.post(&request.url) };
    for (name, value) in &request.headers {
        builder = builder.header(*name, value.as_str());
    }
    let mut answer = builder.body(std::mem::take(&mut *request.body)).send().await.map_err(lost)?;
    let (status, headers, mut body) = (answer.status().as_u16(), std::mem::take(answer.headers_mut()), Vec::new());
    while let Some(chunk) = answer.chunk().await.map_err(|_| Lost::Unknown)? {
        if body.len() + chunk.len() > MAX_BODY_LEN_BYTES {
            return Err(Lost::Unknown);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, headers, body))
}
