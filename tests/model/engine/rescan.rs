//! A run that holds looks again: facets that came since are its too, and people's own changes are theirs.

use guardrails_model::ids::RunId;
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, PartPlan, RollbackRequest, Run};
use guardrails_model::runs::{Begun, Ended, Outcome, Rescanned, input};

use super::story::Story;
use crate::world::{Fault, Kind};

impl Story {
    /// A look that the reconciler asks for, begun and not yet carried out.
    pub(super) async fn begin_look(&self, run: &RunId) -> Run {
        let Rescanned::Started(run) = self.harness.runs().rescan(run).await.unwrap() else { panic!("no look was begun") };
        *run
    }

    /// The same, carried out as the state machine does. How it ended.
    pub(super) async fn look(&self, run: &RunId) -> Outcome {
        let run = self.begin_look(run).await;
        self.harness.open(&run).await.unwrap();
        self.harness.execute(Direction::Apply, &run.id).await.unwrap().outcome
    }

    /// A run of which `a` was turned off and `b` not begun when its execution died.
    pub(super) async fn half_done() -> (Self, RunId) {
        let story = Self::of("a: on, b: on");
        let run = story.open("beta 80%", "a: off, b: off").await;
        story.toy.lamps().room = Some(1);
        story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
        story.toy.lamps().room = None;
        let failures = vec!["it died".to_owned()];
        let ended = Ended { direction: Direction::Apply, try_number: Some(1), failures, unfinished: Vec::new() };
        story.harness.runs().close(&run, &ended).await.unwrap();
        story.harness.workflow.end_all();
        story.check(&["a: off (was on, held by beta 80%)", "b: on", "beta 80%: apply failed; a applied, b planned"]).await;
        (story, run)
    }

    async fn load(&self, run: &RunId) -> Run {
        self.harness.truth.run(run).await.unwrap().unwrap().value
    }

    /// How much was written down of a run and of its steps.
    async fn events(&self, run: &RunId) -> usize {
        let run = self.load(run).await;
        let steps = self.harness.truth.all_steps(&run).await.unwrap();
        run.events.len() + steps.iter().map(|step| step.events.len()).sum::<usize>()
    }
}

#[tokio::test]
async fn facet_that_came_since_becomes_a_step_and_comes_back() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.toy.set("b: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    let held = ["a: off (was on, held by beta 80%)", "b: off (was on, held by beta 80%)"];
    story.check(&[held[0], held[1], "beta 80%: enforced; a applied, b applied"]).await;
    story.put_back(&run).await;
    story.check(&["a: on", "b: on", "beta 80%: rolled back; a rolled back, b rolled back"]).await;
}

