//! Alerts, runs and rollbacks that meet: one run for a stage, one rollback for a run, and the last word.

use futures::future::join_all;
use guardrails_model::engine::Progress;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, PartPlan, Run};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::{Begun, Ended, Outcome, RollbackAsked, RunError};

use super::approvals::load;
use super::story::{Story, stage};
use crate::world::Kind;

/// The end of a run's report, as it is or as if a simulated alert had begun it.
async fn last_line(story: &Story, run: &RunId, simulated: bool) -> String {
    let run = Run { simulated, ..load(story, run).await };
    let report = Report::of(&story.harness.truth, run, Keep::ALL).await.unwrap();
    report.text().lines().last().unwrap().to_owned()
}

#[tokio::test]
async fn ten_times_the_same_alert_at_once_is_one_run() {
    let story = Story::of("a: on");
    let (target, guardrail) = stage("beta 80%", "a: off");
    let begun = join_all((0..10).map(|_| story.harness.alert(&target, &guardrail))).await;
    let started = begun.iter().filter(|begun| matches!(begun, Ok(Begun::Started(_)))).count();
    assert_eq!(started, 1, "{begun:#?}");
    assert_eq!(story.harness.truth.runs(None).await.unwrap().len(), 1);
    assert_eq!(story.harness.workflow.names().len(), 1);
    assert!(begun.iter().all(|begun| matches!(begun, Ok(Begun::Started(_) | Begun::Already(_)))), "{begun:#?}");
}

#[tokio::test]
async fn the_same_alert_again_finds_the_run_that_enforces() {
    let story = Story::of("a: on");
    story.enforce("beta 80%", "a: off").await;
    assert!(matches!(story.alert("beta 80%", "a: off").await, Begun::Already(_)));
    assert_eq!(story.harness.workflow.names().len(), 1);
}

#[tokio::test]
async fn a_failed_run_is_tried_again_by_the_next_alert() {
    let story = Story::of("a: on");
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = Some("glued");
    let run = story.enforce("beta 80%", "a: off").await;
    story.check(&["a: on", "beta 80%: apply failed; a apply failed (glued)"]).await;
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = None;
    let Begun::Started(again) = story.alert("beta 80%", "a: off").await else { panic!("not tried again") };
    assert_eq!((&again.id, again.attempts.apply), (&run, 2));
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn a_failed_step_is_not_tried_again_within_one_attempt() {
    let story = Story::of("a: on");
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = Some("glued");
    let run = story.open("beta 80%", "a: off").await;
    story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = None;
    let progress = story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    assert_eq!(progress, Progress::Done { changed: 0, failed: 0 });
    assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
}

#[tokio::test]
async fn run_continued_in_another_execution_does_not_retry_failures() {
    let story = Story::of("a: on, b: on");
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = Some("glued");
    let run = story.open("beta 80%", "a: off, b: off").await;
    story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    let closed = story
        .harness
        .runs()
        .close(
            &run,
            &Ended { direction: Direction::Apply, try_number: Some(1), failures: Vec::new(), unfinished: vec![(0, None)] },
        )
        .await
        .unwrap();
    assert_eq!((closed.outcome, closed.run.attempts.apply, closed.run.tries.apply), (Outcome::Continued, 2, 1));
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = None;
    story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    assert_eq!(story.toy.snapshot()["b"].as_str(), "on", "it would be tried for ever, and nobody be told");
}

#[tokio::test]
async fn a_run_whose_execution_died_is_taken_up_by_the_next_alert() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    assert!(matches!(story.alert("beta 80%", "a: off").await, Begun::Already(_)));
    story.harness.workflow.end_all();
    let Begun::Started(again) = story.alert("beta 80%", "a: off").await else { panic!("not taken up") };
    assert_eq!(again.id, run);
    assert_eq!(story.harness.workflow.names().len(), 2);
}

#[tokio::test]
async fn dead_masters_alert_is_finished_by_the_next_delivery() {
    // The record is there and its attempt is written down, but no execution: call 3 is the start of it.
    for at in 1.. {
        let story = Story::of("a: on");
        let (target, guardrail) = stage("beta 80%", "a: off");
        story.harness.gate.arm(crate::world::Fault { at, kind: Kind::DieAfter });
        let died = story.harness.gate.until_death(Box::pin(story.harness.alert(&target, &guardrail))).await;
        if died.is_some() {
            assert!(at > 2, "the fault was never met");
            break;
        }
        story.harness.alert(&target, &guardrail).await.unwrap();
        assert_eq!(story.harness.truth.runs(None).await.unwrap().len(), 1, "dead at call {at}");
        assert_eq!(story.harness.workflow.names().len(), 1, "dead at call {at}");
    }
}

