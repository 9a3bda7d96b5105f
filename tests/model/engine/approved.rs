//! The rules of a run once a person has answered, and the report of one that waits.

use guardrails_model::config::ApprovalRule;
use guardrails_model::record::{Direction, PartPlan, RunState};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::{Begun, Outcome, Rescanned, RollbackAsked};

use super::approvals::{answer, ask, asking, load, plan_again, waiting};
use super::story::Story;
use crate::fake_action::facet;

#[tokio::test]
async fn facet_that_comes_after_a_yes_is_said_and_not_taken() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off, b: off, c: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    plan_again(&story, &run).await;
    story.apply(&run).await;
    story.toy.set("a: on, b: on");
    let Rescanned::Started(rescanning) = story.harness.runs().rescan(&run).await.unwrap() else { panic!("no look was begun") };
    story.harness.open(&rescanning).await.unwrap();
    story.harness.execute(Direction::Apply, &run).await.unwrap();
    let world = story.toy.snapshot();
    assert_eq!((world["a"].as_str(), world["b"].as_str()), ("off", "on"), "what was approved is held, the other is not");
    let steps = story.harness.truth.all_steps(&load(&story, &run).await).await.unwrap();
    let other = steps.iter().find(|step| step.label == "b").expect("it is said");
    assert_eq!(other.reason.as_deref(), Some("it came after the approval: nobody said yes to it"));
    story.put_back(&run).await;
    assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
}

#[tokio::test]
async fn the_token_of_a_run_that_waits_is_shown_to_nobody() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    let run = load(&story, &run).await;
    assert!(serde_json::to_string(&run).unwrap().contains("\"token\":\"first\""), "the ledger has it");
    let report = Report::of(&story.harness.truth, run, Keep::ALL).await.unwrap();
    assert!(!serde_json::to_string(&report).unwrap().contains("\"first\""));
}

#[tokio::test]
async fn execution_not_woken_after_decision_is_woken_by_next_round() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    assert_eq!(story.harness.runs().take_up(&run).await.unwrap(), None);
    assert_eq!(story.harness.workflow.woken("first"), 0, "nothing is decided");
    answer(&story, &run, true, "ann").await;
    assert_eq!(story.harness.runs().take_up(&run).await.unwrap(), None, "its execution lives");
    assert_eq!(story.harness.workflow.woken("first"), 2);
}

#[tokio::test]
async fn run_without_any_plan_asks_nobody_and_fails_loudly() {
    let story = Story::of("a: on");
    let (target, guardrail) = asking("a: off", ApprovalRule::default());
    let Begun::Started(run) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
    story.know(&run, "beta 80%");
    let heard = r#"Guardrails.Failed: {"errorType": "Guardrails.Failed", "errorMessage": "no right to look"}"#;
    let failed = PartPlan::Failed { reason: heard.to_owned() };
    let opened = story.harness.runs().open(&run.id, &[(0, failed)]).await.unwrap();
    assert_eq!(opened.state, RunState::Applying, "a yes would be to nothing, and silence would let the stage go");
    assert_eq!(story.harness.execute(Direction::Apply, &run.id).await.unwrap().outcome, Outcome::Failed);
    assert!(story.harness.truth.stage_state(&target).await.unwrap().unwrap().value.released.is_none());
    let text = Report::of(&story.harness.truth, load(&story, &run.id).await, Keep::ALL).await.unwrap().text();
    assert!(text.contains(": no right to look\n") && !text.contains("errorMessage"), "{text}");
    let events = load(&story, &run.id).await.events;
    let said: Vec<&str> = events.iter().map(|event| event.what.as_str()).collect();
    assert!(said.contains(&"the plan counts, and 1 of 1 actions could not be planned"), "{said:?}");
    assert!(said.iter().any(|what| what.contains("1 could not be planned, 0 failed")), "{said:?}");
    // Once it can be planned a person is asked.
    let Rescanned::Started(rescanning) = story.harness.runs().rescan(&run.id).await.unwrap() else { panic!("no look was begun") };
    assert_eq!(story.harness.open(&rescanning).await.unwrap().state, RunState::Waiting);
    story.check(&["a: on", "beta 80%: waiting for approval; a planned"]).await;
}

#[tokio::test]
async fn approved_run_that_plans_again_puts_no_piece_back() {
    let story = Story::of("a: on, b: on");
    let run = waiting(&story, "a: off, b: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    let asked = story.harness.ask_back(&run, &[facet("a")], false).await;
    assert!(matches!(asked, RollbackAsked::NothingToDo(_)), "nothing is begun, and the new plan would not know of it: {asked:?}");
    assert_eq!(plan_again(&story, &run).await.state, RunState::Applying);
}

#[tokio::test]
async fn newly_planned_part_is_asked_about_and_no_rejects_only_it() {
    for approved in [false, true] {
        let story = Story::of("a: on, b: on");
        let (target, guardrail) = asking("a: off; b: off", ApprovalRule::default());
        let Begun::Started(run) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
        story.know(&run, "beta 80%");
        // The second action cannot plan, before the approval and after it.
        let failed = (1, PartPlan::Failed { reason: "no right to look".to_owned() });
        let first =
            async || (0, PartPlan::Written(story.harness.executor().plan(&run, 0, &*story.toy.action("a: off")).await.unwrap()));
        story.harness.runs().open(&run.id, &[first().await, failed.clone()]).await.unwrap();
        ask(&story, &run.id, "first").await;
        answer(&story, &run.id, true, "ann").await;
        let opened = story.harness.runs().open(&run.id, &[first().await, failed]).await.unwrap();
        assert_eq!(opened.state, RunState::Applying);
        story.apply(&run.id).await;
        assert_eq!(load(&story, &run.id).await.state, RunState::ApplyFailed);

        // Another try plans it: nobody approved that.
        let Begun::Started(again) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not tried again") };
        let asked = story.harness.open(&again).await.unwrap();
        assert_eq!(
            (asked.state, &asked.parts[0].plan),
            (RunState::Waiting, &opened.parts[0].plan),
            "what counts is not replaced"
        );
        assert_eq!(asked.approval.as_ref().unwrap().question.as_ref().unwrap().list.changes, 1);
        ask(&story, &run.id, "second").await;
        answer(&story, &run.id, approved, "bob").await;
        if approved {
            assert_eq!(plan_again(&story, &run.id).await.state, RunState::Applying);
            story.apply(&run.id).await;
            assert_eq!(load(&story, &run.id).await.state, RunState::Enforced);
        } else {
            assert_eq!(plan_again(&story, &run.id).await.state, RunState::Applying);
            story.apply(&run.id).await;
            let held = "a: off (was on, held by beta 80%)";
            let said = "beta 80%: enforced; a applied, b skipped (rejected by bob: looked at it)";
            story.check(&[held, "b: on", said]).await;
            // Nobody asks for the daily look: people are not asked the same again, and silence decides nothing.
            story.harness.workflow.end_all();
            let Rescanned::Started(rescanning) = story.harness.runs().rescan(&run.id).await.unwrap() else { panic!("no look") };
            assert_eq!(story.harness.open(&rescanning).await.unwrap().state, RunState::Enforced);
            story.apply(&run.id).await;
            assert_eq!(story.toy.snapshot()["b"].as_str(), "on");
        }
        story.put_back(&run.id).await;
        assert_eq!((story.toy.snapshot()["a"].as_str(), story.toy.snapshot()["b"].as_str()), ("on", "on"));
    }
}
