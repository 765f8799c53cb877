//! A grant that waits for its person, over a restart.
//!
//! The sealed form is a flat JSON object of strings. Times in it are relative to the moment of sealing, which is kept on
//! every clock the caller has, so that a reboot, a clock that jumps and a board without a clock are all told apart.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::body::Members;
use crate::client::Client;
use crate::error::SignInError;
use crate::grant::Grant;
use crate::pace::Pace;
use crate::pkce::Pkce;
use crate::prompt::{Prompt, UserCode};
use crate::scope::Scopes;
use crate::secret::DeviceCode;
use crate::time::{Mono, Stamp};
use crate::url::Url;
use crate::wire::Params;

/// A sealed grant, read back. Holds the device code.
#[derive(Debug)]
pub struct Pending {
    client_id: String,
    token_endpoint: Url,
    code: DeviceCode,
    user_code: UserCode,
    verification_uri: Url,
    verification_uri_complete: Option<Url>,
    scopes: Scopes,
    pkce: Option<Pkce>,
    /// The code's whole life.
    expires_in: Duration,
    /// Of it, what was left.
    remaining: Duration,
    /// How long the next poll had to wait.
    next_poll_in: Duration,
    pace: Pace,
    /// The provider's date, and how long before the sealing it came.
    date: Option<(i64, Duration)>,
    /// A poll was under way: its answer is lost.
    in_flight: bool,
    /// An answer was lost before.
    unsure: bool,
    sealed_at: Stamp,
}

const VERSION: &str = "1";

/// Writes `grant` down as of `now`.
pub(crate) fn seal(grant: &Grant, client: &Client, now: &Stamp) -> Zeroizing<Vec<u8>> {
    let Grant { code, prompt, scopes, pkce, pace, next_poll, in_flight, unsure, .. } = grant;
    // All spans count from the moment as it is written, so that what is rounded here is not rounded again at every
    // restart.
    let mono = Mono::new(Duration::from_millis(u64::try_from(now.mono.since_origin().as_millis()).unwrap_or(u64::MAX)));
    let mut members = Params::new();
    members.add("version", VERSION);
    members.add("client_id", client.id());
    members.add("token_endpoint", client.provider().endpoints.token().as_str());
    members.add("device_code", code.expose());
    members.add("user_code", prompt.user_code.as_str());
    members.add("verification_uri", prompt.verification_uri.as_str());
    members.add("verification_uri_complete", prompt.verification_uri_complete.as_ref().map_or("", Url::as_str));
    members.add("scopes", scopes.join(" "));
    members.add("code_verifier", pkce.as_ref().map_or("", Pkce::verifier));
    members.add("expires_in_ms", ms(prompt.expires_in));
    members.add("remaining_ms", ms(prompt.deadline.since(mono)));
    // A millisecond more: a wait that is rounded down at every restart would creep below the floor.
    members.add("next_poll_in_ms", ms(next_poll.since(mono).saturating_add(Duration::from_millis(1))));
    members.add("interval_ms", ms(pace.floor));
    members.add("drift_permille", pace.scale_permille.to_string());
    members.add("misses", pace.misses.to_string());
    members.add("slow_downs", pace.slowed.to_string());
    if let Some((unix_s, at)) = pace.date {
        members.add("server_date_s", unix_s.to_string());
        members.add("server_date_age_ms", ms(mono.since(at)));
    }
    members.add("in_flight", if in_flight.is_some() { "yes" } else { "no" });
    members.add("answer_lost", if *unsure { "yes" } else { "no" });
    members.add("boot_id", now.boot_id.as_deref().unwrap_or_default());
    members.add("mono_ms", ms(mono.since_origin()));
    members.add("unix_ms", now.unix_ms.map(|ms| ms.to_string()).unwrap_or_default());
    members.json(|name| Cow::Borrowed(name))
}

impl Pending {
    /// Reads what [`crate::SignIn::seal`] wrote.
    ///
    /// # Errors
    /// It is not that; keep it aside and start a new sign-in.
    pub fn unseal(sealed: &[u8]) -> Result<Self, DamagedPending> {
        Members::json(sealed).and_then(|mut members| Self::read(&mut members)).ok_or(DamagedPending)
    }

