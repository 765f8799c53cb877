//! npm oidc-provider: no `interval`, percent-encoded `Basic`, rotation with reuse detection, and a second use of a code
//! that kills the tokens.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use device_grant::{
    AccessToken, Ask, Client, ClientAuth, ClientSecret, DeadReason, Metadata, Provider, RefreshToken, Refreshed,
    Revoked, Scopes, SignInError, Tokens,
};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::command::Rowkeeper;
use crate::device::{Device, Wire};
use crate::process::{Running, free_port};
use crate::{Case, Outcome, all, ensure};

/// RFC 8628 section 3.2: what counts when the answer has no `interval`.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// As `server.mjs` has it.
const SECRET: &str = "correct horse+battery/staple%";
const SCOPES: &[&str] = &["openid", "offline_access", "rows", "times"];

const CASES: &[Case<Server>] = &[
    ("found by its issuer, an odd secret in Basic, rotation, and reuse that ends the grant", rotation),
    ("connections that the server closes between two polls cost no poll", keep_alive),
    ("denied at the code", denied_at_the_code),
    ("denied at the consent", denied_at_the_consent),
    ("expired", expired),
    ("a power cut after the last poll: the code is used up, and said to be", replayed),
    ("a refresh with fewer scopes", narrowed),
    ("a wrong secret is the configuration's fault", wrong_secret),
    ("revoked", revoked),
    ("the command: sign-in, token, call, sign-out", command),
    ("the command: denied, and signed in afterwards", command_denied),
    ("the command: expired", command_expired),
    ("the command: killed while it waits, goes on with the same code", command_killed),
    ("the command: access that was withdrawn at the provider is noticed by a call", command_withdrawn),
    ("the command: a cloned card ends both sign-ins, and says so", command_cloned),
];

pub(crate) fn run() -> Outcome {
    let folder = TempDir::new()?;
    let port = free_port()?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc-provider");
    let mut command = Command::new("node");
    command.arg(here.join("server.mjs")).arg(port.to_string()).current_dir(here);
    let mut running = Running::start(&mut command, folder.path())?;
    running.wait_for_port(port)?;
    let server = Server { issuer: format!("http://127.0.0.1:{port}") };
    let outcome = all(CASES, |case| case(&server));
    if outcome.is_err() {
        eprintln!("{}", running.complaints());
    }
    outcome
}

struct Server {
    issuer: String,
}

impl Server {
    fn metadata(&self) -> Outcome<Metadata> {
        Wire::new().discover(&self.issuer)
    }

    fn device(&self, id: &str, auth: ClientAuth) -> Outcome<Device> {
        Ok(Device::new(Client::new(Provider::rfc(self.metadata()?.endpoints), id, auth)?))
    }

    /// The person at the phone, up to the page that asks whether the code is the device's.
    fn enter(&self, browser: &mut Browser, code: &str) -> Outcome<crate::browser::Form> {
        let page = browser.open(&format!("{}/device", self.issuer))?;
        browser.submit(&page.form()?.with("user_code", code))?.form()
    }

    fn approve(&self, code: &str) -> Outcome {
        let mut browser = Browser::new();
        let consent = self.log_in(&mut browser, code)?;
        let page = browser.submit(&consent.form()?)?;
        ensure!(page.status == 200 && page.body.contains("Sign-in Success"), "not approved: {page:?}");
        Ok(())
    }

    fn log_in(&self, browser: &mut Browser, code: &str) -> Outcome<crate::browser::Page> {
        let confirm = self.enter(browser, code)?;
        let login = browser.submit(&confirm)?;
        browser.submit(&login.form()?.with("login", "owner").with("password", "any"))
    }

    fn signed_in(&self, device: &mut Device) -> Outcome<Box<Tokens>> {
        let mut owner = |prompt: &device_grant::Prompt, polls: usize| match polls {
            0 => self.approve(prompt.user_code.as_str()),
            _ => Ok(()),
        };
        Ok(device.sign_in(ask()?, &mut owner)??)
    }

    /// What the API of this server says to a token.
    fn api(&self, device: &mut Device, token: &AccessToken) -> Outcome<u16> {
        device.wire.status_of(&format!("{}/me", self.issuer), token.expose())
    }
}

fn ask() -> Outcome<Ask> {
    Ok(Ask::new(Scopes::parse(SCOPES)?))
}

