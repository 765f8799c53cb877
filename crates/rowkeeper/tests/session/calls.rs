//! API calls that survive.

use std::time::Duration;

use rowkeeper::clock::{Clock, Mono, Stop};
use rowkeeper::http::{Lost, NotSent, Request, Response, Timeouts};
use rowkeeper::session::{CallError, Session, Settle};

use crate::world::{Kind, Weather, World, offline};

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(60) };

fn api(method: &str) -> Request {
    let url = "http://127.0.0.1:8085/v4/spreadsheets/none".into();
    Request { method: method.into(), url, headers: Vec::new(), body: Vec::new().into() }
}

fn call(world: &World, session: &Session, method: &str) -> Result<Response, CallError> {
    let give_up: Mono = world.board.mono() + Duration::from_secs(600);
    session.call(&api(method), Settle::by_method(method), give_up, &Stop::new())
}

/// BR-04: one refresh and one repetition, and then the 401 is the answer.
#[test]
fn a_401_is_answered_by_one_refresh() {
    let world = World::new();
    let session = world.signed_in();
    world.google(|google| google.expire_access_tokens());
    assert_eq!(call(&world, &session, "GET").unwrap().status, 404);
    assert_eq!((world.count(Kind::Refresh), world.count(Kind::Api)), (1, 2));

    world.forget();
    world.next(Kind::Api, Weather::Answer(401, "")).next(Kind::Api, Weather::Answer(401, ""));
    assert_eq!(call(&world, &session, "POST").unwrap().status, 401);
    assert_eq!((world.count(Kind::Refresh), world.count(Kind::Api)), (1, 2));
}

/// BR-06, BR-07: these are answers.
#[test]
fn refusals_are_answers() {
    let world = World::new();
    let session = world.signed_in();
    for status in [400, 403, 404, 409] {
        world.next(Kind::Api, Weather::Answer(status, "{}"));
        assert_eq!(call(&world, &session, "GET").unwrap().status, status);
    }
    assert_eq!((world.count(Kind::Refresh), world.count(Kind::Api)), (0, 4));
}

/// A part of an answer must not pass for the whole.
#[test]
fn an_answer_that_is_too_large_to_hold_is_none() {
    let world = World::new();
    let session = world.signed_in();
    let whole: &str = Box::leak("x".repeat(64 << 20).into_boxed_str());
    world.next(Kind::Api, Weather::Answer(200, whole));
    assert_eq!(call(&world, &session, "GET").unwrap().body.len(), whole.len());
    world.next(Kind::Api, Weather::Answer(200, Box::leak((whole.to_owned() + "x").into_boxed_str())));
    let refused = call(&world, &session, "GET").map(|answer| answer.body.len()).unwrap_err();
    assert!(refused.to_string().contains("larger than 67108864 bytes"), "{refused}");
}

/// What may have been done is sent again only by who said that twice is the same as once.
#[test]
fn an_unknown_outcome_is_not_a_failure() {
    for weather in [|| Weather::AnswerLost, || Weather::Answer(503, "{}"), || Weather::Answer(408, "")] {
        let world = World::new();
        let session = world.signed_in();
        world.next(Kind::Api, weather());
        assert!(matches!(call(&world, &session, "POST"), Err(CallError::OutcomeUnknown(_))));
        assert_eq!(world.count(Kind::Api), 1);
        world.next(Kind::Api, weather());
        assert_eq!(call(&world, &session, "PUT").unwrap().status, 404);
        assert_eq!(world.count(Kind::Api), 3);
    }
}

/// What was certainly not done is sent again, whatever it is.
#[test]
fn what_was_not_done_is_sent_again() {
    for weather in [offline, || Weather::Answer(429, "{}")] {
        let world = World::new();
        let session = world.signed_in();
        world.next(Kind::Api, weather()).next(Kind::Api, weather());
        assert_eq!(call(&world, &session, "POST").unwrap().status, 404);
        assert_eq!(world.count(Kind::Api), 3);
    }
}

#[test]
fn a_bad_address_is_not_tried_again() {
    let world = World::new();
    let session = world.signed_in();
    world.next(Kind::Api, Weather::NotSent(NotSent::Refused("neither https nor on this machine".into())));
    assert!(matches!(call(&world, &session, "GET"), Err(CallError::NotSent(_))));
    assert_eq!(world.count(Kind::Api), 1);
}

#[test]
fn time_is_up_when_it_is_up() {
    let world = World::new();
    let session = world.signed_in();
    for _ in 0..100 {
        world.next(Kind::Api, offline());
    }
    let began = world.board.world();
    assert!(matches!(call(&world, &session, "GET"), Err(CallError::NotSent(_))));
    assert!((300..=601).contains(&(world.board.world() - began).as_secs()));
    assert!((8..40).contains(&world.count(Kind::Api)), "waits that grow: {}", world.count(Kind::Api));
    world.clear_weather();
    let stop = Stop::new();
    stop.stop();
    world.next(Kind::Api, offline());
    let give_up = world.board.mono() + Duration::from_secs(600);
    assert!(matches!(session.call(&api("GET"), Settle::Repeat, give_up, &stop), Err(CallError::Stopped)));
}

#[test]
fn one_attempt_is_one_attempt() {
    let world = World::new();
    let session = world.signed_in();
    world.next(Kind::Api, Weather::AnswerLost);
    let outcome = session.authorised(&api("POST"), &TIMEOUTS);
    assert!(matches!(outcome, Err(rowkeeper::session::AttemptError::Lost(Lost::Unknown(_)))));
    assert_eq!(world.count(Kind::Api), 1);
}
