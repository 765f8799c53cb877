//! What the sign-in's requests were answered, without a secret: the library does the sign-in, this looks on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rowkeeper::http::{Http, Lost, Request, Response, Timeouts};
use serde_json::Value;

/// An HTTP client that remembers how device, token and revocation requests were answered.
pub struct Watched {
    inner: Arc<dyn Http>,
    seen: Mutex<Vec<Seen>>,
}

/// An answer of the provider. Values that could be secret are not in it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) status: u16,
    /// Names of all members; values only of those that are no secret.
    pub(crate) members: BTreeMap<String, Option<Value>>,
}

/// Members whose values may be shown.
const SHOWN: [&str; 9] = [
    "error",
    "error_code",
    "error_description",
    "expires_in",
    "interval",
    "refresh_token_expires_in",
    "scope",
    "token_type",
    "verification_url",
];

impl Seen {
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.members.get(member)?.as_ref()?.as_str()
    }

    pub(crate) fn number(&self, member: &str) -> Option<i64> {
        self.members.get(member)?.as_ref()?.as_i64()
    }

    pub(crate) fn of(path: &str, answer: &Response) -> Self {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let members = body.as_object().into_iter().flatten();
        let shown =
            |(name, value): (&String, &Value)| (name.clone(), SHOWN.contains(&name.as_str()).then(|| value.clone()));
        Self { path: path.to_owned(), status: answer.status, members: members.map(shown).collect() }
    }
}

impl Watched {
    /// Looks on while `inner` is used.
    pub fn new(inner: Arc<dyn Http>) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    /// The answers of paths that end with this, oldest first.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|seen| seen.path.ends_with(path)).cloned().collect()
    }
}

impl Http for Watched {
    fn send(&self, request: &Request, timeouts: &Timeouts) -> Result<Response, Lost> {
        let answer = self.inner.send(request, timeouts)?;
        if ["/device/code", "/token", "/revoke"].iter().any(|path| request.url.ends_with(path)) {
            let seen = Seen::of(&request.url, &answer);
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        }
        Ok(answer)
    }
}
