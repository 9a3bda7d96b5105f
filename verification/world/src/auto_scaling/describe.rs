//! Auto Scaling's listings of groups and their members.

use super::group::{Activity, Doing, Fleets, Group, LaunchBy, Member, Scheduled};
use super::refusals::{invalid, not_found};
use crate::wire::{Call, Refusal, list, next, page, tag};

const MOST: usize = 100;

pub fn groups(fleets: &Fleets, at_most: usize, call: &Call) -> Result<String, Refusal> {
    let size = size(call, 50, at_most)?;
    let names = call.list("AutoScalingGroupNames.member");
    let tags = filters(call)?;
    let with_members = call.get("IncludeInstances") != Some("false");
    let shown = |group: &&Group| {
        let is_asked = names.is_empty() || names.contains(&group.name.as_str());
        is_asked && group.region == call.region && tags.iter().all(|(name, values)| takes(group, name, values))
    };
    let found: Vec<&Group> = fleets.values().filter(shown).collect();
    let (found, token) = page(found, call.get("NextToken"), size);
    let found = found.into_iter().map(|group| described(group, with_members));
    Ok(format!("{}{}", list("AutoScalingGroups", "member", found), next("NextToken", token)))
}

fn size(call: &Call, default: usize, at_most: usize) -> Result<usize, Refusal> {
    let size = call.number("MaxRecords")?.unwrap_or(default);
    if !(1..=MOST).contains(&size) {
        return Err(invalid(format!("MaxRecords must be between 1 and {MOST}")));
    }
    Ok(size.min(at_most))
}

fn filters(call: &Call) -> Result<Vec<(&str, Vec<&str>)>, Refusal> {
    let named = (1..).map_while(|index| Some((index, call.get(&format!("Filters.member.{index}.Name"))?)));
    let filters: Vec<_> =
        named.map(|(index, name)| (name, call.list(&format!("Filters.member.{index}.Values.member")))).collect();
    match filters.iter().find(|(name, _)| *name != "tag-key" && !name.starts_with("tag:")) {
        Some((name, _)) => Err(invalid(format!("Filter type {name} is not correct"))),
        None => Ok(filters),
    }
}

fn takes(group: &Group, name: &str, values: &[&str]) -> bool {
    group.tags.iter().any(|(key, value, _)| match name.strip_prefix("tag:") {
        Some(tag) => tag == key && values.contains(&value.as_str()),
        None => values.contains(&key.as_str()),
    })
}

fn described(group: &Group, with_members: bool) -> String {
    let Group { name, region, .. } = group;
    let member =
        |(id, member): (&String, &Member)| format!("{}{}", about(group, id, member), tag("HealthStatus", member.health()));
    let members: Vec<String> = if with_members { group.members.iter().map(member).collect() } else { Vec::new() };
    let suspended =
        |(process, why): (&String, &String)| format!("{}{}", tag("ProcessName", process), tag("SuspensionReason", why));
    let tags = group.tags.iter().map(|(key, value, propagates)| {
        let resource = format!("{}<ResourceType>auto-scaling-group</ResourceType>", tag("ResourceId", name));
        let tag = format!("{}{}{}", tag("Key", key), tag("Value", value), tag("PropagateAtLaunch", &propagates.to_string()));
        format!("{resource}{tag}")
    });
    let launch = if group.launch_by == LaunchBy::MixedInstancesPolicy {
        "<MixedInstancesPolicy><LaunchTemplate><LaunchTemplateSpecification><LaunchTemplateId>lt-1</LaunchTemplateId>\
         </LaunchTemplateSpecification></LaunchTemplate></MixedInstancesPolicy>"
    } else {
        "<LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId></LaunchTemplate>"
    };
    let warm = if let Some(state) = group.warm_pool {
        let size = group.members.values().filter(|member| member.lifecycle.starts_with("Warmed:")).count();
        let pool = format!("<WarmPoolConfiguration>{}</WarmPoolConfiguration>", tag("PoolState", state));
        format!("{pool}{}", tag("WarmPoolSize", &size.to_string()))
    } else {
        String::new()
    };
    let checks: Vec<&str> = group.checks.iter().copied().filter(|check| group.checks.len() == 1 || *check != "EC2").collect();
    let fields = [
        tag("AutoScalingGroupName", name),
        tag(
            "AutoScalingGroupARN",
            &format!("arn:aws:autoscaling:{region}:123456789012:autoScalingGroup:1:autoScalingGroupName/{name}"),
        ),
        launch.to_owned(),
        tag("MinSize", &group.min.to_string()),
        tag("MaxSize", &group.max.to_string()),
        tag("DesiredCapacity", &group.desired.to_string()),
        tag("DefaultCooldown", "300"),
        list("AvailabilityZones", "member", [format!("{region}a")]),
        list("LoadBalancerNames", "member", group.load_balancers.clone()),
        list("TargetGroupARNs", "member", group.target_groups.clone()),
        tag("HealthCheckType", &checks.join(",")),
        tag("HealthCheckGracePeriod", &group.grace.to_string()),
        list("Instances", "member", members),
        tag("CreatedTime", "2026-01-01T00:00:00Z"),
        list("SuspendedProcesses", "member", group.suspended.iter().map(suspended)),
        group.status.map(|status| tag("Status", status)).unwrap_or_default(),
        list("Tags", "member", tags),
        warm,
    ];
    fields.concat()
}

