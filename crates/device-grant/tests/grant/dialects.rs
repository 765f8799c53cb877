//! Providers that talk differently: a whole sign-in with each, in its own words.

use crate::support::*;

const CODE: &str = r#""user_code":"AB-CD","verification_uri":"https://x.example/d","expires_in":900,"interval":5"#;

/// Signs in at `preset` and returns the bodies of the device request and the poll, and the tokens. Before the approval
/// come the answers of `waiting`, each of which must neither end it nor bring anything.
fn sign_in(preset: &str, base: Option<&str>, auth: ClientAuth, answers: &[(u16, &str)]) -> (Request, Request, Tokens) {
    let client = Client::new(Provider::preset(preset, base).unwrap(), "id", auth).unwrap();
    let mut device = Device::asking(&client, Ask::new(scopes("s1 s2")));
    let ask = device.next().request();
    device.answer(answers[0]);
    let poll = device.next().request();
    device.answer(answers[1]);
    for said in &answers[2..] {
        assert!(device.machine.trouble().is_none(), "{preset}: {:?}", device.machine.trouble());
        device.poll(*said);
    }
    let tokens = device.next().tokens();
    (ask, poll, *tokens)
}

fn code(extra: &str) -> String {
    format!("{{{CODE},{extra}}}")
}

#[test]
fn every_preset_has_good_addresses_and_a_source() {
    for preset in PRESETS {
        let base = match preset.base {
            Base::Default(_) => None,
            Base::Own { example } => Some(example),
        };
        let provider = Provider::preset(preset.name, base).unwrap();
        assert_eq!(provider.dialect.name, preset.name);
        assert!(!provider.endpoints.token().as_str().contains("//token"), "{}", preset.name);
        assert!(preset.source.len() > 10 && !preset.source.contains('\n'));
        assert_eq!(PRESETS.iter().filter(|other| other.name == preset.name).count(), 1);
        for alias in preset.aliases {
            assert_eq!(Provider::preset(alias, base).unwrap().dialect.name, preset.name);
        }
    }
}

