//! One time for the whole world, and a board's view of it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rowkeeper::clock::{Clock, Mono, Stop, Wall, Woke};

/// When the world begins.
pub(crate) const ORIGIN: Duration = Duration::from_secs(1_800_000_000);

/// The clocks of a board. Waiting makes time pass; so does every request.
#[derive(Debug)]
pub(crate) struct Board {
    world_ms: AtomicU64,
    booted_ms: AtomicU64,
    boot: AtomicU64,
    wall_off_ms: AtomicI64,
    trusted: AtomicBool,
}

impl Board {
    /// A board that has been up for an hour and knows the time.
    pub(crate) fn new() -> Self {
        Self {
            world_ms: AtomicU64::new(3_600_000),
            booted_ms: AtomicU64::new(0),
            boot: AtomicU64::new(0),
            wall_off_ms: AtomicI64::new(0),
            trusted: AtomicBool::new(true),
        }
    }

    pub(crate) fn world(&self) -> Duration {
        Duration::from_millis(self.world_ms.load(Ordering::SeqCst))
    }

    /// Time passes for everybody; a board that sleeps counts it too.
    pub(crate) fn pass(&self, time: Duration) {
        self.world_ms.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }

    /// The power fails for so long.
    pub(crate) fn reboot(&self, off: Duration) {
        self.pass(off);
        self.booted_ms.store(self.world_ms.load(Ordering::SeqCst), Ordering::SeqCst);
        self.boot.fetch_add(1, Ordering::SeqCst);
    }

    /// The wall clock is this far off, and somebody vouches for it or not.
    pub(crate) fn wall_is(&self, off: i64, trusted: bool) {
        self.wall_off_ms.store(off * 1000, Ordering::SeqCst);
        self.trusted.store(trusted, Ordering::SeqCst);
    }

    /// A board without a battery clock, before it has asked anybody.
    pub(crate) fn wall_is_1970(&self) {
        self.wall_is(-((ORIGIN + self.world()).as_secs() as i64), false);
    }
}

impl Clock for Board {
    fn mono(&self) -> Mono {
        Mono::new(self.world() - Duration::from_millis(self.booted_ms.load(Ordering::SeqCst)))
    }

    fn wall(&self) -> Wall {
        let unix_ms = (ORIGIN + self.world()).as_millis() as i64 + self.wall_off_ms.load(Ordering::SeqCst);
        Wall { unix_ms, trusted: self.trusted.load(Ordering::SeqCst) }
    }

    fn boot_id(&self) -> String {
        format!("boot-{}", self.boot.load(Ordering::SeqCst))
    }

    fn wait(&self, until: Mono, stop: &Stop) -> Woke {
        let woke = stop.poll();
        if woke == Woke::Time {
            let until_ms = until.since_boot().as_millis() as u64 + self.booted_ms.load(Ordering::SeqCst);
            self.world_ms.fetch_max(until_ms, Ordering::SeqCst);
        }
        woke
    }
}
