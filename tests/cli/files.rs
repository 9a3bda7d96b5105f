//! `guardrails check` on files that people really wrote: the words, the place and the exit code.

use std::process::Command;

use crate::deployed::guardrails;

/// The exit code and the words of `check` on a file.
fn check(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), text).unwrap();
    let output = Command::new(guardrails()).arg("check").current_dir(folder.path()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn refused(text: &str, words: &[&str]) {
    let (code, said) = check(text);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("guardrails.yaml:") && said.contains('^'), "no place in:\n{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
}

fn taken(text: &str, words: &[&str]) -> String {
    let (code, said) = check(text);
    assert_eq!(code, Some(0), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    said
}

const EMPTY_VALUE: &str = include_str!("../fixtures/files/empty-value.yaml");
const NAMES_AS_SHOWN: &str = include_str!("../fixtures/files/names-as-shown.yaml");
const SCOPES_APART: &str = include_str!("../fixtures/files/scopes-apart.yaml");
const IDENTITY_CENTER: &str = include_str!("../fixtures/files/identity-center.yaml");
const ZERO_SPEND: &str = include_str!("../fixtures/files/zero-spend.yaml");

#[test]
fn name_that_the_console_shows_is_refused_with_the_right_one() {
    let right =
        &["no service `EC2-Instances (Elastic Compute Cloud - Compute)`", "write `Amazon Elastic Compute Cloud - Compute`"];
    refused(NAMES_AS_SHOWN, right);
    let first = "\"EC2-Instances (Elastic Compute Cloud - Compute)\"";
    let half = NAMES_AS_SHOWN.replace(first, "Amazon Elastic Compute Cloud - Compute");
    refused(&half, &["no service `EC2-Other`", "write `EC2 - Other`"]);
    let said = taken(&half.replace("EC2-Other", "EC2 - Other"), &[]);
    assert!(!said.contains("counts instances alone"), "{said}");
    let list = format!("[{first}, EC2-Other]");
    let alone = NAMES_AS_SHOWN.replace(&list, "Amazon Elastic Compute Cloud - Compute");
    taken(&alone, &["hint: project-beta: its budget counts instances alone", "`EC2 - Other`"]);
}

#[test]
fn check_names_the_actions_that_stop_all_stands_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), include_str!("../../examples/stop-all.yaml")).unwrap();
    let output = Command::new(guardrails()).arg("check").current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for action in ["stop-databases", "stop-functions", "stop-instances", "stop-services", "pause-clusters"] {
        assert!(said.contains(action), "no {action} in:\n{said}");
    }
    assert!(!said.contains("stop-all"), "{said}");
}

#[test]
fn empty_tag_value_and_dollar_in_a_key_are_refused() {
    refused(EMPTY_VALUE, &["the tag `Project` has an empty value", "everything that does not carry the tag"]);
    // It is as wrong in an action alone.
    let of_action = EMPTY_VALUE.replacen("Project: \"\"", "Project: Beta", 1);
    refused(&of_action, &["the tag `Project` has an empty value"]);
    refused(&SCOPES_APART.replace("Project: Beta", "a$b: Beta"), &["the tag key `a$b` has a `$`"]);
}

#[test]
fn value_that_yaml_takes_for_a_number_is_refused_as_written() {
    for (written, shown) in
        [("0471", "0471"), ("4711", "4711"), ("1.10", "1.10"), ("~", "~"), ("true", "true"), ("[a, 1.10]", "1.10")]
    {
        let text = SCOPES_APART.replacen("Project: Beta", &format!("CostCenter: {written}"), 1);
        refused(&text, &[&format!("a tag's value is text: write \"{shown}\" in quotes")]);
    }
    let of_action = SCOPES_APART.replacen("project: beta", "project: 0471", 1);
    refused(&of_action, &["a tag's value is text: write \"0471\" in quotes"]);
    let quoted = SCOPES_APART.replace("project: beta", "Project: \"0471\"").replace("Project: Beta", "Project: \"0471\"");
    let said = taken(&quoted, &[]);
    assert!(!said.contains("WARNING: project-beta:"), "{said}");
}

#[test]
fn scopes_of_budget_and_action_that_are_apart_are_warned_of() {
    taken(SCOPES_APART, &["WARNING: project-beta: its budget counts Project=Beta", "`project` is another key than `Project`"]);
    let narrow = SCOPES_APART.replace("{ project: beta }", "{ Project: Beta, Stage: dev }");
    let said = taken(&narrow, &["hint: project-beta: its budget counts all of Project=Beta", "carries Stage too"]);
    assert!(!said.contains("WARNING: project-beta:"), "{said}");
    let half = SCOPES_APART.replace("Project: Beta", "Project: [Beta, Gamma]").replace("project: beta", "Project: Beta");
    taken(&half, &["its budget counts Project=Gamma too, and no action selects that"]);
}

