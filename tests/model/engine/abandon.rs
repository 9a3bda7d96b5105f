//! Facets that a person settled by hand: the run lets go of them, and others' holds stay theirs.

use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, Event};
use guardrails_model::runs::{AbandonRequest, Abandoned, Begun, Left, Outcome};

use super::story::{Story, stage};
use crate::fake_action::facet;
use crate::world::Kind;

async fn abandon(story: &Story, run: &RunId, only: &[&str]) -> Abandoned {
    let request = AbandonRequest {
        by: "ann".to_owned(),
        at: story.harness.clock.now(),
        why: "replaced by hand".to_owned(),
        only: only.iter().map(|name| name.parse().unwrap_or_else(|_| facet(name).into())).collect(),
        actions: Vec::new(),
        places: Vec::new(),
    };
    story.harness.runs().abandon(run, &request).await.expect("the ledger")
}

#[tokio::test]
async fn abandoned_facet_stays_as_it_is_and_the_run_is_over() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.toy.lamps().touched.clear();
    let done = abandon(&story, &run, &[]).await;
    assert!(matches!(&done, Abandoned::Done { let_go: 2, left, .. } if *left == Left::default()), "{done:?}");
    let all = "beta 80%: abandoned; a abandoned (replaced by hand), b abandoned (replaced by hand)";
    story.check(&["a: off", "b: off", all]).await;
    assert!(story.toy.lamps().touched.is_empty(), "nothing is changed");

    let (target, guardrail) = stage("beta 80%", "a: off, b: off");
    let slot = story.harness.truth.stage_state(&target).await.unwrap().unwrap().value;
    assert_eq!(
        (slot.over, slot.released.map(|released| (released.by, released.why))),
        (true, Some(("ann".into(), "replaced by hand".into())))
    );
    assert!(matches!(story.harness.alert(&target, &guardrail).await.unwrap(), Begun::Released(_)), "as after a rollback");
    let record = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let said = record.events.iter().find(|event| event.what.contains("settled by hand")).unwrap();
    assert_eq!((said.by.as_str(), said.what.contains("replaced by hand")), ("ann", true));
    assert!(matches!(abandon(&story, &run, &[]).await, Abandoned::NothingToDo(_)));
    let steps = story.harness.truth.all_steps(&record).await.unwrap();
    assert!(steps.iter().all(|step| step.events.latest().unwrap().by == "ann" && step.events[0].repeats().is_none()));
}

#[tokio::test]
async fn facet_of_another_run_keeps_its_before_and_comes_back_with_it() {
    for first_abandons in [true, false] {
        let story = Story::of("a: on");
        let first = story.enforce("beta 80%", "a: off").await;
        let second = story.enforce("gamma 80%", "a: off").await;
        let (abandoned, other) = if first_abandons { (&first, &second) } else { (&second, &first) };
        abandon(&story, abandoned, &[]).await;
        assert_eq!(story.toy.snapshot()["a"].as_str(), "off");
        story.put_back(other).await;
        assert_eq!(story.toy.snapshot()["a"].as_str(), "on");
    }
}

#[tokio::test]
async fn facet_abandoned_by_the_last_holder_is_not_turned() {
    let story = Story::of("a: on");
    let first = story.enforce("beta 80%", "a: off").await;
    let second = story.enforce("gamma 80%", "a: off").await;
    story.put_back(&first).await;
    abandon(&story, &second, &[]).await;
    let left = "beta 80%: rolled back; a rolled back (left as it is: `gamma` still holds it (gamma 80%))";
    story.check(&["a: off", left, "gamma 80%: abandoned; a abandoned (replaced by hand)"]).await;
}

#[tokio::test]
async fn some_is_abandoned_and_the_rest_is_put_back() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.toy.set("a: dim");
    story.put_back(&run).await;
    abandon(&story, &run, &["a"]).await;
    story.check(&["a: dim", "b: on", "beta 80%: abandoned; a abandoned (replaced by hand), b rolled back"]).await;

    let run = story.enforce("gamma 80%", "a: off, b: off").await;
    abandon(&story, &run, &["a"]).await;
    let state = story.harness.truth.run(&run).await.unwrap().unwrap().value.state;
    assert_eq!(state.words(), "enforced", "of b");
    story.put_back(&run).await;
    assert_eq!((story.toy.snapshot()["a"].as_str(), story.toy.snapshot()["b"].as_str()), ("off", "on"));
}

#[tokio::test]
async fn beside_an_execution_nothing_is_abandoned() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    assert!(matches!(abandon(&story, &run, &[]).await, Abandoned::Busy(_)));
    story.apply(&run).await;
    story.harness.ask_back(&run, &[], false).await;
    assert!(matches!(abandon(&story, &run, &[]).await, Abandoned::Busy(_)));
    story.check(&["a: off (was on, held by beta 80%)", "beta 80%: rolling back; a applied"]).await;
}

#[tokio::test]
async fn beside_a_look_nothing_is_abandoned() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.begin_look(&run).await;
    assert!(matches!(abandon(&story, &run, &[]).await, Abandoned::Busy(_)));
    story.apply(&run).await;
    assert!(matches!(abandon(&story, &run, &[]).await, Abandoned::Done { let_go: 1, .. }), "the look is over");
}

#[tokio::test]
async fn step_abandoned_before_it_was_begun_is_not_taken_by_a_look() {
    let (story, run) = Story::half_done().await;
    abandon(&story, &run, &["b"]).await;
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    let skipped = "b skipped (abandoned before it was begun: replaced by hand)";
    let is = ["a: off (was on, held by beta 80%)", "b: on"];
    story.check(&[is[0], is[1], &format!("beta 80%: enforced; a applied, {skipped}")]).await;
}

#[tokio::test]
async fn facet_of_a_dead_caller_is_not_abandoned_before_lease_ends() {
    let story = Story::of("a: on");
    let run = story.open("beta 80%", "a: off").await;
    story.harness.gate.arm_for("turn a", Kind::DieLate(74));
    assert!(story.invoke(Direction::Apply, &run).await.is_none());
    let ended = guardrails_model::runs::Ended {
        direction: Direction::Apply,
        try_number: None,
        failures: vec!["it died".to_owned()],
        unfinished: Vec::new(),
    };
    story.harness.runs().close(&run, &ended).await.unwrap();
    let done = abandon(&story, &run, &[]).await;
    assert!(matches!(&done, Abandoned::Done { let_go: 0, left, .. } if left.claimed.len() == 1), "{done:?}");
    story.check(&["a: on (was on, held by beta 80%)", "beta 80%: apply failed; a applying"]).await;
    story.harness.wait(100).await;
    abandon(&story, &run, &[]).await;
    story.check(&["a: off", "beta 80%: abandoned; a abandoned (replaced by hand)"]).await;
}

#[tokio::test]
async fn facet_that_joins_abandoned_scope_is_left_alone_until_rearm() {
    let story = Story::of("b: on, z: on");
    let run = story.enforce("beta 80%", "b: off, z: off, zz: off").await;
    for _ in 0..2 {
        abandon(&story, &run, &["lamp/z/", "lamp/zz/"]).await;
    }
    story.toy.set("zz: on");
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    let all = "beta 80%: enforced; b applied, z abandoned (replaced by hand)";
    story.check(&["b: off (was on, held by beta 80%)", "z: off", "zz: on", all]).await;
    let target = story.harness.truth.run(&run).await.unwrap().unwrap().value.target();
    assert!(story.harness.runs().rearm(&target).await.unwrap());
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    assert_eq!(story.toy.snapshot()["zz"].as_str(), "off");
}
