//! SIGINT and SIGTERM end cleanly; a second one ends at once.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rowkeeper::clock::Stop;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level::pipe};

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

/// Input that ends with an error at the first SIGINT or SIGTERM, also while nothing comes: what was read by then can be
/// finished, and half a line passes for none. At the second the process ends, as with [`stop_on_signals`].
pub struct UntilSignalled<R> {
    input: R,
    signalled: Arc<AtomicBool>,
    woken: UnixStream,
}

impl<R: Read + AsFd> UntilSignalled<R> {
    /// Takes the signals from now on.
    ///
    /// # Errors
    /// When the system has no room for another signal handler or file.
    pub fn new(input: R) -> io::Result<Self> {
        let signalled = Arc::new(AtomicBool::new(false));
        let (woken, wakes) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag as it was.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&signalled))?;
            flag::register(signal, Arc::clone(&signalled))?;
            pipe::register(signal, wakes.try_clone()?)?;
        }
        Ok(Self { input, signalled, woken })
    }

    /// Whether a signal came. Also after this has moved to a thread of its own.
    pub fn signalled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.signalled)
    }
}

impl<R: Read + AsFd> Read for UntilSignalled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.signalled.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped by a signal"));
            }
            let mut waiting = [PollFd::new(&self.input, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
            match poll(&mut waiting, None) {
                Ok(_) if !waiting[0].revents().is_empty() => return self.input.read(buffer),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
