//! The probe against the emulator, with the switches of what is unknown in both positions; and the list of items against
//! the document.

#![expect(clippy::unwrap_used, reason = "the vocabulary of tests panics as they do")]

use std::sync::Arc;
use std::time::Duration;

use google_emulator::{AfterExpiry, Client as EmulatedClient, NoMatch, Options as World, Server, ServerOptions};
use probe::{ITEMS, Options, Person, Report, Verdict, facts, run};
use rowkeeper::Edges;
use rowkeeper::clock::{Stop, SystemClock};
use rowkeeper::config::Config;
use rowkeeper::http::Client;

struct Willing(Vec<String>);

impl Person for Willing {
    fn hear(&mut self, what: &str) {
        self.0.push(what.to_owned());
    }

    fn did(&mut self, _: &str) -> bool {
        true
    }
}

fn probed(world: World, client: EmulatedClient, long: bool) -> (Report, Vec<String>, Server) {
    let clients = vec![EmulatedClient { interval: 1, ..client }];
    let world = World { approve_as: Some("maker@example.com".into()), clients, ..world };
    let world = World { writes_per_minute: 1_000_000, reads_per_minute: 1_000_000, ..world };
    let server = Server::start("127.0.0.1:0", ServerOptions { model: world, ..ServerOptions::default() }).unwrap();
    let state = tempfile::tempdir().unwrap();
    let config = Config::parse("", None, state.path().to_owned(), Some(server.url())).unwrap();
    let edges = Edges { http: Arc::new(Client::new(None).unwrap()), clock: Arc::new(SystemClock) };
    let mut person = Willing(Vec::new());
    let options = Options { pace: Duration::ZERO, long, ..Options::default() };
    let report = run(config, edges, options, &mut person, &Stop::new()).unwrap();
    (report, person.0, server)
}

fn observed<'r>(report: &'r Report, id: &str) -> &'r str {
    &report.finding(id).unwrap().observed
}

#[test]
fn every_row_of_the_document_is_asked_about_or_says_why_not() {
    let rows: Vec<_> = facts().iter().map(|fact| fact.id).collect();
    let items: Vec<_> = ITEMS.iter().map(|item| item.id).collect();
    assert!(rows.len() > 40, "the tables were not found: {rows:?}");
    assert_eq!(items, rows, "docs/google.md and probe/src/items.rs are out of step");
}

#[test]
fn the_emulator_is_as_the_document_says_and_the_report_knows_where() {
    let (report, heard, server) = probed(World::default(), EmulatedClient::default(), false);
    assert!(!report.differs(), "{report}");
    for finding in &report.findings {
        let fact = facts().into_iter().find(|fact| fact.id == finding.id).unwrap();
        match finding.verdict {
            Verdict::Learnt => assert!(fact.is_unknown(), "{} is known: {finding:?}", fact.id),
            Verdict::AsWritten => assert!(!fact.is_unknown() || fact.mark.contains(','), "{} is unknown", fact.id),
            Verdict::NotAsked | Verdict::Differs => {}
        }
        assert!(!finding.observed.contains("could not be prepared"), "{finding:?}");
    }
    assert_eq!(report.findings.len(), ITEMS.len());
    assert!(report.findings.iter().filter(|finding| finding.verdict != Verdict::NotAsked).count() >= 30, "{report}");
    let json = report.to_json();
    let race = json["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "S5").unwrap();
    assert_eq!((&race["verdict"], &race["mark"]), (&"learnt".into(), &"unknown".into()));
    assert!(race["line"].as_u64().unwrap() > 20);
    assert!(heard.iter().any(|line| line.contains("in the bin")), "{heard:?}");

    // Nothing of all this is a secret, and nothing is left behind.
    let shown = format!("{report}{json}{}", heard.concat());
    for secret in ["AH-1Ng", "ya29.", "1//0", "emulator-secret"] {
        assert!(!shown.contains(secret), "{secret}… was shown");
    }
    let made = server.with_model(|model| model.spreadsheet_ids());
    assert_eq!(made.len(), 1);
}

#[test]
fn both_answers_to_what_nobody_knows_are_told_apart() {
    let (empty, _, _) = probed(World::default(), EmulatedClient::default(), false);
    let (no_bin, _, _) = probed(World { trashed_writes: false, ..World::default() }, EmulatedClient::default(), false);
    assert!(observed(&empty, "S19").starts_with("a write to the bin: 200;"), "{empty}");
    assert!(observed(&no_bin, "S19").starts_with("a write to the bin: 4"), "{no_bin}");
    let refusing = World { no_match: NoMatch::Refused, drive_appdata: true, ..World::default() };
    let lenient = EmulatedClient { secret_required: false, drive_api_enabled: false, ..EmulatedClient::default() };
    let (refused, heard, _) = probed(refusing, lenient, false);
    assert!(observed(&empty, "S7").starts_with("200, an empty reply"), "{empty}");
    assert!(observed(&refused, "S7").starts_with("400"), "{refused}");
    assert!(observed(&empty, "D8").starts_with("it may not be left out"), "{empty}");
    assert!(observed(&refused, "D8").starts_with("it may be left out"), "{refused}");
    assert_eq!(empty.finding("D5").unwrap().verdict, Verdict::AsWritten);
    assert_eq!(refused.finding("D5").unwrap().verdict, Verdict::Differs);
    assert!(refused.differs());
    // Without the Drive API it cannot bin, and says what to delete.
    assert_eq!(refused.finding("S19").unwrap().verdict, Verdict::NotAsked);
    assert!(heard.iter().any(|line| line.starts_with("delete it yourself: https://")), "{heard:?}");
}

#[test]
fn a_dead_code_is_told_apart_either_way() {
    for (after_expiry, wanted) in
        [(AfterExpiry::ExpiredToken, "expired_token"), (AfterExpiry::InvalidGrant, "invalid_grant")]
    {
        let client = EmulatedClient { code_lifetime: 4, after_expiry, ..EmulatedClient::default() };
        let (report, ..) = probed(World::default(), client, true);
        assert!(observed(&report, "D9").contains(wanted), "{report}");
    }
}
