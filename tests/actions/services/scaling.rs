//! Application Auto Scaling: its changes of a count, and how they are kept off.

use std::sync::Arc;

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Planned};
use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use guardrails_testkit::{Wrapped, Wrapper};
use serde_json::json;

use super::{HELD, beta, open, stopped, story};
use crate::story::Story;
use crate::world::{Account, EcsService, ScalableTarget};

/// A service for which an alarm asks all the time.
fn alarmed(account: &mut Account) {
    account.ecs_service(EcsService { alarm: Some(4), ..beta("beta/web", 5) }).scalable("beta/web", ScalableTarget::new(2, 6));
}

/// Carried out, held for an hour in which scaling tries all that it does, and put back.
async fn held_for_an_hour(story: &Story) -> (Vec<String>, RunId) {
    let run = stopped(story).await;
    story.hour().await;
    story.world.account().scheduled_scaling("beta/web", 3, 8);
    story.hour().await;
    (story.is(), run)
}

#[tokio::test]
async fn alarm_and_schedule_do_not_wake_a_held_service() {
    let story = story(alarmed);
    let before = story.is();
    let (held, run) = held_for_an_hour(&story).await;
    assert_eq!(held, [HELD, "beta/web tasks 0 of 0"]);
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

/// The product's action, which does not know of targets.
struct CountsAlone(Arc<dyn Action>);

#[async_trait]
impl Wrapper for CountsAlone {
    fn inner(&self) -> &dyn Action {
        &*self.0
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let planned = self.0.plan().await?;
        Ok(planned.into_iter().filter(|one| one.facet.parts().0 == "task-count").collect())
    }
}

#[tokio::test]
async fn service_whose_scaling_is_not_suspended_is_not_stopped() {
    let story = Story::with(alarmed, |action| Arc::new(Wrapped(CountsAlone(action))));
    let before = story.is();
    let run = stopped(&story).await;
    let told = story.told(&run).await;
    assert!(told[0].contains("apply failed (its scaling is not suspended, and would start its tasks again)"), "{told:?}");
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn control_target_that_works_pulls_a_held_count_back() {
    let story = story(alarmed);
    stopped(&story).await;
    story.world.account().target("beta/web").suspended = [false; 3];
    story.hour().await;
    assert_eq!(story.world.account().service("beta/web").desired, 4, "the alarm pulls it up again");
}

#[tokio::test]
async fn target_deregistered_after_the_plan_is_not_made_anew() {
    let story = story(alarmed);
    let run = open(&story, "beta 80%", json!({})).await;
    story.world.account().ecs.targets.clear();
    story.apply(&run).await;
    assert_eq!(story.is(), ["beta/web tasks 0 of 0"], "{:?}", story.told(&run).await);
    story.put_back(&run).await;
    assert_eq!(story.is(), ["beta/web tasks 5 of 5"], "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn count_that_a_registered_target_pulled_up_is_put_back() {
    let story = story(alarmed);
    let before = story.is();
    let run = stopped(&story).await;
    let now = story.world.clock.now();
    // A pipeline registers the target with its own minimum, and Application Auto Scaling pulls the count up to it.
    story.world.account().target("beta/web").min = 2;
    story.world.account().service("beta/web").set(2, now);
    story.hour().await;
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn operator_s_flags_come_back_as_they_were() {
    for bits in 0..8 {
        let flags = [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0];
        let story = story(|account| {
            account.ecs_service(beta("beta/web", 5)).scalable("beta/web", ScalableTarget::new(2, 6).suspended(flags));
        });
        let run = stopped(&story).await;
        assert_eq!(story.is(), [HELD, "beta/web tasks 0 of 0"]);
        story.put_back(&run).await;
        assert_eq!(story.world.account().target("beta/web").suspended, flags);
    }
}

#[tokio::test]
async fn bounds_that_a_person_set_meanwhile_stay() {
    let story = story(alarmed);
    let run = stopped(&story).await;
    story.world.account().target("beta/web").max = 9;
    story.look(&run).await;
    let told = story.told(&run).await;
    assert!(told[0].contains("somebody made it min 0, max 9, in suspended"), "{told:?}");
    story.put_back(&run).await;
    let is = ["beta/web scaling min 2, max 9, in running, out running, scheduled running", "beta/web tasks 5 of 5"];
    assert_eq!(story.is(), is, "{:?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn target_that_is_deregistered_meanwhile_stays_so() {
    let story = story(alarmed);
    let run = stopped(&story).await;
    story.world.account().ecs.targets.clear();
    story.put_back(&run).await;
    assert_eq!(story.is(), ["beta/web tasks 5 of 5"], "{:?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn count_outside_the_bounds_is_noted_before_it_changes() {
    for (count, words, back) in
        [(1, "fewer tasks than its minimum of 2", "2 of 2"), (9, "more tasks than its maximum of 6", "6 of 6")]
    {
        let story = story(|account| {
            account.ecs_service(beta("beta/web", count)).scalable("beta/web", ScalableTarget::new(2, 6));
        });
        let run = open(&story, "beta 80%", json!({})).await;
        let note = story.steps(&run).await.into_iter().find_map(|step| step.note).unwrap();
        assert!(note.contains(words), "{note}");
        story.apply(&run).await;
        story.put_back(&run).await;
        story.hour().await;
        assert_eq!(story.world.account().snapshot()["beta/web tasks"], back);
        assert_eq!(story.state(&run).await, "rolled back");
    }
}
