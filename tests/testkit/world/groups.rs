//! Auto Scaling groups live, kill and are kept from it.

use super::Place;
use crate::world::{Check, Group, Instance, Member, Power};

/// The processes that a group must not run when its members are stopped.
const EIGHT: [&str; 8] = [
    "Launch",
    "Terminate",
    "HealthCheck",
    "ReplaceUnhealthy",
    "AZRebalance",
    "AlarmNotification",
    "ScheduledActions",
    "InstanceRefresh",
];

fn member(id: &str) -> Instance {
    Instance::new(id, Power::Running, "Project=Beta").in_group("fleet")
}

/// A group of two that wants two.
fn fleet(group: Group) -> Place {
    Place::of(|account| {
        account.fleet(group).instance(member("i-1")).instance(member("i-2"));
    })
}

fn two() -> Group {
    Group::new("fleet", 0, 2, 4).tag("Project=Beta").own_tag("Owner=ann")
}

#[tokio::test]
async fn a_stopped_member_is_terminated_and_replaced() {
    let place = fleet(two());
    place.stop(&["i-1"]).await.unwrap();
    place.wait(300);
    assert_eq!(place.roll("fleet"), ["i-2 InService Healthy", "i-fleet-1 InService Healthy"]);
    assert_eq!(place.terminated(), ["i-1"]);
    let all = ["fleet processes ", "fleet size 0 <= 2 <= 4", "i-1 Terminated", "i-2 Running", "i-fleet-1 Running"];
    assert_eq!(place.snapshot(), all);
    let tags = &place.world.account().instances["i-fleet-1"].tags;
    let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(tags, [("Project", "Beta"), ("aws:autoscaling:groupName", "fleet")]);
}

#[tokio::test]
async fn a_group_that_only_a_member_implies_replaces_it_too() {
    let place = Place::of(|account| {
        account.instance(member("i-1"));
    });
    place.stop(&["i-1"]).await.unwrap();
    place.wait(300);
    assert_eq!(place.snapshot(), ["i-1 Terminated", "i-fleet-1 Running"]);
}

#[tokio::test]
async fn stopped_member_of_group_without_its_processes_is_left_alone() {
    let place = fleet(two());
    place.suspend("fleet", &EIGHT).await.unwrap();
    place.stop(&["i-1"]).await.unwrap();
    place.wait(3600);
    assert_eq!(place.roll("fleet"), ["i-1 InService Healthy", "i-2 InService Healthy"]);
    let processes = "AZRebalance, AlarmNotification, HealthCheck, InstanceRefresh, Launch, ReplaceUnhealthy, ScheduledActions, \
                     Terminate";
    let all = [format!("fleet processes {processes}"), "fleet size 0 <= 2 <= 4".to_owned()];
    assert_eq!(place.snapshot(), [&all[..], &["i-1 Stopped".to_owned(), "i-2 Running".to_owned()]].concat());
    assert!(place.terminated().is_empty());
    assert_eq!(place.world.account().touched.iter().collect::<Vec<_>>(), ["fleet", "i-1"]);
}

#[tokio::test]
async fn each_suspended_process_keeps_group_from_its_own_work_only() {
    let becomes = async |suspended: &str| {
        let place = fleet(two().suspended(&[suspended]));
        place.stop(&["i-1"]).await.unwrap();
        place.wait(300);
        place.roll("fleet")
    };
    let replaced = ["i-2 InService Healthy", "i-fleet-1 InService Healthy"];
    let marked = ["i-1 InService Unhealthy", "i-2 InService Healthy"];
    assert_eq!(becomes("HealthCheck").await, ["i-1 InService Healthy", "i-2 InService Healthy"]);
    assert_eq!(becomes("ReplaceUnhealthy").await, marked);
    assert_eq!(becomes("Terminate").await, marked);
    assert_eq!(becomes("Launch").await, ["i-2 InService Healthy"]);
    assert_eq!(becomes("AZRebalance").await, replaced);
}

/// A group whose member was stopped, found unhealthy and started again, while nothing could be terminated.
async fn with_a_member_marked_unhealthy() -> Place {
    let place = fleet(two());
    place.suspend("fleet", &["Terminate", "ReplaceUnhealthy", "Launch"]).await.unwrap();
    place.stop(&["i-1"]).await.unwrap();
    place.wait(60);
    place.start(&["i-1"]).await.unwrap();
    place.wait(600);
    assert_eq!(place.roll("fleet"), ["i-1 InService Unhealthy", "i-2 InService Healthy"]);
    place
}

