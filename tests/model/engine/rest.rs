//! Approved steps are done at once, and only the rest is asked about: at any death, after any answer, and however often the fleet
//! grows.

use guardrails_model::config::ApprovalRule;
use guardrails_model::ids::RunId;
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, Run, RunState};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::Rescanned;

use super::approvals::{answer, ask, load, plan_again, waiting};
use super::story::Story;
use crate::harness::LIFE;
use crate::world::{Fault, Kind};

/// A run that was approved for `a` alone, and finds `b` too.
async fn grown(story: &Story) -> RunId {
    let run = waiting(story, "a: off, b: off, c: off", ApprovalRule::default()).await;
    answer(story, &run, true, "ann").await;
    story.toy.set("b: on");
    run
}

/// Carries a run as the state machine does, until it waits, holds or is over. A caller that dies is called again.
pub(super) async fn drive(story: &Story, run: &RunId) -> Run {
    for _ in 0..20 {
        let now = load(story, run).await;
        let gate = &story.harness.gate;
        let alive = match now.state {
            RunState::Opening => gate.until_death(Box::pin(story.harness.open(&now))).await.is_some(),
            RunState::Applying | RunState::RollingBack => {
                gate.until_death(Box::pin(story.harness.execute(now.direction, run))).await.is_some()
            }
            _ => return now,
        };
        if !alive {
            story.harness.wait(LIFE).await;
        }
    }
    panic!("it does not end")
}

/// People are asked, and one of them answers. A caller that dies is called again.
pub(super) async fn say(story: &Story, run: &RunId, approved: bool, who: &str) {
    let gate = &story.harness.gate;
    while gate.until_death(Box::pin(ask(story, run, who))).await.is_none() {}
    while gate.until_death(Box::pin(answer(story, run, approved, who))).await.is_none() {}
}

fn lamps(story: &Story, names: [&str; 2]) -> [String; 2] {
    let all = story.toy.snapshot();
    names.map(|name| all[name].to_string())
}

