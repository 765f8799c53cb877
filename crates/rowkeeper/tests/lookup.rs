//! Tabs that people edit and the device reads, against the emulator over real HTTP.

#![expect(clippy::unwrap_used, reason = "the vocabulary of tests panics as they do")]

use std::time::Duration;

use google_emulator::{Options, Server, ServerOptions};
use rowkeeper::clock::{Clock, Stop, SystemClock};
use rowkeeper::config::Config;
use rowkeeper::lookup::{LookupError, Lookups, Tab, is_yes, text};
use rowkeeper::session::{Asked, SignInEvent};
use rowkeeper::{Device, Wish};
use serde_json::json;

struct Home {
    server: Option<Server>,
    device: Device,
    stop: Stop,
    _dir: tempfile::TempDir,
}

impl Home {
    /// Signed in, with an empty spreadsheet.
    fn new() -> Self {
        let model = Options { seed: 7, ..Options::default() };
        let server = Server::start("127.0.0.1:0", ServerOptions { model, ..ServerOptions::default() }).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = Config::parse("", None, dir.path().join("state"), Some(server.url())).unwrap();
        let device = Device::open(config).unwrap();
        let stop = Stop::new();
        let mut on = |event: &SignInEvent| {
            if let SignInEvent::Code { user_code, .. } = event {
                server.with_model(|model| model.approve(user_code, "maker@example.com")).unwrap();
            }
        };
        device.session().sign_in(Asked::ByPerson, &mut on, &stop).unwrap();
        Self { server: Some(server), device, stop, _dir: dir }
    }

    fn with_sheet(self) -> Self {
        self.device.go_to(&Wish::New, self.soon(), &self.stop).unwrap();
        self
    }

    fn soon(&self) -> rowkeeper::clock::Mono {
        SystemClock.mono() + Duration::from_secs(30)
    }

    fn lookups(&self) -> Lookups {
        let tab = Tab {
            title: "Projects".into(),
            header: ["Name", "Colour", "Hide"].map(String::from).into(),
            rows: vec![vec![json!("=Work"), json!("blue"), json!(false)]],
            checkboxes: vec![2],
        };
        Lookups::new(&self.device, vec![tab])
    }

    fn edit(&self, change: impl FnOnce(&mut google_emulator::Model, &str)) {
        let id = self.device.outbox().sheet().unwrap().unwrap().id;
        self.server.as_ref().unwrap().with_model(|model| change(model, &id));
    }
}

fn names(found: &[rowkeeper::lookup::Found]) -> Vec<(String, bool)> {
    found[0].rows([&["name"], &["hide"]]).map(|[name, hide]| (text(name), is_yes(hide))).collect()
}

#[test]
fn a_tab_is_made_once_read_again_and_remembered_offline() {
    let mut home = Home::new();
    let lookups = home.lookups();
    assert!(matches!(lookups.read(home.soon(), &home.stop), Err(LookupError::NoSheet)));
    assert!(lookups.remembered().is_empty());
    home = home.with_sheet();
    let work = [("=Work".to_owned(), false)];
    let found = lookups.read(home.soon(), &home.stop).unwrap();
    assert_eq!(names(&found)[0], work[0], "text stays text");

    // The owner renames the tab, moves a column in front, adds a project and hides one.
    home.edit(|model, id| {
        model.rename_tab(id, "Projects", "Bob's projects").unwrap();
        model.insert_column(id, "Bob's projects", 0).unwrap();
        model.type_in(id, "Bob's projects", 2, 1, "Website").unwrap();
        model.type_in(id, "Bob's projects", 1, 3, "TRUE").unwrap();
    });
    let found = lookups.read(home.soon(), &home.stop).unwrap();
    let owners = [("=Work".to_owned(), true), ("Website".to_owned(), false)];
    assert_eq!(names(&found)[..2], owners);
    home.edit(|model, id| assert_eq!(model.tabs(id), ["records", "Bob's projects"], "none was made again"));

    // No network: what was read last still holds, also for another process.
    drop(home.server.take());
    let now = SystemClock.mono();
    assert!(matches!(lookups.read(now, &home.stop), Err(LookupError::Call(_))));
    assert_eq!(names(&home.lookups().remembered())[..2], owners);
}

#[test]
fn two_devices_that_make_a_tab_at_once_make_one() {
    let home = Home::new().with_sheet();
    // The first answer is lost on its way back; the call is repeated and refused, and the tab is there.
    let rule = json!({"path": ":batchUpdate", "times": 1, "action": {"do": "reset", "when": "after"}});
    let faults = serde_json::from_value(json!({ "rules": [rule] })).unwrap();
    home.edit(|model, _| model.set_faults(faults));
    let found = home.lookups().read(home.soon(), &home.stop).unwrap();
    assert_eq!(names(&found)[0].0, "=Work");
    home.edit(|model, id| assert_eq!(model.tabs(id), ["records", "Projects"]));
}
