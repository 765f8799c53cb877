//! What is wrong, and what to click or type about it.
//!
//! Each check asks one question of one thing and answers in one line, with one line of advice where something is wrong.
//! The order is that of cause and effect: what fails first is usually why the rest fails too.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sheet_courier::ID_COLUMN;

use crate::Device;
use crate::http::{Lost, NotSent, Request, Response, Timeouts};
use crate::session::{AttemptError, TokenError};
use crate::status::{GrantState, When};

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

/// Below this, recording may stop soon.
const LITTLE_SPACE_BYTES: u64 = 50 << 20;

/// A provider's clock and ours may differ by this much: answers travel, and clocks are read to the second.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// A sign-in that ends within this time is worth a word.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// No check waits longer for an answer.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(20) };

/// Looks at everything, in order. Nothing is changed but an access token that had to be refreshed.
pub fn examine(device: &Device) -> Vec<Finding> {
    let mut findings = Vec::new();
    state(device, &mut findings);
    space(&device.config().state_dir, &mut findings);
    outbox(device, &mut findings);
    let reached = provider(device, &mut findings);
    let signed_in = reached && sign_in(device, &mut findings);
    sheet(device, signed_in, &mut findings);
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

/// Whoever can read the state can read the sheet's files.
fn state(device: &Device, findings: &mut Vec<Finding>) {
    let dir = &device.config().state_dir;
    let mut open = Vec::new();
    for name in ["", "grant.json", "grant.json.previous", "outbox.sqlite", "outbox.sqlite-wal"] {
        let path = dir.join(name);
        if let Ok(meta) = fs::metadata(&path)
            && meta.permissions().mode() & 0o077 != 0
        {
            open.push(path);
        }
    }
    findings.push(match open.first() {
        None => good("state", format!("{} is private", dir.display())),
        Some(path) => warning(
            "state",
            format!("other users may look into {}", path.display()),
            format!("chmod go-rwx {}", path.display()),
        ),
    });
}

fn space(dir: &Path, findings: &mut Vec<Finding>) {
    findings.push(match rustix::fs::statvfs(dir) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let what = format!("{} MiB are free", free >> 20);
            if free < LITTLE_SPACE_BYTES {
                bad("disk", what, "make room: records are refused, not lost, when the disk is full")
            } else {
                good("disk", what)
            }
        }
        Err(error) => bad("disk", format!("cannot look: {error}"), "check that the state directory's disk is mounted"),
    });
}

fn outbox(device: &Device, findings: &mut Vec<Finding>) {
    let outbox = device.outbox();
    match outbox.integrity_check() {
        Ok(faults) if faults.is_empty() => {}
        Ok(faults) => {
            let keep =
                "stop rowkeeper, copy the state directory away, and recover with `sqlite3 outbox.sqlite .recover`";
            findings.push(bad("outbox", format!("the file is damaged: {}", faults.join("; ")), keep));
            return;
        }
        Err(error) => {
            findings.push(bad("outbox", error.to_string(), "check the disk"));
            return;
        }
    }
    let Ok(status) = device.status() else { return };
    let queue = status.queue;
    let what = format!("{} records wait, {} were set aside", queue.waiting, queue.set_aside);
    findings.push(match (queue.set_aside, queue.oldest) {
        (1.., _) => warning("outbox", what, "`rowkeeper queue list` says why the sheet refused them"),
        (0, Some(When(oldest))) if age(device, oldest) > Duration::from_secs(3600) => warning(
            "outbox",
            format!("{what}, the oldest for over an hour"),
            "is `rowkeeper run` running? It sends them",
        ),
        _ => good("outbox", what),
    });
}

fn age(device: &Device, since_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(device.clock().wall().unix_ms.saturating_sub(since_ms)).unwrap_or(0))
}

/// Name, connection, certificate and clock, by one request to the provider. Whether it was reached.
fn provider(device: &Device, findings: &mut Vec<Finding>) -> bool {
    let Some(provider) = &device.config().provider else {
        findings.push(bad("provider", "none is configured", "run `rowkeeper init`"));
        return false;
    };
    let url = match device.session().token_endpoint() {
        Ok(url) => url,
        Err(error) => {
            findings.push(bad("provider", error.to_string(), "check [provider] in the configuration, and the network"));
            return false;
        }
    };
    let request = Request { method: "GET".into(), url: url.clone(), headers: Vec::new(), body: Vec::new().into() };
    match device.http().send(&request, &TIMEOUTS) {
        // Any answer will do: a token endpoint has nothing to say to a GET.
        Ok(answer) => {
            findings.push(good("network", format!("{} answers", provider.preset)));
            findings.push(clock(device, &answer));
            true
        }
        Err(lost) => {
            findings.push(unreachable(device, &url, &lost));
            false
        }
    }
}

