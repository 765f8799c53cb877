//! Secrets as types: no `Display`, no `Serialize`, no `Clone`, a `Debug` that shows nothing, wiped when dropped.

use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

/// Why a text cannot be a secret of its kind. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSecret {
    /// Nothing there.
    Empty,
    /// A line break, another control character, a blank where none may be, or a character outside ASCII.
    NotPrintable,
}

impl fmt::Display for BadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::NotPrintable => "holds a character that does not belong there",
        })
    }
}

impl core::error::Error for BadSecret {}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $allowed:expr) => {
        $(#[$doc])*
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Takes `raw` over, whatever becomes of it: it is wiped when refused, too.
            ///
            /// # Errors
            /// Empty, or a character outside the set its standard gives it.
            pub fn parse(raw: String) -> Result<Self, BadSecret> {
                let raw = Zeroizing::new(raw);
                let allowed: fn(u8) -> bool = $allowed;
                match raw.as_str() {
                    "" => Err(BadSecret::Empty),
                    text if !text.bytes().all(allowed) => Err(BadSecret::NotPrintable),
                    _ => Ok(Self(raw)),
                }
            }

            /// The text itself. Search for callers to audit every use.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    };
}

secret!(
    /// What an API wants in its `Authorization` header.
    ///
    /// Printable ASCII without blanks, so that it can never end a header early. RFC 6750 section 2.1 allows fewer
    /// characters, but real ones break that (Salesforce puts a `!` in).
    AccessToken,
    |b| b.is_ascii_graphic()
);
secret!(
    /// What fetches the next access token; worth a sign-in (RFC 6749 section 1.5). Printable ASCII.
    RefreshToken,
    is_vschar
);
secret!(
    /// What polls (RFC 8628 section 3.2). Whoever has it gets the tokens once the person approves. Printable ASCII.
    DeviceCode,
    is_vschar
);
secret!(
    /// The client's secret (RFC 6749 section 2.3.1). One that ships in many devices is no secret: RFC 8628
    /// section 5.6. Printable ASCII.
    ClientSecret,
    is_vschar
);
secret!(
    /// OpenID Connect's statement about who approved, kept as it came: `header.claims.signature`.
    IdToken,
    |b| b.is_ascii_graphic()
);

/// VSCHAR of RFC 6749 appendix A: `%x20-7E`.
fn is_vschar(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}
