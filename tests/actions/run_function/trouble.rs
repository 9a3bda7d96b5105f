//! Calls that are throttled, lost, late or repeated, and programs that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use guardrails_model::engine::{LEASE_MARGIN, Progress};
use guardrails_model::record::Direction;
use serde_json::{Value as Json, json};

use super::{applied, memory, of, open, pauser};
use crate::harness::LIFE;
use crate::story::Story;
use crate::world::{Kind, Said, breaking, keeping};

const BEFORE: [&str; 3] = ["hourly running", "nightly slow", "weekly paused"];
const PAUSED: [&str; 3] = ["hourly paused", "nightly paused", "weekly paused"];

#[tokio::test]
async fn throttled_calls_are_made_again() {
    let story = Story::of(|account| {
        of(keeping())(account);
        account.throttled.extend([
            ("Invoke".to_owned(), 2),
            ("GetByInvoke".to_owned(), 1),
            ("GetFunctionConfiguration".to_owned(), 1),
        ]);
    });
    let run = applied(&story).await;
    assert_eq!(story.is(), PAUSED);
    story.put_back(&run).await;
    assert_eq!(story.is(), BEFORE);
}

#[tokio::test]
async fn program_that_asks_for_patience_is_asked_again() {
    let story = Story::of(of(breaking("apply", |memory, call, right| {
        let facet = call["facet"].as_str().unwrap().to_owned();
        if memory.calls.iter().filter(|(_, earlier)| earlier["operation"] == "apply" && earlier["facet"] == call["facet"]).count()
            > 2
        {
            return Said::json(&right);
        }
        memory.targets.insert(facet.clone(), "running".to_owned());
        Said::json(&json!({"contract": 1, "facet": facet, "outcome": "retry", "reason": "it is busy"}))
    })));
    applied(&story).await;
    assert_eq!(story.is(), PAUSED);
}

#[tokio::test]
async fn program_that_fails_is_called_again_until_its_patience_ends() {
    let story = Story::of(of(breaking("apply", |memory, call, right| {
        if call["facet"] != "hourly" {
            return Said::json(&right);
        }
        memory.targets.insert("hourly".to_owned(), "running".to_owned());
        Said::Failed("Task timed out after 3.00 seconds".to_owned())
    })));
    let run = open(&story, "beta 80%", json!({"patience": "2m"})).await;
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert!(told[0].starts_with("hourly: apply failed (not paused after"), "{told:?}");
    assert!(told[0].contains("function pauser failed at `apply` of \"hourly\"") && told[0].contains("timed out"), "{told:?}");
    assert_eq!(told[1], "nightly: applied");
}

#[tokio::test]
async fn program_that_fails_to_look_once_is_asked_again() {
    let story = Story::of(of(breaking("observe", |memory, _, right| {
        let looks = memory.calls.iter().filter(|(_, call)| call["operation"] == "observe").count();
        if looks % 2 == 1 { Said::Failed("by chance".to_owned()) } else { Said::json(&right) }
    })));
    applied(&story).await;
    assert_eq!(story.is(), PAUSED);
}

#[tokio::test]
async fn other_direction_waits_for_the_end_of_a_lost_call() {
    let story = Story::of(of(keeping()));
    let run = open(&story, "beta 80%", json!({})).await;
    story.harness.gate.arm_for("Invoke", Kind::DieLate(40));
    assert!(story.harness.invoke(Direction::Apply, &run, 0).await.is_none(), "it died");
    story.harness.gate.disarm();
    story.put_back(&run).await;
    story.harness.wait(LIFE + LEASE_MARGIN.as_secs()).await;
    assert_eq!(story.is(), BEFORE);
    let of_hourly =
        memory(&story).calls.into_iter().filter(|(_, call)| call["facet"] == "hourly" && call["operation"] != "observe");
    let order: Vec<String> = of_hourly.map(|(_, call)| call["operation"].as_str().unwrap().to_owned()).collect();
    assert_eq!(order, ["apply", "rollback"], "the late call landed first");
}

#[tokio::test]
async fn call_begins_only_where_its_lease_outlasts_it() {
    let story = Story::of(of(keeping()));
    let run = open(&story, "beta 80%", json!({})).await;
    // With the time that Lambda takes to start it, that is longer than an invocation of this harness.
    pauser(&mut story.world.account()).newest().timeout = LIFE;
    let progress = story.harness.invoke(Direction::Apply, &run, 0).await.unwrap();
    assert!(matches!(progress, Ok(Progress::Settling { .. })), "{progress:?}");
    assert_eq!(memory(&story).calls.iter().filter(|(_, call)| call["operation"] == "apply").count(), 0);
    assert_eq!(story.is(), BEFORE);
}

/// The last call in a direction for a facet.
fn last(story: &Story, operation: &str, facet: &str) -> Json {
    let calls = memory(story).calls;
    let of = calls.into_iter().rev().find(|(_, call)| call["operation"] == operation && call["facet"] == facet);
    of.expect("a call").1
}

#[tokio::test]
async fn call_that_comes_after_the_way_back_is_refused_by_its_number() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    let mut late = last(&story, "apply", "hourly");
    story.put_back(&run).await;
    late["deadline"] = json!("9999-01-01T00:00:00Z");
    let said = pauser(&mut story.world.account()).call(1, &late, jiff::Timestamp::UNIX_EPOCH);
    let refused = json!({"contract": 1, "facet": "hourly", "outcome": "superseded", "reason": "a newer call came before it"});
    assert_eq!(said, Said::json(&refused));
    assert_eq!(story.is(), BEFORE);
}

#[tokio::test]
async fn call_that_comes_twice_has_one_effect() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    let again = last(&story, "apply", "hourly");
    let said = pauser(&mut story.world.account()).call(1, &again, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(said, Said::json(&json!({"contract": 1, "facet": "hourly", "outcome": "accepted"})));
    story.put_back(&run).await;
    assert_eq!(story.is(), BEFORE);
}

#[tokio::test]
async fn looks_that_fail_for_a_minute_end_no_step() {
    let fails = Arc::new(AtomicUsize::new(12));
    let left = Arc::clone(&fails);
    let story = Story::of(of(breaking("observe", move |_, _, right| {
        let was = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if was.is_ok() { Said::Failed("the database is away".to_owned()) } else { Said::json(&right) }
    })));
    let run = applied(&story).await;
    assert_eq!(story.is(), PAUSED, "{:?}", story.told(&run).await);
    fails.store(12, Ordering::Relaxed);
    story.put_back(&run).await;
    assert_eq!(story.is(), BEFORE, "{:?}", story.told(&run).await);
}
