//! `rowkeeper sheet`: where the rows go.

use rowkeeper::Device;

use super::{Context, open_failure, print, print_json, printable};
use crate::args::{Sheet, SheetCommand};
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, sheet: &Sheet) -> Result<Exit, Failure> {
    let SheetCommand::Show = sheet.command;
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
