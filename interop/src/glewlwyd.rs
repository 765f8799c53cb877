//! Debian's glewlwyd: real `slow_down`, a 400 without a word for a dead refresh token, `access_denied` for codes that it
//! does not know, double slashes in its discovery document, and people who grant less than was asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use device_grant::{
    AccessToken, Ask, Client, ClientAuth, ClientSecret, DeadReason, Prompt, Provider, RefreshToken, Refreshed, Revoked,
    Scopes, SignInError, Tokens,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::{Browser, Page, encoded};
use crate::command::Rowkeeper;
use crate::device::{Device, Wire};
use crate::process::{Running, free_port};
use crate::{Case, Outcome, all, ensure};

/// As the plugins below are told.
const INTERVAL: Duration = Duration::from_secs(2);
const SECRET: &str = "a secret+of/some%kind";

const CASES: &[Case<Server>] = &[
    ("found by its issuer, rotation, and a dead refresh token that is an empty 400", rotation),
    ("told to slow down, and polls five seconds later from then on", slow_down),
    ("expired", expired),
    ("a person who grants less than was asked for", partial),
    ("a code that a copy of the device used up is denied", used_up),
    ("a power cut after the last poll: the approval is lost, and said to be", replayed),
    ("a wrong secret is the configuration's fault", wrong_secret),
    ("revoked", revoked),
    ("a public client, which may not revoke here", public),
    ("the command: sign-in, token, call, sign-out", command),
    ("the command: a token that the provider withdrew early is replaced during a call", command_renews),
    ("the command: a cloned card ends both sign-ins, and says so", cloned),
];

/// Where `cargo xtask interop` unpacks the Debian packages.
fn unpacked() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("glewlwyd/root")
}

pub(crate) fn run() -> Outcome {
    all(CASES, Server::with)
}

/// A fresh database from the package's own SQL, a configuration, and the server under the unpacked libraries.
fn start(folder: &Path, port: u16) -> Outcome<Running> {
    let root = unpacked();
    let schema = fs::read_to_string(root.join("usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"))?;
    let database = folder.join("glewlwyd.db");
    Connection::open(&database)?.execute_batch(&schema)?;
    let modules = root.join("usr/lib/glewlwyd");
    let (modules, database) = (modules.display(), database.display());
    // The key of the TLS files must be there, although TLS is off.
    let configuration = format!(
        r#"
        port = {port}
        bind_address = "127.0.0.1"
        external_url = "http://127.0.0.1:{port}/"
        login_url = "login.html"
        api_prefix = "api"
        log_mode = "console"
        log_level = "INFO"
        cookie_secure = 0
        session_expiration = 3600
        session_key = "GLEWLWYD2_SESSION_ID"
        admin_scope = "g_admin"
        profile_scope = "g_profile"
        user_module_path = "{modules}/user"
        client_module_path = "{modules}/client"
        user_auth_scheme_module_path = "{modules}/scheme"
        plugin_module_path = "{modules}/plugin"
        use_secure_connection = false
        secure_connection_key_file = "none"
        secure_connection_pem_file = "none"
        secure_connection_ca_file = "none"
        hash_algorithm = "SHA512"
        database = {{ type = "sqlite3"; path = "{database}"; }};
        "#
    );
    let file = folder.join("glewlwyd.conf");
    fs::write(&file, configuration)?;
    let libraries = fs::read_dir(root.join("usr/lib"))?.flatten().map(|entry| entry.path());
    let libraries: Vec<_> = libraries.filter(|path| path.is_dir()).map(|path| path.display().to_string()).collect();
    let mut command = Command::new(root.join("usr/bin/glewlwyd"));
    command.env("LD_LIBRARY_PATH", libraries.join(":")).arg("-c").arg(file);
    Running::start(&mut command, folder)
}

struct Server {
    api: String,
}

impl Server {
    /// A server for one case alone: on SQLite it answers 500 when several people are at it.
    fn with(case: fn(&Self) -> Outcome) -> Outcome {
        let folder = TempDir::new()?;
        let port = free_port()?;
        let mut running = start(folder.path(), port)?;
        running.wait_for_port(port)?;
        let server = Self { api: format!("http://127.0.0.1:{port}/api") };
        let outcome = server.set_up().and_then(|()| case(&server));
        outcome.map_err(|why| format!("{why}\n{}", running.output()).into())
    }

