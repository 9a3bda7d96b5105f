//! The words of a plan about functions.

use guardrails_aws::actions::CATALOG;
use serde_json::json;

use super::{functions, open, story};
use crate::harness::stage;
use crate::story::Story;

async fn words(story: &Story, prices: Option<&str>) -> String {
    let run = open(story, "beta 80%", json!({})).await;
    let parts = [(story.load(&run).await.parts[0].clone(), story.steps(&run).await)];
    guardrails_cli::plan_words(&CATALOG, &stage("beta 80%", Vec::new()).0, parts, prices).unwrap()
}

#[tokio::test]
async fn plan_names_each_setting_with_both_values() {
    let said = words(&story(functions), None).await;
    for line in [
        "stop-functions in us-east-1: 6 to change, 2 as wanted already",
        "event source orders of function orders: enabled -> disabled; its records wait at the source, as long as that keeps them",
        "provisioned concurrency of function orders:live: 5 -> none",
        "function orders, 512 MB: 20 -> 0; its 20 reserved executions return to the account, where others may take them",
        "function mailer, 512 MB: none -> 0",
        "function idle, 512 MB: 0 already",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
}

#[tokio::test]
async fn price_list_says_that_functions_are_not_counted() {
    let said = words(&story(functions), Some("t3.micro: 1")).await;
    assert!(said.contains("NOT COUNTED: the invocations of 2 functions that would be refused"), "{said}");
    assert!(said.contains("NOT COUNTED: the hours of 1 provisioned concurrency that would be removed"), "{said}");
    assert!(!said.lines().any(|line| line.contains("NOT COUNTED") && line.contains("event source")), "{said}");
}
