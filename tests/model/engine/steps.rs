//! One step, forward and back: its records, and the states of the world that it needs.

use guardrails_model::clock::Clock;
use guardrails_model::engine::{Cursor, Executor, Progress};
use guardrails_model::record::Direction;
use jiff::SignedDuration;

use super::story::Story;
use crate::fake_action::PATIENCE;
use crate::world::Kind;

#[tokio::test]
async fn before_is_in_the_ledger_before_the_first_change() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::DieBefore);
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.check(&["a: on (was on, held by beta 80%)", "beta 80%: applying; a applying"]).await;
}

#[tokio::test]
async fn a_change_that_its_maker_did_not_live_to_see_is_put_back() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::DieAfter);
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: applying; a applying"]).await;
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn a_change_that_its_maker_did_not_live_to_see_is_finished() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::DieAfter);
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn facet_as_wanted_is_skipped_and_rollback_never_touches_it() {
    let story = Story::of("a: off, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story
        .check(&["a: off", "b: off (was on, held by beta 80%)", "beta 80%: enforced; a skipped (it was off already), b applied"])
        .await;
    story.put_back(&run).await;
    story.check(&["a: off", "b: on", "beta 80%: rolled back; a skipped (it was off already), b rolled back"]).await;
    assert!(!story.toy.lamps().touched.contains("a"));
}

#[tokio::test]
async fn facet_changed_since_the_plan_is_put_back_to_its_new_value() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.toy.set("a: dim");
    story.apply(&run).await;
    story.check(&["a: off (was dim, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
    story.put_back(&run).await;
    story.check(&["a: dim", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn facet_as_wanted_since_the_plan_is_not_ours() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.toy.set("a: off");
    story.apply(&run).await;
    story.put_back(&run).await;
    story.check(&["a: off", "beta 80%: rolled back; a skipped (it was off already)"]).await;
}

#[tokio::test]
async fn step_never_begun_is_rolled_back_without_a_look() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.disarm();
    story.put_back(&run).await;
    assert!(!story.harness.gate.calls().iter().any(|call| call == "observe" || call.starts_with("turn")));
    story.check(&["a: on", "beta 80%: rolled back; a skipped (rolled back before it was begun)"]).await;
}

#[tokio::test]
async fn a_target_that_is_gone_is_said_and_the_rest_is_put_back() {
    let story = Story::of("a: on, b: on, c: on");
    let run = story.open("beta 80%", "a: off, b: off, c: off").await;
    story.toy.lamps().by_name.remove("a");
    story.apply(&run).await;
    story.toy.lamps().by_name.remove("b");
    story.put_back(&run).await;
    let said = "a skipped (the lamp is gone), b rolled back (nothing to put back: the lamp is gone), c rolled back";
    story.check(&["a: gone", "b: gone", "c: on", &format!("beta 80%: rolled back; {said}")]).await;
}

#[tokio::test]
async fn refused_step_holds_nothing_and_later_changes_are_not_undone() {
    let story = Story::of("a: on, b: on");
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = Some("glued");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    let failed = "beta 80%: apply failed; a apply failed (glued), b applied";
    story.check(&["a: on", "b: off (was on, held by beta 80%)", failed]).await;
    story.toy.set("a: off");
    story.put_back(&run).await;
    let back = "beta 80%: rolled back; a rolled back (nothing was changed), b rolled back";
    story.check(&["a: off", "b: on", back]).await;
}

#[tokio::test]
async fn step_refused_after_a_call_that_may_yet_land_stays_held() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::DieLate(70));
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = Some("glued");
    story.apply(&run).await;
    story.check(&["a: on (was on, held by beta 80%)", "beta 80%: apply failed; a apply failed (glued)"]).await;
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = None;
    story.put_back(&run).await;
    story.harness.wait(600).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn a_step_is_applied_only_when_the_world_is_seen_to_agree() {
    let story = Story::of("a: on");
    story.toy.lamps().by_name.get_mut("a").unwrap().takes = 30;
    let run = story.open("beta 80%", "a: off").await;
    let progress = story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    assert!(matches!(progress, Progress::Settling { seconds, changed: 0, .. } if seconds == PATIENCE.poll), "{progress:?}");
    story.check(&["a: on (was on, held by beta 80%)", "beta 80%: applying; a applying"]).await;
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn step_that_times_out_fails_and_is_put_back() {
    let story = Story::of("a: on");
    story.toy.lamps().by_name.get_mut("a").unwrap().takes = PATIENCE.limit + 100;
    let run = story.enforce("beta 80%", "a: off").await;
    let failed = "beta 80%: apply failed; a apply failed (the world did not settle: it is becoming off)";
    story.check(&["a: on (was on, held by beta 80%)", failed]).await;
    story.toy.lamps().by_name.get_mut("a").unwrap().takes = 30;
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn a_change_taken_up_again_much_later_is_given_its_time_anew() {
    let story = Story::of("a: on");
    story.toy.lamps().by_name.get_mut("a").unwrap().takes = 30;
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::DieBefore);
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.harness.workflow.end_all();
    story.harness.wait(10 * PATIENCE.limit).await;
    story.alert("beta 80%", "a: off").await;
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn rollback_taken_up_much_later_gets_its_time_anew() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.lamps().by_name.get_mut("a").unwrap().takes = 30;
    story.harness.ask_back(&run, &[], false).await;
    story.harness.gate.arm_for("turn a", Kind::DieBefore);
    assert!(story.invoke(Direction::Rollback, &run).await.is_none());
    story.harness.workflow.end_all();
    story.harness.wait(10 * PATIENCE.limit).await;
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn the_time_that_an_approval_takes_is_not_the_worlds() {
    let story = Story::of("a: off");
    let run = story.open("beta 80%", "a: dim").await;
    story.harness.wait(10 * PATIENCE.limit).await;
    let soon = story.harness.clock.now() + SignedDuration::from_secs(30);
    story.toy.lamps().by_name.get_mut("a").unwrap().becomes = Some((soon, guardrails_model::ids::Value::new("on")));
    story.apply(&run).await;
    story.check(&["a: dim (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn nothing_is_begun_that_the_invocation_may_not_live_to_see() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    let harness = &story.harness;
    let executor =
        Executor::new(&harness.ledger, &*harness.clock, harness.clock.now() + SignedDuration::from_secs(5), "test".into());
    let progress = executor.advance(Direction::Apply, &run, 0, Cursor::default(), &*story.toy.action("a: off")).await.unwrap();
    assert!(matches!(progress, Progress::Settling { changed: 0, .. }), "{progress:?}");
    story.check(&["a: on", "beta 80%: applying; a planned"]).await;
}
