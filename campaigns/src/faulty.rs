//! Disks that are full, fail or turn read-only under a running device: nothing that was acknowledged is lost, what is not
//! recorded is said so, and when the disk is well again everything goes on.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use crate::device::Device;
use crate::disk::{Disk, Image};
use crate::google::Google;
use crate::ledger::Ledger;
use crate::process::{Ran, clock, system};
use crate::random::Random;
use crate::stream::{End, Ending, Source};
use crate::{Outcome, ensure};

/// Not recorded; try again later.
const LATER: Option<i32> = Some(75);

pub(crate) fn run() -> Outcome {
    full()?;
    println!("a full disk: \"not recorded\" and 75, daemons lived on, and all went on when there was room");
    own()?;
    println!("a disk that the queue itself filled: what is kept of it was enough to deliver all");
    failing()?;
    println!("a failing disk: \"not recorded\" and 75; after a restart all that was acknowledged was there");
    Ok(())
}

/// A small tmpfs that fills up under two daemons and two streams, and is made larger.
fn full() -> Outcome {
    let google = Google::start()?;
    let mount = Tmpfs::new("1m")?;
    let device = Device::new(&google.url)?.with_state(&mount.path().join("state"));
    device.must(&["sign-in"])?;
    let mut daemons = [device.start(&["run", "--panel", "none"])?, device.start(&["run", "--panel", "none"])?];
    let ledger = Ledger::default();
    let source = |name: &str, seed| Source::new(&device, &ledger, name.into(), Random::new(seed));
    let (mut first, mut second, mut lone) = (source("s", 1), source("t", 2), source("l", 3));
    first.stream(&End::Closed(Duration::from_millis(300)))?;

    // Somebody else's file takes what is left.
    let filler = mount.path().join("filler");
    let fill = || _ = system("sh", &["-c", &format!("cat /dev/zero > {}", filler.display())]);
    fill();
    let over = AtomicBool::new(false);
    thread::scope(|scope| -> Outcome {
        let ending = Ending(&over);
        let streams = [&mut first, &mut second].map(|source| scope.spawn(|| source.stream(&End::Until(&over))));
        // What delivered rows free is used again, so the last bytes go one by one.
        let clock = clock();
        let refused = loop {
            fill();
            let (key, ran) = lone.one(None)?;
            if ran.code == LATER {
                break ran;
            }
            ensure!(ran.code == Some(0), "{key} on a disk that fills up: {ran:?}");
            ensure!(clock() < Duration::from_secs(30), "the disk was never full");
        };
        is_not_recorded(&refused)?;
        drop(ending);
        for stream in streams {
            // Some end by themselves when nothing fits any more, some are still at it.
            let code = stream.join().map_err(|_| "a stream panicked")??;
            ensure!(matches!(code, None | Some(75)), "`record --stdin` on a full disk ended with {code:?}");
        }
        Ok(())
    })?;
    // It can still be asked.
    device.status()?;
    for daemon in &mut daemons {
        ensure!(daemon.is_running()?, "a daemon died of a full disk");
    }

    std::fs::remove_file(&filler)?;
    system("mount", &["-o", "remount,size=64m", &mount.path().to_string_lossy()])?;
    let ran = lone.one(None)?.1;
    ensure!(ran.code == Some(0), "there is room again: {ran:?}");
    let code = second.stream(&End::Closed(Duration::from_millis(300)))?;
    ensure!(code == Some(0), "`record --stdin` ended with {code:?} though there is room again");
    device.drain()?;
    for daemon in daemons {
        daemon.terminate()?;
        let ran = daemon.end(Duration::from_secs(30))?;
        ensure!(ran.code == Some(0), "a daemon that lived through a full disk: {ran:?}");
    }
    let verdict = ledger.judge(&device.rows()?)?;
    println!("{verdict}");
    verdict.must_be_good()
}

