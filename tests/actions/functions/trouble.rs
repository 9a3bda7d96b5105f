//! Mappings on their way, concurrency that is not provisioned, and calls that are refused.

use guardrails_model::clock::Clock;
use guardrails_model::phase::Phase;
use guardrails_model::record::Direction;
use jiff::SignedDuration;
use serde_json::json;

use super::{beta, changes, functions, is, open, stopped, story};
use crate::world::{Kind, Mapping};

const SOURCE: &str = "event source orders of function orders";

#[tokio::test]
async fn source_on_its_way_is_waited_for() {
    for state in ["Creating", "Updating", "Enabling"] {
        let story = story(functions);
        story.world.account().source("u-1").stuck = Some(state);
        let run = open(&story, "beta 80%", json!({})).await;
        for _ in 0..3 {
            story.harness.invoke(Direction::Apply, &run, 0).await.unwrap().unwrap();
            story.harness.wait(30).await;
        }
        assert_eq!((is(&story, "source u-1").as_str(), is(&story, "orders reserved").as_str()), (state, "20"));
        story.world.account().source("u-1").stuck = None;
        story.apply(&run).await;
        let held = (is(&story, "source u-1"), is(&story, "orders reserved"));
        assert_eq!(held, ("Disabled".to_owned(), "0".to_owned()), "{state}: {:?}", story.told(&run).await);
        story.put_back(&run).await;
        assert_eq!(is(&story, "source u-1"), "Enabled", "{state}: {:?}", story.told(&run).await);
    }
}

#[tokio::test]
async fn disabling_that_its_owner_began_is_not_ours() {
    let story = story(functions);
    let now = story.world.clock.now();
    story.world.account().source("u-1").set(false, now);
    let run = stopped(&story).await;
    assert_eq!(story.reason(&run, SOURCE).await, "it was becoming disabled already");
    story.put_back(&run).await;
    assert_eq!(is(&story, "source u-1"), "Disabled");
}

#[tokio::test]
async fn state_nobody_has_heard_of_costs_the_others_nothing() {
    let story = story(functions);
    story.world.account().source("u-1").stuck = Some("Quantum");
    let run = stopped(&story).await;
    assert_eq!(story.reason(&run, SOURCE).await, "the world did not settle: it is becoming quantum");
    assert_eq!((is(&story, "mailer reserved"), is(&story, "orders reserved")), ("0".to_owned(), "20".to_owned()));
}

#[tokio::test]
async fn update_that_began_meanwhile_is_asked_for_again() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.world.account().function("orders").updating = true;
    story.harness.ask_back(&run, &[], false).await;
    for _ in 0..4 {
        story.harness.invoke(Direction::Rollback, &run, 0).await.unwrap().unwrap();
        story.harness.wait(120).await;
    }
    let why = story.reason(&run, "function orders").await;
    assert!(why.contains("ResourceConflictException"), "{why}");
    story.world.account().function("orders").updating = false;
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert_eq!(is(&story, "orders reserved"), "20");
}

#[tokio::test]
async fn provisioning_that_takes_minutes_has_its_time() {
    let story = story(functions);
    let before = story.is();
    let run = stopped(&story).await;
    story.world.account().takes = 600;
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn provisioning_that_fails_is_said_in_lambda_s_words() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.harness.ask_back(&run, &[], false).await;
    for _ in 0..20 {
        story.harness.invoke(Direction::Rollback, &run, 0).await.unwrap().unwrap();
        if let Some(provisioned) = story.world.account().function("orders").provisioned.get_mut("live") {
            provisioned.failed = Some("FUNCTION_ERROR_INIT_FAILURE");
            break;
        }
        story.harness.wait(30).await;
    }
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    let failed = story.step(&run, "provisioned concurrency of function orders:live").await;
    assert_eq!(failed.phase, Phase::RollbackFailed);
    let why = failed.reason.unwrap();
    assert!(why.contains("Lambda could not provision it: FUNCTION_ERROR_INIT_FAILURE"), "{why}");
    assert_eq!(is(&story, "orders:live scaling"), "min 0, max 8, in suspended, out suspended, scheduled suspended");
    assert_eq!(is(&story, "mailer reserved"), "none", "the others are back");
    assert_eq!(is(&story, "source u-1"), "Enabled", "its queue does not wait for a warm start");
}

#[tokio::test]
async fn throttled_calls_are_made_again() {
    let story = story(functions);
    let before = story.is();
    let all = [
        "UpdateEventSourceMapping",
        "PutFunctionConcurrency",
        "DeleteFunctionConcurrency",
        "PutProvisionedConcurrencyConfig",
        "DeleteProvisionedConcurrencyConfig",
        "RegisterScalableTarget",
    ];
    for call in all {
        story.world.account().throttled.insert(call.to_owned(), 2);
    }
    let run = stopped(&story).await;
    assert_eq!(is(&story, "orders reserved"), "0", "{:?}", story.told(&run).await);
    for call in all {
        story.world.account().throttled.insert(call.to_owned(), 2);
    }
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn lost_answers_are_not_taken_for_refusals() {
    for call in ["UpdateEventSourceMapping", "PutFunctionConcurrency", "DeleteProvisionedConcurrencyConfig"] {
        let story = story(functions);
        let run = open(&story, "beta 80%", json!({})).await;
        story.harness.gate.arm_for(call, Kind::LostAnswer);
        story.apply(&run).await;
        assert_eq!(story.state(&run).await, "enforced", "{call}: {:?}", story.told(&run).await);
    }
}

#[tokio::test]
async fn few_changes_are_made_at_once() {
    let story = story(|account| {
        for number in 0..20 {
            account.lambda_function(beta(&format!("f-{number:02}")));
        }
        account.page = 50;
    });
    let run = open(&story, "beta 80%", json!({})).await;
    story.harness.gate.disarm();
    story.harness.invoke(Direction::Apply, &run, 0).await.unwrap().unwrap();
    let made = changes(&story).len();
    assert!(made <= 4, "Lambda takes 15 requests a second of everybody: {made}");
    story.apply(&run).await;
    assert!(story.is().iter().all(|is| is.ends_with("reserved 0")), "{:?}", story.is());
}

#[tokio::test]
async fn mapping_of_a_slow_source_is_waited_for() {
    let story = story(|account| {
        account.lambda_function(beta("mailer")).mapping(Mapping { takes: 300, ..Mapping::of_queue("u-3", "mails", "mailer") });
    });
    let run = open(&story, "beta 80%", json!({})).await;
    story.harness.invoke(Direction::Apply, &run, 0).await.unwrap().unwrap();
    story.harness.wait(SignedDuration::from_mins(1).as_secs()).await;
    story.harness.invoke(Direction::Apply, &run, 0).await.unwrap().unwrap();
    assert_eq!(story.is(), ["mailer reserved none", "source u-3 Disabling"], "its reserved concurrency comes after it");
    story.apply(&run).await;
    assert_eq!(story.is(), ["mailer reserved 0", "source u-3 Disabled"], "{:?}", story.told(&run).await);
}