#[tokio::test]
async fn resumed_group_kills_running_member_marked_unhealthy() {
    let place = with_a_member_marked_unhealthy().await;
    place.resume("fleet", &["ReplaceUnhealthy"]).await.unwrap();
    place.wait(60);
    assert!(place.terminated().is_empty());
    place.resume("fleet", &["Terminate"]).await.unwrap();
    place.wait(60);
    assert_eq!(place.terminated(), ["i-1"]);
}

#[tokio::test]
async fn resuming_spares_a_member_that_was_set_healthy() {
    let place = with_a_member_marked_unhealthy().await;
    place.set_health("i-1", "Healthy").await.unwrap();
    // No names mean all processes.
    place.resume("fleet", &[]).await.unwrap();
    place.wait(3600);
    assert!(place.terminated().is_empty());
    assert_eq!(place.roll("fleet"), ["i-1 InService Healthy", "i-2 InService Healthy"]);
    let unknown = place.set_health("i-9", "Healthy").await;
    assert_eq!(unknown.unwrap_err(), "ValidationError: Instance Id not found - No managed instance found for instance ID i-9");
}

#[tokio::test]
async fn a_member_that_is_terminating_already_cannot_be_set_healthy() {
    let place = with_a_member_marked_unhealthy().await;
    place.resume("fleet", &["Terminate", "ReplaceUnhealthy"]).await.unwrap();
    assert_eq!(place.roll("fleet")[0], "i-1 Terminating Unhealthy");
    place.set_health("i-1", "Healthy").await.unwrap_err();
}

#[tokio::test]
async fn process_that_an_operator_suspended_keeps_its_reason() {
    let place = fleet(two().suspended(&["AZRebalance"]));
    place.suspend("fleet", &["AZRebalance", "Launch"]).await.unwrap();
    let groups = place.auto_scaling.describe_auto_scaling_groups().send().await.unwrap();
    let suspended = groups.auto_scaling_groups()[0].suspended_processes().iter();
    let suspended: Vec<_> = suspended.map(|process| process.suspension_reason().unwrap_or_default()).collect();
    assert_eq!(suspended, ["User suspended at 2026-11-01T08:00:00Z", "User suspended at 2026-11-23T01:46:53Z"]);
    place.resume("fleet", &["Launch"]).await.unwrap();
    assert_eq!(place.world.account().scaling("fleet").suspended_processes(), ["AZRebalance"]);
    let wrong = place.suspend("fleet", &["Everything"]).await.unwrap_err();
    assert!(wrong.starts_with("ValidationError: "), "{wrong}");
    let missing = place.suspend("fleets", &["Launch"]).await.unwrap_err();
    assert!(missing.contains("AutoScalingGroup name not found"), "{missing}");
}

#[tokio::test]
async fn an_activity_that_has_begun_runs_to_its_end() {
    let place = fleet(Group::new("fleet", 0, 3, 4));
    place.wait(10);
    assert_eq!(activities(&place).await, ["Launching a new EC2 instance: i-fleet-1 InProgress"]);
    place.suspend("fleet", &EIGHT).await.unwrap();
    assert_eq!(place.roll("fleet")[2], "i-fleet-1 Pending Healthy");
    place.wait(15);
    assert_eq!(activities(&place).await, ["Launching a new EC2 instance: i-fleet-1 Successful"]);
    assert_eq!(place.roll("fleet")[2], "i-fleet-1 InService Healthy");
}

async fn activities(place: &Place) -> Vec<String> {
    let mut pages = place.auto_scaling.describe_scaling_activities().auto_scaling_group_name("fleet").into_paginator().send();
    let mut told = Vec::new();
    while let Some(page) = pages.next().await {
        for activity in page.unwrap().activities() {
            let status = activity.status_code().map(aws_sdk_autoscaling::types::ScalingActivityStatusCode::as_str);
            told.push(format!("{} {}", activity.description().unwrap_or_default(), status.unwrap_or_default()));
        }
    }
    told
}

