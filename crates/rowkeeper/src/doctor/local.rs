//! What can be seen without the network: the state directory, the disk, the outbox, and who sends.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::Access;
use sheet_courier::Hold;

use super::{Finding, bad, good, told, warning};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::DeliveryLock;
use crate::device::{OpenError, hold_advice};
use crate::outbox::{self, Counts, DiskError, Filter, Listed, Outbox, Recount, RowState};

/// Below this, recording may stop soon.
const LITTLE_SPACE_BYTES: u64 = 50 << 20;

/// A file system that can hold no more than so many new files is full, whatever space it has.
const FEW_FILES: u64 = 32;

/// Whoever sends has something to say for itself when a row waits longer than this.
const LONG: Duration = Duration::from_secs(3600);

pub(super) fn examine(
    config: &Config,
    outbox: &Result<Option<Outbox>, OpenError>,
    clock: &dyn Clock,
    findings: &mut Vec<Finding>,
) {
    let dir = &config.state_dir;
    findings.push(state(dir));
    findings.push(disk(dir));
    match outbox {
        Ok(None) => findings.push(good("outbox", "nothing was recorded here yet")),
        Ok(Some(outbox)) => match examine_outbox(outbox, dir, clock, findings) {
            Ok(()) => {}
            Err(error) if error.is_damage() => {
                findings.push(bad(
                    "outbox",
                    format!("it is damaged{}", cause(&error)),
                    recover(&dir.join("outbox.sqlite")),
                ));
            }
            Err(error) => findings.push(told("outbox", &error, "check the disk (dmesg), and the card")),
        },
        Err(error) => findings.push(unusable(error)),
    }
}

/// Whoever can read the state can read the sheet's files, and whoever cannot write it can keep nothing.
fn state(dir: &Path) -> Finding {
    let what = dir.display();
    match fs::metadata(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return good("state", format!("{what} is not there yet; the first command that needs it makes it"));
        }
        Err(error) => {
            return bad("state", format!("{what} cannot be looked at: {error}"), "check who may enter it (ls -ld)");
        }
        Ok(meta) if !meta.is_dir() => {
            return bad("state", format!("{what} is not a directory"), "give another one with --state-dir");
        }
        Ok(_) => {}
    }
    match rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK) {
        Err(rustix::io::Errno::ROFS) => {
            let advice = "look at the card (dmesg), then: mount -o remount,rw, or give another --state-dir";
            return bad("state", format!("{what} is on a disk that is mounted read-only"), advice);
        }
        Err(error) => {
            let advice = "run as the user that owns it, or give another --state-dir";
            return bad("state", format!("{what} cannot be written: {error}"), advice);
        }
        Ok(()) => {}
    }
    // The directory itself may be reached by a link (systemd makes such), what is in it may not.
    let meta = |name: &str| match name {
        "" => fs::metadata(dir).map(|meta| (dir.to_owned(), meta)),
        name => fs::symlink_metadata(dir.join(name)).map(|meta| (dir.join(name), meta)),
    };
    const OURS: [&str; 6] =
        ["", "grant.json", "grant.json.previous", "grant.lock", "outbox.sqlite", "outbox.sqlite-wal"];
    let files = || OURS.into_iter().filter_map(|name| meta(name).ok());
    if let Some((path, _)) = files().find(|(_, meta)| meta.is_symlink()) {
        let advice = "put the file itself there, links are not followed; to keep the state elsewhere, give --state-dir";
        return bad("state", format!("{} is a symbolic link", path.display()), advice);
    }
    let user = rustix::process::geteuid();
    // Root may use everybody's.
    if let Some((path, meta)) = files().find(|(_, meta)| !user.is_root() && meta.uid() != user.as_raw()) {
        let what = format!("{} belongs to user {}, and this is user {}", path.display(), meta.uid(), user.as_raw());
        return bad("state", what, format!("run as that user, or: sudo chown -R {} {}", user.as_raw(), dir.display()));
    }
    let mut open = files().filter(|(_, meta)| meta.permissions().mode() & 0o077 != 0);
    match open.next() {
        None => good("state", format!("{what} is private")),
        Some((path, _)) => warning(
            "state",
            format!("other users may look into {}", path.display()),
            format!("chmod go-rwx {}", path.display()),
        ),
    }
}

