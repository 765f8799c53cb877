//! `rowkeeper amend`: new values for a record that was kept before.

use rowkeeper::record::Refused;
use rowkeeper::{AmendError, Amended, Device, Fields, RowId};
use serde_json::json;

use super::{Context, open_failure, print, print_json, printable};
use crate::args;
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context, arguments: &args::Amend) -> Result<Exit, Failure> {
    let not_amended = |failure: Failure| Failure::new(failure.exit, format!("not amended: {failure}"));
    let recorder = Device::open_recorder(context.config().map_err(not_amended)?);
    let recorder = recorder.map_err(open_failure).map_err(not_amended)?;
    let refused = |error: Refused| match error {
        Refused::NoKey(_) => Failure::new(Exit::Usage, error),
        _ => Failure::new(Exit::Failed, error),
    };
    let id = RowId::parse(&arguments.id).map_err(refused)?;
    let table = recorder.table_of(&id);
    let fields = Fields::from_words(arguments.fields.iter().map(String::as_str), table).map_err(refused)?;
    let amended = recorder.amend(&id, fields).map_err(|error| {
        let exit = if matches!(error, AmendError::Unknown(_)) { Exit::Failed } else { Exit::Later };
        Failure::new(exit, error)
    })?;
    if context.global.json {
        print_json(&json!({ "id": id.as_str(), "result": amended }))?;
    } else {
        let what = match amended {
            Amended::Merged => "changed in the queue",
            _ => "kept; it will be changed in the sheet",
        };
        print(&printable(&format!("{id} {what}")))?;
    }
    Ok(Exit::Done)
}