#[tokio::test]
async fn suspended_terminate_does_not_protect_member_not_in_service() {
    let place = Place::of(|account| {
        let pending = Instance::new("i-1", Power::Running, "").in_group_as("fleet", Member::new("Pending"));
        account.fleet(Group::new("fleet", 0, 1, 1).suspended(&EIGHT)).instance(pending);
    });
    place.stop(&["i-1"]).await.unwrap();
    place.wait(60);
    assert_eq!(place.terminated(), ["i-1"]);
    assert_eq!(
        activities(&place).await,
        ["Terminating EC2 instance: i-1 Successful", "Launching a new EC2 instance: i-1 Failed"]
    );
}

#[tokio::test]
async fn members_in_standby_and_in_the_warm_pool_are_not_judged() {
    let place = Place::of(|account| {
        let stopped =
            |id: &str, lifecycle: &str| Instance::new(id, Power::Stopped, "").in_group_as("fleet", Member::new(lifecycle));
        account.fleet(Group::new("fleet", 0, 0, 2).warm_pool());
        account.instance(stopped("i-1", "Standby")).instance(stopped("i-2", "Warmed:Stopped"));
    });
    place.wait(3600);
    assert!(place.terminated().is_empty());
    let groups = place.auto_scaling.describe_auto_scaling_groups().send().await.unwrap();
    assert_eq!(groups.auto_scaling_groups()[0].warm_pool_size(), Some(1));
}

#[tokio::test]
async fn a_group_goes_to_zero_and_comes_back_with_other_instances() {
    let place = Place::of(|account| {
        let spared = Instance::new("i-3", Power::Running, "").in_group_as("fleet", Member::new("InService").protected());
        account.fleet(Group::new("fleet", 1, 3, 4)).instance(member("i-1")).instance(member("i-2")).instance(spared);
    });
    let update = || place.auto_scaling.update_auto_scaling_group().auto_scaling_group_name("fleet");
    let wrong = update().desired_capacity(5).send().await.map_err(super::why).unwrap_err();
    assert_eq!(wrong, "ValidationError: Desired capacity:5 must be between the specified min size:1 and max size:4");
    update().min_size(0).desired_capacity(0).max_size(0).send().await.unwrap();
    place.wait(60);
    assert_eq!(place.terminated(), ["i-1", "i-2"]);
    assert_eq!(place.roll("fleet"), ["i-3 InService Healthy"]);
    update().min_size(1).desired_capacity(3).max_size(4).send().await.unwrap();
    place.wait(60);
    assert_eq!(place.roll("fleet").len(), 3);
    assert_eq!(place.world.account().scaling("fleet").size(), "1 <= 3 <= 4");
}