fn refresh_token(tokens: &Tokens) -> Outcome<&RefreshToken> {
    Ok(tokens.refresh.as_ref().ok_or("no refresh token")?)
}

fn renewed(outcome: Refreshed) -> Outcome<Box<Tokens>> {
    match outcome {
        Refreshed::Renewed(tokens) => Ok(tokens),
        other => Err(format!("not renewed: {other:?}").into()),
    }
}

fn rotation(server: &Server) -> Outcome {
    let metadata = server.metadata()?;
    ensure!(metadata.foreign_endpoints().count() == 0, "endpoints elsewhere: {metadata:?}");
    ensure!(metadata.endpoints.revocation().is_some(), "no revocation endpoint: {metadata:?}");
    let mut device = server.device("box", ClientAuth::Basic(ClientSecret::parse(SECRET.into())?))?;
    let mut owner = |prompt: &device_grant::Prompt, polls: usize| match polls {
        1 => server.approve(prompt.user_code.as_str()),
        _ => Ok(()),
    };
    let tokens = device.sign_in(ask()?, &mut owner)??;
    ensure!(device.wire.words() == ["", "authorization_pending", ""], "{:?}", device.wire.journal);
    device.wire.kept_the_pace(DEFAULT_INTERVAL)?;
    ensure!(tokens.missing_scopes.is_empty(), "missing scopes: {}", tokens.missing_scopes);
    ensure!(tokens.id_token.is_some() && tokens.account.is_some(), "nobody knows who approved: {tokens:?}");
    ensure!(server.api(&mut device, &tokens.access)? == 200, "the access token does not work");

    let first = refresh_token(&tokens)?;
    let second = renewed(device.refresh(first, &tokens.scopes))?;
    let third = renewed(device.refresh(refresh_token(&second)?, &tokens.scopes))?;
    ensure!(refresh_token(&third)?.expose() != first.expose(), "the refresh token was not rotated");
    ensure!(server.api(&mut device, &third.access)? == 200, "the renewed access token does not work");

    // A copy of the device uses the first token again: the server ends the whole grant, the good token too.
    for spent in [first, refresh_token(&third)?] {
        match device.refresh(spent, &tokens.scopes) {
            Refreshed::Dead { reason: DeadReason::Revoked, .. } => {}
            other => return Err(format!("after reuse: {other:?}").into()),
        }
    }
    ensure!(server.api(&mut device, &third.access)? == 401, "the access token outlived its grant");
    Ok(())
}

fn keep_alive(server: &Server) -> Outcome {
    let mut device = server.device("public-box", ClientAuth::None)?;
    // Node closes an idle connection after 5 s and a second of grace; our client keeps its own for longer.
    device.wire.drowsy = Duration::from_millis(1200);
    let mut owner = |prompt: &device_grant::Prompt, polls: usize| match polls {
        1 => server.approve(prompt.user_code.as_str()),
        _ => Ok(()),
    };
    let tokens = device.sign_in(ask()?, &mut owner)??;
    device.wire.kept_the_pace(Duration::from_secs(6))?;
    let answered = device.wire.journal.iter().filter(|exchange| exchange.status.is_some()).count();
    ensure!(answered == device.wire.journal.len(), "an answer was lost: {:?}", device.wire.journal);
    std::thread::sleep(Duration::from_millis(6500));
    renewed(device.refresh(refresh_token(&tokens)?, &tokens.scopes)).map(drop)
}

fn denied_at_the_code(server: &Server) -> Outcome {
    let mut device = server.device("public-box", ClientAuth::None)?;
    let mut owner = |prompt: &device_grant::Prompt, polls: usize| {
        let mut browser = Browser::new();
        let form = server.enter(&mut browser, prompt.user_code.as_str())?;
        ensure!(polls == 0, "polled again after the refusal");
        browser.submit(&form.without("confirm").with("abort", "yes")).map(drop)
    };
    denied(&mut device, &mut owner)
}

fn denied_at_the_consent(server: &Server) -> Outcome {
    let mut device = server.device("public-box", ClientAuth::None)?;
    let mut owner = |prompt: &device_grant::Prompt, polls: usize| {
        ensure!(polls == 0, "polled again after the refusal");
        let mut browser = Browser::new();
        let consent = server.log_in(&mut browser, prompt.user_code.as_str())?;
        browser.open(&format!("{}/abort", consent.url)).map(drop)
    };
    denied(&mut device, &mut owner)
}

