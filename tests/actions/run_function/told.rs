//! All that a stage tells a program, when stages tell it different things of one target.

use std::sync::Arc;

use guardrails_aws::actions::CATALOG;
use guardrails_model::config::ActionSpec;
use serde_json::{Value as Json, json};

use super::{applied, memory, of, open};
use crate::story::Story;
use crate::world::{Program, Said, keeping};

/// A program that has one name for whichever queue its input names.
fn of_one_name() -> Program {
    let keeping = keeping();
    Arc::new(move |memory, call, now| {
        let queue = call["input"]["queue"].clone();
        let mut own = call.clone();
        if own["facet"].is_string() {
            own["facet"] = queue.clone();
        }
        let Said::Text(text) = keeping(memory, &own, now) else { panic!("it never fails") };
        let mut answer: Json = serde_json::from_str(&text).unwrap();
        if answer["facet"].is_string() {
            answer["facet"] = json!("queue");
        }
        if let Some(facets) = answer.get_mut("facets").and_then(Json::as_array_mut) {
            facets.retain(|facet| facet["facet"] == queue);
            for facet in facets.iter_mut() {
                facet["facet"] = json!("queue");
            }
        }
        Said::json(&answer)
    })
}

#[tokio::test]
async fn other_target_under_the_name_of_a_held_one_is_not_changed() {
    let story = Story::of(of(of_one_name()));
    let first = open(&story, "beta 80%", json!({"input": {"queue": "hourly"}})).await;
    story.apply(&first).await;
    let second = open(&story, "beta 100%", json!({"input": {"queue": "nightly"}})).await;
    story.apply(&second).await;
    assert_eq!(story.is(), ["hourly paused", "nightly slow", "weekly paused"]);
    let told = story.told(&second).await;
    assert!(told[0].contains("apply failed (another run holds it, and told its program another `input`"), "{told:?}");
    story.put_back(&second).await;
    assert_eq!(story.is(), ["hourly paused", "nightly slow", "weekly paused"], "the first still holds it");
    story.put_back(&first).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
}

#[tokio::test]
async fn same_target_goes_back_by_the_input_of_its_change() {
    let story = Story::of(of(keeping()));
    let first = open(&story, "beta 80%", json!({"input": {"keep": ["a b", " {"]}})).await;
    story.apply(&first).await;
    let second = open(&story, "beta 100%", json!({"input": {"keep": ["c"]}, "tags": {"Project": "Gamma"}})).await;
    story.apply(&second).await;
    story.put_back(&first).await;
    assert!(story.is().contains(&"hourly paused".to_owned()), "{:?}", story.told(&second).await);
    story.put_back(&second).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
    let calls = memory(&story).calls;
    let back: Vec<_> = calls.iter().filter(|(_, call)| call["operation"] == "rollback").map(|(_, call)| &call["input"]).collect();
    assert!(!back.is_empty() && back.iter().all(|input| **input == json!({"keep": ["a b", " {"]})), "{back:?}");
}

#[tokio::test]
async fn later_version_is_not_recorded_for_steps_that_are_held() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    super::pauser(&mut story.world.account()).deploy("two", keeping());
    story.hour().await;
    story.look(&run).await;
    let recorded: Vec<_> = story.steps(&run).await.into_iter().map(|step| step.program.unwrap_or_default()).collect();
    assert!(recorded.iter().all(|program| program.starts_with("1 one ")), "{recorded:?}");
    let observed: Vec<u32> =
        memory(&story).calls.iter().filter(|(_, call)| call["operation"] == "observe").map(|(by, _)| *by).collect();
    assert!(observed.iter().all(|by| *by == 1), "{observed:?}");
    story.put_back(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
}

#[test]
fn input_that_looks_like_a_secret_is_warned_of() {
    let spec =
        |input| ActionSpec { name: "run-function".parse().unwrap(), params: json!({"function": "pauser", "input": input}) };
    let warnings = |input| CATALOG.read(&spec(input)).unwrap().warnings();
    assert!(warnings(json!({"password": "hunter2"}))[0].contains("`input.password` of run-function looks like a secret"));
    assert!(warnings(json!({"keep": ["nightly"]})).is_empty());
}
