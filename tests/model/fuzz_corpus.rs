//! The inputs that the fuzzer kept hold, and get as far as they are to get.

use std::path::{Path, PathBuf};

use guardrails_aws::actions::Any;

/// The most that the corpus may grow to, in bytes.
const MOST: usize = 1 << 20;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../verification/fuzz/corpus")
}

fn inputs(target: &str) -> Vec<(String, String)> {
    let files = std::fs::read_dir(corpus().join(target)).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<(String, String)> = files
        .map(|file| (file.display().to_string(), String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned()))
        .collect();
    inputs.sort();
    inputs
}

/// Checks every input of a target, and names the one that fails.
fn every(target: &str, check: impl Fn(&str)) {
    let inputs = inputs(target);
    assert!(inputs.len() >= 10, "{target} has {} inputs", inputs.len());
    for (name, input) in inputs {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&input)));
        assert!(outcome.is_ok(), "see above: {name}");
    }
}

#[test]
fn every_input_that_was_kept_holds() {
    for (target, check) in guardrails_fuzz::TARGETS {
        every(target, check);
    }
}

#[test]
fn actions_of_the_catalog_are_read_as_well_as_the_fake_ones() {
    every("config", |text| drop(guardrails_fuzz::config::check::<Any>(text)));
}

#[test]
fn corpus_is_small_and_reaches_every_outcome() {
    let targets = guardrails_fuzz::TARGETS.map(|(target, _)| target);
    let size: usize = targets.iter().flat_map(|target| inputs(target)).map(|(_, input)| input.len()).sum();
    assert!(size < MOST, "{size} bytes");

    let enforced = inputs("alert").iter().flat_map(|(_, input)| guardrails_fuzz::alert::check(input)).count();
    assert!(enforced >= 5, "{enforced} enforced");
    let accepted = inputs("config").iter().filter_map(|(_, input)| guardrails_fuzz::config::check::<Any>(input)).count();
    assert!(accepted >= 2, "{accepted} accepted");
    let understood = inputs("wire").iter().flat_map(|(_, input)| guardrails_fuzz::wire::check(input)).collect::<Vec<_>>();
    for kind in [
        "input",
        "progress",
        "verify",
        "verified",
        "notify",
        "scope",
        "master",
        "action",
        "cursor",
        "properties",
        "definition",
        "pace",
    ] {
        assert!(understood.contains(&kind), "no {kind}");
    }
    let put_back: usize = inputs("ledger").iter().map(|(_, input)| guardrails_fuzz::ledger::check(input).put_back).sum();
    assert!(put_back >= 5, "{put_back} put back");
}
