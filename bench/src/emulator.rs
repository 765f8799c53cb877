//! The emulator as a process of its own, its control interface, and the sheet read back at the end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub const OWNER: &str = "maker@example.com";

/// How it is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub tls: bool,
    /// Google's 60, or so many that a contest about something else never meets the limit.
    pub writes_per_minute: u32,
    /// Every code is approved after one pending answer.
    pub approves: bool,
}

impl Setup {
    pub const GOOGLE: Self = Self { tls: false, writes_per_minute: 60, approves: true };
    pub const NO_QUOTA: Self = Self { tls: false, writes_per_minute: 1_000_000_000, approves: true };
}

pub struct Emulator {
    child: Child,
    address: SocketAddr,
    pub url: String,
    /// What its clients must trust.
    pub certificate: Option<PathBuf>,
    agent: Agent,
}

/// One request, as the emulator saw it.
#[derive(Clone, Debug)]
pub struct Logged {
    pub number: u64,
    /// Unix time in seconds, the emulator's steps of the clock taken away.
    pub at: f64,
    pub path: String,
    pub status: u16,
}

impl Logged {
    /// Whether rows (or, for Rowkeeper, also its own marks) were written.
    pub fn is_write(&self) -> bool {
        self.path.ends_with(":append") || self.path.ends_with(":batchUpdate")
    }
}

