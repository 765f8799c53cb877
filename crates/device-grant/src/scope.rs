//! Scopes: what access is asked for, and what was given.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A set of scopes, in the order given, each once. May be empty: then nothing is asked for and the provider decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

/// A text that is not a scope (RFC 6749 section 3.3: printable ASCII without blank, `"` and `\`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadScope(pub crate::Text);

impl Scopes {
    /// Asks for nothing in particular.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The scopes of a configuration. Repeated ones are taken once.
    ///
    /// # Errors
    /// Names the first one that is not a scope.
    pub fn parse<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Result<Self, BadScope> {
        let mut set = Self::none();
        for scope in scopes {
            let scope = scope.as_ref();
            if scope.is_empty() || !scope.bytes().all(is_scope_byte) {
                return Err(BadScope(crate::Text::clean(scope)));
            }
            set.add(scope);
        }
        Ok(set)
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `scope` is one of them. Case matters.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s == scope)
    }

    pub(crate) fn add(&mut self, scope: &str) {
        if !self.contains(scope) {
            self.0.push(scope.to_owned());
        }
    }

    pub(crate) fn join(&self, separator: &str) -> String {
        self.0.join(separator)
    }
}

pub(crate) fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.join(" "))
    }
}

impl fmt::Display for BadScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a scope: no blanks, quotes or characters outside ASCII", self.0)
    }
}

impl core::error::Error for BadScope {}
