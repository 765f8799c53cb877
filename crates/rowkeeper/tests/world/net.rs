//! The network and Google behind it: requests land now, later, twice or never, and answers get lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use google_emulator::{CLIENT_ID, CLIENT_SECRET, Client, Model, NoMatch, Options, Request as Sent};
use rowkeeper::delivery::AttemptError;
use rowkeeper::http::{Lost, NotSent, Request, Response, Timeouts};
use serde_json::{Value, json};

use super::chance::Chance;
use super::clock::{ORIGIN_UNIX, WorldClock};

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

pub(crate) struct Net {
    pub(crate) google: Model,
    pub(crate) weather: Weather,
    pub(crate) attempts: u64,
    /// Given up by their senders, and still on their way.
    late: BTreeMap<(Duration, u64), Sent>,
    token: String,
    /// Spreadsheets that take no more cells.
    pub(crate) full: BTreeSet<String>,
    /// Spreadsheets that are not ours to see for the moment.
    pub(crate) closed: BTreeSet<String>,
    /// No larger request gets through, in bytes; 0 for none.
    pub(crate) at_most: usize,
    /// The minute's writes are used up by others until then.
    pub(crate) storm_until: Duration,
    /// Google as it was a moment ago, oldest first.
    past: VecDeque<(Duration, Model)>,
}

/// Google's words (docs/google.md).
const FULL: &str = r#"{"error":{"code":400,"message":"Invalid requests[1].appendCells: This action would increase the number of cells in the workbook above the limit of 10000000 cells.","status":"INVALID_ARGUMENT"}}"#;

const QUOTA: &str = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}"#;

/// A read is never older than this.
const OLDEST_READ: Duration = Duration::from_secs(30);

