//! The description of the control calls, made from the table that routes them.

use serde_json::{Map, Value, json};

use super::OPERATIONS;
use crate::wire::Reply;

/// Schemas of bodies and answers. `tests/control.rs` holds them to what the calls take and give.
const SCHEMAS: &str = include_str!("schemas.json");

pub(super) fn reply() -> Reply {
    Reply::json(200, &document())
}

/// OpenAPI 3.1.
fn document() -> Value {
    let reference =
        |name: &str| json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } });
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let mut described = json!({
            "operationId": operation.id, "summary": operation.summary,
            "responses": {
                "200": { "description": "Done", "content": reference(operation.reply) },
                "default": { "description": "Refused; nothing was changed", "content": reference("Error") },
            },
        });
        if let Some(body) = operation.body {
            described["requestBody"] = json!({ "required": true, "content": reference(body) });
        }
        if operation.id == "log" {
            described["parameters"] = json!([{
                "name": "since", "in": "query", "required": false, "schema": { "type": "integer", "minimum": 0 },
                "description": "Only entries with a greater number",
            }]);
        }
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = described;
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "google-emulator control", "version": env!("CARGO_PKG_VERSION"),
            "description": "What a test may do that no client of Google can. Never faulted, never logged.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths, "components": { "schemas": schemas },
    })
}
