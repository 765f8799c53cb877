//! `rowkeeper token`: for programs in any language.

use std::time::Duration;

use super::{Context, print, token_exit};
use crate::args::Token;
use crate::exit::{Exit, Failure};
use crate::log::say;

pub(crate) fn run(context: &Context, token: &Token) -> Result<Exit, Failure> {
    let device = context.device()?;
    let bearer = device.session().token(token.min_validity).map_err(|error| {
        let exit = token_exit(&error);
        let failure = Failure::new(exit, error);
        if exit == Exit::SignIn { context.without_grant(&device, failure) } else { failure }
    })?;
    if let Some(left) = bearer.left.filter(|left| *left < token.min_validity) {
        let whole = Duration::from_secs(left.as_secs());
        say(format_args!("the provider's tokens live shorter than asked for; this one lives {whole:?}"));
    }
    print(bearer.token.expose())?;
    Ok(Exit::Done)
}
