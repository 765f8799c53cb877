//! The simulated world: devices whose processes die, a network that loses, repeats and delays, the emulated Google in
//! process, a virtual clock. Every acknowledged row must be in the sheet exactly once.
//!
//! Each run is decided by its seed; a failure prints the seed and the end of its story. `WORLD_SEEDS` sets how many
//! seeds a test tries, `WORLD_FIRST` where it begins.

#![expect(clippy::unwrap_used, reason = "a simulated world ends at the first surprise")]

mod chance;
mod clock;
mod device;
mod net;
mod people;
mod plans;
mod promise;
mod world;

use sheet_courier::Mutation;

use net::Weather;
use plans::{Plan, amending, closing, moving, plan, restored, rolling, shared, squatted, stormy, twinned};
use promise::Report;
use world::World;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs these seeds on all cores. The first error, if any, is the lowest seed's of its worker.
fn try_live(seeds: u64, plan: &(dyn Fn(u64) -> Plan + Sync)) -> Result<Report, (u64, String)> {
    let first = number("WORLD_FIRST", 0);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let run = move |worker| {
        let mut sum = Report::default();
        for seed in (first + worker..first + seeds).step_by(workers as usize) {
            sum += World::seeded(seed, plan(seed)).live().map_err(|story| (seed, story))?;
        }
        Ok(sum)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|worker| scope.spawn(move || run(worker))).collect();
        let mut sum = Report::default();
        for worker in workers {
            sum += worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(sum)
    })
}

fn live(seeds: u64, plan: impl Fn(u64) -> Plan + Sync) -> Report {
    try_live(seeds, &plan)
        .unwrap_or_else(|(seed, story)| panic!("{story}\nreplay with WORLD_FIRST={seed} WORLD_SEEDS=1"))
}

#[test]
fn every_acknowledged_row_is_in_the_sheet_exactly_once() {
    let seeds = number("WORLD_SEEDS", 400);
    let report = live(seeds, plan);
    println!("{seeds} worlds: {report:?}");
}

#[test]
fn amendments_follow_their_rows_wherever_people_move_them() {
    let seeds = number("WORLD_SEEDS", 40);
    let report = live(seeds, amending);
    println!("{seeds} worlds: {report:?}");
}

#[test]
fn rows_are_under_their_names_however_people_move_columns() {
    let seeds = number("WORLD_SEEDS", 40);
    let report = live(seeds, moving);
    println!("{seeds} worlds: {report:?}");
}

/// The pauses are longer than a contact check is good for, the row younger.
#[test]
fn a_lone_row_after_a_quiet_time_takes_one_round_trip() {
    let weather = Weather::default();
    let rows = |rows| Plan { weather, devices: 1, rows, burst: 1, pause: 200_000, ..Plan::default() };
    let attempts = |count| World::seeded(7, rows(count)).live().unwrap().attempts;
    assert_eq!(attempts(1), 4, "create, look for twins, look at the columns, append");
    assert_eq!(attempts(5) - attempts(1), 4 + 1, "the first row of the second table looks before it sets up its tab");
    // A prune comes only after eight.
    assert_eq!(attempts(8) - attempts(5), 3);
}

/// Lives with one rule left out until it shows, and says within how many seeds.
fn notices(what: &str, seeds: u64, plan: impl Fn(u64) -> Plan + Sync) {
    for seed in 0..seeds {
        if let Err(story) = World::seeded(seed, plan(seed)).live() {
            let last = story.lines().last().unwrap_or_default();
            println!("{what}: caught after {} seeds: {last}", seed + 1);
            return;
        }
    }
    panic!("{what}: not noticed in {seeds} seeds");
}

