//! Runs that wait for a person: their changes before, the list that was approved, and the last word when a yes, a no, silence, a
//! rollback and another alert meet.

use futures::future::{BoxFuture, FutureExt, join_all};
use guardrails_model::config::{ApprovalRule, Guardrail, Otherwise};
use guardrails_model::decide::Target;
use guardrails_model::engine::Progress;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, PartPlan, Run, RunState};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::{Answer, Answered, Asked, Begun, Heard, Outcome, RollbackAsked};

use super::story::{Story, stage};
use crate::world::{Fault, Kind};

const DAY: i64 = 86_400;

/// A stage that asks for approval.
pub(super) fn asking(desired: &str, rule: ApprovalRule) -> (Target, Guardrail) {
    let (target, mut guardrail) = stage("beta 80%", desired);
    guardrail.stages[0].approval = Some(rule);
    (target, guardrail)
}

/// The run as people are shown it.
async fn told(story: &Story, run: &RunId) -> String {
    Report::of(&story.harness.truth, load(story, run).await, Keep::ALL).await.unwrap().text()
}

fn beyond(percent: &str) -> ApprovalRule {
    ApprovalRule { beyond: percent.parse().unwrap(), ..ApprovalRule::default() }
}

/// A run that waits under the token `first`, of which people were told.
pub(super) async fn waiting(story: &Story, desired: &str, rule: ApprovalRule) -> RunId {
    let (target, guardrail) = asking(desired, rule);
    let Begun::Started(run) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
    story.know(&run, "beta 80%");
    let run = story.harness.open(&run).await.unwrap();
    assert_eq!(run.state, RunState::Waiting);
    ask(story, &run.id, "first").await;
    run.id
}

/// The state machine's work on a run that waits: an execution waits under `token`, and people are told.
pub(super) async fn ask(story: &Story, run: &RunId, token: &str) {
    story.harness.workflow.waits(token);
    let attempt = load(story, run).await.attempts.apply;
    let Asked::Waits(run) = story.harness.runs().ask(run, attempt, token).await.unwrap() else { panic!("it does not wait") };
    let list = &run.approval.as_ref().unwrap().question.as_ref().unwrap().list;
    story.harness.runs().told(&run.id, &list.digest).await.unwrap();
}

pub(super) async fn load(story: &Story, run: &RunId) -> Run {
    story.harness.truth.run(run).await.unwrap().unwrap().value
}

/// Somebody's answer to the present question.
pub(super) async fn answer(story: &Story, run: &RunId, approved: bool, who: &str) -> Answered {
    let asked = load(story, run).await.approval.unwrap().question.unwrap();
    story.harness.runs().answer(run, &said(approved, who, &asked.list.digest)).await.unwrap()
}

pub(super) fn said(approved: bool, who: &str, digest: &str) -> Answer {
    Answer { approved, by: who.to_owned(), why: "looked at it".to_owned(), digest: digest.to_owned(), for_the_period: false }
}

/// An execution that waited goes on as it hears: it plans again and opens.
pub(super) async fn plan_again(story: &Story, run: &RunId) -> Run {
    let attempt = load(story, run).await.attempts.apply;
    let heard = story.harness.runs().hear(run, attempt).await.unwrap();
    assert!(matches!(heard, Heard::Plan { .. }), "{heard:?}");
    story.harness.open(&load(story, run).await).await.unwrap()
}

