//! Instances: their listings, and the properties that keep them from being stopped and started.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Instance as Told};

use super::{Place, why};
use crate::world::{Address, Check, Instance, Power, Spot};

fn running(id: &str) -> Instance {
    Instance::new(id, Power::Running, "Project=Beta")
}

async fn told(place: &Place, id: &str) -> Told {
    let answer = place.ec2.describe_instances().instance_ids(id).send().await.unwrap();
    answer.reservations()[0].instances()[0].clone()
}

#[tokio::test]
async fn an_instance_is_told_with_all_that_it_has() {
    let launched = "2026-11-20T10:00:00Z".parse().unwrap();
    let place = Place::of(|account| {
        let plain = running("i-1").of_type("m5d.large").launched(launched).profile("web").hibernates();
        account.instance(plain.public_address(Address::Elastic));
        account.instance(running("i-2").spot(Spot::Persistent).managed_by("eks.amazonaws.com").public_address(Address::Assigned));
    });
    let first = told(&place, "i-1").await;
    assert_eq!(first.instance_type().map(aws_sdk_ec2::types::InstanceType::as_str), Some("m5d.large"));
    assert_eq!(first.launch_time().map(aws_smithy_types::DateTime::secs), Some(launched.as_second()));
    assert_eq!(first.root_device_type().map(aws_sdk_ec2::types::DeviceType::as_str), Some("ebs"));
    assert_eq!(first.platform_details(), Some("Linux/UNIX"));
    let profile = first.iam_instance_profile().and_then(aws_sdk_ec2::types::IamInstanceProfile::arn);
    assert_eq!(profile, Some("arn:aws:iam::123456789012:instance-profile/web"));
    assert_eq!(first.hibernation_options().and_then(aws_sdk_ec2::types::HibernationOptions::configured), Some(true));
    assert_eq!(address(&first), (Some("198.51.100.1"), Some("123456789012")));
    assert!(first.instance_lifecycle().is_none() && first.operator().is_some_and(|operator| operator.managed() == Some(false)));
    let second = told(&place, "i-2").await;
    assert_eq!(second.instance_lifecycle().map(aws_sdk_ec2::types::InstanceLifecycleType::as_str), Some("spot"));
    assert_eq!(second.spot_instance_request_id(), Some("sir-2"));
    assert_eq!(second.operator().and_then(|operator| operator.principal()), Some("eks.amazonaws.com"));
    assert_eq!(address(&second).1, Some("amazon"));
}

fn address(instance: &Told) -> (Option<&str>, Option<&str>) {
    let association = instance.network_interfaces().first().and_then(|interface| interface.association());
    (instance.public_ip_address(), association.and_then(|association| association.ip_owner_id()))
}

#[tokio::test]
async fn an_assigned_address_goes_with_a_stop_and_another_comes() {
    let place = Place::of(|account| {
        account.instance(running("i-1").public_address(Address::Assigned));
        account.instance(running("i-2").public_address(Address::Elastic));
    });
    let addresses = async || {
        (address(&told(&place, "i-1").await).0.map(str::to_owned), address(&told(&place, "i-2").await).0.map(str::to_owned))
    };
    let before = addresses().await;
    place.stop(&["i-1", "i-2"]).await.unwrap();
    place.wait(8);
    assert_eq!(addresses().await, (None, before.1.clone()));
    let reason = told(&place, "i-1").await;
    assert_eq!(reason.state_reason().and_then(|reason| reason.code()), Some("Client.UserInitiatedShutdown"));
    place.start(&["i-1", "i-2"]).await.unwrap();
    place.wait(8);
    let after = addresses().await;
    assert_ne!(after.0, before.0);
    assert_eq!(after.1, before.1);
}

