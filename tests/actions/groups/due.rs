//! Scheduled actions of a group that fall due while it is held. The plan names them. The report names those that did not happen.

use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use guardrails_model::report::{Keep, Report};
use serde_json::json;

use super::{four, story};
use crate::story::Story;
use crate::world::Group;

fn scheduled() -> Group {
    let night = four().scheduled("night", "0 20 * * *", "2026-11-23T20:00:00Z");
    night.scheduled_once("launch", "2026-11-24T06:00:00Z").scheduled_once("fair", "2026-12-20T06:00:00Z")
}

async fn told(story: &Story, run: &RunId) -> String {
    let run = story.load(run).await;
    Report::of(&story.harness.truth, run, Keep::ALL).await.unwrap().text()
}

#[tokio::test]
async fn scheduled_actions_that_are_missed_are_named_in_the_plan() {
    let story = story(scheduled());
    let run = story.open_beta("beta 80%", json!({})).await;
    let notes: Vec<String> = story.steps(&run).await.into_iter().filter_map(|step| step.note).collect();
    let due = "these do not happen while it is suspended, nor afterwards: night (0 20 * * *, next at 2026-11-23 20:00:00 UTC), launch \
               (once, at 2026-11-24 06:00:00 UTC), fair (once, at 2026-12-20 06:00:00 UTC)";
    assert_eq!(notes, [due]);
    // Where an operator had suspended them, they are not missed for us.
    let idle = self::story(scheduled().suspended(&["ScheduledActions"]));
    let run = idle.open_beta("beta 80%", json!({})).await;
    assert!(idle.steps(&run).await.iter().all(|step| step.note.is_none() && step.due.is_empty()));
}

#[tokio::test]
async fn report_names_scheduled_actions_missed_while_held() {
    let story = story(scheduled());
    let run = story.stop_beta("beta 80%").await;
    assert!(!told(&story, &run).await.contains("did not happen"));
    let until: jiff::Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    story.harness.wait((until - story.world.clock.now()).get_seconds()).await;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back");
    let text = told(&story, &run).await;
    let (_, missed) = text.split_once("fell due while it was held, and did not happen:").expect(&text);
    assert!(missed.contains("launch (once, at 2026-11-24 06:00:00 UTC)") && missed.contains("night (0 20 * * *"), "{text}");
    assert!(!missed.contains("fair"), "{text}");
}

#[tokio::test]
async fn actions_due_after_the_hold_are_not_called_missed() {
    let story = story(scheduled());
    let run = story.stop_beta("beta 80%").await;
    story.hour().await;
    story.put_back(&run).await;
    assert!(!told(&story, &run).await.contains("did not happen"));
}
