//! Groups, while the reconciler looks again at held changes.

use guardrails_model::runs::Outcome;

use super::{beta, four, member, story};
use crate::story::Story;
use crate::world::{Fault, Instance, Kind, Power};

/// The group of a run that left it alone, because one of its members was exempt, and is exempt no more.
async fn no_more_exempt() -> (Story, guardrails_model::ids::RunId) {
    let story = Story::of(|account| {
        beta(account, super::of(5));
        account.instance(Instance::new("i-5", Power::Running, "Project=Beta guardrails:exempt=true").in_group("fleet"));
    });
    let run = story.stop_beta("beta 80%").await;
    assert!(story.processes(&run).await.is_empty(), "{:?}", story.told(&run).await);
    story.world.account().instances.get_mut("i-5").unwrap().tags.remove("guardrails:exempt");
    (story, run)
}

async fn goes_and_comes_back(story: &Story, run: &guardrails_model::ids::RunId) {
    story.hour().await;
    let is = story.world.account().snapshot();
    assert!((1..=5).all(|at| is[&format!("i-{at}")] == "Stopped"), "{:#?}", story.told(run).await);
    assert_eq!((story.state(run).await, story.terminated()), ("enforced", Vec::new()));
    story.put_back(run).await;
    story.hour().await;
    let is = story.world.account().snapshot();
    assert!((1..=5).all(|at| is[&format!("i-{at}")] == "Running"), "{:#?}", story.told(run).await);
    assert!(story.world.account().scaling("fleet").suspended.is_empty());
    assert_eq!((story.state(run).await, story.terminated()), ("rolled back", Vec::new()));
}

#[tokio::test]
async fn group_left_alone_no_more_is_suspended_before_members_stop() {
    let (story, run) = no_more_exempt().await;
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    goes_and_comes_back(&story, &run).await;
}

#[tokio::test]
async fn look_at_such_a_group_that_dies_is_finished_by_the_next() {
    for at in 1.. {
        let (story, run) = no_more_exempt().await;
        story.harness.gate.arm(Fault { at, kind: Kind::DieBefore });
        story.harness.gate.until_death(Box::pin(story.look(&run))).await;
        let hit = story.harness.gate.hit();
        story.harness.gate.disarm();
        if hit.is_none() {
            assert!(at > 10, "the fault was never met");
            break;
        }
        story.harness.workflow.end_all();
        story.harness.wait(120).await;
        story.look(&run).await;
        goes_and_comes_back(&story, &run).await;
    }
}

#[tokio::test]
async fn a_group_that_a_person_put_back_may_grow_again() {
    let story = story(four());
    let run = story.stop_beta("beta 80%").await;
    let of_group = story.steps(&run).await.into_iter().filter(|step| step.label != "i-8");
    let of_group: Vec<String> = of_group.map(|step| step.facet.to_string()).collect();
    let only: Vec<&str> = of_group.iter().map(String::as_str).collect();
    story.put_back_by(&run, &only, false).await;
    story.hour().await;
    story.world.account().scaling("fleet").desired = 5;
    story.world.account().instance(member("i-5"));
    for _ in 0..2 {
        assert_eq!(story.look(&run).await, Outcome::Unchanged, "{:#?}", story.told(&run).await);
        story.hour().await;
    }
    let is = story.world.account().snapshot();
    assert_eq!((is["i-5"].as_str(), is["i-8"].as_str(), story.state(&run).await), ("Running", "Stopped", "enforced"));
    assert!(story.terminated().is_empty());
}