#[test]
fn role_of_identity_center_is_refused_with_the_way_instead() {
    let words = &["`AWSReservedSSO_Developer_fedcba9876543210` is one of Identity Center", "change its permission set instead"];
    refused(IDENTITY_CENTER, words);
    taken(&IDENTITY_CENTER.replace("AWSReservedSSO_Developer_fedcba9876543210, ", ""), &[]);
}

#[test]
fn tags_of_aws_itself_can_be_the_scope() {
    let stack = "\"aws:cloudformation:stack-name\": web";
    let said = taken(&SCOPES_APART.replace("Project: Beta", stack).replace("project: beta", stack), &[]);
    assert!(!said.contains("WARNING: project-beta:"), "{said}");
}

#[test]
fn budget_of_a_cent_is_taken_since_its_alerts_are_believed() {
    let said = taken(ZERO_SPEND, &["free-tier: figures above $10000.00 wait for a person"]);
    assert!(!said.contains("every alert"), "{said}");
}

#[test]
fn one_budget_for_two_guardrails_is_refused() {
    let other = "  other:\n    budget: { amount: 5 USD, period: monthly, adopt: project-beta }\n    stages: [{ at: 50% actual, do: [notify] }]\n";
    refused(&(SCOPES_APART.to_owned() + other), &["`project-beta` and `other` would have one budget, `project-beta`"]);
    refused(
        &SCOPES_APART.replace("amount: 100 USD,", "amount: 100 USD, adopt: \"a*\","),
        &["`a*` is not the name of an AWS budget"],
    );
    taken(&SCOPES_APART.replace("amount: 100 USD,", "amount: 100 USD, adopt: My Monthly Budget,"), &[]);
}

#[test]
fn other_files_of_people_are_taken() {
    for text in [
        include_str!("../fixtures/files/runaway.yaml"),
        include_str!("../fixtures/files/leaver.yaml"),
        include_str!("../fixtures/files/ages.yaml"),
    ] {
        taken(text, &[]);
    }
}

#[test]
fn misspelt_region_and_tag_are_found_without_an_account() {
    let stop = "stop-instances: { tag: { Project: Beta }";
    let file = SCOPES_APART.replace("stop-instances: { tag: { project: beta }", stop);
    assert_ne!(file, SCOPES_APART);
    let in_region = |region: &str| file.replace(stop, &format!("{stop}, regions: [{region}]"));
    refused(&in_region("us-east1"), &["`us-east1` is not the name of a Region", "did you mean `us-east-1`?"]);
    refused(&in_region("us-east-1a"), &["an Availability Zone", "write `us-east-1`"]);
    taken(&in_region("eu-north-9"), &["WARNING: project-beta at 100% actual: stop-instances: the Region `eu-north-9`"]);
    let said = taken(&in_region("eu-north-1"), &[]);
    assert!(!said.contains("the Region `"), "{said}");
    taken(&file.replace(stop, "stop-instances: { tag: { Project: Betta }"), &["did you mean `Beta`?"]);
    refused(&file.replace(stop, "stop-databases: { tags: { Project: Beta }"), &["did you mean `tag`?"]);
    let exempt = |key: &str| file.replace(stop, &format!("{stop}, exempt: {{ {key} }}"));
    refused(&exempt("ids: [i-0123456789abcdef0]"), &["did you mean `id`?"]);
    refused(&exempt("id: [web-1]"), &["`web-1` is no instance's id"]);
    refused(&file.replace("stop-instances:", "stop-instnces:"), &["did you mean `stop-instances`?"]);
}

#[test]
fn misspelt_policy_of_aws_is_warned_of() {
    const GOOD: &str = include_str!("../../examples/guardrails.yaml");
    let said = taken(&GOOD.replace("[AmazonEC2FullAccess]", "[AmazonEC2FulAccess]"), &["did you mean `AmazonEC2FullAccess`?"]);
    assert!(
        said.contains("WARNING: project-beta at 100% actual: swap-group-policy: AWS's policy `AmazonEC2FulAccess`"),
        "{said}"
    );
    assert!(!taken(GOOD, &[]).contains("AWS's policy"));
}
