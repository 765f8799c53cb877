//! A client of the control calls, for tests that talk to an emulator in another process.
//!
//! ```no_run
//! use google_emulator::{Action, Rule, When, client::Control};
//!
//! let google = Control::new("http://127.0.0.1:8085");
//! google.add_fault(&Rule { times: Some(1), ..Rule::new(Action::Reset { when: When::After }) })?;
//! google.keep_snapshot("signed in")?;
//! google.advance(3_600.0)?;
//! google.restore_snapshot("signed in")?;
//! # Ok::<(), google_emulator::client::ControlError>(())
//! ```
//!
//! Plain http; a test in the emulator's own process has [`Server::with_model`](crate::Server::with_model), also with
//! TLS.

use std::{
    fmt,
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Client, Faults, Rule, Switches};

/// The control calls of one emulator. Each is one connection.
#[derive(Clone, Debug)]
pub struct Control {
    /// `host:port`.
    host: String,
}

/// Why a control call did not do what it should.
#[derive(Debug)]
pub enum ControlError {
    /// Nobody answered, or not in HTTP.
    Unreachable(io::Error),
    /// The emulator refused, and changed nothing.
    Refused {
        /// 400 for a body that does not fit, 404 for what is not there, 409 for what is not (any more) possible.
        status: u16,
        /// In its words.
        why: String,
    },
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("the emulator does not answer"),
            Self::Refused { status, why } => write!(f, "the emulator refused with {status}: {why}"),
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(source) => Some(source),
            Self::Refused { .. } => None,
        }
    }
}

impl From<io::Error> for ControlError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error)
    }
}

type Outcome<T> = Result<T, ControlError>;

/// The emulator answers at once; a machine under load may not.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every call fails if nobody answers, and as its comment says.
///
/// # Errors
/// All as in [`ControlError`].
#[expect(clippy::missing_errors_doc, reason = "all fail alike, as the comment of the block says")]
impl Control {
    /// The emulator at `http://host:port`, which need not be up yet.
    pub fn new(url: &str) -> Self {
        let host = url.strip_prefix("http://").unwrap_or(url);
        Self { host: host.split('/').next().unwrap_or_default().to_owned() }
    }

    /// Name, version, time, spreadsheets and accounts.
    pub fn summary(&self) -> Outcome<Value> {
        self.get("")
    }

    /// Codes that wait for a person: `user_code`, `client_id`, `scopes`, …
    pub fn codes(&self) -> Outcome<Vec<Value>> {
        Ok(list(self.get("/codes")?, "codes"))
    }

    /// A person allows all that was asked. Refused if no such code waits.
    pub fn approve(&self, user_code: &str, account: &str) -> Outcome<()> {
        self.post("/approve", &json!({ "user_code": user_code, "account": account }))
    }

    /// A person allows these scopes alone. Refused if no such code waits.
    pub fn approve_some(&self, user_code: &str, account: &str, scopes: &[&str]) -> Outcome<()> {
        self.post("/approve", &json!({ "user_code": user_code, "account": account, "scopes": scopes }))
    }

    /// A person refuses. Refused if no such code waits.
    pub fn deny(&self, user_code: &str) -> Outcome<()> {
        self.post("/deny", &json!({ "user_code": user_code }))
    }

    /// A code's time is over. Refused if no such code waits.
    pub fn expire_code(&self, user_code: &str) -> Outcome<()> {
        self.post("/expire_code", &json!({ "user_code": user_code }))
    }

    /// The owner removes the app; without an account everybody does.
    pub fn revoke(&self, account: Option<&str>) -> Outcome<()> {
        self.post("/revoke", &json!({ "account": account }))
    }

    /// All access tokens end; refresh tokens stay.
    pub fn expire_access_tokens(&self) -> Outcome<()> {
        self.post("/expire_access_tokens", &json!({}))
    }

    /// Adds a client or replaces the one with its id.
    pub fn set_client(&self, client: &Client) -> Outcome<()> {
        self.post("/clients", &json!(client))
    }

    /// The clients, each as a [`Client`] with `***` for its secret.
    pub fn clients(&self) -> Outcome<Vec<Client>> {
        understood(self.get("/clients")?["clients"].take())
    }

    /// The owner moves a spreadsheet to the bin, or back. Refused if there is none.
    pub fn set_trashed(&self, spreadsheet: &str, trashed: bool) -> Outcome<()> {
        self.post("/spreadsheet", &json!({ "spreadsheet_id": spreadsheet, "trashed": trashed }))
    }

    /// The owner takes writing away from the app, or gives it back. Refused if there is no such spreadsheet.
    pub fn set_read_only(&self, spreadsheet: &str, read_only: bool) -> Outcome<()> {
        self.post("/spreadsheet", &json!({ "spreadsheet_id": spreadsheet, "read_only": read_only }))
    }

