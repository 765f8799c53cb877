//! The model: the whole emulated world as one value, without sockets, files or clocks.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    calendar::http_date,
    control, drive,
    faults::{Action, Faults, TlsFailureKind, When},
    log::{Log, LogEntry},
    multipart,
    oauth::{self, DecideError, Moment, PendingCode, SignIn},
    options::{Client, Options, Switches},
    pages,
    quota::Quota,
    random::Random,
    sheets::{self, Files, errors},
    wire::{Delivery, Reply, Request},
};

/// Google's sign-in and Sheets, as far as a device can tell.
///
/// `handle` is deterministic: the same options, times and requests give the same replies, tokens and faults. A clone
/// is a snapshot; unchanged rows are shared, so it is cheap.
#[derive(Clone, Debug)]
pub struct Model {
    /// As started.
    given: Options,
    /// With what was told since.
    pub(crate) options: Options,
    pub(crate) state: State,
    pub(crate) log: Log,
    /// Source of the seeds of single requests; see [`Decision`].
    seeds: Random,
    /// The model's time at the last request.
    pub(crate) now: Duration,
    /// What the caller said the time is, without our steps.
    caller_now: Duration,
    /// Whole worlds under a name; not in the snapshot of a data file.
    snapshots: BTreeMap<String, Box<State>>,
    /// The world was replaced: a journal must not only note the request.
    was_replaced: bool,
}

/// What a restart must bring back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) sign_in: SignIn,
    pub(crate) files: Files,
    pub(crate) quota: Quota,
    pub(crate) faults: Faults,
    /// How far the model's clock was stepped ahead of the caller's.
    pub(crate) clock_offset: Duration,
    /// What was told since the start.
    #[serde(default)]
    switches: Switches,
    /// Requests whose connection is gone but that still land, in order of their time.
    late: Vec<Late>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Late {
    lands: Duration,
    seed: u64,
    request: Request,
}

/// Everything about the handling of one request that is not in the request or in the state.
///
/// With it a journal of requests replays to the same state, whatever was read in between.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) now: Duration,
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<Action>,
}

impl Decision {
    /// A fault can make a mere read change something.
    pub(crate) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }
}

/// Neither faulted nor logged.
const CONTROL: &str = "/_emulator";

/// Snapshots under a name; more are a leak.
const MOST_SNAPSHOTS: usize = 32;

/// Requests that still have to land at most; the oldest give way.
const MOST_LATE: usize = 1_000;

impl Model {
    /// An empty world: no grants, no spreadsheets.
    pub fn new(options: Options) -> Self {
        let mut model = Self {
            state: State::default(),
            log: Log::new(options.log_entries),
            seeds: Random::seeded(options.seed),
            now: Duration::ZERO,
            caller_now: Duration::ZERO,
            snapshots: BTreeMap::new(),
            was_replaced: false,
            given: options.clone(),
            options,
        };
        model.adopt_clients();
        model
    }

    /// Clients of the options win over those of a snapshot.
    fn adopt_clients(&mut self) {
        let clients = &mut self.state.sign_in.clients;
        let built_in = Client::default();
        clients.entry(built_in.client_id.clone()).or_insert(built_in);
        for client in &self.options.clients {
            clients.insert(client.client_id.clone(), client.clone());
        }
    }

    pub(crate) fn restore(&mut self, state: State) {
        self.state = state;
        self.options = self.given.clone().with(&self.state.switches);
        self.adopt_clients();
    }

