//! Application Auto Scaling: its changes of provisioned concurrency, and how they are kept off.

use std::sync::Arc;

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Planned};
use guardrails_testkit::{Wrapped, Wrapper};
use serde_json::{Value as Json, json};

use super::{SCALING, beta, is, stopped, story};
use crate::story::Story;
use crate::world::{Account, HOME, ScalableTarget};

/// A function for whose alias an alarm asks all the time.
fn alarmed(account: &mut Account) {
    account.lambda_function(beta("orders").reserving(20).alias("live", "1").provisions("live", 5));
    account.scalable_function("orders:live", ScalableTarget::new(2, 8));
    account.lambda.alarms.insert((HOME.to_owned(), "orders:live".to_owned()), 4);
}

/// The product's action, which does not know of some facets.
struct Without(Arc<dyn Action>, &'static str);

#[async_trait]
impl Wrapper for Without {
    fn inner(&self) -> &dyn Action {
        &*self.0
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let planned = self.0.plan().await?;
        Ok(planned.into_iter().filter(|one| one.facet.parts().0 != self.1).collect())
    }
}

fn without(kind: &'static str) -> Story {
    Story::with(alarmed, move |action| Arc::new(Wrapped(Without(action, kind))))
}

#[tokio::test]
async fn alarm_does_not_provision_for_a_held_function() {
    let story = story(alarmed);
    let before = story.is();
    let run = stopped(&story).await;
    story.hour().await;
    assert_eq!(story.is(), ["orders reserved 0", "orders:live provisioned none", SCALING]);
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn function_whose_scaling_works_keeps_its_concurrency() {
    let story = without("function-scaling");
    let before = story.is();
    let run = stopped(&story).await;
    let why = story.reason(&run, "provisioned concurrency of function orders:live").await;
    assert_eq!(why, "its scaling is not suspended, and would provision it again");
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn control_target_that_works_provisions_again() {
    let story = story(alarmed);
    stopped(&story).await;
    let mut account = story.world.account();
    account.lambda.targets.values_mut().for_each(|target| target.suspended = [false; 3]);
    account.function("orders").reserved = None;
    drop(account);
    assert_eq!(is(&story, "orders:live provisioned"), "4", "the alarm provisions again");
}

#[tokio::test]
async fn control_function_with_provisioned_concurrency_is_refused() {
    let story = without("provisioned-concurrency");
    let run = stopped(&story).await;
    let why = story.reason(&run, "function orders").await;
    assert!(why.contains("InvalidParameterValueException"), "its provisioned concurrency has to go first: {why}");
    assert_eq!(is(&story, "orders reserved"), "20");
}

#[tokio::test]
async fn every_update_of_a_target_sends_bounds_and_all_flags() {
    let story = story(super::functions);
    let run = stopped(&story).await;
    story.put_back(&run).await;
    let wanted = |min: u8, inward: bool| {
        json!({"ServiceNamespace": "lambda", "ResourceId": "function:orders:live",
            "ScalableDimension": "lambda:function:ProvisionedConcurrency", "MinCapacity": min, "MaxCapacity": 8,
            "SuspendedState": {"DynamicScalingInSuspended": inward, "DynamicScalingOutSuspended": inward,
            "ScheduledScalingSuspended": true}})
    };
    let sent: Vec<Json> = story.world.requests_with("SuspendedState");
    assert_eq!(sent, [wanted(0, true), wanted(2, false)]);
}

#[tokio::test]
async fn bounds_that_a_person_set_meanwhile_stay() {
    let story = story(super::functions);
    let run = stopped(&story).await;
    story.world.account().lambda.targets.values_mut().for_each(|target| target.max = 6);
    story.look(&run).await;
    assert!(story.reason(&run, "scaling of function orders:live").await.contains("somebody made it min 0, max 6"));
    story.put_back(&run).await;
    let back = ["orders:live scaling", "orders:live provisioned"].map(|name| is(&story, name));
    assert_eq!(back, ["min 2, max 6, in running, out running, scheduled suspended", "5"], "{:?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn target_without_provisioned_concurrency_is_not_written() {
    let story = story(|account| {
        account.lambda_function(beta("orders").alias("live", "1")).scalable_function("orders:live", ScalableTarget::new(2, 8));
    });
    let before = story.is();
    let run = stopped(&story).await;
    let why = story.reason(&run, "scaling of function orders:live").await;
    assert!(why.starts_with("it has no provisioned concurrency, below its minimum of 2"), "{why}");
    assert_eq!(is(&story, "orders reserved"), "0", "the rest of it is stopped");
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn number_outside_the_bounds_is_noted_before_it_changes() {
    for (number, words) in [(1, "1 are fewer than its minimum of 2"), (10, "10 are more than its maximum of 8")] {
        let story = story(|account| {
            account.lambda_function(beta("orders").alias("live", "1").provisions("live", number));
            account.scalable_function("orders:live", ScalableTarget::new(2, 8));
        });
        let run = stopped(&story).await;
        let note = story.step(&run, "scaling of function orders:live").await.note.unwrap();
        assert!(note.starts_with(words), "{note}");
    }
}

#[tokio::test]
async fn reserved_concurrency_lowered_meanwhile_keeps_no_source_off() {
    let story = story(super::functions);
    let run = stopped(&story).await;
    story.world.account().function("orders").reserved = Some(3);
    story.put_back(&run).await;
    let why = story.reason(&run, "provisioned concurrency of function orders:live").await;
    assert!(why.contains("reservedConcurrentExecution"), "{why}");
    assert_eq!((is(&story, "orders reserved"), is(&story, "source u-1")), ("3".to_owned(), "Enabled".to_owned()));
}
