//! The statements of the documents about the code are true.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use guardrails_model::config::Plausibility;
use guardrails_model::pace::Pace;
use guardrails_prose::page::page;
use serde_json::Value as Json;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all += &sources(&entry);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            all += &fs::read_to_string(entry).unwrap();
        }
    }
    all
}

#[test]
fn each_test_that_an_invariant_names_exists() {
    each_test_named_in("docs/invariants.md", 155);
}

#[test]
fn each_test_that_a_claim_of_security_names_exists() {
    each_test_named_in("SECURITY.md", 30);
}

#[test]
fn each_test_that_a_decision_names_exists() {
    each_test_named_in("docs/decisions.md", 6);
}

#[test]
fn each_test_of_living_with_others_exists() {
    each_test_named_in("docs/living-with.md", 8);
}

#[test]
fn each_test_of_the_cases_exists() {
    each_test_named_in("docs/cases.md", 40);
}

/// Each test that the document names, which are more than `at_least`.
fn each_test_named_in(document: &str, at_least: usize) {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let tests: String = ["tests", "crates"].iter().map(|folder| sources(&root().join(folder))).collect();
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.contains("::") && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
        })
        .collect();
    assert!(named.len() > at_least, "{named:?}");
    for name in named {
        let function = name.rsplit("::").next().unwrap();
        // A table of tests names each before a colon.
        let made = [format!("fn {function}("), format!("    {function}: ")];
        assert!(made.iter().any(|made| tests.contains(made)), "{document}: there is no test `{name}`");
    }
}

#[test]
fn templates_are_plain_yaml_without_short_tags() {
    for template in ["infra/guardrails.yaml", "infra/walkthrough.yaml"] {
        let text = fs::read_to_string(root().join(template)).unwrap();
        let short = text.lines().find(|line| !line.trim_start().starts_with('#') && line.contains(" !"));
        assert_eq!(short, None, "{template} uses one of CloudFormation's short tags, which the renderer would drop silently");
    }
}

#[test]
fn walkthrough_file_is_the_example_but_for_the_watching_time() {
    let read = |name: &str| fs::read_to_string(root().join("examples").join(name)).unwrap();
    let lines = |text: &str| {
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&read("walkthrough.yaml").replace(", watch-health: 1s", "")), lines(&read("guardrails.yaml")));
}

#[test]
fn each_file_of_examples_is_read_without_a_mistake() {
    let files: Vec<PathBuf> = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files: Vec<&PathBuf> =
        files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    assert!(files.len() > 4, "{files:?}");
    for path in files {
        let read = guardrails_aws::actions::CATALOG.parse(&path.display().to_string(), &fs::read_to_string(path).unwrap());
        assert!(read.is_ok(), "{}: {:?}", path.display(), read.err());
    }
}

#[test]
fn page_about_peers_names_the_pinned_version() {
    let pins = fs::read_to_string(root().join("xtask/requirements-peers.txt")).unwrap();
    let pins = pins.lines().find_map(|line| line.strip_prefix("c7n==")).unwrap();
    let pinned = pins.split(' ').next().unwrap();
    let written = fs::read_to_string(root().join("docs/peers.md")).unwrap();
    assert!(written.contains(&format!("(c7n) {pinned} ")), "docs/peers.md is of another version: cargo xtask peers");
}

/// The example of the README is whole, and docs/approval.md shows `plausibility` with the values that hold when it is left out.
#[test]
fn values_shown_for_plausibility_are_the_defaults() {
    let read = |name: &str| page(&fs::read_to_string(root().join(name)).unwrap());
    let example = read("README.md").blocks.into_iter().find(|block| block.info == "yaml").unwrap().text;
    let whole = guardrails_aws::actions::CATALOG.parse("README.md", &example).unwrap();
    assert!(whole.guardrails.values().all(|guardrail| guardrail.plausibility == Plausibility::default()));
    let shown = |page: &str, key: &str| {
        let blocks = read(page).blocks.into_iter().map(|block| block.text);
        let block = blocks.into_iter().find(|text| text.starts_with(&format!("{key}:"))).unwrap();
        serde_saphyr::from_str::<BTreeMap<String, Json>>(&block).unwrap().remove(key).unwrap()
    };
    let written: Plausibility = serde_json::from_value(shown("docs/approval.md", "plausibility")).unwrap();
    assert_eq!(written, Plausibility::default());
    let keys = shown("docs/approval.md", "plausibility");
    let every = ["approval", "enforce-up-to", "factor", "when-unreachable"];
    assert!(every.iter().all(|key| keys.get(*key).is_some()), "{keys}");
    let pace: Pace = serde_json::from_value(shown("docs/stop-instances.md", "pace")).unwrap();
    assert!(!pace.buckets.is_empty() && pace.check().is_ok());
}
