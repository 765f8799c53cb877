//! Clocks that are wrong, jump, stop and start again.

use std::time::Duration;

use rowkeeper::session::Session;
use rowkeeper::status::GrantState;

use crate::world::{Kind, Owner, World, sign_in, state};

fn bearer(session: &Session) -> String {
    session.bearer().unwrap().token.expose().to_owned()
}

/// EN-08: within a boot the wall clock may do what it likes.
#[test]
fn a_wall_clock_that_steps_changes_nothing() {
    const YEAR: i64 = 31_536_000;
    for off in [-30 * YEAR, -YEAR, -3_600, 3_600, YEAR, 10 * YEAR] {
        for trusted in [false, true] {
            let world = World::new();
            let session = world.session();
            world.owner(3, Owner::Allows);
            world.board.wall_is(off, trusted);
            sign_in(&session).unwrap();
            assert_eq!(world.gaps(), [5, 5, 5]);
            world.board.wall_is(-off, trusted);
            let first = bearer(&session);
            world.pass(3_200);
            assert_eq!(bearer(&session), first);
            world.pass(200);
            assert_ne!(bearer(&session), first);
            assert_eq!((world.count(Kind::Refresh), state(&session)), (1, GrantState::SignedIn));
        }
    }
}

/// The board slept for two hours: the steady clock counts that.
#[test]
fn a_suspended_board_refreshes_when_it_wakes() {
    let world = World::new();
    let session = world.signed_in();
    let first = bearer(&session);
    world.pass(7_200);
    assert_ne!(bearer(&session), first);
    assert_eq!(world.count(Kind::Refresh), 1);
}

/// EN-09: no clock can tell whether the token lives, so it is tried, and the API's 401 decides.
#[test]
fn after_a_power_cut_without_a_clock_the_token_is_tried() {
    let world = World::new();
    let first = bearer(&world.signed_in());
    world.board.reboot(Duration::from_secs(4_000));
    world.board.wall_is_1970();
    let session = world.session();
    assert_eq!(bearer(&session), first);
    assert_eq!(world.count(Kind::Refresh), 0);
    let refused = session.bearer().unwrap().token;
    assert_ne!(session.replace(&refused).unwrap().token.expose(), first);
    assert_eq!((world.count(Kind::Refresh), state(&session)), (1, GrantState::SignedIn));
}

#[test]
fn after_a_power_cut_a_trusted_clock_tells() {
    for (off, refreshes) in [(60, 0), (4_000, 1)] {
        let world = World::new();
        world.signed_in();
        world.board.reboot(Duration::from_secs(off));
        bearer(&world.session());
        assert_eq!(world.count(Kind::Refresh), refreshes, "{off} s without power");
    }
}

/// A code is as old as the clocks can tell, and never polled sooner for it.
#[test]
fn a_pending_code_outlives_a_power_cut_in_1970() {
    let world = World::new();
    world.dies_at(Some(6));
    assert!(crate::world::process(|| sign_in(&world.session())).is_none());
    let code = world.session().status().code.unwrap().user_code;
    world.board.reboot(Duration::from_secs(30));
    world.board.wall_is_1970();
    let session = world.session();
    assert_eq!(session.status().code.unwrap().user_code, code);
    world.owner(0, Owner::Allows);
    sign_in(&session).unwrap();
    // The clock comes right, and what was noted in 1970 is not taken for an age.
    let first = bearer(&session);
    world.board.wall_is(0, true);
    assert_eq!(bearer(&session), first);
    assert_eq!(world.count(Kind::Refresh), 0);
}
