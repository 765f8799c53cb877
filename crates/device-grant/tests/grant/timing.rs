//! Whatever the network, the provider and the power do: never a poll too early, never one too late.

use std::time::Duration;

use proptest::prelude::*;

use crate::support::*;

/// What happens to one poll, and to the board around it.
#[derive(Clone, Debug)]
struct Day {
    latency_ms: u64,
    reply: Happening,
    /// The board sleeps this long before it asks for the next step.
    asleep_s: u64,
    /// How far the clock seems to go back for one call.
    back_s: u64,
    restart: Option<Restart>,
}

#[derive(Clone, Debug)]
enum Happening {
    Said {
        status: u16,
        body: &'static str,
        slow: bool,
        interval_s: u64,
        retry_after: Option<&'static str>,
        date: Option<String>,
    },
    Lost(Lost),
    /// The driver asks for the next step without giving a reply.
    GivenUp,
}

#[derive(Clone, Copy, Debug)]
enum Restart {
    SameBoot,
    /// A reboot that took this long, and nobody knows.
    Blind(u64),
}

fn said(status: u16, body: &'static str) -> Happening {
    Happening::Said { status, body, slow: false, interval_s: 0, retry_after: None, date: None }
}

fn happening() -> impl Strategy<Value = Happening> {
    let slow =
        |body, interval_s| Happening::Said { status: 400, body, slow: true, interval_s, retry_after: None, date: None };
    let kind = prop_oneof![
        6 => Just(said(400, PENDING.1)),
        2 => Just(slow(SLOW_DOWN.1, 0)),
        1 => Just(slow(r#"{"error":"slow_down","interval":30}"#, 30)),
        1 => Just(slow(r#"{"error":"slow_down","interval":1}"#, 1)),
        1 => Just(said(200, "")),
        1 => Just(said(502, "<html>")),
        1 => Just(said(429, "")),
        1 => Just(said(404, "{}")),
        1 => Just(said(500, r#"{"error":"server_error"}"#)),
        2 => prop_oneof![Just(Lost::NotSent), Just(Lost::Unknown), any::<bool>().prop_map(|clock_suspect| Lost::Certificate { clock_suspect })]
            .prop_map(Happening::Lost),
        1 => Just(Happening::GivenUp),
    ];
    let retry_after = prop_oneof![4 => Just(None), 1 => Just(Some("0")), 1 => Just(Some("45")), 1 => Just(Some("99999999999999999999"))];
    let date = prop_oneof![
        3 => Just(None),
        1 => (0..60u8, 0..60u8).prop_map(|(m, s)| Some(format!("Sun, 22 Nov 2026 19:{m:02}:{s:02} GMT"))),
        1 => Just(Some("yesterday".to_owned()))
    ];
    (kind, retry_after, date).prop_map(|(kind, retry_after, date)| match kind {
        Happening::Said { status, body, slow, interval_s, .. } => {
            Happening::Said { status, body, slow, interval_s, retry_after, date }
        }
        other => other,
    })
}

fn day() -> impl Strategy<Value = Day> {
    let asleep_s = prop_oneof![9 => Just(0), 2 => 0..60u64, 1 => 0..4000u64];
    let back_s = prop_oneof![4 => Just(0), 1 => 0..100_000u64];
    let restart = prop_oneof![8 => Just(None), 1 => Just(Some(Restart::SameBoot)), 1 => (0..100u64).prop_map(|s| Some(Restart::Blind(s)))];
    (0..20_000u64, happening(), asleep_s, back_s, restart)
        .prop_map(|(latency_ms, reply, asleep_s, back_s, restart)| Day { latency_ms, reply, asleep_s, back_s, restart })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_sooner_than_the_floor_and_never_after_the_deadline(
        interval_s in 1..40u64,
        life_s in 10..900u64,
        days in prop::collection::vec(day(), 1..120),
    ) {
        let client = client();
        let mut machine = SignIn::start(&client, Ask::default(), Mono::default());
        prop_assert!(matches!(machine.next(Mono::default()), Step::Send(_)));
        let code = format!(
            r#"{{"device_code":"d","user_code":"u","verification_uri":"https://x.example/","expires_in":{life_s},"interval":{interval_s}}}"#
        );
        machine.reply(answer(200, &code), Mono::default());

        // What the server would insist on, and what is true about the world.
        let mut floor = secs(interval_s);
        if interval_s > life_s {
            floor = secs(life_s) / 2;
        }
        let mut deadline = secs(life_s);
        let (mut now, mut last_heard) = (Duration::ZERO, Duration::ZERO);
        let mut polls_past_the_deadline = 0;
        let mut restarts = 0;

        for day in days {
            now += secs(day.asleep_s);
            let step = loop {
                match machine.next(Mono::new(now.saturating_sub(secs(day.back_s)))) {
                    // A seal holds milliseconds.
                    Step::Show(prompt) => {
                        let apart = prompt.deadline.since_origin().abs_diff(deadline);
                        prop_assert!(apart <= restarts * Duration::from_millis(1), "{apart:?} after {restarts} restarts");
                    }
                    Step::WaitUntil(time) if time.since_origin() > now => now = time.since_origin(),
                    // The clock seems to have gone back; without that, it must not wait for a moment that is over.
                    Step::WaitUntil(_) if day.back_s > 0 => break machine.next(Mono::new(now)),
                    step => break step,
                }
            };
            match step {
                Step::Send(request) => {
                    prop_assert!(request.url.ends_with("/token"));
                    prop_assert!(now - last_heard >= floor, "a poll {:?} after the last answer, floor {floor:?}", now - last_heard);
                    // A clock that went back cannot tell that the deadline is over; the answer's time tells it then.
                    if now >= deadline && day.back_s == 0 {
                        polls_past_the_deadline += 1;
                        prop_assert!(now <= deadline + 2 * floor + secs(1));
                    }
                }
                Step::Failed(error) => {
                    let expired = matches!(error, SignInError::Expired { .. });
                    prop_assert!(expired, "{error:?}");
                    prop_assert!(matches!(machine.next(Mono::new(now + secs(9999))), Step::Failed(_)));
                    break;
                }
                other => prop_assert!(false, "{other:?}"),
            }
            prop_assert!(polls_past_the_deadline <= 1);
            if let Some(restart) = day.restart {
                // The power goes while the poll is under way.
                restarts += 1;
                let sealed_at = Stamp { mono: Mono::new(now), boot_id: Some("a".into()), unix_ms: None };
                let sealed = machine.seal(&sealed_at).unwrap();
                let gone = match restart {
                    Restart::SameBoot => Duration::ZERO,
                    Restart::Blind(s) => secs(s),
                };
                let boot = if matches!(restart, Restart::SameBoot) { "a" } else { "b" };
                let woke = Stamp { mono: Mono::new(now + gone), boot_id: Some(boot.into()), unix_ms: None };
                machine = SignIn::resume(&client, Pending::unseal(&sealed).unwrap(), &woke).unwrap();
                // Where nobody knows how long it took, the rest of the life is assumed whole.
                let remaining = deadline.saturating_sub(now);
                last_heard = now;
                now += gone;
                deadline = now + remaining;
                continue;
            }
            let sent = now;
            now += Duration::from_millis(day.latency_ms);
            last_heard = now;
            match &day.reply {
                Happening::Said { status, body, slow, interval_s, retry_after, date } => {
                    let header = |name: &str| match name {
                        "retry-after" => *retry_after,
                        "date" => date.as_deref(),
                        _ => None,
                    };
                    machine.reply(Reply::Answer(Answer::new(*status, header, body.as_bytes())), Mono::new(now));
                    if *slow {
                        floor = (floor + secs(5)).max(secs(*interval_s).min(secs(life_s) / 2));
                    }
                }
                Happening::Lost(lost) => machine.reply(Reply::Lost(*lost), Mono::new(now)),
                // It learns of this from the next call, whose clock may have gone back to the sending.
                Happening::GivenUp => last_heard = sent,
            }
        }
    }
}
