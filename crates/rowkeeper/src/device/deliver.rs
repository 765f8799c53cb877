//! Sending what waits, once.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use sheet_courier::{Closed, Hold};

use super::Device;
use crate::clock::{Clock, Mono, Stop, Woke};
use crate::config;
use crate::delivery::{self, AttemptError, Delivery, DeliveryLock, Ended, Look, Settings};
use crate::http::{Request, Response, Timeouts};
use crate::outbox::DiskError;
use crate::session::{self, AccessError, Session, TokenError};
use crate::status::GrantState;

/// Everything that was waiting is in the sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Rows that the sheet refused for their content; they are kept, and listed by `rowkeeper queue list`.
    pub set_aside: u64,
}

/// Not everything is in the sheet. Nothing was lost.
#[derive(Debug)]
pub enum DeliverError {
    /// A person must sign in first; the reason, where there is one.
    NoGrant(Option<String>),
    /// Time is up, or the stop was pressed.
    TimeUp {
        /// How many rows still wait.
        waiting: u64,
        /// What went wrong last.
        last_error: Option<String>,
    },
    /// Time is up, or the stop was pressed, before rows could go to another spreadsheet. The wish stays.
    NotYet {
        /// What went wrong last.
        last_error: Option<String>,
    },
    /// A person must do something first; the text says what.
    Hold(String),
    /// The spreadsheet that was asked for cannot be used.
    Refused(String),
    /// The outbox cannot be read or written.
    Disk(DiskError),
    /// The delivery lock cannot be taken.
    Lock(io::Error),
    /// The state or the configuration cannot be used.
    Access(AccessError),
    /// The configured provider is not Google: its tokens are not sent there.
    NotGoogle(String),
}

impl fmt::Display for DeliverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGrant(None) => write!(f, "not signed in; run `rowkeeper sign-in`. The records are kept"),
            Self::NoGrant(Some(why)) => {
                write!(f, "not signed in: {why}; run `rowkeeper sign-in`. The records are kept")
            }
            Self::TimeUp { waiting, last_error } => {
                write!(f, "{waiting} records still wait")?;
                last_error.iter().try_for_each(|error| write!(f, "; last: {error}"))
            }
            Self::NotYet { last_error } => {
                write!(f, "not done yet; the next delivery goes on with it")?;
                last_error.iter().try_for_each(|error| write!(f, "; last: {error}"))
            }
            Self::Hold(what) => f.write_str(what),
            Self::Refused(why) => write!(
                f,
                "cannot go to that spreadsheet ({why}); only one that Rowkeeper made under this sign-in can be used. \
                 Rows go where they went before"
            ),
            Self::Disk(error) => write!(f, "the outbox does not answer: {error}"),
            Self::Lock(_) => write!(f, "cannot take the delivery lock"),
            Self::Access(error) => error.fmt(f),
            Self::NotGoogle(preset) => {
                write!(f, "rows go to Google Sheets, and provider \"{preset}\" is not Google; it can only sign in")
            }
        }
    }
}

impl std::error::Error for DeliverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => error.source(),
            Self::Lock(cause) => Some(cause),
            Self::Access(error) => error.source(),
            _ => None,
        }
    }
}

impl From<DiskError> for DeliverError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// What is wrong with client, configuration or disk is not worth asking for more often.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

impl Device {
    /// Sends what waits until nothing does, `give_up` comes, or a person must act. Where another process delivers, wakes
    /// it and waits for it.
    ///
    /// # Errors
    /// See [`DeliverError`]. Nothing is lost.
    pub fn deliver(&self, give_up: Mono, stop: &Stop) -> Result<Delivered, DeliverError> {
        loop {
            if !self.outbox.is_anything_waiting()? && self.outbox.wish()?.is_none() {
                return Ok(Delivered { set_aside: self.outbox.counts()?.set_aside });
            }
            let grant = self.session.status();
            match grant.state {
                GrantState::SignedIn => {}
                // Told apart: an operator's mistake is no reason to ask the owner for an approval.
                GrantState::Misconfigured => {
                    self.session.token(Duration::ZERO).map_err(no_token)?;
                }
                _ => return Err(DeliverError::NoGrant(grant.reason)),
            }
            if let Some(lock) = DeliveryLock::take(&self.config.state_dir).map_err(DeliverError::Lock)? {
                return self.deliver_with(lock, give_up, stop);
            }
            delivery::ring(&self.config.state_dir);
            let look = (self.clock.mono() + Duration::from_millis(500)).min(give_up);
            if self.clock.wait(look, stop) == Woke::Stopped || self.clock.mono() >= give_up {
                return Err(self.time_up(None));
            }
        }
    }

    fn deliver_with(&self, lock: DeliveryLock, give_up: Mono, stop: &Stop) -> Result<Delivered, DeliverError> {
        let mut delivery = Delivery::new(Arc::clone(&self.outbox), self.settings()?, lock);
        let session = &self.session;
        let mut api = |request: &_, timeouts: &_| attempt(session, &*self.clock, request, timeouts);
        match delivery.run(&mut api, &*self.clock, &mut session::jitter, stop, give_up)? {
            Ended::Empty => Ok(Delivered { set_aside: self.outbox.counts()?.set_aside }),
            Ended::Interrupted => Err(self.time_up(delivery.trouble().map(str::to_owned))),
            Ended::NeedsSignIn => Err(DeliverError::NoGrant(self.session.status().reason)),
            Ended::Hold(hold) => Err(DeliverError::Hold(hold_advice(&hold))),
        }
    }

