//! What must never be seen.

use crate::support::*;

const CANARIES: [&str; 5] = ["canary-code", "canary-access", "canary-refresh", "canary-secret", "canary-id"];

fn hides(shown: &str) {
    for canary in CANARIES {
        assert!(!shown.contains(canary), "{shown}");
    }
}

#[test]
fn nothing_that_can_be_printed_holds_a_secret() {
    for auth in [ClientAuth::Post(secret("canary-secret")), ClientAuth::Basic(secret("canary-secret"))] {
        let client = Client::new(Provider::rfc(endpoints()), "gadget", auth).unwrap();
        hides(&format!("{client:?}"));
        let ask = Ask::default().with_pkce(Pkce::from_random(&[1; 32].into()));
        hides(&format!("{ask:?}"));
        let mut device = Device::asking(&client, ask);
        let request = device.next().request();
        hides(&format!("{request:?} {}", request.url));
        let given = DEVICE_ANSWER.replace("GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS", "canary-code");
        device.answer((200, &given));
        let stamp = device.stamp();
        let sealed = device.machine.seal(&stamp).unwrap();
        hides(&format!("{:?} {:?}", Pending::unseal(&sealed).unwrap(), device.machine.prompt()));
        let request = device.next().request();
        hides(&format!("{request:?} {} {:?}", request.url, device.machine));
        let brought = r#"{"access_token":"canary-access","token_type":"bearer","refresh_token":"canary-refresh","id_token":"canary-id"}"#;
        let reply = answer(200, brought);
        hides(&format!("{reply:?}"));
        device.reply(reply);
        let tokens = device.next().tokens();
        hides(&format!("{tokens:?}"));
        let refresh_token = tokens.refresh.unwrap();
        let asked = Scopes::none();
        let refresh = Refresh::new(&client, &refresh_token, &asked, History::Clear);
        hides(&format!("{refresh:?} {:?} {:?}", refresh.request(), refresh.outcome(answer(200, brought), at(0.0))));
        hides(&format!("{:?}", Revoke::refresh_token(&client, &refresh_token).unwrap()));
        hides(&format!("{:?}", Revoke::access_token(&client, &tokens.access).unwrap()));
    }
}

#[test]
fn no_error_repeats_a_body() {
    let client = client();
    for said in [
        r#"{"access_token":"canary-access","token_type":"mac"}"#,
        r#"{"access_token":"canary-access\n","token_type":"bearer"}"#,
        r#"{"access_token":"canary-access","token_type":"bearer","refresh_token":"canary-refresh\u0000"}"#,
        r#"{"access_token":"canary-access","error":"access_denied"}"#,
        r#"{"access_token":"canary-access","token_type":"bearer""#,
    ] {
        let mut device = Device::with_code(&client);
        device.poll((200, said));
        let (trouble, next) = (format!("{:?}", device.machine.trouble()), device.next());
        hides(&format!("{trouble} {next:?}"));
        if let Wish::Failed(error) = next {
            hides(&error.to_string());
        }
    }
}

#[test]
fn what_a_provider_repeats_of_our_secrets_is_not_shown() {
    let auth = ClientAuth::Post(secret("canary-secret"));
    let client = Client::new(Provider::rfc(endpoints()), "gadget", auth).unwrap();
    let echo =
        |what: &str| format!(r#"{{"error":"invalid_request","error_description":"bad {what} or canary-secret"}}"#);
    let mut device = Device::new(&client);
    device.next().request();
    device.answer((200, &DEVICE_ANSWER.replace("GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS", "canary-code")));
    device.poll((400, &echo("canary-code")));
    let error = device.next().error();
    hides(&format!("{error:?} {error}"));
    assert!(error.to_string().contains("bad (hidden) or (hidden)"));
    let (token, asked) = (RefreshToken::parse("canary-refresh".into()).unwrap(), Scopes::none());
    let said = echo("canary-refresh");
    hides(&format!("{:?}", Refresh::new(&client, &token, &asked, History::Clear).outcome(answer(400, &said), at(0.0))));
    hides(&format!("{:?}", Revoke::refresh_token(&client, &token).unwrap().outcome(answer(400, &said))));
}

#[test]
fn a_code_never_gets_into_an_address() {
    let client = client();
    let mut device = Device::with_code(&client);
    for said in [PENDING, SLOW_DOWN, (502, "")] {
        let poll = device.next().request();
        assert_eq!(poll.url, "https://as.example/token");
        device.answer(said);
    }
}

#[test]
fn every_error_is_one_lower_case_line_without_a_final_period() {
    let words = OAuthError { status: 400, code: Text::clean("x"), description: Some(Text::clean("y")), subtype: None };
    let shown = [
        SignInError::Denied.to_string(),
        SignInError::Expired { approval_may_be_lost: true }.to_string(),
        SignInError::Expired { approval_may_be_lost: false }.to_string(),
        SignInError::ApprovalLost(words.clone()).to_string(),
        SignInError::CodeUnknown(words.clone()).to_string(),
        SignInError::Blocked(words.clone()).to_string(),
        SignInError::Misconfigured(words.clone()).to_string(),
        SignInError::Refused(words.clone()).to_string(),
        SignInError::Certificate.to_string(),
        SignInError::Finished.to_string(),
        SignInError::BadAnswer(BadAnswer::Missing("user_code")).to_string(),
        SignInError::Cancelled { approval_may_be_lost: true }.to_string(),
        DeadReason::LostRotation.to_string(),
        DeadReason::Revoked.to_string(),
        DeadReason::AdminPolicy.to_string(),
        DeadReason::ReauthenticationRequired.to_string(),
        DamagedPending.to_string(),
        ResumeError::OtherClient.to_string(),
        ResumeError::OtherProvider.to_string(),
        DiscoveryError::NoDeviceFlow.to_string(),
        DiscoveryError::NotFound { status: 404 }.to_string(),
        BadClientId.to_string(),
        Lost::Certificate { clock_suspect: true }.to_string(),
    ];
    for line in shown {
        let first = line.chars().next().unwrap();
        assert!(!first.is_uppercase() && !line.ends_with('.') && !line.contains('\n'), "{line}");
    }
}
