//! Facets that are turned in order, those for which there is no room, and those of which something else is asked while they are
//! under way.

use guardrails_model::engine::{Cursor, Progress};
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::record::{Direction, RunState};
use guardrails_model::runs::{Ended, Outcome, RollbackAsked};

use super::story::Story;
use crate::fake_action::{PATIENCE, facet};
use crate::world::Kind;

/// The lamps that were turned, in the order of the calls.
fn turned(story: &Story) -> Vec<String> {
    let calls = story.harness.gate.calls();
    calls.iter().filter_map(|call| call.strip_prefix("turn ")).map(|call| call.split(' ').next().unwrap().to_owned()).collect()
}

const HALL: &str = "hall-0-1-fuse: off, hall-1-0-lamp: off, other: off";

async fn hall() -> (Story, RunId) {
    let story = Story::of("hall-0-1-fuse: on, hall-1-0-lamp: on, other: on");
    let run = story.open("beta 80%", HALL).await;
    story.harness.gate.disarm();
    (story, run)
}

#[tokio::test]
async fn unit_is_turned_in_order_and_back_in_the_order_back() {
    let (story, run) = hall().await;
    story.apply(&run).await;
    let order: Vec<String> = turned(&story).into_iter().filter(|lamp| lamp != "other").collect();
    assert_eq!(order, ["hall-0-1-fuse", "hall-1-0-lamp"]);
    story.harness.gate.disarm();
    story.put_back(&run).await;
    let order: Vec<String> = turned(&story).into_iter().filter(|lamp| lamp != "other").collect();
    assert_eq!(order, ["hall-1-0-lamp", "hall-0-1-fuse"]);
    story.check(&["hall-0-1-fuse: on", "hall-1-0-lamp: on", "other: on", BACK]).await;
}

const BACK: &str = "beta 80%: rolled back; hall-0-1-fuse rolled back, hall-1-0-lamp rolled back, other rolled back";

#[tokio::test]
async fn the_next_is_not_begun_while_an_earlier_one_is_on_its_way() {
    let (story, run) = hall().await;
    story.toy.lamps().by_name.get_mut("hall-0-1-fuse").unwrap().takes = 30;
    story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    assert_eq!(story.toy.snapshot()["hall-1-0-lamp"].as_str(), "on");
    story.apply(&run).await;
    assert_eq!(story.toy.snapshot()["hall-1-0-lamp"].as_str(), "off");
}

#[tokio::test]
async fn failure_in_a_unit_stops_its_later_steps_and_no_others() {
    let (story, run) = hall().await;
    story.toy.lamps().by_name.get_mut("hall-0-1-fuse").unwrap().refuses = Some("stuck");
    story.apply(&run).await;
    let snapshot = story.toy.snapshot();
    assert_eq!((snapshot["hall-1-0-lamp"].as_str(), snapshot["other"].as_str()), ("on", "off"));
    let steps = story.harness.truth.all_steps(&story.harness.truth.run(&run).await.unwrap().unwrap().value).await.unwrap();
    let why = steps.iter().find(|step| step.label == "hall-1-0-lamp").unwrap().reason.clone().unwrap();
    assert_eq!(why, "first comes hall-0-1-fuse, which is apply failed (stuck)");
    story.put_back(&run).await;
    assert_eq!(story.toy.snapshot()["other"].as_str(), "on");
}

#[tokio::test]
async fn unready_unit_is_given_up_with_reason_and_can_be_put_back() {
    let (story, run) = hall().await;
    story.toy.lamps().unready = Some("the paint is wet");
    story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    let steps = story.harness.truth.all_steps(&story.harness.truth.run(&run).await.unwrap().unwrap().value).await.unwrap();
    let waits = steps.iter().find(|step| step.label == "hall-1-0-lamp").unwrap();
    assert_eq!(waits.reason.as_deref(), Some("waits: the paint is wet"), "people see what is waited for");
    story.apply(&run).await;
    let run_now = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    assert_eq!(run_now.state, RunState::ApplyFailed);
    let steps = story.harness.truth.all_steps(&run_now).await.unwrap();
    let lamp = steps.iter().find(|step| step.label == "hall-1-0-lamp").unwrap();
    assert!(lamp.reason.as_ref().unwrap().ends_with("still: the paint is wet"), "{lamp:?}");
    assert!((lamp.since - run_now.began).get_seconds() >= PATIENCE.limit);
    story.toy.lamps().unready = None;
    story.put_back(&run).await;
    assert_eq!(story.toy.snapshot()["hall-0-1-fuse"].as_str(), "on");
}

