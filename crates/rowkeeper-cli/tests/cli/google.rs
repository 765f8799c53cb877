//! Google as the tests see it: the emulator in this process, where its faults, log and clock can be had, and the
//! `emulator` command as a process that can be killed.

use std::collections::BTreeMap;
use std::time::Duration;

use google_emulator::{
    Action, CLIENT_ID, CellValue, Client, Faults, LogEntry, Model, Options, Rule, Server, ServerOptions, When,
};

use crate::device::{Device, Running, eventually};

/// The person with the phone.
pub(crate) const OWNER: &str = "maker@example.com";

/// A row of the sheet by its column headers.
pub(crate) type Row = BTreeMap<String, CellValue>;

/// The emulator on a free port of this process.
pub(crate) struct Google(Server);

impl Google {
    /// Without quotas in the way; polls are a second apart.
    pub(crate) fn start() -> Self {
        Self::with(Client::default())
    }

    /// As [`Google::start`], with a client that behaves like this one.
    pub(crate) fn with(client: Client) -> Self {
        let client = Client { interval: 1, ..client };
        let model = Options {
            writes_per_minute: 1_000_000,
            reads_per_minute: 1_000_000,
            clients: vec![client],
            log_entries: 10_000,
            ..Options::default()
        };
        Self(Server::start("127.0.0.1:0", ServerOptions { model, ..ServerOptions::default() }).unwrap())
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    pub(crate) fn model<T>(&self, f: impl FnOnce(&mut Model) -> T) -> T {
        self.0.with_model(f)
    }

    /// A device that has this Google configured.
    pub(crate) fn device(&self) -> Device {
        Device::of(&self.url())
    }

    /// A device that its owner has signed in.
    pub(crate) fn signed_in(&self) -> Device {
        let device = self.device();
        self.sign_in(&device);
        device
    }

    /// The owner signs `device` in.
    pub(crate) fn sign_in(&self, device: &Device) {
        let sign_in = device.start(&["sign-in", "--json"]);
        // Its own code: the doctor may have asked for one that nobody sees.
        let told = sign_in.line(|line| line.contains("\"user_code\""));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        self.model(|model| model.approve(told["user_code"].as_str().unwrap(), OWNER)).unwrap();
        sign_in.end().exits(0);
    }

    /// The owner types the code that waits, as soon as there is one; the code.
    pub(crate) fn approve(&self) -> String {
        let code = self.code();
        self.model(|model| model.approve(&code, OWNER)).unwrap();
        code
    }

    /// The code that waits, as soon as there is one.
    pub(crate) fn code(&self) -> String {
        eventually("a code", || self.model(|model| model.pending_codes()).first().map(|code| code.user_code.clone()))
    }

    /// How many codes were ever given out.
    pub(crate) fn codes_given(&self) -> usize {
        self.log().iter().filter(|entry| entry.target == "/device/code" && entry.status == 200).count()
    }

    pub(crate) fn log(&self) -> Vec<LogEntry> {
        self.model(|model| model.log())
    }

    /// The polls that arrived.
    pub(crate) fn polls(&self) -> Vec<LogEntry> {
        let is_poll = |entry: &LogEntry| entry.grant_type.as_deref().is_some_and(|kind| kind.ends_with("device_code"));
        self.log().into_iter().filter(is_poll).collect()
    }

    /// When codes were given, and how long after that, or after the poll before, each poll came.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        let asked = self.log().into_iter().filter(|entry| entry.target == "/device/code").map(|entry| entry.time);
        let times: Vec<_> = asked.chain(self.polls().into_iter().map(|poll| poll.time)).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    pub(crate) fn set_faults(&self, rules: impl IntoIterator<Item = Rule>) {
        let faults = Faults { rules: rules.into_iter().collect(), ..Faults::default() };
        self.model(|model| model.set_faults(faults));
    }

    /// The id of the spreadsheet that was made; there must be exactly one.
    #[track_caller]
    pub(crate) fn spreadsheet(&self) -> String {
        let ids = self.model(|model| model.spreadsheet_ids());
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids[0].clone()
    }

    /// The data rows of a tab; none before the tab is there.
    pub(crate) fn rows(&self, tab: &str) -> Vec<Row> {
        let Some(id) = self.model(|model| model.spreadsheet_ids()).pop() else { return Vec::new() };
        let mut rows = self.model(|model| model.rows(&id, tab)).unwrap_or_default().into_iter();
        let headers: Vec<_> = rows.next().unwrap_or_default().iter().map(text).collect();
        rows.map(|row| headers.iter().cloned().zip(row).filter(|(_, cell)| *cell != CellValue::Empty).collect())
            .collect()
    }
}

/// A cell as text.
pub(crate) fn text(cell: &CellValue) -> String {
    match cell {
        CellValue::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// A rule for requests whose target contains `path`.
pub(crate) fn fault(path: &str, action: Action) -> Rule {
    Rule { path: Some(path.into()), ..Rule::new(action) }
}

/// Everything is answered with Google's HTML error page.
pub(crate) fn html(status: u16) -> Rule {
    Rule::new(Action::Html { status, when: When::Before })
}

/// The client of the emulator, and what is different about it.
pub(crate) fn client() -> Client {
    Client { client_id: CLIENT_ID.into(), ..Client::default() }
}

/// The `emulator` command, as a process.
pub(crate) struct Emulator {
    running: Option<Running>,
    /// Lends its home to the process.
    home: Device,
    pub(crate) url: String,
}

impl Emulator {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let home = Device::alone();
        let (running, url) = listen(&home, "127.0.0.1:0", arguments);
        Self { running: Some(running), home, url }
    }

    /// The machine of the emulator loses power and comes back, at the same address.
    pub(crate) fn crash(&mut self, arguments: &[&str]) {
        self.running.take().into_iter().for_each(Running::kill);
        let address = self.url.trim_start_matches("http://").to_owned();
        self.running = Some(listen(&self.home, &address, arguments).0);
    }
}

fn listen(home: &Device, address: &str, arguments: &[&str]) -> (Running, String) {
    let arguments = [&["emulator", "--listen", address], arguments].concat();
    let running = home.start(&arguments);
    let line = running.line(|line| line.starts_with("listening on ") || line.starts_with("rowkeeper:"));
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
    (running, url)
}
