//! Functions of the user's: those that keep the contract change their targets and change them back, and those that break it fail alone.

mod breaches;
mod grants;
mod kit;
mod python;
mod schemas;
mod told;
mod trouble;
mod versions;

use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use serde_json::{Value as Json, json};

use crate::story::Story;
use crate::world::{Account, Memory, Program, UserFunction, keeping};

const TARGETS: [(&str, &str); 3] = [("hourly", "running"), ("nightly", "slow"), ("weekly", "paused")];

/// An account with the function `pauser`, which runs `program`.
fn of(program: Program) -> impl FnOnce(&mut Account) {
    move |account| {
        account.user_functions.insert("pauser".to_owned(), UserFunction::of(&TARGETS).publish("one", program));
    }
}

fn pauser(account: &mut Account) -> &mut UserFunction {
    account.user_functions.get_mut("pauser").expect("the function")
}

/// The service that the function turns.
fn memory(story: &Story) -> Memory {
    pauser(&mut story.world.account()).memory.clone()
}

/// A run of `run-function`, planned.
async fn open(story: &Story, who: &str, more: Json) -> RunId {
    let mut params = json!({"function": "pauser"});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    story.open(who, "run-function", params).await
}

/// The same, carried out.
async fn applied(story: &Story) -> RunId {
    let run = open(story, "beta 80%", json!({})).await;
    story.apply(&run).await;
    run
}

/// How the run's parts were planned, and why it ended as it did.
async fn ended(story: &Story, run: &RunId) -> String {
    let run = story.load(run).await;
    format!("{:?} {:?} {:?}", run.state, run.parts, run.events.last())
}

#[tokio::test]
async fn targets_change_and_come_back_as_they_were() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    let steps = ["hourly: applied", "nightly: applied", "weekly: skipped (it was paused already)"];
    story.check(&run, &["hourly paused", "nightly paused", "weekly paused"], &steps).await;
    story.put_back(&run).await;
    let steps = ["hourly: rolled back", "nightly: rolled back", "weekly: skipped (it was paused already)"];
    story.check(&run, &["hourly running", "nightly slow", "weekly paused"], &steps).await;
}

#[tokio::test]
async fn each_call_carries_its_run_facet_number_and_deadline() {
    let story = Story::of(of(keeping()));
    let begun = story.world.clock.now();
    let params = json!({"tags": {"Project": "Beta"}, "input": {"keep": ["a"]}});
    let run = open(&story, "beta 80%", params).await;
    story.apply(&run).await;
    story.put_back(&run).await;
    let calls = memory(&story).calls;
    // Above the numbers of every other ledger that counted before.
    let mut highest = u64::try_from(begun.as_millisecond()).unwrap() - 1;
    for (_, call) in &calls {
        assert_eq!((&call["contract"], &call["tags"]["Project"]), (&json!(1), &json!(["Beta"])), "{call}");
        assert_eq!(call["input"], json!({"keep": ["a"]}), "{call}");
        assert!(call["deadline"].as_str().is_some_and(|deadline| deadline.ends_with('Z')), "{call}");
        let is_change = ["apply", "rollback"].contains(&call["operation"].as_str().unwrap());
        assert_eq!(is_change, call["fencing"].is_u64() && call["to"].is_string(), "{call}");
        if is_change || call["operation"] == "observe" {
            assert_eq!((&call["run"], call["facet"].is_string()), (&json!(run), true), "{call}");
        }
        if is_change && call["facet"] == "hourly" {
            let number = call["fencing"].as_u64().unwrap();
            assert!(number > highest, "{call}: after {highest}");
            highest = number;
        }
    }
    let back = calls.iter().find(|(_, call)| call["operation"] == "rollback" && call["facet"] == "nightly").unwrap();
    assert_eq!(back.1["to"], "slow");
}

#[tokio::test]
async fn two_runs_hold_a_target_and_the_last_puts_it_back() {
    let story = Story::of(of(keeping()));
    let first = applied(&story).await;
    let second = open(&story, "beta 100%", json!({})).await;
    story.apply(&second).await;
    story.put_back(&first).await;
    assert!(story.is().contains(&"hourly paused".to_owned()), "{:?}", story.is());
    story.put_back(&second).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
}

#[tokio::test]
async fn target_that_a_person_changed_is_left_to_the_person() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    pauser(&mut story.world.account()).memory.targets.insert("hourly".to_owned(), "fast".to_owned());
    story.put_back(&run).await;
    assert_eq!(story.is(), ["hourly fast", "nightly slow", "weekly paused"]);
    let told = story.told(&run).await;
    assert!(told[0].contains("rollback failed") && told[0].contains("somebody made it fast meanwhile"), "{told:?}");
    story.put_back_with_force(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
}

#[tokio::test]
async fn target_that_was_deleted_costs_the_others_nothing() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    pauser(&mut story.world.account()).memory.targets.remove("hourly");
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(told[0].contains("rolled back (nothing to put back: it was deleted)"), "{told:?}");
    assert_eq!(story.is(), ["nightly slow", "weekly paused"]);
}

#[tokio::test]
async fn each_place_has_a_part_of_its_own() {
    let story = Story::of(|account| {
        of(keeping())(account);
        pauser(account).memory.places = vec!["berlin".to_owned(), "paris".to_owned()];
    });
    let run = applied(&story).await;
    let places: Vec<Option<String>> =
        story.load(&run).await.parts.iter().map(|part| part.place.as_ref().map(ToString::to_string)).collect();
    assert_eq!(places, [Some("berlin".to_owned()), Some("paris".to_owned())]);
    let told: Vec<String> = memory(&story).calls.iter().map(|(_, call)| call["place"].to_string()).collect();
    assert!(told.contains(&"\"berlin\"".to_owned()) && told.contains(&"\"paris\"".to_owned()), "{told:?}");
}