/// The part of a member's description that both listings share.
fn about(group: &Group, id: &str, member: &Member) -> String {
    let zone = tag("AvailabilityZone", &format!("{}a", group.region));
    let protected = tag("ProtectedFromScaleIn", &member.protected.to_string());
    format!("{}{zone}{}{protected}", tag("InstanceId", id), tag("LifecycleState", &member.lifecycle))
}

pub fn members(fleets: &Fleets, at_most: usize, call: &Call) -> Result<String, Refusal> {
    let ids = call.list("InstanceIds.member");
    if ids.len() > 50 {
        return Err(invalid("The number of instance ids that may be passed in is limited to 50".to_owned()));
    }
    let size = size(call, 50, at_most)?;
    let mut found: Vec<(&Group, &str, &Member)> = Vec::new();
    for group in fleets.values().filter(|group| group.region == call.region) {
        if ids.is_empty() {
            found.extend(group.members.iter().map(|(id, member)| (group, id.as_str(), member)));
        } else {
            found.extend(ids.iter().filter_map(|id| Some((group, *id, group.members.get(*id)?))));
        }
    }
    let (found, token) = page(found, call.get("NextToken"), size);
    let found = found.into_iter().map(|(group, id, member)| {
        let health = tag("HealthStatus", &member.health().to_uppercase());
        format!("{}{}{health}", about(group, id, member), tag("AutoScalingGroupName", &group.name))
    });
    Ok(format!("{}{}", list("AutoScalingInstances", "member", found), next("NextToken", token)))
}

/// The latest first.
pub fn activities(fleets: &Fleets, at_most: usize, call: &Call) -> Result<String, Refusal> {
    let group = group(fleets, call)?;
    let size = size(call, MOST, at_most)?;
    let described = |(number, activity): (usize, &Activity)| {
        let what = match activity.doing {
            Doing::Launch => format!("Launching a new EC2 instance: {}", activity.instance),
            Doing::Terminate => format!("Terminating EC2 instance: {}", activity.instance),
            Doing::EnterStandby => format!("Moving EC2 instance to Standby: {}", activity.instance),
            Doing::ExitStandby => format!("Moving EC2 instance out of Standby: {}", activity.instance),
        };
        let progress = if activity.end.is_some() { "100" } else { "50" };
        let fields = [
            tag("ActivityId", &format!("00000000-0000-4000-8000-{number:012}")),
            tag("AutoScalingGroupName", &group.name),
            tag("Description", &what),
            tag("Cause", &format!("At {} {}.", activity.start, activity.cause)),
            tag("StartTime", &activity.start.to_string()),
            activity.end.map(|end| tag("EndTime", &end.to_string())).unwrap_or_default(),
            tag("StatusCode", activity.status),
            tag("Progress", progress),
        ];
        fields.concat()
    };
    let latest: Vec<_> = group.activities.iter().enumerate().rev().collect();
    let (found, token) = page(latest, call.get("NextToken"), size);
    Ok(format!("{}{}", list("Activities", "member", found.into_iter().map(described)), next("NextToken", token)))
}

/// The latest first.
pub fn refreshes(fleets: &Fleets, at_most: usize, call: &Call) -> Result<String, Refusal> {
    let group = group(fleets, call)?;
    let size = size(call, 50, at_most)?;
    let described = |(number, status): (usize, &String)| {
        let id = tag("InstanceRefreshId", &format!("08b91cf7-8fa6-48af-b6a6-{number:012}"));
        format!("{id}{}{}", tag("AutoScalingGroupName", &group.name), tag("Status", status))
    };
    let latest: Vec<_> = group.refreshes.iter().enumerate().rev().collect();
    let (found, token) = page(latest, call.get("NextToken"), size);
    Ok(format!("{}{}", list("InstanceRefreshes", "member", found.into_iter().map(described)), next("NextToken", token)))
}

pub fn scheduled(fleets: &Fleets, call: &Call) -> Result<String, Refusal> {
    let group = group(fleets, call)?;
    let action = |action: &Scheduled| {
        let group = tag("AutoScalingGroupName", &group.name);
        let recurrence = action.recurrence.map(|recurrence| tag("Recurrence", recurrence)).unwrap_or_default();
        format!("{group}{}{recurrence}{}", tag("ScheduledActionName", action.name), tag("StartTime", action.next))
    };
    Ok(list("ScheduledUpdateGroupActions", "member", group.scheduled.iter().map(action)))
}

fn group<'a>(fleets: &'a Fleets, call: &Call) -> Result<&'a Group, Refusal> {
    let name = call.require("AutoScalingGroupName")?;
    fleets.get(&(call.region.clone(), name.to_owned())).ok_or_else(|| not_found(name))
}
