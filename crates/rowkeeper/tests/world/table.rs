//! The table in docs/delivery-protocol.md: each rule left out, and within how many seeds that shows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use sheet_courier::Mutation;

use super::plans::Plan;
use super::rules::{LeftOut, RULES, Rule};
use super::tell_again;
use super::world::World;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/delivery-protocol.md");
const BEGIN: &str = "<!-- rules left out: begin -->\n";
const END: &str = "<!-- rules left out: end -->";

/// After how many seeds it shows, and how.
struct Caught {
    seeds: u64,
    how: String,
}

/// Lives with one rule left out until it shows. The invariants are not looked at: a missing rule must do harm that the
/// promise itself tells.
fn catch(rule: &Rule, mut seeds: impl Iterator<Item = u64>) -> Option<Caught> {
    let with = |seed| Plan { left_out: Some(rule.left_out), ..(rule.world)(seed) };
    seeds.find_map(|seed| {
        let how = World::seeded(seed, with(seed)).live().err()?;
        let how = how.split_once(": ").map_or(how.clone(), |(_, what)| what.into());
        Some(Caught { seeds: seed + 1, how })
    })
}

/// Begins with the seed that the document names: most often that is enough. With `WORLD_WRITE` it begins with the first,
/// and the document's table is written anew.
pub(crate) fn leave_out(seeds: u64, only: &str) {
    let writes = std::env::var_os("WORLD_WRITE").is_some();
    // The gate leaves out those that show at once.
    let is_gate = std::env::var_os("WORLD_MUTATION_SEEDS").is_none() && only.is_empty();
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let chosen: Vec<&Rule> = RULES.iter().filter(|rule| rule.left_out.name().contains(only)).collect();
    if let (Some(seed), [rule]) = (super::variable("WORLD_SEED"), &chosen[..]) {
        let (outcome, story) =
            tell_again(seed, Plan { left_out: Some(rule.left_out), ..(rule.world)(seed) }, usize::MAX);
        println!("{story}\n{}", outcome.map_or_else(|wrong| wrong, |_| "not noticed".into()));
        return;
    }
    let mut lines = Vec::new();
    let mut missed = Vec::new();
    for rule in chosen {
        let name = rule.left_out.name();
        let named = documented_seeds(&text, &name).filter(|_| !writes);
        if is_gate && named.is_none_or(|seeds| seeds > 2) {
            continue;
        }
        match catch(rule, named.map(|seeds| seeds - 1).into_iter().chain(0..seeds)) {
            Some(caught) => {
                println!("{name}: caught after {} seeds of {}: {}", caught.seeds, rule.world_name, caught.how);
                lines.push(line(rule, &caught.seeds.to_string()));
            }
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "not noticed in {seeds} seeds: {missed:?}");
    if writes && only.is_empty() {
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let after = rest.split_once(END).unwrap().1;
        std::fs::write(DOCUMENT, format!("{before}{BEGIN}{}{END}{after}", whole(&lines))).unwrap();
    }
}

fn documented_seeds(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(&format!("| `{name}` |")))?;
    line.trim_end_matches('|').rsplit('|').next()?.trim().parse().ok().filter(|seeds| *seeds > 0)
}

fn line(rule: &Rule, seeds: &str) -> String {
    format!("| {} | {} | `{}` | {} | {seeds} |", rule.section, rule.words, rule.left_out.name(), rule.world_name)
}

fn whole(lines: &[String]) -> String {
    let mut text =
        String::from("| section | rule | left out as | world | caught after seeds |\n|---|---|---|---|---|\n");
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The document names the rules that are left out here, each as it is here; all of the courier's mutations are among
/// them; and each section that has rules with a counter-example has them here.
pub(crate) fn is_documented() {
    let text = std::fs::read_to_string(Path::new(DOCUMENT)).unwrap();
    let (protocol, rest) = text.split_once(BEGIN).unwrap();
    let table = rest.split_once(END).unwrap().0;
    let documented: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(documented.len(), RULES.len(), "`cargo xtask world-rules` writes the table");
    for (documented, rule) in documented.iter().zip(RULES) {
        let ours = line(rule, "");
        let ours = ours.trim_end_matches("|").trim_end();
        assert!(
            documented.starts_with(ours),
            "{documented}\nis not\n{ours}\n`cargo xtask world-rules` writes the table"
        );
    }

    let left_out: BTreeSet<LeftOut> = RULES.iter().map(|rule| rule.left_out).collect();
    assert_eq!(left_out.len(), RULES.len(), "a rule is left out twice");
    for mutation in Mutation::ALL {
        assert!(left_out.contains(&LeftOut::Courier(mutation)), "{mutation:?} is in no world");
    }

    let mut section = "";
    for line in protocol.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.split('.').next().unwrap_or_default();
        }
        let marked = line.matches('†').count();
        let is_rule = section.parse::<u8>().is_ok_and(|section| section <= 9) && marked > 0;
        let ours = RULES.iter().filter(|rule| rule.section.starts_with(section) && rule.section.contains('†')).count();
        assert!(!is_rule || ours > 0, "section {section} has rules that are left out nowhere");
    }
}