fn unreachable(device: &Device, url: &str, lost: &Lost) -> Finding {
    let advice = match lost {
        Lost::NotSent(NotSent::Dns(_)) => "check the Wi-Fi and the name server (/etc/resolv.conf)".to_owned(),
        Lost::NotSent(NotSent::Connect(_)) => "check the network, a firewall, or HTTPS_PROXY".to_owned(),
        Lost::NotSent(NotSent::Certificate(_)) if !device.clock().wall().trusted => {
            "the clock of this device is wrong, so certificates look invalid; set it (timedatectl set-ntp true)"
                .to_owned()
        }
        Lost::NotSent(NotSent::Certificate(_)) => {
            "something between here and the provider opens the connection; set ca_file if that is your own proxy"
                .to_owned()
        }
        _ => "try again; if it stays so, check what is between this device and the network".to_owned(),
    };
    bad("network", format!("{url}: {lost}"), advice)
}

fn clock(device: &Device, answer: &Response) -> Finding {
    let wall = device.clock().wall();
    // An HTTP date is an Internet message's (RFC 9110 section 5.6.7).
    let theirs = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(theirs) = theirs else { return skipped("clock", "the provider's answer has no date to compare with") };
    let apart = Duration::from_millis(wall.unix_ms.abs_diff(theirs.timestamp().as_millisecond()));
    if apart > CLOCK_TOLERANCE {
        let seconds = apart.as_secs();
        return bad("clock", format!("it is {seconds} s away from the provider's"), "timedatectl set-ntp true");
    }
    good("clock", "right")
}

/// Grant, client and scopes. Whether the device may send.
fn sign_in(device: &Device, findings: &mut Vec<Finding>) -> bool {
    let session = device.session();
    let bearer = session.bearer();
    let grant = session.status();
    match bearer {
        Ok(_) => {}
        Err(TokenError::SignIn(why)) => {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            findings.push(bad("sign-in", format!("not signed in{why}"), "run `rowkeeper sign-in`"));
            return false;
        }
        Err(error) => {
            findings.push(bad(
                "sign-in",
                error.to_string(),
                "check [provider] in the configuration, or try again later",
            ));
            return false;
        }
    }
    let who = grant.account.map(|account| format!(" as {account}")).unwrap_or_default();
    findings.push(match (grant.state, grant.expires_at) {
        // The old token still serves, and will not be renewed.
        (GrantState::Misconfigured, _) => {
            let why = grant.reason.unwrap_or_default();
            bad("sign-in", why, "restore the client at the provider, or configure another one and sign in again")
        }
        (GrantState::SignedIn, Some(When(end))) if age_until(device, end) < SOON => {
            let days = age_until(device, end).as_secs() / (24 * 3600);
            warning(
                "sign-in",
                format!("signed in{who}; ends in {days} days"),
                "is the Cloud project still in Testing? Set its publishing status to In production and sign in again",
            )
        }
        // A damaged file whose predecessor serves, or a permission that was not ticked.
        _ => match grant.reason {
            Some(reason) => warning("sign-in", reason, "it works; to put it right, sign out and in again"),
            None => good("sign-in", format!("signed in{who}")),
        },
    });
    true
}

fn age_until(device: &Device, end_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(end_ms.saturating_sub(device.clock().wall().unix_ms)).unwrap_or(0))
}

/// The parts of Google's error envelope that tell causes apart (docs/google.md).
#[derive(Deserialize)]
struct Envelope {
    error: ApiError,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    reason: Option<String>,
}

/// Whether the API is on, and the spreadsheet is ours to write.
fn sheet(device: &Device, signed_in: bool, findings: &mut Vec<Finding>) {
    let google = device.config().provider.as_ref().is_some_and(|provider| provider.preset == "google");
    if !signed_in || !google {
        findings.push(skipped("sheet", "not looked at: first see what is said above"));
        return;
    }
    let known = device.status().ok().and_then(|status| status.sheet);
    // Without a spreadsheet of ours, one that cannot exist tells whether the API is on: 404 if it is.
    let id = known.as_ref().map_or("0", |sheet| sheet.spreadsheet_id.as_str());
    let url = format!("{}/v4/spreadsheets/{id}?fields=spreadsheetId", device.sheets_origin());
    let request = Request { method: "GET".into(), url, headers: Vec::new(), body: Vec::new().into() };
    let finding = match device.session().authorised(&request, &TIMEOUTS) {
        Ok(answer) => reachable(&answer, known.is_some()),
        Err(AttemptError::Token(error)) => bad("sheet", error.to_string(), "run `rowkeeper sign-in`"),
        Err(AttemptError::Lost(lost)) => bad("sheet", lost.to_string(), "check the network"),
    };
    let answers = finding.verdict == Verdict::Good;
    findings.push(finding);
    if let Some(sheet) = known.filter(|_| answers) {
        findings.push(doubles(device, &sheet.spreadsheet_id));
    }
}

