//! The courier, driven by any sequence of answers of a spreadsheet service.
//!
//! Words in braces in an answer stand for what the open batch has: `{id}`, `{key}`, `{applied}`, `{void}`, and the tab's
//! `{tab}`. So a seed stays true when the bytes of a batch change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sheet_courier::{
    Answer, Batch, Call, Cell, Courier, Device, Durable, Fate, Hold, Identity, MarkerId, Options, Outcome, Row,
    SheetRef, Step, Table, Tag, Tally, Transition, Verdict, marker_key, sheet_id_of_table,
};

use crate::answers::{Said, Script};
use crate::texts::assert_for_people;

/// From the first request of a new device on.
pub(crate) fn courier(data: &[u8]) {
    Edge::new(Durable { sheet: None, ..durable() }).live(&Script::read(data).answers);
}

/// From the first attempt of a batch on: what a refusal meant, whose marker it is, what becomes of the rows.
pub(crate) fn settle(data: &[u8]) {
    let answers = Script::read(data).answers;
    Edge::new(durable()).live(
        &[&whole(CHECKED), &whole(TABS), &whole(HEADERS)]
            .map(Clone::clone)
            .into_iter()
            .chain(answers)
            .collect::<Vec<_>>(),
    );
}

/// Markers, layout registers, tabs and header rows.
pub(crate) fn layout(data: &[u8]) {
    Edge::new(durable()).live(&Script::read(data).answers);
}

const SHEET: &str = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgVE2upms";
const CHECKED: &[u8] = b"{}";
const TABS: &[u8] = br#"{"spreadsheetId":"1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgVE2upms","sheets":[{"properties":
    {"sheetId":{tab},"title":"readings","gridProperties":{"rowCount":1000,"columnCount":26}}}]}"#;
const HEADERS: &[u8] = br#"{"valueRanges":[{"range":"readings!A1:Z1","values":[["_id","time","device","grams"]]}]}"#;

fn whole(body: &[u8]) -> Said<'_> {
    Said::Whole { status: 200, headers: Vec::new(), body }
}

fn durable() -> Durable {
    let device = Device { tag: Tag::parse("abcdef").expect("a tag"), base: 1000, next_seq: 1, former: Vec::new() };
    let sheet = SheetRef { id: SHEET.into(), url: String::new(), title: String::new() };
    Durable::new(device, Some(sheet), Identity { tag: Tag::parse("fedcba").expect("a tag"), base: 500_000 })
}

fn options() -> Options {
    Options {
        title: "Workshop log".into(),
        timezone: "Europe/Vienna".into(),
        tables: vec![Table { name: "readings".into(), columns: vec!["time".into(), "device".into()] }],
    }
}

fn row(handle: i64, id: &str, grams: f64) -> Row {
    let cells = vec![
        ("time".into(), Cell::Serial(46_000.5, sheet_courier::Format::DateTime(sheet_courier::Precision::Second))),
        ("device".into(), Cell::Text("=scale".into())),
        ("grams".into(), Cell::Number(grams)),
    ];
    Row { handle, id: id.into(), table: "readings".into(), cells, recorded: None, at_most: None, refusals: 0 }
}

/// What the library does around the courier, in memory.
struct Edge {
    courier: Courier,
    /// The state to make the courier anew from.
    anew: Option<Durable>,
    next_seq: u64,
    sheets: u32,
    now: Duration,
    queue: Vec<Row>,
    sending: Vec<Row>,
    /// Batches of earlier spreadsheets that may be there, with their rows.
    bound: Vec<(Batch, Vec<Row>)>,
    settled: usize,
    /// The bytes that were sent under each marker.
    sent: BTreeMap<u32, Arc<[u8]>>,
    /// All that was ever answered.
    heard: String,
}

const ROWS: usize = 3;
/// More steps than this for so few answers mean that it runs in circles.
const MOST_STEPS: usize = 600;

impl Edge {
    fn new(state: Durable) -> Self {
        let now = Duration::from_secs(100);
        Self {
            courier: Courier::new(state, options(), now),
            anew: None,
            next_seq: 1,
            sheets: 1,
            now,
            queue: vec![row(1, "row-a", 1.5), row(2, "row-b", f64::NAN), row(3, "row-c", -0.0)],
            sending: Vec::new(),
            bound: Vec::new(),
            settled: 0,
            sent: BTreeMap::new(),
            heard: String::new(),
        }
    }

