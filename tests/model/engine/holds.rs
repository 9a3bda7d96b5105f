//! Facets that several want, and calls that may yet land: who holds, who waits, who puts back.

use guardrails_model::clock::Clock;
use guardrails_model::engine::Progress;
use guardrails_model::record::Direction;
use guardrails_model::report::{Keep, Report, holds};

use super::story::Story;
use crate::fake_action::facet;
use crate::world::Kind;

#[tokio::test]
async fn second_stage_takes_no_snapshot_and_last_to_leave_puts_back() {
    let story = Story::of("a: on");
    let first = story.enforce("beta 80%", "a: off").await;
    let second = story.enforce("beta 100%", "a: off").await;
    let held = "a: off (was on, held by beta 80% and beta 100%)";
    story.check(&[held, "beta 80%: enforced; a applied", "beta 100%: enforced; a applied"]).await;
    story.put_back(&first).await;
    let left = "beta 80%: rolled back; a rolled back (left as it is: `beta` still holds it (beta 100%))";
    story.check(&["a: off (was on, held by beta 100%)", left, "beta 100%: enforced; a applied"]).await;
    story.put_back(&second).await;
    story.check(&["a: on", left, "beta 100%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn the_last_to_leave_may_be_the_one_who_came_first() {
    let story = Story::of("a: on");
    let first = story.enforce("beta 80%", "a: off").await;
    let second = story.enforce("gamma 80%", "a: off").await;
    story.put_back(&second).await;
    let left = "gamma 80%: rolled back; a rolled back (left as it is: `beta` still holds it (beta 80%))";
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied", left]).await;
    story.put_back(&first).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back", left]).await;
}

#[tokio::test]
async fn a_later_run_begins_with_what_is_there_then() {
    let story = Story::of("a: on");
    let first = story.enforce("beta 80%", "a: off").await;
    story.put_back(&first).await;
    story.toy.set("a: dim");
    let second = story.enforce("beta 100%", "a: off").await;
    story.put_back(&second).await;
    story.check(&["a: dim", "beta 80%: rolled back; a rolled back", "beta 100%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn later_run_turns_off_persons_change_and_keeps_first_snapshot() {
    let story = Story::of("a: on");
    let first = story.enforce("beta 80%", "a: off").await;
    story.toy.set("a: dim");
    let second = story.enforce("beta 100%", "a: off").await;
    let held = "a: off (was on, held by beta 80% and beta 100%)";
    story.check(&[held, "beta 80%: enforced; a applied", "beta 100%: enforced; a applied"]).await;
    story.put_back(&first).await;
    story.put_back(&second).await;
    assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
}

#[tokio::test]
async fn facet_turned_off_by_another_run_in_mid_look_is_held_too() {
    let story = Story::of("a: on");
    let first = story.open("beta 80%", "a: off").await;
    let second = story.open("gamma 80%", "a: off").await;
    // The second has read that nobody holds the lamp, and stands still before it looks.
    story.harness.gate.arm_for("observe", Kind::Stall);
    let meanwhile = async {
        story.harness.gate.stall().await;
        story.apply(&first).await;
        story.harness.gate.wake();
    };
    let (invoked, ()) = tokio::join!(story.invoke(Direction::Apply, &second), meanwhile);
    assert!(matches!(invoked, Some(Ok(_))), "{invoked:?}");
    story.apply(&second).await;
    let both = "a: off (was on, held by beta 80% and gamma 80%)";
    story.check(&[both, "beta 80%: enforced; a applied", "gamma 80%: enforced; a applied"]).await;
    story.put_back(&first).await;
    assert_eq!(story.toy.snapshot()["a"].as_str(), "off", "gamma wants it off still");
    story.put_back(&second).await;
    assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
}

#[tokio::test]
async fn opposite_wishes_are_refused_when_planned() {
    let story = Story::of("a: dim");
    story.enforce("beta 80%", "a: off").await;
    let second = story.open("gamma 80%", "a: on").await;
    let refused = "a apply failed (`beta` holds it (beta 80%) and wants it off: opposite wishes are refused)";
    let first = "beta 80%: enforced; a applied";
    story.check(&["a: off (was dim, held by beta 80%)", first, &format!("gamma 80%: applying; {refused}")]).await;
    story.apply(&second).await;
    story.check(&["a: off (was dim, held by beta 80%)", first, &format!("gamma 80%: apply failed; {refused}")]).await;
}

#[tokio::test]
async fn opposite_wishes_planned_in_parallel_are_refused_when_applied() {
    let story = Story::of("a: dim");
    let first = story.open("beta 80%", "a: off").await;
    let second = story.open("gamma 80%", "a: on").await;
    story.apply(&first).await;
    story.apply(&second).await;
    let refused = "a apply failed (`beta` holds it (beta 80%) and wants it off: opposite wishes are refused)";
    let held = "a: off (was dim, held by beta 80%)";
    story.check(&[held, "beta 80%: enforced; a applied", &format!("gamma 80%: apply failed; {refused}")]).await;
    story.put_back(&second).await;
    let back = "gamma 80%: rolled back; a rolled back (nothing was changed)";
    story.check(&[held, "beta 80%: enforced; a applied", back]).await;
}

#[tokio::test]
async fn two_actions_of_one_stage_may_meet_at_one_target() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off; a: off, b: off").await;
    story.put_back(&run).await;
    assert_eq!(story.toy.snapshot(), Story::of("a: on, b: on").toy.snapshot());
    let run = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    assert_eq!(run.state.words(), "rolled back", "{:?}", run.events.last());
}

#[tokio::test]
async fn second_action_at_target_puts_back_the_change_of_the_first() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off; a: off").await;
    assert!(matches!(story.invoke(Direction::Apply, &run).await, Some(Ok(Progress::Done { failed: 0, .. }))));
    story.put_back(&run).await;
    assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
}

#[tokio::test]
async fn rollback_waits_for_late_calls_of_a_dead_applier() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::DieLate(74));
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.harness.ask_back(&run, &[], false).await;
    let progress = story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
    assert!(matches!(progress, Progress::Settling { seconds: 76, changed: 0, .. }), "{progress:?}");
    story.check(&["a: on (was on, held by beta 80%)", "beta 80%: rolling back; a applying"]).await;
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    story.harness.wait(600).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn a_rollback_does_not_wait_for_an_applier_that_lived() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.harness.ask_back(&run, &[], false).await;
    let progress = story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
    assert_eq!(progress, Progress::Done { changed: 1, failed: 0 });
    story.check(&["a: on", "beta 80%: rolling back; a rolled back"]).await;
}

