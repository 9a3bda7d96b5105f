//! `meanwhile`: the cheap restriction of a stage is made while a person is asked, and undone after a no.

use guardrails_model::config::{ApprovalRule, Guardrail};
use guardrails_model::decide::Target;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Run, RunState};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::{Begun, Grounds, Heard, Outcome, Workflow, execution_name};

use super::approvals::{answer, ask, load};
use super::rest::{drive, say};
use super::story::{Story, stage};
use crate::world::{Fault, Kind};

const DAY: i64 = 86_400;

/// A stage that turns `a` off while a person is asked, and `b` after a yes.
fn shielding(asks: bool) -> (Target, Guardrail) {
    let (target, mut guardrail) = stage("beta 80%", "b: off; a: off");
    guardrail.stages[0].approval = asks.then(ApprovalRule::default);
    guardrail.stages[0].waves[1][0].name = "shield".parse().unwrap();
    guardrail.stages[0].meanwhile = vec!["shield".parse().unwrap()];
    (target, guardrail)
}

/// A run of it whose figure is not believed, with people asked about the rest.
async fn asked(story: &Story, asks: bool) -> (Target, Guardrail, RunId) {
    let (target, guardrail) = shielding(asks);
    let doubts = if asks { Vec::new() } else { vec!["too much".to_owned()] };
    let grounds = Grounds::doubted(doubts, Some("31.00".parse().unwrap()));
    let Begun::Started(run) = begin(story, &target, &guardrail, &grounds).await else { panic!("not begun") };
    story.know(&run, "beta 80%");
    assert_eq!(drive(story, &run.id).await.state, RunState::Waiting);
    ask(story, &run.id, "first").await;
    (target, guardrail, run.id)
}

async fn begin(story: &Story, target: &Target, guardrail: &Guardrail, grounds: &Grounds) -> Begun {
    let guardrails = std::collections::BTreeMap::from([(guardrail.name.clone(), guardrail.clone())]);
    let config = guardrails_model::config::Config { guardrails, ..Default::default() };
    story.harness.runs().begin(target, &config, guardrail, "digest", grounds).await.unwrap()
}

async fn text(story: &Story, run: &RunId) -> String {
    Report::of(&story.harness.truth, load(story, run).await, Keep::ALL).await.unwrap().text()
}

const SHIELDED: [&str; 3] =
    ["a: off (was on, held by beta 80%)", "b: on", "beta 80%: waiting for approval; b planned, a applied"];

#[tokio::test]
async fn shield_is_up_while_a_person_is_asked() {
    for asks in [true, false] {
        let story = Story::of("a: on, b: on");
        let (_, _, run) = asked(&story, asks).await;
        story.check(&SHIELDED).await;
        let question = load(&story, &run).await.approval.unwrap().question.unwrap();
        assert_eq!(question.list.changes, 1, "only b is asked about");
        let text = text(&story, &run).await;
        assert!(text.contains("shield is in force meanwhile, and is put back after a no."), "{text}");
        answer(&story, &run, true, "ann").await;
        assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
        let (a, b) = ("a: off (was on, held by beta 80%)", "b: off (was on, held by beta 80%)");
        story.check(&[a, b, "beta 80%: enforced; b applied, a applied"]).await;
        story.put_back(&run).await;
        story.check(&["a: on", "b: on", "beta 80%: rolled back; b rolled back, a rolled back"]).await;
    }
}

#[tokio::test]
async fn believed_figure_keeps_the_shield_and_its_way_back() {
    let story = Story::of("a: on, b: on");
    let (target, guardrail, run) = asked(&story, false).await;
    let begun = begin(&story, &target, &guardrail, &Grounds::default()).await;
    assert!(matches!(begun, Begun::Believed(_)), "{begun:?}");
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    let (a, b) = ("a: off (was on, held by beta 80%)", "b: off (was on, held by beta 80%)");
    story.check(&[a, b, "beta 80%: enforced; b applied, a applied"]).await;
    story.put_back(&run).await;
    story.check(&["a: on", "b: on", "beta 80%: rolled back; b rolled back, a rolled back"]).await;
}

#[tokio::test]
async fn no_lowers_the_shield_and_discards_the_figure_or_the_period() {
    for asks in [true, false] {
        let story = Story::of("a: on, b: on");
        let (target, guardrail, run) = asked(&story, asks).await;
        answer(&story, &run, false, "ann").await;
        assert_eq!(story.harness.workflow.woken("first"), 1);
        let back = load(&story, &run).await;
        assert!(story.harness.workflow.is_running(&execution_name(&back)).await.unwrap(), "the way back has its execution");
        assert_eq!(back.attempts.rollback, 1);
        let heard = story.harness.runs().hear(&run, load(&story, &run).await.attempts.apply).await.unwrap();
        assert_eq!(heard, Heard::Over { outcome: Outcome::Superseded }, "the rollback is another execution's");
        assert_eq!(drive(&story, &run).await.state, RunState::RolledBack);
        let said = "beta 80%: rolled back; b skipped (rolled back before it was begun), a rolled back";
        story.check(&["a: on", "b: on", said]).await;
        let slot = story.harness.truth.stage_state(&target).await.unwrap().unwrap().value;
        assert_eq!((slot.over, slot.released.is_some()), (true, asks));
        let same = Grounds { figure: Some("31.00".parse().unwrap()), ..Grounds::default() };
        assert!(matches!(begin(&story, &target, &guardrail, &same).await, Begun::Released(_)));
        let other = Grounds { figure: Some("44.00".parse().unwrap()), ..Grounds::default() };
        let begun = begin(&story, &target, &guardrail, &other).await;
        assert_eq!(matches!(begun, Begun::Released(_)), asks, "a no to a figure is none to the period: {begun:?}");
    }
}

