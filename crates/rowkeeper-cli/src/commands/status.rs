//! `rowkeeper status`: how things stand, from the disk alone.

use rowkeeper::Device;
use rowkeeper::status::{DeliveryState, GrantState, Status};

use super::{Context, print, print_json, printable};
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    // Nothing is made or changed by asking: a device that was never used is described, not created.
    let config = context.config()?;
    let emulator = config.provider.as_ref().and_then(|provider| provider.emulator.clone());
    let mut status = Device::peek(config).map_err(super::open_failure)?;
    // A person who tried things out should see that this is not Google; programs get the preset's bare name.
    if let (Some(origin), Some(provider), false) = (emulator, &mut status.grant.provider, context.global.json) {
        *provider = format!("{provider}, emulated at {}", printable(&origin));
    }
    if context.global.json {
        print_json(&status)?
    } else {
        print(&describe(&status))?
    }
    Ok(Exit::Done)
}

fn describe(status: &Status) -> String {
    let grant = &status.grant;
    let mut lines = vec![format!("sign-in   {}", sentence(status))];
    if let Some(reason) = &grant.reason {
        lines.push(format!("          {}", printable(reason)));
    }
    if let Some(code) = &grant.code {
        lines.push(format!("code      {} at {}, until {}", code.user_code, code.verification_uri, code.expires_at));
    }
    if let Some(end) = &grant.expires_at {
        lines.push(format!("          this sign-in ends at {end}"));
    }
    lines.push(match &status.sheet {
        Some(sheet) => format!("sheet     {} ({})", printable(&sheet.title), sheet.url),
        None => "sheet     none yet; it is made with the first delivery".into(),
    });
    let queue = &status.queue;
    let oldest = queue.oldest.map(|when| format!(", the oldest from {when}")).unwrap_or_default();
    lines.push(format!(
        "queue     {} waiting{oldest}, {} set aside, {} bytes",
        queue.waiting, queue.set_aside, queue.bytes
    ));
    if !queue.in_doubt.is_empty() {
        let ids: Vec<String> = queue.in_doubt.iter().map(|id| printable(id)).collect();
        lines.push(format!("in doubt  {}", ids.join(", ")));
        lines.push(
            "          in an earlier spreadsheet that does not answer, or not; `rowkeeper queue retry ID` (it may come twice)\n\
             \x20         or `rowkeeper queue drop ID` (it may be lost) if it never answers"
                .into(),
        );
    }
    let delivery = &status.delivery;
    let state = match delivery.state {
        DeliveryState::Idle => "nothing to do",
        DeliveryState::Sending => "a batch is under way",
        DeliveryState::Waiting => "rows wait; `rowkeeper run` or `rowkeeper deliver` sends them",
        DeliveryState::Blocked => "stopped until somebody acts",
    };
    lines.push(format!("delivery  {state}"));
    if let Some(error) = &delivery.last_error {
        lines.push(format!("          last: {}", printable(error)));
    }
    lines.join("\n")
}

fn sentence(status: &Status) -> String {
    let grant = &status.grant;
    let Some(provider) = grant.provider.as_deref() else {
        return "nobody to sign in with; `rowkeeper init` writes a configuration. Records are kept meanwhile".into();
    };
    match grant.state {
        GrantState::NeverSignedIn => format!("never signed in ({provider}); run `rowkeeper sign-in`"),
        GrantState::WaitingForApproval => format!("waiting for approval ({provider})"),
        GrantState::SignedIn => match &grant.account {
            Some(account) => format!("signed in ({provider}) as {}", printable(account)),
            None => format!("signed in ({provider})"),
        },
        GrantState::MustSignInAgain => "must sign in again; run `rowkeeper sign-in`. Records are kept meanwhile".into(),
        GrantState::Misconfigured => "client or configuration are wrong".into(),
    }
}
