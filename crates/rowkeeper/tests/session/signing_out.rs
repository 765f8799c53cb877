//! Giving the sign-in back, and state that belongs to somebody else.

use rowkeeper::config::Config;
use rowkeeper::session::{AccessError, SignInError, SignOutError, SignedOut, TokenError};
use rowkeeper::status::GrantState;

use crate::world::{Kind, Owner, Weather, World, codes, offline, sign_in, state};

#[test]
fn online_nothing_is_left_here_or_there() {
    let world = World::new();
    let session = world.signed_in();
    session.bearer().unwrap();
    assert_eq!(session.sign_out().unwrap(), SignedOut::Revoked);
    assert_eq!(world.grant_files(), "");
    assert_eq!(state(&session), GrantState::NeverSignedIn);
    assert!(matches!(session.bearer(), Err(TokenError::SignIn(None))));
    assert_eq!(session.sign_out().unwrap(), SignedOut::WasNot);
    assert_eq!(world.count(Kind::Revoke), 1);
}

/// RV-03: only what it takes to revoke later is kept.
#[test]
fn offline_it_is_forgotten_at_once_and_given_back_later() {
    for weather in [offline(), Weather::AnswerLost, Weather::Answer(503, "")] {
        let world = World::new();
        let session = world.signed_in();
        let access = session.bearer().unwrap().token.expose().to_owned();
        world.pass(3_400);
        let renewed = session.bearer().unwrap().token.expose().to_owned();
        world.next(Kind::Revoke, weather);
        assert!(matches!(session.sign_out(), Err(SignOutError::NotTold(_))));
        let left = world.grant_files();
        for gone in [access.as_str(), renewed.as_str(), "scopes", "access_token"] {
            assert!(!left.contains(gone), "{gone} is still there");
        }
        assert_eq!(state(&session), GrantState::NeverSignedIn);
        assert!(session.bearer().is_err());
        assert_eq!(world.session().sign_out().unwrap(), SignedOut::Revoked);
        assert_eq!((world.grant_files().as_str(), world.count(Kind::Revoke)), ("", 2));
    }
}

/// Google ends all of a person's grants with one: an old one must not take the new one with it.
#[test]
fn an_old_sign_in_is_given_back_before_a_new_one_and_never_after() {
    let world = World::new();
    let session = world.signed_in();
    world.next(Kind::Revoke, offline());
    assert!(session.sign_out().is_err());
    // It can be told now: before a code is asked for.
    world.owner(1, Owner::Allows);
    sign_in(&session).unwrap();
    assert_eq!(world.count(Kind::Revoke), 2);
    session.bearer().unwrap();

    world.next(Kind::Revoke, offline()).next(Kind::Revoke, offline());
    assert!(session.sign_out().is_err());
    world.owner(1, Owner::Allows);
    sign_in(&session).unwrap();
    let before = world.count(Kind::Revoke);
    world.pass(3_400);
    session.bearer().unwrap();
    assert_eq!(session.sign_out().unwrap(), SignedOut::Revoked);
    assert_eq!(world.count(Kind::Revoke), before + 1, "the new one, and not the old one with it");
}

#[test]
fn a_token_that_was_dead_already_is_given_back() {
    let world = World::new();
    let session = world.signed_in();
    world.google(|google| google.revoke_everything());
    assert_eq!(session.sign_out().unwrap(), SignedOut::Revoked);
}

#[test]
fn a_provider_that_will_not_is_told_of() {
    let world = World::new();
    let session = world.signed_in();
    world.next(Kind::Revoke, Weather::Answer(400, r#"{"error":"unsupported_token_type"}"#));
    assert!(matches!(session.sign_out().unwrap(), SignedOut::OnlyHere(_)));
    assert_eq!(world.grant_files(), "");
}

/// Who waits for a code learns that it is gone, and the code is never polled again.
#[test]
fn a_pending_code_is_given_up() {
    let world = World::new();
    world.dies_at(Some(6));
    assert!(crate::world::process(|| sign_in(&world.session())).is_none());
    let session = world.session();
    assert_eq!(state(&session), GrantState::WaitingForApproval);
    session.sign_out().unwrap();
    assert_eq!((state(&session), world.grant_files().as_str()), (GrantState::NeverSignedIn, ""));
}

/// Damage is told, also by the one command that removes it.
#[test]
fn damage_is_not_taken_for_nothing() {
    let world = World::new();
    let session = world.signed_in();
    for name in ["grant.json", "grant.json.previous"] {
        std::fs::write(world.state_dir().join(name), "rubbish").unwrap();
    }
    let status = session.status();
    assert_eq!(status.state, GrantState::MustSignInAgain);
    assert!(status.reason.unwrap().contains("damaged at line 1"));
    assert!(matches!(session.sign_out().unwrap(), SignedOut::OnlyHere(_)));
    assert_eq!(world.grant_files(), "");
}

/// RF-12: tokens go to the provider and client they are of, and nowhere else.
#[test]
fn state_of_another_provider_or_client_is_not_touched() {
    let world = World::new();
    world.signed_in();
    let with = |change: &dyn Fn(&mut rowkeeper::config::Provider)| {
        let mut config = world.config();
        change(config.provider.as_mut().unwrap());
        world.session_with(config)
    };
    let before = world.grant_files();
    let other_client = with(&|provider| provider.client_id = "another".into());
    let real_google = with(&|provider| {
        provider.emulator = None;
        provider.token_endpoint = Some("https://oauth2.googleapis.com/token".into());
        provider.device_authorization_endpoint = Some("https://oauth2.googleapis.com/device/code".into());
    });
    let mut config = world.config();
    config.provider = None;
    let nobody = world.session_with(config);
    for session in [&other_client, &real_google] {
        assert!(matches!(session.bearer(), Err(TokenError::Access(AccessError::Foreign(_)))));
        assert!(matches!(sign_in(session), Err(SignInError::Access(AccessError::Foreign(_)))));
        assert!(matches!(session.sign_out(), Err(SignOutError::Access(AccessError::Foreign(_)))));
        assert_eq!(state(session), GrantState::Misconfigured);
    }
    assert!(matches!(nobody.bearer(), Err(TokenError::Access(AccessError::Provider(_)))));
    assert_eq!(world.grant_files(), before);
    // An emulator may come back on another port.
    let moved = Config::parse("", None, world.state_dir(), Some("http://localhost:9999".into())).unwrap();
    let moved = world.session_with(moved);
    moved.bearer().unwrap();
    assert_eq!(codes(&moved, rowkeeper::session::Asked::ByPerson).0, Vec::<String>::new());
}
