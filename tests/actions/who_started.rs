//! The principal that started a held instance again. It is named where CloudTrail says it, asked for again while that may be late, and
//! never guessed.

use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use guardrails_model::report::{Keep, Report};
use serde_json::{Value as Json, json};

use crate::story::{Story, running};

fn jenkins() -> Json {
    json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"userName": "jenkins"}}})
}

async fn held(params: Json) -> (Story, RunId) {
    let story = Story::of(|account| {
        account.instance(running("i-1")).instance(running("i-2"));
    });
    let run = story.stop_beta_with("beta 80%", params).await;
    story.hour().await;
    (story, run)
}

/// Jenkins starts the first, and a round looks some seconds later.
async fn started_and_looked(story: &Story, run: &RunId, later: i64) -> String {
    let now = story.world.clock.now();
    story.world.account().started_by("i-1", jenkins(), now);
    story.harness.wait(later).await;
    story.look(run).await;
    assert_eq!(story.is(), ["i-1 Stopped", "i-2 Stopped"]);
    told(story, run).await
}

async fn told(story: &Story, run: &RunId) -> String {
    let run = story.load(run).await;
    let text = Report::of(&story.harness.truth, run, Keep::ALL).await.unwrap().text();
    text.lines().find(|line| line.contains("others undid")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[tokio::test]
async fn starter_that_cloudtrail_names_is_named() {
    let (story, run) = held(json!({"who-started": true})).await;
    let line = started_and_looked(&story, &run, 600).await;
    assert!(line.contains("others undid i-1 once; by whom: role jenkins; aws cloudtrail"), "{line}");
    assert_eq!(story.world.account().calls["LookupEvents"].0, 1, "one call for one instance");
}

#[tokio::test]
async fn starter_that_is_not_shown_yet_is_asked_for_again() {
    let (story, run) = held(json!({"who-started": true})).await;
    story.world.account().trail_lag = 800;
    let line = started_and_looked(&story, &run, 300).await;
    assert!(line.contains("by whom: not known yet, and asked again; aws"), "{line}");
    story.hour().await;
    story.look(&run).await;
    let line = told(&story, &run).await;
    assert!(line.contains("others undid i-1 once; by whom: role jenkins; "), "{line}");
}

#[tokio::test]
async fn starter_that_is_never_shown_is_said_to_be_unknown() {
    let (story, run) = held(json!({"who-started": true})).await;
    story.world.account().trail_lag = i64::MAX;
    let line = started_and_looked(&story, &run, 900).await;
    assert!(line.contains("by whom: not known: CloudTrail's history does not show the start; aws"), "{line}");
    let asked = story.world.account().calls["LookupEvents"].0;
    story.hour().await;
    story.look(&run).await;
    assert_eq!(story.world.account().calls["LookupEvents"].0, asked, "nobody asks for ever");
}

#[tokio::test]
async fn refused_look_at_cloudtrail_stops_the_instance_all_the_same() {
    let (story, run) = held(json!({"who-started": true})).await;
    story.world.account().refused.insert("LookupEvents".to_owned());
    let line = started_and_looked(&story, &run, 600).await;
    assert!(line.contains("by whom: not known: cloudtrail:LookupEvents: "), "{line}");
}

#[tokio::test]
async fn cloudtrail_is_not_asked_unless_the_file_says_so() {
    let (story, run) = held(json!({})).await;
    let line = started_and_looked(&story, &run, 600).await;
    assert!(line.contains("by whom: aws cloudtrail"), "{line}");
    assert!(!story.world.account().calls.contains_key("LookupEvents"));
}
