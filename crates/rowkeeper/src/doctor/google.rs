//! The sign-in, and what it is for: the spreadsheet.

use serde::Deserialize;
use sheet_courier::ID_COLUMN;

use super::{Finding, Patient, TIMEOUTS, Verdict, bad, good, skipped, told, warning};
use crate::device::bin::{advice as bin_advice, is_binned};
use crate::device::{drive_origin, sheets_origin};
use crate::http::{Request, Response};
use crate::session::{AccessError, AttemptError, TokenError, Tried};
use crate::status::{Grant, GrantState, When};

/// Grant, client and scopes. Whether the device may send.
pub(super) fn sign_in(patient: &Patient, findings: &mut Vec<Finding>) -> bool {
    let session = &patient.session;
    // A token at hand says nothing of the sign-in: only a new one does.
    let renewed = session.bearer().and_then(|bearer| session.replace(&bearer.token).map(|_| ()));
    let grant = session.status();
    let trouble = match renewed {
        Ok(()) => None,
        Err(TokenError::SignIn(why)) => {
            findings.push(client(patient));
            findings.push(not_signed_in(&grant, why));
            return false;
        }
        Err(TokenError::Access(error)) => {
            let otherwise = match error {
                AccessError::Store(_) => "see what is said about the state directory and the disk",
                AccessError::Foreign(_) | AccessError::Provider(_) => "check [provider] in the configuration",
            };
            findings.push(told("sign-in", &error, otherwise));
            return false;
        }
        Err(TokenError::Misconfigured(why)) => {
            findings.push(misconfigured("sign-in", &why));
            // What there is may serve for a while, and what it serves is worth a look.
            return session.bearer().is_ok();
        }
        Err(TokenError::Later { why, .. }) => Some(why),
    };
    let who = grant.account.map(|account| format!(" as {account}")).unwrap_or_default();
    findings.push(match (trouble, grant.reason) {
        (Some(why), _) => warning(
            "sign-in",
            format!("signed in{who}, and no new token can be had now: {why}"),
            "wait, and look again; the sign-in is kept",
        ),
        // A damaged file whose predecessor serves, a permission that was not ticked, an end in sight.
        (None, Some(reason)) => match reason.split_once("; ") {
            Some((what, advice)) => warning("sign-in", what, advice),
            None => warning("sign-in", reason, "it works; to put it right, sign out and in again"),
        },
        (None, None) => good("sign-in", format!("signed in{who}, and a new token was had")),
    });
    true
}

