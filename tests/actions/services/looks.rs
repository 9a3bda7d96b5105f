//! Services that others change or delete while they are held.

use guardrails_model::clock::Clock;

use super::{beta, services, stopped, story};
use crate::world::{Deployment, EcsService};

#[tokio::test]
async fn count_that_a_deployment_set_is_told_and_stays() {
    let story = story(services);
    let run = stopped(&story).await;
    story.hour().await;
    let now = story.world.clock.now();
    story.world.account().service("beta/web").set(3, now);
    story.look(&run).await;
    assert_eq!(story.world.account().service("beta/web").desired, 3);
    let told = story.told(&run).await;
    assert!(told[1].contains("somebody made it 3 meanwhile: it is left so"), "{told:?}");
    story.put_back(&run).await;
    let is = story.is();
    assert!(is.contains(&"beta/web tasks 3 of 3".to_owned()), "{is:?}");
    assert!(is[0].contains("scaling min 2, max 6, in running, out running"), "its scaling works again: {is:?}");
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn service_that_is_deleted_meanwhile_costs_the_others_nothing() {
    for inactive in [true, false] {
        let story = story(services);
        let run = stopped(&story).await;
        if inactive {
            story.world.account().service("beta/web").status = "INACTIVE";
        } else {
            story.world.account().ecs.services.retain(|key, _| key.2 != "web");
        }
        story.world.account().ecs.targets.clear();
        story.put_back(&run).await;
        let told = story.told(&run).await;
        assert!(told.iter().any(|step| step.starts_with("service beta/web: rolled back (nothing to put back")), "{told:?}");
        assert_eq!(story.world.account().snapshot()["beta/worker tasks"], "3 of 3");
        assert_eq!(story.state(&run).await, "rolled back");
    }
}

#[tokio::test]
async fn cluster_that_is_deleted_meanwhile_leaves_nothing_to_put_back() {
    let story = story(services);
    let run = stopped(&story).await;
    story.world.account().ecs = crate::world::Account::default().ecs;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn service_that_was_made_anew_gets_nothing_back() {
    let story = story(services);
    let run = stopped(&story).await;
    let created = story.world.clock.now();
    story.world.account().ecs_service(EcsService { created, ..beta("beta/web", 1) });
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(told[1].contains("was deleted, and another was made under its name"), "{told:?}");
    assert_eq!(story.world.account().service("beta/web").desired, 1);
}

#[tokio::test]
async fn way_back_waits_for_a_deployment_that_began_meanwhile() {
    let story = story(services);
    let run = stopped(&story).await;
    story.world.account().service("beta/web").deployments = vec![Deployment { status: "PRIMARY", rollout: "IN_PROGRESS" }];
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(told[1].contains("rollback failed") && told[1].contains("a deployment of it is under way"), "{told:?}");
    assert!(story.is().contains(&super::HELD.to_owned()), "its scaling comes after its tasks: {:?}", story.is());
    story.world.account().service("beta/web").deployments = vec![Deployment { status: "PRIMARY", rollout: "COMPLETED" }];
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert!(story.is()[0].contains("min 2, max 6, in running"), "{:?}", story.is());
}