#[tokio::test]
async fn one_of_two_rollbacks_at_once_is_started_and_other_is_told() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    let asked = join_all([story.harness.ask_back(&run, &[], false), story.harness.ask_back(&run, &[], false)]).await;
    let started = asked.iter().filter(|asked| matches!(asked, RollbackAsked::Started(_))).count();
    let under_way = asked.iter().filter(|asked| matches!(asked, RollbackAsked::UnderWay(_))).count();
    assert_eq!((started, under_way), (1, 1), "{asked:#?}");
    assert_eq!(story.harness.workflow.names().iter().filter(|name| name.starts_with("rollback-")).count(), 1);
}

#[tokio::test]
async fn a_rollback_whose_execution_died_can_be_asked_for_again() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.harness.ask_back(&run, &[], false).await;
    story.harness.gate.arm_for("turn a", Kind::DieBefore);
    assert!(story.invoke(Direction::Rollback, &run).await.is_none());
    story.harness.workflow.end_all();
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
    let asked = story.harness.ask_back(&run, &[], false).await;
    assert!(matches!(asked, RollbackAsked::NothingToDo(_)), "{asked:?}");
}

#[tokio::test]
async fn an_apply_that_a_rollback_overtook_leaves_the_run_alone() {
    let story = Story::of("a: on, b: on, c: on");
    let run = story.open("beta 80%", "a: off, b: off, c: off").await;
    story.harness.gate.arm_for("turn b", Kind::DieAfter);
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    story.harness.ask_back(&run, &[], false).await;
    assert_eq!(story.invoke(Direction::Apply, &run).await.unwrap().unwrap(), Progress::Superseded);
    let closed = story.harness.execute(Direction::Apply, &run).await.unwrap();
    assert_eq!(closed.outcome, Outcome::Superseded);
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    let said = "a rolled back, b rolled back, c skipped (rolled back before it was begun)";
    story.check(&["a: on", "b: on", "c: on", &format!("beta 80%: rolled back; {said}")]).await;
}

#[tokio::test]
async fn a_rollback_in_the_middle_of_a_batch_waits_for_it() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::Stall);
    let rollback = async {
        story.harness.gate.stall().await;
        story.harness.ask_back(&run, &[], false).await;
        let early = story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
        assert!(matches!(early, Progress::Settling { changed: 0, .. }), "{early:?}");
        story.harness.gate.wake();
    };
    let (applied, ()) = futures::join!(story.invoke(Direction::Apply, &run), rollback);
    assert!(applied.unwrap().is_ok());
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn a_stage_that_was_put_back_is_let_go_until_it_is_rearmed() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.put_back(&run).await;
    let Begun::Released(released) = story.alert("beta 80%", "a: off").await else { panic!("enforced all the same") };
    assert_eq!((released.by.as_str(), released.why.as_str()), ("arn:aws:iam::123456789012:user/ann", "because"));
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
    let (target, _) = stage("beta 80%", "a: off");
    let of_real_alerts = "Real alerts of this stage are recorded, not enforced, until the next period.";
    assert!(last_line(&story, &run, false).await.starts_with("Alerts of this stage are recorded, not enforced"));
    assert!(last_line(&story, &run, true).await.starts_with(of_real_alerts), "as a simulated run of it has to say");
    assert!(story.harness.runs().rearm(&target).await.unwrap());
    assert_eq!(last_line(&story, &run, false).await, "Alerts of this stage are enforced.");
    assert_eq!(last_line(&story, &run, true).await, "Real alerts of this stage are enforced as ever.");
    assert!(!story.harness.runs().rearm(&target).await.unwrap(), "there is nothing left to lift");
    story.enforce("beta 80%", "a: off").await;
    let again = "beta 80% again: enforced; a applied";
    story.check(&["a: off (was on, held by beta 80% again)", "beta 80%: rolled back; a rolled back", again]).await;
}

#[tokio::test]
async fn the_other_stages_of_a_guardrail_are_not_let_go_with_one() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.put_back(&run).await;
    assert!(matches!(story.alert("beta 100%", "a: off").await, Begun::Started(_)));
}

#[tokio::test]
async fn a_simulation_that_was_put_back_can_be_simulated_again() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80% simulated", "a: off").await;
    story.put_back(&run).await;
    assert!(matches!(story.alert("beta 80% simulated", "a: off").await, Begun::Started(_)));
}

