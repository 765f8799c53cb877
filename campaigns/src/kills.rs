//! kill -9, at random, at everybody: those who record, those who deliver, and Google.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::device::Device;
use crate::google::Google;
use crate::ledger::Ledger;
use crate::process::clock;
use crate::random::Random;
use crate::stream::{ACKNOWLEDGED, End, Source};
use crate::{Outcome, ensure};

/// Who was killed how often.
#[derive(Default)]
struct Kills {
    streams: AtomicU64,
    recorders: AtomicU64,
    daemons: AtomicU64,
    senders: AtomicU64,
    google: AtomicU64,
}

struct World {
    device: Device,
    ledger: Ledger,
    google: Mutex<Google>,
    kills: Kills,
    over: AtomicBool,
}

type Actor = fn(&World, u64, Random) -> Outcome;

/// Two streams, two who record one row at a time, two daemons, somebody who says `deliver`, one who looks, and Google.
const ACTORS: [Actor; 9] = [stream, stream, lone, lone, daemon, daemon, sender, onlooker, google];

pub(crate) fn run(seconds: u64, seed: u64) -> Outcome {
    println!("kills for {seconds} s, seed {seed}");
    let google = Google::start()?;
    let device = Device::new(&google.url)?;
    device.must(&["sign-in"])?;
    let (ledger, google, kills) = (Ledger::default(), Mutex::new(google), Kills::default());
    let world = World { device, ledger, google, kills, over: AtomicBool::new(false) };
    let mut random = Random::new(seed);
    let clock = clock();
    thread::scope(|scope| -> Outcome {
        let start = |(number, actor): (usize, &Actor)| {
            let (world, random) = (&world, random.fork());
            let actor = *actor;
            scope.spawn(move || {
                let ended = actor(world, number as u64, random);
                // One who fails ends it for all.
                if ended.is_err() {
                    world.over.store(true, Ordering::Relaxed);
                }
                ended
            })
        };
        let threads: Vec<_> = ACTORS.iter().enumerate().map(start).collect();
        while clock() < Duration::from_secs(seconds) && !world.is_over() {
            thread::sleep(Duration::from_millis(50));
        }
        world.over.store(true, Ordering::Relaxed);
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        ended.into_iter().try_for_each(|ended| ended.map_err(|_| "an actor panicked")?)
    })?;

    let google = world.google.into_inner().map_err(|_| "an actor panicked")?;
    google.no_faults()?;
    world.device.drain()?;
    let verdict = world.ledger.judge(&world.device.rows()?)?;
    let count = |kills: &AtomicU64| kills.load(Ordering::Relaxed);
    let Kills { streams, recorders, daemons, senders, google } = &world.kills;
    println!(
        "killed: {} streams, {} single records, {} daemons, {} deliveries, Google {} times",
        count(streams),
        count(recorders),
        count(daemons),
        count(senders),
        count(google)
    );
    println!("{} acknowledgements seen, repeated ones too; {verdict}", ACKNOWLEDGED.load(Ordering::Relaxed));
    verdict.must_be_good()
}

impl World {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Sleeps, unless all is over.
    fn pause(&self, time: Duration) {
        let clock = clock();
        while clock() < time && !self.is_over() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn count(kills: &AtomicU64) {
    kills.fetch_add(1, Ordering::Relaxed);
}

fn stream(world: &World, number: u64, mut random: Random) -> Outcome {
    let mut source = Source::new(&world.device, &world.ledger, format!("s{number}"), random.fork());
    while !world.is_over() {
        let life = random.millis(20, 1_500);
        if random.chance(75) {
            source.stream(&End::Killed(life))?;
            count(&world.kills.streams);
        } else {
            let code = source.stream(&End::Closed(life))?;
            ensure!(code == Some(0), "`record --stdin` ended with {code:?}, though nothing was wrong");
        }
    }
    Ok(())
}

fn lone(world: &World, number: u64, mut random: Random) -> Outcome {
    let mut source = Source::new(&world.device, &world.ledger, format!("l{number}"), random.fork());
    while !world.is_over() {
        if random.chance(50) {
            source.one(Some(random.millis(0, 40)))?;
            count(&world.kills.recorders);
        } else {
            let (_, ran) = source.one(None)?;
            ensure!(ran.code == Some(0), "`record`, though nothing was wrong: {ran:?}");
        }
        world.pause(random.millis(0, 60));
    }
    Ok(())
}

fn daemon(world: &World, _: u64, mut random: Random) -> Outcome {
    while !world.is_over() {
        let running = world.device.start(&["run", "--panel", "none"])?;
        // Mostly long enough to get somewhere.
        let life = if random.chance(30) { random.millis(0, 80) } else { random.millis(80, 1_500) };
        world.pause(life);
        if random.chance(85) {
            running.kill()?;
            count(&world.kills.daemons);
        } else {
            // It may be told to end before it listens to signals.
            thread::sleep(Duration::from_millis(300));
            running.terminate()?;
            let ran = running.end(Duration::from_secs(30))?;
            ensure!(ran.code == Some(0), "a daemon that was told to end: {ran:?}");
        }
    }
    Ok(())
}

fn sender(world: &World, _: u64, mut random: Random) -> Outcome {
    while !world.is_over() {
        let running = world.device.start(&["deliver", "--for", "1s"])?;
        if random.chance(60) {
            world.pause(random.millis(0, 600));
            running.kill()?;
            count(&world.kills.senders);
        } else {
            let ran = running.end(Duration::from_secs(30))?;
            ensure!(matches!(ran.code, Some(0 | 75)), "`deliver` amid kills: {ran:?}");
        }
        world.pause(random.millis(0, 500));
    }
    Ok(())
}

/// Whoever asks in the middle of it gets an answer.
fn onlooker(world: &World, _: u64, mut random: Random) -> Outcome {
    while !world.is_over() {
        let status = world.device.status()?;
        ensure!(status["grant"]["state"] == "signed_in", "the sign-in was lost: {status}");
        ensure!(status["queue"]["set_aside"] == 0, "a good row was set aside: {status}");
        world.pause(random.millis(100, 700));
    }
    Ok(())
}

fn google(world: &World, _: u64, mut random: Random) -> Outcome {
    while !world.is_over() {
        world.pause(random.millis(300, 2_500));
        let mut google = world.google.lock().map_err(|_| "an actor panicked")?;
        if random.chance(60) {
            google.crash()?;
            count(&world.kills.google);
        }
        google.no_faults()?;
        if random.chance(70) {
            google.faults(&bad_day(&mut random))?;
        }
    }
    Ok(())
}

/// Lost answers of all kinds, mostly after the deed; never so many that nothing gets through.
fn bad_day(random: &mut Random) -> serde_json::Value {
    let when = if random.chance(70) { "after" } else { "before" };
    let action = match random.below(5) {
        0 => json!({ "do": "reset", "when": when }),
        1 => json!({ "do": "drop", "when": when }),
        2 => json!({ "do": "status", "status": 503, "when": when }),
        3 => json!({ "do": "truncate", "bytes": random.below(40) }),
        _ => json!({ "do": "delay", "seconds": 0.4 }),
    };
    json!({ "path": ":batchUpdate", "probability": 0.3, "seed": random.next(), "action": action })
}
