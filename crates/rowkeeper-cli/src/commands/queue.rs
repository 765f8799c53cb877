//! `rowkeeper queue`: the outbox.

use rowkeeper::Device;
use rowkeeper::outbox::{Filter, Listed, RowState, Value};
use rowkeeper::status::When;
use serde_json::json;

use super::{Context, open_failure, print, print_json, printable};
use crate::args::{Queue, QueueCommand};
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, queue: &Queue) -> Result<Exit, Failure> {
    let QueueCommand::List = queue.command;
    let Some(outbox) = Device::peek_outbox(&context.config()?).map_err(open_failure)? else {
        return list(context, &[]);
    };
    let rows = outbox.list(&Filter::default()).map_err(|error| Failure::new(Exit::Later, error))?;
    list(context, &rows)
}

fn list(context: &Context, rows: &[Listed]) -> Result<Exit, Failure> {
    if context.global.json {
        print_json(&rows.iter().map(as_json).collect::<Vec<_>>())?;
    } else if rows.is_empty() {
        print("the queue is empty")?;
    } else {
        for row in rows {
            print(&as_text(row))?;
        }
    }
    Ok(Exit::Done)
}

fn as_json(row: &Listed) -> serde_json::Value {
    json!({
        "id": row.id,
        "table": row.table,
        "state": state(row.state),
        "reason": row.reason,
        "recorded": happened(row),
        "record": row.record.fields.iter().map(|(key, value)| (key.clone(), value_json(value)))
            .collect::<serde_json::Map<_, _>>(),
    })
}

fn as_text(row: &Listed) -> String {
    let fields: Vec<_> = row.record.fields.iter().map(|(key, value)| format!("{key}={}", value_json(value))).collect();
    let reason = row.reason.as_deref().map(|why| format!("  ({why})")).unwrap_or_default();
    printable(&format!(
        "{}  {}  {}  {}  {}{reason}",
        row.id,
        happened(row),
        row.table,
        state(row.state),
        fields.join(" ")
    ))
}

fn happened(row: &Listed) -> When {
    When(row.happened.at_unix_ms.unwrap_or(row.happened.wall.unix_ms))
}

fn state(state: RowState) -> &'static str {
    match state {
        RowState::Queued => "waiting",
        RowState::InBatch => "sending",
        RowState::Aside => "set aside",
    }
}

fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => json!(text),
        // A whole number as people write it; beyond 2^53 a double's digits are not all its own.
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => json!(*number as i64),
        Value::Number(number) => json!(number),
        Value::Bool(truth) => json!(truth),
        Value::Null => json!(null),
        Value::Time { unix_ms, .. } => json!(When(*unix_ms)),
    }
}
