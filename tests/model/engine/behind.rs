//! Targets that lag behind their setting: waited for on the way to the goal, and never in the way of the other direction.

use guardrails_model::ids::RunId;
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, Step};

use super::story::Story;

const WARM: &str = "the bulb is warm still";

async fn ask_back(story: &Story, run: &RunId) {
    story.harness.ask_back(run, &[], false).await;
}

async fn step(story: &Story, run: &RunId) -> Step {
    let run = story.harness.truth.run(run).await.unwrap().unwrap().value;
    story.harness.runs().steps(&run).await.unwrap().remove(0)
}

#[tokio::test]
async fn lagging_target_is_no_before_of_its_own_and_is_waited_for() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    // It lags behind a setting that is not the goal: it is turned all the same.
    story.toy.lamps().behind = Some((WARM, false));
    story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: applying; a applying"]).await;
    story.toy.lamps().behind = None;
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn target_that_never_follows_fails_and_says_why() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.toy.lamps().behind = Some((WARM, false));
    story.apply(&run).await;
    let failed = step(&story, &run).await;
    assert_eq!(failed.phase, Phase::ApplyFailed);
    assert!(failed.reason.as_deref().unwrap().contains(&format!("it is off, and {WARM}")), "{failed:?}");
    // Its way back is not held up by that.
    story.toy.lamps().behind = None;
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn rollback_turns_a_lagging_target_at_once_and_waits_for_it() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.lamps().behind = Some((WARM, false));
    ask_back(&story, &run).await;
    story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
    story.check(&["a: on (was on, held by beta 80%)", "beta 80%: rolling back; a rolling back"]).await;
    story.toy.lamps().behind = None;
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn want_of_room_is_waited_out_without_asking_again() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.lamps().behind = Some(("there is no current", true));
    ask_back(&story, &run).await;
    story.harness.gate.disarm();
    for _ in 0..4 {
        story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
        story.harness.wait(120).await;
    }
    let turned = story.harness.gate.calls().into_iter().filter(|call| call.starts_with("turn")).count();
    assert_eq!(turned, 1, "it has its setting back, and is only looked at");
    assert_eq!(step(&story, &run).await.reason.as_deref(), Some("there is no current"));
    story.toy.lamps().behind = None;
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn force_does_not_wait_for_a_target_that_never_follows() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.lamps().behind = Some((WARM, false));
    story.put_back(&run).await;
    assert!(step(&story, &run).await.reason.unwrap().ends_with(": roll back with --force not to wait for it"));
    story.put_back_with_force(&run).await;
    story.check(&["a: on", &format!("beta 80%: rolled back; a rolled back ({WARM})")]).await;
}

#[tokio::test]
async fn failed_wait_is_taken_up_by_the_next_rollback() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.lamps().behind = Some((WARM, false));
    story.put_back(&run).await;
    let failed = step(&story, &run).await;
    assert!(failed.phase.is_failure() && failed.reason.as_deref().unwrap().contains(WARM), "{failed:?}");
    // Still behind: it is not called put back.
    ask_back(&story, &run).await;
    story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
    assert_eq!(step(&story, &run).await.phase, Phase::RollingBack);
    story.toy.lamps().behind = None;
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}
