//! Power cuts: the disk forgets what was not synced, everybody dies, the machine comes back.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::device::Device;
use crate::disk::{Disk, EXT4, Image};
use crate::google::{Google, OWNER};
use crate::ledger::Ledger;
use crate::moments::logs_that_end;
use crate::process::{Running, clock, system};
use crate::random::Random;
use crate::stream::{End, Ending, Source};
use crate::{Failure, Outcome, ensure};

/// What a preloaded library does to the syncs of a device, if anything.
struct Sabotage {
    shim: PathBuf,
    part: PathBuf,
    /// Where the library lies.
    _folder: TempDir,
}

/// Rows and the sign-in through `cuts` power cuts.
pub(crate) fn run(cuts: u64, seed: u64) -> Outcome {
    println!("{cuts} power cuts, seed {seed}");
    let mut random = Random::new(seed);
    let clock = clock();
    known_means_durable(&mut random.fork())?;
    println!("a row that is answered with \"known\" survives, though whoever wrote it died before its sync");
    logs_that_end(4, &mut random.fork())?;
    moments(1 + cuts / 8, &mut random.fork(), None)?;
    rows(cuts, &mut random.fork(), None)?;
    println!("{:.0} s", clock().as_secs_f64());
    Ok(())
}

/// The same without the syncs of some files: the campaign must notice.
pub(crate) fn without_sync(cuts: u64, seed: u64, part: &str) -> Outcome {
    println!("up to {cuts} power cuts, seed {seed}, without the syncs of \"{part}\"");
    let mut random = Random::new(seed);
    let sabotage = Sabotage::of(part)?;
    let caught = moments(1 + cuts / 8, &mut random.fork(), Some(&sabotage))
        .and_then(|()| rows(cuts, &mut random.fork(), Some(&sabotage)));
    match caught {
        Err(what) => {
            println!("noticed: {what}");
            Ok(())
        }
        Ok(()) => Err("nothing was lost, so this campaign proves nothing about these syncs".into()),
    }
}

impl Sabotage {
    fn of(part: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let (source, shim) = (folder.path().join("no_sync.c"), folder.path().join("no_sync.so"));
        std::fs::write(&source, include_str!("../no_sync.c"))?;
        system("cc", &["-shared", "-fPIC", "-o", &shim.to_string_lossy(), &source.to_string_lossy()])?;
        Ok(Self { shim, part: part.into(), _folder: folder })
    }

    fn lazy(&self, device: Device) -> Device {
        device.with("LD_PRELOAD", &self.shim).with("NO_SYNC", &self.part)
    }

    fn deadly(&self, device: Device) -> Device {
        device.with("LD_PRELOAD", &self.shim).with("KILL_AT", &self.part)
    }
}

/// A machine that is switched on: its disk, and the device with its state there.
struct Machine {
    device: Device,
    disk: Disk,
    /// What its disk held when it was switched on.
    booted: Image,
}

impl Machine {
    fn boot(image: Image, random: &mut Random, google: &Google, sabotage: Option<&Sabotage>) -> Outcome<Self> {
        let booted = image.clone();
        let disk = Disk::boot(image, EXT4[random.below(3) as usize])?;
        let device = Device::new(&google.url)?.with_state(&disk.files().join("state"));
        let device = sabotage.into_iter().fold(device, |device, sabotage| sabotage.lazy(device));
        Ok(Self { device, disk, booted })
    }

    /// What must hold after every cut.
    fn is_sound(&self, cut: u64) -> Outcome {
        let status = self.device.status()?;
        ensure!(status["grant"]["state"] == "signed_in", "cut {cut}: the sign-in was lost: {status}");
        ensure!(status["queue"]["set_aside"] == 0, "cut {cut}: a good row was set aside: {status}");
        // It looks at every page of the outbox; counting what waits does not.
        let findings: Value = serde_json::from_str(&self.device.run(&["doctor", "--json"])?.out)?;
        let outbox = findings.as_array().into_iter().flatten().find(|finding| finding["check"] == "outbox");
        ensure!(outbox.is_some_and(|outbox| outbox["verdict"] == "good"), "cut {cut}: the outbox: {findings}");
        Ok(())
    }

