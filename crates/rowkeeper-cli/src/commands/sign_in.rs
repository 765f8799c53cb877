//! `rowkeeper sign-in`: one code, shown until its person has decided.

use std::time::Duration;

use rowkeeper::session::{Account, Asked, SignInError, SignInEvent};
use rowkeeper_gadget::{Display, Kind};
use rowkeeper_panel::{Screen, SignIn};
use serde_json::json;

use super::{Context, access_exit, display, print, print_json, printable, signals};
use crate::exit::{Exit, Failure};
use crate::log::say;

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let device = context.device()?;
    let kind = context.panel(&device.config().panel)?;
    // A terminal panel is for a terminal. A program that reads along (--json) or a log gets lines, and the code once.
    let json = context.global.json;
    let terminal = kind == Kind::Terminal;
    let panel = display(if terminal && json { &Kind::None } else { &kind })?;
    let painted = terminal && panel.is_visible();
    let mut teller = Teller { json, painted, panel: &panel, waiting: false, trouble: None, failure: None };
    let outcome = device.session().sign_in(Asked::ByPerson, &mut |event| teller.tell(event), &signals()?);
    if let Some(failure) = teller.failure.take() {
        return Err(failure);
    }
    // Nothing stale stays on the glass: dropped, the panel goes dark.
    drop(panel);
    match outcome {
        Ok(account) => signed_in(json, &account),
        Err(error) => failed(json, error),
    }
}

struct Teller<'t> {
    json: bool,
    /// A terminal panel shows the code already.
    painted: bool,
    panel: &'t Display,
    waiting: bool,
    trouble: Option<String>,
    failure: Option<Failure>,
}

impl Teller<'_> {
    fn tell(&mut self, event: &SignInEvent) {
        let told = match event {
            SignInEvent::Code { user_code, verification_uri, verification_uri_complete, expires_in } => {
                self.panel.show(Screen::SignIn(SignIn {
                    code: user_code.clone(),
                    address: verification_uri.clone(),
                    complete_address: verification_uri_complete.clone(),
                    time_left: *expires_in,
                    reason: None,
                }));
                self.code(user_code, verification_uri, verification_uri_complete.as_deref(), *expires_in)
            }
            SignInEvent::Waiting { trouble } => self.wait(trouble.as_deref()),
        };
        self.failure = self.failure.take().or(told.err());
    }

    fn code(&self, code: &str, uri: &str, complete: Option<&str>, expires_in: Duration) -> Result<(), Failure> {
        if self.json {
            return print_json(&json!({
                "event": "code", "user_code": code, "verification_uri": uri,
                "verification_uri_complete": complete, "expires_in": whole_seconds(expires_in),
            }));
        }
        if self.painted {
            return Ok(());
        }
        let minutes = expires_in.as_secs().div_ceil(60);
        print(&format!(
            "On your phone or computer, open  {uri}\nand enter the code              {code}\n\
             The code is good for {minutes} minutes. Approve only if you started this yourself."
        ))
    }

    fn wait(&mut self, trouble: Option<&str>) -> Result<(), Failure> {
        if self.json && !std::mem::replace(&mut self.waiting, true) {
            return print_json(&json!({ "event": "waiting" }));
        }
        // Each kind of trouble is said once, not at every poll.
        if trouble != self.trouble.as_deref() {
            self.trouble = trouble.map(str::to_owned);
            if let (false, Some(trouble)) = (self.json, trouble) {
                say(format_args!("still waiting: {}", printable(trouble)));
            }
        }
        Ok(())
    }
}

/// To the nearest: of half an hour, it is 1800 s and not 1799 that are left a moment later.
fn whole_seconds(time: Duration) -> u64 {
    (time + Duration::from_millis(500)).as_secs()
}

fn signed_in(json: bool, account: &Account) -> Result<Exit, Failure> {
    if json {
        print_json(&json!({ "event": "signed_in", "account": account.label, "scopes": account.scopes }))?;
    } else {
        let already = if account.already { "already signed in" } else { "signed in" };
        let who = account.label.as_deref().map(|label| format!(" as {}", printable(label))).unwrap_or_default();
        print(&format!("{already}{who}"))?;
    }
    Ok(Exit::Done)
}

fn failed(json: bool, error: SignInError) -> Result<Exit, Failure> {
    let (event, exit) = match &error {
        SignInError::Denied => ("denied", Exit::SignIn),
        SignInError::Expired(_) => ("expired", Exit::SignIn),
        SignInError::Unticked(_) | SignInError::Stranger(_) | SignInError::WaitsForPerson => ("failed", Exit::SignIn),
        SignInError::Misconfigured(_) => ("failed", Exit::Usage),
        SignInError::Access(error) => ("failed", access_exit(error)),
        SignInError::Failed(_) => ("failed", Exit::Failed),
        SignInError::Stopped => ("stopped", Exit::Later),
    };
    if json && event != "stopped" {
        print_json(&json!({ "event": event, "reason": error.to_string() }))?;
    }
    Err(Failure::new(exit, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_it_took_to_say_it_costs_no_second() {
        for (millis, seconds) in [(1_800_000, 1800), (1_799_900, 1800), (1_799_400, 1799), (0, 0)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