/// Every row carries its id, so a double, should one ever happen, can be found.
fn doubles(device: &Device, spreadsheet: &str) -> Finding {
    match row_ids(device, spreadsheet) {
        None => skipped("doubles", "the row ids could not be read just now"),
        Some(mut ids) => {
            let rows = ids.len();
            ids.sort_unstable();
            ids.dedup();
            match rows - ids.len() {
                0 => good("doubles", format!("none among {rows} rows")),
                doubled => warning(
                    "doubles",
                    format!("{doubled} of {rows} rows have an id that another row has"),
                    "a person may have copied rows; if not, please report it: it must not happen",
                ),
            }
        }
    }
}

/// The ids in the id columns of all tabs, wherever a person moved them.
fn row_ids(device: &Device, spreadsheet: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Tabs {
        sheets: Vec<Tab>,
    }
    #[derive(Deserialize)]
    struct Tab {
        properties: Properties,
    }
    #[derive(Deserialize)]
    struct Properties {
        title: String,
    }
    #[derive(Deserialize)]
    struct Values {
        #[serde(default)]
        values: Vec<Vec<serde_json::Value>>,
    }
    let read = |path: &str| -> Option<Response> {
        let url = format!("{}/v4/spreadsheets/{spreadsheet}{path}", device.sheets_origin());
        let request = Request { method: "GET".into(), url, headers: Vec::new(), body: Vec::new().into() };
        device.session().authorised(&request, &TIMEOUTS).ok().filter(|answer| answer.status == 200)
    };
    let values = |title: &str, range: &str| -> Option<Vec<Vec<serde_json::Value>>> {
        // A tab's name in single quotes, quotes in it doubled (docs/google.md, section 8).
        let range = escape(&format!("'{}'!{range}", title.replace('\'', "''")));
        let answer = read(&format!("/values/{range}?majorDimension=COLUMNS&valueRenderOption=UNFORMATTED_VALUE"))?;
        Some(serde_json::from_slice::<Values>(&answer.body).ok()?.values)
    };
    let tabs: Tabs = serde_json::from_slice(&read("?fields=sheets.properties.title")?.body).ok()?;
    let mut ids = Vec::new();
    for Tab { properties: Properties { title } } in tabs.sheets {
        let header = values(&title, "1:1")?;
        let Some(column) = header.iter().position(|cells| cells.first().is_some_and(|cell| cell == ID_COLUMN)) else {
            continue;
        };
        let letters = letters(column);
        let cells = values(&title, &format!("{letters}2:{letters}"))?.into_iter().flatten();
        ids.extend(cells.filter_map(|cell| cell.as_str().filter(|id| !id.is_empty()).map(str::to_owned)));
    }
    Some(ids)
}

/// A column's name: A, B, …, Z, AA.
fn letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + (column % 26) as u8));
        match column / 26 {
            0 => return letters.iter().rev().collect(),
            more => column = more - 1,
        }
    }
}

/// `text` as one path segment (RFC 3986 section 2.3: all but the unreserved characters are escaped).
fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
        escaped
    })
}

fn reachable(answer: &Response, ours: bool) -> Finding {
    let error = serde_json::from_slice::<Envelope>(&answer.body).ok().map(|envelope| envelope.error);
    let reason = error.as_ref().and_then(|error| error.details.iter().find_map(|detail| detail.reason.as_deref()));
    match (answer.status, reason) {
        (200, _) => good("sheet", "the spreadsheet answers"),
        (404, _) if !ours && error.is_some() => good("sheet", "none yet, and the Sheets API is on"),
        (404, _) => bad(
            "sheet",
            "the spreadsheet is gone, or not ours any more",
            "restore it from the bin of Google Drive, or sign in as its owner",
        ),
        (403, Some("SERVICE_DISABLED")) => bad(
            "sheet",
            "the Google Sheets API is not enabled in the Cloud project",
            "console.cloud.google.com: APIs and services, Library, Google Sheets API, Enable; then wait a few minutes",
        ),
        (403, Some("ACCESS_TOKEN_SCOPE_INSUFFICIENT")) => bad(
            "sheet",
            "the permission to make spreadsheets was not ticked",
            "`rowkeeper sign-out`, `rowkeeper sign-in`, and tick it",
        ),
        (403, _) => bad("sheet", "this account may not use the spreadsheet", "share it with the account again"),
        (429, _) => warning("sheet", "Google's quota is used up for this minute", "wait; other programs may share it"),
        (status, _) => {
            let message = error.map(|error| error.message).unwrap_or_default();
            bad("sheet", format!("Google answered {status} {message}"), "try again later")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_as_spreadsheets_do() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(letters(column), name);
        }
    }
}