fn denied(device: &mut Device, owner: crate::device::Owner<'_>) -> Outcome {
    match device.sign_in(ask()?, owner)? {
        Err(SignInError::Denied) => Ok(()),
        other => Err(format!("not denied: {other:?}").into()),
    }
}

fn expired(server: &Server) -> Outcome {
    let mut device = server.device("hasty-box", ClientAuth::None)?;
    match device.sign_in(ask()?, &mut |_, _| Ok(()))? {
        Err(SignInError::Expired { approval_may_be_lost: false }) => {}
        other => return Err(format!("not expired: {other:?}").into()),
    }
    // One poll after an interval, and the last one at the deadline.
    ensure!(device.wire.journal.len() == 3, "{:?}", device.wire.journal);
    Ok(())
}

fn replayed(server: &Server) -> Outcome {
    let mut device = server.device("public-box", ClientAuth::None)?;
    let tokens = server.signed_in(&mut device)?;
    ensure!(server.api(&mut device, &tokens.access)? == 200, "the access token does not work");
    match device.resume(&mut |_, _| Ok(()))? {
        Err(SignInError::ApprovalLost(error)) => ensure!(error.code.as_str() == "invalid_grant", "{error}"),
        other => return Err(format!("a used code: {other:?}").into()),
    }
    // This is why a code is never sent again once tokens are stored.
    ensure!(server.api(&mut device, &tokens.access)? == 401, "the tokens outlived the second use of their code");
    Ok(())
}

fn narrowed(server: &Server) -> Outcome {
    let mut device = server.device("public-box", ClientAuth::None)?;
    let tokens = server.signed_in(&mut device)?;
    let (granted, fewer) = (&tokens.scopes, Scopes::parse(["openid", "rows"])?);
    let narrow = renewed(device.refresh_narrowed(refresh_token(&tokens)?, granted, &fewer))?;
    ensure!(narrow.scopes == fewer && narrow.missing_scopes.is_empty(), "{} of {fewer}", narrow.scopes);
    // The grant stays what was approved: the next refresh has all of it again. Nothing beyond it can be had.
    let whole = renewed(device.refresh(refresh_token(&narrow)?, granted))?;
    ensure!(whole.missing_scopes.is_empty(), "missing scopes: {}", whole.missing_scopes);
    let more = Scopes::parse(["openid", "more"])?;
    match device.refresh_narrowed(refresh_token(&whole)?, granted, &more) {
        Refreshed::Misconfigured(error) => ensure!(error.code.as_str() == "invalid_scope", "{error}"),
        other => return Err(format!("asked for more than was approved: {other:?}").into()),
    }
    renewed(device.refresh(refresh_token(&whole)?, granted)).map(drop)
}

fn wrong_secret(server: &Server) -> Outcome {
    // What a client sends that forgets the percent-encoding is refused too; so the case above proves that ours does not.
    for auth in [ClientAuth::Basic(ClientSecret::parse("wrong".into())?), ClientAuth::None] {
        let mut device = server.device("box", auth)?;
        match device.sign_in(ask()?, &mut |_, _| Err("a code without a secret".into()))? {
            Err(SignInError::Misconfigured(error)) => ensure!(error.code.as_str() == "invalid_client", "{error}"),
            other => return Err(format!("with a wrong secret: {other:?}").into()),
        }
    }
    Ok(())
}

fn revoked(server: &Server) -> Outcome {
    let mut device = server.device("post box", ClientAuth::Post(ClientSecret::parse("p%2B&= +".into())?))?;
    let tokens = server.signed_in(&mut device)?;
    let token = refresh_token(&tokens)?;
    for attempt in ["first", "second"] {
        let outcome = device.revoke(token)?;
        ensure!(matches!(outcome, Revoked::Done), "{attempt} revocation: {outcome:?}");
    }
    ensure!(server.api(&mut device, &tokens.access)? == 401, "the access token outlived the revocation");
    match device.refresh(token, &tokens.scopes) {
        Refreshed::Dead { reason: DeadReason::Revoked, .. } => Ok(()),
        other => Err(format!("a revoked token: {other:?}").into()),
    }
}

