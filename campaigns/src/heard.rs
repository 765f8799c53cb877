//! What a process says. The tests of the command read this file too.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What comes out of a pipe, collected by a thread so that the pipe never fills.
#[derive(Default)]
pub(crate) struct Heard {
    text: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Heard {
    pub(crate) fn listen(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&text);
        let thread = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
                heard.lock().unwrap_or_else(PoisonError::into_inner).append(&mut line);
            }
        });
        Self { text, thread: Some(thread) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Everything up to the pipe's end, which comes when its last writer ends. That may be another than the one who was
    /// started, so it is not waited for for ever.
    pub(crate) fn all(self) -> String {
        for _ in 0..6_000 {
            // A thread that panicked has still collected what it read.
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return self.text();
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.text() + "\n(and who knows what else: it has ended, and somebody holds its pipe open)"
    }
}