    /// One plugin instance whose codes live for two minutes, and one whose codes live for seconds; two clients; a person
    /// who has the scopes.
    fn set_up(&self) -> Outcome {
        let mut admin = self.person()?;
        for (name, expires_in) in [("glwd", 120), ("hasty", 6)] {
            let parameters = json!({
                "iss": self.issuer(name), "jwt-type": "sha", "jwt-key-size": "256", "key": "a key for tests",
                "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 60,
                "refresh-token-one-use": "always", "refresh-token-rolling": false, "allow-non-oidc": true,
                "auth-type-refresh-enabled": true, "auth-type-device-enabled": true, "auth-type-client-enabled": true,
                "device-authorization-expiration": expires_in, "device-authorization-interval": INTERVAL.as_secs(),
                "introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
            });
            let plugin = json!({ "module": "oidc", "name": name, "display_name": name, "enabled": true,
                "parameters": parameters });
            self.manage(&mut admin, "POST", "/mod/plugin/", &plugin)?;
        }
        let scope = json!({ "name": "rows", "display_name": "Rows", "password_required": false, "scheme": {} });
        self.manage(&mut admin, "POST", "/scope/", &scope)?;
        let person = json!({ "name": "The owner", "email": "owner@example.com", "enabled": true,
            "scope": ["g_admin", "g_profile", "openid", "rows"] });
        self.manage(&mut admin, "PUT", "/user/admin?source=database", &person)?;
        let methods = json!(["client_secret_basic", "client_secret_post"]);
        let confidential = json!({ "client_id": "box", "name": "Box", "enabled": true, "confidential": true,
            "client_secret": SECRET, "token_endpoint_auth_method": methods,
            "authorization_type": ["device_authorization", "refresh_token", "client_credentials"] });
        let public = json!({ "client_id": "public-box", "name": "Box", "enabled": true, "confidential": false,
            "authorization_type": ["device_authorization", "refresh_token"] });
        for client in [confidential, public] {
            self.manage(&mut admin, "POST", "/client/", &client)?;
        }
        Ok(())
    }

    fn manage(&self, browser: &mut Browser, method: &str, path: &str, body: &Value) -> Outcome<Page> {
        let page = browser.json(method, &format!("{}{path}", self.api), body)?;
        ensure!(page.status == 200, "{method} {path}: {page:?}");
        Ok(page)
    }

    /// The person, logged in.
    fn person(&self) -> Outcome<Browser> {
        let mut browser = Browser::new();
        self.manage(&mut browser, "POST", "/auth/", &json!({ "username": "admin", "password": "password" }))?;
        Ok(browser)
    }

    /// Types the code, grants `scopes` to the client, goes on.
    fn approve(&self, client: &str, scopes: &str, code: &str) -> Outcome {
        let mut browser = self.person()?;
        self.manage(&mut browser, "PUT", &format!("/auth/grant/{client}"), &json!({ "scope": scopes }))?;
        let url = format!("{}/device?code={}&g_continue", self.issuer("glwd"), encoded(code));
        let page = browser.request("GET", &url, "", "")?;
        let done = page.location.as_ref().is_some_and(|to| to.ends_with("prompt=deviceComplete"));
        ensure!(done, "not approved: {page:?}");
        Ok(())
    }

    fn issuer(&self, plugin: &str) -> String {
        format!("{}/{plugin}", self.api)
    }

    fn device(&self, plugin: &str, id: &str, auth: ClientAuth) -> Outcome<Device> {
        Ok(Device::new(Client::new(Provider::preset("glewlwyd", Some(&self.issuer(plugin)))?, id, auth)?))
    }

    /// A confidential client at the provider that discovery finds.
    fn discovered(&self) -> Outcome<Device> {
        let metadata = Wire::new().discover(&self.issuer("glwd"))?;
        ensure!(metadata.foreign_endpoints().count() == 0, "endpoints elsewhere: {metadata:?}");
        let auth = metadata.client_auth(Some(ClientSecret::parse(SECRET.into())?));
        Ok(Device::new(Client::new(Provider::rfc(metadata.endpoints), "box", auth)?))
    }

    fn api_says(&self, device: &mut Device, tokens: &Tokens) -> Outcome<u16> {
        device.wire.status_of(&format!("{}/userinfo", self.issuer("glwd")), tokens.access.expose())
    }
}

/// The secret in the body: glewlwyd compares `Basic` without decoding it, so there an odd secret never fits.
fn secret() -> Outcome<ClientAuth> {
    Ok(ClientAuth::Post(ClientSecret::parse(SECRET.into())?))
}

fn ask() -> Outcome<Ask> {
    Ok(Ask::new(Scopes::parse(["openid", "rows"])?))
}

