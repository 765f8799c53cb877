//! The network and Google behind it: requests land now, later, twice or never, and answers get lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use google_emulator::{CLIENT_ID, CLIENT_SECRET, Client, Model, NoMatch, Options, Request as Sent, Switches};
use rowkeeper::delivery::AttemptError;
use rowkeeper::http::{Lost, NotSent, Request, Response, Timeouts};
use serde_json::{Value, json};

use super::chance::Chance;
use super::clock::{ORIGIN_UNIX, WorldClock};
use super::events::Events;

/// How bad it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// So many attempts go wrong in some way.
    pub(crate) trouble: f64,
    /// Of those that go wrong, so many land long after they were given up.
    pub(crate) late: f64,
    /// So many reads are a little older than the last writes.
    pub(crate) stale: f64,
    /// So many processes die in the middle of an attempt.
    pub(crate) crash: f64,
    /// So many looks at tabs by filter leave out what is the spreadsheet's own metadata (docs/google.md, S29).
    pub(crate) narrow: f64,
}

/// How an attempt ends for the one who made it.
pub(crate) enum Landed {
    Answer(Result<Response, AttemptError>),
    /// The process died while it waited.
    Died,
}

/// How a request ends whose process died.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AfterDeath {
    Arrives,
    ArrivesLate,
    Never,
}

pub(crate) struct Net {
    pub(crate) google: Model,
    pub(crate) weather: Weather,
    pub(crate) attempts: u64,
    /// When one was answered last.
    pub(crate) last_answer: Duration,
    pub(crate) events: Events,
    /// The process dies with the attempt of this number on its way.
    pub(crate) death: Option<(u64, AfterDeath)>,
    /// Given up by their senders, and still on their way.
    late: BTreeMap<(Duration, u64), OnItsWay>,
    token: String,
    /// Spreadsheets that take no more cells.
    pub(crate) full: BTreeSet<String>,
    /// Spreadsheets that are not ours to see for the moment, and what we are told.
    pub(crate) closed: BTreeMap<String, &'static str>,
    /// No larger request gets through, in bytes; 0 for none.
    pub(crate) at_most: usize,
    /// The minute's writes are used up by others until then.
    pub(crate) storm_until: Duration,
    /// Google as it was a moment ago, oldest first.
    past: VecDeque<(Duration, Model)>,
    /// A marker was deleted while a request with its id was on its way.
    pub(crate) unguarded: Option<u32>,
}

/// A request that nobody waits for any more.
struct OnItsWay {
    sent: Sent,
    rows: Option<RowsOnTheirWay>,
}

/// Rows in a request that may still land.
#[derive(Clone, Debug)]
pub(crate) struct RowsOnTheirWay {
    pub(crate) spreadsheet: String,
    /// Of its marker.
    pub(crate) id: u32,
    pub(crate) rows: BTreeSet<String>,
}

/// Google's words (docs/google.md).
const FULL: &str = r#"{"error":{"code":400,"message":"Invalid requests[1].appendCells: This action would increase the number of cells in the workbook above the limit of 10000000 cells.","status":"INVALID_ARGUMENT"}}"#;

const QUOTA: &str = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}"#;

const RETRY_INFO: &str = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17s"}]}}"#;

const USER_QUOTA: &str = r#"{"error":{"code":403,"message":"Rate limit exceeded","status":"PERMISSION_DENIED","errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded"}]}}"#;

const NOT_SIGNED_IN: &str =
    r#"{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}"#;

const UNAVAILABLE: &str =
    r#"{"error":{"code":503,"message":"The service is currently unavailable.","status":"UNAVAILABLE"}}"#;

const INTERNAL: &str = r#"{"error":{"code":500,"message":"Internal error encountered.","status":"INTERNAL"}}"#;

const HTML: &str = "<!DOCTYPE html><title>Error</title>";

/// The ways in which a spreadsheet is not for us.
pub(crate) const CLOSED: [&str; 4] = [
    r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#,
    r#"{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}"#,
    r#"{"error":{"code":403,"message":"Google Sheets API has not been used in project 1 before or it is disabled.","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}"#,
    r#"{"error":{"code":403,"message":"Request had insufficient authentication scopes.","status":"PERMISSION_DENIED","details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#,
];

