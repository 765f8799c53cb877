//! Sheets v4: which method a path is, who may call it, and what it does.
//!
//! The order of checks is Google's where it is known: path and verb, credentials, scope, API enabled, quota, body,
//! existence, meaning (docs/google.md 6).

pub(crate) mod a1;
mod batch;
mod blocks;
mod call;
mod cell;
mod entry;
pub(crate) mod errors;
mod files;
pub(crate) mod filter;
pub(crate) mod formula;
mod grid;
mod groups;
mod kept;
pub(crate) mod mask;
mod metadata;
mod method;
mod moves;
mod paste;
mod pattern;
pub(crate) mod ranges;
pub(crate) mod render;
mod schema;
pub(crate) mod sheet;
mod shift;
pub(crate) mod spreadsheet;
mod tables;
mod tidy;
mod values;

use std::sync::Arc;

use serde_json::{Value, json};

pub use cell::CellValue;
pub use files::EditError;
pub(crate) use files::{Access, File, Files};

use self::{
    batch::Batch,
    call::Call,
    errors::Refusal,
    mask::Mask,
    method::{COMMON_QUERY, Method},
    spreadsheet::Spreadsheet,
};
use crate::{
    Model,
    oauth::Caller,
    random::Random,
    wire::{Params, Plus, Reply, Request, decode, truth},
};

/// The spreadsheet a path names, for faults.
pub(crate) fn spreadsheet_id(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/v4/spreadsheets/")?;
    rest.split(['/', ':']).next().filter(|id| !id.is_empty()).map(|id| decode(id, Plus::Literal))
}

/// Which quota a request would be counted in.
pub(crate) fn is_write(request: &Request) -> bool {
    Method::of(request).map_or(request.method != "GET", |(method, _)| method.is_write())
}

pub(crate) fn handle(model: &mut Model, request: &Request, origin: &str, random: &mut Random) -> Reply {
    let Some((method, id)) = Method::of(request) else { return errors::html(404) };
    let query = request.query();
    let caller = match admit(model, request, &method) {
        Ok(caller) => caller,
        Err(reply) => return errors::in_form(reply, &query),
    };
    match answer(model, request, &query, &method, id.as_deref(), &caller, origin, random) {
        Ok(value) => success(&value, &query),
        Err(refusal) => errors::in_form(refusal.reply(), &query),
    }
}

fn success(value: &Value, query: &Params) -> Reply {
    let mut reply = Reply::json(200, value)
        .with_header("Vary", "Origin, X-Origin, Referer")
        .with_header("Cache-Control", "private");
    if query.is_compact() {
        reply.body = value.to_string().into_bytes();
    }
    reply
}