#[tokio::test]
async fn unstoppable_instance_fails_the_whole_call_in_ec2_words() {
    let place = Place::of(|account| {
        account.instance(running("i-protected").protected()).instance(running("i-store").instance_store_root());
        account.instance(running("i-once").one_time_spot()).instance(running("i-fleet").spot(Spot::Fleet));
        account.instance(running("i-eks").managed_by("eks.amazonaws.com"));
        account.instance(Instance::new("i-pending", Power::Pending, "")).instance(running("i-free"));
    });
    for (id, refusal) in [
        ("i-protected", "OperationNotPermitted: The instance 'i-protected' may not be stopped. Modify its 'disableApiStop'"),
        (
            "i-store",
            "UnsupportedOperation: The instance 'i-store' does not have an 'ebs' root device type and cannot be stopped.",
        ),
        ("i-once", "UnsupportedOperation: You can't stop the Spot Instance 'i-once' because it is associated with a one-time"),
        ("i-fleet", "UnsupportedOperation: You can't stop the Spot Instance 'i-fleet'"),
        ("i-eks", "OperationNotPermitted: "),
        ("i-pending", "IncorrectInstanceState: The instance 'i-pending' is not in a state from which it can be stopped."),
        ("i-gone", "InvalidInstanceID.NotFound: The instance ID 'i-gone' does not exist"),
    ] {
        let refused = place.stop(&["i-free", id]).await.unwrap_err();
        assert!(refused.starts_with(refusal), "{refused}");
    }
    place.wait(60);
    assert!(place.snapshot().contains(&"i-free Running".to_owned()));
}

#[tokio::test]
async fn only_what_was_launched_for_it_hibernates() {
    let place = Place::of(|account| {
        account.instance(running("i-1").hibernates()).instance(running("i-2"));
    });
    let hibernate = |id: &str| place.ec2.stop_instances().instance_ids(id).hibernate(true).send();
    hibernate("i-1").await.unwrap();
    let refused = hibernate("i-2").await.map_err(why).unwrap_err();
    assert!(refused.starts_with("UnsupportedHibernationConfiguration: "), "{refused}");
}

#[tokio::test]
async fn starts_fail_for_want_of_capacity_and_at_the_limit_of_vcpus() {
    let place = Place::of(|account| {
        let stopped = |id: &str| Instance::new(id, Power::Stopped, "");
        let until = "2026-11-23T02:46:53Z".parse().unwrap();
        account.instance(stopped("i-1").refusing_start(1)).instance(stopped("i-2").over_the_limit(1));
        account.instance(stopped("i-3").over_the_limit_until(until));
    });
    let refused = place.start(&["i-1"]).await.unwrap_err();
    assert!(refused.starts_with("InsufficientInstanceCapacity: "), "{refused}");
    for id in ["i-2", "i-3"] {
        let refused = place.start(&[id]).await.unwrap_err();
        assert!(refused.starts_with("VcpuLimitExceeded: "), "{refused}");
    }
    place.start(&["i-1", "i-2"]).await.unwrap();
    place.wait(3599);
    place.start(&["i-3"]).await.unwrap_err();
    place.wait(1);
    place.start(&["i-3"]).await.unwrap();
    place.wait(8);
    assert_eq!(place.snapshot(), ["i-1 Running", "i-2 Running", "i-3 Running"]);
}

#[tokio::test]
async fn start_under_disabled_key_ends_stopped_with_the_reason() {
    let place = Place::of(|account| {
        account.instance(Instance::new("i-1", Power::Stopped, "").key_disabled());
    });
    place.start(&["i-1"]).await.unwrap();
    assert_eq!(place.snapshot(), ["i-1 Pending"]);
    place.wait(8);
    assert_eq!(place.snapshot(), ["i-1 Stopped"]);
    let told = told(&place, "i-1").await;
    let why = told.state_reason().and_then(aws_sdk_ec2::types::StateReason::message);
    assert_eq!(why, Some("Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"));
}

#[tokio::test]
async fn checks_are_initializing_after_a_start_and_then_as_they_are() {
    let place = Place::of(|account| {
        account.instance(Instance::new("i-1", Power::Stopped, "")).instance(running("i-2"));
        account.instances.get_mut("i-2").unwrap().impaired = Some(Check::System);
    });
    let statuses = async || {
        let answer = place.ec2.describe_instance_status().send().await.unwrap();
        let told = answer.instance_statuses().iter().map(|status| {
            let system = status.system_status().and_then(|status| status.status()).expect("a status");
            let instance = status.instance_status().and_then(|status| status.status()).expect("a status");
            let volumes = status.attached_ebs_status().and_then(|status| status.status()).expect("a status");
            let checks = [system.as_str(), instance.as_str(), volumes.as_str()].join(" ");
            (status.instance_id().unwrap_or_default().to_owned(), checks)
        });
        told.collect::<BTreeMap<_, _>>()
    };
    // Only the running are told.
    assert_eq!(statuses().await, BTreeMap::from([("i-2".to_owned(), "impaired ok ok".to_owned())]));
    place.start(&["i-1"]).await.unwrap();
    place.wait(8 + 19);
    assert_eq!(statuses().await["i-1"], "initializing initializing initializing");
    place.wait(1);
    assert_eq!(statuses().await["i-1"], "ok ok ok");
    let all = place.ec2.describe_instance_status().include_all_instances(true).instance_ids("i-1").send().await.unwrap();
    assert_eq!(all.instance_statuses().len(), 1);
    let many = (0..101).map(|number| format!("i-{number}")).collect();
    let refused = place.ec2.describe_instance_status().set_instance_ids(Some(many)).send().await.map_err(why).unwrap_err();
    assert!(refused.starts_with("InvalidParameterValue: "), "{refused}");
}

