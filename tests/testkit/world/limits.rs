//! Regions and token buckets, and how it fares with thousands.

use std::sync::Arc;

use super::{Place, why};
use crate::world::{Buckets, Group, Instance, Power, World};

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("i-{number:05}")).collect()
}

/// So many running instances, EC2's documented limits, and the largest pages.
fn many(count: usize) -> Place {
    Place::of(|account| {
        for id in ids(count) {
            account.instance(Instance::new(&id, Power::Running, "Project=Beta"));
        }
        account.page = 1000;
        account.buckets = Some(Buckets::documented());
    })
}

#[tokio::test]
async fn regions_are_apart() {
    let home = Place::of(|account| {
        account.fleet(Group::new("fleet", 0, 1, 1)).fleet(Group::new("fleet", 0, 1, 1).in_region("eu-west-1"));
        account.instance(Instance::new("i-1", Power::Running, "").in_group("fleet"));
        account.instance(Instance::new("i-2", Power::Running, "").in_region("eu-west-1").in_group("fleet"));
    });
    let away = Place::at("eu-west-1", &home.world);
    assert_eq!((home.ids().await, away.ids().await), (vec!["i-1".to_owned()], vec!["i-2".to_owned()]));
    let refused = home.stop(&["i-2"]).await.unwrap_err();
    assert!(refused.starts_with("InvalidInstanceID.NotFound: "), "{refused}");
    away.suspend("fleet", &[]).await.unwrap();
    away.stop(&["i-2"]).await.unwrap();
    home.wait(120);
    let snapshot = home.world.account().snapshot();
    assert_eq!((snapshot["eu-west-1/i-2"].as_str(), snapshot["i-1"].as_str()), ("Stopped", "Running"));
    assert_eq!(snapshot["fleet processes"], "");
    assert_eq!(home.world.account().touched.iter().collect::<Vec<_>>(), ["eu-west-1/fleet", "eu-west-1/i-2"]);
    assert!(snapshot["eu-west-1/fleet processes"].contains("HealthCheck"));
    let regions = home.ec2.describe_regions().send().await.unwrap();
    let names = regions.regions().iter().filter_map(|region| region.region_name());
    assert_eq!(names.collect::<Vec<_>>(), ["eu-west-1", "us-east-1"]);
}

#[tokio::test]
async fn a_region_that_the_organization_refuses_refuses_every_call() {
    let world = Arc::new(World::default());
    world.account().closed_region("ap-south-1");
    let place = Place::at("ap-south-1", &world);
    let refused = place.ec2.describe_instances().send().await.map_err(why).unwrap_err();
    assert!(refused.starts_with("UnauthorizedOperation: "), "{refused}");
    assert!(refused.ends_with("with an explicit deny in a service control policy"), "{refused}");
    let refused = place.suspend("fleet", &[]).await.unwrap_err();
    assert!(refused.starts_with("AccessDenied: "), "{refused}");
    let unknown = Place::at("me-south-1", &world).stop(&["i-1"]).await.unwrap_err();
    assert!(unknown.starts_with("AuthFailure: "), "{unknown}");
}

#[tokio::test]
async fn thousand_stops_go_through_at_once_and_20_more_each_second() {
    let place = many(1200);
    let ids = ids(1200);
    let stop = async |from: usize, to: usize| {
        let ids: Vec<&str> = ids[from..to].iter().map(String::as_str).collect();
        place.stop(&ids).await
    };
    for from in (0..1000).step_by(50) {
        stop(from, from + 50).await.unwrap();
    }
    assert_eq!(stop(1000, 1001).await.unwrap_err(), "RequestLimitExceeded: Request limit exceeded.");
    place.wait(1);
    // A refused call takes nothing.
    stop(1000, 1021).await.unwrap_err();
    stop(1000, 1020).await.unwrap();
    stop(1020, 1021).await.unwrap_err();
    place.wait(8);
    let account = place.world.account();
    assert_eq!(account.instances.values().filter(|instance| instance.power == Power::Stopped).count(), 1020);
    assert_eq!(account.calls["StopInstances"], (24, 3));
}

#[tokio::test]
async fn five_starts_go_through_at_once_and_two_more_each_second() {
    let place = many(20);
    let through = async || {
        let mut count = 0;
        while place.start(&["i-00001"]).await.is_ok() {
            count += 1;
        }
        count
    };
    assert_eq!(through().await, 5);
    place.wait(1);
    assert_eq!(through().await, 2);
    place.wait(3600);
    assert_eq!(through().await, 5);
}

#[tokio::test]
async fn full_listings_cost_more_than_pages_and_regions_have_buckets() {
    let home = many(20);
    home.world.account().regions.insert("eu-west-1".to_owned());
    let away = Place::at("eu-west-1", &home.world);
    for _ in 0..50 {
        home.ec2.describe_instances().send().await.unwrap();
    }
    home.ec2.describe_instances().send().await.unwrap_err();
    away.ec2.describe_instances().send().await.unwrap();
    for _ in 0..100 {
        home.ec2.describe_instances().max_results(5).send().await.unwrap();
    }
    home.ec2.describe_instances().max_results(5).send().await.unwrap_err();
    assert_eq!(home.world.account().calls["DescribeInstances"], (153, 2));
}

#[tokio::test]
async fn ten_thousand_members_stop_and_start_in_no_time() {
    let place = Place::of(|account| {
        account.page = 1000;
        account.fleet(Group::new("fleet", 0, 10_000, 10_000));
        for id in ids(10_000) {
            account.instance(Instance::new(&id, Power::Running, "Project=Beta").in_group("fleet"));
        }
    });
    place.suspend("fleet", &[]).await.unwrap();
    let ids = ids(10_000);
    let batches: Vec<Vec<&str>> = ids.chunks(50).map(|batch| batch.iter().map(String::as_str).collect()).collect();
    for batch in &batches {
        place.stop(batch).await.unwrap();
        place.wait(1);
    }
    place.wait(8);
    assert_eq!(place.ids().await.len(), 10_000);
    for batch in &batches {
        place.start(batch).await.unwrap();
        place.wait(1);
    }
    place.wait(8);
    place.resume("fleet", &[]).await.unwrap();
    place.wait(3600);
    let mut account = place.world.account();
    assert!(account.terminated.is_empty());
    assert!(account.scaling("fleet").roll().iter().all(|member| member.ends_with("InService Healthy")));
}

#[tokio::test]
async fn ten_thousand_members_go_to_zero_and_others_come_in_no_time() {
    let place = Place::of(|account| {
        account.fleet(Group::new("fleet", 0, 10_000, 10_000).suspended(&["HealthCheck"]));
        for id in ids(10_000) {
            account.instance(Instance::new(&id, Power::Running, "").in_group("fleet"));
        }
    });
    for size in [0, 10_000] {
        let update = place.auto_scaling.update_auto_scaling_group().auto_scaling_group_name("fleet");
        update.min_size(0).desired_capacity(size).max_size(size).send().await.unwrap();
        place.wait(60);
        assert_eq!(place.roll("fleet").len(), usize::try_from(size).unwrap());
    }
}
