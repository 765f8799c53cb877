//! `rowkeeper deliver`: send what is queued, then stop.

use rowkeeper::DeliverError;

use super::{Context, access_exit, print, signals};
use crate::args::Deliver;
use crate::exit::{Exit, Failure};
use crate::log::say;

pub(crate) fn run(context: &Context, deliver: &Deliver) -> Result<Exit, Failure> {
    let device = context.device()?;
    let give_up = device.clock().mono() + deliver.limit;
    let delivered = device.deliver(give_up, &signals()?).map_err(|error| match error {
        DeliverError::NoGrant(_) => context.without_grant(&device, failure(error)),
        error => failure(error),
    })?;
    print("the queue is empty")?;
    if delivered.set_aside > 0 {
        let rows = delivered.set_aside;
        say(format_args!("{rows} records were refused by the sheet and set aside; `rowkeeper queue list` shows them"));
    }
    Ok(Exit::Done)
}

pub(crate) fn failure(error: DeliverError) -> Failure {
    let exit = match &error {
        DeliverError::NoGrant(_) => Exit::SignIn,
        DeliverError::TimeUp { .. } | DeliverError::NotYet { .. } => Exit::Later,
        DeliverError::Disk(error) if error.is_damage() => Exit::Usage,
        DeliverError::Disk(_) | DeliverError::Lock(_) => Exit::Later,
        DeliverError::Hold(_) | DeliverError::Refused(_) => Exit::Failed,
        DeliverError::Access(error) => access_exit(error),
        DeliverError::NotGoogle(_) => Exit::Usage,
    };
    Failure::new(exit, error)
}
