//! Asks the kernel whether somebody keeps its clock right.
//!
//! All unsafe code of the house is here, so that the library forbids it: `adjtimex` has a safe wrapper in no crate that is
//! widely kept.

/// Whether the kernel takes its clock for synchronised: chrony, ntpd or systemd-timesyncd has set it, and has not lost its
/// servers for about half a day since.
///
/// None where that cannot be asked: not on Linux, or a container that forbids the call.
#[must_use]
pub fn is_synchronised() -> Option<bool> {
    asked()
}

#[cfg(target_os = "linux")]
fn asked() -> Option<bool> {
    // SAFETY: the structure is made of integers only, for all of which zero is a value. No mode set means that the call
    // only reads (adjtimex(2)).
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a structure of the kernel's own shape that outlives the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    (state >= 0).then_some(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

#[cfg(not(target_os = "linux"))]
fn asked() -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    /// What it says is this machine's own affair; that it says the same twice is ours.
    #[test]
    fn asking_changes_nothing() {
        assert_eq!(super::is_synchronised(), super::is_synchronised());
    }
}
