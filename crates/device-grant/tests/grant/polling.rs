//! RFC 8628 sections 3.4 and 3.5: when to poll, and what ends it.

use crate::support::*;

const REFUSALS: [&str; 9] = [
    "access_denied",
    "expired_token",
    "invalid_grant",
    "invalid_client",
    "invalid_request",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "made_up",
];

fn refusal(code: &str) -> (u16, String) {
    (400, format!(r#"{{"error":"{code}"}}"#))
}

/// What a code ends with after `before` and then a refusal with `code`.
fn ends_with(before: impl Fn(&mut Device<'_>), code: &str) -> SignInError {
    let client = client();
    let mut device = Device::with_code(&client);
    before(&mut device);
    let (status, body) = refusal(code);
    device.poll((status, &body));
    device.next().error()
}

#[test]
fn an_approval_after_some_polls_brings_the_tokens() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(PENDING).poll(PENDING).poll(TOKENS);
    let tokens = device.next().tokens();
    assert_eq!(tokens.access.expose(), "at-1");
    assert_eq!(tokens.refresh.unwrap().expose(), "rt-1");
    assert_eq!(device.gaps(), [5.5, 5.5, 5.5]);
    assert_eq!(device.prompts.len(), 1);
}

#[test]
fn a_poll_is_exactly_this() {
    let client = client();
    let poll = Device::with_code(&client).next().request();
    assert_eq!((poll.method, poll.url.as_str()), ("POST", "https://as.example/token"));
    assert_eq!(
        body(&poll),
        "client_id=gadget&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
         &device_code=GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"
    );
}

#[test]
fn the_gap_counts_from_the_receipt_of_the_answer() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.latency = secs(2);
    device.poll(PENDING).poll(PENDING).next().request();
    let arrivals: Vec<_> = device.sent.windows(2).skip(1).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    assert_eq!(arrivals, [7.5, 7.5]);
}

#[test]
fn the_first_poll_comes_after_a_whole_interval() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.next().request();
    assert!(device.gaps()[0] >= 5.0);
}

#[test]
fn pending_changes_nothing() {
    let client = client();
    let mut device = Device::with_code(&client);
    for _ in 0..100 {
        device.poll(PENDING);
    }
    assert!(device.gaps().iter().all(|gap| *gap == 5.5));
}

#[test]
fn each_slow_down_adds_five_seconds_for_good() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(PENDING).poll(SLOW_DOWN).poll(PENDING).poll(SLOW_DOWN).poll(PENDING).poll(PENDING);
    assert_eq!(device.gaps(), [5.5, 5.5, 11.0, 11.0, 16.0, 16.0]);
}