#[test]
fn the_addresses_of_a_preset_hang_below_its_base() {
    for (name, base, device, token) in [
        ("google", None, "https://oauth2.googleapis.com/device/code", "https://oauth2.googleapis.com/token"),
        (
            "google",
            Some("https://accounts.google.com"),
            "https://oauth2.googleapis.com/device/code",
            "https://oauth2.googleapis.com/token",
        ),
        ("google", Some("http://127.0.0.1:8085/"), "http://127.0.0.1:8085/device/code", "http://127.0.0.1:8085/token"),
        (
            "microsoft",
            Some("https://login.microsoftonline.com/contoso/v2.0"),
            "https://login.microsoftonline.com/contoso/oauth2/v2.0/devicecode",
            "https://login.microsoftonline.com/contoso/oauth2/v2.0/token",
        ),
        (
            "entra",
            None,
            "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        ),
        (
            "keycloak",
            Some("https://kc.example/realms/shop/"),
            "https://kc.example/realms/shop/protocol/openid-connect/auth/device",
            "https://kc.example/realms/shop/protocol/openid-connect/token",
        ),
        (
            "okta",
            Some("https://o.okta.com/oauth2/default"),
            "https://o.okta.com/oauth2/default/v1/device/authorize",
            "https://o.okta.com/oauth2/default/v1/token",
        ),
        ("github", None, "https://github.com/login/device/code", "https://github.com/login/oauth/access_token"),
        (
            "gitlab",
            Some("https://git.example"),
            "https://git.example/oauth/authorize_device",
            "https://git.example/oauth/token",
        ),
    ] {
        let endpoints = Provider::preset(name, base).unwrap().endpoints;
        assert_eq!((endpoints.device_authorization().as_str(), endpoints.token().as_str()), (device, token));
    }
}

#[test]
fn a_preset_that_cannot_be_used_says_why() {
    let why = |name, base| Provider::preset(name, base).unwrap_err().to_string();
    assert!(why("gogle\u{7}", None).starts_with("there is no provider preset `gogle?`; use one of google "));
    assert_eq!(
        why("auth0", None),
        "preset `auth0` needs the address of your own server as issuer, such as https://tenant.eu.auth0.com"
    );
    assert_eq!(
        why("auth0", Some("http://tenant.example")),
        "the issuer given for preset `auth0` is refused: the address is plain http to another machine; use https"
    );
    assert!(why("keycloak", Some("https://kc.example?realm=x")).contains("`?`"));
}

#[test]
fn google_gets_its_secret_at_the_token_endpoint_only() {
    let auth = ClientAuth::Post(secret("s3cret"));
    let device = r#"{"device_code":"4/4-GMMhmH","user_code":"GQVQ-JKEC","verification_url":"https://www.google.com/device","expires_in":1800,"interval":5}"#;
    let pending = r#"{"error":"authorization_pending","error_description":"Precondition Required"}"#;
    let (ask, poll, _) = sign_in(
        "google",
        None,
        auth,
        &[(200, device), (428, pending), (403, r#"{"error":"slow_down","error_description":"Forbidden"}"#), TOKENS],
    );
    assert_eq!(body(&ask), "client_id=id&scope=s1+s2");
    assert_eq!(
        body(&poll),
        "client_id=id&client_secret=s3cret&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=4%2F4-GMMhmH"
    );
    let scopes = Provider::preset("google", None).unwrap().default_scopes();
    assert_eq!(scopes.to_string(), "https://www.googleapis.com/auth/drive.file");
}

#[test]
fn google_legacy_polls_with_code() {
    let answers = [(200, &*code(r#""device_code":"dc""#)), PENDING, TOKENS];
    let (_, poll, _) = sign_in("google-legacy", None, ClientAuth::Post(secret("s")), &answers);
    let grant_type = "http%3A%2F%2Foauth.net%2Fgrant_type%2Fdevice%2F1.0";
    assert_eq!(body(&poll), format!("client_id=id&client_secret=s&grant_type={grant_type}&code=dc"));
}

#[test]
fn github_answers_errors_with_status_200_and_may_answer_in_a_form() {
    let form = "device_code=dc&expires_in=899&interval=5&user_code=AB-CD&verification_uri=https%3A%2F%2Fgithub.com%2Flogin%2Fdevice";
    let client = Client::new(Provider::preset("github", None).unwrap(), "id", ClientAuth::None).unwrap();
    let mut device = Device::new(&client);
    let header = |name: &str| (name == "content-type").then_some("application/x-www-form-urlencoded; charset=utf-8");
    device.next().request();
    device.reply(Reply::Answer(Answer::new(200, header, form.as_bytes())));
    assert_eq!(device.machine.prompt().unwrap().verification_uri.as_str(), "https://github.com/login/device");
    device.poll((200, r#"{"error":"authorization_pending","error_uri":"https://docs.github.com"}"#));
    device.poll((200, r#"{"error":"slow_down","interval":10}"#));
    device.next().request();
    let tokens = b"access_token=gho_16C7&scope=repo%2Cgist&token_type=bearer";
    device.reply(Reply::Answer(Answer::new(200, header, tokens)));
    let tokens = device.next().tokens();
    assert_eq!((tokens.access.expose(), tokens.scopes), ("gho_16C7", scopes("repo gist")));
}

#[test]
fn entra_declines_in_its_own_words() {
    let client = Client::new(Provider::preset("microsoft", None).unwrap(), "id", ClientAuth::None).unwrap();
    for (word, denied) in [("authorization_declined", true), ("bad_verification_code", false)] {
        let mut device = Device::with_code(&client);
        device.poll((400, &format!(r#"{{"error":"{word}","error_codes":[70018]}}"#)));
        assert_eq!(device.next().error() == SignInError::Denied, denied);
    }
    let token = RefreshToken::parse("rt".into()).unwrap();
    let (asked, interaction) = (scopes("User.Read offline_access"), r#"{"error":"interaction_required"}"#);
    let refresh = Refresh::new(&client, &token, &asked, History::Clear);
    assert_eq!(parameter(&refresh.request(), "scope").as_deref(), Some("User.Read offline_access"));
    assert!(matches!(refresh.outcome(answer(400, interaction), at(0.0)), Refreshed::Dead { .. }));
}

#[test]
fn auth0_sees_no_secret_at_the_device_endpoint() {
    let answers = [
        (200, &*code(r#""device_code":"dc""#)),
        (403, r#"{"error":"authorization_pending"}"#),
        (429, r#"{"error":"slow_down"}"#),
        TOKENS,
    ];
    let auth = ClientAuth::Post(secret("s"));
    let (ask, poll, _) = sign_in("auth0", Some("https://t.eu.auth0.com"), auth, &answers);
    assert_eq!(parameter(&ask, "client_secret"), None);
    assert_eq!(parameter(&poll, "client_secret").as_deref(), Some("s"));
}

#[test]
fn twitch_says_its_word_in_message_and_wants_scopes_twice() {
    let answers = [
        (200, &*code(r#""device_code":"dc""#)),
        (400, r#"{"status":400,"message":"authorization_pending"}"#),
        (
            200,
            r#"{"access_token":"at","expires_in":14820,"refresh_token":"rt","scope":["s1","s2"],"token_type":"bearer"}"#,
        ),
    ];
    let (ask, poll, tokens) = sign_in("twitch", None, ClientAuth::None, &answers);
    assert_eq!(body(&ask), "client_id=id&scopes=s1+s2");
    assert_eq!(parameter(&poll, "scopes").as_deref(), Some("s1 s2"));
    assert!(tokens.missing_scopes.is_empty());
    let client = Client::new(Provider::preset("twitch", None).unwrap(), "id", ClientAuth::None).unwrap();
    let mut device = Device::with_code(&client);
    device.poll((400, r#"{"status":400,"message":"invalid device code"}"#));
    assert!(matches!(device.next().error(), SignInError::CodeUnknown(_)));
}

#[test]
fn aws_talks_json_in_camel_case() {
    let device = r#"{"deviceCode":"dc","expiresIn":600,"interval":1,"userCode":"AB-CD",
        "verificationUri":"https://device.sso.eu.example/","verificationUriComplete":"https://device.sso.eu.example/?c=1"}"#;
    let tokens = r#"{"accessToken":"at","expiresIn":28800,"refreshToken":"rt","tokenType":"Bearer"}"#;
    let provider = Provider::preset("aws-sso", Some("https://oidc.eu-central-1.amazonaws.com")).unwrap();
    let client = Client::new(provider, "id", ClientAuth::Post(secret("s\"\\\u{20}"))).unwrap();
    let mut machine = Device::asking(&client, Ask::default().with("start_url", "https://d-1.awsapps.com/start"));
    let ask = machine.next().request();
    assert_eq!(header(&ask, "content-type"), Some("application/json"));
    assert_eq!(body(&ask), r#"{"clientId":"id","clientSecret":"s\"\\ ","startUrl":"https://d-1.awsapps.com/start"}"#);
    machine.answer((200, device));
    let poll = machine.next().request();
    machine.answer((400, r#"{"error":"authorization_pending"}"#));
    assert_eq!(
        body(&poll),
        r#"{"clientId":"id","clientSecret":"s\"\\ ","grantType":"urn:ietf:params:oauth:grant-type:device_code","deviceCode":"dc"}"#
    );
    assert!(machine.machine.prompt().unwrap().verification_uri_complete.is_some());
    machine.poll((200, tokens));
    let tokens = machine.next().tokens();
    assert_eq!((tokens.refresh.unwrap().expose(), tokens.expires_in), ("rt", Some(secs(28800))));
}

#[test]
fn amazon_wants_the_user_code_with_each_poll() {
    let answers = [(200, &*code(r#""device_code":"dc""#)), PENDING, TOKENS];
    let (ask, poll, _) = sign_in("amazon", None, ClientAuth::None, &answers);
    assert_eq!(body(&ask), "client_id=id&response_type=device_code&scope=s1+s2");
    assert_eq!(body(&poll), "client_id=id&grant_type=device_code&device_code=dc&user_code=AB-CD");
    assert_eq!(Provider::preset("lwa", None).unwrap().dialect.name, "amazon");
}

#[test]
fn salesforce_uses_one_address_and_does_not_say_how_long_a_code_lives() {
    let device = r#"{"device_code":"dc","user_code":"AB","verification_uri":"https://x.example/c","interval":5}"#;
    let tokens = r#"{"access_token":"00D!AQ","token_type":"Bearer","instance_url":"https://x.example"}"#;
    let answers = [(200, device), PENDING, (400, r#"{"error":"slow_down"}"#), (200, tokens)];
    let (ask, poll, tokens) = sign_in("salesforce", None, ClientAuth::None, &answers);
    assert_eq!(ask.url, poll.url);
    assert_eq!(body(&poll), "client_id=id&grant_type=device&code=dc");
    assert_eq!(tokens.access.expose(), "00D!AQ");
}

#[test]
fn facebook_says_its_word_as_a_subcode() {
    let said = |subcode: u32| {
        format!(r#"{{"error":{{"message":"m","type":"OAuthException","code":31,"error_subcode":{subcode}}}}}"#)
    };
    let answers = [
        (200, &*code(r#""code":"dc""#)),
        (400, &*said(1_349_174)),
        (400, &*said(1_349_172)),
        (200, r#"{"access_token":"at","expires_in":5183996}"#),
    ];
    let (ask, poll, _) = sign_in("facebook", None, ClientAuth::Post(secret("token")), &answers);
    assert_eq!(body(&ask), "access_token=id%7Ctoken&scope=s1%2Cs2");
    assert_eq!(body(&poll), "access_token=id%7Ctoken&code=dc");
    let client = Client::new(Provider::preset("facebook", None).unwrap(), "id", ClientAuth::None).unwrap();
    for (subcode, error) in
        [(1_349_152, SignInError::Expired { approval_may_be_lost: false }), (1_349_173, SignInError::Denied)]
    {
        let mut device = Device::with_code(&client);
        device.poll((400, &said(subcode)));
        assert_eq!(device.next().error(), error);
    }
}

#[test]
fn baidu_shows_a_picture_that_is_not_taken_for_an_address() {
    let device = r#"{"device_code":"dc","user_code":"ab","verification_url":"https://openapi.baidu.com/device",
        "qrcode_url":"https://openapi.baidu.com/device/qrcode/1/ab","expires_in":300,"interval":5}"#;
    let (ask, poll, _) = sign_in(
        "baidu",
        None,
        ClientAuth::Post(secret("s")),
        &[(200, device), PENDING, (200, r#"{"access_token":"at"}"#)],
    );
    assert_eq!(parameter(&ask, "scope").as_deref(), Some("s1,s2"));
    assert_eq!(body(&poll), "client_id=id&client_secret=s&grant_type=device_token&code=dc");
    let client = Client::new(Provider::preset("baidu", None).unwrap(), "id", ClientAuth::None).unwrap();
    let mut device_with_picture = Device::new(&client);
    device_with_picture.next().request();
    device_with_picture.answer((200, device));
    assert_eq!(device_with_picture.machine.prompt().unwrap().verification_uri_complete, None);
}

#[test]
fn trakt_says_everything_by_status() {
    let answers = [(200, &*code(r#""device_code":"dc""#)), (400, ""), (429, ""), (400, "{}"), TOKENS];
    let (ask, poll, _) = sign_in("trakt", None, ClientAuth::Post(secret("s")), &answers);
    assert_eq!(body(&ask), r#"{"client_id":"id","client_secret":"s","scope":"s1 s2"}"#);
    assert_eq!(body(&poll), r#"{"client_id":"id","client_secret":"s","code":"dc"}"#);
    let client = Client::new(Provider::preset("trakt", None).unwrap(), "id", ClientAuth::None).unwrap();
    for (status, denied) in [(404, false), (409, false), (410, false), (418, true)] {
        let mut device = Device::with_code(&client);
        device.poll((status, ""));
        assert_eq!(device.next().error() == SignInError::Denied, denied);
    }
}

#[test]
fn better_auth_is_sent_json() {
    let base = Some("https://shop.example/api/auth");
    let (_, poll, _) = sign_in("better-auth", base, ClientAuth::None, &[(200, DEVICE_ANSWER), PENDING, TOKENS]);
    assert!(body(&poll).starts_with(r#"{"client_id":"id","grant_type":"urn:"#));
}

#[test]
fn an_empty_400_of_glewlwyd_means_that_the_refresh_token_is_dead() {
    let provider = Provider::preset("glewlwyd", Some("https://g.example/api/glwd")).unwrap();
    let client = Client::new(provider, "id", ClientAuth::None).unwrap();
    let token = RefreshToken::parse("rt".into()).unwrap();
    let asked = Scopes::none();
    let refresh = Refresh::new(&client, &token, &asked, History::Clear);
    assert!(matches!(refresh.outcome(answer(400, ""), at(0.0)), Refreshed::Dead { .. }));
    assert!(matches!(refresh.outcome(answer(500, ""), at(0.0)), Refreshed::Later { .. }));
    let mut device = Device::with_code(&client);
    device.poll((400, "")).poll(TOKENS);
    device.next().tokens();
}

#[test]
fn a_code_that_is_used_up_has_a_different_word_at_each_provider() {
    for (preset, base, said) in [
        ("oidc-provider", "https://x.example", (400, r#"{"error":"invalid_grant"}"#)),
        ("django", "https://x.example/o", (404, r#"{"error":"device_not_found"}"#)),
        ("github", "https://github.com", (200, r#"{"error":"incorrect_device_code"}"#)),
        ("microsoft", "https://login.example/t", (400, r#"{"error":"bad_verification_code"}"#)),
    ] {
        let client = Client::new(Provider::preset(preset, Some(base)).unwrap(), "id", ClientAuth::None).unwrap();
        let mut device = Device::with_code(&client);
        device.poll(said);
        assert!(matches!(device.next().error(), SignInError::CodeUnknown(_)), "{preset}");
    }
}