#[tokio::test]
async fn checks_count_where_the_group_uses_them_and_after_its_grace() {
    let ill = async |group: Group, seconds| {
        let place = fleet(group.suspended(&["Launch", "Terminate"]));
        let mut account = place.world.account();
        account.instances.get_mut("i-1").unwrap().impaired = Some(Check::Ebs);
        account.failing.extend([("tg-1".to_owned(), "i-2".to_owned()), ("lb-1".to_owned(), "i-2".to_owned())]);
        drop(account);
        place.wait(seconds);
        let roll = place.roll("fleet").into_iter().filter(|member| member.ends_with("Unhealthy"));
        roll.map(|member| member.split_whitespace().next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert!(ill(two(), 600).await.is_empty());
    assert_eq!(ill(two().ebs(), 600).await, ["i-1"]);
    assert_eq!(ill(two().elb("tg-1"), 600).await, ["i-2"]);
    assert_eq!(ill(two().classic_elb("lb-1"), 600).await, ["i-2"]);
    assert_eq!(ill(two().elb("tg-1").ebs(), 600).await, ["i-1", "i-2"]);
    assert!(ill(two().elb("tg-2"), 600).await.is_empty());
}

#[tokio::test]
async fn failed_checks_do_not_count_in_the_grace_of_a_new_member() {
    let place = Place::of(|account| {
        account.fleet(Group::new("fleet", 0, 1, 1).elb("tg-1").grace(300));
        account.failing.insert(("tg-1".to_owned(), "i-fleet-1".to_owned()));
    });
    place.wait(240);
    assert_eq!(place.roll("fleet"), ["i-fleet-1 InService Healthy"]);
    place.set_health("i-fleet-1", "Unhealthy").await.unwrap();
    assert_eq!(place.roll("fleet"), ["i-fleet-1 InService Healthy"]);
    place.wait(150);
    assert_eq!(place.terminated(), ["i-fleet-1"]);
}

#[tokio::test]
async fn a_group_is_told_with_all_that_it_has() {
    let place = fleet(
        two().mixed_instances().elb("tg-1").classic_elb("lb-1").ebs().grace(60).refresh("Successful").refresh("InProgress"),
    );
    let groups = place.auto_scaling.describe_auto_scaling_groups().auto_scaling_group_names("fleet").send().await.unwrap();
    let [group] = groups.auto_scaling_groups() else { panic!("{groups:?}") };
    assert_eq!((group.min_size(), group.desired_capacity(), group.max_size()), (Some(0), Some(2), Some(4)));
    assert_eq!((group.health_check_type(), group.health_check_grace_period()), (Some("EBS,ELB"), Some(60)));
    assert_eq!((group.target_group_arns(), group.load_balancer_names()), (&["tg-1".to_owned()][..], &["lb-1".to_owned()][..]));
    assert!(group.mixed_instances_policy().is_some() && group.launch_template().is_none());
    let tags = group.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.propagate_at_launch()));
    assert_eq!(tags.collect::<Vec<_>>(), [("Project", Some(true)), ("Owner", Some(false))]);
    let members = group.instances().iter().map(|member| (member.instance_id(), member.health_status()));
    assert_eq!(members.collect::<Vec<_>>(), [(Some("i-1"), Some("Healthy")), (Some("i-2"), Some("Healthy"))]);
    let refreshes = place.auto_scaling.describe_instance_refreshes().auto_scaling_group_name("fleet").send().await.unwrap();
    let refreshes =
        refreshes.instance_refreshes().iter().filter_map(|refresh| refresh.status()).map(|status| status.as_str().to_owned());
    assert_eq!(refreshes.collect::<Vec<_>>(), ["InProgress", "Successful"]);
}

#[tokio::test]
async fn a_group_that_is_being_deleted_says_so_and_refuses() {
    let place = fleet(two().being_deleted());
    let groups = place.auto_scaling.describe_auto_scaling_groups().send().await.unwrap();
    assert_eq!(groups.auto_scaling_groups()[0].status(), Some("Delete in progress"));
    let refused = place.suspend("fleet", &["Launch"]).await.unwrap_err();
    assert_eq!(refused, "ValidationError: Processes may not be suspended while the AutoScaling group is pending delete");
}

#[tokio::test]
async fn groups_and_members_come_in_pages() {
    let place = Place::of(|account| {
        for number in 0..7 {
            let name = format!("fleet-{number}");
            account.fleet(Group::new(&name, 0, 1, 1).tag(if number < 5 { "Project=Beta" } else { "Project=Gamma" }));
            account.instance(Instance::new(&format!("i-{number}"), Power::Running, "").in_group(&name));
        }
    });
    let filter = aws_sdk_autoscaling::types::Filter::builder().name("tag:Project").values("Beta").build();
    let call = place.auto_scaling.describe_auto_scaling_groups().filters(filter).max_records(100).include_instances(false);
    let (mut pages, mut found) = (call.into_paginator().send(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.auto_scaling_groups().iter().all(|group| group.instances().is_empty()));
        found.push(page.auto_scaling_groups().len());
    }
    assert_eq!(found, [3, 2]);
    let (mut pages, mut found) = (place.auto_scaling.describe_auto_scaling_instances().into_paginator().send(), 0);
    while let Some(page) = pages.next().await {
        found += page.unwrap().auto_scaling_instances().len();
    }
    assert_eq!(found, 7);
}

#[tokio::test]
async fn listings_of_groups_lag_behind_as_well() {
    let place = fleet(two());
    place.world.account().lag = 5;
    place.suspend("fleet", &["Launch"]).await.unwrap();
    let suspended = async || {
        let groups = place.auto_scaling.describe_auto_scaling_groups().send().await.unwrap();
        groups.auto_scaling_groups()[0].suspended_processes().len()
    };
    place.wait(4);
    assert_eq!(suspended().await, 0);
    place.wait(1);
    assert_eq!(suspended().await, 1);
}
