//! A provider that is known by its issuer alone: what it says of its endpoints is kept, for a while.

use google_emulator::{Dialect, Verification};
use rowkeeper::config::Config;
use rowkeeper::session::Session;
use rowkeeper::status::GrantState;

use crate::world::{Kind, Owner, Weather, World, offline, sign_in, state};

const DAY: u64 = 86_400;

fn world() -> World {
    World::with_client(|client| {
        client.dialect = Dialect::Rfc;
        client.verification = Verification::Uri;
    })
}

/// A process that has just started.
fn session(world: &World) -> Session {
    let folder = world.state_dir().parent().unwrap().to_owned();
    std::fs::write(folder.join("client_secret"), "emulator-secret").unwrap();
    let toml = "[provider]\nissuer = \"http://127.0.0.1:8085\"\nclient_id = \"emulator-client\"\n\
                client_secret_file = \"client_secret\"\nscopes = [\"openid\", \"email\"]\n";
    let config = Config::parse(toml, Some(folder.join("rowkeeper.toml")), world.state_dir(), None).unwrap();
    world.session_with(config)
}

/// MD-07: asked when it has aged, and the last answer holds while nobody answers.
#[test]
fn what_an_issuer_said_is_kept_and_asked_for_again_when_it_has_aged() {
    let world = world();
    let long_lived = session(&world);
    world.owner(0, Owner::Allows);
    sign_in(&long_lived).unwrap();
    let asked = |what: &str, session: &Session, times: usize| {
        world.forget();
        session.bearer().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((world.count(Kind::Api), world.count(Kind::Refresh)), (times, 1), "{what}");
    };
    world.pass(6 * DAY);
    asked("within its life", &session(&world), 0);
    world.pass(2 * DAY);
    asked("aged", &session(&world), 1);
    world.pass(2 * DAY);
    asked("asked again two days ago", &session(&world), 0);

    world.pass(8 * DAY);
    world.next(Kind::Api, offline()).next(Kind::Api, Weather::Answer(503, ""));
    asked("aged, and nobody answers", &session(&world), 1);
    world.clear_weather();
    world.pass(DAY / 2);
    asked("it is not asked by every command", &session(&world), 0);
    world.pass(DAY);
    asked("asked again the day after", &session(&world), 1);

    // A daemon that has run all the while.
    world.pass(8 * DAY);
    asked("a process that lives long", &long_lived, 1);
    // A clock that nobody vouches for tells no age; what was said holds.
    world.pass(8 * DAY);
    world.board.wall_is_1970();
    asked("in 1970", &session(&world), 0);
    assert_eq!(state(&long_lived), GrantState::SignedIn);
}
