//! What the kernel says of GPIO lines, and what a person can do about it.

use std::io;

/// Why a request for lines failed, as one kind of error for every edge.
pub(crate) fn kind(error: &gpiocdev::Error) -> io::ErrorKind {
    let (gpiocdev::Error::Os(errno) | gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(errno))) = error else {
        return io::ErrorKind::Other;
    };
    io::Error::from_raw_os_error(errno.0).kind()
}

/// What to do then.
pub(crate) fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "there is no such chip; `gpiodetect` lists them",
        io::ErrorKind::PermissionDenied => "add this user to the group that may: `sudo usermod -aG gpio USER`",
        io::ErrorKind::ResourceBusy => "another program has it; `gpioinfo` says which",
        _ => "look whether the chip has it: `gpioinfo`",
    }
}