fn refresh_token(tokens: &Tokens) -> Outcome<&RefreshToken> {
    Ok(tokens.refresh.as_ref().ok_or("no refresh token")?)
}

/// Approves for `client` after `polls` polls.
fn after<'s>(polls: usize, server: &'s Server, client: &'s str) -> impl FnMut(&Prompt, usize) -> Outcome + 's {
    move |prompt, done| match done == polls {
        true => server.approve(client, "openid rows", prompt.user_code.as_str()),
        false => Ok(()),
    }
}

fn rotation(server: &Server) -> Outcome {
    let mut device = server.discovered()?;
    let tokens = device.sign_in(ask()?, &mut after(1, server, "box"))??;
    ensure!(device.wire.words() == ["", "authorization_pending", ""], "{:?}", device.wire.journal);
    device.wire.kept_the_pace(INTERVAL)?;
    ensure!(tokens.missing_scopes.is_empty(), "missing scopes: {}", tokens.missing_scopes);
    ensure!(server.api_says(&mut device, &tokens)? == 200, "the access token does not work");

    let first = refresh_token(&tokens)?;
    let Refreshed::Renewed(renewed) = device.refresh(first, &tokens.scopes) else {
        return Err(format!("not renewed: {:?}", device.wire.journal).into());
    };
    let second = refresh_token(&renewed)?;
    ensure!(second.expose() != first.expose(), "the refresh token was not rotated");
    // RFC 6749 has a word for a dead token, and this server does not use it: a client that knows only the RFC must keep
    // the token, and one that knows this server must not try for ever.
    match device.refresh(first, &tokens.scopes) {
        Refreshed::Later { answer_lost: false, .. } => {}
        other => return Err(format!("a 400 without a word: {other:?}").into()),
    }
    let mut knowing = server.device("glwd", "box", secret()?)?;
    for spent in [first, second] {
        match knowing.refresh(spent, &tokens.scopes) {
            Refreshed::Dead { reason: DeadReason::Revoked, .. } => {}
            other => return Err(format!("after reuse: {other:?}").into()),
        }
    }
    Ok(())
}

fn slow_down(server: &Server) -> Outcome {
    let mut device = server.device("glwd", "box", secret()?)?;
    device.wire.echo = true;
    device.sign_in(ask()?, &mut after(1, server, "box"))??;
    let words = device.wire.words();
    ensure!(words == ["", "authorization_pending", "slow_down", ""], "{:?}", device.wire.journal);
    let [.., told, last] = &device.wire.journal[..] else { return Err("no two polls".into()) };
    let gap = last.sent_at - told.answered_at;
    ensure!(gap >= INTERVAL + Duration::from_secs(5), "polled {gap:?} after being told to slow down");
    Ok(())
}

fn expired(server: &Server) -> Outcome {
    let mut device = server.device("hasty", "box", secret()?)?;
    match device.sign_in(ask()?, &mut |_, _| Ok(()))? {
        Err(SignInError::Expired { approval_may_be_lost: false }) => device.wire.kept_the_pace(Duration::ZERO),
        other => Err(format!("not expired: {other:?}").into()),
    }
}

fn partial(server: &Server) -> Outcome {
    let mut device = server.device("glwd", "public-box", ClientAuth::None)?;
    let mut owner = |prompt: &Prompt, polls: usize| match polls {
        0 => server.approve("public-box", "openid", prompt.user_code.as_str()),
        _ => Ok(()),
    };
    let tokens = device.sign_in(ask()?, &mut owner)??;
    let (granted, missing) = (tokens.scopes.to_string(), tokens.missing_scopes.to_string());
    ensure!(granted == "openid" && missing == "rows", "granted {granted:?}, missing {missing:?}");
    Ok(())
}

fn used_up(server: &Server) -> Outcome {
    let mut device = server.device("glwd", "box", secret()?)?;
    // The copy's poll comes first and gets the tokens.
    device.wire.echo = true;
    match device.sign_in(ask()?, &mut after(0, server, "box"))? {
        Err(SignInError::Denied) => {}
        other => return Err(format!("not denied: {other:?}").into()),
    }
    ensure!(device.wire.words() == ["", "", "access_denied"], "{:?}", device.wire.journal);
    Ok(())
}

fn replayed(server: &Server) -> Outcome {
    let mut device = server.device("glwd", "box", secret()?)?;
    device.sign_in(ask()?, &mut after(0, server, "box"))??;
    match device.resume(&mut |_, _| Ok(()))? {
        Err(SignInError::ApprovalLost(error)) => ensure!(error.code.as_str() == "access_denied", "{error}"),
        other => return Err(format!("a used code: {other:?}").into()),
    }
    Ok(())
}

