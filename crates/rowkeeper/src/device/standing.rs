//! How a device stands, put together from the session and the outbox.

use sheet_courier::Hold;

use super::bin;
use super::deliver::hold_advice;
use crate::outbox::{DiskError, Filter, Outbox, RowState};
use crate::session::Session;
use crate::status::{self, DeliveryState, GrantState, Status, When};

/// A device that never recorded anything.
pub(super) fn without_outbox(grant: status::Grant) -> Status {
    let delivery = status::Delivery { state: DeliveryState::Idle, next_try_at: None, last_error: None };
    Status { version: 1, grant, sheet: None, queue: status::Queue::default(), delivery }
}

/// From the disk alone.
pub(super) fn status(session: &Session, outbox: &Outbox) -> Result<Status, DiskError> {
    let grant = session.status();
    let counts = outbox.counts()?;
    let hold = outbox.hold()?;
    // A copy goes on by itself.
    let needs_person = hold.as_ref().is_some_and(|hold| !matches!(hold, Hold::Copy { .. }));
    let hold = hold.map(|hold| hold_advice(&hold));
    let said = outbox.status()?;
    let in_flight = Filter { state: Some(RowState::InBatch), limit: Some(1), ..Default::default() };
    let in_flight = !outbox.list(&in_flight)?.is_empty();
    let in_doubt = match outbox.bound()? {
        0 => Vec::new(),
        _ => {
            let all = outbox.list(&Filter { state: Some(RowState::InBatch), ..Default::default() })?;
            all.into_iter().filter(|row| row.bound).map(|row| row.id).collect()
        }
    };
    let state = match grant.state {
        _ if counts.waiting == 0 && hold.is_none() => DeliveryState::Idle,
        _ if needs_person => DeliveryState::Blocked,
        GrantState::SignedIn if said.last_error.is_none() && in_flight => DeliveryState::Sending,
        GrantState::SignedIn => DeliveryState::Waiting,
        _ => DeliveryState::Blocked,
    };
    let sheet = outbox.sheet()?;
    let binned = outbox.binned()?;
    let binned =
        sheet.as_ref().filter(|sheet| binned.as_ref() == Some(&sheet.id)).map(|sheet| bin::notice(&sheet.title));
    Ok(Status {
        version: 1,
        grant,
        sheet: sheet.map(|sheet| status::Sheet { spreadsheet_id: sheet.id, url: sheet.url, title: sheet.title }),
        queue: status::Queue {
            waiting: counts.waiting,
            set_aside: counts.set_aside,
            bytes: counts.bytes,
            oldest: counts.oldest.map(When),
            in_doubt,
        },
        delivery: status::Delivery {
            state,
            next_try_at: said.next_try.map(When),
            last_error: match (hold, said.last_error) {
                // It may need a person on its way after all.
                (Some(hold), Some(said)) if !needs_person => Some(format!("{hold} ({said})")),
                (hold, said) => hold.or(said).or(binned),
            },
        },
    })
}
