//! Every odd reply that Google, or something on the way, is known to give to a batch (docs/google.md 5 and 6), by name:
//! what it is taken for, and what is in the sheet at the end.

use std::time::Duration;

use google_emulator::{CLIENT_ID, CLIENT_SECRET, Client, Model, Options as GoogleOptions, Request};
use serde_json::{Value, json};
use sheet_courier::{
    Answer, Call, Cause, Cell, Closed, Courier, D, Device, Durable, Hold, Identity, Options, Outcome, Row, SheetRef,
    Step, Table, Tag, Tally, Transition, Verdict,
};

const START: u64 = 1_800_000_000;
const HTML_404: &str = "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>";
const HTML_502: &str =
    "<!DOCTYPE html><p>The server encountered a temporary error and could not complete your request.";
const HTML_408: &str = "<!DOCTYPE html><title>Error 408 (Request Timeout)!!1</title>";
const STORAGE_LIMIT: &str = "Invalid requests[0].createDeveloperMetadata: Adding the requested developer metadata would \
                             exceed the allowed storage limit";
const CELL_LIMIT: &str = "Invalid requests[1].appendCells: This action would increase the number of cells in the \
                          workbook above the limit of 10000000 cells.";

fn error(code: u16, status: &str, message: &str, more: Value) -> (u16, String) {
    let mut error = json!({"code": code, "status": status, "message": message});
    for (name, value) in more.as_object().into_iter().flatten() {
        error[name] = value.clone();
    }
    (code, json!({ "error": error }).to_string())
}

fn refused(message: &str) -> (u16, String) {
    error(400, "INVALID_ARGUMENT", message, json!({}))
}

/// A courier with a spreadsheet of its own and Google behind it, and all that it made durable.
struct Bench {
    google: Model,
    token: String,
    courier: Courier,
    now: Duration,
    queued: Vec<Row>,
    in_batch: Vec<Row>,
    changes: Vec<Transition>,
    retry_after: Option<String>,
}

impl Bench {
    fn with_rows(count: usize) -> Self {
        let approve_as = Some("maker@example.com".into());
        let years = Client { access_token_lifetime: 1 << 40, ..Client::default() };
        let mut google = Model::new(GoogleOptions { approve_as, clients: vec![years], ..GoogleOptions::default() });
        let scope = [("client_id", CLIENT_ID), ("scope", "https://www.googleapis.com/auth/drive.file")];
        let code = google.handle(Duration::from_secs(START - 60), &Request::form("/device/code", &scope)).value();
        let poll = [
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("device_code", code["device_code"].as_str().unwrap()),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ];
        let mut token = Value::Null;
        for ago in [40, 20] {
            token = google.handle(Duration::from_secs(START - ago), &Request::form("/token", &poll)).value();
        }
        let token = token["access_token"].as_str().unwrap().to_owned();
        let create = Request::json("POST", "/v4/spreadsheets", &json!({})).with_bearer(&token);
        let id = google.handle(Duration::from_secs(START), &create).value()["spreadsheetId"].clone();
        let sheet = SheetRef { id: id.as_str().unwrap().to_owned(), url: String::new(), title: String::new() };
        let row = |n: usize| Row {
            handle: n as i64,
            id: format!("row-{n}"),
            table: "t".into(),
            cells: vec![("n".into(), Cell::Number(n as f64))],
            recorded: Some(Duration::from_secs(1000)),
            at_most: None,
            refusals: 0,
        };
        let state = Durable {
            device: Device { tag: Tag::parse("abcdef").unwrap(), base: 7, next_seq: 1, former: Vec::new() },
            sheet: Some(sheet),
            batch: None,
            markers: Vec::new(),
            tally: Tally::default(),
            hold: None,
            wish: None,
            bound: Vec::new(),
            sheets: 1,
            earlier: Vec::new(),
            anchors: Vec::new(),
            release: None,
            creating: false,
            spare: Identity { tag: Tag::parse("zyxwvu").unwrap(), base: 9 },
        };
        let table = Table { name: "t".into(), columns: vec!["n".into()] };
        let options = Options { title: "T".into(), timezone: "Etc/UTC".into(), tables: vec![table] };
        let now = Duration::from_secs(1000);
        let courier = Courier::new(state, options, now);
        let (queued, in_batch, changes) = ((0..count).map(row).collect(), Vec::new(), Vec::new());
        Self { google, token, courier, now, queued, in_batch, changes, retry_after: None }
    }

