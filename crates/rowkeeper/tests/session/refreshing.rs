//! A token that works, for years.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use google_emulator::{Rotation, Standing};
use rowkeeper::http::NotSent;
use rowkeeper::session::{Session, TokenError};
use rowkeeper::status::GrantState;

use crate::world::{Kind, Owner, Weather, World, offline, process, sign_in, state};

fn bearer(session: &Session) -> Result<String, TokenError> {
    session.bearer().map(|bearer| bearer.token.expose().to_owned())
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

#[test]
fn a_token_is_refreshed_ahead_of_its_end_and_not_before() {
    let world = World::new();
    let session = world.signed_in();
    let first = bearer(&session).unwrap();
    world.pass(3_200);
    assert_eq!(bearer(&session).unwrap(), first);
    assert_eq!(world.count(Kind::Refresh), 0);
    world.pass(105);
    assert_ne!(bearer(&session).unwrap(), first);
    assert_eq!(world.count(Kind::Refresh), 1);
    // What one asks for alone decides.
    session.token(minutes(55)).unwrap();
    assert_eq!(world.count(Kind::Refresh), 1);
    let long = session.token(minutes(90)).unwrap();
    assert_eq!(world.count(Kind::Refresh), 2);
    assert!(long.left.unwrap() < minutes(60), "the provider gives no longer ones, and that is told");
}

/// A provider whose tokens live a minute is not asked with every call.
#[test]
fn short_lives_make_no_storm() {
    let world = World::with_client(|client| client.access_token_lifetime = 60);
    let session = world.signed_in();
    for _ in 0..60 {
        bearer(&session).unwrap();
        world.pass(1);
    }
    assert!((1..=3).contains(&world.count(Kind::Refresh)), "{}", world.count(Kind::Refresh));
}

/// RF-10, and the same when the disk or the client's standing is the trouble.
#[test]
fn the_old_token_serves_while_a_new_one_is_not_to_be_had() {
    let world = World::new();
    let session = world.signed_in();
    let first = bearer(&session).unwrap();
    world.pass(3_310);
    for weather in [offline(), Weather::Answer(503, ""), Weather::Answer(401, r#"{"error":"disabled_client"}"#)] {
        world.next(Kind::Refresh, weather);
        world.pass(65);
        assert_eq!(bearer(&session).unwrap(), first);
    }
    assert_eq!(world.count(Kind::Refresh), 3);
    world.next(Kind::Refresh, offline());
    world.pass(200);
    assert!(matches!(bearer(&session), Err(TokenError::Later { .. })));
    world.pass(300);
    assert_ne!(bearer(&session).unwrap(), first);
    assert_eq!(state(&session), GrantState::SignedIn);
}

/// Somebody else's half minute with the provider is not ours, as long as the old token lives.
#[test]
fn a_good_token_is_not_waited_for() {
    let world = World::new();
    let session = world.signed_in();
    let first = bearer(&session).unwrap();
    world.pass(3_310);
    let store = rowkeeper::grant_store::GrantStore::new(&world.state_dir());
    let locked = store.lock().unwrap();
    assert_eq!(bearer(&session).unwrap(), first);
    drop(locked);
    assert_ne!(bearer(&session).unwrap(), first);
}

enum Fate {
    Later,
    Ended(&'static str),
    Misconfigured(&'static str),
}

/// docs/google.md, refresh error bodies; RF-09. What is not final is tried again, and no owner is bothered.
#[test]
fn only_the_providers_word_ends_a_sign_in() {
    use Fate::{Ended, Later, Misconfigured};
    use Weather::{Answer, AnswerLost};
    let certificate = || Weather::NotSent(NotSent::Certificate("UnknownIssuer".into()));
    let table: Vec<(Weather, Fate)> = vec![
        (offline(), Later),
        (certificate(), Later),
        (AnswerLost, Later),
        (Answer(429, ""), Later),
        (Answer(500, ""), Later),
        (Answer(502, "<html>Bad gateway</html>"), Later),
        (Answer(503, r#"{"error":"invalid"}"#), Later),
        (Answer(200, ""), Later),
        (Answer(200, "{}"), Later),
        (Answer(200, "<html>captive portal</html>"), Later),
        (Answer(200, r#"{"access_token":"#), Later),
        (Answer(400, ""), Later),
        (Answer(404, "<html>"), Later),
        (Answer(400, r#"{"error":"internal_failure"}"#), Later),
        (Answer(400, r#"{"error":"server_error"}"#), Later),
        (Answer(400, r#"{"error":"temporarily_unavailable"}"#), Later),
        (Answer(400, r#"{"error":"never_heard_of"}"#), Later),
        (
            Answer(400, r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#),
            Ended("sign in again"),
        ),
        (Answer(400, r#"{"error":"invalid_grant"}"#), Ended("sign in again")),
        (Answer(200, r#"{"error":"invalid_grant"}"#), Ended("sign in again")),
        (Answer(400, r#"{"error":"invalid_grant","error_subtype":"invalid_rapt"}"#), Ended("organisation")),
        (Answer(400, r#"{"error":"invalid_grant","error_subtype":"rapt_required"}"#), Ended("organisation")),
        (Answer(400, r#"{"error":"admin_policy_enforced"}"#), Ended("administrator")),
        (Answer(401, r#"{"error":"invalid_client"}"#), Misconfigured("client id")),
        (Answer(401, r#"{"error":"deleted_client"}"#), Misconfigured("restore the client")),
        (Answer(401, r#"{"error":"disabled_client"}"#), Misconfigured("restore the client")),
        (Answer(401, r#"{"error":"unauthorized_client"}"#), Misconfigured("device flow")),
        (
            Answer(400, r#"{"error":"invalid_request","error_description":"client_secret is missing."}"#),
            Misconfigured("client secret"),
        ),
    ];
    for (number, (weather, fate)) in table.into_iter().enumerate() {
        let world = World::new();
        let session = world.signed_in();
        world.pass(3_600);
        world.next(Kind::Refresh, weather);
        let outcome = bearer(&session);
        let asked = world.count(Kind::Ask);
        assert_eq!(asked, 0, "row {number}");
        match fate {
            Later => {
                assert!(matches!(outcome, Err(TokenError::Later { .. })), "row {number}: {outcome:?}");
                assert_eq!(state(&session), GrantState::SignedIn, "row {number}");
            }
            Misconfigured(hint) => {
                let told = matches!(&outcome, Err(TokenError::Misconfigured(why)) if why.contains(hint));
                assert!(told, "row {number}: {outcome:?}");
                assert_eq!(state(&session), GrantState::Misconfigured, "row {number}");
                // The same answer while it is not tried again, and nobody is asked to approve.
                assert!(matches!(bearer(&session), Err(TokenError::Misconfigured(_))), "row {number}");
                assert!(sign_in(&session).unwrap().already);
            }
            Ended(hint) => {
                let told = matches!(&outcome, Err(TokenError::SignIn(Some(why))) if why.contains(hint));
                assert!(told, "row {number}: {outcome:?}");
                let status = session.status();
                assert_eq!(status.state, GrantState::MustSignInAgain, "row {number}");
                assert!(status.reason.unwrap().contains(hint), "row {number}");
                assert_eq!(world.count(Kind::Refresh), 1);
                assert!(bearer(&session).is_err());
                assert_eq!(world.count(Kind::Refresh), 1, "row {number}: a dead token is not tried again");
                world.owner(1, Owner::Allows);
                sign_in(&session).unwrap();
                bearer(&session).unwrap();
                continue;
            }
        }
        world.pass(600);
        bearer(&session).unwrap();
        assert_eq!(state(&session), GrantState::SignedIn, "row {number}");
        assert_eq!(world.count(Kind::Ask), 0, "row {number}");
    }
}

/// A standing that the emulator knows, from both sides: nothing to approve, and well again when it is fixed.
#[test]
fn a_disabled_client_keeps_its_grant() {
    let world = World::new();
    let session = world.signed_in();
    world.change_client(|client| client.standing = Standing::Disabled);
    world.pass(3_600);
    assert!(matches!(bearer(&session), Err(TokenError::Misconfigured(_))));
    world.change_client(|client| client.standing = Standing::Good);
    world.pass(61);
    bearer(&session).unwrap();
    assert_eq!(state(&session), GrantState::SignedIn);
}

/// RF-08: a program that does not keep to the lock (a restored file, another tool) may have signed in meanwhile.
#[test]
fn the_store_is_read_again_before_invalid_grant_is_believed() {
    let world = World::new();
    let session = world.signed_in();
    let file = world.state_dir().join("grant.json");
    let old = std::fs::read(&file).unwrap();
    session.sign_out().unwrap();
    world.owner(1, Owner::Allows);
    sign_in(&session).unwrap();
    let new = std::fs::read(&file).unwrap();
    let token = bearer(&session).unwrap();
    std::fs::write(&file, old).unwrap();
    world.pass(3_400);
    let swap = Box::new(move || std::fs::write(&file, new).unwrap());
    world.next(Kind::Refresh, Weather::Meanwhile(swap, Box::new(Weather::Answer(400, r#"{"error":"invalid_grant"}"#))));
    // The token of the other program has a while to go: it is the answer at once.
    assert_eq!(bearer(&session).unwrap(), token);
    assert_eq!(state(&session), GrantState::SignedIn);
}

#[test]
fn many_threads_make_one_refresh() {
    let world = World::with_client(|client| client.rotation = Rotation::Always { grace: 0 });
    let session = world.signed_in();
    let other = world.session();
    world.pass(3_600);
    let tokens: BTreeSet<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|n| if n % 2 == 0 { session.clone() } else { other.clone() })
            .map(|session| scope.spawn(move || bearer(&session).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((tokens.len(), world.count(Kind::Refresh)), (1, 1));
    // BR-10: as many 401s at once, one refresh.
    let refused = session.bearer().unwrap().token;
    thread::scope(|scope| (0..12).for_each(|_| drop(scope.spawn(|| session.replace(&refused).unwrap()))));
    assert_eq!(world.count(Kind::Refresh), 2);
}

/// RF-05, RF-06: the answer with the next token never arrived.
#[test]
fn a_lost_rotation_is_replayed_once_and_told_for_what_it_is() {
    for (grace, survives) in [(600, true), (0, false)] {
        let world = World::with_client(|client| client.rotation = Rotation::Always { grace });
        let session = world.signed_in();
        world.pass(3_600);
        world.next(Kind::Refresh, Weather::AnswerLost);
        assert!(matches!(bearer(&session), Err(TokenError::Later { .. })));
        // Nothing that happens before the next real answer makes us forget that one was lost.
        world.next(Kind::Refresh, offline()).next(Kind::Refresh, Weather::Answer(429, ""));
        for _ in 0..2 {
            world.pass(60);
            assert!(matches!(bearer(&session), Err(TokenError::Later { .. })));
        }
        world.pass(60);
        match bearer(&world.session()) {
            Ok(_) => assert!(survives),
            Err(TokenError::SignIn(Some(why))) => assert!(!survives && why.contains("lost"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(world.count(Kind::Refresh), 4);
    }
}

/// The process dies around a refresh, at each edge; with rotation, and with and without grace.
#[test]
fn a_death_around_a_refresh_loses_the_grant_only_in_the_reply_window() {
    for (grace, in_window, survives) in [(0, false, true), (600, true, true), (0, true, false)] {
        let world = World::with_client(|client| client.rotation = Rotation::Always { grace });
        world.signed_in();
        world.pass(3_600);
        world.next(Kind::Refresh, if in_window { Weather::DiesAfter } else { Weather::DiesBefore });
        assert!(process(|| bearer(&world.session())).is_none());
        match bearer(&world.session()) {
            Ok(_) => assert!(survives),
            Err(TokenError::SignIn(Some(why))) => assert!(!survives && why.contains("lost"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(world.count(Kind::Refresh), 2, "tried once more, not oftener");
        let expected = if survives { GrantState::SignedIn } else { GrantState::MustSignInAgain };
        assert_eq!(state(&world.session()), expected);
    }
}

/// A provider may give none: then what there is serves to its end.
#[test]
fn without_a_refresh_token_the_sign_in_lives_as_long_as_its_token() {
    let world = World::new();
    let session = world.session();
    world.next(
        Kind::Poll,
        Weather::Answer(200, r#"{"access_token":"only","token_type":"bearer","expires_in":1000,"scope":"https://www.googleapis.com/auth/drive.file"}"#),
    );
    sign_in(&session).unwrap();
    world.pass(900);
    assert_eq!(bearer(&session).unwrap(), "only");
    assert_eq!(session.token(minutes(60)).unwrap().token.expose(), "only");
    assert_eq!(state(&session), GrantState::SignedIn);
    world.pass(100);
    assert!(matches!(bearer(&session), Err(TokenError::SignIn(Some(_)))));
    assert_eq!((state(&session), world.count(Kind::Refresh)), (GrantState::MustSignInAgain, 0));
}
