//! What the documents say of the code is true of it.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
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
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let tests = sources(&root().join("tests"));
    let named: Vec<&str> = architecture
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.contains("::") && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
        })
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        let function = name.rsplit("::").next().unwrap();
        assert!(tests.contains(&format!("fn {function}(")), "there is no test `{name}`");
    }
}

#[test]
fn the_templates_are_plain_yaml_so_that_none_of_their_tags_is_lost() {
    for template in ["infra/guardrails.yaml", "infra/walkthrough.yaml"] {
        let text = fs::read_to_string(root().join(template)).unwrap();
        let short = text.lines().find(|line| !line.trim_start().starts_with('#') && line.contains(" !"));
        assert_eq!(short, None, "{template} uses one of CloudFormation's short tags, which the renderer would drop silently");
    }
}

#[test]
fn the_readme_shows_the_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("cargo demo") && readme.contains("cargo test"));
}
