//! From what happens to a device to a line of its log.

use rowkeeper::Event;
use rowkeeper::delivery::Change;
use rowkeeper::session::SignInEvent;

/// What the log says of it, if it is worth a line.
pub fn log_line(event: &Event, verbose: bool) -> Option<String> {
    Some(match event {
        Event::SignIn(SignInEvent::Code { user_code, verification_uri, .. }) => {
            format!("to sign in, open {verification_uri} and enter {user_code}")
        }
        Event::SignIn(SignInEvent::Waiting { trouble }) => {
            format!("not signed in yet: {}; it will be tried again", trouble.as_ref()?)
        }
        Event::SignedIn(account) => match &account.label {
            Some(label) => format!("signed in as {label}"),
            None => "signed in".into(),
        },
        Event::SignInFailed(error) => error.to_string(),
        Event::Delivery(Change::SheetCreated) => "the spreadsheet was created".into(),
        Event::Delivery(Change::Moved) => "rows go to another spreadsheet from now on".into(),
        Event::Delivery(Change::Delivered(rows)) if verbose => format!("{rows} records are in the sheet"),
        Event::Delivery(Change::Refused) => "the sheet refused records; looking for the one at fault".into(),
        Event::Delivery(_) | Event::Idle => return None,
        Event::Trouble(why) => format!("{why}; it will be tried again"),
        Event::Notice(what) | Event::Hold(what) => what.clone(),
    })
}
