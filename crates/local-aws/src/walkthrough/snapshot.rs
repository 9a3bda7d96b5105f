//! How the world is at a moment: what the groups may do, how each instance is, and what comes of what the user tries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_ec2::types::{InstanceStateName, InstanceType, Reservation};
use guardrails_aws::error::Failure;
use serde::Serialize;

use super::{IMAGE, ec2, said};
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
    /// What the user tried with a key of its own, and what came of it.
    pub user: BTreeMap<String, Access>,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It was answered.
    Allowed,
    /// IAM denied it.
    Denied,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        })
    }
}

pub(super) async fn take(root: &SdkConfig, user: &SdkConfig) -> Result<Snapshot, Error> {
    let tries = [("RunInstances", may_run(user).await?), ("DescribeInstances", may_describe(user).await?)];
    Ok(Snapshot {
        groups: groups(root).await?,
        scaling: scaling(root).await?,
        instances: states(root).await?,
        user: tries.map(|(call, access)| (call.to_owned(), access)).into(),
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

/// A dry run goes through all of IAM and then launches nothing.
async fn may_run(user: &SdkConfig) -> Result<Access, Error> {
    let call = ec2(user).run_instances().dry_run(true).image_id(IMAGE).instance_type(InstanceType::T3Micro);
    match call.min_count(1).max_count(1).send().await {
        Ok(_) => Ok(Access::Allowed),
        Err(error) => access(Failure::of(&error), "RunInstances"),
    }
}

async fn may_describe(user: &SdkConfig) -> Result<Access, Error> {
    match ec2(user).describe_instances().send().await {
        Ok(_) => Ok(Access::Allowed),
        Err(error) => access(Failure::of(&error), "DescribeInstances"),
    }
}

fn access(failure: Failure, call: &str) -> Result<Access, Error> {
    match failure.code.as_deref() {
        Some("DryRunOperation") => Ok(Access::Allowed),
        Some("UnauthorizedOperation") => Ok(Access::Denied),
        _ => Err(Error::Call { doing: format!("trying {call} as the user"), message: failure.message }),
    }
}