fn disk(dir: &Path) -> Finding {
    // Where there is no directory yet, the one that it will be made in.
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(disk) => {
            // Some file systems make room for files as they go, and count none.
            let files = (disk.f_files > 0).then_some(disk.f_favail);
            room(disk.f_bavail.saturating_mul(disk.f_frsize), files)
        }
        Err(error) => bad("disk", format!("cannot look: {error}"), "check that the state directory's disk is mounted"),
    }
}

fn room(bytes: u64, files: Option<u64>) -> Finding {
    let what = format!("{} MiB are free", bytes >> 20);
    match files {
        _ if bytes < LITTLE_SPACE_BYTES => bad(
            "disk",
            what,
            "make room: records are refused, not lost, when the disk is nearly full (du -xh / | sort -h | tail)",
        ),
        Some(files) if files < FEW_FILES => bad(
            "disk",
            format!("{what}, but only {files} more files fit"),
            "remove small files: records are refused, not lost, when no file can be made (df -i)",
        ),
        _ => good("disk", what),
    }
}

/// The outbox is there and cannot be opened.
fn unusable(error: &OpenError) -> Finding {
    let OpenError::Outbox(path, why) = error else { return told("outbox", error, "check the disk (dmesg)") };
    let file = path.display();
    match why {
        outbox::OpenError::Damaged(cause) => bad("outbox", format!("{file} is damaged: {cause}"), recover(path)),
        outbox::OpenError::Newer { found, known } => bad(
            "outbox",
            format!("{file} was written by a newer rowkeeper (format {found}, this one knows {known})"),
            "update this rowkeeper; the records are safe",
        ),
        outbox::OpenError::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => bad(
            "outbox",
            format!("{file} may not be used by this user: {source}"),
            "run as the user that owns it (ls -l)",
        ),
        why if why.is_temporary() => {
            let advice = "make room, or wait for the program that holds it; then look again";
            bad("outbox", format!("{file} cannot be used now: {why}{}", cause(why)), advice)
        }
        why => bad(
            "outbox",
            format!("{file} cannot be opened: {why}{}", cause(why)),
            "check who owns it (ls -l) and the disk (dmesg)",
        ),
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(|cause| format!(": {cause}")).unwrap_or_default()
}

fn recover(path: &Path) -> String {
    let file = path.display();
    format!(
        "stop rowkeeper, copy the state directory away, then: sqlite3 {file} .recover | sqlite3 new.sqlite, and put that in its place, with no -wal and -shm beside it"
    )
}

fn examine_outbox(
    outbox: &Outbox,
    dir: &Path,
    clock: &dyn Clock,
    findings: &mut Vec<Finding>,
) -> Result<(), DiskError> {
    let faults = outbox.integrity_check()?;
    if !faults.is_empty() {
        let what = format!("the file is damaged: {}", faults.join(", "));
        findings.push(bad("outbox", what, recover(&dir.join("outbox.sqlite"))));
        return Ok(());
    }
    if outbox.recount()? == Recount::Mended {
        let advice = "nothing: they are right now. Should it come again, the card may be failing (dmesg)";
        findings.push(warning("outbox", "the records that wait were counted wrongly", advice));
    }
    let counts = outbox.counts()?;
    let little_room = outbox.little_room()?;
    findings.push(match counts.set_aside {
        _ if let Some(free) = little_room => bad(
            "outbox",
            format!(
                "{} records wait, and no more are taken: the last {} KiB of the disk are kept for delivering them",
                counts.waiting,
                free >> 10
            ),
            "make room (du -xh / | sort -h | tail), or let them be delivered: `rowkeeper deliver`",
        ),
        0 => good("outbox", format!("{} records wait", counts.waiting)),
        aside => warning(
            "outbox",
            format!("set aside, because the sheet refused them: {aside}; waiting: {}", counts.waiting),
            "`rowkeeper queue list --set-aside` says why; then `queue retry ID` or `queue drop ID`",
        ),
    });
    let in_flight = Filter { state: Some(RowState::InBatch), ..Filter::default() };
    let bound: Vec<_> = outbox.list(&in_flight)?.into_iter().filter(|row| row.bound).collect();
    if !bound.is_empty() {
        findings.push(in_doubt(&bound));
    }
    findings.push(identity(outbox)?);
    let said = outbox.status()?;
    findings.push(daemon(dir, &counts, said.last_error.as_deref(), clock));
    Ok(())
}

/// Whether this is the only one that sends in this device's name.
fn identity(outbox: &Outbox) -> Result<Finding, DiskError> {
    let hold = outbox.hold()?;
    // A copy goes on by itself.
    let finding = match &hold {
        Some(Hold::Copy { .. }) => warning,
        Some(Hold::Retired { .. }) => bad,
        _ => {
            let twin = "outbox.sqlite, its -wal and its lock belong together: a copy of them is a twin";
            return Ok(good("identity", format!("device {}; {twin}", outbox.tag()?.as_str())));
        }
    };
    let text = hold.as_ref().map(hold_advice).unwrap_or_default();
    let (what, advice) = text.split_once("; ").unwrap_or((&text, "keep only one copy"));
    Ok(finding("identity", what, advice))
}

/// Rows that nobody can know of whether they are in an earlier spreadsheet.
fn in_doubt(bound: &[Listed]) -> Finding {
    const NAMED: usize = 5;
    let mut names = bound.iter().take(NAMED).map(|row| row.id.as_str()).collect::<Vec<_>>().join(", ");
    if bound.len() > NAMED {
        names += &format!(" and {} more", bound.len() - NAMED);
    }
    warning(
        "in doubt",
        format!("{} rows may or may not be in an earlier spreadsheet, which does not answer: {names}", bound.len()),
        "make that spreadsheet reachable again; or say `rowkeeper queue retry ID` (it may come twice) or `queue drop ID` (it may be lost)",
    )
}

/// Who sends, if anybody does.
fn daemon(dir: &Path, counts: &Counts, trouble: Option<&str>, clock: &dyn Clock) -> Finding {
    let lock = dir.join("outbox.lock");
    let taken = lock.exists() && matches!(DeliveryLock::take(dir), Ok(None));
    let age = |since_ms: i64| clock.wall().unix_ms.saturating_sub(since_ms);
    let waits_long =
        counts.oldest.is_some_and(|oldest| u128::try_from(age(oldest)).is_ok_and(|ms| ms > LONG.as_millis()));
    match (taken, waits_long) {
        (true, _) if holder(&lock).is_some_and(is_replaced) => warning(
            "daemon",
            "it still runs the program that was there before an update",
            "systemctl restart rowkeeper, or end `rowkeeper run` and start it again",
        ),
        (true, true) => warning(
            "daemon",
            format!("it runs, and a record has waited for over an hour{}", said(trouble)),
            "see what is said about the sign-in, the network and the sheet; journalctl -u rowkeeper tells more",
        ),
        (true, false) => good("daemon", "it runs"),
        (false, true) => warning(
            "daemon",
            format!("none is running, and a record has waited for over an hour{}", said(trouble)),
            "systemctl start rowkeeper, or `rowkeeper run`; or send once with `rowkeeper deliver`",
        ),
        (false, false) => good("daemon", "none is running, and nothing waits for one"),
    }
}

fn said(trouble: Option<&str>) -> String {
    trouble.map(|why| format!(" (last: {why})")).unwrap_or_default()
}

/// The process that holds a lock on the file, where the system tells (Linux: `/proc/locks`).
fn holder(lock: &Path) -> Option<u32> {
    let inode = format!(":{} ", fs::metadata(lock).ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`
    locks.lines().find(|line| line.contains(&inode))?.split_whitespace().nth(4)?.parse().ok()
}

/// Whether the process runs a program whose file is gone: that is what an update leaves.
fn is_replaced(process: u32) -> bool {
    fs::read_link(format!("/proc/{process}/exe"))
        .is_ok_and(|file| file.as_os_str().as_encoded_bytes().ends_with(b" (deleted)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::doctor::Verdict;

    #[test]
    fn little_room_is_said_before_there_is_none() {
        let plenty = 1 << 30;
        for (bytes, files, verdict) in [
            (plenty, None, Verdict::Good),
            (plenty, Some(1_000), Verdict::Good),
            (plenty, Some(3), Verdict::Bad),
            (49 << 20, None, Verdict::Bad),
            (0, Some(1_000), Verdict::Bad),
        ] {
            let found = room(bytes, files);
            assert_eq!(
                (found.verdict, found.advice.is_some()),
                (verdict, verdict == Verdict::Bad),
                "{bytes} {files:?}"
            );
        }
    }

    #[test]
    fn records_that_were_counted_wrongly_are_said_and_counted_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outbox.sqlite");
        let outbox = Outbox::open(&path, outbox::Options { max_bytes: 1 << 30 }).unwrap();
        let wrong = "INSERT INTO block(b, waiting, aside, bytes, oldest) VALUES (7, 1, 0, 10, 0)";
        rusqlite::Connection::open(&path).unwrap().execute(wrong, ()).unwrap();
        assert_eq!(outbox.counts().unwrap().waiting, 1);
        let look = || {
            let mut findings = Vec::new();
            examine_outbox(&outbox, dir.path(), &SystemClock, &mut findings).unwrap();
            findings.into_iter().filter(|finding| finding.check == "outbox").collect::<Vec<_>>()
        };
        let found = look();
        assert_eq!((found[0].verdict, found[1].what.as_str()), (Verdict::Warning, "0 records wait"));
        assert_eq!(look().len(), 1, "once is enough");
    }

    #[test]
    fn an_outbox_that_cannot_be_opened_is_said_by_its_cause() {
        use outbox::OpenError as Why;
        let io = |kind: std::io::ErrorKind| Why::File { path: "outbox.sqlite".into(), source: kind.into() };
        for (why, part) in [
            (Why::Newer { found: 9, known: 1 }, "update this rowkeeper"),
            (io(std::io::ErrorKind::PermissionDenied), "as the user that owns it"),
            (io(std::io::ErrorKind::StorageFull), "make room"),
            (io(std::io::ErrorKind::IsADirectory), "ls -l"),
            (Why::Damaged(rusqlite::Error::InvalidQuery), ".recover"),
            (Why::NoRandomness, "dmesg"),
        ] {
            let found = unusable(&OpenError::Outbox("outbox.sqlite".into(), why));
            assert!(found.verdict == Verdict::Bad && found.advice.as_ref().unwrap().contains(part), "{found:?}");
        }
    }

    #[test]
    fn rows_in_doubt_are_named() {
        let outbox = Outbox::open_in_memory(outbox::Options { max_bytes: 1 << 20 }).unwrap();
        let rows: Vec<_> = (0..7)
            .map(|n| outbox::NewRow {
                table: "records".into(),
                id: Some(format!("row-{n}")),
                record: Default::default(),
                happened: outbox::Happened {
                    wall: crate::clock::Wall { unix_ms: 0, trusted: true },
                    mono: crate::clock::Mono::default(),
                    boot: "b".into(),
                    at_unix_ms: None,
                },
            })
            .collect();
        outbox.accept(&rows).unwrap();
        let listed = outbox.list(&Filter::default()).unwrap();
        let found = in_doubt(&listed);
        assert!(found.what.starts_with("7 rows ") && found.what.ends_with(" and 2 more"), "{}", found.what);
        assert!(found.what.contains(&listed[0].id) && !found.what.contains(&listed[6].id), "{}", found.what);
        assert!(in_doubt(&listed[..1]).what.ends_with(&listed[0].id));
    }

    /// The holder of a lock is found by its file, and this test's own program is where it was.
    #[test]
    fn the_holder_of_a_lock_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DeliveryLock::take(dir.path()).unwrap();
        assert!(lock.is_some());
        let holder = holder(&dir.path().join("outbox.lock"));
        assert!(holder.is_none_or(|process| process == std::process::id()), "{holder:?}");
        assert!(!is_replaced(std::process::id()));
    }
}
