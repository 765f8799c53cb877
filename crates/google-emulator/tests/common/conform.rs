//! Replies held to Google's discovery document: every member known, every type right.

use std::collections::HashMap;

use google_emulator::{Reply, Request};
use serde_json::Value;

type Messages = HashMap<&'static str, HashMap<&'static str, &'static str>>;

fn messages() -> Messages {
    let mut messages = Messages::new();
    let mut current = "";
    let lines = include_str!("../../src/sheets/schema.v4.txt")
        .lines()
        .chain(include_str!("../../src/sheets/schema.drive.v3.txt").lines());
    for line in lines.filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(' ').and_then(|member| member.split_once(' ')) {
            Some((name, kind)) => drop(messages.entry(current).or_default().insert(name, kind)),
            None => {
                current = line;
                messages.entry(current).or_default();
            }
        }
    }
    messages
}

/// Panics if a successful reply is not what the discovery document says it is.
pub(crate) fn check(request: &Request, reply: &Reply) {
    let path = request.target.split('?').next().unwrap_or_default();
    let is_json = reply.header("content-type").is_some_and(|kind| kind.contains("json"));
    if reply.status != 200 || !is_json {
        return;
    }
    thread_local!(static MESSAGES: Messages = messages());
    if let Some(message) = message(&request.method, path) {
        MESSAGES.with(|messages| check_value(messages, message, &reply.value(), message));
    }
}

fn message(method: &str, path: &str) -> Option<&'static str> {
    if let Some(rest) = path.strip_prefix("/drive/v3/") {
        let parts: Vec<&str> = rest.split('/').collect();
        return Some(match (method, parts.as_slice()) {
            (_, ["about"]) => "About",
            (_, ["files", "generateIds"]) => "GeneratedIds",
            ("GET", ["files"]) => "FileList",
            ("GET", ["files", _, "comments"]) => "CommentList",
            ("GET", ["files", _, "permissions"]) => "PermissionList",
            (_, ["files", _, "permissions", ..]) => "Permission",
            (_, ["files", _, "export"]) => return None,
            (_, ["files", ..]) => "File",
            _ => return None,
        });
    }
    let rest = path.strip_prefix("/v4/spreadsheets")?;
    let ends = |end: &str| rest.ends_with(end);
    Some(match () {
        () if rest.is_empty() || ends(":getByDataFilter") => "Spreadsheet",
        () if ends("values:batchUpdate") => "BatchUpdateValuesResponse",
        () if ends(":batchUpdate") => "BatchUpdateSpreadsheetResponse",
        () if ends("values:batchGet") => "BatchGetValuesResponse",
        () if ends("values:batchClear") => "BatchClearValuesResponse",
        () if ends("values:batchGetByDataFilter") => "BatchGetValuesByDataFilterResponse",
        () if ends("values:batchUpdateByDataFilter") => "BatchUpdateValuesByDataFilterResponse",
        () if ends("values:batchClearByDataFilter") => "BatchClearValuesByDataFilterResponse",
        () if ends("developerMetadata:search") => "SearchDeveloperMetadataResponse",
        () if ends(":copyTo") => "SheetProperties",
        () if ends(":append") => "AppendValuesResponse",
        () if ends(":clear") => "ClearValuesResponse",
        () if rest.contains("/developerMetadata/") => "DeveloperMetadata",
        () if rest.contains("/values/") && method == "PUT" => "UpdateValuesResponse",
        () if rest.contains("/values/") => "ValueRange",
        () if rest.matches('/').count() == 1 => "Spreadsheet",
        () => return None,
    })
}

fn check_value(messages: &Messages, kind: &str, value: &Value, place: &str) {
    if let Some(element) = kind.strip_prefix('[') {
        let list = value.as_array().unwrap_or_else(|| panic!("{place} is no list: {value}"));
        list.iter().for_each(|value| check_value(messages, element, value, place));
        return;
    }
    if let Some(names) = kind.strip_prefix("enum:") {
        let is_known = value.as_str().is_some_and(|text| names.split('|').any(|name| name == text));
        assert!(is_known, "{place} has no such value: {value}");
        return;
    }
    let fits = match kind {
        "any" => true,
        "string" => value.is_string(),
        "bool" => value.is_boolean(),
        "int" => value.is_i64() || value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
        "number" => value.is_number(),
        message => {
            let known = messages.get(message).unwrap_or_else(|| panic!("no message {message}"));
            let members = value.as_object().unwrap_or_else(|| panic!("{place} is no message: {value}"));
            for (name, value) in members {
                let kind = known.get(name.as_str()).unwrap_or_else(|| panic!("{place} has no member {name}"));
                check_value(messages, kind, value, &format!("{place}.{name}"));
            }
            true
        }
    };
    assert!(fits, "{place} is no {kind}: {value}");
}
