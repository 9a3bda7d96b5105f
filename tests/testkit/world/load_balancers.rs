//! Load balancers: their answers about members, and the time of these.

use aws_sdk_elasticloadbalancing::Client as Classic;
use aws_sdk_elasticloadbalancing::types::Instance as Registered;
use aws_sdk_elasticloadbalancingv2::Client as Balancers;
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;

use super::{Place, why};
use crate::world::{Group, Instance, Power};

/// A group of two behind a target group and a classic load balancer, which can do nothing to its members.
fn behind_two() -> Place {
    Place::of(|account| {
        account.fleet(Group::new("fleet", 0, 2, 2).elb("tg-1").classic_elb("lb-1").suspended(&[
            "Launch",
            "Terminate",
            "HealthCheck",
        ]));
        account.instance(Instance::new("i-1", Power::Running, "").in_group("fleet"));
        account.instance(Instance::new("i-2", Power::Running, "").in_group("fleet"));
        account.instance(Instance::new("i-3", Power::Running, ""));
    })
}

/// The answers of the target group and of the classic load balancer, such as `i-1 healthy` and `i-1 InService`.
async fn told(place: &Place) -> [Vec<String>; 2] {
    let answer = Balancers::new(&place.world.config()).describe_target_health().target_group_arn("tg-1").send().await.unwrap();
    let targets = answer.target_health_descriptions().iter().map(|described| {
        let id = described.target().and_then(TargetDescription::id).unwrap_or_default();
        let health = described.target_health().expect("its health");
        let reason = health.reason().map(|reason| format!(" {}", reason.as_str())).unwrap_or_default();
        format!("{id} {}{reason}", health.state().expect("a state").as_str())
    });
    let answer = Classic::new(&place.world.config()).describe_instance_health().load_balancer_name("lb-1").send().await.unwrap();
    let instances = answer.instance_states().iter();
    let instances =
        instances.map(|told| format!("{} {}", told.instance_id().unwrap_or_default(), told.state().unwrap_or_default()));
    [targets.collect(), instances.collect()]
}

#[tokio::test]
async fn started_member_serves_only_some_seconds_after_it_runs() {
    let place = behind_two();
    assert_eq!(told(&place).await, [["i-1 healthy", "i-2 healthy"], ["i-1 InService", "i-2 InService"]]);
    place.stop(&["i-1"]).await.unwrap();
    place.wait(8);
    let stopped = [["i-1 unused Target.InvalidState", "i-2 healthy"], ["i-1 OutOfService", "i-2 InService"]];
    assert_eq!(told(&place).await, stopped);
    place.start(&["i-1"]).await.unwrap();
    place.wait(8 + 19);
    let failing = [["i-1 unhealthy Target.FailedHealthChecks", "i-2 healthy"], ["i-1 OutOfService", "i-2 InService"]];
    assert_eq!(told(&place).await, failing);
    place.wait(1);
    assert_eq!(told(&place).await, [["i-1 healthy", "i-2 healthy"], ["i-1 InService", "i-2 InService"]]);
}

#[tokio::test]
async fn group_resumed_before_started_member_serves_terminates_it() {
    let place = behind_two();
    place.stop(&["i-1"]).await.unwrap();
    place.wait(8);
    place.start(&["i-1"]).await.unwrap();
    // It runs, and its target group does not see that yet when the group looks at it.
    place.wait(30);
    place.world.account().initializing = 120;
    place.resume("fleet", &[]).await.unwrap();
    place.wait(60);
    assert_eq!(place.terminated(), ["i-1"]);
}

#[tokio::test]
async fn a_member_that_was_just_launched_begins() {
    let place = Place::of(|account| {
        account.fleet(Group::new("fleet", 0, 1, 1).elb("tg-1").classic_elb("lb-1")).initializing = 120;
    });
    place.wait(60);
    assert_eq!(told(&place).await, [["i-fleet-1 initial Elb.InitialHealthChecking"], ["i-fleet-1 OutOfService"]]);
    assert_eq!(place.roll("fleet"), ["i-fleet-1 InService Healthy"]);
}

#[tokio::test]
async fn missing_balancer_or_target_is_said() {
    let place = behind_two();
    let (balancers, classic) = (Balancers::new(&place.world.config()), Classic::new(&place.world.config()));
    let missing = balancers.describe_target_health().target_group_arn("tg-9").send().await.map_err(why).unwrap_err();
    assert_eq!(missing, "TargetGroupNotFound: Target groups 'tg-9' not found");
    let missing = classic.describe_instance_health().load_balancer_name("lb-9").send().await.map_err(why).unwrap_err();
    assert!(missing.starts_with("LoadBalancerNotFound: "), "{missing}");
    let target = TargetDescription::builder().id("i-3").build();
    let answer = balancers.describe_target_health().target_group_arn("tg-1").targets(target).send().await.unwrap();
    let reason = answer.target_health_descriptions()[0].target_health().and_then(|health| health.reason());
    assert_eq!(reason.map(aws_sdk_elasticloadbalancingv2::types::TargetHealthReasonEnum::as_str), Some("Target.NotRegistered"));
    let stranger = classic.describe_instance_health().load_balancer_name("lb-1");
    let refused = stranger.instances(Registered::builder().instance_id("i-3").build()).send().await.map_err(why).unwrap_err();
    assert!(refused.starts_with("InvalidInstance: "), "{refused}");
}
