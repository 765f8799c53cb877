//! Bad days on purpose.
//!
//! Rules are tried in order; the first that matches and is not used up decides. Rules never touch `/_emulator/…`.

use serde::{Deserialize, Serialize};

use crate::{random::Random, wire::Request};

/// When something happens to a request, and what.
///
/// ```
/// let rule: google_emulator::Rule = serde_json::from_str(
///     r#"{"method": "POST", "path": ":batchUpdate", "nth": 2, "action": {"do": "status", "status": 503, "when": "after"}}"#,
/// )?;
/// # assert_eq!(rule.nth, Some(2));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only targets (path and query) that contain this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only requests of this account, by their access token, or by the refresh token of a refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only bodies that contain this, such as `grant_type=refresh_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Only the nth matching request, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Not the first so many matching requests.
    #[serde(default)]
    pub skip: u64,
    /// At most so many times; without it for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// With this probability, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// Decides what `probability` leaves open.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub action: Action,
    /// Matching requests so far; reported, not needed on input.
    #[serde(default)]
    pub seen: u64,
    /// How often it struck; reported, not needed on input.
    #[serde(default)]
    pub struck: u64,
}

fn always() -> f64 {
    1.0
}

/// Whether the request still changed the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing was applied.
    #[default]
    Before,
    /// The request was applied in full; only the answer suffers.
    After,
}

/// What a rule does to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answer with this status, as JSON in Google's form unless a body is given.
    Status {
        /// Such as 503.
        status: u16,
        /// Before by default.
        #[serde(default)]
        when: When,
        /// Instead of Google's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Of `body`; JSON by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// `Retry-After`, which Google does not send.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// Answer with Google's HTML error page and this status.
    Html {
        /// Such as 502; 200 for a captive portal.
        status: u16,
        /// Before by default.
        #[serde(default)]
        when: When,
    },
    /// Close the connection without an answer.
    Drop {
        /// Before by default.
        #[serde(default)]
        when: When,
    },
    /// Reset the connection without an answer.
    Reset {
        /// Before by default.
        #[serde(default)]
        when: When,
    },
    /// Apply at once, answer later.
    Delay {
        /// How much later.
        seconds: f64,
    },
    /// Reset the connection now, apply the request when the model's clock has advanced.
    Late {
        /// How long after the reset the request lands.
        seconds: f64,
    },
    /// Apply, then send only the first bytes of the body.
    Truncate {
        /// Bytes of the body that arrive.
        bytes: usize,
    },
    /// Apply, then answer slowly.
    Slow {
        /// At least 1.
        bytes_per_second: u32,
    },
    /// Refuse with the 429 body of the write (or read) quota, without applying.
    Quota,
    /// The access token of this request dies first, as when Google forgets it; a refresh brings another.
    ExpireToken,
    /// The owner revokes the app first: access and refresh token are dead.
    RevokeGrant,
    /// The spreadsheet that the path names is deleted for ever first.
    DeleteSpreadsheet,
}

/// The current rules. In JSON: `{"rules": […], "idle_close_seconds": 4}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Tried in order.
    pub rules: Vec<Rule>,
    /// Kept connections are closed without notice after so long without a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_close_seconds: Option<f64>,
    /// TLS handshakes fail; for servers that speak TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_failure: Option<TlsFailure>,
}

/// How TLS handshakes fail, and how often. New connections only: what is open stays open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFailure {
    /// In which way.
    pub kind: TlsFailureKind,
    /// At most so many handshakes; without it for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// See [`TlsFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsFailureKind {
    /// The server refuses with the fatal alert `handshake_failure`.
    Alert,
    /// The connection is reset after the client's first message.
    Reset,
    /// The server answers with something that is no TLS, as a captive portal's plain http does.
    Garbage,
    /// The certificate is of an authority that nobody trusts.
    Untrusted,
}

/// As many rules as anybody needs; each request looks at all of them.
const MOST_RULES: usize = 256;

impl Faults {
    /// Adds to what is there. False if that would be too many rules.
    pub(crate) fn extend(&mut self, more: Faults) -> bool {
        if self.rules.len() + more.rules.len() > MOST_RULES {
            return false;
        }
        self.rules.extend(more.rules);
        self.idle_close_seconds = more.idle_close_seconds.or(self.idle_close_seconds);
        if more.tls_failure.is_some() {
            self.tls_failure = more.tls_failure;
        }
        true
    }

