//! What the doctor says of clocks, names and certificates: what the emulator's switches cannot make wrong.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use google_emulator::Standing;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rowkeeper::Edges;
use rowkeeper::clock::SystemClock;
use rowkeeper::config::Config;
use rowkeeper::doctor::{Finding, Verdict, examine_with};
use rowkeeper::http::{Client, NotSent};

use crate::world::{Kind, Weather, World, sign_in};

fn found<'f>(findings: &'f [Finding], check: &str) -> &'f Finding {
    findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("no {check} in {findings:?}"))
}

/// Whether `check` came out so, with all of these parts in its two lines.
#[track_caller]
fn says(findings: &[Finding], check: &str, verdict: Verdict, parts: &[&str]) {
    let finding = found(findings, check);
    let text = format!("{}\n{}", finding.what, finding.advice.as_deref().unwrap_or_default());
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(text.lines().count(), 1 + usize::from(finding.advice.is_some()), "one line each: {text}");
    assert!(finding.advice.is_some() == matches!(verdict, Verdict::Bad | Verdict::Warning), "{finding:?}");
}

#[test]
fn a_clock_that_is_wrong_is_said_whether_the_provider_answers_or_not() {
    for answers in [true, false] {
        let world = World::new();
        world.signed_in();
        let examined = || {
            if !answers {
                world.next(Kind::Poll, Weather::NotSent(NotSent::Connect("no route".into())));
            }
            world.examined()
        };
        world.board.wall_is_1970();
        says(&examined(), "clock", Verdict::Bad, &["1970-01-01", "timedatectl"]);
        world.board.wall_is(-3 * 365 * 86_400, false);
        says(&examined(), "clock", Verdict::Bad, &["timedatectl"]);
        if !answers {
            world.board.wall_is(-3_600, false);
            says(&examined(), "clock", Verdict::Warning, &["nobody vouches", "timedatectl"]);
            world.board.wall_is(0, true);
            assert!(examined().iter().all(|finding| finding.check != "clock"));
        }
    }
}

#[test]
fn each_way_not_to_get_there_has_its_own_advice() {
    let world = World::new();
    world.signed_in();
    let text = || "why".to_owned();
    for (cause, parts) in [
        (NotSent::Dns(text()), &["name not found", "/etc/resolv.conf"][..]),
        (NotSent::Connect(text()), &["no connection", "firewall"]),
        (NotSent::Tls(text()), &["TLS failed", "speaks https"]),
        (NotSent::Refused(text()), &["not sent", "HTTPS_PROXY"]),
        (NotSent::Certificate(text()), &["certificate refused", "ca_file"]),
        (NotSent::NotYetValid(text()), &["its clock is behind", "timedatectl"]),
        (NotSent::Expired(text()), &["takes it to be", "new certificate"]),
    ] {
        world.next(Kind::Poll, Weather::NotSent(cause));
        let findings = world.examined();
        says(&findings, "network", Verdict::Bad, parts);
        says(&findings, "sheet", Verdict::Skipped, &["above"]);
    }
    world.board.wall_is(0, false);
    world.next(Kind::Poll, Weather::NotSent(NotSent::Certificate(text())));
    says(&world.examined(), "network", Verdict::Bad, &["not to be trusted", "timedatectl"]);
    world.next(Kind::Poll, Weather::AnswerLost);
    says(&world.examined(), "network", Verdict::Bad, &["the answer was lost", "try again"]);
}

/// A token at hand would hide for an hour that no new one can be had.
#[test]
fn a_sign_in_is_alive_when_it_can_be_renewed() {
    let world = World::new();
    says(&world.examined(), "client", Verdict::Good, &["codes"]);
    says(&world.examined(), "sign-in", Verdict::Bad, &["run `rowkeeper sign-in`"]);
    world.signed_in();
    says(&world.examined(), "sign-in", Verdict::Good, &["a new token was had"]);
    world.next(Kind::Refresh, Weather::Answer(503, ""));
    says(&world.examined(), "sign-in", Verdict::Warning, &["no new token", "is kept"]);
    for standing in [Standing::Deleted, Standing::Disabled, Standing::WrongType] {
        world.change_client(|client| client.standing = standing);
        says(&world.examined(), "sign-in", Verdict::Bad, &["client"]);
    }
    world.change_client(|client| client.standing = Standing::Good);
    says(&world.examined(), "sign-in", Verdict::Good, &[]);
    world.google(|google| google.revoke_everything());
    says(&world.examined(), "sign-in", Verdict::Bad, &["rowkeeper sign-in"]);
}

#[test]
fn a_client_that_gets_no_code_is_said_before_anybody_signs_in() {
    for (standing, part) in
        [(Standing::WrongType, "TVs and Limited Input"), (Standing::Deleted, "client"), (Standing::Disabled, "client")]
    {
        let world = World::with_client(|client| client.standing = standing);
        says(&world.examined(), "client", Verdict::Bad, &[part]);
        assert_eq!(world.count(Kind::Ask), 1);
        assert!(!world.state_dir().join("grant.json").exists(), "nothing is kept of the question");
        assert!(sign_in(&world.session()).is_err());
    }
    let world = World::new();
    world.next(Kind::Ask, Weather::Answer(503, ""));
    says(&world.examined(), "client", Verdict::Warning, &["not known"]);
}

/// A server of this machine with a certificate that was, or will be, good; and the root that vouches for it.
fn dated(from: i32, to: i32) -> (String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let mut leaf = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    (leaf.not_before, leaf.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            _ = session.complete_io(&mut stream.unwrap());
        }
    });
    (url, root)
}

/// Over a real socket, with this machine's clock.
#[test]
fn a_certificate_of_another_time_is_a_word_about_the_clock() {
    for (from, to, parts) in [
        (2090, 2095, &["not valid before 2090-01-01", "its clock is behind", "timedatectl"][..]),
        (2001, 2005, &["not valid after 2005-01-01", "timedatectl", "new certificate"]),
    ] {
        let (url, root) = dated(from, to);
        let dir = tempfile::tempdir().unwrap();
        let pem = dir.path().join("root.pem");
        std::fs::write(&pem, root).unwrap();
        let toml = format!(
            "[provider]\npreset = \"none\"\nclient_id = \"c\"\ndevice_authorization_endpoint = \"{url}/device/code\"\n\
             token_endpoint = \"{url}/token\"\n"
        );
        let examined = |client: Client| {
            let config = Config::parse(&toml, None, dir.path().join("state"), None).unwrap();
            examine_with(config, Edges { http: Arc::new(client), clock: Arc::new(SystemClock) })
        };
        says(&examined(Client::new(Some(pem)).unwrap()), "network", Verdict::Bad, parts);
        assert!(!dir.path().join("state").exists(), "asking makes nothing");
    }
    // Of this time, and of nobody's we know.
    let (url, _) = dated(2020, 2090);
    let toml = format!(
        "[provider]\npreset = \"none\"\nclient_id = \"c\"\ndevice_authorization_endpoint = \"{url}/device/code\"\n\
         token_endpoint = \"{url}/token\"\n"
    );
    let config = Config::parse(&toml, None, "/nowhere".into(), None).unwrap();
    let edges = Edges { http: Arc::new(Client::new(None).unwrap()), clock: Arc::new(SystemClock) };
    says(&examine_with(config, edges), "network", Verdict::Bad, &["vouches", "ca_file"]);
}
