//! `rowkeeper sheet tidy`: markers that devices left behind, and a person's word about them.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use rowkeeper::Device;
use rowkeeper::clock::Stop;
use rowkeeper::status::When;
use rowkeeper::tidy::{Found, TidyError};
use serde_json::{Value, json};

use super::{Context, call, deliver, print, print_json, printable, signals};
use crate::exit::{Exit, Failure};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(context: &Context, tag: Option<&str>, yes: bool) -> Result<Exit, Failure> {
    let (device, stop) = (context.device()?, signals()?);
    let found = device.markers(device.clock().mono() + PATIENCE, &stop).map_err(failure)?;
    if tag.is_none() && context.global.json {
        print_json(&found.iter().map(listed).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let (asks, mut removed) = (io::stdin().is_terminal() && io::stderr().is_terminal(), Vec::new());
    if tag.is_none() {
        found.iter().try_for_each(|found| print(&described(found)))?;
    }
    for found in found.iter().filter(|found| tag.is_none() || tag == Some(found.markers.tag.as_str())) {
        let named = tag.is_some();
        if found.is_ours || found.markers.removable() == 0 || !(named || asks) {
            continue;
        }
        if yes || asks && promised(found)? {
            removed.push((found.markers.tag.as_str(), remove(&device, found.markers.tag.as_str(), &stop)?));
        } else if named && !asks {
            return Err(Failure::new(
                Exit::Usage,
                "nobody is here to be asked; see `rowkeeper sheet tidy --help`, and say --yes",
            ));
        }
    }
    if let Some(tag) = tag {
        match found.iter().find(|found| found.markers.tag.as_str() == tag) {
            None => return Err(failure(TidyError::NoDevice(printable(tag)))),
            Some(found) if found.is_ours => return Err(failure(TidyError::OurOwn)),
            Some(_) => {}
        }
    }
    if context.global.json {
        let removed: Vec<Value> = removed.iter().map(|(tag, count)| json!({"device": tag, "removed": count})).collect();
        print_json(&removed)?;
    } else {
        removed.iter().try_for_each(|(tag, count)| print(&format!("{tag}: {count} markers removed")))?;
        if tag.is_some() && removed.is_empty() {
            print("nothing to remove")?;
        }
    }
    Ok(Exit::Done)
}

fn remove(device: &Device, tag: &str, stop: &Stop) -> Result<usize, Failure> {
    device.tidy(tag, device.clock().mono() + PATIENCE, stop).map_err(failure)
}

fn promised(found: &Found) -> Result<bool, Failure> {
    let failed = |error| Failure::new(Exit::Failed, error);
    let mut err = io::stderr().lock();
    let (tag, count) = (found.markers.tag.as_str(), found.markers.removable());
    write!(
        err,
        "Remove {count} old markers of device {tag}? Only if it is switched off for good, or its `rowkeeper status` says\n\
         that nothing waits: else a row of it may come twice. [y/N] "
    )
    .and_then(|()| err.flush())
    .map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn since(found: &Found) -> When {
    When(found.unchanged_since.saturating_mul(1000))
}

fn listed(found: &Found) -> Value {
    let markers = &found.markers;
    json!({
        "device": markers.tag.as_str(), "this_device": found.is_ours, "markers": markers.count,
        "removable": if found.is_ours { 0 } else { markers.removable() },
        "unchanged_since": since(found).to_string(), "went_on_as": markers.retired_by,
    })
}

fn described(found: &Found) -> String {
    let markers = &found.markers;
    let whose = if found.is_ours { ", this device" } else { "" };
    let went_on = markers.retired_by.as_ref().map(|tag| format!(", went on as {}", printable(tag))).unwrap_or_default();
    let removable = if found.is_ours { 0 } else { markers.removable() };
    format!(
        "{}{whose}{went_on}: {} markers, {removable} may be removed, unchanged since {}",
        markers.tag.as_str(),
        markers.count,
        since(found)
    )
}

fn failure(error: TidyError) -> Failure {
    match error {
        TidyError::Call(error) => call::failure(error),
        TidyError::Disk(error) => deliver::failure(rowkeeper::DeliverError::Disk(error)),
        TidyError::Refused(429 | 500.., _) => Failure::new(Exit::Later, error),
        error => Failure::new(Exit::Failed, error),
    }
}
