//! A library where all is well, for tests and pictures of the clock's rules.

use rowkeeper::status::{Delivery, DeliveryState, Grant, GrantState, Queue, Status};

/// Signed in, and nothing waits.
pub(crate) fn signed_in() -> Status {
    let grant = Grant {
        state: GrantState::SignedIn,
        reason: None,
        provider: Some("google".into()),
        account: None,
        scopes: Vec::new(),
        expires_at: None,
        code: None,
    };
    let delivery = Delivery { state: DeliveryState::Idle, next_try_at: None, last_error: None };
    Status { version: 1, grant, sheet: None, queue: Queue::default(), delivery }
}
