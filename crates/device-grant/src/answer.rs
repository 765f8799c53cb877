//! What an answer says, classified on its words first and its status second.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

use serde_json::Value;

use crate::body::{self, Members};
use crate::client::Client;
use crate::dialect::Word;
use crate::error::{BadAnswer, OAuthError};
use crate::exchange::Answer;
use crate::secret::ClientSecret;
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

/// What it takes to understand an answer.
pub(crate) struct Reader<'a> {
    pub(crate) client: &'a Client,
    /// What bare statuses mean here.
    pub(crate) statuses: &'a [(u16, Word)],
    /// The code or token that was sent. Providers repeat it in their descriptions, and those are shown and logged.
    pub(crate) sent: &'a str,
}

impl Reader<'_> {
    /// Reads `answer`.
    pub(crate) fn read(&self, answer: &Answer<'_>) -> Said {
        let success = (200..300).contains(&answer.status);
        if let Some(members) = Members::of(answer) {
            if let Some(error) = self.error(&members, answer.status) {
                let dialect = &self.client.provider().dialect;
                let word = dialect.meaning(error.code.as_str()).or_else(|| transient(answer.status));
                return Said::Error { word, error, members: Some(members) };
            }
            if success {
                return Said::Object(members);
            }
        }
        match self.statuses.iter().find(|(status, _)| *status == answer.status) {
            Some((status, word)) => {
                let code = Text::clean("no error code");
                let error = OAuthError { status: *status, code, description: None, subtype: None };
                Said::Error { word: Some(*word), error, members: None }
            }
            None => Said::Noise,
        }
    }

    fn error(&self, members: &Members, status: u16) -> Option<OAuthError> {
        let (code, nested) = self.code(members, status)?;
        let description = members.text(&["error_description"]).or(nested.as_deref());
        Some(OAuthError {
            status,
            code: self.shown(&code),
            description: description.map(|text| self.shown(text)),
            subtype: members.text(&["error_subtype"]).map(|text| self.shown(text)),
        })
    }

    /// The error code, and a description if it came in the same object.
    fn code(&self, members: &Members, status: u16) -> Option<(String, Option<String>)> {
        match members.member(&["error"]) {
            Some(Value::Object(error)) => {
                let field = |name: &str| error.get(name).and_then(body::as_text);
                let code = ["error_subcode", "code", "type"].into_iter().find_map(field);
                return Some((code.unwrap_or_else(|| "unknown".to_owned()), field("message")));
            }
            Some(word) => {
                if let Some(code) = body::as_text(word) {
                    return Some((code, None));
                }
            }
            None => {}
        }
        // Other names are looked at only where something went wrong: `error_code: 0` and `message` come with success too.
        if (200..300).contains(&status) {
            return None;
        }
        let others = self.client.provider().dialect.error_members;
        let code = members.text_or_number(&["errorCode", "error_code"]).or_else(|| members.text_or_number(others));
        Some((code?, None))
    }

    /// `fault` without what nobody may see.
    pub(crate) fn shown_fault(&self, fault: BadAnswer) -> BadAnswer {
        match fault {
            BadAnswer::TokenType(kind) => BadAnswer::TokenType(self.shown(kind.as_str())),
            fault => fault,
        }
    }

    /// `text`, safe to show and without what nobody may see.
    fn shown(&self, text: &str) -> Text {
        let secret = self.client.secret().map_or("", ClientSecret::expose);
        let mut text = Cow::Borrowed(text);
        for secret in [self.sent, secret] {
            // Anything shorter is no secret, and would blot out half the text.
            if secret.len() >= 4 && text.contains(secret) {
                text = Cow::Owned(text.replace(secret, "(hidden)"));
            }
        }
        Text::clean(&text)
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
