//! From nothing to a grant, through everything that can come between.

use std::thread;
use std::time::Duration;

use google_emulator::Standing;
use rowkeeper::clock::Stop;
use rowkeeper::http::NotSent;
use rowkeeper::session::{Asked, SignInError, SignInEvent};
use rowkeeper::status::GrantState;

use crate::world::{DRIVE_FILE, Kind, Owner, Weather, World, codes, offline, process, sign_in, state};

#[test]
fn an_owner_approves_and_the_device_is_signed_in() {
    let world = World::new();
    let session = world.session();
    assert_eq!(state(&session), GrantState::NeverSignedIn);
    world.owner(3, Owner::Allows);
    let (shown, outcome) = codes(&session, Asked::ByPerson);
    assert_eq!(outcome.unwrap().scopes, [DRIVE_FILE]);
    assert_eq!(shown.len(), 1);
    assert_eq!(world.gaps(), [5, 5, 5]);
    assert_eq!(state(&session), GrantState::SignedIn);
    // Nobody is asked again.
    assert!(sign_in(&session).unwrap().already);
    assert_eq!((world.count(Kind::Ask), world.count(Kind::Poll)), (1, 4));
}

/// PL-06: each `slow_down` adds five seconds for good.
#[test]
fn slow_down_is_for_good() {
    let world = World::new();
    let slow = || Weather::Answer(403, r#"{"error":"slow_down","error_description":"Forbidden"}"#);
    world.next(Kind::Poll, Weather::Answer(428, r#"{"error":"authorization_pending"}"#)).next(Kind::Poll, slow());
    world.next(Kind::Poll, Weather::Answer(428, r#"{"error":"authorization_pending"}"#)).next(Kind::Poll, slow());
    world.owner(6, Owner::Allows);
    sign_in(&world.session()).unwrap();
    let gaps = world.gaps();
    assert!(gaps[0] < 10 && gaps[1] >= 10 && gaps[2] >= 10 && gaps[3] >= 15 && gaps[4] >= 15, "{gaps:?}");
}

/// PL-08, PL-12: after the provider's last word nothing more is sent.
#[test]
fn what_is_denied_or_expired_is_never_polled_again() {
    let world = World::new();
    let session = world.session();
    world.owner(2, Owner::Denies);
    assert!(matches!(sign_in(&session), Err(SignInError::Denied)));
    let polls = world.count(Kind::Poll);
    assert_eq!(state(&session), GrantState::NeverSignedIn);
    assert!(session.status().code.is_none() && session.status().reason.unwrap().contains("denied"));

    let (shown, outcome) = codes(&session, Asked::ByPerson);
    assert!(matches!(outcome, Err(SignInError::Expired(_))), "{outcome:?}");
    assert_eq!((shown.len(), world.count(Kind::Ask)), (1, 2));
    let life = *world.polls_at().last().unwrap() - world.polls_at()[polls];
    assert!((1_780..=1_800).contains(&life.as_secs()), "{life:?}");
    assert!(session.status().code.is_none());
}

/// EN-02, EN-03, EN-04: a process dies at every edge in turn, with and without a power cut.
#[test]
fn a_restart_at_any_point_keeps_the_code_and_the_pace() {
    for reboot in [false, true] {
        for edge in 0.. {
            let world = World::new();
            world.owner(3, Owner::Allows);
            world.dies_at(Some(edge));
            let first = process(|| codes(&world.session(), Asked::ByItself));
            if first.is_some() {
                assert!(edge > 10, "fewer edges than a sign-in has: {edge}");
                break;
            }
            if reboot {
                world.board.reboot(Duration::from_secs(1));
                world.board.wall_is_1970();
            }
            let asked = world.count(Kind::Ask);
            let pending = world.session().status().code.map(|code| code.user_code);
            let (shown, outcome) = codes(&world.session(), Asked::ByItself);
            if let Some(code) = &pending {
                assert_eq!(shown.first(), Some(code), "edge {edge}: the code on the glass is the one from before");
                assert_eq!(world.count(Kind::Ask), asked, "edge {edge}");
            }
            if let Err(error) = outcome {
                // The approval was in the answer that nobody received.
                assert!(error.to_string().contains("lost"), "edge {edge}: {error}");
                world.owner(1, Owner::Allows);
                sign_in(&world.session()).unwrap();
            }
            assert_eq!(state(&world.session()), GrantState::SignedIn, "edge {edge}");
            // Within one code; a second one has its own pace.
            let mut gaps = world.gaps();
            gaps.truncate(3);
            assert!(gaps.iter().all(|gap| *gap >= 5), "edge {edge}, reboot {reboot}: {gaps:?}");
        }
    }
}

/// EN-03: a crash loop is no faster than the interval, also on a board that never knows the time.
#[test]
fn a_crash_loop_does_not_poll() {
    for reboot in [false, true] {
        let world = World::new();
        for _ in 0..20 {
            world.dies_at(Some(4));
            process(|| sign_in(&world.session()));
            world.pass(0);
            if reboot {
                world.board.reboot(Duration::from_millis(100));
                world.board.wall_is_1970();
            }
        }
        assert_eq!(world.count(Kind::Ask), 1);
        assert!(world.gaps().iter().all(|gap| *gap >= 5), "{:?}", world.gaps());
    }
}

#[test]
fn two_programs_wait_for_one_code_and_poll_like_one() {
    let world = World::new();
    world.owner(6, Owner::Allows);
    let (one, two) = (world.session(), world.session());
    let (one, two) = thread::scope(|scope| {
        let two = scope.spawn(|| codes(&two, Asked::ByPerson));
        (codes(&one, Asked::ByItself), two.join().unwrap())
    });
    one.1.unwrap();
    two.1.unwrap();
    assert_eq!(world.count(Kind::Ask), 1);
    assert!(world.gaps().iter().all(|gap| *gap >= 5), "{:?}", world.gaps());
    let shown: Vec<_> = one.0.iter().chain(&two.0).collect();
    assert!(shown.iter().all(|code| *code == shown[0]), "{shown:?}");
}

/// PL-09 to PL-11: only the provider's word or the deadline ends a code.
#[test]
fn a_bad_network_ends_nothing() {
    let world = World::new();
    for weather in [
        offline(),
        Weather::NotSent(NotSent::Dns("no such name".into())),
        Weather::AnswerLost,
        Weather::Answer(503, "{}"),
        Weather::Answer(200, "<html>captive portal</html>"),
        Weather::Answer(404, "<html>not here</html>"),
        Weather::Answer(429, ""),
        Weather::Answer(500, r#"{"error":"internal_failure"}"#),
    ] {
        world.next(Kind::Poll, weather);
    }
    world.next(Kind::Ask, offline()).next(Kind::Ask, Weather::Answer(503, ""));
    world.owner(9, Owner::Allows);
    let mut trouble = 0;
    let session = world.session();
    let outcome = session.sign_in(
        Asked::ByPerson,
        &mut |event| trouble += u32::from(matches!(event, SignInEvent::Waiting { trouble: Some(_) })),
        &Stop::new(),
    );
    outcome.unwrap();
    assert_eq!(trouble, 10, "each is told");
}

/// EN-09: on a board that thinks it is 1970 a certificate "not yet valid" is weather.
#[test]
fn a_certificate_that_is_not_valid_yet_is_waited_for_while_the_clock_is_wrong() {
    let bad = || Weather::NotSent(NotSent::Certificate("NotValidYet".into()));
    let world = World::new();
    world.board.wall_is_1970();
    world.next(Kind::Ask, bad()).next(Kind::Ask, bad()).owner(1, Owner::Allows);
    sign_in(&world.session()).unwrap();
    let world = World::new();
    world.next(Kind::Ask, bad());
    assert!(matches!(sign_in(&world.session()), Err(SignInError::Misconfigured(_))));
}

/// DQ-07: three by itself; a person starts it anew.
#[test]
fn three_codes_by_itself_and_then_a_person_has_to_act() {
    let world = World::with_client(|client| client.code_lifetime = 60);
    for _ in 0..3 {
        // Each in a process of its own: the count is on the disk.
        assert!(matches!(codes(&world.session(), Asked::ByItself).1, Err(SignInError::Expired(_))));
    }
    let asked = world.count(Kind::Ask);
    assert!(matches!(codes(&world.session(), Asked::ByItself).1, Err(SignInError::WaitsForPerson)));
    assert_eq!((asked, world.count(Kind::Ask)), (3, 3));
    assert!(matches!(codes(&world.session(), Asked::ByPerson).1, Err(SignInError::Expired(_))));
    world.owner(1, Owner::Allows);
    codes(&world.session(), Asked::ByItself).1.unwrap();
}

/// A stop leaves the code to the next program.
#[test]
fn a_stop_keeps_the_code() {
    let world = World::new();
    let (session, stop, mut first) = (world.session(), Stop::new(), None);
    let outcome = session.sign_in(
        Asked::ByPerson,
        &mut |event| {
            if let SignInEvent::Code { user_code, .. } = event {
                first = Some(user_code.clone());
                // The lock is free for whoever hears of the code: this would wait for ever otherwise.
                assert!(world.session().token(Duration::ZERO).is_err());
                assert_eq!(world.session().status().code.unwrap().user_code, *user_code);
                stop.stop();
            }
        },
        &stop,
    );
    assert!(matches!(outcome, Err(SignInError::Stopped)), "{outcome:?}");
    world.owner(1, Owner::Allows);
    let (shown, outcome) = codes(&world.session(), Asked::ByPerson);
    outcome.unwrap();
    assert_eq!(shown.first(), first.as_ref());
}

/// A client that cannot work must not have its owner approve for nothing, and must come right once it is fixed.
#[test]
fn a_refused_client_shows_no_code_and_recovers() {
    let world = World::with_client(|client| client.standing = Standing::Deleted);
    let (shown, outcome) = codes(&world.session(), Asked::ByItself);
    assert!(shown.is_empty() && matches!(outcome, Err(SignInError::Misconfigured(_))), "{outcome:?}");
    assert_eq!(state(&world.session()), GrantState::Misconfigured);
    world.change_client(|client| client.standing = Standing::Good);
    world.owner(2, Owner::Allows);
    let (shown, outcome) = codes(&world.session(), Asked::ByItself);
    outcome.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(state(&world.session()), GrantState::SignedIn);
}

/// Google asks for the secret only with a poll, so a wrong one shows after the code.
#[test]
fn a_wrong_secret_shows_its_code_once_and_then_only_when_it_is_right() {
    let world = World::with_client(|client| client.client_secret = "another".into());
    let (shown, outcome) = codes(&world.session(), Asked::ByItself);
    assert!(matches!(outcome, Err(SignInError::Misconfigured(_))), "{outcome:?}");
    assert_eq!(shown.len(), 1);
    for _ in 0..5 {
        let (shown, outcome) = codes(&world.session(), Asked::ByItself);
        assert!(shown.is_empty() && matches!(outcome, Err(SignInError::Misconfigured(_))), "{outcome:?}");
        assert!(world.session().status().code.is_none());
    }
    world.change_client(|client| client.client_secret = "emulator-secret".into());
    world.owner(3, Owner::Allows);
    let (shown, outcome) = codes(&world.session(), Asked::ByItself);
    outcome.unwrap();
    assert_eq!(shown.len(), 1);
}

/// What an administrator forbids is no fault of the configuration, and no reason to forget anything.
#[test]
fn an_administrators_rule_is_told_as_one() {
    for standing in [Standing::OrgInternal, Standing::AdminPolicy] {
        let world = World::with_client(|client| client.standing = standing);
        let outcome = sign_in(&world.session());
        assert!(matches!(&outcome, Err(SignInError::Failed(why)) if why.contains("administrator")), "{outcome:?}");
        assert!(world.session().status().reason.unwrap().contains("administrator"));
    }
}

#[test]
fn an_approval_without_the_scope_that_rows_need_is_no_sign_in() {
    let world = World::new();
    let wants = |scopes: &[&str]| {
        let mut config = world.config();
        config.provider.as_mut().unwrap().scopes = Some(scopes.iter().map(|&scope| scope.into()).collect());
        world.session_with(config)
    };
    let session = wants(&[DRIVE_FILE, "email"]);
    world.owner(1, Owner::AllowsOnly(&["https://www.googleapis.com/auth/userinfo.email"]));
    let outcome = sign_in(&session);
    assert!(matches!(&outcome, Err(SignInError::Unticked(why)) if why.contains("drive.file")), "{outcome:?}");
    let status = session.status();
    assert_eq!(status.state, GrantState::NeverSignedIn);
    assert!(status.reason.unwrap().contains("ticked"));
    assert_eq!(world.count(Kind::Revoke), 0, "it would end the person's other devices");

    // A scope under its other name is there; one that rows do not need is missed by name, and the device works.
    world.owner(1, Owner::AllowsOnly(&[DRIVE_FILE, "https://www.googleapis.com/auth/userinfo.email"]));
    sign_in(&session).unwrap();
    assert_eq!(session.status().reason, None);
    session.sign_out().unwrap();
    world.owner(1, Owner::AllowsOnly(&[DRIVE_FILE]));
    sign_in(&session).unwrap();
    let status = session.status();
    assert_eq!(status.state, GrantState::SignedIn);
    assert!(status.reason.unwrap().starts_with("email was not granted"));
}

/// A code that was sent on to somebody else must not move a device to another person's sheet.
#[test]
fn only_the_owner_approves_again() {
    let world = World::new();
    let mut config = world.config();
    config.provider.as_mut().unwrap().scopes = Some(["openid", "email", DRIVE_FILE].map(Into::into).to_vec());
    let session = world.session_with(config);
    world.owner(1, Owner::Allows);
    assert_eq!(sign_in(&session).unwrap().label.as_deref(), Some("maker@example.com"));
    assert_eq!(session.status().account.as_deref(), Some("maker@example.com"));

    world.google(|google| google.revoke_everything());
    assert!(session.token(Duration::from_secs(7200)).is_err());
    world.owner(1, Owner::AllowsAs("stranger@example.com"));
    let outcome = sign_in(&session);
    assert!(matches!(&outcome, Err(SignInError::Stranger(why)) if why.contains("belongs to maker@")), "{outcome:?}");
    assert_eq!(session.status().state, GrantState::MustSignInAgain);
    world.owner(1, Owner::Allows);
    sign_in(&session).unwrap();

    // Given away on purpose: signing out forgets the owner.
    session.sign_out().unwrap();
    world.owner(1, Owner::AllowsAs("stranger@example.com"));
    assert_eq!(sign_in(&session).unwrap().label.as_deref(), Some("stranger@example.com"));
}
