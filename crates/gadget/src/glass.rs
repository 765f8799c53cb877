//! Where a screen becomes visible: one small trait, so that a panel can be made to fail on purpose.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use rowkeeper_panel::{Geometry, Look, Screen, next_change, png, render, terminal};

/// Something that a screen can be put on.
pub trait Glass: Send {
    /// Puts `screen` there as it looks `elapsed` after it was first shown.
    ///
    /// # Errors
    /// The panel does not answer; the same screen may be offered again.
    fn flush(&mut self, screen: &Screen, elapsed: Duration) -> io::Result<()>;

    /// When it will look different, counted like `elapsed`; `None`: never.
    fn next_change(&self, screen: &Screen, elapsed: Duration) -> Option<Duration>;
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

/// A picture of an OLED, in a file.
pub(crate) struct Picture {
    path: PathBuf,
}

impl Picture {
    const GEOMETRY: Geometry = Geometry::OLED_128X64;

    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Glass for Picture {
    fn flush(&mut self, screen: &Screen, elapsed: Duration) -> io::Result<()> {
        let bytes = png(&render(screen, Self::GEOMETRY, elapsed), 4, Look::Glass);
        // Replaced whole, so that a viewer never loads half a picture; not synced: it is made again anyway.
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        fs::write(&beside, bytes)?;
        fs::rename(&beside, &self.path)
    }

    /// Smooth scrolling would rewrite the file forty times a second; a picture is looked at now and then.
    fn next_change(&self, screen: &Screen, elapsed: Duration) -> Option<Duration> {
        next_change(screen, Self::GEOMETRY, elapsed).map(|at| at.max(elapsed + Duration::from_secs(1)))
    }
}
