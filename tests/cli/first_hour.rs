//! Before anything is deployed: `init`, and `plan --file` without a stack.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use guardrails_aws::actions::CATALOG;
use guardrails_aws::grants;
use guardrails_cli::exit::Exit;
use guardrails_cli::{first_file, plan_before_deployment};
use guardrails_model::config::Config;
use serde_json::Value as Json;

use crate::deployed::guardrails;
use crate::world::{Instance, Power, World};

const ANN: &str = "arn:aws:iam::123456789012:user/ann";
const POLICY: &str = include_str!("../../policies/plan.json");
const ALL: &str = include_str!("../../examples/all-actions.yaml");
const FILE: &str = "version: 1
operators: [arn:aws:iam::123456789012:user/ann]
guardrails:
  beta:
    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }
    stages:
      - { at: 80% actual, do: [notify] }
      - { at: 100% actual, do: [stop-instances: { tag: { Project: Beta } }] }
";

/// Three instances of Beta in two Regions, one of Gamma, and a NAT gateway of Beta.
fn world() -> Arc<World> {
    let world = Arc::new(World::default());
    let mut account = world.account();
    account.regions.insert("eu-west-1".to_owned());
    account.users.insert("ann".to_owned(), Vec::new());
    for (id, tags, region) in [
        ("i-1", "Project=Beta Name=web", "us-east-1"),
        ("i-2", "Project=Beta Name=web", "us-east-1"),
        ("i-3", "Project=Beta Name=web", "eu-west-1"),
        ("i-4", "Project=Gamma Name=web", "us-east-1"),
    ] {
        account.instances.insert(id.to_owned(), Instance::new(id, Power::Running, tags).in_region(region));
    }
    account.tagged.push(("eu-west-1", "arn:aws:ec2:eu-west-1:123456789012:natgateway/nat-1", &[("Project", "Beta")]));
    drop(account);
    world
}

