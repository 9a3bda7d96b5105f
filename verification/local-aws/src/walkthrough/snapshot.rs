//! The world at a moment: the groups' policies, each instance's state, and the outcome of the user's tries.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_ec2::types::{InstanceStateName, Reservation};
use serde::Serialize;

use super::tries::{Access, Tries};
use super::{ec2, said};
use crate::Error;

/// How the world is at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Each group, and the names of the managed policies that are attached to it.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Each Auto Scaling group, and the processes of it that are suspended.
    pub scaling: BTreeMap<String, BTreeSet<String>>,
    /// Each instance of the account by its id, and its state as EC2 names it.
    pub instances: BTreeMap<String, String>,
    /// The ways to launch that the user tried, each with its outcome.
    pub user: BTreeMap<String, Access>,
}

pub(super) async fn take(root: &SdkConfig, tries: &Tries) -> Result<Snapshot, Error> {
    Ok(Snapshot {
        groups: groups(root).await?,
        scaling: scaling(root).await?,
        instances: states(root).await?,
        user: tries.all().await?,
    })
}

pub(super) async fn states(root: &SdkConfig) -> Result<BTreeMap<String, String>, Error> {
    let mut pages = ec2(root).describe_instances().into_paginator().send();
    let mut states = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(said("listing instances"))?;
        for instance in page.reservations().iter().flat_map(Reservation::instances) {
            let state = instance.state().and_then(|state| state.name()).map_or("", InstanceStateName::as_str);
            states.insert(instance.instance_id().unwrap_or_default().to_owned(), state.to_owned());
        }
    }
    Ok(states)
}

async fn groups(root: &SdkConfig) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let iam = aws_sdk_iam::Client::new(root);
    let listed = iam.list_groups().send().await.map_err(said("listing groups"))?;
    let mut groups = BTreeMap::new();
    for group in listed.groups() {
        let policies = iam.list_attached_group_policies().group_name(group.group_name()).send().await;
        let policies = policies.map_err(said("listing a group's policies"))?;
        let names = policies.attached_policies().iter().filter_map(|policy| policy.policy_name()).map(str::to_owned);
        groups.insert(group.group_name().to_owned(), names.collect());
    }
    Ok(groups)
}

async fn scaling(root: &SdkConfig) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let listed = aws_sdk_autoscaling::Client::new(root).describe_auto_scaling_groups().send().await;
    let listed = listed.map_err(said("listing Auto Scaling groups"))?;
    let groups = listed.auto_scaling_groups().iter().map(|group| {
        let suspended = group.suspended_processes().iter().filter_map(|process| process.process_name().map(str::to_owned));
        (group.auto_scaling_group_name().unwrap_or_default().to_owned(), suspended.collect())
    });
    Ok(groups.collect())
}
