//! What reaches a person, and the small parsers of texts.

use device_grant::{
    AccessToken, Account, ClientSecret, DeviceCode, IdToken, Provider, RefreshToken, Scopes, Text, UserCode,
};

/// Asserts that `text` may stand on a panel, in a terminal and in a log line: one line of a sane length, nothing that
/// acts on a terminal, turns the reading direction or cannot be seen.
pub(crate) fn assert_for_people(text: &str) {
    assert!(text.chars().count() <= 2500, "{} characters", text.chars().count());
    for c in text.chars() {
        let acts = c.is_control();
        let turns =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let hides = matches!(c, '\u{ad}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}');
        assert!(!acts && !turns && !hides, "{c:?} in {text:?}");
    }
}

pub(crate) fn assert_scopes(scopes: &Scopes) {
    let list: Vec<&str> = scopes.iter().collect();
    assert_eq!(Scopes::parse(scopes.to_string().split(' ').filter(|s| !s.is_empty())).as_ref(), Ok(scopes));
    assert!(list.iter().all(|scope| !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic())));
}

pub(crate) fn assert_account(account: &Account) {
    [&account.subject, &account.label].into_iter().flatten().for_each(|text| assert_for_people(text.as_str()));
}

/// Texts: codes, scopes, secrets, the claims of an id token, names of presets.
pub(crate) fn texts(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let clean = Text::clean(&raw);
    assert_for_people(clean.as_str());
    assert!(clean.as_str().chars().count() <= Text::MAX_CHARS + 1);
    if raw.chars().count() <= Text::MAX_CHARS {
        assert_eq!(Text::clean(clean.as_str()), clean, "clean once is clean for good");
    }
    if let Ok(code) = UserCode::parse(&raw) {
        assert_eq!(code.as_str(), raw, "a code is shown as it came");
        assert_for_people(code.as_str());
    }
    match Scopes::parse(raw.split_ascii_whitespace()) {
        Ok(scopes) => assert_scopes(&scopes),
        Err(bad) => assert_for_people(&bad.to_string()),
    }
    secrets(&raw);
    if let Ok(token) = IdToken::parse(raw.to_string())
        && let Some(account) = Account::of(&token)
    {
        assert_account(&account);
    }
    for base in [None, Some(&*raw)] {
        match Provider::preset(base.map_or(&*raw, |_| "keycloak"), base) {
            Ok(provider) => {
                let endpoints = [provider.endpoints.device_authorization(), provider.endpoints.token()];
                endpoints.into_iter().for_each(|url| assert_for_people(url.as_str()));
            }
            Err(error) => assert_for_people(&error.to_string()),
        }
    }
}

/// A secret goes into a header or a form as it came, so it must not be able to end one.
fn secrets(raw: &str) {
    let header_safe = |text: &str| {
        assert_eq!(text, raw);
        assert!(!text.is_empty() && text.bytes().all(|b| matches!(b, b' '..=b'~')));
    };
    if let Ok(token) = AccessToken::parse(raw.into()) {
        header_safe(token.expose());
        assert!(!token.expose().contains(' '));
        assert_eq!(format!("{token:?}"), "AccessToken(hidden)");
    }
    let _ = RefreshToken::parse(raw.into()).map(|token| header_safe(token.expose()));
    let _ = DeviceCode::parse(raw.into()).map(|code| header_safe(code.expose()));
    let _ = ClientSecret::parse(raw.into()).map(|secret| header_safe(secret.expose()));
}