    /// Deletes a spreadsheet for ever. Refused if there is none.
    pub fn delete_spreadsheet(&self, spreadsheet: &str) -> Outcome<()> {
        self.post("/delete_spreadsheet", &json!({ "spreadsheet_id": spreadsheet }))
    }

    /// The rules that are set, and how often each struck.
    pub fn faults(&self) -> Outcome<Faults> {
        understood(self.get("/faults")?)
    }

    /// One rule more.
    pub fn add_fault(&self, rule: &Rule) -> Outcome<()> {
        self.post("/faults", &json!(rule))
    }

    /// These rules in place of all.
    pub fn set_faults(&self, faults: &Faults) -> Outcome<()> {
        let mut body = json!(faults);
        // A body without rules would be taken for a rule.
        body["rules"] = json!(faults.rules);
        self.send("PUT", "/faults", &body).map(drop)
    }

    /// The bad day is over.
    pub fn clear_faults(&self) -> Outcome<()> {
        self.send("DELETE", "/faults", &json!({})).map(drop)
    }

    /// Requests after number `since`, oldest first, secrets masked.
    pub fn log(&self, since: u64) -> Outcome<Vec<Value>> {
        Ok(list(self.get(&format!("/log?since={since}"))?, "entries"))
    }

    /// The log starts afresh.
    pub fn clear_log(&self) -> Outcome<()> {
        self.send("DELETE", "/log", &json!({})).map(drop)
    }

    /// The emulator's Unix time.
    pub fn clock(&self) -> Outcome<f64> {
        Ok(self.get("/clock")?["unix"].as_f64().unwrap_or_default())
    }

    /// Tokens and codes age by so many seconds, nobody waits.
    pub fn advance(&self, seconds: f64) -> Outcome<()> {
        self.post("/clock", &json!({ "advance": seconds }))
    }

    /// Keeps the whole world under a name, in the emulator's memory.
    pub fn keep_snapshot(&self, name: &str) -> Outcome<()> {
        self.post("/snapshots", &json!({ "name": name }))
    }

    /// Names of the snapshots that are kept.
    pub fn snapshots(&self) -> Outcome<Vec<String>> {
        understood(self.get("/snapshots")?["snapshots"].take())
    }

    /// The whole world becomes again what it was, its time too. Refused if there is no such snapshot.
    pub fn restore_snapshot(&self, name: &str) -> Outcome<()> {
        self.post("/restore", &json!({ "name": name }))
    }

    /// The whole world as a document, tokens included.
    pub fn snapshot(&self) -> Outcome<Value> {
        self.get("/snapshot")
    }

    /// The whole world from such a document. Refused if it is none.
    pub fn load_snapshot(&self, document: &Value) -> Outcome<()> {
        self.send("PUT", "/snapshot", document).map(drop)
    }

    /// Quotas, and each behaviour of Google's that nobody knows.
    pub fn options(&self) -> Outcome<Switches> {
        understood(self.get("/options")?)
    }

    /// The same; what is None stays as it is.
    pub fn set_options(&self, switches: &Switches) -> Outcome<()> {
        self.post("/options", &json!(switches))
    }

    /// All calls as OpenAPI 3.1.
    pub fn description(&self) -> Outcome<Value> {
        self.get("/openapi.json")
    }

    /// An empty world.
    pub fn reset(&self) -> Outcome<()> {
        self.post("/reset", &json!({}))
    }

    fn get(&self, path: &str) -> Outcome<Value> {
        self.send("GET", path, &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Outcome<()> {
        self.send("POST", path, body).map(drop)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Outcome<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "{method} /_emulator{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            self.host,
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        let (status, body) = parts(&reply).ok_or_else(|| io::Error::other("the answer is no HTTP"))?;
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        match status {
            200 => Ok(body),
            status => Err(ControlError::Refused { status, why: body["error"].as_str().unwrap_or_default().to_owned() }),
        }
    }
}

/// The emulator says how long its body is and closes after it: what follows the head is the body.
fn parts(reply: &[u8]) -> Option<(u16, &[u8])> {
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = std::str::from_utf8(reply.get(9..12)?).ok()?.parse().ok()?;
    Some((status, &reply[end + 4..]))
}

/// An answer in another shape is from an emulator of another version.
fn understood<T: DeserializeOwned>(value: Value) -> Outcome<T> {
    serde_json::from_value(value).map_err(|error| ControlError::Unreachable(io::Error::other(error)))
}

fn list(mut value: Value, name: &str) -> Vec<Value> {
    match value[name].take() {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}