    /// `account`: whose request it is; only asked for if a rule wants to know.
    pub(crate) fn judge(&mut self, request: &Request, account: impl Fn() -> Option<String>) -> Option<Action> {
        self.rules.iter_mut().find_map(|rule| rule.strikes(request, &account).then(|| rule.action.clone()))
    }

    /// How the next handshake fails, if it does.
    pub(crate) fn next_handshake(&mut self) -> Option<TlsFailureKind> {
        let failure = self.tls_failure.as_mut()?;
        let kind = failure.kind;
        match &mut failure.times {
            None => Some(kind),
            Some(left) => {
                let strikes = *left > 0;
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.tls_failure = None;
                }
                strikes.then_some(kind)
            }
        }
    }
}

impl Rule {
    /// A rule for every request.
    pub fn new(action: Action) -> Self {
        Self {
            method: None,
            path: None,
            account: None,
            body: None,
            nth: None,
            skip: 0,
            times: None,
            probability: 1.0,
            seed: 0,
            action,
            seen: 0,
            struck: 0,
        }
    }

    fn strikes(&mut self, request: &Request, account: &impl Fn() -> Option<String>) -> bool {
        if !self.matches(request) || (self.account.is_some() && self.account != account()) {
            return false;
        }
        self.seen += 1;
        let due = self.nth.is_none_or(|nth| nth == self.seen)
            && self.seen > self.skip
            && self.times.is_none_or(|times| self.struck < times)
            && (self.probability >= 1.0 || self.draw().chance(self.probability));
        self.struck += u64::from(due);
        due
    }

    /// One generator per call, so that a rule has no hidden state beside its counters.
    fn draw(&self) -> Random {
        Random::seeded(self.seed ^ self.seen.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn matches(&self, request: &Request) -> bool {
        let contains = |part: &str| {
            let part = part.as_bytes();
            part.is_empty() || request.body.windows(part.len()).any(|window| window == part)
        };
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
            && self.path.as_ref().is_none_or(|path| request.target.contains(path.as_str()))
            && self.body.as_deref().is_none_or(contains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(rule: Rule, calls: usize) -> Vec<usize> {
        let mut faults = Faults { rules: vec![rule], ..Faults::default() };
        let request = Request::form("/token", &[("grant_type", "refresh_token")]);
        (1..=calls).filter(|_| faults.judge(&request, || Some("maker@example.com".into())).is_some()).collect()
    }

    #[test]
    fn a_rule_counts_matching_requests_only() {
        let rule = Rule::new(Action::Quota);
        for (rule, expected) in [
            (rule.clone(), vec![1, 2, 3, 4, 5]),
            (Rule { nth: Some(2), ..rule.clone() }, vec![2]),
            (Rule { skip: 3, ..rule.clone() }, vec![4, 5]),
            (Rule { skip: 1, times: Some(2), ..rule.clone() }, vec![2, 3]),
            (Rule { method: Some("get".into()), ..rule.clone() }, vec![]),
            (Rule { path: Some("/tok".into()), nth: Some(1), ..rule.clone() }, vec![1]),
            (Rule { body: Some("grant_type=refresh".into()), times: Some(1), ..rule.clone() }, vec![1]),
            (Rule { body: Some("device".into()), ..rule.clone() }, vec![]),
            (Rule { account: Some("maker@example.com".into()), ..rule.clone() }, vec![1, 2, 3, 4, 5]),
            (Rule { account: Some("other@example.com".into()), ..rule.clone() }, vec![]),
            (Rule { probability: 0.0, ..rule.clone() }, vec![]),
        ] {
            assert_eq!(struck(rule.clone(), 5), expected, "{rule:?}");
        }
    }

    #[test]
    fn chance_is_repeatable_and_fair() {
        let rule = Rule { probability: 0.3, seed: 7, ..Rule::new(Action::Quota) };
        let struck_once = struck(rule.clone(), 10_000);
        assert_eq!(struck_once, struck(rule, 10_000));
        assert!((2_800..3_200).contains(&struck_once.len()), "{}", struck_once.len());
    }
}
