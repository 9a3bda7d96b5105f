//! Services that are left alone, each with its reason, before anything is called.

use guardrails_model::clock::Clock;
use guardrails_model::record::Direction;
use serde_json::json;

use super::{beta, open, story};
use crate::world::{Deployment, EcsService, ScalableTarget};

type Made = fn(EcsService) -> EcsService;

fn deployments(service: EcsService, rollouts: &[(&'static str, &'static str)]) -> EcsService {
    let deployments = rollouts.iter().map(|(status, rollout)| Deployment { status, rollout }).collect();
    EcsService { deployments, ..service }
}

fn tagged(mut service: EcsService, key: &str, value: &str) -> EcsService {
    service.tags.insert(key.to_owned(), value.to_owned());
    service
}

const REASONS: &[(Made, &str)] = &[
    (|service| EcsService { strategy: "DAEMON", ..service }, "it is a DAEMON service, which has no count"),
    (|service| EcsService { express: true, ..service }, "it is an ECS Express service"),
    (|service| EcsService { controller: "CODE_DEPLOY", ..service }, "CodeDeploy deploys it"),
    (|service| EcsService { controller: "EXTERNAL", ..service }, "its deployments are made by another controller (EXTERNAL)"),
    (|service| EcsService { volumes: true, ..service }, "its tasks have EBS volumes of their own"),
    (|service| EcsService { status: "DRAINING", ..service }, "it is draining"),
    (|service| deployments(service, &[("PRIMARY", "FAILED")]), "its last deployment failed"),
    (|service| tagged(service, "guardrails:exempt", ""), "it carries the tag guardrails:exempt"),
    (|service| tagged(service, "guardrails:release", ""), "it carries the tag guardrails:release"),
    (|service| tagged(service, "aws:cloudformation:stack-name", "guardrails"), "the guardrails themselves stand on it"),
];

const DEPLOYING: &[(Made, &str)] = &[
    (|service| deployments(service, &[("PRIMARY", "IN_PROGRESS")]), "a deployment of it is under way"),
    (|service| deployments(service, &[("PRIMARY", "COMPLETED"), ("ACTIVE", "COMPLETED")]), "a deployment of it is under way"),
];

#[tokio::test]
async fn each_reason_is_known_before_any_change_is_called() {
    for (made, words) in REASONS.iter().chain(DEPLOYING) {
        let story = story(|account| {
            account.ecs_service(made(beta("beta/web", 5))).scalable("beta/web", ScalableTarget::new(2, 6));
            account.ecs_service(beta("beta/worker", 1));
        });
        let run = open(&story, "beta 80%", json!({})).await;
        story.apply(&run).await;
        let told = story.told(&run).await;
        let of_web: Vec<&String> = told.iter().filter(|step| step.starts_with("service beta/web")).collect();
        assert!(of_web.len() == 1 && of_web[0].contains("skipped") && of_web[0].contains(words), "{words}: {told:?}");
        let account = story.world.account();
        assert!(!account.touched.contains("beta/web"), "{words}");
        assert_eq!(account.snapshot()["beta/worker tasks"], "0 of 0", "{words}: the others go on");
    }
}

#[tokio::test]
async fn each_reason_is_looked_for_again_before_the_change() {
    for (made, words) in REASONS {
        let story = story(|account| {
            account.ecs_service(beta("beta/web", 5)).scalable("beta/web", ScalableTarget::new(2, 6));
        });
        let run = open(&story, "beta 80%", json!({})).await;
        let service = made(story.world.account().service("beta/web").clone());
        story.world.account().ecs_service(service);
        story.apply(&run).await;
        let told = story.told(&run).await;
        assert!(told.iter().all(|step| step.contains("skipped") && step.contains(words)), "{words}: {told:?}");
        assert!(!story.world.account().touched.contains("beta/web"), "{words}");
    }
}

#[tokio::test]
async fn deployment_after_the_plan_is_waited_for() {
    for (made, words) in DEPLOYING {
        let story = story(|account| {
            account.ecs_service(beta("beta/web", 5)).scalable("beta/web", ScalableTarget::new(2, 6));
        });
        let run = open(&story, "beta 80%", json!({})).await;
        let service = made(story.world.account().service("beta/web").clone());
        story.world.account().ecs_service(service);
        for _ in 0..5 {
            story.harness.invoke(Direction::Apply, &run, 0).await.unwrap().unwrap();
            story.harness.wait(300).await;
        }
        let told = story.told(&run).await;
        assert!(told[0].contains("applying") && told[0].contains(words), "{told:?}");
        assert!(!story.world.account().touched.contains("beta/web"), "{told:?}");
        story.world.account().ecs_service(beta("beta/web", 5));
        story.apply(&run).await;
        assert_eq!(story.is(), [super::HELD, "beta/web tasks 0 of 0"], "{:?}", story.told(&run).await);
    }
}

#[tokio::test]
async fn parked_service_is_neither_held_nor_started() {
    let story = story(|account| {
        account.ecs_service(beta("beta/web", 0)).scalable("beta/web", ScalableTarget::new(2, 6));
    });
    let before = story.is();
    let run = super::stopped(&story).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn service_parked_after_the_plan_keeps_its_scaling() {
    let story = story(|account| {
        account.ecs_service(beta("beta/web", 5)).scalable("beta/web", ScalableTarget::new(2, 6));
    });
    let run = open(&story, "beta 80%", json!({})).await;
    let now = story.world.clock.now();
    story.world.account().service("beta/web").set(0, now);
    story.hour().await;
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert!(told[0].contains("skipped (its service has no tasks, below its minimum of 2"), "{told:?}");
    story.put_back(&run).await;
    assert_eq!(story.is()[1], "beta/web tasks 0 of 0", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn volumes_are_lost_where_the_stage_says_so() {
    let story = story(|account| {
        account.ecs_service(EcsService { volumes: true, ..beta("beta/web", 5) });
    });
    let run = open(&story, "beta 80%", json!({"volume-data": "lose"})).await;
    story.apply(&run).await;
    assert_eq!(story.is(), ["beta/web tasks 0 of 0"], "{:?}", story.told(&run).await);
}