/// The longest body with one row in it, and all that its table needs at first.
const ONE_ROW: usize = 3_500;

/// A read is never older than this.
const OLDEST_READ: Duration = Duration::from_secs(30);

/// A Google with one signed-in account, made once: a clone is cheap.
fn signed_in() -> &'static (Model, String) {
    static WORLD: OnceLock<(Model, String)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let years = Client { access_token_lifetime: 1 << 40, ..Client::default() };
        let approve_as = Some("maker@example.com".into());
        let options = Options { approve_as, clients: vec![years], log_entries: 0, ..Options::default() };
        let mut google = Model::new(options);
        let start = Duration::from_secs(ORIGIN_UNIX - 3600);
        let scope = "https://www.googleapis.com/auth/drive.file";
        let code = json_of(
            &google.handle(start, &Sent::form("/device/code", &[("client_id", CLIENT_ID), ("scope", scope)])).body,
        );
        let code = code["device_code"].as_str().unwrap().to_owned();
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let fields =
            [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET), ("device_code", &code), ("grant_type", grant)];
        for poll in 1..10 {
            let reply = google.handle(start + Duration::from_secs(20 * poll), &Sent::form("/token", &fields));
            if let Some(token) = json_of(&reply.body)["access_token"].as_str() {
                return (google, token.to_owned());
            }
        }
        panic!("the emulator did not approve");
    })
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

impl Net {
    /// What Google says to a delete that matches nothing is not known, nor whether a spreadsheet in the bin takes rows:
    /// each world has one of both answers.
    pub(crate) fn new(weather: Weather, refuses_empty_deletes: bool, trashed_writes: bool) -> Self {
        let (mut google, token) = signed_in().clone();
        let no_match = if refuses_empty_deletes { NoMatch::Refused } else { NoMatch::EmptyReply };
        let trashed_writes = Some(trashed_writes);
        google.set_switches(Switches { no_match: Some(no_match), trashed_writes, ..Switches::default() });
        Self {
            google,
            weather,
            attempts: 0,
            last_answer: Duration::ZERO,
            events: Events::default(),
            death: None,
            late: BTreeMap::new(),
            token,
            full: BTreeSet::new(),
            closed: BTreeMap::new(),
            at_most: 0,
            storm_until: Duration::ZERO,
            past: VecDeque::new(),
            unguarded: None,
        }
    }

    /// One attempt of a device, from its first byte to its end; time passes meanwhile.
    pub(crate) fn attempt(
        &mut self,
        request: &Request,
        timeouts: &Timeouts,
        clock: &WorldClock,
        chance: &mut Chance,
    ) -> Landed {
        self.attempts += 1;
        let path = request.url.strip_prefix("https://sheets.example").expect("an address of Google's").to_owned();
        let mut sent = Sent::new(&request.method, &path).with_bearer(&self.token);
        for (name, value) in &request.headers {
            sent = sent.with_header(name, value);
        }
        sent.body = request.body.to_vec();

        if clock.world() < self.storm_until && request.method == "POST" && !request.url.contains(":search") {
            clock.pass(Duration::from_millis(100));
            return Landed::Answer(Ok(self.no("answers: 429", 429, QUOTA)));
        }
        if let Some((_, after)) = self.death.filter(|(attempt, _)| *attempt == self.attempts) {
            self.after_death(sent, after, clock, chance);
            return Landed::Died;
        }
        if chance.is(self.weather.crash) {
            let after = chance.pick(&[AfterDeath::Arrives, AfterDeath::ArrivesLate, AfterDeath::Never]);
            self.after_death(sent, after, clock, chance);
            return Landed::Died;
        }
        if !chance.is(self.weather.trouble) {
            return Landed::Answer(Ok(self.answer(sent, clock, chance)));
        }
        if chance.is(self.weather.late) {
            // Given up, by a time-out or a reset from in between; D bounds how long after.
            let patience = chance.pick(&[1, 20, timeouts.total.as_secs()]);
            clock.pass(Duration::from_secs(patience));
            let after = Duration::from_secs(chance.pick(&[1, 60, 170, 599]));
            self.later(sent, after, clock, chance);
            return Landed::Answer(Err(unknown("late")));
        }
        Landed::Answer(self.trouble(sent, timeouts, clock, chance))
    }

