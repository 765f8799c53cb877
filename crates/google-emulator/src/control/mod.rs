//! `/_emulator/…`: what a test may do that no client can. The JSON is described in the crate documentation, and for
//! programs in `/_emulator/openapi.json`.

mod openapi;

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
#[serde(deny_unknown_fields)]
struct SpreadsheetStanding {
    spreadsheet_id: String,
    trashed: Option<bool>,
    read_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
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

type Answer = Result<Reply, Reply>;

/// One call: where it is, what the description says about it, and what it does. Routes and description are made of the
/// same table, so they cannot drift apart.
struct Operation {
    method: &'static str,
    path: &'static str,
    /// Names it in the description.
    id: &'static str,
    summary: &'static str,
    /// The schema of its body.
    body: Option<&'static str>,
    /// The schema of its answer.
    reply: &'static str,
    answer: fn(&mut Model, &Request) -> Answer,
}

const fn read(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    reply: &'static str,
    answer: fn(&mut Model, &Request) -> Answer,
) -> Operation {
    Operation { method: "GET", path, id, summary, body: None, reply, answer }
}

const fn act(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    body: Option<&'static str>,
    answer: fn(&mut Model, &Request) -> Answer,
) -> Operation {
    Operation { method: "POST", path, id, summary, body, reply: "Done", answer }
}

const OPERATIONS: [Operation; 28] = [
    read("/_emulator", "summary", "Name, version, time, spreadsheets and accounts", "Summary", |model, _| {
        Ok(summary(model))
    }),
    read("/_emulator/openapi.json", "openapi", "This description", "Anything", |_, _| Ok(openapi::reply())),
    read("/_emulator/codes", "codes", "The codes that wait for a person", "Codes", |model, _| Ok(codes(model))),
    act(
        "/_emulator/approve",
        "approve",
        "A person allows; without scopes, all that were asked",
        Some("Approval"),
        approve,
    ),
    act("/_emulator/deny", "deny", "A person refuses", Some("UserCode"), |model, request| {
        let UserCode { user_code, .. } = parse(request)?;
        decided(model.deny(&user_code))
    }),
    act("/_emulator/expire_code", "expireCode", "A code's time is over", Some("UserCode"), |model, request| {
        let UserCode { user_code, .. } = parse(request)?;
        if model.expire_code(&user_code) { Ok(done()) } else { Err(failure(409, "no code like this is waiting")) }
    }),
    act(
        "/_emulator/revoke",
        "revoke",
        "The owner removes the app; without an account everybody does",
        Some("Account"),
        |model, request| {
            match parse::<Account>(request)?.account {
                Some(account) => drop(model.revoke_account(&account)),
                None => model.revoke_everything(),
            }
            Ok(done())
        },
    ),
    act(
        "/_emulator/expire_access_tokens",
        "expireAccessTokens",
        "All access tokens end; refresh tokens stay",
        None,
        |model, _| {
            model.expire_access_tokens();
            Ok(done())
        },
    ),
    read("/_emulator/clients", "clients", "The OAuth clients, their secrets left out", "Clients", |model, _| {
        Ok(clients(model))
    }),
    act(
        "/_emulator/clients",
        "setClient",
        "A client; what is left out has Google's value",
        Some("Client"),
        |model, request| {
            model.set_client(parse::<Client>(request)?);
            Ok(done())
        },
    ),
    act(
        "/_emulator/delete_spreadsheet",
        "deleteSpreadsheet",
        "A spreadsheet goes for ever",
        Some("SpreadsheetId"),
        |model, request| {
            let SpreadsheetId { spreadsheet_id } = parse(request)?;
            if model.delete_spreadsheet(&spreadsheet_id) {
                Ok(done())
            } else {
                Err(failure(404, "no such spreadsheet"))
            }
        },
    ),
    act(
        "/_emulator/spreadsheet",
        "setSpreadsheet",
        "The owner bins a spreadsheet or makes it read-only for the app",
        Some("Standing"),
        |model, request| {
            let SpreadsheetStanding { spreadsheet_id, trashed, read_only } = parse(request)?;
            let missing = |_| failure(404, "no such spreadsheet");
            if let Some(trashed) = trashed {
                model.set_trashed(&spreadsheet_id, trashed).map_err(missing)?;
            }
            if let Some(read_only) = read_only {
                model.set_read_only(&spreadsheet_id, read_only).map_err(missing)?;
            }
            Ok(done())
        },
    ),
    read("/_emulator/faults", "faults", "The rules that are set, and how often each struck", "Faults", |model, _| {
        Ok(faults(model))
    }),
    Operation {
        reply: "Faults",
        ..act("/_emulator/faults", "addFaults", "One rule, or a list: added", Some("RuleOrFaults"), |model, request| {
            let more = rules(model, request)?;
            if !model.state.faults.extend(more) {
                return Err(failure(400, "too many rules"));
            }
            Ok(faults(model))
        })
    },
    Operation {
        method: "PUT",
        reply: "Faults",
        ..act("/_emulator/faults", "setFaults", "The same, in place of all", Some("RuleOrFaults"), |model, request| {
            let mut fresh = Faults::default();
            if !fresh.extend(rules(model, request)?) {
                return Err(failure(400, "too many rules"));
            }
            model.state.faults = fresh;
            Ok(faults(model))
        })
    },
    Operation {
        method: "DELETE",
        ..act("/_emulator/faults", "clearFaults", "The bad day is over", None, |model, _| {
            model.state.faults = Faults::default();
            Ok(done())
        })
    },
    read(
        "/_emulator/log",
        "log",
        "The latest requests, secrets masked; since=N for those after number N",
        "Log",
        |model, request| Ok(log(model, request)),
    ),
    Operation {
        method: "DELETE",
        ..act("/_emulator/log", "clearLog", "The log starts afresh", None, |model, _| {
            model.clear_log();
            Ok(done())
        })
    },
    read("/_emulator/clock", "clock", "The emulator's time", "Clock", |model, _| Ok(clock(model))),
    Operation {
        reply: "Clock",
        ..act(
            "/_emulator/clock",
            "advanceClock",
            "Tokens and codes age, nobody waits",
            Some("Advance"),
            |model, request| {
                let Advance { advance } = parse(request)?;
                if !(0.0..=LONGEST_STEP).contains(&advance) {
                    return Err(failure(400, "advance: seconds, not negative"));
                }
                model.advance(Duration::from_secs_f64(advance));
                Ok(clock(model))
            },
        )
    },
    read("/_emulator/snapshots", "snapshots", "Names of the snapshots that are kept", "Snapshots", |model, _| {
        Ok(Reply::json(200, &json!({ "snapshots": model.snapshot_names() })))
    }),
    act(
        "/_emulator/snapshots",
        "keepSnapshot",
        "Keeps the whole world under a name, in memory",
        Some("Name"),
        |model, request| {
            let Name { name } = parse(request)?;
            if model.keep_snapshot(&name) { Ok(done()) } else { Err(failure(400, "too many snapshots, or no name")) }
        },
    ),
    act(
        "/_emulator/restore",
        "restoreSnapshot",
        "The whole world becomes again what it was, its time too",
        Some("Name"),
        |model, request| {
            let Name { name } = parse(request)?;
            if model.restore_snapshot(&name) { Ok(done()) } else { Err(failure(404, "no such snapshot")) }
        },
    ),
    read(
        "/_emulator/snapshot",
        "readSnapshot",
        "The whole world as a document, tokens included",
        "Anything",
        |model, _| Ok(Reply::json(200, &model.snapshot())),
    ),
    Operation {
        method: "PUT",
        ..act(
            "/_emulator/snapshot",
            "writeSnapshot",
            "The whole world from such a document",
            Some("Anything"),
            |model, request| {
                model.load_snapshot(parse(request)?).map_err(|error| failure(400, &error)).map(|()| done())
            },
        )
    },
    read(
        "/_emulator/options",
        "options",
        "Quotas, and each behaviour of Google's that nobody knows",
        "Options",
        |model, _| Ok(Reply::json(200, &json!(model.switches()))),
    ),
    Operation {
        reply: "Options",
        ..act(
            "/_emulator/options",
            "setOptions",
            "The same; what is left out stays as it is",
            Some("Options"),
            |model, request| {
                model.set_switches(parse(request)?);
                Ok(Reply::json(200, &json!(model.switches())))
            },
        )
    },
    act("/_emulator/reset", "reset", "An empty world: no grants, no spreadsheets, no rules", None, |model, _| {
        model.reset();
        Ok(done())
    }),
];

fn answer(model: &mut Model, request: &Request) -> Answer {
    let path = request.path().trim_end_matches('/');
    let mut here = OPERATIONS.iter().filter(|operation| operation.path == path).peekable();
    if here.peek().is_none() {
        return Err(failure(404, "no such call; GET /_emulator/openapi.json lists them"));
    }
    match here.find(|operation| operation.method == request.method) {
        Some(operation) => (operation.answer)(model, request),
        None => Err(failure(405, "no such method of this call; GET /_emulator/openapi.json lists them")),
    }
}

fn approve(model: &mut Model, request: &Request) -> Answer {
    let Approve { user_code, account, scopes } = parse(request)?;
    decided(model.state.sign_in.approve(model.now, &user_code, &account, scopes))
}

fn decided(result: Result<(), crate::DecideError>) -> Answer {
    match result {
        Ok(()) => Ok(done()),
        Err(error) => Err(failure(409, &error.to_string())),
    }
}

fn clients(model: &Model) -> Reply {
    let shown = |client: &Client| {
        let mut json = serde_json::to_value(client).unwrap_or_default();
        json["client_secret"] = if client.client_secret.is_empty() { "" } else { "***" }.into();
        json
    };
    let clients: Vec<Value> = model.state.sign_in.clients.values().map(shown).collect();
    Reply::json(200, &json!({ "clients": clients }))
}

fn failure(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": message }))
}

fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Reply> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| failure(400, &error.to_string()))
}

fn rules(model: &Model, request: &Request) -> Result<Faults, Reply> {
    // Untagged errors say nothing; say what is wrong with the form that was meant.
    let value: Value = parse(request)?;
    let is_list = ["rules", "idle_close_seconds", "tls_failure"].iter().any(|name| value.get(name).is_some());
    let parsed = if is_list {
        serde_json::from_value(value).map(OneOrMore::More)
    } else {
        serde_json::from_value(value).map(|rule| OneOrMore::One(Box::new(rule)))
    };
    match parsed.map_err(|error| failure(400, &error.to_string()))? {
        OneOrMore::One(rule) => Ok(Faults { rules: vec![*rule], ..Faults::default() }),
        OneOrMore::More(faults) if faults.tls_failure.is_some() && !model.options.https => {
            Err(failure(400, "tls_failure: this emulator speaks plain http; start it with --tls"))
        }
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
