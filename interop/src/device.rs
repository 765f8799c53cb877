//! A device that drives the machines of `device-grant` with a real clock and a real network, and keeps a journal.

use std::thread;
use std::time::Duration;

use device_grant::{
    AccessToken, Answer, Ask, Client, Discovery, DiscoveryStep, History, IssuerCheck, Lost, Metadata, Mono, Pending,
    Prompt, Refresh, RefreshToken, Refreshed, Reply, Request, Revoke, Revoked, Scopes, SignIn, SignInError, Stamp,
    Step, Tokens,
};
use serde_json::Value;
use ureq::{Agent, http};

use crate::{Outcome, browser, ensure, process};

/// One client on one device.
pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) wire: Wire,
}

/// The network and the clock of a device, and what went over it.
pub(crate) struct Wire {
    agent: Agent,
    now: Box<dyn Fn() -> Duration + Send>,
    /// Every exchange so far.
    pub(crate) journal: Vec<Exchange>,
    /// How much longer than asked each sleep takes.
    pub(crate) drowsy: Duration,
    /// A second copy of the first poll goes out right behind it, and its answer is the one that counts.
    pub(crate) echo: bool,
    /// The pending grant as it was stored before the last request.
    pub(crate) sealed: Vec<u8>,
}

/// One request and what came of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sent_at: Duration,
    pub(crate) answered_at: Duration,
    /// `None`: no answer.
    pub(crate) status: Option<u16>,
    /// `error` of the answer, or nothing.
    pub(crate) error: String,
}

/// Called before each wait with the code and the number of polls so far.
pub(crate) type Owner<'o> = &'o mut dyn FnMut(&Prompt, usize) -> Outcome;