fn admit(model: &mut Model, request: &Request, method: &Method) -> Result<Caller, Reply> {
    let rpc = format!("google.apps.sheets.v4.SpreadsheetsService.{}", method.rpc());
    let token = errors::bearer(request).ok_or_else(|| errors::no_credentials(&rpc, "sheets"))?;
    let caller =
        model.state.sign_in.caller(model.now, &token).ok_or_else(errors::bad_credentials)?.under(&model.options);
    if !caller.scopes.iter().any(|scope| method.scopes().contains(&scope.as_str())) {
        return Err(errors::insufficient_scope(&rpc, "sheets", method.scopes()));
    }
    if !caller.sheets_api_enabled {
        return Err(errors::api_disabled(&caller.project_number));
    }
    match model.state.quota.take(model.now, &caller, method.is_write(), &model.options) {
        Some(reply) => Err(reply),
        None => Ok(caller),
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site; a struct would only name them again")]
fn answer(
    model: &mut Model,
    request: &Request,
    query: &Params,
    method: &Method,
    id: Option<&str>,
    caller: &Caller,
    origin: &str,
    random: &mut Random,
) -> Result<Value, Refusal> {
    let (request_message, reply_message) = method.messages();
    check_query(query, method)?;
    let mask = query.filled("fields").map(|text| Mask::parse(text, reply_message)).transpose()?;
    let body = match request_message {
        "" => json!({}),
        message => schema::parse(message, &request.body)?,
    };
    let call = Call { query, body: &body, caller, origin, mask: mask.as_ref(), now: model.now };
    let value = match (method, id) {
        (Method::Create, _) => {
            let id = format!("1{}", random.opaque(43));
            let book = Spreadsheet::create(id, &body, &caller.project_number, random)?;
            let json = call.spreadsheet(&book, &[], call.data(false))?;
            model.state.files.add(book, caller, model.now);
            json
        }
        (_, None) => return Err(Refusal::not_found()),
        (Method::BatchUpdate, Some(id)) => {
            let no_match = model.options.no_match;
            let now = model.now;
            let file = model.state.files.open(id, caller, Access::Write)?;
            let mut copy = Spreadsheet::clone(&file.book);
            let mut batch = Batch::new(&caller.project_number, random, no_match, now);
            let requests = body["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
            let replies = batch.apply(&mut copy, requests)?;
            let json = call.batch_reply(&copy, replies)?;
            file.replace(copy, now);
            json
        }
        (Method::CopyTo { sheet }, Some(id)) => copy_to(model, id, sheet, &call, random)?,
        (method, Some(id)) if method.is_write() => {
            let now = model.now;
            let file = model.state.files.open(id, caller, Access::Write)?;
            let mut copy = Spreadsheet::clone(&file.book);
            let json = call.write(&mut copy, method)?;
            file.replace(copy, now);
            json
        }
        (method, Some(id)) => call.read(&model.state.files.open(id, caller, Access::Read)?.book, method)?,
    };
    Ok(match mask {
        Some(mask) => mask.filter(value),
        None => value,
    })
}

/// Parameters that are booleans, and their names in complaints.
const BOOLEANS: [(&str, &str); 4] = [
    ("excludeTablesInBandedRanges", "exclude_tables_in_banded_ranges"),
    ("includeGridData", "include_grid_data"),
    ("includeValuesInResponse", "include_values_in_response"),
    ("prettyPrint", "$.prettyPrint"),
];

fn check_query(query: &Params, method: &Method) -> Result<(), Refusal> {
    let known = |name: &str| COMMON_QUERY.contains(&name) || method.query_names().contains(&name);
    let bad = |name: &str, value: &str| Refusal::invalid(format!("Invalid value at '{name}' (TYPE_ENUM), \"{value}\""));
    match query.filled("alt").or(query.filled("$alt")) {
        None | Some("json") => {}
        Some(other @ ("media" | "proto")) => return Err(Refusal::not_emulated(&format!("alt={other}"))),
        Some(other) => return Err(bad("alt", other)),
    }
    if query.filled("callback").is_some() {
        return Err(Refusal::not_emulated("JSONP"));
    }
    match query.filled("$.xgafv") {
        None | Some("1" | "2") => {}
        Some(other) => return Err(bad("$.xgafv", other)),
    }
    let is_bool = |name: &str| BOOLEANS.iter().find(|(written, _)| *written == name);
    for (name, value) in &query.0 {
        if let (Some((_, field)), None) = (is_bool(name), truth(value)) {
            return Err(Refusal::invalid(format!("Invalid value at '{field}' (TYPE_BOOL), \"{value}\"")));
        }
    }
    match query.0.iter().find(|(name, _)| !known(name)) {
        None => Ok(()),
        Some((name, _)) => {
            // unknown to us: the words after "Unknown name" for a parameter; for a body they are known.
            let text = format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' \
                 could not be found in request message."
            );
            let details = json!([{
                "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{ "description": text }],
            }]);
            Err(Refusal { details: Some(details), ..Refusal::invalid(text) })
        }
    }
}

fn copy_to(model: &mut Model, id: &str, sheet: &str, call: &Call<'_>, random: &mut Random) -> Result<Value, Refusal> {
    let source = Arc::clone(&model.state.files.open(id, call.caller, Access::Read)?.book);
    let at = source.sheet_at(sheet.parse().unwrap_or(-1))?;
    let now = model.now;
    let target = call.body["destinationSpreadsheetId"].as_str().unwrap_or_default();
    let file = model.state.files.open(target, call.caller, Access::Write)?;
    let mut copy = Spreadsheet::clone(&file.book);
    let title = format!("Copy of {}", source.sheets[at].title);
    let place = copy.add_sheet(&json!({ "title": title }), random)?;
    let new = &mut copy.sheets[place];
    let old = source.sheets[at].id;
    *new = sheet::Sheet { id: new.id, title, ..source.sheets[at].clone() };
    copy.readdress_kept(place, old);
    copy.check_size()?;
    let json = copy.sheets[place].properties_json(place);
    file.replace(copy, now);
    Ok(json)
}
