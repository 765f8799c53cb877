//! Where a screen becomes visible: one small trait, so that a panel can be made to fail on purpose.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use rowkeeper_panel::terminal::{self, Charset, Colour, Style};
use rowkeeper_panel::{Care, Geometry, Glow, Look, Screen, animated_png, film, next_change, png, render};

/// Something that a screen can be put on.
pub trait Glass: Send {
    /// Puts `screen` there as it looks `elapsed` after it was first shown.
    ///
    /// # Errors
    /// The panel does not answer; the same screen may be offered again.
    fn flush(&mut self, screen: &Screen, elapsed: Duration) -> io::Result<()>;

    /// When it will look different, counted like `elapsed`; `None`: never.
    fn next_change(&self, screen: &Screen, elapsed: Duration) -> Option<Duration>;

    /// When it wants to be spared; `None`: it lasts for ever.
    fn care(&self) -> Option<Care> {
        None
    }

    /// Shines like that from now on. Only asked where there is a care.
    ///
    /// # Errors
    /// As [`Glass::flush`].
    fn glow(&mut self, _: Glow) -> io::Result<()> {
        Ok(())
    }
}

/// No panel.
pub(crate) struct Nothing;

impl Glass for Nothing {
    fn flush(&mut self, _: &Screen, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn next_change(&self, _: &Screen, _: Duration) -> Option<Duration> {
        None
    }
}

/// A picture of a display, in a file.
pub(crate) struct Picture {
    path: PathBuf,
    geometry: Geometry,
    /// How much of what moves is in the picture; zero: nothing.
    length: Duration,
}

impl Picture {
    pub(crate) fn still(path: PathBuf, geometry: Geometry) -> Self {
        Self { path, geometry, length: Duration::ZERO }
    }

    /// An animation of what the screen does in half a minute: long enough for a scroll there and back.
    pub(crate) fn moving(path: PathBuf, geometry: Geometry) -> Self {
        Self { path, geometry, length: Duration::from_secs(30) }
    }
}

impl Glass for Picture {
    fn flush(&mut self, screen: &Screen, elapsed: Duration) -> io::Result<()> {
        let bytes = if self.length.is_zero() {
            png(&render(screen, self.geometry, elapsed), 4, Look::Glass)
        } else {
            animated_png(&film(screen, self.geometry, elapsed..elapsed + self.length), 4, Look::Glass)
        };
        // Replaced whole, so that a viewer never loads half a picture; not synced: it is made again anyway.
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display()));
        fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &self.path)).map_err(named)
    }

    /// Smooth scrolling would rewrite the file forty times a second; a picture is looked at now and then.
    fn next_change(&self, screen: &Screen, elapsed: Duration) -> Option<Duration> {
        let next = next_change(screen, self.geometry, elapsed)?;
        Some(next.max(elapsed + self.length.max(Duration::from_secs(1))))
    }
}

/// Text on stderr, painted over in place.
pub(crate) struct Terminal {
    style: Style,
    last: String,
}

impl Terminal {
    /// `None` when stderr is not a terminal that can be painted on: a log wants lines, and has them from the command.
    pub(crate) fn on_stderr() -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let colour = if std::env::var_os("NO_COLOR").is_none() { Colour::Ansi } else { Colour::Never };
        let (columns, rows) = size();
        let style = Style { columns, rows, charset: charset(), colour };
        (io::stderr().is_terminal() && !dumb).then(|| Self { style, last: String::new() })
    }
}

impl Glass for Terminal {
    fn flush(&mut self, screen: &Screen, elapsed: Duration) -> io::Result<()> {
        let text = terminal::paint(screen, &self.style, elapsed);
        if text == self.last {
            return Ok(());
        }
        let mut err = io::stderr().lock();
        // Up over the last painting, and away with it (ECMA-48: CUU, ED).
        match self.last.lines().count() {
            0 => {}
            lines => write!(err, "\x1b[{lines}A\x1b[J")?,
        }
        err.write_all(text.as_bytes())?;
        err.flush()?;
        self.last = text;
        Ok(())
    }

    fn next_change(&self, screen: &Screen, elapsed: Duration) -> Option<Duration> {
        terminal::next_change(screen, &self.style, elapsed)
    }
}

fn size() -> (u16, Option<u16>) {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let given = |cells: u16| Some(cells).filter(|cells| *cells > 0);
    (size.and_then(|size| given(size.ws_col)).unwrap_or(80), size.and_then(|size| given(size.ws_row)))
}

/// Blocks and half blocks only where the locale promises UTF-8.
fn charset() -> Charset {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    let utf8 =
        locale.is_some_and(|value| value.to_string_lossy().to_ascii_lowercase().replace('-', "").contains("utf8"));
    if utf8 { Charset::Unicode } else { Charset::Ascii }
}
