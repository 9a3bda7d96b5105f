//! The calls that only read.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::calls::{cluster, named};
use super::{Cluster, Ecs, EcsService};
use crate::account::Account;
use crate::wire::{Call, Refusal, page};

/// Services that one question takes.
const SERVICES: usize = 10;
/// Clusters, and tasks, that one question takes.
const HUNDRED: usize = 100;

fn invalid(message: &str) -> Refusal {
    Refusal(400, "InvalidParameterException", message.to_owned())
}

/// The names that a call lists.
fn asked<'a>(call: &'a Call, list: &str) -> Vec<&'a str> {
    call.json[list].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

fn of_cluster<'a>(ecs: &'a Ecs, call: &Call, cluster: &str) -> impl Iterator<Item = &'a EcsService> + use<'a> {
    let (region, cluster) = (call.region.clone(), cluster.to_owned());
    ecs.services.values().filter(move |service| service.region == region && service.cluster == cluster)
}

pub(super) fn list_clusters(account: &Account, ecs: &Ecs, call: &Call) -> String {
    let arn = |name: &str| format!("arn:aws:ecs:{}:123456789012:cluster/{name}", call.region);
    let all = ecs.clusters.keys().filter(|(region, _)| *region == call.region).map(|(_, name)| arn(name)).collect();
    let (some, next) = page(all, call.json["nextToken"].as_str(), account.page);
    json!({"clusterArns": some, "nextToken": next}).to_string()
}

/// Services that are gone are not listed, though they are described for a while.
pub(super) fn list_services(account: &Account, ecs: &Ecs, call: &Call) -> Result<String, Refusal> {
    let cluster = cluster(ecs, call)?;
    let all = of_cluster(ecs, call, cluster).filter(|service| service.status != "INACTIVE").map(EcsService::arn).collect();
    let (some, next) = page(all, call.json["nextToken"].as_str(), account.page);
    Ok(json!({"serviceArns": some, "nextToken": next}).to_string())
}

pub(super) fn services(ecs: &Ecs, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    let (cluster, asked) = (cluster(ecs, call)?, asked(call, "services"));
    if asked.is_empty() || asked.len() > SERVICES {
        return Err(invalid("Services cannot be empty, and cannot have more than 10 elements."));
    }
    let with_tags = call.json["include"].as_array().is_some_and(|include| include.contains(&json!("TAGS")));
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in asked {
        match of_cluster(ecs, call, cluster).find(|service| service.name == named(name)) {
            Some(service) => {
                let mut shown = service.shown(then);
                if !with_tags {
                    shown["tags"] = json!([]);
                }
                found.push(shown);
            }
            None => failures.push(json!({"arn": name, "reason": "MISSING"})),
        }
    }
    Ok(json!({"services": found, "failures": failures}).to_string())
}

pub(super) fn clusters(ecs: &Ecs, call: &Call) -> String {
    let shown = |name: &&str| {
        let Cluster { instances, providers } = ecs.clusters.get(&(call.region.clone(), named(name).to_owned()))?;
        let providers: Vec<&str> = providers.iter().map(|(name, ..)| *name).collect();
        Some(json!({"clusterName": named(name), "status": "ACTIVE", "registeredContainerInstancesCount": instances,
            "capacityProviders": providers}))
    };
    let asked = asked(call, "clusters");
    assert!(asked.len() <= HUNDRED, "a question about more than 100 clusters");
    json!({"clusters": asked.iter().filter_map(shown).collect::<Vec<_>>(), "failures": []}).to_string()
}

pub(super) fn capacity_providers(ecs: &Ecs, call: &Call) -> String {
    let asked = asked(call, "capacityProviders");
    let all = ecs.clusters.iter().filter(|((region, _), _)| *region == call.region).flat_map(|(_, cluster)| &cluster.providers);
    let shown = all.filter(|(name, ..)| asked.contains(name)).map(|(name, group, scales)| {
        let arn = format!("arn:aws:autoscaling:{}:123456789012:autoScalingGroup:6c1f:autoScalingGroupName/{group}", call.region);
        let scaling = if *scales { "ENABLED" } else { "DISABLED" };
        json!({"name": name, "status": "ACTIVE",
            "autoScalingGroupProvider": {"autoScalingGroupArn": arn, "managedScaling": {"status": scaling}}})
    });
    json!({"capacityProviders": shown.collect::<Vec<_>>(), "failures": []}).to_string()
}

/// The tasks of a service that ECS wants to run, which those that it stops are not: their ids say whose they are.
pub(super) fn list_tasks(account: &Account, ecs: &Ecs, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    let (cluster, name) = (cluster(ecs, call)?, call.json["serviceName"].as_str().unwrap_or_default());
    let service = of_cluster(ecs, call, cluster).find(|service| service.name == named(name));
    let service = service.ok_or_else(|| Refusal(400, "ServiceNotFoundException", "Service not found.".to_owned()))?;
    let arn = |number| format!("arn:aws:ecs:{}:123456789012:task/{cluster}/{}-{number}", call.region, service.name);
    let all = (0..service.kept(then)).map(arn).collect();
    let (some, next) = page(all, call.json["nextToken"].as_str(), account.page);
    Ok(json!({"taskArns": some, "nextToken": next}).to_string())
}

/// The first of a service's tasks are those that are protected.
pub(super) fn protection(ecs: &Ecs, call: &Call) -> Result<String, Refusal> {
    let (cluster, asked) = (cluster(ecs, call)?, asked(call, "tasks"));
    if asked.is_empty() || asked.len() > HUNDRED {
        return Err(invalid("The number of tasks must be between 1 and 100."));
    }
    let shown = asked.into_iter().filter_map(|arn| {
        let (name, number) = named(arn).rsplit_once('-')?;
        let service = of_cluster(ecs, call, cluster).find(|service| service.name == name)?;
        let is_protected = number.parse::<usize>().ok()? < service.protected;
        Some(json!({"taskArn": arn, "protectionEnabled": is_protected}))
    });
    Ok(json!({"protectedTasks": shown.collect::<Vec<_>>(), "failures": []}).to_string())
}