#[tokio::test]
async fn unready_unit_is_not_put_back_until_it_is_ready_or_forced() {
    let (story, run) = hall().await;
    story.apply(&run).await;
    story.toy.lamps().unready = Some("the paint is wet");
    story.put_back(&run).await;
    let half = story.toy.snapshot();
    assert_eq!((half["hall-1-0-lamp"].as_str(), half["hall-0-1-fuse"].as_str()), ("on", "off"));
    assert_eq!(story.harness.truth.run(&run).await.unwrap().unwrap().value.state, RunState::RollbackFailed);
    story.put_back_with_force(&run).await;
    story.check(&["hall-0-1-fuse: on", "hall-1-0-lamp: on", "other: on", BACK]).await;
}

#[tokio::test]
async fn facet_that_joined_a_unit_after_plan_becomes_a_step() {
    let (story, run) = hall().await;
    story.toy.set("hall-1-0-new: on");
    story.apply(&run).await;
    assert_eq!(story.toy.snapshot()["hall-1-0-new"].as_str(), "off");
    let run_now = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let late = story.harness.truth.all_steps(&run_now).await.unwrap().into_iter().filter(|step| step.late);
    assert_eq!(late.map(|step| step.label).collect::<Vec<_>>(), ["hall-1-0-new"]);
    story.put_back(&run).await;
    assert!(story.toy.snapshot().values().all(|value| value.as_str() == "on"), "{:?}", story.toy.snapshot());
}

#[tokio::test]
async fn step_without_room_now_is_not_passed_over() {
    let story = Story::of("a: on, b: on, c: on, d: on, e: on");
    let run = story.open("beta 80%", "a: off, b: off, c: off, d: off, e: off").await;
    let mut cursor = Cursor::default();
    for (round, left) in [(1, 2), (2, 0)] {
        story.toy.lamps().room = Some(3);
        let progress = story.harness.invoke_from(Direction::Apply, &run, 0, cursor).await.unwrap().unwrap();
        let on = story.toy.snapshot().values().filter(|value| value.as_str() == "on").count();
        assert_eq!(on, left, "after round {round}");
        cursor = match progress {
            Progress::Settling { seconds: 7, cursor, .. } => cursor,
            Progress::Done { .. } if left == 0 => Cursor::default(),
            other => panic!("{other:?}"),
        };
    }
}

#[tokio::test]
async fn facet_that_waits_for_hours_does_not_hold_up_the_others() {
    let story = Story::of("a: on, b: on, c: on, d: on, e: on");
    let run = story.open("beta 80%", "a: off, b: off, c: off, d: off, e: off").await;
    story.toy.lamps().by_name.get_mut("a").unwrap().no_current = 3;
    story.harness.gate.disarm();
    let first = story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    assert!(matches!(first, Progress::Settling { seconds: 60, changed: 4, .. }), "{first:?}");
    let steps = story.harness.truth.all_steps(&story.harness.truth.run(&run).await.unwrap().unwrap().value).await.unwrap();
    assert_eq!(steps[0].reason.as_deref(), Some("there is no current"));
    story.apply(&run).await;
    let asked = turned(&story).into_iter().filter(|lamp| lamp == "a").count();
    assert_eq!(asked, 4, "in a minute, in two, in four");
    assert!(story.toy.snapshot().values().all(|value| value.as_str() == "off"));
}

const FOUR: &str = "a: off, b: off, c: off, d: off";

/// Four lamps that are off, and whose rollback was asked for.
async fn going_back(only: &[&str]) -> (Story, RunId) {
    let story = Story::of("a: on, b: on, c: on, d: on");
    let run = story.enforce("beta 80%", FOUR).await;
    let only: Vec<FacetId> = only.iter().map(|name| facet(name)).collect();
    story.harness.ask_back(&run, &only, false).await;
    (story, run)
}

