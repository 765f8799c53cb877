//! The `rowkeeper` command. It only wires: rules are in the library, and what is shown where is in `gadget`.
//!
//! Results go to stdout, progress and logs to stderr. Exit codes are a contract: see [`exit::Exit`].

mod args;
mod commands;
mod log;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use commands::Context;
use exit::{Exit, Failure};
use rowkeeper_gadget::exit;

fn main() -> ExitCode {
    // Usage errors end here, with 2 and clap's own words; `--help` and `--version` with 0.
    let cli = Cli::parse();
    let verbose = cli.global.verbose;
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            log::say(&failure);
            if verbose {
                log::say(format_args!("{failure:?}"));
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let context = Context::new(cli.global);
    match cli.command {
        #[cfg(feature = "emulator")]
        Command::Demo(demo) => commands::demo::run(&context, &demo),
        #[cfg(feature = "emulator")]
        Command::Emulator(emulator) => commands::emulator::run(&emulator),
        Command::Init(init) => commands::init::run(&context, init),
        Command::Doctor => commands::doctor::run(&context),
        Command::Status => commands::status::run(&context),
        Command::SignIn => commands::sign_in::run(&context),
        Command::SignOut => commands::sign_out::run(&context),
        Command::Record(record) => commands::record::run(&context, &record),
        Command::Amend(amend) => commands::amend::run(&context, &amend),
        Command::Deliver(deliver) => commands::deliver::run(&context, &deliver),
        Command::Queue(queue) => commands::queue::run(&context, &queue),
        Command::Sheet(sheet) => commands::sheet::run(&context, &sheet),
        Command::Run => commands::run::run(&context),
        Command::Token(token) => commands::token::run(&context, &token),
        Command::Call(call) => commands::call::run(&context, &call),
        Command::Proxy(proxy) => commands::proxy::run(&context, &proxy),
    }
}
