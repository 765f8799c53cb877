//! `rowkeeper run`: the daemon.

use rowkeeper::{Device, Event};
use rowkeeper_gadget::{Display, log_line, screen, service};

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
        if let Some(line) = log_line(event, self.verbose) {
            let line = printable(&line);
            service::status(&line);
            if let Some(line) = self.limiter.pass(&line, self.device.clock().mono()) {
                say(line);
            }
        }
        self.show();
    }

    /// The screen follows the state on disk; a disk that does not answer leaves it as it is.
    fn show(&self) {
        if let Ok(status) = self.device.status() {
            self.panel.show(screen(&status, self.device.clock().wall()));
        }
    }
}
