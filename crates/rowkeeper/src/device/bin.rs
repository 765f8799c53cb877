//! The bin of Google Drive. A spreadsheet in it takes rows as before, and is gone, with all of them, when the bin is
//! emptied (docs/google.md, S19). Nobody who only writes would ever hear of it.

use std::time::Duration;

use serde::Deserialize;

use super::{Device, drive_origin};
use crate::clock::{Clock, Mono};
use crate::config::Config;
use crate::http::{Request, Timeouts};
use crate::session::Session;

/// The bin keeps what is in it for a month: one look a day is soon enough.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// A person who restores it is not left in doubt for a day.
const WHILE_IN_IT: Duration = Duration::from_secs(3600);

/// A daemon that only lives for moments does not look.
const FIRST: Duration = Duration::from_secs(60);

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(20) };

/// Whether the spreadsheet is in the bin; `None` if nobody can look: the Drive API is not enabled, or weather.
pub(crate) fn is_binned(session: &Session, config: &Config, spreadsheet: &str) -> Option<bool> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        trashed: bool,
    }
    let url = format!("{}/drive/v3/files/{spreadsheet}?fields=trashed", drive_origin(config));
    let request = Request { method: "GET".into(), url, headers: Vec::new(), body: Vec::new().into() };
    let answer = session.authorised(&request, &TIMEOUTS).ok().filter(|answer| answer.status == 200)?;
    serde_json::from_slice::<File>(&answer.body).ok().map(|file| file.trashed)
}

/// What is wrong about that, and what a person can do.
pub(crate) fn advice(title: &str) -> (&'static str, String) {
    (
        "the spreadsheet lies in the bin of Google Drive, and its rows go when that is emptied",
        format!("drive.google.com: Bin, \"{title}\", Restore; or go on in another with `rowkeeper sheet new`"),
    )
}

/// Both, in one line.
pub(super) fn notice(title: &str) -> String {
    let (what, advice) = advice(title);
    format!("{what}; {advice}")
}

/// When a daemon looks next.
pub(super) struct BinLooks {
    pub(super) next: Mono,
    /// It was said; once a day is enough.
    quiet_until: Mono,
}

impl BinLooks {
    pub(super) fn new(now: Mono) -> Self {
        Self { next: now + FIRST, quiet_until: now }
    }

    /// Looks if it is time. What is to be said, if the spreadsheet is in the bin.
    pub(super) fn look(&mut self, device: &Device, clock: &dyn Clock) -> Option<String> {
        let now = clock.mono();
        if now < self.next {
            return None;
        }
        self.next = now + EVERY;
        let sheet = device.outbox.sheet().ok().flatten()?;
        let is_in_it = is_binned(&device.session, &device.config, &sheet.id)?;
        if is_in_it {
            self.next = now + WHILE_IN_IT;
        } else {
            self.quiet_until = now;
        }
        // `status` is told as far as the disk allows; who listens here hears it anyway.
        _ = device.outbox.set_binned(Some(sheet.id.as_str()).filter(|_| is_in_it));
        if !is_in_it || now < self.quiet_until {
            return None;
        }
        self.quiet_until = now + EVERY;
        Some(notice(&sheet.title))
    }
}
