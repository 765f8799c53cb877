//! Who approved, read from an id token.

use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::body::Members;
use crate::secret::IdToken;
use crate::text::Text;

/// Who approved. To be shown: a tricked device is bound to somebody else's account (RFC 8628 section 5.4).
///
/// The signature is not checked: the token came straight from the token endpoint over TLS (OpenID Connect Core
/// section 3.1.3.7, item 6). Never read one that came any other way with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `sub`: stable, unique at the issuer.
    pub subject: Option<Text>,
    /// `email`, else `preferred_username`, else `name`.
    pub label: Option<Text>,
}

impl Account {
    /// Reads the claims; `None` if there are none to read.
    pub fn of(token: &IdToken) -> Option<Self> {
        let claims = token.expose().split('.').nth(1)?;
        let json: Vec<u8> = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        let claims = Members::json(&json)?;
        let text = |name| claims.text(&[name]).map(Text::clean);
        let label = text("email").or_else(|| text("preferred_username")).or_else(|| text("name"));
        Some(Self { subject: text("sub"), label })
            .filter(|account| account.subject.is_some() || account.label.is_some())
    }
}
