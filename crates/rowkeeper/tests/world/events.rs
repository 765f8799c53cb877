//! How often what happened: a world that never does a thing shows nothing about it.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, Default)]
pub(crate) struct Events(BTreeMap<&'static str, u64>);

impl Events {
    pub(crate) fn note(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

impl std::ops::AddAssign for Events {
    fn add_assign(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            writeln!(f, "{times:>10}  {what}")?;
        }
        Ok(())
    }
}

/// What every run over many seeds must have seen, or it shows less than it says.
pub(crate) const ALL: &[&str] = &[
    "answers: 200 and lost, applied",
    "answers: 200 and lost, never arrived",
    "answers: 200 of somebody else's",
    "answers: 302",
    "answers: 401",
    "answers: 403 of quota kind",
    "answers: 403 or 404, closed",
    "answers: 408",
    "answers: 413",
    "answers: 413, applied",
    "answers: 429",
    "answers: 429 with RetryInfo",
    "answers: 500, not applied",
    "answers: 503, applied",
    "answers: HTML with 200, 404 or 502, applied",
    "answers: a look without all metadata",
    "answers: cell limit",
    "answers: cut",
    "answers: from before the last writes",
    "answers: storage limit",
    "clock: back",
    "clock: forward",
    "clock: right again",
    "device: dies between two steps",
    "device: dies with a request on its way",
    "device: reboots",
    "device: sleeps",
    "device: sleeps with a request on its way",
    "network: delivers late",
    "network: delivers later than 180 s",
    "network: delivers twice",
    "network: delivers twice, once late",
    "network: does not connect",
    "people: amend a row",
    "people: decide about a bound row",
    "people: delete a row",
    "people: drop a row",
    "people: rename a tab",
    "people: send a row again",
    "people: sort",
    "people: take access away",
    "people: take the spreadsheet out of the bin",
    "people: throw the spreadsheet into the bin",
    "people: wish for another spreadsheet",
    "quota: used up by others",
    "sign-in: revoked, a person signs in again",
    "sign-in: no token for a while",
    "strangers: fill the metadata",
    "strangers: take a marker's id",
];