    /// Carries orders out until the courier sends something, or has nothing more to do.
    fn next_call(&mut self) -> Option<Call> {
        for _ in 0..500 {
            match self.courier.next(self.now) {
                Step::Gather { max_rows, .. } => {
                    let rows = self.queued.iter().take(max_rows as usize).cloned().collect();
                    self.courier.gathered(rows);
                }
                Step::Commit(change) => self.commit(change),
                Step::Send(call) => return Some(call),
                Step::WaitUntil(until) => self.now = until,
                Step::Hold(..) | Step::Idle => return None,
            }
        }
        panic!("the courier goes round in circles: {:?}", self.changes);
    }

    /// What the outbox does.
    fn commit(&mut self, change: Transition) {
        match &change {
            Transition::Frozen { rows, .. } => {
                self.in_batch = self.queued.drain(..rows.len()).collect();
            }
            Transition::Applied { .. } => self.in_batch.clear(),
            Transition::Voided { verdict, .. } => {
                let mut rows = std::mem::take(&mut self.in_batch);
                match verdict {
                    Verdict::Return => {}
                    Verdict::Halve(at_most) => rows.iter_mut().for_each(|row| row.at_most = Some(*at_most)),
                    Verdict::RefusedOnce(_) => rows.iter_mut().for_each(|row| row.refusals += 1),
                    Verdict::Aside(_) => rows.clear(),
                }
                self.queued.splice(0..0, rows);
            }
            _ => {}
        }
        self.changes.push(change);
        self.courier.committed(self.now);
    }

    /// Google's own answer.
    fn pass_on(&mut self, call: &Call) {
        let mut request = Request::new(call.method, &call.path).with_bearer(&self.token);
        request = request.with_header("Content-Type", "application/json");
        request.body = call.body.to_vec();
        let reply = self.google.handle(Duration::from_secs(START) + self.now, &request);
        let date = reply.header("Date").map(str::to_owned);
        self.answer(Answer { status: reply.status, body: reply.body, date, retry_after: None });
    }

    fn answer(&mut self, answer: Answer) {
        self.now += Duration::from_millis(100);
        self.courier.answered(Outcome::Answered(answer), self.now, 0);
    }

    fn reply(&mut self, status: u16, body: &str) {
        let retry_after = self.retry_after.take();
        self.answer(Answer { status, body: body.as_bytes().to_vec(), date: None, retry_after });
    }

    /// Goes on, with Google's own answers, until the first attempt of the next batch.
    fn until_rows(&mut self) -> Call {
        loop {
            let call = self.next_call().expect("there are rows to be sent");
            if is_rows(&call) {
                return call;
            }
            self.pass_on(&call);
        }
    }

    /// With Google's own answers to the end.
    fn to_the_end(&mut self) {
        while let Some(call) = self.next_call() {
            self.pass_on(&call);
        }
    }

    /// What is in the sheet: the row ids.
    fn sheet(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for sheet in self.google.spreadsheet_ids() {
            for row in self.google.rows(&sheet, "t").unwrap_or_default().iter().skip(1) {
                if let google_emulator::CellValue::Text(id) = &row[0] {
                    ids.push(id.clone());
                }
            }
        }
        ids.sort();
        ids
    }

    fn is_whole(&self, rows: usize) {
        assert_eq!(self.sheet(), (0..rows).map(|n| format!("row-{n}")).collect::<Vec<_>>());
    }
}

fn is_rows(call: &Call) -> bool {
    String::from_utf8_lossy(&call.body).contains("appendCells")
}

