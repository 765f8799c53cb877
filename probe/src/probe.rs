//! A run: signing in, the throw-away spreadsheet, one item after the other, and cleaning up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rowkeeper::clock::{Clock, Stop, Woke};
use rowkeeper::config::Config;
use rowkeeper::http::{Http, Lost, Request, Response, Timeouts};
use rowkeeper::session::{Asked, AttemptError, Session, SignInEvent, SignOutError};
use rowkeeper::{Device, Edges, OpenError};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::docs::facts;
use crate::items::{How, ITEMS};
use crate::report::{Finding, Report, Verdict};
use crate::watch::Watched;

/// What the person chose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Between two calls; Google allows a person 60 writes a minute.
    pub pace: Duration,
    /// Also what takes half an hour, or a minute of the person's quota.
    pub long: bool,
    /// Give the sign-in back at the end. Google then ends the access of all devices of the project and person.
    pub sign_out: bool,
    /// Leave the spreadsheet where it is.
    pub keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { pace: Duration::from_millis(1_100), long: false, sign_out: false, keep: false }
    }
}

/// Who sits before the screen.
pub trait Person {
    /// Progress, and the code to type.
    fn hear(&mut self, what: &str);
    /// Asks for a deed that only a person can do; whether it was done.
    fn did(&mut self, what: &str) -> bool;
}

/// The run could not begin, or not go on.
#[derive(Debug)]
pub enum Trouble {
    /// The state directory cannot be used.
    Open(OpenError),
    /// Nobody signed in.
    SignIn(String),
    /// The spreadsheet could not be made.
    NoSpreadsheet(String),
    /// The stop was pressed. The spreadsheet was cleaned up as far as possible; run it again.
    Stopped,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::SignIn(why) => write!(f, "not signed in: {why}"),
            Self::NoSpreadsheet(why) => write!(f, "no spreadsheet could be made: {why}"),
            Self::Stopped => write!(f, "stopped; run it again, it starts with a spreadsheet of its own"),
        }
    }
}

impl std::error::Error for Trouble {}

/// The title of the throw-away spreadsheet.
pub(crate) const TITLE: &str = "Rowkeeper probe (may be deleted)";

/// What an item's probe has at hand.
pub(crate) struct Probe<'p> {
    pub(crate) options: Options,
    pub(crate) session: Session,
    pub(crate) watched: Arc<Watched>,
    pub(crate) person: &'p mut dyn Person,
    pub(crate) client_id: String,
    pub(crate) client_secret: Zeroizing<String>,
    /// The spreadsheet's id.
    pub(crate) sheet: String,
    origins: Origins,
    clock: Arc<dyn Clock>,
    stop: &'p Stop,
    next_metadata: i64,
}

/// Where things are; an emulator has all of it in one place.
struct Origins {
    oauth: String,
    sheets: String,
    drive: String,
}

/// An item's answer: what was expected, what came, and how they compare.
pub(crate) type Answer = Result<(String, String, Verdict), String>;

/// Asks everything.
///
/// # Errors
/// See [`Trouble`]; what a single item cannot do is in the report.
pub fn run(
    config: Config,
    edges: Edges,
    options: Options,
    person: &mut dyn Person,
    stop: &Stop,
) -> Result<Report, Trouble> {
    let provider = config.provider.as_ref().ok_or_else(|| Trouble::SignIn("no client is configured".into()))?;
    let secret = provider.client_secret.as_ref().map(|secret| secret.expose().to_owned());
    let (client_id, client_secret) = (provider.client_id.clone(), Zeroizing::new(secret.unwrap_or_default()));
    let origins = match &provider.emulator {
        Some(origin) => Origins { oauth: origin.clone(), sheets: origin.clone(), drive: origin.clone() },
        None => Origins {
            oauth: "https://oauth2.googleapis.com".into(),
            sheets: "https://sheets.googleapis.com".into(),
            drive: "https://www.googleapis.com".into(),
        },
    };
    let watched = Arc::new(Watched::new(edges.http));
    let clock = Arc::clone(&edges.clock);
    let device =
        Device::open_with(config, Edges { http: watched.clone(), clock: edges.clock }).map_err(Trouble::Open)?;
    let session = device.session();
    let mut tell = |event: &SignInEvent| {
        if let SignInEvent::Code { user_code, verification_uri, .. } = event {
            person.hear(&format!("on your phone or computer, open {verification_uri} and enter {user_code}"));
        }
    };
    let signed_in = session.sign_in(Asked::ByPerson, &mut tell, stop);
    signed_in.map_err(|error| Trouble::SignIn(error.to_string()))?;
    let sheet = String::new();
    let mut probe = Probe {
        options,
        session,
        watched,
        person,
        client_id,
        client_secret,
        sheet,
        origins,
        clock,
        stop,
        next_metadata: 1_000,
    };
    probe.make_spreadsheet()?;
    let report = probe.ask_all();
    probe.clean_up();
    report
}

