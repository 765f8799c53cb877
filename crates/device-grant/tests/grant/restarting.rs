//! A pending grant over power cuts, reboots and clocks that jump.

use crate::support::*;

/// A moment on the clocks of a board: seconds of the steady clock, which boot, and the wall clock if it is trusted.
fn moment(mono_s: u64, boot: &str, unix_s: Option<i64>) -> Stamp {
    Stamp {
        mono: Mono::new(secs(mono_s)),
        boot_id: (!boot.is_empty()).then(|| boot.to_owned()),
        unix_ms: unix_s.map(|s| s * 1000),
    }
}

/// Seals `device` as of `now`, as a board would on disk.
fn seal(device: &Device<'_>, now: &Stamp) -> Vec<u8> {
    device.machine.seal(now).expect("a pending grant").to_vec()
}

fn resume<'c>(client: &'c Client, sealed: &[u8], now: &Stamp) -> Device<'c> {
    let machine = SignIn::resume(client, Pending::unseal(sealed).unwrap(), now).unwrap();
    Device::going_on(machine, now.mono.since_origin())
}

#[test]
fn a_power_cut_at_any_step_loses_no_approval() {
    let client = client();
    let script = [PENDING, SLOW_DOWN, (502, "<html>"), PENDING];
    for cut_after in 0..=script.len() {
        for in_flight in [false, true] {
            let mut device = Device::with_code(&client);
            script[..cut_after].iter().for_each(|said| _ = device.poll(*said));
            if in_flight {
                device.next().request();
            }
            let sealed = seal(&device, &device.stamp());
            let mut device = resume(&client, &sealed, &device.stamp());
            device.poll(TOKENS);
            assert_eq!(device.prompts.len(), 1, "the code is shown again");
            device.next().tokens();
        }
    }
}

#[test]
fn a_crash_loop_does_not_poll_faster_than_the_interval() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(PENDING);
    let mut polls = 0;
    for _ in 0..10 {
        let sealed = seal(&device, &device.stamp());
        let now = device.now + std::time::Duration::from_millis(200);
        device = resume(&client, &sealed, &Stamp { mono: Mono::new(now), ..device.stamp() });
        loop {
            match device.machine.next(Mono::new(now)) {
                Step::Send(_) => polls += 1,
                Step::Show(_) => continue,
                _ => break,
            }
            break;
        }
    }
    assert_eq!(polls, 0, "two seconds are less than an interval");
    assert!(device.next().request().url.ends_with("/token"));
}

#[test]
fn each_crash_right_after_sending_costs_a_whole_interval() {
    let client = client();
    let mut device = Device::with_code(&client);
    let mut sent = vec![];
    for _ in 0..10 {
        device.next().request();
        sent.push(device.now);
        let now = device.stamp();
        device = resume(&client, &seal(&device, &now), &now);
    }
    assert!(sent.windows(2).all(|pair| pair[1] - pair[0] >= secs(5)), "{sent:?}");
}

#[test]
fn the_slower_pace_survives() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.poll(SLOW_DOWN).poll(SLOW_DOWN);
    let now = device.stamp();
    let mut device = resume(&client, &seal(&device, &now), &now);
    device.poll(PENDING).poll(PENDING);
    assert_eq!((device.sent[0] - now.mono.since_origin()).as_secs(), 16);
    assert_eq!((device.sent[1] - device.sent[0]).as_secs(), 16);
}

#[test]
fn clocks_tell_how_long_the_power_was_gone() {
    let client = client();
    // Sealed right after the code came: 1800 s to live, 5.5 s to the first poll.
    for (story, sealed_at, now, left_s, poll_in) in [
        ("same boot", moment(100, "a", None), moment(103, "a", None), 1797, 2.501),
        ("same boot, wall clock jumped", moment(100, "a", Some(0)), moment(103, "a", Some(9000)), 1797, 2.501),
        ("reboot, good clocks", moment(100, "a", Some(5000)), moment(2, "b", Some(5060)), 1740, 0.0),
        ("reboot, no clock", moment(100, "a", None), moment(2, "b", None), 1800, 5.501),
        ("reboot, clock not trusted yet", moment(100, "a", Some(5000)), moment(2, "b", None), 1800, 5.501),
        ("reboot, clock went back", moment(100, "a", Some(5000)), moment(2, "b", Some(4000)), 1800, 5.501),
        ("a steady clock that was none", moment(100, "a", Some(5000)), moment(90, "a", Some(5060)), 1740, 0.0),
        ("no boot ids", moment(100, "", None), moment(103, "", None), 1800, 5.501),
    ] {
        let mut device = Device::going_on(SignIn::start(&client, Ask::default(), sealed_at.mono), secs(100));
        device.next().request();
        device.answer((200, DEVICE_ANSWER));
        let sealed = seal(&device, &sealed_at);
        let left = Pending::unseal(&sealed).unwrap().expires_in(&now);
        assert_eq!(left.as_secs(), left_s, "{story}");
        let mut device = resume(&client, &sealed, &now);
        device.next().request();
        assert_eq!((device.sent[0] - now.mono.since_origin()).as_secs_f64(), poll_in, "{story}");
        assert_eq!(device.prompts[0].deadline, now.mono + secs(left_s), "{story}");
    }
}

