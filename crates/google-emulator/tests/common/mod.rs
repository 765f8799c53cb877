//! The vocabulary of the tests: a world with its own clock.
#![allow(dead_code, reason = "each test crate uses its part")]

mod conform;

use std::time::Duration;

use google_emulator::{CLIENT_ID, CLIENT_SECRET, Model, Options, Reply, Request};
use serde_json::{Value, json};

pub(crate) const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(crate) const OWNER: &str = "maker@example.com";

pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) now: Duration,
}

/// A signed-in device.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

pub(crate) struct Code {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        // The start of a minute, so that quota tests know where they are.
        Self { model: Model::new(options), now: Duration::from_secs(1_790_000_040) }
    }

    /// Without quotas in the way.
    pub(crate) fn unlimited() -> Self {
        Self::with(Options { writes_per_minute: u32::MAX, reads_per_minute: u32::MAX, ..Options::default() })
    }

    pub(crate) fn send(&mut self, request: &Request) -> Reply {
        let reply = self.model.handle(self.now, request);
        conform::check(request, &reply);
        reply
    }

    pub(crate) fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    pub(crate) fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(&Request::form(path, fields))
    }

    pub(crate) fn ask_for_code(&mut self) -> Code {
        let reply = self.form("/device/code", &[("client_id", CLIENT_ID), ("scope", DRIVE_FILE)]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.value();
        Code { device_code: text(&body, "device_code"), user_code: text(&body, "user_code") }
    }

    pub(crate) fn poll(&mut self, code: &Code) -> Reply {
        let fields = [
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("device_code", &code.device_code),
            ("grant_type", DEVICE_GRANT),
        ];
        self.form("/token", &fields)
    }

    pub(crate) fn sign_in(&mut self) -> Tokens {
        self.sign_in_as(OWNER)
    }

    pub(crate) fn sign_in_as(&mut self, account: &str) -> Tokens {
        let code = self.ask_for_code();
        self.model.approve(&code.user_code, account).expect("the code was just issued");
        let reply = self.poll(&code);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.value();
        Tokens { access: text(&body, "access_token"), refresh: text(&body, "refresh_token") }
    }

    pub(crate) fn refresh(&mut self, refresh_token: &str) -> Reply {
        let fields = [
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("refresh_token", refresh_token),
            ("grant_type", "refresh_token"),
        ];
        self.form("/token", &fields)
    }

    pub(crate) fn get(&mut self, tokens: &Tokens, path: &str) -> Reply {
        self.send(&Request::new("GET", path).with_bearer(&tokens.access))
    }

    pub(crate) fn call(&mut self, tokens: &Tokens, method: &str, path: &str, body: &Value) -> Reply {
        self.send(&Request::json(method, path, body).with_bearer(&tokens.access))
    }

    /// A signed-in device and its spreadsheet with a tab `Log` (id 7, 10 rows, 4 columns).
    pub(crate) fn sheet(&mut self) -> Sheet<'_> {
        let tokens = self.sign_in();
        let body = json!({
            "properties": {"title": "Workshop log"},
            "sheets": [{"properties": {"sheetId": 7, "title": "Log", "gridProperties": {"rowCount": 10, "columnCount": 4}}}],
        });
        let reply = self.call(&tokens, "POST", "/v4/spreadsheets", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let id = text(&reply.value(), "spreadsheetId");
        Sheet { world: self, tokens, id }
    }
}

pub(crate) struct Sheet<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) tokens: Tokens,
    pub(crate) id: String,
}

impl Sheet<'_> {
    pub(crate) fn post(&mut self, suffix: &str, body: &Value) -> Reply {
        let path = format!("/v4/spreadsheets/{}{suffix}", self.id);
        self.world.call(&self.tokens, "POST", &path, body)
    }

    pub(crate) fn put(&mut self, suffix: &str, body: &Value) -> Reply {
        let path = format!("/v4/spreadsheets/{}{suffix}", self.id);
        self.world.call(&self.tokens, "PUT", &path, body)
    }

    pub(crate) fn get(&mut self, suffix: &str) -> Reply {
        let path = format!("/v4/spreadsheets/{}{suffix}", self.id);
        self.world.get(&self.tokens, &path)
    }

    pub(crate) fn batch(&mut self, requests: Value) -> Reply {
        self.post(":batchUpdate", &json!({ "requests": requests }))
    }

    /// A batch that must succeed; its replies.
    pub(crate) fn apply(&mut self, requests: Value) -> Value {
        let reply = self.batch(requests);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.value()["replies"].clone()
    }

    /// The message of a batch that must be refused.
    pub(crate) fn refused(&mut self, requests: Value) -> String {
        let reply = self.batch(requests);
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert_eq!(reply.value()["error"]["status"], "INVALID_ARGUMENT");
        text(&reply.value()["error"], "message")
    }

    /// What `values.get` shows, unformatted.
    pub(crate) fn values(&mut self, range: &str) -> Value {
        let reply = self.get(&format!("/values/{range}?valueRenderOption=UNFORMATTED_VALUE"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.value().get("values").cloned().unwrap_or_else(|| json!([]))
    }
}

/// RowData of plain values.
pub(crate) fn row(values: &[Value]) -> Value {
    let cell = |value: &Value| match value {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"userEnteredValue": {"boolValue": value}}),
        Value::Number(_) => json!({"userEnteredValue": {"numberValue": value}}),
        _ => json!({"userEnteredValue": {"stringValue": value}}),
    };
    json!({ "values": values.iter().map(cell).collect::<Vec<_>>() })
}

pub(crate) fn append(rows: &[Value]) -> Value {
    json!({"appendCells": {"sheetId": 7, "rows": rows, "fields": "userEnteredValue"}})
}
