//! The device authorization response (RFC 8628 section 3.2).

use core::time::Duration;

use crate::body::{Members, Round};
use crate::dialect::Dialect;
use crate::error::BadAnswer;
use crate::prompt::{Prompt, UserCode};
use crate::secret::DeviceCode;
use crate::time::Mono;
use crate::url::{BadUrl, Url};

/// What the provider gave: a code to poll with, a code to show, and how often to poll.
pub(crate) struct DeviceAnswer {
    pub(crate) code: DeviceCode,
    pub(crate) prompt: Prompt,
    pub(crate) interval: Duration,
}

/// RFC 8628 section 3.2: "if no value is provided, clients MUST use 5".
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

impl DeviceAnswer {
    /// Reads the answer to a request that left at `sent`: lives count from there, so our deadline is never late.
    pub(crate) fn read(members: &mut Members, dialect: &Dialect, sent: Mono) -> Result<Self, BadAnswer> {
        let code = members.take(&["device_code", "deviceCode", "code"]).ok_or(BadAnswer::Missing("device_code"))?;
        let code = DeviceCode::parse(code).map_err(|_| BadAnswer::Unusable("device_code"))?;
        let user_code = members.text_or_number(&["user_code", "userCode"]).ok_or(BadAnswer::Missing("user_code"))?;
        // Shown as it came or not at all: an altered code would be typed altered.
        let user_code = UserCode::parse(&user_code).map_err(|_| BadAnswer::Unusable("user_code"))?;
        let verification_uri = verification_uri(members)?;
        let expires_in = expires_in(members, dialect)?;
        Ok(Self {
            code,
            interval: interval(members, expires_in),
            prompt: Prompt {
                user_code,
                verification_uri,
                verification_uri_complete: uri_complete(members),
                deadline: sent + expires_in,
                expires_in,
            },
        })
    }
}

/// Google, Trakt, Baidu and old Azure AD say `verification_url`, AWS `verificationUri`.
fn verification_uri(members: &Members) -> Result<Url, BadAnswer> {
    let mut refused: Option<BadUrl> = None;
    for name in ["verification_uri", "verification_url", "verificationUri"] {
        match members.text(&[name]).map(Url::parse) {
            Some(Ok(url)) => return Ok(url),
            Some(Err(why)) => refused = refused.or(Some(why)),
            None => {}
        }
    }
    Err(refused.map_or(BadAnswer::Missing("verification_uri"), BadAnswer::BadVerificationUri))
}

/// Optional, so a bad one is left out rather than an error. Baidu's `qrcode_url` is the address of a picture: not this.
fn uri_complete(members: &Members) -> Option<Url> {
    ["verification_uri_complete", "verification_url_complete", "verificationUriComplete"]
        .into_iter()
        .find_map(|name| Url::parse(members.text(&[name])?).ok())
}

fn expires_in(members: &Members, dialect: &Dialect) -> Result<Duration, BadAnswer> {
    let names = &["expires_in", "expiresIn"];
    let default = Duration::from_secs(dialect.default_expires_in_s.into());
    match members.seconds(names, Round::Down) {
        Some(life) => Ok(life),
        None if !default.is_zero() => Ok(default),
        None if members.member(names).is_some() => Err(BadAnswer::Unusable("expires_in")),
        None => Err(BadAnswer::Missing("expires_in")),
    }
}

/// Zero or nonsense count as absent. No interval may be longer than half the life: there would be no second poll.
fn interval(members: &Members, expires_in: Duration) -> Duration {
    let given = members.seconds(&["interval"], Round::Up).filter(|interval| !interval.is_zero());
    let interval = given.unwrap_or(DEFAULT_INTERVAL);
    if interval > expires_in { expires_in / 2 } else { interval }
}
