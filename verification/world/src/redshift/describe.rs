//! Answers about clusters and scheduled actions.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Does, Redshift, Schedule, Warehouse};
use crate::account::Account;
use crate::wire::{Call, Refusal, list, next, page, tag};

/// Most records of one answer.
const MOST: usize = 100;

/// A page of clusters. A filter by tags lets through those that carry any of the keys, or any of the values.
pub fn clusters(account: &Account, redshift: &Redshift, call: &Call) -> Result<String, Refusal> {
    let most = records(call)?;
    let (keys, values) = (call.list("TagKeys.TagKey"), call.list("TagValues.TagValue"));
    let carries = |warehouse: &&Warehouse| {
        let mut tags = warehouse.tags.iter();
        let any = tags.any(|(key, value)| keys.contains(&key.as_str()) || values.contains(&value.as_str()));
        keys.is_empty() && values.is_empty() || any
    };
    let found: Vec<&Warehouse> = if call.get("ClusterIdentifier").is_some() {
        vec![named(redshift, call)?]
    } else {
        redshift.warehouses.values().filter(|warehouse| warehouse.region == call.region).filter(carries).collect()
    };
    let (found, marker) = page(found, call.get("Marker"), most.min(account.page));
    Ok(format!("{}{}", list("Clusters", "Cluster", found.into_iter().map(shown)), next("Marker", marker)))
}

/// A page of scheduled actions.
pub fn schedules(account: &Account, redshift: &Redshift, call: &Call) -> Result<String, Refusal> {
    let most = records(call)?;
    let of_region = |schedule: &&Schedule| schedule.region == call.region;
    let mut found: Vec<&Schedule> = redshift.schedules.values().filter(of_region).collect();
    if let Some(name) = call.get("ScheduledActionName") {
        found.retain(|schedule| schedule.name == name);
        if found.is_empty() {
            return Err(Refusal(400, "ScheduledActionNotFound", format!("Scheduled action {name} not found.")));
        }
    }
    let (found, marker) = page(found, call.get("Marker"), most.min(account.page));
    let found = found.into_iter().map(shown_schedule);
    Ok(format!("{}{}", list("ScheduledActions", "ScheduledAction", found), next("Marker", marker)))
}

/// A page of the snapshots of a cluster.
pub fn snapshots(account: &Account, redshift: &Redshift, call: &Call) -> Result<String, Refusal> {
    let most = records(call)?;
    let warehouse = named(redshift, call)?;
    let since: Timestamp = call.require("StartTime")?.parse().map_err(|_| invalid("StartTime is no time".to_owned()))?;
    let found: Vec<_> = warehouse.snapshots.iter().filter(|(at, _)| *at >= since).collect();
    let (found, marker) = page(found, call.get("Marker"), most.min(account.page));
    let found = found.into_iter().map(|(at, status)| {
        let of = tag("ClusterIdentifier", &warehouse.name);
        format!("{of}{}{}", tag("SnapshotCreateTime", &at.to_string()), tag("Status", status))
    });
    Ok(format!("{}{}", list("Snapshots", "Snapshot", found), next("Marker", marker)))
}

/// A page of reserved nodes.
pub fn reserved(account: &Account, redshift: &Redshift, call: &Call) -> Result<String, Refusal> {
    let most = records(call)?;
    let (found, marker) = page(redshift.reserved.iter().collect(), call.get("Marker"), most.min(account.page));
    let found = found.into_iter().map(|(nodes, kind, state): &(i32, &str, &str)| {
        format!("{}{}{}", tag("NodeCount", &nodes.to_string()), tag("NodeType", kind), tag("State", state))
    });
    Ok(format!("{}{}", list("ReservedNodes", "ReservedNode", found), next("Marker", marker)))
}

/// A call for the record: IAM's action, the resource, and the resource's tags.
pub(crate) fn told(account: &Account, call: &Call) -> (String, String, BTreeMap<String, String>) {
    let warehouse = named(&account.redshift, call).ok();
    let resource = match (call.operation.as_str(), warehouse) {
        ("DescribeScheduledActions" | "ModifyScheduledAction" | "DescribeReservedNodes" | "DescribeClusterSnapshots", _) => {
            "*".to_owned()
        }
        (_, Some(warehouse)) => warehouse.arn(),
        (_, None) => format!("arn:aws:redshift:{}:123456789012:cluster:*", call.region),
    };
    // A call on everything is not on the cluster, nor under its tags.
    let tags = warehouse.filter(|_| resource != "*").map(|warehouse| warehouse.tags.clone()).unwrap_or_default();
    (format!("redshift:{}", call.operation), resource, tags)
}

/// The cluster that a call names.
pub(super) fn named<'a>(redshift: &'a Redshift, call: &Call) -> Result<&'a Warehouse, Refusal> {
    let name = call.require("ClusterIdentifier")?;
    let found = redshift.warehouses.get(&(call.region.clone(), name.to_owned()));
    found.ok_or_else(|| Refusal(404, "ClusterNotFound", format!("Cluster {name} not found.")))
}

/// All of a cluster that its describer needs to know.
pub(super) fn shown(warehouse: &Warehouse) -> String {
    let tags = warehouse.tags.iter().map(|(key, value)| format!("{}{}", tag("Key", key), tag("Value", value)));
    let namespace = format!("arn:aws:redshift:{}:123456789012:namespace:{}", warehouse.region, warehouse.namespace);
    let hsm = if warehouse.hsm {
        format!("<HsmStatus>{}{}</HsmStatus>", tag("HsmClientCertificateIdentifier", "certificate"), tag("Status", "active"))
    } else {
        String::new()
    };
    let fields = [
        tag("ClusterIdentifier", &warehouse.name),
        tag("ClusterNamespaceArn", &namespace),
        tag("ClusterStatus", warehouse.status),
        tag("NodeType", warehouse.node_type),
        tag("NumberOfNodes", &warehouse.nodes.to_string()),
        tag("MultiAZ", if warehouse.multi_az { "Enabled" } else { "Disabled" }),
        tag("AutomatedSnapshotRetentionPeriod", &warehouse.retention.to_string()),
        hsm,
        list("Tags", "Tag", tags),
    ];
    fields.concat()
}

/// All of a scheduled action.
pub(super) fn shown_schedule(schedule: &Schedule) -> String {
    let cluster = tag("ClusterIdentifier", &schedule.cluster);
    let kind = match schedule.does {
        Does::Resume => "ResumeCluster",
        Does::Resize => "ResizeCluster",
        Does::Pause => "PauseCluster",
    };
    let target = format!("<TargetAction><{kind}>{cluster}</{kind}></TargetAction>");
    format!("{}{target}{}", tag("ScheduledActionName", &schedule.name), tag("State", schedule.state))
}

/// Most records that a call wants.
fn records(call: &Call) -> Result<usize, Refusal> {
    let most = call.number("MaxRecords")?.unwrap_or(MOST);
    if (20..=MOST).contains(&most) {
        return Ok(most);
    }
    Err(invalid(format!("Invalid value {most} for MaxRecords. Must be between 20 and 100")))
}

fn invalid(message: String) -> Refusal {
    Refusal(400, "InvalidParameterValue", message)
}
