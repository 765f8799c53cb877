//! Using an access token (RFC 6750).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::scope::Scopes;
use crate::secret::AccessToken;

/// The value of the `Authorization` header. Send the token there and nowhere else: never in a query or a body.
pub fn authorization(token: &AccessToken) -> Zeroizing<String> {
    let mut header = Zeroizing::new(String::with_capacity(7 + token.expose().len()));
    header.push_str("Bearer ");
    header.push_str(token.expose());
    header
}

/// What an API's status means for the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenVerdict {
    /// The answer is not about the token.
    Accepted,
    /// Refresh once (unless another call did meanwhile: compare the token that failed with the current one), repeat the
    /// call once. If that fails too, report it.
    Stale,
    /// The token is good but may not do this. Refreshing is no use: the grant lacks these scopes, if the API named any.
    InsufficientScope(Scopes),
    /// The request is malformed: a bug of the caller, repeating is no use.
    BadRequest,
}

/// Reads an API's refusal. `www_authenticate` is every header of that name; servers forget it, so a bare 401 is enough.
pub fn verdict<'a>(status: u16, www_authenticate: impl IntoIterator<Item = &'a str>) -> TokenVerdict {
    let challenges: Vec<Challenge> = www_authenticate.into_iter().flat_map(challenges).collect();
    let bearer = challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"));
    let parameter = |name| bearer.and_then(|challenge| challenge.parameter(name));
    match (status, parameter("error")) {
        (_, Some("insufficient_scope")) => {
            let named = parameter("scope").unwrap_or_default();
            TokenVerdict::InsufficientScope(Scopes::parse(named.split_ascii_whitespace()).unwrap_or_default())
        }
        (400, Some("invalid_request")) => TokenVerdict::BadRequest,
        (401, _) => TokenVerdict::Stale,
        _ => TokenVerdict::Accepted,
    }
}

/// One challenge of a `WWW-Authenticate` header (RFC 9110 section 11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `Bearer`, `Basic`, `DPoP`, …
    pub scheme: String,
    /// Names and values, as they came, quotes taken off. A value is not safe to show as it is.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The first parameter of that name; case does not matter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// All challenges in one header. A header may hold several, with commas between them as between their parameters; what
/// makes no sense is left out.
pub fn challenges(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header.trim_start_matches(is_between);
    while !rest.is_empty() {
        let (word, after) = token(rest);
        if word.is_empty() {
            rest = rest[first_char_len(rest)..].trim_start_matches(is_between);
            continue;
        }
        let blank = after.trim_start_matches([' ', '\t']);
        rest = match blank.strip_prefix('=') {
            // `name = value`; anything else is a scheme, or a scheme's token68, which has no name.
            Some(value) if !value.starts_with('=') => {
                let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']));
                if let Some(challenge) = challenges.last_mut() {
                    challenge.parameters.push((word.to_owned(), value));
                }
                after
            }
            _ => {
                challenges.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                blank
            }
        }
        .trim_start_matches(is_between);
    }
    challenges
}

fn is_between(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',')
}

fn first_char_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// A token (RFC 9110 section 5.6.2) from the front, and what follows it.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A quoted string without its quotes and backslashes, or whatever stands before the next comma or blank.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(is_between).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}