#[tokio::test]
async fn run_changes_nothing_before_approval_and_plans_again_after() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    assert_eq!(story.invoke(Direction::Apply, &run).await.unwrap().unwrap(), Progress::Superseded);
    let closed = story.harness.execute(Direction::Apply, &run).await.unwrap();
    assert_eq!((closed.outcome, closed.run.state), (Outcome::Superseded, RunState::Waiting));
    story.check(&["a: on", "beta 80%: waiting for approval; a planned"]).await;
    story.harness.workflow.waits("first");

    assert!(matches!(answer(&story, &run, true, "ann").await, Answered::Taken(_)));
    assert_eq!(story.harness.workflow.woken("first"), 1);
    let asked_about = load(&story, &run).await.parts[0].plan.clone();
    let opened = plan_again(&story, &run).await;
    assert_eq!(opened.state, RunState::Applying);
    assert_ne!(opened.parts[0].plan, asked_about, "it was planned again");
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
    let PartPlan::Written(asked_about) = asked_about else { panic!("it was not written") };
    let inert = story.harness.truth.steps_under(&run, 0, &asked_about.token).await.unwrap();
    assert!(inert.iter().all(|step| step.value.phase.to_string() == "planned"), "{inert:?}");
    let events = load(&story, &run).await.events;
    let of_ann = events.iter().find(|event| event.by == "ann").expect("who decided is in the events");
    assert!(of_ann.what.contains("approved by ann: looked at it"), "{of_ann:?}");
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn rejected_run_holds_nothing_and_releases_stage_until_rearm() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    assert!(matches!(answer(&story, &run, false, "ann").await, Answered::Taken(_)));
    assert_eq!(story.harness.workflow.woken("first"), 1);
    assert_eq!(story.harness.runs().hear(&run, 1).await.unwrap(), Heard::Over { outcome: Outcome::Succeeded });
    story.check(&["a: on", "beta 80%: rejected; a planned"]).await;
    let text = told(&story, &run).await;
    assert!(text.contains("It needed a person's approval: ") && text.contains("a: it was not begun"), "{text}");
    assert!(text.contains("Nothing was changed. Alerts of this stage are recorded, not enforced"), "{text}");
    let (target, guardrail) = asking("a: off", ApprovalRule::default());
    let slot = story.harness.truth.stage_state(&target).await.unwrap().unwrap().value;
    assert!(slot.over, "it is no open run");
    let Begun::Released(released) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("begun again") };
    assert_eq!((released.by.as_str(), released.why.as_str()), ("ann", "rejected: looked at it"));
    assert!(story.harness.runs().rearm(&target).await.unwrap());
    let text = told(&story, &run).await;
    assert!(text.contains("Nothing was changed. Alerts of this stage are enforced.") && !text.contains("not enforced"), "{text}");
    assert!(matches!(story.harness.alert(&target, &guardrail).await.unwrap(), Begun::Started(_)));
}

#[tokio::test]
async fn silence_counts_as_the_stage_says_and_not_a_second_too_early() {
    for (otherwise, state) in [(Otherwise::Reject, RunState::Rejected), (Otherwise::Approve, RunState::Opening)] {
        let story = Story::of("a: on");
        let run = waiting(&story, "a: off", ApprovalRule { otherwise, ..ApprovalRule::default() }).await;
        assert_eq!(story.harness.runs().hear(&run, 1).await.unwrap(), Heard::Ask { ask: DAY });
        story.harness.wait(DAY - 1).await;
        assert_eq!(story.harness.runs().hear(&run, 1).await.unwrap(), Heard::Ask { ask: 1 });
        story.harness.wait(1).await;
        let heard = story.harness.runs().hear(&run, 1).await.unwrap();
        assert_eq!(matches!(heard, Heard::Plan { .. }), otherwise == Otherwise::Approve, "{heard:?}");
        let now = load(&story, &run).await;
        assert_eq!(now.state, state);
        let decision = now.approval.as_ref().unwrap().decision().unwrap();
        assert_eq!((decision.by.as_str(), decision.why.as_str()), ("test", "nobody answered within 1d"));
        assert!(matches!(answer(&story, &run, otherwise == Otherwise::Reject, "ann").await, Answered::NotAsked(_)), "too late");
        assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
    }
}

