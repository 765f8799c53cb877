//! How the main loop of a microcontroller drives a sign-in: a tick counter, a modem that takes its time, and no call
//! that blocks. Everything in `run` works without std; here a socket plays the modem. Against the emulator:
//!
//! ```text
//! cargo run --example microcontroller -- 127.0.0.1:8085 emulator-client emulator-secret
//! ```

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use device_grant::{Answer, Ask, Client, ClientAuth, ClientSecret, Endpoints, Lost, Mono, Provider};
use device_grant::{MAX_BODY_LEN_BYTES, Reply, Request, Scopes, SignIn, SignInError, Step, Tokens};

/// The main loop: 100 ticks a second, and on each of them a little of everything the device does.
fn run(client: &Client, scopes: Scopes, modem: &mut Modem) -> Result<Box<Tokens>, SignInError> {
    let mut ticks: u64 = 0;
    let mut sign_in = SignIn::start(client, Ask::new(scopes), Mono::default());
    let mut exchange = None;
    loop {
        let now = Mono::new(Duration::from_millis(ticks * 10));
        match &mut exchange {
            // A request is under way: look whether its answer is there, and whether it still may come.
            Some((sent_at, answer)) => match modem.poll(answer) {
                Some(Ok(())) => {
                    match parse(answer) {
                        Some(answer) => sign_in.reply(Reply::Answer(answer), now),
                        None => sign_in.reply(Reply::Lost(Lost::Unknown), now),
                    }
                    exchange = None;
                }
                None if now.since(*sent_at) < Duration::from_secs(30) => {}
                Some(Err(lost)) => {
                    sign_in.reply(Reply::Lost(lost), now);
                    exchange = None;
                }
                None => {
                    sign_in.reply(Reply::Lost(Lost::Unknown), now);
                    exchange = None;
                }
            },
            None => match sign_in.next(now) {
                Step::Show(prompt) => println!("open {} and type {}", prompt.verification_uri, prompt.user_code),
                Step::WaitUntil(_) => {} // ask again at the next tick; a board that sleeps sets its alarm here
                Step::Send(request) => {
                    modem.start(&request);
                    exchange = Some((now, Vec::new()));
                }
                Step::Done(tokens) | Step::DoneLate(tokens) => return Ok(tokens),
                Step::Failed(error) => return Err(error),
            },
        }
        // The rest of the loop: the sensor, the display, the watchdog. Then sleep until the next tick.
        std::thread::sleep(Duration::from_millis(10));
        ticks += 1;
    }
}

/// The shape of most modems: a request goes in, the answer's bytes trickle out. Yours does TLS.
struct Modem {
    address: String,
    socket: Option<TcpStream>,
}

impl Modem {
    fn start(&mut self, request: &Request) {
        let path = request.url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let (method, path, length) = (request.method, path.unwrap_or("/"), request.body.len());
        let mut head = format!("{method} {path} HTTP/1.0\r\nhost: {}\r\ncontent-length: {length}\r\n", self.address);
        request.headers.iter().for_each(|(name, value)| head += &format!("{name}: {}\r\n", value.as_str()));
        let socket = TcpStream::connect(&self.address).and_then(|mut socket| {
            socket.write_all(head.as_bytes())?;
            socket.write_all(b"\r\n")?;
            socket.write_all(&request.body)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        self.socket = socket.ok();
    }

    /// `None`: not yet. `Ok`: `answer` is whole.
    fn poll(&mut self, answer: &mut Vec<u8>) -> Option<Result<(), Lost>> {
        let Some(socket) = &mut self.socket else { return Some(Err(Lost::NotSent)) };
        let mut some = [0; 512];
        match socket.read(&mut some) {
            Ok(0) => Some(Ok(())),
            Ok(length) if answer.len() + length > MAX_BODY_LEN_BYTES => Some(Err(Lost::Unknown)),
            Ok(length) => {
                answer.extend_from_slice(&some[..length]);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(_) => Some(Err(Lost::Unknown)),
        }
    }
}

/// Status, headers and body of an HTTP/1.0 answer; `None` if it is none or was cut.
fn parse(answer: &[u8]) -> Option<Answer<'_>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let whole = header("content-length").is_none_or(|length| length.parse() == Ok(body.len()));
    whole.then(|| Answer::new(status, header, body))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, id, secret] = &args[..] else { return Err("usage: microcontroller HOST:PORT ID SECRET".into()) };
    let endpoint = |path: &str| format!("http://{address}{path}");
    let provider = Provider::rfc(Endpoints::new(&endpoint("/device/code"), &endpoint("/token"), None)?);
    let client = Client::new(provider, id.as_str(), ClientAuth::Post(ClientSecret::parse(secret.clone())?))?;
    let scopes = Scopes::parse(["https://www.googleapis.com/auth/drive.file"])?;
    let tokens = run(&client, scopes, &mut Modem { address: address.clone(), socket: None })?;
    println!("signed in, scopes: {}, refresh token: {}", tokens.scopes, tokens.refresh.is_some());
    Ok(())
}
