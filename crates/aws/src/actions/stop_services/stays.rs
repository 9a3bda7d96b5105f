//! Container instances cost money whether tasks run on them or not. Before a service on EC2 stops, people are told how many stay, and
//! how they end.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::{Cluster, LaunchType, ManagedScalingStatus, Service};
use guardrails_model::action::ActionError;

use super::list::{Item, Reader, last};
use crate::error::Failure;

/// Clusters, and capacity providers, that one question takes.
const HUNDRED: usize = 100;
/// Capacity providers of AWS's own, whose instances end with their tasks.
const FARGATE: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// An Auto Scaling group behind a capacity provider.
struct Group {
    name: String,
    /// Does ECS scale it in when no task runs on its instances?
    scales_in: bool,
}

/// Adds to each of `items` the container instances that stay when its tasks are gone.
pub(super) async fn add(reader: &Reader, items: &mut [Item]) -> Result<(), ActionError> {
    let names: BTreeSet<String> =
        items.iter().filter(|item| is_on_instances(&item.service)).map(|item| item.cluster.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let clusters = clusters(reader, &names.into_iter().collect::<Vec<_>>()).await?;
    let providers: BTreeSet<String> = clusters.values().flat_map(Cluster::capacity_providers).cloned().collect();
    let providers: Vec<String> = providers.into_iter().filter(|name| !FARGATE.contains(&name.as_str())).collect();
    let groups = groups(reader, &providers).await?;
    for item in items.iter_mut().filter(|item| is_on_instances(&item.service)) {
        item.stays = clusters.get(&item.cluster).and_then(|cluster| words(cluster, &groups));
    }
    Ok(())
}

/// Do its tasks run on container instances of the account's own?
fn is_on_instances(service: &Service) -> bool {
    let provided = service.capacity_provider_strategy().iter().any(|one| !FARGATE.contains(&one.capacity_provider()));
    provided || service.launch_type() == Some(&LaunchType::Ec2)
}

fn words(cluster: &Cluster, groups: &BTreeMap<String, Group>) -> Option<String> {
    let count = cluster.registered_container_instances_count();
    if count == 0 {
        return None;
    }
    let name = cluster.cluster_name().unwrap_or_default();
    let one = if count == 1 { "instance stays" } else { "instances stay" };
    let of_it: Vec<&Group> = cluster.capacity_providers().iter().filter_map(|name| groups.get(name)).collect();
    let named = |scales_in: bool| {
        let names: Vec<&str> =
            of_it.iter().filter(|group| group.scales_in == scales_in).map(|group| group.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let scaled = named(true).map(|names| format!("ECS scales {names} in some 15 minutes after its last task, if it is empty"));
    let left = named(false).map(|names| format!("`scale-group-to-zero` ends those of {names}"));
    let ends: Vec<String> = [scaled, left].into_iter().flatten().collect();
    let ends =
        if ends.is_empty() { "`scale-group-to-zero` on their Auto Scaling group ends them".to_owned() } else { ends.join("; ") };
    Some(format!("{count} container {one} in the cluster {name}: {ends}"))
}

async fn clusters(reader: &Reader, names: &[String]) -> Result<BTreeMap<String, Cluster>, ActionError> {
    let mut all = BTreeMap::new();
    for names in names.chunks(HUNDRED) {
        let answer = reader.ecs.describe_clusters().set_clusters(Some(names.to_vec())).send().await;
        let answer = answer.map_err(|error| Failure::of(&error).reading("asking for the container instances of clusters"))?;
        let found = answer.clusters.unwrap_or_default().into_iter();
        all.extend(found.filter_map(|cluster| Some((cluster.cluster_name()?.to_owned(), cluster))));
    }
    Ok(all)
}

/// The Auto Scaling groups behind capacity providers, by the providers' names.
async fn groups(reader: &Reader, providers: &[String]) -> Result<BTreeMap<String, Group>, ActionError> {
    let mut all = BTreeMap::new();
    for providers in providers.chunks(HUNDRED) {
        let mut next = None;
        loop {
            let asked = reader.ecs.describe_capacity_providers().set_capacity_providers(Some(providers.to_vec()));
            let answer = asked.set_next_token(next).send().await;
            let answer = answer.map_err(|error| Failure::of(&error).reading("asking for the capacity providers of clusters"))?;
            for provider in answer.capacity_providers() {
                let Some((name, group)) = provider.name().zip(provider.auto_scaling_group_provider()) else { continue };
                let status = group.managed_scaling().and_then(|scaling| scaling.status());
                let scales_in = status == Some(&ManagedScalingStatus::Enabled);
                let group = Group { name: last(group.auto_scaling_group_arn()).to_owned(), scales_in };
                all.insert(name.to_owned(), group);
            }
            next = answer.next_token;
            if next.is_none() {
                break;
            }
        }
    }
    Ok(all)
}