#[tokio::test]
async fn only_a_stage_that_asks_is_released_by_a_no_or_silence() {
    for (asks, silent, released) in [(true, true, true), (true, false, true), (false, true, false), (false, false, false)] {
        let story = Story::of("a: on");
        let (target, mut guardrail) = stage("beta 80%", "a: off");
        guardrail.stages[0].approval = asks.then(ApprovalRule::default);
        let begun = story.harness.doubted_alert(&target, &guardrail, &["too much".to_owned()]).await.unwrap();
        let Begun::Started(run) = begun else { panic!("not begun") };
        let run = story.harness.open(&run).await.unwrap().id;
        ask(&story, &run, "first").await;
        if silent {
            story.harness.wait(DAY).await;
            story.harness.runs().hear(&run, 1).await.unwrap();
        } else {
            answer(&story, &run, false, "ann").await;
        }
        // Silence about a figure is asked again: the run stays open.
        let is_open = !asks && silent;
        assert_eq!(load(&story, &run).await.state == RunState::Waiting, is_open);
        let slot = story.harness.truth.stage_state(&target).await.unwrap().unwrap().value;
        assert_eq!((slot.over, slot.released.is_some()), (!is_open, released), "asks: {asks}, silent: {silent}");
    }
}

#[tokio::test]
async fn second_answer_is_told_so_and_there_is_one_outcome() {
    // Each pair and each order, interleaved at every call.
    for one in 0..5 {
        for other in 0..5 {
            let story = Story::of("a: on");
            let run = waiting(&story, "a: off", ApprovalRule::default()).await;
            let digest = load(&story, &run).await.approval.unwrap().question.unwrap().list.digest;
            story.harness.wait(DAY).await;
            let said: Vec<String> = join_all([one, other].map(|who| contend(&story, &run, &digest, who))).await;
            let now = load(&story, &run).await;
            let decisions = now.approval.as_ref().unwrap().decisions.len();
            let context = format!("{said:?}: {} {:?}", now.state.words(), now.events);
            assert!(decisions <= 1, "{context}");
            let taken = said.iter().filter(|said| *said == "taken").count();
            assert!(taken <= 1, "{context}");
            match now.state {
                RunState::Opening | RunState::Rejected => assert_eq!(decisions, 1, "{context}"),
                RunState::RollingBack => assert!(said.contains(&"put back".to_owned()), "{context}"),
                RunState::Waiting => assert_eq!(said, ["already", "already"], "{context}"),
                _ => panic!("{context}"),
            }
            assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
            if now.state != RunState::Waiting {
                assert!(story.harness.workflow.woken("first") <= 2);
            }
        }
    }
}

/// One of those who meet: a yes, a no, the time-out, a rollback, a second alert. The answer that they get.
fn contend<'a>(story: &'a Story, run: &'a RunId, digest: &'a str, who: usize) -> BoxFuture<'a, String> {
    let answered = |answered| match answered {
        Answered::Taken(_) => "taken",
        Answered::Already(_) => "said before",
        Answered::NotAsked(_) => "too late",
        Answered::AskedAnew(_) => "asked anew",
    };
    async move {
        match who {
            0 => answered(story.harness.runs().answer(run, &said(true, "ann", digest)).await.unwrap()).to_owned(),
            1 => answered(story.harness.runs().answer(run, &said(false, "bob", digest)).await.unwrap()).to_owned(),
            2 => format!("{:?}", story.harness.runs().hear(run, 1).await.unwrap()),
            3 => match story.harness.ask_back(run, &[], false).await {
                RollbackAsked::Started(_) => "put back".to_owned(),
                other => format!("{other:?}"),
            },
            _ => {
                let (target, guardrail) = asking("a: off", ApprovalRule::default());
                match story.harness.alert(&target, &guardrail).await.unwrap() {
                    Begun::Already(_) => "already".to_owned(),
                    Begun::GoingBack(_) => "going back".to_owned(),
                    Begun::Released(_) => "released".to_owned(),
                    Begun::Started(_) => "started".to_owned(),
                    Begun::Believed(_) => "believed".to_owned(),
                }
            }
        }
    }
    .boxed()
}

