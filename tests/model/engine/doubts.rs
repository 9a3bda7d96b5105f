//! Runs whose figure is not believed: they wait for a person, and for an alert that is believed.

use guardrails_model::config::{ApprovalRule, Guardrail};
use guardrails_model::decide::Target;
use guardrails_model::engine::Progress;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, RunState};
use guardrails_model::runs::{Answered, Begun};

use super::approvals::{answer, ask, load, plan_again, said};
use super::story::{Story, stage};
use crate::world::{Fault, Kind};

#[tokio::test]
async fn doubted_alert_waits_though_its_stage_asks_nobody() {
    let story = Story::of("a: on");
    let (target, mut guardrail) = stage("beta 80%", "a: off");
    guardrail.plausibility.approval.within = "2h".parse().unwrap();
    let doubts = ["its amount of $183965812157.54 is more than 10 times the budget of $2".to_owned()];
    let Begun::Started(run) = story.harness.doubted_alert(&target, &guardrail, &doubts).await.unwrap() else {
        panic!("not begun")
    };
    let run = story.harness.open(&run).await.unwrap();
    assert_eq!(run.state, RunState::Waiting);
    let approval = run.approval.as_ref().unwrap();
    assert_eq!((approval.why.as_slice(), approval.rule.within.seconds()), (&doubts[..], 7200));
    assert!(run.events.iter().any(|event| event.what.contains("$183965812157.54")), "{:?}", run.events);
    // Neither another alert that is doubted nor another try gets round it.
    assert!(matches!(story.harness.doubted_alert(&target, &guardrail, &doubts).await.unwrap(), Begun::Already(_)));
    story.harness.workflow.end_all();
    assert!(matches!(story.harness.doubted_alert(&target, &guardrail, &doubts).await.unwrap(), Begun::Started(_)));
    assert_eq!(story.harness.open(&load(&story, &run.id).await).await.unwrap().state, RunState::Waiting);
    assert_eq!(story.invoke(Direction::Apply, &run.id).await.unwrap().unwrap(), Progress::Superseded);
}

#[tokio::test]
async fn doubted_alert_of_a_notifying_stage_tells_the_reason() {
    let story = Story::of("a: on");
    let (target, guardrail) = stage("beta 80%", "");
    let Begun::Started(run) = story.harness.doubted_alert(&target, &guardrail, &["too much".to_owned()]).await.unwrap() else {
        panic!("not begun")
    };
    assert!(run.approval.is_none() && run.events.iter().any(|event| event.what == "the alert is doubted: too much"));
}

/// A run that waits only because its figure is not believed.
async fn doubted(story: &Story, desired: &str, asks: bool) -> (Target, Guardrail, RunId) {
    let (target, mut guardrail) = stage("beta 80%", desired);
    guardrail.stages[0].approval = asks.then(ApprovalRule::default);
    let begun = story.harness.doubted_alert(&target, &guardrail, &["too much".to_owned()]).await.unwrap();
    let Begun::Started(run) = begun else { panic!("not begun") };
    story.know(&run, "beta 80%");
    let run = story.harness.open(&run).await.unwrap().id;
    ask(story, &run, "first").await;
    (target, guardrail, run)
}

#[tokio::test]
async fn doubted_run_goes_on_at_the_next_believed_alert() {
    let story = Story::of("a: on");
    let (target, guardrail, run) = doubted(&story, "a: off, b: off", false).await;
    let begun = story.harness.alert(&target, &guardrail).await.unwrap();
    assert!(matches!(begun, Begun::Believed(_)), "{begun:?}");
    assert_eq!(story.harness.workflow.woken("first"), 1, "the execution that waits is woken");
    // A lamp that came meanwhile is planned too: the plan that was asked about is not used.
    story.toy.set("b: on");
    let opened = plan_again(&story, &run).await;
    assert_eq!((opened.state, opened.approval), (RunState::Applying, None));
    story.apply(&run).await;
    let held =
        ["a: off (was on, held by beta 80%)", "b: off (was on, held by beta 80%)", "beta 80%: enforced; a applied, b applied"];
    story.check(&held).await;
    story.put_back(&run).await;
    story.check(&["a: on", "b: on", "beta 80%: rolled back; a rolled back, b rolled back"]).await;
}

#[tokio::test]
async fn believed_alert_does_not_answer_for_a_stage_that_asks() {
    let story = Story::of("a: on");
    let (target, guardrail, run) = doubted(&story, "a: off", true).await;
    assert!(matches!(story.harness.alert(&target, &guardrail).await.unwrap(), Begun::Already(_)));
    let now = load(&story, &run).await;
    let approval = now.approval.unwrap();
    assert_eq!((now.state, approval.why.as_slice()), (RunState::Waiting, &["the stage asks for approval".to_owned()][..]));
    assert_eq!(story.harness.workflow.woken("first"), 0);
    answer(&story, &run, true, "ann").await;
    assert_eq!(plan_again(&story, &run).await.state, RunState::Applying);
}

#[tokio::test]
async fn believed_alert_that_dies_anywhere_loses_nothing() {
    for at in 1.. {
        let story = Story::of("a: on");
        let (target, guardrail, run) = doubted(&story, "a: off", false).await;
        story.harness.gate.arm(Fault { at, kind: Kind::DieAfter });
        let alert = story.harness.gate.until_death(Box::pin(story.harness.alert(&target, &guardrail))).await;
        story.harness.gate.disarm();
        if alert.is_some() {
            assert!(at > 3, "the fault was never met");
            break;
        }
        // It is delivered again, or a round comes upon the run.
        story.harness.alert(&target, &guardrail).await.unwrap();
        story.harness.runs().take_up(&run).await.unwrap();
        assert!(story.harness.workflow.woken("first") >= 1, "dead at call {at}");
        assert_eq!(plan_again(&story, &run).await.state, RunState::Applying, "dead at call {at}");
    }
}

#[tokio::test]
async fn believed_alert_and_an_answer_have_one_outcome() {
    for approved in [true, false] {
        let story = Story::of("a: on");
        let (target, guardrail, run) = doubted(&story, "a: off", false).await;
        let digest = load(&story, &run).await.approval.unwrap().question.unwrap().list.digest;
        let runs = story.harness.runs();
        let said = said(approved, "ann", &digest);
        let (alert, answered) = futures::join!(story.harness.alert(&target, &guardrail), runs.answer(&run, &said));
        let (alert, answered) = (alert.unwrap(), answered.unwrap());
        let now = load(&story, &run).await;
        match (&answered, now.state) {
            (Answered::NotAsked(_), RunState::Opening) => assert!(matches!(alert, Begun::Believed(_)), "{alert:?}"),
            (Answered::Taken(_), RunState::Opening) => assert!(approved),
            // The alert came after the no: another run, since no figure is discarded that nobody knows.
            (Answered::Taken(_), RunState::Rejected) => assert!(!approved && matches!(alert, Begun::Started(_)), "{alert:?}"),
            other => panic!("{other:?} {alert:?}"),
        }
    }
}
