//! Which version of a function is called, and that the way back calls the same.

use serde_json::json;

use super::{applied, ended, memory, of, open, pauser};
use crate::story::Story;
use crate::world::{Account, UserFunction, breaking, keeping};

/// The versions that `operation` was called by.
fn called(story: &Story, operation: &str) -> Vec<u32> {
    let calls = memory(story).calls;
    let mut numbers: Vec<u32> =
        calls.iter().filter(|(_, call)| call["operation"] == operation).map(|(number, _)| *number).collect();
    numbers.dedup();
    numbers
}

/// A deployment that would break every call.
fn deploy_worse(account: &mut Account) {
    pauser(account).deploy("two", breaking("rollback", |_, _, _| crate::world::Said::Failed("a bug".to_owned())));
}

#[tokio::test]
async fn later_deployment_does_not_change_the_way_back() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    deploy_worse(&mut story.world.account());
    story.put_back(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
    assert_eq!((called(&story, "apply"), called(&story, "rollback")), (vec![1], vec![1]));
}

#[tokio::test]
async fn run_that_joins_a_hold_goes_back_by_the_version_of_the_first() {
    let story = Story::of(of(keeping()));
    let first = applied(&story).await;
    deploy_worse(&mut story.world.account());
    let second = open(&story, "beta 100%", json!({})).await;
    story.apply(&second).await;
    assert_eq!(called(&story, "plan"), [1, 2], "it plans by the newest");
    story.put_back(&first).await;
    story.put_back(&second).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
    assert_eq!(called(&story, "rollback"), [1]);
}

#[tokio::test]
async fn alias_is_resolved_by_the_plan() {
    let story = Story::of(|account| {
        of(keeping())(account);
        deploy_worse(account);
        pauser(account).aliases.insert("live".to_owned(), ("1".to_owned(), None));
    });
    let run = open(&story, "beta 80%", json!({"alias": "live"})).await;
    pauser(&mut story.world.account()).aliases.insert("live".to_owned(), ("2".to_owned(), None));
    story.apply(&run).await;
    story.put_back(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
    assert_eq!((called(&story, "apply"), called(&story, "rollback")), (vec![1], vec![1]));
}

#[tokio::test]
async fn newest_version_counts_by_number_over_all_pages() {
    let story = Story::of(|account| {
        of(keeping())(account);
        for number in 2..=11 {
            pauser(account).deploy(&format!("code {number}"), keeping());
        }
    });
    applied(&story).await;
    assert_eq!(called(&story, "apply"), [11]);
}

#[tokio::test]
async fn version_of_the_file_is_called() {
    let story = Story::of(|account| {
        of(keeping())(account);
        deploy_worse(account);
    });
    let run = open(&story, "beta 80%", json!({"version": 1})).await;
    story.apply(&run).await;
    assert_eq!((called(&story, "plan"), called(&story, "apply")), (vec![1], vec![1]));
}

#[tokio::test]
async fn function_that_cannot_be_called_is_refused_by_the_plan() {
    type Fill = fn(&mut Account);
    let refusals: &[(Fill, serde_json::Value, &str)] = &[
        (|account| pauser(account).versions.clear(), json!({}), "aws lambda publish-version --function-name pauser"),
        (|_| {}, json!({"version": 7}), "Lambda has no version 7 of function pauser any more"),
        (|_| {}, json!({"function": "nobody"}), "looking at function nobody: ResourceNotFoundException"),
        (|_| {}, json!({"alias": "live"}), "looking at alias live of function pauser"),
        (
            |account| drop(pauser(account).aliases.insert("live".to_owned(), ("$LATEST".to_owned(), None))),
            json!({"alias": "live"}),
            "points to $LATEST, whose code may change",
        ),
        (
            |account| drop(pauser(account).aliases.insert("live".to_owned(), ("1".to_owned(), Some("2".to_owned())))),
            json!({"alias": "live"}),
            "points to two versions at once",
        ),
        (
            |account| pauser(account).newest().timeout = 31,
            json!({}),
            "is 31 s, where 30 s are allowed. An invocation has 120 s, and its lease ends after it. 10 s for a start, 3 calls",
        ),
        (|account| pauser(account).newest().durable = true, json!({}), "is durable: a call of it may go on after its timeout"),
        (|account| pauser(account).newest().managed = true, json!({}), "runs on Lambda Managed Instances"),
        (|_| {}, json!({"function": "guardrails-notify"}), "is named as the guardrails' own functions are"),
    ];
    for (fill, params, words) in refusals {
        let story = Story::of(|account| {
            of(keeping())(account);
            fill(account);
        });
        let run = open(&story, "beta 80%", params.clone()).await;
        let ended = ended(&story, &run).await;
        assert!(ended.contains(words), "{words}: {ended}");
        assert!(memory(&story).calls.is_empty(), "{words}: it was called");
    }
}

#[tokio::test]
async fn function_deleted_meanwhile_keeps_the_hold_and_says_so() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    let kept = story.world.account().user_functions.remove("pauser").unwrap();
    story.hour().await;
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert_eq!(told[0], "hourly: rollback failed (Lambda has no version 1 of function pauser any more)");
    story.world.account().user_functions.insert("pauser".to_owned(), kept);
    story.put_back(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"], "its return lets the way back go on");
}

#[tokio::test]
async fn function_made_anew_is_not_taken_for_the_same() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    let memory = memory(&story);
    let anew = UserFunction { memory, ..UserFunction::default() }.publish("other code", keeping());
    story.world.account().user_functions.insert("pauser".to_owned(), anew);
    story.hour().await;
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(told[0].contains("version 1 of function pauser is not the code that this run was planned with"), "{told:?}");
    assert_eq!(story.is(), ["hourly paused", "nightly paused", "weekly paused"]);
}