#[tokio::test]
async fn believed_figure_keeps_the_shield_and_does_the_rest() {
    let story = Story::of("a: on, b: on");
    let (target, guardrail, run) = asked(&story, false).await;
    let begun = begin(&story, &target, &guardrail, &Grounds::default()).await;
    assert!(matches!(begun, Begun::Believed(_)), "{begun:?}");
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    story.put_back(&run).await;
    story.check(&["a: on", "b: on", "beta 80%: rolled back; b rolled back, a rolled back"]).await;
}

#[tokio::test]
async fn unanswered_doubt_is_asked_louder_and_the_run_stays_open() {
    let story = Story::of("a: on, b: on");
    let (target, _, run) = asked(&story, false).await;
    let mut subjects = Vec::new();
    for times in 0..3_u32 {
        let now: Run = load(&story, &run).await;
        let question = now.approval.as_ref().unwrap().question.clone().unwrap();
        assert_eq!((now.state, question.unanswered), (RunState::Waiting, times));
        let report = Report::of(&story.harness.truth, now.clone(), Keep::ALL).await.unwrap();
        subjects.push(report.urgency());
        assert_eq!(report.text().contains("NOBODY ANSWERED"), times > 0);
        story.harness.wait(DAY).await;
        let heard = story.harness.runs().hear(&run, now.attempts.apply).await.unwrap();
        assert_eq!(heard, Heard::Over { outcome: Outcome::Continued }, "another execution asks");
        let next = load(&story, &run).await;
        assert_eq!(next.attempts.apply, now.attempts.apply + 1);
        let opened = story.harness.open(&next).await.unwrap();
        assert_eq!(opened.approval.unwrap().question.unwrap().told, None, "people are told again");
        ask(&story, &run, &format!("token {times}")).await;
        story.check(&SHIELDED).await;
    }
    assert_eq!(subjects, ["", "UNANSWERED: ", "URGENT, UNANSWERED 2 TIMES: "]);
    let slot = story.harness.truth.stage_state(&target).await.unwrap().unwrap().value;
    assert_eq!((slot.over, slot.unanswered), (false, 3), "each round rings until somebody answers");
    answer(&story, &run, true, "ann").await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
}

#[tokio::test]
async fn silence_is_the_end_once_the_period_is_over() {
    let story = Story::of("a: on, b: on");
    let (target, _, run) = asked(&story, false).await;
    story.harness.wait(40 * DAY).await;
    story.harness.runs().hear(&run, load(&story, &run).await.attempts.apply).await.unwrap();
    assert_eq!(drive(&story, &run).await.state, RunState::RolledBack, "nobody said yes to the shield");
    story.check(&["a: on", "b: on", "beta 80%: rolled back; b skipped (rolled back before it was begun), a rolled back"]).await;
    let slot = story.harness.truth.stage_state(&target).await.unwrap().unwrap().value;
    assert_eq!((slot.over, slot.released), (true, None));
}

#[tokio::test]
async fn death_at_any_call_loses_neither_shield_nor_way_back() {
    let mut deaths = 0;
    for (kind, yes) in [(Kind::DieBefore, true), (Kind::DieAfter, true), (Kind::DieBefore, false), (Kind::DieAfter, false)] {
        for at in 1.. {
            let story = Story::of("a: on, b: on");
            let (target, guardrail) = shielding(false);
            let doubts = Grounds::doubted(vec!["too much".to_owned()], Some("31.00".parse().unwrap()));
            let Begun::Started(run) = begin(&story, &target, &guardrail, &doubts).await else { panic!("not begun") };
            story.harness.gate.arm(Fault { at, kind });
            assert_eq!(drive(&story, &run.id).await.state, RunState::Waiting);
            let all = story.toy.snapshot();
            let context = format!("{kind:?} at call {at}: {:?}", story.harness.gate.hit());
            assert_eq!((all["a"].as_str(), all["b"].as_str()), ("off", "on"), "{context}");
            say(&story, &run.id, yes, "ann").await;
            let end = drive(&story, &run.id).await;
            let hit = story.harness.gate.hit();
            story.harness.gate.disarm();
            assert_eq!(end.state, if yes { RunState::Enforced } else { RunState::RolledBack }, "{context}");
            if yes {
                story.put_back(&run.id).await;
            }
            let all = story.toy.snapshot();
            assert!(all.values().all(|value| value.as_str() == "on"), "{context}: {all:?}");
            if hit.is_none() {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 80, "only {deaths} deaths");
}
