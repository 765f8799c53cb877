//! The corpus without the fuzzing engine: whole, and every seed cut at each byte and with bits flipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fuzz::TARGETS;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = corpus().join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn every_seed_keeps_every_promise() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
        for (seed, data) in seeds {
            println!("{name}/{seed}");
            target(&data);
        }
    }
}

#[test]
fn a_seed_may_be_cut_or_bent_anywhere() {
    for (name, target) in TARGETS {
        for (seed, data) in seeds(name) {
            println!("{name}/{seed}");
            for at in 0..data.len() {
                target(&data[..at]);
                let mut bent = data.clone();
                bent[at] ^= 1 << (at % 8);
                target(&bent);
            }
        }
    }
}

#[test]
fn every_folder_of_the_corpus_has_a_target() {
    let folders: BTreeSet<String> =
        fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