#[tokio::test]
async fn answer_of_a_dead_sender_is_sent_again_by_the_same_command() {
    for at in 1.. {
        let story = Story::of("a: on");
        let run = waiting(&story, "a: off", ApprovalRule::default()).await;
        let digest = load(&story, &run).await.approval.unwrap().question.unwrap().list.digest;
        story.harness.gate.arm(Fault { at, kind: Kind::DieAfter });
        let runs = story.harness.runs();
        if story.harness.gate.until_death(Box::pin(runs.answer(&run, &said(true, "ann", &digest)))).await.is_some() {
            assert!(at > 2, "the fault was never met");
            break;
        }
        story.harness.gate.disarm();
        answer(&story, &run, true, "ann").await;
        let now = load(&story, &run).await;
        assert_eq!((now.state, now.approval.unwrap().decisions.len()), (RunState::Opening, 1), "dead at call {at}");
        assert!(story.harness.workflow.woken("first") >= 1, "dead at call {at}");
    }
}

#[tokio::test]
async fn an_answer_to_another_list_than_what_is_asked_does_not_count() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    let old = said(true, "ann", "what was shown an hour ago");
    let answered = story.harness.runs().answer(&run, &old).await.unwrap();
    assert!(matches!(answered, Answered::AskedAnew(_)), "{answered:?}");
    assert_eq!(load(&story, &run).await.state, RunState::Waiting);
}

#[tokio::test]
async fn a_wake_up_without_a_decision_approves_nothing() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    assert_eq!(story.harness.runs().hear(&run, 1).await.unwrap(), Heard::Ask { ask: DAY });
    let opened = story.harness.open(&load(&story, &run).await).await.unwrap();
    assert_eq!(opened.state, RunState::Waiting, "planning again is no approval");
}

#[tokio::test]
async fn facets_not_on_the_approved_list_are_asked_about_again() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off, b: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    // As many as before, and another.
    story.toy.lamps().by_name.remove("a");
    story.toy.set("b: on");
    let again = plan_again(&story, &run).await;
    assert_eq!(again.state, RunState::Waiting);
    let question = again.approval.as_ref().unwrap().question.clone().unwrap();
    let why = question.again.unwrap();
    assert!(why.contains("1 of what is planned now were not among the 1 that were approved") && why.ends_with(": b"), "{why}");
    assert!(question.told.is_none(), "people are told of the new list");
    assert_eq!(story.toy.snapshot()["b"].as_str(), "on");

    ask(&story, &run, "second").await;
    answer(&story, &run, true, "bob").await;
    assert_eq!(plan_again(&story, &run).await.state, RunState::Applying);
    story.apply(&run).await;
    story.check(&["b: off (was on, held by beta 80%)", "beta 80%: enforced; b applied"]).await;
}

#[tokio::test]
async fn a_plan_may_shrink_and_grow_by_what_the_stage_allows() {
    for (allowed, asked_again) in [("0%", true), ("49%", true), ("50%", false)] {
        let story = Story::of("a: on, b: on, d: off");
        let run = waiting(&story, "a: off, b: off, c: off, d: off", beyond(allowed)).await;
        let listed = load(&story, &run).await.approval.unwrap().question.unwrap().list.changes;
        assert_eq!(listed, 2, "what is as wanted already is no change");
        answer(&story, &run, true, "ann").await;
        story.toy.lamps().by_name.remove("a");
        story.toy.set("c: on");
        let opened = plan_again(&story, &run).await;
        let next = opened.approval.unwrap().next;
        assert_eq!((opened.state, next), (RunState::Applying, asked_again.then_some(1)), "{allowed}: b is approved");
    }
}

#[tokio::test]
async fn execution_that_asks_twice_keeps_last_token_and_tells_once() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    story.harness.workflow.waits("second");
    let Asked::Waits(asked) = story.harness.runs().ask(&run, 1, "second").await.unwrap() else { panic!("it does not wait") };
    assert!(asked.approval.unwrap().question.unwrap().told.is_some(), "they were told already");
    answer(&story, &run, true, "ann").await;
    assert_eq!((story.harness.workflow.woken("first"), story.harness.workflow.woken("second")), (0, 1));
    assert_eq!(story.harness.runs().ask(&run, 1, "third").await.unwrap(), Asked::Over, "it is decided");
}

