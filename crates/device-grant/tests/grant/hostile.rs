//! Bytes from outside: nothing panics, nothing is half believed.

use proptest::prelude::*;

use crate::support::*;
use device_grant::bearer;

/// Feeds `body` to everything that reads an answer.
fn feed(status: u16, content_type: Option<&str>, header: &str, body: &[u8]) {
    let said = || Reply::Answer(Answer { status, content_type, retry_after: Some(header), date: Some(header), body });
    for preset in PRESETS {
        let client = client_of(preset.dialect);
        let mut device = Device::new(&client);
        device.next().request();
        device.reply(said());
        let _ = device.next();
        let mut device = Device::with_code(&client);
        device.next().request();
        device.reply(said());
        let _ = device.next();
        let (token, asked) = (RefreshToken::parse("rt".into()).unwrap(), Scopes::none());
        let _ = Refresh::new(&client, &token, &asked, History::Clear).outcome(said(), at(1.0));
        let _ = Revoke::refresh_token(&client, &token).unwrap().outcome(said());
    }
    let mut discovery = Discovery::start("https://h.example", IssuerCheck::Template).unwrap();
    discovery.reply(said());
    let _ = discovery.next();
    let _ = Metadata::read("https://h.example", IssuerCheck::Exact, body);
    let _ = Pending::unseal(body);
}

/// Answers that mean something, to be cut and bent.
const ANSWERS: [&str; 6] = [
    r#"{"device_code":"dc","user_code":"AB-CD","verification_uri":"https://x.example/","expires_in":1800,"interval":5}"#,
    r#"{"access_token":"at","token_type":"Bearer","expires_in":"3600","scope":"a b","id_token":"e30.eyJzdWIiOiIxIn0.s"}"#,
    r#"{"error":"slow_down","error_description":"\u00e4\ud83d\ude00","interval":10.5}"#,
    r#"{"error":{"message":"m","type":"T","code":31,"error_subcode":1349174}}"#,
    r#"{"issuer":"https://h.example","token_endpoint":"https://h.example/t","device_authorization_endpoint":"https://h.example/d"}"#,
    "access_token=a%2Bb&token_type=bearer&scope=x+y&expires_in=5",
];

#[test]
fn an_answer_may_be_cut_anywhere() {
    for whole in ANSWERS {
        for len in 0..whole.len() {
            feed(200, Some("application/x-www-form-urlencoded"), "", &whole.as_bytes()[..len]);
        }
    }
}

#[test]
fn a_cut_json_answer_is_never_believed() {
    let client = client();
    for len in 0..TOKENS.1.len() {
        let mut device = Device::with_code(&client);
        device.poll((200, &TOKENS.1[..len]));
        assert_eq!(device.machine.trouble(), Some(&Trouble::Unreadable { status: 200 }), "cut at {len}");
    }
}

#[test]
fn an_answer_may_have_any_bit_flipped() {
    for whole in ANSWERS {
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let client = client();
                let mut device = Device::with_code(&client);
                device.next().request();
                device.reply(Reply::Answer(Answer::bare(200, &bytes)));
                let _ = device.next();
                let mut device = Device::new(&client);
                device.next().request();
                device.reply(Reply::Answer(Answer::bare(200, &bytes)));
                if let Some(prompt) = device.machine.prompt() {
                    assert!(!prompt.user_code.as_str().chars().any(char::is_control));
                }
            }
        }
    }
}

#[test]
fn deep_nesting_is_no_stack_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"error\":{}0{}}}", open.repeat(100_000), close.repeat(100_000));
        feed(400, None, "", deep.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_at_any_status(status in 100..600u16, header in "\\PC*", form: bool, body in prop::collection::vec(any::<u8>(), 0..300)) {
        feed(status, form.then_some("application/x-www-form-urlencoded"), &header, &body);
    }

    #[test]
    fn any_json_with_known_names(
        name in "(access_token|token_type|expires_in|interval|error|scope|user_code|device_code|verification_uri|id_token|issuer)",
        value in prop_oneof![
            any::<f64>().prop_filter("json", |n| n.is_finite()).prop_map(|n| serde_json::json!(n)),
            any::<u64>().prop_map(|n| serde_json::json!(n)),
            any::<i64>().prop_map(|n| serde_json::json!(n)),
            ".*".prop_map(|s| serde_json::json!(s)),
            Just(serde_json::json!([null, {"a": []}, "x"])),
            Just(serde_json::json!({"code": {}, "message": 1})),
        ],
    ) {
        for whole in &ANSWERS[..3] {
            let mut json: serde_json::Value = serde_json::from_str(whole).unwrap();
            json[&name] = value.clone();
            feed(200, None, "", json.to_string().as_bytes());
        }
    }

    #[test]
    fn any_header(text in "\\PC*", other in "[ -~]{0,60}") {
        for header in [&text, &other] {
            let _ = bearer::challenges(header);
            let _ = bearer::verdict(401, [header.as_str()]);
        }
    }

    #[test]
    fn any_text_as_an_address(text in "(https?://)?[\\[\\]:@/?#.a-z0-9%\\\\ \u{80}-\u{ff}]{0,40}") {
        if let Ok(url) = Url::parse(&text) {
            prop_assert_eq!(url.as_str(), &text);
            prop_assert!(!url.host().is_empty() && url.port() > 0);
            prop_assert!(url.as_str().contains(url.host()) && text.ends_with(url.path_and_rest()));
            prop_assert!(!url.host().contains(['@', '/', '?', '#', '\\', ' ']));
        }
    }

    #[test]
    fn any_text_for_a_person(text in any::<String>()) {
        let clean = Text::clean(&text);
        prop_assert!(!clean.as_str().chars().any(char::is_control));
        prop_assert!(clean.as_str().chars().count() <= Text::MAX_CHARS + 1);
        prop_assert_eq!(Text::clean(clean.as_str()).as_str().chars().take(200).count(), clean.as_str().chars().take(200).count());
    }

    #[test]
    fn a_form_says_what_was_put_in(
        id in "[ -~]{1,20}",
        extra in prop::collection::vec(("[a-z_]{1,8}", "\\PC{0,20}"), 0..6),
    ) {
        let client = Client::new(Provider::rfc(endpoints()), id.clone(), ClientAuth::None).unwrap();
        let ask = extra.iter().fold(Ask::default(), |ask, (name, value)| ask.with(name, value));
        let sent = form(&Device::asking(&client, ask).next().request());
        let mut names: Vec<_> = sent.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), sent.len(), "no name twice");
        prop_assert!(sent.iter().all(|(_, value)| !value.is_empty()));
        for (name, value) in &sent {
            let given = if name == "client_id" { Some(&id) } else { extra.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v) };
            prop_assert_eq!(Some(value), given);
        }
    }
}
