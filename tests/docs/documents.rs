//! What the documents say of the code is true of it.

use std::fs;
use std::path::Path;

use guardrails_model::config::Plausibility;

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
    each_test_named_in("ARCHITECTURE.md", 15);
}

#[test]
fn each_test_that_a_claim_of_security_names_exists() {
    each_test_named_in("SECURITY.md", 15);
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
fn the_templates_are_plain_yaml_so_that_none_of_their_tags_is_lost() {
    for template in ["infra/guardrails.yaml", "infra/walkthrough.yaml"] {
        let text = fs::read_to_string(root().join(template)).unwrap();
        let short = text.lines().find(|line| !line.trim_start().starts_with('#') && line.contains(" !"));
        assert_eq!(short, None, "{template} uses one of CloudFormation's short tags, which the renderer would drop silently");
    }
}

#[test]
fn the_walk_through_s_file_is_the_example_but_for_the_time_of_watching() {
    let read = |name: &str| fs::read_to_string(root().join("examples").join(name)).unwrap();
    let lines = |text: &str| {
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&read("walkthrough.yaml").replace(", watch-health: 1s", "")), lines(&read("guardrails.yaml")));
}

#[test]
fn what_the_readme_shows_of_guardrails_yaml_is_read() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [example, deny, asking, stop, databases, services, pace] = blocks.as_slice() else {
        panic!("{} blocks of YAML", blocks.len())
    };
    let parse = |text: &str| guardrails_aws::actions::CATALOG.parse("README.md", text);
    let whole = parse(example).unwrap();
    assert!(!whole.guardrails.is_empty());
    let of_stage = |line: &&str| line.starts_with("        approval:");
    let asks = format!("      - at: 100% actual\n{}\n", asking.lines().find(of_stage).unwrap());
    let believes: String = asking.lines().skip(2).take_while(|line| *line != "    stages:").collect::<Vec<_>>().join("\n") + "\n";
    let asking =
        example.replace("      - at: 100% actual\n", &asks).replace("    stages:\n", &format!("{believes}    stages:\n"));
    let guardrail = parse(&asking).unwrap().guardrails.into_values().next().unwrap();
    assert!(guardrail.stages[1].approval.is_some());
    assert_eq!(guardrail.plausibility, Plausibility::default(), "what stands there is what holds when it is left out");
    for action in [stop, databases, services] {
        let indented = action.lines().map(|line| format!("            {line}\n")).collect::<Vec<_>>().concat();
        let stopping =
            example.replace("          - stop-instances: { tag: { Project: Beta } }", &format!("          -\n{indented}"));
        assert_ne!(parse(&stopping).unwrap(), whole);
    }
    let indented = deny.lines().map(|line| format!("            {line}\n")).collect::<Vec<_>>().concat();
    let denying = example.replace("          - stop-instances: { tag: { Project: Beta } }", &format!("          -\n{indented}"));
    assert_ne!(parse(&denying).unwrap(), whole);
    let paced = parse(&format!("{example}{pace}")).unwrap().pace;
    assert!(!paced.buckets.is_empty() && paced.check().is_ok());
}