/// A queue that takes all it may of its disk, and then is delivered from what is left; and the same disk when somebody else
/// takes that too.
fn own() -> Outcome {
    let google = Google::start()?;
    let mount = Tmpfs::new("3m")?;
    let state = mount.path().join("state");
    let device = Device::new(&google.url)?.with_state(&state);
    device.must(&["sign-in"])?;
    // Half of it is somebody else's, so that there is not too much to deliver.
    std::fs::write(mount.path().join("other"), vec![b'o'; 1_500_000])?;
    let ledger = Ledger::default();
    let mut source = Source::new(&device, &ledger, "s".into(), Random::new(1)).of_long_rows();
    let mut lone = Source::new(&device, &ledger, "l".into(), Random::new(2));
    let clock = clock();
    // Who ends gives back what its log took, so it takes some to fill the disk.
    let refused = loop {
        let code = source.stream(&End::Until(&AtomicBool::new(false)))?;
        ensure!(code == LATER, "`record --stdin` on a disk that the queue fills ended with {code:?}");
        let ran = lone.one(None)?.1;
        if ran.code == LATER {
            break ran;
        }
        ensure!(ran.code == Some(0), "a record on a disk that the queue fills: {ran:?}");
        ensure!(clock() < Duration::from_secs(60), "the disk was never full");
    };
    is_not_recorded(&refused)?;
    ensure!(refused.err.contains("the disk is nearly full"), "{refused:?}");
    let waiting = device.status()?["queue"]["waiting"].as_u64();
    ensure!(waiting > Some(80), "{waiting:?} rows fill the disk");
    device.drain()?;
    let ran = lone.one(None)?.1;
    ensure!(ran.code == Some(0), "a record when all are delivered: {ran:?}");

    // Its log stays behind, and its index does not, as after a power cut.
    let mut dying = Source::new(&device, &ledger, "d".into(), Random::new(3));
    while std::fs::remove_file(state.join("outbox.sqlite-shm")).is_err() {
        ensure!(clock() < Duration::from_secs(120), "nobody died in the middle");
        dying.stream(&End::Killed(Duration::from_millis(500)))?;
    }
    let filler = mount.path().join("filler");
    _ = system("sh", &["-c", &format!("cat /dev/zero > {}", filler.display())]);
    let waiting = device.status()?["queue"]["waiting"].as_u64();
    ensure!(waiting > Some(0), "{waiting:?} rows are seen in the log");
    let refused = lone.one(None)?.1;
    is_not_recorded(&refused)?;
    ensure!(refused.code == LATER, "{refused:?}");
    let ran = device.run(&["deliver", "--for", "2s"])?;
    ensure!(ran.code == LATER, "`deliver` where nothing can be written: {ran:?}");
    std::fs::remove_file(&filler)?;
    device.drain()?;
    let verdict = ledger.judge(&device.rows()?)?;
    println!("{verdict}");
    verdict.must_be_good()
}

/// The device under the file system fails; ext4 then turns itself read-only, and stays so until the next start.
fn failing() -> Outcome {
    let google = Google::start()?;
    let disk = Disk::boot(Image::formatted()?, "errors=remount-ro")?;
    let ledger = Ledger::default();
    let device = Device::new(&google.url)?.with_state(&disk.files().join("state"));
    device.must(&["sign-in"])?;
    let mut source = Source::new(&device, &ledger, "s".into(), Random::new(1));
    let mut lone = Source::new(&device, &ledger, "l".into(), Random::new(2));
    source.stream(&End::Closed(Duration::from_millis(300)))?;
    let waiting = device.status()?["queue"]["waiting"].clone();
    ensure!(waiting.as_u64() > Some(0), "nothing waits");

    let daemon = device.start(&["run", "--panel", "none"])?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| -> Outcome {
        let ending = Ending(&over);
        let stream = scope.spawn(|| source.stream(&End::Until(&over)));
        thread::sleep(Duration::from_millis(200));
        disk.fail(true);
        let clock = clock();
        let (_, refused) = lone.one(None)?;
        is_not_recorded(&refused)?;
        ensure!(refused.code == LATER || refused.code == Some(2), "on a failing disk: {refused:?}");
        while !stream.is_finished() && clock() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(20));
        }
        drop(ending);
        let code = stream.join().map_err(|_| "the stream panicked")??;
        ensure!(matches!(code, None | Some(75)), "`record --stdin` on a failing disk ended with {code:?}");
        Ok(())
    })?;
    // Lost data alone leaves ext4 as it is: its journal has to fail too.
    let touch = disk.files().join("touch");
    let refused = || std::fs::File::create(&touch).and_then(|file| file.sync_all()).err().map(|error| error.kind());
    let clock = clock();
    while refused() != Some(ErrorKind::ReadOnlyFilesystem) {
        ensure!(clock() < Duration::from_secs(30), "the file system is not read-only: {:?}", refused());
        thread::sleep(Duration::from_millis(20));
    }
    // The device answers again, but the file system has seen enough.
    disk.fail(false);
    let (_, refused) = lone.one(None)?;
    is_not_recorded(&refused)?;
    daemon.kill()?;

    let image = disk.cut(&mut Random::new(1));
    drop(disk);
    let disk = Disk::boot(image, "errors=remount-ro")?;
    let again = Device::new(&google.url)?.with_state(&disk.files().join("state"));
    again.drain()?;
    let verdict = ledger.judge(&again.rows()?)?;
    println!("{verdict}");
    verdict.must_be_good()
}

fn is_not_recorded(ran: &Ran) -> Outcome {
    ensure!(ran.err.contains("not recorded"), "nobody said \"not recorded\": {ran:?}");
    ensure!(ran.code != Some(0) && ran.out.is_empty(), "an id was printed for a row that is not recorded: {ran:?}");
    Ok(())
}

/// A tmpfs of a given size; it goes when it is dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn new(size: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let options = format!("size={size},mode=700");
        system("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &folder.path().to_string_lossy()])?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        _ = system("umount", &["-l", &self.0.path().to_string_lossy()]);
    }
}
