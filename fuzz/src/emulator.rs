//! The emulator takes bytes from anybody's program: ranges, field masks, formulas, batches.

use std::sync::OnceLock;
use std::time::Duration;

use google_emulator::{CLIENT_ID, CLIENT_SECRET, Model, Options, Reply, Request};
use serde_json::{Value, json};

const NOW: Duration = Duration::from_secs(1_790_000_040);

/// A world with a signed-in device and a small spreadsheet. A clone of it is cheap.
#[derive(Clone)]
struct World {
    model: Model,
    token: String,
    id: String,
}

impl World {
    fn new() -> Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::make).clone()
    }

    fn make() -> Self {
        let options = Options {
            approve_as: Some("maker@example.com".into()),
            writes_per_minute: u32::MAX,
            reads_per_minute: u32::MAX,
            log_entries: 0,
            ..Options::default()
        };
        let mut world = Self { model: Model::new(options), token: String::new(), id: String::new() };
        let code = [("client_id", CLIENT_ID), ("scope", "https://www.googleapis.com/auth/drive.file")];
        let code = text(&world.model.handle(NOW, &Request::form("/device/code", &code)), "device_code");
        for wait in [0, 5] {
            let poll = [
                ("client_id", CLIENT_ID),
                ("client_secret", CLIENT_SECRET),
                ("device_code", code.as_str()),
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ];
            let reply = world.model.handle(NOW + Duration::from_secs(wait), &Request::form("/token", &poll));
            world.token = text(&reply, "access_token");
        }
        let small = |id: i64, title: &str| json!({"properties": {"sheetId": id, "title": title, "gridProperties": {"rowCount": 8, "columnCount": 6}}});
        let body = json!({"sheets": [small(7, "Log"), small(8, "it's 2")]});
        world.id = text(&world.send("POST", "/v4/spreadsheets", &body), "spreadsheetId");
        let rows = json!({"values": [["who", "in", "out", "hours"], ["Ada", "8:00", "16:30", "=C2-B2"], ["Bea", 9, 17, "=SUM(D2:D2)"]]});
        assert_eq!(world.on("PUT", "/values/Log!A1?valueInputOption=USER_ENTERED", &rows).status, 200);
        world
    }

    fn send(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        let request = match body {
            Value::Null => Request::new(method, path),
            body => Request::json(method, path, body),
        };
        let reply = self.model.handle(NOW + Duration::from_secs(6), &request.with_bearer(&self.token));
        assert!(reply.status < 500 || reply.status == 501, "{method} {path}: {}", reply.text());
        reply
    }

    fn on(&mut self, method: &str, below: &str, body: &Value) -> Reply {
        let path = format!("/v4/spreadsheets/{}{below}", self.id);
        self.send(method, &path, body)
    }

    /// Everything there is to read.
    fn whole(&mut self) -> Value {
        self.on("GET", "?includeGridData=true", &Value::Null).value()
    }
}

fn text(reply: &Reply, name: &str) -> String {
    reply.value()[name].as_str().unwrap_or_default().to_owned()
}

/// Percent-encoded, every byte of it.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A range in A1 notation: what is echoed names the same cells again, and all three kinds of values can be read.
pub(crate) fn a1(data: &[u8]) {
    let mut world = World::new();
    let range = encoded(&String::from_utf8_lossy(data));
    for render in ["FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"] {
        let reply = world.on("GET", &format!("/values/{range}?valueRenderOption={render}"), &Value::Null);
        if reply.status != 200 {
            continue;
        }
        let echoed = text(&reply, "range");
        let again = world.on("GET", &format!("/values/{}?valueRenderOption={render}", encoded(&echoed)), &Value::Null);
        assert_eq!(again.text(), reply.text(), "{echoed} is another range");
    }
    let before = world.whole();
    let rows = json!({"values": [["x"]]});
    if world.on("PUT", &format!("/values/{range}?valueInputOption=RAW"), &rows).status != 200 {
        assert_eq!(world.whole(), before, "refused, and yet something changed");
    }
}