impl Probe<'_> {
    fn make_spreadsheet(&mut self) -> Result<(), Trouble> {
        let tab = json!({ "properties": { "sheetId": TAB, "title": "probe", "gridProperties": { "rowCount": 20, "columnCount": 5 } } });
        let body = json!({ "properties": { "title": TITLE }, "sheets": [tab] });
        let made = self.sheets("POST", "v4/spreadsheets", Some(&body)).map_err(Trouble::NoSpreadsheet)?;
        let id = made.1["spreadsheetId"].as_str();
        let id = id.ok_or_else(|| Trouble::NoSpreadsheet(format!("{} {}", made.0, message(&made.1))))?;
        self.sheet = id.to_owned();
        let note = format!("made \"{TITLE}\": https://docs.google.com/spreadsheets/d/{id}/edit");
        self.person.hear(&note);
        Ok(())
    }

    fn ask_all(&mut self) -> Result<Report, Trouble> {
        let unknown: Vec<_> = facts().iter().filter(|fact| fact.is_unknown()).map(|fact| fact.id).collect();
        let (first, then): (Vec<_>, Vec<_>) = ITEMS.iter().partition(|item| unknown.contains(&item.id));
        let mut report = Report::default();
        for item in first.into_iter().chain(then) {
            if self.clock.wait(self.clock.mono(), self.stop) == Woke::Stopped {
                return Err(Trouble::Stopped);
            }
            let not_asked = |why: String| (String::new(), why, Verdict::NotAsked);
            let (expected, observed, verdict) = match item.how {
                How::Probe(probe) => {
                    self.person.hear(&format!("{} …", item.id));
                    probe(self).unwrap_or_else(not_asked)
                }
                How::Not(why) => not_asked(why.to_owned()),
            };
            report.findings.push(Finding { id: item.id, expected, observed, verdict });
        }
        Ok(report)
    }

    /// Bins the spreadsheet where the Drive API allows it; else says how.
    fn clean_up(&mut self) {
        if !self.options.keep && self.bin(true).is_ok_and(|status| status == 200) {
            self.person.hear("the spreadsheet is in the bin of your Drive");
        } else {
            let id = &self.sheet;
            self.person.hear(&format!("delete it yourself: https://docs.google.com/spreadsheets/d/{id}/edit"));
        }
        if self.options.sign_out {
            let told = match self.session.sign_out() {
                Ok(_) => "the sign-in was given back",
                Err(SignOutError::NotTold(_) | SignOutError::Access(_)) => {
                    "the sign-in could not be given back; remove it at https://myaccount.google.com/connections"
                }
            };
            self.person.hear(told);
        }
    }

    /// Puts the spreadsheet in the bin, or takes it out; Drive's status.
    pub(crate) fn bin(&mut self, trashed: bool) -> Result<u16, String> {
        let url = format!("{}/drive/v3/files/{}", self.origins.drive, self.sheet);
        self.authorised("PATCH", &url, Some(&json!({ "trashed": trashed }))).map(|answer| answer.0)
    }

    /// Waits, for the quota or for Google.
    pub(crate) fn wait(&self, time: Duration) -> Result<(), String> {
        match self.clock.wait(self.clock.mono() + time, self.stop) {
            Woke::Stopped => Err("stopped".into()),
            _ => Ok(()),
        }
    }

    /// A metadata id nobody has used.
    pub(crate) fn metadata_id(&mut self) -> i64 {
        self.next_metadata += 1;
        self.next_metadata
    }

    /// `spreadsheets.batchUpdate`.
    pub(crate) fn batch(&self, requests: &Value) -> Result<(u16, Value), String> {
        self.sheet_call("POST", ":batchUpdate", Some(&json!({ "requests": requests })))
    }

    /// A call below the spreadsheet's address.
    pub(crate) fn sheet_call(&self, method: &str, rest: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        self.sheets(method, &format!("v4/spreadsheets/{}{rest}", self.sheet), body)
    }

    pub(crate) fn sheets(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        let url = format!("{}/{path}", self.origins.sheets);
        self.authorised(method, &url, body)
    }

    /// One attempt, paced; status and JSON (or what came instead, as text).
    fn authorised(&self, method: &str, url: &str, body: Option<&Value>) -> Result<(u16, Value), String> {
        self.wait(self.options.pace)?;
        match self.session.authorised(&request(method, url, body), &TIMEOUTS) {
            Ok(answer) => Ok((answer.status, json(&answer))),
            Err(AttemptError::Token(error)) => Err(format!("no token: {error}")),
            Err(AttemptError::Lost(lost)) => Err(format!("no answer: {lost}")),
        }
    }

    /// A small read without a pause before it.
    pub(crate) fn read_at_once(&self) -> Result<Response, String> {
        let url = format!("{}/v4/spreadsheets/{}?fields=spreadsheetId", self.origins.sheets, self.sheet);
        self.session.authorised(&request("GET", &url, None), &TIMEOUTS).map_err(|error| format!("no answer: {error:?}"))
    }

    /// The same batch from several threads at the same time; what each was answered.
    pub(crate) fn simultaneously(&self, requests: &Value, times: usize) -> Result<Vec<(u16, Value)>, String> {
        self.wait(self.options.pace * times as u32)?;
        let url = format!("{}/v4/spreadsheets/{}:batchUpdate", self.origins.sheets, self.sheet);
        let body = json!({ "requests": requests });
        let barrier = std::sync::Barrier::new(times);
        let session = &self.session;
        std::thread::scope(|scope| {
            let send = || {
                let request = request("POST", &url, Some(&body));
                barrier.wait();
                session.authorised(&request, &TIMEOUTS).map(|answer| (answer.status, json(&answer)))
            };
            let threads: Vec<_> = (0..times).map(|_| scope.spawn(send)).collect();
            let ended = threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned()));
            let answers = ended.map(|ended| ended?.map_err(|error| format!("no answer: {error:?}")));
            answers.collect()
        })
    }

    /// A form to the provider; without a token.
    pub(crate) fn oauth(&self, path: &str, form: &[(&str, &str)]) -> Result<Response, String> {
        self.wait(self.options.pace)?;
        let escaped = form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>();
        let kind = Zeroizing::new("application/x-www-form-urlencoded".to_owned());
        let request = Request {
            method: "POST".into(),
            url: format!("{}{path}", self.origins.oauth),
            headers: vec![("content-type".into(), kind)],
            body: Zeroizing::new(escaped.join("&").into_bytes()),
        };
        self.watched.send(&request, &TIMEOUTS).map_err(|lost: Lost| format!("no answer: {lost}"))
    }
}

/// The tab that everything happens in.
pub(crate) const TAB: i64 = 7;

/// As the program's own writes.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(200) };

fn request(method: &str, url: &str, body: Option<&Value>) -> Request {
    let kind = Zeroizing::new("application/json".to_owned());
    Request {
        method: method.into(),
        url: url.into(),
        headers: body.map(|_| ("content-type".into(), kind)).into_iter().collect(),
        body: Zeroizing::new(body.map(|body| body.to_string().into_bytes()).unwrap_or_default()),
    }
}

fn json(answer: &Response) -> Value {
    let text = || Value::String(String::from_utf8_lossy(&answer.body).chars().take(200).collect());
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| text())
}

/// Google's own words in an error, or the beginning of whatever came.
pub(crate) fn message(body: &Value) -> String {
    let whole = body["error"]["message"].as_str().map_or_else(|| body.to_string(), str::to_owned);
    whole.chars().take(200).collect()
}

fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
