//! A whole sign-in in a blocking program, with ureq. Against the emulator (`rowkeeper emulator --approve-as me@example.com`):
//!
//! ```text
//! cargo run --example blocking -- http://127.0.0.1:8085 emulator-client emulator-secret
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use device_grant::{Answer, Ask, Client, ClientAuth, ClientSecret, Endpoints, Lost, Mono, Provider};
use device_grant::{MAX_BODY_LEN_BYTES, Reply, Request, Scopes, SignIn, Step};
use ureq::{Agent, http};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [base, id, secret] = &args[..] else { return Err("usage: blocking BASE CLIENT_ID CLIENT_SECRET".into()) };
    // Your provider is a preset (`Provider::preset("google", None)`), is discovered (`Discovery`), or is two addresses.
    let endpoints = Endpoints::new(&format!("{base}/device/code"), &format!("{base}/token"), None)?;
    let auth = ClientAuth::Post(ClientSecret::parse(secret.clone())?);
    let client = Client::new(Provider::rfc(endpoints), id.as_str(), auth)?;
    let scopes = Scopes::parse(["https://www.googleapis.com/auth/drive.file"])?;

    // One attempt a call: errors of HTTP are answers, redirects are not followed, and nothing waits for ever.
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    let agent: Agent = config.timeout_global(Some(Duration::from_secs(30))).build().into();
    let clock = clock();

    let mut sign_in = SignIn::start(&client, Ask::new(scopes), clock());
    let tokens = loop {
        match sign_in.next(clock()) {
            Step::Show(prompt) => println!("open {} and type {}", prompt.verification_uri, prompt.user_code),
            Step::WaitUntil(time) => std::thread::sleep(time.since(clock())),
            Step::Send(request) => match send(&agent, &request) {
                Ok((head, body)) => {
                    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
                    let answer = Answer::new(head.status.as_u16(), header, &body);
                    sign_in.reply(Reply::Answer(answer), clock());
                }
                // `Lost::NotSent` where it is certain; `Unknown` is never wrong.
                Err(_) => sign_in.reply(Reply::Lost(Lost::Unknown), clock()),
            },
            Step::Done(tokens) | Step::DoneLate(tokens) => break tokens,
            Step::Failed(error) => return Err(error.into()),
        }
    };
    println!("signed in, scopes: {}, refresh token: {}", tokens.scopes, tokens.refresh.is_some());
    Ok(())
}

fn send(agent: &Agent, request: &Request) -> Result<(http::response::Parts, Vec<u8>), ureq::Error> {
    let mut builder = http::Request::builder().method(request.method).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value.as_str());
    }
    let (head, mut body) = agent.run(builder.body(request.body.as_slice())?)?.into_parts();
    Ok((head, body.with_config().limit(MAX_BODY_LEN_BYTES as u64).read_to_vec()?))
}

/// Time since the start. On Linux take `CLOCK_BOOTTIME`: it goes on while the machine sleeps.
#[expect(clippy::disallowed_methods, reason = "an example for every system, and this is its clock")]
fn clock() -> impl Fn() -> Mono {
    let start = Instant::now();
    move || Mono::new(start.elapsed())
}