fn are(story: &Story) -> String {
    story.toy.snapshot().values().map(|value| value.as_str().to_owned()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_rollback_under_way_is_narrowed() {
    let (story, run) = going_back(&[]).await;
    story.toy.lamps().room = Some(1);
    let Progress::Settling { cursor, .. } = story.invoke(Direction::Rollback, &run).await.unwrap().unwrap() else { panic!() };
    assert_eq!(are(&story), "on off off off");

    story.harness.wait(1).await;
    let narrower = story.harness.ask_back(&run, &[facet("c")], false).await;
    assert!(matches!(narrower, RollbackAsked::Changed(_)), "{narrower:?}");
    story.toy.lamps().room = None;
    let progress = story.harness.invoke_from(Direction::Rollback, &run, 0, cursor).await.unwrap().unwrap();
    assert!(matches!(progress, Progress::Done { .. }), "{progress:?}");
    assert_eq!(are(&story), "on off on off");
}

#[tokio::test]
async fn widened_rollback_puts_back_the_facets_it_had_passed() {
    let (story, run) = going_back(&["d"]).await;
    story.toy.lamps().by_name.get_mut("d").unwrap().takes = 30;
    let Progress::Settling { cursor, .. } = story.invoke(Direction::Rollback, &run).await.unwrap().unwrap() else { panic!() };

    story.harness.wait(1).await;
    assert!(matches!(story.harness.ask_back(&run, &[], false).await, RollbackAsked::Changed(_)));
    story.harness.invoke_from(Direction::Rollback, &run, 0, cursor).await.unwrap().unwrap();
    assert_eq!(are(&story), "on on on off");
}

#[tokio::test]
async fn invocation_at_work_begins_again_when_the_request_changes() {
    let story = Story::of("a: on, b: on, c: on, d: on, e: on, f: on");
    let run = story.enforce("beta 80%", "a: off, b: off, c: off, d: off, e: off, f: off").await;
    story.harness.ask_back(&run, &[facet("c"), facet("e")], false).await;
    story.harness.gate.arm_for("turn c", Kind::Stall);
    let mut work = Box::pin(story.invoke(Direction::Rollback, &run));
    tokio::select! {
        biased;
        _ = &mut work => panic!("it does not stand still"),
        () = story.harness.gate.stall() => {}
    }
    story.harness.wait(1).await;
    assert!(matches!(story.harness.ask_back(&run, &[], false).await, RollbackAsked::Changed(_)));
    story.harness.gate.wake();
    let Some(Ok(Progress::Settling { cursor, .. })) = work.await else { panic!("it says that all is done") };
    story.harness.invoke_from(Direction::Rollback, &run, 0, cursor).await.unwrap().unwrap();
    assert_eq!(are(&story), "on on on on on on");
}

#[tokio::test]
async fn ending_execution_does_not_claim_requests_made_after_start() {
    let (story, run) = going_back(&["d"]).await;
    story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
    story.harness.wait(1).await;
    assert!(matches!(story.harness.ask_back(&run, &[], false).await, RollbackAsked::Changed(_)));
    let ended = Ended { direction: Direction::Rollback, try_number: Some(1), failures: Vec::new(), unfinished: Vec::new() };
    let closed = story.harness.runs().close(&run, &ended).await.unwrap();
    assert_eq!((closed.outcome, closed.run.state, closed.run.attempts.rollback), (Outcome::Continued, RunState::RollingBack, 2));
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    assert_eq!(are(&story), "on on on on");
}

#[tokio::test]
async fn a_run_that_is_over_is_not_looked_for_among_the_open_ones() {
    let story = Story::of("a: on");
    let (target, guardrail) = super::story::stage("beta 80%", "a: off");
    story.harness.truth.define(guardrail, Vec::new(), guardrails_model::pace::Pace::default()).await.unwrap();
    let run = story.enforce("beta 80%", "a: off").await;
    let open = async || story.harness.truth.open_runs(None).await.unwrap().into_iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(open().await, std::slice::from_ref(&run));
    story.put_back(&run).await;
    assert!(open().await.is_empty());
    assert!(story.harness.truth.stage_state(&target).await.unwrap().unwrap().value.over);
    let only: [FacetId; 1] = [facet("a")];
    assert!(matches!(story.harness.ask_back(&run, &only, false).await, RollbackAsked::NothingToDo(_)));
}
