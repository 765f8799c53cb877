//! Any Google API from Rust, with the sign-in that the device has already.
//!
//! Google's generated crates (`google-sheets4`, `google-drive3`, `google-youtube3`, …) ask a
//! [`GetToken`] for their token. [`DeviceToken`] answers with rowkeeper's: refreshed by one process at a time,
//! kept through power cuts, shared with every other program on the device. Nobody is asked again.
//!
//! ```
//! use rowkeeper::Device;
//! use rowkeeper_google_apis::DeviceToken;
//!
//! fn auth(device: &Device) -> DeviceToken {
//!     DeviceToken::new(device.session()) // hand it to `Sheets::new(client, auth)`
//! }
//! ```
//!
//! `examples/sheets.rs` runs against the emulator.
//!
//! Not in here: the retries of [`rowkeeper::session::Session::call`], since the generated crates send by themselves;
//! and signing in, which `rowkeeper sign-in` or the daemon does.

use std::error::Error;
use std::pin::Pin;

use google_apis_common::GetToken;
use rowkeeper::session::Session;

/// What the trait wants; its own name for it is private.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Option<String>, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// The device's sign-in, as Google's generated crates want it. Clones are the same sign-in.
#[derive(Clone)]
pub struct DeviceToken(Session);

impl DeviceToken {
    /// Answers with the tokens of `session`.
    pub fn new(session: Session) -> Self {
        Self(session)
    }
}

impl GetToken for DeviceToken {
    /// A token that is good for a request now.
    ///
    /// What the caller names as scopes is not looked at: a device has the scopes its owner approved, and a request that
    /// needs others is answered by the API itself. Generated methods name a wide scope unless `add_scope` says otherwise.
    ///
    /// # Errors
    /// [`rowkeeper::session::TokenError`]: nobody signed in, the grant is dead, or no new token can be had now.
    fn get_token<'a>(&'a self, _scopes: &'a [&str]) -> Answer<'a> {
        let session = self.0.clone();
        Box::pin(async move {
            let bearer = tokio::task::spawn_blocking(move || session.bearer()).await??;
            Ok(Some(bearer.token.expose().to_owned()))
        })
    }
}
