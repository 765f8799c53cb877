//! Markers that other devices left in the spreadsheet: a person may say that they are not needed any more.
//!
//! By age they are never collected: their owner may be asleep, with a batch open (the protocol, section 6).

use std::fmt;

use serde::Deserialize;
use sheet_courier::{Call, Markers, census, parse_census};
use zeroize::Zeroizing;

use crate::Device;
use crate::clock::{Mono, Stop};
use crate::http::Request;
use crate::outbox::DiskError;
use crate::session::{CallError, Settle};

const TRIES: usize = 3;

/// The markers of one device in the spreadsheet.
#[derive(Clone, Debug)]
pub struct Found {
    /// What they are.
    pub markers: Markers,
    /// They are this device's, or were under a tag that it had before: it removes them by itself.
    pub is_ours: bool,
    /// They have not changed since then, as far as was looked here (Unix seconds).
    pub unchanged_since: i64,
}

/// Nothing was found out, or not everything was removed. Doing it again is harmless.
#[derive(Debug)]
pub enum TidyError {
    /// There is no spreadsheet yet.
    NoSheet,
    /// No device of this tag has markers there.
    NoDevice(String),
    /// This device looks after its own.
    OurOwn,
    /// No answer; see there.
    Call(CallError),
    /// Google refused, in its words.
    Refused(u16, String),
    /// The answer is not one of Google's.
    NotUnderstood,
    /// The outbox cannot be read or written.
    Disk(DiskError),
}

impl fmt::Display for TidyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSheet => f.write_str("there is no spreadsheet yet"),
            Self::NoDevice(tag) => {
                write!(f, "no device {tag} has markers in this spreadsheet; see `rowkeeper sheet tidy`")
            }
            Self::OurOwn => f.write_str("these are this device's own markers; it removes them by itself"),
            Self::Call(error) => error.fmt(f),
            Self::Refused(status, message) => write!(f, "Google answered {status}: {message}"),
            Self::NotUnderstood => f.write_str("the answer is not one of Google's"),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TidyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Disk(error) => error.source(),
            _ => None,
        }
    }
}

impl From<DiskError> for TidyError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl Device {
    /// The markers in the spreadsheet, by device.
    ///
    /// # Errors
    /// See [`TidyError`].
    pub fn markers(&self, give_up: Mono, stop: &Stop) -> Result<Vec<Found>, TidyError> {
        let sheet = self.outbox().sheet()?.ok_or(TidyError::NoSheet)?.id;
        let answer = self.tell(&census(&sheet), give_up, stop)?;
        let devices = parse_census(&answer).ok_or(TidyError::NotUnderstood)?;
        let tags = self.outbox().tags()?;
        let now = self.clock().wall().unix_ms / 1000;
        let prints: Vec<_> =
            devices.iter().map(|markers| (markers.tag.as_str().to_owned(), markers.fingerprint())).collect();
        let since = self.outbox().unchanged_since(&prints, now)?;
        let found = devices.into_iter().zip(since).map(|(markers, unchanged_since)| {
            let is_ours = tags.iter().any(|tag| tag == markers.tag.as_str());
            Found { markers, is_ours, unchanged_since }
        });
        Ok(found.collect())
    }

    /// Removes the markers of another device that it does not need if it is not in the middle of sending; says how many.
    ///
    /// # Errors
    /// See [`TidyError`]. Some may be gone.
    pub fn tidy(&self, tag: &str, give_up: Mono, stop: &Stop) -> Result<usize, TidyError> {
        let sheet = self.outbox().sheet()?.ok_or(TidyError::NoSheet)?.id;
        let of_it = |found: Vec<Found>| found.into_iter().find(|found| found.markers.tag.as_str() == tag);
        let found = of_it(self.markers(give_up, stop)?).ok_or_else(|| TidyError::NoDevice(tag.to_owned()))?;
        if found.is_ours {
            return Err(TidyError::OurOwn);
        }
        let mut left = found.markers.clone();
        // A call is refused whole where one of its markers is gone already (docs/google.md, S8): its owner was at it, or an
        // answer was lost. What is left is tried again.
        for _ in 0..TRIES {
            for call in left.removal(&sheet) {
                match self.tell(&call, give_up, stop) {
                    Ok(_) | Err(TidyError::Refused(400, _)) => {}
                    Err(error) => return Err(error),
                }
            }
            match of_it(self.markers(give_up, stop)?) {
                Some(found) => left = found.markers,
                None => return Ok(found.markers.count),
            }
            if left.removable() == 0 {
                break;
            }
        }
        Ok(found.markers.count.saturating_sub(left.count))
    }

    fn tell(&self, call: &Call, give_up: Mono, stop: &Stop) -> Result<Vec<u8>, TidyError> {
        #[derive(Deserialize)]
        struct Envelope {
            error: Said,
        }
        #[derive(Deserialize)]
        struct Said {
            #[serde(default)]
            message: String,
        }
        let request = Request {
            method: call.method.to_owned(),
            url: format!("{}{}", self.sheets_origin(), call.path),
            headers: vec![("content-type".to_owned(), Zeroizing::new("application/json".to_owned()))],
            body: Zeroizing::new(call.body.to_vec()),
        };
        let answer = self.session().call(&request, Settle::Repeat, give_up, stop).map_err(TidyError::Call)?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let said = serde_json::from_slice::<Envelope>(&answer.body).map(|envelope| envelope.error.message);
        let said = said.unwrap_or_else(|_| "no reason".into());
        Err(TidyError::Refused(answer.status, said.chars().filter(|c| !c.is_control()).take(200).collect()))
    }
}