#[tokio::test]
async fn facet_that_somebody_turned_is_turned_again_and_keeps_before() {
    let story = Story::of("a: dim");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.set("a: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    story.check(&["a: off (was dim, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
    story.put_back(&run).await;
    story.check(&["a: dim", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn lamp_off_before_and_turned_on_since_comes_back_on() {
    let story = Story::of("a: off");
    let run = story.enforce("beta 80%", "a: off").await;
    story.check(&["a: off", "beta 80%: enforced; a skipped (it was off already)"]).await;
    story.toy.set("a: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn somebody_s_change_that_stays_is_said_and_told_once() {
    let story = Story::of("fixed: on");
    let run = story.enforce("beta 80%", "fixed: off").await;
    story.toy.set("fixed: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "people are told");
    let said = "beta 80%: enforced; fixed applied (somebody made it on meanwhile: it is left so)";
    story.check(&["fixed: on (was on, held by beta 80%)", said]).await;
    let events = story.events(&run).await;
    for _ in 0..3 {
        assert_eq!(story.look(&run).await, Outcome::Unchanged);
    }
    assert_eq!(story.events(&run).await, events);
    story.toy.set("fixed: off");
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "and when it is as wanted again");
    story.check(&["fixed: off (was on, held by beta 80%)", "beta 80%: enforced; fixed applied"]).await;
}

#[tokio::test]
async fn look_that_finds_nothing_tells_nobody_and_leaves_nothing() {
    let story = Story::of("a: on, b: off");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    let events = story.events(&run).await;
    for _ in 0..50 {
        assert_eq!(story.look(&run).await, Outcome::Unchanged);
        story.harness.wait(3600).await;
    }
    assert_eq!(story.events(&run).await, events);
    story
        .check(&["a: off (was on, held by beta 80%)", "b: off", "beta 80%: enforced; a applied, b skipped (it was off already)"])
        .await;
}

#[tokio::test]
async fn part_with_empty_scope_is_put_back_once_something_came() {
    let story = Story::of("");
    let run = story.enforce("beta 80%", "a: off").await;
    assert!(!story.load(&run).await.parts[0].has_steps());
    story.toy.set("a: on");
    story.look(&run).await;
    let held = story.load(&run).await;
    let back = Run { direction: Direction::Rollback, ..held };
    assert_eq!(input(&back).waves.concat().len(), 1, "a rollback passes over parts that have no steps");
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn piece_put_back_is_not_taken_again() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.put_back_only(&run, &["a"], false).await;
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    story.check(&["a: on", "b: off (was on, held by beta 80%)", "beta 80%: enforced; a rolled back, b applied"]).await;
}

#[tokio::test]
async fn step_put_back_before_it_was_begun_is_not_taken_by_a_look() {
    let (story, run) = Story::half_done().await;
    story.put_back_only(&run, &["b"], false).await;
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    let skipped = "b skipped (rolled back before it was begun)";
    let is = ["a: off (was on, held by beta 80%)", "b: on"];
    story.check(&[is[0], is[1], &format!("beta 80%: enforced; a applied, {skipped}")]).await;
}

#[tokio::test]
async fn facet_that_joins_a_piece_put_back_is_left_alone_until_rearm() {
    let desired = "a: off, b: off, attic-0-1-fuse: off, attic-1-0-new: off";
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", desired).await;
    let only = ["lamp/a/", "lamp/attic-0-1-fuse/"].map(|prefix| prefix.parse().unwrap()).into();
    let request = RollbackRequest { only, ..RollbackRequest::whole("ann", story.load(&run).await.began, "because") };
    for _ in 0..2 {
        story.harness.runs().roll_back(&run, &request).await.unwrap();
        story.harness.execute(Direction::Rollback, &run).await.unwrap();
    }
    // The fuse was asked for, and nothing else of its unit is turned without it.
    story.toy.set("attic-0-1-fuse: on, attic-1-0-new: on");
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    let held = "b: off (was on, held by beta 80%)";
    let known = "beta 80%: enforced; a rolled back, b applied";
    story.check(&["a: on", "attic-0-1-fuse: on", "attic-1-0-new: on", held, known]).await;

    assert!(story.harness.runs().rearm(&story.load(&run).await.target()).await.unwrap());
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    let is = story.toy.snapshot();
    assert_eq!((is["a"].as_str(), is["attic-0-1-fuse"].as_str(), is["attic-1-0-new"].as_str()), ("on", "off", "off"));
}

#[tokio::test]
async fn new_try_leaves_alone_facets_that_join_a_piece_put_back() {
    let story = Story::of("a: on, b: on");
    let run = story.open("beta 80%", "a: off, b: off, c: off").await;
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = Some("stuck");
    story.apply(&run).await;
    let only = ["lamp/a/", "lamp/c/"].map(|prefix| prefix.parse().unwrap()).into();
    let request = RollbackRequest { only, ..RollbackRequest::whole("ann", story.load(&run).await.began, "because") };
    story.harness.runs().roll_back(&run, &request).await.unwrap();
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    assert_eq!((story.load(&run).await.partial_rollbacks.len(), story.load(&run).await.state.words()), (1, "apply failed"));
    // An alert, as the reconciler's that tries it once a day: neither is a person who wants the piece enforced again.
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = None;
    let Begun::Started(again) = story.alert("beta 80%", "a: off, b: off, c: off").await else { panic!("not tried again") };
    story.apply(&again.id).await;
    story.toy.set("c: on");
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    assert_eq!((story.toy.snapshot()["c"].as_str(), story.load(&run).await.state.words()), ("on", "enforced"));
    assert!(story.harness.runs().rearm(&story.load(&run).await.target()).await.unwrap());
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    assert_eq!(story.toy.snapshot()["c"].as_str(), "off");
}

/// A unit is whole or not at all: a facet that is put back by itself stays so for as long as its run holds the rest.
#[tokio::test]
async fn unit_put_back_in_part_is_taken_again_by_another_run_only() {
    let desired = "b: off, hall-0-1-fuse: off, hall-1-0-lamp: off, hall-1-0-new: off";
    let story = Story::of("b: on, hall-0-1-fuse: on, hall-1-0-lamp: on");
    let run = story.enforce("beta 80%", desired).await;
    let only = ["lamp/hall-0-1-fuse/", "lamp/hall-1-0-lamp/"].map(|prefix| prefix.parse().unwrap()).into();
    let request = RollbackRequest { only, ..RollbackRequest::whole("ann", story.load(&run).await.began, "because") };
    story.harness.runs().roll_back(&run, &request).await.unwrap();
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    let target = story.load(&run).await.target();
    assert!(story.harness.runs().rearm(&target).await.unwrap());
    story.toy.set("hall-1-0-new: on");
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    assert!(["hall-0-1-fuse", "hall-1-0-lamp", "hall-1-0-new"].iter().all(|lamp| story.toy.snapshot()[*lamp].as_str() == "on"));

    story.put_back(&run).await;
    assert!(story.harness.runs().rearm(&target).await.unwrap());
    story.enforce("beta 80%", desired).await;
    assert!(story.toy.snapshot().values().all(|value| value.as_str() == "off"), "{:?}", story.toy.snapshot());
}

#[tokio::test]
async fn a_piece_is_remembered_once_and_single_facets_by_their_steps() {
    let story = Story::of("a: on, b: on, c: on");
    let run = story.enforce("beta 80%", "a: off, b: off, c: off").await;
    let asks = [&["lamp/a/light", "lamp/z/"][..], &["lamp/b/light"], &["lamp/z/", "lamp/c/light"]];
    for (count, only) in asks.into_iter().enumerate() {
        let only = only.iter().map(|selector| selector.parse().unwrap()).collect();
        let request = RollbackRequest { only, ..RollbackRequest::whole("ann", story.load(&run).await.began, "because") };
        story.harness.runs().roll_back(&run, &request).await.unwrap();
        let partial_rollbacks = story.load(&run).await.partial_rollbacks;
        assert!(
            partial_rollbacks.len() == 1 && partial_rollbacks[0].only == ["lamp/z/".parse().unwrap()],
            "{count}: {partial_rollbacks:?}"
        );
        story.harness.execute(Direction::Rollback, &run).await.unwrap();
    }
}

#[tokio::test]
async fn facet_that_came_to_a_unit_is_turned_in_its_order() {
    let story = Story::of("hall-0-1-fuse: on, hall-1-0-lamp: on");
    let run = story
        .enforce("beta 80%", "hall-0-1-fuse: off, hall-1-0-lamp: off, hall-1-0-new: off, attic-0-1-fuse: off, attic-1-0-new: off")
        .await;
    story.toy.set("hall-1-0-new: on, attic-0-1-fuse: on, attic-1-0-new: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    assert!(story.toy.snapshot().values().all(|value| value.as_str() == "off"), "{:?}", story.toy.snapshot());
    story.put_back(&run).await;
    assert!(story.toy.snapshot().values().all(|value| value.as_str() == "on"), "{:?}", story.toy.snapshot());
}

#[tokio::test]
async fn a_run_that_goes_back_gets_no_new_steps() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    let rescanning = story.begin_look(&run).await;
    story.harness.ask_back(&run, &[], false).await;
    story.toy.set("b: on");
    story.harness.executor().rescan(&rescanning.id, 0, &*story.toy.action("a: off, b: off")).await.unwrap();
    assert_eq!(story.harness.execute(Direction::Apply, &run).await.unwrap().outcome, Outcome::Superseded);
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    story.check(&["a: on", "b: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn step_written_beside_a_rollback_is_passed_by_next_execution() {
    let story = Story::of("a: on, b: off");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.harness.ask_back(&run, &[], false).await;
    // The rollback has passed `b`, which was left alone; a look that began before it writes now.
    story.invoke(Direction::Rollback, &run).await.unwrap().unwrap();
    let steps = story.harness.truth.steps(&story.load(&run).await, 0).await.unwrap();
    let step = steps.into_iter().find(|step| step.value.phase == Phase::Skipped).unwrap();
    let at = story.load(&run).await.began;
    let late = guardrails_model::ledger::Move::advance(step, None, Phase::Planned, None, at, "test").unwrap();
    story.harness.truth.save_moves(vec![late]).await.unwrap();
    let (failures, unfinished) = (Vec::new(), Vec::new());
    let ended = Ended { direction: Direction::Rollback, try_number: Some(1), failures, unfinished };
    assert_eq!(story.harness.runs().close(&run, &ended).await.unwrap().outcome, Outcome::Continued);
    assert_eq!(story.harness.execute(Direction::Rollback, &run).await.unwrap().outcome, Outcome::Succeeded);
    let skipped = "b skipped (rolled back before it was begun)";
    story.check(&["a: on", "b: off", &format!("beta 80%: rolled back; a rolled back, {skipped}")]).await;
}

#[tokio::test]
async fn step_written_beside_another_execution_is_done_by_the_next() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.begin_look(&run).await;
    story.invoke(Direction::Apply, &run).await.unwrap().unwrap();
    // The work is done; a plan whose execution has died goes on beside it, and sees more.
    story.toy.set("a: on");
    story.harness.executor().rescan(&run, 0, &*story.toy.action("a: off")).await.unwrap();
    let try_number = Some(story.load(&run).await.try_number());
    let ended = Ended { direction: Direction::Apply, try_number, failures: Vec::new(), unfinished: Vec::new() };
    assert_eq!(story.harness.runs().close(&run, &ended).await.unwrap().outcome, Outcome::Continued);
    assert_eq!(story.harness.execute(Direction::Apply, &run).await.unwrap().outcome, Outcome::Succeeded);
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn part_that_cannot_be_planned_again_fails_loudly_and_recovers() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.begin_look(&run).await;
    let failed = PartPlan::Failed { reason: "AccessDenied".to_owned() };
    let opened = story.harness.runs().open(&run, &[(0, failed)]).await.unwrap();
    assert_eq!(opened.parts[0].unseen.as_deref(), Some("AccessDenied"));
    assert_eq!(story.harness.execute(Direction::Apply, &run).await.unwrap().outcome, Outcome::Failed);
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: apply failed; a applied"]).await;
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "people are told that it is well again");
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn retry_of_a_part_that_could_not_be_looked_at_enforces_it() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.begin_look(&run).await;
    let failed = PartPlan::Failed { reason: "AccessDenied".to_owned() };
    story.harness.runs().open(&run, &[(0, failed)]).await.unwrap();
    story.harness.execute(Direction::Apply, &run).await.unwrap();
    story.harness.workflow.end_all();
    story.harness.runs().retry(&story.load(&run).await.target()).await.unwrap().expect("it is tried again");
    story.apply(&run).await;
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: enforced; a applied"]).await;
}

#[tokio::test]
async fn two_looks_at_once_are_one_execution() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    let before = story.harness.workflow.names().len();
    let runs = story.harness.runs();
    let (one, other) = futures::join!(runs.rescan(&run), runs.rescan(&run));
    let started = [one.unwrap(), other.unwrap()].into_iter().filter(|looked| matches!(looked, Rescanned::Started(_))).count();
    assert_eq!((started, story.harness.workflow.names().len()), (1, before + 1));
}

#[tokio::test]
async fn a_look_that_dies_anywhere_can_be_put_back() {
    for kind in [Kind::DieBefore, Kind::DieAfter] {
        for at in 1.. {
            let story = Story::of("a: on, c: off");
            let run = story.enforce("beta 80%", "a: off, b: off, c: off").await;
            story.toy.set("a: on, b: on, c: on");
            story.harness.gate.arm(Fault { at, kind });
            let ended = story.harness.gate.until_death(Box::pin(story.look(&run))).await;
            let hit = story.harness.gate.hit();
            story.harness.gate.disarm();
            story.harness.workflow.end_all();
            if hit.is_none() {
                assert!(at > 10 && ended.is_some(), "the fault was never met");
                break;
            }
            story.harness.wait(120).await;
            story.put_back(&run).await;
            let is = story.toy.snapshot();
            assert!(is.values().all(|value| value.as_str() == "on"), "dead at call {at}, {hit:?}: {is:?}");
            assert_eq!(story.load(&run).await.state.words(), "rolled back", "dead at call {at}, {hit:?}");
        }
    }
}
