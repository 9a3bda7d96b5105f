//! ECS services: their tasks end and come back in the number that they were, and nothing that scales them acts in between.

mod grants;
mod left_alone;
mod looks;
mod scaling;
mod trouble;
mod words;

use guardrails_model::ids::RunId;
use serde_json::{Value as Json, json};

use crate::story::Story;
use crate::world::{Account, EcsService, ScalableTarget};

/// A service in scope.
fn beta(name: &str, count: usize) -> EcsService {
    EcsService::new(name, count, "Project=Beta")
}

/// A service of five tasks that is scaled, one that is not, one that has no tasks already, and one of others. They are on several pages.
fn services(account: &mut Account) {
    account.ecs_service(beta("beta/web", 5)).scalable("beta/web", ScalableTarget::new(2, 6).suspended([false, false, true]));
    account.ecs_service(beta("beta/worker", 3)).ecs_service(beta("more/idle", 0));
    account.ecs_service(EcsService::new("more/other", 4, "Project=Gamma")).scalable("more/other", ScalableTarget::new(1, 9));
}

fn story(fill: impl FnOnce(&mut Account)) -> Story {
    Story::of(fill)
}

/// A run over the services that carry `Project=Beta`, planned.
async fn open(story: &Story, who: &str, more: Json) -> RunId {
    let mut params = json!({"tag": {"Project": "Beta"}});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    story.open(who, "stop-services", params).await
}

/// The same, carried out.
async fn stopped(story: &Story) -> RunId {
    let run = open(story, "beta 80%", json!({})).await;
    story.apply(&run).await;
    run
}

const HELD: &str = "beta/web scaling min 0, max 6, in suspended, out suspended, scheduled suspended";

#[tokio::test]
async fn services_stop_and_come_back_with_the_count_that_they_had() {
    let story = story(services);
    let before = story.is();
    let run = stopped(&story).await;
    let held = [
        HELD,
        "beta/web tasks 0 of 0",
        "beta/worker tasks 0 of 0",
        "more/idle tasks 0 of 0",
        "more/other scaling min 1, max 9, in running, out running, scheduled running",
        "more/other tasks 4 of 4",
    ];
    assert_eq!(story.is(), held, "{:#?}", story.told(&run).await);
    let told = [
        "scaling of service beta/web: applied",
        "service beta/web: applied",
        "service more/idle: skipped (it was 0 already)",
        "service beta/worker: applied",
    ];
    assert_eq!(story.told(&run).await, told);
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:#?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
    assert!(!story.world.account().touched.contains("more/other") && !story.world.account().touched.contains("more/idle"));
}

#[tokio::test]
async fn scaling_is_suspended_before_the_count_and_resumed_after_it() {
    let story = story(services);
    let run = open(&story, "beta 80%", json!({})).await;
    let changes = |story: &Story| {
        let calls = story.harness.gate.calls().into_iter();
        calls.filter(|call| call.starts_with("Register") || call.starts_with("Update")).collect::<Vec<_>>()
    };
    story.harness.gate.disarm();
    story.apply(&run).await;
    assert_eq!(changes(&story), ["RegisterScalableTarget", "UpdateService", "UpdateService"]);
    story.harness.gate.disarm();
    story.put_back(&run).await;
    assert_eq!(changes(&story), ["UpdateService", "UpdateService", "RegisterScalableTarget"]);
}

#[tokio::test]
async fn every_update_of_a_target_sends_bounds_and_all_flags() {
    let story = story(services);
    let run = stopped(&story).await;
    story.put_back(&run).await;
    let sent: Vec<Json> = story.world.requests_with("SuspendedState");
    let wanted = |min: u8, inward: bool| {
        json!({"ServiceNamespace": "ecs", "ResourceId": "service/beta/web", "ScalableDimension": "ecs:service:DesiredCount",
            "MinCapacity": min, "MaxCapacity": 6, "SuspendedState": {"DynamicScalingInSuspended": inward,
            "DynamicScalingOutSuspended": inward, "ScheduledScalingSuspended": true}})
    };
    assert_eq!(sent, [wanted(0, true), wanted(2, false)]);
}

#[tokio::test]
async fn services_of_two_regions_are_parts_of_one_run() {
    let story = story(|account| {
        account.ecs_service(beta("beta/web", 2)).ecs_service(beta("beta/far", 3).region("eu-west-1"));
    });
    let before = story.is();
    let run = stopped(&story).await;
    assert_eq!(story.is(), ["beta/web tasks 0 of 0", "eu-west-1/beta/far tasks 0 of 0"]);
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn facet_names_the_service_and_the_moment_it_was_made() {
    let story = story(|account| {
        let created = "2025-12-01T00:00:00.123Z".parse().unwrap();
        account.ecs_service(EcsService { created, ..beta("beta/web", 1) });
    });
    let run = open(&story, "beta 80%", json!({})).await;
    let facet = story.steps(&run).await.remove(0).facet;
    assert_eq!(facet.as_str(), "task-count/us-east-1/beta%2Fweb/2025-12-01T00:00:00.123Z");
}

#[tokio::test]
async fn protection_is_asked_only_of_services_that_are_stuck() {
    let story = story(services);
    stopped(&story).await;
    assert_eq!(story.world.account().calls.get("ListTasks"), None);
}

#[tokio::test]
async fn fifty_services_are_described_ten_a_call() {
    let story = story(|account| {
        for number in 0..51 {
            account.ecs_service(beta(&format!("beta/s{number}"), 1));
        }
        account.page = 100;
    });
    story.harness.gate.disarm();
    open(&story, "beta 80%", json!({})).await;
    let described = story.harness.gate.calls().iter().filter(|call| *call == "DescribeServices").count();
    assert_eq!(described, 2 * 6, "six for each of both parts");
}
