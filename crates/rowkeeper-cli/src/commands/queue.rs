//! `rowkeeper queue`: the outbox, and a person's word about what is in it.

use std::collections::BTreeSet;
use std::io::{self, BufWriter};

use rowkeeper::Device;
use rowkeeper::config::Config;
use rowkeeper::delivery::ring;
use rowkeeper::outbox::{self, Filter, Listed, ListedAmend, Outbox, RowState};
use rowkeeper::status::When;
use serde_json::json;

use super::{Context, open_failure, print, print_json, printable};
use crate::args::{Format, Picked, Queue, QueueCommand};
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, queue: &Queue) -> Result<Exit, Failure> {
    let config = context.config()?;
    // Asking makes nothing: a device that never recorded has an empty queue.
    let outbox = Device::peek_outbox(&config).map_err(open_failure)?;
    let outbox = outbox.as_ref();
    match &queue.command {
        QueueCommand::List { set_aside, delivered } => {
            let mut amends = amends(outbox)?;
            amends.retain(|amend| !set_aside || amend.reason.is_some());
            list(context, &rows(outbox, &filter(*set_aside, *delivered))?, &amends)
        }
        QueueCommand::Show { ids } => show(context, outbox, ids),
        QueueCommand::Retry(picked) => retry(context, &config, outbox, picked),
        QueueCommand::Drop(picked) => drop_rows(context, &config, outbox, picked),
        QueueCommand::Export { format, set_aside, delivered } => {
            export(outbox, *format, &filter(*set_aside, *delivered))
        }
    }
}

fn filter(set_aside: bool, delivered: bool) -> Filter {
    Filter { state: set_aside.then_some(RowState::Aside), delivered, ..Filter::default() }
}

fn rows(outbox: Option<&Outbox>, filter: &Filter) -> Result<Vec<Listed>, Failure> {
    outbox.map_or(Ok(Vec::new()), |outbox| outbox.list(filter).map_err(disk))
}

fn amends(outbox: Option<&Outbox>) -> Result<Vec<ListedAmend>, Failure> {
    outbox.map_or(Ok(Vec::new()), |outbox| outbox.amends().map_err(disk))
}

fn list(context: &Context, rows: &[Listed], amends: &[ListedAmend]) -> Result<Exit, Failure> {
    if context.global.json {
        print_json(&rows.iter().map(as_json).chain(amends.iter().map(amend_as_json)).collect::<Vec<_>>())?;
    } else if rows.is_empty() && amends.is_empty() {
        print("the queue is empty")?;
    } else {
        for line in rows.iter().map(as_text).chain(amends.iter().map(amend_as_text)) {
            print(&line)?;
        }
    }
    Ok(Exit::Done)
}

fn show(context: &Context, outbox: Option<&Outbox>, ids: &[String]) -> Result<Exit, Failure> {
    let found = rows(outbox, &Filter { ids: ids.to_vec(), delivered: true, ..Filter::default() })?;
    let mut amends = amends(outbox)?;
    amends.retain(|amend| ids.contains(&amend.id));
    if context.global.json {
        print_json(&found.iter().map(as_json).chain(amends.iter().map(amend_as_json)).collect::<Vec<_>>())?;
    } else {
        for line in found.iter().map(in_full).chain(amends.iter().map(amend_as_text)) {
            print(&line)?;
        }
    }
    let known: BTreeSet<&String> =
        found.iter().map(|row| &row.id).chain(amends.iter().map(|amend| &amend.id)).collect();
    let unknown: Vec<String> = ids.iter().filter(|id| !known.contains(id)).cloned().collect();
    Ok(end(&unknown))
}

fn retry(context: &Context, config: &Config, outbox: Option<&Outbox>, picked: &Picked) -> Result<Exit, Failure> {
    let retried = match outbox {
        Some(outbox) => outbox.retry(picked.which()).map_err(disk)?,
        None => outbox::Retried { unknown: picked.ids.clone(), ..Default::default() },
    };
    ring(&config.state_dir);
    if context.global.json {
        print_json(&retried)?;
    } else {
        if retried.returned > 0 || picked.ids.is_empty() {
            print(&format!("{} will be sent again", records(retried.returned)))?;
        }
        for id in &retried.waiting {
            print(&printable(&format!("{id} is waiting anyway")))?;
        }
    }
    Ok(end(&retried.unknown))
}