    fn trouble(
        &mut self,
        sent: Sent,
        timeouts: &Timeouts,
        clock: &WorldClock,
        chance: &mut Chance,
    ) -> Result<Response, AttemptError> {
        match chance.below(18) {
            0 | 1 => {
                self.events.note("network: does not connect");
                clock.pass(Duration::from_secs(1));
                Err(AttemptError::Lost(Lost::NotSent(NotSent::Connect("refused".into()))))
            }
            2 | 3 => {
                self.events.note("answers: 200 and lost, applied");
                self.land(&sent, clock.world());
                clock.pass(timeouts.total);
                Err(unknown("time-out, applied"))
            }
            4 => {
                self.events.note("answers: 200 and lost, never arrived");
                clock.pass(Duration::from_secs(3));
                Err(unknown("never arrived"))
            }
            5 => {
                self.land(&sent, clock.world());
                Ok(self.no("answers: 503, applied", 503, UNAVAILABLE))
            }
            6 => Ok(self.no("answers: 500, not applied", 500, INTERNAL)),
            7 => {
                self.land(&sent, clock.world());
                let status = chance.pick(&[200, 404, 502]);
                Ok(self.no("answers: HTML with 200, 404 or 502, applied", status, HTML))
            }
            8 => {
                if chance.is(0.5) {
                    self.land(&sent, clock.world());
                }
                Ok(self.no("answers: 408", 408, HTML))
            }
            9 => {
                self.events.note("answers: cut");
                let mut cut = self.answer(sent, clock, chance);
                cut.body.truncate(cut.body.len() / 2);
                Ok(cut)
            }
            10 => match chance.below(3) {
                0 => Ok(self.no("answers: 429", 429, QUOTA)),
                1 => Ok(self.no("answers: 429 with RetryInfo", 429, RETRY_INFO)),
                _ => Ok(self.no("answers: 403 of quota kind", 403, USER_QUOTA)),
            },
            11 => {
                // Something below us sends it again; we see the second answer.
                self.events.note("network: delivers twice");
                self.land(&sent, clock.world());
                Ok(self.answer(sent, clock, chance))
            }
            // Not of rows: an attempt that was answered is over, or nothing could ever be known (protocol, section 10.3).
            12 if !is_rows(&sent) => {
                self.events.note("network: delivers twice, once late");
                let answer = self.answer(sent.clone(), clock, chance);
                self.later(sent, Duration::from_secs(chance.pick(&[1, 60, 599])), clock, chance);
                Ok(answer)
            }
            // 413 is not relied on to mean that nothing was applied. One row alone is never too large for anybody here.
            13 if is_rows(&sent) && sent.body.len() > ONE_ROW => {
                self.land(&sent, clock.world());
                Ok(self.no("answers: 413, applied", 413, HTML))
            }
            14 => {
                if chance.is(0.5) {
                    self.land(&sent, clock.world());
                }
                Ok(self.no("answers: 302", 302, ""))
            }
            // A captive portal, or a reply to something else. A search that finds nothing is `{}`, so only for writes.
            15 if sent.path().ends_with(":batchUpdate") => {
                let body = chance.pick(&["{}", r#"{"login":"please"}"#, r#"{"spreadsheetId":"other","replies":[{}]}"#]);
                Ok(self.no("answers: 200 of somebody else's", 200, body))
            }
            16 => Ok(self.no("answers: 401", 401, NOT_SIGNED_IN)),
            _ => {
                // The board is suspended while it waits: its clock counts that time, its timers come late.
                self.events.note("device: sleeps with a request on its way");
                let answer = self.answer(sent, clock, chance);
                clock.pass(Duration::from_secs(chance.pick(&[400, 4_000, 90_000])));
                if chance.is(0.5) { Ok(answer) } else { Err(unknown("slept, applied")) }
            }
        }
    }

    /// An answer that is not the emulator's.
    fn no(&mut self, what: &'static str, status: u16, body: &str) -> Response {
        self.events.note(what);
        plain(status, body)
    }

    fn answer(&mut self, sent: Sent, clock: &WorldClock, chance: &mut Chance) -> Response {
        let now = clock.world();
        self.past.retain(|(at, _)| *at + OLDEST_READ >= now);
        let writes = [":batchUpdate", ":batchUpdateByDataFilter"];
        let is_read = !writes.iter().any(|end| sent.path().ends_with(end)) && sent.path() != "/v4/spreadsheets";
        let is_look = sent.path().ends_with(":getByDataFilter");
        let mut reply = if let Some(no) = self.refusal(&sent) {
            no
        } else if is_read && !self.past.is_empty() && chance.is(self.weather.stale) {
            self.events.note("answers: from before the last writes");
            let mut past = self.past[chance.below(self.past.len() as u64) as usize].1.clone();
            response(past.handle(Duration::from_secs(ORIGIN_UNIX) + now, &sent))
        } else {
            self.land(&sent, now)
        };
        if is_look && chance.is(self.weather.narrow) {
            self.events.note("answers: a look without all metadata");
            // All of it, or just the markers of devices.
            let all = chance.is(0.5);
            let mut shown = json_of(&reply.body);
            if let Some(entries) = shown.get_mut("developerMetadata").and_then(Value::as_array_mut) {
                entries.retain(|entry| !all && entry["metadataKey"] == "rklayout");
            }
            reply.body = shown.to_string().into_bytes();
        }
        if reply.status == 400 && String::from_utf8_lossy(&reply.body).contains("storage limit") {
            self.events.note("answers: storage limit");
        }
        clock.pass(Duration::from_millis(20 + chance.below(400)));
        self.last_answer = clock.world();
        reply
    }

    fn after_death(&mut self, sent: Sent, after: AfterDeath, clock: &WorldClock, chance: &mut Chance) {
        self.events.note("device: dies with a request on its way");
        match after {
            AfterDeath::Arrives => drop(self.land(&sent, clock.world())),
            AfterDeath::ArrivesLate => self.later(sent, Duration::from_secs(300), clock, chance),
            AfterDeath::Never => {}
        }
    }

    fn later(&mut self, sent: Sent, at_most: Duration, clock: &WorldClock, chance: &mut Chance) {
        let after = Duration::from_secs(chance.below(at_most.as_secs()));
        let is_very = after > Duration::from_secs(180);
        self.events.note(if is_very { "network: delivers later than 180 s" } else { "network: delivers late" });
        let rows = rows_of(&sent);
        self.late.insert((clock.world() + after, chance.next()), OnItsWay { sent, rows });
    }

    /// Rows whose senders have given up waiting, and that would still be applied.
    pub(crate) fn rows_alive(&self) -> impl Iterator<Item = &RowsOnTheirWay> {
        let rows = self.late.values().filter_map(|late| late.rows.as_ref());
        rows.filter(|rows| self.marker(&rows.spreadsheet, rows.id).is_none())
    }

    /// The value of this piece of metadata, as it is.
    pub(crate) fn marker(&self, spreadsheet: &str, id: u32) -> Option<String> {
        let found = self.google.metadata(spreadsheet).into_iter().find(|(found, ..)| *found == i64::from(id));
        found.map(|(_, _, value)| value.unwrap_or_default())
    }

    /// Everything lands that is due.
    pub(crate) fn reach(&mut self, now: Duration) {
        while self.late.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
            let Some(((at, _), late)) = self.late.pop_first() else { return };
            self.land(&late.sent, at);
        }
    }

    /// What is not the emulator's business: a spreadsheet that was closed to us, and one at its limit of cells.
    fn refusal(&mut self, sent: &Sent) -> Option<Response> {
        let id = sent.path().strip_prefix("/v4/spreadsheets/")?.split(['/', ':', '?']).next()?;
        if let Some(body) = self.closed.get(id) {
            let status = if body.contains("404") { 404 } else { 403 };
            self.events.note("answers: 403 or 404, closed");
            return Some(plain(status, body));
        }
        if self.at_most > 0 && sent.body.len() > self.at_most {
            return Some(self.no("answers: 413", 413, HTML));
        }
        let is_full = self.full.contains(id) && is_rows(sent);
        is_full.then(|| self.no("answers: cell limit", 400, FULL))
    }

    fn land(&mut self, sent: &Sent, at: Duration) -> Response {
        if let Some(no) = self.refusal(sent) {
            return no;
        }
        if sent.path().contains(":batchUpdate") {
            self.remember(at);
        }
        let is_prune = !self.late.is_empty() && contains(&sent.body, b"deleteDeveloperMetadata");
        let alive: Vec<(String, u32)> = match is_prune {
            true => self.rows_alive().map(|rows| (rows.spreadsheet.clone(), rows.id)).collect(),
            false => Vec::new(),
        };
        let reply = response(self.google.handle(Duration::from_secs(ORIGIN_UNIX) + at, sent));
        if is_prune {
            let now_alive = self.rows_alive().map(|rows| (rows.spreadsheet.clone(), rows.id));
            let unguarded = now_alive.filter(|rows| !alive.contains(rows)).map(|(_, id)| id).next();
            self.unguarded = unguarded;
        }
        reply
    }

    /// For reads that are a little old.
    fn remember(&mut self, at: Duration) {
        if self.weather.stale > 0.0 {
            self.past.push_back((at, self.google.clone()));
        }
    }

    /// A person does something by hand.
    pub(crate) fn by_hand(&mut self, now: Duration, edit: impl FnOnce(&mut Model)) {
        self.remember(now);
        edit(&mut self.google);
    }

    /// The pieces of metadata that say this.
    pub(crate) fn metadata_with_value(&self, spreadsheet: &str, value: &str) -> Vec<i64> {
        let all = self.google.metadata(spreadsheet);
        all.iter().filter(|(_, _, said)| said.as_deref() == Some(value)).map(|(id, ..)| *id).collect()
    }

    /// A stranger's request that nothing happens to.
    pub(crate) fn by_stranger(&mut self, spreadsheet: &str, requests: Value, now: Duration) -> u16 {
        let target = format!("/v4/spreadsheets/{spreadsheet}:batchUpdate");
        let sent = Sent::json("POST", &target, &json!({ "requests": requests })).with_bearer(&self.token);
        self.remember(now);
        self.google.handle(Duration::from_secs(ORIGIN_UNIX) + now, &sent).status
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|found| found == text)
}

fn is_rows(sent: &Sent) -> bool {
    contains(&sent.body, b"\"appendCells\"")
}

fn rows_of(sent: &Sent) -> Option<RowsOnTheirWay> {
    if !is_rows(sent) {
        return None;
    }
    let spreadsheet = sent.path().strip_prefix("/v4/spreadsheets/")?.split(':').next()?.to_owned();
    let body = json_of(&sent.body);
    let requests = body["requests"].as_array()?;
    let id = requests.first()?["createDeveloperMetadata"]["developerMetadata"]["metadataId"].as_u64()? as u32;
    let rows = requests.iter().filter_map(|request| request["appendCells"]["rows"].as_array()).flatten();
    let cells = rows.filter_map(|row| row["values"].as_array()).flatten();
    let texts = cells.filter_map(|cell| cell["userEnteredValue"]["stringValue"].as_str()).map(str::to_owned);
    Some(RowsOnTheirWay { spreadsheet, id, rows: texts.collect() })
}

fn response(reply: google_emulator::Reply) -> Response {
    let headers = reply.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    Response { status: reply.status, headers, body: reply.body }
}

fn unknown(why: &str) -> AttemptError {
    AttemptError::Lost(Lost::Unknown(why.into()))
}

fn plain(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
}