/// A Google with one signed-in account, made once: a clone is cheap.
fn signed_in() -> &'static (Model, String) {
    static WORLD: OnceLock<(Model, String)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let years = Client { access_token_lifetime: 1 << 40, ..Client::default() };
        let approve_as = Some("maker@example.com".into());
        let options = Options {
            approve_as,
            clients: vec![years],
            log_entries: 0,
            no_match: NoMatch::Refused,
            ..Options::default()
        };
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
    pub(crate) fn new(weather: Weather) -> Self {
        let (google, token) = signed_in().clone();
        Self {
            google,
            weather,
            attempts: 0,
            late: BTreeMap::new(),
            token,
            full: BTreeSet::new(),
            closed: BTreeSet::new(),
            at_most: 0,
            storm_until: Duration::ZERO,
            past: VecDeque::new(),
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
            return Landed::Answer(Ok(plain(429, QUOTA)));
        }
        if chance.is(self.weather.crash) {
            self.lands_somehow(sent, clock, chance);
            return Landed::Died;
        }
        if !chance.is(self.weather.trouble) {
            return Landed::Answer(Ok(self.answer(sent, clock, chance)));
        }
        if chance.is(self.weather.late) {
            // Given up, by a time-out or a reset from in between; D bounds how long after.
            let patience = chance.pick(&[1, 20, timeouts.total.as_secs()]);
            clock.pass(Duration::from_secs(patience));
            let after = chance.pick(&[1, 60, 170, 590]);
            self.later(sent, clock.world() + Duration::from_secs(chance.below(after)), chance);
            return Landed::Answer(Err(unknown("late")));
        }
        Landed::Answer(match chance.below(8) {
            0 => {
                clock.pass(Duration::from_secs(1));
                Err(AttemptError::Lost(Lost::NotSent(NotSent::Connect("refused".into()))))
            }
            1 => {
                self.land(&sent, clock.world());
                clock.pass(timeouts.total);
                Err(unknown("time-out, applied"))
            }
            2 => {
                clock.pass(Duration::from_secs(3));
                Err(unknown("never arrived"))
            }
            3 => {
                self.land(&sent, clock.world());
                Ok(plain(
                    503,
                    r#"{"error":{"code":503,"message":"The service is currently unavailable.","status":"UNAVAILABLE"}}"#,
                ))
            }
            4 => {
                Ok(plain(500, r#"{"error":{"code":500,"message":"Internal error encountered.","status":"INTERNAL"}}"#))
            }
            5 => {
                self.land(&sent, clock.world());
                Ok(plain(chance.pick(&[200, 404, 408, 502]), "<!DOCTYPE html><title>Error</title>"))
            }
            6 => {
                let mut cut = self.answer(sent, clock, chance);
                cut.body.truncate(cut.body.len() / 2);
                Ok(cut)
            }
            _ => Ok(plain(429, QUOTA)),
        })
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
            let mut past = self.past[chance.below(self.past.len() as u64) as usize].1.clone();
            response(past.handle(Duration::from_secs(ORIGIN_UNIX) + now, &sent))
        } else {
            self.land(&sent, now)
        };
        if is_look && chance.is(self.weather.narrow) {
            // All of it, or just the markers of devices.
            let all = chance.is(0.5);
            let mut shown = json_of(&reply.body);
            if let Some(entries) = shown.get_mut("developerMetadata").and_then(Value::as_array_mut) {
                entries.retain(|entry| !all && entry["metadataKey"] == "rklayout");
            }
            reply.body = shown.to_string().into_bytes();
        }
        clock.pass(Duration::from_millis(20 + chance.below(400)));
        reply
    }

    /// After a crash: now, later or never.
    fn lands_somehow(&mut self, sent: Sent, clock: &WorldClock, chance: &mut Chance) {
        match chance.below(3) {
            0 => drop(self.land(&sent, clock.world())),
            1 => self.later(sent, clock.world() + Duration::from_secs(chance.below(300)), chance),
            _ => {}
        }
    }

    fn later(&mut self, sent: Sent, at: Duration, chance: &mut Chance) {
        self.late.insert((at, chance.next()), sent);
    }

    /// Everything lands that is due.
    pub(crate) fn reach(&mut self, now: Duration) {
        while let Some(((at, _), sent)) = self.late.first_key_value().map(|(key, sent)| (*key, sent.clone())) {
            if at > now {
                break;
            }
            self.late.pop_first();
            self.land(&sent, at);
        }
    }

    /// What is not the emulator's business: a spreadsheet that was closed to us, and one at its limit of cells.
    fn refusal(&self, sent: &Sent) -> Option<Response> {
        let id = sent.path().strip_prefix("/v4/spreadsheets/")?.split(['/', ':', '?']).next()?;
        if self.closed.contains(id) {
            let body = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
            return Some(plain(404, body));
        }
        if self.at_most > 0 && sent.body.len() > self.at_most {
            return Some(plain(413, "<html>too large</html>"));
        }
        let appends = || sent.body.windows(11).any(|text| text == b"appendCells");
        (self.full.contains(id) && appends()).then(|| plain(400, FULL))
    }

    fn land(&mut self, sent: &Sent, at: Duration) -> Response {
        if let Some(no) = self.refusal(sent) {
            return no;
        }
        if self.weather.stale > 0.0 && sent.path().contains(":batchUpdate") {
            self.past.push_back((at, self.google.clone()));
        }
        response(self.google.handle(Duration::from_secs(ORIGIN_UNIX) + at, sent))
    }

    /// How many pieces of metadata say this.
    pub(crate) fn metadata_with_value(&mut self, spreadsheet: &str, value: &str) -> usize {
        let target = format!("/v4/spreadsheets/{spreadsheet}/developerMetadata:search");
        let filter = json!({"dataFilters": [{"developerMetadataLookup": {"metadataValue": value}}]});
        let sent = Sent::json("POST", &target, &filter).with_bearer(&self.token);
        let late = Duration::from_secs(ORIGIN_UNIX) + Duration::from_secs(100 * 365 * 24 * 3600);
        let found = json_of(&self.google.clone().handle(late, &sent).body);
        found["matchedDeveloperMetadata"].as_array().map_or(0, Vec::len)
    }

    /// A stranger's request that nothing happens to.
    pub(crate) fn by_stranger(&mut self, spreadsheet: &str, requests: Value, now: Duration) -> u16 {
        let target = format!("/v4/spreadsheets/{spreadsheet}:batchUpdate");
        let sent = Sent::json("POST", &target, &json!({ "requests": requests })).with_bearer(&self.token);
        self.land(&sent, now).status
    }
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