fn wrong_secret(server: &Server) -> Outcome {
    let mut device = server.device("glwd", "box", ClientAuth::Post(ClientSecret::parse("wrong".into())?))?;
    match device.sign_in(ask()?, &mut |_, _| Err("a code without a secret".into()))? {
        Err(SignInError::Misconfigured(error)) => ensure!(error.code.as_str() == "unauthorized_client", "{error}"),
        other => return Err(format!("with a wrong secret: {other:?}").into()),
    }
    Ok(())
}

fn revoked(server: &Server) -> Outcome {
    let mut device = server.device("glwd", "box", secret()?)?;
    let tokens = device.sign_in(ask()?, &mut after(0, server, "box"))??;
    let token = refresh_token(&tokens)?;
    for attempt in ["first", "second"] {
        let outcome = device.revoke(token)?;
        ensure!(matches!(outcome, Revoked::Done), "{attempt} revocation: {outcome:?}");
    }
    match device.refresh(token, &tokens.scopes) {
        Refreshed::Dead { reason: DeadReason::Revoked, .. } => Ok(()),
        other => Err(format!("a revoked token: {other:?}").into()),
    }
}

fn public(server: &Server) -> Outcome {
    let mut device = server.device("glwd", "public-box", ClientAuth::None)?;
    let tokens = device.sign_in(ask()?, &mut after(0, server, "public-box"))??;
    let outcome = device.revoke(refresh_token(&tokens)?)?;
    ensure!(matches!(outcome, Revoked::Refused(None)), "a public client's revocation, a bare 401: {outcome:?}");
    Ok(())
}

fn configuration(server: &Server, preset: &str) -> String {
    let issuer = server.issuer("glwd");
    format!(
        "preset = \"{preset}\"\nissuer = \"{issuer}\"\nclient_id = \"box\"\nclient_auth = \"post\"\n\
         scopes = [\"openid\", \"rows\"]"
    )
}

fn command(server: &Server) -> Outcome {
    let rowkeeper = Rowkeeper::new(&configuration(server, "none"), Some(SECRET))?;
    let said = rowkeeper.sign_in(|_, code| server.approve("box", "openid rows", code))?.done()?;
    ensure!(said.contains("\"event\":\"signed_in\""), "{said}");
    let first = rowkeeper.run(&["token"])?.done()?;
    // Two refreshes: the second one works only if the rotated token was kept.
    let second = rowkeeper.run(&["token", "--min-validity", "2h"])?.done()?;
    let third = rowkeeper.run(&["token", "--min-validity", "2h"])?.done()?;
    ensure!(first != second && second != third, "the token was not refreshed");
    let userinfo = format!("{}/userinfo", server.issuer("glwd"));
    let answer = rowkeeper.run(&["call", "GET", &userinfo])?.done()?;
    ensure!(answer.contains("\"sub\""), "{answer}");
    rowkeeper.run(&["sign-out"])?.done()?;
    rowkeeper.run(&["token"])?.with(3, "not signed in")
}

fn command_renews(server: &Server) -> Outcome {
    let rowkeeper = Rowkeeper::new(&configuration(server, "none"), Some(SECRET))?;
    rowkeeper.sign_in(|_, code| server.approve("box", "openid rows", code))?.done()?;
    let first = rowkeeper.run(&["token"])?.done()?;
    let outcome = server.discovered()?.revoke_access(&AccessToken::parse(first.trim().into())?)?;
    ensure!(matches!(outcome, Revoked::Done), "the access token was not withdrawn: {outcome:?}");
    let answer = rowkeeper.run(&["call", "GET", &format!("{}/userinfo", server.issuer("glwd"))])?.done()?;
    ensure!(answer.contains("\"sub\""), "{answer}");
    ensure!(rowkeeper.run(&["token"])?.done()? != first, "the token was not replaced");
    Ok(())
}

fn cloned(server: &Server) -> Outcome {
    let original = Rowkeeper::new(&configuration(server, "glewlwyd"), Some(SECRET))?;
    original.sign_in(|_, code| server.approve("box", "openid rows", code))?.done()?;
    let copy = original.cloned()?;
    original.run(&["token", "--min-validity", "2h"])?.done()?;
    copy.run(&["token", "--min-validity", "2h"])?.with(3, "sign in again")?;
    original.run(&["token", "--min-validity", "2h"])?.with(3, "sign in again")?;
    original.sign_in(|_, code| server.approve("box", "openid rows", code))?.done().map(drop)
}