#[tokio::test]
async fn rollback_waits_after_a_lost_answer_even_if_change_was_seen() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::LostAnswer);
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
    story.harness.ask_back(&run, &[], false).await;
    let progress = story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
    assert!(matches!(progress, Progress::Settling { changed: 0, .. }), "{progress:?}");
}

#[tokio::test]
async fn new_run_waits_for_late_calls_of_a_dead_rollback() {
    let story = Story::of("a: on");
    let first = story.enforce("beta 80%", "a: off").await;
    story.harness.ask_back(&first, &[], false).await;
    story.harness.gate.arm_for("turn a", Kind::DieLate(74));
    assert!(story.invoke(Direction::Rollback, &first).await.is_none());
    let second = story.open("beta 100%", "a: dim").await;
    // Refused while the first holds it; the first lets go when another takes its rollback up.
    story.harness.execute(Direction::Rollback, &first).await.unwrap();
    story.harness.workflow.end_all();
    story.alert("beta 100%", "a: dim").await;
    story.apply(&second).await;
    story.harness.wait(600).await;
    let held = "a: dim (was on, held by beta 100%)";
    story.check(&[held, "beta 80%: rolled back; a rolled back", "beta 100%: enforced; a applied"]).await;
}

#[tokio::test]
async fn rolling_back_some_targets_leaves_the_rest_held() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.put_back_only(&run, &["a"], false).await;
    story.check(&["a: on", "b: off (was on, held by beta 80%)", "beta 80%: enforced; a rolled back, b applied"]).await;
    story.put_back_only(&run, &["b"], false).await;
    story.check(&["a: on", "b: on", "beta 80%: rolled back; a rolled back, b rolled back"]).await;
}

#[tokio::test]
async fn lamp_of_two_runs_is_turned_back_once_by_the_last() {
    for pair in [["beta 80%", "gamma 80%"], ["beta 80%", "beta 100%"], ["beta 80%", "beta 80% simulated"]] {
        for backwards in [false, true] {
            let story = Story::of("a: on");
            let first = story.enforce(pair[0], "a: off").await;
            let second = story.enforce(pair[1], "a: off").await;
            story.harness.gate.disarm();
            let order = if backwards { [&second, &first] } else { [&first, &second] };
            for (index, run) in order.into_iter().enumerate() {
                story.put_back(run).await;
                let turned = story.harness.gate.calls().iter().filter(|call| *call == "turn a on").count();
                assert_eq!(turned, index, "{pair:?} {backwards}");
            }
            assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
        }
    }
}

#[tokio::test]
async fn a_report_says_who_else_holds_what_and_what_it_waits_for() {
    let story = Story::of("a: on, b: on");
    let first = story.enforce("beta 80%", "a: off, b: off").await;
    let second = story.enforce("gamma 100% simulated", "a: off").await;
    let text = async |run: &guardrails_model::ids::RunId| {
        let run = story.harness.truth.run(run).await.unwrap().unwrap().value;
        let mut report = Report::of(&story.harness.truth, run, Keep::ALL).await.unwrap();
        report.look_up_holds(&story.harness.truth, story.harness.clock.now()).await.unwrap();
        (report.text(), serde_json::to_value(&report).unwrap())
    };
    let (said, json) = text(&first).await;
    let other = format!(
        "      also held by run {second} of gamma at 100% actual [simulated]: on is put back when the last of them lets go\n"
    );
    assert_eq!(said.matches("held by").count(), 1, "{said}");
    assert!(said.contains(&other), "{said}");
    assert_eq!((json["holds"][0]["holders"].as_array().unwrap().len(), &json["holds"][0]["before"]), (2, &"on".into()));
    story.put_back(&first).await;
    let (said, _) = text(&first).await;
    assert!(said.contains(&other.replace("also held", "held")), "{said}");
    story.put_back(&second).await;
    assert!(!text(&first).await.0.contains("held by run"));

    // While calls of somebody who died may land, the other way waits, and says until when.
    let run = story.open("delta 80%", "b: dim").await;
    story.harness.gate.arm_for("turn b", Kind::DieLate(74));
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.harness.ask_back(&run, &[], false).await;
    let hold = holds(&story.harness.truth, &[facet("b")]).await.unwrap().remove(&facet("b")).unwrap();
    assert!(hold.text(story.harness.clock.now()).contains("calls that apply it may land until"), "{hold:?}");
}
