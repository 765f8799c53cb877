//! All the moments at which the power could have gone: what a life asked of its disk is written down, and afterwards the
//! disk is made as it could have been left at many of them. Whatever it is made to, the outbox on it must be whole.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::device::Device;
use crate::disk::{Asked, Disk, EXT4, Image, Left};
use crate::google::Google;
use crate::ledger::Ledger;
use crate::process::{Running, clock, feed, system};
use crate::random::Random;
use crate::stream::{End, Ending, Source};
use crate::{Outcome, ensure};

/// How many moments of each life are looked at.
const MOMENTS: usize = 40;
/// Lives of one disk: from when it is new until it is rather full.
const DISK: u64 = 12;
const MIB: u64 = 1 << 20;

/// Lives of a device as random as a campaign's, each looked at in forty moments.
pub(crate) fn run(lives: u64, seed: u64) -> Outcome {
    println!("{lives} lives, seed {seed}");
    let mut random = Random::new(seed);
    let clock = clock();
    logs_that_end(12, &mut random.fork())?;
    let google = Google::start()?;
    google.control("clients", &json!({ "client_id": CLIENT, "client_secret": SECRET, "interval": 1 }))?;
    let ledger = Ledger::default();
    let (mut image, mut looked) = (None, 0);
    for life in 0..lives {
        let is_new = life % DISK == 0;
        let booted = match image.take() {
            Some(image) if !is_new => image,
            _ => Image::of_size([10, 11, 16, 24, 24][random.below(5) as usize] * MIB)?,
        };
        let options = EXT4[random.below(3) as usize];
        let disk = Disk::boot(booted.clone(), options)?;
        let device = Device::new(&google.url)?.with_state(&disk.files().join("state"));
        if is_new {
            device.must(&["sign-in"])?;
        }
        image = Some(live(&device, &disk, life, &ledger, &mut random)?);
        let asked = disk.asked();
        drop(disk);
        let mut at: Vec<usize> = (0..MOMENTS).map(|_| some_moment(&asked, &mut random)).collect();
        at.sort_unstable();
        look(&booted, &asked, &at, options, |left, volatile| left.some_of(volatile, &mut random))
            .map_err(|failure| format!("life {life}: {failure}"))?;
        looked += MOMENTS;
        if (life + 1) % DISK == 0 {
            println!("{} lives, {looked} moments, {:.0} s", life + 1, clock().as_secs_f64());
        }
    }
    println!("the outbox was whole at all of {looked} moments of {lives} lives");
    Ok(())
}

/// Half of them just before a flush, when most is at stake.
fn some_moment(asked: &[Asked], random: &mut Random) -> usize {
    let any = random.below(asked.len() as u64 + 1) as usize;
    let flush = asked[any..].iter().position(|asked| matches!(asked, Asked::Flush));
    any + flush.filter(|_| random.chance(50)).unwrap_or(0)
}

/// From power on to power cut; what was left.
fn live(device: &Device, disk: &Disk, life: u64, ledger: &Ledger, random: &mut Random) -> Outcome<Image> {
    let dark = &AtomicBool::new(false);
    // On a full disk nothing can be promised but that it says so.
    device.run(&["status", "--json"])?;
    let daemon = if random.chance(60) { Some(device.start(&["run", "--panel", "none"])?) } else { None };
    let many = if random.chance(40) { 2 } else { 0 };
    let time = random.millis(300, 2_500);
    let mut cutting = random.fork();
    let mut source = |name: &str| Source::new(device, ledger, format!("{name}{life}m"), random.fork());
    let mut streams: Vec<_> = (0..many).map(|n| source(&format!("s{n}"))).collect();
    let mut lones = [source("l"), source("k")];
    thread::scope(|scope| -> Outcome<Image> {
        let ending = Ending(dark);
        let streams = streams.iter_mut().map(|source| scope.spawn(|| source.stream(&End::Until(dark)).map(drop)));
        let lones = lones.iter_mut().map(|source| {
            scope.spawn(|| -> Outcome {
                while !dark.load(Ordering::Relaxed) {
                    source.one(None)?;
                }
                Ok(())
            })
        });
        let all: Vec<_> = streams.chain(lones).collect();
        thread::sleep(time);
        let image = disk.cut(&mut cutting);
        drop(ending);
        daemon.map(|daemon| daemon.kill()).transpose()?;
        for one in all {
            one.join().map_err(|_| "a recorder panicked")??;
        }
        Ok(image)
    })
}

