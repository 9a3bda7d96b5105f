//! Tasks that do not stop, that find no room, and calls that are refused.

use guardrails_model::clock::Clock;
use guardrails_model::record::{Direction, RollbackRequest};
use jiff::Timestamp;
use serde_json::json;

use super::{HELD, beta, open, services, stopped, story};
use crate::story::{ANN, Story};
use crate::world::{Deployment, EcsService, Kind, ScalableTarget};

#[tokio::test]
async fn protected_tasks_are_told_and_their_protection_stays() {
    let story = story(services);
    story.world.account().service("beta/web").protected = 2;
    let run = stopped(&story).await;
    assert!(story.is().contains(&"beta/web tasks 2 of 0".to_owned()), "{:?}", story.is());
    let told = story.told(&run).await;
    assert!(
        told[1].contains("apply failed") && told[1].contains("2 of its tasks run still, 2 of them protected from scale-in"),
        "{told:?}"
    );
    assert_eq!(story.world.account().service("beta/web").protected, 2);
    // The way back does not wait for them.
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert_eq!(story.world.account().snapshot()["beta/web tasks"], "5 of 5", "{told:?}");
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn service_whose_tasks_never_start_is_stopped_all_the_same() {
    let story = story(|account| {
        account.ecs_service(EcsService { room: 1, ..beta("beta/web", 1) }).service("beta/web").set(5, Timestamp::UNIX_EPOCH);
    });
    assert_eq!(story.is(), ["beta/web tasks 1 of 5"]);
    let run = stopped(&story).await;
    assert_eq!(story.is(), ["beta/web tasks 0 of 0"], "{:?}", story.told(&run).await);
    assert_eq!(story.steps(&run).await[0].before.as_ref().unwrap().as_str(), "5", "the count that it wanted comes back");
}

#[tokio::test]
async fn want_of_room_on_the_way_back_is_waited_out() {
    let story = story(services);
    let run = stopped(&story).await;
    story.world.account().service("beta/web").room = 2;
    story.harness.runs().roll_back(&run, &request(&story)).await.unwrap();
    // The tasks that there is room for run; the others are waited for, and so is the scaling of the service.
    for _ in 0..20 {
        let _ = story.harness.invoke(Direction::Rollback, &run, 0).await;
        story.harness.wait(600).await;
    }
    assert!(
        story.is().contains(&HELD.to_owned()) && story.is().contains(&"beta/web tasks 2 of 5".to_owned()),
        "{:?}",
        story.is()
    );
    let told = story.told(&run).await;
    assert!(
        told[1].contains("rolling back") && told[1].contains("2 of 5 tasks run") && told[1].contains("unable to place a task"),
        "{told:?}"
    );
    story.world.account().service("beta/web").room = 5;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert!(story.is()[0].contains("min 2, max 6, in running"), "{:?}", story.is());
}

fn request(story: &Story) -> RollbackRequest {
    RollbackRequest {
        by: ANN.to_owned(),
        at: story.world.clock.now(),
        why: "because".to_owned(),
        only: Vec::new(),
        actions: Vec::new(),
        places: Vec::new(),
        force: false,
        armed: false,
    }
}

#[tokio::test]
async fn no_room_for_six_hours_fails_the_rollback_and_keeps_the_hold() {
    let story = story(services);
    let run = stopped(&story).await;
    story.world.account().service("beta/web").room = 2;
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(told[1].contains("rollback failed") && told[1].contains("unable to place a task"), "{told:?}");
    assert!(story.is().contains(&HELD.to_owned()), "{:?}", story.is());
    assert_eq!(story.world.account().service("beta/web").desired, 5, "ECS goes on trying");
    story.world.account().service("beta/web").room = 9;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn slow_images_of_windows_have_their_time() {
    let story = story(services);
    let run = stopped(&story).await;
    story.world.account().service("beta/web").takes = 50 * 60;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert_eq!(story.world.account().snapshot()["beta/web tasks"], "5 of 5");
}

#[tokio::test]
async fn throttled_calls_are_made_again() {
    let story = story(services);
    let before = story.is();
    for call in ["UpdateService", "RegisterScalableTarget", "DescribeScalableTargets"] {
        story.world.account().throttled.insert(call.to_owned(), 2);
    }
    let run = stopped(&story).await;
    assert!(story.is().contains(&HELD.to_owned()), "{:?}", story.told(&run).await);
    for call in ["UpdateService", "RegisterScalableTarget"] {
        story.world.account().throttled.insert(call.to_owned(), 2);
    }
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn lost_answers_are_not_taken_for_refusals() {
    for call in ["UpdateService", "RegisterScalableTarget"] {
        let story = story(services);
        let run = open(&story, "beta 80%", json!({})).await;
        story.harness.gate.arm_for(call, Kind::LostAnswer);
        story.apply(&run).await;
        assert_eq!(story.state(&run).await, "enforced", "{call}: {:?}", story.told(&run).await);
    }
}

#[tokio::test]
async fn deployment_between_the_two_changes_leaves_the_count_alone() {
    let story = story(|account| {
        account.ecs_service(beta("beta/web", 5)).scalable("beta/web", ScalableTarget::new(2, 6));
    });
    let before = story.is();
    let run = open(&story, "beta 80%", json!({})).await;
    story.harness.gate.arm_for("UpdateService", Kind::Refused);
    let _ = story.harness.invoke(Direction::Apply, &run, 0).await;
    assert!(story.is()[0].contains("min 0"), "{:?}", story.is());
    story.world.account().service("beta/web").deployments = vec![Deployment { status: "PRIMARY", rollout: "IN_PROGRESS" }];
    story.harness.wait(600).await;
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert_eq!(story.world.account().service("beta/web").desired, 5, "{told:?}");
    assert!(story.told(&run).await[1].contains("apply failed"), "it is said: {:?}", story.told(&run).await);
    story.world.account().service("beta/web").deployments = vec![Deployment { status: "PRIMARY", rollout: "COMPLETED" }];
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn service_exempted_between_the_two_changes_fails_loudly() {
    let story = story(|account| {
        account.ecs_service(beta("beta/web", 5)).scalable("beta/web", ScalableTarget::new(2, 6));
    });
    let before = story.is();
    let run = open(&story, "beta 80%", json!({})).await;
    story.harness.gate.arm_for("UpdateService", Kind::Refused);
    let _ = story.harness.invoke(Direction::Apply, &run, 0).await;
    story.world.account().service("beta/web").tags.insert("guardrails:exempt".to_owned(), String::new());
    story.harness.wait(600).await;
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert!(told[1].contains("apply failed (it carries the tag guardrails:exempt)"), "{told:?}");
    assert_eq!(story.state(&run).await, "apply failed");
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn force_lets_a_service_be_whose_tasks_never_all_ran() {
    let story = story(|account| {
        let one = EcsService { room: 1, ..beta("beta/web", 1) };
        account.ecs_service(one).scalable("beta/web", ScalableTarget::new(1, 6));
        account.service("beta/web").set(5, Timestamp::UNIX_EPOCH);
    });
    let before = story.is();
    let run = stopped(&story).await;
    story.world.account().service("beta/web").takes = 86_400;
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(told[1].contains("of 5 tasks run: roll back with --force not to wait for it"), "{told:?}");
    story.put_back_with_force(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    story.harness.wait(86_400).await;
    assert_eq!(story.is(), before);
}
