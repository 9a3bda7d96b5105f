//! The load balancers' view of the members of groups: they need some seconds to see that a started one serves again.

use jiff::Timestamp;

use super::account::Account;
use super::auto_scaling::group::Group;
use super::ec2::instance::{Instance, Power};
use super::wire::{Call, Refusal, Service, list, tag};

/// The state of a target, as a load balancer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Serves,
    /// It was launched just now.
    Begins,
    Fails,
    /// It does not run.
    Unused,
    Unknown,
}

/// Does a load balancer of the group send nothing to the member because it fails its checks?
pub fn rejects(account: &Account, group: &Group, instance: &Instance, now: Timestamp) -> bool {
    let mut balancers = group.target_groups.iter().chain(&group.load_balancers);
    balancers.any(|balancer| target(account, balancer, instance, now) == Target::Fails)
}

fn target(account: &Account, balancer: &str, instance: &Instance, now: Timestamp) -> Target {
    let fails = account.failing.contains(&(balancer.to_owned(), instance.id.clone()));
    match instance.running_for(now) {
        None if instance.power != Power::Running => Target::Unused,
        _ if fails => Target::Fails,
        Some(seconds) if seconds >= account.initializing => Target::Serves,
        _ if instance.was_started() => Target::Fails,
        _ => Target::Begins,
    }
}

/// Answers a call.
pub fn answer(account: &Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    match (call.service, call.operation.as_str()) {
        (Service::TargetGroups, "DescribeTargetHealth") => target_health(account, call, now),
        (Service::ClassicLoadBalancers, "DescribeInstanceHealth") => instance_health(account, call, now),
        (_, other) => panic!("the double of Elastic Load Balancing has no {other}"),
    }
}

fn target_health(account: &Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let arn = call.require("TargetGroupArn")?;
    let asked = (1..).map_while(|index| call.get(&format!("Targets.member.{index}.Id"))).collect();
    let targets = targets(account, call, asked, arn, |group| &group.target_groups, now);
    let targets = targets.ok_or_else(|| Refusal(400, "TargetGroupNotFound", format!("Target groups '{arn}' not found")))?;
    let described = |(id, target): (String, Target)| {
        let (state, reason) = match target {
            Target::Serves => ("healthy", ""),
            Target::Begins => ("initial", "Elb.InitialHealthChecking"),
            Target::Fails => ("unhealthy", "Target.FailedHealthChecks"),
            Target::Unused => ("unused", "Target.InvalidState"),
            Target::Unknown => ("unused", "Target.NotRegistered"),
        };
        let reason = if reason.is_empty() { String::new() } else { tag("Reason", reason) };
        let health = format!("<TargetHealth>{}{reason}</TargetHealth>", tag("State", state));
        format!("<HealthCheckPort>80</HealthCheckPort><Target>{}<Port>80</Port></Target>{health}", tag("Id", &id))
    };
    Ok(list("TargetHealthDescriptions", "member", targets.into_iter().map(described)))
}

fn instance_health(account: &Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let name = call.require("LoadBalancerName")?;
    let asked = (1..).map_while(|index| call.get(&format!("Instances.member.{index}.InstanceId"))).collect();
    let targets = targets(account, call, asked, name, |group| &group.load_balancers, now);
    let missing = || Refusal(400, "LoadBalancerNotFound", format!("There is no ACTIVE Load Balancer named '{name}'"));
    let targets = targets.ok_or_else(missing)?;
    if let Some((id, _)) = targets.iter().find(|(_, target)| *target == Target::Unknown) {
        return Err(Refusal(400, "InvalidInstance", format!("Could not find EC2 instance {id}.")));
    }
    let described = |(id, target): (String, Target)| {
        let (state, reason, why) = match target {
            Target::Serves => ("InService", "N/A", "N/A"),
            Target::Begins => ("OutOfService", "ELB", "Instance registration is still in progress."),
            Target::Unused => ("OutOfService", "Instance", "Instance is in stopped state."),
            Target::Fails | Target::Unknown => {
                let why = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.";
                ("OutOfService", "Instance", why)
            }
        };
        format!("{}{}{}{}", tag("InstanceId", &id), tag("State", state), tag("ReasonCode", reason), tag("Description", why))
    };
    Ok(list("InstanceStates", "member", targets.into_iter().map(described)))
}

/// The state of the targets that are asked for, or of all: the members of the groups that serve it. `None` when none does.
fn targets(
    account: &Account,
    call: &Call,
    asked: Vec<&str>,
    balancer: &str,
    of: impl Fn(&Group) -> &Vec<String>,
    now: Timestamp,
) -> Option<Vec<(String, Target)>> {
    let serves = |group: &&Group| group.region == call.region && of(group).iter().any(|name| name == balancer);
    let groups: Vec<&Group> = account.fleets.values().filter(serves).collect();
    groups.first()?;
    let asked =
        if asked.is_empty() { groups.iter().flat_map(|group| group.members.keys().map(String::as_str)).collect() } else { asked };
    let of_id = |id: &str| {
        let member = groups.iter().any(|group| group.members.contains_key(id));
        let instance = account.instances.get(id).filter(|_| member);
        (id.to_owned(), instance.map_or(Target::Unknown, |instance| target(account, balancer, instance, now)))
    };
    Some(asked.into_iter().map(of_id).collect())
}
