//! The gaps between polls as the provider sees them (RFC 8628 section 3.5).

use std::time::Duration;

use google_emulator::{Action, Client, Dialect, Rule, When};

use crate::device::eventually;
use crate::google::{Google, client, fault};

/// A poll is never early; the emulator's clock and ours may differ by a rounding.
const ROUNDING: Duration = Duration::from_millis(5);

#[test]
fn no_poll_comes_before_its_interval() {
    let google = Google::start();
    let device = google.device();
    let sign_in = device.start(&["sign-in"]);
    eventually("four polls", || (google.polls().len() == 4).then_some(()));
    google.approve();
    sign_in.end().exits(0);

    let gaps = google.gaps();
    assert_eq!(gaps.len(), 5, "the first poll waits too, the fifth brings the tokens: {gaps:?}");
    for gap in gaps {
        assert!(gap + ROUNDING >= Duration::from_secs(1), "{gap:?}");
        assert!(gap < Duration::from_secs(5), "nobody wants to wait that long: {gap:?}");
    }
    let statuses: Vec<_> = google.polls().iter().map(|poll| poll.status).collect();
    assert_eq!(statuses, [428, 428, 428, 428, 200]);
}

#[test]
fn slow_down_adds_five_seconds_for_good() {
    let google = Google::start();
    let slow_down = Action::Status {
        status: 403,
        when: When::Before,
        body: Some(r#"{"error":"slow_down","error_description":"Forbidden"}"#.into()),
        content_type: None,
        retry_after: None,
    };
    google.set_faults([Rule { nth: Some(1), body: Some("device_code".into()), ..fault("/token", slow_down) }]);
    let device = google.device();
    let sign_in = device.start(&["sign-in"]);
    eventually("two polls after the slow_down", || (google.polls().len() == 3).then_some(()));
    google.approve();
    sign_in.signal(rustix::process::Signal::INT);
    sign_in.end().exits(75);
    let gaps = google.gaps();
    assert!(gaps[0] + ROUNDING >= Duration::from_secs(1) && gaps[0] < Duration::from_secs(5), "{gaps:?}");
    for gap in &gaps[1..] {
        assert!(*gap + ROUNDING >= Duration::from_secs(6) && *gap < Duration::from_secs(10), "{gaps:?}");
    }
}

#[test]
fn a_denial_is_the_last_poll() {
    let google = Google::start();
    let device = google.device();
    let sign_in = device.start(&["sign-in", "--json"]);
    let code = google.code();
    google.model(|model| model.deny(&code)).unwrap();
    let ended = sign_in.end().exits(3).says("denied");
    let events: Vec<_> = ended.lines().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!((events.first().unwrap().as_str(), events.last().unwrap().as_str()), ("code", "denied"));
    assert_eq!((google.polls().len(), google.codes_given()), (1, 1));
    assert_eq!(google.polls()[0].error.as_deref(), Some("access_denied"));
    assert_eq!(device.status()["grant"]["state"], "never_signed_in");
    assert!(device.status()["grant"]["code"].is_null());
}

#[test]
fn an_expired_code_is_not_polled_again() {
    let google = Google::with(Client { code_lifetime: 3, ..client() });
    let device = google.device();
    let ended = device.run(&["sign-in", "--json"]).exits(3);
    assert_eq!(ended.lines().last().unwrap()["event"], "expired", "{ended:?}");
    let polls = google.polls();
    assert!((2..=4).contains(&polls.len()), "{polls:?}");
    assert!(google.gaps().iter().all(|gap| *gap + ROUNDING >= Duration::from_secs(1)), "{:?}", google.gaps());
    assert_eq!(google.codes_given(), 1, "a code was asked for that nobody wanted");
    assert!(device.status()["grant"]["code"].is_null());
}

/// The same words under the statuses of three providers, and statuses that mean nothing by themselves.
#[test]
fn answers_are_told_apart_by_their_error() {
    for dialect in [Dialect::Google, Dialect::Rfc, Dialect::Github] {
        let google = Google::with(Client { dialect, ..client() });
        let device = google.device();
        let sign_in = device.start(&["sign-in"]);
        eventually("a pending answer", || (google.polls().len() == 1).then_some(()));
        google.approve();
        sign_in.end().exits(0);
        let polls: Vec<_> = google.polls().iter().map(|poll| (poll.status, poll.error.clone())).collect();
        let pending = Some("authorization_pending".to_owned());
        let status = match dialect {
            Dialect::Google => 428,
            Dialect::Rfc => 400,
            Dialect::Github => 200,
        };
        assert_eq!(polls, [(status, pending), (200, None)], "{dialect:?}");
    }

    // A 403 that is no denial, a 400 without an error, a 428 from a proxy: weather, and the sign-in goes on.
    let google = Google::start();
    let other = |nth, status, body: &str| Rule {
        nth: Some(nth),
        body: Some("device_code".into()),
        ..fault(
            "/token",
            Action::Status {
                status,
                when: When::Before,
                body: Some(body.into()),
                content_type: Some("text/html".into()),
                retry_after: None,
            },
        )
    };
    google.set_faults([other(1, 403, "<html>blocked</html>"), other(2, 428, ""), other(3, 502, "<html>")]);
    let device = google.device();
    let sign_in = device.start(&["sign-in"]);
    google.approve();
    sign_in.end().exits(0);
    let gaps = google.gaps();
    assert!(gaps.iter().all(|gap| *gap + ROUNDING >= Duration::from_secs(1)), "{gaps:?}");
}
