//! A courier, what it made durable, and the Google that its requests may or may not reach.

use std::sync::OnceLock;
use std::time::Duration;

use google_emulator::{CLIENT_ID, CLIENT_SECRET, CellValue, Client, Model, Options as GoogleOptions, Request};
use serde_json::{Value, json};
use sheet_courier::{
    Answer, Call, Cause, Cell, Courier, Device, Durable, Identity, Options, Outcome, Row, SheetRef, Step, Table, Tag,
    Transition, Verdict,
};

/// Google's time when the courier's is zero.
const START: u64 = 1_800_000_000;

pub(crate) struct Bench {
    pub(crate) google: Model,
    token: String,
    pub(crate) courier: Courier,
    pub(crate) now: Duration,
    pub(crate) queued: Vec<Row>,
    in_batch: Vec<Row>,
    pub(crate) aside: Vec<Row>,
    pub(crate) changes: Vec<Transition>,
    /// What Google answered: the end of the address, and the status.
    pub(crate) answers: Vec<(String, u16)>,
    next_seq: u64,
    sheets: u32,
}

/// A Google with one signed-in account, made once: a clone is cheap.
fn signed_in() -> (Model, String) {
    static GOOGLE: OnceLock<(Model, String)> = OnceLock::new();
    let made = GOOGLE.get_or_init(|| {
        // Days go by here, and nobody refreshes.
        let years = Client { access_token_lifetime: 1 << 40, ..Client::default() };
        let approve_as = Some("maker@example.com".into());
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
        (google, token)
    });
    made.clone()
}

pub(crate) fn row(n: usize, cell: Cell) -> Row {
    let (id, cells, recorded) = (format!("row-{n}"), vec![("n".into(), cell)], Some(Duration::from_secs(1000)));
    Row { handle: n as i64, id, table: "t".into(), cells, recorded, at_most: None, refusals: 0 }
}

/// The memory of a device that has sent nothing yet.
fn durable(sheet: Option<SheetRef>) -> Durable {
    let device = Device { tag: Tag::parse("abcdef").unwrap(), base: 7, next_seq: 1, former: Vec::new() };
    Durable::new(device, sheet, Identity { tag: Tag::parse("zyxwvu").unwrap(), base: 9 })
}

fn options() -> Options {
    let table = Table { name: "t".into(), columns: vec!["n".into()] };
    Options { title: "T".into(), timezone: "Etc/UTC".into(), tables: vec![table] }
}

pub(crate) fn is_rows(call: &Call) -> bool {
    String::from_utf8_lossy(&call.body).contains("appendCells")
}

impl Bench {
    /// Before the first delivery.
    pub(crate) fn new(rows: usize) -> Self {
        let (google, token) = signed_in();
        let now = Duration::from_secs(1000);
        Self {
            google,
            token,
            courier: Courier::new(durable(None), options(), now),
            now,
            queued: (0..rows).map(|n| row(n, Cell::Number(n as f64))).collect(),
            in_batch: Vec::new(),
            aside: Vec::new(),
            changes: Vec::new(),
            answers: Vec::new(),
            next_seq: 1,
            sheets: 1,
        }
    }

    /// With a spreadsheet that was made without the tab.
    pub(crate) fn with_rows(rows: usize) -> Self {
        let mut bench = Self::new(rows);
        let made = bench.asks("POST", "/v4/spreadsheets", &json!({}));
        let id = made["spreadsheetId"].as_str().unwrap().to_owned();
        let sheet = SheetRef { id, url: String::new(), title: String::new() };
        bench.courier = Courier::new(durable(Some(sheet)), options(), bench.now);
        bench
    }

    /// Somebody else with the same account.
    pub(crate) fn asks(&mut self, method: &'static str, path: &str, body: &Value) -> Value {
        let request = Request::json(method, path, body).with_bearer(&self.token);
        let reply = self.google.handle(Duration::from_secs(START) + self.now, &request);
        assert_eq!(reply.status, 200, "{:?}", reply.value());
        reply.value()
    }

    /// Carries orders out until the courier sends something, or has nothing more to do.
    pub(crate) fn next_call(&mut self) -> Option<Call> {
        self.next_call_by(Duration::MAX)
    }

    /// The same, or until it is so late.
    pub(crate) fn next_call_by(&mut self, end: Duration) -> Option<Call> {
        for _ in 0..500 {
            match self.courier.next(self.now) {
                Step::Gather { max_rows, .. } => {
                    let rows = self.queued.iter().take(max_rows as usize).cloned().collect();
                    self.courier.gathered(rows);
                }
                Step::Commit(change) => self.commit(change),
                Step::Send(call) => return Some(call),
                Step::WaitUntil(until) if until <= end => self.now = until,
                Step::WaitUntil(_) | Step::Hold(..) | Step::Idle => return None,
            }
        }
        panic!("the courier goes round in circles: {:?}", self.story());
    }