#[test]
fn a_code_that_died_during_the_power_cut_is_neither_shown_nor_polled() {
    let client = client();
    let device = Device::with_code(&client);
    let sealed = seal(&device, &moment(0, "a", Some(0)));
    let mut device = resume(&client, &sealed, &moment(1, "b", Some(7200)));
    assert_eq!(device.next().error(), SignInError::Expired { approval_may_be_lost: false });
    assert!(device.prompts.is_empty() && device.sent.is_empty());
}

#[test]
fn a_poll_that_was_under_way_may_have_been_the_approval() {
    let client = client();
    let mut device = Device::with_code(&client);
    device.next().request();
    let now = device.stamp();
    let mut device = resume(&client, &seal(&device, &now), &now);
    device.poll((400, r#"{"error":"invalid_grant"}"#));
    assert!(matches!(device.next().error(), SignInError::ApprovalLost(_)));
}

#[test]
fn the_proof_key_is_the_same_after_a_restart() {
    let client = client();
    let mut device = Device::asking(&client, Ask::default().with_pkce(Pkce::from_random(&[7; 32].into())));
    device.next().request();
    device.answer((200, DEVICE_ANSWER));
    let now = device.stamp();
    let sealed = seal(&device, &now);
    let before = parameter(&device.next().request(), "code_verifier").unwrap();
    let after = parameter(&resume(&client, &sealed, &now).next().request(), "code_verifier").unwrap();
    assert_eq!(before, after);
    assert_eq!(before.len(), 43);
}

#[test]
fn what_was_asked_for_is_remembered() {
    let client = client();
    let mut device = Device::asking(&client, Ask::new(scopes("a b")));
    device.next().request();
    device.answer((200, DEVICE_ANSWER));
    let now = device.stamp();
    let mut device = resume(&client, &seal(&device, &now), &now);
    device.poll((200, r#"{"access_token":"t","token_type":"Bearer","scope":"a"}"#));
    assert_eq!(device.next().tokens().missing_scopes, scopes("b"));
}

#[test]
fn a_code_is_sent_to_nobody_but_who_gave_it() {
    let sealed = {
        let client = client();
        let device = Device::with_code(&client);
        seal(&device, &device.stamp())
    };
    let resume_at = |id: &str, origin: &str| {
        let endpoints = Endpoints::new(&format!("{origin}/device"), &format!("{origin}/token"), None).unwrap();
        let client = Client::new(Provider::rfc(endpoints), id, ClientAuth::None).unwrap();
        let pending = Pending::unseal(&sealed).unwrap();
        SignIn::resume(&client, pending, &Stamp::default()).map(drop)
    };
    assert_eq!(resume_at("gadget", "https://as.example:443"), Ok(()));
    assert_eq!(resume_at("other", "https://as.example"), Err(ResumeError::OtherClient));
    assert_eq!(resume_at("gadget", "https://as.example.org"), Err(ResumeError::OtherProvider));
    assert_eq!(resume_at("gadget", "https://as.example:8443"), Err(ResumeError::OtherProvider));
    assert_eq!(resume_at("gadget", "http://localhost"), Err(ResumeError::OtherProvider));
}

#[test]
fn an_emulator_may_come_back_on_another_port() {
    let at_port = |port: u16| {
        let origin = format!("http://127.0.0.1:{port}");
        Client::new(Provider::preset("google", Some(&origin)).unwrap(), "gadget", ClientAuth::None).unwrap()
    };
    let (before, after) = (at_port(8085), at_port(9000));
    let device = Device::with_code(&before);
    let sealed = seal(&device, &device.stamp());
    let poll = resume(&after, &sealed, &device.stamp()).next().request();
    assert_eq!(poll.url, "http://127.0.0.1:9000/token");
}

#[test]
fn a_sealed_grant_tells_what_to_show_without_a_network() {
    let client = client();
    let device = Device::with_code(&client);
    let pending = Pending::unseal(&seal(&device, &device.stamp())).unwrap();
    assert_eq!(pending.user_code().as_str(), "WDJB-MJHT");
    assert_eq!(pending.verification_uri().as_str(), "https://example.com/device");
    assert!(pending.verification_uri_complete().is_none());
}

#[test]
fn version_one_of_the_sealed_form_is_read_for_ever() {
    let sealed = br#"{"version":"1","client_id":"gadget","token_endpoint":"https://as.example/token","device_code":"dc-1",
        "user_code":"WDJB-MJHT","verification_uri":"https://example.com/device","scopes":"a b","expires_in_ms":"1800000",
        "remaining_ms":"1700000","next_poll_in_ms":"5500","interval_ms":"10000","drift_permille":"1000","misses":"0",
        "in_flight":"yes","answer_lost":"no","boot_id":"boot-1","mono_ms":"100000","unix_ms":"1795375500000"}"#;
    let client = client();
    let mut device = resume(&client, sealed, &moment(101, "boot-1", None));
    let poll = device.next().request();
    assert_eq!(parameter(&poll, "device_code").as_deref(), Some("dc-1"));
    assert_eq!(device.sent[0].as_secs_f64(), 105.5);
    assert_eq!(device.prompts[0].deadline, at(1800.0));
}

#[test]
fn a_damaged_grant_is_noticed_wherever_it_is_cut() {
    let client = client();
    let device = Device::with_code(&client);
    let sealed = seal(&device, &device.stamp());
    for len in 0..sealed.len() {
        assert_eq!(Pending::unseal(&sealed[..len]).err(), Some(DamagedPending), "cut at {len}");
    }
    for member in
        ["device_code", "user_code", "verification_uri", "remaining_ms", "interval_ms", "in_flight", "version"]
    {
        let mut json: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
        json[member] = "-".into();
        let known_bad = !matches!(member, "device_code" | "user_code");
        assert_eq!(Pending::unseal(json.to_string().as_bytes()).is_err(), known_bad, "{member}");
        json.as_object_mut().unwrap().remove(member);
        assert!(Pending::unseal(json.to_string().as_bytes()).is_err(), "{member}");
    }
}

#[test]
fn a_seal_with_the_longest_times_is_sealed_so_that_it_is_read_back() {
    let client = client();
    let device = Device::with_code(&client);
    let mut json: serde_json::Value = serde_json::from_slice(&seal(&device, &device.stamp())).unwrap();
    for member in ["expires_in_ms", "remaining_ms", "next_poll_in_ms", "interval_ms"] {
        json[member] = u64::MAX.to_string().into();
    }
    let now = device.stamp();
    let resumed = resume(&client, json.to_string().as_bytes(), &now);
    assert!(Pending::unseal(&seal(&resumed, &now)).is_ok());
}

#[test]
fn setting_the_wall_clock_back_a_year_changes_no_poll() {
    let client = client();
    let mut device = Device::with_code(&client);
    // The machine has no wall clock at all; what it is given is steady, and should it go back after all, it waits.
    device.poll(PENDING);
    let wait = device.machine.next(Mono::new(device.now));
    let back = device.machine.next(Mono::new(secs(1)));
    assert!(matches!((wait, back), (Step::WaitUntil(a), Step::WaitUntil(b)) if a == b));
}

#[test]
fn a_crash_loop_at_the_deadline_has_an_end() {
    let client = client();
    let mut device = Device::with_code(&client);
    while device.now < secs(1800) {
        device.next().request();
        if device.now < secs(1800) {
            device.answer(PENDING);
        }
    }
    let now = device.stamp();
    let mut device = resume(&client, &seal(&device, &now), &now);
    assert_eq!(device.next().error(), SignInError::Expired { approval_may_be_lost: true });
}

#[test]
fn a_bent_pace_makes_nothing_faster() {
    let client = client();
    let device = Device::with_code(&client);
    let mut json: serde_json::Value = serde_json::from_slice(&seal(&device, &device.stamp())).unwrap();
    json["drift_permille"] = "0".into();
    json["interval_ms"] = "0".into();
    let mut device = resume(&client, json.to_string().as_bytes(), &device.stamp());
    device.poll(PENDING).poll(PENDING);
    assert!(device.sent[1] - device.sent[0] > secs(1));
}
