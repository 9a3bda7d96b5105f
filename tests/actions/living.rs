//! Others who act by themselves while a run holds: schedulers and deployments. docs/living-with.md tells people the same.

use guardrails_model::clock::Clock;
use jiff::Timestamp;
use serde_json::json;

use crate::story::{Story, running};
use crate::world::{Group, Instance, Power};

/// A scheduler of office hours, which acts only when its own desired state changes, and does not notice others.
struct Scheduler {
    last: Option<Power>,
}

impl Scheduler {
    fn tick(&mut self, story: &Story, id: &str) {
        let now = story.world.clock.now().to_zoned(jiff::tz::TimeZone::UTC);
        let is_office = (8..18).contains(&now.hour())
            && !matches!(now.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
        let wanted = if is_office { Power::Running } else { Power::Stopped };
        if self.last != Some(wanted) {
            self.last = Some(wanted);
            story.world.account().instances.get_mut(id).unwrap().power = wanted;
        }
    }
}

async fn until(story: &Story, then: &str) {
    let then: Timestamp = then.parse().unwrap();
    story.harness.wait((then - story.world.clock.now()).get_seconds()).await;
}

#[tokio::test]
async fn instance_of_a_scheduler_is_stopped_and_released_running() {
    let story = Story::of(|account| {
        account.instance(running("i-1")).instance(running("i-2"));
    });
    let mut scheduler = Scheduler { last: None };
    // A Friday night: the schedule has stopped the first.
    until(&story, "2026-11-27T02:00:00Z").await;
    scheduler.tick(&story, "i-1");
    let run = story.stop_beta("beta 100%").await;
    assert_eq!(story.told(&run).await[0], "i-1: skipped (it was stopped already)");
    // Every hour of four days: the scheduler first, then a round.
    let mut ran = 0;
    for _ in 0..24 * 4 {
        story.hour().await;
        scheduler.tick(&story, "i-1");
        story.look(&run).await;
        ran += u32::from(story.is()[0] != "i-1 Stopped");
    }
    assert_eq!(ran, 0, "a round stops at once what the schedule started");
    until(&story, "2026-12-05T03:00:00Z").await;
    scheduler.tick(&story, "i-1");
    story.put_back(&run).await;
    assert_eq!(story.is(), ["i-1 Running", "i-2 Running"], "it ran when the run took it over");
    // On a Saturday, and the scheduler does not notice before its next change.
    for _ in 0..24 {
        story.hour().await;
        scheduler.tick(&story, "i-1");
    }
    assert_eq!(story.is()[0], "i-1 Running");
}

#[tokio::test]
async fn instance_of_a_scheduler_that_is_exempt_is_left_to_it() {
    let story = Story::of(|account| {
        account.instance(Instance::new("i-1", Power::Running, "Project=Beta Schedule=office-hours")).instance(running("i-2"));
    });
    let run = story.stop_beta_with("beta 100%", json!({"exempt": {"tag": {"Schedule": "office-hours"}}})).await;
    assert_eq!(story.is(), ["i-1 Running", "i-2 Stopped"]);
    story.put_back(&run).await;
    assert_eq!(story.is(), ["i-1 Running", "i-2 Running"]);
}

#[tokio::test]
async fn deployment_that_ends_beside_a_hold_terminates_nobody() {
    let story = Story::of(|account| {
        account.fleet(Group::new("fleet", 1, 2, 6).tag("Project=Beta").suspended(&["AZRebalance", "ReplaceUnhealthy"]));
        account.instance(running("i-1").in_group("fleet")).instance(running("i-2").in_group("fleet"));
    });
    let run = story.stop_beta("beta 100%").await;
    story.hour().await;
    // Its last step resumes its own two.
    story
        .world
        .account()
        .scaling("fleet")
        .suspended
        .retain(|process, _| !["AZRebalance", "ReplaceUnhealthy"].contains(&process.as_str()));
    for _ in 0..24 {
        story.hour().await;
        story.look(&run).await;
    }
    assert!(story.terminated().is_empty(), "{:?}", story.is());
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{:?}", story.told(&run).await);
    assert!(story.world.account().scaling("fleet").suspended.is_empty(), "{:?}", story.is());
}
