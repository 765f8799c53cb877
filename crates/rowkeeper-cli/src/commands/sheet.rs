//! `rowkeeper sheet`: where the rows go.

use rowkeeper::{DeliverError, Device, GoesOn, Wish};
use serde_json::json;

use super::deliver::failure;
use super::{Context, open_failure, print, print_json, printable, signals};
use crate::args::{Sheet, SheetCommand};
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, sheet: &Sheet) -> Result<Exit, Failure> {
    match &sheet.command {
        SheetCommand::Show => show(context),
        SheetCommand::New { limit } => go_to(context, &Wish::New, *limit),
        SheetCommand::Release => release(context),
        SheetCommand::Tidy { device, yes } => super::tidy::run(context, device.as_deref(), *yes),
        SheetCommand::Adopt { sheet, limit } => match id_in(sheet) {
            Some(id) => go_to(context, &Wish::Adopt(id.to_owned()), *limit),
            None => {
                let what = printable(sheet);
                Err(Failure::new(Exit::Usage, format!("\"{what}\" is neither the id of a spreadsheet nor its address")))
            }
        },
    }
}

fn show(context: &Context) -> Result<Exit, Failure> {
    let found = Device::peek(context.config()?).map_err(open_failure)?.sheet;
    match (context.global.json, &found) {
        (true, found) => print_json(found)?,
        (false, Some(sheet)) => {
            print(&format!("{}\n{}\n{}", printable(&sheet.title), sheet.url, sheet.spreadsheet_id))?
        }
        (false, None) => print("no spreadsheet yet; it is made with the first delivery")?,
    }
    Ok(Exit::Done)
}

fn go_to(context: &Context, wish: &Wish, limit: std::time::Duration) -> Result<Exit, Failure> {
    let device = context.device()?;
    let give_up = device.clock().mono() + limit;
    let went = device.go_to(wish, give_up, &signals()?).map_err(failure)?;
    let (sheet, in_doubt) = (&went.sheet, &went.in_doubt);
    if context.global.json {
        let ids: Vec<&str> = in_doubt.iter().map(|row| row.id.as_str()).collect();
        print_json(&json!({"spreadsheet_id": sheet.id, "url": sheet.url, "title": sheet.title, "in_doubt": ids}))?;
    } else {
        print(&format!("{}\n{}\n{}", printable(&sheet.title), printable(&sheet.url), printable(&sheet.id)))?;
    }
    if !in_doubt.is_empty() {
        eprintln!(
            "rowkeeper: these may or may not be in the spreadsheet before. {} say\n\
             rowkeeper: `queue retry ID` (it may be in both) or `queue drop ID` (it may be in neither):",
            if went.was_copy { "Only you can know:" } else { "They are settled when it answers again; or" }
        );
        in_doubt.iter().for_each(|row| eprintln!("{}", printable(&row.id)));
    }
    Ok(Exit::Done)
}

fn release(context: &Context) -> Result<Exit, Failure> {
    let goes_on = context.device()?.goes_on().map_err(|error| failure(DeliverError::Disk(error)))?;
    match (context.global.json, goes_on) {
        (true, GoesOn::Soon) => print_json(&json!({"released": true}))?,
        (true, GoesOn::Anyway) => print_json(&json!({"released": false}))?,
        (false, GoesOn::Soon) => print("goes on as a new device 20 minutes after the next delivery begins")?,
        (false, GoesOn::Anyway) => print("no other copy of this state directory was found; nothing to do")?,
    }
    Ok(Exit::Done)
}

/// The id, or the address that a browser shows: `…/spreadsheets/d/ID/edit`.
fn id_in(text: &str) -> Option<&str> {
    let id = match text.split_once("/spreadsheets/d/") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or(rest),
        None => text,
    };
    let id = id.trim();
    // What else is in it would be another address, not another id.
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (!id.is_empty() && id.chars().all(is_id)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_an_id() {
        for text in [
            "1aB-_9",
            " 1aB-_9 ",
            "https://docs.google.com/spreadsheets/d/1aB-_9/edit#gid=0",
            "x/spreadsheets/d/1aB-_9?a",
        ] {
            assert_eq!(id_in(text), Some("1aB-_9"), "{text}");
        }
        for text in ["", " ", "a b", "a/../b", "https://docs.google.com/document/d/1aB", "/spreadsheets/d/?x", "\u{e4}"]
        {
            assert_eq!(id_in(text), None, "{text}");
        }
    }
}