    /// New identifiers must not repeat after a restart.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.seeds = Random::seeded(seed);
    }

    /// Answers one request at Unix time `now`. Times must not go backwards.
    pub fn handle(&mut self, now: Duration, request: &Request) -> Reply {
        let decision = self.decide(now, request);
        self.perform(&decision, request)
    }

    pub(crate) fn decide(&mut self, now: Duration, request: &Request) -> Decision {
        let is_control = request.path().starts_with(CONTROL);
        let (sign_in, time) = (&self.state.sign_in, self.now);
        let account = || {
            let form = request.form_or_json().unwrap_or_default();
            let token = errors::bearer(request).or_else(|| form.filled("refresh_token").map(String::from))?;
            sign_in.account_of(time, &token)
        };
        let fault = if is_control { None } else { self.state.faults.judge(request, account) };
        Decision { now, seed: self.seeds.next(), fault }
    }

    pub(crate) fn perform(&mut self, decision: &Decision, request: &Request) -> Reply {
        self.tick(decision.now);
        let reply = match &decision.fault {
            None => self.route(request, decision.seed),
            Some(action) => self.suffer(action, request, decision.seed),
        };
        let reply = reply.with_header("Date", &http_date(self.now)).with_header("Server", "google-emulator");
        // The log is about clients; a test's own calls would only stand in its way.
        if !request.path().starts_with(CONTROL) {
            let fault = decision.fault.as_ref().and_then(|action| serde_json::to_value(action).ok());
            self.log.push(self.now, request, &reply, fault);
        }
        reply
    }

    /// Lets time pass: late requests land.
    pub fn tick(&mut self, now: Duration) {
        self.caller_now = now;
        self.reach(now + self.state.clock_offset);
    }

    fn reach(&mut self, time: Duration) {
        self.now = self.now.max(time);
        while self.state.late.first().is_some_and(|late| late.lands <= self.now) {
            let late = self.state.late.remove(0);
            self.route(&late.request, late.seed);
        }
    }

    fn suffer(&mut self, action: &Action, request: &Request, seed: u64) -> Reply {
        match action {
            Action::Status { status, when, body, content_type, retry_after } => {
                self.apply_if(*when, request, seed);
                let kind = content_type.as_deref().unwrap_or("application/json; charset=UTF-8");
                let reply = match body {
                    Some(body) => Reply::new(*status, kind, body.as_str()),
                    None => errors::plain(*status),
                };
                match retry_after {
                    Some(seconds) => reply.with_header("Retry-After", &seconds.to_string()),
                    None => reply,
                }
            }
            Action::Html { status, when } => {
                self.apply_if(*when, request, seed);
                errors::html(*status)
            }
            Action::Drop { when } => self.apply_if(*when, request, seed).delivered(Delivery::Dropped),
            Action::Reset { when } => self.apply_if(*when, request, seed).delivered(Delivery::Reset),
            Action::Delay { seconds } => {
                let mut reply = self.route(request, seed);
                reply.delay = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                reply
            }
            Action::Late { seconds } => {
                let lands = self.now + Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                self.postpone(Late { lands, seed, request: request.clone() });
                nothing().delivered(Delivery::Reset)
            }
            Action::Truncate { bytes } => {
                let reply = self.route(request, seed);
                let bytes = (*bytes).min(reply.body.len().saturating_sub(1));
                reply.delivered(Delivery::Truncated { bytes })
            }
            Action::Slow { bytes_per_second } => {
                let bytes_per_second = (*bytes_per_second).max(1);
                self.route(request, seed).delivered(Delivery::Slow { bytes_per_second })
            }
            Action::Quota => self.quota_refusal(request),
            Action::ExpireToken => {
                if let Some(token) = errors::bearer(request) {
                    self.state.sign_in.expire_access_token(&token);
                }
                self.route(request, seed)
            }
            Action::RevokeGrant => {
                let form = request.form_or_json().unwrap_or_default();
                let token = errors::bearer(request).or_else(|| form.filled("refresh_token").map(String::from));
                if let Some(token) = token {
                    self.state.sign_in.revoke(self.now, &token);
                }
                self.route(request, seed)
            }
            Action::DeleteSpreadsheet => {
                if let Some(id) = sheets::spreadsheet_id(request.path()) {
                    self.state.files.delete(&id);
                }
                self.route(request, seed)
            }
        }
    }

    /// The reply that the client will not see; status 0 if there was none.
    fn apply_if(&mut self, when: When, request: &Request, seed: u64) -> Reply {
        match when {
            When::Before => nothing(),
            When::After => self.route(request, seed),
        }
    }

    fn postpone(&mut self, late: Late) {
        if self.state.late.len() == MOST_LATE {
            self.state.late.remove(0);
        }
        let place = self.state.late.partition_point(|other| other.lands <= late.lands);
        self.state.late.insert(place, late);
    }

    fn quota_refusal(&self, request: &Request) -> Reply {
        let caller = errors::bearer(request).and_then(|token| self.state.sign_in.caller(self.now, &token));
        let project = caller.map_or_else(|| crate::options::PROJECT_NUMBER.into(), |caller| caller.project_number);
        let is_write = sheets::is_write(request);
        let limit = if is_write { self.options.writes_per_minute } else { self.options.reads_per_minute };
        let window_start = self.now.as_secs() / 60 * 60;
        errors::quota_exceeded(errors::Bucket { is_write, is_per_user: true }, limit, &project, window_start)
    }

    fn route(&mut self, request: &Request, seed: u64) -> Reply {
        let origin = self.origin(request);
        let mut random = Random::seeded(seed);
        let now = self.now;
        let path = request.path();
        if let Some(reply) = pages::form(self, request, &origin, &mut random) {
            return reply;
        }
        if path.starts_with(CONTROL) {
            return control::handle(self, request, &origin);
        }
        if path.starts_with("/drive/v3/") || path.starts_with("/upload/drive/v3/") {
            return drive::handle(self, request, &origin, &mut random);
        }
        if request.method == "POST" && multipart::PATHS.contains(&path) {
            return multipart::handle(self, request, seed, Self::route);
        }
        if path.starts_with("/v4/") {
            return sheets::handle(self, request, &origin, &mut random);
        }
        let sign_in = &mut self.state.sign_in;
        let mut at = Moment { now, random: &mut random, options: &self.options, origin: &origin };
        match (request.method.as_str(), path) {
            ("GET" | "HEAD", "/.well-known/openid-configuration") => oauth::discovery(&origin),
            // The second of each pair is a legacy name (docs/google.md 1.1).
            ("POST", "/device/code" | "/o/oauth2/device/code") => oauth::device_code(sign_in, &mut at, request),
            ("POST", "/token" | "/o/oauth2/token" | "/oauth2/v4/token") => oauth::token(sign_in, &mut at, request),
            ("POST", "/revoke" | "/o/oauth2/revoke") => oauth::revoke(sign_in, &at, request),
            ("GET" | "HEAD", "/oauth2/v3/certs") => oauth::certs(),
            ("GET" | "POST", "/v1/userinfo" | "/userinfo") => oauth::userinfo(sign_in, now, request),
            ("GET" | "POST", "/tokeninfo" | "/oauth2/v2/tokeninfo") => oauth::tokeninfo(sign_in, now, request),
            _ => pages::handle(self, request, &origin, &mut random).unwrap_or_else(|| errors::html(404)),
        }
    }

    /// Addresses in replies follow the request's `Host`; anything strange in it is not repeated.
    fn origin(&self, request: &Request) -> String {
        let is_plain =
            |host: &&str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b));
        let host = request.header("host").filter(is_plain).unwrap_or("127.0.0.1:8085");
        format!("{}://{host}", if self.options.https { "https" } else { "http" })
    }

    // For tests in the same process.

    /// The model's clock: the last `now`, plus what was stepped.
    pub fn clock(&self) -> Duration {
        self.now
    }

    /// Steps the model's clock ahead of its caller's.
    pub fn advance(&mut self, by: Duration) {
        self.state.clock_offset += by;
        self.reach(self.now + by);
    }

    /// Codes that wait for a person.
    pub fn pending_codes(&self) -> Vec<PendingCode> {
        self.state.sign_in.pending(self.now)
    }

    /// A person allows everything the device asked for.
    ///
    /// # Errors
    /// The code is not waiting (any more).
    pub fn approve(&mut self, user_code: &str, account: &str) -> Result<(), DecideError> {
        self.state.sign_in.approve(self.now, user_code, account, None)
    }

    /// A person unticks everything but `scopes`.
    ///
    /// # Errors
    /// The code is not waiting (any more).
    pub fn approve_some(&mut self, user_code: &str, account: &str, scopes: &[&str]) -> Result<(), DecideError> {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self.state.sign_in.approve(self.now, user_code, account, Some(scopes))
    }

    /// A person refuses.
    ///
    /// # Errors
    /// The code is not waiting (any more).
    pub fn deny(&mut self, user_code: &str) -> Result<(), DecideError> {
        self.state.sign_in.deny(self.now, user_code)
    }

    /// Ends a waiting code before its time. False if it is not waiting.
    pub fn expire_code(&mut self, user_code: &str) -> bool {
        self.state.sign_in.expire_code(self.now, user_code)
    }

    /// The owner of `account` removes the app, in all projects. Returns how many sign-ins ended.
    pub fn revoke_account(&mut self, account: &str) -> usize {
        self.state.sign_in.revoke_account(account, None)
    }

    /// Everybody removes the app.
    pub fn revoke_everything(&mut self) {
        self.state.sign_in.revoke_everything();
    }

    /// All access tokens end; refresh tokens stay.
    pub fn expire_access_tokens(&mut self) {
        self.state.sign_in.expire_access_tokens();
    }

    /// Adds a client or replaces the one with its id.
    pub fn set_client(&mut self, client: Client) {
        self.state.sign_in.clients.insert(client.client_id.clone(), client);
    }

    /// A client to change and hand back to [`Model::set_client`].
    pub fn client(&self, client_id: &str) -> Option<Client> {
        self.state.sign_in.client_of(client_id).cloned()
    }

    /// The current fault rules with their counters.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// Replaces all fault rules; `Faults::default()` ends them.
    pub fn set_faults(&mut self, faults: Faults) {
        self.state.faults = faults;
    }

    /// Requests that will still land.
    pub fn late_requests(&self) -> usize {
        self.state.late.len()
    }

    /// After how long without a request the shell hangs up on a kept connection.
    pub fn idle_close(&self) -> Option<Duration> {
        self.state.faults.idle_close_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// Changes options of a running world; what is None stays as it is.
    pub fn set_switches(&mut self, switches: Switches) {
        self.state.switches.add(switches);
        self.options = self.given.clone().with(&self.state.switches);
    }

    /// The options that can be changed, as they are.
    pub fn switches(&self) -> Switches {
        self.options.switches()
    }

    /// How the next TLS handshake fails, if it does.
    pub(crate) fn next_handshake(&mut self) -> Option<TlsFailureKind> {
        self.state.faults.next_handshake()
    }

    /// Keeps the whole world under a name; rows are shared, so it is cheap. False without a name, or if 32 are kept.
    pub fn keep_snapshot(&mut self, name: &str) -> bool {
        let is_new = !self.snapshots.contains_key(name);
        if name.is_empty() || (is_new && self.snapshots.len() >= MOST_SNAPSHOTS) {
            return false;
        }
        self.snapshots.insert(name.to_owned(), Box::new(self.state.clone()));
        true
    }

    /// Names of the kept snapshots.
    pub fn snapshot_names(&self) -> Vec<String> {
        self.snapshots.keys().cloned().collect()
    }

    /// The world becomes again what it was, its clock too: a step since then is undone. The log goes on. False if
    /// there is no such snapshot.
    pub fn restore_snapshot(&mut self, name: &str) -> bool {
        let Some(state) = self.snapshots.get(name).cloned() else { return false };
        self.replace(*state);
        true
    }

    /// The whole world as a document, tokens included.
    pub fn snapshot(&self) -> serde_json::Value {
        json!({ "google-emulator": 1, "state": self.state })
    }

    /// The whole world from such a document.
    ///
    /// # Errors
    /// What does not fit; nothing was changed then.
    pub fn load_snapshot(&mut self, mut document: serde_json::Value) -> Result<(), String> {
        if document["google-emulator"] != 1 {
            return Err("this is no snapshot of google-emulator".to_owned());
        }
        let state: State = serde_json::from_value(document["state"].take()).map_err(|error| error.to_string())?;
        if state.files.all().iter().any(|file| file.book.sheets.is_empty()) {
            return Err("a spreadsheet without a tab".to_owned());
        }
        self.replace(state);
        Ok(())
    }

    /// An empty world again; the log too.
    pub fn reset(&mut self) {
        self.replace(State::default());
        self.log.clear();
    }

    fn replace(&mut self, state: State) {
        self.restore(state);
        self.now = self.caller_now + self.state.clock_offset;
        self.was_replaced = true;
    }

    /// Whether the world was replaced since this was asked last.
    pub(crate) fn take_replaced(&mut self) -> bool {
        std::mem::take(&mut self.was_replaced)
    }

    /// The request log, oldest first, secrets masked.
    pub fn log(&self) -> Vec<LogEntry> {
        self.log.entries().collect()
    }

    /// Forgets the request log.
    pub fn clear_log(&mut self) {
        self.log.clear();
    }
}

fn nothing() -> Reply {
    Reply::new(0, "text/plain", "")
}

/// The answer of a control call that has nothing to say.
pub(crate) fn done() -> Reply {
    Reply::json(200, &json!({ "ok": true }))
}
