//! Looks that die, that come late, that leave something behind, and that meet a person who settles by hand.

use std::sync::Arc;

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Planned};
use guardrails_model::clock::Clock;
use guardrails_model::config::ApprovalRule;
use guardrails_model::engine::{Cursor, Progress};
use guardrails_model::record::{Direction, PartPlan, Run, RunState};
use guardrails_model::runs::{AbandonRequest, Abandoned, Begun, Ended, Outcome, Rescanned, Workflow, execution_name};
use guardrails_testkit::{Wrapped, Wrapper};
use serde_json::json;

use super::approvals::{answer, ask, asking, load, plan_again, waiting};
use super::story::Story;

/// The end of an execution in which nothing broke down.
async fn close(story: &Story, run: &Run, unfinished: Vec<(usize, Option<Cursor>)>) -> Outcome {
    let ended = Ended { direction: run.direction, try_number: Some(run.try_number()), failures: Vec::new(), unfinished };
    story.harness.runs().close(&run.id, &ended).await.unwrap().outcome
}

#[tokio::test]
async fn step_written_behind_a_cursor_is_not_passed_for_ever() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    let rescanning = story.begin_look(&run).await;
    // The look's execution grew too long when it was past `a`, and the next goes on from there.
    let cursor = json!({"asked": rescanning.asked_at(), "from": "lamp/a/light", "behind": null});
    let cursor: Cursor = serde_json::from_value(cursor).unwrap();
    assert_eq!(close(&story, &rescanning, vec![(0, Some(cursor))]).await, Outcome::Continued);
    // A plan whose execution has died sees more by now.
    story.toy.set("a: on");
    story.harness.executor().rescan(&run, 0, &*story.toy.action("a: off, b: off")).await.unwrap();
    let mut executions = 0;
    loop {
        story.harness.workflow.end_all();
        let now = load(&story, &run).await;
        let mut cursor = now.parts[0].cursor.clone().unwrap_or_default();
        while let Progress::Settling { seconds, cursor: next, .. } =
            story.harness.invoke_from(Direction::Apply, &run, 0, cursor).await.unwrap().unwrap()
        {
            cursor = next;
            story.harness.wait(seconds).await;
        }
        executions += 1;
        if close(&story, &now, Vec::new()).await != Outcome::Continued {
            break;
        }
        assert!(executions < 5, "it goes on for ever");
    }
    let held = ["a: off (was on, held by beta 80%)", "b: off (was on, held by beta 80%)"];
    story.check(&[held[0], held[1], "beta 80%: enforced; a applied, b applied"]).await;
}

#[tokio::test]
async fn run_is_not_over_while_an_execution_looks_at_it() {
    let mut met = 0;
    for delay in 0..20 {
        let story = Story::of("a: on");
        let run = story.enforce("beta 80%", "a: off").await;
        let request = AbandonRequest {
            by: "ann".to_owned(),
            at: story.harness.clock.now(),
            why: "replaced by hand".to_owned(),
            only: Vec::new(),
            actions: Vec::new(),
            places: Vec::new(),
        };
        let runs = story.harness.runs();
        let look = async {
            for _ in 0..delay {
                tokio::task::yield_now().await;
            }
            runs.rescan(&run).await.unwrap()
        };
        let (abandoned, looked) = futures::join!(runs.abandon(&run, &request), look);
        let now = load(&story, &run).await;
        let running = story.harness.workflow.is_running(&execution_name(&now)).await.unwrap();
        assert!(!running || now.state.is_open(), "after {delay} turns: {}", now.state.words());
        let Abandoned::Done { left, .. } = abandoned.unwrap() else { continue };
        if let (Rescanned::Started(_), true) = (looked, left.looked) {
            met += 1;
            story.harness.execute(Direction::Apply, &run).await.unwrap();
            assert!(matches!(runs.abandon(&run, &request).await.unwrap(), Abandoned::Done { .. }));
            story.check(&["a: off", "beta 80%: abandoned; a abandoned (replaced by hand)"]).await;
        }
    }
    assert!(met > 0, "they never met");
}

/// A run of which `a` is held, and `b` was rejected since it could only be planned later.
async fn half_rejected(story: &Story) -> Run {
    let (target, guardrail) = asking("a: off; b: off", ApprovalRule::default());
    let Begun::Started(run) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
    let failed = (1, PartPlan::Failed { reason: "no right to look".to_owned() });
    let first =
        async || (0, PartPlan::Written(story.harness.executor().plan(&run, 0, &*story.toy.action("a: off")).await.unwrap()));
    story.harness.runs().open(&run.id, &[first().await, failed.clone()]).await.unwrap();
    ask(story, &run.id, "first").await;
    answer(story, &run.id, true, "ann").await;
    story.harness.runs().open(&run.id, &[first().await, failed]).await.unwrap();
    story.apply(&run.id).await;
    let rescanning = story.begin_look(&run.id).await;
    assert_eq!(story.harness.open(&rescanning).await.unwrap().state, RunState::Waiting);
    ask(story, &run.id, "second").await;
    answer(story, &run.id, false, "bob").await;
    plan_again(story, &run.id).await;
    story.apply(&run.id).await;
    load(story, &run.id).await
}

