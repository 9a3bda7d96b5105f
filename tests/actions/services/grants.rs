//! The calls of a whole life, held against the grants of the function.

use serde_json::json;

use super::{beta, open, services, story};
use crate::actions::worked_example::recorded::{judge, keeps_to_its_regions};
use crate::world::{Cluster, HOME};

/// `cargo xtask rights` has an evaluator of its own judge the same.
#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let story = story(|account| {
        services(account);
        account.ecs_service(beta("beta/large", 2).on_ec2());
        let cluster = Cluster { instances: 2, providers: vec![("own", "fleet", true)] };
        account.ecs.clusters.insert((HOME.to_owned(), "beta".to_owned()), cluster);
        account.service("beta/worker").protected = 1;
    });
    let run = open(&story, "beta 80%", json!({})).await;
    story.apply(&run).await;
    story.put_back(&run).await;
    judge("stop-services", &story);
}

#[test]
fn rights_are_of_the_stage_s_regions_alone() {
    keeps_to_its_regions("stop-services");
}

#[tokio::test]
async fn service_that_loses_its_tag_is_named_when_refused() {
    let story = story(services);
    let run = super::stopped(&story).await;
    story.world.account().service("beta/worker").tags.clear();
    story.put_back(&run).await;
    let told = story.told(&run).await.into_iter().find(|step| step.starts_with("service beta/worker")).unwrap();
    assert!(told.contains("does not carry Project=Beta any more: give it back, and roll back again"), "{told}");
    assert_eq!(story.world.account().service("beta/web").desired, 5, "one that is refused costs the others nothing");
}