#[test]
fn an_old_copy_of_the_state_notices_and_goes_on_as_a_new_device() {
    let seeds = number("WORLD_SEEDS", 15).min(2_000);
    let report = live(seeds, restored);
    println!("{seeds} worlds: {report:?}");
    assert!(report.copies > 0);
    let seeds = number("WORLD_MUTATION_SEEDS", 300);
    let with = |mutation, plan: Plan| Plan { mutation: Some(mutation), ..plan };
    notices("NoContactCheck", seeds, |seed| with(Mutation::NoContactCheck, restored(seed)));
    let narrow = |plan: Plan| Plan { weather: Weather { narrow: 1.0, ..plan.weather }, ..plan };
    notices("AnyLookIsWhole", seeds, |seed| with(Mutation::AnyLookIsWhole, narrow(restored(seed))));
    // Long pauses and nothing in doubt: all markers are old when the copy looks.
    let quiet = |seed| Plan { rows: 100, pause: 6_000, restore: 0.02, weather: Weather::default(), ..restored(seed) };
    notices("PruneNewest", seeds, |seed| with(Mutation::PruneNewest, quiet(seed)));
    notices("ReleaseUnread", seeds, |seed| with(Mutation::ReleaseUnread, restored(seed)));
}

#[test]
fn of_two_living_copies_one_goes_on_and_the_other_waits_for_a_person() {
    let seeds = number("WORLD_SEEDS", 40).min(5_000);
    let report = live(seeds, twinned);
    println!("{seeds} worlds: {report:?}");
    assert!(report.copies > 0 && report.retired > 0, "{report:?}");
    let seeds = number("WORLD_MUTATION_SEEDS", 300);
    let with = |mutation, plan: Plan| Plan { mutation: Some(mutation), ..plan };
    // Many batches wait, in which both copies have the same rows.
    let many = |seed| Plan { at_most: 1_500, burst: 8, ..twinned(seed) };
    for mutation in [Mutation::ReleaseUnclaimed, Mutation::ReleaseAtOnce, Mutation::ReleaseUnread] {
        notices(&format!("{mutation:?}"), seeds, |seed| with(mutation, many(seed)));
    }
}

#[test]
fn rules_left_out_are_noticed() {
    let seeds = number("WORLD_MUTATION_SEEDS", 300);
    type Maker = fn(u64) -> Plan;
    let mutations: [(Mutation, Maker); 20] = [
        (Mutation::NoMarker, stormy),
        (Mutation::UnknownIsFailed, stormy),
        (Mutation::RefusedMeansNotApplied, stormy),
        (Mutation::AbsentMeansNotApplied, stormy),
        (Mutation::FoundBatchIsUnfrozen, stormy),
        (Mutation::PruneYoung, stormy),
        (Mutation::PruneByKey, stormy),
        (Mutation::PruneById, squatted),
        (Mutation::RekeyAtOnce, squatted),
        (Mutation::FoundBatchNotInDoubt, squatted),
        (Mutation::LayoutNotRead, shared),
        (Mutation::NoLayoutRegister, shared),
        (Mutation::LandingNotSeen, moving),
        (Mutation::RollWithoutVoid, rolling),
        (Mutation::OwnSuccessor, rolling),
        (Mutation::BoundGivenBack, closing),
        (Mutation::AmendByIndex, amending),
        (Mutation::AnchorAbandoned, amending),
        (Mutation::AnchorLeftOpen, amending),
        (Mutation::AbsentMeansDeleted, amending),
    ];
    // First without: what is noticed must be the missing rule.
    for plan in [stormy, squatted, shared, rolling, closing, amending, moving] {
        live(seeds.min(15), plan);
    }
    let only = std::env::var("WORLD_ONLY").unwrap_or_default();
    for (mutation, plan) in mutations.into_iter().filter(|(mutation, _)| format!("{mutation:?}").contains(&only)) {
        notices(&format!("{mutation:?}"), seeds, |seed| Plan { mutation: Some(mutation), ..plan(seed) });
    }
    notices("acknowledged before commit", seeds, |seed| Plan { acknowledge_early: true, ..stormy(seed) });
}
