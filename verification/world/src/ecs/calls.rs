//! The call that changes a service, and how each call stands in the record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{Ecs, EcsService, Key};
use crate::account::Account;
use crate::wire::{Call, Refusal};

/// The resource and the keys of a policy's conditions of a call.
type Told = (String, String, BTreeMap<String, String>);

/// The name of a cluster or a service that a call gives by its name or its ARN.
pub(super) fn named(asked: &str) -> &str {
    asked.rsplit('/').next().unwrap_or_default()
}

/// The cluster that a call names.
pub(super) fn cluster<'a>(ecs: &Ecs, call: &'a Call) -> Result<&'a str, Refusal> {
    let cluster = named(call.json["cluster"].as_str().unwrap_or("default"));
    if ecs.clusters.contains_key(&(call.region.clone(), cluster.to_owned())) {
        return Ok(cluster);
    }
    Err(Refusal(400, "ClusterNotFoundException", "Cluster not found.".to_owned()))
}

/// `UpdateService` of a count. Every other change is a deployment, which this double does not know.
pub(super) fn update_service(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let cluster = cluster(&account.ecs, call)?.to_owned();
    let name = named(call.json["service"].as_str().unwrap_or_default()).to_owned();
    let fields = call.json.as_object().expect("an object");
    let others = fields.keys().filter(|key| !["cluster", "service", "desiredCount"].contains(&key.as_str()));
    assert_eq!(others.count(), 0, "a deployment is nobody's here: {:?}", call.json);
    let desired = call.json["desiredCount"].as_u64().and_then(|desired| usize::try_from(desired).ok()).expect("a count");
    let key = (call.region.clone(), cluster, name);
    let missing = || Refusal(400, "ServiceNotFoundException", "Service not found.".to_owned());
    let service = account.ecs.services.get_mut(&key).ok_or_else(missing)?;
    if service.status != "ACTIVE" {
        return Err(Refusal(400, "ServiceNotActiveException", "Service was not ACTIVE.".to_owned()));
    }
    if service.strategy == "DAEMON" {
        let why = "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value \
                   and try again.";
        return Err(Refusal(400, "InvalidParameterException", why.to_owned()));
    }
    service.set(desired, now);
    let shown = service.shown(now);
    account.touch(&key.0, &format!("{}/{}", key.1, key.2));
    Ok(json!({"service": shown}).to_string())
}

/// A call for the record: IAM's action, the resource, and the keys that a policy's conditions may have.
pub(super) fn told(account: &Account, call: &Call) -> Told {
    let region = &call.region;
    let arn = |kind: &str, rest: &str| format!("arn:aws:ecs:{region}:123456789012:{kind}/{rest}");
    let cluster = named(call.json["cluster"].as_str().unwrap_or("default"));
    let first = |list: &str| named(call.json[list][0].as_str().unwrap_or_default());
    let nothing = BTreeMap::new();
    let (resource, keys) = match call.operation.as_str() {
        "UpdateService" => of_service(account, region, cluster, named(call.json["service"].as_str().unwrap_or_default())),
        "DescribeServices" => of_service(account, region, cluster, first("services")),
        "DescribeClusters" => (arn("cluster", first("clusters")), nothing),
        "DescribeCapacityProviders" => (arn("capacity-provider", first("capacityProviders")), nothing),
        "GetTaskProtection" => (arn("task", &format!("{cluster}/{}", first("tasks"))), nothing),
        "RegisterScalableTarget" => {
            let keys =
                ["ServiceNamespace", "ScalableDimension"].map(|name| call.json[name].as_str().unwrap_or_default().to_owned());
            let names = ["application-autoscaling:service-namespace", "application-autoscaling:scalable-dimension"];
            let keys = names.map(str::to_owned).into_iter().zip(keys).collect();
            (format!("arn:aws:application-autoscaling:{region}:123456789012:scalable-target/0"), keys)
        }
        _ => ("*".to_owned(), nothing),
    };
    let service = if call.operation.ends_with("ScalableTargets") || call.operation == "RegisterScalableTarget" {
        "application-autoscaling"
    } else {
        "ecs"
    };
    (format!("{service}:{}", call.operation), resource, keys)
}

fn of_service(account: &Account, region: &str, cluster: &str, name: &str) -> (String, BTreeMap<String, String>) {
    let key: Key = (region.to_owned(), cluster.to_owned(), name.to_owned());
    let service = account.ecs.services.get(&key);
    let arn = format!("arn:aws:ecs:{region}:123456789012:service/{cluster}/{name}");
    (service.map_or(arn, EcsService::arn), service.map(|service| service.tags.clone()).unwrap_or_default())
}
