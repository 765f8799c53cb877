//! An edge that a test plays by hand, and what it finds on the disk and in the sheet.

use std::time::Duration;

use serde_json::{Value, json};
use sheet_courier::{
    Amend, Anchor, Answer, Batch, Call, Cell, Courier, Device, Digest, Durable, FrozenTab, Identity, Marker, MarkerId,
    Options, Outcome, Phase, Row, SheetRef, Step, Table, Tag, Transition, marker_key, sheet_id_of_table,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const SHEET: &str = "current";
pub(crate) const BASE: u32 = 1000;
pub(crate) const NEXT: u64 = 2_000;
pub(crate) const HEADER: [&str; 4] = ["_id", "time", "device", "n"];

pub(crate) fn key() -> String {
    marker_key(&Tag::parse("abcdef").unwrap())
}

pub(crate) fn durable() -> Durable {
    let device = Device { tag: Tag::parse("abcdef").unwrap(), base: BASE, next_seq: NEXT, former: Vec::new() };
    Durable::new(device, Some(sheet(SHEET)), Identity { tag: Tag::parse("fedcba").unwrap(), base: 500_000 })
}

pub(crate) fn sheet(id: &str) -> SheetRef {
    SheetRef { id: id.into(), url: String::new(), title: String::new() }
}

pub(crate) fn row() -> Row {
    let cells = vec![
        ("time".into(), Cell::Number(46_000.5)),
        ("device".into(), Cell::Text("scale".into())),
        ("n".into(), Cell::Number(1.0)),
    ];
    Row { handle: 1, id: "r1".into(), table: "t".into(), cells, recorded: None, at_most: None, refusals: 0 }
}

pub(crate) fn tab() -> i32 {
    sheet_id_of_table("t")
}

pub(crate) fn batch(seq: u64, spreadsheet: &str, phase: Phase, header: &[&str]) -> Batch {
    let names: Vec<String> = HEADER.iter().map(ToString::to_string).collect();
    let body = br#"{"requests":[{"createDeveloperMetadata":{}},{"createDeveloperMetadata":"rklayout"}]}"#;
    Batch {
        id: MarkerId::of(BASE, seq),
        seq,
        spreadsheet: spreadsheet.into(),
        body: body.as_slice().into(),
        digest: Digest::from_u64(seq),
        phase,
        tabs: vec![FrozenTab {
            table: "t".into(),
            sheet_id: tab(),
            version: 1,
            header: Some(header.iter().map(ToString::to_string).collect()),
            written: names,
            title: String::new(),
        }],
        rows: 1,
        refusals: 0,
    }
}

pub(crate) fn marker(seq: u64, value: &str, applied: bool) -> Marker {
    let id = MarkerId::of(BASE, seq);
    Marker { id, seq, key: key(), value: value.into(), applied, doubt: false, ended_at: None }
}

pub(crate) fn metadata(id: MarkerId, key: &str, value: &str) -> Value {
    json!({"metadataId": id.as_u32(), "metadataKey": key, "metadataValue": value})
}

/// A layout register of the table's tab.
pub(crate) fn register(version: u32, columns: u32) -> Value {
    let value = format!("{}.{version}.{columns}", tab());
    metadata(MarkerId::of_layout(SHEET, tab(), version), "rklayout", &value)
}

pub(crate) fn search(found: &[Value]) -> Value {
    let found: Vec<Value> = found.iter().map(|found| json!({ "developerMetadata": found })).collect();
    json!({ "matchedDeveloperMetadata": found })
}

/// A look at the tab with this header, and at metadata.
pub(crate) fn look(header: &[&str], metadata: &[Value]) -> Value {
    look_at(tab(), header, metadata)
}

pub(crate) fn look_at(tab: i32, header: &[&str], metadata: &[Value]) -> Value {
    let cells: Vec<Value> = header.iter().map(|name| json!({ "formattedValue": name })).collect();
    let properties = json!({"sheetId": tab, "title": "t", "gridProperties": {"columnCount": 9}});
    json!({
        "spreadsheetId": SHEET,
        "developerMetadata": metadata,
        "sheets": [{"properties": properties, "data": [{"rowData": [{"values": cells}]}]}],
    })
}

/// The tab as a look at all tabs shows it, with these registers.
pub(crate) fn places(registers: &[Value]) -> Value {
    let properties = json!({"sheetId": tab(), "title": "t", "gridProperties": {"rowCount": 9, "columnCount": 9}});
    json!({"spreadsheetId": SHEET, "developerMetadata": registers, "sheets": [{ "properties": properties }]})
}

/// The column of row ids.
pub(crate) fn ids(ids: &[&str]) -> Value {
    let range = json!({"valueRange": {"values": [ids]}, "dataFilters": [{"gridRange": {"sheetId": tab()}}]});
    json!({"spreadsheetId": SHEET, "valueRanges": [range]})
}

/// The same of another spreadsheet.
pub(crate) fn of(spreadsheet: &str, mut body: Value) -> Value {
    body["spreadsheetId"] = json!(spreadsheet);
    body
}

/// An edge that keeps nothing: what is committed is acknowledged and told.
pub(crate) struct Desk {
    pub(crate) courier: Courier,
    pub(crate) now: Duration,
    pub(crate) rows: Vec<Row>,
    pub(crate) amend: Option<Amend>,
    pub(crate) commits: Vec<Transition>,
}

impl Desk {
    pub(crate) fn new(state: Durable) -> Self {
        let table = Table { name: "t".into(), columns: vec!["time".into(), "device".into(), "n".into()] };
        let options = Options { title: "log".into(), timezone: "Etc/UTC".into(), tables: vec![table] };
        let now = Duration::from_secs(1_000);
        Self { courier: Courier::new(state, options, now), now, rows: Vec::new(), amend: None, commits: Vec::new() }
    }

    /// What may stand on the row of amendment 1, in an earlier spreadsheet that does not answer, cannot be taken away.
    pub(crate) fn with_an_anchor_in(spreadsheet: &str) -> Self {
        let anchor = Anchor { id: MarkerId::of(BASE, 1), seq: 1, spreadsheet: spreadsheet.into() };
        let mut desk = Self::new(Durable { anchors: vec![anchor.id], earlier: vec![spreadsheet.into()], ..durable() });
        desk.amend = Some(amend(Some(anchor), spreadsheet));
        assert!(desk.call().path.ends_with(":search"));
        desk.ok(&json!({}));
        assert!(desk.call().path.contains(&format!("/{spreadsheet}")));
        desk.not_found();
        assert!(matches!(desk.step(), Step::Idle), "{:?}", desk.commits);
        desk
    }

    /// Commits and hands over until there is something to send or to wait for.
    pub(crate) fn step(&mut self) -> Step {
        for _ in 0..50 {
            match self.courier.next(self.now) {
                Step::Gather { .. } => {
                    self.courier.gathered(self.rows.clone());
                    self.courier.amendment(self.amend.clone());
                }
                Step::Commit(change) => {
                    match &change {
                        Transition::Frozen { .. } => self.rows.clear(),
                        Transition::AnchorClosed { is_written: true, .. }
                        | Transition::Stuck { .. }
                        | Transition::Returns { .. }
                        | Transition::Gone { .. } => self.amend = None,
                        _ => {}
                    }
                    self.commits.push(change);
                    self.courier.committed(self.now);
                }
                Step::WaitUntil(until) | Step::Hold(_, until) if until <= self.now => {
                    panic!("at {:?} it waits for {until:?}, and would so for ever", self.now)
                }
                step => return step,
            }
        }
        panic!("it runs in circles: {:?}", self.commits);
    }

    pub(crate) fn call(&mut self) -> Call {
        match self.step() {
            Step::Send(call) => call,
            other => panic!("not a call: {other:?}"),
        }
    }

    /// The same, however long it waits for it.
    pub(crate) fn call_within(&mut self, patience: Duration) -> Call {
        let end = self.now + patience;
        loop {
            match self.step() {
                Step::Send(call) => return call,
                Step::WaitUntil(until) | Step::Hold(_, until) if until <= end => self.now = until,
                other => panic!("not a call within {patience:?}: {other:?}"),
            }
        }
    }

    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        self.now += Duration::from_millis(200);
        let answer = Answer { status, body: body.to_string().into_bytes(), date: None, retry_after: None };
        self.courier.answered(Outcome::Answered(answer), self.now, 0);
    }

    /// The board sleeps meanwhile: what it is told then was so long ago.
    pub(crate) fn ok_and_sleeps(&mut self, time: Duration, body: &Value) {
        self.now += time;
        self.ok(body);
    }

    pub(crate) fn ok(&mut self, body: &Value) {
        self.answer(200, body);
    }

    pub(crate) fn refused(&mut self) {
        self.answer(400, &json!({"error": {"message": "no", "status": "INVALID_ARGUMENT"}}));
    }

    pub(crate) fn not_found(&mut self) {
        self.answer(404, &json!({"error": {"message": "not found", "status": "NOT_FOUND"}}));
    }
}

pub(crate) fn amend(anchor: Option<Anchor>, remembered: &str) -> Amend {
    let cells = vec![("n".into(), Cell::Number(2.0))];
    Amend { handle: 1, row: "r1".into(), cells, anchor, remembered: Some(remembered.into()), displaced: None }
}