    /// The lives are too short to deliver what they record, and records are refused on a full disk: that is `disk`'s matter.
    fn makes_room(&self) -> Outcome {
        const MANY: u64 = 10_000;
        let waiting = self.device.status()?["queue"]["waiting"].as_u64().unwrap_or_default();
        if waiting < MANY { Ok(()) } else { self.device.drain() }
    }

    /// A failure, with where its disk can be looked at: as it was when the machine was switched on, and as it is.
    fn autopsy(&self, failure: Failure) -> Failure {
        let name = |when: &str| std::env::temp_dir().join(format!("power-{}-{when}.img", std::process::id()));
        let (boot, now) = (name("boot"), name("now"));
        match self.booted.keep(&boot).and_then(|()| self.disk.now().keep(&now)) {
            Ok(()) => format!("{failure}; its disk: {} and {}", boot.display(), now.display()).into(),
            Err(_) => failure,
        }
    }
}

/// Two streams, single records, a daemon, and tokens that are refreshed all the time.
fn rows(cuts: u64, random: &mut Random, sabotage: Option<&Sabotage>) -> Outcome {
    let google = Google::start()?;
    google.control("clients", &json!({ "client_id": CLIENT, "client_secret": SECRET, "interval": 1 }))?;
    let ledger = Ledger::default();
    let mut machine = Machine::boot(Image::formatted()?, random, &google, sabotage)?;
    machine.device.must(&["sign-in"])?;
    // Refreshed ahead of its end, so nearly each time it is wanted.
    let short = json!({ "client_id": CLIENT, "client_secret": SECRET, "interval": 1, "access_token_lifetime": 2 });
    google.control("clients", &short)?;
    for cut in 0..=cuts {
        if cut > 0 {
            let image = live(&machine, cut, &ledger, random)?;
            drop(machine);
            machine = Machine::boot(image, random, &google, sabotage)?;
        }
        // The controls fail on purpose.
        let kept = |failure| if sabotage.is_none() { machine.autopsy(failure) } else { failure };
        machine.is_sound(cut).and_then(|()| machine.makes_room()).map_err(kept)?;
    }
    google.control("clients", &json!({ "client_id": CLIENT, "client_secret": SECRET }))?;
    machine.device.drain().map_err(|failure| machine.autopsy(failure))?;
    let verdict = ledger.judge(&machine.device.rows()?)?;
    println!("rows through {cuts} cuts: {verdict}");
    verdict.must_be_good()
}

/// From power on to power cut.
fn live(machine: &Machine, life: u64, ledger: &Ledger, random: &mut Random) -> Outcome<Image> {
    let (device, dark) = (&machine.device, &AtomicBool::new(false));
    let daemon = device.start(&["run", "--panel", "none"])?;
    let time = random.millis(30, 1_500);
    let mut cutting = random.fork();
    let mut source = |name: &str| Source::new(device, ledger, format!("{name}{life}y"), random.fork());
    let (mut first, mut second, mut lone) = (source("s"), source("t"), source("l"));
    thread::scope(|scope| -> Outcome<Image> {
        let ending = Ending(dark);
        let streams = [&mut first, &mut second].map(|source| scope.spawn(|| source.stream(&End::Until(dark))));
        let singles = scope.spawn(move || -> Outcome {
            while !dark.load(Ordering::Relaxed) {
                // On a disk that is gone it ends with an error; then nothing was acknowledged.
                lone.one(None)?;
            }
            Ok(())
        });
        thread::sleep(time);
        // Nobody can sync after this, so nobody can truthfully acknowledge or freeze a batch.
        let image = machine.disk.cut(&mut cutting);
        drop(ending);
        daemon.kill()?;
        for stream in streams {
            stream.join().map_err(|_| "a stream panicked")??;
        }
        singles.join().map_err(|_| "a recorder panicked")??;
        Ok(image)
    })
}

