//! From the library's state to what the screen says.

use std::time::Duration;

use rowkeeper::clock::Wall;
use rowkeeper::status::{DeliveryState, GrantState, Status};
use rowkeeper_panel::{Queue, Screen, SignIn};

/// The screen for a device in this state. A code is on it only while it lives.
pub fn screen(status: &Status, now: Wall) -> Screen {
    let grant = &status.grant;
    let reason = |otherwise: &str| grant.reason.clone().unwrap_or_else(|| otherwise.into());
    match (grant.state, &grant.code) {
        (GrantState::WaitingForApproval, Some(code)) => {
            let left_ms = u64::try_from(code.expires_at.0.saturating_sub(now.unix_ms)).unwrap_or(0);
            Screen::SignIn(SignIn {
                code: code.user_code.clone(),
                address: code.verification_uri.clone(),
                complete_address: code.verification_uri_complete.clone(),
                time_left: Duration::from_millis(left_ms),
                reason: grant.reason.clone(),
            })
        }
        (GrantState::NeverSignedIn | GrantState::WaitingForApproval, _) => match &grant.reason {
            Some(reason) => Screen::Attention { title: "Not signed in".into(), advice: reason.clone() },
            None => Screen::Connecting { to: grant.provider.clone().unwrap_or_else(|| "the network".into()) },
        },
        (GrantState::MustSignInAgain, _) => {
            Screen::Attention { title: "Sign in again".into(), advice: reason("run rowkeeper sign-in") }
        }
        (GrantState::Misconfigured, _) => {
            Screen::Attention { title: "Configuration".into(), advice: reason("run rowkeeper status") }
        }
        (GrantState::SignedIn, _) => signed_in(status),
    }
}

fn signed_in(status: &Status) -> Screen {
    if let (DeliveryState::Blocked, Some(advice)) = (status.delivery.state, &status.delivery.last_error) {
        return Screen::Attention { title: "Rows wait".into(), advice: advice.clone() };
    }
    Screen::Ready {
        title: status.sheet.as_ref().map_or_else(|| "Signed in".into(), |sheet| sheet.title.clone()),
        // What the owner should know while there is time comes before who the owner is.
        lines: status.grant.reason.iter().chain(&status.grant.account).cloned().collect(),
        queue: Queue { waiting: status.queue.waiting, set_aside: status.queue.set_aside },
    }
}

#[cfg(test)]
mod tests {
    use rowkeeper::status::{Code, Delivery, Grant, When};

    use super::*;

    const NOW: Wall = Wall { unix_ms: 1_000_000, trusted: true };

    fn status(state: GrantState, reason: Option<&str>) -> Status {
        Status {
            version: 1,
            grant: Grant {
                state,
                reason: reason.map(Into::into),
                provider: Some("google".into()),
                account: None,
                scopes: Vec::new(),
                expires_at: None,
                code: None,
            },
            sheet: None,
            queue: rowkeeper::status::Queue::default(),
            delivery: Delivery { state: DeliveryState::Idle, next_try_at: None, last_error: None },
        }
    }

    #[test]
    fn a_pending_code_is_shown_with_the_time_it_has_left() {
        let mut waiting = status(GrantState::WaitingForApproval, None);
        waiting.grant.code = Some(Code {
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://v.example".into(),
            expires_at: When(1_090_000),
            verification_uri_complete: None,
        });
        let Screen::SignIn(shown) = screen(&waiting, NOW) else { panic!() };
        assert_eq!((shown.code.as_str(), shown.time_left), ("WDJB-MJHT", Duration::from_secs(90)));
    }

    #[test]
    fn whoever_must_act_is_told_why() {
        for (state, title) in [
            (GrantState::MustSignInAgain, "Sign in again"),
            (GrantState::Misconfigured, "Configuration"),
            (GrantState::NeverSignedIn, "Not signed in"),
        ] {
            let Screen::Attention { title: shown, advice } = screen(&status(state, Some("because")), NOW) else {
                panic!()
            };
            assert_eq!((shown.as_str(), advice.as_str()), (title, "because"));
        }
        let mut blocked = status(GrantState::SignedIn, None);
        blocked.delivery =
            Delivery { state: DeliveryState::Blocked, next_try_at: None, last_error: Some("gone".into()) };
        assert!(matches!(screen(&blocked, NOW), Screen::Attention { advice, .. } if advice == "gone"));
    }
}
