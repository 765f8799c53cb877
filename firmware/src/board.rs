//! The hardware: a heap that counts, a clock that jumps instead of sleeping, flash, and the debugger's console.
#![expect(unsafe_code, reason = "an allocator, linker symbols and the stack's paint cannot be reached without")]

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use cortex_m_semihosting::debug::{self, EXIT_FAILURE, EXIT_SUCCESS};
use cortex_m_semihosting::hprintln;
use device_grant::{Mono, Stamp};
use embedded_alloc::LlffHeap;

/// What is given to the heap. The whole story must fit: the run fails when it grows beyond.
const HEAP_BYTES: usize = 8 * 1024;

/// The heap, and the most that was ever in use, with the allocator's own rounding.
struct Heap {
    inner: LlffHeap,
    peak: AtomicUsize,
}

#[global_allocator]
static HEAP: Heap = Heap { inner: LlffHeap::empty(), peak: AtomicUsize::new(0) };

// SAFETY: everything is passed on to an allocator that keeps the contract.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        let memory = unsafe { self.inner.alloc(layout) };
        self.peak.fetch_max(self.inner.used(), Ordering::Relaxed);
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { self.inner.dealloc(memory, layout) }
    }
}

pub(crate) fn start_heap() {
    static mut MEMORY: [MaybeUninit<u8>; HEAP_BYTES] = [MaybeUninit::uninit(); HEAP_BYTES];
    // SAFETY: called once, before the first allocation; nothing else names the memory.
    unsafe { HEAP.inner.init(&raw mut MEMORY as usize, HEAP_BYTES) }
}

/// What a device has: no battery clock and no id of its boot.
pub(crate) struct Board {
    now: Mono,
    flash: [u8; 2048],
    flash_len: usize,
    /// How often a code went to the display.
    pub(crate) shown: u32,
}

impl Board {
    pub(crate) const fn new() -> Self {
        Self { now: Mono::new(Duration::ZERO), flash: [0; 2048], flash_len: 0, shown: 0 }
    }

    pub(crate) fn now(&self) -> Mono {
        self.now
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { mono: self.now, boot_id: None, unix_ms: None }
    }

    /// Time only passes here.
    pub(crate) fn sleep_until(&mut self, time: Mono) {
        self.now = self.now.max(time);
    }

    /// RAM is lost and the clock begins anew; flash stays.
    pub(crate) fn reboot(&mut self) {
        hprintln!("power cut {} s after the start", self.now.since_origin().as_secs());
        self.now = Mono::new(Duration::ZERO);
    }

    /// Replaces what flash holds.
    pub(crate) fn write_flash(&mut self, bytes: &[u8]) {
        self.flash[..bytes.len()].copy_from_slice(bytes);
        self.flash_len = bytes.len();
    }

    /// What flash holds, if anything.
    pub(crate) fn flash(&self) -> Option<&[u8]> {
        Some(&self.flash[..self.flash_len]).filter(|bytes| !bytes.is_empty())
    }
}

unsafe extern "C" {
    safe static __vector_table: u8;
    safe static __etext: u8;
    safe static __srodata: u8;
    safe static __erodata: u8;
    safe static _stack_start: u32;
}

/// Prints the figures, one on a line.
pub(crate) fn report() {
    let between = |from: *const u8, to: *const u8| to as usize - from as usize;
    hprintln!("code        {:6} bytes", between(&raw const __vector_table, &raw const __etext));
    hprintln!("constants   {:6} bytes", between(&raw const __srodata, &raw const __erodata));
    hprintln!("peak heap   {:6} bytes", HEAP.peak.load(Ordering::Relaxed));
    hprintln!("peak stack  {:6} bytes", peak_stack());
}

/// The stack grows down into memory that the start-up code has painted: what lost its paint was used.
fn peak_stack() -> usize {
    let top: *const u32 = &raw const _stack_start;
    let mut at: *const u32 = cortex_m_rt::heap_start();
    // SAFETY: from the end of the static variables to the top of the stack there is RAM.
    while at < top && unsafe { ptr::read_volatile(at) } == cortex_m_rt::STACK_PAINT_VALUE {
        at = at.wrapping_add(1);
    }
    top as usize - at as usize
}

/// Ends the emulator with success.
pub(crate) fn exit_well() -> ! {
    exit(EXIT_SUCCESS)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    exit(EXIT_FAILURE)
}

fn exit(how: debug::ExitStatus) -> ! {
    loop {
        debug::exit(how);
    }
}