const CLIENT: &str = "emulator-client";
const SECRET: &str = "emulator-secret";

/// The moments of a sign-in at which something was promised, each followed by a cut.
fn moments(rounds: u64, random: &mut Random, sabotage: Option<&Sabotage>) -> Outcome {
    let google = Google::without_owner()?;
    google.control("clients", &json!({ "client_id": CLIENT, "client_secret": SECRET, "interval": 1 }))?;
    let patience = Duration::from_secs(60);
    for round in 1..=rounds {
        let machine = Machine::boot(Image::formatted()?, random, &google, sabotage)?;
        let mut sign_in = machine.device.start(&["sign-in", "--json"])?;
        let shown: Value = serde_json::from_str(&sign_in.line(patience, |line| line.contains("\"code\""))?)?;
        let machine = cut(machine, random, &google, sabotage)?;
        drop(sign_in);
        let status = machine.device.status()?;
        let code = &status["grant"]["code"]["user_code"];
        ensure!(*code == shown["user_code"], "round {round}: {code} is not the code on the screen: {status}");

        google.control("approve", &json!({ "user_code": shown["user_code"], "account": OWNER }))?;
        let mut sign_in = machine.device.start(&["sign-in", "--json"])?;
        sign_in.line(patience, |line| line.contains("signed_in"))?;
        let machine = cut(machine, random, &google, sabotage)?;
        drop(sign_in);
        let status = machine.device.status()?;
        ensure!(status["grant"]["state"] == "signed_in", "round {round}: the sign-in was lost: {status}");
        machine.device.must(&["token"])?;

        machine.device.must(&["sign-out"])?;
        let machine = cut(machine, random, &google, sabotage)?;
        let status = machine.device.status()?;
        ensure!(status["grant"]["state"] == "never_signed_in", "round {round}: signed in again by itself: {status}");
    }
    println!("sign-ins cut at three promises each: {rounds}, each kept what it had promised");
    Ok(())
}

fn cut(machine: Machine, random: &mut Random, google: &Google, sabotage: Option<&Sabotage>) -> Outcome<Machine> {
    let image = machine.disk.cut(random);
    drop(machine);
    Machine::boot(image, random, google, sabotage)
}

/// Whoever wrote a row dies between the write and its sync. The row is in the file as all see it, though not on the
/// disk. Offered again, it is known; and what is known must survive like what is kept.
fn known_means_durable(random: &mut Random) -> Outcome {
    let google = Google::start()?;
    let mut known = 0;
    // A transaction syncs the log more than once; only at some of these moments the row is there to be seen.
    for moment in 1..=4 {
        let machine = Machine::boot(Image::formatted()?, random, &google, None)?;
        machine.device.must(&["record", "--id", "first", "a=1"])?;
        let state = machine.disk.files().join("state");
        let deadly = Sabotage::of(&format!("outbox.sqlite-wal:{moment}"))?;
        let dying = deadly.deadly(Device::new(&google.url)?.with_state(&state));
        dying.run(&["record", "--id", "second", "a=2"])?;
        // It stays open: a process that ends tidily would sync everything on its way out.
        let mut command = machine.device.command(&["record", "--stdin"]);
        command.stdin(Stdio::piped());
        let mut again = Running::start(command)?;
        let mut input = again.stdin().ok_or("no stdin")?;
        writeln!(input, r#"{{"_id":"second","a":2}}"#)?;
        let answer = again.line(Duration::from_secs(30), |line| line.contains("second"))?;
        known += u64::from(answer.contains("known"));
        let image = machine.disk.cut(random);
        again.kill()?;
        drop(machine);
        let machine = Machine::boot(image, random, &google, None)?;
        let waiting = &machine.device.status()?["queue"]["waiting"];
        ensure!(*waiting == 2, "killed at sync {moment}: {waiting} of 2 acknowledged rows were left ({answer})");
    }
    ensure!(known > 0, "nobody died between a write and its sync");
    Ok(())
}