fn config(text: &str) -> Config {
    CATALOG.parse("guardrails.yaml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

async fn planned(world: &Arc<World>, text: &str) -> (String, Json, Exit) {
    plan_before_deployment(&world.config(), ANN, &config(text), "budget-guardrails").await.unwrap()
}

/// IAM's actions of policies/plan.json.
fn allowed() -> BTreeSet<String> {
    let policy: Json = serde_json::from_str(POLICY).unwrap();
    let actions = policy["Statement"].as_array().unwrap().iter().flat_map(|one| one["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn plan_of_a_file_shows_each_stage_without_a_stack() {
    let world = world();
    let before = world.account().snapshot();
    let (text, json, exit) = planned(&world, FILE).await;
    assert_eq!(world.account().snapshot(), before, "it changed something");
    for words in [
        "beta at 80% actual would:\n  only notify",
        "beta at 100% actual would:",
        "i-1 (web), t3.micro: running -> stopped",
        "i-3 (web), t3.micro: running -> stopped",
        "no stage of beta reaches these resources that carry Project=Beta",
        "  1 of NAT gateways: AWS has no stop.",
    ] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
    assert!(!text.contains("i-4") && !text.contains("could not be read") && !text.contains("WARNING"), "{text}");
    assert_eq!((exit, &json["stack"]["deployed"]), (Exit::Done, &Json::Bool(false)));
    assert_eq!(json["plans"].as_array().unwrap().len(), 2);
    assert_eq!(json["beyond"][0]["goes_on"][0]["count"], 1);
}

#[tokio::test]
async fn denied_read_is_a_line_with_the_right_and_not_the_end() {
    let world = world();
    for denied in ["DescribeInstances", "GetResources", "GetUser"] {
        world.account().refused.insert(denied.to_owned());
    }
    let (text, json, exit) = planned(&world, FILE).await;
    assert!(text.contains("beta at 80% actual would:\n  only notify"), "{text}");
    for right in ["ec2:DescribeInstances", "tag:GetResources", "iam:GetUser"] {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(&format!("needs the right {right}"))).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("could not be read: ")), "{right} in:\n{text}");
    }
    assert_eq!(exit, Exit::NotChecked);
    assert!(!json["unread"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn operators_who_are_nobody_are_named() {
    let world = world();
    let gone = FILE.replace("user/ann", "user/gone");
    let said = planned(&world, &gone).await.0;
    assert!(said.contains("user/gone is nobody: account 123456789012 has no user `gone`"), "{said}");
    let other = FILE.replace("iam::123456789012", "iam::999999999999");
    let said = planned(&world, &other).await.0;
    assert!(said.contains("WARNING: none of the operators is of account 123456789012"), "{said}");
    let none = FILE.replace("operators: [arn:aws:iam::123456789012:user/ann]\n", "");
    assert!(planned(&world, &none).await.0.contains("WARNING: `operators` is empty"));
}

#[tokio::test]
async fn first_file_passes_check_and_names_caller_and_tag() {
    let world = world();
    let (text, said, unread) = first_file(&world.config(), ANN).await.unwrap();
    assert_eq!(unread, Vec::<String>::new());
    let config = config(&text);
    assert_eq!(config.operators, [ANN]);
    let guardrail = &config.guardrails[&"beta".parse().unwrap()];
    assert_eq!(guardrail.budget.tag.iter().collect::<Vec<_>>(), [("Project", vec!["Beta"])]);
    assert!(text.contains("Now 3 instances carry it.") && text.contains("Project=Gamma (1)"), "{text}");
    assert!(said.iter().any(|line| line.starts_with("tag: Project=Beta, which 3 instances carry")), "{said:?}");
    let (plan, _, exit) = planned(&world, &text).await;
    assert!(plan.contains("i-1 (web), t3.micro: running -> stopped"), "{plan}");
    assert_eq!(exit, Exit::Done);
}

#[tokio::test]
async fn first_file_is_written_though_tags_are_denied() {
    let world = world();
    world.account().refused.extend(["GetResources".to_owned(), "DescribeRegions".to_owned()]);
    let (text, said, unread) = first_file(&world.config(), ANN).await.unwrap();
    assert_eq!(config(&text).operators, [ANN]);
    assert!(said.iter().any(|line| line.starts_with("WARNING: nothing carries Project=my-project yet")), "{said:?}");
    assert!(unread.iter().any(|line| line.ends_with("needs the right tag:GetResources")), "{unread:?}");
}

#[tokio::test]
async fn root_user_is_no_operator_of_the_first_file() {
    let (text, said, _) = first_file(&world().config(), "arn:aws:iam::123456789012:root").await.unwrap();
    assert!(config(&text).operators.is_empty(), "{text}");
    assert!(said[0].contains("the account's root user"), "{said:?}");
}

#[tokio::test]
async fn plan_policy_has_every_call_and_only_reads() {
    let world = world();
    world.account().group("ProjectBeta", &["arn:aws:iam::aws:policy/AmazonEC2FullAccess"]);
    first_file(&world.config(), ANN).await.unwrap();
    let said = planned(&world, ALL).await.0;
    assert!(said.contains("a program of yours plans it"), "{said}");
    let (asked, allowed) = (world.account().asked.clone(), allowed());
    assert!(asked.len() > 15, "{asked:?}");
    let lacking: Vec<_> = asked.difference(&allowed).collect();
    assert!(lacking.is_empty(), "policies/plan.json lacks {lacking:?}");
    let changing: Vec<_> = allowed.iter().filter(|action| !grants::is_read(action)).collect();
    assert!(changing.is_empty(), "policies/plan.json allows {changing:?}");
    assert!(!grants::is_read("lambda:InvokeFunction") && !grants::is_read("ec2:StopInstances"));
}

#[test]
fn init_overwrites_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guardrails.yaml");
    std::fs::write(&path, "mine\n").unwrap();
    let output = Command::new(guardrails()).arg("init").current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("guardrails.yaml is there already, and `init` overwrites no file"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine\n");
}
