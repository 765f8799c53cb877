//! Exit codes, and errors on their way to one. Causes are printed here, once.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Done,
    /// 1: for good, or a record was refused.
    Failed,
    /// 2: wrong usage or configuration, or a state directory that cannot be written.
    Usage,
    /// 3: a person must sign in.
    SignIn,
    /// 75 (EX_TEMPFAIL): try again later.
    Later,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::SignIn => 3,
            Exit::Later => 75,
        })
    }
}

/// An error with the exit code it leads to.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub exit: Exit,
    error: Box<dyn Error>,
}

impl Failure {
    /// An error that ends the program with this code.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error>>) -> Self {
        Self { exit, error: error.into() }
    }
}

/// What failed, then each cause, on one line: a log line of a service should be whole.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut cause = self.error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
