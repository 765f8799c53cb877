//! The fuzzing engine around one target, which `FUZZ_TARGET` names.
#![no_main]

use std::env;
use std::path::Path;
use std::sync::OnceLock;

use fuzz::TARGETS;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let without: Vec<_> = TARGETS.iter().filter(|(name, _)| !corpus.join(name).is_dir()).collect();
        assert!(without.is_empty(), "no corpus for {without:?}");
        let name = env::var("FUZZ_TARGET").unwrap_or_default();
        let known = || TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let target = TARGETS.iter().find(|(target, _)| *target == name);
        target.unwrap_or_else(|| panic!("FUZZ_TARGET is \"{name}\", not one of {}", known())).1
    });
    target(data);
});
