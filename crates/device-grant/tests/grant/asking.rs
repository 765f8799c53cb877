//! RFC 8628 sections 3.1 and 3.2: asking for a code, and the answer.

use crate::support::*;

fn ask_with(client: &Client, ask: Ask) -> Request {
    Device::asking(client, ask).next().request()
}

fn outcome(said: (u16, &str)) -> Wish {
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    device.answer(said);
    device.next()
}

/// The usual answer with one member replaced, or left out.
fn device_answer_with(member: &str, value: Option<&str>) -> String {
    let mut answer: serde_json::Value = serde_json::from_str(DEVICE_ANSWER).unwrap();
    match value {
        Some(json) => answer[member] = serde_json::from_str(json).unwrap(),
        None => drop(answer.as_object_mut().unwrap().remove(member)),
    }
    answer.to_string()
}

fn prompt_of(answer: &str) -> Prompt {
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    device.answer((200, answer));
    device.machine.prompt().unwrap_or_else(|| panic!("no prompt from {answer}")).clone()
}

#[test]
fn the_request_is_a_form_with_the_client_id_once() {
    let request = ask_with(&client(), Ask::new(scopes("a b")));
    assert_eq!((request.method, request.url.as_str()), ("POST", "https://as.example/device"));
    assert_eq!(header(&request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header(&request, "accept"), Some("application/json"));
    assert_eq!(body(&request), "client_id=gadget&scope=a+b");
}

#[test]
fn no_scope_means_no_parameter() {
    assert_eq!(body(&ask_with(&client(), Ask::default())), "client_id=gadget");
}

#[test]
fn a_text_that_is_no_scope_is_refused() {
    for bad in ["", "a b", "a\"b", "a\\b", "ä", "a\n"] {
        assert!(Scopes::parse([bad]).is_err(), "{bad:?}");
    }
    assert_eq!(scopes("x y x").to_string(), "x y");
}

#[test]
fn no_parameter_comes_twice_and_none_is_empty() {
    let ask = Ask::new(scopes("a")).with("audience", "https://api").with("scope", "all").with("client_id", "other");
    let request = ask_with(&client(), ask.with("empty", "").with("audience", "second"));
    assert_eq!(body(&request), "client_id=gadget&scope=a&audience=https%3A%2F%2Fapi");
}

#[test]
fn the_client_authenticates_as_at_the_token_endpoint() {
    for (auth, in_header, in_body) in [
        (ClientAuth::None, false, false),
        (ClientAuth::Post(secret("s")), false, true),
        (ClientAuth::Basic(secret("s")), true, false),
    ] {
        let client = Client::new(Provider::rfc(endpoints()), "gadget", auth).unwrap();
        let mut device = Device::new(&client);
        let first = device.next().request();
        device.answer((200, DEVICE_ANSWER));
        for request in [first, device.next().request()] {
            assert_eq!(header(&request, "authorization").is_some(), in_header);
            assert_eq!(parameter(&request, "client_secret").is_some(), in_body);
            assert_eq!(parameter(&request, "client_id").as_deref(), Some("gadget"));
        }
    }
}

#[test]
fn basic_authentication_encodes_both_parts_before_joining_them() {
    let client =
        Client::new(Provider::rfc(endpoints()), "a:b", ClientAuth::Basic(secret("correct horse+battery/staple%")));
    let client = client.unwrap();
    let request = Device::new(&client).next().request();
    // printf 'a%%3Ab:correct+horse%%2Bbattery%%2Fstaple%%25' | base64
    let expected = "Basic YSUzQWI6Y29ycmVjdCtob3JzZSUyQmJhdHRlcnklMkZzdGFwbGUlMjU=";
    assert_eq!(header(&request, "authorization"), Some(expected));
}

#[test]
fn a_missing_member_is_named() {
    for member in ["device_code", "user_code", "verification_uri", "expires_in"] {
        for value in [None, Some("null"), Some("\"\"")] {
            let answer = device_answer_with(member, value);
            match outcome((200, &answer)).error() {
                SignInError::BadAnswer(BadAnswer::Missing(named)) => assert_eq!(named, member),
                SignInError::BadAnswer(BadAnswer::Unusable("expires_in")) if value == Some("\"\"") => {}
                other => panic!("{member}: {other:?}"),
            }
        }
    }
}

#[test]
fn without_an_interval_the_second_poll_is_five_seconds_after_the_first() {
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    device.answer((200, &device_answer_with("interval", None)));
    device.poll(PENDING).poll(PENDING);
    assert_eq!(device.gaps(), [5.5, 5.5]);
}

#[test]
fn the_deadline_counts_from_the_sending_not_from_the_answer() {
    let client = client();
    let mut device = Device::new(&client);
    device.latency = secs(3);
    device.next().request();
    device.answer((200, DEVICE_ANSWER));
    assert_eq!(device.machine.prompt().unwrap().deadline, at(1800.0));
}

#[test]
fn an_address_with_the_code_in_it_is_never_guessed() {
    assert_eq!(prompt_of(DEVICE_ANSWER).verification_uri_complete, None);
    let complete = device_answer_with("verification_uri_complete", Some("\"https://example.com/device?c=WDJB\""));
    assert_eq!(prompt_of(&complete).verification_uri_complete.unwrap().as_str(), "https://example.com/device?c=WDJB");
}

#[test]
fn unknown_members_are_ignored() {
    let junk = device_answer_with("x", Some(r#"{"deep":[[[{"device_code":1}]]],"t":null}"#));
    assert_eq!(prompt_of(&junk).user_code.as_str(), "WDJB-MJHT");
}

#[test]
fn each_refusal_is_an_error_of_its_own_with_a_hint() {
    let mut hints = vec![];
    for code in ["invalid_client", "invalid_scope", "unauthorized_client"] {
        let error = outcome((400, &format!(r#"{{"error":"{code}","error_description":"why"}}"#))).error();
        let SignInError::Misconfigured(words) = &error else { panic!("{error:?}") };
        assert_eq!((words.code.as_str(), words.status), (code, 400));
        assert_eq!(error.what_next(), WhatNext::FixConfiguration);
        hints.push(error.to_string());
    }
    hints.dedup();
    assert_eq!(hints.len(), 3);
    assert_eq!(
        hints[1],
        "the client is not set up right; ask for scopes that the provider allows in the device flow (invalid_scope (HTTP 400): why)"
    );
}

#[test]
fn invalid_client_is_the_same_with_400_and_401() {
    for status in [400, 401] {
        let error = outcome((status, r#"{"error":"invalid_client"}"#)).error();
        assert!(matches!(error, SignInError::Misconfigured(words) if words.status == status));
    }
}

#[test]
fn an_address_that_is_not_safe_to_show_is_refused() {
    let unsafe_ones = [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "-flag",
        "http://example.com/d",
        "https://e\\u001b[2J.com/",
        "//x/",
    ];
    for text in unsafe_ones {
        let answer = device_answer_with("verification_uri", Some(&format!("\"{text}\"")));
        let error = outcome((200, &answer)).error();
        assert!(matches!(error, SignInError::BadAnswer(BadAnswer::BadVerificationUri(_))), "{text}: {error:?}");
        // The complete one is optional: left out, and the rest is shown.
        let answer = device_answer_with("verification_uri_complete", Some(&format!("\"{text}\"")));
        assert_eq!(prompt_of(&answer).verification_uri_complete, None);
    }
    let long = format!("\"https://example.com/{}\"", "a".repeat(2048));
    let error = outcome((200, &device_answer_with("verification_uri", Some(&long)))).error();
    assert_eq!(error, SignInError::BadAnswer(BadAnswer::BadVerificationUri(BadUrl::TooLong)));
}

#[test]
fn an_address_on_this_machine_may_be_plain_http() {
    for host in ["localhost:8085", "127.0.0.1:8085", "[::1]:8085", "demo.localhost"] {
        let answer = device_answer_with("verification_uri", Some(&format!("\"http://{host}/device\"")));
        assert_eq!(prompt_of(&answer).verification_uri.as_str(), format!("http://{host}/device"));
    }
}

#[test]
fn a_code_is_shown_exactly_as_it_came() {
    for code in ["WDJB-MJHT", "wdjb mjht", "5I6940RO", "WWWWWWWWWWWWWWW", "123-456-789", "Ünï"] {
        let answer = device_answer_with("user_code", Some(&format!("\"{code}\"")));
        assert_eq!(prompt_of(&answer).user_code.as_str(), code);
    }
}

#[test]
fn a_code_that_cannot_be_shown_as_it_came_ends_the_grant() {
    for code in ["AB\\u0007CD", "AB\\nCD", "\\u001b[31mAB", "AB\\u202eCD", "\\u200b", "   ", "AB\\u009bCD"] {
        let answer = device_answer_with("user_code", Some(&format!("\"{code}\"")));
        assert_eq!(outcome((200, &answer)).error(), SignInError::BadAnswer(BadAnswer::Unusable("user_code")), "{code}");
    }
    let answer = device_answer_with("user_code", Some(&format!("\"{}\"", "A".repeat(65))));
    assert_eq!(outcome((200, &answer)).error(), SignInError::BadAnswer(BadAnswer::Unusable("user_code")));
}

#[test]
fn long_codes_and_tokens_are_taken_and_endless_bodies_are_not() {
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    let code = "c".repeat(8 * 1024);
    device.answer((200, &device_answer_with("device_code", Some(&format!("\"{code}\"")))));
    let poll = device.next().request();
    assert_eq!(parameter(&poll, "device_code").unwrap().len(), 8 * 1024);
    device.answer((200, &format!("{}{}", TOKENS.1, " ".repeat(2 << 20))));
    assert_eq!(device.machine.trouble(), Some(&Trouble::Unreadable { status: 200 }));
    let token = "t".repeat(16 * 1024);
    device.poll((200, &format!(r#"{{"access_token":"{token}","token_type":"bearer"}}"#)));
    assert_eq!(device.next().tokens().access.expose().len(), 16 * 1024);
}

#[test]
fn a_dead_network_before_the_code_is_waited_out_with_growing_pauses() {
    let client = client();
    let mut device = Device::new(&client);
    for lost in [Lost::NotSent, Lost::Unknown, Lost::Certificate { clock_suspect: true }, Lost::NotSent, Lost::NotSent]
    {
        device.next().request();
        device.lose(lost);
        assert_eq!(device.machine.trouble(), Some(&Trouble::Lost(lost)));
    }
    device.next().request();
    device.answer((200, DEVICE_ANSWER));
    assert_eq!(device.gaps(), [2.0, 4.0, 8.0, 16.0, 30.0]);
    assert_eq!(device.machine.trouble(), None);
}

#[test]
fn googles_quota_for_codes_is_waited_out() {
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    device.answer((403, r#"{"error_code":"rate_limit_exceeded"}"#));
    device.next().request();
    device.answer((200, DEVICE_ANSWER));
    assert!(device.machine.prompt().is_some());
}

#[test]
fn a_wrong_certificate_ends_it_before_anything_is_sent() {
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    device.lose(Lost::Certificate { clock_suspect: false });
    assert_eq!(device.next().error(), SignInError::Certificate);
}

#[test]
fn an_address_where_no_provider_listens_is_given_up_after_three_tries() {
    for status in [302, 404, 405] {
        let client = client();
        let mut device = Device::new(&client);
        for _ in 0..3 {
            device.next().request();
            device.answer((status, "<html>"));
        }
        assert_eq!(device.next().error(), SignInError::BadAnswer(BadAnswer::Status(status)));
        assert_eq!(device.sent.len(), 3);
    }
}

#[test]
fn endpoints_are_https_or_on_this_machine() {
    assert!(Endpoints::new("http://127.0.0.1:1/d", "http://localhost/t", None).is_ok());
    let refused = Endpoints::new("https://as.example/d", "http://as.example/t", None).unwrap_err();
    assert_eq!(refused, BadEndpoint { which: "token_endpoint", why: BadUrl::Insecure });
    assert_eq!(
        refused.to_string(),
        "token_endpoint is refused: the address is plain http to another machine; use https"
    );
    assert!(Endpoints::new("https://as.example/d#x", "https://as.example/t", None).is_err());
}

#[test]
fn a_proof_key_goes_with_the_request_and_its_verifier_with_each_poll() {
    // The example of RFC 7636 appendix B.
    let random = [
        116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191,
        240, 91, 88, 5, 88, 83, 132, 141, 121,
    ];
    let client = client();
    let mut device = Device::asking(&client, Ask::default().with_pkce(Pkce::from_random(&random.into())));
    let request = device.next().request();
    assert_eq!(parameter(&request, "code_challenge").as_deref(), Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
    assert_eq!(parameter(&request, "code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(parameter(&request, "code_verifier"), None);
    device.answer((200, DEVICE_ANSWER));
    for _ in 0..2 {
        let poll = device.next().request();
        let verifier = parameter(&poll, "code_verifier");
        assert_eq!(verifier.as_deref(), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        device.answer(PENDING);
    }
}

#[test]
fn without_a_proof_key_none_is_sent() {
    let client = client();
    let mut device = Device::with_code(&client);
    let poll = body(&device.next().request());
    assert!(!poll.contains("code_"), "{poll}");
}

#[test]
fn a_provider_that_is_busy_is_asked_again_when_it_says_but_not_next_year() {
    for (retry_after, gap) in [("20", 20.0), ("31536000", 900.0), ("1", 2.0)] {
        let client = client();
        let mut device = Device::new(&client);
        device.next().request();
        let header = |name: &str| (name == "retry-after").then_some(retry_after);
        device.reply(Reply::Answer(Answer::new(429, header, b"")));
        device.next().request();
        assert_eq!(device.gaps(), [gap]);
    }
}
