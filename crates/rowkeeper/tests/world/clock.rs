//! One time for the whole world, and each device's view of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rowkeeper::clock::{Clock, Mono, Stop, Wall, Woke};

/// When the world begins.
pub(crate) const ORIGIN_UNIX: u64 = 1_800_000_000;

/// The time of the world since its beginning, as a device sees it that booted at some time.
#[derive(Clone, Debug)]
pub(crate) struct WorldClock {
    world_ms: Arc<AtomicU64>,
    booted_ms: u64,
    boot: u64,
    /// How far the wall clock is off, and whether the board believes it.
    off_ms: Arc<AtomicI64>,
    trusted: Arc<AtomicBool>,
}

impl WorldClock {
    pub(crate) fn new() -> Self {
        // A board that has been up for an hour.
        let (off_ms, trusted) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        Self { world_ms: Arc::new(AtomicU64::new(3_600_000)), booted_ms: 0, boot: 0, off_ms, trusted }
    }

    pub(crate) fn world(&self) -> Duration {
        Duration::from_millis(self.world_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.world_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn pass_until(&self, world: Duration) {
        self.world_ms.fetch_max(world.as_millis() as u64, Ordering::Relaxed);
    }

    /// The same world, as a board sees it that has just booted.
    pub(crate) fn rebooted(&self) -> Self {
        Self {
            booted_ms: self.world_ms.load(Ordering::Relaxed).saturating_sub(10_000),
            boot: self.boot + 1,
            ..self.clone()
        }
    }

    /// Another board in the same world.
    pub(crate) fn another(&self) -> Self {
        Self { off_ms: Arc::default(), trusted: Arc::new(AtomicBool::new(true)), ..self.clone() }
    }

    /// Somebody sets the wall clock, or a board without a battery starts in the past.
    pub(crate) fn step_wall(&self, off: i64, trusted: bool) {
        self.off_ms.store(off * 1000, Ordering::Relaxed);
        self.trusted.store(trusted, Ordering::Relaxed);
    }

    /// A moment of this boot in the time of the world.
    pub(crate) fn in_world(&self, mono: Mono) -> Duration {
        mono.since_boot().saturating_add(Duration::from_millis(self.booted_ms))
    }
}

impl Clock for WorldClock {
    fn mono(&self) -> Mono {
        Mono::new(self.world() - Duration::from_millis(self.booted_ms))
    }

    fn wall(&self) -> Wall {
        let right = (ORIGIN_UNIX * 1000) as i64 + self.world().as_millis() as i64;
        let trusted = self.trusted.load(Ordering::Relaxed);
        Wall { unix_ms: right + self.off_ms.load(Ordering::Relaxed), trusted }
    }

    fn boot_id(&self) -> String {
        self.boot.to_string()
    }

    fn wait(&self, until: Mono, _: &Stop) -> Woke {
        self.pass_until(self.in_world(until));
        Woke::Time
    }
}