#[tokio::test]
async fn a_simulated_run_never_swallows_a_real_alert() {
    let story = Story::of("a: on");
    let simulated = story.enforce("beta 80% simulated", "a: off").await;
    let real = story.enforce("beta 80%", "a: off").await;
    assert_ne!(simulated, real);
    story.put_back(&simulated).await;
    let left = "beta 80% simulated: rolled back; a rolled back (left as it is: `beta` still holds it (beta 80%))";
    story.check(&["a: off (was on, held by beta 80%)", left, "beta 80%: enforced; a applied"]).await;
    assert!(matches!(story.alert("beta 80%", "a: off").await, Begun::Already(_)));
}

#[tokio::test]
async fn a_stage_that_only_notifies_is_carried_out_once() {
    let story = Story::of("a: on");
    let Begun::Started(run) = story.alert("beta 80%", "").await else { panic!("not begun") };
    story.harness.open(&run).await.unwrap();
    story.apply(&run.id).await;
    story.check(&["a: on", "beta 80%: notified; nothing"]).await;
    assert!(matches!(story.alert("beta 80%", "").await, Begun::Already(_)));
}

#[tokio::test]
async fn the_last_piece_that_is_put_back_lets_the_stage_go() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.put_back_only(&run, &["a"], false).await;
    assert!(matches!(story.alert("beta 80%", "a: off, b: off").await, Begun::Already(_)));
    let (target, _) = stage("beta 80%", "a: off, b: off");
    assert!(!story.harness.runs().rearm(&target).await.unwrap(), "the stage is let go with its first piece");
    story.put_back_only(&run, &["b"], false).await;
    assert!(matches!(story.alert("beta 80%", "a: off, b: off").await, Begun::Released(_)));
}

#[tokio::test]
async fn partial_rollback_does_not_call_a_half_done_run_enforced() {
    let story = Story::of("a: on, b: on");
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = Some("glued");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.put_back_only(&run, &["a"], false).await;
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = None;
    let next = story.alert("beta 80%", "a: off, b: off").await;
    assert!(matches!(next, Begun::Started(_)), "`b` was never turned off, and nobody tries again: {next:?}");
}

#[tokio::test]
async fn rollback_before_open_ends_run_and_late_steps_stay_inert() {
    let story = Story::of("a: on");
    let Begun::Started(run) = story.alert("beta 80%", "a: off").await else { panic!("not begun") };
    let late = story.harness.executor().plan(&run, 0, &*story.toy.action("a: off")).await.unwrap();
    story.put_back(&run.id).await;
    let after = story.harness.runs().open(&run.id, &[(0, PartPlan::Written(late))]).await.unwrap();
    assert_eq!(after.parts[0].plan, PartPlan::Missing);
    assert_eq!(story.invoke(Direction::Apply, &run.id).await.unwrap().unwrap(), Progress::Superseded);
    story.check(&["a: on", "beta 80%: rolled back; nothing"]).await;
}

#[tokio::test]
async fn a_retried_plan_leaves_what_the_first_one_left_inert() {
    let story = Story::of("a: on, b: on");
    let Begun::Started(run) = story.alert("beta 80%", "a: off, b: off").await else { panic!("not begun") };
    let dead = story.harness.executor().plan(&run, 0, &*story.toy.action("a: off, b: off")).await.unwrap();
    story.toy.lamps().by_name.remove("b");
    story.harness.open(&run).await.unwrap();
    story.apply(&run.id).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
    story.put_back(&run.id).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
    let left_over = story.harness.truth.steps_under(&run.id, 0, &dead.token).await.unwrap();
    let phases: Vec<String> = left_over.iter().map(|step| step.value.phase.to_string()).collect();
    assert_eq!(phases, ["planned", "planned"]);
}

#[tokio::test]
async fn a_plan_that_counts_is_never_replaced() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    let before = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let again = story.harness.executor().plan(&before, 0, &*story.toy.action("a: off")).await.unwrap();
    let after = story.harness.runs().open(&run, &[(0, PartPlan::Written(again))]).await.unwrap();
    assert_eq!(after.parts, before.parts);
}

#[tokio::test]
async fn a_plan_that_is_not_whole_does_not_open() {
    let story = Story::of("a: on");
    let Begun::Started(run) = story.alert("beta 80%", "a: off").await else { panic!("not begun") };
    let mut plan = story.harness.executor().plan(&run, 0, &*story.toy.action("a: off")).await.unwrap();
    plan.steps += 1;
    let error = story.harness.runs().open(&run.id, &[(0, PartPlan::Written(plan))]).await.unwrap_err();
    assert!(matches!(error, RunError::Torn { planned: 2, found: 1, .. }), "{error}");
    let progress = story.invoke(Direction::Apply, &run.id).await.unwrap().unwrap();
    assert_eq!(progress, Progress::Superseded, "a run that is not open is carried out");
}
