//! `rowkeeper sign-out`.

use rowkeeper::session::{SignOutError, SignedOut};

use super::{Context, access_exit, print};
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    match context.device()?.session().sign_out() {
        Ok(SignedOut::WasNot) => print("this device was not signed in")?,
        Ok(SignedOut::Revoked) => print("signed out; queued records stay on this device")?,
        Ok(SignedOut::OnlyHere(why)) => print(&format!("forgotten on this device; {why}"))?,
        Err(error) => {
            let exit = match &error {
                SignOutError::Access(error) => access_exit(error),
                SignOutError::NotTold(_) => Exit::Later,
            };
            return Err(Failure::new(exit, error));
        }
    }
    Ok(Exit::Done)
}
