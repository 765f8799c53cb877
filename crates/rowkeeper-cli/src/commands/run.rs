//! `rowkeeper run`: the daemon.

use rowkeeper::delivery::Change;
use rowkeeper::session::SignInEvent;
use rowkeeper::{Device, Event};
use rowkeeper_gadget::{Display, screen, service};

use super::{Context, deliver, display, printable, signals};
use crate::exit::{Exit, Failure};
use crate::log::{Limiter, say};

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let device = context.device()?;
    let panel = display(&context.panel(&device.config().panel)?)?;
    let mut daemon = Daemon { device: &device, panel, limiter: Limiter::default(), verbose: context.global.verbose };
    let stop = signals()?;
    daemon.show();
    service::ready();
    let outcome = device.run(&mut |event| daemon.on(&event), &stop);
    service::stopping();
    outcome.map(|()| Exit::Done).map_err(deliver::failure)
}

struct Daemon<'d> {
    device: &'d Device,
    panel: Display,
    limiter: Limiter,
    verbose: bool,
}

impl Daemon<'_> {
    fn on(&mut self, event: &Event) {
        if let Some(line) = self.line(event) {
            let line = printable(&line);
            service::status(&line);
            if let Some(line) = self.limiter.pass(&line, self.device.clock().mono()) {
                say(line);
            }
        }
        self.show();
    }

    /// What the log says of it, if it is worth a line.
    fn line(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::SignIn(SignInEvent::Code { user_code, verification_uri, .. }) => {
                format!("to sign in, open {verification_uri} and enter {user_code}")
            }
            Event::SignIn(SignInEvent::Waiting { trouble }) => {
                format!("still waiting for approval: {}", trouble.as_ref()?)
            }
            Event::SignedIn(account) => match &account.label {
                Some(label) => format!("signed in as {label}"),
                None => "signed in".into(),
            },
            Event::SignInFailed(error) => error.to_string(),
            Event::Delivery(Change::SheetCreated) => "the spreadsheet was created".into(),
            Event::Delivery(Change::Moved) => "rows go to another spreadsheet from now on".into(),
            Event::Delivery(Change::Delivered(rows)) if self.verbose => format!("{rows} records are in the sheet"),
            Event::Delivery(Change::Refused) => "the sheet refused records; looking for the one at fault".into(),
            Event::Delivery(_) | Event::Idle => return None,
            Event::Trouble(why) => format!("{why}; it will be tried again"),
            Event::Notice(what) | Event::Hold(what) => what.clone(),
        })
    }

    /// The screen follows the state on disk; a disk that does not answer leaves it as it is.
    fn show(&self) {
        if let Ok(status) = self.device.status() {
            self.panel.show(screen(&status, self.device.clock().wall()));
        }
    }
}
