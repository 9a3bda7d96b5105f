//! EC2's listings of instances, their types and spot requests, and of Regions.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::filters::{Filter, invalid, select};
use super::instance::{Address, Instance, Power, Quirk, Spot};
use crate::account::Account;
use crate::wire::{Call, Refusal, list, next, tag};

pub(super) const ACCOUNT: &str = "123456789012";

pub fn describe_instances(account: &Account, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    let (found, token) = select(account, call, then, |_, _| true)?;
    let found = found.into_iter().map(|(instance, power)| reservation(instance, power));
    Ok(format!("{}{}", list("reservationSet", "item", found), next("nextToken", token)))
}

fn reservation(instance: &Instance, power: Power) -> String {
    let tags = instance.tags.iter().map(|(key, value)| format!("{}{}", tag("key", key), tag("value", value)));
    let root = if instance.has(Quirk::StoreRoot) { "instance-store" } else { "ebs" };
    let hibernates = tag("configured", &instance.has(Quirk::Hibernates).to_string());
    let fields = [
        tag("instanceId", &instance.id),
        power.xml("instanceState"),
        tag("instanceType", &instance.kind),
        tag("launchTime", &instance.launched.to_string()),
        format!("<placement>{}</placement>", tag("availabilityZone", &format!("{}a", instance.region))),
        tag("rootDeviceType", root),
        tag("rootDeviceName", "/dev/xvda"),
        list("blockDeviceMapping", "item", [device(instance)]),
        tag("platformDetails", "Linux/UNIX"),
        format!("<hibernationOptions>{hibernates}</hibernationOptions>"),
        optional(instance.request(), |id| {
            format!("<instanceLifecycle>spot</instanceLifecycle>{}", tag("spotInstanceRequestId", &id))
        }),
        optional(instance.profile.as_ref(), |arn| format!("<iamInstanceProfile>{}</iamInstanceProfile>", tag("arn", arn))),
        operator(instance),
        optional(instance.reason, |(code, text)| {
            format!("<stateReason>{}{}</stateReason>", tag("code", code), tag("message", text))
        }),
        optional(address(instance, power), |(ip, owner)| {
            let association = format!("<association>{}{}</association>", tag("publicIp", &ip), tag("ipOwnerId", owner));
            format!("{}{}", tag("ipAddress", &ip), list("networkInterfaceSet", "item", [association]))
        }),
        list("tagSet", "item", tags),
    ];
    format!("<reservationId>r-1</reservationId>{}", list("instancesSet", "item", [fields.concat()]))
}

fn device(instance: &Instance) -> String {
    let attached = tag("attachTime", &instance.created.to_string());
    format!("{}<ebs>{attached}</ebs>", tag("deviceName", "/dev/xvda"))
}

fn optional<T>(value: Option<T>, xml: impl FnOnce(T) -> String) -> String {
    value.map(xml).unwrap_or_default()
}

fn operator(instance: &Instance) -> String {
    let principal = optional(instance.operator.as_ref(), |principal| tag("principal", principal));
    format!("<operator>{}{principal}</operator>", tag("managed", &instance.operator.is_some().to_string()))
}

/// The public address and its owner. EC2 takes back an assigned address when an instance stops.
fn address(instance: &Instance, power: Power) -> Option<(String, &'static str)> {
    match instance.address? {
        Address::Elastic => Some(("198.51.100.1".to_owned(), ACCOUNT)),
        Address::Assigned if matches!(power, Power::Stopped | Power::Terminated) => None,
        Address::Assigned => Some((format!("203.0.113.{}", 1 + instance.starts % 254), "amazon")),
    }
}

/// Types are made up as they are asked for: a `d` behind the generation, as in `m5d` or `c6gd`, means an instance store.
pub fn describe_types(call: &Call) -> Result<String, Refusal> {
    let kinds = call.list("InstanceType");
    if kinds.len() > 100 {
        return Err(invalid("The maximum number of instance types that can be requested is 100"));
    }
    assert!(!kinds.is_empty(), "the double of EC2 tells only of types that are named");
    if kinds.iter().any(|kind| kind.starts_with("unknown.")) {
        let what = format!("The following supplied instance types do not exist: {kinds:?}");
        return Err(Refusal(400, "InvalidInstanceType", what));
    }
    let described = |kind: &&str| {
        let family = kind.split('.').next().unwrap_or_default().trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        let stores = family.contains('d') || kind.starts_with("i3.");
        format!("{}{}", tag("instanceType", kind), tag("instanceStorageSupported", &stores.to_string()))
    };
    Ok(list("instanceTypeSet", "item", kinds.iter().map(described)))
}

pub fn describe_spot_requests(account: &Account, call: &Call) -> Result<String, Refusal> {
    let (ids, filters) = (call.list("SpotInstanceRequestId"), Filter::read(call));
    assert!(!ids.is_empty() || !filters.is_empty(), "the double of EC2 tells only of spot requests that are named");
    let known = account.instances.values().filter(|instance| instance.region == call.region && !instance.is_forgotten());
    let known: BTreeMap<String, &Instance> = known.filter_map(|instance| Some((instance.request()?, instance))).collect();
    if let Some(id) = ids.iter().find(|id| !known.contains_key(**id)) {
        let message = format!("The spot instance request ID '{id}' does not exist");
        return Err(Refusal(400, "InvalidSpotInstanceRequestID.NotFound", message));
    }
    let lets = |filter: &Filter, id: &str| match filter.name.as_str() {
        "spot-instance-request-id" => filter.lets(id),
        other => panic!("the double of EC2 has no filter {other} of spot requests"),
    };
    let asked = |id: &str| (ids.is_empty() || ids.contains(&id)) && filters.iter().all(|filter| lets(filter, id));
    let found: Vec<&Instance> = known.iter().filter(|(id, _)| asked(id)).map(|(_, instance)| *instance).collect();
    let described = |instance: &Instance| {
        let kind = if instance.spot == Some(Spot::Persistent) { "persistent" } else { "one-time" };
        let request = tag("spotInstanceRequestId", &instance.request().unwrap_or_default());
        format!("{request}{}<state>active</state>{}", tag("instanceId", &instance.id), tag("type", kind))
    };
    Ok(list("spotInstanceRequestSet", "item", found.into_iter().map(described)))
}

/// The Regions that are enabled; those that are not, nobody asks for here.
pub fn describe_regions(account: &Account, call: &Call) -> Result<String, Refusal> {
    let (names, filters) = (call.list("RegionName"), Filter::read(call));
    if let Some(unknown) = names.iter().find(|name| !account.regions.contains(**name)) {
        return Err(invalid(&format!("Invalid region names [{unknown}]")));
    }
    let opted = |name: &str| if name == "us-east-1" { "opt-in-not-required" } else { "opted-in" };
    let shown = |name: &&String| {
        let lets = |filter: &Filter| match filter.name.as_str() {
            "region-name" => filter.lets(name),
            "opt-in-status" => filter.lets(opted(name)),
            other => panic!("the double of EC2 has no filter {other} of Regions"),
        };
        (names.is_empty() || names.contains(&name.as_str())) && filters.iter().all(lets)
    };
    let region = |name: &String| {
        let endpoint = tag("regionEndpoint", &format!("ec2.{name}.amazonaws.com"));
        format!("{}{endpoint}{}", tag("regionName", name), tag("optInStatus", opted(name)))
    };
    Ok(list("regionInfo", "item", account.regions.iter().filter(shown).map(region)))
}