fn configuration(server: &Server, id: &str, auth: &str) -> String {
    let (issuer, scopes) = (&server.issuer, SCOPES);
    format!(
        "preset = \"none\"\nissuer = \"{issuer}\"\nclient_id = \"{id}\"\nclient_auth = \"{auth}\"\nscopes = {scopes:?}"
    )
}

fn command(server: &Server) -> Outcome {
    let rowkeeper = Rowkeeper::new(&configuration(server, "box", "basic"), Some(SECRET))?;
    let said = rowkeeper.sign_in(|_, code| server.approve(code))?.done()?;
    ensure!(said.contains("\"event\":\"signed_in\""), "{said}");
    let first = rowkeeper.run(&["token"])?.done()?;
    ensure!(rowkeeper.run(&["token"])?.done()? == first, "a token that still lives was replaced");
    // Two refreshes: the second one works only if the rotated token was kept.
    let second = rowkeeper.run(&["token", "--min-validity", "2h"])?.done()?;
    let third = rowkeeper.run(&["token", "--min-validity", "2h"])?.done()?;
    ensure!(first != second && second != third, "the token was not refreshed");
    let me = format!("{}/me", server.issuer);
    let answer = rowkeeper.run(&["call", "GET", &me])?.done()?;
    ensure!(answer.contains("\"sub\":\"owner\""), "{answer}");
    rowkeeper.run(&["sign-out"])?.done()?;
    ensure!(!rowkeeper.state().contains(third.trim()), "the token is still on disk");
    rowkeeper.run(&["token"])?.with(3, "not signed in")?;
    let status = Wire::new().status_of(&me, third.trim())?;
    ensure!(status == 401, "the token outlived the sign-out: {status}");
    Ok(())
}

fn command_denied(server: &Server) -> Outcome {
    let rowkeeper = Rowkeeper::new(&configuration(server, "public-box", "none"), None)?;
    let deny = |_: &str, code: &str| {
        let mut browser = Browser::new();
        let form = server.enter(&mut browser, code)?;
        browser.submit(&form.without("confirm").with("abort", "yes")).map(drop)
    };
    rowkeeper.sign_in(deny)?.with(3, "\"event\":\"denied\"")?;
    rowkeeper.sign_in(|_, code| server.approve(code))?.done().map(drop)
}

fn command_expired(server: &Server) -> Outcome {
    let rowkeeper = Rowkeeper::new(&configuration(server, "hasty-box", "none"), None)?;
    rowkeeper.sign_in(|_, _| Ok(()))?.with(3, "\"event\":\"expired\"")
}

fn command_killed(server: &Server) -> Outcome {
    let rowkeeper = Rowkeeper::new(&configuration(server, "public-box", "none"), None)?;
    let before = rowkeeper.sign_in_killed()?;
    let owner = |_: &str, code: &str| {
        ensure!(code == before, "another code: {before} before, {code} after");
        server.approve(code)
    };
    rowkeeper.sign_in(owner)?.done().map(drop)
}

fn command_withdrawn(server: &Server) -> Outcome {
    let rowkeeper = Rowkeeper::new(&configuration(server, "public-box", "none"), None)?;
    rowkeeper.sign_in(|_, code| server.approve(code))?.done()?;
    let token = AccessToken::parse(rowkeeper.run(&["token"])?.done()?.trim().into())?;
    // Here the other tokens of the grant go with it.
    let outcome = server.device("public-box", ClientAuth::None)?.revoke_access(&token)?;
    ensure!(matches!(outcome, Revoked::Done), "the access token was not withdrawn: {outcome:?}");
    rowkeeper.run(&["call", "GET", &format!("{}/me", server.issuer)])?.with(3, "sign in again")
}

fn command_cloned(server: &Server) -> Outcome {
    let original = Rowkeeper::new(&configuration(server, "public-box", "none"), None)?;
    original.sign_in(|_, code| server.approve(code))?.done()?;
    let copy = original.cloned()?;
    original.run(&["token", "--min-validity", "2h"])?.done()?;
    copy.run(&["token", "--min-validity", "2h"])?.with(3, "sign in again")?;
    original.run(&["token", "--min-validity", "2h"])?.with(3, "sign in again")?;
    original.sign_in(|_, code| server.approve(code))?.done().map(drop)
}
