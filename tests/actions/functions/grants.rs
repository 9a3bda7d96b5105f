//! The calls of a whole life, held against the grants of the function.

use guardrails_aws::actions::CATALOG;
use serde_json::json;

use super::{functions, open, story};
use crate::actions::worked_example::recorded::{file_of, judge, keeps_to_its_regions};

/// `cargo xtask rights` has an evaluator of its own judge the same.
#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let story = story(functions);
    let run = open(&story, "beta 80%", json!({})).await;
    story.apply(&run).await;
    story.put_back(&run).await;
    judge("stop-functions", &story);
}

#[test]
fn configurations_are_read_by_tag_alone() {
    let all = file_of("stop-functions: { tag: { Project: Beta } }");
    for grant in CATALOG.find("stop-functions").unwrap().grants(&all).unwrap() {
        if grant.actions.contains(&"lambda:GetFunctionConfiguration") {
            assert_eq!(grant.condition, json!({"StringEquals": {"aws:ResourceTag/Project": ["Beta"]}}));
            assert!(grant.wide.is_empty());
        }
    }
}

#[test]
fn rights_are_of_the_stage_s_regions_alone() {
    keeps_to_its_regions("stop-functions");
}
