//! How things stand, in the shape that `rowkeeper status --json` prints. Read from disk; never touches the network.

use serde::{Serialize, Serializer};

/// Everything a person or a screen wants to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Of this shape; new members may be added under the same number.
    pub version: u32,
    /// The sign-in.
    pub grant: Grant,
    /// Where the rows go; `None` until the spreadsheet was created.
    pub sheet: Option<Sheet>,
    /// The outbox.
    pub queue: Queue,
    /// The courier.
    pub delivery: Delivery,
}

/// The sign-in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grant {
    /// See [`GrantState`].
    pub state: GrantState,
    /// Why a person has to act, if one has to.
    pub reason: Option<String>,
    /// The preset's name; `None` without a provider.
    pub provider: Option<String>,
    /// Who approved, where known.
    pub account: Option<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// When this sign-in ends by itself, where that is known; access tokens come and go without notice here.
    pub expires_at: Option<When>,
    /// The code that waits for its person.
    pub code: Option<Code>,
}

/// Where the sign-in stands. A network failure never leaves `SignedIn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Nobody ever approved this device.
    NeverSignedIn,
    /// A code is shown.
    WaitingForApproval,
    /// All is well.
    SignedIn,
    /// The grant is dead; records are kept until somebody approves again.
    MustSignInAgain,
    /// Client or configuration are wrong: approving again would not help.
    Misconfigured,
}

/// A pending code.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Code {
    /// What the person types, exactly as received.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// When the code dies.
    pub expires_at: When,
    /// The address with the code in it, where the provider gave one; not part of the JSON's contract, but of screens.
    #[serde(skip)]
    pub verification_uri_complete: Option<String>,
}

/// The spreadsheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// Google's id.
    pub spreadsheet_id: String,
    /// For a browser.
    pub url: String,
    /// The title it was created with.
    pub title: String,
}

/// The outbox in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Queue {
    /// Records on this device that are not in the sheet yet.
    pub waiting: u64,
    /// Records that the sheet refused for their content.
    pub set_aside: u64,
    /// What the waiting ones and those set aside take.
    pub bytes: u64,
    /// When the oldest waiting one was recorded.
    pub oldest: Option<When>,
    /// Ids of records that may or may not be in an earlier spreadsheet, which does not answer: they wait for it, or for a
    /// person's word. Not in the JSON where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_doubt: Vec<String>,
}

/// What the courier is doing, as far as the disk knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    /// See [`DeliveryState`].
    pub state: DeliveryState,
    /// When the next attempt is due.
    pub next_try_at: Option<When>,
    /// Why the last one failed, for people.
    pub last_error: Option<String>,
}

/// What the courier is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Nothing waits.
    Idle,
    /// A batch is under way.
    Sending,
    /// Rows wait: for the network, the quota, or for a delivery to be started.
    Waiting,
    /// A person must act first; `last_error` or the grant's reason says what to do.
    Blocked,
}

/// A moment, in milliseconds since 1970; in JSON as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct When(pub i64);

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::outbox::rfc3339(self.0, 0))
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_the_contract() {
        let status = Status {
            version: 1,
            grant: Grant {
                state: GrantState::WaitingForApproval,
                reason: None,
                provider: Some("google".into()),
                account: None,
                scopes: vec![],
                expires_at: None,
                code: Some(Code {
                    user_code: "WDJB-MJHT".into(),
                    verification_uri: "https://www.google.com/device".into(),
                    expires_at: When(1_795_368_600_000),
                    verification_uri_complete: None,
                }),
            },
            sheet: None,
            queue: Queue { waiting: 2, ..Queue::default() },
            delivery: Delivery { state: DeliveryState::Waiting, next_try_at: Some(When(0)), last_error: None },
        };
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            concat!(
                r#"{"version":1,"grant":{"state":"waiting_for_approval","reason":null,"provider":"google","account":null,"#,
                r#""scopes":[],"expires_at":null,"code":{"user_code":"WDJB-MJHT","#,
                r#""verification_uri":"https://www.google.com/device","expires_at":"2026-11-22T17:30:00Z"}},"sheet":null,"#,
                r#""queue":{"waiting":2,"set_aside":0,"bytes":0,"oldest":null},"#,
                r#""delivery":{"state":"waiting","next_try_at":"1970-01-01T00:00:00Z","last_error":null}}"#
            )
        );
    }
}