    /// What the outbox does.
    fn commit(&mut self, change: Transition) {
        match &change {
            Transition::Frozen { rows, batch, .. } => {
                self.in_batch = self.queued.drain(..rows.len()).collect();
                self.next_seq = batch.seq + 1;
            }
            Transition::Rekeyed { batch, .. } => self.next_seq = batch.seq + 1,
            Transition::Applied { .. } => self.in_batch.clear(),
            Transition::Voided { verdict, .. } => {
                let mut rows = std::mem::take(&mut self.in_batch);
                match verdict {
                    Verdict::Return => {}
                    Verdict::Halve(at_most) => rows.iter_mut().for_each(|row| row.at_most = Some(*at_most)),
                    Verdict::RefusedOnce(_) => rows.iter_mut().for_each(|row| row.refusals += 1),
                    Verdict::Aside(_) => self.aside.append(&mut rows),
                }
                self.queued.splice(0..0, rows);
            }
            // The courier is made anew.
            Transition::Moved { sheet, tally, .. } => {
                self.sheets += 1;
                let (fresh, sheets, tally) = (durable(Some(sheet.clone())), self.sheets, *tally);
                let device = Device { next_seq: self.next_seq, ..fresh.device };
                self.courier = Courier::new(Durable { device, sheets, tally, ..fresh }, options(), self.now);
            }
            _ => {}
        }
        self.changes.push(change);
        self.courier.committed(self.now);
    }

    /// Google gets it.
    pub(crate) fn arrives(&mut self, call: &Call) -> Answer {
        let mut request = Request::new(call.method, &call.path).with_bearer(&self.token);
        request = request.with_header("Content-Type", "application/json");
        request.body = call.body.to_vec();
        let reply = self.google.handle(Duration::from_secs(START) + self.now, &request);
        let date = reply.header("Date").map(str::to_owned);
        let path = call.path.split('?').next().unwrap_or_default();
        self.answers.push((path.rsplit(['/', ':']).next().unwrap_or_default().to_owned(), reply.status));
        Answer { status: reply.status, body: reply.body, date, retry_after: None }
    }

    /// With Google's own answer.
    pub(crate) fn pass_on(&mut self, call: &Call) {
        let answer = self.arrives(call);
        self.hears(Outcome::Answered(answer));
    }

    pub(crate) fn hears(&mut self, outcome: Outcome) {
        self.now += Duration::from_millis(100);
        self.courier.answered(outcome, self.now, 0);
    }

    /// With an answer of somebody's.
    pub(crate) fn replies(&mut self, status: u16, body: &[u8]) {
        self.hears(Outcome::Answered(Answer { status, body: body.to_vec(), date: None, retry_after: None }));
    }

    /// Goes on, with Google's own answers, until the next attempt of a batch.
    pub(crate) fn until_rows(&mut self) -> Call {
        for _ in 0..100 {
            let call = self.next_call().expect("there are rows to be sent");
            if is_rows(&call) {
                return call;
            }
            self.pass_on(&call);
        }
        panic!("the rows are never sent: {:?}", self.story());
    }

    /// With Google's own answers to the end.
    pub(crate) fn runs_to_the_end(&mut self) {
        for _ in 0..100 {
            let Some(call) = self.next_call() else { return };
            self.pass_on(&call);
        }
        panic!("the courier never comes to an end: {:?}", self.story());
    }

    /// What is in the sheets: the row ids.
    pub(crate) fn sheet(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for sheet in self.google.spreadsheet_ids() {
            for row in self.google.rows(&sheet, "t").unwrap_or_default().iter().skip(1) {
                match &row[0] {
                    CellValue::Text(id) => ids.push(id.clone()),
                    other => panic!("a row without an id: {other:?}"),
                }
            }
        }
        ids.sort();
        ids
    }

    /// Every row is in the sheet once, and nowhere else.
    pub(crate) fn is_whole(&self, rows: usize, why: &str) {
        let mut ids: Vec<String> = (0..rows).map(|n| format!("row-{n}")).collect();
        ids.sort();
        assert_eq!(self.sheet(), ids, "{why}: {:?}", self.story());
        assert!(self.aside.is_empty() && self.queued.is_empty() && self.in_batch.is_empty(), "{why}");
    }

    /// Why batches were voided, in order.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let causes = self.changes.iter().filter_map(|change| match change {
            Transition::ToVoid { cause, .. } => Some(*cause),
            _ => None,
        });
        causes.collect()
    }

    /// The changes by name: a batch's bytes are long.
    pub(crate) fn story(&self) -> Vec<String> {
        let name = |change: &Transition| format!("{change:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
        self.changes.iter().map(name).collect()
    }
}
