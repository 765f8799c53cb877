//! Tolerant where it is safe, strict where it is not: one row per habit seen in the wild.

use crate::support::*;

/// The pace and life that a device answer with these members gives: (wait for the first poll, life), in seconds.
fn times(expires_in: &str, interval: &str) -> Result<(f64, u64), SignInError> {
    let member = |name: &str, json: &str| if json.is_empty() { String::new() } else { format!(r#","{name}":{json}"#) };
    let answer = format!(
        r#"{{"device_code":"dc","user_code":"AB","verification_uri":"https://x.example/"{}{}}}"#,
        member("expires_in", expires_in),
        member("interval", interval)
    );
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    device.answer((200, &answer));
    match device.next() {
        Wish::Failed(error) => Err(error),
        Wish::Send(_) => Ok((device.gaps()[0], device.prompts.first().map_or(0, |prompt| prompt.expires_in.as_secs()))),
        other => panic!("{other:?}"),
    }
}

const TEN_YEARS_S: u64 = 10 * 366 * 24 * 3600;

#[test]
fn numbers_come_in_many_shapes() {
    for (expires_in, interval, wait, life) in [
        ("600", "5", 5.5, 600),
        ("\"600\"", "\"5\"", 5.5, 600),
        ("\" 600 \"", "\"5.0\"", 5.5, 600),
        ("600.9", "4.1", 5.5, 600), // a wait is rounded up, a life down
        ("600", "", 5.5, 600),
        ("600", "null", 5.5, 600),
        ("600", "0", 5.5, 600),
        ("600", "-5", 5.5, 600),
        ("600", "\"NaN\"", 5.5, 600),
        ("600", "\"soon\"", 5.5, 600),
        ("600", "[5]", 5.5, 600),
        ("600", "true", 5.5, 600),
        ("600", "2", 2.2, 600),
        ("600", "30", 31.0, 600),
        ("600", "601", 301.0, 600), // longer than the life: half of it
        ("4", "", 2.2, 4),
        ("1", "", 1.1, 1), // never faster than once a second
        ("18446744073709551615", "5", 5.5, TEN_YEARS_S),
        ("1e300", "5", 5.5, TEN_YEARS_S),
        ("\"inf\"", "5", 5.5, TEN_YEARS_S),
        ("600", "18446744073709551615", 301.0, 600),
    ] {
        assert_eq!(times(expires_in, interval), Ok((wait, life)), "{expires_in} {interval}");
    }
}

#[test]
fn a_life_that_makes_no_sense_is_an_error_that_names_it() {
    for (expires_in, fault) in [
        ("", BadAnswer::Missing("expires_in")),
        ("null", BadAnswer::Missing("expires_in")),
        ("-1", BadAnswer::Unusable("expires_in")),
        ("\"NaN\"", BadAnswer::Unusable("expires_in")),
        ("{}", BadAnswer::Unusable("expires_in")),
    ] {
        assert_eq!(times(expires_in, "5"), Err(SignInError::BadAnswer(fault)));
    }
    assert!(times("0", "5").is_ok_and(|(_, life)| life == 0), "dead on arrival: never shown, asked for once");
}

#[test]
fn a_dialect_may_know_the_life_of_a_code() {
    let client = client_of(Dialect { default_expires_in_s: 420, ..Dialect::RFC });
    for expires_in in ["", r#","expires_in":null"#, r#","expires_in":-1"#] {
        let mut device = Device::new(&client);
        device.next().request();
        let body =
            format!(r#"{{"device_code":"d","user_code":"u","verification_uri":"https://x.example/"{expires_in}}}"#);
        device.answer((200, &body));
        assert_eq!(device.machine.prompt().unwrap().expires_in, secs(420));
    }
}

/// What is shown after a device answer with these members besides the times; `None` if it is refused.
fn shown(members: &str) -> Option<(String, Option<String>)> {
    let client = client();
    let mut device = Device::new(&client);
    device.next().request();
    device.answer((200, &format!(r#"{{"expires_in":600,{members}}}"#)));
    let prompt = device.machine.prompt()?;
    let complete = prompt.verification_uri_complete.as_ref().map(Url::to_string);
    Some((format!("{} {}", prompt.user_code, prompt.verification_uri), complete))
}

#[test]
fn members_have_more_than_one_name() {
    let seen = |members: &str| shown(members).unwrap_or_else(|| panic!("{members} was refused"));
    let both = Some("https://x.example/?c=AB".to_owned());
    for (uri, complete) in [
        ("verification_uri", "verification_uri_complete"),
        ("verification_url", "verification_url_complete"),
        ("verificationUri", "verificationUriComplete"),
    ] {
        let members = format!(
            r#""device_code":"d","user_code":"AB","{uri}":"https://x.example/","{complete}":"https://x.example/?c=AB""#
        );
        assert_eq!(seen(&members), ("AB https://x.example/".to_owned(), both.clone()));
    }
    for code in ["device_code", "deviceCode", "code"] {
        seen(&format!(r#""{code}":"d","userCode":"AB","verification_uri":"https://x.example/""#));
    }
    let two = r#""device_code":"d","user_code":123456,"verification_uri":"https://a.example/","verification_url":"https://b.example/""#;
    assert_eq!(seen(two).0, "123456 https://a.example/");
    let second =
        r#""device_code":"d","user_code":"AB","verification_uri":"nonsense","verification_url":"https://b.example/""#;
    assert_eq!(seen(second).0, "AB https://b.example/");
}

#[test]
fn json_is_read_whatever_it_is_called() {
    for content_type in
        [None, Some("text/html"), Some("application/json; charset=utf-8"), Some("application/x-www-form-urlencoded")]
    {
        let client = client();
        let mut device = Device::with_code(&client);
        device.next().request();
        let marked = format!("\u{feff}  {}\r\n", TOKENS.1);
        device.reply(Reply::Answer(Answer { content_type, ..Answer::bare(200, marked.as_bytes()) }));
        device.next().tokens();
    }
}

#[test]
fn a_form_is_read_only_where_it_says_so() {
    let form = "access_token=a%2Bb&token_type=bearer&expires_in=60&scope=x+y";
    for (content_type, understood) in [
        (Some("application/x-www-form-urlencoded"), true),
        (Some("Application/X-WWW-Form-Urlencoded ; charset=utf-8"), true),
        (Some("text/plain"), false),
        (None, false),
    ] {
        let client = client();
        let mut device = Device::with_code(&client);
        device.next().request();
        device.reply(Reply::Answer(Answer { content_type, ..Answer::bare(200, form.as_bytes()) }));
        if understood {
            let tokens = device.next().tokens();
            assert_eq!(
                (tokens.access.expose(), tokens.expires_in, tokens.scopes),
                ("a+b", Some(secs(60)), scopes("x y"))
            );
        } else {
            assert!(device.machine.trouble().is_some());
        }
    }
}

#[test]
fn an_error_may_be_an_object_or_have_another_name() {
    let client = client();
    for (said, code) in [
        (r#"{"error":"a_word","error_description":"d"}"#, "a_word"),
        (r#"{"error":{"message":"d","type":"OAuthException","code":1}}"#, "1"),
        (r#"{"error":{"message":"d","type":"T"}}"#, "T"),
        (r#"{"error":{"message":"d"}}"#, "unknown"),
        (r#"{"error":4711}"#, "4711"),
        (r#"{"errorCode":"E0000011","errorSummary":"x"}"#, "E0000011"),
        (r#"{"error_code":"odd"}"#, "odd"),
        ("{\"error\":\"a\\u001b[2Jb\"}", "a?[2Jb"),
    ] {
        let mut device = Device::with_code(&client);
        device.poll((400, said));
        match device.next().error() {
            SignInError::Refused(error) => assert_eq!(error.code.as_str(), code, "{said}"),
            other => panic!("{said}: {other:?}"),
        }
    }
    // None of these is an error.
    for said in [r#"{"error":""}"#, r#"{"error":null}"#, r#"{"error":[]}"#, r#"{"error":false}"#] {
        let mut device = Device::with_code(&client);
        device.poll((400, said)).poll(TOKENS);
        device.next().tokens();
    }
    let mut device = Device::with_code(&client);
    device.poll((200, r#"{"access_token":"t","token_type":"bearer","error_code":0}"#));
    device.next().tokens();
    let mut device = Device::with_code(&client);
    device.poll((200, r#"{"access_token":"t","token_type":"bearer","error":""}"#));
    device.next().tokens();
    let mut device = Device::with_code(&client);
    device.poll((200, r#"{"access_token":"t","token_type":"bearer","error":"access_denied"}"#));
    assert_eq!(device.next().error(), SignInError::Denied);
}

#[test]
fn an_unknown_word_is_kept_and_shown_safely() {
    let client = client();
    let mut device = Device::with_code(&client);
    let long = "x".repeat(5000);
    device
        .poll((400, &format!(r#"{{"error":"made \u0000up","error_description":"\u001b[31m{long}","error_uri":"x"}}"#)));
    let error = device.next().error();
    let shown = error.to_string();
    assert!(
        shown.starts_with("the provider refused: made ?up (HTTP 400): ?[31mxxx") && shown.ends_with("…; start again")
    );
    assert!(shown.chars().count() < 300 && !shown.chars().any(char::is_control));
}

#[test]
fn texts_for_people_hold_nothing_that_acts() {
    for (raw, clean) in [
        ("plain text, even ümläut 日本", "plain text, even ümläut 日本"),
        ("a\nb\r\tc", "a?b??c"),
        ("\u{1b}]0;title\u{7}", "?]0;title?"),
        ("\u{9b}31m", "?31m"),
        ("abc\u{202e}cba", "abc?cba"),
        ("in\u{200b}visible\u{feff}", "in?visible?"),
        ("tag\u{e0041}", "tag?"),
    ] {
        assert_eq!(Text::clean(raw).as_str(), clean);
    }
    let cut = Text::clean(&"ä".repeat(201));
    assert_eq!(cut.as_str().chars().count(), 201);
    assert!(cut.as_str().ends_with('…'));
    assert_eq!(Text::clean(&"ä".repeat(200)).as_str().chars().count(), 200);
}

#[test]
fn addresses_are_read_strictly() {
    for good in [
        "https://example.com",
        "https://example.com/device?x=1&y=%20#/path",
        "HTTPS://EXAMPLE.COM/",
        "https://example.com:8443/a//b",
        "https://example.com:/",
        "https://xn--bcher-kva.example/",
        "https://192.0.2.1/",
        "https://[2001:db8::1]:443/x",
        "http://localhost",
        "http://LOCALHOST:8085/device",
        "http://127.0.0.1:65535/",
        "http://127.255.0.9/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]:80/",
        "http://emulator.localhost/",
    ] {
        assert_eq!(Url::parse(good).map(|url| url.to_string()), Ok(good.to_owned()));
    }
    for (bad, why) in [
        ("", BadUrl::Scheme),
        ("example.com", BadUrl::Scheme),
        ("https:/example.com", BadUrl::Scheme),
        ("ftp://example.com", BadUrl::Scheme),
        ("javascript:alert(1)//://", BadUrl::Scheme),
        ("-https://example.com", BadUrl::Scheme),
        ("https://", BadUrl::Host),
        ("https:///device", BadUrl::Host),
        ("https://.example.com", BadUrl::Host),
        ("https://exam%70le.com", BadUrl::Host),
        ("https://[::1", BadUrl::Host),
        ("https://[::1]x/", BadUrl::Host),
        ("https://[fe80::1%25eth0]/", BadUrl::Host),
        ("https://::1/", BadUrl::Port),
        ("https://example.com:0/", BadUrl::Port),
        ("https://example.com:65536/", BadUrl::Port),
        ("https://example.com:+80/", BadUrl::Port),
        ("https://example.com:80:80/", BadUrl::Port),
        ("https://user@example.com/", BadUrl::UserInfo),
        ("https://localhost:x@example.com/", BadUrl::UserInfo),
        ("https://good.example\\@evil.example/", BadUrl::Character),
        ("https://example.com/a b", BadUrl::Character),
        ("https://example.com/\n", BadUrl::Character),
        ("https://exämple.com/", BadUrl::Character),
        ("https://example.com/\u{202e}", BadUrl::Character),
        ("https://example.com/<script>", BadUrl::Character),
        ("http://example.com/", BadUrl::Insecure),
        ("http://localhost.example.com/", BadUrl::Insecure),
        ("http://notlocalhost/", BadUrl::Insecure),
        ("http://.localhost/", BadUrl::Host),
        ("http://127.0.0.1.example.com/", BadUrl::Insecure),
        ("http://127.1/", BadUrl::Insecure),
        ("http://0x7f000001/", BadUrl::Insecure),
        ("http://2130706433/", BadUrl::Insecure),
        ("http://0.0.0.0/", BadUrl::Insecure),
        ("http://[::]/", BadUrl::Insecure),
        ("http://[::ffff:127.0.0.1]/", BadUrl::Insecure),
        ("http://192.168.1.1/", BadUrl::Insecure),
    ] {
        assert_eq!(Url::parse(bad), Err(why), "{bad}");
    }
}

#[test]
fn the_parts_of_an_address_are_found() {
    let url = Url::parse("https://[::1]:8443/a?b#c").unwrap();
    assert_eq!((url.host(), url.port(), url.path_and_rest()), ("[::1]", 8443, "/a?b#c"));
    let same = |a: &str, b: &str| Url::parse(a).unwrap().same_origin(&Url::parse(b).unwrap());
    assert!(same("https://a.example/x", "HTTPS://A.example:443"));
    assert!(!same("https://a.example", "https://a.example:444"));
    assert!(!same("http://localhost:443", "https://localhost:443"));
}
