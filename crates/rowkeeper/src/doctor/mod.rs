//! What is wrong, and what to click or type about it.
//!
//! Each check asks one question of one thing and answers in one line, with one line of advice where something is wrong.
//! The order is that of cause and effect: what fails first is usually why the rest fails too.

mod google;
mod local;
mod network;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::device::{Device, Edges, OpenError};
use crate::http::{Client, ClientError, Http, Timeouts};
use crate::outbox::Outbox;
use crate::session::Session;

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, in one line.
    pub what: String,
    /// What to click or type, where something is wrong.
    pub advice: Option<String>,
}

impl Finding {
    /// The configuration cannot be read; `why` says where in it.
    pub fn of_configuration(why: &str) -> Self {
        let otherwise =
            "correct the file, or write a new one with `rowkeeper init` (docs/configuration.md has all keys)";
        match why.split_once("; ") {
            Some((what, advice)) => bad("configuration", what, advice),
            None => bad("configuration", why, otherwise),
        }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It could not be looked at, because of something that was said before.
    Skipped,
    /// It works, and will not for ever.
    Warning,
    /// It does not work.
    Bad,
}

/// No check waits longer for an answer.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(20) };

/// What is looked at, as far as it could be opened.
struct Patient {
    config: Arc<Config>,
    /// `None` inside: nothing was ever recorded here.
    outbox: Result<Option<Outbox>, OpenError>,
    session: Session,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
}

/// Looks at everything, in order, on the real network and clocks. Nothing is made, and nothing changed but the access token:
/// a fresh one is asked for, since only that shows whether the sign-in is alive.
pub fn examine(config: Config) -> Vec<Finding> {
    let ca_file = config.provider.as_ref().and_then(|provider| provider.ca_file.clone());
    match Client::new(ca_file) {
        Ok(client) => examine_with(config, Edges { http: Arc::new(client), clock: Arc::new(SystemClock) }),
        Err(error) => {
            let what = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            let mut findings = Vec::new();
            local::examine(&config, &Device::peek_outbox(&config), &SystemClock, &mut findings);
            let advice = match error {
                ClientError::Unreadable(..) => "check ca_file in [provider], and who may read it",
                ClientError::NoCertificate(_) => {
                    "put the root certificates in it as PEM, or remove ca_file from [provider]"
                }
            };
            findings.push(bad("network", format!("{error}{what}"), advice));
            findings
        }
    }
}

/// As [`examine`], with edges of the caller's choice.
pub fn examine_with(config: Config, edges: Edges) -> Vec<Finding> {
    let outbox = Device::peek_outbox(&config);
    let config = Arc::new(config);
    let session = Session::new(Arc::clone(&config), Arc::clone(&edges.http), Arc::clone(&edges.clock));
    let patient = Patient { config, outbox, session, http: edges.http, clock: edges.clock };
    let mut findings = Vec::new();
    local::examine(&patient.config, &patient.outbox, &*patient.clock, &mut findings);
    let usable = patient.session.usable();
    let reached = network::examine(&patient, &mut findings);
    let signed_in = match usable {
        Ok(()) => reached && google::sign_in(&patient, &mut findings),
        Err(error) => {
            findings.push(told("sign-in", &error, "check who owns the state directory (ls -l), and the disk (dmesg)"));
            false
        }
    };
    google::sheet(&patient, signed_in, &mut findings);
    findings
}

fn good(check: &'static str, what: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Good, what: what.into(), advice: None }
}

fn bad(check: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Bad, what: what.into(), advice: Some(advice.into()) }
}

fn warning(check: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Warning, ..bad(check, what, advice) }
}

fn skipped(check: &'static str, what: &str) -> Finding {
    Finding { check, verdict: Verdict::Skipped, what: what.into(), advice: None }
}

/// An error of ours: after what failed it says the next step, where a person can act.
fn told(check: &'static str, error: &dyn std::error::Error, otherwise: &str) -> Finding {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = error.to_string();
    match text.split_once("; ") {
        Some((what, advice)) => bad(check, format!("{what}{cause}"), advice),
        None => bad(check, format!("{text}{cause}"), otherwise),
    }
}