/// Logs that are over, and those that begin after them, on a file system that gives blocks away before it is on the disk
/// that they are free. Each time after a boot, so that it looks for room anew, and on a disk that was full until then.
pub(crate) fn logs_that_end(rounds: u64, random: &mut Random) -> Outcome {
    let options = "data=writeback";
    let google = Google::start()?;
    let (ledger, mut looked) = (Ledger::default(), 0);
    let mut image = Image::of_size(12 * MIB)?;
    for round in 0..rounds {
        let booted = image;
        let disk = Disk::boot(booted.clone(), options)?;
        let device = Device::new(&google.url)?.with_state(&disk.files().join("state"));
        let mut source = |name: &str| Source::new(&device, &ledger, format!("{name}{round}e"), random.fork());
        let (mut stream, mut lone) = (source("s"), source("l"));
        // On the full disk not all of this may be possible.
        device.must(&["status"])?;
        lone.one(None)?;
        // Its last user closes the outbox, and the log is over. What is freed is used again, and the main file need not grow.
        remove(&disk.files().join(FILLER))?;
        device.must(&["queue", "drop", "--all"])?;
        stream.stream(&End::Killed(Duration::from_millis(300)))?;
        flood(&device)?;
        fill(&disk.files())?;
        image = disk.now();
        let asked = disk.asked();
        drop(disk);
        let mut moments = BTreeSet::new();
        for (at, _) in asked.iter().enumerate().filter(|(_, asked)| asked.begins_with(&LOG)) {
            let flushes = asked[at..].iter().enumerate().filter(|(_, asked)| matches!(asked, Asked::Flush));
            moments.extend(flushes.map(|(after, _)| at + after + 1).take(3));
        }
        let moments: Vec<_> = moments.into_iter().collect();
        look(&booted, &asked, &moments, options, |left, _| left.clone())?;
        looked += moments.len();
    }
    println!("{rounds} logs that ended: the outbox was whole at {looked} flushes after others began");
    Ok(())
}

/// A log's first bytes.
const LOG: [u8; 4] = 0x377f_0682_u32.to_be_bytes();

/// A thousand rows at once, from one who dies: the longest stretch of the log.
fn flood(device: &Device) -> Outcome {
    let mut command = device.command(&["record", "--stdin"]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command)?;
    let line = format!("{{\"text\":\"{}\"}}\n", "so it goes ".repeat(40));
    // It stays open: a process that ends tidily would end the log too.
    let input = running.stdin().ok_or("no stdin")?;
    ensure!(feed(&input, &line.repeat(FLOOD))?, "`record --stdin` ended by itself");
    running.line(Duration::from_secs(60), |line| line.contains(&format!("\"line\":{FLOOD},")))?;
    running.kill().map(drop)
}

const FLOOD: usize = 1_000;

/// Somebody else's file.
const FILLER: &str = "filler";

/// Leaves next to nothing, and all that was written is on the disk.
fn fill(files: &Path) -> Outcome {
    let there = rustix::fs::statvfs(files)?;
    let free = there.f_bfree * there.f_frsize;
    if free > LITTLE {
        system("fallocate", &["-l", &(free - LITTLE).to_string(), &files.join(FILLER).to_string_lossy()])?;
    }
    system("sync", &["-f", &files.to_string_lossy()])
}

/// What the file system keeps for itself, and some.
const LITTLE: u64 = 320 << 10;

fn remove(path: &Path) -> Outcome {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The disk at these moments, in their order, as `choose` has it of what was durable and of the writes since.
fn look(
    booted: &Image,
    asked: &[Asked],
    moments: &[usize],
    options: &str,
    mut choose: impl FnMut(&Left, &[Asked]) -> Left,
) -> Outcome {
    let folder = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" })?;
    let (mut durable, mut since) = (Left::of(booted), 0);
    for moment in moments {
        while let Some(next) = asked[since..*moment].iter().position(|asked| matches!(asked, Asked::Flush)) {
            durable.all_of(&asked[since..since + next]);
            since += next + 1;
        }
        let image = choose(&durable, &asked[since..*moment]).image();
        if let Err(failure) = is_whole(&image, options, folder.path()) {
            let path = std::env::temp_dir().join(format!("moment-{}.img", std::process::id()));
            image.keep(&path)?;
            return Err(format!("moment {moment} of {}, {options}: {failure}; {}", asked.len(), path.display()).into());
        }
    }
    Ok(())
}

fn is_whole(image: &Image, options: &str, folder: &Path) -> Outcome {
    let (device, files) = (folder.join("image"), folder.join("files"));
    image.keep(&device)?;
    _ = std::fs::create_dir(&files);
    let options = format!("loop,{options}");
    system("mount", &["-t", "ext4", "-o", &options, &device.to_string_lossy(), &files.to_string_lossy()])?;
    let copied = ["outbox.sqlite", "outbox.sqlite-wal", "outbox.sqlite-journal"].map(|name| -> std::io::Result<u64> {
        let (from, to) = (files.join("state").join(name), folder.join(name));
        _ = std::fs::remove_file(&to);
        if from.exists() { std::fs::copy(from, to) } else { Ok(0) }
    });
    system("umount", &[&files.to_string_lossy()])?;
    let [main, log, journal] = copied;
    log?;
    journal?;
    if main? == 0 {
        return Ok(()); // not yet begun
    }
    let outbox = Connection::open_with_flags(folder.join("outbox.sqlite"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let verdict: String = outbox.query_row("PRAGMA integrity_check(3)", (), |row| row.get(0))?;
    ensure!(verdict == "ok", "{verdict}");
    Ok(())
}

const CLIENT: &str = "emulator-client";
const SECRET: &str = "emulator-secret";
