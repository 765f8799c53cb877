//! `/_emulator/…`: what a test may do that no client can. The JSON is described in the crate documentation.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    calendar::rfc3339,
    faults::{Faults, Rule},
    model::{Model, done},
    options::Client,
    pages,
    wire::{Reply, Request},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approve {
    user_code: String,
    account: String,
    scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserCode {
    user_code: String,
    /// Accepted because the approving call has one; a denial needs no account.
    #[serde(default)]
    #[expect(dead_code, reason = "see above")]
    account: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    account: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpreadsheetId {
    spreadsheet_id: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(Box<Rule>),
    More(Faults),
}

/// The longest step of the clock: a century.
const LONGEST_STEP: f64 = 3.2e9;

pub(crate) fn handle(model: &mut Model, request: &Request, origin: &str) -> Reply {
    // A page of another site must not drive the emulator of a person who visits it: its browser sends `Origin`,
    // and could only send JSON with a permission that is never given.
    if is_cross_site(request) {
        return failure(403, "requests from other sites are not taken");
    }
    if let Some(part) = pages::part(model, request, origin) {
        return part;
    }
    answer(model, request).unwrap_or_else(|reply| reply)
}

pub(crate) fn is_cross_site(request: &Request) -> bool {
    let host = request.header("host").unwrap_or_default();
    let foreign = |origin: &str| origin.split_once("://").is_none_or(|(_, rest)| rest != host);
    request.method != "GET" && request.header("origin").is_some_and(foreign)
}

fn answer(model: &mut Model, request: &Request) -> Result<Reply, Reply> {
    let decided = |result: Result<(), crate::DecideError>| match result {
        Ok(()) => Ok(done()),
        Err(error) => Err(failure(409, &error.to_string())),
    };
    match (request.method.as_str(), request.path().trim_end_matches('/')) {
        ("GET", "/_emulator") => Ok(summary(model)),
        ("GET", "/_emulator/codes") => Ok(codes(model)),
        ("POST", "/_emulator/approve") => {
            let Approve { user_code, account, scopes } = parse(request)?;
            decided(model.state.sign_in.approve(model.now, &user_code, &account, scopes))
        }
        ("POST", "/_emulator/deny") => {
            let UserCode { user_code, .. } = parse(request)?;
            decided(model.deny(&user_code))
        }
        ("POST", "/_emulator/expire_code") => {
            let UserCode { user_code, .. } = parse(request)?;
            if model.expire_code(&user_code) { Ok(done()) } else { Err(failure(409, "no code like this is waiting")) }
        }
        ("POST", "/_emulator/revoke") => {
            match parse::<Account>(request)?.account {
                Some(account) => drop(model.revoke_account(&account)),
                None => model.revoke_everything(),
            }
            Ok(done())
        }
        ("POST", "/_emulator/expire_access_tokens") => {
            model.expire_access_tokens();
            Ok(done())
        }
        ("POST", "/_emulator/clients") => {
            model.set_client(parse::<Client>(request)?);
            Ok(done())
        }
        ("POST", "/_emulator/delete_spreadsheet") => {
            let SpreadsheetId { spreadsheet_id } = parse(request)?;
            if model.delete_spreadsheet(&spreadsheet_id) {
                Ok(done())
            } else {
                Err(failure(404, "no such spreadsheet"))
            }
        }
        ("GET", "/_emulator/faults") => Ok(faults(model)),
        ("POST", "/_emulator/faults") => {
            if !model.state.faults.extend(rules(request)?) {
                return Err(failure(400, "too many rules"));
            }
            Ok(faults(model))
        }
        ("PUT", "/_emulator/faults") => {
            let mut fresh = Faults::default();
            if !fresh.extend(rules(request)?) {
                return Err(failure(400, "too many rules"));
            }
            model.state.faults = fresh;
            Ok(faults(model))
        }
        ("DELETE", "/_emulator/faults") => {
            model.state.faults = Faults::default();
            Ok(done())
        }
        ("GET", "/_emulator/log") => Ok(log(model, request)),
        ("DELETE", "/_emulator/log") => {
            model.clear_log();
            Ok(done())
        }
        ("GET", "/_emulator/clock") => Ok(clock(model)),
        ("POST", "/_emulator/clock") => {
            let Advance { advance } = parse(request)?;
            if !(0.0..=LONGEST_STEP).contains(&advance) {
                return Err(failure(400, "advance: seconds, not negative"));
            }
            model.advance(Duration::from_secs_f64(advance));
            Ok(clock(model))
        }
        _ => Err(failure(404, "no such control; see the crate documentation of google-emulator")),
    }
}

fn failure(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": message }))
}

fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Reply> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| failure(400, &error.to_string()))
}

fn rules(request: &Request) -> Result<Faults, Reply> {
    // Untagged errors say nothing; say what is wrong with the form that was meant.
    let value: Value = parse(request)?;
    let is_list = value.get("rules").is_some() || value.get("idle_close_seconds").is_some();
    let parsed = if is_list {
        serde_json::from_value(value).map(OneOrMore::More)
    } else {
        serde_json::from_value(value).map(|rule| OneOrMore::One(Box::new(rule)))
    };
    match parsed.map_err(|error| failure(400, &error.to_string()))? {
        OneOrMore::One(rule) => Ok(Faults { rules: vec![*rule], idle_close_seconds: None }),
        OneOrMore::More(faults) => Ok(faults),
    }
}

fn faults(model: &Model) -> Reply {
    Reply::json(200, &serde_json::to_value(model.faults()).unwrap_or_default())
}

fn clock(model: &Model) -> Reply {
    let now = model.clock();
    let offset = model.state.clock_offset.as_secs_f64();
    Reply::json(200, &json!({ "unix": now.as_secs_f64(), "time": rfc3339(now), "advanced": offset }))
}

/// `?since=N` leaves out entries up to that number.
fn log(model: &Model, request: &Request) -> Reply {
    let since: u64 = request.query().get("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let entries: Vec<Value> =
        model.log.entries().filter(|entry| entry.number > since).map(|entry| entry.to_json()).collect();
    Reply::json(200, &json!({ "entries": entries }))
}

fn codes(model: &Model) -> Reply {
    let codes: Vec<Value> = model
        .pending_codes()
        .into_iter()
        .map(|code| {
            json!({
                "user_code": code.user_code, "client_id": code.client_id, "client_name": code.client_name,
                "scopes": code.scopes, "expires_in": code.expires.saturating_sub(model.now).as_secs(),
            })
        })
        .collect();
    Reply::json(200, &json!({ "codes": codes }))
}

fn summary(model: &Model) -> Reply {
    Reply::json(
        200,
        &json!({
            "name": "google-emulator", "version": env!("CARGO_PKG_VERSION"), "time": rfc3339(model.now),
            "spreadsheets": model.spreadsheet_ids(), "accounts": model.state.sign_in.accounts(),
        }),
    )
}