/// Anything may have happened: the batch is in doubt, and the same bytes go again.
fn is_unknown(name: &str, (status, body): (u16, String), arrives: bool) {
    let mut bench = Bench::with_rows(2);
    let first = bench.until_rows();
    if arrives {
        let mut request = Request::new(first.method, &first.path).with_bearer(&bench.token);
        request = request.with_header("Content-Type", "application/json");
        request.body = first.body.to_vec();
        assert_eq!(bench.google.handle(Duration::from_secs(START) + bench.now, &request).status, 200);
    }
    bench.reply(status, &body);
    assert!(bench.courier.in_doubt(), "{name}: not in doubt");
    let before = bench.now;
    let second = bench.until_rows();
    assert!(bench.now > before, "{name}: not after a while");
    assert_eq!((&second.path, &second.body), (&first.path, &first.body), "{name}: other bytes");
    bench.pass_on(&second);
    bench.to_the_end();
    bench.is_whole(2);
    assert!(bench.changes.iter().any(|change| matches!(change, Transition::Applied { .. })), "{name}");
}

/// Not executed: nothing is in doubt, and it goes again after `at_least`.
fn is_waited_out(name: &str, (status, body): (u16, String), at_least: Duration, retry_after: Option<&str>) {
    let mut bench = Bench::with_rows(2);
    let first = bench.until_rows();
    let before = bench.now;
    bench.retry_after = retry_after.map(str::to_owned);
    bench.reply(status, &body);
    assert!(!bench.courier.in_doubt(), "{name}: in doubt");
    let second = bench.until_rows();
    assert!(bench.now - before >= at_least, "{name}: after {:?}", bench.now - before);
    assert_eq!(second.body, first.body, "{name}: other bytes");
    bench.pass_on(&second);
    bench.to_the_end();
    bench.is_whole(2);
}

/// The spreadsheet is not for us: rows are kept, and a person is told why.
fn is_closed(name: &str, (status, body): (u16, String), why: Closed) {
    let mut bench = Bench::with_rows(2);
    let _ = bench.until_rows();
    bench.reply(status, &body);
    assert!(bench.next_call().is_none(), "{name}");
    let held = bench.changes.last();
    let is_it = matches!(held, Some(Transition::Held(Hold::Closed { why: said, .. })) if *said == why);
    assert!(is_it, "{name}: {held:?}");
    // The probe, an hour later, finds it open.
    bench.now += Duration::from_secs(3600);
    bench.to_the_end();
    bench.is_whole(2);
}

#[test]
fn html_instead_of_an_answer() {
    for arrives in [false, true] {
        is_unknown("404", (404, HTML_404.into()), arrives);
        is_unknown("502", (502, HTML_502.into()), arrives);
        is_unknown("408", (408, HTML_408.into()), arrives);
        is_unknown("200", (200, HTML_502.into()), arrives);
        is_unknown("400", (400, HTML_502.into()), arrives);
        is_unknown("403", (403, HTML_404.into()), arrives);
        is_unknown("429", (429, HTML_502.into()), arrives);
    }
}