    fn read(members: &mut Members) -> Option<Self> {
        if members.text(&["version"])? != VERSION {
            return None;
        }
        let pace = Pace::resumed(
            duration(members, "interval_ms")?,
            number(members, "drift_permille")?,
            number(members, "misses")?,
            number(members, "slow_downs").unwrap_or_default(),
        );
        let date = number(members, "server_date_s").zip(duration(members, "server_date_age_ms"));
        let optional_url = |name: &str| members.text(&[name]).map(Url::parse).transpose().ok();
        let yes = |name: &str| match members.text(&[name])? {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        Some(Self {
            client_id: members.text(&["client_id"])?.to_owned(),
            token_endpoint: Url::parse(members.text(&["token_endpoint"])?).ok()?,
            user_code: UserCode::parse(members.text(&["user_code"])?).ok()?,
            verification_uri: Url::parse(members.text(&["verification_uri"])?).ok()?,
            verification_uri_complete: optional_url("verification_uri_complete")?,
            scopes: Scopes::parse(members.text(&["scopes"]).unwrap_or_default().split_ascii_whitespace()).ok()?,
            expires_in: duration(members, "expires_in_ms")?,
            remaining: duration(members, "remaining_ms")?,
            next_poll_in: duration(members, "next_poll_in_ms")?,
            pace,
            date,
            in_flight: yes("in_flight")?,
            unsure: yes("answer_lost")?,
            sealed_at: Stamp {
                mono: Mono::new(duration(members, "mono_ms")?),
                boot_id: members.text(&["boot_id"]).map(str::to_owned),
                unix_ms: members.text(&["unix_ms"]).map(str::parse).transpose().ok()?,
            },
            pkce: match members.take(&["code_verifier"]) {
                Some(verifier) => Some(Pkce::from_verifier(verifier)?),
                None => None,
            },
            code: DeviceCode::parse(members.take(&["device_code"])?).ok()?,
        })
    }

    /// What the person types.
    pub fn user_code(&self) -> &UserCode {
        &self.user_code
    }

    /// Where.
    pub fn verification_uri(&self) -> &Url {
        &self.verification_uri
    }

    /// The address with the code in it, if there is one.
    pub fn verification_uri_complete(&self) -> Option<&Url> {
        self.verification_uri_complete.as_ref()
    }

    /// How long the code lives from `now` on, as far as the clocks can tell; zero if it is dead.
    pub fn expires_in(&self, now: &Stamp) -> Duration {
        self.remaining.saturating_sub(self.passed(now))
    }

    /// Time since the sealing; none, if no clock can tell. That errs towards waiting: never a poll too early.
    fn passed(&self, now: &Stamp) -> Duration {
        now.since(&self.sealed_at).unwrap_or_default()
    }

    /// What it ends with, if the code died so long ago that no poll is worth while, or if the poll under way was the
    /// last one: a second last one at each restart would have no end.
    pub(crate) fn ended(&self, now: &Stamp) -> Option<SignInError> {
        let dead = self.passed(now) > self.remaining.saturating_add(self.pace.least());
        let was_the_last = self.in_flight && self.remaining.is_zero();
        (dead || was_the_last).then_some(SignInError::Expired { approval_may_be_lost: self.may_be_used() })
    }

    /// Whether the code may be used up by a poll whose answer nobody saw.
    fn may_be_used(&self) -> bool {
        self.in_flight || self.unsure
    }

    /// The grant as of `now`, if it is this client's.
    pub(crate) fn into_grant(self, client: &Client, now: &Stamp) -> Result<Grant, ResumeError> {
        if self.client_id != client.id() {
            return Err(ResumeError::OtherClient);
        }
        let ours = client.provider().endpoints.token();
        // An emulator on this machine may come back on another port; a real provider does not move.
        let both_here = ours.is_loopback() && self.token_endpoint.is_loopback();
        if !both_here && !ours.same_origin(&self.token_endpoint) {
            return Err(ResumeError::OtherProvider);
        }
        let passed = self.passed(now);
        let deadline = now.mono + self.remaining.saturating_sub(passed);
        let unsure = self.may_be_used();
        // The first date is of use as long as our clock goes on counting from where it was.
        let date = self.date.and_then(|(unix_s, age)| {
            let age = age.saturating_add(now.since(&self.sealed_at)?);
            now.mono.since_origin().checked_sub(age).map(|then| (unix_s, Mono::new(then)))
        });
        let mut pace = self.pace;
        pace.date = date;
        Ok(Grant {
            code: self.code,
            prompt: Prompt {
                user_code: self.user_code,
                verification_uri: self.verification_uri,
                verification_uri_complete: self.verification_uri_complete,
                deadline,
                expires_in: self.expires_in,
            },
            scopes: self.scopes,
            pkce: self.pkce,
            pace,
            next_poll: now.mono + self.next_poll_in.saturating_sub(passed),
            in_flight: None,
            unsure,
            shown: false,
        })
    }
}

/// Cut to what is read back: a bent seal may hold the longest wait there is, and a wait is added to.
fn ms(duration: Duration) -> String {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).to_string()
}

fn duration(members: &Members, name: &str) -> Option<Duration> {
    number(members, name).map(Duration::from_millis)
}

fn number<N: FromStr>(members: &Members, name: &str) -> Option<N> {
    members.text(&[name])?.parse().ok()
}

/// What was stored is not a sealed grant of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedPending;

/// Why a pending grant cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeError {
    /// It was asked for by another client id.
    OtherClient,
    /// Its code belongs to another provider and must not be sent to this one.
    OtherProvider,
}

impl fmt::Display for DamagedPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored sign-in is damaged; start again")
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherClient => "the stored sign-in belongs to another client id; start again",
            Self::OtherProvider => "the stored sign-in belongs to another provider; start again",
        })
    }
}

impl core::error::Error for DamagedPending {}
impl core::error::Error for ResumeError {}