/// A field mask: a partial response has nothing that the whole one has not.
pub(crate) fn mask(data: &[u8]) {
    let mut world = World::new();
    let raw = String::from_utf8_lossy(data);
    let mask = encoded(&raw);
    let whole = world.whole();
    let part = world.on("GET", &format!("?fields={mask}"), &Value::Null);
    if part.status == 200 {
        assert!(is_part(&part.value(), &whole), "{raw}: {}", part.text());
    }
    let bold = json!({"userEnteredFormat": {"textFormat": {"bold": true}}});
    let range = json!({"sheetId": 7, "endRowIndex": 1});
    let batch = json!({"requests": [{"repeatCell": {"range": range, "cell": bold, "fields": raw}}]});
    if world.on("POST", ":batchUpdate", &batch).status != 200 {
        assert_eq!(world.whole(), whole, "refused, and yet something changed");
    }
}

fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| is_part(value, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        (part, whole) => part == whole,
    }
}

/// What somebody types: it is kept as it was typed, and whatever it gives can be read.
pub(crate) fn typed(data: &[u8]) {
    let mut world = World::new();
    let raw = String::from_utf8_lossy(data).into_owned();
    let body = json!({"values": [[raw, "=E1"]]});
    if world.on("PUT", "/values/Log!E1?valueInputOption=USER_ENTERED", &body).status != 200 {
        return;
    }
    let whole = world.whole();
    let formula = &whole["sheets"][0]["data"][0]["rowData"][0]["values"][4]["userEnteredValue"]["formulaValue"];
    if let Some(formula) = formula.as_str() {
        let typed = raw.trim();
        assert!(formula == typed || formula.strip_prefix('=') == Some(typed), "{typed} became {formula}");
    }
    // Rows that come and go again leave no trace but in how references are spelled.
    let range = json!({"sheetId": 7, "dimension": "ROWS", "startIndex": 0, "endIndex": 1});
    let requests = json!([{"insertDimension": {"range": range}}, {"deleteDimension": {"range": range}}]);
    assert_eq!(world.on("POST", ":batchUpdate", &json!({ "requests": requests })).status, 200);
    let again = world.on("GET", "/values/Log!F1?valueRenderOption=UNFORMATTED_VALUE", &Value::Null).value();
    let before = &whole["sheets"][0]["data"][0]["rowData"][0]["values"][5]["effectiveValue"];
    if let Some(number) = before["numberValue"].as_f64().filter(|number| *number != 0.0) {
        assert_eq!(again["values"][0][0].as_f64(), Some(number), "{raw}");
    }
}

/// Numbers that make a grid so large that looking at it is all that would be tested.
const MOST: f64 = 400.0;

fn is_small(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() <= MOST),
        Value::String(text) => text.parse::<f64>().is_err() && text.len() <= 1_000,
        Value::Array(list) => list.len() <= 20 && list.iter().all(is_small),
        Value::Object(members) => members.values().all(is_small),
        _ => true,
    }
}

/// A batch of requests, one JSON document a line: all or nothing, a reply for each.
pub(crate) fn batch(data: &[u8]) {
    let requests: Vec<Value> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .filter(is_small)
        .take(12)
        .collect();
    let mut world = World::new();
    let before = world.whole();
    let reply = world.on("POST", ":batchUpdate", &json!({ "requests": requests }));
    if reply.status == 200 {
        assert_eq!(reply.value()["replies"].as_array().map(Vec::len), Some(requests.len()));
        world.whole();
    } else {
        assert_eq!(world.whole(), before, "refused, and yet something changed");
    }
    // What was made survives a restart.
    let document = world.model.snapshot();
    let whole = world.whole();
    assert_eq!(world.model.load_snapshot(document), Ok(()));
    assert_eq!(world.whole(), whole);
}
