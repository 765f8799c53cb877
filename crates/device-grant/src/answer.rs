//! What an answer says, classified on its words first and its status second.

use alloc::string::{String, ToString};

use serde_json::Value;

use crate::body::{self, Members};
use crate::dialect::{Dialect, Word};
use crate::error::OAuthError;
use crate::exchange::Answer;
use crate::text::Text;

/// What an answer says.
pub(crate) enum Said {
    /// A success status and a JSON object without an error.
    Object(Members),
    /// An error, in the provider's words.
    Error {
        /// What it means, if anybody told us.
        word: Option<Word>,
        /// The words.
        error: OAuthError,
        /// The whole object: GitHub's `slow_down` carries the new `interval`.
        members: Option<Members>,
    },
    /// Nothing that an OAuth server says: HTML of a proxy, an empty body, a cut one.
    Noise,
}

/// Reads `answer`; `statuses` is what bare statuses mean here.
pub(crate) fn read(dialect: &Dialect, statuses: &[(u16, Word)], answer: &Answer<'_>) -> Said {
    let success = (200..300).contains(&answer.status);
    let members = Members::of(answer);
    if let Some(members) = members {
        if let Some(error) = error(dialect, &members, answer.status) {
            let word = dialect.meaning(error.code.as_str()).or_else(|| transient(answer.status));
            return Said::Error { word, error, members: Some(members) };
        }
        if success {
            return Said::Object(members);
        }
    }
    match statuses.iter().find(|(status, _)| *status == answer.status) {
        Some((status, word)) => Said::Error {
            word: Some(*word),
            error: OAuthError { status: *status, code: Text::clean("no error code"), description: None, subtype: None },
            members: None,
        },
        None => Said::Noise,
    }
}

/// Statuses that say "not now", should the words say nothing we know.
fn transient(status: u16) -> Option<Word> {
    matches!(status, 408 | 425 | 429 | 500..=599).then_some(Word::Transient)
}

/// Whether an answer without words may come from somebody in between, or from a server that is down.
pub(crate) fn may_pass(status: u16) -> bool {
    transient(status).is_some() || (200..300).contains(&status)
}

fn error(dialect: &Dialect, members: &Members, status: u16) -> Option<OAuthError> {
    let (code, nested) = code(dialect, members)?;
    let description = members.text(&["error_description"]).or(nested.as_deref());
    Some(OAuthError {
        status,
        code: Text::clean(&code),
        description: description.map(Text::clean),
        subtype: members.text(&["error_subtype"]).map(Text::clean),
    })
}

/// The error code, and a description if it came in the same object.
fn code(dialect: &Dialect, members: &Members) -> Option<(String, Option<String>)> {
    match members.member(&["error"]) {
        Some(Value::Object(error)) => {
            let field = |name: &str| error.get(name).and_then(body::as_text);
            let code = ["error_subcode", "code", "type"].into_iter().find_map(field);
            return Some((code.unwrap_or_else(|| "unknown".to_string()), field("message")));
        }
        Some(word) => {
            if let Some(code) = body::as_text(word) {
                return Some((code, None));
            }
        }
        None => {}
    }
    if members.text(&["access_token", "accessToken"]).is_some() {
        return None;
    }
    let code = members
        .text_or_number(&["errorCode", "error_code"])
        .or_else(|| dialect.error_members.iter().find_map(|name| members.text_or_number(&[name])));
    Some((code?, None))
}