impl Emulator {
    pub fn start(rowkeeper: &Path, folder: &Path, setup: Setup) -> Result<Self> {
        let certificate = setup.tls.then(|| folder.join("ca.pem"));
        let mut command = Command::new(rowkeeper);
        command.args(["emulator", "--listen", "127.0.0.1:0"]);
        if setup.approves {
            command.args(["--approve-as", OWNER]);
        }
        command.args(["--writes-per-minute", &setup.writes_per_minute.to_string()]);
        command.args(certificate.iter().map(|file| format!("--tls={}", file.display())));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("the emulator did not start")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let url = line.trim_end().strip_prefix("listening on ").context("the emulator does not listen")?.to_owned();
        let address = url.rsplit('/').next().unwrap_or_default().parse()?;
        let mut config = Agent::config_builder().http_status_as_error(false);
        if let Some(file) = &certificate {
            let root = Certificate::from_pem(&std::fs::read(file)?)?;
            config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build());
        }
        Ok(Self { child, address, url, certificate, agent: config.build().into() })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let mut answer = self.agent.post(&url).send_json(body)?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string()?;
        if !status.is_success() {
            bail!("{path}: {status} {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        Ok(self.agent.post(&url).send_form(fields.iter().copied())?.body_mut().read_json()?)
    }

    pub fn get(&self, path: &str, token: &str) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let mut answer = self.agent.get(&url).header("Authorization", &format!("Bearer {token}")).call()?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
        if !status.is_success() {
            bail!("{path}: {status} {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// The bad day is over.
    pub fn clear_faults(&self) -> Result<()> {
        self.agent.delete(format!("{}/_emulator/faults", self.url)).call()?;
        Ok(())
    }

    /// Seconds its clock was moved.
    fn moved(&self) -> Result<f64> {
        Ok(self.get("/_emulator/clock", "")?["advanced"].as_f64().unwrap_or(0.0))
    }

    pub fn advance(&self, by: Duration) -> Result<()> {
        self.post("/_emulator/clock", &json!({ "advance": by.as_secs_f64() })).map(drop)
    }

    /// Requests after number `since`; the latest thousand at most.
    pub fn log(&self, since: u64) -> Result<Vec<Logged>> {
        let moved = self.moved()?;
        let log = self.get(&format!("/_emulator/log?since={since}"), "")?;
        let entries = log["entries"].as_array().context("no log")?.iter();
        let logged = entries.map(|entry| Logged {
            number: entry["number"].as_u64().unwrap_or(0),
            at: entry["unix"].as_f64().unwrap_or(0.0) - moved,
            path: entry["path"].as_str().unwrap_or_default().to_owned(),
            status: entry["status"].as_u64().unwrap_or(0) as u16,
        });
        Ok(logged.collect())
    }

    /// The number of the latest request.
    pub fn seen(&self) -> Result<u64> {
        Ok(self.log(0)?.last().map_or(0, |entry| entry.number))
    }

    /// Signs in by hand: what a peer whose library has no device flow starts with.
    pub fn sign_in(&self) -> Result<Value> {
        let client = [("client_id", "emulator-client")];
        let scope = [("scope", "https://www.googleapis.com/auth/drive.file")];
        let code = self.form("/device/code", &[client, scope].concat())?;
        let word = |name: &str| code[name].as_str().map(str::to_owned).ok_or_else(|| anyhow!("no {name}: {code}"));
        self.post("/_emulator/approve", &json!({ "user_code": word("user_code")?, "account": OWNER }))?;
        self.advance(Duration::from_secs(6))?;
        let device_code = word("device_code")?;
        let grant = [
            ("client_secret", "emulator-secret"),
            ("device_code", device_code.as_str()),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ];
        let tokens = self.form("/token", &[&client[..], &grant].concat())?;
        tokens["access_token"].as_str().context("no token")?;
        Ok(tokens)
    }

    /// How long access tokens live from now on, and how often a client may ask.
    pub fn set_client(&self, access_token_lifetime: u64, interval: u64) -> Result<()> {
        let client = json!({
            "client_id": "emulator-client", "client_secret": "emulator-secret", "project_number": "123456789012",
            "access_token_lifetime": access_token_lifetime, "interval": interval,
        });
        self.post("/_emulator/clients", &client).map(drop)
    }

    /// A spreadsheet with the tab `Log`, as a person who tries a peer makes it.
    pub fn make_sheet(&self, token: &str) -> Result<String> {
        let header = ["time", "device", "n", "value", "note"];
        let header: Vec<Value> =
            header.iter().map(|name| json!({ "userEnteredValue": { "stringValue": name } })).collect();
        let body = json!({
            "properties": { "title": "Peer" },
            "sheets": [{
                "properties": { "title": "Log" },
                "data": [{ "rowData": [{ "values": header }] }],
            }],
        });
        let url = format!("{}/v4/spreadsheets", self.url);
        let mut answer = self.agent.post(&url).header("Authorization", &format!("Bearer {token}")).send_json(&body)?;
        let made: Value = answer.body_mut().read_json()?;
        Ok(made["spreadsheetId"].as_str().with_context(|| format!("no spreadsheet: {made}"))?.to_owned())
    }

    /// The numbers in the column `n` of all tabs of all spreadsheets: which rows arrived, and how often.
    pub fn numbers(&self) -> Result<Vec<u64>> {
        let tokens = self.sign_in()?;
        let token = tokens["access_token"].as_str().context("no token")?;
        // The counting must not be refused for what the contest used up.
        self.advance(Duration::from_secs(61))?;
        let about = self.get("/_emulator", "")?;
        let mut numbers = Vec::new();
        for id in about["spreadsheets"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let tabs = self.get(&format!("/v4/spreadsheets/{id}?fields=sheets.properties.title"), token)?;
            for title in tabs["sheets"].as_array().into_iter().flatten() {
                let title = title["properties"]["title"].as_str().unwrap_or_default();
                let range = format!("/v4/spreadsheets/{id}/values/{title}");
                let header = self.get(&format!("{range}!1:1"), token)?;
                let names = header["values"][0].as_array().cloned().unwrap_or_default();
                let Some(at) = names.iter().position(|name| name == "n") else { continue };
                let column = char::from(b'A' + at as u8);
                let query = "valueRenderOption=UNFORMATTED_VALUE&majorDimension=COLUMNS";
                let read = self.get(&format!("{range}!{column}2:{column}?{query}"), token)?;
                let found = read["values"][0].as_array().into_iter().flatten();
                numbers.extend(found.filter_map(|cell| cell.as_f64().map(|n| n as u64)));
            }
        }
        Ok(numbers)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