#[tokio::test]
async fn approved_steps_are_done_and_only_the_rest_is_asked() {
    let story = Story::of("a: on");
    let run = grown(&story).await;
    let opened = plan_again(&story, &run).await;
    assert_eq!((opened.state, opened.approval.unwrap().next), (RunState::Applying, Some(1)));
    let asked = drive(&story, &run).await;
    assert_eq!((asked.state, lamps(&story, ["a", "b"])), (RunState::Waiting, ["off".to_owned(), "on".to_owned()]));
    story.check(&["a: off (was on, held by beta 80%)", "b: on", "beta 80%: waiting for approval; a applied, b planned"]).await;
    let question = asked.approval.as_ref().unwrap().question.clone().unwrap();
    assert_eq!((question.list.changes, question.told), (1, None), "people are told of the rest");
    assert!(question.again.as_ref().unwrap().ends_with(": b"), "{question:?}");
    let text = Report::of(&story.harness.truth, asked, Keep::ALL).await.unwrap().text();
    for words in
        ["What was approved is done.", "Asked about: 1 changes", "b: on -> off: planned; it was not on the approved list"]
    {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
    // The fleet grows again before the second answer.
    ask(&story, &run, "second").await;
    story.toy.set("c: on");
    answer(&story, &run, true, "bob").await;
    let third = drive(&story, &run).await;
    assert_eq!((third.state, lamps(&story, ["b", "c"])), (RunState::Waiting, ["off".to_owned(), "on".to_owned()]));
    ask(&story, &run, "third").await;
    answer(&story, &run, true, "cid").await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    assert_eq!(lamps(&story, ["b", "c"]), ["off", "off"]);
    story.put_back(&run).await;
    story.check(&["a: on", "b: on", "c: on", "beta 80%: rolled back; a rolled back, b rolled back, c rolled back"]).await;
}

#[tokio::test]
async fn refused_rest_is_left_alone_and_what_was_approved_is_held() {
    let story = Story::of("a: on");
    let run = grown(&story).await;
    drive(&story, &run).await;
    ask(&story, &run, "second").await;
    answer(&story, &run, false, "bob").await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    let held = [
        "a: off (was on, held by beta 80%)",
        "b: on",
        "beta 80%: enforced; a applied, b skipped (rejected by bob: looked at it)",
    ];
    story.check(&held).await;
    // A later look neither takes it nor asks.
    let Rescanned::Started(rescanning) = story.harness.runs().rescan(&run).await.unwrap() else { panic!("no look") };
    story.harness.open(&rescanning).await.unwrap();
    story.harness.execute(Direction::Apply, &run).await.unwrap();
    story.check(&held).await;
    // Nobody is told that it is still on: a person said so.
    let report = Report::of(&story.harness.truth, load(&story, &run).await, Keep::ALL).await.unwrap();
    assert_eq!((report.counts.skipped, report.counts.still_on), (1, 0), "{}", report.text());
    story.put_back(&run).await;
    assert_eq!(lamps(&story, ["a", "b"]), ["on", "on"]);
}

#[tokio::test]
async fn silence_about_the_rest_leaves_it_alone() {
    let story = Story::of("a: on");
    let run = grown(&story).await;
    drive(&story, &run).await;
    ask(&story, &run, "second").await;
    story.harness.wait(86_400).await;
    plan_again(&story, &run).await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    let why = "beta 80%: enforced; a applied, b skipped (rejected by test: nobody answered within 1d)";
    story.check(&["a: off (was on, held by beta 80%)", "b: on", why]).await;
}

#[tokio::test]
async fn rollback_while_the_rest_is_asked_puts_back_what_was_done() {
    let story = Story::of("a: on");
    let run = grown(&story).await;
    drive(&story, &run).await;
    ask(&story, &run, "second").await;
    story.put_back(&run).await;
    let said = "beta 80%: rolled back; a rolled back, b skipped (rolled back before it was begun)";
    story.check(&["a: on", "b: on", said]).await;
}

#[tokio::test]
async fn rest_that_is_gone_before_the_answer_is_not_changed() {
    let story = Story::of("a: on");
    let run = grown(&story).await;
    drive(&story, &run).await;
    ask(&story, &run, "second").await;
    story.toy.lamps().by_name.remove("b");
    answer(&story, &run, true, "bob").await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    let said = "beta 80%: enforced; a applied, b skipped (it is not in scope any more)";
    story.check(&["a: off (was on, held by beta 80%)", "b: gone", said]).await;
}

#[tokio::test]
async fn approved_member_waits_for_what_comes_before_it_in_its_unit() {
    let story = Story::of("hall-1-0-lamp: on, other: on");
    let run = waiting(&story, "hall-0-1-fuse: off, hall-1-0-lamp: off, other: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    // Nobody said yes to the fuse, and the lamp must not be turned before it.
    story.toy.set("hall-0-1-fuse: on");
    let asked = drive(&story, &run).await;
    let all = story.toy.snapshot();
    assert_eq!((all["other"].as_str(), all["hall-1-0-lamp"].as_str(), all["hall-0-1-fuse"].as_str()), ("off", "on", "on"));
    assert_eq!(asked.approval.unwrap().question.unwrap().list.changes, 2, "both are asked about");
    ask(&story, &run, "second").await;
    answer(&story, &run, true, "bob").await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    assert_eq!(lamps(&story, ["hall-1-0-lamp", "hall-0-1-fuse"]), ["off", "off"]);
}

#[tokio::test]
async fn member_that_comes_while_its_unit_is_turned_is_asked_about() {
    let story = Story::of("hall-0-1-fuse: on, hall-1-0-lamp: on");
    let run = waiting(&story, "hall-0-1-fuse: off, hall-1-0-lamp: off, hall-1-0-late: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    assert_eq!(plan_again(&story, &run).await.state, RunState::Applying);
    story.toy.set("hall-1-0-late: on");
    let asked = drive(&story, &run).await;
    assert_eq!(
        (asked.state, lamps(&story, ["hall-1-0-lamp", "hall-1-0-late"])),
        (RunState::Waiting, ["off".into(), "on".into()])
    );
    ask(&story, &run, "second").await;
    answer(&story, &run, true, "bob").await;
    drive(&story, &run).await;
    story.put_back(&run).await;
    let all = story.toy.snapshot();
    assert!(all.values().all(|value| value.as_str() == "on"), "{all:?}");
}

#[tokio::test]
async fn steps_beyond_the_list_count_together_over_all_plans() {
    let story = Story::of("hall-0-1-fuse: on, hall-1-0-lamp: on");
    let rule = ApprovalRule { beyond: "50%".parse().unwrap(), ..ApprovalRule::default() };
    let run = waiting(&story, "hall-0-1-fuse: off, hall-1-0-lamp: off, hall-1-0-late: off, other: off", rule).await;
    answer(&story, &run, true, "ann").await;
    // One of two more is allowed, and this is it.
    story.toy.set("other: on");
    let opened = plan_again(&story, &run).await;
    assert_eq!((opened.state, opened.approval.unwrap().exceeded), (RunState::Applying, 1));
    story.toy.set("hall-1-0-late: on");
    let asked = drive(&story, &run).await;
    assert_eq!((asked.state, lamps(&story, ["other", "hall-1-0-late"])), (RunState::Waiting, ["off".into(), "on".into()]));
    ask(&story, &run, "second").await;
    answer(&story, &run, true, "bob").await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    story.put_back(&run).await;
    let all = story.toy.snapshot();
    assert!(all.values().all(|value| value.as_str() == "on"), "{all:?}");
}

#[tokio::test]
async fn member_that_comes_while_a_look_turns_its_unit_is_only_told() {
    let story = Story::of("hall-0-1-fuse: on, hall-1-0-lamp: on");
    let run = waiting(&story, "hall-0-1-fuse: off, hall-1-0-lamp: off, hall-1-0-late: off", ApprovalRule::default()).await;
    answer(&story, &run, true, "ann").await;
    plan_again(&story, &run).await;
    assert_eq!(drive(&story, &run).await.state, RunState::Enforced);
    // A look turns the approved lamp again, and comes upon another beside it.
    story.toy.set("hall-1-0-lamp: on");
    let Rescanned::Started(look) = story.harness.runs().rescan(&run).await.unwrap() else { panic!("no look") };
    story.harness.open(&look).await.unwrap();
    story.toy.set("hall-1-0-late: on");
    story.harness.execute(Direction::Apply, &run).await.unwrap();
    let said = "hall-1-0-late skipped (it came after the approval: nobody said yes to it)";
    let (fuse, lamp) = ("hall-0-1-fuse: off (was on, held by beta 80%)", "hall-1-0-lamp: off (was on, held by beta 80%)");
    let run_said = format!("beta 80%: enforced; hall-0-1-fuse applied, hall-1-0-lamp applied, {said}");
    story.check(&[fuse, lamp, "hall-1-0-late: on", &run_said]).await;
}

#[tokio::test]
async fn approved_step_that_fails_keeps_nobody_from_being_asked() {
    let story = Story::of("a: on");
    let run = grown(&story).await;
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = Some("stuck");
    let asked = drive(&story, &run).await;
    assert_eq!(asked.state, RunState::Waiting, "the rest is asked about all the same");
    ask(&story, &run, "second").await;
    answer(&story, &run, true, "bob").await;
    assert_eq!(drive(&story, &run).await.state, RunState::ApplyFailed, "loudly");
    assert_eq!(lamps(&story, ["a", "b"]), ["on", "off"]);
}

/// At each call of the whole way someone dies; `b` is never touched before the second yes, and the way back is kept.
#[tokio::test]
async fn death_at_any_call_loses_neither_the_answer_nor_the_way_back() {
    let mut deaths = 0;
    for kind in [Kind::DieBefore, Kind::DieAfter] {
        for at in 1.. {
            let story = Story::of("a: on");
            let run = grown(&story).await;
            story.harness.gate.arm(Fault { at, kind });
            let asked = drive(&story, &run).await;
            let context = format!("{kind:?} at call {at}: {:?}", story.harness.gate.hit());
            assert_eq!((asked.state, lamps(&story, ["a", "b"])), (RunState::Waiting, ["off".into(), "on".into()]), "{context}");
            say(&story, &run, true, "bob").await;
            assert_eq!(drive(&story, &run).await.state, RunState::Enforced, "{context}");
            let hit = story.harness.gate.hit();
            story.harness.gate.disarm();
            assert_eq!(lamps(&story, ["a", "b"]), ["off", "off"], "{context}");
            let steps = story.harness.truth.all_steps(&load(&story, &run).await).await.unwrap();
            assert!(steps.iter().all(|step| step.phase == Phase::Applied), "{context}: {steps:?}");
            story.put_back(&run).await;
            assert_eq!(lamps(&story, ["a", "b"]), ["on", "on"], "{context}");
            if hit.is_none() {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 60, "only {deaths} deaths");
}