#[test]
fn a_200_that_proves_nothing() {
    for (name, body) in [
        ("empty", ""),
        ("cut", r#"{"spreadsheetId": "abc", "repl"#),
        ("foreign JSON", r#"{"login": "please"}"#),
        ("an empty object", "{}"),
        ("a list", "[]"),
        ("another spreadsheet", r#"{"spreadsheetId":"other","replies":[{}]}"#),
        ("an error inside", r#"{"error":{"code":500,"message":"m","status":"INTERNAL"}}"#),
    ] {
        for arrives in [false, true] {
            is_unknown(name, (200, body.into()), arrives);
        }
    }
}

#[test]
fn a_200_without_our_id() {
    let id = Bench::with_rows(1).google.spreadsheet_ids().remove(0);
    for replies in [
        json!([{}, {}]),
        json!([]),
        json!([{"createDeveloperMetadata": {"developerMetadata": {"metadataId": 1}}}]),
        json!([{"createDeveloperMetadata": {}}]),
    ] {
        // The same seed: the same spreadsheet.
        let body = json!({"spreadsheetId": id, "replies": replies}).to_string();
        is_unknown(&body, (200, body.clone()), true);
    }
}

#[test]
fn redirects_and_other_successes() {
    for status in [201, 202, 204, 301, 302, 303, 307, 308] {
        is_unknown(&status.to_string(), (status, String::new()), false);
        is_unknown(&status.to_string(), (status, HTML_404.into()), true);
    }
}

#[test]
fn server_errors_and_a_request_time_out() {
    for arrives in [false, true] {
        is_unknown("500", error(500, "INTERNAL", "Internal error encountered.", json!({})), arrives);
        is_unknown("503", error(503, "UNAVAILABLE", "The service is currently unavailable.", json!({})), arrives);
        is_unknown("504", error(504, "DEADLINE_EXCEEDED", "Deadline exceeded.", json!({})), arrives);
        is_unknown("408", error(408, "X", "Request time-out", json!({})), arrives);
        // JSON, but not Google's word for "not found".
        is_unknown("404", error(404, "X", "m", json!({})), arrives);
    }
}

#[test]
fn a_429_is_waited_out() {
    let plain = || error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", json!({}));
    is_waited_out("plain", plain(), Duration::from_secs(1), None);
    let info = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]);
    let captured = error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", json!({ "details": info }));
    is_waited_out("as captured", captured, Duration::from_secs(1), None);
    let retry = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "42s"}]);
    let retry = error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", json!({ "details": retry }));
    is_waited_out("with RetryInfo", retry, Duration::from_secs(42), None);
    is_waited_out("with Retry-After", plain(), Duration::from_secs(77), Some("77"));
}

#[test]
fn a_403_of_quota_kind_is_waited_out() {
    for reason in ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"] {
        let more = json!({"errors": [{"domain": "usageLimits", "reason": reason, "message": "m"}]});
        is_waited_out(reason, error(403, "PERMISSION_DENIED", "m", more), Duration::from_secs(1), None);
    }
    let more = json!({"details": [{"reason": "RATE_LIMIT_EXCEEDED"}]});
    is_waited_out("details", error(403, "PERMISSION_DENIED", "m", more), Duration::from_secs(1), None);
    let status = error(403, "RESOURCE_EXHAUSTED", "m", json!({}));
    is_waited_out("status", status, Duration::from_secs(1), None);
}

#[test]
fn a_401_that_is_left_after_refreshing_is_waited_out() {
    let answer = error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", json!({}));
    is_waited_out("401", answer, Duration::from_secs(1), None);
}