fn not_signed_in(grant: &Grant, why: Option<String>) -> Finding {
    if let Some(code) = &grant.code {
        let advice = format!("open {} on a phone, and type {}", code.verification_uri, code.user_code);
        return bad("sign-in", "a code waits for its person", advice);
    }
    let advice = match grant.state {
        // `run` gave up asking by itself, or was never started; either way a person starts it.
        GrantState::MustSignInAgain => "run `rowkeeper sign-in`; records are kept meanwhile",
        _ => "run `rowkeeper sign-in`",
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    bad("sign-in", format!("not signed in{why}"), advice)
}

/// Before anybody signed in, only a code that nobody will see can tell whether the client may ask for one.
fn client(patient: &Patient) -> Finding {
    if patient.session.status().code.is_some() {
        return good("client", "the provider gave it a code");
    }
    match patient.session.try_client() {
        Tried::Taken => good("client", "the provider gives it codes, for the scopes that are asked for"),
        Tried::Refused(why) => misconfigured("client", &why),
        Tried::Unknown(why) => {
            warning("client", format!("whether the provider takes it is not known: {why}"), "look again later")
        }
    }
}

fn misconfigured(check: &'static str, why: &str) -> Finding {
    let advice = "correct it at the provider (console.cloud.google.com: APIs and services, Credentials), or run `rowkeeper init`";
    match why.split_once("; ") {
        Some((what, hint)) => bad(check, what, hint),
        None => bad(check, why, advice),
    }
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
pub(super) fn sheet(patient: &Patient, signed_in: bool, findings: &mut Vec<Finding>) {
    let google = patient.config.provider.as_ref().is_some_and(|provider| provider.preset == "google");
    if !signed_in || !google {
        findings.push(skipped("sheet", "not looked at: first see what is said above"));
        return;
    }
    let known = patient.outbox.as_ref().ok().and_then(Option::as_ref).and_then(|outbox| outbox.sheet().ok().flatten());
    // Without a spreadsheet of ours, one that cannot exist tells whether the API is on: 404 if it is.
    let id = known.as_ref().map_or("0", |sheet| sheet.id.as_str());
    let finding = match get(patient, &format!("/v4/spreadsheets/{id}?fields=spreadsheetId")) {
        Ok(answer) => reachable(&answer, known.is_some()),
        Err(AttemptError::Token(error)) => told("sheet", &error, "run `rowkeeper sign-in`"),
        Err(AttemptError::Lost(lost)) => bad("sheet", lost.to_string(), "check the network"),
    };
    let answers = finding.verdict == Verdict::Good;
    findings.push(finding);
    findings.extend(orphans(patient));
    if let Some(sheet) = known.filter(|_| answers) {
        findings.push(bin(patient, &sheet.id, &sheet.title));
        findings.push(doubles(patient, &sheet.id));
    }
}

/// The spreadsheet of the Sheets API, or the file of Drive's, as the path says.
fn get(patient: &Patient, path: &str) -> Result<Response, AttemptError> {
    let url = format!("{}{path}", sheets_origin(&patient.config));
    let request = Request { method: "GET".into(), url, headers: Vec::new(), body: Vec::new().into() };
    patient.session.authorised(&request, &TIMEOUTS)
}

fn bin(patient: &Patient, spreadsheet: &str, title: &str) -> Finding {
    match is_binned(&patient.session, &patient.config, spreadsheet) {
        Some(true) => {
            let (what, advice) = bin_advice(title);
            warning("bin", what, advice)
        }
        Some(false) => good("bin", "the spreadsheet is not in it"),
        None => skipped(
            "bin",
            "nobody can look whether the spreadsheet is in it: the Drive API is not enabled, which is fine",
        ),
    }
}

/// Spreadsheets that were asked for and never heard of. One that was made is empty: nothing of ours was written into it.
fn orphans(patient: &Patient) -> Option<Finding> {
    let outbox = patient.outbox.as_ref().ok().and_then(Option::as_ref)?;
    let unheard = outbox.unheard_creates().ok()?;
    let last = unheard.last()?;
    let mut titles: Vec<&str> = unheard.iter().map(|one| one.title.as_str()).collect();
    titles.sort_unstable();
    titles.dedup();
    let known: Vec<String> = outbox.sheets().ok()?.into_iter().map(|sheet| sheet.id).collect();
    let when = When(last.at.saturating_mul(1000));
    let what =
        format!("Google did not answer when a spreadsheet was to be made, last at {when}: there may be an empty one");
    let Some(found) = titles.iter().map(|title| empty_files(patient, title, &known)).collect::<Option<Vec<_>>>() else {
        let title = titles.join("\" or \"");
        return Some(warning(
            "orphans",
            what,
            format!("drive.google.com: look for spreadsheets called \"{title}\"; one without any row may be deleted"),
        ));
    };
    let found = found.concat();
    if found.is_empty() {
        return Some(good("orphans", "every spreadsheet that was asked for is known, or was never made"));
    }
    let addresses: Vec<String> =
        found.iter().map(|id| format!("https://docs.google.com/spreadsheets/d/{id}")).collect();
    Some(warning(
        "orphans",
        format!("{what} at {}", addresses.join(" ")),
        "delete it, unless another device has just made it",
    ))
}

/// Spreadsheets of this title that this app made and no device wrote to; none if nobody can look: the Drive API is off.
fn empty_files(patient: &Patient, title: &str, known: &[String]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Listed {
        #[serde(default)]
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sheet {
        #[serde(default)]
        developer_metadata: Vec<serde_json::Value>,
    }
    let quoted = title.replace('\\', "\\\\").replace('\'', "\\'");
    let query = format!("name='{quoted}' and mimeType='application/vnd.google-apps.spreadsheet' and trashed=false");
    let url = format!("{}/drive/v3/files?fields=files(id)&q={}", drive_origin(&patient.config), escape(&query));
    let request = Request { method: "GET".into(), url, headers: Vec::new(), body: Vec::new().into() };
    let answer = patient.session.authorised(&request, &TIMEOUTS).ok().filter(|answer| answer.status == 200)?;
    let listed: Listed = serde_json::from_slice(&answer.body).ok()?;
    let ours = |id: &String| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let strange = listed.files.into_iter().map(|file| file.id).filter(|id| ours(id) && !known.contains(id));
    let mut empty = Vec::new();
    for id in strange.take(FEW) {
        let answer = get(patient, &format!("/v4/spreadsheets/{id}?fields=developerMetadata.metadataKey")).ok()?;
        // Whoever wrote a row left a marker, and the newest one stays.
        let sheet = serde_json::from_slice::<Sheet>(&answer.body).ok().filter(|_| answer.status == 200)?;
        if sheet.developer_metadata.is_empty() {
            empty.push(id);
        }
    }
    Some(empty)
}

/// Spreadsheets of one title that are looked into.
const FEW: usize = 10;

/// Every row carries its id, so a double, should one ever happen, can be found.
fn doubles(patient: &Patient, spreadsheet: &str) -> Finding {
    match row_ids(patient, spreadsheet) {
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
fn row_ids(patient: &Patient, spreadsheet: &str) -> Option<Vec<String>> {
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
    let read = |path: &str| {
        get(patient, &format!("/v4/spreadsheets/{spreadsheet}{path}")).ok().filter(|answer| answer.status == 200)
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
