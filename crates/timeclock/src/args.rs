//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// A time clock with a knob, a light and a small screen that keeps its punches in your Google Sheet.
#[derive(Debug, Parser)]
#[command(name = "timeclock", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed for good, 2 wrong usage or configuration, 75 try again later.\n\n\
    Configuration and state are those of `rowkeeper`, and its other commands (status, doctor,\n\
    queue, sheet) work beside the clock. Everything about the gadget is in docs/timeclock.md."
)]
pub struct Cli {
    /// The configuration; default: the first that is found
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the sign-in, the queue and the open rows live
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The screen, instead of the configured one
    #[cfg_attr(feature = "emulator", doc = "(with --sim: 128x32, 128x64, 16x2 or 20x4)")]
    #[arg(long, value_name = "KIND")]
    pub panel: Option<String>,
    /// Simulate glass, knob, light and badge reader in this terminal, with an emulated Google
    #[cfg(feature = "emulator")]
    #[arg(long)]
    pub sim: bool,
    /// With --sim: you type the code yourself, in a browser
    #[cfg(feature = "emulator")]
    #[arg(long, requires = "sim")]
    pub by_hand: bool,
    /// The simulator's gadget, which speaks over its standard streams
    #[cfg(feature = "emulator")]
    #[arg(long, hide = true, conflicts_with = "sim")]
    pub twin: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_fits_the_screen() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        assert_eq!(help.contains("--sim"), cfg!(feature = "emulator"), "{help}");
    }
}
