//! The rights of the action's function, held against the calls of a whole life. `cargo xtask rights` has a foreign evaluator judge the
//! same calls.

use std::collections::BTreeMap;

use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Config;

use super::super::worked_example::recorded;
use super::{fill, pause};
use crate::story::Story;

fn config() -> Config {
    let file = "version: 1\nguardrails:\n  beta:\n    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }\n    stages:\n      \
        - at: 80% actual\n        do:\n          - pause-clusters: { tag: { Project: Beta } }\n";
    CATALOG.parse("guardrails.yaml", file).unwrap()
}

#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.put_back(&run).await;
    let calls = story.world.account().told.clone();
    let regions = ("ec2:DescribeRegions".to_owned(), "*".to_owned(), BTreeMap::new());
    let calls: Vec<recorded::Called> = calls.into_iter().chain([regions]).collect();
    recorded::hold_against(&CATALOG.find("pause-clusters").unwrap().grants(&config()).unwrap(), &calls);
    recorded::write(&CATALOG, "pause-clusters", &config(), &calls);
}