impl Device {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, wire: Wire::new() }
    }

    /// A whole sign-in. The outer error is the test's, the inner one the machine's.
    pub(crate) fn sign_in(&mut self, ask: Ask, owner: Owner<'_>) -> Outcome<Result<Box<Tokens>, SignInError>> {
        let mut machine = SignIn::start(&self.client, ask, self.wire.now());
        self.wire.drive(&mut machine, owner)
    }

    /// Goes on with a grant as it was on disk before the last request.
    pub(crate) fn resume(&mut self, owner: Owner<'_>) -> Outcome<Result<Box<Tokens>, SignInError>> {
        let pending = Pending::unseal(&self.wire.sealed)?;
        let mut machine = SignIn::resume(&self.client, pending, &self.wire.stamp())?;
        self.wire.drive(&mut machine, owner)
    }

    pub(crate) fn refresh(&mut self, token: &RefreshToken, scopes: &Scopes) -> Refreshed {
        let refresh = Refresh::new(&self.client, token, scopes, History::Clear);
        let asked_at = self.wire.now();
        self.wire.exchange(&refresh.request(), |reply, _| refresh.outcome(reply, asked_at))
    }

    /// A refresh that asks for `fewer` scopes than the grant has.
    pub(crate) fn refresh_narrowed(&mut self, token: &RefreshToken, granted: &Scopes, fewer: &Scopes) -> Refreshed {
        let refresh = Refresh::new(&self.client, token, granted, History::Clear).narrowed_to(fewer);
        let asked_at = self.wire.now();
        self.wire.exchange(&refresh.request(), |reply, _| refresh.outcome(reply, asked_at))
    }

    pub(crate) fn revoke(&mut self, token: &RefreshToken) -> Outcome<Revoked> {
        let revoke = Revoke::refresh_token(&self.client, token).ok_or("there is no revocation endpoint")?;
        Ok(self.wire.exchange(&revoke.request(), |reply, _| revoke.outcome(reply)))
    }

    /// Revokes an access token alone.
    pub(crate) fn revoke_access(&mut self, token: &AccessToken) -> Outcome<Revoked> {
        let revoke = Revoke::access_token(&self.client, token).ok_or("there is no revocation endpoint")?;
        Ok(self.wire.exchange(&revoke.request(), |reply, _| revoke.outcome(reply)))
    }
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            agent: browser::agent(),
            now: Box::new(process::clock()),
            journal: Vec::new(),
            drowsy: Duration::ZERO,
            echo: false,
            sealed: Vec::new(),
        }
    }

    fn now(&self) -> Mono {
        Mono::new((self.now)())
    }

    fn stamp(&self) -> Stamp {
        Stamp { mono: self.now(), boot_id: Some("this boot".into()), unix_ms: None }
    }

    pub(crate) fn discover(&mut self, issuer: &str) -> Outcome<Metadata> {
        let mut discovery = Discovery::start(issuer, IssuerCheck::Exact)?;
        loop {
            match discovery.next() {
                DiscoveryStep::Send(request) => self.exchange(&request, |reply, _| discovery.reply(reply)),
                DiscoveryStep::Done(metadata) => return Ok(*metadata),
                DiscoveryStep::Failed(error) => return Err(error.into()),
            }
        }
    }

    fn drive(&mut self, machine: &mut SignIn<'_>, owner: Owner<'_>) -> Outcome<Result<Box<Tokens>, SignInError>> {
        let mut polls = 0;
        loop {
            match machine.next(self.now()) {
                Step::Show(_) => {}
                Step::WaitUntil(time) => {
                    if let Some(prompt) = machine.prompt() {
                        owner(prompt, polls)?;
                    }
                    thread::sleep(time.since(self.now()) + self.drowsy);
                }
                Step::Send(request) => {
                    if let Some(sealed) = machine.seal(&self.stamp()) {
                        self.sealed = sealed.to_vec();
                        polls += 1;
                        if self.echo && polls == 1 {
                            self.exchange(&request, |_, _| {});
                        }
                    }
                    self.exchange(&request, |reply, now| machine.reply(reply, now));
                }
                Step::Done(tokens) | Step::DoneLate(tokens) => return Ok(Ok(tokens)),
                Step::Failed(error) => return Ok(Err(error)),
            }
        }
    }

    fn exchange<T>(&mut self, request: &Request, take: impl FnOnce(Reply<'_>, Mono) -> T) -> T {
        let sent_at = (self.now)();
        let answer = self.send(request);
        let answered_at = (self.now)();
        let (status, error) = match &answer {
            Some((head, body)) => (Some(head.status.as_u16()), error_code(body)),
            None => (None, String::new()),
        };
        self.journal.push(Exchange { sent_at, answered_at, status, error });
        let reply = match &answer {
            Some((head, body)) => {
                let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
                Reply::Answer(Answer::new(head.status.as_u16(), header, body))
            }
            None => Reply::Lost(Lost::Unknown),
        };
        take(reply, Mono::new(answered_at))
    }

    fn send(&self, request: &Request) -> Option<(http::response::Parts, Vec<u8>)> {
        let mut builder = http::Request::builder().method(request.method).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value.as_str());
        }
        let answer = if request.method == "GET" {
            self.agent.run(builder.body(()).ok()?)
        } else {
            self.agent.run(builder.body(request.body.as_slice()).ok()?)
        };
        let (head, mut body) = answer.ok()?.into_parts();
        Some((head, body.read_to_vec().ok()?))
    }

    /// What an API answers to `token`.
    pub(crate) fn status_of(&mut self, url: &str, token: &str) -> Outcome<u16> {
        Ok(self.agent.get(url).header("authorization", format!("Bearer {token}")).call()?.status().as_u16())
    }

    /// Whether each poll left at least `floor` after the answer before it; the device request is not counted as one.
    pub(crate) fn kept_the_pace(&self, floor: Duration) -> Outcome {
        for pair in self.journal.windows(2) {
            let gap = pair[1].sent_at.saturating_sub(pair[0].answered_at);
            ensure!(gap >= floor, "polled after {gap:?}, less than {floor:?}: {:?}", self.journal);
        }
        Ok(())
    }

    /// The words of the exchanges so far, in order.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.journal.iter().map(|exchange| exchange.error.as_str()).collect()
    }
}

fn error_code(body: &[u8]) -> String {
    let object: Value = serde_json::from_slice(body).unwrap_or_default();
    object["error"].as_str().unwrap_or_default().to_owned()
}