    fn live(mut self, answers: &[Said<'_>]) {
        let mut left = answers.iter();
        let mut silence = 0;
        for _ in 0..MOST_STEPS {
            let bound: usize = self.bound.iter().map(|(_, rows)| rows.len()).sum();
            assert_eq!(self.queue.len() + self.sending.len() + bound + self.settled, ROWS, "no row is lost or doubled");
            assert!(self.courier.trouble().is_none_or(|text| {
                assert_for_people(text);
                true
            }));
            match self.courier.next(self.now) {
                Step::Gather { max_rows, .. } => {
                    let most = self.queue.iter().filter_map(|row| row.at_most).min().unwrap_or(max_rows);
                    self.courier.gathered(self.queue.iter().take(most.min(max_rows) as usize).cloned().collect());
                }
                Step::Commit(change) => {
                    self.commits(change);
                    match self.anew.take() {
                        Some(state) => self.courier = Courier::new(state, options(), self.now),
                        None => self.courier.committed(self.now),
                    }
                }
                Step::Send(call) => {
                    self.sends(&call);
                    let outcome = match left.next() {
                        Some(said) => self.outcome(said),
                        None => {
                            silence += 1;
                            Outcome::NotSent("no connection".into())
                        }
                    };
                    if silence > 3 {
                        return;
                    }
                    self.now += Duration::from_millis(200);
                    self.courier.answered(outcome, self.now, 0x8000_0000);
                }
                Step::WaitUntil(time) => self.waits(time),
                Step::Hold(hold, time) => {
                    assert_hold(&hold);
                    if time == Duration::MAX {
                        return;
                    }
                    self.waits(time);
                }
                Step::Idle => return,
            }
        }
        panic!("runs in circles");
    }

    fn waits(&mut self, time: Duration) {
        assert!(time > self.now, "a wait that is over is no wait");
        self.now = time;
    }

    fn outcome(&mut self, said: &Said<'_>) -> Outcome {
        let Said::Whole { status, body, .. } = said else { return Outcome::Unknown("reset".into()) };
        let body = self.filled_in(body);
        self.heard.push_str(&String::from_utf8_lossy(&body));
        let header = |name| said.header(name).map(str::to_owned);
        Outcome::Answered(Answer { status: *status, body, date: header("date"), retry_after: header("retry-after") })
    }

    /// The braces of an answer.
    fn filled_in(&self, body: &[u8]) -> Vec<u8> {
        let Ok(text) = str::from_utf8(body) else { return body.to_vec() };
        let tab = sheet_id_of_table("readings").to_string();
        let key = marker_key(&durable().device.tag);
        let mut text = text.replace("{tab}", &tab).replace("{key}", &key);
        if let Some(batch) = self.courier.batch() {
            text = text.replace("{id}", &batch.id.as_u32().to_string());
            text = text.replace("{applied}", &Fate::Applied.value(batch.digest));
            text = text.replace("{void}", &Fate::Void.value(batch.digest));
        }
        text.into_bytes()
    }

    fn sends(&mut self, call: &Call) {
        assert!(call.path.starts_with("/v4/spreadsheets") && call.path.bytes().all(|b| b.is_ascii_graphic()));
        assert_eq!(call.method == "GET", call.body.is_empty());
        assert!(call.body.is_empty() || serde_json::from_slice::<serde_json::Value>(&call.body).is_ok());
        if let Some(batch) = self.courier.batch().filter(|batch| batch.body == call.body) {
            assert!(!self.sending.is_empty());
            let first = self.sent.entry(batch.id.as_u32()).or_insert_with(|| call.body.clone());
            assert_eq!(*first, call.body, "the bytes under a marker never change");
        }
    }

    fn commits(&mut self, change: Transition) {
        match change {
            Transition::SheetCreated(sheet) => {
                assert!(!sheet.id.is_empty());
                assert_for_people(&sheet.id);
                assert_for_people(&sheet.url);
                assert_for_people(&sheet.title);
            }
            Transition::Frozen { batch, rows, .. } => {
                assert!(self.sending.is_empty() && batch.rows as usize == rows.len() && !rows.is_empty());
                self.assert_new(&batch);
                for (handle, id) in rows {
                    let at = self.queue.iter().position(|row| row.handle == handle && row.id == id);
                    self.sending.push(self.queue.remove(at.expect("it is queued")));
                }
            }
            Transition::ToVoid { reason, .. } => assert_for_people(&reason),
            Transition::Applied { marker, .. } => {
                // Only Google's word takes rows out of our hands.
                assert!(self.heard.contains(&marker.id.as_u32().to_string()), "nobody said so");
                assert_eq!(self.courier.batch().map(|batch| batch.id), Some(marker.id));
                self.settled += self.sending.len();
                self.sending.clear();
            }
            Transition::Wished(_) => {}
            Transition::WishRefused { message, hold, .. } => {
                assert_for_people(&message);
                hold.iter().for_each(assert_hold);
            }
            Transition::Moved { sheet, give_back, leaves, tally, .. } => {
                assert_eq!(leaves, None, "no person wished for anything");
                assert_for_people(&sheet.id);
                self.moves(sheet, give_back, tally);
            }
            Transition::BoundSettled(marker) => {
                assert!(self.heard.contains(&marker.id.as_u32().to_string()), "nobody said so");
                let at = self.bound.iter().position(|(batch, _)| batch.id == marker.id).expect("it is bound");
                let (_, mut rows) = self.bound.remove(at);
                if marker.applied {
                    self.settled += rows.len();
                } else {
                    self.queue.append(&mut rows);
                }
            }
            Transition::Voided { marker, verdict, hold, .. } => {
                assert!(self.heard.contains(&marker.id.as_u32().to_string()), "nobody said so");
                hold.iter().for_each(assert_hold);
                self.returns(verdict);
            }
            Transition::Rekeyed { batch, .. } => {
                assert_eq!(batch.rows as usize, self.sending.len());
                self.assert_new(&batch);
            }
            // Nobody amends anything here.
            Transition::Anchored { .. }
            | Transition::AnchorClosed { .. }
            | Transition::Returns { .. }
            | Transition::Gone { .. }
            | Transition::Stuck { .. } => panic!("no amendment was handed over"),
            Transition::Held(hold) => assert_hold(&hold),
            Transition::Releasing(release) => assert_eq!(release.identity, durable().spare),
            Transition::Present { spreadsheet, ids } => {
                assert_for_people(&spreadsheet);
                self.are_present(&ids);
            }
            Transition::Renamed { identity, .. } => {
                assert_eq!(identity, durable().spare);
                let sheet = SheetRef { id: SHEET.into(), url: String::new(), title: String::new() };
                self.returns(Verdict::Return);
                self.comes_anew(sheet, Tally::default());
                if let Some(state) = &mut self.anew {
                    state.device =
                        Device { tag: identity.tag, base: identity.base, next_seq: self.next_seq, former: Vec::new() };
                }
            }
            Transition::Creating(title) => assert_for_people(&title),
            Transition::Stamped(..) | Transition::Pruned(_) | Transition::Released | Transition::NotCreated => {}
        }
    }

    /// Rows of an open batch come back only where no attempt of it can be alive; else they wait with it.
    fn moves(&mut self, sheet: SheetRef, give_back: Option<MarkerId>, tally: Tally) {
        match self.courier.batch().cloned() {
            Some(batch) if give_back == Some(batch.id) => self.returns(Verdict::Return),
            Some(batch) => self.bound.push((batch, std::mem::take(&mut self.sending))),
            None => assert!(self.sending.is_empty()),
        }
        self.sheets += 1;
        self.comes_anew(sheet, tally);
    }

    /// Rows that the spreadsheet shows are done, wherever they were kept.
    fn are_present(&mut self, ids: &[String]) {
        let mut done = 0;
        let mut take = |rows: &mut Vec<Row>| {
            let before = rows.len();
            rows.retain(|row| !ids.contains(&row.id));
            done += before - rows.len();
        };
        take(&mut self.queue);
        take(&mut self.sending);
        self.bound.iter_mut().for_each(|(_, rows)| take(rows));
        self.settled += done;
    }

    fn comes_anew(&mut self, sheet: SheetRef, tally: Tally) {
        self.anew = Some(Durable {
            device: Device { next_seq: self.next_seq, ..durable().device },
            sheet: Some(sheet),
            tally,
            bound: self.bound.iter().map(|(batch, _)| batch.clone()).collect(),
            sheets: self.sheets,
            ..durable()
        });
    }

    fn assert_new(&mut self, batch: &Batch) {
        self.next_seq = batch.seq + 1;
        assert!(!self.sent.contains_key(&batch.id.as_u32()), "an id is taken once");
        assert!(batch.body.len() < 2_100_000);
    }

    fn returns(&mut self, verdict: Verdict) {
        let mut rows = std::mem::take(&mut self.sending);
        match verdict {
            Verdict::Return => {}
            Verdict::Halve(most) => {
                assert!(most > 0);
                rows.iter_mut().for_each(|row| row.at_most = Some(most));
            }
            Verdict::RefusedOnce(reason) => {
                assert_for_people(&reason);
                assert_eq!(rows.len(), 1);
                rows.iter_mut().for_each(|row| row.refusals += 1);
            }
            Verdict::Aside(reason) => {
                assert_for_people(&reason);
                assert_eq!(rows.len(), 1, "only a row that was refused alone");
                self.settled += 1;
                return;
            }
        }
        rows.append(&mut self.queue);
        self.queue = rows;
    }
}

fn assert_hold(hold: &Hold) {
    match hold {
        Hold::Closed { message, .. }
        | Hold::SheetRefuses { message }
        | Hold::Full { message }
        | Hold::CannotCreate { message } => assert_for_people(message),
        Hold::Retired { by } => assert_for_people(by),
        Hold::Copy { .. } => {}
    }
}