#[tokio::test]
async fn look_asks_nobody_again_about_rejected_steps() {
    let story = Story::of("a: on, b: on");
    let run = half_rejected(&story).await;
    for _ in 0..2 {
        assert_eq!(story.look(&run.id).await, Outcome::Unchanged, "people know it, and a no stays a no");
    }
    story.harness.runs().retry(&run.target()).await.unwrap().expect("it is tried again");
    let asked = story.harness.open(&load(&story, &run.id).await).await.unwrap();
    assert_eq!(asked.state, RunState::Waiting, "whom a person asks for another try, they are asked");
    ask(&story, &run.id, "third").await;
    answer(&story, &run.id, true, "ann").await;
    assert_eq!(plan_again(&story, &run.id).await.state, RunState::Applying);
    story.apply(&run.id).await;
    assert_eq!(story.toy.snapshot()["b"].as_str(), "off");
}

#[tokio::test]
async fn resumed_look_looks_at_parts_that_could_not_be_looked_at() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.begin_look(&run).await;
    story.harness.runs().open(&run, &[(0, PartPlan::Failed { reason: "AccessDenied".to_owned() })]).await.unwrap();
    assert_eq!(story.harness.execute(Direction::Apply, &run).await.unwrap().outcome, Outcome::Failed);
    story.begin_look(&run).await;
    story.harness.workflow.end_all();
    story.toy.set("a: on");
    let taken = story.harness.runs().take_up(&run).await.unwrap().expect("its execution died");
    story.harness.open(&taken).await.unwrap();
    assert_eq!(story.harness.execute(Direction::Apply, &run).await.unwrap().outcome, Outcome::Succeeded);
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn facet_that_came_after_the_approval_is_told_once() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off, b: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    plan_again(&story, &run).await;
    story.apply(&run).await;
    story.toy.set("b: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "people are told");
    let said = "b skipped (it came after the approval: nobody said yes to it)";
    story.check(&["a: off (was on, held by beta 80%)", "b: on", &format!("beta 80%: enforced; a applied, {said}")]).await;
    for _ in 0..3 {
        assert_eq!(story.look(&run).await, Outcome::Unchanged);
    }
}

#[tokio::test]
async fn facet_as_wanted_at_the_approval_is_not_changed_after_it() {
    let story = Story::of("a: on, b: off");
    let run = waiting(&story, "a: off, b: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    plan_again(&story, &run).await;
    story.toy.set("b: on");
    story.apply(&run).await;
    let said = "b skipped (it came after the approval: nobody said yes to it)";
    story.check(&["a: off (was on, held by beta 80%)", "b: on", &format!("beta 80%: enforced; a applied, {said}")]).await;
}

#[tokio::test]
async fn findings_of_a_look_that_died_are_told_by_the_next() {
    let story = Story::of("fixed: on");
    let run = story.enforce("beta 80%", "fixed: off").await;
    story.toy.set("fixed: on");
    let look = story.begin_look(&run).await;
    story.harness.open(&look).await.unwrap();
    story.harness.workflow.end_all();
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "people are told");
    assert_eq!(story.look(&run).await, Outcome::Unchanged, "once");
}

/// A plan that takes so long that its look ends meanwhile: another invocation had planned for it.
struct Left<'a> {
    story: &'a Story,
    look: Run,
    lamps: Arc<dyn Action>,
}

#[async_trait]
impl Wrapper for Left<'_> {
    fn inner(&self) -> &dyn Action {
        &*self.lamps
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        assert_eq!(close(self.story, &self.look, Vec::new()).await, Outcome::Unchanged);
        self.lamps.plan().await
    }
}

#[tokio::test]
async fn plan_left_over_from_a_closed_look_writes_nothing() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    let look = story.begin_look(&run).await;
    story.toy.set("a: on, b: on");
    let left = Wrapped(Left { story: &story, look, lamps: story.toy.action("a: off, b: off") });
    story.harness.executor().rescan(&run, 0, &left).await.unwrap();
    story.harness.workflow.end_all();
    story.check(&["a: on (was on, held by beta 80%)", "b: on", "beta 80%: enforced; a applied"]).await;
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "the next takes it up");
    let held = ["a: off (was on, held by beta 80%)", "b: off (was on, held by beta 80%)"];
    story.check(&[held[0], held[1], "beta 80%: enforced; a applied, b applied"]).await;
}

#[tokio::test]
async fn steps_written_after_a_look_was_closed_are_done_by_the_next() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    let look = story.begin_look(&run).await;
    story.toy.set("a: on");
    story.harness.executor().rescan(&run, 0, &*story.toy.action("a: off")).await.unwrap();
    // As if it had been written a moment later: the step says what was seen, and that it is to be changed.
    let said = "beta 80%: enforced; a applying (somebody made it on meanwhile)";
    story.check(&["a: on (was on, held by beta 80%)", said]).await;
    story.harness.workflow.end_all();
    let next = story.begin_look(&run).await;
    assert!(next.tries.apply == look.tries.apply + 1);
    story.harness.open(&next).await.unwrap();
    assert_eq!(story.harness.execute(Direction::Apply, &run).await.unwrap().outcome, Outcome::Succeeded);
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}
