//! SIGINT and SIGTERM end cleanly; a second one ends at once.

use std::io;
use std::process;
use std::thread;

use rowkeeper::clock::Stop;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Presses `stop` at the first SIGINT or SIGTERM. At the second, the person has lost patience and the process ends with
/// the shell's code for it (128 + the signal): everything durable is already on disk.
///
/// # Errors
/// When the system has no room for another signal handler or thread.
pub fn stop_on_signals(stop: &Stop) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = stop.clone();
    thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
        for signal in signals.forever() {
            if stop.is_stopped() {
                process::exit(128 + signal);
            }
            stop.stop();
        }
    })?;
    Ok(())
}
