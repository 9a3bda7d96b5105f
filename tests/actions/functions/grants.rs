//! The calls of a whole life, held against the grants of the function.

use std::collections::BTreeMap;

use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Config;
use serde_json::json;

use super::{functions, open, story};
use crate::actions::worked_example::recorded::{Called, hold_against, write};

const ALL: &str = "stop-functions: { tag: { Project: Beta } }";

fn config(action: &str) -> Config {
    let text = "version: 1\nguardrails:\n  beta:\n    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }\n    stages:\n      \
                - at: 80% actual\n        do:\n          - ";
    CATALOG.parse("guardrails.yaml", &format!("{text}{action}\n")).unwrap()
}

/// `cargo xtask rights` has an evaluator of its own judge the same.
#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let story = story(functions);
    let run = open(&story, "beta 80%", json!({})).await;
    story.apply(&run).await;
    story.put_back(&run).await;
    let grants = CATALOG.find("stop-functions").unwrap().grants(&config(ALL)).unwrap();
    let told = story.world.account().told.clone();
    let regions = ("ec2:DescribeRegions".to_owned(), "*".to_owned(), BTreeMap::new());
    let calls: Vec<Called> = told.into_iter().chain([regions]).collect();
    hold_against(&grants, &calls);
    write(&CATALOG, "stop-functions", &config(ALL), &calls);
}

#[test]
fn configurations_are_read_by_tag_alone() {
    for grant in CATALOG.find("stop-functions").unwrap().grants(&config(ALL)).unwrap() {
        if grant.actions.contains(&"lambda:GetFunctionConfiguration") {
            assert_eq!(grant.condition, json!({"StringEquals": {"aws:ResourceTag/Project": ["Beta"]}}));
            assert!(grant.wide.is_empty());
        }
    }
}

#[test]
fn rights_are_of_the_stage_s_regions_alone() {
    let one = config("stop-functions: { tag: { Project: Beta }, regions: [eu-west-1] }");
    for grant in CATALOG.find("stop-functions").unwrap().grants(&one).unwrap() {
        let is_there = |arn: &String| arn == "*" || arn.contains(":eu-west-1:");
        assert!(grant.resources.iter().all(is_there), "{}: {:?}", grant.sid, grant.resources);
    }
}
