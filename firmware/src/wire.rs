//! The network and the provider behind it: a list of what must be asked and what is answered.

use core::time::Duration;

use device_grant::{Mono, Request};

/// One exchange.
struct Exchange {
    to: &'static str,
    /// What the request's body must hold.
    holds: &'static [&'static str],
    /// No sooner than so many seconds after the answer before it (or after the power came back).
    gap_s: u64,
    /// `None`: the power is cut while the device waits for the answer.
    answer: Option<(u16, &'static str)>,
}

const DEVICE: &str = "https://oauth2.googleapis.com/device/code";
const TOKEN: &str = "https://oauth2.googleapis.com/token";
const POLL: &[&str] = &[
    "client_id=1234.apps.example",
    "client_secret=GOCSPX-firmware",
    "device_code=AH-1Ng3k",
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code",
];
const PENDING: Option<(u16, &str)> =
    Some((428, r#"{"error":"authorization_pending","error_description":"Precondition Required"}"#));

/// As Google answers (its page on limited-input devices), with what a device meets on the way.
const STORY: &[Exchange] = &[
    Exchange {
        to: DEVICE,
        holds: &["client_id=1234.apps.example", "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdrive.file"],
        gap_s: 0,
        answer: Some((
            200,
            r#"{"device_code":"AH-1Ng3k","user_code":"GQVQ-JKEC","expires_in":1800,"interval":5,
                "verification_url":"https://www.google.com/device"}"#,
        )),
    },
    Exchange { to: TOKEN, holds: POLL, gap_s: 5, answer: PENDING },
    Exchange { to: TOKEN, holds: POLL, gap_s: 5, answer: None },
    // No clock survived the power cut, so the whole gap is waited again; a lost answer makes it longer.
    Exchange { to: TOKEN, holds: POLL, gap_s: 5, answer: PENDING },
    Exchange {
        to: TOKEN,
        holds: POLL,
        gap_s: 5,
        answer: Some((403, r#"{"error":"slow_down","error_description":"Forbidden"}"#)),
    },
    Exchange { to: TOKEN, holds: POLL, gap_s: 10, answer: Some((502, "<!DOCTYPE html><title>502</title>")) },
    Exchange {
        to: TOKEN,
        holds: POLL,
        gap_s: 10,
        answer: Some((
            200,
            r#"{"access_token":"ya29.first","expires_in":3599,"refresh_token":"1//firmware","token_type":"Bearer",
                "scope":"https://www.googleapis.com/auth/drive.file",
                "id_token":"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMTAiLCJlbWFpbCI6Im1ha2VyQGV4YW1wbGUuY29tIn0.c2ln"}"#,
        )),
    },
    Exchange {
        to: TOKEN,
        holds: &["grant_type=refresh_token", "refresh_token=1%2F%2Ffirmware"],
        gap_s: 3000,
        answer: Some((
            200,
            r#"{"access_token":"ya29.second","expires_in":3599,"token_type":"Bearer",
                "scope":"https://www.googleapis.com/auth/drive.file"}"#,
        )),
    },
];

/// Where the story is.
#[derive(Default)]
pub(crate) struct Wire {
    told: usize,
    answered_at: Mono,
}

impl Wire {
    /// One request and its answer; `None` if the power is cut meanwhile.
    pub(crate) fn exchange(&mut self, request: &Request, now: Mono) -> Option<(u16, &'static str)> {
        let exchange = STORY.get(self.told).expect("no request after the end of the story");
        self.told += 1;
        let body = core::str::from_utf8(&request.body).expect("a form is ASCII");
        assert_eq!(request.url, exchange.to, "request {}", self.told);
        for part in exchange.holds {
            assert!(body.split('&').any(|pair| pair == *part), "request {} has no {part}", self.told);
        }
        let gap = now.since(self.answered_at);
        assert!(gap >= Duration::from_secs(exchange.gap_s), "request {} came after {gap:?}", self.told);
        self.answered_at = if exchange.answer.is_some() { now } else { Mono::default() };
        exchange.answer
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.told == STORY.len()
    }
}