#[test]
fn a_403_or_404_of_permission_kind_closes() {
    let denied = |more| error(403, "PERMISSION_DENIED", "m", more);
    is_closed("403", denied(json!({})), Closed::Forbidden);
    is_closed("forbidden", denied(json!({"errors": [{"reason": "forbidden"}]})), Closed::Forbidden);
    let disabled = json!({"details": [{"reason": "SERVICE_DISABLED", "domain": "googleapis.com"}]});
    is_closed("API not enabled", denied(disabled), Closed::ApiDisabled);
    is_closed("legacy", denied(json!({"errors": [{"reason": "accessNotConfigured"}]})), Closed::ApiDisabled);
    let scope = json!({"details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]});
    is_closed("scope", denied(scope), Closed::Scope);
    is_closed("scope, legacy", denied(json!({"errors": [{"reason": "insufficientPermissions"}]})), Closed::Scope);
    is_closed("404", error(404, "NOT_FOUND", "Requested entity was not found.", json!({})), Closed::NotFound);
}

/// The causes of the voids so far.
fn causes(bench: &Bench) -> Vec<Cause> {
    let causes = bench.changes.iter().filter_map(|change| match change {
        Transition::ToVoid { cause, .. } => Some(*cause),
        _ => None,
    });
    causes.collect()
}

#[test]
fn a_413_voids_the_batch_and_halves_it() {
    for body in ["", HTML_502, &error(413, "X", "Request too large", json!({})).1] {
        let mut bench = Bench::with_rows(4);
        let _ = bench.until_rows();
        bench.reply(413, body);
        bench.to_the_end();
        bench.is_whole(4);
        assert_eq!(causes(&bench), [Cause::TooBig]);
        let halved = bench.changes.iter().any(|change| {
            matches!(change, Transition::Voided { verdict: Verdict::Halve(2), tally, .. } if tally.size_limit_bytes < 2_000)
        });
        assert!(halved, "{:?}", bench.changes);
    }
}

#[test]
fn a_413_for_a_batch_that_arrived_doubles_nothing() {
    let mut bench = Bench::with_rows(4);
    let call = bench.until_rows();
    let mut request = Request::new(call.method, &call.path).with_bearer(&bench.token);
    request = request.with_header("Content-Type", "application/json");
    request.body = call.body.to_vec();
    assert_eq!(bench.google.handle(Duration::from_secs(START) + bench.now, &request).status, 200);
    bench.reply(413, "");
    bench.to_the_end();
    bench.is_whole(4);
    assert_eq!(causes(&bench), [Cause::TooBig], "the void is refused, and the marker says that it was applied");
}

#[test]
fn a_400_after_which_the_marker_is_there_means_applied() {
    let mut bench = Bench::with_rows(2);
    let call = bench.until_rows();
    let mut request = Request::new(call.method, &call.path).with_bearer(&bench.token);
    request = request.with_header("Content-Type", "application/json");
    request.body = call.body.to_vec();
    assert_eq!(bench.google.handle(Duration::from_secs(START) + bench.now, &request).status, 200);
    // On the first attempt too: something below us may have sent it twice. The text decides nothing.
    let (status, body) = refused("anything at all");
    bench.reply(status, &body);
    bench.to_the_end();
    bench.is_whole(2);
    assert_eq!(causes(&bench), []);
}

#[test]
fn the_cell_limit_voids_the_batch_and_asks_for_the_next_spreadsheet() {
    let mut bench = Bench::with_rows(2);
    let _ = bench.until_rows();
    let (status, body) = refused(CELL_LIMIT);
    bench.reply(status, &body);
    while !bench.changes.iter().any(|change| matches!(change, Transition::Voided { .. })) {
        let call = bench.next_call().unwrap();
        assert!(!is_rows(&call));
        bench.pass_on(&call);
    }
    assert_eq!(causes(&bench), [Cause::Full]);
    let last = bench.changes.last();
    assert!(
        matches!(last, Some(Transition::Voided { verdict: Verdict::Return, wish: Some(_), .. })),
        "the rows go back whole: {last:?}"
    );
    assert_eq!(bench.queued.len(), 2);
}

#[test]
fn the_storage_limit_takes_another_id_only_when_no_attempt_can_be_alive() {
    let mut bench = Bench::with_rows(2);
    let _ = bench.until_rows();
    let attempted = bench.now;
    let full = refused(STORAGE_LIMIT);
    bench.reply(full.0, &full.1);
    // No room for the void's marker either.
    loop {
        let call = bench.next_call().unwrap();
        if bench.changes.iter().any(|change| matches!(change, Transition::Rekeyed { .. })) {
            break;
        }
        match call.writes {
            true => bench.reply(full.0, &full.1),
            false => bench.pass_on(&call),
        }
    }
    assert!(bench.now - attempted >= D, "after {:?}", bench.now - attempted);
    assert_eq!(causes(&bench), [Cause::Content]);
}

#[test]
fn what_was_not_sent_is_not_in_doubt() {
    let mut bench = Bench::with_rows(2);
    let first = bench.until_rows();
    bench.courier.answered(Outcome::NotSent("no route".into()), bench.now, 0);
    assert!(!bench.courier.in_doubt());
    let second = bench.until_rows();
    assert_eq!(second.body, first.body);
    bench.courier.answered(Outcome::Unknown("reset".into()), bench.now, 0);
    assert!(bench.courier.in_doubt(), "a reset says nothing");
    bench.to_the_end();
    bench.is_whole(2);
}