fn drop_rows(context: &Context, config: &Config, outbox: Option<&Outbox>, picked: &Picked) -> Result<Exit, Failure> {
    let dropped = match outbox {
        Some(outbox) => outbox.drop_rows(picked.which()).map_err(disk)?,
        None => outbox::Dropped { unknown: picked.ids.clone(), ..Default::default() },
    };
    ring(&config.state_dir);
    if context.global.json {
        print_json(&dropped)?;
    } else {
        if dropped.dropped > 0 || (dropped.in_flight == 0 && dropped.unknown.is_empty()) {
            print(&format!("{} dropped", records(dropped.dropped)))?;
        }
        if dropped.in_flight > 0 {
            let which = records(dropped.in_flight);
            print(&format!("{which} being sent: dropped once it is known, unless already in the sheet"))?;
        }
    }
    Ok(end(&dropped.unknown))
}

fn export(outbox: Option<&Outbox>, format: Format, filter: &Filter) -> Result<Exit, Failure> {
    let Some(outbox) = outbox else { return Ok(Exit::Done) };
    let format = match format {
        Format::Jsonl => outbox::Format::Jsonl,
        Format::Csv => outbox::Format::Csv,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match outbox.export(filter, format, &mut out).map_err(disk)? {
        // A reader that went away has seen what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => written.map(|()| Exit::Done).map_err(|error| Failure::new(Exit::Failed, error)),
    }
}

/// Ids that nobody knows are no reason to leave the others undone; but the command failed.
fn end(unknown: &[String]) -> Exit {
    for id in unknown {
        let id = printable(id);
        eprintln!("rowkeeper: {id} is not in the queue: it was delivered, dropped, or not recorded on this device");
    }
    if unknown.is_empty() { Exit::Done } else { Exit::Failed }
}

fn records(count: usize) -> String {
    format!("{count} record{}", if count == 1 { "" } else { "s" })
}

fn disk(error: outbox::DiskError) -> Failure {
    Failure::new(if error.is_damage() { Exit::Usage } else { Exit::Later }, error)
}

fn as_json(row: &Listed) -> serde_json::Value {
    json!({
        "id": row.id,
        "table": row.table,
        "state": state(row),
        "reason": row.reason,
        "recorded": happened(row),
        "record": fields_as_json(&row.record),
    })
}

/// New values for a record that is being sent or is in the sheet.
fn amend_as_json(amend: &ListedAmend) -> serde_json::Value {
    json!({
        "id": amend.id,
        "state": amend_state(amend),
        "reason": amend.reason,
        "record": fields_as_json(&amend.record),
    })
}

fn fields_as_json(record: &outbox::Record) -> serde_json::Map<String, serde_json::Value> {
    record.fields.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
}

fn amend_as_text(amend: &ListedAmend) -> String {
    let fields: Vec<_> = amend.record.fields.iter().map(|(key, value)| format!("{key}={}", value.to_json())).collect();
    let reason = amend.reason.as_deref().map(|why| format!("  ({why})")).unwrap_or_default();
    printable(&format!("{}  {}  {}{reason}", amend.id, amend_state(amend), fields.join(" ")))
}

fn amend_state(amend: &ListedAmend) -> &'static str {
    if amend.reason.is_some() { "amendment set aside" } else { "amending" }
}

fn as_text(row: &Listed) -> String {
    let fields: Vec<_> = row.record.fields.iter().map(|(key, value)| format!("{key}={}", value.to_json())).collect();
    let reason = row.reason.as_deref().map(|why| format!("  ({why})")).unwrap_or_default();
    printable(&format!("{}  {}  {}  {}  {}{reason}", row.id, happened(row), row.table, state(row), fields.join(" ")))
}

fn in_full(row: &Listed) -> String {
    let mut lines = vec![
        ("id", row.id.clone()),
        ("table", row.table.clone()),
        ("recorded", format!("{}{}", happened(row), clock(row))),
        ("state", state(row).to_owned()),
    ];
    if let Some(reason) = &row.reason {
        lines.push(("reason", reason.clone()));
    }
    let mut text: Vec<String> =
        lines.into_iter().map(|(name, value)| format!("{name:9} {}", printable(&value))).collect();
    for (key, value) in &row.record.fields {
        text.push(format!("  {}", printable(&format!("{key}={}", value.to_json()))));
    }
    text.join("\n")
}

/// Corrected when it is sent, if the clock comes right before the board is switched off.
fn clock(row: &Listed) -> &'static str {
    let known = row.happened.at_unix_ms.is_some() || row.happened.wall.trusted;
    if known { "" } else { " (the clock was not set)" }
}

fn happened(row: &Listed) -> When {
    When(row.happened.unix_ms())
}

fn state(row: &Listed) -> &'static str {
    match row.state {
        RowState::Queued => "waiting",
        // In a spreadsheet that does not answer, perhaps.
        RowState::InBatch if row.bound => "in doubt",
        RowState::InBatch if row.unwanted => "sending, then dropped",
        RowState::InBatch => "sending",
        RowState::Aside => "set aside",
        RowState::Delivered => "delivered",
    }
}