#[tokio::test]
async fn types_and_spot_requests_are_told() {
    let place = Place::of(|account| {
        account.instance(running("i-1").spot(Spot::Persistent)).instance(running("i-2").spot(Spot::OneTime));
    });
    let kinds = ["m5.large", "m5d.large", "c6gd.xlarge", "t3.micro", "i3.large"].map(aws_sdk_ec2::types::InstanceType::from);
    let answer = place.ec2.describe_instance_types().set_instance_types(Some(kinds.into())).send().await.unwrap();
    let stores = answer.instance_types().iter().map(|kind| kind.instance_storage_supported() == Some(true));
    assert_eq!(stores.collect::<Vec<_>>(), [false, true, true, false, true]);
    let requests =
        place.ec2.describe_spot_instance_requests().spot_instance_request_ids("sir-1").spot_instance_request_ids("sir-2");
    let requests = requests.send().await.unwrap();
    let kinds = requests
        .spot_instance_requests()
        .iter()
        .filter_map(|request| request.r#type())
        .map(aws_sdk_ec2::types::SpotInstanceType::as_str);
    assert_eq!(kinds.collect::<Vec<_>>(), ["persistent", "one-time"]);
    let missing =
        place.ec2.describe_spot_instance_requests().spot_instance_request_ids("sir-9").send().await.map_err(why).unwrap_err();
    assert!(missing.starts_with("InvalidSpotInstanceRequestID.NotFound: "), "{missing}");
}

#[tokio::test]
async fn instances_come_in_pages_and_by_filters() {
    let place = Place::of(|account| {
        for number in 10..20 {
            let tags = if number % 2 == 0 { "Project=Beta" } else { "Project=Gamma" };
            account.instance(Instance::new(&format!("i-{number}"), Power::Running, tags));
        }
        account.page = 5;
    });
    assert_eq!(place.ids().await.len(), 10);
    let sizes = async |filter: Filter| {
        let mut pages = place.ec2.describe_instances().filters(filter).max_results(5).into_paginator().send();
        let mut sizes = Vec::new();
        while let Some(page) = pages.next().await {
            sizes.push(page.unwrap().reservations().len());
        }
        sizes
    };
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    assert_eq!(sizes(filter("tag:Project", "B*a")).await, [5]);
    assert_eq!(sizes(filter("instance-state-name", "running")).await, [5, 5]);
    assert_eq!(sizes(filter("instance-id", "i-1?")).await, [5, 5]);
    assert_eq!(sizes(filter("instance-id", "i-11")).await, [1]);
    let many = Filter::builder().name("instance-id").set_values(Some(vec!["i-1".to_owned(); 201])).build();
    let refused = place.ec2.describe_instances().filters(many).send().await.map_err(why).unwrap_err();
    assert!(refused.starts_with("FilterLimitExceeded: "), "{refused}");
}

#[tokio::test]
async fn a_listing_that_lags_behind_shows_states_as_they_were() {
    let place = Place::of(|account| {
        account.instance(running("i-1")).lag = 3;
    });
    let state = async || told(&place, "i-1").await.state().and_then(|state| state.name().cloned()).unwrap();
    place.stop(&["i-1"]).await.unwrap();
    place.wait(2);
    assert_eq!(state().await.as_str(), "running");
    place.wait(1);
    assert_eq!(state().await.as_str(), "stopping");
    place.wait(7);
    assert_eq!(state().await.as_str(), "stopping");
    place.wait(1);
    assert_eq!(state().await.as_str(), "stopped");
}
