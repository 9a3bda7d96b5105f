//! The reads of a plan: Lambda takes few requests a second, from everybody in the account.

use std::collections::BTreeMap;

use serde_json::json;

use super::{functions, open, story};

#[tokio::test]
async fn plan_asks_for_nothing_twice() {
    let story = story(|account| {
        functions(account);
        account.page = 50;
    });
    story.world.account().told.clear();
    open(&story, "beta 80%", json!({})).await;
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for (action, resource, _) in &story.world.account().told {
        if action.starts_with("lambda:") || action.starts_with("tag:") {
            *asked.entry(format!("{action} {resource}")).or_default() += 1;
        }
    }
    let regions = story.world.account().regions.len();
    let repeated: Vec<_> =
        asked.iter().filter(|(call, times)| **times > if call.ends_with(" *") { regions } else { 1 }).collect();
    assert!(!asked.is_empty() && repeated.is_empty(), "{repeated:?}");
}

#[tokio::test]
async fn check_before_a_change_asks_anew() {
    let story = story(functions);
    let run = open(&story, "beta 80%", json!({})).await;
    story.world.account().told.clear();
    story.apply(&run).await;
    let asked = story.world.account().told.clone();
    let configuration = |name: &str| {
        asked.iter().any(|(action, resource, _)| action == "lambda:GetFunctionConfiguration" && resource.ends_with(name))
    };
    assert!(configuration(":orders") && configuration(":mailer"), "{asked:?}");
}
