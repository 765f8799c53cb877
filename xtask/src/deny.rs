//! Licences, bans and sources by `deny.toml`, from `cargo metadata`: the part of cargo-deny that needs no install.

use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use crate::{Outcome, Step};

pub(crate) fn check() -> Step {
    let rules = fs::read_to_string("deny.toml").map_err(|error| format!("deny.toml: {error}"))?;
    let allowed = quoted_lines(&rules, "allow = [");
    let banned: Vec<_> = rules.lines().filter_map(|line| line.split("crate = \"").nth(1)?.split('"').next()).collect();
    if allowed.is_empty() || banned.is_empty() {
        return Err("deny.toml has no `allow` or no `deny` list any more; the check would prove nothing".into());
    }
    // What is shipped is judged; a tool of the tests may use what it likes, but not under another licence.
    let tree = metadata()?;
    let shipped = shipped(&tree)?;
    let mut wrong = Vec::new();
    for package in packages(&tree) {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        if !fits(text("license"), &allowed) {
            wrong.push(format!("{name} {version}: licence \"{}\" is not allowed", text("license")));
        }
        if !matches!(text("source"), "" | "registry+https://github.com/rust-lang/crates.io-index") {
            wrong.push(format!("{name} {version}: from {}", text("source")));
        }
        if banned.contains(&name) && shipped.iter().any(|id| *id == text("id")) {
            wrong.push(format!("{name} {version}: banned, see deny.toml"));
        }
    }
    println!(
        "{} packages, {} of them shipped; advisories are not checked here",
        packages(&tree).count(),
        shipped.len()
    );
    if wrong.is_empty() { Ok(Outcome::Done) } else { Err(wrong.join("\n")) }
}

fn metadata() -> Result<Value, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata: {error}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn packages(tree: &Value) -> impl Iterator<Item = &Value> {
    tree["packages"].as_array().into_iter().flatten()
}

/// Ids of all that the workspace's members need outside their tests and the developer's command.
fn shipped(tree: &Value) -> Result<Vec<&str>, String> {
    let nodes = tree["resolve"]["nodes"].as_array().ok_or("cargo metadata gave no resolve graph")?;
    let members = tree["workspace_members"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut found: Vec<&str> = members.filter(|id| !id.contains("xtask")).collect();
    let mut next = 0;
    while let Some(id) = found.get(next).copied() {
        next += 1;
        let node = nodes.iter().find(|node| node["id"] == id);
        let dependencies = node.and_then(|node| node["deps"].as_array()).into_iter().flatten();
        for dependency in dependencies {
            let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
            let normal = kinds.clone().count() == 0 || kinds.clone().any(|kind| kind["kind"] != "dev");
            if let (true, Some(id)) = (normal, dependency["pkg"].as_str())
                && !found.contains(&id)
            {
                found.push(id);
            }
        }
    }
    Ok(found)
}

/// Whether an SPDX expression can be satisfied with `allowed`: every `AND` part has an allowed `OR` choice.
fn fits(expression: &str, allowed: &[&str]) -> bool {
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    !flat.is_empty()
        && flat.split(" AND ").all(|part| part.split(" OR ").any(|licence| allowed.contains(&licence.trim())))
}

fn quoted_lines<'r>(rules: &'r str, start: &str) -> Vec<&'r str> {
    let after = rules.split(start).nth(1).unwrap_or_default();
    let list = after.split("\n]").next().unwrap_or_default();
    list.lines().filter_map(|line| line.split('"').nth(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_needs_a_choice_for_every_part() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
        for (expression, fit) in [
            ("MIT OR Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(fits(expression, &allowed), fit, "{expression}");
        }
    }
}