    pub(super) fn settings(&self) -> Result<Settings, DeliverError> {
        let none = || DeliverError::Access(AccessError::Provider(session::ProviderError::missing(&self.config)));
        let provider = self.config.provider.as_ref().ok_or_else(none)?;
        if provider.preset != "google" {
            return Err(DeliverError::NotGoogle(provider.preset.clone()));
        }
        let zone = self.config.timezone();
        let precision = match self.config.sheet.precision {
            config::Precision::Second => sheet_courier::Precision::Second,
            config::Precision::Millisecond => sheet_courier::Precision::Millisecond,
        };
        let columns_have_formats = self.config.sheet.formats == config::Formats::Column;
        let look = Look { tables: self.config.tables.clone(), precision, columns_have_formats };
        Ok(Settings {
            origin: self.sheets_origin().to_owned(),
            device: self.config.device.clone(),
            sheet: sheet_courier::Options {
                title: self.config.sheet.title.clone(),
                timezone: zone.iana_name().unwrap_or("Etc/UTC").to_owned(),
                tables: look.tabs(self.clock.wall(), &zone),
            },
            look,
            zone,
        })
    }

    pub(super) fn time_up(&self, last_error: Option<String>) -> DeliverError {
        let waiting = self.outbox.counts().map_or(0, |counts| counts.waiting);
        let last_error = last_error.or_else(|| self.outbox.status().ok()?.last_error);
        DeliverError::TimeUp { waiting, last_error }
    }
}

/// One attempt of the courier, with the session's token.
pub(super) fn attempt(
    session: &Session,
    clock: &dyn Clock,
    request: &Request,
    timeouts: &Timeouts,
) -> Result<Response, AttemptError> {
    session.authorised(request, timeouts).map_err(|error| match error {
        session::AttemptError::Lost(lost) => AttemptError::Lost(lost),
        session::AttemptError::Token(TokenError::SignIn(_)) => AttemptError::NeedsSignIn,
        session::AttemptError::Token(TokenError::Later { why, until }) => {
            AttemptError::Unavailable { retry_at: until, why }
        }
        session::AttemptError::Token(error @ (TokenError::Access(_) | TokenError::Misconfigured(_))) => {
            AttemptError::Unavailable { retry_at: clock.mono() + PATIENCE, why: error.to_string() }
        }
    })
}

fn no_token(error: TokenError) -> DeliverError {
    match error {
        TokenError::Access(error) => DeliverError::Access(error),
        TokenError::SignIn(why) => DeliverError::NoGrant(why),
        TokenError::Misconfigured(why) | TokenError::Later { why, .. } => DeliverError::Hold(why),
    }
}

/// What a hold asks a person for. Rows are kept meanwhile.
pub(crate) fn hold_advice(hold: &Hold) -> String {
    match hold {
        Hold::Closed { why: Closed::NotFound, message } => {
            format!(
                "the spreadsheet is gone, or not ours any more ({message}); restore it from the bin, sign in as its \
                 owner, or go on in a new one with `rowkeeper sheet new`"
            )
        }
        Hold::Closed { why: Closed::Forbidden, message } => {
            format!(
                "this account may not write the spreadsheet ({message}); share it with the account \
                 again, or go on in a new one with `rowkeeper sheet new`"
            )
        }
        Hold::Closed { why: Closed::ApiDisabled, message } => {
            format!(
                "the Google Sheets API is not enabled in the Cloud project; enable it and wait a few minutes ({message})"
            )
        }
        Hold::Closed { why: Closed::Scope, .. } => {
            "the permission to make spreadsheets was not ticked; sign out, sign in again and tick it".into()
        }
        Hold::Copy { .. } => "this state directory is a copy, or was restored from a backup: so that no row comes twice, \
                              nothing is sent for 20 minutes; then it looks which rows are in the sheet, and goes on by \
                              itself as a new device (if that spreadsheet is gone for good, say `rowkeeper sheet new`)"
            .into(),
        Hold::Retired { by } => format!(
            "another copy of this state directory goes on as device {by}, or the same backup was restored before: here \
             nothing is sent, so that no row comes twice; see `rowkeeper queue list`, let only one copy run, and once the \
             other is switched off or has sent all it shares, say `rowkeeper sheet release` here"
        ),
        Hold::SheetRefuses { message } => {
            format!(
                "the sheet refuses every record ({message}); look whether a tab is protected or a header was changed, then \
                 say `rowkeeper queue retry --set-aside`"
            )
        }
        Hold::Full { message } => {
            format!("the spreadsheet is full ({message}); go on in a new one with `rowkeeper sheet new`")
        }
        Hold::CannotCreate { message } => {
            format!(
                "Google does not make the spreadsheet as configured ({message}); check [sheet] in the configuration"
            )
        }
    }
}