#[test]
fn a_slow_down_with_an_interval_takes_the_larger_one() {
    for (interval, gap) in [("30", 31.0), ("\"30\"", 31.0), ("7", 11.0), ("-1", 11.0), ("1e300", 901.0)] {
        let client = client();
        let mut device = Device::with_code(&client);
        device.poll((200, &format!(r#"{{"error":"slow_down","interval":{interval}}}"#))).next().request();
        assert_eq!(device.gaps()[1], gap, "{interval}");
    }
}

#[test]
fn any_other_error_stops_the_polling_for_good() {
    for code in REFUSALS {
        for status in [200, 400, 401, 403, 404, 503] {
            // A status that says "later" wins only over words that nobody knows.
            if code == "made_up" && status == 503 {
                continue;
            }
            let client = client();
            let mut device = Device::with_code(&client);
            device.poll((status, &refusal(code).1));
            let error = device.next().error();
            device.now += secs(10_000);
            assert_eq!(device.next().error(), error);
            assert_eq!(device.sent.len(), 2, "{code}");
        }
    }
}

#[test]
fn each_word_has_its_own_ending() {
    let words = |code: &str| OAuthError { status: 400, code: Text::clean(code), description: None, subtype: None };
    for (code, expected) in [
        ("access_denied", SignInError::Denied),
        ("authorization_declined", SignInError::Denied),
        ("expired_token", SignInError::Expired { approval_may_be_lost: false }),
        ("token_expired", SignInError::Expired { approval_may_be_lost: false }),
        ("code_expired", SignInError::Expired { approval_may_be_lost: false }),
        ("invalid_grant", SignInError::CodeUnknown(words("invalid_grant"))),
        ("bad_verification_code", SignInError::CodeUnknown(words("bad_verification_code"))),
        ("incorrect_device_code", SignInError::CodeUnknown(words("incorrect_device_code"))),
        ("device_not_found", SignInError::CodeUnknown(words("device_not_found"))),
        ("admin_policy_enforced", SignInError::Blocked(words("admin_policy_enforced"))),
        ("org_internal", SignInError::Blocked(words("org_internal"))),
        ("deleted_client", SignInError::Misconfigured(words("deleted_client"))),
        ("device_flow_disabled", SignInError::Misconfigured(words("device_flow_disabled"))),
        ("made_up", SignInError::Refused(words("made_up"))),
    ] {
        assert_eq!(ends_with(|_| {}, code), expected);
    }
}

#[test]
fn words_count_and_statuses_do_not() {
    for status in [200, 400, 403, 404, 428, 429, 500] {
        let client = client();
        let mut device = Device::with_code(&client);
        device.poll((status, r#"{"error":"authorization_pending"}"#)).poll((status, r#"{"error":"slow_down"}"#));
        device.poll(TOKENS);
        assert_eq!(device.gaps(), [5.5, 5.5, 11.0], "{status}");
        device.next().tokens();
    }
}

#[test]
fn lost_answers_double_the_wait_up_to_half_a_minute() {
    let client = client();
    let mut device = Device::with_code(&client);
    for _ in 0..5 {
        device.lose_poll(Lost::Unknown);
    }
    device.poll(PENDING).poll(PENDING).poll(TOKENS);
    assert_eq!(device.gaps(), [5.5, 10.0, 20.0, 30.0, 30.0, 30.0, 5.5, 5.5]);
    device.next().tokens();
}

#[test]
fn no_back_off_undercuts_the_floor() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll((400, r#"{"error":"slow_down","interval":60}"#));
    device.lose_poll(Lost::Unknown).lose_poll(Lost::NotSent).poll(PENDING).next().request();
    assert_eq!(device.gaps()[1..], [61.0, 61.0, 61.0, 61.0]);
}

#[test]
fn nothing_but_the_providers_word_ends_a_grant() {
    let noise: [(u16, &str); 14] = [
        (200, ""),
        (200, "{}"),
        (200, "null"),
        (200, "[]"),
        (200, "<html>Sign in to this Wi-Fi</html>"),
        (200, r#"{"access_token":""}"#),
        (200, r#"{"access_token":7,"token_type":"Bearer"}"#),
        (302, ""),
        (400, ""),
        (404, "<html>"),
        (429, "slow"),
        (500, r#"{"error":"Internal Server Error","status":500}"#),
        (502, "<html>Bad Gateway</html>"),
        (503, r#"{"error":""#),
    ];
    let client = client();
    for said in noise {
        let mut device = Device::with_code(&client);
        for _ in 0..5 {
            device.poll(said);
            assert!(device.machine.trouble().is_some(), "{said:?}");
        }
        device.poll(TOKENS);
        device.next().tokens();
    }
    for lost in [Lost::NotSent, Lost::Unknown, Lost::Certificate { clock_suspect: false }] {
        let mut device = Device::with_code(&client);
        device.lose_poll(lost).lose_poll(lost).poll(TOKENS);
        device.next().tokens();
    }
}

#[test]
fn the_provider_may_have_a_bad_moment() {
    for code in ["server_error", "temporarily_unavailable", "internal_failure"] {
        let client = client();
        let mut device = Device::with_code(&client);
        let (status, body) = refusal(code);
        device.poll((status, &body)).poll(TOKENS);
        assert_eq!(device.gaps()[1], 10.0);
        device.next().tokens();
    }
}

#[test]
fn retry_after_is_honoured_if_it_is_longer() {
    let wait_for = |retry_after: &str| {
        let client = client();
        let mut device = Device::with_code(&client);
        device.next().request();
        let header = |name: &str| match name {
            "retry-after" => Some(retry_after),
            "date" => Some("Sun, 22 Nov 2026 19:05:00 GMT"),
            _ => None,
        };
        device.reply(Reply::Answer(Answer::new(503, header, b"")));
        device.poll(PENDING).next().request();
        assert_eq!(device.gaps()[2], 5.5, "forgotten after the next answer");
        device.gaps()[1]
    };
    assert_eq!(wait_for("120"), 120.0);
    assert_eq!(wait_for("3"), 10.0);
    assert_eq!(wait_for("Sun, 22 Nov 2026 19:06:40 GMT"), 100.0);
    assert_eq!(wait_for("Sun, 22 Nov 2026 19:04:00 GMT"), 10.0);
    assert_eq!(wait_for("-7"), 10.0);
    assert_eq!(wait_for("soon"), 10.0);
}

#[test]
fn an_expired_code_starts_nothing_by_itself() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll((400, r#"{"error":"expired_token"}"#));
    let error = device.next().error();
    assert_eq!(error.what_next(), WhatNext::AskAgain);
    assert!(device.machine.prompt().is_none(), "the code leaves the display");
    assert_eq!(device.sent.len(), 2);
}

#[test]
fn the_deadline_has_one_last_poll_and_then_it_is_over() {
    let client = client();
    let mut device = Device::with_code(&client);
    let error = loop {
        match device.next() {
            Wish::Send(_) => device.answer(PENDING),
            Wish::Failed(error) => break error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(error, SignInError::Expired { approval_may_be_lost: false });
    assert!(device.machine.prompt().is_none());
    let late: Vec<_> = device.sent.iter().filter(|sent| **sent >= secs(1800)).collect();
    assert_eq!(late.len(), 1);
    assert!(*late[0] <= secs(1806) && device.now <= secs(1806), "{late:?}");
}

#[test]
fn the_last_poll_is_at_the_deadline_itself_if_it_may() {
    for last in [PENDING, (502, "")] {
        let client = client();
        let mut device = Device::with_code(&client);
        while device.now < secs(1785) {
            device.poll(PENDING);
        }
        device.lose_poll(Lost::NotSent);
        assert!(device.now < secs(1800));
        device.poll(last);
        assert_eq!(device.sent.last(), Some(&secs(1800)), "sooner than the back-off, not sooner than the floor");
        assert!(matches!(device.next().error(), SignInError::Expired { .. }));
    }
}

#[test]
fn an_approval_in_the_last_second_is_not_missed() {
    let client = client();
    let mut device = Device::with_code(&client);
    while device.next().request().url.ends_with("/token") && device.now < secs(1800) {
        device.answer(PENDING);
    }
    assert!(device.machine.prompt().is_none(), "a dead code is not shown while the last poll is under way");
    device.answer(TOKENS);
    device.next().tokens();
}

#[test]
fn a_board_that_slept_through_the_deadline_polls_no_more() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(PENDING);
    device.now += secs(7200);
    assert_eq!(device.next().error(), SignInError::Expired { approval_may_be_lost: false });
    assert_eq!(device.sent.len(), 2);
}

#[test]
fn cancelling_between_polls_ends_it_at_once() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(PENDING);
    device.machine.cancel();
    assert!(device.machine.prompt().is_none());
    assert_eq!(device.next().error(), SignInError::Cancelled { approval_may_be_lost: false });
}

#[test]
fn tokens_that_arrive_after_a_cancel_are_handed_over_all_the_same() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.next().request();
    device.machine.cancel();
    device.answer(TOKENS);
    match device.next() {
        Wish::DoneLate(tokens) => assert_eq!(tokens.access.expose(), "at-1"),
        other => panic!("{other:?}"),
    }
    assert_eq!(device.next().error(), SignInError::Finished);
}

#[test]
fn a_cancel_says_whether_an_approval_may_have_been_on_the_wire() {
    for (lost, approval_may_be_lost) in [(Lost::NotSent, false), (Lost::Unknown, true)] {
        let client = client();
        let mut device = Device::with_code(&client);
        device.next().request();
        device.machine.cancel();
        device.lose(lost);
        assert_eq!(device.next().error(), SignInError::Cancelled { approval_may_be_lost });
    }
}

#[test]
fn an_answer_after_its_request_was_given_up_is_still_an_approval() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.next().request();
    // The driver gave up and asked for the next step; then the answer came after all.
    assert!(matches!(device.machine.next(Mono::new(device.now)), Step::WaitUntil(_)));
    device.answer(TOKENS);
    device.next().tokens();
}

#[test]
fn one_poll_is_one_request_with_one_way_of_authentication() {
    let auth = ClientAuth::Post(secret("s3cret"));
    let client = Client::new(Provider::rfc(endpoints()), "gadget", auth).unwrap();
    let mut device = Device::with_code(&client);
    device.poll((401, r#"{"error":"invalid_client"}"#));
    assert!(matches!(device.next().error(), SignInError::Misconfigured(_)));
    assert_eq!(device.sent.len(), 2, "no second try with another way");
}

#[test]
fn a_refusal_after_a_lost_answer_says_that_the_approval_may_be_lost() {
    for code in ["invalid_grant", "access_denied", "expired_token"] {
        let lost = ends_with(|device| _ = device.lose_poll(Lost::Unknown), code);
        assert!(matches!(lost, SignInError::ApprovalLost(_)), "{code}: {lost:?}");
        let bad_gateway = ends_with(|device| _ = device.poll((502, "<html>")), code);
        assert!(matches!(bad_gateway, SignInError::ApprovalLost(_)));
        // What never left this machine has used nothing up, and a clear answer settles it.
        let never_sent = ends_with(|device| _ = device.lose_poll(Lost::NotSent), code);
        assert!(!matches!(never_sent, SignInError::ApprovalLost(_)));
        let settled = ends_with(|device| _ = device.lose_poll(Lost::Unknown).poll(PENDING), code);
        assert!(!matches!(settled, SignInError::ApprovalLost(_)));
    }
}

#[test]
fn a_code_is_never_sent_again_after_its_tokens_came() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(TOKENS);
    assert!(device.machine.seal(&device.stamp()).is_none(), "there is nothing left to keep");
    device.next().tokens();
    device.now += secs(3600);
    assert_eq!(device.next().error(), SignInError::Finished);
    assert_eq!(device.sent.len(), 2);
}

#[test]
fn a_fast_clock_learns_from_the_servers_dates() {
    let polls = approved_with_a_fast_clock(true, false);
    assert!(polls < 12, "{polls}");
}

#[test]
fn a_fast_clock_gets_there_without_dates_too() {
    let polls = approved_with_a_fast_clock(false, false);
    assert!(polls < 12, "{polls}");
}

#[test]
fn what_was_learnt_about_the_clock_survives_a_restart_before_every_poll() {
    for dates in [true, false] {
        let polls = approved_with_a_fast_clock(dates, true);
        assert_eq!(polls, approved_with_a_fast_clock(dates, false));
    }
}

/// Our seconds are 30 % too short, and the server counts strictly. How many polls until the approval gets through?
fn approved_with_a_fast_clock(dates: bool, restarts: bool) -> usize {
    let client = client();
    let mut device = Device::with_code(&client);
    let (mut required, mut last) = (5.0, 0.0);
    for poll in 1.. {
        if restarts {
            let now = device.stamp();
            let pending = Pending::unseal(&device.machine.seal(&now).unwrap()).unwrap();
            device = Device::going_on(SignIn::resume(&client, pending, &now).unwrap(), device.now);
        }
        device.next().request();
        let server_now = device.now.as_secs_f64() / 1.3;
        let date = format!("Sun, 22 Nov 2026 19:{:02}:{:02} GMT", server_now as u64 / 60, server_now as u64 % 60);
        let header = |name: &str| (dates && name == "date").then_some(date.as_str());
        let in_time = server_now - last >= required;
        last = server_now;
        let said = if in_time { TOKENS } else { SLOW_DOWN };
        if !in_time {
            required += 5.0;
        }
        device.reply(Reply::Answer(Answer::new(said.0, header, said.1.as_bytes())));
        if in_time {
            device.next().tokens();
            return poll;
        }
    }
    unreachable!("the loop above is endless")
}

#[test]
fn a_date_that_stands_still_is_no_drift() {
    let client = client();
    let mut device = Device::with_code(&client);
    let header = |name: &str| (name == "date").then_some("Sun, 22 Nov 2026 19:05:00 GMT");
    for said in [PENDING, SLOW_DOWN, PENDING] {
        device.next().request();
        device.reply(Reply::Answer(Answer::new(said.0, header, said.1.as_bytes())));
    }
    device.next().request();
    assert_eq!(device.gaps(), [5.5, 5.5, 11.0, 11.0]);
}

#[test]
fn a_whole_sign_in_takes_no_real_time() {
    let begun = std::time::Duration::from_secs(1800);
    let client = client();
    let mut device = Device::with_code(&client);
    while device.now < begun - secs(10) {
        device.poll(PENDING);
    }
    device.poll(TOKENS);
    device.next().tokens();
}