#[tokio::test]
async fn an_answer_before_the_execution_waits_keeps_it_from_waiting() {
    let story = Story::of("a: on");
    let (target, guardrail) = asking("a: off", ApprovalRule::default());
    let Begun::Started(run) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
    let run = story.harness.open(&run).await.unwrap().id;
    assert!(matches!(answer(&story, &run, true, "ann").await, Answered::Taken(_)));
    story.harness.workflow.waits("first");
    assert_eq!(story.harness.runs().ask(&run, 1, "first").await.unwrap(), Asked::Over);
    assert_eq!(story.harness.workflow.woken("first"), 1, "its own task succeeds");
    assert_eq!(plan_again(&story, &run).await.state, RunState::Applying);
    assert_eq!(story.harness.workflow.names().len(), 1, "the execution that runs goes on");
}

#[tokio::test]
async fn dead_waiting_execution_is_taken_up_with_the_same_question() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    let before = load(&story, &run).await.approval.unwrap().question.unwrap();
    story.harness.workflow.end_all();
    story.harness.wait(3600).await;
    let (target, guardrail) = asking("a: off", ApprovalRule::default());
    let Begun::Started(again) = story.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not taken up") };
    assert_eq!((&again.id, again.state, again.attempts.apply), (&run, RunState::Waiting, 2));
    let opened = story.harness.open(&again).await.unwrap();
    let after = opened.approval.as_ref().unwrap().question.clone().unwrap();
    assert_eq!((after.until, after.told, &after.list.digest), (before.until, before.told, &before.list.digest));
    assert_eq!(story.harness.runs().ask(&run, 1, "dead").await.unwrap(), Asked::Over, "the dead execution's");
    assert_eq!(story.harness.runs().hear(&run, 1).await.unwrap(), Heard::Over { outcome: Outcome::Superseded });
    ask(&story, &run, "second").await;
    answer(&story, &run, true, "ann").await;
    assert_eq!(plan_again(&story, &run).await.state, RunState::Applying);
}

#[tokio::test]
async fn an_approval_of_a_run_whose_execution_died_starts_another() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    story.harness.workflow.end_all();
    answer(&story, &run, true, "ann").await;
    assert_eq!(story.harness.workflow.names().len(), 2);
    let opened = story.harness.open(&load(&story, &run).await).await.unwrap();
    assert_eq!(opened.state, RunState::Applying);
}

#[tokio::test]
async fn waiting_run_can_be_put_back_whole_and_its_execution_ends() {
    let story = Story::of("a: on, b: on");
    let run = waiting(&story, "a: off, b: off", ApprovalRule::default()).await;
    let piece = story.harness.ask_back(&run, &[crate::fake_action::facet("a")], false).await;
    assert!(matches!(piece, RollbackAsked::NothingToDo(_)), "nothing is held that could be put back piece by piece: {piece:?}");
    story.put_back(&run).await;
    assert_eq!(story.harness.runs().hear(&run, 1).await.unwrap(), Heard::Over { outcome: Outcome::Superseded });
    let said = "a skipped (rolled back before it was begun), b skipped (rolled back before it was begun)";
    story.check(&["a: on", "b: on", &format!("beta 80%: rolled back; {said}")]).await;
    assert!(matches!(answer(&story, &run, true, "ann").await, Answered::NotAsked(_)));
}

#[tokio::test]
async fn a_rollback_wakes_the_execution_that_waits() {
    let story = Story::of("a: on");
    let run = waiting(&story, "a: off", ApprovalRule::default()).await;
    story.harness.ask_back(&run, &[], false).await;
    assert_eq!(story.harness.workflow.woken("first"), 1);
}
