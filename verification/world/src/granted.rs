//! The changes that a function's policy allows: of instances and groups by their tag, as `aws:ResourceTag` has it.

use super::account::Account;
use super::ecs;
use super::lambda;
use super::rds;
use super::redshift;
use super::switchable;
use super::wire::{Call, Refusal, Service};

const USER: &str = "User: arn:aws:sts::123456789012:assumed-role/guardrails/session";

/// Calls of Lambda that are granted on functions with the tag alone.
const LAMBDA_BY_TAG: &[&str] = &[
    "PutFunctionConcurrency",
    "DeleteFunctionConcurrency",
    "PutProvisionedConcurrencyConfig",
    "DeleteProvisionedConcurrencyConfig",
    "GetFunctionConfiguration",
    "ListAliases",
    "ListFunctionEventInvokeConfigs",
];

/// Why IAM refuses a function's call, if it does.
pub fn refusal(account: &Account, call: &Call) -> Option<Refusal> {
    let named = ["GroupName", "UserName", "RoleName"].into_iter().find_map(|key| call.get(key));
    if named.is_some_and(|name| account.beyond.contains(name)) {
        let what = format!("{USER} is not authorized to perform: iam:{}", call.operation);
        return Some(Refusal(403, "AccessDenied", what));
    }
    let (key, value) = account.granted?;
    let member = || account.instances.get(call.get("InstanceId")?)?.group_key();
    let group = |name: &str| account.fleets.get(&(call.region.clone(), name.to_owned()));
    if let Service::Told(table) = call.service {
        let turns = table.turns.iter().any(|turn| turn.operation == call.operation);
        let thing = switchable::named(table, &account.things, call).ok().filter(|_| turns)?;
        let message = format!("User is not authorized to perform: {}:{} on {}", table.service, call.operation, thing.arn);
        return (thing.tags.get(key).map(String::as_str) != Some(value)).then_some(Refusal(
            400,
            "AccessDeniedException",
            message,
        ));
    }
    if let Service::Ecs = call.service {
        let (action, arn, tags) = ecs::told(account, call);
        let is_refused = call.operation == "UpdateService" && tags.get(key).map(String::as_str) != Some(value);
        let message = format!("{USER} is not authorized to perform: {action} on resource: {arn}");
        return is_refused.then_some(Refusal(400, "AccessDeniedException", message));
    }
    if let Service::Lambda = call.service {
        let (action, arn, tags) = lambda::told(account, call);
        let is_refused = LAMBDA_BY_TAG.contains(&call.operation.as_str()) && tags.get(key).map(String::as_str) != Some(value);
        let message = format!("{USER} is not authorized to perform: {action} on resource: {arn}");
        return is_refused.then_some(Refusal(403, "AccessDeniedException", message));
    }
    let is_granted = match call.operation.as_str() {
        "StopDBInstance" | "StartDBInstance" | "StopDBCluster" | "StartDBCluster" => {
            let (_, _, tags) = rds::told(account, call);
            account.now >= account.tags_known && tags.get(key).is_some_and(|is| is == value)
        }
        "PauseCluster" | "ResumeCluster" => {
            let (_, _, tags) = redshift::told(account, call);
            tags.get(key).is_some_and(|is| is == value)
        }
        "StopInstances" | "StartInstances" => {
            let mut asked = call.list("InstanceId").into_iter().filter_map(|id| account.instances.get(id));
            asked.all(|instance| instance.tags.get(key).is_some_and(|is| is == value))
        }
        "SuspendProcesses" | "ResumeProcesses" | "SetInstanceHealth" | "EnterStandby" | "ExitStandby" | "SetDesiredCapacity" => {
            let asked = call.get("AutoScalingGroupName").map_or_else(|| account.fleets.get(&member()?), group);
            asked.is_none_or(|group| group.tags.iter().any(|(name, is, _)| name == key && is == value))
        }
        _ => true,
    };
    if is_granted {
        return None;
    }
    let user = USER;
    let service = match call.service {
        Service::Rds => "rds",
        Service::Redshift => "redshift",
        _ => "autoscaling",
    };
    Some(if matches!(call.service, Service::Ec2) {
        let what = format!("{user} is not authorized to perform: ec2:{}", call.operation);
        Refusal(403, "UnauthorizedOperation", format!("You are not authorized to perform this operation. {what}"))
    } else {
        Refusal(403, "AccessDenied", format!("{user} is not authorized to perform: {service}:{}", call.operation))
    })
}
