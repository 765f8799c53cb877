//! The person's terminal: raw while the simulator has it, and as it was afterwards, also after a panic.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Taken over until it is dropped.
pub(super) struct Terminal {
    before: Termios,
    shown: Vec<String>,
    size: (usize, usize),
}

/// There is nothing to draw on.
#[derive(Debug)]
pub(super) struct NoTerminal;

impl fmt::Display for NoTerminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("--sim draws in a terminal and reads its keys; here is none")
    }
}

impl std::error::Error for NoTerminal {}

impl Terminal {
    pub(super) fn open() -> Result<Self, Box<dyn std::error::Error>> {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Err(NoTerminal.into());
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        let terminal = Self { before, shown: Vec::new(), size: (0, 0) };
        // Another screen, without a cursor (xterm's DECSET 1049 and 25): the person's own comes back whole.
        write(b"\x1b[?1049h\x1b[?25l\x1b[2J")?;
        Ok(terminal)
    }

    /// Columns and rows; of a terminal that does not say, 80 by 24.
    pub(super) fn size(&mut self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let size = size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        if size != self.size {
            self.size = size;
            self.shown.clear();
        }
        size
    }

    /// Draws what is new.
    pub(super) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let mut bytes = String::new();
        if self.shown.is_empty() {
            bytes.push_str("\x1b[2J");
        }
        let rows = self.size.1;
        for (at, line) in lines.iter().enumerate().take(rows) {
            if self.shown.get(at) != Some(line) {
                bytes.push_str(&format!("\x1b[{};1H{line}\x1b[K", at + 1));
            }
        }
        if lines.len() < self.shown.len() {
            bytes.push_str(&format!("\x1b[{};1H\x1b[J", lines.len() + 1));
        }
        self.shown = lines.to_vec();
        if bytes.is_empty() { Ok(()) } else { write(bytes.as_bytes()) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = write(b"\x1b[?25h\x1b[?1049l");
        _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
